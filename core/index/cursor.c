/* cursor.c - cursors: one lane after another (attribute by attribute where the index is not one attribute's), or
 * the AVET lanes of all ref attributes merged by value for VAET. Rows are gathered into columns, then shown to the
 * view's filters. */
#include "index/cursor.h"

#include <stdlib.h>

#include "base/assert.h"
#include "index/lane.h"

typedef struct columns {
    int64_t *e;
    uint32_t *a;
    lion_value *v;
    int64_t *bits; /* of v, when all are of one scalar type */
    int64_t *tx;
    uint8_t *added;
} columns;

struct lion_cursor {
    const lion_view *view;
    lion_index index;
    lion_key key;
    lion_cursor_options options;
    lion_arena *arena;
    bool is_done;

    uint32_t *attributes;      /* lanes to walk, in the direction of travel; EAVT: none */
    uint32_t attribute_count;
    uint32_t next_attribute;
    bool has_lane;
    lion_lane lane;            /* the one walked (EAVT, AEVT, AVET, and VAET of one value) */

    lion_lane *lanes;          /* VAET over all values: merged */
    lion_datom *heads;
    uint8_t *has_head;

    columns rows;
    uint32_t capacity;
    lion_datom_batch batch;

    lion_call call;            /* of the view's filters */
    uint8_t filter;            /* which one is asked; filter_count: none pending */
    bool is_filtering;
    uint8_t *verdict;
};

/* ---- which lanes ---- */

static int ascending(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void add_novelty_attributes(lion_cursor *cursor, const lion_novelty_version *version)
{
    uint32_t at = 0, a = 0;
    if (version->novelty == NULL) return;
    while (lion_novelty_attribute_next(version, &at, &a)) cursor->attributes[cursor->attribute_count++] = a;
}

static uint32_t count_attributes(const lion_novelty_version *version)
{
    uint32_t at = 0, a = 0, count = 0;
    if (version->novelty == NULL) return 0;
    while (lion_novelty_attribute_next(version, &at, &a)) count++;
    return count;
}

/* Of the whole index, or from the key's attribute on. */
static void list_attributes(lion_cursor *cursor)
{
    const lion_view *view = cursor->view;
    uint32_t root_count = view->root == NULL ? 0 : view->root->attribute_count;
    uint32_t most = root_count + count_attributes(&view->novelty) + count_attributes(&view->speculative);
    cursor->attributes = lion_arena_array(cursor->arena, uint32_t, most + 1);
    for (uint32_t i = 0; i < root_count; i++)
        cursor->attributes[cursor->attribute_count++] = view->root->attributes[i].a;
    add_novelty_attributes(cursor, &view->novelty);
    add_novelty_attributes(cursor, &view->speculative);
    qsort(cursor->attributes, cursor->attribute_count, sizeof(uint32_t), ascending);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < cursor->attribute_count; i++) {
        uint32_t a = cursor->attributes[i];
        bool is_wanted = cursor->key.parts == 0 ||
                         (cursor->options.is_reverse ? a <= cursor->key.datom.a : a >= cursor->key.datom.a);
        if (is_wanted && (kept == 0 || cursor->attributes[kept - 1] != a)) cursor->attributes[kept++] = a;
    }
    cursor->attribute_count = kept;
    for (uint32_t i = 0; cursor->options.is_reverse && i < kept / 2; i++) {
        uint32_t other = cursor->attributes[i];
        cursor->attributes[i] = cursor->attributes[kept - 1 - i];
        cursor->attributes[kept - 1 - i] = other;
    }
}

