/* node_keeper_test.c - the loop of a worker has one keeper at a time, and none is missed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <uv.h>

#include "node/inbox.h"
#include "node/keeper.h"

#define TURNS 20000
#define LONG_TURNS 5

/* The Lua thread and the I/O thread of a worker, without Lua and I/O: what both count in belongs to
 * the keeper. */
typedef struct desk {
    lion_keeper keeper;
    lion_inbox inbox;
    uint64_t count; /* the keeper's */
    atomic_bool is_taken; /* the I/O thread has become the keeper in the turn under way */
    atomic_bool is_over;
    lion_inbox_link links[LONG_TURNS];
} desk;

static void wait_until(const atomic_bool *flag)
{
    while (!atomic_load(flag)) uv_sleep(1);
}

static void run_io(void *context)
{
    desk *self = context;
    while (true) {
        self->count++;
        atomic_store(&self->is_taken, true);
        if (atomic_load(&self->is_over)) return;
        if (!lion_inbox_is_waiting(&self->inbox)) continue;
        lion_keeper_lend(&self->keeper);
        lion_inbox_wake(&self->inbox);
        lion_keeper_stand_by(&self->keeper);
    }
}

/* The Lua thread's: be the keeper. */
static void become_keeper(desk *self)
{
    while (!lion_keeper_reclaim(&self->keeper)) (void)lion_inbox_wait(&self->inbox, UINT64_MAX);
}

static void desk_open(desk *self, uv_thread_t *thread)
{
    *self = (desk){ .count = 0 };
    lion_keeper_init(&self->keeper);
    lion_inbox_init(&self->inbox);
    assert_true(lion_keeper_is_io(&self->keeper));
    assert_int_equal(uv_thread_create(thread, run_io, self), 0);
}

static void desk_close(desk *self, uv_thread_t *thread)
{
    atomic_store(&self->is_over, true);
    assert_int_equal(uv_thread_join(thread), 0);
    assert_true(lion_keeper_is_io(&self->keeper));
}

static void short_turns_cost_no_switch_and_one_thread_has_the_loop(void **state)
{
    (void)state;
    desk self;
    uv_thread_t thread;
    desk_open(&self, &thread);
    for (int i = 0; i < TURNS; i++) {
        become_keeper(&self);
        self.count++;
        assert_false(lion_keeper_is_io(&self.keeper));
        lion_keeper_lend(&self.keeper);
    }
    desk_close(&self, &thread);
    assert_true(self.count > TURNS);
}

static void a_turn_that_lasts_loses_the_loop_until_its_thread_waits(void **state)
{
    (void)state;
    desk self;
    uv_thread_t thread;
    desk_open(&self, &thread);
    for (int i = 0; i < LONG_TURNS; i++) {
        become_keeper(&self);
        atomic_store(&self.is_taken, false);
        lion_keeper_lend(&self.keeper);
        wait_until(&self.is_taken);
        assert_false(lion_keeper_reclaim(&self.keeper));
    }
    desk_close(&self, &thread);
}

static void a_lender_that_has_rested_in_the_loop_is_looked_after_again(void **state)
{
    (void)state;
    desk self;
    uv_thread_t thread;
    desk_open(&self, &thread);
    become_keeper(&self);
    while (!atomic_load(&self.keeper.is_dozing)) uv_sleep(1);
    atomic_store(&self.is_taken, false);
    lion_keeper_lend(&self.keeper);
    wait_until(&self.is_taken);
    desk_close(&self, &thread);
}

static void what_is_put_is_taken_in_order_and_wakes_who_waits(void **state)
{
    (void)state;
    desk self;
    uv_thread_t thread;
    desk_open(&self, &thread);
    assert_true(lion_inbox_is_empty(&self.inbox));
    assert_true(lion_inbox_put(&self.inbox, &self.links[0]));
    assert_false(lion_inbox_put(&self.inbox, &self.links[1]));
    assert_ptr_equal(lion_inbox_wait(&self.inbox, UINT64_MAX), &self.links[0]);
    assert_ptr_equal(self.links[0].next, &self.links[1]);
    assert_null(self.links[1].next);
    assert_null(lion_inbox_take(&self.inbox));
    desk_close(&self, &thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_turns_cost_no_switch_and_one_thread_has_the_loop),
        cmocka_unit_test(a_turn_that_lasts_loses_the_loop_until_its_thread_waits),
        cmocka_unit_test(a_lender_that_has_rested_in_the_loop_is_looked_after_again),
        cmocka_unit_test(what_is_put_is_taken_in_order_and_wakes_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
