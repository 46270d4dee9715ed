/* rules.c - the rules of a query: what they are rewritten to before they are planned, and who answers their calls. Rules that are
 * paths through a graph are searches (path.h), all others have tables (rule_tables.h).
 *
 * p(x, y) :- p(x, z), p(z, y), beside branches without recursion, is their transitive closure: its first call is replaced
 * by those branches (the exit rule), which makes it a linear recursion. */
#include "query/rule_calls.h"
#include "query/rule_tables.h"

/* ---- closures ---- */

static bool is_call(const lion_clause *clause, uint32_t rule, uint32_t first, uint32_t second)
{
    return clause->kind == LION_CLAUSE_RULE && clause->rule == rule && clause->terms[0].kind == LION_TERM_VAR &&
           clause->terms[1].kind == LION_TERM_VAR && clause->terms[0].index == first && clause->terms[1].index == second;
}

/* The variable in the middle of p(0, z), p(z, 1), in either order; UINT32_MAX: not of this shape. */
static uint32_t closure_middle(const lion_clauses *branch, uint32_t rule, uint32_t *first_out)
{
    if (branch->count != 2) return UINT32_MAX;
    for (uint32_t first = 0; first < 2; first++) {
        const lion_clause *clause = &branch->items[first];
        if (clause->kind != LION_CLAUSE_RULE || clause->rule != rule || clause->terms[1].kind != LION_TERM_VAR) continue;
        uint32_t middle = clause->terms[1].index;
        if (middle < 2 || !is_call(clause, rule, 0, middle) || !is_call(&branch->items[1 - first], rule, middle, 1)) continue;
        *first_out = first;
        return middle;
    }
    return UINT32_MAX;
}

static void linearise(lion_rules *self, uint32_t r)
{
    const lion_query_ir *ir = self->ir;
    lion_arena *arena = &self->run->arena;
    lion_rule *rule = &self->rules[r], *exit = &self->rules[ir->rule_count + r];
    uint32_t double_at = UINT32_MAX, first = 0, exits = 0;
    *exit = *rule;
    if (rule->arity != 2) return;
    exit->branches = lion_arena_array(arena, lion_clauses, rule->branch_count);
    exit->branch_count = 0;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        uint32_t at = 0;
        if (closure_middle(&rule->branches[b], r, &at) != UINT32_MAX) {
            double_at = b;
            first = at;
        } else {
            if (lion_clauses_call(ir, &rule->branches[b], r, arena)) return;
            exit->branches[exits++] = rule->branches[b];
        }
    }
    exit->branch_count = exits;
    if (double_at == UINT32_MAX) return;
    lion_clauses *branches = lion_arena_array(arena, lion_clauses, rule->branch_count);
    memcpy(branches, rule->branches, sizeof(*branches) * rule->branch_count);
    lion_clause *items = lion_arena_array(arena, lion_clause, 2);
    memcpy(items, branches[double_at].items, sizeof(*items) * 2);
    items[first].rule = ir->rule_count + r;
    branches[double_at].items = items;
    rule->branches = branches;
}

/* Until no rule gives more: what is given by one that is called, is given. */
static void find_given(lion_rules *self)
{
    uint32_t count = 2 * self->ir->rule_count;
    lion_arena *arena = &self->run->arena;
    self->gives = lion_arena_zalloc(arena, sizeof(uint64_t) * (count + 1));
    for (bool grows = count > 0; grows && !arena->is_exhausted;) {
        grows = false;
        for (uint32_t r = 0; r < count; r++) {
            const lion_rule *rule = &self->rules[r];
            uint64_t before = self->gives[r];
            uint8_t *marks = lion_arena_zalloc(arena, rule->var_count + 1);
            for (uint32_t b = 0; b < rule->branch_count; b++) lion_clauses_mark_given(self->run, self->gives, &rule->branches[b], marks);
            for (uint32_t i = 0; i < rule->arity && i < LION_RULE_ARITY_MAX; i++) self->gives[r] |= (uint64_t)(marks[i] != 0) << i;
            grows = grows || self->gives[r] != before;
        }
    }
}

const uint64_t *lion_rules_gives(const lion_rules *rules)
{
    return rules->gives;
}

