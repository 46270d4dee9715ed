/* module.c - lion.so: `require "lion"` in any LuaJIT host. The Lua sources are inside; LuaJIT, LPeg and cjson are
 * the host's. */
#include <lauxlib.h>

#include "bind/sources.h"

__attribute__((visibility("default"))) int luaopen_lion(lua_State *L);

int luaopen_lion(lua_State *L)
{
    lion_lua_add_modules(L);
    lua_pushcfunction(L, lion_lua_load_source);
    lua_pushliteral(L, "lion");
    lua_call(L, 1, 1);
    lua_pushliteral(L, "lion");
    lua_call(L, 1, 1);
    return 1;
}
