/* overhead_bench.c - what a short query costs from C, through lion.h alone: prepared once, then
 * opened with its inputs, stepped to typed columns and closed; beside SQLite's prepared statement
 * in the same process. `overhead_bench [persons] [line] [times]`: `line` runs that line alone, so
 * many times, for a profiler. Warm, one thread, processor time; the least of ROUNDS, which take
 * turns. Answers are compared before times. */
#include <lion.h>
#include <sqlite3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../measure.h"

#define ROUNDS 9
#define RUNS 4000
#define NEW_RUNS 200
#define NAMES 1000
#define BATCH 5000
#define KEY_FIRST 7000000

static lion_error error;
static size_t persons = 20000;

static void must(bool is_fine, const char *what)
{
    if (is_fine) return;
    fprintf(stderr, "%s: %s: %s\n", what, error.code, error.message);
    exit(1);
}

/* ---- the data: persons with Zipf names ---- */

typedef struct person {
    int64_t key, age, salary;
    char name[16], last_name[16];
    bool is_male;
} person;

static person *make_persons(void)
{
    person *all = calloc(persons, sizeof *all);
    must(all != NULL, "memory");
    double sums[NAMES], sum = 0;
    uint64_t seed = 88172645463325252u;
    for (int i = 0; i < NAMES; i++) sums[i] = sum += 1.0 / (i + 1);
    for (size_t i = 0; i < persons; i++) {
        double wanted = (double)(next_random(&seed) >> 11) * 0x1p-53 * sum;
        unsigned rank = 0;
        while (rank < NAMES - 1 && sums[rank] < wanted) rank++;
        all[i] = (person){ .key = KEY_FIRST + (int64_t)i,
                           .age = (int64_t)(next_random(&seed) % 100),
                           .salary = (int64_t)(next_random(&seed) % 100000),
                           .is_male = next_random(&seed) % 2 == 0 };
        snprintf(all[i].name, sizeof all[i].name, "name%04u", rank + 1);
        snprintf(all[i].last_name, sizeof all[i].last_name, "last%u",
                 (unsigned)(next_random(&seed) % 100));
    }
    return all;
}

static const char *const columns[][2] = {
    { "person/key", "db.type/long" },         { "person/name", "db.type/string" },
    { "person/last_name", "db.type/string" }, { "person/sex", "db.type/string" },
    { "person/age", "db.type/long" },         { "person/salary", "db.type/long" },
};

static void transact(lion_connection *connection, const lion_forms *ops)
{
    lion_form form = lion_form_list(ops->arena, ops->items, ops->count);
    must(lion_transact(NULL, connection, &form, NULL, &error) == LION_OK, "transact");
}

static void fill_lion(lion_connection *connection, const person *all)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_forms ops = { .arena = &arena };
    for (int i = 0; i < 6; i++) {
        lion_entry entries[] = { { "db/ident", lion_form_keyword(columns[i][0]) },
                                 { "db/valueType", lion_form_keyword(columns[i][1]) },
                                 { "db/cardinality", lion_form_keyword("db.cardinality/one") },
                                 { "db/unique", lion_form_keyword("db.unique/identity") } };
        lion_forms_add(&ops, lion_form_entries(&arena, entries, i == 0 ? 4 : 3));
    }
    transact(connection, &ops);
    for (size_t at = 0; at < persons; at += BATCH) {
        lion_arena_reset(&arena);
        ops = (lion_forms){ .arena = &arena };
        for (size_t i = at; i < at + BATCH && i < persons; i++) {
            const person *one = &all[i];
            lion_entry entries[] = {
                { columns[0][0], lion_form_long(one->key) },
                { columns[1][0], lion_form_string(one->name) },
                { columns[2][0], lion_form_string(one->last_name) },
                { columns[3][0], lion_form_string(one->is_male ? "male" : "female") },
                { columns[4][0], lion_form_long(one->age) },
                { columns[5][0], lion_form_long(one->salary) },
            };
            lion_forms_add(&ops, lion_form_entries(&arena, entries, 6));
        }
        transact(connection, &ops);
    }
    lion_arena_deinit(&arena);
    int64_t t = 0;
    must(lion_connection_index(&t, connection, &error) == LION_OK, "index");
}

