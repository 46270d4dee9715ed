/* The schema as a value: names that move and stay, attributes, what one transaction changes. */
#include "support.h"

#include "data/tuple.h"
#include "db/bootstrap.h"
#include "db/schema.h"

static lion_value ref(int64_t id)
{
    return lion_value_ref(id);
}

static lion_value keyword(const char *name)
{
    return lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_text(name));
}

static lion_datom said(int64_t t, int64_t e, uint32_t a, lion_value v, bool added)
{
    return (lion_datom){ .e = e, .a = a, .v = v, .tx = lion_t_to_tx(t), .added = added };
}

static lion_schema *apply(lion_schema *schema, const lion_datom *datoms, size_t count)
{
    lion_schema *after = NULL;
    lion_error error;
    assert_int_equal(lion_schema_apply(&after, schema, datoms, count, &error), LION_OK);
    lion_schema_drop(schema);
    return after;
}

static lion_schema *fresh(void)
{
    lion_schema *schema = NULL;
    lion_error error;
    assert_int_equal(lion_schema_new(&schema, &error), LION_OK);
    return schema;
}

static lion_schema *with_attribute(lion_schema *schema, int64_t id, const char *name, int type)
{
    lion_datom datoms[] = { said(2000, id, LION_ID_IDENT, keyword(name), true),
                            said(2000, id, LION_ID_VALUE_TYPE, ref(type), true),
                            said(2000, id, LION_ID_CARDINALITY, ref(LION_ID_CARDINALITY_ONE),
                                 true) };
    return apply(schema, datoms, CASES(datoms));
}

static int64_t entid(const lion_schema *schema, const char *name)
{
    int64_t id = -1;
    return lion_schema_entid(&id, schema, lion_slice_text(name)) == LION_OK ? id : -1;
}

