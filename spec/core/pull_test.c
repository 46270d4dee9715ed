/* Pull: patterns as the front hands them down, against databases in memory. */
#include "db/db.h"
#include "world.h"

/* How the test answers a call: filters hide ages, xforms wrap their value in a list. */
static void answer(lion_call *call)
{
    if (call->kind == LION_CALL_FILTER) {
        for (uint32_t i = 0; i < call->count; i++) {
            lion_value v = lion_vector_get(&call->datoms->v, i);
            call->verdict[i] = !(v.type == LION_TYPE_LONG && v.bits == 31);
        }
    } else {
        assert_int_equal(call->kind, LION_CALL_XFORM);
        call->results[0] = lion_form_vector(call->arena, 1);
        call->results[0].items[0] = call->forms[0];
    }
    call->is_answered = true;
}

static lion_status try_pull(const lion_form **results_out, test_world *world, const lion_db *db,
                            const char *pattern_text, const int64_t *ids, size_t count)
{
    lion_form *form = lion_arena_new(&world->arena, lion_form);
    *form = edn(&world->arena, pattern_text);
    lion_pull_pattern *pattern = NULL;
    lion_pull *pull = NULL;
    lion_status status = lion_pull_pattern_read(&pattern, form, &world->arena, &world->error);
    if (status == LION_OK)
        status = lion_pull_open(&pull, pattern, db, ids, count, &world->arena, &world->error);
    if (status != LION_OK) return status;
    while ((status = lion_pull_step(pull, &world->error)) == LION_CALL) {
        world->calls++;
        answer(lion_pull_call(pull));
    }
    if (status == LION_OK) *results_out = lion_pull_results(pull);
    return status;
}

static const lion_form *pull_of(test_world *world, const lion_db *db, const char *pattern,
                                int64_t id)
{
    const lion_form *results = NULL;
    if (try_pull(&results, world, db, pattern, &id, 1) != LION_OK)
        fail_msg("%s: %s", world->error.code, world->error.message);
    return results;
}

/* The result as text, with ' for ". */
static const char *text_of(test_world *world, const lion_form *form)
{
    char *text = lion_form_text(&world->arena, form);
    for (char *c = text; *c != 0; c++)
        if (*c == '"') *c = '\'';
    return text;
}

#define pulls(world, pattern, name, expected)                                                      \
    assert_string_equal(                                                                           \
        text_of((world), pull_of((world), (world)->db, (pattern), world_id((world), (name)))),     \
        (expected))

static void people(test_world *world)
{
    world_open(world);
    world_schema(world, "person/name string", "person/age long", "person/nick string many",
                 "person/friend ref many", "person/boss ref", "person/ok boolean",
                 "person/tag keyword", NULL);
    transacted(world,
               "[{:db/id \"ann\" :person/name \"Ann\" :person/age 31 :person/ok false"
               "  :person/nick [\"A\" \"N\"] :person/friend [\"bob\" \"cid\"] :person/tag :a/b}"
               " {:db/id \"bob\" :person/name \"Bob\" :person/boss \"ann\"}"
               " {:db/id \"cid\" :person/name \"Cid\" :person/age 42 :person/boss \"ann\""
               "  :person/friend [\"ann\"]}"
               " {:db/id \"dee\" :person/name \"Dee\" :person/boss \"cid\"}]");
}

static void attributes_and_what_is_missing(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    pulls(&w, "[{:attr \"person/name\"} {:attr \"person/age\"}]", "bob", "{'person/name' 'Bob'}");
    pulls(&w, "[{:attr \"person/boss\"}]", "ann", "nil");
    pulls(&w, "[{:attr \"no/such\"} {:attr \"person/nick\"}]", "ann", "{'person/nick' ['A' 'N']}");
    pulls(&w, "[{:attr \"person/age\" :default 0} {:attr \"person/ok\" :default false}]", "bob",
          "{'person/age' 0 'person/ok' false}");
    pulls(&w, "[{:attr \"person/ok\" :default true}]", "ann", "{'person/ok' false}");
    pulls(&w, "[{:attr \"person/name\" :as \"Band Name\"} {:attr \"person/age\" :as :n}]", "ann",
          "{'Band Name' 'Ann' 'n' 31}");
    int64_t nobody = lion_id_make(LION_PARTITION_USER, 999999);
    const char *patterns[] = { "[{:attr \"*\"}]", "[{:attr \"db/id\"}]",
                               "[{:attr \"person/age\" :default 0}]" };
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(text_of(&w, pull_of(&w, w.db, patterns[i], nobody)), "nil");
    world_close(&w);
}

