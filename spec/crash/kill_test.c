/* kill_test.c - a process that writes from several threads is killed at any moment, again and again
 * on the same file; what it acknowledged is there, the rest is whole or absent. LION_CRASH_ROUNDS:
 * how often. */
#include "crash_support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define ROUNDS 24
#define LIFE_MS_MAX 220
#define UNDER_WAY 7

typedef struct writing {
    lion_connection *connection;
    int writer;
    int64_t next;
    int acknowledgements; /* the pipe's writing end */
} writing;

typedef struct acknowledgement {
    int64_t writer, n;
} acknowledgement;

static void give_up(const lion_error *error)
{
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    _exit(3);
}

/* The last writer has several under way, and waits for the last of them. */
static lion_status commit_some(writing *work, lion_error *error)
{
    if (work->writer < WRITERS - 1)
        return crash_commit(work->connection, work->writer, work->next, error);
    int64_t t = 0, end = work->next + UNDER_WAY;
    lion_status status = LION_OK;
    for (; status == LION_OK && work->next < end; work->next++)
        status = crash_commit_for(work->connection, work->writer, work->next, &t, error);
    work->next--;
    return status == LION_OK ? crash_sync(work->connection, t, error) : status;
}

static void *write_on(void *argument)
{
    writing *work = argument;
    for (;; work->next++) {
        lion_error error = { 0 };
        if (commit_some(work, &error) != LION_OK) give_up(&error);
        acknowledgement news = { .writer = work->writer, .n = work->next };
        if (write(work->acknowledgements, &news, sizeof news) != sizeof news) _exit(4);
    }
    return NULL;
}

/* The trees cover, when a job has ended, what was there when it was asked for. */
static void index_all(lion_connection *connection)
{
    lion_db *db = NULL;
    lion_error error = { 0 };
    if (lion_connection_db(&db, connection, &error) != LION_OK) give_up(&error);
    int64_t basis_t = db->basis_t, t = 0;
    lion_db_drop(db);
    if (lion_connection_index(&t, connection, &error) != LION_OK) give_up(&error);
    if (t < basis_t) {
        fprintf(stderr, "the trees cover %lld, asked for was %lld\n", (long long)t,
                (long long)basis_t);
        _exit(6);
    }
}

/* The child: until it is killed. With index jobs it also has somebody who asks for them without
 * end. */
static void live(const char *path, const int64_t *found, int pipe_in, bool has_jobs)
{
    static writing works[WRITERS];
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    if (crash_open(&connection, path, &error) != LION_OK) give_up(&error);
    for (int w = 0; w < WRITERS; w++) {
        pthread_t thread;
        works[w] = (writing){ connection, w, found[w] + 1, pipe_in };
        if (pthread_create(&thread, NULL, write_on, &works[w]) != 0) _exit(5);
    }
    for (;;) {
        if (has_jobs)
            index_all(connection);
        else
            pause();
    }
}

static void wait_ms(size_t ms)
{
    struct timespec time = { .tv_sec = (time_t)(ms / 1000),
                             .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&time, NULL);
}

/* One life and death; acknowledged[w] becomes the last number that the child told. */
static void run_round(const char *path, const int64_t *found, int64_t *acknowledged, bool has_jobs)
{
    int pipes[2], status;
    assert_int_equal(pipe(pipes), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipes[0]);
        live(path, found, pipes[1], has_jobs);
    }
    close(pipes[1]);
    acknowledgement news;
    bool is_begun = read(pipes[0], &news, sizeof news) == sizeof news;
    if (is_begun) {
        acknowledged[news.writer] = news.n;
        wait_ms(random_below(LIFE_MS_MAX));
    }
    /* A pipe holds 64 KiB: what is not read while the child lives is read when it is dead. */
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status)) fail_msg("the writer ended by itself: %d", WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    while (read(pipes[0], &news, sizeof news) == sizeof news) acknowledged[news.writer] = news.n;
    close(pipes[0]);
}

static lion_connection *reopen(const char *path)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    if (crash_open(&connection, path, &error) != LION_OK)
        fail_msg("%s: %s", error.code, error.message);
    return connection;
}

static void close_whole(lion_connection *connection)
{
    lion_error error = { 0 };
    if (lion_connection_close(connection, &error) != LION_OK)
        fail_msg("%s: %s", error.code, error.message);
}

static void test_acknowledged_means_present(void **state)
{
    (void)state;
    crash_folder folder;
    crash_folder_make(&folder);
    lion_connection *connection = reopen(folder.file);
    assert_int_equal(crash_transact(connection, crash_schema, NULL), LION_OK);
    lion_db *db = NULL;
    assert_int_equal(lion_connection_db(&db, connection, NULL), LION_OK);
    int64_t from = db->basis_t + 1, found[WRITERS] = { 0 };
    lion_db_drop(db);
    close_whole(connection);

    for (uint64_t round = 0, rounds = crash_rounds(ROUNDS); round < rounds; round++) {
        int64_t acknowledged[WRITERS];
        memcpy(acknowledged, found, sizeof found);
        run_round(folder.file, found, acknowledged, round % 3 != 0);
        connection = reopen(folder.file);
        crash_check(connection, from, acknowledged, found);
        if (round % 4 == 1) { /* the trees alone say the same */
            int64_t t = 0;
            assert_int_equal(lion_connection_index(&t, connection, NULL), LION_OK);
            crash_check(connection, from, acknowledged, found);
        }
        close_whole(connection);
    }
    connection = reopen(folder.file);
    crash_check(connection, from, found, found);
    close_whole(connection);
    fprintf(stderr, "%lld transactions outlived their writers\n",
            (long long)(found[0] + found[1] + found[2] + found[3]));
    crash_folder_remove(&folder);
}

/* A child that dies while it makes the file leaves something that opens: nothing, or a database. */
static void test_killed_while_it_is_made(void **state)
{
    (void)state;
    for (uint64_t round = 0, rounds = crash_rounds(ROUNDS); round < rounds; round++) {
        crash_folder folder;
        crash_folder_make(&folder);
        pid_t child = fork();
        if (child == 0) {
            lion_connection *connection = NULL;
            lion_error error = { 0 };
            for (;;) {
                if (crash_open(&connection, folder.file, &error) != LION_OK) give_up(&error);
                if (crash_transact(connection, crash_schema, &error) != LION_OK) give_up(&error);
                if (lion_connection_close(connection, &error) != LION_OK) give_up(&error);
            }
        }
        wait_ms(random_below(40));
        int status;
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status)) fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
        lion_connection *connection = reopen(folder.file);
        assert_int_equal(crash_transact(connection, crash_schema, NULL), LION_OK);
        close_whole(connection);
        crash_folder_remove(&folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acknowledged_means_present),
        cmocka_unit_test(test_killed_while_it_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
