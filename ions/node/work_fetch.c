/* work_fetch.c - requests of applications to others (ion.http): the I/O thread asks, and the answer
 * goes to the Lua thread as the writer's answers do. */
#include <string.h>

#include "node/worker.h"

static void on_done(void *context, uint64_t id, bool is_sound, lion_slice head, lion_slice body)
{
    lion_worker *worker = context;
    lion_item *item = lion_item_new(LION_ITEM_FRAME, NULL, head.size + 1 + body.size);
    if (item == NULL) return; /* the call's deadline is left */
    item->code = is_sound ? LION_FRAME_DONE : LION_FRAME_ERROR;
    item->id = id;
    memcpy(item->bytes, head.data, head.size);
    item->bytes[head.size] = '\n';
    if (body.size > 0) memcpy(item->bytes + head.size + 1, body.data, body.size);
    lion_inbox_put(&worker->inbox, &item->link);
}

void lion_worker_fetch(lion_worker *worker, const lion_item *item)
{
    if (worker->curl == NULL) worker->curl = lion_curl_new(&worker->loop, on_done, worker);
    if (worker->curl != NULL)
        lion_curl_start(worker->curl, item->id, (lion_slice){ item->bytes, item->size });
    else
        on_done(worker, item->id, false,
                lion_slice_text("unavailable lion/out-of-memory out of memory"),
                lion_slice_text(""));
}