static void references_both_ways(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    const char *id = lion_arena_printf(&w.arena, "{'person/boss' {'db/id' %lld}}",
                                       (long long)world_id(&w, "ann"));
    pulls(&w, "[{:attr \"person/boss\"}]", "bob", id);
    pulls(&w, "[{:attr \"person/boss\" :reverse 1 :pattern [{:attr \"person/name\"}]}]", "ann",
          "{'person/_boss' [{'person/name' 'Bob'} {'person/name' 'Cid'}]}");
    pulls(&w, "[{:attr \"person/boss\" :reverse 1 :limit 1 :pattern [{:attr \"person/name\"}]}]",
          "ann", "{'person/_boss' [{'person/name' 'Bob'}]}");
    /* Without a match an element is left out, and then the list. */
    pulls(&w, "[{:attr \"person/friend\" :pattern [{:attr \"person/age\"}]}]", "ann",
          "{'person/friend' [{'person/age' 42}]}");
    pulls(&w, "[{:attr \"person/friend\" :pattern [{:attr \"person/nick\"}]}]", "ann", "nil");
    pulls(&w, "[{:attr \"person/friend\" :limit 1 :pattern [{:attr \"person/name\"}]}]", "ann",
          "{'person/friend' [{'person/name' 'Bob'}]}");
    world_close(&w);
}

static void recursion_and_what_is_seen(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    pulls(&w, "[{:attr \"person/name\"} {:attr \"person/boss\" :recursion -1}]", "dee",
          "{'person/name' 'Dee' 'person/boss' {'person/name' 'Cid' 'person/boss' "
          "{'person/name' 'Ann'}}}");
    pulls(&w, "[{:attr \"person/name\"} {:attr \"person/boss\" :recursion 1 :as \"up\"}]", "dee",
          "{'person/name' 'Dee' 'up' {'person/name' 'Cid'}}");
    const char *cycle = lion_arena_printf(
        &w.arena,
        "{'person/name' 'Ann' 'person/friend' [{'person/name' 'Bob'} {'person/name' 'Cid' "
        "'person/friend' [{'db/id' %lld}]}]}",
        (long long)world_id(&w, "ann"));
    pulls(&w, "[{:attr \"person/name\"} {:attr \"person/friend\" :recursion -1}]", "ann", cycle);
    /* A pattern of its own is no recursion: it may come back. */
    pulls(&w,
          "[{:attr \"person/boss\" :reverse 1 :pattern [{:attr \"person/boss\" :pattern "
          "[{:attr \"person/age\"}]}]}]",
          "ann",
          "{'person/_boss' [{'person/boss' {'person/age' 31}} {'person/boss' {'person/age' 31}}]}");
    world_close(&w);
}

static void components_are_whole(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "o/no string", "o/line ref many component", "l/qty long",
                 "l/note ref component", "n/text string", "l/status ref", NULL);
    transacted(&w, "[{:db/id \"s\" :db/ident :status/open}"
                   " {:db/id \"o\" :o/no \"N1\" :o/line [\"l1\" \"l2\"]}"
                   " {:db/id \"l1\" :l/qty 1 :l/note \"n\" :l/status \"s\"}"
                   " {:db/id \"l2\" :l/qty 2} {:db/id \"n\" :n/text \"gift\"}]");
    long long o = world_id(&w, "o"), l1 = world_id(&w, "l1"), l2 = world_id(&w, "l2"),
              n = world_id(&w, "n"), s = world_id(&w, "s");
    const char *lines = lion_arena_printf(
        &w.arena,
        "'o/line' [{'db/id' %lld 'l/qty' 1 'l/note' {'db/id' %lld 'n/text' 'gift'} 'l/status' "
        "{'db/id' %lld 'db/ident' :status/open}} {'db/id' %lld 'l/qty' 2}]",
        l1, n, s, l2);
    pulls(&w, "[{:attr \"o/line\"}]", "o", lion_arena_printf(&w.arena, "{%s}", lines));
    pulls(&w, "[{:attr \"*\"}]", "o",
          lion_arena_printf(&w.arena, "{'db/id' %lld 'o/no' 'N1' %s}", o, lines));
    pulls(&w,
          "[{:attr \"*\"} {:attr \"o/line\" :pattern [{:attr \"l/qty\"}]} "
          "{:attr \"o/no\" :as :no}]",
          "o",
          lion_arena_printf(&w.arena, "{'db/id' %lld 'o/line' [{'l/qty' 1} {'l/qty' 2}] 'no' 'N1'}",
                            o));
    pulls(&w, "[{:attr \"o/line\" :reverse true :pattern [{:attr \"o/no\"}]}]", "l2",
          "{'o/_line' {'o/no' 'N1'}}");
    pulls(&w, "[{:attr \"o/line\" :reverse true}]", "l2",
          lion_arena_printf(&w.arena, "{'o/_line' {'db/id' %lld}}", o));
    world_close(&w);
}

