/* runner.c - the Lua thread: takes what has come, has the states do what is due, waits. */
#include "node/runner.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "request_lua.h"

#define LOOK_MS 500      /* between two looks at what calls have taken */
#define WRITE_NS 1000000 /* that an answer waits for others */
#define STEPS_MAX 64     /* of a state in one turn, so that what has come gets its own */

/* ---- requests ---- */

const lion_http_request *lion_runner_request(lion_runner *runner, uint64_t id)
{
    if (atomic_load(&runner->worker->is_lost)) return NULL;
    if (runner->current != NULL && runner->current->id == id)
        return lion_http_request_view(runner->current->exchange);
    const lion_node_call *call = lion_runner_find(runner, id);
    return call == NULL ? NULL : lion_http_request_view(call->request->exchange);
}

/* true: this state has it. */
static bool offer(lion_runner *runner, lion_node_state *state, lion_node_request *request)
{
    lua_State *lua = state->lua;
    int top = lua_gettop(lua);
    bool is_its = true;
    if (lion_runner_handle(state, request))
        is_its = lion_runner_answer(runner, state, request, top + 1);
    else
        lion_runner_respond(runner, request, 500, "the application failed\n");
    lua_settop(lua, top);
    return is_its;
}

/* No state has it. The control door speaks JSON. */
static void respond_unrouted(lion_runner *runner, lion_node_request *request)
{
    char text[256], json[512];
    bool has_any = runner->states != NULL;
    if (has_any)
        snprintf(text, sizeof text, "not found");
    else if (atomic_load(&runner->worker->has_broken))
        snprintf(text, sizeof text, "the application does not load; the node's log says why");
    else
        snprintf(text, sizeof text,
                 "nothing is deployed to the group %.100s yet: lion push, then lion deploy",
                 runner->worker->options->group);
    if (lion_http_request_view(request->exchange)->is_control)
        snprintf(json, sizeof json,
                 "{\"error\":{\"category\":\"%s\",\"code\":\"%s\",\"message\":\"%s\"}}\n",
                 has_any ? "not-found" : "unavailable",
                 has_any ? "lion/not-found" : "lion/not-running",
                 has_any ? "no application that runs here has that" : text);
    else
        snprintf(json, sizeof json, "%s\n", text);
    lion_worker_log_unrouted(runner->worker, lion_http_request_view(request->exchange),
                             has_any ? 404 : 503, strlen(json));
    lion_runner_respond(runner, request, has_any ? 404 : 503, json);
}

static void on_request(lion_runner *runner, lion_node_request *request)
{
    int waiting = LION_REQUEST_WAITING;
    if (!atomic_compare_exchange_strong(&request->stage, &waiting, LION_REQUEST_BEGUN)) return;
    if (atomic_load(&request->is_gone)) {
        lion_runner_end(runner, LION_ITEM_ABORT, request);
        return;
    }
    runner->current = request;
    lion_node_state *state = runner->states;
    while (state != NULL && !offer(runner, state, request)) state = state->next;
    if (state == NULL) respond_unrouted(runner, request);
    runner->current = NULL;
}

/* Nobody waits for the answer any more. */
static void on_gone(lion_runner *runner, uint64_t id)
{
    lion_node_call *call = lion_runner_find(runner, id);
    if (call == NULL) return; /* it is answered */
    lion_node_state *state = call->state;
    bool is_stream = call->pieces != LUA_NOREF;
    lion_runner_end(runner, LION_ITEM_ABORT, call->request);
    lion_runner_drop(runner, call);
    lion_runner_push(state, is_stream ? LION_METHOD_FINISH : LION_METHOD_GONE);
    lua_pushnumber(state->lua, (lua_Number)id);
    (void)lion_runner_call(state, 1, 0);
}

static void on_room(lion_runner *runner, uint64_t id, size_t size)
{
    lion_node_call *call = lion_runner_find(runner, id);
    if (call != NULL) call->waiting -= size < call->waiting ? size : call->waiting;
}

/* ---- states ---- */

static void retire(lion_runner *runner, const char *name)
{
    for (lion_node_state **at = &runner->states; *at != NULL; at = &(*at)->next) {
        lion_node_state *state = *at;
        if (strcmp(state->name, name) != 0) continue;
        *at = state->next;
        state->next = runner->retired;
        runner->retired = state;
        return;
    }
}

static void tell_of(lion_runner *runner, lion_item_kind kind, const char *name,
                    const char *revision, const lion_item *asked)
{
    size_t name_size = strlen(name) + 1, size = name_size + strlen(revision) + 1;
    lion_item *item = lion_item_new(kind, NULL, size);
    if (item == NULL) return;
    memcpy(item->bytes, name, name_size);
    memcpy(item->bytes + name_size, revision, size - name_size);
    item->to = asked->to;
    item->id = asked->id;
    item->code = asked->code;
    lion_worker_send(runner->worker, item);
}

