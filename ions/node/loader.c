/* loader.c - makes states: an application at a revision, or the door's; on a thread where nobody
 * waits. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bind/state.h"
#include "module.h"
#include "next.h"
#include "node/worker.h"

#define MEMORY_MAX ((uint64_t)512 << 20)

static uint64_t now_ms(void)
{
    return (uint64_t)lion_clock_monotonic_ns() / 1000000;
}

/* ---- states ---- */

static lion_node_state *state_new(lion_worker *worker, bool is_capped)
{
    lion_node_state *self = calloc(1, sizeof *self);
    uint64_t max = worker->options->memory_max != 0 ? worker->options->memory_max : MEMORY_MAX;
    if (self == NULL) return NULL;
    self->lua = is_capped ? lion_bounded_state((size_t)max, &self->memory) : lion_lua_new();
    if (self->lua == NULL) {
        free(self);
        return NULL;
    }
    self->worker = worker;
    self->app = LUA_NOREF;
    self->number = atomic_fetch_add(&worker->last_number, 1) + 1;
    self->limit = &self->own_limit;
    self->turn = &self->own_turn;
    if (!is_capped) lion_next_replace(self->lua);
    lion_ions_preload(self->lua);
    lion_port_preload(self);
    return self;
}

static int close_app(lua_State *lua)
{
    lua_rawgeti(lua, LUA_REGISTRYINDEX, (int)lua_tointeger(lua, 1));
    lua_getfield(lua, -1, "close");
    lua_insert(lua, -2);
    lua_call(lua, 1, 0);
    return 0;
}

void lion_node_state_free(lion_node_state *self)
{
    if (self == NULL) return;
    if (self->app != LUA_NOREF) {
        lua_pushcfunction(self->lua, close_app);
        lua_pushinteger(self->lua, self->app);
        (void)lua_pcall(self->lua, 1, 0, 0);
    }
    if (self->memory != NULL)
        lion_bounded_close(self->memory);
    else
        lua_close(self->lua);
    lion_series_release(&self->worker->series, self->number);
    free(self->name);
    free(self->revision);
    free(self);
}

/* ---- errors ---- */

static void take_text(lua_State *lua, int index, const char *field, char **out)
{
    lua_getfield(lua, index, field);
    if (lua_isstring(lua, -1)) *out = strdup(lua_tostring(lua, -1));
    lua_pop(lua, 1);
}

/* Into the load at the first upvalue, of the error at 1: message, trace, and whether a check
 * failed. */
static int note_error(lua_State *lua)
{
    lion_load *load = lua_touserdata(lua, lua_upvalueindex(1));
    if (lua_istable(lua, 1)) {
        char *code = NULL;
        take_text(lua, 1, "message", &load->message);
        take_text(lua, 1, "trace", &load->trace);
        take_text(lua, 1, "code", &code);
        load->is_check = code != NULL && strcmp(code, "lion/check") == 0;
        free(code);
    } else if (lua_isstring(lua, 1)) {
        load->message = strdup(lua_tostring(lua, 1));
    }
    if (load->trace == NULL) {
        luaL_traceback(lua, lua, load->message, 1);
        load->trace = strdup(lua_tostring(lua, -1));
        lua_pop(lua, 1);
    }
    return 1;
}

/* ---- loading ---- */

static void set_text(lua_State *lua, const char *name, const char *text)
{
    lua_pushstring(lua, text);
    lua_setfield(lua, -2, name);
}

static void set_boolean(lua_State *lua, const char *name, bool is)
{
    lua_pushboolean(lua, is);
    lua_setfield(lua, -2, name);
}

static void push_loader(lua_State *lua, const char *module, const char *function)
{
    lua_getglobal(lua, "require");
    lua_pushstring(lua, module);
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, function);
    lua_remove(lua, -2);
}

/* → the application */
static int load_app(lua_State *lua)
{
    const lion_load *load = lua_touserdata(lua, 1);
    const lion_node_options *options = load->worker->options;
    push_loader(lua, "ions.app", "load");
    lua_newtable(lua);
    set_boolean(lua, "node", true);
    set_text(lua, "app", load->app);
    set_text(lua, "revision", load->revision);
    set_text(lua, "folder", options->primary);
    set_text(lua, "group", options->group);
    set_text(lua, "secret_key", options->secret_key);
    set_boolean(lua, "checks", load->has_checks);
    lua_call(lua, 1, 1);
    return 1;
}

