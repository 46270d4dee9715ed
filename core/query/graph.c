/* graph.c - from indexes to arrays. AEVT ascends by entity, then by value, and AVET the other way round, so what is read is
 * in its final order. */
#include "query/graph_cache.h"

#include <stdlib.h>

/* Ids this close together are numbered by their distance from the first. */
#define SPREAD_MAX 4
#define SPREAD_LEAST 4096
#define ROOM_MAX UINT32_C(0xfffffff0)
#define CHECK_EVERY (1 << 14)
#define ROOM_FIRST_MAX (1 << 20)

/* Whether ids that lie so far apart are numbered by their distance from the first, in a graph of so many edges. */
static bool is_close(uint64_t spread, uint64_t count)
{
    return spread < ROOM_MAX && spread <= count * SPREAD_MAX + SPREAD_LEAST;
}

void lion_graph_init(lion_graph *graph, lion_run *run, const lion_db *db, uint32_t attributes_max)
{
    *graph = (lion_graph){ .run = run, .db = db, .arena = &run->arena };
    graph->edges = lion_arena_zalloc(&run->arena, sizeof(lion_graph_edges) * (attributes_max + 1));
}

uint32_t lion_graph_add(lion_graph *graph, const lion_attribute *attribute)
{
    for (uint32_t i = 0; i < graph->edges_count; i++)
        if (graph->edges[i].attribute == attribute) return i;
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    lion_graph_edges *added = &graph->edges[graph->edges_count];
    added->attribute = attribute;
    if (lion_view_estimate(&added->count, &graph->db->view, LION_AEVT, &key, NULL) != LION_OK) added->count = 1000000;
    return graph->edges_count++;
}

uint32_t lion_graph_add_derived(lion_graph *graph, const lion_adjacency *forward)
{
    graph->edges[graph->edges_count] =
        (lion_graph_edges){ .count = forward->start[graph->node_count], .ways = { *forward } };
    return graph->edges_count++;
}

/* ---- reading ---- */

/* The edges of one attribute as its index has them: what they lead to, and where those of each end they come from begin. */
typedef struct raw_edges {
    int64_t *to;
    size_t count, room;
    int64_t *from;
    uint32_t *begin;
    size_t from_count, from_room;
    int64_t least, most;       /* of all ids */
} raw_edges;

static void *larger(lion_arena *arena, const void *old, size_t old_size, size_t size)
{
    void *block = lion_arena_alloc(arena, size);
    if (block != NULL && old_size > 0) memcpy(block, old, old_size);
    return block;
}

/* For so many more edges. */
static bool make_room(raw_edges *raw, size_t count, lion_arena *arena)
{
    if (raw->count + count > raw->room) {
        raw->room = raw->room * 2 > raw->count + count ? raw->room * 2 : raw->count + count;
        raw->to = larger(arena, raw->to, raw->count * sizeof(*raw->to), raw->room * sizeof(*raw->to));
    }
    if (raw->from_count + count > raw->from_room) {
        raw->from_room = raw->from_room * 2 > raw->from_count + count ? raw->from_room * 2 : raw->from_count + count;
        raw->from = larger(arena, raw->from, raw->from_count * sizeof(*raw->from), raw->from_room * sizeof(*raw->from));
        raw->begin = larger(arena, raw->begin, raw->from_count * sizeof(*raw->begin), raw->from_room * sizeof(*raw->begin));
    }
    return raw->to != NULL && raw->from != NULL && raw->begin != NULL && !arena->is_exhausted;
}

/* A fact that history shows twice is one edge. */
static void take_batch(raw_edges *raw, const int64_t *from, const int64_t *to, uint32_t count)
{
    size_t at = raw->count, sources = raw->from_count;
    int64_t last = sources > 0 ? raw->from[sources - 1] : 0, last_to = at > 0 ? raw->to[at - 1] : 0;
    int64_t least = raw->least, most = raw->most;
    for (uint32_t i = 0; i < count; i++) {
        if (sources == 0 || from[i] != last) {
            raw->from[sources] = last = from[i];
            raw->begin[sources++] = (uint32_t)at;
        } else if (last_to == to[i]) {
            continue;
        }
        raw->to[at++] = last_to = to[i];
        least = last_to < least ? last_to : least;
        most = last_to > most ? last_to : most;
    }
    raw->count = at;
    raw->from_count = sources;
    raw->least = least < raw->from[0] ? least : raw->from[0];
    raw->most = most > last ? most : last;
}

