/* store_memory.c - a store in the heap. Objects (segments, blobs) are born with one commit and die
 * with a later one; commits are numbered, and a snapshot sees what its number lies in:
 *
 *     born <= number < died          (died 0: alive)
 *
 * The dead wait in a list, in the order of their deaths, until no snapshot is old enough to see
 * them. A blob that is put again while it waits is held until that commit ends and then revived;
 * its entry in the list no longer agrees with its death and is passed over. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/table.h"
#include "store/backend.h"
#include "store/file.h"

typedef struct object {
    uint64_t born, died; /* commit numbers; died 0: alive */
    int64_t references;  /* of a blob */
    uint32_t room;       /* bytes of the frame behind this struct */
    uint32_t is_held;    /* the running commit wants it, dead or not */
} object;

typedef struct death {
    uint64_t number;   /* the commit that killed it */
    uint64_t id;       /* of a segment, 0: a blob */
    lion_hash128 hash; /* of a blob */
} death;

typedef struct memory_store {
    lion_store base;
    lion_table segments; /* id → object; this and all below under the store's lock */
    lion_names *blobs;   /* hash → object */
    uint64_t bytes_used;
    uint8_t *root; /* owned; of the newest commit */
    size_t root_size;
    death *deaths; /* ascending by number; [deaths_first, deaths_count) wait */
    size_t deaths_first, deaths_count, deaths_capacity;
} memory_store;

typedef struct memory_commit {
    lion_commit base;
    uint64_t *ids; /* put so far, for an abort; owned */
    size_t id_count, id_capacity;
    lion_hash128 *hashes; /* blobs born or held here */
    size_t hash_count, hash_capacity;
} memory_commit;

static memory_store *memory_of(const lion_store *store)
{
    return (memory_store *)(uintptr_t)store;
}

static lion_frame *frame_of(const object *owner)
{
    return (lion_frame *)(uintptr_t)(owner + 1);
}

static object *object_of(uint64_t value)
{
    return (object *)(uintptr_t)value;
}

static lion_slice name_of(const lion_hash128 *hash)
{
    return lion_slice_of(hash, sizeof *hash);
}

static object *find_segment(const memory_store *memory, uint64_t id)
{
    uint64_t value;
    return lion_table_get(&memory->segments, id, &value) ? object_of(value) : NULL;
}

static object *find_blob(const memory_store *memory, lion_hash128 hash)
{
    uint64_t value;
    return lion_names_get(memory->blobs, name_of(&hash), &value) ? object_of(value) : NULL;
}

static object *new_object(uint32_t kind, uint64_t seed, lion_slice bytes, uint64_t born)
{
    size_t room = sizeof(lion_frame) + (bytes.size + 7) / 8 * 8;
    object *made = lion_alloc(sizeof *made + room);
    if (made == NULL) return NULL;
    *made = (object){ .born = born, .room = (uint32_t)room };
    lion_frame_write(frame_of(made), room, kind, seed, bytes);
    return made;
}

static void remove_segment(memory_store *memory, uint64_t id)
{
    object *gone = find_segment(memory, id);
    if (gone == NULL) return;
    lion_table_remove(&memory->segments, id);
    memory->bytes_used -= gone->room;
    lion_free(gone);
}

static void remove_blob(memory_store *memory, lion_hash128 hash)
{
    object *gone = find_blob(memory, hash);
    if (gone == NULL) return;
    lion_names_remove(memory->blobs, name_of(&hash));
    memory->bytes_used -= gone->room;
    lion_free(gone);
}

/* -- Snapshots -------------------------------------------------------------------------------- */

static bool is_visible(const object *seen, uint64_t number)
{
    return seen->born <= number && (seen->died == 0 || seen->died > number);
}

/* Free the dead that no snapshot can see. Under the lock. */
static void sweep(memory_store *memory)
{
    uint64_t oldest = lion_store_oldest(&memory->base);
    while (memory->deaths_first < memory->deaths_count) {
        const death *at = &memory->deaths[memory->deaths_first];
        if (at->number > oldest) break;
        memory->deaths_first++;
        const object *dead =
            at->id != 0 ? find_segment(memory, at->id) : find_blob(memory, at->hash);
        bool is_revived = dead == NULL || dead->died != at->number;
        if (is_revived || dead->is_held) continue; /* a held one is settled with its commit */
        if (at->id != 0)
            remove_segment(memory, at->id);
        else
            remove_blob(memory, at->hash);
    }
    if (memory->deaths_first == memory->deaths_count)
        memory->deaths_first = memory->deaths_count = 0;
}

