/* hash.c - xxHash, inlined into this one unit: small keys cost a call, not two. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"

uint64_t lion_hash(const void *data, size_t size)
{
    return XXH3_64bits(data, size);
}

uint64_t lion_hash_seed(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

lion_hash128 lion_hash_128(const void *data, size_t size)
{
    XXH128_hash_t hash = XXH3_128bits(data, size);
    return (lion_hash128){ .low = hash.low64, .high = hash.high64 };
}
