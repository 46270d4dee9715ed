/* state.h - a Lua state with the standard libraries and everything that is compiled in (lion.*,
 * lpeg, cjson, the ion host, the standard library of ions) ready for `require`. */
#ifndef LION_LUA_BIND_STATE_H
#define LION_LUA_BIND_STATE_H

#include <lua.h>

/* NULL: out of memory. The caller closes it. Honours LION_JIT=off. */
lua_State *lion_lua_new(void);

#endif
