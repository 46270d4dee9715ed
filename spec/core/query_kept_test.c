/* Plans that a query keeps: one query asked again and again, of other values, other databases and other schemas, in several threads,
 * with bounds. Whatever plan was kept, the answer is what a query that is new finds. Run under TSan too. */
#include <pthread.h>

#include "query_support.h"
#include "world.h"

#define PEOPLE 300

static test_world world;

/* Names from one of all to one of a hundred; a city for each third. */
static const char *people(int from)
{
    char tx[256];
    size_t size = 1;
    char *all = lion_arena_alloc(&world.arena, 100 * sizeof(tx) + 3);
    strcpy(all, "[");
    for (int k = from; k < from + 100; k++) {
        int name = k % 100 == 0 ? 100 : k % 10 == 0 ? 10 : 1;
        int length = snprintf(tx, sizeof(tx), "{:db/id \"p%d\" :person/key %d :person/name \"n%d\" :person/age %d :person/city \"c%d\" :person/friend [\"p%d\"]} ",
                              k, k, name, k * 31 % 97, k % 3, from + k * 7 % 100);
        memcpy(all + size, tx, (size_t)length + 1);
        size += (size_t)length;
    }
    return strcat(all, "]");
}

static int set_up(void **state)
{
    (void)state;
    world_open(&world);
    world_schema(&world, "person/key long identity", "person/name string", "person/age long", "person/city string", "person/nick string many",
                 "person/friend ref many", "person/status ref", NULL);
    transacted(&world, "[{:db/ident :status/on} {:db/ident :status/off}]");
    for (int from = 0; from < PEOPLE; from += 100) transacted(&world, people(from));
    transacted(&world, "[{:person/key 1 :person/status :status/on} {:person/key 2 :person/status :status/off}]");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    world_close(&world);
    return 0;
}

static lion_query *query_of(const char *text)
{
    lion_form form = query_form(&world.arena, text);
    lion_query *query = NULL;
    lion_error error = { 0 };
    if (lion_query_new(&query, &form, &error) != LION_OK) fail_msg("%s: %s", text, error.message);
    return query;
}

/* All rows, or the error's code. */
static const char *asked(lion_arena *arena, lion_query *query, lion_db *db, const char *const *given, size_t count, const lion_query_options *options)
{
    lion_query_input inputs[4];
    lion_query_run *run = NULL;
    lion_error error = { 0 };
    char *out = NULL;
    inputs[0] = lion_query_input_db(db);
    for (size_t i = 0; i < count; i++) inputs[1 + i] = lion_query_input_form(form_of(arena, given[i]));
    lion_status status = lion_query_open(&run, query, inputs, 1 + count, options, &error);
    if (status == LION_OK) status = ask_all(arena, run, NULL, false, &out, &error);
    lion_query_close(run);
    return status == LION_OK ? out : lion_arena_text(arena, lion_slice_text(error.code));
}

/* What a query finds that has no plan yet. */
static const char *found_anew(const char *text, lion_db *db, const char *const *given, size_t count)
{
    lion_query *query = query_of(text);
    const char *found = asked(&world.arena, query, db, given, count, NULL);
    lion_query_drop(query);
    return found;
}

#define Q(elements, inputs, clauses) "{ find { kind relation elements [" elements "] } sources 1 inputs [[source 0] " inputs "] where [" clauses "] }"
#define P(attribute, v) "[pattern 0 [?p =:person/" attribute " " v "] p]"

typedef struct asking {
    const char *query;
    size_t count;              /* of inputs */
    const char *given[4][2];   /* of so many runs */
} asking;

