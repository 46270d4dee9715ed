/* Queries over databases: patterns by every index, coercion of constants and inputs, attributes as variables, history,
 * functions of the database, filters. The people are five: Ann, Bob, Cid, Dee, Eve. */
#include "query_support.h"
#include "world.h"

/* Cases leave out what they do not need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

static test_world world;

static int set_up(void **state)
{
    (void)state;
    world_open(&world);
    world_schema(&world, "person/email string identity", "person/name string", "person/age long", "person/city string", "person/nick string many",
                 "person/friend ref many", "person/boss ref", "person/status keyword", "person/id uuid value", "person/born instant", "node/next ref",
                 "node/n long identity", NULL);
    transacted(&world, "[{:db/id \"ann\" :person/email \"ann@x.org\" :person/name \"Ann\" :person/age 31 :person/city \"Oslo\" :person/nick [\"A\" \"Annie\"]"
                       "  :person/friend [\"bob\" \"cid\"] :person/status :status/on}"
                       " {:db/id \"bob\" :person/email \"bob@x.org\" :person/name \"Bob\" :person/age 25 :person/city \"Rome\" :person/friend [\"ann\"] :person/boss \"ann\"}"
                       " {:db/id \"cid\" :person/email \"cid@x.org\" :person/name \"Cid\" :person/age 42 :person/city \"Oslo\" :person/nick [\"C\"] :person/friend [\"dee\"] :person/boss \"ann\"}"
                       " {:db/id \"dee\" :person/email \"dee@x.org\" :person/name \"Dee\" :person/age 25 :person/boss \"cid\"}"
                       " {:db/id \"eve\" :person/email \"eve@x.org\" :person/name \"Eve\" :person/city \"Rome\" :person/friend [\"eve\" \"ann\"]"
                       "  :person/id \"0b5d7c8e-0f6b-4d7e-9a10-1234567890ab\" :person/born \"2000-01-01\"}"
                       " {:db/ident :city/oslo}]");
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

typedef struct asking {
    const char *query;
    const char *inputs[4]; /* after the database */
    const char *expected;
} asking;

static lion_db *asked_db;
static answerer asked_answer;

static void check(const asking *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lion_form form = query_form(&world.arena, cases[i].query);
        lion_query *query = NULL;
        lion_query_run *run = NULL;
        lion_query_input inputs[5];
        lion_error error = { 0 };
        char *out = NULL;
        size_t given = 1;
        memset(inputs, 0, sizeof(inputs));
        inputs[0].db = asked_db != NULL ? asked_db : world.db;
        for (; given < 5 && cases[i].inputs[given - 1] != NULL; given++) inputs[given].form = form_of(&world.arena, cases[i].inputs[given - 1]);
        lion_status status = lion_query_new(&query, &form, &error);
        if (status == LION_OK) status = lion_query_open(&run, query, inputs, given, NULL, &error);
        if (status == LION_OK) status = ask_all(&world.arena, run, asked_answer, false, &out, &error);
        const char *found = status == LION_OK ? out : error.code;
        if (strcmp(found, cases[i].expected) != 0) fprintf(stderr, "%s\n  %s\n", cases[i].query, status == LION_OK ? "" : error.message);
        assert_string_equal(cases[i].expected, found);
        lion_query_close(run);
        lion_query_drop(query);
    }
}

#define DB(elements, inputs) "{ find { kind relation elements [" elements "] } sources 1 inputs [[source 0] " inputs "] where "

