/* crash_support.h - what the crash tests write, and how they look whether it is all there.
 *
 * Writer w commits the numbers 1, 2, 3 … in order, each as one transaction: an entity :c/id =
 * w·FACTOR + n with four facts that follow from n, and the writer's own entity, whose :c/last
 * becomes n. So every transaction can be told whole or torn, and a lost one leaves a gap. */
#ifndef LION_SPEC_CRASH_SUPPORT_H
#define LION_SPEC_CRASH_SUPPORT_H

#include <dirent.h>
#include <unistd.h>

#include "connection/connection.h"
#include "edn.h"

#define WRITERS 4
#define FACTOR INT64_C(1000000)
#define PARTS 3

static const char crash_schema[] =
    "[{:db/ident :c/id :db/valueType :db.type/long :db/cardinality :db.cardinality/one"
    "  :db/unique :db.unique/identity}"
    " {:db/ident :c/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}"
    " {:db/ident :c/part :db/valueType :db.type/long :db/cardinality :db.cardinality/many}"
    " {:db/ident :c/last :db/valueType :db.type/long :db/cardinality :db.cardinality/one}]";

typedef struct crash_folder {
    char path[64];
    char file[96], log[104];
} crash_folder;

static inline void crash_folder_make(crash_folder *folder)
{
    snprintf(folder->path, sizeof folder->path, "/tmp/lion-crash-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    snprintf(folder->file, sizeof folder->file, "%s/a.lion", folder->path);
    snprintf(folder->log, sizeof folder->log, "%s-log", folder->file);
}

static inline void crash_folder_remove(const crash_folder *folder)
{
    DIR *dir = opendir(folder->path);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[400];
        snprintf(path, sizeof path, "%s/%s", folder->path, entry->d_name);
        if (entry->d_name[0] != '.') unlink(path);
    }
    closedir(dir);
    assert_int_equal(rmdir(folder->path), 0);
}

static inline uint64_t crash_rounds(uint64_t otherwise)
{
    const char *text = getenv("LION_CRASH_ROUNDS");
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* ---- writing ---- */

#define assert_ok(call) crash_assert_ok((call), &error)

static inline void crash_assert_ok(lion_status status, const lion_error *error)
{
    if (status != LION_OK) fail_msg("%d %s: %s", (int)status, error->code, error->message);
}

static inline void crash_assert_fails(lion_status status, const lion_error *error,
                                      int32_t category, const char *code)
{
    assert_int_equal(status, LION_FAILED);
    if (strcmp(error->code, code) != 0 || error->category != category)
        fail_msg("%s instead of %s: %s", error->code, code, error->message);
}

static inline lion_status crash_open(lion_connection **connection_out, const char *path,
                                     lion_error *error)
{
    lion_connection_options options = { .segment_size = 2048,
                                        .node_entries = 16,
                                        .novelty_max = UINT64_C(4) << 20 };
    return lion_connection_open(connection_out, path, &options, error);
}

/* t_out NULL: durable when this is LION_OK; else it is when lion_connection_sync says so of *t_out. */
static inline lion_status crash_transact_for(lion_connection *connection, const char *text,
                                             int64_t *t_out, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form ops = edn(&arena, text);
    lion_transacting *transacting = NULL;
    lion_tx_options options = { .without_waiting = t_out != NULL };
    lion_status status = lion_transacting_open(&transacting, connection, &ops, &options, error);
    if (status == LION_OK) status = lion_transacting_step(transacting, error);
    if (status == LION_OK && t_out != NULL)
        *t_out = lion_transacting_report(transacting)->transaction.t;
    lion_transacting_close(transacting);
    lion_arena_deinit(&arena);
    return status;
}

static inline lion_status crash_transact(lion_connection *connection, const char *text,
                                         lion_error *error)
{
    return crash_transact_for(connection, text, NULL, error);
}

/* Wait for a transaction that was not waited for. */
static inline lion_status crash_sync(lion_connection *connection, int64_t t, lion_error *error)
{
    lion_db *db = NULL;
    lion_status status = lion_connection_sync(&db, connection, t, 0, error);
    lion_db_drop(db);
    return status;
}

/* A new database with the schema; *from_out: the t behind it. */
static inline lion_connection *crash_create(const char *path, int64_t *from_out)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    lion_db *db = NULL;
    assert_ok(crash_open(&connection, path, &error));
    assert_ok(crash_transact(connection, crash_schema, &error));
    assert_ok(lion_connection_db(&db, connection, &error));
    *from_out = db->basis_t + 1;
    lion_db_drop(db);
    return connection;
}

