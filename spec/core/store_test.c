/* store_test.c - both stores keep the same contract; what only a file can do is in
 * store_file_test.c. */
#include "support.h"

#include <pthread.h>
#include <unistd.h>

#include "base/fault.h"
#include "store/store.h"

static char folder[64];

typedef struct fixture {
    lion_store *store;
    char path[128];
} fixture;

static lion_store *open_store(const char *path)
{
    lion_store *store;
    lion_error error = { 0 };
    lion_store_options options = { .create = true, .map_size = UINT64_C(1) << 32 };
    lion_status status = path[0] != '\0' ? lion_store_open_file(&store, path, &options, &error)
                                         : lion_store_open_memory(&store, &error);
    if (status != LION_OK) fail_msg("%s: %s", error.code, error.message);
    return store;
}

static int setup_memory(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    f->store = open_store(f->path);
    *state = f;
    return 0;
}

static int setup_file(void **state)
{
    static int count;
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->path, sizeof f->path, "%s/%d.lion", folder, count++);
    f->store = open_store(f->path);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture *f = *state;
    lion_fault_disarm();
    lion_store_close(f->store);
    if (f->path[0] != '\0') assert_int_equal(unlink(f->path), 0);
    free(f);
    return 0;
}

static lion_commit *begin(lion_store *store)
{
    lion_commit *commit;
    assert_int_equal(lion_commit_begin(&commit, store, NULL), LION_OK);
    return commit;
}

static void finish(lion_commit *commit, const char *root)
{
    lion_error error = { 0 };
    if (lion_commit_finish_take(commit, lion_slice_text(root), &error) != LION_OK)
        fail_msg("%s: %s", error.code, error.message);
}

static lion_snapshot *pin(lion_store *store)
{
    lion_snapshot *snapshot;
    lion_error error = { 0 };
    if (lion_snapshot_open(&snapshot, store, &error) != LION_OK) fail_msg("%s", error.message);
    return snapshot;
}

/* Bytes that tell their id and size. */
static uint8_t *pattern(uint64_t id, size_t size)
{
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(id * 31 + i * 7 + (i >> 8));
    return bytes;
}

static uint64_t put(lion_commit *commit, size_t size)
{
    uint64_t id = lion_commit_next_id(commit);
    uint8_t *bytes = pattern(id, size);
    lion_error error = { 0 };
    if (lion_commit_put(commit, id, lion_slice_of(bytes, size), &error) != LION_OK)
        fail_msg("%s", error.message);
    free(bytes);
    return id;
}

static void check(lion_snapshot *snapshot, uint64_t id, size_t size)
{
    lion_slice bytes;
    lion_error error = { 0 };
    if (lion_snapshot_segment(&bytes, snapshot, id, &error) != LION_OK)
        fail_msg("%s", error.message);
    uint8_t *expected = pattern(id, size);
    assert_int_equal(bytes.size, size);
    assert_int_equal((uintptr_t)bytes.data % 8, 0);
    if (size > 0) assert_memory_equal(bytes.data, expected, size);
    free(expected);
}

