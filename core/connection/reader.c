/* reader.c - a file read beside its live owner.
 *
 * The owner goes on writing trees and tail meanwhile, so a reading of both may meet neither as it was: a root whose part of
 * the tail has been recycled since, a group that is half written. What was read wrongly so is read again, with
 * the root that is newest then; what is wrong each time is wrong. A reader shows what is written, which
 * may be a moment ahead of what is durable. */
#include "connection/database.h"

#include <time.h>

#include "base/clock.h"
#include "connection/recover.h"

#define TRIES 40
#define PAUSE_MS 5

static void pause_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

/* The tail behind a root: what is newer than the applied value is applied. */
static lion_status follow_tail(lion_database *database, const lion_root *root, lion_error *error)
{
    lion_log_options options = lion_database_log_options(database, root, false);
    options.read_only = true;
    options.first_t = database->applied->basis_t;
    lion_status status = lion_log_open(&database->log, database->log_path, &options, error);
    if (status < 0) return status;
    status = lion_recover_replay(database, error);
    lion_log_close(database->log, false, NULL);
    database->log = NULL;
    return status;
}

static lion_status read_once(lion_database *database, lion_error *error)
{
    lion_root *root = NULL;
    lion_status status = lion_root_open(&root, database->store, error);
    if (status < 0) return status;
    if (database->applied == NULL || root->t > database->applied->basis_t)
        status = lion_database_take_root(database, root, error);
    if (status == LION_OK && root->has_tail) status = follow_tail(database, root, error);
    lion_root_drop(root);
    if (status == LION_OK && database->applied->basis_t == 0)
        return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                         "%s holds nothing yet: its owner is just making it; try again", database->path);
    return status;
}

lion_status lion_reader_refresh(lion_database *database, lion_error *error)
{
    pthread_mutex_lock(&database->writer);
    lion_status status = read_once(database, error);
    for (int i = 1; status < 0 && i < TRIES; i++) {
        pause_ms(PAUSE_MS);
        status = read_once(database, error);
    }
    if (status == LION_OK)
        lion_database_publish(database, database->applied, database->applied_sequence);
    pthread_mutex_unlock(&database->writer);
    return status;
}

static int64_t published_t(lion_database *database)
{
    pthread_mutex_lock(&database->state);
    int64_t t = database->published->basis_t;
    pthread_mutex_unlock(&database->state);
    return t;
}

lion_status lion_reader_wait(lion_database *database, int64_t t, int64_t timeout_ms, lion_error *error)
{
    int64_t start_ns = lion_clock_monotonic_ns();
    for (;;) {
        lion_status status = lion_reader_refresh(database, error);
        if (status < 0 || published_t(database) >= t) return status;
        int64_t waited_ms = (lion_clock_monotonic_ns() - start_ns) / 1000000;
        if (timeout_ms > 0 && waited_ms >= timeout_ms)
            return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                             "the transaction %lld did not arrive within %lld ms", (long long)t,
                             (long long)timeout_ms);
        pause_ms(PAUSE_MS);
    }
}
