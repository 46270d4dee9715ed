/* store.c - the common part of both stores: dispatch, and what a commit gathers until its end. */
#include "store/store.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "store/backend.h"

void lion_store_init(lion_store *store, const lion_backend *backend)
{
    store->backend = backend;
    store->next_id = LION_EPOCH_FIRST << LION_EPOCH_SHIFT | 1;
    pthread_mutex_init(&store->lock, NULL);
}

void lion_store_deinit(lion_store *store)
{
    LION_ASSERT(store->snapshots == NULL); /* the caller drops them first */
    pthread_mutex_destroy(&store->lock);
}

void lion_store_close(lion_store *store)
{
    if (store != NULL) store->backend->close(store);
}

const uint8_t *lion_store_database_id(const lion_store *store)
{
    return store->database_id;
}

uint64_t lion_store_edition(lion_store *store)
{
    return store->backend->edition(store);
}

uint64_t lion_store_generation(const lion_store *store)
{
    return __atomic_load_n(&store->generation, __ATOMIC_RELAXED);
}

uint64_t lion_store_oldest(const lion_store *store)
{
    uint64_t oldest = UINT64_MAX;
    for (const lion_snapshot *at = store->snapshots; at != NULL; at = at->next) {
        if (at->number < oldest) oldest = at->number;
    }
    return oldest;
}

lion_status lion_fail_segment(lion_error *error, uint64_t id, const char *trouble)
{
    return lion_fail_corrupt(
        error, "segment %llu:%llu %s", (unsigned long long)(id >> LION_EPOCH_SHIFT),
        (unsigned long long)(id & ((UINT64_C(1) << LION_EPOCH_SHIFT) - 1)), trouble);
}

lion_status lion_fail_blob(lion_error *error, lion_hash128 hash, const char *trouble)
{
    return lion_fail_corrupt(error, "blob %016llx%016llx %s", (unsigned long long)hash.high,
                             (unsigned long long)hash.low, trouble);
}

/* -- Committing ------------------------------------------------------------------------------- */

void lion_commit_init(lion_commit *commit, lion_store *store)
{
    commit->store = store;
    commit->first_id = store->next_id;
}

void lion_commit_deinit(lion_commit *commit)
{
    lion_free(commit->deletes);
    lion_free(commit->blobs);
}

lion_status lion_commit_begin(lion_commit **commit_out, lion_store *store, lion_error *error)
{
    if (store->is_read_only)
        return lion_fail(error, LION_FORBIDDEN, "lion/read-only",
                         "this database was opened to be read only; open it without read_only "
                         "to change it");
    return store->backend->begin(commit_out, store, error);
}

uint64_t lion_commit_next_id(lion_commit *commit)
{
    return commit->store->next_id++;
}

/* What a frame cannot hold is refused here, for segments and blobs alike. */
static lion_status check_size(lion_slice bytes, lion_error *error)
{
    if (bytes.size <= LION_FRAME_BYTES_MAX) return LION_OK;
    return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                     "one value of %zu bytes is more than the store holds (4 GiB); split it",
                     bytes.size);
}

lion_status lion_commit_put(lion_commit *commit, uint64_t id, lion_slice bytes, lion_error *error)
{
    LION_ASSERT(id >= commit->first_id && id < commit->store->next_id);
    lion_status status = check_size(bytes, error);
    if (status != LION_OK) return status;
    return commit->store->backend->put(commit, id, bytes, error);
}

/* Room for one element more in a list of the commit; NULL: out of memory. */
static void *grow_list(void *list, size_t count, size_t *capacity, size_t element_size)
{
    if (count < *capacity) return list;
    size_t capacity_new = *capacity == 0 ? 64 : *capacity * 2, size;
    if (!lion_size_mul(&size, capacity_new, element_size)) return NULL;
    void *grown = lion_realloc(list, size);
    if (grown != NULL) *capacity = capacity_new;
    return grown;
}

lion_status lion_commit_delete(lion_commit *commit, uint64_t id, lion_error *error)
{
    uint64_t *deletes =
        grow_list(commit->deletes, commit->delete_count, &commit->delete_capacity, sizeof *deletes);
    if (deletes == NULL) return lion_fail_memory(error);
    commit->deletes = deletes;
    commit->deletes[commit->delete_count++] = id;
    return LION_OK;
}

