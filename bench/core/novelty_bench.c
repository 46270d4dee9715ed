/* novelty_bench - what novelty costs: applying, sealing, counting, points, scans; alone and over
 * trees. Prints nanoseconds of processor time for one of each thing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "index/cursor.h"
#include "index/indexer.h"

#define PEOPLE 200000
#define FACTS 5

/* name, age, email, score, friend */
static const lion_type TYPES[FACTS] = { LION_TYPE_STRING, LION_TYPE_LONG, LION_TYPE_STRING,
                                        LION_TYPE_DOUBLE, LION_TYPE_REF };
static uint64_t state = 42;

/* Of this thread: what else the machine does matters less. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static uint64_t random_u64(void)
{
    state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = state;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void person(lion_datom *datoms, lion_arena *arena, int64_t id, int64_t t)
{
    int64_t e = lion_id_make(LION_PARTITION_USER, 1000 + id);
    char *name = lion_arena_printf(arena, "name-%llu", (unsigned long long)(random_u64() % 50000));
    char *email = lion_arena_printf(arena, "person%lld@example.org", (long long)id);
    lion_value values[FACTS] = {
        lion_value_bytes(LION_TYPE_STRING, lion_slice_text(name)),
        lion_value_long((int64_t)(random_u64() % 90)),
        lion_value_bytes(LION_TYPE_STRING, lion_slice_text(email)),
        lion_value_double((double)(random_u64() % 1000) / 10),
        lion_value_ref(lion_id_make(LION_PARTITION_USER, 1000 + (int64_t)(random_u64() % PEOPLE))),
    };
    for (uint32_t i = 0; i < FACTS; i++)
        datoms[i] = (lion_datom){
            .e = e, .a = 100 + i, .v = values[i], .tx = lion_t_to_tx(t), .added = true
        };
}

static void report(const char *what, int64_t start_ns, uint64_t count)
{
    printf("%-52s %10.1f ns\n", what, (double)(cpu_ns() - start_ns) / (double)count);
}

static void check(lion_status status, const lion_error *error)
{
    if (status != LION_FAILED) return;
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    exit(1);
}

/* `batch` people a transaction. */
static lion_novelty *fill(const char *what, int64_t batch, bool seals, bool is_random)
{
    lion_novelty *novelty;
    lion_error error;
    check(lion_novelty_new(&novelty, NULL, &error), &error);
    size_t count = (size_t)batch * FACTS;
    lion_datom *datoms = malloc(count * sizeof *datoms);
    uint8_t *in_avet = malloc(count);
    memset(in_avet, 1, count);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_novelty_version published = { 0 };
    int64_t spent = 0, t = 0;
    for (int64_t id = 0; id + batch <= PEOPLE; id += batch) {
        t++;
        lion_arena_reset(&arena);
        for (int64_t i = 0; i < batch; i++) {
            int64_t which = is_random ? (int64_t)(random_u64() % 1000000000) : id + i;
            person(datoms + i * FACTS, &arena, which, t);
        }
        int64_t start = cpu_ns();
        check(lion_novelty_apply(novelty, t, datoms, in_avet, count, (lion_slice){ 0 }, &error),
              &error);
        if (seals) {
            lion_novelty_version version = lion_novelty_seal(novelty);
            lion_novelty_version_release(&published);
            published = version;
        }
        spent += cpu_ns() - start;
    }
    lion_novelty_version_release(&published);
    printf("%-52s %10.1f ns  (%.0f bytes a datom)\n", what,
           (double)spent / (double)lion_novelty_peek(novelty).datoms,
           (double)lion_novelty_size(novelty) / (double)lion_novelty_peek(novelty).datoms);
    lion_arena_deinit(&arena);
    free(datoms);
    free(in_avet);
    return novelty;
}

static void scan(const char *what, const lion_view *view, lion_index index, const lion_key *key,
                 uint32_t columns)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    uint64_t rows = 0;
    lion_error error;
    int64_t start = cpu_ns();
    for (unsigned round = 0; round < 3; round++) {
        lion_cursor *cursor;
        lion_cursor_options options = { .columns = columns };
        lion_datom_batch batch;
        check(lion_cursor_open(&cursor, view, index, key, &options, &arena, &error), &error);
        while (lion_cursor_next(cursor, &batch, &error) == LION_OK) rows += batch.count;
        lion_arena_reset(&arena);
    }
    report(what, start, rows == 0 ? 1 : rows);
    lion_arena_deinit(&arena);
}

