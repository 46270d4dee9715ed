/* Rows that a query holds: those that wait go out as they came and give their memory back; sets
 * find every row again, however they grow, and are as new when they were forgotten. */
#include "query_support.h"

#include "query/row_queue.h"
#include "query/row_set.h"

static lion_arena arena;

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    lion_arena_deinit(&arena);
    return 0;
}

enum { ROWS = LION_BATCH_ROWS };

/* A batch of two columns, numbers from `first` on and texts of them. */
typedef struct made {
    int64_t bits[ROWS];
    lion_value values[ROWS];
    uint16_t selection[ROWS];
    lion_vector columns[2];
    lion_batch batch;
} made;

static const lion_batch *make(made *to, int64_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        to->bits[i] = first + i;
        to->values[i] = lion_value_bytes(
            LION_TYPE_STRING,
            lion_slice_text(lion_arena_printf(&arena, "text %lld", (long long)(first + i))));
    }
    to->columns[0] = (lion_vector){ .type = LION_TYPE_REF, .bits = to->bits };
    to->columns[1] = (lion_vector){ .type = LION_TYPE_STRING, .values = to->values };
    to->batch = (lion_batch){ .count = count, .width = 2, .columns = to->columns };
    return &to->batch;
}

/* ---- rows that wait ---- */

static void expect_rows(lion_row_queue *queue, int64_t first, int64_t end)
{
    lion_batch batch;
    while (first < end) {
        assert_int_equal(LION_OK, lion_row_queue_next(queue, &batch));
        for (uint32_t i = 0; i < lion_batch_rows(&batch); i++, first++) {
            lion_value number = lion_batch_get(&batch, 0, i), text = lion_batch_get(&batch, 1, i);
            assert_int_equal(first, number.bits);
            assert_int_equal(first, atoll((const char *)text.data + 5));
        }
    }
    assert_int_equal(first, end);
    assert_int_equal(LION_END, lion_row_queue_next(queue, &batch));
}

static void rows_wait_in_their_order(void **state)
{
    (void)state;
    lion_row_queue queue;
    made rows;
    uint32_t counts[] = { 1, 63 < ROWS ? 63 : ROWS, ROWS, 2 < ROWS ? 2 : 1, ROWS };
    int64_t next = 0;
    lion_row_queue_init(&queue, &arena, 2);
    for (int round = 0; round < 2; round++) {
        int64_t first = next;
        for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
            assert_int_equal(LION_OK,
                             lion_row_queue_add(&queue, make(&rows, next, counts[i]), NULL));
            next += counts[i];
        }
        assert_int_equal(next - first, queue.count);
        expect_rows(&queue, first, next);
        assert_int_equal(0, queue.count);
    }
}

static void selected_and_constant_columns_wait_side_by_side(void **state)
{
    (void)state;
    lion_row_queue queue;
    lion_batch batch;
    made rows;
    uint32_t half = 0;
    (void)make(&rows, 100, ROWS);
    for (uint32_t i = 0; i < ROWS; i += 2) rows.selection[half++] = (uint16_t)i;
    rows.batch.selection = rows.selection;
    rows.batch.selected = half;
    rows.columns[1].is_constant = true;
    lion_row_queue_init(&queue, &arena, 2);
    assert_int_equal(LION_OK, lion_row_queue_add(&queue, &rows.batch, NULL));
    for (uint32_t seen = 0; seen < half;) {
        assert_int_equal(LION_OK, lion_row_queue_next(&queue, &batch));
        assert_null(batch.selection);
        for (uint32_t i = 0; i < batch.count; i++, seen++) {
            assert_int_equal(100 + 2 * seen, batch.columns[0].bits[i]);
            assert_ptr_equal(rows.values[0].data, lion_batch_get(&batch, 1, i).data);
        }
    }
}

