/* view_support.h - compare everything that cursors and points say of a view with the model. */
#ifndef LION_SPEC_VIEW_SUPPORT_H
#define LION_SPEC_VIEW_SUPPORT_H

#include "model_support.h"

#include "index/cursor.h"
#include "index/gather.h"
#include "index/overlay.h"
#include "index/points.h"
#include "index/value_run.h"

static const char *const INDEX_NAMES[] = { "eavt", "aevt", "avet", "vaet" };

/* The rows of a view in one order, by brute force. */
typedef struct expected {
    lion_index index;
    lion_datom *rows;
    size_t count;
} expected;

static inline bool expected_has(const expected *all, const lion_key *key,
                                const lion_cursor_options *options, const lion_datom *row)
{
    int place = model_place(all->index, key, row);
    if (options->end_v != NULL) {
        if (lion_value_compare(row->v, *options->end_v) >= 0 || row->a != key->datom.a)
            return false;
        return options->is_seek ? place >= 0 : place == 0;
    }
    if (!options->is_seek) return place == 0;
    if (options->is_in_attribute && row->a != key->datom.a) return false;
    return options->is_reverse ? place <= 0 : place >= 0;
}

/* What the row's code stands for, if it has one, is its value. */
static inline void check_code(const lion_vector *v, uint32_t row)
{
    if (v->dictionary == NULL || v->values[row].code == 0) return;
    assert_in_range(v->values[row].code, 1, v->dictionary->count);
    lion_value value = v->dictionary->values[v->values[row].code - 1];
    assert_int_equal(lion_value_compare(value, v->values[row]), 0);
}

static inline void check_row(const lion_datom_batch *batch, uint32_t row, const lion_datom *expect)
{
    if (batch->columns & LION_COLUMN_E) assert_int_equal(batch->e[row], expect->e);
    if (batch->columns & LION_COLUMN_A) assert_int_equal(batch->a[row], expect->a);
    if (batch->columns & LION_COLUMN_TX) assert_int_equal(batch->tx[row], expect->tx);
    if (batch->columns & LION_COLUMN_TX) assert_int_equal(batch->added[row], expect->added);
    if (!(batch->columns & LION_COLUMN_V)) return;
    lion_value v = lion_vector_get(&batch->v, row);
    assert_int_equal(v.type, expect->v.type);
    assert_int_equal(lion_value_compare(v, expect->v), 0);
    check_code(&batch->v, row);
}

static inline void fail_at(const expected *all, const lion_key *key,
                           const lion_cursor_options *options, const char *what)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    print_error("%s, %u parts of e %lld a %u v %s t %lld%s%s%s, end_v %s\n",
                INDEX_NAMES[all->index], key->parts, (long long)key->datom.e, key->datom.a,
                lion_value_text(&arena, key->datom.v), (long long)lion_tx_to_t(key->datom.tx),
                options->is_reverse ? ", reverse" : "", options->is_seek ? ", seek" : "",
                options->is_in_attribute ? ", in attribute" : "",
                options->end_v != NULL ? lion_value_text(&arena, *options->end_v) : "none");
    lion_arena_deinit(&arena);
    fail_msg("%s", what);
}

static inline void check_cursor(lion_cursor *cursor, const expected *all, const lion_key *key,
                                const lion_cursor_options *options, size_t *count_out)
{
    lion_error error = { 0 };
    size_t next = 0;
    *count_out = 0;
    for (;;) {
        lion_datom_batch batch;
        lion_status status = lion_cursor_next(cursor, &batch, &error);
        if (status == LION_FAILED) print_error("%s: %s\n", error.code, error.message);
        if (status == LION_END) break;
        assert_int_equal(status, LION_OK);
        assert_in_range(batch.count, 1, LION_BATCH_ROWS);
        uint32_t asked = options->columns != 0 ? options->columns : LION_COLUMN_ALL;
        assert_int_equal(batch.columns & asked, asked);
        for (uint32_t row = 0; row < batch.count; row++) {
            const lion_datom *expect = NULL;
            while (next < all->count) {
                expect = &all->rows[options->is_reverse ? all->count - 1 - next : next];
                next++;
                if (expected_has(all, key, options, expect)) break;
                expect = NULL;
            }
            if (expect == NULL) fail_at(all, key, options, "more rows than expected");
            check_row(&batch, row, expect);
            (*count_out)++;
        }
    }
    for (; next < all->count; next++)
        if (expected_has(all, key, options,
                         &all->rows[options->is_reverse ? all->count - 1 - next : next]))
            fail_at(all, key, options, "fewer rows than expected");
    lion_datom_batch batch;
    assert_int_equal(lion_cursor_next(cursor, &batch, &error), LION_END); /* for good */
}

