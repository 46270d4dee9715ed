/* work.c - the worker's process, which is the door's and that of events too: its loop from the
 * start to the end. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/direct.h"
#include "node/runner.h"
#include "node/worker.h"

#define GRACE_MS 10000
#define STOP_AT_ONCE_MS                                                                            \
    100 /* between the last answer and the end, for what is still in a queue                       \
         */

static lion_worker the_worker; /* one a process */

/* ---- telling ---- */

void lion_worker_tell(lion_worker *worker, uint16_t to, lion_bus_kind kind, uint64_t id,
                      const lion_entry *entries, size_t count)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_form form = lion_form_entries(&arena, entries, count);
    if (lion_form_encode(&bytes, &form, NULL) == LION_OK && !bytes.is_failed) {
        lion_bus_message message = {
            .to = to, .kind = (uint16_t)kind, .id = id, .payload = bytes.data, .size = bytes.size
        };
        (void)lion_bus_send(worker->bus, &message);
    }
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

/* ---- the end ---- */

/* The Lua thread may be in the midst of something: nothing of the process is taken apart. */
void lion_worker_leave(int code)
{
    (void)fflush(stdout);
    (void)fflush(stderr);
    lion_lines_drain(&the_worker.casts, LION_LINES_DRAIN_MS);
    lion_lines_drain(&the_worker.access, LION_LINES_DRAIN_MS);
    _exit(code);
}

static void on_grace_over(uv_timer_t *timer)
{
    (void)timer;
    lion_worker_leave(0);
}

/* The last answer is sent: the Lua thread ends when its states are idle. */
static void on_server_closed(void *context)
{
    lion_worker *worker = context;
    worker->server = NULL;
    if (worker->is_lost) return;
    lion_item *item = lion_item_new(LION_ITEM_STOP, NULL, 0);
    if (item != NULL) lion_inbox_put(&worker->inbox, &item->link);
}

void lion_worker_stop(lion_worker *worker, uint64_t grace_ms)
{
    if (worker->is_stopping) return;
    worker->is_stopping = true;
    (void)uv_timer_start(&worker->grace, on_grace_over, grace_ms, 0);
    if (worker->server != NULL)
        lion_http_close(worker->server, on_server_closed, worker);
    else
        on_server_closed(worker);
}

void lion_worker_replace(lion_worker *worker, const char *reason)
{
    lion_entry entry = { "reason", lion_form_string(reason) };
    if (worker->is_stopping) return;
    /* Closed, they would cut off a request that is on its way at this moment. */
    lion_worker_hand_over_idle(worker);
    lion_worker_tell(worker, LION_BUS_SUPERVISOR, LION_BUS_REPLACE, 0, &entry, 1);
    lion_worker_hand_over_idle(worker);
    lion_worker_stop(worker, GRACE_MS);
}

/* ---- what runs ---- */

void lion_worker_runs(lion_worker *worker, const char *app, const char *revision, bool is_broken)
{
    lion_app_entry **at = &worker->apps;
    while (*at != NULL && strcmp((*at)->name, app) < 0) at = &(*at)->next;
    lion_app_entry *found = *at != NULL && strcmp((*at)->name, app) == 0 ? *at : NULL;
    if (found != NULL) {
        *at = found->next;
        free(found->name);
        free(found->revision);
        free(found);
    }
    lion_app_entry *made = revision == NULL ? NULL : calloc(1, sizeof *made);
    if (made != NULL) {
        *made = (lion_app_entry){
            .next = *at, .name = strdup(app), .revision = strdup(revision), .is_broken = is_broken
        };
        *at = made;
    }
    bool has_broken = false;
    for (lion_app_entry *each = worker->apps; each != NULL; each = each->next)
        has_broken |= each->is_broken;
    atomic_store(&worker->has_broken, has_broken);
}

static bool runs(const lion_worker *worker, const char *app, const char *revision)
{
    for (const lion_app_entry *each = worker->apps; each != NULL; each = each->next)
        if (strcmp(each->name, app) == 0)
            return !each->is_broken && strcmp(each->revision, revision) == 0;
    return false;
}

/* ---- loading ---- */

static void load_next(lion_worker *worker);

static void enqueue(lion_worker *worker, lion_load *load)
{
    lion_load **at = &worker->loads;
    while (*at != NULL) at = &(*at)->next;
    *at = load;
    load_next(worker);
}

