/* watch.c - the loop's keeper, the I/O thread when it matters, looks whether the Lua thread comes
 * back when it must. One that does not is lost: others get what it had not begun, its own requests
 * are answered, and the process ends. No lock is taken that the lost thread may hold: those of the
 * queues are held for a few instructions of C, never while Lua runs. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "node/worker.h"

#define LOOK_MS 50
#define LATE_MS 250
#define LAST_WORDS_MS 500 /* for what is still to be sent */

static const lion_http_header PLAIN = { .name = { "content-type", 12 },
                                        .value = { "text/plain", 10 } };

/* The Lua thread writes it with plain stores, which are whole on the machines that LuaJIT knows. */
static double limit_of(lion_worker *worker)
{
    uint64_t bits = __atomic_load_n((uint64_t *)(void *)&worker->limit_ms, __ATOMIC_RELAXED);
    double ms;
    memcpy(&ms, &bits, sizeof ms);
    return ms;
}

/* It may come back to life any moment: whoever moves a request from waiting has it. */
static bool is_begun(lion_node_request *request)
{
    int waiting = LION_REQUEST_WAITING;
    return !atomic_compare_exchange_strong(&request->stage, &waiting, LION_REQUEST_TAKEN) &&
           waiting == LION_REQUEST_BEGUN;
}

/* Those that it has not begun, and connections without a request, go to other workers. A door has
 * no others. */
static void hand_over_rest(lion_worker *worker)
{
    lion_http_taken taken;
    for (lion_node_request *each = worker->requests; each != NULL; each = each->next) {
        if (is_begun(each) || worker->is_door) continue;
        each->is_passed_on = lion_http_take(each->exchange, &taken);
        if (each->is_passed_on) lion_worker_hand_over(worker, &taken);
    }
    lion_worker_hand_over_idle(worker);
}

static void answer(lion_node_request *request)
{
    static const char late[] = "the application did not answer in time\n", again[] = "try again\n";
    if (request->is_passed_on) return;
    if (request->is_streamed)
        lion_http_abort(request->exchange);
    else if (is_begun(request))
        lion_http_respond(request->exchange, 504, &PLAIN, 1, late, sizeof late - 1);
    else
        lion_http_respond(request->exchange, 503, &PLAIN, 1, again, sizeof again - 1);
}

static void on_last_words(uv_timer_t *timer)
{
    lion_worker *worker = timer->data;
    static uint64_t began_ms;
    if (began_ms == 0) began_ms = uv_now(timer->loop);
    bool is_late = uv_now(timer->loop) - began_ms > LAST_WORDS_MS;
    if (is_late || (worker->server == NULL && lion_bus_waiting(worker->bus) == 0))
        lion_worker_leave(0);
}

static void on_server_closed(void *context)
{
    ((lion_worker *)context)->server = NULL;
}

static void lose(lion_worker *worker)
{
    lion_entry entry = { "reason", lion_form_string("its Lua thread did not come back in time") };
    lion_worker_take(worker); /* what it has answered */
    atomic_store(&worker->is_lost, true);
    hand_over_rest(worker);
    lion_worker_tell(worker, LION_BUS_SUPERVISOR, LION_BUS_REPLACE, 0, &entry, 1);
    if (worker->server != NULL && !worker->is_stopping)
        lion_http_close(worker->server, on_server_closed, worker);
    worker->is_stopping = true;
    /* Nothing here frees a request: the lost thread may look at it once more. */
    for (lion_node_request *each = worker->requests; each != NULL; each = each->next) answer(each);
    (void)uv_timer_start(&worker->watch, on_last_words, 0, 5);
}

static void on_look(uv_timer_t *timer)
{
    lion_worker *worker = timer->data;
    double limit_ms = limit_of(worker);
    if (limit_ms > 0 && (double)lion_clock_monotonic_ns() / 1e6 > limit_ms + LATE_MS) lose(worker);
}

void lion_worker_watch(lion_worker *worker)
{
    (void)uv_timer_start(&worker->watch, on_look, LOOK_MS, LOOK_MS);
}
