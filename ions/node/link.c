/* link.c - one connection at a time to the writer, and what is not answered on it. */
#include "node/link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/frame.h"

#define RETRY_MS_FIRST 5
#define RETRY_MS_MAX 200
#define READ_SIZE 65536

typedef struct pending {
    struct pending *next, *previous; /* a ring with the link's own at its head; the oldest first */
    uint64_t id;
    bool is_sent;   /* on the connection that stands */
    bool is_follow; /* it lasts as long as the connection */
} pending;

struct lion_link {
    uv_loop_t *loop;
    uv_pipe_t *pipe; /* its own memory: it outlives a connection by the time that closing takes */
    uv_timer_t retry;
    uv_prepare_t before_wait; /* these send what has come together in a turn of the loop */
    uv_check_t after_wait;
    uint8_t open_handles;
    uint64_t retry_ms;
    char *path, *role;
    lion_link_events events;
    bool is_connected, is_writing;
    lion_buffer input;
    lion_buffer output; /* not yet given to a write */
    pending waiting;
};

/* ---- what is not answered ---- */

static void pending_add(lion_link *link, uint64_t id, bool is_follow)
{
    pending *self = malloc(sizeof *self);
    if (self == NULL) return; /* its answer is told all the same; its loss is not */
    *self = (pending){ .next = &link->waiting,
                       .previous = link->waiting.previous,
                       .id = id,
                       .is_sent = link->is_connected,
                       .is_follow = is_follow };
    self->previous->next = self;
    link->waiting.previous = self;
}

static void pending_remove(pending *self)
{
    self->previous->next = self->next;
    self->next->previous = self->previous;
    free(self);
}

static void pending_answered(lion_link *link, uint64_t id, bool is_error)
{
    for (pending *each = link->waiting.next; each != &link->waiting; each = each->next) {
        if (each->id != id) continue;
        if (is_error || !each->is_follow) pending_remove(each);
        return;
    }
}

/* What was sent is lost with its connection. Who hears of it may send anew, which stands behind. */
static void tell_lost(lion_link *link)
{
    pending *last = link->waiting.previous;
    for (pending *each = link->waiting.next; each != &link->waiting;) {
        pending *next = each->next;
        bool is_last = each == last;
        if (each->is_sent) {
            uint64_t id = each->id;
            pending_remove(each);
            link->events.frame(link->events.context, LION_FRAME_LOST, id, NULL, 0);
        }
        if (is_last) return;
        each = next;
    }
}

/* ---- the connection ---- */

static void connect_now(lion_link *link);

static void on_pipe_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_retry(uv_timer_t *timer)
{
    connect_now(timer->data);
}

/* The connection is gone, or there was none. */
static void disconnected(lion_link *link)
{
    if (link->pipe != NULL) {
        link->pipe->data = NULL;
        uv_close((uv_handle_t *)link->pipe, on_pipe_closed);
        link->pipe = NULL;
    }
    bool was_connected = link->is_connected;
    link->is_connected = false;
    lion_buffer_clear(&link->input);
    if (was_connected)
        lion_buffer_clear(&link->output); /* else it waits for the first connection */
    uv_timer_start(&link->retry, on_retry, link->retry_ms, 0);
    link->retry_ms = link->retry_ms * 2 > RETRY_MS_MAX ? RETRY_MS_MAX : link->retry_ms * 2;
    if (was_connected) tell_lost(link);
}

typedef struct sending {
    uv_write_t request;
    lion_buffer bytes;
} sending;

static void flush(lion_link *link);

static void on_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    lion_link *link = stream->data; /* NULL: not this connection's any more */
    sending *self = request->data;
    lion_buffer_deinit(&self->bytes);
    free(self);
    if (link == NULL) return;
    link->is_writing = false;
    if (status < 0)
        disconnected(link);
    else
        flush(link);
}

/* One write is under way at a time; what is sent meanwhile goes together with the next. */
static void flush(lion_link *link)
{
    if (link->is_writing || !link->is_connected || link->output.size == 0) return;
    sending *self = malloc(sizeof *self);
    if (self == NULL) {
        disconnected(link);
        return;
    }
    self->bytes = link->output;
    self->request.data = self;
    lion_buffer_init(&link->output);
    uv_buf_t buffer = uv_buf_init((char *)self->bytes.data, (unsigned)self->bytes.size);
    link->is_writing = true;
    if (uv_write(&self->request, (uv_stream_t *)link->pipe, &buffer, 1, on_written) != 0) {
        lion_buffer_deinit(&self->bytes);
        free(self);
        disconnected(link);
    }
}