lion_rules *lion_rules_new(lion_run *run, const lion_query_ir *ir)
{
    lion_rules *self = lion_arena_new(&run->arena, lion_rules);
    self->run = run;
    self->ir = ir;
    self->rule_count = 2 * ir->rule_count;
    self->rules = lion_arena_zalloc(&run->arena, sizeof(lion_rule) * (2 * (size_t)ir->rule_count + 1));
    if (ir->rule_count > 0) memcpy(self->rules, ir->rules, sizeof(lion_rule) * ir->rule_count);
    for (uint32_t r = 0; r < ir->rule_count; r++) linearise(self, r);
    self->paths = lion_arena_zalloc(&run->arena, sizeof(lion_path_rule) * (2 * (size_t)ir->rule_count + 1));
    self->stats = lion_arena_zalloc(&run->arena, sizeof(lion_rule_stats) * (2 * (size_t)ir->rule_count + 1));
    find_given(self);
    return self;
}

lion_paths *const *lion_rules_paths(lion_rules *self, uint32_t rule)
{
    lion_arena *arena = &self->run->arena;
    lion_path_rule *path = &self->paths[rule];
    if (path->is_read) return path->searches[0] == NULL ? NULL : path->searches;
    path->is_read = true;
    if (!lion_run_allows(self->run, LION_PLAN_PATH_SEARCH)) return NULL;
    lion_path_shape *shapes = lion_arena_zalloc(arena, sizeof(lion_path_shape) * 2);
    lion_graph *graph = lion_arena_new(arena, lion_graph);
    for (int i = 0; i < 2; i++)
        if (arena->is_exhausted || !lion_path_shape_of(&shapes[i], self->run, self->rules, rule, i == 1)) return NULL;
    lion_graph_init(graph, self->run, self->run->sources[shapes[0].source].db, shapes[0].hop_count);
    lion_paths *forward = lion_paths_new(self->run, graph, &shapes[0], false), *backward = lion_paths_new(self->run, graph, &shapes[1], true);
    if (arena->is_exhausted) return NULL; /* the next check of the run says so */
    path->shapes = shapes;
    path->searches[0] = forward;
    path->searches[1] = backward;
    return path->searches;
}

bool lion_rules_is_path(lion_rules *rules, uint32_t rule)
{
    return lion_rules_paths(rules, rule) != NULL;
}

const lion_rule *lion_rules_list(const lion_rules *rules)
{
    return rules->rules;
}

/* ---- engines ---- */

/* Engines that wait for each other, one below the other on the stack. */
#define ENGINES_DEPTH_MAX 64

uint32_t lion_rules_component(lion_rules *self, uint32_t rule)
{
    if (self->components.of == NULL) lion_rule_components_find(&self->components, self->rules, self->rule_count, &self->run->arena);
    return self->components.of == NULL ? 0 : self->components.of[rule]; /* without memory, which the next check of the run tells */
}

lion_rule_engine *lion_rules_engine(lion_rules *self, uint32_t component)
{
    lion_arena *arena = &self->run->arena;
    if (self->engines == NULL) self->engines = lion_arena_zalloc(arena, sizeof(lion_rule_engine *) * (self->rule_count + 1));
    if (self->engines == NULL || arena->is_exhausted) return NULL;
    if (self->engines[component] == NULL) {
        self->engines[component] = lion_arena_new(arena, lion_rule_engine);
        *self->engines[component] = (lion_rule_engine){ .rules = self, .component = component };
    }
    return self->engines[component];
}

bool lion_rules_is_cut(const lion_scope *scope, const lion_clause *clause)
{
    lion_rules *self = scope->engine;
    if (clause->kind != LION_CLAUSE_RULE || scope->tables == NULL || lion_rules_is_path(self, clause->rule)) return false;
    uint32_t component = lion_rules_component(self, clause->rule);
    return component == scope->component || (self->components.of != NULL && self->components.depth[component] >= ENGINES_DEPTH_MAX);
}

void lion_scope_mark_given(lion_scope *scope, const lion_clauses *clauses)
{
    lion_clauses_mark_given(scope->run, lion_rules_gives(scope->engine), clauses, scope->is_given);
}
