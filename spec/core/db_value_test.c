/* Values of the database: points in time, views of the past, look-ups, keys. */
#include "world.h"

static void items(test_world *w)
{
    world_open(w);
    world_schema(w, "item/id string identity", "item/count long", "item/to ref", "item/raw bytes",
                 NULL);
}

/* Instants like those of the importers: several transactions may share one. */
static void points_in_time_are_found(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    int64_t t[4];
    static const int64_t instants[] = { 1000, 2000, 2000, 3000 };
    for (int i = 0; i < 4; i++) {
        transacted(&w, "[{:db/id \"lion.tx\" :db/txInstant %lld}]", (long long)instants[i]);
        t[i] = w.last.t;
    }
    const struct {
        lion_value point;
        int64_t t;
    } cases[] = {
        { lion_value_long(t[1]), t[1] },
        { lion_value_long(lion_t_to_tx(t[1])), t[1] },
        { lion_value_scalar(LION_TYPE_INSTANT, 2000), t[2] },
        { lion_value_scalar(LION_TYPE_INSTANT, 1999), t[0] },
        { lion_value_scalar(LION_TYPE_INSTANT, 999), 1 },
        { lion_value_scalar(LION_TYPE_INSTANT, -1), 0 },
        { lion_value_scalar(LION_TYPE_INSTANT, 5000), t[3] },
        { lion_value_long(-1), 0 },
        { lion_value_bytes(LION_TYPE_STRING, lion_slice_text("1970-01-01T00:00:02Z")), t[2] },
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        int64_t found = -1;
        assert_int_equal(lion_db_point(&found, w.db, cases[i].point, &w.arena, &w.error), LION_OK);
        assert_int_equal(found, cases[i].t);
    }
    int64_t found;
    lion_value bad[] = { lion_value_bytes(LION_TYPE_STRING, lion_slice_text("yesterday")),
                         lion_value_long(lion_id_make(4, 5)), lion_value_boolean(true) };
    for (size_t i = 0; i < CASES(bad); i++)
        assert_int_equal(lion_db_point(&found, w.db, bad[i], &w.arena, &w.error), LION_FAILED);
    world_close(&w);
}

static void values_of_the_past_and_the_recent(void **state)
{
    (void)state;
    test_world w;
    items(&w);
    transacted(&w, "[{:db/id \"i\" :item/id \"a\" :item/count 1}]");
    int64_t e = world_id(&w, "i"), t1 = w.last.t;
    transacted(&w, "[[:db/add %lld :item/count 2]]", (long long)e);
    int64_t t2 = w.last.t;
    lion_db *as_of, *since, *history, *narrow, *again;
    lion_db_as_of(&as_of, w.db, t1, &w.error);
    lion_db_since(&since, w.db, t1, &w.error);
    lion_db_history(&history, w.db, &w.error);
    lion_db_as_of(&narrow, as_of, t2, &w.error); /* a view never widens */
    lion_db_as_of(&again, w.db, t1, &w.error);
    assert_string_equal(world_values(&w, as_of, e, "item/count"), "1");
    assert_string_equal(world_values(&w, narrow, e, "item/count"), "1");
    assert_string_equal(world_values(&w, since, e, "item/count"), "2");
    assert_string_equal(world_values(&w, history, e, "item/count"), "1 1 2");
    assert_int_equal(as_of->basis_t, w.db->basis_t);
    assert_int_equal(as_of->as_of_t, t1);
    assert_true(lion_db_equal(as_of, again));
    assert_false(lion_db_equal(as_of, w.db));
    lion_form lookup = edn(&w.arena, "[:item/id \"a\"]");
    int64_t found = 0;
    assert_int_equal(lion_db_entid(&found, since, &lookup, &w.arena, &w.error), LION_ABSENT);
    assert_int_equal(lion_db_entid(&found, history, &lookup, &w.arena, &w.error), LION_OK);
    assert_int_equal(found, e);
    lion_db *filtered, *twice;
    lion_db_filter(&filtered, w.db, 7, &w.error);
    lion_db_filter(&twice, filtered, 8, &w.error);
    assert_int_equal(twice->view.filter_count, 2);
    assert_ptr_equal(twice->view.db, w.db);
    assert_int_equal(lion_db_entid(&found, twice, &lookup, &w.arena, &w.error), LION_OK);
    lion_db *values[] = { as_of, since, history, narrow, again, filtered, twice };
    for (size_t i = 0; i < CASES(values); i++) lion_db_drop(values[i]);
    world_close(&w);
}

