/* client_lua.h - the module `lion.client`: new(address) → client; client:request, client:address,
 * client:close. */
#ifndef LION_CLIENT_LUA_H
#define LION_CLIENT_LUA_H

#include <lua.h>

int luaopen_lion_client(lua_State *L);

#endif
