/* inbox.c - a list under a lock; who takes gets all of it. */
#include "node/inbox.h"

#include <stddef.h>

void lion_inbox_init(lion_inbox *inbox)
{
    inbox->first = inbox->last = NULL;
    inbox->is_waiting = false;
    (void)uv_mutex_init(&inbox->mutex);
    (void)uv_cond_init(&inbox->condition);
}

bool lion_inbox_put(lion_inbox *inbox, lion_inbox_link *link)
{
    link->next = NULL;
    uv_mutex_lock(&inbox->mutex);
    bool was_empty = inbox->first == NULL;
    if (was_empty)
        inbox->first = link;
    else
        inbox->last->next = link;
    inbox->last = link;
    bool is_waiting = inbox->is_waiting;
    inbox->is_waiting = false;
    uv_mutex_unlock(&inbox->mutex);
    if (is_waiting) uv_cond_signal(&inbox->condition);
    return was_empty;
}

static lion_inbox_link *detach(lion_inbox *inbox)
{
    lion_inbox_link *first = inbox->first;
    inbox->first = inbox->last = NULL;
    return first;
}

lion_inbox_link *lion_inbox_take(lion_inbox *inbox)
{
    uv_mutex_lock(&inbox->mutex);
    lion_inbox_link *first = detach(inbox);
    uv_mutex_unlock(&inbox->mutex);
    return first;
}

lion_inbox_link *lion_inbox_wait(lion_inbox *inbox, uint64_t ns)
{
    uv_mutex_lock(&inbox->mutex);
    if (inbox->first == NULL) {
        inbox->is_waiting = true;
        if (ns == UINT64_MAX)
            uv_cond_wait(&inbox->condition, &inbox->mutex);
        else
            (void)uv_cond_timedwait(&inbox->condition, &inbox->mutex, ns);
        inbox->is_waiting = false;
    }
    lion_inbox_link *first = detach(inbox);
    uv_mutex_unlock(&inbox->mutex);
    return first;
}

void lion_inbox_wake(lion_inbox *inbox)
{
    uv_mutex_lock(&inbox->mutex);
    if (inbox->is_waiting) uv_cond_signal(&inbox->condition);
    inbox->is_waiting = false;
    uv_mutex_unlock(&inbox->mutex);
}

bool lion_inbox_is_waiting(lion_inbox *inbox)
{
    uv_mutex_lock(&inbox->mutex);
    bool is_waiting = inbox->is_waiting;
    uv_mutex_unlock(&inbox->mutex);
    return is_waiting;
}

bool lion_inbox_is_empty(lion_inbox *inbox)
{
    uv_mutex_lock(&inbox->mutex);
    bool is_empty = inbox->first == NULL;
    uv_mutex_unlock(&inbox->mutex);
    return is_empty;
}
