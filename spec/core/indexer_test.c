/* The indexer: random histories indexed at random points, in memory and in files, with tiny and
 * real segments; views of every age must go on saying what the model says. */
#include "view_support.h"

#include <unistd.h>

#include "base/buffer.h"
#include "index/indexer.h"
#include "index/log_tree.h"
#include "store/store.h"

#define HELD_MAX 12

typedef struct held_view {
    lion_view view;
    size_t count; /* of the model's datoms at that time */
    int64_t t;
} held_view;

typedef struct world {
    model m;
    lion_store *store;
    lion_root *root;
    lion_novelty *novelty;
    uint32_t node_entries, segment_size;
    held_view held[HELD_MAX];
    size_t held_count;
    char path[64];
} world;

static void check_status(lion_status status, const lion_error *error)
{
    if (status == LION_FAILED) print_error("%s: %s\n", error->code, error->message);
    assert_int_equal(status, LION_OK);
}

static void world_init(world *w, bool is_file, uint32_t node_entries, uint32_t segment_size,
                       size_t entities)
{
    lion_error error = { 0 };
    *w = (world){ .node_entries = node_entries, .segment_size = segment_size };
    model_init(&w->m, entities);
    if (is_file) {
        snprintf(w->path, sizeof w->path, "/tmp/lion-indexer-%d.lion", (int)getpid());
        unlink(w->path);
        lion_store_options options = { .create = true, .map_size = 1u << 30 };
        check_status(lion_store_open_file(&w->store, w->path, &options, &error), &error);
    } else {
        check_status(lion_store_open_memory(&w->store, &error), &error);
    }
    check_status(lion_root_open(&w->root, w->store, &error), &error);
    lion_novelty_options options = { .node_entries = node_entries, .reserve_size = 64u << 20 };
    check_status(lion_novelty_new(&w->novelty, &options, &error), &error);
}

static void release(held_view *held)
{
    lion_novelty_version_release(&held->view.novelty);
    lion_root_drop((lion_root *)(uintptr_t)held->view.root);
}

static void world_deinit(world *w)
{
    for (size_t i = 0; i < w->held_count; i++) release(&w->held[i]);
    lion_novelty_drop(w->novelty);
    lion_root_drop(w->root);
    lion_store_close(w->store);
    model_deinit(&w->m);
    if (w->path[0] == '\0') return;
    unlink(w->path);
    char lock[80];
    snprintf(lock, sizeof lock, "%s-lock", w->path);
    unlink(lock);
}

/* A view of what stands now; the caller releases it. */
static held_view hold(world *w)
{
    return (held_view){ .view = { .root = lion_root_keep(w->root),
                                  .novelty = lion_novelty_seal(w->novelty),
                                  .upper_t = w->m.t,
                                  .since_t = -1,
                                  .vaet_attributes = MODEL_REFS,
                                  .vaet_count = CASES(MODEL_REFS) },
                        .count = w->m.count,
                        .t = w->m.t };
}

static void transact(world *w, size_t operations)
{
    lion_error error = { 0 };
    model_transact(&w->m, operations);
    size_t start = w->m.starts[w->m.t];
    lion_transaction transaction = { .t = w->m.t,
                                     .instant_ms = w->m.t * 10,
                                     .next_counter = 5000,
                                     .datoms = w->m.datoms + start,
                                     .datom_count = (uint32_t)(w->m.count - start) };
    lion_buffer record;
    lion_buffer_init(&record);
    lion_transaction_encode(&record, &transaction);
    check_status(model_apply(&w->m, w->novelty, lion_buffer_view(&record), &error), &error);
    lion_buffer_deinit(&record);
}

static void describe(lion_indexed_attribute *attributes)
{
    for (size_t i = 0; i < MODEL_ATTRIBUTE_COUNT; i++)
        attributes[i] = (lion_indexed_attribute){ .a = MODEL_ATTRIBUTES[i].a,
                                                  .type = (uint8_t)MODEL_ATTRIBUTES[i].type,
                                                  .is_in_avet = MODEL_ATTRIBUTES[i].is_in_avet };
}

static void index_now(world *w)
{
    lion_error error = { 0 };
    lion_indexed_attribute attributes[MODEL_ATTRIBUTE_COUNT];
    describe(attributes);
    held_view now = hold(w);
    if (random_below(2) == 0) transact(w, 1 + random_below(5)); /* while the job runs */
    lion_index_job job = { .store = w->store,
                           .root = now.view.root,
                           .version = now.view.novelty,
                           .attributes = attributes,
                           .attribute_count = MODEL_ATTRIBUTE_COUNT,
                           .next_counter = 5000,
                           .keep_t = 0,
                           .options = { .segment_size = w->segment_size } };
    check_status(lion_index_run(&job, &error), &error);
    lion_root *root;
    check_status(lion_root_open(&root, w->store, &error), &error);
    assert_int_equal(root->t, now.t);
    lion_novelty_version version = lion_novelty_peek(w->novelty);
    lion_novelty *rest;
    check_status(lion_novelty_rest(&rest, &version, root->t, &error), &error);
    lion_root_drop(w->root);
    lion_novelty_drop(w->novelty);
    w->root = root;
    w->novelty = rest;
    release(&now);
}

