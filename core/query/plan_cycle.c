/* plan_cycle.c - which patterns go round in cycles. A forest of them reaches every variable; each
 * pattern that is not in it closes a cycle with some that are. Cycles that have a pattern in common
 * are one (the blocks of the graph that has the variables as nodes, the patterns as edges); a
 * pattern that no cycle goes through is in none. */
#include "query/cycle.h"

#include <math.h>

#include "query/graph_cache.h"

/* What is read and kept serves other queries, too. */
#define KEPT_PART 0.5

bool lion_cycle_edge_of(lion_cycle_edge *edge_out, const lion_scope *scope,
                        const lion_clause *clause, uint32_t source)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->source != source || clause->term_count != 3)
        return false;
    const lion_term *e = &clause->terms[0], *v = &clause->terms[2];
    if (e->kind != LION_TERM_VAR || v->kind != LION_TERM_VAR || e->index == v->index) return false;
    const lion_attribute *attribute =
        lion_clause_attribute(scope->run->sources[source].db->schema, clause);
    if (attribute == NULL || attribute->type != LION_TYPE_REF) return false;
    *edge_out =
        (lion_cycle_edge){ .clause = clause, .attribute = attribute, .e = e->index, .v = v->index };
    return true;
}

/* ---- the patterns of one database ---- */

static bool read_edges(lion_cycle *all, const lion_scope *scope, const lion_todo *todo,
                       uint32_t source)
{
    *all = (lion_cycle){ .db = scope->run->sources[source].db };
    if (all->db == NULL || all->db->view.filter_count > 0) return false;
    for (uint32_t i = 0; i < todo->count && all->edge_count < LION_CYCLE_EDGES_MAX; i++) {
        lion_cycle_edge *edge = &all->edges[all->edge_count];
        if (todo->is_done[i] || !lion_cycle_edge_of(edge, scope, todo->items[i], source)) continue;
        edge->at = i;
        all->edge_count++;
    }
    return all->edge_count > 1;
}

/* ---- cycles ---- */

typedef struct blocks {
    const lion_cycle *all;
    bool is_tree[LION_CYCLE_EDGES_MAX];
    uint8_t block[LION_CYCLE_EDGES_MAX]; /* a pattern that stands for those it is in cycles with */
} blocks;

static uint8_t block_of(const blocks *self, uint8_t edge)
{
    while (self->block[edge] != edge) edge = self->block[edge];
    return edge;
}

/* The patterns of the forest between two variables are one block with `edge`. false: the forest
 * does not lead from one to the other. */
static bool close_cycle(blocks *self, uint32_t from, uint32_t to, uint32_t came_by, uint8_t edge)
{
    if (from == to) return true;
    for (uint32_t i = 0; i < self->all->edge_count; i++) {
        const lion_cycle_edge *next = &self->all->edges[i];
        if (!self->is_tree[i] || i == came_by || (next->e != from && next->v != from)) continue;
        if (!close_cycle(self, next->e == from ? next->v : next->e, to, i, edge)) continue;
        self->block[block_of(self, (uint8_t)i)] = block_of(self, edge);
        return true;
    }
    return false;
}

static void find_blocks(blocks *self, const lion_cycle *all)
{
    *self = (blocks){ .all = all };
    for (uint8_t i = 0; i < all->edge_count; i++) {
        self->block[i] = i;
        self->is_tree[i] =
            !close_cycle(self, all->edges[i].e, all->edges[i].v, LION_CYCLE_EDGES_MAX, i);
    }
}

static bool take_block(lion_cycle *out, const blocks *self, uint8_t block)
{
    *out = (lion_cycle){ .db = self->all->db };
    for (uint8_t i = 0; i < self->all->edge_count; i++)
        if (block_of(self, i) == block) out->edges[out->edge_count++] = self->all->edges[i];
    return out->edge_count > 1;
}

static uint32_t var_count(const lion_cycle *cycle)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < 2 * cycle->edge_count; i++) {
        uint32_t var = i % 2 == 0 ? cycle->edges[i / 2].e : cycle->edges[i / 2].v;
        bool is_new = true;
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new && var != (k % 2 == 0 ? cycle->edges[k / 2].e : cycle->edges[k / 2].v);
        count += is_new;
    }
    return count;
}

/* ---- references to one variable ---- */

#define STAR_MIN 3

