/* point.h - single facts for compiled Lua: what lua/lion/point.lua sees of them by the FFI.
 * Private to lua/bind.
 *
 * LuaJIT compiles calls of these functions together with the loop that they stand in; through
 * Lua's C API each would end the compiled code. A database value comes as its userdata. */
#ifndef LION_LUA_BIND_POINT_H
#define LION_LUA_BIND_POINT_H

#include "bind.h"

/* ffi: begin */

/* One a Lua state. What was read stays until the next reading, whatever becomes of the database:
 * bytes are copied. A function answers LION_OK, LION_ABSENT, or something else where the slower way
 * has to be gone, which also tells what went wrong. */
typedef struct lion_lua_points {
    lion_value values[32];
    int64_t id;
    uint32_t uses; /* how often something was read */
    int (*get)(struct lion_lua_points *self, const void *db, int64_t entity,
               const uint32_t *attributes, uint32_t count);
    int (*find_bits)(struct lion_lua_points *self, const void *db, uint32_t attribute, int type,
                     int64_t bits);
    int (*find_text)(struct lion_lua_points *self, const void *db, uint32_t attribute, int type,
                     const char *text, uint32_t size);
} lion_lua_points;

/* ffi: end */

#endif
