/* packer_merge.c - a leaf's rows and the changes in its range, merged. */
#include <string.h>

#include "index/packer.h"

/* The order of two rows in the tree. */
static lion_status compare_rows(lion_packer *packer, const lion_datom *a, const lion_datom *b,
                                int *order_out)
{
    uint8_t order = packer->builder.tree->order;
    if (order != LION_AVET && a->e != b->e) {
        *order_out = a->e < b->e ? -1 : 1;
        return LION_OK;
    }
    lion_key x = { .datom = *a, .parts = 4 }, y = { .datom = *b, .parts = 4 };
    return lion_key_compare(order_out, order, &x, &y, packer->builder.snapshot, packer->error);
}

/* First old row in [from, ...) that is not before `row`; equal says whether it is that row. */
static lion_status find_old(lion_packer *packer, size_t from, const lion_datom *row,
                            size_t *place_out, bool *is_equal_out)
{
    size_t low = from, high = packer->old_count, step = 1;
    int order = 0;
    while (low + step < high) { /* gallop: changes are near each other or far apart */
        if (compare_rows(packer, &packer->old[low + step], row, &order) != LION_OK)
            return LION_FAILED;
        if (order >= 0) {
            high = low + step;
            break;
        }
        low += step;
        step *= 2;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_rows(packer, &packer->old[middle], row, &order) != LION_OK) return LION_FAILED;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place_out = low;
    *is_equal_out = false;
    if (low == packer->old_count) return LION_OK;
    if (compare_rows(packer, &packer->old[low], row, &order) != LION_OK) return LION_FAILED;
    *is_equal_out = order == 0;
    return LION_OK;
}

/* ---- changes ---- */

/* What a row may add to a leaf, before the scale. */
static double guess_size(const lion_datom *row)
{
    if (lion_type_is_scalar(row->v.type)) return 6;
    return 6 + (double)(lion_value_is_stub(&row->v) ? LION_STUB_SIZE : row->v.size);
}

static lion_status check_row(lion_packer *packer, const lion_datom *row)
{
    const lion_tree *tree = packer->builder.tree;
    uint8_t type = row->v.type;
    bool is_stored = type >= LION_TYPE_BOOLEAN && type <= LION_TYPE_DECIMAL;
    bool is_ours = tree->order == LION_EAVT || type == tree->type;
    bool is_sized = lion_type_is_scalar(type) || row->v.size <= LION_VALUE_SIZE_MAX;
    if (is_stored && is_ours && is_sized && (type != LION_TYPE_UUID || row->v.size == 16))
        return LION_OK;
    return lion_fail(
        packer->error, LION_FAULT, "lion/index",
        "a value of type %u and %u bytes cannot go into a tree of type %u (e %lld, a %u)", type,
        lion_type_is_scalar(type) ? 0 : row->v.size, tree->type, (long long)row->e, row->a);
}

static lion_status wrong_change(lion_packer *packer, const lion_change *change)
{
    return lion_fail(packer->error, LION_FAULT, "lion/index",
                     change->is_removal
                         ? "a row to remove is not in its tree: e %lld, a %u, tx %lld"
                         : "a row to insert is in its tree already: e %lld, a %u, tx %lld",
                     (long long)change->datom.e, change->datom.a, (long long)change->datom.tx);
}

static bool is_large(const lion_value *value)
{
    return !lion_type_is_scalar(value->type) && value->size > LION_BLOB_SIZE_MIN;
}

static lion_status insert_row(lion_packer *packer, const lion_datom *row)
{
    if (check_row(packer, row) != LION_OK) return LION_FAILED;
    lion_datom copy = *row;
    memset(copy.v.zero, 0, sizeof copy.v.zero);
    if (is_large(&row->v)) {
        copy.v = lion_stub_make(&packer->builder.arena, copy.v);
        if (copy.v.data == NULL) return lion_fail_memory(packer->error);
        lion_status status =
            lion_commit_put_blob(packer->builder.commit, lion_stub_hash(&copy.v),
                                 lion_slice_of(row->v.data, row->v.size), 1, packer->error);
        if (status != LION_OK) return status;
    }
    if (lion_packer_push(packer, &copy, 1) != LION_OK) return LION_FAILED;
    packer->pending.estimate += guess_size(&copy) * packer->scale;
    return lion_packer_flush(packer, LION_FLUSH_BULK);
}

static lion_status remove_row(lion_packer *packer, const lion_datom *row)
{
    if (!lion_value_is_stub(&row->v)) return LION_OK;
    return lion_commit_release_blob(packer->builder.commit, lion_stub_hash(&row->v), 1,
                                    packer->error);
}

/* Old rows [from, to) go over as they are; size_each of the estimate goes with each. */
static lion_status keep_rows(lion_packer *packer, size_t from, size_t to, double size_each)
{
    packer->pending.estimate += size_each * (double)(to - from);
    return lion_packer_push(packer, packer->old + from, to - from);
}

/* The rows of a leaf and the changes[from .. to) in its range, merged, now pend. */
lion_status lion_packer_merge(lion_packer *packer, lion_slice bytes, size_t from, size_t to)
{
    packer->is_gap = true;
    packer->old_count = 0;
    if (bytes.size > 0 && lion_packer_decode(packer, bytes) != LION_OK) return LION_FAILED;
    double size_each = packer->old_count > 0 ? (double)bytes.size / (double)packer->old_count : 0;
    size_t done = 0;
    for (size_t i = from; i < to; i++) {
        const lion_change *change = &packer->changes[i];
        size_t place;
        bool is_equal;
        if (find_old(packer, done, &change->datom, &place, &is_equal) != LION_OK)
            return LION_FAILED;
        if (is_equal != change->is_removal) return wrong_change(packer, change);
        if (keep_rows(packer, done, place, size_each) != LION_OK) return LION_FAILED;
        lion_status status = change->is_removal ? remove_row(packer, &packer->old[place])
                                                : insert_row(packer, &change->datom);
        if (status != LION_OK) return status;
        done = change->is_removal ? place + 1 : place;
    }
    if (keep_rows(packer, done, packer->old_count, size_each) != LION_OK) return LION_FAILED;
    return lion_packer_flush(packer, LION_FLUSH_BULK);
}