static void on_loaded(lion_runner *runner, const lion_item *item)
{
    lion_node_state *state = item->state;
    retire(runner, state->name);
    lion_node_state **at = &runner->states;
    while (*at != NULL && strcmp((*at)->name, state->name) < 0) at = &(*at)->next;
    state->next = *at;
    *at = state;
    state->is_installed = true;
    state->limit = &runner->worker->limit_ms;
    state->turn = &runner->turn;
    tell_of(runner, LION_ITEM_RUNS, state->name, state->revision, item);
}

static bool is_idle(lion_node_state *state)
{
    if (state->streams != NULL) return false;
    lion_runner_push(state, LION_METHOD_IS_IDLE);
    if (!lion_runner_call(state, 0, 1)) return false;
    bool is = lua_toboolean(state->lua, -1);
    lua_pop(state->lua, 1);
    return is;
}

/* What its calls have taken since the last look. The door has no steps. */
static void count_steps(lion_runner *runner, lion_node_state *state, const lion_item *item)
{
    (void)item;
    if (state->memory == NULL) return;
    lion_runner_push(state, LION_METHOD_STEPS);
    if (!lion_runner_call(state, 0, 1)) return;
    uint64_t steps = (uint64_t)lua_tonumber(state->lua, -1);
    lua_pop(state->lua, 1);
    atomic_fetch_add(&runner->worker->steps, steps - state->steps);
    state->steps = steps;
}

static void close_retired(lion_runner *runner)
{
    for (lion_node_state **at = &runner->retired; *at != NULL;) {
        lion_node_state *state = *at;
        if (!is_idle(state)) {
            at = &state->next;
            continue;
        }
        *at = state->next;
        count_steps(runner, state, NULL);
        lion_node_state_free(state);
    }
}

/* ---- what has come ---- */

static void each_state(lion_runner *runner,
                       void (*visit)(lion_runner *, lion_node_state *, const lion_item *),
                       const lion_item *item)
{
    for (lion_node_state *each = runner->states; each != NULL; each = each->next)
        visit(runner, each, item);
    for (lion_node_state *each = runner->retired; each != NULL; each = each->next)
        visit(runner, each, item);
}

/* The token says whose it is. */
static void deliver(lion_runner *runner, lion_node_state *state, const lion_item *item)
{
    (void)runner;
    if (item->id >> 32 != state->number) return;
    lion_runner_push(state, LION_METHOD_DELIVER);
    lua_pushnumber(state->lua, (lua_Number)item->id);
    lua_pushinteger(state->lua, item->code);
    lua_pushlstring(state->lua, (const char *)item->bytes, item->size);
    (void)lion_runner_call(state, 3, 0);
}

/* true: it was for this state. */
static bool offer_message(lion_node_state *state, const lion_item *item)
{
    lion_runner_push(state, LION_METHOD_MESSAGE);
    lua_pushinteger(state->lua, item->to);
    lua_pushinteger(state->lua, item->code);
    lua_pushnumber(state->lua, (lua_Number)item->id);
    lua_pushlstring(state->lua, (const char *)item->bytes, item->size);
    if (!lion_runner_call(state, 4, 1)) return false;
    bool is_its = lua_toboolean(state->lua, -1);
    lua_pop(state->lua, 1);
    return is_its;
}

/* An event goes to the state that takes calls, never to one that only ends what it has in hand. */
static void on_message(lion_runner *runner, const lion_item *item)
{
    lion_node_state *state = runner->states;
    while (state != NULL && !offer_message(state, item)) state = state->next;
    if (state != NULL || item->code != LION_BUS_DELIVER) return;
    lion_item *answer = lion_item_new(LION_ITEM_MESSAGE, NULL, 0);
    if (answer == NULL) return; /* who asked gives it up in time */
    answer->to = item->to;
    answer->code = LION_BUS_DELIVERED;
    answer->id = item->id;
    lion_worker_send(runner->worker, answer);
}

static void take_item(lion_runner *runner, lion_item *item)
{
    switch (item->kind) {
    case LION_ITEM_REQUEST:
        on_request(runner, (lion_node_request *)item);
        return; /* the loop's keeper frees it */
    case LION_ITEM_GONE: on_gone(runner, item->id); break;
    case LION_ITEM_ROOM: on_room(runner, item->id, item->size); break;
    case LION_ITEM_FRAME: each_state(runner, deliver, item); break;
    case LION_ITEM_LOADED: on_loaded(runner, item); break;
    case LION_ITEM_REMOVE:
        retire(runner, (const char *)item->bytes);
        tell_of(runner, LION_ITEM_REMOVED, (const char *)item->bytes, "", item);
        break;
    case LION_ITEM_MESSAGE: on_message(runner, item); break;
    case LION_ITEM_STOP: runner->is_stopping = true; break;
    default: break;
    }
    free(item);
}

/* ---- turns ---- */

/* ms until the state has something to do; negative: not before something comes. */
static double due(lion_node_state *state)
{
    if (lion_runner_can_stream(state)) return 0;
    lion_runner_push(state, LION_METHOD_DUE);
    if (!lion_runner_call(state, 0, 1)) return -1;
    double ms = lua_isnumber(state->lua, -1) ? lua_tonumber(state->lua, -1) : -1;
    lua_pop(state->lua, 1);
    return ms;
}

