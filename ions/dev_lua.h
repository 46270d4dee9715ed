/* dev_lua.h - `ions.dev`, a module of the program alone: no application serves another. */
#ifndef LION_IONS_DEV_LUA_H
#define LION_IONS_DEV_LUA_H

#include <lua.h>

int luaopen_ions_dev(lua_State *state);

#endif
