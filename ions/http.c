/* http.c - connections, their parser and their deadlines.
 *
 * All connections of a server read into its one buffer, and what is parsed at once is kept nowhere else. When a request
 * is complete the parser pauses, and what came behind it goes into the connection's input; the answer resumes there
 * (pipelining). Reading goes on meanwhile, to a bound, so that a client that leaves is noticed. Header names and values are kept as offsets into a text buffer while they arrive, since it may move, and
 * become pointers when the request is whole. Deadlines are looked at by one timer of the server: they need not be exact,
 * and setting one costs nothing. */
#include "http.h"

#include <fcntl.h>
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LION_HTTP_HEADERS_MAX 128
#define LION_HTTP_READ_SIZE 65536
#define LION_HTTP_LINGER_MS 2000
#define LION_HTTP_LEFT_MS 1000   /* who ended its side and has no answer by then is taken for gone */
#define LION_HTTP_SWEEP_MS 50
#define LION_HTTP_PART_MAX 262144  /* bytes of a request that is not whole that another server could go on with */
#define LION_HTTP_AHEAD_MAX 262144 /* bytes that are read while a request is in hand */
#define LION_HTTP_KEPT_MAX 65536   /* of a buffer that the next request has too */
#define LION_HTTP_JOINED_MAX 16384 /* of a body that is copied behind its head, to be one write */

typedef struct bytes {
    char *data;
    size_t size, capacity;
} bytes;

typedef enum stage {
    STAGE_RECEIVING,
    STAGE_HANDLING,
    STAGE_STREAMING,
    STAGE_SENDING, /* what is left of an answer */
    STAGE_LINGERING,
    STAGE_CLOSING
} stage;

typedef struct connection connection;

struct lion_http_exchange {
    connection *connection; /* NULL: the peer is gone, or the deadline has answered */
    lion_http_request request;
    lion_http_header headers[LION_HTTP_HEADERS_MAX];
    struct { size_t name, name_size, value, value_size; } spans[LION_HTTP_HEADERS_MAX];
    size_t header_count;
    bytes text;             /* target and headers */
    size_t target_size;
    bytes body;
    bool is_head, keeps_alive, is_in_value;
    bool is_old;            /* HTTP/1.0: keep-alive is said aloud, and nothing is chunked */
    bool is_sized;          /* streamed, and the size was told */
    bool has_head;          /* all headers have come */
    size_t left;            /* bytes that are still to come, if it was */
    int status;
    uint64_t began_ns;
    void *user;
};

struct connection {
    uv_tcp_t tcp;
    uv_shutdown_t shutdown;
    uint64_t due_ms;        /* when something must have happened; 0: never */
    lion_http_server *server;
    connection *next, *previous;
    llhttp_t parser;
    bytes input;            /* read, not yet parsed */
    bytes part;             /* what has been parsed of a request that is not whole, unless its head is and tells its size */
    bool is_part_lost;      /* it was too long to be kept */
    stage stage;
    int refusal;            /* status to answer malformed input with, 0: none */
    bool is_fresh;          /* no byte of the next request has arrived */
    bool is_reading;
    bool has_ended;         /* the peer sends no more */
    bool is_advancing;      /* its requests are being taken from the input one after the other */
    bool closes_after_write;
    bool is_control;
    char remote[64];
    lion_http_exchange *exchange; /* being received or handled */
    lion_http_exchange *spare;    /* for the next request */
    size_t queued;          /* bytes given to writes that are not finished */
    uint64_t given, taken;  /* bytes of all answers: to writes; by the socket, when the timer was set */
};

struct lion_http_server {
    uv_tcp_t tcp, other;    /* the second socket, if there is one */
    uv_timer_t sweep;
    uint8_t open_handles;   /* tcp, sweep, other */
    bool has_other;
    bool is_control;
    lion_http_limits limits;
    lion_http_handler handler;
    llhttp_settings_t settings;
    connection *connections;
    size_t pending, connection_count;
    lion_http_counters counters;
    uint64_t last_id;
    bytes out;              /* the answer being made */
    char read[LION_HTTP_READ_SIZE]; /* what a connection reads, until it is parsed */
    bool is_closing;
    void (*closed)(void *context);
    void *closed_context;
};

static bool bytes_put(bytes *out, const void *data, size_t size)
{
    if (out->size + size > out->capacity) {
        size_t capacity = out->capacity == 0 ? 1024 : out->capacity;
        while (capacity < out->size + size) capacity *= 2;
        char *grown = realloc(out->data, capacity);
        if (grown == NULL) return false;
        out->data = grown;
        out->capacity = capacity;
    }
    if (size > 0) memcpy(out->data + out->size, data, size);
    out->size += size;
    return true;
}

static void exchange_free(lion_http_exchange *exchange)
{
    if (exchange == NULL) return;
    free(exchange->text.data);
    free(exchange->body.data);
    free(exchange);
}

