/* aggregate.h - aggregates of find elements: a state for each group, and columns added to them.
 *
 * Counts, sums, averages, extremes and variances need a few words for each group. The others are made of all values of their
 * group, which group_values.h keeps. */
#ifndef LION_QUERY_AGGREGATE_H
#define LION_QUERY_AGGREGATE_H

#include "query/ir.h"
#include "query/operator.h"

typedef enum lion_aggregate {
    LION_AGGREGATE_CUSTOM, LION_AGGREGATE_AVG, LION_AGGREGATE_COUNT, LION_AGGREGATE_COUNT_DISTINCT, LION_AGGREGATE_DISTINCT,
    LION_AGGREGATE_MAX, LION_AGGREGATE_MEDIAN, LION_AGGREGATE_MIN, LION_AGGREGATE_STDDEV, LION_AGGREGATE_VARIANCE,
    LION_AGGREGATE_SUM, LION_AGGREGATE_RAND, LION_AGGREGATE_SAMPLE
} lion_aggregate;

/* Which aggregate the element names and how many values it is to yield (-1: one, not a collection). A name without a
 * slash that is no built-in is incorrect and named. */
lion_status lion_aggregate_read(lion_aggregate *aggregate_out, int64_t *wanted_out, const lion_element *element, lion_error *error);
const char *lion_aggregate_name(lion_aggregate aggregate);
/* Whether it is made of all values of its group (group_values.h), not by lion_states. */
bool lion_aggregate_needs_values(lion_aggregate aggregate, int64_t wanted);
/* Whether the aggregate can be made of values with a count each: of how many rows they are the value. */
bool lion_aggregate_weighs(lion_aggregate aggregate, int64_t wanted);

/* The groups of a batch's rows. */
typedef struct lion_grouping {
    const uint32_t *numbers;   /* of the rows, in the order of lion_batch_row */
    size_t count;              /* groups so far */
    bool is_one;               /* there is but one, and numbers are not to be looked at */
} lion_grouping;

/* One aggregate's states by group. */
typedef struct lion_states {
    lion_aggregate aggregate;
    lion_arena *arena;
    size_t count, room;        /* groups */
    void *items;               /* of the aggregate's kind (aggregate.c) */
    lion_value *decimals;      /* SUM: what decimals come to, by group; NULL: there are none */
    size_t decimal_room;
} lion_states;

void lion_states_init(lion_states *states, lion_aggregate aggregate, lion_arena *arena);
/* The bytes that they grow by for so many groups. */
size_t lion_states_growth(const lion_states *states, size_t count);
/* So many groups, the new ones empty; 0: none are left. */
lion_status lion_states_resize(lion_states *states, size_t count, lion_error *error);
/* The batch's rows of a column. LION_ABSENT: one by one, nothing was done. */
lion_status lion_states_add_column(lion_states *states, const lion_grouping *grouping, const lion_batch *batch, uint32_t slot, lion_error *error);
lion_status lion_states_add(lion_states *states, size_t group, lion_value value, lion_error *error);
/* The value of so many rows. */
lion_status lion_states_add_weighed(lion_states *states, size_t group, lion_value value, uint64_t rows, lion_error *error);

/* ---- parts of a group's rows, whose states are merged ---- */

/* How far the batch's values of a column are from 0, if that is more than *largest: as a bound. false: of such values it may matter in
 * which order they are added. */
bool lion_states_read_largest(const lion_states *states, const lion_batch *batch, uint32_t slot, uint64_t *largest);
/* Whether the states of so many rows, none of which is larger, are the same in whatever order and parts they were added. */
bool lion_states_is_exact(const lion_states *states, uint64_t rows, uint64_t largest);
/* The rows of another's group, exact ones, into a group. */
lion_status lion_states_merge(lion_states *states, size_t group, const lion_states *from, size_t from_group, lion_error *error);

/* rows: of the group. */
lion_status lion_states_finish(lion_form *form_out, const lion_states *states, size_t group, uint64_t rows, lion_error *error);

#endif
