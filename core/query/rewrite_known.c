/* rewrite_known.c - what can be computed before anything is read: predicates and built-in functions of constants and of inputs of
 * one row. A function's answer is an input from there on, so that a comparison with it becomes a range, and a pattern with it a
 * look-up. What fails is left as it is, to fail where it stands, if a row comes to it. */
#include "query/rewrite.h"

static bool is_pure(lion_slice name)
{
    return !lion_slice_equal(name, lion_slice_text("rand"));
}

static bool read_arguments(lion_value *values, lion_scope *scope, const lion_clause *clause, const lion_value *const *known)
{
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind == LION_TERM_VAR) {
            if (known[term->index] == NULL) return false;
            values[i] = lion_run_shown(scope->run, *known[term->index], scope->is_attribute[term->index]);
        } else if (term->kind != LION_TERM_CONST ||
                   lion_query_value(&values[i], term->constant, &scope->run->arena, NULL) != LION_OK) {
            return false;
        }
    }
    return true;
}

/* An expression of nothing else; known may be NULL. */
static bool is_known(const lion_clause *clause, const lion_value *const *known)
{
    if (clause->kind != LION_CLAUSE_PREDICATE && clause->kind != LION_CLAUSE_FUNCTION) return false;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind == LION_TERM_SOURCE || term->kind == LION_TERM_BLANK) return false;
        if (term->kind == LION_TERM_VAR && (known == NULL || known[term->index] == NULL)) return false;
    }
    return true;
}

/* false: the clause is not of this kind, or fails. */
static bool compute(lion_value *value_out, lion_scope *scope, const lion_clause *clause, const lion_value *const *known)
{
    lion_arena *arena = &scope->run->arena;
    if (!is_known(clause, known)) return false;
    const lion_function *function = lion_function_named(clause->name);
    int32_t count = (int32_t)clause->term_count;
    if (function == NULL || function->takes_source || lion_function_yields(function) || !is_pure(clause->name)) return false;
    if (count < function->arity_min || (function->arity_max >= 0 && count > function->arity_max)) return false;
    lion_value *values = lion_arena_zalloc(arena, sizeof(lion_value) * (clause->term_count + 1));
    if (arena->is_exhausted || !read_arguments(values, scope, clause, known)) return false;
    lion_function_call call = { .run = scope->run, .arena = arena, .name = clause->name };
    lion_status status = function->apply(&call, values, clause->term_count, value_out, NULL);
    lion_function_forget(&call);
    return status == LION_OK;
}

/* The function's answer as an input; NULL: it does not fit the binding. */
static const lion_plan_input *add_input(lion_scope *scope, const lion_clause *clause, lion_value value, const lion_value **known)
{
    lion_arena *arena = &scope->run->arena;
    lion_plan_input made;
    lion_form form = lion_form_value(value);
    made.var_count = lion_binding_vars(&clause->binding, &made.vars, arena);
    made.rows = lion_arena_new(arena, lion_relation);
    if (arena->is_exhausted) return NULL;
    lion_relation_init(made.rows, arena, made.var_count);
    if (lion_binding_apply(made.rows, &clause->binding, made.vars, made.var_count, &form, true, NULL) != LION_OK) return NULL;
    lion_plan_input *input = lion_scope_add_input(scope);
    if (input == NULL) return NULL;
    *input = made;
    for (uint32_t i = 0; i < input->var_count; i++) {
        scope->is_pending[input->vars[i]] = 1;
        if (input->rows->count == 1 && known[input->vars[i]] == NULL) known[input->vars[i]] = &input->rows->rows[i];
    }
    return input;
}

const char *lion_rewrite_known(lion_scope *scope, lion_todo *todo, const lion_value **known)
{
    lion_arena *arena = &scope->run->arena;
    uint32_t count = todo->count; /* inputs that are added need nothing computed */
    for (bool moves = true; moves;) {
        moves = false;
        for (uint32_t i = 0; i < count; i++) {
            const lion_clause *clause = todo->items[i];
            lion_value value = { 0 };
            if (todo->is_done[i] || !compute(&value, scope, clause, known)) continue;
            scope->run->is_once = true;
            if (clause->kind == LION_CLAUSE_PREDICATE) {
                if (!lion_value_is_truthy(value)) return lion_plan_detail(scope->run, clause->text);
                todo->is_done[i] = 1;
                continue;
            }
            lion_clause *item = lion_arena_new(arena, lion_clause);
            const lion_plan_input *input = arena->is_exhausted ? NULL : add_input(scope, clause, value, known);
            if (input == NULL) continue;
            *item = (lion_clause){ .kind = LION_PLAN_INPUT, .rule = scope->input_count - 1, .text = clause->text };
            todo->items[todo->count++] = item;
            todo->is_done[i] = 1;
            moves = true;
            if (input->rows->count == 0) return lion_plan_detail(scope->run, clause->text);
        }
    }
    return NULL;
}

const char *lion_rewrite_branch(lion_scope *scope, lion_todo *todo, const lion_value *const **outer_out)
{
    bool is_worth_it = false;
    *outer_out = scope->known;
    for (uint32_t i = 0; i < todo->count; i++) is_worth_it = is_worth_it || (!todo->is_done[i] && is_known(todo->items[i], scope->known));
    if (!is_worth_it) return NULL;
    const lion_value **known = lion_arena_zalloc(&scope->run->arena, sizeof(lion_value *) * (scope->capacity + 1));
    if (known == NULL || scope->run->arena.is_exhausted) return NULL;
    if (scope->known != NULL) memcpy(known, scope->known, sizeof(lion_value *) * scope->capacity);
    scope->known = known;
    return lion_rewrite_known(scope, todo, known);
}
