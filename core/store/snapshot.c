/* snapshot.c - pinned roots. Whoever pins the newest root again shares the snapshot that is there;
 * what a snapshot resolved once, every thread reads without a lock. */
#include "base/assert.h"
#include "base/memory.h"
#include "store/backend.h"

/* A blob as the table knows it: its key is 63 bits of the hash, so the whole hash is compared. */
typedef struct blob_entry {
    lion_hash128 hash;
    const lion_frame *frame;
} blob_entry;

static void link_snapshot(lion_snapshot *snapshot)
{
    lion_store *store = snapshot->store;
    snapshot->next = store->snapshots;
    if (store->snapshots != NULL) store->snapshots->previous = snapshot;
    store->snapshots = snapshot;
    store->newest = snapshot;
}

static void unlink_snapshot(lion_snapshot *snapshot)
{
    lion_store *store = snapshot->store;
    if (snapshot->next != NULL) snapshot->next->previous = snapshot->previous;
    if (snapshot->previous != NULL)
        snapshot->previous->next = snapshot->next;
    else
        store->snapshots = snapshot->next;
    if (store->newest == snapshot) store->newest = NULL;
}

static void free_snapshot(lion_snapshot *snapshot)
{
    lion_pointers_deinit(&snapshot->segments);
    lion_pointers_deinit(&snapshot->blobs);
    lion_arena_deinit(&snapshot->copies);
    pthread_mutex_destroy(&snapshot->lock);
    lion_free(snapshot);
}

/* A fresh pin of the newest root. Under the store's lock. */
static lion_status pin_newest(lion_snapshot **snapshot_out, lion_store *store, lion_error *error)
{
    lion_snapshot *snapshot = lion_zalloc(sizeof *snapshot);
    if (snapshot == NULL) return lion_fail_memory(error);
    snapshot->store = store;
    snapshot->references = 1;
    pthread_mutex_init(&snapshot->lock, NULL);
    lion_arena_init(&snapshot->copies, 0);

    lion_status status = store->backend->pin(snapshot, error);
    if (status != LION_OK) {
        free_snapshot(snapshot);
        return status;
    }
    *snapshot_out = snapshot;
    return LION_OK;
}

static lion_status open_locked(lion_snapshot **snapshot_out, lion_store *store, lion_error *error)
{
    lion_snapshot *newest = store->newest;
    bool is_known_fresh = !store->is_read_only && newest != NULL && newest->number >= store->number;
    if (is_known_fresh) {
        *snapshot_out = lion_snapshot_keep(newest);
        return LION_OK;
    }

    lion_snapshot *snapshot = NULL;
    lion_status status = pin_newest(&snapshot, store, error);
    if (status != LION_OK) return status;
    if (newest != NULL && newest->number == snapshot->number) { /* a reader saw no news */
        newest->edition = snapshot->edition;
        store->backend->unpin(snapshot);
        free_snapshot(snapshot);
        *snapshot_out = lion_snapshot_keep(newest);
        return LION_OK;
    }
    link_snapshot(snapshot);
    *snapshot_out = snapshot;
    return LION_OK;
}

lion_status lion_snapshot_open(lion_snapshot **snapshot_out, lion_store *store, lion_error *error)
{
    pthread_mutex_lock(&store->lock);
    lion_status status = open_locked(snapshot_out, store, error);
    pthread_mutex_unlock(&store->lock);
    return status;
}

lion_snapshot *lion_snapshot_keep(lion_snapshot *snapshot)
{
    uint32_t before = __atomic_fetch_add(&snapshot->references, 1, __ATOMIC_RELAXED);
    LION_ASSERT(before > 0);
    return snapshot;
}

