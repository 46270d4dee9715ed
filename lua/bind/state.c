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

static const lion_lua_source *find_source(const char *name)
{
    size_t low = 0, high = lion_lua_source_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lion_lua_sources[middle].name, name);
        if (order == 0) return &lion_lua_sources[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* A loader for package.loaders. */
static int load_source(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const lion_lua_source *source = find_source(name);
    if (source == NULL) {
        lua_pushfstring(L, "\n\tno module '%s' compiled in", name);
        return 1;
    }
    lua_pushliteral(L, "@");
    lua_pushvalue(L, 1);
    lua_concat(L, 2);
    if (luaL_loadbuffer(L, (const char *)source->text, source->size, lua_tostring(L, -1)) != 0)
        return lua_error(L);
    return 1;
}

/* Behind package.preload, before the files of the disk. */
static void insert_loader(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, load_source);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 1);
    lua_getfield(L, -1, "preload");
    static const luaL_Reg compiled[] = { { "lpeg", luaopen_lpeg },
                                         { "cjson", luaopen_cjson },
                                         { "cjson.safe", luaopen_cjson_safe },
                                         { "lion.core", luaopen_lion_core },
                                         { NULL, NULL } };
    for (const luaL_Reg *module = compiled; module->name != NULL; module++) {
        lua_pushcfunction(L, module->func);
        lua_setfield(L, -2, module->name);
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
    insert_loader(L);
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
