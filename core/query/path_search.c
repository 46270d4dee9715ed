/* path_search.c - what is reached from one entity: breadth first, in the trees while that costs less than to read all
 * edges into arrays, in the arrays from then on. Once searches have walked more edges than it takes to make the sets of all
 * entities, the sets are made and answer. */
#include <math.h>
#include <stdlib.h>

#include "index/view_parts.h"
#include "query/graph_cache.h"
#include "query/path.h"

/* Costs, in edges read into arrays (some 5 ns). */
#define COST_SEEK 80
#define COST_POINT 20
#define COST_DATOM 2
#define COST_ARRAYS 2000
/* What may go to searches in the trees before arrays are made: a part of what those cost. */
#define TREES_PART 4

/* Found lists are remembered up to so many ids. */
#define FOUND_IDS_MAX (UINT64_C(4) << 20)
#define CHECK_EVERY 4096

struct lion_path_found {
    int64_t *ids;
    uint32_t count;
    bool is_sorted;
};

/* ---- making ---- */

static void make_steps(lion_paths *self, const lion_path_shape *shape, bool is_backward)
{
    uint32_t at = 0;
    for (uint32_t state = 0; state < self->state_count; state++) {
        self->steps_of[state] = at;
        for (uint32_t i = 0; i < shape->hop_count; i++) {
            const lion_path_hop *hop = &shape->hops[i];
            if ((is_backward ? hop->to : hop->from) != state) continue;
            self->steps[at++] = (lion_path_step){ .to = is_backward ? hop->from : hop->to, .is_backward = hop->is_backward != is_backward,
                                                  .attribute = hop->attribute, .edges = lion_graph_add(self->graph, hop->attribute) };
        }
    }
    self->steps_of[self->state_count] = at;
}

/* What may go to searches in the trees where arrays can be made. */
static uint64_t worth_of_arrays(const lion_paths *self)
{
    return lion_graph_edge_count(self->graph) / TREES_PART + COST_ARRAYS;
}

lion_paths *lion_paths_new(lion_run *run, lion_graph *graph, const lion_path_shape *shape, bool is_backward)
{
    lion_arena *arena = &run->arena;
    lion_paths *self = lion_arena_new(arena, lion_paths);
    self->run = run;
    self->graph = graph;
    self->state_count = shape->state_count;
    self->start = is_backward ? LION_PATH_END : LION_PATH_START;
    self->end = is_backward ? LION_PATH_START : LION_PATH_END;
    self->steps = lion_arena_zalloc(arena, sizeof(lion_path_step) * shape->hop_count);
    self->steps_of = lion_arena_array(arena, uint32_t, self->state_count + 1);
    self->visited = lion_arena_array(arena, lion_ids, self->state_count);
    if (arena->is_exhausted) return self;
    make_steps(self, shape, is_backward);
    for (uint32_t i = 0; i < self->state_count; i++) lion_ids_init(&self->visited[i], arena);
    lion_ids_init(&self->sources, arena);
    bool has_room = lion_run_has_room(run, lion_graph_edge_count(graph) * LION_GRAPH_EDGE_BYTES);
    self->spend_max = has_room ? worth_of_arrays(self) : UINT64_MAX;
    return self;
}

bool lion_paths_lack_room(const lion_paths *self)
{
    return !self->has_arrays && self->spend_max == UINT64_MAX && self->spent > worth_of_arrays(self);
}

/* ---- in the trees ---- */

/* Values of cardinality one, asked for one by one, where the attribute's leaves can stay open. */
static lion_status step_to_value(lion_paths *self, lion_path_step *step, int64_t id, lion_error *error)
{
    const lion_view *view = &self->graph->db->view;
    lion_arena *arena = &self->run->arena;
    lion_value value = lion_value_nil();
    lion_status status = LION_OK;
    self->spent += COST_POINT;
    if (view->speculative.novelty == NULL) {
        if (step->facts == NULL) status = lion_facts_new(&step->facts, view, 0, LION_TYPE_NIL, &step->attribute->id, 1, arena, error);
        if (status == LION_OK) status = lion_facts_get(&value, step->facts, id, error);
    } else {
        int64_t tx = 0;
        status = lion_view_get(&value, &tx, view, id, step->attribute->id, arena, error);
    }
    if (status == LION_OK && value.type != LION_TYPE_NIL) lion_ids_add(&self->visited[step->to], value.bits);
    return status == LION_ABSENT ? LION_OK : status;
}

