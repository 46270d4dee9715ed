/* cursor.c - a cursor walks one lane, or one after another (attribute by attribute), or merges
 * lanes by value (VAET, see cursor_vaet.c); what they yield is shown to the view's filters. */
#include "index/cursor_parts.h"

#include <string.h>

#include "base/assert.h"

#define FIRST_ROWS_OF_PREFIX 16 /* where a key has more than an attribute, few rows are likely */
#define FIRST_ROWS_OF_MANY 64   /* of each attribute, walking the whole index */

/* -- Keys ---------------------------------------------------------------------------------------
 */

/* The cursor's own copy: the caller's value need not live on. */
static lion_status copy_key(lion_cursor *cursor, const lion_key *key, lion_error *error)
{
    LION_ASSERT(key->parts <= 4);
    cursor->key = *key;
    lion_value *v = &cursor->key.datom.v;
    bool has_value = cursor->index == LION_VAET || cursor->index == LION_AVET
                         ? key->parts >= (cursor->index == LION_VAET ? 1 : 2)
                         : key->parts >= 3;
    if (!has_value) {
        *v = lion_value_nil();
        return LION_OK;
    }
    if (lion_type_is_scalar(v->type) || v->size == 0) return LION_OK;
    if (cursor->key_capacity < v->size) {
        uint32_t capacity = v->size < 64 ? 64 : v->size;
        cursor->key_bytes = lion_arena_alloc(cursor->arena, capacity);
        if (cursor->key_bytes == NULL || cursor->arena->is_exhausted)
            return lion_fail_memory(error);
        cursor->key_capacity = capacity;
    }
    memmove(cursor->key_bytes, v->data, v->size);
    v->data = cursor->key_bytes;
    return LION_OK;
}

/* Without history the newest datom of a fact decides, so that a key with tx must see all of the
 * fact's datoms: the lane is given the fact, and cursor_pick looks at tx afterwards. */
static lion_key lane_key(const lion_cursor *cursor)
{
    lion_key key = cursor->key;
    if (key.parts == 4 && !cursor->view->is_history) key.parts = 3;
    return key;
}

static uint32_t first_rows(const lion_cursor *cursor, const lion_key *key)
{
    if (cursor->options.batch_rows != 0)
        return cursor->options.batch_rows < LION_BATCH_ROWS ? cursor->options.batch_rows
                                                            : LION_BATCH_ROWS;
    if (key->parts > (cursor->lane.order == LION_EAVT ? 0 : 1) && !cursor->options.is_seek)
        return FIRST_ROWS_OF_PREFIX;
    return cursor->attribute_count > 1 ? FIRST_ROWS_OF_MANY : LION_BATCH_ROWS;
}

/* -- One lane -----------------------------------------------------------------------------------
 */

/* The boundaries of what the options ask for: key is in the lane's order. */
static lion_status place_lane(lion_cursor *cursor, const lion_key *key, bool is_seek,
                              lion_error *error)
{
    const lion_cursor_options *options = &cursor->options;
    lion_key none = { .parts = 0 };
    lion_key start = *key, stop = is_seek ? none : *key;
    bool is_reverse = options->is_reverse, start_upper = is_reverse, stop_upper = !is_reverse;
    if (options->end_v != NULL) {
        lion_key end = { .datom = { .a = cursor->lane.a, .v = *options->end_v }, .parts = 2 };
        bool is_prefix_first = !is_seek && key->parts >= 2;
        bool is_empty = key->parts >= 2 && lion_value_compare(key->datom.v, end.datom.v) >= 0;
        if (is_empty) { /* nothing lies between; stop where it starts */
            stop = start = end;
            start_upper = stop_upper = false;
        } else if (!is_prefix_first && is_reverse) {
            start = end;
            start_upper = false;
            stop = *key;
        } else if (!is_prefix_first) {
            stop = end;
            stop_upper = false;
        }
    }
    return lion_lane_seek(&cursor->lane, &start, start_upper, &stop, stop_upper,
                          first_rows(cursor, key), error);
}

static lion_status open_lane(lion_cursor *cursor, lion_index order, uint32_t a, lion_error *error)
{
    uint32_t columns = cursor->options.columns != 0 ? cursor->options.columns : LION_COLUMN_ALL;
    if (cursor->view->filter_count > 0 || cursor->key.parts == 4) columns = LION_COLUMN_ALL;
    bool is_same = cursor->has_lane && cursor->lane.a == a && cursor->lane.order == order &&
                   cursor->lane.columns == columns;
    if (is_same) return LION_OK;
    cursor->has_lane = true;
    lion_status status = lion_lane_open(&cursor->lane, cursor->view, order, a, columns,
                                        cursor->options.is_reverse, cursor->arena, error);
    cursor->lane.is_any_order = cursor->options.is_any_order;
    if (cursor->options.is_retractions) lion_lane_leave_trees(&cursor->lane, true);
    return status;
}

