/* index_job.c - the indexer's thread: when novelty has grown, or somebody asks, it moves what is durable into
 * the trees, lets the tail recycle it, and gives the writer a new, small novelty. */
#include "connection/database.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

/* How long a writer waits for room before it is told to come back later. */
#define LION_ADMIT_MS_MAX 10000

static lion_indexed_attribute *describe(const lion_schema *schema, uint32_t *count_out,
                                        lion_arena *arena)
{
    const lion_attribute *const *attributes = lion_schema_attributes(schema, count_out);
    lion_indexed_attribute *described = lion_arena_array(arena, lion_indexed_attribute, *count_out + 1);
    for (uint32_t i = 0; i < *count_out; i++) {
        described[i] = (lion_indexed_attribute){ .a = attributes[i]->id,
                                                 .type = attributes[i]->type,
                                                 .is_in_avet = attributes[i]->is_in_avet,
                                                 .no_history = attributes[i]->no_history };
    }
    return described;
}

/* Attributes that gained their index after the job had begun: the new root has no AVET tree of them either. */
static lion_status refill_avet(lion_novelty *novelty, const lion_db *before, const lion_root *root,
                               lion_error *error)
{
    uint32_t count = 0;
    const lion_attribute *const *attributes = lion_schema_attributes(before->schema, &count);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < count; i++) {
        const lion_root_attribute *found = lion_root_attribute_lookup(root, attributes[i]->id);
        if (attributes[i]->is_in_avet && found != NULL && lion_root_attribute_lacks_avet(found))
            status = lion_db_fill_avet(novelty, before, attributes[i]->id, &arena, error);
    }
    lion_arena_deinit(&arena);
    return status;
}

lion_status lion_database_move_to_root(lion_database *database, lion_root *root, lion_novelty *rest,
                                       lion_error *error)
{
    lion_db *before = database->applied;
    if (refill_avet(rest, before, root, error) < 0) {
        lion_novelty_drop(rest);
        return LION_FAILED;
    }
    lion_novelty_version version = lion_novelty_seal(rest);
    lion_db *after = NULL;
    lion_status status = lion_db_new(&after, root, &version, before->schema, before->basis_t,
                                     before->next_counter, before->last_instant_ms, database->number, error);
    lion_novelty_version_release(&version);
    if (status < 0) {
        lion_novelty_drop(rest);
        return status;
    }
    lion_novelty_drop(database->novelty);
    database->novelty = rest;
    database->applied = after;
    pthread_mutex_lock(&database->state);
    lion_db *old = NULL;
    if (database->published != NULL && database->published->basis_t == after->basis_t) {
        old = database->published;
        database->published = lion_db_keep(after);
    }
    pthread_mutex_unlock(&database->state);
    lion_db_drop(old);
    lion_db_drop(before);
    return LION_OK;
}

/* The same value on the new root, with the novelty above it. Most of it is copied while others commit: the writer
 * is held up for what was applied during the copy alone. */
static lion_status rebase(lion_database *database, lion_root *root, lion_error *error)
{
    pthread_mutex_lock(&database->writer);
    lion_status status = lion_database_seal(database, error);
    lion_db *copied = lion_db_keep(database->applied);
    pthread_mutex_unlock(&database->writer);
    lion_novelty *rest = NULL;
    if (status == LION_OK) status = lion_novelty_rest(&rest, &copied->view.novelty, root->t, error);
    if (status < 0) {
        lion_db_drop(copied);
        return status;
    }
    int64_t above = copied->basis_t > root->t ? copied->basis_t : root->t;
    pthread_mutex_lock(&database->writer);
    lion_db *before = database->applied;
    status = lion_novelty_follow(rest, &before->view.novelty, above, error);
    if (status == LION_OK)
        status = lion_database_move_to_root(database, root, rest, error);
    else
        lion_novelty_drop(rest);
    pthread_mutex_unlock(&database->writer);
    lion_db_drop(copied);
    return status;
}

static lion_status run_job(lion_database *database, lion_db *db, uint64_t sequence, bool has_tail,
                           lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_index_job job = { .store = database->store,
                           .root = db->view.root,
                           .version = db->view.novelty,
                           .next_counter = db->next_counter,
                           .log_sequence = sequence,
                           .keep_t = INT64_MAX, /* older values keep their own root and novelty */
                           .has_tail = has_tail,
                           .options = { .segment_size = database->options.segment_size } };
    job.attributes = describe(db->schema, &job.attribute_count, &arena);
    lion_status status = lion_arena_check(&arena, error);
    if (status == LION_OK) status = lion_index_run(&job, error);
    lion_arena_deinit(&arena);
    return status;
}

/* The newest applied value, once it is durable, published too: only applied values stand on the newest root, for those
 * that were under way while the last job ended were made on the root before, whose segments are gone. */
static lion_status take_newest(lion_db **db_out, uint64_t *sequence_out, lion_database *database,
                               lion_error *error)
{
    pthread_mutex_lock(&database->writer);
    lion_status status = lion_database_check(database, error);
    if (status == LION_OK) status = lion_database_seal(database, error);
    lion_db *db = lion_db_keep(database->applied);
    uint64_t sequence = database->applied_sequence;
    lion_log *log = database->log;
    pthread_mutex_unlock(&database->writer);
    if (status == LION_OK && log != NULL) status = lion_log_sync(log, sequence, error);
    if (status < 0) {
        lion_db_drop(db);
        return status;
    }
    lion_database_publish(database, db, sequence);
    *db_out = db;
    *sequence_out = sequence;
    return LION_OK;
}

