/* root_record_test.c - the root record there and back, and shared roots. */
#include "tree_support.h"

#include "index/root.h"

static lion_tree make_tree(lion_index order, uint8_t type, uint32_t a, bool is_history)
{
    lion_tree tree = { .order = (uint8_t)order, .type = type, .a = a, .is_history = is_history };
    if (random_below(3) == 0) return tree;
    tree.segment = random_u64() >> 8;
    tree.count = 1 + random_below(1000000);
    tree.height = (uint8_t)(1 + random_below(4));
    return tree;
}

static lion_root make_root(lion_root_attribute *attributes, uint32_t count)
{
    lion_root root = { .t = 123456,
                       .next_counter = INT64_C(3) << 40,
                       .log_sequence = 77,
                       .generation = 3,
                       .has_tail = true,
                       .datoms = 987654321,
                       .attributes = attributes,
                       .attribute_count = count };
    root.eavt = make_tree(LION_EAVT, LION_TYPE_MIXED, 0, false);
    root.history_eavt = make_tree(LION_EAVT, LION_TYPE_MIXED, 0, true);
    root.log = make_tree(LION_EAVT, LION_TYPE_NIL, 0, false);
    uint32_t a = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type = (uint8_t)(LION_TYPE_BOOLEAN + random_below(14));
        a += 1 + (uint32_t)random_below(9);
        attributes[i] = (lion_root_attribute){ .a = a,
                                               .type = type,
                                               .distinct_e = random_below(1000000),
                                               .distinct_v = random_below(10) };
        attributes[i].aevt = make_tree(LION_AEVT, type, a, false);
        attributes[i].avet = make_tree(LION_AVET, type, a, false);
        attributes[i].history_aevt = make_tree(LION_AEVT, type, a, true);
        attributes[i].history_avet = make_tree(LION_AVET, type, a, true);
    }
    return root;
}

static void assert_same_tree(const lion_tree *found, const lion_tree *expected)
{
    assert_int_equal(found->segment, expected->segment);
    assert_int_equal(found->count, expected->count);
    assert_int_equal(found->height, expected->height);
    assert_int_equal(found->order, expected->order);
    assert_int_equal(found->type, expected->type);
    assert_int_equal(found->is_history, expected->is_history);
    assert_int_equal(found->a, expected->a);
}

static void assert_same_root(const lion_root *found, const lion_root *expected)
{
    assert_int_equal(found->t, expected->t);
    assert_int_equal(found->next_counter, expected->next_counter);
    assert_int_equal(found->log_sequence, expected->log_sequence);
    assert_int_equal(found->generation, expected->generation);
    assert_int_equal(found->has_tail, expected->has_tail);
    assert_int_equal(found->datoms, expected->datoms);
    assert_same_tree(&found->eavt, &expected->eavt);
    assert_same_tree(&found->history_eavt, &expected->history_eavt);
    assert_same_tree(&found->log, &expected->log);
    assert_int_equal(found->attribute_count, expected->attribute_count);
    for (uint32_t i = 0; i < found->attribute_count; i++) {
        const lion_root_attribute *x = &found->attributes[i], *y = &expected->attributes[i];
        assert_int_equal(x->a, y->a);
        assert_int_equal(x->type, y->type);
        assert_int_equal(x->distinct_e, y->distinct_e);
        assert_int_equal(x->distinct_v, y->distinct_v);
        assert_same_tree(&x->aevt, &y->aevt);
        assert_same_tree(&x->avet, &y->avet);
        assert_same_tree(&x->history_aevt, &y->history_aevt);
        assert_same_tree(&x->history_avet, &y->history_avet);
    }
}

static void roots_come_back_as_they_were(void **state)
{
    (void)state;
    static const uint32_t COUNTS[] = { 0, 1, 5, 60, 3000 };
    lion_root_attribute *attributes = malloc(3000 * sizeof *attributes);
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (size_t i = 0; i < CASES(COUNTS); i++) {
        lion_root root = make_root(attributes, COUNTS[i]), found = { 0 };
        lion_buffer_clear(&buffer);
        lion_root_encode(&buffer, &root);
        assert_ok(lion_buffer_check(&buffer, &failure));
        assert_ok(lion_root_decode(&found, lion_buffer_view(&buffer), &failure));
        assert_same_root(&found, &root);
        for (uint32_t j = 0; j < COUNTS[i]; j++)
            assert_ptr_equal(lion_root_attribute_lookup(&found, attributes[j].a),
                             &found.attributes[j]);
        assert_null(lion_root_attribute_lookup(&found, 0));
        assert_null(lion_root_attribute_lookup(&found, UINT32_MAX));
        lion_root_clear(&found);
    }
    lion_buffer_deinit(&buffer);
    free(attributes);
}

