/* lane_rows.c - what a lane does with rows: find stretches, stop, and reduce merged rows to what
 * the view shows. */
#include "index/lane.h"

/* A row with the columns that are there; the others are zero. */
static lion_datom row_of(const lion_datom_batch *batch, uint32_t row)
{
    lion_datom datom = { 0 };
    if (batch->e != NULL) datom.e = batch->e[row];
    if (batch->a != NULL) datom.a = batch->a[row];
    if (batch->v.bits != NULL) datom.v = lion_vector_get(&batch->v, row);
    if (batch->tx != NULL) datom.tx = batch->tx[row];
    return datom;
}

bool lion_datom_same_fact(const lion_datom *x, const lion_datom *y)
{
    return x->e == y->e && x->a == y->a && lion_value_compare(x->v, y->v) == 0;
}

/* -- Stretches ----------------------------------------------------------------------------------
 */

/* The order of the leading column alone, mostly enough to tell; 0: it is not. */
static inline int compare_leads(const lion_lane *lane, const lion_datom_batch *batch, uint32_t row,
                                const lion_datom *other)
{
    if (lane->order != LION_AVET) return (batch->e[row] > other->e) - (batch->e[row] < other->e);
    bool is_whole = batch->v.type == other->v.type && lion_type_is_scalar(batch->v.type) &&
                    batch->v.type != LION_TYPE_DOUBLE && !batch->v.is_constant;
    if (!is_whole) return 0;
    return (batch->v.bits[row] > other->v.bits) - (batch->v.bits[row] < other->v.bits);
}

static bool comes_before(const lion_lane *lane, const lion_datom_batch *batch, uint32_t row,
                         const lion_datom *other, bool by_fact)
{
    int leads = compare_leads(lane, batch, row, other);
    if (leads != 0) return lane->is_reverse ? leads > 0 : leads < 0;
    lion_datom datom = lion_datom_batch_get(batch, row);
    int order = by_fact ? lion_datom_compare_fact(lane->order, &datom, other)
                        : lion_datom_compare(lane->order, &datom, other);
    return lane->is_reverse ? order > 0 : order < 0;
}

uint32_t lion_lane_stretch(const lion_lane *lane, const lion_datom_batch *batch, uint32_t from,
                           const lion_datom *other, bool by_fact)
{
    uint32_t low = from, high = batch->count;
    for (uint32_t step = 1; low < high; step *= 2) { /* gallop: mostly it ends soon */
        uint32_t probe = low + step - 1 < high ? low + step - 1 : high - 1;
        if (!comes_before(lane, batch, probe, other, by_fact)) {
            high = probe;
            break;
        }
        low = probe + 1;
    }
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (comes_before(lane, batch, middle, other, by_fact))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_before_stop(const lion_lane *lane, const lion_datom_batch *batch, uint32_t row)
{
    lion_datom datom = row_of(batch, row);
    if (lane->order != LION_EAVT) datom.a = lane->a;
    int order = lion_datom_compare_prefix(lane->order, &datom, &lane->stop);
    bool is_below = order < 0 || (order == 0 && lane->stop_upper);
    return lane->is_reverse ? !is_below : is_below;
}

uint32_t lion_lane_rows_before_stop(const lion_lane *lane, const lion_datom_batch *batch)
{
    unsigned lead = lane->order == LION_EAVT ? 1 : 2;
    if (lane->stop.parts < lead || batch->count == 0) return batch->count;
    if (is_before_stop(lane, batch, batch->count - 1)) return batch->count;
    uint32_t low = 0, high = batch->count - 1;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (is_before_stop(lane, batch, middle))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -- Reducing -----------------------------------------------------------------------------------
 */

bool lion_lane_is_visible(const lion_lane *lane, int64_t tx)
{
    return tx >= lane->min_tx && tx <= lane->max_tx;
}

static void set_row(lion_rows *rows, uint32_t row, const lion_datom *datom)
{
    uint32_t count = rows->count;
    rows->count = row;
    lion_rows_put(rows, datom);
    rows->count = count;
}

static lion_datom get_row(const lion_rows *rows, uint32_t row)
{
    return (lion_datom){ .e = rows->e[row],
                         .a = rows->a[row],
                         .v = lion_vector_get(&rows->v, row),
                         .tx = rows->tx[row],
                         .added = rows->added[row] != 0 };
}

static bool is_last_fact(const lion_lane *lane, const lion_rows *rows, uint32_t row)
{
    return lane->has_last && rows->e[row] == lane->last.e && rows->a[row] == lane->last.a &&
           lion_value_compare(lion_vector_get(&rows->v, row), lane->last.v) == 0;
}

void lion_lane_keep_visible(const lion_lane *lane, lion_rows *rows, uint32_t from)
{
    if (!lane->has_bounds) return;
    uint32_t kept = from;
    for (uint32_t i = from; i < rows->count; i++)
        if (lion_lane_is_visible(lane, rows->tx[i])) lion_rows_move(rows, kept++, i);
    rows->count = kept;
}

/* Only assertions, no two neighbours of one entity and attribute, all visible: nothing is to be
 * done. */
static bool is_reduced(const lion_lane *lane, const lion_rows *rows, uint32_t from)
{
    if (lane->has_bounds || rows->count == from || is_last_fact(lane, rows, from)) return false;
    bool is_other = rows->added[from] == 0;
    for (uint32_t i = from + 1; i < rows->count; i++)
        is_other |= (rows->added[i] == 0) |
                    ((rows->e[i] == rows->e[i - 1]) & (rows->a[i] == rows->a[i - 1]));
    return !is_other;
}

/* The newest comes first: it decides, the others of its fact go. */
static void reduce_forward(lion_lane *lane, lion_rows *rows, uint32_t from)
{
    if (is_reduced(lane, rows, from)) {
        lane->last = get_row(rows, rows->count - 1);
        lane->has_last = true;
        return;
    }
    uint32_t kept = from;
    for (uint32_t i = from; i < rows->count; i++) {
        if (!lion_lane_is_visible(lane, rows->tx[i]) || is_last_fact(lane, rows, i)) continue;
        lane->last.e = rows->e[i];
        lane->last.a = rows->a[i];
        lane->last.v = lion_vector_get(&rows->v, i);
        lane->has_last = true;
        if (rows->added[i] != 0) lion_rows_move(rows, kept++, i);
    }
    rows->count = kept;
}

/* The newest comes last: each row waits until it is known to be the newest of its fact. */
static void reduce_reverse(lion_lane *lane, lion_rows *rows, uint32_t from)
{
    uint32_t kept = from;
    for (uint32_t i = from; i < rows->count; i++) {
        if (!lion_lane_is_visible(lane, rows->tx[i])) continue;
        lion_datom row =
            get_row(rows, i); /* read first: row i may be where the one that waited goes */
        if (lane->has_last && lane->last.added && !lion_datom_same_fact(&row, &lane->last))
            set_row(rows, kept++, &lane->last);
        lane->last = row;
        lane->has_last = true;
    }
    rows->count = kept;
}

void lion_lane_reduce(lion_lane *lane, lion_rows *rows, uint32_t from)
{
    if (lane->view->is_history)
        lion_lane_keep_visible(lane, rows, from);
    else if (lane->is_reverse)
        reduce_reverse(lane, rows, from);
    else
        reduce_forward(lane, rows, from);
}
