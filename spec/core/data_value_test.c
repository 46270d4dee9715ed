/* The order of values is total, and equality and hash agree with it. */
#include "support.h"

#include <math.h>

#include "data/decimal.h"
#include "data/value.h"

static lion_value text_value(lion_type type, const char *text)
{
    return lion_value_bytes(type, lion_slice_text(text));
}

/* Ascending; each row's values are equal to each other. */
static size_t ladder(lion_value values[80], int ranks[80])
{
    const struct {
        int rank;
        lion_value value;
    } LADDER[] = {
        { 0, lion_value_nil() },
        { 1, lion_value_boolean(false) },
        { 2, lion_value_boolean(true) },
        { 3, lion_value_double(-INFINITY) },
        { 4, lion_value_double(-0x1p64) },
        { 5, lion_value_double(-0x1p63) },
        { 5, lion_value_long(INT64_MIN) },
        { 6, lion_value_long(INT64_MIN + 1) },
        { 7, lion_value_double(-1.5) },
        { 8, lion_value_long(-1) },
        { 9, lion_value_double(-0.5) },
        { 10, lion_value_double(-0.0) },
        { 10, lion_value_double(0.0) },
        { 10, lion_value_long(0) },
        { 11, lion_value_double(0.5) },
        { 12, lion_value_long(1) },
        { 12, lion_value_double(1.0) },
        { 12, lion_value_ref(1) },
        { 12, lion_value_scalar(LION_TYPE_INSTANT, 1) },
        { 12, lion_value_scalar(LION_TYPE_ATTRIBUTE, 1) },
        { 13, lion_value_double(1.0000000000000002) },
        { 14, lion_value_long((INT64_C(1) << 53) - 1) },
        { 15, lion_value_long(INT64_C(1) << 53) },
        { 15, lion_value_double(0x1p53) },
        { 16, lion_value_long((INT64_C(1) << 53) + 1) }, /* no double is this */
        { 17, lion_value_double(0x1p53 + 2) },
        { 17, lion_value_long((INT64_C(1) << 53) + 2) },
        { 18, lion_value_long(INT64_MAX - 1) },
        { 19, lion_value_long(INT64_MAX) },
        { 20, lion_value_double(0x1p63) },
        { 21, lion_value_double(INFINITY) },
        { 22, lion_value_double((double)NAN) },
        { 22, lion_value_double(-(double)NAN) },
        { 23, text_value(LION_TYPE_STRING, "") },
        { 24, text_value(LION_TYPE_STRING, "a") },
        { 25, text_value(LION_TYPE_STRING, "ab") },
        { 26, text_value(LION_TYPE_STRING, "b") },
        { 27, text_value(LION_TYPE_STRING, "\xc3\xa9") }, /* bytes are unsigned */
        { 28, text_value(LION_TYPE_KEYWORD, "a") },
        { 29, text_value(LION_TYPE_SYMBOL, "a") },
        { 30, text_value(LION_TYPE_URI, "a") },
        { 31, text_value(LION_TYPE_UUID, "0123456789abcdef") },
        { 32, text_value(LION_TYPE_BYTES, "a") },
        { 33, text_value(LION_TYPE_TUPLE, "\x05") },
    };
    for (size_t i = 0; i < CASES(LADDER); i++) {
        values[i] = LADDER[i].value;
        ranks[i] = LADDER[i].rank;
    }
    return CASES(LADDER);
}

static void values_climb_the_ladder(void **state)
{
    (void)state;
    lion_value values[80];
    int ranks[80];
    size_t count = ladder(values, ranks);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < count; j++) {
            int expected = (ranks[i] > ranks[j]) - (ranks[i] < ranks[j]);
            int order = lion_value_compare(values[i], values[j]);
            assert_int_equal((order > 0) - (order < 0), expected);
            assert_int_equal(lion_value_equal(values[i], values[j]), expected == 0);
            bool is_same_hash = lion_value_hash(values[i]) == lion_value_hash(values[j]);
            assert_int_equal(is_same_hash, expected == 0); /* unequal ones collide only by chance */
        }
    }
}