static lion_status step_by_cursor(lion_paths *self, lion_path_step *step, int64_t id, lion_error *error)
{
    lion_key key = { .datom = { .a = step->attribute->id }, .parts = 2 };
    lion_cursor_options options = { .columns = step->is_backward ? LION_COLUMN_E : LION_COLUMN_V, .batch_rows = 64 };
    lion_index index = step->is_backward ? LION_AVET : LION_AEVT;
    lion_datom_batch batch;
    lion_status status;
    if (step->is_backward) key.datom.v = lion_value_ref(id);
    else key.datom.e = id;
    if (step->cursor != NULL) status = lion_cursor_seek(step->cursor, &key, error);
    else status = lion_cursor_open(&step->cursor, &self->graph->db->view, index, &key, &options, &self->run->arena, error);
    self->spent += COST_SEEK;
    while (status == LION_OK && self->spent <= self->spend_max && (status = lion_cursor_next(step->cursor, &batch, error)) == LION_OK) {
        self->spent += COST_DATOM * (uint64_t)batch.count;
        for (uint32_t i = 0; i < batch.count; i++)
            lion_ids_add(&self->visited[step->to], step->is_backward ? batch.e[i] : lion_vector_get(&batch.v, i).bits);
        lion_status checked = lion_run_check(self->run, error);
        if (checked != LION_OK) return checked;
    }
    return status == LION_END || status == LION_OK ? LION_OK : status;
}

static lion_status step_in_trees(lion_paths *self, lion_path_step *step, int64_t id, lion_error *error)
{
    bool is_point = !step->is_backward && !step->attribute->is_many && lion_view_is_plain(&self->graph->db->view);
    return is_point ? step_to_value(self, step, id, error) : step_by_cursor(self, step, id, error);
}

/* Each state's visited ids are its queue, too. LION_ABSENT: this costs more than arrays. */
static lion_status search_trees(lion_paths *self, const int64_t *ids, uint32_t count, lion_error *error)
{
    uint32_t done[LION_PATH_STATES_MAX] = { 0 };
    for (uint32_t i = 0; i < self->state_count; i++) lion_ids_clear(&self->visited[i]);
    for (uint32_t i = 0; i < count; i++) lion_ids_add(&self->visited[self->start], ids[i]);
    for (bool moves = true; moves;) {
        moves = false;
        for (uint32_t state = 0; state < self->state_count; state++) {
            uint32_t until = self->visited[state].count;
            for (; done[state] < until; done[state]++) {
                moves = true;
                for (uint32_t i = self->steps_of[state]; i < self->steps_of[state + 1]; i++) {
                    lion_status status = step_in_trees(self, &self->steps[i], self->visited[state].items[done[state]], error);
                    if (status != LION_OK) return status;
                    if (self->spent > self->spend_max) return LION_ABSENT;
                }
                if (done[state] % 64 == 0 && lion_run_check(self->run, error) != LION_OK) return LION_FAILED;
            }
        }
    }
    return lion_run_check(self->run, error);
}

/* ---- a look, for the planner ---- */

/* … and reads so many datoms of lists that are longer than others. */
#define LOOK_DATOMS_MAX 4096

/* What is left to be visited leads on as what was visited did: it dies out, or goes on to a good part of all. */
#define PART_OF_ALL 0.5

static double guess(double found, double visited, double left, double most)
{
    double each = (visited + left - 1) / fmax(visited, 1);
    if (left == 0) return fmin(found, most);
    return each < 1 ? fmin(found + left / (1 - each), most) : fmax(fmin(found, most), most * PART_OF_ALL);
}

/* The steps out of one visited id; false: they cannot be told. */
static bool look_at(lion_paths *self, uint32_t state, int64_t id)
{
    for (uint32_t i = self->steps_of[state]; i < self->steps_of[state + 1]; i++)
        if (step_in_trees(self, &self->steps[i], id, NULL) != LION_OK) return false;
    return true;
}

