/* log_tree_test.c - transaction records there and back, and the log as a tree. */
#include "tree_support.h"

#include "base/buffer.h"
#include "index/log_tree.h"

static lion_arena arena;

static lion_transaction make_transaction(int64_t t, size_t datoms)
{
    static const value_kind KINDS[] = {
        { LION_TYPE_BOOLEAN, 2, false }, { LION_TYPE_LONG, 50, false },
        { LION_TYPE_DOUBLE, 12, false }, { LION_TYPE_INSTANT, 9, false },
        { LION_TYPE_REF, 9, false },     { LION_TYPE_STRING, 300, true },
        { LION_TYPE_KEYWORD, 9, false }, { LION_TYPE_SYMBOL, 9, false },
        { LION_TYPE_URI, 9, false },     { LION_TYPE_UUID, 99, false },
        { LION_TYPE_BYTES, 40, true },   { LION_TYPE_TUPLE, 40, false },
    };
    lion_transaction transaction = { .t = t,
                                     .instant_ms = t * 17 - 5000,
                                     .next_counter = t + 40,
                                     .datom_count = (uint32_t)datoms,
                                     .has_id = t % 3 == 0 };
    transaction.datoms = lion_arena_array(&arena, lion_datom, datoms + 1);
    for (size_t i = 0; i < datoms; i++)
        transaction.datoms[i] =
            (lion_datom){ .e =
                              lion_id_make((int64_t)random_below(5), (int64_t)random_below(100000)),
                          .a = (uint32_t)random_below(1000),
                          .v = random_value(&arena, &KINDS[random_below(CASES(KINDS))]),
                          .tx = lion_t_to_tx(t),
                          .added = random_below(4) > 0 };
    if (!transaction.has_id) return transaction;
    memset(transaction.id, (int)t, sizeof transaction.id);
    transaction.tempid_count = (uint32_t)random_below(3);
    transaction.tempids = lion_arena_array(&arena, lion_tempid, 3);
    for (size_t i = 0; i < 3; i++)
        transaction.tempids[i] =
            (lion_tempid){ .name = lion_slice_text("ann"), .id = t + (int64_t)i };
    return transaction;
}

static void assert_same_transaction(const lion_transaction *found, const lion_transaction *expected)
{
    assert_int_equal(found->t, expected->t);
    assert_int_equal(found->instant_ms, expected->instant_ms);
    assert_int_equal(found->next_counter, expected->next_counter);
    assert_int_equal(found->datom_count, expected->datom_count);
    for (uint32_t i = 0; i < found->datom_count; i++)
        assert_same_datom(&found->datoms[i], &expected->datoms[i]);
    assert_int_equal(found->has_id, expected->has_id);
    assert_memory_equal(found->id, expected->id, 16);
    assert_int_equal(found->tempid_count, expected->tempid_count);
    for (uint32_t i = 0; i < found->tempid_count; i++) {
        assert_true(lion_slice_equal(found->tempids[i].name, expected->tempids[i].name));
        assert_int_equal(found->tempids[i].id, expected->tempids[i].id);
    }
}

static void records_come_back_as_they_were(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (int64_t t = 1; t < 300; t++) {
        lion_transaction transaction = make_transaction(t, random_below(20)), found;
        lion_buffer_clear(&buffer);
        lion_transaction_encode(&buffer, &transaction);
        assert_ok(lion_transaction_decode(&found, lion_buffer_view(&buffer), &arena, &failure));
        assert_same_transaction(&found, &transaction);
    }
    lion_buffer_deinit(&buffer);
}

static void broken_records_are_corrupt(void **state)
{
    (void)state;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_transaction transaction = make_transaction(9, 12), found;
    lion_transaction_encode(&buffer, &transaction);
    for (size_t size = 0; size < buffer.size; size++) {
        uint8_t *copy = malloc(size + 1); /* exact, so that a sanitizer sees a read behind it */
        memcpy(copy, buffer.data, size);
        lion_slice cut = lion_slice_of(copy, size);
        assert_int_equal(lion_transaction_decode(&found, cut, &arena, &failure), LION_FAILED);
        assert_string_equal(failure.code, "lion/corrupt");
        free(copy);
    }
    for (int i = 0; i < 20000; i++) { /* flipped bytes: an answer or an error, no crash */
        size_t place = random_below(buffer.size);
        uint8_t old = buffer.data[place];
        buffer.data[place] = (uint8_t)random_u64();
        (void)lion_transaction_decode(&found, lion_buffer_view(&buffer), &arena, &failure);
        buffer.data[place] = old;
    }
    lion_buffer_deinit(&buffer);
}

/* ---- the tree ---- */

static void append(lion_store *store, lion_tree *tree, const lion_log_entry *entries, size_t count,
                   const lion_tree_options *options)
{
    lion_commit *commit;
    lion_snapshot *snapshot;
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    assert_ok(lion_commit_begin(&commit, store, &failure));
    assert_ok(
        lion_log_tree_append(tree, tree, snapshot, commit, entries, count, options, &failure));
    assert_ok(lion_commit_finish_take(commit, lion_slice_text("root"), &failure));
    lion_snapshot_drop(snapshot);
}

