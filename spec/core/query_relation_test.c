/* Queries over plain relations: every clause kind, binding, aggregate and rule form, without a database. */
#include "query_support.h"

static lion_arena arena;

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    lion_arena_deinit(&arena);
    return 0;
}

/* Cases leave out what they do not need. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

typedef struct asking {
    const char *query;
    const char *inputs[6]; /* data, NULL-ended */
    const char *expected;  /* rows, or an error's code */
    answerer answer;
    lion_query_options options;
    bool is_ordered;
} asking;

static lion_status run_asking(const asking *a, char **out, lion_error *error)
{
    lion_form form = query_form(&arena, a->query);
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    lion_query_input inputs[6];
    size_t count = 0;
    memset(inputs, 0, sizeof(inputs));
    for (; count < 6 && a->inputs[count] != NULL; count++) inputs[count].form = form_of(&arena, a->inputs[count]);
    lion_query_options options = a->options;
    if (options.limit == 0) options.limit = -1;
    lion_status status = lion_query_new(&query, &form, error);
    if (status == LION_OK) status = lion_query_open(&run, query, inputs, count, &options, error);
    if (status == LION_OK) status = ask_all(&arena, run, a->answer, a->is_ordered, out, error);
    if (status == LION_OK && a->options.statistics) {
        lion_form tree;
        char *text = NULL;
        assert_int_equal(LION_OK, lion_query_explain(&tree, &text, run, &arena, error));
        assert_int_equal(LION_FORM_MAP, tree.kind);
        assert_true(strstr(text, "distinct") != NULL);
    }
    lion_query_close(run);
    lion_query_drop(query);
    return status;
}

static void check(const asking *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *out = NULL;
        lion_error error = { 0 };
        lion_status status = run_asking(&cases[i], &out, &error);
        if (status != LION_OK) {
            if (strcmp(error.code, cases[i].expected) != 0) fprintf(stderr, "%s\n  %s: %s\n", cases[i].query, error.code, error.message);
            assert_string_equal(cases[i].expected, error.code);
        } else {
            if (strcmp(out, cases[i].expected) != 0) fprintf(stderr, "%s\n", cases[i].query);
            assert_string_equal(cases[i].expected, out);
        }
    }
}

#define FIND(kind, elements) "{ find { kind " kind " elements [" elements "] } "
#define REL(elements) FIND("relation", elements)

static void inputs_bind(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { REL("?x") "sources 0 inputs [[scalar ?x]] where [] }", { "5" }, "5" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [] }", { "[1 2 2 3]" }, "1|2|3", .options = { .statistics = true } },
        { REL("?a ?b") "sources 0 inputs [[relation [[scalar ?a] [scalar ?b]]]] where [] }", { "[[1 a] [2 b]]" }, "1 a|2 b" },
        { REL("?a") "sources 0 inputs [[tuple [[scalar ?a] [blank]]]] where [] }", { "[1 2]" }, "1" },
        { REL("?x ?y") "sources 0 inputs [[collection [scalar ?x]] [collection [scalar ?y]]] where [] }", { "[1 2]", "[3 4]" },
          "1 3|1 4|2 3|2 4" },
        { REL("?x") "sources 0 inputs [[scalar ?x]] where [] }", { "1", "2" }, "lion/syntax" },
        { REL("?y") "sources 0 inputs [[scalar ?x]] where [] }", { "1" }, "db.error/insufficient-binding" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [] }", { "5" }, "lion/syntax" },
    };
    check(CASES_, CASES(CASES_));
}

static void patterns_join(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { REL("?a ?c") "sources 1 inputs [[source 0]] where [[pattern 0 [?a ?b] p] [pattern 0 [?b ?c] p]] }", { "[[1 2] [2 3] [3 4]]" },
          "1 3|2 4" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[pattern 0 [?a ?a] p]] }", { "[[1 2] [2 2]]" }, "2" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[pattern 0 [?a =x _] p]] }", { "[[1 x 1] [2 y 1]]" }, "1" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[pattern 0 [?a =2.0] p]] }", { "[[1 2] [2 3]]" }, "1" },
        { REL("?n ?s") "sources 2 inputs [[source 0] [source 1]] where [[pattern 0 [?e ?n] p] [pattern 1 [?n ?s] p]] }",
          { "[[1 ann] [2 bob]]", "[[ann 10] [zed 3]]" }, "ann 10" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[pattern 0 [?a _ _ _] p]] }", { "[[1 2]]" }, "" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[pattern 1 [?a] p]] }", { "[[1 2]]" }, "lion/syntax" },
    };
    check(CASES_, CASES(CASES_));
}

