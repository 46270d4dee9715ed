/* Packed columns: every width there and back, reads from anywhere, searches, hostile bytes. */
#include "support.h"

#include "base/bits.h"

#define COUNT_MAX 700

/* A random column whose range needs exactly `width` bits, from a minimum of any sign. */
static void fill_random(int64_t *values, size_t count, unsigned width)
{
    uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
    int64_t minimum = width == 64
                          ? INT64_MIN
                          : (int64_t)(random_u64() % (UINT64_MAX - mask) + (UINT64_C(1) << 63));
    for (size_t i = 0; i < count; i++)
        values[i] = (int64_t)((uint64_t)minimum + (random_u64() & mask));
    if (count > 0) values[random_below(count)] = minimum;
    if (count > 1) {
        values[0] = minimum;
        values[count - 1] = (int64_t)((uint64_t)minimum + mask);
    }
}

static lion_packed pack(lion_buffer *buffer, const int64_t *values, size_t count)
{
    lion_buffer_clear(buffer);
    lion_packed_write(buffer, values, count);
    lion_reader reader;
    lion_reader_init(&reader, lion_buffer_view(buffer));
    lion_packed packed;
    assert_true(lion_packed_open(&packed, &reader, count));
    assert_int_equal(lion_reader_left(&reader), 0);
    assert_int_equal(buffer->size, lion_packed_size(count, packed.width));
    return packed;
}

static void every_width_reads_back(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    int64_t values[COUNT_MAX], read[COUNT_MAX];
    for (unsigned width = 0; width <= 64; width++) {
        for (int round = 0; round < 20; round++) {
            size_t count = round == 0 ? 2 : 2 + random_below(COUNT_MAX - 1);
            fill_random(values, count, width);
            lion_packed packed = pack(&buffer, values, count);
            assert_int_equal(packed.width, width);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(lion_packed_get(&packed, i), values[i]);
            for (int part = 0; part < 10; part++) {
                size_t from = random_below(count + 1), n = random_below(count - from + 1);
                memset(read, 0x55, sizeof read);
                lion_packed_read(&packed, from, n, read);
                assert_memory_equal(read, values + from, n * sizeof *read);
            }
        }
    }
    lion_buffer_deinit(&buffer);
}

static void extremes_and_empty_columns(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    const int64_t both_ends[] = { INT64_MAX, INT64_MIN, 0, -1 };
    lion_packed packed = pack(&buffer, both_ends, 4);
    assert_int_equal(packed.width, 64);
    for (size_t i = 0; i < 4; i++) assert_int_equal(lion_packed_get(&packed, i), both_ends[i]);

    packed = pack(&buffer, NULL, 0);
    assert_int_equal(packed.count, 0);
    assert_int_equal(lion_packed_lower_bound(&packed, 0, 0, 5), 0);

    const int64_t same[] = { -7, -7, -7 };
    packed = pack(&buffer, same, 3);
    assert_int_equal(packed.width, 0);
    assert_int_equal(lion_packed_lower_bound(&packed, 0, 3, -8), 0);
    assert_int_equal(lion_packed_lower_bound(&packed, 0, 3, -7), 0);
    assert_int_equal(lion_packed_lower_bound(&packed, 0, 3, -6), 3);
    lion_buffer_deinit(&buffer);
}

static int compare_int64(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void lower_bound_agrees_with_a_scan(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    int64_t values[COUNT_MAX];
    for (unsigned width = 0; width <= 64; width += 1 + (unsigned)random_below(3)) {
        size_t count = 2 + random_below(300);
        fill_random(values, count, width);
        qsort(values, count, sizeof *values, compare_int64);
        lion_packed packed = pack(&buffer, values, count);
        for (int round = 0; round < 200; round++) {
            size_t from = random_below(count + 1), to = from + random_below(count - from + 1);
            int64_t key = values[random_below(count)];
            if (round % 3 == 1 && key < INT64_MAX) key++;
            if (round % 3 == 2 && key > INT64_MIN) key--;
            if (round == 7) key = INT64_MAX;
            if (round == 8) key = INT64_MIN;
            size_t expected = from;
            while (expected < to && values[expected] < key) expected++;
            assert_int_equal(lion_packed_lower_bound(&packed, from, to, key), expected);
        }
    }
    lion_buffer_deinit(&buffer);
}

static void hostile_headers_are_refused(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    const int64_t values[] = { 1, 2, 300 };
    lion_packed_write(&buffer, values, 3);
    lion_packed packed;
    lion_reader reader;
    for (size_t size = 0; size < buffer.size; size++) { /* cut short anywhere */
        lion_reader_init(&reader, lion_slice_of(buffer.data, size));
        assert_false(lion_packed_open(&packed, &reader, 3));
    }
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_false(lion_packed_open(&packed, &reader, (size_t)UINT32_MAX + 1));
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_false(lion_packed_open(&packed, &reader, 3000000000u));

    buffer.data[8] = 65; /* a width past 64 */
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_false(lion_packed_open(&packed, &reader, 3));
    buffer.data[8] = 9;
    buffer.data[12] = 1; /* a reserved byte */
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_false(lion_packed_open(&packed, &reader, 3));
    lion_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_reads_back),
        cmocka_unit_test(extremes_and_empty_columns),
        cmocka_unit_test(lower_bound_agrees_with_a_scan),
        cmocka_unit_test(hostile_headers_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
