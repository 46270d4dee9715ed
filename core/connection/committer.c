/* committer.c - the thread that makes durable what nobody waits for.
 *
 * A transaction without_waiting is applied and in the tail's open group when its call returns. The committer
 * takes its turn among those who transact, seals what was applied so far, and waits for the disk while the next
 * transactions are applied: so one thread may have many commits under way, and they share their syncs. */
#include "connection/database.h"

static lion_status commit_applied(lion_database *database, lion_error *error)
{
    lion_waiter waiter = { 0 };
    lion_queue_enter(&database->queue, &waiter, 0); /* nobody does this for it: it comes back as the writer */
    pthread_mutex_lock(&database->writer);
    lion_status status = lion_database_seal(database, error);
    lion_db *newest = lion_db_keep(database->applied);
    uint64_t sequence = database->applied_sequence;
    pthread_mutex_unlock(&database->writer);
    lion_queue_leave(&database->queue);
    if (status == LION_OK) status = lion_log_sync(database->log, sequence, error);
    if (status == LION_OK) lion_database_publish(database, newest, sequence);
    lion_db_drop(newest);
    return status;
}

lion_status lion_connection_commit(lion_connection *connection, lion_error *error)
{
    lion_database *database = connection->database;
    lion_status status = lion_database_check_reentry(database, "commit", error);
    if (status == LION_OK) status = lion_database_check(database, error);
    if (status < 0 || database->log == NULL) return status;
    status = commit_applied(database, error);
    if (status < 0) lion_database_fail(database, error);
    return status;
}

static void *run_committer(void *argument)
{
    lion_database *database = argument;
    pthread_mutex_lock(&database->state);
    for (;;) {
        if (!__atomic_exchange_n(&database->is_commit_wanted, false, __ATOMIC_ACQ_REL)) {
            if (database->is_committer_stopping) break;
            pthread_cond_wait(&database->commit_work, &database->state);
            continue;
        }
        pthread_mutex_unlock(&database->state);
        lion_error why = { 0 };
        if (commit_applied(database, &why) < 0) lion_database_fail(database, &why);
        pthread_mutex_lock(&database->state);
    }
    pthread_mutex_unlock(&database->state);
    return NULL;
}

lion_status lion_committer_start(lion_database *database, lion_error *error)
{
    if (__atomic_load_n(&database->has_committer, __ATOMIC_ACQUIRE)) return LION_OK;
    int code = 0;
    pthread_mutex_lock(&database->state);
    if (!database->has_committer) {
        code = pthread_create(&database->committer, NULL, run_committer, database);
        if (code == 0) __atomic_store_n(&database->has_committer, true, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&database->state);
    return code == 0 ? LION_OK : lion_fail_errno(error, code, "start the committer's thread");
}

void lion_committer_want(lion_database *database)
{
    if (__atomic_exchange_n(&database->is_commit_wanted, true, __ATOMIC_ACQ_REL)) return;
    pthread_mutex_lock(&database->state); /* it has not begun to wait, or it waits */
    pthread_cond_signal(&database->commit_work);
    pthread_mutex_unlock(&database->state);
}

void lion_committer_stop(lion_database *database)
{
    if (!database->has_committer) return;
    pthread_mutex_lock(&database->state);
    database->is_committer_stopping = true;
    pthread_cond_signal(&database->commit_work);
    pthread_mutex_unlock(&database->state);
    pthread_join(database->committer, NULL);
    database->has_committer = false;
}
