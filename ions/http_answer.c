/* http_answer.c - answers: their heads, what the socket takes at once and what it takes later,
 * streams. */
#include "http_private.h"

#include <stdio.h>

#define LION_HTTP_JOINED_MAX 16384 /* of a body that is copied behind its head, to be one write */

typedef struct write_request {
    uv_write_t request;
    connection *connection;
    size_t size;
    bool ends_exchange;
    char data[];
} write_request;

uint64_t lion_http_taken_by_socket(const connection *self)
{
    return self->given - uv_stream_get_write_queue_size((const uv_stream_t *)&self->tcp);
}

void lion_http_await_sent(connection *self)
{
    if (self->stage == STAGE_CLOSING) return;
    if (self->queued == 0) {
        self->due_ms = 0;
        return;
    }
    self->taken = lion_http_taken_by_socket(self);
    set_due(self, self->server->limits.send_ms);
}

/* An answer has been sent. */
static void end_answer(connection *self)
{
    if (self->server->is_closing)
        lion_http_connection_close(self);
    else if (self->closes_after_write)
        lion_http_linger(self);
    else
        lion_http_receive_next(self);
}

/* What a streamed answer waited for has been taken. */
static void tell_drained(connection *self)
{
    const lion_http_handler *handler = &self->server->handler;
    if (self->queued == 0 && handler->drained != NULL)
        handler->drained(handler->context, self->exchange);
}

static void on_written(uv_write_t *request, int status)
{
    write_request *write = request->data;
    connection *self = write->connection;
    self->queued -= write->size;
    bool ends = write->ends_exchange;
    free(write);
    if (self->stage == STAGE_CLOSING) return;
    if (status < 0)
        lion_http_connection_close(self);
    else if (ends)
        end_answer(self);
    else if (self->stage == STAGE_STREAMING) {
        lion_http_await_sent(self);
        tell_drained(self);
    }
}

/* Have the socket take a copy of the bytes later. */
static void queue_bytes(connection *self, const char *head, size_t head_size, const char *body,
                        size_t size, bool ends)
{
    write_request *write = malloc(sizeof *write + head_size + size);
    if (write == NULL) {
        lion_http_connection_close(self);
        return;
    }
    write->request.data = write;
    write->connection = self;
    write->size = head_size + size;
    write->ends_exchange = ends;
    if (head_size > 0) memcpy(write->data, head, head_size);
    if (size > 0) memcpy(write->data + head_size, body, size);
    self->queued += write->size;
    self->given += write->size;
    uv_buf_t buffer = uv_buf_init(write->data, (unsigned)write->size);
    if (uv_write(&write->request, (uv_stream_t *)&self->tcp, &buffer, 1, on_written) != 0) {
        self->queued -= write->size;
        self->given -= write->size;
        free(write);
        lion_http_connection_close(self);
    }
}

void lion_http_send(connection *self, const bytes *head, const void *body, size_t size, bool ends)
{
    if (self->stage == STAGE_CLOSING) return;
    size_t head_sent = 0, body_sent = 0;
    if (self->queued == 0 && head->size + size > 0) {
        uv_buf_t parts[2] = { uv_buf_init(head->data, (unsigned)head->size),
                              uv_buf_init((char *)(uintptr_t)body, (unsigned)size) };
        unsigned first = head->size == 0, count = (head->size > 0 ? 1u : 0u) + (size > 0 ? 1u : 0u);
        int sent = uv_try_write((uv_stream_t *)&self->tcp, parts + first, count);
        size_t taken =
            sent < 0
                ? 0
                : (size_t)sent; /* what is wrong is told later, when nobody is in the midst of it */
        self->given += taken;
        head_sent = taken < head->size ? taken : head->size;
        body_sent = taken - head_sent;
    }
    bool is_sent = self->queued == 0 && head_sent + body_sent == head->size + size;
    if (is_sent && ends) end_answer(self);
    if (is_sent) return;
    queue_bytes(self, head->data + head_sent, head->size - head_sent,
                (const char *)body + body_sent, size - body_sent, ends);
}

static const char *reason_of(int status)
{
    switch (status) {
#define LION_REASON(number, name, text)                                                            \
    case number: return #text;
        HTTP_STATUS_MAP(LION_REASON)
#undef LION_REASON
    default: return "Status";
    }
}