/* Keep it for the connection's next request. */
static void exchange_rest(connection *self, lion_http_exchange *exchange)
{
    if (self->spare != NULL || exchange->text.capacity > LION_HTTP_KEPT_MAX ||
        exchange->body.capacity > LION_HTTP_KEPT_MAX) {
        exchange_free(exchange);
        return;
    }
    self->spare = exchange;
}

/* ---- closing ---- */

static void finish_server(lion_http_server *server)
{
    if (server->open_handles > 0 || server->connections != NULL) return;
    void (*closed)(void *) = server->closed;
    void *context = server->closed_context;
    free(server->out.data);
    free(server);
    if (closed != NULL) closed(context);
}

static void on_closed(uv_handle_t *handle)
{
    connection *self = handle->data;
    lion_http_server *server = self->server;
    if (self->previous != NULL) self->previous->next = self->next;
    else server->connections = self->next;
    if (self->next != NULL) self->next->previous = self->previous;
    server->connection_count--;
    exchange_free(self->spare);
    free(self->input.data);
    free(self->part.data);
    free(self);
    finish_server(server);
}

static void connection_close(connection *self)
{
    if (self->stage == STAGE_CLOSING) return;
    bool was_handling = self->stage == STAGE_HANDLING || self->stage == STAGE_STREAMING;
    self->stage = STAGE_CLOSING;
    if (self->exchange != NULL) {
        self->exchange->connection = NULL;
        if (was_handling) {
            self->server->pending--;
            self->server->handler.gone(self->server->handler.context, self->exchange);
        } else {
            exchange_free(self->exchange);
        }
        self->exchange = NULL;
    }
    self->due_ms = 0;
    uv_close((uv_handle_t *)&self->tcp, on_closed);
}

static void set_due(connection *self, uint64_t ms) { self->due_ms = uv_now(self->tcp.loop) + ms; }

/* ---- writing ---- */

typedef struct write_request {
    uv_write_t request;
    connection *connection;
    size_t size;
    bool ends_exchange;
    char data[];
} write_request;

static void receive_next(connection *self);
static void linger(connection *self);

static uint64_t taken_by_socket(const connection *self)
{
    return self->given - uv_stream_get_write_queue_size((const uv_stream_t *)&self->tcp);
}

/* The peer must take what is sent, a little at least, until each deadline. */
static void await_sent(connection *self)
{
    if (self->stage == STAGE_CLOSING) return;
    if (self->queued == 0) {
        self->due_ms = 0;
        return;
    }
    self->taken = taken_by_socket(self);
    set_due(self, self->server->limits.send_ms);
}

/* An answer has been sent. */
static void end_answer(connection *self)
{
    if (self->server->is_closing) connection_close(self);
    else if (self->closes_after_write) linger(self);
    else receive_next(self);
}

/* What a streamed answer waited for has been taken. */
static void tell_drained(connection *self)
{
    const lion_http_handler *handler = &self->server->handler;
    if (self->queued == 0 && handler->drained != NULL) handler->drained(handler->context, self->exchange);
}

static void on_written(uv_write_t *request, int status)
{
    write_request *write = request->data;
    connection *self = write->connection;
    self->queued -= write->size;
    bool ends = write->ends_exchange;
    free(write);
    if (self->stage == STAGE_CLOSING) return;
    if (status < 0) connection_close(self);
    else if (ends) end_answer(self);
    else if (self->stage == STAGE_STREAMING) {
        await_sent(self);
        tell_drained(self);
    }
}

/* Have the socket take a copy of the bytes later. */
static void queue_bytes(connection *self, const char *head, size_t head_size, const char *body, size_t size, bool ends)
{
    write_request *write = malloc(sizeof *write + head_size + size);
    if (write == NULL) {
        connection_close(self);
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
        connection_close(self);
    }
}

/* The socket is given what it takes now, and a copy of the rest later. The connection may be closed, or on to its next
 * request, when this returns. */
static void send_bytes(connection *self, const bytes *head, const void *body, size_t size, bool ends)
{
    if (self->stage == STAGE_CLOSING) return;
    size_t head_sent = 0, body_sent = 0;
    if (self->queued == 0 && head->size + size > 0) {
        uv_buf_t parts[2] = { uv_buf_init(head->data, (unsigned)head->size),
                              uv_buf_init((char *)(uintptr_t)body, (unsigned)size) };
        unsigned first = head->size == 0, count = (head->size > 0 ? 1u : 0u) + (size > 0 ? 1u : 0u);
        int sent = uv_try_write((uv_stream_t *)&self->tcp, parts + first, count);
        size_t taken = sent < 0 ? 0 : (size_t)sent; /* what is wrong is told later, when nobody is in the midst of it */
        self->given += taken;
        head_sent = taken < head->size ? taken : head->size;
        body_sent = taken - head_sent;
    }
    bool is_sent = self->queued == 0 && head_sent + body_sent == head->size + size;
    if (is_sent && ends) end_answer(self);
    if (is_sent) return;
    queue_bytes(self, head->data + head_sent, head->size - head_sent, (const char *)body + body_sent,
                size - body_sent, ends);
}

