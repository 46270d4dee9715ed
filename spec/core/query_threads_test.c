/* A part of a plan in several threads: rows as one thread makes them, in its order; errors in their turn; cancelling and closing while
 * threads are at work; memory of all of them in one bound. The seed makes every plan parallel that can be, in morsels of a few rows;
 * what is to be compared is asked with one thread and the same seed. Run under TSan too. */
#include <pthread.h>

#include "connection/connection.h"
#include "edn.h"
#include "query_support.h"

#define PEOPLE 400

/* Small segments, so that a few hundred facts are many leaves. */
static lion_connection *connection;
static lion_arena arena;
/* Where facts are: in novelty, in the trees, and in both. */
static lion_db *places[3];

static void transact(const char *text)
{
    lion_error error = { 0 };
    lion_form form = edn(&arena, text);
    lion_transacting *transacting = NULL;
    lion_status status = lion_transacting_open(&transacting, connection, &form, NULL, &error);
    if (status == LION_OK) status = lion_transacting_step(transacting, &error);
    if (status != LION_OK) fail_msg("%s", error.message);
    lion_transacting_close(transacting);
}

/* Small at first; then such that averages of them are no longer exact. */
static long long large_of(int number)
{
    return number < 300 ? number : (number % 2 == 0 ? -1 : 1) * ((1LL << 58) + number);
}

static void add_people(int from, int to)
{
    char tx[320];
    for (int i = from; i < to; i += 10) {
        size_t size = 1;
        char *all = lion_arena_alloc(&arena, 10 * sizeof(tx) + 3);
        strcpy(all, "[");
        for (int k = i; k < i + 10; k++) {
            int length = snprintf(tx, sizeof(tx), "{:db/id \"p%d\" :person/number %d :person/name \"n%d\" :person/age %d :person/score %d.5 :person/city \"c%d\" :person/large %lld :person/friend [\"p%d\" \"p%d\"]} ",
                                  k, k, k * 7919 % 1009, k * 31 % 97, k % 13, k % 7, large_of(k), i + k * 3 % 10, i + (k * 7 + 1) % 10);
            memcpy(all + size, tx, (size_t)length + 1);
            size += (size_t)length;
        }
        strcpy(all + size, "]");
        transact(all);
    }
}

static void add_schema(void)
{
    static const char *const ATTRIBUTES[] = { "number :db.type/long :db.cardinality/one :db/unique :db.unique/identity", "name :db.type/string :db.cardinality/one",
                                              "age :db.type/long :db.cardinality/one", "score :db.type/double :db.cardinality/one",
                                              "city :db.type/string :db.cardinality/one", "large :db.type/long :db.cardinality/one", "friend :db.type/ref :db.cardinality/many" };
    for (size_t i = 0; i < CASES(ATTRIBUTES); i++) {
        char name[32], type[32], rest[96], text[256];
        assert_int_equal(sscanf(ATTRIBUTES[i], "%31s %31s %95[^\n]", name, type, rest), 3);
        char *more = strchr(rest, ' ');
        snprintf(text, sizeof(text), "[{:db/ident :person/%s :db/valueType %s :db/cardinality %.*s%s}]", name, type,
                 (int)(more == NULL ? strlen(rest) : (size_t)(more - rest)), rest, more == NULL ? "" : more);
        transact(text);
    }
}

static void take_value(lion_db **out)
{
    lion_error error = { 0 };
    if (lion_connection_db(out, connection, &error) != LION_OK) fail_msg("%s", error.message);
}

static int set_up(void **state)
{
    lion_connection_options options = { .segment_size = 512, .node_entries = 4 };
    lion_error error = { 0 };
    int64_t t = 0;
    (void)state;
    lion_arena_init(&arena, 0);
    if (lion_connection_open(&connection, "mem:", &options, &error) != LION_OK) fail_msg("%s", error.message);
    add_schema();
    add_people(0, PEOPLE);
    take_value(&places[0]);
    assert_int_equal(lion_connection_index(&t, connection, &error), LION_OK);
    take_value(&places[1]);
    for (int i = 0; i < PEOPLE; i += 7) {
        char text[128];
        snprintf(text, sizeof(text), "[[:db/add [:person/number %d] :person/age %d] [:db/retract [:person/number %d] :person/city \"c%d\"]]", i, i % 50, i + 1, (i + 1) % 7);
        if (i + 1 < PEOPLE) transact(text);
    }
    add_people(PEOPLE, PEOPLE + 50);
    take_value(&places[2]);
    return 0;
}

