/* lane_overlay.c - a lane of two sources: the current tree, and an overlay's columns
 * (index/overlay.h).
 *
 * A chunk of the tree is masked where it lies: patched rows get their other value, rows that are
 * gone are closed up. Then what is added is merged in between, by stretches: long ones are handed
 * out as they lie, on either side. Who wants rows in any order gets the tree's first and then what
 * is added. */
#include <string.h>

#include "index/lane.h"

/* ---- order ---- */

static inline int compare_ids(int64_t x, int64_t y)
{
    return (x > y) - (x < y);
}

static inline int compare_values(const lion_vector *x, uint32_t i, const lion_vector *y, uint32_t k)
{
    bool is_whole =
        x->type == y->type && lion_type_is_scalar(x->type) && x->type != LION_TYPE_DOUBLE;
    if (is_whole) return compare_ids(x->bits[i], y->bits[k]);
    return lion_value_compare(lion_vector_get(x, i), lion_vector_get(y, k));
}

/* Of facts, in the order of the tree whatever the direction; a lane that has one lead looks at what
 * follows alone. */
static inline int compare(const lion_lane *lane, const lion_datom_batch *x, uint32_t i,
                          const lion_datom_batch *y, uint32_t k)
{
    bool is_avet = lane->order == LION_AVET;
    int order = is_avet && !lane->is_lead_fixed ? compare_values(&x->v, i, &y->v, k) : 0;
    if (order == 0) order = compare_ids(x->e[i], y->e[k]);
    if (order != 0 || is_avet) return order;
    return compare_values(&x->v, i, &y->v, k);
}

static bool comes_before(const lion_lane *lane, const lion_datom_batch *x, uint32_t i,
                         const lion_datom_batch *y, uint32_t k)
{
    int order = compare(lane, x, i, y, k);
    return lane->is_reverse ? order > 0 : order < 0;
}

/* The first row of the chunk from `from` on that does not come before row k of the other. Mostly it
 * is near. */