static void expressions_compute(void **state)
{
    (void)state;
#define CALC(call, a, b, expected) \
    { FIND("scalar", "?r") "sources 0 inputs [[scalar ?a] [scalar ?b]] where [[function " call " [scalar ?r] f]] }", { a, b }, expected }
    static const asking CASES_[] = {
        CALC("+ [?a ?b]", "2", "3", "5"), CALC("- [?a ?b]", "2", "3", "-1"), CALC("* [?a ?b]", "-2", "3", "-6"),
        CALC("/ [?a ?b]", "7", "2", "3"), CALC("/ [?a ?b]", "7.0", "2", "3.5"), CALC("mod [?a ?b]", "-7", "2", "1"),
        CALC("rem [?a ?b]", "-7", "2", "-1"), CALC("inc [?a]", "41", "0", "42"), CALC("abs [?a]", "-5", "0", "5"),
        CALC("min [?a ?b]", "5", "-2", "-2"), CALC("+ [?a =1]", "9223372036854775807", "0", "lion/overflow"),
        CALC("* [?a ?a]", "4294967296", "0", "lion/overflow"), CALC("/ [?a =0]", "1", "0", "lion/division-by-zero"),
        CALC("compare [?a ?b]", "1", "2", "-1"), CALC("count [?a]", "'井上陽水'", "0", "4"), CALC("str [?a ?b]", "a", "1", "a1"),
        CALC("subs [?a =1 =3]", "'Café!'", "0", "af"), CALC("upper-case [?a]", "'éa'", "0", "ÉA"), CALC("trim [?a]", "' x '", "0", "x"),
        CALC("name [?a]", ":a/b", "0", "b"), CALC("namespace [?a]", ":a/b", "0", "a"), CALC("keyword [?a ?b]", "a", "b", ":a/b"),
        CALC("get [?a =1]", "[10 20]", "0", "20"), CALC("vector [?a ?b]", "1", "x", "[1 \"x\"]"), CALC("ground [=42]", "0", "0", "42"),
        CALC("re-find [='b+' ?a]", "'abbbc'", "0", "bbb"), CALC("re-matches [='b+' ?a]", "'abbbc'", "0", ""),
        CALC("re-find [='(' ?a]", "'a'", "0", "lion/syntax"), CALC("nowhere [?a]", "1", "0", "lion/syntax"),
        CALC("fulltext [?a]", "1", "0", "lion/unsupported"), CALC("tx-data [?a ?b]", "1", "0", "lion/syntax"), CALC("upper-case [?a]", "1", "0", "lion/syntax"),
        CALC("inc [?a ?b]", "1", "0", "lion/syntax"), CALC("get-else [?a ?b =1]", "1", "0", "lion/syntax"),
    };
    check(CASES_, CASES(CASES_));
    static const asking MORE[] = {
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[predicate < [=1 ?x =5] p]] }", { "[1 2 4 5]" }, "2|4" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[predicate odd? [?x] p]] }", { "[1 2 3]" }, "1|3" },
        { REL("?a ?b") "sources 0 inputs [] where [[function vector [=1 =2] [tuple [[scalar ?a] [scalar ?b]]] f]] }", { NULL }, "1 2" },
        { REL("?c") "sources 0 inputs [[scalar ?s]] where [[function re-seq [='[a-z]' ?s] [collection [scalar ?c]] f]] }", { "'a1b2'" }, "a|b" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[function inc [?x] [scalar ?y] f] [function dec [?y] [scalar ?x] f]] }",
          { "[1 2]" }, "1|2" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[predicate > [?x ?y] '[(> ?x ?y)]']] }", { "[1 2]" },
          "db.error/insufficient-binding" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[predicate > [?y =1] p] [function inc [?x] [scalar ?y] f]] }", { "[0 1]" },
          "1" },
    };
    check(MORE, CASES(MORE));
}

