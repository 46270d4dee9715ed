/* query_lists_test.c - ascending lists of numbers: what a search and a meeting find is what looking at every number finds. */
#include "support.h"

#include "query/lists.h"

#define LENGTH_MAX 600

static uint32_t fill(uint32_t *list, uint32_t length, uint32_t step_max)
{
    uint32_t number = (uint32_t)random_below(5);
    for (uint32_t i = 0; i < length; i++) {
        list[i] = number;
        number += 1 + (uint32_t)random_below(step_max);
    }
    return length;
}

static uint32_t place_of(const uint32_t *list, uint32_t count, uint32_t from, uint32_t number)
{
    while (from < count && list[from] < number) from++;
    return from;
}

static void seeking_agrees_with_a_walk(void **state)
{
    uint32_t list[LENGTH_MAX];
    (void)state;
    for (int round = 0; round < 300; round++) {
        uint32_t count = fill(list, (uint32_t)random_below(LENGTH_MAX), 9);
        for (int i = 0; i < 50; i++) {
            uint32_t number = (uint32_t)random_below(6000), from = (uint32_t)random_below(count + 1);
            assert_int_equal(lion_list_seek(list, count, from, number), place_of(list, count, from, number));
            uint32_t at = place_of(list, count, 0, number);
            assert_int_equal(lion_list_has(list, count, number), at < count && list[at] == number);
        }
    }
}

/* Also where the common numbers go into either of the two. */
static void meeting_agrees_with_a_walk(void **state)
{
    uint32_t few[LENGTH_MAX], many[LENGTH_MAX], expected[LENGTH_MAX], out[LENGTH_MAX];
    (void)state;
    for (int round = 0; round < 600; round++) {
        uint32_t few_count = fill(few, (uint32_t)random_below(40), 60), many_count = fill(many, (uint32_t)random_below(LENGTH_MAX), 5);
        uint32_t count = 0;
        for (uint32_t i = 0; i < few_count; i++)
            if (lion_list_has(many, many_count, few[i])) expected[count++] = few[i];
        uint32_t *into = round % 3 == 0 ? out : round % 3 == 1 ? few : many;
        assert_int_equal(lion_list_meet(into, few, few_count, many, many_count), count);
        for (uint32_t i = 0; i < count; i++) assert_int_equal(into[i], expected[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seeking_agrees_with_a_walk),
        cmocka_unit_test(meeting_agrees_with_a_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
