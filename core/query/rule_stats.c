/* rule_stats.c - how many rows a rule that calls itself holds of: by the numbers of the patterns in its branches that end the
 * recursion, and, of a path, by what a few searches find. */
#include <math.h>

#include "query/rule_tables.h"

/* So many times as many rows as the branches without recursion give, if no search tells. */
#define GROWTH 8.0
/* A search is looked at for so many steps; beyond, what it would find is guessed. */
#define STEPS_MAX 48

/* ---- by numbers ---- */

/* The different values of each variable of a branch, in the pattern that leaves it the fewest; 0: no pattern has it. */
typedef struct branch_numbers {
    double rows;
    double *fewest;
} branch_numbers;

static void note_var(branch_numbers *self, const lion_clause *clause, uint32_t place, double distinct)
{
    if (place >= clause->term_count || clause->terms[place].kind != LION_TERM_VAR) return;
    double *fewest = &self->fewest[clause->terms[place].index];
    distinct = fmax(distinct, 1);
    if (*fewest != 0) self->rows /= fmax(*fewest, distinct); /* values meet: all but the smallest number select */
    *fewest = *fewest == 0 ? distinct : fmin(*fewest, distinct);
}

static void note_pattern(branch_numbers *self, lion_scope *scope, const lion_clause *clause)
{
    const lion_source *source = &scope->run->sources[clause->source];
    lion_pattern_stats stats;
    if (source->db == NULL) {
        double rows = source->relation == NULL ? 0 : (double)source->relation->count;
        self->rows *= rows;
        for (uint32_t i = 0; i < clause->term_count; i++) note_var(self, clause, i, rows);
        return;
    }
    lion_stats_pattern(&stats, scope, clause);
    self->rows *= stats.count;
    note_var(self, clause, 0, fmin(stats.distinct_e, stats.count));
    note_var(self, clause, 2, fmin(stats.distinct_v, stats.count));
}

/* Does the branch call a rule that calls its own? */
static bool is_recursive(lion_rules *rules, uint32_t component, const lion_clauses *branch)
{
    for (uint32_t i = 0; i < branch->count; i++) {
        const lion_clause *clause = &branch->items[i];
        if (clause->kind == LION_CLAUSE_RULE && lion_rules_component(rules, clause->rule) == component) return true;
        for (uint32_t b = 0; b < clause->branch_count; b++)
            if (is_recursive(rules, component, &clause->branches[b])) return true;
    }
    return false;
}

static void add_branch(lion_rules *rules, lion_rule_stats *stats, const lion_rule *rule, const lion_clauses *branch)
{
    lion_scope scope = { .run = rules->run, .rules = rules->rules, .engine = rules, .capacity = rule->var_count };
    branch_numbers numbers = { .rows = 1, .fewest = lion_arena_zalloc(&rules->run->arena, sizeof(double) * (rule->var_count + 1)) };
    if (numbers.fewest == NULL) return;
    for (uint32_t i = 0; i < branch->count; i++)
        if (branch->items[i].kind == LION_CLAUSE_PATTERN) note_pattern(&numbers, &scope, &branch->items[i]);
    stats->rows += numbers.rows;
    for (uint32_t i = 0; i < rule->arity; i++) stats->distinct[i] += numbers.fewest[i] == 0 ? numbers.rows : numbers.fewest[i];
}

const lion_rule_stats *lion_rules_stats(lion_rules *rules, uint32_t at)
{
    lion_arena *arena = &rules->run->arena;
    const lion_rule *rule = &rules->rules[at];
    lion_rule_stats *stats = &rules->stats[at];
    uint32_t component = lion_rules_component(rules, at);
    bool grows = false;
    if (stats->distinct != NULL) return stats;
    stats->distinct = lion_arena_zalloc(arena, sizeof(double) * (rule->arity + 1));
    if (stats->distinct == NULL || arena->is_exhausted) return NULL;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        if (is_recursive(rules, component, &rule->branches[b])) grows = true;
        else add_branch(rules, stats, rule, &rule->branches[b]);
    }
    if (stats->rows == 0) /* it ends in a rule that it calls */
        for (uint32_t b = 0; b < rule->branch_count; b++) add_branch(rules, stats, rule, &rule->branches[b]);
    double most = 1;
    for (uint32_t i = 0; i < rule->arity; i++) most *= stats->distinct[i] = fmax(stats->distinct[i], 1);
    stats->rows = fmin(fmax(stats->rows, 1) * (grows ? GROWTH : 1), most);
    return stats;
}

void lion_rules_get_ready(lion_rules *rules, const lion_clause *clause)
{
    for (uint32_t b = 0; b < clause->branch_count; b++)
        for (uint32_t i = 0; i < clause->branches[b].count; i++) lion_rules_get_ready(rules, &clause->branches[b].items[i]);
    if (clause->kind != LION_CLAUSE_RULE) return;
    lion_rules_is_path(rules, clause->rule);
    lion_rules_stats(rules, clause->rule);
}

/* ---- by searches ---- */

double lion_rules_sample(lion_rules *rules, uint32_t rule, bool is_backward, const int64_t *ids, uint32_t count, int64_t *looks)
{
    if (!lion_rules_is_path(rules, rule) || count == 0) return -1;
    /* Searches of their own: what they hold goes with the planner's. */
    const lion_path_rule *path = &rules->paths[rule];
    lion_paths *paths = lion_paths_new(rules->run, path->searches[0]->graph, &path->shapes[is_backward], is_backward);
    if (rules->run->arena.is_exhausted) return -1;
    double most = lion_rules_stats(rules, rule) == NULL ? 1 : rules->stats[rule].distinct[!is_backward], sum = 0;
    uint32_t searched = 0;
    for (; searched < count && *looks > 0; searched++) {
        uint32_t steps = *looks < STEPS_MAX ? (uint32_t)*looks : STEPS_MAX;
        double found = lion_paths_look(paths, ids[searched], &steps, most);
        if (found < 0) return -1;
        sum += found;
        *looks -= steps;
    }
    return searched == 0 ? -1 : sum / searched;
}
