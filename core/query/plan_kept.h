/* plan_kept.h - whole plans that a query keeps, so that a short query is not planned each time it runs.
 *
 * What is kept is the plan's operators, which never run themselves: a run has copies of its own (operator.h's copy), of its databases
 * and inputs. A run that is over rests, if it is small: without a database or an input it waits for the next run of its plan, which has
 * nothing to copy then (operator.h's renew). A plan is only kept where every operator can be copied, and where it says nothing that holds of one run's inputs alone
 * (lion_run.is_once): each input is one row, and all sources are databases, without history and filters.
 *
 * A kept plan is right for any run of one schema and one part of time: all there is, or up to a t, or since one. It is good where its
 * numbers were: for the same trees and about as much novelty, and values of inputs that are about as frequent (by class, as in
 * plan_cache.h; where nothing but one pattern is asked, no number says anything). Otherwise the run is planned, and its plan kept
 * instead; of the past one that is asked for again. Any thread. */
#ifndef LION_QUERY_PLAN_KEPT_H
#define LION_QUERY_PLAN_KEPT_H

#include <pthread.h>

#include "query/plan.h"

#define LION_KEPT_PLANS_MAX 4
#define LION_RESTING_RUNS_MAX 4
#define LION_RESTING_SIZE_MAX (64u * 1024u)

typedef struct lion_kept_plan lion_kept_plan;

typedef struct lion_resting_run {
    lion_run *run;             /* NULL: none */
    lion_kept_plan *plan;      /* whose operators it has copies of; kept by the run */
} lion_resting_run;

typedef struct lion_kept_plans {
    pthread_mutex_t lock;
    lion_kept_plan *plans[LION_KEPT_PLANS_MAX]; /* kept; the newest first */
    uint64_t past;             /* the part of time, but all there is, that was planned for last: a hash; 0: none */
    lion_resting_run resting[LION_RESTING_RUNS_MAX]; /* the latest first */
    bool have_renewable;       /* atomic: runs of some plan may rest */
} lion_kept_plans;

void lion_kept_plans_init(lion_kept_plans *plans);
/* No run rests any longer. */
void lion_kept_plans_deinit(lion_kept_plans *plans);

/* Whether plans of the run's options, sources and inputs, which are bound, may be kept. */
bool lion_kept_plan_may(const lion_run *run);
/* The operators of a plan that fits the run, which does, copied into it; the plan, to be dropped when they are closed, or NULL.
 * An arena that is exhausted then has less than all of them. */
lion_kept_plan *lion_kept_plans_find(lion_operator **root_out, lion_kept_plans *plans, lion_run *run);
/* Keep a plan that the run, which may, has made and not begun. */
void lion_kept_plans_add(lion_kept_plans *plans, lion_run *run, lion_operator *root, const lion_scope *scope);
/* Whether runs of the plan can begin again. */
bool lion_kept_plan_is_renewable(const lion_kept_plan *plan);
/* Whether it is the plan for the run's inputs, which are bound: the class of their values. */
bool lion_kept_plan_is_for(const lion_kept_plan *plan, lion_run *run);
/* As lion_scope's, of the plan's variables; as long as the plan. */
const uint8_t *lion_kept_plan_attributes(const lion_kept_plan *plan);
void lion_kept_plan_drop(lion_kept_plan *plan); /* NULL is allowed */

/* ---- runs that rest ---- */

/* Whether runs of some plan may: they begin with little memory. */
static inline bool lion_kept_plans_have_renewable(const lion_kept_plans *plans)
{
    return __atomic_load_n(&plans->have_renewable, __ATOMIC_RELAXED);
}

/* A run of a plan that fits these databases, by source, and the options; NULL: none rests, or a database is none whose plans are kept.
 * not: of another plan than this one (NULL: of any). */
lion_run *lion_kept_plans_take(lion_kept_plans *plans, const lion_db *const *dbs, const lion_query_options *options, const lion_kept_plan *not);
/* The run of the plan, which has let go its databases, rests. The run that is to be closed for it, the run itself if it may not
 * rest; NULL: none. */
lion_run *lion_kept_plans_rest(lion_kept_plans *plans, lion_kept_plan *plan, lion_run *run);
/* Any run that rests; NULL: none does. For the end of the query. */
lion_run *lion_kept_plans_take_any(lion_kept_plans *plans);

#endif
