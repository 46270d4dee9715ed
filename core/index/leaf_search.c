/* leaf_search.c - single rows of a leaf, and finding them. Ranges are read by leaf_read.c. */
#include "base/assert.h"
#include "index/leaf.h"

static lion_status run_start(uint32_t *row_out, lion_leaf *leaf, size_t run, lion_error *error)
{
    uint32_t to;
    if (run < leaf->leads) return lion_leaf_run_rows(row_out, &to, leaf, (uint32_t)run, error);
    *row_out = leaf->rows;
    return LION_OK;
}

/* ---- rows ---- */

lion_status lion_leaf_row(lion_datom *datom_out, lion_leaf *leaf, uint32_t row, lion_error *error)
{
    LION_ASSERT(row < leaf->rows);
    if (lion_leaf_need(leaf, LION_LEAF_E | LION_LEAF_V | LION_LEAF_TX, error) != LION_OK)
        return LION_FAILED;
    uint32_t run, from, to;
    if (lion_leaf_run_of(&run, leaf, row, error) != LION_OK) return LION_FAILED;
    *datom_out = (lion_datom){ .tx = lion_ints_get(&leaf->tx, row), .a = leaf->a, .added = true };
    if (leaf->added != NULL) datom_out->added = (leaf->added[row / 8] >> (row % 8) & 1) != 0;
    datom_out->e = lion_ints_get(&leaf->e, leaf->order == LION_AVET ? row : run);
    if (leaf->order == LION_EAVT) {
        if (lion_leaf_run_rows(&from, &to, leaf, run, error) != LION_OK) return LION_FAILED;
        return lion_leaf_read_run(leaf, run, row - from, 1, &datom_out->a, &datom_out->v, error);
    }
    if (!lion_column_get(&leaf->v, leaf->order == LION_AVET ? run : row, &datom_out->v))
        return lion_leaf_corrupt(error, "column v");
    return LION_OK;
}

/* ---- search ---- */

static int compare_ids(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* How a row of the run compares with the key in the components behind the lead, as far as they are
 * given. */
static lion_status compare_tail(int *order_out, lion_leaf *leaf, uint32_t run, uint32_t start,
                                uint32_t row, const lion_key *key, lion_snapshot *snapshot,
                                lion_error *error)
{
    unsigned left = key->parts - (leaf->order == LION_EAVT ? 1u : 2u);
    int order = 0;
    lion_value v = { 0 };
    if (leaf->order == LION_EAVT) {
        uint32_t a;
        lion_status status =
            lion_leaf_read_run(leaf, run, row - start, 1, &a, left > 1 ? &v : NULL, error);
        if (status != LION_OK) return status;
        order = (a > key->datom.a) - (a < key->datom.a);
        left--;
    } else if (leaf->order == LION_AVET) {
        order = compare_ids(lion_ints_get(&leaf->e, row), key->datom.e);
        left--;
    } else if (!lion_column_get(&leaf->v, row, &v)) {
        return lion_leaf_corrupt(error, "column v");
    }
    if (order == 0 && left > 0 && leaf->order != LION_AVET) {
        if (lion_stub_compare(&order, &v, &key->datom.v, snapshot, error) != LION_OK)
            return LION_FAILED;
        left--;
    }
    if (order == 0 && left > 0) order = compare_ids(key->datom.tx, lion_ints_get(&leaf->tx, row));
    *order_out = order;
    return LION_OK;
}

static lion_status search_run(uint32_t *row_out, lion_leaf *leaf, uint32_t run, const lion_key *key,
                              bool upper, lion_snapshot *snapshot, lion_error *error)
{
    uint32_t start, end;
    if (lion_leaf_run_rows(&start, &end, leaf, run, error) != LION_OK) return LION_FAILED;
    if (leaf->order == LION_AVET && (key->parts == 3 || end - start > 8)) {
        /* e ascends in the run: search it as a column first. */
        size_t low = lion_ints_lower_bound(&leaf->e, start, end, key->datom.e);
        size_t high = key->datom.e == INT64_MAX
                          ? end
                          : lion_ints_lower_bound(&leaf->e, low, end, key->datom.e + 1);
        if (key->parts == 3) {
            *row_out = (uint32_t)(upper ? high : low);
            return LION_OK;
        }
        if (low == high) {
            *row_out = (uint32_t)low;
            return LION_OK;
        }
        uint32_t from = (uint32_t)low, to = (uint32_t)high; /* tx descends */
        while (from < to && (lion_ints_get(&leaf->tx, from) > key->datom.tx ||
                             (upper && lion_ints_get(&leaf->tx, from) == key->datom.tx)))
            from++;
        *row_out = from;
        return LION_OK;
    }
    uint32_t from = start, to = end;
    while (from < to) {
        uint32_t middle = from + (to - from) / 2;
        int order = 0;
        if (compare_tail(&order, leaf, run, start, middle, key, snapshot, error) != LION_OK)
            return LION_FAILED;
        if (order < 0 || (upper && order == 0))
            from = middle + 1;
        else
            to = middle;
    }
    *row_out = from;
    return LION_OK;
}

/* First run whose lead is >= the key's (upper: >), and whether it is equal. */
static lion_status search_leads(size_t *run_out, bool *is_equal_out, lion_leaf *leaf,
                                const lion_key *key, bool upper, lion_snapshot *snapshot,
                                lion_error *error)
{
    *is_equal_out = false;
    if (leaf->order != LION_AVET) {
        int64_t e = key->datom.e;
        bool is_last = upper && e == INT64_MAX;
        *run_out = is_last ? leaf->leads
                           : lion_ints_lower_bound(&leaf->e, 0, leaf->leads, e + (upper ? 1 : 0));
        if (!upper && *run_out < leaf->leads)
            *is_equal_out = lion_ints_get(&leaf->e, *run_out) == e;
        return LION_OK;
    }
    lion_status status = lion_column_lower_bound(run_out, &leaf->v, 0, leaf->leads, &key->datom.v,
                                                 upper, snapshot, error);
    if (status != LION_OK || upper || *run_out == leaf->leads) return status;
    lion_value lead;
    int order;
    if (!lion_column_get(&leaf->v, *run_out, &lead)) return lion_leaf_corrupt(error, "column v");
    status = lion_stub_compare(&order, &lead, &key->datom.v, snapshot, error);
    *is_equal_out = order == 0;
    return status;
}

lion_status lion_leaf_lower_bound(uint32_t *row_out, lion_leaf *leaf, const lion_key *key,
                                  bool upper, lion_snapshot *snapshot, lion_error *error)
{
    unsigned lead_parts = leaf->order == LION_EAVT ? 1 : 2;
    if (key->parts < lead_parts) {
        *row_out = upper ? leaf->rows : 0;
        return LION_OK;
    }
    unsigned parts = LION_LEAF_RUNS | (leaf->order == LION_AVET ? LION_LEAF_V : LION_LEAF_E);
    if (key->parts > lead_parts) parts |= LION_LEAF_E | LION_LEAF_V;
    if (key->parts == 4) parts |= LION_LEAF_TX;
    if (lion_leaf_need(leaf, parts, error) != LION_OK) return LION_FAILED;

    size_t run;
    bool is_equal;
    bool is_lead = key->parts == lead_parts;
    if (search_leads(&run, &is_equal, leaf, key, is_lead && upper, snapshot, error) != LION_OK)
        return LION_FAILED;
    if (is_lead || !is_equal) return run_start(row_out, leaf, run, error);
    return search_run(row_out, leaf, (uint32_t)run, key, upper, snapshot, error);
}
