/* connection_test.c - open databases: what was acknowledged is there, in memory, on files, after an index job,
 * after reopening, from many threads. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection/connection.h"
#include "edn.h"

static const char schema[] =
    "[{:db/ident :v/k :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}"
    " {:db/ident :v/x :db/valueType :db.type/string :db/cardinality :db.cardinality/one}"
    " {:db/ident :v/set :db/valueType :db.type/long :db/cardinality :db.cardinality/many}]";

#define FOLDER "/tmp/lion-connection-XXXXXX"

/* A folder of its own, and a database's path in it. */
static void make_folder(char *folder, char path[64])
{
    assert_non_null(mkdtemp(folder));
    snprintf(path, 64, "%s/a.lion", folder);
}

/* Of the database that is closed, and of nothing else. */
static void remove_folder(const char *folder, const char *path)
{
    char log[80];
    assert_int_equal(lion_connection_delete(path, NULL), LION_OK);
    snprintf(log, sizeof log, "%s-log", path);
    unlink(log);
    assert_int_equal(rmdir(folder), 0);
}

static lion_connection *open_database(const char *uri)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    lion_connection_options options = { .segment_size = 512, .node_entries = 4 };
    if (lion_connection_open(&connection, uri, &options, &error) != LION_OK) fail_msg("%s", error.message);
    return connection;
}

static void close_database(lion_connection *connection)
{
    lion_error error = { 0 };
    if (lion_connection_close(connection, &error) != LION_OK) fail_msg("%s", error.message);
}

/* Transact EDN; the report's t. */
static int64_t transact_with(lion_connection *connection, const char *text, const lion_tx_options *options)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    lion_form form = edn(&arena, text);
    lion_transacting *transacting = NULL;
    if (lion_transacting_open(&transacting, connection, &form, options, &error) != LION_OK)
        fail_msg("%s", error.message);
    if (lion_transacting_step(transacting, &error) != LION_OK) fail_msg("%s", error.message);
    int64_t t = lion_transacting_report(transacting)->transaction.t;
    assert_int_equal(lion_transacting_report(transacting)->db_after->basis_t >= t, 1);
    lion_transacting_close(transacting);
    lion_arena_deinit(&arena);
    return t;
}

static int64_t transact(lion_connection *connection, const char *text)
{
    return transact_with(connection, text, NULL);
}

static uint64_t count_of(lion_connection *connection, const char *attribute)
{
    lion_db *db = NULL;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    assert_int_equal(lion_connection_db(&db, connection, NULL), LION_OK);
    const lion_attribute *found = lion_schema_attribute_named(db->schema, lion_slice_text(attribute));
    assert_non_null(found);
    lion_key key = { .datom = { .a = found->id }, .parts = 1 };
    uint64_t count = 0, scanned = 0;
    assert_int_equal(lion_view_count(&count, &db->view, LION_AEVT, &key, &arena, NULL), LION_OK);
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    assert_int_equal(lion_cursor_open(&cursor, &db->view, LION_AEVT, &key, &options, &arena, NULL), LION_OK);
    while (lion_cursor_next(cursor, &batch, NULL) == LION_OK) scanned += batch.count;
    assert_int_equal(count, scanned);
    lion_db_drop(db);
    lion_arena_deinit(&arena);
    return count;
}

static uint32_t count_transactions(lion_connection *connection, int64_t from)
{
    lion_tx_range *range = NULL;
    lion_transaction transaction;
    uint32_t count = 0;
    int64_t last = 0;
    assert_int_equal(lion_tx_range_open(&range, connection, from, 0, NULL), LION_OK);
    while (lion_tx_range_next(range, &transaction, NULL) == LION_OK) {
        assert_true(transaction.t > last);
        last = transaction.t;
        count++;
    }
    lion_tx_range_close(range);
    return count;
}

static void fill(lion_connection *connection, int from, int to)
{
    for (int i = from; i <= to; i++) {
        char text[160];
        snprintf(text, sizeof text, "[{:v/k %d :v/x \"value %d\" :v/set [%d %d]}]", i % 50, i, i % 7, i % 11);
        transact(connection, text);
    }
}

