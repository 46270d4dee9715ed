/* work_requests.c - the loop's side of requests: from the server to the Lua thread, and its
 * items back. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/direct.h"
#include "node/worker.h"

/* An entry point's own timeout, twice at most (waiting, running), comes first. */
#define HANDLE_MS 1210000

/* What is pushed comes through the door, which refuses what is over 16 MiB in its own words. */
#define DOOR_BODY_SIZE ((size_t)17 << 20)

lion_http_limits lion_worker_limits(const lion_worker *worker)
{
    return (lion_http_limits){ .handle_ms = HANDLE_MS,
                               .body_size = worker->is_door ? DOOR_BODY_SIZE : 0 };
}

static const lion_http_header PLAIN = { .name = { "content-type", 12 },
                                        .value = { "text/plain", 10 } };

/* ---- requests in hand ---- */

static lion_node_request *request_new(lion_worker *worker, lion_http_exchange *exchange)
{
    lion_node_request *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->item.kind = LION_ITEM_REQUEST;
    self->exchange = exchange;
    self->id = lion_http_request_view(exchange)->id;
    self->next = worker->requests;
    if (self->next != NULL) self->next->previous = self;
    worker->requests = self;
    worker->request_count++;
    lion_http_set_user(exchange, self);
    return self;
}

void lion_request_free(lion_worker *worker, lion_node_request *self)
{
    if (self->previous != NULL)
        self->previous->next = self->next;
    else
        worker->requests = self->next;
    if (self->next != NULL) self->next->previous = self->previous;
    worker->request_count--;
    free(self->outcome);
    free(self);
}

static void on_request(void *context, lion_http_exchange *exchange)
{
    lion_worker *worker = context;
    lion_node_request *request = worker->is_lost ? NULL : request_new(worker, exchange);
    if (request == NULL)
        lion_http_respond(exchange, 503, &PLAIN, 1, "try again\n", 10);
    else if (!lion_direct_send(worker, request))
        lion_inbox_put(&worker->inbox, &request->item.link);
}

/* Whether who asks may be asked for a body. */
static void on_head(void *context, lion_http_exchange *exchange)
{
    lion_worker *worker = context;
    lion_node_request *request = worker->is_lost ? NULL : request_new(worker, exchange);
    if (request == NULL) {
        lion_http_respond(exchange, 503, &PLAIN, 1, "try again\n", 10);
        return;
    }
    request->is_head = true;
    lion_inbox_put(&worker->inbox, &request->item.link);
}

static void on_gone(void *context, lion_http_exchange *exchange)
{
    lion_worker *worker = context;
    lion_node_request *request = lion_http_user(exchange);
    atomic_store(&request->is_gone, true);
    if (request->is_direct) return; /* its answer is for nobody */
    lion_item *item = lion_item_new(LION_ITEM_GONE, NULL, 0);
    if (item == NULL) return; /* it is answered for nobody */
    item->id = request->id;
    lion_inbox_put(&worker->inbox, &item->link);
}

static void on_drained(void *context, lion_http_exchange *exchange)
{
    lion_worker *worker = context;
    lion_node_request *request = lion_http_user(exchange);
    if (request->unconfirmed < LION_STREAM_WINDOW / 2)
        return; /* the Lua thread does not wait for so little */
    lion_item *item = lion_item_new(LION_ITEM_ROOM, NULL, 0);
    if (item == NULL) return;
    item->id = request->id;
    item->size = request->unconfirmed;
    request->unconfirmed = 0;
    lion_inbox_put(&worker->inbox, &item->link);
}

lion_http_handler lion_worker_handler(lion_worker *worker)
{
    return (lion_http_handler){ .request = on_request,
                                .head = worker->is_door ? on_head : NULL,
                                .gone = on_gone,
                                .drained = on_drained,
                                .context = worker };
}

/* ---- handing over ---- */

void lion_worker_hand_over(lion_worker *worker, lion_http_taken *taken)
{
    lion_arena arena;
    lion_buffer payload;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&payload);
    lion_slice bytes = lion_slice_of(taken->bytes, taken->size);
    lion_entry entries[] = { { "bytes", lion_form_value(lion_value_bytes(LION_TYPE_BYTES, bytes)) },
                             { "is_control", lion_form_boolean(taken->is_control) } };
    lion_form form = lion_form_entries(&arena, entries, 2);
    if (lion_form_encode(&payload, &form, NULL) == LION_OK && !payload.is_failed) {
        lion_bus_message message = { .to = LION_BUS_ANY_WORKER,
                                     .kind = LION_BUS_HANDOVER,
                                     .payload = payload.data,
                                     .size = payload.size,
                                     .fds = { taken->fd },
                                     .fd_count = 1 };
        (void)lion_bus_send(worker->bus, &message);
    }
    (void)close(taken->fd);
    free(taken->bytes);
    lion_buffer_deinit(&payload);
    lion_arena_deinit(&arena);
}

