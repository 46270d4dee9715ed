/* transacting.c - one transaction from its data to its report.
 *
 * The writer's lock is held from open until the transaction is applied and appended to the tail; the wait for
 * the disk happens after it is released, so the next transactions are applied while this one's group syncs. Before it
 * lets go, the writer does the work of those who wait in the queue (all but what needs their host), waits
 * for the disk for all of them and wakes them: each has slept once. Who does not want to wait leaves that to the
 * committer's thread. */
#include "connection/database.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/bootstrap.h"

/* How many a writer serves before it goes to the disk. */
#define LION_SERVED_MAX 256

struct lion_transacting {
    lion_waiter waiter;
    lion_database *database;
    const lion_form *ops;       /* borrowed until done */
    lion_tx_options options;
    int64_t deadline_ns;        /* of the monotonic clock, for all that comes before it is applied; 0: none */
    lion_arena arena;           /* of the whole transaction; the report's bytes too */
    lion_tx *tx;                /* NULL when answered by an earlier transaction of the same id */
    bool is_writer;             /* it is its turn, and it must leave the queue */
    bool needs_host;            /* a writer tried to serve it and could not */
    bool is_done;
    lion_report report;         /* db values owned */
    uint64_t sequence;          /* in the tail */
    lion_status served;         /* by a writer: how it ended, and why */
    lion_error failure;
    lion_transacting *next_served;
};

static void become_writer(lion_transacting *transacting)
{
    lion_database *database = transacting->database;
    transacting->is_writer = true;
    pthread_mutex_lock(&database->writer);
    __atomic_store_n(&database->writing_thread, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&database->is_transacting, true, __ATOMIC_RELEASE);
}

static void release_writer(lion_transacting *transacting)
{
    if (!transacting->is_writer) return;
    transacting->is_writer = false;
    __atomic_store_n(&transacting->database->is_transacting, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&transacting->database->writer);
    lion_queue_leave(&transacting->database->queue);
}

static lion_status fail_late(const lion_transacting *transacting, lion_error *error)
{
    return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                     "the transaction could not be applied within its timeout of %lld ms, and nothing was written: "
                     "give it more time, or do less in it",
                     (long long)transacting->options.timeout_ms);
}

/* What is not applied yet can be given up. */
static lion_status check_time(const lion_transacting *transacting, lion_error *error)
{
    bool is_late = transacting->deadline_ns != 0 && lion_clock_monotonic_ns() > transacting->deadline_ns;
    return is_late ? fail_late(transacting, error) : LION_OK;
}

/* ---- an id that was seen before ---- */

static lion_status report_of_earlier(lion_transacting *transacting, lion_db *db, int64_t t,
                                     lion_error *error)
{
    lion_transaction *transaction = &transacting->report.transaction;
    lion_status status = lion_transaction_at(transaction, db, t, &transacting->arena, error);
    if (status < 0) return status;
    transaction->datoms = NULL;
    transaction->datom_count = 0;
    transacting->report.tx = lion_t_to_tx(t);
    if (transacting->options.without_values) return LION_OK;
    transacting->report.db_before = lion_db_keep(db);
    transacting->report.db_after = lion_db_keep(db);
    return LION_OK;
}

/* LION_OK: a transaction with this id is there, and the report stands. LION_ABSENT: go on. */
static lion_status find_earlier(lion_transacting *transacting, lion_error *error)
{
    lion_status status = lion_database_seal(transacting->database, error);
    if (status < 0) return status;
    lion_db *db = transacting->database->applied;
    lion_value id = lion_value_bytes(LION_TYPE_UUID, lion_slice_of(transacting->options.id, 16));
    int64_t tx = 0;
    status =
        lion_view_find(&tx, NULL, &db->view, LION_ID_TX_ID, id, &transacting->arena, error);
    if (status != LION_OK) return status;
    db = lion_db_keep(db);
    uint64_t sequence = transacting->database->applied_sequence;
    release_writer(transacting);
    /* The first one may not be durable yet: its report is promised only when it is. */
    status = transacting->database->log == NULL
                 ? LION_OK
                 : lion_log_sync(transacting->database->log, sequence, error);
    if (status == LION_OK) status = report_of_earlier(transacting, db, lion_tx_to_t(tx), error);
    lion_db_drop(db);
    if (status == LION_OK) transacting->is_done = true;
    return status;
}

/* ---- open ---- */

static lion_status open_tx(lion_transacting *transacting, lion_error *error)
{
    lion_database *database = transacting->database;
    lion_tx_options chosen = transacting->options;
    if (chosen.now_ms == 0) chosen.now_ms = lion_clock_instant_ms();
    if (chosen.datoms_max == 0) chosen.datoms_max = database->options.datoms_max;
    return lion_tx_open(&transacting->tx, database->applied, transacting->ops, &chosen, &transacting->arena,
                        error);
}

static void close_tx(lion_transacting *transacting)
{
    lion_tx_close(transacting->tx);
    transacting->tx = NULL;
    lion_arena_reset(&transacting->arena);
}

