/* groups.h - rows with equal keys are one group. Groups are numbered as they come; the numbers of a whole batch are found at
 * once.
 *
 * The relation of all keys decides. Before it stands a small cache by what the key's columns hold literally (bits, or where
 * a text lies): equal there is equal, and the same few values come again and again. */
#ifndef LION_QUERY_GROUPS_H
#define LION_QUERY_GROUPS_H

#include "query/run.h"

typedef struct lion_groups {
    lion_relation keys;        /* a row a group */
    lion_value *key;           /* room for one */
    uint64_t *cache;           /* entries: the key's words, then the number + 1; made at the first batch */
    uint8_t *types;            /* of the columns that the cache is of */
    bool is_cached;            /* the columns at hand are fit for it */
    uint32_t numbers[LION_BATCH_ROWS];
} lion_groups;

void lion_groups_init(lion_groups *groups, lion_arena *arena, uint32_t key_count);
/* The groups of the batch's rows (in the order of lion_batch_row) into groups->numbers. slots: of the key's columns. */
lion_status lion_groups_find(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, lion_error *error);

#endif