static void index_now(lion_connection *connection)
{
    int64_t t = 0;
    lion_error error = { 0 };
    if (lion_connection_index(&t, connection, &error) != LION_OK) fail_msg("%s", error.message);
}

static void in_memory(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    int64_t t = transact(connection, schema);
    fill(connection, 1, 80);
    assert_int_equal(count_of(connection, "v/x"), 50);
    uint64_t sets = count_of(connection, "v/set");
    for (int round = 0; round < 2; round++) {
        index_now(connection);
        assert_int_equal(count_of(connection, "v/x"), 50);
        assert_int_equal(count_of(connection, "v/set"), sets);
        assert_int_equal(count_transactions(connection, t + 1), 80);
    }
    fill(connection, 81, 120);
    assert_int_equal(count_transactions(connection, t + 1), 120);
    close_database(connection);
}

static void on_a_file(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = open_database(path);
    int64_t t = transact(connection, schema);
    fill(connection, 1, 60);
    uint64_t sets = count_of(connection, "v/set");
    for (int round = 0; round < 3; round++) {
        close_database(connection);
        connection = open_database(path);
        assert_int_equal(count_of(connection, "v/x"), 50);
        assert_int_equal(count_of(connection, "v/set"), sets);
        assert_int_equal(count_transactions(connection, t + 1), 60);
        if (round == 1) index_now(connection);
    }
    fill(connection, 1, 10);
    assert_int_equal(count_transactions(connection, t + 1), 70);
    close_database(connection);
    remove_folder(folder, path);
}

static void an_id_makes_a_retry_safe(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    lion_tx_options options = { .has_id = true, .id = { 1, 2, 3 } };
    int64_t t = transact_with(connection, "[{:v/k 1}]", &options);
    assert_int_equal(transact_with(connection, "[{:v/k 1}]", &options), t);
    index_now(connection);
    assert_int_equal(transact_with(connection, "[{:v/k 1}]", &options), t);
    close_database(connection);
}

static void named_memory_is_shared(void **state)
{
    (void)state;
    lion_connection *one = open_database("mem:shared"), *other = open_database("mem:shared");
    transact(one, schema);
    transact(one, "[{:v/k 1}]");
    assert_int_equal(count_of(other, "v/k"), 1);
    close_database(one);
    assert_int_equal(count_of(other, "v/k"), 1);
    close_database(other);
}

#define THREADS 6
#define EACH 50

static void *write_some(void *argument)
{
    lion_connection *connection = argument;
    static int next;
    for (int i = 0; i < EACH; i++) {
        char text[96];
        snprintf(text, sizeof text, "[{:v/k %d :v/x \"x\"}]", __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED));
        transact(connection, text);
    }
    return NULL;
}

static void from_many_threads(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_some, connection), 0);
    index_now(connection);
    count_of(connection, "v/k");
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(count_of(connection, "v/k"), THREADS * EACH);
    index_now(connection);
    assert_int_equal(count_of(connection, "v/k"), THREADS * EACH);
    close_database(connection);
}

static void *open_and_close(void *argument)
{
    for (int i = 0; i < 12; i++) {
        lion_connection *connection = open_database(argument);
        if (count_of(connection, "db/ident") == 0) fail_msg("nothing there");
        close_database(connection);
    }
    return NULL;
}

/* One file is opened and closed by several threads, and another one too: each opening finds it whole. */
static void opened_and_closed_at_once(void **state)
{
    (void)state;
    char folder[] = FOLDER, paths[2][64], log[200];
    assert_non_null(mkdtemp(folder));
    pthread_t threads[4];
    for (int i = 0; i < 2; i++) snprintf(paths[i], sizeof paths[i], "%s/%d.lion", folder, i);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, paths[i % 2]), 0);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lion_connection_delete(paths[i], NULL), LION_OK);
        snprintf(log, sizeof log, "%s-log", paths[i]);
        unlink(log);
    }
    rmdir(folder);
}

/* Some of the transactions of a group have values, some have none, some are not waited for, one changes the schema,
 * one fails. */
