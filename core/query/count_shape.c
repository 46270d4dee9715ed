/* count_shape.c - from edges between variables to folds, a prefix and trees. */
#include "query/count.h"

typedef struct shaping {
    const lion_count *spec;
    lion_count_shape *shape;
    bool is_there[LION_COUNT_VARS_MAX]; /* not folded, and not in the prefix */
    bool is_prefix[LION_COUNT_VARS_MAX];
} shaping;

/* ---- edges ---- */

static void add_edge(lion_count_shape *shape, lion_count_edge edge)
{
    edge.e = shape->stands_for[edge.e];
    edge.v = shape->stands_for[edge.v];
    for (uint32_t i = 0; i < shape->edge_count; i++) {
        const lion_count_edge *old = &shape->edges[i];
        if (old->via == edge.via && old->e == edge.e && old->v == edge.v) return;
    }
    shape->edges[shape->edge_count++] = edge;
}

static void read_edges(lion_count_shape *shape, const lion_count *spec, uint32_t with)
{
    for (uint8_t i = 0; i < spec->var_count; i++) shape->stands_for[i] = spec->same_as[i];
    for (uint32_t i = 0; i < spec->unlike_count; i++) {
        if ((with >> i & 1) == 0 || spec->unlike[i].via != LION_COUNT_NONE) continue;
        uint8_t from = shape->stands_for[spec->unlike[i].v],
                to = shape->stands_for[spec->unlike[i].e];
        if (from == spec->wanted) { /* that one stays */
            from = to;
            to = spec->wanted;
        }
        for (uint32_t k = 0; k < spec->var_count; k++)
            if (shape->stands_for[k] == from) shape->stands_for[k] = to;
    }
    for (uint32_t i = 0; i < spec->edge_count; i++) add_edge(shape, spec->edges[i]);
    for (uint32_t i = 0; i < spec->unlike_count; i++)
        if ((with >> i & 1) != 0 && spec->unlike[i].via != LION_COUNT_NONE)
            add_edge(shape, spec->unlike[i]);
}

static bool is_loop(const lion_count_edge *edge)
{
    return edge->e == edge->v;
}

static uint8_t other_end(const lion_count_edge *edge, uint8_t var)
{
    return edge->e == var ? edge->v : edge->e;
}

/* The variable's edges to variables that are there; the last of them. */
static uint32_t degree(const shaping *self, uint8_t var, uint8_t *edge_out)
{
    uint32_t count = 0;
    for (uint8_t i = 0; i < self->shape->edge_count; i++) {
        const lion_count_edge *edge = &self->shape->edges[i];
        if (is_loop(edge) || (edge->e != var && edge->v != var) ||
            !self->is_there[other_end(edge, var)])
            continue;
        *edge_out = i;
        count++;
    }
    return count;
}

/* ---- folding ---- */

/* What hangs on by one end: first of those of which all that matters is whether there is one. NONE:
 * there is none. */
static uint8_t find_leaf(const shaping *self, uint8_t *edge_out)
{
    for (int told = 0; told < 2; told++)
        for (uint8_t var = 0; var < self->spec->var_count; var++)
            if (self->is_there[var] && var != self->spec->wanted &&
                self->spec->is_told[var] == (told == 1) && degree(self, var, edge_out) == 1)
                return var;
    return LION_COUNT_NONE;
}

/* false: a variable whose values are no rows of their own stands between what is counted. */
static bool fold_all(shaping *self)
{
    uint8_t edge = 0, leaf;
    while ((leaf = find_leaf(self, &edge)) != LION_COUNT_NONE) {
        uint8_t into = other_end(&self->shape->edges[edge], leaf);
        if (self->spec->is_told[leaf] && !self->spec->is_told[into]) return false;
        self->shape->folds[self->shape->fold_count++] =
            (lion_count_fold){ .leaf = leaf, .into = into, .edge = edge };
        self->is_there[leaf] = false;
    }
    for (uint32_t i = 0; i < self->spec->var_count; i++)
        if (self->is_there[i] && !self->spec->is_told[i]) return false;
    return true;
}

/* ---- the prefix ---- */

static bool is_linked(const shaping *self, uint8_t var)
{
    for (uint32_t i = 0; i < self->shape->edge_count; i++) {
        const lion_count_edge *edge = &self->shape->edges[i];
        if ((edge->e == var || edge->v == var) && self->is_prefix[other_end(edge, var)])
            return true;
    }
    return false;
}

