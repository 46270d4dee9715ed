/* form.c - building, reading, copying and printing of nested data. */
#include "data/value.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "data/print.h"

/* -- Building --------------------------------------------------------------------------------- */

static bool has_items(const lion_form *form)
{
    return form->kind == LION_FORM_VECTOR || form->kind == LION_FORM_MAP ||
           form->kind == LION_FORM_SET;
}

static size_t item_count(const lion_form *form)
{
    return form->kind == LION_FORM_MAP ? (size_t)form->count * 2 : form->count;
}

/* When memory ran out the form is empty: the caller's lion_arena_check answers. */
static lion_form with_items(lion_arena *arena, lion_form_kind kind, size_t count)
{
    LION_ASSERT(count <= UINT32_MAX);
    size_t per_count = kind == LION_FORM_MAP ? 2 : 1, size;
    lion_form *items = NULL;
    if (lion_size_mul(&size, count, per_count * sizeof(lion_form)))
        items = lion_arena_zalloc(arena, size); /* zeros are the value nil */
    return (lion_form){ .kind = (uint8_t)kind,
                        .count = items != NULL ? (uint32_t)count : 0,
                        .items = items };
}

lion_form lion_form_vector(lion_arena *arena, size_t count)
{
    return with_items(arena, LION_FORM_VECTOR, count);
}

lion_form lion_form_map(lion_arena *arena, size_t count)
{
    return with_items(arena, LION_FORM_MAP, count);
}

/* -- Reading ---------------------------------------------------------------------------------- */

bool lion_form_as_slice(const lion_form *form, lion_slice *out)
{
    if (form == NULL || form->kind != LION_FORM_VALUE) return false;
    uint8_t type = form->value.type;
    if (type != LION_TYPE_STRING && type != LION_TYPE_KEYWORD && type != LION_TYPE_SYMBOL)
        return false;
    *out = lion_value_slice(form->value);
    return true;
}

bool lion_form_as_long(const lion_form *form, int64_t *out)
{
    if (form == NULL || form->kind != LION_FORM_VALUE || form->value.type != LION_TYPE_LONG)
        return false;
    *out = form->value.bits;
    return true;
}

bool lion_form_is_text(const lion_form *form, const char *text)
{
    lion_slice slice;
    if (!lion_form_as_slice(form, &slice) || form->value.type == LION_TYPE_SYMBOL) return false;
    return lion_slice_equal(slice, lion_slice_text(text));
}

const lion_form *lion_form_get(const lion_form *map, const char *key)
{
    if (map == NULL || map->kind != LION_FORM_MAP) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (lion_form_is_text(&map->items[2 * i], key)) return &map->items[2 * i + 1];
    return NULL;
}

const lion_form *lion_form_at(const lion_form *vector, size_t index)
{
    if (vector == NULL) return NULL;
    if (vector->kind != LION_FORM_VECTOR && vector->kind != LION_FORM_SET) return NULL;
    return index < vector->count ? &vector->items[index] : NULL;
}

/* -- Copying ---------------------------------------------------------------------------------- */

/* A form whose children are being visited. The stacks lie in the arena of the result: depth is
 * bounded by LION_FORM_DEPTH_MAX, and the C stack must not be. */
typedef struct copy_frame {
    const lion_form *from;
    lion_form *to;
    size_t next;
} copy_frame;

/* The form itself with its children still to be copied. */
static lion_form copy_shell(lion_arena *arena, const lion_form *form)
{
    lion_form copy = *form;
    if (form->kind == LION_FORM_VALUE) {
        copy.value = lion_value_copy(arena, form->value);
    } else if (has_items(form)) {
        lion_form shell = with_items(arena, (lion_form_kind)form->kind, form->count);
        copy.items = shell.items;
        copy.count = shell.count;
    }
    return copy;
}

