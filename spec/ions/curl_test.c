/* curl_test.c - what the client of libcurl makes of answers, good and bad. The server is a thread
 * for each connection, and says what the path asks for. */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "curl.h"

#define CONNECTIONS_MAX 256
#define BOMB_BYTES (64 << 20)

static int listener = -1, port;
static pthread_t acceptor, threads[CONNECTIONS_MAX];
static atomic_int connection_count;
static char *bomb; /* gzip's of many zeros */
static size_t bomb_size;

/* ---- the server ---- */

static bool say(int fd, const char *text)
{
    return send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
}

static void say_without_end(int fd, const char *piece)
{
    while (say(fd, piece)) continue;
}

/* Until the client has gone. */
static void wait_for_end(int fd)
{
    char byte;
    while (recv(fd, &byte, 1, 0) > 0) continue;
}

static void say_bomb(int fd)
{
    char head[128];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n", bomb_size);
    if (say(fd, head)) (void)!send(fd, bomb, bomb_size, MSG_NOSIGNAL);
}

static void say_echo(int fd, const char *request, const char *body)
{
    char head[128];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nX-One: 1\r\nx-two:  a b \r\nContent-Length: %zu\r\n\r\n",
             strlen(request) + strlen(body));
    if (say(fd, head) && say(fd, request)) (void)say(fd, body);
}

static void say_redirect(int fd, const char *to)
{
    char head[256];
    snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n",
             to);
    (void)say(fd, head);
}

/* false: the connection is to be closed. */
static bool answer(int fd, char *request, const char *body)
{
    char path[64] = "", chunk[4200];
    sscanf(request, "%*s %63s", path);
    if (strcmp(path, "/echo") == 0)
        say_echo(fd, request, body);
    else if (strcmp(path, "/chunked") == 0)
        (void)say(
            fd, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                "4\r\none \r\n3\r\ntwo\r\n0\r\nTrailer: x\r\n\r\n");
    else if (strcmp(path, "/loop") == 0)
        say_redirect(fd, "/loop");
    else if (strcmp(path, "/away") == 0)
        say_redirect(fd, "/echo");
    else if (strcmp(path, "/ftp") == 0)
        say_redirect(fd, "ftp://127.0.0.1/x");
    else if (strcmp(path, "/file") == 0)
        say_redirect(fd, "file:///etc/passwd");
    else if (strcmp(path, "/login") == 0)
        say_redirect(fd, "http://user:word@127.0.0.1/x");
    else if (strcmp(path, "/bomb") == 0)
        say_bomb(fd);
    else if (strcmp(path, "/br") == 0)
        (void)say(fd,
                  "HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br\r\nContent-Length: 4\r\n\r\nabcd");
    else if (strcmp(path, "/bad-gzip") == 0)
        (void)say(fd, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd");
    else if (strcmp(path, "/large") == 0)
        (void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx");
    else if (strcmp(path, "/slow") == 0)
        wait_for_end(fd);
    else if (strcmp(path, "/stall") == 0) {
        (void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        wait_for_end(fd);
    } else if (strcmp(path, "/cut") == 0) {
        (void)say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
        return false;
    } else if (strcmp(path, "/nothing") == 0)
        return false;
    else if (strcmp(path, "/noise") == 0) {
        (void)say(fd, "what do you want?\r\n");
        return false;
    } else if (strcmp(path, "/endless") == 0) {
        memset(chunk, 'x', sizeof chunk);
        memcpy(chunk, "1000\r\n", 6);
        memcpy(chunk + 6 + 4096, "\r\n", 3);
        if (say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))
            say_without_end(fd, chunk);
    } else if (strcmp(path, "/heads") == 0) {
        if (say(fd, "HTTP/1.1 200 OK\r\n"))
            say_without_end(fd, "X-More: and more of that, and more, and more\r\n");
    }
    return true;
}

static void *serve(void *context)
{
    int fd = (int)(intptr_t)context;
    static _Thread_local char request[1 << 17];
    size_t size = 0;
    for (;;) {
        ssize_t count = recv(fd, request + size, sizeof request - 1 - size, 0);
        if (count <= 0) break;
        size += (size_t)count;
        request[size] = '\0';
        char *end = strstr(request, "\r\n\r\n"), *told = strcasestr(request, "content-length: ");
        size_t length = told != NULL && told < end ? strtoul(told + 16, NULL, 10) : 0;
        if (end == NULL || size - (size_t)(end + 4 - request) < length) continue;
        end[2] = '\0';
        if (!answer(fd, request, end + 4)) break;
        size = 0;
    }
    (void)close(fd);
    return NULL;
}

static void *accept_all(void *context)
{
    (void)context;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) return NULL;
        int index = atomic_fetch_add(&connection_count, 1);
        if (index >= CONNECTIONS_MAX) abort();
        if (pthread_create(&threads[index], NULL, serve, (void *)(intptr_t)fd) != 0) abort();
    }
}