void lion_link_flush(lion_link *link)
{
    (void)uv_prepare_stop(&link->before_wait);
    (void)uv_check_stop(&link->after_wait);
    flush(link);
}

static void on_before_wait(uv_prepare_t *handle)
{
    lion_link_flush(handle->data);
}

static void on_after_wait(uv_check_t *handle)
{
    lion_link_flush(handle->data);
}

/* What comes of this wait goes out behind it, what was there before in front of it. */
static void flush_later(lion_link *link)
{
    (void)uv_prepare_start(&link->before_wait, on_before_wait);
    (void)uv_check_start(&link->after_wait, on_after_wait);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    lion_link *link = handle->data;
    uint8_t *room = link == NULL ? NULL : lion_input_room(&link->input, READ_SIZE);
    *buffer = uv_buf_init((char *)room, room == NULL ? 0 : READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    lion_link *link = stream->data;
    if (link == NULL || size == 0) return;
    if (size < 0) {
        disconnected(link);
        return;
    }
    link->input.size += (size_t)size;
    size_t used = 0;
    for (;;) {
        lion_frame frame;
        size_t frame_size = 0;
        lion_slice rest = lion_slice_of(link->input.data + used, link->input.size - used);
        lion_status status = lion_frame_take(&frame, &frame_size, rest, NULL);
        if (status == LION_ABSENT) break;
        if (status < 0) {
            disconnected(link);
            return;
        }
        used += frame_size;
        if (frame.kind != LION_FRAME_CALL && frame.kind != LION_FRAME_TOLD)
            pending_answered(link, frame.id, frame.kind == LION_FRAME_ERROR);
        link->events.frame(link->events.context, frame.kind, frame.id, frame.payload.data,
                           frame.payload.size);
        if (stream->data == NULL) return; /* closed by who heard it */
    }
    lion_input_drop(&link->input, used);
}

static void on_connected(uv_connect_t *request, int status)
{
    lion_link *link = request->handle->data;
    free(request);
    if (link == NULL) return;
    if (status < 0 || uv_read_start((uv_stream_t *)link->pipe, on_alloc, on_read) != 0) {
        disconnected(link);
        return;
    }
    link->is_connected = true;
    link->is_writing = false;
    link->retry_ms = RETRY_MS_FIRST;
    for (pending *each = link->waiting.next; each != &link->waiting; each = each->next)
        each->is_sent = true;
    lion_buffer waiting = link->output;
    lion_buffer_init(&link->output);
    lion_frame_put_hello(&link->output, link->role);
    lion_buffer_put(&link->output, waiting.data, waiting.size);
    lion_buffer_deinit(&waiting);
    flush(link);
}

static void connect_now(lion_link *link)
{
    uv_connect_t *request = malloc(sizeof *request);
    link->pipe = malloc(sizeof *link->pipe);
    if (request == NULL || link->pipe == NULL) {
        free(request);
        free(link->pipe);
        link->pipe = NULL;
        disconnected(link);
        return;
    }
    uv_pipe_init(link->loop, link->pipe, 0);
    link->pipe->data = link;
    uv_pipe_connect(request, link->pipe, link->path, on_connected);
}

/* ---- for its owner ---- */

lion_link *lion_link_open(uv_loop_t *loop, const char *path, const char *role,
                          const lion_link_events *events)
{
    lion_link *link = calloc(1, sizeof *link);
    if (link == NULL) return NULL;
    link->loop = loop;
    link->path = strdup(path);
    link->role = strdup(role);
    if (link->path == NULL || link->role == NULL) {
        free(link->path);
        free(link->role);
        free(link);
        return NULL;
    }
    link->events = *events;
    link->retry_ms = RETRY_MS_FIRST;
    link->waiting.next = link->waiting.previous = &link->waiting;
    lion_buffer_init(&link->input);
    lion_buffer_init(&link->output);
    uv_timer_init(loop, &link->retry);
    uv_prepare_init(loop, &link->before_wait);
    uv_check_init(loop, &link->after_wait);
    link->retry.data = link->before_wait.data = link->after_wait.data = link;
    link->open_handles = 3;
    connect_now(link);
    return link;
}

void lion_link_send(lion_link *link, lion_frame_kind kind, uint64_t id, const uint8_t *payload,
                    size_t size)
{
    bool is_answer = kind == LION_FRAME_DONE || kind == LION_FRAME_ERROR; /* of an executor */
    if (!is_answer)
        pending_add(link, id, kind == LION_FRAME_FOLLOW);
    else if (!link->is_connected)
        return; /* who asked is gone */
    lion_frame_put(&link->output, kind, id, lion_slice_of(payload, size));
    if (is_answer) /* a transaction waits for it */
        flush(link);
    else
        flush_later(link);
}

static void on_link_closed(uv_handle_t *handle)
{
    lion_link *link = handle->data;
    if (--link->open_handles > 0) return;
    while (link->waiting.next != &link->waiting) pending_remove(link->waiting.next);
    lion_buffer_deinit(&link->input);
    lion_buffer_deinit(&link->output);
    free(link->path);
    free(link->role);
    free(link);
}

void lion_link_close(lion_link *link)
{
    if (link == NULL) return;
    if (link->pipe != NULL) {
        link->pipe->data = NULL;
        uv_close((uv_handle_t *)link->pipe, on_pipe_closed);
        link->pipe = NULL;
    }
    uv_close((uv_handle_t *)&link->retry, on_link_closed);
    uv_close((uv_handle_t *)&link->before_wait, on_link_closed);
    uv_close((uv_handle_t *)&link->after_wait, on_link_closed);
}

/* ---- one request, waiting ---- */

static int wait_for(int fd, short events, int64_t deadline_ms)
{
    for (;;) {
        int64_t left = deadline_ms - lion_clock_monotonic_ns() / 1000000;
        if (left <= 0) return -ETIMEDOUT;
        struct pollfd one = { .fd = fd, .events = events };
        int ready = poll(&one, 1, left > 1000 ? 1000 : (int)left);
        if (ready > 0) return 0;
        if (ready < 0 && errno != EINTR) return -errno;
    }
}

static int send_all(int fd, const lion_buffer *bytes, int64_t deadline_ms)
{
    for (size_t sent = 0; sent < bytes->size;) {
        ssize_t size =
            send(fd, bytes->data + sent, bytes->size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size > 0) sent += (size_t)size;
        if (size > 0 || (size < 0 && errno == EINTR)) continue;
        if (size < 0 && errno != EAGAIN) return -errno;
        int code = wait_for(fd, POLLOUT, deadline_ms);
        if (code != 0) return code;
    }
    return 0;
}

static int receive_answer(int fd, uint64_t id, int64_t deadline_ms, lion_buffer *input,
                          lion_frame *frame_out)
{
    for (;;) {
        size_t frame_size = 0;
        lion_status status = lion_frame_take(frame_out, &frame_size, lion_buffer_view(input), NULL);
        if (status < 0) return -EPROTO;
        if (status == LION_OK && frame_out->id == id) return 0;
        if (status == LION_OK) {
            lion_input_drop(input, frame_size);
            continue;
        }
        int code = wait_for(fd, POLLIN, deadline_ms);
        if (code != 0) return code;
        uint8_t *room = lion_input_room(input, READ_SIZE);
        if (room == NULL) return -ENOMEM;
        ssize_t size = recv(fd, room, READ_SIZE, 0);
        if (size == 0) return -ECONNRESET;
        if (size < 0 && errno != EINTR && errno != EAGAIN) return -errno;
        if (size > 0) input->size += (size_t)size;
    }
}

static int open_socket(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) return -ENAMETOOLONG;
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    int code = -errno;
    close(fd);
    return code;
}

