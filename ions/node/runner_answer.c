/* runner_answer.c - what an application returns becomes items for the loop's keeper: answers, and
 * pieces of streams. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/runner.h"
#include "request_lua.h"

#define PIECES_MAX 64 /* of a stream in one turn, so that others get theirs */

/* ---- calls ---- */

static lion_node_call **bucket_of(lion_runner *runner, uint64_t id)
{
    return &runner->calls[id % LION_CALL_BUCKETS];
}

lion_node_call *lion_runner_find(lion_runner *runner, uint64_t id)
{
    lion_node_call *each = *bucket_of(runner, id);
    while (each != NULL && each->id != id) each = each->next;
    return each;
}

static lion_node_call *call_new(lion_runner *runner, lion_node_state *state,
                                lion_node_request *request)
{
    lion_node_call *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    lion_node_call **bucket = bucket_of(runner, request->id);
    *self = (lion_node_call){
        .next = *bucket, .request = request, .id = request->id, .state = state, .pieces = LUA_NOREF
    };
    *bucket = self;
    return self;
}

void lion_runner_drop(lion_runner *runner, lion_node_call *call)
{
    lion_node_call **at = bucket_of(runner, call->id);
    while (*at != call) at = &(*at)->next;
    *at = call->next;
    for (at = &call->state->streams; *at != NULL; at = &(*at)->after) {
        if (*at != call) continue;
        *at = call->after;
        break;
    }
    luaL_unref(call->state->lua, LUA_REGISTRYINDEX, call->pieces);
    free(call);
}

/* ---- items ---- */

static void put(lion_runner *runner, lion_item *item, lion_node_request *request)
{
    item->request = request;
    lion_worker_send(runner->worker, item);
}

/* Without memory for so little the request is never answered: its client's deadline is all that is
 * left. */
void lion_runner_end(lion_runner *runner, lion_item_kind kind, lion_node_request *request)
{
    lion_item *item = lion_item_new(kind, NULL, 0);
    if (item != NULL) put(runner, item, request);
}

static char *copy_text(char *at, lion_http_text *text)
{
    if (text->size > 0) memcpy(at, text->data, text->size);
    text->data = at;
    return at + text->size;
}

/* An item with a copy of headers behind its body. */
static lion_item *item_with_headers(lion_item_kind kind, const char *body, size_t size,
                                    const lion_http_header *headers, size_t count)
{
    size_t start = (size + 15) / 16 * 16, whole = start + count * sizeof *headers;
    for (size_t i = 0; i < count; i++) whole += headers[i].name.size + headers[i].value.size;
    lion_item *item = lion_item_new(kind, NULL, whole);
    if (item == NULL) return NULL;
    if (size > 0) memcpy(item->bytes, body, size);
    item->size = size;
    item->headers = (lion_http_header *)(void *)(item->bytes + start);
    item->header_count = count;
    char *at = (char *)(item->headers + count);
    for (size_t i = 0; i < count; i++) {
        item->headers[i] = headers[i];
        at = copy_text(at, &item->headers[i].name);
        at = copy_text(at, &item->headers[i].value);
    }
    return item;
}

void lion_runner_respond(lion_runner *runner, lion_node_request *request, int status,
                         const char *text)
{
    bool is_json = text[0] == '{';
    lion_http_text type = is_json ? (lion_http_text){ "application/json", 16 }
                                  : (lion_http_text){ "text/plain; charset=utf-8", 25 };
    const lion_http_header headers[2] = { { .name = { "content-type", 12 }, .value = type },
                                          { .name = { "retry-after", 11 }, .value = { "1", 1 } } };
    lion_item *item =
        item_with_headers(LION_ITEM_ANSWER, text, strlen(text), headers, status == 503 ? 2 : 1);
    if (item == NULL) {
        lion_runner_end(runner, LION_ITEM_ABORT, request);
        return;
    }
    item->code = status;
    put(runner, item, request);
}

/* ---- streams ---- */

static void stream_finish(lion_runner *runner, lion_node_call *call, bool is_whole)
{
    lion_node_state *state = call->state;
    uint64_t id = call->id;
    lion_runner_end(runner, is_whole ? LION_ITEM_END : LION_ITEM_ABORT, call->request);
    lion_runner_drop(runner, call);
    lion_runner_push(state, LION_METHOD_FINISH);
    lua_pushnumber(state->lua, (lua_Number)id);
    (void)lion_runner_call(state, 1, 0);
}

