/* Instants, uuids and values as text, there and back. */
#include "support.h"

#include <math.h>
#include <time.h>

#include "data/tuple.h"
#include "data/value.h"

static void every_day_of_ten_thousand_years_reads_back(void **state)
{
    (void)state;
    int64_t first, last;
    assert_int_equal(lion_instant_parse(&first, lion_slice_text("0001-01-01")), LION_OK);
    assert_int_equal(lion_instant_parse(&last, lion_slice_text("9999-12-31")), LION_OK);
    char previous[32] = "";
    int64_t days = 0;
    for (int64_t day = first; day <= last; day += 86400000, days++) {
        int64_t instant = day + (int64_t)random_below(86400000), parsed;
        char text[32];
        lion_instant_format(text, instant);
        assert_int_equal(lion_instant_parse(&parsed, lion_slice_text(text)), LION_OK);
        assert_int_equal(parsed, instant);
        assert_true(strncmp(previous, text, 10) < 0); /* calendar order */
        memcpy(previous, text, sizeof text);
    }
    assert_int_equal(days, 3652059); /* 1 January 1 to 31 December 9999 */
}

static void instants_agree_with_the_c_library(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        time_t seconds = (time_t)(random_u64() % 400000000000u) - 62135596800;
        struct tm tm;
        gmtime_r(&seconds, &tm);
        char expected[32], text[32];
        strftime(expected, sizeof expected, "-%m-%dT%H:%M:%S.000Z", &tm);
        lion_instant_format(text, (int64_t)seconds * 1000);
        assert_string_equal(strchr(text + 1, '-'), expected);
        assert_int_equal(strtol(text, NULL, 10), tm.tm_year + 1900);
    }
}

static void rfc_3339_in_its_varieties(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t expected; /* -1: malformed */
    } CASE[] = {
        { "1970-01-01", 0 },
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-01t00:00:01z", 1000 },
        { "1970-01-01 00:01", 60000 },
        { "1970-01-01T00:00:00.5Z", 500 },
        { "1970-01-01T00:00:00.1239999Z", 123 },
        { "1970-01-01T01:00:00+01:00", 0 },
        { "1969-12-31T23:30:00-00:30", 0 },
        { "1970-01-01T00:00:00", 0 },
        { "1972-06-30T23:59:60Z", 78796800000 },
        { "2000-02-29", 951782400000 },
        { "1900-02-29", -1 },
        { "2026-13-01", -1 },
        { "2026-00-01", -1 },
        { "2026-01-32", -1 },
        { "2026-01-00", -1 },
        { "2026-1-1", -1 },
        { "2026-01-01T24:00:00Z", -1 },
        { "2026-01-01T00:60:00Z", -1 },
        { "2026-01-01T00:00:00.Z", -1 },
        { "2026-01-01T00:00:00Zz", -1 },
        { "2026-01-01T00:00:00+1", -1 },
        { "2026-01-01T", -1 },
        { "2026-01-01T00", -1 },
        { "2026", -1 },
        { "", -1 },
        { "not a date", -1 },
    };
    for (size_t i = 0; i < CASES(CASE); i++) {
        int64_t instant = -1;
        lion_status status = lion_instant_parse(&instant, lion_slice_text(CASE[i].text));
        assert_int_equal(status, CASE[i].expected == -1 ? LION_ABSENT : LION_OK);
        assert_int_equal(instant, CASE[i].expected);
    }
}

static void instants_past_four_digits_are_signed(void **state)
{
    (void)state;
    char text[32];
    lion_instant_format(text, INT64_MAX);
    assert_string_equal(text, "+292278994-08-17T07:12:55.807Z");
    lion_instant_format(text, INT64_MIN);
    assert_string_equal(text, "-292275055-05-16T16:47:04.192Z");
    lion_instant_format(text, -62167219200000 - 1);
    assert_string_equal(text, "-0001-12-31T23:59:59.999Z");
    lion_instant_format(text, -62167219200000);
    assert_string_equal(text, "0000-01-01T00:00:00.000Z");
    lion_instant_format(text, -1);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void uuids_read_back(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        uint8_t uuid[16], read[16];
        for (size_t i = 0; i < 16; i++) uuid[i] = (uint8_t)random_u64();
        char text[37];
        lion_uuid_format(text, uuid);
        assert_int_equal(strlen(text), 36);
        assert_int_equal(lion_uuid_parse(read, lion_slice_text(text)), LION_OK);
        assert_memory_equal(read, uuid, 16);
        text[random_below(36)] = 'g';
        assert_int_equal(lion_uuid_parse(read, lion_slice_text(text)), LION_ABSENT);
    }
}

static void doubles_are_short_and_read_back(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    static const struct {
        double number;
        const char *expected;
    } CASE[] = { { 2, "2.0" },
                 { 0.1, "0.1" },
                 { -0.0, "-0.0" },
                 { 1e300, "1e+300" },
                 { 1.0 / 3, "0.3333333333333333" },
                 { 0x1p53, "9007199254740992.0" },
                 { 5e-324, "4.94065645841247e-324" } };
    for (size_t i = 0; i < CASES(CASE); i++)
        assert_string_equal(lion_value_text(&arena, lion_value_double(CASE[i].number)),
                            CASE[i].expected);
    assert_string_equal(lion_value_text(&arena, lion_value_double((double)NAN)), "##NaN");
    assert_string_equal(lion_value_text(&arena, lion_value_double(-INFINITY)), "##-Inf");
    for (int round = 0; round < 20000; round++) {
        uint64_t bits = random_u64();
        double number;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number)) continue;
        const char *text = lion_value_text(&arena, lion_value_double(number));
        assert_true(strtod(text, NULL) == number);
        assert_non_null(strpbrk(text, ".e"));
        lion_arena_reset(&arena);
    }
    lion_arena_deinit(&arena);
}

static void values_print_as_edn(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value inner[] = { lion_value_long(1),
                           lion_value_bytes(LION_TYPE_STRING, lion_slice_text("a \"b\"\n")) };
    lion_value slots[] = { lion_value_nil(), lion_value_boolean(true),
                           lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_text("k/w")),
                           lion_value_scalar(LION_TYPE_INSTANT, 0),
                           lion_tuple_make(&arena, inner, 2) };
    lion_value tuple = lion_tuple_make(&arena, slots, 5);
    assert_string_equal(
        lion_value_text(&arena, tuple),
        "[nil true :k/w #inst \"1970-01-01T00:00:00.000Z\" [1 \"a \\\"b\\\"\\n\"]]");
    lion_value text = lion_value_bytes(LION_TYPE_STRING, lion_slice_text("bare \"text\""));
    assert_string_equal(lion_value_text(&arena, text), "bare \"text\"");
    lion_value bad = lion_value_bytes(LION_TYPE_TUPLE, lion_slice_text("zzz"));
    assert_string_equal(lion_value_text(&arena, bad), "#malformed-tuple");
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_of_ten_thousand_years_reads_back),
        cmocka_unit_test(instants_agree_with_the_c_library),
        cmocka_unit_test(rfc_3339_in_its_varieties),
        cmocka_unit_test(instants_past_four_digits_are_signed),
        cmocka_unit_test(uuids_read_back),
        cmocka_unit_test(doubles_are_short_and_read_back),
        cmocka_unit_test(values_print_as_edn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
