/* http_test.c - what an HTTP server owes to clients beyond plain requests: those that ask before they send a body, old
 * ones, those that send trailers, and those that never take their answer. Server and client are one thread. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "http.h"

static uv_loop_t loop;
static lion_http_server *server;
static int client;
static char received[8192];
static size_t received_size;
static int gone_count;

/* /echo answers with the number of headers and the body; /stream in two pieces; /whole in two pieces whose size is told
 * before; /part with less than was told; /broken gives up; /endless without an end. */
static void on_request(void *context, lion_http_exchange *exchange)
{
    (void)context;
    const lion_http_request *request = lion_http_request_view(exchange);
    char answer[256];
    if (request->path.data[1] == 'e' && request->path.data[2] == 'c') {
        int size = snprintf(answer, sizeof answer, "%zu %.*s", request->header_count, (int)request->body.size,
                            request->body.data);
        lion_http_respond(exchange, 200, NULL, 0, answer, (size_t)size);
        return;
    }
    char kind = request->path.data[1];
    size_t told = kind == 'w' ? 7 : kind == 'p' ? 8 : LION_HTTP_SIZE_UNKNOWN;
    lion_http_stream_begin(exchange, 200, NULL, 0, told);
    (void)lion_http_stream_piece(exchange, "one ", 4);
    (void)lion_http_stream_piece(exchange, "two", 3);
    if (kind == 'b') lion_http_abort(exchange);
    if (kind == 's' || kind == 'w' || kind == 'p') lion_http_stream_end(exchange);
    if (strchr("bswp", kind) != NULL) return;
    static char much[1 << 20];
    for (int i = 0; i < 64; i++) (void)lion_http_stream_piece(exchange, much, sizeof much);
}

static void on_gone(void *context, lion_http_exchange *exchange)
{
    (void)context;
    gone_count++;
    lion_http_stream_end(exchange); /* frees it */
}

static void on_closed(void *context)
{
    *(bool *)context = true;
}

static int begin(void **state)
{
    (void)state;
    lion_http_limits limits = { .send_ms = 100 };
    lion_http_handler handler = { .request = on_request, .gone = on_gone };
    (void)signal(SIGPIPE, SIG_IGN);
    received_size = 0;
    gone_count = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(lion_http_open(&server, &loop, "127.0.0.1", 0, &limits, &handler), 0);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)lion_http_port(server)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    bool is_closed = false;
    close(client);
    lion_http_close(server, on_closed, &is_closed);
    while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(uv_loop_close(&loop), 0);
    return 0;
}

static void say(const char *text)
{
    assert_int_equal(send(client, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* Turn the loop until the words have come. Whether the server has closed by then. */
static bool hear(const char *words)
{
    for (;;) {
        uv_run(&loop, UV_RUN_NOWAIT);
        ssize_t got = recv(client, received + received_size, sizeof received - 1 - received_size, 0);
        if (got > 0) received_size += (size_t)got;
        received[received_size] = 0;
        if (got == 0) return true;
        if (words != NULL && strstr(received, words) != NULL) return false;
    }
}

static void who_asks_before_sending_a_body_is_told_to(void **state)
{
    (void)state;
    say("POST /echo HTTP/1.1\r\nexpect: 100-Continue\r\ncontent-length: 4\r\n\r\n");
    assert_false(hear("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_null(strstr(received, "200"));
    say("body");
    assert_false(hear("2 body"));
}

static void trailers_are_no_headers(void **state)
{
    (void)state;
    say("POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nx-late: 1\r\nx-later: 2\r\n\r\n");
    assert_false(hear("1 body"));
    say("GET /echo HTTP/1.1\r\nx: 1\r\n\r\n");
    assert_false(hear("\r\n\r\n1 "));
}

static void what_a_proxy_may_read_otherwise_is_refused(void **state)
{
    const char *texts[] = {
        "GET /echo HTTP/1.1\r\nx : 1\r\n\r\n",
        "GET /echo HTTP/1.1\r\n: 1\r\n\r\n",
        "POST /echo HTTP/1.1\r\ncontent-length : 4\r\n\r\nbody",
        "GET /echo\r\n\r\n",
        "GET /echo HTTP/0.9\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        say(texts[i]);
        assert_true(hear(NULL));
        assert_memory_equal(received, "HTTP/1.1 400 ", 13);
        end(state);
        begin(state);
    }
}

static void an_old_client_is_told_that_the_connection_stays(void **state)
{
    (void)state;
    say("GET /echo HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert_false(hear("1 "));
    assert_non_null(strstr(received, "connection: keep-alive\r\n"));
    say("GET /echo HTTP/1.0\r\n\r\n");
    assert_true(hear(NULL));
    assert_non_null(strstr(received, "connection: close\r\n"));
}

static void an_old_client_gets_a_stream_without_chunks(void **state)
{
    (void)state;
    say("GET /stream HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert_true(hear(NULL));
    assert_non_null(strstr(received, "\r\n\r\none two"));
    assert_null(strstr(received, "chunked"));
    assert_null(strstr(received, "content-length"));
}

static void a_stream_of_known_size_is_not_chunked(void **state)
{
    (void)state;
    say("GET /whole HTTP/1.1\r\n\r\n");
    assert_false(hear("\r\n\r\none two"));
    assert_non_null(strstr(received, "content-length: 7\r\n"));
    say("HEAD /whole HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
    assert_false(hear("\r\n\r\n0 "));
    say("GET /whole HTTP/1.0\r\nconnection: keep-alive\r\n\r\nGET /echo HTTP/1.0\r\n\r\n");
    assert_true(hear(NULL));
    assert_non_null(strstr(received, "one twoHTTP/1.1 200 OK\r\ncontent-length: 2\r\n"));
}

static void a_part_is_not_taken_for_the_whole(void **state)
{
    (void)state;
    say("GET /part HTTP/1.1\r\n\r\nGET /echo HTTP/1.1\r\n\r\n");
    assert_true(hear(NULL));
    assert_null(strstr(received, "\r\n\r\n0 "));
    assert_int_equal(lion_http_pending(server), 0);
}

static void who_gives_up_closes_the_connection(void **state)
{
    (void)state;
    say("GET /broken HTTP/1.1\r\n\r\n");
    assert_true(hear(NULL));
    assert_null(strstr(received, "0\r\n\r\n"));
    assert_int_equal(lion_http_pending(server), 0);
}

static void who_never_takes_the_answer_is_let_go(void **state)
{
    (void)state;
    say("GET /forever HTTP/1.1\r\n\r\n");
    while (gone_count == 0) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(lion_http_pending(server), 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_asks_before_sending_a_body_is_told_to), T(trailers_are_no_headers),
        T(what_a_proxy_may_read_otherwise_is_refused),
        T(an_old_client_is_told_that_the_connection_stays), T(an_old_client_gets_a_stream_without_chunks),
        T(a_stream_of_known_size_is_not_chunked), T(a_part_is_not_taken_for_the_whole),
        T(who_gives_up_closes_the_connection), T(who_never_takes_the_answer_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
