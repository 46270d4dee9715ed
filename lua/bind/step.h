/* step.h - work that may need user functions: a transaction, a `with`, a pull, a cursor, a query's
 * run. Lua drives it: step; where a call is wanted, run the function and answer; step again.
 * Private to lua/bind. */
#ifndef LION_LUA_BIND_STEP_H
#define LION_LUA_BIND_STEP_H

#include "bind.h"
#include "db/db.h"

typedef enum lion_bind_step_kind {
    LION_BIND_TRANSACT = 1,
    LION_BIND_WITH,
    LION_BIND_PULL,
    LION_BIND_CURSOR,
    LION_BIND_RUN
} lion_bind_step_kind;

typedef struct lion_bind_answers lion_bind_answers; /* answers.c */

typedef struct lion_bind_step {
    uint8_t kind;
    bool is_open;
    bool is_done; /* the result stands */
    lion_arena arena;
    lion_bind_push push;   /* RUN and its PULLs: how values are handed out */
    lion_bind_link *links; /* in the arena; one for each connection that is read */
    uint32_t link_count;
    lion_db *db; /* kept; NULL: TRANSACT and RUN keep their own */
    union {
        lion_transacting *transacting;
        lion_tx *tx;
        lion_pull *pull;
        lion_cursor *cursor;
        lion_query_run *run;
    };
    size_t pull_count;
    lion_datom_batch datoms; /* CURSOR: the present batch, rows from `row` on not handed out yet */
    uint32_t row;
    lion_query_batch rows; /* RUN: the present batch */
    lion_bind_answers *answers; /* RUN: code that answers its calls; NULL: none did yet */
    uint32_t answers_known; /* so many of these; 0 once a function of the program may have run: what
                               others are may have changed */
    double **numbers;      /* of the call at hand, by argument: rooms of a batch, in the arena */
    uint32_t number_count;
} lion_bind_step;

/* Pushed, open, without work. */
lion_bind_step *lion_bind_step_push(lua_State *L, lion_bind_step_kind kind);
/* conns may hold NULL and the same connection twice. */
void lion_bind_step_link(lua_State *L, lion_bind_step *step, lion_bind_conn *const *conns,
                         size_t count);
lion_bind_step *lion_bind_step_check(lua_State *L, int index,
                                     int kind); /* kind 0: any; raises lion/closed */
void lion_bind_step_close(lion_bind_step *step);
/* Close the step and raise. */
int lion_bind_step_fail(lua_State *L, lion_bind_step *step, const lion_error *error);

/* What it waits for. */
lion_call *lion_bind_step_call(lion_bind_step *step);

/* ---- calls that code answers (answers.c) ---- */

/* Answer the call that a run waits for as an earlier one of the same function was; false: it is not
 * known, or not of numbers. */
bool lion_bind_answers_again(lua_State *L, lion_bind_step *step);

/* ---- reports: fields of the table at the top ---- */

/* A value of the database. conn may be NULL, as in lion_bind_db_take. */
void lion_bind_report_db(lua_State *L, const char *name, lion_db *db_take, lion_bind_conn *conn);
/* What transact and with have in common; tx_data if there is a schema to name it by. */
void lion_bind_report_fill(lua_State *L, const lion_transaction *transaction,
                           const lion_schema *schema, lion_arena *arena);

#endif
