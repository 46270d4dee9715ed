/* call.h - how the core asks its host to run a user's function.
 *
 * The core never calls up. A step (of a cursor, query, pull, transaction) that needs a user's
 * function returns LION_CALL and leaves here what to call. The host runs it, answers with
 * lion_call_answer_* and takes the same step again; the step goes on where it was. Every stepping
 * function of the core is therefore re-entrant: its state lives in its struct, never on the C stack
 * across a LION_CALL. */
#ifndef LION_DATA_CALL_H
#define LION_DATA_CALL_H

#include "data/batch.h"
#include "data/form.h"

typedef enum lion_call_kind {
    LION_CALL_PREDICATE = 1, /* per row: arguments columns → verdict[row] (truthy) */
    LION_CALL_FUNCTION,    /* per row: arguments columns → results[row], a form (NIL: no row) */
    LION_CALL_AGGREGATE,   /* arguments[0] is a form vector of values → results[0] */
    LION_CALL_FILTER,      /* db, a datom batch → verdict[row] */
    LION_CALL_TRANSACTION, /* db, argument forms → results[0]: tx data */
    LION_CALL_ATTRIBUTE,   /* attribute predicate: forms[0] → results[0], must be exactly true */
    LION_CALL_ENTITY,      /* entity predicate: db after, entity id in forms[0] → results[0] */
    LION_CALL_XFORM,       /* pull: one value form in forms[0] → results[0] */
} lion_call_kind;

typedef struct lion_call {
    int32_t kind;    /* lion_call_kind */
    uint32_t count;  /* rows asked for (1 for the one-shot kinds) */
    lion_slice name; /* "module/function"; empty when `host` names the function */
    int64_t host;    /* the host's handle (LION_FORM_HOST or a filter's), when name is empty */
    void *db;        /* lion_db *, borrowed: FILTER, TRANSACTION, ENTITY; else NULL */
    uint32_t argument_count;
    uint32_t form_count;
    const lion_vector *arguments; /* PREDICATE, FUNCTION: argument_count columns of `count` rows */
    const lion_datom_batch *datoms; /* FILTER */
    const lion_form *forms;         /* the one-shot kinds: form_count arguments */
    uint8_t *verdict;               /* PREDICATE, FILTER: the host writes count bytes, 0 or 1 */
    lion_form *results;             /* the others: the host writes count forms … */
    lion_arena *arena;              /* … whose memory comes from here */
    bool is_answered;               /* set by the host before it steps again */
} lion_call;

#endif