static int tear_down(void **state)
{
    lion_error error = { 0 };
    (void)state;
    for (size_t i = 0; i < CASES(places); i++) lion_db_drop(places[i]);
    assert_int_equal(lion_connection_close(connection, &error), LION_OK);
    lion_arena_deinit(&arena);
    return 0;
}

static lion_query *query_of(const char *text)
{
    lion_form form = query_form(&arena, text);
    lion_query *query = NULL;
    lion_error error = { 0 };
    if (lion_query_new(&query, &form, &error) != LION_OK) fail_msg("%s: %s", text, error.message);
    return query;
}

/* What is asked. */
static lion_db *asked_db;

static lion_query_run *opened(lion_query *query, const lion_query_options *options)
{
    lion_query_run *run = NULL;
    lion_error error = { 0 };
    lion_query_input input = lion_query_input_db(asked_db);
    if (lion_query_open(&run, query, &input, 1, options, &error) != LION_OK) fail_msg("%s", error.message);
    return run;
}

static lion_query_options options_of(uint32_t seed, uint32_t threads)
{
    return (lion_query_options){ .limit = -1, .plan_seed = seed, .threads = threads, .statistics = true };
}

/* The whole result, in the order in which it comes or sorted, or the error's code. */
static const char *asked_in(lion_query *query, const lion_query_options *options, bool is_ordered)
{
    lion_query_run *run = opened(query, options);
    lion_error error = { 0 };
    char *out = NULL;
    lion_status status = ask_all(&arena, run, NULL, is_ordered, &out, &error);
    lion_query_close(run);
    return status == LION_OK ? out : lion_arena_text(&arena, lion_slice_text(error.code));
}

static const char *asked(lion_query *query, const lion_query_options *options)
{
    return asked_in(query, options, true);
}

static const char *explained(lion_query *query, const lion_query_options *options)
{
    lion_query_run *run = opened(query, options);
    lion_error error = { 0 };
    lion_query_batch batch;
    char *text = NULL;
    while (lion_query_next(run, &batch, &error) == LION_OK) continue;
    assert_int_equal(lion_query_explain(NULL, &text, run, &arena, &error), LION_OK);
    lion_query_close(run);
    return text;
}

#define Q(elements, clauses) "{ find { kind relation elements [" elements "] } sources 1 inputs [[source 0]] where [" clauses "] }"
#define AGE "[pattern 0 [?p =:person/age ?a] p]"
#define NAME "[pattern 0 [?p =:person/name ?n] p]"
#define FRIEND "[pattern 0 [?p =:person/friend ?f] p] [pattern 0 [?f =:person/age ?b] p]"

#define CITY "[pattern 0 [?p =:person/city ?c] p]"
#define SCORE "[pattern 0 [?p =:person/score ?s] p]"
#define LARGE "[pattern 0 [?p =:person/large ?l] p]"
#define G(elements, with, clauses) "{ find { kind relation elements [" elements "] } with [" with "] sources 1 inputs [[source 0]] where [" clauses "] }"

