/* aggregate.h - aggregates of find elements: one accumulator per group and element. */
#ifndef LION_QUERY_AGGREGATE_H
#define LION_QUERY_AGGREGATE_H

#include "query/ir.h"
#include "query/operator.h"

typedef enum lion_aggregate {
    LION_AGGREGATE_CUSTOM, LION_AGGREGATE_AVG, LION_AGGREGATE_COUNT, LION_AGGREGATE_COUNT_DISTINCT, LION_AGGREGATE_DISTINCT,
    LION_AGGREGATE_MAX, LION_AGGREGATE_MEDIAN, LION_AGGREGATE_MIN, LION_AGGREGATE_STDDEV, LION_AGGREGATE_VARIANCE,
    LION_AGGREGATE_SUM, LION_AGGREGATE_RAND, LION_AGGREGATE_SAMPLE
} lion_aggregate;

typedef struct lion_accumulator {
    uint64_t count;
    int64_t sum;
    double double_sum;
    bool is_double;
    lion_value best;           /* min, max */
    lion_value *values;        /* of those that need all of them */
    size_t value_count, value_room;
} lion_accumulator;

/* Which aggregate the element names and how many values it is to yield (-1: one, not a collection). A name without a
 * slash that is no built-in is incorrect and named. */
lion_status lion_aggregate_read(lion_aggregate *aggregate_out, int64_t *wanted_out, const lion_element *element, lion_error *error);
lion_status lion_aggregate_add(lion_accumulator *accumulator, lion_aggregate aggregate, int64_t wanted, lion_value value, lion_arena *arena,
                               lion_error *error);
/* The batch's rows of a column, the i-th to the accumulator groups[i] * stride. LION_ABSENT: one by one, nothing was done. */
lion_status lion_aggregate_add_column(lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, bool is_one_group,
                                      lion_aggregate aggregate, int64_t wanted, const lion_batch *batch, uint32_t slot, lion_arena *arena,
                                      lion_error *error);
/* Whether the aggregate can be made of values with a count each: of how many rows they are the value. */
bool lion_aggregate_weighs(lion_aggregate aggregate, int64_t wanted);
/* The value of so many rows; of COUNT it does not matter. */
lion_status lion_aggregate_add_weighed(lion_accumulator *accumulator, lion_aggregate aggregate, int64_t wanted, lion_value value, uint64_t rows,
                                       lion_arena *arena, lion_error *error);
/* Not for CUSTOM. Collections are vector forms. */
lion_status lion_aggregate_finish(lion_form *form_out, lion_accumulator *accumulator, lion_aggregate aggregate, int64_t wanted,
                                  lion_arena *arena, lion_error *error);

#endif
