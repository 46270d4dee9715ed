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

LION_KERNEL static uint32_t count_group(const uint32_t *numbers, uint32_t count, uint32_t group)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < count; i++) rows += numbers[i] == group;
    return rows;
}

LION_KERNEL static uint64_t sum_group(const int64_t *values, const uint32_t *numbers,
                                      uint32_t count, uint32_t group)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) sum += numbers[i] == group ? (uint64_t)values[i] : 0;
    return sum;
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

/* Each row is of one group: the last has what the others leave. */
void lion_kernel_count_groups(uint64_t *counts, const uint32_t *numbers, uint32_t count,
                              uint32_t groups)
{
    uint32_t left = count;
    for (uint32_t group = 0; group + 1 < groups; group++) {
        uint32_t rows = count_group(numbers, count, group);
        counts[group] += rows;
        left -= rows;
    }
    counts[groups - 1] += left;
}

bool lion_kernel_sum_groups(int64_t *sums_out, const int64_t *values, const uint32_t *numbers,
                            uint32_t count, uint32_t groups)
{
    int64_t left;
    if (!sum_values(&left, values, count)) return false;
    for (uint32_t group = 0; group + 1 < groups; group++) {
        sums_out[group] = (int64_t)sum_group(values, numbers, count, group);
        left -= sums_out[group];
    }
    sums_out[groups - 1] = left;
    return true;
}
