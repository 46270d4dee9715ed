/* module.c - the module "lion.core": its types and its table of functions, from all files. */
#include "bind.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/hash.h"

/* monotonic_ms() → milliseconds of a clock that is never set */
static int monotonic_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)lion_clock_monotonic_ns() / 1e6);
    return 1;
}

static int now_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)lion_clock_instant_ms());
    return 1;
}

/* setup(slots): the values of lion_bind_slot, in their order. */
static int setup(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lion_bind_set_slots(L, 1);
    return 0;
}

/* hash(text) → XXH3 of 128 bits, in hexadecimal digits */
static int hash(lua_State *L)
{
    size_t size;
    const char *text = luaL_checklstring(L, 1, &size);
    lion_hash128 hash = lion_hash_128(text, size);
    char digits[33];
    snprintf(digits, sizeof digits, "%016llx%016llx", (unsigned long long)hash.high,
             (unsigned long long)hash.low);
    lua_pushlstring(L, digits, 32);
    return 1;
}

static int function_of(lua_State *L)
{
    lion_bind_push_function(L, (int64_t)luaL_checknumber(L, 1));
    return 1;
}

static const luaL_Reg module_functions[] = {
    { "setup", setup },
    { "now_ms", now_ms },
    { "monotonic_ms", monotonic_ms },
    { "hash", hash },
    { "function_of", function_of },
    { NULL, NULL },
};

LUALIB_API int luaopen_lion_core(lua_State *L)
{
    lion_bind_held_types(L);
    lion_bind_code_types(L);
    lion_bind_connection_types(L);
    lion_bind_db_types(L);
    lion_bind_step_types(L);
    lion_bind_query_types(L);
    lion_bind_verify_types(L);
    lua_newtable(L);
    luaL_register(L, NULL, module_functions);
    luaL_register(L, NULL, lion_bind_code_functions);
    luaL_register(L, NULL, lion_bind_connection_functions);
    luaL_register(L, NULL, lion_bind_db_functions);
    luaL_register(L, NULL, lion_bind_json_functions);
    luaL_register(L, NULL, lion_bind_point_functions);
    luaL_register(L, NULL, lion_bind_step_functions);
    luaL_register(L, NULL, lion_bind_answers_functions);
    luaL_register(L, NULL, lion_bind_query_functions);
    luaL_register(L, NULL, lion_bind_verify_functions);
    return 1;
}
