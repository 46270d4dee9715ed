/* http_fuzz.c - bytes from the network: whatever arrives, in whatever pieces, each request that is
 * whole is answered once and in order, what is malformed or too large is refused and ends the
 * connection, and the server serves the next one.
 *
 * The input's first byte chooses what is sent: bytes as they are; sound requests, pipelined; the
 * same with bytes changed; the same with one that is over a limit behind them. The rest is the
 * source of every choice, zeros when it is used up. Server and client are one thread: the loop
 * turns between two pieces. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEADER_SIZE 600
#define BODY_SIZE 900
#define REQUESTS_MAX 8
#define SENT_MAX 65536
#define RECEIVED_MAX (1 << 20)
#define HANG_NS (INT64_C(20) * 1000000000)
#define PROBE "GET /probe?a=1 HTTP/1.1\r\nhost: x\r\n\r\n"

/* ---- the input ---- */

static struct {
    const uint8_t *at;
    size_t left;
} source;

static uint8_t next_byte(void)
{
    if (source.left == 0) return 0;
    source.left--;
    return *source.at++;
}

static size_t below(size_t bound)
{
    size_t wide = next_byte();
    return (wide << 8 | next_byte()) % bound;
}

/* ---- what is sent, and what of it must arrive ---- */

typedef struct text {
    char data[BODY_SIZE + 1];
    size_t size;
} text;

typedef struct request {
    const char *method;
    text path, query, body;
    size_t header_count;
} request;

static char sent[SENT_MAX];
static size_t sent_size;
static request made[REQUESTS_MAX];
static size_t made_count;

static void put(const char *data, size_t size)
{
    LION_ASSERT(sent_size + size <= sizeof sent);
    memcpy(sent + sent_size, data, size);
    sent_size += size;
}

static void put_text(const char *words)
{
    put(words, strlen(words));
}

static void fill(text *filled, size_t size, const char *letters)
{
    LION_ASSERT(size < sizeof filled->data);
    filled->size = size;
    for (size_t i = 0; i < size; i++)
        filled->data[i] =
            letters != NULL ? letters[next_byte() % strlen(letters)] : (char)next_byte();
}

#define LETTERS "abcXYZ019-._~"

static void make_target(request *one)
{
    fill(&one->path, below(24), LETTERS "/%&=");
    memmove(one->path.data + 1, one->path.data, one->path.size++);
    one->path.data[0] = '/';
    put(one->path.data, one->path.size);
    if (below(3) != 0) return;
    fill(&one->query, below(24), LETTERS "/%&=?");
    put_text("?");
    put(one->query.data, one->query.size);
}

static void make_header(request *one, const char *name, const char *value)
{
    put_text(name);
    put_text(below(4) == 0 ? ":" : ": ");
    put_text(value);
    put_text(below(8) == 0 ? " \r\n" : "\r\n");
    one->header_count++;
}

static void make_headers(request *one)
{
    static const char *const NAMES[] = { "Host", "x-a", "X-Long-Name", "accept", "Cookie", "x-1" };
    static const char *const VALUES[] = { "",     "a",        "text/html; q=0.5, */*",
                                          "a\tb", "\xc3\xa9", "\"1\"" };
    for (size_t count = below(6); count > 0; count--)
        make_header(one, NAMES[below(6)], VALUES[below(6)]);
}

static void make_body(request *one)
{
    char line[48];
    size_t kind = below(4);
    if (kind >= 2) put_text("\r\n");
    if (kind >= 2) return;
    fill(&one->body, below(5) == 0 ? BODY_SIZE : below(200), NULL);
    one->header_count++;
    if (kind == 0) {
        snprintf(line, sizeof line, "Content-Length: %zu\r\n\r\n", one->body.size);
        put_text(line);
        put(one->body.data, one->body.size);
        return;
    }
    put_text("Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < one->body.size;) {
        size_t rest = one->body.size - at, size = 1 + below(100);
        if (size > rest) size = rest;
        snprintf(line, sizeof line, below(2) == 0 ? "%zx\r\n" : "%zX;a=b\r\n", size);
        put_text(line);
        put(one->body.data + at, size);
        put_text("\r\n");
        at += size;
    }
    put_text("0\r\n\r\n");
}

