/* order.c - a plan of the join graph as a sequence of clauses. */
#include "query/plan_cache.h"

#include <math.h>

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- steps ---- */

static void insert_step(lion_join_graph *graph, lion_order *order, uint32_t at, lion_order_step step)
{
    if (order->count == order->room) {
        uint32_t room = order->room == 0 ? 8 : order->room * 2;
        lion_order_step *grown = lion_arena_grow(&graph->scope->run->arena, order->steps, sizeof(lion_order_step) * order->room,
                                                 sizeof(lion_order_step) * room);
        if (grown == NULL || graph->scope->run->arena.is_exhausted) return;
        order->steps = grown;
        order->room = room;
    }
    memmove(&order->steps[at + 1], &order->steps[at], sizeof(lion_order_step) * (order->count - at));
    order->steps[at] = step;
    order->count++;
}

static uint64_t bound_after(const lion_order *order)
{
    return order->count == 0 ? order->start : order->steps[order->count - 1].bound;
}

static double rows_after(const lion_order *order)
{
    return order->count == 0 ? order->start_rows : order->steps[order->count - 1].kept;
}

static void add_step(lion_join_graph *graph, lion_order *order, uint32_t clause, lion_order *group, double rows, uint64_t adds)
{
    lion_order_step step = { .clause = clause, .group = group, .rows = rows, .kept = rows, .bound = bound_after(order) | adds };
    insert_step(graph, order, order->count, step);
}

/* What is cheap, or leaves so little that it pays, and can be done now; within a star no negation before its last part. */
static void add_extras(lion_join_graph *graph, lion_order *order, bool is_within)
{
    for (bool moves = true; moves;) {
        moves = false;
        for (uint32_t i = 0; i < graph->extra_count; i++) {
            lion_join_extra *extra = &graph->extras[i];
            if (extra->is_done || extra->is_late || (extra->needs & ~bound_after(order)) != 0) continue;
            if (is_within && graph->todo->items[extra->clause]->kind == LION_CLAUSE_NOT) continue;
            extra->is_done = moves = true;
            add_step(graph, order, extra->clause, NULL, rows_after(order) * extra->selects, extra->adds);
        }
    }
}

/* ---- nodes ---- */

/* Rows of a plan are counted with what predicates leave; a step's, before those that come right behind it. */
static double before_extras(const lion_join_graph *graph, const lion_order *order, double rows, uint64_t adds)
{
    uint64_t bound = lion_join_closure(graph, bound_after(order) | adds);
    for (uint32_t i = 0; i < graph->extra_count; i++) {
        const lion_join_extra *extra = &graph->extras[i];
        bool follows = !extra->is_done && !extra->is_late && (extra->needs & ~bound) == 0;
        if (follows && extra->selects > 0) rows /= extra->selects;
    }
    return rows;
}

static void add_part(lion_join_graph *graph, lion_order *order, const lion_join_node *node, uint32_t part, double rows, bool is_last)
{
    uint64_t adds = bit(node->entity);
    if (node->parts[part].value != LION_JOIN_NONE) adds |= bit(node->parts[part].value);
    if (is_last) rows = before_extras(graph, order, rows, adds);
    add_step(graph, order, node->parts[part].clause, NULL, rows, adds);
    add_extras(graph, order, !is_last);
}

/* Does the part, of an entity that is known, find its value there already? */
static double part_each(const lion_join_part *part, uint64_t bound)
{
    bool is_bound = !part->stats.has_v && part->value != LION_JOIN_NONE && (bound & bit(part->value)) != 0;
    return is_bound ? part->each / part->stats.distinct_v : part->each;
}

static void add_star(lion_join_graph *graph, lion_order *order, const lion_join_plan *plan)
{
    const lion_join_node *node = &graph->nodes[plan->node];
    double rows = plan->made;
    uint8_t is_done[node->part_count + 1];
    memset(is_done, 0, node->part_count + 1);
    uint64_t bound = bound_after(order);
    bool is_chosen = plan->left == NULL && plan->entry != 0;
    uint32_t at = order->count, entry = is_chosen ? plan->entry - 1U : lion_join_entry(graph, node, bound), left = node->part_count;
    if (entry < node->part_count) {
        const lion_join_part *part = &node->parts[entry];
        bool is_bound = !part->stats.has_v && part->value != LION_JOIN_NONE && ((bound | graph->feed) & bit(part->value)) != 0;
        double found = rows_after(order) * (is_bound ? part->stats.count / part->stats.distinct_v : part->stats.count);
        if (is_bound && graph->corrections != NULL) found = fmax(found, rows); /* what a sample found of the link */
        is_done[entry] = 1;
        left--;
        add_part(graph, order, node, entry, left == 0 ? rows : found, left == 0);
        if (is_chosen && at < order->count) order->steps[at].is_by_value = part->value != LION_JOIN_NONE && plan->ascending == 1 + part->value;
    }
    while (left > 0) {
        uint32_t best = node->part_count;
        for (uint32_t i = 0; i < node->part_count; i++) {
            bool is_better = best == node->part_count || part_each(&node->parts[i], bound) < part_each(&node->parts[best], bound);
            if (!is_done[i] && (is_better || lion_plan_dice(graph->scope->run, 3) == 1)) best = i;
        }
        is_done[best] = 1;
        left--;
        add_part(graph, order, node, best, left == 0 ? rows : rows_after(order) * part_each(&node->parts[best], bound), left == 0);
    }
}

