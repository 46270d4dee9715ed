/* store_file_test.c - what only a store in a file can do: close, die, be damaged, be locked. */
#define _GNU_SOURCE /* memmem */
#include "support.h"

#include <fcntl.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/frame.h"
#include "store/lmdb.h"
#include "store/store.h"

static char folder[64], path[128];

static lion_status try_open(lion_store **store_out, bool create, bool read_only, lion_error *error)
{
    lion_store_options options = { .create = create,
                                   .read_only = read_only,
                                   .map_size = UINT64_C(1) << 32,
                                   .control = "unix:/run/lion-test" };
    return lion_store_open_file(store_out, path, &options, error);
}

static lion_store *open_store(bool create)
{
    lion_store *store = NULL;
    lion_error error = { 0 };
    if (try_open(&store, create, false, &error) != LION_OK)
        fail_msg("%s: %s", error.code, error.message);
    return store;
}

static void check_refused(bool create, bool read_only, const char *code, const char *words)
{
    lion_store *store = NULL;
    lion_error error = { 0 };
    assert_int_equal(try_open(&store, create, read_only, &error), LION_FAILED);
    assert_string_equal(error.code, code);
    if (strstr(error.message, words) == NULL) fail_msg("%s", error.message);
}

static uint64_t commit_sizes(lion_store *store, size_t count, size_t size, const char *root)
{
    lion_commit *commit;
    assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
    uint8_t *bytes = calloc(1, size);
    uint64_t id = 0;
    for (size_t i = 0; i < count; i++) {
        id = lion_commit_next_id(commit);
        memset(bytes, (int)id, size);
        assert_int_equal(lion_commit_put(commit, id, lion_slice_of(bytes, size), NULL), LION_OK);
    }
    free(bytes);
    assert_int_equal(lion_commit_finish_take(commit, lion_slice_text(root), NULL), LION_OK);
    return id;
}

static uint64_t count_segments(lion_store *store)
{
    lion_store_stats stats;
    assert_int_equal(lion_store_stats_read(&stats, store, NULL), LION_OK);
    return stats.segments;
}

static void check_root(lion_store *store, const char *root)
{
    lion_snapshot *snapshot;
    assert_int_equal(lion_snapshot_open(&snapshot, store, NULL), LION_OK);
    assert_true(lion_slice_equal(lion_snapshot_root(snapshot), lion_slice_text(root)));
    lion_snapshot_drop(snapshot);
}

static bool is_there(const char *suffix)
{
    char name[160];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

static void remove_files(void)
{
    static const char *const SUFFIXES[] = { "", "-lock", "-owner", "-copy", "-compact" };
    for (size_t i = 0; i < CASES(SUFFIXES); i++) {
        char name[160];
        snprintf(name, sizeof name, "%s%s", path, SUFFIXES[i]);
        unlink(name);
    }
}

static int setup(void **state)
{
    (void)state;
    remove_files();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lion_fault_disarm();
    remove_files();
    return 0;
}

/* Runs body in a child; the child's exit code, or minus the signal that ended it. */
static int in_child(void (*body)(void))
{
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void test_reopening_counts_generations_and_keeps_the_id(void **state)
{
    (void)state;
    check_refused(false, false, "lion/not-found", "no database");
    uint8_t id[16];
    for (uint64_t generation = 1; generation <= 3; generation++) {
        lion_store *store = open_store(generation == 1);
        assert_int_equal(lion_store_generation(store), generation);
        if (generation == 1) memcpy(id, lion_store_database_id(store), 16);
        assert_memory_equal(lion_store_database_id(store), id, 16);
        lion_store_close(store);
        assert_true(is_there("") && !is_there("-lock") && !is_there("-owner"));
    }
}

static void test_foreign_files_are_refused(void **state)
{
    (void)state;
    int file = open(path, O_CREAT | O_RDWR, 0644);
    char text[20000];
    memset(text, 'x', sizeof text);
    assert_int_equal(write(file, text, sizeof text), sizeof text);
    close(file);
    check_refused(true, false, "lion/corrupt", "not a Lion database");

    unlink(path);
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi tree;
    mdb_env_create(&env);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0644), 0);
    mdb_txn_begin(env, NULL, 0, &txn);
    mdb_dbi_open(txn, NULL, 0, &tree);
    MDB_val key = lion_lmdb_key("k", 1), value = key;
    assert_int_equal(mdb_put(txn, tree, &key, &value, 0), 0);
    mdb_txn_commit(txn);
    mdb_env_close(env);
    check_refused(true, false, "lion/corrupt", "not a Lion database");
}

