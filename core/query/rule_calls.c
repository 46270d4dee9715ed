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
