/* plan.c - the greedy planner, and the making of each clause's operator. */
#include "query/plan.h"

#include <math.h>

#include "base/assert.h"
#include "query/binding.h"
#include "query/cycle.h"

/* ---- scopes and variables ---- */

void lion_scope_init(lion_scope *scope, lion_run *run, const lion_slice *names, uint32_t name_count, uint32_t hidden)
{
    *scope = (lion_scope){ .run = run, .names = names, .name_count = name_count, .next_var = name_count };
    scope->capacity = name_count + hidden;
    scope->is_attribute = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    scope->is_pending = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    scope->leaders = lion_arena_zalloc(&run->arena, sizeof(*scope->leaders) * (scope->capacity + 1));
}

uint32_t lion_scope_hidden(lion_scope *scope)
{
    LION_ASSERT(scope->next_var < scope->capacity);
    return scope->next_var++;
}

void lion_scope_mark_attributes(lion_scope *scope, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool is_var = clause->kind == LION_CLAUSE_PATTERN && clause->term_count > 1 && clause->terms[1].kind == LION_TERM_VAR;
        if (is_var && scope->run->sources[clause->source].db != NULL) scope->is_attribute[clause->terms[1].index] = 1;
        for (uint32_t b = 0; b < clause->branch_count; b++) lion_scope_mark_attributes(scope, &clause->branches[b]);
    }
}

uint32_t lion_clauses_hidden(const lion_clauses *clauses)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < clauses->count; i++) {
        count += clauses->items[i].kind == LION_CLAUSE_NOT || clauses->items[i].kind == LION_CLAUSE_OR;
        for (uint32_t b = 0; b < clauses->items[i].branch_count; b++) count += lion_clauses_hidden(&clauses->items[i].branches[b]);
    }
    return count;
}

void lion_todo_init(lion_todo *todo, const lion_clauses *clauses, uint32_t extra, lion_arena *arena)
{
    todo->count = clauses->count;
    todo->items = lion_arena_array(arena, const lion_clause *, clauses->count + extra + 1);
    todo->is_done = lion_arena_zalloc(arena, clauses->count + extra + 1);
    for (uint32_t i = 0; i < clauses->count; i++) todo->items[i] = &clauses->items[i];
}

static void mark_binding(const lion_binding *binding, uint8_t *marks)
{
    if (binding->kind == LION_BIND_SCALAR) marks[binding->var] = 1;
    for (uint32_t i = 0; i < binding->count; i++) mark_binding(&binding->parts[i], marks);
}

void lion_clause_mark_vars(const lion_clause *clause, uint8_t *marks)
{
    for (uint32_t i = 0; i < clause->term_count; i++)
        if (clause->terms[i].kind == LION_TERM_VAR) marks[clause->terms[i].index] = 1;
    for (uint32_t i = 0; i < clause->var_count; i++) marks[clause->vars[i]] = 1;
    for (uint32_t i = 0; i < clause->required_count; i++) marks[clause->required[i]] = 1;
    mark_binding(&clause->binding, marks);
}

/* ---- what binds what ---- */

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

