/* client_test.c - what the HTTP client makes of answers, good and bad, and of servers that are not there, say nothing, or go. The
 * server is a thread that reads requests and says, for each, the next of the lines it was given. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "base/clock.h"
#include "client.h"

#define CLOSE "\x01"        /* in an answer: close the connection when it is said */
#define SILENCE "\x02"      /* instead of an answer: say nothing until the client has gone */
#define REFUSE_BODY "\x03"  /* in front: answer without reading the body */

static char folder[64], path[128];
static int listener = -1;
static const char *const *answers;
static pthread_t thread;
static int connections; /* read when the thread is joined */
static lion_client *client;
static lion_error error;
static char body[1 << 20];

static bool read_some(int fd, char *request, size_t *size, size_t limit)
{
    ssize_t count = recv(fd, request + *size, limit - 1 - *size, 0);
    if (count <= 0) return false;
    *size += (size_t)count;
    request[*size] = '\0';
    return true;
}

/* Until a whole request has come; false: the client has gone. */
static bool read_request(int fd, bool with_body)
{
    static char request[1 << 16];
    size_t size = 0, length = 0;
    char *end = NULL;
    while (end == NULL) {
        if (!read_some(fd, request, &size, sizeof request)) return false;
        end = strstr(request, "\r\n\r\n");
    }
    const char *told = strstr(request, "content-length: ");
    if (told != NULL && told < end) length = strtoul(told + 16, NULL, 10);
    while (with_body && size - (size_t)(end + 4 - request) < length)
        if (!read_some(fd, request, &size, sizeof request)) return false;
    return true;
}

/* Answer until an answer says that this was the last one of the connection, or the client goes. */
static void serve_connection(int fd)
{
    for (; *answers != NULL; answers++) {
        const char *answer = *answers;
        if (!read_request(fd, answer[0] != REFUSE_BODY[0])) return;
        char byte;
        if (answer[0] == SILENCE[0]) {
            answers++;
            while (recv(fd, &byte, 1, 0) > 0) continue;
            return;
        }
        if (answer[0] == REFUSE_BODY[0]) answer++;
        size_t size = strcspn(answer, CLOSE);
        (void)send(fd, answer, size, MSG_NOSIGNAL);
        if (answer[size] == CLOSE[0]) {
            answers++;
            return;
        }
    }
}

static void *serve(void *unused)
{
    while (*answers != NULL) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) break;
        connections++;
        serve_connection(fd);
        close(fd);
    }
    return unused;
}

static void begin_server(const char *const *lines)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    answers = lines;
    connections = 0;
    memcpy(name.sun_path, path, strlen(path) + 1);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

static void end_server(void)
{
    lion_client_free(client);
    client = NULL;
    assert_int_equal(pthread_join(thread, NULL), 0);
    close(listener);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof folder, "/tmp/lion-client-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/control.sock", folder);
    return lion_client_new(&client, folder, &error) == LION_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    lion_client_free(client);
    client = NULL;
    unlink(path);
    return rmdir(folder);
}

static lion_status ask_with(const char *method, const char *target, lion_slice content, int64_t timeout_ms)
{
    lion_client_request request = { .method = method, .path = target, .body = content,
                                    .deadline_ns = lion_clock_deadline_ns(timeout_ms) };
    return lion_client_send(client, &request, &error);
}

static lion_status ask(const char *target)
{
    return ask_with("GET", target, (lion_slice){ 0 }, 20000);
}

/* The whole body as text. */
static lion_status read_body(void)
{
    lion_slice piece;
    lion_status status;
    size_t size = 0;
    while ((status = lion_client_read(&piece, client, lion_clock_deadline_ns(20000), &error)) == LION_OK) {
        assert_true(size + piece.size < sizeof body);
        memcpy(body + size, piece.data, piece.size);
        size += piece.size;
    }
    body[size] = '\0';
    return status;
}

static void assert_answer(const char *target, int status, const char *text)
{
    if (ask(target) != LION_OK) fail_msg("%s: %s", error.code, error.message);
    assert_int_equal(lion_client_status(client), status);
    assert_int_equal(read_body(), LION_END);
    assert_string_equal(body, text);
}

static void one_connection_carries_many_answers(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Empty:\r\nX-Two: a b\r\n\r\nhello",
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\nx-trailer: 1\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nx-interim: 1\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", NULL
    };
    begin_server(lines);
    assert_answer("/", 200, "hello");
    assert_int_equal(lion_client_header_count(client), 3);
    assert_string_equal(lion_client_header_at(client, 0).name, "content-length");
    assert_string_equal(lion_client_header_at(client, 1).name, "x-empty");
    assert_string_equal(lion_client_header_at(client, 1).value, "");
    assert_string_equal(lion_client_header_at(client, 2).value, "a b");
    assert_answer("/none", 404, "");
    assert_answer("/empty", 204, "");
    assert_answer("/chunks", 200, "one two");
    assert_int_equal(lion_client_header_count(client), 1);
    assert_answer("/interim", 200, "ok");
    assert_int_equal(lion_client_header_count(client), 1);
    end_server();
    assert_int_equal(connections, 1);
}

