/* lookup_bench.c - an entity by its unique key, with five of its attributes, through lion.h alone,
 * beside one get of the same record in LMDB. `lookup_bench [entities] [folder]`, default 100,000 in
 * /tmp. Both are files, warm; keys come in random order; one thread; the least of ROUNDS, which
 * take turns. The bytes of the name are looked at on both sides. */
#include <lion.h>
#include <lmdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../measure.h"

#define PROBES 300000
#define ROUNDS 7
#define BATCH 10000 /* entities a transaction */

static lion_error error;
static size_t entities = 100000;

static void must(bool is_fine, const char *what)
{
    if (is_fine) return;
    fprintf(stderr, "%s: %s: %s\n", what, error.code, error.message);
    exit(1);
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

/* ---- Lion ---- */

typedef struct lion_reader {
    lion_db *db;
    lion_facts *facts; /* NULL: each by itself */
    uint32_t ids[6];
    lion_arena arena;
} lion_reader;

static void open_lion(lion_reader *self, lion_connection *connection, bool keeps_open)
{
    memset(self, 0, sizeof *self);
    lion_arena_init(&self->arena, 0);
    must(lion_connection_db(&self->db, connection, &error) == LION_OK, "db");
    for (int i = 0; i < 6; i++) {
        lion_slice name = lion_slice_text(names[i]);
        self->ids[i] = lion_schema_attribute_named(lion_db_schema(self->db), name)->id;
    }
    const uint32_t *ids = self->ids;
    if (keeps_open)
        must(lion_facts_open(&self->facts, self->db, ids[0], &ids[1], 5, &self->arena, &error) ==
                 LION_OK,
             "facts");
}

static void close_lion(lion_reader *self)
{
    lion_arena_deinit(&self->arena);
    lion_db_drop(self->db);
}

static double measure_lion(lion_reader *self)
{
    uint64_t seed = 88172645463325252u;
    int64_t sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        int64_t id;
        lion_value values[5], wanted = make_key(key, &seed);
        if (self->facts != NULL) {
            must(lion_facts_find(&id, self->facts, wanted, &error) == LION_OK, "find");
            must(lion_facts_get(values, self->facts, id, &error) == LION_OK, "get");
        } else {
            must(lion_db_lookup(&id, self->db, self->ids[0], wanted, &error) == LION_OK, "lookup");
            must(lion_db_get(values, self->db, id, &self->ids[1], 5, &error) == LION_OK, "get");
        }
        sum += values[1].bits + values[0].data[values[0].size - 1];
    }
    must(sum > 0, "sum");
    return (now_ns() - start) / PROBES;
}

/* ---- LMDB ---- */

typedef struct record {
    char name[24];
    int64_t count, other;
    double price;
    bool done;
} record;

typedef struct lmdb_reader {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
} lmdb_reader;

static void open_lmdb(lmdb_reader *self, const char *path)
{
    MDB_txn *txn;
    must(mdb_env_create(&self->env) == 0 && mdb_env_set_mapsize(self->env, (size_t)1 << 32) == 0,
         "env");
    must(mdb_env_open(self->env, path, MDB_NOSUBDIR | MDB_NOSYNC | MDB_NOLOCK, 0644) == 0, "open");
    must(mdb_txn_begin(self->env, NULL, 0, &txn) == 0, "begin");
    must(mdb_dbi_open(txn, NULL, 0, &self->dbi) == 0, "open");
    for (size_t i = 0; i < entities; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%08u", (unsigned)(i * 7919 % entities));
        record made = { .count = (int64_t)i, .other = (int64_t)(i % 100), .price = (double)i / 4 };
        snprintf(made.name, sizeof made.name, "name of %u", (unsigned)i);
        MDB_val k = { 12, key }, v = { sizeof made, &made };
        must(mdb_put(txn, self->dbi, &k, &v, 0) == 0, "put");
    }
    must(mdb_txn_commit(txn) == 0, "commit");
    must(mdb_txn_begin(self->env, NULL, MDB_RDONLY, &self->txn) == 0, "begin");
}

