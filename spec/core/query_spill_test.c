/* Queries beyond their memory: answers as without a bound, errors where the disk fails, nothing left behind. */
#include "query_support.h"

#include <dirent.h>
#include <unistd.h>

#include "base/fault.h"
#include "query/spill.h"

#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { ROWS = 12000 };
static lion_arena arena;
static char folder[] = "/tmp/lion-spill-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    lion_fault_disarm();
    lion_arena_deinit(&arena);
    return 0;
}

static size_t entries(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    while (readdir(dir) != NULL) count++;
    (void)closedir(dir);
    return count;
}

/* ---- spools ---- */

static void fill(lion_spool *spool, uint32_t size, uint32_t count)
{
    uint8_t row[10000];
    for (uint32_t i = 0; i < count; i++) {
        memset(row, (int)(i % 251), size);
        assert_int_equal(LION_OK, lion_spool_add(spool, row, NULL));
    }
}

static void expect(lion_spool *spool, uint32_t size, uint32_t count, bool take)
{
    const void *row = NULL;
    assert_int_equal(LION_OK, lion_spool_read(spool, take, NULL));
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(LION_OK, lion_spool_next(&row, spool, NULL));
        assert_int_equal(((const uint8_t *)row)[0], i % 251);
        assert_int_equal(((const uint8_t *)row)[size - 1], i % 251);
    }
    assert_int_equal(LION_END, lion_spool_next(&row, spool, NULL));
}

static void rows_of_any_size_come_back_in_order(void **state)
{
    (void)state;
    lion_arena own;
    lion_spill spill;
    lion_arena_init(&own, 1 << 20);
    lion_spill_init(&spill, &own, 1 << 26);
    for (uint32_t size = 1; size < 10000; size = size * 3 + 1) {
        lion_spool a, b;
        lion_spool_init(&a, &spill, size);
        lion_spool_init(&b, &spill, size);
        fill(&a, size, 300);
        fill(&b, size, 77);
        assert_int_equal(LION_OK, lion_spool_close(&a, NULL));
        expect(&b, size, 77, true);
        expect(&a, size, 300, false);
        expect(&a, size, 300, true);
        lion_spool_free(&a);
        lion_spool_free(&b);
        lion_spool_init(&a, &spill, size);
        expect(&a, size, 0, true);
        lion_spool_free(&a);
    }
    assert_int_equal(spill.free_count, spill.block_count); /* all went back, and were used again */
    assert_in_range(lion_spill_peak(&spill), 1, 377 * 10000 + 2 * 65536);
    lion_spill_deinit(&spill);
    lion_arena_deinit(&own);
}

static void rows_follow_after_a_close(void **state)
{
    (void)state;
    lion_spill spill;
    lion_spool spool;
    lion_spill_init(&spill, &arena, 1 << 26);
    lion_spool_init(&spool, &spill, 100);
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t row[100];
        memset(row, (int)(i % 251), sizeof(row));
        assert_int_equal(LION_OK, lion_spool_add(&spool, row, NULL));
        if (i % 7 == 0) assert_int_equal(LION_OK, lion_spool_close(&spool, NULL));
    }
    expect(&spool, 100, 1000, false);
    lion_spool_free(&spool);
    lion_spill_deinit(&spill);
}

static void the_file_is_bounded(void **state)
{
    (void)state;
    lion_spill spill;
    lion_spool spool;
    lion_error error = { 0 };
    uint8_t row[1000] = { 0 };
    lion_status status = LION_OK;
    lion_spill_init(&spill, &arena, 200000);
    lion_spool_init(&spool, &spill, sizeof(row));
    for (int i = 0; i < 1000 && status == LION_OK; i++) status = lion_spool_add(&spool, row, &error);
    assert_int_equal(LION_FAILED, status);
    assert_int_equal(LION_INTERRUPTED, error.category);
    assert_string_equal("lion/limit", error.code);
    assert_non_null(strstr(error.message, "temp_mb"));
    assert_true(lion_spill_peak(&spill) <= 200000);
    lion_spill_deinit(&spill);
}

/* ---- queries ---- */

