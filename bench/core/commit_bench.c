/* commit_bench.c - durable transactions of 5 facts through a connection: one client against a bare overwrite +
 * fdatasync on the same disk, many clients (a thread each, or all served by one thread as an event loop does), and
 * latencies while an index job runs.
 *   commit_bench [FOLDER] [SECONDS] [CLIENTS [loop]]  */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bare.h"
#include "connection/connection.h"

#define CLIENTS_MAX 64
#define LATENCIES_MAX (1u << 20)

static double seconds = 3;
static char path[512], log_path[540], lock_path[540];

/* Of all threads of the process, in seconds. */
static double cpu_now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void check(lion_status status, const lion_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    exit(1);
}

/* ---- forms ---- */

static lion_form text(const char *bytes)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_STRING, lion_slice_text(bytes)));
}

static lion_form keyword(const char *bytes)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_text(bytes)));
}

static lion_form number(int64_t value) { return lion_form_value(lion_value_long(value)); }

static void put(lion_form *map, uint32_t place, const char *key, lion_form value)
{
    map->items[2 * place] = text(key);
    map->items[2 * place + 1] = value;
}

static const struct {
    const char *name, *type;
    bool is_unique;
} ATTRIBUTES[] = {
    { "order/number", "db.type/long", true },    { "order/customer", "db.type/string", false },
    { "order/amount", "db.type/double", false }, { "order/status", "db.type/keyword", false },
    { "order/count", "db.type/long", false },
};
#define ATTRIBUTE_COUNT 5

static void transact(lion_connection *connection, const lion_form *ops)
{
    lion_error error = { 0 };
    check(lion_transact(NULL, connection, ops, NULL, &error), &error);
}

/* Its t, at once. */
static int64_t transact_without_waiting(lion_connection *connection, const lion_form *ops)
{
    lion_error error = { 0 };
    lion_tx_options options = { .without_waiting = true };
    lion_transacting *done = NULL;
    check(lion_transact(&done, connection, ops, &options, &error), &error);
    int64_t t = lion_transacting_report(done)->transaction.t;
    lion_transacting_close(done);
    return t;
}

static void install_schema(lion_connection *connection)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form ops = lion_form_vector(&arena, ATTRIBUTE_COUNT);
    for (uint32_t i = 0; i < ATTRIBUTE_COUNT; i++) {
        lion_form map = lion_form_map(&arena, ATTRIBUTES[i].is_unique ? 4 : 3);
        put(&map, 0, "db/ident", keyword(ATTRIBUTES[i].name));
        put(&map, 1, "db/valueType", keyword(ATTRIBUTES[i].type));
        put(&map, 2, "db/cardinality", keyword("db.cardinality/one"));
        if (ATTRIBUTES[i].is_unique) put(&map, 3, "db/unique", keyword("db.unique/identity"));
        ops.items[i] = map;
    }
    transact(connection, &ops);
    lion_arena_deinit(&arena);
}

static lion_form new_order(int64_t order, lion_arena *arena)
{
    char customer[32];
    snprintf(customer, sizeof customer, "customer %lld", (long long)(order % 9973));
    lion_form ops = lion_form_vector(arena, 1);
    lion_form map = lion_form_map(arena, ATTRIBUTE_COUNT);
    put(&map, 0, "order/number", number(order));
    put(&map, 1, "order/customer", text(customer));
    put(&map, 2, "order/amount", lion_form_value(lion_value_double((double)(order % 1000) / 4)));
    put(&map, 3, "order/status", keyword(order % 3 ? "status/paid" : "status/open"));
    put(&map, 4, "order/count", number(order % 7));
    ops.items[0] = map;
    return ops;
}

static void transact_order(lion_connection *connection, int64_t order, lion_arena *arena)
{
    lion_form ops = new_order(order, arena);
    transact(connection, &ops);
    lion_arena_reset(arena);
}

/* ---- clients ---- */

typedef struct load {
    lion_connection *connection;
    int64_t next;         /* atomic */
    int64_t limit;        /* orders */
    double end;
    uint32_t *latencies;  /* microseconds; NULL: not kept */
    uint64_t count;       /* atomic */
} load;

static void *client(void *argument)
{
    load *l = argument;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (;;) {
        double start = now();
        int64_t order = __atomic_add_fetch(&l->next, 1, __ATOMIC_RELAXED);
        if (start > l->end || order > l->limit) break;
        transact_order(l->connection, order, &arena);
        uint64_t place = __atomic_fetch_add(&l->count, 1, __ATOMIC_RELAXED);
        if (l->latencies != NULL && place < LATENCIES_MAX)
            l->latencies[place] = (uint32_t)((now() - start) * 1e6);
    }
    lion_arena_deinit(&arena);
    return NULL;
}

