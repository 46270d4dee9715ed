/* replay.c - runs a fuzz target without a fuzzer: on the files given, or on seeded random inputs
 * (LION_SEED, LION_FUZZ_RUNS). Inputs are copied to blocks of their exact size, so that a sanitizer
 * sees a read past them. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_SIZE_MAX 2048
#define RUNS 30000

static uint64_t state;

static uint64_t next_random(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size + 1);
    if (copy == NULL) abort();
    memcpy(copy, bytes, size);
    (void)LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    size_t capacity = 1 << 20;
    uint8_t *bytes = malloc(capacity);
    if (bytes == NULL) abort();
    size_t size = fread(bytes, 1, capacity, file);
    (void)fclose(file);
    run(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= run_file(argv[i]);
    if (argc > 1) return failed;

    state = number("LION_SEED", 20260101);
    printf("LION_SEED=%llu\n", (unsigned long long)state);
    for (uint64_t runs = number("LION_FUZZ_RUNS", RUNS); runs > 0; runs--) {
        uint8_t bytes[INPUT_SIZE_MAX];
        size_t size = (size_t)(next_random() % (next_random() % 2 == 0 ? 48 : INPUT_SIZE_MAX));
        for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)next_random();
        run(bytes, size);
    }
    return 0;
}
