/* tree_model_test.c - trees do what a sorted array does: random rows of every type, in every order,
 * of the present and of the past, through chains of updates, with tiny segments (every split and
 * merge path) and normal ones. */
#include <math.h>
#include <unistd.h>

#include "tree_support.h"

typedef struct fixture {
    lion_store *store;
    lion_snapshot *snapshot;
    lion_tree tree;
    lion_tree_options options;
    lion_arena arena; /* all values ever made */
    model model;
    value_kind kinds[4]; /* EAVT: by attribute */
    size_t kind_count;
    int64_t entities;
    int64_t t;
} fixture;

/* Stores are in memory, unless this names a file. */
static const char *file_path;

static void open_store(fixture *f)
{
    lion_store_options options = { .create = true };
    if (file_path != NULL)
        assert_ok(lion_store_open_file(&f->store, file_path, &options, &failure));
    else
        assert_ok(lion_store_open_memory(&f->store, &failure));
    assert_ok(lion_snapshot_open(&f->snapshot, f->store, &failure));
}

static void open_fixture(fixture *f, uint8_t order, bool is_history, uint32_t segment_size)
{
    memset(f, 0, sizeof *f);
    open_store(f);
    lion_arena_init(&f->arena, 0);
    f->tree.order = order;
    f->tree.is_history = is_history;
    f->tree.a = order == LION_EAVT ? 0 : 70;
    f->options.segment_size = segment_size;
    f->model.order = order;
    f->t = 1000;
}

static void close_fixture(fixture *f)
{
    lion_snapshot_drop(f->snapshot);
    lion_store_close(f->store);
    lion_arena_deinit(&f->arena);
    free(f->model.rows);
}

static lion_datom random_row(fixture *f)
{
    size_t kind = random_below(f->kind_count);
    lion_datom row = { .e = lion_id_make(LION_PARTITION_USER,
                                         (int64_t)random_below((size_t)f->entities)),
                       .a = f->tree.order == LION_EAVT ? 70 + (uint32_t)kind : 70,
                       .tx = lion_t_to_tx(f->t - (int64_t)random_below(5)),
                       .added = true };
    row.v = random_value(&f->arena, &f->kinds[kind]);
    if (f->tree.is_history) row.added = random_below(2) == 0;
    return row;
}

static int by_order(const void *a, const void *b);
static uint8_t sort_order;
static int by_order(const void *a, const void *b)
{
    return compare_in_order(sort_order, &((const lion_change *)a)->datom,
                            &((const lion_change *)b)->datom);
}

/* Random changes that fit the model, sorted, no two of one row. */
static size_t make_changes(fixture *f, lion_change *changes, size_t insertions, size_t removals,
                           bool clustered)
{
    size_t count = 0;
    for (size_t i = 0; i < insertions; i++) {
        lion_datom row = random_row(f);
        if (!model_has(&f->model, &row)) changes[count++] = (lion_change){ .datom = row };
    }
    size_t start = f->model.count > 0 ? random_below(f->model.count) : 0;
    for (size_t i = 0; i < removals && f->model.count > 0; i++) {
        size_t place = clustered ? (start + i) % f->model.count : random_below(f->model.count);
        changes[count++] = (lion_change){ .datom = f->model.rows[place], .is_removal = true };
    }
    sort_order = f->tree.order;
    qsort(changes, count, sizeof *changes, by_order);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || by_order(&changes[kept - 1], &changes[i]) != 0)
            changes[kept++] = changes[i];
    return kept;
}

static void update(fixture *f, const lion_change *changes, size_t count)
{
    lion_commit *commit;
    lion_tree_statistics statistics;
    assert_ok(lion_commit_begin(&commit, f->store, &failure));
    assert_ok(lion_tree_update(&f->tree, &statistics, &f->tree, f->snapshot, commit, changes, count,
                               &f->options, &failure));
    assert_ok(lion_commit_finish_take(commit, lion_slice_text("root"), &failure));
    lion_snapshot_drop(f->snapshot);
    assert_ok(lion_snapshot_open(&f->snapshot, f->store, &failure));
    model_apply(&f->model, changes, count);
    assert_int_equal(f->tree.count, f->model.count);
    assert_int_equal(statistics.distinct_lead, model_distinct(&f->model));
}

/* ---- what must hold after every update ---- */