/* false: the stream has ended, or has none for now. */
static bool send_piece(lion_runner *runner, lion_node_call *call)
{
    lua_State *lua = call->state->lua;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, call->pieces);
    bool is_sound = lua_pcall(lua, 0, 1, 0) == 0;
    bool is_piece = is_sound && lua_isstring(lua, -1),
         is_pending = is_sound && lua_isboolean(lua, -1);
    size_t size = 0;
    const char *data = is_piece ? lua_tolstring(lua, -1, &size) : NULL;
    lion_item *item = is_piece ? lion_item_new(LION_ITEM_PIECE, data, size) : NULL;
    lua_pop(lua, 1);
    if (item != NULL) {
        call->waiting += size;
        put(runner, item, call->request);
        return true;
    }
    if (is_pending)
        call->is_stalled = true;
    else
        stream_finish(runner, call, is_sound && !is_piece);
    return false;
}

static bool may_go_on(const lion_node_call *call)
{
    return !call->is_stalled && call->waiting < LION_STREAM_WINDOW;
}

bool lion_runner_can_stream(const lion_node_state *state)
{
    for (const lion_node_call *each = state->streams; each != NULL; each = each->after)
        if (may_go_on(each)) return true;
    return false;
}

void lion_runner_stream(lion_runner *runner, lion_node_state *state)
{
    for (lion_node_call *each = state->streams; each != NULL;) {
        lion_node_call *after = each->after;
        for (int i = 0; i < PIECES_MAX && may_go_on(each); i++)
            if (!send_piece(runner, each)) break; /* it may be no more */
        each = after;
    }
}

/* ---- answers ---- */

/* Takes the function at `index`. */
static void begin_stream(lion_runner *runner, lion_node_state *state, lion_node_request *request,
                         int index)
{
    bool is_head = strcmp(lion_http_request_view(request->exchange)->method, "HEAD") == 0;
    lion_node_call *call = is_head ? NULL : call_new(runner, state, request);
    if (call == NULL) {
        uint64_t id = request->id;
        lion_runner_end(runner, is_head ? LION_ITEM_END : LION_ITEM_ABORT, request);
        lion_runner_push(state, LION_METHOD_FINISH);
        lua_pushnumber(state->lua, (lua_Number)id);
        (void)lion_runner_call(state, 1, 0);
        return;
    }
    lua_pushvalue(state->lua, index);
    call->pieces = luaL_ref(state->lua, LUA_REGISTRYINDEX);
    call->after = state->streams;
    state->streams = call;
}

static void answer_with(lion_runner *runner, lion_node_state *state, lion_node_request *request,
                        int first)
{
    lua_State *lua = state->lua;
    size_t count = 0, size = 0;
    lion_http_header room[LION_HEADERS_ROOM], *headers = room;
    if (lua_istable(lua, first + 1))
        headers = lion_read_headers(lua, first + 1, room, LION_HEADERS_ROOM, &count);
    int status = (int)lua_tointeger(lua, first);
    bool is_stream = lua_isfunction(lua, first + 2);
    const char *body = is_stream ? NULL : lua_tolstring(lua, first + 2, &size);
    lion_item *item = item_with_headers(is_stream ? LION_ITEM_BEGIN : LION_ITEM_ANSWER, body, size,
                                        headers, count);
    if (headers != room) free(headers);
    if (item == NULL) {
        lion_runner_respond(runner, request, 500, "out of memory\n");
        return;
    }
    item->code = status;
    if (is_stream)
        item->size = lua_isnumber(lua, first + 3) ? (size_t)lua_tonumber(lua, first + 3)
                                                  : LION_HTTP_SIZE_UNKNOWN;
    put(runner, item, request);
    if (is_stream) begin_stream(runner, state, request, first + 2);
}

bool lion_runner_answer(lion_runner *runner, lion_node_state *state, lion_node_request *request,
                        int first)
{
    lua_State *lua = state->lua;
    if (lua_type(lua, first) == LUA_TNUMBER) {
        answer_with(runner, state, request, first);
    } else if (lua_isstring(lua, first)) { /* "handover", "go on" */
        lion_runner_end(runner, request->is_head ? LION_ITEM_GO_ON : LION_ITEM_HANDOVER, request);
    } else if (lua_isboolean(lua, first)) {
        if (call_new(runner, state, request) == NULL)
            lion_runner_respond(runner, request, 500, "out of memory\n");
    } else {
        return false;
    }
    return true;
}