static void entities_are_found_by_all_their_names(void **state)
{
    (void)state;
    test_world w;
    items(&w);
    transacted(&w, "[{:db/id \"i\" :item/id \"a\" :db/ident :the/item}]");
    int64_t e = world_id(&w, "i");
    assert_int_equal(world_entid(&w, ":the/item"), e);
    assert_int_equal(world_entid(&w, "\":the/item\""), e);
    assert_int_equal(world_entid(&w, "[\"item/id\" \"a\"]"), e);
    assert_int_equal(world_entid(&w, "[:item/id \"b\"]"), -1);
    assert_int_equal(world_entid(&w, ":the/none"), -1);
    assert_int_equal(world_entid(&w, "5"), 5);
    static const struct {
        const char *form, *code;
    } bad[] = { { "[:item/count 5]", "db.error/lookup-ref-attr-not-unique" },
                { "[:item/idd 5]", "lion/unknown-attribute" },
                { "[:item/id 5]", "db.error/wrong-type-for-attribute" },
                { "-5", "db.error/invalid-entity-id" },
                { "{:a 1}", "db.error/not-an-entity" },
                { "true", "db.error/not-an-entity" } };
    for (size_t i = 0; i < CASES(bad); i++) {
        lion_form form = edn(&w.arena, bad[i].form);
        int64_t id;
        assert_int_equal(lion_db_entid(&id, w.db, &form, &w.arena, &w.error), LION_FAILED);
        assert_string_equal(w.error.code, bad[i].code);
    }
    world_close(&w);
}

static void components_become_keys(void **state)
{
    (void)state;
    test_world w;
    items(&w);
    transacted(&w, "[{:db/id \"i\" :item/id \"a\" :item/to \"i\" :item/count 5}]");
    const struct {
        lion_index index;
        const char *forms;
        lion_status status;
        int parts;
        const char *code;
    } cases[] = {
        { LION_EAVT, "[[:item/id \"a\"] :item/count 5]", LION_OK, 3, NULL },
        { LION_EAVT, "[]", LION_OK, 0, NULL },
        { LION_AEVT, "[\"item/count\" nil]", LION_OK, 1, NULL },
        { LION_AVET, "[:item/id \"a\" [:item/id \"a\"] 1000]", LION_OK, 4, NULL },
        { LION_VAET, "[[:item/id \"a\"] :item/to]", LION_OK, 2, NULL },
        { LION_VAET, "[[:item/id \"b\"] :item/to]", LION_ABSENT, 2, NULL },
        { LION_EAVT, "[:no/body :item/count]", LION_ABSENT, 2, NULL },
        { LION_AVET, "[:item/raw]", LION_FAILED, 0, "db.error/attribute-not-indexed" },
        { LION_AEVT, "[:item/cuont]", LION_FAILED, 0, "lion/unknown-attribute" },
        { LION_AVET, "[:item/count \"x\"]", LION_FAILED, 0, "db.error/wrong-type-for-attribute" },
        { LION_EAVT, "[1 2 3 4 5]", LION_FAILED, 0, "lion/syntax" },
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        lion_form forms = edn(&w.arena, cases[i].forms);
        lion_key key = { .parts = 0 };
        assert_int_equal(
            lion_db_key(&key, w.db, cases[i].index, forms.items, forms.count, &w.arena, &w.error),
            cases[i].status);
        if (cases[i].code != NULL)
            assert_string_equal(w.error.code, cases[i].code);
        else
            assert_int_equal(key.parts, cases[i].parts);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_in_time_are_found),
        cmocka_unit_test(values_of_the_past_and_the_recent),
        cmocka_unit_test(entities_are_found_by_all_their_names),
        cmocka_unit_test(components_become_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
