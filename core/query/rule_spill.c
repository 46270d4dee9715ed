/* rule_spill.c - rows in memory become sorted parts; rounds of them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* qsort_r */
#endif
#include "query/rule_spill.h"

#include <stdlib.h>

/* Every row that comes is looked for in all parts of the total; parts of what came are only merged. */
#define TOTAL_PARTS_MAX 3
#define INCOMING_PARTS_MAX LION_SORTED_PARTS_MAX

lion_status lion_rule_spilled_new(lion_rule_rows *rows, lion_run *run, const uint32_t *key, uint32_t key_count, lion_error *error)
{
    lion_arena *arena = &run->arena;
    lion_rule_spilled *self = lion_arena_new(arena, lion_rule_spilled);
    uint32_t width = rows->width, count = 0;
    uint32_t *order = lion_arena_array(arena, uint32_t, width + 1), *place = lion_arena_array(arena, uint32_t, width + 1);
    if (self == NULL || order == NULL || place == NULL || arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < width; i++) place[i] = LION_SLOT_NONE;
    for (uint32_t i = 0; i < key_count + width; i++) {
        uint32_t column = i < key_count ? key[i] : i - key_count;
        if (place[column] != LION_SLOT_NONE) continue;
        place[column] = count;
        order[count++] = column;
    }
    self->run = run;
    self->order = order;
    self->place = place;
    lion_sorted_rows_init(&self->delta, run, width);
    lion_output_make(&self->output, arena, width);
    rows->spilled = self;
    return LION_OK;
}

/* ---- rows in memory, by their numbers ---- */

static int compare_numbers(const void *a, const void *b, void *context)
{
    const lion_rule_rows *rows = context;
    uint32_t row_a = *(const uint32_t *)a, row_b = *(const uint32_t *)b;
    const lion_vector *columns_a = rows->blocks[row_a / LION_BATCH_ROWS], *columns_b = rows->blocks[row_b / LION_BATCH_ROWS];
    size_t at_a = row_a % LION_BATCH_ROWS, at_b = row_b % LION_BATCH_ROWS;
    for (uint32_t i = 0; i < rows->width; i++) {
        const lion_vector *x = &columns_a[rows->spilled->order[i]], *y = &columns_b[rows->spilled->order[i]];
        bool are_ids = x->type == LION_TYPE_REF && y->type == LION_TYPE_REF;
        int order = are_ids ? (x->bits[at_a] > y->bits[at_b]) - (x->bits[at_a] < y->bits[at_b])
                            : lion_value_compare(lion_vector_get(x, at_a), lion_vector_get(y, at_b));
        if (order != 0) return order;
    }
    return 0;
}

static lion_status write_sorted(lion_sorted_rows *out, const lion_rule_rows *rows, const uint32_t *numbers, lion_value *row, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t i = 0; status == LION_OK && i < rows->count; i++) {
        for (uint32_t k = 0; k < rows->width; k++) row[k] = lion_rule_rows_get(rows, numbers[i], rows->spilled->order[k]);
        status = lion_sorted_rows_add(out, row, error);
    }
    return status == LION_OK ? lion_sorted_rows_end(out, error) : status;
}

lion_status lion_rule_spilled_flush(lion_rule_rows *rows, lion_error *error)
{
    lion_rule_spilled *self = rows->spilled;
    lion_arena *arena = &self->run->arena;
    if (rows->count == 0) return LION_OK;
    uint32_t *numbers = lion_arena_take(arena, sizeof(uint32_t) * rows->count);
    lion_value *row = lion_arena_take(arena, sizeof(lion_value) * (rows->width + 1));
    if (numbers == NULL || row == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < rows->count; i++) numbers[i] = (uint32_t)i;
    qsort_r(numbers, rows->count, sizeof(*numbers), compare_numbers, rows);
    lion_sorted_rows part;
    lion_sorted_rows_init(&part, self->run, rows->width);
    lion_status status = write_sorted(&part, rows, numbers, row, error);
    lion_arena_give(arena, row);
    lion_arena_give(arena, numbers);
    if (status != LION_OK) return status;
    lion_rule_rows_release(rows);
    return lion_sorted_parts_add_take(&self->incoming, &part, INCOMING_PARTS_MAX, error);
}

/* ---- rounds ---- */

lion_status lion_rule_spilled_settle(lion_rule_rows *rows, lion_error *error)
{
    lion_rule_spilled *self = rows->spilled;
    lion_sorted_cursor_close(&self->cursor);
    lion_status status = lion_sorted_parts_add_take(&self->total, &self->delta, TOTAL_PARTS_MAX, error);
    if (status == LION_OK) status = lion_rule_spilled_flush(rows, error);
    if (status != LION_OK || self->incoming.count == 0) return status;
    return lion_sorted_parts_merge(&self->delta, &self->incoming, &self->total, error);
}

void lion_rule_spilled_rewind(const lion_rule_rows *rows)
{
    lion_rule_spilled *self = rows->spilled;
    lion_sorted_cursor_close(&self->cursor);
    lion_sorted_cursor_open(&self->cursor, &self->delta);
}

lion_status lion_rule_spilled_next(const lion_rule_rows *rows, lion_batch *batch_out, lion_error *error)
{
    lion_rule_spilled *self = rows->spilled;
    lion_sorted_cursor *cursor = &self->cursor;
    lion_output *output = &self->output;
    for (; cursor->at < self->delta.count && !lion_output_is_full(output); output->count++) {
        lion_status status = lion_sorted_cursor_to(cursor, cursor->at, error);
        if (status != LION_OK) return status;
        for (uint32_t i = 0; i < rows->width; i++) *lion_output_at(output, i) = cursor->row[self->place[i]];
        cursor->at++;
    }
    if (output->count == 0) { /* it may be asked again */
        lion_sorted_cursor_close(cursor);
        cursor->at = self->delta.count;
    }
    return lion_output_yield(output, batch_out);
}
