/* packer_decode.c - the rows of a leaf that is rewritten. */
#include "base/memory.h"
#include "index/packer.h"

#define DECODE_ROWS 1024

lion_status lion_packer_reserve(lion_datom **rows, size_t *capacity, size_t count,
                                lion_error *error)
{
    if (count <= *capacity) return LION_OK;
    size_t wanted = *capacity == 0 ? 2048 : *capacity;
    while (wanted < count) wanted *= 2;
    lion_datom *grown = lion_realloc(*rows, wanted * sizeof **rows);
    if (grown == NULL) return lion_fail_memory(error);
    *rows = grown;
    *capacity = wanted;
    return LION_OK;
}

/* All rows of a leaf into old[]; large values stay stubs. */
lion_status lion_packer_decode(lion_packer *packer, lion_slice bytes)
{
    const lion_tree *tree = packer->builder.tree;
    lion_leaf leaf;
    if (lion_leaf_open(&leaf, bytes, tree->a, packer->error) != LION_OK) return LION_FAILED;
    if (leaf.order != tree->order || leaf.is_history != (tree->is_history != 0))
        return lion_leaf_corrupt(packer->error, "it is of another tree");
    if (lion_packer_reserve(&packer->old, &packer->old_capacity, leaf.rows, packer->error) !=
        LION_OK)
        return LION_FAILED;

    lion_arena_mark mark = lion_arena_set_mark(&packer->builder.arena);
    lion_arena *arena = &packer->builder.arena;
    lion_leaf_target target = { .e = lion_arena_array(arena, int64_t, DECODE_ROWS),
                                .a = lion_arena_array(arena, uint32_t, DECODE_ROWS),
                                .v = { .type = leaf.type,
                                       .values = lion_arena_array(arena, lion_value, DECODE_ROWS) },
                                .tx = lion_arena_array(arena, int64_t, DECODE_ROWS),
                                .added = lion_arena_array(arena, uint8_t, DECODE_ROWS) };
    if (leaf.attributes > 0) {
        leaf.columns = lion_arena_array(arena, lion_column, leaf.attributes);
        if (leaf.columns == NULL) return lion_fail_memory(packer->error);
        for (uint32_t i = 0; i < leaf.attributes; i++) leaf.columns[i].type = LION_TYPE_NIL;
    }
    lion_status status = lion_arena_check(arena, packer->error);
    for (uint32_t row = 0; row < leaf.rows && status == LION_OK;) {
        uint32_t count = leaf.rows - row < DECODE_ROWS ? leaf.rows - row : DECODE_ROWS;
        status = lion_leaf_read(&leaf, row, count, &target, NULL, packer->error);
        for (uint32_t i = 0; i < count && status == LION_OK; i++)
            packer->old[row + i] = (lion_datom){ .e = target.e[i],
                                                 .a = target.a[i],
                                                 .v = lion_vector_get(&target.v, i),
                                                 .tx = target.tx[i],
                                                 .added = target.added[i] != 0 };
        row += count;
    }
    packer->old_count = leaf.rows;
    lion_arena_rewind(arena, mark);
    return status;
}
