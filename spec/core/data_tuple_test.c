/* Tuples: the order of their bytes is the order of their slots; hostile bytes are refused. */
#include "support.h"

#include <math.h>

#include "data/tuple.h"

#define SLOTS_MAX 5

/* Small alphabets, so that equal prefixes, zeros and 0xff are common. */
static lion_value random_slot(lion_arena *arena, int depth)
{
    static const double DOUBLES[] = { -INFINITY, -1e300, -1, -0.0, 0.0, 1e-300, 1, INFINITY };
    static const lion_type TEXTS[] = { LION_TYPE_STRING, LION_TYPE_KEYWORD, LION_TYPE_SYMBOL,
                                       LION_TYPE_URI, LION_TYPE_BYTES };
    switch (random_below(depth > 0 ? 9 : 8)) {
    case 0: return lion_value_nil();
    case 1: return lion_value_boolean(random_below(2));
    case 2: return lion_value_long((int64_t)random_below(5) - 2);
    case 3: return lion_value_long((int64_t)random_u64());
    case 4: return lion_value_ref((int64_t)random_below(3));
    case 5:
        if (random_below(8) == 0) return lion_value_double((double)NAN);
        return lion_value_double(DOUBLES[random_below(CASES(DOUBLES))]);
    case 6: {
        uint8_t *uuid = lion_arena_alloc(arena, 16);
        for (size_t i = 0; i < 16; i++) uuid[i] = (uint8_t)(random_below(3) * 127);
        return lion_value_bytes(LION_TYPE_UUID, lion_slice_of(uuid, 16));
    }
    case 7: {
        static const uint8_t BYTES[] = { 0, 1, 'a', 0xff };
        size_t size = random_below(4);
        uint8_t *text = lion_arena_alloc(arena, size);
        for (size_t i = 0; i < size; i++) text[i] = BYTES[random_below(4)];
        return lion_value_bytes(TEXTS[random_below(CASES(TEXTS))], lion_slice_of(text, size));
    }
    default: {
        lion_value slots[SLOTS_MAX];
        size_t count = random_below(SLOTS_MAX);
        for (size_t i = 0; i < count; i++) slots[i] = random_slot(arena, depth - 1);
        return lion_tuple_make(arena, slots, count);
    }
    }
}

/* The order of slots inside a tuple: by type as the tags are, then by value. */
static int compare_slots(lion_value a, lion_value b)
{
    static const int RANK[16] = {
        [LION_TYPE_NIL] = 0,     [LION_TYPE_BOOLEAN] = 1, [LION_TYPE_LONG] = 2,
        [LION_TYPE_INSTANT] = 3, [LION_TYPE_REF] = 4,     [LION_TYPE_DOUBLE] = 5,
        [LION_TYPE_STRING] = 6,  [LION_TYPE_KEYWORD] = 7, [LION_TYPE_SYMBOL] = 8,
        [LION_TYPE_URI] = 9,     [LION_TYPE_BYTES] = 10,  [LION_TYPE_UUID] = 11,
        [LION_TYPE_TUPLE] = 12,
    };
    if (a.type != b.type) return RANK[a.type] - RANK[b.type];
    return lion_value_compare(a, b);
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void bytes_sort_as_slots_do(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int round = 0; round < 100000; round++) {
        lion_value a[SLOTS_MAX], b[SLOTS_MAX];
        size_t count_a = random_below(SLOTS_MAX), count_b = random_below(SLOTS_MAX);
        for (size_t i = 0; i < count_a; i++) a[i] = random_slot(&arena, 2);
        for (size_t i = 0; i < count_b; i++) {
            bool is_shared = i < count_a && random_below(3) > 0;
            b[i] = is_shared ? a[i] : random_slot(&arena, 2);
        }
        int expected = 0;
        for (size_t i = 0; i < count_a && i < count_b && expected == 0; i++)
            expected = compare_slots(a[i], b[i]);
        if (expected == 0) expected = (count_a > count_b) - (count_a < count_b);
        lion_value tuple_a = lion_tuple_make(&arena, a, count_a);
        lion_value tuple_b = lion_tuple_make(&arena, b, count_b);
        assert_int_equal(sign(lion_value_compare(tuple_a, tuple_b)), sign(expected));
        assert_int_equal(lion_value_equal(tuple_a, tuple_b), expected == 0);
        lion_arena_reset(&arena);
    }
    lion_arena_deinit(&arena);
}

static void slots_read_back(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int round = 0; round < 20000; round++) {
        lion_value slots[SLOTS_MAX], *read;
        size_t count = random_below(SLOTS_MAX + 1), read_count;
        for (size_t i = 0; i < count; i++) slots[i] = random_slot(&arena, 3);
        lion_value tuple = lion_tuple_make(&arena, slots, count);
        assert_true(lion_tuple_is_valid(lion_value_slice(tuple)));
        assert_int_equal(lion_tuple_read(&read, &read_count, tuple, &arena, NULL), LION_OK);
        assert_int_equal(read_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(read[i].type, slots[i].type);
            assert_true(lion_value_equal(read[i], slots[i]));
        }
        lion_arena_reset(&arena);
    }
    lion_arena_deinit(&arena);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    static const char *const BAD[] = { "\x01",     "\x20\x01\x02", "\x30unended", "\x30\x61\x02",
                                       "\x10\x02", "\x38short",    "\x06" };
    lion_error error;
    lion_value *slots;
    size_t count;
    for (size_t i = 0; i < CASES(BAD); i++) {
        lion_value bad = lion_value_bytes(LION_TYPE_TUPLE, lion_slice_text(BAD[i]));
        assert_int_equal(lion_tuple_read(&slots, &count, bad, &arena, &error), LION_FAILED);
        assert_string_equal(error.code, "lion/corrupt");
        assert_false(lion_tuple_is_valid(lion_slice_text(BAD[i])));
    }
    /* Noise never reads past its end (the sanitizer watches). */
    for (int round = 0; round < 50000; round++) {
        size_t size = random_below(40);
        uint8_t *noise = malloc(size + 1);
        static const uint8_t COMMON[] = { 0, 1, 5, 0x10, 0x20, 0x30, 0x38, 0x40, 0xff };
        for (size_t i = 0; i < size; i++) noise[i] = COMMON[random_below(CASES(COMMON))];
        uint8_t *exact = malloc(size == 0 ? 1 : size);
        memcpy(exact, noise, size);
        lion_slice bytes = lion_slice_of(exact, size);
        (void)lion_tuple_is_valid(bytes);
        (void)lion_tuple_read(&slots, &count, lion_value_bytes(LION_TYPE_TUPLE, bytes), &arena,
                              NULL);
        free(exact);
        free(noise);
        lion_arena_reset(&arena);
    }
    lion_arena_deinit(&arena);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value tuple = lion_tuple_make(&arena, NULL, 0);
    for (int depth = 1; depth < LION_TUPLE_DEPTH_MAX; depth++)
        tuple = lion_tuple_make(&arena, &tuple, 1);
    assert_true(lion_tuple_is_valid(lion_value_slice(tuple)));
    assert_int_equal(lion_value_text(&arena, tuple)[0], '[');
    tuple = lion_tuple_make(&arena, &tuple, 1);
    assert_false(lion_tuple_is_valid(lion_value_slice(tuple)));
    for (int i = 0; i < 100; i++) tuple = lion_tuple_make(&arena, &tuple, 1);
    assert_non_null(strstr(lion_value_text(&arena, tuple), "…"));
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_sort_as_slots_do),
        cmocka_unit_test(slots_read_back),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(nesting_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
