/* module.c - the module "lion.core": errors, registered functions, links, and the table of
 * functions. */
#include "bind.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "bind/state.h"

static char slots_key; /* its address keys the table of lion_bind_slot in the registry */

/* ---- slots ---- */

static void push_slots(lua_State *L)
{
    lua_pushlightuserdata(L, &slots_key);
    lua_rawget(L, LUA_REGISTRYINDEX);
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

/* ---- links ---- */

void lion_bind_link_add(lion_bind_link *link, lion_bind_conn *conn, void (*release)(void *owner),
                        void *owner)
{
    *link =
        (lion_bind_link){ .conn = conn, .next = conn->links, .release = release, .owner = owner };
    if (conn->links != NULL) conn->links->previous = link;
    conn->links = link;
    conn->references++;
}

void lion_bind_link_remove(lion_bind_link *link)
{
    lion_bind_conn *conn = link->conn;
    if (conn == NULL) return;
    if (link->previous != NULL) link->previous->next = link->next;
    if (link->next != NULL) link->next->previous = link->previous;
    if (conn->links == link) conn->links = link->next;
    link->conn = NULL;
    if (--conn->references == 0) lion_free(conn);
}

/* ---- the module ---- */

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
    lua_pushlightuserdata(L, &slots_key);
    lua_pushvalue(L, 1);
    lua_rawset(L, LUA_REGISTRYINDEX);
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
    luaL_register(L, NULL, lion_bind_query_functions);
    luaL_register(L, NULL, lion_bind_verify_functions);
    return 1;
}
