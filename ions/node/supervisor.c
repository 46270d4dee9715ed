/* supervisor.c - the life of a node's processes: started stage by stage, started anew when they
 * end, stopped in order. */
#include "node/supervisor.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LION_NODE_PAUSE_MS 100 /* after the second quick end; doubles */
#define LION_NODE_PAUSE_MS_MAX 5000
#define LION_NODE_QUICK_MS 10000     /* an end is quick within this time */
#define LION_NODE_START_DEATHS_MAX 5 /* before the node has started */
#define LION_NODE_REPLACED_MS 500    /* for who is replaced to hand over what it has */
#define LION_NODE_GRACE_MS 10000     /* for workers, and for the writer, to finish */
#define LION_NODE_SHORT_GRACE_MS 2000
#define LION_NODE_LAST_WORDS_MS 1000 /* for what a process that has ended had said */

enum { STAGE_WRITER, STAGE_DOOR, STAGE_REST, STAGE_DONE };

static uint64_t now_of(const supervisor *self)
{
    return uv_now(&self->loop);
}

static void kill_process(const process *self)
{
    if (!self->has_ended) (void)kill(self->pid, SIGKILL);
}

void supervisor_kill_within(process *self, uint64_t ms)
{
    self->kill_at = now_of(self->supervisor) + ms;
    supervisor_schedule(self->supervisor);
}

/* ---- starting ---- */

/* After an end: at once the first time, then after a pause that doubles while ends are quick. */
static void start_again(supervisor *self, place *of, uint64_t lived_ms)
{
    if (lived_ms >= LION_NODE_QUICK_MS) of->quick_deaths = 0;
    uint64_t pause_ms = 0;
    if (of->quick_deaths > 0) {
        unsigned doublings = of->quick_deaths - 1 < 10 ? of->quick_deaths - 1 : 10;
        pause_ms = (uint64_t)LION_NODE_PAUSE_MS << doublings;
        if (pause_ms > LION_NODE_PAUSE_MS_MAX) pause_ms = LION_NODE_PAUSE_MS_MAX;
    }
    of->quick_deaths++;
    of->restarts++;
    of->start_at = now_of(self) + pause_ms;
    if (of->start_at == 0) of->start_at = 1;
    supervisor_schedule(self);
}

/* Give the node up when one of its processes does not come up. */
static void give_up(supervisor *self, const place *of)
{
    fprintf(
        stderr,
        "lion: the node does not start: its %s ended %d times, last by %s; what it said is above\n",
        of->name, LION_NODE_START_DEATHS_MAX, of->reason);
    supervisor_stop(self, 1);
}

static void ended_early(supervisor *self, place *of, uint64_t lived_ms)
{
    if (!self->is_ready && ++of->deaths_before_ready >= LION_NODE_START_DEATHS_MAX)
        give_up(self, of);
    else
        start_again(self, of, lived_ms);
}

static void start(supervisor *self, place *of)
{
    of->start_at = 0;
    of->current = supervisor_spawn(self, of, NULL, NULL);
    if (of->current == NULL) {
        snprintf(of->reason, sizeof of->reason, "it cannot be started: %s", strerror(errno));
        fprintf(stderr, "lion: %s: %s\n", of->name, of->reason);
        ended_early(self, of, 0);
    }
    supervisor_tell_changed(self, of);
}

/* All of the stage are ready: start the next, and say so after the last. */
static void advance(supervisor *self)
{
    while (self->stage < STAGE_DONE) {
        for (int i = 0; i < self->place_count; i++) {
            if (self->places[i].stage == self->stage && !self->places[i].was_ready) return;
        }
        self->stage++;
        bool is_any = false;
        for (int i = 0; i < self->place_count; i++) {
            if (self->places[i].stage != self->stage) continue;
            start(self, &self->places[i]);
            is_any = true;
        }
        if (is_any) return;
    }
    if (self->is_ready) return;
    self->is_ready = true;
    printf("ready http://%s/ unix:%s", self->address, self->control);
    if (self->control_tcp_fd >= 0) printf(" http://%s/", self->control_address);
    printf("\n");
    (void)fflush(stdout);
}

void supervisor_ready(process *of)
{
    supervisor *self = of->supervisor;
    if (of->place == NULL || of->place->current != of || of->state != PROCESS_STARTING) return;
    of->state = PROCESS_READY;
    of->place->was_ready = true;
    if (self->is_stopping) return;
    supervisor_tell_changed(self, of->place);
    supervisor_serve_waiting(self);
    advance(self);
}

/* ---- replacing ---- */

