/* node_writer_test.c - the writer's process from outside: what is answered is durable, what is
 * killed is in or is not, what is no request is refused. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/clock.h"
#include "data/form_code.h"
#include "index/log_tree.h"
#include "node/frame.h"
#include "node/node.h"

#define CALL_MS 20000

typedef struct world {
    char dir[64], socket[96];
    pid_t pid;
} world;

/* ---- a writer of its own ---- */

static void start(world *self)
{
    self->pid = fork();
    assert_true(self->pid >= 0);
    if (self->pid == 0) {
        lion_node_options options = {
            .dir = self->dir, .primary = self->dir, .bus_fd = -1, .listen_fd = -1
        };
        _exit(lion_node_write(&options));
    }
    for (int i = 0; i < 2000; i++) { /* until it listens */
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        strcpy(address.sun_path, self->socket);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        bool is_live = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
        close(fd);
        if (is_live) return;
        poll(NULL, 0, 5);
    }
    fail_msg("the writer does not listen");
}

/* The exit code, or minus the signal. */
static int stop(world *self, int number)
{
    int status = 0;
    kill(self->pid, number);
    assert_int_equal(waitpid(self->pid, &status, 0), self->pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int set_up(void **state)
{
    world *self = calloc(1, sizeof *self);
    strcpy(self->dir, "/tmp/lion-writer-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    snprintf(self->socket, sizeof self->socket, "%s/writer.sock", self->dir);
    start(self);
    *state = self;
    return 0;
}

static int tear_down(void **state)
{
    world *self = *state;
    if (kill(self->pid, 0) == 0) stop(self, SIGTERM);
    DIR *dir = opendir(self->dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.') unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(self->dir);
    free(self);
    return 0;
}

/* ---- requests ---- */

static lion_form named(lion_arena *arena, const char *db)
{
    lion_entry entries[] = { { "db", lion_form_string(db) } };
    return lion_form_entries(arena, entries, 1);
}

/* ops that give a new entity a number, and an id for the transaction if one is given. */
static lion_form numbered(lion_arena *arena, int64_t number, const char *id)
{
    lion_entry fact[] = { { "db/id", lion_form_string("it") }, { "n/n", lion_form_long(number) } };
    lion_form op = lion_form_entries(arena, fact, 2);
    lion_entry entries[] = { { "db", lion_form_string("a") },
                             { "ops", lion_form_list(arena, &op, 1) },
                             { "id", id == NULL ? lion_form_value(lion_value_nil())
                                                : lion_form_string(id) } };
    return lion_form_entries(arena, entries, id == NULL ? 2 : 3);
}

static lion_form attribute(lion_arena *arena)
{
    lion_entry fact[] = { { "db/ident", lion_form_string(":n/n") },
                          { "db/valueType", lion_form_string(":db.type/long") },
                          { "db/cardinality", lion_form_string(":db.cardinality/one") } };
    lion_form op = lion_form_entries(arena, fact, 3);
    lion_entry entries[] = { { "db", lion_form_string("a") },
                             { "ops", lion_form_list(arena, &op, 1) } };
    return lion_form_entries(arena, entries, 2);
}

/* → the kind of the answer; its payload into the arena. */
static lion_frame_kind ask(const world *self, lion_arena *arena, lion_frame_kind kind,
                           lion_form map, lion_slice *payload_out)
{
    lion_buffer bytes;
    lion_buffer_init(&bytes);
    assert_int_equal(lion_form_encode(&bytes, &map, NULL), LION_OK);
    lion_frame_kind answered = LION_FRAME_LOST;
    uint8_t *payload = NULL;
    size_t size = 0;
    int code = lion_link_call(self->socket, "command", kind, bytes.data, bytes.size, CALL_MS,
                              &answered, &payload, &size);
    lion_buffer_deinit(&bytes);
    if (code != 0) return LION_FRAME_LOST;
    *payload_out = lion_arena_copy(arena, lion_slice_of(payload, size));
    free(payload);
    return answered;
}

static void make_database(const world *self, lion_arena *arena)
{
    lion_slice payload;
    assert_int_equal(ask(self, arena, LION_FRAME_OPEN, named(arena, "a"), &payload),
                     LION_FRAME_DONE);
    assert_int_equal(ask(self, arena, LION_FRAME_TRANSACT, attribute(arena), &payload),
                     LION_FRAME_REPORT);
}

static void assert_code(lion_arena *arena, lion_slice payload, const char *code)
{
    lion_form map;
    assert_int_equal(lion_form_decode(&map, payload, arena, NULL), LION_OK);
    if (!lion_form_is_text(lion_form_get(&map, "code"), code))
        fail_msg("wanted %s, got %s", code, lion_form_text(arena, &map));
}

/* How many of the numbers 1 … count the file has; the writer is stopped. */
static int count_numbers(const world *self, int count)
{
    char path[100];
    snprintf(path, sizeof path, "%s/a.lion", self->dir);
    lion_connection *connection = NULL;
    lion_db *db = NULL;
    lion_error error;
    if (lion_connection_open(&connection, path, NULL, &error) < 0) fail_msg("%s", error.message);
    assert_int_equal(lion_connection_db(&db, connection, NULL), LION_OK);
    lion_form parts[] = { lion_form_string("n/n") };
    uint64_t found = 0;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    assert_int_equal(lion_db_count(&found, db, LION_AEVT, parts, 1, &arena, NULL), LION_OK);
    lion_arena_deinit(&arena);
    lion_db_drop(db);
    assert_int_equal(lion_connection_close(connection, NULL), LION_OK);
    assert_true((int)found <= count);
    return (int)found;
}

/* ---- many clients ---- */

typedef struct client {
    const world *world;
    int index, count;
    int acknowledged;
    bool has_ids;
    pthread_t thread;
} client;

static void uuid_text(char out[37], int who, int number)
{
    snprintf(out, 37, "00000000-0000-7000-8000-%04x%08x", (unsigned)who, (unsigned)number);
}

/* One connection of its own each time, until the writer is gone. */
static void *client_main(void *context)
{
    client *self = context;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int i = 1; i <= self->count; i++) {
        lion_arena_reset(&arena);
        char id[37];
        uuid_text(id, self->index, i);
        lion_slice payload;
        lion_form map =
            numbered(&arena, (int64_t)self->index * 1000000 + i, self->has_ids ? id : NULL);
        if (ask(self->world, &arena, LION_FRAME_TRANSACT, map, &payload) != LION_FRAME_REPORT)
            break;
        self->acknowledged = i;
    }
    lion_arena_deinit(&arena);
    return NULL;
}

static void answers_reports_when_they_are_durable(void **state)
{
    world *self = *state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    make_database(self, &arena);
    lion_slice payload;
    lion_transaction transaction;
    assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, 7, NULL), &payload),
                     LION_FRAME_REPORT);
    assert_int_equal(lion_transaction_decode(&transaction, payload, &arena, NULL), LION_OK);
    assert_int_equal(transaction.datom_count, 2);
    assert_int_equal(transaction.tempid_count, 1);
    assert_int_equal(lion_transaction_tempid(&transaction, "it"), transaction.datoms[1].e);

    client clients[8];
    for (int i = 0; i < 8; i++) {
        clients[i] = (client){ .world = self, .index = i + 1, .count = 250 };
        pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_int_equal(clients[i].acknowledged, 250);
    }
    assert_int_equal(stop(self, SIGTERM), 0);
    assert_int_not_equal(access(self->socket, F_OK), 0);
    assert_int_equal(count_numbers(self, 2001), 2001);
    lion_arena_deinit(&arena);
}

