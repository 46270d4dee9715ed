/* tree_write.c - lion_tree_update: sorted changes into a tree, in one pass from left to right.
 *
 * Leaves that changes touch are decoded, merged with them and pend as rows (packer.h); untouched
 * nodes (whole subtrees) go over by reference. Before one does, what pends is closed into new
 * leaves; if too little pends for a leaf, the untouched neighbour is drawn in instead, so that
 * leaves stay between size_min and size_max. */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/descent.h"
#include "index/packer.h"

/* The bytes of an old node that will be replaced. */
static lion_status take_node(lion_packer *packer, const lion_branch_entry *entry,
                             lion_slice *bytes_out)
{
    lion_status status =
        lion_snapshot_segment(bytes_out, packer->builder.snapshot, entry->segment, packer->error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(packer->error, "segment %llu is not in the store",
                                 (unsigned long long)entry->segment);
    if (status != LION_OK) return status;
    return lion_commit_delete(packer->builder.commit, entry->segment, packer->error);
}

/* Close all that waits below `level`; false if some of it is too small to stand alone. */
static lion_status settle_below(lion_packer *packer, unsigned level, bool *is_settled_out)
{
    if (lion_packer_flush(packer, LION_FLUSH_SETTLE) != LION_OK) return LION_FAILED;
    *is_settled_out = packer->pending.count == 0;
    for (unsigned below = 0; below < level && *is_settled_out; below++)
        if (lion_builder_settle(&packer->builder, below, is_settled_out, packer->error) != LION_OK)
            return LION_FAILED;
    return LION_OK;
}

/* An untouched node comes next: by reference, or drawn in by too little that pends before it. */
static lion_status pass_node(lion_packer *packer, unsigned level, const lion_branch_entry *entry)
{
    bool is_settled;
    if (settle_below(packer, level, &is_settled) != LION_OK) return LION_FAILED;
    if (is_settled) return lion_packer_refer(packer, level, entry);

    lion_slice bytes;
    if (take_node(packer, entry, &bytes) != LION_OK) return LION_FAILED;
    if (level == 0) return lion_packer_merge(packer, bytes, 0, 0);
    lion_branch_entry *entries;
    size_t count;
    lion_status status =
        lion_builder_unpack(&packer->builder, level, entry, bytes, &entries, &count, packer->error);
    for (size_t i = 0; i < count && status == LION_OK; i++)
        status = pass_node(packer, level - 1, &entries[i]);
    return status;
}

/* First change in [from, to) that is not below a separator. */
static lion_status find_change(lion_packer *packer, size_t from, size_t to,
                               const lion_key *separator, size_t *place_out)
{
    size_t low = from, high = to;
    for (size_t step = 0; low < high;) { /* gallop, then halve */
        size_t middle = step != SIZE_MAX && low + step < high ? low + step : low + (high - low) / 2;
        lion_key key = { .datom = packer->changes[middle].datom, .parts = 4 };
        int order;
        if (lion_key_compare(&order, packer->builder.tree->order, &key, separator,
                             packer->builder.snapshot, packer->error) != LION_OK)
            return LION_FAILED;
        if (order < 0) {
            low = middle + 1;
            if (step != SIZE_MAX) step = step * 2 + 1;
        } else {
            high = middle;
            step = SIZE_MAX;
        }
    }
    *place_out = low;
    return LION_OK;
}

/* Apply changes[from .. to) (at least one) below a node. */
static lion_status update_node(lion_packer *packer, unsigned level, const lion_branch_entry *entry,
                               size_t from, size_t to)
{
    lion_slice bytes;
    if (take_node(packer, entry, &bytes) != LION_OK) return LION_FAILED;
    if (level == 0) return lion_packer_merge(packer, bytes, from, to);
    lion_branch_entry *entries;
    size_t count;
    lion_status status =
        lion_builder_unpack(&packer->builder, level, entry, bytes, &entries, &count, packer->error);
    for (size_t i = 0; i < count && status == LION_OK; i++) {
        size_t end = to;
        if (i + 1 < count) status = find_change(packer, from, to, &entries[i + 1].separator, &end);
        if (status != LION_OK) return status;
        status = end > from ? update_node(packer, level - 1, &entries[i], from, end)
                            : pass_node(packer, level - 1, &entries[i]);
        from = end;
    }
    return status;
}

/* ---- the whole ---- */

static lion_status update(lion_packer *packer, lion_tree *tree_out, uint64_t *distinct_out,
                          size_t count)
{
    const lion_tree *tree = packer->builder.tree;
    lion_status status;
    if (tree->height == 0) {
        status = lion_packer_merge(packer, lion_slice_of(NULL, 0), 0, count);
    } else {
        lion_branch_entry top = { .segment = tree->segment };
        status = update_node(packer, tree->height - 1u, &top, 0, count);
    }
    if (status == LION_OK) status = lion_packer_close(packer);
    if (status == LION_OK)
        status = lion_builder_finish(&packer->builder, tree_out, distinct_out, packer->error);
    return status;
}

/* The distinct leads of a tree that stays as it is. */
static lion_status read_distinct(uint64_t *distinct_out, const lion_tree *tree,
                                 lion_snapshot *snapshot, lion_error *error)
{
    *distinct_out = 0;
    if (tree->height == 0) return LION_OK;
    lion_descent descent;
    lion_status status =
        lion_descent_start(&descent, tree, snapshot, false, INT64_MIN, INT64_MAX, error);
    if (status != LION_OK) return status;
    *distinct_out = descent.depth > 0 ? descent.path[0].branch.distinct : descent.leaf.leads;
    return LION_OK;
}

lion_status lion_tree_update(lion_tree *tree_out, lion_tree_statistics *statistics_out,
                             const lion_tree *tree, lion_snapshot *snapshot, lion_commit *commit,
                             const lion_change *changes, size_t count,
                             const lion_tree_options *options, lion_error *error)
{
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    uint64_t distinct;
    if (count == 0) {
        if (read_distinct(&distinct, tree, snapshot, error) != LION_OK) return LION_FAILED;
        if (tree_out != tree) *tree_out = *tree;
        if (statistics_out != NULL) statistics_out->distinct_lead = distinct;
        return LION_OK;
    }
    for (size_t i = 1; i < count; i++)
        LION_AUDIT(lion_datom_compare((lion_index)tree->order, &changes[i - 1].datom,
                                      &changes[i].datom) < 0);
    lion_tree old = *tree; /* tree_out may be tree */
    lion_packer *packer = lion_zalloc(sizeof *packer);
    if (packer == NULL) return lion_fail_memory(error);
    packer->scale = 1;
    packer->changes = changes;
    packer->error = error;
    lion_builder_init(&packer->builder, &old, snapshot, commit, options);
    lion_leaf_writer_init(&packer->leaves);
    lion_buffer_init(&packer->bytes);

    lion_tree updated;
    lion_status status = update(packer, &updated, &distinct, count);
    if (status == LION_OK) {
        *tree_out = updated;
        if (statistics_out != NULL) statistics_out->distinct_lead = distinct;
    }
    lion_builder_deinit(&packer->builder);
    lion_leaf_writer_deinit(&packer->leaves);
    lion_buffer_deinit(&packer->bytes);
    lion_free(packer->pending.rows);
    lion_free(packer->old);
    lion_free(packer);
    return status;
}
