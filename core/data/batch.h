/* batch.h - up to LION_BATCH_ROWS rows as typed columns: what cursors and operators yield.
 *
 * A vector is one column. When its type is a scalar type (lion_type_is_scalar), the values are
 * bits[]; otherwise they are values[] (all of that type, or tagged one by one when type is
 * LION_TYPE_MIXED). A constant vector holds one value that stands for every row. */
#ifndef LION_DATA_BATCH_H
#define LION_DATA_BATCH_H

#include "data/datom.h"

#define LION_BATCH_ROWS 1024

typedef struct lion_vector {
    uint8_t type; /* lion_type */
    bool is_constant;
    uint8_t zero[6];
    union {
        int64_t *bits;      /* scalar types (doubles by their bits) */
        lion_value *values; /* the others, and MIXED */
    };
} lion_vector;

static inline lion_value lion_vector_get(const lion_vector *vector, size_t row)
{
    size_t index = vector->is_constant ? 0 : row;
    if (lion_type_is_scalar(vector->type))
        return lion_value_scalar((lion_type)vector->type, vector->bits[index]);
    return vector->values[index];
}

/* A batch of datoms, from a cursor. Only the columns asked for are filled. Valid until the next
 * step of the cursor; bytes of values live as long as the database value that was read. */
typedef enum lion_datom_columns {
    LION_COLUMN_E = 1,
    LION_COLUMN_A = 2,
    LION_COLUMN_V = 4,
    LION_COLUMN_TX = 8, /* tx and added */
    LION_COLUMN_ALL = 15,
} lion_datom_columns;

typedef struct lion_datom_batch {
    uint32_t count;
    uint32_t columns; /* the lion_datom_columns that are filled */
    const int64_t *e; /* NULL when not asked for */
    const uint32_t *a;
    lion_vector v;
    const int64_t *tx;
    const uint8_t *added;
} lion_datom_batch;

static inline lion_datom lion_datom_batch_get(const lion_datom_batch *batch, size_t row)
{
    return (lion_datom){ .e = batch->e[row],
                         .a = batch->a[row],
                         .v = lion_vector_get(&batch->v, row),
                         .tx = batch->tx[row],
                         .added = batch->added[row] != 0 };
}

#endif
