/* graph_cache.c - what a root keeps of graphs: a list, to which is only added, and of each graph the directions made so far. */
#include "query/graph_cache.h"

#include "base/memory.h"
#include "index/view_parts.h"

/* A direction: the first ones lie in the graph's arena, those made later in one of their own. */
typedef struct kept_way {
    lion_adjacency adjacency;
    lion_arena arena;
    bool has_arena;
} kept_way;

struct lion_graph_kept {
    lion_attachment attachment;
    lion_arena arena;
    uint32_t count;            /* of attributes … */
    uint32_t *attributes;      /* … in their order */
    uint64_t *edge_counts;
    kept_way **ways[2];             /* forward, backward; atomic; NULL: not made */
    uint32_t node_count;
    int64_t first;
    int64_t *ids;
    lion_ids by_id;
    uint64_t bytes;            /* atomic: counted in kept_bytes */
};

static uint64_t kept_bytes; /* atomic: of all roots */

static void count_bytes(lion_graph_kept *kept, uint64_t bytes)
{
    __atomic_add_fetch(&kept->bytes, bytes, __ATOMIC_RELAXED);
    __atomic_add_fetch(&kept_bytes, bytes, __ATOMIC_RELAXED);
}

/* ---- which graphs ---- */

static bool is_indexed(const lion_view *view, const lion_attribute *attribute)
{
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    uint64_t datoms = 0;
    int64_t net = 0;
    if (view->novelty.novelty == NULL) return true;
    lion_novelty_count(&datoms, &net, &view->novelty, LION_AEVT, &key);
    return datoms == 0;
}

/* All that the view shows of the graph's attributes is in the trees. */
static bool is_of_trees(const lion_graph *graph)
{
    const lion_view *view = &graph->db->view;
    if (view->root == NULL || view->filter_count > 0 || view->speculative.novelty != NULL || !lion_view_is_plain(view)) return false;
    for (uint32_t i = 0; i < graph->edges_count; i++)
        if (!is_indexed(view, graph->edges[i].attribute)) return false;
    return true;
}

bool lion_graph_may_be_kept(const lion_graph *graph)
{
    uint64_t wanted = lion_graph_edge_count(graph) * LION_GRAPH_EDGE_BYTES;
    return is_of_trees(graph) && __atomic_load_n(&kept_bytes, __ATOMIC_RELAXED) + wanted <= LION_GRAPHS_BYTES_MAX;
}

static bool is_of(const lion_graph_kept *kept, const lion_graph *graph)
{
    if (kept->count != graph->edges_count) return false;
    for (uint32_t i = 0; i < kept->count; i++)
        if (kept->attributes[i] != graph->edges[i].attribute->id) return false;
    return true;
}

/* ---- keeping ---- */

static void free_attachment(lion_attachment *attachment)
{
    lion_graph_kept_free((lion_graph_kept *)attachment);
}

lion_graph_kept *lion_graph_kept_new(const lion_graph *graph)
{
    lion_graph_kept *kept = lion_zalloc(sizeof(*kept));
    if (kept == NULL) return NULL;
    lion_arena_init(&kept->arena, 0);
    kept->attachment.free = free_attachment;
    kept->count = graph->edges_count;
    kept->attributes = lion_arena_array(&kept->arena, uint32_t, kept->count + 1);
    kept->edge_counts = lion_arena_array(&kept->arena, uint64_t, kept->count + 1);
    for (int i = 0; i < 2; i++) kept->ways[i] = lion_arena_zalloc(&kept->arena, sizeof(kept_way *) * (kept->count + 1));
    if (kept->arena.is_exhausted) {
        lion_graph_kept_free(kept);
        return NULL;
    }
    for (uint32_t i = 0; i < kept->count; i++) kept->attributes[i] = (uint32_t)graph->edges[i].attribute->id;
    return kept;
}

lion_arena *lion_graph_kept_arena(lion_graph_kept *kept)
{
    return &kept->arena;
}

void lion_graph_kept_free(lion_graph_kept *kept)
{
    for (uint32_t i = 0; i < 2 * kept->count; i++) {
        kept_way *made = kept->ways[i % 2] == NULL ? NULL : kept->ways[i % 2][i / 2];
        if (made == NULL || !made->has_arena) continue;
        lion_arena_deinit(&made->arena);
        lion_free(made);
    }
    __atomic_sub_fetch(&kept_bytes, kept->bytes, __ATOMIC_RELAXED);
    lion_arena_deinit(&kept->arena);
    lion_free(kept);
}

static void take_ways(lion_graph_kept *kept, const lion_graph *graph)
{
    for (uint32_t i = 0; i < kept->count; i++) {
        kept->edge_counts[i] = graph->edges[i].count;
        for (int k = 0; k < 2; k++) {
            if (graph->edges[i].ways[k].start == NULL) continue;
            kept->ways[k][i] = lion_arena_new(&kept->arena, kept_way);
            kept->ways[k][i]->adjacency = graph->edges[i].ways[k];
        }
    }
}

void lion_graph_keep_take(lion_graph *graph, lion_graph_kept *kept)
{
    kept->node_count = graph->node_count;
    kept->first = graph->first;
    kept->ids = graph->ids;
    kept->by_id = graph->by_id;
    take_ways(kept, graph);
    count_bytes(kept, kept->arena.used);
    graph->kept = kept;
    lion_root_attach_take(graph->db->view.root, &kept->attachment);
}

/* ---- recalling ---- */

static void borrow(lion_graph *graph, lion_graph_kept *kept)
{
    graph->kept = kept;
    graph->node_count = kept->node_count;
    graph->first = kept->first;
    graph->ids = kept->ids;
    graph->by_id = kept->by_id;
    graph->is_read = true;
    for (uint32_t i = 0; i < kept->count; i++) {
        graph->edges[i].count = kept->edge_counts[i];
        for (int k = 0; k < 2; k++) {
            const lion_adjacency *way = lion_graph_kept_way(kept, i, k);
            if (way != NULL) graph->edges[i].ways[k] = *way;
            if (way != NULL) graph->edges[i].is_read_backward = k;
        }
    }
}

bool lion_graph_recall(lion_graph *graph)
{
    if (!is_of_trees(graph)) return false;
    for (lion_attachment *at = lion_root_attached(graph->db->view.root); at != NULL; at = at->next) {
        lion_graph_kept *kept = (lion_graph_kept *)at;
        if (at->free != free_attachment || !is_of(kept, graph)) continue;
        borrow(graph, kept);
        return true;
    }
    return false;
}

const lion_adjacency *lion_graph_kept_way(const lion_graph_kept *kept, uint32_t edges, bool is_backward)
{
    const kept_way *made = __atomic_load_n(&kept->ways[is_backward][edges], __ATOMIC_ACQUIRE);
    return made == NULL ? NULL : &made->adjacency;
}

const lion_adjacency *lion_graph_keep_way_take(lion_graph_kept *kept, uint32_t edges, bool is_backward, const lion_adjacency *adjacency,
                                               lion_arena *arena)
{
    kept_way *made = lion_zalloc(sizeof(*made)), *there = NULL;
    if (made == NULL) {
        lion_arena_deinit(arena);
        return NULL;
    }
    *made = (kept_way){ .adjacency = *adjacency, .arena = *arena, .has_arena = true };
    if (__atomic_compare_exchange_n(&kept->ways[is_backward][edges], &there, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        count_bytes(kept, arena->used);
        return &made->adjacency;
    }
    lion_arena_deinit(arena);
    lion_free(made);
    return &there->adjacency;
}
