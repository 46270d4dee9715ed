/* Cursors, counts and points over novelty and speculative novelty, against the model; filters. */
#include "view_support.h"

static lion_novelty *novelty_new(uint32_t node_entries)
{
    lion_novelty_options options = { .node_entries = node_entries, .reserve_size = 64u << 20 };
    lion_novelty *novelty;
    lion_error error = { 0 };
    assert_int_equal(lion_novelty_new(&novelty, &options, &error), LION_OK);
    return novelty;
}

static lion_view whole_view(const lion_novelty_version *novelty, int64_t t)
{
    return (lion_view){ .novelty = *novelty,
                        .upper_t = t,
                        .since_t = -1,
                        .vaet_attributes = MODEL_REFS,
                        .vaet_count = CASES(MODEL_REFS) };
}

static void transact(model *m, lion_novelty *novelty, size_t operations)
{
    lion_error error = { 0 };
    model_transact(m, operations);
    assert_int_equal(model_apply(m, novelty, (lion_slice){ 0 }, &error), LION_OK);
}

static void novelty_alone(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        model m;
        model_init(&m, round % 2 == 0 ? 6 : 40);
        lion_novelty *novelty = novelty_new(round % 3 == 0 ? 4 : 0);
        for (unsigned i = 0; i < 80; i++)
            transact(&m, novelty, random_below(10) == 0 ? 100 : 1 + random_below(6));
        lion_novelty_version version = lion_novelty_seal(novelty);
        lion_view view = whole_view(&version, m.t);
        check_view(&m, &view, m.count, 40);
        for (unsigned i = 0; i < 12; i++) {
            lion_view other = random_times(view, m.t);
            check_view(&m, &other, m.count, 12);
        }
        lion_novelty_version_release(&version);
        lion_novelty_drop(novelty);
        model_deinit(&m);
    }
}

static void speculative_on_top(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        model m;
        model_init(&m, 12);
        lion_novelty *novelty = novelty_new(8), *speculative = novelty_new(4);
        for (unsigned i = 0; i < 60; i++) transact(&m, novelty, 1 + random_below(8));
        lion_novelty_version version = lion_novelty_seal(novelty);
        for (unsigned i = 0; i < 25; i++) transact(&m, speculative, 1 + random_below(8));
        lion_view view = whole_view(&version, m.t);
        view.speculative = lion_novelty_seal(speculative);
        check_view(&m, &view, m.count, 40);
        for (unsigned i = 0; i < 12; i++) {
            lion_view other = random_times(view, m.t);
            check_view(&m, &other, m.count, 12);
        }
        lion_novelty_version_release(&view.speculative);
        lion_novelty_drop(speculative);
        lion_novelty_version_release(&version);
        lion_novelty_drop(novelty);
        model_deinit(&m);
    }
}

static void an_empty_view(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    lion_view view = {
        .upper_t = 100, .since_t = -1, .vaet_attributes = MODEL_REFS, .vaet_count = 2
    };
    for (lion_index index = LION_EAVT; index <= LION_VAET; index++) {
        lion_key all = { .parts = 0 };
        lion_cursor *cursor;
        lion_datom_batch batch;
        uint64_t count = 1;
        assert_int_equal(lion_cursor_open(&cursor, &view, index, &all, NULL, &arena, &error),
                         LION_OK);
        assert_int_equal(lion_cursor_next(cursor, &batch, &error), LION_END);
        assert_int_equal(lion_view_count(&count, &view, index, &all, &arena, &error), LION_OK);
        assert_int_equal(count, 0);
    }
    lion_value v;
    int64_t e;
    assert_int_equal(lion_view_get(&v, NULL, &view, 1, 10, &arena, &error), LION_ABSENT);
    assert_int_equal(lion_view_find(&e, NULL, &view, 10, lion_value_long(1), &arena, &error),
                     LION_ABSENT);
    assert_int_equal(lion_view_has(NULL, &view, 1, 10, lion_value_long(1), &arena, &error),
                     LION_ABSENT);
    lion_arena_deinit(&arena);
}

/* The host's two filters: 1 shows even entities, 2 those whose counter is divisible by 3. */
static bool shows(int64_t host, const lion_datom *datom)
{
    return lion_id_counter(datom->e) % (host == 1 ? 2 : 3) == 0;
}

static void answer(lion_call *call)
{
    assert_int_equal(call->kind, LION_CALL_FILTER);
    assert_int_equal(call->datoms->count, call->count);
    for (uint32_t i = 0; i < call->count; i++) {
        lion_datom datom = lion_datom_batch_get(call->datoms, i);
        call->verdict[i] = shows(call->host, &datom);
    }
    call->is_answered = true;
}

static void filters_are_asked_batch_by_batch(void **state)
{
    (void)state;
    model m;
    model_init(&m, 60);
    lion_novelty *novelty = novelty_new(0);
    for (unsigned i = 0; i < 40; i++) transact(&m, novelty, 60);
    lion_novelty_version version = lion_novelty_seal(novelty);
    lion_view view = whole_view(&version, m.t);
    view.filter_count = 2;
    view.filters[0] = 1;
    view.filters[1] = 2;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    for (lion_index index = LION_EAVT; index <= LION_VAET; index++) {
        size_t count;
        lion_datom *rows = model_view(&m, m.count, index, m.t, -1, false, &count);
        for (unsigned reverse = 0; reverse < 2; reverse++) {
            lion_key all = { .parts = 0 };
            lion_cursor_options options = { .columns = LION_COLUMN_E, .is_reverse = reverse == 1 };
            lion_cursor *cursor;
            assert_int_equal(
                lion_cursor_open(&cursor, &view, index, &all, &options, &arena, &error), LION_OK);
            size_t next = 0;
            for (;;) {
                lion_datom_batch batch;
                lion_status status = lion_cursor_next(cursor, &batch, &error);
                if (status == LION_END) break;
                if (status == LION_CALL) {
                    assert_int_equal(lion_cursor_next(cursor, &batch, &error),
                                     LION_CALL); /* still */
                    answer(lion_cursor_call(cursor));
                    continue;
                }
                assert_int_equal(status, LION_OK);
                for (uint32_t i = 0; i < batch.count; i++) {
                    const lion_datom *expect = NULL;
                    do {
                        assert_true(next < count);
                        expect = &rows[reverse ? count - 1 - next : next];
                        next++;
                    } while (!shows(1, expect) || !shows(2, expect));
                    assert_int_equal(batch.e[i], expect->e);
                }
            }
            for (; next < count; next++) {
                const lion_datom *row = &rows[reverse ? count - 1 - next : next];
                assert_false(shows(1, row) && shows(2, row));
            }
            uint64_t counted;
            assert_int_equal(lion_view_count(&counted, &view, index, &all, &arena, &error),
                             LION_ABSENT);
        }
        free(rows);
    }
    lion_arena_deinit(&arena);
    lion_novelty_version_release(&version);
    lion_novelty_drop(novelty);
    model_deinit(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_view),
        cmocka_unit_test(novelty_alone),
        cmocka_unit_test(speculative_on_top),
        cmocka_unit_test(filters_are_asked_batch_by_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
