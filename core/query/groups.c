/* groups.c - the numbers of groups, a batch at a time. */
#include "query/groups.h"

#include "base/hash.h"

#define CACHE_ENTRIES 4096 /* a power of two */
#define WORDS 2            /* of a column: bits or address, and size */

void lion_groups_init(lion_groups *groups, lion_arena *arena, uint32_t key_count)
{
    lion_relation_init(&groups->keys, arena, key_count);
    groups->key = lion_arena_array(arena, lion_value, key_count + 1);
    groups->types = lion_arena_zalloc(arena, key_count + 1);
}

static lion_status find_row(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, uint32_t row, uint32_t *number_out,
                            lion_error *error)
{
    size_t number = 0;
    for (uint32_t i = 0; i < groups->keys.width; i++) groups->key[i] = lion_batch_get(batch, slots[i], row);
    if (lion_relation_add(&groups->keys, groups->key)) number = groups->keys.count - 1;
    else if (!lion_relation_has(&groups->keys, groups->key, &number)) return lion_fail_memory(error);
    *number_out = (uint32_t)number;
    return LION_OK;
}

/* The cache serves columns of one type; it is emptied when that changes. */
static void fit_cache(lion_groups *groups, const lion_batch *batch, const uint32_t *slots)
{
    uint32_t width = groups->keys.width;
    size_t size = sizeof(uint64_t) * (WORDS * width + 1) * CACHE_ENTRIES;
    bool is_same = groups->cache != NULL;
    groups->is_cached = true;
    for (uint32_t i = 0; i < width; i++) {
        uint8_t type = batch->columns[slots[i]].type;
        if (type == LION_TYPE_MIXED) groups->is_cached = false;
        is_same = is_same && groups->types[i] == type;
        groups->types[i] = type;
    }
    if (!groups->is_cached || is_same) return;
    if (groups->cache == NULL) groups->cache = lion_arena_alloc(groups->keys.arena, size);
    if (groups->cache == NULL) groups->is_cached = false;
    else memset(groups->cache, 0, size);
}

static inline void words_of(uint64_t *words, const lion_vector *column, uint32_t row)
{
    size_t at = column->is_constant ? 0 : row;
    bool is_scalar = lion_type_is_scalar(column->type);
    words[0] = is_scalar ? (uint64_t)column->bits[at] : (uint64_t)(uintptr_t)column->values[at].data;
    words[1] = is_scalar ? 0 : column->values[at].size;
}

static lion_status find_cached(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, uint32_t row, uint32_t *number_out,
                               lion_error *error)
{
    uint32_t count = groups->keys.width * WORDS;
    uint64_t words[count], hash = 0;
    for (uint32_t i = 0; i < groups->keys.width; i++) {
        words_of(words + (size_t)i * WORDS, &batch->columns[slots[i]], row);
        hash = (hash ^ words[i * WORDS]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    uint64_t *entry = groups->cache + (hash & (CACHE_ENTRIES - 1)) * (count + 1);
    bool is_equal = entry[count] != 0;
    for (uint32_t i = 0; i < count; i++) is_equal = is_equal && entry[i] == words[i];
    if (is_equal) {
        *number_out = (uint32_t)entry[count] - 1;
        return LION_OK;
    }
    lion_status status = find_row(groups, batch, slots, row, number_out, error);
    memcpy(entry, words, sizeof(*words) * count);
    entry[count] = status == LION_OK ? (uint64_t)*number_out + 1 : 0;
    return status;
}

lion_status lion_groups_find(lion_groups *groups, const lion_batch *batch, const uint32_t *slots, lion_error *error)
{
    uint32_t rows = lion_batch_rows(batch);
    lion_status status = LION_OK;
    if (groups->keys.width == 0) {
        if (groups->keys.count == 0 && rows > 0 && !lion_relation_add(&groups->keys, groups->key)) return lion_fail_memory(error);
        memset(groups->numbers, 0, sizeof(groups->numbers[0]) * rows);
        return LION_OK;
    }
    fit_cache(groups, batch, slots);
    for (uint32_t i = 0; i < rows && status == LION_OK; i++) {
        uint32_t row = lion_batch_row(batch, i);
        status = groups->is_cached ? find_cached(groups, batch, slots, row, &groups->numbers[i], error)
                                   : find_row(groups, batch, slots, row, &groups->numbers[i], error);
    }
    return status;
}
