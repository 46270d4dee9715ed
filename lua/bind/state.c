/* state.c - new Lua states, with what is compiled in at hand. */
#include "state.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>
#include <string.h>

#include "bind.h"
#include "sources.h"

int luaopen_lpeg(lua_State *L);
int luaopen_cjson(lua_State *L);
int luaopen_cjson_safe(lua_State *L);

/* The libraries that are linked in. */
static void add_libraries(lua_State *L)
{
    static const luaL_Reg libraries[] = { { "lpeg", luaopen_lpeg },
                                          { "cjson", luaopen_cjson },
                                          { "cjson.safe", luaopen_cjson_safe },
                                          { NULL, NULL } };
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "preload");
    for (const luaL_Reg *library = libraries; library->name != NULL; library++) {
        lua_pushcfunction(L, library->func);
        lua_setfield(L, -2, library->name);
    }
    lua_pop(L, 2);
}

/* The stock limits (1,000 traces, 512 KiB of machine code) are for small scripts: a program that outgrows them
 * flushes and compiles over and over, and stands still. */
static void raise_jit_limits(lua_State *L)
{
    static const char limits[] = "require('jit.opt').start('maxtrace=8000', 'maxmcode=32768')";
    if (luaL_loadstring(L, limits) != 0) lua_error(L);
    lua_call(L, 0, 0);
}

static int prepare(lua_State *L)
{
    luaL_openlibs(L);
    raise_jit_limits(L);
    lion_lua_add_modules(L);
    add_libraries(L);
    const char *jit = getenv("LION_JIT");
    if (jit != NULL && strcmp(jit, "off") == 0)
        luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    return 0;
}

lua_State *lion_lua_new(void)
{
    lua_State *L = luaL_newstate();
    if (L == NULL) return NULL;
    if (lua_cpcall(L, prepare, NULL) != 0) {
        lua_close(L);
        return NULL;
    }
    return L;
}
