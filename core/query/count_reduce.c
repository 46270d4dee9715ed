/* count_reduce.c - fewer edges with the same rows, before they are counted.
 *
 * Where a value of one variable has but one of another (an attribute of cardinality one), a chain
 * of two such edges is one edge. Where several variables have the same value in that way (persons
 * of one country), and edges between them, those edges lose what leads from one value to another;
 * one of these variables has the value then for all that they connect. So what was a cycle through
 * the value is an end that hangs on, and the lists that meet are as short as they can be. */
#include "index/view_parts.h"
#include "query/count.h"

#define CHECK_EVERY (1 << 15)

/* A derived edge: of which two others (and which it filters), so that it is made once. */
typedef struct derived {
    uint8_t of, first, second; /* of: NONE: first, then second; else the edges of it whose ends
                                  first and second say are alike */
    uint8_t via;
} derived;

typedef struct reducing {
    lion_count *spec;
    lion_graph *graph;
    uint64_t *const *weights;
    bool is_single[UINT8_MAX]; /* per edges of the graph: one value at most */
    derived made[LION_COUNT_EDGES_MAX];
    uint32_t made_count;
} reducing;

static uint32_t value_of(const lion_adjacency *lists, uint32_t number)
{
    return lists->start[number] < lists->start[number + 1] ? lists->to[lists->start[number]]
                                                           : LION_ID_NONE;
}

static void drop_edge(lion_count *spec, uint32_t at)
{
    memmove(&spec->edges[at], &spec->edges[at + 1],
            sizeof(spec->edges[0]) * (--spec->edge_count - at));
}

/* ---- edges made of others ---- */

static lion_status compose(lion_adjacency *out, reducing *self, uint8_t first, uint8_t second,
                           lion_error *error)
{
    lion_adjacency one, other;
    uint32_t nodes = self->graph->node_count, count = 0;
    lion_arena *arena = &self->graph->run->arena;
    if (lion_graph_adjacency(&one, self->graph, first, false, error) != LION_OK ||
        lion_graph_adjacency(&other, self->graph, second, false, error) != LION_OK)
        return LION_FAILED;
    out->start = lion_arena_array(arena, uint32_t, (size_t)nodes + 2);
    out->to = lion_arena_array(arena, uint32_t, (size_t)one.start[nodes] + 1);
    if (out->start == NULL || out->to == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t middle = value_of(&one, i);
        out->start[i] = count;
        if (middle != LION_ID_NONE) out->to[count] = value_of(&other, middle);
        count += middle != LION_ID_NONE && value_of(&other, middle) != LION_ID_NONE;
        if (i % CHECK_EVERY == 0 && lion_run_check(self->graph->run, error) != LION_OK)
            return LION_FAILED;
    }
    out->start[nodes] = count;
    return LION_OK;
}

static lion_status keep_alike(lion_adjacency *out, reducing *self, const derived *what,
                              lion_error *error)
{
    lion_adjacency lists, one, other;
    uint32_t nodes = self->graph->node_count, count = 0;
    lion_arena *arena = &self->graph->run->arena;
    if (lion_graph_adjacency(&lists, self->graph, what->of, false, error) != LION_OK ||
        lion_graph_adjacency(&one, self->graph, what->first, false, error) != LION_OK ||
        lion_graph_adjacency(&other, self->graph, what->second, false, error) != LION_OK)
        return LION_FAILED;
    out->start = lion_arena_array(arena, uint32_t, (size_t)nodes + 2);
    out->to = lion_arena_array(arena, uint32_t, (size_t)lists.start[nodes] + 1);
    if (out->start == NULL || out->to == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < nodes; i++) {
        uint32_t value = value_of(&one, i);
        out->start[i] = count;
        for (uint32_t k = lists.start[i]; k < lists.start[i + 1] && value != LION_ID_NONE; k++) {
            out->to[count] = lists.to[k];
            count += value_of(&other, lists.to[k]) == value;
            if (k % CHECK_EVERY == 0 && lion_run_check(self->graph->run, error) != LION_OK)
                return LION_FAILED;
        }
    }
    out->start[nodes] = count;
    return LION_OK;
}

static lion_status derive(uint8_t *via_out, reducing *self, derived what, lion_error *error)
{
    lion_adjacency forward;
    for (uint32_t i = 0; i < self->made_count; i++) {
        const derived *old = &self->made[i];
        if (old->of != what.of || old->first != what.first || old->second != what.second) continue;
        *via_out = old->via;
        return LION_OK;
    }
    lion_status status = what.of == LION_COUNT_NONE
                             ? compose(&forward, self, what.first, what.second, error)
                             : keep_alike(&forward, self, &what, error);
    if (status != LION_OK) return status;
    what.via = (uint8_t)lion_graph_add_derived(self->graph, &forward);
    self->is_single[what.via] = what.of == LION_COUNT_NONE || self->is_single[what.of];
    self->made[self->made_count++] = what;
    *via_out = what.via;
    return LION_OK;
}

/* ---- chains ---- */

/* Nothing but edges says something of the variable. */
static bool is_between(const reducing *self, uint8_t var)
{
    const lion_count *spec = self->spec;
    if (spec->same_as[var] != var || spec->wanted == var || self->weights[var] != NULL)
        return false;
    for (uint32_t i = 0; i < spec->unlike_count; i++)
        if (spec->unlike[i].e == var || spec->unlike[i].v == var) return false;
    return true;
}

