/* dev_lua.c - `ions.dev` for Lua: what `lion dev` calls. */
#include "dev_lua.h"

#include <lauxlib.h>

#include "dev.h"

/* run { dir =, uri =, folder =, env =, host =, params = (JSON), port =, with = (may be nil) } →
 * exit code */
static int dev_run(lua_State *state)
{
    luaL_checktype(state, 1, LUA_TTABLE);
    static const char *const names[] = { "dir", "uri", "folder", "env", "host", "params" };
    const char *texts[6];
    for (int i = 0; i < 6; i++) {
        lua_getfield(state, 1, names[i]);
        texts[i] = luaL_checkstring(state, -1);
    }
    lua_getfield(state, 1, "port");
    int port = (int)luaL_checkinteger(state, -1);
    lua_getfield(state, 1, "with");
    lion_revision_options options = { .dir = texts[0],
                                      .uri = texts[1],
                                      .folder = texts[2],
                                      .env = texts[3],
                                      .params = texts[5],
                                      .with = luaL_optstring(state, -1, NULL),
                                      .is_dev = true };
    lua_pushinteger(state, lion_dev_run(&options, texts[4], port));
    return 1;
}

int luaopen_ions_dev(lua_State *state)
{
    lua_newtable(state);
    lua_pushcfunction(state, dev_run);
    lua_setfield(state, -2, "run");
    return 1;
}