static void a_new_database_knows_its_own_attributes(void **state)
{
    (void)state;
    lion_schema *schema = fresh();
    const lion_attribute *ident = lion_schema_attribute_named(schema, lion_slice_text(":db/ident"));
    assert_non_null(ident);
    assert_int_equal(ident->id, LION_ID_IDENT);
    assert_int_equal(ident->type, LION_TYPE_KEYWORD);
    assert_int_equal(ident->unique, LION_UNIQUE_IDENTITY);
    assert_true(ident->is_indexed);
    const lion_attribute *members = lion_schema_attribute(schema, LION_ID_TUPLE_ATTRS);
    assert_int_equal(members->tuple_kind, 3);
    assert_int_equal(members->tuple_types[0], LION_TYPE_KEYWORD);
    assert_null(lion_schema_attribute(schema, LION_ID_TYPE_LONG)); /* a name, no attribute */
    assert_null(lion_schema_attribute(schema, -1));
    assert_null(lion_schema_attribute(schema, LION_ID_MAX));
    assert_int_equal(entid(schema, "db.type/long"), LION_ID_TYPE_LONG);
    assert_true(lion_schema_has_partition(schema, LION_PARTITION_USER));
    assert_false(lion_schema_has_partition(schema, 80));
    assert_int_equal(lion_schema_next_attribute(schema), LION_ATTRIBUTE_ID_FIRST);
    uint32_t count = 0;
    const lion_attribute *const *all = lion_schema_attributes(schema, &count);
    for (uint32_t i = 1; i < count; i++) assert_true(all[i - 1]->id < all[i]->id);
    const uint32_t *refs = lion_schema_refs(schema, &count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(lion_schema_attribute(schema, refs[i])->type, LION_TYPE_REF);
    lion_schema_drop(schema);
}

static void replaying_the_first_transaction_changes_nothing(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_datom *datoms;
    size_t count;
    lion_bootstrap_datoms(&datoms, &count, &arena);
    lion_schema *schema = apply(fresh(), datoms, count);
    assert_int_equal(lion_schema_next_attribute(schema), LION_ATTRIBUTE_ID_FIRST);
    assert_int_equal(lion_schema_next_partition(schema), LION_PARTITION_ID_FIRST);
    assert_int_equal(entid(schema, "db/doc"), LION_ID_DOC);
    lion_schema_drop(schema);
    lion_arena_deinit(&arena);
}

static void data_leaves_the_schema_as_it_is(void **state)
{
    (void)state;
    lion_schema *schema = with_attribute(fresh(), 2048, "v/x", LION_ID_TYPE_LONG);
    uint64_t epoch = lion_schema_epoch(schema);
    lion_datom datom = said(2001, lion_id_make(4, 3000), 2048, lion_value_long(1), true);
    schema = apply(schema, &datom, 1);
    assert_int_equal(lion_schema_epoch(schema), epoch);
    lion_schema_drop(schema);
}

static void old_names_go_on_resolving(void **state)
{
    (void)state;
    lion_schema *schema = with_attribute(fresh(), 2048, "v/x", LION_ID_TYPE_LONG);
    lion_schema *old = lion_schema_keep(schema);
    lion_datom rename[] = { said(2001, 2048, LION_ID_IDENT, keyword("v/x"), false),
                            said(2001, 2048, LION_ID_IDENT, keyword("v/y"), true) };
    schema = apply(schema, rename, 2);
    assert_int_equal(entid(schema, "v/x"), 2048);
    assert_int_equal(entid(schema, ":v/y"), 2048);
    lion_slice name;
    assert_int_equal(lion_schema_ident(&name, schema, 2048), LION_OK);
    assert_memory_equal(name.data, "v/y", 3);
    assert_memory_equal(lion_schema_attribute(schema, 2048)->ident.data, "v/y", 3);
    assert_int_equal(entid(old, "v/y"), -1); /* the value of before is as it was */

    schema = with_attribute(schema, 2049, "v/x", LION_ID_TYPE_STRING); /* and may be taken */
    assert_int_equal(entid(schema, "v/x"), 2049);
    assert_int_equal(entid(schema, "v/y"), 2048);
    assert_int_equal(lion_schema_next_attribute(schema), 2050);
    lion_schema_drop(schema);
    lion_schema_drop(old);
}

static void a_retracted_name_is_gone(void **state)
{
    (void)state;
    int64_t e = lion_id_make(4, 1000);
    lion_datom datom = said(2001, e, LION_ID_IDENT, keyword("color/red"), true);
    lion_schema *schema = apply(fresh(), &datom, 1);
    assert_int_equal(entid(schema, "color/red"), e);
    datom = said(2002, e, LION_ID_IDENT, keyword("color/red"), false);
    schema = apply(schema, &datom, 1);
    assert_int_equal(entid(schema, "color/red"), -1);
    lion_slice name;
    assert_int_equal(lion_schema_ident(&name, schema, e), LION_ABSENT);
    lion_schema_drop(schema);
}

static void thousands_of_names_one_by_one(void **state)
{
    (void)state;
    lion_schema *schema = fresh();
    char name[32];
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "enum/n%d", i);
        lion_datom datom =
            said(2000 + i, lion_id_make(4, 1000 + i), LION_ID_IDENT, keyword(name), true);
        schema = apply(schema, &datom, 1);
    }
    for (int i = 0; i < 3000; i++) {
        snprintf(name, sizeof name, "enum/n%d", i);
        assert_int_equal(entid(schema, name), lion_id_make(4, 1000 + i));
        lion_slice found;
        assert_int_equal(lion_schema_ident(&found, schema, lion_id_make(4, 1000 + i)), LION_OK);
        assert_memory_equal(found.data, name, found.size);
    }
    assert_int_equal(entid(schema, "enum/n3000"), -1);
    lion_schema_drop(schema);
}

static void composites_are_known_to_their_members(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value members[] = { keyword("v/a"), keyword("v/b") };
    lion_datom datoms[] = {
        said(2000, 2050, LION_ID_TUPLE_ATTRS, lion_tuple_make(&arena, members, 2), true),
        said(2000, 2050, LION_ID_VALUE_TYPE, ref(LION_ID_TYPE_TUPLE), true),
        said(2000, 2050, LION_ID_IDENT, keyword("v/a+b"), true),
        said(2000, 2048, LION_ID_IDENT, keyword("v/a"), true),
        said(2000, 2048, LION_ID_VALUE_TYPE, ref(LION_ID_TYPE_LONG), true),
        said(2000, 2049, LION_ID_IDENT, keyword("v/b"), true),
        said(2000, 2049, LION_ID_VALUE_TYPE, ref(LION_ID_TYPE_STRING), true),
    };
    lion_schema *schema = apply(fresh(), datoms, CASES(datoms));
    const lion_attribute *tuple = lion_schema_attribute(schema, 2050);
    assert_int_equal(tuple->tuple_kind, 1);
    assert_int_equal(tuple->tuple_count, 2);
    assert_int_equal(tuple->tuple_attributes[1], 2049);
    assert_int_equal(tuple->tuple_types[1], LION_TYPE_STRING);
    const lion_attribute *member = lion_schema_attribute(schema, 2049);
    assert_int_equal(member->composite_count, 1);
    assert_int_equal(member->composites[0], 2050);

    schema = with_attribute(schema, 2051, "v/c", LION_ID_TYPE_LONG); /* a copy keeps them */
    member = lion_schema_attribute(schema, 2048);
    assert_int_equal(member->composite_count, 1);
    lion_schema_drop(schema);
    lion_arena_deinit(&arena);
}

