/* binding.c - a binding applied to a form: partial rows that grow part by part. A collection multiplies them, a scalar
 * fills a column, a variable named twice must agree with itself. */
#include "query/binding.h"

#include "data/tuple.h"

typedef struct binding_state {
    lion_arena *arena;
    const uint32_t *vars;
    uint32_t var_count;
    lion_error *error;
} binding_state;

#define UNBOUND 0xff /* type of a column that no part has filled yet */

static void collect_vars(const lion_binding *binding, uint32_t *vars, uint32_t *count)
{
    if (binding->kind == LION_BIND_SCALAR) {
        for (uint32_t i = 0; i < *count; i++)
            if (vars[i] == binding->var) return;
        vars[(*count)++] = binding->var;
    }
    for (uint32_t i = 0; i < binding->count; i++) collect_vars(&binding->parts[i], vars, count);
}

static uint32_t count_scalars(const lion_binding *binding)
{
    uint32_t count = binding->kind == LION_BIND_SCALAR;
    for (uint32_t i = 0; i < binding->count; i++) count += count_scalars(&binding->parts[i]);
    return count;
}

uint32_t lion_binding_vars(const lion_binding *binding, uint32_t **vars_out, lion_arena *arena)
{
    uint32_t count = 0;
    *vars_out = lion_arena_array(arena, uint32_t, count_scalars(binding) + 1);
    collect_vars(binding, *vars_out, &count);
    return count;
}

/* A form's items: of vectors and sets as they are, of tuples decoded. LION_ABSENT: it is neither. */
static lion_status items_of(binding_state *binder, const lion_form *form, const lion_form **items_out, uint32_t *count_out)
{
    if (form->kind == LION_FORM_VECTOR || form->kind == LION_FORM_SET) {
        *items_out = form->items;
        *count_out = form->count;
        return LION_OK;
    }
    if (form->kind != LION_FORM_VALUE || form->value.type != LION_TYPE_TUPLE) return LION_ABSENT;
    lion_value *slots = NULL;
    size_t count = 0;
    lion_status status = lion_tuple_read(&slots, &count, form->value, binder->arena, binder->error);
    if (status != LION_OK) return status;
    lion_form items = lion_form_vector(binder->arena, count);
    for (size_t i = 0; i < count; i++) items.items[i] = lion_form_value(slots[i]);
    *items_out = items.items;
    *count_out = (uint32_t)count;
    return LION_OK;
}

static lion_status fail_shape(binding_state *binder, const char *wanted, const lion_form *form)
{
    return lion_fail(binder->error, LION_INCORRECT, "lion/syntax", "%s expected for a binding, found %.200s", wanted,
                     lion_form_text(binder->arena, form));
}

static lion_status apply(binding_state *binder, const lion_binding *binding, const lion_form *form, lion_relation *rows);

static lion_status apply_scalar(binding_state *binder, const lion_binding *binding, const lion_form *form, lion_relation *rows)
{
    lion_value value;
    lion_status status = lion_query_value(&value, form, binder->arena, binder->error);
    if (status != LION_OK) return status;
    uint32_t column = 0;
    while (binder->vars[column] != binding->var) column++;
    size_t left = 0;
    for (size_t i = 0; i < rows->count; i++) {
        lion_value *row = rows->rows + i * rows->width;
        if (row[column].type != UNBOUND && !lion_value_equal(row[column], value)) continue;
        if (left != i) memcpy(rows->rows + left * rows->width, row, sizeof(lion_value) * rows->width);
        rows->rows[left++ * rows->width + column] = value;
    }
    rows->count = left;
    return LION_OK;
}

static lion_status apply_tuple(binding_state *binder, const lion_binding *binding, const lion_form *form, lion_relation *rows)
{
    static const lion_form nil = { 0 };
    const lion_form *items = NULL;
    uint32_t count = 0;
    lion_status status = items_of(binder, form, &items, &count);
    if (status == LION_ABSENT) return fail_shape(binder, "a tuple", form);
    for (uint32_t i = 0; status == LION_OK && i < binding->count; i++)
        status = apply(binder, &binding->parts[i], i < count ? &items[i] : &nil, rows);
    return status;
}

/* Each item with a copy of the rows so far. */
static lion_status apply_each(binding_state *binder, const lion_binding *binding, const lion_form *form, lion_relation *rows)
{
    const lion_form *items = NULL;
    uint32_t count = 0;
    lion_relation grown, part;
    if (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL) {
        rows->count = 0;
        return LION_OK;
    }
    lion_status status = items_of(binder, form, &items, &count);
    if (status == LION_ABSENT) return fail_shape(binder, "a collection", form);
    lion_relation_init(&grown, binder->arena, rows->width);
    lion_relation_init(&part, binder->arena, rows->width);
    for (uint32_t i = 0; status == LION_OK && i < count; i++) {
        part.count = 0;
        for (size_t k = 0; k < rows->count; k++) lion_relation_append(&part, lion_relation_row(rows, k));
        status = binding->kind == LION_BIND_COLLECTION ? apply(binder, binding->parts, &items[i], &part)
                                                       : apply_tuple(binder, binding, &items[i], &part);
        for (size_t k = 0; k < part.count; k++) lion_relation_append(&grown, lion_relation_row(&part, k));
    }
    *rows = grown;
    return status;
}

