/* http_test.c - what an HTTP server owes to clients beyond plain requests: those that ask before they send a body, old
 * ones, those that send trailers, and those that never take their answer. Server and client are one thread. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "http_private.h"

static uv_loop_t loop;
static lion_http_server *server;
static int client;
static char received[8192];
static size_t received_size;
static int gone_count;
static lion_http_exchange *kept; /* of /keep, for the test to answer */
static bool kept_is_control;

/* /echo answers with the number of headers and the body; /stream in two pieces; /whole in two pieces whose size is told
 * before; /part with less than was told; /broken gives up; /keep is kept; /endless without an end. */
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
    if (kind == 'k') {
        kept = exchange;
        kept_is_control = request->is_control;
        return;
    }
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
    kept = NULL;
    lion_http_abort(exchange); /* frees it */
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
    kept = NULL;
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
    if (client >= 0) close(client);
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

static void await_kept(void)
{
    while (kept == NULL) uv_run(&loop, UV_RUN_ONCE);
}

static void requests_that_were_sent_at_once_are_answered_in_their_order(void **state)
{
    (void)state;
    char text[8192];
    size_t size = 0;
    for (int i = 100; i < 200; i++)
        size += (size_t)snprintf(text + size, sizeof text - size,
                                 "POST /echo HTTP/1.1\r\ncontent-length: 3\r\n\r\n%d", i);
    say(text);
    assert_false(hear("\r\n\r\n1 199"));
    const char *at = received;
    for (int i = 100; i < 200; i++) {
        char words[24];
        snprintf(words, sizeof words, "\r\n\r\n1 %d", i);
        at = strstr(at, words);
        assert_non_null(at);
    }
}

static void who_leaves_before_the_answer_is_told_of(void **state)
{
    (void)state;
    say("GET /keep HTTP/1.1\r\n\r\n");
    await_kept();
    close(client);
    client = -1;
    while (gone_count == 0) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(lion_http_pending(server), 0);
}

static void who_only_ends_its_side_gets_its_answer(void **state)
{
    (void)state;
    say("GET /keep HTTP/1.1\r\n\r\n");
    assert_int_equal(shutdown(client, SHUT_WR), 0);
    await_kept();
    for (int i = 0; i < 3; i++) uv_run(&loop, UV_RUN_NOWAIT);
    lion_http_respond(kept, 200, NULL, 0, "late", 4);
    assert_false(hear("late"));
    assert_true(hear(NULL));
    assert_int_equal(gone_count, 0);
}

/* Another server takes over what was read of a connection: as it does in another process. */
static void a_connection_goes_on_at_another_server(void **state)
{
    (void)state;
    lion_http_taken taken;
    say("POST /keep?a=b HTTP/1.1\r\nX-Some: thing\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
        "GET /echo HTTP/1.1\r\n\r\n");
    await_kept();
    assert_true(lion_http_take(kept, &taken));
    kept = NULL;
    assert_int_equal(lion_http_pending(server), 0);
    const char *expected = "POST /keep?a=b HTTP/1.1\r\nx-some: thing\r\ncontent-length: 4\r\n\r\nbody"
                           "GET /echo HTTP/1.1\r\n\r\n";
    assert_int_equal(taken.size, strlen(expected));
    assert_memory_equal(taken.bytes, expected, taken.size);
    assert_false(taken.is_control);
    assert_int_equal(lion_http_adopt(server, taken.fd, taken.bytes, taken.size, true), 0);
    free(taken.bytes);
    await_kept();
    assert_true(kept_is_control);
    assert_string_not_equal(lion_http_request_view(kept)->remote, "control"); /* it is TCP */
    assert_memory_equal(lion_http_request_view(kept)->body.data, "body", 4);
    lion_http_respond(kept, 200, NULL, 0, "here", 4);
    assert_false(hear("\r\n\r\n0 "));
    assert_non_null(strstr(received, "here"));
}

static void an_idle_connection_goes_on_at_another_server(void **state)
{
    (void)state;
    lion_http_taken taken;
    say("GET /echo HTTP/1.1\r\n\r\n");
    assert_false(hear("0 "));
    assert_true(lion_http_take_idle(server, &taken));
    assert_int_equal(taken.size, 0);
    assert_false(lion_http_take_idle(server, &taken));
    assert_int_equal(lion_http_adopt(server, taken.fd, "GET /ec", 7, false), 0);
    free(taken.bytes);
    say("ho HTTP/1.1\r\nx: y\r\n\r\n");
    assert_false(hear("1 "));
}

/* Until the server has read what was said. */
static void await_read(void)
{
    int under_way = 1;
    while (under_way > 0) {
        uv_run(&loop, UV_RUN_NOWAIT);
        assert_int_equal(ioctl(client, SIOCOUTQ, &under_way), 0);
    }
    for (int i = 0; i < 5; i++) uv_run(&loop, UV_RUN_NOWAIT); /* accepted, read */
}

