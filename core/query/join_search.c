/* join_search.c - the cheapest plan of a join graph: dynamic programming over connected sets of nodes, each pair of sets that
 * join looked at once (Moerkotte and Neumann's DPccp); greedy beyond so many nodes or pairs. Plans may be bushy.
 *
 * Two sets are joined in one of four ways: what is on the right is probed for each row of the left (one node); or it is a core,
 * whose patterns are joined with the left at once; or it is computed by itself and hashed; or both come in the order of the variable
 * that they have in common, and are merged. A core may stand first, too. Beside the cheapest plan of a set stand those that are dearer,
 * but come in an order that a merge with what is left may use, the cheapest of each order. */
#include <math.h>

#include "query/order.h"

/* Nanoseconds, of bench/query on the machine it names; what matters is how they compare. */
#define SCAN_NS 30.0           /* a row read in order */
#define ROW_NS 20.0            /* a row made */
#define FACT_NS 60.0           /* a value of an entity, cardinality one */
#define FACT_FIRST_NS 300.0    /* … the first of them, before the attribute's leaves stay open */
#define FACT_FIRST_COUNT 16.0
#define PROBE_NS 450.0         /* a look-up in an index with any number of rows */
#define BUILD_NS 90.0          /* a row into a hash table */
#define HASH_NS 70.0           /* a row looked up there */
#define MERGE_NS 5.0           /* a row of either side, walked past … */
#define MERGE_ROW_NS 5.0       /* … and a row made of two that meet: columns are copied side by side */
#define MERGE_ROWS_MIN 512     /* of a scan whose order is worth a thought */
#define DISTINCT_NS 100.0      /* a row that is there already, or not */
#define CALL_NS 250.0          /* a row through a function that yields rows, or an or */
#define SEARCH_NS 1500.0       /* a row through a rule */
#define UNBOUND_TIMES 10.0     /* all that a rule holds of may be far more than its branches tell */
#define QUERY_NS 20000.0       /* a row through a nested query */
#define HASH_AFTER_PART 0.25   /* a pattern is hashed once it was probed for this part of its rows (op_pattern.c) */

#define FORBIDDEN_NS 1e15     /* what is not to be */

#define PAIRS_MAX 4000
#define NO_NODE LION_JOIN_NODES_MAX

typedef struct search {
    const lion_join_graph *graph;
    uint64_t neighbours[LION_JOIN_NODES_MAX];
    lion_join_plan **best;     /* per set, of the dynamic programming */
    const lion_join_core *cores[2 * LION_CYCLES_MAX]; /* without what restricts them, then with it */
    uint32_t core_count;
    uint32_t pairs;
    uint64_t sorted_by[LION_JOIN_VARS_MAX]; /* per variable: nodes that may come in its order, if there are several */
} search;

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- what it costs ---- */

/* Values of entities that are known. */
static double part_cost(const lion_join_part *part, double rows)
{
    bool is_one = part->stats.attribute != NULL && !part->stats.attribute->is_many;
    double first = fmin(rows, FACT_FIRST_COUNT), total = part->stats.total;
    if (is_one) return first * FACT_FIRST_NS + (rows - first) * FACT_NS;
    double probes = rows * PROBE_NS + rows * part->each * ROW_NS;
    double hashed = total * HASH_AFTER_PART * PROBE_NS + total * (SCAN_NS + BUILD_NS) + rows * HASH_NS;
    return fmin(probes, hashed);
}

static double parts_cost(const lion_join_node *node, uint32_t done, double rows)
{
    double cost = 0;
    for (uint32_t i = 0; i < node->part_count; i++) {
        if (i == done) continue;
        cost += part_cost(&node->parts[i], rows);
        rows *= node->parts[i].each;
    }
    return cost + rows * ROW_NS;
}

/* A star probed for each of the rows; factor: how many times as many datoms they meet there as on average. */
static double star_cost(const lion_join_graph *graph, const lion_join_node *node, double rows, uint64_t bound, double factor)
{
    uint32_t entry = lion_join_entry(graph, node, bound);
    if (entry == node->part_count) return parts_cost(node, entry, rows);
    const lion_join_part *part = &node->parts[entry];
    const lion_pattern_stats *stats = &part->stats;
    bool is_bound = part->value != LION_JOIN_NONE && ((bound | graph->known | graph->feed) & bit(part->value)) != 0;
    bool has_index = stats->attribute != NULL && stats->attribute->is_in_avet;
    double read = stats->has_v && !has_index ? stats->total : stats->count;
    if (!is_bound) return rows * (PROBE_NS + read * SCAN_NS) + parts_cost(node, entry, rows * stats->count);
    double each = stats->has_v ? stats->count : factor * stats->count / stats->distinct_v;
    double probes = rows * (has_index ? PROBE_NS : stats->total * SCAN_NS) + rows * each * ROW_NS;
    double hashed = HASH_AFTER_PART * stats->total * (has_index ? PROBE_NS : stats->total * SCAN_NS) + stats->total * (SCAN_NS + BUILD_NS) +
                    rows * (HASH_NS + each * ROW_NS);
    return fmin(probes, hashed) + parts_cost(node, entry, rows * each);
}

