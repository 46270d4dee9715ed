/* result_stages.h - what explain shows above the plan: groups, an order, the first rows. They make nothing (result.c does): they are
 * operators to be shown, in which the numbers are noted. */
#ifndef LION_QUERY_RESULT_STAGES_H
#define LION_QUERY_RESULT_STAGES_H

#include "query/run.h"

/* Which rows of a result are wanted. */
typedef struct lion_bounds {
    int64_t offset;
    int64_t limit; /* -1: all */
} lion_bounds;

typedef struct lion_result_stages {
    lion_operator *groups; /* NULL: no aggregates */
    lion_operator *rows;   /* an order, or the first rows alone; NULL: neither */
    lion_operator *top;    /* of these, or the plan's own; NULL: not made yet */
} lion_result_stages;

/* In the run's arena. */
void lion_result_stages_make(lion_result_stages *self, lion_operator *root, const lion_bounds *bounds);

#endif
