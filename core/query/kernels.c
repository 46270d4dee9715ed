/* kernels.c - one function each, and one that calls it. */
#include "query/kernels.h"

#include <string.h>

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

LION_KERNEL static void make_marks(uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) bytes[i] = bytes[i] != 0;
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

void lion_kernel_make_marks(uint8_t *bytes, uint32_t count)
{
    make_marks(bytes, count);
}

/* Of four rows those that are marked, side by side, and how many they are. */
static const struct {
    uint64_t rows; /* 16 bits each */
    uint32_t count;
} MARKED[16] = {
    { 0, 0 },
    { UINT64_C(0), 1 },
    { UINT64_C(1), 1 },
    { UINT64_C(0x00010000), 2 },
    { UINT64_C(2), 1 },
    { UINT64_C(0x00020000), 2 },
    { UINT64_C(0x00020001), 2 },
    { UINT64_C(0x000200010000), 3 },
    { UINT64_C(3), 1 },
    { UINT64_C(0x00030000), 2 },
    { UINT64_C(0x00030001), 2 },
    { UINT64_C(0x000300010000), 3 },
    { UINT64_C(0x00030002), 2 },
    { UINT64_C(0x000300020000), 3 },
    { UINT64_C(0x000300020001), 3 },
    { UINT64_C(0x0003000200010000), 4 },
};

/* Four places are written for four rows: never behind the row at hand. */
uint32_t lion_kernel_list(uint16_t *out, const uint8_t *marks, uint32_t count)
{
    uint32_t kept = 0, i = 0;
    uint64_t first = 0; /* i, four times */
    for (; i + 4 <= count; i += 4, first += UINT64_C(0x0004000400040004)) {
        uint32_t bytes, mark;
        memcpy(&bytes, marks + i, sizeof bytes);
        mark = bytes * UINT32_C(0x10204080) >> 28; /* a bit of each byte */
        uint64_t rows = MARKED[mark].rows + first;
        memcpy(out + kept, &rows, sizeof rows);
        kept += MARKED[mark].count;
    }
    for (; i < count; i++) {
        out[kept] = (uint16_t)i;
        kept += marks[i];
    }
    return kept;
}