/* A node that stands first. */
static double alone_cost(const lion_join_node *node)
{
    if (node->kind == LION_JOIN_PATTERN) return PROBE_NS + node->parts[0].stats.total * SCAN_NS;
    if (node->kind == LION_JOIN_ROWS) return node->rows * ROW_NS;
    if (node->kind == LION_JOIN_RULE && !node->has_constant) return SEARCH_NS + node->rows * CALL_NS * UNBOUND_TIMES;
    return SEARCH_NS + node->rows * CALL_NS;
}

/* Is the node a pattern that has to be joined with others at once? */
static bool is_forced(const lion_join_graph *graph, const lion_join_node *node)
{
    bool is_in_core = node->part_count > 0 && graph->cycle_of[node->parts[0].clause] != LION_JOIN_NONE;
    return is_in_core && lion_run_forces(graph->scope->run, LION_PLAN_MULTIWAY_JOIN);
}

static double probe_cost(const lion_join_graph *graph, const lion_join_node *node, double rows, uint64_t bound, double rows_out, double factor)
{
    bool is_bound = (node->vars & (bound | graph->known | graph->feed)) != 0 || node->has_constant;
    if (is_forced(graph, node)) return FORBIDDEN_NS;
    if (node->kind == LION_JOIN_STAR) return star_cost(graph, node, rows, bound, factor);
    if (node->kind == LION_JOIN_ROWS && is_bound) return node->rows * BUILD_NS + rows * HASH_NS + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_QUERY) return rows * QUERY_NS + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_FUNCTION) return rows * CALL_NS + rows_out * ROW_NS;
    if (!is_bound) return rows * alone_cost(node) + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_PATTERN) return rows * PROBE_NS + rows_out * ROW_NS;
    return rows * (node->kind == LION_JOIN_RULE ? SEARCH_NS : 2 * CALL_NS) + rows_out * ROW_NS;
}

uint32_t lion_join_entry(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound)
{
    uint32_t best = node->part_count;
    double least = INFINITY;
    uint64_t given = graph->known | graph->feed | bound;
    if ((given & bit(node->entity)) != 0) return node->part_count;
    if (graph->scope->run->dice != 0) return lion_plan_dice(graph->scope->run, node->part_count);
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_pattern_stats *stats = &node->parts[i].stats;
        bool is_bound = !stats->has_v && node->parts[i].value != LION_JOIN_NONE && (given & bit(node->parts[i].value)) != 0;
        double rows = is_bound ? stats->count / stats->distinct_v : stats->count;
        if (is_bound && stats->attribute != NULL && !stats->attribute->is_in_avet) rows = stats->total;
        if (rows >= least && best != node->part_count) continue;
        least = rows;
        best = i;
    }
    return best;
}

/* ---- joining plans ---- */

/* Can the node come when this is bound? */
static bool is_ready(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound)
{
    return (node->needs & ~(bound | graph->known | graph->feed)) == 0;
}

/* Rows that are there already are found by a hash. */
static double distinct_cost(double made, bool drops)
{
    return drops ? made * DISTINCT_NS : 0;
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
static void find_orders(search *self)
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

static void set_way(lion_join_plan *plan, const lion_join_plan *way)
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
        if (way->cost_ns < other->cost_ns) set_way(other, way);
        return;
    }
    other = lion_arena_new(arena, lion_join_plan);
    if (arena->is_exhausted) return;
    *other = *plan;
    set_way(other, way);
    plan->others = other;
}

/* The way, if it is the cheapest so far, or the cheapest in an order that is of use. */
static void take_cheaper(const search *self, lion_join_plan *plan, lion_join_plan way)
{
    lion_arena *arena = &self->graph->scope->run->arena;
    if (way.ascending != 0 && (self->sorted_by[way.ascending - 1] & ~plan->set) == 0) way.ascending = 0;
    if (way.cost_ns >= plan->cost_ns) {
        keep_other(plan, &way, arena);
        return;
    }
    lion_join_plan before = *plan;
    set_way(plan, &way);
    if (!isinf(before.cost_ns)) keep_other(plan, &before, arena);
}

