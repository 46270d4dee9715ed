/* open_bench.c - what an opening costs: a file of a million datoms that was closed cleanly, the same with all of it in
 * the tail alone; resident memory after the first answer; and counts of any prefix.   open_bench [FOLDER]  */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "lion.h"

#define ENTITIES 200000
#define BATCH 1000

static char path[512];

static double now(void) { return (double)lion_clock_monotonic_ns() * 1e-9; }

static void check(lion_status status, const lion_error *error)
{
    if (status >= 0) return;
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    exit(1);
}

static lion_form attribute(lion_arena *arena, const char *name, const char *type, bool is_unique)
{
    lion_entry entries[] = { { "db/ident", lion_form_keyword(name) },
                             { "db/valueType", lion_form_keyword(type) },
                             { "db/cardinality", lion_form_keyword("db.cardinality/one") },
                             { "db/unique", lion_form_keyword("db.unique/identity") } };
    return lion_form_entries(arena, entries, is_unique ? 4 : 3);
}

static void transact(lion_connection *connection, lion_arena *arena, const lion_form *items, size_t count)
{
    lion_error error = { 0 };
    lion_form ops = lion_form_list(arena, items, count);
    check(lion_transact(NULL, connection, &ops, NULL, &error), &error);
    lion_arena_reset(arena);
}

/* A million datoms and some: five of each entity. */
static void fill(lion_connection *connection)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_form schema[] = { attribute(&arena, "item/number", "db.type/long", true),
                           attribute(&arena, "item/name", "db.type/string", false),
                           attribute(&arena, "item/price", "db.type/double", false),
                           attribute(&arena, "item/kind", "db.type/keyword", false),
                           attribute(&arena, "item/count", "db.type/long", false) };
    transact(connection, &arena, schema, 5);
    static lion_form items[BATCH];
    static char names[BATCH][32];
    for (int64_t i = 0; i < ENTITIES; i++) {
        snprintf(names[i % BATCH], 32, "item %lld", (long long)(i * 7919 % ENTITIES));
        lion_entry entries[] = { { "item/number", lion_form_long(i) },
                                 { "item/name", lion_form_string(names[i % BATCH]) },
                                 { "item/price", lion_form_value(lion_value_double((double)(i % 999) / 4)) },
                                 { "item/kind", lion_form_keyword(i % 3 ? "kind/small" : "kind/large") },
                                 { "item/count", lion_form_long(i % 17) } };
        items[i % BATCH] = lion_form_entries(&arena, entries, 5);
        if (i % BATCH == BATCH - 1) transact(connection, &arena, items, BATCH);
    }
    lion_arena_deinit(&arena);
}

static lion_connection *open_database(void)
{
    lion_error error = { 0 };
    lion_connection *connection = NULL;
    lion_connection_options options = { .novelty_max = UINT64_C(2) << 30 }; /* no index job on the way */
    check(lion_connection_open(&connection, path, &options, &error), &error);
    return connection;
}

static void remove_files(void)
{
    static const char *const SUFFIXES[] = { "", "-log", "-owner", "-lock", "-compact" };
    for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++) {
        char name[540];
        snprintf(name, sizeof name, "%s%s", path, SUFFIXES[i]);
        unlink(name);
    }
}

static double resident_mib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%ld %ld", &pages, &resident) != 2) return 0;
    fclose(file);
    return (double)(resident * sysconf(_SC_PAGESIZE)) / (1 << 20);
}

static const lion_attribute *named(const lion_db *db, const char *name)
{
    return lion_schema_attribute_named(lion_db_schema(db), lion_slice_text(name));
}

/* In a process of its own: open, ask one thing, tell. */
static void answer_first(const char *what)
{
    double before = resident_mib(), start = now();
    lion_error error = { 0 };
    lion_connection *connection = open_database();
    lion_db *db = NULL;
    check(lion_connection_db(&db, connection, &error), &error);
    uint32_t price = named(db, "item/price")->id;
    int64_t id = 0;
    lion_value value;
    check(lion_db_lookup(&id, db, named(db, "item/number")->id, lion_value_long(123456), &error), &error);
    check(lion_db_get(&value, db, id, &price, 1, &error), &error);
    double seconds = now() - start;
    printf("%-38s %10.2f ms, resident %6.1f MiB (%.1f before)\n", what, seconds * 1e3, resident_mib(), before);
    fflush(stdout);
    _exit(value.number == 123456 % 999 / 4.0 ? 0 : 1);
}

static void in_child(void (*body)(const char *), const char *what)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) body(what);
    int status = 0;
    if (waitpid(child, &status, 0) != child || status != 0) exit(1);
}

static void fill_and_die(const char *what)
{
    (void)what;
    fill(open_database());
    _exit(0); /* nothing is closed: all is in the tail */
}

static void fill_and_close(const char *what)
{
    (void)what;
    lion_error error = { 0 };
    lion_connection *connection = open_database();
    check(lion_connection_close(connection, &error), &error); /* what the child before left in the tail */
    _exit(0);
}

static void time_count(const lion_db *db, const char *what, lion_index index, const lion_form *components,
                       size_t count)
{
    enum { ROUNDS = 20000 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    uint64_t result = 0;
    double start = now();
    for (int i = 0; i < ROUNDS; i++) {
        check(lion_db_count(&result, db, index, components, count, &arena, &error), &error);
        lion_arena_reset(&arena);
    }
    printf("count of %-29s %10.2f us  (%llu)\n", what, (now() - start) / ROUNDS * 1e6, (unsigned long long)result);
    lion_arena_deinit(&arena);
}

static void counts(const char *what)
{
    lion_error error = { 0 };
    lion_connection *connection = open_database();
    lion_db *db = NULL;
    check(lion_connection_db(&db, connection, &error), &error);
    int64_t id = 0;
    check(lion_db_lookup(&id, db, named(db, "item/number")->id, lion_value_long(77777), &error), &error);
    lion_form a[] = { lion_form_string("item/kind") };
    lion_form av[] = { lion_form_string("item/kind"), lion_form_keyword("kind/large") };
    lion_form ea[] = { lion_form_long(id), lion_form_string("item/name") };
    time_count(db, "(a)", LION_AEVT, a, 1);
    time_count(db, "(a v)", LION_AVET, av, 2);
    time_count(db, "(e a)", LION_EAVT, ea, 2);
    (void)what;
    fflush(stdout);
    _exit(0);
}

int main(int count, char **arguments)
{
    snprintf(path, sizeof path, "%s/open-bench.lion", count > 1 ? arguments[1] : ".");
    remove_files();
    in_child(fill_and_die, "");
    in_child(answer_first, "1,000,000 datoms in the tail");
    in_child(fill_and_close, "");
    in_child(answer_first, "1,000,000 datoms, closed cleanly");
    in_child(answer_first, "again");
    in_child(counts, "");
    remove_files();
    return 0;
}
