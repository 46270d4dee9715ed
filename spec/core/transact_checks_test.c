/* Transactions: composite and other tuples, predicates and entity specs, functions, with. */
#include "world.h"

/* -- Tuples ----------------------------------------------------------------------------------- */

static void seats(test_world *w)
{
    world_open(w);
    world_schema(w, "flight/number string identity", "seat/flight ref", "seat/number string", NULL);
    world_schema(w, "seat/pair tuple identity :db/tupleAttrs [:seat/flight :seat/number]", NULL);
    transacted(w, "[{:db/id \"f\" :flight/number \"AD1\"} {:db/id \"g\" :flight/number \"AD2\"}"
                  " {:db/id \"a\" :seat/flight \"f\" :seat/number \"12A\"}"
                  " {:db/id \"c\" :seat/flight \"f\" :seat/number \"12C\"}]");
}

static const char *expect(test_world *w, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return lion_arena_printf(&w->arena, "%s", text);
}

static void a_composite_follows_its_members(void **state)
{
    (void)state;
    test_world w;
    seats(&w);
    long long f = world_id(&w, "f"), c = world_id(&w, "c"), a = world_id(&w, "a");
    transacted(&w, "[[:db/add %lld :seat/number \"14C\"]]", c);
    assert_string_equal(w.facts,
                        expect(&w,
                               "seat/number \"12C\" -; seat/number \"14C\" +; seat/pair [%lld "
                               "\"12C\"] -; seat/pair [%lld \"14C\"] +",
                               f, f));
    transacted(&w, "[{:db/id %lld :seat/number \"14C\" :seat/pair [%lld \"zz\"]}]", c, f);
    assert_string_equal(w.facts, ""); /* what is said of a composite is dropped */
    assert_int_equal(world_entid(&w, expect(&w, "[:seat/pair [%lld \"12A\"]]", f)), a);
    transacted(&w, "[{:db/id \"x\" :seat/pair [%lld \"12A\"] :seat/number \"12A\"}]", f);
    assert_int_equal(world_id(&w, "x"), a); /* but finds the entity */
    assert_string_equal(w.facts, "");
    assert_int_equal(world_entid(&w, "[:seat/pair [[:flight/number \"AD1\"] \"12A\"]]"), -1);
    refused(&w, "db.error/unique-conflict", "[{:seat/flight %lld :seat/number \"12A\"}]", f);
    transacted(&w, "[[:db/retract %lld :seat/number \"14C\"]]", c);
    assert_string_equal(w.facts,
                        expect(&w,
                               "seat/number \"14C\" -; seat/pair [%lld \"14C\"] -; seat/pair [%lld "
                               "nil] +",
                               f, f));
    refused(&w, "db.error/unique-conflict", "[{:seat/flight %lld}]", f);
    transacted(&w, "[[:db/retractEntity %lld]]", a);
    assert_int_equal(w.last.datom_count, 4);
    assert_int_equal(world_entid(&w, expect(&w, "[:seat/pair [%lld \"12A\"]]", f)), -1);
    transacted(&w, "[[:db/retract %lld :seat/flight]]", c); /* no member left: no tuple */
    assert_string_equal(w.facts, expect(&w, "seat/flight %lld -; seat/pair [%lld nil] -", f, f));
    world_close(&w);
}

static void a_later_composite_comes_with_the_next_word_on_a_member(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/a long", "v/b long", NULL);
    transacted(&w, "[{:db/id \"e\" :v/a 1 :v/b 2}]");
    long long e = world_id(&w, "e");
    world_schema(&w, "v/ab tuple :db/tupleAttrs [:v/a :v/b]",
                 "v/ba tuple :db/tupleAttrs [:v/b :v/a]", NULL);
    transacted(&w, "[[:db/add %lld :v/a 1]]", e);
    assert_string_equal(w.facts, "v/ab [1 2] +; v/ba [2 1] +");
    world_close(&w);
}

