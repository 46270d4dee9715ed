/* kernels_bench - nanoseconds of processor time per value: kernels as they are chosen here, the
 * same loops as the compiler makes them for any x86-64, and loops that are no kernels. Compile it
 * with -mavx2 too to see what those would gain. */
#include <stdio.h>

#include "../measure.h"
#include "base/bits.h"
#include "base/buffer.h"
#include "query/kernels.h"

#define VALUES 1024
#define ROUNDS 20000
#define TRIES 5
#define GROUPS_MAX 16

static int64_t values[VALUES], out[VALUES];
static uint16_t rows[VALUES], selection[VALUES];
static uint32_t hashes[VALUES], numbers[VALUES], groups;
static int64_t sum, sums[GROUPS_MAX];
static uint64_t counts[GROUPS_MAX];
static lion_packed packed;

static void kernel_gather(void)
{
    lion_kernel_gather(out, values, rows, VALUES);
}
static void kernel_hash(void)
{
    lion_kernel_hash(hashes, (const uint64_t *)values, VALUES);
}
static void kernel_sum(void)
{
    (void)lion_kernel_sum(&sum, values, VALUES);
}

static void kernel_count_groups(void)
{
    lion_kernel_count_groups(counts, numbers, VALUES, groups);
}
static void kernel_sum_groups(void)
{
    (void)lion_kernel_sum_groups(sums, values, numbers, VALUES, groups);
}

static void plain_gather(void)
{
    for (uint32_t i = 0; i < VALUES; i++) out[i] = values[rows[i]];
}

static void plain_hash(void)
{
    for (uint32_t i = 0; i < VALUES; i++) {
        uint64_t hash = (uint64_t)values[i] * UINT64_C(0x9e3779b97f4a7c15);
        hashes[i] = (uint32_t)(hash ^ hash >> 32);
    }
}

static void plain_sum(void)
{
    bool is_over = false;
    sum = 0;
    for (uint32_t i = 0; i < VALUES; i++) is_over |= __builtin_add_overflow(sum, values[i], &sum);
    if (is_over) sum = 0;
}

/* Every second row into a part of its own, so that few wait for the row before. */
static void plain_count_groups(void)
{
    uint32_t parts[2][GROUPS_MAX] = { { 0 } };
    for (uint32_t i = 0; i < VALUES; i++) parts[i & 1][numbers[i]]++;
    for (uint32_t i = 0; i < groups; i++) counts[i] += parts[0][i] + parts[1][i];
}

static void plain_sum_groups(void)
{
    int64_t parts[2][GROUPS_MAX] = { { 0 } };
    for (uint32_t i = 0; i < VALUES; i++) parts[i & 1][numbers[i]] += values[i];
    for (uint32_t i = 0; i < groups; i++) sums[i] = parts[0][i] + parts[1][i];
}

static uint16_t *volatile selected = selection; /* so that it counts as read */

static void plain_select(void)
{
    uint16_t *to = selected;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < VALUES; i++) {
        to[kept] = (uint16_t)i;
        kept += values[i] < 50;
    }
}

static void plain_unpack(void)
{
    lion_packed_read(&packed, 0, VALUES, out);
}

static void measure(const char *name, void (*loop)(void))
{
    double best = 0;
    for (int try = 0; try < TRIES; try++) {
        double start = now_ns();
        for (int i = 0; i < ROUNDS; i++) {
            loop();
            __asm__ volatile("" ::: "memory");
        }
        double each = (now_ns() - start) / ROUNDS / VALUES;
        if (try == 0 || each < best) best = each;
    }
    printf("%-14s %.3f ns\n", name, best);
}

int main(void)
{
    uint64_t state = 1;
    lion_buffer buffer;
    lion_reader reader;
    for (int i = 0; i < VALUES; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (int64_t)((state >> 33) % 100);
        rows[i] = (uint16_t)(i * 7 % VALUES);
    }
    lion_buffer_init(&buffer);
    lion_packed_write(&buffer, values, VALUES);
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    if (!lion_packed_open(&packed, &reader, VALUES)) return 1;
    measure("gather", kernel_gather);
    measure("  plain", plain_gather);
    measure("hash", kernel_hash);
    measure("  plain", plain_hash);
    measure("sum", kernel_sum);
    measure("  plain", plain_sum);
    for (groups = 2; groups <= GROUPS_MAX; groups *= 2) {
        printf("%u groups\n", groups);
        for (int i = 0; i < VALUES; i++) numbers[i] = (uint32_t)values[i] % groups;
        measure("count", kernel_count_groups);
        measure("  plain", plain_count_groups);
        measure("sum", kernel_sum_groups);
        measure("  plain", plain_sum_groups);
    }
    measure("select, plain", plain_select);
    measure("unpack, plain", plain_unpack);
    lion_buffer_deinit(&buffer);
    return 0;
}