static void choose_attributes(lion_cursor *cursor)
{
    const lion_view *view = cursor->view;
    cursor->attribute_count = 0;
    cursor->next_attribute = 0;
    cursor->has_lane = false;
    if (cursor->index == LION_EAVT) return;
    if (cursor->index == LION_VAET) {
        cursor->attributes = lion_arena_array(cursor->arena, uint32_t, view->vaet_count + 1);
        for (uint32_t i = 0; i < view->vaet_count; i++) {
            uint32_t at = cursor->options.is_reverse ? view->vaet_count - 1 - i : i;
            if (cursor->key.parts >= 2 && !cursor->options.is_seek &&
                view->vaet_attributes[at] != cursor->key.datom.a)
                continue;
            cursor->attributes[cursor->attribute_count++] = view->vaet_attributes[at];
        }
        return;
    }
    bool is_one = cursor->key.parts > 0 && (!cursor->options.is_seek || cursor->options.is_in_attribute);
    if (!is_one) {
        list_attributes(cursor);
        return;
    }
    cursor->attributes = lion_arena_array(cursor->arena, uint32_t, 1);
    cursor->attributes[cursor->attribute_count++] = cursor->key.datom.a;
}

/* ---- opening a lane ---- */

static lion_status open_lane(lion_cursor *cursor, lion_lane *lane, uint32_t a, lion_error *error)
{
    lion_cursor_options options = cursor->options;
    /* Only a lane that stands alone passes its batches through; the others are read row by row. */
    if (cursor->attribute_count > 1 || cursor->lanes != NULL || cursor->view->filter_count > 0)
        options.columns = LION_COLUMN_ALL;
    if (cursor->index == LION_EAVT)
        return lion_lane_open(lane, cursor->view, LION_EAVT, 0, &cursor->key, &options, cursor->arena,
                              error);
    lion_index order = cursor->index == LION_AEVT ? LION_AEVT : LION_AVET;
    lion_key key = cursor->key;
    key.datom.a = a;
    if (cursor->index == LION_VAET) {
        /* v [a [e [tx]]] becomes a v [e [tx]] */
        uint8_t parts = cursor->key.parts;
        key.parts = parts == 0 ? 1 : parts == 1 ? 2 : parts;
        if (cursor->options.is_seek && parts >= 2 && a != cursor->key.datom.a) key.parts = 2;
        return lion_lane_open(lane, cursor->view, order, a, &key, &options, cursor->arena, error);
    }
    if (cursor->key.parts == 0 || a != cursor->key.datom.a) {
        key.parts = 1;
        options.is_seek = false; /* the whole of the other attributes */
    }
    if (cursor->options.is_in_attribute && cursor->key.parts <= 1) options.is_seek = false;
    return lion_lane_open(lane, cursor->view, order, a, &key, &options, cursor->arena, error);
}

static lion_status next_lane(lion_cursor *cursor, lion_error *error)
{
    if (cursor->index == LION_EAVT) {
        if (cursor->next_attribute > 0) return LION_END;
        cursor->next_attribute = 1;
        cursor->has_lane = true;
        return open_lane(cursor, &cursor->lane, 0, error);
    }
    if (cursor->next_attribute == cursor->attribute_count) return LION_END;
    cursor->has_lane = true;
    return open_lane(cursor, &cursor->lane, cursor->attributes[cursor->next_attribute++], error);
}

/* ---- VAET over all values ---- */

static bool is_merged(const lion_cursor *cursor)
{
    return cursor->index == LION_VAET && (cursor->key.parts == 0 || cursor->options.is_seek);
}

static lion_status open_merged(lion_cursor *cursor, lion_error *error)
{
    cursor->lanes = lion_arena_array(cursor->arena, lion_lane, cursor->attribute_count + 1);
    cursor->heads = lion_arena_array(cursor->arena, lion_datom, cursor->attribute_count + 1);
    cursor->has_head = lion_arena_array(cursor->arena, uint8_t, cursor->attribute_count + 1);
    for (uint32_t i = 0; i < cursor->attribute_count; i++) {
        lion_status status = open_lane(cursor, &cursor->lanes[i], cursor->attributes[i], error);
        if (status == LION_OK) {
            cursor->lanes[i].is_pass = false;
            status = lion_lane_next(&cursor->lanes[i], &cursor->heads[i], error);
        }
        if (status < 0) return status;
        cursor->has_head[i] = status == LION_OK;
    }
    return LION_OK;
}

