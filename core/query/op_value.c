/* op_value.c - a function whose one answer is bound to one variable: the rows pass on with a column more, or those that have the
 * answer already. Arithmetic fills the column in one loop, all else row by row. A row without an answer goes. */
#include "query/arithmetic.h"
#include "query/binding.h"
#include "query/caller.h"

/* A row: of arithmetic, and of what is called for each. */
#define ARITHMETIC_NS 1.0
#define CALL_NS 100.0

typedef struct answer {
    lion_operator operator;
    lion_caller caller;
    lion_arithmetic arithmetic; /* of a built-in that is such */
    lion_batch batch;           /* the input's */
    bool has_batch;
    bool is_heard;              /* the host has answered for the batch */
    uint32_t at, kept_count;    /* rows that were answered; those of them that stay, and are not out yet */
    uint32_t bound;             /* the input's slot of the variable, or NONE */
    uint32_t out;               /* its column in the output, or NONE */
    lion_passing passing;
    lion_vector column;         /* the answers, in their rows' places: one of the two below, or the loop's */
    lion_value *values;
    int64_t *bits;
    uint32_t room;              /* of each */
    uint16_t *selection;        /* LION_BATCH_ROWS */
} answer;

static bool has_already(const answer *self, lion_value value, uint32_t row)
{
    return lion_caller_meets(&self->caller, value, lion_batch_get(&self->batch, self->bound, row));
}

/* ---- row by row ---- */

static lion_status answer_row(answer *self, uint32_t row, lion_value *value, lion_error *error)
{
    lion_caller *caller = &self->caller;
    if (caller->expression.function != NULL) return lion_caller_apply(caller, &self->batch, row, value, error);
    return lion_query_value(value, &caller->results[self->at], &self->operator.run->arena, error);
}

static bool make_room(answer *self)
{
    uint32_t wanted = LION_ROOM_ROWS_MIN;
    if (self->room >= self->batch.count) return true;
    while (wanted < self->batch.count) wanted = lion_room_after(wanted);
    self->values = lion_arena_array(&self->operator.run->arena, lion_value, wanted);
    self->bits = lion_arena_array(&self->operator.run->arena, int64_t, wanted);
    if (self->values == NULL || self->bits == NULL) return false;
    self->room = wanted;
    return true;
}

/* LION_OK when all rows are answered. Else it goes on where it is. */
static lion_status answer_rows(answer *self, lion_error *error)
{
    if (!make_room(self)) return lion_fail_memory(error);
    for (; self->at < lion_batch_rows(&self->batch); self->at++) {
        uint32_t row = lion_batch_row(&self->batch, self->at);
        lion_value value = { 0 };
        lion_status status = answer_row(self, row, &value, error);
        if (status != LION_OK) return status;
        if (value.type == LION_TYPE_NIL || (self->bound != LION_SLOT_NONE && !has_already(self, value, row))) continue;
        self->values[row] = value;
        self->selection[self->kept_count++] = (uint16_t)row;
    }
    return LION_OK;
}

/* Tagged values cost whoever reads them: where all have one type the column says so. */
static void type_column(answer *self)
{
    uint8_t type = self->values[self->selection[0]].type;
    self->column = (lion_vector){ .type = LION_TYPE_MIXED, .values = self->values };
    for (uint32_t k = 1; k < self->kept_count; k++)
        if (self->values[self->selection[k]].type != type) return;
    self->column.type = type;
    if (!lion_type_is_scalar(type)) return;
    for (uint32_t k = 0; k < self->kept_count; k++) self->bits[self->selection[k]] = self->values[self->selection[k]].bits;
    self->column.bits = self->bits;
}

/* ---- a batch ---- */

