/* The sort of datoms against qsort with the full comparison, in every order and at every size
 * class. */
#include "support.h"

#include <time.h>

#include "base/fault.h"
#include "data/datom.h"

static lion_index order;

static int compare_datoms(const void *a, const void *b)
{
    return lion_datom_compare(order, a, b);
}

static const char LONG_TEXT[] = "a common prefix longer than eight bytes ";

/* What kinds of values a round has. */
typedef enum mixture { DENSE, TEXTS, DOUBLES, FEW_VALUES, ANYTHING, MIXTURES } mixture;

static lion_value random_value(mixture kind, char *text)
{
    switch (kind) {
    case DENSE: return lion_value_ref(lion_id_make(4, (int64_t)random_below(100000)));
    case TEXTS: {
        size_t prefix = random_below(3) == 0 ? sizeof LONG_TEXT - 1 : 0;
        memcpy(text, LONG_TEXT, prefix);
        int size = snprintf(text + prefix, 16, "%zu", random_below(50000));
        return lion_value_bytes(LION_TYPE_STRING, lion_slice_of(text, prefix + (size_t)size));
    }
    case DOUBLES: {
        uint64_t bits = random_u64(); /* NaNs and infinities among them */
        double number;
        memcpy(&number, &bits, sizeof number);
        return lion_value_double(random_below(20) == 0 ? -0.0 : number);
    }
    case FEW_VALUES: return lion_value_boolean(random_below(2));
    default:
        if (random_below(4) == 0) return lion_value_nil();
        if (random_below(3) == 0) return lion_value_long((int64_t)random_u64());
        if (random_below(3) == 0)
            return lion_value_long((INT64_C(1) << 60) + (int64_t)random_below(99));
        return random_value((mixture)random_below(ANYTHING), text);
    }
}

static lion_datom *random_datoms(size_t count, mixture kind, char **texts_out)
{
    lion_datom *datoms = calloc(count + 1, sizeof *datoms);
    char *texts = calloc(count + 1, 64);
    size_t entities = count / 3 + 1;
    for (size_t i = 0; i < count; i++) {
        datoms[i] = (lion_datom){ .e = lion_id_make(4, (int64_t)random_below(entities)),
                                  .a = (uint32_t)random_below(kind == DENSE ? 3 : 300),
                                  .v = random_value(kind, texts + 64 * i),
                                  .tx = lion_t_to_tx((int64_t)random_below(1000)),
                                  .added = random_below(2) };
        if (i > 0 && random_below(10) == 0) datoms[i] = datoms[random_below(i)];
    }
    *texts_out = texts;
    return datoms;
}

/* Same order; equal elements (same fact and tx) may stand in any order among themselves. */
static void assert_sorts_like_qsort(size_t count, mixture kind)
{
    char *texts;
    lion_datom *datoms = random_datoms(count, kind, &texts);
    lion_datom *expected = malloc((count + 1) * sizeof *expected);
    for (int index = LION_EAVT; index <= LION_VAET; index++) {
        order = (lion_index)index;
        memcpy(expected, datoms, count * sizeof *datoms);
        qsort(expected, count, sizeof *expected, compare_datoms);
        lion_datoms_sort(order, datoms, count);
        size_t added = 0, expected_added = 0;
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(lion_datom_compare(order, &datoms[i], &expected[i]), 0);
            added += datoms[i].added;
            expected_added += expected[i].added;
        }
        assert_int_equal(added, expected_added);
    }
    free(expected);
    free(datoms);
    free(texts);
}

static void any_size_and_mixture_sorts_like_qsort(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 0,   1,   2,   3,   15,   16,   17,   40,
                                    191, 192, 193, 300, 1000, 5000, 30000 };
    for (size_t i = 0; i < CASES(SIZES); i++)
        for (int kind = 0; kind < MIXTURES; kind++)
            for (int round = 0; round < (SIZES[i] < 1000 ? 20 : 2); round++)
                assert_sorts_like_qsort(SIZES[i], (mixture)kind);
}

static void a_sort_without_memory_still_sorts(void **state)
{
    (void)state;
    for (int kind = 0; kind < MIXTURES; kind++) {
        lion_fault_arm("memory.alloc", 1, "fail");
        assert_sorts_like_qsort(3000, (mixture)kind);
        assert_int_equal(LION_FAULT_POINT("memory.alloc"), LION_FAULT_NONE); /* it did happen */
        lion_fault_disarm();
    }
}

static void newest_first_within_a_fact(void **state)
{
    (void)state;
    lion_datom old = { .e = 1, .a = 2, .v = lion_value_long(3), .tx = 10, .added = true };
    lion_datom new = old;
    new.tx = 11;
    new.added = false;
    for (int index = LION_EAVT; index <= LION_VAET; index++) {
        assert_true(lion_datom_compare((lion_index)index, &new, &old) < 0);
        assert_int_equal(lion_datom_compare_fact((lion_index)index, &new, &old), 0);
    }
}

static void each_order_leads_with_its_letters(void **state)
{
    (void)state;
    lion_datom x = { .e = 1, .a = 2, .v = lion_value_long(9), .tx = 5 };
    lion_datom y = { .e = 2, .a = 1, .v = lion_value_long(3), .tx = 5 };
    assert_true(lion_datom_compare(LION_EAVT, &x, &y) < 0);
    assert_true(lion_datom_compare(LION_AEVT, &x, &y) > 0);
    assert_true(lion_datom_compare(LION_AVET, &x, &y) > 0);
    assert_true(lion_datom_compare(LION_VAET, &x, &y) > 0);
    y.a = 2;
    assert_true(lion_datom_compare(LION_AEVT, &x, &y) < 0);
    assert_true(lion_datom_compare(LION_AVET, &x, &y) > 0);
}

static void ids_split_into_partition_and_counter(void **state)
{
    (void)state;
    int64_t id = lion_id_make(LION_PARTITION_MAX, (INT64_C(1) << LION_COUNTER_BITS) - 1);
    assert_int_equal(id, LION_ID_MAX);
    assert_true(id < INT64_C(1) << 53);
    assert_int_equal(lion_id_partition(id), LION_PARTITION_MAX);
    assert_int_equal(lion_tx_to_t(lion_t_to_tx(1000)), 1000);
    assert_int_equal(lion_id_partition(lion_t_to_tx(1000)), LION_PARTITION_TX);
}

/* `data_datom_test speed` prints times of a million. */
static int speed(void)
{
    static const char *const NAMES[] = { "dense", "texts", "doubles", "few", "anything" };
    for (int kind = 0; kind < MIXTURES; kind++) {
        for (int index = LION_EAVT; index <= LION_VAET; index++) {
            for (size_t count = 100; count <= 1000000; count *= 100) {
                char *texts;
                lion_datom *datoms = random_datoms(count, (mixture)kind, &texts);
                clock_t start = clock();
                lion_datoms_sort((lion_index)index, datoms, count);
                double ns = (double)(clock() - start) * 1e9 / CLOCKS_PER_SEC;
                printf("%-9s order %d  %8zu datoms  %6.1f ns each\n", NAMES[kind], index, count,
                       ns / (double)count);
                free(datoms);
                free(texts);
            }
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "speed") == 0) return speed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_and_mixture_sorts_like_qsort),
        cmocka_unit_test(a_sort_without_memory_still_sorts),
        cmocka_unit_test(newest_first_within_a_fact),
        cmocka_unit_test(each_order_leads_with_its_letters),
        cmocka_unit_test(ids_split_into_partition_and_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