static void points(const char *title, const lion_view *view)
{
    enum { ROUNDS = 200000 };
    char what[80];
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error;
    int64_t start = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        lion_value v;
        int64_t e = lion_id_make(LION_PARTITION_USER, 1000 + (int64_t)(random_u64() % PEOPLE));
        check(lion_view_get(&v, NULL, view, e, 101, &arena, &error), &error);
    }
    snprintf(what, sizeof what, "%s: get (e, a)", title);
    report(what, start, ROUNDS);
    start = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        char email[40];
        int64_t e;
        snprintf(email, sizeof email, "person%llu@example.org",
                 (unsigned long long)(random_u64() % PEOPLE));
        check(lion_view_find(&e, NULL, view, 102,
                             lion_value_bytes(LION_TYPE_STRING, lion_slice_text(email)), &arena,
                             &error),
              &error);
    }
    snprintf(what, sizeof what, "%s: find (a, v), a string", title);
    report(what, start, ROUNDS);
    start = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        lion_key key = { .datom = { .a = 101, .v = lion_value_long((int64_t)(random_u64() % 90)) },
                         .parts = 2 };
        uint64_t count;
        check(lion_view_count(&count, view, LION_AVET, &key, &arena, &error), &error);
    }
    snprintf(what, sizeof what, "%s: count (a, v)", title);
    report(what, start, ROUNDS);
    start = cpu_ns();
    lion_cursor *cursor = NULL;
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    for (unsigned i = 0; i < ROUNDS; i++) {
        lion_key key = { .datom = { .e = lion_id_make(LION_PARTITION_USER,
                                                      1000 + (int64_t)(random_u64() % PEOPLE)) },
                         .parts = 1 };
        if (i % 1000 == 0) { /* now and then a cursor of its own */
            lion_arena_reset(&arena);
            cursor = NULL;
        }
        if (cursor == NULL)
            check(lion_cursor_open(&cursor, view, LION_EAVT, &key, &options, &arena, &error),
                  &error);
        else
            check(lion_cursor_seek(cursor, &key, &error), &error);
        lion_datom_batch batch;
        check(lion_cursor_next(cursor, &batch, &error), &error);
    }
    snprintf(what, sizeof what, "%s: seek and read an entity (5 datoms)", title);
    report(what, start, ROUNDS);
    start = cpu_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        lion_key key = { .datom = { .e = lion_id_make(LION_PARTITION_USER,
                                                      1000 + (int64_t)(random_u64() % PEOPLE)) },
                         .parts = 1 };
        lion_arena_reset(&arena);
        check(lion_cursor_open(&cursor, view, LION_EAVT, &key, &options, &arena, &error), &error);
        lion_datom_batch batch;
        check(lion_cursor_next(cursor, &batch, &error), &error);
    }
    snprintf(what, sizeof what, "%s: open and read an entity", title);
    report(what, start, ROUNDS);
    lion_arena_deinit(&arena);
}

static void read_all(const char *title, const lion_view *view)
{
    char what[80];
    lion_key all = { .parts = 0 }, name = { .datom = { .a = 100 }, .parts = 1 },
             age = { .datom = { .a = 101 }, .parts = 1 };
    snprintf(what, sizeof what, "%s: scan EAVT", title);
    scan(what, view, LION_EAVT, &all, LION_COLUMN_ALL);
    snprintf(what, sizeof what, "%s: scan AEVT of longs, e and v", title);
    scan(what, view, LION_AEVT, &age, LION_COLUMN_E | LION_COLUMN_V);
    snprintf(what, sizeof what, "%s: scan AVET of strings", title);
    scan(what, view, LION_AVET, &name, LION_COLUMN_ALL);
    points(title, view);
}

static lion_root *index_all(lion_store *store, lion_root *root, lion_novelty *novelty)
{
    lion_error error;
    lion_indexed_attribute attributes[FACTS];
    for (uint32_t i = 0; i < FACTS; i++)
        attributes[i] =
            (lion_indexed_attribute){ .a = 100 + i, .type = (uint8_t)TYPES[i], .is_in_avet = true };
    lion_novelty_version version = lion_novelty_seal(novelty);
    lion_index_job job = { .store = store,
                           .root = root,
                           .version = version,
                           .attributes = attributes,
                           .attribute_count = FACTS,
                           .next_counter = 1 << 30 };
    int64_t start = cpu_ns();
    check(lion_index_run(&job, &error), &error);
    report("index job, a datom", start, version.datoms);
    lion_novelty_version_release(&version);
    lion_root *made;
    check(lion_root_open(&made, store, &error), &error);
    return made;
}

/* Every 100th person changes age. */
static lion_novelty *change_some(int64_t t)
{
    lion_novelty *novelty;
    lion_error error;
    check(lion_novelty_new(&novelty, NULL, &error), &error);
    for (int64_t id = 0; id < PEOPLE; id += 100) {
        t++;
        lion_datom datom = { .e = lion_id_make(LION_PARTITION_USER, 1000 + id),
                             .a = 101,
                             .v = lion_value_long(100 + id % 10),
                             .tx = lion_t_to_tx(t),
                             .added = true };
        uint8_t in_avet = 1;
        check(lion_novelty_apply(novelty, t, &datom, &in_avet, 1, (lion_slice){ 0 }, &error),
              &error);
    }
    return novelty;
}

int main(void)
{
    lion_error error;
    lion_novelty_drop(fill("apply + seal, 5 datoms a transaction, a datom", 1, true, false));
    lion_novelty_drop(fill("the same, random entities, a datom", 1, true, true));
    lion_novelty_drop(fill("apply, 100 datoms a transaction, a datom", 20, true, false));
    lion_novelty_drop(fill("apply, 7,000 random datoms a transaction, a datom", 1400, true, true));
    lion_novelty *novelty = fill("apply, 7,000 datoms a transaction, a datom", 1400, true, false);
    lion_novelty_version version = lion_novelty_seal(novelty);
    lion_view view = { .novelty = version, .upper_t = INT64_MAX >> 22, .since_t = -1 };
    read_all("novelty", &view);

    lion_store *store;
    lion_root *empty;
    check(lion_store_open_memory(&store, &error), &error);
    check(lion_root_open(&empty, store, &error), &error);
    lion_root *root = index_all(store, empty, novelty);
    lion_view trees = { .root = root, .upper_t = INT64_MAX >> 22, .since_t = -1 };
    read_all("trees", &trees);
    lion_novelty *changes = change_some(root->t);
    lion_view both = trees;
    both.novelty = lion_novelty_seal(changes);
    read_all("trees and 1 % changed", &both);

    lion_novelty_version_release(&both.novelty);
    lion_novelty_drop(changes);
    lion_novelty_version_release(&version);
    lion_novelty_drop(novelty);
    lion_root_drop(root);
    lion_root_drop(empty);
    lion_store_close(store);
    return 0;
}
