/* database.c - opening and closing what the handles share.
 *
 * A file is clean when its root says it has no tail; it then opens without changing the tail's file, and the
 * tail is made at the first write: first its file, then a root that says it exists, so at no moment does a root
 * promise a tail that was never there. */
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

/* ---- the tail ---- */

lion_log_options lion_database_log_options(const lion_database *database, const lion_root *root, bool create)
{
    lion_log_options options = { .durability = (lion_durability)database->options.durability,
                                 .interval_ms = database->options.interval_ms == 0
                                                    ? 100
                                                    : database->options.interval_ms,
                                 .create = create,
                                 .generation = lion_store_generation(database->store),
                                 .first_t = root->t,
                                 .root_sequence = root->log_sequence,
                                 .root_generation = root->generation };
    memcpy(options.database_id, lion_store_database_id(database->store), 16);
    return options;
}

/* Install the same root with another word about the tail. */
static lion_status commit_root(lion_database *database, const lion_root *root, bool has_tail,
                               lion_error *error)
{
    lion_root changed = { 0 };
    memcpy(&changed, root, offsetof(lion_root, snapshot)); /* not its references */
    changed.has_tail = has_tail;
    lion_buffer record;
    lion_buffer_init(&record);
    lion_root_encode(&record, &changed);
    lion_commit *commit = NULL;
    lion_status status = lion_buffer_check(&record, error);
    if (status == LION_OK) status = lion_commit_begin(&commit, database->store, error);
    if (status == LION_OK)
        status = lion_commit_finish_take(commit, lion_buffer_view(&record), error);
    lion_buffer_deinit(&record);
    return status;
}

/* Whether something lies under the tail's name; an empty file is what a clean close leaves. */
static lion_status look_for_tail(bool *is_there_out, const lion_database *database, lion_error *error)
{
    struct stat info;
    if (stat(database->log_path, &info) != 0) {
        if (errno != ENOENT) return lion_fail_errno(error, errno, database->log_path);
        info.st_size = 0;
    }
    *is_there_out = info.st_size > 0;
    return LION_OK;
}

/* LION_END: the tail holds nothing that the root does not cover. LION_OK: it does. */
static lion_status find_news(const lion_database *database, const lion_root *root, lion_error *error)
{
    lion_log_options options = lion_database_log_options(database, root, false);
    options.read_only = true;
    options.first_t = -1; /* sequences decide */
    options.root_generation = 0;
    lion_log *log = NULL;
    lion_status status = lion_log_open(&log, database->log_path, &options, error);
    uint64_t sequence = 0;
    int64_t t = 0;
    lion_slice payload;
    while (status == LION_OK) {
        status = lion_log_replay(log, &t, &payload, &sequence, error);
        if (status == LION_OK && sequence > root->log_sequence) break;
    }
    lion_log_close(log, false, NULL);
    return status;
}

/* Beside a root without a tail lies what a death between two steps leaves: a tail that no root names yet, or one
 * that is in the trees and not yet removed. Whatever else lies there holds what this file does not, so it is not
 * ours to overwrite. */
static lion_status check_stray_tail(const lion_database *database, const lion_root *root, lion_error *error)
{
    bool is_there = false;
    lion_status status = look_for_tail(&is_there, database, error);
    if (status < 0 || !is_there) return status;
    lion_error why = { 0 };
    status = find_news(database, root, &why);
    if (status == LION_END) return LION_OK;
    if (status == LION_OK)
        return lion_fail_corrupt(error,
                                 "\"%s\" holds transactions that are newer than \"%s\", which was closed without a "
                                 "log tail; put the right two files together, or move the tail away",
                                 database->log_path, database->path);
    if (strcmp(why.code, "lion/corrupt") == 0)
        return lion_fail_corrupt(error, "\"%s\" has no log tail, and what lies beside it is none of its: %s",
                                 database->path, why.message);
    if (error != NULL) *error = why;
    return status;
}

lion_status lion_database_prepare_tail(lion_database *database, lion_error *error)
{
    if (database->log != NULL) return LION_OK;
    if (database->is_memory) return lion_log_open_memory(&database->log, error);
    const lion_root *root = database->applied->view.root;
    lion_status status = LION_OK;
    if (!root->has_tail) {
        status = check_stray_tail(database, root, error);
        if (status < 0) return status;
        if (unlink(database->log_path) != 0 && errno != ENOENT)
            return lion_fail_errno(error, errno, "remove the old tail");
        lion_log_options options = lion_database_log_options(database, root, true);
        status = lion_log_open(&database->log, database->log_path, &options, error);
        if (status == LION_OK) {
            uint64_t sequence = 0;
            int64_t t = 0;
            lion_slice payload;
            status = lion_log_replay(database->log, &t, &payload, &sequence, error);
            LION_ASSERT(status != LION_OK); /* a tail just made is empty */
            if (status == LION_END) status = commit_root(database, root, true, error);
            if (status < 0) { /* nothing may go into a tail that no root names */
                lion_log_close(database->log, true, NULL);
                database->log = NULL;
            }
        }
    } else {
        lion_log_options options = lion_database_log_options(database, root, false);
        status = lion_log_open(&database->log, database->log_path, &options, error);
    }
    return status;
}

/* ---- opening ---- */

/* A tail whose file is gone: a new database in its place would have to overwrite it. */
static lion_status check_orphan_tail(const lion_database *database, lion_error *error)
{
    bool is_there = false;
    if (database->is_read_only || database->options.no_create) return LION_OK;
    if (access(database->path, F_OK) == 0 || errno != ENOENT) return LION_OK;
    lion_status status = look_for_tail(&is_there, database, error);
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

lion_status lion_database_take_root(lion_database *database, lion_root *root, lion_error *error)
{
    lion_novelty_options options = { .node_entries = database->options.node_entries };
    lion_novelty *novelty = NULL;
    lion_status status = lion_novelty_new(&novelty, &options, error);
    if (status < 0) return status;
    lion_schema *schema = NULL;
    status = root->t == 0 ? lion_schema_new(&schema, error) : lion_recover_schema(&schema, root, error);
    int64_t instant_ms = 0;
    if (status == LION_OK && root->t > 0) status = lion_recover_instant(&instant_ms, root, error);
    lion_db *db = NULL;
    if (status == LION_OK) {
        lion_novelty_version version = lion_novelty_seal(novelty);
        status = lion_db_new(&db, root, &version, schema, root->t, root->next_counter, instant_ms,
                             database->number, error);
        lion_novelty_version_release(&version);
    }
    lion_schema_drop(schema);
    if (status < 0) {
        lion_novelty_drop(novelty);
        return status;
    }
    lion_novelty_drop(database->novelty);
    lion_db_drop(database->applied);
    database->novelty = novelty;
    database->applied = db;
    database->applied_sequence = root->log_sequence;
    return LION_OK;
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
    if (!root->has_tail && !database->is_memory) status = check_stray_tail(database, root, error);
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
