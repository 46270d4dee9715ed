/* Transactions: forms, identity, redundancy, conflicts, retractEntity, cas, the transaction itself.
 */
#include "world.h"

#define CONFLICT "db.error/unique-conflict"

static void people(test_world *world)
{
    world_open(world);
    world_schema(world, "person/email string identity", "person/name string", "person/age long",
                 "person/nick string many", "person/city string", "person/friend ref many",
                 "person/boss ref", NULL);
    transacted(world, "[{:db/id \"ann\" :person/email \"ann@x\" :person/name \"Ann\" :person/age 31"
                      "  :person/nick [\"A\" \"Annie\"] :person/friend [\"bob\"]}"
                      " {:db/id \"bob\" :person/email \"bob@x\" :person/name \"Bob\" :person/age 25"
                      "  :person/boss \"ann\"}]");
}

static void an_empty_transaction_is_a_transaction(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    int64_t before = w.db->basis_t;
    transacted(&w, "[]");
    assert_int_equal(w.last.datom_count, 1);
    assert_true(w.db->basis_t > before);
    assert_int_equal(w.last.datoms[0].e, lion_t_to_tx(w.last.t));
    world_close(&w);
}

static void list_form_and_map_form_say_the_same(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long", "v/y string", NULL);
    transacted(&w, "[{\"db/id\" \"e\" \"v/x\" 1 \":v/y\" \"a\"}]");
    assert_string_equal(w.facts, "v/x 1 +; v/y \"a\" +");
    int64_t first = world_id(&w, "e");
    transacted(&w, "[[\"db/add\" \"e\" \"v/x\" 1] [:db/add \"e\" :v/y \"a\"]]");
    assert_string_equal(w.facts, "v/x 1 +; v/y \"a\" +");
    assert_true(world_id(&w, "e") != first);
    refused(&w, "lion/unknown-attribute", "[{\"v/xx\" 1}]");
    message_has(&w, "did you mean :v/x?");
    refused(&w, "lion/syntax", "[7]");
    refused(&w, "lion/syntax", "[[:db/add \"e\" :v/x]]");
    refused(&w, "db.error/not-a-data-function", "[[:db/addd \"e\" :v/x 1]]");
    refused(&w, "db.error/invalid-entity-id", "[[:db/add -5 :v/x 1]]");
    refused(&w, "db.error/invalid-entity-id", "[[:db/add 17592186099999 :v/x 1]]");
    world_close(&w);
}

static void one_tempid_is_one_entity(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long", "v/y string", "v/z ref", NULL);
    transacted(&w, "[[:db/add \"c\" :v/z \"e\"] {:db/id \"e\" :v/x 1} [:db/add \"e\" :v/y \"a\"]]");
    assert_string_equal(world_values(&w, w.db, world_id(&w, "e"), "v/y"), "\"a\"");
    refused(&w, "db.error/tempid-not-an-entity", "[[:db/add \"c\" :v/z \"nobody\"]]");
    message_has(&w, "\"nobody\"");
    refused(&w, "db.error/tempid-not-an-entity", "[[:db/retract \"c\" :v/x 1]]");
    world_close(&w);
}

static void arrays_sets_and_lookup_refs(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ann = world_id(&w, "ann"), bob = world_id(&w, "bob");
    char expected[64];
    transacted(&w, "[{:db/id %lld :person/friend [\"person/email\" \"ann@x\"]}]", (long long)bob);
    snprintf(expected, sizeof expected, "person/friend %lld +", (long long)ann);
    assert_string_equal(w.facts, expected);
    transacted(&w,
               "[{:db/id \"person/email\" :person/name \"New\"} {:db/id \"ann@x\" :person/name "
               "\"Newer\"} {:db/id %lld :person/friend #{\"person/email\" \"ann@x\"}}]",
               (long long)bob);
    assert_int_equal(w.last.tempid_count, 2);
    transacted(&w, "[{:db/id [:person/email \"bob@x\"] :person/age 26}]");
    assert_string_equal(w.facts, "person/age 25 -; person/age 26 +");
    refused(&w, "db.error/not-an-entity", "[[:db/add [:person/email \"nobody\"] :person/age 1]]");
    refused(&w, "db.error/not-an-entity",
            "[{:person/email \"new@x\"} [:db/add [:person/email \"new@x\"] :person/age 1]]");
    refused(&w, "db.error/lookup-ref-attr-not-unique",
            "[[:db/add [:person/name \"Ann\"] :person/age 1]]");
    refused(&w, "db.error/wrong-type-for-attribute", "[{:person/age [1 2]}]");
    world_close(&w);
}

