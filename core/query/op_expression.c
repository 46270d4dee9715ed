/* op_expression.c - predicates, functions that may yield several rows for one (op_value.c has the others), nested queries. */
#include "query/binding.h"
#include "query/caller.h"
#include "query/comparison.h"
#include "query/kernels.h"
#include "query/query_memo.h"

/* ---- filter ---- */

#define COMPARISON_NS 1.0 /* a row */

typedef struct filter {
    lion_operator operator;
    lion_caller caller;
    lion_batch batch;
    bool has_batch;
    uint32_t at, kept_count;   /* of the batch, for a built-in that asked for a call */
    uint16_t *selection;       /* LION_BATCH_ROWS */
    lion_passing passing;
    lion_comparison comparison; /* of a built-in that is one */
} filter;

static lion_status filter_builtin(filter *self, lion_error *error)
{
    if (self->at == 0 && lion_comparison_select(&self->comparison, &self->batch, self->selection, &self->kept_count)) return LION_OK;
    for (; self->at < lion_batch_rows(&self->batch); self->at++) {
        uint32_t row = lion_batch_row(&self->batch, self->at);
        lion_value verdict = { 0 };
        lion_status status = lion_caller_apply(&self->caller, &self->batch, row, &verdict, error);
        if (status != LION_OK) return status;
        if (lion_value_is_truthy(verdict)) self->selection[self->kept_count++] = (uint16_t)row;
    }
    return LION_OK;
}

static lion_status filter_user(filter *self)
{
    lion_status status = lion_caller_hear(&self->caller, &self->batch, LION_CALL_PREDICATE);
    if (status != LION_OK) return status;
    uint32_t rows = lion_batch_rows(&self->batch);
    lion_kernel_make_marks(self->caller.verdict, rows);
    self->kept_count = lion_kernel_list(self->selection, self->caller.verdict, rows);
    for (uint32_t k = 0; self->batch.selection != NULL && k < self->kept_count; k++)
        self->selection[k] = self->batch.selection[self->selection[k]];
    return LION_OK;
}

static lion_status filter_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    filter *self = (filter *)operator;
    if (self->caller.prepared != LION_OK) {
        if (error != NULL) *error = self->caller.error;
        return self->caller.prepared;
    }
    do {
        if (!self->has_batch) {
            lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
            if (status != LION_OK) return status;
            self->has_batch = true;
            self->at = self->kept_count = 0;
        }
        lion_status status = self->caller.expression.function != NULL ? filter_builtin(self, error) : filter_user(self);
        if (status != LION_OK) return status;
        self->has_batch = false;
    } while (self->kept_count == 0);
    lion_passing_take(&self->passing, &self->batch);
    *batch_out = (lion_batch){ .count = self->batch.count, .width = operator->width, .columns = self->passing.columns,
                               .selection = self->selection, .selected = self->kept_count };
    return LION_OK;
}

static lion_status filter_rewind(lion_operator *operator, lion_error *error)
{
    filter *self = (filter *)operator;
    (void)error;
    self->has_batch = false;
    self->caller.is_asked = false;
    return LION_OK;
}

static void filter_renew(lion_operator *operator)
{
    lion_caller_renew(&((filter *)operator)->caller);
}

static void filter_close(lion_operator *operator)
{
    lion_function_forget(&((filter *)operator)->caller.call);
}

static lion_operator *filter_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_expression expression = lion_caller_expression(&((const filter *)operator)->caller, run);
    return lion_filter_new(run, input, &expression, lion_operator_keep(operator, run));
}

