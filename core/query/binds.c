/* binds.c - what binds what: whether a clause can be done where some variables have values, and whether all of several can, in some order. */
#include "query/plan.h"

#define BINDS_DEPTH_MAX 64

/* The first variable that must be bound before the clause and is not; UINT32_MAX: none. */
static uint32_t unbound_need(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound)
{
    bool is_expression = clause->kind == LION_CLAUSE_PREDICATE || clause->kind == LION_CLAUSE_FUNCTION || clause->kind == LION_CLAUSE_QUERY;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        bool is_needed = is_expression || (clause->kind == LION_CLAUSE_RULE && scope->rules[clause->rule].required[i]);
        if (is_needed && clause->terms[i].kind == LION_TERM_VAR && !bound[clause->terms[i].index]) return clause->terms[i].index;
    }
    if (clause->kind == LION_CLAUSE_NOT)
        for (uint32_t i = 0; i < clause->var_count; i++)
            if (!bound[clause->vars[i]]) return clause->vars[i];
    for (uint32_t i = 0; i < clause->required_count; i++)
        if (!bound[clause->required[i]]) return clause->required[i];
    return UINT32_MAX;
}

static bool or_binds(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, uint32_t depth)
{
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        uint8_t inner[scope->capacity + 1];
        memset(inner, 0, scope->capacity + 1);
        for (uint32_t i = 0; i < clause->var_count; i++) inner[clause->vars[i]] = bound[clause->vars[i]];
        for (uint32_t i = 0; i < clause->required_count; i++) inner[clause->required[i]] = 1;
        if (!lion_plan_binds(scope, &clause->branches[b], inner, NULL, depth + 1)) return false;
        for (uint32_t i = 0; i < clause->var_count; i++)
            if (!inner[clause->vars[i]]) return false;
    }
    return true;
}

static bool rule_binds(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, uint32_t depth)
{
    const lion_rule *rule = &scope->rules[clause->rule];
    lion_scope inner_scope = { .rules = scope->rules, .capacity = rule->var_count };
    if (depth > BINDS_DEPTH_MAX / 8) return true; /* a recursion: the branch that ends it decides */
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        uint8_t inner[rule->var_count + 1];
        memset(inner, 0, rule->var_count + 1);
        for (uint32_t i = 0; i < rule->arity; i++) {
            const lion_term *term = &clause->terms[i];
            inner[i] = term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && bound[term->index]);
        }
        if (!lion_plan_binds(&inner_scope, &rule->branches[b], inner, NULL, depth + 4)) return false;
        for (uint32_t i = 0; i < rule->arity; i++)
            if (!inner[i]) return false;
    }
    return true;
}

static bool is_ready(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, uint32_t depth)
{
    if (unbound_need(scope, clause, bound) != UINT32_MAX) return false;
    if (clause->kind == LION_CLAUSE_OR) return or_binds(scope, clause, bound, depth);
    if (clause->kind == LION_CLAUSE_RULE) return rule_binds(scope, clause, bound, depth);
    return true;
}

bool lion_plan_is_ready(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound)
{
    return is_ready(scope, clause, bound, 0);
}

bool lion_plan_binds(const lion_scope *scope, const lion_clauses *clauses, uint8_t *bound, const lion_clause **stuck_out, uint32_t depth)
{
    if (depth > BINDS_DEPTH_MAX) return true;
    uint8_t is_done[clauses->count + 1];
    memset(is_done, 0, clauses->count + 1);
    for (bool moves = true; moves;) {
        moves = false;
        for (uint32_t i = 0; i < clauses->count; i++) {
            if (is_done[i] || !is_ready(scope, &clauses->items[i], bound, depth)) continue;
            is_done[i] = 1;
            moves = true;
            if (clauses->items[i].kind != LION_CLAUSE_NOT) lion_clause_mark_vars(&clauses->items[i], bound);
        }
    }
    for (uint32_t i = 0; i < clauses->count; i++)
        if (!is_done[i]) {
            if (stuck_out != NULL) *stuck_out = &clauses->items[i];
            return false;
        }
    return true;
}

static bool has_unbound(const lion_clause *call, const uint8_t *bound)
{
    for (uint32_t i = 0; i < call->term_count; i++)
        if (call->terms[i].kind == LION_TERM_VAR && !bound[call->terms[i].index]) return true;
    return false;
}

/* Dig for the clause inside that is stuck, so that the message points at it; or for the call of the rule that said it, which is
 * what was written there. */
lion_status lion_plan_fail_binding(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, lion_error *error)
{
    if (clause->call != NULL && has_unbound(clause->call, bound)) clause = clause->call;
    uint32_t var = unbound_need(scope, clause, bound);
    if (var == UINT32_MAX && clause->kind == LION_CLAUSE_OR)
        for (uint32_t i = 0; i < clause->var_count && var == UINT32_MAX; i++)
            if (!bound[clause->vars[i]]) var = clause->vars[i];
    if (var == UINT32_MAX)
        for (uint32_t i = 0; i < clause->term_count && var == UINT32_MAX; i++)
            if (clause->terms[i].kind == LION_TERM_VAR && !bound[clause->terms[i].index]) var = clause->terms[i].index;
    lion_slice name = var < scope->name_count ? scope->names[var] : lion_slice_text("a variable");
    return lion_fail(error, LION_INCORRECT, "db.error/insufficient-binding", "[%.*s] not bound in clause: %.*s", (int)name.size,
                     (const char *)name.data, (int)(clause->text.size < 400 ? clause->text.size : 400), (const char *)clause->text.data);
}
