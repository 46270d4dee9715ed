/* run.h - what the operators of one execution share, and the helpers every operator is written with.
 *
 * Columns come typed where one attribute or one feed fills them (scans, stars and what passes them on), MIXED from operators that
 * work row by row. Read them by lion_batch_get, or by type.
 * Values borrowed from cursors live as long as the database values, which the run keeps. */
#ifndef LION_QUERY_RUN_H
#define LION_QUERY_RUN_H

#include "db/db.h"
#include "query/operator.h"
#include "query/relation.h"
#include "query/spill.h"

typedef struct lion_source {
    lion_db *db;               /* kept by the run; NULL: a plain relation */
    lion_relation *relation;   /* NULL: nothing was given */
    const lion_form *form;     /* the relation as it was given */
} lion_source;

struct lion_run {
    lion_arena arena;
    lion_query_options options;
    lion_spill spill;          /* what goes on in a temporary file */
    int64_t deadline_ns;       /* of the monotonic clock; 0: none */
    const lion_query_ir *ir;
    lion_source *sources;      /* ir->source_count */
    lion_db **logs;            /* of the inputs that are logs, kept */
    uint32_t log_count;
    lion_relation **input_rows; /* what the inputs that bind variables were given, in their order */
    uint32_t input_count;
    lion_call *call;           /* what a LION_CALL asks for: own_call or a cursor's */
    lion_call own_call;
    uint64_t checks;           /* of bounds, so far */
    lion_operator *at_work;    /* with options.statistics: whose memory the arena grows by; NULL: the result's … */
    size_t credited;           /* … and what of it is in some operator's, or was there before any of them worked */
    int64_t checked_ns, unchecked_ns; /* of processor time: the last one; the longest time between two. With options.statistics */
    uint32_t depth;            /* nested queries */
    uint32_t dice;             /* options.plan_seed, as the planner goes on with it */
    uint32_t var_room;         /* of arrays by variable: that of the widest scope */
    bool is_frugal;            /* it had no room for all that it made, and has begun again: nothing is made without which there is another way */
    double references_missed;  /* that would be read into arrays, had they room: for explain */
    bool is_once;              /* the plan says what holds of these inputs alone, or has clauses of its own: it is not kept */
    bool is_kept;              /* it is no run: what its operators have must be theirs (plan_kept.h) */
    const uint8_t *is_attribute; /* a kept plan's, for copies of its operators; NULL: they have their scope's */
    uint32_t thread_count;     /* beside the run's own, at work for it now (op_exchange.c) */
    const bool *is_stopped;    /* atomic: nobody wants what is left of this thread's part; NULL: it is not one */
};

/* May plans have the operator? */
static inline bool lion_run_allows(const lion_run *run, lion_query_operator operator)
{
    return (run->options.plan_without & operator) == 0;
}
/* Are they to have it wherever they may? */
static inline bool lion_run_forces(const lion_run *run, lion_query_operator operator)
{
    return (run->options.plan_with & ~run->options.plan_without & operator) != 0;
}
/* Are they any plans but the planner's own? */
static inline bool lion_run_is_told(const lion_run *run)
{
    return run->dice != 0 || (run->options.plan_without | run->options.plan_with) != 0;
}

/* A run of an IR that somebody else keeps (a nested query's); it shares the outer run's deadline. */
lion_status lion_query_open_ir(lion_query_run **run_out, const lion_query_ir *ir, const lion_query_input *inputs, size_t count,
                               const lion_query_options *options, const lion_run *outer, lion_error *error);

/* Deadline, cancellation, memory: lion/timeout, lion/cancelled, lion/limit, lion/out-of-memory. */
lion_status lion_run_check(lion_run *run, lion_error *error);
/* The same for a step that holds memory beside the run's own for a while. */
lion_status lion_run_check_with(lion_run *run, const lion_arena *scratch, lion_error *error);
/* Whether a table of so many rows, which is to grow by `bytes` (0: by none), shall go on in the temporary file instead: half of
 * the memory is for tables (of a frugal run's a quarter), the other for all else. */
