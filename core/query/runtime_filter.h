/* runtime_filter.h - what one side of a hash join has of a variable, asked where the other side's rows come from: rows that would
 * find nothing there go before anything else is read for them.
 *
 * An exact bitmap where ids or whole numbers lie close together; else a Bloom filter, which lets a few rows through that find
 * nothing. It is there once the join's right side has run, and gives way where it drops too few rows to be worth its time. */
#ifndef LION_QUERY_RUNTIME_FILTER_H
#define LION_QUERY_RUNTIME_FILTER_H

#include "query/relation.h"
#include "query/run.h"

typedef struct lion_runtime_filter lion_runtime_filter;

/* The place of the operator, *left or one that it takes its rows from, that binds the variable, which *left has; not below a
 * checkpoint, whose plan goes by the rows that come. */
lion_operator **lion_runtime_filter_place(lion_operator **left, uint32_t var);
/* Put a filter of the variable on top of what is at the place. It lets all rows through until it is filled. */
lion_runtime_filter *lion_runtime_filter_new(lion_run *run, lion_operator **place, uint32_t var);
/* What the rows have in the column, all at once. Without room for it nothing is filtered. lion/out-of-memory. */
lion_status lion_runtime_filter_fill(lion_runtime_filter *filter, const lion_relation *rows, uint32_t column, lion_error *error);

#endif