static bool has_line_break(const lion_http_text *text)
{
    return memchr(text->data, '\n', text->size) != NULL ||
           memchr(text->data, '\r', text->size) != NULL;
}

static void put_number(bytes *out, size_t number)
{
    char digits[24], *at = digits + sizeof digits;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    bytes_put(out, at, (size_t)(digits + sizeof digits - at));
}

/* llhttp names them NOT_FOUND: as people write them, "Not Found". */
static void put_reason(bytes *out, const char *name)
{
    bool begins = true; /* a word */
    for (; *name != '\0'; name++) {
        bool is_letter = *name >= 'A' && *name <= 'Z';
        char c = *name == '_' ? ' ' : *name;
        if (is_letter && !begins) c = (char)(c | 0x20);
        bytes_put(out, &c, 1);
        begins = !is_letter;
    }
}

/* What a head says of the body: its size, or one of these. */
#define BODY_CHUNKED SIZE_MAX
#define BODY_TO_THE_END (SIZE_MAX - 1)

static void put_status(bytes *out, int status)
{
    if (status == 200) { /* most are */
        put_text(out, "HTTP/1.1 200 OK\r\n");
        return;
    }
    put_text(out, "HTTP/1.1 ");
    put_number(out, (size_t)status);
    put_text(out, " ");
    put_reason(out, reason_of(status));
    put_text(out, "\r\n");
}

static void put_head(bytes *out, int status, const lion_http_header *headers, size_t count,
                     const char *connection_header, size_t size)
{
    put_status(out, status);
    for (size_t i = 0; i < count; i++) {
        if (equals_name(&headers[i].name, "content-length") || has_line_break(&headers[i].name) ||
            equals_name(&headers[i].name, "transfer-encoding") ||
            has_line_break(&headers[i].value) || equals_name(&headers[i].name, "connection"))
            continue; /* ours to say; and no header may smuggle another */
        bytes_put(out, headers[i].name.data, headers[i].name.size);
        put_text(out, ": ");
        bytes_put(out, headers[i].value.data, headers[i].value.size);
        put_text(out, "\r\n");
    }
    if (size == BODY_CHUNKED)
        put_text(out, "transfer-encoding: chunked\r\n");
    else if (size != BODY_TO_THE_END && status != 204 && status != 304) {
        put_text(out, "content-length: ");
        put_number(out, size);
        put_text(out, "\r\n");
    }
    put_text(out, connection_header);
    put_text(out, "\r\n");
}

static void count_answer(lion_http_server *server, int status)
{
    if (status >= 100 && status < 600) server->counters.answers[status / 100]++;
}

/* It is over, as an answer that took so long. */
static void count_duration(lion_http_server *server, const lion_http_exchange *exchange)
{
    uint64_t now_ns = uv_hrtime(), ns = now_ns - exchange->began_ns;
    server->counters.durations[lion_histogram_slot(ns, LION_HISTOGRAM_UNIT_NS)]++;
    server->counters.duration_ns_sum += ns;
    lion_http_expect_answered(server, now_ns);
}

static const char *connection_header(bool keeps_alive, bool is_old)
{
    if (!keeps_alive) return "connection: close\r\n";
    return is_old ? "connection: keep-alive\r\n" : "";
}

bytes *lion_http_new_answer(lion_http_server *server)
{
    if (server->out.capacity > LION_HTTP_KEPT_MAX) {
        free(server->out.data);
        server->out = (bytes){ 0 };
    }
    server->out.size = 0;
    return &server->out;
}

/* The end of an answer. */
static void send_last(connection *self, bytes *head, const void *body, size_t size)
{
    bool is_joined = size <= LION_HTTP_JOINED_MAX && bytes_put(head, body, size);
    lion_http_send(self, head, body, is_joined ? 0 : size, true);
    if (self->stage == STAGE_SENDING) lion_http_await_sent(self);
}

void lion_http_refuse(connection *self, int status, const char *message, bool closes)
{
    lion_http_header headers[2] = { { .name = { "content-type", 12 },
                                      .value = { "text/plain; charset=utf-8", 25 } },
                                    { .name = { "retry-after", 11 }, .value = { "1", 1 } } };
    bytes *head = lion_http_new_answer(self->server);
    if (closes) self->closes_after_write = true;
    self->stage = STAGE_SENDING;
    put_head(head, status, headers, status == 503 ? 2 : 1,
             connection_header(!self->closes_after_write, false), strlen(message));
    count_answer(self->server, status);
    send_last(self, head, message, strlen(message));
}

