/* verify_test.c - a sound database is sound, and whatever is damaged in one is found and named: a
 * byte of each segment, blob and page, the tail, the end of the file. */
#define _GNU_SOURCE /* memmem */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "connection/verify.h"
#include "edn.h"

static const char schema[] =
    "[{:db/ident :v/k :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/unique "
    ":db.unique/identity}"
    " {:db/ident :v/x :db/valueType :db.type/string :db/cardinality :db.cardinality/one}"
    " {:db/ident :v/d :db/valueType :db.type/double :db/cardinality :db.cardinality/one}"
    " {:db/ident :v/gone :db/valueType :db.type/long :db/cardinality :db.cardinality/one "
    ":db/noHistory true}"
    " {:db/ident :v/set :db/valueType :db.type/long :db/cardinality :db.cardinality/many}"
    " {:db/ident :v/to :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}]";

static char folder[] = "/tmp/lion-verify-XXXXXX";
static char path[64], log_path[64];

static lion_connection *open_database(const char *uri)
{
    lion_connection *connection = NULL;
    lion_error error = { 0 };
    lion_connection_options options = { .segment_size = 512, .node_entries = 4 };
    if (lion_connection_open(&connection, uri, &options, &error) != LION_OK)
        fail_msg("%s", error.message);
    return connection;
}

static void close_database(lion_connection *connection)
{
    lion_error error = { 0 };
    if (lion_connection_close(connection, &error) != LION_OK) fail_msg("%s", error.message);
}

static void transact(lion_connection *connection, const char *text)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_error error = { 0 };
    lion_form form = edn(&arena, text);
    lion_transacting *transacting = NULL;
    if (lion_transacting_open(&transacting, connection, &form, NULL, &error) != LION_OK ||
        lion_transacting_step(transacting, &error) != LION_OK)
        fail_msg("%s", error.message);
    lion_transacting_close(transacting);
    lion_arena_deinit(&arena);
}

/* Entities [from, to): new values for those that are there; every seventh has a large one. */
static void put(lion_connection *connection, int from, int to, int round)
{
    char text[4096], large[1501];
    for (int k = from; k < to; k++) {
        memset(large, 'a' + (k + round) % 26, sizeof large - 1);
        large[k % 7 == 0 ? 1500 : k % 20] = 0;
        snprintf(text, sizeof text,
                 "[{:v/k %d :v/x \"%s\" :v/d %d.5 :v/gone %d :v/set [%d %d] :v/to [{:v/k %d}]}]", k,
                 large, k * round, k + round, k, round, k / 2);
        transact(connection, text);
    }
}

static void fill(lion_connection *connection)
{
    int64_t t;
    transact(connection, schema);
    put(connection, 0, 60, 1);
    assert_int_equal(lion_connection_index(&t, connection, NULL), LION_OK);
    put(connection, 20, 40, 2);
    assert_int_equal(lion_connection_index(&t, connection, NULL), LION_OK);
}

/* ---- files ---- */

typedef struct file_bytes {
    uint8_t *data;
    size_t size;
} file_bytes;

static file_bytes read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    file_bytes bytes = { .size = (size_t)ftell(file) };
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    assert_int_equal(fread(bytes.data, 1, bytes.size, file), bytes.size);
    fclose(file);
    return bytes;
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

static void write_byte(const char *name, size_t offset, uint8_t byte)
{
    FILE *file = fopen(name, "rb+");
    assert_non_null(file);
    fseek(file, (long)offset, SEEK_SET);
    assert_int_equal(fwrite(&byte, 1, 1, file), 1);
    fclose(file);
}

static void remove_files(void)
{
    char name[80];
    static const char *const suffixes[] = { "", "-log", "-lock", "-owner" };
    for (size_t i = 0; i < CASES(suffixes); i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        unlink(name);
    }
}

/* A database that was closed. */
static file_bytes make_clean(void)
{
    remove_files();
    lion_connection *connection = open_database(path);
    fill(connection);
    close_database(connection);
    return read_file(path);
}

