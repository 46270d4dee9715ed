/* curl_lua.h - requests of curl.h for Lua: beside a loop that is there, or waited for. */
#ifndef LION_IONS_CURL_LUA_H
#define LION_IONS_CURL_LUA_H

#include <lua.h>

#include "curl.h"

/* `ions.curl`: texts are those of curl.h, an answer's being its head, a newline and its body.
 *   call(request) → is_sound, answer. The caller waits; nothing else happens in its thread
 *   start(request) → token, where a loop runs (has_loop()): the answer goes where lion_curl_attach said
 *   cancel(token)
 *   rest(ms): the caller waits for nobody */
int luaopen_ions_curl(lua_State *state);

/* start() of this state is of this client, which outlives the state; NULL: there is none (any more). */
void lion_curl_attach(lua_State *state, lion_curl *curl);

#endif
