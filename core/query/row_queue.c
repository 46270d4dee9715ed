/* row_queue.c - pieces of up to LION_BATCH_ROWS rows, each a block of its own: a header, then the columns one after the other. A column
 * has one type; where a batch has another a new piece begins. */
#include "query/row_queue.h"

#include "query/columns.h"

typedef struct lion_row_piece piece;
struct lion_row_piece {
    piece *next;
    uint32_t count, room;      /* rows */
    lion_vector columns[];     /* width */
};

void lion_row_queue_init(lion_row_queue *queue, lion_arena *arena, uint32_t width)
{
    *queue = (lion_row_queue){ .arena = arena, .width = width };
}

static size_t value_size(uint8_t type)
{
    return lion_type_is_scalar((lion_type)type) ? sizeof(int64_t) : sizeof(lion_value);
}

/* Pieces have room for as many rows as wait already, within bounds. */
static piece *add_piece(lion_row_queue *queue, const lion_batch *batch)
{
    uint32_t room = LION_ROOM_ROWS_MIN;
    while (room < queue->count && room < LION_BATCH_ROWS) room = lion_room_after(room);
    size_t head = sizeof(piece) + sizeof(lion_vector) * queue->width, size = head;
    for (uint32_t i = 0; i < queue->width; i++) size += room * value_size(batch->columns[i].type);
    piece *made = lion_arena_take(queue->arena, size);
    if (made == NULL) return NULL;
    uint8_t *at = (uint8_t *)made + head;
    *made = (piece){ .room = room };
    for (uint32_t i = 0; i < queue->width; i++) {
        uint8_t type = batch->columns[i].type;
        made->columns[i] = (lion_vector){ .type = type };
        if (lion_type_is_scalar((lion_type)type)) made->columns[i].bits = (int64_t *)(void *)at;
        else made->columns[i].values = (lion_value *)(void *)at;
        at += room * value_size(type);
    }
    if (queue->last == NULL) queue->first = made;
    else queue->last->next = made;
    queue->last = made;
    return made;
}

/* Whether the last piece has room for rows of the batch. */
static bool is_open(const lion_row_queue *queue, const lion_batch *batch)
{
    const piece *last = queue->last;
    if (last == NULL || last->count == last->room || (queue->is_out && last == queue->first)) return false;
    for (uint32_t i = 0; i < queue->width; i++)
        if (last->columns[i].type != batch->columns[i].type) return false;
    return true;
}

lion_status lion_row_queue_add(lion_row_queue *queue, const lion_batch *batch, lion_error *error)
{
    uint32_t rows = lion_batch_rows(batch);
    for (uint32_t done = 0, count; done < rows; done += count) {
        piece *to = is_open(queue, batch) ? queue->last : add_piece(queue, batch);
        if (to == NULL) return lion_fail_memory(error);
        count = rows - done < to->room - to->count ? rows - done : to->room - to->count;
        for (uint32_t i = 0; i < queue->width; i++) lion_columns_copy(&to->columns[i], to->count, &batch->columns[i], batch, done, count);
        to->count += count;
        queue->count += count;
    }
    return LION_OK;
}

static void drop_first(lion_row_queue *queue)
{
    piece *first = queue->first;
    queue->first = first->next;
    if (queue->first == NULL) queue->last = NULL;
    lion_arena_give(queue->arena, first);
}

lion_status lion_row_queue_next(lion_row_queue *queue, lion_batch *batch_out)
{
    if (queue->is_out) drop_first(queue);
    queue->is_out = queue->first != NULL;
    if (!queue->is_out) return LION_END;
    queue->count -= queue->first->count;
    *batch_out = (lion_batch){ .count = queue->first->count, .width = queue->width, .columns = queue->first->columns };
    return LION_OK;
}

void lion_row_queue_clear(lion_row_queue *queue)
{
    while (queue->first != NULL) drop_first(queue);
    queue->count = 0;
    queue->is_out = false;
}
