/* join_ways.c - the ways to join two plans: what is on the right is probed for each row of the left (one node); or it is a core,
 * whose patterns are joined with the left at once; or it is computed by itself and hashed; or both come in the order of the variable
 * that they have in common, and are merged. A core may stand first, too. Beside the cheapest plan of a set stand those that are dearer,
 * but come in an order that a merge with what is left may use, the cheapest of each order. */
#include <math.h>

#include "query/join_search.h"

#define MERGE_ROWS_MIN 512     /* of a scan whose order is worth a thought */

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- joining plans ---- */

/* Can the node come when this is bound? */
bool lion_join_is_ready(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound)
{
    return (node->needs & ~(bound | graph->known | graph->feed)) == 0;
}

/* What a hub's values are met with evenly, over what there is of it. */
static double uneven_rows(const lion_join_graph *graph, const lion_join_plan *plan)
{
    return plan->rows / fmax(plan->even * lion_join_met(graph, &plan->ways), 1e-9);
}

/* Of the rows that joining them makes, those are missing that went on either side. */
static double rows_made(const lion_join_graph *graph, const lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right)
{
    lion_join_ways others = right != NULL ? right->ways : lion_join_ways_all(graph, plan->set & ~left->set);
    lion_join_ways ways = lion_join_ways_joined(&left->ways, &others);
    double made = plan->even * lion_join_met(graph, &ways) * uneven_rows(graph, left);
    if (right != NULL) made *= uneven_rows(graph, right);
    return fmax(made, plan->rows);
}

/* ---- orders ---- */

static bool ascends_by_entity(const lion_join_graph *graph, const lion_join_part *part)
{
    const lion_pattern_stats *stats = &part->stats;
    bool is_constant = stats->has_v && part->value == LION_JOIN_NONE && graph->todo->items[part->clause]->terms[2].kind == LION_TERM_CONST;
    return stats->attribute != NULL && !stats->has_range && (!stats->has_v || (is_constant && stats->attribute->is_in_avet));
}

static bool ascends_by_value(const lion_join_node *node, const lion_join_part *part)
{
    const lion_attribute *attribute = part->stats.attribute;
    bool is_open = part->value != LION_JOIN_NONE && part->value != node->entity && !part->stats.has_v;
    return is_open && attribute != NULL && attribute->is_in_avet && attribute->type != LION_TYPE_MIXED;
}

/* 1 + the star's part whose scan comes in the variable's order; 0: none does. */
static uint32_t entry_by(const lion_join_graph *graph, const lion_join_node *node, uint32_t var)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_join_part *part = &node->parts[i];
        bool ascends = var == node->entity ? ascends_by_entity(graph, part) : part->value == var && ascends_by_value(node, part);
        if (ascends && (best == 0 || part->stats.count < node->parts[best - 1].stats.count)) best = i + 1;
    }
    return best;
}

/* Whether any row is worth it. */
static bool is_told_to_merge(const lion_run *run)
{
    return run->dice != 0 || lion_run_forces(run, LION_PLAN_MERGE_JOIN);
}

/* Variables in whose order two nodes or more can come. */
void lion_join_orders_find(lion_join_searching *self)
{
    const lion_join_graph *graph = self->graph;
    const lion_run *run = graph->scope->run;
    if (!lion_run_allows(run, LION_PLAN_MERGE_JOIN) || graph->feed != 0) return;
    double least = is_told_to_merge(run) ? 0 : MERGE_ROWS_MIN;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const lion_join_node *node = &graph->nodes[n];
        for (uint32_t i = 0; node->kind == LION_JOIN_STAR && node->needs == 0 && i < node->end_count; i++) {
            uint8_t var = node->ends[i].var;
            uint32_t entry = (graph->typed & bit(var)) != 0 ? entry_by(graph, node, var) : 0;
            if (entry != 0 && node->parts[entry - 1].stats.count >= least) self->sorted_by[var] |= bit(n);
        }
    }
    for (uint32_t var = 0; var < graph->var_count; var++)
        if ((self->sorted_by[var] & (self->sorted_by[var] - 1)) == 0) self->sorted_by[var] = 0;
}

/* The cheapest plan of these nodes that comes in the order; NULL: there is none. */
static const lion_join_plan *ordered(const lion_join_plan *plan, uint32_t ascending)
{
    while (plan != NULL && plan->ascending != ascending) plan = plan->others;
    return plan;
}

void lion_join_set_way(lion_join_plan *plan, const lion_join_plan *way)
{
    plan->cost_ns = way->cost_ns;
    plan->made = way->made;
    plan->left = way->left;
    plan->right = way->right;
    plan->node = way->node;
    plan->is_merged = way->is_merged;
    plan->core = way->core;
    plan->ascending = way->ascending;
    plan->entry = way->entry;
}

