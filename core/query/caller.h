/* caller.h - what predicates and functions are called with: arguments out of a batch, for a built-in row by row, for a
 * function of the program all at once (LION_CALL), with columns compacted to the batch's live rows. */
#ifndef LION_QUERY_CALLER_H
#define LION_QUERY_CALLER_H

#include "query/operators.h"

typedef struct lion_caller {
    lion_expression expression;
    uint32_t count;            /* arguments that are values */
    const lion_term *terms;    /* of those */
    uint32_t *slots;           /* per argument: the input's slot, or NONE for a constant */
    uint8_t *is_attribute;     /* per argument: it is shown as the ident that it may be */
    lion_value *values;        /* of the row at hand; constants in place */
    lion_function_call call;
    lion_vector *columns;      /* for the host, per argument … */
    lion_value **tagged;       /* … with their values … */
    int64_t **bits;            /* … and, of columns of one scalar type, their bits */
    uint8_t *verdict;          /* its answers to the batch at hand: a predicate's … */
    lion_form *results;        /* … and a function's */
    bool is_asked;             /* it was asked about this batch, and has not yet been heard */
    lion_status prepared;      /* of lion_caller_init, which the first step tells … */
    lion_error error;          /* … with this */
} lion_caller;

void lion_caller_init(lion_caller *self, lion_run *run, const lion_operator *input, const lion_expression *expression);

/* The built-in's answer to one row of the batch. */
lion_status lion_caller_apply(lion_caller *self, const lion_batch *batch, uint32_t row, lion_value *out, lion_error *error);
/* The host's answers to all live rows, in verdict or results: LION_OK once it has answered, LION_CALL until then. */
lion_status lion_caller_hear(lion_caller *self, const lion_batch *batch, lion_call_kind kind);

/* Whether an answer is the value that its variable has already. An attribute out of the log meets what was given for it: an id, or
 * a name. */
bool lion_caller_meets(const lion_caller *self, lion_value answer, lion_value bound);

/* Whether arguments stand for what they are: none may be an attribute, which is shown as its ident. */
bool lion_caller_is_by_values(const lion_caller *self);
/* A built-in that asks nobody: it does not read a database that a host filters. */
bool lion_caller_may_copy(const lion_caller *self);
/* For another run of the same plan: the database that is read is the run's by now. */
void lion_caller_renew(lion_caller *self);
/* For a copy in the run: of a kept plan, whose scope is gone. */
lion_expression lion_caller_expression(const lion_caller *self, const lion_run *run);

#endif
