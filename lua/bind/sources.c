/* sources.c - what is compiled in, for `require`: the Lua modules, and lion.core. */
#include "sources.h"

#include <lauxlib.h>
#include <string.h>

#include "bind.h"

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

int lion_lua_load_source(lua_State *L)
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

void lion_lua_add_modules(lua_State *L)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, lion_lua_load_source);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 1);
    lua_getfield(L, -1, "preload");
    lua_pushcfunction(L, luaopen_lion_core);
    lua_setfield(L, -2, "lion.core");
    lua_pop(L, 2);
}