static const asking ASKINGS[] = {
    { Q("?p ?a", "[scalar ?n]", P("name", "?n") P("age", "?a")), 1, { { "n1" }, { "n100" }, { "nobody" }, { "n10" } } },
    { Q("?n ?c", "[scalar ?k]", P("key", "?k") P("name", "?n") P("city", "?c")), 1, { { "7" }, { "100" }, { "5555" }, { "7.0" } } },
    { Q("?a", "[scalar ?n]", P("name", "?n") P("age", "?a")), 1, { { "n1" }, { "n100" }, { "nil" }, { "7" } } },
    { Q("?v", "[scalar ?p]", P("age", "?v")), 1, { { "[:person/key 7]" }, { ":status/on" }, { "[:person/key 8]" }, { "12345" } } },
    { Q("?k", "[scalar ?s]", P("status", "?s") P("key", "?k")), 1, { { ":status/on" }, { ":status/off" }, { "nobody" }, { ":status/on" } } },
    { Q("?k", "[scalar ?n] [scalar ?c]", P("name", "?n") P("city", "?c") P("key", "?k")), 2,
      { { "n1", "c0" }, { "n100", "c1" }, { "n100", "c0" }, { "n10", "c2" } } },
    { Q("?k", "[scalar ?n] [scalar ?m]", P("name", "?n") P("age", "?a") P("key", "?k") "[predicate < [?a ?m] f]"), 2,
      { { "n10", "50" }, { "n10", "0" }, { "n1", "3" }, { "n100", "97" } } },
    { Q("?k ?x", "[scalar ?k]", P("key", "?k") P("age", "?a") "[function + [?a =1] [scalar ?x] f]"), 1, { { "1" }, { "2" }, { "3" }, { "4" } } },
    { Q("?k ?x", "[scalar ?k] [scalar ?y]", P("key", "?k") "[function + [?y =1] [scalar ?x] f]"), 2, { { "1", "2" }, { "2", "3" }, { "3", "nil" }, { "1", "2" } } },
    { Q("?k", "[scalar ?k] [scalar ?y]", P("key", "?k") "[predicate < [?y =3] f]"), 2, { { "1", "2" }, { "2", "3" }, { "3", "1" }, { "1", "7" } } },
    { Q("?k", "[scalar ?c]", P("city", "?c") P("key", "?k") "[not [[pattern 0 [?p =:person/name =n1] p]] [?p] n]"), 1, { { "c0" }, { "c1" }, { "c9" }, { "c2" } } },
    { Q("?k", "[scalar ?c]", P("key", "?k") "[or [[[pattern 0 [?p =:person/city ?c] p]] [[pattern 0 [?p =:person/name ?c] p]]] [?p ?c] [] o]"), 1,
      { { "c0" }, { "n100" }, { "c9" }, { "n10" } } },
    { Q("[aggregate count [?p]]", "[scalar ?c]", P("city", "?c")), 1, { { "c0" }, { "c9" }, { "c1" }, { "c0" } } },
    { Q("?m", "[collection [scalar ?k]]", P("key", "?k") P("friend", "?f") "[pattern 0 [?f =:person/name ?m] p]"), 1,
      { { "[1 2 3]" }, { "[5 5]" }, { "[]" }, { "[7]" } } },
    { Q("?k", "[tuple [[scalar ?c] [scalar ?n]]]", P("name", "?n") P("city", "?c") P("key", "?k")), 1, { { "[c0 n100]" }, { "[c1 n1]" }, { "[c2]" }, { "[c0 n100]" } } },
    { Q("?a ?v", "[scalar ?k]", P("key", "?k") "[pattern 0 [?p ?a ?v] p]"), 1, { { "1" }, { "2" }, { "77777" }, { "1" } } },
    { Q("?k", "[scalar ?x]", P("status", "=:status/on") P("key", "?k") "[predicate != [?k ?x] f]"), 1, { { "1" }, { "2" }, { "1" }, { "0" } } },
};

static void check(lion_db *db, lion_query *const *queries)
{
    for (size_t i = 0; i < CASES(ASKINGS); i++)
        for (size_t run = 0; run < 12; run++) {
            const char *const *given = ASKINGS[i].given[run % 4];
            const char *expected = found_anew(ASKINGS[i].query, db, given, ASKINGS[i].count);
            const char *found = asked(&world.arena, queries[i], db, given, ASKINGS[i].count, NULL);
            if (strcmp(expected, found) != 0) fail_msg("%s, of %s, run %zu: %s, not %s", ASKINGS[i].query, given[0], run, found, expected);
        }
}

static void any_value_of_any_database_finds_what_is_there(void **state)
{
    (void)state;
    lion_query *queries[CASES(ASKINGS)];
    lion_db *past = NULL, *history = NULL, *before = lion_db_keep(world.db);
    for (size_t i = 0; i < CASES(ASKINGS); i++) queries[i] = query_of(ASKINGS[i].query);
    check(world.db, queries);
    transacted(&world, people(300));
    check(world.db, queries);
    check(before, queries);
    assert_int_equal(lion_db_as_of(&past, world.db, before->basis_t - 1, &world.error), LION_OK);
    assert_int_equal(lion_db_history(&history, world.db, &world.error), LION_OK);
    check(past, queries);
    check(history, queries);
    check(world.db, queries);
    lion_db_drop(history);
    lion_db_drop(past);
    lion_db_drop(before);
    for (size_t i = 0; i < CASES(ASKINGS); i++) lion_query_drop(queries[i]);
}