static const char *reason_of(int status)
{
    switch (status) {
#define LION_REASON(number, name, text) \
    case number: return #text;
        HTTP_STATUS_MAP(LION_REASON)
#undef LION_REASON
    default: return "Status";
    }
}

static bool equals_name(const lion_http_text *name, const char *other)
{
    return name->size == strlen(other) && strncasecmp(name->data, other, name->size) == 0;
}

static bool has_line_break(const lion_http_text *text)
{
    return memchr(text->data, '\n', text->size) != NULL || memchr(text->data, '\r', text->size) != NULL;
}

static inline void put_text(bytes *out, const char *text) { bytes_put(out, text, strlen(text)); }

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
            equals_name(&headers[i].name, "transfer-encoding") || has_line_break(&headers[i].value) ||
            equals_name(&headers[i].name, "connection"))
            continue; /* ours to say; and no header may smuggle another */
        bytes_put(out, headers[i].name.data, headers[i].name.size);
        put_text(out, ": ");
        bytes_put(out, headers[i].value.data, headers[i].value.size);
        put_text(out, "\r\n");
    }
    if (size == BODY_CHUNKED) put_text(out, "transfer-encoding: chunked\r\n");
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
    uint64_t ns = uv_hrtime() - exchange->began_ns;
    server->counters.durations[lion_histogram_slot(ns, LION_HISTOGRAM_UNIT_NS)]++;
    server->counters.duration_ns_sum += ns;
}

static const char *connection_header(bool keeps_alive, bool is_old)
{
    if (!keeps_alive) return "connection: close\r\n";
    return is_old ? "connection: keep-alive\r\n" : "";
}

/* An empty buffer to make an answer in. It is used no more when those who send return: they may have begun the next. */
static bytes *new_answer(lion_http_server *server)
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
    send_bytes(self, head, body, is_joined ? 0 : size, true);
    if (self->stage == STAGE_SENDING) await_sent(self);
}

/* Malformed input, a full queue, a deadline: an answer of the server's own. */
static void refuse(connection *self, int status, const char *message, bool closes)
{
    lion_http_header headers[2] = {
        { .name = { "content-type", 12 }, .value = { "text/plain; charset=utf-8", 25 } },
        { .name = { "retry-after", 11 }, .value = { "1", 1 } }
    };
    bytes *head = new_answer(self->server);
    if (closes) self->closes_after_write = true;
    self->stage = STAGE_SENDING;
    put_head(head, status, headers, status == 503 ? 2 : 1, connection_header(!self->closes_after_write, false),
             strlen(message));
    count_answer(self->server, status);
    send_last(self, head, message, strlen(message));
}

/* ---- answering ---- */

const lion_http_request *lion_http_request_view(const lion_http_exchange *exchange)
{
    return &exchange->request;
}

void lion_http_set_user(lion_http_exchange *exchange, void *user) { exchange->user = user; }
void *lion_http_user(const lion_http_exchange *exchange) { return exchange->user; }

/* The exchange is over for its handler: give its connection back. */
static void detach(lion_http_exchange *exchange, connection *self)
{
    self->server->pending--;
    self->exchange = NULL;
    self->closes_after_write = self->closes_after_write || !exchange->keeps_alive ||
                               self->server->is_closing;
    self->stage = STAGE_SENDING;
    count_duration(self->server, exchange);
    exchange_rest(self, exchange);
}

void lion_http_respond(lion_http_exchange *exchange, int status, const lion_http_header *headers,
                       size_t header_count, const void *body, size_t size)
{
    connection *self = exchange->connection;
    if (self == NULL) {
        exchange_free(exchange);
        return;
    }
    bool is_bodiless = exchange->is_head || status == 204 || status == 304;
    bytes *head = new_answer(self->server);
    bool keeps_alive = exchange->keeps_alive && !self->server->is_closing;
    put_head(head, status, headers, header_count, connection_header(keeps_alive, exchange->is_old), size);
    count_answer(self->server, status);
    detach(exchange, self);
    send_last(self, head, body, is_bodiless ? 0 : size);
}

void lion_http_stream_begin(lion_http_exchange *exchange, int status, const lion_http_header *headers,
                            size_t header_count, size_t size)
{
    connection *self = exchange->connection;
    if (self == NULL) return;
    count_answer(self->server, status);
    self->stage = STAGE_STREAMING;
    exchange->is_sized = size != LION_HTTP_SIZE_UNKNOWN;
    exchange->left = size;
    size_t unknown = exchange->is_old ? BODY_TO_THE_END : BODY_CHUNKED;
    if (exchange->is_old && !exchange->is_sized) exchange->keeps_alive = false;
    bytes *head = new_answer(self->server);
    put_head(head, status, headers, header_count, connection_header(exchange->keeps_alive, exchange->is_old),
             exchange->is_sized ? size : unknown);
    send_bytes(self, head, NULL, 0, false);
    await_sent(self);
}

