/* op_distinct.c - each row once: the input's batches, without the rows that were there before.
 *
 * Beyond its memory the set takes no more rows in. Rows that it has not are put aside, on file, and are looked at when the input is at
 * its end and the set, whose rows are out, is empty again.
 *
 * Where the rows of the input ascend in a column that is kept, equal rows lie side by side, and only the rows since
 * the last new value are remembered.
 *
 * Where a set is made of the rows above in any case, this one only spares what is between the two some work. If it is not expected to,
 * and the first rows bear that out, all others pass; unless there come far more than expected, of which nothing is known then. */
#include <math.h>

#include "query/operators.h"
#include "query/overflow.h"
#include "query/row_set.h"

#define TRIAL_ROWS 256
#define NEW_PART 0.875     /* of the rows are new where they may pass */
#define PASSING_TIMES 4.0  /* as many as expected */

typedef struct distinct {
    lion_operator operator;
    bool is_optional;          /* a set is made above, and this one is not expected to be worth its work, of … */
    double expected;           /* … so many rows */
    uint32_t tried, found;     /* first rows; those of them that were new */
    bool is_tried, is_passing; /* they are enough to tell; they tell that others pass */
    uint64_t passed;
    lion_row_set seen;
    uint32_t ascending;        /* the input's slot of that column, or NONE */
    bool has_last;
    lion_value last;
    uint32_t room;             /* rows of a batch that there is room for: */
    uint32_t *numbers;
    uint16_t *rows;            /* of one value */
    uint16_t *selection;
    lion_passing passing;
    lion_overflow overflow;
    uint32_t *places;          /* 0, 1, 2 …: the columns of rows that were put aside */
    lion_value *row;
    const uint32_t *from;      /* of the batch at hand: passing.from or places */
} distinct;

/* ---- rows put aside ---- */

/* Where rows have an order they stay in it: a set of the rows of one value is small. */
static bool is_tight(const distinct *self, uint32_t rows)
{
    return self->operator.ascending == 0 && self->passing.kept > 0 &&
           lion_run_is_tight(self->operator.run, self->seen.count, lion_row_set_growth(&self->seen, rows));
}

static lion_status put_aside(distinct *self, const lion_batch *batch, uint32_t row, lion_error *error)
{
    for (uint32_t i = 0; i < self->passing.kept; i++) self->row[i] = lion_batch_get(batch, self->from[i], row);
    return lion_overflow_add(&self->overflow, self->row, lion_values_hash(self->row, self->passing.kept), error);
}

/* The input's next batch; then rows that were put aside, before an empty set. At the end nobody asks the set again. */
static lion_status next_rows(distinct *self, lion_batch *batch_out, lion_error *error)
{
    for (;;) {
        bool is_reading = lion_overflow_is_reading(&self->overflow);
        self->from = is_reading ? self->places : self->passing.from;
        lion_status status = is_reading ? lion_overflow_next(&self->overflow, batch_out, error)
                                        : lion_operator_next(self->operator.inputs[0], batch_out, error);
        if (status != LION_END) return status;
        status = lion_overflow_turn(&self->overflow, error);
        if (status == LION_END) lion_row_set_forget(&self->seen);
        if (status != LION_OK) return status;
        lion_row_set_reset(&self->seen);
        status = lion_run_check(self->operator.run, error);
        if (status != LION_OK) return status;
    }
}

/* ---- which rows are new ---- */

