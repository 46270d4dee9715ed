/* base_spin_test.c - how long to look for what may come soon. */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <sched.h>

#include "base/clock.h"
#include "base/spin.h"

#define MOST_NS INT64_C(10000000000) /* no machine is so slow that it passes meanwhile */

/* As on a machine with several processors. */
static lion_spin spin_new(void)
{
    lion_spin spin;
    lion_spin_init(&spin, MOST_NS);
    spin.most_ns = MOST_NS;
    return spin;
}

static void learn(lion_spin *spin, int64_t took_ns, int times)
{
    for (int i = 0; i < times; i++) lion_spin_learn(spin, took_ns);
}

static bool would_look(lion_spin *spin)
{
    return lion_spin_begin(spin, lion_clock_monotonic_ns());
}

static void what_came_soon_is_looked_for(void **state)
{
    (void)state;
    lion_spin spin = spin_new();
    assert_false(would_look(&spin));
    learn(&spin, MOST_NS / 4, 10);
    assert_true(would_look(&spin));
    assert_true(lion_spin_goes_on(&spin));
}

static void what_takes_long_is_not(void **state)
{
    (void)state;
    lion_spin spin = spin_new();
    learn(&spin, MOST_NS / 4, 10);
    learn(&spin, INT64_MAX, 1);
    assert_true(would_look(&spin));
    learn(&spin, INT64_MAX, 3);
    assert_false(would_look(&spin));
    learn(&spin, 0, 10); /* long waits are soon forgotten */
    learn(&spin, MOST_NS / 4, 10);
    assert_true(would_look(&spin));
}

static void nobody_looks_for_ever(void **state)
{
    (void)state;
    lion_spin spin = spin_new();
    learn(&spin, MOST_NS / 4, 10);
    assert_false(lion_spin_begin(&spin, lion_clock_monotonic_ns() - MOST_NS));
    spin.most_ns = 4000000;
    learn(&spin, 1000000, 20);
    int64_t since_ns = lion_clock_monotonic_ns();
    if (lion_spin_begin(&spin, since_ns))
        while (lion_spin_goes_on(&spin)) continue;
    assert_false(lion_spin_begin(&spin, since_ns));
}

static void who_else_wants_the_processor_has_it(void **state)
{
    (void)state;
    lion_spin spin = spin_new();
    learn(&spin, MOST_NS / 4, 10);
    assert_true(would_look(&spin));
    spin.looked_ns -= 1000000000; /* since then another thread has run */
    assert_false(lion_spin_goes_on(&spin));
    assert_true(spin.rests_until_ns > lion_clock_monotonic_ns());
    spin.rests_until_ns += MOST_NS;
    assert_false(would_look(&spin));
    int64_t rest_ns = spin.rest_ns;
    spin.rests_until_ns = 0;
    assert_true(would_look(&spin));
    spin.rests_until_ns = lion_clock_monotonic_ns(); /* it wants it again, as soon as we look */
    spin.looked_ns -= 1000000000;
    assert_false(lion_spin_goes_on(&spin));
    assert_true(spin.rest_ns > rest_ns);
}

static void *on_one_processor(void *is_looking)
{
    cpu_set_t set, one;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return NULL;
    CPU_ZERO(&one);
    for (size_t i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &set)) CPU_SET(i, &one);
    if (sched_setaffinity(0, sizeof one, &one) != 0) return NULL;
    lion_spin spin;
    lion_spin_init(&spin, MOST_NS);
    learn(&spin, 0, 100);
    *(bool *)is_looking = would_look(&spin);
    return NULL;
}

static void who_has_one_processor_does_not_look(void **state)
{
    (void)state;
    bool is_looking = false;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, on_one_processor, &is_looking), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(is_looking);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_came_soon_is_looked_for),
        cmocka_unit_test(what_takes_long_is_not),
        cmocka_unit_test(nobody_looks_for_ever),
        cmocka_unit_test(who_else_wants_the_processor_has_it),
        cmocka_unit_test(who_has_one_processor_does_not_look),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
