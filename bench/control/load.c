/* load.c - clients that transact at a node's control door, each with one request in the air over
 * its own connection to the Unix socket: transactions a second, how long one takes, and what it
 * costs this process.
 *
 *     load DIR/control.sock [CLIENTS (64)] [SECONDS (10)] */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 4096
#define CLIENTS_MAX 1000
#define TIME_UNIT_NS 20000 /* of the histogram */
#define TIMES 50000        /* its slots: the last one is a second, and beyond */

typedef struct lane {
    int fd;
    int64_t begun_ns;
    size_t size; /* of what has come of the answer */
    char answer[TEXT_SIZE];
} lane;

static const char SCHEMA[] =
    "{\"db/ident\":\":order/number\",\"db/valueType\":\":db.type/long\","
    "\"db/cardinality\":\":db.cardinality/one\",\"db/unique\":\":db.unique/identity\"},"
    "{\"db/ident\":\":order/total\",\"db/valueType\":\":db.type/long\","
    "\"db/cardinality\":\":db.cardinality/one\"}";

static lane lanes[CLIENTS_MAX];
static uint32_t times[TIMES];
static char database[64];
static long long number;

static void fail(const char *what, const char *text)
{
    fprintf(stderr, "%s: %s\n", what, text);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int dial(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path) fail("too long", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        fail("nobody listens at", path);
    return fd;
}

/* ---- requests ---- */

static void ask(lane *self, const char *ops)
{
    char body[TEXT_SIZE / 2], text[TEXT_SIZE];
    int size = snprintf(body, sizeof body, "{\"db\":\"%s\",\"tx\":[%s]}", database, ops);
    size = snprintf(text, sizeof text,
                    "POST /transact HTTP/1.1\r\nhost: lion\r\ncontent-length: %d\r\n\r\n%s", size,
                    body);
    self->size = 0;
    self->begun_ns = now_ns();
    if (send(self->fd, text, (size_t)size, MSG_NOSIGNAL) != size)
        fail("not sent", "the door has gone");
}

/* A new order: two facts, one of them unique. */
static void ask_next(lane *self)
{
    char ops[128];
    number++;
    (void)snprintf(ops, sizeof ops, "{\"order/number\":%lld,\"order/total\":%lld}", number,
                   number * 7919 % 100000);
    ask(self, ops);
}

/* Is the answer whole? It must be one of a transaction that is in. */
static bool is_answered(const lane *self)
{
    static const char length_name[] = "content-length: ";
    const char *end = strstr(self->answer, "\r\n\r\n");
    if (end == NULL) return false;
    const char *length = strstr(self->answer, length_name);
    if (length == NULL || length > end) fail("not an answer", self->answer);
    size_t whole =
        (size_t)(end + 4 - self->answer) + strtoul(length + sizeof length_name - 1, NULL, 10);
    if (self->size < whole) return false;
    if (self->size > whole || strncmp(self->answer, "HTTP/1.1 200 ", 13) != 0 ||
        strstr(end, "\"tx_instant\":") == NULL || strstr(end, "\"datoms\":") == NULL)
        fail("not answered", self->answer);
    return true;
}

static bool hear(lane *self)
{
    ssize_t size = recv(self->fd, self->answer + self->size, TEXT_SIZE - 1 - self->size, 0);
    if (size <= 0) fail("no answer", "the door has gone");
    self->size += (size_t)size;
    self->answer[self->size] = '\0';
    return is_answered(self);
}

/* ---- what it took ---- */

static void note(const lane *self)
{
    int64_t slot = (now_ns() - self->begun_ns) / TIME_UNIT_NS;
    times[slot < TIMES ? slot : TIMES - 1]++;
}

static double at(double share, uint64_t done)
{
    uint64_t below = 0, wanted = (uint64_t)((double)done * share);
    int slot = 0;
    while (slot < TIMES - 1 && (below += times[slot]) <= wanted) slot++;
    return (double)(slot + 1) * TIME_UNIT_NS / 1e6;
}

static double processor_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t run(int clients, int64_t until_ns)
{
    struct epoll_event events[CLIENTS_MAX];
    int epoll = epoll_create1(0);
    uint64_t done = 0;
    for (int i = 0; i < clients; i++) {
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = &lanes[i] };
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, lanes[i].fd, &event) != 0) fail("epoll", "no room");
        ask_next(&lanes[i]);
    }
    while (now_ns() < until_ns) {
        int count = epoll_wait(epoll, events, CLIENTS_MAX, 1000);
        for (int i = 0; i < count; i++) {
            lane *one = events[i].data.ptr;
            if (!hear(one)) continue;
            note(one);
            done++;
            ask_next(one);
        }
    }
    return done;
}

int main(int count, char **arguments)
{
    int clients = count > 2 ? atoi(arguments[2]) : 64,
        seconds = count > 3 ? atoi(arguments[3]) : 10;
    if (count < 2 || clients < 1 || clients > CLIENTS_MAX || seconds < 1)
        fail("usage", "load DIR/control.sock [CLIENTS (64)] [SECONDS (10)]");
    (void)snprintf(database, sizeof database, "bench%lld", (long long)now_ns());
    for (int i = 0; i < clients; i++) lanes[i].fd = dial(arguments[1]);
    ask(&lanes[0], SCHEMA);
    while (!hear(&lanes[0])) continue;
    double spent_us = processor_us();
    int64_t begun_ns = now_ns();
    uint64_t done = run(clients, begun_ns + (int64_t)seconds * 1000000000);
    double took_s = (double)(now_ns() - begun_ns) / 1e9;
    printf("%d clients: %.0f transactions/s; ms 50 %% %.1f, 99 %% %.1f; client %.1f µs each\n",
           clients, (double)done / took_s, at(0.5, done), at(0.99, done),
           (processor_us() - spent_us) / (double)done);
    return 0;
}