size_t lion_http_stream_piece(lion_http_exchange *exchange, const void *data, size_t size)
{
    connection *self = exchange->connection;
    if (exchange->is_sized && size > exchange->left) size = exchange->left;
    if (self == NULL || size == 0 || exchange->is_head) return 0;
    bool is_first = self->queued == 0, is_chunked = !exchange->is_old && !exchange->is_sized;
    if (exchange->is_sized) exchange->left -= size;
    char line[32];
    bytes *chunk = new_answer(self->server);
    snprintf(line, sizeof line, "%zx\r\n", size);
    if (is_chunked) put_text(chunk, line);
    bytes_put(chunk, data, size);
    if (is_chunked) put_text(chunk, "\r\n");
    send_bytes(self, chunk, NULL, 0, false);
    if (is_first) await_sent(self);
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
    bytes *last = new_answer(self->server);
    if (is_chunked) put_text(last, "0\r\n\r\n");
    send_last(self, last, NULL, 0);
}

void lion_http_abort(lion_http_exchange *exchange)
{
    connection *self = exchange->connection;
    if (self == NULL) {
        exchange_free(exchange);
        return;
    }
    detach(exchange, self);
    connection_close(self);
}

/* ---- taking a connection away ---- */

static bool is_ours_to_say(const lion_http_text *name)
{
    return equals_name(name, "content-length") || equals_name(name, "transfer-encoding") ||
           equals_name(name, "expect");
}

/* The request as HTTP/1.1 text; `left` bytes of its body are still to come. A body that came in chunks has its size now,
 * and who asked whether to send one was told. */
static bool put_request(bytes *out, const lion_http_exchange *exchange, uint64_t left)
{
    const lion_http_request *request = &exchange->request;
    char line[64];
    put_text(out, request->method);
    put_text(out, " ");
    bytes_put(out, exchange->text.data, exchange->target_size);
    put_text(out, exchange->is_old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    for (size_t i = 0; i < request->header_count; i++) {
        const lion_http_header *header = &request->headers[i];
        if (is_ours_to_say(&header->name)) continue;
        bytes_put(out, header->name.data, header->name.size);
        put_text(out, ": ");
        bytes_put(out, header->value.data, header->value.size);
        put_text(out, "\r\n");
    }
    snprintf(line, sizeof line, "content-length: %llu\r\n\r\n", (unsigned long long)(request->body.size + left));
    if (request->body.size + left > 0) put_text(out, line);
    else put_text(out, "\r\n");
    return bytes_put(out, request->body.data, request->body.size);
}

/* What was read goes behind what stands in taken. */
static bool take(connection *self, bytes *read, lion_http_taken *taken)
{
    int given = -1, fd = -1;
    if (uv_fileno((const uv_handle_t *)&self->tcp, &given) == 0) fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || !bytes_put(read, self->input.data, self->input.size)) {
        if (fd >= 0) (void)close(fd);
        return false;
    }
    *taken = (lion_http_taken){ .fd = fd, .bytes = read->data, .size = read->size, .is_control = self->is_control };
    return true;
}

bool lion_http_take(lion_http_exchange *exchange, lion_http_taken *taken_out)
{
    connection *self = exchange->connection;
    bytes read = { 0 };
    bool is_taken = self != NULL && self->stage == STAGE_HANDLING && put_request(&read, exchange, 0) &&
                    take(self, &read, taken_out);
    if (!is_taken) {
        free(read.data);
        return false;
    }
    self->server->pending--;
    self->exchange = NULL;
    exchange_rest(self, exchange);
    connection_close(self);
    return true;
}

static bool has_sized_head(const connection *self)
{
    return self->exchange != NULL && self->exchange->has_head && (self->parser.flags & F_CONTENT_LENGTH) != 0;
}

static void complete_request(connection *self, lion_http_exchange *exchange);

/* What has come of a request that is not whole. false: it cannot be had any more. */
static bool put_part(bytes *out, connection *self)
{
    if (self->is_fresh) return true;
    if (!has_sized_head(self)) return !self->is_part_lost && bytes_put(out, self->part.data, self->part.size);
    self->exchange->is_old = self->parser.http_major == 1 && self->parser.http_minor == 0;
    complete_request(self, self->exchange);
    return put_request(out, self->exchange, self->parser.content_length);
}

bool lion_http_take_idle(lion_http_server *server, lion_http_taken *taken_out)
{
    for (connection *each = server->connections; each != NULL; each = each->next) {
        bytes read = { 0 };
        if (each->stage != STAGE_RECEIVING || each->queued > 0) continue;
        bool is_taken = put_part(&read, each) && take(each, &read, taken_out);
        connection_close(each);
        if (is_taken) return true;
        free(read.data);
    }
    return false;
}

/* ---- deadlines ---- */

