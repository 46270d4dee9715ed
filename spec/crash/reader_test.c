/* reader_test.c - a reader beside a writer in another process: it follows through index jobs and
 * recycled room, outlives the writer's death, clean closes and new owners, takes what it is fed,
 * and never shows half of anything.
 *
 * The writer is a child that does what it is told by a pipe, and answers each command with its
 * newest t. Records come back through the same pipe. */
#include "crash_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/hash.h"

#define RECORD_MAX 8192
#define SYNC_MS 20000

typedef enum command {
    OPEN,   /* answers t */
    COMMIT, /* argument: how many numbers of writer 0 */
    APPLY,  /* one number that is applied and perhaps never written; answers its record, too */
    INDEX,
    CLOSE,
    DIGEST, /* of the newest value */
} command;

typedef struct order {
    int32_t command;
    int64_t argument;
} order;

typedef struct answer {
    int64_t t;
    uint64_t digest; /* of the newest value */
    uint32_t size;   /* of the record behind it */
} answer;

typedef struct writer {
    pid_t pid;
    int orders, answers;
} writer;

typedef struct world {
    crash_folder folder;
    writer writer;
    lion_connection *reader;
    int64_t number; /* of the last that was committed */
    uint8_t record[RECORD_MAX];
    uint32_t record_size;
    uint64_t digest; /* that was answered last */
    bool is_owned;
} world;

/* Of all that was ever true in a value. */
static uint64_t digest_of(lion_db *db)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_db *history = NULL;
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_key all = { .parts = 0 };
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    uint64_t digest = (uint64_t)db->basis_t;
    lion_status status = lion_db_history(&history, db, NULL);
    if (status == LION_OK)
        status = lion_cursor_open(&cursor, &history->view, LION_EAVT, &all, &options, &arena, NULL);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, NULL)) == LION_OK) {
        for (uint32_t row = 0; row < batch.count; row++) {
            lion_datom datom = lion_datom_batch_get(&batch, row);
            uint64_t words[] = { (uint64_t)datom.e,        datom.a, (uint64_t)datom.tx, datom.added,
                                 lion_value_hash(datom.v), digest };
            digest = lion_hash(words, sizeof words);
        }
    }
    lion_db_drop(history);
    lion_arena_deinit(&arena);
    return status == LION_END ? digest : 0;
}

/* ---- the child ---- */

static lion_connection *owned;
static int64_t next_number = 1;

static void give_up(const lion_error *error)
{
    fprintf(stderr, "writer: %s: %s\n", error->code, error->message);
    _exit(3);
}

static int64_t newest_t(void)
{
    lion_db *db = NULL;
    if (owned == NULL || lion_connection_db(&db, owned, NULL) != LION_OK) return 0;
    int64_t t = db->basis_t;
    lion_db_drop(db);
    return t;
}

static uint64_t newest_digest(void)
{
    lion_db *db = NULL;
    if (owned == NULL || lion_connection_db(&db, owned, NULL) != LION_OK) return 0;
    uint64_t digest = digest_of(db);
    lion_db_drop(db);
    return digest;
}

static int64_t commit_many(int64_t count)
{
    lion_error error = { 0 };
    for (int64_t i = 0; i < count; i++)
        if (crash_commit(owned, 0, next_number++, &error) != LION_OK) give_up(&error);
    return newest_t();
}

/* Not waited for: with durability none the log's thread writes it a while later. */
static int64_t apply_one(lion_buffer *record)
{
    lion_error error = { 0 };
    char ops[200];
    lion_arena arena;
    lion_arena_init(&arena, 0);
    int64_t n = next_number++;
    char text[1600];
    crash_text(text, n);
    snprintf(ops, sizeof ops,
             "[{:c/id %lld :c/text \"%.100s\" :c/part [%lld %lld %lld]}"
             " {:c/id 0 :c/last %lld}]",
             (long long)n, n % 9 == 0 ? "x" : text, (long long)n * 10, (long long)n * 10 + 1,
             (long long)n * 10 + 2, (long long)n);
    lion_form form = edn(&arena, ops);
    lion_transacting *transacting = NULL;
    lion_tx_options options = { .without_waiting = true };
    lion_status status = lion_transacting_open(&transacting, owned, &form, &options, &error);
    if (status == LION_OK) status = lion_transacting_step(transacting, &error);
    if (status != LION_OK) give_up(&error);
    const lion_report *report = lion_transacting_report(transacting);
    lion_transaction_encode(record, &report->transaction);
    int64_t t = report->transaction.t;
    lion_transacting_close(transacting);
    lion_arena_deinit(&arena);
    return t;
}

