/* database.c - opening and closing what the handles share. */
#include "connection/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "connection/recover.h"

#define LION_NOVELTY_SIZE_MAX (UINT64_C(256) << 20)

static uint64_t next_number(void)
{
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

/* ---- opening ---- */

/* A tail whose file is gone: a new database in its place would have to overwrite it. */
static lion_status check_orphan_tail(const lion_database *database, lion_error *error)
{
    bool is_there = false;
    if (database->is_read_only || database->options.no_create) return LION_OK;
    if (access(database->path, F_OK) == 0 || errno != ENOENT) return LION_OK;
    lion_status status = lion_tail_look(&is_there, database, error);
    if (status < 0 || !is_there) return status;
    return lion_fail_corrupt(error,
                             "the log tail \"%s\" is there and its file \"%s\" is missing: put it back, or move "
                             "the tail away to make a new database",
                             database->log_path, database->path);
}

static lion_status open_store(lion_database *database, lion_error *error)
{
    if (database->is_memory) return lion_store_open_memory(&database->store, error);
    lion_status status = check_orphan_tail(database, error);
    if (status < 0) return status;
    lion_store_options options = { .create = !database->options.no_create,
                                   .read_only = database->is_read_only,
                                   .map_size = database->options.map_size };
    return lion_store_open_file(&database->store, database->path, &options, error);
}

static lion_status open_root(lion_database *database, lion_error *error)
{
    lion_root *root = NULL;
    lion_status status = lion_root_open(&root, database->store, error);
    if (status == LION_OK) status = lion_database_take_root(database, root, error);
    lion_root_drop(root);
    return status;
}

static lion_status recover(lion_database *database, lion_error *error)
{
    const lion_root *root = database->applied->view.root;
    lion_status status = LION_OK;
    if (!root->has_tail && !database->is_memory) status = lion_tail_check_stray(database, root, error);
    if (status == LION_OK && (root->has_tail || root->t == 0)) {
        status = lion_database_prepare_tail(database, error);
        if (status == LION_OK && root->has_tail) status = lion_recover_replay(database, error);
    }
    if (status == LION_OK && database->applied->basis_t == 0)
        status = lion_recover_bootstrap(database, error);
    return status;
}

static lion_status fail_reader_of_memory(lion_error *error)
{
    return lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                     "a new database in memory holds nothing that could be read: open it without read_only");
}

static void free_database(lion_database *database)
{
    lion_db_drop(database->published);
    lion_db_drop(database->applied);
    lion_novelty_drop(database->novelty);
    lion_store_close(database->store);
    pthread_cond_destroy(&database->changed);
    pthread_cond_destroy(&database->commit_work);
    pthread_cond_destroy(&database->index_work);
    pthread_mutex_destroy(&database->state);
    pthread_mutex_destroy(&database->writer);
    lion_queue_deinit(&database->queue);
    lion_free(database->key);
    lion_free(database->path);
    lion_free(database->log_path);
    lion_free(database);
}

static lion_status start_indexer(lion_database *database, lion_error *error)
{
    int code = pthread_create(&database->indexer, NULL, lion_database_indexer_main, database);
    if (code != 0) return lion_fail_errno(error, code, "start the indexer's thread");
    database->has_indexer = true;
    return LION_OK;
}

static void init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &attributes);
    pthread_condattr_destroy(&attributes);
}

lion_status lion_database_open(lion_database **database_out, const char *path,
                               const lion_connection_options *options, lion_error *error)
{
    lion_database *database = lion_zalloc(sizeof *database);
    if (database == NULL) return lion_fail_memory(error);
    database->options = *options;
    if (database->options.novelty_max == 0) database->options.novelty_max = LION_NOVELTY_SIZE_MAX;
    database->is_memory = path == NULL;
    database->is_read_only = options->read_only;
    database->number = next_number();
    pthread_mutex_init(&database->writer, NULL);
    lion_queue_init(&database->queue);
    pthread_mutex_init(&database->state, NULL);
    init_condition(&database->changed);
    init_condition(&database->commit_work);
    init_condition(&database->index_work);
    lion_status status = LION_OK;
    if (path != NULL) {
        database->path = lion_text_join(path, "");
        database->log_path = lion_text_join(path, "-log");
        if (database->path == NULL || database->log_path == NULL) status = lion_fail_memory(error);
    }
    if (status == LION_OK) status = open_store(database, error);
    if (status == LION_OK && database->is_read_only) {
        status = database->is_memory ? fail_reader_of_memory(error) : lion_reader_refresh(database, error);
    } else if (status == LION_OK) {
        status = open_root(database, error);
        if (status == LION_OK) status = recover(database, error);
        if (status == LION_OK)
            lion_database_publish(database, database->applied, database->applied_sequence);
        if (status == LION_OK) {
            lion_database_note_root(database, database->applied->view.root, database->applied->schema, 0);
            status = start_indexer(database, error);
        }
    }
    if (status < 0) {
        if (database->log != NULL) lion_log_close(database->log, false, NULL);
        free_database(database);
        return status;
    }
    *database_out = database;
    return LION_OK;
}

/* ---- closing ---- */

static void stop_indexer(lion_database *database)
{
    if (!database->has_indexer) return;
    pthread_mutex_lock(&database->state);
    database->is_stopping = true;
    pthread_cond_broadcast(&database->changed);
    pthread_cond_signal(&database->index_work);
    pthread_mutex_unlock(&database->state);
    pthread_join(database->indexer, NULL);
    database->has_indexer = false;
}

/* After a clean close an empty tail stays beside the file: whoever looks for the pair finds it, and no opening
 * depends on it (the root says that there is none). */
static void leave_empty_tail(const lion_database *database)
{
    int file = open(database->log_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file >= 0) close(file);
}

lion_status lion_database_close(lion_database *database, lion_error *error)
{
    lion_committer_stop(database);
    stop_indexer(database);
    lion_status status = LION_OK;
    if (database->is_read_only) {
        lion_log_close(database->log, false, NULL);
    } else if (database->log != NULL) {
        bool is_clean = false;
        if (!database->is_memory && !database->is_failed) {
            /* One file is the database: what the tail holds goes into the trees, then the tail is emptied.
             * If that fails the tail stays and nothing is lost. */
            lion_status synced = lion_log_sync(database->log, database->applied_sequence, error);
            if (synced == LION_OK) synced = lion_database_index_once(database, true, error);
            is_clean = synced == LION_OK;
        }
        lion_status closed = lion_log_close(database->log, is_clean, error);
        if (closed < 0 && !is_clean && !database->is_failed) status = closed;
        if (is_clean && closed == LION_OK) leave_empty_tail(database);
    }
    free_database(database);
    return status;
}
