/* port.c - the module ions.port: what a state asks of its thread (docs/node.md, "A worker"). */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/worker.h"
#include "request_lua.h"

#define CALL_MS 30000

static lion_node_state *state_of(lua_State *lua)
{
    return lua_touserdata(lua, lua_upvalueindex(1));
}

static lion_item *new_item(lua_State *lua, lion_item_kind kind, int payload_at)
{
    size_t size = 0;
    const char *payload = luaL_optlstring(lua, payload_at, "", &size);
    lion_item *item = lion_item_new(kind, payload, size);
    if (item == NULL) luaL_error(lua, "out of memory");
    return item;
}

/* request(kind, payload) → token */
static int request(lua_State *lua)
{
    lion_node_state *state = state_of(lua);
    int kind = (int)luaL_checkinteger(lua, 1);
    if (!state->is_installed)
        return luaL_error(lua, "port.request: while an application loads use port.call");
    lion_item *item = new_item(lua, LION_ITEM_FRAME, 2);
    item->code = kind;
    item->id = (uint64_t)state->number << 32 | ++state->last_token;
    lua_pushnumber(lua, (lua_Number)item->id);
    lion_worker_send(state->worker, item);
    return 1;
}

/* fetch(request) → token: a request of curl.h, whose answer comes as one of the writer's does */
static int fetch(lua_State *lua)
{
    lion_node_state *state = state_of(lua);
    if (!state->is_installed)
        return luaL_error(lua, "port.fetch: while an application loads use ions.curl");
    lion_item *item = new_item(lua, LION_ITEM_FETCH, 1);
    item->id = (uint64_t)state->number << 32 | ++state->last_token;
    lua_pushnumber(lua, (lua_Number)item->id);
    lion_worker_send(state->worker, item);
    return 1;
}

/* forget(token): nobody waits for the answer to fetch any more */
static int forget(lua_State *lua)
{
    lua_Number token = luaL_checknumber(lua, 1);
    lion_item *item = new_item(lua, LION_ITEM_FORGET, 2);
    item->id = (uint64_t)token;
    lion_worker_send(state_of(lua)->worker, item);
    return 0;
}

/* call(kind, payload) → kind, payload; 0: the writer was lost */
static int call(lua_State *lua)
{
    lion_worker *worker = state_of(lua)->worker;
    size_t size = 0, answer_size = 0;
    int kind = (int)luaL_checkinteger(lua, 1);
    const char *payload = luaL_optlstring(lua, 2, "", &size);
    lion_frame_kind answer = LION_FRAME_LOST;
    uint8_t *bytes = NULL;
    int code =
        lion_link_call(worker->writer_path, worker->role, (lion_frame_kind)kind,
                       (const uint8_t *)payload, size, CALL_MS, &answer, &bytes, &answer_size);
    lua_pushinteger(lua, code == 0 ? answer : LION_FRAME_LOST);
    lua_pushlstring(lua, bytes == NULL ? "" : (const char *)bytes, code == 0 ? answer_size : 0);
    free(bytes);
    return 2;
}

/* read(reader, payload) → token, under which the answer is delivered; kind 0: the reader was lost
 */
static int read_elsewhere(lua_State *lua)
{
    lion_node_state *state = state_of(lua);
    int reader = (int)luaL_checkinteger(lua, 1);
    luaL_argcheck(lua, reader >= 1 && reader <= LION_READERS, 1, "there is no such reader");
    lion_item *item = new_item(lua, LION_ITEM_READ, 2);
    item->to = (uint16_t)(reader - 1);
    item->id = (uint64_t)state->number << 32 | ++state->last_token;
    lua_pushnumber(lua, (lua_Number)item->id);
    lion_worker_send(state->worker, item);
    return 1;
}

/* stop_reading(token): nobody waits for the answer to read any more */
static int stop_reading(lua_State *lua)
{
    lua_Number token = luaL_checknumber(lua, 1);
    lion_item *item = lion_item_new(LION_ITEM_STOP_READING, NULL, 0);
    if (item == NULL) return 0; /* it goes on to its timeout */
    item->id = (uint64_t)token;
    lion_worker_send(state_of(lua)->worker, item);
    return 0;
}

/* knows(name): transactions of this database may go to the writer without Lua (direct.h) */
static int knows(lua_State *lua)
{
    size_t size = 0;
    const char *name = luaL_checklstring(lua, 1, &size);
    lion_item *item = lion_item_new(LION_ITEM_KNOW, name, size + 1);
    if (item != NULL) lion_worker_send(state_of(lua)->worker, item);
    return 0;
}