lion_operator *lion_filter_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep)
{
    filter *self = LION_OPERATOR(run, filter, filter_next, "filter");
    self->operator.rewind = filter_rewind;
    self->operator.close = filter_close;
    self->operator.inputs[0] = input;
    lion_caller_init(&self->caller, run, input, expression);
    if (lion_caller_may_copy(&self->caller)) {
        self->operator.copy = filter_copy;
        self->operator.renew = filter_renew;
    }
    lion_passing_init(&self->passing, &self->operator, input, keep, NULL, 0);
    self->operator.keeps_order = true;
    self->selection = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    if (self->caller.prepared == LION_OK && expression->function != NULL && lion_caller_is_by_values(&self->caller))
        self->comparison = lion_comparison_of(lion_slice_text(expression->function->name), self->caller.slots, self->caller.values, self->caller.count);
    if (self->comparison.kind != LION_COMPARE_NONE) self->operator.row_ns = COMPARISON_NS;
    return &self->operator;
}

/* ---- function ---- */

typedef struct function {
    lion_operator operator;
    lion_caller caller;
    lion_reading reading;
    lion_output output;
    lion_items items;          /* of a built-in that yields them */
    const lion_binding *binding;
    uint32_t *vars;            /* of the binding */
    uint32_t var_count;
    uint32_t *bound;           /* per variable: the input's slot, or NONE */
    uint32_t *out;             /* per variable: the output's slot, or NONE */
    lion_relation rows;        /* what the current row yields … */
    size_t row_at;             /* … and how much of it is out */
    bool is_row_open;
    bool has_results;          /* the host has answered for the reading's batch */
} function;

static void function_emit(function *self, const lion_value *values, uint32_t row)
{
    for (uint32_t i = 0; i < self->var_count; i++)
        if (self->bound[i] != LION_SLOT_NONE &&
            !lion_caller_meets(&self->caller, values[i], lion_batch_get(&self->reading.batch, self->bound[i], row)))
            return;
    lion_output_keep(&self->output, &self->reading.batch, row);
    for (uint32_t i = 0; i < self->var_count; i++)
        if (self->out[i] != LION_SLOT_NONE) *lion_output_at(&self->output, self->out[i]) = values[i];
    self->output.count++;
}

/* The row's result, bound: into self->rows. */
static lion_status function_row(function *self, uint32_t row, lion_error *error)
{
    const lion_function *built_in = self->caller.expression.function;
    const lion_form *form = built_in == NULL ? &self->caller.results[self->reading.at] : NULL;
    self->rows.count = 0;
    self->row_at = 0;
    lion_form answer;
    if (built_in != NULL) {
        lion_value value = { 0 };
        lion_status status = lion_caller_apply(&self->caller, &self->reading.batch, row, &value, error);
        if (status != LION_OK) return status;
        if (lion_function_yields(built_in)) return lion_items_finish(&self->items, error);
        answer = lion_form_value(value);
        form = &answer;
    }
    return lion_binding_apply(&self->rows, self->binding, self->vars, self->var_count, form, true, error);
}

static lion_status function_results(function *self)
{
    if (self->caller.expression.function != NULL || self->has_results) return LION_OK;
    lion_status status = lion_caller_hear(&self->caller, &self->reading.batch, LION_CALL_FUNCTION);
    self->has_results = status == LION_OK;
    return status;
}

static lion_status function_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    function *self = (function *)operator;
    if (self->caller.prepared != LION_OK) {
        if (error != NULL) *error = self->caller.error;
        return self->caller.prepared;
    }
    while (!lion_output_is_full(&self->output)) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status == LION_OK) status = function_results(self);
        if (status == LION_OK && !self->is_row_open) status = function_row(self, row, error);
        if (status != LION_OK) return status;
        self->is_row_open = true;
        while (self->row_at < self->rows.count && !lion_output_is_full(&self->output))
            function_emit(self, lion_relation_row(&self->rows, self->row_at++), row);
        if (self->row_at < self->rows.count) break;
        self->is_row_open = false;
        lion_reading_advance(&self->reading);
        if (!self->reading.is_open) self->has_results = false;
    }
    return lion_output_yield(&self->output, batch_out);
}

