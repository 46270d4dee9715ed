/* groups.c - the numbers of groups, a batch at a time. */
#include "query/groups.h"

#include "query/kernels.h"

void lion_groups_init(lion_groups *groups, lion_arena *arena, uint32_t key_count)
{
    lion_relation_init(&groups->keys, arena, key_count);
    lion_row_set_init(&groups->set, arena, key_count);
    groups->key = lion_arena_array(arena, lion_value, key_count + 1);
    groups->numbers = lion_arena_array(arena, uint32_t, LION_BATCH_ROWS);
}

size_t lion_groups_growth(const lion_groups *groups, uint32_t more)
{
    return lion_row_set_growth(&groups->set, more) + lion_relation_growth(&groups->keys, more, false);
}

void lion_groups_reset(lion_groups *groups)
{
    lion_row_set_reset(&groups->set);
    lion_relation_clear(&groups->keys);
}

lion_status lion_groups_find(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, lion_error *error)
{
    uint32_t rows = lion_batch_rows(batch);
    if (groups->keys.width == 0) {
        if (groups->keys.count == 0 && rows > 0) lion_relation_append(&groups->keys, groups->key);
        memset(groups->numbers, 0, sizeof(*groups->numbers) * rows);
        return LION_OK;
    }
    if (lion_row_set_add(&groups->set, batch, slots, groups->numbers, error) != LION_OK) return LION_FAILED;
    bool has_new = groups->set.count > groups->keys.count;
    for (uint32_t i = 0; has_new && i < rows; i++) {
        if (groups->numbers[i] < groups->keys.count || groups->numbers[i] == LION_ROW_NONE) continue;
        for (uint32_t k = 0; k < groups->keys.width; k++) groups->key[k] = lion_batch_get(batch, slots[k], lion_batch_row(batch, i));
        lion_relation_append(&groups->keys, groups->key);
        if (groups->keys.count != groups->numbers[i] + 1) return lion_fail_memory(error);
    }
    return LION_OK;
}

#define FEW 16

/* Every second row of a few groups is counted apart, so that few wait for the row before. */
static void count_few(const lion_groups *groups, uint64_t *rows_out, uint32_t rows)
{
    uint32_t parts[2][FEW] = { { 0 } };
    for (uint32_t i = 0; i < rows; i++) parts[i & 1][groups->numbers[i]]++;
    for (size_t group = 0; group < groups->keys.count; group++) rows_out[group] += parts[0][group] + parts[1][group];
}

void lion_groups_count(const lion_groups *groups, uint64_t *rows_out, uint32_t rows)
{
    size_t count = groups->keys.count;
    if (groups->keys.width == 0) rows_out[0] += rows;
    else if (count > 0 && count <= LION_KERNEL_COUNTED_MAX) lion_kernel_count_groups(rows_out, groups->numbers, rows, (uint32_t)count);
    else if (count <= FEW) count_few(groups, rows_out, rows);
    else
        for (uint32_t i = 0; i < rows; i++) rows_out[groups->numbers[i]]++;
}
