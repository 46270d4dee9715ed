/* backup.c - one clean file out of a live database, and back.
 *
 * A file is backed up by an index job and LMDB's own live copy, whose root then says that no tail goes with it. A
 * reader beside an owner copies what the owner has indexed, and then replays what is newer; a memory database is
 * written out by replaying its whole log into a new file.
 *
 * What is made has another name until it is whole and durable: whoever finds a backup finds all of it. */
#define _GNU_SOURCE /* renameat2 */
#include "connection/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "connection/database.h"
#include "connection/recover.h"
#include "store/file.h"

/* ---- names ---- */

static lion_status fail_existing(const char *path, lion_error *error)
{
    return lion_fail(error, LION_CONFLICT, "lion/exists",
                     "%s exists already: choose another path or remove it first", path);
}

static lion_status refuse_existing(const char *path, lion_error *error)
{
    char tail[4096];
    struct stat status;
    if (stat(path, &status) == 0) return fail_existing(path, error);
    /* Transactions that are in no file yet, perhaps; an empty tail is what a clean close left. */
    bool fits = snprintf(tail, sizeof tail, "%s-log", path) < (int)sizeof tail;
    if (fits && stat(tail, &status) == 0 && status.st_size > 0)
        return lion_fail(error, LION_CONFLICT, "lion/exists",
                         "%s, a log tail without its file, exists: choose another path or move it away first",
                         tail);
    return LION_OK;
}

static lion_status check_folder(const char *path, lion_error *error)
{
    const char *slash = strrchr(path, '/');
    struct stat status;
    if (slash == NULL || slash == path) return LION_OK;
    char *folder = lion_text_join(path, "");
    if (folder == NULL) return lion_fail_memory(error);
    folder[slash - path] = '\0';
    lion_status result = LION_OK;
    if (stat(folder, &status) != 0)
        result = errno == ENOENT ? lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                                             "the folder %s does not exist: make it first", folder)
                                 : lion_fail_errno(error, errno, folder);
    lion_free(folder);
    return result;
}