static void ask_to_stop(process *of, uint64_t grace_ms)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_entry entry = { "grace_ms", lion_form_long((int64_t)grace_ms) };
    of->state = PROCESS_STOPPING;
    supervisor_send(of, LION_BUS_STOP, 0, lion_form_entries(&arena, &entry, 1));
    lion_arena_deinit(&arena);
}

void supervisor_replace(place *of, process *sender, const char *reason)
{
    supervisor *self = sender->supervisor;
    process *old = of->current;
    if (self->is_stopping) return;
    snprintf(of->reason, sizeof of->reason, "replaced: %s", reason);
    fprintf(stderr, "lion: %s (pid %d) is replaced: %s\n", of->name, (int)old->pid, reason);
    bool was_ready = old->state == PROCESS_READY;
    old->state = PROCESS_STOPPING;
    /* Two writers must not be, nor two holders of leases; and who never got ready is started anew
     * with the pauses of one that died. */
    if (of->address == LION_BUS_WRITER || of->address == LION_BUS_EVENTS || !was_ready) {
        kill_process(old);
        return;
    }
    of->restarts++;
    start(self, of);
    if (of->address == LION_BUS_EXECUTOR) {
        kill_process(old);
        return;
    }
    if (old != sender) ask_to_stop(old, LION_NODE_REPLACED_MS);
    supervisor_kill_within(old, LION_NODE_REPLACED_MS);
}

/* ---- stopping ---- */

static bool is_of_step(const process *each, int step)
{
    static const uint16_t order[] = { LION_BUS_WORKER, LION_BUS_DOOR, LION_BUS_EXECUTOR,
                                      LION_BUS_WRITER };
    uint16_t address = each->place == NULL ? LION_BUS_TRIAL : each->place->address;
    if (each->has_ended) return false;
    return step == 0 ? address == LION_BUS_TRIAL || address == LION_BUS_EVENTS ||
                           address >= LION_BUS_WORKER
                     : address == order[step];
}

/* The first of workers and events, door, executor, writer of whom one is left is asked to stop;
 * when none is left, the loop ends. */
static void stop_next(supervisor *self)
{
    for (int step = 0; step < 4; step++) {
        bool is_any = false;
        uint64_t grace_ms = step == 0 || step == 3 ? LION_NODE_GRACE_MS : LION_NODE_SHORT_GRACE_MS;
        for (process *each = self->processes; each != NULL; each = each->next) {
            if (!is_of_step(each, step)) continue;
            is_any = true;
            if (each->place == NULL) kill_process(each);
            if (each->state == PROCESS_STOPPING || each->place == NULL) continue;
            ask_to_stop(each, grace_ms);
            supervisor_kill_within(each, grace_ms + LION_NODE_REPLACED_MS);
        }
        if (is_any) return;
    }
    uv_stop(&self->loop);
}

void supervisor_stop(supervisor *self, int exit_code)
{
    if (self->is_stopping) return;
    self->is_stopping = true;
    self->exit_code = exit_code;
    if (self->listen_fd >= 0) (void)close(self->listen_fd);
    self->listen_fd = -1;
    for (int i = 0; i < self->place_count; i++) self->places[i].start_at = 0;
    supervisor_drop_waiting(self, UINT64_MAX);
    stop_next(self);
}

static void on_stop_signal(uv_signal_t *handle, int number)
{
    supervisor *self = handle->data;
    (void)number;
    if (!self->is_stopping) {
        supervisor_stop(self, 0);
        return;
    }
    for (const process *each = self->processes; each != NULL; each = each->next) kill_process(each);
}

/* ---- ends ---- */

