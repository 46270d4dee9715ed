/* Novelty: persistent trees in memory, against a model; versions, counting, walking, reuse of
 * nodes. */
#include "model_support.h"

#include "index/novelty.h"

static const lion_index ORDERS[] = { LION_EAVT, LION_AEVT, LION_AVET };

static lion_novelty *novelty_new(uint32_t node_entries)
{
    lion_novelty_options options = { .node_entries = node_entries, .reserve_size = 256u << 20 };
    lion_novelty *novelty;
    lion_error error = { 0 };
    assert_int_equal(lion_novelty_new(&novelty, &options, &error), LION_OK);
    return novelty;
}

static void transact(model *m, lion_novelty *novelty, size_t operations)
{
    lion_error error = { 0 };
    model_transact(m, operations);
    assert_int_equal(model_apply(m, novelty, lion_slice_text("record"), &error), LION_OK);
}

static void check_walk(const lion_novelty_version *version, lion_index order,
                       const lion_datom *rows, size_t count, bool is_reverse)
{
    size_t next = 0;
    lion_datom datom;
    for (size_t i = 0; i < MODEL_ATTRIBUTE_COUNT; i++) {
        size_t attribute = is_reverse ? MODEL_ATTRIBUTE_COUNT - 1 - i : i;
        lion_novelty_iterator iterator;
        lion_novelty_iterator_init(&iterator, version, order, MODEL_ATTRIBUTES[attribute].a,
                                   is_reverse);
        while (lion_novelty_iterator_next(&iterator, &datom)) {
            assert_true(next < count);
            assert_true(datom_equal(&datom, &rows[is_reverse ? count - 1 - next : next]));
            next++;
        }
        if (order == LION_EAVT) break;
    }
    assert_int_equal(next, count);
}

/* Everything from the boundary on, within the attribute. */
static void check_seek(lion_novelty_iterator *iterator, lion_index order, const lion_datom *rows,
                       size_t count, const lion_key *key, bool upper)
{
    lion_novelty_iterator_seek(iterator, key, upper);
    size_t place = 0; /* of the boundary in rows */
    for (; place < count; place++) {
        int by = model_place(order, key, &rows[place]);
        if (by > 0 || (by == 0 && !upper)) break;
    }
    lion_datom datom;
    for (unsigned steps = 0; steps < 5; steps++) {
        bool has = lion_novelty_iterator_next(iterator, &datom);
        size_t index = iterator->is_reverse ? place - 1 - steps : place + steps;
        bool expected = iterator->is_reverse ? steps < place : index < count;
        if (expected && order != LION_EAVT) expected = rows[index].a == key->datom.a;
        assert_int_equal(has, expected);
        if (!has) break;
        assert_true(datom_equal(&datom, &rows[index]));
    }
}

static void check_counts(const lion_novelty_version *version, lion_index order,
                         const lion_datom *rows, size_t count, const lion_key *key)
{
    uint64_t datoms, expected = 0;
    int64_t net, expected_net = 0;
    lion_novelty_count(&datoms, &net, version, order, key);
    const lion_datom *first = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!model_matches(order, key, &rows[i])) continue;
        if (first == NULL) first = &rows[i];
        expected++;
        expected_net += rows[i].added ? 1 : -1;
    }
    assert_int_equal(datoms, expected);
    assert_int_equal(net, expected_net);
    if (key->parts == 0) return;
    lion_datom found;
    assert_int_equal(lion_novelty_first(version, order, key, &found), first != NULL);
    if (first != NULL) assert_true(datom_equal(&found, first));
}

static void check_version(model *m, const lion_novelty_version *version, size_t count)
{
    assert_int_equal(version->datoms, count);
    for (size_t i = 0; i < CASES(ORDERS); i++) {
        lion_index order = ORDERS[i];
        size_t row_count;
        lion_datom *rows = model_view(m, count, order, INT64_MAX, -1, true, &row_count);
        check_walk(version, order, rows, row_count, false);
        check_walk(version, order, rows, row_count, true);
        lion_novelty_iterator iterators[2];
        uint32_t of = UINT32_MAX;
        for (unsigned probe = 0; probe < 30 && count > 0; probe++) {
            lion_key key = model_key(m, order, count);
            if (order != LION_EAVT && key.parts == 0) key.parts = 1;
            check_counts(version, order, rows, row_count, &key);
            if (of != key.datom.a) { /* else reuse: a seek from where it is */
                of = key.datom.a;
                for (unsigned j = 0; j < 2; j++)
                    lion_novelty_iterator_init(&iterators[j], version, order, of, j == 1);
            }
            bool upper = random_below(2) != 0;
            check_seek(&iterators[random_below(2)], order, rows, row_count, &key, upper);
        }
        free(rows);
    }
}

