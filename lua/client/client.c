/* client.c - one socket that does not block, poll with a deadline around it, and llhttp for the
 * answers.
 *
 * What was read is parsed at once: the head is kept as text, pieces of the body in a buffer that is
 * as large as what is read in one go, so a piece always fits. */
#include "client.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <llhttp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/spin.h"

#define READ_SIZE 65536
#define HEAD_SIZE_MAX 65536
#define HEADERS_MAX 128
#define ADDRESS_SIZE_MAX 1024
#define NS_PER_MS 1000000
#define SPIN_NS 250000           /* that an answer is looked for before it is waited for */
#define TOGETHER_MAX (64u << 10) /* of a body that goes with its head */

struct lion_client {
    char address[ADDRESS_SIZE_MAX]; /* "unix:PATH" or "HOST:PORT" */
    bool is_unix;
    int fd;          /* -1: not connected */
    lion_spin spin;  /* for the beginning of an answer */
    int64_t sent_ns; /* when the request had gone; 0: its answer has begun */
    llhttp_settings_t settings;
    llhttp_t parser;
    int status;
    bool has_head, is_whole;  /* of the answer: its head is there; nothing of it is missing */
    bool is_too_long;         /* its head is over a bound */
    bool is_in_value;         /* the parser is in a header's value */
    char head[HEAD_SIZE_MAX]; /* names and values, each ended by a NUL */
    size_t head_size;
    struct {
        size_t name, value;
    } spans[HEADERS_MAX]; /* offsets in head */
    size_t header_count;
    char piece[READ_SIZE]; /* of the body, not handed out yet */
    size_t piece_size;
};

/* ---- addresses ---- */

static lion_status fail_address(const char *address, lion_error *error)
{
    return lion_fail(
        error, LION_INCORRECT, "lion/address",
        "%s is no address of a node: it is unix:PATH, HOST:PORT, or the node's data folder",
        address[0] == '\0' ? "\"\"" : address);
}

/* A path without "unix:" may be a folder's that a node has still to make. */
static bool is_folder_path(const char *path, bool is_uri)
{
    struct stat info;
    if (stat(path, &info) == 0) return S_ISDIR(info.st_mode);
    size_t size = strlen(path), ending = strlen(".sock");
    return !is_uri && (size < ending || strcmp(path + size - ending, ".sock") != 0);
}

/* A folder means the socket in it. */
static lion_status take_path(lion_client *self, const char *path, bool is_uri, lion_error *error)
{
    struct sockaddr_un name;
    bool is_folder = is_folder_path(path, is_uri);
    size_t size = strlen(path);
    while (is_folder && size > 1 && path[size - 1] == '/') size--;
    int written = snprintf(self->address, sizeof self->address, "unix:%.*s%s", (int)size, path,
                           is_folder ? "/control.sock" : "");
    size_t path_size = (size_t)written - strlen("unix:");
    if (written < 0 || path_size >= sizeof name.sun_path)
        return lion_fail(error, LION_INCORRECT, "lion/address",
                         "%s: the path of a socket has at most %zu bytes; take one from the folder "
                         "it is in",
                         path, sizeof name.sun_path - 1);
    self->is_unix = true;
    return LION_OK;
}

static bool is_host_and_port(const char *text)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon == text || colon[1] == '\0') return false;
    bool is_literal = text[0] == '[' && colon[-1] == ']';
    if (!is_literal && strchr(text, ':') != colon) return false;
    if (strpbrk(text, " \t\r\n/") != NULL) return false;
    return strspn(colon + 1, "0123456789") == strlen(colon + 1);
}

static lion_status take_address(lion_client *self, const char *address, lion_error *error)
{
    struct stat info;
    if (strncmp(address, "unix:", 5) == 0 && address[5] != '\0')
        return take_path(self, address + 5, true, error);
    bool is_url = strncmp(address, "http://", 7) == 0;
    const char *rest = is_url ? address + 7 : address;
    size_t size = strlen(rest);
    if (is_url && size > 0 && rest[size - 1] == '/') size--;
    if (size + sizeof ":80" > sizeof self->address) return fail_address(address, error);
    memcpy(self->address, rest, size);
    self->address[size] = '\0';
    if (is_host_and_port(self->address)) return LION_OK;
    if (is_url) {
        memcpy(self->address + size, ":80", sizeof ":80");
        return is_host_and_port(self->address) ? LION_OK : fail_address(address, error);
    }
    if (strchr(address, '/') != NULL || (address[0] != '\0' && stat(address, &info) == 0))
        return take_path(self, address, false, error);
    return fail_address(address, error);
}

