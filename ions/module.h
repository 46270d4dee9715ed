/* module.h - the C modules of the ion host, for package.preload. */
#ifndef LION_IONS_MODULE_H
#define LION_IONS_MODULE_H

#include <lua.h>

/* Let `require` find the ions' modules that are in C. */
void lion_ions_preload(lua_State *state);

#endif