static void columns_may_change_their_type(void **state)
{
    (void)state;
    lion_row_queue queue;
    lion_batch batch;
    made rows;
    lion_row_queue_init(&queue, &arena, 2);
    assert_int_equal(LION_OK, lion_row_queue_add(&queue, make(&rows, 0, 1), NULL));
    (void)make(&rows, 1, 1);
    rows.columns[0].type = LION_TYPE_LONG;
    assert_int_equal(LION_OK, lion_row_queue_add(&queue, &rows.batch, NULL));
    assert_int_equal(LION_OK, lion_row_queue_next(&queue, &batch));
    assert_int_equal(LION_TYPE_REF, batch.columns[0].type);
    assert_int_equal(LION_OK, lion_row_queue_next(&queue, &batch));
    assert_int_equal(LION_TYPE_LONG, batch.columns[0].type);
    assert_int_equal(LION_END, lion_row_queue_next(&queue, &batch));
}

static void rows_that_went_out_are_given_back(void **state)
{
    (void)state;
    lion_row_queue queue;
    lion_batch batch;
    made rows;
    lion_row_queue_init(&queue, &arena, 2);
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(LION_OK, lion_row_queue_add(&queue, make(&rows, i * ROWS, ROWS), NULL));
    size_t used = arena.used;
    assert_int_equal(LION_OK, lion_row_queue_next(&queue, &batch));
    while (lion_row_queue_next(&queue, &batch) == LION_OK) {
        assert_true(arena.used < used);
        used = arena.used;
    }
    for (int64_t i = 0; i < 20; i++)
        assert_int_equal(LION_OK, lion_row_queue_add(&queue, make(&rows, i * ROWS, ROWS), NULL));
    assert_int_equal(LION_OK, lion_row_queue_next(&queue, &batch));
    lion_row_queue_clear(&queue);
    assert_int_equal(0, queue.count);
    assert_int_equal(LION_END, lion_row_queue_next(&queue, &batch));
}

/* ---- sets of rows ---- */

static const uint32_t BOTH[] = { 0, 1 };

/* Each row has the number that it had when it came first. */
static void add_rows(lion_row_set *set, made *rows, uint32_t batches)
{
    static uint32_t numbers[ROWS];
    for (uint32_t b = 0; b < batches; b++) {
        assert_int_equal(LION_OK, lion_row_set_add(set, make(rows, (int64_t)b * ROWS, ROWS), BOTH,
                                                   numbers, NULL));
        for (uint32_t i = 0; i < ROWS; i++) assert_int_equal(b * ROWS + i, numbers[i]);
    }
}

static void every_row_is_found_again_as_the_set_grows(void **state)
{
    (void)state;
    lion_row_set set;
    made rows;
    uint32_t batches = 40000 / ROWS + 1;
    for (uint32_t width = 1; width <= 2; width++) {
        lion_row_set_init(&set, &arena, width);
        add_rows(&set, &rows, batches);
        add_rows(&set, &rows, batches);
        assert_int_equal(batches * ROWS, set.count);
    }
}

static void a_set_that_was_forgotten_is_as_new(void **state)
{
    (void)state;
    lion_row_set set;
    made rows;
    uint32_t batches = 20000 / ROWS + 1;
    lion_row_set_init(&set, &arena, 2);
    add_rows(&set, &rows, batches);
    size_t used = arena.used,
           had = set.room * 2 * sizeof(uint64_t) + set.slot_count * sizeof(uint32_t);
    lion_row_set_forget(&set);
    assert_int_equal(0, set.count);
    assert_int_equal(0, set.interned.count);
    assert_true(arena.used + had <= used);
    add_rows(&set, &rows, batches);
}

/* So a set that is made for each of many batches needs no more than for one. */
static void a_small_set_that_was_forgotten_needs_no_more(void **state)
{
    (void)state;
    lion_row_set set;
    made rows;
    static uint32_t numbers[ROWS];
    lion_row_set_init(&set, &arena, 2);
    const lion_batch *batch = make(&rows, 0, 8 < ROWS ? 8 : ROWS);
    assert_int_equal(LION_OK, lion_row_set_add(&set, batch, BOTH, numbers, NULL));
    lion_row_set_forget(&set);
    size_t filled = lion_arena_filled(&arena);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(LION_OK, lion_row_set_add(&set, batch, BOTH, numbers, NULL));
        lion_row_set_forget(&set);
    }
    assert_int_equal(filled, lion_arena_filled(&arena));
}