static void a_thousand_unless_told(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long many", "v/y long", NULL);
    lion_form ops = lion_form_vector(&w.arena, 1500);
    for (uint32_t i = 0; i < ops.count; i++)
        ops.items[i] = edn(&w.arena, lion_arena_printf(&w.arena, "[:db/add \"e\" :v/x %u]", i));
    assert_int_equal(world_transact_form(&w, &ops), LION_OK);
    int64_t e = world_id(&w, "e");
    transacted(&w, "[[:db/add %lld :v/y 7]]", (long long)e);
    struct {
        const char *pattern;
        uint32_t count;
    } cases[] = { { "[{:attr \"v/x\"}]", 1000 },
                  { "[{:attr \"v/x\" :limit 3}]", 3 },
                  { "[{:attr \"v/x\" :limit -1}]", 1500 },
                  { "[{:attr \"*\"}]", 1000 },
                  { "[{:attr \"*\"} {:attr \"v/x\" :limit 1200}]", 1200 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lion_form *map = pull_of(&w, w.db, cases[i].pattern, e);
        assert_int_equal(lion_form_get(map, "v/x")->count, cases[i].count);
        if (i >= 3) assert_int_equal(lion_form_get(map, "v/y")->value.bits, 7);
    }
    world_close(&w);
}

static void transforms(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    pulls(&w, "[{:attr \"person/age\" :xform \"str\"} {:attr \"person/nick\" :xform \"keyword\"}]",
          "ann", "{'person/age' '31' 'person/nick' [:A :N]}");
    pulls(&w, "[{:attr \"person/tag\" :xform \"name\"}]", "ann", "{'person/tag' 'b'}");
    pulls(&w, "[{:attr \"person/tag\" :xform \"clojure.core/namespace\"}]", "ann",
          "{'person/tag' 'a'}");
    pulls(&w, "[{:attr \"person/tag\" :xform \"name\" :default 1}]", "bob", "{'person/tag' 1}");
    w.calls = 0;
    pulls(&w, "[{:attr \"person/nick\" :xform \"m/f\" :as \"x\"}]", "ann", "{'x' [['A' 'N']]}");
    pulls(&w, "[{:attr \"person/age\" :xform \"m/f\" :default 0}]", "bob", "{'person/age' [nil]}");
    assert_int_equal(w.calls, 2);
    const lion_form *results;
    int64_t ann = world_id(&w, "ann");
    assert_int_equal(
        try_pull(&results, &w, w.db, "[{:attr \"person/age\" :xform \"namespace\"}]", &ann, 1),
        LION_FAILED);
    assert_string_equal(w.error.code, "lion/syntax");
    world_close(&w);
}

static void other_views(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ann = world_id(&w, "ann"), cid = world_id(&w, "cid"), t = w.db->basis_t;
    transacted(&w, "[[:db/add %lld :person/age 32]]", (long long)ann);
    lion_db *past = NULL, *history = NULL, *filtered = NULL;
    assert_int_equal(lion_db_as_of(&past, w.db, t, &w.error), LION_OK);
    const char *age = "[{:attr \"person/age\"}]";
    assert_string_equal(text_of(&w, pull_of(&w, past, age, ann)), "{'person/age' 31}");
    assert_string_equal(text_of(&w, pull_of(&w, w.db, age, ann)), "{'person/age' 32}");

    assert_int_equal(lion_db_filter(&filtered, past, 1, &w.error), LION_OK);
    w.calls = 0;
    assert_string_equal(text_of(&w, pull_of(&w, filtered, age, ann)), "nil");
    assert_string_equal(text_of(&w, pull_of(&w, filtered, age, cid)), "{'person/age' 42}");
    assert_true(w.calls > 0);
    const lion_form *map = pull_of(&w, filtered, "[{:attr \"*\"}]", ann);
    assert_null(lion_form_get(map, "person/age"));
    assert_non_null(lion_form_get(map, "person/name"));

    const lion_form *results;
    assert_int_equal(lion_db_history(&history, w.db, &w.error), LION_OK);
    assert_int_equal(try_pull(&results, &w, history, age, &ann, 1), LION_FAILED);
    assert_int_equal(w.error.category, LION_INCORRECT);
    lion_db_drop(filtered);
    lion_db_drop(history);
    lion_db_drop(past);
    world_close(&w);
}

static void many_in_the_order_given(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    int64_t ids[] = { world_id(&w, "dee"), world_id(&w, "ann"), 17592186999999,
                      world_id(&w, "dee") };
    const char *expected[] = { "{'person/name' 'Dee'}", "{'person/name' 'Ann'}", "nil",
                               "{'person/name' 'Dee'}" };
    const lion_form *results = NULL;
    assert_int_equal(try_pull(&results, &w, w.db, "[{:attr \"person/name\"}]", ids, 4), LION_OK);
    for (size_t i = 0; i < 4; i++) assert_string_equal(text_of(&w, &results[i]), expected[i]);
    assert_int_equal(try_pull(&results, &w, w.db, "[{:attr \"person/name\"}]", NULL, 0), LION_OK);
    world_close(&w);
}

/* A ring of entities on top of the world's value, by `with`. *root_out is its first entity. */
static lion_db *ring(test_world *world, int64_t *root_out, uint32_t length)
{
    world_open(world);
    world_schema(world, "n/next ref", "n/x long", NULL);
    lion_form ops = lion_form_vector(&world->arena, length);
    for (uint32_t i = 0; i < length; i++)
        ops.items[i] =
            edn(&world->arena,
                lion_arena_printf(&world->arena, "{:db/id \"e%u\" :n/x %u :n/next \"e%u\"}", i, i,
                                  (i + 1) % length));
    lion_tx *tx = NULL;
    lion_db *db = NULL;
    assert_int_equal(world_run(world, &tx, world->db, &ops), LION_OK);
    const lion_tx_result *result = lion_tx_result_view(tx);
    world->last = result->transaction;
    *root_out = world_id(world, "e0");
    assert_int_equal(lion_db_with(&db, world->db, result, &world->error), LION_OK);
    lion_tx_close(tx);
    return db;
}

static void three_thousand_deep_and_no_deeper_than_forms(void **state)
{
    (void)state;
    test_world w;
    int64_t root;
    const char *pattern = "[{:attr \"n/x\"} {:attr \"n/next\" :recursion -1}]";
    lion_db *db = ring(&w, &root, 3000);
    const lion_form *map = pull_of(&w, db, pattern, root);
    uint32_t depth = 0;
    for (; lion_form_get(map, "n/x") != NULL; depth++) map = lion_form_get(map, "n/next");
    assert_int_equal(depth, 3000);
    assert_int_equal(lion_form_get(map, "db/id")->value.bits, root); /* the root again */
    lion_db_drop(db);
    world_close(&w);

    db = ring(&w, &root, LION_FORM_DEPTH_MAX + 10);
    const lion_form *results;
    assert_int_equal(try_pull(&results, &w, db, pattern, &root, 1), LION_FAILED);
    assert_string_equal(w.error.code, "lion/limit");
    lion_db_drop(db);
    world_close(&w);
}

static void malformed_patterns(void **state)
{
    (void)state;
    test_world w;
    people(&w);
    const char *patterns[] = {
        "[]",
        "{}",
        "[17]",
        "[{}]",
        "[{:attr \"person/name\" :limit 0}]",
        "[{:attr \"person/name\" :limit -2}]",
        "[{:attr \"person/boss\" :recursion 0}]",
        "[{:attr \"person/boss\" :pattern []}]",
        "[{:attr \"person/name\" :pattern [{:attr \"db/id\"}]}]",
        "[{:attr \"person/boss\" :recursion 1 :pattern [{:attr \"db/id\"}]}]"
    };
    int64_t ann = world_id(&w, "ann");
    const lion_form *results;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        if (try_pull(&results, &w, w.db, patterns[i], &ann, 1) == LION_OK)
            fail_msg("was not refused: %s", patterns[i]);
        assert_int_equal(w.error.category, LION_INCORRECT);
        assert_string_equal(w.error.code, "lion/syntax");
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attributes_and_what_is_missing),
        cmocka_unit_test(references_both_ways),
        cmocka_unit_test(recursion_and_what_is_seen),
        cmocka_unit_test(components_are_whole),
        cmocka_unit_test(a_thousand_unless_told),
        cmocka_unit_test(transforms),
        cmocka_unit_test(other_views),
        cmocka_unit_test(many_in_the_order_given),
        cmocka_unit_test(three_thousand_deep_and_no_deeper_than_forms),
        cmocka_unit_test(malformed_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
