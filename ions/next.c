/* next.c - see next.h. */
#include "next.h"

#include <lauxlib.h>

static int next(lua_State *state)
{
    luaL_checktype(state, 1, LUA_TTABLE);
    lua_settop(state, 2);
    if (lua_next(state, 1) != 0) return 2;
    lua_pushnil(state);
    return 1;
}

static int pairs(lua_State *state)
{
    luaL_checktype(state, 1, LUA_TTABLE);
    lua_pushvalue(state, lua_upvalueindex(1));
    lua_pushvalue(state, 1);
    lua_pushnil(state);
    return 3;
}

void lion_next_replace(lua_State *state)
{
    lua_pushcfunction(state, next);
    lua_pushvalue(state, -1);
    lua_setglobal(state, "next");
    lua_pushcclosure(state, pairs, 1);
    lua_setglobal(state, "pairs");
}