static void open_owned(const char *path, bool is_lazy)
{
    lion_error error = { 0 };
    lion_connection_options options = { .segment_size = 512,
                                        .node_entries = 8,
                                        .novelty_max = UINT64_C(2) << 20,
                                        .durability = is_lazy ? LION_DURABILITY_INTERVAL
                                                              : LION_DURABILITY_FULL,
                                        .interval_ms = is_lazy ? 600000 : 0 };
    if (lion_connection_open(&owned, path, &options, &error) != LION_OK) give_up(&error);
    if (newest_t() < 50 && crash_transact(owned, crash_schema, &error) != LION_OK) give_up(&error);
}

static void obey(const char *path, int orders, int answers)
{
    order said;
    while (read(orders, &said, sizeof said) == sizeof said) {
        lion_error error = { 0 };
        lion_buffer record;
        lion_buffer_init(&record);
        answer done = { 0 };
        int64_t t = 0;
        if (said.command == OPEN) open_owned(path, said.argument != 0);
        if (said.command == INDEX && lion_connection_index(&t, owned, &error) != LION_OK)
            give_up(&error);
        if (said.command == CLOSE) {
            if (lion_connection_close(owned, &error) != LION_OK) give_up(&error);
            owned = NULL;
        }
        done.t = newest_t();
        if (said.command == COMMIT) done.t = commit_many(said.argument);
        if (said.command == APPLY) done.t = apply_one(&record);
        if (said.command == DIGEST) done.digest = newest_digest();
        done.size = (uint32_t)record.size;
        if (write(answers, &done, sizeof done) != sizeof done) _exit(4);
        if (record.size > 0 && write(answers, record.data, record.size) != (ssize_t)record.size)
            _exit(4);
        lion_buffer_deinit(&record);
    }
    _exit(0);
}

/* ---- the parent's side ---- */

static void start_writer(world *self)
{
    int orders[2], answers[2];
    assert_int_equal(pipe(orders), 0);
    assert_int_equal(pipe(answers), 0);
    char first[32], in[16], out[16];
    snprintf(first, sizeof first, "%lld", (long long)self->number + 1);
    snprintf(in, sizeof in, "%d", orders[0]);
    snprintf(out, sizeof out, "%d", answers[1]);
    self->writer.pid = fork();
    assert_true(self->writer.pid >= 0);
    if (self->writer.pid == 0) { /* a program of its own: a fork of an open database is none */
        close(orders[1]);
        close(answers[0]);
        execl("/proc/self/exe", "reader_test", "write", self->folder.file, first, in, out,
              (char *)NULL);
        _exit(5);
    }
    close(orders[0]);
    close(answers[1]);
    self->writer.orders = orders[1];
    self->writer.answers = answers[0];
}

static void read_all(int file, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = read(file, (uint8_t *)data + done, size - done);
        if (got <= 0) fail_msg("the writer is gone");
        done += (size_t)got;
    }
}

static int64_t tell(world *self, command what, int64_t argument)
{
    order said = { .command = (int32_t)what, .argument = argument };
    answer done;
    assert_int_equal(write(self->writer.orders, &said, sizeof said), sizeof said);
    read_all(self->writer.answers, &done, sizeof done);
    assert_true(done.size <= RECORD_MAX);
    self->record_size = done.size;
    self->digest = done.digest;
    read_all(self->writer.answers, self->record, done.size);
    if (what == COMMIT) self->number += argument;
    if (what == OPEN || what == CLOSE) self->is_owned = what == OPEN;
    return done.t;
}

static void end_writer(world *self, bool is_killed)
{
    int status;
    self->is_owned = false;
    if (is_killed) assert_int_equal(kill(self->writer.pid, SIGKILL), 0);
    close(self->writer.orders);
    assert_int_equal(waitpid(self->writer.pid, &status, 0), self->writer.pid);
    assert_true(is_killed ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(self->writer.answers);
}

static void open_reader(world *self)
{
    lion_error error = { 0 };
    lion_connection_options options = { .read_only = true, .node_entries = 8 };
    assert_ok(lion_connection_open(&self->reader, self->folder.file, &options, &error));
}

static lion_db *sync_to(world *self, int64_t t)
{
    lion_db *db = NULL;
    lion_error error = { 0 };
    assert_ok(lion_connection_sync(&db, self->reader, t, SYNC_MS, &error));
    assert_true(db->basis_t >= t);
    return db;
}

/* The value has the numbers 1 … n, each whole, in the order of their transactions, and nothing
 * else. */
static void check_value(lion_db *db, int64_t n)
{
    crash_look look = { .db = lion_db_keep(db) };
    lion_arena_init(&look.arena, 0);
    look.id = crash_attribute(db, "c/id");
    look.text = crash_attribute(db, "c/text");
    look.part = crash_attribute(db, "c/part");
    look.last = crash_attribute(db, "c/last");
    assert_int_equal(crash_check_writer(&look, 0), n);
    uint64_t count = (uint64_t)n;
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.id), n > 0 ? count + 1 : 0);
    assert_int_equal(crash_count_attribute(&look, LION_AVET, look.id), n > 0 ? count + 1 : 0);
    assert_int_equal(crash_count_attribute(&look, LION_AEVT, look.part), count * PARTS);
    crash_look_close(&look);
}

