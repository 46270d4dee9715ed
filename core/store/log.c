/* log.c - group commit. Appending gathers records in the open group; whoever must wait for
 * durability first leads: it takes the open group, writes and syncs it with the lock released, and
 * wakes those whose records were in it. Meanwhile the next group gathers; one of its waiters leads
 * next.
 *
 * Waiters of consecutive groups wait on two condition variables in turn, so that the end of a group
 * wakes its own waiters and just one of the next group's.
 *
 * A thread of the log's own syncs at intervals (unless durability is full) and prepares the next
 * extent before it is needed. */
#include "store/log.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "store/file.h"
#include "store/log_file.h"

#define NONE_INTERVAL_MS 100
#define INTERVAL_MS_DEFAULT 100
#define GROUP_SIZE_FULL ((size_t)32 << 20) /* an appender writes a group of this size itself */
#define RECORD_SIZE_MAX (UINT32_MAX - ((uint32_t)1 << 20))
#define PAGE_SLACK (2 * LION_LOG_PAGE) /* zeros written behind a group */

/* Records gathered: header and all, ready to be written. */
typedef struct group {
    uint8_t *bytes; /* owned */
    size_t size, capacity;
    uint64_t first, last; /* sequences */
    uint32_t count;
} group;

struct lion_log {
    lion_log_options options;
    lion_log_file *file; /* NULL: a log in memory */

    pthread_mutex_t lock;
    group groups[2];
    unsigned open;     /* index of the group that gathers; its waiters wait on turn[open] */
    uint64_t appended; /* sequence of the newest record */
    uint64_t durable;  /* atomic; of the newest record that is synced */
    uint64_t written;  /* of the newest record that is written */
    uint64_t syncs, sync_ns;
    uint64_t trimmed;
    bool is_writing; /* someone leads */
    bool is_growing; /* someone prepares an extent */
    bool is_stopped; /* for good: `failure` says why */
    lion_error failure;
    pthread_cond_t turn[2]; /* waiters of groups[0], groups[1] */
    pthread_cond_t idle;    /* nobody leads, or nobody grows any more */

    pthread_t thread;
    bool has_thread, is_closing, wants_growth;
    pthread_cond_t work; /* for the thread */

    size_t replay_place, replay_next; /* group, byte in it */
    uint8_t *replay_bytes;            /* owned; the present group, NULL: none */
    uint64_t replay_sequence;         /* of the next record in it */
};

static lion_status answer_failure(const lion_log *log, lion_error *error)
{
    if (error != NULL) *error = log->failure;
    return LION_FAILED;
}

/* The first failure stays. Under the lock. */
static void stop(lion_log *log, const lion_error *failure)
{
    if (log->is_stopped) return;
    log->is_stopped = true;
    log->failure = *failure;
}

/* -- Growing ---------------------------------------------------------------------------------- */

/* Append an extent in which a group of `size` fits. Called and returns with the lock held, releases
 * it meanwhile. */
static lion_status grow(lion_log *log, size_t size, lion_error *error)
{
    LION_ASSERT(!log->is_growing);
    lion_log_directory *directory = lion_alloc(sizeof *directory);
    if (directory == NULL) return lion_fail_memory(error);
    log->is_growing = true;
    *directory = log->file->directory;
    uint64_t growth = lion_log_file_growth(log->file, size);
    pthread_mutex_unlock(&log->lock);
    lion_status status = lion_log_file_grow(log->file, directory, growth, error);
    pthread_mutex_lock(&log->lock);
    if (status == LION_OK) lion_log_file_adopt(log->file, directory);
    log->is_growing = false;
    pthread_cond_broadcast(&log->idle);
    lion_free(directory);
    return status;
}

/* Ask the thread for an extent when the current one is half full and none is free. */
static void foresee_growth(lion_log *log)
{
    const lion_log_file *file = log->file;
    const lion_log_extent *extent = &file->extents[file->current];
    if (log->wants_growth || log->is_growing || extent->used < extent->size / 2) return;
    if (lion_log_file_has_free(file)) return;
    log->wants_growth = true;
    pthread_cond_signal(&log->work);
}

static lion_status find_place(lion_log *log, const group *taken, uint64_t *offset_out,
                              lion_error *error)
{
    while (lion_log_file_place(log->file, taken->size, taken->first, taken->last, offset_out) ==
           LION_ABSENT) {
        if (log->is_growing) {
            pthread_cond_wait(&log->idle, &log->lock);
            continue;
        }
        lion_status status = grow(log, taken->size, error);
        if (status != LION_OK) return status;
    }
    foresee_growth(log);
    return LION_OK;
}