static void tuples_hold_what_they_say(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/xy tuple :db/tupleTypes [:db.type/long :db.type/string]",
                 "v/run tuple :db/tupleType :db.type/long many",
                 "v/refs tuple :db/tupleTypes [:db.type/ref :db.type/ref]", "v/n long", NULL);
    transacted(&w,
               "[{:v/xy [1 \"a\"]} {:v/xy [nil \"z\"]} {:v/run [[3 2 1] [9 9]]} {:v/run [1 2]}]");
    assert_non_null(strstr(w.facts, "v/run [3 2 1] +; v/run [9 9] +; v/xy [1 \"a\"] +"));
    transacted(
        &w, "[{:db/id \"e\" :v/refs [\"a\" \"b\"]} {:db/id \"a\" :v/n 1} {:db/id \"b\" :v/n 2}]");
    assert_string_equal(world_values(&w, w.db, world_id(&w, "a"), "v/n"), "1");
    assert_non_null(strstr(w.facts, expect(&w, "v/refs [%lld %lld] +", (long long)world_id(&w, "a"),
                                           (long long)world_id(&w, "b"))));
    refused(&w, "db.error/invalid-tuple-value", "[{:v/xy [1 \"a\" 2]}]");
    refused(&w, "db.error/invalid-tuple-value", "[{:v/xy [1]}]");
    refused(&w, "db.error/invalid-tuple-value", "[{:v/xy [\"a\" 1]}]");
    refused(&w, "db.error/invalid-tuple-value", "[{:v/run [[1 2 3 4 5 6 7 8 9]]}]");
    refused(&w, "db.error/tempid-not-an-entity", "[{:v/refs [\"a\" \"b\"]} {:db/id \"a\" :v/n 1}]");
    world_close(&w);
}

/* -- Predicates and specs --------------------------------------------------------------------- */

static bool predicates(test_world *w, lion_call *call)
{
    const lion_value *v = &call->forms[0].value;
    bool answer = false;
    if (lion_slice_equal(call->name, lion_slice_text("my/even"))) {
        assert_int_equal(call->kind, LION_CALL_ATTRIBUTE);
        answer = v->bits % 2 == 0;
    } else if (lion_slice_equal(call->name, lion_slice_text("my/small"))) {
        answer = v->bits < 10;
    } else if (lion_slice_equal(call->name, lion_slice_text("my/ordered"))) {
        assert_int_equal(call->kind, LION_CALL_ENTITY);
        const lion_db *after = call->db;
        const char *low = world_values(w, after, v->bits, "score/low");
        const char *high = world_values(w, after, v->bits, "score/high");
        answer = atoi(low) <= atoi(high);
    } else {
        return false;
    }
    call->results[0] = lion_form_value(lion_value_boolean(answer));
    return true;
}

static void attribute_predicates_must_return_true(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    w.host = predicates;
    world_schema(&w, "v/n long", NULL);
    transacted(&w, "[{:v/n 1}]");
    transacted(&w, "[{:db/id :v/n :db.attr/preds [\"my/even\" my/small]}]");
    refused(&w, "db.error/attr-pred", "[{:v/n 3}]");
    message_has(&w, "v/n");
    message_has(&w, "3");
    message_has(&w, "my/even");
    refused(&w, "db.error/attr-pred", "[[:db/add \"e\" :v/n 12]]");
    message_has(&w, "my/small");
    w.calls = 0;
    transacted(&w, "[{:v/n 4} {:v/n 6}]");
    assert_int_equal(w.calls, 4);
    transacted(&w, "[[:db/retract :v/n :db.attr/preds my/even]]");
    transacted(&w, "[{:v/n 3}]");
    transacted(&w, "[{:db/id :v/n :db.attr/preds [my/unknown]}]");
    refused(&w, "test/no-function", "[{:v/n 3}]");
    world_close(&w);
}