static void a_killed_writer_has_lost_nothing_it_answered(void **state)
{
    world *self = *state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    make_database(self, &arena);
    client clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = (client){ .world = self, .index = i + 1, .count = 100000, .has_ids = true };
        pthread_create(&clients[i].thread, NULL, client_main, &clients[i]);
    }
    poll(NULL, 0, 300);
    assert_int_equal(stop(self, SIGKILL), -SIGKILL);
    for (int i = 0; i < 4; i++) pthread_join(clients[i].thread, NULL);
    start(self);
    /* What each was answered is in; the one behind is sent again and found out. */
    int acknowledged = 0;
    for (int i = 0; i < 4; i++) {
        char id[37];
        lion_slice payload;
        for (int k = clients[i].acknowledged; k <= clients[i].acknowledged + 1; k++) {
            if (k == 0) continue;
            uuid_text(id, i + 1, k);
            lion_form map = numbered(&arena, (int64_t)(i + 1) * 1000000 + k, id);
            assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, map, &payload),
                             LION_FRAME_REPORT);
            lion_transaction transaction;
            assert_int_equal(lion_transaction_decode(&transaction, payload, &arena, NULL), LION_OK);
            if (k == clients[i].acknowledged) assert_int_equal(transaction.datom_count, 0);
            assert_int_equal(transaction.tempid_count, 1);
        }
        acknowledged += clients[i].acknowledged + 1;
    }
    assert_true(acknowledged > 4);
    assert_int_equal(stop(self, SIGTERM), 0);
    assert_int_equal(count_numbers(self, acknowledged), acknowledged);
    lion_arena_deinit(&arena);
}

