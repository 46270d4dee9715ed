/* tree_read.c - ranks and point look-ups: one descent each, no allocation. */
#include <string.h>

#include "base/assert.h"
#include "index/descent.h"

lion_status lion_tree_rank(uint64_t *rank_out, const lion_tree *tree, lion_snapshot *snapshot,
                           const lion_key *key, bool upper, lion_error *error)
{
    unsigned lead_parts = tree->order == LION_EAVT ? 1 : 2;
    if (tree->height == 0 || key->parts < lead_parts) {
        *rank_out = upper ? tree->count : 0;
        return LION_OK;
    }
    lion_descent descent;
    uint32_t row;
    if (lion_descent_seek(&descent, tree, snapshot, key, upper, error) != LION_OK)
        return LION_FAILED;
    if (lion_leaf_lower_bound(&row, &descent.leaf, key, upper, snapshot, error) != LION_OK)
        return LION_FAILED;
    uint64_t rank = row;
    for (unsigned i = 0; i < descent.depth; i++) {
        uint64_t before;
        if (lion_branch_rows_before(&before, &descent.path[i].branch, descent.path[i].child,
                                    error) != LION_OK)
            return LION_FAILED;
        rank += before;
    }
    *rank_out = rank;
    return LION_OK;
}

lion_status lion_tree_select(lion_datom *datom_out, const lion_tree *tree, lion_snapshot *snapshot,
                             uint64_t rank, lion_error *error)
{
    lion_descent descent;
    uint32_t row;
    lion_status status = lion_descent_select(&descent, &row, tree, snapshot, rank, error);
    if (status == LION_OK) status = lion_leaf_row(datom_out, &descent.leaf, row, error);
    if (status != LION_OK || !lion_value_is_stub(&datom_out->v)) return status;
    return lion_stub_resolve(&datom_out->v, snapshot, error);
}

/* ---- point look-ups ---- */

/* The first row of entity e in an open AEVT leaf. */
static lion_status find_entity(uint32_t *row_out, lion_leaf *leaf, int64_t e, lion_error *error)
{
    if (lion_leaf_need(leaf, LION_LEAF_E | LION_LEAF_RUNS, error) != LION_OK) return LION_FAILED;
    size_t run;
    if (!lion_ints_find(&leaf->e, e, &run)) {
        *row_out = run == leaf->leads ? leaf->rows : 0; /* the caller tells "behind" from "none" */
        return LION_ABSENT;
    }
    uint32_t to;
    return lion_leaf_run_rows(row_out, &to, leaf, (uint32_t)run, error);
}

static lion_status read_value(lion_value *value_out, int64_t *tx_out, lion_leaf *leaf, uint32_t row,
                              lion_snapshot *snapshot, lion_error *error)
{
    unsigned parts = LION_LEAF_V | (tx_out != NULL ? LION_LEAF_TX : 0u);
    if (lion_leaf_need(leaf, parts, error) != LION_OK) return LION_FAILED;
    if (!lion_column_get(&leaf->v, row, value_out)) return lion_leaf_corrupt(error, "column v");
    if (tx_out != NULL) *tx_out = lion_ints_get(&leaf->tx, row);
    return lion_value_is_stub(value_out) ? lion_stub_resolve(value_out, snapshot, error) : LION_OK;
}

lion_status lion_tree_get(lion_value *value_out, int64_t *tx_out, const lion_tree *tree,
                          lion_snapshot *snapshot, int64_t e, lion_error *error)
{
    LION_ASSERT(tree->order == LION_AEVT);
    if (tree->height == 0) return LION_ABSENT;
    lion_descent descent;
    lion_key key = { .parts = 2 };
    key.datom.e = e;
    uint32_t row;
    if (lion_descent_seek(&descent, tree, snapshot, &key, false, error) != LION_OK)
        return LION_FAILED;
    lion_status status = find_entity(&row, &descent.leaf, e, error);
    if (status == LION_ABSENT && row > 0) { /* behind this leaf: it may start the next one */
        status = lion_descent_step(&descent, false, INT64_MIN, INT64_MAX, error);
        if (status == LION_END) return LION_ABSENT;
        if (status == LION_OK) status = find_entity(&row, &descent.leaf, e, error);
    }
    if (status != LION_OK) return status;
    return read_value(value_out, tx_out, &descent.leaf, row, snapshot, error);
}

