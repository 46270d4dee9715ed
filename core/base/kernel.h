/* kernel.h - loops that gain by wider registers: a static function marked LION_KERNEL is compiled
 * for x86-64 as it was in the beginning and again for AVX2, and the loader takes what the processor
 * has. Static, as GCC would export those of others. Elsewhere there is one of each. */
#ifndef LION_BASE_KERNEL_H
#define LION_BASE_KERNEL_H

#include <stdbool.h>
#include <stdint.h> /* tells of the C library */

/* The choice needs the loader of glibc, and runs before a sanitizer is ready. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) &&                            \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LION_KERNEL __attribute__((target_clones("avx2", "default"), optimize("O3")))
/* The same, where `floor` is to be done in wide registers, too: GCC does that where nobody looks at
 * the exceptions of floating-point numbers, as nobody does here. */
#define LION_KERNEL_NUMBERS                                                                        \
    __attribute__((target_clones("avx2", "default"), optimize("O3", "no-trapping-math")))
/* A loop that is written for AVX2, beside one that is not: for who asks whether the processor has
 * it. */
#define LION_KERNEL_WIDE __attribute__((target("avx2"), optimize("O3")))
static inline bool lion_kernel_is_wide(void)
{
    return __builtin_cpu_supports("avx2") != 0;
}
#else
#define LION_KERNEL
#define LION_KERNEL_NUMBERS
#endif

#endif
