/* sources.h - the Lua modules that are compiled in, ascending by name (generated at build time), and how
 * `require` finds them. */
#ifndef LION_LUA_BIND_SOURCES_H
#define LION_LUA_BIND_SOURCES_H

#include <lua.h>
#include <stddef.h>

typedef struct lion_lua_source {
    const char *name; /* "lion.conn" */
    const unsigned char *text;
    size_t size;
} lion_lua_source;

extern const lion_lua_source lion_lua_sources[];
extern const size_t lion_lua_source_count;

/* A loader for package.loaders: the chunk of a name, or why there is none. */
int lion_lua_load_source(lua_State *L);
/* Make what is compiled in known to `require`: behind package.preload, before the files of the disk. */
void lion_lua_add_modules(lua_State *L);

#endif
