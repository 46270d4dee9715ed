/* damage_test.c - bytes lost and flipped in the files of a database, and files put beside the wrong
 * ones: what opens gives nothing but what was written, in order and whole; everything else is told,
 * as lion/corrupt, and nothing is overwritten. LION_CRASH_ROUNDS: how often a tail is damaged. */
#include "crash_support.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/frame.h"
#include "store/lmdb.h"
#include "store/log_file.h"

#define TAIL_ROUNDS 240
#define EACH 15 /* transactions of a writer */
#define TRANSACTIONS_MAX 400

static crash_folder folder;
static int64_t from;

static int setup(void **state)
{
    (void)state;
    crash_folder_make(&folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    crash_folder_remove(&folder);
    return 0;
}

/* ---- files ---- */

typedef struct bytes {
    uint8_t *data; /* NULL: no file */
    size_t size;
} bytes;

/* A database as it lies there. */
typedef struct image {
    bytes store, tail;
} image;

static bytes read_file(const char *path)
{
    bytes read = { 0 };
    FILE *file = fopen(path, "rb");
    if (file == NULL) return read;
    fseek(file, 0, SEEK_END);
    read.size = (size_t)ftell(file);
    rewind(file);
    read.data = malloc(read.size + 1);
    assert_non_null(read.data);
    assert_int_equal(fread(read.data, 1, read.size, file), read.size);
    fclose(file);
    return read;
}

static void write_file(const char *path, bytes written)
{
    unlink(path);
    if (written.data == NULL) return;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(written.data, 1, written.size, file), written.size);
    fclose(file);
}

static image take_image(void)
{
    return (image){ .store = read_file(folder.file), .tail = read_file(folder.log) };
}

static void put_image(image placed)
{
    static const char *const SUFFIXES[] = { "-lock", "-owner" };
    char name[120];
    for (size_t i = 0; i < CASES(SUFFIXES); i++) {
        snprintf(name, sizeof name, "%s%s", folder.file, SUFFIXES[i]);
        unlink(name);
    }
    write_file(folder.file, placed.store);
    write_file(folder.log, placed.tail);
}

static void drop_image(image dropped)
{
    free(dropped.store.data);
    free(dropped.tail.data);
}

static void assert_file(const char *path, bytes expected)
{
    bytes found = read_file(path);
    assert_int_equal(found.data == NULL, expected.data == NULL);
    assert_int_equal(found.size, expected.size);
    if (found.data != NULL) assert_memory_equal(found.data, expected.data, found.size);
    free(found.data);
}

/* ---- making them ---- */

static void die_of(const lion_error *error)
{
    fprintf(stderr, "%s: %s\n", error->code, error->message);
    _exit(3);
}

typedef struct writing {
    lion_connection *connection;
    int writer;
    int64_t first, last;
} writing;

static void *write_numbers(void *argument)
{
    writing *work = argument;
    lion_error error = { 0 };
    for (int64_t n = work->first; n <= work->last; n++)
        if (crash_commit(work->connection, work->writer, n, &error) != LION_OK) die_of(&error);
    return NULL;
}

/* Numbers up to `last` of every writer, at the same time, from where each of them is. */
static void write_all(lion_connection *connection, int64_t last)
{
    pthread_t threads[WRITERS];
    writing works[WRITERS];
    crash_look look;
    crash_look_open(&look, connection);
    for (int w = 0; w < WRITERS; w++)
        works[w] = (writing){ connection, w, crash_check_writer(&look, w) + 1, last };
    crash_look_close(&look);
    for (int w = 0; w < WRITERS; w++) {
        if (pthread_create(&threads[w], NULL, write_numbers, &works[w]) != 0) _exit(4);
    }
    for (int w = 0; w < WRITERS; w++) pthread_join(threads[w], NULL);
}

static lion_connection *reopen(void)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    assert_ok(crash_open(&connection, folder.file, &error));
    return connection;
}