/* What a distinct behind the last step leaves. */
static void keep_rows(lion_order *order, const lion_join_plan *plan)
{
    if (order->count > 0 && plan->made > plan->rows) order->steps[order->count - 1].kept = plan->rows;
}

static void add_node(lion_join_graph *graph, lion_order *order, const lion_join_plan *plan)
{
    const lion_join_node *node = &graph->nodes[plan->node];
    uint32_t at = order->count;
    if (node->kind == LION_JOIN_STAR) {
        add_star(graph, order, plan);
    } else {
        add_step(graph, order, node->parts[0].clause, NULL, before_extras(graph, order, plan->made, node->vars), node->vars);
        add_extras(graph, order, false);
    }
    if (at < order->count) order->steps[at].is_join = true;
    keep_rows(order, plan);
}

static void begin(lion_join_graph *graph, lion_order *order)
{
    for (uint32_t i = 0; i < graph->input_count; i++) {
        uint32_t at = graph->inputs[i];
        double rows = (double)graph->scope->inputs[graph->todo->items[at]->rule].rows->count;
        add_step(graph, order, at, NULL, rows_after(order) * rows, graph->masks[at]);
    }
    add_extras(graph, order, false);
}

static void add_plan(lion_join_graph *graph, lion_order *order, const lion_join_plan *plan);

/* A part of the plan by itself. NULL: out of memory. */
static lion_order *order_of(lion_join_graph *graph, const lion_join_plan *plan)
{
    lion_order *order = lion_arena_new(&graph->scope->run->arena, lion_order);
    if (graph->scope->run->arena.is_exhausted) return NULL;
    order->start_rows = 1;
    begin(graph, order);
    add_plan(graph, order, plan);
    order->rows = plan->rows;
    order->cost_ns = plan->cost_ns;
    return order;
}

static uint32_t scope_var(const lion_join_graph *graph, uint8_t number)
{
    uint32_t var = 0;
    while (graph->numbers[var] != number) var++;
    return var;
}

static void add_core(lion_join_graph *graph, lion_order *order, const lion_join_plan *plan)
{
    const lion_join_core *core = plan->core;
    const lion_cycle *cycle = core->cycle;
    uint32_t at = order->count;
    uint32_t *clauses = lion_arena_array(&graph->scope->run->arena, uint32_t, cycle->edge_count);
    lion_order_set *sets = lion_arena_array(&graph->scope->run->arena, lion_order_set, core->restriction_count + 1);
    if (graph->scope->run->arena.is_exhausted) return;
    for (uint32_t i = 0; i < core->restriction_count; i++) {
        sets[i] = (lion_order_set){ .var = scope_var(graph, core->restrictions[i].var), .order = order_of(graph, core->restrictions[i].plan) };
        if (sets[i].order == NULL) return;
    }
    for (uint32_t i = 0; i < cycle->edge_count; i++) clauses[i] = cycle->edges[i].at;
    add_step(graph, order, clauses[0], NULL, before_extras(graph, order, plan->made, core->vars), core->vars);
    if (at == order->count) return;
    order->steps[at].cycle = clauses;
    order->steps[at].cycle_count = cycle->edge_count;
    order->steps[at].sets = sets;
    order->steps[at].set_count = core->restriction_count;
    order->steps[at].is_join = true;
    add_extras(graph, order, false);
    keep_rows(order, plan);
}