/* A sound request. Whether the connection goes on after it. */
static bool make_request(bool is_last)
{
    static const char *const METHODS[] = { "GET",    "POST",    "HEAD", "PUT",
                                           "DELETE", "OPTIONS", "PATCH" };
    request *one = &made[made_count++];
    memset(one, 0, sizeof *one);
    one->method = METHODS[below(7)];
    put_text(one->method);
    put_text(" ");
    make_target(one);
    bool is_old = below(12) == 0, closes = is_last && below(4) == 0;
    put_text(is_old ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    make_headers(one);
    if (is_old && !closes) make_header(one, "Connection", "keep-alive");
    if (!is_old && closes) make_header(one, "Connection", "close");
    if (!is_old && !closes && below(10) == 0) {
        make_header(one, "Connection", "Upgrade");
        make_header(one, "Upgrade", "h2c");
    }
    make_body(one);
    return !closes;
}

/* One that is over a limit; the status that it is refused with. */
static int make_oversized(void)
{
    size_t over = 1 + below(2000), kind = below(6);
    char line[64];
    put_text(kind == 0 ? "GET /" : "POST / HTTP/1.1\r\n");
    if (kind == 0) {
        for (size_t i = 0; i < HEADER_SIZE + over; i++) put_text("u");
        put_text(" HTTP/1.1\r\n\r\n");
        return 414;
    }
    if (kind == 1 || kind == 2) {
        put_text(kind == 1 ? "x: " : "");
        for (size_t i = 0; i < HEADER_SIZE + over; i++) put_text("v");
        put_text(kind == 1 ? "\r\n\r\n" : ": x\r\n\r\n");
        return 431;
    }
    if (kind == 3) {
        for (size_t i = 0; i < 129; i++) put_text("a:\r\n");
        put_text("\r\n");
        return 431;
    }
    if (kind == 4)
        snprintf(line, sizeof line, "content-length: %zu\r\n\r\n", BODY_SIZE + over);
    else
        snprintf(line, sizeof line, "transfer-encoding: chunked\r\n\r\n%zx\r\n", BODY_SIZE + over);
    put_text(line);
    for (size_t i = 0; i < BODY_SIZE + over; i++) put_text("b");
    return 413;
}

static void change_bytes(void)
{
    for (size_t i = 1 + below(6); i > 0 && sent_size > 0; i--) {
        static const char MARKS[] = "\r\n :\t0\0;,HTTP/1.1";
        size_t at = below(sent_size), kind = below(4);
        if (kind == 0) sent[at] = (char)next_byte();
        if (kind == 1) sent[at] = MARKS[below(sizeof MARKS)];
        if (kind == 2) memmove(sent + at, sent + at + 1, --sent_size - at);
        if (kind == 3 && sent_size < sizeof sent) {
            memmove(sent + at + 1, sent + at, sent_size++ - at);
            sent[at] = MARKS[below(sizeof MARKS)];
        }
    }
}

/* ---- the server ---- */

static uv_loop_t loop;
static lion_http_server *server;

/* What the handler was given since the run began, in order, and answered. */
typedef struct handled {
    request request;
    bool is_head, is_old; /* is_old: HTTP/1.0 that stays, which a streamed answer would end */
    char answer[64];
    size_t answer_size;
} handled;

static handled *given; /* [given_capacity] */
static size_t given_count, given_capacity;
static lion_http_exchange *delayed; /* to be answered a turn later */
static size_t delayed_at, gone_count;

static void keep(text *kept, lion_http_text part)
{
    LION_ASSERT(part.size < sizeof kept->data);
    if (part.size > 0) memcpy(kept->data, part.data, part.size);
    kept->size = part.size;
}

static void answer(lion_http_exchange *exchange, const handled *one)
{
    static const lion_http_header HEADERS[] = {
        { { "content-type", 12 }, { "text/plain", 10 } },
        { { "x-split", 7 }, { "a\r\nset-cookie: b", 16 } }, /* never sent */
    };
    if (below(3) != 0 || one->is_old) {
        lion_http_respond(exchange, 200, HEADERS, 2, one->answer, one->answer_size);
        return;
    }
    size_t half = below(one->answer_size + 1);
    lion_http_stream_begin(exchange, 200, HEADERS, 2, LION_HTTP_SIZE_UNKNOWN);
    (void)lion_http_stream_piece(exchange, one->answer, half);
    (void)lion_http_stream_piece(exchange, one->answer + half, one->answer_size - half);
    lion_http_stream_end(exchange);
}

static void on_request(void *context, lion_http_exchange *exchange)
{
    (void)context;
    const lion_http_request *view = lion_http_request_view(exchange);
    if (given_count == given_capacity) {
        given_capacity = given_capacity * 2 + 16;
        given = realloc(given, given_capacity * sizeof *given);
        LION_ASSERT(given != NULL);
    }
    handled *one = &given[given_count++];
    one->request.method = view->method;
    one->is_head = strcmp(view->method, "HEAD") == 0;
    keep(&one->request.path, view->path);
    keep(&one->request.query, view->query);
    keep(&one->request.body, view->body);
    one->request.header_count = view->header_count;
    one->is_old = false;
    for (size_t i = 0; i < view->header_count; i++) {
        lion_http_text value = view->headers[i].value;
        if (value.size == 10 && memcmp(value.data, "keep-alive", 10) == 0) one->is_old = true;
    }
    for (size_t i = 0; i < view->header_count; i++)
        LION_ASSERT(view->headers[i].name.size + view->headers[i].value.size <= HEADER_SIZE);
    one->answer_size = (size_t)snprintf(one->answer, sizeof one->answer, "%s %llu", view->method,
                                        (unsigned long long)view->id);
    LION_ASSERT(lion_http_pending(server) > 0);
    if (below(3) == 0 && delayed == NULL) {
        delayed = exchange;
        delayed_at = given_count - 1;
    } else {
        answer(exchange, one);
    }
}

static void on_gone(void *context, lion_http_exchange *exchange)
{
    (void)context;
    LION_ASSERT(exchange == delayed);
    gone_count++;
}

static void turn(void)
{
    lion_http_exchange *due = delayed;
    delayed = NULL;
    if (due != NULL) answer(due, &given[delayed_at]);
    uv_run(&loop, UV_RUN_NOWAIT);
}

static int connect_client(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)lion_http_port(server)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    LION_ASSERT(client >= 0);
    LION_ASSERT(connect(client, (const struct sockaddr *)&address, sizeof address) == 0);
    LION_ASSERT(fcntl(client, F_SETFL, O_NONBLOCK) == 0);
    return client;
}

