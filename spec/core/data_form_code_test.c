/* Forms as bytes: what goes in comes out; what cannot travel, or is malformed, says so. */
#include "support.h"

#include "data/form_code.h"
#include "data/value.h"

typedef struct world {
    lion_arena arena;
    lion_buffer buffer;
    lion_error error;
} world;

static int set_up(void **state)
{
    world *self = calloc(1, sizeof *self);
    lion_arena_init(&self->arena, 0);
    lion_buffer_init(&self->buffer);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    world *self = *state;
    lion_arena_deinit(&self->arena);
    lion_buffer_deinit(&self->buffer);
    free(self);
    return 0;
}

static lion_form text(lion_type type, const char *content)
{
    return lion_form_value(lion_value_bytes(type, lion_slice_text(content)));
}

/* A form of every kind and type. */
static lion_form everything(world *self)
{
    static const uint8_t uuid[16] = { 1, 2, 3, 15 };
    lion_value slots[2] = { lion_value_long(1), lion_value_string("two") }, decimal;
    assert_int_equal(
        lion_value_coerce(&decimal, lion_value_string("12.50"), LION_TYPE_DECIMAL, &self->arena),
        LION_OK);
    lion_form items[] = {
        lion_form_value(lion_value_nil()),
        lion_form_value(lion_value_boolean(true)),
        lion_form_value(lion_value_long(INT64_MIN)),
        lion_form_value(lion_value_long(INT64_MAX)),
        lion_form_value(lion_value_double(-0.0)),
        lion_form_value(lion_value_scalar(LION_TYPE_INSTANT, -1)),
        lion_form_value(lion_value_ref(lion_id_make(LION_PARTITION_USER, 7))),
        text(LION_TYPE_STRING, ""),
        text(LION_TYPE_KEYWORD, "a/b"),
        text(LION_TYPE_SYMBOL, "?x"),
        text(LION_TYPE_URI, "http://a"),
        text(LION_TYPE_BYTES, "\xff\x01"),
        lion_form_value(lion_value_bytes(LION_TYPE_UUID, lion_slice_of(uuid, 16))),
        lion_form_value(lion_tuple_make(&self->arena, slots, 2)),
        lion_form_value(decimal),
        lion_form_lookup(&self->arena, "a/b", text(LION_TYPE_STRING, "x")),
        lion_form_vector(&self->arena, 0),
        lion_form_map(&self->arena, 1),
        lion_form_vector(&self->arena, 1),
    };
    items[7].flags = LION_FORM_LITERAL;
    items[17].items[0] = text(LION_TYPE_STRING, "key");
    items[17].items[1] = lion_form_list(&self->arena, items, 3);
    items[18].kind = LION_FORM_SET;
    items[18].items[0] = text(LION_TYPE_KEYWORD, "member");
    return lion_form_list(&self->arena, items, CASES(items));
}

static void everything_comes_back(void **state)
{
    world *self = *state;
    lion_form form = everything(self), back;
    assert_int_equal(lion_form_encode(&self->buffer, &form, &self->error), LION_OK);
    assert_int_equal(
        lion_form_decode(&back, lion_buffer_view(&self->buffer), &self->arena, &self->error),
        LION_OK);
    assert_int_equal(back.count, form.count);
    for (uint32_t i = 0; i < form.count; i++) {
        assert_int_equal(back.items[i].kind, form.items[i].kind);
        assert_int_equal(back.items[i].flags, form.items[i].flags);
        assert_string_equal(lion_form_text(&self->arena, &back.items[i]),
                            lion_form_text(&self->arena, &form.items[i]));
        if (form.items[i].kind == LION_FORM_VALUE)
            assert_int_equal(back.items[i].value.type, form.items[i].value.type);
    }
    lion_buffer again;
    lion_buffer_init(&again);
    assert_int_equal(lion_form_encode(&again, &back, &self->error), LION_OK);
    assert_int_equal(again.size, self->buffer.size);
    assert_memory_equal(again.data, self->buffer.data, again.size);
    lion_buffer_deinit(&again);
}

