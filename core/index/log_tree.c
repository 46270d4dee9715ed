/* log_tree.c - the log as a tree: appended at its right edge, walked from any t.
 * Its branches are those of the other trees, in EAVT order with t for e. */
#include "index/log_tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/builder.h"
#include "index/descent.h"
#include "index/log_leaf.h"

#define RATIO_MIN 0.1 /* leaves of highly repetitive logs stay quick to unpack */

/* ---- appending ---- */

typedef struct appender {
    lion_builder builder;
    lion_buffer raw; /* records that wait */
    lion_buffer bytes;
    uint32_t count; /* of them */
    int64_t first_t, last_t;
    bool has_last; /* last_t is set */
    bool has_leaf; /* a leaf lies before those that wait */
    double ratio;  /* compressed bytes for each raw one */
    lion_error *error;
} appender;

static lion_status close_leaf(appender *a)
{
    if (a->count == 0) return LION_OK;
    lion_buffer_clear(&a->bytes);
    lion_status status = lion_log_leaf_write(&a->bytes, lion_buffer_view(&a->raw), a->count,
                                             a->first_t, a->last_t, a->error);
    if (status != LION_OK) return status;
    lion_branch_entry entry = { .rows = a->count,
                                .distinct = a->count,
                                .min_e = a->first_t,
                                .max_e = a->last_t,
                                .min_t = a->first_t,
                                .max_t = a->last_t,
                                .separator = { .parts = a->has_leaf ? 1 : 0 } };
    entry.separator.datom.e = a->first_t;
    a->ratio = (double)a->bytes.size / (double)a->raw.size;
    if (a->ratio < RATIO_MIN) a->ratio = RATIO_MIN;
    a->has_leaf = true;
    a->count = 0;
    lion_buffer_clear(&a->raw);
    return lion_builder_put(&a->builder, 0, &a->bytes, entry, a->error);
}

static lion_status append_record(appender *a, const lion_log_entry *entry)
{
    if (a->has_last && entry->t <= a->last_t)
        return lion_fail(a->error, LION_FAULT, "lion/index",
                         "transaction %lld is appended to a log that ends with %lld",
                         (long long)entry->t, (long long)a->last_t);
    if (a->count == 0) a->first_t = entry->t;
    a->last_t = entry->t;
    a->has_last = true;
    a->count++;
    lion_buffer_put_varint(&a->raw, entry->record.size);
    lion_buffer_put(&a->raw, entry->record.data, entry->record.size);
    if (lion_buffer_check(&a->raw, a->error) != LION_OK) return LION_FAILED;
    bool is_full = (double)a->raw.size * a->ratio >= (double)a->builder.size_target;
    return is_full ? close_leaf(a) : LION_OK;
}

static lion_status read_segment(lion_slice *bytes_out, lion_snapshot *snapshot, uint64_t segment,
                                lion_error *error)
{
    lion_status status = lion_snapshot_segment(bytes_out, snapshot, segment, error);
    if (status != LION_ABSENT) return status;
    return lion_fail_corrupt(error, "log segment %llu is not in the store",
                             (unsigned long long)segment);
}

/* The last leaf stays, or, if there is room in it, its records wait again. */
static lion_status reopen_leaf(appender *a, const lion_branch_entry *entry)
{
    lion_slice bytes;
    lion_log_leaf leaf;
    lion_snapshot *snapshot = a->builder.snapshot;
    if (read_segment(&bytes, snapshot, entry->segment, a->error) != LION_OK) return LION_FAILED;
    if (lion_log_leaf_open(&leaf, bytes, a->error) != LION_OK) return LION_FAILED;
    a->last_t = leaf.last_t;
    a->has_last = true;
    a->has_leaf = entry->separator.parts > 0;
    bool is_full = bytes.size >= a->builder.size_min ||
                   (double)leaf.raw_size * RATIO_MIN >= (double)a->builder.size_min;
    if (is_full) {
        lion_branch_entry kept = *entry; /* the top has no parent that knows */
        kept.rows = kept.distinct = leaf.count;
        kept.min_e = kept.min_t = leaf.first_t;
        kept.max_e = kept.max_t = leaf.last_t;
        a->has_leaf = true;
        return lion_builder_refer(&a->builder, 0, &kept, a->error);
    }
    if (lion_log_leaf_unpack(&a->raw, &leaf, a->error) != LION_OK) return LION_FAILED;
    a->count = leaf.count;
    a->first_t = leaf.first_t;
    if (leaf.raw_size > 0) a->ratio = (double)bytes.size / (double)leaf.raw_size;
    if (a->ratio < RATIO_MIN) a->ratio = RATIO_MIN;
    return lion_commit_delete(a->builder.commit, entry->segment, a->error);
}