static const char *const QUERIES[] = {
    Q("?p ?n ?a", AGE NAME),
    Q("?n ?b", AGE NAME FRIEND "[predicate < [?a ?b] f]"),
    Q("?a ?m", AGE "[pattern 0 [?q =:person/age ?a] p] [pattern 0 [?q =:person/name ?m] p] [predicate < [?a =5] f]"),
    Q("?n ?x", NAME AGE "[function + [?a =1] [scalar ?x] f]"),
    Q("?n", NAME AGE "[not [[pattern 0 [?p =:person/friend ?f] p] [pattern 0 [?f =:person/age ?c] p] [predicate < [?a ?c] f]] [?p ?a] n]"),
    Q("?p ?n", "[pattern 0 [?p =:person/city ='c3'] p]" NAME),
    Q("?p ?n ?a", AGE NAME "[predicate > [?a =20] f] [predicate < [?a =60] f]"),
    Q("?c [aggregate sum [?s]] [aggregate count [?p]]", CITY SCORE FRIEND),
    /* groups that threads begin */
    G("?c [aggregate count [?p]]", "", CITY),
    G("?c [aggregate count [?p]] [aggregate sum [?a]] [aggregate avg [?a]]", "?p", CITY AGE),
    G("[aggregate min [?a]] ?n [aggregate max [?a]]", "?p", NAME AGE),
    G("[aggregate min [?a]] [aggregate max [?a]] [aggregate sum [?a]] [aggregate count [?p]]", "?p", AGE NAME),
    G("?c ?s [aggregate stddev [?a]] [aggregate variance [?a]]", "?p", CITY SCORE AGE),
    G("?c ?b [aggregate count [?f]] [aggregate sum [?a]]", "?p ?f", CITY AGE FRIEND),
    G("?c [aggregate min [?p]] [aggregate max [?b]]", "?p ?f", CITY FRIEND),
    /* … and those that it matters in which order they are made */
    G("?c [aggregate avg [?l]]", "?p", CITY LARGE),
    G("?c [aggregate sum [?l]] [aggregate max [?l]]", "?p", CITY LARGE AGE),
    G("?c [aggregate sum [?l]] [aggregate variance [?l]]", "?p", CITY LARGE "[predicate > [?l =0] f]"),
    G("?c [aggregate avg [?s]] [aggregate min [?s]] [aggregate sum [?a]]", "?p", CITY SCORE AGE),
    G("?a [aggregate max [?n]] [aggregate count [?n]]", "?p", NAME AGE),
    G("?c [aggregate median [?a]] [aggregate sum [?a]]", "?p", CITY AGE),
    /* sets */
    Q("?c", CITY NAME),
    Q("?c ?s", CITY SCORE FRIEND),
    Q("?c [aggregate count-distinct [?a]]", CITY AGE),
};

/* has_sets: what is read may come twice, so that whole rows are a set before they are grouped. */
static void same_rows_in_the_same_order(bool has_sets)
{
    bool was_parallel = false, was_split = false, was_grouped = false, was_set = false;
    for (size_t i = 0; i < CASES(QUERIES); i++) {
        lion_query *query = query_of(QUERIES[i]);
        for (uint32_t seed = 1; seed < 5; seed++) {
            lion_query_options one = options_of(seed, 1);
            /* What is read by a range of values has no order where novelty has some of it. */
            bool is_ordered = asked_db == places[0] || asked_db == places[1] || strstr(QUERIES[i], "predicate") == NULL;
            const char *expected = asked_in(query, &one, is_ordered), *sorted = asked_in(query, &one, false);
            for (uint32_t threads = 2; threads <= 4; threads++) {
                lion_query_options many = options_of(seed, threads);
                assert_string_equal(asked_in(query, &many, is_ordered), expected);
                if (threads > 2) continue;
                many.table_rows_max = 1 + seed; /* on file beyond so many groups */
                many.temp_max = UINT64_C(1) << 30;
                assert_string_equal(asked_in(query, &many, false), sorted);
            }
            lion_query_options two = options_of(seed, 2);
            const char *plan = explained(query, &two);
            was_parallel = was_parallel || strstr(plan, "parallel 2 threads") != NULL;
            was_split = was_split || strstr(plan, "parallel 2 threads, the scan in") != NULL;
            was_grouped = was_grouped || strstr(plan, "partial-groups") != NULL;
            was_set = was_set || strstr(plan, "partial-distinct") != NULL;
        }
        lion_query_drop(query);
    }
    assert_true(was_parallel && was_set && (was_grouped || has_sets));
    assert_true(was_split == (asked_db != places[0])); /* novelty is not split */
}

static void threads_make_the_same_rows_in_the_same_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(places); i++) {
        asked_db = places[i];
        same_rows_in_the_same_order(false);
    }
}

/* Of times and histories, which the parts of a scan read from several places. */
static void threads_read_the_past_as_one_does(void **state)
{
    (void)state;
    lion_db *past = NULL, *history = NULL;
    lion_error error = { 0 };
    assert_int_equal(lion_db_as_of(&past, places[2], places[2]->basis_t - 20, &error), LION_OK);
    assert_int_equal(lion_db_history(&history, places[2], &error), LION_OK);
    asked_db = past;
    same_rows_in_the_same_order(false);
    asked_db = history;
    same_rows_in_the_same_order(true);
    lion_db_drop(past);
    lion_db_drop(history);
}