static double measure_lmdb(lmdb_reader *self)
{
    uint64_t seed = 88172645463325252u;
    int64_t sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        snprintf(key, sizeof key, "key-%08u", (unsigned)(next_random(&seed) % entities));
        MDB_val k = { 12, key }, v;
        must(mdb_get(self->txn, self->dbi, &k, &v) == 0, "mdb_get");
        record found;
        memcpy(&found, v.mv_data, sizeof found);
        sum += found.count + (int64_t)strlen(found.name);
    }
    must(sum > 0, "sum");
    return (now_ns() - start) / PROBES;
}

/* What it takes to make the keys alone. */
static double measure_keys(void)
{
    uint64_t seed = 88172645463325252u;
    unsigned sum = 0;
    double start = now_ns();
    for (int i = 0; i < PROBES; i++) {
        char key[16];
        make_key(key, &seed);
        sum += (unsigned char)key[11];
    }
    must(sum > 0, "sum");
    return (now_ns() - start) / PROBES;
}

static void keep_least(double *least, double found)
{
    if (*least == 0 || found < *least) *least = found;
}

static void print_line(const char *what, double ns, double lmdb)
{
    printf("  %-16s %6.0f   %.2f x LMDB\n", what, ns, ns / lmdb);
}

int main(int count, char **arguments)
{
    if (count > 1) entities = strtoul(arguments[1], NULL, 10);
    char path[256], raw[256];
    snprintf(path, sizeof path, "%s/lookup-%d.lion", count > 2 ? arguments[2] : "/tmp", getpid());
    snprintf(raw, sizeof raw, "%s/lookup-%d.mdb", count > 2 ? arguments[2] : "/tmp", getpid());
    lion_connection *connection = NULL;
    lion_connection_options options = { .durability = LION_DURABILITY_NONE,
                                        .novelty_max = (uint64_t)4 << 30 }; /* no job by itself */
    lion_arena arena;
    lion_arena_init(&arena, 0);
    must(lion_connection_open(&connection, path, &options, &error) == LION_OK, "open");
    install(connection, &arena);
    fill(connection, &arena);

    lion_reader fresh, kept, single;
    lmdb_reader raw_reader;
    int64_t t = 0;
    open_lion(&fresh, connection, false);
    must(lion_connection_index(&t, connection, &error) == LION_OK, "index");
    open_lion(&kept, connection, true);
    open_lion(&single, connection, false);
    open_lmdb(&raw_reader, raw);
    double keys = 0, in_memory = 0, in_trees = 0, kept_open = 0, lmdb = 0;
    for (int round = 0; round < ROUNDS; round++) {
        keep_least(&keys, measure_keys());
        keep_least(&kept_open, measure_lion(&kept));
        keep_least(&lmdb, measure_lmdb(&raw_reader));
        keep_least(&in_trees, measure_lion(&single));
        keep_least(&in_memory, measure_lion(&fresh));
    }
    printf("%zu entities, by unique key with 5 attributes, ns each\n", entities);
    print_line("lion, kept open", kept_open - keys, lmdb - keys);
    print_line("lion, in trees", in_trees - keys, lmdb - keys);
    print_line("lion, in memory", in_memory - keys, lmdb - keys);
    print_line("lmdb, one record", lmdb - keys, lmdb - keys);

    close_lion(&fresh);
    close_lion(&kept);
    close_lion(&single);
    mdb_txn_abort(raw_reader.txn);
    mdb_env_close(raw_reader.env);
    lion_arena_deinit(&arena);
    must(lion_connection_close(connection, &error) == LION_OK, "close");
    must(lion_connection_delete(path, &error) == LION_OK && unlink(raw) == 0, "delete");
    return 0;
}
