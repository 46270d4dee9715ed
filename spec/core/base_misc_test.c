/* Errors, clock, random, faults, text, hashes. */
#include "support.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/hash.h"
#include "base/text.h"

static void an_error_says_category_code_and_message(void **state)
{
    (void)state;
    lion_error error;
    lion_status status =
        lion_fail(&error, LION_CONFLICT, "db.error/cas-failed", "%s was %d", "x", 7);
    assert_int_equal(status, LION_FAILED);
    assert_int_equal(error.category, LION_CONFLICT);
    assert_int_equal(error.clause, -1);
    assert_int_equal(error.system_code, 0);
    assert_string_equal(error.code, "db.error/cas-failed");
    assert_string_equal(error.message, "x was 7");
    assert_int_equal(lion_fail(NULL, LION_FAULT, "x", "y"), LION_FAILED);

    /* An error worded anew from its own message. */
    lion_fail(&error, LION_FAULT, error.code, "while trying: %s", error.message);
    assert_string_equal(error.message, "while trying: x was 7");
    assert_string_equal(error.code, "db.error/cas-failed");
}

static void a_long_message_is_cut_at_a_character(void **state)
{
    (void)state;
    for (size_t pad = 0; pad < 5; pad++) {
        char text[2000] = "";
        memset(text, 'x', pad);
        for (size_t i = pad; i < 1990; i += 4) memcpy(text + i, "\xf0\x9f\xa6\x81", 5); /* a lion */
        lion_error error;
        lion_fail(&error, LION_FAULT, "x", "%s", text);
        assert_true(strlen(error.message) > LION_ERROR_MESSAGE_SIZE - 6);
        assert_true(lion_utf8_is_valid(lion_slice_text(error.message)));
    }
}

static void errno_becomes_io_or_disk_full(void **state)
{
    (void)state;
    lion_error error;
    lion_fail_errno(&error, EIO, "sync the log");
    assert_string_equal(error.code, "lion/io");
    assert_int_equal(error.system_code, EIO);
    assert_non_null(strstr(error.message, "sync the log"));
    assert_non_null(strstr(error.message, "Input/output error"));
    lion_fail_errno(&error, ENOSPC, "grow the file");
    assert_string_equal(error.code, "lion/disk-full");
    lion_fail_corrupt(&error, "page %d", 9);
    assert_string_equal(error.code, "lion/corrupt");
    assert_int_equal(error.category, LION_FAULT);
    assert_string_equal(lion_category_name(LION_NOT_FOUND), "not-found");
}

static void the_clock_freezes_and_runs(void **state)
{
    (void)state;
    lion_clock_freeze(1234);
    assert_int_equal(lion_clock_instant_ms(), 1234);
    lion_clock_freeze(-1);
    assert_true(lion_clock_instant_ms() > INT64_C(1600000000000));
    int64_t before = lion_clock_monotonic_ns();
    assert_true(lion_clock_monotonic_ns() >= before);
}

static void *make_uuids(void *out)
{
    for (size_t i = 0; i < 2000; i++) lion_uuid7((uint8_t *)out + 16 * i);
    return out;
}

static void uuids_ascend_within_a_thread_and_differ_between_two(void **state)
{
    (void)state;
    static uint8_t uuids[2][2000][16];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, make_uuids, uuids[i]);
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    for (int thread = 0; thread < 2; thread++) {
        for (int i = 0; i < 2000; i++) {
            assert_int_equal(uuids[thread][i][6] >> 4, 7);
            assert_int_equal(uuids[thread][i][8] >> 6, 2);
            if (i > 0) assert_true(memcmp(uuids[thread][i - 1], uuids[thread][i], 16) < 0);
        }
    }
    for (int i = 0; i < 2000; i++) assert_memory_not_equal(uuids[0][i], uuids[1][i], 16);
}

static void a_fault_happens_at_its_hit_and_once(void **state)
{
    (void)state;
    assert_int_equal(LION_FAULT_POINT("spec.point"), LION_FAULT_NONE);
    lion_fault_arm("spec.point", 3, "fail");
    lion_fault_arm("spec.other", 1, "full");
    lion_fault_arm("spec.torn", 1, "torn");
    assert_int_equal(LION_FAULT_POINT("spec.point"), LION_FAULT_NONE);
    assert_int_equal(LION_FAULT_POINT("spec.other"), LION_FAULT_FULL);
    assert_int_equal(LION_FAULT_POINT("spec.torn"), LION_FAULT_TORN);
    assert_int_equal(LION_FAULT_POINT("spec.point"), LION_FAULT_NONE);
    assert_int_equal(LION_FAULT_POINT("spec.point"), LION_FAULT_FAIL);
    assert_int_equal(LION_FAULT_POINT("spec.point"), LION_FAULT_NONE);
    lion_fault_disarm();
    assert_int_equal(lion_fault_is_armed, 0);
}

