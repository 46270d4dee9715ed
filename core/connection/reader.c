/* reader.c - a file read beside its live owner.
 *
 * The reader follows the owner's tail: each look reads what came behind the last group, and nothing else. While the
 * store's edition stays, that is all there is to see. When it has changed, the root may be a newer one, made by an index
 * job or a clean close: the reader moves to it as its owner does, and novelty shrinks. Or another owner has opened
 * the file: then, and whenever the tail does not continue as it should (the owner has recycled what was not
 * read yet), the reader starts again from the root and the whole tail.
 *
 * Starting may meet neither root nor tail as it was, for the owner goes on: a root whose part of the tail
 * is gone, a file that is being replaced. What was read wrongly so is read again, with the root that is newest then;
 * what is wrong each time is wrong. A reader shows what is written, which may be a moment ahead of what is
 * durable, and what it was fed (feed.c), which may be ahead of what is written. */
#include "connection/database.h"

#include <time.h>

#include "base/clock.h"
#include "connection/recover.h"

#define TRIES 60
#define PAUSE_NS_FIRST 100000
#define PAUSE_NS_MAX 5000000

/* Longer each time. */
static void pause_growing(int64_t *pause_ns)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)*pause_ns }, NULL);
    *pause_ns += *pause_ns / 2;
    if (*pause_ns > PAUSE_NS_MAX) *pause_ns = PAUSE_NS_MAX;
}

/* ---- the tail ---- */

static void stop_following(lion_database *database)
{
    lion_log_close(database->log, false, NULL);
    database->log = NULL;
}

static lion_status apply_record(lion_database *database, lion_slice record, lion_arena *arena, lion_error *error)
{
    lion_transaction transaction;
    lion_status status = lion_transaction_decode(&transaction, record, arena, error);
    if (status < 0) return status;
    return lion_recover_transaction(database, &transaction, record, arena, error);
}

/* All that the tail has by now. LION_ABSENT: another owner writes it. Unless it is LION_OK the tail is not followed any
 * more: some of it may have been passed by. */
static lion_status follow_tail(lion_database *database, lion_error *error)
{
    if (database->log == NULL) return LION_OK;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status;
    for (;;) {
        int64_t t = 0;
        lion_slice record;
        uint64_t sequence = 0;
        status = lion_log_replay(database->log, &t, &record, &sequence, error);
        if (status != LION_OK) break;
        lion_arena_reset(&arena);
        if (t > database->applied->basis_t) status = apply_record(database, record, &arena, error);
        if (status < 0) break;
        if (t > database->seen_t) database->seen_t = t;
        database->applied_sequence = sequence;
    }
    lion_arena_deinit(&arena);
    if (status == LION_END) return LION_OK;
    stop_following(database);
    return status;
}

static lion_status open_tail(lion_database *database, const lion_root *root, lion_error *error)
{
    lion_log_options options = lion_database_log_options(database, root, false);
    options.read_only = true;
    options.is_followed = true;
    options.first_t = database->seen_t;
    return lion_log_open(&database->log, database->log_path, &options, error);
}

/* ---- the root ---- */

static void note_root(lion_database *database, const lion_root *root, uint64_t replaced_bytes)
{
    lion_database_note_root(database, root, database->applied->schema, replaced_bytes);
    if (root->t > database->seen_t) database->seen_t = root->t;
}

/* `applied` from the root alone. */
static lion_status take_root(lion_database *database, lion_root *root, lion_error *error)
{
    uint64_t replaced_bytes = database->novelty == NULL ? 0 : lion_novelty_size(database->novelty);
    lion_status status = lion_database_take_root(database, root, error);
    if (status == LION_OK) note_root(database, root, replaced_bytes);
    return status;
}

/* `applied`, which has all that the root has, on the root. */
static lion_status move_to(lion_database *database, lion_root *root, lion_error *error)
{
    const lion_db *db = database->applied;
    if (lion_snapshot_number(db->view.root->snapshot) == lion_snapshot_number(root->snapshot)) return LION_OK;
    uint64_t replaced_bytes = lion_novelty_size(database->novelty);
    lion_novelty *rest = NULL;
    lion_status status = lion_novelty_rest(&rest, &db->view.novelty, root->t, error);
    if (status == LION_OK) status = lion_database_move_to_root(database, root, rest, error);
    if (status == LION_OK) note_root(database, root, replaced_bytes);
    return status;
}

