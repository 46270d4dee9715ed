/* http_take.c - a connection is taken away, with what was read of it: the request in hand, or the
 * part of one that has come. */
#include "http_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* bytes of a request that is not whole that another server could go on with */
#define LION_HTTP_PART_MAX 262144

static bool is_ours_to_say(const lion_http_text *name)
{
    return equals_name(name, "content-length") || equals_name(name, "transfer-encoding") ||
           equals_name(name, "expect");
}

/* The request as HTTP/1.1 text; `left` bytes of its body are still to come. A body that came in
 * chunks has its size now, and who asked whether to send one was told. */
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
    snprintf(line, sizeof line, "content-length: %llu\r\n\r\n",
             (unsigned long long)(request->body.size + left));
    if (request->body.size + left > 0)
        put_text(out, line);
    else
        put_text(out, "\r\n");
    return bytes_put(out, request->body.data, request->body.size);
}

/* What was read goes behind what stands in taken. */
static bool take(connection *self, bytes *read, lion_http_taken *taken)
{
    int given = -1, fd = -1;
    if (uv_fileno((const uv_handle_t *)&self->tcp, &given) == 0)
        fd = fcntl(given, F_DUPFD_CLOEXEC, 0);
    if (fd < 0 || !bytes_put(read, self->input.data, self->input.size)) {
        if (fd >= 0) (void)close(fd);
        return false;
    }
    *taken = (lion_http_taken){
        .fd = fd, .bytes = read->data, .size = read->size, .is_control = self->is_control
    };
    return true;
}

bool lion_http_take(lion_http_exchange *exchange, lion_http_taken *taken_out)
{
    connection *self = exchange->connection;
    bytes read = { 0 };
    bool is_taken = self != NULL && self->stage == STAGE_HANDLING &&
                    put_request(&read, exchange, 0) && take(self, &read, taken_out);
    if (!is_taken) {
        free(read.data);
        return false;
    }
    self->server->pending--;
    self->exchange = NULL;
    lion_http_exchange_rest(self, exchange);
    lion_http_connection_close(self);
    return true;
}

/* ---- requests that are not whole ---- */

static bool has_sized_head(const connection *self)
{
    return self->exchange != NULL && self->exchange->has_head &&
           (self->parser.flags & F_CONTENT_LENGTH) != 0;
}

void lion_http_keep_part(connection *self, const char *data, size_t size)
{
    bool is_needed = !self->is_part_lost && !has_sized_head(self);
    if (is_needed && self->part.size + size <= LION_HTTP_PART_MAX &&
        bytes_put(&self->part, data, size))
        return;
    self->is_part_lost = self->is_part_lost || is_needed;
    free(self->part.data);
    self->part = (bytes){ 0 };
}

void lion_http_forget_part(connection *self)
{
    self->part.size = 0;
    self->is_part_lost = false;
}

/* What has come of a request that is not whole. false: it cannot be had any more. */
static bool put_part(bytes *out, connection *self)
{
    if (self->is_fresh) return true;
    if (!has_sized_head(self))
        return !self->is_part_lost && bytes_put(out, self->part.data, self->part.size);
    self->exchange->is_old = self->parser.http_major == 1 && self->parser.http_minor == 0;
    lion_http_complete_request(self, self->exchange);
    return put_request(out, self->exchange, self->parser.content_length);
}

bool lion_http_take_idle(lion_http_server *server, lion_http_taken *taken_out)
{
    for (connection *each = server->connections; each != NULL; each = each->next) {
        bytes read = { 0 };
        if (each->stage != STAGE_RECEIVING || each->queued > 0) continue;
        bool is_taken = put_part(&read, each) && take(each, &read, taken_out);
        lion_http_connection_close(each);
        if (is_taken) return true;
        free(read.data);
    }
    return false;
}
