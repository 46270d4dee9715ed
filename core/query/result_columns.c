/* result_columns.c - the columns that go out: those of the plan as they come, and those of rows of forms. */
#include "query/result_parts.h"

#define ROWS_MIN 16

void lion_result_open_columns(lion_result *self)
{
    lion_arena *arena = &self->run->arena;
    self->columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (self->width + 1));
    self->forms = lion_arena_zalloc(arena, sizeof(lion_form *) * (self->width + 1));
    self->form_rooms = lion_arena_zalloc(arena, sizeof(lion_form *) * (self->width + 1));
    self->bits = lion_arena_zalloc(arena, sizeof(int64_t *) * (self->width + 1));
    self->values = lion_arena_zalloc(arena, sizeof(lion_value *) * (self->width + 1));
    self->bit_rooms = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->width + 1));
    self->value_rooms = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->width + 1));
}

/* Rows that a column is to have room for, where it has some for `room`. */
static uint32_t more_rows(uint32_t room, uint32_t count)
{
    if (room == 0) room = ROWS_MIN;
    while (room < count) room *= 2;
    return room;
}

/* Room for so many of a column's bits or values, where those that are there stay; NULL: out of memory. */
static int64_t *bits_room(lion_result *self, uint32_t column, uint32_t count)
{
    uint32_t room = self->bit_rooms[column], more = more_rows(room, count);
    if (more == room) return self->bits[column];
    self->bits[column] = lion_arena_grow(&self->run->arena, self->bits[column], room * sizeof(int64_t), more * sizeof(int64_t));
    self->bit_rooms[column] = more;
    return self->bits[column];
}

static lion_value *value_room(lion_result *self, uint32_t column, uint32_t count)
{
    uint32_t room = self->value_rooms[column], more = more_rows(room, count);
    if (more == room) return self->values[column];
    self->values[column] = lion_arena_grow(&self->run->arena, self->values[column], room * sizeof(lion_value), more * sizeof(lion_value));
    self->value_rooms[column] = more;
    return self->values[column];
}

/* ---- columns ---- */

/* One type for the whole column, if it has one. */
static lion_status type_column(lion_result *self, uint32_t column, uint32_t count, lion_error *error)
{
    const lion_value *values = self->values[column];
    uint8_t type = values[0].type;
    for (uint32_t i = 1; i < count; i++)
        if (values[i].type != type) type = LION_TYPE_MIXED;
    lion_vector *vector = &self->columns[column];
    *vector = (lion_vector){ .type = type, .values = self->values[column] };
    if (!lion_type_is_scalar(type)) return LION_OK;
    if (bits_room(self, column, count) == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) self->bits[column][i] = values[i].bits;
    vector->bits = self->bits[column];
    return LION_OK;
}

/* A column to be pulled holds ids: what else names an entity (an input may) is resolved. Nobody is an id without facts. */
static lion_status resolve_pulled(lion_result *self, uint32_t column, uint32_t count, lion_error *error)
{
    lion_value *values = self->values[column];
    for (uint32_t i = 0; i < count; i++) {
        int64_t id = LION_ID_MAX;
        if (values[i].type == LION_TYPE_REF) continue;
        lion_status status = lion_query_entity(&id, self->pulls[column].db, values[i], &self->run->arena, error);
        if (status < 0) return status;
        values[i] = lion_value_ref(id);
    }
    return LION_OK;
}

static bool is_pulled(const lion_result *self, uint32_t column)
{
    return self->pulls != NULL && self->pulls[column].is_pull;
}

static lion_status yield(lion_result *self, uint32_t count, lion_query_batch *batch_out)
{
    if (count == 0) return LION_END;
    *batch_out = (lion_query_batch){ .count = count, .width = self->width, .columns = self->columns, .forms = self->forms, .pulls = self->pulls };
    return LION_OK;
}

/* ---- streaming: columns go out as they come, or as much of them as is selected ---- */

static lion_status take_bits(lion_result *self, uint32_t column, const lion_batch *batch, const lion_vector *from, uint32_t first,
                             uint32_t count, lion_error *error)
{
    int64_t *bits = bits_room(self, column, count);
    if (bits == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) bits[i] = from->bits[from->is_constant ? 0 : lion_batch_row(batch, first + i)];
    self->columns[column] = (lion_vector){ .type = from->type, .bits = bits };
    return LION_OK;
}

static lion_status take_values(lion_result *self, uint32_t column, const lion_batch *batch, const lion_vector *from, uint32_t first,
                               uint32_t count, lion_error *error)
{
    lion_value *values = value_room(self, column, count);
    if (values == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) values[i] = from->values[from->is_constant ? 0 : lion_batch_row(batch, first + i)];
    self->columns[column] = (lion_vector){ .type = from->type, .values = values };
    return LION_OK;
}

