/* rule_calls.c - the graph of calls, walked from a rule's branches; what stands inside not and or counts, too. */
#include "query/rule_calls.h"

static bool calls_reach(const lion_query_ir *ir, const lion_clauses *clauses, uint32_t target, uint8_t *visited)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        for (uint32_t b = 0; b < clause->branch_count; b++)
            if (calls_reach(ir, &clause->branches[b], target, visited)) return true;
        if (clause->kind != LION_CLAUSE_RULE) continue;
        if (clause->rule == target) return true;
        if (visited[clause->rule]) continue;
        visited[clause->rule] = 1;
        for (uint32_t b = 0; b < ir->rules[clause->rule].branch_count; b++)
            if (calls_reach(ir, &ir->rules[clause->rule].branches[b], target, visited)) return true;
    }
    return false;
}

bool lion_clauses_call(const lion_query_ir *ir, const lion_clauses *clauses, uint32_t rule, lion_arena *arena)
{
    return calls_reach(ir, clauses, rule, lion_arena_zalloc(arena, ir->rule_count + 1));
}

bool lion_rule_is_recursive(const lion_query_ir *ir, uint32_t rule, lion_arena *arena)
{
    uint8_t *visited = lion_arena_zalloc(arena, ir->rule_count + 1);
    for (uint32_t b = 0; b < ir->rules[rule].branch_count; b++)
        if (calls_reach(ir, &ir->rules[rule].branches[b], rule, visited)) return true;
    return false;
}

/* ---- components (Tarjan) ---- */

typedef struct tarjan {
    const lion_rule *rules;
    lion_rule_components *components;
    uint32_t *number, *low;    /* per rule: 1 + when it was met, and the least that it leads back to; 0: not yet */
    uint32_t *stack;
    uint32_t stack_count, next;
} tarjan;

static void visit(tarjan *self, uint32_t rule);

static void visit_calls(tarjan *self, uint32_t rule, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        for (uint32_t b = 0; b < clause->branch_count; b++) visit_calls(self, rule, &clause->branches[b]);
        if (clause->kind != LION_CLAUSE_RULE) continue;
        uint32_t called = clause->rule;
        if (self->number[called] == 0) visit(self, called);
        bool is_open = self->components->of[called] == UINT32_MAX;
        if (is_open && self->low[called] < self->low[rule]) self->low[rule] = self->low[called];
    }
}

static uint32_t depth_below(const tarjan *self, const lion_clauses *clauses)
{
    uint32_t depth = 0;
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        uint32_t component = clause->kind == LION_CLAUSE_RULE ? self->components->of[clause->rule] : UINT32_MAX, below = 0;
        if (component < self->components->count) below = self->components->depth[component] + 1;
        for (uint32_t b = 0; b < clause->branch_count; b++) {
            uint32_t inside = depth_below(self, &clause->branches[b]);
            below = inside > below ? inside : below;
        }
        depth = below > depth ? below : depth;
    }
    return depth;
}

/* The rules from `rule` up on the stack are a component. */
static void close_component(tarjan *self, uint32_t rule)
{
    lion_rule_components *components = self->components;
    uint32_t first = self->stack_count, depth = 0;
    while (self->stack[first - 1] != rule) first--;
    for (uint32_t i = --first; i < self->stack_count; i++) {
        const lion_rule *member = &self->rules[self->stack[i]];
        components->of[self->stack[i]] = components->count;
        for (uint32_t b = 0; b < member->branch_count; b++) {
            uint32_t below = depth_below(self, &member->branches[b]);
            depth = below > depth ? below : depth;
        }
    }
    self->stack_count = first;
    components->depth[components->count++] = depth;
}

static void visit(tarjan *self, uint32_t rule)
{
    self->number[rule] = self->low[rule] = ++self->next;
    self->stack[self->stack_count++] = rule;
    for (uint32_t b = 0; b < self->rules[rule].branch_count; b++) visit_calls(self, rule, &self->rules[rule].branches[b]);
    if (self->low[rule] == self->number[rule]) close_component(self, rule);
}

void lion_rule_components_find(lion_rule_components *components_out, const lion_rule *rules, uint32_t rule_count, lion_arena *arena)
{
    tarjan self = { .rules = rules, .components = components_out };
    *components_out = (lion_rule_components){ 0 };
    uint32_t *of = lion_arena_array(arena, uint32_t, rule_count + 1);
    components_out->depth = lion_arena_zalloc(arena, sizeof(uint32_t) * (rule_count + 1));
    self.number = lion_arena_zalloc(arena, sizeof(uint32_t) * (rule_count + 1));
    self.low = lion_arena_zalloc(arena, sizeof(uint32_t) * (rule_count + 1));
    self.stack = lion_arena_array(arena, uint32_t, rule_count + 1);
    if (arena->is_exhausted) return;
    memset(of, 0xff, sizeof(uint32_t) * (rule_count + 1));
    components_out->of = of;
    for (uint32_t r = 0; r < rule_count; r++)
        if (self.number[r] == 0) visit(&self, r);
}