static void on_due(connection *self)
{
    if (self->stage == STAGE_STREAMING || self->stage == STAGE_SENDING) {
        if (taken_by_socket(self) == self->taken) connection_close(self);
        else await_sent(self);
    } else if (self->stage == STAGE_HANDLING && self->has_ended) {
        connection_close(self);
    } else if (self->stage == STAGE_HANDLING) {
        lion_http_exchange *exchange = self->exchange;
        lion_http_server *server = self->server;
        exchange->connection = NULL;
        server->pending--;
        self->exchange = NULL;
        server->handler.gone(server->handler.context, exchange);
        refuse(self, 504, "the handler did not answer in time\n", true);
    } else if (self->stage == STAGE_RECEIVING && !self->is_fresh) {
        refuse(self, 408, "the request did not arrive in time\n", true);
    } else if (self->stage == STAGE_RECEIVING || self->stage == STAGE_LINGERING) {
        connection_close(self);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    lion_http_server *server = timer->data;
    uint64_t now = uv_now(timer->loop);
    for (connection *each = server->connections; each != NULL; each = each->next) {
        if (each->due_ms == 0 || each->due_ms > now) continue;
        each->due_ms = 0;
        on_due(each);
    }
}

/* ---- parsing ---- */

static connection *owner_of(llhttp_t *parser) { return parser->data; }

static lion_http_exchange *current(connection *self)
{
    if (self->exchange != NULL) return self->exchange;
    lion_http_exchange *exchange = self->spare != NULL ? self->spare : calloc(1, sizeof *exchange);
    self->exchange = exchange;
    self->spare = NULL;
    if (exchange == NULL) return NULL;
    exchange->connection = self;
    exchange->text.size = exchange->body.size = 0;
    exchange->header_count = exchange->target_size = 0;
    exchange->is_in_value = exchange->is_sized = exchange->has_head = false;
    exchange->user = NULL;
    return exchange;
}

static int refuse_parse(connection *self, int status)
{
    self->refusal = status;
    return HPE_USER;
}

static int put_header_bytes(connection *self, const char *at, size_t size)
{
    lion_http_exchange *exchange = current(self);
    if (exchange == NULL || exchange->text.size + size > self->server->limits.header_size)
        return refuse_parse(self, 431);
    return bytes_put(&exchange->text, at, size) ? 0 : refuse_parse(self, 503);
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    connection *self = owner_of(parser);
    int code = put_header_bytes(self, at, size);
    if (code != 0 && self->refusal == 431) self->refusal = 414;
    if (code == 0) self->exchange->target_size += size;
    return code;
}

static int on_field(llhttp_t *parser, const char *at, size_t size)
{
    connection *self = owner_of(parser);
    lion_http_exchange *exchange = current(self);
    if (exchange == NULL) return refuse_parse(self, 503);
    if (parser->flags & F_TRAILING) return put_header_bytes(self, at, size);
    if (exchange->header_count == 0 || exchange->is_in_value) {
        if (exchange->header_count == LION_HTTP_HEADERS_MAX) return refuse_parse(self, 431);
        exchange->spans[exchange->header_count].name = exchange->text.size;
        exchange->spans[exchange->header_count].name_size = exchange->spans[exchange->header_count].value_size = 0;
        exchange->spans[exchange->header_count].value = exchange->text.size;
        exchange->header_count++;
        exchange->is_in_value = false;
    }
    exchange->spans[exchange->header_count - 1].name_size += size;
    return put_header_bytes(self, at, size);
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    connection *self = owner_of(parser);
    lion_http_exchange *exchange = current(self);
    if (exchange == NULL || exchange->header_count == 0) return refuse_parse(self, 400);
    if (parser->flags & F_TRAILING) return put_header_bytes(self, at, size);
    size_t last = exchange->header_count - 1;
    if (!exchange->is_in_value) exchange->spans[last].value = exchange->text.size;
    exchange->is_in_value = true;
    exchange->spans[last].value_size += size;
    return put_header_bytes(self, at, size);
}

/* The client holds its body back until it is told to send it. */
static bool expects_continue(const lion_http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->header_count; i++) {
        lion_http_text name = { exchange->text.data + exchange->spans[i].name, exchange->spans[i].name_size };
        const char *value = exchange->text.data + exchange->spans[i].value;
        if (equals_name(&name, "expect"))
            return exchange->spans[i].value_size >= 12 && strncasecmp(value, "100-continue", 12) == 0;
    }
    return false;
}

static bool is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        bool is_word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!is_word && (c == 0 || strchr("!#$%&'*+-.^_`|~", c) == NULL)) return false;
    }
    return size > 0;
}

/* What the parser lets pass and a proxy in front may read otherwise: names of headers that are none, a blank
 * before the colon, and a first line without a version, whose headers would be another request. */
static bool is_unambiguous(const llhttp_t *parser, const lion_http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->header_count; i++)
        if (!is_token(exchange->text.data + exchange->spans[i].name, exchange->spans[i].name_size)) return false;
    return parser->http_major == 1;
}