static inline lion_cursor_options random_options(model *m, lion_index index, const lion_key *key,
                                                 lion_value *end_v)
{
    static const uint32_t ROWS[] = { 0, 0, 1, 3, 100 };
    lion_cursor_options options = { .is_reverse = random_below(2) != 0,
                                    .is_seek = random_below(3) == 0,
                                    .batch_rows = ROWS[random_below(5)],
                                    .columns = random_below(3) == 0 ? (uint32_t)random_below(16)
                                                                    : LION_COLUMN_ALL };
    bool is_by_attribute = index == LION_AEVT || index == LION_AVET;
    options.is_in_attribute =
        options.is_seek && is_by_attribute && key->parts > 0 && random_below(2) != 0;
    if (index == LION_AVET && key->parts > 0 && random_below(4) == 0) {
        *end_v = model_value(m, model_attribute_of(key->datom.a)->type);
        options.end_v = end_v;
        options.is_in_attribute = options.is_seek;
    }
    return options;
}

static inline void check_probe(model *m, const lion_view *view, const expected *all,
                               lion_arena *arena)
{
    lion_error error = { 0 };
    lion_key key = model_key(m, all->index, m->count);
    lion_value end_v;
    lion_cursor_options options = random_options(m, all->index, &key, &end_v);
    lion_cursor *cursor;
    size_t count;
    assert_int_equal(lion_cursor_open(&cursor, view, all->index, &key, &options, arena, &error),
                     LION_OK);
    check_cursor(cursor, all, &key, &options, &count);
    for (unsigned again = 0; again < 2; again++) { /* the same cursor, elsewhere */
        lion_key other = model_key(m, all->index, m->count);
        if (options.end_v != NULL) {
            other.datom.a = key.datom.a;
            other.datom.v = model_value(m, model_attribute_of(key.datom.a)->type);
            if (other.parts == 0) other.parts = 1;
        }
        if (options.is_in_attribute && other.parts == 0) other.parts = 1;
        if (view->overlays != NULL && random_below(2) == 0) view->overlays->is_eager = true;
        assert_int_equal(lion_cursor_seek(cursor, &other, &error), LION_OK);
        check_cursor(cursor, all, &other, &options, &count);
    }
    lion_cursor_options plain = { .columns = LION_COLUMN_E };
    assert_int_equal(lion_cursor_open(&cursor, view, all->index, &key, &plain, arena, &error),
                     LION_OK);
    check_cursor(cursor, all, &key, &plain, &count);
    uint64_t counted, estimated;
    assert_int_equal(lion_view_count(&counted, view, all->index, &key, arena, &error), LION_OK);
    assert_int_equal(counted, count);
    assert_int_equal(lion_view_estimate(&estimated, view, all->index, &key, &error), LION_OK);
    assert_true(estimated >= count);
}

/* Rows that may come in any order: each once, whatever their place. Of a history, retractions alone
 * at times. */