static void answer_double(lion_call *call)
{
    assert_int_equal(1, call->argument_count);
    for (uint32_t i = 0; i < call->count; i++) {
        lion_value x = lion_vector_get(&call->arguments[0], i);
        if (call->kind == LION_CALL_PREDICATE) call->verdict[i] = x.bits % 2 == 0;
        else call->results[i] = x.bits > 0 ? lion_form_value(lion_value_long(2 * x.bits)) : lion_form_value(lion_value_nil());
    }
}
static void answer_longest(lion_call *call)
{
    call->results[0] = lion_form_value(lion_value_long(call->forms[0].count));
}

static void the_host_answers_calls(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { REL("?y") "sources 0 inputs [[collection [scalar ?x]]] where [[function my/double [?x] [scalar ?y] f]] }", { "[-1 0 2 3]" }, "4|6",
          .answer = answer_double },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [[predicate my/even [?x] f]] }", { "[1 2 3 4]" }, "2|4",
          .answer = answer_double },
        { REL("[aggregate my/size [?x]]") "sources 0 inputs [[collection [scalar ?x]]] where [] }", { "[1 2 3 4]" }, "4", .answer = answer_longest },
        { REL("[aggregate size [?x]]") "sources 0 inputs [[collection [scalar ?x]]] where [] }", { "[1 2]" }, "2", .answer = answer_longest },
    };
    check(CASES_, CASES(CASES_));
}

static void not_and_or(void **state)
{
    (void)state;
    static const char *const PEOPLE = "[[1 oslo 31] [2 rome 25] [3 oslo 42]]";
    const asking cases[] = {
        { REL("?e") "sources 1 inputs [[source 0]] where [[not [[pattern 0 [?e =oslo] p]] [?e] n] [pattern 0 [?e] p]] }", { PEOPLE }, "2" },
        { REL("?e") "sources 1 inputs [[source 0]] where [[pattern 0 [?e ?c ?a] p] [not [[predicate < [?a =30] p]] [?a] n]] }", { PEOPLE }, "1|3" },
        { REL("?e") "sources 1 inputs [[source 0]] where [[pattern 0 [?e ?c ?a] p] [not [[pattern 0 [?e =oslo] p] [not [[pattern 0 [?e _ =42] p]] [?e] n]] [?e] n]] }",
          { PEOPLE }, "2|3" },
        { REL("?e") "sources 1 inputs [[source 0]] where [[pattern 0 [?e] p] [not [[pattern 0 [?e ?x] p]] [?e ?x] '(not …)']] }", { PEOPLE },
          "db.error/insufficient-binding" },
        { REL("?e ?x") "sources 1 inputs [[source 0]] where [[or [[[pattern 0 [?e ?x] p]] [[pattern 0 [?e _ ?x] p]]] [?e ?x] [] o]] }", { PEOPLE },
          "1 31|1 oslo|2 25|2 rome|3 42|3 oslo" },
        { REL("?e") "sources 1 inputs [[source 0]] where [[pattern 0 [?e] p] [or [[[pattern 0 [?e =rome] p]] [[pattern 0 [?e _ ?y] p] [predicate > [?y =40] p]]] [?e] [] o]] }",
          { PEOPLE }, "2|3" },
        { REL("?x") "sources 0 inputs [[scalar ?x]] where [[or [[[predicate > [?x =1] p]] [[predicate < [?x =0] p]]] [?x] [] o]] }", { "5" }, "5" },
    };
    check(cases, CASES(cases));
}