/* The column of a batch's values, through `room` where it is not one of plain ids. */
static const int64_t *ids_of(const lion_vector *vector, uint32_t count, int64_t room[LION_BATCH_ROWS])
{
    if (!vector->is_constant && vector->type <= LION_TYPE_ATTRIBUTE) return vector->bits;
    for (uint32_t i = 0; i < count; i++) room[i] = lion_vector_get(vector, i).bits;
    return room;
}

static lion_status read_edges(raw_edges *raw, const lion_graph *graph, const lion_graph_edges *edges, lion_arena *arena, lion_error *error)
{
    lion_cursor *cursor = NULL;
    lion_key key = { .datom = { .a = edges->attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    lion_datom_batch batch;
    int64_t room[LION_BATCH_ROWS];
    *raw = (raw_edges){ .least = INT64_MAX, .most = INT64_MIN };
    raw->room = edges->count < ROOM_FIRST_MAX ? (size_t)edges->count : ROOM_FIRST_MAX;
    raw->to = lion_arena_alloc(arena, raw->room * sizeof(*raw->to));
    lion_index index = edges->is_read_backward ? LION_AVET : LION_AEVT;
    lion_status status = lion_cursor_open(&cursor, &graph->db->view, index, &key, &options, arena, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, error)) == LION_OK) {
        if (!make_room(raw, batch.count, arena)) return lion_fail_memory(error);
        const int64_t *v = ids_of(&batch.v, batch.count, room);
        take_batch(raw, edges->is_read_backward ? v : batch.e, edges->is_read_backward ? batch.e : v, batch.count);
        status = lion_run_check_with(graph->run, arena, error);
        if (status == LION_OK && raw->count > ROOM_MAX)
            return lion_fail(error, LION_INTERRUPTED, "lion/limit", "a query cannot search through more than %u references", (unsigned)ROOM_MAX);
    }
    return status == LION_END ? LION_OK : status;
}

/* ---- numbers ---- */

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Ids that are sorted between two looks at the deadline. */
#define SORT_RUN 8192

static void merge(int64_t *out, const int64_t *ids, size_t middle, size_t count)
{
    size_t a = 0, b = middle;
    for (size_t i = 0; i < count; i++) out[i] = b == count || (a < middle && ids[a] <= ids[b]) ? ids[a++] : ids[b++];
}