lion_status lion_tree_find(int64_t *e_out, int64_t *tx_out, const lion_tree *tree,
                           lion_snapshot *snapshot, lion_value v, lion_error *error)
{
    LION_ASSERT(tree->order == LION_AVET);
    if (tree->height == 0) return LION_ABSENT;
    lion_descent descent;
    lion_key key = { .parts = 2 };
    key.datom.v = v;
    uint32_t row, run;
    lion_status status = lion_descent_find(&descent, &row, tree, snapshot, &key, error);
    if (status == LION_END) return LION_ABSENT;
    if (status != LION_OK) return status;

    lion_leaf *leaf = &descent.leaf;
    unsigned parts = LION_LEAF_E | LION_LEAF_V | (tx_out != NULL ? LION_LEAF_TX : 0u);
    if (lion_leaf_need(leaf, parts, error) != LION_OK) return LION_FAILED;
    if (lion_leaf_run_of(&run, leaf, row, error) != LION_OK) return LION_FAILED;
    lion_value found;
    int order;
    if (!lion_column_get(&leaf->v, run, &found)) return lion_leaf_corrupt(error, "column v");
    if (lion_stub_compare(&order, &found, &v, snapshot, error) != LION_OK) return LION_FAILED;
    if (order != 0) return LION_ABSENT;
    *e_out = lion_ints_get(&leaf->e, row);
    if (tx_out != NULL) *tx_out = lion_ints_get(&leaf->tx, row);
    return LION_OK;
}

/* ---- gather ---- */

/* Stand in the leaf where e is, if it is anywhere; leaves below the present one are behind (probes
 * ascend). *last is the present leaf's last lead, valid while *is_open. */
static lion_status move_to(lion_descent *descent, bool *is_open, int64_t *last,
                           const lion_tree *tree, lion_snapshot *snapshot, int64_t e,
                           lion_error *error)
{
    lion_key key = { .parts = 2 };
    key.datom.e = e;
    uint32_t row;
    lion_status status = lion_descent_find(descent, &row, tree, snapshot, &key, error);
    *is_open = status == LION_OK;
    if (status != LION_OK) return status;
    unsigned parts = LION_LEAF_E | LION_LEAF_RUNS | LION_LEAF_V;
    if (lion_leaf_need(&descent->leaf, parts, error) != LION_OK) return LION_FAILED;
    *last = lion_ints_get(&descent->leaf.e, descent->leaf.leads - 1u);
    return LION_OK;
}

/* Whether e has a run at or behind *run (probes ascend: mostly near), which moves there. */
static bool advance(const lion_ints *leads, size_t *run, int64_t e)
{
    bool is_direct = leads->encoding == LION_INTS_BITMAP ||
                     (leads->encoding == LION_INTS_SLOPED && leads->packed.width == 0);
    if (is_direct) return lion_ints_find(leads, e, run);
    size_t from = *run, to = leads->count;
    for (size_t step = 8; from + step < to; from += step, step *= 4) {
        if (lion_ints_get(leads, from + step) >= e) {
            to = from + step + 1;
            break;
        }
    }
    *run = lion_ints_lower_bound(leads, from, to, e);
    return *run < leads->count && lion_ints_get(leads, *run) == e;
}

/* The probes e[0 .. count), none behind the leaf's last lead, against one leaf: the row of each,
 * UINT32_MAX if none. */
