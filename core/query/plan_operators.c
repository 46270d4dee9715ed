/* plan_operators.c - the operator of each clause, given what is bound before it, and what explain tells of it. */
#include "query/binding.h"
#include "query/rewrite.h"
#include "query/rule_tables.h"

/* The position at which the clause's variable stood before; LION_SLOT_NONE. */
static uint32_t earlier(const lion_clause *clause, uint32_t at)
{
    for (uint32_t i = 0; i < at; i++)
        if (clause->terms[i].kind == LION_TERM_VAR && clause->terms[i].index == clause->terms[at].index) return i;
    return LION_SLOT_NONE;
}

/* ---- what explain tells of a pattern ---- */

static bool is_known(const lion_pattern_spec *spec, int place)
{
    return spec->positions[place].kind == LION_POSITION_BOUND || spec->positions[place].kind == LION_POSITION_CONST;
}

/* As op_pattern.c chooses. */
static const char *index_of(const lion_pattern_spec *spec)
{
    bool has_e = is_known(spec, 0), has_v = is_known(spec, 2);
    if (spec->attribute != NULL && !has_e && has_v && spec->attribute->is_in_avet) return "avet";
    if (spec->range != NULL && !has_e && !has_v) return "avet";
    if (spec->attribute != NULL) return "aevt";
    return !has_e && has_v ? "vaet" : "eavt";
}

/* Reading less than this is cheap with any index. */
#define ADVICE_COUNT_MIN 1000

static const char *advice_of(lion_scope *scope, const lion_pattern_spec *spec)
{
    lion_arena *arena = &scope->run->arena;
    const lion_attribute *attribute = spec->attribute;
    bool has_e = is_known(spec, 0), has_v = is_known(spec, 2), has_a = is_known(spec, 1);
    if (attribute != NULL && !has_e && has_v && !attribute->is_in_avet && lion_ranges_all(spec->db, attribute) >= ADVICE_COUNT_MIN)
        return lion_arena_printf(arena, "no index on %.*s: all of its datoms are read to find a value; :db/index true makes one",
                                 (int)attribute->ident.size, (const char *)attribute->ident.data);
    if (!has_a && !has_e && !has_v && spec->count >= ADVICE_COUNT_MIN)
        return "neither attribute, entity nor value is known: every datom is read";
    return NULL;
}

static lion_status database_pattern(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    lion_pattern_spec spec = { .db = run->sources[clause->source].db, .source = clause->source };
    spec.attribute = lion_clause_attribute(spec.db->schema, clause);
    if (clause->term_count > 5)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "a pattern on a database has at most five parts: %s", lion_plan_detail(run, clause->text));
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        lion_position *position = &spec.positions[i];
        if (term->kind == LION_TERM_CONST) {
            if (i == 0 && term->constant->kind == LION_FORM_VECTOR)
                return lion_fail(error, LION_INCORRECT, "db.error/not-a-binding-form",
                                 "a lookup ref cannot stand in a clause, pass it as an input: %s", lion_plan_detail(run, clause->text));
            position->kind = LION_POSITION_CONST;
            lion_status status = lion_query_value(&position->constant, term->constant, &run->arena, error);
            if (status != LION_OK) return status;
        }
        if (term->kind == LION_TERM_SOURCE)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", "a source cannot stand inside a pattern: %s", lion_plan_detail(run, clause->text));
        if (term->kind != LION_TERM_VAR) continue;
        position->index = term->index;
        uint32_t before = earlier(clause, i);
        bool is_bound = lion_operator_slot(*operator, term->index) != LION_SLOT_NONE;
        position->kind = is_bound ? LION_POSITION_BOUND : before != LION_SLOT_NONE ? LION_POSITION_SAME : LION_POSITION_OUT;
        position->is_strict = is_bound && !scope->is_given[term->index];
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
    const char *advice = advice_of(scope, &spec);
    *operator = lion_pattern_new(run, *operator, &spec, keep);
    (*operator)->index = index_of(&spec);
    (*operator)->advice = advice;
    if (spec.range != NULL) (*operator)->range = lion_ranges_text(scope, spec.positions[2].index);
    return LION_OK;
}

