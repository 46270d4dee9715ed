/* rewrite.c - clauses that say nothing new. A clause that stands twice is done once; a pattern that only asks whether there is
 * something goes where another one finds it: beside [?e :person/name ?n], [?e :person/name _] is true of every row. */
#include "query/rewrite.h"

/* ---- how often variables are mentioned ---- */

static void count_binding(const lion_binding *binding, uint32_t *uses)
{
    if (binding->kind == LION_BIND_SCALAR) uses[binding->var]++;
    for (uint32_t i = 0; i < binding->count; i++) count_binding(&binding->parts[i], uses);
}

static void count_terms(const lion_term *terms, uint32_t count, uint32_t *uses)
{
    for (uint32_t i = 0; i < count; i++)
        if (terms[i].kind == LION_TERM_VAR) uses[terms[i].index]++;
}

static void count_clauses(const lion_clauses *clauses, uint32_t *uses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        count_terms(clause->terms, clause->term_count, uses);
        for (uint32_t k = 0; k < clause->var_count; k++) uses[clause->vars[k]]++;
        for (uint32_t k = 0; k < clause->required_count; k++) uses[clause->required[k]]++;
        count_binding(&clause->binding, uses);
        for (uint32_t b = 0; b < clause->branch_count; b++) count_clauses(&clause->branches[b], uses);
    }
}

static void count_query(const lion_query_ir *ir, uint32_t *uses)
{
    for (uint32_t i = 0; i < ir->element_count; i++) {
        uses[ir->elements[i].var]++;
        count_terms(ir->elements[i].terms, ir->elements[i].term_count, uses);
    }
    for (uint32_t i = 0; i < ir->with_count; i++) uses[ir->with[i]]++;
    for (uint32_t i = 0; i < ir->order_count; i++) uses[ir->order[i].var]++;
    for (uint32_t i = 0; i < ir->input_count; i++)
        if (ir->inputs[i].kind == LION_INPUT_BINDING) count_binding(&ir->inputs[i].binding, uses);
    count_clauses(&ir->where, uses);
}

/* ---- what says the same ---- */

#define FORM_DEPTH_MAX 32

static bool is_same_form(const lion_form *a, const lion_form *b, uint32_t depth)
{
    if (a->kind != b->kind || a->flags != b->flags || depth > FORM_DEPTH_MAX) return false;
    if (a->kind == LION_FORM_VALUE) return a->value.type == b->value.type && lion_value_equal(a->value, b->value);
    if (a->kind != LION_FORM_VECTOR || a->count != b->count) return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!is_same_form(&a->items[i], &b->items[i], depth + 1)) return false;
    return true;
}

static bool is_same_term(const lion_term *a, const lion_term *b)
{
    if (a->kind != b->kind) return false;
    if (a->kind == LION_TERM_CONST) return is_same_form(a->constant, b->constant, 0);
    return a->kind == LION_TERM_BLANK || a->index == b->index;
}

static bool has_same_terms(const lion_clause *a, const lion_clause *b)
{
    if (a->term_count != b->term_count) return false;
    for (uint32_t i = 0; i < a->term_count; i++)
        if (!is_same_term(&a->terms[i], &b->terms[i])) return false;
    return true;
}

static bool is_same_clause(const lion_clause *a, const lion_clause *b)
{
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case LION_CLAUSE_PATTERN: return a->source == b->source && has_same_terms(a, b);
    case LION_CLAUSE_RULE: return a->rule == b->rule && has_same_terms(a, b);
    case LION_CLAUSE_PREDICATE:
        return lion_slice_equal(a->name, b->name) && lion_function_named(a->name) != NULL && has_same_terms(a, b);
    default: return false;
    }
}

/* A variable that nothing else mentions asks no more than a blank does. */
static bool asks_nothing(const lion_term *term, const uint32_t *uses)
{
    return term->kind == LION_TERM_BLANK || (term->kind == LION_TERM_VAR && uses[term->index] == 1);
}

/* Is there a datom (or row) of the pattern wherever there is one of the other? */
static bool is_implied(const lion_clause *pattern, const lion_clause *other, const uint32_t *uses)
{
    bool are_patterns = pattern->kind == LION_CLAUSE_PATTERN && other->kind == LION_CLAUSE_PATTERN;
    if (!are_patterns || pattern->source != other->source || pattern->term_count > other->term_count) return false;
    for (uint32_t i = 0; i < pattern->term_count; i++)
        if (!asks_nothing(&pattern->terms[i], uses) && !is_same_term(&pattern->terms[i], &other->terms[i])) return false;
    return true;
}

static void forget(const lion_clause *clause, uint32_t *uses)
{
    for (uint32_t i = 0; i < clause->term_count; i++)
        if (clause->terms[i].kind == LION_TERM_VAR) uses[clause->terms[i].index]--;
}

static bool says_nothing_new(const lion_clauses *clauses, uint32_t at, const uint8_t *is_gone, const uint32_t *uses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        if (i == at || is_gone[i]) continue;
        if (i < at && is_same_clause(&clauses->items[at], &clauses->items[i])) return true;
        if (is_implied(&clauses->items[at], &clauses->items[i], uses)) return true;
    }
    return false;
}

static void rewrite_clauses(lion_clauses *clauses, uint32_t *uses, lion_arena *arena)
{
    uint32_t kept = 0;
    uint8_t *is_gone = lion_arena_zalloc(arena, clauses->count + 1);
    if (arena->is_exhausted) return;
    for (uint32_t i = 0; i < clauses->count; i++) {
        is_gone[i] = says_nothing_new(clauses, i, is_gone, uses);
        if (is_gone[i]) forget(&clauses->items[i], uses);
    }
    for (uint32_t i = 0; i < clauses->count; i++) {
        if (is_gone[i]) continue;
        clauses->items[kept++] = clauses->items[i];
        lion_clause *clause = &clauses->items[kept - 1];
        for (uint32_t b = 0; b < clause->branch_count; b++) rewrite_clauses(&clause->branches[b], uses, arena);
        if (clause->query != NULL) lion_rewrite_query(clause->query, arena);
    }
    clauses->count = kept;
}

static void rewrite_rule(lion_rule *rule, lion_arena *arena)
{
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        uint32_t *uses = lion_arena_zalloc(arena, sizeof(*uses) * (rule->var_count + 1));
        if (arena->is_exhausted) return;
        for (uint32_t i = 0; i < rule->arity; i++) uses[i] = 1;
        count_clauses(&rule->branches[b], uses);
        rewrite_clauses(&rule->branches[b], uses, arena);
    }
}

void lion_rewrite_query(lion_query_ir *ir, lion_arena *arena)
{
    uint32_t *uses = lion_arena_zalloc(arena, sizeof(*uses) * (ir->var_count + 1));
    if (arena->is_exhausted) return;
    count_query(ir, uses);
    rewrite_clauses(&ir->where, uses, arena);
    for (uint32_t i = 0; i < ir->rule_count; i++) rewrite_rule(&ir->rules[i], arena);
}