static lion_status memory_pin(lion_snapshot *snapshot, lion_error *error)
{
    memory_store *memory = memory_of(snapshot->store);
    snapshot->root =
        lion_arena_copy(&snapshot->copies, lion_slice_of(memory->root, memory->root_size));
    snapshot->number = memory->base.number;
    return lion_arena_check(&snapshot->copies, error);
}

static void memory_unpin(lion_snapshot *snapshot)
{
    sweep(memory_of(snapshot->store));
}

static lion_status memory_segment(const lion_frame **frame_out, lion_snapshot *snapshot,
                                  uint64_t id, lion_error *error)
{
    memory_store *memory = memory_of(snapshot->store);
    pthread_mutex_lock(&memory->base.lock);
    const object *found = find_segment(memory, id);
    bool is_there = found != NULL && is_visible(found, snapshot->number);
    pthread_mutex_unlock(&memory->base.lock);
    if (!is_there) return lion_fail_segment(error, id, "is missing");
    *frame_out = frame_of(found);
    return LION_OK;
}

static lion_status memory_blob(const lion_frame **frame_out, lion_snapshot *snapshot,
                               lion_hash128 hash, lion_error *error)
{
    memory_store *memory = memory_of(snapshot->store);
    pthread_mutex_lock(&memory->base.lock);
    const object *found = find_blob(memory, hash);
    bool is_there = found != NULL && is_visible(found, snapshot->number);
    pthread_mutex_unlock(&memory->base.lock);
    if (!is_there) return lion_fail_blob(error, hash, "is missing");
    *frame_out = frame_of(found);
    return LION_OK;
}

static lion_status memory_references(uint64_t *count_out, lion_snapshot *snapshot,
                                     lion_hash128 hash, lion_error *error)
{
    (void)error;
    memory_store *memory = memory_of(snapshot->store);
    pthread_mutex_lock(&memory->base.lock);
    const object *found = find_blob(memory, hash);
    bool is_newest = snapshot->number == memory->base.number;
    if (is_newest) *count_out = found != NULL ? (uint64_t)found->references : 0;
    pthread_mutex_unlock(&memory->base.lock);
    return is_newest ? LION_OK : LION_ABSENT;
}

/* -- Committing ------------------------------------------------------------------------------- */

/* Room for one element more. */
static bool reserve(void **list, size_t count, size_t *capacity, size_t extra, size_t element_size)
{
    if (count + extra <= *capacity) return true;
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2, size;
    if (wanted < count + extra) wanted = count + extra;
    if (!lion_size_mul(&size, wanted, element_size)) return false;
    void *grown = lion_realloc(*list, size);
    if (grown == NULL) return false;
    *list = grown;
    *capacity = wanted;
    return true;
}

static memory_commit *memory_commit_of(lion_commit *commit)
{
    return (memory_commit *)commit;
}

static void free_commit(memory_commit *commit)
{
    lion_commit_deinit(&commit->base);
    lion_free(commit->ids);
    lion_free(commit->hashes);
    lion_free(commit);
}

static lion_status memory_begin(lion_commit **commit_out, lion_store *store, lion_error *error)
{
    memory_commit *commit = lion_zalloc(sizeof *commit);
    if (commit == NULL) return lion_fail_memory(error);
    lion_commit_init(&commit->base, store);
    *commit_out = &commit->base;
    return LION_OK;
}

static lion_status memory_put(lion_commit *base, uint64_t id, lion_slice bytes, lion_error *error)
{
    memory_commit *commit = memory_commit_of(base);
    memory_store *memory = memory_of(base->store);
    if (LION_FAULT_POINT("store.put")) return lion_fail_memory(error);
    if (!reserve((void **)&commit->ids, commit->id_count, &commit->id_capacity, 1,
                 sizeof(uint64_t)))
        return lion_fail_memory(error);

    object *made = new_object(LION_FRAME_SEGMENT, id, bytes, memory->base.number + 1);
    if (made == NULL) return lion_fail_memory(error);
    pthread_mutex_lock(&memory->base.lock);
    LION_ASSERT(find_segment(memory, id) == NULL); /* an id is put once */
    bool is_put = lion_table_put(&memory->segments, id, (uint64_t)(uintptr_t)made);
    if (is_put) memory->bytes_used += made->room;
    pthread_mutex_unlock(&memory->base.lock);
    if (!is_put) {
        lion_free(made);
        return lion_fail_memory(error);
    }
    commit->ids[commit->id_count++] = id;
    return LION_OK;
}

