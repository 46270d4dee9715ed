/* tree_shape_test.c - how trees grow: sizes of nodes, skipping by time, sharing, errors, blobs
 * counted. */
#include "tree_support.h"

#include "index/branch.h"

static lion_store *store;
static lion_snapshot *snapshot;
static lion_arena arena;

static lion_status try_update(lion_tree *tree, const lion_change *changes, size_t count,
                              uint32_t segment_size)
{
    lion_commit *commit;
    lion_tree_options options = { .segment_size = segment_size };
    assert_ok(lion_commit_begin(&commit, store, &failure));
    lion_status status =
        lion_tree_update(tree, NULL, tree, snapshot, commit, changes, count, &options, &failure);
    if (status != LION_OK) {
        lion_commit_abort(commit);
        return status;
    }
    assert_ok(lion_commit_finish_take(commit, lion_slice_text("root"), &failure));
    lion_snapshot_drop(snapshot);
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    return LION_OK;
}

static int64_t user(size_t n)
{
    return lion_id_make(LION_PARTITION_USER, (int64_t)n);
}

static lion_change insertion(size_t n, int64_t t)
{
    return (lion_change){ .datom = { .e = user(n),
                                     .a = 70,
                                     .v = lion_value_long((int64_t)(n * 7919 % 100003)),
                                     .tx = lion_t_to_tx(t),
                                     .added = true } };
}

static const lion_tree LONGS = { .order = LION_AEVT, .type = LION_TYPE_LONG, .a = 70 };

/* The entries of the top branch. */
static lion_branch_entry *top_entries(const lion_tree *tree, size_t *count_out)
{
    lion_slice bytes;
    lion_branch branch;
    lion_branch_entry *entries;
    assert_true(tree->height > 1);
    assert_ok(lion_snapshot_segment(&bytes, snapshot, tree->segment, &failure));
    assert_ok(lion_branch_open(&branch, bytes, tree, tree->height, &failure));
    assert_ok(lion_branch_read(&entries, &branch, &arena, &failure));
    *count_out = branch.count;
    return entries;
}

static void assert_leaf_sizes(const lion_tree *tree, size_t target)
{
    size_t count;
    assert_int_equal(tree->height, 2);
    lion_branch_entry *entries = top_entries(tree, &count);
    for (size_t i = 0; i < count; i++) {
        lion_slice bytes;
        assert_ok(lion_snapshot_segment(&bytes, snapshot, entries[i].segment, &failure));
        assert_in_range(bytes.size, target * 2 / 3 - target / 20, target * 4 / 3);
    }
}

static void leaves_stay_between_half_and_full(void **state)
{
    (void)state;
    enum { COUNT = 200000 };
    lion_tree tree = LONGS;
    lion_change *changes = malloc(COUNT * sizeof *changes);
    for (size_t i = 0; i < COUNT; i++) changes[i] = insertion(i * 2, 1001);
    assert_ok(try_update(&tree, changes, COUNT, 0)); /* in bulk */
    assert_leaf_sizes(&tree, LION_SEGMENT_SIZE_TARGET);

    for (size_t i = 0; i < COUNT; i++) changes[i] = insertion(i * 2 + 1, 1002);
    assert_ok(try_update(&tree, changes, COUNT, 0)); /* between all */
    assert_leaf_sizes(&tree, LION_SEGMENT_SIZE_TARGET);

    size_t kept = 0; /* three of four go */
    for (size_t n = 0; n < COUNT * 2; n++) {
        if (n % 4 == 0) continue;
        changes[kept] = insertion(n, n % 2 == 0 ? 1001 : 1002);
        changes[kept++].is_removal = true;
        if (kept < COUNT) continue;
        assert_ok(try_update(&tree, changes, kept, 0));
        kept = 0;
    }
    assert_ok(try_update(&tree, changes, kept, 0));
    assert_int_equal(tree.count, COUNT / 2);
    assert_leaf_sizes(&tree, LION_SEGMENT_SIZE_TARGET);

    for (size_t round = 0; round < 60; round++) { /* at the right edge, a few each time */
        for (size_t i = 0; i < 700; i++)
            changes[i] = insertion(COUNT * 3 + round * 700 + i, 2000 + (int64_t)round);
        assert_ok(try_update(&tree, changes, 700, 0));
    }
    assert_leaf_sizes(&tree, LION_SEGMENT_SIZE_TARGET);
    free(changes);
}