/* send(to, kind, id, payload): on the supervisor's channel */
static int send_message(lua_State *lua)
{
    int to = (int)luaL_checkinteger(lua, 1), kind = (int)luaL_checkinteger(lua, 2);
    lua_Number id = luaL_optnumber(lua, 3, 0);
    lion_item *item = new_item(lua, LION_ITEM_MESSAGE, 4);
    item->to = (uint16_t)to;
    item->code = kind;
    item->id = (uint64_t)id;
    lion_node_state *state = state_of(lua);
    lion_worker_send(state->worker, item);
    if (!state->is_installed) (void)uv_async_send(&state->worker->async); /* a loader's */
    return 0;
}

/* headers(id) → headers, repeated; nothing when there is no such request in hand */
static int headers(lua_State *lua)
{
    lion_node_state *state = state_of(lua);
    lua_Number id = luaL_checknumber(lua, 1);
    const lion_http_request *found =
        state->is_installed ? lion_runner_request(state->worker->runner, (uint64_t)id) : NULL;
    if (found == NULL) return 0;
    lion_push_headers(lua, found);
    return 2;
}

/* series(label, count) → the address of so many numbers, as a light userdata; nil: there is no room
 */
static int series(lua_State *lua)
{
    lion_node_state *state = state_of(lua);
    size_t size = 0;
    const char *label = luaL_checklstring(lua, 1, &size);
    lua_Integer count = luaL_checkinteger(lua, 2);
    double *numbers = lion_series_numbers(&state->worker->series, state->number,
                                          (lion_slice){ (const uint8_t *)label, size },
                                          count < 0 ? 0 : (size_t)count);
    if (numbers == NULL) return 0;
    lua_pushlightuserdata(lua, numbers);
    return 1;
}

/* cast(object): JSON, a line of its own */
static int cast(lua_State *lua)
{
    size_t size = 0;
    const char *object = luaL_checklstring(lua, 1, &size);
    lion_lines_put(&state_of(lua)->worker->casts, object, size);
    return 0;
}

/* access(object): the same, of a request; only there if requests are written down */
static int access_line(lua_State *lua)
{
    size_t size = 0;
    const char *object = luaL_checklstring(lua, 1, &size);
    lion_lines_put(&state_of(lua)->worker->access, object, size);
    return 0;
}

/* Compiled code sets the limit, twice for each slice of a task, and asks for the turn. */
static const char LIMIT[] = "local cell = require('ffi').cast('double **', (...))\n"
                            "return function(ms) cell[0][0] = ms end";
static const char TURN[] = "local cell = require('ffi').cast('double **', (...))\n"
                           "return function() return cell[0][0] end";

/* Have Lua make a field of the table on the top, by a chunk that is given a cell. */
static void set_made(lua_State *lua, const char *name, const char *chunk, size_t size,
                     double **cell)
{
    if (luaL_loadbuffer(lua, chunk, size, "=ions.port") != 0) (void)lua_error(lua);
    lua_pushlightuserdata(lua, cell);
    lua_call(lua, 1, 1);
    lua_setfield(lua, -2, name);
}

static int open_port(lua_State *lua)
{
    static const luaL_Reg functions[] = { { "request", request },
                                          { "fetch", fetch },
                                          { "forget", forget },
                                          { "call", call },
                                          { "send", send_message },
                                          { "read", read_elsewhere },
                                          { "headers", headers },
                                          { "series", series },
                                          { "cast", cast },
                                          { "knows", knows },
                                          { "stop_reading", stop_reading },
                                          { NULL, NULL } };
    lua_newtable(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    luaL_openlib(lua, NULL, functions, 1);
    if (state_of(lua)->worker->has_access_log) {
        lua_pushvalue(lua, lua_upvalueindex(1));
        lua_pushcclosure(lua, access_line, 1);
        lua_setfield(lua, -2, "access");
    }
    set_made(lua, "limit", LIMIT, sizeof LIMIT - 1, &state_of(lua)->limit);
    set_made(lua, "turn", TURN, sizeof TURN - 1, &state_of(lua)->turn);
    return 1;
}

void lion_port_preload(lion_node_state *state)
{
    lua_State *lua = state->lua;
    lua_getglobal(lua, "package");
    lua_getfield(lua, -1, "preload");
    lua_pushlightuserdata(lua, state);
    lua_pushcclosure(lua, open_port, 1);
    lua_setfield(lua, -2, "ions.port");
    lua_pop(lua, 2);
}