static void check_sound(fixture *f)
{
    lion_tree_verifier *verifier;
    uint64_t rows, total = 0, leaves = 0;
    lion_status status;
    assert_ok(lion_tree_verify_open(&verifier, &f->tree, f->snapshot, &failure));
    while ((status = lion_tree_verify_step(verifier, &rows, &failure)) == LION_OK) {
        total += rows;
        leaves++;
    }
    if (status != LION_END) fail_msg("verify: %s", failure.message);
    assert_int_equal(total, f->model.count);
    lion_tree_verify_close(verifier);

    lion_store_stats stats; /* nothing is left behind: branches have at least two children */
    assert_ok(lion_store_stats_read(&stats, f->store, &failure));
    assert_true(stats.segments >= leaves);
    assert_true(stats.segments <= (leaves < 2 ? leaves : 2 * leaves - 1));
}

static void check_scan(fixture *f, bool is_reverse, uint32_t limit)
{
    lion_arena arena;
    lion_tree_iterator iterator;
    lion_datom_batch batch;
    lion_status status;
    size_t seen = 0;
    lion_arena_init(&arena, 0);
    assert_ok(lion_tree_iterator_init(&iterator, &f->tree, f->snapshot, LION_COLUMN_ALL, is_reverse,
                                      &arena, &failure));
    while ((status = lion_tree_iterator_next(&iterator, &batch, limit, &failure)) == LION_OK) {
        assert_in_range(batch.count, 1, limit);
        for (size_t i = 0; i < batch.count; i++, seen++) {
            lion_datom found = lion_datom_batch_get(&batch, i);
            size_t place = is_reverse ? f->model.count - 1 - seen : seen;
            assert_true(place < f->model.count);
            assert_same_datom(&found, &f->model.rows[place]);
        }
    }
    assert_int_equal(status, LION_END);
    assert_int_equal(seen, f->model.count);
    lion_arena_deinit(&arena);
}

/* A key near rows that are there, often exactly on one. */
static lion_key random_key(fixture *f)
{
    lion_key key = { .datom = random_row(f), .parts = (uint8_t)random_below(5) };
    if (f->model.count > 0 && random_below(3) > 0)
        key.datom = f->model.rows[random_below(f->model.count)];
    if (random_below(4) == 0) key.datom.tx += (int64_t)random_below(3) - 1;
    if (random_below(8) == 0) key.datom.e = random_below(2) == 0 ? INT64_MIN : INT64_MAX;
    return key;
}

static void check_ranks(fixture *f, size_t probes)
{
    for (size_t i = 0; i < probes; i++) {
        lion_key key = random_key(f);
        for (int upper = 0; upper < 2; upper++) {
            uint64_t rank;
            assert_ok(lion_tree_rank(&rank, &f->tree, f->snapshot, &key, upper == 1, &failure));
            size_t expected = model_rank(&f->model, &key, upper == 1);
            if (rank != expected)
                fail_msg("order %u type %u: rank %zu of %u parts of e %lld v %lld tx %lld (upper "
                         "%d) should be %zu",
                         f->tree.order, f->tree.type, (size_t)rank, key.parts,
                         (long long)key.datom.e, (long long)key.datom.v.bits,
                         (long long)key.datom.tx, upper, expected);
        }
    }
}

static void check_selects(fixture *f, size_t probes)
{
    for (size_t i = 0; i < probes && f->model.count > 0; i++) {
        size_t rank = random_below(f->model.count);
        lion_datom row;
        assert_ok(lion_tree_select(&row, &f->tree, f->snapshot, rank, &failure));
        assert_int_equal(compare_in_order(f->tree.order, &row, &f->model.rows[rank]), 0);
    }
}

static void check_seeks(fixture *f, bool is_reverse, size_t probes)
{
    lion_arena arena;
    lion_tree_iterator iterator;
    lion_arena_init(&arena, 0);
    assert_ok(lion_tree_iterator_init(&iterator, &f->tree, f->snapshot, LION_COLUMN_ALL, is_reverse,
                                      &arena, &failure));
    for (size_t i = 0; i < probes; i++) {
        lion_key key = random_key(f);
        bool upper = random_below(2) == 1;
        size_t place = model_rank(&f->model, &key, upper);
        assert_ok(lion_tree_iterator_seek(&iterator, &key, upper, &failure));
        size_t left = is_reverse ? place : f->model.count - place;
        for (size_t steps = random_below(4); steps > 0; steps--) {
            lion_datom_batch batch;
            lion_status status =
                lion_tree_iterator_next(&iterator, &batch, 1 + (uint32_t)random_below(7), &failure);
            if (left == 0) {
                assert_int_equal(status, LION_END);
                break;
            }
            assert_int_equal(status, LION_OK);
            for (size_t row = 0; row < batch.count; row++, left--) {
                assert_true(left > 0);
                lion_datom found = lion_datom_batch_get(&batch, row);
                size_t at = is_reverse ? left - 1 : f->model.count - left;
                assert_same_datom(&found, &f->model.rows[at]);
            }
        }
    }
    lion_arena_deinit(&arena);
}