static void agrees_with_model(void **state)
{
    (void)state;
    static const uint32_t ENTRIES[] = { 4, 5, 16, 0 };
    for (size_t round = 0; round < 8; round++) {
        model m;
        model_init(&m, round % 2 == 0 ? 8 : 60);
        lion_novelty *novelty = novelty_new(ENTRIES[round % CASES(ENTRIES)]);
        for (unsigned i = 0; i < 60; i++) {
            transact(&m, novelty, random_below(8) == 0 ? 300 : 1 + random_below(8));
            if (random_below(3) == 0) { /* unsealed reading */
                lion_novelty_version version = lion_novelty_peek(novelty);
                if (random_below(4) == 0) check_version(&m, &version, m.count);
            } else {
                lion_novelty_version version = lion_novelty_seal(novelty);
                lion_novelty_version_release(&version);
            }
        }
        lion_novelty_version version = lion_novelty_seal(novelty);
        lion_novelty_drop(novelty); /* the version keeps it */
        check_version(&m, &version, m.count);
        lion_novelty_version_release(&version);
        model_deinit(&m);
    }
}

static void versions_never_change(void **state)
{
    (void)state;
    enum { HELD = 40 };
    for (unsigned round = 0; round < 3; round++) {
        model m;
        model_init(&m, 20);
        lion_novelty *novelty = novelty_new(round == 0 ? 4 : round == 1 ? 8 : 0);
        lion_novelty_version held[HELD];
        size_t counts[HELD];
        size_t held_count = 0;
        for (unsigned i = 0; i < 250; i++) {
            transact(&m, novelty, 1 + random_below(6));
            lion_novelty_version version = lion_novelty_seal(novelty);
            if (random_below(3) == 0) { /* sealed again: the same */
                lion_novelty_version again = lion_novelty_seal(novelty);
                assert_int_equal(again.epoch, version.epoch);
                lion_novelty_version_release(&again);
            }
            if (held_count == HELD || (held_count > 0 && random_below(3) == 0)) {
                size_t which = random_below(held_count);
                if (random_below(4) == 0) check_version(&m, &held[which], counts[which]);
                lion_novelty_version_release(&held[which]);
                held[which] = held[--held_count];
                counts[which] = counts[held_count];
            }
            held[held_count] = version;
            counts[held_count++] = m.count;
        }
        for (size_t i = 0; i < held_count; i++) {
            check_version(&m, &held[i], counts[i]);
            lion_novelty_version_release(&held[i]);
        }
        lion_novelty_drop(novelty);
        model_deinit(&m);
    }
}

/* A datom of long attribute 10. */
static lion_datom long_datom(int64_t e, int64_t v, int64_t t, bool added)
{
    return (lion_datom){
        .e = e, .a = 10, .v = lion_value_long(v), .tx = lion_t_to_tx(t), .added = added
    };
}

static void nodes_are_reused(void **state)
{
    (void)state;
    lion_novelty *novelty = novelty_new(0);
    lion_error error = { 0 };
    uint8_t in_avet[1] = { 1 };
    lion_novelty_version held = { 0 }, published = { 0 };
    uint64_t after_warm_up = 0;
    for (int64_t t = 1; t <= 30000; t++) {
        lion_datom datom = long_datom((t * 7919) % 5000, t, t, true);
        assert_int_equal(
            lion_novelty_apply(novelty, t, &datom, in_avet, 1, (lion_slice){ 0 }, &error), LION_OK);
        lion_novelty_version version = lion_novelty_seal(novelty);
        lion_novelty_version_release(
            &published); /* the newest is always held, as by a connection */
        published = version;
        if (t == 10000) { /* and one for long */
            held = version;
            lion_novelty_version_keep(&held);
        }
        if (t == 10500) after_warm_up = lion_novelty_size(novelty);
    }
    /* 19,500 datoms: a record, an entry of the transaction, 3 entries in half-full nodes. */
    assert_in_range(lion_novelty_size(novelty) - after_warm_up, 1, 19500 * 160 + 300000);
    assert_int_equal(held.datoms, 10000);
    lion_key all = { .datom = { .a = 10 }, .parts = 1 };
    uint64_t datoms;
    int64_t net;
    lion_novelty_count(&datoms, &net, &held, LION_AVET, &all);
    assert_int_equal(datoms, 10000);
    lion_novelty_version_release(&held);
    lion_novelty_version_release(&published);
    lion_novelty_drop(novelty);
}