static void add_plan(lion_join_graph *graph, lion_order *order, const lion_join_plan *plan)
{
    if (plan->left != NULL) add_plan(graph, order, plan->left);
    if (plan->core != NULL) {
        add_core(graph, order, plan);
        return;
    }
    if (plan->right == NULL) {
        add_node(graph, order, plan);
        return;
    }
    lion_order *group = order_of(graph, plan->right);
    if (group == NULL) return;
    uint32_t at = order->count;
    add_step(graph, order, 0, group, before_extras(graph, order, plan->made, bound_after(group)), bound_after(group));
    if (at < order->count) order->steps[at].is_join = true;
    if (at < order->count) order->steps[at].is_merged = plan->is_merged;
    if (at < order->count) order->steps[at].is_semi = !plan->is_merged && lion_join_is_semi(graph, plan->left, plan->right);
    add_extras(graph, order, false);
    keep_rows(order, plan);
}

/* ---- what comes late ---- */

typedef struct place {
    lion_order *order;
    uint32_t at;
    double rows;
} place;

/* Where the fewest rows are, of the steps that have what is needed; of such, the last. */
static void find_place(place *best, lion_order *order, uint64_t needs)
{
    for (uint32_t i = 0; i <= order->count; i++) {
        uint64_t bound = i == 0 ? order->start : order->steps[i - 1].bound;
        double rows = i == 0 ? order->start_rows : order->steps[i - 1].kept;
        if ((needs & ~bound) == 0 && rows <= best->rows) *best = (place){ .order = order, .at = i, .rows = rows };
        if (i < order->count && order->steps[i].group != NULL) {
            place inside = { .rows = INFINITY };
            find_place(&inside, order->steps[i].group, needs);
            if (inside.rows * 2 < best->rows) *best = inside; /* what is fetched there must be kept in the table */
        }
    }
}

static void add_bound(lion_order *order, uint32_t from, uint64_t adds)
{
    for (uint32_t i = from; i < order->count; i++) order->steps[i].bound |= adds;
}

static bool add_late(lion_join_graph *graph, lion_order *order, lion_join_extra *extra)
{
    place best = { .rows = INFINITY };
    if (extra->selects > 1.0) {
        if ((extra->needs & ~bound_after(order)) != 0) return false;
        best = (place){ .order = order, .at = order->count, .rows = rows_after(order) };
    } else {
        find_place(&best, order, extra->needs);
        for (uint32_t i = order->count; graph->scope->run->dice != 0 && i > 0 && (extra->needs & ~order->steps[i - 1].bound) == 0; i--)
            if (lion_plan_dice(graph->scope->run, 2) == 1) best = (place){ .order = order, .at = i, .rows = order->steps[i - 1].kept };
    }
    if (best.order == NULL) return false;
    uint64_t bound = best.at == 0 ? best.order->start : best.order->steps[best.at - 1].bound;
    double rows = best.rows * extra->selects;
    lion_order_step step = { .clause = extra->clause, .rows = rows, .kept = rows, .bound = bound | extra->adds };
    insert_step(graph, best.order, best.at, step);
    add_bound(best.order, best.at, extra->adds);
    extra->is_done = true;
    return true;
}

/* Those that select most first; those that make more rows at the very end. false: some never find what they need. */
static bool add_late_ones(lion_join_graph *graph, lion_order *order)
{
    for (;;) {
        lion_join_extra *next = NULL;
        for (uint32_t i = 0; i < graph->extra_count; i++) {
            lion_join_extra *extra = &graph->extras[i];
            if (!extra->is_done && extra->is_late && (next == NULL || extra->selects < next->selects)) next = extra;
        }
        if (next == NULL) break;
        if (!add_late(graph, order, next)) return false;
        add_extras(graph, order, false);
    }
    for (uint32_t i = 0; i < graph->extra_count; i++)
        if (!graph->extras[i].is_done) return false;
    return true;
}

/* ---- making ---- */

/* A plan that is to take this long is worth a look at the data, for a part of that time. */
#define SAMPLE_COST_MIN_NS 300e3
/* … where values meet, which frequent ones do more often than any number tells, this long. */
#define SAMPLE_VALUES_MIN_NS 50e3
#define SAMPLE_PART 20
#define SAMPLE_MIN_NS 100e3
#define SAMPLE_MAX_NS 5e6

/* Fewer nodes are searched faster than looked up. */
#define CACHE_NODES_MIN 4

static bool is_worth_sampling(const lion_join_graph *graph, const lion_join_plan *plan)
{
    if (plan->cost_ns < SAMPLE_VALUES_MIN_NS || graph->scope->run->dice != 0) return false;
    if (graph->node_count < 2) /* only where a negation goes is open, which must not cost what it saves */
        return lion_join_has_branches(graph) && plan->cost_ns >= SAMPLE_MIN_NS * SAMPLE_PART;
    for (uint32_t n = 0; n < graph->node_count; n++) /* what a search finds is the least certain of all */
        if (graph->nodes[n].kind == LION_JOIN_RULE) return true;
    return plan->cost_ns >= SAMPLE_COST_MIN_NS || lion_join_by_value(graph);
}