static void check_missing(lion_snapshot *snapshot, uint64_t id)
{
    lion_slice bytes;
    lion_error error = { 0 };
    assert_int_equal(lion_snapshot_segment(&bytes, snapshot, id, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/corrupt");
    assert_non_null(strstr(error.message, "missing"));
}

static void check_root(lion_snapshot *snapshot, const char *root)
{
    assert_true(lion_slice_equal(lion_snapshot_root(snapshot), lion_slice_text(root)));
}

static const size_t SIZES[] = { 0,     1,     7,      100,     1000,   1900, 1968,
                                1969,  2000,  4000,   4064,    4065,   8000, 32768,
                                49152, 65536, 200000, 1000000, 5000000 };

static void test_segments_of_any_size_come_back(void **state)
{
    fixture *f = *state;
    uint64_t ids[CASES(SIZES)];
    lion_commit *commit = begin(f->store);
    for (size_t i = 0; i < CASES(SIZES); i++) ids[i] = put(commit, SIZES[i]);
    finish(commit, "root");
    for (int round = 0; round < 2; round++) {
        lion_snapshot *snapshot = pin(f->store);
        check_root(snapshot, "root");
        for (int twice = 0; twice < 2; twice++)
            for (size_t i = 0; i < CASES(SIZES); i++) check(snapshot, ids[i], SIZES[i]);
        lion_snapshot_drop(snapshot);
        if (f->path[0] == '\0') return;
        lion_store_close(f->store); /* and after opening again */
        f->store = open_store(f->path);
    }
}

static void test_a_new_store_has_an_empty_root(void **state)
{
    fixture *f = *state;
    lion_snapshot *snapshot = pin(f->store);
    check_root(snapshot, "");
    check_missing(snapshot, UINT64_C(1) << 40 | 1);
    check_missing(snapshot, 77);
    lion_snapshot_drop(snapshot);
    lion_snapshot_drop(NULL);
}

static void test_a_snapshot_keeps_what_later_commits_delete(void **state)
{
    fixture *f = *state;
    lion_commit *commit = begin(f->store);
    uint64_t a = put(commit, 40000), b = put(commit, 100);
    finish(commit, "one");
    lion_snapshot *one = pin(f->store);
    check(one, a, 40000); /* b is resolved only after its deletion */

    lion_snapshot *middle = NULL;
    for (int i = 0; i < 20; i++) {
        commit = begin(f->store);
        uint64_t c = put(commit, 40000);
        if (i == 0) {
            assert_int_equal(lion_commit_delete(commit, a, NULL), LION_OK);
            assert_int_equal(lion_commit_delete(commit, b, NULL), LION_OK);
        }
        finish(commit, i % 2 ? "odd" : "even");
        lion_snapshot *now = pin(f->store);
        check_root(now, i % 2 ? "odd" : "even");
        check(now, c, 40000);
        check_missing(now, a);
        check_missing(now, b);
        if (i == 7) middle = lion_snapshot_keep(now);
        lion_snapshot_drop(now);
    }
    check_root(one, "one");
    check(one, a, 40000);
    check(one, b, 100);
    check_root(middle, "odd");
    lion_snapshot_drop(one);
    check_missing(middle, a);
    lion_snapshot_drop(middle);
}

static void test_the_newest_root_is_shared(void **state)
{
    fixture *f = *state;
    lion_snapshot *a = pin(f->store), *b = pin(f->store);
    assert_ptr_equal(a, b);
    finish(begin(f->store), "next");
    lion_snapshot *c = pin(f->store);
    assert_ptr_not_equal(a, c);
    lion_store_stats stats;
    assert_int_equal(lion_store_stats_read(&stats, f->store, NULL), LION_OK);
    assert_int_equal(stats.snapshots, 2);
    lion_snapshot_drop(a);
    lion_snapshot_drop(b);
    lion_snapshot_drop(c);
    assert_int_equal(lion_store_stats_read(&stats, f->store, NULL), LION_OK);
    assert_int_equal(stats.snapshots, 0);
}

static void test_an_aborted_commit_leaves_nothing(void **state)
{
    fixture *f = *state;
    lion_store_stats before, after;
    lion_hash128 hash = lion_hash_128("blob", 4);
    finish(begin(f->store), "root");
    assert_int_equal(lion_store_stats_read(&before, f->store, NULL), LION_OK);
    lion_commit *commit = begin(f->store);
    uint64_t id = put(commit, 5000);
    assert_int_equal(lion_commit_put_blob(commit, hash, lion_slice_text("blob"), 1, NULL), LION_OK);
    lion_commit_abort(commit);
    lion_commit_abort(NULL);
    lion_snapshot *snapshot = pin(f->store);
    check_root(snapshot, "root");
    check_missing(snapshot, id);
    lion_slice bytes;
    assert_int_equal(lion_snapshot_blob(&bytes, snapshot, hash, NULL), LION_FAILED);
    lion_snapshot_drop(snapshot);
    assert_int_equal(lion_store_stats_read(&after, f->store, NULL), LION_OK);
    assert_int_equal(before.segments, after.segments);
    assert_int_equal(before.blobs, after.blobs);
}

static void put_blob(lion_commit *commit, lion_slice bytes, uint64_t references)
{
    lion_hash128 hash = lion_hash_128(bytes.data, bytes.size);
    assert_int_equal(lion_commit_put_blob(commit, hash, bytes, references, NULL), LION_OK);
}

static void release_blob(lion_commit *commit, lion_slice bytes, uint64_t references)
{
    lion_hash128 hash = lion_hash_128(bytes.data, bytes.size);
    assert_int_equal(lion_commit_release_blob(commit, hash, references, NULL), LION_OK);
}

static bool has_blob(lion_snapshot *snapshot, lion_slice bytes)
{
    lion_slice found;
    lion_hash128 hash = lion_hash_128(bytes.data, bytes.size);
    if (lion_snapshot_blob(&found, snapshot, hash, NULL) != LION_OK) return false;
    assert_true(lion_slice_equal(found, bytes));
    return true;
}

static bool has_blob_now(fixture *f, lion_slice bytes)
{
    lion_snapshot *snapshot = pin(f->store);
    bool found = has_blob(snapshot, bytes);
    lion_snapshot_drop(snapshot);
    return found;
}

static void test_blobs_count_references(void **state)
{
    fixture *f = *state;
    uint8_t *data = pattern(5, 300000);
    lion_slice big = lion_slice_of(data, 300000), small = lion_slice_of(data, 1100);
    lion_commit *commit = begin(f->store);
    put_blob(commit, big, 2);
    put_blob(commit, small, 1);
    put_blob(commit, small, 1);
    finish(commit, "1");
    lion_snapshot *first = pin(f->store);

    commit = begin(f->store);
    release_blob(commit, big, 1);
    release_blob(commit, small, 2);
    finish(commit, "2");
    assert_true(has_blob_now(f, big));
    assert_false(has_blob_now(f, small));
    assert_true(has_blob(first, small));

    commit = begin(f->store); /* gone, put again, and moved within one commit */
    put_blob(commit, small, 1);
    put_blob(commit, big, 1);
    release_blob(commit, big, 2);
    finish(commit, "3");
    assert_true(has_blob_now(f, small));
    assert_false(has_blob_now(f, big));

    commit = begin(f->store); /* put and released: never there */
    put_blob(commit, lion_slice_text("brief"), 1);
    release_blob(commit, lion_slice_text("brief"), 1);
    finish(commit, "4");
    assert_false(has_blob_now(f, lion_slice_text("brief")));
    assert_true(has_blob(first, big));
    assert_true(has_blob(first, small));
    lion_snapshot_drop(first);

    lion_error error = { 0 };
    commit = begin(f->store);
    release_blob(commit, small, 9);
    assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("5"), &error), LION_FAILED);
    assert_string_equal(error.code, "lion/corrupt");
    assert_true(has_blob_now(f, small));
    free(data);
}

