/* plan_kept.c - plans by what their numbers were, copied into runs. */
#include "query/plan_kept.h"

#include "base/hash.h"
#include "base/memory.h"
#include "query/parallel.h"
#include "query/result.h"

/* So many datoms more or less in novelty, and a plan is made anew. */
#define NOVELTY_MAX 256

/* A pattern whose value is an input's: how many datoms have it. */
typedef struct guard {
    const lion_attribute *attribute; /* of the schema */
    uint32_t source;
    uint32_t input, column;          /* of run->input_rows */
} guard;

/* What a source was when the plan was made. */
typedef struct basis {
    lion_schema *schema;       /* kept */
    const lion_root *root;     /* compared, never read: it may be gone */
    uint64_t novelty;
    int64_t upper_t, since_t;  /* INT64_MAX: all there is */
} basis;

struct lion_kept_plan {
    uint32_t references;       /* atomic */
    uint64_t key;              /* of the inputs' values */
    basis *bases;              /* per source */
    uint32_t basis_count;
    guard *guards;
    uint32_t guard_count;
    uint32_t threads;
    bool is_renewable;
    lion_operator *root;
    lion_run run;              /* what the operators are of: its arena alone is there */
};

void lion_kept_plans_init(lion_kept_plans *plans)
{
    *plans = (lion_kept_plans){ 0 };
    pthread_mutex_init(&plans->lock, NULL);
}

void lion_kept_plans_deinit(lion_kept_plans *plans)
{
    for (uint32_t i = 0; i < LION_KEPT_PLANS_MAX; i++) lion_kept_plan_drop(plans->plans[i]);
    pthread_mutex_destroy(&plans->lock);
}

const uint8_t *lion_kept_plan_attributes(const lion_kept_plan *plan)
{
    return plan->run.is_attribute;
}

