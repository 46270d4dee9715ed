/* packer.c - closing pending rows into leaves. */
#include "index/packer.h"

#include <string.h>

#include "base/memory.h"
#include "index/descent.h"

#define ENCODE_TRIES_MAX 8

lion_status lion_packer_push(lion_packer *packer, const lion_datom *rows, size_t count)
{
    lion_pending *p = &packer->pending;
    if (count == 0) return LION_OK;
    if (p->head + p->count + count > p->capacity && p->head > 0) {
        memmove(p->rows, p->rows + p->head, p->count * sizeof *p->rows);
        p->head = 0;
    }
    if (lion_packer_reserve(&p->rows, &p->capacity, p->head + p->count + count, packer->error) !=
        LION_OK)
        return LION_FAILED;
    memcpy(p->rows + p->head + p->count, rows, count * sizeof *rows);
    p->count += count;
    return LION_OK;
}

/* The last (first) row below a node by reference. */
static lion_status edge_row(lion_packer *packer, const lion_branch_entry *entry, unsigned level,
                            bool is_last, lion_datom *row_out)
{
    lion_tree subtree = *packer->builder.tree;
    subtree.segment = entry->segment;
    subtree.height = (uint8_t)(level + 1);
    lion_descent descent;
    lion_status status = lion_descent_start(&descent, &subtree, packer->builder.snapshot, is_last,
                                            INT64_MIN, INT64_MAX, packer->error);
    if (status != LION_OK) return status;
    uint32_t row = is_last ? descent.leaf.rows - 1 : 0;
    return lion_leaf_row(row_out, &descent.leaf, row, packer->error);
}

/* The row before what comes next: LION_ABSENT at the left edge of the tree. */
static lion_status row_before(lion_packer *packer, lion_datom *row_out)
{
    if (packer->before == LION_BEFORE_NONE) return LION_ABSENT;
    if (packer->before == LION_BEFORE_NODE)
        return edge_row(packer, &packer->node, packer->node_level, true, row_out);
    *row_out = packer->row;
    return LION_OK;
}

/* Separator and continues of a new leaf that starts with `first`. */
static lion_status border(lion_packer *packer, lion_branch_entry *entry, const lion_datom *first)
{
    uint8_t order = packer->builder.tree->order;
    if (packer->has_given) {
        entry->separator = packer->given.separator;
        entry->continues = packer->given.continues;
        packer->has_given = false;
        return LION_OK;
    }
    lion_datom last;
    lion_status status = row_before(packer, &last);
    if (status == LION_ABSENT) {
        entry->separator = (lion_key){ .parts = 0 };
        entry->separator.datom.e = order == LION_AVET ? 0 : first->e;
        return LION_OK;
    }
    if (status != LION_OK) return status;
    entry->separator = lion_key_separate(order, &last, first);
    entry->continues = lion_lead_equal(order, &last, first);
    return LION_OK;
}

/* Hand the encoded first n pending rows to the builder. */
static lion_status append_leaf(lion_packer *packer, size_t n)
{
    lion_pending *p = &packer->pending;
    const lion_datom *rows = p->rows + p->head;
    int64_t t = lion_tx_to_t(rows[0].tx);
    uint32_t leads;
    memcpy(&leads, packer->bytes.data + 8, 4);
    lion_branch_entry entry = {
        .rows = n, .distinct = leads, .min_e = rows[0].e, .max_e = rows[0].e, .min_t = t, .max_t = t
    };
    for (size_t i = 0; i < n; i++) {
        t = lion_tx_to_t(rows[i].tx);
        entry.min_e = rows[i].e < entry.min_e ? rows[i].e : entry.min_e;
        entry.max_e = rows[i].e > entry.max_e ? rows[i].e : entry.max_e;
        entry.min_t = t < entry.min_t ? t : entry.min_t;
        entry.max_t = t > entry.max_t ? t : entry.max_t;
        entry.has_retractions |= !rows[i].added;
    }
    if (border(packer, &entry, &rows[0]) != LION_OK) return LION_FAILED;
    packer->before = LION_BEFORE_ROW;
    packer->row = rows[n - 1];
    packer->is_gap = true;

    double guessed = p->estimate * (double)n / (double)p->count;
    double correction = guessed > 0 ? (double)packer->bytes.size / guessed : 1;
    p->estimate = (p->estimate - guessed) * correction;
    packer->scale *= correction < 0.01 ? 0.01 : correction > 10 ? 10 : correction;
    p->head += n;
    p->count -= n;
    return lion_builder_put(&packer->builder, 0, &packer->bytes, entry, packer->error);
}

static bool is_small(const lion_packer *packer, double size, size_t rows)
{
    return size < (double)packer->builder.size_min && rows < LION_LEAF_ROWS_MAX / 2;
}

/* How many pending rows to try as the next leaf: all if they fit, half if they fit two, else a
 * target's worth. */
