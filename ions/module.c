/* module.c - the C modules that applications and the command line call, by their names. */
#include "module.h"

#include "client/client_lua.h"
#include "curl_lua.h"
#include "files.h"
#include "hash.h"
#include "key_file.h"
#include "pattern.h"
#include "sodium.h"

void lion_ions_preload(lua_State *state)
{
    lua_getglobal(state, "package");
    lua_getfield(state, -1, "preload");
    lua_pushcfunction(state, luaopen_ions_hash);
    lua_setfield(state, -2, "ions.hash");
    lua_pushcfunction(state, luaopen_lion_client);
    lua_setfield(state, -2, "lion.client");
    lua_pushcfunction(state, luaopen_ions_curl);
    lua_setfield(state, -2, "ions.curl");
    lua_pushcfunction(state, luaopen_ions_files);
    lua_setfield(state, -2, "ions.files");
    lua_pushcfunction(state, luaopen_ions_key_file);
    lua_setfield(state, -2, "ions.key_file");
    lua_pushcfunction(state, luaopen_ions_pattern);
    lua_setfield(state, -2, "ions.pattern");
    lua_pushcfunction(state, luaopen_ions_sodium);
    lua_setfield(state, -2, "ions.sodium");
    lua_pop(state, 2);
}
