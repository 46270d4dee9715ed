/* execute_port.c - `ions.port` in an executor: applications have no tasks here, but their modules
 * may ask the writer for something while they are loaded. */
#include <lauxlib.h>
#include <stdlib.h>

#include "node/execute.h"

#define CALL_MS 5000 /* as long as a module may take to load */

/* call(kind, payload) → kind, payload; kind 0: the writer was lost. Waits. */
static int port_call(lua_State *state)
{
    size_t size, answered_size = 0;
    int kind = (int)luaL_checkinteger(state, 1);
    const char *payload = luaL_checklstring(state, 2, &size);
    const char *path = lua_tostring(state, lua_upvalueindex(1));
    lion_frame_kind answered;
    uint8_t *answer = NULL;
    int code = lion_link_call(path, "command", (lion_frame_kind)kind, (const uint8_t *)payload,
                              size, CALL_MS, &answered, &answer, &answered_size);
    lua_pushinteger(state, code == 0 ? (int)answered : LION_FRAME_LOST);
    lua_pushlstring(state, code == 0 ? (const char *)answer : "", code == 0 ? answered_size : 0);
    free(answer);
    return 2;
}

/* limit(ms): the writer looks at the time of a call. */
static int port_limit(lua_State *state)
{
    (void)state;
    return 0;
}

static int refuse(lua_State *state)
{
    return luaL_error(state, "an executor runs functions of transactions alone");
}

static int open_port(lua_State *state)
{
    lua_newtable(state);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_pushcclosure(state, port_call, 1);
    lua_setfield(state, -2, "call");
    lua_pushcfunction(state, port_limit);
    lua_setfield(state, -2, "limit");
    static const char *const others[] = { "request", "send", "headers" };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        lua_pushcfunction(state, refuse);
        lua_setfield(state, -2, others[i]);
    }
    return 1;
}

void execute_port_preload(lua_State *state, const char *path)
{
    lua_getglobal(state, "package");
    lua_getfield(state, -1, "preload");
    lua_pushstring(state, path);
    lua_pushcclosure(state, open_port, 1);
    lua_setfield(state, -2, "ions.port");
    lua_pop(state, 2);
}