static lion_status function_rewind(lion_operator *operator, lion_error *error)
{
    function *self = (function *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->output.count = 0;
    self->is_row_open = self->has_results = self->caller.is_asked = false;
    return LION_OK;
}

static void function_renew(lion_operator *operator)
{
    function *self = (function *)operator;
    lion_caller_renew(&self->caller);
    lion_relation_clear(&self->rows);
    self->row_at = 0;
}

static void function_close(lion_operator *operator)
{
    lion_function_forget(&((function *)operator)->caller.call);
}

/* Which of the binding's variables the input has, and where the others go. */
static void bind_output(lion_operator *operator, const lion_operator *input, const uint32_t *vars, uint32_t var_count,
                        const uint8_t *keep, uint32_t *bound, uint32_t *out, lion_output *output)
{
    lion_arena *arena = &operator->run->arena;
    uint32_t *added = lion_arena_array(arena, uint32_t, var_count + 1), added_count = 0;
    for (uint32_t i = 0; i < var_count; i++) {
        bound[i] = lion_operator_slot(input, vars[i]);
        out[i] = LION_SLOT_NONE;
        if (bound[i] != LION_SLOT_NONE || !keep[vars[i]]) continue;
        out[i] = added_count;
        added[added_count++] = vars[i];
    }
    lion_output_init(output, operator, input, keep, added, added_count);
    for (uint32_t i = 0; i < var_count; i++)
        if (out[i] != LION_SLOT_NONE) out[i] += output->kept;
}

static lion_operator *function_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_expression expression = lion_caller_expression(&((const function *)operator)->caller, run);
    return lion_function_new(run, input, &expression, lion_operator_keep(operator, run));
}

static bool has_one_value(const lion_expression *expression)
{
    bool yields = expression->function != NULL && lion_function_yields(expression->function);
    return expression->clause->binding.kind == LION_BIND_SCALAR && !yields;
}

lion_operator *lion_function_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep)
{
    if (has_one_value(expression)) return lion_value_function_new(run, input, expression, keep);
    function *self = LION_OPERATOR(run, function, function_next, "function");
    self->operator.rewind = function_rewind;
    self->operator.close = function_close;
    self->operator.inputs[0] = input;
    lion_caller_init(&self->caller, run, input, expression);
    if (lion_caller_may_copy(&self->caller)) {
        self->operator.copy = function_copy;
        self->operator.renew = function_renew;
    }
    self->binding = &expression->clause->binding;
    self->var_count = lion_binding_vars(self->binding, &self->vars, &run->arena);
    self->bound = lion_arena_array(&run->arena, uint32_t, self->var_count + 1);
    self->out = lion_arena_array(&run->arena, uint32_t, self->var_count + 1);
    lion_relation_init(&self->rows, &run->arena, self->var_count);
    lion_items_init(&self->items, &self->rows, self->binding, self->vars, self->var_count);
    self->caller.call.items = &self->items;
    bind_output(&self->operator, input, self->vars, self->var_count, keep, self->bound, self->out, &self->output);
    return &self->operator;
}

/* ---- nested query ---- */

typedef struct subquery {
    lion_operator operator;
    const lion_clause *clause;
    lion_query_input *inputs;
    uint32_t *slots;           /* per input: the input's slot, or NONE */
    lion_query_run *inner;     /* open while the current row's query runs */
    bool is_fixed;             /* no variable among the inputs: one run serves all rows */
    bool is_known;             /* `rows` stands for the current row */
    lion_relation rows;        /* of the inner query's answer … */
    const lion_relation *answers; /* … which the current row's rows are of, or what it answered before … */
    size_t row_at, row_end;    /* … these */
    bool is_repeatable;
    lion_value *given;         /* the current row's, of the inputs that are variables */
    lion_query_memo memo;
    lion_form *results;        /* rows of the inner query so far */
    uint32_t result_count, result_room;
    lion_reading reading;
    lion_output output;
    uint32_t *vars, var_count, *bound, *out;
} subquery;

static lion_form form_of_result(const lion_query_batch *batch, uint32_t column, uint32_t row)
{
    if (batch->forms != NULL && batch->forms[column] != NULL) return batch->forms[column][row];
    return lion_form_value(lion_vector_get(&batch->columns[column], row));
}