/* What is made for `path`, until it is whole: a name that nobody else uses. */
static lion_status begin_file(char **partial_out, const char *path, lion_error *error)
{
    static uint32_t number; /* atomic */
    char suffix[64];
    lion_status status = check_folder(path, error);
    if (status == LION_OK) status = refuse_existing(path, error);
    if (status < 0) return status;
    snprintf(suffix, sizeof suffix, "-partial-%ld-%u", (long)getpid(),
             __atomic_add_fetch(&number, 1, __ATOMIC_RELAXED));
    char *partial = lion_text_join(path, suffix);
    if (partial == NULL) return lion_fail_memory(error);
    *partial_out = partial;
    return LION_OK;
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

/* Never over a file that came meanwhile; where the file system cannot promise that, after another look. */
static lion_status put_in_place(const char *partial, const char *path, lion_error *error)
{
    int code = renameat2(AT_FDCWD, partial, AT_FDCWD, path, RENAME_NOREPLACE) == 0 ? 0 : errno;
    if (code == EINVAL || code == ENOSYS) {
        lion_status status = refuse_existing(path, error);
        if (status < 0) return status;
        code = rename(partial, path) == 0 ? 0 : errno;
    }
    if (code == EEXIST) return fail_existing(path, error);
    if (code != 0) return lion_file_fail(error, code, "put in place", path);
    return lion_file_sync_folder(path, error);
}

/* Takes partial, and the file it names unless it was put in place. */
static lion_status end_file_take(char *partial, const char *path, lion_status status, lion_error *error)
{
    remove_companions(partial);
    if (status == LION_OK) status = put_in_place(partial, path, error);
    if (status < 0) unlink(partial);
    lion_free(partial);
    return status;
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

static lion_status copy_file(lion_connection *connection, const char *path, lion_error *error)
{
    lion_status status = lion_store_copy(connection->database->store, path, error);
    return status == LION_OK ? detach_tail(path, error) : status;
}

static lion_status backup_owned(lion_connection *connection, const char *path, lion_error *error)
{
    int64_t t = 0;
    lion_status status = lion_connection_index(&t, connection, error);
    return status == LION_OK ? copy_file(connection, path, error) : status;
}

/* ---- by replaying a log ---- */

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

/* Whatever the connection knows and the file at path does not yet; a file that is not there begins with nothing. */
static lion_status append_log(lion_connection *connection, const char *path, lion_error *error)
{
    lion_connection_options options = { 0 };
    lion_database *target = NULL;
    lion_status status = lion_database_open(&target, path, &options, error);
    if (status < 0) return status;
    lion_tx_range *range = NULL;
    /* A new database has made its own first transaction already. */
    status = lion_tx_range_open(&range, connection, target->applied->basis_t + 1, 0, error);
    if (status == LION_OK) {
        pthread_mutex_lock(&target->writer);
        status = replay_into(target, range, error);
        pthread_mutex_unlock(&target->writer);
    }
    lion_tx_range_close(range);
    lion_status closed = lion_database_close(target, status < 0 ? NULL : error);
    return status < 0 ? status : closed;
}

/* In this order: what the owner indexes between the two steps is in one of them at least. */
static lion_status backup_read_only(lion_connection *connection, const char *path, lion_error *error)
{
    lion_status status = copy_file(connection, path, error);
    if (status == LION_OK) status = lion_reader_refresh(connection->database, error);
    return status == LION_OK ? append_log(connection, path, error) : status;
}

lion_status lion_connection_backup(lion_connection *connection, const char *path, lion_error *error)
{
    char *partial = NULL;
    lion_status status = begin_file(&partial, path, error);
    if (status < 0) return status;
    if (connection->database->is_memory)
        status = append_log(connection, partial, error);
    else if (connection->database->is_read_only)
        status = backup_read_only(connection, partial, error);
    else
        status = backup_owned(connection, partial, error);
    return end_file_take(partial, path, status, error);
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

/* A backup is opened once before anyone relies on it: the copy of it, since it may lie where nothing can be written. */
static lion_status check_copy(const char *copy, const char *backup, lion_error *error)
{
    lion_store_options options = { 0 };
    lion_store *store = NULL;
    lion_root *root = NULL;
    lion_error why = { 0 };
    lion_status status = lion_store_open_file(&store, copy, &options, &why);
    if (status == LION_OK) status = lion_root_open(&root, store, &why);
    bool has_tail = status == LION_OK && root->has_tail;
    lion_root_drop(root);
    lion_store_close(store);
    if (status < 0 && why.category == LION_FAULT)
        return lion_fail_corrupt(error, "%s is not a Lion database, or it is damaged", backup);
    if (status < 0) return lion_fail(error, why.category, why.code, "%s: %s", backup, why.message);
    if (has_tail)
        return lion_fail(error, LION_INCORRECT, "lion/not-a-backup",
                         "%s is no backup but a database that is open or was not closed, its newest "
                         "transactions in a file beside it: make a backup of it, or open and close it first",
                         backup);
    return LION_OK;
}

static lion_status open_backup(int *file_out, const char *backup, lion_error *error)
{
    int file = open(backup, O_RDONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        return lion_fail(error, LION_NOT_FOUND, "lion/not-found", "there is no backup %s", backup);
    if (file < 0) return lion_fail_errno(error, errno, backup);
    struct stat status;
    if (fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(file);
        return lion_fail(error, LION_INCORRECT, "lion/io", "%s is not a regular file", backup);
    }
    *file_out = file;
    return LION_OK;
}

static lion_status copy_backup(const char *backup, const char *copy, lion_error *error)
{
    int from = -1;
    lion_status status = open_backup(&from, backup, error);
    if (status < 0) return status;
    int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    status = to < 0 ? lion_fail_errno(error, errno, copy) : copy_bytes(from, to, error);
    if (to >= 0) close(to);
    close(from);
    return status == LION_OK ? check_copy(copy, backup, error) : status;
}

lion_status lion_connection_restore(const char *backup, const char *path, lion_error *error)
{
    char *partial = NULL;
    lion_status status = begin_file(&partial, path, error);
    if (status < 0) return status;
    status = copy_backup(backup, partial, error);
    return end_file_take(partial, path, status, error);
}

lion_status lion_connection_delete(const char *path, lion_error *error)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return lion_fail(error, LION_NOT_FOUND, "lion/not-found", "there is no database %s", path);
    /* Opening takes the owner's lock, and tells what is no database. */
    lion_store_options options = { 0 };
    lion_store *store = NULL;
    lion_status status = lion_store_open_file(&store, path, &options, error);
    if (status < 0) return status;
    status = lion_store_seize_file(store, error);
    if (status == LION_OK && unlink(path) != 0) status = lion_file_fail(error, errno, "remove", path);
    lion_store_close(store);
    if (status < 0) return status;
    remove_companions(path);
    return lion_file_sync_folder(path, error);
}