static void run_sql(sqlite3 *sqlite, const char *text)
{
    if (sqlite3_exec(sqlite, text, NULL, NULL, NULL) == SQLITE_OK) return;
    fprintf(stderr, "%s: %s\n", text, sqlite3_errmsg(sqlite));
    exit(1);
}

static void fill_sqlite(sqlite3 *sqlite, const person *all)
{
    run_sql(sqlite, "create table person(id integer primary key, key integer unique, name text, "
                    "last_name text, sex text, age integer, salary integer)");
    run_sql(sqlite, "begin");
    sqlite3_stmt *insert = NULL;
    must(sqlite3_prepare_v2(sqlite, "insert into person values(null, ?, ?, ?, ?, ?, ?)", -1,
                            &insert, NULL) == SQLITE_OK,
         "insert");
    for (size_t i = 0; i < persons; i++) {
        const person *one = &all[i];
        sqlite3_bind_int64(insert, 1, one->key);
        sqlite3_bind_text(insert, 2, one->name, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 3, one->last_name, -1, SQLITE_STATIC);
        sqlite3_bind_text(insert, 4, one->is_male ? "male" : "female", -1, SQLITE_STATIC);
        sqlite3_bind_int64(insert, 5, one->age);
        sqlite3_bind_int64(insert, 6, one->salary);
        must(sqlite3_step(insert) == SQLITE_DONE, "insert");
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run_sql(sqlite, "commit");
    run_sql(sqlite, "create index person_name on person(name)");
    run_sql(sqlite, "create index person_last_name on person(last_name)");
    run_sql(sqlite, "create index person_sex on person(sex)");
    run_sql(sqlite, "create index person_age on person(age)");
    run_sql(sqlite, "create index person_salary on person(salary)");
    run_sql(sqlite, "analyze");
}

/* ---- the lines ---- */

/* Clauses as [?e attribute term]; a term is a variable where it begins with '?'. */
typedef struct line {
    const char *title;
    const char *where[4][2];
    const char *at_least; /* variable of a predicate [(>= ?a 0)], or NULL */
    const char *find[3];
    const char *input; /* its variable */
    bool is_name;      /* the input is the rarest name, else a key */
    const char *sql;
} line;

static const line lines[] = {
    { .title = "a rare name",
      .where = { { "person/name", "?n" } },
      .find = { "?e" },
      .input = "?n",
      .is_name = true,
      .sql = "select id from person where name = ?" },
    { .title = "a rare name, its age",
      .where = { { "person/name", "?n" }, { "person/age", "?a" } },
      .find = { "?e", "?a" },
      .input = "?n",
      .is_name = true,
      .sql = "select id, age from person where name = ?" },
    { .title = "a key",
      .where = { { "person/key", "?k" } },
      .find = { "?e" },
      .input = "?k",
      .sql = "select id from person where key = ?" },
    { .title = "three clauses, one answer",
      .where = { { "person/key", "?k" }, { "person/name", "?n" }, { "person/age", "?a" } },
      .find = { "?n", "?a" },
      .input = "?k",
      .sql = "select name, age from person where key = ?" },
    { .title = "four clauses and a predicate",
      .where = { { "person/salary", "?s" },
                 { "person/name", "?n" },
                 { "person/key", "?k" },
                 { "person/age", "?a" } },
      .at_least = "?a",
      .find = { "?n", "?a", "?s" },
      .input = "?k",
      .sql = "select name, age, salary from person where key = ? and age >= 0" },
};
#define LINES (sizeof lines / sizeof *lines)

typedef struct bench {
    lion_db *db;
    lion_query *queries[LINES];
    sqlite3 *sqlite;
    sqlite3_stmt *statements[LINES];
    const char *name;
    int64_t key;
} bench;

static lion_query *prepare(const line *from)
{
    lion_arena arena;
    lion_query_builder builder;
    lion_query *query = NULL;
    lion_arena_init(&arena, 0);
    lion_query_builder_init(&builder, &arena);
    for (int i = 0; i < 4 && from->where[i][0] != NULL; i++)
        lion_query_where(&builder, lion_var("?e"), from->where[i][0], lion_var(from->where[i][1]));
    if (from->at_least != NULL)
        lion_query_predicate(&builder,
                             ">=", (lion_form[]){ lion_var(from->at_least), lion_form_long(0) }, 2);
    lion_query_in(&builder, from->input);
    for (int i = 0; i < 3 && from->find[i] != NULL; i++) lion_query_find(&builder, from->find[i]);
    must(lion_query_build(&query, &builder, &error) == LION_OK, "build");
    lion_arena_deinit(&arena);
    return query;
}

/* What both sides look at of a row: the numbers of its columns, and the last byte of each text. */
static int64_t ask_lion(const bench *self, size_t at, uint64_t *rows)
{
    lion_form form = lines[at].is_name ? lion_form_string(self->name) : lion_form_long(self->key);
    lion_query_input inputs[] = { lion_query_input_db(self->db), lion_query_input_form(form) };
    lion_query_run *run = NULL;
    lion_query_batch batch;
    lion_status status;
    int64_t sum = 0;
    must(lion_query_open(&run, self->queries[at], inputs, 2, NULL, &error) == LION_OK, "open");
    while ((status = lion_query_next(run, &batch, &error)) == LION_OK) {
        for (uint32_t i = 0; i < batch.width; i++) {
            const lion_vector *column = &batch.columns[i];
            if (column->type == LION_TYPE_REF) continue; /* ids differ between the two */
            for (uint32_t k = 0; k < batch.count; k++) {
                lion_value value = lion_vector_get(column, k);
                sum += column->type == LION_TYPE_STRING ? value.data[value.size - 1] : value.bits;
            }
        }
        *rows += batch.count;
    }
    must(status == LION_END, "next");
    lion_query_close(run);
    return sum;
}

static int64_t ask_sqlite(const bench *self, size_t at, uint64_t *rows)
{
    sqlite3_stmt *statement = self->statements[at];
    int64_t sum = 0;
    if (lines[at].is_name)
        sqlite3_bind_text(statement, 1, self->name, -1, SQLITE_STATIC);
    else
        sqlite3_bind_int64(statement, 1, self->key);
    while (sqlite3_step(statement) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(statement); i++) {
            if (*lines[at].find[i] == '?' && lines[at].find[i][1] == 'e') {
                (void)sqlite3_column_int64(statement, i);
            } else if (sqlite3_column_type(statement, i) == SQLITE_TEXT) {
                int size = sqlite3_column_bytes(statement, i);
                sum += ((const char *)sqlite3_column_text(statement, i))[size - 1];
            } else {
                sum += sqlite3_column_int64(statement, i);
            }
        }
        ++*rows;
    }
    sqlite3_reset(statement);
    return sum;
}