static void patterns_use_every_index(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { DB("?n", "") "[[pattern 0 [?e =:person/city =Oslo] p] [pattern 0 [?e =:person/name ?n] p]] }", { 0 }, "Ann|Cid" },
        { DB("?n ?m", "") "[[pattern 0 [?e =:person/friend ?f] p] [pattern 0 [?e =:person/name ?n] p] [pattern 0 [?f =:person/name ?m] p]] }", { 0 },
          "Ann Bob|Ann Cid|Bob Ann|Cid Dee|Eve Ann|Eve Eve" },
        { DB("?n", "") "[[pattern 0 [?e =:person/friend ?e] p] [pattern 0 [?e =:person/name ?n] p]] }", { 0 }, "Eve" },
        { DB("?n", "[scalar ?b]") "[[pattern 0 [?e =:person/boss ?b] p] [pattern 0 [?e =:person/name ?n] p]] }", { "[:person/email ann@x.org]" }, "Bob|Cid" },
        { DB("?a", "[scalar ?e]") "[[pattern 0 [?e =:person/age ?a] p]] }", { "[:person/email cid@x.org]" }, "42" },
        { DB("?n", "[scalar ?id]") "[[pattern 0 [?e =:person/id ?id] p] [pattern 0 [?e =:person/name ?n] p]] }", { "'0b5d7c8e-0f6b-4d7e-9a10-1234567890ab'" }, "Eve" },
        { DB("?n", "[scalar ?t]") "[[pattern 0 [?e =:person/born ?t] p] [pattern 0 [?e =:person/name ?n] p]] }", { "'2000-01-01'" }, "Eve" },
        { DB("?n", "[scalar ?s]") "[[pattern 0 [?e =:person/status ?s] p] [pattern 0 [?e =:person/name ?n] p]] }", { "status/on" }, "Ann" },
        { DB("?n", "") "[[pattern 0 [?e =:person/age =25.0] p] [pattern 0 [?e =:person/name ?n] p]] }", { 0 }, "Bob|Dee" },
        { DB("?n", "") "[[pattern 0 [?e =:person/age =x] p] [pattern 0 [?e =:person/name ?n] p]] }", { 0 }, "" },
        { DB("?n", "[relation [[scalar ?c] [scalar ?a]]]") "[[pattern 0 [?e =:person/city ?c] p] [pattern 0 [?e =:person/age ?a] p] [pattern 0 [?e =:person/name ?n] p]] }",
          { "[[Oslo 31] [Rome 25] [Rome 31]]" }, "Ann|Bob" },
        { DB("?o", "") "[[pattern 0 [?e =:person/name =Ann _ ?o] p]] }", { 0 }, "true" },
        { DB("?e", "") "[[pattern 0 [?e =:person/shoe ?o] p]] }", { 0 }, "lion/unknown-attribute" },
        { DB("?e", "") "[[pattern 0 [=[:person/email ann@x.org] =:person/age ?e] p]] }", { 0 }, "db.error/not-a-binding-form" },
        /* What is dropped of an input may double rows; its one value does not. */
        { DB("?c", "[collection [scalar ?n]]") "[[pattern 0 [?e =:person/name ?n] p] [pattern 0 [?e =:person/city ?c] p]] }", { "[Ann Cid Bob Ann]" }, "Oslo|Rome" },
        { DB("?c", "[relation [[scalar ?n] [scalar ?x]]]") "[[pattern 0 [?e =:person/name ?n] p] [pattern 0 [?e =:person/city ?c] p]] }", { "[[Ann 1] [Ann 2] [Cid 1]]" }, "Oslo" },
        { DB("?n ?c", "[collection [scalar ?n]]") "[[pattern 0 [?e =:person/name ?n] p] [pattern 0 [?e =:person/city ?c] p]] }", { "[Ann Bob Ann]" }, "Ann Oslo|Bob Rome" },
        { DB("?n", "[scalar ?c]") "[[pattern 0 [?e =:person/city ?c] p] [pattern 0 [?e =:person/friend ?f] p] [pattern 0 [?f =:person/name ?n] p]] }", { "Rome" }, "Ann|Eve" },
        { DB("?c", "[scalar ?n]") "[[pattern 0 [?e =:person/name ?n] p] [pattern 0 [?e =:person/city ?c] p]] }", { "Ann" }, "Oslo" },
        { DB("?d", "") "[[pattern 0 [=:city/oslo =:db/ident ?d] p]] }", { 0 }, ":city/oslo" },
        { DB("?d", "") "[[pattern 0 [=:city/nowhere =:db/ident ?d] p]] }", { 0 }, "" },
    };
    check(CASES_, CASES(CASES_));
}

