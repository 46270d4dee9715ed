/* leaf_ints_test.c - integer columns: every encoding gives back what went in, by one, by range and
 * by search. */
#include "support.h"

#include "index/ints.h"

static lion_ints_writer writer;

/* Shapes of columns; each draws some encodings. */
typedef enum column_shape {
    CONSTANT,
    DENSE,
    SLOW_GROWTH,
    GROWTH,
    WIDE,
    FEW_DISTINCT,
    JUMPS,
    LOWEST,
    HIGHEST,
    SHAPES
} column_shape;

static void fill(int64_t *values, size_t count, column_shape shape)
{
    int64_t x = (int64_t)random_below(1000000) - 500000;
    size_t step = 1 + random_below(3000);
    if (shape == LOWEST) x = INT64_MIN + (int64_t)random_below(9);
    if (shape == HIGHEST) x = INT64_MAX - 100000;
    for (size_t i = 0; i < count; i++) {
        values[i] = x;
        switch (shape) {
        case CONSTANT: break;
        case DENSE: x += 1 + (random_below(5) == 0); break;
        case SLOW_GROWTH: x += random_below(40) == 0; break;
        case LOWEST:
        case GROWTH: x += (int64_t)random_below(step); break;
        case HIGHEST: x += (int64_t)random_below(30); break;
        case WIDE: x = (int64_t)random_u64(); break;
        case FEW_DISTINCT: x = (int64_t)(random_below(9) * 1000003); break;
        default: x += i % 128 == 0 ? 1000000 : (int64_t)random_below(3); break;
        }
    }
}

static bool ascends(column_shape shape)
{
    return shape != WIDE && shape != FEW_DISTINCT;
}

static void check_column(const lion_ints *ints, const int64_t *values, size_t count)
{
    int64_t *out = malloc(count * sizeof *out);
    for (size_t i = 0; i < count; i++) assert_int_equal(lion_ints_get(ints, i), values[i]);
    for (int i = 0; i < 5; i++) {
        size_t from = random_below(count + 1), take = random_below(count - from + 1);
        lion_ints_read(ints, from, take, out);
        for (size_t j = 0; j < take; j++) assert_int_equal(out[j], values[from + j]);
    }
    free(out);
}

static void check_search(const lion_ints *ints, const int64_t *values, size_t count)
{
    for (int i = 0; i < 60; i++) {
        size_t from = random_below(count + 1), to = from + random_below(count - from + 1);
        int64_t key = (int64_t)((uint64_t)values[random_below(count)] + random_below(3) - 1);
        if (i == 0) key = INT64_MIN;
        if (i == 1) key = INT64_MAX;
        if (i == 2) key = (int64_t)random_u64();
        size_t expected = from, index;
        while (expected < to && values[expected] < key) expected++;
        assert_int_equal(lion_ints_lower_bound(ints, from, to, key), expected);
        bool is_there = false;
        for (size_t j = 0; j < count; j++) is_there |= values[j] == key;
        assert_int_equal(lion_ints_find(ints, key, &index), is_there);
    }
}

static void columns_come_back(void **state)
{
    (void)state;
    size_t used[6] = { 0 };
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (int round = 0; round < 6000; round++) {
        size_t count = 1 + random_below(round % 10 == 0 ? 4000 : 300);
        column_shape shape = (column_shape)random_below(SHAPES);
        int64_t *values = malloc(count * sizeof *values);
        fill(values, count, shape);
        lion_buffer_clear(&buffer);
        lion_ints_write(&buffer, &writer, values, count, (lion_ints_use)random_below(3));
        lion_reader reader;
        lion_ints ints;
        lion_reader_init(&reader, lion_buffer_view(&buffer));
        assert_true(lion_ints_open(&ints, &reader, count));
        assert_int_equal(lion_reader_left(&reader), 0);
        used[ints.encoding]++;
        check_column(&ints, values, count);
        if (ascends(shape)) check_search(&ints, values, count);
        free(values);
    }
    for (size_t i = 0; i < CASES(used); i++)
        assert_true(used[i] > 20); /* the shapes do draw every encoding */
    lion_buffer_deinit(&buffer);
}

/* A run in the middle of a column ascends where the column does not: e of AVET. */
static void a_stretch_that_ascends_is_searched_alone(void **state)
{
    (void)state;
    enum { COUNT = 5000, RUN = 700 };
    int64_t values[COUNT];
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (size_t i = 0; i < COUNT; i++) values[i] = (int64_t)(i % RUN * 1000 + random_below(900));
    lion_ints_write(&buffer, &writer, values, COUNT, LION_INTS_INDEXED);
    lion_reader reader;
    lion_ints ints;
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_true(lion_ints_open(&ints, &reader, COUNT));
    for (int i = 0; i < 3000; i++) {
        size_t from = random_below(COUNT / RUN) * RUN, to = from + RUN, expected = from;
        int64_t key = (int64_t)random_below(RUN * 1000);
        while (expected < to && values[expected] < key) expected++;
        assert_int_equal(lion_ints_lower_bound(&ints, from, to, key), expected);
    }
    lion_buffer_deinit(&buffer);
}

static void dense_ids_cost_no_bits(void **state)
{
    (void)state;
    int64_t values[10000];
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (size_t i = 0; i < CASES(values); i++) values[i] = (INT64_C(4) << 42) + (int64_t)i * 3;
    lion_ints_write(&buffer, &writer, values, CASES(values), LION_INTS_SEARCHED);
    assert_true(buffer.size < 40);
    for (size_t i = 0; i < CASES(values); i++) /* two of three are there */
        values[i] = (INT64_C(4) << 42) + (int64_t)(i + i / 2);
    lion_buffer_clear(&buffer);
    lion_ints_write(&buffer, &writer, values, CASES(values), LION_INTS_SEARCHED);
    assert_true(buffer.size < CASES(values) * 2 / 8 + 100);
    lion_buffer_deinit(&buffer);
}

static void broken_columns_are_refused_or_read_in_bounds(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (int round = 0; round < 400; round++) {
        size_t count = 1 + random_below(600);
        int64_t values[600];
        fill(values, count, (column_shape)random_below(SHAPES));
        lion_buffer_clear(&buffer);
        lion_ints_write(&buffer, &writer, values, count, (lion_ints_use)random_below(3));
        for (int i = 0; i < 40; i++) {
            size_t size = random_below(4) == 0 ? random_below(buffer.size + 1) : buffer.size;
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, buffer.data, size);
            if (size > 0) copy[random_below(size < 30 ? size : 30)] = (uint8_t)random_u64();
            lion_reader reader;
            lion_ints ints;
            lion_reader_init(&reader, lion_slice_of(copy, size));
            if (lion_ints_open(&ints, &reader, count)) {
                int64_t out[600];
                lion_ints_read(&ints, 0, count, out);
                for (size_t j = 0; j < count; j++) out[j] = lion_ints_get(&ints, j);
                assert_true(lion_ints_lower_bound(&ints, 0, count, out[count / 2]) <= count);
            }
            free(copy);
        }
    }
    lion_buffer_deinit(&buffer);
}

static int set_up(void **state)
{
    (void)state;
    lion_ints_writer_init(&writer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lion_ints_writer_deinit(&writer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_come_back),
        cmocka_unit_test(a_stretch_that_ascends_is_searched_alone),
        cmocka_unit_test(dense_ids_cost_no_bits),
        cmocka_unit_test(broken_columns_are_refused_or_read_in_bounds),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
