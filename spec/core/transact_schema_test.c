/* Transactions on schema: new attributes, names, what may be altered and what not. */
#include "world.h"

#define ALTER "db.error/invalid-alter-attribute"
#define INSTALL "db.error/invalid-install-attribute"

static const lion_attribute *attribute(const test_world *world, const char *name)
{
    return lion_schema_attribute_named(world->db->schema, lion_slice_text(name));
}

static void attributes_get_ids_of_their_own(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long many identity", "v/r ref component", NULL);
    const lion_attribute *x = attribute(&w, "v/x");
    assert_int_equal(x->id, LION_ATTRIBUTE_ID_FIRST);
    assert_true(x->is_many && x->unique == LION_UNIQUE_IDENTITY && x->type == LION_TYPE_LONG);
    assert_true(attribute(&w, "v/r")->is_component);
    transacted(&w, "[{:db/id \"red\" :db/ident \":color/red\" :db/doc \"d\"}]");
    assert_int_equal(lion_id_partition(world_id(&w, "red")), LION_PARTITION_USER);
    assert_int_equal(world_entid(&w, ":color/red"), world_id(&w, "red"));
    transacted(&w, "[{:db/id \"#db/id[:db.part/db -1]\" :db/ident :v/old :db/valueType "
                   ":db.type/string :db/cardinality :db.cardinality/one "
                   ":db.install/_attribute :db.part/db}]");
    assert_int_equal(attribute(&w, "v/old")->id, LION_ATTRIBUTE_ID_FIRST + 2);
    transacted(&w, "[{:db/id :v/x :db/doc \"doc\" :v/old \"open\"}]");
    transacted(&w, "[{:db/ident :v/ft :db/valueType :db.type/string :db/cardinality "
                   ":db.cardinality/one :db/fulltext true}]");
    assert_non_null(strstr(w.facts, "db/fulltext true +"));
    world_close(&w);
}

static void what_an_attribute_needs_is_asked_for(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long", NULL);
    refused(&w, INSTALL, "[{:db/ident :a/b :db/valueType :db.type/long}]");
    message_has(&w, "db/cardinality");
    refused(&w, INSTALL, "[{:db/ident :a/b :db/cardinality :db.cardinality/one}]");
    refused(&w, INSTALL, "[{:db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    refused(&w, "db.error/not-an-entity",
            "[{:db/ident :a/b :db/valueType :db.type/strnig :db/cardinality :db.cardinality/one}]");
    message_has(&w, "string");
    refused(&w, "db.error/not-an-entity",
            "[{:db/ident :a/b :db/valueType :db.type/long :db/cardinality :db.cardinality/two}]");
    refused(&w, INSTALL,
            "[{:db/ident :a/b :db/valueType :db.type/bytes :db/cardinality "
            ":db.cardinality/one :db/unique :db.unique/identity}]");
    assert_int_equal(w.error.category, LION_INCORRECT);
    refused(&w, INSTALL,
            "[{:db/ident :a/b :db/valueType :db.type/long :db/cardinality "
            ":db.cardinality/one :db/unique :db.unique/identity :db/index false}]");
    refused(&w, INSTALL,
            "[{:db/ident :a/b :db/valueType :db.type/long :db/cardinality "
            ":db.cardinality/one :db/isComponent true}]");
    refused(&w, "lion/unsupported",
            "[{:db/ident :a/b :db/valueType :db.type/bigint :db/cardinality "
            ":db.cardinality/one}]");
    assert_int_equal(w.error.category, LION_UNSUPPORTED);
    refused(&w, "db.error/invalid-ident", "[{:db/ident :db/mine}]");
    refused(&w, "db.error/invalid-ident", "[{:db/ident :a/_b}]");
    refused(&w, "lion/unknown-attribute", /* known from the next transaction on */
            "[{:db/ident :a/b :db/valueType :db.type/long :db/cardinality :db.cardinality/one}"
            " {:a/b 1}]");
    transacted(&w, "[{:db/ident :enum/x}]");
    refused(
        &w, INSTALL,
        "[{:db/ident :enum/x :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]");
    world_close(&w);
}