static lion_status relation_pattern(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_run *run = scope->run;
    const lion_relation *relation = run->sources[clause->source].relation;
    if (relation == NULL)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the source of %s was not given", lion_plan_detail(run, clause->text));
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
    lion_join_is_fixed(*operator);
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
    const lion_run *run = scope->run;
    bool is_of_run = clause->rule < run->input_count && input->rows == run->input_rows[clause->rule]; /* or it was computed */
    *operator = lion_join_new(scope->run, *operator, input->rows, columns, input->var_count, keep, "input");
    if (is_of_run) lion_join_is_of_input(*operator, clause->rule);
    else lion_join_is_fixed(*operator);
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
                         lion_plan_detail(run, clause->text));
    if (function != NULL && function->takes_source) {
        const lion_db *db = NULL;
        if (!has_source) return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s needs a database as its first argument: %s", function->name, lion_plan_detail(run, clause->text));
        lion_status status = lion_run_db(&db, run, clause->terms[0].index, clause->text, error);
        if (status != LION_OK) return status;
    }
    bool yields = function != NULL && lion_function_yields(function);
    if (yields && clause->kind == LION_CLAUSE_PREDICATE)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s yields rows, which are to be bound, [(%s …) [?x ...]]: %s", function->name,
                         function->name, lion_plan_detail(run, clause->text));
    if (yields && has_source)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s reads a log, which is a variable of :in such as ?log, not a source: %s",
                         function->name, lion_plan_detail(run, clause->text));
    if (has_source && (function == NULL || !function->takes_source))
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "a source cannot be given to %.*s: %s", (int)clause->name.size,
                         (const char *)clause->name.data, lion_plan_detail(run, clause->text));
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
    subplan_out->feed = lion_feed_new(scope->run, NULL, feed_vars, var_count + 1);
    subplan_out->feed->rows_estimated = 1;
    subplan_out->root = subplan_out->feed;
    return lion_plan_inside(scope, clauses, &subplan_out->root, needed, error);
}

/* The cache is of the query's own clauses, and so are checkpoints. leaders: what one clause says holds for those beside it. */
static lion_status plan_inside(lion_scope *scope, lion_todo *todo, lion_operator **root, const uint8_t *needed,
                               uint32_t (*leaders)[2], lion_error *error)
{
    lion_plan_cache *cache = scope->cache;
    uint32_t (*outer)[2] = scope->leaders;
    bool adapts = scope->adapts;
    const lion_value *const *known = NULL;
    const char *untrue = lion_rewrite_branch(scope, todo, &known);
    if (untrue != NULL) *root = lion_nothing_new(scope->run, *root, lion_arena_printf(&scope->run->arena, "%s holds of nothing", untrue));
    scope->cache = NULL;
    scope->adapts = false;
    scope->leaders = leaders;
    lion_status status = lion_plan(scope, todo, root, needed, NULL, error);
    scope->known = known;
    scope->cache = cache;
    scope->leaders = outer;
    scope->adapts = adapts;
    return status;
}

lion_status lion_plan_inside(lion_scope *scope, const lion_clauses *clauses, lion_operator **root, const uint8_t *needed, lion_error *error)
{
    lion_todo todo;
    uint32_t (*leaders)[2] = lion_arena_alloc(&scope->run->arena, sizeof(*leaders) * (scope->capacity + 1));
    memcpy(leaders, scope->leaders, sizeof(*leaders) * (scope->capacity + 1));
    lion_todo_init(&todo, clauses, clauses->count, &scope->run->arena);
    return plan_inside(scope, &todo, root, needed, leaders, error);
}

lion_status lion_plan_alone(lion_scope *scope, const lion_clauses *clauses, const uint32_t *given, uint32_t given_count,
                            const uint8_t *needed, lion_operator **root_out, lion_error *error)
{
    lion_todo todo;
    uint8_t *outer = scope->is_pending;
    scope->is_pending = lion_arena_zalloc(&scope->run->arena, scope->capacity + 1); /* inputs come here whether they did outside or not */
    lion_todo_init_alone(&todo, scope, clauses, given, given_count);
    *root_out = lion_unit_new(scope->run);
    uint32_t (*leaders)[2] = lion_arena_zalloc(&scope->run->arena, sizeof(*leaders) * (scope->capacity + 1));
    lion_status status = plan_inside(scope, &todo, root_out, needed, leaders, error);
    scope->is_pending = outer;
    return status;
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
    uint32_t count = shared_bound(scope, clause, *operator, &vars), next_var = scope->next_var;
    lion_subplan subplan;
    needed[row_var] = 1;
    lion_status status = lion_plan_sub(scope, clause->branches, vars, count, row_var, needed, &subplan, error);
    if (status != LION_OK) return status;
    if (lion_operator_is_nothing(subplan.root)) { /* what cannot be need not be denied */
        scope->run->is_once = true;
        return LION_OK;
    }
    lion_operator *by_row = lion_not_new(scope->run, *operator, &subplan, row_var, keep);
    scope->next_var = next_var; /* what is planned again has the same hidden ones */
    status = lion_semi_plan(scope, clause, operator, keep, by_row, error);
    if (status == LION_ABSENT) *operator = by_row;
    return status == LION_FAILED ? status : LION_OK;
}