static void aggregates_group(void **state)
{
    (void)state;
#define AGG(element, data, expected) \
    { REL(element) "sources 0 inputs [[collection [scalar ?x]]] where [] }", { data }, expected }
    static const asking CASES_[] = {
        AGG("[aggregate sum [?x]]", "[1 2 3 3]", "6"), AGG("[aggregate avg [?x]]", "[1 2 3 4]", "2.5"),
        AGG("[aggregate median [?x]]", "[5 1 3]", "3"), AGG("[aggregate median [?x]]", "[42 34 12 8]", "23"),
        AGG("[aggregate median [?x]]", "[1 2]", "1.5"), AGG("[aggregate variance [?x]]", "[1 2 3 4]", "1.25"),
        AGG("[aggregate min [?x]] [aggregate max [?x]] [aggregate count [?x]]", "[3 1 2]", "1 3 3"),
        AGG("[aggregate min [=2 ?x]]", "[3 1 2]", "[1 2]"), AGG("[aggregate max [=2 ?x]]", "[3 1 2]", "[3 2]"),
        AGG("[aggregate distinct [?x]]", "[2 1 2]", "[1 2]"), AGG("[aggregate count-distinct [?x]]", "[2 1 2]", "2"),
        AGG("[aggregate count [?x]]", "[]", ""),
        AGG("[aggregate sum [?x]]", "[a]", "lion/syntax"),
        { REL("?c [aggregate sum [?n]]") "sources 0 with [?i] inputs [[relation [[scalar ?i] [scalar ?c] [scalar ?n]]]] where [] }",
          { "[[1 a 1] [2 a 1] [3 b 5]]" }, "a 2|b 5" },
        { REL("?n") "sources 0 with [?i] inputs [[relation [[scalar ?i] [scalar ?n]]]] where [] }", { "[[1 5] [2 5]]" }, "5|5" },
        { REL("?x") "sources 0 inputs [[collection [scalar ?x]]] where [] order [[?x desc]] limit 2 offset 1 }", { "[3 1 2 9]" }, "3|2",
          .is_ordered = true },
        { REL("?c [aggregate count [?n]]") "sources 0 inputs [[relation [[scalar ?c] [scalar ?n]]]] where [] order [[?n desc] [?c asc]] }",
          { "[[a 1] [b 1] [b 2] [c 3]]" }, "b 2|a 1|c 1", .is_ordered = true },
    };
    check(CASES_, CASES(CASES_));
}

/* Rules over edges [x y]. */
#define BASE "[[pattern 0 [#0 #1] p]]"
#define RIGHT "[[pattern 0 [#0 #2] p] [rule 0 [#2 #1] r]]"
#define LEFT "[[rule 0 [#0 #2] r] [pattern 0 [#2 #1] p]]"
#define DOUBLE "[[rule 0 [#0 #2] r] [rule 0 [#2 #1] r]]"
#define REACH(recursion) "rules [{ name reach source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [" BASE recursion "] }] }"

static void rules_reach_a_fixpoint(void **state)
{
    (void)state;
    static const char *const EDGES = "[[a b] [b c] [c d] [d b] [x a]]";
    static const char *const FORMS[] = { RIGHT, LEFT, DOUBLE };
    static const struct { const char *call, *input, *expected; } CALLS[] = {
        { "[rule 0 [?a ?b] r]", "a", "b|c|d" },
        { "[rule 0 [?b ?a] r]", "b", "a|b|c|d|x" },
        { "[rule 0 [?a ?c] r] [function str [?c] [scalar ?b] f] [predicate = [?c =d] p]", "a", "d" },
        { "[rule 0 [=x ?b] r] [rule 0 [?a ?b] r]", "a", "b|c|d" },
        { "[rule 0 [?b ?b] r]", "a", "b|c|d" },
        { "[rule 0 [?b _] r]", "a", "a|b|c|d|x" },
    };
    for (size_t f = 0; f < CASES(FORMS); f++)
        for (size_t c = 0; c < CASES(CALLS); c++) {
            asking a = { .inputs = { EDGES, CALLS[c].input }, .expected = CALLS[c].expected };
            a.query = lion_arena_printf(&arena, REL("?b") "sources 1 inputs [[source 0] [scalar ?a]] where [%s] "
                                        "rules [{ name reach source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [" BASE "%s] }] }",
                                        CALLS[c].call, FORMS[f]);
            check(&a, 1);
        }
}

