/* fault_test.c - disks that are full or fail, by the fault points and on a small file system of its own: what was
 * acknowledged stays, errors say what happened, and the database goes on as far as it may. */
#include "crash_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fault.h"

static crash_folder folder;
static int64_t from, acknowledged[WRITERS], found[WRITERS];

static int setup(void **state)
{
    (void)state;
    crash_folder_make(&folder);
    memset(acknowledged, 0, sizeof acknowledged);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lion_fault_disarm();
    (void)umount2(folder.path, MNT_DETACH); /* of the tests that mount; nothing to undo in others */
    crash_folder_remove(&folder);
    return 0;
}

static lion_connection *reopen(void)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    assert_ok(crash_open(&connection, folder.file, &error));
    return connection;
}

static void commit(lion_connection *connection, int64_t count)
{
    lion_error error = { 0 };
    for (int64_t i = 0; i < count; i++) {
        int writer = (int)(i % WRITERS);
        assert_ok(crash_commit(connection, writer, acknowledged[writer] + 1, &error));
        acknowledged[writer]++;
    }
}

/* Nothing is lost and nothing is more than was acknowledged, in this value or after reopening. */
static void check(lion_connection *connection)
{
    crash_check(connection, from, acknowledged, found);
}

static void close_whole(lion_connection *connection)
{
    lion_error error = { 0 };
    assert_ok(lion_connection_close(connection, &error));
}

/* An unacknowledged transaction may be there after reopening: then it is whole, and the next. */
static void reopen_and_go_on(void)
{
    lion_connection *connection = reopen();
    check(connection);
    memcpy(acknowledged, found, sizeof found);
    commit(connection, 40);
    check(connection);
    close_whole(connection);
    connection = reopen();
    check(connection);
    close_whole(connection);
}

/* -- The tail --------------------------------------------------------------------------------- */

static void check_stopped(const char *point, const char *kind, uint64_t hit, const char *code,
                          int32_t category)
{
    lion_connection *connection = crash_create(folder.file, &from);
    lion_error error = { 0 };
    int64_t t = 0;
    commit(connection, 30);
    lion_fault_arm(point, hit, kind);
    lion_status status = LION_OK;
    for (int i = 0; i < 20 && status == LION_OK; i++) {
        status = crash_commit(connection, 0, acknowledged[0] + 1, &error);
        acknowledged[0] += status == LION_OK;
    }
    crash_assert_fails(status, &error, category, code);
    lion_fault_disarm();
    for (int writer = 0; writer < 3; writer++)
        crash_assert_fails(crash_commit(connection, writer, acknowledged[writer] + 1, &error),
                           &error, category, code);
    check(connection);
    for (int w = 0; w < WRITERS; w++) assert_int_equal(found[w], acknowledged[w]);
    /* What is not durable must not reach the trees either. */
    crash_assert_fails(lion_connection_index(&t, connection, &error), &error, category, code);
    check(connection);
    (void)lion_connection_close(connection, &error);
    reopen_and_go_on();
}

static void test_a_failed_sync_stops_writing_for_good(void **state)
{
    (void)state;
    check_stopped("log.sync", "fail", 1 + random_below(10), "lion/io", LION_UNAVAILABLE);
}

/* Who did not wait learns of it when it does, and from then on. */
static void test_who_does_not_wait_hears_of_a_failed_sync(void **state)
{
    (void)state;
    lion_connection *connection = crash_create(folder.file, &from);
    lion_error error = { 0 };
    commit(connection, 30);
    lion_fault_arm("log.sync", 1 + random_below(3), "fail");
    lion_status status = LION_OK;
    int64_t t = 0, durable = acknowledged[0], sent = durable;
    for (int round = 0; round < 20 && status == LION_OK; round++) {
        for (int i = 0; i < 5 && status == LION_OK; i++)
            status = crash_commit_for(connection, 0, ++sent, &t, &error);
        if (status == LION_OK) status = crash_sync(connection, t, &error);
        if (status == LION_OK) durable = sent;
    }
    crash_assert_fails(status, &error, LION_UNAVAILABLE, "lion/io");
    lion_fault_disarm();
    crash_assert_fails(crash_sync(connection, t, &error), &error, LION_UNAVAILABLE, "lion/io");
    crash_assert_fails(crash_commit_for(connection, 1, acknowledged[1] + 1, &t, &error), &error,
                       LION_UNAVAILABLE, "lion/io");
    acknowledged[0] = durable;
    check(connection);
    (void)lion_connection_close(connection, &error);
    reopen_and_go_on();
}

static void test_a_failed_write_stops_writing_for_good(void **state)
{
    (void)state;
    check_stopped("log.write", "fail", 1 + random_below(10), "lion/io", LION_UNAVAILABLE);
}

static void test_a_full_disk_is_named(void **state)
{
    (void)state;
    check_stopped("log.write", "full", 1 + random_below(10), "lion/disk-full", LION_UNAVAILABLE);
}

/* -- The trees -------------------------------------------------------------------------------- */

static bool run_job(lion_connection *connection, const char *code)
{
    lion_error error = { 0 };
    int64_t t = 0;
    lion_status status = lion_connection_index(&t, connection, &error);
    if (status == LION_OK) return true;
    crash_assert_fails(status, &error, LION_UNAVAILABLE, code);
    return false;
}

