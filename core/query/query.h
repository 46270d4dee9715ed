/* query.h - prepare, run and read a query.
 *
 *   lion_query    an IR, owned; immutable; any thread. Prepared plans (by schema epoch and statistics class) are cached in it.
 *   lion_query_run    one execution: its arena, its operators, its bounds. One thread at a time.
 *
 * Steps yield batches of result rows: one vector per find element (after aggregation, ordering, limit), distinct
 * where set semantics demand. Pull elements yield entity ids; the layer above pulls them, batch by batch, with the
 * database and pattern that lion_query_batch.pulls names (query does not include pull).
 * LION_CALL: answer lion_query_call, step again. */
#ifndef LION_QUERY_QUERY_H
#define LION_QUERY_QUERY_H

#include "data/call.h"
#include "db/db.h"

typedef struct lion_query lion_query;
typedef struct lion_query_run lion_query_run;

lion_status lion_query_new(lion_query **query_out, const lion_form *ir, lion_error *error);
lion_query *lion_query_keep(lion_query *query);
void lion_query_drop(lion_query *query); /* NULL is allowed */

typedef struct lion_query_options {
    int64_t timeout_ms;       /* 0: none; lion/timeout (interrupted) */
    int64_t rows_max;         /* 0: none; lion/limit: rows of any intermediate result */
    uint64_t memory_max;      /* bytes of the run's arena, 0: none; lion/limit */
    int64_t limit, offset;    /* -1 / 0: as the query says; else they override */
    const volatile int *is_cancelled; /* NULL, or non-zero: interrupted, lion/cancelled */
    bool statistics;          /* keep actual rows and times for explain */
} lion_query_options;

/* One input of a call: a database (db not NULL) or a form (scalar, collection, relation as source). */
typedef struct lion_query_input {
    lion_db *db;              /* kept by the run */
    lion_form form;           /* borrowed: must live until the run is closed */
} lion_query_input;

lion_status lion_query_open(lion_query_run **run_out, lion_query *query, const lion_query_input *inputs,
                            size_t count, const lion_query_options *options, lion_error *error);

/* A find element (pull ?e pattern): its column holds entity ids (REF) to be pulled with lion_pull. */
typedef struct lion_query_pull {
    bool is_pull;              /* false: an ordinary column */
    const lion_db *db;         /* borrowed: lives as long as the run */
    const lion_form *pattern;  /* normalised pattern form, of the query or the input; as long as those */
} lion_query_pull;

typedef struct lion_query_batch {
    uint32_t count;              /* rows */
    uint32_t width;              /* columns: find elements */
    const lion_vector *columns;  /* ATTRIBUTE values were turned into keyword values */
    const lion_form *const *forms; /* per column NULL, or count forms (pull elements, aggregates that yield collections) */
    const lion_query_pull *pulls; /* NULL when no element is a pull; else one per column */
} lion_query_batch;

/* LION_OK with 1..1024 rows, valid until the next step; LION_END; LION_CALL. */
lion_status lion_query_next(lion_query_run *run, lion_query_batch *batch_out, lion_error *error);
lion_call *lion_query_call(lion_query_run *run);
void lion_query_close(lion_query_run *run); /* NULL is allowed */

/* How the rows are to be shaped. */
int lion_query_find_kind(const lion_query *query); /* lion_find_kind */
const lion_slice *lion_query_keys(const lion_query *query, uint32_t *count_out); /* NULL: none */
uint32_t lion_query_width(const lion_query *query);

/* The plan as a form: { op, detail, rows_estimated, rows, time_ns, children } and as text, into the arena. With
 * options.statistics set and the run at its end, actual rows and times are there. */
lion_status lion_query_explain(lion_form *tree_out, char **text_out, lion_query_run *run, lion_arena *arena,
                               lion_error *error);

#endif
