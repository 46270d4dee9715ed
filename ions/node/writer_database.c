/* writer_database.c - a database's thread: what has come is applied, the disk waited for once, all
 * answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "node/writer.h"

void job_free(job *self)
{
    lion_arena_deinit(&self->arena);
    free(self);
}

/* ---- answers ---- */

static void answer(job *of, lion_frame_kind kind, lion_slice payload)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    lion_frame_put(&bytes, kind, of->id, payload);
    writer_post(of->writer, of->session, &bytes);
    lion_buffer_deinit(&bytes);
}

static void answer_map(job *of, const lion_entry *entries, size_t count)
{
    lion_buffer payload;
    lion_buffer_init(&payload);
    lion_form map = lion_form_entries(&of->arena, entries, count);
    if (lion_form_encode(&payload, &map, NULL) == LION_OK)
        answer(of, LION_FRAME_DONE, lion_buffer_view(&payload));
    lion_buffer_deinit(&payload);
}

static void answer_t(job *of, int64_t t)
{
    lion_entry entries[] = { { "t", lion_form_long(t) } };
    answer_map(of, entries, 1);
}

static void answer_error(job *of, const lion_error *error)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    lion_frame_put_error(&bytes, of->id, error);
    writer_post(of->writer, of->session, &bytes);
    lion_buffer_deinit(&bytes);
}

/* Of a transaction that nobody wants durable before it is answered. */
static void answer_applied(job *of, const lion_report *report)
{
    const lion_transaction *transaction = &report->transaction;
    lion_form tempids = lion_form_map(&of->arena, transaction->tempid_count);
    for (uint32_t i = 0; tempids.items != NULL && i < transaction->tempid_count; i++) {
        const lion_tempid *tempid = &transaction->tempids[i];
        tempids.items[2 * i] = lion_form_value(lion_value_bytes(LION_TYPE_STRING, tempid->name));
        tempids.items[2 * i + 1] = lion_form_long(tempid->id);
    }
    lion_entry entries[] = { { "t", lion_form_long(transaction->t) },
                             { "tx", lion_form_long(report->tx) },
                             { "tx_instant", lion_form_long(transaction->instant_ms) },
                             { "tempids", tempids } };
    answer_map(of, entries, 4);
}

/* ---- those who follow ---- */

/* The loop's thread, before the request is done: nothing that comes after it is missed. */
static lion_status add_follower(database *self, const job *of, lion_error *error)
{
    follower *made = malloc(sizeof *made);
    if (made == NULL) return lion_fail_memory(error);
    *made = (follower){ .session = of->session, .id = of->id };
    pthread_mutex_lock(&self->lock);
    made->next = self->followers;
    self->followers = made;
    pthread_mutex_unlock(&self->lock);
    return LION_OK;
}

/* Those of a session; of_request: only that request's. */
static void drop_followers(database *self, uint64_t number, const uint64_t *of_request)
{
    pthread_mutex_lock(&self->lock);
    for (follower **at = &self->followers; *at != NULL;) {
        follower *each = *at;
        if (each->session != number || (of_request != NULL && each->id != *of_request)) {
            at = &each->next;
            continue;
        }
        *at = each->next;
        free(each);
    }
    pthread_mutex_unlock(&self->lock);
}

void database_unfollow(writer *self, uint64_t number)
{
    for (database *each = self->databases; each != NULL; each = each->next)
        drop_followers(each, number, NULL);
}

/* Everything up to t is durable. */
static void tell_followers(database *self, int64_t t)
{
    lion_arena arena;
    lion_buffer payload, bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&payload);
    lion_buffer_init(&bytes);
    lion_entry entries[] = { { "db", lion_form_string(self->name) }, { "t", lion_form_long(t) } };
    lion_form map = lion_form_entries(&arena, entries, 2);
    bool is_sound = lion_form_encode(&payload, &map, NULL) == LION_OK;
    pthread_mutex_lock(&self->lock);
    for (const follower *each = self->followers; is_sound && each != NULL; each = each->next) {
        lion_frame_put(&bytes, LION_FRAME_TOLD, each->id, lion_buffer_view(&payload));
        writer_tell(self->writer, each->session, &bytes);
    }
    pthread_mutex_unlock(&self->lock);
    lion_buffer_deinit(&bytes);
    lion_buffer_deinit(&payload);
    lion_arena_deinit(&arena);
}