/* All is loaded that this process starts with. */
static void become_ready(lion_worker *worker)
{
    lion_http_handler handler = lion_worker_handler(worker);
    lion_http_limits limits = lion_worker_limits(worker);
    worker->is_ready = true;
    if (worker->is_stopping) return;
    int code = 0; /* events have no socket */
    if (worker->options->listen_fd >= 0)
        code = lion_http_listen(&worker->server, &worker->loop, worker->options->listen_fd,
                                worker->is_door, &limits, &handler);
    if (code == 0 && worker->options->control_fd >= 0)
        code = lion_http_listen_also(worker->server, worker->options->control_fd);
    if (code != 0) {
        fprintf(stderr, "lion: cannot listen: %s\n", uv_strerror(code));
        lion_worker_leave(1);
    }
    lion_bus_message message = { .to = LION_BUS_SUPERVISOR, .kind = LION_BUS_READY };
    (void)lion_bus_send(worker->bus, &message);
}

static void install(lion_worker *worker, const lion_load *load)
{
    lion_item *item = lion_item_new(LION_ITEM_LOADED, NULL, 0);
    if (item == NULL) lion_worker_leave(1);
    item->state = load->state;
    item->to = load->to;
    item->id = load->id;
    item->code = (int)load->ms;
    lion_inbox_put(&worker->inbox, &item->link);
}

/* A door without its application is none. A worker serves on, with what it has. */
static void on_failure(lion_worker *worker, const lion_load *load)
{
    const char *message = load->message == NULL ? "out of memory" : load->message;
    if (load->to != 0) {
        lion_entry entries[] = { { "is_ok", lion_form_boolean(false) },
                                 { "message", lion_form_string(message) },
                                 { "trace",
                                   lion_form_string(load->trace == NULL ? "" : load->trace) },
                                 { "ms", lion_form_long((int64_t)load->ms) } };
        lion_worker_tell(worker, load->to, LION_BUS_SWITCHED, load->id, entries, 4);
        return;
    }
    if (load->is_list || load->app == NULL) {
        if (load->is_list)
            fprintf(stderr, "lion: what the group runs cannot be told: %s\n", message);
        else
            fprintf(stderr, "lion: %s: it does not start: %s\n", worker->role, message);
        lion_worker_leave(1);
    }
    fprintf(stderr, "lion: %s at %s does not load: %s\n", load->app, load->revision, message);
    lion_worker_runs(worker, load->app, load->revision, true);
}

static void on_work(uv_work_t *work)
{
    lion_load_run(work->data);
}

static void on_loaded(uv_work_t *work, int status)
{
    lion_load *load = work->data;
    lion_worker *worker = load->worker;
    (void)status;
    worker->is_loading = false;
    if (load->state != NULL)
        install(worker, load);
    else if (load->message != NULL || !load->is_list)
        on_failure(worker, load);
    lion_load *found = load->found;
    lion_load_free(load);
    while (found != NULL) {
        lion_load *next = found->next;
        found->next = NULL;
        enqueue(worker, found);
        found = next;
    }
    load_next(worker);
    if (!worker->is_loading && !worker->is_ready) become_ready(worker);
}

/* One at a time, in the order in which they were asked for. */
static void load_next(lion_worker *worker)
{
    lion_load *load = worker->loads;
    if (worker->is_loading || load == NULL) return;
    worker->loads = load->next;
    worker->is_loading = true;
    load->work.data = load;
    (void)uv_queue_work(&worker->loop, &load->work, on_work, on_loaded);
}

/* ---- the bus ---- */

static char *text_of(lion_arena *arena, const lion_form *map, const char *key)
{
    const lion_form *form = lion_form_get(map, key);
    lion_slice text;
    if (form == NULL || !lion_form_as_slice(form, &text)) return NULL;
    char *copy = lion_arena_alloc(arena, text.size + 1);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return copy;
}

static void on_switch(lion_worker *worker, lion_arena *arena, const lion_form *map,
                      const lion_bus_message *message)
{
    const char *app = text_of(arena, map, "app"), *revision = text_of(arena, map, "revision");
    if (app == NULL) return;
    if (revision != NULL && runs(worker, app, revision)) {
        lion_entry entries[] = { { "is_ok", lion_form_boolean(true) },
                                 { "ms", lion_form_long(0) } };
        lion_worker_tell(worker, message->from, LION_BUS_SWITCHED, message->id, entries, 2);
        return;
    }
    if (revision == NULL) {
        lion_item *item = lion_item_new(LION_ITEM_REMOVE, app, strlen(app) + 1);
        if (item == NULL) return;
        item->to = message->from;
        item->id = message->id;
        lion_inbox_put(&worker->inbox, &item->link);
        return;
    }
    lion_load *load = lion_load_new(worker, app, revision);
    if (load == NULL) return;
    load->to = message->from;
    load->id = message->id;
    enqueue(worker, load);
}

