/* tail.c - the file of the log's tail beside the file of the trees.
 *
 * A file is clean when its root says it has no tail; it then opens without changing the tail's file, and the
 * tail is made at the first write: first its file, then a root that says it exists, so at no moment does a root
 * promise a tail that was never there. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "connection/database.h"

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

lion_status lion_tail_look(bool *is_there_out, const lion_database *database, lion_error *error)
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

lion_status lion_tail_check_stray(const lion_database *database, const lion_root *root, lion_error *error)
{
    bool is_there = false;
    lion_status status = lion_tail_look(&is_there, database, error);
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
        status = lion_tail_check_stray(database, root, error);
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
