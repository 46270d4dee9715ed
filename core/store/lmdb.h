/* lmdb.h - a store in one LMDB file. docs/format.md gives its bytes; in short, five named trees:
 *
 *   meta        "lion" → header, "root" → framed root, "pending" → range of an unfinished commit
 *   segments    id (8 bytes, native) → frame
 *   blobs       hash (16 bytes) → frame
 *   references  hash → count (8 bytes)
 *   unborn      hash → nothing: blobs that a large commit wrote and has not counted yet
 *
 * Private to store/. lmdb.c is what they share, lmdb_open.c opens and closes, lmdb_read.c reads, lmdb_commit.c writes, lmdb_compact.c shrinks. */
#ifndef LION_STORE_LMDB_H
#define LION_STORE_LMDB_H

#include <lmdb.h>

#include "base/table.h"
#include "store/backend.h"
#include "store/owner.h"

#define LION_LMDB_MAGIC "lion db\n"
#define LION_LMDB_READERS_MAX 1022

/* The value of "lion" in meta. */
typedef struct lion_lmdb_header {
    uint8_t magic[8]; /* "lion db\n" */
    uint32_t version; /* LION_FORMAT_VERSION */
    uint32_t zero;
    uint8_t database_id[16];
    uint64_t generation; /* of the newest opening for writing */
    uint64_t next_id;    /* no segment was ever given this id or one above */
    uint64_t checksum;   /* XXH3 of all before */
} lion_lmdb_header;

/* The bytes of the frame at "root" begin with the commit's number; the root record follows. */
#define LION_LMDB_ROOT_PREFIX 8

/* The value of "pending": segments with first <= id < end belong to a commit that has not finished. */
typedef struct lion_lmdb_pending {
    uint64_t first, end;
} lion_lmdb_pending;

_Static_assert(sizeof(lion_lmdb_header) == 56, "the header is 56 bytes on disk");

typedef struct lion_lmdb {
    lion_store base;
    char *path; /* owned */
    lion_owner owner;
    MDB_env *env; /* NULL: not open */
    MDB_dbi meta, segments, blobs, references, unborn;
    size_t page_size;
    uint64_t map_size; /* address space that it takes */

    pthread_mutex_t verified_lock;
    lion_table verified; /* id / 4096 → bitmap of ids whose checksum agreed in this opening */

    uint64_t bytes_written; /* in this opening */
    bool has_pending;   /* an aborted large commit must be undone before the next */
    bool is_stopped;    /* a write failed: `failure` for good */
    lion_error failure; /* why */
} lion_lmdb;

static inline lion_lmdb *lion_lmdb_of(const lion_store *store)
{
    return (lion_lmdb *)(uintptr_t)store;
}

/* LMDB's code (or an errno) as an anomaly: `verb` says what was tried. */
lion_status lion_lmdb_fail(lion_error *error, int code, const char *verb, const char *path);
MDB_val lion_lmdb_key(const void *data, size_t size);
/* A value as a slice. */
lion_slice lion_lmdb_slice(MDB_val value);

/* Is this id known to be sound; and note that it is. */
bool lion_lmdb_is_verified(lion_lmdb *lmdb, uint64_t id);
void lion_lmdb_set_verified(lion_lmdb *lmdb, uint64_t id);
void lion_lmdb_free_verified(lion_lmdb *lmdb);
/* Bytes that the file should have. */
uint64_t lion_lmdb_size(const lion_lmdb *lmdb);
/* LMDB writes no page that a transaction took and gave back, so a file can end before the last page it counts. Readers take such a
 * file for one that was cut off: after each commit it is made as long as it says. */
void lion_lmdb_lengthen(const lion_lmdb *lmdb);

/* lmdb_compact.c */

#define LION_LMDB_COPY_SUFFIX "-compact"
/* A copy without free pages beside the file, if it is worth its cost: its name, heap-owned, to be put in the file's
 * place after LMDB is closed. NULL: none. */
char *lion_lmdb_compact(lion_lmdb *lmdb);

/* lmdb_read.c */
lion_status lion_lmdb_pin(lion_snapshot *snapshot, lion_error *error);
void lion_lmdb_unpin(lion_snapshot *snapshot);
lion_status lion_lmdb_segment(const lion_frame **frame_out, lion_snapshot *snapshot, uint64_t id,
                              lion_error *error);
lion_status lion_lmdb_blob(const lion_frame **frame_out, lion_snapshot *snapshot,
                           lion_hash128 hash, lion_error *error);
lion_status lion_lmdb_references(uint64_t *count_out, lion_snapshot *snapshot, lion_hash128 hash,
                                 lion_error *error);
uint64_t lion_lmdb_edition(lion_store *store);
lion_status lion_lmdb_stats(lion_store_stats *stats_out, lion_store *store, lion_error *error);
lion_status lion_lmdb_copy(lion_store *store, const char *path, lion_error *error);
lion_status lion_lmdb_walk_open(lion_store_walk **walk_out, lion_snapshot *snapshot,
                                lion_error *error);
lion_status lion_lmdb_walk_next(lion_store_walk *walk, uint64_t *id_out, lion_hash128 *blob_out,
                                bool *is_blob_out, lion_slice *bytes_out, lion_error *error);
void lion_lmdb_walk_close(lion_store_walk *walk);

/* lmdb_commit.c */
lion_status lion_lmdb_begin(lion_commit **commit_out, lion_store *store, lion_error *error);
lion_status lion_lmdb_put(lion_commit *commit, uint64_t id, lion_slice bytes, lion_error *error);
lion_status lion_lmdb_put_blob(lion_commit *commit, lion_hash128 hash, lion_slice bytes,
                               lion_error *error);
lion_status lion_lmdb_finish(lion_commit *commit, lion_slice root, lion_error *error);
void lion_lmdb_abort(lion_commit *commit);
/* Write the header with the store's generation and next id. */
lion_status lion_lmdb_put_header(lion_lmdb *lmdb, MDB_txn *txn, lion_error *error);
/* Delete what an unfinished large commit left. Nothing to do is fine. */
lion_status lion_lmdb_undo(lion_lmdb *lmdb, lion_error *error);

#endif