/* ---- waiting ---- */

static lion_status fail_lost(const lion_client *self, lion_error *error)
{
    return lion_fail(error, LION_UNAVAILABLE, "lion/lost",
                     "%s has closed the connection before its answer was whole", self->address);
}

static void disconnect(lion_client *self)
{
    if (self->fd >= 0) close(self->fd);
    self->fd = -1;
}

/* Until one of the events is there. */
static lion_status wait_for(lion_client *self, short events, short *happened_out,
                            int64_t deadline_ns, lion_error *error)
{
    struct pollfd file = { .fd = self->fd, .events = events };
    for (;;) {
        int64_t left_ms = (deadline_ns - lion_clock_monotonic_ns() + NS_PER_MS - 1) / NS_PER_MS;
        int count = poll(&file, 1,
                         left_ms < 0           ? 0
                         : left_ms > INT32_MAX ? INT32_MAX
                                               : (int)left_ms);
        if (count > 0) {
            if (happened_out != NULL) *happened_out = file.revents;
            return LION_OK;
        }
        if (count < 0 && errno == EINTR)
            return lion_fail(error, LION_INTERRUPTED, "lion/cancelled", "interrupted");
        if (count < 0) return lion_fail_errno(error, errno, "wait for an answer");
        if (left_ms <= 0)
            return lion_fail(error, LION_INTERRUPTED, "lion/timeout", "%s did not answer in time",
                             self->address);
    }
}

/* ---- connecting ---- */

static lion_status fail_connect(const lion_client *self, int code, lion_error *error)
{
    if (code == EACCES || code == EPERM)
        return lion_fail(error, LION_FORBIDDEN, "lion/not-allowed", "%s: %s", self->address,
                         strerror(code));
    return lion_fail(error, LION_UNAVAILABLE, "lion/no-node", "nobody answers at %s: %s",
                     self->address, strerror(code));
}

/* 0 or an errno, as soon as it is known. */
static lion_status finish_connect(lion_client *self, int *code_out, int64_t deadline_ns,
                                  lion_error *error)
{
    socklen_t size = sizeof *code_out;
    lion_status status = wait_for(self, POLLOUT, NULL, deadline_ns, error);
    if (status != LION_OK) return status;
    if (getsockopt(self->fd, SOL_SOCKET, SO_ERROR, code_out, &size) != 0) *code_out = errno;
    return LION_OK;
}

static lion_status try_connect(lion_client *self, const struct sockaddr *address, socklen_t size,
                               int *code_out, int64_t deadline_ns, lion_error *error)
{
    int yes = 1;
    *code_out = 0;
    self->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (self->fd < 0) return lion_fail_errno(error, errno, "make a socket");
    if (address->sa_family != AF_UNIX)
        (void)setsockopt(self->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    lion_status status = LION_OK;
    if (connect(self->fd, address, size) != 0) {
        if (errno == EINPROGRESS)
            status = finish_connect(self, code_out, deadline_ns, error);
        else
            *code_out = errno;
    }
    if (status != LION_OK || *code_out != 0) disconnect(self);
    return status;
}

static lion_status connect_unix(lion_client *self, int64_t deadline_ns, lion_error *error)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    const char *path = self->address + strlen("unix:");
    int code = 0;
    memcpy(name.sun_path, path, strlen(path) + 1); /* its length was checked when it was taken */
    lion_status status =
        try_connect(self, (const struct sockaddr *)&name, sizeof name, &code, deadline_ns, error);
    if (status != LION_OK || code == 0) return status;
    if (code == EAGAIN) code = EBUSY; /* its queue is full */
    return fail_connect(self, code, error);
}

static lion_status connect_tcp(lion_client *self, int64_t deadline_ns, lion_error *error)
{
    char host[ADDRESS_SIZE_MAX];
    const char *colon = strrchr(self->address, ':');
    bool is_literal = self->address[0] == '[';
    size_t size = (size_t)(colon - self->address) - (is_literal ? 2 : 0);
    memcpy(host, self->address + (is_literal ? 1 : 0), size);
    host[size] = '\0';
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
    int answer = getaddrinfo(host, colon + 1, &hints, &found);
    if (answer != 0)
        return lion_fail(error, LION_UNAVAILABLE, "lion/no-node", "nobody is known at %s: %s",
                         self->address, gai_strerror(answer));
    lion_status status = LION_OK;
    int code = EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at != NULL && status == LION_OK && code != 0;
         at = at->ai_next)
        status = try_connect(self, at->ai_addr, at->ai_addrlen, &code, deadline_ns, error);
    freeaddrinfo(found);
    return status != LION_OK || code == 0 ? status : fail_connect(self, code, error);
}

