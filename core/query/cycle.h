/* cycle.h - patterns over ref attributes whose variables go round in a cycle (triangles, squares,
 * diamonds), joined all at once: variable by variable, each one's values are the intersection of
 * the lists that the variables before it leave. No intermediate result is larger than what is
 * found, as pairs of patterns joined one by one would make it. Patterns of one attribute that have
 * a variable in common are joined so, too, where there are three or more. */
#ifndef LION_QUERY_CYCLE_H
#define LION_QUERY_CYCLE_H

#include "query/graph.h"
#include "query/plan.h"

#define LION_CYCLE_VARS_MAX 16
#define LION_CYCLE_EDGES_MAX 32
#define LION_CYCLES_MAX 4

typedef struct lion_cycle_edge {
    const lion_clause *clause;
    const lion_attribute *attribute;
    uint32_t e, v; /* variables */
    uint32_t at;   /* of todo */
} lion_cycle_edge;

typedef struct lion_cycle {
    const lion_db *db;
    lion_cycle_edge edges[LION_CYCLE_EDGES_MAX];
    uint32_t edge_count;
    bool lacks_room; /* its arrays have none: it is no way to join them, but one that is missed */
} lion_cycle;

/* Rows of a plan of its own, which say what values a variable may have. */
typedef struct lion_cycle_set {
    uint32_t var;
    lion_operator *root;
} lion_cycle_set;

/* ---- plan_cycle.c ---- */

/* Whether the clause is a pattern of a ref attribute between two variables, on that source.
 * edge_out->at is the caller's. */
bool lion_cycle_edge_of(lion_cycle_edge *edge_out, const lion_scope *scope,
                        const lion_clause *clause, uint32_t source);

/* The patterns still to do that go round in cycles, those that hang together by common cycles as
 * one; LION_CYCLES_MAX at most. How many there are. */
uint32_t lion_cycles_find(lion_cycle cycles_out[LION_CYCLES_MAX], const lion_scope *scope,
                          const lion_todo *todo);

/* The patterns of todo at `clauses`, as a cycle. */
void lion_cycle_at(lion_cycle *cycle_out, const lion_scope *scope, const lion_todo *todo,
                   const uint32_t *clauses, uint32_t count);

/* The variables that are not bound, in the order in which they are joined: those that have a value
 * or two, then each linked to those before it where that can be; wanted ones (keep) first. values:
 * per variable, how many its set leaves, about; INFINITY: it has none. How many variables there
 * are. */
uint32_t lion_cycle_order(uint32_t vars_out[LION_CYCLE_VARS_MAX], const lion_cycle *cycle,
                          const uint8_t *is_bound, const uint8_t *keep, const double *values);

/* References that are to be read into arrays for this run's sake: none, where they are kept from an
 * earlier query, half of them, where they will be. */
double lion_cycle_references(const lion_cycle *cycle, lion_run *run);

/* Their attributes, in the same order for all cycles that have the same. */
void lion_cycle_add_attributes(lion_graph *graph, const lion_cycle *cycle);

/* ---- op_cycle.c: the operator that joins the input with all of them ---- */
/* sets: whose plans are the operator's then, and run once. */
lion_operator *lion_cycle_new(lion_scope *scope, lion_operator *input, const lion_cycle *cycle,
                              const lion_cycle_set *sets, uint32_t set_count, const uint8_t *keep);

#endif