/* The star by itself, in the order of the variable. */
static lion_join_plan way_by(const search *self, const lion_join_plan *plan, uint32_t var)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[plan->node];
    lion_join_plan way = *plan;
    uint32_t entry = entry_by(graph, node, var);
    double read = node->parts[entry - 1].stats.count;
    way.cost_ns = PROBE_NS + read * SCAN_NS + parts_cost(node, entry - 1, read) + distinct_cost(way.made, way.drops);
    way.ascending = (uint8_t)(1 + var);
    way.entry = (uint8_t)entry;
    return way;
}

/* Beside the cheapest way of a node by itself: in each order that is of use. What begins as it does may come in the entity's. */
static void take_orders(const search *self, lion_join_plan *plan)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[plan->node];
    for (uint32_t var = 0; var < graph->var_count; var++) {
        if ((self->sorted_by[var] & plan->set) == 0) continue;
        lion_join_plan way = way_by(self, plan, var);
        bool is_same = var == node->entity && lion_join_entry(graph, node, 0) + 1U == way.entry;
        if (is_same && way.cost_ns <= plan->cost_ns) set_way(plan, &way);
        else take_cheaper(self, plan, way);
    }
}

static lion_join_plan *alone(const search *self, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[n];
    if (!is_ready(graph, node, 0)) return NULL;
    lion_join_plan *plan = lion_arena_new(&graph->scope->run->arena, lion_join_plan);
    if (graph->scope->run->arena.is_exhausted) return NULL;
    plan->set = bit(n);
    plan->node = n;
    plan->bound = lion_join_closure(graph, node->vars | graph->known | graph->feed);
    lion_join_count(plan, graph);
    plan->made = plan->all;
    plan->cost_ns = probe_cost(graph, node, node->uses_feed ? graph->feed_rows : 1, 0, plan->made, 1) + distinct_cost(plan->made, plan->drops);
    if (graph->scope->run->dice == 0) take_orders(self, plan);
    return plan;
}

static bool is_free(const lion_join_graph *graph, uint64_t set)
{
    for (uint64_t left = set; left != 0; left &= left - 1)
        if (graph->nodes[__builtin_ctzll(left)].uses_feed) return false;
    return true;
}

/* May the right be hashed? It stands by itself, and what both have is of one type. */
static bool can_hash(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    return is_free(graph, right->set) && (left->bound & right->bound & ~(graph->known | graph->feed | graph->typed)) == 0;
}

bool lion_join_is_semi(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    return shared != 0 && (right->live & ~left->bound) == 0 && lion_run_allows(graph->scope->run, LION_PLAN_SEMI_JOIN);
}

/* The right is hashed for the left, or is a set of keys. */
static double hash_cost(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right, double made)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    bool is_semi = lion_join_is_semi(graph, left, right);
    bool is_bits = (shared & ~graph->whole) == 0 && (shared & (shared - 1)) == 0;
    if (!is_semi) return right->rows * BUILD_NS + left->rows * HASH_NS + made * ROW_NS;
    if (is_bits) return right->rows * LION_SET_NS + left->rows * LION_TEST_NS;
    return right->rows * LION_SET_ROW_NS + left->rows * LION_TEST_ROW_NS;
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
static const lion_join_core *core_of(const search *self, uint64_t set)
{
    for (uint32_t i = 0; i < self->core_count; i++)
        if (self->cores[i]->all == set) return self->cores[i];
    return NULL;
}

/* How often what stands behind `left` is done: what has nothing of the feed, and stands before what has, is done for each of its rows. */
static double times_of(const lion_join_graph *graph, const lion_join_plan *left, bool uses_feed)
{
    return uses_feed && is_free(graph, left->set) ? graph->feed_rows : 1;
}

static void consider_core(const search *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_core *core)
{
    const lion_join_graph *graph = self->graph;
    if ((core->needs & ~left->bound) != 0) return;
    double times = times_of(graph, left, core->uses_feed), made = rows_made(graph, plan, left, NULL);
    double cost = left->cost_ns * times + lion_join_core_cost(graph, core, left, fmax(left->rows, 1) * times, made) + distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = left, .node = NO_NODE, .core = core });
}