static lion_status begin(lion_transacting *transacting, lion_error *error)
{
    lion_database *database = transacting->database;
    lion_status status = lion_database_check(database, error);
    if (status < 0) return status;
    status = lion_database_admit(database, transacting->deadline_ns, error);
    if (check_time(transacting, error) < 0) return LION_FAILED; /* rather than busy */
    if (status == LION_OK && transacting->options.has_id) {
        status = find_earlier(transacting, error);
        if (status == LION_OK || status < 0) return status;
        status = LION_OK;
    }
    return status == LION_OK ? open_tx(transacting, error) : status;
}

/* Wait for the turn and begin, or have it done by a writer. */
static lion_status enter(lion_transacting *transacting, lion_error *error)
{
    lion_queue *queue = &transacting->database->queue;
    switch (lion_queue_enter(queue, &transacting->waiter, transacting->deadline_ns)) {
    case LION_TURN_WRITE: become_writer(transacting); return begin(transacting, error);
    case LION_TURN_LATE: return fail_late(transacting, error);
    default: break;
    }
    if (transacting->served < 0 && error != NULL) *error = transacting->failure;
    transacting->is_done = transacting->served == LION_OK;
    return transacting->served;
}

lion_status lion_transacting_open(lion_transacting **transacting_out, lion_connection *connection,
                                  const lion_form *ops, const lion_tx_options *options,
                                  lion_error *error)
{
    lion_database *database = connection->database;
    if (connection->is_read_only)
        return lion_fail(error, LION_FORBIDDEN, "lion/read-only",
                         "%s was opened with read_only: connect without it to transact",
                         connection->uri);
    lion_status status = lion_database_check_reentry(database, "transact", error);
    if (status < 0) return status;
    lion_transacting *transacting = lion_zalloc(sizeof *transacting);
    if (transacting == NULL) return lion_fail_memory(error);
    transacting->database = database;
    transacting->ops = ops;
    if (options != NULL) transacting->options = *options;
    if (transacting->options.timeout_ms > 0) transacting->deadline_ns = lion_clock_deadline_ns(transacting->options.timeout_ms);
    if (transacting->options.without_waiting) {
        transacting->options.without_values = true;
        status = lion_committer_start(database, error);
    }
    lion_arena_init(&transacting->arena, 0);
    transacting->waiter.work = transacting;
    if (status == LION_OK) status = enter(transacting, error);
    if (status < 0) {
        lion_transacting_close(transacting);
        return status;
    }
    *transacting_out = transacting;
    return LION_OK;
}

/* ---- commit ---- */

/* Apply and append, holding the writer's lock. leaves_open: others follow, see lion_database_apply. After an apply whose append failed novelty holds what the tail
 * does not: writing stops for good. */
static lion_status commit(lion_transacting *transacting, bool leaves_open, lion_error *error)
{
    lion_database *database = transacting->database;
    const lion_tx_result *result = lion_tx_result_view(transacting->tx);
    bool has_values = !transacting->options.without_values;
    lion_status status = lion_database_prepare_tail(database, error);
    if (status == LION_OK && has_values) status = lion_database_seal(database, error);
    if (status < 0) return status;

    lion_buffer record;
    lion_buffer_init(&record);
    lion_transaction recorded = result->transaction;
    if (!recorded.has_id) recorded.tempid_count = 0;
    lion_transaction_encode(&record, &recorded);
    status = lion_buffer_check(&record, error);
    lion_db *before = has_values ? lion_db_keep(database->applied) : NULL;
    if (status == LION_OK) {
        status = lion_database_apply(database, &result->transaction, result->is_in_avet,
                                     result->schema_after, result->newly_indexed,
                                     result->newly_indexed_count, lion_buffer_view(&record),
                                     leaves_open && !has_values, error);
    }
    if (status == LION_OK) {
        lion_error why = { 0 };
        status = lion_log_append(database->log, result->transaction.t, lion_buffer_view(&record),
                                 &transacting->sequence, &why);
        if (status < 0) {
            if (error != NULL) *error = why;
            status = lion_database_fail(database, &why);
        }
    }
    lion_buffer_deinit(&record);
    if (status < 0) {
        lion_db_drop(before);
        return status;
    }
    database->applied_sequence = transacting->sequence;
    transacting->report.db_before = before;
    transacting->report.db_after = has_values ? lion_db_keep(database->applied) : NULL;
    transacting->report.transaction = result->transaction;
    transacting->report.tx = lion_t_to_tx(result->transaction.t);
    return LION_OK;
}

/* ---- those who wait ---- */

/* May a writer do it all? A transaction with an id may have to wait for the disk, a full novelty for the indexer. */
static bool can_serve(const lion_transacting *waiting)
{
    return !waiting->needs_host && !waiting->options.has_id &&
           lion_database_has_room(waiting->database);
}

