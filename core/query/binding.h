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

#endif
