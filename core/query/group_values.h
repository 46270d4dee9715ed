/* group_values.h - the values of groups, for aggregates that are made of all of a group's: median, distinct, count-distinct,
 * min and max of several, rand, sample, and those of the application.
 *
 * Values are kept as they come, scalars of one type as their bits, and are laid out group by group when all are there. What the
 * memory has no room for goes on in sorted runs in the run's temporary file, which are merged group by group. Several
 * aggregates of one variable share them. */
#ifndef LION_QUERY_GROUP_VALUES_H
#define LION_QUERY_GROUP_VALUES_H

#include "query/aggregate.h"
#include "query/run.h"

typedef struct lion_group_values lion_group_values;

/* keeps_order: a group's values shall come as they were added, not sorted (CUSTOM). In the run's arena. */
lion_group_values *lion_group_values_new(lion_run *run, bool keeps_order);
/* An aggregate of them: its number. Before the first value. */
uint32_t lion_group_values_want(lion_group_values *values, lion_aggregate aggregate, int64_t wanted);
/* No values, of no groups. */
lion_status lion_group_values_reset(lion_group_values *values, lion_error *error);

lion_status lion_group_values_add(lion_group_values *values, size_t group, lion_value value, lion_error *error);
/* The batch's rows of a column. LION_ABSENT: one by one, nothing was done. */
lion_status lion_group_values_add_column(lion_group_values *values, const lion_grouping *grouping, const lion_batch *batch, uint32_t slot,
                                         lion_error *error);

/* What is there goes on file, and all that comes later. */
lion_status lion_group_values_spill(lion_group_values *values, lion_error *error);

/* Have the results of a group: groups ascend, none is asked for twice. Nothing is added after the first. */
lion_status lion_group_values_turn(lion_group_values *values, size_t group, lion_error *error);
/* An aggregate's, of the group that was turned to. Collections are vector forms; CUSTOM: of the values themselves. */
lion_form lion_group_values_result(const lion_group_values *values, uint32_t number);
/* CUSTOM: the values themselves have been handed on. */
void lion_group_values_drop(lion_group_values *values, uint32_t number);

#endif
