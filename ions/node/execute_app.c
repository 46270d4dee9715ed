/* execute_app.c - the applications whose functions the executor knows, each in a Lua state. */
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "module.h"
#include "node/execute.h"

#define MEMORY_MAX (512u << 20) /* of a state, if nothing else is said */

typedef struct loading {
    const executor *self;
    const char *name, *revision;
    int executor; /* registry reference of what was loaded */
    execute_failure failure;
} loading;

static char *copy_text(lua_State *state, int index)
{
    const char *text = lua_tostring(state, index);
    return strdup(text == NULL ? "" : text);
}

static lua_State *new_state(const executor *self, lion_memory **memory_out)
{
    uint64_t max = self->options->memory_max == 0 ? MEMORY_MAX : self->options->memory_max;
    lua_State *state = lion_bounded_state((size_t)max, memory_out);
    if (state == NULL) return NULL;
    lion_ions_preload(state);
    execute_port_preload(state, self->socket_path);
    return state;
}

static void push_module(lua_State *state, const char *name)
{
    lua_getglobal(state, "require");
    lua_pushstring(state, name);
    lua_call(state, 1, 1);
}

static void set_text(lua_State *state, const char *name, const char *text)
{
    lua_pushstring(state, text);
    lua_setfield(state, -2, name);
}

/* ---- loading ---- */

/* require "ions.executor".load { … } → executor, or nil, message, trace; what came is noted. */
static int load_executor(lua_State *state)
{
    loading *wanted = lua_touserdata(state, 1);
    push_module(state, "ions.executor");
    lua_getfield(state, -1, "load");
    lua_newtable(state);
    set_text(state, "app", wanted->name);
    set_text(state, "revision", wanted->revision);
    set_text(state, "folder", wanted->self->options->primary);
    set_text(state, "group", wanted->self->options->group);
    set_text(state, "secret_key", wanted->self->options->secret_key);
    lua_call(state, 1, 3);
    if (lua_isnil(state, -3)) {
        wanted->failure.message = copy_text(state, -2);
        wanted->failure.trace = copy_text(state, -1);
    } else {
        lua_pop(state, 2);
        wanted->executor = luaL_ref(state, LUA_REGISTRYINDEX);
    }
    return 0;
}

execute_app *execute_app_load(const executor *self, const char *name, const char *revision,
                              execute_failure *failure_out)
{
    loading wanted = { .self = self, .name = name, .revision = revision, .executor = LUA_NOREF };
    execute_app *app = calloc(1, sizeof *app);
    if (app != NULL) {
        app->name = strdup(name);
        app->revision = strdup(revision);
        app->state = new_state(self, &app->memory);
    }
    bool is_made = app != NULL && app->state != NULL && app->name != NULL && app->revision != NULL;
    if (is_made && lua_cpcall(app->state, load_executor, &wanted) != 0)
        wanted.failure.message = copy_text(app->state, -1);
    if (is_made) {
        app->executor = wanted.executor;
        lua_settop(app->state, 0);
    }
    if (wanted.executor != LUA_NOREF) return app;
    execute_app_close(app);
    if (wanted.failure.message == NULL)
        wanted.failure.message = strdup("there is no memory for its state");
    *failure_out = wanted.failure;
    return NULL;
}

/* ---- calls ---- */

/* A method of what was loaded, with a text; its first result and, if wanted, the bytes of its
 * second. */
typedef struct asking {
    const execute_app *app;
    const char *method;
    lion_slice text;
    bool answer;
    lion_buffer *bytes; /* NULL: not wanted */
} asking;

/* All that may raise, for want of memory too, happens in here. */
static int ask(lua_State *state)
{
    asking *self = lua_touserdata(state, 1);
    lua_rawgeti(state, LUA_REGISTRYINDEX, self->app->executor);
    lua_getfield(state, -1, self->method);
    lua_insert(state, -2);
    lua_pushlstring(state, (const char *)self->text.data, self->text.size);
    lua_call(state, 2, 2);
    self->answer = lua_toboolean(state, -2) != 0;
    if (self->bytes == NULL) return 0;
    size_t size = 0;
    const char *bytes = luaL_checklstring(state, -1, &size);
    lion_buffer_put(self->bytes, bytes, size);
    return 0;
}