static void nested_maps_need_somebody_to_hold_them(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "order/line ref many component", "order/note ref component", "line/sku string",
                 "v/to ref", "v/key string identity", NULL);
    transacted(&w, "[{:db/id \"o\" :order/line [{:line/sku \"a\"} {:line/sku \"b\"}]"
                   "  :order/note {:line/sku \"n\"} :v/to {:v/key \"k\" :line/sku \"z\"}}]");
    assert_int_equal(w.last.datom_count, 10);
    transacted(&w, "[{:db/id \"o\" :line/sku \"p\" :v/to {:v/key \"k\"}}]"); /* the same one */
    assert_int_equal(w.last.datom_count, 3);
    transacted(&w, "[{:db/id \"o\" :line/sku \"q\" :v/_to {:line/sku \"child\"}}]");
    assert_non_null(strstr(w.facts, "line/sku \"child\" +"));
    refused(&w, "db.error/invalid-nested-entity", "[{:v/to {:line/sku \"x\"}}]");
    refused(&w, "lion/syntax", "[{:line/_sku \"x\"}]");
    world_close(&w);
}

static void reverse_keys_turn_the_ref_around(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ann = world_id(&w, "ann"), bob = world_id(&w, "bob");
    transacted(&w,
               "[{:db/id \"n\" :person/name \"N\" :person/_boss [%lld [:person/email "
               "\"ann@x\"]]}]",
               (long long)bob);
    char expected[64];
    snprintf(expected, sizeof expected, "%lld", (long long)world_id(&w, "n"));
    assert_string_equal(world_values(&w, w.db, ann, "person/boss"), expected);
    assert_string_equal(world_values(&w, w.db, bob, "person/boss"), expected);
    world_close(&w);
}

static void a_known_identity_upserts(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ann = world_id(&w, "ann");
    transacted(&w, "[{:db/id \"x\" :person/email \"ann@x\" :person/age 50}]");
    assert_int_equal(world_id(&w, "x"), ann);
    assert_string_equal(w.facts, "person/age 31 -; person/age 50 +");
    transacted(
        &w, "[{:person/name \"New\" :person/boss \"x\"} {:db/id \"x\" :person/email \"ann@x\"}]");
    assert_int_equal(world_id(&w, "x"), ann);
    transacted(&w, "[{:db/id \"x\" :person/email \"n@x\" :person/age 1}"
                   " {:db/id \"y\" :person/email \"n@x\" :person/name \"N\"}]");
    assert_int_equal(world_id(&w, "x"), world_id(&w, "y"));
    assert_string_equal(w.facts, "person/age 1 +; person/email \"n@x\" +; person/name \"N\" +");
    refused(&w, CONFLICT,
            "[{:db/id \"x\" :person/email \"ann@x\"} {:db/id \"x\" :person/email "
            "\"bob@x\"}]");
    assert_int_equal(w.error.category, LION_CONFLICT);
    world_close(&w);
}

static void many_valued_identities_find_by_any(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "user/alias string many identity", "user/age long", NULL);
    transacted(&w, "[{:db/id \"m\" :user/alias [\"mari\" \"mmz\"]}]");
    int64_t id = world_id(&w, "m");
    transacted(&w, "[{:db/id \"who\" :user/alias \"mmz\" :user/age 5}]");
    assert_int_equal(world_id(&w, "who"), id);
    assert_string_equal(w.facts, "user/age 5 +");
    world_close(&w);
}

