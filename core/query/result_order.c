/* result_order.c - rows of forms that an order sorts, or that of groups as they come. Of an order with a limit only the first rows are
 * kept. */
#include "query/result_parts.h"

static lion_form *add_row(lion_result *self)
{
    if (self->row_count == self->row_room) {
        size_t room = self->row_room == 0 ? 64 : self->row_room * 2, size = sizeof(lion_form) * self->stride;
        lion_form *rows = lion_arena_grow(&self->run->arena, self->rows, self->row_room * size, room * size);
        if (rows == NULL) return NULL;
        self->rows = rows;
        self->row_room = room;
    }
    return self->rows + self->row_count++ * self->stride;
}

#define CUT_ROWS_MIN 64

/* Of an order with a limit only the first rows are wanted: of every twice as many the latter half goes. */
static void cut_rows(lion_result *self)
{
    size_t room = self->wanted < CUT_ROWS_MIN ? CUT_ROWS_MIN : self->wanted;
    if (self->row_count < 2 * room) return;
    lion_sorter_sort(&self->sorter, self->rows, self->row_count);
    self->row_count = self->wanted;
    self->is_cut = true;
}

static lion_status gather_plain(lion_result *self, const lion_batch *batch, uint32_t row, lion_error *error)
{
    bool is_few = self->wanted != SIZE_MAX;
    lion_form *out = is_few ? add_row(self) : self->row;
    if (out == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < self->ir->order_count; i++) out[self->width + i] = lion_form_value(lion_batch_get(batch, self->order_slots[i], row));
    if (self->is_cut && lion_sorter_compare(&self->sorter, out, self->rows + (self->wanted - 1) * self->stride) >= 0) {
        self->row_count--;
        return LION_OK;
    }
    for (uint32_t i = 0; i < self->width; i++) out[i] = lion_form_value(lion_result_value(self, i, lion_batch_get(batch, self->elements[i].slot, row)));
    if (!is_few) return lion_sorter_add(&self->sorter, out, error);
    cut_rows(self);
    return LION_OK;
}

/* Where only the first rows are wanted and enough are there: the first sort key of the last of them; NULL: they are not. Rows that
 * come in order need no sort to tell which it is. */
static const lion_form *threshold(const lion_result *self)
{
    bool is_there = self->is_cut || (self->is_in_order && self->row_count >= self->wanted);
    return is_there ? &self->rows[(self->wanted - 1) * self->stride + self->width] : NULL;
}

static bool is_behind(const lion_result *self, const lion_form *last, const lion_vector *keys, uint32_t row)
{
    bool is_bits = !keys->is_constant && keys->type != LION_TYPE_DOUBLE && lion_type_is_scalar((lion_type)keys->type);
    bool is_descending = self->ir->order[0].is_descending;
    if (is_bits && keys->type == last->value.type) return is_descending ? keys->bits[row] < last->value.bits : keys->bits[row] > last->value.bits;
    if (!self->is_in_order) return false; /* it is compared whole */
    int order = lion_value_compare(lion_vector_get(keys, row), last->value);
    return is_descending ? order < 0 : order > 0;
}

/* LION_END: the rows come in order, and no more are wanted. */
static lion_status gather_batch(lion_result *self, const lion_batch *batch, lion_error *error)
{
    const lion_vector *keys = &batch->columns[self->order_slots[0]];
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        uint32_t row = lion_batch_row(batch, i);
        const lion_form *last = threshold(self);
        bool is_late = last != NULL && is_behind(self, last, keys, row);
        if (is_late && self->is_in_order) return LION_END;
        if (is_late) continue;
        lion_status status = gather_plain(self, batch, row, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_status gather_rows(lion_result *self, lion_error *error)
{
    lion_batch batch;
    lion_status status;
    while ((status = lion_operator_next(self->root, &batch, error)) == LION_OK) {
        status = gather_batch(self, &batch, error);
        if (status != LION_OK) break;
    }
    return status == LION_END ? LION_OK : status;
}

/* ---- all of it, in order ---- */

static lion_status sort_groups(lion_result *self, lion_error *error)
{
    const lion_form *row;
    lion_status status;
    while ((status = lion_result_next_group(&row, self, error)) == LION_OK) {
        status = lion_sorter_add(&self->sorter, row, error);
        if (status == LION_OK && self->group_at % LION_BATCH_ROWS == 0) status = lion_run_check(self->run, error);
        if (status != LION_OK) return status;
    }
    return status == LION_END ? LION_OK : status;
}

static lion_status complete(lion_result *self, lion_error *error)
{
    if (self->is_complete) return LION_OK;
    lion_status status = self->has_aggregates ? sort_groups(self, error) : gather_rows(self, error);
    if (status != LION_OK) return status;
    if (self->wanted != SIZE_MAX) lion_sorter_sort(&self->sorter, self->rows, self->row_count);
    self->is_complete = true;
    return LION_OK;
}

lion_status lion_result_next_row(const lion_form **row_out, lion_result *self, lion_error *error)
{
    if (self->ir->order_count == 0) return lion_result_next_group(row_out, self, error);
    lion_status status = complete(self, error);
    if (status != LION_OK) return status;
    if (self->wanted == SIZE_MAX) return lion_sorter_next(row_out, &self->sorter, error);
    if (self->row_at == self->row_count) return LION_END;
    *row_out = &self->rows[self->row_at++ * self->stride];
    return LION_OK;
}