/* ---- the connection ---- */

static void wait_for_upkeep(database *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->upkeep > 0) pthread_cond_wait(&self->changed, &self->lock);
    pthread_mutex_unlock(&self->lock);
}

static void close_connection(database *self)
{
    if (self->connection == NULL) return;
    wait_for_upkeep(self);
    lion_error error = { 0 };
    if (lion_connection_close(self->connection, &error) < 0)
        fprintf(stderr, "lion: writer: closing %s: %s\n", self->path, error.message);
    self->connection = NULL;
}

static lion_status open_connection(database *self, bool creates, lion_error *error)
{
    if (self->connection != NULL) return LION_OK;
    lion_connection_options options = { .no_create = !creates };
    self->is_broken = false;
    return lion_connection_open(&self->connection, self->path, &options, error);
}

/* ---- a group ---- */

/* Answers to one session that are sent together. */
typedef struct replies {
    writer *writer;
    uint64_t session;
    lion_buffer bytes;
} replies;

static void send_replies(replies *self)
{
    if (self->bytes.size > 0 || self->bytes.is_failed)
        writer_post(self->writer, self->session, &self->bytes);
}

/* NULL: it is durable. */
static void add_reply(replies *self, const applied *of, const lion_error *error)
{
    if (of->job->session != self->session) send_replies(self);
    self->session = of->job->session;
    if (error != NULL)
        lion_frame_put_error(&self->bytes, of->job->id, error);
    else
        lion_frame_put(&self->bytes, LION_FRAME_REPORT, of->job->id, lion_buffer_view(&of->record));
}

/* Wait for the disk, and answer those who waited for it. */
static void settle(database *self)
{
    lion_error error = { 0 };
    replies told = { .writer = self->writer };
    lion_buffer_init(&told.bytes);
    lion_status status = LION_OK;
    int64_t began_ns = lion_clock_monotonic_ns();
    size_t count = 0;
    bool has_waited = self->group_t > 0;
    if (has_waited) {
        status = lion_connection_commit(self->connection, &error);
        if (status < 0) {
            self->is_broken = true;
            metrics_note_disk(self, &error);
        }
    }
    int64_t durable_t = status == LION_OK ? self->group_t : 0;
    int64_t waited_ns = lion_clock_monotonic_ns() - began_ns;
    while (self->group != NULL) {
        applied *first = self->group;
        self->group = first->next;
        count++;
        if (first->job != NULL && status == LION_OK) metrics_note_commit(self, first->job);
        if (first->job != NULL && status < 0) metrics_note_failure(self, &error);
        if (first->job != NULL) add_reply(&told, first, status == LION_OK ? NULL : &error);
        if (first->job != NULL) job_free(first->job);
        lion_buffer_deinit(&first->record);
        free(first);
    }
    send_replies(&told);
    lion_buffer_deinit(&told.bytes);
    if (has_waited) metrics_note_group(self, count, waited_ns);
    self->group_last = &self->group;
    self->group_t = 0;
    if (durable_t > 0) tell_followers(self, durable_t);
    if (!self->is_broken) return;
    close_connection(self); /* what is on the disk is what there is: read anew */
    self->told_session = 0; /* other transactions get the numbers of those that are lost */
}

/* What the disk refused stops writing for good in an open database. */
static bool is_of_the_disk(const lion_error *error)
{
    return strcmp(error->code, "lion/disk-full") == 0 || strcmp(error->code, "lion/io") == 0;
}