/* Statistics that the planner trusts. */
static void check_root(world *w)
{
    size_t datoms = 0;
    while (datoms < w->m.count && lion_tx_to_t(w->m.datoms[datoms].tx) <= w->root->t) datoms++;
    for (uint32_t i = 0; i < w->root->attribute_count; i++) {
        const lion_root_attribute *attribute = &w->root->attributes[i];
        size_t count, current = 0, distinct_e = 0, distinct_v = 0;
        lion_datom *rows = model_view(&w->m, datoms, LION_AEVT, INT64_MAX, -1, false, &count);
        for (size_t j = 0; j < count; j++) {
            if (rows[j].a != attribute->a) continue;
            current++;
            distinct_e += j == 0 || rows[j - 1].a != rows[j].a || rows[j - 1].e != rows[j].e;
        }
        free(rows);
        rows = model_view(&w->m, datoms, LION_AVET, INT64_MAX, -1, false, &count);
        for (size_t j = 0; j < count; j++)
            distinct_v +=
                rows[j].a == attribute->a && (j == 0 || rows[j - 1].a != rows[j].a ||
                                              lion_value_compare(rows[j - 1].v, rows[j].v) != 0);
        free(rows);
        assert_int_equal(attribute->aevt.count, current);
        assert_int_equal(attribute->distinct_e, distinct_e);
        assert_int_equal(attribute->distinct_v, distinct_v);
    }
}

static void check_log(world *w)
{
    lion_error error = { 0 };
    lion_log_iterator *iterator;
    lion_transaction transaction;
    check_status(lion_log_iterator_open(&iterator, &w->root->log, w->root->snapshot, 0, &error),
                 &error);
    size_t next = 0;
    while (lion_log_iterator_next(iterator, &transaction, &error) == LION_OK) {
        for (uint32_t i = 0; i < transaction.datom_count; i++)
            assert_true(datom_equal(&transaction.datoms[i], &w->m.datoms[next++]));
    }
    lion_log_iterator_close(iterator);
    assert_true(next == w->m.count || lion_tx_to_t(w->m.datoms[next].tx) > w->root->t);
}

static void check_now(world *w, unsigned probes)
{
    held_view now = hold(w);
    check_view(&w->m, &now.view, now.count, probes);
    lion_view other = random_times(now.view, now.t);
    check_view(&w->m, &other, now.count, probes);
    release(&now);
}

/* What would be, on top of what stands; the model forgets it again. */
static void check_speculative(world *w, unsigned probes)
{
    lion_error error = { 0 };
    size_t count = w->m.count;
    int64_t t = w->m.t;
    held_view now = hold(w);
    lion_novelty *speculative;
    lion_novelty_options options = { .node_entries = w->node_entries, .reserve_size = 16u << 20 };
    check_status(lion_novelty_new(&speculative, &options, &error), &error);
    for (unsigned i = 0; i < 4; i++) {
        model_transact(&w->m, 1 + random_below(10));
        check_status(model_apply(&w->m, speculative, (lion_slice){ 0 }, &error), &error);
    }
    lion_view view = now.view;
    view.speculative = lion_novelty_seal(speculative);
    view.upper_t = w->m.t;
    check_view(&w->m, &view, w->m.count, probes);
    lion_view other = random_times(view, w->m.t);
    check_view(&w->m, &other, w->m.count, probes);
    lion_novelty_version_release(&view.speculative);
    lion_novelty_drop(speculative);
    release(&now);
    w->m.count = count;
    w->m.t = t;
}

/* A view held since long, and the same seen through what stands now. */
static void check_held(world *w, const held_view *held, unsigned probes)
{
    check_view(&w->m, &held->view, held->count, probes);
    held_view now = hold(w);
    lion_view rebased = held->view;
    rebased.root = now.view.root;
    rebased.novelty = now.view.novelty;
    check_view(&w->m, &rebased, now.count, probes);
    lion_view other = random_times(rebased, held->t);
    if (other.upper_t > held->t) other.upper_t = held->t;
    check_view(&w->m, &other, now.count, probes);
    release(&now);
}

