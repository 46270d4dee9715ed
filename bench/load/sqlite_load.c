/* sqlite_load.c - the peer: the same facts into SQLite as a table (e, a, v, tx) with three covering orders, WAL,
 * synchronous=FULL, one transaction for each of Lion's.   sqlite_load FACTS FILE.sqlite  */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

typedef struct fact {
    int64_t e, tx;
    int a;
    const char *v;
    int is_number;
} fact;

static char *names[1024];
static int name_count;

/* Attributes are numbers in both. */
static int attribute(char *name)
{
    for (int i = 0; i < name_count; i++)
        if (strcmp(names[i], name) == 0) return i;
    names[name_count] = name;
    return name_count++;
}

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec * 1e-9;
}

static void run(sqlite3 *db, const char *sql)
{
    char *error = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &error) == SQLITE_OK) return;
    fprintf(stderr, "%s: %s\n", sql, error);
    exit(1);
}

static char *read_all(const char *path, size_t *size_out)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) exit(1);
    *size_out = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size_out + 1);
    if (bytes == NULL || fread(bytes, 1, *size_out, file) != *size_out) exit(1);
    bytes[*size_out] = 0;
    fclose(file);
    return bytes;
}

static fact *parse(char *bytes, size_t size, size_t *count_out)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++) count += bytes[i] == '\n';
    fact *facts = malloc((count + 1) * sizeof *facts);
    if (facts == NULL) exit(1);
    char *line = bytes;
    for (size_t i = 0; i < count; i++) {
        fact *f = &facts[i];
        f->e = strtoll(strsep(&line, "\t"), NULL, 10);
        f->a = attribute(strsep(&line, "\t"));
        f->v = strsep(&line, "\t");
        f->tx = strtoll(strsep(&line, "\t"), NULL, 10);
        f->is_number = *strsep(&line, "\n") == '1';
    }
    *count_out = count;
    return facts;
}

static void insert(sqlite3 *db, sqlite3_stmt *statement, const fact *f)
{
    sqlite3_bind_int64(statement, 1, f->e);
    sqlite3_bind_int(statement, 2, f->a);
    if (f->is_number)
        sqlite3_bind_int64(statement, 3, strtoll(f->v, NULL, 10));
    else
        sqlite3_bind_text(statement, 3, f->v, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 4, f->tx);
    if (sqlite3_step(statement) != SQLITE_DONE) {
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
        exit(1);
    }
    sqlite3_reset(statement);
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 3) return 2;
    size_t size, count;
    char *bytes = read_all(arguments[1], &size);
    fact *facts = parse(bytes, size, &count);

    sqlite3 *db;
    remove(arguments[2]);
    if (sqlite3_open(arguments[2], &db) != SQLITE_OK) return 1;
    run(db, "PRAGMA journal_mode=WAL");
    run(db, "PRAGMA synchronous=FULL");
    run(db, "PRAGMA cache_size=-262144");
    run(db, "CREATE TABLE datoms (e INTEGER, a INTEGER, v, tx INTEGER, PRIMARY KEY (e, a, v, tx)) WITHOUT ROWID");
    run(db, "CREATE INDEX aevt ON datoms (a, e, v, tx)");
    run(db, "CREATE INDEX avet ON datoms (a, v, e, tx)");
    sqlite3_stmt *statement;
    sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO datoms VALUES (?, ?, ?, ?)", -1, &statement, NULL);

    double start = now();
    for (size_t i = 0; i < count;) {
        run(db, "BEGIN");
        int64_t tx = facts[i].tx;
        for (; i < count && facts[i].tx == tx; i++) insert(db, statement, &facts[i]);
        run(db, "COMMIT");
    }
    double loading = now() - start;
    run(db, "PRAGMA wal_checkpoint(TRUNCATE)");
    double seconds = now() - start;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    struct stat at;
    if (stat(arguments[2], &at) != 0) return 1;
    printf("sqlite  %9zu facts  %6.2f s + %.2f s closing  %9.0f facts/s  %5.1f bytes/fact\n", count, loading,
           seconds - loading, (double)count / seconds, (double)at.st_size / (double)count);
    return 0;
}
