/* hash.h - the hash by which files are known: SHA-256, of libmd. */
#ifndef LION_IONS_HASH_H
#define LION_IONS_HASH_H

#include <lua.h>

/* `ions.hash`: sha256(text) → 64 hexadecimal digits. */
int luaopen_ions_hash(lua_State *state);

#endif
