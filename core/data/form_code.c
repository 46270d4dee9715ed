/* form_code.c - forms to bytes and back.
 *
 *   tag byte   bits 0-1 kind (VALUE VECTOR MAP SET) · bits 2-3 flags · bits 4-7 type, of values
 *   VALUE      NIL: nothing · BOOLEAN, and what is a whole number: zigzag · DOUBLE: 8 bytes · UUID:
 * 16 bytes · the rest: varint size, bytes others     varint count, then the items (of a map: key,
 * value, key, value …)
 *
 * Every item takes a byte and more, so the bytes bound the memory that reading them can ask for. */
#include "data/form_code.h"

#include "base/arena.h"
#include "data/tuple.h"
#include "data/value.h"

#define DEPTH_MAX 512
#define KIND_BITS 3u
#define FLAG_SHIFT 2
#define TYPE_SHIFT 4
#define UUID_SIZE 16

/* ---- to bytes ---- */

static lion_status fail_travel(const char *what, lion_error *error)
{
    return lion_fail(error, LION_UNSUPPORTED, "lion/not-allowed",
                     "%s cannot be sent to another process: send plain data", what);
}

static lion_status put_value(lion_buffer *buffer, const lion_form *form, lion_error *error)
{
    const lion_value *value = &form->value;
    if (value->type > LION_TYPE_DECIMAL) return fail_travel("the log of a database", error);
    lion_buffer_put_u8(
        buffer, (uint8_t)(LION_FORM_VALUE | form->flags << FLAG_SHIFT | value->type << TYPE_SHIFT));
    if (value->type == LION_TYPE_NIL) return LION_OK;
    if (value->type == LION_TYPE_DOUBLE) {
        lion_buffer_put_u64(buffer, (uint64_t)value->bits);
    } else if (lion_type_is_scalar(value->type)) {
        lion_buffer_put_zigzag(buffer, value->bits);
    } else {
        if (value->type != LION_TYPE_UUID) lion_buffer_put_varint(buffer, value->size);
        lion_buffer_put(buffer, value->data, value->size);
    }
    return LION_OK;
}

static lion_status put_form(lion_buffer *buffer, const lion_form *form, unsigned depth,
                            lion_error *error)
{
    if (form->kind == LION_FORM_VALUE) return put_value(buffer, form, error);
    if (form->kind == LION_FORM_HOST) return fail_travel("a function", error);
    if (form->kind == LION_FORM_DB) return fail_travel("a database", error);
    if (depth == DEPTH_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "data nested deeper than %d cannot be sent to another process", DEPTH_MAX);
    lion_buffer_put_u8(buffer, (uint8_t)(form->kind | form->flags << FLAG_SHIFT));
    lion_buffer_put_varint(buffer, form->count);
    size_t count = form->kind == LION_FORM_MAP ? (size_t)form->count * 2 : form->count;
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < count; i++)
        status = put_form(buffer, &form->items[i], depth + 1, error);
    return status;
}

lion_status lion_form_encode(lion_buffer *buffer, const lion_form *form, lion_error *error)
{
    lion_status status = put_form(buffer, form, 0, error);
    return status == LION_OK ? lion_buffer_check(buffer, error) : status;
}

/* ---- and back ---- */

typedef struct decoder {
    lion_reader bytes;
    lion_arena *arena;
    size_t items_left; /* items that may still be announced: no more than there are bytes */
} decoder;

/* Tuples have an inner shape, which is looked at here: nothing looks later. */
static bool get_bytes(decoder *self, uint8_t type, lion_value *value_out)
{
    uint64_t size = type == LION_TYPE_UUID ? UUID_SIZE : lion_reader_varint(&self->bytes);
    if (self->bytes.is_failed || size > lion_reader_left(&self->bytes) || size > UINT32_MAX)
        return false;
    lion_slice data = lion_reader_bytes(&self->bytes, (size_t)size);
    if (type == LION_TYPE_TUPLE && !lion_tuple_is_valid(data)) return false;
    *value_out = lion_value_bytes((lion_type)type, data);
    return true;
}

static bool get_value(decoder *self, uint8_t type, lion_value *value_out)
{
    if (type > LION_TYPE_DECIMAL) return false;
    if (type == LION_TYPE_NIL) {
        *value_out = lion_value_nil();
    } else if (type == LION_TYPE_DOUBLE) {
        *value_out = lion_value_scalar(LION_TYPE_DOUBLE, (int64_t)lion_reader_u64(&self->bytes));
    } else if (lion_type_is_scalar(type)) {
        *value_out = lion_value_scalar((lion_type)type, lion_reader_zigzag(&self->bytes));
        if (type == LION_TYPE_BOOLEAN && (uint64_t)value_out->bits > 1) return false;
    } else {
        return get_bytes(self, type, value_out);
    }
    return !self->bytes.is_failed;
}

static bool get_form(decoder *self, lion_form *form_out, unsigned depth);

static bool get_items(decoder *self, lion_form *form, unsigned depth)
{
    uint64_t count = lion_reader_varint(&self->bytes);
    if (self->bytes.is_failed || depth == DEPTH_MAX || count > self->items_left) return false;
    size_t items = (size_t)count * (form->kind == LION_FORM_MAP ? 2 : 1);
    if (items > self->items_left || count > UINT32_MAX) return false;
    self->items_left -= items;
    if (items == 0) return true;
    form->items = lion_arena_array(self->arena, lion_form, items);
    if (form->items == NULL || self->arena->is_exhausted) return false;
    form->count = (uint32_t)count;
    for (size_t i = 0; i < items; i++)
        if (!get_form(self, &form->items[i], depth + 1)) return false;
    return true;
}

static bool get_form(decoder *self, lion_form *form_out, unsigned depth)
{
    uint8_t tag = lion_reader_u8(&self->bytes);
    if (self->bytes.is_failed) return false;
    lion_form form = { .kind = tag & KIND_BITS, .flags = (tag >> FLAG_SHIFT) & 3u };
    uint8_t type = tag >> TYPE_SHIFT;
    bool is_sound = form.kind == LION_FORM_VALUE ? get_value(self, type, &form.value)
                                                 : type == 0 && get_items(self, &form, depth);
    *form_out = form;
    return is_sound;
}

lion_status lion_form_decode(lion_form *form_out, lion_slice bytes, lion_arena *arena,
                             lion_error *error)
{
    decoder self = { .arena = arena, .items_left = bytes.size };
    lion_reader_init(&self.bytes, bytes);
    lion_form form;
    bool is_sound = get_form(&self, &form, 0) && lion_reader_left(&self.bytes) == 0;
    if (lion_arena_check(arena, error) < 0) return LION_FAILED;
    if (!is_sound)
        return lion_fail(
            error, LION_INCORRECT, "lion/syntax",
            "%zu bytes that are no form: they were cut off, or were never written as one",
            bytes.size);
    *form_out = form;
    return LION_OK;
}