/* A way that is not the cheapest, if it is that of its order. */
static void keep_other(lion_join_plan *plan, const lion_join_plan *way, lion_arena *arena)
{
    if (way->ascending == 0 || way->ascending == plan->ascending) return;
    lion_join_plan *other = plan->others;
    while (other != NULL && other->ascending != way->ascending) other = other->others;
    if (other != NULL) {
        if (way->cost_ns < other->cost_ns) lion_join_set_way(other, way);
        return;
    }
    other = lion_arena_new(arena, lion_join_plan);
    if (arena->is_exhausted) return;
    *other = *plan;
    lion_join_set_way(other, way);
    plan->others = other;
}

/* The way, if it is the cheapest so far, or the cheapest in an order that is of use. */
static void take_cheaper(const lion_join_searching *self, lion_join_plan *plan, lion_join_plan way)
{
    lion_arena *arena = &self->graph->scope->run->arena;
    if (way.ascending != 0 && (self->sorted_by[way.ascending - 1] & ~plan->set) == 0) way.ascending = 0;
    if (way.cost_ns >= plan->cost_ns) {
        keep_other(plan, &way, arena);
        return;
    }
    lion_join_plan before = *plan;
    lion_join_set_way(plan, &way);
    if (!isinf(before.cost_ns)) keep_other(plan, &before, arena);
}

/* The star by itself, in the order of the variable. */
lion_join_plan lion_join_way_by(const lion_join_searching *self, const lion_join_plan *plan, uint32_t var)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[plan->node];
    lion_join_plan way = *plan;
    uint32_t entry = entry_by(graph, node, var);
    way.cost_ns = lion_join_scan_cost(node, entry - 1) + lion_join_distinct_cost(way.made, way.drops);
    way.ascending = (uint8_t)(1 + var);
    way.entry = (uint8_t)entry;
    return way;
}

/* Beside the cheapest way of a node by itself: in each order that is of use. What begins as it does may come in the entity's. */
static void take_orders(const lion_join_searching *self, lion_join_plan *plan)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[plan->node];
    for (uint32_t var = 0; var < graph->var_count; var++) {
        if ((self->sorted_by[var] & plan->set) == 0) continue;
        lion_join_plan way = lion_join_way_by(self, plan, var);
        bool is_same = var == node->entity && lion_join_entry(graph, node, 0) + 1U == way.entry;
        if (is_same && way.cost_ns <= plan->cost_ns) lion_join_set_way(plan, &way);
        else take_cheaper(self, plan, way);
    }
}

lion_join_plan *lion_join_alone(const lion_join_searching *self, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[n];
    if (!lion_join_is_ready(graph, node, 0)) return NULL;
    lion_join_plan *plan = lion_arena_new(&graph->scope->run->arena, lion_join_plan);
    if (graph->scope->run->arena.is_exhausted) return NULL;
    plan->set = bit(n);
    plan->node = n;
    plan->bound = lion_join_closure(graph, node->vars | graph->known | graph->feed);
    lion_join_count(plan, graph);
    plan->made = plan->all;
    plan->cost_ns = lion_join_probe_cost(graph, node, node->uses_feed ? graph->feed_rows : 1, 0, plan->made, 1) + lion_join_distinct_cost(plan->made, plan->drops);
    if (graph->scope->run->dice == 0) take_orders(self, plan);
    return plan;
}

/* What samples found of the node's links with the set. */
static double met_more(const lion_join_graph *graph, uint32_t n, uint64_t set)
{
    double factor = 1;
    for (uint64_t left = set; graph->corrections != NULL && left != 0; left &= left - 1)
        factor *= graph->corrections[n][__builtin_ctzll(left)];
    return factor;
}

/* The core that has just these nodes, or NULL. */
static const lion_join_core *core_of(const lion_join_searching *self, uint64_t set)
{
    for (uint32_t i = 0; i < self->core_count; i++)
        if (self->cores[i]->all == set) return self->cores[i];
    return NULL;
}

/* How often what stands behind `left` is done: what has nothing of the feed, and stands before what has, is done for each of its rows. */
static double times_of(const lion_join_graph *graph, const lion_join_plan *left, bool uses_feed)
{
    return uses_feed && lion_join_is_free(graph, left->set) ? graph->feed_rows : 1;
}

void lion_join_consider_core(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_core *core)
{
    const lion_join_graph *graph = self->graph;
    if ((core->needs & ~left->bound) != 0) return;
    double times = times_of(graph, left, core->uses_feed), made = rows_made(graph, plan, left, NULL);
    double cost = left->cost_ns * times + lion_join_core_cost(graph, core, left, fmax(left->rows, 1) * times, made) + lion_join_distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = left, .node = LION_JOIN_NODES_MAX, .core = core });
}