static void identities_that_are_refs_unify_to_a_fixpoint(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "a/name string identity", "b/of ref identity", "c/of ref identity", "v/x long",
                 NULL);
    transacted(
        &w, "[{:db/id \"a\" :a/name \"a\"} {:db/id \"b\" :b/of \"a\"} {:db/id \"c\" :c/of \"b\"}]");
    int64_t b = world_id(&w, "b"), c = world_id(&w, "c");
    transacted(&w, "[{:db/id \"z\" :c/of \"y\" :v/x 1} {:db/id \"y\" :b/of \"x\"} {:db/id \"x\" "
                   ":a/name \"a\"}]");
    assert_int_equal(world_id(&w, "y"), b);
    assert_int_equal(world_id(&w, "z"), c);
    assert_string_equal(w.facts, "v/x 1 +");
    /* two owners of one new entity are one */
    transacted(&w, "[{:db/id \"p\" :b/of \"n\" :v/x 7} {:db/id \"q\" :b/of \"m\" :v/x 7}"
                   " {:db/id \"n\" :a/name \"n\"} {:db/id \"m\" :a/name \"n\"}]");
    assert_int_equal(world_id(&w, "p"), world_id(&w, "q"));
    assert_int_equal(world_id(&w, "n"), world_id(&w, "m"));
    world_close(&w);
}

static void unique_values_are_one_entitys(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ann = world_id(&w, "ann"), bob = world_id(&w, "bob");
    refused(&w, CONFLICT, "[{:db/id %lld :person/email \"ann@x\"}]", (long long)bob);
    message_has(&w, "person/email");
    message_has(&w, "ann@x");
    transacted(&w,
               "[[:db/retract %lld :person/email \"ann@x\"] {:db/id %lld :person/email "
               "\"ann@x\"}]",
               (long long)ann, (long long)bob); /* it moves in one transaction */
    transacted(&w, "[[:db/retract %lld :person/email \"ann@x\"]]", (long long)bob);
    transacted(&w, "[{:db/id \"n\" :person/email \"ann@x\"}]");
    assert_true(world_id(&w, "n") != ann && world_id(&w, "n") != bob);
    world_schema(&w, "user/ssn string value", NULL);
    transacted(&w, "[{:user/ssn \"1\"}]");
    refused(&w, CONFLICT, "[{:user/ssn \"1\"}]");
    refused(&w, CONFLICT, "[{:db/id \"a\" :user/ssn \"2\"} {:db/id \"b\" :user/ssn \"2\"}]");
    transacted(&w, "[{:db/id [:user/ssn \"1\"] :person/age 9}]");
    world_close(&w);
}

static void redundant_facts_are_dropped(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    long long ann = world_id(&w, "ann");
    transacted(&w, "[{:db/id %lld :person/age 31 :person/nick [\"A\"]}]", ann);
    assert_string_equal(w.facts, "");
    transacted(&w, "[{:db/id %lld :person/nick [\"A\" \"Anna\"]}]", ann);
    assert_string_equal(w.facts, "person/nick \"Anna\" +");
    transacted(&w, "[[:db/retract %lld :person/nick \"nobody\"] [:db/retract %lld :person/age 5]]",
               ann, ann);
    assert_string_equal(w.facts, "");
    transacted(&w, "[[:db/add %lld :person/age 1] [:db/add %lld :person/age 1]]", ann, ann);
    assert_string_equal(w.facts, "person/age 1 +; person/age 31 -");
    transacted(&w, "[[:db/retract %lld :person/nick] [:db/retract %lld :person/age]]", ann, ann);
    assert_string_equal(w.facts, "person/age 1 -; person/nick \"A\" -; person/nick \"Anna\" -; "
                                 "person/nick \"Annie\" -");
    world_close(&w);
}

