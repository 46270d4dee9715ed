/* graph_cache.h - graphs of what is indexed, kept with the root for the queries that come after.
 *
 * The arrays of graph.h of a set of attributes, as long as novelty says nothing of them and the view is today's. All roots of the
 * process together keep LION_GRAPHS_BYTES_MAX; beyond, a graph is its run's. From any thread. */
#ifndef LION_QUERY_GRAPH_CACHE_H
#define LION_QUERY_GRAPH_CACHE_H

#include "query/graph.h"

#define LION_GRAPHS_BYTES_MAX (UINT64_C(128) << 20)

/* May the graph be one of those? Before it is read. */
bool lion_graph_may_be_kept(const lion_graph *graph);
/* Whether it was there: then it is read, and borrows from the root. */
bool lion_graph_recall(lion_graph *graph);
/* Where the arrays of a graph lie that is to be kept, or NULL: out of memory. Owned until it is given to keep, or freed. */
lion_graph_kept *lion_graph_kept_new(const lion_graph *graph);
lion_arena *lion_graph_kept_arena(lion_graph_kept *kept);
void lion_graph_kept_free(lion_graph_kept *kept);
/* The graph was read into the arena: it is the root's from now on, and the graph borrows it. */
void lion_graph_keep_take(lion_graph *graph, lion_graph_kept *kept);

/* The arrays of a direction that was made later, or NULL. */
const lion_adjacency *lion_graph_kept_way(const lion_graph_kept *kept, uint32_t edges, bool is_backward);
/* Such a direction, whose arrays lie in the arena, which is consumed; what is there then is returned: of two that were made at
 * once, one goes. NULL: out of memory, the arena is freed. */
const lion_adjacency *lion_graph_keep_way_take(lion_graph_kept *kept, uint32_t edges, bool is_backward, const lion_adjacency *way,
                                               lion_arena *arena);

#endif