static void *write_mixed(void *argument)
{
    lion_connection *connection = argument;
    static int next = 1000;
    int64_t t = 0;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int i = 0; i < EACH; i++) {
        int k = __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED);
        char text[160];
        lion_tx_options options = { .without_values = k % 3 != 0, .without_waiting = k % 5 == 0 };
        if (k % 40 == 7)
            snprintf(text, sizeof text, "[{:db/ident :v/more%d :db/valueType :db.type/long :db/cardinality :db.cardinality/one}"
                                        " {:v/k %d}]", k, k);
        else
            snprintf(text, sizeof text, "[{:v/k %d :v/x \"x%d\"}]", k, k);
        lion_form form = edn(&arena, text);
        lion_transacting *transacting = NULL;
        lion_error error = { 0 };
        if (lion_transact(&transacting, connection, &form, &options, &error) != LION_OK) fail_msg("%s", error.message);
        const lion_report *report = lion_transacting_report(transacting);
        assert_int_equal(report->db_after == NULL, options.without_values || options.without_waiting);
        t = report->transaction.t;
        if (report->db_after != NULL) {
            assert_int_equal(report->db_after->basis_t, report->transaction.t);
            assert_true(report->db_before->basis_t < report->transaction.t);
        }
        lion_transacting_close(transacting);
        form = edn(&arena, "[{:v/k 1 :v/x 5}]"); /* a long is no string */
        assert_int_equal(lion_transact(NULL, connection, &form, NULL, &error), LION_FAILED);
        assert_string_equal(error.code, "db.error/wrong-type-for-attribute");
    }
    lion_db *db = NULL;
    assert_int_equal(lion_connection_sync(&db, connection, t, 0, NULL), LION_OK);
    assert_true(db->basis_t >= t);
    lion_db_drop(db);
    lion_arena_deinit(&arena);
    return NULL;
}

static void groups_of_all_kinds(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    uint64_t before = count_of(connection, "v/k");
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_mixed, connection), 0);
    for (int i = 0; i < 5; i++) {
        index_now(connection);
        count_of(connection, "v/k");
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(count_of(connection, "v/k"), before + THREADS * EACH);
    assert_int_equal(count_transactions(connection, 1) > THREADS * EACH, 1);
    close_database(connection);
}

static int64_t apply_only(lion_connection *connection, int k)
{
    char text[96];
    snprintf(text, sizeof text, "[{:v/k %d :v/x \"x%d\"}]", k, k);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form = edn(&arena, text);
    lion_tx_options options = { .without_waiting = true, .without_committing = true };
    lion_transacting *done = NULL;
    assert_int_equal(lion_transact(&done, connection, &form, &options, NULL), LION_OK);
    int64_t t = lion_transacting_report(done)->transaction.t;
    lion_transacting_close(done);
    lion_arena_deinit(&arena);
    return t;
}