/* -- Lane after lane ----------------------------------------------------------------------------
 */

static bool has_attribute(const lion_view *view, lion_index order, uint32_t a)
{
    if (lion_view_tree(view, order, a, false) != NULL) return true;
    if (lion_view_tree(view, order, a, true) != NULL) return true;
    lion_novelty_iterator iterator;
    lion_novelty_iterator_init(&iterator, &view->novelty, order, a, false);
    if (iterator.root != 0) return true;
    lion_novelty_iterator_init(&iterator, &view->speculative, order, a, false);
    return iterator.root != 0;
}

static uint32_t count_attributes(const lion_novelty_version *version)
{
    uint32_t place = 0, a, count = 0;
    while (lion_novelty_attribute_next(version, &place, &a)) count++;
    return count;
}

static bool next_root_attribute(const lion_view *view, uint32_t *place, uint32_t *a_out)
{
    if (view->root == NULL || *place >= view->root->attribute_count) return false;
    *a_out = view->root->attributes[(*place)++].a;
    return true;
}

/* All attributes that the view has datoms of, ascending: three ascending lists become one. */
static lion_status list_attributes(lion_cursor *cursor, lion_error *error)
{
    const lion_view *view = cursor->view;
    size_t most = (view->root != NULL ? view->root->attribute_count : 0) +
                  count_attributes(&view->novelty) + count_attributes(&view->speculative);
    uint32_t *list = lion_arena_array(cursor->arena, uint32_t, most + 1);
    if (list == NULL || lion_arena_check(cursor->arena, error) != LION_OK)
        return lion_fail_memory(error);
    uint32_t places[3] = { 0 }, heads[3] = { 0 }, count = 0;
    bool has[3] = { next_root_attribute(view, &places[0], &heads[0]),
                    lion_novelty_attribute_next(&view->novelty, &places[1], &heads[1]),
                    lion_novelty_attribute_next(&view->speculative, &places[2], &heads[2]) };
    while (has[0] || has[1] || has[2]) {
        uint32_t a = UINT32_MAX;
        for (unsigned i = 0; i < 3; i++)
            if (has[i] && heads[i] < a) a = heads[i];
        if (has[0] && heads[0] == a) has[0] = next_root_attribute(view, &places[0], &heads[0]);
        if (has[1] && heads[1] == a)
            has[1] = lion_novelty_attribute_next(&view->novelty, &places[1], &heads[1]);
        if (has[2] && heads[2] == a)
            has[2] = lion_novelty_attribute_next(&view->speculative, &places[2], &heads[2]);
        if (has_attribute(view, cursor->index, a)) list[count++] = a;
    }
    cursor->attributes = list;
    cursor->attribute_count = count;
    return LION_OK;
}

/* Where the walk over the attributes begins: at key's a, or behind it in the direction of travel.
 */
static void place_attributes(lion_cursor *cursor)
{
    uint32_t count = cursor->attribute_count, place = 0;
    if (cursor->index != LION_VAET && cursor->key.parts >= 1) {
        while (place < count && cursor->attributes[place] < cursor->key.datom.a) place++;
        if (!cursor->options.is_reverse) {
            cursor->next = place;
            return;
        }
        bool is_there = place < count && cursor->attributes[place] == cursor->key.datom.a;
        cursor->next = is_there ? place + 1 : place; /* in reverse: as many are left */
        return;
    }
    cursor->next = cursor->options.is_reverse ? count : 0;
}

/* The next attribute's lane. LION_END: there is none. */
static lion_status next_lane(lion_cursor *cursor, lion_error *error)
{
    bool is_reverse = cursor->options.is_reverse;
    if (is_reverse ? cursor->next == 0 : cursor->next == cursor->attribute_count) return LION_END;
    uint32_t a = cursor->attributes[is_reverse ? --cursor->next : cursor->next++];
    lion_key key = { .parts = 0 };
    if (cursor->index == LION_VAET) { /* of one value */
        key = (lion_key){ .datom = { .a = a, .v = cursor->key.datom.v }, .parts = 2 };
    } else if (cursor->key.parts > 0 && a == cursor->key.datom.a) {
        key = lane_key(cursor);
    }
    lion_index order = cursor->index == LION_AEVT ? LION_AEVT : LION_AVET;
    if (open_lane(cursor, order, a, error) != LION_OK) return LION_FAILED;
    return place_lane(cursor, &key, cursor->index != LION_VAET, error);
}

/* -- Placing the cursor -------------------------------------------------------------------------
 */

