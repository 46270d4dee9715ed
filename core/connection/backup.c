/* backup.c - one clean file out of a live database, and back.
 *
 * A file is backed up by an index job and LMDB's own live copy, whose root then says that no tail goes with it. A
 * memory database is written out by replaying its log into a new file. */
#include "connection/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "connection/database.h"
#include "connection/recover.h"

static lion_status refuse_existing(const char *path, lion_error *error)
{
    char tail[4096];
    struct stat status;
    if (stat(path, &status) == 0)
        return lion_fail(error, LION_CONFLICT, "lion/exists",
                         "%s exists already: choose another path or remove it first", path);
    /* Transactions that are in no file yet, perhaps; an empty tail is what a clean close left. */
    bool fits = snprintf(tail, sizeof tail, "%s-log", path) < (int)sizeof tail;
    if (fits && stat(tail, &status) == 0 && status.st_size > 0)
        return lion_fail(error, LION_CONFLICT, "lion/exists",
                         "%s, a log tail without its file, exists: choose another path or move it away first",
                         tail);
    return LION_OK;
}

/* ---- files ---- */

/* The copy was made of a root that has a tail beside it; it has none. */
static lion_status detach_tail(const char *path, lion_error *error)
{
    lion_store_options options = { 0 };
    lion_store *store = NULL;
    lion_status status = lion_store_open_file(&store, path, &options, error);
    if (status < 0) return status;
    lion_root *root = NULL;
    lion_commit *commit = NULL;
    lion_buffer record;
    lion_buffer_init(&record);
    status = lion_root_open(&root, store, error);
    if (status == LION_OK) {
        lion_root changed = { 0 };
    memcpy(&changed, root, offsetof(lion_root, snapshot)); /* not its references */
        changed.has_tail = false;
        lion_root_encode(&record, &changed);
        status = lion_buffer_check(&record, error);
    }
    if (status == LION_OK) status = lion_commit_begin(&commit, store, error);
    if (status == LION_OK)
        status = lion_commit_finish_take(commit, lion_buffer_view(&record), error);
    lion_buffer_deinit(&record);
    lion_root_drop(root);
    lion_store_close(store);
    return status;
}

static lion_status backup_file(lion_connection *connection, const char *path, lion_error *error)
{
    int64_t t = 0;
    lion_status status = lion_connection_index(&t, connection, error);
    if (status == LION_OK) status = lion_store_copy(connection->database->store, path, error);
    if (status == LION_OK) status = detach_tail(path, error);
    return status;
}

/* ---- memory ---- */

static lion_status replay_into(lion_database *target, lion_tx_range *range, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_buffer record;
    lion_buffer_init(&record);
    lion_status status = lion_database_prepare_tail(target, error);
    while (status == LION_OK) {
        lion_transaction transaction;
        status = lion_tx_range_next(range, &transaction, error);
        if (status != LION_OK) break;
        lion_arena_reset(&arena);
        lion_buffer_clear(&record);
        lion_transaction_encode(&record, &transaction);
        status = lion_buffer_check(&record, error);
        if (status == LION_OK)
            status = lion_recover_transaction(target, &transaction, lion_buffer_view(&record), &arena,
                                              error);
        if (status == LION_OK)
            status = lion_log_append(target->log, transaction.t, lion_buffer_view(&record),
                                     &target->applied_sequence, error);
    }
    if (status == LION_END) {
        status = lion_log_sync(target->log, target->applied_sequence, error);
        lion_database_publish(target, target->applied, target->applied_sequence);
    }
    lion_buffer_deinit(&record);
    lion_arena_deinit(&arena);
    return status;
}

