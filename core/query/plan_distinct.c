/* plan_distinct.c - whether an operator's rows can be doubled: a set is only made where they can.
 *
 * Rows stay distinct when each says which row of the input and which datom it comes from. What a clause drops is no
 * loss if it has but one value, or if something that is kept determines it: an attribute of cardinality one gives each
 * entity one value, a unique one each value one entity, and what is computed is determined by what it is computed of. Of the past an
 * attribute promises that from when on it was so; history has a fact as often as it was asserted and retracted, each time by
 * another transaction, unless nothing of the attribute was ever retracted. */
#include "db/schema.h"
#include "index/view_parts.h"
#include "query/plan.h"

static bool has_var(const lion_operator *operator, uint32_t var)
{
    return lion_operator_slot(operator, var) != LION_SLOT_NONE;
}

/* Kept, or an input's one value. */
static bool is_certain(const lion_scope *scope, const lion_operator *output, uint32_t var)
{
    return has_var(output, var) || (scope->known != NULL && scope->known[var] != NULL);
}

/* … or determined by such a one. */
static bool is_told(const lion_scope *scope, const lion_operator *output, uint32_t var)
{
    const uint32_t *leaders = scope->leaders[var];
    for (uint32_t i = 0; i < 2; i++)
        if (leaders[i] != 0 && is_certain(scope, output, leaders[i] - 1)) return true;
    return is_certain(scope, output, var);
}

static void add_leader(lion_scope *scope, uint32_t var, uint32_t leader)
{
    uint32_t *leaders = scope->leaders[var];
    if (leaders[0] == 0 || leaders[0] == 1 + leader) leaders[0] = 1 + leader;
    else if (leaders[1] == 0) leaders[1] = 1 + leader;
}

static bool is_term_told(const lion_scope *scope, const lion_operator *input, const lion_operator *output, const lion_clause *clause,
                         uint32_t place)
{
    if (place >= clause->term_count) return false;
    const lion_term *term = &clause->terms[place];
    if (term->kind == LION_TERM_CONST) return true;
    if (term->kind != LION_TERM_VAR) return false;
    return has_var(input, term->index) || is_told(scope, output, term->index);
}

static uint32_t var_at(const lion_clause *clause, uint32_t place)
{
    bool is_var = place < clause->term_count && clause->terms[place].kind == LION_TERM_VAR;
    return is_var ? clause->terms[place].index : LION_SLOT_NONE;
}

/* ---- what a function's arguments determine, its answer has from them ---- */

/* A built-in that says the same of the same arguments, whenever it is asked. */
static bool is_pure(lion_slice name)
{
    const lion_function *function = lion_function_named(name);
    return function != NULL && !function->takes_source && !lion_function_yields(function) && !lion_slice_equal(name, lion_slice_text("rand"));
}

/* Whether the variable's value determines those of all arguments. */
static bool leads_arguments(const lion_scope *scope, const lion_clause *clause, uint32_t leader)
{
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind != LION_TERM_VAR || term->index == leader || (scope->known != NULL && scope->known[term->index] != NULL)) continue;
        const uint32_t *leaders = scope->leaders[term->index];
        if (leaders[0] != 1 + leader && leaders[1] != 1 + leader) return false;
    }
    return true;
}

/* Of an answer that the input has already the equal is kept, which may be of another type. What determines an argument comes
 * before the argument: of answers in a row it determines the last, too. */
static void follow_arguments(lion_scope *scope, const lion_clause *clause, const lion_operator *input)
{
    uint32_t answer = clause->binding.var;
    if (has_var(input, answer) || !is_pure(clause->name)) return;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        if (clause->terms[i].kind != LION_TERM_VAR) continue;
        uint32_t argument = clause->terms[i].index;
        const uint32_t candidates[3] = { scope->leaders[argument][0], scope->leaders[argument][1], 1 + argument };
        for (uint32_t k = 0; k < 3; k++)
            if (candidates[k] != 0 && leads_arguments(scope, clause, candidates[k] - 1)) add_leader(scope, answer, candidates[k] - 1);
    }
}

/* Does each datom that the pattern finds for a row show in what is kept? */
static bool pattern_tells(lion_scope *scope, const lion_clause *clause, const lion_operator *input, const lion_operator *output)
{
    const lion_db *db = scope->run->sources[clause->source].db;
    const lion_attribute *attribute = db == NULL ? NULL : lion_clause_attribute(db->schema, clause);
    if (attribute == NULL) return false;
    bool has_past = db->view.is_history && !lion_view_is_without_past(&db->view, attribute->id);
    int64_t t = db->view.is_history ? INT64_MAX : db->view.upper_t; /* a history without a past is what stands */
    bool tells_tx = !has_past || is_term_told(scope, input, output, clause, 3);
    bool is_one = !has_past && lion_attribute_was_one(attribute, t), is_unique = !has_past && lion_attribute_was_unique(attribute, t);
    uint32_t e = var_at(clause, 0), v = var_at(clause, 2);
    if (e != LION_SLOT_NONE && v != LION_SLOT_NONE && e != v) {
        if (is_one) add_leader(scope, v, e);
        if (is_unique) add_leader(scope, e, v);
    }
    bool tells_e = is_term_told(scope, input, output, clause, 0), tells_v = is_term_told(scope, input, output, clause, 2);
    return tells_tx && ((tells_e && (tells_v || is_one)) || (tells_v && is_unique));
}

/* Larger inputs are not looked through. */
#define INPUT_ROWS_MAX 4096

/* An input's rows are distinct, and show as they are. */
static bool input_tells(const lion_scope *scope, const lion_clause *clause, const lion_operator *output)
{
    const lion_plan_input *input = &scope->inputs[clause->rule];
    lion_relation seen;
    if (input->rows->count <= 1) return true;
    if (input->rows->count > INPUT_ROWS_MAX) return false;
    for (uint32_t i = 0; i < input->var_count; i++)
        if (!has_var(output, input->vars[i])) return false;
    lion_relation_init(&seen, &scope->run->arena, input->rows->width);
    for (size_t row = 0; row < input->rows->count; row++)
        if (!lion_relation_add(&seen, lion_relation_row(input->rows, row))) return false;
    return true;
}

static bool clause_tells(lion_scope *scope, const lion_clause *clause, const lion_operator *input, const lion_operator *output)
{
    switch (clause->kind) {
    case LION_PLAN_INPUT: return input_tells(scope, clause, output);
    case LION_CLAUSE_PATTERN: return pattern_tells(scope, clause, input, output);
    case LION_CLAUSE_PREDICATE:
    case LION_CLAUSE_NOT: return true;
    case LION_CLAUSE_FUNCTION:
        if (clause->binding.kind != LION_BIND_SCALAR) return false;
        follow_arguments(scope, clause, input);
        return true;
    default: return false;
    }
}

bool lion_plan_is_distinct(lion_scope *scope, const lion_clause *clause, const lion_operator *input, const lion_operator *output)
{
    if (!input->is_distinct || (!output->is_set && !clause_tells(scope, clause, input, output))) return false;
    for (uint32_t i = 0; i < input->width; i++)
        if (!is_told(scope, output, input->vars[i])) return false;
    return true;
}

bool lion_plan_is_result(const lion_operator *root, const uint8_t *needed)
{
    for (uint32_t i = 0; i < root->width; i++)
        if (!needed[root->vars[i]]) return false;
    return root->is_distinct;
}