static void describe_end(char *out, size_t size, int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        snprintf(out, size, "exit code 127 (it could not be started)");
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

static void holder_ended(process *of, const char *reason)
{
    supervisor *self = of->supervisor;
    place *held = of->place;
    held->current = NULL;
    if (self->is_stopping) return;
    /* One that was killed to be replaced keeps the reason for that. */
    if (of->state != PROCESS_STOPPING) snprintf(held->reason, sizeof held->reason, "%s", reason);
    fprintf(stderr, "lion: %s (pid %d) has ended: %s\n", held->name, (int)of->pid, reason);
    ended_early(self, held, now_of(self) - of->born_ms);
    supervisor_tell_changed(self, held);
}

/* It has ended and its channel has said all: start another for it, and forget it. */
static void finish(process *gone)
{
    supervisor *self = gone->supervisor;
    char reason[LION_NODE_REASON_SIZE];
    describe_end(reason, sizeof reason, gone->status);
    if (gone->place == NULL)
        supervisor_trial_ended(gone, reason);
    else if (gone->place->current == gone)
        holder_ended(gone, reason);
    process **link = &self->processes;
    while (*link != gone) link = &(*link)->next;
    *link = gone->next;
    free(gone);
}

static void ended(process *of, int status)
{
    of->has_ended = of->is_lost = true;
    of->status = status;
    if (of->bus == NULL)
        finish(of);
    else
        supervisor_kill_within(of, LION_NODE_LAST_WORDS_MS);
}

/* Without its channel one that lives is lost to us, and has a moment to end by itself. */
void supervisor_closed(process *of)
{
    lion_bus_close(of->bus);
    of->bus = NULL;
    of->is_lost = true;
    if (of->has_ended)
        finish(of);
    else if (of->kill_at == 0)
        supervisor_kill_within(of, LION_NODE_SHORT_GRACE_MS);
}

static process *process_of(const supervisor *self, pid_t pid)
{
    for (process *each = self->processes; each != NULL; each = each->next) {
        if (each->pid == pid && !each->has_ended) return each;
    }
    return NULL;
}

/* As pid 1 of a container we are also given orphans that are none of ours. */
static void on_child(uv_signal_t *handle, int number)
{
    supervisor *self = handle->data;
    (void)number;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        process *of = process_of(self, pid);
        if (of != NULL) ended(of, status);
    }
    if (self->is_stopping) stop_next(self);
}

/* ---- time ---- */

static void overdue(process *of)
{
    of->kill_at = 0;
    if (of->has_ended) { /* its channel is open elsewhere: it says nothing more */
        supervisor_closed(of);
        return;
    }
    kill_process(of);
    if (of->place == NULL) supervisor_trial_overdue(of);
}

static void on_timer(uv_timer_t *timer)
{
    supervisor *self = timer->data;
    uint64_t now = now_of(self);
    for (process *each = self->processes, *next; each != NULL; each = next) {
        next = each->next;
        if (each->kill_at != 0 && each->kill_at <= now) overdue(each);
    }
    for (int i = 0; i < self->place_count; i++) {
        place *each = &self->places[i];
        if (each->start_at != 0 && each->start_at <= now && !self->is_stopping) start(self, each);
    }
    supervisor_drop_waiting(self, now);
    supervisor_schedule(self);
}

static void take_earlier(uint64_t *first, uint64_t at)
{
    if (at != 0 && at < *first) *first = at;
}

void supervisor_schedule(supervisor *self)
{
    uint64_t first = UINT64_MAX, now = now_of(self);
    for (const process *each = self->processes; each != NULL; each = each->next)
        take_earlier(&first, each->kill_at);
    for (int i = 0; i < self->place_count; i++) take_earlier(&first, self->places[i].start_at);
    if (self->first_waiting != NULL) take_earlier(&first, self->first_waiting->until);
    if (first == UINT64_MAX)
        (void)uv_timer_stop(&self->timer);
    else
        (void)uv_timer_start(&self->timer, on_timer, first > now ? first - now : 0, 0);
}

/* ---- its own life ---- */

static void add_place(supervisor *self, const char *role, uint16_t address, int index, int stage)
{
    place *added = &self->places[self->place_count++];
    *added = (place){ .role = role, .address = address, .index = index, .stage = stage };
    if (index == 0)
        snprintf(added->name, sizeof added->name, "%s", role);
    else
        snprintf(added->name, sizeof added->name, "%s %d", role, index);
}

static bool make_places(supervisor *self)
{
    self->places = calloc((size_t)self->options->workers + 4, sizeof *self->places);
    if (self->places == NULL) return false;
    if (self->options->is_primary) add_place(self, "writer", LION_BUS_WRITER, 0, STAGE_WRITER);
    add_place(self, "door", LION_BUS_DOOR, 0, STAGE_DOOR);
    if (self->options->is_primary) add_place(self, "executor", LION_BUS_EXECUTOR, 0, STAGE_REST);
    add_place(self, "events", LION_BUS_EVENTS, 0, STAGE_REST);
    for (int i = 1; i <= self->options->workers; i++)
        add_place(self, "worker", (uint16_t)(LION_BUS_WORKER + i), i, STAGE_REST);
    return true;
}

static void watch_signal(supervisor *self, uv_signal_t *handle, int number, uv_signal_cb callback)
{
    (void)uv_signal_init(&self->loop, handle);
    handle->data = self;
    (void)uv_signal_start(handle, callback, number);
}

