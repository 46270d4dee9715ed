/* Kernels against the plainest loops, of every count up to a batch's, and at the bounds of values.
 */
#include "query/kernels.h"
#include "support.h"

#define COUNT 1024

static int64_t values[COUNT], out[COUNT];
static uint16_t rows[COUNT];
static uint32_t hashes[COUNT], numbers[COUNT];

static void fill(uint64_t seed, int bits)
{
    for (int i = 0; i < COUNT; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (int64_t)seed >> (64 - bits);
        rows[i] = (uint16_t)(seed >> 33) % COUNT;
    }
}

static void kernels_do_what_loops_do(void **state)
{
    (void)state;
    for (uint32_t count = 0; count <= COUNT; count += count < 40 ? 1 : 123) {
        int64_t expected = 0, sum = 0;
        fill(count + 1, 43); /* from -LION_KERNEL_SMALL to what is just below it */
        lion_kernel_gather(out, values, rows, count);
        lion_kernel_hash(hashes, (const uint64_t *)values, count);
        assert_true(lion_kernel_sum(&sum, values, count));
        for (uint32_t i = 0; i < count; i++) {
            uint64_t hash = (uint64_t)values[i] * UINT64_C(0x9e3779b97f4a7c15);
            assert_int_equal(out[i], values[rows[i]]);
            assert_int_equal(hashes[i], (uint32_t)(hash ^ hash >> 32));
            expected += values[i];
        }
        assert_int_equal(sum, expected);
    }
}

/* Bytes of which some are 0 by chance, by no chance, and by all; out has no place behind the rows.
 */
static void marked_rows_are_listed(void **state)
{
    (void)state;
    static uint8_t marks[COUNT];
    for (uint32_t count = 0; count <= COUNT; count += count < 40 ? 1 : 123)
        for (uint32_t part = 0; part < 4; part++) {
            uint16_t listed[COUNT + 1], expected[COUNT];
            uint32_t kept = 0;
            fill(count + part, 43);
            for (uint32_t i = 0; i < count; i++) {
                marks[i] = rows[i] % 4 < part ? 0 : (uint8_t)(rows[i] | 1);
                if (marks[i] != 0) expected[kept++] = (uint16_t)i;
            }
            listed[count] = 4711;
            lion_kernel_make_marks(marks, count);
            assert_int_equal(lion_kernel_list(listed, marks, count), kept);
            assert_memory_equal(listed, expected, kept * sizeof *expected);
            assert_int_equal(listed[count], 4711);
        }
}

/* Into all numbers of groups, the last of which may have no row. */
static void groups_are_counted_and_summed_as_rows_come(void **state)
{
    (void)state;
    for (uint32_t groups = 1; groups <= LION_KERNEL_COUNTED_MAX; groups++)
        for (uint32_t count = 0; count <= COUNT; count += count < 40 ? 1 : 123) {
            uint64_t counts[LION_KERNEL_COUNTED_MAX], counted[LION_KERNEL_COUNTED_MAX];
            int64_t sums[LION_KERNEL_SUMMED_MAX], summed[LION_KERNEL_COUNTED_MAX] = { 0 };
            bool is_summed = groups <= LION_KERNEL_SUMMED_MAX;
            fill(count + groups, 43);
            for (uint32_t i = 0; i < groups; i++) counts[i] = counted[i] = i;
            for (uint32_t i = 0; i < count; i++) {
                numbers[i] = rows[i] % groups;
                counts[numbers[i]]++;
                summed[numbers[i]] += values[i];
            }
            lion_kernel_count_groups(counted, numbers, count, groups);
            if (is_summed)
                assert_true(lion_kernel_sum_groups(sums, values, numbers, count, groups));
            for (uint32_t i = 0; i < groups; i++) assert_int_equal(counted[i], counts[i]);
            for (uint32_t i = 0; is_summed && i < groups; i++) assert_int_equal(sums[i], summed[i]);
        }
}

static void a_sum_that_may_not_fit_is_refused(void **state)
{
    (void)state;
    const int64_t small = (int64_t)LION_KERNEL_SMALL;
    const int64_t LARGE[] = { INT64_MAX, INT64_MIN,  INT64_C(1) << 53,
                              small,     -small - 1, INT64_MAX / 1024 };
    int64_t sum = 7;
    for (size_t i = 0; i < CASES(LARGE); i++) {
        fill(3, 20);
        values[i * 100] = LARGE[i];
        assert_false(lion_kernel_sum(&sum, values, COUNT));
        assert_false(lion_kernel_sum_groups(&sum, values, numbers, COUNT, 1));
        assert_int_equal(sum, 7);
    }
    for (int i = 0; i < COUNT; i++) values[i] = -small;
    assert_true(lion_kernel_sum(&sum, values, COUNT));
    assert_int_equal(sum, -small * COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_do_what_loops_do),
        cmocka_unit_test(marked_rows_are_listed),
        cmocka_unit_test(groups_are_counted_and_summed_as_rows_come),
        cmocka_unit_test(a_sum_that_may_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