static void test_a_newer_format_is_refused(void **state)
{
    (void)state;
    lion_store_close(open_store(true));
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi meta;
    mdb_env_create(&env);
    mdb_env_set_maxdbs(env, 8);
    assert_int_equal(mdb_env_open(env, path, MDB_NOSUBDIR, 0644), 0);
    mdb_txn_begin(env, NULL, 0, &txn);
    mdb_dbi_open(txn, "meta", 0, &meta);
    MDB_val key = lion_lmdb_key("lion", 4), value;
    assert_int_equal(mdb_get(txn, meta, &key, &value), 0);
    lion_lmdb_header header;
    memcpy(&header, value.mv_data, sizeof header);
    header.version = LION_FORMAT_VERSION + 1;
    value = lion_lmdb_key(&header, sizeof header);
    assert_int_equal(mdb_put(txn, meta, &key, &value, 0), 0);
    mdb_txn_commit(txn);
    mdb_env_close(env);
    check_refused(false, false, "lion/version", "use a newer one");
}

static void test_truncation_is_corruption_never_a_crash(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    commit_sizes(store, 40, 40000, "root");
    lion_store_close(store);
    struct stat file;
    stat(path, &file);
    for (off_t size = file.st_size - 4096; size > 0; size = size * 2 / 3) {
        assert_int_equal(truncate(path, size), 0);
        lion_error error = { 0 };
        assert_int_equal(try_open(&store, false, false, &error), LION_FAILED);
        assert_string_equal(error.code, "lion/corrupt");
        struct stat after;
        stat(path, &after);
        assert_int_equal(after.st_size, size); /* left as it was */
    }
}

/* A whole file that ends a little early is no damage. */
static void test_a_short_but_whole_file_opens(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    commit_sizes(store, 3, 40000, "one");
    lion_commit *commit; /* pages at the end, taken and freed in one transaction */
    assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
    uint8_t *bytes = calloc(1, 4000000);
    uint64_t id = lion_commit_next_id(commit);
    assert_int_equal(lion_commit_put(commit, id, lion_slice_of(bytes, 4000000), NULL), LION_OK);
    assert_int_equal(lion_commit_delete(commit, id, NULL), LION_OK);
    assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("two"), NULL), LION_OK);
    free(bytes);
    lion_store_close(store);
    store = open_store(false);
    check_root(store, "two");
    assert_int_equal(count_segments(store), 3);
    lion_store_close(store);
}

static void test_a_flipped_byte_is_named(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    uint64_t id = commit_sizes(store, 1, 40000, "root");
    lion_store_close(store);
    /* Find the segment's bytes in the file by their pattern. */
    int file = open(path, O_RDWR);
    static uint8_t all[1 << 20];
    ssize_t size = pread(file, all, sizeof all, 0);
    uint8_t pattern[64];
    memset(pattern, (int)id, sizeof pattern);
    const uint8_t *at = memmem(all, (size_t)size, pattern, sizeof pattern);
    assert_non_null(at);
    uint8_t wrong = (uint8_t)(*at ^ 1);
    assert_int_equal(pwrite(file, &wrong, 1, at - all + 1000), 1);
    close(file);
    store = open_store(false);
    lion_snapshot *snapshot;
    lion_slice bytes;
    lion_error error = { 0 };
    assert_int_equal(lion_snapshot_open(&snapshot, store, NULL), LION_OK);
    assert_int_equal(lion_snapshot_segment(&bytes, snapshot, id, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/corrupt");
    assert_non_null(strstr(error.message, "segment 1:"));
    lion_snapshot_drop(snapshot);
    lion_store_close(store);
}

static void open_elsewhere(void)
{
    lion_store *store;
    lion_error error = { 0 };
    if (try_open(&store, false, false, &error) == LION_OK) _exit(1);
    char pid[32];
    snprintf(pid, sizeof pid, "process %ld", (long)getppid());
    if (strcmp(error.code, "lion/locked") != 0 || error.category != LION_UNAVAILABLE) _exit(2);
    if (strstr(error.message, pid) == NULL) _exit(3);
    if (strstr(error.message, "unix:/run/lion-test") == NULL) _exit(4);
}

static void read_elsewhere(void)
{
    lion_store *store;
    lion_error error = { 0 };
    if (try_open(&store, false, true, &error) != LION_OK) _exit(1);
    check_root(store, "root");
    lion_commit *commit;
    if (lion_commit_begin(&commit, store, &error) == LION_OK) _exit(2);
    if (strcmp(error.code, "lion/read-only") != 0) _exit(3);
    lion_store_close(store);
}

static pid_t spawn(void (*body)(void), int *go)
{
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(channel[1]);
        if (read(channel[0], &byte, 1) != 1) _exit(9);
        body();
        _exit(0);
    }
    close(channel[0]);
    *go = channel[1];
    return child;
}

/* The children are forked before the store is open: an open store does not survive a fork. */
static void test_a_second_process_is_told_who_has_the_file(void **state)
{
    (void)state;
    int go[2], status;
    pid_t opener = spawn(open_elsewhere, &go[0]), reader = spawn(read_elsewhere, &go[1]);
    lion_store *store = open_store(true);
    commit_sizes(store, 1, 100, "root");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(write(go[i], "x", 1), 1);
        assert_int_equal(waitpid(i == 0 ? opener : reader, &status, 0), i == 0 ? opener : reader);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        close(go[i]);
    }
    check_refused(false, false, "lion/locked", "process"); /* nor twice in one process */
    lion_store_close(store);
    lion_store_close(open_store(false));
}