/* ---- answering ---- */

const lion_http_request *lion_http_request_view(const lion_http_exchange *exchange)
{
    return &exchange->request;
}

void lion_http_set_user(lion_http_exchange *exchange, void *user)
{
    exchange->user = user;
}
void *lion_http_user(const lion_http_exchange *exchange)
{
    return exchange->user;
}

/* The exchange is over for its handler: give its connection back. */
static void detach(lion_http_exchange *exchange, connection *self)
{
    self->server->pending--;
    self->exchange = NULL;
    self->closes_after_write =
        self->closes_after_write || !exchange->keeps_alive || self->server->is_closing;
    self->stage = STAGE_SENDING;
    count_duration(self->server, exchange);
    lion_http_exchange_rest(self, exchange);
}

void lion_http_respond(lion_http_exchange *exchange, int status, const lion_http_header *headers,
                       size_t header_count, const void *body, size_t size)
{
    connection *self = exchange->connection;
    if (self == NULL) {
        lion_http_exchange_free(exchange);
        return;
    }
    bool is_bodiless = exchange->is_head || status == 204 || status == 304;
    bytes *head = lion_http_new_answer(self->server);
    bool keeps_alive = exchange->keeps_alive && !self->server->is_closing;
    put_head(head, status, headers, header_count, connection_header(keeps_alive, exchange->is_old),
             size);
    count_answer(self->server, status);
    detach(exchange, self);
    send_last(self, head, body, is_bodiless ? 0 : size);
}

void lion_http_stream_begin(lion_http_exchange *exchange, int status,
                            const lion_http_header *headers, size_t header_count, size_t size)
{
    connection *self = exchange->connection;
    if (self == NULL) return;
    count_answer(self->server, status);
    self->stage = STAGE_STREAMING;
    exchange->is_sized = size != LION_HTTP_SIZE_UNKNOWN;
    exchange->left = size;
    size_t unknown = exchange->is_old ? BODY_TO_THE_END : BODY_CHUNKED;
    if (exchange->is_old && !exchange->is_sized) exchange->keeps_alive = false;
    bytes *head = lion_http_new_answer(self->server);
    put_head(head, status, headers, header_count,
             connection_header(exchange->keeps_alive, exchange->is_old),
             exchange->is_sized ? size : unknown);
    lion_http_send(self, head, NULL, 0, false);
    lion_http_await_sent(self);
}

size_t lion_http_stream_piece(lion_http_exchange *exchange, const void *data, size_t size)
{
    connection *self = exchange->connection;
    if (exchange->is_sized && size > exchange->left) size = exchange->left;
    if (self == NULL || size == 0 || exchange->is_head) return 0;
    bool is_first = self->queued == 0, is_chunked = !exchange->is_old && !exchange->is_sized;
    if (exchange->is_sized) exchange->left -= size;
    char line[32];
    bytes *chunk = lion_http_new_answer(self->server);
    snprintf(line, sizeof line, "%zx\r\n", size);
    if (is_chunked) put_text(chunk, line);
    bytes_put(chunk, data, size);
    if (is_chunked) put_text(chunk, "\r\n");
    lion_http_send(self, chunk, NULL, 0, false);
    if (is_first) lion_http_await_sent(self);
    return self->queued;
}

void lion_http_stream_end(lion_http_exchange *exchange)
{
    connection *self = exchange->connection;
    bool is_short = exchange->is_sized && !exchange->is_head && exchange->left > 0;
    if (self == NULL || is_short) {
        lion_http_abort(exchange);
        return;
    }
    bool is_chunked = !exchange->is_head && !exchange->is_old && !exchange->is_sized;
    detach(exchange, self);
    bytes *last = lion_http_new_answer(self->server);
    if (is_chunked) put_text(last, "0\r\n\r\n");
    send_last(self, last, NULL, 0);
}

void lion_http_abort(lion_http_exchange *exchange)
{
    connection *self = exchange->connection;
    if (self == NULL) {
        lion_http_exchange_free(exchange);
        return;
    }
    detach(exchange, self);
    lion_http_connection_close(self);
}