double lion_paths_look(lion_paths *self, int64_t id, uint32_t *steps, double most)
{
    uint32_t done[LION_PATH_STATES_MAX] = { 0 }, visited = 0, left = 0;
    uint64_t spent = self->spent, spend_max = self->spend_max;
    bool is_told = true;
    self->spend_max = self->spent + COST_SEEK * (uint64_t)*steps + COST_DATOM * LOOK_DATOMS_MAX;
    for (uint32_t i = 0; i < self->state_count; i++) lion_ids_clear(&self->visited[i]);
    lion_ids_add(&self->visited[self->start], id);
    for (bool moves = true; moves && is_told && self->spent <= self->spend_max;) {
        moves = false;
        for (uint32_t state = 0; state < self->state_count && is_told; state++) {
            if (done[state] == self->visited[state].count || visited == *steps) continue;
            moves = true;
            visited++;
            is_told = look_at(self, state, self->visited[state].items[done[state]++]);
        }
    }
    for (uint32_t i = 0; i < self->state_count; i++) left += self->visited[i].count - done[i];
    self->spent = spent;
    self->spend_max = spend_max;
    *steps = visited;
    return is_told ? guess(self->visited[self->end].count, visited, left, most) : -1;
}

/* ---- in arrays ---- */

/* Bytes for each reference while they are read, and of the arrays that they become, which are the run's if nobody keeps them. */
#define READ_BYTES 20
#define ARRAY_BYTES 8

/* Without them, searches take far longer: they may have more than other tables. */
static bool have_arrays_room(const lion_paths *self)
{
    const lion_arena *arena = &self->run->arena;
    uint64_t each = READ_BYTES + (lion_graph_may_be_kept(self->graph) ? 0 : ARRAY_BYTES);
    if (self->run->options.table_rows_max != 0) return false; /* a test of what goes on without */
    if (arena->budget == 0) return true;
    return !self->run->is_frugal && arena->used + lion_graph_edge_count(self->graph) * each <= arena->budget - arena->budget / 4;
}

/* LION_ABSENT: they have no room, searches stay in the trees. */
static lion_status need_arrays(lion_paths *self, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    if (self->has_arrays) return LION_OK;
    if (!self->graph->is_read && !lion_graph_recall(self->graph) && !have_arrays_room(self)) {
        self->spend_max = UINT64_MAX;
        return LION_ABSENT;
    }
    for (uint32_t i = 0; !self->graph->is_read && i < self->steps_of[self->state_count]; i++)
        self->graph->edges[self->steps[i].edges].is_read_backward = self->steps[i].is_backward;
    lion_status status = lion_graph_read(self->graph, error);
    for (uint32_t i = 0; status == LION_OK && i < self->steps_of[self->state_count]; i++)
        status = lion_graph_adjacency(&self->steps[i].adjacency, self->graph, self->steps[i].edges, self->steps[i].is_backward, error);
    if (status != LION_OK) return status;
    size_t nodes = (size_t)self->state_count * self->graph->node_count;
    if (nodes >= UINT32_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "this query cannot search through more than %u entities",
                         (unsigned)(UINT32_MAX / self->state_count));
    self->seen = lion_arena_zalloc(arena, (nodes / 64 + 1) * sizeof(uint64_t));
    self->queue = lion_arena_array(arena, uint32_t, nodes + 1);
    if (self->seen == NULL || self->queue == NULL) return lion_fail_memory(error);
    self->has_arrays = true;
    return lion_run_check(self->run, error);
}

/* Most nodes are of the first two states. */
static uint32_t state_of(const lion_paths *self, uint32_t node)
{
    uint32_t nodes = self->graph->node_count;
    return node < nodes ? 0 : node - nodes < nodes ? 1 : node / nodes;
}

/* Neighbours lie anywhere: have those of the nodes to come on their way. */
#define AHEAD_STARTS 24
#define AHEAD_LISTS 12

static void fetch_ahead(const lion_paths *self, uint32_t head, uint32_t tail)
{
    uint32_t nodes = self->graph->node_count;
    if (head + AHEAD_STARTS >= tail) return;
    uint32_t far = self->queue[head + AHEAD_STARTS], near = self->queue[head + AHEAD_LISTS], state = state_of(self, far);
    for (uint32_t i = self->steps_of[state]; i < self->steps_of[state + 1]; i++)
        __builtin_prefetch(&self->steps[i].adjacency.start[far - state * nodes]);
    state = state_of(self, near);
    for (uint32_t i = self->steps_of[state]; i < self->steps_of[state + 1]; i++) {
        const lion_adjacency *lists = &self->steps[i].adjacency;
        __builtin_prefetch(&lists->to[lists->start[near - state * nodes]]);
    }
}

