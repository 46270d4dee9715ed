/* form_fuzz.c - forms out of untrusted bytes: lion/syntax, or a form that encodes to one that is
 * equal. */
#include <stdint.h>

#include "base/assert.h"
#include "base/buffer.h"
#include "data/form_code.h"
#include "data/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bits and bytes: to fuzz, two NaNs are as different as they look. */
static bool is_same_value(lion_value a, lion_value b)
{
    if (a.type != b.type || a.size != b.size) return false;
    return lion_type_is_scalar(a.type) ? a.bits == b.bits
                                       : lion_slice_equal(lion_value_slice(a), lion_value_slice(b));
}

static bool is_same(const lion_form *a, const lion_form *b)
{
    if (a->kind != b->kind || a->flags != b->flags) return false;
    if (a->kind == LION_FORM_VALUE) return is_same_value(a->value, b->value);
    if (a->count != b->count) return false;
    size_t count = a->kind == LION_FORM_MAP ? (size_t)a->count * 2 : a->count;
    for (size_t i = 0; i < count; i++)
        if (!is_same(&a->items[i], &b->items[i])) return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form, again;
    lion_error error = { 0 };
    if (lion_form_decode(&form, lion_slice_of(data, size), &arena, &error) == LION_OK) {
        lion_buffer buffer;
        lion_buffer_init(&buffer);
        LION_ASSERT(lion_form_encode(&buffer, &form, NULL) == LION_OK);
        LION_ASSERT(lion_form_decode(&again, lion_buffer_view(&buffer), &arena, NULL) == LION_OK);
        LION_ASSERT(is_same(&form, &again));
        LION_ASSERT(lion_form_text(&arena, &form) != NULL);
        lion_buffer_deinit(&buffer);
    } else {
        LION_ASSERT(error.category == LION_INCORRECT);
    }
    lion_arena_deinit(&arena);
    return 0;
}
