/* kernels.h - loops over typed columns that gain by wider registers: each is compiled for x86-64 as
 * it was in the beginning and again for AVX2, and the loader takes what the processor has. Plain C;
 * elsewhere, and under sanitizers, there is one of each.
 *
 * Comparisons and arithmetic have their loops where they are chosen (comparison.c, arithmetic.c), and
 * so has what unpacks leaves (base/bits.c). */
#ifndef LION_QUERY_KERNELS_H
#define LION_QUERY_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

/* out[i] = values[rows[i]]. */
void lion_kernel_gather(int64_t *out, const int64_t *values, const uint16_t *rows, uint32_t count);
/* Marks, 0 or 1 for each row, of bytes of which some are not 0. */
void lion_kernel_make_marks(uint8_t *bytes, uint32_t count);
/* The rows that are marked, and how many; out has room for all. (One loop: wider registers gain nothing.) */
uint32_t lion_kernel_list(uint16_t *out, const uint8_t *marks, uint32_t count);
/* The hash of each word alone (row_set.c). */
void lion_kernel_hash(uint32_t *hashes_out, const uint64_t *words, uint32_t count);
/* The sum of up to LION_KERNEL_SUM_MAX values. false: some of them are below -LION_KERNEL_SMALL or
 * not below LION_KERNEL_SMALL, nothing was done. Sums of small ones are below 2^52, so that doubles
 * are as good, too. */
#define LION_KERNEL_SUM_MAX 1024
#define LION_KERNEL_SMALL (UINT64_C(1) << 42)
bool lion_kernel_sum(int64_t *sum_out, const int64_t *values, uint32_t count);

/* Rows of a few groups, once over them for each group: numbers[i] < groups. More are better added
 * to one by one. */
#define LION_KERNEL_COUNTED_MAX 8
#define LION_KERNEL_SUMMED_MAX 4
/* The rows of each group, to what is there. */
void lion_kernel_count_groups(uint64_t *counts, const uint32_t *numbers, uint32_t count,
                              uint32_t groups);
/* The sum of each group's values, as lion_kernel_sum. */
bool lion_kernel_sum_groups(int64_t *sums_out, const int64_t *values, const uint32_t *numbers,
                            uint32_t count, uint32_t groups);

#endif