/* Some rows, then what the host does, then all that is left. */
static lion_status ended(lion_query *query, const lion_query_options *options, uint32_t batches, volatile int *cancelled, lion_error *error)
{
    lion_query_run *run = opened(query, options);
    lion_query_batch batch;
    lion_status status = LION_OK;
    while (batches-- > 0 && status == LION_OK) status = lion_query_next(run, &batch, error);
    assert_int_equal(status, LION_OK);
    if (cancelled != NULL) __atomic_store_n(cancelled, 1, __ATOMIC_RELAXED);
    while (cancelled != NULL && status == LION_OK) status = lion_query_next(run, &batch, error);
    lion_query_close(run);
    return status;
}

static void threads_end_with_their_run(void **state)
{
    (void)state;
    lion_query *query = query_of(QUERIES[1]);
    for (uint32_t i = 0; i < 40; i++) {
        asked_db = places[i % CASES(places)];
        volatile int cancelled = 0;
        lion_error error = { 0 };
        lion_query_options options = options_of(1 + i, 2 + i % 3);
        options.is_cancelled = &cancelled;
        assert_int_equal(ended(query, &options, i % 4, NULL, &error), LION_OK); /* closed in the middle */
        assert_int_equal(ended(query, &options, i % 4, &cancelled, &error), LION_FAILED);
        assert_string_equal(error.code, "lion/cancelled");
    }
    lion_query_drop(query);
}

static void an_error_in_a_thread_is_the_run_s(void **state)
{
    (void)state;
    lion_query *overflow = query_of(Q("?x", AGE NAME "[function * [?a =9223372036854775] [scalar ?y] f] [function * [?y =1000] [scalar ?x] f]"));
    lion_query *rows = query_of(QUERIES[1]);
    for (uint32_t seed = 1; seed < 8; seed++) {
        lion_query_options options = options_of(seed, 1 + seed % 4);
        asked_db = places[seed % CASES(places)];
        assert_string_equal(asked(overflow, &options), "lion/overflow");
        options.rows_max = 350;
        assert_string_equal(asked(rows, &options), "lion/limit");
        options.rows_max = 0;
        const char *all = asked(rows, &options);
        options.memory_max = 1 << 15;
        assert_string_equal(asked(rows, &options), "lion/limit");
        options.memory_max = 1 << 17; /* enough for a run that begins again in one thread, if no row is out by then */
        const char *told = asked(rows, &options);
        if (strcmp(told, "lion/limit") != 0) assert_string_equal(told, all);
    }
    lion_query_drop(overflow);
    lion_query_drop(rows);
}

/* A plan that is made again at a checkpoint has its groups begun by threads as the first one would. */
static void plans_made_again_have_threads_begin_their_groups(void **state)
{
    (void)state;
    lion_query *query = query_of(G("?c [aggregate count [?h]] [aggregate sum [?b]] [aggregate max [?b]]", "?g ?p ?f ?h",
                                   "[pattern 0 [?g =:person/city ?c] p] [pattern 0 [?g =:person/friend ?p] p] [pattern 0 [?p =:person/friend ?f] p]"
                                   "[pattern 0 [?f =:person/friend ?h] p] [pattern 0 [?h =:person/age ?b] p]"));
    lion_query_options plain = { .limit = -1, .threads = 1, .statistics = true, .plan_without = LION_PLAN_COUNT };
    lion_query_options again = { .limit = -1, .threads = 3, .statistics = true, .plan_with = LION_PLAN_PARALLEL | LION_PLAN_CHECKPOINT,
                                 .plan_without = LION_PLAN_COUNT };
    for (size_t i = 0; i < CASES(places); i++) {
        asked_db = places[i];
        assert_string_equal(asked_in(query, &again, false), asked_in(query, &plain, false));
        const char *plan = explained(query, &again);
        assert_non_null(strstr(plan, "planned-again"));
        assert_non_null(strstr(plan, "partial-groups"));
    }
    lion_query_drop(query);
}

/* Rows of each operator are those of all threads. */
static void statistics_add_up(void **state)
{
    (void)state;
    lion_query *query = query_of(QUERIES[0]);
    lion_query_options options = options_of(3, 4);
    asked_db = places[1];
    const char *text = explained(query, &options), *at = strstr(text, "star");
    assert_non_null(strstr(text, "parallel 4 threads"));
    assert_non_null(at);
    assert_non_null(strstr(at, "400 actual"));
    at = strstr(at, "scan");
    assert_non_null(at);
    assert_non_null(strstr(at, "400 actual"));
    lion_query_drop(query);
}