static void attributes_are_variables(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { DB("?a", "") "[[pattern 0 [?e =:person/name =Dee] p] [pattern 0 [?e ?a] p]] }", { 0 }, ":person/age|:person/boss|:person/email|:person/name" },
        { DB("?i", "") "[[pattern 0 [?e =:person/name =Dee] p] [pattern 0 [?e ?a] p] [pattern 0 [?a =:db/ident ?i] p]] }", { 0 },
          ":person/age|:person/boss|:person/email|:person/name" },
        { DB("?v", "[scalar ?a]") "[[pattern 0 [?e =:person/name =Bob] p] [pattern 0 [?e ?a ?v] p]] }", { ":person/age" }, "25" },
        { DB("?v", "[scalar ?a]") "[[pattern 0 [?e =:person/name =Bob] p] [pattern 0 [?e ?a ?v] p]] }", { "person/age" }, "25" },
        { DB("?v", "[scalar ?a]") "[[pattern 0 [?e =:person/name =Bob] p] [pattern 0 [?e ?a ?v] p]] }", { "person/shoe" }, "lion/unknown-attribute" },
        { DB("?i", "[collection [scalar ?i]]") "[[pattern 0 [?a =:db/ident ?i] p] [pattern 0 [?a =:db/unique _] p]] }", { "[:person/name :person/email]" },
          ":person/email" },
        { DB("?n", "") "[[pattern 0 [?e =:person/name =Bob] p] [pattern 0 [?e ?a =25] p] [function name [?a] [scalar ?n] f]] }", { 0 }, "age" },
        { DB("?n ?a", "") "[[pattern 0 [?b =:person/name =Ann] p] [pattern 0 [?e ?a ?b] p] [pattern 0 [?e =:person/name ?n] p]] }", { 0 },
          "Bob :person/boss|Bob :person/friend|Cid :person/boss|Eve :person/friend" },
    };
    check(CASES_, CASES(CASES_));
}

static const asking DB_FUNCTIONS[] = {
    { DB("?n ?v", "") "[[pattern 0 [?e =:person/name ?n] p] [function get-some [$0 ?e =:person/city =:person/age] [tuple [[blank] [scalar ?v]]] f]] }", { 0 },
      "Ann Oslo|Bob Rome|Cid Oslo|Dee 25|Eve Rome" },
    { DB("?n ?v", "") "[[pattern 0 [?e =:person/name ?n] p] [function get-else [$0 ?e =:person/age =none] [scalar ?v] f]] }", { 0 },
      "Ann 31|Bob 25|Cid 42|Dee 25|Eve none" },
    { DB("?n", "") "[[pattern 0 [?e =:person/name ?n] p] [predicate missing? [$0 ?e =:person/city] f]] }", { 0 }, "Dee" },
    { DB("?n", "") "[[pattern 0 [?e =:person/name ?n] p] [not [[pattern 0 [_ =:person/boss ?e] p]] [?e] n]] }", { 0 }, "Bob|Dee|Eve" },
};

static void functions_read_the_database(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { DB("?v", "") "[[pattern 0 [?e =:person/name] p] [function get-else [$0 ?e =:person/nick =none] [scalar ?v] f]] }", { 0 }, "lion/syntax" },
        { DB("?n ?x", "") "[[or [[[pattern 0 [?e =:person/city ?x] p]] [[pattern 0 [?e =:person/nick ?x] p]]] [?e ?x] [] o] [pattern 0 [?e =:person/name ?n] p]] }", { 0 },
          "Ann A|Ann Annie|Ann Oslo|Bob Rome|Cid C|Cid Oslo|Eve Rome" },
        { DB("?n ?c", "") "[[pattern 0 [?e =:person/name ?n] p] [pattern 0 [?e =:person/city ?c] p] [not [[pattern 0 [?e =:person/boss ?b] p] [pattern 0 [?b =:person/city ?d] p]] [?e] n]] }",
          { 0 }, "Ann Oslo|Eve Rome" },
    };
    check(DB_FUNCTIONS, CASES(DB_FUNCTIONS));
    check(CASES_, CASES(CASES_));
}

