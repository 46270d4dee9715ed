/* module.c - `ions.dev` and `ions.files` for Lua: what the command line and applications call. */
#include "module.h"

#include <lauxlib.h>

#include "client/client_lua.h"
#include "curl_lua.h"
#include "dev.h"
#include "files.h"
#include "hash.h"
#include "key_file.h"
#include "pattern.h"
#include "sodium.h"

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

static int open_dev(lua_State *state)
{
    lua_newtable(state);
    lua_pushcfunction(state, dev_run);
    lua_setfield(state, -2, "run");
    return 1;
}

void lion_ions_preload(lua_State *state)
{
    lua_getglobal(state, "package");
    lua_getfield(state, -1, "preload");
    lua_pushcfunction(state, open_dev);
    lua_setfield(state, -2, "ions.dev");
    lua_pushcfunction(state, luaopen_ions_hash);
    lua_setfield(state, -2, "ions.hash");
    lua_pushcfunction(state, luaopen_lion_client);
    lua_setfield(state, -2, "lion.client");
    lua_pushcfunction(state, luaopen_ions_curl);
    lua_setfield(state, -2, "ions.curl");
    lua_pushcfunction(state, luaopen_ions_files);
    lua_setfield(state, -2, "ions.files");
    lua_pushcfunction(state, luaopen_ions_key_file);
    lua_setfield(state, -2, "ions.key_file");
    lua_pushcfunction(state, luaopen_ions_pattern);
    lua_setfield(state, -2, "ions.pattern");
    lua_pushcfunction(state, luaopen_ions_sodium);
    lua_setfield(state, -2, "ions.sodium");
    lua_pop(state, 2);
}