/* Runs, then runs of twice the length; through `room`, which has as many. */
static lion_status sort_ids(int64_t *ids, int64_t *room, size_t count, lion_run *run, lion_error *error)
{
    for (size_t i = 0; i < count; i += SORT_RUN) {
        qsort(ids + i, count - i < SORT_RUN ? count - i : SORT_RUN, sizeof(int64_t), ascending);
        if (lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    for (size_t width = SORT_RUN; width < count; width *= 2) {
        for (size_t i = 0; i < count; i += 2 * width) {
            size_t both = count - i < 2 * width ? count - i : 2 * width;
            merge(room + i, ids + i, both < width ? both : width, both);
            if (lion_run_check(run, error) != LION_OK) return LION_FAILED;
        }
        memcpy(ids, room, sizeof(int64_t) * count);
    }
    return LION_OK;
}

/* Each once, in any order. */
static lion_status collect_ids(lion_ids *ids, lion_graph *graph, const raw_edges *raws, lion_error *error)
{
    for (uint32_t k = 0; k < graph->edges_count; k++)
        for (size_t i = 0; i < raws[k].from_count + raws[k].count; i++) {
            lion_ids_add(ids, i < raws[k].from_count ? raws[k].from[i] : raws[k].to[i - raws[k].from_count]);
            if (i % CHECK_EVERY == 0 && lion_run_check_with(graph->run, ids->arena, error) != LION_OK) return LION_FAILED;
        }
    return LION_OK;
}

/* Ids far apart: sorted, and found through a table, in which they come in that order. */
static lion_status number_sparse(lion_graph *graph, const raw_edges *raws, lion_arena *scratch, lion_error *error)
{
    lion_ids any_order;
    lion_ids_init(&any_order, scratch);
    lion_status status = collect_ids(&any_order, graph, raws, error);
    int64_t *room = lion_arena_array(scratch, int64_t, (size_t)any_order.count + 1);
    if (status == LION_OK && (room == NULL || scratch->is_exhausted)) return lion_fail_memory(error);
    if (status == LION_OK) status = sort_ids(any_order.items, room, any_order.count, graph->run, error);
    if (status != LION_OK) return status;
    lion_ids_init(&graph->by_id, graph->arena);
    if (!lion_ids_reserve(&graph->by_id, any_order.count)) return lion_fail_memory(error);
    for (uint32_t i = 0; i < any_order.count; i++) {
        lion_ids_add(&graph->by_id, any_order.items[i]);
        if (i % CHECK_EVERY == 0 && lion_run_check(graph->run, error) != LION_OK) return LION_FAILED;
    }
    graph->ids = graph->by_id.items;
    graph->node_count = any_order.count;
    return LION_OK;
}

static lion_status number(lion_graph *graph, const raw_edges *raws, lion_arena *scratch, lion_error *error)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    uint64_t count = 0;
    for (uint32_t k = 0; k < graph->edges_count; k++) {
        count += raws[k].count;
        if (raws[k].least < first) first = raws[k].least;
        if (raws[k].most > last) last = raws[k].most;
    }
    if (count == 0) return LION_OK;
    uint64_t spread = (uint64_t)last - (uint64_t)first;
    if (!is_close(spread, count)) return number_sparse(graph, raws, scratch, error);
    graph->first = first;
    graph->node_count = (uint32_t)spread + 1;
    return LION_OK;
}

uint32_t lion_graph_number(const lion_graph *graph, int64_t id)
{
    if (graph->ids == NULL) {
        uint64_t distance = (uint64_t)id - (uint64_t)graph->first;
        return distance < graph->node_count ? (uint32_t)distance : LION_ID_NONE;
    }
    return lion_ids_find(&graph->by_id, id);
}

/* ---- adjacency ---- */

#define EDGES_CHECK_EVERY 32768 /* a power of two */

static inline bool is_stopped(lion_graph *graph, size_t edge, lion_error *error)
{
    return edge % EDGES_CHECK_EVERY == 0 && lion_run_check(graph->run, error) != LION_OK;
}

static lion_status make_first(lion_graph *graph, lion_graph_edges *edges, const raw_edges *raw, lion_error *error)
{
    lion_arena *arena = graph->arena;
    uint32_t *start = lion_arena_array(arena, uint32_t, (size_t)graph->node_count + 2);
    uint32_t *to = lion_arena_array(arena, uint32_t, raw->count + 1);
    uint32_t node = 0;
    if (start == NULL || to == NULL || arena->is_exhausted) return lion_fail_memory(error);
    for (size_t i = 0; i < raw->from_count; i++) {
        for (uint32_t from = lion_graph_number(graph, raw->from[i]); node <= from; node++) start[node] = raw->begin[i];
        if (is_stopped(graph, i, error)) return LION_FAILED;
    }
    while (node <= graph->node_count) start[node++] = (uint32_t)raw->count;
    for (size_t from = 0; from < raw->count; from += EDGES_CHECK_EVERY) {
        size_t end = raw->count - from < EDGES_CHECK_EVERY ? raw->count : from + EDGES_CHECK_EVERY;
        if (graph->ids == NULL)
            for (size_t i = from; i < end; i++) to[i] = (uint32_t)((uint64_t)raw->to[i] - (uint64_t)graph->first);
        else
            for (size_t i = from; i < end; i++) to[i] = lion_graph_number(graph, raw->to[i]);
        if (is_stopped(graph, from, error)) return LION_FAILED;
    }
    edges->ways[edges->is_read_backward] = (lion_adjacency){ .start = start, .to = to };
    edges->count = raw->count;
    return lion_run_check_with(graph->run, arena, error);
}

/* The other direction. Nodes are walked ascending, so that each list ascends, too. */
static lion_status reverse(lion_adjacency *out, lion_graph *graph, const lion_adjacency *first, uint64_t count, lion_arena *arena, lion_error *error)
{
    uint32_t nodes = graph->node_count;
    uint32_t *start = lion_arena_zalloc(arena, sizeof(uint32_t) * ((size_t)nodes + 2));
    uint32_t *to = lion_arena_array(arena, uint32_t, count + 1);
    if (start == NULL || to == NULL || arena->is_exhausted) return lion_fail_memory(error);
    /* start[i + 1] is where list i is filled next; in the end that is where list i + 1 starts. */
    for (uint32_t i = 0; i < count; i++) {
        start[first->to[i] + 2]++;
        if (is_stopped(graph, i, error)) return LION_FAILED;
    }
    for (uint32_t i = 2; i <= nodes + 1; i++) {
        start[i] += start[i - 1];
        if (is_stopped(graph, i, error)) return LION_FAILED;
    }
    for (uint32_t node = 0; node < nodes; node++)
        for (uint32_t i = first->start[node]; i < first->start[node + 1]; i++) {
            to[start[first->to[i] + 1]++] = node;
            if (is_stopped(graph, i, error)) return LION_FAILED;
        }
    *out = (lion_adjacency){ .start = start, .to = to };
    return LION_OK;
}

/* In the run's arena, or, of a graph that is kept, in one of its own, which is kept, too. */
static lion_status make_other(lion_graph *graph, uint32_t at, lion_error *error)
{
    lion_graph_edges *edges = &graph->edges[at];
    lion_adjacency made, *first = &edges->ways[edges->is_read_backward];
    bool is_backward = !edges->is_read_backward;
    if (graph->kept == NULL || edges->attribute == NULL) {
        lion_status status = reverse(&edges->ways[is_backward], graph, first, edges->count, graph->arena, error);
        return status == LION_OK ? lion_run_check(graph->run, error) : status;
    }
    const lion_adjacency *there = lion_graph_kept_way(graph->kept, at, is_backward);
    if (there == NULL) {
        lion_arena arena;
        lion_arena_init(&arena, 0);
        lion_status status = reverse(&made, graph, first, edges->count, &arena, error);
        if (status == LION_OK) status = lion_run_check_with(graph->run, &arena, error);
        if (status != LION_OK) {
            lion_arena_deinit(&arena);
            return status;
        }
        there = lion_graph_keep_way_take(graph->kept, at, is_backward, &made, &arena);
        if (there == NULL) return lion_fail_memory(error);
    }
    edges->ways[is_backward] = *there;
    return LION_OK;
}

/* ---- reading what is numbered by distance ---- */

/* The first or the last id that the attribute has: as an entity, or as a value. LION_ABSENT: it has none. */
static lion_status end_of(int64_t *id_out, const lion_graph *graph, const lion_attribute *attribute, bool is_value, bool is_last,
                          lion_arena *arena, lion_error *error)
{
    lion_cursor *cursor = NULL;
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = is_value ? LION_COLUMN_V : LION_COLUMN_E, .batch_rows = 1, .is_reverse = is_last };
    lion_datom_batch batch;
    lion_status status = lion_cursor_open(&cursor, &graph->db->view, is_value ? LION_AVET : LION_AEVT, &key, &options, arena, error);
    if (status == LION_OK) status = lion_cursor_next(cursor, &batch, error);
    if (status == LION_OK) *id_out = is_value ? lion_vector_get(&batch.v, 0).bits : batch.e[0];
    return status == LION_END ? LION_ABSENT : status;
}