/* The left's rows stay in their order, if the node is a star. */
static void consider_node(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[n];
    if (!lion_join_is_ready(graph, node, left->bound)) return;
    double times = times_of(graph, left, node->uses_feed), made = rows_made(graph, plan, left, NULL);
    double cost = lion_join_distinct_cost(made, plan->drops) +
                  lion_join_probe_cost(graph, node, fmax(left->rows, 1) * times, left->bound, made, met_more(graph, n, left->set));
    for (const lion_join_plan *each = left; each != NULL; each = each->others) {
        uint8_t ascending = node->kind == LION_JOIN_STAR ? each->ascending : 0;
        take_cheaper(self, plan, (lion_join_plan){ .cost_ns = each->cost_ns * times + cost, .made = made, .left = each, .node = n, .ascending = ascending });
    }
}

static void consider_hash(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right)
{
    double made = rows_made(self->graph, plan, left, right);
    double cost = left->cost_ns + right->cost_ns + lion_join_hash_cost(self->graph, left, right, made) + lion_join_distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = left, .right = right, .node = LION_JOIN_NODES_MAX });
}

/* The order in which both come and may be merged: that of the one variable which they have in common; 0: there is none. */
uint8_t lion_join_common_order(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    if (shared == 0 || (shared & (shared - 1)) != 0) return 0;
    uint8_t ascending = (uint8_t)(1 + __builtin_ctzll(shared));
    return ordered(left, ascending) != NULL && ordered(right, ascending) != NULL ? ascending : 0;
}

static void consider_merge(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right, uint8_t ascending)
{
    const lion_join_plan *one = ordered(left, ascending), *other = ordered(right, ascending);
    double made = rows_made(self->graph, plan, left, right);
    double cost = one->cost_ns + other->cost_ns + lion_join_merge_cost(left, right, made) + lion_join_distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = one, .right = other, .node = LION_JOIN_NODES_MAX, .is_merged = true,
                                               .ascending = ascending });
}

/* Make *plan (of the joined set; its rows and what it binds are there) the way left, then right, if that is cheaper. */
void lion_join_consider(const lion_join_searching *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right,
                        uint64_t right_set)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_core *core = core_of(self, right_set);
    bool is_single = (right_set & (right_set - 1)) == 0;
    if (left == NULL) return;
    if (core != NULL) lion_join_consider_core(self, plan, left, core);
    uint8_t ascending = right != NULL ? lion_join_common_order(graph, left, right) : 0;
    if (ascending != 0) consider_merge(self, plan, left, right, ascending);
    if (ascending != 0 && lion_run_forces(graph->scope->run, LION_PLAN_MERGE_JOIN)) return;
    bool may_hash = right != NULL && lion_run_allows(graph->scope->run, LION_PLAN_BUILD) && lion_join_can_hash(graph, left, right);
    bool must_hash = may_hash && lion_run_forces(graph->scope->run, LION_PLAN_BUILD);
    if (is_single && !must_hash) consider_node(self, plan, left, (uint32_t)__builtin_ctzll(right_set));
    if (may_hash) consider_hash(self, plan, left, right);
}

/* What both of the sets, joined, leave. */
lion_join_plan lion_join_set_of(const lion_join_graph *graph, uint64_t set)
{
    lion_join_plan plan = { .set = set, .bound = graph->known | graph->feed, .cost_ns = INFINITY, .node = LION_JOIN_NODES_MAX };
    for (uint64_t left = set; left != 0; left &= left - 1) plan.bound |= graph->nodes[__builtin_ctzll(left)].vars;
    plan.bound = lion_join_closure(graph, plan.bound);
    lion_join_count(&plan, graph);
    plan.made = plan.all;
    return plan;
}

lion_join_plan *lion_join_plan_copy(const lion_join_graph *graph, const lion_join_plan *plan)
{
    lion_join_plan *copy = lion_arena_new(&graph->scope->run->arena, lion_join_plan);
    if (graph->scope->run->arena.is_exhausted) return NULL;
    *copy = *plan;
    return copy;
}

/* A core that stands first; NULL: it cannot. */
lion_join_plan *lion_join_core_alone(const lion_join_graph *graph, const lion_join_core *core)
{
    lion_join_plan plan = lion_join_set_of(graph, core->all);
    if ((core->needs & ~(graph->known | graph->feed)) != 0) return NULL;
    plan.core = core;
    plan.cost_ns = lion_join_core_cost(graph, core, NULL, core->uses_feed ? graph->feed_rows : 1, plan.made) + lion_join_distinct_cost(plan.made, plan.drops);
    return lion_join_plan_copy(graph, &plan);
}

/* The core that the node is in and none of whose nodes is in the plan (NULL: there is no plan); NULL: there is none. */
const lion_join_core *lion_join_core_with(const lion_join_searching *self, uint32_t n, const lion_join_plan *plan)
{
    const lion_join_graph *graph = self->graph;
    uint64_t set = plan == NULL ? 0 : plan->set, bound = graph->known | graph->feed | (plan == NULL ? 0 : plan->bound);
    for (uint32_t i = self->core_count; i-- > 0;) {
        const lion_join_core *core = self->cores[i];
        if ((core->set & bit(n)) != 0 && (core->all & set) == 0 && (core->needs & ~bound) == 0) return core;
    }
    return NULL;
}