bool lion_run_is_tight(const lion_run *run, size_t rows, size_t bytes);
/* Whether a table of so many bytes, without which there is another way, has room; of a frugal run none has. */
bool lion_run_has_room(const lion_run *run, uint64_t bytes);
/* The database of a source, or incorrect where it is none. */
lion_status lion_run_db(const lion_db **db_out, lion_run *run, uint32_t source, lion_slice text, lion_error *error);

/* A value as users see it. What is an attribute, or any number or name where `may_be_attribute` (the variable stands
 * in attribute position somewhere, and an input gave its id or its bare name), is its ident, a keyword. */
lion_value lion_run_shown(const lion_run *run, lion_value value, bool may_be_attribute);

/* Whether the attribute (a value of type ATTRIBUTE) has the name, with or without its colon. */
bool lion_run_is_named(const lion_run *run, lion_value attribute, lion_slice name);

/* With options.statistics: from its beginning to its end, time is spent and memory taken by an operator. */
typedef struct lion_shift {
    int64_t start_ns;
    lion_operator *of, *outer; /* outer: whose shift it is afterwards */
} lion_shift;
lion_shift lion_shift_begin(lion_operator *of);
void lion_shift_end(const lion_shift *shift);

/* Next batch of an operator: checks bounds once, keeps its statistics. Use this, not ->next. */
lion_status lion_operator_next(lion_operator *operator, lion_batch *batch_out, lion_error *error);
/* Start again, inputs first. */
lion_status lion_operator_rewind(lion_operator *operator, lion_error *error);
/* Whether it, all that it takes its rows from and its sub-plans have a renew. */
bool lion_operator_can_renew(const lion_operator *operator);
/* They begin another run. */
lion_status lion_operator_renew(lion_operator *operator, lion_error *error);
/* The renew of operators that have nothing of a source or an input. */
void lion_operator_as_it_is(lion_operator *operator);
void lion_operator_close(lion_operator *operator); /* NULL is allowed; inputs and sub-plans too */

/* The reader wants no more rows in which the variable that they ascend in is below the value; they may come all the same. Not while a
 * call is pending. */
void lion_operator_skip(lion_operator *operator, const lion_value *to);

#define LION_SLOT_NONE UINT32_MAX
/* Which slot of the operator holds the variable; LION_SLOT_NONE: none. */
uint32_t lion_operator_slot(const lion_operator *operator, uint32_t var);

static inline uint32_t lion_batch_rows(const lion_batch *batch)
{
    return batch->selection != NULL ? batch->selected : batch->count;
}
static inline uint32_t lion_batch_row(const lion_batch *batch, uint32_t i)
{
    return batch->selection != NULL ? batch->selection[i] : i;
}
static inline lion_value lion_batch_get(const lion_batch *batch, uint32_t slot, uint32_t row)
{
    return lion_vector_get(&batch->columns[slot], row);
}

/* An operator's place in its input: the current batch and row, kept across LION_CALL. */
typedef struct lion_reading {
    lion_batch batch;
    uint32_t at;               /* of lion_batch_rows */
    bool is_open;              /* batch holds rows from `at` on */
    bool is_ended;
} lion_reading;

/* LION_OK: reading stands on a row (again, if it already did). */
lion_status lion_reading_row(lion_reading *reading, lion_operator *input, uint32_t *row_out, lion_error *error);
static inline void lion_reading_advance(lion_reading *reading)
{
    if (++reading->at >= lion_batch_rows(&reading->batch)) reading->is_open = false;
}

/* Batches begin with room for so many rows and double as they are filled, up to LION_BATCH_ROWS: a small query needs little memory. */
#define LION_ROOM_ROWS_MIN (64 < LION_BATCH_ROWS ? 64 : LION_BATCH_ROWS)
static inline uint32_t lion_room_after(uint32_t room)
{
    return room * 2 < LION_BATCH_ROWS ? room * 2 : LION_BATCH_ROWS;
}

