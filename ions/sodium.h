/* sodium.h - hashes, randomness, password hashes and encodings of libsodium, for Lua. */
#ifndef LION_IONS_SODIUM_H
#define LION_IONS_SODIUM_H

#include <lua.h>

/* `ions.sodium`; what its functions take and give stands above each in sodium.c. Any thread, a state each. */
int luaopen_ions_sodium(lua_State *state);

#endif