void lion_worker_hand_over_idle(lion_worker *worker)
{
    lion_http_taken taken;
    while (!worker->is_door && worker->server != NULL &&
           lion_http_take_idle(worker->server, &taken))
        lion_worker_hand_over(worker, &taken);
}

static void hand_over(lion_worker *worker, lion_node_request *request)
{
    lion_http_taken taken;
    if (lion_http_take(request->exchange, &taken))
        lion_worker_hand_over(worker, &taken);
    else
        lion_http_respond(request->exchange, 503, &PLAIN, 1, "try again\n", 10);
}

/* ---- what the Lua thread has sent ---- */

static void send_piece(lion_worker *worker, lion_node_request *request, const lion_item *item)
{
    request->unconfirmed += item->size;
    if (lion_http_stream_piece(request->exchange, item->bytes, item->size) == 0)
        on_drained(worker, request->exchange);
}

static void send_message(lion_worker *worker, const lion_item *item)
{
    lion_bus_message message = { .to = item->to,
                                 .kind = (uint16_t)item->code,
                                 .id = item->id,
                                 .payload = item->bytes,
                                 .size = item->size };
    (void)lion_bus_send(worker->bus, &message);
}

/* Somebody asked for it, unless the process started. */
static void tell_switched(lion_worker *worker, const lion_item *item)
{
    lion_entry entries[] = { { "is_ok", lion_form_boolean(true) },
                             { "ms", lion_form_long(item->code) } };
    if (item->to != 0) lion_worker_tell(worker, item->to, LION_BUS_SWITCHED, item->id, entries, 2);
}

static void take_answer(lion_worker *worker, lion_item *item)
{
    lion_node_request *request = item->request;
    lion_http_exchange *exchange = request->exchange;
    switch (item->kind) {
    case LION_ITEM_BEGIN:
        request->is_streamed = true;
        lion_http_stream_begin(exchange, item->code, item->headers, item->header_count, item->size);
        return;
    case LION_ITEM_PIECE: send_piece(worker, request, item); return;
    case LION_ITEM_ANSWER:
        lion_http_respond(exchange, item->code, item->headers, item->header_count, item->bytes,
                          item->size);
        break;
    case LION_ITEM_END: lion_http_stream_end(exchange); break;
    case LION_ITEM_ABORT: lion_http_abort(exchange); break;
    case LION_ITEM_HANDOVER: hand_over(worker, request); break;
    case LION_ITEM_GO_ON: lion_http_go_on(exchange); break;
    default: return;
    }
    lion_request_free(worker, request);
}

static void take_item(lion_worker *worker, lion_item *item)
{
    const char *name = (const char *)item->bytes;
    switch (item->kind) {
    case LION_ITEM_FRAME:
        lion_link_send(worker->link, (lion_frame_kind)item->code, item->id, item->bytes,
                       item->size);
        break;
    case LION_ITEM_READ: lion_worker_read(worker, item); return; /* which frees it */
    case LION_ITEM_STOP_READING: lion_worker_stop_reading(worker, item->id); break;
    case LION_ITEM_MESSAGE: send_message(worker, item); break;
    case LION_ITEM_FETCH: lion_worker_fetch(worker, item); break;
    case LION_ITEM_FORGET:
        if (worker->curl != NULL) lion_curl_cancel(worker->curl, item->id);
        break;
    case LION_ITEM_KNOW: lion_direct_know(worker, name); break;
    case LION_ITEM_RUNS:
        lion_worker_runs(worker, name, name + strlen(name) + 1, false);
        tell_switched(worker, item);
        break;
    case LION_ITEM_REMOVED:
        lion_worker_runs(worker, name, NULL, false);
        tell_switched(worker, item);
        break;
    case LION_ITEM_EXHAUSTED:
        lion_worker_replace(worker, "a state has reached its cap of memory");
        break;
    case LION_ITEM_OVER: worker->is_over = true; break;
    default: take_answer(worker, item); break;
    }
    free(item);
}

void lion_worker_take(lion_worker *worker)
{
    for (lion_inbox_link *link = lion_inbox_take(&worker->outbox); link != NULL;) {
        lion_inbox_link *next = link->next;
        if (worker->is_lost)
            free(link); /* it came back to life: what it held is answered already */
        else
            take_item(worker, (lion_item *)(void *)link);
        link = next;
    }
    lion_link_flush(worker->link);
}