/* The left's rows stay in their order, if the node is a star. */
static void consider_node(const search *self, lion_join_plan *plan, const lion_join_plan *left, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[n];
    if (!is_ready(graph, node, left->bound)) return;
    double times = times_of(graph, left, node->uses_feed), made = rows_made(graph, plan, left, NULL);
    double cost = distinct_cost(made, plan->drops) +
                  probe_cost(graph, node, fmax(left->rows, 1) * times, left->bound, made, met_more(graph, n, left->set));
    for (const lion_join_plan *each = left; each != NULL; each = each->others) {
        uint8_t ascending = node->kind == LION_JOIN_STAR ? each->ascending : 0;
        take_cheaper(self, plan, (lion_join_plan){ .cost_ns = each->cost_ns * times + cost, .made = made, .left = each, .node = n, .ascending = ascending });
    }
}

static void consider_hash(const search *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right)
{
    double made = rows_made(self->graph, plan, left, right);
    double cost = left->cost_ns + right->cost_ns + hash_cost(self->graph, left, right, made) + distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = left, .right = right, .node = NO_NODE });
}

/* The order in which both come and may be merged: that of the one variable which they have in common; 0: there is none. */
static uint8_t common_order(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    if (shared == 0 || (shared & (shared - 1)) != 0) return 0;
    uint8_t ascending = (uint8_t)(1 + __builtin_ctzll(shared));
    return ordered(left, ascending) != NULL && ordered(right, ascending) != NULL ? ascending : 0;
}

static void consider_merge(const search *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right, uint8_t ascending)
{
    const lion_join_plan *one = ordered(left, ascending), *other = ordered(right, ascending);
    double made = rows_made(self->graph, plan, left, right);
    double cost = one->cost_ns + other->cost_ns + (left->rows + right->rows) * MERGE_NS + made * MERGE_ROW_NS + distinct_cost(made, plan->drops);
    take_cheaper(self, plan, (lion_join_plan){ .cost_ns = cost, .made = made, .left = one, .right = other, .node = NO_NODE, .is_merged = true,
                                               .ascending = ascending });
}

/* Make *plan (of the joined set; its rows and what it binds are there) the way left, then right, if that is cheaper. */
static void consider(const search *self, lion_join_plan *plan, const lion_join_plan *left, const lion_join_plan *right, uint64_t right_set)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_core *core = core_of(self, right_set);
    bool is_single = (right_set & (right_set - 1)) == 0;
    if (left == NULL) return;
    if (core != NULL) consider_core(self, plan, left, core);
    uint8_t ascending = right != NULL ? common_order(graph, left, right) : 0;
    if (ascending != 0) consider_merge(self, plan, left, right, ascending);
    if (ascending != 0 && lion_run_forces(graph->scope->run, LION_PLAN_MERGE_JOIN)) return;
    bool may_hash = right != NULL && lion_run_allows(graph->scope->run, LION_PLAN_BUILD) && can_hash(graph, left, right);
    bool must_hash = may_hash && lion_run_forces(graph->scope->run, LION_PLAN_BUILD);
    if (is_single && !must_hash) consider_node(self, plan, left, (uint32_t)__builtin_ctzll(right_set));
    if (may_hash) consider_hash(self, plan, left, right);
}

/* What both of the sets, joined, leave. */
static lion_join_plan joined(const lion_join_graph *graph, uint64_t set)
{
    lion_join_plan plan = { .set = set, .bound = graph->known | graph->feed, .cost_ns = INFINITY, .node = NO_NODE };
    for (uint64_t left = set; left != 0; left &= left - 1) plan.bound |= graph->nodes[__builtin_ctzll(left)].vars;
    plan.bound = lion_join_closure(graph, plan.bound);
    lion_join_count(&plan, graph);
    plan.made = plan.all;
    return plan;
}

static lion_join_plan *copied(const lion_join_graph *graph, const lion_join_plan *plan)
{
    lion_join_plan *copy = lion_arena_new(&graph->scope->run->arena, lion_join_plan);
    if (graph->scope->run->arena.is_exhausted) return NULL;
    *copy = *plan;
    return copy;
}

/* A core that stands first; NULL: it cannot. */
static lion_join_plan *core_alone(const lion_join_graph *graph, const lion_join_core *core)
{
    lion_join_plan plan = joined(graph, core->all);
    if ((core->needs & ~(graph->known | graph->feed)) != 0) return NULL;
    plan.core = core;
    plan.cost_ns = lion_join_core_cost(graph, core, NULL, core->uses_feed ? graph->feed_rows : 1, plan.made) + distinct_cost(plan.made, plan.drops);
    return copied(graph, &plan);
}