void execute_app_close(execute_app *app)
{
    if (app == NULL) return;
    asking closing = { .app = app, .method = "close", .text = lion_slice_text("") };
    if (app->executor != LUA_NOREF) (void)lua_cpcall(app->state, ask, &closing);
    lion_bounded_close(app->memory);
    free(app->name);
    free(app->revision);
    free(app);
}

bool execute_app_has(const execute_app *app, lion_slice function)
{
    asking having = { .app = app, .method = "has", .text = function };
    if (lua_cpcall(app->state, ask, &having) != 0) lua_pop(app->state, 1);
    return having.answer;
}

lion_status execute_app_call(bool *is_done_out, lion_buffer *out, const execute_app *app,
                             lion_slice payload, lion_error *error)
{
    asking calling = { .app = app, .method = "call", .text = payload, .bytes = out };
    if (lua_cpcall(app->state, ask, &calling) == 0) {
        *is_done_out = calling.answer;
        return lion_buffer_check(out, error);
    }
    const char *text = lua_tostring(app->state, -1);
    lion_fail(error, LION_FAULT, "lion/function-failed", "the function failed: %s",
              text == NULL ? "with an error that is no text" : text);
    lua_pop(app->state, 1);
    return LION_FAILED;
}

bool execute_app_is_exhausted(const execute_app *app)
{
    return lion_memory_is_exhausted(app->memory);
}

/* ---- those of the group ---- */

void execute_apps_put(executor *self, execute_app *app)
{
    execute_apps_remove(self, app->name);
    execute_app **place = &self->apps;
    while (*place != NULL && strcmp((*place)->name, app->name) < 0) place = &(*place)->next;
    app->next = *place;
    *place = app;
}

void execute_apps_remove(executor *self, const char *name)
{
    for (execute_app **place = &self->apps; *place != NULL; place = &(*place)->next) {
        execute_app *app = *place;
        if (strcmp(app->name, name) != 0) continue;
        *place = app->next;
        execute_app_close(app);
        return;
    }
}

execute_app *execute_apps_find(const executor *self, lion_slice name)
{
    for (execute_app *each = self->apps; each != NULL; each = each->next)
        if (strlen(each->name) == name.size && memcmp(each->name, name.data, name.size) == 0)
            return each;
    return NULL;
}

static void load_one(executor *self, const char *name, const char *revision)
{
    execute_failure failure = { 0 };
    execute_app *app = execute_app_load(self, name, revision, &failure);
    if (app != NULL) {
        execute_apps_put(self, app);
        return;
    }
    fprintf(stderr, "lion: executor: %s %s did not load; its functions are not known: %s\n", name,
            revision, failure.message == NULL ? "" : failure.message);
    free(failure.message);
    free(failure.trace);
}

/* require "ions.running".list(folder, group), each loaded in a state of its own */
static int load_running(lua_State *state)
{
    executor *self = lua_touserdata(state, 1);
    push_module(state, "ions.running");
    lua_getfield(state, -1, "list");
    lua_pushstring(state, self->options->primary);
    lua_pushstring(state, self->options->group);
    lua_call(state, 2, 1);
    int count = (int)lua_objlen(state, -1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(state, -1, i);
        lua_getfield(state, -1, "app");
        lua_getfield(state, -2, "revision");
        load_one(self, luaL_checkstring(state, -2), luaL_checkstring(state, -1));
        lua_pop(state, 3);
    }
    return 0;
}

void execute_apps_load(executor *self)
{
    lion_memory *memory = NULL;
    lua_State *state = new_state(self, &memory);
    if (state == NULL) return;
    if (lua_cpcall(state, load_running, self) != 0) {
        lua_getfield(state, LUA_GLOBALSINDEX, "tostring");
        lua_insert(state, -2);
        const char *text = lua_pcall(state, 1, 1, 0) == 0 ? lua_tostring(state, -1) : "";
        fprintf(stderr, "lion: executor: what the group runs cannot be read: %s\n", text);
    }
    lion_bounded_close(memory);
}
