/* join_search.h - shared by the files of the search: what plans cost (join_cost.c), the ways to join two of them (join_ways.c), which sets are joined
 * (join_search.c), and any plan at all (join_chance.c). */
#ifndef LION_QUERY_JOIN_SEARCH_H
#define LION_QUERY_JOIN_SEARCH_H

#include "query/order.h"

/* One search through a graph. */
typedef struct lion_join_searching {
    const lion_join_graph *graph;
    uint64_t neighbours[LION_JOIN_NODES_MAX];
    lion_join_plan **best;     /* per set, of the dynamic programming */
    const lion_join_core *cores[2 * LION_CYCLES_MAX]; /* without what restricts them, then with it */
    uint32_t core_count;
    uint32_t pairs;
    uint64_t sorted_by[LION_JOIN_VARS_MAX]; /* per variable: nodes that may come in its order, if there are several */
} lion_join_searching;

/* ---- join_cost.c: nanoseconds ---- */

/* The node probed for each of the rows, of which `factor` times as many meet as on average. */
double lion_join_probe_cost(const lion_join_graph *graph, const lion_join_node *node, double rows, uint64_t bound, double rows_out,
                            double factor);
/* A star that stands first and begins with this part. */
double lion_join_scan_cost(const lion_join_node *node, uint32_t entry);
/* What merging two plans takes beside them. */
double lion_join_merge_cost(const lion_join_plan *left, const lion_join_plan *right, double made);
/* Rows that are looked at whether they are there already. */
double lion_join_distinct_cost(double made, bool drops);
/* Nothing of these nodes comes from the feed. */
bool lion_join_is_free(const lion_join_graph *graph, uint64_t set);
/* May the right be hashed? It stands by itself, and what both have is of one type. */
bool lion_join_can_hash(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right);
/* The right is hashed for the left, or is a set of keys. */
double lion_join_hash_cost(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right, double made);

/* ---- join_ways.c ---- */

/* Can the node come when this is bound? */
bool lion_join_is_ready(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound);
/* Variables in whose order two nodes or more can come. */
void lion_join_orders_find(lion_join_searching *self);
/* The plan of a set becomes this way of it. */
void lion_join_set_way(lion_join_plan *plan, const lion_join_plan *way);
/* The star by itself, in the order of the variable. */
lion_join_plan lion_join_way_by(const lion_join_searching *self, const lion_join_plan *plan, uint32_t var);
/* The node by itself; NULL: it needs others. */
lion_join_plan *lion_join_alone(const lion_join_searching *self, uint32_t n);
/* Make *plan (of the joined set; its rows and what it binds are there) the way left, then the core, if that is cheaper … */
void lion_join_consider_core(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_core *core);
/* 1 + the variable by which both come and may be merged; 0: there is none. */
uint8_t lion_join_common_order(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right);
/* … or left, then right, in the cheapest of all ways. */
void lion_join_consider(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right,
                        uint64_t right_set);
/* These nodes joined, and no way yet. */
lion_join_plan lion_join_set_of(const lion_join_graph *graph, uint64_t set);
/* A copy in the arena; NULL: there is no memory. */
lion_join_plan *lion_join_plan_copy(const lion_join_graph *graph, const lion_join_plan *plan);
/* A core that stands first; NULL: it cannot. */
lion_join_plan *lion_join_core_alone(const lion_join_graph *graph, const lion_join_core *core);
/* The core that the node is in and none of whose nodes is in the plan (NULL: there is no plan); NULL: there is none. */
const lion_join_core *lion_join_core_with(const lion_join_searching *self, uint32_t n, const lion_join_plan *plan);

/* ---- join_chance.c: a node that is ready, again and again, joined in one way or the other; NULL: there is none ---- */

const lion_join_plan *lion_join_by_chance(lion_join_searching *self);

#endif