static double measure(const bench *self, size_t at,
                      int64_t (*ask)(const bench *, size_t, uint64_t *), int runs)
{
    uint64_t rows = 0;
    double start = now_ns();
    for (int i = 0; i < runs; i++) ask(self, at, &rows);
    must(rows > 0, "rows");
    return (now_ns() - start) / runs;
}

static void compare(const bench *self, size_t at)
{
    uint64_t ours = 0, theirs = 0;
    int64_t sum = ask_lion(self, at, &ours);
    must(sum == ask_sqlite(self, at, &theirs) && ours == theirs, lines[at].title);
}

/* ---- queries that are new ---- */

/* A chain of entities, each joined to the next by a value, that begins at a key which nobody has:
 * planned whole, and ended at once. */
static void ask_of_chain(lion_query_builder *builder, int entities, int64_t key)
{
    static const char *const names[] = { "?e0",  "?e1",  "?e2",  "?e3",  "?e4",  "?e5",
                                         "?e6",  "?e7",  "?e8",  "?e9",  "?e10", "?e11",
                                         "?e12", "?e13", "?e14", "?e15", "?e16" };
    static const char *const joins[] = { "?v0",  "?v1",  "?v2",  "?v3", "?v4",  "?v5",
                                         "?v6",  "?v7",  "?v8",  "?v9", "?v10", "?v11",
                                         "?v12", "?v13", "?v14", "?v15" };
    lion_query_where(builder, lion_var(names[0]), "person/key", lion_form_long(key));
    for (int k = 0; k + 1 < entities; k++) {
        const char *attribute = k % 2 == 0 ? "person/age" : "person/salary";
        lion_query_where(builder, lion_var(names[k]), attribute, lion_var(joins[k]));
        lion_query_where(builder, lion_var(names[k + 1]), attribute, lion_var(joins[k]));
    }
    lion_query_find(builder, names[0]);
}