static lion_status note_blob(lion_commit *commit, lion_hash128 hash, int64_t references,
                             lion_error *error)
{
    lion_blob_change *blobs =
        grow_list(commit->blobs, commit->blob_count, &commit->blob_capacity, sizeof *blobs);
    if (blobs == NULL) return lion_fail_memory(error);
    commit->blobs = blobs;
    commit->blobs[commit->blob_count++] =
        (lion_blob_change){ .hash = hash, .references = references };
    return LION_OK;
}

lion_status lion_commit_put_blob(lion_commit *commit, lion_hash128 hash, lion_slice bytes,
                                 uint64_t references, lion_error *error)
{
    LION_ASSERT(references <= INT64_MAX);
    lion_status status = check_size(bytes, error);
    if (status == LION_OK) status = note_blob(commit, hash, (int64_t)references, error);
    if (status != LION_OK) return status;
    return commit->store->backend->put_blob(commit, hash, bytes, error);
}

lion_status lion_commit_release_blob(lion_commit *commit, lion_hash128 hash, uint64_t references,
                                     lion_error *error)
{
    LION_ASSERT(references <= INT64_MAX);
    return note_blob(commit, hash, -(int64_t)references, error);
}

static int compare_blobs(const void *a, const void *b)
{
    const lion_blob_change *left = a, *right = b;
    if (left->hash.high != right->hash.high) return left->hash.high < right->hash.high ? -1 : 1;
    if (left->hash.low != right->hash.low) return left->hash.low < right->hash.low ? -1 : 1;
    return 0;
}

/* One change a blob, in one order: neighbours share LMDB's pages. */
static void merge_blobs(lion_commit *commit)
{
    if (commit->blob_count == 0) return;
    lion_blob_change *blobs = commit->blobs;
    qsort(blobs, commit->blob_count, sizeof *blobs, compare_blobs);
    size_t last = 0;
    for (size_t i = 1; i < commit->blob_count; i++) {
        if (compare_blobs(&blobs[last], &blobs[i]) == 0)
            blobs[last].references += blobs[i].references;
        else
            blobs[++last] = blobs[i];
    }
    commit->blob_count = last + 1;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* Two trees that share a segment would delete it twice: the sign of a damaged directory. */
static lion_status sort_deletes(lion_commit *commit, lion_error *error)
{
    if (commit->delete_count == 0) return LION_OK;
    qsort(commit->deletes, commit->delete_count, sizeof *commit->deletes, compare_ids);
    for (size_t i = 1; i < commit->delete_count; i++) {
        if (commit->deletes[i] == commit->deletes[i - 1])
            return lion_fail_segment(error, commit->deletes[i], "was to be deleted twice");
    }
    return LION_OK;
}

lion_status lion_commit_finish_take(lion_commit *commit, lion_slice root, lion_error *error)
{
    lion_status status = check_size(root, error);
    if (status == LION_OK) status = sort_deletes(commit, error);
    if (status != LION_OK) {
        lion_commit_abort(commit);
        return status;
    }
    merge_blobs(commit);
    return commit->store->backend->finish(commit, root, error);
}

void lion_commit_abort(lion_commit *commit)
{
    if (commit != NULL) commit->store->backend->abort(commit);
}

/* -- Upkeep ----------------------------------------------------------------------------------- */

lion_status lion_store_stats_read(lion_store_stats *stats_out, lion_store *store, lion_error *error)
{
    lion_store_stats stats = { 0 };
    lion_status status = store->backend->stats(&stats, store, error);
    if (status != LION_OK) return status;

    pthread_mutex_lock(&store->lock);
    for (const lion_snapshot *at = store->snapshots; at != NULL; at = at->next) stats.snapshots++;
    pthread_mutex_unlock(&store->lock);
    *stats_out = stats;
    return LION_OK;
}

lion_status lion_store_copy(lion_store *store, const char *path, lion_error *error)
{
    return store->backend->copy(store, path, error);
}

lion_status lion_store_walk_open(lion_store_walk **walk_out, lion_snapshot *snapshot,
                                 lion_error *error)
{
    return snapshot->store->backend->walk_open(walk_out, snapshot, error);
}

lion_status lion_store_walk_next(lion_store_walk *walk, uint64_t *id_out, lion_hash128 *blob_out,
                                 bool *is_blob_out, lion_slice *bytes_out, lion_error *error)
{
    return walk->snapshot->store->backend->walk_next(walk, id_out, blob_out, is_blob_out, bytes_out,
                                                     error);
}

void lion_store_walk_close(lion_store_walk *walk)
{
    if (walk != NULL) walk->snapshot->store->backend->walk_close(walk);
}
