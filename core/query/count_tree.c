/* count_tree.c - the prefix is gone through value by value. Given its values, each variable of a
 * tree has a vector: a number for each of its values, of how many rows there are in the tree behind
 * it. Children come before parents; what a child has for a value of its parent is the sum over the
 * list between the two. The root's numbers add up to the tree's rows.
 *
 * A variable that is linked to the prefix has the values that those lists have in common. Where
 * each counts once, the vector is a bitmap. One that is not linked (the middle of a square) gets
 * its values from its first child. */
#include "query/count.h"
#include "query/lists.h"

#define CHECK_WORK (1 << 16)
/* Walking a list against a bitmap, against looking for the few in it. */
#define SEEK_FACTOR 8

/* The variable's values are neighbours of the value at `level` of the prefix. */
typedef struct link {
    uint32_t level;
    lion_adjacency lists;
} link;

typedef struct place {
    link *links;
    uint32_t link_count;
    const uint64_t *weights;
    const uint32_t *values; /* now */
    uint32_t count;
    uint32_t *own; /* room for values that are no list */
    /* of the prefix */
    uint32_t value;
    /* of a tree */
    uint32_t parent; /* NONE: a root */
    uint32_t children[LION_COUNT_VARS_MAX];
    uint32_t child_count;
    lion_adjacency down, up; /* from a value of the parent to values of this one, and back */
    uint64_t *bits;          /* the vector where each counts once, or NULL … */
    uint64_t *sums;          /* … and else */
} place;

struct lion_counter {
    lion_run *run;
    lion_arena *arena; /* while it is made */
    const lion_graph *graph;
    place prefix[LION_COUNT_VARS_MAX], tree[LION_COUNT_VARS_MAX];
    uint32_t prefix_count, tree_count;
    uint64_t work, checked;
    uint64_t total; /* of the value of the first of the prefix */
    bool is_over;
    lion_status status; /* of the last check … */
    lion_error *error;  /* … and why */
};

/* Whether to go on. */
static inline bool goes_on(lion_counter *self)
{
    if (++self->work - self->checked >= CHECK_WORK && self->status == LION_OK) {
        self->checked = self->work;
        self->status = lion_run_check(self->run, self->error);
    }
    return self->status == LION_OK;
}

static inline uint64_t plus(lion_counter *self, uint64_t a, uint64_t b)
{
    uint64_t sum;
    self->is_over |= __builtin_add_overflow(a, b, &sum);
    return sum;
}

static inline uint64_t times(lion_counter *self, uint64_t a, uint64_t b)
{
    uint64_t product;
    self->is_over |= __builtin_mul_overflow(a, b, &product);
    return product;
}

static inline const uint32_t *list_at(const lion_adjacency *lists, uint32_t number,
                                      uint32_t *count_out)
{
    *count_out = lists->start[number + 1] - lists->start[number];
    return lists->to + lists->start[number];
}

/* ---- values ---- */

static void find_values(lion_counter *self, place *at)
{
    at->values = list_at(&at->links[0].lists, self->prefix[at->links[0].level].value, &at->count);
    for (uint32_t i = 1; i < at->link_count && at->count > 0; i++) {
        uint32_t count = 0;
        const uint32_t *list =
            list_at(&at->links[i].lists, self->prefix[at->links[i].level].value, &count);
        bool is_more = count > at->count;
        self->work += is_more ? at->count : count;
        at->count = is_more ? lion_list_meet(at->own, at->values, at->count, list, count)
                            : lion_list_meet(at->own, list, count, at->values, at->count);
        at->values = at->own;
    }
}

/* ---- vectors ---- */

static uint64_t seek_all(lion_counter *self, const place *child, const uint32_t *list,
                         uint32_t count)
{
    uint64_t sum = 0;
    uint32_t at = 0;
    self->work += child->count;
    for (uint32_t i = 0; i < child->count && at < count; i++) {
        at = lion_list_seek(list, count, at, child->values[i]);
        if (at < count && list[at] == child->values[i])
            sum = plus(self, sum, child->bits != NULL ? 1 : child->sums[child->values[i]]);
    }
    return sum;
}

/* What the child has for a value of its parent. */
static uint64_t gather(lion_counter *self, const place *child, uint32_t value)
{
    uint32_t count = 0;
    const uint32_t *list = list_at(&child->down, value, &count);
    uint64_t sum = 0;
    if (child->link_count > 0 && count / SEEK_FACTOR > child->count)
        return seek_all(self, child, list, count);
    self->work += count;
    if (child->bits != NULL) {
        for (uint32_t i = 0; i < count; i++) sum += child->bits[list[i] / 64] >> (list[i] & 63) & 1;
        return sum;
    }
    bool is_over = false;
    for (uint32_t i = 0; i < count; i++)
        is_over |= __builtin_add_overflow(sum, child->sums[list[i]], &sum);
    self->is_over |= is_over;
    return sum;
}

