/* query.c - queries and their runs: inputs bound, sources opened, the plan made, the result stepped. */

#include <errno.h>

#include "base/clock.h"
#include "base/memory.h"
#include "query/binding.h"
#include "query/count.h"
#include "query/explain.h"
#include "query/inline_rules.h"
#include "query/parallel.h"
#include "query/plan_cache.h"
#include "query/plan_kept.h"
#include "query/result.h"
#include "query/rewrite.h"

#define QUERY_DEPTH_MAX 32

struct lion_query {
    uint32_t references; /* atomic */
    lion_arena arena;
    lion_query_ir *ir;
    lion_plan_cache plans;
    lion_kept_plans kept;
};

struct lion_query_run {
    lion_run run;        /* first: what rests is known by it */
    lion_query *query;   /* kept; NULL: a nested query's, kept by the outer run */
    lion_kept_plan *plan; /* whose copies the operators are; NULL: the run's own plan */
    lion_operator *root;
    lion_rules *engine;
    lion_result *result;
    lion_query_input *inputs; /* as they were given */
    lion_query_pull *pulls;   /* by element; NULL: none is pulled */
    bool may_rest;            /* its next run can begin with what is there */
    bool has_yielded;         /* rows have gone out */
};

/* ---- queries ---- */

lion_status lion_query_new(lion_query **query_out, const lion_form *form, lion_error *error)
{
    lion_query *query = lion_zalloc(sizeof(*query));
    if (query == NULL) return lion_fail_memory(error);
    query->references = 1;
    lion_plan_cache_init(&query->plans);
    lion_kept_plans_init(&query->kept);
    lion_arena_init(&query->arena, 0);
    lion_form *copy = lion_arena_new(&query->arena, lion_form);
    *copy = lion_form_copy(&query->arena, form);
    lion_status status = lion_ir_read(&query->ir, copy, &query->arena, error);
    if (status == LION_OK) lion_rules_inline(query->ir, &query->arena);
    if (status == LION_OK) lion_rewrite_query(query->ir, &query->arena);
    if (status == LION_OK) status = lion_arena_check(&query->arena, error);
    if (status != LION_OK) {
        lion_query_drop(query);
        return status;
    }
    *query_out = query;
    return LION_OK;
}

lion_query *lion_query_keep(lion_query *query)
{
    __atomic_add_fetch(&query->references, 1, __ATOMIC_RELAXED);
    return query;
}

static void end_run(lion_query_run *run);