static void close_whole(lion_connection *connection)
{
    lion_error error = { 0 };
    assert_ok(lion_connection_close(connection, &error));
}

typedef enum indexing { INDEXES_NOTHING, INDEXES_BEFORE, INDEXES_HALF } indexing;

/* A child opens what is there, writes numbers up to `last` and is killed; synced at intervals, the
 * newest may be lost. */
static void live_and_die(int64_t last, indexing when, lion_durability durability)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        lion_connection_options options = { .segment_size = 2048,
                                            .node_entries = 16,
                                            .durability = (uint8_t)durability,
                                            .interval_ms = 1 };
        lion_connection *connection = NULL;
        lion_error error = { 0 };
        int64_t t = 0;
        if (lion_connection_open(&connection, folder.file, &options, &error) != LION_OK)
            die_of(&error);
        if (when == INDEXES_BEFORE && lion_connection_index(&t, connection, &error) != LION_OK)
            die_of(&error);
        write_all(connection, last - 2);
        if (when == INDEXES_HALF && lion_connection_index(&t, connection, &error) != LION_OK)
            die_of(&error);
        write_all(connection, last);
        (void)kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status)) fail_msg("the writer ended by itself: %d", WEXITSTATUS(status));
}

/* A database with the schema alone, closed. */
static void make_empty(void)
{
    put_image((image){ { 0 }, { 0 } });
    close_whole(crash_create(folder.file, &from));
}

/* ---- reading ---- */

/* The log, a transaction an item, as bytes. */
typedef struct history {
    lion_buffer bytes;
    size_t ends[TRANSACTIONS_MAX];
    int64_t ts[TRANSACTIONS_MAX];
    size_t count;
} history;

static lion_status read_history(history *read, lion_connection *connection, lion_error *error)
{
    lion_tx_range *range = NULL;
    lion_transaction transaction;
    lion_buffer_init(&read->bytes);
    read->count = 0;
    lion_status status = lion_tx_range_open(&range, connection, 0, 0, error);
    while (status == LION_OK &&
           (status = lion_tx_range_next(range, &transaction, error)) == LION_OK) {
        assert_true(read->count < CASES(read->ends));
        lion_transaction_encode(&read->bytes, &transaction);
        read->ts[read->count] = transaction.t;
        read->ends[read->count++] = read->bytes.size;
    }
    lion_tx_range_close(range);
    return status == LION_END ? LION_OK : status;
}

/* Are the first transactions of `whole` those of `read`? */
static void assert_beginning(const history *read, const history *whole)
{
    assert_true(read->count <= whole->count);
    size_t size = read->count > 0 ? read->ends[read->count - 1] : 0;
    assert_int_equal(read->bytes.size, size);
    if (size > 0) assert_memory_equal(read->bytes.data, whole->bytes.data, size);
    if (read->count > 0) assert_int_equal(size, whole->ends[read->count - 1]);
}

/* Everything that an order holds, as one number. */
static lion_status sum_rows(uint64_t *sum, const lion_view *view, lion_index index,
                            const lion_key *key, lion_arena *arena, lion_error *error)
{
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_status status = lion_cursor_open(&cursor, view, index, key, &options, arena, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, error)) == LION_OK) {
        for (uint32_t row = 0; row < batch.count; row++) {
            lion_datom datom = lion_datom_batch_get(&batch, row);
            bool is_long = datom.v.type > LION_TYPE_ATTRIBUTE;
            int64_t words[] = { datom.e,     datom.a,      datom.tx,
                                datom.added, datom.v.type, is_long ? datom.v.size : datom.v.bits };
            *sum = lion_hash_seed(words, sizeof words, *sum);
            if (is_long && datom.v.size > 0)
                *sum = lion_hash_seed(datom.v.data, datom.v.size, *sum);
        }
    }
    return status == LION_END || status == LION_ABSENT ? LION_OK : status;
}

