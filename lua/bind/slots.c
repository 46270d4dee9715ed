/* slots.c - what Lua lends to every file of the binding: its table of slots, users' functions by handle, and
 * errors that are raised with it. */
#include "bind.h"

#include <stdarg.h>
#include <stdio.h>

#include "bind/state.h"

static char slots_key; /* its address keys the table of lion_bind_slot in the registry */

/* ---- slots ---- */

static void push_slots(lua_State *L)
{
    lua_pushlightuserdata(L, &slots_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

void lion_bind_set_slots(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    lua_pushlightuserdata(L, &slots_key);
    lua_insert(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

void lion_bind_push_slot(lua_State *L, lion_bind_slot slot)
{
    push_slots(L);
    lua_rawgeti(L, -1, (int)slot);
    lua_remove(L, -2);
}

int64_t lion_bind_handle(lua_State *L, int index)
{
    lua_pushvalue(L, index);
    lion_bind_push_slot(L, LION_BIND_HANDLES);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lion_bind_push_slot(L, LION_BIND_FUNCTIONS);
        lua_pushliteral(L, "count");
        lua_rawget(L, -2);
        lua_Number handle = lua_tonumber(L, -1) + 1;
        lua_pop(L, 1);
        lua_pushliteral(L, "count");
        lua_pushnumber(L, handle);
        lua_rawset(L, -3);
        lua_pushnumber(L, handle);
        lua_pushvalue(L, -4);
        lua_rawset(L, -3); /* functions[handle] = function */
        lua_pop(L, 1);
        lua_pushvalue(L, -2);
        lua_pushnumber(L, handle);
        lua_rawset(L, -3); /* handles[function] = handle */
        lua_pushnumber(L, handle);
    }
    int64_t handle = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 3);
    return handle;
}

void lion_bind_push_function(lua_State *L, int64_t handle)
{
    lion_bind_push_slot(L, LION_BIND_FUNCTIONS);
    lua_pushnumber(L, (lua_Number)handle);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

/* ---- errors ---- */

/* LuaJIT unwinds past frames of C without AddressSanitizer seeing it: tell it, or it takes what comes to lie
 * there for an overflow. */
#ifdef __SANITIZE_ADDRESS__
void __asan_handle_no_return(void);
#define FORGET_FRAMES() __asan_handle_no_return()
#else
#define FORGET_FRAMES() ((void)0)
#endif

int lion_bind_raise(lua_State *L, const lion_error *error)
{
    lion_bind_push_slot(L, LION_BIND_ANOMALY);
    lua_pushstring(L, error->category == 0 ? "fault" : lion_category_name(error->category));
    lua_pushstring(L, error->code[0] == '\0' ? "lion/fault" : error->code);
    lua_pushstring(L, error->message);
    lua_call(L, 3, 1);
    FORGET_FRAMES();
    return lua_error(L);
}

int lion_bind_fail(lua_State *L, lion_category category, const char *code, const char *format, ...)
{
    lion_error error = { .category = category, .clause = -1 };
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    snprintf(error.code, sizeof error.code, "%s", code);
    return lion_bind_raise(L, &error);
}

/* ---- cancelling ---- */

volatile int lion_lua_is_cancelled;
_Thread_local const volatile int *lion_lua_thread_is_cancelled;

int lion_lua_raise_cancelled(lua_State *L)
{
    return lion_bind_fail(L, LION_INTERRUPTED, "lion/cancelled", "interrupted");
}

/* ---- types ---- */

void lion_bind_make_type(lua_State *L, const char *name, lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