static lion_status read_options(lion_tx_options *options, bool *waits_out, job *of,
                                lion_error *error)
{
    const lion_form *id = lion_form_get(&of->map, "id"), *wait = lion_form_get(&of->map, "wait");
    const lion_form *timeout = lion_form_get(&of->map, "timeout_ms");
    lion_slice text;
    options->without_waiting = options->without_committing = true;
    *waits_out = !(wait != NULL && wait->kind == LION_FORM_VALUE &&
                   wait->value.type == LION_TYPE_BOOLEAN && wait->value.bits == 0);
    if (timeout != NULL && !lion_form_as_long(timeout, &options->timeout_ms))
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "timeout_ms is a whole number of milliseconds");
    if (id == NULL) return LION_OK;
    bool is_uuid = id->kind == LION_FORM_VALUE && id->value.type == LION_TYPE_UUID;
    if (is_uuid)
        memcpy(options->id, lion_value_slice(id->value).data, sizeof options->id);
    else if (!lion_form_as_slice(id, &text) || lion_uuid_parse(options->id, text) != LION_OK)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a transaction's id is a uuid, as lion.uuid() makes them; %.80s is none",
                         lion_form_text(&of->arena, id));
    options->has_id = true;
    return LION_OK;
}

/* Apply it, with the executor's help where it calls functions. */
static lion_status step_all(database *self, lion_transacting *transacting, int64_t timeout_ms,
                            lion_error *error)
{
    int64_t deadline_ns = timeout_ms > 0 ? lion_clock_deadline_ns(timeout_ms) : 0;
    for (;;) {
        lion_status status = lion_transacting_step(transacting, error);
        if (status == LION_CALL)
            status = call_executor(self, transacting, deadline_ns, error);
        else
            return status;
        if (status < 0) return status;
    }
}

/* It is applied: note it for the group. of NULL: it is answered already. */
static lion_status note_applied(database *self, job *of, const lion_transaction *transaction,
                                lion_error *error)
{
    applied *next = calloc(1, sizeof *next);
    if (next == NULL) return lion_fail_memory(error);
    next->t = transaction->t;
    lion_buffer_init(&next->record);
    lion_transaction_encode(&next->record, transaction);
    if (lion_buffer_check(&next->record, error) < 0) {
        lion_buffer_deinit(&next->record);
        free(next);
        return LION_FAILED;
    }
    next->job = of;
    *self->group_last = next;
    self->group_last = &next->next;
    if (next->t > self->group_t) self->group_t = next->t;
    return LION_OK;
}

/* An error that a function raised goes to the client as the executor sent it. */
static void fail_transaction(database *self, job *of, const lion_error *error)
{
    if (self->failure.size > 0)
        answer(of, LION_FRAME_ERROR, lion_buffer_view(&self->failure));
    else
        answer_error(of, error);
    lion_buffer_clear(&self->failure);
    metrics_note_failure(self, error);
    if (is_of_the_disk(error)) {
        self->is_broken = true;
        metrics_note_disk(self, error);
    }
    job_free(of);
}

static void transact(database *self, job *of)
{
    lion_error error = { 0 };
    lion_tx_options options = { 0 };
    bool waits = true;
    lion_transacting *transacting = NULL;
    const lion_form *ops = lion_form_get(&of->map, "ops");
    lion_status status = read_options(&options, &waits, of, &error);
    if (status == LION_OK && ops == NULL)
        status = lion_fail(&error, LION_INCORRECT, "lion/syntax",
                           "a transaction needs ops, a vector of operations");
    if (status == LION_OK) status = open_connection(self, false, &error);
    if (status == LION_OK)
        status = lion_transacting_open(&transacting, self->connection, ops, &options, &error);
    if (status == LION_OK) status = step_all(self, transacting, options.timeout_ms, &error);
    if (status == LION_OK) {
        const lion_report *report = lion_transacting_report(transacting);
        if (!waits) answer_applied(of, report);
        if (!waits) metrics_note_commit(self, of);
        status = note_applied(self, waits ? of : NULL, &report->transaction, &error);
        if (!waits) {
            job_free(of);
            of = NULL;
        }
    }
    if (status < 0 && transacting != NULL) call_note_refusal(self, transacting, &error);
    lion_transacting_close(transacting);
    if (status < 0 && of != NULL) fail_transaction(self, of, &error);
}