static void check_points(fixture *f, size_t probes)
{
    for (size_t i = 0; i < probes && f->tree.order != LION_EAVT; i++) {
        lion_key key = random_key(f);
        key.parts = 2;
        size_t place = model_rank(&f->model, &key, false);
        bool is_there = place < f->model.count &&
                        compare_prefix(f->tree.order, &f->model.rows[place], &key) == 0;
        lion_status status;
        lion_datom found = { 0 };
        if (f->tree.order == LION_AEVT)
            status =
                lion_tree_get(&found.v, &found.tx, &f->tree, f->snapshot, key.datom.e, &failure);
        else
            status =
                lion_tree_find(&found.e, &found.tx, &f->tree, f->snapshot, key.datom.v, &failure);
        assert_int_equal(status, is_there ? LION_OK : LION_ABSENT);
        if (!is_there) continue;
        assert_int_equal(found.tx, f->model.rows[place].tx);
        if (f->tree.order == LION_AVET)
            assert_int_equal(found.e, f->model.rows[place].e);
        else
            assert_int_equal(lion_value_compare(found.v, f->model.rows[place].v), 0);
    }
}

static void check_gather(fixture *f)
{
    int64_t e[300];
    uint8_t found[300];
    uint32_t count = 0;
    lion_arena arena;
    lion_vector values;
    if (f->tree.order != LION_AEVT) return;
    int64_t step = f->entities / 200 + 1;
    for (int64_t n = -3; n < f->entities + 5 && count < 300;
         n += 1 + (int64_t)random_below((size_t)step * 2))
        e[count++] = lion_id_make(LION_PARTITION_USER, n);
    lion_arena_init(&arena, 0);
    assert_ok(lion_tree_gather(&values, found, &f->tree, f->snapshot, e, count, &arena, &failure));
    for (uint32_t i = 0; i < count; i++) {
        lion_key key = { .datom = { .e = e[i], .a = f->tree.a }, .parts = 2 };
        size_t place = model_rank(&f->model, &key, false);
        bool is_there = place < f->model.count && f->model.rows[place].e == e[i];
        assert_int_equal(found[i], is_there);
        if (is_there)
            assert_int_equal(
                lion_value_compare(lion_vector_get(&values, i), f->model.rows[place].v), 0);
    }
    lion_arena_deinit(&arena);
}

static void check_all(fixture *f)
{
    check_sound(f);
    check_scan(f, false, 1 + (uint32_t)random_below(LION_BATCH_ROWS));
    check_scan(f, true, 1 + (uint32_t)random_below(LION_BATCH_ROWS));
    check_ranks(f, 60);
    check_selects(f, 30);
    check_seeks(f, false, 40);
    check_seeks(f, true, 40);
    check_points(f, 60);
    check_gather(f);
}

/* ---- chains of updates ---- */

static void run_updates(fixture *f, size_t rounds, size_t size)
{
    lion_change *changes = malloc((size * 4 + 16) * sizeof *changes);
    check_all(f);
    for (size_t round = 0; round < rounds; round++) {
        f->t += 3;
        size_t insertions = random_below(4) == 0 ? random_below(4) : random_below(size);
        size_t removals = random_below(3) == 0 ? random_below(size * 2) : random_below(5);
        size_t count = make_changes(f, changes, insertions, removals, random_below(2) == 0);
        update(f, changes, count);
        check_all(f);
    }
    /* Everything goes, and may come again. */
    free(changes);
    changes = malloc((f->model.count + 1) * sizeof *changes);
    for (size_t i = 0; i < f->model.count; i++)
        changes[i] = (lion_change){ .datom = f->model.rows[i], .is_removal = true };
    update(f, changes, f->model.count);
    assert_int_equal(f->tree.height, 0);
    lion_store_stats stats;
    assert_ok(lion_store_stats_read(&stats, f->store, &failure));
    assert_int_equal(stats.segments, 0);
    assert_int_equal(stats.blobs, 0);
    size_t count = make_changes(f, changes, 1, 0, false);
    update(f, changes, count);
    check_all(f);
    free(changes);
}

