/* Plans that a query keeps, and its runs that rest: one query asked again and again, of other values, other databases and other
 * schemas, in several threads, with bounds, read to the end or not. Whatever was kept, the answer is what a query that is new finds. Run
 * under TSan too. */
#include <pthread.h>
#include <unistd.h>

#include "base/fault.h"
#include "connection/connection.h"
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
    { Q("?k ?x", "[scalar ?n]", P("name", "?n") P("age", "?a") P("key", "?k") "[function / [=100 ?a] [scalar ?x] f]"), 1,
      { { "n1" }, { "n100" }, { "nobody" }, { "n10" } } }, /* fails at the age of 0 */
    { Q("?k ?n", "[scalar ?k]", P("key", "?k") "[function get-else [$0 ?p =:person/nick =none] [scalar ?n] f]"), 1, { { "1" }, { "7" }, { "300" }, { "1" } } },
    { Q("?n", "[scalar ?x]", P("city", "=c1") P("name", "?n") P("key", "?k") "[predicate < [?k ?x] f]"), 1, { { "10" }, { "200" }, { "0" }, { "10" } } },
    { Q("?m", "[scalar ?k]", P("key", "?k") "[or [[" P("friend", "?f") "] [[pattern 0 [?f =:person/friend ?p] p]]] [?p] [?f] o] [pattern 0 [?f =:person/name ?m] p]"), 1,
      { { "1" }, { "100" }, { "5555" }, { "8" } } },
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
    lion_db *past = NULL, *earlier = NULL, *recent = NULL, *history = NULL, *before = lion_db_keep(world.db);
    for (size_t i = 0; i < CASES(ASKINGS); i++) queries[i] = query_of(ASKINGS[i].query);
    check(world.db, queries);
    transacted(&world, people(300));
    check(world.db, queries);
    check(before, queries);
    assert_int_equal(lion_db_as_of(&past, world.db, before->basis_t - 1, &world.error), LION_OK);
    assert_int_equal(lion_db_history(&history, world.db, &world.error), LION_OK);
    assert_int_equal(lion_db_as_of(&earlier, world.db, before->basis_t - 3, &world.error), LION_OK);
    assert_int_equal(lion_db_since(&recent, world.db, before->basis_t, &world.error), LION_OK);
    check(past, queries);
    check(earlier, queries);
    check(recent, queries);
    check(history, queries);
    check(world.db, queries);
    check(past, queries);
    lion_db_drop(history);
    lion_db_drop(recent);
    lion_db_drop(earlier);
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

/* ---- runs that rest ---- */

/* A connection's database, most of which is indexed, and values of it: of today, of before, on trees of before, of what might be. */
typedef struct indexed {
    lion_connection *connection;
    lion_db *dbs[6];
} indexed;

static void transact_text(lion_connection *connection, const char *text)
{
    lion_form form = edn(&world.arena, text);
    lion_error error = { 0 };
    if (lion_transact(NULL, connection, &form, NULL, &error) != LION_OK) fail_msg("%s", error.message);
}

static lion_db *value_of(lion_connection *connection)
{
    lion_db *db = NULL;
    assert_int_equal(lion_connection_db(&db, connection, NULL), LION_OK);
    return db;
}

static void index_all(lion_connection *connection)
{
    int64_t t = 0;
    assert_int_equal(lion_connection_index(&t, connection, NULL), LION_OK);
}

static lion_db *value_with(lion_db *db, const char *text)
{
    lion_form ops = edn(&world.arena, text);
    lion_db *made = NULL;
    lion_tx *tx = NULL;
    lion_tx_options options = { .now_ms = INT64_C(1770000000000) };
    assert_int_equal(lion_tx_open(&tx, db, &ops, &options, &world.arena, &world.error), LION_OK);
    assert_int_equal(lion_tx_step(tx, &world.error), LION_OK);
    assert_int_equal(lion_db_with(&made, db, lion_tx_result_view(tx), &world.error), LION_OK);
    lion_tx_close(tx);
    return made;
}