/* ---- the other jobs ---- */

static void open_or_sync(database *self, job *of)
{
    lion_error error = { 0 };
    lion_db *db = NULL;
    settle(self);
    lion_status status = open_connection(self, of->kind == LION_FRAME_OPEN, &error);
    if (status == LION_OK) status = lion_connection_sync(&db, self->connection, 0, 0, &error);
    if (status == LION_OK)
        answer_t(of, lion_db_info_of(db).basis_t);
    else
        answer_error(of, &error);
    if (status < 0 && of->kind == LION_FRAME_FOLLOW) drop_followers(self, of->session, &of->id);
    lion_db_drop(db);
    job_free(of);
}

typedef struct upkeep {
    database *database;
    job *job;
} upkeep;

static lion_status do_upkeep(database *self, job *of, int64_t *t_out, lion_error *error)
{
    if (of->kind == LION_FRAME_INDEX) return lion_connection_index(t_out, self->connection, error);
    const lion_form *path = lion_form_get(&of->map, "path");
    lion_slice text;
    if (path == NULL || !lion_form_as_slice(path, &text))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "a backup needs a path");
    char *copy = lion_arena_alloc(&of->arena, text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    lion_connection_stats stats;
    lion_status status = lion_connection_backup(self->connection, copy, error);
    if (status == LION_OK) status = lion_connection_stats_read(&stats, self->connection, error);
    if (status == LION_OK) *t_out = stats.basis_t;
    return status;
}

/* Long work has a thread of its own: commits go on beside it. */
static void *upkeep_main(void *context)
{
    upkeep *self = context;
    database *of = self->database;
    lion_error error = { 0 };
    int64_t t = 0;
    if (do_upkeep(of, self->job, &t, &error) < 0)
        answer_error(self->job, &error);
    else
        answer_t(self->job, t);
    job_free(self->job);
    free(self);
    pthread_mutex_lock(&of->lock);
    of->upkeep--;
    pthread_cond_broadcast(&of->changed);
    pthread_mutex_unlock(&of->lock);
    return NULL;
}

static void start_upkeep(database *self, job *of)
{
    lion_error error = { 0 };
    settle(self);
    upkeep *work = calloc(1, sizeof *work);
    lion_status status =
        work == NULL ? lion_fail_memory(&error) : open_connection(self, false, &error);
    if (status == LION_OK) {
        work->database = self;
        work->job = of;
        pthread_mutex_lock(&self->lock);
        self->upkeep++;
        pthread_mutex_unlock(&self->lock);
        pthread_t thread;
        if (pthread_create(&thread, NULL, upkeep_main, work) == 0) {
            pthread_detach(thread);
            return;
        }
        pthread_mutex_lock(&self->lock);
        self->upkeep--;
        pthread_mutex_unlock(&self->lock);
        status = lion_fail(&error, LION_UNAVAILABLE, "lion/out-of-memory",
                           "no thread can be started: try again");
    }
    free(work);
    answer_error(of, &error);
    job_free(of);
}

/* ---- the thread ---- */

/* All that has come; waits for some. NULL: it is to end, and nothing is left. */
static job *take_jobs(database *self)
{
    pthread_mutex_lock(&self->lock);
    while (self->wants_look || (self->first == NULL && !self->is_stopping)) {
        if (self->wants_look)
            metrics_look(self);
        else
            pthread_cond_wait(&self->changed, &self->lock);
    }
    job *jobs = self->first;
    self->first = NULL;
    self->last = &self->first;
    self->queued = 0;
    pthread_mutex_unlock(&self->lock);
    return jobs;
}

static void *database_main(void *context)
{
    database *self = context;
    for (job *each; (each = take_jobs(self)) != NULL;) {
        while (each != NULL) {
            job *next = each->next;
            if (each->kind == LION_FRAME_TRANSACT)
                transact(self, each);
            else if (each->kind == LION_FRAME_INDEX || each->kind == LION_FRAME_BACKUP)
                start_upkeep(self, each);
            else
                open_or_sync(self, each);
            if (self->is_broken) settle(self);
            each = next;
        }
        settle(self);
    }
    close_connection(self);
    return NULL;
}

