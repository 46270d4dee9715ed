/* rule_calls.h - which rules call which. */
#ifndef LION_QUERY_RULE_CALLS_H
#define LION_QUERY_RULE_CALLS_H

#include "query/ir.h"

/* Do the clauses, or what they call, call the rule? Of a rule's own branches: is it recursive? */
bool lion_clauses_call(const lion_query_ir *ir, const lion_clauses *clauses, uint32_t rule, lion_arena *arena);
bool lion_rule_is_recursive(const lion_query_ir *ir, uint32_t rule, lion_arena *arena);

/* Rules that call each other, also from inside not, are a component; components are numbered, those that one calls before it. */
typedef struct lion_rule_components {
    uint32_t *of;              /* per rule */
    uint32_t *depth;           /* per component: how many there are below it, one calling the next */
    uint32_t count;
} lion_rule_components;

/* of is NULL if there is no memory. */
void lion_rule_components_find(lion_rule_components *components_out, const lion_rule *rules, uint32_t rule_count, lion_arena *arena);

#endif
