/* supervisor_spawn.c - a child is this program anew (/proc/self/exe, which is still this one when
 * its file was replaced), with the descriptors that its role needs and no others. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "node/supervisor.h"

enum { ARGUMENTS_MAX = 48, NUMBERS_MAX = 6, INHERITED_MAX = 3, EXIT_NO_EXEC = 127 };

typedef struct command {
    const char *arguments[ARGUMENTS_MAX];
    int count;
    char numbers[NUMBERS_MAX][24];
    int number_count;
    int inherited[INHERITED_MAX];
    int inherited_count;
    bool outlives_us; /* the writer: it notices the closed channel and closes its files */
} command;

static void add(command *self, const char *name, const char *value)
{
    self->arguments[self->count++] = name;
    self->arguments[self->count++] = value;
}

static void add_number(command *self, const char *name, uint64_t value)
{
    char *text = self->numbers[self->number_count++];
    snprintf(text, sizeof self->numbers[0], "%llu", (unsigned long long)value);
    add(self, name, text);
}

static void add_listener(command *self, const char *name, int fd)
{
    if (fd < 0) return;
    add_number(self, name, (uint64_t)fd);
    self->inherited[self->inherited_count++] = fd;
}

static void describe(command *self, const supervisor *of, const place *place_, const char *role,
                     int bus_fd)
{
    const lion_node_options *options = of->options;
    uint16_t address = place_ == NULL ? LION_BUS_TRIAL : place_->address;
    add(self, "lion", "node-process");
    self->arguments[self->count++] = role;
    add(self, "--name", options->name);
    add(self, "--group", options->group);
    add(self, "--dir", options->dir);
    if (!options->is_primary) add(self, "--primary", options->primary);
    add(self, "--listen", of->address);
    add(self, "--control", options->control);
    if (of->control_address[0] != '\0') add(self, "--control-address", of->control_address);
    add_number(self, "--workers", (uint64_t)options->workers);
    if (options->cast_file != NULL) add(self, "--cast", options->cast_file);
    if (options->access_log != NULL) add(self, "--access-log", options->access_log);
    if (options->alert_url != NULL && address == LION_BUS_DOOR)
        add(self, "--alert-url", options->alert_url);
    if (options->memory_max > 0) add_number(self, "--memory", options->memory_max);
    if (options->secret_key != NULL) add(self, "--secret-key", options->secret_key);
    add_number(self, "--bus", (uint64_t)bus_fd);
    self->inherited[self->inherited_count++] = bus_fd;
    if (address == LION_BUS_DOOR) {
        add_listener(self, "--listen-fd", of->control_fd);
        add_listener(self, "--control-fd", of->control_tcp_fd);
    }
    if (address > LION_BUS_WORKER) {
        add_number(self, "--index", (uint64_t)place_->index);
        add_listener(self, "--listen-fd", of->listen_fd);
    }
    self->outlives_us = address == LION_BUS_WRITER;
    if (self->outlives_us) self->inherited[self->inherited_count++] = of->lock_fd;
}

/* Between fork and exec. A group of its own: Ctrl-C is the supervisor's to answer. */
static void become(const command *self, pid_t parent)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) (void)signal(number, SIG_DFL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    if (!self->outlives_us) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(EXIT_NO_EXEC); /* it died before we asked */
    }
    for (int i = 0; i < self->inherited_count; i++) (void)fcntl(self->inherited[i], F_SETFD, 0);
    (void)execv("/proc/self/exe", (char *const *)(uintptr_t)self->arguments);
    _exit(EXIT_NO_EXEC);
}

static void on_message(void *context, lion_bus_message *message)
{
    supervisor_message(context, message);
}
static void on_closed(void *context)
{
    supervisor_closed(context);
}

static process *process_new(supervisor *of, place *place_, int fd)
{
    process *self = calloc(1, sizeof *self);
    if (self == NULL) {
        (void)close(fd);
        return NULL;
    }
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    self->supervisor = of;
    self->place = place_;
    self->started_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    self->born_ms = uv_now(&of->loop);
    lion_bus_events events = { .message = on_message, .closed = on_closed, .context = self };
    self->bus = lion_bus_open(&of->loop, fd, &events);
    if (self->bus != NULL) return self;
    free(self);
    return NULL;
}

process *supervisor_spawn(supervisor *self, place *of, const char *app, const char *revision)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return NULL;
    process *child = process_new(self, of, pair[0]);
    if (child == NULL) {
        (void)close(pair[1]);
        errno = ENOMEM;
        return NULL;
    }
    command command_ = { .count = 0 };
    child->is_evaluator = of == NULL && app == NULL;
    const char *role = of != NULL ? of->role : child->is_evaluator ? "evaluator" : "trial";
    describe(&command_, self, of, role, pair[1]);
    if (app != NULL) add(&command_, "--app", app);
    if (revision != NULL) add(&command_, "--revision", revision);
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) become(&command_, parent);
    int code = errno;
    (void)close(pair[1]);
    if (child->pid > 0) {
        child->next = self->processes;
        self->processes = child;
        return child;
    }
    lion_bus_close(child->bus);
    free(child);
    errno = code;
    return NULL;
}
