/* Buffers and readers: what is put is read, and nothing is read past the end. */
#include "support.h"

#include "base/buffer.h"
#include "base/fault.h"

static void what_is_put_is_read(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_buffer_put_u8(&buffer, 0xab);
    lion_buffer_put_u16(&buffer, 0xbeef);
    lion_buffer_put_u32(&buffer, 0xdeadbeef);
    lion_buffer_put_u64(&buffer, UINT64_C(0x0123456789abcdef));
    lion_buffer_put(&buffer, "bytes", 5);
    lion_buffer_align(&buffer, 16);
    assert_int_equal(buffer.size, 32);
    assert_int_equal(lion_buffer_check(&buffer, NULL), LION_OK);
    assert_int_equal(buffer.data[1], 0xef); /* little-endian */

    lion_reader reader;
    lion_reader_init(&reader, lion_buffer_view(&buffer));
    assert_int_equal(lion_reader_u8(&reader), 0xab);
    assert_int_equal(lion_reader_u16(&reader), 0xbeef);
    assert_int_equal(lion_reader_u32(&reader), 0xdeadbeef);
    assert_true(lion_reader_u64(&reader) == UINT64_C(0x0123456789abcdef));
    assert_memory_equal(lion_reader_bytes(&reader, 5).data, "bytes", 5);
    assert_int_equal(lion_reader_left(&reader), 12);
    lion_buffer_deinit(&buffer);
}

static void varints_read_back(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        uint64_t x = random_u64() >> random_below(64);
        if (round == 0) x = 0;
        if (round == 1) x = UINT64_MAX;
        int64_t signed_x = round == 2 ? INT64_MIN : (int64_t)(x ^ (0 - (random_u64() & 1)));
        lion_buffer buffer;
        lion_buffer_init(&buffer);
        lion_buffer_put_varint(&buffer, x);
        lion_buffer_put_zigzag(&buffer, signed_x);
        lion_reader reader;
        lion_reader_init(&reader, lion_buffer_view(&buffer));
        assert_true(lion_reader_varint(&reader) == x);
        assert_true(lion_reader_zigzag(&reader) == signed_x);
        assert_false(reader.is_failed);
        assert_int_equal(lion_reader_left(&reader), 0);
        lion_buffer_deinit(&buffer);
    }
}

static void past_the_end_are_zeros_and_a_latch(void **state)
{
    (void)state;
    static const uint8_t BYTES[] = { 1, 2, 3 };
    lion_reader reader;
    lion_reader_init(&reader, lion_slice_of(BYTES, 3));
    assert_int_equal(lion_reader_u32(&reader), 0);
    assert_true(reader.is_failed);
    assert_int_equal(lion_reader_u8(&reader), 0); /* for good */
    assert_null(lion_reader_bytes(&reader, 1).data);

    lion_reader_init(&reader, (lion_slice){ 0 });
    assert_int_equal(lion_reader_left(&reader), 0);
    assert_int_equal(lion_reader_u8(&reader), 0);
    assert_true(reader.is_failed);
}

static void overlong_varints_are_refused(void **state)
{
    (void)state;
    static const uint8_t ENDLESS[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0x01 };
    static const uint8_t TOO_LARGE[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2 };
    lion_reader reader;
    lion_reader_init(&reader, lion_slice_of(ENDLESS, sizeof ENDLESS));
    assert_int_equal(lion_reader_varint(&reader), 0);
    assert_true(reader.is_failed);
    lion_reader_init(&reader, lion_slice_of(TOO_LARGE, sizeof TOO_LARGE));
    lion_reader_varint(&reader);
    assert_true(reader.is_failed);
}

static void a_refused_growth_is_told_at_the_end(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_buffer_put_u8(&buffer, 7);
    lion_fault_arm("memory.alloc", 1, "fail");
    lion_buffer_put(&buffer, (uint8_t[1000]){ 0 }, 1000);
    lion_fault_disarm();
    lion_buffer_put_u8(&buffer, 8); /* dropped: a hole would be worse */
    assert_int_equal(buffer.size, 1);
    lion_error error;
    assert_int_equal(lion_buffer_check(&buffer, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/out-of-memory");
    lion_buffer_clear(&buffer);
    lion_buffer_put_u8(&buffer, 9);
    assert_int_equal(lion_buffer_check(&buffer, NULL), LION_OK);
    assert_false(lion_buffer_reserve(&buffer, SIZE_MAX));
    lion_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_read),
        cmocka_unit_test(varints_read_back),
        cmocka_unit_test(past_the_end_are_zeros_and_a_latch),
        cmocka_unit_test(overlong_varints_are_refused),
        cmocka_unit_test(a_refused_growth_is_told_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
