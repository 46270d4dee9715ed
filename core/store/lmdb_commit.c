/* lmdb_commit.c - a commit is one LMDB transaction, unless it grows large.
 *
 * LMDB holds the pages of a write transaction in memory, so after PART_SIZE bytes the part so far
 * is committed by itself. In the same transaction "pending" records the ids it spans and "unborn"
 * the blobs it made, so that each part on disk says how to take it back; the root does not know of
 * it yet. The last part deletes what the commit replaces, counts blobs, clears both records and
 * installs the root. Whatever dies before that is undone at the next open, or before the next
 * commit.
 *
 * LMDB ties a write transaction to its thread: so is a commit from its first put on. */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "store/file.h"
#include "store/lmdb.h"

#define PART_SIZE ((size_t)32 << 20)
#define UNDO_COUNT 4096 /* segments deleted by one transaction of an undo */

typedef struct lmdb_commit {
    lion_commit base;
    MDB_txn *txn;           /* NULL before the first put of a part */
    size_t part_size;       /* bytes put in this part */
    bool has_parts;         /* some part is already on disk */
    lion_hash128 *newborns; /* blobs made by this part; owned */
    size_t newborn_count, newborn_capacity;
} lmdb_commit;

static lmdb_commit *commit_of(lion_commit *commit)
{
    return (lmdb_commit *)commit;
}

/* A write that failed for anything but want of room leaves the file in doubt: no more of them. */
static lion_status fail_write(lion_lmdb *lmdb, lion_error *error, int code, const char *verb)
{
    lion_error failure;
    lion_lmdb_fail(&failure, code, verb, lmdb->path);
    bool is_passing = code == ENOSPC || code == EDQUOT || code == ENOMEM || code == MDB_MAP_FULL ||
                      code == MDB_TXN_FULL || code == MDB_READERS_FULL;
    if (!is_passing && !lmdb->is_stopped) {
        lmdb->is_stopped = true;
        lmdb->failure = failure;
    }
    if (error != NULL) *error = failure;
    return LION_FAILED;
}

static lion_status need_txn(lmdb_commit *commit, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    if (commit->txn != NULL) return LION_OK;
    int code = mdb_txn_begin(lmdb->env, NULL, 0, &commit->txn);
    if (code != 0) return fail_write(lmdb, error, code, "begin a write to");
    return LION_OK;
}

/* 0, or the code that an armed fault point stands for. */
static int fault_code(lion_fault_kind kind, const char *path)
{
    if (kind == LION_FAULT_NONE) return 0;
    lion_error error;
    lion_file_fail_fault(&error, kind, "write to", path);
    return error.system_code;
}

static lion_status commit_txn(lion_lmdb *lmdb, MDB_txn **txn, lion_error *error)
{
    int code = fault_code(LION_FAULT_POINT("store.commit"), lmdb->path);
    if (code != 0)
        mdb_txn_abort(*txn);
    else
        code = mdb_txn_commit(*txn); /* ends the transaction even when it fails */
    *txn = NULL;
    if (code != 0) return fail_write(lmdb, error, code, "write to");
    lion_lmdb_lengthen(lmdb);
    return LION_OK;
}

/* -- Puts ------------------------------------------------------------------------------------- */

/* Commit the part so far, with the record of how to take it back. */
static lion_status end_part(lmdb_commit *commit, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    lion_lmdb_pending pending = { .first = commit->base.first_id, .end = lmdb->base.next_id };
    MDB_val key = lion_lmdb_key("pending", 7), value = lion_lmdb_key(&pending, sizeof pending);
    int code = mdb_put(commit->txn, lmdb->meta, &key, &value, 0);
    for (size_t i = 0; code == 0 && i < commit->newborn_count; i++) {
        MDB_val nothing = { 0, NULL };
        key = lion_lmdb_key(&commit->newborns[i], sizeof *commit->newborns);
        code = mdb_put(commit->txn, lmdb->unborn, &key, &nothing, 0);
    }
    if (code != 0) return fail_write(lmdb, error, code, "write to");

    lion_status status = commit_txn(lmdb, &commit->txn, error);
    if (status != LION_OK) return status;
    commit->has_parts = true;
    commit->part_size = 0;
    commit->newborn_count = 0;
    if (LION_FAULT_POINT("store.part"))
        return fail_write(lmdb, error, EIO, "write to"); /* specs: die or fail between two parts */
    return LION_OK;
}