/* -- Leading ---------------------------------------------------------------------------------- */

/* Room for `size` more bytes and the zeros behind a group. */
static bool reserve(group *grown, size_t size)
{
    size_t needed = grown->size + size + PAGE_SLACK;
    if (needed <= grown->capacity) return true;
    size_t capacity = grown->capacity < 65536 ? 65536 : grown->capacity;
    while (capacity < needed) capacity *= 2;
    uint8_t *bytes = lion_realloc(grown->bytes, capacity);
    if (bytes == NULL) return false;
    grown->bytes = bytes;
    grown->capacity = capacity;
    return true;
}

static void begin_group(lion_log *log, group *fresh)
{
    fresh->size = sizeof(lion_log_group);
    fresh->count = 0;
    fresh->first = log->appended + 1;
    fresh->last = log->appended;
}

static void fill_header(const lion_log *log, group *taken, uint64_t mark)
{
    lion_log_group header = { .generation = log->options.generation,
                              .sequence = taken->first,
                              .mark = mark,
                              .size = (uint32_t)taken->size,
                              .count = taken->count };
    memcpy(header.magic, LION_LOG_GROUP_MAGIC, sizeof header.magic);
    memcpy(header.database_id, log->options.database_id, sizeof header.database_id);
    memcpy(taken->bytes, &header, sizeof header);
}

/* Write the open group; sync if `is_synced`. With the lock held, which is released meanwhile;
 * nobody else leads. A group without records is written too: it carries the mark. */
static lion_status lead(lion_log *log, bool is_synced, lion_error *error)
{
    LION_ASSERT(!log->is_writing);
    log->is_writing = true;
    unsigned index = log->open;
    group *taken = &log->groups[index];
    log->open = 1 - index;
    begin_group(log, &log->groups[log->open]);

    uint64_t offset = 0, mark = __atomic_load_n(&log->durable, __ATOMIC_RELAXED);
    lion_error failure;
    lion_status status = find_place(log, taken, &offset, &failure);
    pthread_mutex_unlock(&log->lock);

    if (status == LION_OK) {
        fill_header(log, taken, mark);
        status = lion_log_file_write(log->file, taken->bytes, taken->size, offset, &failure);
    }
    int64_t sync_ns = lion_clock_monotonic_ns();
    if (status == LION_OK && is_synced) status = lion_log_file_sync(log->file, &failure);
    sync_ns = lion_clock_monotonic_ns() - sync_ns;

    pthread_mutex_lock(&log->lock);
    log->is_writing = false;
    if (is_synced) {
        log->syncs++;
        log->sync_ns += (uint64_t)sync_ns;
    }
    if (status == LION_OK) {
        log->written = taken->last;
        log->file->mark = mark;
        if (is_synced) __atomic_store_n(&log->durable, taken->last, __ATOMIC_RELEASE);
    } else {
        stop(log, &failure);
        if (error != NULL) *error = failure;
    }
    taken->size = taken->count = 0;
    pthread_cond_broadcast(&log->turn[index]);
    if (log->is_stopped)
        pthread_cond_broadcast(&log->turn[log->open]);
    else
        pthread_cond_signal(&log->turn[log->open]); /* the next leader, if anyone waits */
    pthread_cond_broadcast(&log->idle);
    return status;
}

/* Until everything up to `sequence` is synced. With the lock held. */
static lion_status wait_durable(lion_log *log, uint64_t sequence, lion_error *error)
{
    while (__atomic_load_n(&log->durable, __ATOMIC_RELAXED) < sequence) {
        if (log->is_stopped) return answer_failure(log, error);
        if (!log->is_writing) {
            lion_status status = lead(log, true, error);
            if (status != LION_OK) return status;
        } else {
            bool is_in_open = sequence >= log->groups[log->open].first;
            pthread_cond_wait(&log->turn[is_in_open ? log->open : 1 - log->open], &log->lock);
        }
    }
    return LION_OK;
}