static lion_status backup_memory(lion_connection *connection, const char *path, lion_error *error)
{
    lion_connection_options options = { 0 };
    lion_database *target = NULL;
    lion_status status = lion_database_open(&target, path, &options, error);
    if (status < 0) return status;
    lion_tx_range *range = NULL;
    /* The new database has made its own first transaction already. */
    status = lion_tx_range_open(&range, connection, 2, 0, error);
    if (status == LION_OK) {
        pthread_mutex_lock(&target->writer);
        status = replay_into(target, range, error);
        pthread_mutex_unlock(&target->writer);
    }
    lion_tx_range_close(range);
    lion_status closed = lion_database_close(target, status < 0 ? NULL : error);
    return status < 0 ? status : closed;
}

/* What an opening leaves beside a file: LMDB's table of readers, an emptied tail, half a copy of a closing that died. */
static void remove_companions(const char *path)
{
    char name[4096];
    static const char *const suffixes[] = { "-lock", "-log", "-compact" };
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (snprintf(name, sizeof name, "%s%s", path, suffixes[i]) < (int)sizeof name) unlink(name);
    }
}

lion_status lion_connection_backup(lion_connection *connection, const char *path, lion_error *error)
{
    lion_status status = refuse_existing(path, error);
    if (status < 0) return status;
    status = connection->database->is_memory ? backup_memory(connection, path, error)
                                             : backup_file(connection, path, error);
    remove_companions(path);
    if (status < 0) unlink(path);
    return status;
}

/* ---- restore and delete ---- */

static lion_status copy_bytes(int from, int to, lion_error *error)
{
    static const size_t size = 1 << 20;
    uint8_t *block = lion_alloc(size);
    if (block == NULL) return lion_fail_memory(error);
    lion_status status = LION_OK;
    for (;;) {
        ssize_t got = read(from, block, size);
        if (got < 0) status = lion_fail_errno(error, errno, "read the backup");
        if (got <= 0) break;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(to, block + done, (size_t)(got - done));
            if (put < 0 && errno != EINTR) {
                status = lion_fail_errno(error, errno, "write the restored file");
                break;
            }
            if (put > 0) done += put;
        }
        if (status < 0) break;
    }
    if (status == LION_OK && fsync(to) != 0)
        status = lion_fail_errno(error, errno, "sync the restored file");
    lion_free(block);
    return status;
}

/* Open once: a file that is no database of ours is refused before anyone relies on it. */
static lion_status check_database(const char *path, lion_error *error)
{
    lion_store_options options = { 0 };
    lion_store *store = NULL;
    lion_status status = lion_store_open_file(&store, path, &options, error);
    if (status < 0) return status;
    lion_root *root = NULL;
    status = lion_root_open(&root, store, error);
    lion_root_drop(root);
    lion_store_close(store);
    return status;
}

lion_status lion_connection_restore(const char *backup, const char *path, lion_error *error)
{
    lion_status status = refuse_existing(path, error);
    if (status < 0) return status;
    int from = open(backup, O_RDONLY | O_CLOEXEC);
    if (from < 0) {
        if (errno == ENOENT)
            return lion_fail(error, LION_NOT_FOUND, "lion/not-found", "there is no backup %s", backup);
        return lion_fail_errno(error, errno, backup);
    }
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (to < 0) {
        status = lion_fail_errno(error, errno, path);
        close(from);
        return status;
    }
    status = copy_bytes(from, to, error);
    close(from);
    close(to);
    lion_error why = { 0 };
    if (status == LION_OK && check_database(path, &why) < 0)
        status = lion_fail(error, (lion_category)why.category, why.code, "the backup %s cannot be restored: %s", backup, why.message);
    remove_companions(path);
    if (status < 0) unlink(path);
    return status;
}

lion_status lion_connection_delete(const char *path, lion_error *error)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return lion_fail(error, LION_NOT_FOUND, "lion/not-found", "there is no database %s", path);
    /* Opening takes the owner's lock: a file that somebody holds answers lion/locked. */
    lion_status status = check_database(path, error);
    if (status < 0) return status;
    if (unlink(path) != 0) return lion_fail_errno(error, errno, path);
    remove_companions(path);
    return LION_OK;
}