static void check_synced(world *self, int64_t t)
{
    lion_db *db = sync_to(self, t);
    assert_int_equal(db->basis_t, t);
    check_value(db, self->number);
    if (self->is_owned) {
        tell(self, DIGEST, 0);
        assert_int_equal(digest_of(db), self->digest);
    }
    lion_db_drop(db);
}

static int set_up(void **state)
{
    world *self = calloc(1, sizeof *self);
    crash_folder_make(&self->folder);
    start_writer(self);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    world *self = *state;
    crash_folder_remove(&self->folder);
    free(self);
    return 0;
}

static void close_reader(world *self)
{
    lion_error error = { 0 };
    assert_ok(lion_connection_close(self->reader, &error));
}

/* ---- the tests ---- */

static void follows_through_index_jobs(void **state)
{
    world *self = *state;
    lion_db *first = NULL;
    tell(self, OPEN, 0);
    tell(self, COMMIT, 5);
    open_reader(self);
    first = sync_to(self, 0);
    for (int round = 0; round < 40; round++) {
        int64_t t = tell(self, COMMIT, 1 + (int64_t)random_below(120));
        if (round % 5 != 2) check_synced(self, t); /* else several rounds at once */
        if (round % 4 == 3) tell(self, INDEX, 0);
    }
    check_synced(self, tell(self, COMMIT, 1));
    check_value(first, 5);

    /* It has moved on with the owner's roots: novelty holds what is newer, and the values were
     * retired. */
    tell(self, INDEX, 0);
    lion_connection_stats stats;
    lion_error error = { 0 };
    check_synced(self, tell(self, COMMIT, 1));
    assert_ok(lion_connection_stats_read(&stats, self->reader, &error));
    assert_true(stats.novelty_datoms < 50);
    assert_ok(lion_connection_rebase(&first, self->reader, &error));
    assert_true(lion_snapshot_number(first->view.root->snapshot) >=
                lion_connection_oldest_root(self->reader));
    check_value(first, 5);
    lion_db_drop(first);
    close_reader(self);
    end_writer(self, false);
}

/* The tail grows and its room is used again, more than once, before the reader looks. */
static void finds_its_way_when_room_was_recycled(void **state)
{
    world *self = *state;
    tell(self, OPEN, 0);
    tell(self, COMMIT, 1);
    open_reader(self);
    lion_db *before = sync_to(self, 0);
    for (int round = 0; round < 3; round++) {
        int64_t t = 0;
        for (int i = 0; i < 5; i++) {
            t = tell(self, COMMIT, 700);
            tell(self, INDEX, 0);
        }
        check_synced(self, t);
        check_synced(self, tell(self, COMMIT, 1));
    }
    check_value(before, 1);
    lion_db_drop(before);
    close_reader(self);
    end_writer(self, false);
}

static void outlives_its_owners(void **state)
{
    world *self = *state;
    tell(self, OPEN, 0);
    tell(self, COMMIT, 10);
    open_reader(self);
    lion_db *first = sync_to(self, 0);
    for (int round = 0; round < 6; round++) {
        int64_t t = tell(self, COMMIT, 30);
        if (round % 3 == 0) check_synced(self, t);
        if (round % 2 == 0) {
            end_writer(self, true);
            start_writer(self);
        } else {
            tell(self, CLOSE, 0);
            if (round % 3 == 1) check_synced(self, t);
        }
        if (round == 2) check_synced(self, t); /* nobody owns it */
        tell(self, OPEN, 0);
        check_synced(self, t);
        if (round == 4) tell(self, INDEX, 0);
    }
    check_synced(self, tell(self, COMMIT, 3));
    check_value(first, 10);
    lion_db_drop(first);
    close_reader(self);
    end_writer(self, true);
}