/* What leads from or to the variable by the attribute, and is in no cycle. */
static bool take_star(lion_cycle *out, const blocks *self, uint32_t var, bool is_forward,
                      const lion_attribute *attribute)
{
    bool is_in_cycle[LION_CYCLE_EDGES_MAX] = { false };
    *out = (lion_cycle){ .db = self->all->db };
    for (uint8_t i = 0; i < self->all->edge_count; i++)
        for (uint8_t k = 0; k < self->all->edge_count; k++)
            if (i != k && block_of(self, i) == block_of(self, k)) is_in_cycle[i] = true;
    for (uint8_t i = 0; i < self->all->edge_count; i++) {
        const lion_cycle_edge *edge = &self->all->edges[i];
        bool is_one = (is_forward ? edge->e : edge->v) == var && edge->attribute == attribute;
        if (is_one && !is_in_cycle[i]) out->edges[out->edge_count++] = *edge;
    }
    return attribute->is_many && out->edge_count >= STAR_MIN;
}

/* Is it the first of its attribute from (or to) its variable? */
static bool begins_star(const lion_cycle *all, uint32_t at, bool is_forward)
{
    const lion_cycle_edge *edge = &all->edges[at];
    for (uint32_t i = 0; i < at; i++) {
        const lion_cycle_edge *other = &all->edges[i];
        bool is_same = is_forward ? other->e == edge->e : other->v == edge->v;
        if (is_same && other->attribute == edge->attribute) return false;
    }
    return true;
}

/* ---- arrays ---- */

static bool is_first_of(const lion_cycle *cycle, uint32_t edge)
{
    for (uint32_t i = 0; i < edge; i++)
        if (cycle->edges[i].attribute == cycle->edges[edge].attribute) return false;
    return true;
}

static double all_references(const lion_cycle *cycle)
{
    double sum = 0;
    for (uint32_t i = 0; i < cycle->edge_count; i++)
        if (is_first_of(cycle, i))
            sum += (double)lion_ranges_all(cycle->db, cycle->edges[i].attribute);
    return sum;
}

void lion_cycle_add_attributes(lion_graph *graph, const lion_cycle *cycle)
{
    for (const lion_attribute *last = NULL;;) {
        const lion_attribute *next = NULL;
        for (uint32_t i = 0; i < cycle->edge_count; i++) {
            const lion_attribute *attribute = cycle->edges[i].attribute;
            bool is_after = last == NULL || attribute->id > last->id;
            if (is_after && (next == NULL || attribute->id < next->id)) next = attribute;
        }
        if (next == NULL) return;
        lion_graph_add(graph, next);
        last = next;
    }
}

double lion_cycle_references(const lion_cycle *cycle, lion_run *run)
{
    lion_graph graph;
    lion_graph_init(&graph, run, cycle->db, cycle->edge_count);
    if (run->arena.is_exhausted) return 0;
    lion_cycle_add_attributes(&graph, cycle);
    if (lion_graph_recall(&graph)) return 0;
    return all_references(cycle) * (lion_graph_may_be_kept(&graph) ? KEPT_PART : 1);
}

static bool lacks_room(const lion_scope *scope, const lion_cycle *cycle)
{
    lion_graph graph;
    lion_graph_init(&graph, scope->run, cycle->db, cycle->edge_count);
    if (scope->run->arena.is_exhausted) return true;
    lion_cycle_add_attributes(&graph, cycle);
    return !lion_graph_has_room_for(&graph, var_count(cycle), 0);
}

/* ---- finding ---- */

/* Is a pattern of it in one of those that there are? */
static bool is_taken(const lion_cycle *cycles, uint32_t count, const lion_cycle *cycle)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < cycles[i].edge_count; k++)
            for (uint32_t n = 0; n < cycle->edge_count; n++)
                if (cycles[i].edges[k].at == cycle->edges[n].at) return true;
    return false;
}