lion_form lion_form_copy(lion_arena *arena, const lion_form *form)
{
    lion_form result = copy_shell(arena, form);
    if (!has_items(form)) return result;

    lion_arena stack_arena;
    lion_arena_init(&stack_arena, 0);
    size_t depth = 1, capacity = 32;
    copy_frame *stack = lion_arena_array(&stack_arena, copy_frame, capacity);
    stack[0] = (copy_frame){ .from = form, .to = &result };
    /* An exhausted arena hands out shared memory: stop before following what others wrote there. */
    while (depth > 0 && !arena->is_exhausted && !stack_arena.is_exhausted) {
        copy_frame *top = &stack[depth - 1];
        if (top->next == item_count(top->to)) {
            depth--;
            continue;
        }
        size_t i = top->next++;
        const lion_form *child = &top->from->items[i];
        lion_form *copy = &top->to->items[i];
        *copy = copy_shell(arena, child);
        if (!has_items(child)) continue;
        if (depth == capacity) {
            stack = lion_arena_grow(&stack_arena, stack, capacity * sizeof *stack,
                                    2 * capacity * sizeof *stack);
            capacity *= 2;
            if (stack == NULL) break;
        }
        stack[depth++] = (copy_frame){ .from = child, .to = copy };
    }
    if (stack_arena.is_exhausted) arena->is_exhausted = true;
    lion_arena_deinit(&stack_arena);
    return arena->is_exhausted ? lion_form_value(lion_value_nil()) : result;
}

/* -- Printing --------------------------------------------------------------------------------- */

#define TEXT_SIZE_MAX 400
#define VALUE_TEXT_MAX 160
#define PRINT_DEPTH_MAX 16 /* deeper is elided: nobody reads that in a message */

/* Cut at `size`, not inside a character, and say so. */
static void cut(lion_buffer *buffer, size_t size)
{
    if (buffer->size <= size) return;
    while (size > 0 && (buffer->data[size] & 0xc0) == 0x80) size--;
    buffer->size = size;
    lion_buffer_put(buffer, "…", strlen("…"));
}

static void print_value(lion_buffer *buffer, lion_value value)
{
    size_t start = buffer->size;
    bool is_long_text = value.type >= LION_TYPE_STRING && value.type <= LION_TYPE_URI &&
                        value.size > VALUE_TEXT_MAX;
    if (is_long_text) value.size = VALUE_TEXT_MAX + 4; /* the cut below takes the rest */
    lion_value_print(buffer, value, true);
    cut(buffer, start + VALUE_TEXT_MAX);
}

static void print_form(lion_buffer *buffer, const lion_form *form, unsigned depth);

static void print_items(lion_buffer *buffer, const lion_form *form, unsigned depth)
{
    const char *open = form->kind == LION_FORM_MAP ? "{" : form->kind == LION_FORM_SET ? "#{" : "[";
    lion_buffer_put(buffer, open, strlen(open));
    if (depth == 0 && form->count > 0) {
        lion_buffer_put(buffer, "…", strlen("…"));
    } else {
        size_t count = item_count(form);
        for (size_t i = 0; i < count && buffer->size <= TEXT_SIZE_MAX; i++) {
            if (i > 0) lion_buffer_put_u8(buffer, ' ');
            print_form(buffer, &form->items[i], depth - 1);
        }
    }
    lion_buffer_put_u8(buffer, form->kind == LION_FORM_VECTOR ? ']' : '}');
}

static void print_form(lion_buffer *buffer, const lion_form *form, unsigned depth)
{
    static const char HOST[] = "#function", DB[] = "#db";
    switch (form->kind) {
    case LION_FORM_VALUE: print_value(buffer, form->value); break;
    case LION_FORM_HOST: lion_buffer_put(buffer, HOST, strlen(HOST)); break;
    case LION_FORM_DB: lion_buffer_put(buffer, DB, strlen(DB)); break;
    default: print_items(buffer, form, depth); break;
    }
}

char *lion_form_text(lion_arena *arena, const lion_form *form)
{
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    print_form(&buffer, form, PRINT_DEPTH_MAX);
    cut(&buffer, TEXT_SIZE_MAX);
    if (buffer.is_failed) arena->is_exhausted = true;
    char *text = lion_arena_text(arena, lion_buffer_view(&buffer));
    lion_buffer_deinit(&buffer);
    return text;
}