static lion_status subquery_take(subquery *self, const lion_query_batch *batch, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    for (uint32_t row = 0; row < batch->count; row++) {
        if (self->result_count == self->result_room) {
            uint32_t room = self->result_room == 0 ? 64 : self->result_room * 2;
            lion_form *grown = lion_arena_grow(arena, self->results, sizeof(lion_form) * self->result_room, sizeof(lion_form) * room);
            if (grown == NULL) return lion_fail_memory(error);
            self->results = grown;
            self->result_room = room;
        }
        lion_form form = lion_form_vector(arena, batch->width);
        for (uint32_t i = 0; i < batch->width; i++) {
            lion_form item = form_of_result(batch, i, row);
            form.items[i] = lion_form_copy(arena, &item);
        }
        self->results[self->result_count++] = form;
    }
    return LION_OK;
}

/* The result shaped as the inner query's find says; NIL where a tuple or scalar has none. */
static lion_form subquery_shape(const subquery *self)
{
    lion_form whole = { .kind = LION_FORM_VECTOR, .count = self->result_count, .items = self->results };
    switch (self->clause->query->find_kind) {
    case LION_FIND_COLLECTION:
        for (uint32_t i = 0; i < self->result_count; i++) self->results[i] = self->results[i].items[0];
        return whole;
    case LION_FIND_TUPLE: return self->result_count > 0 ? self->results[0] : lion_form_value(lion_value_nil());
    case LION_FIND_SCALAR: return self->result_count > 0 ? self->results[0].items[0] : lion_form_value(lion_value_nil());
    default: return whole;
    }
}

static lion_status subquery_open(subquery *self, lion_error *error)
{
    lion_run *run = self->operator.run;
    uint32_t given = 0;
    for (uint32_t i = 0; i < self->clause->term_count; i++)
        if (self->slots[i] != LION_SLOT_NONE) self->inputs[i].form = lion_form_value(self->given[given++]);
    self->result_count = 0;
    lion_query_options options = run->options;
    options.limit = -1;
    options.offset = 0;
    return lion_query_open_ir(&self->inner, self->clause->query, self->inputs, self->clause->term_count, &options, run, error);
}

/* Whether it was asked the same for an earlier row. */
static bool subquery_recall(subquery *self, uint32_t row)
{
    uint32_t given = 0;
    for (uint32_t i = 0; i < self->clause->term_count; i++)
        if (self->slots[i] != LION_SLOT_NONE) self->given[given++] = lion_batch_get(&self->reading.batch, self->slots[i], row);
    if (!self->is_repeatable || !lion_query_memo_find(&self->memo, self->given, &self->row_at, &self->row_end)) return false;
    self->answers = &self->memo.answers;
    self->is_known = true;
    return true;
}

static lion_status subquery_row(subquery *self, uint32_t row, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->is_known || (self->inner == NULL && subquery_recall(self, row))) return LION_OK;
    if (self->inner == NULL) status = subquery_open(self, error);
    while (status == LION_OK) {
        lion_query_batch batch;
        status = lion_query_next(self->inner, &batch, error);
        if (status == LION_CALL) self->operator.run->call = lion_query_call(self->inner);
        if (status == LION_OK) status = subquery_take(self, &batch, error);
    }
    if (status != LION_END) return status;
    lion_query_close(self->inner);
    self->inner = NULL;
    self->results = self->results == NULL ? lion_arena_alloc(&self->operator.run->arena, sizeof(lion_form)) : self->results;
    lion_form form = subquery_shape(self);
    self->rows.count = 0;
    status = lion_binding_apply(&self->rows, &self->clause->binding, self->vars, self->var_count, &form, true, error);
    self->answers = &self->rows;
    self->row_at = 0;
    self->row_end = self->rows.count;
    self->is_known = status == LION_OK;
    if (self->is_known && self->is_repeatable) lion_query_memo_put(&self->memo, self->given, &self->rows);
    return status;
}