static void entity_specs_see_the_database_after(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    w.host = predicates;
    world_schema(&w, "score/low long", "score/high long", "score/name string identity", NULL);
    transacted(&w, "[{:db/ident :score/required :db.entity/attrs [:score/low :score/high]}"
                   " {:db/ident :score/guard :db.entity/attrs [\":score/low\" \":score/high\"]"
                   "  :db.entity/preds [my/ordered]} {:db/ident :score/empty}]");
    transacted(&w, "[{:score/low 1 :score/high 2 :db/ensure :score/guard}]");
    assert_string_equal(w.facts, "score/high 2 +; score/low 1 +"); /* virtual */
    refused(&w, "db.error/entity-pred", "[{:score/low 3 :score/high 2 :db/ensure :score/guard}]");
    message_has(&w, "my/ordered");
    message_has(&w, "score/guard");
    refused(&w, "db.error/entity-attr", "[{:score/low 3 :db/ensure [:score/required]}]");
    message_has(&w, ":score/high");
    message_has(&w, "score/required");
    transacted(&w, "[{:score/name \"a\" :score/low 1}]");
    transacted(&w, "[{:score/name \"a\" :score/high 2 :db/ensure \":score/required\"}]");
    transacted(&w, "[{:score/low 5 :score/high 2}]"); /* never asked without ensure */
    refused(&w, "db.error/entity-pred",
            "[{:score/low 1 :score/high 2 :db/ensure :score/guard}"
            " {:score/low 2 :score/high 1 :db/ensure :score/guard}]");
    refused(&w, "db.error/not-an-entity", "[{:score/low 1 :db/ensure :score/nothing}]");
    refused(&w, "db.error/not-an-entity", "[{:score/low 1 :db/ensure :score/empty}]");
    transacted(&w, "[{:db/id \"e\" :score/low 1 :score/high 2}"
                   " [:db/add \"e\" :db/ensure :score/guard]]");
    world_close(&w);
}

/* -- Functions -------------------------------------------------------------------------------- */

static bool functions(test_world *w, lion_call *call)
{
    assert_int_equal(call->kind, LION_CALL_TRANSACTION);
    assert_ptr_equal(call->db, w->db);
    if (lion_slice_equal(call->name, lion_slice_text("my/down"))) {
        int64_t n = call->forms[1].value.bits;
        const char *text =
            n == 0 ? lion_arena_printf(call->arena, "[[:db/cas %lld :v/x 31 0]]",
                                       (long long)call->forms[0].value.bits)
                   : lion_arena_printf(call->arena, "[[my/down %lld %lld]]",
                                       (long long)call->forms[0].value.bits, (long long)n - 1);
        call->results[0] = edn(call->arena, text);
        return true;
    }
    if (lion_slice_equal(call->name, lion_slice_text("my/again"))) {
        call->results[0] = edn(call->arena, "[[my/again]]");
        return true;
    }
    if (lion_slice_equal(call->name, lion_slice_text("my/nothing"))) return true; /* nil */
    return false;
}

static void functions_answer_more_tx_data(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    w.host = functions;
    world_schema(&w, "v/x long", NULL);
    transacted(&w, "[{:db/id \"e\" :v/x 31}]");
    transacted(&w, "[[my/down %lld 10] [my/nothing 1 \"s\" {:a 1}]]", (long long)world_id(&w, "e"));
    assert_string_equal(w.facts, "v/x 0 +; v/x 31 -");
    refused(&w, "lion/limit", "[[my/again]]");
    refused(&w, "test/no-function", "[[\"my/nowhere\" 1]]");
    world_close(&w);
}

/* -- With ------------------------------------------------------------------------------------- */

static lion_db *with(test_world *w, lion_db *db, const char *text)
{
    lion_form ops = edn(&w->arena, text);
    lion_tx *tx = NULL;
    lion_status status = world_run(w, &tx, db, &ops);
    if (status != LION_OK) fail_msg("%s: %s", w->error.code, w->error.message);
    w->last = lion_tx_result_view(tx)->transaction;
    lion_db *after = NULL;
    assert_int_equal(lion_db_with(&after, db, lion_tx_result_view(tx), &w->error), LION_OK);
    lion_tx_close(tx);
    return after;
}