static void a_rename_keeps_the_old_name(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "p/name string", NULL);
    int64_t id = world_entid(&w, ":p/name");
    transacted(&w, "[{:db/id :p/name :db/ident :p/full-name}]");
    assert_int_equal(world_entid(&w, ":p/name"), id);
    assert_int_equal(world_entid(&w, ":p/full-name"), id);
    transacted(&w, "[{:p/name \"by the old one\"}]");
    world_schema(&w, "p/name long", NULL); /* used again: another attribute */
    assert_true(world_entid(&w, ":p/name") != id);
    assert_int_equal(world_entid(&w, ":p/full-name"), id);
    transacted(&w, "[{:p/name 7}]");
    refused(&w, ALTER, "[[:db/retract :p/name :db/ident :p/name]]");
    refused(&w, ALTER, "[{:db/id :db/doc :db/ident :my/doc}]");
    world_close(&w);
}

static void cardinality_narrows_only_where_the_data_allow(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long many", NULL);
    transacted(&w, "[{:db/id \"e\" :v/x [1]}]");
    int64_t e = world_id(&w, "e");
    transacted(&w, "[{:db/id :v/x :db/cardinality :db.cardinality/one}]");
    transacted(&w, "[[:db/add %lld :v/x 2]]", (long long)e);
    assert_string_equal(world_values(&w, w.db, e, "v/x"), "2");
    transacted(&w, "[{:db/id :v/x :db/cardinality :db.cardinality/many}]");
    transacted(&w, "[[:db/add %lld :v/x 3]]", (long long)e);
    refused(&w, ALTER, "[{:db/id :v/x :db/cardinality :db.cardinality/one}]");
    message_has(&w, "cardinality-violation");
    transacted(&w, "[{:db/id :v/x :db/cardinality :db.cardinality/one} [:db/retract %lld :v/x 3]]",
               (long long)e);
    world_close(&w);
}

static void unique_comes_where_the_data_allow_and_goes(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x string", "v/y string value", NULL);
    transacted(&w, "[{:v/x \"dup\"} {:v/x \"dup\"} {:v/y \"a\"}]");
    refused(&w, ALTER, "[{:db/id :v/x :db/unique :db.unique/value}]");
    message_has(&w, "unique-violation");
    message_has(&w, "\"dup\"");
    transacted(&w, "[[:db/retract :v/y :db/unique :db.unique/value]]");
    transacted(&w, "[{:v/y \"a\"}]");
    refused(&w, ALTER, "[{:db/id :v/y :db/unique :db.unique/identity}]");
    world_close(&w);
}

static void what_never_changes(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/a long", "v/b long", "v/c long", "v/ab tuple :db/tupleAttrs [:v/a :v/b]",
                 "v/xy tuple :db/tupleTypes [:db.type/long :db.type/long]", NULL);
    refused(&w, ALTER, "[{:db/id :v/a :db/valueType :db.type/string}]");
    message_has(&w, "unsupported-alter-schema");
    refused(&w, ALTER, "[{:db/id :v/a :db/fulltext true}]");
    refused(&w, ALTER, "[{:db/id :v/ab :db/tupleAttrs [:v/a :v/c]}]");
    refused(&w, ALTER, "[{:db/id :v/xy :db/tupleTypes [:db.type/long :db.type/string]}]");
    refused(&w, ALTER, "[[:db/retract :v/a :db/valueType]]");
    refused(&w, ALTER, "[[:db/retract :v/a :db/cardinality]]");
    refused(&w, ALTER, "[{:db/id :v/a :db/cardinality :db.cardinality/many}]"); /* of a composite */
    refused(&w, ALTER, "[{:db/id :db/doc :db/cardinality :db.cardinality/many}]");
    transacted(&w, "[{:db/id :v/a :db/valueType :db.type/long}]"); /* as it is */
    transacted(&w, "[{:db/id :v/a :db/noHistory true}]");
    assert_true(attribute(&w, "v/a")->no_history);
    transacted(&w, "[[:db/retract :v/a :db/noHistory]]");
    assert_false(attribute(&w, "v/a")->no_history);
    world_close(&w);
}