/* A text that n tells; every ninth is a blob. */
static inline size_t crash_text(char *text, int64_t n)
{
    size_t size = n % 9 == 0 ? 1500 : 10 + (size_t)(n % 50);
    for (size_t i = 0; i < size; i++) text[i] = (char)('a' + (n + (int64_t)i * 7) % 26);
    text[size] = 0;
    return size;
}

/* Number n of a writer, waited for or not as in crash_transact_for. */
static inline lion_status crash_commit_for(lion_connection *connection, int writer, int64_t n,
                                           int64_t *t_out, lion_error *error)
{
    char text[1600], ops[2000];
    int64_t id = writer * FACTOR + n;
    crash_text(text, id);
    snprintf(ops, sizeof ops,
             "[{:c/id %lld :c/text \"%s\" :c/part [%lld %lld %lld]} {:c/id %lld :c/last %lld}]",
             (long long)id, text, (long long)id * 10, (long long)id * 10 + 1,
             (long long)id * 10 + 2, (long long)(writer * FACTOR), (long long)n);
    return crash_transact_for(connection, ops, t_out, error);
}

static inline lion_status crash_commit(lion_connection *connection, int writer, int64_t n,
                                       lion_error *error)
{
    return crash_commit_for(connection, writer, n, NULL, error);
}

/* ---- looking ---- */

typedef struct crash_look {
    lion_db *db;
    lion_arena arena;
    uint32_t id, text, part, last;
} crash_look;

static inline uint32_t crash_attribute(const lion_db *db, const char *name)
{
    const lion_attribute *found = lion_schema_attribute_named(db->schema, lion_slice_text(name));
    assert_non_null(found);
    return found->id;
}

static inline void crash_look_open(crash_look *look, lion_connection *connection)
{
    lion_arena_init(&look->arena, 0);
    assert_int_equal(lion_connection_db(&look->db, connection, NULL), LION_OK);
    look->id = crash_attribute(look->db, "c/id");
    look->text = crash_attribute(look->db, "c/text");
    look->part = crash_attribute(look->db, "c/part");
    look->last = crash_attribute(look->db, "c/last");
}

static inline void crash_look_close(crash_look *look)
{
    lion_db_drop(look->db);
    lion_arena_deinit(&look->arena);
}

/* Rows of a prefix by a scan, which must be as many as the trees say. */
static inline uint64_t crash_count(crash_look *look, lion_index index, const lion_key *key)
{
    lion_error error = { 0 };
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    uint64_t scanned = 0, counted = 0;
    const lion_view *view = &look->db->view;
    lion_status status =
        lion_cursor_open(&cursor, view, index, key, &options, &look->arena, &error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, &error)) == LION_OK)
        scanned += batch.count;
    if (status >= 0) status = lion_view_count(&counted, view, index, key, &look->arena, &error);
    if (status < 0) fail_msg("%s: %s", error.code, error.message);
    assert_int_equal(scanned, counted);
    return scanned;
}

static inline uint64_t crash_count_attribute(crash_look *look, lion_index index, uint32_t a)
{
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    return crash_count(look, index, &key);
}

