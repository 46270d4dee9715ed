/* runner_call.c - calling an application. */
#include <lauxlib.h>
#include <stdio.h>

#include "node/runner.h"
#include "request_lua.h"

static const char *const NAMES[LION_METHOD_COUNT] = { "handle",  "step",    "due",
                                                      "gone",    "finish",  "deliver",
                                                      "message", "is_idle", "steps" };

static int tell(lua_State *lua)
{
    lua_getglobal(lua, "tostring");
    lua_pushvalue(lua, 1);
    lua_call(lua, 1, 1);
    return 1;
}

/* Methods do not change: each is looked for once. One that there is not is nil, and fails when it
 * is called. */
static void push_method(lion_node_state *state, lion_node_method method)
{
    lua_State *lua = state->lua;
    if (state->methods[method] == 0) {
        lua_rawgeti(lua, LUA_REGISTRYINDEX, state->app);
        lua_getfield(lua, -1, NAMES[method]);
        state->methods[method] = luaL_ref(lua, LUA_REGISTRYINDEX);
        lua_pop(lua, 1);
    }
    lua_rawgeti(lua, LUA_REGISTRYINDEX, state->methods[method]);
    lua_rawgeti(lua, LUA_REGISTRYINDEX, state->app);
}

void lion_runner_push(lion_node_state *state, lion_node_method method)
{
    lua_pushcfunction(state->lua, tell);
    push_method(state, method);
}

/* What was pushed last is the function, and its arguments; `tell` stands below it. */
static bool call(lion_node_state *state, int arguments, int results)
{
    lua_State *lua = state->lua;
    int handler = lua_gettop(lua) - arguments - 1;
    bool is_sound = lua_pcall(lua, arguments, results, handler) == 0;
    if (!is_sound) {
        const char *text = lua_tostring(lua, -1);
        fprintf(stderr, "lion: %s: %s\n", state->name,
                text == NULL ? "an error without a message" : text);
        lua_pop(lua, 1);
    }
    lua_remove(lua, handler);
    return is_sound;
}

bool lion_runner_call(lion_node_state *state, int arguments, int results)
{
    return call(state, arguments + 1, results);
}

static int handle(lua_State *lua)
{
    lion_node_state *state = lua_touserdata(lua, 1);
    const lion_node_request *request = lua_touserdata(lua, 2);
    const lion_item *outcome = request->outcome;
    push_method(state, LION_METHOD_HANDLE);
    lion_push_request(lua, lion_http_request_view(request->exchange));
    if (outcome != NULL) {
        lua_pushinteger(lua, outcome->code);
        lua_pushlstring(lua, (const char *)outcome->bytes, outcome->size);
    }
    if (request->is_head) lua_pushliteral(lua, "head");
    lua_call(lua, outcome != NULL ? 4 : request->is_head ? 3 : 2, 4);
    return 4;
}

bool lion_runner_handle(lion_node_state *state, const lion_node_request *request)
{
    lua_State *lua = state->lua;
    lua_pushcfunction(lua, tell);
    lua_pushcfunction(lua, handle);
    lua_pushlightuserdata(lua, state);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)request);
    return call(state, 2, 4);
}