static lion_status next_merged(lion_cursor *cursor, lion_datom *datom_out, lion_error *error)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < cursor->attribute_count; i++) {
        if (!cursor->has_head[i]) continue;
        if (best != UINT32_MAX) {
            int order = lion_datom_compare(LION_VAET, &cursor->heads[i], &cursor->heads[best]);
            if (cursor->options.is_reverse ? order <= 0 : order >= 0) continue;
        }
        best = i;
    }
    if (best == UINT32_MAX) return LION_END;
    *datom_out = cursor->heads[best];
    lion_status status = lion_lane_next(&cursor->lanes[best], &cursor->heads[best], error);
    cursor->has_head[best] = status == LION_OK;
    return status < 0 ? status : LION_OK;
}

/* ---- gathering ---- */

static lion_status next_datom(lion_cursor *cursor, lion_datom *datom_out, lion_error *error)
{
    if (cursor->lanes != NULL) return next_merged(cursor, datom_out, error);
    for (;;) {
        if (!cursor->has_lane) {
            lion_status status = next_lane(cursor, error);
            if (status != LION_OK) return status;
        }
        lion_status status = lion_lane_next(&cursor->lane, datom_out, error);
        if (status != LION_END) return status;
        cursor->has_lane = false;
    }
}

static void reserve(lion_cursor *cursor, uint32_t count)
{
    if (cursor->capacity >= count) return;
    cursor->rows.e = lion_arena_array(cursor->arena, int64_t, count);
    cursor->rows.a = lion_arena_array(cursor->arena, uint32_t, count);
    cursor->rows.v = lion_arena_array(cursor->arena, lion_value, count);
    cursor->rows.bits = lion_arena_array(cursor->arena, int64_t, count);
    cursor->rows.tx = lion_arena_array(cursor->arena, int64_t, count);
    cursor->rows.added = lion_arena_array(cursor->arena, uint8_t, count);
    cursor->verdict = lion_arena_array(cursor->arena, uint8_t, count);
    cursor->capacity = count;
}

static uint32_t rows_wanted(lion_cursor *cursor)
{
    uint32_t wanted = cursor->options.batch_rows;
    cursor->options.batch_rows = LION_BATCH_ROWS; /* the first batch may be small; whoever goes on wants many */
    return wanted == 0 || wanted > LION_BATCH_ROWS ? LION_BATCH_ROWS : wanted;
}

static void put_row(lion_cursor *cursor, uint32_t row, const lion_datom *datom)
{
    cursor->rows.e[row] = datom->e;
    cursor->rows.a[row] = datom->a;
    cursor->rows.v[row] = datom->v;
    cursor->rows.tx[row] = datom->tx;
    cursor->rows.added[row] = datom->added;
}

/* Values of one scalar type become plain bits. */
static void pack_values(lion_cursor *cursor, lion_vector *vector, uint32_t count)
{
    uint8_t type = count == 0 ? LION_TYPE_NIL : cursor->rows.v[0].type;
    for (uint32_t i = 1; i < count && type != LION_TYPE_MIXED; i++)
        if (cursor->rows.v[i].type != type) type = LION_TYPE_MIXED;
    *vector = (lion_vector){ .type = type, .values = cursor->rows.v };
    if (type == LION_TYPE_MIXED || !lion_type_is_scalar(type)) return;
    for (uint32_t i = 0; i < count; i++) cursor->rows.bits[i] = cursor->rows.v[i].bits;
    vector->bits = cursor->rows.bits;
}

static void set_batch(lion_cursor *cursor, uint32_t count)
{
    cursor->batch = (lion_datom_batch){ .count = count, .columns = LION_COLUMN_ALL, .e = cursor->rows.e,
                                        .a = cursor->rows.a, .tx = cursor->rows.tx,
                                        .added = cursor->rows.added };
    pack_values(cursor, &cursor->batch.v, count);
}

static lion_status gather(lion_cursor *cursor, lion_error *error)
{
    uint32_t wanted = rows_wanted(cursor), count = 0;
    reserve(cursor, wanted);
    lion_status status = LION_OK;
    while (count < wanted) {
        lion_datom datom;
        status = next_datom(cursor, &datom, error);
        if (status != LION_OK) break;
        put_row(cursor, count++, &datom);
    }
    if (status < 0) return status;
    if (status == LION_END) cursor->is_done = true;
    if (count == 0) return LION_END;
    set_batch(cursor, count);
    return LION_OK;
}