static void open_indexed(indexed *self)
{
    lion_connection_options options = { .segment_size = 2048 };
    memset(&world, 0, sizeof(world));
    lion_arena_init(&world.arena, 0);
    assert_int_equal(lion_connection_open(&self->connection, "mem:", &options, NULL), LION_OK);
    transact_text(self->connection,
                  "[{:db/ident :person/key :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}"
                  " {:db/ident :person/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one}"
                  " {:db/ident :person/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one}"
                  " {:db/ident :person/city :db/valueType :db.type/string :db/cardinality :db.cardinality/one}"
                  " {:db/ident :person/nick :db/valueType :db.type/string :db/cardinality :db.cardinality/many}"
                  " {:db/ident :person/friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}"
                  " {:db/ident :person/status :db/valueType :db.type/ref :db/cardinality :db.cardinality/one}"
                  " {:db/ident :status/on} {:db/ident :status/off}]");
    for (int from = 0; from < PEOPLE; from += 100) transact_text(self->connection, people(from));
    transact_text(self->connection, "[{:person/key 1 :person/status :status/on} {:person/key 2 :person/status :status/off}]");
    self->dbs[0] = value_of(self->connection);
    index_all(self->connection);
    self->dbs[1] = value_of(self->connection);
    transact_text(self->connection, "[{:person/key 7 :person/name \"n100\" :person/age 0} [:db/retractEntity [:person/key 100]]]");
    self->dbs[2] = value_of(self->connection);
    self->dbs[3] = value_with(self->dbs[2], "[{:person/key 300 :person/name \"n1\" :person/city \"c0\"} [:db/retractEntity [:person/key 7]]]");
    assert_int_equal(lion_db_as_of(&self->dbs[4], self->dbs[2], self->dbs[1]->basis_t, NULL), LION_OK);
    index_all(self->connection);
    self->dbs[5] = value_of(self->connection);
}

static void close_indexed(indexed *self)
{
    for (size_t i = 0; i < CASES(self->dbs); i++) lion_db_drop(self->dbs[i]);
    assert_int_equal(lion_connection_close(self->connection, NULL), LION_OK);
    lion_arena_deinit(&world.arena);
}

/* One opening of one of the queries. */
typedef struct opened {
    size_t query, given, db;
    lion_query_run *run;
} opened;

static lion_status open_one(opened *one, lion_query *const *queries, const indexed *all, const lion_query_options *options)
{
    lion_query_input inputs[3];
    const asking *asked_of = &ASKINGS[one->query];
    inputs[0] = lion_query_input_db(all->dbs[one->db]);
    for (size_t i = 0; i < asked_of->count; i++) inputs[1 + i] = lion_query_input_form(form_of(&world.arena, asked_of->given[one->given][i]));
    one->run = NULL;
    return lion_query_open(&one->run, queries[one->query], inputs, 1 + asked_of->count, options, &world.error);
}

static opened any_opening(size_t query)
{
    return (opened){ .query = query, .given = random_below(4), .db = random_below(6) };
}

/* Read to the end, it finds what a new query finds. */
static void read_whole(opened *one, lion_status status, const indexed *all)
{
    static const char *expected[CASES(ASKINGS)][4][6]; /* by query, given and database */
    const char **known = &expected[one->query][one->given][one->db];
    char *out = NULL;
    if (*known == NULL) *known = found_anew(ASKINGS[one->query].query, all->dbs[one->db], ASKINGS[one->query].given[one->given], ASKINGS[one->query].count);
    if (status == LION_OK) status = ask_all(&world.arena, one->run, NULL, false, &out, &world.error);
    const char *found = status == LION_OK ? out : world.error.code;
    if (strcmp(found, *known) != 0) fail_msg("%s, of %s, value %zu: %s, not %s", ASKINGS[one->query].query, ASKINGS[one->query].given[one->given][0], one->db, found, *known);
    lion_query_close(one->run);
}

/* Cancelled between two batches, or before the first. */
static void cancel_midway(opened *one, lion_query *const *queries, const indexed *all)
{
    volatile int is_cancelled = 0;
    lion_query_options options = { .limit = -1, .is_cancelled = &is_cancelled };
    lion_query_batch batch;
    lion_status status = open_one(one, queries, all, &options);
    if (status == LION_OK && random_below(2) == 0) status = lion_query_next(one->run, &batch, &world.error);
    is_cancelled = 1;
    if (status == LION_OK) {
        assert_int_equal(lion_query_next(one->run, &batch, &world.error), LION_FAILED);
        assert_string_equal(world.error.code, "lion/cancelled");
    }
    lion_query_close(one->run);
}

