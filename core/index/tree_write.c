/* tree_write.c - lion_tree_update: sorted changes into a tree, in one pass from left to right.
 *
 * Leaves that changes touch are decoded, merged with them and pend as rows; untouched nodes (whole
 * subtrees) go to the builder by reference. Before one does, what pends is closed into new leaves;
 * if too little pends for a leaf, the untouched neighbour is drawn in instead, so that leaves stay
 * between size_min and size_max.
 *
 * A new leaf needs a separator and the continues flag, which depend on the last row before it: of a
 * new leaf it is remembered, of a referred subtree it is looked up in the snapshot. */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/builder.h"
#include "index/descent.h"

#define DECODE_ROWS 1024
#define ENCODE_TRIES_MAX 8

/* Rows that wait to be closed into leaves. */
typedef struct pending {
    lion_datom *rows;
    size_t head, count, capacity; /* rows[head .. head + count) */
    double estimate;              /* bytes of a leaf with them */
} pending;

typedef enum before_kind { BEFORE_NONE, BEFORE_ROW, BEFORE_NODE } before_kind;

typedef struct updater {
    lion_builder builder;
    lion_leaf_writer leaves;
    lion_buffer bytes;
    pending pending;
    lion_datom *old; /* a decoded leaf */
    size_t old_count, old_capacity;
    double scale; /* bytes in a leaf for each byte guessed, learnt on the way */

    before_kind before;     /* the last thing appended: */
    lion_datom row;         /* a new leaf's last row */
    lion_branch_entry node; /* or a node by reference, */
    unsigned node_level;
    bool is_gap;    /* old rows between it and what comes next were taken out or rewritten */
    bool has_given; /* the first pending row's leaf was taken back: its separator stands */
    lion_branch_entry given;

    const lion_change *changes;
    lion_error *error;
} updater;

/* ---- rows ---- */

