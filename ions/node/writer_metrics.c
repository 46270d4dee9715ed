/* writer_metrics.c - what the writer counts, and how the door gets it (docs/metrics.md).
 *
 * The numbers of an open database are the connection's to tell, and its locks may be held while a
 * function runs that the loop's thread must answer for. So each database's thread looks, between
 * two groups; who has not looked in time is told as of the time before. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "node/series.h"
#include "node/writer.h"

#define LOOK_MS 200

typedef struct metrics_request {
    struct metrics_request *next;
    uint16_t from;
    uint64_t id;
} metrics_request;

/* ---- a database's thread ---- */

/* With the lock, which is released meanwhile. */
void metrics_look(database *self)
{
    lion_connection_stats stats;
    pthread_mutex_unlock(&self->lock);
    bool is_there = self->connection != NULL &&
                    lion_connection_stats_read(&stats, self->connection, NULL) == LION_OK;
    pthread_mutex_lock(&self->lock);
    if (is_there) self->stats = stats;
    self->wants_look = false;
    uv_async_send(&self->writer->wake);
}

void metrics_note_commit(database *self, const job *of)
{
    uint64_t ns = (uint64_t)(lion_clock_monotonic_ns() - of->came_ns);
    pthread_mutex_lock(&self->lock);
    self->tally.transactions++;
    self->tally.commits[lion_histogram_slot(ns, LION_HISTOGRAM_UNIT_NS)]++;
    self->tally.commit_ns += ns;
    pthread_mutex_unlock(&self->lock);
}

void metrics_note_group(database *self, size_t count, int64_t waited_ns)
{
    pthread_mutex_lock(&self->lock);
    self->tally.groups[lion_histogram_slot(count, 1)]++;
    self->tally.grouped += count;
    self->tally.waits[lion_histogram_slot((uint64_t)waited_ns, LION_HISTOGRAM_UNIT_NS)]++;
    self->tally.wait_ns += (uint64_t)waited_ns;
    pthread_mutex_unlock(&self->lock);
}

void metrics_note_failure(database *self, const lion_error *error)
{
    pthread_mutex_lock(&self->lock);
    if (error->category == LION_CONFLICT)
        self->tally.conflicts++;
    else
        self->tally.errors++;
    pthread_mutex_unlock(&self->lock);
}

void metrics_note_disk(database *self, const lion_error *error)
{
    pthread_mutex_lock(&self->lock);
    self->has_disk_error = true;
    self->disk_error = *error;
    pthread_mutex_unlock(&self->lock);
    uv_async_send(&self->writer->wake);
}

/* ---- the loop's thread ---- */

