/* rows.c - datoms as columns that can be written. */
#include "index/rows.h"

#include <string.h>

#include "base/assert.h"

bool lion_rows_init(lion_rows *rows, lion_type type, uint32_t capacity, lion_arena *arena)
{
    *rows = (lion_rows){ .capacity = capacity,
                         .e = lion_arena_array(arena, int64_t, capacity),
                         .a = lion_arena_array(arena, uint32_t, capacity),
                         .v = { .type = (uint8_t)type },
                         .tx = lion_arena_array(arena, int64_t, capacity),
                         .added = lion_arena_array(arena, uint8_t, capacity) };
    rows->v.values = lion_arena_array(arena, lion_value, capacity);
    return !arena->is_exhausted;
}

void lion_rows_put(lion_rows *rows, const lion_datom *datom)
{
    uint32_t row = rows->count++;
    rows->e[row] = datom->e;
    rows->a[row] = datom->a;
    rows->tx[row] = datom->tx;
    rows->added[row] = datom->added;
    if (lion_type_is_scalar(rows->v.type))
        rows->v.bits[row] = datom->v.bits;
    else
        rows->v.values[row] = lion_value_uncoded(datom->v);
}

void lion_rows_append(lion_rows *rows, const lion_datom_batch *batch, uint32_t from, uint32_t to)
{
    uint32_t count = to - from, row = rows->count;
    LION_ASSERT(count <= rows->capacity - row);
    if (batch->e != NULL) memcpy(rows->e + row, batch->e + from, count * sizeof *rows->e);
    if (batch->a != NULL) memcpy(rows->a + row, batch->a + from, count * sizeof *rows->a);
    if (batch->tx != NULL) memcpy(rows->tx + row, batch->tx + from, count * sizeof *rows->tx);
    if (batch->added != NULL) memcpy(rows->added + row, batch->added + from, count);
    rows->count += count;
    if (batch->v.bits == NULL) return;
    if (batch->v.is_constant || batch->v.type != rows->v.type) { /* one by one */
        for (uint32_t i = 0; i < count; i++) {
            lion_value value = lion_vector_get(&batch->v, from + i);
            if (lion_type_is_scalar(rows->v.type))
                rows->v.bits[row + i] = value.bits;
            else
                rows->v.values[row + i] = lion_value_uncoded(value);
        }
    } else if (lion_type_is_scalar(rows->v.type)) {
        memcpy(rows->v.bits + row, batch->v.bits + from, count * sizeof *rows->v.bits);
    } else {
        memcpy(rows->v.values + row, batch->v.values + from, count * sizeof *rows->v.values);
        for (uint32_t i = 0; batch->v.dictionary != NULL && i < count; i++)
            rows->v.values[row + i].code = 0;
    }
}

void lion_rows_move(lion_rows *rows, uint32_t to, uint32_t from)
{
    if (to == from) return;
    rows->e[to] = rows->e[from];
    rows->a[to] = rows->a[from];
    rows->tx[to] = rows->tx[from];
    rows->added[to] = rows->added[from];
    if (lion_type_is_scalar(rows->v.type))
        rows->v.bits[to] = rows->v.bits[from];
    else
        rows->v.values[to] = rows->v.values[from];
}

uint32_t lion_rows_from(const lion_rows *rows, uint32_t low, uint32_t high, int64_t e)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (rows->e[middle] < e)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

lion_datom_batch lion_rows_batch(const lion_rows *rows, uint32_t columns)
{
    return (lion_datom_batch){ .count = rows->count,
                               .columns = columns,
                               .e = rows->e,
                               .a = rows->a,
                               .v = rows->v,
                               .tx = rows->tx,
                               .added = rows->added };
}

lion_datom_batch lion_batch_part(const lion_datom_batch *batch, uint32_t from, uint32_t count)
{
    lion_datom_batch part = *batch;
    part.count = count;
    if (part.e != NULL) part.e += from;
    if (part.a != NULL) part.a += from;
    if (part.tx != NULL) part.tx += from;
    if (part.added != NULL) part.added += from;
    if (part.v.is_constant || part.v.bits == NULL) return part;
    if (lion_type_is_scalar(part.v.type))
        part.v.bits += from;
    else
        part.v.values += from;
    return part;
}