static void broken_roots_are_corrupt(void **state)
{
    (void)state;
    lion_root_attribute attributes[40];
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (uint32_t count = 5; count <= 40; count += 35) { /* plain and compressed */
        lion_root root = make_root(attributes, count), found = { 0 };
        lion_buffer_clear(&buffer);
        lion_root_encode(&buffer, &root);
        for (size_t size = 0; size < buffer.size; size++) {
            lion_slice cut = lion_slice_of(buffer.data, size);
            assert_int_equal(lion_root_decode(&found, cut, &failure), LION_FAILED);
            assert_string_equal(failure.code, "lion/corrupt");
        }
        for (int i = 0; i < 5000; i++) {
            size_t place = random_below(buffer.size);
            uint8_t old = buffer.data[place];
            buffer.data[place] = (uint8_t)random_u64();
            if (lion_root_decode(&found, lion_buffer_view(&buffer), &failure) == LION_OK)
                lion_root_clear(&found);
            buffer.data[place] = old;
        }
    }
    lion_buffer_deinit(&buffer);
}

/* ---- samples ---- */

static lion_datom fact(int64_t e, int64_t number)
{
    return (lion_datom){ .e = e, .v = lion_value_long(number) };
}

static void samples_are_even_and_follow_the_tree(void **state)
{
    (void)state;
    lion_value_sample sample;
    lion_value_sample_init(&sample, 7, LION_TYPE_LONG);
    assert_true(lion_value_sample_equal(&sample, lion_value_long(1)) == 0);
    /* A half of the facts have 0, the others one value each. */
    for (int64_t e = 0; e < 200; e++) {
        lion_datom datom = fact(e, e % 2 == 0 ? 0 : e);
        assert_true(lion_value_sample_add(&sample, &datom));
        assert_true(lion_value_sample_add(&sample, &datom)); /* it is there */
    }
    assert_int_equal(sample.count, 200);
    assert_true(lion_value_sample_equal(&sample, lion_value_long(0)) == 0.5);
    assert_true(lion_value_sample_distinct(&sample, 200) == 101);
    for (int64_t e = 200; e < 20000; e++) {
        lion_datom datom = fact(e, e % 2 == 0 ? 0 : e);
        assert_true(lion_value_sample_add(&sample, &datom));
    }
    assert_int_equal(sample.count, LION_VALUE_SAMPLE_MAX);
    double part = lion_value_sample_equal(&sample, lion_value_long(0));
    assert_true(part > 0.35 && part < 0.65);
    lion_value middle = lion_value_long(10000);
    double below = lion_value_sample_range(&sample, NULL, &middle), above = lion_value_sample_range(&sample, &middle, NULL);
    assert_true(below > 0.6 && below < 0.9 && above > 0.1 && above < 0.4);
    /* What leaves the tree leaves the sample. */
    for (int64_t e = 0; e < 20000; e += 2) {
        lion_datom datom = fact(e, 0);
        lion_value_sample_remove(&sample, &datom);
    }
    assert_int_equal(sample.count, LION_VALUE_SAMPLE_MAX * (1 - part));
    for (uint32_t i = 0; i < sample.count; i++) assert_int_equal(lion_value_sample_get(&sample, i).bits % 2, 1);
    lion_value_sample_deinit(&sample);
}

static void set_type(lion_root_attribute *attribute, uint8_t type)
{
    attribute->type = attribute->aevt.type = attribute->avet.type = type;
    attribute->history_aevt.type = attribute->history_avet.type = type;
}