/* EAVT, or one attribute. VAET (v a e tx) becomes AVET of a. */
static lion_status place_single(lion_cursor *cursor, lion_error *error)
{
    lion_index order = cursor->index == LION_VAET ? LION_AVET : cursor->index;
    lion_key key = lane_key(cursor);
    cursor->mode = LION_CURSOR_SINGLE;
    if (open_lane(cursor, order, order == LION_EAVT ? 0 : key.datom.a, error) != LION_OK)
        return LION_FAILED;
    return place_lane(cursor, &key, cursor->options.is_seek, error);
}

static lion_status place_chain(lion_cursor *cursor, lion_error *error)
{
    cursor->mode = LION_CURSOR_CHAIN;
    if (cursor->index == LION_VAET) {
        cursor->attributes = cursor->view->vaet_attributes;
        cursor->attribute_count = cursor->view->vaet_count;
    } else if (cursor->attributes == NULL && list_attributes(cursor, error) != LION_OK) {
        return LION_FAILED;
    }
    place_attributes(cursor);
    lion_status status = next_lane(cursor, error);
    cursor->is_done = status == LION_END;
    return status == LION_END ? LION_OK : status;
}

static lion_status place_cursor(lion_cursor *cursor, const lion_key *key, lion_error *error)
{
    const lion_cursor_options *options = &cursor->options;
    if (copy_key(cursor, key, error) != LION_OK) return LION_FAILED;
    cursor->is_done = false;
    cursor->is_asking = false;
    cursor->limit = options->batch_rows != 0 && options->batch_rows < LION_BATCH_ROWS
                        ? options->batch_rows
                        : LION_BATCH_ROWS;
    switch (cursor->index) {
    case LION_EAVT: return place_single(cursor, error);
    case LION_AEVT:
    case LION_AVET: {
        bool is_chain = key->parts == 0 || (options->is_seek && !options->is_in_attribute);
        return is_chain && options->end_v == NULL ? place_chain(cursor, error)
                                                  : place_single(cursor, error);
    }
    case LION_VAET:
        if (key->parts == 0 || options->is_seek) return lion_cursor_place_vaet(cursor, error);
        return key->parts == 1 ? place_chain(cursor, error) : place_single(cursor, error);
    }
    LION_ASSERT(cursor->index <= LION_VAET);
    return LION_OK;
}

lion_status lion_cursor_open(lion_cursor **cursor_out, const lion_view *view, lion_index index,
                             const lion_key *key, const lion_cursor_options *options,
                             lion_arena *arena, lion_error *error)
{
    static const lion_cursor_options DEFAULTS = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = lion_arena_new(arena, lion_cursor);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    cursor->view = view;
    cursor->index = index;
    cursor->options = options != NULL ? *options : DEFAULTS;
    cursor->arena = arena;
    if (place_cursor(cursor, key, error) != LION_OK) return LION_FAILED;
    *cursor_out = cursor;
    return LION_OK;
}

void lion_cursor_renew(lion_cursor *cursor, const lion_view *view)
{
    cursor->view = view;
    cursor->has_lane = false;
    cursor->attributes = NULL;
    cursor->attribute_count = 0;
    cursor->legs = NULL;
    cursor->leg_count = 0;
}

lion_status lion_cursor_seek(lion_cursor *cursor, const lion_key *key, lion_error *error)
{
    return place_cursor(cursor, key, error);
}

lion_status lion_cursor_seek_range(lion_cursor *cursor, const lion_key_range *range,
                                   lion_error *error)
{
    LION_ASSERT(cursor->index == LION_AEVT || cursor->index == LION_AVET);
    LION_ASSERT(!cursor->options.is_reverse && range->from.parts >= 1 && range->from.parts < 4);
    cursor->key = range->from;
    cursor->is_done = cursor->is_asking = false;
    cursor->limit = LION_BATCH_ROWS;
    cursor->mode = LION_CURSOR_SINGLE;
    if (open_lane(cursor, cursor->index, range->from.datom.a, error) != LION_OK) return LION_FAILED;
    return lion_lane_seek(&cursor->lane, &range->from, false, &range->to, range->to_upper,
                          LION_BATCH_ROWS, error);
}

/* -- Stepping -----------------------------------------------------------------------------------
 */

static lion_status next_batch(lion_cursor *cursor, lion_datom_batch *batch_out, lion_error *error)
{
    if (cursor->mode == LION_CURSOR_VAET)
        return lion_cursor_next_vaet(cursor, batch_out, cursor->limit, error);
    for (;;) {
        lion_status status = lion_lane_next(&cursor->lane, batch_out, cursor->limit, error);
        if (status != LION_END || cursor->mode == LION_CURSOR_SINGLE) return status;
        status = next_lane(cursor, error);
        if (status != LION_OK) return status;
    }
}