/* All transactions with t >= from, against those that were appended. */
static void check_walk(lion_store *store, const lion_tree *tree, const lion_transaction *all,
                       size_t count, int64_t from)
{
    lion_snapshot *snapshot;
    lion_log_iterator *iterator;
    lion_transaction found;
    lion_status status;
    size_t place = 0;
    while (place < count && all[place].t < from) place++;
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    assert_ok(lion_log_iterator_open(&iterator, tree, snapshot, from, &failure));
    while ((status = lion_log_iterator_next(iterator, &found, &failure)) == LION_OK) {
        assert_true(place < count);
        assert_same_transaction(&found, &all[place++]);
    }
    if (status != LION_END) fail_msg("%s", failure.message);
    assert_int_equal(place, count);
    lion_log_iterator_close(iterator);
    lion_snapshot_drop(snapshot);
}

/* One iterator sent from place to place, a few steps at each. */
static void check_seeks(lion_store *store, const lion_tree *tree, const lion_transaction *all,
                        size_t count, int64_t last_t)
{
    lion_snapshot *snapshot;
    lion_log_iterator *iterator;
    lion_transaction found;
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    assert_ok(lion_log_iterator_open(&iterator, tree, snapshot, 0, &failure));
    int64_t from = 1000;
    for (int i = 0; i < 200; i++) {
        bool is_near = random_below(3) > 0;
        from = is_near ? from - 3 + (int64_t)random_below(9)
                       : 990 + (int64_t)random_below((size_t)(last_t - 980));
        lion_log_iterator_seek(iterator, from);
        size_t place = 0;
        while (place < count && all[place].t < from) place++;
        for (size_t steps = random_below(4); steps > 0; steps--, place++) {
            lion_status status = lion_log_iterator_next(iterator, &found, &failure);
            assert_int_equal(status, place < count ? LION_OK : LION_END);
            if (status == LION_OK) assert_same_transaction(&found, &all[place]);
        }
    }
    lion_log_iterator_close(iterator);
    lion_snapshot_drop(snapshot);
}

static void run_log(uint32_t segment_size, size_t rounds, size_t most)
{
    enum { MOST = 6000 };
    lion_store *store;
    lion_tree tree = { 0 };
    lion_tree_options options = { .segment_size = segment_size };
    lion_transaction *all = malloc(MOST * sizeof *all);
    lion_log_entry *entries = malloc(MOST * sizeof *entries);
    size_t count = 0;
    int64_t t = 1000;
    assert_ok(lion_store_open_memory(&store, &failure));
    for (size_t round = 0; round < rounds; round++) {
        size_t added = random_below(most);
        for (size_t i = 0; i < added; i++) {
            lion_buffer buffer;
            lion_buffer_init(&buffer);
            t += 1 + (int64_t)random_below(3);
            all[count + i] = make_transaction(t, random_below(8));
            lion_transaction_encode(&buffer, &all[count + i]);
            entries[i] =
                (lion_log_entry){ .t = t,
                                  .record = lion_arena_copy(&arena, lion_buffer_view(&buffer)) };
            lion_buffer_deinit(&buffer);
        }
        append(store, &tree, entries, added, &options);
        count += added;
        assert_int_equal(tree.count, count);
        check_walk(store, &tree, all, count, 0);
        check_walk(store, &tree, all, count, t);
        check_walk(store, &tree, all, count, t + 1);
        for (int i = 0; i < 5; i++)
            check_walk(store, &tree, all, count, 1000 + (int64_t)random_below((size_t)(t - 990)));
        check_seeks(store, &tree, all, count, t);
    }
    lion_store_stats stats;
    assert_ok(lion_store_stats_read(&stats, store, &failure));
    assert_true(stats.segments <= 2 * count);
    free(all);
    free(entries);
    lion_store_close(store);
}

static void the_log_is_walked_from_any_t(void **state)
{
    (void)state;
    run_log(300, 30, 40);
    run_log(1000, 12, 200);
    run_log(0, 3, 1500);
}

static void the_log_only_grows(void **state)
{
    (void)state;
    lion_store *store;
    lion_snapshot *snapshot;
    lion_commit *commit;
    lion_tree tree = { 0 };
    lion_buffer buffer;
    lion_transaction transaction = make_transaction(7, 2);
    lion_buffer_init(&buffer);
    lion_transaction_encode(&buffer, &transaction);
    lion_log_entry entry = { .t = 7, .record = lion_buffer_view(&buffer) };
    assert_ok(lion_store_open_memory(&store, &failure));
    append(store, &tree, &entry, 1, NULL);
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    assert_ok(lion_commit_begin(&commit, store, &failure));
    assert_int_equal(
        lion_log_tree_append(&tree, &tree, snapshot, commit, &entry, 1, NULL, &failure),
        LION_FAILED);
    assert_string_equal(failure.code, "lion/index");
    lion_commit_abort(commit);
    lion_snapshot_drop(snapshot);
    lion_store_close(store);
    lion_buffer_deinit(&buffer);
}

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lion_arena_deinit(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_come_back_as_they_were, set_up, tear_down),
        cmocka_unit_test_setup_teardown(broken_records_are_corrupt, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_is_walked_from_any_t, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_only_grows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
