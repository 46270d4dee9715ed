/* count.h - patterns over ref attributes of which nobody asks but how many rows they have, counted without making the rows.
 *
 * The patterns are a graph: variables, and edges between them. What hangs on by one end is folded into the variable that it
 * hangs on, as a number for each of its entities: how many rows there are behind it. What is left then goes round in
 * cycles. Some of its variables, the prefix, are gone through value by value; given those, the others are trees, whose
 * rows are sums of products again.
 *
 * Rows that must not be (a is c, a knows c) are counted as well and taken off: of all rows those with the first, those with the
 * second, and again put on those with both. */
#ifndef LION_QUERY_COUNT_H
#define LION_QUERY_COUNT_H

#include "query/graph.h"
#include "query/plan.h"

#define LION_COUNT_VARS_MAX 16
#define LION_COUNT_EDGES_MAX 32
#define LION_COUNT_UNLIKE_MAX 3
#define LION_COUNT_NONE 0xff

/* Entity e has the entity v. Variables are numbered by the spec. */
typedef struct lion_count_edge {
    uint8_t via;               /* which of the graph's edges; NONE: e and v are the same */
    uint8_t e, v;
} lion_count_edge;

/* How many rows each entity has in a plan of its own. */
typedef struct lion_count_rows {
    uint8_t var;
    uint32_t slot;
    lion_operator *root;
} lion_count_rows;

typedef struct lion_count {
    const lion_db *db;
    uint32_t vars[LION_COUNT_VARS_MAX];    /* the scope's */
    bool is_told[LION_COUNT_VARS_MAX];     /* each value of it is another row; else all that matters is whether there is one */
    uint8_t same_as[LION_COUNT_VARS_MAX];  /* itself, or the one that has it as its value: no variable any more */
    uint32_t var_count;
    const lion_attribute *attributes[LION_COUNT_EDGES_MAX + LION_COUNT_UNLIKE_MAX];
    uint32_t attribute_count;
    lion_count_edge edges[LION_COUNT_EDGES_MAX];
    uint32_t edge_count;
    lion_count_edge unlike[LION_COUNT_UNLIKE_MAX]; /* of these no row has one */
    uint32_t unlike_count;
    lion_count_rows *rows;
    uint32_t row_count;
    uint8_t wanted;                        /* there is a row for each of its values; NONE: one row */
} lion_count;

/* ---- count_shape.c: what is folded, and what is gone through ---- */

typedef struct lion_count_fold {
    uint8_t leaf, into, edge;
} lion_count_fold;

typedef struct lion_count_shape {
    lion_count_edge edges[LION_COUNT_EDGES_MAX + LION_COUNT_UNLIKE_MAX];
    uint32_t edge_count;
    uint8_t stands_for[LION_COUNT_VARS_MAX];   /* variables that are the same are one of them */
    lion_count_fold folds[LION_COUNT_VARS_MAX]; /* in this order */
    uint32_t fold_count;
    uint8_t prefix[LION_COUNT_VARS_MAX];
    uint32_t prefix_count;
    uint8_t tree[LION_COUNT_VARS_MAX];         /* the others: each behind the one that it hangs on */
    uint8_t parent[LION_COUNT_VARS_MAX];       /* per place in `tree`: a place before it; NONE: a root */
    uint8_t parent_edge[LION_COUNT_VARS_MAX];
    uint32_t tree_count;
} lion_count_shape;

/* Of the rows that have those of the unlike edges that are in the set `with`. first and root: where the prefix and the first tree begin, if
 * they can; NONE: anywhere. false: these patterns cannot be counted so. */
bool lion_count_shape_of(lion_count_shape *shape_out, const lion_count *spec, uint32_t with, uint8_t first, uint8_t root);

/* ---- count_reduce.c ---- */

/* The same rows with fewer and shorter edges, some of them derived from others: of the graph, which is read, in the run's arena. weights:
 * per variable, NULL where there are none. */
lion_status lion_count_reduce(lion_count *spec, lion_graph *graph, uint64_t *const *weights, lion_error *error);

/* ---- count_tree.c: the rows of a shape ---- */

typedef struct lion_counter lion_counter;

/* In the arena. The graph is read; weights: per variable a number for each entity, or NULL, where each counts once. Both are
 * borrowed. */
lion_status lion_counter_new(lion_counter **counter_out, const lion_count_shape *shape, lion_graph *graph, uint64_t *const *weights,
                             lion_arena *arena, lion_error *error);
/* Rows whose first variable of the prefix has a number in [from, to), `step` apart; added to totals[number], or, where
 * that is NULL, to *total. lion/overflow beyond 64 bits. */
lion_status lion_counter_run(lion_counter *counter, uint32_t from, uint32_t to, uint32_t step, uint64_t *totals, uint64_t *total,
                             lion_error *error);
/* Numbers that were looked at so far. */
uint64_t lion_counter_work(const lion_counter *counter);

/* ---- op_count.c: rows (the wanted variable and) the count, in the variable `weight`. The spec is the operator's from then on. ---- */
lion_operator *lion_count_new(lion_scope *scope, lion_count *spec, uint32_t weight, const char *text);

/* ---- plan_count.c ---- */

/* Count what the query's aggregates leave to be counted, if that is cheaper than to make its rows: *operator has the counts then, in a
 * hidden variable, *weight_out, of which each row says how many it stands for; what it did is done in todo, and no longer in
 * needed. LION_ABSENT: nothing of this kind. */
lion_status lion_count_plan(uint32_t *weight_out, lion_scope *scope, lion_todo *todo, lion_operator **operator, uint8_t *needed,
                            lion_error *error);

#endif