/* What is applied is seen by nobody before it is committed, all of it at once; closing commits what is left. */
static void committed_together(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = open_database(path);
    transact(connection, schema);
    lion_connection_stats before, after;
    assert_int_equal(lion_connection_stats_read(&before, connection, NULL), LION_OK);
    int64_t last = 0;
    for (int i = 0; i < 100; i++) last = apply_only(connection, i);
    lion_db *db = NULL;
    lion_error error = { 0 };
    assert_int_equal(lion_connection_sync(&db, connection, last, 1, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/timeout");
    assert_int_equal(count_of(connection, "v/k"), 0);
    assert_int_equal(lion_connection_commit(connection, NULL), LION_OK);
    assert_int_equal(lion_connection_sync(&db, connection, last, 1, NULL), LION_OK);
    lion_db_drop(db);
    assert_int_equal(count_of(connection, "v/k"), 100);
    assert_int_equal(lion_connection_stats_read(&after, connection, NULL), LION_OK);
    assert_int_equal(after.syncs, before.syncs + 1);
    assert_int_equal(lion_connection_commit(connection, NULL), LION_OK); /* there is nothing to do */
    (void)apply_only(connection, 100);
    close_database(connection);
    connection = open_database(path);
    assert_int_equal(count_of(connection, "v/k"), 101);
    close_database(connection);
    connection = open_database("mem:");
    transact(connection, schema);
    (void)apply_only(connection, 1);
    assert_int_equal(lion_connection_commit(connection, NULL), LION_OK);
    assert_int_equal(count_of(connection, "v/k"), 1);
    close_database(connection);
}

/* One thread, many under way: applied in order, and there when the connection is closed without a sync. */
static void not_waited_for(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = open_database(path);
    transact(connection, schema);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    int64_t last = 0;
    for (int i = 0; i < 500; i++) {
        char text[96];
        snprintf(text, sizeof text, "[{:v/k %d :v/x \"x%d\"}]", i / 2, i);
        lion_form form = edn(&arena, text);
        lion_tx_options options = { .without_waiting = true };
        lion_transacting *done = NULL;
        assert_int_equal(lion_transact(&done, connection, &form, &options, NULL), LION_OK);
        assert_true(lion_transacting_report(done)->transaction.t > last);
        last = lion_transacting_report(done)->transaction.t;
        lion_transacting_close(done);
    }
    lion_arena_deinit(&arena);
    close_database(connection);
    connection = open_database(path);
    lion_db *db = NULL;
    assert_int_equal(lion_connection_sync(&db, connection, last, 1, NULL), LION_OK);
    lion_db_drop(db);
    assert_int_equal(count_of(connection, "v/k"), 250);
    assert_int_equal(count_of(connection, "v/x"), 250);
    close_database(connection);
    remove_folder(folder, path);
}

#define HELD 40

/* Each value is held over all jobs that come after it, and all stand on few roots. */
static void values_outlive_their_roots(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    lion_connection_options options = { .durability = LION_DURABILITY_NONE, .node_entries = 4, .roots_max = 3 };
    if (lion_connection_open(&connection, path, &options, &error) != LION_OK) fail_msg("%s", error.message);
    transact(connection, schema);
    static lion_db *held[HELD];
    for (int i = 0; i < HELD; i++) {
        char text[96];
        snprintf(text, sizeof text, "[{:v/k %d :v/x \"x%d\"} {:v/k 0 :v/x \"%d\"}]", i + 1, i, i);
        transact(connection, text);
        if (lion_connection_db(&held[i], connection, &error) != LION_OK) fail_msg("%s", error.message);
        index_now(connection);
        for (int h = 0; h <= i; h++)
            if (lion_connection_rebase(&held[h], connection, &error) != LION_OK) fail_msg("%s", error.message);
    }
    lion_arena arena;
    lion_arena_init(&arena, 0);
    uint32_t k = lion_schema_attribute_named(held[0]->schema, lion_slice_text("v/k"))->id;
    lion_key key = { .datom = { .a = k }, .parts = 1 };
    const lion_root *roots[HELD];
    int root_count = 0;
    for (int i = 0; i < HELD; i++) {
        int place = 0;
        while (place < root_count && roots[place] != held[i]->view.root) place++;
        if (place == root_count) roots[root_count++] = held[i]->view.root;
    }
    assert_true(root_count <= 4); /* the last value was made before its job */
    for (int i = 0; i < HELD; i++) {
        uint64_t count = 0;
        assert_int_equal(lion_view_count(&count, &held[i]->view, LION_AEVT, &key, &arena, NULL), LION_OK);
        assert_int_equal(count, i + 2);
        lion_db_drop(held[i]);
    }
    lion_arena_deinit(&arena);
    close_database(connection);
    remove_folder(folder, path);
}

static int is_enough; /* atomic */

/* Whose keys grow, for as long as is_enough is not set. */
static void *write_until_enough(void *argument)
{
    lion_connection *connection = argument;
    static int next;
    while (!__atomic_load_n(&is_enough, __ATOMIC_RELAXED)) {
        char text[96];
        snprintf(text, sizeof text, "[{:v/k %d :v/x \"x\"}]", __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED));
        transact(connection, text);
    }
    return &next;
}

/* A job may end between the applying of a transaction and its publication, which then shows the root before. */
static void index_jobs_while_others_commit(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = open_database(path);
    transact(connection, schema);
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_enough, connection), 0);
    for (int i = 0; i < 60; i++) index_now(connection);
    __atomic_store_n(&is_enough, 1, __ATOMIC_RELAXED);
    void *written = NULL;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], &written);
    close_database(connection);
    connection = open_database(path);
    assert_int_equal(count_of(connection, "v/k"), *(int *)written);
    close_database(connection);
    remove_folder(folder, path);
}