static lion_status apply(binding_state *binder, const lion_binding *binding, const lion_form *form, lion_relation *rows)
{
    switch (binding->kind) {
    case LION_BIND_SCALAR: return apply_scalar(binder, binding, form, rows);
    case LION_BIND_TUPLE: return apply_tuple(binder, binding, form, rows);
    case LION_BIND_COLLECTION:
    case LION_BIND_RELATION: return apply_each(binder, binding, form, rows);
    default: return LION_OK;
    }
}

lion_status lion_binding_apply(lion_relation *rows, const lion_binding *binding, const uint32_t *vars, uint32_t var_count,
                               const lion_form *form, bool drops_nil, lion_error *error)
{
    lion_relation grown;
    if (binding->kind == LION_BIND_SCALAR && form->kind == LION_FORM_VALUE && !drops_nil) {
        lion_relation_reserve(rows, rows->count + 1);
        lion_relation_append(rows, &form->value);
        return LION_OK;
    }
    binding_state binder = { .arena = rows->arena, .vars = vars, .var_count = var_count, .error = error };
    if (drops_nil && form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL) return LION_OK;
    lion_value *start = lion_arena_array(rows->arena, lion_value, var_count + 1);
    for (uint32_t i = 0; i < var_count; i++) start[i] = (lion_value){ .type = UNBOUND };
    lion_relation_init(&grown, rows->arena, var_count);
    lion_relation_append(&grown, start);
    lion_status status = apply(&binder, binding, form, &grown);
    if (status != LION_OK) return status;
    for (size_t i = 0; i < grown.count; i++) lion_relation_append(rows, lion_relation_row(&grown, i));
    return LION_OK;
}

/* ---- items ---- */

/* Where each value of an item goes; false: the binding has parts of parts, or one variable twice. */
static bool map_columns(lion_items *items)
{
    const lion_binding *binding = items->binding;
    bool is_each = binding->kind == LION_BIND_RELATION || (binding->kind == LION_BIND_COLLECTION && items->width == 1);
    if (!is_each || binding->count > items->width) return false;
    uint32_t bound = 0;
    for (uint32_t i = 0; i < binding->count; i++) {
        const lion_binding *part = &binding->parts[i];
        if (part->kind == LION_BIND_BLANK) continue;
        if (part->kind != LION_BIND_SCALAR) return false;
        uint32_t column = 0;
        while (items->vars[column] != part->var) column++;
        items->columns[i] = column;
        bound++;
    }
    return bound == items->var_count;
}

void lion_items_init(lion_items *items, lion_relation *rows, const lion_binding *binding, const uint32_t *vars, uint32_t var_count)
{
    *items = (lion_items){ .rows = rows, .binding = binding, .vars = vars, .var_count = var_count };
}

void lion_items_begin(lion_items *items, uint32_t width)
{
    lion_arena *arena = items->rows->arena;
    items->form_count = 0;
    if (items->width == width) return;
    items->width = width;
    items->columns = lion_arena_array(arena, uint32_t, width + 1);
    for (uint32_t i = 0; i < width; i++) items->columns[i] = LION_SLOT_NONE;
    items->row = lion_arena_zalloc(arena, sizeof(lion_value) * (items->var_count + 1));
    if (!map_columns(items)) items->columns = NULL;
}

static lion_status add_form(lion_items *items, const lion_value *values, lion_error *error)
{
    lion_arena *arena = items->rows->arena;
    if (items->form_count == items->form_room) {
        uint32_t room = items->form_room == 0 ? 64 : items->form_room * 2;
        lion_form *grown = lion_arena_grow(arena, items->forms, sizeof(lion_form) * items->form_room, sizeof(lion_form) * room);
        if (grown == NULL) return lion_fail_memory(error);
        items->forms = grown;
        items->form_room = room;
    }
    lion_form form = lion_form_value(values[0]);
    if (items->width > 1) form = lion_form_vector(arena, items->width);
    for (uint32_t i = 0; items->width > 1 && i < items->width; i++) form.items[i] = lion_form_value(values[i]);
    items->forms[items->form_count++] = form;
    return LION_OK;
}

lion_status lion_items_add(lion_items *items, const lion_value *values, lion_error *error)
{
    if (items->columns == NULL) return add_form(items, values, error);
    for (uint32_t i = 0; i < items->width; i++)
        if (items->columns[i] != LION_SLOT_NONE) items->row[items->columns[i]] = values[i];
    lion_relation_append(items->rows, items->row);
    return LION_OK;
}

lion_status lion_items_finish(lion_items *items, lion_error *error)
{
    if (items->columns != NULL) return LION_OK;
    lion_form form = { .kind = LION_FORM_VECTOR, .count = items->form_count, .items = items->forms };
    return lion_binding_apply(items->rows, items->binding, items->vars, items->var_count, &form, true, error);
}
