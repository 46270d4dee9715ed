/* graph.h - ref attributes of a database value as arrays: entities are numbered once, and each attribute is, in either
 * direction, a list of ascending numbers per number. For searches and for joins that go round in cycles. Made once a run, or
 * once for all runs on what is indexed (graph_cache.h).
 *
 * Views without filters only: what a host would have to be asked for is not read here. */
#ifndef LION_QUERY_GRAPH_H
#define LION_QUERY_GRAPH_H

#include "query/ids.h"
#include "query/run.h"

/* What an edge takes in arrays of both directions, about, with its nodes. */
#define LION_GRAPH_EDGE_BYTES 16

/* The neighbours of number i are to[start[i]] … to[start[i + 1]], ascending, each once. */
typedef struct lion_adjacency {
    uint32_t *start;       /* node_count + 1; NULL: not made */
    uint32_t *to;
} lion_adjacency;

typedef struct lion_graph_edges {
    const lion_attribute *attribute; /* NULL: derived */
    uint64_t count;        /* an upper estimate before they are read */
    bool is_read_backward;     /* from AVET; the other direction is made from the first, if it is wanted */
    lion_adjacency ways[2];    /* forward, backward */
} lion_graph_edges;

typedef struct lion_graph_kept lion_graph_kept;

typedef struct lion_graph {
    lion_run *run;
    lion_graph_kept *kept; /* whose arrays they are: the root's; NULL: the run's */
    lion_arena *arena;     /* of arrays that are made */
    const lion_db *db;
    lion_graph_edges *edges;
    uint32_t edges_count;
    bool is_read;
    uint32_t node_count;   /* numbers are in the order of ids */
    int64_t first;         /* the id of number 0 … */
    int64_t *ids;          /* … and, where ids are far apart, all of them; NULL: number i is first + i */
    lion_ids by_id;        /* with ids: what number they have */
} lion_graph;

/* attributes_max: how many will be added. */
void lion_graph_init(lion_graph *graph, lion_run *run, const lion_db *db, uint32_t attributes_max);
/* Before the graph is read. The attribute's place in edges. */
uint32_t lion_graph_add(lion_graph *graph, const lion_attribute *attribute);
/* Edges that were made of others of a graph that was read, in the run's arena, which are the run's. Their place in edges, for
 * which there is room. */
uint32_t lion_graph_add_derived(lion_graph *graph, const lion_adjacency *forward);
/* Whether reading it, its arrays of both directions and `node_bytes` for each entity beside them have room in the run's memory: before it
 * is read, and exactly where ids are close together. */
bool lion_graph_has_room(lion_graph *graph, uint32_t node_bytes);
/* The same, of what is to join or count by so many variables: each has a list of its entities, and a bitmap. */
bool lion_graph_has_room_for(lion_graph *graph, uint32_t var_count, uint32_t node_bytes);
/* Read what was added; nothing if that was done. lion/limit where there are 2^32 entities or edges. */
lion_status lion_graph_read(lion_graph *graph, lion_error *error);
/* Of a graph that was read; the direction that was not read is made when it is first wanted. */
lion_status lion_graph_adjacency(lion_adjacency *adjacency_out, lion_graph *graph, uint32_t edges, bool is_backward,
                                 lion_error *error);
/* The number of an entity, or LION_ID_NONE. */
uint32_t lion_graph_number(const lion_graph *graph, int64_t id);

/* Datoms of all its attributes (an upper estimate before they are read). */
static inline uint64_t lion_graph_edge_count(const lion_graph *graph)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < graph->edges_count; i++)
        if (graph->edges[i].attribute != NULL) count += graph->edges[i].count;
    return count;
}

static inline int64_t lion_graph_id(const lion_graph *graph, uint32_t number)
{
    return graph->ids == NULL ? graph->first + number : graph->ids[number];
}

#endif
