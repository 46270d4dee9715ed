/* join_search.c - the cheapest plan of a join graph: dynamic programming over connected sets of nodes, each pair of sets that
 * join looked at once (Moerkotte and Neumann's DPccp); greedy beyond so many nodes or pairs. Plans may be bushy. */
#include <math.h>

#include "query/join_search.h"

#define PAIRS_MAX 4000

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- pairs of connected sets ---- */

static uint64_t neighbours_of(const lion_join_searching *self, uint64_t set)
{
    uint64_t all = 0;
    for (uint64_t left = set; left != 0; left &= left - 1) all |= self->neighbours[__builtin_ctzll(left)];
    return all & ~set;
}

static void join_pair(lion_join_searching *self, uint64_t one, uint64_t other)
{
    if (++self->pairs > PAIRS_MAX) return;
    uint64_t set = one | other;
    lion_join_plan *known = self->best[set];
    lion_join_plan plan = known != NULL ? *known : lion_join_set_of(self->graph, set);
    lion_join_consider(self, &plan, self->best[one], self->best[other], other);
    lion_join_consider(self, &plan, self->best[other], self->best[one], one);
    if (plan.left == NULL || isinf(plan.cost_ns)) return;
    if (known != NULL) *known = plan;
    else self->best[set] = lion_join_plan_copy(self->graph, &plan);
}

static void grow_other(lion_join_searching *self, uint64_t one, uint64_t other, uint64_t excluded)
{
    uint64_t near = neighbours_of(self, other) & ~excluded;
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near) join_pair(self, one, other | part);
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near)
        grow_other(self, one, other | part, excluded | near);
}

static void pair_with_others(lion_join_searching *self, uint64_t one)
{
    uint64_t least = one & -one, excluded = one | (least - 1), near = neighbours_of(self, one) & ~excluded;
    for (uint64_t left = near; left != 0 && self->pairs <= PAIRS_MAX;) {
        uint64_t other = bit(63 - (uint32_t)__builtin_clzll(left));
        left &= ~other;
        join_pair(self, one, other);
        grow_other(self, one, other, excluded | (near & (other | (other - 1))));
    }
}

static void grow_one(lion_join_searching *self, uint64_t one, uint64_t excluded)
{
    uint64_t near = neighbours_of(self, one) & ~excluded;
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near) pair_with_others(self, one | part);
    for (uint64_t part = near & -near; part != 0 && self->pairs <= PAIRS_MAX; part = (part - near) & near)
        grow_one(self, one | part, excluded | near);
}

/* ---- the search ---- */

static void find_neighbours(lion_join_searching *self)
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

static uint64_t component(const lion_join_searching *self, uint32_t from)
{
    uint64_t set = bit(from);
    for (uint64_t near; (near = neighbours_of(self, set)) != 0;) set |= near;
    return set;
}

/* The next node begins a core: all of it at once instead, where that costs less than its patterns one by one. */
static void at_once(const lion_join_searching *self, lion_join_plan *next, const lion_join_plan *before)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_core *core = next->node == LION_JOIN_NODES_MAX ? NULL : lion_join_core_with(self, next->node, before);
    if (core == NULL) return;
    lion_join_plan all = lion_join_set_of(graph, before->set | core->all), step = *next;
    lion_join_consider_core(self, &all, before, core);
    for (uint64_t left; (left = core->all & ~step.set) != 0;) {
        lion_join_plan best = { .cost_ns = INFINITY, .rows = INFINITY };
        const lion_join_plan *kept = lion_join_plan_copy(graph, &step);
        if (kept == NULL) return;
        for (left &= neighbours_of(self, step.set); left != 0; left &= left - 1) {
            lion_join_plan one = lion_join_set_of(graph, step.set | (left & -left));
            lion_join_consider(self, &one, kept, NULL, left & -left);
            if (one.left != NULL && one.rows < best.rows) best = one;
        }
        if (best.left == NULL) return;
        step = best;
    }
    if (all.cost_ns < step.cost_ns) *next = all;
}

