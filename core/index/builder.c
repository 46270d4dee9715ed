/* builder.c - packing entries into branches, from left to right. */
#include "index/builder.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

#define ENTRY_SIZE 26 /* of an entry without its separator's value: what they take in practice */
#define BRANCH_ENTRIES_MIN 2
#define BRANCH_SPLIT_MIN 4 /* entries: fewer stay together whatever their size */

void lion_builder_init(lion_builder *builder, const lion_tree *tree, lion_snapshot *snapshot,
                       lion_commit *commit, const lion_tree_options *options)
{
    size_t target = options != NULL && options->segment_size != 0 ? options->segment_size
                                                                  : LION_SEGMENT_SIZE_TARGET;
    *builder = (lion_builder){ .tree = tree,
                               .snapshot = snapshot,
                               .commit = commit,
                               .size_target = target,
                               .size_min = target * 2 / 3,
                               .size_max = target + target / 3 };
    lion_column_writer_init(&builder->columns);
    lion_buffer_init(&builder->scratch);
    lion_arena_init(&builder->arena, 0);
}

void lion_builder_deinit(lion_builder *builder)
{
    for (size_t i = 0; i <= LION_TREE_HEIGHT_MAX; i++) {
        lion_free(builder->levels[i].entries);
        lion_buffer_deinit(&builder->levels[i].held);
    }
    for (size_t i = 0; i < builder->kept_count; i++) lion_buffer_deinit(&builder->kept[i]);
    lion_free(builder->kept);
    lion_column_writer_deinit(&builder->columns);
    lion_buffer_deinit(&builder->scratch);
    lion_arena_deinit(&builder->arena);
}

static size_t entry_size(const lion_branch_entry *entry)
{
    const lion_value *v = &entry->separator.datom.v;
    if (entry->separator.parts == 0 || lion_type_is_scalar(v->type)) return ENTRY_SIZE;
    return ENTRY_SIZE + (lion_value_is_stub(v) ? LION_STUB_SIZE : v->size);
}

static lion_status reserve(lion_builder *builder, unsigned level, size_t extra, lion_error *error)
{
    if (level > LION_TREE_HEIGHT_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "a tree would grow higher than %d levels",
                         LION_TREE_HEIGHT_MAX);
    lion_builder_level *l = &builder->levels[level];
    if (extra <= l->capacity - l->count) return LION_OK;
    size_t capacity = l->capacity == 0 ? 64 : l->capacity;
    while (capacity < l->count + extra) capacity *= 2;
    lion_branch_entry *entries = lion_realloc(l->entries, capacity * sizeof *entries);
    if (entries == NULL) return lion_fail_memory(error);
    l->entries = entries;
    l->capacity = capacity;
    return LION_OK;
}

static lion_status append(lion_builder *builder, unsigned level, const lion_branch_entry *entry,
                          lion_error *error)
{
    if (reserve(builder, level, 1, error) != LION_OK) return LION_FAILED;
    lion_builder_level *l = &builder->levels[level];
    l->entries[l->count++] = *entry;
    l->estimate += entry_size(entry);
    return LION_OK;
}

static lion_status put_held(lion_builder *builder, unsigned level, lion_error *error)
{
    lion_builder_level *l = &builder->levels[level];
    if (l->held_id == 0) return LION_OK;
    lion_status status =
        lion_commit_put(builder->commit, l->held_id, lion_buffer_view(&l->held), error);
    l->held_id = 0;
    return status;
}

/* ---- branches ---- */

/* Close the first n entries of a level into a branch. */
static lion_status close_branch(lion_builder *builder, unsigned level, size_t n, lion_error *error)
{
    lion_builder_level *l = &builder->levels[level];
    LION_ASSERT(n >= 1 && n <= l->count);
    lion_buffer_clear(&builder->scratch);
    lion_branch_write(&builder->scratch, &builder->columns, builder->tree, level + 2, l->entries,
                      n);
    lion_branch_entry entry = lion_branch_sum(l->entries, n);
    for (size_t i = 0; i < n; i++) l->estimate -= entry_size(&l->entries[i]);
    l->count -= n;
    memmove(l->entries, l->entries + n, l->count * sizeof *l->entries);
    return lion_builder_put(builder, level + 1, &builder->scratch, entry, error);
}

