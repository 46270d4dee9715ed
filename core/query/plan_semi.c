/* plan_semi.c - which not and or are plans that stand by themselves: what they hold of the variables that they share is a set, made
 * once, which the rows are compared with (op_semi.c). Else they run for each batch of rows (op_subplan.c).
 *
 * A branch can stand by itself if it binds what it shares without the rows' help, by patterns whose values have one type: then
 * a value is found in the set where a look-up would find it. Variables of one value come into it as that. It must not
 * read what changes while the query runs (rules), nor ask the host. */
#include "query/order.h"
#include "query/plan.h"

#include <math.h>

/* Nanoseconds, beside those of order.h. */
#define FEED_NS 30.0           /* a row that goes through branches */

typedef struct semi_keys {
    uint32_t *vars, count;     /* shared, and not of one value */
    uint32_t *known, known_count; /* of one value */
    bool is_bits;              /* one column of ids or whole numbers */
} semi_keys;

/* ---- which can ---- */

static bool can_stand(const lion_scope *scope, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool is_branched = clause->kind == LION_CLAUSE_NOT || clause->kind == LION_CLAUSE_OR;
        bool is_expression = clause->kind == LION_CLAUSE_PREDICATE || clause->kind == LION_CLAUSE_FUNCTION;
        if (!is_branched && !is_expression && clause->kind != LION_CLAUSE_PATTERN) return false;
        if (is_expression && (lion_function_named(clause->name) == NULL || lion_slice_equal(clause->name, lion_slice_text("rand")))) return false;
        const lion_db *db = clause->kind == LION_CLAUSE_PATTERN ? scope->run->sources[clause->source].db : NULL;
        if (db != NULL && db->view.filter_count > 0) return false;
        for (uint32_t b = 0; b < clause->branch_count; b++)
            if (!can_stand(scope, &clause->branches[b])) return false;
    }
    return true;
}

static bool is_key_type(lion_type type)
{
    return type == LION_TYPE_REF || type == LION_TYPE_LONG || type == LION_TYPE_STRING || type == LION_TYPE_KEYWORD || type == LION_TYPE_UUID ||
           type == LION_TYPE_BOOLEAN;
}

static bool mentions(const lion_scope *scope, const lion_clause *clause, uint32_t var)
{
    uint8_t marks[scope->capacity + 1];
    memset(marks, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, marks);
    return marks[var] != 0;
}

/* The type of what the branch's patterns bind the variable to; NIL: it is not certain. */
static lion_type type_in(const lion_scope *scope, const lion_clauses *clauses, uint32_t var)
{
    lion_type found = LION_TYPE_NIL;
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        if (clause->kind == LION_CLAUSE_OR && mentions(scope, clause, var)) return LION_TYPE_NIL;
        if (clause->kind != LION_CLAUSE_PATTERN) continue;
        const lion_db *db = scope->run->sources[clause->source].db;
        const lion_attribute *attribute = db == NULL ? NULL : lion_clause_attribute(db->schema, clause);
        for (uint32_t place = 0; place < clause->term_count; place++) {
            if (clause->terms[place].kind != LION_TERM_VAR || clause->terms[place].index != var) continue;
            if (attribute == NULL || (place != 0 && place != 2)) return LION_TYPE_NIL;
            lion_type type = place == 0 ? LION_TYPE_REF : (lion_type)attribute->type;
            if (found != LION_TYPE_NIL && found != type) return LION_TYPE_NIL;
            found = type;
        }
    }
    return is_key_type(found) ? found : LION_TYPE_NIL;
}

static bool has_var(const uint32_t *vars, uint32_t count, uint32_t var)
{
    for (uint32_t i = 0; i < count; i++)
        if (vars[i] == var) return true;
    return false;
}