static void with_leaves_the_database_alone(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/x long", "v/key string identity", NULL);
    transacted(&w, "[{:db/id \"e\" :v/x 1 :v/key \"k\"}]");
    int64_t e = world_id(&w, "e");
    lion_db *a = with(&w, w.db, "[{:v/key \"k\" :v/x 2} {:v/key \"m\" :v/x 9}]");
    lion_db *b = with(&w, w.db, "[{:v/key \"k\" :v/x 3}]");
    lion_db *aa = with(&w, a, "[{:v/key \"m\" :v/x 10} [:db/add [:v/key \"m\"] :db/doc \"d\"]]");
    int64_t m = w.last.datoms[w.last.datom_count - 1].e;
    lion_db *ab = with(&w, a, "[{:v/key \"m\" :v/x 11}]"); /* a second branch from one value */
    lion_db *aaa = with(&w, aa, "[{:v/key \"m\" :v/x 12}]");
    assert_string_equal(world_values(&w, w.db, e, "v/x"), "1");
    assert_string_equal(world_values(&w, a, e, "v/x"), "2");
    assert_string_equal(world_values(&w, b, e, "v/x"), "3");
    assert_string_equal(world_values(&w, a, m, "v/x"), "9");
    assert_string_equal(world_values(&w, aa, m, "v/x"), "10");
    assert_string_equal(world_values(&w, ab, m, "v/x"), "11");
    assert_string_equal(world_values(&w, aaa, m, "v/x"), "12");
    assert_true(a->basis_t > w.db->basis_t && aa->basis_t > a->basis_t);
    assert_false(lion_db_equal(a, b));
    lion_db *history = NULL;
    assert_int_equal(lion_db_history(&history, aaa, &w.error), LION_OK);
    assert_string_equal(world_values(&w, history, m, "v/x"), "9 9 10 10 12");
    lion_db_drop(history);
    lion_db_drop(aaa);
    lion_db_drop(ab);
    lion_db_drop(aa);
    lion_db_drop(b);
    lion_db_drop(a);
    world_close(&w);
}

static void with_knows_new_schema(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    lion_db *a = with(&w, w.db,
                      "[{:db/ident :v/x :db/valueType :db.type/long :db/cardinality "
                      ":db.cardinality/one}]");
    lion_db *b = with(&w, a, "[{:db/id \"e\" :v/x 1}]");
    assert_string_equal(world_values(&w, b, world_id(&w, "e"), "v/x"), "1");
    assert_int_equal(world_entid(&w, ":v/x"), -1);
    lion_db_drop(b);
    lion_db_drop(a);
    world_close(&w);
}

static void the_past_is_not_transacted_upon(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    lion_db *past[3];
    assert_int_equal(lion_db_history(&past[0], w.db, &w.error), LION_OK);
    assert_int_equal(lion_db_as_of(&past[1], w.db, 1, &w.error), LION_OK);
    assert_int_equal(lion_db_since(&past[2], w.db, 1, &w.error), LION_OK);
    lion_form ops = edn(&w.arena, "[]");
    for (int i = 0; i < 3; i++) {
        lion_tx *tx = NULL;
        assert_int_equal(world_run(&w, &tx, past[i], &ops), LION_FAILED);
        assert_string_equal(w.error.code, "lion/unsupported");
        lion_db_drop(past[i]);
    }
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_composite_follows_its_members),
        cmocka_unit_test(a_later_composite_comes_with_the_next_word_on_a_member),
        cmocka_unit_test(tuples_hold_what_they_say),
        cmocka_unit_test(attribute_predicates_must_return_true),
        cmocka_unit_test(entity_specs_see_the_database_after),
        cmocka_unit_test(functions_answer_more_tx_data),
        cmocka_unit_test(with_leaves_the_database_alone),
        cmocka_unit_test(with_knows_new_schema),
        cmocka_unit_test(the_past_is_not_transacted_upon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