static void test_a_wanted_blob_survives_its_last_reader(void **state)
{
    fixture *f = *state;
    lion_slice text = lion_slice_text("a blob that dies and is wanted again");
    lion_commit *commit = begin(f->store);
    put_blob(commit, text, 1);
    finish(commit, "1");
    lion_snapshot *reader = pin(f->store);
    commit = begin(f->store);
    release_blob(commit, text, 1);
    finish(commit, "2");
    for (int aborts = 1; aborts >= 0; aborts--) {
        commit = begin(f->store);
        put_blob(commit, text, 1);
        lion_snapshot_drop(reader);
        reader = NULL;
        if (aborts)
            lion_commit_abort(commit);
        else
            finish(commit, "3");
        assert_int_equal(has_blob_now(f, text), !aborts);
    }
}

static void test_deleting_what_is_missing_is_refused(void **state)
{
    fixture *f = *state;
    lion_commit *commit = begin(f->store);
    uint64_t id = put(commit, 10);
    finish(commit, "1");
    for (int twice = 0; twice < 2; twice++) {
        lion_error error = { 0 };
        commit = begin(f->store);
        lion_commit_delete(commit, twice ? id : id + 50, NULL);
        if (twice) lion_commit_delete(commit, id, NULL);
        assert_int_equal(lion_commit_finish_take(commit, lion_slice_text("2"), &error),
                         LION_FAILED);
        assert_string_equal(error.code, "lion/corrupt");
        lion_snapshot *snapshot = pin(f->store);
        check_root(snapshot, "1");
        check(snapshot, id, 10);
        lion_snapshot_drop(snapshot);
    }
}

static void test_a_walk_sees_all_of_its_root(void **state)
{
    fixture *f = *state;
    lion_commit *commit = begin(f->store);
    uint64_t ids[60];
    for (size_t i = 0; i < 60; i++) ids[i] = put(commit, i * 300);
    put_blob(commit, lion_slice_text("one blob"), 1);
    put_blob(commit, lion_slice_text("two blobs"), 1);
    finish(commit, "1");
    lion_snapshot *snapshot = pin(f->store);
    commit = begin(f->store);
    for (size_t i = 0; i < 30; i++) lion_commit_delete(commit, ids[i * 2], NULL);
    put(commit, 9);
    finish(commit, "2");

    lion_store_walk *walk;
    assert_int_equal(lion_store_walk_open(&walk, snapshot, NULL), LION_OK);
    uint64_t id;
    lion_hash128 hash;
    bool is_blob;
    lion_slice bytes;
    for (size_t i = 0; i < 62; i++) {
        assert_int_equal(lion_store_walk_next(walk, &id, &hash, &is_blob, &bytes, NULL), LION_OK);
        assert_int_equal(is_blob, i >= 60);
        if (!is_blob) assert_int_equal(id, ids[i]);
        if (!is_blob) assert_int_equal(bytes.size, i * 300);
        if (is_blob) assert_int_equal(hash.low, lion_hash_128(bytes.data, bytes.size).low);
    }
    assert_int_equal(lion_store_walk_next(walk, &id, &hash, &is_blob, &bytes, NULL), LION_END);
    lion_store_walk_close(walk);
    lion_snapshot_drop(snapshot);
}

