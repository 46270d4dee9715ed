/* lookup_bench.c - an entity by its unique key, with five of its attributes, through lion.h alone,
 * beside one get of the same record in LMDB. `lookup_bench [entities] [folder]`, default 100,000 in
 * /tmp. Both are files, warm; keys come in random order; one thread. */
#include <lion.h>
#include <lmdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PROBES 1000000
#define BATCH 10000 /* entities a transaction */

static lion_error error;
static size_t entities = 100000;

static void must(bool is_fine, const char *what)
{
    if (is_fine) return;
    fprintf(stderr, "%s: %s: %s\n", what, error.code, error.message);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static const char *const names[] = { "item/key",   "item/name",  "item/count",
                                     "item/price", "item/other", "item/done" };
static const char *const types[] = { "db.type/string", "db.type/string", "db.type/long",
                                     "db.type/double", "db.type/long",   "db.type/boolean" };

static void transact(lion_connection *connection, const lion_forms *ops)
{
    lion_form form = lion_form_list(ops->arena, ops->items, ops->count);
    must(lion_transact(NULL, connection, &form, NULL, &error) == LION_OK, "transact");
}

static void install(lion_connection *connection, lion_arena *arena)
{
    lion_forms ops = { .arena = arena };
    for (int i = 0; i < 6; i++) {
        lion_entry entries[] = { { "db/ident", lion_form_keyword(names[i]) },
                                 { "db/valueType", lion_form_keyword(types[i]) },
                                 { "db/cardinality", lion_form_keyword("db.cardinality/one") },
                                 { "db/unique", lion_form_keyword("db.unique/identity") } };
        lion_forms_add(&ops, lion_form_entries(arena, entries, i == 0 ? 4 : 3));
    }
    transact(connection, &ops);
}

static char *text(lion_arena *arena, const char *format, size_t n)
{
    char *out = lion_arena_alloc(arena, 32);
    snprintf(out, 32, format, (unsigned)n);
    return out;
}

static void fill(lion_connection *connection, lion_arena *arena)
{
    for (size_t at = 0; at < entities; at += BATCH) {
        lion_arena_reset(arena);
        lion_forms ops = { .arena = arena };
        for (size_t i = at; i < at + BATCH && i < entities; i++) {
            lion_entry entries[] = {
                { names[0], lion_form_string(text(arena, "key-%08u", i * 7919 % entities)) },
                { names[1], lion_form_string(text(arena, "name of %u", i)) },
                { names[2], lion_form_long((int64_t)i) },
                { names[3], lion_form_double((double)i / 4) },
                { names[4], lion_form_long((int64_t)(i % 100)) },
                { names[5], lion_form_boolean(i % 2 == 0) },
            };
            lion_forms_add(&ops, lion_form_entries(arena, entries, 6));
        }
        transact(connection, &ops);
    }
}

static lion_value make_key(char text[16], uint64_t *seed)
{
    snprintf(text, 16, "key-%08u", (unsigned)(next_random(seed) % entities));
    return lion_value_bytes(LION_TYPE_STRING, lion_slice_of(text, 12));
}

/* keeps_open: by lion_facts, else each by itself. */
static double measure_lion(lion_connection *connection, bool keeps_open)
{
    lion_db *db = NULL;
    lion_facts *facts = NULL;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    must(lion_connection_db(&db, connection, &error) == LION_OK, "db");
    uint32_t ids[6];
    for (int i = 0; i < 6; i++)
        ids[i] = lion_schema_attribute_named(lion_db_schema(db), lion_slice_text(names[i]))->id;
    must(lion_facts_open(&facts, db, ids[0], &ids[1], 5, &arena, &error) == LION_OK, "facts");
    uint64_t seed = 88172645463325252u;
    int64_t sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        int64_t id;
        lion_value values[5], wanted = make_key(key, &seed);
        if (keeps_open) {
            must(lion_facts_find(&id, facts, wanted, &error) == LION_OK, "find");
            must(lion_facts_get(values, facts, id, &error) == LION_OK, "get");
        } else {
            must(lion_db_lookup(&id, db, ids[0], wanted, &error) == LION_OK, "lookup");
            must(lion_db_get(values, db, id, &ids[1], 5, &error) == LION_OK, "get");
        }
        sum += values[1].bits + values[0].size;
    }
    double each = (now_ns() - start) / PROBES;
    must(sum > 0, "sum");
    lion_arena_deinit(&arena);
    lion_db_drop(db);
    return each;
}

