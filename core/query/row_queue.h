/* row_queue.h - rows that wait for others to be decided on: first in, first out, in typed columns. What was given out is given back when
 * the next is asked for, so a queue that is read shrinks. */
#ifndef LION_QUERY_ROW_QUEUE_H
#define LION_QUERY_ROW_QUEUE_H

#include "query/run.h"

typedef struct lion_row_queue {
    lion_arena *arena;
    uint32_t width;
    size_t count;              /* rows that wait */
    struct lion_row_piece *first, *last; /* first: given out, where is_out */
    bool is_out;
} lion_row_queue;

void lion_row_queue_init(lion_row_queue *queue, lion_arena *arena, uint32_t width);
/* The batch's rows, side by side. lion/out-of-memory. */
lion_status lion_row_queue_add(lion_row_queue *queue, const lion_batch *batch, lion_error *error);
/* LION_OK: some rows, which stand until the next call; LION_END: none wait. */
lion_status lion_row_queue_next(lion_row_queue *queue, lion_batch *batch_out);
/* No rows. */
void lion_row_queue_clear(lion_row_queue *queue);

#endif
