/* rule_tables.h - rules by tables of demand and answers, evaluated to their fixpoint, difference by difference.
 *
 * Rules that call each other are a component, which has an engine. A call from outside of the component asks the engine for its bound
 * arguments, runs it until nothing is new and takes the answers; what was asked before, by whatever call of the run, is
 * answered by what was found then. As no rule depends on those that call it from outside, it may be asked inside not, too.
 *
 * A table stands for a rule called with certain arguments bound (its adornment), some of them to what was given, which may be
 * a name (a keyword for the entity of that ident). It holds
 *   frontier   (seed, current): the bound arguments that were asked for (seed), and those that a call in tail position has
 *              reached from there. A tail call is one that passes the free arguments on as they are:
 *              reach(x, y) :- next(x, z), reach(z, y), asked with x. Its answers are the caller's answers, so instead of asking
 *              for all pairs of the rest of the chain (quadratic) the seed is carried along (linear).
 *   answers    (seed, free)
 * Each branch is planned once and cut at its calls within the component into segments. What arrives at a call is kept (the prefix); a
 * segment behind a call is fed new prefixes with all answers and old prefixes with new answers, so no pair is met twice.
 * The engine runs segments until none has anything new: it ends, because sets only grow and values come from the data.
 *
 * Where even what a few rows ask for has no room in memory, the tables go on in the run's temporary file, for the rest of the run, and are
 * evaluated by rounds (rule_rounds.c).
 *
 * Rules that are paths through a graph do not come here: path.h answers their calls, in place. */
#ifndef LION_QUERY_RULE_TABLES_H
#define LION_QUERY_RULE_TABLES_H

#include "query/path.h"
#include "query/rule_calls.h"
#include "query/rule_rows.h"
#include "query/rule_spill.h"

#define LION_RULE_ARITY_MAX 64

typedef struct lion_rule_table lion_rule_table;
typedef struct lion_rule_call lion_rule_call;
typedef struct lion_rule_engine lion_rule_engine;
typedef struct lion_rule_pairs lion_rule_pairs;
typedef struct lion_rule_reader lion_rule_reader;

typedef enum lion_rule_sink { LION_RULE_ANSWER, LION_RULE_TAIL, LION_RULE_CALL } lion_rule_sink;

/* An argument of a call: a slot of the plan before it, or a constant. */
typedef struct lion_rule_argument {
    uint32_t slot;
    lion_value constant;
} lion_rule_argument;

typedef struct lion_rule_segment {
    lion_rule_table *table;
    lion_operator *feed, *root;
    lion_rule_call *before;       /* whose answers feed it; NULL: the table's frontier does */
    size_t done;                  /* rows of the frontier that were fed */
    uint8_t sink;
    lion_rule_call *after;        /* LION_RULE_CALL */
    lion_rule_argument *row;      /* of the sink's row: ANSWER seed+free, TAIL seed+bound, CALL all slots */
    uint32_t width;
    lion_vector *columns;         /* of a batch of them */
} lion_rule_segment;

struct lion_rule_call {
    lion_rule_table *callee;
    lion_rule_rows prefix;        /* what has arrived */
    size_t prefix_done, answers_done; /* between which pairs were made; while a difference is fed, up to where they will be … */
    size_t prefix_from, answers_from; /* … and up to where they were before */
    lion_rule_argument *bound;    /* per bound argument: a column of prefix, or a constant */
    lion_rule_index prefix_by_bound;
    uint32_t *prefix_key_of;      /* per key of prefix_by_bound: which bound argument */
    uint32_t kept;                /* columns of the difference taken from … */
    uint32_t *from;               /* … these columns of prefix; the others from answers */
    uint32_t *out;                /* per free argument: column of the difference, or NONE */
    uint32_t *same;               /* per free argument: an earlier one that it must equal, or NONE */
    lion_value *key;              /* of a row, and, of many, … */
    lion_vector *columns;         /* … the prefix's columns and … */
    lion_vector *keys;            /* … the bound arguments */
    lion_rule_pairs *pairs;       /* of tables on file: where the difference is (rule_pairs.c); NULL: not made */
};

struct lion_rule_table {
    uint32_t rule;
    uint64_t adornment, given;    /* argument i is bit i */
    uint32_t bound_count, free_count;
    lion_rule_rows frontier;      /* 2 * bound_count: seed, current */
    lion_rule_rows answers;       /* seed, free */
    lion_rule_index answers_by_seed;
    uint64_t asked, reused;       /* how often calls from outside asked, and how often for what was there */
    lion_vector *asking;          /* columns of a batch for the frontier */
};

/* What a rule is as a search through a graph (path.h). */
typedef struct lion_path_rule {
    bool is_read;
    lion_path_shape *shapes;      /* forward, backward */
    lion_paths *searches[2];      /* the same; NULL: the rule is none */
} lion_path_rule;

/* A call from outside that is reading answers. */
struct lion_rule_reader {
    lion_rule_reader *next;       /* of the engine's */
    /* What it has still to read goes to a file of its own, and it is no reader any more. */
    lion_status (*set_aside)(lion_rule_reader *reader, lion_error *error);
};

