/* plain_processor.c - stands in the place of libgcc's look at the processor, and has seen none of
 * what it may have: where this is linked, the choices of core/base/kernel.h are those of a
 * processor without AVX2. */
struct features {
    unsigned int vendor, type, subtype, features[1];
};

extern struct features __cpu_model;
extern int __cpu_indicator_init(void);

struct features __cpu_model = { 1, 1, 1, { 0 } };

/* Asked by each choice, before main. */
int __cpu_indicator_init(void)
{
    return 0;
}