/* What has come, in these pieces, of a request; what is to be handed on; and what comes after it at the other server. */
static void goes_on(const char *const *pieces, const char *expected, const char *rest, const char *answer)
{
    lion_http_taken taken;
    for (; *pieces != NULL; pieces++) {
        say(*pieces);
        await_read();
    }
    assert_int_equal(lion_http_pending(server), 0);
    assert_true(lion_http_take_idle(server, &taken));
    assert_int_equal(taken.size, strlen(expected));
    assert_memory_equal(taken.bytes, expected, taken.size);
    assert_int_equal(lion_http_adopt(server, taken.fd, taken.bytes, taken.size, false), 0);
    free(taken.bytes);
    say(rest);
    assert_false(hear(answer));
}

static void half_a_head_goes_on_at_another_server(void **state)
{
    (void)state;
    const char *const pieces[] = { "GET /e", "cho HTTP/1.1\r\nX-", NULL };
    goes_on(pieces, "GET /echo HTTP/1.1\r\nX-", "Some: y\r\n\r\n", "1 ");
}

static void half_a_body_goes_on_at_another_server(void **state)
{
    (void)state;
    const char *const pieces[] = { "POST /echo HTTP/1.1\r\nContent-", "Length: 8\r\nX: 1\r\n\r\n", "ab", "cd", NULL };
    goes_on(pieces, "POST /echo HTTP/1.1\r\nx: 1\r\ncontent-length: 8\r\n\r\nabcd", "efgh", "abcdefgh");
}

static void chunks_go_on_at_another_server(void **state)
{
    (void)state;
    const char *const pieces[] = { "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r", "\nab", NULL };
    goes_on(pieces, "POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n4\r\nab", "cd\r\n0\r\n\r\n", "abcd");
}

static void a_request_that_is_being_answered_stays(void **state)
{
    (void)state;
    lion_http_taken taken;
    say("GET /keep HTTP/1.1\r\n\r\n");
    await_kept();
    lion_http_stream_begin(kept, 200, NULL, 0, LION_HTTP_SIZE_UNKNOWN);
    assert_false(lion_http_take(kept, &taken));
    assert_false(lion_http_take_idle(server, &taken));
    lion_http_stream_end(kept);
    assert_false(hear("0\r\n\r\n"));
}

/* Over TCP it is known who asks, and it is the control door all the same. */
static void ask_at_a_second_socket(lion_http_server *door)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(lion_http_listen_also(door, fd), 0);
    assert_int_equal(lion_http_listen_also(door, dup(fd)), UV_EBUSY);
    close(client);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    kept = NULL;
    say("GET /keep HTTP/1.1\r\n\r\n");
    await_kept();
    assert_true(kept_is_control);
    assert_memory_equal(lion_http_request_view(kept)->remote, "127.0.0.1:", 10);
    lion_http_respond(kept, 200, NULL, 0, "also", 4);
    assert_false(hear("also"));
}

static int head_count;

/* /echo may send its body; nobody else may. */
static void on_head(void *context, lion_http_exchange *exchange)
{
    (void)context;
    const lion_http_request *request = lion_http_request_view(exchange);
    head_count++;
    assert_int_equal(request->body.size, 0);
    if (request->path.data[1] == 'e')
        lion_http_go_on(exchange);
    else if (request->path.data[1] == 'k')
        kept = exchange;
    else
        lion_http_respond(exchange, 401, NULL, 0, "no", 2);
}

static void dial_again(const struct sockaddr_in *address)
{
    close(client);
    client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)address, sizeof *address), 0);
    assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    received_size = 0;
}