/* The transaction that wrote number n, 0 if it is not there. If it is there, it is whole. */
static inline int64_t crash_find(crash_look *look, int writer, int64_t n)
{
    lion_error error = { 0 };
    int64_t id = writer * FACTOR + n, e = 0, tx = 0, other = 0;
    char expected[1600];
    const lion_view *view = &look->db->view;
    lion_status status =
        lion_view_find(&e, &tx, view, look->id, lion_value_long(id), &look->arena, &error);
    if (status < 0) fail_msg("%s: %s", error.code, error.message);
    if (status == LION_ABSENT) return 0;

    lion_value text;
    size_t size = crash_text(expected, id);
    assert_int_equal(lion_view_get(&text, &other, view, e, look->text, &look->arena, &error),
                     LION_OK);
    assert_int_equal(other, tx);
    assert_int_equal(text.size, size);
    assert_memory_equal(text.data, expected, size);
    for (int64_t i = 0; i < PARTS; i++) {
        assert_int_equal(lion_view_has(&other, view, e, look->part, lion_value_long(id * 10 + i),
                                       &look->arena, &error),
                         LION_OK);
        assert_int_equal(other, tx);
    }
    return tx;
}

/* The last number of a writer; all before are there, in order; none is behind. */
static inline int64_t crash_check_writer(crash_look *look, int writer)
{
    int64_t last = 0, before = 0, e = 0;
    lion_value value;
    const lion_view *view = &look->db->view;
    for (;; last++) {
        int64_t tx = crash_find(look, writer, last + 1);
        if (tx == 0) break;
        assert_true(tx > before);
        before = tx;
    }
    lion_status status = lion_view_find(&e, NULL, view, look->id, lion_value_long(writer * FACTOR),
                                        &look->arena, NULL);
    assert_int_equal(status, last == 0 ? LION_ABSENT : LION_OK);
    if (last == 0) return 0;
    assert_int_equal(lion_view_get(&value, NULL, view, e, look->last, &look->arena, NULL), LION_OK);
    assert_int_equal(value.bits, last);
    return last;
}

/* Transactions in the log from t on; their times ascend. */
static inline uint64_t crash_count_log(lion_connection *connection, int64_t from)
{
    lion_tx_range *range = NULL;
    lion_transaction transaction;
    lion_error error = { 0 };
    uint64_t count = 0;
    int64_t last = 0;
    lion_status status = lion_tx_range_open(&range, connection, from, 0, &error);
    while (status == LION_OK &&
           (status = lion_tx_range_next(range, &transaction, &error)) == LION_OK) {
        assert_true(transaction.t > last);
        last = transaction.t;
        count++;
    }
    if (status < 0) fail_msg("%s: %s", error.code, error.message);
    lion_tx_range_close(range);
    return count;
}

/* Everything at once: acknowledged numbers are there, every number is whole, the orders agree.
 * from: the t behind the schema. found[w] becomes each writer's last number. */
static inline void crash_check(lion_connection *connection, int64_t from,
                               const int64_t *acknowledged, int64_t *found)
{
    crash_look look;
    crash_look_open(&look, connection);
    uint64_t numbers = 0, writers = 0;
    for (int w = 0; w < WRITERS; w++) {
        found[w] = crash_check_writer(&look, w);
        if (found[w] < acknowledged[w])
            fail_msg("writer %d: %lld is acknowledged, %lld is the last", w,
                     (long long)acknowledged[w], (long long)found[w]);
        numbers += (uint64_t)found[w];
        writers += found[w] > 0;
    }
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.id), numbers + writers);
    assert_int_equal(crash_count_attribute(&look, LION_AVET, look.id), numbers + writers);
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.text), numbers);
    assert_int_equal(crash_count_attribute(&look, LION_AVET, look.text), numbers);
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.part), numbers * PARTS);
    assert_int_equal(crash_count_attribute(&look, LION_AVET, look.part), numbers * PARTS);
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.last), writers);
    lion_key all = { .parts = 0 };
    crash_count(&look, LION_EAVT, &all);
    assert_int_equal(crash_count_log(connection, from), numbers);
    crash_look_close(&look);
}

#endif