void lion_snapshot_drop(lion_snapshot *snapshot)
{
    if (snapshot == NULL) return;

    /* Not the last reference: no lock. The last one may only fall under the lock, because
     * lion_snapshot_open revives what it finds there. */
    uint32_t references = __atomic_load_n(&snapshot->references, __ATOMIC_RELAXED);
    while (references > 1) {
        if (__atomic_compare_exchange_n(&snapshot->references, &references, references - 1, true,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            return;
    }
    lion_store *store = snapshot->store;
    pthread_mutex_lock(&store->lock);
    bool is_last = __atomic_sub_fetch(&snapshot->references, 1, __ATOMIC_ACQ_REL) == 0;
    if (is_last) {
        unlink_snapshot(snapshot);
        store->backend->unpin(snapshot);
    }
    pthread_mutex_unlock(&store->lock);
    if (is_last) free_snapshot(snapshot);
}

lion_slice lion_snapshot_root(const lion_snapshot *snapshot)
{
    return snapshot->root;
}

uint64_t lion_snapshot_edition(lion_snapshot *snapshot)
{
    pthread_mutex_lock(&snapshot->store->lock);
    uint64_t edition = snapshot->edition;
    pthread_mutex_unlock(&snapshot->store->lock);
    return edition;
}

uint64_t lion_snapshot_number(const lion_snapshot *snapshot)
{
    return snapshot->number;
}

/* -- Segments --------------------------------------------------------------------------------- */

static lion_status resolve_segment(lion_slice *bytes_out, lion_snapshot *snapshot, uint64_t id,
                                   lion_error *error)
{
    if (id == 0) return lion_fail_segment(error, id, "is no segment's id");

    lion_status status = LION_OK;
    pthread_mutex_lock(&snapshot->lock);
    const lion_frame *frame = lion_pointers_find(&snapshot->segments, id);
    if (frame == NULL) {
        status = snapshot->store->backend->segment(&frame, snapshot, id, error);
        if (status == LION_OK && !lion_pointers_insert(&snapshot->segments, id, frame))
            status = lion_fail_memory(error);
    }
    pthread_mutex_unlock(&snapshot->lock);
    if (status == LION_OK) *bytes_out = lion_frame_bytes(frame);
    return status;
}

lion_status lion_snapshot_segment(lion_slice *bytes_out, lion_snapshot *snapshot, uint64_t id,
                                  lion_error *error)
{
    const lion_frame *frame = id == 0 ? NULL : lion_pointers_find(&snapshot->segments, id);
    if (frame == NULL) return resolve_segment(bytes_out, snapshot, id, error);
    *bytes_out = lion_frame_bytes(frame);
    return LION_OK;
}

/* -- Blobs ------------------------------------------------------------------------------------ */

static uint64_t blob_key(lion_hash128 hash)
{
    return (hash.low ^ hash.high << 1) | 1;
}

static bool hashes_equal(lion_hash128 a, lion_hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

/* Remember a resolved blob, unless its key is taken by another one (then it is looked up anew each
 * time: two hashes that agree in 63 bits are not worth a chain). */
static lion_status remember_blob(lion_snapshot *snapshot, lion_hash128 hash,
                                 const lion_frame *frame, lion_error *error)
{
    uint64_t key = blob_key(hash);
    if (lion_pointers_find(&snapshot->blobs, key) != NULL) return LION_OK;

    blob_entry *entry = lion_arena_new(&snapshot->copies, blob_entry);
    lion_status status = lion_arena_check(&snapshot->copies, error);
    if (status != LION_OK) return status;
    *entry = (blob_entry){ .hash = hash, .frame = frame };
    if (!lion_pointers_insert(&snapshot->blobs, key, entry)) return lion_fail_memory(error);
    return LION_OK;
}

lion_status lion_snapshot_blob(lion_slice *bytes_out, lion_snapshot *snapshot, lion_hash128 hash,
                               lion_error *error)
{
    const blob_entry *known = lion_pointers_find(&snapshot->blobs, blob_key(hash));
    if (known != NULL && hashes_equal(known->hash, hash)) {
        *bytes_out = lion_frame_bytes(known->frame);
        return LION_OK;
    }

    const lion_frame *frame;
    pthread_mutex_lock(&snapshot->lock);
    lion_status status = snapshot->store->backend->blob(&frame, snapshot, hash, error);
    if (status == LION_OK) status = remember_blob(snapshot, hash, frame, error);
    pthread_mutex_unlock(&snapshot->lock);
    if (status == LION_OK) *bytes_out = lion_frame_bytes(frame);
    return status;
}

lion_status lion_snapshot_references(uint64_t *count_out, lion_snapshot *snapshot, lion_hash128 hash,
                                     lion_error *error)
{
    pthread_mutex_lock(&snapshot->lock);
    lion_status status = snapshot->store->backend->references(count_out, snapshot, hash, error);
    pthread_mutex_unlock(&snapshot->lock);
    return status;
}