/* Room for `bytes` under `key`, filled in place. */
static lion_status put_frame(lmdb_commit *commit, MDB_dbi tree, MDB_val key, uint32_t kind,
                             uint64_t seed, lion_slice bytes, unsigned flags, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    size_t room = lion_frame_room(bytes.size, key.mv_size, lmdb->page_size);
    MDB_val value = { .mv_size = room };
    int code = fault_code(LION_FAULT_POINT("store.put"), lmdb->path);
    if (code == 0) code = mdb_put(commit->txn, tree, &key, &value, MDB_RESERVE | flags);
    if (code != 0) return fail_write(lmdb, error, code, "write to");
    lion_frame_write(value.mv_data, room, kind, seed, bytes);
    commit->part_size += room;
    lmdb->bytes_written += room;
    return LION_OK;
}

static lion_status make_room(lmdb_commit *commit, lion_error *error)
{
    if (commit->part_size < PART_SIZE) return LION_OK;
    return end_part(commit, error);
}

lion_status lion_lmdb_put(lion_commit *base, uint64_t id, lion_slice bytes, lion_error *error)
{
    lmdb_commit *commit = commit_of(base);
    lion_status status = make_room(commit, error);
    if (status == LION_OK) status = need_txn(commit, error);
    if (status != LION_OK) return status;
    MDB_val key = lion_lmdb_key(&id, sizeof id);
    return put_frame(commit, lion_lmdb_of(base->store)->segments, key, LION_FRAME_SEGMENT, id,
                     bytes, MDB_NOOVERWRITE, error);
}

static bool note_newborn(lmdb_commit *commit, lion_hash128 hash)
{
    if (commit->newborn_count == commit->newborn_capacity) {
        size_t capacity = commit->newborn_capacity == 0 ? 64 : commit->newborn_capacity * 2;
        lion_hash128 *grown = lion_realloc(commit->newborns, capacity * sizeof hash);
        if (grown == NULL) return false;
        commit->newborns = grown;
        commit->newborn_capacity = capacity;
    }
    commit->newborns[commit->newborn_count++] = hash;
    return true;
}

lion_status lion_lmdb_put_blob(lion_commit *base, lion_hash128 hash, lion_slice bytes,
                               lion_error *error)
{
    lmdb_commit *commit = commit_of(base);
    lion_lmdb *lmdb = lion_lmdb_of(base->store);
    lion_status status = make_room(commit, error);
    if (status == LION_OK) status = need_txn(commit, error);
    if (status != LION_OK) return status;

    MDB_val key = lion_lmdb_key(&hash, sizeof hash), value;
    int code = mdb_get(commit->txn, lmdb->blobs, &key, &value);
    if (code == 0) return LION_OK; /* there already: only its count changes, at the end */
    if (code != MDB_NOTFOUND) return fail_write(lmdb, error, code, "read");
    if (!note_newborn(commit, hash)) return lion_fail_memory(error);
    return put_frame(commit, lmdb->blobs, key, LION_FRAME_BLOB, hash.low, bytes, 0, error);
}

/* -- The end of a commit ---------------------------------------------------------------------- */

static lion_status delete_segments(lmdb_commit *commit, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    for (size_t i = 0; i < commit->base.delete_count; i++) {
        MDB_val key = lion_lmdb_key(&commit->base.deletes[i], sizeof(uint64_t));
        int code = mdb_del(commit->txn, lmdb->segments, &key, NULL);
        if (code == MDB_NOTFOUND)
            return lion_fail_segment(error, commit->base.deletes[i],
                                     "was to be deleted but is missing");
        if (code != 0) return fail_write(lmdb, error, code, "delete from");
    }
    return LION_OK;
}

