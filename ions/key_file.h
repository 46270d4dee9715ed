/* key_file.h - files that hold keys, for Lua: nobody but their owner may read them. */
#ifndef LION_IONS_KEY_FILE_H
#define LION_IONS_KEY_FILE_H

#include <lua.h>

/* `ions.key_file`; what its functions take and give stands above each in key_file.c. Any thread, a
 * state each. */
int luaopen_ions_key_file(lua_State *state);

#endif