/* An operator's output columns: `width` of `room` values. Columns [0, kept) are copies of input columns. */
typedef struct lion_output {
    lion_vector *vectors;      /* tagged, as they are written … */
    lion_vector *typed;        /* … and as they go out: of one type where all rows have one */
    int64_t **bits;            /* room for those of scalars, made when needed */
    lion_arena *arena;
    uint32_t width, count, room;
    uint32_t kept;
    uint32_t *from;            /* per kept column: the input's slot */
} lion_output;

/* Fills self->vars and self->width too: the input's variables that `keep` (per variable, 0 or 1) wants, then `added`. */
void lion_output_init(lion_output *output, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                      const uint32_t *added, uint32_t added_count);
static inline bool lion_output_is_full(const lion_output *output)
{
    return output->count == output->room;
}
static inline uint32_t lion_output_free(const lion_output *output)
{
    return output->room - output->count;
}
static inline lion_value *lion_output_at(lion_output *output, uint32_t slot)
{
    return &output->vectors[slot].values[output->count];
}
/* Copy the kept columns of the input's row; the caller fills the others and counts up. */
static inline void lion_output_keep(lion_output *output, const lion_batch *batch, uint32_t row)
{
    for (uint32_t i = 0; i < output->kept; i++)
        output->vectors[i].values[output->count] = lion_vector_get(&batch->columns[output->from[i]], row);
}
/* LION_OK with the rows so far (and none left), or LION_END when there are none. */
lion_status lion_output_yield(lion_output *output, lion_batch *batch_out);

/* An output of so many tagged columns, that has no input … */
void lion_output_make(lion_output *output, lion_arena *arena, uint32_t width);
/* … and is filled with the next rows of a spool of values: LION_OK with a batch, or LION_END. */
lion_status lion_output_unspool(lion_output *output, lion_spool *spool, lion_batch *batch_out, lion_error *error);

#define LION_OPERATOR(run_, type, next_, name_) lion_operator_init(lion_arena_new(&(run_)->arena, type), (run_), (next_), (name_))
void *lion_operator_init(void *operator, lion_run *run,
                         lion_status (*next)(lion_operator *, lion_batch *, lion_error *), const char *name);
/* For copies: the `keep` (by variable) that the operator was made with, as far as its output tells, in the other run's arena. */
const uint8_t *lion_operator_keep(const lion_operator *self, lion_run *run);

/* Columns that an operator passes on as they are: `kept` of the input's, by slot. */
typedef struct lion_passing {
    uint32_t kept;
    uint32_t *from;
    lion_vector *columns;      /* of the output: those kept, then those added */
} lion_passing;

/* As lion_output_init, for operators whose rows are rows of the input. */
void lion_passing_init(lion_passing *passing, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                       const uint32_t *added, uint32_t added_count);
static inline void lion_passing_take(lion_passing *passing, const lion_batch *batch)
{
    for (uint32_t i = 0; i < passing->kept; i++) passing->columns[i] = batch->columns[passing->from[i]];
}

/* A value of a form: vectors (and sets) become tuples; maps are incorrect. */
lion_status lion_query_value(lion_value *value_out, const lion_form *form, lion_arena *arena, lion_error *error);
/* The entity that a value names: an id, an ident, a lookup ref. LION_ABSENT: nobody. */
lion_status lion_query_entity(int64_t *id_out, const lion_db *db, lion_value value, lion_arena *arena, lion_error *error);
/* Values of this type are entities as they are, without looking anything up. */
static inline bool lion_query_is_id(uint8_t type)
{
    return type == LION_TYPE_REF || type == LION_TYPE_LONG || type == LION_TYPE_ATTRIBUTE;
}
/* A value where an entity stands in a pattern, as a REF: an id, an ident, a lookup ref. LION_ABSENT: it names nobody. */
lion_status lion_query_ref(lion_value *ref_out, const lion_db *db, lion_value value, lion_arena *arena, lion_error *error);
/* The rows of a form given as a plain source. */
lion_status lion_relation_of_form(lion_relation **relation_out, const lion_form *form, lion_arena *arena, lion_error *error);

#endif