/* Made, planned and run. */
static double measure_new(const bench *self, int entities)
{
    double start = now_ns();
    for (int i = 0; i < NEW_RUNS; i++) {
        lion_arena arena;
        lion_query_builder builder;
        lion_query *query = NULL;
        lion_query_run *run = NULL;
        lion_query_batch batch;
        lion_arena_init(&arena, 0);
        lion_query_builder_init(&builder, &arena);
        ask_of_chain(&builder, entities, -1 - i);
        lion_query_input input = lion_query_input_db(self->db);
        must(lion_query_build(&query, &builder, &error) == LION_OK, "build");
        must(lion_query_open(&run, query, &input, 1, NULL, &error) == LION_OK, "open");
        must(lion_query_next(run, &batch, &error) == LION_END, "next");
        lion_query_close(run);
        lion_query_drop(query);
        lion_arena_deinit(&arena);
    }
    return (now_ns() - start) / NEW_RUNS;
}

/* ---- the table ---- */

static void keep_least(double *least, double found)
{
    if (*least == 0 || found < *least) *least = found;
}

static const struct {
    const char *title;
    int entities;
} news[] = { { "new, 3 clauses", 2 }, { "new, 13 clauses", 7 }, { "new, 17 relations", 17 } };
#define NEWS (sizeof news / sizeof *news)

static void print_table(const bench *self)
{
    double lion[LINES] = { 0 }, sqlite[LINES] = { 0 }, made[NEWS] = { 0 };
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t at = 0; at < LINES; at++) {
            keep_least(&lion[at], measure(self, at, ask_lion, RUNS));
            keep_least(&sqlite[at], measure(self, at, ask_sqlite, RUNS));
        }
        for (size_t at = 0; at < NEWS; at++)
            keep_least(&made[at], measure_new(self, news[at].entities));
    }
    printf("%zu persons, prepared, from C; us of processor time\n\n", persons);
    printf(
        "| query                          |    Lion |  SQLite | ratio |\n|---|---:|---:|---:|\n");
    for (size_t at = 0; at < LINES; at++)
        printf("| %-30s | %7.2f | %7.2f | %5.2f |\n", lines[at].title, lion[at] / 1e3,
               sqlite[at] / 1e3, sqlite[at] / lion[at]);
    for (size_t at = 0; at < NEWS; at++)
        printf("| %-30s | %7.2f |         |       |\n", news[at].title, made[at] / 1e3);
}

/* A name that few persons have. */
static const char *rarest_name(const person *all)
{
    size_t counts[NAMES + 1] = { 0 }, best = 0;
    for (size_t i = 0; i < persons; i++) counts[atoi(all[i].name + 4)]++;
    for (size_t i = 0; i < persons; i++)
        if (counts[atoi(all[i].name + 4)] < counts[atoi(all[best].name + 4)]) best = i;
    return all[best].name;
}

int main(int count, char **arguments)
{
    if (count > 1) persons = strtoul(arguments[1], NULL, 10);
    lion_connection *connection = NULL;
    must(lion_connection_open(&connection, "mem:", NULL, &error) == LION_OK, "open");
    person *all = make_persons();
    bench self = { .name = rarest_name(all), .key = KEY_FIRST + (int64_t)persons / 16 };
    fill_lion(connection, all);
    must(lion_connection_db(&self.db, connection, &error) == LION_OK, "db");
    must(sqlite3_open(":memory:", &self.sqlite) == SQLITE_OK, "sqlite");
    fill_sqlite(self.sqlite, all);
    for (size_t at = 0; at < LINES; at++) {
        self.queries[at] = prepare(&lines[at]);
        must(sqlite3_prepare_v2(self.sqlite, lines[at].sql, -1, &self.statements[at], NULL) ==
                 SQLITE_OK,
             lines[at].sql);
        compare(&self, at);
    }
    size_t alone = count > 2 ? strtoul(arguments[2], NULL, 10) : LINES;
    int times = count > 3 ? atoi(arguments[3]) : RUNS;
    if (alone < LINES)
        printf("%s: %.2f us\n", lines[alone].title, measure(&self, alone, ask_lion, times) / 1e3);
    else
        print_table(&self);

    for (size_t at = 0; at < LINES; at++) {
        lion_query_drop(self.queries[at]);
        sqlite3_finalize(self.statements[at]);
    }
    sqlite3_close(self.sqlite);
    lion_db_drop(self.db);
    free(all);
    must(lion_connection_close(connection, &error) == LION_OK, "close");
    return 0;
}