static void untouched_leaves_are_shared(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    lion_tree tree = LONGS;
    lion_change *changes = malloc(COUNT * sizeof *changes);
    for (size_t i = 0; i < COUNT; i++) changes[i] = insertion(i * 2, 1001);
    assert_ok(try_update(&tree, changes, COUNT, 4096));
    lion_tree before = tree;
    size_t count_before, count_after, shared = 0;
    lion_snapshot *old = lion_snapshot_keep(snapshot);
    lion_branch_entry *old_entries = top_entries(&before, &count_before);
    lion_change one = insertion(77777, 1002);
    assert_ok(try_update(&tree, &one, 1, 4096));
    lion_branch_entry *entries = top_entries(&tree, &count_after);
    for (size_t i = 0; i < count_after; i++)
        for (size_t j = 0; j < count_before; j++)
            shared += entries[i].segment == old_entries[j].segment;
    assert_in_range(shared, count_before - 2, count_before - 1);

    uint64_t rank; /* and the old tree is still there, as it was */
    lion_key key = { .datom = one.datom, .parts = 2 };
    assert_ok(lion_tree_rank(&rank, &before, old, &key, true, &failure));
    assert_int_equal(rank, 77777 / 2 + 1);
    lion_value value;
    assert_int_equal(lion_tree_get(&value, NULL, &before, old, one.datom.e, &failure), LION_ABSENT);
    assert_ok(lion_tree_get(&value, NULL, &tree, snapshot, one.datom.e, &failure));
    lion_snapshot_drop(old);
    free(changes);
}

static void leaves_of_other_times_are_not_read(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    lion_tree tree = LONGS;
    lion_change *changes = malloc(COUNT * sizeof *changes);
    for (size_t i = 0; i < COUNT; i++) changes[i] = insertion(i, 1000 + (int64_t)(i / 100));
    assert_ok(try_update(&tree, changes, COUNT, 4096));
    for (int is_reverse = 0; is_reverse < 2; is_reverse++) {
        lion_tree_iterator iterator;
        lion_datom_batch batch;
        lion_status status;
        size_t seen = 0, wanted = 0;
        assert_ok(lion_tree_iterator_init(&iterator, &tree, snapshot, LION_COLUMN_TX,
                                          is_reverse == 1, &arena, &failure));
        iterator.min_t = 1250;
        iterator.max_t = 1259;
        while ((status = lion_tree_iterator_next(&iterator, &batch, 1024, &failure)) == LION_OK)
            for (uint32_t i = 0; i < batch.count; i++, seen++) {
                int64_t t = lion_tx_to_t(batch.tx[i]);
                wanted += t >= 1250 && t <= 1259;
            }
        assert_int_equal(status, LION_END);
        assert_int_equal(wanted, 1000);
        assert_in_range(seen, 1000, COUNT / 5);
    }
    free(changes);
}

static void only_wanted_columns_are_filled(void **state)
{
    (void)state;
    lion_tree tree = LONGS;
    lion_change changes[50];
    for (size_t i = 0; i < CASES(changes); i++) changes[i] = insertion(i, 1001);
    assert_ok(try_update(&tree, changes, CASES(changes), 0));
    for (uint32_t columns = 1; columns <= LION_COLUMN_ALL; columns++) {
        lion_tree_iterator iterator;
        lion_datom_batch batch;
        assert_ok(
            lion_tree_iterator_init(&iterator, &tree, snapshot, columns, false, &arena, &failure));
        assert_ok(lion_tree_iterator_next(&iterator, &batch, 10, &failure));
        assert_int_equal(batch.count, 10);
        assert_int_equal(batch.columns, columns);
        assert_int_equal(batch.e != NULL, (columns & LION_COLUMN_E) != 0);
        assert_int_equal(batch.a != NULL, (columns & LION_COLUMN_A) != 0);
        assert_int_equal(batch.v.bits != NULL, (columns & LION_COLUMN_V) != 0);
        assert_int_equal(batch.tx != NULL, (columns & LION_COLUMN_TX) != 0);
        assert_int_equal(batch.added != NULL, (columns & LION_COLUMN_TX) != 0);
        if (columns & LION_COLUMN_TX) assert_int_equal(batch.added[9], 1);
        if (columns & LION_COLUMN_A) assert_int_equal(batch.a[9], 70);
    }
}

static void changes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    lion_tree tree = LONGS;
    lion_change changes[3] = { insertion(1, 1001), insertion(2, 1001), insertion(3, 1001) };
    assert_ok(try_update(&tree, changes, 3, 0));
    lion_tree before = tree;

    assert_int_equal(try_update(&tree, changes, 1, 0), LION_FAILED); /* is there already */
    assert_string_equal(failure.code, "lion/index");
    lion_change absent = insertion(9, 1001);
    absent.is_removal = true;
    assert_int_equal(try_update(&tree, &absent, 1, 0), LION_FAILED);
    assert_string_equal(failure.code, "lion/index");
    lion_change odd = insertion(9, 1001);
    odd.datom.v = lion_value_bytes(LION_TYPE_STRING, lion_slice_text("no long"));
    assert_int_equal(try_update(&tree, &odd, 1, 0), LION_FAILED);
    assert_string_equal(failure.code, "lion/index");
    assert_memory_equal(&tree, &before, sizeof tree);
}