static void an_attribute_without_index_stays_out_of_avet(void **state)
{
    (void)state;
    lion_schema *schema = with_attribute(fresh(), 2048, "v/late", LION_ID_TYPE_LONG);
    lion_datom off = said(2001, 2048, LION_ID_INDEX, lion_value_boolean(false), true);
    schema = apply(schema, &off, 1);
    assert_false(lion_schema_attribute(schema, 2048)->is_indexed);
    assert_true(lion_schema_attribute(schema, 2048)->is_in_avet); /* kept up to date */

    lion_datom never = said(2000, 2049, LION_ID_INDEX, lion_value_boolean(false), true);
    schema = with_attribute(schema, 2049, "v/never", LION_ID_TYPE_LONG);
    schema = apply(schema, &never, 1);
    assert_false(lion_schema_attribute(schema, 2049)->is_indexed);
    assert_false(lion_schema_attribute(schema, 2049)->is_in_avet);
    schema = with_attribute(schema, 2050, "v/bytes", LION_ID_TYPE_BYTES);
    assert_false(lion_schema_attribute(schema, 2050)->is_in_avet);
    schema = with_attribute(schema, 2051, "v/ref", LION_ID_TYPE_REF);
    never.e = 2051;
    schema = apply(schema, &never, 1);
    assert_true(lion_schema_attribute(schema, 2051)->is_in_avet); /* for VAET */
    lion_schema_drop(schema);
}

static void predicates_come_and_go(void **state)
{
    (void)state;
    lion_schema *schema = with_attribute(fresh(), 2048, "v/x", LION_ID_TYPE_LONG);
    lion_value even = lion_value_bytes(LION_TYPE_SYMBOL, lion_slice_text("my/even"));
    lion_value small = lion_value_bytes(LION_TYPE_SYMBOL, lion_slice_text("my/small"));
    lion_datom both[] = { said(2001, 2048, LION_ID_ATTR_PREDS, even, true),
                          said(2001, 2048, LION_ID_ATTR_PREDS, small, true) };
    schema = apply(schema, both, 2);
    assert_int_equal(lion_schema_attribute(schema, 2048)->predicate_count, 2);
    lion_datom less = said(2002, 2048, LION_ID_ATTR_PREDS, even, false);
    schema = apply(schema, &less, 1);
    const lion_attribute *attribute = lion_schema_attribute(schema, 2048);
    assert_int_equal(attribute->predicate_count, 1);
    assert_memory_equal(attribute->predicates[0].data, "my/small", 8);
    lion_schema_drop(schema);
}

static void an_unknown_name_is_answered_with_the_nearest(void **state)
{
    (void)state;
    lion_schema *schema = with_attribute(fresh(), 2048, "person/email", LION_ID_TYPE_STRING);
    lion_error error;
    lion_schema_fail_unknown(&error, schema, lion_slice_text(":person/emial"));
    assert_string_equal(error.code, "lion/unknown-attribute");
    assert_int_equal(error.category, LION_INCORRECT);
    assert_non_null(strstr(error.message, "did you mean :person/email?"));
    lion_schema_fail_unknown(&error, schema, lion_slice_text("quite/different"));
    assert_null(strstr(error.message, "did you mean"));
    lion_schema_drop(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_database_knows_its_own_attributes),
        cmocka_unit_test(replaying_the_first_transaction_changes_nothing),
        cmocka_unit_test(data_leaves_the_schema_as_it_is),
        cmocka_unit_test(old_names_go_on_resolving),
        cmocka_unit_test(a_retracted_name_is_gone),
        cmocka_unit_test(thousands_of_names_one_by_one),
        cmocka_unit_test(composites_are_known_to_their_members),
        cmocka_unit_test(an_attribute_without_index_stays_out_of_avet),
        cmocka_unit_test(predicates_come_and_go),
        cmocka_unit_test(an_unknown_name_is_answered_with_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