/* Every order, now and ever, and the log: a number that another database does not have. */
static lion_status sum_database(uint64_t *sum_out, lion_connection *connection, lion_error *error)
{
    static history read;
    lion_db *db = NULL;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = lion_connection_db(&db, connection, error);
    uint64_t sum = 0;
    for (int is_history = 0; status == LION_OK && is_history < 2; is_history++) {
        lion_view view = db->view;
        view.is_history = is_history == 1;
        uint32_t count = 0;
        const lion_attribute *const *attributes = lion_schema_attributes(db->schema, &count);
        lion_key key = { .parts = 0 };
        status = sum_rows(&sum, &view, LION_EAVT, &key, &arena, error);
        key.parts = 1;
        for (uint32_t i = 0; status == LION_OK && i < count; i++) {
            key.datom.a = attributes[i]->id;
            status = sum_rows(&sum, &view, LION_AEVT, &key, &arena, error);
            if (status == LION_OK && attributes[i]->is_in_avet)
                status = sum_rows(&sum, &view, LION_AVET, &key, &arena, error);
        }
    }
    if (db != NULL) lion_db_drop(db);
    lion_arena_deinit(&arena);
    if (status == LION_OK) {
        status = read_history(&read, connection, error);
        sum = lion_hash_seed(read.bytes.data, read.bytes.size, sum);
        lion_buffer_deinit(&read.bytes);
    }
    *sum_out = sum;
    return status;
}

/* ---- damage to a tail ---- */

/* What the tail's sound groups say: the highest mark, and where the last one ends. */
static uint64_t find_mark(bytes tail, const uint8_t *database_id, size_t *end_out)
{
    uint64_t mark = 0;
    size_t end = 0;
    for (size_t at = LION_LOG_DIRECTORY_SIZE * 2; at + sizeof(lion_log_group) <= tail.size;
         at += LION_LOG_ALIGN) {
        const lion_log_group *group = (const void *)(tail.data + at);
        if (memcmp(group->magic, LION_LOG_GROUP_MAGIC, sizeof group->magic) != 0 ||
            memcmp(group->database_id, database_id, sizeof group->database_id) != 0 ||
            group->size < sizeof *group || group->size > tail.size - at ||
            group->checksum != lion_log_group_checksum(group, group->size, at))
            continue;
        if (group->mark > mark) mark = group->mark;
        end = at + group->size;
    }
    *end_out = end;
    return mark;
}

/* The sequence of the first transaction is 1, and every transaction has one. */
static size_t durable_count(bytes tail)
{
    size_t end;
    const lion_log_directory *directory = (const void *)tail.data;
    return (size_t)find_mark(tail, directory->database_id, &end);
}

static size_t used_end(bytes tail)
{
    size_t end;
    const lion_log_directory *directory = (const void *)tail.data;
    (void)find_mark(tail, directory->database_id, &end);
    return end;
}

/* One of the ways in which a disk loses bytes. Returns the first byte that it touched. */
static size_t damage_tail(bytes *tail, size_t used)
{
    size_t at = random_below(random_below(5) == 0 ? tail->size : used), size = tail->size - at;
    switch (random_below(6)) {
    case 0: /* cut off */ tail->size = at; break;
    case 1: /* the end was never written */ memset(tail->data + at, 0, size); break;
    case 2: /* a sector was not, or a page */
        at = at / 512 * 512;
        memset(tail->data + at, 0, random_below(2) == 0 ? 512 : size < 4096 ? size : 4096);
        break;
    case 3: /* a sector of before */
        at = at / 512 * 512;
        if (at >= 512) memcpy(tail->data + at, tail->data + at - 512, 512);
        break;
    case 4: /* a few bytes */
        for (size_t i = random_below(20); i > 0; i--)
            tail->data[at + random_below(size)] = (uint8_t)random_u64();
        /* fall through */
    default: tail->data[at] ^= (uint8_t)(1 + random_below(255));
    }
    return at;
}