/* The rows behind a value of the place, less those of the children before `from`. */
static uint64_t behind(lion_counter *self, const place *at, uint32_t value, uint32_t from)
{
    uint64_t rows = at->weights == NULL ? 1 : at->weights[value];
    for (uint32_t i = from; i < at->child_count && rows > 0; i++)
        rows = times(self, rows, gather(self, &self->tree[at->children[i]], value));
    return rows;
}

static void make_linked(lion_counter *self, place *at)
{
    self->work += at->count;
    for (uint32_t i = 0; i < at->count && goes_on(self); i++) {
        uint32_t value = at->values[i];
        if (at->bits != NULL)
            at->bits[value / 64] |= UINT64_C(1) << (value & 63);
        else
            at->sums[value] = behind(self, at, value, 0);
    }
}

static void make_from_child(lion_counter *self, place *at)
{
    const place *child = &self->tree[at->children[0]];
    uint64_t *sums = at->sums;
    uint32_t count = 0;
    bool is_over = false;
    for (uint32_t i = 0; i < child->count && goes_on(self); i++) {
        uint64_t rows = child->bits != NULL ? 1 : child->sums[child->values[i]];
        uint32_t length = 0;
        const uint32_t *list = list_at(&child->up, child->values[i], &length);
        if (rows == 0) continue;
        self->work += length;
        for (uint32_t k = 0; k < length; k++) {
            at->own[count] = list[k];
            count += sums[list[k]] == 0;
            is_over |= __builtin_add_overflow(sums[list[k]], rows, &sums[list[k]]);
        }
    }
    self->is_over |= is_over;
    at->values = at->own;
    at->count = count;
    if (at->child_count == 1 && at->weights == NULL) return;
    for (uint32_t i = 0; i < count && goes_on(self); i++)
        sums[at->own[i]] = times(self, sums[at->own[i]], behind(self, at, at->own[i], 1));
}

static void wipe(place *at)
{
    for (uint32_t i = 0; i < at->count; i++) {
        if (at->bits != NULL)
            at->bits[at->values[i] / 64] = 0;
        else
            at->sums[at->values[i]] = 0;
    }
}

/* ---- all ---- */

/* The rows of all trees, given the prefix. */
static uint64_t count_trees(lion_counter *self)
{
    uint64_t product = 1;
    for (uint32_t i = 0; i < self->tree_count && product > 0; i++) {
        place *at = &self->tree[i];
        if (at->link_count > 0) find_values(self, at);
        if (at->link_count > 0 && at->count == 0) product = 0; /* a value of each is in every row */
    }
    if (product == 0) return 0;
    for (uint32_t i = self->tree_count; i-- > 0;) {
        place *at = &self->tree[i];
        if (at->parent == LION_COUNT_NONE) {
            uint64_t sum = 0;
            for (uint32_t k = 0; k < at->count && product > 0 && goes_on(self); k++)
                sum = plus(self, sum, behind(self, at, at->values[k], 0));
            product = times(self, product, sum);
        } else if (at->link_count > 0) {
            make_linked(self, at);
        } else {
            make_from_child(self, at);
        }
    }
    for (uint32_t i = 0; i < self->tree_count; i++)
        if (self->tree[i].parent != LION_COUNT_NONE) wipe(&self->tree[i]);
    return product;
}

/* With values for the levels before. */
static void run_level(lion_counter *self, uint32_t level, uint64_t rows)
{
    if (!goes_on(self)) return;
    if (level == self->prefix_count) {
        self->total = plus(self, self->total, times(self, rows, count_trees(self)));
        return;
    }
    place *at = &self->prefix[level];
    find_values(self, at);
    for (uint32_t i = 0; i < at->count && self->status == LION_OK; i++) {
        uint64_t weight = at->weights == NULL ? 1 : at->weights[at->values[i]];
        at->value = at->values[i];
        if (weight > 0) run_level(self, level + 1, times(self, rows, weight));
    }
}

lion_status lion_counter_run(lion_counter *self, uint32_t from, uint32_t to, uint32_t step,
                             uint64_t *totals, uint64_t *total, lion_error *error)
{
    place *first = &self->prefix[0];
    self->error = error;
    for (uint32_t number = from; number < to; number += step) {
        uint64_t weight = first->weights == NULL ? 1 : first->weights[number];
        if (!goes_on(self)) return self->status;
        if (weight == 0) continue;
        first->value = number;
        self->total = 0;
        run_level(self, 1, weight);
        if (self->status != LION_OK) return self->status;
        uint64_t *sum = totals != NULL ? &totals[number] : total;
        *sum = plus(self, *sum, self->total);
        if (to - number <= step) break; /* no number wraps round */
    }
    if (self->is_over)
        return lion_fail(error, LION_INCORRECT, "lion/overflow",
                         "the count does not fit into 64 bits");
    return LION_OK;
}