static int on_headers_complete(llhttp_t *parser)
{
    connection *self = owner_of(parser);
    parser->upgrade = 0; /* no upgrades here: the request is answered as it is, and others may follow */
    if (self->exchange != NULL && !is_unambiguous(parser, self->exchange)) return refuse_parse(self, 400);
    if (parser->content_length > self->server->limits.body_size &&
        parser->content_length != UINT64_MAX && (parser->flags & F_CONTENT_LENGTH))
        return refuse_parse(self, 413);
    lion_http_exchange *exchange = current(self);
    if (exchange != NULL) exchange->has_head = true;
    if (exchange != NULL && parser->http_minor > 0 && expects_continue(exchange)) {
        bytes *interim = new_answer(self->server);
        put_text(interim, "HTTP/1.1 100 Continue\r\n\r\n");
        send_bytes(self, interim, NULL, 0, false);
    }
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    connection *self = owner_of(parser);
    lion_http_exchange *exchange = current(self);
    if (exchange == NULL || exchange->body.size + size > self->server->limits.body_size)
        return refuse_parse(self, 413);
    return bytes_put(&exchange->body, at, size) ? 0 : refuse_parse(self, 503);
}

static int on_message_complete(llhttp_t *parser)
{
    lion_http_exchange *exchange = owner_of(parser)->exchange;
    exchange->keeps_alive = llhttp_should_keep_alive(parser) != 0;
    exchange->is_old = parser->http_major == 1 && parser->http_minor == 0;
    return HPE_PAUSED;
}