static void a_connection_that_was_closed_is_opened_anew(void **state)
{
    (void)state;
    static const char *const lines[] = { "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\none" CLOSE,
                                         "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\ntwo" CLOSE,
                                         "HTTP/1.0 200 OK\r\n\r\nthree" CLOSE,
                                         "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfourX",
                                         "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfive", NULL };
    begin_server(lines);
    assert_answer("/", 200, "one");
    assert_answer("/", 200, "two");
    /* The server closes at a time of its own: whether it is noticed before or after, this succeeds or says so. */
    while (ask("/") != LION_OK) assert_string_equal(error.code, "lion/lost");
    assert_int_equal(read_body(), LION_END);
    assert_string_equal(body, "three");
    assert_answer("/", 200, "four");
    assert_answer("/", 200, "five");
    end_server();
}

static void an_answer_that_breaks_off_is_lost(void **state)
{
    (void)state;
    static const char *const lines[] = { CLOSE, "HTTP/1.1 200 OK\r\ncontent-" CLOSE,
                                         "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel" CLOSE,
                                         "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel" CLOSE,
                                         "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", NULL };
    begin_server(lines);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask("/"), LION_FAILED);
        assert_string_equal(error.code, "lion/lost");
        assert_int_equal(error.category, LION_UNAVAILABLE);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask("/"), LION_OK);
        assert_int_equal(read_body(), LION_FAILED);
        assert_string_equal(error.code, "lion/lost");
    }
    assert_answer("/", 200, "ok");
    end_server();
}

static void what_does_not_speak_http_is_told_from_what_does(void **state)
{
    (void)state;
    static const char *const lines[] = { "220 mail.example.org ESMTP\r\n" CLOSE, "\x16\x03\x02\x02\x28" CLOSE,
                                         "HTTP/1.1 200 OK\r\ncontent-length: 1x\r\n\r\n" CLOSE,
                                         "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n" CLOSE, NULL };
    begin_server(lines);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ask("/"), LION_FAILED);
        assert_string_equal(error.code, "lion/not-http");
    }
    if (ask("/") == LION_OK) assert_int_equal(read_body(), LION_FAILED);
    assert_string_equal(error.code, "lion/not-http");
    end_server();
}

static void a_head_has_bounds(void **state)
{
    (void)state;
    static char many[8192], large[80000];
    int at = snprintf(many, sizeof many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 200; i++) at += snprintf(many + at, sizeof many - (size_t)at, "a: b\r\n");
    (void)snprintf(many + at, sizeof many - (size_t)at, "\r\n" CLOSE);
    (void)snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\nx: %070000d\r\n\r\n" CLOSE, 1);
    static const char *const lines[] = { many, large, NULL };
    begin_server(lines);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask("/"), LION_FAILED);
        assert_string_equal(error.code, "lion/limit");
    }
    end_server();
}

static void a_large_body_comes_in_pieces(void **state)
{
    (void)state;
    enum { SIZE = 900000 };
    static char large[SIZE + 128];
    int head = snprintf(large, sizeof large, "HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n", SIZE);
    for (int i = 0; i < SIZE; i++) large[head + i] = (char)('a' + i % 26);
    const char *const lines[] = { large, NULL };
    begin_server(lines);
    assert_answer("/", 200, large + head);
    end_server();
}

static void a_body_that_is_refused_at_its_head_is_not_sent_to_the_end(void **state)
{
    (void)state;
    static uint8_t much[8 << 20];
    static const char *const lines[] = { REFUSE_BODY "HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno" CLOSE, NULL };
    memset(much, 'x', sizeof much);
    begin_server(lines);
    assert_int_equal(ask_with("PUT", "/", (lion_slice){ much, sizeof much }, 20000), LION_OK);
    assert_int_equal(lion_client_status(client), 413);
    end_server();
}

static void silence_ends_with_the_deadline(void **state)
{
    (void)state;
    static const char *const lines[] = { SILENCE, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", NULL };
    begin_server(lines);
    assert_int_equal(ask_with("GET", "/", (lion_slice){ 0 }, 20), LION_FAILED);
    assert_string_equal(error.code, "lion/timeout");
    assert_int_equal(error.category, LION_INTERRUPTED);
    assert_answer("/", 200, "ok");
    end_server();
}

/* Quick answers have it look for the next one before it waits. */
#define OK_ANSWER "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
#define TEN_OK                                                                                       \
    OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER, OK_ANSWER,           \
        OK_ANSWER, OK_ANSWER

static void who_is_answered_at_once_still_has_a_deadline(void **state)
{
    (void)state;
    static const char *const lines[] = { TEN_OK, SILENCE, TEN_OK, NULL };
    begin_server(lines);
    for (int i = 0; i < 10; i++) assert_answer("/", 200, "ok");
    assert_int_equal(ask_with("GET", "/", (lion_slice){ 0 }, 20), LION_FAILED);
    assert_string_equal(error.code, "lion/timeout");
    for (int i = 0; i < 10; i++) assert_answer("/", 200, "ok");
    end_server();
}

static void who_is_answered_at_once_hears_of_a_node_that_dies(void **state)
{
    (void)state;
    static const char *const lines[] = { TEN_OK, CLOSE, TEN_OK, "HTTP/1.1 200" CLOSE, OK_ANSWER,
                                         NULL };
    begin_server(lines);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 10; i++) assert_answer("/", 200, "ok");
        assert_int_equal(ask("/"), LION_FAILED);
        assert_string_equal(error.code, "lion/lost");
    }
    assert_answer("/", 200, "ok");
    end_server();
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
}