static void contradictions_are_refused(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    long long ann = world_id(&w, "ann");
    refused(&w, "db.error/datoms-conflict",
            "[[:db/add %lld :person/age 1] [:db/add %lld :person/age 2]]", ann, ann);
    assert_int_equal(w.error.category, LION_INCORRECT);
    refused(&w, "db.error/datoms-conflict",
            "[[:db/add %lld :person/nick \"A\"] [:db/retract %lld :person/nick \"A\"]]", ann, ann);
    refused(&w, "db.error/nil-value", "[[:db/add %lld :person/age nil]]", ann);
    refused(&w, "db.error/nil-value", "[{:db/id %lld :person/age nil}]", ann);
    refused(&w, "db.error/wrong-type-for-attribute", "[{:db/id %lld :person/age \"old\"}]", ann);
    message_has(&w, "person/age");
    message_has(&w, "\"old\"");
    message_has(&w, "long");
    refused(&w, "db.error/wrong-type-for-attribute", "[{:db/id %lld :person/boss 1.5}]", ann);
    world_close(&w);
}

static void retract_entity_takes_components_and_inbound_refs(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/part ref many component", "v/see ref", "v/x long", NULL);
    transacted(&w, "[{:db/id \"top\" :v/x 1 :v/part [\"mid\" \"mid2\"] :v/see \"other\"}"
                   " {:db/id \"mid\" :v/x 2 :v/part [\"low\"]} {:db/id \"mid2\" :v/x 3}"
                   " {:db/id \"low\" :v/x 4} {:db/id \"other\" :v/x 5 :v/see \"low\"}]");
    int64_t top = world_id(&w, "top"), other = world_id(&w, "other");
    transacted(&w, "[[:db/retractEntity %lld]]", (long long)top);
    assert_string_equal(world_values(&w, w.db, other, "v/x"), "5");
    assert_string_equal(world_values(&w, w.db, other, "v/see"), "");
    assert_int_equal(w.last.datom_count, 1 + 4 + 3 + 1 + 1);
    transacted(&w, "[[:db.fn/retractEntity %lld]]", (long long)top);
    assert_string_equal(w.facts, "");
    transacted(&w, "[{:db/id \"a\" :v/part [\"b\"] :v/x 1} {:db/id \"b\" :v/part [\"a\"] :v/x 2}]");
    transacted(&w, "[[:db/retractEntity %lld]]", (long long)world_id(&w, "a"));
    assert_int_equal(w.last.datom_count, 5);
    refused(&w, "db.error/invalid-alter-attribute", "[[:db/retractEntity :v/x]]");
    refused(&w, "db.error/reset-tx-instant", "[[:db/retractEntity %lld]]",
            (long long)lion_t_to_tx(w.db->basis_t));
    world_close(&w);
}

static void cas_compares(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    long long ann = world_id(&w, "ann"), bob = world_id(&w, "bob");
    transacted(&w, "[[:db/cas %lld :person/age 31 32]]", ann);
    assert_string_equal(w.facts, "person/age 31 -; person/age 32 +");
    refused(&w, "db.error/cas-failed", "[[:db.fn/cas %lld :person/age 31 33]]", ann);
    assert_int_equal(w.error.category, LION_CONFLICT);
    message_has(&w, "31");
    message_has(&w, "32");
    transacted(&w, "[[:db/cas %lld :person/city nil \"Rome\"]]", bob);
    refused(&w, "db.error/cas-failed", "[[:db/cas %lld :person/city nil \"Oslo\"]]", bob);
    refused(&w, "db.error/datoms-conflict",
            "[[:db/cas %lld :person/age 32 33] [:db/cas %lld :person/age 32 34]]", ann, ann);
    refused(&w, "lion/syntax", "[[:db/cas %lld :person/nick \"A\" \"B\"]]", ann);
    refused(&w, "db.error/nil-value", "[[:db/cas %lld :person/age 32 nil]]", ann);
    transacted(&w, "[[:db/cas %lld :person/boss %lld \"n\"] {:db/id \"n\" :person/name \"N\"}]",
               bob, ann);
    world_close(&w);
}