/* Write out what has gathered, and sync it if asked to. With the lock held. */
static lion_status flush(lion_log *log, bool is_synced, lion_error *error)
{
    while (log->is_writing) pthread_cond_wait(&log->idle, &log->lock);
    if (log->is_stopped) return answer_failure(log, error);
    bool has_records = log->groups[log->open].count > 0;
    bool is_behind = is_synced && log->durable < log->written;
    if (!has_records && !is_behind) return LION_OK;
    if (!reserve(&log->groups[log->open], 0)) return lion_fail_memory(error);
    return lead(log, is_synced, error);
}

/* -- The log's thread ------------------------------------------------------------------------- */

static uint32_t interval_ms(const lion_log *log)
{
    if (log->options.durability == LION_DURABILITY_NONE) return NONE_INTERVAL_MS;
    return log->options.interval_ms != 0 ? log->options.interval_ms : INTERVAL_MS_DEFAULT;
}

static struct timespec after_ms(uint32_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

static void prepare_extent(lion_log *log)
{
    log->wants_growth = false;
    if (log->is_growing || log->is_stopped || lion_log_file_has_free(log->file)) return;
    lion_error ignored; /* whoever needs the room tries again and reports */
    (void)grow(log, sizeof(lion_log_group), &ignored);
}

static void *run_thread(void *argument)
{
    lion_log *log = argument;
    bool is_timed = log->options.durability != LION_DURABILITY_FULL;
    bool is_synced = log->options.durability != LION_DURABILITY_NONE;
    pthread_mutex_lock(&log->lock);
    struct timespec next = after_ms(interval_ms(log));
    while (!log->is_closing) {
        if (log->wants_growth) {
            prepare_extent(log);
        } else if (!is_timed) {
            pthread_cond_wait(&log->work, &log->lock);
        } else if (pthread_cond_timedwait(&log->work, &log->lock, &next) == ETIMEDOUT) {
            (void)flush(log, is_synced, NULL); /* a failure stays in the log */
            next = after_ms(interval_ms(log));
        }
    }
    pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* -- Opening ---------------------------------------------------------------------------------- */

static void init_waiting(lion_log *log)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->turn[0], NULL);
    pthread_cond_init(&log->turn[1], NULL);
    pthread_cond_init(&log->idle, NULL);
    pthread_cond_init(&log->work, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_log(lion_log *log)
{
    if (log->file != NULL) lion_log_file_close(log->file);
    lion_free(log->file);
    for (size_t i = 0; i < 2; i++) {
        lion_free(log->groups[i].bytes);
        pthread_cond_destroy(&log->turn[i]);
    }
    pthread_cond_destroy(&log->idle);
    pthread_cond_destroy(&log->work);
    pthread_mutex_destroy(&log->lock);
    lion_free(log->replay_bytes);
    lion_free(log);
}

static lion_log *new_log(void)
{
    lion_log *log = lion_zalloc(sizeof *log);
    if (log != NULL) init_waiting(log);
    return log;
}

static lion_status start_thread(lion_log *log, lion_error *error)
{
    int code = pthread_create(&log->thread, NULL, run_thread, log);
    if (code != 0) return lion_fail_errno(error, code, "cannot start the log's thread");
    log->has_thread = true;
    return LION_OK;
}

lion_status lion_log_open(lion_log **log_out, const char *path, const lion_log_options *options,
                          lion_error *error)
{
    lion_log *log = new_log();
    if (log == NULL) return lion_fail_memory(error);
    log->options = *options;
    log->file = lion_zalloc(sizeof *log->file);
    lion_status status = log->file != NULL ? lion_log_file_open(log->file, path, options, error)
                                           : lion_fail_memory(error);
    if (status == LION_OK) {
        log->appended = log->durable = log->written = log->file->last_sequence;
        log->trimmed = options->root_sequence;
        begin_group(log, &log->groups[0]);
        if (!options->read_only) status = start_thread(log, error);
    }
    if (status != LION_OK) {
        free_log(log);
        return status;
    }
    *log_out = log;
    return LION_OK;
}

lion_status lion_log_open_memory(lion_log **log_out, lion_error *error)
{
    lion_log *log = new_log();
    if (log == NULL) return lion_fail_memory(error);
    *log_out = log;
    return LION_OK;
}

/* -- Replay ----------------------------------------------------------------------------------- */

/* The next of the groups that were found at open. */
static lion_status read_place(uint8_t **bytes_out, lion_log *log, lion_error *error)
{
    lion_log_place place = log->file->places[log->replay_place];
    uint8_t *bytes = lion_alloc(place.size);
    if (bytes == NULL) return lion_fail_memory(error);
    lion_status status = lion_log_file_read_group(log->file, place, bytes, error);
    if (status != LION_OK) {
        lion_free(bytes);
        return status;
    }
    log->replay_place++;
    *bytes_out = bytes;
    return LION_OK;
}

/* What came behind them since, where the tail is followed. */
static lion_status read_onward(uint8_t **bytes_out, lion_log *log, lion_error *error)
{
    if (!log->options.is_followed) return LION_END;
    return lion_log_file_follow(log->file, &log->options, bytes_out, error);
}

static lion_status next_group(lion_log *log, lion_error *error)
{
    lion_free(log->replay_bytes);
    log->replay_bytes = NULL;
    uint8_t *bytes = NULL;
    lion_status status = log->replay_place < log->file->place_count
                             ? read_place(&bytes, log, error)
                             : read_onward(&bytes, log, error);
    if (status != LION_OK) return status;
    lion_log_group header;
    memcpy(&header, bytes, sizeof header);
    log->replay_bytes = bytes;
    log->replay_sequence = header.sequence;
    log->replay_next = sizeof header;
    return LION_OK;
}

/* The next record of the present group; LION_END at its end. */
static lion_status next_record(lion_log *log, lion_log_record *record_out, lion_slice *payload_out,
                               lion_error *error)
{
    if (log->replay_bytes == NULL) return LION_END;
    lion_log_group header;
    memcpy(&header, log->replay_bytes, sizeof header);
    if (log->replay_sequence - header.sequence == header.count) return LION_END;

    /* The last record's zeros may reach behind a group that nobody of ours wrote. */
    size_t left = header.size > log->replay_next ? header.size - log->replay_next : 0;
    lion_log_record record = { 0 };
    if (left >= sizeof record) memcpy(&record, log->replay_bytes + log->replay_next, sizeof record);
    if (left < sizeof record || record.size > left - sizeof record)
        return lion_fail_corrupt(error, "record %llu of \"%s\" is longer than its group",
                                 (unsigned long long)log->replay_sequence, log->file->path);
    *record_out = record;
    *payload_out = lion_slice_of(log->replay_bytes + log->replay_next + sizeof record, record.size);
    log->replay_next += sizeof record + lion_log_round(record.size, 8);
    log->replay_sequence++;
    return LION_OK;
}

lion_status lion_log_replay(lion_log *log, int64_t *t_out, lion_slice *payload_out,
                            uint64_t *sequence_out, lion_error *error)
{
    if (log->file == NULL) return LION_END;
    for (;;) {
        lion_log_record record = { 0 };
        lion_slice payload = { 0 };
        lion_status status = next_record(log, &record, &payload, error);
        if (status == LION_END) {
            status = next_group(log, error);
            if (status != LION_OK) return status;
            continue;
        }
        if (status != LION_OK) return status;
        if (record.t <= log->options.first_t) continue; /* in the trees already */
        *t_out = record.t;
        *payload_out = payload;
        *sequence_out = log->replay_sequence - 1;
        return LION_OK;
    }
}

uint64_t lion_log_torn(const lion_log *log)
{
    return log->file == NULL ? 0 : log->file->torn;
}

/* -- Appending -------------------------------------------------------------------------------- */

static lion_status append_record(lion_log *log, int64_t t, lion_slice payload, lion_error *error)
{
    group *open = &log->groups[log->open];
    size_t size = sizeof(lion_log_record) + lion_log_round(payload.size, 8);
    if (open->count > 0 && open->size + size > GROUP_SIZE_FULL) {
        lion_status status = flush(log, log->options.durability != LION_DURABILITY_NONE, error);
        if (status != LION_OK) return status;
        open = &log->groups[log->open];
    }
    if (!reserve(open, size)) return lion_fail_memory(error);

    lion_log_record record = { .size = (uint32_t)payload.size, .t = t };
    uint8_t *at = open->bytes + open->size;
    memset(at + size - 8, 0, 8);
    memcpy(at, &record, sizeof record);
    if (payload.size > 0) memcpy(at + sizeof record, payload.data, payload.size);
    open->size += size;
    open->count++;
    open->last = ++log->appended;
    return LION_OK;
}

lion_status lion_log_append(lion_log *log, int64_t t, lion_slice payload, uint64_t *sequence_out,
                            lion_error *error)
{
    LION_ASSERT(!log->options.read_only);
    if (payload.size > RECORD_SIZE_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/transaction-too-large",
                         "a transaction of %zu bytes is more than the log holds at once (4 GiB)",
                         payload.size);
    lion_status status = LION_OK;
    pthread_mutex_lock(&log->lock);
    if (log->is_stopped)
        status = answer_failure(log, error);
    else if (log->file != NULL)
        status = append_record(log, t, payload, error);
    else
        log->appended++;
    if (status == LION_OK) *sequence_out = log->appended;
    pthread_mutex_unlock(&log->lock);
    return status;
}

lion_status lion_log_sync(lion_log *log, uint64_t sequence, lion_error *error)
{
    if (log->file == NULL) return LION_OK;
    if (__atomic_load_n(&log->durable, __ATOMIC_ACQUIRE) >= sequence) return LION_OK;

    lion_status status = LION_OK;
    pthread_mutex_lock(&log->lock);
    LION_ASSERT(sequence <= log->appended);
    if (log->options.durability == LION_DURABILITY_FULL)
        status = wait_durable(log, sequence, error);
    else if (log->is_stopped)
        status = answer_failure(log, error);
    pthread_mutex_unlock(&log->lock);
    return status;
}

uint64_t lion_log_durable(const lion_log *log)
{
    lion_log *mutable_log = (lion_log *)(uintptr_t)log;
    bool is_full = log->file != NULL && log->options.durability == LION_DURABILITY_FULL;
    if (is_full) return __atomic_load_n(&log->durable, __ATOMIC_ACQUIRE);
    pthread_mutex_lock(&mutable_log->lock);
    uint64_t appended = log->appended;
    pthread_mutex_unlock(&mutable_log->lock);
    return appended;
}

/* -- Room ------------------------------------------------------------------------------------- */

lion_status lion_log_trim(lion_log *log, uint64_t sequence, lion_error *error)
{
    lion_status status = LION_OK;
    pthread_mutex_lock(&log->lock);
    if (log->is_stopped)
        status = answer_failure(log, error);
    else if (sequence > log->trimmed)
        log->trimmed = sequence;
    if (status == LION_OK && log->file != NULL) lion_log_file_trim(log->file, log->trimmed);
    pthread_mutex_unlock(&log->lock);
    return status;
}

void lion_log_syncs(lion_log *log, uint64_t *count_out, uint64_t *ns_out)
{
    pthread_mutex_lock(&log->lock);
    *count_out = log->syncs;
    *ns_out = log->sync_ns;
    pthread_mutex_unlock(&log->lock);
}

uint64_t lion_log_size(const lion_log *log)
{
    if (log->file == NULL) return 0;
    lion_log *mutable_log = (lion_log *)(uintptr_t)log;
    pthread_mutex_lock(&mutable_log->lock);
    uint64_t size = lion_log_file_needed(log->file, log->trimmed);
    const group *open = &log->groups[log->open];
    if (open->count > 0) size += open->size;
    pthread_mutex_unlock(&mutable_log->lock);
    return size;
}

/* -- Closing ---------------------------------------------------------------------------------- */

static void end_thread(lion_log *log)
{
    if (!log->has_thread) return;
    pthread_mutex_lock(&log->lock);
    log->is_closing = true;
    pthread_cond_signal(&log->work);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->thread, NULL);
    log->has_thread = false;
}

/* Sync what is left; then a group without records marks all of it as durable, so that damage done
 * to a closed file is found. */
static lion_status write_end(lion_log *log, lion_error *error)
{
    pthread_mutex_lock(&log->lock);
    lion_status status = flush(log, true, error);
    if (status == LION_OK && log->file->mark < log->durable) {
        if (reserve(&log->groups[log->open], 0))
            status = lead(log, true, error);
        else
            status = lion_fail_memory(error);
    }
    pthread_mutex_unlock(&log->lock);
    return status;
}

lion_status lion_log_close(lion_log *log, bool remove, lion_error *error)
{
    if (log == NULL) return LION_OK;
    end_thread(log);
    lion_status status = LION_OK;
    if (log->file != NULL && !log->options.read_only) {
        if (log->is_stopped)
            status = answer_failure(log, error);
        else if (!remove)
            status = write_end(log, error);
        if (status == LION_OK && remove) {
            if (unlink(log->file->path) != 0)
                status = lion_file_fail(error, errno, "remove", log->file->path);
            else
                status = lion_file_sync_folder(log->file->path, error);
        }
    }
    free_log(log);
    return status;
}
