/* next.h - `pairs` and `next` that LuaJIT's compiler leaves alone.
 *
 * The LuaJIT of Debian 12 (2.1.0-beta3 of 2022-03-20) compiles a traversal to a call that answers in two registers, and where it has to
 * exchange them it exchanges their lower halves: keys and values become addresses of nothing, and the process
 * ends. A function of C is called instead, once an entry. */
#ifndef LION_IONS_NEXT_H
#define LION_IONS_NEXT_H

#include <lua.h>

/* Before any module that traverses tables is loaded into the state: it may keep `pairs` for itself. */
void lion_next_replace(lua_State *state);

#endif