static void run_type(uint8_t order, bool is_history, uint32_t segment_size, value_kind kind,
                     size_t rounds, size_t size, int64_t entities)
{
    fixture f;
    open_fixture(&f, order, is_history, segment_size);
    f.tree.type = kind.type;
    f.kinds[0] = kind;
    f.kind_count = 1;
    f.entities = entities;
    run_updates(&f, rounds, size);
    close_fixture(&f);
}

static const value_kind KINDS[] = {
    { LION_TYPE_BOOLEAN, 2, false },   { LION_TYPE_LONG, 20, false },
    { LION_TYPE_LONG, 100000, false }, { LION_TYPE_DOUBLE, 12, false },
    { LION_TYPE_DOUBLE, 5000, false }, { LION_TYPE_INSTANT, 300, false },
    { LION_TYPE_REF, 40, false },      { LION_TYPE_REF, 100000, false },
    { LION_TYPE_STRING, 9, false },    { LION_TYPE_STRING, 5000, false },
    { LION_TYPE_STRING, 60, true },    { LION_TYPE_KEYWORD, 4, false },
    { LION_TYPE_SYMBOL, 500, false },  { LION_TYPE_URI, 500, true },
    { LION_TYPE_UUID, 3000, false },   { LION_TYPE_UUID, 5, false },
    { LION_TYPE_BYTES, 200, true },    { LION_TYPE_TUPLE, 700, false },
};

static void tiny_trees_of_one_attribute(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(KINDS); i++)
        for (uint8_t order = LION_AEVT; order <= LION_AVET; order++)
            for (int is_history = 0; is_history < 2; is_history++) {
                uint32_t size = random_below(2) == 0 ? 256 : 700;
                run_type(order, is_history == 1, size, KINDS[i], 14, 120,
                         1 + (int64_t)random_below(400));
            }
}

static void normal_trees_of_one_attribute(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(KINDS); i++)
        for (uint8_t order = LION_AEVT; order <= LION_AVET; order++)
            run_type(order, i % 2 == 0, i % 3 == 0 ? 0 : 4096, KINDS[i], 3, 9000, 20000);
}

static void run_entities(bool is_history, uint32_t segment_size, size_t rounds, size_t size,
                         int64_t entities)
{
    fixture f;
    open_fixture(&f, LION_EAVT, is_history, segment_size);
    f.tree.type = LION_TYPE_MIXED;
    for (size_t i = 0; i < 4; i++) f.kinds[i] = KINDS[random_below(CASES(KINDS))];
    f.kind_count = 4;
    f.entities = entities;
    run_updates(&f, rounds, size);
    close_fixture(&f);
}

static void tiny_trees_of_entities(void **state)
{
    (void)state;
    for (size_t i = 0; i < 24; i++)
        run_entities(i % 2 == 1, i % 3 == 0 ? 256 : 900, 12, 150, i % 4 == 0 ? 3 : 200);
}

static void normal_trees_of_entities(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++)
        run_entities(i % 2 == 1, i < 2 ? 0 : 4096, 3, 9000, i == 3 ? 10 : 3000);
}

/* The same in a file, closed and opened again. */
static void trees_in_a_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/lion-tree-XXXXXX", path[64], lock[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/t.lion", folder);
    snprintf(lock, sizeof lock, "%s/t.lion-lock", folder);
    file_path = path;
    for (uint8_t order = LION_AEVT; order <= LION_AVET; order++) {
        fixture f;
        open_fixture(&f, order, false, 700);
        f.kinds[0] = (value_kind){ LION_TYPE_STRING, 300, true };
        f.tree.type = LION_TYPE_STRING;
        f.kind_count = 1;
        f.entities = 500;
        run_updates(&f, 8, 300);
        lion_change changes[400];
        update(&f, changes, make_changes(&f, changes, 400, 0, false));
        lion_snapshot_drop(f.snapshot);
        lion_store_close(f.store);
        open_store(&f);
        check_all(&f);
        close_fixture(&f);
        unlink(path);
        unlink(lock);
    }
    file_path = NULL;
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tiny_trees_of_one_attribute),
        cmocka_unit_test(tiny_trees_of_entities),
        cmocka_unit_test(normal_trees_of_one_attribute),
        cmocka_unit_test(normal_trees_of_entities),
        cmocka_unit_test(trees_in_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
