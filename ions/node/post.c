/* post.c - a POST to somebody else's server, on a thread that may wait: the answer comes back to
 * the state as one of the writer's would. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "node/worker.h"

#define POST_MS 10000

typedef struct post {
    uv_work_t work;
    lion_worker *worker;
    lion_item *item; /* bytes: address, NUL, path, NUL, body */
    int status;      /* of the answer; 0: there is none, and `error` says why */
    lion_error error;
} post;

static lion_status ask(post *self, lion_client *client)
{
    static const lion_client_header headers[] = { { "content-type", "application/json" },
                                                  { "connection", "close" } };
    const char *address = (const char *)self->item->bytes, *path = address + strlen(address) + 1,
               *body = path + strlen(path) + 1;
    size_t body_size = self->item->size - (size_t)(body - address);
    lion_client_request request = { .method = "POST",
                                    .path = path,
                                    .headers = headers,
                                    .header_count = 2,
                                    .body = { (const uint8_t *)body, body_size },
                                    .deadline_ns = lion_clock_deadline_ns(POST_MS) };
    lion_status status = lion_client_send(client, &request, &self->error);
    if (status == LION_OK) self->status = lion_client_status(client);
    return status;
}

static void on_work(uv_work_t *work)
{
    post *self = work->data;
    lion_client *client = NULL;
    lion_status status = lion_client_new(&client, (const char *)self->item->bytes, &self->error);
    if (status == LION_OK) (void)ask(self, client);
    lion_client_free(client);
}

static void on_done(uv_work_t *work, int status)
{
    post *self = work->data;
    (void)status;
    const char *message = self->status == 0 ? self->error.message : "";
    lion_item *answer = lion_item_new(LION_ITEM_FRAME, message, strlen(message));
    if (answer != NULL) {
        answer->id = self->item->id;
        answer->code = self->status;
        lion_inbox_put(&self->worker->inbox, &answer->link);
    }
    free(self->item);
    free(self);
}

void lion_worker_post(lion_worker *worker, lion_item *item)
{
    post *self = calloc(1, sizeof *self);
    if (self == NULL) {
        free(item);
        return;
    }
    self->work.data = self;
    self->worker = worker;
    self->item = item;
    (void)uv_queue_work(&worker->loop, &self->work, on_work, on_done);
}