static void rules_of_other_shapes(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        /* mutual recursion */
        { REL("?x ?y")
          "sources 1 inputs [[source 0]] where [[rule 0 [?x ?y] r]] rules ["
          "{ name f1 source 0 head [0 1] required [0 0] vars ['?a' '?b' '?t'] branches [[[pattern 0 [#0 =:f1 #1] p]] [[pattern 0 [#2 =:f1 #1] p] [rule 1 [#0 #2] r]]] }"
          "{ name f2 source 0 head [0 1] required [0 0] vars ['?a' '?b' '?t'] branches [[[pattern 0 [#0 =:f2 #1] p]] [[pattern 0 [#2 =:f2 #1] p] [rule 0 [#0 #2] r]]] }] }",
          { "[[0 :f1 1] [1 :f2 2] [2 :f1 3] [3 :f2 4] [4 :f1 5] [5 :f2 6]]" }, "0 1|0 3|0 5|1 3|1 5|2 3|2 5|3 5|4 5" },
        /* same generation */
        { REL("?b")
          "sources 1 inputs [[source 0] [scalar ?a]] where [[rule 0 [?a ?b] r]] rules ["
          "{ name peer source 0 head [0 1] required [0 0] vars ['?x' '?y' '?p' '?q'] branches [[[pattern 0 [#2 #0] p] [pattern 0 [#2 #1] p]]"
          " [[pattern 0 [#2 #0] p] [rule 0 [#2 #3] r] [pattern 0 [#3 #1] p]]] }] }",
          { "[[r a] [r b] [a c] [a d] [b e] [e f]]", "c" }, "c|d|e" },
        /* a recursion inside an or, a not outside of it */
        { REL("?b")
          "sources 1 inputs [[source 0] [scalar ?a]] where [[rule 0 [?a ?b] r] [not [[rule 0 [?b ?a] r]] [?a ?b] n]] rules ["
          "{ name reach source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [[[or [[[pattern 0 [#0 #1] p]] [[pattern 0 [#0 #2] p] [rule 0 [#2 #1] r]]] [0 1] [] o]]] }] }",
          { "[[a b] [b a] [b c]]", "a" }, "c" },
        /* required bindings */
        { REL("?b")
          "sources 1 inputs [[source 0]] where [[rule 0 [?a ?b] '(reach ?a ?b)']] rules ["
          "{ name reach source 0 head [0 1] required [1 0] vars ['?x' '?y'] branches [[[pattern 0 [#0 #1] p]]] }] }",
          { "[[a b]]" }, "db.error/insufficient-binding" },
        /* a rule inside its own not */
        { REL("?a")
          "sources 1 inputs [[source 0]] where [[pattern 0 [?a] p] [rule 0 [?a] r]] rules ["
          "{ name odd source 0 head [0] required [0] vars ['?x'] branches [[[pattern 0 [#0] p] [not [[rule 0 [#0] r]] [0] n]]] }] }",
          { "[[a b]]" }, "lion/syntax" },
        { REL("?a") "sources 1 inputs [[source 0]] where [[rule 0 [?a] r]] rules [{ name one source 0 head [0 1] required [0 0] vars ['?x' '?y'] branches [[[pattern 0 [#0 #1] p]]] }] }",
          { "[[a b]]" }, "lion/syntax" },
    };
    check(CASES_, CASES(CASES_));
}

static void a_long_chain_is_linear(void **state)
{
    (void)state;
    enum { N = 5000 };
    static const char *const FORMS[] = { RIGHT, LEFT, DOUBLE };
    static const char *const CALLS[] = { "[rule 0 [=0 ?b] r]", "[rule 0 [?b =4999] r]" };
    lion_form edges = lion_form_vector(&arena, N - 1);
    for (int64_t i = 0; i + 1 < N; i++) {
        edges.items[i] = lion_form_vector(&arena, 2);
        edges.items[i].items[0] = long_form(i);
        edges.items[i].items[1] = long_form(i + 1);
    }
    for (size_t f = 0; f < CASES(FORMS); f++)
        for (size_t c = 0; c < CASES(CALLS); c++) {
            const char *text = lion_arena_printf(&arena, FIND("scalar", "[aggregate count [?b]]") "sources 1 inputs [[source 0]] where [%s] "
                                                 "rules [{ name reach source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [" BASE "%s] }] }",
                                                 CALLS[c], FORMS[f]);
            lion_form form = query_form(&arena, text);
            lion_query *query = NULL;
            lion_query_run *run = NULL;
            lion_error error = { 0 };
            char *out = NULL;
            lion_query_input input = { .form = edges };
            lion_query_options options = { .limit = -1, .timeout_ms = 10000 };
            assert_int_equal(LION_OK, lion_query_new(&query, &form, &error));
            assert_int_equal(LION_OK, lion_query_open(&run, query, &input, 1, &options, &error));
            if (ask_all(&arena, run, NULL, false, &out, &error) != LION_OK) fail_msg("%s %s: %s", CALLS[c], FORMS[f], error.message);
            assert_string_equal("4999", out);
            lion_query_close(run);
            lion_query_drop(query);
        }
}