/* Random commits against a list of what each root holds; some snapshots live on. */
static void test_random_histories(void **state)
{
    enum { ROOTS = 120, LIVE = 12, IDS = 40 };
    fixture *f = *state;
    typedef struct content {
        uint64_t ids[IDS];
        size_t sizes[IDS];
        size_t count;
    } content;
    content now = { .count = 0 };
    struct {
        lion_snapshot *snapshot;
        content seen;
    } live[LIVE] = { 0 };
    for (int root = 0; root < ROOTS; root++) {
        lion_commit *commit = begin(f->store);
        content next = now;
        for (size_t change = random_below(8); change > 0; change--) {
            if (next.count > 0 && random_below(2) == 0) {
                size_t at = random_below(next.count);
                lion_commit_delete(commit, next.ids[at], NULL);
                next.count--;
                next.ids[at] = next.ids[next.count];
                next.sizes[at] = next.sizes[next.count];
            } else if (next.count < IDS) {
                next.sizes[next.count] = random_below(3) ? random_below(3000) : random_below(70000);
                next.ids[next.count] = put(commit, next.sizes[next.count]);
                next.count++;
            }
        }
        if (random_below(5) == 0) {
            lion_commit_abort(commit);
        } else {
            finish(commit, "r");
            now = next;
        }
        size_t slot = random_below(LIVE);
        lion_snapshot_drop(live[slot].snapshot);
        live[slot].snapshot = pin(f->store);
        live[slot].seen = now;
        for (size_t i = 0; i < LIVE; i++)
            for (size_t j = 0; live[i].snapshot != NULL && j < live[i].seen.count; j++)
                check(live[i].snapshot, live[i].seen.ids[j], live[i].seen.sizes[j]);
    }
    for (size_t i = 0; i < LIVE; i++) lion_snapshot_drop(live[i].snapshot);
    lion_store_stats stats;
    assert_int_equal(lion_store_stats_read(&stats, f->store, NULL), LION_OK);
    assert_int_equal(stats.segments, now.count); /* nothing is left behind */
}

/* -- Threads ---------------------------------------------------------------------------------- */

typedef struct readers {
    lion_store *store;
    bool is_over; /* atomic */
} readers;

/* A root is two ids and their size; both must be there, whatever the committer does. */
static void *read_on(void *argument)
{
    readers *r = argument;
    while (!__atomic_load_n(&r->is_over, __ATOMIC_ACQUIRE)) {
        lion_snapshot *snapshot = pin(r->store);
        lion_slice root = lion_snapshot_root(snapshot), bytes;
        uint64_t ids[2];
        if (root.size == sizeof ids) {
            memcpy(ids, root.data, sizeof ids);
            for (int i = 0; i < 200; i++) {
                if (lion_snapshot_segment(&bytes, snapshot, ids[i % 2], NULL) != LION_OK) abort();
                if (bytes.size != 3000 || bytes.data[0] != (uint8_t)(ids[i % 2] * 31)) abort();
            }
        }
        lion_snapshot_drop(snapshot);
    }
    return NULL;
}

static void test_readers_and_a_committer(void **state)
{
    fixture *f = *state;
    readers r = { .store = f->store };
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) pthread_create(&threads[i], NULL, read_on, &r);
    uint64_t ids[2] = { 0, 0 };
    for (int i = 0; i < 150; i++) {
        lion_commit *commit = begin(f->store);
        for (size_t j = 0; j < 2; j++) {
            if (ids[j] != 0) lion_commit_delete(commit, ids[j], NULL);
            ids[j] = put(commit, 3000);
        }
        lion_slice root = lion_slice_of(ids, sizeof ids);
        assert_int_equal(lion_commit_finish_take(commit, root, NULL), LION_OK);
    }
    __atomic_store_n(&r.is_over, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < 4; i++) pthread_join(threads[i], NULL);
}

#define BOTH(test)                                                                                 \
    cmocka_unit_test_setup_teardown(test, setup_memory, teardown),                                 \
        cmocka_unit_test_setup_teardown(test, setup_file, teardown)

int main(void)
{
    snprintf(folder, sizeof folder, "/tmp/lion-store-test-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    const struct CMUnitTest tests[] = {
        BOTH(test_segments_of_any_size_come_back),
        BOTH(test_a_new_store_has_an_empty_root),
        BOTH(test_a_snapshot_keeps_what_later_commits_delete),
        BOTH(test_the_newest_root_is_shared),
        BOTH(test_an_aborted_commit_leaves_nothing),
        BOTH(test_blobs_count_references),
        BOTH(test_a_wanted_blob_survives_its_last_reader),
        BOTH(test_deleting_what_is_missing_is_refused),
        BOTH(test_a_walk_sees_all_of_its_root),
        BOTH(test_random_histories),
        BOTH(test_readers_and_a_committer),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder); /* fails when a test left something: look at it */
    return failed;
}