/* ---- many readers of one value ---- */

typedef struct reading {
    lion_db *db; /* shared by all threads, as it was before the others wrote */
    lion_connection *connection;
    uint64_t sum; /* of what it shows of v/x and v/k */
} reading;

/* Of the bytes of all values and their entities, in both orders of v/k. */
static uint64_t sum_of(const lion_db *db)
{
    static const struct {
        const char *attribute;
        lion_index index;
    } walks[] = { { "v/x", LION_AEVT }, { "v/k", LION_AEVT }, { "v/k", LION_AVET }, { "v/set", LION_AEVT } };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    uint64_t sum = 0;
    for (size_t i = 0; i < CASES(walks); i++) {
        const lion_attribute *found = lion_schema_attribute_named(db->schema, lion_slice_text(walks[i].attribute));
        lion_key key = { .datom = { .a = found->id }, .parts = 1 };
        lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
        lion_cursor *cursor = NULL;
        lion_datom_batch batch;
        assert_int_equal(lion_cursor_open(&cursor, &db->view, walks[i].index, &key, &options, &arena, NULL), LION_OK);
        while (lion_cursor_next(cursor, &batch, NULL) == LION_OK)
            for (uint32_t row = 0; row < batch.count; row++)
                sum = sum * 31 + (uint64_t)batch.e[row] + lion_value_hash(lion_vector_get(&batch.v, row));
    }
    lion_arena_deinit(&arena);
    return sum;
}

static void *read_again(void *argument)
{
    const reading *given = argument;
    for (int i = 0; i < 40; i++) {
        lion_db *newest = NULL, *before = NULL;
        assert_int_equal(sum_of(given->db), given->sum);
        assert_int_equal(lion_connection_db(&newest, given->connection, NULL), LION_OK);
        assert_int_equal(lion_db_as_of(&before, newest, given->db->basis_t, NULL), LION_OK);
        assert_int_equal(sum_of(before), given->sum);
        sum_of(newest);
        lion_db_drop(before);
        lion_db_drop(newest);
    }
    return NULL;
}

/* What they need to have made of novelty and of the past is made and shared while others write and index. */
static void many_readers_of_one_value(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    fill(connection, 1, 60);
    index_now(connection);
    fill(connection, 61, 130);
    reading given = { .connection = connection };
    assert_int_equal(lion_connection_db(&given.db, connection, NULL), LION_OK);
    given.sum = sum_of(given.db);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, read_again, &given), 0);
    for (int i = 0; i < 6; i++) {
        fill(connection, 131 + 10 * i, 140 + 10 * i);
        index_now(connection);
    }
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    assert_int_equal(sum_of(given.db), given.sum);
    lion_db_drop(given.db);
    close_database(connection);
}

/* ---- time ---- */

static lion_status transact_within(lion_connection *connection, const char *text, int64_t timeout_ms, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form = edn(&arena, text);
    lion_tx_options options = { .timeout_ms = timeout_ms };
    lion_status status = lion_transact(NULL, connection, &form, &options, error);
    lion_arena_deinit(&arena);
    return status;
}

static void *write_in_vain(void *argument)
{
    lion_error error = { 0 };
    assert_int_equal(transact_within(argument, "[{:v/k 2}]", 20, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/timeout");
    assert_int_equal(error.category, LION_INTERRUPTED);
    return NULL;
}

/* Who does not get its turn in time goes away, and the others do not notice. */
static void a_turn_that_does_not_come(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form = edn(&arena, "[{:v/k 1}]");
    lion_transacting *writer = NULL;
    assert_int_equal(lion_transacting_open(&writer, connection, &form, NULL, NULL), LION_OK);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_in_vain, connection), 0);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    assert_int_equal(lion_transacting_step(writer, NULL), LION_OK);
    lion_transacting_close(writer);
    lion_arena_deinit(&arena);
    assert_int_equal(transact_within(connection, "[{:v/k 3}]", 60000, NULL), LION_OK);
    assert_int_equal(count_of(connection, "v/k"), 2);
    close_database(connection);
}

