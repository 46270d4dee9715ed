/* backend.h - what the two stores have in common, and the table of what differs.
 * Private to store/. store.c and snapshot.c are the common part; a backend embeds these structs as
 * the first members of its own. */
#ifndef LION_STORE_BACKEND_H
#define LION_STORE_BACKEND_H

#include <pthread.h>

#include "store/frame.h"
#include "store/pointers.h"
#include "store/store.h"

#define LION_EPOCH_FIRST UINT64_C(1)
#define LION_EPOCH_SHIFT 40

typedef struct lion_backend {
    void (*close)(lion_store *store);

    /* Under the store's lock. pin sets number, root and pin of a fresh snapshot. */
    lion_status (*pin)(lion_snapshot *snapshot, lion_error *error);
    void (*unpin)(lion_snapshot *snapshot);
    /* Under the snapshot's lock. A frame at an address that is stable and 8-byte aligned. */
    lion_status (*segment)(const lion_frame **frame_out, lion_snapshot *snapshot, uint64_t id,
                           lion_error *error);
    lion_status (*blob)(const lion_frame **frame_out, lion_snapshot *snapshot, lion_hash128 hash,
                        lion_error *error);

    lion_status (*references)(uint64_t *count_out, lion_snapshot *snapshot, lion_hash128 hash,
                              lion_error *error);

    /* finish and abort free the commit, whatever they answer. */
    lion_status (*begin)(lion_commit **commit_out, lion_store *store, lion_error *error);
    lion_status (*put)(lion_commit *commit, uint64_t id, lion_slice bytes, lion_error *error);
    lion_status (*put_blob)(lion_commit *commit, lion_hash128 hash, lion_slice bytes,
                            lion_error *error);
    lion_status (*finish)(lion_commit *commit, lion_slice root, lion_error *error);
    void (*abort)(lion_commit *commit);

    uint64_t (*edition)(lion_store *store);
    lion_status (*stats)(lion_store_stats *stats_out, lion_store *store, lion_error *error);
    lion_status (*copy)(lion_store *store, const char *path, lion_error *error);
    lion_status (*walk_open)(lion_store_walk **walk_out, lion_snapshot *snapshot,
                             lion_error *error);
    lion_status (*walk_next)(lion_store_walk *walk, uint64_t *id_out, lion_hash128 *blob_out,
                             bool *is_blob_out, lion_slice *bytes_out, lion_error *error);
    void (*walk_close)(lion_store_walk *walk);
} lion_backend;

struct lion_store {
    const lion_backend *backend;
    pthread_mutex_t lock;     /* guards the list of snapshots and number */
    lion_snapshot *newest;    /* borrowed: the last one pinned, while it lives */
    lion_snapshot *snapshots; /* all that live, newest first */
    uint64_t number;          /* of the newest root that this store committed */
    uint64_t next_id;         /* the next segment's; the committer's */
    uint64_t generation; /* atomic where it is read-only: the owner's newest */
    uint8_t database_id[16];
    bool is_read_only; /* then another process commits */
};

struct lion_snapshot {
    lion_store *store;
    lion_snapshot *next, *previous;
    uint32_t references; /* atomic; falls to 0 only under the store's lock */
    uint64_t number;     /* of the commit that installed the root; 0: none yet */
    uint64_t edition;    /* of the store, when it was last found to be the newest; under the store's lock */
    lion_slice root;     /* borrowed from the pin, or in `copies` */
    void *pin;           /* LMDB: the read transaction */

    pthread_mutex_t lock; /* serialises resolving */
    lion_pointers segments, blobs;
    lion_arena copies; /* small values that LMDB keeps unaligned; entries of `blobs` */
};

typedef struct lion_blob_change {
    lion_hash128 hash;
    int64_t references; /* added, or taken away */
} lion_blob_change;

/* Deletions wait here for the end of the commit: the old root still needs what they delete. */
struct lion_commit {
    lion_store *store;
    uint64_t first_id; /* ids of this commit are at or above */
    uint64_t *deletes; /* owned; finish gets them ascending, one each */
    size_t delete_count, delete_capacity;
    lion_blob_change *blobs; /* owned; finish gets them sorted by hash, one each */
    size_t blob_count, blob_capacity;
};

struct lion_store_walk {
    lion_snapshot *snapshot; /* kept */
};

/* Set up and tear down the common part. */
void lion_store_init(lion_store *store, const lion_backend *backend);
void lion_store_deinit(lion_store *store);
void lion_commit_init(lion_commit *commit, lion_store *store);
void lion_commit_deinit(lion_commit *commit);

/* The oldest commit number any live snapshot needs; UINT64_MAX if none lives. Under the lock. */
uint64_t lion_store_oldest(const lion_store *store);

/* lion/corrupt: "segment 1:77 is missing", the shared words of both stores. */
lion_status lion_fail_segment(lion_error *error, uint64_t id, const char *trouble);
lion_status lion_fail_blob(lion_error *error, lion_hash128 hash, const char *trouble);

#endif
