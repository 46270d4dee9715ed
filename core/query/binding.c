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
    binding_state binder = { .arena = rows->arena, .vars = vars, .var_count = var_count, .error = error };
    if (drops_nil && form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL) return LION_OK;
    lion_relation grown;
    lion_value *start = lion_arena_array(rows->arena, lion_value, var_count + 1);
    for (uint32_t i = 0; i < var_count; i++) start[i] = (lion_value){ .type = UNBOUND };
    lion_relation_init(&grown, rows->arena, var_count);
    lion_relation_append(&grown, start);
    lion_status status = apply(&binder, binding, form, &grown);
    if (status != LION_OK) return status;
    for (size_t i = 0; i < grown.count; i++) lion_relation_append(rows, lion_relation_row(&grown, i));
    return LION_OK;
}