#define PAIRS "sources 2 inputs [[source 0] [source 1]] where "
#define RULE(branches) " rules [{ name r source 0 head [0 1] required [0 0] vars ['?x' '?y' '?z'] branches [" branches "] }] }"
enum { RECURSION = 10 };
static const char *const QUERIES[] = {
    "{ find { kind relation elements [?a ?b] } " PAIRS "[[pattern 0 [_ ?a ?b] p]] }",
    "{ find { kind relation elements [?t] } " PAIRS "[[pattern 0 [_ _ _ ?t] p]] }",
    "{ find { kind relation elements [?a [aggregate count [?i]] [aggregate sum [?b]] [aggregate max [?t]]] } " PAIRS "[[pattern 0 [?i ?a ?b ?t] p]] }",
    "{ find { kind relation elements [?t [aggregate median [?b]] [aggregate 'count-distinct' [?b]]] } with [?i] " PAIRS "[[pattern 0 [?i _ ?b ?t] p]] }",
    "{ find { kind relation elements [?t ?i] } order [[?t desc] [?i asc]] " PAIRS "[[pattern 0 [?i _ _ ?t] p]] }",
    "{ find { kind relation elements [?t [aggregate count [?i]]] } order [[?t asc]] " PAIRS "[[pattern 0 [?i _ _ ?t] p]] }",
    "{ find { kind relation elements [?i ?x] } " PAIRS "[[pattern 0 [?i ?a ?b] p] [pattern 1 [?x ?a ?b] p]] }",
    "{ find { kind relation elements [?a ?x] } " PAIRS "[[pattern 0 [?i ?a _ ?t] p] [not [[pattern 1 [?i _ _ ?t] p]] [?i ?t] n] [pattern 1 [?x _ ?a] p]] }",
    "{ find { kind relation elements [[aggregate median [?i]] [aggregate distinct [?b]] [aggregate min [=5 ?a]] [aggregate max [=3 ?t]]] } with [?i] " PAIRS "[[pattern 0 [?i ?a ?b ?t] p]] }",
    "{ find { kind relation elements [?b [aggregate median [?a]] [aggregate distinct [?a]] [aggregate 'count-distinct' [?t]] [aggregate max [=2 ?i]]] } with [?i] " PAIRS "[[pattern 0 [?i ?a ?b ?t] p]] }",
    "{ find { kind relation elements [?x ?y] } " PAIRS "[[rule 0 [?x ?y] r]]"
    RULE("[[pattern 0 [#0 _ _ #2] p] [pattern 0 [#1 _ _ #2] p]] [[rule 0 [#0 #2] r] [pattern 0 [#2 _ #1] p]]"),
    "{ find { kind relation elements [?x ?y] } " PAIRS "[[rule 0 [?x ?y] r]]" RULE("[[pattern 0 [#0 _ #1] p]] [[pattern 0 [#0 _ #2] p] [rule 0 [#2 #1] r]]"),
};

/* Rows [i a b t], some numbers doubles and some texts equal. */
static lion_form make_rows(uint32_t seed)
{
    lion_form rows = lion_form_vector(&arena, ROWS);
    for (uint32_t i = 0; i < ROWS; i++) {
        uint32_t a = (i * 7919 + seed) % 3001, b = i % 17;
        rows.items[i] = lion_form_vector(&arena, 4);
        rows.items[i].items[0] = long_form(i);
        rows.items[i].items[1] = a % 5 == 0 ? lion_form_value(lion_value_double(a)) : long_form(a);
        rows.items[i].items[2] = long_form(b);
        const char *text = lion_arena_printf(&arena, "text %u", i % 2999);
        rows.items[i].items[3] = text_form(text, strlen(text));
    }
    return rows;
}

static lion_status answer(const char *text, const lion_query_options *options, char **out, lion_error *error)
{
    lion_form form = query_form(&arena, text);
    lion_query_input inputs[2] = { { .form = make_rows(0) }, { .form = make_rows(11) } };
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    *out = NULL;
    assert_int_equal(LION_OK, lion_query_new(&query, &form, error));
    lion_status status = lion_query_open(&run, query, inputs, 2, options, error);
    if (status == LION_OK) status = ask_all(&arena, run, NULL, strstr(text, "order") != NULL, out, error);
    if (status == LION_OK && options->statistics) {
        lion_form tree;
        assert_int_equal(LION_OK, lion_query_explain(&tree, NULL, run, &arena, error));
        if (options->temp_max > 0 && strstr(text, "pattern 1") == NULL) assert_true(lion_form_get(&tree, "temp_peak")->value.bits > 0);
        assert_true(lion_form_get(&tree, "memory_peak")->value.bits > 0);
        /* no more than a few batches of work between two looks at the bounds */
        assert_true(lion_form_get(&tree, "checks")->value.bits * 4096 > ROWS);
    }
    lion_query_close(run);
    lion_query_drop(query);
    return status;
}

static void answers_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(QUERIES); i++) {
        static const uint64_t TABLES[] = { 1, 20, 1000 };
        char *expected, *out;
        lion_error error = { 0 };
        lion_query_options options = { .limit = -1, .statistics = true };
        assert_int_equal(LION_OK, answer(QUERIES[i], &options, &expected, &error));
        for (size_t k = 0; k < CASES(TABLES); k++) {
            if (TABLES[k] == 1 && i % 2 == 0) continue; /* slow: each row by itself */
            options.temp_max = UINT64_C(1) << 32;
            options.table_rows_max = TABLES[k];
            lion_status status = answer(QUERIES[i], &options, &out, &error);
            if (status != LION_OK) fprintf(stderr, "%s: %s\n", QUERIES[i], error.message);
            assert_int_equal(LION_OK, status);
            assert_string_equal(expected, out);
        }
    }
}