/* Note that the commit wants this blob; makes it if it is not there. Under the lock. */
static bool want_blob(memory_commit *commit, lion_hash128 hash, object *made)
{
    memory_store *memory = memory_of(commit->base.store);
    object *wanted = find_blob(memory, hash);
    if (wanted == NULL) {
        if (!lion_names_put(memory->blobs, name_of(&hash), (uint64_t)(uintptr_t)made)) return false;
        memory->bytes_used += made->room;
        wanted = made;
    }
    if (wanted != made) lion_free(made);
    if (wanted->is_held) return true;
    wanted->is_held = 1;
    commit->hashes[commit->hash_count++] = hash;
    return true;
}

static lion_status memory_put_blob(lion_commit *base, lion_hash128 hash, lion_slice bytes,
                                   lion_error *error)
{
    memory_commit *commit = memory_commit_of(base);
    memory_store *memory = memory_of(base->store);
    if (LION_FAULT_POINT("store.put_blob")) return lion_fail_memory(error);
    if (!reserve((void **)&commit->hashes, commit->hash_count, &commit->hash_capacity, 1,
                 sizeof hash))
        return lion_fail_memory(error);
    object *made = new_object(LION_FRAME_BLOB, hash.low, bytes, memory->base.number + 1);
    if (made == NULL) return lion_fail_memory(error);

    pthread_mutex_lock(&memory->base.lock);
    bool is_wanted = want_blob(commit, hash, made);
    pthread_mutex_unlock(&memory->base.lock);
    if (is_wanted) return LION_OK;
    lion_free(made);
    return lion_fail_memory(error);
}

/* Let go of the blobs that the commit held; those that it left dead and that nobody sees go. Under
 * the lock. */
static void settle_blobs(memory_commit *commit)
{
    memory_store *memory = memory_of(commit->base.store);
    uint64_t oldest = lion_store_oldest(&memory->base);
    for (size_t i = 0; i < commit->hash_count; i++) {
        object *held = find_blob(memory, commit->hashes[i]);
        LION_ASSERT(held != NULL && held->is_held);
        held->is_held = 0;
        bool is_unborn = held->born > memory->base.number;
        bool is_gone = held->died != 0 && held->died <= oldest && held->died <= memory->base.number;
        if (is_unborn || is_gone) remove_blob(memory, commit->hashes[i]);
    }
}

/* All that the commit takes away must be there: checked before anything changes. Under the lock. */
static lion_status check_commit(const memory_commit *commit, lion_error *error)
{
    const lion_commit *base = &commit->base;
    const memory_store *memory = memory_of(base->store);
    for (size_t i = 0; i < base->delete_count; i++) {
        const object *doomed = find_segment(memory, base->deletes[i]);
        if (doomed == NULL || doomed->died != 0)
            return lion_fail_segment(error, base->deletes[i], "was to be deleted but is missing");
    }
    for (size_t i = 0; i < base->blob_count; i++) {
        const object *counted = find_blob(memory, base->blobs[i].hash);
        if (counted == NULL || counted->references + base->blobs[i].references < 0)
            return lion_fail_blob(error, base->blobs[i].hash,
                                  "was to be released more often than it was put");
    }
    return LION_OK;
}

static void kill_object(memory_store *memory, object *dying, death entry)
{
    dying->died = entry.number;
    memory->deaths[memory->deaths_count++] = entry;
}

static void apply_commit(memory_commit *commit)
{
    const lion_commit *base = &commit->base;
    memory_store *memory = memory_of(base->store);
    uint64_t number = ++memory->base.number;
    for (size_t i = 0; i < base->delete_count; i++) {
        kill_object(memory, find_segment(memory, base->deletes[i]),
                    (death){ .number = number, .id = base->deletes[i] });
    }
    for (size_t i = 0; i < base->blob_count; i++) {
        object *counted = find_blob(memory, base->blobs[i].hash);
        bool was_dead = counted->died != 0;
        counted->references += base->blobs[i].references;
        if (counted->references > 0)
            counted->died = 0;
        else if (!was_dead)
            kill_object(memory, counted, (death){ .number = number, .hash = base->blobs[i].hash });
    }
}