static void nested_queries(void **state)
{
    (void)state;
    static const asking CASES_[] = {
        { REL("?n")
          "sources 1 inputs [[source 0] [scalar ?city]] where [[query { vars ['?c' '?n'] sources 1 find { kind relation elements [[var 1]] } "
          "inputs [[source 0] [scalar 0]] where [[pattern 0 [#1 #0] p]] } [$0 ?city] [relation [[scalar ?n]]] q]] }",
          { "[[ann oslo] [bob rome]]", "rome" }, "bob" },
        { REL("?m ?x")
          "sources 1 inputs [[source 0]] where [[pattern 0 [?x] p] [query { vars ['?n'] sources 1 find { kind scalar elements [[aggregate max [#0]]] } "
          "inputs [[source 0]] where [[pattern 0 [#0] p]] } [$0] [scalar ?m] q]] }",
          { "[[1] [5]]" }, "5 1|5 5" },
    };
    check(CASES_, CASES(CASES_));
}

static void bounds_hold(void **state)
{
    (void)state;
    lion_form numbers = lion_form_vector(&arena, 3000);
    for (int64_t i = 0; i < 3000; i++) numbers.items[i] = long_form(i);
    lion_form form = query_form(&arena, FIND("scalar", "[aggregate count [?x]]") "sources 0 inputs [[collection [scalar ?x]] [collection [scalar ?y]] [collection [scalar ?z]]] "
                                "where [[function + [?x ?y] [scalar ?a] f] [function + [?a ?z] [scalar ?b] f] [predicate < [?b =0] p]] }");
    lion_query_input inputs[3] = { { .form = numbers }, { .form = numbers }, { .form = numbers } };
    static volatile int cancelled = 1;
    const struct { lion_query_options options; const char *code; } cases[] = {
        { { .limit = -1, .timeout_ms = 200 }, "lion/timeout" },
        { { .limit = -1, .rows_max = 100000 }, "lion/limit" },
        { { .limit = -1, .is_cancelled = &cancelled }, "lion/cancelled" },
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        lion_query *query = NULL;
        lion_query_run *run = NULL;
        lion_error error = { 0 };
        char *out = NULL;
        assert_int_equal(LION_OK, lion_query_new(&query, &form, &error));
        lion_status status = lion_query_open(&run, query, inputs, 3, &cases[i].options, &error);
        if (status == LION_OK) status = ask_all(&arena, run, NULL, false, &out, &error);
        assert_int_equal(LION_FAILED, status);
        assert_string_equal(cases[i].code, error.code);
        assert_int_equal(LION_INTERRUPTED, error.category);
        lion_query_close(run);
        lion_query_drop(query);
    }
}

static void malformed_forms_are_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = { "17", "{}", "{ find 1 sources 0 where [] vars [] }", "[1 2]",
                                         "{ find { kind relation elements [[var 3]] } sources 0 where [] }",
                                         "{ find { kind relation elements [?x] } sources 1 where [[pattern 2 [?x] p]] }",
                                         "{ find { kind relation elements [?x] } sources 1 where [[rule 0 [?x] p]] }" };
    for (size_t i = 0; i < CASES(TEXTS); i++) {
        lion_query *query = NULL;
        lion_error error = { 0 };
        query_reader r = { .at = TEXTS[i], .arena = &arena };
        lion_form form = *TEXTS[i] == '{' && i != 1 ? query_form(&arena, TEXTS[i]) : read_form(&r);
        assert_int_equal(LION_FAILED, lion_query_new(&query, &form, &error));
        assert_string_equal("lion/syntax", error.code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(inputs_bind, set_up, tear_down),
        cmocka_unit_test_setup_teardown(patterns_join, set_up, tear_down),
        cmocka_unit_test_setup_teardown(expressions_compute, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_host_answers_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_and_or, set_up, tear_down),
        cmocka_unit_test_setup_teardown(aggregates_group, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_reach_a_fixpoint, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rules_of_other_shapes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_chain_is_linear, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nested_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_forms_are_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