static void begin(void)
{
    lion_http_limits limits = { .header_size = HEADER_SIZE, .body_size = BODY_SIZE };
    lion_http_handler handler = { .request = on_request, .gone = on_gone };
    (void)signal(SIGPIPE, SIG_IGN); /* as lion dev does */
    LION_ASSERT(uv_loop_init(&loop) == 0);
    LION_ASSERT(lion_http_open(&server, &loop, "127.0.0.1", 0, &limits, &handler) == 0);
}

/* ---- the client ---- */

static char received[RECEIVED_MAX];
static size_t received_size;

/* Take what has arrived. Whether more may come. */
static bool receive(int client)
{
    for (;;) {
        LION_ASSERT(received_size < sizeof received);
        ssize_t got = recv(client, received + received_size, sizeof received - received_size, 0);
        if (got > 0) received_size += (size_t)got;
        if (got == 0 || (got < 0 && errno == ECONNRESET)) return false;
        if (got < 0) return true;
    }
}

/* All of it, in pieces; then everything until the server closes. */
static void talk(int client)
{
    size_t piece_max = below(3) == 0 ? 1 + below(16) : 1 + below(2000);
    bool is_open = true;
    for (size_t at = 0; at < sent_size && is_open;) {
        size_t size = 1 + below(piece_max);
        if (size > sent_size - at) size = sent_size - at;
        ssize_t done = send(client, sent + at, size, MSG_NOSIGNAL);
        if (done > 0) at += (size_t)done;
        if (done < 0 && errno != EAGAIN) break;
        turn();
        is_open = receive(client);
    }
    shutdown(client, SHUT_WR);
    int64_t start_ns = lion_clock_monotonic_ns();
    while (is_open) {
        turn();
        is_open = receive(client);
        LION_ASSERT(lion_clock_monotonic_ns() - start_ns < HANG_NS);
    }
}