/* ---- pairs of connected sets ---- */

static uint64_t neighbours_of(const search *self, uint64_t set)
{
    uint64_t all = 0;
    for (uint64_t left = set; left != 0; left &= left - 1) all |= self->neighbours[__builtin_ctzll(left)];
    return all & ~set;
}

static void join_pair(search *self, uint64_t one, uint64_t other)
{
    if (++self->pairs > PAIRS_MAX) return;
    uint64_t set = one | other;
    lion_join_plan *known = self->best[set];
    lion_join_plan plan = known != NULL ? *known : joined(self->graph, set);
    consider(self, &plan, self->best[one], self->best[other], other);
    consider(self, &plan, self->best[other], self->best[one], one);
    if (plan.left == NULL || isinf(plan.cost_ns)) return;
    if (known != NULL) *known = plan;
    else self->best[set] = copied(self->graph, &plan);
}

static void grow_other(search *self, uint64_t one, uint64_t other, uint64_t excluded)
{
    uint64_t near = neighbours_of(self, other) & ~excluded;
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near) join_pair(self, one, other | part);
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near)
        grow_other(self, one, other | part, excluded | near);
}

static void pair_with_others(search *self, uint64_t one)
{
    uint64_t least = one & -one, excluded = one | (least - 1), near = neighbours_of(self, one) & ~excluded;
    for (uint64_t left = near; left != 0 && self->pairs <= PAIRS_MAX;) {
        uint64_t other = bit(63 - (uint32_t)__builtin_clzll(left));
        left &= ~other;
        join_pair(self, one, other);
        grow_other(self, one, other, excluded | (near & (other | (other - 1))));
    }
}

static void grow_one(search *self, uint64_t one, uint64_t excluded)
{
    uint64_t near = neighbours_of(self, one) & ~excluded;
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near) pair_with_others(self, one | part);
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near)
        grow_one(self, one | part, excluded | near);
}

/* ---- the search ---- */

static void find_neighbours(search *self)
{
    const lion_join_graph *graph = self->graph;
    for (uint32_t a = 0; a < graph->node_count; a++)
        for (uint32_t b = 0; b < graph->node_count; b++) {
            const lion_join_node *one = &graph->nodes[a], *other = &graph->nodes[b];
            uint64_t one_vars = lion_join_closure(graph, one->vars) & ~graph->known, other_vars = other->vars | other->needs;
            bool is_near = (one_vars & other_vars & ~graph->known) != 0 || (one->uses_feed && other->uses_feed);
            if (a != b && is_near) {
                self->neighbours[a] |= bit(b);
                self->neighbours[b] |= bit(a);
            }
        }
}

static uint64_t component(const search *self, uint32_t from)
{
    uint64_t set = bit(from);
    for (uint64_t near; (near = neighbours_of(self, set)) != 0;) set |= near;
    return set;
}

/* The core that the node is in and none of whose nodes is in the plan (NULL: there is no plan); NULL: there is none. */
static const lion_join_core *core_with(const search *self, uint32_t n, const lion_join_plan *plan)
{
    const lion_join_graph *graph = self->graph;
    uint64_t set = plan == NULL ? 0 : plan->set, bound = graph->known | graph->feed | (plan == NULL ? 0 : plan->bound);
    for (uint32_t i = self->core_count; i-- > 0;) {
        const lion_join_core *core = self->cores[i];
        if ((core->set & bit(n)) != 0 && (core->all & set) == 0 && (core->needs & ~bound) == 0) return core;
    }
    return NULL;
}

/* The next node begins a core: all of it at once instead, where that costs less than its patterns one by one. */
static void at_once(const search *self, lion_join_plan *next, const lion_join_plan *before)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_core *core = next->node == NO_NODE ? NULL : core_with(self, next->node, before);
    if (core == NULL) return;
    lion_join_plan all = joined(graph, before->set | core->all), step = *next;
    consider_core(self, &all, before, core);
    for (uint64_t left; (left = core->all & ~step.set) != 0;) {
        lion_join_plan best = { .cost_ns = INFINITY, .rows = INFINITY };
        const lion_join_plan *kept = copied(graph, &step);
        if (kept == NULL) return;
        for (left &= neighbours_of(self, step.set); left != 0; left &= left - 1) {
            lion_join_plan one = joined(graph, step.set | (left & -left));
            consider(self, &one, kept, NULL, left & -left);
            if (one.left != NULL && one.rows < best.rows) best = one;
        }
        if (best.left == NULL) return;
        step = best;
    }
    if (all.cost_ns < step.cost_ns) *next = all;
}