static inline void check_any_order(model *m, const lion_view *view, const expected *all,
                                   lion_arena *arena)
{
    lion_error error = { 0 };
    lion_key key = model_key(m, all->index, m->count);
    lion_value end_v;
    lion_cursor_options options = random_options(m, all->index, &key, &end_v);
    lion_cursor *cursor;
    lion_datom_batch batch;
    size_t left = 0;
    options.columns = LION_COLUMN_ALL;
    options.is_any_order = true;
    options.is_retractions = view->is_history && random_below(2) != 0;
    uint8_t *seen = lion_arena_zalloc(arena, all->count + 1);
    for (size_t i = 0; i < all->count; i++) {
        bool is_wanted = expected_has(all, &key, &options, &all->rows[i]);
        if (options.is_retractions && all->rows[i].added) is_wanted = false;
        seen[i] = !is_wanted;
        left += is_wanted;
    }
    assert_int_equal(lion_cursor_open(&cursor, view, all->index, &key, &options, arena, &error),
                     LION_OK);
    while (lion_cursor_next(cursor, &batch, &error) == LION_OK)
        for (uint32_t row = 0; row < batch.count; row++) {
            lion_datom datom = lion_datom_batch_get(&batch, row);
            check_code(&batch.v, row);
            if (options.is_retractions && datom.added) continue;
            size_t i = 0;
            while (i < all->count &&
                   (seen[i] || lion_datom_compare(all->index, &all->rows[i], &datom) != 0))
                i++;
            if (i == all->count)
                fail_at(all, &key, &options, "a row that is not expected in any order");
            seen[i] = 1;
            left--;
        }
    if (left > 0) fail_at(all, &key, &options, "fewer rows than expected in any order");
}

static inline const lion_datom *first_match(const expected *all, const lion_key *key)
{
    for (size_t i = 0; i < all->count; i++)
        if (model_place(all->index, key, &all->rows[i]) == 0) return &all->rows[i];
    return NULL;
}

#define ROW_SIZE (LION_POINTS_ROW + 5)

/* Of many attributes at once, known and unknown, some of them twice. */
static inline void check_row_of(model *m, const lion_view *view, const expected *aevt,
                                lion_arena *arena)
{
    lion_error error = { 0 };
    lion_key key = model_key(m, LION_AEVT, m->count);
    uint32_t attributes[ROW_SIZE], count = (uint32_t)random_below(ROW_SIZE + 1);
    lion_value values[ROW_SIZE];
    for (uint32_t i = 0; i < count; i++)
        attributes[i] =
            random_below(9) == 0 ? 9 : MODEL_ATTRIBUTES[random_below(CASES(MODEL_ATTRIBUTES))].a;
    assert_int_equal(lion_view_row(values, view, key.datom.e, attributes, count, arena, &error),
                     LION_OK);
    key.parts = 2;
    for (uint32_t i = 0; i < count; i++) {
        key.datom.a = attributes[i];
        const lion_datom *expect = first_match(aevt, &key);
        assert_int_equal(values[i].type, expect != NULL ? expect->v.type : LION_TYPE_NIL);
        if (expect != NULL) assert_int_equal(lion_value_compare(values[i], expect->v), 0);
    }
}

