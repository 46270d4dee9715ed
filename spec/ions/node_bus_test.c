/* node_bus_test.c - the channel between a supervisor and a process: what is sent arrives whole, in
 * order and with its descriptors, also when the other side is slow, and nothing is left open when
 * it is gone. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "node/bus.h"

typedef struct side {
    lion_bus *bus;
    int count;   /* messages so far */
    uint64_t id; /* of the last */
    uint16_t to, from, kind;
    uint8_t *payload; /* of the last, a copy */
    size_t size;
    int fd_count;
    int taken; /* the first descriptor of the last, if takes_fds */
    bool takes_fds, closes_itself, is_in_order, is_closed;
} side;

static uv_loop_t loop;
static side left, right;

static void on_message(void *context, lion_bus_message *message)
{
    side *self = context;
    self->is_in_order = self->is_in_order && message->id == (uint64_t)self->count;
    self->count++;
    self->id = message->id;
    self->to = message->to;
    self->from = message->from;
    self->kind = message->kind;
    free(self->payload);
    self->payload = malloc(message->size + 1);
    assert_non_null(self->payload);
    memcpy(self->payload, message->payload, message->size);
    self->size = message->size;
    self->fd_count = message->fd_count;
    if (self->takes_fds && message->fd_count > 0) {
        self->taken = message->fds[0];
        message->fds[0] = -1;
    }
    if (self->closes_itself) {
        lion_bus_close(self->bus);
        self->bus = NULL;
    }
}

static void on_closed(void *context)
{
    side *self = context;
    self->is_closed = true;
    lion_bus_close(self->bus);
    self->bus = NULL;
}

static void open_side(side *self, int fd)
{
    *self = (side){ .taken = -1, .is_in_order = true };
    lion_bus_events events = { .message = on_message, .closed = on_closed, .context = self };
    self->bus = lion_bus_open(&loop, fd, &events);
    assert_non_null(self->bus);
}

static int open_fds(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL) count++;
    closedir(folder);
    return count;
}

static int fds_before;

static int begin(void **state)
{
    (void)state;
    int pair[2];
    fds_before = open_fds();
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    open_side(&left, pair[0]);
    open_side(&right, pair[1]);
    return 0;
}

static int end(void **state)
{
    (void)state;
    lion_bus_close(left.bus);
    lion_bus_close(right.bus);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    free(left.payload);
    free(right.payload);
    if (left.taken >= 0) close(left.taken);
    if (right.taken >= 0) close(right.taken);
    assert_int_equal(open_fds(), fds_before);
    return 0;
}

static void run_until(const side *self, int count)
{
    while (self->count < count && !self->is_closed) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(self->count, count);
}

static bool send_bytes(side *from, uint64_t id, const uint8_t *payload, size_t size)
{
    return lion_bus_send(from->bus, &(lion_bus_message){ .to = LION_BUS_DOOR,
                                                         .from = LION_BUS_WORKER + 3,
                                                         .kind = LION_BUS_STATUS,
                                                         .id = id,
                                                         .payload = payload,
                                                         .size = size });
}

static void test_head_and_payload_arrive(void **state)
{
    (void)state;
    assert_true(send_bytes(&left, UINT64_MAX, (const uint8_t *)"hello", 5));
    run_until(&right, 1);
    assert_true(right.id == UINT64_MAX);
    assert_int_equal(right.to, LION_BUS_DOOR);
    assert_int_equal(right.from, LION_BUS_WORKER + 3);
    assert_int_equal(right.kind, LION_BUS_STATUS);
    assert_int_equal(right.size, 5);
    assert_memory_equal(right.payload, "hello", 5);
    assert_true(send_bytes(&right, 0, NULL, 0));
    run_until(&left, 1);
    assert_int_equal(left.size, 0);
}

/* Around the size where a payload begins to travel in a memfd, and large ones. */
static void test_payloads_of_every_size(void **state)
{
    (void)state;
    static const size_t sizes[] = { 1, 32767, 32768, 32769, 1 << 20, 8 << 20 };
    for (int i = 0; i < 6; i++) {
        uint8_t *payload = malloc(sizes[i]);
        assert_non_null(payload);
        for (size_t k = 0; k < sizes[i]; k++) payload[k] = (uint8_t)(k * 31 + k / 251);
        assert_true(send_bytes(&left, 0, payload, sizes[i]));
        run_until(&right, i + 1);
        assert_int_equal(right.size, sizes[i]);
        assert_memory_equal(right.payload, payload, sizes[i]);
        free(payload);
    }
}

/* Far more than the socket takes, before the other side reads at all. */
static void test_thousands_wait_and_keep_their_order(void **state)
{
    (void)state;
    static uint8_t payload[1 << 20];
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    for (uint64_t i = 0; i < 5000; i++) {
        lion_bus_message message = { .id = i,
                                     .payload = payload,
                                     .size = i % 100 == 0 ? sizeof payload : i % 700,
                                     .fds = { pipes[1] },
                                     .fd_count = i % 50 == 0 };
        assert_true(lion_bus_send(left.bus, &message));
    }
    close(pipes[0]);
    close(pipes[1]);
    run_until(&right, 5000);
    assert_true(right.is_in_order);
}