static void any_part_alone_is_refused(void **state)
{
    world *self = *state;
    lion_form form = everything(self), back;
    assert_int_equal(lion_form_encode(&self->buffer, &form, &self->error), LION_OK);
    for (size_t size = 0; size < self->buffer.size; size++) {
        assert_int_equal(lion_form_decode(&back, lion_slice_of(self->buffer.data, size),
                                          &self->arena, &self->error),
                         LION_FAILED);
        assert_string_equal(self->error.code, "lion/syntax");
    }
    lion_buffer_put_u8(&self->buffer, 0);
    assert_int_equal(
        lion_form_decode(&back, lion_buffer_view(&self->buffer), &self->arena, &self->error),
        LION_FAILED);
}

static void functions_and_databases_do_not_travel(void **state)
{
    world *self = *state;
    lion_form host = { .kind = LION_FORM_HOST }, db = { .kind = LION_FORM_DB };
    lion_form log = lion_form_value(lion_value_scalar(LION_TYPE_LOG, 0));
    lion_form inside = lion_form_list(&self->arena, &host, 1);
    const lion_form *forms[] = { &host, &db, &log, &inside };
    for (size_t i = 0; i < CASES(forms); i++) {
        assert_int_equal(lion_form_encode(&self->buffer, forms[i], &self->error), LION_FAILED);
        assert_int_equal(self->error.category, LION_UNSUPPORTED);
        assert_string_equal(self->error.code, "lion/not-allowed");
    }
}

static lion_form nested(world *self, unsigned depth)
{
    lion_form form = lion_form_vector(&self->arena, 0);
    for (unsigned i = 1; i < depth; i++) form = lion_form_list(&self->arena, &form, 1);
    return form;
}

static void depth_is_bounded(void **state)
{
    world *self = *state;
    lion_form deepest = nested(self, 512), deeper = nested(self, 513), back;
    assert_int_equal(lion_form_encode(&self->buffer, &deepest, &self->error), LION_OK);
    assert_int_equal(
        lion_form_decode(&back, lion_buffer_view(&self->buffer), &self->arena, &self->error),
        LION_OK);
    uint8_t around[2] = { LION_FORM_VECTOR, 1 };
    lion_buffer wrapped;
    lion_buffer_init(&wrapped);
    lion_buffer_put(&wrapped, around, sizeof around);
    lion_buffer_put(&wrapped, self->buffer.data, self->buffer.size);
    assert_int_equal(
        lion_form_decode(&back, lion_buffer_view(&wrapped), &self->arena, &self->error),
        LION_FAILED);
    assert_string_equal(self->error.code, "lion/syntax");
    lion_buffer_deinit(&wrapped);
    assert_int_equal(lion_form_encode(&self->buffer, &deeper, &self->error), LION_FAILED);
    assert_string_equal(self->error.code, "lion/limit");
}

/* A few bytes that announce much must not make anyone allocate it. */
static void counts_are_bounded_by_the_bytes(void **state)
{
    world *self = *state;
    lion_form back;
    uint8_t bytes[600];
    for (size_t i = 0; i < sizeof bytes; i += 2) { /* each a vector that fills what is left */
        bytes[i] = LION_FORM_VECTOR;
        bytes[i + 1] = 100;
    }
    assert_int_equal(
        lion_form_decode(&back, lion_slice_of(bytes, sizeof bytes), &self->arena, &self->error),
        LION_FAILED);
    assert_true(self->arena.used < 65536 * 2);
    static const uint8_t huge[] = { LION_FORM_MAP, 0xff, 0xff, 0xff, 0xff, 0x0f };
    assert_int_equal(
        lion_form_decode(&back, lion_slice_of(huge, sizeof huge), &self->arena, &self->error),
        LION_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(everything_comes_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(any_part_alone_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(functions_and_databases_do_not_travel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts_are_bounded_by_the_bytes, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
