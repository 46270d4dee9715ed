/* rule_rows.h - distinct rows that grow while others read them: what a rule was asked for, what it has answered.
 *
 * They lie as typed columns in blocks of a batch's rows, in the order they came, so a difference (the rows from a number on) is fed
 * to a plan as it lies, and no block moves when there are more. Values' bytes stay where they are. */
#ifndef LION_QUERY_RULE_ROWS_H
#define LION_QUERY_RULE_ROWS_H

#include "query/run.h"

struct lion_rule_spilled;

typedef struct lion_rule_rows {
    lion_arena *arena;
    uint32_t width;
    size_t count;
    lion_vector **blocks;      /* per LION_BATCH_ROWS rows: their columns */
    size_t block_count, block_room;
    uint32_t first_room;       /* rows that the first block has room for: most tables stay small */
    uint32_t *slots;           /* row + 1, or 0 */
    size_t slot_count;         /* a power of two, or 0 */
    uint32_t clearings;        /* how often they were emptied */
    struct lion_rule_spilled *spilled; /* the rest of them, on file (rule_spill.h); NULL: all are here */
} lion_rule_rows;

/* No memory before the first row. */
void lion_rule_rows_init(lion_rule_rows *rows, lion_arena *arena, uint32_t width);
/* No rows; the memory is kept. */
void lion_rule_rows_clear(lion_rule_rows *rows);
/* No rows; the memory goes back, but for a little. */
void lion_rule_rows_release(lion_rule_rows *rows);
/* Somebody will still be reading this row's block when the memory goes back: that one does not. */
void lion_rule_rows_leave(lion_rule_rows *rows, size_t row);
/* The rows of a batch that are not there yet, each once, in their order. columns: width of them, in place of the batch's own. */
lion_status lion_rule_rows_add(lion_rule_rows *rows, const lion_vector *columns, const lion_batch *batch, lion_error *error);

static inline lion_value lion_rule_rows_get(const lion_rule_rows *rows, size_t row, uint32_t column)
{
    return lion_vector_get(&rows->blocks[row / LION_BATCH_ROWS][column], row % LION_BATCH_ROWS);
}

/* The columns of the rows from `from` on that lie together, before `to`: how many rows. What was written there stays as long as the
 * arena. */
uint32_t lion_rule_rows_piece(lion_vector *columns_out, const lion_rule_rows *rows, size_t from, size_t to);

/* A column of the rows with these numbers, in room for as many values: of one type, if they all have it. */
lion_vector lion_rule_rows_gather(const lion_rule_rows *rows, uint32_t column, const uint32_t *numbers, uint32_t count, lion_value *room);

/* Which rows have certain values in columns `key`. It follows the rows as they grow, or are emptied; rows are found newest first. */
typedef struct lion_rule_index {
    const lion_rule_rows *rows;
    uint32_t key_count;
    uint32_t *key;
    size_t covered;            /* rows [0, covered) are in the index */
    uint32_t clearings;        /* of the rows, then */
    uint32_t *heads;           /* row + 1, or 0 */
    size_t head_count;         /* a power of two, or 0 */
    uint32_t *next;            /* per row: row + 1 of the next in the chain */
    size_t room;               /* of next */
} lion_rule_index;

void lion_rule_index_init(lion_rule_index *index, const lion_rule_rows *rows, const uint32_t *key, uint32_t key_count);
/* Take in the rows added since. */
lion_status lion_rule_index_follow(lion_rule_index *index, lion_error *error);
/* It covers nothing; the memory goes back, but for a little. */
void lion_rule_index_release(lion_rule_index *index);
/* The newest row + 1 with the key, 0 for none; then the next one. Without a key columns: every row. */
size_t lion_rule_index_find(const lion_rule_index *index, const lion_value *key);
size_t lion_rule_index_next(const lion_rule_index *index, size_t found, const lion_value *key);

/* Rows [from, to) as an operator: the root of a plan over a difference. None before lion_rule_feed_set. */
lion_operator *lion_rule_feed_new(lion_run *run, const lion_rule_rows *rows, const uint32_t *vars);
/* At the next rewind and afterwards. */
void lion_rule_feed_set(lion_operator *feed, size_t from, size_t to);

#endif
