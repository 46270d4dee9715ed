/* tree_bench.c - what trees cost: building, bytes a row, look-ups, scans. `tree_bench [rows]`,
 * default one million. Everything is in memory and warm; times are of one thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "data/datom.h"
#include "index/tree.h"
#include "store/store.h"

#define PROBES 1000000
#define KEYS 4096 /* probes come from so many random rows: keys, and what they touch, are warm */

static lion_error error;
static lion_arena arena;
static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed += UINT64_C(0x9e3779b97f4a7c15);
    return lion_hash_u64(seed);
}

static void must(lion_status status)
{
    if (status == LION_OK) return;
    fprintf(stderr, "%s: %s\n", error.code, error.message);
    exit(1);
}

static int64_t user(size_t n)
{
    return lion_id_make(LION_PARTITION_USER, (int64_t)n);
}

static lion_value text(const char *format, size_t n)
{
    return lion_value_bytes(LION_TYPE_STRING,
                            lion_slice_text(lion_arena_printf(&arena, format, (unsigned)n)));
}

static lion_value make_long(size_t n)
{
    return lion_value_long((int64_t)(n * 7919 % 100000));
}
static lion_value make_version(size_t n)
{
    return lion_value_long((int64_t)(n * 7919 % 50));
}
static lion_value make_double(size_t n)
{
    return lion_value_double((double)(n * 7919 % 99999) / 100);
}
static lion_value make_ref(size_t n)
{
    return lion_value_ref(user(n * 7919 % 1000003));
}
static lion_value make_name(size_t n)
{
    return text("name-%u", n * 7919 % 1000003);
}
static lion_value make_city(size_t n)
{
    return text("city of renown %u", n * 7919 % 500);
}
static lion_value make_uuid(size_t n)
{
    uint64_t words[2] = { lion_hash_u64(n), lion_hash_u64(n + 1) };
    return lion_value_bytes(LION_TYPE_UUID, lion_arena_copy(&arena, lion_slice_of(words, 16)));
}

typedef lion_value make_fn(size_t n);

typedef struct column {
    const char *name;
    uint8_t type;
    make_fn *make;
} column;

static const column COLUMNS[] = {
    { "long of 100k", LION_TYPE_LONG, make_long }, { "long of 50", LION_TYPE_LONG, make_version },
    { "price", LION_TYPE_DOUBLE, make_double },    { "ref of 1M", LION_TYPE_REF, make_ref },
    { "name", LION_TYPE_STRING, make_name },       { "city of 500", LION_TYPE_STRING, make_city },
    { "uuid", LION_TYPE_UUID, make_uuid },
};
#define COLUMN_COUNT (sizeof COLUMNS / sizeof COLUMNS[0])

/* ---- building ---- */

typedef struct built {
    lion_store *store;
    lion_snapshot *snapshot;
    lion_tree tree;
    lion_change *changes;
    size_t count;
    lion_datom keys[KEYS];
} built;

static uint64_t bytes_used(lion_store *store)
{
    lion_store_stats stats;
    must(lion_store_stats_read(&stats, store, &error));
    return stats.bytes_used;
}

/* Changes in the order of datoms sorted for the tree. */
static void build(built *b, lion_tree tree, lion_datom *datoms, size_t count, const char *name)
{
    lion_commit *commit;
    lion_tree_statistics statistics;
    b->tree = tree;
    b->count = count;
    b->changes = malloc(count * sizeof *b->changes);
    lion_datoms_sort((lion_index)tree.order, datoms, count);
    for (size_t i = 0; i < count; i++) b->changes[i] = (lion_change){ .datom = datoms[i] };
    must(lion_store_open_memory(&b->store, &error));
    must(lion_snapshot_open(&b->snapshot, b->store, &error));
    must(lion_commit_begin(&commit, b->store, &error));
    int64_t start = lion_clock_monotonic_ns();
    must(lion_tree_update(&b->tree, &statistics, &b->tree, b->snapshot, commit, b->changes, count,
                          NULL, &error));
    double seconds = (double)(lion_clock_monotonic_ns() - start) / 1e9;
    must(lion_commit_finish_take(commit, lion_slice_text("root"), &error));
    lion_snapshot_drop(b->snapshot);
    must(lion_snapshot_open(&b->snapshot, b->store, &error));
    for (size_t i = 0; i < KEYS; i++) {
        b->keys[i] = b->changes[next_random() % count].datom;
        b->keys[i].v = lion_value_copy(&arena, b->keys[i].v);
    }
    printf("%-22s build %6.0f ns/row  %6.2f B/row  height %u", name, seconds * 1e9 / (double)count,
           (double)bytes_used(b->store) / (double)count, b->tree.height);
}