static void says_what_is_wrong(void **state)
{
    world *self = *state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_slice payload;
    assert_int_equal(ask(self, &arena, LION_FRAME_SYNC, named(&arena, "none"), &payload),
                     LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/not-found");
    assert_int_equal(ask(self, &arena, LION_FRAME_OPEN, named(&arena, "../a"), &payload),
                     LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/syntax");
    assert_int_equal(ask(self, &arena, LION_FRAME_OPEN, lion_form_long(1), &payload),
                     LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/syntax");
    make_database(self, &arena);
    assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, named(&arena, "a"), &payload),
                     LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/syntax");
    assert_int_equal(
        ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, 1, "no uuid"), &payload),
        LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/syntax");
    lion_form op[] = { lion_form_string("shop.tx/none"), lion_form_long(1) };
    lion_form ops = lion_form_list(&arena, op, 2);
    lion_entry entries[] = { { "db", lion_form_string("a") },
                             { "ops", lion_form_list(&arena, &ops, 1) } };
    assert_int_equal(
        ask(self, &arena, LION_FRAME_TRANSACT, lion_form_entries(&arena, entries, 2), &payload),
        LION_FRAME_ERROR);
    assert_code(&arena, payload, "lion/unavailable"); /* no executor came */
    assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, 1, NULL), &payload),
                     LION_FRAME_REPORT);
    assert_int_equal(ask(self, &arena, LION_FRAME_INDEX, named(&arena, "a"), &payload),
                     LION_FRAME_DONE);
    lion_arena_deinit(&arena);
}

/* What comes is read until the other side closes; false: it does not. */
static bool is_closed_by_writer(int fd)
{
    char bytes[4096];
    for (;;) {
        struct pollfd one = { .fd = fd, .events = POLLIN };
        if (poll(&one, 1, CALL_MS) <= 0) return false;
        if (read(fd, bytes, sizeof bytes) <= 0) return true;
    }
}

static void closes_on_what_is_no_frame(void **state)
{
    world *self = *state;
    static const char *const inputs[] = { "GET / HTTP/1.1\r\n\r\n",
                                          "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
                                          "\x09\0\0\0\xff\0\0\0\0\0\0\0\0" };
    static const size_t sizes[] = { 18, 16, 13 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        strcpy(address.sun_path, self->socket);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(write(fd, inputs[i], sizes[i]), sizes[i]);
        assert_true(is_closed_by_writer(fd));
        close(fd);
    }
    make_database(self, &arena);
    lion_arena_deinit(&arena);
}

static void leaves_a_living_one_alone(void **state)
{
    const world *self = *state;
    world other = *self;
    other.pid = fork();
    if (other.pid == 0) {
        lion_node_options options = {
            .dir = self->dir, .primary = self->dir, .bus_fd = -1, .listen_fd = -1
        };
        close(2);
        _exit(lion_node_write(&options));
    }
    int status = 0;
    waitpid(other.pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 1);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    make_database(self, &arena);
    lion_arena_deinit(&arena);
}

/* ---- following ---- */

#define FOLLOW_ID 7
#define OTHER_ID 8

typedef struct followed {
    uv_loop_t loop;
    uv_timer_t late;
    lion_link *link;
    int answers, errors, losses, told;
    int64_t t; /* of what came last */
} followed;

static void on_followed(void *context, lion_frame_kind kind, uint64_t id, const uint8_t *payload,
                        size_t size)
{
    followed *self = context;
    lion_arena arena;
    lion_form map;
    lion_arena_init(&arena, 0);
    self->answers += kind == LION_FRAME_DONE;
    self->errors += kind == LION_FRAME_ERROR;
    self->losses += kind == LION_FRAME_LOST && id == FOLLOW_ID;
    self->told += kind == LION_FRAME_TOLD;
    if (kind == LION_FRAME_DONE || kind == LION_FRAME_TOLD) {
        assert_int_equal(id, FOLLOW_ID);
        assert_int_equal(lion_form_decode(&map, lion_slice_of(payload, size), &arena, NULL), 0);
        assert_true(lion_form_as_long(lion_form_get(&map, "t"), &self->t));
    }
    if (kind == LION_FRAME_TOLD) assert_true(lion_form_is_text(lion_form_get(&map, "db"), "a"));
    lion_arena_deinit(&arena);
}