uint64_t lion_counter_work(const lion_counter *self)
{
    return self->work;
}

/* ---- making ---- */

/* The lists of the edge's other end for a value of `from`. */
static lion_status lists_from(lion_adjacency *lists_out, lion_graph *graph,
                              const lion_count_edge *edge, uint8_t from, lion_error *error)
{
    return lion_graph_adjacency(lists_out, graph, edge->via, edge->v == from, error);
}

/* The variable's edges to the first `levels` of the prefix. */
static lion_status add_links(lion_counter *self, place *at, const lion_count_shape *shape,
                             uint8_t var, uint32_t levels, lion_graph *graph, lion_error *error)
{
    lion_arena *arena = self->arena;
    at->links = lion_arena_zalloc(arena, sizeof(link) * (shape->edge_count + 1));
    if (at->links == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < shape->edge_count; i++) {
        const lion_count_edge *edge = &shape->edges[i];
        for (uint32_t level = 0; level < levels; level++) {
            uint8_t from = shape->prefix[level];
            bool is_between =
                (edge->e == var && edge->v == from) || (edge->v == var && edge->e == from);
            if (!is_between) continue;
            link *added = &at->links[at->link_count++];
            added->level = level;
            if (lists_from(&added->lists, graph, edge, from, error) != LION_OK) return LION_FAILED;
        }
    }
    bool needs_own = at->link_count != 1;
    if (needs_own) at->own = lion_arena_array(arena, uint32_t, (size_t)graph->node_count + 1);
    return needs_own && at->own == NULL ? lion_fail_memory(error) : LION_OK;
}

static lion_status add_branch(lion_counter *self, uint32_t at, const lion_count_shape *shape,
                              lion_graph *graph, lion_error *error)
{
    place *child = &self->tree[at], *parent = &self->tree[shape->parent[at]];
    const lion_count_edge *edge = &shape->edges[shape->parent_edge[at]];
    uint8_t var = shape->tree[at], parent_var = shape->tree[shape->parent[at]];
    parent->children[parent->child_count++] = at;
    lion_status status = lists_from(&child->down, graph, edge, parent_var, error);
    bool is_source = status == LION_OK && parent->link_count == 0 && parent->child_count == 1;
    if (is_source) status = lists_from(&child->up, graph, edge, var, error);
    return status;
}

static lion_status make_vector(lion_counter *self, place *at, lion_error *error)
{
    lion_arena *arena = self->arena;
    bool is_set = at->link_count > 0 && at->child_count == 0 && at->weights == NULL;
    if (is_set)
        at->bits = lion_arena_zalloc(arena, sizeof(uint64_t) * (self->graph->node_count / 64 + 1));
    else
        at->sums =
            lion_arena_zalloc(arena, sizeof(uint64_t) * ((size_t)self->graph->node_count + 1));
    return at->bits == NULL && at->sums == NULL ? lion_fail_memory(error) : LION_OK;
}

lion_status lion_counter_new(lion_counter **counter_out, const lion_count_shape *shape,
                             lion_graph *graph, uint64_t *const *weights, lion_arena *arena,
                             lion_error *error)
{
    lion_counter *self = lion_arena_zalloc(arena, sizeof(*self));
    lion_status status = LION_OK;
    if (self == NULL) return lion_fail_memory(error);
    self->run = graph->run;
    self->arena = arena;
    self->graph = graph;
    self->prefix_count = shape->prefix_count;
    self->tree_count = shape->tree_count;
    for (uint32_t i = 0; status == LION_OK && i < shape->prefix_count; i++) {
        self->prefix[i].weights = weights[shape->prefix[i]];
        status = add_links(self, &self->prefix[i], shape, shape->prefix[i], i, graph, error);
    }
    for (uint32_t i = 0; status == LION_OK && i < shape->tree_count; i++) {
        place *at = &self->tree[i];
        at->weights = weights[shape->tree[i]];
        at->parent = shape->parent[i];
        status = add_links(self, at, shape, shape->tree[i], shape->prefix_count, graph, error);
        if (status == LION_OK && at->parent != LION_COUNT_NONE)
            status = add_branch(self, i, shape, graph, error);
    }
    for (uint32_t i = 0; status == LION_OK && i < shape->tree_count; i++)
        if (self->tree[i].parent != LION_COUNT_NONE)
            status = make_vector(self, &self->tree[i], error);
    if (status == LION_OK) status = lion_run_check_with(self->run, arena, error);
    if (status == LION_OK) *counter_out = self;
    return status;
}