/* What was opened is the beginning of what was written, and goes on from there. */
static void check_opened(lion_connection *connection, const history *whole, size_t needed,
                         bool goes_on)
{
    static history read;
    static const int64_t none[WRITERS];
    int64_t found[WRITERS] = { 0 };
    lion_error error = { 0 };
    assert_ok(read_history(&read, connection, &error));
    assert_beginning(&read, whole);
    if (read.count < needed)
        fail_msg("%zu transactions are left, %zu were durable", read.count, needed);
    bool has_schema = read.ts[read.count - 1] >= from - 1;
    if (has_schema) crash_check(connection, from, none, found);
    if (has_schema && goes_on) {
        assert_ok(crash_commit(connection, 0, found[0] + 1, &error));
        found[0]++;
        crash_check(connection, from, found, found);
    }
    close_whole(connection);
    lion_buffer_deinit(&read.bytes);
    if (!has_schema) return;
    connection = reopen();
    int64_t again[WRITERS];
    crash_check(connection, from, found, again);
    for (int w = 0; w < WRITERS; w++) assert_int_equal(again[w], found[w]);
    close_whole(connection);
}

/* Opens with at least what was durable, or is refused. Whether it opened. */
static bool check_damaged(const history *whole, bytes tail, size_t indexed, bool goes_on)
{
    lion_error error = { 0 };
    lion_connection *connection = NULL;
    lion_status status = crash_open(&connection, folder.file, &error);
    if (status != LION_OK) {
        crash_assert_fails(status, &error, LION_FAULT, "lion/corrupt");
        if (strstr(error.message, folder.log) == NULL) fail_msg("%s", error.message);
        assert_file(folder.log, tail);
        return false;
    }
    size_t durable = durable_count(tail);
    check_opened(connection, whole, durable > indexed ? durable : indexed, goes_on);
    return true;
}

static void damage_tails(indexing when, lion_durability durability)
{
    static history whole;
    make_empty();
    live_and_die(5, when, durability);
    live_and_die(EACH, when, durability);
    image sound = take_image();
    size_t used = used_end(sound.tail), opened = 0, rounds = crash_rounds(TAIL_ROUNDS) / 3;
    lion_error error = { 0 };
    lion_store *store = NULL;
    lion_root *root = NULL;
    lion_store_options options = { .read_only = true };
    assert_ok(lion_store_open_file(&store, folder.file, &options, &error));
    assert_ok(lion_root_open(&root, store, &error));
    size_t indexed = (size_t)root->log_sequence;
    lion_root_drop(root);
    lion_store_close(store);

    put_image(sound);
    lion_connection *connection = reopen();
    assert_ok(read_history(&whole, connection, &error));
    close_whole(connection);
    if (durability == LION_DURABILITY_FULL)
        assert_int_equal(whole.count, 2 + WRITERS * EACH); /* bootstrap and schema */
    for (size_t round = 0; round < rounds; round++) {
        image damaged = { sound.store, { malloc(sound.tail.size), sound.tail.size } };
        memcpy(damaged.tail.data, sound.tail.data, sound.tail.size);
        size_t at = damage_tail(&damaged.tail, used);
        put_image(damaged);
        bool is_opened = check_damaged(&whole, damaged.tail, indexed, round % 4 == 0);
        opened += is_opened;
        bool is_cut = damaged.tail.size < sound.tail.size;
        if (is_cut && is_opened) fail_msg("cut off at %zu and not refused", at);
        if (!is_cut && at >= used && !is_opened) fail_msg("refused for the empty byte %zu", at);
        free(damaged.tail.data);
    }
    fprintf(stderr, "%zu transactions, %zu indexed: %zu of %zu damaged tails opened\n", whole.count,
            indexed, opened, rounds);
    lion_buffer_deinit(&whole.bytes);
    drop_image(sound);
}

static void test_a_damaged_tail(void **state)
{
    (void)state;
    damage_tails(INDEXES_NOTHING, LION_DURABILITY_FULL);
}