static bool write_order(lion_order *order, lion_join_graph *graph, const lion_join_plan *plan)
{
    *order = (lion_order){ .start = graph->feed, .start_rows = graph->feed_rows };
    begin(graph, order);
    if (plan != NULL) add_plan(graph, order, plan);
    if (!add_late_ones(graph, order)) return false;
    order->rows = rows_after(order);
    order->cost_ns = plan == NULL ? 0 : plan->cost_ns;
    return !graph->scope->run->arena.is_exhausted;
}

static bool search(lion_order *order, lion_join_graph *graph)
{
    lion_plan_cache *cache = lion_run_is_told(graph->scope->run) ? NULL : graph->scope->cache;
    lion_arena *arena = &graph->scope->run->arena;
    uint64_t key = 0;
    if (graph->scope->run->dice == 0) lion_join_look(graph);
    if (cache != NULL) key = lion_plan_cache_key(graph);
    if (cache != NULL && lion_plan_cache_get(order, cache, key, arena)) return true;
    const lion_join_plan *plan = lion_join_search(graph);
    if (plan == NULL) return false;
    bool is_dear = is_worth_sampling(graph, plan);
    if (is_dear) {
        int64_t time_ns = (int64_t)fmin(fmax(plan->cost_ns / SAMPLE_PART, SAMPLE_MIN_NS), SAMPLE_MAX_NS);
        lion_join_sample(graph, time_ns, plan->cost_ns >= SAMPLE_COST_MIN_NS);
        plan = lion_join_search(graph);
    }
    if (plan == NULL || !write_order(order, graph, plan)) return false;
    if (cache != NULL && (is_dear || graph->node_count >= CACHE_NODES_MIN)) lion_plan_cache_put(cache, key, order);
    return true;
}

/* References of the cores in the plan that have no room for them. */
static double references_missed(const lion_join_plan *plan)
{
    if (plan == NULL) return 0;
    double missed = plan->core != NULL && plan->core->cycle->lacks_room ? plan->core->references : 0;
    return missed + references_missed(plan->left) + references_missed(plan->right);
}

/* The run is told of what it would do if it had room for it. */
static void tell_missed(const lion_join_graph *graph, const lion_operator *operator, const uint8_t *needed)
{
    lion_run *run = graph->scope->run;
    lion_join_graph *all = lion_arena_new(&run->arena, lion_join_graph);
    all->ignores_room = true;
    if (run->dice != 0 || !lion_join_graph_make(all, graph->scope, graph->todo, operator, needed)) return;
    run->references_missed = fmax(run->references_missed, references_missed(lion_join_search(all)));
}

static bool make(lion_order *order_out, lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *needed, bool is_flat)
{
    lion_join_graph *graph = lion_arena_new(&scope->run->arena, lion_join_graph);
    if (!lion_join_graph_make(graph, scope, todo, operator, needed)) return false;
    if (graph->lacks_room && scope->run->options.statistics) tell_missed(graph, operator, needed);
    for (uint32_t n = 0; is_flat && n < graph->node_count; n++) graph->nodes[n].uses_feed = true;
    return graph->node_count == 0 ? write_order(order_out, graph, NULL) : search(order_out, graph);
}

#define SEARCH_KEPT 16384 /* bytes that are not worth it */

/* Graph, samples and search may have taken much memory, of which the order is a little: only that is kept for the time that the plan
 * runs. */
static void forget_search(lion_order *order, bool is_made, lion_arena *arena, lion_arena_mark mark)
{
    lion_arena held;
    lion_arena_init(&held, 0);
    lion_order own = *order;
    if (is_made) lion_order_copy(&own, order, &held);
    bool is_exhausted = arena->is_exhausted || held.is_exhausted;
    lion_arena_rewind(arena, mark);
    if (is_made) lion_order_copy(order, &own, arena);
    arena->is_exhausted = arena->is_exhausted || is_exhausted;
    lion_arena_deinit(&held);
}

bool lion_order_make(lion_order *order_out, lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *needed, bool is_flat)
{
    lion_arena *arena = &scope->run->arena;
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i]) lion_rules_get_ready(scope->engine, todo->items[i]);
    lion_arena_mark mark = lion_arena_set_mark(arena);
    size_t filled = lion_arena_filled(arena);
    bool is_made = make(order_out, scope, todo, operator, needed, is_flat);
    if (lion_arena_filled(arena) > filled + SEARCH_KEPT) forget_search(order_out, is_made, arena, mark);
    return is_made;
}
