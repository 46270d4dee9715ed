/* queue.c - a list under a lock; each waiter sleeps on a futex of its own, so that nobody is woken in vain. */
#include "connection/queue.h"

#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WAITS = 0, WRITES, IS_DONE };

void lion_queue_init(lion_queue *queue)
{
    *queue = (lion_queue){ 0 };
    queue->last = &queue->first;
    pthread_mutex_init(&queue->lock, NULL);
}

void lion_queue_deinit(lion_queue *queue) { pthread_mutex_destroy(&queue->lock); }

static uint32_t sleep_until_told(lion_waiter *waiter)
{
    for (;;) {
        uint32_t state = __atomic_load_n(&waiter->state, __ATOMIC_ACQUIRE);
        if (state != WAITS) return state;
        syscall(SYS_futex, &waiter->state, FUTEX_WAIT_PRIVATE, WAITS, NULL, NULL, 0);
    }
}

/* After the store the waiter's thread may go on and free it: the wake then finds nobody, which is no error. */
static void tell(lion_waiter *waiter, uint32_t state)
{
    __atomic_store_n(&waiter->state, state, __ATOMIC_RELEASE);
    syscall(SYS_futex, &waiter->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

bool lion_queue_enter(lion_queue *queue, lion_waiter *waiter)
{
    waiter->state = WAITS;
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
    return is_writer || sleep_until_told(waiter) == WRITES;
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

lion_waiter *lion_queue_first(lion_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    lion_waiter *waiter = queue->first;
    pthread_mutex_unlock(&queue->lock);
    return waiter;
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