/* A double or a long near the places where one cannot hold the other. */
static lion_value random_number(void)
{
    int64_t near[] = {
        0, INT64_C(1) << 53, -(INT64_C(1) << 53), INT64_MAX - 9, INT64_MIN + 9, INT64_C(1) << 60
    };
    int64_t base = near[random_below(CASES(near))] + (int64_t)random_below(9) - 4;
    return random_below(2) == 0 ? lion_value_long(base)
                                : lion_value_double((double)base + (double)random_below(3) / 2);
}

static void numbers_compare_exactly(void **state)
{
    (void)state;
    for (int round = 0; round < 300000; round++) {
        lion_value a = random_number(), b = random_number(), c = random_number();
        int ab = lion_value_compare(a, b), bc = lion_value_compare(b, c);
        /* long double has 64 bits of mantissa here: it holds any of these exactly. */
        long double x = a.type == LION_TYPE_LONG ? (long double)a.bits : (long double)a.number;
        long double y = b.type == LION_TYPE_LONG ? (long double)b.bits : (long double)b.number;
        assert_int_equal(ab, (x > y) - (x < y));
        assert_int_equal(ab, -lion_value_compare(b, a));
        if (ab <= 0 && bc <= 0) assert_true(lion_value_compare(a, c) <= 0);
        if (ab == 0) assert_true(lion_value_hash(a) == lion_value_hash(b));
    }
}

static void coercion_turns_text_and_numbers(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    const struct {
        lion_value from;
        lion_type type;
        const char *expected; /* NULL: absent */
    } CASE[] = {
        { text_value(LION_TYPE_STRING, ":a/b"), LION_TYPE_KEYWORD, ":a/b" },
        { text_value(LION_TYPE_STRING, "a/b"), LION_TYPE_KEYWORD, ":a/b" },
        { text_value(LION_TYPE_STRING, ":"), LION_TYPE_KEYWORD, NULL },
        { text_value(LION_TYPE_STRING, "a/b"), LION_TYPE_SYMBOL, "a/b" },
        { text_value(LION_TYPE_STRING, "http://x"), LION_TYPE_URI, "http://x" },
        { text_value(LION_TYPE_STRING, "ab"), LION_TYPE_BYTES, "#bytes \"6162\"" },
        { text_value(LION_TYPE_STRING, "2026-01-02"), LION_TYPE_INSTANT,
          "2026-01-02T00:00:00.000Z" },
        { text_value(LION_TYPE_STRING, "soon"), LION_TYPE_INSTANT, NULL },
        { text_value(LION_TYPE_STRING, "0190E8E2-0000-7000-8000-00000000000A"), LION_TYPE_UUID,
          "0190e8e2-0000-7000-8000-00000000000a" },
        { text_value(LION_TYPE_STRING, "0190e8e2"), LION_TYPE_UUID, NULL },
        { text_value(LION_TYPE_STRING, "7"), LION_TYPE_LONG, NULL },
        { text_value(LION_TYPE_STRING, "-12.50"), LION_TYPE_DECIMAL, "-12.50" },
        { text_value(LION_TYPE_STRING, "1.5e3"), LION_TYPE_DECIMAL, "1500" },
        { text_value(LION_TYPE_STRING, "1.5.0"), LION_TYPE_DECIMAL, NULL },
        { lion_value_long(INT64_MIN), LION_TYPE_DECIMAL, "-9223372036854775808" },
        { text_value(LION_TYPE_KEYWORD, "a/b"), LION_TYPE_STRING, ":a/b" },
        { text_value(LION_TYPE_SYMBOL, "a/b"), LION_TYPE_STRING, "a/b" },
        { lion_value_long(7), LION_TYPE_DOUBLE, "7.0" },
        { lion_value_long(0), LION_TYPE_INSTANT, "1970-01-01T00:00:00.000Z" },
        { lion_value_long(7), LION_TYPE_REF, "7" },
        { lion_value_long(7), LION_TYPE_STRING, NULL },
        { lion_value_double(7), LION_TYPE_LONG, NULL },
        { lion_value_double(-0.0), LION_TYPE_LONG, "0" },
        { lion_value_double(0x1p60), LION_TYPE_LONG, "1152921504606846976" },
        { lion_value_double(0x1p63), LION_TYPE_LONG, NULL },
        { lion_value_double(7.5), LION_TYPE_DOUBLE, "7.5" },
        { lion_value_boolean(true), LION_TYPE_LONG, NULL },
    };
    for (size_t i = 0; i < CASES(CASE); i++) {
        lion_value value;
        lion_status status = lion_value_coerce(&value, CASE[i].from, CASE[i].type, &arena);
        assert_int_equal(status, CASE[i].expected != NULL ? LION_OK : LION_ABSENT);
        if (status != LION_OK) continue;
        assert_int_equal(value.type, CASE[i].type);
        assert_string_equal(lion_value_text(&arena, value), CASE[i].expected);
    }
    lion_arena_deinit(&arena);
}