/* Down the right edge: all but the last child of each branch stay. */
static lion_status reopen(appender *a, const lion_tree *tree)
{
    lion_branch_entry entry = { .segment = tree->segment };
    for (unsigned level = tree->height - 1u; level > 0; level--) {
        lion_slice bytes;
        lion_branch_entry *entries;
        size_t count;
        lion_snapshot *snapshot = a->builder.snapshot;
        if (read_segment(&bytes, snapshot, entry.segment, a->error) != LION_OK) return LION_FAILED;
        if (lion_builder_unpack(&a->builder, level, &entry, bytes, &entries, &count, a->error) !=
            LION_OK)
            return LION_FAILED;
        if (lion_commit_delete(a->builder.commit, entry.segment, a->error) != LION_OK)
            return LION_FAILED;
        for (size_t i = 0; i + 1 < count; i++)
            if (lion_builder_refer(&a->builder, level - 1, &entries[i], a->error) != LION_OK)
                return LION_FAILED;
        entry = entries[count - 1];
    }
    return reopen_leaf(a, &entry);
}

lion_status lion_log_tree_append(lion_tree *tree_out, const lion_tree *tree,
                                 lion_snapshot *snapshot, lion_commit *commit,
                                 const lion_log_entry *entries, size_t count,
                                 const lion_tree_options *options, lion_error *error)
{
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    lion_tree old = *tree, updated = *tree; /* tree_out may be tree */
    appender *a = lion_zalloc(sizeof *a);
    if (a == NULL) return lion_fail_memory(error);
    a->ratio = 0.3;
    a->error = error;
    lion_builder_init(&a->builder, &old, snapshot, commit, options);
    lion_buffer_init(&a->raw);
    lion_buffer_init(&a->bytes);

    lion_status status = LION_OK;
    if (count > 0 && old.height > 0) status = reopen(a, &old);
    for (size_t i = 0; i < count && status == LION_OK; i++) status = append_record(a, &entries[i]);
    if (status == LION_OK) status = close_leaf(a);
    uint64_t distinct;
    if (status == LION_OK && count > 0)
        status = lion_builder_finish(&a->builder, &updated, &distinct, error);
    if (status == LION_OK) *tree_out = updated;
    lion_builder_deinit(&a->builder);
    lion_buffer_deinit(&a->raw);
    lion_buffer_deinit(&a->bytes);
    lion_free(a);
    return status;
}

/* ---- walking ---- */

struct lion_log_iterator {
    lion_tree tree;
    lion_snapshot *snapshot; /* kept */
    int64_t from_t;
    lion_descent descent;
    bool is_started, is_done;
    lion_buffer raw;    /* the records of … */
    lion_log_leaf leaf; /* … the leaf that the descent is at; count 0: not unpacked */
    lion_reader reader; /* over raw */
    uint32_t left;      /* records in it */
    int64_t read_t;     /* of the last record read in it */
    lion_arena arena;
};

lion_status lion_log_iterator_open(lion_log_iterator **iterator_out, const lion_tree *tree,
                                   lion_snapshot *snapshot, int64_t from_t, lion_error *error)
{
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    lion_log_iterator *iterator = lion_zalloc(sizeof *iterator);
    if (iterator == NULL) return lion_fail_memory(error);
    iterator->tree = *tree;
    iterator->snapshot = lion_snapshot_keep(snapshot);
    iterator->from_t = from_t;
    iterator->is_done = tree->height == 0;
    lion_buffer_init(&iterator->raw);
    lion_arena_init(&iterator->arena, 0);
    *iterator_out = iterator;
    return LION_OK;
}

