/* caller.c - arguments of a row, or of a batch. */
#include "query/caller.h"

#include <string.h>

#include "query/kernels.h"

void lion_caller_init(lion_caller *self, lion_run *run, const lion_operator *input, const lion_expression *expression)
{
    const lion_clause *clause = expression->clause;
    lion_arena *arena = &run->arena;
    *self = (lion_caller){ .expression = *expression, .count = clause->term_count, .terms = clause->terms };
    self->call = (lion_function_call){ .run = run, .arena = arena, .name = clause->name };
    if (self->count > 0 && self->terms[0].kind == LION_TERM_SOURCE) {
        self->call.db = run->sources[self->terms[0].index].db;
        self->terms++;
        self->count--;
    }
    self->slots = lion_arena_array(arena, uint32_t, self->count + 1);
    self->is_attribute = lion_arena_zalloc(arena, self->count + 1);
    self->values = lion_arena_zalloc(arena, sizeof(lion_value) * (self->count + 1));
    for (uint32_t i = 0; i < self->count; i++) {
        const lion_term *term = &self->terms[i];
        self->slots[i] = LION_SLOT_NONE;
        if (term->kind == LION_TERM_VAR) self->slots[i] = lion_operator_slot(input, term->index);
        if (term->kind == LION_TERM_VAR) self->is_attribute[i] = expression->is_attribute[term->index];
        if (term->kind == LION_TERM_CONST) self->prepared = lion_query_value(&self->values[i], term->constant, arena, &self->error);
        if (self->prepared != LION_OK) return;
    }
}

/* An attribute is its ident to functions. */
static inline lion_value as_ident(const lion_caller *self, uint32_t argument, lion_value value)
{
    if (!self->is_attribute[argument] && value.type != LION_TYPE_ATTRIBUTE) return value;
    return lion_run_shown(self->call.run, value, self->is_attribute[argument]);
}

static int64_t *bits_room(lion_caller *self, uint32_t argument)
{
    if (self->bits[argument] == NULL) self->bits[argument] = lion_arena_array(&self->call.run->arena, int64_t, LION_BATCH_ROWS);
    return self->bits[argument];
}

static lion_value *values_room(lion_caller *self, uint32_t argument)
{
    if (self->tagged[argument] == NULL) self->tagged[argument] = lion_arena_array(&self->call.run->arena, lion_value, LION_BATCH_ROWS);
    return self->tagged[argument];
}

/* A column of one type, no attributes, as it is, or the live rows of it. */
static bool typed_column(lion_caller *self, uint32_t argument, const lion_batch *batch, uint32_t rows)
{
    const lion_vector *from = &batch->columns[self->slots[argument]];
    bool is_attribute = from->type == LION_TYPE_ATTRIBUTE || self->is_attribute[argument];
    if (from->type == LION_TYPE_MIXED || from->is_constant || is_attribute) return false;
    lion_vector *column = &self->columns[argument];
    *column = *from;
    if (batch->selection == NULL) return true;
    if (lion_type_is_scalar((lion_type)from->type)) {
        column->bits = bits_room(self, argument);
        if (column->bits != NULL) lion_kernel_gather(column->bits, from->bits, batch->selection, rows);
        return column->bits != NULL;
    }
    column->values = values_room(self, argument);
    for (uint32_t k = 0; column->values != NULL && k < rows; k++) column->values[k] = from->values[batch->selection[k]];
    return column->values != NULL;
}