/* The cheapest next node, again and again. */
static const lion_join_plan *greedy(search *self, uint64_t set)
{
    const lion_join_graph *graph = self->graph;
    lion_join_plan *singles[LION_JOIN_NODES_MAX], *plan = NULL;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        uint32_t n = (uint32_t)__builtin_ctzll(left);
        singles[n] = alone(self, n);
        if (singles[n] == NULL) continue;
        bool is_fewer = plan == NULL || singles[n]->rows < plan->rows || (singles[n]->rows == plan->rows && singles[n]->cost_ns < plan->cost_ns);
        if (is_fewer) plan = singles[n];
    }
    while (plan != NULL && plan->set != set) {
        uint64_t near = neighbours_of(self, plan->set) & set;
        lion_join_plan best = { .cost_ns = INFINITY, .rows = INFINITY };
        for (; near != 0; near &= near - 1) {
            uint32_t n = (uint32_t)__builtin_ctzll(near);
            lion_join_plan next = joined(graph, plan->set | bit(n));
            consider(self, &next, plan, singles[n], bit(n));
            if (next.left == NULL) continue;
            bool is_better = next.rows < best.rows || (next.rows == best.rows && next.cost_ns < best.cost_ns);
            if (best.left == NULL || is_better) best = next;
        }
        if (best.left != NULL && !isinf(best.cost_ns)) at_once(self, &best, plan);
        plan = best.left == NULL ? NULL : copied(graph, &best);
    }
    return plan;
}

/* The core by itself, where it is cheaper than what its nodes had before. */
static void seed_core(search *self, const lion_join_core *core, uint64_t set)
{
    lion_join_plan *alone = (core->all & ~set) == 0 ? core_alone(self->graph, core) : NULL, **best = &self->best[core->all];
    if (alone != NULL && (*best == NULL || alone->cost_ns < (*best)->cost_ns)) *best = alone;
}

static const lion_join_plan *of_component(search *self, uint64_t set)
{
    uint32_t count = (uint32_t)__builtin_popcountll(set);
    if (count == 1) return alone(self, (uint32_t)__builtin_ctzll(set));
    if (self->best == NULL || count > LION_JOIN_SEARCH_MAX) return greedy(self, set);
    self->pairs = 0;
    for (uint64_t left = set; left != 0; left &= left - 1) self->best[left & -left] = alone(self, (uint32_t)__builtin_ctzll(left));
    for (uint32_t i = 0; i < self->core_count; i++) seed_core(self, self->cores[i], set);
    for (uint64_t left = set; left != 0 && self->pairs <= PAIRS_MAX;) {
        uint64_t one = bit(63 - (uint32_t)__builtin_clzll(left));
        left &= ~one;
        pair_with_others(self, one);
        grow_one(self, one, one | (one - 1));
    }
    return self->pairs > PAIRS_MAX ? greedy(self, set) : self->best[set];
}

/* ---- restrictions of cores ---- */

/* The nodes that hang together with `from` and not by a node of the core. */
static uint64_t beside_core(const search *self, const lion_join_core *core, uint32_t from)
{
    uint64_t set = bit(from);
    for (uint64_t near; (near = neighbours_of(self, set) & ~core->set) != 0;) set |= near;
    return set;
}

/* A set that has more of a variable's values than this leaves out too little. */
#define RESTRICTS_PART 0.5

/* The nodes bind one variable of the core, stand by themselves, and nothing else of theirs is asked for. */
static bool restricts(lion_join_restriction *out, search *self, const lion_join_core *core, uint64_t set)
{
    const lion_join_graph *graph = self->graph;
    lion_join_plan whole = joined(graph, set);
    uint64_t common = whole.bound & core->vars & ~graph->known;
    if ((common & (common - 1)) != 0 || common == 0 || !is_free(graph, set)) return false;
    if ((lion_join_live(graph, set, whole.bound) & ~common) != 0) return false;
    const lion_join_plan *plan = self->best != NULL && self->best[set] != NULL ? self->best[set] : greedy(self, set);
    if (plan == NULL || isinf(plan->cost_ns)) return false;
    *out = (lion_join_restriction){ .var = (uint8_t)__builtin_ctzll(common), .plan = plan };
    double most = 1;
    for (uint64_t left = core->set; left != 0; left &= left - 1) {
        const lion_join_node *node = &graph->nodes[__builtin_ctzll(left)];
        for (uint32_t i = 0; i < node->end_count; i++)
            if (node->ends[i].var == out->var) most = fmax(most, node->ends[i].distinct);
    }
    return plan->rows <= most * RESTRICTS_PART;
}