/* Attributes without AVET, of long texts and of numbers. */
static void add_samples(lion_root *root, lion_value_sample *samples)
{
    static const char TEXT[] = "a text that is longer than what is kept of a value in a sample";
    root->samples = samples;
    root->sample_count = 2;
    set_type(&root->attributes[1], LION_TYPE_STRING);
    set_type(&root->attributes[3], LION_TYPE_DOUBLE);
    lion_value_sample_init(&samples[0], root->attributes[1].a, LION_TYPE_STRING);
    lion_value_sample_init(&samples[1], root->attributes[3].a, LION_TYPE_DOUBLE);
    for (int64_t e = 0; e < 300; e++) {
        lion_slice text = lion_slice_of(TEXT, (size_t)e % sizeof TEXT);
        lion_datom datoms[] = { { .e = e, .v = lion_value_bytes(LION_TYPE_STRING, text) },
                                { .e = e, .v = lion_value_double((double)e / 3) } };
        for (int i = 0; i < 2; i++) assert_true(lion_value_sample_add(&samples[i], &datoms[i]));
    }
}

static void samples_come_back_as_they_were(void **state)
{
    (void)state;
    lion_root_attribute attributes[9];
    lion_value_sample samples[2];
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_root root = make_root(attributes, 9), found = { 0 };
    add_samples(&root, samples);
    lion_root_encode(&buffer, &root);
    assert_ok(lion_root_decode(&found, lion_buffer_view(&buffer), &failure));
    assert_same_root(&found, &root);
    assert_int_equal(found.sample_count, 2);
    assert_null(lion_root_sample_lookup(&found, attributes[0].a));
    for (uint32_t i = 0; i < 2; i++) {
        const lion_value_sample *sample = lion_root_sample_lookup(&found, samples[i].a);
        assert_non_null(sample);
        assert_int_equal(sample->count, LION_VALUE_SAMPLE_MAX);
        assert_int_equal(sample->limit, samples[i].limit);
        for (uint32_t k = 0; k < sample->count; k++)
            assert_true(lion_value_equal(lion_value_sample_get(sample, k), lion_value_sample_get(&samples[i], k)));
    }
    lion_root_clear(&found);
    for (size_t size = 0; size < buffer.size; size++)
        assert_int_equal(lion_root_decode(&found, lion_slice_of(buffer.data, size), &failure), LION_FAILED);
    for (int i = 0; i < 5000; i++) {
        size_t place = random_below(buffer.size);
        uint8_t old = buffer.data[place];
        buffer.data[place] = (uint8_t)random_u64();
        if (lion_root_decode(&found, lion_buffer_view(&buffer), &failure) == LION_OK) lion_root_clear(&found);
        buffer.data[place] = old;
    }
    for (uint32_t i = 0; i < 2; i++) lion_value_sample_deinit(&samples[i]);
    lion_buffer_deinit(&buffer);
}

static void a_root_is_shared_by_count(void **state)
{
    (void)state;
    lion_store *store;
    lion_root *empty, *root;
    lion_commit *commit;
    lion_root_attribute attributes[9];
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    assert_ok(lion_store_open_memory(&store, &failure));
    assert_ok(lion_root_open(&empty, store, &failure));
    assert_int_equal(empty->t, 0);
    assert_int_equal(empty->attribute_count, 0);
    assert_int_equal(empty->eavt.height, 0);
    assert_int_equal(empty->eavt.type, LION_TYPE_MIXED);
    assert_true(empty->history_eavt.is_history);

    lion_root made = make_root(attributes, 9);
    lion_root_encode(&buffer, &made);
    assert_ok(lion_commit_begin(&commit, store, &failure));
    assert_ok(lion_commit_finish_take(commit, lion_buffer_view(&buffer), &failure));
    assert_ok(lion_root_open(&root, store, &failure));
    assert_same_root(root, &made);
    assert_ptr_equal(lion_root_keep(root), root);
    lion_root_drop(root);
    assert_same_root(root, &made);
    lion_root_drop(root);
    lion_root_drop(empty);
    lion_root_drop(NULL);
    lion_store_close(store);
    lion_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roots_come_back_as_they_were),
        cmocka_unit_test(broken_roots_are_corrupt),
        cmocka_unit_test(samples_are_even_and_follow_the_tree),
        cmocka_unit_test(samples_come_back_as_they_were),
        cmocka_unit_test(a_root_is_shared_by_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
