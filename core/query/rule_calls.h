/* rule_calls.h - which rules call which. */
#ifndef LION_QUERY_RULE_CALLS_H
#define LION_QUERY_RULE_CALLS_H

#include "query/ir.h"

/* Do the clauses, or what they call, call the rule? Of a rule's own branches: is it recursive? */
bool lion_clauses_call(const lion_query_ir *ir, const lion_clauses *clauses, uint32_t rule, lion_arena *arena);
bool lion_rule_is_recursive(const lion_query_ir *ir, uint32_t rule, lion_arena *arena);

#endif