/* How many entries make the next branch: all if they fit, half if they fit two, else a target's
 * worth. */
static size_t choose_count(const lion_builder *builder, const lion_builder_level *l)
{
    bool fits = l->estimate <= builder->size_max && l->count <= LION_BRANCH_ENTRIES_MAX;
    if (fits || l->count < BRANCH_SPLIT_MIN) return l->count;
    size_t wanted = l->estimate < 2 * builder->size_target ? l->estimate / 2 : builder->size_target;
    size_t n = 0, size = 0;
    while (n < l->count && size < wanted && n < LION_BRANCH_ENTRIES_MAX)
        size += entry_size(&l->entries[n++]);
    if (n < BRANCH_ENTRIES_MIN) n = BRANCH_ENTRIES_MIN;
    if (n > l->count - BRANCH_ENTRIES_MIN) n = l->count - BRANCH_ENTRIES_MIN;
    return n;
}

/* Keep what waits on a level bounded while a long tree is built. */
static lion_status progress(lion_builder *builder, unsigned level, lion_error *error)
{
    lion_builder_level *l = &builder->levels[level];
    while (l->estimate >= 3 * builder->size_target && l->count >= 2 * BRANCH_SPLIT_MIN)
        if (close_branch(builder, level, choose_count(builder, l), error) != LION_OK)
            return LION_FAILED;
    return LION_OK;
}

static bool is_small(const lion_builder *builder, const lion_builder_level *l)
{
    return l->count < BRANCH_ENTRIES_MIN || l->estimate < builder->size_min;
}

static lion_status close_level(lion_builder *builder, unsigned level, bool all, lion_error *error)
{
    lion_builder_level *l = &builder->levels[level];
    while (l->count > 0 && (all || !is_small(builder, l)))
        if (close_branch(builder, level, choose_count(builder, l), error) != LION_OK)
            return LION_FAILED;
    return LION_OK;
}

lion_status lion_builder_settle(lion_builder *builder, unsigned level, bool *is_settled_out,
                                lion_error *error)
{
    lion_status status = close_level(builder, level, false, error);
    *is_settled_out = builder->levels[level].count == 0;
    return status;
}

/* ---- appending and taking back ---- */

lion_status lion_builder_refer(lion_builder *builder, unsigned level,
                               const lion_branch_entry *entry, lion_error *error)
{
    lion_status status = append(builder, level, entry, error);
    return status == LION_OK ? progress(builder, level, error) : status;
}

lion_status lion_builder_put(lion_builder *builder, unsigned level, lion_buffer *bytes,
                             lion_branch_entry entry, lion_error *error)
{
    if (lion_buffer_check(bytes, error) != LION_OK) return LION_FAILED;
    entry.segment = lion_commit_next_id(builder->commit);
    if (append(builder, level, &entry, error) != LION_OK) return LION_FAILED;
    if (put_held(builder, level, error) != LION_OK) return LION_FAILED;
    lion_builder_level *l = &builder->levels[level];
    lion_buffer empty = l->held;
    l->held = *bytes;
    l->held_id = entry.segment;
    *bytes = empty;
    lion_buffer_clear(bytes);
    return progress(builder, level, error);
}

/* The held node of a level becomes one of the kept ones. */
static lion_status keep_held(lion_builder *builder, unsigned level, lion_slice *bytes_out,
                             lion_error *error)
{
    lion_builder_level *l = &builder->levels[level];
    lion_buffer *kept =
        lion_realloc(builder->kept, (builder->kept_count + 1) * sizeof *builder->kept);
    if (kept == NULL) return lion_fail_memory(error);
    builder->kept = kept;
    builder->kept[builder->kept_count++] = l->held;
    *bytes_out = lion_buffer_view(&l->held);
    lion_buffer_init(&l->held);
    l->held_id = 0;
    return LION_OK;
}

lion_status lion_builder_unpack(lion_builder *builder, unsigned level,
                                const lion_branch_entry *entry, lion_slice bytes,
                                lion_branch_entry **entries_out, size_t *count_out,
                                lion_error *error)
{
    lion_branch branch;
    if (lion_branch_open(&branch, bytes, builder->tree, level + 1, error) != LION_OK)
        return LION_FAILED;
    if (lion_branch_read(entries_out, &branch, &builder->arena, error) != LION_OK)
        return LION_FAILED;
    *count_out = branch.count;
    (*entries_out)[0].separator = entry->separator;
    (*entries_out)[0].continues = entry->continues;
    return LION_OK;
}

