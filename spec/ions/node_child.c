/* node_child.c - a program whose `node-process supervisor` is the supervisor as it is, and whose
 * other roles do what a spec tells them. The control socket and the public one take one line a
 * connection, a command, and give one text back. LION_CHILD has words that are looked for:
 * "die-ROLE" (ends before it is ready, with a word on standard error), "deaf-ROLE" (does not end
 * when it is told to stop), "slow-ROLE" (is ready when DIR/go is there). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "data/form_code.h"
#include "node/bus.h"
#include "node/process.h"

static uv_loop_t loop;
static lion_bus *bus;
static const lion_node_options *options;
static uint16_t own_address;
static const char *own_role;
static int asking = -1; /* the connection that waits for an answer of the bus */
static char changes[65536];
static uv_poll_t listener;
static uv_timer_t timer;

static bool is_told(const char *what)
{
    char word[64];
    const char *told = getenv("LION_CHILD");
    snprintf(word, sizeof word, "%s-%s", what, own_role);
    return told != NULL && strstr(told, word) != NULL;
}

static void answer(int fd, const char *text)
{
    (void)fcntl(fd, F_SETFL, 0);
    (void)!write(fd, text, strlen(text));
    (void)close(fd);
}

/* ---- messages ---- */

static void send_entries(uint16_t to, lion_bus_kind kind, uint64_t id, const lion_entry *entries,
                         size_t count, int fd)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_form form = lion_form_entries(&arena, entries, count);
    (void)lion_form_encode(&bytes, &form, NULL);
    lion_bus_message message = { .to = to,
                                 .kind = (uint16_t)kind,
                                 .id = id,
                                 .payload = bytes.data,
                                 .size = bytes.size,
                                 .fds = { fd },
                                 .fd_count = fd >= 0 };
    (void)lion_bus_send(bus, &message);
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

static char *text_of(lion_arena *arena, const lion_bus_message *message)
{
    lion_form form;
    if (lion_form_decode(&form, lion_slice_of(message->payload, message->size), arena, NULL) !=
        LION_OK)
        return "broken";
    return lion_form_text(arena, &form);
}

static void on_answer(const lion_bus_message *message, const char *text)
{
    char line[65536];
    snprintf(line, sizeof line, "id %llu from %u %s\n", (unsigned long long)message->id,
             message->from, text);
    if (asking >= 0) answer(asking, line);
    asking = -1;
}

/* A line for each: ROLE INDEX PID STATE RESTARTS REASON. */
static void on_processes(lion_arena *arena, const lion_bus_message *message)
{
    lion_form map;
    char lines[16384] = "";
    if (lion_form_decode(&map, lion_slice_of(message->payload, message->size), arena, NULL) !=
        LION_OK)
        return;
    const lion_form *all = lion_form_get(&map, "processes");
    for (size_t i = 0; lion_form_at(all, i) != NULL; i++) {
        const lion_form *each = lion_form_at(all, i);
        static const char *const keys[] = { "role", "index", "pid", "state", "restarts", "reason" };
        for (int k = 0; k < 6; k++) {
            size_t size = strlen(lines);
            const char *value = lion_form_text(arena, lion_form_get(each, keys[k]));
            snprintf(lines + size, sizeof lines - size, "%s%s", value, k < 5 ? " " : "\n");
        }
    }
    on_answer(message, lines);
}

static void on_message(void *context, lion_bus_message *message)
{
    lion_arena arena;
    (void)context;
    lion_arena_init(&arena, 0);
    const char *text = message->size == 0 ? "" : text_of(&arena, message);
    char line[256];
    switch (message->kind) {
    case LION_BUS_STOP:
        if (!is_told("deaf")) exit(0);
        break;
    case LION_BUS_HANDOVER:
        if (message->fd_count == 0) break;
        snprintf(line, sizeof line, "worker %d (pid %d) was given %.150s\n", options->index,
                 (int)getpid(), text);
        answer(message->fds[0], line);
        message->fds[0] = -1;
        break;
    case LION_BUS_STATUS:
        if (own_address == LION_BUS_DOOR)
            on_answer(message, text);
        else
            send_entries(message->from, LION_BUS_STATUS, message->id,
                         &(lion_entry){ "pid", lion_form_long(getpid()) }, 1, -1);
        break;
    case LION_BUS_CHANGED:
        strncat(changes, text, sizeof changes - strlen(changes) - 1);
        strncat(changes, "\n", sizeof changes - strlen(changes) - 1);
        break;
    case LION_BUS_PROCESSES: on_processes(&arena, message); break;
    default: on_answer(message, text); break;
    }
    lion_arena_deinit(&arena);
}

