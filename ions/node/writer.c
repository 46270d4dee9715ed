/* writer.c - the writer's process: its socket, its channel to the supervisor, its end. */
#include "node/writer.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "data/form_code.h"

#define BACKLOG 512

/* What waits for a client that follows and does not read: more, and its connection is closed. */
#define TOLD_SIZE_MAX (1u << 20)

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "lion: writer: %s: %s\n", what, why);
    return 1;
}

/* ---- what other threads have to send ---- */

static void post(writer *self, uint64_t number, lion_buffer *bytes, bool is_told)
{
    outgoing *out = calloc(1, sizeof *out);
    if (out == NULL || bytes->is_failed) { /* who waits for it finds out by its deadline */
        free(out);
        lion_buffer_deinit(bytes);
        return;
    }
    out->session = number;
    out->is_told = is_told;
    out->bytes = *bytes;
    lion_buffer_init(bytes);
    pthread_mutex_lock(&self->lock);
    *self->last = out;
    self->last = &out->next;
    pthread_mutex_unlock(&self->lock);
    uv_async_send(&self->wake);
}

void writer_post(writer *self, uint64_t number, lion_buffer *bytes)
{
    post(self, number, bytes, false);
}

void writer_tell(writer *self, uint64_t number, lion_buffer *bytes)
{
    post(self, number, bytes, true);
}

static void ask_for_another_executor(writer *self)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_entry entries[] = { { "reason", lion_form_string("a function did not come back") },
                             { "who", lion_form_long(LION_BUS_EXECUTOR) } };
    lion_form map = lion_form_entries(&arena, entries, 2);
    if (self->bus != NULL && lion_form_encode(&bytes, &map, NULL) == LION_OK && !bytes.is_failed) {
        lion_bus_message message = { .to = LION_BUS_SUPERVISOR,
                                     .from = LION_BUS_WRITER,
                                     .kind = LION_BUS_REPLACE,
                                     .payload = bytes.data,
                                     .size = bytes.size };
        lion_bus_send(self->bus, &message);
    }
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

static void send_outgoing(writer *self)
{
    pthread_mutex_lock(&self->lock);
    outgoing *each = self->first;
    self->first = NULL;
    self->last = &self->first;
    pthread_mutex_unlock(&self->lock);
    while (each != NULL) {
        outgoing *next = each->next;
        session *to = session_of(self, each->session);
        if (each->asks_to_replace)
            ask_for_another_executor(self);
        else if (to != NULL && each->is_told && to->output.size > TOLD_SIZE_MAX)
            session_close(to);
        else if (to != NULL)
            session_put(to, &each->bytes);
        lion_buffer_deinit(&each->bytes);
        free(each);
        each = next;
    }
    for (session *to = self->sessions; to != NULL; to = to->next) session_flush(to);
}

static void on_wake(uv_async_t *wake)
{
    send_outgoing(wake->data);
    metrics_check(wake->data);
    metrics_tell_disk(wake->data);
}

/* ---- the end ---- */

/* The databases end what they were given, all answers go out, and the loop has nothing left. */
static void stop(writer *self)
{
    if (self->is_stopping) return;
    self->is_stopping = true;
    uv_close((uv_handle_t *)&self->listener, NULL);
    unlink(self->socket_path);
    database_stop_all(self);
    send_outgoing(self);
    for (session *each = self->sessions; each != NULL;) {
        session *next = each->next;
        each->ends = true;
        if (!each->is_writing) session_close(each);
        each = next;
    }
    metrics_stop(self);
    uv_close((uv_handle_t *)&self->wake, NULL);
    uv_close((uv_handle_t *)&self->terminate, NULL);
    uv_close((uv_handle_t *)&self->interrupt, NULL);
    lion_bus_close(self->bus);
    self->bus = NULL;
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    stop(signal->data);
}

static void on_message(void *context, lion_bus_message *message)
{
    if (message->kind == LION_BUS_STOP)
        stop(context);
    else if (message->kind == LION_BUS_METRICS)
        metrics_ask(context, message);
}

static void on_bus_closed(void *context)
{
    stop(context);
}

/* ---- the beginning ---- */

/* Does somebody listen there? */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    bool is_there = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    close(fd);
    return is_there;
}

/* The socket, for its owner alone; the file of a writer that died is replaced. */
static int bind_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (is_live(&address)) {
        errno = EADDRINUSE;
        return -1;
    }
    unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0177);
    bool is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    umask(before);
    if (is_bound) return fd;
    int code = errno;
    if (fd >= 0) close(fd);
    errno = code;
    return -1;
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status == 0) session_accept(stream->data);
}

static int listen_on(writer *self)
{
    size_t size = strlen(self->options->dir) + sizeof "/writer.sock";
    self->socket_path = malloc(size);
    if (self->socket_path == NULL) return complain("no memory", "for a path");
    snprintf(self->socket_path, size, "%s/writer.sock", self->options->dir);
    int fd = bind_socket(self->socket_path);
    if (fd < 0) return complain(self->socket_path, strerror(errno));
    uv_pipe_init(&self->loop, &self->listener, 0);
    self->listener.data = self;
    int code = uv_pipe_open(&self->listener, fd);
    if (code == 0) code = uv_listen((uv_stream_t *)&self->listener, BACKLOG, on_connection);
    return code == 0 ? 0 : complain(self->socket_path, uv_strerror(code));
}

static void start_handles(writer *self)
{
    uv_async_init(&self->loop, &self->wake, on_wake);
    metrics_start(self);
    uv_signal_init(&self->loop, &self->terminate);
    uv_signal_init(&self->loop, &self->interrupt);
    self->wake.data = self->terminate.data = self->interrupt.data = self;
    uv_signal_start(&self->terminate, on_signal, SIGTERM);
    uv_signal_start(&self->interrupt, on_signal, SIGINT);
    if (self->options->bus_fd < 0) return;
    lion_bus_events events = { .message = on_message, .closed = on_bus_closed, .context = self };
    self->bus = lion_bus_open(&self->loop, self->options->bus_fd, &events);
    lion_bus_message ready = { .to = LION_BUS_SUPERVISOR,
                               .from = LION_BUS_WRITER,
                               .kind = LION_BUS_READY };
    if (self->bus != NULL) lion_bus_send(self->bus, &ready);
}

int lion_node_write(const lion_node_options *options)
{
    writer self = { .options = options };
    self.last = &self.first;
    (void)signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&self.loop) != 0) return complain("no event loop", "uv_loop_init failed");
    pthread_mutex_init(&self.lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.called, &attributes);
    pthread_condattr_destroy(&attributes);
    int code = listen_on(&self);
    if (code == 0) {
        start_handles(&self);
        uv_run(&self.loop, UV_RUN_DEFAULT);
        uv_loop_close(&self.loop);
    }
    pthread_cond_destroy(&self.called);
    pthread_mutex_destroy(&self.lock);
    free(self.socket_path);
    return code;
}
