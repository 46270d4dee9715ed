/* hash.h - XXH3 for checksums, content hashes and hash tables. */
#ifndef LION_BASE_HASH_H
#define LION_BASE_HASH_H

#include <stdint.h>

#include "base/slice.h"

typedef struct lion_hash128 {
    uint64_t low, high;
} lion_hash128;

uint64_t lion_hash(const void *data, size_t size);
uint64_t lion_hash_seed(const void *data, size_t size, uint64_t seed);
lion_hash128 lion_hash_128(const void *data, size_t size);

/* A good mix of one integer (for tables keyed by ids). */
static inline uint64_t lion_hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

#endif