static void on_handover(lion_worker *worker, const lion_form *map, lion_bus_message *message)
{
    const lion_form *bytes = lion_form_get(map, "bytes"),
                    *control = lion_form_get(map, "is_control");
    if (message->fd_count == 0 || worker->server == NULL || bytes == NULL) return;
    bool is_control = control != NULL && control->kind == LION_FORM_VALUE &&
                      control->value.type == LION_TYPE_BOOLEAN && control->value.bits != 0;
    int fd = message->fds[0];
    message->fds[0] = -1;
    (void)lion_http_adopt(worker->server, fd, bytes->value.data, bytes->value.size, is_control);
}

static void on_stop(lion_worker *worker, const lion_form *map)
{
    int64_t grace_ms = GRACE_MS;
    const lion_form *given = lion_form_get(map, "grace_ms");
    if (given != NULL) (void)lion_form_as_long(given, &grace_ms);
    lion_worker_stop(worker, (uint64_t)grace_ms);
}

static void pass_on(lion_worker *worker, const lion_bus_message *message)
{
    lion_item *item = lion_item_new(LION_ITEM_MESSAGE, message->payload, message->size);
    if (item == NULL) return;
    item->to = message->from;
    item->code = message->kind;
    item->id = message->id;
    lion_inbox_put(&worker->inbox, &item->link);
}

/* What was meant for the process that had this place before has gone to another worker by now. */
static void on_deliver(lion_worker *worker, const lion_form *map, const lion_bus_message *message)
{
    const lion_form *pid = lion_form_get(map, "pid");
    int64_t meant = 0;
    if (pid != NULL && lion_form_as_long(pid, &meant) && meant == getpid())
        pass_on(worker, message);
}

static void on_message(void *context, lion_bus_message *message)
{
    lion_worker *worker = context;
    lion_arena arena;
    lion_form map = { 0 };
    lion_arena_init(&arena, 0);
    if (message->size > 0)
        (void)lion_form_decode(&map, lion_slice_of(message->payload, message->size), &arena, NULL);
    if (message->kind == LION_BUS_REOPEN) {
        lion_lines_reopen(&worker->casts);
        lion_lines_reopen(&worker->access);
    }
    if (worker->host != NULL) pass_on(worker, message);
    if (message->kind == LION_BUS_STOP)
        on_stop(worker, &map);
    else if (worker->host != NULL)
        (void)0;
    else if (message->kind == LION_BUS_SWITCH)
        on_switch(worker, &arena, &map, message);
    else if (message->kind == LION_BUS_HANDOVER)
        on_handover(worker, &map, message);
    else if (message->kind == LION_BUS_DELIVER)
        on_deliver(worker, &map, message);
    else if (message->kind == LION_BUS_STATUS)
        lion_worker_status(worker, message->from, message->id);
    else if (message->kind == LION_BUS_METRICS)
        lion_worker_metrics(worker, message->from, message->id);
    lion_arena_deinit(&arena);
}

/* The supervisor is gone, and with it the node. */
static void on_bus_closed(void *context)
{
    (void)context;
    lion_worker_leave(0);
}

/* ---- the writer ---- */

static void on_frame(void *context, lion_frame_kind kind, uint64_t id, const uint8_t *payload,
                     size_t size)
{
    lion_worker *worker = context;
    if (lion_direct_is_its(id)) {
        lion_direct_answer(worker, kind, id, lion_slice_of(payload, size));
        return;
    }
    lion_item *item = lion_item_new(LION_ITEM_FRAME, payload, size);
    if (item == NULL) return;
    item->code = kind;
    item->id = id;
    lion_inbox_put(&worker->inbox, &item->link);
}

/* ---- the start ---- */

static void on_due(uv_timer_t *timer)
{
    ((lion_worker *)timer->data)->is_due = true;
}

static bool has_come(lion_worker *worker)
{
    return worker->is_due || !lion_inbox_is_empty(&worker->inbox);
}