/* As users see the values, each looked at. */
static lion_status take_shown(lion_result *self, uint32_t column, const lion_batch *batch, uint32_t first, uint32_t count, lion_error *error)
{
    lion_value *values = value_room(self, column, count);
    if (values == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++)
        values[i] = lion_result_value(self, column, lion_batch_get(batch, self->elements[column].slot, lion_batch_row(batch, first + i)));
    lion_status status = is_pulled(self, column) ? resolve_pulled(self, column, count, error) : LION_OK;
    return status < 0 ? status : type_column(self, column, count, error);
}

static lion_status take_column(lion_result *self, uint32_t column, const lion_batch *batch, uint32_t first, uint32_t count, lion_error *error)
{
    const lion_vector *from = &batch->columns[self->elements[column].slot];
    bool is_plain = from->type != LION_TYPE_MIXED && from->type != LION_TYPE_ATTRIBUTE && !self->elements[column].is_attribute &&
                    (!is_pulled(self, column) || from->type == LION_TYPE_REF);
    if (!is_plain) return take_shown(self, column, batch, first, count, error);
    if (batch->selection == NULL && first == 0 && !from->is_constant) {
        self->columns[column] = *from;
        return LION_OK;
    }
    return lion_type_is_scalar(from->type) ? take_bits(self, column, batch, from, first, count, error)
                                           : take_values(self, column, batch, from, first, count, error);
}

lion_status lion_result_next_streamed(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_batch batch;
    uint32_t first = 0, count = 0;
    while (count == 0) {
        if (self->limit_left == 0) return LION_END;
        lion_status status = lion_operator_next(self->root, &batch, error);
        if (status != LION_OK) return status;
        uint32_t rows = lion_batch_rows(&batch);
        first = self->offset_left < rows ? (uint32_t)self->offset_left : rows;
        self->offset_left -= first;
        count = rows - first;
        if (self->limit_left > 0 && count > self->limit_left) count = (uint32_t)self->limit_left;
    }
    if (self->limit_left > 0) self->limit_left -= count;
    for (uint32_t i = 0; i < self->width; i++) {
        lion_status status = take_column(self, i, &batch, first, count, error);
        if (status != LION_OK) return status;
    }
    return yield(self, count, batch_out);
}

/* ---- what was gathered ---- */

static bool take_row(lion_result *self)
{
    if (self->offset_left > 0) {
        self->offset_left--;
        return false;
    }
    if (self->limit_left > 0) self->limit_left--;
    return true;
}

/* Only where one is no value they are all forms, those before it, too. */
static bool make_forms(lion_result *self, uint32_t column, uint32_t row)
{
    lion_form **room = &self->form_rooms[column];
    if (*room == NULL) *room = lion_arena_array(&self->run->arena, lion_form, LION_BATCH_ROWS);
    if (*room == NULL) return false;
    for (uint32_t i = 0; i < row; i++) (*room)[i] = lion_form_value(self->values[column][i]);
    self->forms[column] = *room;
    return true;
}

static bool put_form(lion_result *self, uint32_t column, uint32_t row, const lion_form *form)
{
    bool is_value = form->kind == LION_FORM_VALUE;
    lion_value *values = value_room(self, column, row + 1);
    if (values == NULL) return false;
    if (!is_value && self->forms[column] == NULL && !make_forms(self, column, row)) return false;
    if (self->forms[column] != NULL) self->form_rooms[column][row] = *form;
    values[row] = is_value ? form->value : lion_value_nil();
    return true;
}

lion_status lion_result_next_gathered(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->filled == 0) memset(self->forms, 0, sizeof(*self->forms) * self->width);
    while (self->filled < LION_BATCH_ROWS && self->limit_left != 0) {
        const lion_form *row;
        status = lion_result_next_row(&row, self, error);
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (!take_row(self)) continue;
        for (uint32_t i = 0; i < self->width; i++)
            if (!put_form(self, i, self->filled, &row[i])) return lion_fail_memory(error);
        self->filled++;
    }
    uint32_t count = self->filled;
    self->filled = 0;
    for (uint32_t i = 0; count > 0 && i < self->width; i++) {
        status = is_pulled(self, i) ? resolve_pulled(self, i, count, error) : LION_OK;
        if (status >= 0) status = type_column(self, i, count, error);
        if (status < 0) return status;
    }
    return yield(self, count, batch_out);
}