static void takes_what_it_is_fed(void **state)
{
    world *self = *state;
    lion_error error = { 0 };
    tell(self, OPEN, 1); /* groups are written after ten minutes, or when something is indexed */
    tell(self, INDEX, 0);
    open_reader(self);
    lion_db *db = sync_to(self, 0);
    int64_t t = 0;
    for (int i = 0; i < 5; i++) {
        lion_db *seen = NULL, *ahead = NULL;
        t = tell(self, APPLY, 0);
        lion_slice record = lion_slice_of(self->record, self->record_size);
        assert_ok(lion_connection_preview(&ahead, self->reader, record, &error));
        check_value(ahead, self->number + 1);
        assert_ok(lion_connection_feed(self->reader, record, &error));
        self->number++;
        assert_ok(lion_connection_db(&seen, self->reader, &error));
        assert_int_equal(seen->basis_t, t);
        check_value(seen, self->number);
        assert_ok(lion_connection_feed(self->reader, record, &error)); /* it has it already */
        crash_assert_fails(lion_connection_preview(&ahead, self->reader, record, &error), &error,
                           LION_UNAVAILABLE, "lion/unavailable");
        lion_db_drop(seen);
        lion_db_drop(ahead);
    }
    tell(self, APPLY, 0); /* not told */
    self->number++;
    t = tell(self, APPLY, 0);
    crash_assert_fails(
        lion_connection_feed(self->reader, lion_slice_of(self->record, self->record_size), &error),
        &error, LION_UNAVAILABLE, "lion/unavailable");
    self->number++;
    tell(self, INDEX, 0); /* writes and syncs them */
    check_synced(self, t);
    assert_int_equal(lion_connection_feed(self->reader, lion_slice_of("x", 1), &error),
                     LION_FAILED);

    /* Who is only fed moves to newer roots, too. */
    lion_connection_stats stats;
    tell(self, INDEX, 0);
    tell(self, APPLY, 0);
    assert_ok(
        lion_connection_feed(self->reader, lion_slice_of(self->record, self->record_size), &error));
    assert_ok(lion_connection_stats_read(&stats, self->reader, &error));
    assert_true(stats.novelty_datoms < 15);
    lion_db_drop(db);
    close_reader(self);
    end_writer(self, false);
}

static void gives_up_what_its_owner_lost(void **state)
{
    world *self = *state;
    lion_error error = { 0 };
    tell(self, OPEN, 1);
    tell(self, INDEX, 0);
    open_reader(self);
    lion_db *lost = NULL, *db = NULL;
    tell(self, APPLY, 0);
    assert_ok(
        lion_connection_feed(self->reader, lion_slice_of(self->record, self->record_size), &error));
    int64_t t = tell(self, APPLY, 0);
    assert_ok(
        lion_connection_feed(self->reader, lion_slice_of(self->record, self->record_size), &error));
    assert_ok(lion_connection_db(&lost, self->reader, &error));
    assert_int_equal(lost->basis_t, t);
    end_writer(self, true); /* both are lost with it */

    start_writer(self);
    tell(self, OPEN, 0);
    db = sync_to(self, 0);
    assert_true(db->basis_t < t);
    check_value(db, 0);
    check_value(lost, 2);
    lion_db_drop(db);
    for (int i = 0; i < 12; i++) { /* other facts of the same times; more roots than are kept */
        check_synced(self, tell(self, COMMIT, 2));
        tell(self, INDEX, 0);
    }
    const lion_root *root =
        lost->view.root; /* which is retired; on a newer one there are others' facts */
    assert_true(lion_snapshot_number(root->snapshot) < lion_connection_oldest_root(self->reader));
    assert_ok(lion_connection_rebase(&lost, self->reader, &error));
    assert_ptr_equal(lost->view.root, root);
    check_value(lost, 2);
    lion_db_drop(lost);
    close_reader(self);
    end_writer(self, false);
}

/* A writer of records is no reader of them. */
static void feeds_readers_alone(void **state)
{
    world *self = *state;
    lion_error error = { 0 };
    end_writer(self, false);
    lion_connection *connection = NULL;
    assert_ok(crash_open(&connection, self->folder.file, &error));
    crash_assert_fails(lion_connection_feed(connection, lion_slice_of("", 0), &error), &error,
                       LION_FORBIDDEN, "lion/not-allowed");
    assert_ok(lion_connection_close(connection, &error));
}

/* ---- two threads of one reader ---- */

typedef struct looking {
    lion_connection *reader;
    int64_t last_t; /* until this one is there */
} looking;