/* ---- looking ---- */

/* What was fed was never seen in the tail, and its owner has gone: perhaps it is lost. Values of that time
 * must not be read in what came instead. */
static void give_up_fed(lion_database *database)
{
    pthread_mutex_lock(&database->state);
    if (database->lossy_t <= database->applied->basis_t) database->lossy_t = database->applied->basis_t + 1;
    pthread_mutex_unlock(&database->state);
}

/* From the root and the whole tail. What is applied already is kept if it can be. */
static lion_status start(lion_database *database, lion_root *root, uint64_t generation, lion_error *error)
{
    const lion_db *applied = database->applied;
    bool is_doubtful =
        applied != NULL && generation != database->seen_generation && applied->basis_t > database->seen_t;
    lion_status status = LION_OK;
    stop_following(database);
    if (is_doubtful) give_up_fed(database);
    if (is_doubtful) database->seen_t = root->t;
    if (is_doubtful || applied == NULL || applied->basis_t < root->t)
        status = take_root(database, root, error);
    else
        status = move_to(database, root, error);
    if (status == LION_OK && root->has_tail) status = open_tail(database, root, error);
    if (status == LION_OK) status = follow_tail(database, error);
    if (status == LION_ABSENT)
        status = lion_fail(error, LION_UNAVAILABLE, "lion/unavailable",
                           "%s is being opened by another owner again and again: try again", database->path);
    if (status == LION_OK) database->seen_generation = generation;
    return status;
}

/* The store has changed, or the tail did not go on as it should. */
static lion_status look_at_root(lion_database *database, lion_error *error)
{
    lion_root *root = NULL;
    lion_status status = lion_root_open(&root, database->store, error);
    if (status < 0) return status;
    uint64_t generation = lion_store_generation(database->store);
    bool is_followed = database->applied != NULL && generation == database->seen_generation &&
                       follow_tail(database, NULL) == LION_OK && database->applied->basis_t >= root->t;
    if (is_followed && root->has_tail == (database->log != NULL))
        status = move_to(database, root, error);
    else
        status = start(database, root, generation, error);
    if (status == LION_OK) database->seen_edition = lion_snapshot_edition(root->snapshot);
    lion_root_drop(root);
    if (status == LION_OK && database->applied->basis_t == 0)
        return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                         "%s holds nothing yet: its owner is just making it; try again", database->path);
    return status;
}

static lion_status look_once(lion_database *database, lion_error *error)
{
    if (database->applied != NULL && lion_store_edition(database->store) == database->seen_edition &&
        follow_tail(database, NULL) == LION_OK)
        return LION_OK;
    return look_at_root(database, error);
}

lion_status lion_reader_look(lion_database *database, lion_error *error)
{
    int64_t pause_ns = PAUSE_NS_FIRST;
    lion_status status = look_once(database, error);
    for (int i = 1; status < 0 && i < TRIES; i++) {
        database->seen_edition = 0;
        pause_growing(&pause_ns);
        status = look_once(database, error);
    }
    if (status == LION_OK) lion_reader_publish(database);
    return status;
}

void lion_reader_publish(lion_database *database)
{
    lion_db *old = NULL;
    pthread_mutex_lock(&database->state);
    if (database->published != database->applied) {
        old = database->published;
        database->published = lion_db_keep(database->applied);
        database->published_sequence = database->applied_sequence;
        pthread_cond_broadcast(&database->changed);
    }
    pthread_mutex_unlock(&database->state);
    lion_db_drop(old);
}

lion_status lion_reader_refresh(lion_database *database, lion_error *error)
{
    pthread_mutex_lock(&database->writer);
    lion_status status = lion_reader_look(database, error);
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
    int64_t start_ns = lion_clock_monotonic_ns(), pause_ns = PAUSE_NS_FIRST;
    for (;;) {
        lion_status status = lion_reader_refresh(database, error);
        if (status < 0 || published_t(database) >= t) return status;
        int64_t waited_ms = (lion_clock_monotonic_ns() - start_ns) / 1000000;
        if (timeout_ms > 0 && waited_ms >= timeout_ms)
            return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                             "the transaction %lld did not arrive within %lld ms", (long long)t,
                             (long long)timeout_ms);
        pause_growing(&pause_ns);
    }
}
