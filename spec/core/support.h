/* support.h - what the C tests share: cmocka, a seeded random source.
 * LION_SEED=n repeats a failing run; the seed is printed once a test program. */
#ifndef LION_SPEC_SUPPORT_H
#define LION_SPEC_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t random_state;

static inline uint64_t random_u64(void)
{
    if (random_state == 0) {
        const char *seed = getenv("LION_SEED");
        random_state = seed != NULL ? strtoull(seed, NULL, 10) : 20260101;
        fprintf(stderr, "LION_SEED=%llu\n", (unsigned long long)random_state);
    }
    random_state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static inline size_t random_below(size_t bound)
{
    return (size_t)(random_u64() % bound);
}

#define CASES(array) (sizeof(array) / sizeof((array)[0]))

#endif