static void make_bomb(void)
{
    char command[64];
    snprintf(command, sizeof command, "head -c %d /dev/zero | gzip -6", BOMB_BYTES);
    FILE *pipe = popen(command, "r");
    bomb = malloc(1 << 20);
    bomb_size = fread(bomb, 1, 1 << 20, pipe);
    (void)pclose(pipe);
    assert_true(bomb_size > 1000 && bomb_size < 1 << 20);
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setenv("no_proxy", "*", 1);
    make_bomb();
    listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 64) != 0)
        return -1;
    (void)getsockname(listener, (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    return pthread_create(&acceptor, NULL, accept_all, NULL);
}

static int stop_server(void **state)
{
    (void)state;
    (void)shutdown(listener, SHUT_RDWR);
    (void)pthread_join(acceptor, NULL);
    (void)close(listener);
    for (int i = 0; i < connection_count; i++) (void)pthread_join(threads[i], NULL);
    free(bomb);
    return 0;
}

/* ---- the client ---- */

static uv_loop_t loop;
static lion_curl *client;
static char head[1 << 17], body[1 << 20];
static size_t body_size;
static bool is_sound;
static int done_count;

static void on_done(void *context, uint64_t id, bool is, lion_slice head_, lion_slice body_)
{
    (void)context;
    (void)id;
    assert_true(head_.size < sizeof head && body_.size < sizeof body);
    memcpy(head, head_.data, head_.size);
    head[head_.size] = '\0';
    if (body_.size > 0) memcpy(body, body_.data, body_.size);
    body[body_.size] = '\0';
    body_size = body_.size;
    is_sound = is;
    done_count++;
}

static int open_client(void **state)
{
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    client = lion_curl_new(&loop, on_done, NULL);
    done_count = 0;
    return client == NULL ? -1 : 0;
}

static int close_client(void **state)
{
    (void)state;
    lion_curl_close(client);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void begin(uint64_t id, const char *numbers, const char *method, const char *path,
                  const char *rest)
{
    static char request[1 << 17];
    int size = snprintf(request, sizeof request, "%s %s http://127.0.0.1:%d%s\n%s", numbers, method,
                        port, path, rest);
    lion_curl_start(client, id, lion_slice_of((const uint8_t *)request, (size_t)size));
}

static void wait_for(int count)
{
    while (done_count < count) (void)uv_run(&loop, UV_RUN_ONCE);
}

static void ask(const char *numbers, const char *method, const char *path, const char *rest)
{
    int before = done_count;
    begin(1, numbers, method, path, rest);
    assert_int_equal(done_count, before); /* never from within */
    wait_for(before + 1);
}

#define PATIENT "20000 20000 100000 5"

static void assert_failure(const char *path, const char *beginning)
{
    ask(PATIENT, "GET", path, "\n");
    assert_false(is_sound);
    if (strncmp(head, beginning, strlen(beginning)) != 0) fail_msg("%s: %s", path, head);
}

/* ---- tests ---- */

static void it_sends_a_request_whole_and_gives_the_answer(void **state)
{
    (void)state;
    char expected[128];
    ask(PATIENT, "POST", "/echo", "x-one: 1\nx-empty;\nContent-Type:\n\nthe body");
    assert_true(is_sound);
    snprintf(expected, sizeof expected,
             "200 http://127.0.0.1:%d/echo\nX-One: 1\nx-two:  a b \nContent-Length: ", port);
    assert_memory_equal(head, expected, strlen(expected));
    assert_non_null(strstr(body, "POST /echo HTTP/1.1\r\n"));
    assert_non_null(strstr(body, "x-one: 1\r\n"));
    assert_non_null(strstr(body, "x-empty:\r\n"));
    assert_non_null(strstr(body, "Accept-Encoding: gzip, deflate\r\n"));
    assert_null(strcasestr(body, "content-type"));
    assert_string_equal(body + body_size - 8, "the body");
    ask(PATIENT, "PUT", "/echo", "\nother");
    assert_non_null(strstr(body, "PUT /echo HTTP/1.1\r\n"));
    ask(PATIENT, "DELETE", "/echo", "\n");
    assert_non_null(strstr(body, "DELETE /echo HTTP/1.1\r\n"));
}

static void it_keeps_connections(void **state)
{
    (void)state;
    int before = connection_count;
    for (int i = 0; i < 5; i++) ask(PATIENT, "GET", "/echo", "\n");
    assert_int_equal(connection_count, before + 1);
}

static void it_asks_many_at_once(void **state)
{
    (void)state;
    for (uint64_t id = 1; id <= 100; id++) begin(id, PATIENT, "GET", "/chunked", "\n");
    wait_for(100);
    assert_true(is_sound);
    assert_string_equal(body, "one two");
}

static void it_follows_redirects_that_stay_with_http(void **state)
{
    (void)state;
    ask(PATIENT, "GET", "/away", "\n");
    assert_true(is_sound);
    assert_non_null(strstr(head, "/echo\n"));
    ask(PATIENT, "POST", "/away", "\nbody");
    assert_non_null(strstr(body, "GET /echo HTTP/1.1\r\n"));
    ask("20000 20000 100000 0", "GET", "/away", "\n");
    assert_memory_equal(head, "302 ", 4);
    assert_failure("/loop", "fault http/redirects ");
    assert_failure("/ftp", "fault http/redirects ");
    assert_failure("/file", "fault http/redirects ");
    assert_failure("/login", "fault http/redirects ");
}

static void it_takes_no_more_than_it_may(void **state)
{
    (void)state;
    assert_failure("/endless", "fault http/too-large the answer has more than max_bytes, 100000");
    assert_failure("/large", "fault http/too-large ");
    assert_failure("/heads", "fault http/");
    assert_failure("/bomb", "fault http/too-large ");
    ask("20000 20000 0 5", "HEAD", "/chunked", "\n");
    assert_true(is_sound);
}

static void it_tells_what_is_wrong_with_an_answer(void **state)
{
    (void)state;
    assert_failure("/cut", "unavailable http/cut ");
    assert_failure("/nothing", "unavailable http/cut ");
    assert_failure("/noise", "fault http/protocol ");
    assert_failure("/br", "fault http/protocol the answer is encoded by something else");
    assert_failure("/bad-gzip", "fault http/protocol ");
}

static void it_ends_in_time(void **state)
{
    (void)state;
    ask("50 20000 100000 5", "GET", "/slow", "\n");
    assert_string_equal(head, "interrupted http/timeout no whole answer has come in time");
    ask("50 20000 100000 5", "GET", "/stall", "\n");
    assert_memory_equal(head, "interrupted http/timeout", 24);
}

static void it_tells_that_nobody_is_there(void **state)
{
    (void)state;
    int real = port;
    int closed = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    assert_int_equal(bind(closed, (struct sockaddr *)&address, size), 0); /* nobody listens */
    (void)getsockname(closed, (struct sockaddr *)&address, &size);
    port = ntohs(address.sin_port);
    assert_failure("/", "unavailable http/refused ");
    port = real;
    (void)close(closed);
}

static void it_refuses_what_is_no_request(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "1 2 3 4",
        "x 2 3 4 GET http://127.0.0.1/\n\n",
        "1 2 3 4 GET http://127.0.0.1/\n",
        "1 2 3 4 GET\n\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int before = done_count;
        lion_curl_start(client, 1, lion_slice_text(texts[i]));
        wait_for(before + 1);
        assert_string_equal(head, "incorrect ion.http/invalid the request cannot be read");
    }
    static const char file[] = "9000 2 3 4 GET file:///etc/passwd\n\n";
    int before = done_count;
    lion_curl_start(client, 1, lion_slice_text(file));
    wait_for(before + 1);
    assert_false(is_sound);
}

static void it_forgets_what_is_cancelled(void **state)
{
    (void)state;
    begin(7, PATIENT, "GET", "/slow", "\n");
    begin(8, PATIENT, "GET", "/stall", "\n");
    begin(9, PATIENT, "GET", "/slow", "\n");
    ask(PATIENT, "GET", "/echo", "\n");
    lion_curl_cancel(client, 7);
    lion_curl_cancel(client, 8);
    lion_curl_cancel(client, 10); /* nobody's */
    ask(PATIENT, "GET", "/echo", "\n");
    assert_int_equal(done_count, 2); /* and 9 ends with the client */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)
        TEST(it_sends_a_request_whole_and_gives_the_answer),
        TEST(it_keeps_connections),
        TEST(it_asks_many_at_once),
        TEST(it_follows_redirects_that_stay_with_http),
        TEST(it_takes_no_more_than_it_may),
        TEST(it_tells_what_is_wrong_with_an_answer),
        TEST(it_ends_in_time),
        TEST(it_tells_that_nobody_is_there),
        TEST(it_refuses_what_is_no_request),
        TEST(it_forgets_what_is_cancelled),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