static lion_status select_new(distinct *self, const lion_batch *batch, uint16_t *out, uint32_t *count_out, lion_error *error)
{
    size_t known = self->seen.count;
    uint32_t count = 0;
    if (!self->seen.is_frozen) self->seen.is_frozen = is_tight(self, lion_batch_rows(batch));
    if (lion_row_set_add(&self->seen, batch, self->from, self->numbers, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        if (self->numbers[i] == LION_ROW_NONE && put_aside(self, batch, lion_batch_row(batch, i), error) != LION_OK) return LION_FAILED;
        if (self->numbers[i] == LION_ROW_NONE) continue;
        if (self->numbers[i] < known) continue;
        known = self->numbers[i] + (size_t)1;
        out[count++] = (uint16_t)lion_batch_row(batch, i);
    }
    *count_out = count;
    return LION_OK;
}

/* Rows of one value, from the i-th on. ids: the column's, where it is one of them; NULL: of anything else. */
static uint32_t run_end(const lion_batch *batch, const lion_vector *column, const int64_t *ids, uint32_t i)
{
    uint32_t end = i + 1, rows = lion_batch_rows(batch), row = lion_batch_row(batch, i);
    if (column->is_constant) return rows;
    if (ids != NULL) {
        while (end < rows && ids[lion_batch_row(batch, end)] == ids[row]) end++;
        return end;
    }
    lion_value value = lion_vector_get(column, row);
    while (end < rows && lion_value_equal(lion_vector_get(column, lion_batch_row(batch, end)), value)) end++;
    return end;
}

/* Most values have one row, which is new for certain. */
static lion_status select_ascending(distinct *self, const lion_batch *batch, uint32_t *count_out, lion_error *error)
{
    const lion_vector *column = &batch->columns[self->ascending];
    const int64_t *ids = column->type == LION_TYPE_REF && !column->is_constant ? column->bits : NULL;
    uint32_t count = 0, rows = lion_batch_rows(batch);
    for (uint32_t i = 0, end; i < rows; i = end) {
        uint32_t row = lion_batch_row(batch, i), found = 0;
        lion_value value = lion_vector_get(column, row);
        bool is_next = !self->has_last || !lion_value_equal(value, self->last);
        end = run_end(batch, column, ids, i);
        if (is_next) lion_row_set_clear(&self->seen);
        self->has_last = true;
        self->last = value;
        if (is_next && end == i + 1 && end < rows) { /* nothing to be remembered */
            self->selection[count++] = (uint16_t)row;
            continue;
        }
        for (uint32_t k = i; k < end; k++) self->rows[k - i] = (uint16_t)lion_batch_row(batch, k);
        lion_batch part = *batch;
        part.selection = self->rows;
        part.selected = end - i;
        if (select_new(self, &part, self->selection + count, &found, error) != LION_OK) return LION_FAILED;
        count += found;
    }
    *count_out = count;
    return LION_OK;
}

/* For a batch of so many rows. */
static lion_status make_room(distinct *self, uint32_t rows, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    while (self->room < rows) self->room = self->room == 0 ? LION_ROOM_ROWS_MIN : lion_room_after(self->room);
    self->numbers = lion_arena_array(arena, uint32_t, self->room);
    self->rows = lion_arena_array(arena, uint16_t, self->room);
    self->selection = lion_arena_array(arena, uint16_t, self->room);
    return lion_arena_check(arena, error);
}

/* The order that the rows were planned to have may be lost since: by a semi-join that goes on in partitions. */
static bool has_lost_order(const distinct *self)
{
    const lion_operator *at = self->operator.inputs[0];
    while (at != NULL && at->ascending != 0) at = at->inputs[0];
    return at == NULL || !lion_feed_is_start(at); /* where rows in an order come from */
}

/* ---- where the set is optional ---- */

/* Whether all rows pass from now on, as the first ones tell. */
static void note_trial(distinct *self, uint32_t rows, uint32_t found)
{
    uint32_t seed = self->operator.run->options.plan_seed;
    self->tried += rows;
    self->found += found;
    self->is_tried = self->tried >= (seed == 0 ? TRIAL_ROWS : 1 + seed % 8);
    self->is_passing = self->is_tried && self->found >= self->tried * NEW_PART;
    if (self->is_passing) lion_row_set_release(&self->seen);
}

static bool passes(distinct *self, uint32_t rows)
{
    self->passed += self->is_passing ? rows : 0;
    if ((double)self->passed > self->expected * PASSING_TIMES) self->is_passing = false;
    return self->is_passing;
}

static lion_status select_rows(distinct *self, const lion_batch *batch, uint32_t *count_out, lion_error *error)
{
    uint32_t rows = lion_batch_rows(batch);
    if (self->ascending != LION_SLOT_NONE) return select_ascending(self, batch, count_out, error);
    lion_status status = select_new(self, batch, self->selection, count_out, error);
    if (status == LION_OK && self->is_optional && !self->is_tried) note_trial(self, rows, *count_out);
    return status;
}

static lion_status pass_on(distinct *self, const lion_batch *batch, const uint16_t *selection, uint32_t selected, lion_batch *batch_out)
{
    for (uint32_t i = 0; i < self->passing.kept; i++) self->passing.columns[i] = batch->columns[self->from[i]];
    *batch_out = (lion_batch){ .count = batch->count, .width = self->operator.width, .columns = self->passing.columns,
                               .selection = selection, .selected = selected };
    return LION_OK;
}

static lion_status distinct_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    distinct *self = (distinct *)operator;
    lion_batch batch;
    uint32_t count = 0;
    do {
        lion_status status = next_rows(self, &batch, error);
        if (status == LION_OK && lion_batch_rows(&batch) > self->room) status = make_room(self, lion_batch_rows(&batch), error);
        if (status != LION_OK) return status;
        if (self->ascending != LION_SLOT_NONE && !self->has_last && has_lost_order(self)) {
            self->ascending = LION_SLOT_NONE;
            self->operator.ascending = 0; /* so that the set may go on in a file */
        }
        if (passes(self, lion_batch_rows(&batch))) return pass_on(self, &batch, batch.selection, batch.selected, batch_out);
        status = select_rows(self, &batch, &count, error);
        if (status != LION_OK) return status;
    } while (count == 0);
    bool is_all = batch.selection == NULL && count == batch.count;
    return pass_on(self, &batch, is_all ? NULL : self->selection, count, batch_out);
}

