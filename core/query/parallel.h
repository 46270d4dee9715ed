/* parallel.h - parts of a plan that several threads work on.
 *
 * A part is a stretch of operators each of which makes its rows of one row at a time of its input: stars, look-ups, joins with
 * what is there already, filters, not, or. An exchange (op_exchange.c) takes the stretch's place: the run's own thread reads what is
 * below, morsel by morsel, and threads have copies of the stretch through which the morsels go. Rows come out in the order in which one thread
 * would have made them, so that nothing above can tell.
 *
 * What may ask the host (functions of users, filtered databases) has no copies and stays on the run's own thread. */
#ifndef LION_QUERY_PARALLEL_H
#define LION_QUERY_PARALLEL_H

#include "query/operators.h"
#include "query/partial.h"

/* With options.threads above 1: exchanges into the plan above `below` (NULL: all of it) where a part is dear enough (with
 * options.plan_seed, wherever one can be). Before its first step. groups: what becomes of the root's rows, where that can be begun by the
 * threads; else NULL. */
void lion_parallel_make(lion_run *run, lion_operator **root, const lion_operator *below, const lion_partial_plan *groups);

/* ---- copies.c ---- */

/* The operators of a part from its top down to and without `below`, each with its sub-plans': in one order for all copies. How many;
 * those beyond `room` are only counted. */
uint32_t lion_parallel_list(lion_operator **out, uint32_t room, lion_operator *top, const lion_operator *below);

/* A copy of a part for another run, over another input. In the original's thread: its arena is used. */
lion_operator *lion_parallel_copy(const lion_operator *top, const lion_operator *below, lion_run *run, lion_operator *input);

/* ---- op_exchange.c ---- */

/* The operators from `top` down to and with `bottom`, whose input is read here. */
lion_operator *lion_exchange_new(lion_run *run, lion_operator *top, lion_operator *bottom);
/* The part's top as it was planned (0), then those of the copies, once the exchange is at its end; NULL: there are no more, or the
 * operator is no exchange. */
lion_operator *lion_exchange_top(lion_operator *exchange, uint32_t number);
/* Have its threads add nothing to groups of their own from now on (partial.h). */
void lion_exchange_add_no_more(lion_operator *exchange);

#endif