/* Files that others have moved are written anew. */
static void on_hangup(uv_signal_t *handle, int number)
{
    supervisor *self = handle->data;
    (void)number;
    lion_form none = lion_form_entries(&self->arena, NULL, 0);
    for (process *each = self->processes; each != NULL; each = each->next)
        supervisor_send(each, LION_BUS_REOPEN, 0, none);
    lion_arena_reset(&self->arena);
}

static void close_each(uv_handle_t *handle, void *context)
{
    (void)context;
    if (!uv_is_closing(handle)) uv_close(handle, NULL);
}

/* Start all, wait until all have ended. */
static void supervise(supervisor *self)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)uv_timer_init(&self->loop, &self->timer);
    self->timer.data = self;
    watch_signal(self, &self->child, SIGCHLD, on_child);
    watch_signal(self, &self->interrupt, SIGINT, on_stop_signal);
    watch_signal(self, &self->terminate, SIGTERM, on_stop_signal);
    if (self->options->cast_file != NULL || self->options->access_log != NULL)
        watch_signal(self, &self->hangup, SIGHUP, on_hangup);
    self->stage = -1;
    advance(self);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    for (process *each = self->processes, *next; each != NULL; each = next) {
        next = each->next;
        lion_bus_close(each->bus);
        free(each);
    }
    uv_walk(&self->loop, close_each, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
}

static int count_cores(void)
{
    cpu_set_t cores;
    int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    return count < LION_NODE_WORKERS_MAX ? count : LION_NODE_WORKERS_MAX;
}

/* Connections that workers hand over pass through us, and each worker has thousands. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* The options with what was left out. → exit code. */
static int complete(lion_node_options *options, supervisor *self, char **dir_out)
{
    *dir_out = realpath(options->dir, NULL);
    if (*dir_out == NULL) {
        fprintf(stderr, "lion: %s cannot be the node's folder: %s\n", options->dir,
                strerror(errno));
        return 1;
    }
    bool is_unix = options->control != NULL && strncmp(options->control, "unix:", 5) == 0;
    if (options->control != NULL && !is_unix) {
        fprintf(stderr, "lion: --control is unix:PATH, not %s\n", options->control);
        return 2;
    }
    if (options->workers == 0) options->workers = count_cores();
    if (options->workers > LION_NODE_WORKERS_MAX) {
        fprintf(stderr, "lion: --workers is at most %d\n", LION_NODE_WORKERS_MAX);
        return 2;
    }
    options->dir = *dir_out;
    if (options->is_primary) options->primary = options->dir;
    int size = is_unix
                   ? snprintf(self->control, sizeof self->control, "%s", options->control + 5)
                   : snprintf(self->control, sizeof self->control, "%s/control.sock", options->dir);
    if (size < (int)sizeof self->control) return 0;
    fprintf(
        stderr,
        "lion: the path of the control door is too long for a socket's; --control gives another\n");
    return 1;
}

static int open_and_run(supervisor *self)
{
    int code = supervisor_lock(self);
    if (code == 0) code = supervisor_listen_control(self);
    bool has_control = code == 0;
    if (code == 0) code = supervisor_listen(self);
    if (code == 0) code = supervisor_listen_control_tcp(self);
    if (code == 0 && (uv_loop_init(&self->loop) != 0 || !make_places(self))) {
        fprintf(stderr, "lion: out of memory\n");
        code = 1;
    }
    if (code == 0) {
        supervise(self);
        (void)uv_loop_close(&self->loop);
        code = self->exit_code;
    }
    if (has_control) (void)unlink(self->control);
    return code;
}

int lion_node_supervise(const lion_node_options *given)
{
    lion_node_options options = *given;
    char control[sizeof "unix:" + sizeof((supervisor *)0)->control], *dir = NULL;
    supervisor *self = calloc(1, sizeof *self);
    if (self == NULL) return 1;
    raise_descriptors();
    self->options = &options;
    self->lock_fd = self->listen_fd = self->control_fd = self->control_tcp_fd = -1;
    lion_arena_init(&self->arena, 0);
    int code = complete(&options, self, &dir);
    if (code == 0) {
        snprintf(control, sizeof control, "unix:%s", self->control);
        options.control = control;
        code = open_and_run(self);
    }
    const int fds[] = { self->lock_fd, self->listen_fd, self->control_fd, self->control_tcp_fd };
    for (int i = 0; i < 4; i++) {
        if (fds[i] >= 0) (void)close(fds[i]);
    }
    lion_arena_deinit(&self->arena);
    free(self->places);
    free(self);
    free(dir);
    return code;
}
