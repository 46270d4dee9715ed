/* lmdb_read.c - reading: a pinned root is a read transaction made with MDB_NOTLS, and what it hands
 * out lies in LMDB's map until that transaction ends.
 *
 * A large value begins 16 bytes into a page, so its frame is aligned; a small one lies inside a
 * tree page at any even address and is copied once into the snapshot's arena. A checksum is
 * computed once an id and opening: ids are never reused and segments never change. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/file.h"
#include "store/lmdb.h"

#define ALIGNMENT 8
#define READ_AHEAD_SIZE 16384 /* values at least this large are asked for in one read */

static MDB_txn *txn_of(const lion_snapshot *snapshot)
{
    return snapshot->pin;
}

/* The frame at an aligned address: where it is, or a copy. NULL: out of memory. */
static const lion_frame *align_frame(lion_snapshot *snapshot, MDB_val value)
{
    if ((uintptr_t)value.mv_data % ALIGNMENT == 0) return value.mv_data;
    lion_slice copy = lion_arena_copy(&snapshot->copies, lion_lmdb_slice(value));
    return lion_arena_check(&snapshot->copies, NULL) == LION_OK ? (const void *)copy.data : NULL;
}

/* Without read-ahead (MDB_NORDAHEAD) a cold segment would fault page by page. */
static void read_ahead(const lion_lmdb *lmdb, MDB_val value)
{
    if (value.mv_size < READ_AHEAD_SIZE) return;
    uintptr_t start = (uintptr_t)value.mv_data / lmdb->page_size * lmdb->page_size;
    size_t size = (uintptr_t)value.mv_data + value.mv_size - start;
    madvise((void *)start, size, MADV_WILLNEED);
}

/* -- Pinning ---------------------------------------------------------------------------------- */

/* The root record and its number. None yet: number 0, empty. */
static lion_status view_root(lion_snapshot *snapshot, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(snapshot->store);
    MDB_val key = lion_lmdb_key("root", 4), value;
    int code = mdb_get(txn_of(snapshot), lmdb->meta, &key, &value);
    if (code == MDB_NOTFOUND) return LION_OK;
    if (code != 0) return lion_lmdb_fail(error, code, "read", lmdb->path);

    const lion_frame *frame = align_frame(snapshot, value);
    if (frame == NULL) return lion_fail_memory(error);
    uint64_t number;
    if (!lion_frame_fits(frame, value.mv_size, LION_FRAME_ROOT) || frame->size < sizeof number)
        return lion_fail_corrupt(error, "the root record of \"%s\" is damaged; restore a backup",
                                 lmdb->path);
    memcpy(&number, frame->bytes, sizeof number);
    if (!lion_frame_is_sound(frame, number))
        return lion_fail_corrupt(
            error, "the root record of \"%s\" has a wrong checksum; restore a backup", lmdb->path);
    snapshot->number = number;
    snapshot->root =
        lion_slice_of(frame->bytes + LION_LMDB_ROOT_PREFIX, frame->size - LION_LMDB_ROOT_PREFIX);
    return LION_OK;
}

/* A reader's generation is its owner's: each opening for writing beside it begins another. */
static void view_generation(lion_lmdb *lmdb, MDB_txn *txn)
{
    MDB_val key = lion_lmdb_key("lion", 4), value;
    lion_lmdb_header header;
    if (mdb_get(txn, lmdb->meta, &key, &value) != 0 || value.mv_size < sizeof header) return;
    memcpy(&header, value.mv_data, sizeof header);
    __atomic_store_n(&lmdb->base.generation, header.generation, __ATOMIC_RELAXED);
}

lion_status lion_lmdb_pin(lion_snapshot *snapshot, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(snapshot->store);
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code == MDB_READERS_FULL) { /* perhaps by processes that died */
        int dead;
        mdb_reader_check(lmdb->env, &dead);
        code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    }
    if (code != 0) return lion_lmdb_fail(error, code, "begin a read of", lmdb->path);
    snapshot->pin = txn;
    snapshot->edition = mdb_txn_id(txn);
    if (lmdb->base.is_read_only) view_generation(lmdb, txn);
    lion_status status = view_root(snapshot, error);
    if (status != LION_OK) mdb_txn_abort(txn);
    return status;
}

uint64_t lion_lmdb_edition(lion_store *store)
{
    MDB_envinfo info;
    mdb_env_info(lion_lmdb_of(store)->env, &info);
    return info.me_last_txnid;
}

void lion_lmdb_unpin(lion_snapshot *snapshot)
{
    mdb_txn_abort(txn_of(snapshot));
}

/* -- Resolving -------------------------------------------------------------------------------- */