/* A copy of the core with all that only restricts it. false: there is nothing. */
static bool restrict_core(search *self, lion_join_core *out, const lion_join_core *core)
{
    const lion_join_graph *graph = self->graph;
    uint64_t seen = core->set, bound = graph->known | graph->feed;
    *out = *core;
    for (uint32_t n = 0; n < graph->node_count && out->restriction_count < LION_CYCLE_VARS_MAX; n++) {
        if ((seen & bit(n)) != 0) continue;
        uint64_t set = beside_core(self, core, n);
        lion_join_restriction *next = &out->restrictions[out->restriction_count];
        bool is_near = (neighbours_of(self, set) & core->set) != 0, is_new = true;
        seen |= set;
        if (!is_near || !restricts(next, self, core, set)) continue;
        for (uint32_t i = 0; i < out->restriction_count; i++) is_new = is_new && out->restrictions[i].var != next->var;
        if (!is_new) continue;
        out->all |= set;
        bound |= bit(next->var);
        out->restriction_count++;
    }
    out->needs &= ~bound;
    return out->restriction_count > 0;
}

/* Each core among these nodes comes with what restricts it, too; whether there is any such. */
static bool restrict_cores(search *self, uint64_t set)
{
    uint32_t count = self->core_count;
    for (uint32_t i = 0; i < count; i++) {
        if ((self->cores[i]->all & ~set) != 0 || self->cores[i]->restriction_count > 0) continue;
        lion_join_core *core = lion_arena_new(&self->graph->scope->run->arena, lion_join_core);
        if (self->graph->scope->run->arena.is_exhausted) return false;
        if (restrict_core(self, core, self->cores[i])) self->cores[self->core_count++] = core;
    }
    return self->core_count > count;
}

/* Components have nothing in common: the smaller ones first, each hashed (without a key). */
static const lion_join_plan *product(search *self, const lion_join_plan **parts, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && parts[k]->rows < parts[k - 1]->rows; k--) {
            const lion_join_plan *swapped = parts[k];
            parts[k] = parts[k - 1];
            parts[k - 1] = swapped;
        }
    const lion_join_plan *plan = parts[0];
    for (uint32_t i = 1; i < count && plan != NULL; i++) {
        lion_join_plan next = joined(self->graph, plan->set | parts[i]->set);
        consider(self, &next, plan, parts[i], parts[i]->set);
        if (next.left == NULL) return NULL;
        plan = copied(self->graph, &next);
    }
    return plan;
}

/* All of a core onto the plan, whatever it costs; NULL is no plan yet. */
static const lion_join_plan *with_core(const lion_join_graph *graph, const lion_join_plan *plan, const lion_join_core *core)
{
    if (plan == NULL) return core_alone(graph, core);
    lion_join_plan wider = joined(graph, plan->set | core->all);
    wider.left = plan;
    wider.core = core;
    wider.cost_ns = plan->cost_ns;
    return copied(graph, &wider);
}

/* The plan with one of the nodes that come in its order, merged; NULL: there is none. */
static const lion_join_plan *merged_by_chance(const search *self, const lion_join_plan *plan, const uint32_t *ready, uint32_t count)
{
    const lion_join_graph *graph = self->graph;
    uint32_t first = lion_plan_dice(graph->scope->run, count);
    for (uint32_t i = 0; i < count && plan->ascending != 0; i++) {
        uint32_t n = ready[(first + i) % count], var = plan->ascending - 1U;
        lion_join_plan *right = (self->sorted_by[var] & bit(n)) != 0 ? alone(self, n) : NULL;
        if (right == NULL) continue;
        lion_join_plan way = way_by(self, right, var), wider = joined(graph, plan->set | bit(n));
        set_way(right, &way);
        if (common_order(graph, plan, right) == 0) continue;
        wider.left = plan;
        wider.right = right;
        wider.is_merged = true;
        wider.ascending = plan->ascending;
        wider.cost_ns = plan->cost_ns;
        return copied(graph, &wider);
    }
    return NULL;
}

/* The node first, now and then in an order that another one can come in. */
static void order_by_chance(const search *self, lion_join_plan *first, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    uint32_t vars[LION_JOIN_VARS_MAX], count = 0;
    for (uint32_t var = 0; var < graph->var_count; var++)
        if ((self->sorted_by[var] & bit(n)) != 0) vars[count++] = var;
    if (count == 0 || (lion_plan_dice(graph->scope->run, 2) == 0 && !lion_run_forces(graph->scope->run, LION_PLAN_MERGE_JOIN))) return;
    lion_join_plan way = way_by(self, first, vars[lion_plan_dice(graph->scope->run, count)]);
    set_way(first, &way);
}