/* Dig for the clause inside that is stuck, so that the message points at it. */
lion_status lion_plan_fail_binding(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, lion_error *error)
{
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

/* ---- operators of clauses ---- */

static const char *detail(lion_run *run, lion_slice text)
{
    return lion_arena_text(&run->arena, lion_slice_of(text.data, text.size < 300 ? text.size : 300));
}

/* The position at which the clause's variable stood before; LION_SLOT_NONE. */
static uint32_t earlier(const lion_clause *clause, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (clause->terms[i].kind == LION_TERM_VAR && clause->terms[i].index == clause->terms[at].index) return i;
    return LION_SLOT_NONE;
}

static lion_status database_pattern(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    lion_pattern_spec spec = { .db = run->sources[clause->source].db };
    spec.attribute = lion_clause_attribute(spec.db->schema, clause);
    if (clause->term_count > 5)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "a pattern on a database has at most five parts: %s", detail(run, clause->text));
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        lion_position *position = &spec.positions[i];
        if (term->kind == LION_TERM_CONST) {
            if (i == 0 && term->constant->kind == LION_FORM_VECTOR)
                return lion_fail(error, LION_INCORRECT, "db.error/not-a-binding-form",
                                 "a lookup ref cannot stand in a clause, pass it as an input: %s", detail(run, clause->text));
            position->kind = LION_POSITION_CONST;
            lion_status status = lion_query_value(&position->constant, term->constant, &run->arena, error);
            if (status != LION_OK) return status;
        }
        if (term->kind == LION_TERM_SOURCE)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", "a source cannot stand inside a pattern: %s", detail(run, clause->text));
        if (term->kind != LION_TERM_VAR) continue;
        position->index = term->index;
        uint32_t before = earlier(clause, i);
        bool is_bound = lion_operator_slot(*operator, term->index) != LION_SLOT_NONE;
        position->kind = is_bound ? LION_POSITION_BOUND : before != LION_SLOT_NONE ? LION_POSITION_SAME : LION_POSITION_OUT;
        if (position->kind == LION_POSITION_SAME) position->index = before;
    }
    if (spec.positions[1].kind == LION_POSITION_CONST) {
        if (spec.attribute == NULL) {
            lion_slice name;
            if (!lion_form_as_slice(clause->terms[1].constant, &name)) name = lion_slice_text(lion_form_text(&run->arena, clause->terms[1].constant));
            return lion_schema_fail_unknown(error, spec.db->schema, name);
        }
        spec.positions[1].constant = lion_value_scalar(LION_TYPE_ATTRIBUTE, spec.attribute->id);
    }
    spec.count = lion_stats_count(scope, clause);
    bool is_open = spec.positions[0].kind != LION_POSITION_BOUND && spec.positions[0].kind != LION_POSITION_CONST;
    if (is_open && spec.positions[2].kind == LION_POSITION_OUT) {
        lion_index_range *range = lion_arena_new(&run->arena, lion_index_range);
        double count = 0;
        if (lion_ranges_of(range, &count, scope, spec.db, spec.attribute, spec.positions[2].index)) {
            spec.range = range;
            spec.count = (uint64_t)count;
        }
    }
    *operator = lion_pattern_new(run, *operator, &spec, keep);
    return LION_OK;
}

static lion_status relation_pattern(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    const lion_relation *relation = run->sources[clause->source].relation;
    if (relation == NULL)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the source of %s was not given", detail(run, clause->text));
    lion_join_column *columns = lion_arena_zalloc(&run->arena, sizeof(*columns) * (clause->term_count + 1));
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind == LION_TERM_CONST) {
            columns[i].kind = LION_JOIN_CONST;
            lion_status status = lion_query_value(&columns[i].constant, term->constant, &run->arena, error);
            if (status != LION_OK) return status;
        }
        if (term->kind != LION_TERM_VAR) continue;
        uint32_t before = earlier(clause, i);
        bool is_bound = lion_operator_slot(*operator, term->index) != LION_SLOT_NONE;
        columns[i].kind = is_bound ? LION_JOIN_BOUND : before != LION_SLOT_NONE ? LION_JOIN_SAME : LION_JOIN_OUT;
        columns[i].index = columns[i].kind == LION_JOIN_SAME ? before : term->index;
    }
    /* A row shorter than the clause cannot match it. */
    if (clause->term_count > relation->width) {
        lion_relation *nothing = lion_arena_new(&run->arena, lion_relation);
        lion_relation_init(nothing, &run->arena, clause->term_count);
        relation = nothing;
    }
    *operator = lion_join_new(run, *operator, relation, columns, clause->term_count, keep, "relation");
    return LION_OK;
}

static lion_status input_rows(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep)
{
    const lion_plan_input *input = &scope->inputs[clause->rule];
    lion_join_column *columns = lion_arena_zalloc(&scope->run->arena, sizeof(*columns) * (input->var_count + 1));
    for (uint32_t i = 0; i < input->var_count; i++) {
        bool is_bound = lion_operator_slot(*operator, input->vars[i]) != LION_SLOT_NONE;
        columns[i].kind = is_bound ? LION_JOIN_BOUND : LION_JOIN_OUT;
        columns[i].index = input->vars[i];
        scope->is_pending[input->vars[i]] = 0;
    }
    *operator = lion_join_new(scope->run, *operator, input->rows, columns, input->var_count, keep, "input");
    return LION_OK;
}