/* A batch straight from a tree where nothing else is in the range. */
static lion_status pass(lion_cursor *cursor, lion_error *error)
{
    for (;;) {
        if (!cursor->has_lane) {
            lion_status status = next_lane(cursor, error);
            if (status != LION_OK) return status;
        }
        if (!cursor->lane.is_pass || cursor->lane.source_count > 1) return LION_ABSENT;
        lion_status status = lion_lane_pass(&cursor->lane, &cursor->batch, rows_wanted(cursor), error);
        if (status != LION_END) return status;
        cursor->has_lane = false;
    }
}

/* ---- filters ---- */

static void keep_rows(lion_cursor *cursor)
{
    uint32_t kept = 0;
    lion_datom_batch *batch = &cursor->batch;
    for (uint32_t row = 0; row < batch->count; row++) {
        if (!cursor->verdict[row]) continue;
        lion_datom datom = lion_datom_batch_get(batch, row); /* kept <= row: nothing unread is overwritten */
        put_row(cursor, kept++, &datom);
    }
    set_batch(cursor, kept);
}

static void ask(lion_cursor *cursor)
{
    cursor->call = (lion_call){ .kind = LION_CALL_FILTER, .count = cursor->batch.count,
                                .host = cursor->view->filters[cursor->filter], .db = cursor->view->db,
                                .datoms = &cursor->batch, .verdict = cursor->verdict,
                                .arena = cursor->arena };
}

/* LION_OK: the batch is filtered and has rows. LION_ABSENT: it has none left. */
static lion_status filter(lion_cursor *cursor)
{
    while (cursor->filter < cursor->view->filter_count) {
        if (!cursor->is_filtering) {
            cursor->is_filtering = true;
            ask(cursor);
        }
        if (!cursor->call.is_answered) return LION_CALL;
        cursor->is_filtering = false;
        cursor->filter++;
        keep_rows(cursor);
        if (cursor->batch.count == 0) break;
    }
    cursor->filter = 0;
    return cursor->batch.count == 0 ? LION_ABSENT : LION_OK;
}

/* ---- public ---- */

static lion_status place(lion_cursor *cursor, lion_error *error)
{
    cursor->is_done = false;
    cursor->is_filtering = false;
    cursor->filter = 0;
    cursor->lanes = NULL;
    choose_attributes(cursor);
    return is_merged(cursor) ? open_merged(cursor, error) : LION_OK;
}

lion_status lion_cursor_open(lion_cursor **cursor_out, const lion_view *view, lion_index index,
                             const lion_key *key, const lion_cursor_options *options,
                             lion_arena *arena, lion_error *error)
{
    lion_cursor *cursor = lion_arena_new(arena, lion_cursor);
    cursor->view = view;
    cursor->index = index;
    cursor->key = *key;
    cursor->options = *options;
    cursor->arena = arena;
    lion_status status = place(cursor, error);
    if (status < 0) return status;
    *cursor_out = cursor;
    return lion_arena_check(arena, error);
}

lion_status lion_cursor_seek(lion_cursor *cursor, const lion_key *key, lion_error *error)
{
    cursor->key = *key;
    return place(cursor, error);
}

lion_status lion_cursor_next(lion_cursor *cursor, lion_datom_batch *batch_out, lion_error *error)
{
    for (;;) {
        lion_status status = LION_OK;
        if (!cursor->is_filtering) {
            if (cursor->is_done) return LION_END;
            bool may_pass = cursor->lanes == NULL && cursor->view->filter_count == 0;
            status = may_pass ? pass(cursor, error) : LION_ABSENT;
            if (status == LION_ABSENT) status = gather(cursor, error);
            if (status == LION_END) cursor->is_done = true;
            if (status != LION_OK) return status;
        }
        if (cursor->view->filter_count > 0) status = filter(cursor);
        if (status == LION_CALL) return status;
        if (status == LION_ABSENT) continue;
        *batch_out = cursor->batch;
        return LION_OK;
    }
}

lion_call *lion_cursor_call(lion_cursor *cursor)
{
    return &cursor->call;
}
