/* operator.h - the executor's interface: a tree of operators, each yielding batches of columns.
 *
 * A batch has one vector per variable that is live, `count` rows, and may be
 *   flat        rows 0..count-1
 *   selected    only rows selection[0..selected)  (a filter writes a selection, it copies nothing)
 *   factorised  row i stands for the rows [start[i], start[i+1]) of the nested vectors (an unflattened join:
 *               counts, aggregates, distinct and existence read it as it is; lion_batch_flatten expands)
 * next() is pull-based and re-entrant: LION_CALL leaves all state in the operator, and the same next() is taken again after
 * the host's answer. Every next() checks deadline, cancellation and budgets once (lion_run_check). Operators that hold
 * much (hash tables, sorts, fixpoints) implement spill(); those that several threads may work as one (parallel.h) implement copy();
 * an operator without one has NULL there. */
#ifndef LION_QUERY_OPERATOR_H
#define LION_QUERY_OPERATOR_H

#include "data/datom.h"
#include "query/ir.h"

typedef struct lion_run lion_run; /* what operators share: arena, sources, bounds, the pending call (run.h) */

typedef struct lion_batch {
    uint32_t count;
    uint32_t width;
    lion_vector *columns;      /* by slot; an operator's schema maps variables to slots */
    const uint16_t *selection; /* NULL: all rows */
    uint32_t selected;         /* when selection is not NULL */
    const uint32_t *nested_start; /* NULL: flat; else count+1 offsets into nested */
    uint32_t nested_width;
    lion_vector *nested;
} lion_batch;

typedef struct lion_operator lion_operator;
struct lion_operator {
    const char *name;          /* for explain: "scan", "lookup", "hash-join" … */
    const char *detail;        /* for explain, in the arena */
    lion_status (*next)(lion_operator *self, lion_batch *batch_out, lion_error *error);
    lion_status (*rewind)(lion_operator *self, lion_error *error);      /* start again (correlated inputs may have changed) */
    lion_status (*spill)(lion_operator *self, uint64_t *bytes_freed_out, lion_error *error); /* NULL: cannot */
    /* Of what ascends: rows whose value is below this one need not come any more. NULL: its input may be told. The value's bytes
     * live as long as the run. */
    void (*skip)(lion_operator *self, const lion_value *to);
    /* What copies share is made, before the first of them, in the original's thread; LION_CALL as of next. NULL: nothing. It may
     * turn out that there can be none: then copy is NULL afterwards. */
    lion_status (*prepare)(lion_operator *self, lion_error *error);
    /* The same operator in another thread's run, over a copy of its input (NULL: of a feed). NULL: it has to stay in one thread,
     * as whatever may ask the host has to. */
    lion_operator *(*copy)(const lion_operator *self, lion_run *run, lion_operator *input);
    /* For another run of the same plan: its sources and inputs are the run's by now, of the run before its memory alone is left. A rewind
     * follows. NULL: the operator is made anew for each run. */
    void (*renew)(lion_operator *self);
    void (*stop)(lion_operator *self);   /* before its inputs are closed; NULL: nothing of it is at work */
    void (*close)(lion_operator *self);  /* NULL: nothing but arena memory */
    lion_run *run;
    uint32_t *vars;            /* variable of each slot */
    uint32_t width;
    bool is_distinct;          /* no two rows are the same */
    bool keeps_order;          /* its rows are rows of inputs[0], in their order */
    uint32_t ascending;        /* 1 + the variable in which the rows ascend from one start to its end, or 0 */
    bool may_lose_order;       /* for want of memory they may turn out, before the first of them, not to ascend: ascending is 0 then */
    bool is_set;               /* what it makes of one input row are different rows (rules, groups of patterns) */
    bool spans_rows;           /* what becomes of a row depends on those before it, since the last rewind */
    lion_operator *inputs[2];
    lion_operator **subplans;  /* of not, or, rules: run for each batch of the input; for explain */
    uint32_t subplan_count;
    double rows_estimated;
    double row_ns;             /* nanoseconds of a row of the input, as measured, where it is a loop over columns; 0: of no such */
    bool is_unplanned;         /* how many rows it leaves is known when it runs: its estimate is its input's */
    const char *index;         /* for explain: what a pattern reads, "aevt", "avet" …; NULL: no index */
    const char *range;         /* for explain: the part of the index that comparisons leave, or NULL */
    bool is_silent;            /* for explain: nothing to tell, its first input stands for it */
    const char *advice;        /* for explain: what would make it cheaper, or NULL */
    uint64_t rows;             /* yielded so far */
    bool is_ended;             /* the last step found nothing more */
    uint64_t time_ns;          /* inclusive, when statistics are wanted */
    uint64_t memory;           /* bytes that it had at most by itself, when statistics are wanted */
    int64_t held, held_most;   /* that it has, and had at most so far */
};

#endif
