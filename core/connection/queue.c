/* queue.c - a list under a lock; each waiter sleeps on a futex of its own, so that nobody is woken in vain. */
#include "connection/queue.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { WAITS = 0, WRITES, IS_DONE };

void lion_queue_init(lion_queue *queue)
{
    *queue = (lion_queue){ 0 };
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
}

void lion_queue_deinit(lion_queue *queue) { pthread_mutex_destroy(&queue->lock); }

/* Until it is told, or until the deadline: WAITS. */
static uint32_t sleep_until_told(lion_waiter *waiter, int64_t deadline_ns)
{
    struct timespec until = { .tv_sec = deadline_ns / 1000000000, .tv_nsec = deadline_ns % 1000000000 };
    for (;;) {
        uint32_t state = __atomic_load_n(&waiter->state, __ATOMIC_ACQUIRE);
        if (state != WAITS) return state;
        long code = syscall(SYS_futex, &waiter->state, FUTEX_WAIT_BITSET_PRIVATE, WAITS,
                            deadline_ns > 0 ? &until : NULL, NULL, FUTEX_BITSET_MATCH_ANY);
        if (code != 0 && errno == ETIMEDOUT) return __atomic_load_n(&waiter->state, __ATOMIC_ACQUIRE);
    }
}

/* After the store the waiter's thread may go on and free it: the wake then finds nobody, which is no error. */
static void tell(lion_waiter *waiter, uint32_t state)
{
    __atomic_store_n(&waiter->state, state, __ATOMIC_RELEASE);
    syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* Out of the queue; false: a writer has it, and will tell it. */
static bool withdraw(lion_queue *queue, lion_waiter *waiter)
{
    pthread_mutex_lock(&queue->lock);
    lion_waiter **link = &queue->first;
    while (*link != NULL && *link != waiter) link = &(*link)->next;
    bool is_free = *link != NULL && !waiter->is_claimed;
    if (is_free) {
        *link = waiter->next;
        if (*link == NULL) queue->last = link;
    }
    pthread_mutex_unlock(&queue->lock);
    return is_free;
}

lion_turn lion_queue_enter(lion_queue *queue, lion_waiter *waiter, int64_t deadline_ns)
{
    waiter->state = WAITS;
    waiter->is_claimed = false;
    waiter->next = NULL;
    pthread_mutex_lock(&queue->lock);
    bool is_writer = !queue->has_writer;
    if (is_writer) {
        queue->has_writer = true;
    } else {
        *queue->last = waiter;
        queue->last = &waiter->next;
    }
    pthread_mutex_unlock(&queue->lock);
    if (is_writer) return LION_TURN_WRITE;
    uint32_t state = sleep_until_told(waiter, deadline_ns);
    if (state == WAITS && withdraw(queue, waiter)) return LION_TURN_LATE;
    if (state == WAITS) state = sleep_until_told(waiter, 0);
    return state == WRITES ? LION_TURN_WRITE : LION_TURN_DONE;
}

/* Under the lock. */
static lion_waiter *remove_first(lion_queue *queue)
{
    lion_waiter *waiter = queue->first;
    if (waiter == NULL) return NULL;
    queue->first = waiter->next;
    if (queue->first == NULL) queue->last = &queue->first;
    return waiter;
}

bool lion_queue_has_waiters(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool has_waiters = queue->first != NULL;
    pthread_mutex_unlock(&queue->lock);
    return has_waiters;
}

lion_waiter *lion_queue_claim(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    lion_waiter *waiter = queue->first;
    if (waiter != NULL) waiter->is_claimed = true;
    pthread_mutex_unlock(&queue->lock);
    return waiter;
}

void lion_queue_let_go(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->first->is_claimed = false;
    pthread_mutex_unlock(&queue->lock);
}

void lion_queue_take(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    remove_first(queue);
    pthread_mutex_unlock(&queue->lock);
}

void lion_queue_leave(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    lion_waiter *next = remove_first(queue);
    queue->has_writer = next != NULL;
    pthread_mutex_unlock(&queue->lock);
    if (next != NULL) tell(next, WRITES);
}

void lion_waiter_wake(lion_waiter *waiter) { tell(waiter, IS_DONE); }
