/* http_parse.c - requests of what a connection reads. Header names and values are kept as offsets
 * into a text buffer while they arrive, since it may move, and become pointers when the request is
 * whole. */
#include "http_private.h"

static connection *owner_of(llhttp_t *parser)
{
    return parser->data;
}

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
    exchange->is_head_told = exchange->owes_continue = false;
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
        exchange->spans[exchange->header_count].name_size =
            exchange->spans[exchange->header_count].value_size = 0;
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
        lion_http_text name = { exchange->text.data + exchange->spans[i].name,
                                exchange->spans[i].name_size };
        const char *value = exchange->text.data + exchange->spans[i].value;
        if (equals_name(&name, "expect"))
            return exchange->spans[i].value_size >= 12 &&
                   strncasecmp(value, "100-continue", 12) == 0;
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

/* What the parser lets pass and a proxy in front may read otherwise: names of headers that are
 * none, a blank before the colon, and a first line without a version, whose headers would be
 * another request. */
static bool is_unambiguous(const llhttp_t *parser, const lion_http_exchange *exchange)
{
    for (size_t i = 0; i < exchange->header_count; i++)
        if (!is_token(exchange->text.data + exchange->spans[i].name, exchange->spans[i].name_size))
            return false;
    return parser->http_major == 1;
}

static void send_continue(connection *self)
{
    bytes *interim = lion_http_new_answer(self->server);
    put_text(interim, "HTTP/1.1 100 Continue\r\n\r\n");
    lion_http_send(self, interim, NULL, 0, false);
}

static int on_headers_complete(llhttp_t *parser)
{
    connection *self = owner_of(parser);
    parser->upgrade =
        0; /* no upgrades here: the request is answered as it is, and others may follow */
    if (self->exchange != NULL && !is_unambiguous(parser, self->exchange))
        return refuse_parse(self, 400);
    if (parser->content_length > self->server->limits.body_size &&
        parser->content_length != UINT64_MAX && (parser->flags & F_CONTENT_LENGTH))
        return refuse_parse(self, 413);
    lion_http_exchange *exchange = current(self);
    if (exchange != NULL) exchange->has_head = true;
    if (exchange != NULL && parser->http_minor > 0 && expects_continue(exchange)) {
        exchange->owes_continue = lion_http_looks_at_heads(self);
        if (!exchange->owes_continue) send_continue(self);
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

void lion_http_complete_request(connection *self, lion_http_exchange *exchange)
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
        while (value_size > 0 && (value[value_size - 1] == ' ' || value[value_size - 1] == '\t'))
            value_size--;
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

void lion_http_hand_over(connection *self)
{
    lion_http_server *server = self->server;
    lion_http_exchange *exchange = self->exchange;
    lion_http_complete_request(self, exchange);
    if (server->pending >= server->limits.pending_max) {
        self->exchange = NULL;
        self->closes_after_write = !exchange->keeps_alive;
        lion_http_exchange_free(exchange);
        lion_http_refuse(self, 503, "busy: try again\n", false);
        return;
    }
    exchange->began_ns = uv_hrtime();
    lion_http_expect_asked(self, exchange->began_ns);
    server->pending++;
    self->stage = STAGE_HANDLING;
    set_due(self, self->has_ended ? LION_HTTP_LEFT_MS : server->limits.handle_ms);
    server->handler.request(server->handler.context, exchange);
}

bool lion_http_looks_at_heads(const connection *self)
{
    return self->server->handler.head != NULL && self->is_control &&
           strcmp(self->remote, "control") != 0;
}

/* It is handled as one that is whole, so that whatever ends it ends it the same way; but what is
 * answered ends the connection, whose next bytes are its body. */
void lion_http_hand_over_head(connection *self)
{
    lion_http_server *server = self->server;
    lion_http_exchange *exchange = self->exchange;
    if (server->pending >= server->limits.pending_max) return; /* it is refused when it is whole */
    lion_http_complete_request(self, exchange);
    exchange->request.body = (lion_http_text){ "", 0 }; /* a part of it is nobody's affair */
    exchange->is_head_told = true;
    exchange->keeps_alive = false;
    exchange->is_old = self->parser.http_major == 1 && self->parser.http_minor == 0;
    exchange->began_ns = uv_hrtime();
    server->pending++;
    self->stage = STAGE_HANDLING;
    set_due(self, server->limits.handle_ms);
    server->handler.head(server->handler.context, exchange);
}

void lion_http_go_on(lion_http_exchange *exchange)
{
    connection *self = exchange->connection;
    if (self == NULL) {
        lion_http_exchange_free(exchange);
        return;
    }
    self->server->pending--;
    self->stage = STAGE_RECEIVING;
    exchange->user = NULL;
    set_due(self, self->server->limits.receive_ms);
    if (self->server->is_closing) {
        lion_http_connection_close(self);
        return;
    }
    if (exchange->owes_continue) send_continue(self);
    exchange->owes_continue = false;
    lion_http_read_on(self);
}

void lion_http_parser_init(llhttp_settings_t *settings)
{
    llhttp_settings_init(settings);
    settings->on_url = on_url;
    settings->on_header_field = on_field;
    settings->on_header_value = on_value;
    settings->on_headers_complete = on_headers_complete;
    settings->on_body = on_body;
    settings->on_message_complete = on_message_complete;
}