/* Its only edges: one value leads to it, and it to one value. Where its own values are rows, what leads to it must tell them. */
static bool has_two(const reducing *self, uint8_t var, uint32_t *in_out, uint32_t *out_out)
{
    const lion_count *spec = self->spec;
    uint32_t in = 0, out = 0;
    for (uint32_t i = 0; i < spec->edge_count; i++) {
        const lion_count_edge *edge = &spec->edges[i];
        if (edge->e != var && edge->v != var) continue;
        if (!self->is_single[edge->via]) return false;
        if (edge->v == var) in++, *in_out = i;
        if (edge->e == var) out++, *out_out = i;
    }
    if (in != 1 || out != 1 || spec->edges[*in_out].e == spec->edges[*out_out].v) return false;
    return !spec->is_told[var] || spec->is_told[spec->edges[*in_out].e];
}

static bool has_room(const reducing *self)
{
    return self->made_count < LION_COUNT_EDGES_MAX;
}

static lion_status join_chains(reducing *self, lion_error *error)
{
    lion_count *spec = self->spec;
    for (uint8_t var = 0; var < spec->var_count;) {
        uint32_t in = 0, out = 0;
        if (!has_room(self) || !is_between(self, var) || !has_two(self, var, &in, &out)) {
            var++;
            continue;
        }
        derived what = { .of = LION_COUNT_NONE,
                         .first = spec->edges[in].via,
                         .second = spec->edges[out].via };
        lion_status status = derive(&spec->edges[in].via, self, what, error);
        if (status != LION_OK) return status;
        spec->edges[in].v = spec->edges[out].v;
        spec->same_as[var] = spec->edges[in].e;
        for (uint32_t i = 0; i < spec->var_count; i++)
            if (spec->same_as[i] == var) spec->same_as[i] = spec->edges[in].e;
        drop_edge(spec, out);
        var = 0;
    }
    return LION_OK;
}

/* ---- what is alike ---- */

/* Per variable the edge that leads to its one value of `value`, or NONE; how many have one. */
static uint32_t find_labels(const reducing *self, uint8_t value,
                            uint8_t labels[LION_COUNT_VARS_MAX])
{
    uint32_t count = 0;
    memset(labels, LION_COUNT_NONE, LION_COUNT_VARS_MAX);
    for (uint32_t i = 0; i < self->spec->edge_count; i++) {
        const lion_count_edge *edge = &self->spec->edges[i];
        if (edge->v != value || edge->e == value || !self->is_single[edge->via] ||
            labels[edge->e] != LION_COUNT_NONE)
            continue;
        labels[edge->e] = edge->via;
        count++;
    }
    return count;
}

static uint8_t root_of(const uint8_t *roots, uint8_t var)
{
    while (roots[var] != var) var = roots[var];
    return var;
}

/* Of those that are connected, one keeps its value. */
static void drop_labels(lion_count *spec, uint8_t value, const uint8_t *labels,
                        const uint8_t *roots)
{
    bool is_kept[LION_COUNT_VARS_MAX] = { false };
    for (uint32_t i = 0; i < spec->edge_count;) {
        const lion_count_edge *edge = &spec->edges[i];
        bool is_label = edge->v == value && edge->e != value && labels[edge->e] == edge->via;
        uint8_t root = is_label ? root_of(roots, edge->e) : 0;
        if (is_label && is_kept[root]) {
            drop_edge(spec, i);
            continue;
        }
        if (is_label) is_kept[root] = true;
        i++;
    }
}

static lion_status meet_in(reducing *self, uint8_t value, lion_error *error)
{
    lion_count *spec = self->spec;
    uint8_t labels[LION_COUNT_VARS_MAX], roots[LION_COUNT_VARS_MAX];
    if (find_labels(self, value, labels) < 2) return LION_OK;
    for (uint8_t i = 0; i < LION_COUNT_VARS_MAX; i++) roots[i] = i;
    for (uint32_t i = 0; i < spec->edge_count && has_room(self); i++) {
        lion_count_edge *edge = &spec->edges[i];
        if (edge->e == edge->v || labels[edge->e] == LION_COUNT_NONE ||
            labels[edge->v] == LION_COUNT_NONE)
            continue;
        derived what = { .of = edge->via, .first = labels[edge->e], .second = labels[edge->v] };
        lion_status status = derive(&edge->via, self, what, error);
        if (status != LION_OK) return status;
        roots[root_of(roots, edge->e)] = root_of(roots, edge->v);
    }
    drop_labels(spec, value, labels, roots);
    return LION_OK;
}

lion_status lion_count_reduce(lion_count *spec, lion_graph *graph, uint64_t *const *weights,
                              lion_error *error)
{
    reducing self = { .spec = spec, .graph = graph, .weights = weights };
    bool is_plain = lion_view_is_plain(&graph->db->view); /* promises one value */
    for (uint32_t i = 0; i < graph->edges_count; i++)
        self.is_single[i] = is_plain && !graph->edges[i].attribute->is_many;
    lion_status status = join_chains(&self, error);
    for (uint8_t value = 0; status == LION_OK && value < spec->var_count; value++)
        status = meet_in(&self, value, error);
    return status;
}
