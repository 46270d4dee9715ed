/* inbox.h - a queue from one thread to another. */
#ifndef LION_IONS_NODE_INBOX_H
#define LION_IONS_NODE_INBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Begins what is queued. */
typedef struct lion_inbox_link {
    struct lion_inbox_link *next;
} lion_inbox_link;

typedef struct lion_inbox {
    uv_mutex_t mutex; /* held for a few instructions */
    uv_cond_t condition;
    lion_inbox_link *first, *last;
    bool is_waiting; /* somebody is in lion_inbox_wait */
} lion_inbox;

void lion_inbox_init(lion_inbox *inbox);
/* true: there was nothing in it. Who waits is woken. */
bool lion_inbox_put(lion_inbox *inbox, lion_inbox_link *link);
/* All that is there, the oldest first; NULL: nothing. */
lion_inbox_link *lion_inbox_take(lion_inbox *inbox);
/* The same, but when there is nothing wait for it so long (UINT64_MAX: without end), or until
 * lion_inbox_wake. */
lion_inbox_link *lion_inbox_wait(lion_inbox *inbox, uint64_t ns);
void lion_inbox_wake(lion_inbox *inbox); /* who waits, if somebody does */
bool lion_inbox_is_waiting(lion_inbox *inbox);
bool lion_inbox_is_empty(lion_inbox *inbox);

#endif