void lion_log_iterator_close(lion_log_iterator *iterator)
{
    if (iterator == NULL) return;
    lion_snapshot_drop(iterator->snapshot);
    lion_buffer_deinit(&iterator->raw);
    lion_arena_deinit(&iterator->arena);
    lion_free(iterator);
}

static void begin_leaf(lion_log_iterator *iterator)
{
    lion_reader_init(&iterator->reader, lion_buffer_view(&iterator->raw));
    iterator->left = iterator->leaf.count;
    iterator->read_t = INT64_MIN;
}

static lion_status open_leaf(lion_log_iterator *iterator, uint64_t segment, lion_error *error)
{
    lion_slice bytes;
    lion_log_leaf leaf;
    if (read_segment(&bytes, iterator->snapshot, segment, error) != LION_OK) return LION_FAILED;
    if (lion_log_leaf_open(&leaf, bytes, error) != LION_OK) return LION_FAILED;
    if (leaf.last_t < iterator->from_t) { /* from_t lies between two leaves */
        iterator->left = 0;
        return LION_OK;
    }
    if (lion_log_leaf_unpack(&iterator->raw, &leaf, error) != LION_OK) return LION_FAILED;
    iterator->leaf = leaf;
    begin_leaf(iterator);
    return LION_OK;
}

void lion_log_iterator_seek(lion_log_iterator *iterator, int64_t from_t)
{
    const lion_log_leaf *leaf = &iterator->leaf;
    iterator->from_t = from_t;
    iterator->is_done = iterator->tree.height == 0;
    bool is_in_leaf = leaf->count > 0 && leaf->first_t <= from_t && from_t <= leaf->last_t;
    if (is_in_leaf && iterator->left > 0 && iterator->read_t < from_t) return;
    if (is_in_leaf) {
        begin_leaf(iterator);
    } else {
        iterator->is_started = false;
        iterator->left = iterator->leaf.count = 0;
    }
}

static lion_status next_leaf(lion_log_iterator *iterator, lion_error *error)
{
    uint64_t leaf;
    lion_status status;
    iterator->leaf.count = 0;
    if (iterator->is_started) {
        status =
            lion_descent_step_leaf(&iterator->descent, &leaf, false, INT64_MIN, INT64_MAX, error);
    } else {
        lion_key key = { .parts = 1 };
        key.datom.e = iterator->from_t;
        status = lion_descent_seek_leaf(&iterator->descent, &leaf, &iterator->tree,
                                        iterator->snapshot, &key, false, error);
        iterator->is_started = true;
    }
    return status == LION_OK ? open_leaf(iterator, leaf, error) : status;
}

lion_status lion_log_iterator_next(lion_log_iterator *iterator, lion_transaction *transaction_out,
                                   lion_error *error)
{
    if (iterator->is_done) return LION_END;
    lion_arena_reset(&iterator->arena);
    for (;;) {
        while (iterator->left == 0) {
            lion_status status = next_leaf(iterator, error);
            if (status == LION_END) iterator->is_done = true;
            if (status != LION_OK) return status;
        }
        uint64_t size = lion_reader_varint(&iterator->reader);
        lion_reader *reader = &iterator->reader;
        if (reader->is_failed || size > lion_reader_left(reader))
            return lion_fail_corrupt(error, "a log segment is malformed: its records");
        lion_slice record = lion_reader_bytes(reader, (size_t)size);
        lion_reader peek;
        lion_reader_init(&peek, record);
        uint64_t t = lion_reader_varint(&peek);
        iterator->left--;
        iterator->read_t = (int64_t)t;
        if (!peek.is_failed && t >> 62 == 0 && (int64_t)t < iterator->from_t) continue;
        return lion_transaction_decode(transaction_out, record, &iterator->arena, error);
    }
}