/* Files as a crash leaves them: some of it in the tail. */
static file_bytes make_crashed(void)
{
    remove_files();
    lion_connection *connection = open_database(path);
    fill(connection);
    put(connection, 50, 80, 3);
    file_bytes store = read_file(path), tail = read_file(log_path);
    close_database(connection);
    remove_files();
    write_file(path, store.data, store.size);
    write_file(log_path, tail.data, tail.size);
    free(store.data);
    return tail;
}

/* ---- verifying ---- */

static lion_verify *verify(const char *uri)
{
    lion_verify *made = NULL;
    lion_error error = { 0 };
    if (lion_verify_open(&made, uri, &error) != LION_OK) fail_msg("%s", error.message);
    lion_status status;
    while ((status = lion_verify_step(made, &error)) == LION_OK) {
    }
    if (status != LION_END) fail_msg("%s", error.message);
    return made;
}

static void assert_sound(lion_verify *verified)
{
    lion_verify_report report = lion_verify_report_of(verified);
    for (uint32_t i = 0; i < report.fault_count; i++)
        print_error("%s: %s\n", report.faults[i].where, report.faults[i].error.message);
    assert_true(report.is_done);
    assert_int_equal(report.fault_count, 0);
    assert_true(report.is_sound);
}

/* Does some fault say `words`? */
static bool tells(const lion_verify *verified, const char *words)
{
    lion_verify_report report = lion_verify_report_of(verified);
    for (uint32_t i = 0; i < report.fault_count; i++) {
        if (strstr(report.faults[i].where, words) != NULL) return true;
        if (strstr(report.faults[i].error.message, words) != NULL) return true;
    }
    return false;
}

static void assert_fault(const char *words)
{
    lion_verify *verified = verify(path);
    lion_verify_report report = lion_verify_report_of(verified);
    if (!tells(verified, words)) {
        for (uint32_t i = 0; i < report.fault_count; i++)
            print_error("%s: %s\n", report.faults[i].where, report.faults[i].error.message);
        fail_msg("no fault says \"%s\"", words);
    }
    assert_false(report.is_sound);
    lion_verify_close(verified);
}

/* ---- sound databases ---- */

static void test_clean(void **state)
{
    (void)state;
    file_bytes before = make_clean();
    lion_verify *verified = verify(path);
    assert_sound(verified);
    lion_verify_report report = lion_verify_report_of(verified);
    assert_true(report.segments > 50);
    assert_true(report.blobs > 5);
    assert_int_equal(report.transactions, 82); /* the bootstrap, the schema, 60 and 20 */
    assert_int_equal(report.waste_segments + report.waste_blobs, 0);
    assert_int_equal(report.done, report.total);
    lion_verify_close(verified);

    file_bytes after = read_file(path); /* not a byte was written */
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);
    free(before.data);
    free(after.data);
}

static void test_tail(void **state)
{
    (void)state;
    file_bytes before = make_crashed();
    lion_verify *verified = verify(path);
    assert_sound(verified);
    assert_int_equal(lion_verify_report_of(verified).transactions, 82 + 30);
    assert_int_equal(lion_verify_report_of(verified).torn, 0);
    lion_verify_close(verified);
    file_bytes after = read_file(log_path);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, after.size);
    free(before.data);
    free(after.data);

    lion_connection *connection = open_database(path); /* nothing was lost by looking */
    close_database(connection);
}