/* Left after so many batches. */
static void leave_midway(opened *one, lion_query *const *queries, const indexed *all, size_t batches)
{
    lion_query_options few = { .limit = -1, .rows_max = 2 };
    lion_query_batch batch;
    lion_status status = open_one(one, queries, all, random_below(2) == 0 ? &few : NULL);
    while (status == LION_OK && batches-- > 0) status = lion_query_next(one->run, &batch, &world.error);
    lion_query_close(one->run);
}

/* Two runs of one query side by side. */
static void read_two(size_t query, lion_query *const *queries, const indexed *all)
{
    opened one = any_opening(query), other = any_opening(query);
    lion_status first = open_one(&one, queries, all, NULL), second;
    lion_error error = world.error;
    second = open_one(&other, queries, all, NULL);
    read_whole(&other, second, all);
    world.error = error;
    read_whole(&one, first, all);
}

static void whatever_became_of_a_run_the_next_one_finds_what_is_there(void **state)
{
    (void)state;
    enum { STEPS = 4000 };
    lion_query *queries[CASES(ASKINGS)];
    uint32_t references[6];
    indexed all = { 0 };
    open_indexed(&all);
    for (size_t i = 0; i < CASES(ASKINGS); i++) queries[i] = query_of(ASKINGS[i].query);
    for (size_t i = 0; i < CASES(references); i++) references[i] = all.dbs[i]->references;
    for (int step = 0; step < STEPS; step++) {
        opened one = any_opening(random_below(CASES(ASKINGS)));
        switch (random_below(6)) {
        case 0: cancel_midway(&one, queries, &all); break;
        case 1: leave_midway(&one, queries, &all, random_below(3)); break;
        case 2: read_two(one.query, queries, &all); break;
        default: {
            lion_status status = open_one(&one, queries, &all, NULL);
            read_whole(&one, status, &all);
        }
        }
    }
    for (size_t i = 0; i < CASES(references); i++) assert_int_equal(all.dbs[i]->references, references[i]); /* what rests holds none */
    for (size_t i = 0; i < CASES(ASKINGS); i++) lion_query_drop(queries[i]);
    close_indexed(&all);
}

/* Of a database that is indexed, or has novelty: what is held of that is let go. */
static void begin_again_without_memory(const asking *asked, lion_db *db)
{
    lion_query *query = query_of(asked->query);
    for (int run = 0; run < 20; run++) {
        lion_query_input inputs[] = { lion_query_input_db(db), lion_query_input_form(form_of(&world.arena, asked->given[1][0])) };
        lion_query_run *next = NULL;
        lion_query_batch batch;
        if (run >= 17) lion_fault_arm("memory.alloc", 1, "fail");
        assert_int_equal(lion_query_open(&next, query, inputs, 2, NULL, &world.error), LION_OK);
        while (lion_query_next(next, &batch, &world.error) == LION_OK) continue;
        lion_query_close(next);
        lion_fault_disarm();
    }
    lion_query_drop(query);
}

static void a_run_that_rests_needs_no_memory_to_begin_again(void **state)
{
    (void)state;
    indexed all = { 0 };
    open_indexed(&all);
    for (size_t i = 0; i < 3; i++) { /* the first are stars and look-ups */
        begin_again_without_memory(&ASKINGS[i], all.dbs[5]);
        begin_again_without_memory(&ASKINGS[i], all.dbs[2]);
    }
    close_indexed(&all);
}

/* Asked with a timeout, and after that has passed without one. */
static void a_run_that_rests_forgets_its_deadline(void **state)
{
    (void)state;
    indexed all = { 0 };
    open_indexed(&all);
    lion_query_options timed = { .limit = -1, .timeout_ms = 50 };
    lion_query *query = query_of(ASKINGS[0].query);
    const char *expected = found_anew(ASKINGS[0].query, all.dbs[5], ASKINGS[0].given[1], 1);
    for (int i = 0; i < 3; i++) (void)asked(&world.arena, query, all.dbs[5], ASKINGS[0].given[1], 1, &timed);
    usleep(60 * 1000);
    assert_string_equal(asked(&world.arena, query, all.dbs[5], ASKINGS[0].given[1], 1, NULL), expected);
    lion_query_drop(query);
    close_indexed(&all);
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
        cmocka_unit_test(whatever_became_of_a_run_the_next_one_finds_what_is_there),
        cmocka_unit_test(a_run_that_rests_needs_no_memory_to_begin_again),
        cmocka_unit_test(a_run_that_rests_forgets_its_deadline),
        cmocka_unit_test_setup_teardown(threads_share_what_is_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