/* Any plan: a node that is ready, again and again, joined in one way or the other; now and then two of them first, or a core. */
static const lion_join_plan *by_chance(search *self)
{
    const lion_join_graph *graph = self->graph;
    lion_run *run = graph->scope->run;
    uint64_t all = graph->node_count == 64 ? UINT64_MAX : bit(graph->node_count) - 1;
    const lion_join_plan *plan = NULL;
    bool may_hash = lion_run_allows(run, LION_PLAN_BUILD);
    while (plan == NULL || plan->set != all) {
        uint32_t ready[LION_JOIN_NODES_MAX], count = 0;
        for (uint32_t n = 0; n < graph->node_count; n++) {
            bool is_left = plan == NULL || (plan->set & bit(n)) == 0;
            if (is_left && is_ready(graph, &graph->nodes[n], plan == NULL ? 0 : plan->bound)) ready[count++] = n;
        }
        if (count == 0) return NULL;
        uint32_t n = ready[lion_plan_dice(run, count)], other = ready[lion_plan_dice(run, count)];
        const lion_join_core *core = core_with(self, n, plan);
        if (core != NULL && (lion_run_forces(run, LION_PLAN_MULTIWAY_JOIN) || lion_plan_dice(run, 2) == 0)) {
            plan = with_core(graph, plan, core);
            if (plan == NULL) return NULL;
            continue;
        }
        lion_join_plan *alone_first = alone(self, n);
        const lion_join_plan *single = alone_first, *next = alone(self, other);
        if (plan == NULL) {
            if (single == NULL) return NULL;
            order_by_chance(self, alone_first, n);
            plan = single;
            continue;
        }
        bool may_merge = lion_run_forces(run, LION_PLAN_MERGE_JOIN) || lion_plan_dice(run, 2) == 0;
        const lion_join_plan *merged = may_merge ? merged_by_chance(self, plan, ready, count) : NULL;
        if (merged != NULL) {
            plan = merged;
            continue;
        }
        uint64_t right_set = bit(n);
        if (other != n && single != NULL && next != NULL && is_free(graph, bit(n) | bit(other)) && lion_plan_dice(run, 2) == 0) {
            lion_join_plan pair = joined(graph, bit(n) | bit(other));
            consider(self, &pair, single, next, bit(other));
            right_set |= bit(other);
            if (may_hash && can_hash(graph, plan, &pair)) single = copied(graph, &pair);
            else right_set = bit(n);
        }
        lion_join_plan wider = joined(graph, plan->set | right_set);
        bool is_wanted = right_set != bit(n) || lion_run_forces(run, LION_PLAN_BUILD) || lion_plan_dice(run, 2) == 0;
        bool is_hashed = single != NULL && may_hash && is_wanted && can_hash(graph, plan, single);
        wider.left = plan;
        wider.right = is_hashed ? single : NULL;
        wider.node = is_hashed ? NO_NODE : n;
        wider.ascending = is_hashed ? 0 : plan->ascending;
        wider.cost_ns = plan->cost_ns;
        plan = copied(graph, &wider);
        if (plan == NULL) return NULL;
    }
    return plan;
}

const lion_join_plan *lion_join_search(const lion_join_graph *graph)
{
    search self = { .graph = graph, .core_count = graph->core_count };
    for (uint32_t i = 0; i < graph->core_count; i++) self.cores[i] = &graph->cores[i];
    find_orders(&self);
    if (graph->scope->run->dice != 0) return by_chance(&self);
    const lion_join_plan *parts[LION_JOIN_NODES_MAX];
    uint32_t count = 0;
    lion_arena *arena = &graph->scope->run->arena;
    if (graph->node_count <= LION_JOIN_SEARCH_MAX) self.best = lion_arena_zalloc(arena, sizeof(lion_join_plan *) << graph->node_count);
    if (arena->is_exhausted) return NULL;
    find_neighbours(&self);
    uint64_t seen = 0;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if ((seen & bit(n)) != 0) continue;
        uint64_t set = component(&self, n);
        parts[count] = of_component(&self, set);
        if (restrict_cores(&self, set)) parts[count] = of_component(&self, set);
        if (parts[count++] == NULL) return NULL;
        seen |= set;
    }
    return count == 0 || arena->is_exhausted ? NULL : product(&self, parts, count);
}