void lion_kept_plan_drop(lion_kept_plan *plan)
{
    if (plan == NULL || __atomic_sub_fetch(&plan->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    lion_operator_close(plan->root);
    for (uint32_t i = 0; i < plan->basis_count; i++) lion_schema_drop(plan->bases[i].schema);
    lion_arena_deinit(&plan->run.arena);
    lion_free(plan);
}

/* ---- which runs ---- */

bool lion_kept_plan_may(const lion_run *run)
{
    const lion_query_options *options = &run->options;
    if (options->statistics || lion_run_is_told(run) || options->table_rows_max != 0 || run->log_count > 0) return false;
    for (uint32_t i = 0; i < run->ir->source_count; i++) {
        const lion_db *db = run->sources[i].db;
        if (db == NULL || db->view.filter_count > 0 || db->view.is_history) return false;
    }
    for (uint32_t i = 0; i < run->input_count; i++)
        if (run->input_rows[i]->count != 1) return false;
    return true;
}

/* ---- numbers ---- */

static uint64_t novelty_of(const lion_view *view)
{
    return view->novelty.datoms + view->speculative.datoms;
}

/* What is shown up to a t stays as it is; all there is grows. */
static int64_t upper_of(const lion_view *view)
{
    return view->upper_t < lion_view_newest_t(view) ? view->upper_t : INT64_MAX;
}

static bool is_near(uint64_t a, uint64_t b)
{
    return (a > b ? a - b : b - a) <= NOVELTY_MAX;
}

static bool fits_source(const lion_kept_plan *plan, uint32_t source, const lion_db *db)
{
    const basis *was = &plan->bases[source];
    bool is_same = db->schema == was->schema && db->view.root == was->root && db->view.filter_count == 0 && !db->view.is_history &&
                   upper_of(&db->view) == was->upper_t && db->view.since_t == was->since_t;
    return is_same && is_near(novelty_of(&db->view), was->novelty);
}

static bool fits(const lion_kept_plan *plan, const lion_run *run)
{
    if (plan->threads != run->options.threads) return false;
    for (uint32_t i = 0; i < plan->basis_count; i++)
        if (!fits_source(plan, i, run->sources[i].db)) return false;
    return true;
}

/* A factor of four is a class. */
static uint64_t class_of(const guard *of, lion_run *run)
{
    const lion_db *db = run->sources[of->source].db;
    lion_form form = lion_form_value(run->input_rows[of->input]->rows[of->column]);
    lion_key key = { .datom = { .a = of->attribute->id }, .parts = 2 };
    uint64_t count = 0;
    if (lion_db_value(&key.datom.v, db, of->attribute, &form, &run->arena, NULL) != LION_OK) return 0;
    if (lion_view_estimate(&count, &db->view, LION_AVET, &key, NULL) != LION_OK || count == 0) return 0;
    return 1 + (uint64_t)(63 - __builtin_clzll(count)) / 2;
}

static uint64_t key_of(const lion_kept_plan *plan, lion_run *run)
{
    uint64_t key = 0;
    for (uint32_t i = 0; i < plan->guard_count; i++) key = key * 64 + class_of(&plan->guards[i], run);
    return key;
}

bool lion_kept_plan_is_for(const lion_kept_plan *plan, lion_run *run)
{
    return plan->guard_count == 0 || key_of(plan, run) == plan->key;
}

bool lion_kept_plan_is_renewable(const lion_kept_plan *plan)
{
    return plan->is_renewable;
}

/* ---- finding ---- */

lion_kept_plan *lion_kept_plans_find(lion_operator **root_out, lion_kept_plans *plans, lion_run *run)
{
    lion_kept_plan *found = NULL;
    uint64_t key = 0;
    bool has_key = false; /* guards are the clauses': those of one schema are the same */
    pthread_mutex_lock(&plans->lock);
    for (uint32_t i = 0; i < LION_KEPT_PLANS_MAX && plans->plans[i] != NULL && found == NULL; i++) {
        lion_kept_plan *plan = plans->plans[i];
        if (!fits(plan, run)) continue;
        if (!has_key) key = key_of(plan, run);
        has_key = true;
        if (plan->key == key) found = plan;
    }
    if (found != NULL) __atomic_add_fetch(&found->references, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&plans->lock);
    if (found == NULL) return NULL;
    run->is_attribute = found->run.is_attribute;
    run->var_room = found->run.var_room;
    *root_out = lion_parallel_copy(found->root, NULL, run, NULL);
    return found;
}

/* ---- keeping ---- */

/* The input that gives the variable; false: none does. */
static bool find_input(uint32_t *input_out, uint32_t *column_out, const lion_scope *scope, uint32_t input_count, uint32_t var)
{
    for (uint32_t i = 0; i < input_count; i++)
        for (uint32_t k = 0; k < scope->inputs[i].var_count; k++) {
            if (scope->inputs[i].vars[k] != var) continue;
            *input_out = i;
            *column_out = k;
            return true;
        }
    return false;
}

static uint32_t count_patterns(const lion_clauses *clauses)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        count += clause->kind == LION_CLAUSE_PATTERN;
        for (uint32_t b = 0; b < clause->branch_count; b++) count += count_patterns(&clause->branches[b]);
    }
    return count;
}

/* false: how frequent the value is takes more than a look into an index. */
static bool add_guard(lion_kept_plan *plan, const lion_scope *scope, const lion_clause *clause)
{
    const lion_run *run = scope->run;
    guard made = { .source = clause->source };
    if (clause->term_count < 3 || clause->terms[2].kind != LION_TERM_VAR) return true;
    if (!find_input(&made.input, &made.column, scope, run->input_count, clause->terms[2].index)) return true;
    made.attribute = lion_clause_attribute(run->sources[clause->source].db->schema, clause);
    if (made.attribute == NULL || !made.attribute->is_in_avet) return false;
    if (made.attribute->unique != LION_UNIQUE_NONE) return true;
    plan->guards[plan->guard_count++] = made;
    return true;
}

static bool add_guards(lion_kept_plan *plan, const lion_scope *scope, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        if (clause->kind == LION_CLAUSE_PATTERN && !add_guard(plan, scope, clause)) return false;
        for (uint32_t b = 0; b < clause->branch_count; b++)
            if (!add_guards(plan, scope, &clause->branches[b])) return false;
    }
    return true;
}

