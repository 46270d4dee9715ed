/* plan_kept.h - whole plans that a query keeps, so that a short query is not planned each time it runs.
 *
 * What is kept is the plan's operators, which never run themselves: a run has copies of its own (operator.h's copy), of its databases
 * and inputs. A plan is only kept where every operator can be copied, and where it says nothing that holds of one run's inputs alone
 * (lion_run.is_once): each input is one row, and all sources are databases that show what is there now.
 *
 * A kept plan is right for any run of one schema. It is good where its numbers were: for the same trees and about as much novelty, and
 * values of inputs that are about as frequent (by class, as in plan_cache.h; where nothing but one pattern is asked, no number says
 * anything). Otherwise the run is planned, and its plan kept instead. Any thread. */
#ifndef LION_QUERY_PLAN_KEPT_H
#define LION_QUERY_PLAN_KEPT_H

#include <pthread.h>

#include "query/plan.h"

#define LION_KEPT_PLANS_MAX 4

typedef struct lion_kept_plan lion_kept_plan;

typedef struct lion_kept_plans {
    pthread_mutex_t lock;
    lion_kept_plan *plans[LION_KEPT_PLANS_MAX]; /* kept; the newest first */
} lion_kept_plans;

void lion_kept_plans_init(lion_kept_plans *plans);
void lion_kept_plans_deinit(lion_kept_plans *plans);

/* Whether plans of the run's options, sources and inputs, which are bound, may be kept. */
bool lion_kept_plan_may(const lion_run *run);
/* The operators of a plan that fits the run, which does, copied into it; the plan, to be dropped when they are closed, or NULL.
 * An arena that is exhausted then has less than all of them. */
lion_kept_plan *lion_kept_plans_find(lion_operator **root_out, lion_kept_plans *plans, lion_run *run);
/* Keep a plan that the run, which may, has made and not begun. */
void lion_kept_plans_add(lion_kept_plans *plans, lion_run *run, lion_operator *root, const lion_scope *scope);
/* As lion_scope's, of the plan's variables; as long as the plan. */
const uint8_t *lion_kept_plan_attributes(const lion_kept_plan *plan);
void lion_kept_plan_drop(lion_kept_plan *plan); /* NULL is allowed */

#endif
