/* Forms: reading fixed shapes, deep copies without the C stack, text for messages. */
#include "support.h"

#include "base/text.h"
#include "data/value.h"

static lion_form text_form(lion_type type, const char *text)
{
    return lion_form_value(lion_value_bytes(type, lion_slice_text(text)));
}

static void maps_and_vectors_are_read(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form map = lion_form_map(&arena, 2);
    map.items[0] = text_form(LION_TYPE_STRING, "limit");
    map.items[1] = lion_form_value(lion_value_long(7));
    map.items[2] = text_form(LION_TYPE_KEYWORD, "find");
    map.items[3] = lion_form_vector(&arena, 1);
    map.items[3].items[0] = text_form(LION_TYPE_SYMBOL, "?x");

    int64_t limit;
    assert_true(lion_form_as_long(lion_form_get(&map, "limit"), &limit));
    assert_int_equal(limit, 7);
    const lion_form *find = lion_form_get(&map, "find");
    lion_slice name;
    assert_true(lion_form_as_slice(lion_form_at(find, 0), &name));
    assert_memory_equal(name.data, "?x", 2);
    assert_false(lion_form_is_text(lion_form_at(find, 0), "?x")); /* a symbol is no text */

    assert_null(lion_form_get(&map, "where"));
    assert_null(lion_form_get(find, "limit"));
    assert_null(lion_form_get(NULL, "limit"));
    assert_null(lion_form_at(find, 1));
    assert_null(lion_form_at(&map, 0));
    assert_false(lion_form_as_long(find, &limit));
    assert_false(lion_form_as_long(NULL, &limit));
    assert_string_equal(lion_form_text(&arena, &map), "{\"limit\" 7 :find [?x]}");
    lion_arena_deinit(&arena);
}

static void copies_are_deep(void **state)
{
    (void)state;
    lion_arena arena, copies;
    lion_arena_init(&arena, 0);
    lion_arena_init(&copies, 0);
    lion_form root = lion_form_vector(&arena, 3), *at = &root;
    for (int depth = 0; depth < LION_FORM_DEPTH_MAX; depth++) {
        at->items[0] = text_form(LION_TYPE_STRING, "left");
        at->items[1] = depth % 2 ? lion_form_map(&arena, 2) : lion_form_vector(&arena, 3);
        at->items[2] = (lion_form){ .kind = LION_FORM_HOST, .value = lion_value_long(depth) };
        at = &at->items[1];
    }
    lion_form copy = lion_form_copy(&copies, &root);
    char *before = lion_form_text(&copies, &root);
    lion_arena_deinit(&arena); /* the copy stands alone */
    assert_string_equal(lion_form_text(&copies, &copy), before);
    const lion_form *down = &copy;
    for (int depth = 0; depth < LION_FORM_DEPTH_MAX; depth++) {
        assert_int_equal(down->items[2].value.bits, depth);
        down = &down->items[1];
    }
    assert_int_equal(down->items[0].value.type, LION_TYPE_NIL);
    lion_arena_deinit(&copies);
}

static void text_is_cut_at_a_character(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    char large[3000] = "";
    for (size_t i = 0; i < 2900; i += 7) memcpy(large + i, "h\xc3\xa9llo ", 8);
    lion_form vector = lion_form_vector(&arena, 10);
    for (size_t i = 0; i < 10; i++) vector.items[i] = text_form(LION_TYPE_STRING, large + 7 * i);
    char *text = lion_form_text(&arena, &vector);
    assert_true(strlen(text) <= 410);
    assert_true(strlen(text) > 300);
    assert_true(lion_utf8_is_valid(lion_slice_text(text)));

    lion_form empty = lion_form_vector(&arena, 0);
    assert_string_equal(lion_form_text(&arena, &empty), "[]");
    empty.kind = LION_FORM_SET;
    assert_string_equal(lion_form_text(&arena, &empty), "#{}");
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_and_vectors_are_read),
        cmocka_unit_test(copies_are_deep),
        cmocka_unit_test(text_is_cut_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