/* → the application of a door, or of events */
static int load_host(lua_State *lua)
{
    const lion_worker *worker = ((const lion_load *)lua_touserdata(lua, 1))->worker;
    const lion_node_options *options = worker->options;
    push_loader(lua, worker->host, "load");
    lua_newtable(lua);
    set_text(lua, "name", options->name);
    set_text(lua, "group", options->group);
    set_text(lua, "dir", options->dir);
    set_text(lua, "primary", options->primary);
    set_boolean(lua, "is_primary", options->is_primary);
    lua_pushinteger(lua, options->workers);
    lua_setfield(lua, -2, "workers");
    set_text(lua, "address", options->address);
    set_text(lua, "alert_url", options->alert_url); /* nil: none */
    set_text(lua, "control", options->control);
    set_text(lua, "secret_key", options->secret_key);
    set_text(lua, "control_address", options->control_address); /* nil: none */
    lua_call(lua, 1, 1);
    return 1;
}

static char *text_at(lua_State *lua, const char *field)
{
    lua_getfield(lua, -1, field);
    char *text = strdup(luaL_checkstring(lua, -1));
    lua_pop(lua, 1);
    return text;
}

/* What the group runs becomes more that is to be loaded. */
static int list_apps(lua_State *lua)
{
    lion_load *load = lua_touserdata(lua, 1);
    push_loader(lua, "ions.running", "list");
    lua_pushstring(lua, load->worker->options->primary);
    lua_pushstring(lua, load->worker->options->group);
    lua_call(lua, 2, 1);
    for (size_t i = lua_objlen(lua, -1); i > 0; i--) {
        lion_load *found = calloc(1, sizeof *found);
        if (found == NULL) return luaL_error(lua, "out of memory");
        lua_rawgeti(lua, -1, (int)i);
        found->worker = load->worker;
        found->app = text_at(lua, "app");
        found->revision = text_at(lua, "revision");
        found->next = load->found;
        load->found = found;
        lua_pop(lua, 1);
    }
    return 0;
}

/* Call a function of these with the load, keeping its one result in the registry. */
static bool run_in(lion_node_state *state, lion_load *load, lua_CFunction function)
{
    lua_State *lua = state->lua;
    lua_pushlightuserdata(lua, load);
    lua_pushcclosure(lua, note_error, 1);
    lua_pushcfunction(lua, function);
    lua_pushlightuserdata(lua, load);
    bool is_sound = lua_pcall(lua, 1, 1, 1) == 0;
    if (is_sound) state->app = luaL_ref(lua, LUA_REGISTRYINDEX);
    lua_settop(lua, 0);
    return is_sound;
}

static void fail(lion_load *load)
{
    const char *message = "out of memory, or more than the state may hold";
    if (load->message == NULL) load->message = strdup(message);
}

lion_load *lion_load_new(lion_worker *worker, const char *app, const char *revision)
{
    lion_load *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->worker = worker;
    self->app = app == NULL ? NULL : strdup(app);
    self->revision = revision == NULL ? NULL : strdup(revision);
    return self;
}

void lion_load_run(lion_load *load)
{
    uint64_t began_ms = now_ms();
    bool is_host = load->worker->host != NULL && load->app == NULL;
    lion_node_state *state = state_new(load->worker, !is_host && !load->is_list);
    bool is_sound = state != NULL && run_in(state, load,
                                            load->is_list ? list_apps
                                            : is_host     ? load_host
                                                          : load_app);
    if (!is_sound) fail(load);
    if (is_sound && !load->is_list) {
        state->name = strdup(is_host ? "" : load->app);
        state->revision = strdup(is_host ? "" : load->revision);
        load->state = state;
    } else {
        if (state != NULL) state->app = LUA_NOREF; /* a list is no application */
        lion_node_state_free(state);
    }
    load->ms = now_ms() - began_ms;
}

void lion_load_free(lion_load *load)
{
    if (load == NULL) return;
    free(load->app);
    free(load->revision);
    free(load->message);
    free(load->trace);
    free(load);
}
