/* connection.c - handles on open databases. */
#include "connection/connection.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "connection/registry.h"

/* The folder's real path and the file's name: the same for every way to write it. */
static lion_status canonical_path(char **key_out, const char *path, lion_error *error)
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t size = slash == NULL ? 1 : (slash == path ? 1 : (size_t)(slash - path));
    if (size >= sizeof folder || *name == 0)
        return lion_fail(error, LION_UNAVAILABLE, "lion/io", "\"%s\" is not the path of a file", path);
    memcpy(folder, slash == NULL ? "." : path, size);
    folder[size] = 0;
    if (realpath(folder, real) == NULL) {
        int code = errno;
        if (code == ENOENT)
            return lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                             "the folder %s does not exist: make it first", folder);
        return lion_fail_errno(error, code, folder);
    }
    size_t length = strlen(real) + strlen(name) + 2;
    char *key = lion_alloc(length);
    if (key == NULL) return lion_fail_memory(error);
    memcpy(key, real, strlen(real));
    key[strlen(real)] = '/';
    memcpy(key + strlen(real) + 1, name, strlen(name) + 1);
    *key_out = key;
    return LION_OK;
}

static lion_status open_uri(lion_database **database_out, const char *uri,
                            const lion_connection_options *options, lion_error *error)
{
    if (strncmp(uri, "mem:", 4) == 0) {
        char *key = uri[4] == 0 ? NULL : lion_text_join(uri, "");
        if (uri[4] != 0 && key == NULL) return lion_fail_memory(error);
        if (key != NULL && options->no_create) {
            *database_out = lion_registry_join(key);
            lion_free(key);
            if (*database_out == NULL)
                return lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                                 "there is no database %s in this process", uri);
            return LION_OK;
        }
        return lion_registry_open(database_out, key, NULL, options, error);
    }
    char *key = NULL;
    lion_status status = canonical_path(&key, uri, error);
    if (status < 0) return status;
    char *path = lion_text_join(key, "");
    if (path == NULL) {
        lion_free(key);
        return lion_fail_memory(error);
    }
    status = lion_registry_open(database_out, key, path, options, error);
    lion_free(path);
    return status;
}

lion_status lion_connection_open(lion_connection **connection_out, const char *uri,
                                 const lion_connection_options *options, lion_error *error)
{
    lion_connection_options none = { 0 };
    lion_connection *connection = lion_zalloc(sizeof *connection);
    char *copy = lion_text_join(uri, "");
    if (connection == NULL || copy == NULL) {
        lion_free(connection);
        lion_free(copy);
        return lion_fail_memory(error);
    }
    if (options == NULL) options = &none;
    connection->is_read_only = options->read_only;
    lion_status status = open_uri(&connection->database, uri, options, error);
    if (status == LION_OK && connection->database->is_read_only && !options->read_only) {
        lion_registry_leave(connection->database, NULL);
        status = lion_fail(error, LION_FORBIDDEN, "lion/read-only",
                           "%s is open with read_only in this process: close that connection before one that writes is opened",
                           uri);
    }
    if (status < 0) {
        lion_free(copy);
        lion_free(connection);
        return status;
    }
    connection->uri = copy;
    *connection_out = connection;
    return LION_OK;
}

lion_status lion_connection_join(lion_connection **connection_out, const char *uri, lion_error *error)
{
    bool is_memory = strncmp(uri, "mem:", 4) == 0;
    char *key = is_memory ? lion_text_join(uri, "") : NULL;
    lion_status status = LION_OK;
    if (!is_memory) status = canonical_path(&key, uri, error);
    if (status < 0) return status;
    lion_connection *connection = lion_zalloc(sizeof *connection);
    char *copy = lion_text_join(uri, "");
    if (connection == NULL || copy == NULL || key == NULL) {
        status = lion_fail_memory(error);
    } else {
        connection->database = lion_registry_join(key);
        status = connection->database != NULL ? LION_OK : LION_ABSENT;
    }
    lion_free(key);
    if (status != LION_OK) {
        lion_free(copy);
        lion_free(connection);
        return status;
    }
    connection->uri = copy;
    *connection_out = connection;
    return LION_OK;
}

lion_status lion_connection_close(lion_connection *connection, lion_error *error)
{
    if (connection == NULL) return LION_OK;
    lion_status status = lion_registry_leave(connection->database, error);
    lion_free(connection->uri);
    lion_free(connection);
    return status;
}