/* The nodes next to one, that were not seen, into the queue. */
static uint32_t step_in_arrays(lion_paths *self, uint32_t state, uint32_t number, uint32_t tail)
{
    uint64_t *seen = self->seen;
    uint32_t *queue = self->queue;
    for (uint32_t i = self->steps_of[state]; i < self->steps_of[state + 1]; i++) {
        const lion_path_step *step = &self->steps[i];
        const uint32_t *to = step->adjacency.to, offset = step->to * self->graph->node_count;
        uint32_t end = step->adjacency.start[number + 1];
        self->walked += end - step->adjacency.start[number];
        for (uint32_t k = step->adjacency.start[number]; k < end; k++) {
            uint32_t node = offset + to[k];
            uint64_t word = seen[node / 64]; /* whether it is new, nobody can foretell: no branch */
            queue[tail] = node;
            tail += (uint32_t)(~word >> (node & 63) & 1);
            seen[node / 64] = word | UINT64_C(1) << (node & 63);
        }
    }
    return tail;
}

/* Every number into the queue. */
static uint32_t enqueue_all(lion_paths *self)
{
    uint32_t nodes = self->graph->node_count;
    for (uint32_t number = 0; number < nodes; number++) {
        uint32_t node = self->start * nodes + number;
        self->seen[node / 64] |= UINT64_C(1) << (node & 63);
        self->queue[number] = node;
    }
    return nodes;
}

/* The starts into the queue, without those that are in no list. */
static uint32_t enqueue(lion_paths *self, const int64_t *ids, uint32_t count)
{
    uint32_t tail = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = lion_graph_number(self->graph, ids[i]), node = self->start * self->graph->node_count + number;
        if (number == LION_ID_NONE || (self->seen[node / 64] >> (node & 63) & 1) != 0) continue;
        self->seen[node / 64] |= UINT64_C(1) << (node & 63);
        self->queue[tail++] = node;
    }
    return tail;
}

/* What is reached from the first `tail` of the queue, which are seen. The nodes found lie in the queue, up to *count_out; the bits are
 * cleared again. */