static void read_keys(semi_keys *keys, const lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    lion_arena *arena = &scope->run->arena;
    uint32_t room = clause->var_count + clause->required_count;
    *keys = (semi_keys){ .vars = lion_arena_array(arena, uint32_t, room + 1), .known = lion_arena_array(arena, uint32_t, room + 1) };
    for (uint32_t i = 0; i < room; i++) {
        uint32_t var = i < clause->var_count ? clause->vars[i] : clause->required[i - clause->var_count];
        bool is_known = scope->known != NULL && scope->known[var] != NULL;
        if (lion_operator_slot(operator, var) == LION_SLOT_NONE || has_var(keys->vars, keys->count, var) || has_var(keys->known, keys->known_count, var))
            continue;
        if (is_known) keys->known[keys->known_count++] = var;
        else keys->vars[keys->count++] = var;
    }
}

/* Does the branch bind all keys by itself? */
static bool binds_keys(const lion_scope *scope, const lion_clauses *branch, const semi_keys *keys)
{
    uint8_t bound[scope->capacity + 1];
    memset(bound, 0, scope->capacity + 1);
    for (uint32_t i = 0; i < keys->known_count; i++) bound[keys->known[i]] = 1;
    if (!lion_plan_binds(scope, branch, bound, NULL, 0)) return false;
    for (uint32_t i = 0; i < keys->count; i++)
        if (!bound[keys->vars[i]] || scope->is_given[keys->vars[i]] || scope->is_attribute[keys->vars[i]]) return false;
    return true;
}

static bool can_be_set(semi_keys *keys, const lion_scope *scope, const lion_clause *clause)
{
    if (keys->count == 0) return false;
    keys->is_bits = keys->count == 1;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        if (!can_stand(scope, &clause->branches[b]) || !binds_keys(scope, &clause->branches[b], keys)) return false;
        for (uint32_t i = 0; i < keys->count; i++) {
            lion_type type = type_in(scope, &clause->branches[b], keys->vars[i]);
            if (type == LION_TYPE_NIL) return false;
            keys->is_bits = keys->is_bits && (type == LION_TYPE_REF || type == LION_TYPE_LONG);
        }
    }
    return true;
}

/* ---- which had better ---- */

/* What it takes to run the branch over what the operator gives, and what is known. */
static double branch_cost(lion_scope *scope, const lion_clauses *branch, const semi_keys *keys, const lion_operator *operator,
                          const uint8_t *needed, double *rows_out)
{
    lion_todo todo;
    lion_order order;
    lion_plan_cache *cache = scope->cache;
    uint8_t *was_pending = scope->is_pending, is_pending[scope->capacity + 1];
    memset(is_pending, 0, scope->capacity + 1);
    scope->is_pending = is_pending;
    lion_todo_init_alone(&todo, scope, branch, keys->known, keys->known_count);
    lion_range **outer = lion_ranges_read(scope, &todo);
    scope->cache = NULL;
    bool is_told = lion_order_make(&order, scope, &todo, operator, needed, false);
    scope->is_pending = was_pending;
    scope->ranges = outer;
    scope->cache = cache;
    *rows_out = is_told ? order.rows : INFINITY;
    return is_told ? order.cost_ns : INFINITY;
}

static uint8_t *marks_of(const lion_scope *scope, const uint32_t *vars, uint32_t count)
{
    uint8_t *marks = lion_arena_zalloc(&scope->run->arena, scope->capacity + 1);
    for (uint32_t i = 0; i < count; i++) marks[vars[i]] = 1;
    return marks;
}

static bool is_cheaper(lion_scope *scope, const lion_clause *clause, const semi_keys *keys, const lion_operator *operator)
{
    lion_run *run = scope->run;
    double rows = fmax(1, operator->rows_estimated), made = 0, by_set = 0, by_row = rows * FEED_NS;
    if (lion_run_forces(run, LION_PLAN_SEMI_JOIN)) return true;
    if (run->dice != 0) return lion_plan_dice(run, 2) == 1;
    lion_operator *alone = lion_unit_new(run), *fed = lion_feed_new(run, NULL, keys->vars, keys->count);
    fed->rows_estimated = rows;
    const uint8_t *wanted = marks_of(scope, keys->vars, keys->count), *none = marks_of(scope, NULL, 0);
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        by_set += branch_cost(scope, &clause->branches[b], keys, alone, wanted, &made);
        by_set += made * (keys->is_bits ? LION_SET_NS : LION_SET_ROW_NS);
        by_row += branch_cost(scope, &clause->branches[b], keys, fed, none, &made);
    }
    return by_set + rows * (keys->is_bits ? LION_TEST_NS : LION_TEST_ROW_NS) < by_row;
}