/* Look for the request that is expected now, if one is. */
static void look(lion_worker *worker)
{
    if (has_come(worker) || worker->server == NULL || !lion_http_expects(worker->server)) return;
    do {
        (void)uv_run(&worker->loop, UV_RUN_NOWAIT);
    } while (!has_come(worker) && worker->server != NULL &&
             lion_http_still_expects(worker->server));
}

void lion_worker_turn(lion_worker *worker, double ms)
{
    worker->is_due = false;
    lion_worker_take(worker);
    if (ms == 0) {
        (void)uv_run(&worker->loop, UV_RUN_NOWAIT);
        return;
    }
    if (ms > 0) (void)uv_timer_start(&worker->due, on_due, (uint64_t)ceil(ms), 0);
    look(worker);
    while (!has_come(worker)) (void)uv_run(&worker->loop, UV_RUN_ONCE);
    if (ms > 0) (void)uv_timer_stop(&worker->due);
}

/* The I/O thread. The Lua thread has the loop whenever it waits; when it does not come back to it,
 * this one runs it. */
static void run_loop(lion_worker *worker)
{
    while (!worker->is_over) {
        (void)uv_run(&worker->loop, UV_RUN_ONCE);
        if (worker->is_lost || !lion_inbox_is_waiting(&worker->inbox)) continue;
        lion_keeper_lend(&worker->keeper);
        lion_inbox_wake(&worker->inbox);
        lion_keeper_stand_by(&worker->keeper);
        uv_update_time(&worker->loop);
        lion_worker_take(worker);
    }
}

static void on_async(uv_async_t *async)
{
    lion_worker_take(async->data);
}

static bool open_all(lion_worker *self)
{
    lion_bus_events bus_events = { .message = on_message,
                                   .closed = on_bus_closed,
                                   .context = self };
    lion_link_events link_events = { .frame = on_frame, .context = self };
    if (uv_loop_init(&self->loop) != 0) return false;
    (void)uv_async_init(&self->loop, &self->async, on_async);
    (void)uv_timer_init(&self->loop, &self->watch);
    (void)uv_timer_init(&self->loop, &self->grace);
    (void)uv_timer_init(&self->loop, &self->due);
    self->async.data = self->watch.data = self->grace.data = self->due.data = self;
    lion_series_init(&self->series);
    const char *access_log = self->options->access_log;
    self->has_access_log = access_log != NULL;
    if (access_log != NULL && strcmp(access_log, "-") == 0) access_log = NULL;
    if (!lion_lines_init(&self->casts, self->options, self->options->cast_file, false) ||
        !lion_lines_init(&self->access, self->options, access_log, true))
        return false;
    lion_keeper_init(&self->keeper);
    lion_inbox_init(&self->inbox);
    lion_inbox_init(&self->outbox);
    size_t size = strlen(self->options->primary) + sizeof "/writer.sock";
    self->writer_path = malloc(size);
    self->runner = calloc(1, sizeof *self->runner);
    if (self->writer_path == NULL || self->runner == NULL) return false;
    snprintf(self->writer_path, size, "%s/writer.sock", self->options->primary);
    self->runner->worker = self;
    (void)fcntl(self->options->bus_fd, F_SETFD, FD_CLOEXEC);
    self->bus = lion_bus_open(&self->loop, self->options->bus_fd, &bus_events);
    self->link = lion_link_open(&self->loop, self->writer_path, self->role, &link_events);
    return self->bus != NULL && self->link != NULL &&
           uv_thread_create(&self->thread, lion_runner_run, self) == 0;
}

static int work(const lion_node_options *options, const char *role, const char *host)
{
    lion_worker *worker = &the_worker;
    worker->options = options;
    worker->role = role;
    worker->host = host;
    worker->is_door = strcmp(role, "door") == 0;
    (void)signal(SIGPIPE, SIG_IGN);
    lion_load *load = lion_load_new(worker, NULL, NULL);
    if (load == NULL || !open_all(worker)) {
        fprintf(stderr, "lion: the process does not start: %s\n", strerror(errno));
        return 1;
    }
    load->is_list = host == NULL;
    enqueue(worker, load);
    lion_worker_watch(worker);
    run_loop(worker);
    (void)uv_thread_join(&worker->thread);
    lion_worker_leave(worker->exit_code);
    return 0;
}

int lion_node_work(const lion_node_options *options)
{
    return work(options, "worker", NULL);
}

int lion_node_open_door(const lion_node_options *options)
{
    return work(options, "door", "ions.door");
}

int lion_node_run_events(const lion_node_options *options)
{
    return work(options, "events", "ions.events");
}