lion_status lion_lmdb_segment(const lion_frame **frame_out, lion_snapshot *snapshot, uint64_t id,
                              lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(snapshot->store);
    MDB_val key = lion_lmdb_key(&id, sizeof id), value;
    int code = mdb_get(txn_of(snapshot), lmdb->segments, &key, &value);
    if (code == MDB_NOTFOUND) return lion_fail_segment(error, id, "is missing");
    if (code != 0) return lion_lmdb_fail(error, code, "read", lmdb->path);

    if (!lion_lmdb_is_verified(lmdb, id)) {
        read_ahead(lmdb, value);
        if (!lion_frame_fits(value.mv_data, value.mv_size, LION_FRAME_SEGMENT) ||
            !lion_frame_is_sound(value.mv_data, id))
            return lion_fail_segment(error, id, "has a wrong checksum; restore a backup");
        lion_lmdb_set_verified(lmdb, id);
    }
    *frame_out = align_frame(snapshot, value);
    return *frame_out != NULL ? LION_OK : lion_fail_memory(error);
}

lion_status lion_lmdb_blob(const lion_frame **frame_out, lion_snapshot *snapshot, lion_hash128 hash,
                           lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(snapshot->store);
    MDB_val key = lion_lmdb_key(&hash, sizeof hash), value;
    int code = mdb_get(txn_of(snapshot), lmdb->blobs, &key, &value);
    if (code == MDB_NOTFOUND) return lion_fail_blob(error, hash, "is missing");
    if (code != 0) return lion_lmdb_fail(error, code, "read", lmdb->path);
    read_ahead(lmdb, value);
    if (!lion_frame_fits(value.mv_data, value.mv_size, LION_FRAME_BLOB) ||
        !lion_frame_is_sound(value.mv_data, hash.low))
        return lion_fail_blob(error, hash, "has a wrong checksum; restore a backup");
    *frame_out = align_frame(snapshot, value);
    return *frame_out != NULL ? LION_OK : lion_fail_memory(error);
}

lion_status lion_lmdb_references(uint64_t *count_out, lion_snapshot *snapshot, lion_hash128 hash,
                                 lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(snapshot->store);
    MDB_val key = lion_lmdb_key(&hash, sizeof hash), value;
    int code = mdb_get(txn_of(snapshot), lmdb->references, &key, &value);
    if (code != 0 && code != MDB_NOTFOUND) return lion_lmdb_fail(error, code, "read", lmdb->path);
    uint64_t count = 0;
    if (code == 0 && value.mv_size != sizeof count)
        return lion_fail_blob(error, hash, "has a damaged count");
    if (code == 0) memcpy(&count, value.mv_data, sizeof count);
    *count_out = count;
    return LION_OK;
}

/* -- Upkeep ----------------------------------------------------------------------------------- */

static int add_tree(lion_store_stats *stats, MDB_txn *txn, MDB_dbi tree, uint64_t *entries_out)
{
    MDB_stat stat;
    int code = mdb_stat(txn, tree, &stat);
    if (code != 0) return code;
    uint64_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    stats->bytes_used += pages * stat.ms_psize;
    if (entries_out != NULL) *entries_out = stat.ms_entries;
    return 0;
}

lion_status lion_lmdb_stats(lion_store_stats *stats_out, lion_store *store, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(store);
    lion_store_stats stats = { 0 };
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) return lion_lmdb_fail(error, code, "begin a read of", lmdb->path);
    code = add_tree(&stats, txn, lmdb->meta, NULL);
    if (code == 0) code = add_tree(&stats, txn, lmdb->segments, &stats.segments);
    if (code == 0) code = add_tree(&stats, txn, lmdb->blobs, &stats.blobs);
    if (code == 0) code = add_tree(&stats, txn, lmdb->references, NULL);
    mdb_txn_abort(txn);
    if (code != 0) return lion_lmdb_fail(error, code, "read", lmdb->path);

    struct stat file;
    if (stat(lmdb->path, &file) != 0) return lion_file_fail(error, errno, "measure", lmdb->path);
    stats.bytes_file = (uint64_t)file.st_size;
    *stats_out = stats;
    return LION_OK;
}

lion_status lion_lmdb_copy(lion_store *store, const char *path, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(store);
    int code = mdb_env_copy2(lmdb->env, path, MDB_CP_COMPACT);
    if (code == EEXIST)
        return lion_fail(error, LION_CONFLICT, "lion/exists",
                         "\"%s\" is there already; name a new file for the copy", path);
    if (code != 0) {
        unlink(path); /* half a copy is none */
        return lion_lmdb_fail(error, code, "copy the database to", path);
    }
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return lion_file_fail(error, errno, "open", path);
    lion_status status = lion_file_sync(file, path, error);
    close(file);
    return status == LION_OK ? lion_file_sync_folder(path, error) : status;
}

/* -- Walking ---------------------------------------------------------------------------------- */