/* ---- making ---- */

/* Rows of fewer are compared where they are. */
#define ROWS_MIN 16

/* The clause's branches as plans by themselves, which bind the variables. */
static lion_status plan_branches(lion_operator ***branches_out, lion_scope *scope, const lion_clause *clause, const semi_keys *keys,
                                 const uint32_t *vars, uint32_t count, lion_error *error)
{
    lion_operator **branches = lion_arena_zalloc(&scope->run->arena, sizeof(*branches) * (clause->branch_count + 1));
    const uint8_t *needed = marks_of(scope, vars, count);
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        lion_status status = lion_plan_alone(scope, &clause->branches[b], keys->known, keys->known_count, needed, &branches[b], error);
        if (status != LION_OK) return status;
    }
    for (uint32_t b = 0; b < clause->branch_count; b++)
        if (lion_operator_is_nothing(branches[b])) return LION_ABSENT; /* which is told where they go row by row */
    *branches_out = branches;
    return LION_OK;
}

lion_status lion_semi_plan(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_operator *instead,
                           lion_error *error)
{
    lion_run *run = scope->run;
    semi_keys keys;
    lion_operator **branches = NULL;
    bool is_short = (*operator)->rows_estimated < ROWS_MIN && !lion_run_is_told(run);
    if (is_short || !lion_run_allows(run, LION_PLAN_SEMI_JOIN)) return LION_ABSENT;
    read_keys(&keys, scope, clause, *operator);
    if (!can_be_set(&keys, scope, clause) || !is_cheaper(scope, clause, &keys, *operator)) return LION_ABSENT;
    lion_status status = plan_branches(&branches, scope, clause, &keys, keys.vars, keys.count, error);
    if (status != LION_OK) return status;
    lion_operator *right = clause->branch_count == 1 ? branches[0] : lion_union_all_new(run, branches, clause->branch_count, keys.vars, keys.count);
    *operator = lion_semi_new(run, *operator, right, keys.vars, keys.count, keep, clause->kind == LION_CLAUSE_NOT, instead);
    return LION_OK;
}

/* The type of the ids or whole numbers that every branch, by itself, binds the variable to; NIL: not of this kind. */
static lion_type type_of_ids(const lion_scope *scope, const lion_clause *clause, const semi_keys *keys, uint32_t var)
{
    semi_keys wanted = { .vars = &var, .count = 1, .known = keys->known, .known_count = keys->known_count };
    lion_type found = LION_TYPE_NIL;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        lion_type type = type_in(scope, &clause->branches[b], var);
        bool is_whole = type == LION_TYPE_REF || type == LION_TYPE_LONG;
        if (!is_whole || (b > 0 && type != found) || !can_stand(scope, &clause->branches[b])) return LION_TYPE_NIL;
        if (!binds_keys(scope, &clause->branches[b], &wanted)) return LION_TYPE_NIL;
        found = type;
    }
    return found;
}

lion_status lion_union_plan(lion_scope *scope, const lion_clause *clause, lion_operator **operator, uint32_t var, const uint8_t *keep,
                            lion_error *error)
{
    lion_run *run = scope->run;
    semi_keys keys;
    lion_operator **branches = NULL;
    if (!lion_run_allows(run, LION_PLAN_SEMI_JOIN) || (!lion_run_forces(run, LION_PLAN_SEMI_JOIN) && run->dice != 0 && lion_plan_dice(run, 2) == 1))
        return LION_ABSENT;
    read_keys(&keys, scope, clause, *operator);
    lion_type type = keys.count > 0 ? LION_TYPE_NIL : type_of_ids(scope, clause, &keys, var);
    if (type == LION_TYPE_NIL) return LION_ABSENT;
    lion_status status = plan_branches(&branches, scope, clause, &keys, &var, 1, error);
    if (status != LION_OK) return status;
    *operator = lion_union_ids_new(run, *operator, branches, clause->branch_count, var, type, keep);
    return LION_OK;
}