static void an_index_may_come_later(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long :db/index false", NULL);
    transacted(&w, "[{:db/id \"e\" :v/x 5}]");
    lion_form forms = edn(&w.arena, "[\"v/x\" 5]");
    lion_key key;
    assert_int_equal(lion_db_key(&key, w.db, LION_AVET, forms.items, 2, &w.arena, &w.error),
                     LION_FAILED);
    assert_string_equal(w.error.code, "db.error/attribute-not-indexed");
    refused(&w, ALTER, "[{:db/id :v/x :db/unique :db.unique/value}]");
    message_has(&w, "unique-without-index");
    int64_t e = world_id(&w, "e");
    transacted(&w, "[{:db/id :v/x :db/index true} {:v/x 6}]");
    assert_int_equal(lion_db_key(&key, w.db, LION_AVET, forms.items, 2, &w.arena, &w.error),
                     LION_OK);
    int64_t found = 0;
    assert_int_equal(
        lion_view_find(&found, NULL, &w.db->view, key.datom.a, key.datom.v, &w.arena, &w.error),
        LION_OK);
    assert_int_equal(found, e);
    transacted(&w, "[{:db/id :v/x :db/unique :db.unique/identity}]");
    refused(&w, ALTER, "[{:db/id :v/x :db/index false}]");
    world_close(&w);
}

static void many_attributes_at_once(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    lion_form ops = lion_form_vector(&w.arena, 2000);
    lion_form wide = lion_form_map(&w.arena, 2000);
    for (int i = 0; i < 2000; i++) {
        const char *name = lion_arena_printf(&w.arena, "wide/a%d", i);
        ops.items[i] = edn(&w.arena, lion_arena_printf(&w.arena,
                                                       "{:db/ident :%s :db/valueType :db.type/long "
                                                       ":db/cardinality :db.cardinality/one}",
                                                       name));
        wide.items[2 * i] =
            lion_form_value(lion_value_bytes(LION_TYPE_STRING, lion_slice_text(name)));
        wide.items[2 * i + 1] = lion_form_value(lion_value_long(i));
    }
    assert_int_equal(world_transact_form(&w, &ops), LION_OK);
    lion_form data = lion_form_vector(&w.arena, 1);
    data.items[0] = wide;
    assert_int_equal(world_transact_form(&w, &data), LION_OK);
    assert_int_equal(w.last.datom_count, 2001);
    world_close(&w);
}

static void tuples_say_what_they_hold(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/a string many", "v/b long", "v/z bytes", NULL);
    const char *tuple = "[{:db/ident :v/t :db/valueType :db.type/tuple :db/cardinality "
                        ":db.cardinality/one %s}]";
    static const char *const bad[] = { ":db/tupleAttrs [:v/a :v/b]",
                                       ":db/tupleAttrs [:v/b :v/no]",
                                       ":db/tupleAttrs [:v/b :v/z]",
                                       "",
                                       ":db/tupleTypes [:db.type/long :db.type/bytes]",
                                       ":db/tupleType :db.type/tuple" };
    for (size_t i = 0; i < CASES(bad); i++) {
        lion_form ops = edn(&w.arena, lion_arena_printf(&w.arena, "%.*s %s}]",
                                                        (int)strlen(tuple) - 4, tuple, bad[i]));
        assert_int_equal(world_transact_form(&w, &ops), LION_FAILED);
        assert_string_equal(w.error.code, "db.error/invalid-tuple-attrs");
    }
    refused(&w, "db.error/invalid-tuple-value",
            "[{:db/ident :v/t :db/valueType :db.type/tuple :db/cardinality :db.cardinality/one "
            ":db/tupleAttrs [:v/b]}]");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_get_ids_of_their_own),
        cmocka_unit_test(what_an_attribute_needs_is_asked_for),
        cmocka_unit_test(a_rename_keeps_the_old_name),
        cmocka_unit_test(cardinality_narrows_only_where_the_data_allow),
        cmocka_unit_test(unique_comes_where_the_data_allow_and_goes),
        cmocka_unit_test(what_never_changes),
        cmocka_unit_test(an_index_may_come_later),
        cmocka_unit_test(many_attributes_at_once),
        cmocka_unit_test(tuples_say_what_they_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