/* All answers at once; false: they are to be found row by row. */
static bool compute(answer *self)
{
    uint32_t rows = lion_batch_rows(&self->batch);
    if (self->at > 0 || !lion_arithmetic_compute(&self->arithmetic, &self->column, &self->batch)) return false;
    self->at = rows;
    if (self->bound == LION_SLOT_NONE) {
        self->kept_count = rows;
        return true;
    }
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t row = lion_batch_row(&self->batch, i);
        self->selection[self->kept_count] = (uint16_t)row;
        self->kept_count += has_already(self, lion_vector_get(&self->column, row), row);
    }
    return true;
}

static lion_status next_batch(answer *self, lion_error *error)
{
    lion_status status = LION_OK;
    if (!self->has_batch) {
        status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
        if (status != LION_OK) return status;
        self->has_batch = true;
        self->is_heard = self->caller.expression.function != NULL;
        self->at = self->kept_count = 0;
    }
    if (!self->is_heard) status = lion_caller_hear(&self->caller, &self->batch, LION_CALL_FUNCTION);
    self->is_heard = status == LION_OK;
    return status;
}

static lion_status yield(answer *self, lion_batch *batch_out)
{
    bool is_whole = self->kept_count == lion_batch_rows(&self->batch);
    lion_passing_take(&self->passing, &self->batch);
    if (self->out != LION_SLOT_NONE) self->passing.columns[self->out] = self->column;
    *batch_out = (lion_batch){ .count = self->batch.count, .width = self->operator.width, .columns = self->passing.columns,
                               .selection = is_whole ? self->batch.selection : self->selection, .selected = self->kept_count };
    self->kept_count = 0;
    return LION_OK;
}

static lion_status answer_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    answer *self = (answer *)operator;
    if (self->caller.prepared != LION_OK) {
        if (error != NULL) *error = self->caller.error;
        return self->caller.prepared;
    }
    do {
        lion_status status = next_batch(self, error);
        if (status != LION_OK) return status;
        bool is_computed = compute(self);
        if (!is_computed) status = answer_rows(self, error);
        self->has_batch = status != LION_OK;
        if (status == LION_CALL || (status != LION_OK && self->kept_count == 0)) return status;
        if (!is_computed && self->kept_count > 0) type_column(self); /* if a row failed, those before it go first */
    } while (self->kept_count == 0);
    return yield(self, batch_out);
}

static lion_status answer_rewind(lion_operator *operator, lion_error *error)
{
    answer *self = (answer *)operator;
    (void)error;
    self->has_batch = self->caller.is_asked = false;
    return LION_OK;
}

static void answer_renew(lion_operator *operator)
{
    lion_caller_renew(&((answer *)operator)->caller);
}

static void answer_close(lion_operator *operator)
{
    lion_function_forget(&((answer *)operator)->caller.call);
}

static lion_operator *answer_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_expression expression = lion_caller_expression(&((const answer *)operator)->caller, run);
    return lion_value_function_new(run, input, &expression, lion_operator_keep(operator, run));
}

lion_operator *lion_value_function_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep)
{
    answer *self = LION_OPERATOR(run, answer, answer_next, "function");
    const uint32_t var = expression->clause->binding.var;
    lion_caller *caller = &self->caller;
    self->operator.rewind = answer_rewind;
    self->operator.close = answer_close;
    self->operator.inputs[0] = input;
    self->operator.keeps_order = true;
    lion_caller_init(caller, run, input, expression);
    if (lion_caller_may_copy(caller)) {
        self->operator.copy = answer_copy;
        self->operator.renew = answer_renew;
    }
    self->bound = lion_operator_slot(input, var);
    bool adds = self->bound == LION_SLOT_NONE && keep[var];
    lion_passing_init(&self->passing, &self->operator, input, keep, &var, adds);
    self->out = adds ? self->passing.kept : LION_SLOT_NONE;
    self->selection = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    if (caller->prepared == LION_OK && expression->function != NULL && lion_caller_is_by_values(caller))
        lion_arithmetic_init(&self->arithmetic, &run->arena, lion_slice_text(expression->function->name), caller->slots, caller->values, caller->count);
    self->operator.row_ns = self->arithmetic.operation != NULL ? ARITHMETIC_NS : CALL_NS;
    return &self->operator;
}
