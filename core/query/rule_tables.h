/* rule_tables.h - rules by tables of demand and answers, evaluated to their fixpoint, difference by difference.
 *
 * A table stands for a rule called with certain arguments bound (its adornment), some of them to what was given, which may be
 * a name (a keyword for the entity of that ident). It holds
 *   frontier   (seed, current): the bound arguments that were asked for (seed), and those that a call in tail position has
 *              reached from there. A tail call is one that passes the free arguments on as they are:
 *              reach(x, y) :- next(x, z), reach(z, y), asked with x. Its answers are the caller's answers, so instead of asking
 *              for all pairs of the rest of the chain (quadratic) the seed is carried along (linear).
 *   answers    (seed, free)
 * Each branch is planned once and cut at its rule calls into segments. What arrives at a call is kept (the prefix); a
 * segment behind a call is fed new prefixes with all answers and old prefixes with new answers, so no pair is met twice.
 * The engine runs segments until none has anything new: it ends, because sets only grow and values come from the data.
 *
 * Rules that are paths through a graph do not come here: path.h answers their calls, in place. */
#ifndef LION_QUERY_RULE_TABLES_H
#define LION_QUERY_RULE_TABLES_H

#include "query/path.h"

#define LION_RULE_ARITY_MAX 64

typedef struct lion_rule_table lion_rule_table;
typedef struct lion_rule_call lion_rule_call;

typedef enum lion_rule_sink { LION_RULE_ANSWER, LION_RULE_TAIL, LION_RULE_CALL } lion_rule_sink;

/* An argument of a call: a slot of the plan before it, or a constant. */
typedef struct lion_rule_argument {
    uint32_t slot;
    lion_value constant;
} lion_rule_argument;

typedef struct lion_rule_segment {
    lion_rule_table *table;
    lion_operator *feed, *root;
    lion_rule_call *before;       /* NULL: fed by the table's frontier */
    size_t done;                  /* rows of the frontier that were fed */
    uint8_t sink;
    lion_rule_call *after;        /* LION_RULE_CALL */
    lion_rule_argument *row;      /* of the sink's row: ANSWER seed+free, TAIL seed+bound, CALL all slots */
    uint32_t width;
    lion_value *values;
} lion_rule_segment;

struct lion_rule_call {
    lion_rule_table *callee;
    lion_relation prefix;         /* what has arrived */
    size_t prefix_done, answers_done;
    lion_rule_argument *bound;    /* per bound argument: a column of prefix, or a constant */
    lion_row_index answers_by_seed, prefix_by_bound;
    uint32_t *prefix_key_of;      /* per key of prefix_by_bound: which bound argument */
    lion_relation joined;         /* what the segment behind is fed */
    uint32_t kept;                /* columns of joined taken from … */
    uint32_t *from;               /* … these columns of prefix; the others from answers */
    uint32_t *out;                /* per free argument: column of joined, or NONE */
    uint32_t *same;               /* per free argument: an earlier one that it must equal, or NONE */
    lion_value *row, *key;
};

struct lion_rule_table {
    uint32_t rule;
    uint64_t adornment, given;    /* argument i is bit i */
    uint32_t bound_count, free_count;
    lion_relation frontier;       /* 2 * bound_count: seed, current */
    lion_relation answers;        /* seed, free */
};

/* What a rule is as a search through a graph (path.h). */
typedef struct lion_path_rule {
    bool is_read;
    lion_paths *searches[2];      /* forward, backward; NULL: the rule is none */
} lion_path_rule;

struct lion_rules {
    lion_run *run;
    const lion_query_ir *ir;
    lion_rule *rules;             /* ir->rules, then their exit rules */
    lion_path_rule *paths;        /* per rule */
    uint64_t *gives;              /* per rule */
    lion_rules *parent;           /* of an engine for what stands inside a not … */
    uint32_t owner;               /* … of this rule's branches */
    lion_rule_table **tables;
    uint32_t table_count, table_room;
    lion_rule_segment **segments;
    uint32_t segment_count, segment_room;
    lion_rule_segment *active;    /* in the middle of its run */
    uint32_t turn;
};

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
lion_status lion_rule_table_get(lion_rule_table **out, lion_rules *rules, uint32_t rule, uint64_t adornment, uint64_t given, lion_error *error);

/* ---- rule_run.c: evaluation ---- */

/* Ask for the bound arguments; nothing, if that was done. */
void lion_rule_ask(lion_rule_table *table, const lion_value *bound);
/* Run until nothing is new. LION_CALL: answer, then run again. */
lion_status lion_rules_run(lion_rules *rules, lion_error *error);

/* ---- op_rule.c ---- */

/* The operator that answers a call by a table. */
lion_status lion_rule_demand_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                                 const uint8_t *keep, lion_error *error);

#endif
