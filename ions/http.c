/* http.c - connections and their deadlines.
 *
 * All connections of a server read into its one buffer, and what is parsed at once is kept nowhere
 * else. When a request is complete the parser pauses, and what came behind it goes into the
 * connection's input; the answer resumes there (pipelining). Reading goes on meanwhile, to a bound,
 * so that a client that leaves is noticed. Deadlines are looked at by one timer of the server: they
 * need not be exact, and setting one costs nothing. */
#include "http_private.h"

#include <stdio.h>
#include <unistd.h>

#define LION_HTTP_LINGER_MS 2000
#define LION_HTTP_SWEEP_MS 50
#define LION_HTTP_AHEAD_MAX 262144 /* bytes that are read while a request is in hand */

void lion_http_exchange_free(lion_http_exchange *exchange)
{
    if (exchange == NULL) return;
    free(exchange->text.data);
    free(exchange->body.data);
    free(exchange);
}

void lion_http_exchange_rest(connection *self, lion_http_exchange *exchange)
{
    if (self->spare != NULL || exchange->text.capacity > LION_HTTP_KEPT_MAX ||
        exchange->body.capacity > LION_HTTP_KEPT_MAX) {
        lion_http_exchange_free(exchange);
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
    lion_http_expect_gone(self);
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        server->connections = self->next;
    if (self->next != NULL) self->next->previous = self->previous;
    server->connection_count--;
    lion_http_exchange_free(self->spare);
    free(self->input.data);
    free(self->part.data);
    free(self);
    finish_server(server);
}

void lion_http_connection_close(connection *self)
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
            lion_http_exchange_free(self->exchange);
        }
        self->exchange = NULL;
    }
    self->due_ms = 0;
    uv_close((uv_handle_t *)&self->tcp, on_closed);
}

/* ---- deadlines ---- */

static void on_due(connection *self)
{
    if (self->stage == STAGE_STREAMING || self->stage == STAGE_SENDING) {
        if (lion_http_taken_by_socket(self) == self->taken)
            lion_http_connection_close(self);
        else
            lion_http_await_sent(self);
    } else if (self->stage == STAGE_HANDLING && self->has_ended) {
        lion_http_connection_close(self);
    } else if (self->stage == STAGE_HANDLING) {
        lion_http_exchange *exchange = self->exchange;
        lion_http_server *server = self->server;
        exchange->connection = NULL;
        server->pending--;
        self->exchange = NULL;
        server->handler.gone(server->handler.context, exchange);
        lion_http_refuse(self, 504, "the handler did not answer in time\n", true);
    } else if (self->stage == STAGE_RECEIVING && !self->is_fresh) {
        lion_http_refuse(self, 408, "the request did not arrive in time\n", true);
    } else if (self->stage == STAGE_RECEIVING || self->stage == STAGE_LINGERING) {
        lion_http_connection_close(self);
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

/* ---- reading ---- */

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
    if (reads)
        uv_read_start((uv_stream_t *)&self->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&self->tcp);
}

/* What is not parsed yet. false: out of memory. */
static bool keep_rest(connection *self, const char *rest, size_t size)
{
    if (self->input.size == 0) return bytes_put(&self->input, rest, size);
    memmove(self->input.data, rest, size); /* it stands in the input */
    self->input.size = size;
    return true;
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
        lion_http_exchange_free(self->exchange);
        self->exchange = NULL;
        lion_http_refuse(self, status,
                         status == 400 ? "malformed HTTP\n" : "too large, or no room for it\n",
                         true);
        return;
    }
    if (code == HPE_OK) lion_http_keep_part(self, data, size);
    if (!keep_rest(self, data + used, size - used)) {
        lion_http_connection_close(self);
    } else if (code == HPE_PAUSED) {
        llhttp_resume(&self->parser);
        lion_http_forget_part(self);
        lion_http_hand_over(self);
    } else if (self->exchange != NULL && self->exchange->has_head &&
               !self->exchange->is_head_told && lion_http_looks_at_heads(self)) {
        set_reading(self, false);
        lion_http_hand_over_head(self);
        if (self->stage == STAGE_RECEIVING) set_reading(self, true);
    }
}

static bool may_parse(const connection *self)
{
    return self->stage == STAGE_RECEIVING && !self->closes_after_write;
}

/* Requests one after the other, as long as each is answered at once: whoever answers comes back
 * here. data: just read. */
static void advance(connection *self, const char *data, size_t size)
{
    if (self->is_advancing) return;
    self->is_advancing = true;
    if (self->input.size == 0 && may_parse(self) && size > 0)
        parse(self, data, size);
    else if (!bytes_put(&self->input, data, size))
        lion_http_connection_close(self);
    while (self->input.size > 0 && may_parse(self)) parse(self, self->input.data, self->input.size);
    self->is_advancing = false;
    if (self->has_ended && self->stage == STAGE_RECEIVING) lion_http_connection_close(self);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
    connection *self = stream->data;
    bool is_in_hand = self->stage != STAGE_RECEIVING && self->stage != STAGE_LINGERING;
    if (size == UV_EOF &&
        is_in_hand) { /* it may have ended its side alone, and wait for the answer */
        self->has_ended = true;
        set_reading(self, false);
        if (self->stage == STAGE_HANDLING) set_due(self, LION_HTTP_LEFT_MS);
        return;
    }
    if (size < 0) {
        lion_http_connection_close(self);
        return;
    }
    if (self->stage == STAGE_LINGERING) return; /* nobody reads it */
    if (self->input.size + (size_t)size > LION_HTTP_AHEAD_MAX && self->stage != STAGE_RECEIVING)
        set_reading(self, false);
    advance(self, buffer->base, (size_t)size);
}