/* The cheapest next node, again and again. */
static const lion_join_plan *greedy(lion_join_searching *self, uint64_t set)
{
    const lion_join_graph *graph = self->graph;
    lion_join_plan *singles[LION_JOIN_NODES_MAX], *plan = NULL;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        uint32_t n = (uint32_t)__builtin_ctzll(left);
        singles[n] = lion_join_alone(self, n);
        if (singles[n] == NULL) continue;
        bool is_fewer = plan == NULL || singles[n]->rows < plan->rows || (singles[n]->rows == plan->rows && singles[n]->cost_ns < plan->cost_ns);
        if (is_fewer) plan = singles[n];
    }
    while (plan != NULL && plan->set != set) {
        uint64_t near = neighbours_of(self, plan->set) & set;
        lion_join_plan best = { .cost_ns = INFINITY, .rows = INFINITY };
        for (; near != 0; near &= near - 1) {
            uint32_t n = (uint32_t)__builtin_ctzll(near);
            lion_join_plan next = lion_join_set_of(graph, plan->set | bit(n));
            lion_join_consider(self, &next, plan, singles[n], bit(n));
            if (next.left == NULL) continue;
            bool is_better = next.rows < best.rows || (next.rows == best.rows && next.cost_ns < best.cost_ns);
            if (best.left == NULL || is_better) best = next;
        }
        if (best.left != NULL && !isinf(best.cost_ns)) at_once(self, &best, plan);
        plan = best.left == NULL ? NULL : lion_join_plan_copy(graph, &best);
    }
    return plan;
}

/* The core by itself, where it is cheaper than what its nodes had before. */
static void seed_core(lion_join_searching *self, const lion_join_core *core, uint64_t set)
{
    lion_join_plan *alone = (core->all & ~set) == 0 ? lion_join_core_alone(self->graph, core) : NULL, **best = &self->best[core->all];
    if (alone != NULL && (*best == NULL || alone->cost_ns < (*best)->cost_ns)) *best = alone;
}

static const lion_join_plan *of_component(lion_join_searching *self, uint64_t set)
{
    uint32_t count = (uint32_t)__builtin_popcountll(set);
    if (count == 1) return lion_join_alone(self, (uint32_t)__builtin_ctzll(set));
    if (self->best == NULL || count > LION_JOIN_SEARCH_MAX) return greedy(self, set);
    self->pairs = 0;
    for (uint64_t left = set; left != 0; left &= left - 1) self->best[left & -left] = lion_join_alone(self, (uint32_t)__builtin_ctzll(left));
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
static uint64_t beside_core(const lion_join_searching *self, const lion_join_core *core, uint32_t from)
{
    uint64_t set = bit(from);
    for (uint64_t near; (near = neighbours_of(self, set) & ~core->set) != 0;) set |= near;
    return set;
}

/* A set that has more of a variable's values than this leaves out too little. */
#define RESTRICTS_PART 0.5

/* The nodes bind one variable of the core, stand by themselves, and nothing else of theirs is asked for. */
static bool restricts(lion_join_restriction *out, lion_join_searching *self, const lion_join_core *core, uint64_t set)
{
    const lion_join_graph *graph = self->graph;
    lion_join_plan whole = lion_join_set_of(graph, set);
    uint64_t common = whole.bound & core->vars & ~graph->known;
    if ((common & (common - 1)) != 0 || common == 0 || !lion_join_is_free(graph, set)) return false;
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
static bool restrict_core(lion_join_searching *self, lion_join_core *out, const lion_join_core *core)
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
static bool restrict_cores(lion_join_searching *self, uint64_t set)
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
static const lion_join_plan *product(lion_join_searching *self, const lion_join_plan **parts, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++)
        for (uint32_t k = i; k > 0 && parts[k]->rows < parts[k - 1]->rows; k--) {
            const lion_join_plan *swapped = parts[k];
            parts[k] = parts[k - 1];
            parts[k - 1] = swapped;
        }
    const lion_join_plan *plan = parts[0];
    for (uint32_t i = 1; i < count && plan != NULL; i++) {
        lion_join_plan next = lion_join_set_of(self->graph, plan->set | parts[i]->set);
        lion_join_consider(self, &next, plan, parts[i], parts[i]->set);
        if (next.left == NULL) return NULL;
        plan = lion_join_plan_copy(self->graph, &next);
    }
    return plan;
}

const lion_join_plan *lion_join_search(const lion_join_graph *graph)
{
    lion_join_searching self = { .graph = graph, .core_count = graph->core_count };
    for (uint32_t i = 0; i < graph->core_count; i++) self.cores[i] = &graph->cores[i];
    lion_join_orders_find(&self);
    if (graph->scope->run->dice != 0) return lion_join_by_chance(&self);
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