static void test_a_damaged_tail_behind_indexed_transactions(void **state)
{
    (void)state;
    damage_tails(INDEXES_HALF, LION_DURABILITY_FULL);
}

static void test_a_damaged_tail_synced_at_intervals(void **state)
{
    (void)state;
    damage_tails(INDEXES_BEFORE, LION_DURABILITY_INTERVAL);
}

/* ---- damage to the store ---- */

/* A closed file with history, blobs and several leaves a tree; *sum_out: what it says. */
static image make_clean(uint64_t *sum_out)
{
    make_empty();
    lion_error error = { 0 };
    lion_connection *connection = reopen();
    write_all(connection, 40);
    for (int64_t n = 1; n < 12; n++) { /* again, so that there is history */
        char text[80];
        snprintf(text, sizeof text, "[{:c/id %lld :c/text \"again %lld\"}]", (long long)n,
                 (long long)n);
        assert_ok(crash_transact(connection, text, &error));
    }
    assert_ok(sum_database(sum_out, connection, &error));
    close_whole(connection);
    return take_image();
}

/* Everything as it was, or lion/corrupt (a version that is too high is told first). Whether the
 * damage was told. */
static bool check_store(uint64_t expected, const char *what, size_t at)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    uint64_t sum = 0;
    lion_status status = crash_open(&connection, folder.file, &error);
    if (status == LION_OK) {
        status = sum_database(&sum, connection, &error);
        (void)lion_connection_close(connection, NULL);
    }
    if (status == LION_OK && sum != expected)
        fail_msg("byte %zu of %s is another: wrong answers", at, what);
    if (status == LION_OK) return false;
    bool is_told = strcmp(error.code, "lion/corrupt") == 0;
    if (strcmp(error.code, "lion/version") == 0) /* offset 8 of the header */
        is_told = strcmp(what, "the header") == 0 && at >= 8 && at < 12;
    if (!is_told)
        fail_msg("byte %zu of %s is another: %s: %s", at, what, error.code, error.message);
    return true;
}

/* Flip byte `at` of each place in the file where `found` lies: free pages may hold old copies. */
static void flip_everywhere(image *clean, const uint8_t *found, size_t size, size_t at,
                            uint8_t mask)
{
    size_t places[32], count = 0;
    const uint8_t *next = clean->store.data, *end = next + clean->store.size;
    while (count < CASES(places) &&
           (next = memmem(next, (size_t)(end - next), found, size)) != NULL)
        places[count++] = (size_t)(next++ - clean->store.data) + at;
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) clean->store.data[places[i]] ^= mask;
    put_image(*clean);
    for (size_t i = 0; i < count; i++) clean->store.data[places[i]] ^= mask;
}

static void test_every_segment_and_blob(void **state)
{
    (void)state;
    uint64_t sum = 0, id;
    image clean = make_clean(&sum);
    lion_store *store = NULL;
    lion_snapshot *snapshot = NULL;
    lion_store_walk *walk = NULL;
    lion_store_options options = { .read_only = true };
    lion_error error = { 0 };
    assert_ok(lion_store_open_file(&store, folder.file, &options, &error));
    assert_ok(lion_snapshot_open(&snapshot, store, &error));
    assert_ok(lion_store_walk_open(&walk, snapshot, &error));
    lion_hash128 hash;
    lion_slice slice;
    bool is_blob;
    size_t count = 0, blobs = 0, told = 0;
    static bytes pieces[2048];
    while (lion_store_walk_next(walk, &id, &hash, &is_blob, &slice, &error) == LION_OK) {
        assert_true(count < CASES(pieces));
        bytes *piece = &pieces[count++]; /* with the frame's header */
        *piece =
            (bytes){ malloc(slice.size + sizeof(lion_frame)), slice.size + sizeof(lion_frame) };
        memcpy(piece->data, slice.data - sizeof(lion_frame), piece->size);
        blobs += is_blob;
    }
    lion_store_walk_close(walk);
    lion_snapshot_drop(snapshot);
    lion_store_close(store);
    assert_false(check_store(sum, "nothing", 0));

    for (size_t i = 0; i < count; i++) {
        size_t header = random_below(sizeof(lion_frame));
        size_t body = sizeof(lion_frame) + random_below(pieces[i].size - sizeof(lion_frame));
        size_t at = i % 3 == 0 ? header : body;
        flip_everywhere(&clean, pieces[i].data, pieces[i].size, at,
                        (uint8_t)(1 + random_below(255)));
        told += check_store(sum, "a segment or blob", at);
    }
    fprintf(stderr, "%zu segments and %zu blobs damaged, %zu told\n", count - blobs, blobs, told);
    assert_true(blobs > 5 && count - blobs > 20);
    assert_int_equal(told, count); /* all of it was read, so all of it was checked */
    for (size_t i = 0; i < count; i++) free(pieces[i].data);
    drop_image(clean);
}

