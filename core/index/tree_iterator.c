/* tree_iterator.c - walking a tree in batches, forward or backward. */
#include <string.h>

#include "base/assert.h"
#include "index/descent.h"
#include "index/dictionary.h"

struct lion_tree_buffers {
    uint32_t capacity; /* rows */
    int64_t *e;
    uint32_t *a;
    void *v;                           /* int64_t or lion_value */
    lion_column_dictionary dictionary; /* of the leaf */
    int64_t *tx;
    uint8_t *added;
    size_t value_size;
    lion_column *columns; /* of an EAVT leaf */
    uint32_t column_capacity;
};

/* What is walked is there: what it takes to walk it. */
static lion_status make_room(lion_tree_iterator *iterator, lion_error *error)
{
    iterator->is_done = iterator->tree->height == 0;
    if (iterator->is_done || iterator->descent != NULL) return LION_OK;
    lion_arena *arena = iterator->arena;
    iterator->descent = lion_arena_alloc(arena, sizeof *iterator->descent);
    iterator->buffers = lion_arena_new(arena, struct lion_tree_buffers);
    return lion_arena_check(arena, error);
}

lion_status lion_tree_iterator_init(lion_tree_iterator *iterator, const lion_tree *tree,
                                    lion_snapshot *snapshot, uint32_t columns, bool is_reverse,
                                    lion_arena *arena, lion_error *error)
{
    *iterator = (lion_tree_iterator){ .tree = tree,
                                      .snapshot = snapshot,
                                      .columns = columns,
                                      .is_reverse = is_reverse,
                                      .min_t = INT64_MIN,
                                      .max_t = INT64_MAX,
                                      .arena = arena };
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    return make_room(iterator, error);
}

lion_status lion_tree_iterator_again(lion_tree_iterator *iterator, const lion_tree *tree,
                                     lion_snapshot *snapshot, bool is_reverse, lion_error *error)
{
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    iterator->tree = tree;
    iterator->snapshot = snapshot;
    iterator->is_reverse = is_reverse;
    iterator->is_placed = false;
    iterator->min_t = INT64_MIN;
    iterator->max_t = INT64_MAX;
    return make_room(iterator, error);
}

static uint8_t vector_type(const lion_tree_iterator *iterator)
{
    const lion_tree *tree = iterator->tree;
    return tree->order == LION_EAVT ? (uint8_t)LION_TYPE_MIXED : tree->type;
}

static bool has_bits(const lion_tree_iterator *iterator)
{
    return lion_type_is_scalar(vector_type(iterator));
}

static size_t value_size(const lion_tree_iterator *iterator)
{
    return has_bits(iterator) ? sizeof(int64_t) : sizeof(lion_value);
}

static lion_status reserve(lion_tree_iterator *iterator, uint32_t rows, lion_error *error)
{
    struct lion_tree_buffers *buffers = iterator->buffers;
    if (rows <= buffers->capacity && value_size(iterator) <= buffers->value_size) return LION_OK;
    uint32_t capacity = 16;
    while (capacity < rows) capacity *= 4;
    if (capacity > LION_BATCH_ROWS) capacity = LION_BATCH_ROWS;
    lion_arena *arena = iterator->arena;
    uint32_t columns = iterator->columns;
    if (columns & LION_COLUMN_E) buffers->e = lion_arena_array(arena, int64_t, capacity);
    if (columns & LION_COLUMN_A) buffers->a = lion_arena_array(arena, uint32_t, capacity);
    if (columns & LION_COLUMN_V)
        buffers->v = lion_arena_alloc(arena, value_size(iterator) * capacity);
    if (columns & LION_COLUMN_TX) {
        buffers->tx = lion_arena_array(arena, int64_t, capacity);
        buffers->added = lion_arena_array(arena, uint8_t, capacity);
    }
    buffers->capacity = capacity;
    buffers->value_size = value_size(iterator);
    return lion_arena_check(arena, error);
}

/* A new leaf of EAVT gets a cache for its open columns: a batch reads each many times. */
static lion_status prepare_leaf(lion_tree_iterator *iterator, lion_error *error)
{
    lion_leaf *leaf = &iterator->descent->leaf;
    iterator->buffers->dictionary.values.count = 0;
    if (leaf->order != LION_EAVT || !(iterator->columns & LION_COLUMN_V)) return LION_OK;
    struct lion_tree_buffers *buffers = iterator->buffers;
    if (leaf->attributes > buffers->column_capacity) {
        buffers->column_capacity = leaf->attributes + leaf->attributes / 2;
        buffers->columns = lion_arena_array(iterator->arena, lion_column, buffers->column_capacity);
        if (buffers->columns == NULL) return lion_fail_memory(error);
    }
    for (uint32_t i = 0; i < leaf->attributes; i++) buffers->columns[i].type = LION_TYPE_NIL;
    leaf->columns = buffers->columns;
    return lion_arena_check(iterator->arena, error);
}

lion_status lion_tree_iterator_seek(lion_tree_iterator *iterator, const lion_key *key, bool upper,
                                    lion_error *error)
{
    if (iterator->tree->height == 0) return LION_OK;
    lion_descent *descent = iterator->descent;
    uint32_t row;
    if (iterator->is_placed) { /* inside the open leaf? */
        lion_status status =
            lion_leaf_lower_bound(&row, &descent->leaf, key, upper, iterator->snapshot, error);
        if (status != LION_OK) return status;
        if (row > 0 && row < descent->leaf.rows) {
            iterator->row = row;
            iterator->is_done = false;
            return LION_OK;
        }
    }
    iterator->is_placed = false;
    lion_status status =
        lion_descent_seek(descent, iterator->tree, iterator->snapshot, key, upper, error);
    if (status == LION_OK) status = prepare_leaf(iterator, error);
    if (status == LION_OK)
        status = lion_leaf_lower_bound(&row, &descent->leaf, key, upper, iterator->snapshot, error);
    if (status != LION_OK) return status;
    iterator->row = row;
    iterator->is_placed = true;
    iterator->is_done = false;
    return LION_OK;
}

