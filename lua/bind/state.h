/* state.h - a Lua state with the standard libraries and everything that is compiled in (lion.*,
 * lpeg, cjson, the ion host, the standard library of ions) ready for `require`. */
#ifndef LION_LUA_BIND_STATE_H
#define LION_LUA_BIND_STATE_H

#include <lua.h>

/* NULL: out of memory. The caller closes it. Honours LION_JIT=off. */
lua_State *lion_lua_new(void);

/* Non-zero: queries and steps under way in any state of the process stop with lion/cancelled. Signal handlers may
 * set it; whoever sets it clears it. */
extern volatile int lion_lua_is_cancelled;
/* The same for what this thread begins from now on; NULL: there is no other flag. Whoever sets it keeps the flag as long
 * as the states that were used meanwhile. */
extern _Thread_local const volatile int *lion_lua_thread_is_cancelled;
/* Raise interrupted, lion/cancelled. Does not return. */
int lion_lua_raise_cancelled(lua_State *L);

#endif