static void hold_some(world *w)
{
    if (w->held_count == HELD_MAX || (w->held_count > 3 && random_below(3) == 0)) {
        size_t which = random_below(w->held_count);
        check_held(w, &w->held[which], 4);
        release(&w->held[which]);
        w->held[which] = w->held[--w->held_count];
    }
    w->held[w->held_count++] = hold(w);
}

static void live_through(bool is_file, uint32_t node_entries, uint32_t segment_size,
                         size_t entities, unsigned steps)
{
    world w;
    world_init(&w, is_file, node_entries, segment_size, entities);
    for (unsigned i = 0; i < steps; i++) {
        unsigned what = (unsigned)random_below(12);
        if (what < 8) transact(&w, random_below(10) == 0 ? 150 : 1 + random_below(10));
        if (w.m.count == 0) continue;
        if (what == 8) hold_some(&w);
        if (what == 9) check_now(&w, 5);
        if (what == 9 && i % 2 == 0) check_speculative(&w, 5);
        if (what == 10) index_now(&w);
        if (what == 11 && i % 4 == 0) {
            index_now(&w);
            check_root(&w);
            check_log(&w);
        }
    }
    index_now(&w);
    check_now(&w, 25);
    for (size_t i = 0; i < w.held_count; i++) check_held(&w, &w.held[i], 8);
    world_deinit(&w);
}

static void in_memory_with_tiny_segments(void **state)
{
    (void)state;
    live_through(false, 4, 256, 8, 160);
    live_through(false, 0, 512, 40, 160);
    live_through(false, 16, 1024, 15, 160);
}

static void in_memory_with_real_segments(void **state)
{
    (void)state;
    live_through(false, 0, 0, 200, 120);
}

/* Long stretches of the trees between novelty's few datoms. */
static void few_changes_over_large_trees(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        world w;
        world_init(&w, false, 0, round == 0 ? 0 : 8192, 300);
        for (unsigned i = 0; i < 40; i++) transact(&w, 150);
        index_now(&w);
        for (unsigned i = 0; i < 4; i++) {
            transact(&w, 1 + random_below(12));
            check_now(&w, 12);
        }
        world_deinit(&w);
    }
}

static void in_a_file(void **state)
{
    (void)state;
    live_through(true, 8, 512, 20, 120);
    live_through(true, 0, 0, 60, 80);
}

/* ---- attributes that change ---- */

static void put(world *w, int64_t t, int64_t e, uint32_t a, lion_value v, bool added,
                bool is_in_avet)
{
    lion_error error = { 0 };
    lion_datom datom = { .e = e, .a = a, .v = v, .tx = lion_t_to_tx(t), .added = added };
    uint8_t in_avet[1] = { is_in_avet };
    check_status(lion_novelty_apply(w->novelty, t, &datom, in_avet, 1, (lion_slice){ 0 }, &error),
                 &error);
}

static void index_with(world *w, lion_indexed_attribute attribute, int64_t keep_t)
{
    lion_error error = { 0 };
    lion_novelty_version version = lion_novelty_seal(w->novelty);
    lion_index_job job = { .store = w->store,
                           .root = w->root,
                           .version = version,
                           .attributes = &attribute,
                           .attribute_count = 1,
                           .next_counter = 5000,
                           .keep_t = keep_t,
                           .options = { .segment_size = 256 } };
    check_status(lion_index_run(&job, &error), &error);
    lion_root_drop(w->root);
    check_status(lion_root_open(&w->root, w->store, &error), &error);
    lion_novelty *rest;
    check_status(lion_novelty_rest(&rest, &version, w->root->t, &error), &error);
    lion_novelty_version_release(&version);
    lion_novelty_drop(w->novelty);
    w->novelty = rest;
}

static uint64_t count(world *w, lion_index index, uint32_t a, bool is_history)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    lion_view view = { .root = w->root,
                       .novelty = lion_novelty_peek(w->novelty),
                       .upper_t = INT64_MAX >> 20,
                       .since_t = -1,
                       .is_history = is_history };
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    uint64_t counted;
    check_status(lion_view_count(&counted, &view, index, &key, &arena, &error), &error);
    lion_arena_deinit(&arena);
    return counted;
}

