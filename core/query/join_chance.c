/* join_chance.c - any plan of a join graph, for tests that ask whether all plans have the same answers. */
#include "query/join_search.h"

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* All of a core onto the plan, whatever it costs; NULL is no plan yet. */
static const lion_join_plan *with_core(const lion_join_graph *graph, const lion_join_plan *plan, const lion_join_core *core)
{
    if (plan == NULL) return lion_join_core_alone(graph, core);
    lion_join_plan wider = lion_join_set_of(graph, plan->set | core->all);
    wider.left = plan;
    wider.core = core;
    wider.cost_ns = plan->cost_ns;
    return lion_join_plan_copy(graph, &wider);
}

/* The plan with one of the nodes that come in its order, merged; NULL: there is none. */
static const lion_join_plan *merged_by_chance(const lion_join_searching *self, const lion_join_plan *plan, const uint32_t *ready, uint32_t count)
{
    const lion_join_graph *graph = self->graph;
    uint32_t first = lion_plan_dice(graph->scope->run, count);
    for (uint32_t i = 0; i < count && plan->ascending != 0; i++) {
        uint32_t n = ready[(first + i) % count], var = plan->ascending - 1U;
        lion_join_plan *right = (self->sorted_by[var] & bit(n)) != 0 ? lion_join_alone(self, n) : NULL;
        if (right == NULL) continue;
        lion_join_plan way = lion_join_way_by(self, right, var), wider = lion_join_set_of(graph, plan->set | bit(n));
        lion_join_set_way(right, &way);
        if (lion_join_common_order(graph, plan, right) == 0) continue;
        wider.left = plan;
        wider.right = right;
        wider.is_merged = true;
        wider.ascending = plan->ascending;
        wider.cost_ns = plan->cost_ns;
        return lion_join_plan_copy(graph, &wider);
    }
    return NULL;
}

/* The node first, now and then in an order that another one can come in. */
static void order_by_chance(const lion_join_searching *self, lion_join_plan *first, uint32_t n)
{
    const lion_join_graph *graph = self->graph;
    uint32_t vars[LION_JOIN_VARS_MAX], count = 0;
    for (uint32_t var = 0; var < graph->var_count; var++)
        if ((self->sorted_by[var] & bit(n)) != 0) vars[count++] = var;
    if (count == 0 || (lion_plan_dice(graph->scope->run, 2) == 0 && !lion_run_forces(graph->scope->run, LION_PLAN_MERGE_JOIN))) return;
    lion_join_plan way = lion_join_way_by(self, first, vars[lion_plan_dice(graph->scope->run, count)]);
    lion_join_set_way(first, &way);
}

/* Any plan: a node that is ready, again and again, joined in one way or the other; now and then two of them first, or a core. */
const lion_join_plan *lion_join_by_chance(lion_join_searching *self)
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
            if (is_left && lion_join_is_ready(graph, &graph->nodes[n], plan == NULL ? 0 : plan->bound)) ready[count++] = n;
        }
        if (count == 0) return NULL;
        uint32_t n = ready[lion_plan_dice(run, count)], other = ready[lion_plan_dice(run, count)];
        const lion_join_core *core = lion_join_core_with(self, n, plan);
        if (core != NULL && (lion_run_forces(run, LION_PLAN_MULTIWAY_JOIN) || lion_plan_dice(run, 2) == 0)) {
            plan = with_core(graph, plan, core);
            if (plan == NULL) return NULL;
            continue;
        }
        lion_join_plan *alone_first = lion_join_alone(self, n);
        const lion_join_plan *single = alone_first, *next = lion_join_alone(self, other);
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
        if (other != n && single != NULL && next != NULL && lion_join_is_free(graph, bit(n) | bit(other)) && lion_plan_dice(run, 2) == 0) {
            lion_join_plan pair = lion_join_set_of(graph, bit(n) | bit(other));
            lion_join_consider(self, &pair, single, next, bit(other));
            right_set |= bit(other);
            if (may_hash && lion_join_can_hash(graph, plan, &pair)) single = lion_join_plan_copy(graph, &pair);
            else right_set = bit(n);
        }
        lion_join_plan wider = lion_join_set_of(graph, plan->set | right_set);
        bool is_wanted = right_set != bit(n) || lion_run_forces(run, LION_PLAN_BUILD) || lion_plan_dice(run, 2) == 0;
        bool is_hashed = single != NULL && may_hash && is_wanted && lion_join_can_hash(graph, plan, single);
        wider.left = plan;
        wider.right = is_hashed ? single : NULL;
        wider.node = is_hashed ? LION_JOIN_NODES_MAX : n;
        wider.ascending = is_hashed ? 0 : plan->ascending;
        wider.cost_ns = plan->cost_ns;
        plan = lion_join_plan_copy(graph, &wider);
        if (plan == NULL) return NULL;
    }
    return plan;
}