/* Offsets become pointers: nothing moves any more. */
static void complete_request(connection *self, lion_http_exchange *exchange)
{
    lion_http_request *request = &exchange->request;
    request->method = llhttp_method_name((llhttp_method_t)self->parser.method);
    exchange->is_head = self->parser.method == HTTP_HEAD;
    const char *target = exchange->text.data;
    const char *mark = memchr(target, '?', exchange->target_size);
    size_t path_size = mark == NULL ? exchange->target_size : (size_t)(mark - target);
    request->path = (lion_http_text){ target, path_size };
    request->query = (lion_http_text){ mark == NULL ? "" : mark + 1,
                                       mark == NULL ? 0 : exchange->target_size - path_size - 1 };
    for (size_t i = 0; i < exchange->header_count; i++) {
        char *name = exchange->text.data + exchange->spans[i].name;
        for (size_t k = 0; k < exchange->spans[i].name_size; k++)
            if (name[k] >= 'A' && name[k] <= 'Z') name[k] = (char)(name[k] | 0x20);
        const char *value = exchange->text.data + exchange->spans[i].value;
        size_t value_size = exchange->spans[i].value_size; /* llhttp leaves the blanks at its end */
        while (value_size > 0 && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t')) value_size--;
        exchange->headers[i].name = (lion_http_text){ name, exchange->spans[i].name_size };
        exchange->headers[i].value = (lion_http_text){ value, value_size };
    }
    request->headers = exchange->headers;
    request->header_count = exchange->header_count;
    request->body = (lion_http_text){ exchange->body.data == NULL ? "" : exchange->body.data,
                                      exchange->body.size };
    request->remote = self->remote;
    request->is_control = self->is_control;
    request->id = ++self->server->last_id;
}

static void hand_over(connection *self)
{
    lion_http_server *server = self->server;
    lion_http_exchange *exchange = self->exchange;
    complete_request(self, exchange);
    if (server->pending >= server->limits.pending_max) {
        self->exchange = NULL;
        self->closes_after_write = !exchange->keeps_alive;
        exchange_free(exchange);
        refuse(self, 503, "busy: try again\n", false);
        return;
    }
    server->pending++;
    self->stage = STAGE_HANDLING;
    exchange->began_ns = uv_hrtime();
    set_due(self, self->has_ended ? LION_HTTP_LEFT_MS : server->limits.handle_ms);
    server->handler.request(server->handler.context, exchange);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    connection *self = handle->data;
    *buffer = uv_buf_init(self->server->read, sizeof self->server->read);
}

static void set_reading(connection *self, bool reads)
{
    if (reads == self->is_reading) return;
    self->is_reading = reads;
    if (reads) uv_read_start((uv_stream_t *)&self->tcp, on_alloc, on_read);
    else uv_read_stop((uv_stream_t *)&self->tcp);
}

/* What is not parsed yet. false: out of memory. */
static bool keep_rest(connection *self, const char *rest, size_t size)
{
    if (self->input.size == 0) return bytes_put(&self->input, rest, size);
    memmove(self->input.data, rest, size); /* it stands in the input */
    self->input.size = size;
    return true;
}

/* Of a request that is not whole: another server would have to read it from its beginning. */
static void keep_part(connection *self, const char *data, size_t size)
{
    bool is_needed = !self->is_part_lost && !has_sized_head(self);
    if (is_needed && self->part.size + size <= LION_HTTP_PART_MAX && bytes_put(&self->part, data, size)) return;
    self->is_part_lost = self->is_part_lost || is_needed;
    free(self->part.data);
    self->part = (bytes){ 0 };
}

static void forget_part(connection *self)
{
    self->part.size = 0;
    self->is_part_lost = false;
}

/* Parse up to the end of one request: the input, or where that is empty what was just read. */
static void parse(connection *self, const char *data, size_t size)
{
    if (self->is_fresh) {
        self->is_fresh = false;
        set_due(self, self->server->limits.receive_ms);
    }
    llhttp_errno_t code = llhttp_execute(&self->parser, data, size);
    size_t used = code == HPE_OK ? size : (size_t)(llhttp_get_error_pos(&self->parser) - data);
    if (code != HPE_OK && code != HPE_PAUSED) {
        set_reading(self, false);
        int status = self->refusal != 0 ? self->refusal : 400;
        exchange_free(self->exchange);
        self->exchange = NULL;
        refuse(self, status, status == 400 ? "malformed HTTP\n" : "too large, or no room for it\n", true);
        return;
    }
    if (code == HPE_OK) keep_part(self, data, size);
    if (!keep_rest(self, data + used, size - used)) {
        connection_close(self);
    } else if (code == HPE_PAUSED) {
        llhttp_resume(&self->parser);
        forget_part(self);
        hand_over(self);
    }
}

static bool may_parse(const connection *self)
{
    return self->stage == STAGE_RECEIVING && !self->closes_after_write;
}

/* Requests one after the other, as long as each is answered at once: whoever answers comes back here. data: just read. */
static void advance(connection *self, const char *data, size_t size)
{
    if (self->is_advancing) return;
    self->is_advancing = true;
    if (self->input.size == 0 && may_parse(self) && size > 0) parse(self, data, size);
    else if (!bytes_put(&self->input, data, size)) connection_close(self);
    while (self->input.size > 0 && may_parse(self)) parse(self, self->input.data, self->input.size);
    self->is_advancing = false;
    if (self->has_ended && self->stage == STAGE_RECEIVING) connection_close(self);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    connection *self = stream->data;
    bool is_in_hand = self->stage != STAGE_RECEIVING && self->stage != STAGE_LINGERING;
    if (size == UV_EOF && is_in_hand) { /* it may have ended its side alone, and wait for the answer */
        self->has_ended = true;
        set_reading(self, false);
        if (self->stage == STAGE_HANDLING) set_due(self, LION_HTTP_LEFT_MS);
        return;
    }
    if (size < 0) {
        connection_close(self);
        return;
    }
    if (self->stage == STAGE_LINGERING) return; /* nobody reads it */
    if (self->input.size + (size_t)size > LION_HTTP_AHEAD_MAX && self->stage != STAGE_RECEIVING)
        set_reading(self, false);
    advance(self, buffer->base, (size_t)size);
}

/* To close while input is unread is to reset the connection, and what the peer has not fetched by then, the answer, is
 * lost. So our side ends first, and what still comes is dropped until the peer ends its own, or time is up. */
static void linger(connection *self)
{
    self->stage = STAGE_LINGERING;
    self->input.size = 0;
    if (uv_shutdown(&self->shutdown, (uv_stream_t *)&self->tcp, NULL) != 0) {
        connection_close(self);
        return;
    }
    set_due(self, LION_HTTP_LINGER_MS);
    set_reading(self, true); /* the end comes again to who has had it */
}

static void receive_next(connection *self)
{
    self->stage = STAGE_RECEIVING;
    self->is_fresh = true;
    self->refusal = 0;
    set_due(self, self->server->limits.idle_ms);
    set_reading(self, !self->has_ended);
    advance(self, NULL, 0);
}

/* ---- the server ---- */

/* Asked of our own end: the peer's is not known any more when it has left. */
static bool is_unix(const connection *self)
{
    struct sockaddr_storage address = { 0 };
    int size = sizeof address;
    return uv_tcp_getsockname(&self->tcp, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_UNIX;
}

static void name_remote(connection *self)
{
    struct sockaddr_storage address = { 0 };
    int size = sizeof address, port = 0;
    char name[48] = "";
    if (uv_tcp_getpeername(&self->tcp, (struct sockaddr *)&address, &size) == 0 && address.ss_family != AF_UNIX) {
        uv_ip_name((struct sockaddr *)&address, name, sizeof name);
        port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                   : ((struct sockaddr_in *)&address)->sin_port);
    }
    if (self->is_control && is_unix(self)) snprintf(self->remote, sizeof self->remote, "control");
    else snprintf(self->remote, sizeof self->remote, "%s:%d", name, port);
}

static connection *connection_new(lion_http_server *server)
{
    connection *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->server = server;
    self->is_control = server->is_control;
    uv_tcp_init(server->tcp.loop, &self->tcp);
    self->tcp.data = self;
    self->next = server->connections;
    if (self->next != NULL) self->next->previous = self;
    server->connections = self;
    server->connection_count++;
    llhttp_init(&self->parser, HTTP_REQUEST, &server->settings);
    self->parser.data = self;
    return self;
}

static void connection_start(connection *self)
{
    uv_tcp_nodelay(&self->tcp, 1);
    name_remote(self);
    receive_next(self);
}

static void on_connection(uv_stream_t *stream, int status)
{
    lion_http_server *server = stream->data;
    if (status < 0) return;
    connection *self = connection_new(server);
    if (self == NULL) return;
    if (uv_accept(stream, (uv_stream_t *)&self->tcp) != 0 || server->is_closing) connection_close(self);
    else connection_start(self);
}

int lion_http_adopt(lion_http_server *server, int fd, const void *read, size_t size, bool is_control)
{
    connection *self = server->is_closing ? NULL : connection_new(server);
    int code = self == NULL ? UV_ECANCELED : uv_tcp_open(&self->tcp, fd);
    if (code != 0) (void)close(fd);
    if (code == 0 && !bytes_put(&self->input, read, size)) code = UV_ENOMEM;
    if (code != 0) {
        if (self != NULL) connection_close(self);
        return code;
    }
    self->is_control = is_control;
    connection_start(self);
    return 0;
}

static void set_defaults(lion_http_limits *limits)
{
    if (limits->header_size == 0) limits->header_size = 64 << 10;
    if (limits->body_size == 0) limits->body_size = 8 << 20;
    if (limits->receive_ms == 0) limits->receive_ms = 30000;
    if (limits->idle_ms == 0) limits->idle_ms = 75000;
    if (limits->handle_ms == 0) limits->handle_ms = 30000;
    if (limits->send_ms == 0) limits->send_ms = 30000;
    if (limits->pending_max == 0) limits->pending_max = 1024;
}

static void on_server_closed(uv_handle_t *handle)
{
    lion_http_server *server = handle->data;
    server->open_handles--;
    finish_server(server);
}

static lion_http_server *server_new(uv_loop_t *loop, const lion_http_limits *limits, const lion_http_handler *handler)
{
    lion_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->limits = *limits;
    set_defaults(&server->limits);
    server->handler = *handler;
    llhttp_settings_init(&server->settings);
    server->settings.on_url = on_url;
    server->settings.on_header_field = on_field;
    server->settings.on_header_value = on_value;
    server->settings.on_headers_complete = on_headers_complete;
    server->settings.on_body = on_body;
    server->settings.on_message_complete = on_message_complete;
    uv_tcp_init(loop, &server->tcp);
    uv_timer_init(loop, &server->sweep);
    server->tcp.data = server->sweep.data = server;
    server->open_handles = 2;
    return server;
}

static int listen_or_close(lion_http_server *server, int code, lion_http_server **server_out)
{
    if (code == 0) code = uv_listen((uv_stream_t *)&server->tcp, 511, on_connection);
    if (code == 0) code = uv_timer_start(&server->sweep, on_sweep, LION_HTTP_SWEEP_MS, LION_HTTP_SWEEP_MS);
    if (code != 0) lion_http_close(server, NULL, NULL);
    else *server_out = server;
    return code;
}

int lion_http_open(lion_http_server **server_out, uv_loop_t *loop, const char *host, int port,
                   const lion_http_limits *limits, const lion_http_handler *handler)
{
    struct sockaddr_storage address;
    int code = uv_ip4_addr(host, port, (struct sockaddr_in *)&address);
    if (code != 0) code = uv_ip6_addr(host, port, (struct sockaddr_in6 *)&address);
    if (code != 0) return code;
    lion_http_server *server = server_new(loop, limits, handler);
    if (server == NULL) return UV_ENOMEM;
    code = uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0);
    return listen_or_close(server, code, server_out);
}