/* Keep the rows that `keep` marks, in the cursor's own columns. */
static lion_status compact(lion_cursor *cursor, lion_datom_batch *batch, const uint8_t *keep,
                           lion_error *error)
{
    uint32_t kept = 0, count = batch->count;
    while (kept < count && keep[kept] != 0) kept++;
    if (kept == count) return LION_OK;
    lion_rows *rows = &cursor->kept;
    if (rows->capacity < LION_BATCH_ROWS &&
        !lion_rows_init(rows, LION_TYPE_MIXED, LION_BATCH_ROWS, cursor->arena))
        return lion_fail_memory(error);
    if (batch->e != rows->e) { /* else a filter before this one brought them here */
        rows->v.type = batch->v.type;
        rows->count = 0;
        lion_rows_append(rows, batch, 0, count);
    }
    for (uint32_t i = kept; i < count; i++)
        if (keep[i] != 0) lion_rows_move(rows, kept++, i);
    rows->count = kept;
    *batch = lion_rows_batch(rows, LION_COLUMN_ALL);
    return LION_OK;
}

static bool reserve_verdict(lion_cursor *cursor)
{
    if (cursor->verdict == NULL)
        cursor->verdict = lion_arena_array(cursor->arena, uint8_t, LION_BATCH_ROWS);
    return cursor->verdict != NULL && !cursor->arena->is_exhausted;
}

/* Of the fact that the key names only the datom of its tx (seeking: those behind it). */
static lion_status pick(lion_cursor *cursor, lion_datom_batch *batch, lion_error *error)
{
    if (cursor->key.parts < 4 || cursor->view->is_history) return LION_OK;
    if (!reserve_verdict(cursor)) return lion_fail_memory(error);
    const lion_datom *key = &cursor->key.datom;
    const lion_cursor_options *options = &cursor->options;
    bool is_down =
        options->is_reverse && options->end_v == NULL; /* from the key towards the start */
    for (uint32_t i = 0; i < batch->count; i++) {
        lion_datom row = lion_datom_batch_get(batch, i);
        bool is_fact = lion_datom_same_fact(&row, key);
        bool is_in = row.tx == key->tx;
        if (options->is_seek) is_in = is_down ? row.tx >= key->tx : row.tx <= key->tx;
        cursor->verdict[i] = !is_fact || is_in;
    }
    return compact(cursor, batch, cursor->verdict, error);
}

static void ask(lion_cursor *cursor)
{
    cursor->is_asking = true;
    cursor->call = (lion_call){ .kind = LION_CALL_FILTER,
                                .count = cursor->batch.count,
                                .host = cursor->view->filters[cursor->filter],
                                .db = cursor->view->db,
                                .datoms = &cursor->batch,
                                .verdict = cursor->verdict,
                                .arena = cursor->arena };
}

/* The answer of the filter that was asked. LION_CALL: one more is to be asked. */
static lion_status hear(lion_cursor *cursor, lion_error *error)
{
    if (!cursor->call.is_answered) return LION_CALL;
    cursor->is_asking = false;
    if (compact(cursor, &cursor->batch, cursor->verdict, error) != LION_OK) return LION_FAILED;
    if (cursor->batch.count == 0 || ++cursor->filter == cursor->view->filter_count) return LION_OK;
    ask(cursor);
    return LION_CALL;
}

static lion_status step(lion_cursor *cursor, lion_error *error)
{
    if (cursor->is_asking) return hear(cursor, error);
    lion_status status = next_batch(cursor, &cursor->batch, error);
    if (status != LION_OK) return status;
    if (pick(cursor, &cursor->batch, error) != LION_OK) return LION_FAILED;
    if (cursor->view->filter_count == 0 || cursor->batch.count == 0) return LION_OK;
    if (!reserve_verdict(cursor)) return lion_fail_memory(error);
    cursor->filter = 0;
    ask(cursor);
    return LION_CALL;
}

lion_status lion_cursor_next(lion_cursor *cursor, lion_datom_batch *batch_out, lion_error *error)
{
    if (cursor->is_done) return LION_END;
    lion_status status;
    do {
        status = step(cursor, error);
    } while (status == LION_OK && cursor->batch.count == 0);
    if (status == LION_END) cursor->is_done = true;
    if (status != LION_OK) return status;
    cursor->limit = LION_BATCH_ROWS; /* only the first batch may be small: who goes on wants many */
    *batch_out = cursor->batch;
    return LION_OK;
}

lion_call *lion_cursor_call(lion_cursor *cursor)
{
    return &cursor->call;
}