/* Count one blob anew; at zero its bytes go. */
static lion_status count_blob(lmdb_commit *commit, const lion_blob_change *change,
                              lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    MDB_val key = lion_lmdb_key(&change->hash, sizeof change->hash), value;
    int64_t references = 0;
    int code = mdb_get(commit->txn, lmdb->references, &key, &value);
    if (code == 0 && value.mv_size == sizeof references)
        memcpy(&references, value.mv_data, sizeof references);
    else if (code != MDB_NOTFOUND)
        return code != 0 ? fail_write(lmdb, error, code, "read")
                         : lion_fail_blob(error, change->hash, "has a damaged count");

    references += change->references;
    if (references < 0)
        return lion_fail_blob(error, change->hash, "was to be released more often than it was put");
    if (references > 0) {
        value = lion_lmdb_key(&references, sizeof references);
        code = mdb_put(commit->txn, lmdb->references, &key, &value, 0);
        return code == 0 ? LION_OK : fail_write(lmdb, error, code, "write to");
    }
    code = mdb_del(commit->txn, lmdb->references, &key, NULL);
    if (code == 0 || code == MDB_NOTFOUND) code = mdb_del(commit->txn, lmdb->blobs, &key, NULL);
    if (code == MDB_NOTFOUND) return LION_OK;
    return code == 0 ? LION_OK : fail_write(lmdb, error, code, "delete from");
}