static void an_attribute_comes_into_avet_and_leaves_it(void **state)
{
    (void)state;
    world w;
    world_init(&w, false, 0, 256, 1);
    lion_indexed_attribute attribute = { .a = 10, .type = LION_TYPE_LONG };
    for (int64_t t = 1; t <= 500; t++)
        put(&w, t, 1000 + t, 10, lion_value_long(t % 50), true, false);
    for (int64_t t = 501; t <= 600; t++)
        put(&w, t, 1000 + t - 500, 10, lion_value_long((t - 500) % 50), false, false);
    index_with(&w, attribute, 0);
    assert_int_equal(count(&w, LION_AEVT, 10, false), 400);
    assert_int_equal(count(&w, LION_AVET, 10, false), 0);

    attribute.is_in_avet = true; /* with novelty that both adds and retracts */
    for (int64_t t = 601; t <= 650; t++) put(&w, t, 5000 + t, 10, lion_value_long(t), true, true);
    for (int64_t t = 651; t <= 660; t++)
        put(&w, t, 1000 + t - 400, 10, lion_value_long((t - 400) % 50), false, true);
    index_with(&w, attribute, 0);
    assert_int_equal(count(&w, LION_AEVT, 10, false), 440);
    assert_int_equal(count(&w, LION_AVET, 10, false), 440);
    assert_int_equal(count(&w, LION_AVET, 10, true), 660);
    assert_int_equal(count(&w, LION_AEVT, 10, true), 660);
    assert_int_equal(lion_root_attribute_lookup(w.root, 10)->distinct_v, 100);

    put(&w, 700, 1, 10, lion_value_long(1), true, true);
    index_with(&w, attribute, 0);
    assert_int_equal(count(&w, LION_AVET, 10, false), 441);
    attribute.is_in_avet = false;
    put(&w, 701, 2, 10, lion_value_long(1), true, false);
    index_with(&w, attribute, 0);
    assert_int_equal(count(&w, LION_AVET, 10, true), 0);
    assert_int_equal(count(&w, LION_AEVT, 10, false), 442);
    world_deinit(&w);
}

static void no_history_keeps_what_values_see(void **state)
{
    (void)state;
    world w;
    world_init(&w, false, 0, 256, 1);
    lion_indexed_attribute attribute = { .a = 10, .type = LION_TYPE_LONG, .no_history = true };
    put(&w, 1, 7, 10, lion_value_long(1), true, false);
    put(&w, 2, 7, 10, lion_value_long(1), false, false);
    put(&w, 3, 7, 10, lion_value_long(2), true, false);
    put(&w, 4, 8, 10, lion_value_long(5), true, false);
    index_with(&w, attribute, 100); /* nobody sees the past */
    assert_int_equal(count(&w, LION_AEVT, 10, false), 2);
    assert_int_equal(count(&w, LION_AEVT, 10, true), 2);
    put(&w, 110, 7, 10, lion_value_long(2), false, false); /* of the tree */
    put(&w, 111, 8, 10, lion_value_long(5), false, false);
    put(&w, 112, 9, 10, lion_value_long(6), true, false);
    put(&w, 113, 9, 10, lion_value_long(6), false, false);
    index_with(&w, attribute, 110); /* a value at 110 sees 8 and does not see 7 */
    assert_int_equal(count(&w, LION_AEVT, 10, false), 0);
    assert_int_equal(count(&w, LION_AEVT, 10, true), 4); /* 8 and 9, with their retractions */
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_view view = { .root = w.root, .upper_t = 110, .since_t = -1 };
    lion_value v;
    assert_int_equal(lion_view_get(&v, NULL, &view, 8, 10, &arena, NULL), LION_OK);
    assert_int_equal(v.bits, 5);
    assert_int_equal(lion_view_get(&v, NULL, &view, 7, 10, &arena, NULL), LION_ABSENT);
    lion_arena_deinit(&arena);
    world_deinit(&w);
}

static void a_cancelled_job_leaves_the_old_root(void **state)
{
    (void)state;
    world w;
    world_init(&w, false, 0, 256, 1);
    put(&w, 1, 7, 10, lion_value_long(1), true, true);
    lion_novelty_version version = lion_novelty_seal(w.novelty);
    lion_indexed_attribute attribute = { .a = 10, .type = LION_TYPE_LONG, .is_in_avet = true };
    volatile bool is_cancelled = true;
    lion_index_job job = { .store = w.store,
                           .root = w.root,
                           .version = version,
                           .attributes = &attribute,
                           .attribute_count = 1,
                           .is_cancelled = &is_cancelled };
    lion_error error = { 0 };
    assert_int_equal(lion_index_run(&job, &error), LION_FAILED);
    assert_int_equal(error.category, LION_INTERRUPTED);
    lion_root *root;
    check_status(lion_root_open(&root, w.store, &error), &error);
    assert_int_equal(root->t, 0);
    lion_root_drop(root);
    lion_novelty_version_release(&version);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory_with_tiny_segments),
        cmocka_unit_test(in_memory_with_real_segments),
        cmocka_unit_test(few_changes_over_large_trees),
        cmocka_unit_test(in_a_file),
        cmocka_unit_test(an_attribute_comes_into_avet_and_leaves_it),
        cmocka_unit_test(no_history_keeps_what_values_see),
        cmocka_unit_test(a_cancelled_job_leaves_the_old_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