static lion_status expression(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    lion_expression expression = { .clause = clause, .function = lion_function_named(clause->name), .is_attribute = scope->is_attribute };
    const lion_function *function = expression.function;
    bool is_full_name = clause->name.size > 1 && memchr(clause->name.data, '/', clause->name.size) != NULL;
    if (function == NULL && !is_full_name) return lion_function_fail_unknown(error, clause->name);
    bool has_source = clause->term_count > 0 && clause->terms[0].kind == LION_TERM_SOURCE;
    int32_t count = (int32_t)clause->term_count - (has_source && (function == NULL || function->takes_source));
    if (function != NULL && (count < function->arity_min || (function->arity_max >= 0 && count > function->arity_max)))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s is called with %d arguments: %s", function->name, (int)count,
                         detail(run, clause->text));
    if (function != NULL && function->takes_source) {
        const lion_db *db = NULL;
        if (!has_source) return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s needs a database as its first argument: %s", function->name, detail(run, clause->text));
        lion_status status = lion_run_db(&db, run, clause->terms[0].index, clause->text, error);
        if (status != LION_OK) return status;
    }
    bool yields = function != NULL && lion_function_yields(function);
    if (yields && clause->kind == LION_CLAUSE_PREDICATE)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s yields rows, which are to be bound, [(%s …) [?x ...]]: %s", function->name,
                         function->name, detail(run, clause->text));
    if (yields && has_source)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s reads a log, which is a variable of :in such as ?log, not a source: %s",
                         function->name, detail(run, clause->text));
    if (has_source && (function == NULL || !function->takes_source))
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "a source cannot be given to %.*s: %s", (int)clause->name.size,
                         (const char *)clause->name.data, detail(run, clause->text));
    *operator = clause->kind == LION_CLAUSE_PREDICATE ? lion_filter_new(run, *operator, &expression, keep)
                                                      : lion_function_new(run, *operator, &expression, keep);
    return LION_OK;
}

lion_status lion_plan_sub(lion_scope *scope, const lion_clauses *clauses, const uint32_t *vars, uint32_t var_count, uint32_t row_var,
                          const uint8_t *needed, lion_subplan *subplan_out, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    uint32_t *feed_vars = lion_arena_array(arena, uint32_t, var_count + 1);
    for (uint32_t i = 0; i < var_count; i++) feed_vars[i] = vars[i];
    feed_vars[var_count] = row_var;
    subplan_out->feed_rows = lion_arena_new(arena, lion_relation);
    lion_relation_init(subplan_out->feed_rows, arena, var_count + 1);
    subplan_out->feed = lion_feed_new(scope->run, subplan_out->feed_rows, feed_vars, var_count + 1);
    subplan_out->feed->rows_estimated = 1;
    subplan_out->root = subplan_out->feed;
    lion_todo todo;
    lion_todo_init(&todo, clauses, 0, arena);
    return lion_plan(scope, &todo, &subplan_out->root, needed, NULL, error);
}

/* The clause's shared variables that the operator has. */
static uint32_t shared_bound(lion_scope *scope, const lion_clause *clause, const lion_operator *operator, uint32_t **out)
{
    uint32_t count = 0;
    *out = lion_arena_array(&scope->run->arena, uint32_t, clause->var_count + clause->required_count + 1);
    for (uint32_t i = 0; i < clause->var_count + clause->required_count; i++) {
        uint32_t var = i < clause->var_count ? clause->vars[i] : clause->required[i - clause->var_count];
        bool is_new = lion_operator_slot(operator, var) != LION_SLOT_NONE;
        for (uint32_t k = 0; k < count; k++) is_new = is_new && (*out)[k] != var;
        if (is_new) (*out)[count++] = var;
    }
    return count;
}

static lion_status negation(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    uint8_t *needed = lion_arena_zalloc(&scope->run->arena, scope->capacity + 1);
    uint32_t row_var = lion_scope_hidden(scope), *vars = NULL;
    uint32_t count = shared_bound(scope, clause, *operator, &vars);
    lion_subplan subplan;
    needed[row_var] = 1;
    lion_status status = lion_plan_sub(scope, clause->branches, vars, count, row_var, needed, &subplan, error);
    if (status == LION_OK) *operator = lion_not_new(scope->run, *operator, &subplan, row_var, keep);
    return status;
}

