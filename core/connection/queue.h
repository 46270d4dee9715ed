/* queue.h - those who want to write, one at a time.
 *
 * Whoever finds nobody writing becomes the writer. The others wait, and the writer may do their work with its own:
 * it takes them out of the queue, one after the other, and tells each when its work is done. So a client that
 * waits for its commit sleeps and is woken once, however many others commit with it. When the writer leaves, the
 * first who still waits becomes the writer. Who has work that nobody else can do is never taken out. Who may not wait
 * for long goes away by itself, but not while a writer is at its work. */
#ifndef LION_CONNECTION_QUEUE_H
#define LION_CONNECTION_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct lion_waiter {
    struct lion_waiter *next;
    void *work;     /* what a writer may do for it, by agreement with who puts it in; NULL: nothing */
    uint32_t state; /* atomic, and what its thread sleeps on */
    bool is_claimed; /* guarded by the queue's lock: a writer is at its work */
} lion_waiter;

typedef enum lion_turn {
    LION_TURN_WRITE, /* the caller is the writer now, and must leave */
    LION_TURN_DONE,  /* a writer did the waiter's work */
    LION_TURN_LATE   /* neither came in time: the waiter is out of the queue */
} lion_turn;

typedef struct lion_queue {
    pthread_mutex_t lock;
    lion_waiter *first, **last;
    bool has_writer;
} lion_queue;

void lion_queue_init(lion_queue *queue);
void lion_queue_deinit(lion_queue *queue);

/* deadline_ns: of the monotonic clock; 0: none. */
lion_turn lion_queue_enter(lion_queue *queue, lion_waiter *waiter, int64_t deadline_ns);
/* For the writer: does anybody wait? */
bool lion_queue_has_waiters(lion_queue *queue);
/* For the writer: the first who waits, or NULL; it stays in the queue until it is taken or let go. */
lion_waiter *lion_queue_claim(lion_queue *queue);
/* For the writer: out of the queue with the claimed one, whose work is done. */
void lion_queue_take(lion_queue *queue);
/* For the writer: its work is not for others, so it waits on. */
void lion_queue_let_go(lion_queue *queue);
/* The writer is through: the first who waits, if any, becomes the writer. */
void lion_queue_leave(lion_queue *queue);

/* The work of one that was taken is done; its thread goes on, and the waiter may be gone when this returns. */
void lion_waiter_wake(lion_waiter *waiter);

#endif
