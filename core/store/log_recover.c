/* log_recover.c - find the tail in the file, and whether it is whole. log_file.h gives the rules.
 *
 * One extent is in memory at a time. First the groups that continue each other are followed from
 * extent to extent; then all that is left over, in every extent, is looked through at each place
 * where a group may begin: that is how the loss of a group that was durable is told from the end of
 * the tail. */
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "store/file.h"
#include "store/log_file.h"

#define NO_EXTENT UINT32_MAX

/* A sound group outside the tail. */
typedef struct leftover {
    uint64_t offset;
    uint64_t end; /* one past its last sequence */
} leftover;

typedef struct recovery {
    lion_log_file *log;
    const lion_log_options *options;
    uint8_t *bytes; /* of `loaded`; owned */
    uint64_t room;  /* bytes allocated */
    uint32_t loaded;

    struct head {
        uint64_t sequence, generation;
        bool is_sound, is_visited;
    } heads[LION_LOG_EXTENTS_MAX]; /* the first group of each extent */

    uint64_t last;       /* E so far */
    uint64_t generation; /* of the last group of the tail */
    uint64_t mark;       /* M so far */
    leftover *leftovers; /* owned */
    size_t leftover_count, leftover_capacity;
} recovery;

static lion_status load(recovery *r, uint32_t index, lion_error *error)
{
    const lion_log_extent *extent = &r->log->extents[index];
    if (r->loaded == index) return LION_OK;
    r->loaded = NO_EXTENT;
    if (r->room < extent->size) {
        lion_free(r->bytes);
        r->room = 0;
        r->bytes = lion_alloc((size_t)extent->size);
        if (r->bytes == NULL) return lion_fail_memory(error);
        r->room = extent->size;
    }
    lion_status status = lion_file_read(r->log->file, r->bytes, (size_t)extent->size,
                                        extent->offset, r->log->path, error);
    if (status == LION_OK) r->loaded = index;
    return status;
}

/* The group at `at` of the loaded extent, NULL if there is no sound one. */
static const lion_log_group *group_at(const recovery *r, uint64_t at)
{
    const lion_log_extent *extent = &r->log->extents[r->loaded];
    if (at > extent->size - sizeof(lion_log_group)) return NULL;
    const lion_log_group *group = (const void *)(r->bytes + at);
    if (memcmp(group->magic, LION_LOG_GROUP_MAGIC, sizeof group->magic) != 0) return NULL;
    if (memcmp(group->database_id, r->options->database_id, sizeof group->database_id) != 0)
        return NULL;
    if (group->size < sizeof *group || group->size > extent->size - at) return NULL;
    if (group->checksum != lion_log_group_checksum(group, group->size, extent->offset + at))
        return NULL;
    return group;
}

static uint64_t last_of(const lion_log_group *group)
{
    return group->sequence + group->count - 1;
}

/* -- The tail --------------------------------------------------------------------------------- */

static lion_status read_heads(recovery *r, lion_error *error)
{
    for (uint32_t i = 0; i < r->log->directory.extent_count; i++) {
        lion_status status = load(r, i, error);
        if (status != LION_OK) return status;
        const lion_log_group *group = group_at(r, 0);
        if (group == NULL) continue;
        r->heads[i].is_sound = true;
        r->heads[i].sequence = group->sequence;
        r->heads[i].generation = group->generation;
    }
    return LION_OK;
}

static uint32_t find_start(const recovery *r)
{
    uint32_t best = NO_EXTENT;
    for (uint32_t i = 0; i < r->log->directory.extent_count; i++) {
        if (!r->heads[i].is_sound || r->heads[i].sequence > r->options->root_sequence + 1) continue;
        if (best == NO_EXTENT || r->heads[i].sequence > r->heads[best].sequence) best = i;
    }
    return best;
}

static uint32_t find_next(const recovery *r)
{
    for (uint32_t i = 0; i < r->log->directory.extent_count; i++) {
        if (r->heads[i].is_sound && !r->heads[i].is_visited &&
            r->heads[i].sequence == r->last + 1 && r->heads[i].generation >= r->generation)
            return i;
    }
    return NO_EXTENT;
}

static bool note_place(lion_log_file *log, uint64_t offset, uint32_t size)
{
    if (log->place_count == log->place_capacity) {
        size_t capacity = log->place_capacity == 0 ? 256 : log->place_capacity * 2;
        lion_log_place *grown = lion_realloc(log->places, capacity * sizeof *grown);
        if (grown == NULL) return false;
        log->places = grown;
        log->place_capacity = capacity;
    }
    log->places[log->place_count++] = (lion_log_place){ .offset = offset, .size = size };
    return true;
}

/* Is there something at `at` of the loaded extent that says it is the next group of the tail? */
static bool seems_next(const recovery *r, uint64_t at)
{
    const lion_log_extent *extent = &r->log->extents[r->loaded];
    if (at > extent->size - sizeof(lion_log_group)) return false;
    const lion_log_group *group = (const void *)(r->bytes + at);
    return memcmp(group->magic, LION_LOG_GROUP_MAGIC, sizeof group->magic) == 0 &&
           memcmp(group->database_id, r->options->database_id, sizeof group->database_id) == 0 &&
           group->sequence == r->last + 1 && group->generation >= r->generation;
}