static void die_in_a_large_commit(void)
{
    lion_store *store = open_store(false);
    lion_commit *commit;
    lion_error error;
    if (lion_commit_begin(&commit, store, &error) != LION_OK) _exit(1);
    uint8_t *bytes = calloc(1, 1 << 20);
    for (int i = 0; i < 200; i++) {
        uint64_t id = lion_commit_next_id(commit);
        bytes[0] = (uint8_t)i;
        lion_hash128 hash = lion_hash_128(bytes, 2000);
        if (lion_commit_put(commit, id, lion_slice_of(bytes, 1 << 20), &error) != LION_OK) _exit(2);
        if (lion_commit_put_blob(commit, hash, lion_slice_of(bytes, 2000), 1, &error) != LION_OK)
            _exit(3);
    }
    if (lion_commit_finish_take(commit, lion_slice_text("never"), &error) != LION_OK) _exit(4);
}

static void test_an_unfinished_large_commit_is_undone(void **state)
{
    static const struct {
        const char *point;
        uint64_t hit;
    } deaths[] = { { "store.put", 150 }, { "store.commit", 1 }, { "store.commit", 3 },
                   { "store.part", 1 },  { "store.part", 4 },   { "store.put", 401 } };
    (void)state;
    lion_store *store = open_store(true);
    commit_sizes(store, 5, 5000, "root");
    lion_store_close(store);
    for (size_t i = 0; i < CASES(deaths); i++) {
        lion_fault_arm(deaths[i].point, deaths[i].hit, "kill");
        assert_int_equal(in_child(die_in_a_large_commit), -SIGKILL);
        lion_fault_disarm();
        store = open_store(false);
        check_root(store, "root");
        lion_store_stats stats;
        assert_int_equal(lion_store_stats_read(&stats, store, NULL), LION_OK);
        assert_int_equal(stats.segments, 5);
        assert_int_equal(stats.blobs, 0);
        assert_true(stats.bytes_file < 400 << 20); /* the room is used again */
        lion_store_close(store);
    }
    assert_int_equal(in_child(die_in_a_large_commit), 0); /* it can succeed */
    store = open_store(false);
    check_root(store, "never");
    assert_int_equal(count_segments(store), 205);
    lion_store_close(store);
}

static void test_a_failed_write_keeps_the_old_root(void **state)
{
    static const char *const KINDS[] = { "full", "fail" };
    (void)state;
    lion_store *store = open_store(true);
    commit_sizes(store, 5, 5000, "root");
    for (size_t i = 0; i < CASES(KINDS); i++) {
        lion_commit *commit;
        lion_error error = { 0 };
        assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
        lion_fault_arm("store.commit", 1, KINDS[i]);
        assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("x"), &error),
                         LION_FAILED);
        lion_fault_disarm();
        assert_string_equal(error.code, i == 0 ? "lion/disk-full" : "lion/io");
        check_root(store, "root");
        /* Want of room passes; a failed write stops commits for good, reads go on. */
        lion_status again = lion_commit_begin(&commit, store, NULL);
        assert_int_equal(again, i == 0 ? LION_OK : LION_FAILED);
        if (again == LION_OK) lion_commit_abort(commit);
    }
    lion_store_close(store);
}

static void test_a_copy_is_a_database(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    commit_sizes(store, 30, 40000, "root");
    char copy[160];
    snprintf(copy, sizeof copy, "%s-copy", path);
    assert_int_equal(lion_store_copy(store, copy, NULL), LION_OK);
    lion_error error = { 0 };
    assert_int_equal(lion_store_copy(store, copy, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/exists");
    lion_store_close(store);
    assert_int_equal(rename(copy, path), 0);
    store = open_store(false);
    check_root(store, "root");
    assert_int_equal(count_segments(store), 30);
    lion_store_close(store);
}

static void test_room_is_used_again(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    uint64_t old[20] = { 0 };
    uint8_t *bytes = calloc(1, 65536);
    for (int round = 0; round < 60; round++) {
        lion_commit *commit;
        assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
        for (size_t i = 0; i < 20; i++) {
            if (old[i] != 0) lion_commit_delete(commit, old[i], NULL);
            old[i] = lion_commit_next_id(commit);
            lion_slice slice = lion_slice_of(bytes, 32768 + random_below(32768));
            assert_int_equal(lion_commit_put(commit, old[i], slice, NULL), LION_OK);
        }
        assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("r"), NULL), LION_OK);
    }
    free(bytes);
    lion_store_stats stats;
    assert_int_equal(lion_store_stats_read(&stats, store, NULL), LION_OK);
    assert_true(stats.bytes_file < 8 << 20); /* 1 MB lives, 60 MB went through */
    lion_store_close(store);
}