static void ascending_ids_fill_nodes(void **state)
{
    (void)state;
    lion_novelty *novelty = novelty_new(0);
    lion_error error = { 0 };
    uint8_t in_avet[1] = { 0 };
    for (int64_t t = 1; t <= 20000; t++) {
        lion_datom datom = long_datom(t, t, t, true);
        assert_int_equal(
            lion_novelty_apply(novelty, t, &datom, in_avet, 1, (lion_slice){ 0 }, &error), LION_OK);
    }
    /* record 32, transaction 32 (in a chunk twice as long), 2 × 12 in full nodes, and the branches
     */
    assert_in_range(lion_novelty_size(novelty), 0, 20000 * 132);
    lion_novelty_drop(novelty);
}

static void rest_copies_newer_transactions(void **state)
{
    (void)state;
    model m;
    model_init(&m, 30);
    lion_novelty *novelty = novelty_new(8);
    lion_error error = { 0 };
    for (unsigned i = 0; i < 200; i++) transact(&m, novelty, 1 + random_below(10));
    lion_novelty_version version = lion_novelty_seal(novelty);
    int64_t above = m.t / 2;
    lion_novelty *rest;
    assert_int_equal(lion_novelty_rest(&rest, &version, above, &error), LION_OK);
    lion_novelty_version newer = lion_novelty_seal(rest);
    assert_int_equal(newer.t, m.t);

    size_t start = 0;
    while (lion_tx_to_t(m.datoms[start].tx) <= above) start++;
    model late = m;
    late.datoms += start;
    late.count -= start;
    check_version(&late, &newer, late.count);
    uint32_t index = version.transactions - newer.transactions;
    for (uint32_t i = 0; i < newer.transactions; i++) {
        int64_t t, old_t;
        lion_slice record, old_record;
        lion_novelty_transaction(&newer, i, &t, &record);
        lion_novelty_transaction(&version, index + i, &old_t, &old_record);
        assert_int_equal(t, old_t);
        assert_true(t > above);
        assert_true(lion_slice_equal(record, old_record));
    }
    lion_novelty_version_release(&newer);
    lion_novelty_drop(rest);
    lion_novelty_version_release(&version);
    lion_novelty_drop(novelty);

    lion_novelty_version empty = { 0 };
    assert_int_equal(lion_novelty_rest(&rest, &empty, 0, &error), LION_OK);
    assert_int_equal(lion_novelty_peek(rest).transactions, 0);
    lion_novelty_drop(rest);
    model_deinit(&m);
}

static void an_attribute_gains_its_tree(void **state)
{
    (void)state;
    lion_novelty *novelty = novelty_new(4);
    lion_error error = { 0 };
    lion_datom datoms[100];
    uint8_t in_avet[1] = { 0 };
    for (int64_t t = 1; t <= 100; t++) {
        datoms[t - 1] = long_datom(t, t % 7, t, true);
        if (t == 60) in_avet[0] = 1; /* these are there already */
        assert_int_equal(lion_novelty_apply(novelty, t, &datoms[t - 1], in_avet, 1,
                                            lion_slice_text("r"), &error),
                         LION_OK);
    }
    lion_key all = { .datom = { .a = 10 }, .parts = 1 };
    uint64_t count;
    int64_t net;
    lion_novelty_version before = lion_novelty_seal(novelty);
    assert_int_equal(lion_novelty_add_avet(novelty, datoms, 100, &error), LION_OK);
    assert_int_equal(lion_novelty_add_avet(novelty, datoms, 100, &error),
                     LION_OK); /* once is enough */
    lion_novelty_version after = lion_novelty_seal(novelty);
    lion_novelty_count(&count, &net, &before, LION_AVET, &all);
    assert_int_equal(count, 41);
    lion_novelty_count(&count, &net, &after, LION_AVET, &all);
    assert_int_equal(count, 100);
    assert_int_equal(net, 100);
    lion_novelty *rest;
    assert_int_equal(lion_novelty_rest(&rest, &after, 10, &error), LION_OK);
    lion_novelty_version version = lion_novelty_peek(rest);
    lion_novelty_count(&count, &net, &version, LION_AVET, &all);
    assert_int_equal(count, 90);
    lion_novelty_drop(rest);
    lion_novelty_version_release(&before);
    lion_novelty_version_release(&after);
    lion_novelty_drop(novelty);
}

