/* hash.c - `ions.hash` for Lua: the content hash of a file. Who stores a file computes it anew, so
 * it is one that nobody can forge: SHA-256, of the libmd that the line editor needs anyway. */
#include "hash.h"

#include <lauxlib.h>
#include <sha2.h>
#include <stdint.h>

static int sha256(lua_State *state)
{
    size_t size = 0;
    const char *text = luaL_checklstring(state, 1, &size);
    SHA2_CTX context;
    char digits[SHA256_DIGEST_STRING_LENGTH];
    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)text, size);
    lua_pushstring(state, SHA256End(&context, digits));
    return 1;
}

int luaopen_ions_hash(lua_State *state)
{
    lua_newtable(state);
    lua_pushcfunction(state, sha256);
    lua_setfield(state, -2, "sha256");
    return 1;
}