/* Stand where there is a row to yield. */
static lion_status find_rows(lion_tree_iterator *iterator, lion_error *error)
{
    lion_descent *descent = iterator->descent;
    bool is_reverse = iterator->is_reverse;
    for (;;) {
        lion_status status;
        if (!iterator->is_placed) {
            status = lion_descent_start(descent, iterator->tree, iterator->snapshot, is_reverse,
                                        iterator->min_t, iterator->max_t, error);
        } else {
            if (is_reverse ? iterator->row > 0 : iterator->row < descent->leaf.rows) return LION_OK;
            status =
                lion_descent_step(descent, is_reverse, iterator->min_t, iterator->max_t, error);
        }
        if (status != LION_OK) {
            iterator->is_done = status == LION_END;
            iterator->is_placed = false;
            return status;
        }
        iterator->is_placed = true;
        iterator->row = is_reverse ? descent->leaf.rows : 0;
        if (prepare_leaf(iterator, error) != LION_OK) return LION_FAILED;
    }
}

#define REVERSE(type, array, count)                                                                \
    do {                                                                                           \
        type *items = (array);                                                                     \
        for (uint32_t low = 0, high = (count); low + 1 < high; low++) {                            \
            type item = items[low];                                                                \
            items[low] = items[--high];                                                            \
            items[high] = item;                                                                    \
        }                                                                                          \
    } while (0)

static void reverse(const lion_tree_iterator *iterator, const lion_leaf_target *target,
                    uint32_t count)
{
    if (target->e != NULL) REVERSE(int64_t, target->e, count);
    if (target->a != NULL) REVERSE(uint32_t, target->a, count);
    if (target->tx != NULL) REVERSE(int64_t, target->tx, count);
    if (target->added != NULL) REVERSE(uint8_t, target->added, count);
    if (target->v.bits == NULL) return;
    if (has_bits(iterator))
        REVERSE(int64_t, target->v.bits, count);
    else
        REVERSE(lion_value, target->v.values, count);
}

/* Values of AEVT by the leaf's dictionary. LION_ABSENT: it has none that is worth it for so many
 * rows. */
static lion_status read_coded(lion_tree_iterator *iterator, uint32_t from, uint32_t count,
                              lion_vector *v, lion_error *error)
{
    struct lion_tree_buffers *buffers = iterator->buffers;
    lion_column_dictionary *dictionary = &buffers->dictionary;
    lion_leaf *leaf = &iterator->descent->leaf;
    bool is_bytes = v->values != NULL && !lion_type_is_scalar(v->type);
    bool can = is_bytes && leaf->order == LION_AEVT && iterator->snapshot != NULL;
    if (!can || iterator->is_reverse) return LION_ABSENT;
    if (lion_leaf_need(leaf, LION_LEAF_V, error) != LION_OK) return LION_FAILED;
    if (dictionary->values.count == 0) {
        if (leaf->v.distinct > count) return LION_ABSENT;
        lion_status status = lion_column_dictionary_make(
            dictionary, &leaf->v, count, iterator->snapshot, iterator->arena, error);
        if (status != LION_OK) return status;
    }
    if (!lion_column_dictionary_read(dictionary, &leaf->v, from, count, v->values))
        return lion_leaf_corrupt(error, "column v");
    v->dictionary = &dictionary->values;
    return LION_OK;
}

lion_status lion_tree_iterator_next(lion_tree_iterator *iterator, lion_datom_batch *batch_out,
                                    uint32_t limit, lion_error *error)
{
    LION_ASSERT(limit >= 1);
    if (iterator->is_done) return LION_END;
    lion_status status = find_rows(iterator, error);
    if (status != LION_OK) return status;

    lion_leaf *leaf = &iterator->descent->leaf;
    uint32_t left = iterator->is_reverse ? iterator->row : leaf->rows - iterator->row;
    uint32_t count = limit < left ? limit : left;
    if (count > LION_BATCH_ROWS) count = LION_BATCH_ROWS;
    if (reserve(iterator, count, error) != LION_OK) return LION_FAILED;
    struct lion_tree_buffers *buffers = iterator->buffers;
    lion_leaf_target target = { .e = buffers->e,
                                .a = buffers->a,
                                .tx = buffers->tx,
                                .added = leaf->is_history ? buffers->added : NULL,
                                .v = { .type = vector_type(iterator), .bits = buffers->v } };
    uint32_t from = iterator->is_reverse ? iterator->row - count : iterator->row;
    lion_vector v = target.v;
    status = read_coded(iterator, from, count, &v, error);
    if (status == LION_OK) target.v.values = NULL; /* they are there */
    if (status != LION_FAILED)
        status = lion_leaf_read(leaf, from, count, &target, iterator->snapshot, error);
    if (status != LION_OK) return status;
    if (iterator->is_reverse) reverse(iterator, &target, count);
    if (buffers->added != NULL && !leaf->is_history) memset(buffers->added, 1, count);
    iterator->row = iterator->is_reverse ? from : from + count;
    *batch_out = (lion_datom_batch){ .count = count,
                                     .columns = iterator->columns,
                                     .e = buffers->e,
                                     .a = buffers->a,
                                     .v = v,
                                     .tx = buffers->tx,
                                     .added = buffers->added };
    return LION_OK;
}