static void subquery_describe(subquery *self)
{
    lion_slice text = self->clause->text;
    if (self->memo.reused == 0) return;
    self->operator.detail = lion_arena_printf(&self->operator.run->arena, "%.*s reused %llu times", (int)(text.size < 300 ? text.size : 300),
                                              (const char *)text.data, (unsigned long long)self->memo.reused);
}

static lion_status subquery_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    subquery *self = (subquery *)operator;
    while (!lion_output_is_full(&self->output)) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status == LION_OK) status = subquery_row(self, row, error);
        if (status != LION_OK) return status;
        while (self->row_at < self->row_end && !lion_output_is_full(&self->output)) {
            const lion_value *values = lion_relation_row(self->answers, self->row_at++);
            bool is_equal = true;
            for (uint32_t i = 0; i < self->var_count && is_equal; i++)
                is_equal = self->bound[i] == LION_SLOT_NONE || lion_value_equal(values[i], lion_batch_get(&self->reading.batch, self->bound[i], row));
            if (!is_equal) continue;
            lion_output_keep(&self->output, &self->reading.batch, row);
            for (uint32_t i = 0; i < self->var_count; i++)
                if (self->out[i] != LION_SLOT_NONE) *lion_output_at(&self->output, self->out[i]) = values[i];
            self->output.count++;
        }
        if (self->row_at < self->row_end) break;
        self->row_at = 0;
        self->is_known = self->is_fixed;
        lion_reading_advance(&self->reading);
    }
    if (self->reading.is_ended) subquery_describe(self);
    return lion_output_yield(&self->output, batch_out);
}

static lion_status subquery_rewind(lion_operator *operator, lion_error *error)
{
    subquery *self = (subquery *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->output.count = 0;
    self->row_at = 0;
    self->is_known = self->is_known && self->is_fixed;
    return LION_OK;
}

static void subquery_close(lion_operator *operator)
{
    lion_query_close(((subquery *)operator)->inner);
}

lion_operator *lion_subquery_new(lion_run *run, lion_operator *input, const lion_clause *clause, const uint8_t *keep)
{
    subquery *self = LION_OPERATOR(run, subquery, subquery_next, "query");
    lion_arena *arena = &run->arena;
    self->operator.rewind = subquery_rewind;
    self->operator.close = subquery_close;
    self->operator.inputs[0] = input;
    uint32_t given = 0;
    self->clause = clause;
    self->inputs = lion_arena_zalloc(arena, sizeof(lion_query_input) * (clause->term_count + 1));
    self->slots = lion_arena_array(arena, uint32_t, clause->term_count + 1);
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        self->slots[i] = LION_SLOT_NONE;
        if (term->kind == LION_TERM_CONST) self->inputs[i].form = *term->constant;
        if (term->kind == LION_TERM_SOURCE) {
            self->inputs[i].db = run->sources[term->index].db;
            if (self->inputs[i].db == NULL && run->sources[term->index].form != NULL) self->inputs[i].form = *run->sources[term->index].form;
        }
        if (term->kind != LION_TERM_VAR) continue;
        self->slots[i] = lion_operator_slot(input, term->index);
        given++;
    }
    self->given = lion_arena_array(arena, lion_value, given + 1);
    self->is_fixed = given == 0;
    self->is_repeatable = !self->is_fixed && lion_query_is_repeatable(clause->query);
    self->var_count = lion_binding_vars(&clause->binding, &self->vars, arena);
    self->bound = lion_arena_array(arena, uint32_t, self->var_count + 1);
    self->out = lion_arena_array(arena, uint32_t, self->var_count + 1);
    lion_relation_init(&self->rows, arena, self->var_count);
    if (self->is_repeatable) lion_query_memo_init(&self->memo, run, given, self->var_count);
    bind_output(&self->operator, input, self->vars, self->var_count, keep, self->bound, self->out, &self->output);
    return &self->operator;
}