static void a_signal_ends_a_wait(void **state)
{
    (void)state;
    static const char *const lines[] = { SILENCE, NULL };
    struct sigaction action = { .sa_handler = on_alarm };
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, SIGALRM);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    pthread_sigmask(SIG_BLOCK, &only, NULL); /* not for the server's thread */
    begin_server(lines);
    pthread_sigmask(SIG_UNBLOCK, &only, NULL);
    ualarm(20000, 20000);
    assert_int_equal(ask("/"), LION_FAILED);
    ualarm(0, 0);
    assert_string_equal(error.code, "lion/cancelled");
    end_server();
}

static void where_nobody_listens_it_says_where(void **state)
{
    (void)state;
    assert_int_equal(ask("/"), LION_FAILED);
    assert_string_equal(error.code, "lion/no-node");
    assert_int_equal(error.category, LION_UNAVAILABLE);
    assert_non_null(strstr(error.message, path));
    lion_client_free(client);
    assert_int_equal(lion_client_new(&client, "127.0.0.1:1", &error), LION_OK);
    assert_int_equal(ask("/"), LION_FAILED);
    assert_string_equal(error.code, "lion/no-node");
}

static void an_address_has_several_forms(void **state)
{
    (void)state;
    char in_folder[160];
    (void)snprintf(in_folder, sizeof in_folder, "unix:%s/control.sock", folder);
    const struct { const char *given, *taken; } cases[] = {
        { folder, in_folder }, { path, in_folder }, { in_folder, in_folder }, { "localhost:80", "localhost:80" },
        { "[::1]:8080", "[::1]:8080" }, { "http://localhost:8080/", "localhost:8080" },
        { "http://example", "example:80" }, { "./none.sock", "unix:./none.sock" }, { "", NULL },
        { "nobody", NULL }, { "host:port", NULL }, { ":80", NULL }, { "unix:", NULL }, { "http://", NULL },
        { "http://a b/", NULL }, { "http://a/b", NULL }, { "::1:80", NULL },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lion_client *other = NULL;
        lion_status status = lion_client_new(&other, cases[i].given, &error);
        if (cases[i].taken == NULL) {
            if (status == LION_OK) fail_msg("%s was taken", cases[i].given);
            assert_string_equal(error.code, "lion/address");
            continue;
        }
        assert_int_equal(status, LION_OK);
        assert_string_equal(lion_client_address(other), cases[i].taken);
        lion_client_free(other);
    }
    char longer[200] = "unix:/";
    memset(longer + 6, 'x', 150);
    assert_int_equal(lion_client_new(&client, longer, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/address");
}

static void a_request_cannot_hide_another(void **state)
{
    (void)state;
    const char *const targets[] = { "/a b", "/a\r\nx: y", "no-slash", "" };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        assert_int_equal(ask(targets[i]), LION_FAILED);
        assert_string_equal(error.code, "lion/syntax");
    }
    assert_int_equal(ask_with("GET\r\n", "/", (lion_slice){ 0 }, 20000), LION_FAILED);
    lion_client_header header = { "x", "a\r\nb: c" };
    lion_client_request request = { .method = "GET", .path = "/", .headers = &header, .header_count = 1 };
    assert_int_equal(lion_client_send(client, &request, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/syntax");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_connection_carries_many_answers),
        TEST(a_connection_that_was_closed_is_opened_anew),
        TEST(an_answer_that_breaks_off_is_lost),
        TEST(what_does_not_speak_http_is_told_from_what_does),
        TEST(a_head_has_bounds),
        TEST(a_large_body_comes_in_pieces),
        TEST(a_body_that_is_refused_at_its_head_is_not_sent_to_the_end),
        TEST(silence_ends_with_the_deadline),
        TEST(who_is_answered_at_once_still_has_a_deadline),
        TEST(who_is_answered_at_once_hears_of_a_node_that_dies),
        TEST(a_signal_ends_a_wait),
        TEST(where_nobody_listens_it_says_where),
        TEST(an_address_has_several_forms),
        TEST(a_request_cannot_hide_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