static void tell_disk(writer *self, const char *name, const char *message)
{
    lion_arena arena;
    lion_buffer bytes;
    char key[WRITER_NAME_MAX + 32];
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    snprintf(key, sizeof key, "lion/disk %s", name);
    lion_entry entries[] = { { "name", lion_form_string("lion/disk") },
                             { "key", lion_form_string(key) },
                             { "message", lion_form_string(message) } };
    lion_form map = lion_form_entries(&arena, entries, 3);
    if (lion_form_encode(&bytes, &map, NULL) == LION_OK && !bytes.is_failed) {
        lion_bus_message alert = { .to = LION_BUS_DOOR,
                                   .from = LION_BUS_WRITER,
                                   .kind = LION_BUS_ALERT,
                                   .payload = bytes.data,
                                   .size = bytes.size };
        lion_bus_send(self->bus, &alert);
    }
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

void metrics_tell_disk(writer *self)
{
    for (database *each = self->databases; each != NULL && self->bus != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        bool has_error = each->has_disk_error;
        each->has_disk_error = false;
        lion_error error = each->disk_error;
        pthread_mutex_unlock(&each->lock);
        if (has_error) tell_disk(self, each->name, error.message);
    }
}

static void tell_histogram(lion_forms *list, const char *what, const char *db,
                           const uint64_t *slots, double sum)
{
    const char *label[] = { what, "", "db", db, NULL };
    double values[LION_HISTOGRAM_SLOTS + 1];
    for (size_t i = 0; i < LION_HISTOGRAM_SLOTS; i++) values[i] = (double)slots[i];
    values[LION_HISTOGRAM_SLOTS] = sum;
    lion_series_tell_one(list, label, values, LION_HISTOGRAM_SLOTS + 1);
}

static void tell_database(lion_forms *list, database *of)
{
    pthread_mutex_lock(&of->lock);
    tally counted = of->tally;
    lion_connection_stats stats = of->stats;
    size_t queued = of->queued;
    pthread_mutex_unlock(&of->lock);
    const char *label[] = { "database", "", "db", of->name, NULL };
    const double values[] = {
        (double)counted.transactions, (double)counted.conflicts,
        (double)counted.errors,       (double)queued,
        (double)stats.novelty_datoms, (double)stats.novelty_bytes,
        (double)stats.tail_bytes,     (double)stats.index_jobs,
        (double)stats.index_ms / 1e3, stats.is_indexing ? 1 : 0,
        (double)stats.syncs,          (double)stats.sync_ns / 1e9,
        (double)stats.segments,       (double)(stats.basis_t - stats.indexed_t),
        (double)stats.kept_leaves,    (double)stats.kept_bytes,
    };
    lion_series_tell_one(list, label, values, sizeof values / sizeof *values);
    tell_histogram(list, "commit", of->name, counted.commits, (double)counted.commit_ns / 1e9);
    tell_histogram(list, "group", of->name, counted.groups, (double)counted.grouped);
    tell_histogram(list, "disk", of->name, counted.waits, (double)counted.wait_ns / 1e9);
}

static void answer_all(writer *self)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_forms list = { .arena = &arena };
    for (database *each = self->databases; each != NULL; each = each->next)
        tell_database(&list, each);
    lion_entry entry = { "series", lion_form_list(&arena, list.items, list.count) };
    lion_form map = lion_form_entries(&arena, &entry, 1);
    bool is_sound = lion_form_encode(&bytes, &map, NULL) == LION_OK && !bytes.is_failed;
    while (self->metrics_requests != NULL) {
        metrics_request *first = self->metrics_requests;
        self->metrics_requests = first->next;
        lion_bus_message message = { .to = first->from,
                                     .from = LION_BUS_WRITER,
                                     .kind = LION_BUS_METRICS,
                                     .id = first->id,
                                     .payload = bytes.data,
                                     .size = bytes.size };
        if (is_sound && self->bus != NULL) lion_bus_send(self->bus, &message);
        free(first);
    }
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
    uv_timer_stop(&self->metrics_timer);
}

static void on_timer(uv_timer_t *timer)
{
    answer_all(timer->data);
}

void metrics_check(writer *self)
{
    if (self->metrics_requests == NULL) return;
    for (database *each = self->databases; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        bool looks = each->wants_look;
        pthread_mutex_unlock(&each->lock);
        if (looks) return;
    }
    answer_all(self);
}

void metrics_ask(writer *self, const lion_bus_message *message)
{
    metrics_request *made = malloc(sizeof *made);
    if (made == NULL || self->is_stopping) {
        free(made);
        return;
    }
    *made = (metrics_request){ .next = self->metrics_requests,
                               .from = message->from,
                               .id = message->id };
    self->metrics_requests = made;
    for (database *each = self->databases; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        each->wants_look = true;
        pthread_cond_broadcast(&each->changed);
        pthread_mutex_unlock(&each->lock);
    }
    (void)uv_timer_start(&self->metrics_timer, on_timer, LOOK_MS, 0);
    metrics_check(self);
}

void metrics_start(writer *self)
{
    (void)uv_timer_init(&self->loop, &self->metrics_timer);
    self->metrics_timer.data = self;
}

void metrics_stop(writer *self)
{
    while (self->metrics_requests != NULL) {
        metrics_request *first = self->metrics_requests;
        self->metrics_requests = first->next;
        free(first);
    }
    uv_close((uv_handle_t *)&self->metrics_timer, NULL);
}