/* Ids of all attributes lie between these. LION_ABSENT: that cannot be told, or there are none. */
static lion_status find_ends(int64_t *first_out, int64_t *last_out, const lion_graph *graph, lion_arena *arena, lion_error *error)
{
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint32_t i = 0; i < 4 * graph->edges_count; i++) {
        const lion_attribute *attribute = graph->edges[i / 4].attribute;
        int64_t id = 0;
        if (!attribute->is_in_avet) return LION_ABSENT;
        lion_status status = end_of(&id, graph, attribute, i % 2 == 1, i % 4 > 1, arena, error);
        if (status == LION_FAILED) return status;
        if (status != LION_OK) continue;
        first = id < first ? id : first;
        last = id > last ? id : last;
    }
    *first_out = first;
    *last_out = last;
    return first <= last ? LION_OK : LION_ABSENT;
}

/* The next edges of a direction, which come in its order. */
typedef struct filling {
    uint32_t *start, *to;
    uint32_t nodes;
    uint64_t room;
    uint32_t count, node;      /* edges so far; the next node whose list begins */
} filling;

/* false: there are more edges than there is room, or an id out of the range. A fact that history shows twice is one edge. */
static bool fill(filling *self, int64_t first, const int64_t *from, const int64_t *to, uint32_t count)
{
    uint32_t at = self->count;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t source = (uint64_t)from[i] - (uint64_t)first, target = (uint64_t)to[i] - (uint64_t)first;
        if (source >= self->nodes || target >= self->nodes || at >= self->room) return false;
        for (; self->node <= source; self->node++) self->start[self->node] = at;
        if (at > self->start[source] && self->to[at - 1] == target) continue;
        self->to[at++] = (uint32_t)target;
    }
    self->count = at;
    return true;
}

