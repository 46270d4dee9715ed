/* fanout.c - how many rows a clause of any kind leaves per row of an operator: a pattern by what is known of it (stats.c), others by little.
 * Nothing here decides what is right, only what comes first. */
#include <math.h>

#include "query/plan.h"

static bool is_bound(const lion_term *term, const lion_operator *operator)
{
    if (term->kind == LION_TERM_CONST) return true;
    return term->kind == LION_TERM_VAR && operator != NULL && lion_operator_slot(operator, term->index) != LION_SLOT_NONE;
}

static double input_fanout(const lion_plan_input *input, const lion_operator *operator)
{
    for (uint32_t i = 0; i < input->var_count; i++)
        if (lion_operator_slot(operator, input->vars[i]) != LION_SLOT_NONE) return 0.5;
    return (double)input->rows->count;
}

/* A rule holds of this part of the rows that bind all of its arguments, at most. */
#define RULE_HOLDS 0.6

static double rule_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    const lion_rule_stats *stats = lion_rules_stats(scope->engine, clause->rule);
    uint32_t bound = 0;
    double rows = stats == NULL ? 1 : stats->rows;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        if (!is_bound(&clause->terms[i], operator)) continue;
        if (stats != NULL) rows /= stats->distinct[i];
        bound++;
    }
    return bound == clause->term_count ? fmin(rows, RULE_HOLDS) : rows;
}

/* The branches' first steps tell little; what is bound tells most. */
static double or_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    double sum = 0;
    bool adds = false;
    for (uint32_t i = 0; i < clause->var_count; i++)
        if (lion_operator_slot(operator, clause->vars[i]) == LION_SLOT_NONE) adds = true;
    if (!adds) return 0.7;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        double least = 100000;
        for (uint32_t i = 0; i < clause->branches[b].count; i++) {
            const lion_clause *inner = &clause->branches[b].items[i];
            if (inner->kind == LION_CLAUSE_PATTERN || inner->kind == LION_CLAUSE_RULE || inner->kind == LION_CLAUSE_OR)
                least = fmin(least, lion_stats_fanout(scope, inner, operator));
        }
        sum += least;
    }
    return fmax(sum, 1.01);
}

double lion_stats_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    switch (clause->kind) {
    case LION_CLAUSE_PATTERN: return lion_stats_pattern_fanout(scope, clause, operator);
    case LION_PLAN_INPUT: return input_fanout(&scope->inputs[clause->rule], operator);
    case LION_CLAUSE_PREDICATE: return lion_function_named(clause->name) != NULL ? 0.05 : 0.15;
    case LION_CLAUSE_FUNCTION:
        return clause->binding.kind == LION_BIND_SCALAR || clause->binding.kind == LION_BIND_TUPLE ? 0.999 : 5;
    case LION_CLAUSE_QUERY: return clause->binding.kind == LION_BIND_SCALAR || clause->binding.kind == LION_BIND_TUPLE ? 1 : 50;
    case LION_CLAUSE_NOT: return 0.8;
    case LION_CLAUSE_OR: return or_fanout(scope, clause, operator);
    default: return rule_fanout(scope, clause, operator);
    }
}
