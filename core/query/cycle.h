/* cycle.h - patterns over ref attributes whose variables go round in a cycle (triangles, squares, diamonds), joined all at
 * once: variable by variable, each one's values are the intersection of the lists that the variables before it leave. No
 * intermediate result is larger than what is found, as pairs of patterns joined one by one would make it. */
#ifndef LION_QUERY_CYCLE_H
#define LION_QUERY_CYCLE_H

#include "query/graph.h"
#include "query/plan.h"

#define LION_CYCLE_VARS_MAX 16
#define LION_CYCLE_EDGES_MAX 32

typedef struct lion_cycle_edge {
    const lion_clause *clause;
    const lion_attribute *attribute;
    uint32_t e, v;             /* variables */
    uint32_t at;               /* of todo */
} lion_cycle_edge;

typedef struct lion_cycle {
    const lion_db *db;
    lion_cycle_edge edges[LION_CYCLE_EDGES_MAX];
    uint32_t edge_count;
} lion_cycle;

/* plan_cycle.c: whether the clause is a pattern of a ref attribute between two variables, on that source. edge_out->at is the caller's. */
bool lion_cycle_edge_of(lion_cycle_edge *edge_out, const lion_scope *scope, const lion_clause *clause, uint32_t source);

/* The patterns still to do that are in cycles with the one at `next`; false: there are none, or to go on
 * pattern by pattern, which leaves `fanout` rows per row next, is cheaper than to read all of their attributes. */
bool lion_cycle_of(lion_cycle *cycle_out, lion_scope *scope, const lion_todo *todo, uint32_t next, const lion_operator *operator, double fanout);

/* Whether any of the patterns still to do go round in a cycle. */
bool lion_cycle_any(const lion_scope *scope, const lion_todo *todo);

/* op_cycle.c: the operator that joins the input with all of them. */
lion_operator *lion_cycle_new(lion_scope *scope, lion_operator *input, const lion_cycle *cycle, const uint8_t *keep);

#endif