static void memory_is_kept_to(void **state)
{
    (void)state;
    char *out;
    lion_error error = { 0 };
    lion_query_options options = { .limit = -1, .memory_max = 2500000, .temp_max = 0 };
    assert_int_equal(LION_FAILED, answer(QUERIES[4], &options, &out, &error));
    assert_string_equal("lion/limit", error.code);
    options.temp_max = 100000;
    assert_int_equal(LION_FAILED, answer(QUERIES[4], &options, &out, &error));
    assert_string_equal("lion/limit", error.code);
    assert_int_equal(LION_INTERRUPTED, error.category);
    options = (lion_query_options){ .limit = -1, .table_rows_max = 100, .temp_max = 100000 };
    assert_int_equal(LION_FAILED, answer(QUERIES[RECURSION], &options, &out, &error));
    assert_string_equal("lion/limit", error.code);
    assert_non_null(strstr(error.message, "temp_mb"));
}

static void a_disk_that_fails_is_an_error(void **state)
{
    (void)state;
    static const struct { const char *point, *kind, *code; uint64_t hit; } FAULTS[] = {
        { "spill.open", "fail", "lion/io", 1 }, { "spill.write", "full", "lion/disk-full", 1 }, { "spill.write", "full", "lion/disk-full", 10 },
        { "spill.write", "fail", "lion/io", 3 }, { "spill.read", "fail", "lion/io", 1 },        { "spill.read", "fail", "lion/io", 3 },
    };
    static const size_t ASKED[] = { 0, 2, 4, RECURSION };
    size_t files = entries("/proc/self/fd");
    for (size_t q = 0; q < CASES(ASKED); q++)
        for (size_t k = 0; k < CASES(FAULTS); k++) {
            char *out;
            lion_error error = { 0 };
            lion_query_options options = { .limit = -1, .temp_max = UINT64_C(1) << 32, .table_rows_max = 100 };
            lion_fault_arm(FAULTS[k].point, FAULTS[k].hit, FAULTS[k].kind);
            assert_int_equal(LION_FAILED, answer(QUERIES[ASKED[q]], &options, &out, &error));
            lion_fault_disarm();
            assert_string_equal(FAULTS[k].code, error.code);
            assert_int_equal(LION_UNAVAILABLE, error.category);
            assert_int_equal(files, entries("/proc/self/fd"));
        }
}

static void refused_memory_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES(QUERIES); i++)
        for (uint64_t hit = 1; hit < 400; hit = hit * 2 + 1) {
            char *out;
            lion_error error = { 0 };
            lion_query_options options = { .limit = -1, .temp_max = UINT64_C(1) << 32, .table_rows_max = 100 };
            lion_form rows = make_rows(0);
            lion_form form = query_form(&arena, QUERIES[i]);
            lion_query_input inputs[2] = { { .form = rows }, { .form = rows } };
            lion_query *query = NULL;
            lion_query_run *run = NULL;
            assert_int_equal(LION_OK, lion_query_new(&query, &form, &error));
            lion_fault_arm("memory.alloc", hit, "fail");
            lion_query_batch batch;
            lion_status status = lion_query_open(&run, query, inputs, 2, &options, &error);
            while (status == LION_OK) status = lion_query_next(run, &batch, &error);
            lion_fault_disarm();
            (void)out;
            if (status < 0) assert_string_equal("lion/out-of-memory", error.code);
            lion_query_close(run);
            lion_query_drop(query);
        }
}

static void no_name_is_left(void **state)
{
    (void)state;
    char *out;
    lion_error error = { 0 };
    lion_query_options options = { .limit = -1, .temp_max = UINT64_C(1) << 32, .table_rows_max = 100 };
    assert_non_null(mkdtemp(folder));
    assert_int_equal(0, setenv("TMPDIR", folder, 1));
    assert_int_equal(LION_OK, answer(QUERIES[0], &options, &out, &error));
    assert_int_equal(2, entries(folder)); /* . and .. */
    assert_int_equal(0, rmdir(folder));
    assert_int_equal(LION_FAILED, answer(QUERIES[0], &options, &out, &error)); /* the folder is gone */
    assert_string_equal("lion/io", error.code);
    assert_non_null(strstr(error.message, "TMPDIR"));
    assert_int_equal(0, unsetenv("TMPDIR"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_of_any_size_come_back_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_follow_after_a_close, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_file_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_are_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_is_kept_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_fails_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_memory_is_an_error, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_name_is_left, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
