/* inline_rules.h - calls of rules that do not call themselves become what the rules say. */
#ifndef LION_QUERY_INLINE_RULES_H
#define LION_QUERY_INLINE_RULES_H

#include "query/ir.h"

/* Rewrite the query's clauses, its rules' and those of nested queries, in place; what is made lies in the arena.
 *
 *   a rule of one branch                 its clauses stand for the call; lion_clause.call says which one
 *   of several, or of required           an or-join of its branches over the head's variables, with the call's text
 *
 * Variables of the rule's own get numbers of the query's. A call stays where its rule is recursive, where clauses cannot
 * say the same (a constant that a function is to yield), or where they would be too many. */
void lion_rules_inline(lion_query_ir *ir, lion_arena *arena);

#endif
