/* rewrite.h - what a query says twice, what no order of clauses can change, and what can be said in a way that plans better:
 * clauses into clauses, before anything is planned. None of it changes an answer.
 *
 * rewrite.c works on a query once, without any data; the other files on the clauses of one run, with schema and inputs. */
#ifndef LION_QUERY_REWRITE_H
#define LION_QUERY_REWRITE_H

#include "query/plan.h"

/* Clauses that stand twice, and patterns that another one implies, go: of the query, its rules, and all within. */
void lion_rewrite_query(lion_query_ir *ir, lion_arena *arena);

/* Predicates and functions of nothing but constants and inputs of one row are computed (rewrite_known.c): their values become
 * inputs of one row, added to the scope's, to known and to todo, where there is room for one per clause. NULL, or what cannot
 * hold: a predicate that does not, a function without an answer. */
const char *lion_rewrite_known(lion_scope *scope, lion_todo *todo, const lion_value **known);
/* The same of a branch of or, not or a rule, where the scope's known values are those of the branch until *outer_out is put back. */
const char *lion_rewrite_branch(lion_scope *scope, lion_todo *todo, const lion_value *const **outer_out);

/* [(= ?a ?b)] of two variables that patterns bind to values of one type: one variable from there on (rewrite_equal.c). */
void lion_rewrite_equal(lion_scope *scope, lion_todo *todo, const lion_operator *operator, const uint8_t *needed);

/* NULL, or why no row can be an answer of the conjunction (rewrite_empty.c): an entity with two values of an attribute of
 * cardinality one, a variable between bounds that exclude each other. After lion_ranges_read. */
const char *lion_rewrite_empty(lion_scope *scope, const lion_todo *todo);

#endif