static void add_bases(lion_kept_plan *plan, const lion_run *run)
{
    plan->bases = lion_arena_array(&plan->run.arena, basis, run->ir->source_count + 1);
    for (uint32_t i = 0; i < run->ir->source_count && !plan->run.arena.is_exhausted; i++) {
        const lion_db *db = run->sources[i].db;
        plan->bases[i] = (basis){ .schema = lion_schema_keep(db->schema), .root = db->view.root, .novelty = novelty_of(&db->view),
                                    .upper_t = upper_of(&db->view), .since_t = db->view.since_t };
        plan->basis_count++;
    }
}

static bool can_keep(const lion_operator *operator)
{
    if (operator == NULL) return true;
    if (operator->copy == NULL || operator->inputs[1] != NULL) return false;
    for (uint32_t i = 0; i < operator->subplan_count; i++)
        if (!can_keep(operator->subplans[i])) return false;
    return can_keep(operator->inputs[0]);
}

/* What is told of operators lies with them. */
static void own_texts(lion_operator *operator, lion_arena *arena)
{
    if (operator == NULL) return;
    if (operator->detail != NULL) operator->detail = lion_arena_text(arena, lion_slice_text(operator->detail));
    if (operator->advice != NULL) operator->advice = lion_arena_text(arena, lion_slice_text(operator->advice));
    for (uint32_t i = 0; i < operator->subplan_count; i++) own_texts(operator->subplans[i], arena);
    own_texts(operator->inputs[0], arena);
}

static void copy_operators(lion_kept_plan *plan, const lion_run *from, const lion_operator *root, const lion_scope *scope)
{
    lion_run *run = &plan->run;
    uint8_t *is_attribute = lion_arena_alloc(&run->arena, scope->capacity + 1);
    memcpy(is_attribute, scope->is_attribute, scope->capacity + 1);
    run->is_kept = true;
    run->is_attribute = is_attribute;
    run->var_room = from->var_room;
    run->ir = from->ir;
    run->sources = from->sources; /* while they are copied */
    plan->root = lion_parallel_copy(root, NULL, run, NULL);
    run->sources = NULL;
    if (!run->arena.is_exhausted) own_texts(plan->root, &run->arena);
}

static bool is_of_same(const lion_kept_plan *a, const lion_kept_plan *b)
{
    if (a->key != b->key || a->threads != b->threads) return false;
    if (a->basis_count == 0 || b->basis_count == 0) return true;
    const basis *one = &a->bases[0], *other = &b->bases[0];
    return one->schema == other->schema && one->upper_t == other->upper_t && one->since_t == other->since_t;
}

/* Whether the run's databases show what is there now, or the part of time that was asked for the last time a plan of another was made:
 * one that is asked for once is not worth the copy, nor the place of a plan of now. */
static bool is_asked_again(lion_kept_plans *plans, const lion_run *run)
{
    uint64_t past = 0;
    for (uint32_t i = 0; i < run->ir->source_count; i++) {
        const lion_view *view = &run->sources[i].db->view;
        if (upper_of(view) == INT64_MAX && view->since_t < 0) continue;
        past = lion_hash_u64(past ^ lion_hash_u64((uint64_t)view->upper_t) ^ (uint64_t)view->since_t) | 1;
    }
    if (past == 0) return true;
    pthread_mutex_lock(&plans->lock);
    bool is_again = plans->past == past;
    plans->past = past;
    pthread_mutex_unlock(&plans->lock);
    return is_again;
}

/* In front; the last one goes, or one that is the same but for what its numbers are. */
static void put(lion_kept_plans *plans, lion_kept_plan *plan)
{
    pthread_mutex_lock(&plans->lock);
    uint32_t at = 0;
    while (at + 1 < LION_KEPT_PLANS_MAX && plans->plans[at] != NULL) {
        if (is_of_same(plans->plans[at], plan)) break;
        at++;
    }
    lion_kept_plan *gone = plans->plans[at];
    memmove(&plans->plans[1], &plans->plans[0], sizeof(plans->plans[0]) * at);
    plans->plans[0] = plan;
    pthread_mutex_unlock(&plans->lock);
    lion_kept_plan_drop(gone);
}