static void test_rooms_repeat(void **state)
{
    (void)state;
    assert_int_equal(lion_frame_room(100, 8, 4096), 116);
    assert_int_equal(lion_frame_room(3000, 8, 4096), 4080);
    assert_int_equal(lion_frame_room(40000, 8, 4096), 10 * 4096 - 16);
    assert_int_equal(lion_frame_room(42000, 8, 4096), 12 * 4096 - 16);
    assert_int_equal(lion_frame_room(49152, 8, 4096), 14 * 4096 - 16);
    assert_int_equal(lion_frame_room(140000, 8, 4096), 36 * 4096 - 16);
    for (size_t size = 2000; size < 3000000; size += 997) {
        size_t room = lion_frame_room(size, 8, 4096);
        assert_true(room >= size + 16 && room % 4096 == 4080);
        assert_true(size < 40000 || room < size + size / 4);
    }
}

static off_t file_size(void)
{
    struct stat file;
    assert_int_equal(stat(path, &file), 0);
    return file.st_size;
}

/* One opening that writes 6 MiB and replaces 3 of them. */
static void replace_half(lion_store *store)
{
    uint64_t last = commit_sizes(store, 60, 50000, "first");
    lion_commit *commit;
    assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
    uint8_t bytes[50000] = { 7 };
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t id = lion_commit_next_id(commit);
        assert_int_equal(lion_commit_put(commit, id, lion_slice_of(bytes, sizeof bytes), NULL), LION_OK);
        assert_int_equal(lion_commit_delete(commit, last - i, NULL), LION_OK);
    }
    assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("second"), NULL), LION_OK);
}

static void check_second(off_t less_than)
{
    assert_true(file_size() < less_than);
    assert_false(is_there("-compact"));
    lion_store *store = open_store(false);
    assert_false(is_there("-compact"));
    check_root(store, "second");
    assert_int_equal(count_segments(store), 60);
    lion_store_close(store);
}

static void test_a_closed_file_gives_free_room_back(void **state)
{
    (void)state;
    lion_store *store = open_store(true);
    replace_half(store);
    off_t before = file_size();
    lion_store_close(store);
    check_second(before * 2 / 3);
}

static void test_a_file_that_another_reads_stays(void **state)
{
    (void)state;
    lion_store *store = open_store(true), *reader = NULL;
    replace_half(store);
    off_t before = file_size();
    assert_int_equal(try_open(&reader, false, true, NULL), LION_OK);
    lion_store_close(store);
    assert_int_equal(file_size(), before);
    check_root(reader, "second");
    lion_store_close(reader);
    check_second(before + 1);
}

static void die_between_copy_and_rename(void)
{
    lion_store *store = open_store(true);
    replace_half(store);
    lion_fault_arm("store.rename", 1, "kill");
    lion_store_close(store);
}

static void test_dying_before_the_copy_is_in_place_loses_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(die_between_copy_and_rename), -SIGKILL);
    assert_true(is_there("-compact"));
    lion_store *store = open_store(false);
    assert_false(is_there("-compact"));
    check_root(store, "second");
    lion_store_close(store);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/lion-file-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/shop.lion", folder);
    const struct CMUnitTest tests[] = {
        T(test_reopening_counts_generations_and_keeps_the_id),
        T(test_foreign_files_are_refused),
        T(test_a_newer_format_is_refused),
        T(test_truncation_is_corruption_never_a_crash),
        T(test_a_short_but_whole_file_opens),
        T(test_a_flipped_byte_is_named),
        T(test_a_second_process_is_told_who_has_the_file),
        T(test_an_unfinished_large_commit_is_undone),
        T(test_a_failed_write_keeps_the_old_root),
        T(test_a_copy_is_a_database),
        T(test_room_is_used_again),
        T(test_rooms_repeat),
        T(test_a_closed_file_gives_free_room_back),
        T(test_a_file_that_another_reads_stays),
        T(test_dying_before_the_copy_is_in_place_loses_nothing),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder); /* fails when a test left something: look at it */
    return failed;
}