static void drop(built *b)
{
    lion_snapshot_drop(b->snapshot);
    lion_store_close(b->store);
    free(b->changes);
}

/* ---- reading ---- */

static double scan(const built *b, uint32_t columns)
{
    lion_arena scratch;
    lion_tree_iterator iterator;
    lion_datom_batch batch;
    lion_arena_init(&scratch, 0);
    int64_t start = lion_clock_monotonic_ns();
    must(lion_tree_iterator_init(&iterator, &b->tree, b->snapshot, columns, false, &scratch,
                                 &error));
    size_t rows = 0;
    while (lion_tree_iterator_next(&iterator, &batch, LION_BATCH_ROWS, &error) == LION_OK)
        rows += batch.count;
    if (rows != b->count) exit(1);
    lion_arena_deinit(&scratch);
    return (double)(lion_clock_monotonic_ns() - start) / (double)rows;
}

static double probe_get(const built *b)
{
    int64_t start = lion_clock_monotonic_ns();
    for (size_t i = 0; i < PROBES; i++) {
        lion_value value;
        must(lion_tree_get(&value, NULL, &b->tree, b->snapshot, b->keys[i % KEYS].e, &error));
    }
    return (double)(lion_clock_monotonic_ns() - start) / PROBES;
}

static double probe_find(const built *b)
{
    int64_t start = lion_clock_monotonic_ns();
    for (size_t i = 0; i < PROBES; i++) {
        int64_t e;
        must(lion_tree_find(&e, NULL, &b->tree, b->snapshot, b->keys[i % KEYS].v, &error));
    }
    return (double)(lion_clock_monotonic_ns() - start) / PROBES;
}

static double probe_rank(const built *b, uint8_t parts)
{
    int64_t start = lion_clock_monotonic_ns();
    for (size_t i = 0; i < PROBES / 4; i++) {
        uint64_t rank;
        lion_key key = { .datom = b->keys[i % KEYS], .parts = parts };
        must(lion_tree_rank(&rank, &b->tree, b->snapshot, &key, true, &error));
    }
    return (double)(lion_clock_monotonic_ns() - start) / (PROBES / 4);
}

/* Every third entity, in batches of 1024. */
static double gather(const built *b)
{
    size_t count = b->count / 3 / 1024 * 1024;
    int64_t *e = malloc((count + 1) * sizeof *e);
    for (size_t i = 0; i < count; i++) e[i] = b->changes[3 * i].datom.e;
    int64_t start = lion_clock_monotonic_ns();
    for (size_t from = 0; from < count; from += 1024) {
        uint8_t found[1024];
        lion_vector values;
        lion_arena_mark mark = lion_arena_set_mark(&arena);
        must(lion_tree_gather(&values, found, &b->tree, b->snapshot, e + from, 1024, &arena,
                              &error));
        lion_arena_rewind(&arena, mark);
    }
    double each = (double)(lion_clock_monotonic_ns() - start) / (double)count;
    free(e);
    return each;
}

/* Each probe reads an entity's rows through one iterator. */
static double probe_entity(const built *b)
{
    lion_arena scratch;
    lion_tree_iterator iterator;
    lion_arena_init(&scratch, 0);
    must(lion_tree_iterator_init(&iterator, &b->tree, b->snapshot, LION_COLUMN_A | LION_COLUMN_V,
                                 false, &scratch, &error));
    int64_t start = lion_clock_monotonic_ns();
    for (size_t i = 0; i < PROBES / 4; i++) {
        lion_datom_batch batch;
        lion_key key = { .datom = b->keys[i % KEYS], .parts = 1 };
        must(lion_tree_iterator_seek(&iterator, &key, false, &error));
        must(lion_tree_iterator_next(&iterator, &batch, 5, &error));
    }
    double each = (double)(lion_clock_monotonic_ns() - start) / (PROBES / 4);
    lion_arena_deinit(&scratch);
    return each;
}