int lion_http_listen(lion_http_server **server_out, uv_loop_t *loop, int fd, bool is_control,
                     const lion_http_limits *limits, const lion_http_handler *handler)
{
    lion_http_server *server = server_new(loop, limits, handler);
    if (server == NULL) return UV_ENOMEM;
    server->is_control = is_control;
    return listen_or_close(server, uv_tcp_open(&server->tcp, fd), server_out);
}

int lion_http_listen_also(lion_http_server *server, int fd)
{
    if (server->has_other || server->is_closing) {
        (void)close(fd);
        return UV_EBUSY;
    }
    uv_tcp_init(server->tcp.loop, &server->other);
    server->other.data = server;
    server->has_other = true;
    server->open_handles++;
    int code = uv_tcp_open(&server->other, fd);
    if (code != 0) (void)close(fd);
    return code != 0 ? code : uv_listen((uv_stream_t *)&server->other, 511, on_connection);
}

int lion_http_port(const lion_http_server *server)
{
    struct sockaddr_storage address;
    int size = sizeof address;
    if (uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &size) != 0) return -1;
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

size_t lion_http_pending(const lion_http_server *server) { return server->pending; }
size_t lion_http_connections(const lion_http_server *server) { return server->connection_count; }
const lion_http_counters *lion_http_counted(const lion_http_server *server) { return &server->counters; }

void lion_http_close(lion_http_server *server, void (*closed)(void *context), void *context)
{
    server->is_closing = true;
    server->closed = closed;
    server->closed_context = context;
    for (connection *each = server->connections; each != NULL;) {
        connection *next = each->next;
        bool is_idle = each->stage == STAGE_RECEIVING && each->queued == 0;
        if (is_idle || each->stage == STAGE_LINGERING) connection_close(each);
        each = next;
    }
    uv_close((uv_handle_t *)&server->tcp, on_server_closed);
    if (server->has_other) uv_close((uv_handle_t *)&server->other, on_server_closed);
    uv_close((uv_handle_t *)&server->sweep, on_server_closed);
}