lion_status lion_database_index_once(lion_database *database, bool is_last, lion_error *error)
{
    lion_db *db = NULL;
    uint64_t sequence = 0;
    lion_status status = take_newest(&db, &sequence, database, error);
    if (status < 0) return status;
    bool has_tail = !database->is_memory && !is_last;
    /* A tail that is open is one that the root on disk names, though the root in memory may be older than it. */
    bool is_needed = db->view.root->t < db->basis_t || (is_last && database->log != NULL);
    if (is_needed && !database->is_read_only) {
        int64_t start_ns = lion_clock_monotonic_ns();
        status = run_job(database, db, sequence, has_tail, error);
        lion_root *made = NULL;
        if (status == LION_OK) status = lion_root_open(&made, database->store, error);
        if (status == LION_OK) {
            uint64_t replaced_bytes = lion_novelty_size(db->view.novelty.novelty);
            status = rebase(database, made, error);
            if (status == LION_OK) lion_database_note_root(database, made, db->schema, replaced_bytes);
            lion_root_drop(made);
        }
        if (status == LION_OK && has_tail) /* what novelty held has come through a tail */
            status = lion_log_trim(database->log, sequence, error);
        pthread_mutex_lock(&database->state);
        database->index_jobs++;
        database->index_ns += (uint64_t)(lion_clock_monotonic_ns() - start_ns);
        pthread_mutex_unlock(&database->state);
    }
    lion_db_drop(db);
    return status;
}

void *lion_database_indexer_main(void *argument)
{
    lion_database *database = argument;
    pthread_mutex_lock(&database->state);
    while (!database->is_stopping) {
        if (!database->is_index_wanted) {
            pthread_cond_wait(&database->index_work, &database->state);
            continue;
        }
        database->is_index_wanted = false;
        database->is_indexing = true;
        pthread_mutex_unlock(&database->state);

        lion_error error = { 0 };
        lion_status status = lion_database_index_once(database, false, &error);

        pthread_mutex_lock(&database->state);
        database->is_indexing = false;
        database->index_ended++;
        database->index_error = status < 0 ? error : (lion_error){ 0 };
        pthread_cond_broadcast(&database->changed);
    }
    pthread_mutex_unlock(&database->state);
    return NULL;
}

lion_status lion_database_index_wait(lion_database *database, lion_error *error)
{
    if (database->is_read_only) return LION_OK;
    lion_status status = LION_OK;
    pthread_mutex_lock(&database->state);
    uint64_t wanted = database->index_ended + (database->is_indexing ? 2 : 1);
    database->is_index_wanted = true;
    pthread_cond_signal(&database->index_work);
    while (database->index_ended < wanted && !database->is_stopping)
        pthread_cond_wait(&database->changed, &database->state);
    if (database->index_error.category != 0) {
        if (error != NULL) *error = database->index_error;
        status = LION_FAILED;
    }
    pthread_mutex_unlock(&database->state);
    return status;
}

bool lion_database_has_room(const lion_database *database)
{
    return lion_novelty_size(database->novelty) < database->options.novelty_max / 2;
}

lion_status lion_database_admit(lion_database *database, int64_t deadline_ns, lion_error *error)
{
    if (lion_database_has_room(database)) return LION_OK;
    uint64_t size = lion_novelty_size(database->novelty);
    pthread_mutex_lock(&database->state);
    if (!database->is_index_wanted && !database->is_indexing) {
        database->is_index_wanted = true;
        pthread_cond_signal(&database->index_work);
    }
    lion_status status = LION_OK;
    if (size >= database->options.novelty_max) {
        /* The indexer needs the writer's lock to hand over the new novelty. */
        pthread_mutex_unlock(&database->writer);
        int64_t until_ns = lion_clock_deadline_ns(LION_ADMIT_MS_MAX);
        if (deadline_ns != 0 && deadline_ns < until_ns) until_ns = deadline_ns;
        struct timespec until = { .tv_sec = until_ns / 1000000000, .tv_nsec = until_ns % 1000000000 };
        uint64_t ended = database->index_ended;
        int code = 0;
        while (database->index_ended == ended && code != ETIMEDOUT && !database->is_stopping)
            code = pthread_cond_timedwait(&database->changed, &database->state, &until);
        bool is_stuck = database->index_ended == ended || database->index_error.category != 0;
        lion_error failure = database->index_error;
        pthread_mutex_unlock(&database->state);
        pthread_mutex_lock(&database->writer);
        if (is_stuck && lion_novelty_size(database->novelty) >= database->options.novelty_max) {
            status = lion_fail(error, LION_BUSY, "lion/busy",
                               "%llu MiB of new facts wait for the indexer, which %s%s; try again later",
                               (unsigned long long)(size >> 20),
                               failure.category != 0 ? "failed: " : "has not caught up",
                               failure.category != 0 ? failure.message : "");
        }
        return status;
    }
    pthread_mutex_unlock(&database->state);
    return status;
}