/* A thousand scattered insertions into the built tree. */
static double update(built *b)
{
    enum { COUNT = 1000 };
    lion_commit *commit;
    lion_tree updated;
    static lion_datom datoms[COUNT];
    static lion_change changes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        datoms[i] = b->changes[next_random() % b->count].datom;
        datoms[i].tx = lion_t_to_tx(5000000 + (int64_t)i);
    }
    lion_datoms_sort((lion_index)b->tree.order, datoms, COUNT);
    for (size_t i = 0; i < COUNT; i++) changes[i] = (lion_change){ .datom = datoms[i] };
    must(lion_commit_begin(&commit, b->store, &error));
    int64_t start = lion_clock_monotonic_ns();
    must(lion_tree_update(&updated, NULL, &b->tree, b->snapshot, commit, changes, COUNT, NULL,
                          &error));
    double ms = (double)(lion_clock_monotonic_ns() - start) / 1e6;
    lion_commit_abort(commit);
    return ms;
}

/* ---- cases ---- */

static void run_attribute(const column *c, size_t count)
{
    lion_datom *datoms = malloc(count * sizeof *datoms);
    char name[64];
    for (uint8_t order = LION_AEVT; order <= LION_AVET; order++) {
        static built b;
        for (size_t i = 0; i < count; i++) /* every eighth entity lacks the attribute */
            datoms[i] = (lion_datom){ .e = user(1000 + i + i / 7),
                                      .a = 70,
                                      .v = c->make(i),
                                      .tx = lion_t_to_tx(1001 + (int64_t)(i / 200)),
                                      .added = true };
        snprintf(name, sizeof name, "%s %s", order == LION_AEVT ? "AEVT" : "AVET", c->name);
        build(&b, (lion_tree){ .order = order, .type = c->type, .a = 70 }, datoms, count, name);
        printf("  scan %4.1f ev %4.1f all  ", scan(&b, LION_COLUMN_E | LION_COLUMN_V),
               scan(&b, LION_COLUMN_ALL));
        if (order == LION_AEVT)
            printf("get %4.0f  gather %4.1f  rank(e) %4.0f", probe_get(&b), gather(&b),
                   probe_rank(&b, 2));
        else
            printf("find %4.0f  rank(v) %4.0f  rank(v e) %4.0f", probe_find(&b), probe_rank(&b, 2),
                   probe_rank(&b, 3));
        printf("  +1000 rows %.1f ms\n", update(&b));
        drop(&b);
    }
    free(datoms);
}

static void run_entities(size_t count)
{
    lion_datom *datoms = malloc(count * sizeof *datoms);
    size_t rows = 0;
    for (size_t n = 0; rows + 5 <= count; n++)
        for (uint32_t a = 0; a < 5; a++) {
            if (a == 4 && n % 6 == 0) continue;
            static make_fn *const MAKE[] = { make_name, make_version, make_double, make_ref,
                                             make_city };
            datoms[rows++] = (lion_datom){ .e = user(n),
                                           .a = 70 + a,
                                           .v = MAKE[a](n),
                                           .tx = lion_t_to_tx(1001 + (int64_t)n / 40),
                                           .added = true };
        }
    static built b;
    build(&b, (lion_tree){ .order = LION_EAVT, .type = LION_TYPE_MIXED }, datoms, rows,
          "EAVT 5 attributes");
    printf("  scan %4.1f ev %4.1f all  entity %4.0f  rank(e) %4.0f  rank(e a) %4.0f",
           scan(&b, LION_COLUMN_E | LION_COLUMN_V), scan(&b, LION_COLUMN_ALL), probe_entity(&b),
           probe_rank(&b, 1), probe_rank(&b, 2));
    printf("  +1000 rows %.1f ms\n", update(&b));
    drop(&b);
    free(datoms);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    lion_arena_init(&arena, 0);
    printf("%zu rows; times in ns a row or a probe\n", count);
    for (size_t i = 0; i < COLUMN_COUNT; i++) run_attribute(&COLUMNS[i], count);
    run_entities(count);
    lion_arena_deinit(&arena);
    return 0;
}