static lion_status disjunction(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    uint8_t *needed = lion_arena_zalloc(arena, scope->capacity + 1);
    uint32_t row_var = lion_scope_hidden(scope), *vars = NULL, added_count = 0;
    uint32_t count = shared_bound(scope, clause, *operator, &vars);
    uint32_t *added = lion_arena_array(arena, uint32_t, clause->var_count + 1);
    lion_subplan *branches = lion_arena_array(arena, lion_subplan, clause->branch_count);
    needed[row_var] = 1;
    for (uint32_t i = 0; i < clause->var_count; i++) {
        if (lion_operator_slot(*operator, clause->vars[i]) != LION_SLOT_NONE || !keep[clause->vars[i]] || needed[clause->vars[i]]) continue;
        added[added_count++] = clause->vars[i];
        needed[clause->vars[i]] = 1;
    }
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        lion_status status = lion_plan_sub(scope, &clause->branches[b], vars, count, row_var, needed, &branches[b], error);
        if (status != LION_OK) return status;
    }
    *operator = lion_or_new(scope->run, *operator, branches, clause->branch_count, row_var, added, added_count, keep);
    return LION_OK;
}

static lion_status add_operator(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    switch (clause->kind) {
    case LION_CLAUSE_PATTERN:
        if (scope->run->sources[clause->source].db != NULL) return database_pattern(scope, clause, operator, keep, error);
        return relation_pattern(scope, clause, operator, keep, error);
    case LION_PLAN_INPUT: return input_rows(scope, clause, operator, keep);
    case LION_CLAUSE_PREDICATE:
    case LION_CLAUSE_FUNCTION: return expression(scope, clause, operator, keep, error);
    case LION_CLAUSE_QUERY: *operator = lion_subquery_new(scope->run, *operator, clause, keep); return LION_OK;
    case LION_CLAUSE_NOT: return negation(scope, clause, operator, keep, error);
    case LION_CLAUSE_OR: return disjunction(scope, clause, operator, keep, error);
    default: return lion_rules_call(operator, scope, *operator, clause, keep, error);
    }
}

/* ---- the order ---- */

static void mark_bound(const lion_operator *operator, uint8_t *bound)
{
    for (uint32_t i = 0; i < operator->width; i++) bound[operator->vars[i]] = 1;
}

/* A variable of an input that is still to come would be found by a pattern without its value's help. */
static bool waits_for_input(const lion_scope *scope, const lion_clause *clause)
{
    uint8_t marks[scope->capacity + 1];
    if (clause->kind == LION_PLAN_INPUT) return false;
    memset(marks, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, marks);
    for (uint32_t i = 0; i < scope->capacity; i++)
        if (marks[i] && scope->is_pending[i]) return true;
    return false;
}

/* The clause to do next; todo->count: none can be done. */
static uint32_t choose(lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *bound, double *fanout_out)
{
    uint32_t best = todo->count, ready = 0, only = 0;
    double best_fanout = 0;
    for (uint32_t i = 0; i < todo->count; i++) {
        if (todo->is_done[i] || waits_for_input(scope, todo->items[i]) || !is_ready(scope, todo->items[i], bound, 0)) continue;
        ready++;
        only = i;
    }
    *fanout_out = 1;
    if (ready == 1) {
        *fanout_out = lion_stats_fanout(scope, todo->items[only], operator);
        return only;
    }
    for (uint32_t i = 0; i < todo->count && ready > 0; i++) {
        if (todo->is_done[i] || waits_for_input(scope, todo->items[i]) || !is_ready(scope, todo->items[i], bound, 0)) continue;
        double fanout = lion_stats_fanout(scope, todo->items[i], operator);
        if (best != todo->count && fanout >= best_fanout) continue;
        best = i;
        best_fanout = fanout;
    }
    *fanout_out = best_fanout;
    return best;
}

static lion_status fail_stuck(const lion_scope *scope, const lion_todo *todo, const uint8_t *bound, lion_error *error)
{
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && !is_ready(scope, todo->items[i], bound, 0)) return lion_plan_fail_binding(scope, todo->items[i], bound, error);
    return lion_fail(error, LION_FAULT, "lion/fault", "no clause can be planned");
}