static lion_status memory_finish(lion_commit *base, lion_slice root, lion_error *error)
{
    memory_commit *commit = memory_commit_of(base);
    memory_store *memory = memory_of(base->store);
    uint8_t *root_copy = lion_alloc(root.size == 0 ? 1 : root.size);
    pthread_mutex_lock(&memory->base.lock);
    bool has_room =
        root_copy != NULL &&
        reserve((void **)&memory->deaths, memory->deaths_count, &memory->deaths_capacity,
                base->delete_count + base->blob_count, sizeof(death));
    lion_status status = has_room ? check_commit(commit, error) : lion_fail_memory(error);
    if (status == LION_OK && LION_FAULT_POINT("store.commit")) status = lion_fail_memory(error);
    if (status != LION_OK) {
        pthread_mutex_unlock(&memory->base.lock);
        lion_free(root_copy);
        lion_commit_abort(base);
        return status;
    }

    apply_commit(commit);
    settle_blobs(commit);
    if (root.size > 0) memcpy(root_copy, root.data, root.size);
    lion_free(memory->root);
    memory->root = root_copy;
    memory->root_size = root.size;
    sweep(memory);
    pthread_mutex_unlock(&memory->base.lock);
    free_commit(commit);
    return LION_OK;
}

static void memory_abort(lion_commit *base)
{
    memory_commit *commit = memory_commit_of(base);
    memory_store *memory = memory_of(base->store);
    pthread_mutex_lock(&memory->base.lock);
    for (size_t i = 0; i < commit->id_count; i++) remove_segment(memory, commit->ids[i]);
    settle_blobs(commit);
    pthread_mutex_unlock(&memory->base.lock);
    free_commit(commit);
}

/* -- Upkeep ----------------------------------------------------------------------------------- */

static uint64_t memory_edition(lion_store *store)
{
    pthread_mutex_lock(&store->lock);
    uint64_t number = store->number;
    pthread_mutex_unlock(&store->lock);
    return number;
}

static lion_status memory_stats(lion_store_stats *stats_out, lion_store *store, lion_error *error)
{
    (void)error;
    memory_store *memory = memory_of(store);
    pthread_mutex_lock(&store->lock);
    *stats_out = (lion_store_stats){ .bytes_used = memory->bytes_used,
                                     .segments = memory->segments.count,
                                     .blobs = lion_names_count(memory->blobs) };
    pthread_mutex_unlock(&store->lock);
    return LION_OK;
}

static lion_status memory_copy(lion_store *store, const char *path, lion_error *error)
{
    (void)store;
    return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported",
                     "a database in memory has no file to copy to \"%s\"; export it instead", path);
}

typedef struct memory_walk {
    lion_store_walk base;
    uint64_t *ids; /* ascending; owned */
    size_t id_count, id_capacity, id_next;
    lion_hash128 *hashes; /* owned */
    size_t hash_count, hash_capacity, hash_next;
} memory_walk;

static void memory_walk_close(lion_store_walk *base)
{
    memory_walk *walk = (memory_walk *)base;
    lion_snapshot_drop(base->snapshot);
    lion_free(walk->ids);
    lion_free(walk->hashes);
    lion_free(walk);
}