void lion_kept_plans_add(lion_kept_plans *plans, lion_run *run, lion_operator *root, const lion_scope *scope)
{
    if (run->is_once || run->arena.is_exhausted || !can_keep(root) || !is_asked_again(plans, run)) return;
    lion_kept_plan *plan = lion_zalloc(sizeof(*plan));
    if (plan == NULL) return;
    plan->references = 1;
    plan->threads = run->options.threads;
    lion_arena_init(&plan->run.arena, 0);
    uint32_t patterns = count_patterns(&run->ir->where);
    plan->guards = lion_arena_array(&plan->run.arena, guard, patterns + 1);
    add_bases(plan, run);
    bool is_good = !plan->run.arena.is_exhausted && (patterns < 2 || add_guards(plan, scope, &run->ir->where));
    if (is_good) copy_operators(plan, run, root, scope);
    if (!is_good || plan->run.is_once || plan->run.arena.is_exhausted) {
        lion_kept_plan_drop(plan);
        return;
    }
    plan->key = key_of(plan, run);
    plan->is_renewable = lion_operator_can_renew(plan->root) && lion_result_can_renew(run->ir);
    if (plan->is_renewable) __atomic_store_n(&plans->have_renewable, true, __ATOMIC_RELAXED);
    put(plans, plan);
}

/* ---- runs that rest ---- */

/* What operators and results are made for. */
static bool has_options(const lion_run *run, const lion_query_options *options)
{
    const lion_query_options *own = &run->options;
    return own->limit == options->limit && own->offset == options->offset && own->memory_max == options->memory_max &&
           own->temp_max == options->temp_max && own->threads == options->threads;
}

static bool fits_databases(const lion_kept_plan *plan, const lion_db *const *dbs)
{
    for (uint32_t i = 0; i < plan->basis_count; i++)
        if (dbs[i] == NULL || !fits_source(plan, i, dbs[i])) return false;
    return true;
}

/* Those behind move up. */
static lion_run *take_at(lion_kept_plans *plans, uint32_t at)
{
    lion_run *run = plans->resting[at].run;
    for (; at + 1 < LION_RESTING_RUNS_MAX; at++) plans->resting[at] = plans->resting[at + 1];
    plans->resting[at] = (lion_resting_run){ 0 };
    return run;
}

lion_run *lion_kept_plans_take(lion_kept_plans *plans, const lion_db *const *dbs, const lion_query_options *options, const lion_kept_plan *not)
{
    lion_run *found = NULL;
    if (!lion_kept_plans_have_renewable(plans)) return NULL;
    pthread_mutex_lock(&plans->lock);
    for (uint32_t i = 0; i < LION_RESTING_RUNS_MAX && plans->resting[i].run != NULL && found == NULL; i++) {
        const lion_resting_run *at = &plans->resting[i];
        if (at->plan != not && has_options(at->run, options) && fits_databases(at->plan, dbs)) found = take_at(plans, i);
    }
    pthread_mutex_unlock(&plans->lock);
    return found;
}

static bool is_there(const lion_kept_plans *plans, const lion_kept_plan *plan)
{
    for (uint32_t i = 0; i < LION_KEPT_PLANS_MAX; i++)
        if (plans->plans[i] == plan) return true;
    return false;
}

/* Whose plan went, or the last. */
static uint32_t find_place(const lion_kept_plans *plans)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < LION_RESTING_RUNS_MAX && plans->resting[i].run != NULL; i++)
        if (!is_there(plans, plans->resting[i].plan)) return i;
    while (at + 1 < LION_RESTING_RUNS_MAX && plans->resting[at].run != NULL) at++;
    return at;
}

lion_run *lion_kept_plans_rest(lion_kept_plans *plans, lion_kept_plan *plan, lion_run *run)
{
    lion_run *gone = run;
    pthread_mutex_lock(&plans->lock);
    if (is_there(plans, plan)) {
        uint32_t at = find_place(plans);
        gone = plans->resting[at].run;
        memmove(&plans->resting[1], &plans->resting[0], sizeof(plans->resting[0]) * at);
        plans->resting[0] = (lion_resting_run){ .run = run, .plan = plan };
    }
    pthread_mutex_unlock(&plans->lock);
    return gone;
}

lion_run *lion_kept_plans_take_any(lion_kept_plans *plans)
{
    pthread_mutex_lock(&plans->lock);
    lion_run *run = take_at(plans, 0);
    pthread_mutex_unlock(&plans->lock);
    return run;
}
