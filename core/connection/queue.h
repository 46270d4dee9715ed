/* queue.h - those who want to write, one at a time.
 *
 * Whoever finds nobody writing becomes the writer. The others wait, and the writer may do their work with its own:
 * it takes them out of the queue, one after the other, and tells each when its work is done. So a client that
 * waits for its commit sleeps and is woken once, however many others commit with it. When the writer leaves, the
 * first who still waits becomes the writer. Who has work that nobody else can do is never taken out. */
#ifndef LION_CONNECTION_QUEUE_H
#define LION_CONNECTION_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lion_waiter {
    struct lion_waiter *next;
    void *work;     /* what a writer may do for it, by agreement with who puts it in; NULL: nothing */
    uint32_t state; /* atomic, and what its thread sleeps on */
} lion_waiter;

typedef struct lion_queue {
    pthread_mutex_t lock;
    lion_waiter *first, **last;
    bool has_writer;
} lion_queue;

void lion_queue_init(lion_queue *queue);
void lion_queue_deinit(lion_queue *queue);

/* true: the caller is the writer now, and must leave. false: a writer did the waiter's work. */
bool lion_queue_enter(lion_queue *queue, lion_waiter *waiter);
/* For the writer: the first who waits, or NULL; it stays in the queue. */
lion_waiter *lion_queue_first(lion_queue *queue);
/* For the writer: out of the queue with the first one, whose work the writer is about to do. */
void lion_queue_take(lion_queue *queue);
/* The writer is through: the first who waits, if any, becomes the writer. */
void lion_queue_leave(lion_queue *queue);

/* The work of one that was taken is done; its thread goes on, and the waiter may be gone when this returns. */
void lion_waiter_wake(lion_waiter *waiter);

#endif