/* Of one attribute for many entities, most of them ascending: some have none, some come twice. */
static inline void check_gather(model *m, const lion_view *view, const expected *aevt,
                                lion_arena *arena)
{
    lion_error error = { 0 };
    const model_attribute *attribute = &MODEL_ATTRIBUTES[random_below(MODEL_ATTRIBUTE_COUNT)];
    uint32_t rows = 1 + (uint32_t)random_below(LION_BATCH_ROWS / 8 + 1), count = 0, found = 0;
    int64_t *e = lion_arena_array(arena, int64_t, rows);
    uint16_t *selection = lion_arena_array(arena, uint16_t, rows);
    uint16_t *found_rows = lion_arena_array(arena, uint16_t, rows);
    lion_vector v = { .values = lion_arena_array(arena, lion_value, LION_BATCH_ROWS) };
    lion_gather *gather;
    if (attribute->is_many || view->is_history || view->filter_count > 0) return;
    size_t at = aevt->count == 0 ? 0 : random_below(aevt->count);
    bool has_copies = random_below(4) == 0; /* as of a row that was joined with many */
    for (uint32_t row = 0; row < rows; row++) {
        bool is_next = aevt->count > 0 && random_below(8) != 0;
        e[row] = is_next ? aevt->rows[at++ % aevt->count].e : model_entity(m);
        if (has_copies && row % 96 != 0) e[row] = e[row - 1];
        if (random_below(3) != 0) selection[count++] = (uint16_t)row;
    }
    if (random_below(2) == 0) selection = NULL;
    if (selection == NULL) count = rows;
    assert_int_equal(lion_gather_new(&gather, view, attribute->a, attribute->type, arena, &error),
                     LION_OK);
    assert_int_equal(lion_gather_read(gather, e, selection, count, &v, found_rows, &found, &error),
                     LION_OK);
    uint32_t left = found;
    for (uint32_t i = 0, k = 0; i < count; i++) {
        uint32_t row = selection == NULL ? i : selection[i];
        lion_key key = { .datom = { .e = e[row], .a = attribute->a }, .parts = 2 };
        const lion_datom *expect = first_match(aevt, &key);
        if (expect == NULL) continue;
        assert_in_range(k, 0, found - 1);
        assert_int_equal(found_rows[k++], row);
        assert_int_equal(lion_value_compare(lion_vector_get(&v, row), expect->v), 0);
        check_code(&v, row);
        left--;
    }
    assert_int_equal(left, 0);
}

static inline void check_points(model *m, const lion_view *view, const expected *aevt,
                                const expected *avet, lion_arena *arena)
{
    lion_error error = { 0 };
    lion_key key = model_key(m, LION_AVET, m->count);
    bool is_history =
        view->is_history; /* of which points show any row: only presence is compared */
    lion_value v;
    int64_t tx, e;
    key.parts = 2;
    const lion_datom *expect = first_match(aevt, &key);
    lion_status status = lion_view_get(&v, &tx, view, key.datom.e, key.datom.a, arena, &error);
    assert_int_equal(status, expect != NULL ? LION_OK : LION_ABSENT);
    if (expect != NULL) assert_int_equal(lion_value_compare(v, expect->v), 0);
    if (expect != NULL) assert_int_equal(tx, expect->tx);
    assert_int_equal(lion_view_get(&v, NULL, view, key.datom.e, key.datom.a, arena, &error),
                     status);

    expect = first_match(avet, &key);
    status = lion_view_find(&e, &tx, view, key.datom.a, key.datom.v, arena, &error);
    assert_int_equal(status, expect != NULL ? LION_OK : LION_ABSENT);
    if (expect != NULL) assert_int_equal(e, expect->e);
    if (expect != NULL) assert_int_equal(tx, expect->tx);

    if (is_history) return;
    key.parts = 3;
    expect = first_match(aevt, &key);
    status = lion_view_has(&tx, view, key.datom.e, key.datom.a, key.datom.v, arena, &error);
    assert_int_equal(status, expect != NULL ? LION_OK : LION_ABSENT);
    if (expect != NULL) assert_int_equal(tx, expect->tx);
    assert_int_equal(
        lion_view_has(NULL, view, key.datom.e, key.datom.a, key.datom.v, arena, &error), status);
}

/* Entities of several values, read in parts of any size: those of the tree first, or, where a
 * cursor has to tell, none. */