/* ---- runs beside each other, whose arrays of references are the root's ---- */

#define TO(a, b) "[pattern 0 [" a " =:person/friend " b "] p]"

/* Forward and backward, joined and counted. */
static const char *const GRAPHS[] = {
    Q("?a ?b ?c", TO("?a", "?b") TO("?b", "?c") TO("?a", "?c")),
    Q("?a ?b", TO("?a", "?b") TO("?b", "?c") TO("?c", "?a")),
    "{ find { kind scalar elements [[aggregate count [?a]]] } with [?b ?c ?d] sources 1 inputs [[source 0]] where [" TO("?a", "?b") TO("?b", "?d") TO("?a", "?c") TO("?c", "?d") "] }",
};

typedef struct asking {
    lion_query *queries[CASES(GRAPHS)];
    uint32_t with, without;    /* of plans */
    size_t rows[CASES(GRAPHS)];
    uint64_t sums[CASES(GRAPHS)]; /* the same for the same rows in any order */
    lion_status status;
} asking;

static uint64_t sum_of(const lion_query_batch *batch)
{
    uint64_t sum = 0;
    for (uint32_t row = 0; row < batch->count; row++) {
        uint64_t hash = 1;
        for (uint32_t i = 0; i < batch->width; i++) hash = (hash ^ (uint64_t)lion_vector_get(&batch->columns[i], row).bits) * UINT64_C(0x9e3779b97f4a7c15);
        sum += hash;
    }
    return sum;
}

static void *ask_graphs(void *argument)
{
    asking *self = argument;
    lion_error error = { 0 };
    lion_query_options options = { .limit = -1, .plan_with = self->with, .plan_without = self->without };
    lion_query_input input = lion_query_input_db(asked_db);
    for (size_t i = 0; i < CASES(GRAPHS) && self->status == LION_OK; i++) {
        lion_query_run *run = NULL;
        lion_query_batch batch;
        self->status = lion_query_open(&run, self->queries[i], &input, 1, &options, &error);
        while (self->status == LION_OK && (self->status = lion_query_next(run, &batch, &error)) == LION_OK) {
            self->rows[i] += batch.count;
            self->sums[i] += sum_of(&batch);
        }
        lion_query_close(run);
        if (self->status == LION_END) self->status = LION_OK;
    }
    return NULL;
}

static void arrays_are_made_by_runs_beside_each_other(void **state)
{
    enum { RUNS = 6, PLAIN = RUNS };
    asking runs[RUNS + 1] = { 0 };
    pthread_t threads[RUNS];
    const uint32_t at_once = LION_PLAN_MULTIWAY_JOIN | LION_PLAN_COUNT;
    (void)state;
    asked_db = places[1];
    for (int i = 0; i <= RUNS; i++) {
        if (i == PLAIN) runs[i].without = at_once;
        else runs[i].with = at_once;
        for (size_t k = 0; k < CASES(GRAPHS); k++) runs[i].queries[k] = i == 0 ? query_of(GRAPHS[k]) : runs[0].queries[k];
    }
    for (int i = 0; i < RUNS; i++) assert_int_equal(pthread_create(&threads[i], NULL, ask_graphs, &runs[i]), 0);
    for (int i = 0; i < RUNS; i++) pthread_join(threads[i], NULL);
    ask_graphs(&runs[PLAIN]);
    for (int i = 0; i <= RUNS; i++) {
        assert_int_equal(runs[i].status, LION_OK);
        assert_memory_equal(runs[i].rows, runs[PLAIN].rows, sizeof(runs[i].rows));
        assert_memory_equal(runs[i].sums, runs[PLAIN].sums, sizeof(runs[i].sums));
    }
    assert_in_range(runs[PLAIN].rows[0], 1, SIZE_MAX);
    for (size_t k = 0; k < CASES(GRAPHS); k++) lion_query_drop(runs[0].queries[k]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_made_by_runs_beside_each_other),
        cmocka_unit_test(threads_make_the_same_rows_in_the_same_order),
        cmocka_unit_test(threads_read_the_past_as_one_does),
        cmocka_unit_test(threads_end_with_their_run),
        cmocka_unit_test(an_error_in_a_thread_is_the_run_s),
        cmocka_unit_test(plans_made_again_have_threads_begin_their_groups),
        cmocka_unit_test(statistics_add_up),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