struct lion_rule_engine {
    lion_rules *rules;
    uint32_t component;
    lion_rule_table **tables;
    uint32_t table_count, table_room;
    lion_rule_segment **segments;
    uint32_t segment_count, segment_room;
    lion_rule_segment *active;    /* in the middle of its run */
    uint32_t turn;
    lion_rule_reader *readers;
    bool is_spilled;              /* tables are on file */
    uint64_t rounds;              /* of them, so far */
    size_t row_count;             /* of all tables and prefixes … */
    size_t row_max;               /* … of which there was room for so many; 0: not known yet */
};

struct lion_rules {
    lion_run *run;
    const lion_query_ir *ir;
    lion_rule *rules;             /* ir->rules, then their exit rules */
    uint32_t rule_count;          /* of both */
    lion_path_rule *paths;        /* per rule */
    uint64_t *gives;              /* per rule */
    lion_rule_stats *stats;       /* per rule (rule_stats.c); distinct is NULL: not wanted yet */
    lion_rule_components components; /* of rules; made when a table is first wanted */
    lion_rule_engine **engines;   /* per component, NULL: not wanted yet */
};

/* ---- rules.c ---- */

/* The component that the rule belongs to. */
uint32_t lion_rules_component(lion_rules *rules, uint32_t rule);
lion_rule_engine *lion_rules_engine(lion_rules *rules, uint32_t component);

/* ---- rule_tables.c: planning ---- */

static inline bool lion_rule_binds(uint64_t adornment, uint32_t position)
{
    return (adornment >> position & 1) != 0;
}

/* Which arguments of the call the operator binds, of the first LION_RULE_ARITY_MAX. */
uint64_t lion_rule_adornment(const lion_clause *call, const lion_operator *operator);
/* Which of the bound arguments are given. */
uint64_t lion_rule_given(const lion_scope *scope, const lion_clause *call, uint64_t adornment);
lion_status lion_rule_argument_of(lion_rule_argument *out, const lion_term *term, const lion_operator *operator, lion_arena *arena,
                                  lion_error *error);
/* The table of calls of this kind, which is planned when it is first asked for. */
lion_status lion_rule_table_get(lion_rule_table **out, lion_rule_engine *engine, uint32_t rule, uint64_t adornment, uint64_t given,
                                lion_error *error);

/* ---- rule_sets.c: what is held ---- */

/* The sets of the engine: of each table what was asked and what was answered, of each call what has arrived. */
uint32_t lion_rule_set_count(const lion_rule_engine *engine);
/* NULL: the segment has no call before it. */
lion_rule_rows *lion_rule_set_at(const lion_rule_engine *engine, uint32_t at);
/* Nothing was asked, nothing is known. */
void lion_rule_engine_forget(lion_rule_engine *engine);
/* Nothing is known any more, and from now on what is known is on file. */
lion_status lion_rule_engine_spill(lion_rule_engine *engine, lion_error *error);
/* Sets that are not on file yet go on there: tables may come while a query runs. */
lion_status lion_rule_sets_spill(const lion_rule_engine *engine, lion_error *error);
/* Rows of one of the sets have come: in memory they stay as long as there is room. */
lion_status lion_rule_sets_relieve(lion_rule_engine *engine, lion_rule_rows *rows, lion_error *error);
/* Who is reading answers takes what is left of them before they move. */
lion_status lion_rule_readers_set_aside(lion_rule_engine *engine, lion_error *error);

/* ---- rule_take.c: what goes into the sets ---- */

/* A column that is the argument, of rows with these columns. */
lion_vector lion_rule_column(const lion_rule_argument *argument, const lion_vector *columns);
/* Ask for the bound arguments, a column each, of the batch's rows: only what was not asked before is new. */
lion_status lion_rule_ask(lion_rule_engine *engine, lion_rule_table *table, const lion_vector *bound, const lion_batch *batch, lion_error *error);
/* A batch of what a segment makes goes where it belongs. */
lion_status lion_rule_take_in(lion_rule_engine *engine, lion_rule_segment *segment, const lion_batch *batch, lion_error *error);

/* ---- rule_difference.c ---- */

/* What feeds the segment behind a call: the pairs of prefixes and answers that are new. */
lion_operator *lion_rule_difference_new(lion_run *run, lion_rule_call *call, const uint32_t *vars, uint32_t width);

/* ---- rule_run.c, rule_rounds.c: evaluation ---- */

/* Run until nothing is new. LION_CALL: answer, then run again. LION_ABSENT, where the engine may stop: all that it has to hold
 * has no room. */
lion_status lion_rule_engine_run(lion_rule_engine *engine, bool may_stop, lion_error *error);
/* The same by rounds, where what is known is on file. */
lion_status lion_rule_spilled_run(lion_rule_engine *engine, lion_error *error);

/* ---- rule_pairs.c ---- */

/* The difference of a call whose tables are on file, from its beginning … */
lion_status lion_rule_pairs_rewind(lion_rule_call *call, lion_run *run, uint32_t width, lion_error *error);
/* … batch by batch; LION_END. */
lion_status lion_rule_pairs_next(lion_rule_call *call, lion_run *run, lion_batch *batch_out, lion_error *error);

/* ---- op_rule.c ---- */

/* The operator that answers a call by a table. */
lion_status lion_rule_demand_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                                 const uint8_t *keep, lion_error *error);

#endif