/* Each write of a job fails once; then there is room again and the job does its work. */
static void test_jobs_outlive_a_full_disk(void **state)
{
    (void)state;
    static const char *const POINTS[] = { "store.put", "store.commit" };
    lion_connection *connection = crash_create(folder.file, &from);
    for (size_t i = 0; i < CASES(POINTS); i++) {
        bool is_past = false;
        for (uint64_t hit = 1; !is_past; hit += 1 + random_below(4)) {
            commit(connection, 12);
            lion_fault_arm(POINTS[i], hit, "full");
            is_past = run_job(connection, "lion/disk-full");
            check(connection);
            commit(connection, 4);
            lion_fault_disarm();
            if (hit % 2 == 0) continue; /* two failures in a row, with more in novelty */
            assert_true(run_job(connection, ""));
            check(connection);
        }
    }
    close_whole(connection);
    reopen_and_go_on();
}

/* A store that cannot be trusted any more takes no more roots: the tail goes on, reopening finds all. */
static void test_a_failed_job_loses_nothing(void **state)
{
    (void)state;
    static const char *const POINTS[] = { "store.put", "store.commit" };
    lion_connection *connection = crash_create(folder.file, &from);
    for (size_t i = 0; i < 6; i++) {
        lion_error error = { 0 };
        commit(connection, 30);
        lion_fault_arm(POINTS[i % 2], 1 + random_below(i % 2 == 0 ? 12 : 1), "fail");
        assert_false(run_job(connection, "lion/io"));
        lion_fault_disarm();
        commit(connection, 10);
        assert_false(run_job(connection, "lion/io"));
        check(connection);
        (void)lion_connection_close(connection, &error);
        connection = reopen();
        check(connection);
        for (int w = 0; w < WRITERS; w++) assert_int_equal(found[w], acknowledged[w]);
        assert_true(run_job(connection, ""));
        check(connection);
    }
    close_whole(connection);
}

/* The first write of a clean file makes a tail and a root that names it. If that root fails, nothing may be
 * acknowledged into the nameless tail: what comes later must be found without a clean close. */
static void write_after_a_full_disk(void)
{
    lion_error error = { 0 };
    lion_connection *connection = reopen();
    lion_fault_arm("store.commit", 1, "full");
    if (crash_commit(connection, 0, 1, &error) != LION_FAILED) _exit(1);
    if (strcmp(error.code, "lion/disk-full") != 0) _exit(2);
    if (crash_commit(connection, 0, 1, &error) != LION_OK) _exit(3);
    if (crash_commit(connection, 0, 2, &error) != LION_OK) _exit(4);
    _exit(0);
}

static void test_no_tail_without_a_root_that_names_it(void **state)
{
    (void)state;
    int status;
    close_whole(crash_create(folder.file, &from));
    pid_t child = fork();
    if (child == 0) write_after_a_full_disk();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    acknowledged[0] = 2;
    reopen_and_go_on();
}

/* -- A file system that is full ---------------------------------------------------------------- */

static void fill(lion_connection *connection, bool has_jobs, bool *is_full_out)
{
    lion_error error = { 0 };
    *is_full_out = false;
    for (int i = 0; i < 20000 && !*is_full_out; i++) {
        int writer = i % WRITERS;
        lion_status status = crash_commit(connection, writer, acknowledged[writer] + 1, &error);
        if (status == LION_OK) {
            acknowledged[writer]++;
        } else {
            crash_assert_fails(status, &error, LION_UNAVAILABLE, "lion/disk-full");
            *is_full_out = true;
        }
        if (has_jobs && i % 97 == 96) run_job(connection, "lion/disk-full");
    }
}

static void put_filler(const char *path, size_t size)
{
    static uint8_t zeros[4096];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(file >= 0);
    while (size >= sizeof zeros && write(file, zeros, sizeof zeros) == sizeof zeros)
        size -= sizeof zeros;
    close(file);
}

static void fill_and_make_room(bool has_jobs)
{
    char filler[96];
    lion_error error = { 0 };
    snprintf(filler, sizeof filler, "%s/filler", folder.path);
    put_filler(filler, (size_t)9 << 20);
    lion_connection *connection = crash_create(folder.file, &from);
    commit(connection, 20);
    bool is_full = false;
    fill(connection, has_jobs, &is_full);
    assert_true(is_full);
    check(connection);
    if (has_jobs) run_job(connection, "lion/disk-full");
    (void)lion_connection_close(connection, &error);

    unlink(filler);
    connection = reopen();
    check(connection);
    memcpy(acknowledged, found, sizeof found);
    commit(connection, 100);
    assert_true(run_job(connection, ""));
    check(connection);
    close_whole(connection);
}

static void on_a_small_file_system(bool has_jobs)
{
    if (mount("none", folder.path, "tmpfs", 0, "size=12m") != 0) {
        fprintf(stderr, "no small file system (%s): skipped\n", strerror(errno));
        skip();
    }
    fill_and_make_room(has_jobs);
}

static void test_a_disk_fills_up(void **state)
{
    (void)state;
    on_a_small_file_system(false);
}

static void test_a_disk_fills_up_under_index_jobs(void **state)
{
    (void)state;
    on_a_small_file_system(true);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_failed_sync_stops_writing_for_good),
        T(test_who_does_not_wait_hears_of_a_failed_sync),
        T(test_a_failed_write_stops_writing_for_good),
        T(test_a_full_disk_is_named),
        T(test_jobs_outlive_a_full_disk),
        T(test_a_failed_job_loses_nothing),
        T(test_no_tail_without_a_root_that_names_it),
        T(test_a_disk_fills_up),
        T(test_a_disk_fills_up_under_index_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