static void step(lion_runner *runner, lion_node_state *state)
{
    lua_State *lua = state->lua;
    int top = lua_gettop(lua);
    lion_runner_push(state, LION_METHOD_STEP);
    if (!lion_runner_call(state, 0, 5)) return;
    lion_node_call *call = NULL;
    if (lua_isnumber(lua, top + 1))
        call = lion_runner_find(runner, (uint64_t)lua_tonumber(lua, top + 1));
    if (call != NULL) {
        lion_node_request *request = call->request;
        lion_runner_drop(runner, call);
        (void)lion_runner_answer(runner, state, request, top + 2);
    }
    lua_settop(lua, top);
}

static void turn(lion_runner *runner, lion_node_state *state, const lion_item *item)
{
    (void)item;
    int steps = 0;
    for (; (state->due_ms = due(state)) == 0 && steps < STEPS_MAX; steps++) step(runner, state);
    if (state->streams != NULL) {
        for (lion_node_call *each = state->streams; steps > 0 && each != NULL; each = each->after)
            each->is_stalled = false;
        lion_runner_stream(runner, state);
        state->due_ms = due(state);
    }
    if (state->memory != NULL) lion_memory_balance(state->memory);
    if (state->memory != NULL && lion_memory_is_exhausted(state->memory) && !state->is_exhausted) {
        state->is_exhausted = true;
        lion_runner_end(runner, LION_ITEM_EXHAUSTED, NULL);
    }
}

static double soonest(lion_runner *runner)
{
    double ms = -1;
    lion_node_state *lists[] = { runner->states, runner->retired };
    for (int i = 0; i < 2; i++) {
        for (lion_node_state *each = lists[i]; each != NULL; each = each->next) {
            if (each->due_ms >= 0 && (ms < 0 || each->due_ms < ms)) ms = each->due_ms;
        }
    }
    return ms;
}

static void look_at_steps(lion_runner *runner)
{
    uint64_t now_ms = (uint64_t)lion_clock_monotonic_ns() / 1000000;
    if (now_ms - runner->looked_ms < LOOK_MS) return;
    runner->looked_ms = now_ms;
    each_state(runner, count_steps, NULL);
}

static void count_memory(lion_runner *runner)
{
    size_t used = 0;
    for (lion_node_state *each = runner->states; each != NULL; each = each->next)
        used += each->memory == NULL ? 0 : lion_memory_used(each->memory);
    for (lion_node_state *each = runner->retired; each != NULL; each = each->next)
        used += each->memory == NULL ? 0 : lion_memory_used(each->memory);
    atomic_store(&runner->worker->memory_used, used);
}

static bool is_over(lion_runner *runner)
{
    if (!runner->is_stopping) return false;
    for (lion_node_state *each = runner->states; each != NULL; each = each->next)
        if (!is_idle(each)) return false;
    return runner->retired == NULL;
}

/* While it stops, tasks end without anything that comes. */
#define STOPPING_MS 20

/* Run the loop meanwhile, unless the I/O thread does. */
static lion_inbox_link *wait_for_items(lion_runner *runner)
{
    lion_worker *worker = runner->worker;
    double ms = soonest(runner);
    if (runner->is_stopping && (ms < 0 || ms > STOPPING_MS)) ms = STOPPING_MS;
    if (lion_keeper_reclaim(&worker->keeper)) {
        lion_worker_turn(worker, ms);
        lion_keeper_lend(&worker->keeper);
        ms = 0;
    }
    if (ms == 0) return lion_inbox_take(&worker->inbox);
    return lion_inbox_wait(&worker->inbox, ms < 0 ? UINT64_MAX : (uint64_t)(ms * 1e6) + 1000);
}

/* Answers are written together: a client that sleeps is woken once for all that are its, and each
 * part of the work finds its code in the cache. None waits for long: if this thread has the loop it
 * is written here, else the I/O thread does it. */
static void write_answers(lion_worker *worker)
{
    if (!lion_keeper_reclaim(&worker->keeper)) return;
    lion_worker_take(worker);
    lion_keeper_lend(&worker->keeper);
}

static void take_items(lion_runner *runner, lion_inbox_link *link)
{
    int64_t written_ns = lion_clock_monotonic_ns();
    while (link != NULL) {
        lion_inbox_link *next = link->next;
        take_item(runner, (lion_item *)(void *)link);
        link = next;
        int64_t now_ns = lion_clock_monotonic_ns();
        if (link == NULL || now_ns - written_ns < WRITE_NS) continue;
        write_answers(runner->worker);
        written_ns = now_ns;
    }
}

void lion_runner_run(void *context)
{
    lion_worker *worker = context;
    lion_runner *runner = worker->runner;
    while (!is_over(runner)) {
        lion_inbox_link *items = wait_for_items(runner);
        runner->turn++;
        take_items(runner, items);
        each_state(runner, turn, NULL);
        close_retired(runner);
        count_memory(runner);
        look_at_steps(runner);
    }
    while (runner->states != NULL) {
        lion_node_state *next = runner->states->next;
        lion_node_state_free(runner->states);
        runner->states = next;
    }
    lion_runner_end(runner, LION_ITEM_OVER, NULL);
}