uint32_t lion_cycles_find(lion_cycle cycles_out[LION_CYCLES_MAX], const lion_scope *scope,
                          const lion_todo *todo)
{
    uint32_t count = 0;
    lion_cycle all;
    blocks found;
    if (!lion_run_allows(scope->run, LION_PLAN_MULTIWAY_JOIN)) return 0;
    for (uint32_t source = 0; source < scope->run->ir->source_count; source++) {
        if (!read_edges(&all, scope, todo, source)) continue;
        find_blocks(&found, &all);
        for (uint8_t i = 0; i < all.edge_count && count < LION_CYCLES_MAX; i++) {
            bool is_one = block_of(&found, i) == i && take_block(&cycles_out[count], &found, i);
            const lion_cycle *cycle = &cycles_out[count];
            count += is_one && var_count(cycle) <= LION_CYCLE_VARS_MAX;
        }
        for (uint8_t i = 0; i < 2 * all.edge_count && count < LION_CYCLES_MAX; i++) {
            const lion_cycle_edge *edge = &all.edges[i / 2];
            bool is_forward = i % 2 == 0 && begins_star(&all, i / 2, true);
            bool is_backward = i % 2 == 1 && begins_star(&all, i / 2, false);
            bool is_one = (is_forward || is_backward) &&
                          take_star(&cycles_out[count], &found, is_forward ? edge->e : edge->v,
                                    is_forward, edge->attribute) &&
                          !is_taken(cycles_out, count, &cycles_out[count]);
            count += is_one;
        }
    }
    for (uint32_t i = 0; i < count; i++) cycles_out[i].lacks_room = lacks_room(scope, &cycles_out[i]);
    return count;
}

void lion_cycle_at(lion_cycle *cycle_out, const lion_scope *scope, const lion_todo *todo,
                   const uint32_t *clauses, uint32_t count)
{
    uint32_t source = todo->items[clauses[0]]->source;
    *cycle_out = (lion_cycle){ .db = scope->run->sources[source].db };
    for (uint32_t i = 0; i < count; i++) {
        lion_cycle_edge *edge = &cycle_out->edges[cycle_out->edge_count];
        if (!lion_cycle_edge_of(edge, scope, todo->items[clauses[i]], source)) continue;
        edge->at = clauses[i];
        cycle_out->edge_count++;
    }
}

/* ---- the order of the variables ---- */

typedef struct ordering {
    const lion_cycle *cycle;
    const uint8_t *is_bound, *keep;
    uint32_t *vars; /* so far */
    uint32_t count;
} ordering;

/* So few values that it is no loss to go through them first. */
#define FEW_VALUES 2

static bool is_there(const ordering *self, uint32_t var)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->vars[i] == var) return true;
    return self->is_bound[var];
}

/* Linked before not linked, wanted before not wanted, more links before fewer. */
static uint32_t rank(const ordering *self, uint32_t var)
{
    uint32_t links = 0, all = 0;
    for (uint32_t i = 0; i < self->cycle->edge_count; i++) {
        const lion_cycle_edge *edge = &self->cycle->edges[i];
        if (edge->e != var && edge->v != var) continue;
        links += is_there(self, edge->e == var ? edge->v : edge->e);
        all++;
    }
    return 1 + (links > 0 ? 1u << 30 : 0) + (self->keep[var] ? 1u << 20 : 0) + (links << 10) + all;
}

/* Variables of a few values; if there are none, and nothing is bound, the one of the fewest. */
static void begin_order(ordering *self, const double *values)
{
    uint32_t fewest = UINT32_MAX;
    bool is_any_bound = false;
    for (uint32_t i = 0; i < 2 * self->cycle->edge_count && self->count < LION_CYCLE_VARS_MAX;
         i++) {
        const lion_cycle_edge *edge = &self->cycle->edges[i / 2];
        uint32_t var = i % 2 == 0 ? edge->e : edge->v;
        is_any_bound = is_any_bound || self->is_bound[var];
        if (is_there(self, var) || isinf(values[var])) continue;
        if (fewest == UINT32_MAX || values[var] < values[fewest]) fewest = var;
        if (values[var] <= FEW_VALUES) self->vars[self->count++] = var;
    }
    if (!is_any_bound && self->count == 0 && fewest != UINT32_MAX)
        self->vars[self->count++] = fewest;
}

uint32_t lion_cycle_order(uint32_t vars_out[LION_CYCLE_VARS_MAX], const lion_cycle *cycle,
                          const uint8_t *is_bound, const uint8_t *keep, const double *values)
{
    ordering self = { .cycle = cycle, .is_bound = is_bound, .keep = keep, .vars = vars_out };
    begin_order(&self, values);
    while (self.count < LION_CYCLE_VARS_MAX) {
        uint32_t best = UINT32_MAX, best_rank = 0;
        for (uint32_t i = 0; i < 2 * cycle->edge_count; i++) {
            uint32_t var = i % 2 == 0 ? cycle->edges[i / 2].e : cycle->edges[i / 2].v;
            uint32_t found = is_there(&self, var) ? 0 : rank(&self, var);
            if (found <= best_rank) continue;
            best = var;
            best_rank = found;
        }
        if (best == UINT32_MAX) break;
        vars_out[self.count++] = best;
    }
    return self.count;
}
