/* log_test.c - the log tail: replay, recovery from every kind of damage, many threads. */
#include "support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/log.h"
#include "store/log_file.h"

static char folder[64], path[128];

static lion_log_options options_of(uint64_t generation)
{
    return (lion_log_options){ .create = true,
                               .database_id = "one database id",
                               .generation = generation };
}

static lion_log *open_log(const lion_log_options *options)
{
    lion_log *log = NULL;
    lion_error error = { 0 };
    if (lion_log_open(&log, path, options, &error) != LION_OK)
        fail_msg("%s: %s", error.code, error.message);
    return log;
}

static lion_log *open_plain(uint64_t generation)
{
    lion_log_options options = options_of(generation);
    return open_log(&options);
}

static void check_refused(const lion_log_options *options, const char *code, const char *words)
{
    lion_log *log = NULL;
    lion_error error = { 0 };
    assert_int_equal(lion_log_open(&log, path, options, &error), LION_FAILED);
    assert_string_equal(error.code, code);
    if (strstr(error.message, words) == NULL) fail_msg("%s", error.message);
}

static size_t payload_size(int64_t t, size_t unit)
{
    return unit == 0 ? (size_t)t % 97 : (size_t)t * 7919 % unit;
}

static uint64_t append(lion_log *log, int64_t t, size_t unit)
{
    size_t size = payload_size(t, unit);
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)((size_t)t + i);
    uint64_t sequence = 0;
    lion_error error = { 0 };
    if (lion_log_append(log, t, lion_slice_of(bytes, size), &sequence, &error) != LION_OK)
        fail_msg("%s", error.message);
    free(bytes);
    return sequence;
}

static void commit(lion_log *log, int64_t t, size_t unit)
{
    uint64_t sequence = append(log, t, unit);
    assert_int_equal(lion_log_sync(log, sequence, NULL), LION_OK);
}

/* Replay must give exactly the t in (from, to]. */
static void check_replay(lion_log *log, int64_t from, int64_t to, size_t unit)
{
    int64_t t = 0;
    lion_slice payload = { 0 };
    uint64_t sequence;
    lion_error error = { 0 };
    for (int64_t expected = from + 1; expected <= to; expected++) {
        if (lion_log_replay(log, &t, &payload, &sequence, &error) != LION_OK)
            fail_msg("t %d: %s", (int)expected, error.message);
        assert_int_equal(t, expected);
        assert_int_equal(payload.size, payload_size(t, unit));
        for (size_t i = 0; i < payload.size; i++)
            if (payload.data[i] != (uint8_t)((size_t)t + i)) fail_msg("payload of t %d", (int)t);
    }
    assert_int_equal(lion_log_replay(log, &t, &payload, &sequence, NULL), LION_END);
}

static int setup(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lion_fault_disarm();
    unlink(path);
    return 0;
}

/* What a power cut or kill leaves: the child ends without closing. */
static void in_crashing_child(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status)) assert_int_equal(WEXITSTATUS(status), 0);
}

static void poke(off_t offset, const void *bytes, size_t size)
{
    int file = open(path, O_RDWR);
    assert_int_equal(pwrite(file, bytes, size, offset), size);
    close(file);
}

static void flip(off_t offset)
{
    uint8_t byte;
    int file = open(path, O_RDWR);
    assert_int_equal(pread(file, &byte, 1, offset), 1);
    close(file);
    byte ^= 0x40;
    poke(offset, &byte, 1);
}

/* -- Round trips ------------------------------------------------------------------------------ */