/* A kept connection may have been closed meanwhile, or hold bytes that nobody asked for. */
static bool can_be_used(const lion_client *self)
{
    struct pollfd file = { .fd = self->fd, .events = POLLIN };
    return self->fd >= 0 && self->is_whole && llhttp_should_keep_alive(&self->parser) != 0 &&
           poll(&file, 1, 0) == 0;
}

/* ---- the parser's callbacks ---- */

static void put_head(lion_client *self, const char *text, size_t size)
{
    if (self->has_head) return; /* trailers */
    if (size >= sizeof self->head - self->head_size) {
        self->is_too_long = true;
        return;
    }
    memcpy(self->head + self->head_size, text, size);
    self->head_size += size;
    self->head[self->head_size] = '\0';
}

static int on_header_field(llhttp_t *parser, const char *text, size_t size)
{
    lion_client *self = parser->data;
    if (self->has_head) return 0;
    if (self->header_count == 0 || self->is_in_value) {
        if (self->header_count == HEADERS_MAX) self->is_too_long = true;
        if (self->is_too_long) return -1;
        if (self->header_count > 0) put_head(self, "", 1);
        self->spans[self->header_count++].name = self->head_size;
        self->is_in_value = false;
    }
    size_t start = self->head_size;
    put_head(self, text, size);
    for (size_t i = start; i < self->head_size; i++)
        self->head[i] = (char)tolower((unsigned char)self->head[i]);
    return self->is_too_long ? -1 : 0;
}

/* The value begins, though nothing of it may come. */
static int on_header_field_complete(llhttp_t *parser)
{
    lion_client *self = parser->data;
    if (self->has_head) return 0;
    put_head(self, "", 1);
    self->spans[self->header_count - 1].value = self->head_size;
    self->is_in_value = true;
    return self->is_too_long ? -1 : 0;
}

static int on_header_value(llhttp_t *parser, const char *text, size_t size)
{
    lion_client *self = parser->data;
    put_head(self, text, size);
    return self->is_too_long ? -1 : 0;
}

static bool is_interim(const llhttp_t *parser)
{
    return parser->status_code / 100 == 1 && parser->status_code != HTTP_STATUS_SWITCHING_PROTOCOLS;
}

static int on_headers_complete(llhttp_t *parser)
{
    lion_client *self = parser->data;
    if (is_interim(parser)) return 0;
    self->status = parser->status_code;
    self->has_head = true;
    return parser->method == HTTP_HEAD ? 1 : 0;
}

static int on_body(llhttp_t *parser, const char *text, size_t size)
{
    lion_client *self = parser->data;
    memcpy(self->piece + self->piece_size, text, size); /* no more than was read at once */
    self->piece_size += size;
    return 0;
}

/* What an interim answer said is forgotten: the final one is still to come. */
static int on_message_complete(llhttp_t *parser)
{
    lion_client *self = parser->data;
    self->is_whole = self->has_head;
    if (self->is_whole) return HPE_PAUSED;
    self->head_size = 0;
    self->header_count = 0;
    self->is_in_value = false;
    return 0;
}

/* ---- sending ---- */

/* A byte that ends a word or a line would make another request of it. */
static bool is_plain(const char *text, bool may_have_spaces)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < ' ' || *at == 127 || (*at == ' ' && !may_have_spaces)) return false;
    return true;
}

static lion_status check_request(const lion_client_request *request, lion_error *error)
{
    bool is_sound = request->method[0] != '\0' && is_plain(request->method, false) &&
                    request->path[0] == '/' && is_plain(request->path, false);
    for (size_t i = 0; i < request->header_count; i++)
        is_sound = is_sound && request->headers[i].name[0] != '\0' &&
                   is_plain(request->headers[i].name, false) &&
                   is_plain(request->headers[i].value, true);
    if (is_sound) return LION_OK;
    return lion_fail(
        error, LION_INCORRECT, "lion/syntax",
        "a request's path begins with /, and no part of it has control bytes or spaces");
}

static void put_text(lion_buffer *out, const char *text)
{
    lion_buffer_put(out, text, strlen(text));
}

