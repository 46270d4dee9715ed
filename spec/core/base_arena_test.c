/* Arenas: alignment, growth, marks, budgets, and what happens when memory runs out. */
#include "support.h"

#include "base/arena.h"
#include "base/fault.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define IS_POISONED(at) (__asan_address_is_poisoned(at) != 0)
#define HAS_ASAN 1
#else
#define IS_POISONED(at) ((void)(at), false)
#define HAS_ASAN 0
#endif

static void blocks_are_aligned_and_apart(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    enum { COUNT = 3000 };
    uint8_t *blocks[COUNT];
    size_t sizes[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = random_below(i % 100 == 0 ? 200000 : 300);
        blocks[i] = lion_arena_alloc(&arena, sizes[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 0xff), sizes[i]);
    }
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(blocks[i][j], i & 0xff);
    lion_arena_deinit(&arena);
}

static void growing_the_newest_block_stays_in_place(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    char *block = lion_arena_alloc(&arena, 10);
    memset(block, '7', 10);
    assert_ptr_equal(lion_arena_grow(&arena, block, 10, 100), block);
    assert_memory_equal(block, "7777777777", 10);
    memset(block, 'x', 100);

    lion_arena_alloc(&arena, 1);
    char *moved = lion_arena_grow(&arena, block, 100, 200);
    assert_ptr_not_equal(moved, block);
    for (int i = 0; i < 100; i++) assert_int_equal(moved[i], 'x');

    char *large = lion_arena_grow(&arena, moved, 200, 1000000);
    for (int i = 0; i < 100; i++) assert_int_equal(large[i], 'x');
    lion_arena_deinit(&arena);
}

static void rewinding_gives_memory_back_and_poisons_it(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    char *kept = lion_arena_text(&arena, lion_slice_text("kept"));
    lion_arena_mark mark = lion_arena_set_mark(&arena);
    size_t used = arena.used;
    for (int round = 0; round < 3; round++) {
        uint8_t *dropped = lion_arena_alloc(&arena, 100);
        dropped[99] = 1;
        lion_arena_alloc(&arena, 5000000);
        lion_arena_rewind(&arena, mark);
        assert_int_equal(arena.used, used);
        assert_int_equal(IS_POISONED(dropped), HAS_ASAN);
        assert_string_equal(kept, "kept");
    }
    lion_arena_deinit(&arena);
}

static void rewinding_to_the_start_keeps_one_chunk(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_arena_mark mark = lion_arena_set_mark(&arena);
    uint8_t *block = lion_arena_alloc(&arena, 100);
    lion_arena_rewind(&arena, mark);
    assert_int_equal(IS_POISONED(block), HAS_ASAN);
    assert_ptr_equal(lion_arena_alloc(&arena, 100), block);
    lion_arena_deinit(&arena);
}

static void reset_in_a_loop_asks_the_heap_no_more(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (int i = 0; i < 100; i++) lion_arena_alloc(&arena, 1000);
    lion_arena_reset(&arena);
    lion_fault_arm("arena.grow", 1, "fail");
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 50; i++) lion_arena_alloc(&arena, 1000);
        lion_arena_reset(&arena);
    }
    assert_int_equal(lion_arena_check(&arena, NULL), LION_OK);
    lion_fault_disarm();

    lion_arena_alloc(&arena, 50 << 20); /* a huge chunk is not kept */
    lion_arena_reset(&arena);
    assert_true(arena.used <= 2 << 20);
    lion_arena_deinit(&arena);
}

static void a_budget_is_told_by_check(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 100000);
    assert_int_equal(lion_arena_check(&arena, NULL), LION_OK);
    for (int i = 0; i < 200; i++) assert_non_null(lion_arena_alloc(&arena, 1000));
    lion_error error;
    assert_int_equal(lion_arena_check(&arena, &error), LION_FAILED);
    assert_int_equal(error.category, LION_INTERRUPTED);
    assert_string_equal(error.code, "lion/limit");
    lion_arena_reset(&arena);
    lion_arena_deinit(&arena);
}

static void refused_memory_is_latched(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_fault_arm("arena.grow", 1, "fail");
    uint8_t *scratch = lion_arena_alloc(&arena, 100);
    lion_fault_disarm();
    assert_non_null(scratch);
    memset(scratch, 1, 100);
    lion_error error;
    assert_int_equal(lion_arena_check(&arena, &error), LION_FAILED);
    assert_string_equal(error.code, "lion/out-of-memory");

    assert_null(lion_arena_alloc(&arena, SIZE_MAX - 100));
    assert_null(lion_arena_alloc(&arena, SIZE_MAX));
    lion_arena_reset(&arena);
    assert_int_equal(lion_arena_check(&arena, NULL), LION_OK);
    lion_arena_deinit(&arena);
}

static char ended[8];

static void note_end(void *argument)
{
    strcat(ended, argument);
}

static void endings_come_with_the_memory_the_newest_first(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    assert_true(lion_arena_at_end(&arena, note_end, "a"));
    lion_arena_mark mark = lion_arena_set_mark(&arena);
    assert_true(lion_arena_at_end(&arena, note_end, "b"));
    lion_arena_alloc(&arena, 100000);
    assert_true(lion_arena_at_end(&arena, note_end, "c"));
    lion_arena_rewind(&arena, mark);
    assert_string_equal(ended, "cb");
    lion_arena_reset(&arena);
    assert_string_equal(ended, "cba");
    assert_true(lion_arena_at_end(&arena, note_end, "d"));
    lion_arena_deinit(&arena);
    lion_arena_deinit(&arena);
    assert_string_equal(ended, "cbad");
}

static void endings_may_come_before_the_memory_goes(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    ended[0] = '\0';
    int64_t *number = lion_arena_new(&arena, int64_t);
    *number = 7;
    assert_true(lion_arena_at_end(&arena, note_end, "a"));
    assert_true(lion_arena_at_end(&arena, note_end, "b"));
    lion_arena_end(&arena);
    assert_string_equal(ended, "ba");
    assert_int_equal(*number, 7);
    assert_true(lion_arena_at_end(&arena, note_end, "c"));
    lion_arena_deinit(&arena);
    assert_string_equal(ended, "bac");
}

static void text_and_printf_end_with_zero(void **state)
{
    (void)state;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    assert_string_equal(lion_arena_text(&arena, (lion_slice){ 0 }), "");
    assert_string_equal(lion_arena_printf(&arena, "%d of %s", 7, "nine"), "7 of nine");
    char *large = lion_arena_printf(&arena, "%10000d", 1);
    assert_int_equal(strlen(large), 10000);
    uint64_t *zeros = lion_arena_zalloc(&arena, 800);
    for (int i = 0; i < 100; i++) assert_int_equal(zeros[i], 0);
    lion_arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_aligned_and_apart),
        cmocka_unit_test(growing_the_newest_block_stays_in_place),
        cmocka_unit_test(rewinding_gives_memory_back_and_poisons_it),
        cmocka_unit_test(rewinding_to_the_start_keeps_one_chunk),
        cmocka_unit_test(reset_in_a_loop_asks_the_heap_no_more),
        cmocka_unit_test(a_budget_is_told_by_check),
        cmocka_unit_test(refused_memory_is_latched),
        cmocka_unit_test(endings_come_with_the_memory_the_newest_first),
        cmocka_unit_test(endings_may_come_before_the_memory_goes),
        cmocka_unit_test(text_and_printf_end_with_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