/* Follow the tail through the loaded extent. */
static lion_status follow(recovery *r, lion_error *error)
{
    lion_log_extent *extent = &r->log->extents[r->loaded];
    r->log->torn = 0;
    *extent = (lion_log_extent){
        .offset = extent->offset, .size = extent->size, .first = r->last + 1, .last = r->last
    };
    const lion_log_group *group;
    while ((group = group_at(r, extent->used)) != NULL && group->sequence == r->last + 1 &&
           group->generation >= r->generation) {
        bool is_news = group->count > 0 && last_of(group) > r->options->root_sequence;
        if (is_news && !note_place(r->log, extent->offset + extent->used, group->size))
            return lion_fail_memory(error);
        r->last = last_of(group);
        r->generation = group->generation;
        if (group->mark > r->mark) r->mark = group->mark;
        extent->used += lion_log_round(group->size, LION_LOG_ALIGN);
        extent->last = r->last;
    }
    if (group == NULL && seems_next(r, extent->used)) r->log->torn = extent->offset + extent->used;
    return LION_OK;
}

/* -- What is left over ------------------------------------------------------------------------ */

static bool note_leftover(recovery *r, uint64_t offset, uint64_t end)
{
    if (r->leftover_count == r->leftover_capacity) {
        size_t capacity = r->leftover_capacity == 0 ? 64 : r->leftover_capacity * 2;
        leftover *grown = lion_realloc(r->leftovers, capacity * sizeof *grown);
        if (grown == NULL) return false;
        r->leftovers = grown;
        r->leftover_capacity = capacity;
    }
    r->leftovers[r->leftover_count++] = (leftover){ .offset = offset, .end = end };
    return true;
}

/* Look through the loaded extent behind its part of the tail. */
static lion_status scan(recovery *r, lion_error *error)
{
    const lion_log_extent *extent = &r->log->extents[r->loaded];
    for (uint64_t at = extent->used; at < extent->size;) {
        const lion_log_group *group = group_at(r, at);
        if (group == NULL) {
            at += LION_LOG_ALIGN;
            continue;
        }
        if (group->mark > r->mark) r->mark = group->mark;
        if (!note_leftover(r, extent->offset + at, group->sequence + group->count))
            return lion_fail_memory(error);
        at += lion_log_round(group->size, LION_LOG_ALIGN);
    }
    return LION_OK;
}

static lion_status follow_all(recovery *r, lion_error *error)
{
    uint32_t at = find_start(r);
    if (at != NO_EXTENT) {
        r->last = r->heads[at].sequence - 1;
        r->generation = r->heads[at].generation;
    }
    for (; at != NO_EXTENT; at = find_next(r)) {
        r->heads[at].is_visited = true;
        lion_status status = load(r, at, error);
        if (status == LION_OK) status = follow(r, error);
        if (status == LION_OK) status = scan(r, error);
        if (status != LION_OK) return status;
        r->log->current = at;
    }
    return LION_OK;
}

static lion_status scan_others(recovery *r, lion_error *error)
{
    for (uint32_t i = 0; i < r->log->directory.extent_count; i++) {
        if (r->heads[i].is_visited) continue;
        lion_status status = load(r, i, error);
        if (status == LION_OK) status = scan(r, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* What could ever be taken for a continuation of the tail is overwritten with zeros. */
static lion_status wipe(const recovery *r, lion_error *error)
{
    static const uint8_t zeros[LION_LOG_ALIGN];
    for (size_t i = 0; i < r->leftover_count; i++) {
        if (r->leftovers[i].end <= r->log->last_sequence) continue;
        lion_status status = lion_file_write(r->log->file, zeros, sizeof zeros,
                                             r->leftovers[i].offset, r->log->path, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static void free_all(lion_log_file *log)
{
    for (uint32_t i = 0; i < log->directory.extent_count; i++) {
        lion_log_extent *extent = &log->extents[i];
        *extent = (lion_log_extent){
            .offset = extent->offset, .size = extent->size, .first = 1, .last = 0, .is_free = true
        };
    }
    log->current = NO_EXTENT;
    log->place_count = 0;
}

static lion_status recover(recovery *r, lion_error *error)
{
    lion_log_file *log = r->log;
    uint64_t root = r->options->root_sequence;
    lion_status status = read_heads(r, error);
    if (status == LION_OK) status = follow_all(r, error);
    if (status == LION_OK) status = scan_others(r, error);
    if (status != LION_OK) return status;

    log->last_sequence = r->last > root ? r->last : root;
    if (r->mark > log->last_sequence) {
        const lion_log_extent *extent = log->current != NO_EXTENT ? &log->extents[log->current]
                                                                  : &log->extents[0];
        return lion_fail_corrupt(error,
                                 "\"%s\" is damaged at byte %llu: transaction record %llu was "
                                 "durable (up to %llu were) and cannot be read; restore a backup",
                                 log->path, (unsigned long long)(extent->offset + extent->used),
                                 (unsigned long long)log->last_sequence + 1,
                                 (unsigned long long)r->mark);
    }
    log->tail_generation = r->generation;
    /* Who only reads may go on behind the last group, though the root covers it. */
    bool is_place_kept = r->options->read_only && r->last == root;
    if (r->last <= root && !is_place_kept) free_all(log);
    if (r->options->read_only) return LION_OK;
    status = wipe(r, error);
    /* What was found may have been written and never synced: it must not vanish after it was read.
     */
    if (status == LION_OK) status = lion_log_file_sync(log, error);
    log->mark = log->last_sequence;
    return status;
}

lion_status lion_log_file_recover(lion_log_file *log, const lion_log_options *options,
                                  lion_error *error)
{
    recovery *r = lion_zalloc(sizeof *r);
    if (r == NULL) return lion_fail_memory(error);
    r->log = log;
    r->options = options;
    r->loaded = NO_EXTENT;
    lion_status status = recover(r, error);
    if (status == LION_OK) lion_log_file_trim(log, options->root_sequence);
    lion_free(r->bytes);
    lion_free(r->leftovers);
    lion_free(r);
    return status;
}