static size_t choose_rows(const lion_packer *packer)
{
    const lion_pending *p = &packer->pending;
    double target = (double)packer->builder.size_target;
    if (p->estimate <= (double)packer->builder.size_max && p->count <= LION_LEAF_ROWS_MAX)
        return p->count;
    double wanted = p->estimate < 2 * target ? p->estimate / 2 : target;
    size_t n = (size_t)((double)p->count * wanted / p->estimate);
    if (n > LION_LEAF_ROWS_MAX) n = LION_LEAF_ROWS_MAX;
    if (n + LION_LEAF_ROWS_MAX / 2 > p->count && p->count > LION_LEAF_ROWS_MAX) n = p->count / 2;
    return n < 1 ? 1 : n;
}

/* Encode the next leaf, trying other numbers of rows until it is neither too large nor needlessly
 * small. Rows may differ in size, so a half by rows need not be one by bytes. */
static lion_status encode_leaf(lion_packer *packer, size_t *n_out)
{
    lion_pending *p = &packer->pending;
    size_t n = choose_rows(packer), least = 0; /* of `least` rows it is too small */
    size_t most = p->count < LION_LEAF_ROWS_MAX ? p->count : LION_LEAF_ROWS_MAX;
    double wanted = (double)packer->builder.size_target;
    for (int tries = 0;; tries++) {
        lion_buffer_clear(&packer->bytes);
        lion_leaf_write(&packer->bytes, &packer->leaves, packer->builder.tree, p->rows + p->head,
                        n);
        if (lion_buffer_check(&packer->bytes, packer->error) != LION_OK) return LION_FAILED;
        *n_out = n;
        double size = (double)packer->bytes.size;
        bool is_out_of_tries = tries >= ENCODE_TRIES_MAX;
        if (packer->bytes.size > packer->builder.size_max && n > 1) {
            bool fits_two = n == p->count && size < 2 * (double)packer->builder.size_target;
            if (fits_two) wanted = size / 2;
            most = n - 1;
            size_t fewer = is_out_of_tries ? n / 2 : (size_t)((double)n * wanted / size);
            if (fewer <= least && !is_out_of_tries) fewer = least + (n - least) / 2;
            n = fewer < 1 ? 1 : fewer > most ? most : fewer;
        } else if (packer->bytes.size < packer->builder.size_min && n < most && !is_out_of_tries) {
            size_t more = (size_t)((double)n * wanted / size) + 1;
            least = n;
            if (more > most && most < p->count) more = n + (most - n + 1) / 2;
            n = more > most ? most : more;
        } else {
            return LION_OK;
        }
    }
}

lion_status lion_packer_flush(lion_packer *packer, lion_flush_mode mode)
{
    lion_pending *p = &packer->pending;
    while (p->count > 0) {
        bool is_bulk = p->estimate >= 2 * (double)packer->builder.size_target ||
                       p->count >= 2 * LION_LEAF_ROWS_MAX;
        if (mode == LION_FLUSH_BULK && !is_bulk) return LION_OK;
        if (mode == LION_FLUSH_SETTLE && is_small(packer, p->estimate, p->count)) return LION_OK;
        size_t n;
        if (encode_leaf(packer, &n) != LION_OK) return LION_FAILED;
        if (n == p->count && mode != LION_FLUSH_ALL &&
            is_small(packer, (double)packer->bytes.size, n)) {
            packer->scale *=
                (double)packer->bytes.size / p->estimate; /* less than it seemed: wait for more */
            p->estimate = (double)packer->bytes.size;
            return LION_OK;
        }
        if (append_leaf(packer, n) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

/* ---- neighbours ---- */

lion_status lion_packer_refer(lion_packer *packer, unsigned level, const lion_branch_entry *old)
{
    lion_branch_entry entry = *old;
    if (packer->is_gap) { /* another row may be before it now */
        lion_datom last, first;
        lion_status status = row_before(packer, &last);
        if (status == LION_FAILED) return status;
        entry.continues = false;
        if (status == LION_OK) {
            if (edge_row(packer, old, level, false, &first) != LION_OK) return LION_FAILED;
            entry.continues = lion_lead_equal(packer->builder.tree->order, &last, &first);
        }
    }
    packer->before = LION_BEFORE_NODE;
    packer->node = entry;
    packer->node_level = level;
    packer->is_gap = false;
    return lion_builder_refer(&packer->builder, level, &entry, packer->error);
}

lion_status lion_packer_close(lion_packer *packer)
{
    if (lion_packer_flush(packer, LION_FLUSH_SETTLE) != LION_OK) return LION_FAILED;
    if (packer->pending.count == 0) return LION_OK;
    lion_branch_entry entry;
    lion_slice bytes;
    lion_status status = lion_builder_pop(&packer->builder, 0, &entry, &bytes, packer->error);
    if (status == LION_FAILED) return status;
    if (status == LION_OK) {
        if (lion_packer_decode(packer, bytes) != LION_OK) return LION_FAILED;
        lion_pending *p = &packer->pending;
        size_t count = packer->old_count;
        if (lion_packer_reserve(&p->rows, &p->capacity, p->head + p->count + count,
                                packer->error) != LION_OK)
            return LION_FAILED;
        memmove(p->rows + p->head + count, p->rows + p->head, p->count * sizeof *p->rows);
        memcpy(p->rows + p->head, packer->old, count * sizeof *p->rows);
        p->count += count;
        p->estimate += (double)bytes.size;
        packer->has_given = true;
        packer->given = entry;
    }
    return lion_packer_flush(packer, LION_FLUSH_ALL);
}