static lion_status disjunction(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    uint8_t *needed = lion_arena_zalloc(arena, scope->capacity + 1);
    uint32_t row_var = lion_scope_hidden(scope), *vars = NULL, added_count = 0;
    uint32_t count = shared_bound(scope, clause, *operator, &vars), next_var = scope->next_var;
    uint32_t *added = lion_arena_array(arena, uint32_t, clause->var_count + 1);
    lion_subplan *branches = lion_arena_array(arena, lion_subplan, clause->branch_count);
    needed[row_var] = 1;
    for (uint32_t i = 0; i < clause->var_count; i++) {
        if (lion_operator_slot(*operator, clause->vars[i]) != LION_SLOT_NONE || !keep[clause->vars[i]] || needed[clause->vars[i]]) continue;
        added[added_count++] = clause->vars[i];
        needed[clause->vars[i]] = 1;
    }
    lion_status status = added_count == 1 ? lion_union_plan(scope, clause, operator, added[0], keep, error) : LION_ABSENT;
    if (status != LION_ABSENT) return status;
    scope->next_var = next_var; /* what is planned again has the same hidden ones */
    uint32_t kept = 0;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        status = lion_plan_sub(scope, &clause->branches[b], vars, count, row_var, needed, &branches[kept], error);
        if (status != LION_OK) return status;
        kept += !lion_operator_is_nothing(branches[kept].root);
    }
    bool is_whole = kept == clause->branch_count;
    if (kept == 0) { /* the last one stays, which is asked for nothing */
        const char *reason = lion_arena_printf(arena, "no branch of %s can hold", lion_plan_detail(scope->run, clause->text));
        *operator = lion_nothing_new(scope->run, *operator, reason);
        kept = 1;
    }
    lion_operator *by_row = lion_or_new(scope->run, *operator, branches, kept, row_var, added, added_count, keep);
    scope->next_var = next_var;
    if (added_count == 0 && is_whole) status = lion_semi_plan(scope, clause, operator, keep, by_row, error);
    if (status == LION_OK && added_count == 0 && is_whole) return LION_OK;
    *operator = by_row;
    scope->run->is_once = scope->run->is_once || !is_whole;
    if (!is_whole)
        by_row->detail = lion_arena_printf(arena, "%s without %u that cannot hold", lion_plan_detail(scope->run, clause->text),
                                           (unsigned)(clause->branch_count - kept));
    return status == LION_FAILED ? status : LION_OK;
}

static lion_status rule_call(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    lion_paths *const *searches = lion_rules_paths(scope->engine, clause->rule);
    if (searches != NULL) return lion_path_new(operator, scope, *operator, clause, searches, keep, error);
    return lion_rule_demand_new(operator, scope, *operator, clause, keep, error);
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
    default: return rule_call(scope, clause, operator, keep, error);
    }
}

/* ---- what explain tells of the step itself ---- */

static uint32_t first_var(const lion_scope *scope, const uint8_t *marks)
{
    for (uint32_t i = 0; i < scope->name_count; i++)
        if (marks[i]) return i;
    return UINT32_MAX;
}

static bool makes_product(const lion_scope *scope, const lion_clause *clause, const lion_operator *input, const uint8_t *marks)
{
    bool joins = clause->kind == LION_CLAUSE_PATTERN || clause->kind == LION_CLAUSE_RULE || clause->kind == LION_CLAUSE_OR;
    if (!joins || input->width == 0 || input->rows_estimated <= 1) return false;
    for (uint32_t i = 0; i < input->width; i++)
        if (marks[input->vars[i]]) return false;
    return first_var(scope, marks) != UINT32_MAX && input->vars[0] < scope->name_count;
}

static const char *product(const lion_scope *scope, uint32_t one, uint32_t other)
{
    lion_slice left = scope->names[one], right = scope->names[other];
    return lion_arena_printf(&scope->run->arena, "cartesian product between %.*s and %.*s: no clause joins them", (int)left.size,
                             (const char *)left.data, (int)right.size, (const char *)right.data);
}

const char *lion_plan_product(const lion_scope *scope, const lion_operator *left, const lion_operator *right)
{
    bool is_product = left->width > 0 && right->width > 0 && left->rows_estimated > 1 && right->rows_estimated > 1;
    bool has_names = is_product && left->vars[0] < scope->name_count && right->vars[0] < scope->name_count;
    return has_names ? product(scope, left->vars[0], right->vars[0]) : NULL;
}

static bool is_unbound_call(const lion_clause *clause, const lion_operator *input)
{
    if (clause->kind != LION_CLAUSE_RULE || clause->term_count == 0) return false;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind == LION_TERM_CONST) return false;
        if (term->kind == LION_TERM_VAR && lion_operator_slot(input, term->index) != LION_SLOT_NONE) return false;
    }
    return true;
}

static const char *advice_of_step(lion_scope *scope, const lion_clause *clause, const lion_operator *input)
{
    lion_arena *arena = &scope->run->arena;
    uint8_t marks[scope->capacity + 1];
    memset(marks, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, marks);
    uint32_t var = first_var(scope, marks);
    if (is_unbound_call(clause, input) && var != UINT32_MAX)
        return lion_arena_printf(arena, "this rule is computed unbound because no clause or input binds %.*s before it", (int)scope->names[var].size,
                                 (const char *)scope->names[var].data);
    if (!makes_product(scope, clause, input, marks)) return NULL;
    return product(scope, input->vars[0], var);
}

lion_status lion_plan_operator(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error)
{
    const char *advice = advice_of_step(scope, clause, *operator);
    lion_status status = add_operator(scope, clause, operator, keep, error);
    if (status == LION_OK && (*operator)->advice == NULL) (*operator)->advice = advice;
    return status;
}