void lion_query_drop(lion_query *query)
{
    if (query == NULL || __atomic_sub_fetch(&query->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    for (lion_run *run; (run = lion_kept_plans_take_any(&query->kept)) != NULL;) end_run((lion_query_run *)run);
    lion_kept_plans_deinit(&query->kept);
    lion_plan_cache_deinit(&query->plans);
    lion_arena_deinit(&query->arena);
    lion_free(query);
}

int lion_query_find_kind(const lion_query *query)
{
    return query->ir->find_kind;
}

const lion_slice *lion_query_keys(const lion_query *query, uint32_t *count_out)
{
    *count_out = query->ir->keys == NULL ? 0 : query->ir->element_count;
    return query->ir->keys;
}

uint32_t lion_query_width(const lion_query *query)
{
    return query->ir->element_count;
}

/* ---- opening a run ---- */

typedef struct opening {
    lion_query_run *run;
    lion_query *query;         /* NULL: a nested query's */
    lion_scope scope;
    lion_todo todo;
    const lion_value **known;
} opening;

static bool is_log(const lion_form *form)
{
    return form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_LOG;
}

static lion_status open_source(lion_run *run, const lion_input *input, const lion_query_input *given, lion_error *error)
{
    lion_source *source = &run->sources[input->source];
    lion_db *db = given->db;
    if (db == NULL && given->form.kind == LION_FORM_DB) db = (lion_db *)(uintptr_t)given->form.value.bits;
    if (db != NULL) {
        source->db = lion_db_keep(db);
        return LION_OK;
    }
    if (is_log(&given->form))
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a log was given where the query reads a database; a log is a variable of :in, such as ?log");
    source->form = &given->form;
    return lion_relation_of_form(&source->relation, &given->form, &run->arena, error);
}

static lion_status open_binding(lion_run *run, const lion_input *input, const lion_query_input *given, lion_error *error)
{
    if (given->db != NULL || given->form.kind == LION_FORM_DB)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a database was given where the query binds a variable; a source is named $ or $name, and a log is another input");
    if (is_log(&given->form)) run->logs[run->log_count++] = lion_db_keep((lion_db *)(intptr_t)given->form.value.bits);
    lion_relation *rows = run->input_rows[run->input_count++];
    lion_relation_clear(rows);
    return lion_binding_apply(rows, &input->binding, input->vars, input->var_count, &given->form, false, error);
}

static lion_status make_inputs(lion_query_run *self, lion_error *error)
{
    lion_run *run = &self->run;
    const lion_query_ir *ir = run->ir;
    lion_arena *arena = &run->arena;
    uint32_t count = 0;
    self->inputs = lion_arena_array(arena, lion_query_input, ir->input_count + 1);
    run->sources = lion_arena_zalloc(arena, sizeof(lion_source) * (ir->source_count + 1));
    run->logs = lion_arena_array(arena, lion_db *, ir->input_count + 1);
    run->input_rows = lion_arena_array(arena, lion_relation *, ir->input_count + 1);
    if (arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < ir->input_count; i++) {
        if (ir->inputs[i].kind != LION_INPUT_BINDING) continue;
        lion_relation *rows = lion_arena_new(arena, lion_relation);
        lion_relation_init(rows, arena, ir->inputs[i].var_count);
        run->input_rows[count++] = rows;
    }
    return lion_arena_check(arena, error);
}

static lion_status open_inputs(lion_query_run *self, const lion_query_input *inputs, lion_error *error)
{
    lion_run *run = &self->run;
    const lion_query_ir *ir = run->ir;
    lion_status status = LION_OK;
    if (ir->input_count > 0) memcpy(self->inputs, inputs, sizeof(*inputs) * ir->input_count);
    run->log_count = run->input_count = 0;
    for (uint32_t i = 0; status == LION_OK && i < ir->input_count; i++) {
        if (ir->inputs[i].kind == LION_INPUT_SOURCE) status = open_source(run, &ir->inputs[i], &self->inputs[i], error);
        if (ir->inputs[i].kind == LION_INPUT_BINDING) status = open_binding(run, &ir->inputs[i], &self->inputs[i], error);
    }
    return status;
}

/* Rows of a binding's variables become a clause of the planner's own. */
static void plan_binding(opening *self, const lion_input *input)
{
    lion_arena *arena = &self->run->run.arena;
    uint32_t at = self->scope.input_count;
    lion_plan_input *rows = lion_scope_add_input(&self->scope);
    lion_clause *clause = lion_arena_new(arena, lion_clause);
    if (rows == NULL || arena->is_exhausted) return; /* the next check of the run says so */
    *rows = (lion_plan_input){ .rows = self->run->run.input_rows[at], .vars = input->vars, .var_count = input->var_count };
    for (uint32_t i = 0; i < rows->var_count; i++) {
        self->scope.is_pending[rows->vars[i]] = 1;
        self->scope.is_given[rows->vars[i]] = 1;
        if (rows->rows->count == 1) self->known[rows->vars[i]] = &rows->rows->rows[i];
    }
    *clause = (lion_clause){ .kind = LION_PLAN_INPUT, .rule = at, .text = lion_slice_text("an input") };
    self->todo.items[self->todo.count++] = clause;
}

static void plan_inputs(opening *self)
{
    const lion_query_ir *ir = self->run->run.ir;
    lion_arena *arena = &self->run->run.arena;
    self->known = lion_arena_zalloc(arena, sizeof(lion_value *) * (self->scope.capacity + 1));
    self->scope.known = self->known;
    for (uint32_t i = 0; i < ir->input_count; i++)
        if (ir->inputs[i].kind == LION_INPUT_BINDING) plan_binding(self, &ir->inputs[i]);
}

static lion_status open_pulls(lion_query_run *self, lion_error *error)
{
    lion_run *run = &self->run;
    for (uint32_t i = 0; i < run->ir->element_count; i++) {
        const lion_element *element = &run->ir->elements[i];
        if (element->kind != LION_ELEMENT_PULL) continue;
        if (self->pulls == NULL) self->pulls = lion_arena_zalloc(&run->arena, sizeof(lion_query_pull) * run->ir->element_count);
        lion_query_pull *pull = &self->pulls[i];
        lion_status status = lion_run_db(&pull->db, run, element->source, lion_slice_text("pull"), error);
        if (status != LION_OK) return status;
        pull->is_pull = true;
        pull->pattern = element->pattern != NULL ? element->pattern : &self->inputs[element->pattern_input].form;
    }
    return LION_OK;
}

/* Every variable that is found must be bound by something (or be counted already). */
static lion_status check_found(const opening *self, const lion_operator *root, const uint8_t *needed, lion_error *error)
{
    const lion_query_ir *ir = self->run->run.ir;
    for (uint32_t i = 0; i < ir->element_count + ir->with_count; i++) {
        uint32_t var = i < ir->element_count ? ir->elements[i].var : ir->with[i - ir->element_count];
        if (needed[var] && lion_operator_slot(root, var) == LION_SLOT_NONE)
            return lion_fail(error, LION_INCORRECT, "db.error/insufficient-binding", "[%.*s] is found but not bound by any clause or input",
                             (int)ir->var_names[var].size, (const char *)ir->var_names[var].data);
    }
    return LION_OK;
}

/* Sets that no other part of the plan needs, where one is made of all rows in the end. */
static void note_optional(lion_operator *root)
{
    for (lion_operator *at = root; at != NULL; at = at->inputs[0])
        if (lion_operator_is_distinct(at)) lion_distinct_is_optional(at);
}

/* The plan's operators and what is made of their rows; *weight_out: the variable that says how many rows each stands for, if one does. */
static lion_status make_plan(opening *self, uint32_t *weight_out, lion_error *error)
{
    lion_run *run = &self->run->run;
    const lion_query_ir *ir = run->ir;
    uint8_t *needed = lion_arena_zalloc(&run->arena, self->scope.capacity + 1);
    for (uint32_t i = 0; i < ir->element_count; i++) needed[ir->elements[i].var] = 1;
    for (uint32_t i = 0; i < ir->with_count; i++) needed[ir->with[i]] = 1;
    lion_operator *root = lion_unit_new(run);
    const char *untrue = lion_rewrite_known(&self->scope, &self->todo, self->known);
    if (untrue != NULL) root = lion_nothing_new(run, root, lion_arena_printf(&run->arena, "%s holds of nothing", untrue));
    lion_status status = untrue != NULL ? LION_ABSENT : lion_count_plan(weight_out, &self->scope, &self->todo, &root, needed, error);
    self->scope.cache = status == LION_ABSENT && self->query != NULL ? &self->query->plans : NULL;
    self->scope.adapts = status == LION_ABSENT;
    if (status == LION_OK || status == LION_ABSENT) status = lion_plan(&self->scope, &self->todo, &root, needed, NULL, error);
    self->run->root = root; /* closed with the run, whole or not */
    if (status == LION_OK) status = check_found(self, root, needed, error);
    if (status != LION_OK) return status;
    if (!lion_plan_is_result(root, needed)) {
        if (*weight_out == UINT32_MAX) note_optional(root);
        self->run->root = lion_distinct_new(run, root, needed);
        self->run->root->rows_estimated = root->rows_estimated;
    }
    bool has_groups = run->options.threads > 1 && *weight_out == UINT32_MAX;
    lion_parallel_make(run, &self->run->root, NULL, has_groups ? lion_partial_groups(run, self->scope.is_attribute) : NULL);
    return LION_OK;
}

static lion_status plan_run(opening *self, bool is_to_keep, lion_error *error)
{
    lion_run *run = &self->run->run;
    const lion_query_ir *ir = run->ir;
    uint32_t weight = UINT32_MAX;
    lion_scope_init(&self->scope, run, ir->var_names, ir->var_count, lion_clauses_hidden(&ir->where) + 2);
    lion_todo_init(&self->todo, &ir->where, ir->input_count + ir->where.count, &run->arena);
    plan_inputs(self);
    self->run->engine = self->scope.engine = lion_rules_new(run, ir);
    self->scope.rules = lion_rules_list(self->scope.engine);
    lion_scope_mark_attributes(&self->scope, &ir->where);
    lion_scope_mark_given(&self->scope, &ir->where);
    lion_status status = make_plan(self, &weight, error);
    if (status == LION_OK && is_to_keep && weight == UINT32_MAX) lion_kept_plans_add(&self->query->kept, run, self->run->root, &self->scope);
    if (status != LION_OK) return status;
    return lion_result_new(&self->run->result, run, self->run->root, weight, self->scope.is_attribute, self->run->pulls, error);
}

/* With copies of a kept plan's operators. */
static lion_status copy_run(lion_query_run *self, lion_error *error)
{
    lion_status status = lion_arena_check(&self->run.arena, error);
    if (status != LION_OK) return status;
    self->may_rest = lion_kept_plan_is_renewable(self->plan);
    return lion_result_new(&self->result, &self->run, self->root, UINT32_MAX, lion_kept_plan_attributes(self->plan), self->pulls, error);
}

static lion_status take_inputs(lion_query_run *self, const lion_query_input *inputs, lion_error *error)
{
    lion_status status = make_inputs(self, error);
    if (status == LION_OK) status = open_inputs(self, inputs, error);
    return status == LION_OK ? open_pulls(self, error) : status;
}

static lion_status make_operators(lion_query_run *self, lion_query *query, lion_error *error)
{
    lion_run *run = &self->run;
    bool may_keep = query != NULL && !run->is_frugal && lion_kept_plan_may(run);
    if (may_keep) self->plan = lion_kept_plans_find(&self->root, &query->kept, run);
    if (self->plan != NULL) return copy_run(self, error);
    opening *state = lion_arena_new(&run->arena, opening); /* the plan may be changed while it runs: the scope lives as long */
    state->run = self;
    state->query = query;
    return plan_run(state, may_keep, error);
}

static void set_options(lion_run *run, const lion_query_options *options, const lion_run *outer)
{
    run->options = options != NULL ? *options : (lion_query_options){ .limit = -1 };
    lion_spill_init(&run->spill, &run->arena, run->options.temp_max);
    if (outer != NULL) run->deadline_ns = outer->deadline_ns;
    else run->deadline_ns = run->options.timeout_ms > 0 ? lion_clock_deadline_ns(run->options.timeout_ms) : 0;
    run->depth = outer == NULL ? 0 : outer->depth + 1;
    run->dice = run->options.plan_seed;
}

static lion_status open_run(lion_query_run **run_out, const lion_query_ir *ir, lion_query *query, const lion_query_input *inputs, size_t count,
                            const lion_query_options *options, const lion_run *outer, lion_error *error)
{
    if (count != ir->input_count)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the query takes %u inputs, but %zu were given", (unsigned)ir->input_count, count);
    if (outer != NULL && outer->depth >= QUERY_DEPTH_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "queries are nested more than %d deep", QUERY_DEPTH_MAX);
    lion_query_run *run = lion_zalloc(sizeof(*run));
    if (run == NULL) return lion_fail_memory(error);
    run->run.ir = ir;
    size_t memory_max = options == NULL ? 0 : options->memory_max;
    if (query != NULL && lion_kept_plans_have_renewable(&query->kept)) lion_arena_init(&run->run.arena, memory_max);
    else lion_arena_init_again(&run->run.arena, memory_max);
    set_options(&run->run, options, outer);
    lion_status status = take_inputs(run, inputs, error);
    if (status == LION_OK) status = make_operators(run, query, error);
    if (status != LION_OK) {
        lion_query_close(run);
        return status;
    }
    *run_out = run;
    return LION_OK;
}

lion_status lion_query_open_ir(lion_query_run **run_out, const lion_query_ir *ir, const lion_query_input *inputs, size_t count,
                               const lion_query_options *options, const lion_run *outer, lion_error *error)
{
    return open_run(run_out, ir, NULL, inputs, count, options, outer, error);
}

/* ---- runs that rest between two openings ---- */

/* What it was given is not its own any longer, nor what it holds of it (overlays). */
static void let_go(lion_run *run)
{
    lion_arena_end(&run->arena);
    for (uint32_t i = 0; run->sources != NULL && i < run->ir->source_count; i++) {
        lion_db_drop(run->sources[i].db);
        run->sources[i].db = NULL;
    }
    for (uint32_t i = 0; i < run->log_count; i++) lion_db_drop(run->logs[i]);
    run->log_count = 0;
}

static void end_run(lion_query_run *run)
{
    lion_operator_close(run->root);
    lion_kept_plan_drop(run->plan);
    let_go(&run->run);
    lion_spill_deinit(&run->run.spill);
    lion_arena_deinit(&run->run.arena);
    lion_query_drop(run->query);
    lion_free(run);
}

/* Little memory, and no file. */
static bool is_light(const lion_run *run)
{
    const lion_arena *arena = &run->arena;
    return arena->used <= LION_RESTING_SIZE_MAX && !arena->is_exhausted && run->spill.file < 0;
}

static void rest_run(lion_query_run *self, lion_query *query)
{
    let_go(&self->run);
    lion_run *gone = lion_kept_plans_rest(&query->kept, self->plan, &self->run);
    if (gone != NULL) end_run((lion_query_run *)gone);
}

/* By source; false: one is none, or there are too many. */
static bool list_databases(const lion_db **dbs, uint32_t room, const lion_query_ir *ir, const lion_query_input *inputs)
{
    if (ir->source_count > room) return false;
    for (uint32_t i = 0; i < ir->input_count; i++) {
        const lion_query_input *given = &inputs[i];
        if (ir->inputs[i].kind != LION_INPUT_SOURCE) continue;
        const lion_db *db = given->db;
        if (db == NULL && given->form.kind == LION_FORM_DB) db = (const lion_db *)(uintptr_t)given->form.value.bits;
        if (db == NULL) return false;
        dbs[ir->inputs[i].source] = db;
    }
    return true;
}

/* LION_ABSENT: its plan is not for these inputs. */
static lion_status begin_again(lion_query_run *self, const lion_query_input *inputs, const lion_query_options *options, lion_error *error)
{
    lion_run *run = &self->run;
    set_options(run, options, NULL);
    run->arena.peak = lion_arena_filled(&run->arena);
    run->checks = 0;
    self->has_yielded = false;
    lion_status status = open_inputs(self, inputs, error);
    if (status == LION_OK) status = open_pulls(self, error);
    if (status != LION_OK) return status;
    if (!lion_kept_plan_may(run) || !lion_kept_plan_is_for(self->plan, run)) return LION_ABSENT;
    status = lion_operator_renew(self->root, error);
    lion_result_renew(self->result);
    return status;
}

#define SOURCES_MAX 8

/* LION_ABSENT: no run that rests is for these inputs. */
static lion_status open_rested(lion_query_run **run_out, lion_query *query, const lion_query_input *inputs, const lion_query_options *options,
                               lion_error *error)
{
    static const lion_query_options plain = { .limit = -1 };
    const lion_db *dbs[SOURCES_MAX] = { NULL };
    const lion_kept_plan *not = NULL;
    if (!lion_kept_plans_have_renewable(&query->kept) || !list_databases(dbs, SOURCES_MAX, query->ir, inputs)) return LION_ABSENT;
    for (int tries = 0; tries < 2; tries++) { /* values of another class have a plan of their own */
        lion_run *run = lion_kept_plans_take(&query->kept, dbs, options != NULL ? options : &plain, not);
        lion_query_run *self = (lion_query_run *)run;
        if (run == NULL) return LION_ABSENT;
        lion_status status = begin_again(self, inputs, options, error);
        if (status == LION_OK) {
            self->query = lion_query_keep(query);
            *run_out = self;
            return LION_OK;
        }
        not = self->plan;
        if (status == LION_ABSENT) rest_run(self, query);
        else end_run(self);
        if (status != LION_ABSENT) return status;
    }
    return LION_ABSENT;
}

lion_status lion_query_open(lion_query_run **run_out, lion_query *query, const lion_query_input *inputs, size_t count,
                            const lion_query_options *options, lion_error *error)
{
    lion_status status = count == query->ir->input_count ? open_rested(run_out, query, inputs, options, error) : LION_ABSENT;
    if (status != LION_ABSENT) return status;
    status = open_run(run_out, query->ir, query, inputs, count, options, NULL, error);
    if (status == LION_OK) (*run_out)->query = lion_query_keep(query);
    return status;
}

/* ---- once more, for want of memory ----
 *
 * What is made where there is another way (arrays, tables of look-ups, sets of keys) is made where it is thought to fit. Where all of it
 * together turns out not to, a run from which nothing has gone out begins again without any of it, so that more memory never
 * answers less than little. */

static bool needs_less(const lion_query_run *self, const lion_error *error)
{
    const lion_arena *arena = &self->run.arena;
    bool is_limit = arena->budget != 0 && !arena->is_exhausted && error->system_code == ENOMEM && strcmp(error->code, "lion/limit") == 0;
    return is_limit && !self->run.is_frugal && !self->has_yielded;
}

static lion_status begin_frugally(lion_query_run *self, lion_error *error)
{
    lion_run *run = &self->run, before = *run;
    lion_operator_close(self->root);
    lion_kept_plan_drop(self->plan);
    self->plan = NULL;
    self->pulls = NULL;
    self->result = NULL;
    self->may_rest = false;
    *run = (lion_run){ .ir = before.ir, .options = before.options, .deadline_ns = before.deadline_ns, .depth = before.depth,
                       .dice = before.options.plan_seed, .checks = before.checks, .unchecked_ns = before.unchecked_ns, .is_frugal = true };
    run->options.threads = 1;
    lion_arena_init(&run->arena, before.arena.budget);
    lion_spill_init(&run->spill, &run->arena, run->options.temp_max);
    lion_status status = take_inputs(self, self->inputs, error);
    let_go(&before);
    lion_spill_deinit(&before.spill);
    run->arena.peak = lion_arena_peak(&before.arena);
    lion_arena_deinit(&before.arena);
    self->root = lion_unit_new(run);
    return status == LION_OK ? make_operators(self, self->query, error) : status;
}

/* ---- stepping ---- */

lion_status lion_query_next(lion_query_run *run, lion_query_batch *batch_out, lion_error *error)
{
    if (run->result == NULL) return LION_END; /* it has failed */
    run->run.call = NULL;
    run->run.checked_ns = 0;
    lion_error own = { 0 }, *told = error != NULL ? error : &own;
    lion_status status = lion_result_next(run->result, batch_out, told);
    if (status == LION_FAILED && needs_less(run, told)) {
        status = begin_frugally(run, told);
        if (status == LION_OK) status = lion_result_next(run->result, batch_out, told);
    }
    run->has_yielded = run->has_yielded || status == LION_OK;
    if (status == LION_FAILED || status == LION_CALL) run->may_rest = false;
    return status;
}

lion_call *lion_query_call(lion_query_run *run)
{
    return run->run.call;
}

void lion_query_close(lion_query_run *run)
{
    if (run == NULL) return;
    if (run->query == NULL || !run->may_rest || !is_light(&run->run)) {
        end_run(run);
        return;
    }
    lion_query *query = run->query;
    run->query = NULL;
    rest_run(run, query);
    lion_query_drop(query);
}

lion_status lion_query_explain(lion_form *tree_out, char **text_out, lion_query_run *run, lion_arena *arena, lion_error *error)
{
    const lion_operator *root = run->result == NULL ? run->root : lion_result_shown(run->result);
    return lion_explain(tree_out, text_out, root, arena, error);
}