static void every_order_of_the_operations_gives_the_same(void **state)
{
    (void)state;
    static const int orders[][4] = { { 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 1, 3, 0, 2 } };
    const char *first = NULL;
    test_world worlds[CASES(orders)];
    for (size_t i = 0; i < CASES(orders); i++) {
        test_world *w = &worlds[i];
        people(w);
        long long ann = world_id(w, "ann");
        const char *ops[] = {
            lion_arena_printf(&w->arena, "[:db/retract %lld :person/nick]", ann),
            lion_arena_printf(&w->arena, "[:db/add %lld :person/nick \"Z\"]", ann),
            lion_arena_printf(&w->arena, "{:db/id \"n\" :person/boss %lld :person/name \"N\"}",
                              ann),
            lion_arena_printf(&w->arena, "[:db/cas %lld :person/age 31 40]", ann),
        };
        transacted(w, "[%s %s %s %s]", ops[orders[i][0]], ops[orders[i][1]], ops[orders[i][2]],
                   ops[orders[i][3]]);
        if (first == NULL) first = w->facts;
        assert_string_equal(w->facts, first);
    }
    assert_non_null(strstr(first, "person/nick \"Annie\" -; person/nick \"Z\" +"));
    for (size_t i = 0; i < CASES(orders); i++) world_close(&worlds[i]);
}

static void the_transaction_is_an_entity(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "audit/by string", "v/x long", NULL);
    transacted(&w, "[{:db/id \"lion.tx\" :audit/by \"ann\"} {:v/x 1}]");
    assert_string_equal(world_values(&w, w.db, lion_t_to_tx(w.last.t), "audit/by"), "\"ann\"");
    transacted(&w, "[[:db/add \"datomic.tx\" :audit/by \"bob\"]]");
    assert_int_equal(w.last.tempid_count, 0);
    refused(&w, "db.error/invalid-entity-id", "[[:db/add \"datomic.foo\" :audit/by \"bob\"]]");
    world_close(&w);
}

static void instants_only_rise(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    transacted(&w, "[{:db/id \"datomic.tx\" :db/txInstant \"2013-12-31T19:00:00Z\"}]");
    assert_int_equal(w.last.datom_count, 1);
    assert_int_equal(w.last.instant_ms, INT64_C(1388516400000));
    refused(&w, "db.error/past-tx-instant",
            "[{:db/id \"lion.tx\" :db/txInstant \"2012-12-31T19:00:00Z\"}]");
    refused(&w, "lion/future-tx-instant",
            "[{:db/id \"lion.tx\" :db/txInstant \"2030-12-31T19:00:00Z\"}]");
    refused(&w, "db.error/reset-tx-instant", "[{:db/id \"x\" :db/txInstant 5}]");
    refused(&w, "db.error/reset-tx-instant", "[[:db/add %lld :db/txInstant 5]]",
            (long long)lion_t_to_tx(w.last.t));
    transacted(&w, "[]");
    int64_t last = w.last.instant_ms;
    w.now_ms -= 5000; /* a clock set back repeats the last instant */
    transacted(&w, "[]");
    assert_int_equal(w.last.instant_ms, last);
    world_close(&w);
}

static void a_retry_safe_transaction_carries_its_id(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    w.options.has_id = true;
    memset(w.options.id, 7, 16);
    transacted(&w, "[]");
    assert_int_equal(w.last.datom_count, 2);
    assert_true(w.last.has_id);
    world_close(&w);
}