static void a_door_looks_at_heads_before_bodies_come(void **state)
{
    (void)state;
    lion_http_server *door;
    lion_http_limits limits = { 0 };
    lion_http_handler handler = { .request = on_request, .head = on_head, .gone = on_gone };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(lion_http_listen(&door, &loop, fd, true, &limits, &handler), 0);
    head_count = 0;
    dial_again(&address);
    say("POST /echo HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody");
    assert_false(hear("1 body")); /* all of it is there */
    assert_int_equal(head_count, 0);
    say("POST /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_false(hear("HTTP/1.1 100 Continue\r\n\r\n"));
    assert_int_equal(head_count, 1);
    say("more");
    assert_false(hear("2 more"));
    say("POST /other HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 4000000\r\n\r\nx");
    assert_true(hear(NULL));
    assert_non_null(strstr(received, "HTTP/1.1 401 "));
    assert_null(strstr(strstr(received, "2 more"), "100 Continue"));
    dial_again(&address);
    say("POST /other HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_true(hear(NULL));
    assert_non_null(strstr(received, "connection: close\r\n"));
    dial_again(&address);
    say("POST /keep HTTP/1.1\r\ncontent-length: 4\r\n\r\n");
    await_kept();
    assert_int_equal(lion_http_pending(door), 1);
    bool is_closed = false; /* with a head that nobody has answered */
    lion_http_close(door, on_closed, &is_closed);
    lion_http_go_on(kept);
    close(client);
    client = -1;
    while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
}

static void a_socket_that_is_given_is_the_control_door(void **state)
{
    (void)state;
    lion_http_server *door;
    lion_http_limits limits = { 0 };
    lion_http_handler handler = { .request = on_request, .gone = on_gone };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "lion-http-test-%d", (int)getpid());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(lion_http_listen(&door, &loop, fd, true, &limits, &handler), 0);
    close(client);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
    say("GET /keep HTTP/1.1\r\n\r\n");
    await_kept();
    assert_true(kept_is_control);
    assert_string_equal(lion_http_request_view(kept)->remote, "control");
    lion_http_respond(kept, 200, NULL, 0, "door", 4);
    assert_false(hear("door"));
    assert_int_equal(lion_http_counted(door)->answers[2], 1);
    assert_true(lion_http_counted(door)->duration_ns_sum > 0);
    ask_at_a_second_socket(door);
    bool is_closed = false;
    lion_http_close(door, on_closed, &is_closed);
    while (!is_closed) uv_run(&loop, UV_RUN_ONCE);
}

#define T(test) cmocka_unit_test_setup_teardown(test, begin, end)

/* ---- who asks again at once ---- */

#define LONG_NS INT64_C(10000000000) /* no machine is so slow that it passes meanwhile */

static void ask_often(int times)
{
    for (int i = 0; i < times; i++) {
        received_size = 0;
        say("GET /echo HTTP/1.1\r\n\r\n");
        assert_false(hear("\r\n\r\n0 "));
    }
}

/* As where what comes within a second comes at once. */
static void be_patient(void)
{
    assert_false(lion_http_expects(server));
    server->spin.most_ns = LONG_NS;
}

static void who_asks_again_at_once_is_expected_to(void **state)
{
    (void)state;
    be_patient();
    ask_often(3);
    assert_false(lion_http_expects(server));
    ask_often(20);
    assert_true(lion_http_expects(server));
    assert_true(lion_http_still_expects(server));
    say("GET /keep HTTP/1.1\r\n\r\n");
    while (kept == NULL) uv_run(&loop, UV_RUN_NOWAIT);
    assert_false(lion_http_expects(server)); /* it is for us to answer */
    lion_http_respond(kept, 200, NULL, 0, "kept", 4);
    assert_false(hear("kept"));
    assert_true(lion_http_expects(server));
}

static void who_has_asked_last_is_not_expected_for_ever(void **state)
{
    (void)state;
    be_patient();
    ask_often(30);
    server->answered_ns -= (uint64_t)LONG_NS;
    assert_false(lion_http_expects(server));
    ask_often(30);
    assert_true(lion_http_expects(server));
    close(client);
    client = -1;
    while (lion_http_connections(server) > 0) uv_run(&loop, UV_RUN_ONCE);
    assert_false(lion_http_expects(server));
}

static void where_two_ask_nobody_is_expected(void **state)
{
    (void)state;
    int first = client;
    be_patient();
    ask_often(30);
    assert_true(lion_http_expects(server));
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)lion_http_port(server)) };
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int second = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(second, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(fcntl(second, F_SETFL, O_NONBLOCK), 0);
    for (int i = 0; i < 30; i++) {
        client = i % 2 == 0 ? second : first;
        ask_often(1);
        assert_false(lion_http_expects(server));
    }
    client = first;
    close(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_asks_before_sending_a_body_is_told_to), T(trailers_are_no_headers),
        T(what_a_proxy_may_read_otherwise_is_refused),
        T(an_old_client_is_told_that_the_connection_stays), T(an_old_client_gets_a_stream_without_chunks),
        T(a_stream_of_known_size_is_not_chunked), T(a_part_is_not_taken_for_the_whole),
        T(who_gives_up_closes_the_connection), T(who_never_takes_the_answer_is_let_go),
        T(requests_that_were_sent_at_once_are_answered_in_their_order),
        T(who_leaves_before_the_answer_is_told_of), T(who_only_ends_its_side_gets_its_answer),
        T(a_connection_goes_on_at_another_server), T(an_idle_connection_goes_on_at_another_server),
        T(half_a_head_goes_on_at_another_server), T(half_a_body_goes_on_at_another_server),
        T(chunks_go_on_at_another_server),
        T(a_request_that_is_being_answered_stays), T(a_socket_that_is_given_is_the_control_door),
        T(a_door_looks_at_heads_before_bodies_come),
        T(who_asks_again_at_once_is_expected_to), T(who_has_asked_last_is_not_expected_for_ever),
        T(where_two_ask_nobody_is_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
