/* partial.h - what each thread does of a plan's last step by itself, before its rows cross to the run's own thread (op_partial.c):
 * of rows that are to be a set, those that it has passed on before go; of rows that are to be grouped, the first of each group
 * is passed on and the others are added to states of the thread's own, which are merged at the end.
 *
 * So what crosses is what one thread would make, less rows that tell it nothing new, in its order: groups and sets have the order
 * that one thread finds. States merge in any order; so rows are only added where that comes to the same to the last bit. */
#ifndef LION_QUERY_PARTIAL_H
#define LION_QUERY_PARTIAL_H

#include "query/aggregate.h"
#include "query/groups.h"

/* What is made of one find element's variable. */
typedef struct lion_partial_element {
    uint32_t var;
    bool has_states;           /* of the aggregate; else it is a key, or counted */
    lion_aggregate aggregate;
} lion_partial_element;

/* What a result is to be made of. */
typedef struct lion_partial_plan {
    const uint32_t *keys;      /* variables */
    uint32_t key_count;
    bool is_distinct;          /* equal rows are one, and nothing else is made of them */
    const lion_partial_element *elements; /* of the query, in their order */
    uint32_t element_count;
} lion_partial_plan;

/* The groups of the query's result, where rows of a group may be added in any order; NULL: they may not, or there are none.
 * is_attribute: per variable. */
const lion_partial_plan *lion_partial_groups(lion_run *run, const uint8_t *is_attribute);
/* Rows of these columns are a set. */
const lion_partial_plan *lion_partial_distinct(lion_run *run, const uint32_t *vars, uint32_t width);

/* The input's rows but those that are done with. */
lion_operator *lion_partial_new(lion_run *run, lion_operator *input, const lion_partial_plan *plan);

/* What one thread has of its own. */
typedef struct lion_partial {
    lion_groups groups;
    uint64_t *rows;            /* by group: that were added; they are not among those passed on */
    lion_states *states;       /* by element */
    uint64_t *largest;         /* by element: no value is farther from 0 … */
    uint8_t *types;            /* … and all are of this type; NIL: there are none */
    uint64_t seen, added;      /* rows */
    bool *is_off;              /* atomic, of all threads: rows came that cannot be added */
} lion_partial;

/* NULL: the operator is none. */
lion_partial *lion_partial_of(lion_operator *operator);
/* Forget all; is_off: and pass all rows on from now on. */
void lion_partial_reset(lion_operator *operator, bool is_off);
/* Whether all that an exchange's threads have added comes to the same in every order. Otherwise it has to be done again without. */
bool lion_partials_are_exact(lion_operator *exchange);
/* The numbers that the groups from `at` on have among others, into others->numbers; NONE: they are not there. How many were looked for. */
lion_status lion_partial_find(uint32_t *count_out, const lion_partial *partial, size_t at, lion_groups *others, lion_error *error);

#endif