/* Put entries before those that wait on a level. */
static lion_status prepend(lion_builder *builder, unsigned level, const lion_branch_entry *entries,
                           size_t count, lion_error *error)
{
    if (reserve(builder, level, count, error) != LION_OK) return LION_FAILED;
    lion_builder_level *l = &builder->levels[level];
    memmove(l->entries + count, l->entries, l->count * sizeof *entries);
    memcpy(l->entries, entries, count * sizeof *entries);
    l->count += count;
    for (size_t i = 0; i < count; i++) l->estimate += entry_size(&entries[i]);
    return LION_OK;
}

/* Take back the last branch of level + 1 and put its entries before those of `level`. */
static lion_status unpack_last(lion_builder *builder, unsigned level, lion_error *error)
{
    lion_branch_entry entry, *entries;
    lion_slice bytes;
    size_t count;
    lion_status status = lion_builder_pop(builder, level + 1, &entry, &bytes, error);
    if (status == LION_OK)
        status = lion_builder_unpack(builder, level + 1, &entry, bytes, &entries, &count, error);
    return status == LION_OK ? prepend(builder, level, entries, count, error) : status;
}

lion_status lion_builder_pop(lion_builder *builder, unsigned level, lion_branch_entry *entry_out,
                             lion_slice *bytes_out, lion_error *error)
{
    if (level > LION_TREE_HEIGHT_MAX) return LION_ABSENT;
    lion_builder_level *l = &builder->levels[level];
    if (l->count == 0) {
        lion_status status = unpack_last(builder, level, error);
        if (status != LION_OK) return status;
    }
    *entry_out = l->entries[--l->count];
    l->estimate -= entry_size(entry_out);
    if (l->held_id == entry_out->segment) return keep_held(builder, level, bytes_out, error);
    lion_status status =
        lion_snapshot_segment(bytes_out, builder->snapshot, entry_out->segment, error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(error, "segment %llu is not in the store",
                                 (unsigned long long)entry_out->segment);
    if (status != LION_OK) return status;
    return lion_commit_delete(builder->commit, entry_out->segment, error);
}

/* ---- the end ---- */

static bool has_above(const lion_builder *builder, unsigned level)
{
    for (unsigned i = level + 1; i <= LION_TREE_HEIGHT_MAX; i++)
        if (builder->levels[i].count > 0) return true;
    return false;
}

/* Close what waits on a level below the top: a rest too small joins its left neighbour. */
static lion_status close_below(lion_builder *builder, unsigned level, lion_error *error)
{
    if (close_level(builder, level, false, error) != LION_OK) return LION_FAILED;
    if (builder->levels[level].count == 0) return LION_OK;
    lion_status status = unpack_last(builder, level, error);
    return status == LION_OK ? close_level(builder, level, true, error) : status;
}

lion_status lion_builder_finish(lion_builder *builder, lion_tree *tree_out, uint64_t *distinct_out,
                                lion_error *error)
{
    lion_tree tree = *builder->tree;
    tree.segment = tree.count = 0;
    tree.height = 0;
    *distinct_out = 0;
    for (unsigned level = 0; level <= LION_TREE_HEIGHT_MAX; level++) {
        lion_builder_level *l = &builder->levels[level];
        if (has_above(builder, level)) {
            if (close_below(builder, level, error) != LION_OK) return LION_FAILED;
            continue;
        }
        if (l->count > 1) {
            if (close_level(builder, level, true, error) != LION_OK) return LION_FAILED;
            continue;
        }
        if (l->count == 1) {
            tree.segment = l->entries[0].segment;
            tree.count = l->entries[0].rows;
            tree.height = (uint8_t)(level + 1);
            *distinct_out = l->entries[0].distinct;
        }
        break;
    }
    if (tree.height > LION_TREE_HEIGHT_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "a tree would grow higher than %d levels",
                         LION_TREE_HEIGHT_MAX);
    for (unsigned level = 0; level <= LION_TREE_HEIGHT_MAX; level++)
        if (put_held(builder, level, error) != LION_OK) return LION_FAILED;
    *tree_out = tree;
    return LION_OK;
}