/* Flip each byte of what lies at `at` in the file. How often it was told. */
static size_t flip_each(image *clean, size_t at, size_t size, uint64_t sum, const char *what)
{
    size_t told = 0;
    for (size_t i = 0; i < size; i++) {
        uint8_t mask = (uint8_t)(1 + random_below(255));
        clean->store.data[at + i] ^= mask;
        put_image(*clean);
        clean->store.data[at + i] ^= mask;
        told += check_store(sum, what, i);
    }
    return told;
}

static void test_header_and_root(void **state)
{
    (void)state;
    uint64_t sum = 0;
    image clean = make_clean(&sum);
    size_t headers = 0, roots = 0, told = 0, size = clean.store.size;
    const uint8_t *data = clean.store.data;
    for (size_t at = 0; at + sizeof(lion_lmdb_header) <= size; at += 2) {
        uint32_t kind, room;
        memcpy(&room, data + at + 8, sizeof room);
        memcpy(&kind, data + at + 12, sizeof kind);
        if (memcmp(data + at, "lion db\n", 8) == 0) {
            headers++;
            told += flip_each(&clean, at, sizeof(lion_lmdb_header), sum, "the header");
        } else if (kind == LION_FRAME_ROOT && room < size - at - sizeof(lion_frame)) {
            roots++;
            told += flip_each(&clean, at, sizeof(lion_frame) + (room < 400 ? room : 400), sum,
                              "the root");
        }
    }
    fprintf(stderr, "%zu headers and %zu roots damaged, %zu bytes told\n", headers, roots, told);
    assert_true(headers > 0 && roots > 0);
    assert_true(told >= sizeof(lion_lmdb_header) + sizeof(lion_frame));
    drop_image(clean);
}

/* ---- files beside the wrong ones ---- */

/* Refused with both names, and both files are left as they were. */
static void check_refused(image placed, const char *words)
{
    char quoted[120];
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    put_image(placed);
    lion_status status = crash_open(&connection, folder.file, &error);
    crash_assert_fails(status, &error, LION_FAULT, "lion/corrupt");
    snprintf(quoted, sizeof quoted, "\"%s\"", folder.file);
    if (strstr(error.message, quoted) == NULL || strstr(error.message, folder.log) == NULL ||
        strstr(error.message, words) == NULL)
        fail_msg("no \"%s\", %s or %s: %s", words, quoted, folder.log, error.message);
    assert_file(folder.log, placed.tail);
    if (placed.store.data == NULL) assert_int_equal(access(folder.file, F_OK), -1);
}

/* Opens, takes number n of writer 0 as the next, and closes. */
static void check_goes_on(image placed, int64_t n)
{
    int64_t found[WRITERS];
    static const int64_t none[WRITERS];
    lion_error error = { 0 };
    put_image(placed);
    lion_connection *connection = reopen();
    assert_ok(crash_commit(connection, 0, n, &error));
    close_whole(connection);
    connection = reopen();
    crash_check(connection, from, none, found);
    assert_int_equal(found[0], n);
    close_whole(connection);
}

