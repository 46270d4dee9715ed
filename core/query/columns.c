/* columns.c - typed columns that fill up. */
#include "query/columns.h"

#include "query/kernels.h"

void lion_columns_init(lion_columns *columns, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                       const uint32_t *added, uint32_t added_count)
{
    lion_passing passing;
    lion_passing_init(&passing, self, input, keep, added, added_count);
    *columns = (lion_columns){ .vectors = passing.columns, .width = self->width, .kept = passing.kept, .from = passing.from,
                               .room = LION_ROOM_ROWS_MIN, .operator = self };
    columns->rooms = lion_arena_zalloc(&self->run->arena, sizeof(*columns->rooms) * (self->width + 1));
}

/* Batches begin as large as rows are estimated, and grow as they are filled. Columns are empty. */
static void grow_batches(lion_columns *columns)
{
    double expected = columns->is_begun ? 0 : columns->operator->rows_estimated;
    if (columns->was_full) columns->room = lion_room_after(columns->room);
    while (columns->room < expected && columns->room < LION_BATCH_ROWS) columns->room = lion_room_after(columns->room);
    columns->is_begun = true;
    columns->was_full = false;
}

/* Room for values of the type, where none are yet. */
static bool make_room(lion_columns *columns, uint32_t slot, uint8_t type)
{
    lion_vector *vector = &columns->vectors[slot];
    uint32_t size = columns->room * (uint32_t)(lion_type_is_scalar((lion_type)type) ? sizeof(int64_t) : sizeof(lion_value));
    if (columns->rooms[slot] >= size) return true;
    vector->values = lion_arena_alloc(&columns->operator->run->arena, size);
    columns->rooms[slot] = size;
    return vector->values != NULL;
}

bool lion_columns_fit(lion_columns *columns, const lion_batch *batch)
{
    if (columns->count == 0) grow_batches(columns);
    for (uint32_t i = 0; i < columns->kept; i++)
        if (columns->count > 0 && columns->vectors[i].type != batch->columns[columns->from[i]].type) return false;
    for (uint32_t i = 0; i < columns->kept; i++) {
        columns->vectors[i].type = batch->columns[columns->from[i]].type;
        make_room(columns, i, columns->vectors[i].type);
    }
    return true;
}

void *lion_columns_room(lion_columns *columns, uint32_t slot, uint8_t type)
{
    lion_vector *vector = &columns->vectors[slot];
    if (columns->count > 0 && vector->type != type) return NULL;
    if (!make_room(columns, slot, type)) return NULL;
    vector->type = type;
    if (lion_type_is_scalar((lion_type)type)) return vector->bits + columns->count;
    return vector->values + columns->count;
}

void lion_columns_take(lion_columns *columns, const lion_batch *batch, const uint16_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < columns->kept; i++) {
        const lion_vector *from = &batch->columns[columns->from[i]];
        lion_vector *to = &columns->vectors[i];
        size_t step = from->is_constant ? 0 : 1;
        if (lion_type_is_scalar((lion_type)from->type) && step == 1)
            lion_kernel_gather(to->bits + columns->count, from->bits, rows, count);
        else if (lion_type_is_scalar((lion_type)from->type))
            for (uint32_t k = 0; k < count; k++) to->bits[columns->count + k] = from->bits[0];
        else
            for (uint32_t k = 0; k < count; k++) to->values[columns->count + k] = from->values[rows[k] * step];
    }
    columns->count += count;
}

lion_status lion_columns_yield(lion_columns *columns, lion_batch *batch_out)
{
    if (columns->count == 0) return LION_END;
    *batch_out = (lion_batch){ .count = columns->count, .width = columns->width, .columns = columns->vectors };
    columns->was_full = lion_columns_free(columns) == 0;
    columns->count = 0;
    return LION_OK;
}

/* ---- rows copied ---- */

void lion_columns_copy(lion_vector *to, uint32_t at, const lion_vector *from, const lion_batch *batch, uint32_t first, uint32_t count)
{
    bool is_bits = lion_type_is_scalar((lion_type)from->type);
    size_t size = is_bits ? sizeof(int64_t) : sizeof(lion_value), step = from->is_constant ? 0 : 1;
    const uint16_t *rows = batch->selection == NULL ? NULL : batch->selection + first;
    if (step == 1 && rows == NULL) {
        const uint8_t *source = is_bits ? (const uint8_t *)from->bits : (const uint8_t *)from->values;
        uint8_t *target = is_bits ? (uint8_t *)to->bits : (uint8_t *)to->values;
        memcpy(target + at * size, source + first * size, count * size);
        return;
    }
    if (step == 1 && is_bits) lion_kernel_gather(to->bits + at, from->bits, rows, count);
    else if (is_bits)
        for (uint32_t k = 0; k < count; k++) to->bits[at + k] = from->bits[0];
    else
        for (uint32_t k = 0; k < count; k++) to->values[at + k] = from->values[step == 0 ? 0 : rows[k]];
}

/* ---- batches of one's own ---- */

static lion_status make_rooms(lion_batch_copy *copy, uint32_t width, lion_arena *arena, lion_error *error)
{
    if (copy->rooms == NULL) {
        copy->rooms = lion_arena_zalloc(arena, sizeof(lion_value *) * (width + 1));
        copy->batch.columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (width + 1));
    }
    if (arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < width; i++) {
        if (copy->rooms[i] == NULL) copy->rooms[i] = lion_arena_array(arena, lion_value, LION_BATCH_ROWS);
        if (copy->rooms[i] == NULL || arena->is_exhausted) return lion_fail_memory(error);
    }
    return LION_OK;
}

static void copy_column(lion_vector *to, lion_value *room, const lion_vector *from, const lion_batch *batch)
{
    bool is_bits = lion_type_is_scalar((lion_type)from->type);
    uint32_t count = from->is_constant ? 1 : lion_batch_rows(batch);
    *to = (lion_vector){ .type = from->type, .is_constant = from->is_constant };
    if (is_bits) to->bits = (int64_t *)room;
    else to->values = room;
    if (!from->is_constant) lion_columns_copy(to, 0, from, batch, 0, count);
    else if (is_bits) to->bits[0] = from->bits[0];
    else to->values[0] = from->values[0];
}

lion_status lion_batch_copy_take(lion_batch_copy *copy, const lion_batch *from, lion_arena *arena, lion_error *error)
{
    if (make_rooms(copy, from->width, arena, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < from->width; i++) copy_column(&copy->batch.columns[i], copy->rooms[i], &from->columns[i], from);
    copy->batch.count = lion_batch_rows(from);
    copy->batch.width = from->width;
    return LION_OK;
}