static void on_closed(void *context)
{
    (void)context;
    exit(0); /* the supervisor is gone */
}

/* ---- commands ---- */

static void obey(int fd, const char *line)
{
    unsigned number = 0;
    char text[64] = "", revision[64] = "";
    if (strcmp(line, "who") == 0) {
        snprintf(text, sizeof text, "%s %d %d\n", own_role, options->index, (int)getpid());
        answer(fd, text);
    } else if (strcmp(line, "handover") == 0) {
        send_entries(LION_BUS_ANY_WORKER, LION_BUS_HANDOVER, 0,
                     &(lion_entry){ "bytes", lion_form_string("GET /") }, 1, fd);
        (void)close(fd);
    } else if (strcmp(line, "hand") == 0) { /* who hands it over says so */
        snprintf(text, sizeof text, "from %d ", options->index);
        (void)!write(fd, text, strlen(text));
        obey(fd, "handover");
    } else if (strcmp(line, "handover and die") == 0) { /* as a lost worker does it */
        send_entries(LION_BUS_ANY_WORKER, LION_BUS_HANDOVER, 0,
                     &(lion_entry){ "bytes", lion_form_string("GET /") }, 1, fd);
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_REPLACE, 0,
                     &(lion_entry){ "reason", lion_form_string("lost") }, 1, -1);
        exit(0);
    } else if (sscanf(line, "replace %u", &number) == 1) {
        lion_entry entries[] = { { "reason", lion_form_string("told to") },
                                 { "who", lion_form_long(number) } };
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_REPLACE, 0, entries, 2, -1);
        answer(fd, "asked\n");
    } else if (strcmp(line, "replace") == 0) {
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_REPLACE, 0,
                     &(lion_entry){ "reason", lion_form_string("tired") }, 1, -1);
        answer(fd, "asked\n");
    } else if (strcmp(line, "changes") == 0) {
        answer(fd, changes);
    } else if (strcmp(line, "processes") == 0) {
        asking = fd;
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_PROCESSES, 7, NULL, 0, -1);
    } else if (sscanf(line, "status %u", &number) == 1) {
        asking = fd;
        send_entries((uint16_t)number, LION_BUS_STATUS, 8, NULL, 0, -1);
    } else if (sscanf(line, "try %u %63s", &number, revision) == 2) {
        lion_entry entries[] = { { "app", lion_form_string("shop") },
                                 { "revision", lion_form_string(revision) },
                                 { "timeout_ms", lion_form_long(number) } };
        asking = fd;
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_TRY, 9, entries, 3, -1);
    } else if (strcmp(line, "stop") == 0) {
        send_entries(LION_BUS_SUPERVISOR, LION_BUS_STOP, 0,
                     &(lion_entry){ "reason", lion_form_string("two of a name") }, 1, -1);
        answer(fd, "asked\n");
    } else {
        answer(fd, "what?\n");
    }
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
    int fd = accept4(options->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return; /* another worker was first */
    char line[256];
    size_t size = 0;
    while (size < sizeof line - 1) {
        ssize_t got = read(fd, line + size, sizeof line - 1 - size);
        if (got <= 0) break;
        size += (size_t)got;
        if (line[size - 1] == '\n') break;
    }
    line[size > 0 ? size - 1 : 0] = '\0';
    obey(fd, line);
}

/* ---- the roles ---- */