static void write_head(lion_buffer *out, const lion_client *self,
                       const lion_client_request *request)
{
    char size[32];
    bool has_body = request->body.size > 0 || strcmp(request->method, "POST") == 0 ||
                    strcmp(request->method, "PUT") == 0;
    const char *parts[] = { request->method,
                            " ",
                            request->path,
                            " HTTP/1.1\r\nhost: ",
                            self->is_unix ? "lion" : self->address,
                            "\r\n" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) put_text(out, parts[i]);
    for (size_t i = 0; i < request->header_count; i++) {
        put_text(out, request->headers[i].name);
        put_text(out, ": ");
        put_text(out, request->headers[i].value);
        put_text(out, "\r\n");
    }
    (void)snprintf(size, sizeof size, "content-length: %zu\r\n", request->body.size);
    if (has_body) put_text(out, size);
    put_text(out, "\r\n");
}

/* Until all is sent, or the other side has something to say: it may refuse a large body at its
 * head. */
static lion_status send_bytes(lion_client *self, lion_slice bytes, bool *is_answered,
                              int64_t deadline_ns, lion_error *error)
{
    size_t sent = 0;
    while (sent < bytes.size && !*is_answered) {
        short happened = 0;
        ssize_t count =
            send(self->fd, (const char *)bytes.data + sent, bytes.size - sent, MSG_NOSIGNAL);
        if (count >= 0)
            sent += (size_t)count;
        else if (errno == EPIPE || errno == ECONNRESET)
            *is_answered = true; /* what it said before it went is still to be read */
        else if (errno != EAGAIN && errno != EINTR)
            return lion_fail_errno(error, errno, "send a request");
        if (sent == bytes.size || *is_answered) break;
        lion_status status = wait_for(self, POLLIN | POLLOUT, &happened, deadline_ns, error);
        if (status != LION_OK) return status;
        *is_answered = (happened & POLLIN) != 0;
    }
    return LION_OK;
}

/* A small body goes with the head, so that the other side is woken once. */
static lion_status send_request(lion_client *self, const lion_client_request *request,
                                lion_error *error)
{
    lion_buffer head;
    bool is_answered = false, is_small = request->body.size <= TOGETHER_MAX;
    lion_buffer_init(&head);
    write_head(&head, self, request);
    if (is_small) lion_buffer_put(&head, request->body.data, request->body.size);
    lion_status status = lion_buffer_check(&head, error);
    if (status == LION_OK)
        status =
            send_bytes(self, lion_buffer_view(&head), &is_answered, request->deadline_ns, error);
    if (status == LION_OK && !is_small)
        status = send_bytes(self, request->body, &is_answered, request->deadline_ns, error);
    lion_buffer_deinit(&head);
    return status;
}

/* ---- receiving ---- */

static lion_status fail_answer(const lion_client *self, lion_error *error)
{
    if (self->is_too_long)
        return lion_fail(error, LION_INCORRECT, "lion/limit", "the head of %s's answer is too long",
                         self->address);
    return lion_fail(error, LION_INCORRECT, "lion/not-http",
                     "what answers at %s does not speak HTTP", self->address);
}

/* The end of the connection is the end of a body that has no other end. */
static lion_status take_end(lion_client *self, lion_error *error)
{
    if (self->has_head) (void)llhttp_finish(&self->parser); /* whole: on_message_complete */
    return self->is_whole ? LION_OK : fail_lost(self, error);
}

/* Look for the beginning of an answer while one may be there soon. As recv. */
static ssize_t look(lion_client *self, void *input, size_t size, int64_t deadline_ns)
{
    ssize_t count = -1;
    errno = EAGAIN;
    if (self->sent_ns == 0 || !lion_spin_begin(&self->spin, self->sent_ns)) return count;
    do {
        count = recv(self->fd, input, size, MSG_DONTWAIT);
    } while (count < 0 && errno == EAGAIN && lion_spin_goes_on(&self->spin) &&
             self->spin.looked_ns < deadline_ns);
    return count;
}

/* The same of anything, but wait for it. */
static lion_status await(lion_client *self, void *input, size_t size, ssize_t *count_out,
                         int64_t deadline_ns, lion_error *error)
{
    *count_out = look(self, input, size, deadline_ns);
    if (*count_out >= 0 || errno != EAGAIN) return LION_OK;
    lion_status status = wait_for(self, POLLIN, NULL, deadline_ns, error);
    if (status == LION_OK) *count_out = recv(self->fd, input, size, 0);
    return status;
}