/* Of the first who waits. LION_CALL: its own thread must do it. */
static lion_status serve(lion_transacting *waiting)
{
    lion_error *error = &waiting->failure;
    lion_status status = lion_database_check(waiting->database, error);
    if (status == LION_OK) status = check_time(waiting, error);
    if (status == LION_OK) status = open_tx(waiting, error);
    if (status == LION_OK) status = lion_tx_step(waiting->tx, error);
    if (status == LION_OK) status = check_time(waiting, error);
    if (status == LION_CALL) {
        close_tx(waiting);
        waiting->needs_host = true;
        return status;
    }
    return status == LION_OK ? commit(waiting, true, error) : status;
}

/* Serve who waits, in order, while it can be done here. The served ones, the last of them first. */
static lion_transacting *serve_queue(lion_transacting *writer)
{
    lion_queue *queue = &writer->database->queue;
    lion_transacting *served = NULL;
    for (size_t count = 0; count < LION_SERVED_MAX; count++) {
        lion_waiter *first = lion_queue_claim(queue);
        if (first == NULL) break;
        lion_transacting *waiting = first->work;
        lion_status status = waiting != NULL && can_serve(waiting) ? serve(waiting) : LION_CALL;
        if (status == LION_CALL) {
            lion_queue_let_go(queue);
            break;
        }
        lion_queue_take(queue);
        waiting->served = status;
        if (waiting->options.without_waiting) {
            lion_waiter_wake(first); /* it is gone */
            continue;
        }
        waiting->next_served = served;
        served = waiting;
    }
    return served;
}

/* Wake the served ones; those that were applied share the fate of their group. */
static void wake_served(lion_transacting *served, lion_status status, const lion_error *why)
{
    while (served != NULL) {
        lion_transacting *next = served->next_served;
        if (status < 0 && served->served == LION_OK) {
            served->served = status;
            served->failure = *why;
        }
        lion_waiter_wake(&served->waiter);
        served = next;
    }
}

/* The writer of a group serves who waits, lets go, and waits for the disk. */
static lion_status finish_group(lion_transacting *transacting, lion_error *error)
{
    lion_database *database = transacting->database;
    lion_error why = { 0 };
    lion_transacting *served = serve_queue(transacting);
    lion_status status = lion_database_seal(database, &why);
    lion_db *newest = lion_db_keep(database->applied);
    uint64_t sequence = database->applied_sequence;
    release_writer(transacting);

    if (status == LION_OK) status = lion_log_sync(database->log, sequence, &why);
    if (status == LION_OK) {
        lion_database_publish(database, newest, sequence);
        transacting->is_done = true;
    } else {
        if (error != NULL) *error = why;
        lion_database_fail(database, &why);
    }
    lion_db_drop(newest);
    wake_served(served, status, &why);
    return status;
}

/* A function is called on a value that it may keep, and specs look at the value after, so the transaction begins
 * again on one that is sealed. */
static lion_status begin_on_sealed(lion_transacting *transacting, lion_error *error)
{
    close_tx(transacting);
    lion_status status = lion_database_seal(transacting->database, error);
    if (status == LION_OK) status = open_tx(transacting, error);
    return status == LION_OK ? lion_tx_step(transacting->tx, error) : status;
}

lion_status lion_transacting_step(lion_transacting *transacting, lion_error *error)
{
    if (transacting->is_done) return LION_OK;
    LION_ASSERT(transacting->is_writer);
    lion_database *database = transacting->database;
    lion_status status = check_time(transacting, error);
    if (status == LION_OK) status = lion_tx_step(transacting->tx, error);
    if (status == LION_CALL && database->applied->is_open)
        status = begin_on_sealed(transacting, error);
    if (status == LION_OK) status = check_time(transacting, error);
    if (status != LION_OK) return status;
    bool is_waiting = !transacting->options.without_waiting;
    status = commit(transacting, !is_waiting || lion_queue_has_waiters(&database->queue), error);
    if (status < 0 || !is_waiting) {
        transacting->is_done = status == LION_OK;
        release_writer(transacting);
        if (status == LION_OK && !transacting->options.without_committing) lion_committer_want(database);
        return status;
    }
    return finish_group(transacting, error);
}

lion_call *lion_transacting_call(lion_transacting *transacting)
{
    return lion_tx_call(transacting->tx);
}

const lion_transaction *lion_transacting_pending(const lion_transacting *transacting)
{
    return lion_tx_pending(transacting->tx);
}

const lion_report *lion_transacting_report(const lion_transacting *transacting)
{
    LION_ASSERT(transacting->is_done);
    return &transacting->report;
}

void lion_transacting_close(lion_transacting *transacting)
{
    if (transacting == NULL) return;
    if (transacting->tx != NULL) lion_tx_close(transacting->tx);
    release_writer(transacting);
    lion_db_drop(transacting->report.db_before);
    lion_db_drop(transacting->report.db_after);
    lion_arena_deinit(&transacting->arena);
    lion_free(transacting);
}
