/* key_set.h - the keys that rows have to have, or must not: what semi-joins, anti-joins and unions stand on.
 *
 * Whole numbers and ids that lie close together are an exact bitmap; other keys, or several columns, a set of rows. Keys are equal
 * as facts join: by value within a type, ids with whole numbers, whole numbers with doubles; a keyword is no entity. */
#ifndef LION_QUERY_KEY_SET_H
#define LION_QUERY_KEY_SET_H

#include "query/run.h"

typedef struct lion_key_set {
    lion_arena *arena;
    uint32_t width;            /* columns of a key */
    uint8_t *types;            /* per column: of what is there; MIXED: of several types; NIL: nothing is */
    size_t count;              /* different keys */
    uint64_t *words;           /* the bitmap: bit i is the key base + i; NULL: none */
    int64_t base;
    uint64_t range;            /* bits, a multiple of 64 */
    lion_relation rows;        /* without a bitmap */
    bool is_rows;
} lion_key_set;

void lion_key_set_init(lion_key_set *set, lion_arena *arena, uint32_t width);
/* No keys, as in the beginning. */
void lion_key_set_clear(lion_key_set *set);
/* The same, and the memory of many rows goes back. */
void lion_key_set_forget(lion_key_set *set);
/* Add the keys that the batch has in these columns. lion/out-of-memory. */
lion_status lion_key_set_add(lion_key_set *set, const lion_batch *batch, const uint32_t *slots, lion_error *error);
/* The bytes that it grows by for so many keys more, at most as far as can be told. */
size_t lion_key_set_growth(const lion_key_set *set, uint32_t more);

/* Rows of the batch, in order, whose key is in the set (is_in), or is not. selection_out: LION_BATCH_ROWS. How many there are. Changes
 * nothing in the set: threads may share it. */
uint32_t lion_key_set_select(const lion_key_set *set, const lion_batch *batch, const uint32_t *slots, bool is_in, uint16_t *selection_out);

/* The keys of a set of one column of ids or whole numbers, ascending, from *at on (0 at first): up to `room` of them. How many. A
 * set that is no bitmap is sorted by the first call. */
uint32_t lion_key_set_read(lion_key_set *set, uint64_t *at, int64_t *keys_out, uint32_t room);

#endif