static void a_kill_fault_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        lion_fault_arm("spec.kill", 2, "kill");
        (void)LION_FAULT_POINT("spec.kill");
        (void)LION_FAULT_POINT("spec.kill");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* This very program again, with LION_FAULT set and an argument that makes it probe the points. */
static int run_with_faults(const char *faults)
{
    pid_t child = fork();
    if (child == 0) {
        setenv("LION_FAULT", faults, 1);
        freopen("/dev/null", "w", stderr);
        execl("/proc/self/exe", "probe", "probe", (char *)NULL);
        _exit(127);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int probe(void)
{
    (void)LION_FAULT_POINT("log.sync");
    return (int)LION_FAULT_POINT("log.sync") * 10 + (int)LION_FAULT_POINT("store.commit");
}

static void the_environment_arms_points(void **state)
{
    (void)state;
    assert_int_equal(run_with_faults("log.sync:2:fail,store.commit:1:full"),
                     LION_FAULT_FAIL * 10 + LION_FAULT_FULL);
    assert_int_equal(run_with_faults("log.sync:1:kill"), -SIGKILL);
    assert_int_equal(run_with_faults("log.sync:1:explode"), 2);
    assert_int_equal(run_with_faults("log.sync"), 2);
}

static void utf8_is_told_from_noise(void **state)
{
    (void)state;
    static const char *const VALID[] = { "",
                                         "plain",
                                         "h\xc3\xa9llo",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\xa6\x81",
                                         "\xed\x9f\xbf",
                                         "\xf4\x8f\xbf\xbf",
                                         "a long enough ascii text" };
    static const char *const INVALID[] = { "\x80",
                                           "\xc0\xaf",
                                           "\xc1\xbf",
                                           "\xe0\x80\xaf",
                                           "\xed\xa0\x80",
                                           "\xf4\x90\x80\x80",
                                           "\xf8\x88\x80\x80\x80",
                                           "\xe2\x82",
                                           "12345678\xff",
                                           "\xc3(" };
    for (size_t i = 0; i < CASES(VALID); i++)
        assert_true(lion_utf8_is_valid(lion_slice_text(VALID[i])));
    for (size_t i = 0; i < CASES(INVALID); i++)
        assert_false(lion_utf8_is_valid(lion_slice_text(INVALID[i])));
    assert_int_equal(lion_utf8_length(lion_slice_text("h\xc3\xa9llo\xff")), 6);
}

static void edit_distance_counts_slips(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t limit, expected;
    } CASE[] = {
        { "person/name", "person/name", 2, 0 },
        { "person/nmae", "person/name", 2, 1 },
        { "", "abc", 3, 3 },
        { "", "abc", 2, 3 },
        { "kitten", "sitting", 5, 3 },
        { "ab", "ba", 1, 1 },
        { "abcdef", "uvwxyz", 2, 3 },
        { "name", "names", 1, 1 },
    };
    for (size_t i = 0; i < CASES(CASE); i++) {
        lion_slice a = lion_slice_text(CASE[i].a), b = lion_slice_text(CASE[i].b);
        assert_int_equal(lion_edit_distance(a, b, CASE[i].limit), CASE[i].expected);
        assert_int_equal(lion_edit_distance(b, a, CASE[i].limit), CASE[i].expected);
    }
}

static void hashes_are_xxh3(void **state)
{
    (void)state;
    assert_true(lion_hash("", 0) == UINT64_C(0x2d06800538d394c2)); /* the published test vector */
    assert_true(lion_hash_128("", 0).high == UINT64_C(0x99aa06d3014798d8));
    assert_true(lion_hash("a", 1) != lion_hash_seed("a", 1, 1));
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "probe") == 0) return probe();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_category_code_and_message),
        cmocka_unit_test(a_long_message_is_cut_at_a_character),
        cmocka_unit_test(errno_becomes_io_or_disk_full),
        cmocka_unit_test(the_clock_freezes_and_runs),
        cmocka_unit_test(uuids_ascend_within_a_thread_and_differ_between_two),
        cmocka_unit_test(a_fault_happens_at_its_hit_and_once),
        cmocka_unit_test(a_kill_fault_ends_the_process),
        cmocka_unit_test(the_environment_arms_points),
        cmocka_unit_test(utf8_is_told_from_noise),
        cmocka_unit_test(edit_distance_counts_slips),
        cmocka_unit_test(hashes_are_xxh3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