static void ready(void)
{
    if (options->listen_fd >= 0) {
        (void)uv_poll_init(&loop, &listener, options->listen_fd);
        (void)uv_poll_start(&listener, UV_READABLE, on_connection);
    }
    (void)lion_bus_send(bus,
                        &(lion_bus_message){ .to = LION_BUS_SUPERVISOR, .kind = LION_BUS_READY });
}

static void on_timer(uv_timer_t *handle)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/go", options->dir);
    if (access(path, F_OK) != 0) return;
    (void)uv_timer_stop(handle);
    ready();
}

static void open_bus(const lion_node_options *given, const char *role, uint16_t address)
{
    options = given;
    own_role = role;
    own_address = address;
    (void)fcntl(given->bus_fd, F_SETFD, FD_CLOEXEC);
    (void)uv_loop_init(&loop);
    bus = lion_bus_open(&loop, given->bus_fd,
                        &(lion_bus_events){ .message = on_message, .closed = on_closed });
}

static int run(const lion_node_options *given, const char *role, uint16_t address)
{
    open_bus(given, role, address);
    if (is_told("die")) {
        fprintf(stderr, "%s cannot live\n", role);
        return 1;
    }
    (void)uv_timer_init(&loop, &timer);
    if (is_told("slow"))
        (void)uv_timer_start(&timer, on_timer, 0, 10);
    else
        ready();
    return uv_run(&loop, UV_RUN_DEFAULT);
}

static int run_writer(const lion_node_options *given)
{
    return run(given, "writer", LION_BUS_WRITER);
}
static int run_executor(const lion_node_options *given)
{
    return run(given, "executor", LION_BUS_EXECUTOR);
}
static int run_door(const lion_node_options *given)
{
    return run(given, "door", LION_BUS_DOOR);
}
static int run_events(const lion_node_options *given)
{
    return run(given, "events", LION_BUS_EVENTS);
}
static int run_worker(const lion_node_options *given)
{
    return run(given, "worker", (uint16_t)(LION_BUS_WORKER + given->index));
}

/* The revision says what becomes of it: good, crash, silent (ends without a word), stuck. */
static int run_trial(const lion_node_options *given)
{
    open_bus(given, "trial", LION_BUS_TRIAL);
    if (strcmp(given->revision, "crash") == 0) abort();
    if (strcmp(given->revision, "stuck") == 0) return uv_run(&loop, UV_RUN_DEFAULT);
    if (strcmp(given->revision, "good") == 0)
        send_entries(LION_BUS_DOOR, LION_BUS_TRIED, 0,
                     &(lion_entry){ "is_ok", lion_form_boolean(true) }, 1, -1);
    return 0;
}

const lion_node_role lion_node_roles[] = {
    { "supervisor", lion_node_supervise },
    { "writer", run_writer },
    { "executor", run_executor },
    { "door", run_door },
    { "events", run_events },
    { "worker", run_worker },
    { "trial", run_trial },
    { NULL, NULL },
};

/* `node_child ask PORT|PATH COMMAND`: the spec's side of a connection. */
static int ask(const char *where, const char *command)
{
    struct sockaddr_un path = { .sun_family = AF_UNIX };
    struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(where)) };
    port.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool is_path = strchr(where, '/') != NULL;
    snprintf(path.sun_path, sizeof path.sun_path, "%s", where);
    int fd = socket(is_path ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = is_path ? connect(fd, (const struct sockaddr *)&path, sizeof path)
                            : connect(fd, (const struct sockaddr *)&port, sizeof port);
    if (connected != 0) {
        printf("no connection: %s\n", strerror(errno));
        return 1;
    }
    char bytes[4096];
    int size = snprintf(bytes, sizeof bytes, "%s\n", command);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)!write(fd, bytes, (size_t)size);
    for (ssize_t got; (got = read(fd, bytes, sizeof bytes)) > 0;)
        (void)!write(STDOUT_FILENO, bytes, (size_t)got);
    return 0;
}

int main(int count, char **arguments)
{
    if (count > 1 && strcmp(arguments[1], "node-process") == 0)
        return lion_node_process(count - 2, arguments + 2);
    if (count == 4 && strcmp(arguments[1], "ask") == 0) return ask(arguments[2], arguments[3]);
    return 2;
}