typedef struct record {
    char name[24];
    int64_t count, other;
    double price;
    bool done;
} record;

static double measure_lmdb(const char *path)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    must(mdb_env_create(&env) == 0 && mdb_env_set_mapsize(env, (size_t)1 << 32) == 0, "env");
    must(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0644) == 0, "open");
    must(mdb_txn_begin(env, NULL, 0, &txn) == 0 && mdb_dbi_open(txn, NULL, 0, &dbi) == 0, "begin");
    for (size_t i = 0; i < entities; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%08u", (unsigned)(i * 7919 % entities));
        record made = { .count = (int64_t)i, .other = (int64_t)(i % 100), .price = (double)i / 4 };
        snprintf(made.name, sizeof made.name, "name of %u", (unsigned)i);
        MDB_val k = { 12, key }, v = { sizeof made, &made };
        must(mdb_put(txn, dbi, &k, &v, 0) == 0, "put");
    }
    must(mdb_txn_commit(txn) == 0 && mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) == 0, "commit");
    uint64_t seed = 88172645463325252u;
    int64_t sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%08u", (unsigned)(next_random(&seed) % entities));
        MDB_val k = { 12, key }, v;
        must(mdb_get(txn, dbi, &k, &v) == 0, "mdb_get");
        record found;
        memcpy(&found, v.mv_data, sizeof found);
        sum += found.count + (int64_t)strlen(found.name);
    }
    double each = (now_ns() - start) / PROBES;
    must(sum > 0, "sum");
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return each;
}

static double measure_keys(void)
{
    uint64_t seed = 88172645463325252u;
    unsigned sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%08u", (unsigned)(next_random(&seed) % entities));
        sum += (unsigned char)key[11];
    }
    must(sum > 0, "sum");
    return (now_ns() - start) / PROBES;
}

int main(int count, char **arguments)
{
    if (count > 1) entities = strtoul(arguments[1], NULL, 10);
    char path[256], raw[256];
    snprintf(path, sizeof path, "%s/lookup-%d.lion", count > 2 ? arguments[2] : "/tmp", getpid());
    snprintf(raw, sizeof raw, "%s/lookup-%d.mdb", count > 2 ? arguments[2] : "/tmp", getpid());
    lion_connection *connection = NULL;
    lion_connection_options options = { .durability = LION_DURABILITY_NONE };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    must(lion_connection_open(&connection, path, &options, &error) == LION_OK, "open");
    install(connection, &arena);
    fill(connection, &arena);
    double keys = measure_keys(), fresh = measure_lion(connection, false) - keys;
    int64_t t = 0;
    must(lion_connection_index(&t, connection, &error) == LION_OK, "index");
    double kept = measure_lion(connection, true) - keys;
    double indexed = measure_lion(connection, false) - keys, lmdb = measure_lmdb(raw) - keys;
    printf("%zu entities, by unique key with 5 attributes, ns each\n", entities);
    printf("  lion, kept open   %6.0f   %.2f x LMDB\n", kept, kept / lmdb);
    printf("  lion, in trees    %6.0f   %.2f x LMDB\n", indexed, indexed / lmdb);
    printf("  lion, in memory   %6.0f   %.2f x LMDB\n", fresh, fresh / lmdb);
    printf("  lmdb, one record  %6.0f\n", lmdb);
    lion_arena_deinit(&arena);
    must(lion_connection_close(connection, &error) == LION_OK, "close");
    must(lion_connection_delete(path, &error) == LION_OK && unlink(raw) == 0, "delete");
    return 0;
}