static lion_status distinct_rewind(lion_operator *operator, lion_error *error)
{
    distinct *self = (distinct *)operator;
    (void)error;
    self->has_last = self->is_tried = self->is_passing = false;
    self->tried = self->found = 0;
    self->passed = 0;
    lion_row_set_clear(&self->seen);
    self->seen.is_frozen = false;
    lion_overflow_clear(&self->overflow);
    return LION_OK;
}

static void find_ascending(distinct *self)
{
    self->ascending = LION_SLOT_NONE;
    if (self->operator.ascending != 0) self->ascending = lion_operator_slot(self->operator.inputs[0], self->operator.inputs[0]->ascending - 1);
}

static void distinct_renew(lion_operator *operator)
{
    distinct *self = (distinct *)operator;
    lion_row_set_reset(&self->seen);
    find_ascending(self);
}

static lion_operator *distinct_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const distinct *from = (const distinct *)operator;
    distinct *made = (distinct *)lion_distinct_new(run, input, lion_operator_keep(operator, run));
    made->is_optional = from->is_optional;
    made->expected = from->expected;
    return &made->operator;
}

lion_operator *lion_distinct_new(lion_run *run, lion_operator *input, const uint8_t *keep)
{
    distinct *self = LION_OPERATOR(run, distinct, distinct_next, "distinct");
    lion_arena *arena = &run->arena;
    self->operator.rewind = distinct_rewind;
    self->operator.copy = distinct_copy;
    self->operator.renew = distinct_renew;
    self->operator.spans_rows = true;
    self->operator.inputs[0] = input;
    lion_passing_init(&self->passing, &self->operator, input, keep, NULL, 0);
    lion_row_set_init(&self->seen, arena, self->passing.kept);
    lion_overflow_init(&self->overflow, run, self->passing.kept);
    self->row = lion_arena_array(arena, lion_value, self->passing.kept + 1);
    self->places = lion_arena_array(arena, uint32_t, self->passing.kept + 1);
    for (uint32_t i = 0; i < self->passing.kept; i++) self->places[i] = i;
    find_ascending(self);
    return &self->operator;
}

bool lion_operator_is_distinct(const lion_operator *operator)
{
    return operator->next == distinct_next;
}

void lion_distinct_is_optional(lion_operator *operator)
{
    distinct *self = (distinct *)operator;
    const lion_run *run = operator->run;
    double rows = operator->inputs[0]->rows_estimated;
    bool is_told = run->options.plan_seed != 0 || lion_run_forces(run, LION_PLAN_DISTINCT);
    self->is_optional = is_told ? run->options.plan_seed % 2 == 1 : operator->rows_estimated >= rows * NEW_PART;
    self->expected = fmax(rows, TRIAL_ROWS);
}
