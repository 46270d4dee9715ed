/* rows.h - datoms as columns that can be written: what cursors gather and compact. Private to
 * index/. All columns are there; v holds bits or values, as a lion_vector of its type does, and none
 * has a code. */
#ifndef LION_INDEX_ROWS_H
#define LION_INDEX_ROWS_H

#include "data/datom.h"

typedef struct lion_rows {
    uint32_t count, capacity;
    int64_t *e;
    uint32_t *a;
    lion_vector v;
    int64_t *tx;
    uint8_t *added;
} lion_rows;

/* Room for capacity rows in the arena, for values of any type: v.type may be changed while there
 * are no rows. false: out of memory. */
bool lion_rows_init(lion_rows *rows, lion_type type, uint32_t capacity, lion_arena *arena);
void lion_rows_put(lion_rows *rows, const lion_datom *datom);
/* batch[from, to) behind the rows, those columns that are there; the vectors' types agree. */
void lion_rows_append(lion_rows *rows, const lion_datom_batch *batch, uint32_t from, uint32_t to);
/* The row from becomes row to. */
void lion_rows_move(lion_rows *rows, uint32_t to, uint32_t from);
/* Of entities that ascend: the first row of [low, high) whose entity is not below e. */
uint32_t lion_rows_from(const lion_rows *rows, uint32_t low, uint32_t high, int64_t e);
/* Borrowed columns; `columns` is what the reader may look at. */
lion_datom_batch lion_rows_batch(const lion_rows *rows, uint32_t columns);
/* batch from row `from` on, `count` rows: nothing is copied. */
lion_datom_batch lion_batch_part(const lion_datom_batch *batch, uint32_t from, uint32_t count);

#endif
