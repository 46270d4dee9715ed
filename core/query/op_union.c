/* op_union.c - branches that stand by themselves: their rows one after the other, or the ids that any of them finds, once each. */
#include "query/key_set.h"
#include "query/operators.h"
#include "query/parallel.h"

/* ---- all rows of all branches ---- */

typedef struct all {
    lion_operator operator;
    uint32_t **slots;          /* per branch, per column */
    lion_vector *columns;
    uint32_t at;               /* the branch */
} all;

static lion_status all_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    all *self = (all *)operator;
    for (; self->at < operator->subplan_count; self->at++) {
        lion_batch batch;
        lion_status status = lion_operator_next(operator->subplans[self->at], &batch, error);
        if (status == LION_END) continue;
        if (status != LION_OK) return status;
        for (uint32_t i = 0; i < operator->width; i++) self->columns[i] = batch.columns[self->slots[self->at][i]];
        *batch_out = (lion_batch){ .count = batch.count, .width = operator->width, .columns = self->columns,
                                   .selection = batch.selection, .selected = batch.selected };
        return LION_OK;
    }
    return LION_END;
}

static lion_status rewind_branches(lion_operator *operator, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < operator->subplan_count; i++) status = lion_operator_rewind(operator->subplans[i], error);
    return status;
}

static lion_status all_rewind(lion_operator *operator, lion_error *error)
{
    ((all *)operator)->at = 0;
    return rewind_branches(operator, error);
}

lion_operator *lion_union_all_new(lion_run *run, lion_operator **branches, uint32_t branch_count, const uint32_t *vars, uint32_t count)
{
    lion_arena *arena = &run->arena;
    all *self = LION_OPERATOR(run, all, all_next, "union");
    self->operator.rewind = all_rewind;
    self->operator.subplans = branches;
    self->operator.subplan_count = branch_count;
    self->operator.width = count;
    self->operator.vars = lion_arena_array(arena, uint32_t, count + 1);
    for (uint32_t i = 0; i < count; i++) self->operator.vars[i] = vars[i];
    self->columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (count + 1));
    self->slots = lion_arena_array(arena, uint32_t *, branch_count + 1);
    for (uint32_t b = 0; b < branch_count; b++) {
        self->slots[b] = lion_arena_array(arena, uint32_t, count + 1);
        for (uint32_t i = 0; i < count; i++) self->slots[b][i] = lion_operator_slot(branches[b], vars[i]);
        self->operator.rows_estimated += branches[b]->rows_estimated;
    }
    return &self->operator;
}

/* ---- ids, each once ---- */

typedef struct ids {
    lion_operator operator;
    uint32_t *slots;           /* per branch */
    uint32_t at;               /* the branch */
    lion_type type;
    lion_key_set set;
    lion_reading reading;      /* of the input, each row of which meets all ids */
    uint64_t next;             /* of the set, for the current row */
    lion_passing passing;
    lion_value *constants;     /* of the kept columns: the current row's */
    int64_t *keys;             /* LION_BATCH_ROWS */
} ids;

/* Taken again after a LION_CALL. */
static lion_status find_ids(ids *self, lion_error *error)
{
    for (; self->at < self->operator.subplan_count; self->at++) {
        lion_batch batch;
        lion_status status;
        while ((status = lion_operator_next(self->operator.subplans[self->at], &batch, error)) == LION_OK) {
            status = lion_key_set_add(&self->set, &batch, &self->slots[self->at], error);
            if (status != LION_OK) return status;
        }
        if (status != LION_END) return status;
    }
    return lion_run_check(self->operator.run, error);
}

static void keep_row(ids *self, uint32_t row)
{
    for (uint32_t i = 0; i < self->passing.kept; i++) {
        lion_value *value = &self->constants[i];
        *value = lion_batch_get(&self->reading.batch, self->passing.from[i], row);
        self->passing.columns[i] = (lion_vector){ .type = value->type, .is_constant = true, .values = value };
        if (lion_type_is_scalar(value->type)) self->passing.columns[i].bits = &value->bits;
    }
}

static lion_status ids_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    ids *self = (ids *)operator;
    uint32_t row = 0, count = 0;
    while (count == 0) {
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_OK) status = find_ids(self, error);
        if (status != LION_OK) return status;
        count = lion_key_set_read(&self->set, &self->next, self->keys, LION_BATCH_ROWS);
        if (count > 0) break;
        self->next = 0;
        lion_reading_advance(&self->reading);
    }
    keep_row(self, row);
    self->passing.columns[self->passing.kept] = (lion_vector){ .type = (uint8_t)self->type, .bits = self->keys };
    *batch_out = (lion_batch){ .count = count, .width = operator->width, .columns = self->passing.columns };
    return LION_OK;
}

/* What the branches find stays. */
static lion_status ids_rewind(lion_operator *operator, lion_error *error)
{
    ids *self = (ids *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->next = 0;
    return LION_OK;
}

static lion_operator *ids_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_operator **branches = lion_arena_array(&run->arena, lion_operator *, operator->subplan_count + 1);
    for (uint32_t b = 0; b < operator->subplan_count; b++) branches[b] = lion_parallel_copy(operator->subplans[b], NULL, run, NULL);
    return lion_union_ids_new(run, input, branches, operator->subplan_count, operator->vars[operator->width - 1], ((const ids *)operator)->type,
                              lion_operator_keep(operator, run));
}

lion_operator *lion_union_ids_new(lion_run *run, lion_operator *input, lion_operator **branches, uint32_t branch_count, uint32_t var,
                                  lion_type type, const uint8_t *keep)
{
    lion_arena *arena = &run->arena;
    ids *self = LION_OPERATOR(run, ids, ids_next, "union");
    self->operator.rewind = ids_rewind;
    self->operator.copy = ids_copy;
    self->operator.inputs[0] = input;
    self->operator.subplans = branches;
    self->operator.subplan_count = branch_count;
    self->operator.is_set = true;
    self->type = type;
    self->slots = lion_arena_array(arena, uint32_t, branch_count + 1);
    for (uint32_t b = 0; b < branch_count; b++) self->slots[b] = lion_operator_slot(branches[b], var);
    self->keys = lion_arena_array(arena, int64_t, LION_BATCH_ROWS);
    lion_key_set_init(&self->set, arena, 1);
    lion_passing_init(&self->passing, &self->operator, input, keep, &var, 1);
    self->constants = lion_arena_array(arena, lion_value, self->passing.kept + 1);
    self->operator.ascending = lion_feed_is_start(input) ? 1 + var : 0;
    return &self->operator;
}
