/* client_lua.h - the module `ions.client`: new(address) → client; client:request, client:address,
 * client:close. */
#ifndef LION_IONS_CLIENT_LUA_H
#define LION_IONS_CLIENT_LUA_H

#include <lua.h>

int luaopen_ions_client(lua_State *L);

#endif