static void texts_that_come_again_are_the_same_row(void **state)
{
    (void)state;
    lion_row_set set;
    made rows;
    static uint32_t numbers[ROWS];
    static const uint32_t TEXT[] = { 1 };
    uint32_t batches = 10000 / ROWS + 1;
    lion_row_set_init(&set, &arena, 1);
    for (int round = 0; round < 4; round++) /* each time they lie elsewhere */
        for (uint32_t b = 0; b < batches; b++) {
            assert_int_equal(LION_OK, lion_row_set_add(&set, make(&rows, (int64_t)b * ROWS, ROWS),
                                                       TEXT, numbers, NULL));
            for (uint32_t i = 0; i < ROWS; i++) assert_int_equal(b * ROWS + i, numbers[i]);
        }
    assert_int_equal(batches * ROWS, set.count);
}

/* Every second row has its text's code in the dictionary, where texts are in another order each
 * time; the others have none. */
static const lion_batch *make_coded(made *rows, lion_dictionary *dictionary, lion_value *values,
                                    uint64_t stamp)
{
    enum { TEXTS = 1 + ROWS / 4 };
    (void)make(rows, 0, ROWS);
    for (uint32_t i = 0; i < TEXTS; i++) {
        values[i] = rows->values[(i + stamp) % TEXTS];
        values[i].code = (uint16_t)(i + 1);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        rows->values[i] = values[i % TEXTS];
        if (i % 2 != 0) rows->values[i].code = 0;
        rows->selection[i] = (uint16_t)(ROWS - 1 - i);
    }
    *dictionary = (lion_dictionary){ .values = values, .count = TEXTS, .stamp = stamp };
    rows->columns[1].dictionary = dictionary;
    if (stamp % 2 == 0) return &rows->batch;
    rows->batch.selection = rows->selection;
    rows->batch.selected = ROWS;
    return &rows->batch;
}

static void texts_of_several_dictionaries_are_the_same_row(void **state)
{
    (void)state;
    lion_row_set set, plain;
    made rows;
    lion_dictionary dictionary;
    static lion_value values[ROWS];
    static uint32_t numbers[ROWS], expected[ROWS];
    static const uint32_t TEXT[] = { 1 };
    lion_row_set_init(&set, &arena, 1);
    lion_row_set_init(&plain, &arena, 1);
    for (uint64_t stamp = 1; stamp < 40; stamp++) {
        const lion_batch *batch = make_coded(&rows, &dictionary, values, stamp);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(LION_OK, lion_row_set_add(&set, batch, TEXT, numbers, NULL));
            rows.columns[1].dictionary = NULL;
            assert_int_equal(LION_OK, lion_row_set_add(&plain, batch, TEXT, expected, NULL));
            rows.columns[1].dictionary = &dictionary;
            assert_memory_equal(expected, numbers, sizeof numbers);
        }
        if (stamp % 10 == 0) lion_row_set_clear(&set);
        if (stamp % 10 == 0) lion_row_set_clear(&plain);
    }
}

/* ---- relations ---- */

static void a_relation_numbers_its_rows(void **state)
{
    (void)state;
    lion_relation set;
    size_t number = 0;
    lion_relation_init(&set, &arena, 1);
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < 30000; i++) {
            lion_value value = lion_value_long(i / 2);
            assert_true(lion_relation_number(&set, &value, &number));
            assert_int_equal(i / 2, number);
        }
        assert_int_equal(15000, set.count);
        size_t used = arena.used;
        lion_relation_forget(&set);
        assert_int_equal(0, set.count);
        assert_true(arena.used < used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rows_wait_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(selected_and_constant_columns_wait_side_by_side, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(columns_may_change_their_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_went_out_are_given_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_row_is_found_again_as_the_set_grows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_set_that_was_forgotten_is_as_new, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_set_that_was_forgotten_needs_no_more, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(texts_that_come_again_are_the_same_row, set_up, tear_down),
        cmocka_unit_test_setup_teardown(texts_of_several_dictionaries_are_the_same_row, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_relation_numbers_its_rows, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
