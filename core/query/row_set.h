/* row_set.h - the distinct rows of some columns of batches, each with a number: what DISTINCT and groups stand on.
 *
 * A row is a word for each column: whole numbers, ids and instants are their own word, any other value is interned and is the
 * number it got there. Words are computed column by column for a batch, then rows are looked for. */
#ifndef LION_QUERY_ROW_SET_H
#define LION_QUERY_ROW_SET_H

#include "query/run.h"

typedef struct lion_row_set {
    lion_arena *arena;
    uint32_t width;
    uint8_t *modes;            /* per column: what its words are (row_set.c) */
    uint64_t *words;           /* count * width */
    size_t count, room;
    uint32_t *slots;           /* row + 1, or 0 */
    size_t slot_count;         /* a power of two, or 0 */
    lion_relation interned;    /* values by number */
    bool is_interned;          /* the only column was so from the start */
    bool is_frozen;            /* rows that are not there are not added: their number is LION_ROW_NONE */
    struct lion_interned *recent; /* texts that were interned lately: by place … */
    struct lion_interned_short *recent_short; /* … and as many short ones by what they say */
    uint32_t recent_count;
    struct lion_coded *coded;  /* per column: what the codes of a dictionary were interned as */
    uint32_t missed;           /* texts that were interned already, but not found so, since it grew */
    uint32_t batch_room;       /* rows of a batch that there is room for */
    uint64_t *batch_words;     /* of the batch at hand, row by row */
    uint32_t *batch_hashes;
} lion_row_set;

#define LION_ROW_NONE UINT32_MAX

void lion_row_set_init(lion_row_set *set, lion_arena *arena, uint32_t width);
/* No rows; the memory is kept. */
void lion_row_set_clear(lion_row_set *set);
/* As it was in the beginning; the memory is kept. */
void lion_row_set_reset(lion_row_set *set);
/* The same, and the memory of many rows goes back. */
void lion_row_set_forget(lion_row_set *set);
/* The same, and all memory goes back, for others that are filled now. */
void lion_row_set_release(lion_row_set *set);
/* The bytes that it grows by for so many rows more. */
size_t lion_row_set_growth(const lion_row_set *set, uint32_t more);
/* The numbers of the batch's rows (in the order of lion_batch_row); those from the count before the call on are new, in
 * the order in which they came. slots: the columns. */
lion_status lion_row_set_add(lion_row_set *set, const lion_batch *batch, const uint32_t *slots, uint32_t *numbers_out, lion_error *error);

#endif
