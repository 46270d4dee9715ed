/* reader_bench.c - what it costs to read a file beside the process that writes it: a sync when nothing is new, and one
 * after each transaction of five datoms; with little and with much in the tail.   reader_bench [FOLDER]
 *
 * The writer is another process, which commits one transaction for each byte that it is sent. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "lion.h"

#define SYNCS 100000
#define COMMITS 2000
#define MUCH 20000 /* transactions in the tail */

static char path[512];

static void check(lion_status status, const lion_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    exit(1);
}

static lion_form attribute(lion_arena *arena, const char *name, const char *type)
{
    lion_entry entries[] = { { "db/ident", lion_form_keyword(name) },
                             { "db/valueType", lion_form_keyword(type) },
                             { "db/cardinality", lion_form_keyword("db.cardinality/one") } };
    return lion_form_entries(arena, entries, 3);
}

/* ---- the writer's process ---- */

static void transact(lion_connection *connection, const lion_form *ops)
{
    lion_error error = { 0 };
    check(lion_transact(NULL, connection, ops, NULL, &error), &error);
}

/* Four datoms, and the transaction's instant. */
static void commit(lion_connection *connection, int64_t number)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_entry entries[] = { { "item/number", lion_form_long(number) },
                             { "item/name", lion_form_string("a name") },
                             { "item/price", lion_form_value(lion_value_double(1.5)) },
                             { "item/count", lion_form_long(number % 17) } };
    lion_form item = lion_form_entries(&arena, entries, 4);
    lion_form ops = lion_form_list(&arena, &item, 1);
    transact(connection, &ops);
    lion_arena_deinit(&arena);
}

static int write_on(const char *file, int64_t count, int orders, int answers)
{
    lion_error error = { 0 };
    lion_connection *connection = NULL;
    lion_connection_options options = { .durability = LION_DURABILITY_FULL, .novelty_max = UINT64_C(2) << 30 };
    check(lion_connection_open(&connection, file, &options, &error), &error);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form schema[] = { attribute(&arena, "item/number", "db.type/long"),
                           attribute(&arena, "item/name", "db.type/string"),
                           attribute(&arena, "item/price", "db.type/double"),
                           attribute(&arena, "item/count", "db.type/long") };
    lion_form ops = lion_form_list(&arena, schema, 4);
    transact(connection, &ops);
    lion_arena_deinit(&arena);
    for (int64_t i = 0; i < count; i++) commit(connection, i);
    char order = 0;
    if (write(answers, &order, 1) != 1) return 1;
    for (int64_t i = count; read(orders, &order, 1) == 1; i++) {
        commit(connection, i);
        if (write(answers, &order, 1) != 1) return 1;
    }
    check(lion_connection_close(connection, &error), &error);
    return 0;
}

typedef struct writer {
    pid_t pid;
    int orders, answers;
} writer;

static void wait_for(const writer *self)
{
    char answer;
    if (read(self->answers, &answer, 1) != 1) exit(1);
}

static writer start(int64_t count)
{
    int orders[2], answers[2];
    if (pipe(orders) != 0 || pipe(answers) != 0) exit(1);
    char text[3][24];
    snprintf(text[0], 24, "%lld", (long long)count);
    snprintf(text[1], 24, "%d", orders[0]);
    snprintf(text[2], 24, "%d", answers[1]);
    writer self = { .pid = fork(), .orders = orders[1], .answers = answers[0] };
    if (self.pid == 0) {
        close(orders[1]);
        close(answers[0]);
        execl("/proc/self/exe", "reader_bench", "write", path, text[0], text[1], text[2], (char *)NULL);
        _exit(1);
    }
    close(orders[0]);
    close(answers[1]);
    wait_for(&self);
    return self;
}

static void end(writer *self)
{
    close(self->orders);
    waitpid(self->pid, NULL, 0);
    close(self->answers);
    static const char *const SUFFIXES[] = { "", "-log", "-owner", "-lock" };
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++) {
        char name[560];
        snprintf(name, sizeof name, "%s%s", path, SUFFIXES[i]);
        unlink(name);
    }
}

/* ---- the reader ---- */

static int64_t sync_ns(lion_connection *reader)
{
    lion_error error = { 0 };
    lion_db *db = NULL;
    int64_t start_ns = lion_clock_monotonic_ns();
    check(lion_connection_sync(&db, reader, 0, 0, &error), &error);
    int64_t took_ns = lion_clock_monotonic_ns() - start_ns;
    lion_db_drop(db);
    return took_ns;
}

static int by_size(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static void print(const char *what, int64_t *times_ns, size_t count)
{
    qsort(times_ns, count, sizeof *times_ns, by_size);
    printf("  %-34s %9.2f µs median %9.2f µs p99\n", what, (double)times_ns[count / 2] / 1e3,
           (double)times_ns[count * 99 / 100] / 1e3);
}

static void measure(int64_t in_tail)
{
    static int64_t times_ns[SYNCS];
    lion_error error = { 0 };
    lion_connection *reader = NULL;
    lion_connection_options options = { .read_only = true };
    writer writing = start(in_tail);
    printf("%lld transactions in the tail\n", (long long)in_tail);
    check(lion_connection_open(&reader, path, &options, &error), &error);
    size_t count = 0;
    int64_t until_ns = lion_clock_monotonic_ns() + INT64_C(3000000000); /* a slow one is not measured for ever */
    while (count < SYNCS && (count < 10 || lion_clock_monotonic_ns() < until_ns)) times_ns[count++] = sync_ns(reader);
    print("nothing new", times_ns, count);
    until_ns = lion_clock_monotonic_ns() + INT64_C(5000000000);
    for (count = 0; count < COMMITS && (count < 10 || lion_clock_monotonic_ns() < until_ns); count++) {
        if (write(writing.orders, "x", 1) != 1) exit(1);
        wait_for(&writing);
        times_ns[count] = sync_ns(reader);
    }
    print("one transaction of five datoms", times_ns, count);
    check(lion_connection_close(reader, &error), &error);
    end(&writing);
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "write") == 0)
        return write_on(argv[2], atoll(argv[3]), atoi(argv[4]), atoi(argv[5]));
    char folder[400];
    snprintf(folder, sizeof folder, "%s/lion-reader-XXXXXX", argc > 1 ? argv[1] : "/tmp");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/a.lion", folder);
    setvbuf(stdout, NULL, _IOLBF, 0);
    measure(10);
    measure(MUCH);
    rmdir(folder);
    return 0;
}