static lion_status count_blobs(lmdb_commit *commit, lion_error *error)
{
    for (size_t i = 0; i < commit->base.blob_count; i++) {
        lion_status status = count_blob(commit, &commit->base.blobs[i], error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_status put_root(lmdb_commit *commit, lion_slice root, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(commit->base.store);
    uint64_t number = lmdb->base.number + 1;
    uint8_t *bytes = lion_alloc(LION_LMDB_ROOT_PREFIX + root.size);
    if (bytes == NULL) return lion_fail_memory(error);
    memcpy(bytes, &number, LION_LMDB_ROOT_PREFIX);
    if (root.size > 0) memcpy(bytes + LION_LMDB_ROOT_PREFIX, root.data, root.size);
    lion_slice framed = lion_slice_of(bytes, LION_LMDB_ROOT_PREFIX + root.size);
    lion_status status = put_frame(commit, lmdb->meta, lion_lmdb_key("root", 4), LION_FRAME_ROOT,
                                   number, framed, 0, error);
    lion_free(bytes);
    return status;
}

/* The records of a commit in parts go with the root that makes it whole. */
static lion_status clear_parts(lion_lmdb *lmdb, MDB_txn *txn, lion_error *error)
{
    MDB_val key = lion_lmdb_key("pending", 7);
    int code = mdb_del(txn, lmdb->meta, &key, NULL);
    if (code == MDB_NOTFOUND) code = 0;
    if (code == 0) code = mdb_drop(txn, lmdb->unborn, 0);
    return code == 0 ? LION_OK : fail_write(lmdb, error, code, "write to");
}

lion_status lion_lmdb_put_header(lion_lmdb *lmdb, MDB_txn *txn, lion_error *error)
{
    lion_lmdb_header header = { .version = LION_FORMAT_VERSION,
                                .generation = lmdb->base.generation,
                                .next_id = lmdb->base.next_id };
    memcpy(header.magic, LION_LMDB_MAGIC, sizeof header.magic);
    memcpy(header.database_id, lmdb->base.database_id, sizeof header.database_id);
    header.checksum = lion_hash(&header, offsetof(lion_lmdb_header, checksum));
    MDB_val key = lion_lmdb_key("lion", 4), value = lion_lmdb_key(&header, sizeof header);
    int code = mdb_put(txn, lmdb->meta, &key, &value, 0);
    return code == 0 ? LION_OK : fail_write(lmdb, error, code, "write to");
}

static void free_commit(lmdb_commit *commit)
{
    if (commit->txn != NULL) mdb_txn_abort(commit->txn);
    lion_commit_deinit(&commit->base);
    lion_free(commit->newborns);
    lion_free(commit);
}

lion_status lion_lmdb_finish(lion_commit *base, lion_slice root, lion_error *error)
{
    lmdb_commit *commit = commit_of(base);
    lion_lmdb *lmdb = lion_lmdb_of(base->store);
    lion_status status = need_txn(commit, error);
    if (status == LION_OK) status = delete_segments(commit, error);
    if (status == LION_OK) status = count_blobs(commit, error);
    if (status == LION_OK) status = put_root(commit, root, error);
    if (status == LION_OK) status = lion_lmdb_put_header(lmdb, commit->txn, error);
    if (status == LION_OK && commit->has_parts) status = clear_parts(lmdb, commit->txn, error);
    if (status == LION_OK) status = commit_txn(lmdb, &commit->txn, error);
    if (status != LION_OK) {
        lion_lmdb_abort(base);
        return status;
    }
    pthread_mutex_lock(&lmdb->base.lock);
    lmdb->base.number++;
    pthread_mutex_unlock(&lmdb->base.lock);
    free_commit(commit);
    return LION_OK;
}

void lion_lmdb_abort(lion_commit *base)
{
    lmdb_commit *commit = commit_of(base);
    lion_lmdb *lmdb = lion_lmdb_of(base->store);
    bool has_parts = commit->has_parts;
    free_commit(commit);
    if (has_parts) lmdb->has_pending = lmdb->is_stopped || lion_lmdb_undo(lmdb, NULL) != LION_OK;
}

lion_status lion_lmdb_begin(lion_commit **commit_out, lion_store *store, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(store);
    if (lmdb->is_stopped) {
        if (error != NULL) *error = lmdb->failure;
        return LION_FAILED;
    }
    if (lmdb->has_pending) {
        lion_status status = lion_lmdb_undo(lmdb, error);
        if (status != LION_OK) return status;
        lmdb->has_pending = false;
    }
    int dead; /* readers that were killed must not keep what this commit could use again */
    mdb_reader_check(lmdb->env, &dead);
    lmdb_commit *commit = lion_zalloc(sizeof *commit);
    if (commit == NULL) return lion_fail_memory(error);
    lion_commit_init(&commit->base, store);
    *commit_out = &commit->base;
    return LION_OK;
}

/* -- Undoing ---------------------------------------------------------------------------------- */

/* Delete up to UNDO_COUNT segments of the range; *is_done_out: there are no more. */
static int undo_segments(lion_lmdb *lmdb, MDB_txn *txn, const lion_lmdb_pending *pending,
                         bool *is_done_out)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, lmdb->segments, &cursor);
    if (code != 0) return code;

    uint64_t id = pending->first;
    MDB_val key = lion_lmdb_key(&id, sizeof id), value;
    code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    size_t count = 0;
    while (code == 0 && count < UNDO_COUNT) {
        memcpy(&id, key.mv_data, sizeof id);
        if (id >= pending->end) break;
        code = mdb_cursor_del(cursor, 0);
        if (code == 0) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        count++;
    }
    mdb_cursor_close(cursor);
    *is_done_out = count < UNDO_COUNT;
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Blobs that were made and never counted. */
static int undo_blobs(lion_lmdb *lmdb, MDB_txn *txn)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, lmdb->unborn, &cursor);
    if (code != 0) return code;

    MDB_val key, value;
    for (code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); code == 0;
         code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        code = mdb_get(txn, lmdb->references, &key, &value);
        if (code == MDB_NOTFOUND) code = mdb_del(txn, lmdb->blobs, &key, NULL);
        if (code != 0 && code != MDB_NOTFOUND) break;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* One step: LION_OK, LION_END when all is undone. */
static lion_status undo_step(lion_lmdb *lmdb, lion_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
    if (code != 0) return fail_write(lmdb, error, code, "begin a write to");

    MDB_val key = lion_lmdb_key("pending", 7), value;
    lion_lmdb_pending pending;
    code = mdb_get(txn, lmdb->meta, &key, &value);
    if (code == MDB_NOTFOUND) {
        mdb_txn_abort(txn);
        return LION_END;
    }
    bool is_done = false;
    lion_status status = LION_OK;
    if (code == 0 && value.mv_size != sizeof pending)
        status = lion_fail_corrupt(error, "the record of an unfinished commit in \"%s\" is damaged",
                                   lmdb->path);
    if (code == 0 && status == LION_OK) {
        memcpy(&pending, value.mv_data, sizeof pending);
        if (lmdb->base.next_id < pending.end) lmdb->base.next_id = pending.end;
        code = undo_segments(lmdb, txn, &pending, &is_done);
        if (code == 0 && is_done) code = undo_blobs(lmdb, txn);
    }
    if (code != 0) status = fail_write(lmdb, error, code, "undo an unfinished commit in");
    if (status == LION_OK && is_done) status = clear_parts(lmdb, txn, error);
    if (status == LION_OK) status = lion_lmdb_put_header(lmdb, txn, error);
    if (status == LION_OK) return commit_txn(lmdb, &txn, error);
    mdb_txn_abort(txn);
    return status;
}

lion_status lion_lmdb_undo(lion_lmdb *lmdb, lion_error *error)
{
    lion_status status;
    do status = undo_step(lmdb, error);
    while (status == LION_OK);
    return status == LION_END ? LION_OK : status;
}