/* Cut the line somewhere in between, with answers unread. */
static void break_off(int client)
{
    struct linger linger = { .l_onoff = 1 };
    if (sent_size > 0) (void)!send(client, sent, below(sent_size + 1), MSG_NOSIGNAL);
    for (size_t i = below(4); i > 0; i--) turn();
    LION_ASSERT(setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    close(client);
    for (size_t i = 0; i < 4 || delayed != NULL; i++) turn();
}

/* ---- answers ---- */

typedef struct reply {
    int status;
    bool closes, is_chunked, has_length;
    size_t length; /* content-length */
    text body;
} reply;

static const char *line_end(const char *at, const char *end)
{
    const char *found = memmem(at, (size_t)(end - at), "\r\n", 2);
    LION_ASSERT(found != NULL);
    return found;
}

static bool is_line(const char *at, const char *end, const char *words)
{
    return (size_t)(end - at) == strlen(words) && memcmp(at, words, strlen(words)) == 0;
}

static const char *read_head(reply *read, const char *at, const char *end)
{
    int used = 0;
    *read = (reply){ 0 };
    LION_ASSERT(end - at > 12 && sscanf(at, "HTTP/1.1 %3d %n", &read->status, &used) == 1);
    for (at = line_end(at, end) + 2;; at = line_end(at, end) + 2) {
        const char *stop = line_end(at, end);
        if (stop == at) return at + 2;
        LION_ASSERT(memchr(at, ':', (size_t)(stop - at)) != NULL);
        LION_ASSERT(strncmp(at, "set-cookie", 10) != 0);
        if (strncmp(at, "content-length: ", 16) == 0) {
            read->has_length = true;
            read->length = strtoull(at + 16, NULL, 10);
        }
        if (is_line(at, stop, "connection: close")) read->closes = true;
        if (is_line(at, stop, "transfer-encoding: chunked")) read->is_chunked = true;
    }
}

static const char *read_body(reply *read, const char *at, const char *end)
{
    size_t size = read->length;
    if (!read->is_chunked && !read->has_length) { /* a stream to HTTP/1.0 */
        LION_ASSERT(read->closes);
        size = (size_t)(end - at);
    }
    do {
        if (read->is_chunked) {
            size = strtoull(at, NULL, 16);
            at = line_end(at, end) + 2;
        }
        LION_ASSERT((size_t)(end - at) >= size && read->body.size + size < sizeof read->body.data);
        memcpy(read->body.data + read->body.size, at, size);
        read->body.size += size;
        at += size;
        if (read->is_chunked) {
            LION_ASSERT(end - at >= 2 && memcmp(at, "\r\n", 2) == 0);
            at += 2;
        }
    } while (read->is_chunked && size > 0);
    return at;
}

/* One answer for each request that was handed over, in order, and perhaps a refusal that ends it
 * all. The refusal's status, 0: none. */
static int check_answers(void)
{
    const char *at = received, *end = received + received_size;
    reply read;
    for (size_t i = 0; i < given_count; i++) {
        at = read_head(&read, at, end);
        LION_ASSERT(read.status == 200);
        if (given[i].is_head) continue;
        at = read_body(&read, at, end);
        LION_ASSERT(read.body.size == given[i].answer_size);
        LION_ASSERT(memcmp(read.body.data, given[i].answer, read.body.size) == 0);
    }
    if (at == end) return 0;
    at = read_body(&read, read_head(&read, at, end), end);
    LION_ASSERT(at == end);
    LION_ASSERT(read.closes);
    LION_ASSERT(read.status == 400 || read.status == 413 || read.status == 414 ||
                read.status == 431);
    return read.status;
}

static bool is_same(const text *left, const text *right)
{
    return left->size == right->size && memcmp(left->data, right->data, left->size) == 0;
}

static void check_given(void)
{
    LION_ASSERT(given_count == made_count);
    for (size_t i = 0; i < made_count; i++) {
        const request *found = &given[i].request;
        LION_ASSERT(strcmp(found->method, made[i].method) == 0);
        LION_ASSERT(is_same(&found->path, &made[i].path));
        LION_ASSERT(is_same(&found->query, &made[i].query));
        LION_ASSERT(is_same(&found->body, &made[i].body));
        LION_ASSERT(found->header_count == made[i].header_count);
    }
}

/* The connection of before is still served. */
static void probe(void)
{
    static int client = -1;
    if (client < 0) client = connect_client();
    given_count = received_size = 0;
    LION_ASSERT(send(client, PROBE, strlen(PROBE), MSG_NOSIGNAL) == (ssize_t)strlen(PROBE));
    int64_t start_ns = lion_clock_monotonic_ns();
    do {
        turn();
        LION_ASSERT(receive(client));
        LION_ASSERT(lion_clock_monotonic_ns() - start_ns < HANG_NS);
    } while (given_count == 0 || delayed != NULL || received_size < 5 ||
             (memcmp(received + received_size - 5, "0\r\n\r\n", 5) != 0 &&
              memmem(received, received_size, given[0].answer, given[0].answer_size) == NULL));
    LION_ASSERT(check_answers() == 0 && given_count == 1);
    LION_ASSERT(lion_http_pending(server) == 0);
}

/* ---- a run ---- */

enum { MODE_BYTES, MODE_SOUND, MODE_CHANGED, MODE_OVERSIZED, MODES };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (server == NULL) begin();
    if (size < 2) return 0;
    source.at = data;
    source.left = size;
    uint8_t first = next_byte();
    int mode = first % MODES, refusal = 0;
    bool is_broken_off = first >= 240;
    sent_size = received_size = made_count = given_count = gone_count = 0;
    if (mode == MODE_BYTES) {
        if (first & 4) put_text("GET / HTTP/1.1\r\n");
        put((const char *)source.at, source.left);
    } else {
        size_t count = below(REQUESTS_MAX + 1);
        bool goes_on = true;
        for (size_t i = 0; i < count; i++)
            goes_on = make_request(mode != MODE_OVERSIZED && i + 1 == count);
        if (mode == MODE_CHANGED) change_bytes();
        if (mode == MODE_OVERSIZED && goes_on) refusal = make_oversized();
    }

    int client = connect_client();
    if (is_broken_off) {
        break_off(client);
    } else {
        talk(client);
        close(client);
        LION_ASSERT(gone_count == 0);
        int found = check_answers();
        if (mode == MODE_SOUND || mode == MODE_OVERSIZED) {
            check_given();
            LION_ASSERT(found == refusal);
        }
    }
    probe();
    return 0;
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

/* An orderly end, so that a sanitizer sees what was never given back. */
__attribute__((destructor)) static void end(void)
{
    if (server == NULL) return;
    bool is_closed = false;
    lion_http_close(server, on_closed, &is_closed);
    while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
    LION_ASSERT(uv_loop_close(&loop) == 0);
    free(given);
}