static void new_entities_of_one_kind_lie_side_by_side(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "a/x long", "b/x long", NULL);
    transacted(&w, "[{:db/id \"a1\" :a/x 1} {:db/id \"b1\" :b/x 1} {:db/id \"a2\" :a/x 2}"
                   " {:db/id \"b2\" :b/x 2}]");
    assert_int_equal(world_id(&w, "a2"), world_id(&w, "a1") + 1);
    assert_int_equal(world_id(&w, "b2"), world_id(&w, "b1") + 1);
    assert_int_equal(lion_id_partition(world_id(&w, "a1")), LION_PARTITION_USER);
    assert_true(lion_id_counter(world_id(&w, "a1")) > w.last.t);
    assert_int_equal(w.last.next_counter, w.last.t + 5);
    world_close(&w);
}

static void partitions_place_new_entities(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long", "v/part ref component", NULL);
    transacted(&w, "[{:db/id \"p\" :db/ident :my-part :db.install/_partition :db.part/db}]");
    int64_t part = world_id(&w, "p");
    assert_int_equal(part, LION_PARTITION_ID_FIRST);
    transacted(&w, "[{:db/id \"a\" :v/x 1 :v/part {:v/x 2}} [:db/force-partition {\"a\" :my-part}]"
                   " {:db/id \"b\" :v/x 3} [:db/match-partition {\"b\" \"a\"}]"
                   " {:db/id \"#db/id[:my-part -1]\" :v/x 4} {:db/id \"#db/id:my-part -2\" :v/x 5}"
                   "]");
    assert_int_equal(lion_id_partition(world_id(&w, "a")), part);
    assert_int_equal(lion_id_partition(world_id(&w, "b")), part);
    assert_int_equal(lion_id_partition(world_id(&w, "#db/id[:my-part -1]")), part);
    for (uint32_t i = 0; i < w.last.datom_count; i++)
        if (w.last.datoms[i].e != lion_t_to_tx(w.last.t))
            assert_int_equal(lion_id_partition(w.last.datoms[i].e), part); /* the child too */
    refused(&w, "lion/unsupported", "[{:db/id \"a\" :v/x 1} [:db/force-partition {\"a\" %lld}]]",
            (long long)lion_id_make(4, 1000));
    refused(&w, "db.error/not-an-entity",
            "[{:db/id \"a\" :v/x 1} [:db/force-partition {\"a\" :no-part}]]");
    world_close(&w);
}

static void a_transaction_has_a_largest_size(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long many", NULL);
    w.options.datoms_max = 3;
    transacted(&w, "[{:v/x [1 2]}]");
    refused(&w, "lion/transaction-too-large", "[{:v/x [1 2 3 4]}]");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_transaction_is_a_transaction),
        cmocka_unit_test(list_form_and_map_form_say_the_same),
        cmocka_unit_test(one_tempid_is_one_entity),
        cmocka_unit_test(arrays_sets_and_lookup_refs),
        cmocka_unit_test(nested_maps_need_somebody_to_hold_them),
        cmocka_unit_test(reverse_keys_turn_the_ref_around),
        cmocka_unit_test(a_known_identity_upserts),
        cmocka_unit_test(many_valued_identities_find_by_any),
        cmocka_unit_test(identities_that_are_refs_unify_to_a_fixpoint),
        cmocka_unit_test(unique_values_are_one_entitys),
        cmocka_unit_test(redundant_facts_are_dropped),
        cmocka_unit_test(contradictions_are_refused),
        cmocka_unit_test(retract_entity_takes_components_and_inbound_refs),
        cmocka_unit_test(cas_compares),
        cmocka_unit_test(every_order_of_the_operations_gives_the_same),
        cmocka_unit_test(the_transaction_is_an_entity),
        cmocka_unit_test(instants_only_rise),
        cmocka_unit_test(a_retry_safe_transaction_carries_its_id),
        cmocka_unit_test(new_entities_of_one_kind_lie_side_by_side),
        cmocka_unit_test(partitions_place_new_entities),
        cmocka_unit_test(a_transaction_has_a_largest_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
