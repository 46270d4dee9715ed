/* store.h - where segments, blobs and the root rest. Two implementations: LMDB (one file, named
 * NAME.lion) and memory. Segments are written once, under an id that is never used again, and never
 * change; a commit puts and deletes segments and blobs and swings the root in one atomic step.
 *
 * A snapshot pins one root: every segment and blob that this root reaches stays readable, at a stable
 * address, until the last reference is dropped, whatever commits meanwhile delete. All threads may read
 * through one snapshot (LMDB: one read transaction made with MDB_NOTLS for each root; ids resolve once,
 * under a lock, into a per-snapshot table of pointers that later look-ups read without LMDB).
 *
 * Threads: one committer at a time (the caller's duty), and one thread from the begin of a commit to its
 * end; snapshots from any thread.
 *
 *   segment id = epoch << 40 | counter    epoch: of the branch point it was born after (1 for now) */
#ifndef LION_STORE_STORE_H
#define LION_STORE_STORE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/slice.h"

typedef struct lion_store lion_store;
typedef struct lion_snapshot lion_snapshot;

typedef struct lion_store_options {
    bool create;         /* make the file if it is not there; else not-found, lion/not-found */
    bool read_only;      /* beside a live owner: MDB_RDONLY; no owner lock is taken */
    bool is_checked;     /* read only, of a file at rest whose pages were checked (lion_store_check): it
                          * may end a little early */
    uint64_t map_size;   /* bytes of address space; 0: map_size.h says (less if that is refused) */
    const char *control; /* the control door to name to a second opener, NULL if none */
} lion_store_options;

#define LION_FORMAT_VERSION 1

/* Open NAME.lion. Takes the owner's lock (an advisory lock on NAME.lion-owner that also holds pid and
 * control door as text; NAME.lion-lock is LMDB's own reader table; the last to close removes both): lion/locked (unavailable) names the holder. lion/version (unsupported) for a
 * file of a newer format, lion/corrupt for a foreign or broken file, lion/io, lion/disk-full. Clears
 * the reader slots of dead processes. The same process opening twice is the connection layer's affair. */
lion_status lion_store_open_file(lion_store **store_out, const char *path,
                                 const lion_store_options *options, lion_error *error);
lion_status lion_store_open_memory(lion_store **store_out, lion_error *error);
void lion_store_close(lion_store *store); /* all snapshots must be dropped */
/* Keep everybody out of a file that this store owns until it is closed: lion/locked where somebody reads it. */
lion_status lion_store_seize_file(lion_store *store, lion_error *error);

/* 16 random bytes made when the database was created: the tail carries them. */
const uint8_t *lion_store_database_id(const lion_store *store);
/* Generation: +1 each time a file is opened for writing; tail records carry it. A reader's is the one
 * that its newest pin saw. */
uint64_t lion_store_generation(const lion_store *store);
/* Changes with each of the store's own transactions, in whichever process: while it stays, root and generation do
 * too. Costs no system call. */
uint64_t lion_store_edition(lion_store *store);

/* ---- reading ---- */

/* Pin the newest root. Every open has its drop. */
lion_status lion_snapshot_open(lion_snapshot **snapshot_out, lion_store *store, lion_error *error);
lion_snapshot *lion_snapshot_keep(lion_snapshot *snapshot);
void lion_snapshot_drop(lion_snapshot *snapshot); /* NULL is allowed */
/* The root record, borrowed from the snapshot; empty before the first commit. */
lion_slice lion_snapshot_root(const lion_snapshot *snapshot);
/* Of the commit that installed the root: later roots have larger ones. */
uint64_t lion_snapshot_number(const lion_snapshot *snapshot);
/* The edition up to which it is known to be the newest. It can be behind lion_store_edition: a commit shows there a moment
 * before it can be read. */
uint64_t lion_snapshot_edition(lion_snapshot *snapshot);
/* Bytes of a segment or blob, borrowed from the snapshot, checksum verified on first resolve
 * (lion/corrupt names the id). */