/* ---- what it takes ---- */

/* Of an edge, while ids far apart are numbered: what was read, and the table of all ids that there can be. */
#define SPARSE_EDGE_BYTES 160
/* Of an edge, whatever its ids are: there may be SPREAD_MAX numbers for it, each in two arrays. */
#define EDGE_BYTES_MAX (SPARSE_EDGE_BYTES > 8 + 8 * SPREAD_MAX ? SPARSE_EDGE_BYTES : 8 + 8 * SPREAD_MAX)
/* Of cursors, while they are read. */
#define READING_BYTES (64u * 1024u)

static uint64_t ways_bytes(const lion_graph *graph, uint64_t nodes)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < 2 * graph->edges_count; i++)
        if (graph->edges[i / 2].ways[i % 2].start == NULL) bytes += sizeof(uint32_t) * (nodes + 2 + graph->edges[i / 2].count + 1);
    return bytes;
}

/* Whether so many bytes for arrays, and so many more while they are made, have room. */
static bool have_room(const lion_graph *graph, uint64_t bytes, uint64_t reading)
{
    const lion_arena *arena = &graph->run->arena;
    return lion_run_has_room(graph->run, bytes) && (arena->budget == 0 || arena->used + bytes + reading <= arena->budget - arena->budget / 4);
}

bool lion_graph_has_room(lion_graph *graph, uint32_t node_bytes)
{
    int64_t first = 0, last = 0;
    uint64_t count = lion_graph_edge_count(graph), nodes_max = count * SPREAD_MAX + SPREAD_LEAST;
    if (lion_graph_recall(graph)) return have_room(graph, ways_bytes(graph, graph->node_count) + (uint64_t)graph->node_count * node_bytes, 0);
    if (have_room(graph, count * EDGE_BYTES_MAX + nodes_max * (node_bytes + 8 * graph->edges_count), READING_BYTES)) return true;
    lion_arena arena;
    lion_arena_init(&arena, 0); /* of a few cursors */
    lion_status status = find_ends(&first, &last, graph, &arena, NULL);
    lion_arena_deinit(&arena);
    uint64_t spread = (uint64_t)last - (uint64_t)first;
    bool is_dense = status == LION_OK && is_close(spread, count);
    uint64_t nodes = is_dense ? spread + 1 : 2 * count;
    return have_room(graph, ways_bytes(graph, nodes) + nodes * node_bytes, READING_BYTES + (is_dense ? 0 : count * SPARSE_EDGE_BYTES));
}

#define VAR_NODE_BYTES 5

bool lion_graph_has_room_for(lion_graph *graph, uint32_t var_count, uint32_t node_bytes)
{
    return !graph->run->arena.is_exhausted && lion_graph_has_room(graph, node_bytes + VAR_NODE_BYTES * var_count);
}

/* ---- reading it so ---- */