static void the_past_is_asked_alike(void **state)
{
    (void)state;
    int64_t t = world.db->basis_t;
    transacted(&world, "[{:db/id [:person/email \"ann@x.org\"] :person/age 32}]");
    static const asking NOW[] = { { DB("?a", "") "[[pattern 0 [?e =:person/name =Ann] p] [pattern 0 [?e =:person/age ?a] p]] }", { 0 }, "32" } };
    static const asking THEN[] = { { DB("?a", "") "[[pattern 0 [?e =:person/name =Ann] p] [pattern 0 [?e =:person/age ?a] p]] }", { 0 }, "31" } };
    static const asking ALL[] = { { DB("?a ?o", "") "[[pattern 0 [?e =:person/name =Ann] p] [pattern 0 [?e =:person/age ?a _ ?o] p]] }", { 0 }, "31 false|31 true|32 true" } };
    static const asking SINCE[] = { { DB("?a", "") "[[pattern 0 [?e =:person/age ?a] p]] }", { 0 }, "32" } };
    check(NOW, 1);
    assert_int_equal(LION_OK, lion_db_as_of(&asked_db, world.db, t, &world.error));
    check(THEN, 1);
    lion_db_drop(asked_db);
    assert_int_equal(LION_OK, lion_db_history(&asked_db, world.db, &world.error));
    check(ALL, 1);
    lion_db_drop(asked_db);
    assert_int_equal(LION_OK, lion_db_since(&asked_db, world.db, t, &world.error));
    check(SINCE, 1);
    lion_db_drop(asked_db);
    asked_db = NULL;
}

static int filter_calls;
static void answer_filter(lion_call *call)
{
    assert_int_equal(LION_CALL_FILTER, call->kind);
    filter_calls++;
    for (uint32_t i = 0; i < call->count; i++) {
        lion_value v = lion_vector_get(&call->datoms->v, i);
        call->verdict[i] = !(v.type == LION_TYPE_STRING && v.size == 4 && memcmp(v.data, "Oslo", 4) == 0);
    }
}

static void filters_are_asked_in_every_operator(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { DB("?n", "") "[[pattern 0 [?e =:person/name ?n] p] [predicate missing? [$0 ?e =:person/city] f]] }", { 0 }, "Ann|Cid|Dee" },
        { DB("?n ?v", "") "[[pattern 0 [?e =:person/name ?n] p] [function get-some [$0 ?e =:person/city =:person/age] [tuple [[blank] [scalar ?v]]] f]] }", { 0 },
          "Ann 31|Bob Rome|Cid 42|Dee 25|Eve Rome" },
        { DB("?n", "") "[[pattern 0 [?e =:person/name ?n] p] [not [[pattern 0 [?e =:person/city _] p]] [?e] n]] }", { 0 }, "Ann|Cid|Dee" },
        { DB("?b", "") "[[rule 0 [=Dee ?b] r]] rules [{ name above source 0 head [0 1] required [0 0] vars ['?x' '?y' '?p' '?q' '?m'] branches ["
          "[[pattern 0 [#2 =:person/name #0] p] [pattern 0 [#2 =:person/boss #3] p] [pattern 0 [#3 =:person/name #1] p]]"
          "[[rule 0 [#0 #4] r] [rule 0 [#4 #1] r]]] }] }",
          { 0 }, "Ann|Cid" },
    };
    assert_int_equal(LION_OK, lion_db_filter(&asked_db, world.db, 7, &world.error));
    asked_answer = answer_filter;
    check(CASES_, CASES(CASES_));
    asked_answer = NULL;
    lion_db_drop(asked_db);
    asked_db = NULL;
    assert_true(filter_calls > 0);
}