static void test_a_tail_that_the_root_names(void **state)
{
    (void)state;
    make_empty();
    live_and_die(4, INDEXES_NOTHING, LION_DURABILITY_FULL);
    image foreign = take_image();
    make_empty();
    live_and_die(4, INDEXES_NOTHING, LION_DURABILITY_FULL);
    image older = take_image();
    live_and_die(8, INDEXES_HALF, LION_DURABILITY_FULL);
    image newer = take_image();

    check_refused((image){ newer.store, foreign.tail }, "another database");
    check_refused((image){ newer.store, older.tail }, "another time");
    check_refused((image){ newer.store, { 0 } }, "missing");
    check_goes_on(newer, 9);
    check_goes_on(older, 5);
    drop_image(foreign);
    drop_image(older);
    drop_image(newer);
}

static void test_a_tail_that_no_root_names(void **state)
{
    (void)state;
    make_empty();
    live_and_die(4, INDEXES_NOTHING, LION_DURABILITY_FULL);
    image foreign = take_image();
    make_empty();
    image clean = take_image();
    live_and_die(4, INDEXES_NOTHING, LION_DURABILITY_FULL);
    image newer = take_image();
    close_whole(reopen());
    image closed = take_image();
    assert_int_equal(closed.tail.size, 0);
    uint8_t words[] = "what somebody wrote down\n";
    bytes notes = { words, sizeof words - 1 };

    check_refused((image){ clean.store, newer.tail }, "put the right two files together");
    check_refused((image){ clean.store, foreign.tail }, "another database");
    check_refused((image){ clean.store, notes }, "not the log tail");
    check_refused((image){ { 0 }, newer.tail }, "missing");
    check_goes_on(clean, 1);
    check_goes_on((image){ clean.store, { 0 } }, 1);
    check_goes_on(closed, 5);
    /* Died between the last root and the removal of the tail: all of it is in the trees. */
    check_goes_on((image){ closed.store, newer.tail }, 5);
    drop_image(foreign);
    drop_image(clean);
    drop_image(newer);
    drop_image(closed);
}

/* Nor do a backup and what it is restored to take the place of a tail. */
static void test_a_backup_beside_a_tail(void **state)
{
    (void)state;
    make_empty();
    live_and_die(4, INDEXES_NOTHING, LION_DURABILITY_FULL);
    image killed = take_image();
    char backup[120];
    snprintf(backup, sizeof backup, "%s/backup.lion", folder.path);
    lion_connection *connection = reopen(), *memory = NULL;
    lion_error error = { 0 };
    assert_ok(lion_connection_backup(connection, backup, &error));
    close_whole(connection);

    put_image((image){ { 0 }, killed.tail });
    crash_assert_fails(lion_connection_restore(backup, folder.file, &error), &error, LION_CONFLICT,
                       "lion/exists");
    assert_non_null(strstr(error.message, folder.log));
    assert_ok(crash_open(&memory, "mem:", &error));
    crash_assert_fails(lion_connection_backup(memory, folder.file, &error), &error, LION_CONFLICT,
                       "lion/exists");
    close_whole(memory);
    assert_file(folder.log, killed.tail);
    assert_file(folder.file, (bytes){ 0 });
    unlink(folder.log);
    assert_ok(lion_connection_restore(backup, folder.file, &error));
    image restored = take_image();
    check_goes_on(restored, 5);
    drop_image(restored);
    drop_image(killed);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_damaged_tail),
        T(test_a_damaged_tail_behind_indexed_transactions),
        T(test_a_damaged_tail_synced_at_intervals),
        T(test_every_segment_and_blob),
        T(test_header_and_root),
        T(test_a_tail_that_the_root_names),
        T(test_a_tail_that_no_root_names),
        T(test_a_backup_beside_a_tail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
