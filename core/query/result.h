/* result.h - from the rows of the plan to the rows of the result: groups and aggregates, order, offset and limit, idents
 * of attributes, typed columns. */
#ifndef LION_QUERY_RESULT_H
#define LION_QUERY_RESULT_H

#include "query/aggregate.h"
#include "query/plan.h"

typedef struct lion_result lion_result;

/* root yields the distinct rows of the find and with variables. is_attribute: per variable. */
lion_status lion_result_new(lion_result **result_out, lion_run *run, lion_operator *root, uint32_t weight, const uint8_t *is_attribute,
                            const lion_query_pull *pulls, lion_error *error);
/* Whether one of the query can begin again: its rows go out as they come. */
bool lion_result_can_renew(const lion_query_ir *ir);
/* For another run of the same plan with the same limit and offset: from the first row on. */
void lion_result_renew(lion_result *result);
lion_status lion_result_next(lion_result *result, lion_query_batch *batch_out, lion_error *error);
/* For explain: what makes the result of the plan's rows, or the plan itself; in the run's arena. */
lion_operator *lion_result_shown(lion_result *result);

#endif
