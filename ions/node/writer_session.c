/* writer_session.c - the writer's clients: frames in, frames out. */
#include <stdlib.h>
#include <string.h>

#include "data/form_code.h"
#include "node/writer.h"

#define READ_SIZE 65536

session *session_of(writer *self, uint64_t number)
{
    session *each = self->sessions;
    while (each != NULL && each->number != number) each = each->next;
    return each != NULL && !each->is_closing ? each : NULL;
}

/* ---- closing ---- */

static void on_session_closed(uv_handle_t *handle)
{
    session *self = handle->data;
    session **place = &self->writer->sessions;
    while (*place != self) place = &(*place)->next;
    *place = self->next;
    lion_buffer_deinit(&self->input);
    lion_buffer_deinit(&self->output);
    free(self);
}

void session_close(session *self)
{
    if (self->is_closing) return;
    self->is_closing = true;
    if (self->is_executor) call_executor_gone(self->writer, self->number);
    if (self->follows) database_unfollow(self->writer, self->number);
    uv_close((uv_handle_t *)&self->pipe, on_session_closed);
}

/* ---- sending ---- */

typedef struct sending {
    uv_write_t request;
    lion_buffer bytes;
} sending;

static void flush(session *self);

static void on_sent(uv_write_t *request, int status)
{
    session *self = request->handle->data;
    sending *sent = request->data;
    lion_buffer_deinit(&sent->bytes);
    free(sent);
    self->is_writing = false;
    if (self->is_closing) return;
    if (status < 0 || (self->ends && self->output.size == 0))
        session_close(self);
    else
        flush(self);
}

/* One write at a time: what comes meanwhile goes together with the next. */
static void flush(session *self)
{
    if (self->is_writing || self->is_closing || self->output.size == 0) return;
    sending *next = malloc(sizeof *next);
    if (next == NULL || self->output.is_failed) {
        free(next);
        session_close(self);
        return;
    }
    next->bytes = self->output;
    next->request.data = next;
    lion_buffer_init(&self->output);
    uv_buf_t buffer = uv_buf_init((char *)next->bytes.data, (unsigned)next->bytes.size);
    self->is_writing = true;
    if (uv_write(&next->request, (uv_stream_t *)&self->pipe, &buffer, 1, on_sent) != 0) {
        lion_buffer_deinit(&next->bytes);
        free(next);
        self->is_writing = false;
        session_close(self);
    }
}

void session_put(session *to, lion_buffer *bytes)
{
    if (to->output.size == 0) {
        lion_buffer empty = to->output;
        to->output = *bytes;
        *bytes = empty;
    } else {
        lion_buffer_put(&to->output, bytes->data, bytes->size);
    }
    lion_buffer_clear(bytes);
}

void session_flush(session *self)
{
    flush(self);
}

void session_fail(session *to, uint64_t id, const lion_error *error)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    lion_frame_put_error(&bytes, id, error);
    session_put(to, &bytes);
    flush(to);
    lion_buffer_deinit(&bytes);
}

/* ---- requests ---- */

static lion_status read_map(lion_form *map_out, lion_slice payload, lion_arena *arena,
                            lion_error *error)
{
    lion_status status = lion_form_decode(map_out, payload, arena, error);
    if (status == LION_OK && map_out->kind != LION_FORM_MAP)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the payload of a frame is a map");
    return status;
}

static lion_status hear_hello(session *self, const lion_frame *frame, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form map;
    lion_status status = read_map(&map, frame->payload, &arena, error);
    const lion_form *role = status == LION_OK ? lion_form_get(&map, "role") : NULL;
    if (role != NULL && lion_form_is_text(role, "executor") && !self->is_executor) {
        self->is_executor = true;
        call_executor_came(self->writer, self->number);
    }
    lion_arena_deinit(&arena);
    return status;
}

static lion_status give_job(session *self, const lion_frame *frame, lion_error *error)
{
    job *given = calloc(1, sizeof *given);
    if (given == NULL) return lion_fail_memory(error);
    given->writer = self->writer;
    given->session = self->number;
    given->id = frame->id;
    given->kind = frame->kind;
    lion_arena_init(&given->arena, 0);
    lion_slice payload = lion_arena_copy(&given->arena, frame->payload);
    lion_status status = lion_arena_check(&given->arena, error);
    if (status == LION_OK) status = read_map(&given->map, payload, &given->arena, error);
    if (status == LION_OK && self->writer->is_stopping)
        status =
            lion_fail(error, LION_UNAVAILABLE, "lion/closed", "the writer is stopping: try again");
    if (given->kind == LION_FRAME_FOLLOW) self->follows = true;
    if (status == LION_OK) status = database_give(self->writer, given, error);
    if (status < 0) job_free(given);
    return status;
}

/* false: what comes on this connection cannot be understood any more. */
static bool hear(session *self, const lion_frame *frame)
{
    lion_error error = { 0 };
    lion_status status = LION_OK;
    switch ((int)frame->kind) {
    case LION_FRAME_HELLO: status = hear_hello(self, frame, &error); break;
    case LION_FRAME_OPEN:
    case LION_FRAME_TRANSACT:
    case LION_FRAME_SYNC:
    case LION_FRAME_INDEX:
    case LION_FRAME_BACKUP:
    case LION_FRAME_FOLLOW: status = give_job(self, frame, &error); break;
    case LION_FRAME_DONE:
    case LION_FRAME_ERROR:
        if (self->is_executor) call_answered(self->writer, self->number, frame);
        break;
    default:
        lion_fail(&error, LION_INCORRECT, "lion/syntax", "a client sends no frame of kind %d",
                  (int)frame->kind);
        session_fail(self, frame->id, &error);
        return false;
    }
    if (status < 0) session_fail(self, frame->id, &error);
    return true;
}

static void end(session *self)
{
    self->ends = true;
    uv_read_stop((uv_stream_t *)&self->pipe);
    if (!self->is_writing) session_close(self);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    session *self = handle->data;
    uint8_t *room = lion_input_room(&self->input, READ_SIZE);
    *buffer = uv_buf_init((char *)room, room == NULL ? 0 : READ_SIZE);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    (void)buffer;
    session *self = stream->data;
    if (size < 0) session_close(self);
    if (size <= 0) return;
    self->input.size += (size_t)size;
    size_t used = 0;
    for (;;) {
        lion_frame frame;
        size_t frame_size = 0;
        lion_error error = { 0 };
        lion_slice rest = lion_slice_of(self->input.data + used, self->input.size - used);
        lion_status status = lion_frame_take(&frame, &frame_size, rest, &error);
        if (status == LION_ABSENT) break;
        if (status < 0) session_fail(self, 0, &error);
        if (status < 0 || !hear(self, &frame)) {
            end(self);
            break;
        }
        if (self->is_closing) break;
        used += frame_size;
    }
    database_wake_all(self->writer);
    if (self->is_closing || self->ends) return;
    lion_input_drop(&self->input, used);
}

void session_accept(writer *self)
{
    session *came = calloc(1, sizeof *came);
    if (came == NULL) return;
    came->writer = self;
    came->number = ++self->last_session;
    lion_buffer_init(&came->input);
    lion_buffer_init(&came->output);
    uv_pipe_init(&self->loop, &came->pipe, 0);
    came->pipe.data = came;
    came->next = self->sessions;
    self->sessions = came;
    if (uv_accept((uv_stream_t *)&self->listener, (uv_stream_t *)&came->pipe) != 0 ||
        uv_read_start((uv_stream_t *)&came->pipe, on_alloc, on_read) != 0)
        session_close(came);
}