static uint32_t place_in(const lion_lane *lane, const lion_datom_batch *chunk, uint32_t from,
                         const lion_datom_batch *other, uint32_t k)
{
    uint32_t low = from, high = chunk->count;
    for (uint32_t step = 1; low < high; step *= 2) {
        uint32_t probe = low + step - 1 < high ? low + step - 1 : high - 1;
        if (!comes_before(lane, chunk, probe, other, k)) {
            high = probe;
            break;
        }
        low = probe + 1;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (comes_before(lane, chunk, middle, other, k))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The same of the tree where it has no entity twice (AEVT): the place is not farther than the ids
 * are, and just there if none is left out. */
static uint32_t place_of_entity(const lion_lane *lane, const lion_datom_batch *chunk, uint32_t from,
                                int64_t e)
{
    if (from == chunk->count) return from;
    int64_t sign = lane->is_reverse ? -1 : 1, distance = sign * (e - chunk->e[from]);
    if (distance <= 0) return from;
    uint32_t low = from + 1, left = chunk->count - from;
    uint32_t high = distance < left ? from + (uint32_t)distance : chunk->count;
    if (sign * (e - chunk->e[high - 1]) > 0) return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sign * (e - chunk->e[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of the tree's chunk: the first row from the next on that does not come before the added row k. */
static uint32_t place_in_tree(const lion_lane *lane, const lion_datom_batch *added, uint32_t k)
{
    const lion_datom_batch *chunk = &lane->current->chunk;
    uint32_t from = lane->current->row;
    if (lane->order != LION_AEVT || !lane->overlay->is_single)
        return place_in(lane, chunk, from, added, k);
    uint32_t place = place_of_entity(lane, chunk, from, added->e[k]);
    bool is_of_entity = place < chunk->count && chunk->e[place] == added->e[k];
    return place + (is_of_entity && comes_before(lane, chunk, place, added, k));
}

/* ---- seeking ---- */

/* Rows of an overlay's list that lie before the boundary. */
static uint32_t bound(const lion_lane *lane, const lion_rows *rows, const lion_key *key, bool upper,
                      uint32_t otherwise)
{
    if (key->parts == 0) return otherwise;
    uint32_t low = 0, high = rows->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        lion_datom datom = { .e = rows->e[middle], .a = lane->a, .tx = rows->tx[middle] };
        if (lane->order == LION_AVET || key->parts > 2) datom.v = lion_vector_get(&rows->v, middle);
        int order = lion_datom_compare_prefix(lane->order, &datom, key);
        if (order < 0 || (upper && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

typedef struct range {
    const lion_key *low, *high;
    bool low_upper, high_upper;
} range;

static void find_range(const lion_lane *lane, const lion_rows *rows, const range *at,
                       uint32_t *from_out, uint32_t *to_out)
{
    uint32_t from = rows->count == 0 ? 0 : bound(lane, rows, at->low, at->low_upper, 0);
    uint32_t to = rows->count == 0 ? 0 : bound(lane, rows, at->high, at->high_upper, rows->count);
    *from_out = from;
    *to_out = to < from ? from : to;
}

static bool is_of_one_lead(const lion_key *start, const lion_key *stop)
{
    return start->parts >= 2 && stop->parts >= 2 &&
           lion_value_compare(start->datom.v, stop->datom.v) == 0;
}

/* What masks and merges look at, beside what is asked for. */
static uint32_t key_columns(const lion_lane *lane)
{
    bool is_merged = lane->added_from < lane->added_to && !lane->is_any_order;
    if (!lane->is_masked && !is_merged) return 0;
    bool is_by_entity =
        lane->order == LION_AVET ? lane->is_lead_fixed : lane->overlay->is_single && !is_merged;
    return LION_COLUMN_E | (is_by_entity ? 0 : LION_COLUMN_V);
}

lion_status lion_lane_overlay_seek(lion_lane *lane, const lion_key *start, bool start_upper,
                                   uint32_t rows, lion_error *error)
{
    const lion_overlay *overlay = lane->overlay;
    range at = { start, &lane->stop, start_upper, lane->stop_upper };
    if (lane->is_reverse) at = (range){ &lane->stop, start, lane->stop_upper, start_upper };
    uint32_t from, to;
    find_range(lane, &overlay->added, &at, &lane->added_from, &lane->added_to);
    find_range(lane, &overlay->gone, &at, &from, &to);
    lane->is_masked = from < to;
    find_range(lane, &overlay->patches, &at, &from, &to);
    lane->is_masked |= from < to;
    lane->is_lead_fixed = lane->order == LION_AVET && is_of_one_lead(start, &lane->stop);
    bool has_tree = overlay->has_tree && lane->source_count > 0 && lane->sources[0]->is_current;
    lane->current = has_tree ? lane->sources[0] : NULL;
    if (!has_tree) lane->type = (lion_type)overlay->added.v.type;
    if (!has_tree) return LION_OK;
    lion_lane_source *source = lane->current;
    source->row = source->chunk.count = 0;
    source->is_done = source->is_idle = false;
    source->wanted = rows;
    uint32_t columns = lane->columns | lion_lane_stop_columns(lane) | key_columns(lane);
    return lion_lane_seek_tree(lane, source, start, start_upper, columns, error);
}

/* ---- masks ---- */

/* The list's rows of the chunk's entities, from the first to the last. */
static void entities_of(const lion_lane *lane, const lion_rows *list, const lion_datom_batch *chunk,
                        uint32_t *from_out, uint32_t *to_out)
{
    int64_t first = chunk->e[0], last = chunk->e[chunk->count - 1];
    *from_out = lion_rows_from(list, 0, list->count, lane->is_reverse ? last : first);
    *to_out = lion_rows_from(list, *from_out, list->count, (lane->is_reverse ? first : last) + 1);
}

/* Whether the chunk has every entity between its first and its last, in AEVT without an entity
 * twice. */
static bool is_consecutive(const lion_lane *lane, const lion_datom_batch *chunk)
{
    uint32_t last = chunk->count - 1;
    int64_t span = chunk->e[last] - chunk->e[0];
    return (lane->is_reverse ? -span : span) == (int64_t)last;
}

/* Where the chunk has the entity, from the last one's place on. false: it has not. */
static bool find_entity(const lion_lane *lane, const lion_datom_batch *chunk, int64_t e,
                        uint32_t *place)
{
    *place = place_of_entity(lane, chunk, *place, e);
    return *place < chunk->count && chunk->e[*place] == e;
}

static void patch_row(lion_datom_batch *chunk, uint32_t row, const lion_rows *patches, uint32_t k)
{
    if (chunk->tx != NULL) ((int64_t *)(uintptr_t)chunk->tx)[row] = patches->tx[k];
    if (chunk->v.bits == NULL) return;
    if (lion_type_is_scalar(chunk->v.type))
        chunk->v.bits[row] = patches->v.bits[k];
    else
        chunk->v.values[row] = patches->v.values[k];
}

/* The iterator's columns are the lane's to change: they are made anew for each chunk. */
static void patch(const lion_lane *lane, lion_datom_batch *chunk)
{
    const lion_rows *patches = &lane->overlay->patches;
    if (patches->count == 0 || (chunk->v.bits == NULL && chunk->tx == NULL)) return;
    uint32_t from, to, row = 0;
    if (!lane->is_reverse && is_consecutive(lane, chunk)) {
        lion_overlay_patch(lane->overlay, chunk->e[0], chunk->count, &chunk->v, 0,
                           (int64_t *)(uintptr_t)chunk->tx);
        return;
    }
    entities_of(lane, patches, chunk, &from, &to);
    for (uint32_t i = from; i < to; i++) {
        uint32_t k = lane->is_reverse ? to - 1 - (i - from) : i;
        if (find_entity(lane, chunk, patches->e[k], &row)) patch_row(chunk, row, patches, k);
    }
}

static void close_up(void *column, size_t width, const uint16_t *gone, uint32_t count,
                     uint32_t rows)
{
    uint8_t *bytes = column;
    uint32_t to = gone[0];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = gone[i] + 1u, end = i + 1 < count ? gone[i + 1] : rows;
        memmove(bytes + to * width, bytes + from * width, (end - from) * width);
        to += end - from;
    }
}

static void remove_rows(lion_datom_batch *chunk, const uint16_t *gone, uint32_t count)
{
    if (count == 0) return;
    if (chunk->e != NULL)
        close_up((void *)(uintptr_t)chunk->e, sizeof(*chunk->e), gone, count, chunk->count);
    if (chunk->a != NULL)
        close_up((void *)(uintptr_t)chunk->a, sizeof(*chunk->a), gone, count, chunk->count);
    if (chunk->tx != NULL)
        close_up((void *)(uintptr_t)chunk->tx, sizeof(*chunk->tx), gone, count, chunk->count);
    if (chunk->added != NULL)
        close_up((void *)(uintptr_t)chunk->added, sizeof(*chunk->added), gone, count, chunk->count);
    size_t width = lion_type_is_scalar(chunk->v.type) ? sizeof(int64_t) : sizeof(lion_value);
    if (chunk->v.bits != NULL) close_up(chunk->v.bits, width, gone, count, chunk->count);
    chunk->count -= count;
}

/* How many of the list come before the chunk's row, in the order of the tree (upper: not behind
 * it). */
static uint32_t list_bound(const lion_lane *lane, const lion_datom_batch *list,
                           const lion_datom_batch *chunk, uint32_t row, bool upper)
{
    uint32_t low = 0, high = list->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = compare(lane, list, middle, chunk, row);
        if (order < 0 || (upper && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Where the lane has one lead: those of it. */
static lion_datom_batch gone_facts(const lion_lane *lane)
{
    const lion_rows *gone = &lane->overlay->gone;
    lion_datom_batch all = lion_rows_batch(gone, LION_COLUMN_ALL);
    if (!lane->is_lead_fixed) return all;
    lion_key lead = { .datom = lane->stop.datom, .parts = 2 };
    range at = { &lead, &lead, false, true };
    uint32_t from, to;
    find_range(lane, gone, &at, &from, &to);
    return lion_batch_part(&all, from, to - from);
}

static void remove_entities(const lion_lane *lane, lion_datom_batch *chunk)
{
    const lion_rows *list = &lane->overlay->gone;
    uint16_t gone[LION_BATCH_ROWS];
    uint32_t from, to, row = 0, count = 0;
    if (list->count == 0) return;
    entities_of(lane, list, chunk, &from, &to);
    for (uint32_t i = from; i < to; i++) {
        uint32_t k = lane->is_reverse ? to - 1 - (i - from) : i;
        if (find_entity(lane, chunk, list->e[k], &row)) gone[count++] = (uint16_t)row;
    }
    remove_rows(chunk, gone, count);
}

static void remove_facts(const lion_lane *lane, lion_datom_batch *chunk)
{
    lion_datom_batch list = gone_facts(lane);
    uint16_t gone[LION_BATCH_ROWS];
    uint32_t count = 0, row = 0, last = chunk->count - 1;
    if (list.count == 0) return;
    uint32_t from = list_bound(lane, &list, chunk, lane->is_reverse ? last : 0, false);
    uint32_t to = list_bound(lane, &list, chunk, lane->is_reverse ? 0 : last, true);
    for (uint32_t i = from; i < to; i++) {
        uint32_t k = lane->is_reverse ? to - 1 - (i - from) : i;
        row = place_in(lane, chunk, row, &list, k);
        if (row > last) break;
        if (compare(lane, chunk, row, &list, k) == 0) gone[count++] = (uint16_t)row;
    }
    remove_rows(chunk, gone, count);
}

static void mask(const lion_lane *lane, lion_datom_batch *chunk)
{
    patch(lane, chunk);
    if (lane->order == LION_AEVT && lane->overlay->is_single)
        remove_entities(lane, chunk);
    else
        remove_facts(lane, chunk);
}

/* ---- stepping ---- */

/* The tree's next rows, masked; it is done when there are none. */
static lion_status fill(lion_lane *lane, lion_error *error)
{
    lion_lane_source *source = lane->current;
    if (source == NULL) return LION_OK;
    while (source->row == source->chunk.count && !source->is_done) {
        if (lion_lane_load(lane, source, error) != LION_OK) return LION_FAILED;
        if (lane->is_masked && source->chunk.count > 0) mask(lane, &source->chunk);
    }
    return LION_OK;
}

static uint32_t tree_rows(const lion_lane *lane)
{
    return lane->current == NULL ? 0 : lane->current->chunk.count - lane->current->row;
}

static lion_status reserve(lion_lane *lane, uint32_t limit, lion_error *error)
{
    if (lane->rows.capacity < limit && !lion_rows_init(&lane->rows, lane->type, limit, lane->arena))
        return lion_fail_memory(error);
    lane->rows.v.type = (uint8_t)lane->type;
    lane->rows.count = 0;
    return LION_OK;
}

/* In the direction of travel: forward as they lie, backward copied. */
static lion_status take_added(lion_lane *lane, uint32_t count, lion_datom_batch *batch_out,
                              lion_error *error)
{
    lion_datom_batch added = lion_rows_batch(&lane->overlay->added, LION_COLUMN_ALL);
    if (!lane->is_reverse) {
        *batch_out = lion_batch_part(&added, lane->added_from, count);
        lane->added_from += count;
        return LION_OK;
    }
    if (reserve(lane, count, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < count; i++, lane->added_to--)
        lion_rows_append(&lane->rows, &added, lane->added_to - 1, lane->added_to);
    *batch_out = lion_rows_batch(&lane->rows, LION_COLUMN_ALL);
    return LION_OK;
}

static void take_tree(lion_lane *lane, uint32_t count, lion_datom_batch *batch_out)
{
    lion_lane_source *source = lane->current;
    *batch_out = lion_batch_part(&source->chunk, source->row, count);
    source->row += count;
}

static uint32_t next_added(const lion_lane *lane)
{
    return lane->is_reverse ? lane->added_to - 1 : lane->added_from;
}

static lion_datom_batch without_columns(const lion_datom_batch *batch, uint32_t columns)
{
    lion_datom_batch left = *batch;
    left.columns = columns;
    if (!(columns & LION_COLUMN_E)) left.e = NULL;
    if (!(columns & LION_COLUMN_A)) left.a = NULL;
    if (!(columns & LION_COLUMN_V)) left.v.bits = NULL;
    if (!(columns & LION_COLUMN_TX)) {
        left.tx = NULL;
        left.added = NULL;
    }
    return left;
}

/* Forward: how many of the added rows come before the tree's next one. */
static uint32_t added_before_tree(const lion_lane *lane)
{
    if (lane->is_reverse) return 0;
    lion_datom_batch added = lion_rows_batch(&lane->overlay->added, LION_COLUMN_ALL);
    added.count = lane->added_to;
    return place_in(lane, &added, lane->added_from, &lane->current->chunk, lane->current->row) -
           lane->added_from;
}

/* The added rows that come next, of those columns that the chunk has: forward as many as come
 * before the tree's row. false: so many that they are worth a batch of their own. */
static bool merge_added(lion_lane *lane, const lion_datom_batch *added, uint32_t limit)
{
    uint32_t count = added_before_tree(lane), from = next_added(lane);
    if (count >= LION_LANE_STRETCH && lane->rows.count > 0) return false;
    if (count == 0) count = 1;
    if (count > limit) count = limit;
    lion_rows_append(&lane->rows, added, from, from + count);
    if (lane->is_reverse)
        lane->added_to--;
    else
        lane->added_from += count;
    return true;
}

/* Short stretches by turns, until there are `limit` rows, the tree's chunk ends, or a long one is
 * next. */
static lion_status merge(lion_lane *lane, uint32_t limit, lion_datom_batch *batch_out,
                         lion_error *error)
{
    lion_lane_source *source = lane->current;
    lion_datom_batch all = lion_rows_batch(&lane->overlay->added, LION_COLUMN_ALL),
                     *chunk = &source->chunk, added = without_columns(&all, chunk->columns);
    if (reserve(lane, limit, error) != LION_OK) return LION_FAILED;
    while (lane->rows.count < limit && source->row < chunk->count) {
        uint32_t left = limit - lane->rows.count, place = chunk->count;
        if (lane->added_from < lane->added_to) place = place_in_tree(lane, &all, next_added(lane));
        uint32_t take = place - source->row;
        if (take >= LION_LANE_STRETCH && lane->rows.count > 0) break;
        if (take > left) take = left;
        lion_rows_append(&lane->rows, chunk, source->row, source->row + take);
        source->row += take;
        if (source->row < place || lane->rows.count == limit || place == chunk->count) continue;
        if (!merge_added(lane, &added, limit - lane->rows.count)) break;
    }
    lion_datom_batch merged = lion_rows_batch(&lane->rows, chunk->columns);
    *batch_out = without_columns(&merged, chunk->columns);
    return LION_OK;
}

lion_status lion_lane_overlay_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                                   lion_error *error)
{
    if (fill(lane, error) != LION_OK) return LION_FAILED;
    uint32_t rows = tree_rows(lane), added = lane->added_to - lane->added_from;
    if (rows == 0 && added == 0) return LION_END;
    if (rows == 0) return take_added(lane, added < limit ? added : limit, batch_out, error);
    uint32_t place = rows;
    if (added > 0 && !lane->is_any_order) {
        lion_datom_batch list = lion_rows_batch(&lane->overlay->added, LION_COLUMN_ALL);
        place = place_in_tree(lane, &list, next_added(lane)) - lane->current->row;
    }
    if (place == rows || place >= LION_LANE_STRETCH) {
        take_tree(lane, place < limit ? place : limit, batch_out);
        return LION_OK;
    }
    added = place == 0 ? added_before_tree(lane) : 0;
    if (added >= LION_LANE_STRETCH)
        return take_added(lane, added < limit ? added : limit, batch_out, error);
    return merge(lane, limit, batch_out, error);
}