/* What the snapshot sees. Under the lock. */
static bool list_visible(memory_walk *walk)
{
    const lion_snapshot *snapshot = walk->base.snapshot;
    const memory_store *memory = memory_of(snapshot->store);
    if (!reserve((void **)&walk->ids, 0, &walk->id_capacity, memory->segments.count + 1,
                 sizeof *walk->ids) ||
        !reserve((void **)&walk->hashes, 0, &walk->hash_capacity,
                 lion_names_count(memory->blobs) + 1, sizeof *walk->hashes))
        return false;

    uint64_t id, value;
    for (size_t cursor = 0; lion_table_next(&memory->segments, &cursor, &id, &value);) {
        if (is_visible(object_of(value), snapshot->number)) walk->ids[walk->id_count++] = id;
    }
    lion_slice name;
    for (size_t cursor = 0; lion_names_next(memory->blobs, &cursor, &name, &value);) {
        if (!is_visible(object_of(value), snapshot->number)) continue;
        memcpy(&walk->hashes[walk->hash_count++], name.data, sizeof(lion_hash128));
    }
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static lion_status memory_walk_open(lion_store_walk **walk_out, lion_snapshot *snapshot,
                                    lion_error *error)
{
    memory_walk *walk = lion_zalloc(sizeof *walk);
    if (walk == NULL) return lion_fail_memory(error);
    walk->base.snapshot = lion_snapshot_keep(snapshot);
    pthread_mutex_lock(&snapshot->store->lock);
    bool is_listed = list_visible(walk);
    pthread_mutex_unlock(&snapshot->store->lock);
    if (!is_listed) {
        memory_walk_close(&walk->base);
        return lion_fail_memory(error);
    }
    qsort(walk->ids, walk->id_count, sizeof *walk->ids, compare_ids);
    *walk_out = &walk->base;
    return LION_OK;
}

static lion_status memory_walk_next(lion_store_walk *base, uint64_t *id_out, lion_hash128 *blob_out,
                                    bool *is_blob_out, lion_slice *bytes_out, lion_error *error)
{
    memory_walk *walk = (memory_walk *)base;
    lion_slice bytes;
    if (walk->id_next < walk->id_count) {
        uint64_t id = walk->ids[walk->id_next++];
        *id_out = id;
        *is_blob_out = false;
        lion_status status = lion_snapshot_segment(&bytes, base->snapshot, id, error);
        if (status != LION_OK) return status;
        if (!lion_frame_is_sound(bytes.data - sizeof(lion_frame), id))
            return lion_fail_segment(error, id, "is damaged (in memory)");
        *bytes_out = bytes;
        return LION_OK;
    }
    if (walk->hash_next == walk->hash_count) return LION_END;

    lion_hash128 hash = walk->hashes[walk->hash_next++];
    *blob_out = hash;
    *is_blob_out = true;
    lion_status status = lion_snapshot_blob(&bytes, base->snapshot, hash, error);
    if (status != LION_OK) return status;
    if (!lion_frame_is_sound(bytes.data - sizeof(lion_frame), hash.low))
        return lion_fail_blob(error, hash, "is damaged (in memory)");
    *bytes_out = bytes;
    return LION_OK;
}

/* -- Open and close --------------------------------------------------------------------------- */

static void memory_close(lion_store *store)
{
    memory_store *memory = memory_of(store);
    uint64_t value;
    for (size_t cursor = 0; lion_table_next(&memory->segments, &cursor, NULL, &value);)
        lion_free(object_of(value));
    if (memory->blobs != NULL) {
        for (size_t cursor = 0; lion_names_next(memory->blobs, &cursor, NULL, &value);)
            lion_free(object_of(value));
    }
    lion_table_deinit(&memory->segments);
    lion_names_free(memory->blobs);
    lion_free(memory->root);
    lion_free(memory->deaths);
    lion_store_deinit(store);
    lion_free(memory);
}

static const lion_backend MEMORY_BACKEND = {
    .close = memory_close,
    .pin = memory_pin,
    .unpin = memory_unpin,
    .segment = memory_segment,
    .blob = memory_blob,
    .references = memory_references,
    .begin = memory_begin,
    .put = memory_put,
    .put_blob = memory_put_blob,
    .finish = memory_finish,
    .abort = memory_abort,
    .edition = memory_edition,
    .stats = memory_stats,
    .copy = memory_copy,
    .walk_open = memory_walk_open,
    .walk_next = memory_walk_next,
    .walk_close = memory_walk_close,
};

lion_status lion_store_open_memory(lion_store **store_out, lion_error *error)
{
    memory_store *memory = lion_zalloc(sizeof *memory);
    if (memory == NULL) return lion_fail_memory(error);
    lion_store_init(&memory->base, &MEMORY_BACKEND);
    lion_table_init(&memory->segments);
    memory->blobs = lion_names_new();
    memory->base.generation = 1;
    lion_random_bytes(memory->base.database_id, sizeof memory->base.database_id);
    if (memory->blobs == NULL) {
        memory_close(&memory->base);
        return lion_fail_memory(error);
    }
    *store_out = &memory->base;
    return LION_OK;
}