static lion_status find_rows(lion_leaf *leaf, const int64_t *e, uint32_t count, uint32_t *rows,
                             lion_error *error)
{
    size_t run = 0;
    bool has_runs = leaf->leads != leaf->rows;
    for (uint32_t i = 0; i < count; i++) {
        rows[i] = UINT32_MAX;
        if (!advance(&leaf->e, &run, e[i])) continue;
        uint32_t end;
        rows[i] = (uint32_t)run;
        if (has_runs && lion_leaf_run_rows(&rows[i], &end, leaf, (uint32_t)run, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

/* The values of rows, to bits (scalars) or values. */
static lion_status fetch_rows(lion_leaf *leaf, const uint32_t *rows, uint32_t count, int64_t *bits,
                              lion_value *values, lion_snapshot *snapshot, lion_error *error)
{
    bool is_decimal = leaf->type == LION_TYPE_DOUBLE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        if (bits != NULL) {
            bits[i] = row == UINT32_MAX ? 0
                      : is_decimal      ? lion_column_double_bits(&leaf->v, row)
                                        : lion_ints_get(&leaf->v.ints, row);
            continue;
        }
        values[i] = lion_value_nil();
        if (row == UINT32_MAX) continue;
        if (!lion_column_get_bytes(&leaf->v, row, &values[i]))
            return lion_leaf_corrupt(error, "column v");
        if (lion_stub_resolve(&values[i], snapshot, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

#define GATHER_CHUNK 256

static lion_status gather_leaf(lion_leaf *leaf, const int64_t *e, uint32_t count, uint8_t *found,
                               int64_t *bits, lion_value *values, lion_snapshot *snapshot,
                               lion_error *error)
{
    uint32_t rows[GATHER_CHUNK];
    for (uint32_t done = 0; done < count;) {
        uint32_t take = count - done < GATHER_CHUNK ? count - done : GATHER_CHUNK;
        if (find_rows(leaf, e + done, take, rows, error) != LION_OK) return LION_FAILED;
        for (uint32_t i = 0; i < take; i++) found[done + i] = rows[i] != UINT32_MAX;
        lion_status status = fetch_rows(leaf, rows, take, bits != NULL ? bits + done : NULL,
                                        values != NULL ? values + done : NULL, snapshot, error);
        if (status != LION_OK) return status;
        done += take;
    }
    return LION_OK;
}

static void mark_absent(uint8_t *found, int64_t *bits, lion_value *values, uint32_t from,
                        uint32_t count)
{
    memset(found + from, 0, count - from);
    for (uint32_t i = from; i < count; i++) {
        if (bits != NULL)
            bits[i] = 0;
        else
            values[i] = lion_value_nil();
    }
}

lion_status lion_tree_gather(lion_vector *values_out, uint8_t *found, const lion_tree *tree,
                             lion_snapshot *snapshot, const int64_t *e, uint32_t count,
                             lion_arena *arena, lion_error *error)
{
    LION_ASSERT(tree->order == LION_AEVT);
    bool is_scalar = lion_type_is_scalar(tree->type);
    size_t size = (is_scalar ? sizeof(int64_t) : sizeof(lion_value)) * (count + 1u);
    void *room = lion_arena_alloc(arena, size);
    if (room == NULL) return lion_fail_memory(error);
    *values_out = (lion_vector){ .type = tree->type, .bits = room };
    int64_t *bits = is_scalar ? room : NULL;
    lion_value *values = is_scalar ? NULL : room;

    lion_descent descent;
    bool is_open = false;
    int64_t last = 0;
    for (uint32_t i = 0; i < count;) {
        lion_status status = LION_END;
        if (tree->height > 0)
            status = move_to(&descent, &is_open, &last, tree, snapshot, e[i], error);
        if (status == LION_END) {
            mark_absent(found, bits, values, i, count);
            return LION_OK;
        }
        if (status != LION_OK) return status;
        uint32_t to = i + 1; /* at least e[i], which is not behind this leaf */
        while (to < count && e[to] <= last) to++;
        status =
            gather_leaf(&descent.leaf, e + i, to - i, found + i, bits != NULL ? bits + i : NULL,
                        values != NULL ? values + i : NULL, snapshot, error);
        if (status != LION_OK) return status;
        i = to;
    }
    return LION_OK;
}