static void test_live(void **state)
{
    (void)state;
    remove_files();
    const char *uris[] = { "mem:verify", path };
    for (size_t i = 0; i < CASES(uris); i++) {
        lion_connection *connection = open_database(uris[i]);
        lion_verify *verified = verify(uris[i]); /* nothing is indexed */
        assert_sound(verified);
        lion_verify_close(verified);
        fill(connection);
        put(connection, 50, 80, 3);
        verified = verify(uris[i]);
        assert_sound(verified);
        assert_int_equal(lion_verify_report_of(verified).transactions, 82 + 30);
        lion_verify_close(verified);
        close_database(connection);
    }
    lion_error error = { 0 };
    lion_verify *verified = NULL;
    assert_int_equal(lion_verify_open(&verified, "mem:verify", &error), LION_FAILED);
    assert_string_equal(error.code, "lion/not-found");
    remove_files();
    assert_int_equal(lion_verify_open(&verified, path, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/not-found");
}

/* What another process's owner leaves to be seen. */
static void test_beside_owner(void **state)
{
    (void)state;
    free(make_crashed().data);
    lion_store *owner = NULL;
    lion_store_options options = { 0 };
    assert_int_equal(lion_store_open_file(&owner, path, &options, NULL), LION_OK);
    lion_verify *verified = verify(path);
    assert_sound(verified);
    assert_true(lion_verify_report_of(verified).is_beside_owner);
    assert_int_equal(lion_verify_report_of(verified).transactions, 82);
    lion_verify_close(verified);
    lion_store_close(owner);
}

/* ---- damage ---- */

/* Where the bytes of each segment and blob first lie in the file: free pages may hold old copies.
 */
typedef struct piece {
    char name[64];
    size_t offset, size;
} piece;

static size_t find_pieces(piece *pieces, size_t max, file_bytes file)
{
    lion_store *store = NULL;
    lion_snapshot *snapshot = NULL;
    lion_store_walk *walk = NULL;
    lion_store_options options = { .read_only = true };
    assert_int_equal(lion_store_open_file(&store, path, &options, NULL), LION_OK);
    assert_int_equal(lion_snapshot_open(&snapshot, store, NULL), LION_OK);
    assert_int_equal(lion_store_walk_open(&walk, snapshot, NULL), LION_OK);
    uint64_t id;
    lion_hash128 hash;
    bool is_blob;
    lion_slice bytes;
    size_t count = 0;
    while (lion_store_walk_next(walk, &id, &hash, &is_blob, &bytes, NULL) == LION_OK) {
        assert_true(count < max);
        const uint8_t *at = memmem(file.data, file.size, bytes.data, bytes.size);
        assert_non_null(at);
        piece *made = &pieces[count++];
        *made = (piece){ .offset = (size_t)(at - file.data), .size = bytes.size };
        if (is_blob)
            snprintf(made->name, sizeof made->name, "blob %016llx%016llx",
                     (unsigned long long)hash.high, (unsigned long long)hash.low);
        else
            snprintf(made->name, sizeof made->name, "segment %llu:%llu",
                     (unsigned long long)(id >> 40),
                     (unsigned long long)(id & ((UINT64_C(1) << 40) - 1)));
    }
    lion_store_walk_close(walk);
    lion_snapshot_drop(snapshot);
    lion_store_close(store);
    return count;
}

static void test_segments(void **state)
{
    (void)state;
    file_bytes file = make_clean();
    static piece pieces[4096];
    size_t count = find_pieces(pieces, CASES(pieces), file), told = 0;
    for (size_t i = 0; i < count; i++) {
        /* in every copy that the file has of it */
        uint8_t *at = file.data;
        static uint8_t original[70000];
        assert_true(pieces[i].size <= sizeof original);
        memcpy(original, file.data + pieces[i].offset, pieces[i].size);
        size_t spot = random_below(pieces[i].size), places[16], place_count = 0;
        while (place_count < CASES(places) && (at = memmem(at, file.size - (size_t)(at - file.data),
                                                           original, pieces[i].size)) != NULL) {
            places[place_count++] = (size_t)(at - file.data) + spot;
            at++;
        }
        uint8_t mask = (uint8_t)(1u << random_below(8));
        for (size_t k = 0; k < place_count; k++)
            write_byte(path, places[k], file.data[places[k]] ^ mask);
        assert_fault(pieces[i].name);
        for (size_t k = 0; k < place_count; k++) write_byte(path, places[k], file.data[places[k]]);
        told++;
    }
    assert_true(told > 50);
    lion_verify *verified = verify(path);
    assert_sound(verified);
    lion_verify_close(verified);
    free(file.data);
}

/* All of them at once: as many are told as a report has room for. */
static void test_many(void **state)
{
    (void)state;
    file_bytes file = make_clean();
    static piece pieces[4096];
    size_t count = find_pieces(pieces, CASES(pieces), file);
    for (size_t i = 0; i < count; i++)
        write_byte(path, pieces[i].offset + pieces[i].size / 2,
                   (uint8_t)~file.data[pieces[i].offset + pieces[i].size / 2]);
    lion_verify *verified = verify(path);
    lion_verify_report report = lion_verify_report_of(verified);
    assert_true(report.fault_count > 10 && report.fault_count <= LION_VERIFY_FAULTS_MAX);
    lion_verify_close(verified);
    free(file.data);
}

/* Any byte of the file, by chance: never a crash; and if the verification finds nothing, an owner
 * can open the file and read all of it (the byte meant nothing). */
static void test_anywhere(void **state)
{
    (void)state;
    file_bytes file = make_clean();
    size_t told = 0, rounds = 300;
    for (size_t round = 0; round < rounds; round++) {
        size_t spot = random_below(file.size);
        if (round % 3 == 0) spot = spot / 4096 * 4096 + random_below(64); /* headers of pages */
        if (round % 30 == 0) spot = random_below(2 * 4096);
        if (spot >= file.size) continue;
        uint8_t mask = (uint8_t)(1 + random_below(255));
        write_byte(path, spot, file.data[spot] ^ mask);
        lion_error error = { 0 };
        lion_verify *verified = NULL;
        lion_status status = lion_verify_open(&verified, path, &error);
        while (status == LION_OK) status = lion_verify_step(verified, &error);
        bool is_found = status < 0 || !lion_verify_report_of(verified).is_sound;
        lion_verify_close(verified);
        if (is_found) {
            told++;
        } else {
            lion_store *store = NULL;
            lion_store_options options = { .read_only = true };
            if (lion_store_open_file(&store, path, &options, &error) != LION_OK)
                fail_msg("byte %zu: %s", spot, error.message);
            lion_store_close(store);
        }
        write_byte(path, spot, file.data[spot]);
    }
    assert_true(told > 20);
    free(file.data);
}

static void test_truncated(void **state)
{
    (void)state;
    file_bytes file = make_clean();
    size_t sizes[] = { 0, 1, 4096, 5000, 8192, 20000, file.size / 2, file.size - 4096 * 8 };
    for (size_t i = 0; i < CASES(sizes); i++) {
        write_file(path, file.data, sizes[i]);
        assert_fault("");
        file_bytes after = read_file(path);
        assert_int_equal(after.size, sizes[i]);
        free(after.data);
    }
    free(file.data);
}

static void test_foreign(void **state)
{
    (void)state;
    remove_files();
    static uint8_t noise[40000];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)random_u64();
    write_file(path, noise, sizeof noise);
    assert_fault("not a Lion database");
    write_file(path, (const uint8_t *)"name,mail\nAnn,ann@x\n", 20);
    assert_fault("not a Lion database");
}

/* A byte of each group of the tail but the last, of which no later group could tell that it was
 * durable. */
static void test_tail_damage(void **state)
{
    (void)state;
    file_bytes tail = make_crashed();
    size_t groups[256], count = 0;
    for (size_t at = 8192; at < tail.size && count < CASES(groups); at += 512)
        if (memcmp(tail.data + at + 8, "liongrp\n", 8) == 0) groups[count++] = at;
    assert_true(count > 20);
    for (size_t i = count - 20; i + 1 < count; i++) {
        size_t spot = groups[i] + 16 + random_below(100);
        write_byte(log_path, spot, tail.data[spot] ^ 0x10);
        char words[64];
        snprintf(words, sizeof words, "at byte %zu", groups[i]);
        assert_fault(words);
        write_byte(log_path, spot, tail.data[spot]);
    }
    size_t spot = groups[count - 1] + 70; /* the last: as good as a write that never ended */
    write_byte(log_path, spot, tail.data[spot] ^ 0x10);
    lion_verify *verified = verify(path);
    assert_sound(verified);
    assert_int_equal(lion_verify_report_of(verified).torn, groups[count - 1]);
    lion_verify_close(verified);

    write_file(log_path, tail.data, tail.size / 2);
    assert_fault("cut off");
    unlink(log_path);
    assert_fault("missing");
    tail.data[20] ^= 1, tail.data[4096 + 20] ^= 1; /* both copies of the directory */
    write_file(log_path, tail.data, tail.size);
    assert_fault("tail");
    free(tail.data);
}

/* A commit that nobody of ours would make: a root whose parts do not agree, or a segment that
 * nothing leads to. */
static void commit_root(void (*change)(lion_root *root), bool has_orphan)
{
    lion_store *store = NULL;
    lion_root *root = NULL;
    lion_commit *commit = NULL;
    lion_store_options options = { 0 };
    lion_buffer record;
    lion_buffer_init(&record);
    assert_int_equal(lion_store_open_file(&store, path, &options, NULL), LION_OK);
    assert_int_equal(lion_root_open(&root, store, NULL), LION_OK);
    change(root);
    lion_root_encode(&record, root);
    assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
    if (has_orphan)
        assert_int_equal(
            lion_commit_put(commit, lion_commit_next_id(commit), lion_slice_text("orphan"), NULL),
            LION_OK);
    assert_int_equal(lion_commit_finish_take(commit, lion_buffer_view(&record), NULL), LION_OK);
    lion_buffer_deinit(&record);
    lion_root_drop(root);
    lion_store_close(store);
}

static void change_nothing(lion_root *root)
{
    (void)root;
}

static void lose_history(lion_root *root)
{
    root->history_eavt.segment = root->history_eavt.count = root->history_eavt.height = 0;
}

static void swap_trees(lion_root *root) /* of two attributes of one type */
{
    lion_root_attribute *a = NULL, *b = NULL;
    for (uint32_t i = 0; i < root->attribute_count; i++) {
        lion_root_attribute *at = &root->attributes[i];
        if (at->type != LION_TYPE_LONG || at->aevt.count != 60) continue;
        if (a == NULL)
            a = at;
        else
            b = at;
    }
    assert_non_null(b);
    lion_tree aevt = a->aevt;
    a->aevt = b->aevt;
    b->aevt = aevt;
}

static void change_numbers(lion_root *root)
{
    root->datoms++;
    root->next_counter++;
    root->attributes[3].distinct_e++;
}

static void test_disagreement(void **state)
{
    (void)state;
    free(make_clean().data);
    commit_root(change_nothing, true);
    lion_verify *verified = verify(path);
    assert_sound(verified);
    assert_int_equal(lion_verify_report_of(verified).waste_segments, 1);
    lion_verify_close(verified);

    struct {
        void (*change)(lion_root *root);
        const char *words[4];
    } cases[] = {
        { lose_history, { "AEVT history of :v/x", "log of :v/x", "blob", "AVET history of :v/d" } },
        { swap_trees, { "AEVT of :v/k", "AEVT of :v/gone", "not the same", ":v" } },
        { change_numbers, { "datoms", "as its counter", "entities", "the root says" } },
    };
    for (size_t i = 0; i < CASES(cases); i++) {
        free(make_clean().data);
        commit_root(cases[i].change, false);
        for (size_t k = 0; k < CASES(cases[i].words); k++) assert_fault(cases[i].words[k]);
    }
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/db.lion", folder);
    snprintf(log_path, sizeof log_path, "%s/db.lion-log", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_files();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_live),         cmocka_unit_test(test_beside_owner),
        cmocka_unit_test(test_segments),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_anywhere),     cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_foreign),      cmocka_unit_test(test_tail_damage),
        cmocka_unit_test(test_disagreement),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
