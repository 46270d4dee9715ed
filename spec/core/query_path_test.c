/* Recursion as a search through a graph: which rules are one, where it searches, and its bounds; patterns that go round in a
 * cycle. That the answers are right on random graphs is for spec/model/graph_spec.lua. The graph is a ring of N nodes, each with an edge to the next and one to
 * the node seven further; node/up leads from each to the one before. */
#include "base/fault.h"
#include "query_support.h"
#include "world.h"

enum { N = 3000 };

static test_world world;

static int set_up(void **state)
{
    (void)state;
    world_open(&world);
    world_schema(&world, "node/n long identity", "node/to ref many", "node/up ref", "node/kind keyword", NULL);
    lion_form ops = lion_form_vector(&world.arena, N);
    for (int i = 0; i < N; i++)
        ops.items[i] = edn(&world.arena, lion_arena_printf(&world.arena, "{:db/id \"n%d\" :node/n %d :node/to [\"n%d\" \"n%d\"] :node/up \"n%d\"}", i, i,
                                                           (i + 1) % N, (i + 7) % N, (i + N - 1) % N));
    assert_int_equal(LION_OK, world_transact_form(&world, &ops));
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

#define STEP "[[pattern 0 [#0 =:node/to #1] p]]"
#define RULES(name, branches) " rules [{ name " name " source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z' '?m'] branches [" branches "] }] }"
#define COUNT(call, inputs, branches) \
    "{ find { kind scalar elements [[aggregate count [?y]]] } sources 1 inputs [[source 0] " inputs "] where [[rule 0 " call " call]]" RULES("path", branches)
#define RIGHT STEP "[[pattern 0 [#0 =:node/to #2] p] [rule 0 [#2 #1] r]]"

static char *explained;

/* The answer as text, or the error's code. Only the plan's first line is kept. */
static const char *ask(const char *text, const char *input, const lion_query_options *options)
{
    lion_form form = query_form(&world.arena, text);
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    lion_query_input inputs[2] = { { .db = world.db } };
    char *out = NULL;
    if (input != NULL) inputs[1].form = form_of(&world.arena, input);
    lion_status status = lion_query_new(&query, &form, &world.error);
    if (status == LION_OK) status = lion_query_open(&run, query, inputs, input != NULL ? 2 : 1, options, &world.error);
    if (status == LION_OK) status = ask_all(&world.arena, run, NULL, false, &out, &world.error);
    if (run != NULL) assert_int_equal(LION_OK, lion_query_explain(NULL, &explained, run, &world.arena, &world.error));
    lion_query_close(run);
    lion_query_drop(query);
    return status == LION_OK ? out : world.error.code;
}

static void says(const char *words)
{
    if (strstr(explained, words) == NULL) fail_msg("no \"%s\" in: %s", words, explained);
}

static void chains_of_references_are_searched(void **state)
{
    (void)state;
    static const char *const BRANCHES[] = {
        RIGHT,
        STEP "[[rule 0 [#0 #2] r] [pattern 0 [#2 =:node/to #1] p]]",
        STEP "[[rule 0 [#0 #2] r] [rule 0 [#2 #1] r]]",
        "[[pattern 0 [#1 =:node/up #0] p]] [[pattern 0 [#2 =:node/up #0] p] [rule 0 [#2 #1] r]]",
        STEP "[[pattern 0 [#0 =:node/up #3] p] [pattern 0 [#3 =:node/to #2] p] [rule 0 [#2 #1] r]]",
        STEP "[[or [[[pattern 0 [#0 =:node/up #2] p]] [[pattern 0 [#0 =:node/to #2] p]]] [#0 #2] [] o] [rule 0 [#2 #1] r]]",
    };
    /* The fifth goes one back and one or seven forward, then one or seven forward. */
    static const char *const EXPECTED[] = { "3000", "3000", "3000", "3000", "500", "3000" };
    for (size_t i = 0; i < CASES(BRANCHES); i++) {
        char text[2000];
        snprintf(text, sizeof(text), "{ find { kind scalar elements [[aggregate count [?y]]] } sources 1 inputs [[source 0] [scalar ?x]] where [[rule 0 [?x ?y] call]]"
                                     " rules [{ name path source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z' '?m'] branches [%s] }] }", BRANCHES[i]);
        assert_string_equal(EXPECTED[i], ask(text, "[:node/n 5]", NULL));
        says("path-search");
    }
}

static void others_go_the_ordinary_way(void **state)
{
    (void)state;
    static const char *const BRANCHES[] = {
        /* a condition, a value that is no reference, two calls beside a step */
        STEP "[[pattern 0 [#0 =:node/up #2] p] [pattern 0 [#2 =:node/n =4] p] [rule 0 [#2 #1] r]]",
        "[[pattern 0 [#0 =:node/n #1] p]] [[pattern 0 [#0 =:node/up #2] p] [predicate < [#2 =0] p] [rule 0 [#2 #1] r]]",
        STEP "[[pattern 0 [#0 =:node/kind #2] p] [rule 0 [#2 #1] r]]",
    };
    static const char *const EXPECTED[] = { "4", "1", "2" };
    for (size_t i = 0; i < CASES(BRANCHES); i++) {
        char text[2000];
        snprintf(text, sizeof(text), "{ find { kind scalar elements [[aggregate count [?y]]] } sources 1 inputs [[source 0] [scalar ?x]] where [[rule 0 [?x ?y] call]]"
                                     " rules [{ name path source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z' '?m'] branches [%s] }] }", BRANCHES[i]);
        assert_string_equal(EXPECTED[i], ask(text, "[:node/n 5]", NULL));
        assert_null(strstr(explained, "path-search"));
    }
}

/* Few steps are taken in the trees, many in arrays; many sources make sets. */
static void searches_where_it_is_cheapest(void **state)
{
    (void)state;
    transacted(&world, "[{:db/id \"a\" :node/n 10001 :node/to \"b\"} {:db/id \"b\" :node/n 10002 :node/to \"a\"} {:db/id \"c\" :node/n 10003}]");
    assert_string_equal("2", ask(COUNT("[?x ?y]", "[scalar ?x]", RIGHT), "[:node/n 10001]", NULL));
    says("from one end, at once, 1 searches, in the trees");
    assert_string_equal("", ask(COUNT("[?x ?y]", "[scalar ?x]", RIGHT), "[:node/n 10003]", NULL));
    assert_string_equal("", ask(COUNT("[?x ?y]", "[scalar ?x]", RIGHT), "[:node/n 77777]", NULL));
    assert_string_equal("2", ask(COUNT("[?y ?x]", "[scalar ?x]", RIGHT), "[:node/n 10002]", NULL));
    says("from one end, at once, backward, 1 searches, in the trees");
    assert_string_equal("3000", ask(COUNT("[?x ?y]", "[scalar ?x]", RIGHT), "[:node/n 0]", NULL));
    says("in arrays of 6002 references");
    assert_string_equal("3000", ask("{ find { kind scalar elements [[aggregate count [?x]]] } sources 1 inputs [[source 0] [scalar ?t]] where [[pattern 0 [?x =:node/up _] p]"
                                    "[rule 0 [?x ?t] call]]" RULES("path", RIGHT), "[:node/n 9]", NULL));
    says("path-search");
    assert_string_equal("9000004", ask("{ find { kind scalar elements [[aggregate count [?x]]] } with [?y] sources 1 inputs [[source 0]] where [[rule 0 [?x ?y] call]]"
                                       RULES("path", RIGHT), NULL, NULL));
    says("from everywhere");
    says("sets of");
}

/* What is asked for again is found once. */
static void a_search_is_done_once(void **state)
{
    (void)state;
    assert_string_equal("3000", ask("{ find { kind scalar elements [[aggregate count [?y]]] } sources 1 inputs [[source 0] [scalar ?x]] where [[pattern 0 [?m =:node/up ?u] p]"
                                    "[predicate = [?x ?x] p] [rule 0 [?x ?y] call] [rule 0 [?x ?m] call]]" RULES("path", RIGHT), "[:node/n 5]", NULL));
    says(", 1 searches");
}

static void bounds_hold(void **state)
{
    (void)state;
    static const char ALL[] = "{ find { kind relation elements [?x ?y] } sources 1 inputs [[source 0]] where [[rule 0 [?x ?y] call]]" RULES("path", RIGHT);
    int is_cancelled = 1;
    lion_query_options options = { .limit = -1, .memory_max = 100000 };
    assert_string_equal("lion/limit", ask(ALL, NULL, &options));
    message_has(&world, "memory");
    options = (lion_query_options){ .limit = -1, .rows_max = 5000 };
    assert_string_equal("lion/limit", ask(ALL, NULL, &options));
    message_has(&world, "path-search");
    options = (lion_query_options){ .limit = -1, .is_cancelled = &is_cancelled };
    assert_string_equal("lion/cancelled", ask(ALL, NULL, &options));
    options = (lion_query_options){ .limit = 2 };
    assert_int_equal(1, strchr(ask(ALL, NULL, &options), '|') != NULL);
}

#define WHERE(elements, with, clauses) "{ find { kind scalar elements [[aggregate count [" elements "]]] } with [" with "] sources 1 inputs [[source 0]] where [" clauses "] }"
#define TO(a, b) "[pattern 0 [" a " =:node/to " b "] p]"
#define UP(a, b) "[pattern 0 [" a " =:node/up " b "] p]"

/* 7 = 1 + 1 + 1 + 1 + 1 + 1 + 1; 8 = 1 + 7 = 7 + 1. */
/* The patterns are one operator, whether their rows are made or only counted. */
static void is_done_at_once(void)
{
    assert_true(strstr(explained, "multiway-join") != NULL || strstr(explained, "count p") != NULL);
}

static void cycles_are_joined_at_once(void **state)
{
    (void)state;
    static const struct { const char *query, *expected; } QUERIES[] = {
        { WHERE("?a", "?b ?c ?d", TO("?a", "?b") TO("?b", "?d") TO("?a", "?c") TO("?c", "?d")), "18000" }, /* the square, both sides alike or not */
        { WHERE("?a", "?d", TO("?a", "?b") TO("?b", "?d") TO("?a", "?c") TO("?c", "?d")), "9000" },        /* … whatever its sides */
        { WHERE("?a", "?b", TO("?a", "?b") UP("?b", "?a")), "3000" },                                        /* there and back */
        { WHERE("?a", "?b ?c", TO("?a", "?b") TO("?b", "?c") UP("?c", "?b")), "6000" },                      /* with a loose end */
        { WHERE("?a", "?b ?c", TO("?a", "?b") TO("?b", "?c") TO("?a", "?c")), "" },                           /* no triangles */
        { WHERE("?b", "", TO("?a", "?b") UP("?b", "?c") TO("?c", "?b") TO("?b", "?a")), "" },
    };
    for (size_t i = 0; i < CASES(QUERIES); i++) {
        assert_string_equal(QUERIES[i].expected, ask(QUERIES[i].query, NULL, NULL));
        is_done_at_once();
    }
    assert_string_equal("6", ask("{ find { kind scalar elements [[aggregate count [?b]]] } with [?c ?d] sources 1 inputs [[source 0] [scalar ?a]] where ["
                                 TO("?a", "?b") TO("?b", "?d") TO("?a", "?c") TO("?c", "?d") "] }", "[:node/n 5]", NULL));
    assert_null(strstr(explained, "multiway-join")); /* from one node on, pattern by pattern is cheaper */
    assert_null(strstr(explained, "count p"));
    assert_string_equal("18000", ask(WHERE("?a", "?b ?c ?d", "[pattern 0 [?a =:node/n _] p]" TO("?a", "?b") TO("?b", "?d") TO("?a", "?c") TO("?c", "?d")), NULL, NULL));
    is_done_at_once();
}

static void cycles_are_bounded(void **state)
{
    (void)state;
    static const char SQUARE[] = "{ find { kind relation elements [?a ?b ?c ?d] } sources 1 inputs [[source 0]] where [" TO("?a", "?b") TO("?b", "?d") TO("?a", "?c")
        TO("?c", "?d") "] }";
    lion_query_options options = { .limit = -1, .memory_max = 50000 };
    assert_string_equal("lion/limit", ask(SQUARE, NULL, &options));
    options = (lion_query_options){ .limit = -1, .rows_max = 5000 };
    assert_string_equal("lion/limit", ask(SQUARE, NULL, &options));
    message_has(&world, "multiway-join");
}

/* The run's status with memory refused at the nth time that any is asked for. */
static lion_status run_starved(lion_query *query, const lion_query_input inputs[2], uint64_t nth)
{
    lion_query_run *run = NULL;
    lion_query_batch batch;
    lion_fault_arm("arena.grow", nth, "fail");
    lion_status status = lion_query_open(&run, query, inputs, 2, NULL, &world.error);
    while (status == LION_OK) status = lion_query_next(run, &batch, &world.error);
    lion_query_close(run);
    lion_fault_disarm();
    return status;
}

/* Memory that ends anywhere ends the query, and nothing else. */
static void memory_may_end_anywhere(void **state)
{
    (void)state;
    static const char *const QUERIES[] = {
        COUNT("[?x ?y]", "[scalar ?x]", RIGHT),
        "{ find { kind scalar elements [[aggregate count [?x]]] } with [?y] sources 1 inputs [[source 0] [scalar ?n]] where [[rule 0 [?x ?y] call]]" RULES("path", RIGHT),
        "{ find { kind scalar elements [[aggregate count [?a]]] } with [?b ?c ?d] sources 1 inputs [[source 0] [scalar ?n]] where [" TO("?a", "?b") TO("?b", "?d")
            TO("?a", "?c") TO("?c", "?d") "] }",
    };
    for (size_t i = 0; i < CASES(QUERIES); i++) {
        lion_form form = query_form(&world.arena, QUERIES[i]);
        lion_query_input inputs[2] = { { .db = world.db } };
        lion_query *query = NULL;
        inputs[1].form = form_of(&world.arena, "[:node/n 5]");
        assert_int_equal(LION_OK, lion_query_new(&query, &form, &world.error));
        uint64_t nth = 1;
        while (run_starved(query, inputs, nth) == LION_FAILED) {
            assert_string_equal("lion/out-of-memory", world.error.code);
            nth++;
        }
        assert_in_range(nth, 5, 1000);
        lion_query_drop(query);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(chains_of_references_are_searched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(others_go_the_ordinary_way, set_up, tear_down),
        cmocka_unit_test_setup_teardown(searches_where_it_is_cheapest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_search_is_done_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cycles_are_joined_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cycles_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_may_end_anywhere, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