static void pulls_are_named_for_the_layer_above(void **state)
{
    (void)state;
    lion_form form = query_form(&world.arena, "{ find { kind relation elements [[pull 0 0 [{ attr 'person/name' }]] ?n] } sources 1 inputs [[source 0]] "
                                              "where [[pattern 0 [?e =:person/name ?n] p]] vars ['?e'] }");
    /* The pull's variable is number 0, the first one read: ?n; ask for ?e instead. */
    lion_form *elements = entry(entry(&form, "find"), "elements");
    elements->items[0].items[2] = long_form(1);
    for (uint32_t i = 0; i < form.count; i++)
        if (lion_form_is_text(&form.items[2 * i], "vars") && form.items[2 * i + 1].count == 1) form.items[2 * i] = text_form("ignored", 7);
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    lion_query_input input = { .db = world.db };
    lion_query_batch batch;
    assert_int_equal(LION_OK, lion_query_new(&query, &form, &world.error));
    assert_int_equal(LION_OK, lion_query_open(&run, query, &input, 1, NULL, &world.error));
    assert_int_equal(LION_OK, lion_query_next(run, &batch, &world.error));
    assert_int_equal(5, batch.count);
    assert_non_null(batch.pulls);
    assert_true(batch.pulls[0].is_pull && batch.pulls[0].db == world.db && batch.pulls[0].pattern->count == 1);
    assert_false(batch.pulls[1].is_pull);
    assert_int_equal(LION_TYPE_REF, batch.columns[0].type);
    assert_int_equal(LION_TYPE_STRING, batch.columns[1].type);
    lion_query_close(run);
    lion_query_drop(query);
}

static void a_long_chain_of_entities(void **state)
{
    (void)state;
    enum { N = 3000 };
    lion_form ops = lion_form_vector(&world.arena, N);
    for (int i = 0; i < N; i++)
        ops.items[i] = edn(&world.arena, lion_arena_printf(&world.arena, i + 1 < N ? "{:db/id \"n%d\" :node/n %d :node/next \"n%d\"}" : "{:db/id \"n%d\" :node/n %d}", i, i, i + 1));
    assert_int_equal(LION_OK, world_transact_form(&world, &ops));
#define CHAIN(call) \
    "{ find { kind scalar elements [[aggregate count [?y]]] } sources 1 inputs [[source 0] [scalar ?x]] where [[rule 0 " call " r]] rules [" \
    "{ name reach source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [[[pattern 0 [#0 =:node/next #1] p]] [[pattern 0 [#0 =:node/next #2] p] [rule 0 [#2 #1] r]]] }] }"
    static const asking CASES_[] = { { CHAIN("[?x ?y]"), { "[:node/n 0]" }, "2999" }, { CHAIN("[?y ?x]"), { "[:node/n 2999]" }, "2999" } };
    check(CASES_, CASES(CASES_));
    /* Many probes: the pattern is read once into a hash table. */
    static const asking HASHED[] = {
        { DB("[aggregate count [?e]]", "") "[[pattern 0 [?e =:node/next ?f] p] [pattern 0 [?f =:node/next ?g] p] [pattern 0 [?g =:node/n ?n] p] [predicate > [?n =1000] p]] }", { 0 }, "1999" },
        { DB("[aggregate count [?n]]", "") "[[pattern 0 [?e =:node/n ?n] p] [pattern 0 [?f =:node/next ?e] p] [not [[pattern 0 [?f =:node/n =5] p]] [?f] n]] }", { 0 }, "2998" },
    };
    check(HASHED, CASES(HASHED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(patterns_use_every_index, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attributes_are_variables, set_up, tear_down),
        cmocka_unit_test_setup_teardown(functions_read_the_database, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_past_is_asked_alike, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_are_asked_in_every_operator, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pulls_are_named_for_the_layer_above, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_chain_of_entities, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