static void many_attributes_in_one_transaction(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static lion_datom datoms[COUNT];
    static uint8_t in_avet[COUNT];
    lion_novelty *novelty = novelty_new(0);
    lion_error error = { 0 };
    for (int64_t t = 1; t <= 3; t++) {
        for (uint32_t i = 0; i < COUNT; i++) {
            datoms[i] = long_datom((int64_t)i % 50, t, t, true);
            datoms[i].a = 100 + i * 3;
            in_avet[i] = i % 2 == 0;
        }
        assert_int_equal(
            lion_novelty_apply(novelty, t, datoms, in_avet, COUNT, (lion_slice){ 0 }, &error),
            LION_OK);
    }
    lion_novelty_version version = lion_novelty_seal(novelty);
    uint32_t cursor = 0, a, seen = 0;
    while (lion_novelty_attribute_next(&version, &cursor, &a)) {
        assert_int_equal(a, 100 + seen * 3);
        lion_key key = { .datom = { .a = a }, .parts = 1 };
        uint64_t aevt, avet;
        int64_t net;
        lion_novelty_count(&aevt, &net, &version, LION_AEVT, &key);
        lion_novelty_count(&avet, &net, &version, LION_AVET, &key);
        assert_int_equal(aevt, 3);
        assert_int_equal(avet, seen % 2 == 0 ? 3 : 0);
        seen++;
    }
    assert_int_equal(seen, COUNT);
    lion_novelty_version_release(&version);
    lion_novelty_drop(novelty);
}

static void a_full_one_says_busy_and_stays_whole(void **state)
{
    (void)state;
    lion_novelty_options options = { .reserve_size = 4 << 20 };
    lion_novelty *novelty;
    lion_error error = { 0 };
    assert_int_equal(lion_novelty_new(&novelty, &options, &error), LION_OK);
    model m;
    model_init(&m, 50);
    lion_novelty_version before;
    size_t count;
    for (;;) {
        before = lion_novelty_peek(novelty);
        count = m.count;
        model_transact(&m, 40);
        lion_status status = model_apply(&m, novelty, (lion_slice){ 0 }, &error);
        if (status != LION_OK) break;
    }
    assert_int_equal(error.category, LION_BUSY);
    assert_string_equal(error.code, "lion/novelty-full");
    assert_true(count > 1000);
    assert_int_equal(lion_novelty_peek(novelty).datoms, before.datoms);
    check_version(&m, &before, count);
    lion_novelty_drop(novelty);
    model_deinit(&m);
}

static void making_one_is_cheap(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static lion_novelty *all[COUNT];
    lion_error error = { 0 };
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(lion_novelty_new(&all[i], NULL, &error), LION_OK);
    for (unsigned i = 0; i < COUNT; i++) lion_novelty_drop(all[i]);
    lion_novelty_drop(NULL);
    lion_novelty_version none = { 0 };
    lion_novelty_version_keep(&none);
    lion_novelty_version_release(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_model),
        cmocka_unit_test(versions_never_change),
        cmocka_unit_test(nodes_are_reused),
        cmocka_unit_test(ascending_ids_fill_nodes),
        cmocka_unit_test(rest_copies_newer_transactions),
        cmocka_unit_test(an_attribute_gains_its_tree),
        cmocka_unit_test(many_attributes_in_one_transaction),
        cmocka_unit_test(a_full_one_says_busy_and_stays_whole),
        cmocka_unit_test(making_one_is_cheap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
