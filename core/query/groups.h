/* groups.h - rows with equal keys are one group. Groups are numbered as they come; the numbers of a whole batch are found at
 * once. */
#ifndef LION_QUERY_GROUPS_H
#define LION_QUERY_GROUPS_H

#include "query/row_set.h"

typedef struct lion_groups {
    lion_relation keys;        /* a row a group */
    lion_row_set set;
    lion_value *key;           /* room for one */
    uint32_t *numbers;         /* of the batch's rows */
} lion_groups;

void lion_groups_init(lion_groups *groups, lion_arena *arena, uint32_t key_count);
/* The bytes that they grow by for so many more. */
size_t lion_groups_growth(const lion_groups *groups, uint32_t more);
/* No groups; the memory is kept. */
void lion_groups_reset(lion_groups *groups);
/* The groups of the batch's rows (in the order of lion_batch_row) into groups->numbers. slots: of the key's columns. Where the set is
 * frozen, LION_ROW_NONE for rows whose group is not there. */
lion_status lion_groups_find(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, lion_error *error);
/* So many rows more, whose groups are in groups->numbers, are counted by group. */
void lion_groups_count(const lion_groups *groups, uint64_t *rows_out, uint32_t rows);

#endif
