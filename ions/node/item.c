/* item.c - what the queues of a worker carry. */
#include <stdlib.h>
#include <string.h>

#include "node/worker.h"

lion_item *lion_item_new(lion_item_kind kind, const void *data, size_t size)
{
    lion_item *item = malloc(sizeof *item + size);
    if (item == NULL) return NULL;
    memset(item, 0, sizeof *item);
    item->kind = kind;
    item->bytes = (uint8_t *)(item + 1);
    item->size = size;
    if (data != NULL && size > 0) memcpy(item->bytes, data, size);
    return item;
}

/* A keeper that is this thread itself takes it after its turn; the I/O thread takes what is there
 * when it becomes the keeper. A loader is neither. */
void lion_worker_send(lion_worker *worker, lion_item *item)
{
    bool was_empty = lion_inbox_put(&worker->outbox, &item->link);
    if (was_empty && lion_keeper_is_io(&worker->keeper)) (void)uv_async_send(&worker->async);
}