lion_status lion_snapshot_segment(lion_slice *bytes_out, lion_snapshot *snapshot, uint64_t id,
                                  lion_error *error);
lion_status lion_snapshot_blob(lion_slice *bytes_out, lion_snapshot *snapshot, lion_hash128 hash,
                               lion_error *error);

/* ---- writing ---- */

/* A commit gathers puts and deletes and swings the root at the end. It may be large: the store may
 * spread the puts over several of its own transactions (the id range is recorded first, so an unfinished
 * one is undone at open), only the last of which makes the root visible. */
typedef struct lion_commit lion_commit;

lion_status lion_commit_begin(lion_commit **commit_out, lion_store *store, lion_error *error);
uint64_t lion_commit_next_id(lion_commit *commit); /* a fresh segment id */
/* The bytes are copied (or written) before the call returns. The store adds its own checksum. */
lion_status lion_commit_put(lion_commit *commit, uint64_t id, lion_slice bytes, lion_error *error);
lion_status lion_commit_delete(lion_commit *commit, uint64_t id, lion_error *error);
/* Blobs count references: put adds `references` (and the bytes if new), release takes some away and
 * deletes at zero. */
lion_status lion_commit_put_blob(lion_commit *commit, lion_hash128 hash, lion_slice bytes,
                                 uint64_t references, lion_error *error);
lion_status lion_commit_release_blob(lion_commit *commit, lion_hash128 hash, uint64_t references,
                                     lion_error *error);
/* Install the root durably (unless the store is not durable) and end the commit. */
lion_status lion_commit_finish_take(lion_commit *commit, lion_slice root, lion_error *error);
void lion_commit_abort(lion_commit *commit);

/* ---- upkeep ---- */

/* Sizes for stats: bytes of the file in use, of the file on disk, segments, blobs, pinned snapshots. */
typedef struct lion_store_stats {
    uint64_t bytes_used, bytes_file, segments, blobs, snapshots;
} lion_store_stats;
lion_status lion_store_stats_read(lion_store_stats *stats_out, lion_store *store, lion_error *error);

/* A live, consistent copy of the newest root's file to a new path (mdb_env_copy with compaction). */
lion_status lion_store_copy(lion_store *store, const char *path, lion_error *error);

/* Walk every segment and blob of a snapshot (verify): calls are pulled, ids ascending. A damaged one is
 * LION_FAILED, with its id or hash set all the same (both zero: the store itself is damaged, and the walk cannot go
 * on); the next call goes on behind it. LION_END at the end. */
typedef struct lion_store_walk lion_store_walk;
lion_status lion_store_walk_open(lion_store_walk **walk_out, lion_snapshot *snapshot, lion_error *error);
lion_status lion_store_walk_next(lion_store_walk *walk, uint64_t *id_out, lion_hash128 *blob_out,
                                 bool *is_blob_out, lion_slice *bytes_out, lion_error *error);
void lion_store_walk_close(lion_store_walk *walk);

/* How often the trees of the newest root refer to a blob, as the store counted. LION_ABSENT: it cannot
 * be told, because this snapshot is no longer of the newest root. */
lion_status lion_snapshot_references(uint64_t *count_out, lion_snapshot *snapshot, lion_hash128 hash,
                                     lion_error *error);

/* The pages of a file at rest. Takes the owner's lock and holds it until it is closed, writes
 * nothing. A step is a few pages: LION_FAILED is a fault (or memory ran out), and the next step goes on
 * behind it; LION_END when all has been read. A file without faults can be opened with is_checked;
 * one with faults must not be opened at all. */
typedef struct lion_store_check lion_store_check;
lion_status lion_store_check_open(lion_store_check **check_out, const char *path, lion_error *error);
lion_status lion_store_check_step(lion_store_check *check, lion_error *error);
void lion_store_check_close(lion_store_check *check); /* NULL is allowed; close the store first */

#endif