const char *lion_connection_uri(const lion_connection *connection) { return connection->uri; }

lion_status lion_connection_db(lion_db **db_out, lion_connection *connection, lion_error *error)
{
    (void)error;
    lion_database *database = connection->database;
    pthread_mutex_lock(&database->state);
    *db_out = lion_db_keep(database->published);
    pthread_mutex_unlock(&database->state);
    return LION_OK;
}

lion_status lion_connection_sync(lion_db **db_out, lion_connection *connection, int64_t t,
                                 int64_t timeout_ms, lion_error *error)
{
    lion_database *database = connection->database;
    if (database->is_read_only) {
        lion_status status = lion_reader_wait(database, t, timeout_ms, error);
        return status < 0 ? status : lion_connection_db(db_out, connection, error);
    }
    int64_t until_ns = lion_clock_deadline_ns(timeout_ms);
    struct timespec until = { .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000 };
    int code = 0;
    pthread_mutex_lock(&database->state);
    while (database->published->basis_t < t && code == 0 && !database->is_failed) {
        code = timeout_ms <= 0
                   ? pthread_cond_wait(&database->changed, &database->state)
                   : pthread_cond_timedwait(&database->changed, &database->state, &until);
    }
    bool is_there = database->published->basis_t >= t;
    if (is_there) *db_out = lion_db_keep(database->published);
    pthread_mutex_unlock(&database->state);
    if (is_there) return LION_OK;
    lion_status failed = lion_database_check(database, error);
    if (failed < 0) return failed;
    return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                     "the transaction %lld did not arrive within %lld ms", (long long)t,
                     (long long)timeout_ms);
}

lion_status lion_connection_index(int64_t *t_out, lion_connection *connection, lion_error *error)
{
    lion_status status = lion_database_check_reentry(connection->database, "ask for an index job", error);
    if (status == LION_OK) status = lion_database_index_wait(connection->database, error);
    if (status < 0) return status;
    /* The published value may have been made before the job ended: the applied one stands on the new root. */
    pthread_mutex_lock(&connection->database->writer);
    *t_out = connection->database->applied->view.root->t;
    pthread_mutex_unlock(&connection->database->writer);
    return LION_OK;
}

lion_status lion_connection_stats_read(lion_connection_stats *stats_out, lion_connection *connection,
                                       lion_error *error)
{
    lion_database *database = connection->database;
    lion_store_stats store = { 0 };
    lion_status status = lion_database_check_reentry(database, "ask for statistics", error);
    if (status == LION_OK) status = lion_store_stats_read(&store, database->store, error);
    if (status < 0) return status;
    pthread_mutex_lock(&database->state);
    lion_db *db = lion_db_keep(database->published);
    *stats_out = (lion_connection_stats){ .basis_t = db->basis_t,
                                          .indexed_t = db->view.root->t,
                                          .novelty_datoms = db->view.novelty.datoms,
                                          .file_bytes = store.bytes_file,
                                          .segments = store.segments,
                                          .index_jobs = database->index_jobs,
                                          .index_ms = database->index_ns / 1000000,
                                          .is_indexing = database->is_indexing };
    pthread_mutex_unlock(&database->state);
    if (db->view.novelty.novelty != NULL)
        stats_out->novelty_bytes = lion_novelty_size(db->view.novelty.novelty);
    lion_root_kept(db->view.root, &stats_out->kept_leaves, &stats_out->kept_bytes);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_key all = { .parts = 0 };
    status = lion_view_count(&stats_out->datoms, &db->view, LION_EAVT, &all, &arena, error);
    lion_arena_deinit(&arena);
    lion_db_drop(db);
    pthread_mutex_lock(&database->writer);
    stats_out->transactions = database->transactions;
    if (database->log != NULL) stats_out->tail_bytes = lion_log_size(database->log);
    if (database->log != NULL) lion_log_syncs(database->log, &stats_out->syncs, &stats_out->sync_ns);
    pthread_mutex_unlock(&database->writer);
    return status;
}

lion_status lion_tx_range_open(lion_tx_range **range_out, lion_connection *connection, int64_t from,
                               int64_t to, lion_error *error)
{
    lion_db *db = NULL;
    lion_status status = lion_connection_db(&db, connection, error);
    if (status == LION_OK) status = lion_db_tx_range(range_out, db, from, to, error);
    lion_db_drop(db);
    return status;
}