/* Straight into the arrays. LION_ABSENT: the range or the estimate was mistaken. */
static lion_status read_into(lion_graph *graph, lion_graph_edges *edges, lion_arena *arena, lion_error *error)
{
    lion_cursor *cursor = NULL;
    lion_key key = { .datom = { .a = edges->attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    lion_datom_batch batch;
    int64_t room[LION_BATCH_ROWS];
    filling filled = { .nodes = graph->node_count, .room = edges->count };
    filled.start = lion_arena_array(graph->arena, uint32_t, (size_t)graph->node_count + 2);
    filled.to = lion_arena_array(graph->arena, uint32_t, edges->count + 1);
    if (filled.start == NULL || filled.to == NULL || graph->arena->is_exhausted) return lion_fail_memory(error);
    lion_index index = edges->is_read_backward ? LION_AVET : LION_AEVT;
    lion_status status = lion_cursor_open(&cursor, &graph->db->view, index, &key, &options, arena, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, error)) == LION_OK) {
        const int64_t *v = ids_of(&batch.v, batch.count, room);
        bool is_backward = edges->is_read_backward;
        if (!fill(&filled, graph->first, is_backward ? v : batch.e, is_backward ? batch.e : v, batch.count)) return LION_ABSENT;
        status = lion_run_check_with(graph->run, graph->arena == &graph->run->arena ? arena : graph->arena, error);
    }
    if (status != LION_END) return status;
    while (filled.node <= graph->node_count) filled.start[filled.node++] = filled.count;
    edges->ways[edges->is_read_backward] = (lion_adjacency){ .start = filled.start, .to = filled.to };
    edges->count = filled.count;
    return LION_OK;
}

/* Where ids are close together, and the indexes say between which they lie, nothing is kept beside the arrays. */
static lion_status read_dense(lion_graph *graph, lion_arena *arena, lion_error *error)
{
    int64_t first = 0, last = 0;
    uint64_t count = lion_graph_edge_count(graph);
    lion_status status = find_ends(&first, &last, graph, arena, error);
    if (status != LION_OK) return status;
    uint64_t spread = (uint64_t)last - (uint64_t)first;
    if (!is_close(spread, count) || count > ROOM_MAX) return LION_ABSENT;
    lion_arena_mark mark = lion_arena_set_mark(graph->arena);
    graph->first = first;
    graph->node_count = (uint32_t)spread + 1;
    for (uint32_t k = 0; status == LION_OK && k < graph->edges_count; k++) status = read_into(graph, &graph->edges[k], arena, error);
    if (status != LION_ABSENT) return status;
    lion_arena_rewind(graph->arena, mark);
    for (uint32_t k = 0; k < graph->edges_count; k++) memset(graph->edges[k].ways, 0, sizeof(graph->edges[k].ways));
    return status;
}

static lion_status read_all(lion_graph *graph, lion_arena *arena, lion_error *error)
{
    raw_edges *raws = lion_arena_zalloc(arena, sizeof(raw_edges) * (graph->edges_count + 1));
    lion_status status = LION_OK;
    for (uint32_t k = 0; status == LION_OK && k < graph->edges_count; k++) status = read_edges(&raws[k], graph, &graph->edges[k], arena, error);
    if (status == LION_OK) status = number(graph, raws, arena, error);
    for (uint32_t k = 0; status == LION_OK && k < graph->edges_count; k++) status = make_first(graph, &graph->edges[k], &raws[k], error);
    return status;
}

lion_status lion_graph_read(lion_graph *graph, lion_error *error)
{
    if (graph->is_read || lion_graph_recall(graph)) return LION_OK;
    lion_graph_kept *kept = lion_graph_may_be_kept(graph) ? lion_graph_kept_new(graph) : NULL;
    if (kept != NULL) graph->arena = lion_graph_kept_arena(kept);
    /* What is read is let go once it is in arrays, so it does not rest in the run's arena. */
    lion_arena arena;
    lion_arena_init(&arena, 0); /* counted with the run's */
    lion_status status = read_dense(graph, &arena, error);
    if (status == LION_ABSENT) status = read_all(graph, &arena, error);
    lion_arena_deinit(&arena);
    graph->arena = &graph->run->arena;
    graph->is_read = status == LION_OK;
    if (kept != NULL && status == LION_OK) lion_graph_keep_take(graph, kept);
    else if (kept != NULL) lion_graph_kept_free(kept);
    return status;
}

lion_status lion_graph_adjacency(lion_adjacency *adjacency_out, lion_graph *graph, uint32_t at, bool is_backward, lion_error *error)
{
    lion_graph_edges *edges = &graph->edges[at];
    lion_status status = edges->ways[is_backward].start == NULL ? make_other(graph, at, error) : LION_OK;
    if (status == LION_OK) *adjacency_out = edges->ways[is_backward];
    return status;
}
