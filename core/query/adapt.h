/* adapt.h - a checkpoint in a plan: what is behind it is planned again where the rows that reach it are far from the
 * estimate. */
#ifndef LION_QUERY_ADAPT_H
#define LION_QUERY_ADAPT_H

#include "query/partial.h"
#include "query/plan.h"

typedef struct lion_adaptation lion_adaptation;

/* A checkpoint onto *operator, with the clauses that are left as they are now. The scope and `needed` must live as long as the run. */
lion_adaptation *lion_adapt_begin(lion_scope *scope, const lion_todo *todo, lion_operator **operator, const uint8_t *needed);
/* The operator of the whole; rest: what was planned onto the checkpoint. */
lion_operator *lion_adapt_end(lion_adaptation *adaptation, lion_operator *rest);
/* Whether the operator is such a one, whose rows are those of inputs[0]. */
bool lion_adapt_is(const lion_operator *operator);
/* What becomes of its rows next, for threads of a plan that is made again (lion_parallel_make). */
void lion_adapt_set_groups(lion_operator *operator, const lion_partial_plan *groups);

#endif
