/* binding.h - what a function, a nested query or an input yields, bound to variables: scalar, tuple, collection, relation. */
#ifndef LION_QUERY_BINDING_H
#define LION_QUERY_BINDING_H

#include "query/run.h"

/* The variables of a binding, each once, in the order they first appear. Into the arena. */
uint32_t lion_binding_vars(const lion_binding *binding, uint32_t **vars_out, lion_arena *arena);
/* Append to `rows` (columns: the binding's variables, as lion_binding_vars gives them) the rows that `form` yields. A NIL
 * form yields none where `drops_nil` says so (functions); inputs bind it. */
lion_status lion_binding_apply(lion_relation *rows, const lion_binding *binding, const uint32_t *vars, uint32_t var_count,
                               const lion_form *form, bool drops_nil, lion_error *error);

/* What a function yields item by item, bound as it comes: items of a collection, tuples of a relation. Bindings that take
 * the items apart otherwise have them as one form at the end. */
typedef struct lion_items {
    lion_relation *rows;
    const lion_binding *binding;
    const uint32_t *vars;
    uint32_t var_count;
    uint32_t width;            /* values of an item; 0: not known yet */
    uint32_t *columns;         /* per value: the column of rows that it fills, or LION_SLOT_NONE; NULL: forms */
    lion_value *row;
    lion_form *forms;
    uint32_t form_count, form_room;
} lion_items;

void lion_items_init(lion_items *items, lion_relation *rows, const lion_binding *binding, const uint32_t *vars, uint32_t var_count);
/* Items of so many values follow, always as many. */
void lion_items_begin(lion_items *items, uint32_t width);
/* Whether a value of the items is bound at all. */
static inline bool lion_items_takes(const lion_items *items, uint32_t value)
{
    return items->columns == NULL || items->columns[value] != LION_SLOT_NONE;
}
/* The bytes must live as long as rows. */
lion_status lion_items_add(lion_items *items, const lion_value *values, lion_error *error);
lion_status lion_items_finish(lion_items *items, lion_error *error);

#endif