/* ---- for the loop's thread ---- */

static lion_status check_name(lion_slice name, lion_error *error)
{
    bool is_name = name.size > 0 && name.size <= WRITER_NAME_MAX && name.data[0] != '.';
    for (size_t i = 0; is_name && i < name.size; i++) {
        char c = (char)name.data[i];
        is_name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '.' || c == '-';
    }
    if (is_name) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "lion/syntax",
                     "a database's name is of letters, digits, _, - and ., at most %d, not %.*s",
                     WRITER_NAME_MAX, name.size > 80 ? 80 : (int)name.size,
                     (const char *)name.data);
}

static database *make_database(writer *self, lion_slice name)
{
    database *made = calloc(1, sizeof *made);
    size_t size = strlen(self->options->dir) + name.size + sizeof "/.lion";
    if (made != NULL) made->path = malloc(size);
    if (made == NULL || made->path == NULL) {
        free(made);
        return NULL;
    }
    made->writer = self;
    memcpy(made->name, name.data, name.size);
    snprintf(made->path, size, "%s/%s.lion", self->options->dir, made->name);
    made->last = &made->first;
    made->group_last = &made->group;
    lion_buffer_init(&made->failure);
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    return made;
}

static void free_database(database *self)
{
    while (self->followers != NULL) {
        follower *first = self->followers;
        self->followers = first->next;
        free(first);
    }
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    lion_buffer_deinit(&self->failure);
    free(self->path);
    free(self);
}

static lion_status find_database(database **found_out, writer *self, lion_slice name,
                                 lion_error *error)
{
    for (database *each = self->databases; each != NULL; each = each->next) {
        if (strlen(each->name) != name.size || memcmp(each->name, name.data, name.size) != 0)
            continue;
        *found_out = each;
        return LION_OK;
    }
    database *made = make_database(self, name);
    if (made == NULL) return lion_fail_memory(error);
    if (pthread_create(&made->thread, NULL, database_main, made) != 0) {
        free_database(made);
        return lion_fail(error, LION_UNAVAILABLE, "lion/out-of-memory",
                         "no thread can be started: try again");
    }
    made->next = self->databases;
    self->databases = made;
    *found_out = made;
    return LION_OK;
}

lion_status database_give(writer *self, job *given, lion_error *error)
{
    const lion_form *db = lion_form_get(&given->map, "db");
    lion_slice name;
    if (db == NULL || !lion_form_as_slice(db, &name))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "a request names its database: db");
    lion_status status = check_name(name, error);
    database *to = NULL;
    if (status == LION_OK) status = find_database(&to, self, name, error);
    if (status == LION_OK && given->kind == LION_FRAME_FOLLOW)
        status = add_follower(to, given, error);
    if (status < 0) return status;
    given->came_ns = lion_clock_monotonic_ns();
    pthread_mutex_lock(&to->lock);
    *to->last = given;
    to->last = &given->next;
    to->queued++;
    to->has_new = true;
    pthread_mutex_unlock(&to->lock);
    return LION_OK;
}

void database_wake_all(writer *self)
{
    for (database *each = self->databases; each != NULL; each = each->next) {
        if (!each->has_new) continue;
        each->has_new = false;
        pthread_mutex_lock(&each->lock);
        pthread_cond_broadcast(&each->changed);
        pthread_mutex_unlock(&each->lock);
    }
}

void database_stop_all(writer *self)
{
    pthread_mutex_lock(&self->lock);
    self->is_closing = true;
    pthread_cond_broadcast(&self->called);
    pthread_mutex_unlock(&self->lock);
    for (database *each = self->databases; each != NULL; each = each->next) {
        pthread_mutex_lock(&each->lock);
        each->is_stopping = true;
        pthread_cond_broadcast(&each->changed);
        pthread_mutex_unlock(&each->lock);
    }
    while (self->databases != NULL) {
        database *first = self->databases;
        self->databases = first->next;
        pthread_join(first->thread, NULL);
        free_database(first);
    }
}