typedef struct lmdb_walk {
    lion_store_walk base;
    MDB_cursor *cursor; /* of segments, then of blobs; NULL before the first step */
    bool is_in_blobs;
    uint8_t *copy; /* an aligned copy of the present value; owned */
} lmdb_walk;

lion_status lion_lmdb_walk_open(lion_store_walk **walk_out, lion_snapshot *snapshot,
                                lion_error *error)
{
    lmdb_walk *walk = lion_zalloc(sizeof *walk);
    if (walk == NULL) return lion_fail_memory(error);
    walk->base.snapshot = lion_snapshot_keep(snapshot);
    *walk_out = &walk->base;
    return LION_OK;
}

/* The next entry of the present tree, then of the next one. Under the snapshot's lock. */
static int step_walk(lmdb_walk *walk, MDB_val *key, MDB_val *value)
{
    const lion_lmdb *lmdb = lion_lmdb_of(walk->base.snapshot->store);
    for (;;) {
        MDB_dbi tree = walk->is_in_blobs ? lmdb->blobs : lmdb->segments;
        int code = 0;
        if (walk->cursor == NULL)
            code = mdb_cursor_open(txn_of(walk->base.snapshot), tree, &walk->cursor);
        if (code == 0) code = mdb_cursor_get(walk->cursor, key, value, MDB_NEXT);
        if (code != MDB_NOTFOUND || walk->is_in_blobs) return code;
        mdb_cursor_close(walk->cursor);
        walk->cursor = NULL;
        walk->is_in_blobs = true;
    }
}

/* An address for the frame that lasts until the next step. */
static const lion_frame *hold_frame(lmdb_walk *walk, MDB_val value)
{
    lion_free(walk->copy);
    walk->copy = NULL;
    if ((uintptr_t)value.mv_data % ALIGNMENT == 0) return value.mv_data;
    walk->copy = lion_alloc(value.mv_size);
    if (walk->copy != NULL) memcpy(walk->copy, value.mv_data, value.mv_size);
    return (const void *)walk->copy;
}

/* What lies at the cursor, checked. A damaged entry is an error that names it; the walk goes on
 * with the next one. */
static lion_status view_entry(lmdb_walk *walk, MDB_val key, MDB_val value, uint64_t *id_out,
                              lion_hash128 *blob_out, lion_slice *bytes_out, lion_error *error)
{
    uint64_t id = 0;
    lion_hash128 hash = { 0 };
    bool is_blob = walk->is_in_blobs;
    if (key.mv_size != (is_blob ? sizeof hash : sizeof id))
        return lion_fail_corrupt(error, "a key of %zu bytes among the %s", key.mv_size,
                                 is_blob ? "blobs" : "segments");
    memcpy(is_blob ? (void *)&hash : (void *)&id, key.mv_data, key.mv_size);
    *id_out = id;
    *blob_out = hash;

    uint32_t kind = is_blob ? LION_FRAME_BLOB : LION_FRAME_SEGMENT;
    bool is_sound = lion_frame_fits(value.mv_data, value.mv_size, kind) &&
                    lion_frame_is_sound(value.mv_data, is_blob ? hash.low : id);
    if (!is_sound && is_blob) return lion_fail_blob(error, hash, "has a wrong checksum");
    if (!is_sound) return lion_fail_segment(error, id, "has a wrong checksum");

    const lion_frame *frame = hold_frame(walk, value);
    if (frame == NULL) return lion_fail_memory(error);
    *bytes_out = lion_frame_bytes(frame);
    return LION_OK;
}

lion_status lion_lmdb_walk_next(lion_store_walk *base, uint64_t *id_out, lion_hash128 *blob_out,
                                bool *is_blob_out, lion_slice *bytes_out, lion_error *error)
{
    lmdb_walk *walk = (lmdb_walk *)base;
    MDB_val key, value;
    lion_status status = LION_END;
    *id_out = 0;
    *blob_out = (lion_hash128){ 0 };
    pthread_mutex_lock(&base->snapshot->lock);
    int code = step_walk(walk, &key, &value);
    if (code == 0)
        status = view_entry(walk, key, value, id_out, blob_out, bytes_out, error);
    else if (code != MDB_NOTFOUND)
        status = lion_lmdb_fail(error, code, "read", lion_lmdb_of(base->snapshot->store)->path);
    pthread_mutex_unlock(&base->snapshot->lock);
    *is_blob_out = walk->is_in_blobs;
    return status;
}

void lion_lmdb_walk_close(lion_store_walk *base)
{
    lmdb_walk *walk = (lmdb_walk *)base;
    if (walk->cursor != NULL) mdb_cursor_close(walk->cursor);
    lion_snapshot_drop(base->snapshot);
    lion_free(walk->copy);
    lion_free(walk);
}