/* To close while input is unread is to reset the connection, and what the peer has not fetched by
 * then, the answer, is lost. So our side ends first, and what still comes is dropped until the peer
 * ends its own, or time is up. */
void lion_http_linger(connection *self)
{
    self->stage = STAGE_LINGERING;
    self->input.size = 0;
    if (uv_shutdown(&self->shutdown, (uv_stream_t *)&self->tcp, NULL) != 0) {
        lion_http_connection_close(self);
        return;
    }
    set_due(self, LION_HTTP_LINGER_MS);
    set_reading(self, true); /* the end comes again to who has had it */
}

void lion_http_receive_next(connection *self)
{
    self->stage = STAGE_RECEIVING;
    self->is_fresh = true;
    self->refusal = 0;
    set_due(self, self->server->limits.idle_ms);
    set_reading(self, !self->has_ended);
    advance(self, NULL, 0);
}

void lion_http_read_on(connection *self)
{
    if (self->stage == STAGE_RECEIVING) set_reading(self, !self->has_ended);
}

/* ---- the server ---- */

/* Asked of our own end: the peer's is not known any more when it has left. */
static bool is_unix(const connection *self)
{
    struct sockaddr_storage address = { 0 };
    int size = sizeof address;
    return uv_tcp_getsockname(&self->tcp, (struct sockaddr *)&address, &size) == 0 &&
           address.ss_family == AF_UNIX;
}

static void name_remote(connection *self)
{
    struct sockaddr_storage address = { 0 };
    int size = sizeof address, port = 0;
    char name[48] = "";
    if (uv_tcp_getpeername(&self->tcp, (struct sockaddr *)&address, &size) == 0 &&
        address.ss_family != AF_UNIX) {
        uv_ip_name((struct sockaddr *)&address, name, sizeof name);
        port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                   : ((struct sockaddr_in *)&address)->sin_port);
    }
    if (self->is_control && is_unix(self))
        snprintf(self->remote, sizeof self->remote, "control");
    else
        snprintf(self->remote, sizeof self->remote, "%s:%d", name, port);
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
    lion_http_receive_next(self);
}

static void on_connection(uv_stream_t *stream, int status)
{
    lion_http_server *server = stream->data;
    if (status < 0) return;
    connection *self = connection_new(server);
    if (self == NULL) return;
    if (uv_accept(stream, (uv_stream_t *)&self->tcp) != 0 || server->is_closing)
        lion_http_connection_close(self);
    else
        connection_start(self);
}

int lion_http_adopt(lion_http_server *server, int fd, const void *read, size_t size,
                    bool is_control)
{
    connection *self = server->is_closing ? NULL : connection_new(server);
    int code = self == NULL ? UV_ECANCELED : uv_tcp_open(&self->tcp, fd);
    if (code != 0) (void)close(fd);
    if (code == 0 && !bytes_put(&self->input, read, size)) code = UV_ENOMEM;
    if (code != 0) {
        if (self != NULL) lion_http_connection_close(self);
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

static lion_http_server *server_new(uv_loop_t *loop, const lion_http_limits *limits,
                                    const lion_http_handler *handler)
{
    lion_http_server *server = calloc(1, sizeof *server);
    if (server == NULL) return NULL;
    server->limits = *limits;
    set_defaults(&server->limits);
    server->handler = *handler;
    lion_http_expect_init(server);
    lion_http_parser_init(&server->settings);
    uv_tcp_init(loop, &server->tcp);
    uv_timer_init(loop, &server->sweep);
    server->tcp.data = server->sweep.data = server;
    server->open_handles = 2;
    return server;
}

static int listen_or_close(lion_http_server *server, int code, lion_http_server **server_out)
{
    if (code == 0) code = uv_listen((uv_stream_t *)&server->tcp, 511, on_connection);
    if (code == 0)
        code = uv_timer_start(&server->sweep, on_sweep, LION_HTTP_SWEEP_MS, LION_HTTP_SWEEP_MS);
    if (code != 0)
        lion_http_close(server, NULL, NULL);
    else
        *server_out = server;
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

size_t lion_http_pending(const lion_http_server *server)
{
    return server->pending;
}
size_t lion_http_connections(const lion_http_server *server)
{
    return server->connection_count;
}
const lion_http_counters *lion_http_counted(const lion_http_server *server)
{
    return &server->counters;
}

void lion_http_close(lion_http_server *server, void (*closed)(void *context), void *context)
{
    server->is_closing = true;
    server->closed = closed;
    server->closed_context = context;
    for (connection *each = server->connections; each != NULL;) {
        connection *next = each->next;
        bool is_idle = each->stage == STAGE_RECEIVING && each->queued == 0;
        if (is_idle || each->stage == STAGE_LINGERING) lion_http_connection_close(each);
        each = next;
    }
    uv_close((uv_handle_t *)&server->tcp, on_server_closed);
    if (server->has_other) uv_close((uv_handle_t *)&server->other, on_server_closed);
    uv_close((uv_handle_t *)&server->sweep, on_server_closed);
}
