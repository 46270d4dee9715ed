/* curl_lua.c - where no loop runs, a state has one of its own, which turns while a call waits: so
 * connections are kept from one call to the next. */
#include "curl_lua.h"

#include <lauxlib.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "bind/state.h"

#define WAITER_TYPE "ions.curl.waiter"
#define LOOK_MS 50 /* between two looks whether the user has had enough */

/* Addresses in the registry. */
static const char attached_key, waiter_key, token_key;

/* ---- a loop that is there ---- */

void lion_curl_attach(lua_State *state, lion_curl *curl)
{
    lua_pushlightuserdata(state, (void *)(uintptr_t)&attached_key);
    if (curl == NULL)
        lua_pushnil(state);
    else
        lua_pushlightuserdata(state, curl);
    lua_rawset(state, LUA_REGISTRYINDEX);
}

static lion_curl *attached(lua_State *state)
{
    lua_pushlightuserdata(state, (void *)(uintptr_t)&attached_key);
    lua_rawget(state, LUA_REGISTRYINDEX);
    lion_curl *curl = lua_touserdata(state, -1);
    lua_pop(state, 1);
    return curl;
}

static int has_loop(lua_State *state)
{
    lua_pushboolean(state, attached(state) != NULL);
    return 1;
}

static lua_Number next_token(lua_State *state)
{
    lua_pushlightuserdata(state, (void *)(uintptr_t)&token_key);
    lua_rawget(state, LUA_REGISTRYINDEX);
    lua_Number token = lua_tonumber(state, -1) + 1;
    lua_pop(state, 1);
    lua_pushlightuserdata(state, (void *)(uintptr_t)&token_key);
    lua_pushnumber(state, token);
    lua_rawset(state, LUA_REGISTRYINDEX);
    return token;
}

static lion_slice check_slice(lua_State *state, int index)
{
    size_t size;
    const char *text = luaL_checklstring(state, index, &size);
    return (lion_slice){ .data = (const uint8_t *)text, .size = size };
}

static int start(lua_State *state)
{
    lion_slice request = check_slice(state, 1);
    lion_curl *curl = attached(state);
    if (curl == NULL) return luaL_error(state, "curl.start: no loop runs here");
    lua_Number token = next_token(state);
    lion_curl_start(curl, (uint64_t)token, request);
    lua_pushnumber(state, token);
    return 1;
}

static int cancel(lua_State *state)
{
    lion_curl *curl = attached(state);
    if (curl != NULL) lion_curl_cancel(curl, (uint64_t)luaL_checknumber(state, 1));
    return 0;
}

/* ---- a loop of its own ---- */

typedef struct waiter {
    uv_loop_t loop;
    uv_timer_t look;
    lion_curl *curl;
    lion_buffer answer;
    bool is_open, is_done, is_sound;
} waiter;

static void on_done(void *context, uint64_t id, bool is_sound, lion_slice head, lion_slice body)
{
    (void)id;
    waiter *self = context;
    lion_buffer_put(&self->answer, head.data, head.size);
    lion_buffer_put(&self->answer, "\n", 1);
    lion_buffer_put(&self->answer, body.data, body.size);
    self->is_sound = is_sound;
    self->is_done = true;
}

static int waiter_close(lua_State *state)
{
    waiter *self = luaL_checkudata(state, 1, WAITER_TYPE);
    if (!self->is_open) return 0;
    self->is_open = false;
    lion_curl_close(self->curl);
    uv_close((uv_handle_t *)&self->look, NULL);
    (void)uv_run(&self->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&self->loop);
    lion_buffer_deinit(&self->answer);
    return 0;
}

/* Pushes it. */
static waiter *waiter_new(lua_State *state)
{
    waiter *self = lua_newuserdata(state, sizeof *self);
    self->is_open = false;
    luaL_getmetatable(state, WAITER_TYPE);
    lua_setmetatable(state, -2);
    if (uv_loop_init(&self->loop) != 0) luaL_error(state, "no event loop");
    lion_buffer_init(&self->answer);
    (void)uv_timer_init(&self->loop, &self->look);
    self->curl = lion_curl_new(&self->loop, on_done, self);
    self->is_open = true;
    if (self->curl == NULL) luaL_error(state, "out of memory");
    return self;
}

/* Pushes that of the state. */
static waiter *waiter_of(lua_State *state)
{
    lua_pushlightuserdata(state, (void *)(uintptr_t)&waiter_key);
    lua_rawget(state, LUA_REGISTRYINDEX);
    if (!lua_isnil(state, -1)) return lua_touserdata(state, -1);
    lua_pop(state, 1);
    waiter *made = waiter_new(state);
    lua_pushlightuserdata(state, (void *)(uintptr_t)&waiter_key);
    lua_pushvalue(state, -2);
    lua_rawset(state, LUA_REGISTRYINDEX);
    return made;
}

static void on_look(uv_timer_t *timer)
{
    (void)timer; /* the loop has turned */
}

static int call(lua_State *state)
{
    lion_slice request = check_slice(state, 1);
    waiter *self = waiter_of(state);
    lua_Number id = next_token(state);
    self->is_done = self->is_sound = false;
    lion_buffer_clear(&self->answer);
    lion_curl_start(self->curl, (uint64_t)id, request);
    (void)uv_timer_start(&self->look, on_look, LOOK_MS, LOOK_MS);
    while (!self->is_done && lion_lua_is_cancelled == 0) (void)uv_run(&self->loop, UV_RUN_ONCE);
    (void)uv_timer_stop(&self->look);
    if (!self->is_done) {
        lion_curl_cancel(self->curl, (uint64_t)id);
        (void)uv_run(&self->loop, UV_RUN_NOWAIT);
        lua_pushboolean(state, false);
        lua_pushliteral(state, "interrupted lion/cancelled interrupted\n");
        return 2;
    }
    if (self->answer.is_failed) return luaL_error(state, "out of memory");
    lua_pushboolean(state, self->is_sound);
    lua_pushlstring(state, (const char *)self->answer.data, self->answer.size);
    lion_buffer_deinit(&self->answer); /* an answer may be large, and the next one is not soon */
    lion_buffer_init(&self->answer);
    return 2;
}

/* rest(ms): the caller waits for nobody; it ends when the user has had enough */
static int rest(lua_State *state)
{
    lua_Number ms = luaL_checknumber(state, 1);
    waiter *self = waiter_of(state);
    uv_update_time(&self->loop);
    uint64_t end_ms = uv_now(&self->loop) + (uint64_t)(ms < 0 ? 0 : ms);
    while (uv_now(&self->loop) < end_ms && lion_lua_is_cancelled == 0) {
        uint64_t left_ms = end_ms - uv_now(&self->loop);
        (void)uv_timer_start(&self->look, on_look, left_ms < LOOK_MS ? left_ms : LOOK_MS, 0);
        (void)uv_run(&self->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&self->look);
    return 0;
}

static const luaL_Reg functions[] = {
    { "call", call },     { "rest", rest },         { "start", start },
    { "cancel", cancel }, { "has_loop", has_loop }, { NULL, NULL },
};

int luaopen_ions_curl(lua_State *state)
{
    luaL_newmetatable(state, WAITER_TYPE);
    lua_pushcfunction(state, waiter_close);
    lua_setfield(state, -2, "__gc");
    lua_pop(state, 1);
    lua_newtable(state);
    luaL_register(state, NULL, functions);
    return 1;
}