static void test_a_closed_log_replays(void **state)
{
    (void)state;
    for (int64_t t = 1, generation = 1; generation <= 4; generation++) {
        lion_log *log = open_plain((uint64_t)generation);
        check_replay(log, 0, t - 1, 0);
        for (int i = 0; i < 50; i++) commit(log, t++, 0);
        for (int i = 0; i < 50; i++) append(log, t++, 0);
        assert_int_equal(lion_log_close(log, false, NULL), LION_OK);
    }
    lion_log *log = open_plain(5);
    check_replay(log, 0, 400, 0);
    assert_int_equal(lion_log_close(log, true, NULL), LION_OK);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_first_t_and_root_sequence_are_skipped(void **state)
{
    (void)state;
    lion_log *log = open_plain(1);
    for (int64_t t = 1; t <= 20; t++) commit(log, t, 0);
    lion_log_close(log, false, NULL);
    lion_log_options options = options_of(2);
    options.first_t = 7;
    options.root_sequence = 7;
    log = open_log(&options);
    check_replay(log, 7, 20, 0);
    lion_log_close(log, false, NULL);
    options.first_t = 20;
    options.root_sequence = 20;
    options.generation = 3;
    log = open_log(&options);
    check_replay(log, 20, 20, 0);
    commit(log, 21, 0);
    lion_log_close(log, false, NULL);
    options.generation = 4;
    log = open_log(&options);
    check_replay(log, 20, 21, 0);
    lion_log_close(log, false, NULL);
}

static void test_large_records_get_extents_of_their_own(void **state)
{
    (void)state;
    lion_log *log = open_plain(1);
    for (int64_t t = 1; t <= 40; t++) commit(log, t, 5000000);
    lion_log_close(log, false, NULL);
    log = open_plain(2);
    check_replay(log, 0, 40, 5000000);
    lion_log_close(log, false, NULL);
}

static void test_a_log_in_memory(void **state)
{
    (void)state;
    lion_log *log;
    assert_int_equal(lion_log_open_memory(&log, NULL), LION_OK);
    commit(log, 1, 0);
    commit(log, 2, 0);
    assert_int_equal(lion_log_durable(log), 2);
    assert_int_equal(lion_log_trim(log, 2, NULL), LION_OK);
    assert_int_equal(lion_log_size(log), 0);
    assert_int_equal(lion_log_close(log, true, NULL), LION_OK);
}

/* -- What is refused -------------------------------------------------------------------------- */

static void test_missing_foreign_and_old_tails_are_refused(void **state)
{
    (void)state;
    lion_log_options options = options_of(1);
    options.create = false;
    check_refused(&options, "lion/corrupt", "missing");
    lion_log_close(open_plain(3), false, NULL);
    options.generation = 4;
    memset(options.database_id, 9, 16);
    check_refused(&options, "lion/corrupt", "another database");
    options = options_of(9);
    options.root_generation = 8;
    check_refused(&options, "lion/corrupt", "another time");
    assert_int_equal(truncate(path, 500000), 0);
    options = options_of(4);
    check_refused(&options, "lion/corrupt", "cut off");
    assert_int_equal(truncate(path, 0), 0);
    check_refused(&options, "lion/corrupt", "not the log tail");
}

static void test_a_gap_after_the_root_is_refused(void **state)
{
    (void)state;
    lion_log_options options = options_of(1);
    options.root_sequence = 100;
    options.first_t = 100;
    lion_log *log = open_log(&options);
    commit(log, 101, 0);
    commit(log, 102, 0);
    lion_log_close(log, false, NULL);
    options.root_sequence = 50;
    options.generation = 2;
    check_refused(&options, "lion/corrupt", "51");
}

/* -- Damage ----------------------------------------------------------------------------------- */

static void crash_after_ten(void)
{
    lion_log *log = open_plain(1);
    for (int64_t t = 1; t <= 10; t++) commit(log, t, 0);
}

static const off_t FIRST_GROUP = 8192;

static void test_damage_below_the_mark_is_corruption(void **state)
{
    (void)state;
    for (int group = 0; group < 9; group++) { /* each carries the mark of those before it */
        unlink(path);
        in_crashing_child(crash_after_ten);
        flip(FIRST_GROUP + group * LION_LOG_ALIGN + (group * 11) % 80);
        lion_log_options options = options_of(2);
        check_refused(&options, "lion/corrupt", "damaged");
        check_refused(&options, "lion/corrupt", "damaged"); /* and stays so */
    }
}

static void test_damage_above_the_mark_ends_the_tail(void **state)
{
    (void)state;
    in_crashing_child(crash_after_ten);
    flip(FIRST_GROUP + 9 * LION_LOG_ALIGN + 70);
    lion_log *log = open_plain(2);
    check_replay(log, 0, 9, 0);
    commit(log, 10, 0);
    commit(log, 11, 0);
    lion_log_close(log, false, NULL);
    log = open_plain(3);
    check_replay(log, 0, 11, 0);
    lion_log_close(log, false, NULL);
}

static void test_damage_after_a_clean_close_is_always_found(void **state)
{
    (void)state;
    lion_log *log = open_plain(1);
    for (int64_t t = 1; t <= 10; t++) commit(log, t, 0);
    lion_log_close(log, false, NULL);
    flip(FIRST_GROUP + 9 * LION_LOG_ALIGN + 70);
    lion_log_options options = options_of(2);
    check_refused(&options, "lion/corrupt", "damaged");
}

static void test_one_copy_of_the_directory_is_enough(void **state)
{
    (void)state;
    in_crashing_child(crash_after_ten);
    for (int copy = 0; copy < 2; copy++) {
        flip(copy * LION_LOG_DIRECTORY_SIZE + 60);
        lion_log *log = open_plain(2 + (uint64_t)copy);
        check_replay(log, 0, 10, 0);
        lion_log_close(log, false, NULL);
    }
    flip(60);
    flip(60 + LION_LOG_DIRECTORY_SIZE);
    lion_log_options options = options_of(5);
    check_refused(&options, "lion/corrupt", "beginning is damaged");
}

static void tear_the_sixth(void)
{
    lion_log *log = open_plain(1);
    lion_fault_arm("log.write", 6, "torn");
    for (int64_t t = 1; t <= 10; t++) commit(log, t, 4000);
}

static void test_a_torn_group_is_dropped(void **state)
{
    (void)state;
    in_crashing_child(tear_the_sixth);
    lion_log *log = open_plain(2);
    check_replay(log, 0, 5, 4000);
    lion_log_close(log, false, NULL);
}

static void leave_unsynced(void)
{
    lion_log_options options = options_of(1);
    options.durability = LION_DURABILITY_NONE;
    lion_log *log = open_log(&options);
    for (int64_t t = 1; t <= 4; t++) {
        append(log, t, 0);
        nanosleep(&(struct timespec){ .tv_nsec = 130000000 }, NULL); /* a group each */
    }
}

/* A whole group behind a lost one that nobody acknowledged must never come back, even when the tail
 * grows to exactly its place and sequence. */
static void test_what_was_dropped_never_returns(void **state)
{
    (void)state;
    in_crashing_child(leave_unsynced);
    flip(FIRST_GROUP + LION_LOG_ALIGN + 3);
    lion_log *log = open_plain(2);
    check_replay(log, 0, 1, 0);
    lion_log_close(log, true, NULL);

    in_crashing_child(leave_unsynced);
    flip(FIRST_GROUP + LION_LOG_ALIGN + 3);
    log = open_plain(1); /* the same generation: only the wiping protects here */
    check_replay(log, 0, 1, 0);
    commit(log, 2, 0); /* one group, where t 2 was: behind it lay t 3 and 4 */
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
    lion_log *again = open_plain(1);
    check_replay(again, 0, 2, 0);
    lion_log_close(again, false, NULL);
    lion_log_close(log, false, NULL);
}

/* -- Room ------------------------------------------------------------------------------------- */

static void test_trimmed_room_is_used_again(void **state)
{
    (void)state;
    lion_log *log = open_plain(1);
    struct stat file;
    uint64_t sequence = 0;
    for (int64_t t = 1; t <= 3000; t++) {
        sequence = append(log, t, 20000);
        assert_int_equal(lion_log_sync(log, sequence, NULL), LION_OK);
        if (t % 20 == 0) assert_int_equal(lion_log_trim(log, sequence - 5, NULL), LION_OK);
        assert_true(lion_log_size(log) < 2000000);
    }
    assert_int_equal(stat(path, &file), 0);
    assert_true(file.st_size <= 16 << 20); /* 30 MB went through it */
    assert_int_equal(lion_log_trim(log, sequence, NULL), LION_OK);
    assert_int_equal(lion_log_size(log), 0);
    lion_log_close(log, false, NULL);
    lion_log_options options = options_of(2);
    options.first_t = 2990;
    options.root_sequence = 2990;
    log = open_log(&options);
    check_replay(log, 2990, 3000, 20000);
    lion_log_close(log, false, NULL);
}

/* Crash at random moments, trim at random places: what was acknowledged is there, in order. */
static int64_t child_from, child_to;
static uint64_t child_trim, child_generation, child_root;

static void run_a_while(void)
{
    lion_log_options options = options_of(child_generation);
    options.root_sequence = child_root;
    options.first_t = (int64_t)child_root;
    lion_log *log = open_log(&options);
    check_replay(log, (int64_t)child_root, child_from, 30000);
    for (int64_t t = child_from + 1; t <= child_to; t++) {
        commit(log, t, 30000);
        if (t == (int64_t)child_trim) lion_log_trim(log, child_trim - 3, NULL);
    }
}

static void test_random_crashes(void **state)
{
    (void)state;
    child_from = 0;
    child_root = 0;
    for (child_generation = 1; child_generation <= 25; child_generation++) {
        child_to = child_from + (int64_t)random_below(120);
        child_trim = (uint64_t)child_from + random_below(100) + 4;
        in_crashing_child(run_a_while);
        if ((int64_t)child_trim <= child_to && child_trim > (uint64_t)child_from)
            child_root = child_trim - 3;
        child_from = child_to;
    }
}

/* -- Failures --------------------------------------------------------------------------------- */

static void test_a_failure_is_for_good(void **state)
{
    static const struct {
        const char *point, *kind, *code;
    } cases[] = {
        { "log.write", "fail", "lion/io" },
        { "log.write", "full", "lion/disk-full" },
        { "log.sync", "fail", "lion/io" },
    };
    (void)state;
    for (size_t i = 0; i < CASES(cases); i++) {
        unlink(path);
        lion_log *log = open_plain(1);
        commit(log, 1, 0);
        lion_fault_arm(cases[i].point, 1, cases[i].kind);
        uint64_t sequence = append(log, 2, 0);
        lion_error error = { 0 }, later = { 0 };
        assert_int_equal(lion_log_sync(log, sequence, &error), LION_FAILED);
        assert_string_equal(error.code, cases[i].code);
        lion_fault_disarm();
        assert_int_equal(lion_log_append(log, 3, lion_slice_text("x"), &sequence, &later),
                         LION_FAILED);
        assert_string_equal(error.message, later.message);
        assert_int_equal(lion_log_sync(log, 2, &later), LION_FAILED);
        assert_int_equal(lion_log_sync(log, 1, NULL), LION_OK); /* was durable before */
        assert_int_equal(lion_log_close(log, true, &later), LION_FAILED);
        assert_int_equal(access(path, F_OK), 0); /* kept */
    }
}

static void test_a_full_disk_while_growing(void **state)
{
    (void)state;
    lion_log *log = open_plain(1);
    lion_fault_arm("log.grow", 1, "full");
    lion_error error = { 0 };
    uint8_t *large = calloc(1, 3000000); /* more than the first extent holds */
    uint64_t sequence;
    assert_int_equal(lion_log_append(log, 1, lion_slice_of(large, 3000000), &sequence, NULL), 0);
    free(large);
    lion_status status = lion_log_sync(log, sequence, &error);
    assert_int_equal(status, LION_FAILED);
    assert_string_equal(error.code, "lion/disk-full");
    lion_log_close(log, false, NULL);
}

/* -- Modes and threads ------------------------------------------------------------------------ */

static void test_interval_syncs_by_itself(void **state)
{
    (void)state;
    lion_log_options options = options_of(1);
    options.durability = LION_DURABILITY_INTERVAL;
    options.interval_ms = 5;
    lion_log *log = open_log(&options);
    commit(log, 1, 0);
    assert_int_equal(lion_log_durable(log), 1); /* as good as durable: that is the bargain */
    lion_log_options other = options_of(2);
    lion_status seen = LION_END;
    for (int tries = 0; tries < 200 && seen != LION_OK; tries++) { /* it comes by itself, on a slow disk too */
        nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        lion_log *copy = open_log(&other); /* sees what is in the file now */
        int64_t t = 0;
        lion_slice payload;
        uint64_t sequence;
        seen = lion_log_replay(copy, &t, &payload, &sequence, NULL);
        assert_true(seen != LION_OK || t == 1);
        lion_log_close(copy, false, NULL);
    }
    assert_int_equal(seen, LION_OK);
    lion_log_close(log, false, NULL);
}

typedef struct committers {
    lion_log *log;
    pthread_mutex_t writer;
    int64_t t;
} committers;

static void *commit_many(void *argument)
{
    committers *c = argument;
    for (int i = 0; i < 200; i++) {
        pthread_mutex_lock(&c->writer);
        uint64_t sequence = append(c->log, ++c->t, 3000);
        pthread_mutex_unlock(&c->writer);
        if (lion_log_sync(c->log, sequence, NULL) != LION_OK) abort();
        if (lion_log_durable(c->log) < sequence) abort();
        if (i % 50 == 0) lion_log_trim(c->log, sequence > 4000 ? sequence - 4000 : 0, NULL);
    }
    return NULL;
}

static void test_many_threads_commit(void **state)
{
    (void)state;
    committers c = { .log = open_plain(1) };
    pthread_mutex_init(&c.writer, NULL);
    pthread_t threads[32];
    for (size_t i = 0; i < 32; i++) pthread_create(&threads[i], NULL, commit_many, &c);
    for (size_t i = 0; i < 32; i++) pthread_join(threads[i], NULL);
    lion_log_close(c.log, false, NULL);
    lion_log_options options = options_of(2);
    options.root_sequence = 3000;
    options.first_t = 3000;
    lion_log *log = open_log(&options);
    check_replay(log, 3000, 6400, 3000);
    lion_log_close(log, false, NULL);
    pthread_mutex_destroy(&c.writer);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/lion-log-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/x.lion-log", folder);
    const struct CMUnitTest tests[] = {
        T(test_a_closed_log_replays),
        T(test_first_t_and_root_sequence_are_skipped),
        T(test_large_records_get_extents_of_their_own),
        T(test_a_log_in_memory),
        T(test_missing_foreign_and_old_tails_are_refused),
        T(test_a_gap_after_the_root_is_refused),
        T(test_damage_below_the_mark_is_corruption),
        T(test_damage_above_the_mark_ends_the_tail),
        T(test_damage_after_a_clean_close_is_always_found),
        T(test_one_copy_of_the_directory_is_enough),
        T(test_a_torn_group_is_dropped),
        T(test_what_was_dropped_never_returns),
        T(test_trimmed_room_is_used_again),
        T(test_random_crashes),
        T(test_a_failure_is_for_good),
        T(test_a_full_disk_while_growing),
        T(test_interval_syncs_by_itself),
        T(test_many_threads_commit),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder); /* fails when a test left something: look at it */
    return failed;
}