/* All clients in this thread: each sends its next transaction when its last one is durable. */
static void run_loop(load *l, size_t clients)
{
    int64_t sent[CLIENTS_MAX] = { 0 }, durable = 0; /* a client's last t */
    lion_error error = { 0 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    while (now() < l->end) {
        int64_t oldest = INT64_MAX;
        for (size_t i = 0; i < clients; i++) {
            if (sent[i] <= durable) {
                l->count += sent[i] != 0;
                lion_form ops = new_order(++l->next, &arena);
                sent[i] = transact_without_waiting(l->connection, &ops);
                lion_arena_reset(&arena);
            }
            if (sent[i] < oldest) oldest = sent[i];
        }
        lion_db *db = NULL;
        check(lion_connection_sync(&db, l->connection, oldest, 0, &error), &error);
        durable = db->basis_t;
        lion_db_drop(db);
    }
    lion_arena_deinit(&arena);
}

static void run_clients(load *l, size_t clients)
{
    pthread_t ids[CLIENTS_MAX];
    for (size_t i = 0; i < clients; i++) pthread_create(&ids[i], NULL, client, l);
    for (size_t i = 0; i < clients; i++) pthread_join(ids[i], NULL);
}

static void remove_files(void)
{
    unlink(path);
    unlink(log_path);
    unlink(lock_path);
}

static lion_connection *open_database(lion_durability durability, uint64_t novelty_max)
{
    remove_files();
    lion_error error = { 0 };
    lion_connection *connection = NULL;
    lion_connection_options options = { .durability = (uint8_t)durability, .novelty_max = novelty_max };
    check(lion_connection_open(&connection, path, &options, &error), &error);
    install_schema(connection);
    return connection;
}

static double commit_rate(size_t clients, bool is_loop, lion_durability durability)
{
    lion_connection *connection = open_database(durability, 0);
    double start = now(), cpu = cpu_now();
    load l = { .connection = connection, .limit = INT64_MAX, .end = start + seconds };
    (is_loop ? run_loop : run_clients)(&l, clients);
    double rate = (double)l.count / (now() - start);
    cpu = (cpu_now() - cpu) / (double)l.count * 1e6;
    printf("  (%.1f us of CPU a transaction, system and indexer included)\n", cpu);
    lion_error error = { 0 };
    check(lion_connection_close(connection, &error), &error);
    remove_files();
    return rate;
}

/* ---- latencies ---- */

static int by_size(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static uint32_t percentile(load *l, double part)
{
    uint64_t count = l->count < LATENCIES_MAX ? l->count : LATENCIES_MAX;
    qsort(l->latencies, count, sizeof *l->latencies, by_size);
    return l->latencies[(uint64_t)((double)(count - 1) * part)];
}

static void *index_again(void *argument)
{
    load *l = argument;
    lion_error error = { 0 };
    int64_t t = 0;
    while (now() < l->end) check(lion_connection_index(&t, l->connection, &error), &error);
    return NULL;
}

static void latencies(void)
{
    lion_connection *connection = open_database(LION_DURABILITY_NONE, UINT64_C(1) << 30);
    load fill = { .connection = connection, .limit = 200000, .end = now() + 1e9 };
    run_clients(&fill, 1);
    lion_error error = { 0 };
    check(lion_connection_close(connection, &error), &error);
    connection = NULL;
    check(lion_connection_open(&connection, path, NULL, &error), &error);

    static uint32_t kept[LATENCIES_MAX];
    load quiet = { .connection = connection, .next = 200000, .limit = INT64_MAX, .latencies = kept };
    quiet.end = now() + seconds;
    run_clients(&quiet, 1);
    uint32_t quiet_99 = percentile(&quiet, 0.99), quiet_50 = percentile(&quiet, 0.5);
    load busy = { .connection = connection, .next = 10000000, .limit = INT64_MAX, .latencies = kept };
    busy.end = now() + seconds;
    pthread_t indexer;
    pthread_create(&indexer, NULL, index_again, &busy);
    run_clients(&busy, 1);
    pthread_join(indexer, NULL);
    uint32_t busy_99 = percentile(&busy, 0.99), busy_50 = percentile(&busy, 0.5);
    printf("%-34s %8u us median %8u us p99\n", "1 client, quiet", quiet_50, quiet_99);
    printf("%-34s %8u us median %8u us p99  %.1f times\n", "1 client, index job after job", busy_50,
           busy_99, (double)busy_99 / quiet_99);
    check(lion_connection_close(connection, &error), &error);
    remove_files();
}

int main(int count, char **arguments)
{
    snprintf(path, sizeof path, "%s/commit-bench.lion", count > 1 ? arguments[1] : ".");
    snprintf(log_path, sizeof log_path, "%s-log", path);
    snprintf(lock_path, sizeof lock_path, "%s-owner", path);
    if (count > 2) seconds = atof(arguments[2]);

    if (count > 3) { /* for a profiler: this many clients and nothing else */
        printf("%12.0f\n", commit_rate((size_t)atoi(arguments[3]), count > 4, LION_DURABILITY_FULL));
        return 0;
    }
    printf("%-34s %12s %8s\n", "transactions of 5 facts", "a second", "ratio");
    double bare = bare_rate(path, 200, seconds);
    printf("%-34s %12.0f %8.2f\n", "bare overwrite + fdatasync", bare, 1.0);
    double rate = commit_rate(1, false, LION_DURABILITY_FULL);
    double again = bare_rate(path, 200, seconds);
    printf("%-34s %12.0f %8.2f\n", "full, 1 client", rate, rate / ((bare + again) / 2));
    printf("%-34s %12.0f %8.2f\n", "bare again (how steady the disk is)", again, again / bare);
    rate = commit_rate(64, true, LION_DURABILITY_FULL);
    printf("%-34s %12.0f %8.2f\n", "full, 64 clients of one thread", rate, rate / bare);
    rate = commit_rate(64, false, LION_DURABILITY_FULL);
    printf("%-34s %12.0f %8.2f\n", "full, 64 clients, a thread each", rate, rate / bare);
    rate = commit_rate(1, false, LION_DURABILITY_NONE);
    printf("%-34s %12.0f %8.2f\n", "none, 1 client", rate, rate / bare);
    latencies();
    return 0;
}