static lion_status search_arrays(lion_paths *self, uint32_t tail, uint32_t *count_out, lion_error *error)
{
    uint32_t nodes = self->graph->node_count;
    lion_status status = LION_OK;
    for (uint32_t head = 0; head < tail && status == LION_OK; head++) {
        uint32_t state = state_of(self, self->queue[head]);
        fetch_ahead(self, head, tail);
        tail = step_in_arrays(self, state, self->queue[head] - state * nodes, tail);
        if (head % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
    }
    for (uint32_t i = 0; i < tail; i++) self->seen[self->queue[i] / 64] = 0;
    *count_out = tail;
    return status;
}

/* ---- what was found ---- */

static bool make_room(lion_path_list *list, uint32_t count, lion_arena *arena)
{
    if (count > list->room) { /* the first is often the only one */
        uint32_t room = list->room > UINT32_MAX / 2 || 2 * list->room < count ? count : 2 * list->room;
        int64_t *own = lion_arena_alloc(arena, sizeof(int64_t) * (size_t)room);
        if (own == NULL) return false;
        list->own = own;
        list->room = room;
    }
    list->ids = list->own;
    return true;
}

static lion_status list_trees(lion_path_list *list, lion_paths *self, lion_error *error)
{
    const lion_ids *found = &self->visited[self->end];
    if (!make_room(list, found->count, &self->run->arena)) return lion_fail_memory(error);
    if (found->count > 0) memcpy(list->own, found->items, sizeof(int64_t) * found->count);
    list->count = found->count;
    return lion_run_check(self->run, error);
}

static lion_status list_arrays(lion_path_list *list, lion_paths *self, uint32_t queued, lion_error *error)
{
    uint32_t nodes = self->graph->node_count, offset = self->end * nodes, count = 0;
    for (uint32_t i = 0; queued > list->room && i < queued; i++) count += self->queue[i] - offset < nodes;
    if (!make_room(list, count, &self->run->arena)) return lion_fail_memory(error);
    list->count = 0;
    for (uint32_t i = 0; i < queued; i++)
        if (self->queue[i] - offset < nodes) list->own[list->count++] = lion_graph_id(self->graph, self->queue[i] - offset);
    return lion_run_check(self->run, error);
}

static lion_status list_set(lion_path_list *list, lion_paths *self, uint32_t number, lion_error *error)
{
    const uint64_t *set = lion_path_sets_of(self->sets, number);
    size_t words = (self->graph->node_count + 63) / 64;
    uint32_t count = 0;
    for (size_t w = 0; w < words; w++) count += (uint32_t)__builtin_popcountll(set[w]);
    if (!make_room(list, count, &self->run->arena)) return lion_fail_memory(error);
    list->count = 0;
    for (size_t w = 0; w < words; w++)
        for (uint64_t bits = set[w]; bits != 0; bits &= bits - 1)
            list->own[list->count++] = lion_graph_id(self->graph, (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(bits));
    return lion_run_check(self->run, error);
}

static bool recall(lion_path_list *list, lion_paths *self, int64_t id)
{
    uint32_t at = lion_ids_find(&self->sources, id);
    if (at == LION_ID_NONE) return false;
    list->ids = self->found[at].ids;
    list->count = self->found[at].count;
    self->reused++;
    return true;
}

/* What the list holds of its own is kept from now on. */
static void remember(lion_path_list *list, lion_paths *self, int64_t id)
{
    lion_arena *arena = &self->run->arena;
    if (self->found_ids + list->count > FOUND_IDS_MAX || self->sources.count >= FOUND_IDS_MAX) return;
    if (!lion_run_has_room(self->run, list->count * sizeof(int64_t))) return;
    if (self->sources.count == self->found_room) {
        uint32_t room = self->found_room == 0 ? 16 : 2 * self->found_room;
        lion_path_found *found = lion_arena_grow(arena, self->found, sizeof(*found) * self->found_room, sizeof(*found) * room);
        if (found == NULL || arena->is_exhausted) return;
        self->found = found;
        self->found_room = room;
    }
    int64_t *ids = lion_arena_array(arena, int64_t, list->count + 1);
    if (ids == NULL || arena->is_exhausted || !lion_ids_add(&self->sources, id)) return;
    if (list->count > 0) memcpy(ids, list->own, sizeof(int64_t) * list->count);
    self->found[self->sources.count - 1] = (lion_path_found){ .ids = ids, .count = list->count };
    self->found_ids += list->count;
    list->ids = ids;
}

/* ---- asking ---- */

/* Edges times words of a set: what it takes to make all sets, in edges walked. */
static uint64_t cost_of_sets(const lion_paths *self)
{
    return lion_graph_edge_count(self->graph) * (2 + self->graph->node_count / 512);
}

static lion_status need_sets(lion_paths *self, lion_error *error)
{
    if (self->sets != NULL || self->has_no_sets) return LION_OK;
    lion_status status = lion_path_sets_new(&self->sets, self, error);
    self->has_no_sets = status == LION_ABSENT;
    return status == LION_ABSENT ? LION_OK : status;
}

/* LION_OK: that was answered in the trees. LION_ABSENT: arrays are there to answer. */
static lion_status try_trees(lion_path_list *list, lion_paths *self, const int64_t *ids, uint32_t count, lion_error *error)
{
    lion_status status = LION_ABSENT;
    if (self->searches++ == 0 && !self->graph->is_read) lion_graph_recall(self->graph);
    if (!self->has_arrays && !self->graph->is_read) status = search_trees(self, ids, count, error);
    if (status == LION_ABSENT) {
        status = need_arrays(self, error);
        if (status == LION_OK) return LION_ABSENT;
        if (status == LION_ABSENT) status = search_trees(self, ids, count, error);
    }
    return status == LION_OK ? list_trees(list, self, error) : status;
}

static lion_status search(lion_path_list *list, lion_paths *self, int64_t id, lion_error *error)
{
    uint32_t queued = 0;
    lion_status status = try_trees(list, self, &id, 1, error);
    if (status != LION_ABSENT) return status;
    list->count = 0;
    uint32_t number = lion_graph_number(self->graph, id);
    if (number == LION_ID_NONE) return LION_OK;
    if (self->walked > cost_of_sets(self) && need_sets(self, error) != LION_OK) return LION_FAILED;
    if (self->sets != NULL) return list_set(list, self, number, error);
    status = search_arrays(self, enqueue(self, &id, 1), &queued, error);
    return status == LION_OK ? list_arrays(list, self, queued, error) : status;
}

lion_status lion_paths_from(lion_path_list *list, lion_paths *self, int64_t id, lion_error *error)
{
    if (recall(list, self, id)) return LION_OK;
    lion_status status = search(list, self, id, error);
    if (status == LION_OK && self->sets == NULL) remember(list, self, id);
    return status;
}

lion_status lion_paths_from_once(lion_path_list *list, lion_paths *self, int64_t id, lion_error *error)
{
    return self->sources.count > 0 && recall(list, self, id) ? LION_OK : search(list, self, id, error);
}

lion_status lion_paths_from_any(lion_path_list *list, lion_paths *self, const int64_t *ids, uint32_t count, lion_error *error)
{
    uint32_t queued = 0;
    lion_status status = try_trees(list, self, ids, count, error);
    if (status != LION_ABSENT) return status;
    status = search_arrays(self, enqueue(self, ids, count), &queued, error);
    return status == LION_OK ? list_arrays(list, self, queued, error) : status;
}

/* What leads out of where a search starts: the entities of the attribute, or its values. */
static lion_status add_sources(lion_paths *self, const lion_path_step *step, lion_error *error)
{
    lion_key key = { .datom = { .a = step->attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = step->is_backward ? LION_COLUMN_V : LION_COLUMN_E };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_index index = step->is_backward ? LION_AVET : LION_AEVT;
    lion_status status = lion_cursor_open(&cursor, &self->graph->db->view, index, &key, &options, &self->run->arena, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, error)) == LION_OK) {
        for (uint32_t i = 0; i < batch.count; i++)
            lion_ids_add(&self->everyone, step->is_backward ? lion_vector_get(&batch.v, i).bits : batch.e[i]);
        status = lion_run_check(self->run, error);
    }
    return status == LION_END ? LION_OK : status;
}

/* Every entity that something may be reached from, where there are no arrays. */
static lion_status find_everyone(lion_paths *self, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->has_everyone) return LION_OK;
    lion_ids_init(&self->everyone, &self->run->arena);
    for (uint32_t i = self->steps_of[self->start]; status == LION_OK && i < self->steps_of[self->start + 1]; i++)
        status = add_sources(self, &self->steps[i], error);
    self->has_everyone = status == LION_OK;
    return status;
}

