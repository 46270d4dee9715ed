/* group_want.h - an aggregate of all of a group's values, which go by one after the other (group_values.h). */
#ifndef LION_QUERY_GROUP_WANT_H
#define LION_QUERY_GROUP_WANT_H

#include "query/aggregate.h"

/* One aggregate, and what it has found of the group at hand. */
typedef struct lion_group_want {
    lion_aggregate aggregate;
    int64_t wanted;
    lion_value *found;
    size_t found_count, found_room;
    size_t *places;            /* RAND: of the values that are drawn, ascending … */
    uint32_t *draws;           /* … and which draw each is */
    size_t count;              /* COUNT_DISTINCT; RAND: drawn so far; SAMPLE: distinct ones so far */
    lion_value last;           /* the last distinct one */
    bool is_found;             /* MEDIAN: by other means, before the values go by */
    lion_form result;
} lion_group_want;

/* A group of so many values is next. */
lion_status lion_group_want_begin(lion_group_want *to, size_t count, lion_arena *arena, lion_error *error);
/* Its value at `place` of `count`. */
lion_status lion_group_want_add(lion_group_want *to, size_t place, size_t count, lion_value value, lion_arena *arena, lion_error *error);
/* All have gone by: to->result. */
lion_status lion_group_want_end(lion_group_want *to, lion_arena *arena, lion_error *error);

/* One more of `found`. */
lion_status lion_group_want_keep(lion_group_want *to, lion_value value, lion_arena *arena, lion_error *error);
/* lion/syntax: the aggregate takes numbers only. */
lion_status lion_group_want_fail_number(const lion_group_want *to, lion_error *error);
/* The median of two numbers: a long where it is one, exact for decimals. */
lion_value lion_median_between(lion_value low, lion_value high, lion_arena *arena);

#endif
