/* sources.h - the Lua modules that are compiled in, ascending by name (generated at build time). */
#ifndef LION_LUA_BIND_SOURCES_H
#define LION_LUA_BIND_SOURCES_H

#include <stddef.h>

typedef struct lion_lua_source {
    const char *name; /* "lion.conn" */
    const unsigned char *text;
    size_t size;
} lion_lua_source;

extern const lion_lua_source lion_lua_sources[];
extern const size_t lion_lua_source_count;

#endif