static uint64_t count_blobs(void)
{
    lion_store_stats stats;
    assert_ok(lion_store_stats_read(&stats, store, &failure));
    return stats.blobs;
}

static void large_values_rest_once(void **state)
{
    (void)state;
    enum { SIZE = 5000 };
    lion_tree texts = { .order = LION_AEVT, .type = LION_TYPE_STRING, .a = 71 }, avet = texts;
    avet.order = LION_AVET;
    uint8_t *bytes = lion_arena_alloc(&arena, SIZE);
    memset(bytes, 'x', SIZE);
    lion_change changes[40];
    for (size_t i = 0; i < CASES(changes); i++) {
        changes[i] = insertion(i, 1001);
        changes[i].datom.a = 71;
        changes[i].datom.v = lion_value_bytes(LION_TYPE_STRING, lion_slice_of(bytes, SIZE));
    }
    assert_ok(try_update(&texts, changes, CASES(changes), 0));
    assert_ok(try_update(&avet, changes, CASES(changes), 0));
    assert_int_equal(count_blobs(), 1);
    lion_slice leaf;
    assert_ok(lion_snapshot_segment(&leaf, snapshot, texts.segment, &failure));
    assert_true(leaf.size < 300);

    lion_value value;
    int64_t e;
    assert_ok(lion_tree_get(&value, NULL, &texts, snapshot, user(7), &failure));
    assert_int_equal(lion_value_compare(value, changes[0].datom.v), 0);
    assert_ok(lion_tree_find(&e, NULL, &avet, snapshot, changes[0].datom.v, &failure));
    assert_int_equal(e, user(0));
    for (size_t i = 0; i < CASES(changes); i++) changes[i].is_removal = true;
    assert_ok(try_update(&texts, changes, CASES(changes), 0));
    assert_int_equal(count_blobs(), 1); /* AVET still has it */
    assert_ok(try_update(&avet, changes + 1, CASES(changes) - 1, 0));
    assert_int_equal(count_blobs(), 1);
    assert_ok(try_update(&avet, changes, 1, 0));
    assert_int_equal(count_blobs(), 0);
}

/* Separators between values that share more than a stub's prefix. */
static void large_values_are_told_apart(void **state)
{
    (void)state;
    enum { SIZE = 3000, COUNT = 120 };
    lion_tree tree = { .order = LION_AVET, .type = LION_TYPE_STRING, .a = 71 };
    lion_change changes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        uint8_t *bytes = lion_arena_alloc(&arena, SIZE);
        memset(bytes, 'y', SIZE);
        bytes[SIZE - 2] = (uint8_t)(i / 8 + 1);
        bytes[SIZE - 1] = (uint8_t)(i % 8 * 20 + 1);
        changes[i] = insertion(i, 1001);
        changes[i].datom.v = lion_value_bytes(LION_TYPE_STRING, lion_slice_of(bytes, SIZE));
    }
    assert_ok(try_update(&tree, changes, COUNT, 512));
    assert_true(tree.height > 2);
    for (size_t i = 0; i < COUNT; i++) {
        int64_t e;
        uint64_t rank;
        lion_key key = { .datom = changes[i].datom, .parts = 2 };
        assert_ok(lion_tree_find(&e, NULL, &tree, snapshot, changes[i].datom.v, &failure));
        assert_int_equal(e, user(i));
        assert_ok(lion_tree_rank(&rank, &tree, snapshot, &key, true, &failure));
        assert_int_equal(rank, i + 1);
    }
    for (size_t i = 0; i < COUNT; i++) { /* from the front: separators must not name what is gone */
        changes[i].is_removal = true;
        assert_ok(try_update(&tree, &changes[i], 1, 512));
        lion_tree_verifier *verifier;
        lion_status status;
        uint64_t rows;
        assert_ok(lion_tree_verify_open(&verifier, &tree, snapshot, &failure));
        while ((status = lion_tree_verify_step(verifier, &rows, &failure)) == LION_OK) {
        }
        if (status != LION_END) fail_msg("%s", failure.message);
        lion_tree_verify_close(verifier);
        assert_int_equal(count_blobs(), COUNT - 1 - i);
    }
}

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    assert_ok(lion_store_open_memory(&store, &failure));
    assert_ok(lion_snapshot_open(&snapshot, store, &failure));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lion_snapshot_drop(snapshot);
    lion_store_close(store);
    lion_arena_deinit(&arena);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leaves_stay_between_half_and_full),   TEST(untouched_leaves_are_shared),
        TEST(leaves_of_other_times_are_not_read),  TEST(only_wanted_columns_are_filled),
        TEST(changes_that_do_not_fit_are_refused), TEST(large_values_rest_once),
        TEST(large_values_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