/* A writer that takes too long itself is given up before it is applied. */
static void a_writer_that_is_late(void **state)
{
    (void)state;
    lion_connection *connection = open_database("mem:");
    transact(connection, schema);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form form = edn(&arena, "[{:v/k 1}]");
    lion_tx_options options = { .timeout_ms = 1 };
    lion_transacting *writer = NULL;
    lion_error error = { 0 };
    assert_int_equal(lion_transacting_open(&writer, connection, &form, &options, &error), LION_OK);
    usleep(3000);
    assert_int_equal(lion_transacting_step(writer, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/timeout");
    lion_transacting_close(writer);
    lion_arena_deinit(&arena);
    assert_int_equal(count_of(connection, "v/k"), 0);
    close_database(connection);
}

#define AT_ONCE 50
static int in_time, late;

static void *write_hastily(void *argument)
{
    static int next;
    for (int i = 0; i < 200; i++) {
        char text[2000] = "[";
        size_t size = 1;
        lion_error error = { 0 };
        for (int k = 0; k < AT_ONCE; k++)
            size += (size_t)snprintf(text + size, sizeof text - size, "{:v/k %d :v/x \"x\"}",
                                     __atomic_add_fetch(&next, 1, __ATOMIC_RELAXED));
        text[size] = ']';
        lion_status status = transact_within(argument, text, 1 + i % 2, &error);
        if (status != LION_OK) assert_string_equal(error.code, "lion/timeout");
        __atomic_add_fetch(status == LION_OK ? &in_time : &late, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* What is said to be written is, and nothing else, however close the end of the time and the turn are. */
static void turns_and_their_ends(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    lion_connection *connection = open_database(path);
    transact(connection, schema);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, write_hastily, connection), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(in_time + late, THREADS * 200);
    assert_int_equal(count_of(connection, "v/k"), in_time * AT_ONCE);
    close_database(connection);
    remove_folder(folder, path);
}

/* Each backup has what was acknowledged before it, transaction by transaction, and nothing of one that is half done. */
static void back_up_at_work(const char *uri, const char *folder)
{
    char copy[80], log[90];
    lion_error error = { 0 };
    lion_connection *connection = open_database(uri);
    int64_t t = transact(connection, schema);
    pthread_t threads[2];
    __atomic_store_n(&is_enough, 0, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_until_enough, connection), 0);
    for (int i = 0; i < 4; i++) {
        uint64_t known = count_of(connection, "v/k");
        snprintf(copy, sizeof copy, "%s/copy%d", folder, i);
        snprintf(log, sizeof log, "%s-log", copy);
        if (lion_connection_backup(connection, copy, &error) != LION_OK) fail_msg("%s", error.message);
        lion_connection *backup = open_database(copy);
        uint64_t count = count_of(backup, "v/k");
        assert_true(count >= known);
        assert_int_equal(count_transactions(backup, t + 1), count);
        close_database(backup);
        assert_int_equal(lion_connection_delete(copy, NULL), LION_OK);
        unlink(log);
    }
    __atomic_store_n(&is_enough, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    close_database(connection);
}

static void backed_up_while_others_commit(void **state)
{
    (void)state;
    char folder[] = FOLDER, path[64];
    make_folder(folder, path);
    back_up_at_work(path, folder);
    back_up_at_work("mem:", folder);
    remove_folder(folder, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_memory),           cmocka_unit_test(on_a_file),
        cmocka_unit_test(an_id_makes_a_retry_safe), cmocka_unit_test(named_memory_is_shared),
        cmocka_unit_test(from_many_threads),   cmocka_unit_test(index_jobs_while_others_commit),
        cmocka_unit_test(groups_of_all_kinds), cmocka_unit_test(committed_together), cmocka_unit_test(not_waited_for),
        cmocka_unit_test(many_readers_of_one_value),
        cmocka_unit_test(values_outlive_their_roots),
        cmocka_unit_test(opened_and_closed_at_once), cmocka_unit_test(a_turn_that_does_not_come),
        cmocka_unit_test(a_writer_that_is_late), cmocka_unit_test(turns_and_their_ends),
        cmocka_unit_test(backed_up_while_others_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