/* Columns are typed where all live rows have one type, so that hosts read plain arrays. */
static void fill_column(lion_caller *self, uint32_t argument, const lion_batch *batch, uint32_t rows)
{
    lion_vector *column = &self->columns[argument];
    if (self->slots[argument] == LION_SLOT_NONE) {
        lion_value *constant = &self->values[argument];
        *column = (lion_vector){ .type = constant->type, .is_constant = true, .values = constant };
        if (lion_type_is_scalar(constant->type)) column->bits = &constant->bits;
        return;
    }
    if (typed_column(self, argument, batch, rows)) return;
    lion_value *values = values_room(self, argument);
    bool is_typed = true;
    for (uint32_t k = 0; k < rows; k++) {
        lion_value value = lion_batch_get(batch, self->slots[argument], lion_batch_row(batch, k));
        values[k] = as_ident(self, argument, value);
        is_typed = is_typed && values[k].type == values[0].type;
    }
    *column = (lion_vector){ .type = is_typed && rows > 0 ? values[0].type : LION_TYPE_MIXED, .values = values };
    if (column->type == LION_TYPE_MIXED || !lion_type_is_scalar(column->type)) return;
    column->bits = bits_room(self, argument);
    for (uint32_t k = 0; k < rows; k++) column->bits[k] = values[k].bits;
}

/* Ask the host about all live rows of the batch. */
static lion_status ask(lion_caller *self, const lion_batch *batch, lion_call_kind kind)
{
    lion_run *run = self->call.run;
    uint32_t rows = lion_batch_rows(batch);
    lion_arena *arena = &run->arena;
    if (self->columns == NULL) {
        self->columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (self->count + 1));
        self->tagged = lion_arena_zalloc(arena, sizeof(lion_value *) * (self->count + 1));
        self->bits = lion_arena_zalloc(arena, sizeof(int64_t *) * (self->count + 1));
        if (kind == LION_CALL_PREDICATE) self->verdict = lion_arena_zalloc(arena, LION_BATCH_ROWS);
        else self->results = lion_arena_array(arena, lion_form, LION_BATCH_ROWS);
    }
    for (uint32_t i = 0; i < self->count; i++) fill_column(self, i, batch, rows);
    lion_call *call = &run->own_call;
    *call = (lion_call){ .kind = kind, .count = rows, .name = self->expression.clause->name, .argument_count = self->count,
                         .arguments = self->columns, .arena = arena };
    call->verdict = self->verdict;
    call->results = self->results;
    if (self->results != NULL) memset(self->results, 0, sizeof(lion_form) * rows);
    run->call = call;
    self->is_asked = true;
    return LION_CALL;
}

lion_status lion_caller_hear(lion_caller *self, const lion_batch *batch, lion_call_kind kind)
{
    if (!self->is_asked) return ask(self, batch, kind);
    if (!self->call.run->own_call.is_answered) return LION_CALL;
    self->is_asked = false;
    return LION_OK;
}

lion_status lion_caller_apply(lion_caller *self, const lion_batch *batch, uint32_t row, lion_value *out, lion_error *error)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->slots[i] != LION_SLOT_NONE) self->values[i] = as_ident(self, i, lion_batch_get(batch, self->slots[i], row));
    return self->expression.function->apply(&self->call, self->values, self->count, out, error);
}

bool lion_caller_meets(const lion_caller *self, lion_value answer, lion_value bound)
{
    bool is_name = bound.type == LION_TYPE_KEYWORD || bound.type == LION_TYPE_STRING;
    if (answer.type == LION_TYPE_ATTRIBUTE && is_name) return lion_run_is_named(self->call.run, answer, lion_value_slice(bound));
    return lion_value_equal(answer, bound);
}

bool lion_caller_is_by_values(const lion_caller *self)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->is_attribute[i]) return false;
    return true;
}

bool lion_caller_may_copy(const lion_caller *self)
{
    bool asks = self->expression.function == NULL || (self->call.db != NULL && self->call.db->view.filter_count > 0);
    return self->prepared == LION_OK && !asks && !lion_function_yields(self->expression.function);
}

void lion_caller_renew(lion_caller *self)
{
    const lion_term *first = self->expression.clause->terms;
    lion_function_forget(&self->call);
    if (self->terms != first) self->call.db = self->call.run->sources[first->index].db;
    self->call.step = 0;
}

lion_expression lion_caller_expression(const lion_caller *self, const lion_run *run)
{
    lion_expression expression = self->expression;
    if (run->is_attribute != NULL) expression.is_attribute = run->is_attribute;
    return expression;
}