static inline void check_value_run(model *m, const lion_view *view, const expected *avet,
                                   lion_arena *arena)
{
    lion_error error = { 0 };
    lion_key key = model_key(m, LION_AVET, m->count);
    lion_value_run run;
    lion_value_run_init(&run, view, key.datom.a, arena);
    key.parts = 2;
    for (unsigned again = 0; again < 4; again++) {
        size_t left = 0;
        uint8_t *seen = lion_arena_zalloc(arena, avet->count + 1);
        for (size_t i = 0; i < avet->count; i++) {
            seen[i] = model_place(LION_AVET, &key, &avet->rows[i]) != 0;
            left += !seen[i];
        }
        if (view->overlays != NULL && random_below(3) == 0) view->overlays->is_eager = true;
        lion_status status = lion_value_run_seek(&run, key.datom.v, &error);
        if (status != LION_END) assert_int_equal(status, left > 0 ? LION_OK : LION_ABSENT);
        bool ascends = status == LION_OK && lion_value_run_ascends(&run);
        int64_t last = INT64_MIN;
        if (ascends && random_below(3) == 0) { /* leave some out */
            last = model_entity(m);
            lion_value_run_skip(&run, last);
            for (size_t i = 0; i < avet->count; i++) {
                if (seen[i] || avet->rows[i].e >= last) continue;
                seen[i] = 1;
                left--;
            }
            assert_int_equal(lion_value_run_left(&run), left);
        }
        while (status == LION_OK && left > 0) {
            int64_t e[40];
            uint32_t count = 1 + (uint32_t)random_below(CASES(e));
            assert_int_equal(lion_value_run_left(&run), left);
            if (count > left) count = (uint32_t)left;
            lion_value_run_read(&run, count, e);
            for (uint32_t k = 0; k < count; k++) {
                size_t i = 0;
                while (i < avet->count && (seen[i] || avet->rows[i].e != e[k])) i++;
                if (i == avet->count)
                    fail_msg("entity %lld is none of the value's", (long long)e[k]);
                seen[i] = 1;
                assert_true(!ascends || e[k] >= last);
                last = e[k];
            }
            left -= count;
        }
        key.datom.v = model_value(m, model_attribute_of(key.datom.a)->type);
    }
}

/* Everything of one view; datoms: how many of the model's the view's sources hold. */
static inline void check_view_as_it_is(model *m, const lion_view *view, size_t datoms,
                                       unsigned probes)
{
    expected all[4];
    for (lion_index index = LION_EAVT; index <= LION_VAET; index++) {
        all[index].index = index;
        all[index].rows = model_view(m, datoms, index, view->upper_t, view->since_t,
                                     view->is_history, &all[index].count);
    }
    for (uint32_t i = 0; view->root != NULL && i < view->root->attribute_count; i++) {
        if (random_below(2) == 0) continue; /* the others when they were asked often */
        lion_points_keep_open(view->root, &view->root->attributes[i].aevt);
        lion_points_keep_open(view->root, &view->root->attributes[i].avet);
    }
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (unsigned i = 0; i < probes; i++) {
        for (lion_index index = LION_EAVT; index <= LION_VAET; index++)
            check_probe(m, view, &all[index], &arena);
        check_any_order(m, view, &all[random_below(2) == 0 ? LION_AEVT : LION_AVET], &arena);
        check_points(m, view, &all[LION_AEVT], &all[LION_AVET], &arena);
        check_row_of(m, view, &all[LION_AEVT], &arena);
        check_value_run(m, view, &all[LION_AVET], &arena);
        check_gather(m, view, &all[LION_AEVT], &arena);
        lion_arena_reset(&arena);
    }
    lion_arena_deinit(&arena);
    for (unsigned i = 0; i < 4; i++) free(all[i].rows);
}

/* By merging, or beside overlays that are made at once, or when readers have paid for them. */
static inline void check_view(model *m, const lion_view *view, size_t datoms, unsigned probes)
{
    lion_view copy = *view;
    lion_overlays overlays = { .is_eager = random_below(4) == 0 };
    if (random_below(4) != 0) copy.overlays = &overlays;
    check_view_as_it_is(m, &copy, datoms, probes);
    lion_overlays_deinit(&overlays);
}

/* The view with a random part of time. */
static inline lion_view random_times(lion_view view, int64_t newest_t)
{
    if (random_below(3) == 0) view.is_history = true;
    if (random_below(2) == 0) view.upper_t = (int64_t)random_below((size_t)newest_t + 2);
    if (random_below(3) == 0) view.since_t = (int64_t)random_below((size_t)newest_t + 1);
    return view;
}

#endif