uint8_t *lion_plan_keep(lion_scope *scope, const lion_todo *todo, const uint8_t *needed)
{
    uint8_t *keep = lion_arena_alloc(&scope->run->arena, scope->capacity + 1);
    memcpy(keep, needed, scope->capacity);
    for (uint32_t i = 0; i < todo->count; i++) {
        if (todo->is_done[i]) continue;
        if (todo->items[i]->kind == LION_PLAN_INPUT) {
            const lion_plan_input *input = &scope->inputs[todo->items[i]->rule];
            for (uint32_t k = 0; k < input->var_count; k++) keep[input->vars[k]] = 1;
        } else {
            lion_clause_mark_vars(todo->items[i], keep);
        }
    }
    return keep;
}

#define DISTINCT_ROWS_MIN 32

/* Rows that differed only in a variable that was dropped are one row; worth the hash only when more joins follow. */
static bool wants_distinct(const lion_todo *todo, const lion_operator *operator)
{
    bool drops = false, follows = false;
    if (operator->is_distinct || operator->inputs[0] == NULL || operator->rows_estimated < DISTINCT_ROWS_MIN) return false;
    for (uint32_t i = 0; i < operator->inputs[0]->width; i++)
        if (lion_operator_slot(operator, operator->inputs[0]->vars[i]) == LION_SLOT_NONE) drops = true;
    for (uint32_t i = 0; i < todo->count; i++) {
        uint8_t kind = todo->items[i]->kind;
        if (todo->is_done[i]) continue;
        follows = follows || kind == LION_CLAUSE_PATTERN || kind == LION_CLAUSE_RULE || kind == LION_CLAUSE_OR || kind == LION_CLAUSE_QUERY;
    }
    return drops && follows;
}

/* Patterns that go round in a cycle with the chosen one are joined with it, at once. How many were done. */
static uint32_t add_cycle(lion_scope *scope, lion_todo *todo, uint32_t next, double fanout, lion_operator **operator, const uint8_t *needed)
{
    lion_cycle cycle;
    if (!lion_cycle_of(&cycle, scope, todo, next, *operator, fanout)) return 0;
    for (uint32_t i = 0; i < cycle.edge_count; i++) todo->is_done[cycle.edges[i].at] = 1;
    *operator = lion_cycle_new(scope, *operator, &cycle, lion_plan_keep(scope, todo, needed));
    return cycle.edge_count;
}

static lion_status plan_all(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed,
                            const lion_clause **cut_out, lion_error *error)
{
    uint8_t *bound = lion_arena_zalloc(&scope->run->arena, scope->capacity + 1);
    uint32_t left = 0;
    if (cut_out != NULL) *cut_out = NULL;
    mark_bound(*operator, bound);
    for (uint32_t i = 0; i < todo->count; i++) left += !todo->is_done[i];
    while (left > 0) {
        double fanout = 1, rows = (*operator)->rows_estimated;
        lion_status status = lion_run_check(scope->run, error);
        if (status != LION_OK) return status;
        uint32_t next = choose(scope, todo, *operator, bound, &fanout);
        if (next == todo->count) return fail_stuck(scope, todo, bound, error);
        const lion_clause *clause = todo->items[next];
        todo->is_done[next] = 1;
        if (cut_out != NULL && clause->kind == LION_CLAUSE_RULE && !lion_rules_is_path(scope->engine, clause->rule)) {
            *cut_out = clause;
            return LION_OK;
        }
        const lion_operator *input = *operator;
        uint32_t done = add_cycle(scope, todo, next, fanout, operator, needed);
        const uint8_t *keep = lion_plan_keep(scope, todo, needed);
        if (done == 0) status = add_operator(scope, clause, operator, keep, error);
        if (status != LION_OK) return status;
        left -= done == 0 ? 1 : done;
        (*operator)->is_distinct = lion_plan_is_distinct(scope, clause, input, *operator);
        (*operator)->rows_estimated = fmax(rows, 1) * fanout;
        if ((*operator)->detail == NULL) (*operator)->detail = detail(scope->run, clause->text);
        mark_bound(*operator, bound);
        if (wants_distinct(todo, *operator)) {
            *operator = lion_distinct_new(scope->run, *operator, keep);
            (*operator)->is_distinct = true;
            (*operator)->rows_estimated = fmax(rows, 1) * fanout;
        }
    }
    return LION_OK;
}

lion_status lion_plan(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed,
                      const lion_clause **cut_out, lion_error *error)
{
    lion_range **outer = lion_ranges_read(scope, todo);
    lion_status status = plan_all(scope, todo, operator, needed, cut_out, error);
    scope->ranges = outer;
    return status;
}