static void on_late(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing came");
}

static void send_follow(followed *self, uint64_t id, const char *db)
{
    lion_arena arena;
    lion_buffer bytes;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&bytes);
    lion_form map = named(&arena, db);
    assert_int_equal(lion_form_encode(&bytes, &map, NULL), LION_OK);
    lion_link_send(self->link, LION_FRAME_FOLLOW, id, bytes.data, bytes.size);
    lion_buffer_deinit(&bytes);
    lion_arena_deinit(&arena);
}

static void follow_open(followed *self, const world *of)
{
    lion_link_events events = { .frame = on_followed, .context = self };
    memset(self, 0, sizeof *self);
    uv_loop_init(&self->loop);
    uv_timer_init(&self->loop, &self->late);
    uv_timer_start(&self->late, on_late, CALL_MS, CALL_MS);
    self->link = lion_link_open(&self->loop, of->socket, "command", &events);
    assert_non_null(self->link);
}

static void follow_close(followed *self)
{
    lion_link_close(self->link);
    uv_close((uv_handle_t *)&self->late, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    uv_loop_close(&self->loop);
}

static int64_t report_t(lion_arena *arena, lion_slice payload)
{
    lion_transaction transaction;
    assert_int_equal(lion_transaction_decode(&transaction, payload, arena, NULL), LION_OK);
    return transaction.t;
}

static void tells_who_follows_what_is_durable(void **state)
{
    world *self = *state;
    lion_arena arena;
    lion_slice payload;
    followed by;
    lion_arena_init(&arena, 0);
    make_database(self, &arena);
    follow_open(&by, self);
    send_follow(&by, FOLLOW_ID, "a");
    while (by.answers == 0) uv_run(&by.loop, UV_RUN_ONCE);
    int64_t basis = by.t;
    for (int i = 1; i <= 3; i++) {
        lion_frame_kind kind =
            ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, i, NULL), &payload);
        assert_int_equal(kind, LION_FRAME_REPORT);
        int64_t t = report_t(&arena, payload);
        assert_true(t > basis);
        while (by.t < t) uv_run(&by.loop, UV_RUN_ONCE);
    }
    assert_true(by.told > 0);
    assert_int_equal(by.answers, 1);
    follow_close(&by);
    /* Nobody follows any more. */
    assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, 9, NULL), &payload),
                     LION_FRAME_REPORT);
    lion_arena_deinit(&arena);
}

static void does_not_tell_of_a_database_that_is_not_there(void **state)
{
    world *self = *state;
    lion_arena arena;
    followed by;
    lion_arena_init(&arena, 0);
    follow_open(&by, self);
    send_follow(&by, OTHER_ID, "a");
    while (by.errors == 0) uv_run(&by.loop, UV_RUN_ONCE);
    make_database(self, &arena);
    send_follow(&by, FOLLOW_ID, "a"); /* OTHER_ID would be told first, and is not the one */
    while (by.answers == 0) uv_run(&by.loop, UV_RUN_ONCE);
    follow_close(&by);
    lion_arena_deinit(&arena);
}

static void a_follower_hears_that_the_writer_was_lost(void **state)
{
    world *self = *state;
    lion_arena arena;
    lion_slice payload;
    followed by;
    lion_arena_init(&arena, 0);
    make_database(self, &arena);
    follow_open(&by, self);
    send_follow(&by, FOLLOW_ID, "a");
    while (by.answers == 0) uv_run(&by.loop, UV_RUN_ONCE);
    stop(self, SIGKILL);
    while (by.losses == 0) uv_run(&by.loop, UV_RUN_ONCE);
    start(self);
    send_follow(&by, FOLLOW_ID, "a");
    while (by.answers < 2) uv_run(&by.loop, UV_RUN_ONCE);
    assert_int_equal(ask(self, &arena, LION_FRAME_TRANSACT, numbered(&arena, 1, NULL), &payload),
                     LION_FRAME_REPORT);
    int64_t t = report_t(&arena, payload);
    while (by.t < t) uv_run(&by.loop, UV_RUN_ONCE);
    assert_int_equal(by.losses, 1);
    follow_close(&by);
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_reports_when_they_are_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_killed_writer_has_lost_nothing_it_answered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(closes_on_what_is_no_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_a_living_one_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_who_follows_what_is_durable, set_up, tear_down),
        cmocka_unit_test_setup_teardown(does_not_tell_of_a_database_that_is_not_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_follower_hears_that_the_writer_was_lost, set_up,
                                        tear_down),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
