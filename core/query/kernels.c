/* kernels.c - one function each, and one that calls it. */
#include "query/kernels.h"

#include "base/kernel.h"

LION_KERNEL static void gather(int64_t *out, const int64_t *values, const uint16_t *rows,
                               uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) out[i] = values[rows[i]];
}

LION_KERNEL static void hash_words(uint32_t *hashes_out, const uint64_t *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = words[i] * UINT64_C(0x9e3779b97f4a7c15);
        hashes_out[i] = (uint32_t)(hash ^ hash >> 32);
    }
}

LION_KERNEL static bool sum_values(int64_t *sum_out, const int64_t *values, uint32_t count)
{
    uint64_t sum = 0, large = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = (uint64_t)values[i];
        sum += value;
        large |= value + LION_KERNEL_SMALL; /* of small ones, below twice that */
    }
    if (large >= 2 * LION_KERNEL_SMALL) return false;
    *sum_out = (int64_t)sum;
    return true;
}

void lion_kernel_gather(int64_t *out, const int64_t *values, const uint16_t *rows, uint32_t count)
{
    gather(out, values, rows, count);
}

void lion_kernel_hash(uint32_t *hashes_out, const uint64_t *words, uint32_t count)
{
    hash_words(hashes_out, words, count);
}

bool lion_kernel_sum(int64_t *sum_out, const int64_t *values, uint32_t count)
{
    return sum_values(sum_out, values, count);
}