static void test_a_descriptor_is_taken(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    static uint8_t payload[100000];
    right.takes_fds = true;
    lion_bus_message message = { .payload = payload,
                                 .size = sizeof payload,
                                 .fds = { pipes[1], pipes[0], pipes[0], pipes[0] },
                                 .fd_count = 4 };
    assert_true(lion_bus_send(left.bus, &message));
    close(pipes[1]);
    run_until(&right, 1);
    assert_int_equal(right.fd_count, 4);
    assert_int_equal(right.size, sizeof payload);
    assert_int_equal(fcntl(right.taken, F_GETFD), FD_CLOEXEC);
    assert_int_equal(write(right.taken, "x", 1), 1);
    char byte = 0;
    assert_int_equal(read(pipes[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    close(pipes[0]);
}

/* Those that nobody took are closed: end() counts. The pipe's reader sees it. */
static void test_a_descriptor_that_is_not_taken_is_closed(void **state)
{
    (void)state;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_true(lion_bus_send(left.bus, &(lion_bus_message){ .fds = { pipes[1] }, .fd_count = 1 }));
    close(pipes[1]);
    run_until(&right, 1);
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

/* What a process said before it ended is heard, also when it had not read what was sent to it. */
static void test_the_last_words_of_a_process_that_dies(void **state)
{
    (void)state;
    int pair[2];
    lion_bus_close(left.bus);
    lion_bus_close(right.bus);
    left.bus = right.bus = NULL;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    open_side(&left, pair[0]);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        open_side(&right, pair[1]);
        for (uint64_t i = 0; i < 100; i++) (void)send_bytes(&right, i, (const uint8_t *)"bye", 3);
        struct pollfd waiting = { .fd = pair[1], .events = POLLIN };
        _exit(poll(&waiting, 1, 10000) == 1 ? 0 : 1); /* something is unread */
    }
    close(pair[1]);
    for (int i = 0; i < 20; i++) (void)send_bytes(&left, 0, (const uint8_t *)"hello", 5);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    while (!left.is_closed) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(left.count, 100);
    assert_true(left.is_in_order);
}

static void test_a_side_that_closes_is_noticed(void **state)
{
    (void)state;
    lion_bus_close(right.bus);
    right.bus = NULL;
    for (int i = 0; i < 10; i++) (void)send_bytes(&left, 0, (const uint8_t *)"hello", 5);
    assert_false(left.is_closed); /* told by the loop, never out of a call */
    while (!left.is_closed) uv_run(&loop, UV_RUN_ONCE);
}

/* What waits for a side that goes is dropped with its descriptors. */
static void test_a_side_that_closes_while_messages_wait(void **state)
{
    (void)state;
    static uint8_t payload[30000];
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    for (int i = 0; i < 100; i++) {
        lion_bus_message message = {
            .payload = payload, .size = sizeof payload, .fds = { pipes[1] }, .fd_count = 1
        };
        assert_true(lion_bus_send(left.bus, &message));
    }
    close(pipes[1]);
    right.closes_itself = true;
    while (!left.is_closed) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(right.count, 1);
    char byte;
    assert_int_equal(read(pipes[0], &byte, 1), 0);
    close(pipes[0]);
}

/* A packet that is no message: nothing is told of it, nothing is kept of it, and the channel goes
 * on. */
static void test_what_is_no_message_is_dropped(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    side third;
    open_side(&third, pair[0]);
    assert_int_equal(send(pair[1], "short", 5, 0), 5);
    static char junk[64];
    memset(junk, 0xff, sizeof junk);
    assert_int_equal(send(pair[1], junk, sizeof junk, 0), sizeof junk);
    close(pair[1]);
    while (!third.is_closed) uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(third.count, 0);
}

static void test_what_cannot_be_sent_is_refused(void **state)
{
    (void)state;
    assert_false(lion_bus_send(left.bus, &(lion_bus_message){ .fd_count = LION_BUS_FDS_MAX + 1 }));
    lion_bus_close(NULL);
}

int main(void)
{
    assert_int_equal(uv_loop_init(&loop),
                     0); /* the first one opens what all share: not to be counted */
    assert_int_equal(uv_loop_close(&loop), 0);
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(test_head_and_payload_arrive),
        TEST(test_payloads_of_every_size),
        TEST(test_thousands_wait_and_keep_their_order),
        TEST(test_a_descriptor_is_taken),
        TEST(test_a_descriptor_that_is_not_taken_is_closed),
        TEST(test_the_last_words_of_a_process_that_dies),
        TEST(test_a_side_that_closes_is_noticed),
        TEST(test_a_side_that_closes_while_messages_wait),
        TEST(test_what_is_no_message_is_dropped),
        TEST(test_what_cannot_be_sent_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