lion_status lion_paths_from_everywhere(lion_path_list *list_out, lion_paths *self, lion_error *error)
{
    uint32_t queued = 0;
    lion_path_list *everywhere = &self->everywhere;
    lion_status status = self->has_everywhere ? LION_OK : need_arrays(self, error);
    self->reused += self->has_everywhere;
    if (status == LION_ABSENT) {
        status = find_everyone(self, error);
        if (status == LION_OK) status = lion_paths_from_any(everywhere, self, self->everyone.items, self->everyone.count, error);
    } else if (status == LION_OK && !self->has_everywhere) {
        self->searches++;
        status = search_arrays(self, enqueue_all(self), &queued, error);
        if (status == LION_OK) status = list_arrays(everywhere, self, queued, error);
    }
    self->has_everywhere = status == LION_OK;
    if (status == LION_OK) *list_out = (lion_path_list){ .ids = everywhere->ids, .count = everywhere->count };
    return status;
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lion_status lion_paths_lead(lion_paths *self, lion_path_list *list, int64_t id, int64_t target, lion_error *error)
{
    if (self->sets != NULL) {
        uint32_t from = lion_graph_number(self->graph, id), to = lion_graph_number(self->graph, target);
        if (from == LION_ID_NONE || to == LION_ID_NONE) return LION_ABSENT;
        return (lion_path_sets_of(self->sets, from)[to / 64] >> (to & 63) & 1) != 0 ? LION_OK : LION_ABSENT;
    }
    lion_status status = lion_paths_from(list, self, id, error);
    if (status != LION_OK) return status;
    uint32_t at = lion_ids_find(&self->sources, id);
    if (at == LION_ID_NONE) {
        for (uint32_t i = 0; i < list->count; i++)
            if (list->ids[i] == target) return LION_OK;
        return LION_ABSENT;
    }
    lion_path_found *found = &self->found[at];
    if (!found->is_sorted && found->count > 1) qsort(found->ids, found->count, sizeof(int64_t), ascending);
    found->is_sorted = true;
    bool is_found = found->count > 0 && bsearch(&target, found->ids, found->count, sizeof(int64_t), ascending) != NULL;
    return is_found ? LION_OK : LION_ABSENT;
}

lion_status lion_paths_all(uint32_t *count_out, lion_paths *self, lion_error *error)
{
    lion_status status = need_arrays(self, error);
    if (status == LION_ABSENT) status = find_everyone(self, error);
    *count_out = self->has_arrays ? self->graph->node_count : self->everyone.count;
    return status;
}

int64_t lion_paths_source(const lion_paths *self, uint32_t number)
{
    return self->has_arrays ? lion_graph_id(self->graph, number) : self->everyone.items[number];
}
