/* json_form_test.c - JSON as the bytes of a form: what is taken, what it becomes, what is left to
 * others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "data/form_code.h"
#include "json_form.h"

/* Whether the whole text is taken; its form, in the arena. */
static bool read_text(lion_form *out, const char *bytes, size_t size, lion_arena *arena)
{
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_json text = { bytes, bytes + size };
    bool is_taken = lion_json_put_form(&text, &buffer) && lion_json_is_over(&text);
    if (is_taken) {
        lion_slice copy = lion_arena_copy(arena, lion_buffer_view(&buffer));
        assert_int_equal(lion_form_decode(out, copy, arena, NULL), LION_OK);
    }
    lion_buffer_deinit(&buffer);
    return is_taken;
}

static void is_taken_as(const char *text, const char *expected)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form;
    assert_true(read_text(&form, text, strlen(text), &arena));
    assert_string_equal(lion_form_text(&arena, &form), expected);
    lion_arena_deinit(&arena);
}

static void is_refused(const char *bytes, size_t size)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form;
    assert_false(read_text(&form, bytes, size, &arena));
    lion_arena_deinit(&arena);
}

static void values_become_forms(void **state)
{
    (void)state;
    is_taken_as("1", "1");
    is_taken_as(" -17 ", "-17");
    is_taken_as("1e3", "1000");
    is_taken_as("2.0", "2");
    is_taken_as("0.5", "0.5");
    is_taken_as("-0", "-0.0");
    is_taken_as("true", "true");
    is_taken_as("false", "false");
    is_taken_as("null", "nil");
    is_taken_as("\"text\"", "\"text\"");
    is_taken_as("\":a/b\"", ":a/b");
    is_taken_as("\":\"", "\":\"");
    is_taken_as("\"a\\\"b\\\\\\/\"", "\"a\\\"b\\\\/\"");
    is_taken_as("\"\\t\"", "\"\\t\"");
    is_taken_as("[]", "[]");
    is_taken_as("{}", "[]");
    is_taken_as("[1,[2],{\"a\":3}]", "[1 [2] {\"a\" 3}]");
    is_taken_as("{\":a/b\":null}", "{:a/b nil}");
}

static void whole_numbers_are_longs_as_far_as_a_double_is_exact(void **state)
{
    (void)state;
    is_taken_as("999999999999999", "999999999999999");
    is_taken_as("9007199254740992", "9007199254740992");
    is_taken_as("-9007199254740992", "-9007199254740992");
    is_taken_as("9007199254740994", "9007199254740994.0");
}

/* Their count has more bytes than were left for it. */
static void many_items_keep_their_place(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_buffer text;
    lion_buffer_init(&text);
    lion_buffer_put(&text, "[[7]", 4);
    for (int i = 0; i < 20000; i++) lion_buffer_put(&text, ",8", 2);
    lion_buffer_put(&text, "]", 1);
    lion_form form;
    assert_true(read_text(&form, (const char *)text.data, text.size, &arena));
    assert_int_equal(form.count, 20001);
    assert_int_equal(form.items[0].count, 1);
    assert_int_equal(form.items[0].items[0].value.bits, 7);
    assert_int_equal(form.items[20000].value.bits, 8);
    lion_buffer_deinit(&text);
    lion_arena_deinit(&arena);
}

static void what_is_not_plain_is_left_to_others(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "x",
        "tru",
        "nul",
        "-",
        "+1",
        "01",
        "-01",
        "1.",
        ".5",
        "1e",
        "1e400",
        "0x1",
        "NaN",
        "\"open",
        "\"a\\",
        "\"\\u0041\"",
        "\"\\x\"",
        "\"a\nb\"",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{",
        "{1:2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{\"a\":1,\"a\":2}",
        "{\"a\\tb\":1}",
        "1 2",
        "[]]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        is_refused(texts[i], strlen(texts[i]));
    is_refused("\"a\0b\"", 5);
    char deep[400];
    memset(deep, '[', 200);
    memset(deep + 200, ']', 200);
    is_refused(deep, 400);
}

/* Each text that a byte is cut from, or changed in, is read within its bounds: a sanitizer looks.
 */
static void nothing_is_read_beyond_the_end(void **state)
{
    (void)state;
    static const char whole[] = "{\"a\":[1,-2.5e1,true,null,\"b\\n\"],\":c\":{\"d\":[]}}";
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        char *copy = memcpy(test_malloc(size + 1), whole, size);
        lion_form form;
        assert_false(read_text(&form, copy, size, &arena));
        test_free(copy);
    }
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int c = 0; c < 256; c++) {
            char *copy = memcpy(test_malloc(sizeof whole - 1), whole, sizeof whole - 1);
            copy[at] = (char)c;
            lion_form form;
            (void)read_text(&form, copy, sizeof whole - 1, &arena);
            test_free(copy);
        }
    }
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_become_forms),
        cmocka_unit_test(whole_numbers_are_longs_as_far_as_a_double_is_exact),
        cmocka_unit_test(many_items_keep_their_place),
        cmocka_unit_test(what_is_not_plain_is_left_to_others),
        cmocka_unit_test(nothing_is_read_beyond_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