static void *look_on(void *argument)
{
    looking *self = argument;
    int64_t t = 0;
    while (t < self->last_t) {
        lion_db *db = NULL;
        if (lion_connection_sync(&db, self->reader, t + 1, SYNC_MS, NULL) != LION_OK) return NULL;
        if (db->basis_t > t) t = db->basis_t;
        int64_t last = 0;
        crash_look look = { .db = db };
        lion_arena_init(&look.arena, 0);
        look.id = crash_attribute(db, "c/id");
        look.last = crash_attribute(db, "c/last");
        lion_value value;
        int64_t e = 0;
        if (lion_view_find(&e, NULL, &db->view, look.id, lion_value_long(0), &look.arena, NULL) ==
                LION_OK &&
            lion_view_get(&value, NULL, &db->view, e, look.last, &look.arena, NULL) == LION_OK)
            last = value.bits;
        if (last > 0 && lion_view_find(&e, NULL, &db->view, look.id, lion_value_long(last),
                                       &look.arena, NULL) != LION_OK)
            return NULL;
        crash_look_close(&look);
    }
    return self;
}

static void two_threads_follow(void **state)
{
    world *self = *state;
    tell(self, OPEN, 0);
    tell(self, COMMIT, 1);
    open_reader(self);
    int64_t t = tell(self, COMMIT, 1);
    pthread_t threads[2];
    looking looks[2];
    /* Each number makes an entity, and its transaction is one more: t grows by two. */
    for (int i = 0; i < 2; i++) {
        looks[i] = (looking){ self->reader, t + 2 * 300 };
        assert_int_equal(pthread_create(&threads[i], NULL, look_on, &looks[i]), 0);
    }
    for (int i = 0; i < 30; i++) {
        t = tell(self, COMMIT, 10);
        if (i % 7 == 6) tell(self, INDEX, 0);
    }
    assert_int_equal(t, looks[0].last_t);
    for (int i = 0; i < 2; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_non_null(result);
    }
    check_synced(self, t);
    close_reader(self);
    end_writer(self, false);
}

/* ---- a reader that is killed ---- */

static uint64_t file_bytes(lion_connection *connection)
{
    lion_connection_stats stats;
    assert_int_equal(lion_connection_stats_read(&stats, connection, NULL), LION_OK);
    return stats.file_bytes;
}

static void pin_and_wait(const char *path, int ready)
{
    lion_connection *connection = NULL;
    lion_connection_options options = { .read_only = true };
    if (lion_connection_open(&connection, path, &options, NULL) != LION_OK) _exit(3);
    if (write(ready, "x", 1) != 1) _exit(4);
    for (;;) pause();
}

/* Its slot in LMDB's table of readers would keep every page that was replaced since. */
static void a_killed_reader_pins_nothing(void **state)
{
    world *self = *state;
    lion_error error = { 0 };
    end_writer(self, false);
    lion_connection *connection = NULL;
    assert_ok(crash_open(&connection, self->folder.file, &error));
    assert_ok(crash_transact(connection, crash_schema, &error));
    int ready[2], status;
    int64_t n = 1, t = 0;
    for (; n < 300; n++) assert_ok(crash_commit(connection, 0, n, &error));
    assert_ok(lion_connection_index(&t, connection, &error));
    assert_int_equal(pipe(ready), 0);
    char helper[16];
    snprintf(helper, sizeof helper, "%d", ready[1]);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "reader_test", "pin", self->folder.file, helper, (char *)NULL);
        _exit(5);
    }
    char byte;
    close(ready[1]);
    read_all(ready[0], &byte, 1);
    close(ready[0]);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);

    uint64_t size = 0;
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 40; i++, n++)
            assert_ok(crash_commit(connection, 0, n % 300 + 1, &error));
        assert_ok(lion_connection_index(&t, connection, &error));
        if (round == 20) size = file_bytes(connection);
    }
    /* The same data again and again: what is replaced is used again, so the file has its size. */
    assert_true(file_bytes(connection) < size + size / 2);
    assert_ok(lion_connection_close(connection, &error));
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "write") == 0) {
        next_number = atoll(argv[3]);
        obey(argv[2], atoi(argv[4]), atoi(argv[5]));
    }
    if (argc == 4 && strcmp(argv[1], "pin") == 0) pin_and_wait(argv[2], atoi(argv[3]));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(follows_through_index_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_its_way_when_room_was_recycled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(outlives_its_owners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_what_it_is_fed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(gives_up_what_its_owner_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(feeds_readers_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_threads_follow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_reader_pins_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