int lion_link_call(const char *path, const char *role, lion_frame_kind kind, const uint8_t *payload,
                   size_t size, uint64_t timeout_ms, lion_frame_kind *kind_out,
                   uint8_t **payload_out, size_t *size_out)
{
    int64_t deadline_ms = lion_clock_monotonic_ns() / 1000000 + (int64_t)timeout_ms;
    int fd = open_socket(path);
    if (fd < 0) return fd;
    lion_buffer output, input;
    lion_buffer_init(&output);
    lion_buffer_init(&input);
    lion_frame_put_hello(&output, role);
    lion_frame_put(&output, kind, 1, lion_slice_of(payload, size));
    lion_frame frame;
    int code = output.is_failed ? -ENOMEM : send_all(fd, &output, deadline_ms);
    if (code == 0) code = receive_answer(fd, 1, deadline_ms, &input, &frame);
    if (code == 0) {
        *kind_out = frame.kind;
        *size_out = frame.payload.size;
        *payload_out = malloc(frame.payload.size + 1);
        if (*payload_out == NULL)
            code = -ENOMEM;
        else
            memcpy(*payload_out, frame.payload.data, frame.payload.size);
    }
    lion_buffer_deinit(&output);
    lion_buffer_deinit(&input);
    close(fd);
    return code;
}