/* Is there a cycle among those that are there? Ends are taken off a copy until none is left. */
static bool has_cycle(const shaping *self)
{
    shaping copy = *self;
    uint8_t edge = 0;
    bool is_any = false;
    for (bool moves = true; moves;) {
        moves = is_any = false;
        for (uint8_t var = 0; var < self->spec->var_count; var++) {
            if (!copy.is_there[var]) continue;
            is_any = true;
            if (degree(&copy, var, &edge) > 1) continue;
            copy.is_there[var] = false;
            moves = true;
        }
    }
    return is_any;
}

static void add_prefix(shaping *self, uint8_t var)
{
    self->shape->prefix[self->shape->prefix_count++] = var;
    self->is_prefix[var] = true;
    self->is_there[var] = false;
}

/* Each is linked to one before it, so its values are always a list, or several that are to meet. */
static void find_prefix(shaping *self, uint8_t first)
{
    uint8_t begin = self->spec->wanted != LION_COUNT_NONE ? self->spec->wanted : first;
    if (begin != LION_COUNT_NONE && self->is_there[begin]) add_prefix(self, begin);
    while (self->shape->prefix_count == 0 || has_cycle(self)) {
        uint8_t best = LION_COUNT_NONE, edge = 0;
        uint32_t best_degree = 0;
        for (uint8_t var = 0; var < self->spec->var_count; var++) {
            if (!self->is_there[var] || (self->shape->prefix_count > 0 && !is_linked(self, var)))
                continue;
            uint32_t found = 1 + degree(self, var, &edge);
            if (found <= best_degree) continue;
            best = var;
            best_degree = found;
        }
        if (best == LION_COUNT_NONE) return;
        add_prefix(self, best);
    }
}

/* ---- trees ---- */

static void add_tree(shaping *self, uint8_t root)
{
    lion_count_shape *shape = self->shape;
    uint32_t at = shape->tree_count;
    shape->parent[at] = LION_COUNT_NONE;
    shape->tree[shape->tree_count++] = root;
    self->is_there[root] = false;
    for (; at < shape->tree_count; at++) {
        for (uint8_t i = 0; i < shape->edge_count; i++) {
            const lion_count_edge *edge = &shape->edges[i];
            uint8_t var = shape->tree[at], other = other_end(edge, var);
            if ((edge->e != var && edge->v != var) || !self->is_there[other]) continue;
            shape->parent[shape->tree_count] = (uint8_t)at;
            shape->parent_edge[shape->tree_count] = i;
            shape->tree[shape->tree_count++] = other;
            self->is_there[other] = false;
        }
    }
}

/* Every tree is linked to the prefix, as all hangs together, and begins there. */
static void find_trees(shaping *self, uint8_t root)
{
    if (root != LION_COUNT_NONE && self->is_there[root] && is_linked(self, root))
        add_tree(self, root);
    for (uint8_t var = 0; var < self->spec->var_count; var++)
        if (self->is_there[var] && is_linked(self, var)) add_tree(self, var);
}

static bool is_connected(const lion_count_shape *shape, uint32_t var_count)
{
    uint32_t near = 1u << shape->stands_for[0], all = 0;
    for (uint32_t i = 0; i < var_count; i++) all |= 1u << shape->stands_for[i];
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t i = 0; i < shape->edge_count; i++) {
            uint32_t ends = 1u << shape->edges[i].e | 1u << shape->edges[i].v;
            if ((near & ends) == 0 || (near & ends) == ends) continue;
            near |= ends;
            grows = true;
        }
    }
    return near == all;
}

bool lion_count_shape_of(lion_count_shape *shape, const lion_count *spec, uint32_t with,
                         uint8_t first, uint8_t root)
{
    shaping self = { .spec = spec, .shape = shape };
    *shape = (lion_count_shape){ 0 };
    read_edges(shape, spec, with);
    if (!is_connected(shape, spec->var_count)) return false;
    for (uint32_t i = 0; i < spec->var_count; i++) self.is_there[i] = shape->stands_for[i] == i;
    if (!fold_all(&self)) return false;
    find_prefix(&self, first);
    find_trees(&self, root);
    return true;
}
