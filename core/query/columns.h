/* columns.h - an operator's output where a row of the input becomes several or none: typed columns that fill up over the input's
 * batches. A column has the type of the batches that it was filled from; where that changes, what is there goes out
 * first. */
#ifndef LION_QUERY_COLUMNS_H
#define LION_QUERY_COLUMNS_H

#include "query/run.h"

typedef struct lion_columns {
    lion_vector *vectors;      /* those kept of the input, then those added */
    uint32_t width, kept, count;
    uint32_t room;             /* rows of a batch */
    bool is_begun, was_full;   /* the last batch was */
    uint32_t *rooms;           /* per column: bytes */
    uint32_t *from;            /* per kept column: the input's slot */
    const lion_operator *operator;
} lion_columns;

/* As lion_output_init. */
void lion_columns_init(lion_columns *columns, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                       const uint32_t *added, uint32_t added_count);
/* Get ready for rows of the batch: false where what is there has to go out before. */
bool lion_columns_fit(lion_columns *columns, const lion_batch *batch);
/* An added column's place for the next rows, of so many of the type (columns->count and on); NULL: it has another
 * type, what is there has to go out before. */
void *lion_columns_room(lion_columns *columns, uint32_t slot, uint8_t type);
/* The kept columns of `count` rows of the batch, and so many rows more. There is room for them. */
void lion_columns_take(lion_columns *columns, const lion_batch *batch, const uint16_t *rows, uint32_t count);
static inline uint32_t lion_columns_free(const lion_columns *columns)
{
    return columns->room - columns->count;
}
/* As lion_output_yield. */
lion_status lion_columns_yield(lion_columns *columns, lion_batch *batch_out);

/* Rows of a column of the batch: `count`, from the first-th (of lion_batch_row) on, into another of its type, which has room for them at
 * `at`. */
void lion_columns_copy(lion_vector *to, uint32_t at, const lion_vector *from, const lion_batch *batch, uint32_t first, uint32_t count);

/* A batch of one's own: the rows that another has now, side by side. Values' bytes stay where they are. */
typedef struct lion_batch_copy {
    lion_batch batch;
    lion_value **rooms;        /* per column: LION_BATCH_ROWS values, or as many bits; made when needed */
} lion_batch_copy;

/* Take another batch's rows instead; room is made once and kept. Batches of one copy have one width. */
lion_status lion_batch_copy_take(lion_batch_copy *copy, const lion_batch *from, lion_arena *arena, lion_error *error);

#endif