static void note_begun(lion_client *self)
{
    if (self->sent_ns == 0) return;
    lion_spin_learn(&self->spin, lion_clock_monotonic_ns() - self->sent_ns);
    self->sent_ns = 0;
}

/* Wait for more of the answer, and parse it. */
static lion_status receive(lion_client *self, int64_t deadline_ns, lion_error *error)
{
    char input[READ_SIZE];
    ssize_t count = -1;
    lion_status status = await(self, input, sizeof input, &count, deadline_ns, error);
    if (status != LION_OK) return status;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return LION_OK;
    if (count < 0 && errno != ECONNRESET) return lion_fail_errno(error, errno, "read an answer");
    if (count <= 0) return count == 0 ? take_end(self, error) : fail_lost(self, error);
    note_begun(self);
    llhttp_errno_t code = llhttp_execute(&self->parser, input, (size_t)count);
    bool has_more = self->is_whole && llhttp_get_error_pos(&self->parser) != input + count;
    if (has_more) disconnect(self); /* what nobody asked for would be taken for the next answer */
    if (code == HPE_OK || self->is_whole) return LION_OK;
    return fail_answer(self, error);
}

static void expect_answer(lion_client *self, const char *method)
{
    llhttp_init(&self->parser, HTTP_RESPONSE, &self->settings);
    self->parser.data = self;
    self->parser.method = strcmp(method, "HEAD") == 0 ? HTTP_HEAD : HTTP_GET;
    self->status = 0;
    self->has_head = self->is_whole = self->is_too_long = self->is_in_value = false;
    self->head_size = self->header_count = self->piece_size = 0;
}

/* ---- the public side ---- */

lion_status lion_client_new(lion_client **client_out, const char *address, lion_error *error)
{
    lion_client *self = lion_zalloc(sizeof *self);
    if (self == NULL) return lion_fail_memory(error);
    self->fd = -1;
    lion_spin_init(&self->spin, SPIN_NS);
    lion_status status = take_address(self, address, error);
    if (status != LION_OK) {
        lion_free(self);
        return status;
    }
    llhttp_settings_init(&self->settings);
    self->settings.on_header_field = on_header_field;
    self->settings.on_header_field_complete = on_header_field_complete;
    self->settings.on_header_value = on_header_value;
    self->settings.on_headers_complete = on_headers_complete;
    self->settings.on_body = on_body;
    self->settings.on_message_complete = on_message_complete;
    *client_out = self;
    return LION_OK;
}

void lion_client_free(lion_client *client)
{
    if (client == NULL) return;
    disconnect(client);
    lion_free(client);
}

const char *lion_client_address(const lion_client *client)
{
    return client->address;
}

static lion_status exchange(lion_client *self, const lion_client_request *request,
                            lion_error *error)
{
    lion_status status = LION_OK;
    if (!can_be_used(self)) {
        disconnect(self);
        status = self->is_unix ? connect_unix(self, request->deadline_ns, error)
                               : connect_tcp(self, request->deadline_ns, error);
    }
    expect_answer(self, request->method);
    if (status == LION_OK) status = send_request(self, request, error);
    self->sent_ns = lion_clock_monotonic_ns();
    while (status == LION_OK && !self->has_head)
        status = receive(self, request->deadline_ns, error);
    return status;
}

lion_status lion_client_send(lion_client *client, const lion_client_request *request,
                             lion_error *error)
{
    lion_status status = check_request(request, error);
    if (status != LION_OK) return status;
    status = exchange(client, request, error);
    if (status != LION_OK) disconnect(client);
    return status;
}

int lion_client_status(const lion_client *client)
{
    return client->status;
}

size_t lion_client_header_count(const lion_client *client)
{
    return client->header_count;
}

lion_client_header lion_client_header_at(const lion_client *client, size_t index)
{
    return (lion_client_header){ .name = client->head + client->spans[index].name,
                                 .value = client->head + client->spans[index].value };
}

lion_status lion_client_read(lion_slice *piece_out, lion_client *client, int64_t deadline_ns,
                             lion_error *error)
{
    while (client->piece_size == 0) {
        if (client->is_whole) return LION_END;
        if (client->fd < 0) return fail_lost(client, error);
        lion_status status = receive(client, deadline_ns, error);
        if (status != LION_OK) {
            disconnect(client);
            return status;
        }
    }
    *piece_out = (lion_slice){ .data = (const uint8_t *)client->piece, .size = client->piece_size };
    client->piece_size = 0;
    return LION_OK;
}