static lion_status reserve_rows(lion_datom **rows, size_t *capacity, size_t count,
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

static lion_status push_rows(updater *u, const lion_datom *rows, size_t count)
{
    pending *p = &u->pending;
    if (count == 0) return LION_OK;
    if (p->head + p->count + count > p->capacity && p->head > 0) {
        memmove(p->rows, p->rows + p->head, p->count * sizeof *p->rows);
        p->head = 0;
    }
    if (reserve_rows(&p->rows, &p->capacity, p->head + p->count + count, u->error) != LION_OK)
        return LION_FAILED;
    memcpy(p->rows + p->head + p->count, rows, count * sizeof *rows);
    p->count += count;
    return LION_OK;
}

/* What a row may add to a leaf, before the scale. */
static double guess_size(const lion_datom *row)
{
    if (lion_type_is_scalar(row->v.type)) return 6;
    return 6 + (double)(lion_value_is_stub(&row->v) ? LION_STUB_SIZE : row->v.size);
}

/* All rows of a leaf into old[]; large values stay stubs. */
static lion_status decode_leaf(updater *u, lion_slice bytes)
{
    const lion_tree *tree = u->builder.tree;
    lion_leaf leaf;
    if (lion_leaf_open(&leaf, bytes, tree->a, u->error) != LION_OK) return LION_FAILED;
    if (leaf.order != tree->order || leaf.is_history != (tree->is_history != 0))
        return lion_leaf_corrupt(u->error, "it is of another tree");
    if (reserve_rows(&u->old, &u->old_capacity, leaf.rows, u->error) != LION_OK) return LION_FAILED;

    lion_arena_mark mark = lion_arena_set_mark(&u->builder.arena);
    lion_arena *arena = &u->builder.arena;
    lion_leaf_target target = { .e = lion_arena_array(arena, int64_t, DECODE_ROWS),
                                .a = lion_arena_array(arena, uint32_t, DECODE_ROWS),
                                .v = { .type = leaf.type,
                                       .values = lion_arena_array(arena, lion_value, DECODE_ROWS) },
                                .tx = lion_arena_array(arena, int64_t, DECODE_ROWS),
                                .added = lion_arena_array(arena, uint8_t, DECODE_ROWS) };
    if (leaf.attributes > 0) {
        leaf.columns = lion_arena_array(arena, lion_column, leaf.attributes);
        if (leaf.columns == NULL) return lion_fail_memory(u->error);
        for (uint32_t i = 0; i < leaf.attributes; i++) leaf.columns[i].type = LION_TYPE_NIL;
    }
    lion_status status = lion_arena_check(arena, u->error);
    for (uint32_t row = 0; row < leaf.rows && status == LION_OK;) {
        uint32_t count = leaf.rows - row < DECODE_ROWS ? leaf.rows - row : DECODE_ROWS;
        status = lion_leaf_read(&leaf, row, count, &target, NULL, u->error);
        for (uint32_t i = 0; i < count && status == LION_OK; i++)
            u->old[row + i] = (lion_datom){ .e = target.e[i],
                                            .a = target.a[i],
                                            .v = lion_vector_get(&target.v, i),
                                            .tx = target.tx[i],
                                            .added = target.added[i] != 0 };
        row += count;
    }
    u->old_count = leaf.rows;
    lion_arena_rewind(arena, mark);
    return status;
}

/* The order of two rows in the tree. */
static lion_status compare_rows(updater *u, const lion_datom *a, const lion_datom *b,
                                int *order_out)
{
    uint8_t order = u->builder.tree->order;
    if (order != LION_AVET && a->e != b->e) {
        *order_out = a->e < b->e ? -1 : 1;
        return LION_OK;
    }
    lion_key x = { .datom = *a, .parts = 4 }, y = { .datom = *b, .parts = 4 };
    return lion_key_compare(order_out, order, &x, &y, u->builder.snapshot, u->error);
}

/* First old row in [from, ...) that is not before `row`; equal says whether it is that row. */
static lion_status find_old(updater *u, size_t from, const lion_datom *row, size_t *place_out,
                            bool *is_equal_out)
{
    size_t low = from, high = u->old_count, step = 1;
    int order = 0;
    while (low + step < high) { /* gallop: changes are near each other or far apart */
        if (compare_rows(u, &u->old[low + step], row, &order) != LION_OK) return LION_FAILED;
        if (order >= 0) {
            high = low + step;
            break;
        }
        low += step;
        step *= 2;
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_rows(u, &u->old[middle], row, &order) != LION_OK) return LION_FAILED;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *place_out = low;
    *is_equal_out = false;
    if (low == u->old_count) return LION_OK;
    if (compare_rows(u, &u->old[low], row, &order) != LION_OK) return LION_FAILED;
    *is_equal_out = order == 0;
    return LION_OK;
}

/* ---- closing leaves ---- */

/* The last (first) row below a node by reference. */
static lion_status edge_row(updater *u, const lion_branch_entry *entry, unsigned level,
                            bool is_last, lion_datom *row_out)
{
    lion_tree subtree = *u->builder.tree;
    subtree.segment = entry->segment;
    subtree.height = (uint8_t)(level + 1);
    lion_descent descent;
    lion_status status = lion_descent_start(&descent, &subtree, u->builder.snapshot, is_last,
                                            INT64_MIN, INT64_MAX, u->error);
    if (status != LION_OK) return status;
    uint32_t row = is_last ? descent.leaf.rows - 1 : 0;
    return lion_leaf_row(row_out, &descent.leaf, row, u->error);
}

/* The row before what comes next: LION_ABSENT at the left edge of the tree. */
static lion_status row_before(updater *u, lion_datom *row_out)
{
    if (u->before == BEFORE_NONE) return LION_ABSENT;
    if (u->before == BEFORE_NODE) return edge_row(u, &u->node, u->node_level, true, row_out);
    *row_out = u->row;
    return LION_OK;
}

/* Separator and continues of a new leaf that starts with `first`. */
static lion_status border(updater *u, lion_branch_entry *entry, const lion_datom *first)
{
    uint8_t order = u->builder.tree->order;
    if (u->has_given) {
        entry->separator = u->given.separator;
        entry->continues = u->given.continues;
        u->has_given = false;
        return LION_OK;
    }
    lion_datom last;
    lion_status status = row_before(u, &last);
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
static lion_status append_leaf(updater *u, size_t n)
{
    pending *p = &u->pending;
    const lion_datom *rows = p->rows + p->head;
    int64_t t = lion_tx_to_t(rows[0].tx);
    uint32_t leads;
    memcpy(&leads, u->bytes.data + 8, 4);
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
    if (border(u, &entry, &rows[0]) != LION_OK) return LION_FAILED;
    u->before = BEFORE_ROW;
    u->row = rows[n - 1];
    u->is_gap = true;

    double guessed = p->estimate * (double)n / (double)p->count;
    double correction = guessed > 0 ? (double)u->bytes.size / guessed : 1;
    p->estimate = (p->estimate - guessed) * correction;
    u->scale *= correction < 0.01 ? 0.01 : correction > 10 ? 10 : correction;
    p->head += n;
    p->count -= n;
    return lion_builder_put(&u->builder, 0, &u->bytes, entry, u->error);
}

static bool is_small(const updater *u, double size, size_t rows)
{
    return size < (double)u->builder.size_min && rows < LION_LEAF_ROWS_MAX / 2;
}

/* How many pending rows to try as the next leaf: all if they fit, half if they fit two, else a
 * target's worth. */
static size_t choose_rows(const updater *u)
{
    const pending *p = &u->pending;
    double target = (double)u->builder.size_target;
    if (p->estimate <= (double)u->builder.size_max && p->count <= LION_LEAF_ROWS_MAX)
        return p->count;
    double wanted = p->estimate < 2 * target ? p->estimate / 2 : target;
    size_t n = (size_t)((double)p->count * wanted / p->estimate);
    if (n > LION_LEAF_ROWS_MAX) n = LION_LEAF_ROWS_MAX;
    if (n + LION_LEAF_ROWS_MAX / 2 > p->count && p->count > LION_LEAF_ROWS_MAX) n = p->count / 2;
    return n < 1 ? 1 : n;
}

/* Encode the next leaf, trying other numbers of rows until it is neither too large nor needlessly
 * small. Rows may differ in size, so a half by rows need not be one by bytes. */
static lion_status encode_leaf(updater *u, size_t *n_out)
{
    pending *p = &u->pending;
    size_t n = choose_rows(u), least = 0; /* of `least` rows it is too small */
    size_t most = p->count < LION_LEAF_ROWS_MAX ? p->count : LION_LEAF_ROWS_MAX;
    double wanted = (double)u->builder.size_target;
    for (int tries = 0;; tries++) {
        lion_buffer_clear(&u->bytes);
        lion_leaf_write(&u->bytes, &u->leaves, u->builder.tree, p->rows + p->head, n);
        if (lion_buffer_check(&u->bytes, u->error) != LION_OK) return LION_FAILED;
        *n_out = n;
        double size = (double)u->bytes.size;
        bool is_out_of_tries = tries >= ENCODE_TRIES_MAX;
        if (u->bytes.size > u->builder.size_max && n > 1) {
            bool fits_two = n == p->count && size < 2 * (double)u->builder.size_target;
            if (fits_two) wanted = size / 2;
            most = n - 1;
            size_t fewer = is_out_of_tries ? n / 2 : (size_t)((double)n * wanted / size);
            if (fewer <= least && !is_out_of_tries) fewer = least + (n - least) / 2;
            n = fewer < 1 ? 1 : fewer > most ? most : fewer;
        } else if (u->bytes.size < u->builder.size_min && n < most && !is_out_of_tries) {
            size_t more = (size_t)((double)n * wanted / size) + 1;
            least = n;
            if (more > most && most < p->count) more = n + (most - n + 1) / 2;
            n = more > most ? most : more;
        } else {
            return LION_OK;
        }
    }
}

typedef enum flush_mode {
    FLUSH_BULK,   /* only keep what pends bounded */
    FLUSH_SETTLE, /* all, but a rest that is too small */
    FLUSH_ALL
} flush_mode;

static lion_status flush_rows(updater *u, flush_mode mode)
{
    pending *p = &u->pending;
    while (p->count > 0) {
        bool is_bulk =
            p->estimate >= 2 * (double)u->builder.size_target || p->count >= 2 * LION_LEAF_ROWS_MAX;
        if (mode == FLUSH_BULK && !is_bulk) return LION_OK;
        if (mode == FLUSH_SETTLE && is_small(u, p->estimate, p->count)) return LION_OK;
        size_t n;
        if (encode_leaf(u, &n) != LION_OK) return LION_FAILED;
        if (n == p->count && mode != FLUSH_ALL && is_small(u, (double)u->bytes.size, n)) {
            u->scale *=
                (double)u->bytes.size / p->estimate; /* less than it seemed: wait for more */
            p->estimate = (double)u->bytes.size;
            return LION_OK;
        }
        if (append_leaf(u, n) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

/* ---- changes ---- */

static lion_status check_row(updater *u, const lion_datom *row)
{
    const lion_tree *tree = u->builder.tree;
    uint8_t type = row->v.type;
    bool is_stored = type >= LION_TYPE_BOOLEAN && type <= LION_TYPE_TUPLE;
    bool is_ours = tree->order == LION_EAVT || type == tree->type;
    bool is_sized = lion_type_is_scalar(type) || row->v.size <= LION_VALUE_SIZE_MAX;
    if (is_stored && is_ours && is_sized && (type != LION_TYPE_UUID || row->v.size == 16))
        return LION_OK;
    return lion_fail(
        u->error, LION_FAULT, "lion/index",
        "a value of type %u and %u bytes cannot go into a tree of type %u (e %lld, a %u)", type,
        lion_type_is_scalar(type) ? 0 : row->v.size, tree->type, (long long)row->e, row->a);
}

static lion_status wrong_change(updater *u, const lion_change *change)
{
    return lion_fail(u->error, LION_FAULT, "lion/index",
                     change->is_removal
                         ? "a row to remove is not in its tree: e %lld, a %u, tx %lld"
                         : "a row to insert is in its tree already: e %lld, a %u, tx %lld",
                     (long long)change->datom.e, change->datom.a, (long long)change->datom.tx);
}

static bool is_large(const lion_value *value)
{
    return !lion_type_is_scalar(value->type) && value->size > LION_BLOB_SIZE_MIN;
}

static lion_status insert_row(updater *u, const lion_datom *row)
{
    if (check_row(u, row) != LION_OK) return LION_FAILED;
    lion_datom copy = *row;
    memset(copy.v.zero, 0, sizeof copy.v.zero);
    if (is_large(&row->v)) {
        copy.v = lion_stub_make(&u->builder.arena, copy.v);
        if (copy.v.data == NULL) return lion_fail_memory(u->error);
        lion_status status =
            lion_commit_put_blob(u->builder.commit, lion_stub_hash(&copy.v),
                                 lion_slice_of(row->v.data, row->v.size), 1, u->error);
        if (status != LION_OK) return status;
    }
    if (push_rows(u, &copy, 1) != LION_OK) return LION_FAILED;
    u->pending.estimate += guess_size(&copy) * u->scale;
    return flush_rows(u, FLUSH_BULK);
}

static lion_status remove_row(updater *u, const lion_datom *row)
{
    if (!lion_value_is_stub(&row->v)) return LION_OK;
    return lion_commit_release_blob(u->builder.commit, lion_stub_hash(&row->v), 1, u->error);
}

/* Old rows [from, to) go over as they are; size_each of the estimate goes with each. */
static lion_status keep_rows(updater *u, size_t from, size_t to, double size_each)
{
    u->pending.estimate += size_each * (double)(to - from);
    return push_rows(u, u->old + from, to - from);
}

/* The rows of a leaf and the changes[from .. to) in its range, merged, now pend. */
static lion_status merge_leaf(updater *u, lion_slice bytes, size_t from, size_t to)
{
    u->is_gap = true;
    u->old_count = 0;
    if (bytes.size > 0 && decode_leaf(u, bytes) != LION_OK) return LION_FAILED;
    double size_each = u->old_count > 0 ? (double)bytes.size / (double)u->old_count : 0;
    size_t done = 0;
    for (size_t i = from; i < to; i++) {
        const lion_change *change = &u->changes[i];
        size_t place;
        bool is_equal;
        if (find_old(u, done, &change->datom, &place, &is_equal) != LION_OK) return LION_FAILED;
        if (is_equal != change->is_removal) return wrong_change(u, change);
        if (keep_rows(u, done, place, size_each) != LION_OK) return LION_FAILED;
        lion_status status =
            change->is_removal ? remove_row(u, &u->old[place]) : insert_row(u, &change->datom);
        if (status != LION_OK) return status;
        done = change->is_removal ? place + 1 : place;
    }
    if (keep_rows(u, done, u->old_count, size_each) != LION_OK) return LION_FAILED;
    return flush_rows(u, FLUSH_BULK);
}

/* ---- nodes ---- */

/* The bytes of an old node that will be replaced. */
static lion_status take_node(updater *u, const lion_branch_entry *entry, lion_slice *bytes_out)
{
    lion_status status =
        lion_snapshot_segment(bytes_out, u->builder.snapshot, entry->segment, u->error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(u->error, "segment %llu is not in the store",
                                 (unsigned long long)entry->segment);
    if (status != LION_OK) return status;
    return lion_commit_delete(u->builder.commit, entry->segment, u->error);
}

static lion_status refer(updater *u, unsigned level, const lion_branch_entry *old)
{
    lion_branch_entry entry = *old;
    if (u->is_gap) { /* another row may be before it now */
        lion_datom last, first;
        lion_status status = row_before(u, &last);
        if (status == LION_FAILED) return status;
        entry.continues = false;
        if (status == LION_OK) {
            if (edge_row(u, old, level, false, &first) != LION_OK) return LION_FAILED;
            entry.continues = lion_lead_equal(u->builder.tree->order, &last, &first);
        }
    }
    u->before = BEFORE_NODE;
    u->node = entry;
    u->node_level = level;
    u->is_gap = false;
    return lion_builder_refer(&u->builder, level, &entry, u->error);
}

/* Close all that waits below `level`; false if some of it is too small to stand alone. */
static lion_status settle_below(updater *u, unsigned level, bool *is_settled_out)
{
    if (flush_rows(u, FLUSH_SETTLE) != LION_OK) return LION_FAILED;
    *is_settled_out = u->pending.count == 0;
    for (unsigned below = 0; below < level && *is_settled_out; below++)
        if (lion_builder_settle(&u->builder, below, is_settled_out, u->error) != LION_OK)
            return LION_FAILED;
    return LION_OK;
}

/* An untouched node comes next: by reference, or drawn in by too little that pends before it. */
static lion_status pass_node(updater *u, unsigned level, const lion_branch_entry *entry)
{
    bool is_settled;
    if (settle_below(u, level, &is_settled) != LION_OK) return LION_FAILED;
    if (is_settled) return refer(u, level, entry);

    lion_slice bytes;
    if (take_node(u, entry, &bytes) != LION_OK) return LION_FAILED;
    if (level == 0) return merge_leaf(u, bytes, 0, 0);
    lion_branch_entry *entries;
    size_t count;
    lion_status status =
        lion_builder_unpack(&u->builder, level, entry, bytes, &entries, &count, u->error);
    for (size_t i = 0; i < count && status == LION_OK; i++)
        status = pass_node(u, level - 1, &entries[i]);
    return status;
}

/* First change in [from, to) that is not below a separator. */
static lion_status find_change(updater *u, size_t from, size_t to, const lion_key *separator,
                               size_t *place_out)
{
    size_t low = from, high = to;
    for (size_t step = 0; low < high;) { /* gallop, then halve */
        size_t middle = step != SIZE_MAX && low + step < high ? low + step : low + (high - low) / 2;
        lion_key key = { .datom = u->changes[middle].datom, .parts = 4 };
        int order;
        if (lion_key_compare(&order, u->builder.tree->order, &key, separator, u->builder.snapshot,
                             u->error) != LION_OK)
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
static lion_status update_node(updater *u, unsigned level, const lion_branch_entry *entry,
                               size_t from, size_t to)
{
    lion_slice bytes;
    if (take_node(u, entry, &bytes) != LION_OK) return LION_FAILED;
    if (level == 0) return merge_leaf(u, bytes, from, to);
    lion_branch_entry *entries;
    size_t count;
    lion_status status =
        lion_builder_unpack(&u->builder, level, entry, bytes, &entries, &count, u->error);
    for (size_t i = 0; i < count && status == LION_OK; i++) {
        size_t end = to;
        if (i + 1 < count) status = find_change(u, from, to, &entries[i + 1].separator, &end);
        if (status != LION_OK) return status;
        status = end > from ? update_node(u, level - 1, &entries[i], from, end)
                            : pass_node(u, level - 1, &entries[i]);
        from = end;
    }
    return status;
}

/* ---- the whole ---- */

/* A rest too small for a leaf takes back the leaf before it. */
static lion_status close_rows(updater *u)
{
    if (flush_rows(u, FLUSH_SETTLE) != LION_OK) return LION_FAILED;
    if (u->pending.count == 0) return LION_OK;
    lion_branch_entry entry;
    lion_slice bytes;
    lion_status status = lion_builder_pop(&u->builder, 0, &entry, &bytes, u->error);
    if (status == LION_FAILED) return status;
    if (status == LION_OK) {
        if (decode_leaf(u, bytes) != LION_OK) return LION_FAILED;
        pending *p = &u->pending;
        size_t count = u->old_count;
        if (reserve_rows(&p->rows, &p->capacity, p->head + p->count + count, u->error) != LION_OK)
            return LION_FAILED;
        memmove(p->rows + p->head + count, p->rows + p->head, p->count * sizeof *p->rows);
        memcpy(p->rows + p->head, u->old, count * sizeof *p->rows);
        p->count += count;
        p->estimate += (double)bytes.size;
        u->has_given = true;
        u->given = entry;
    }
    return flush_rows(u, FLUSH_ALL);
}

static lion_status update(updater *u, lion_tree *tree_out, uint64_t *distinct_out, size_t count)
{
    const lion_tree *tree = u->builder.tree;
    lion_status status;
    if (tree->height == 0) {
        status = merge_leaf(u, lion_slice_of(NULL, 0), 0, count);
    } else {
        lion_branch_entry top = { .segment = tree->segment };
        status = update_node(u, tree->height - 1u, &top, 0, count);
    }
    if (status == LION_OK) status = close_rows(u);
    if (status == LION_OK)
        status = lion_builder_finish(&u->builder, tree_out, distinct_out, u->error);
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
    updater *u = lion_zalloc(sizeof *u);
    if (u == NULL) return lion_fail_memory(error);
    u->scale = 1;
    u->changes = changes;
    u->error = error;
    lion_builder_init(&u->builder, &old, snapshot, commit, options);
    lion_leaf_writer_init(&u->leaves);
    lion_buffer_init(&u->bytes);

    lion_tree updated;
    lion_status status = update(u, &updated, &distinct, count);
    if (status == LION_OK) {
        *tree_out = updated;
        if (statistics_out != NULL) statistics_out->distinct_lead = distinct;
    }
    lion_builder_deinit(&u->builder);
    lion_leaf_writer_deinit(&u->leaves);
    lion_buffer_deinit(&u->bytes);
    lion_free(u->pending.rows);
    lion_free(u->old);
    lion_free(u);
    return status;
}