static void decimals_climb_a_ladder_of_their_own(void **state)
{
    (void)state;
    static const char *const LADDER[] = {
        "-1e1023", "-100.5", "-100",   "-99.99", "-2",
        "-1.5",    "-1.50",  "-0.001", "0",      "0.00",
        "0.001",   "0.01",   "0.1",    "0.10",   "1",
        "1.0",     "1.01",   "9",      "10",     "123456789.123456789",
    };
    static const bool IS_SAME_NUMBER[CASES(LADDER)] = {
        [6] = true, [9] = true, [13] = true, [15] = true
    };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value before = lion_value_nil();
    for (size_t i = 0; i < CASES(LADDER); i++) {
        lion_value value;
        lion_value text = text_value(LION_TYPE_STRING, LADDER[i]);
        assert_int_equal(lion_value_coerce(&value, text, LION_TYPE_DECIMAL, &arena), LION_OK);
        if (i > 0) {
            assert_string_equal(lion_value_text(&arena, value), LADDER[i]);
            assert_true(lion_value_compare(before, value) < 0);
            int order = lion_decimal_compare(lion_value_slice(before), lion_value_slice(value));
            assert_true(IS_SAME_NUMBER[i] ? order == 0 : order < 0);
        }
        before = value;
    }
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_decimal_print(&buffer, lion_slice_text("\3no decimal at all"));
    assert_int_equal(buffer.size, 9);
    lion_buffer_deinit(&buffer);
    lion_arena_deinit(&arena);
}

static void types_have_names(void **state)
{
    (void)state;
    assert_int_equal(lion_type_of_name(lion_slice_text("db.type/string")), LION_TYPE_STRING);
    assert_int_equal(lion_type_of_name(lion_slice_text("db.type/bigint")), LION_TYPE_NIL);
    assert_int_equal(lion_type_of_name(lion_slice_text("attribute")), LION_TYPE_NIL);
    assert_int_equal(lion_type_of_name(lion_slice_text("")), LION_TYPE_NIL);
    for (int type = LION_TYPE_BOOLEAN; type <= LION_TYPE_DECIMAL; type++)
        if (type != LION_TYPE_ATTRIBUTE)
            assert_int_equal(lion_type_of_name(lion_slice_text(lion_type_name(type))), type);
}

static void copies_own_their_bytes(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    char text[] = "text";
    lion_value copy = lion_value_copy(&arena, text_value(LION_TYPE_STRING, text));
    text[0] = 'n';
    assert_string_equal(lion_value_text(&arena, copy), "text");
    assert_int_equal(lion_value_copy(&arena, lion_value_long(-5)).bits, -5);
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_climb_the_ladder),
        cmocka_unit_test(numbers_compare_exactly),
        cmocka_unit_test(coercion_turns_text_and_numbers),
        cmocka_unit_test(decimals_climb_a_ladder_of_their_own),
        cmocka_unit_test(types_have_names),
        cmocka_unit_test(copies_own_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