static void what_the_schema_says_is_asked_of_the_schema_that_is_there(void **state)
{
    (void)state;
    lion_query *queries[CASES(ASKINGS)];
    lion_db *before = lion_db_keep(world.db);
    for (size_t i = 0; i < CASES(ASKINGS); i++) queries[i] = query_of(ASKINGS[i].query);
    check(world.db, queries);
    transacted(&world, "[{:db/ident :person/age :db/cardinality :db.cardinality/many} {:db/ident :person/city :db/index false}]");
    transacted(&world, "[{:person/key 1 :person/age [1 2 3 2000]} {:person/key 7 :person/age [4 5]}]");
    check(world.db, queries);
    check(before, queries);
    transacted(&world, "[{:db/ident :person/alias} [:db/add :person/name :db/ident :person/called]]");
    transacted(&world, "[{:person/key 1 :person/called \"n100\"}]");
    check(world.db, queries);
    check(before, queries);
    lion_db_drop(before);
    for (size_t i = 0; i < CASES(ASKINGS); i++) lion_query_drop(queries[i]);
}

static void bounds_hold_for_each_run(void **state)
{
    (void)state;
    static const char *const given[] = { "n1" };
    lion_query *query = query_of(ASKINGS[0].query);
    volatile int is_cancelled = 1;
    lion_query_options cancelled = { .limit = -1, .is_cancelled = &is_cancelled }, few = { .limit = -1, .rows_max = 3 };
    lion_query_options tight = { .limit = -1, .memory_max = 2000 }, two = { .limit = 2, .offset = 1 };
    const char *all = found_anew(ASKINGS[0].query, world.db, given, 1);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(asked(&world.arena, query, world.db, given, 1, NULL), all);
        assert_string_equal(asked(&world.arena, query, world.db, given, 1, &cancelled), "lion/cancelled");
        assert_string_equal(asked(&world.arena, query, world.db, given, 1, &few), "lion/limit");
        assert_string_equal(asked(&world.arena, query, world.db, given, 1, &tight), "lion/limit");
        const char *some = asked(&world.arena, query, world.db, given, 1, &two);
        assert_non_null(strchr(some, '|'));
        assert_null(strchr(strchr(some, '|') + 1, '|'));
    }
    lion_query_drop(query);
}

static void a_kept_plan_is_told_as_any_other(void **state)
{
    (void)state;
    lion_query *query = query_of(ASKINGS[1].query);
    const char *first = NULL;
    for (int i = 0; i < 3; i++) {
        lion_query_input inputs[] = { lion_query_input_db(world.db), lion_query_input_form(long_form(7)) };
        lion_query_run *run = NULL;
        lion_query_batch batch;
        char *text = NULL;
        assert_int_equal(lion_query_open(&run, query, inputs, 2, NULL, &world.error), LION_OK);
        while (lion_query_next(run, &batch, &world.error) == LION_OK) continue;
        assert_int_equal(lion_query_explain(NULL, &text, run, &world.arena, &world.error), LION_OK);
        if (first == NULL) first = text;
        assert_string_equal(text, first);
        lion_query_close(run);
    }
    lion_query_drop(query);
}

/* ---- threads ---- */

typedef struct asker {
    pthread_t thread;
    lion_query *query;
    lion_db *db;
    const char *given[4], *expected[4];
    int wrong;
} asker;

static void *ask_often(void *argument)
{
    asker *self = argument;
    for (int i = 0; i < 400; i++) {
        lion_query_input inputs[] = { lion_query_input_db(self->db), lion_query_input_form(lion_form_string(self->given[i % 4])) };
        lion_query_run *run = NULL;
        lion_query_batch batch;
        lion_error error = { 0 };
        uint64_t rows = 0;
        if (lion_query_open(&run, self->query, inputs, 2, NULL, &error) != LION_OK) self->wrong++;
        while (run != NULL && lion_query_next(run, &batch, &error) == LION_OK) rows += batch.count;
        lion_query_close(run);
        uint64_t expected = *self->expected[i % 4] == 0 ? 0 : 1;
        for (const char *at = self->expected[i % 4]; *at != 0; at++) expected += *at == '|';
        self->wrong += rows != expected;
    }
    return NULL;
}

static void threads_share_what_is_kept(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    static const char *const names[] = { "n1", "n100", "nobody", "n10" };
    asker askers[THREADS] = { 0 };
    lion_query *query = query_of(ASKINGS[0].query);
    lion_db *before = lion_db_keep(world.db);
    transacted(&world, people(300));
    for (int i = 0; i < THREADS; i++) {
        askers[i].query = lion_query_keep(query);
        askers[i].db = i % 2 == 0 ? world.db : before;
        for (int k = 0; k < 4; k++) {
            askers[i].given[k] = names[(i + k) % 4];
            askers[i].expected[k] = found_anew(ASKINGS[0].query, askers[i].db, &names[(i + k) % 4], 1);
        }
    }
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&askers[i].thread, NULL, ask_often, &askers[i]), 0);
    lion_query_drop(query);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        lion_query_drop(askers[i].query);
        assert_int_equal(askers[i].wrong, 0);
    }
    lion_db_drop(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_value_of_any_database_finds_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_schema_says_is_asked_of_the_schema_that_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold_for_each_run, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kept_plan_is_told_as_any_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_share_what_is_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
