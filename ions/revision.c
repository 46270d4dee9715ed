/* revision.c - the border between requests and a revision's Lua state. */
#include "revision.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bind/state.h"
#include "module.h"

/* A stream waits while this much is queued for its socket. */
#define LION_STREAM_QUEUED_MAX (1u << 20)
#define LION_STREAM_POLL_MS 10
#define LION_STREAM_PIECES_MAX 64 /* pieces a turn of the loop, so that others get theirs */

typedef struct watched {
    char *path;
    struct timespec changed; /* zero: not there */
    off_t size;
} watched;

struct lion_revision {
    uint32_t references;
    lua_State *state;
    int app;                 /* registry reference of the application */
    watched *files;
    size_t file_count;
};

typedef struct stream {
    uv_timer_t timer;
    lion_revision *revision; /* kept */
    lion_http_exchange *exchange;
    int next;                /* registry reference of the function of pieces */
    bool is_gone;
} stream;

/* ---- loading ---- */

static int traceback(lua_State *state)
{
    lua_getglobal(state, "tostring");
    lua_pushvalue(state, 1);
    lua_call(state, 1, 1);
    return 1;
}

static void push_options(lua_State *state, const lion_revision_options *options)
{
    lua_newtable(state);
    lua_pushstring(state, options->dir);
    lua_setfield(state, -2, "dir");
    lua_pushstring(state, options->uri);
    lua_setfield(state, -2, "uri");
    lua_pushstring(state, options->folder);
    lua_setfield(state, -2, "folder");
    lua_pushstring(state, options->env);
    lua_setfield(state, -2, "env");
    lua_pushboolean(state, options->is_dev);
    lua_setfield(state, -2, "is_dev");
}

/* require "ions.app".load(options), leaving the application on the stack. */
static int load_app(lua_State *state)
{
    const lion_revision_options *options = lua_touserdata(state, 1);
    lua_getglobal(state, "require");
    lua_pushliteral(state, "ions.app");
    lua_call(state, 1, 1);
    lua_getfield(state, -1, "load");
    push_options(state, options);
    lua_call(state, 1, 1);
    return 1;
}

static void watch(watched *file)
{
    struct stat info;
    if (stat(file->path, &info) != 0) {
        file->changed = (struct timespec){ 0 };
        file->size = 0;
        return;
    }
    file->changed = info.st_mtim;
    file->size = info.st_size;
}

static void note_files(lion_revision *revision)
{
    lua_State *state = revision->state;
    lua_getfield(state, -1, "files");
    size_t count = lua_objlen(state, -1);
    revision->files = calloc(count + 1, sizeof *revision->files);
    for (size_t i = 0; revision->files != NULL && i < count; i++) {
        lua_rawgeti(state, -1, (int)i + 1);
        const char *path = lua_tostring(state, -1);
        revision->files[i].path = strdup(path == NULL ? "" : path);
        if (revision->files[i].path != NULL) watch(&revision->files[revision->file_count++]);
        lua_pop(state, 1);
    }
    lua_pop(state, 1);
}

lion_revision *lion_revision_load(const lion_revision_options *options, char **message_out)
{
    *message_out = NULL;
    lion_revision *revision = calloc(1, sizeof *revision);
    lua_State *state = lion_lua_new();
    if (revision == NULL || state == NULL) {
        free(revision);
        if (state != NULL) lua_close(state);
        *message_out = strdup("out of memory");
        return NULL;
    }
    revision->references = 1;
    revision->state = state;
    lion_ions_preload(state);
    lua_pushcfunction(state, traceback);
    lua_pushcfunction(state, load_app);
    lua_pushlightuserdata(state, (void *)(uintptr_t)options);
    if (lua_pcall(state, 1, 1, -3) != 0) {
        const char *text = lua_tostring(state, -1);
        *message_out = strdup(text == NULL ? "the application did not load" : text);
        lua_close(state);
        free(revision);
        return NULL;
    }
    note_files(revision);
    revision->app = luaL_ref(state, LUA_REGISTRYINDEX);
    lua_settop(state, 0);
    return revision;
}

lion_revision *lion_revision_keep(lion_revision *revision)
{
    revision->references++;
    return revision;
}

void lion_revision_drop(lion_revision *revision)
{
    if (revision == NULL || --revision->references > 0) return;
    lua_State *state = revision->state;
    lua_rawgeti(state, LUA_REGISTRYINDEX, revision->app);
    lua_getfield(state, -1, "close");
    lua_insert(state, -2);
    if (lua_pcall(state, 1, 0, 0) != 0) lua_pop(state, 1);
    lua_close(state);
    for (size_t i = 0; i < revision->file_count; i++) free(revision->files[i].path);
    free(revision->files);
    free(revision);
}

bool lion_revision_is_stale(const lion_revision *revision)
{
    for (size_t i = 0; i < revision->file_count; i++) {
        watched now = { .path = revision->files[i].path };
        watch(&now);
        if (now.changed.tv_sec != revision->files[i].changed.tv_sec ||
            now.changed.tv_nsec != revision->files[i].changed.tv_nsec ||
            now.size != revision->files[i].size)
            return true;
    }
    return false;
}

/* ---- requests ---- */

static void set_text(lua_State *state, const char *name, lion_http_text text)
{
    lua_pushlstring(state, text.data, text.size);
    lua_setfield(state, -2, name);
}

/* Headers of one name are joined by ", ", as HTTP allows. */
static void push_headers(lua_State *state, const lion_http_request *request)
{
    lua_newtable(state);
    for (size_t i = 0; i < request->header_count; i++) {
        const lion_http_header *header = &request->headers[i];
        lua_pushlstring(state, header->name.data, header->name.size);
        lua_pushvalue(state, -1);
        lua_rawget(state, -3);
        if (lua_isnil(state, -1)) {
            lua_pop(state, 1);
            lua_pushlstring(state, header->value.data, header->value.size);
        } else {
            lua_pushliteral(state, ", ");
            lua_pushlstring(state, header->value.data, header->value.size);
            lua_concat(state, 3);
        }
        lua_rawset(state, -3);
    }
}

static void push_request(lua_State *state, const lion_http_request *request)
{
    lua_newtable(state);
    lua_pushstring(state, request->method);
    lua_setfield(state, -2, "method");
    set_text(state, "path", request->path);
    set_text(state, "query", request->query);
    set_text(state, "body", request->body);
    lua_pushstring(state, request->remote);
    lua_setfield(state, -2, "remote");
    lua_pushnumber(state, (lua_Number)request->id);
    lua_setfield(state, -2, "id");
    push_headers(state, request);
    lua_setfield(state, -2, "headers");
}

/* The pairs at `index` as headers; texts are borrowed from the state's strings, which the table keeps alive. */
static lion_http_header *read_headers(lua_State *state, int index, size_t *count_out)
{
    size_t count = lua_objlen(state, index);
    lion_http_header *headers = calloc(count + 1, sizeof *headers);
    *count_out = 0;
    for (size_t i = 0; headers != NULL && i < count; i++) {
        lua_rawgeti(state, index, (int)i + 1);
        lua_rawgeti(state, -1, 1);
        lua_rawgeti(state, -2, 2);
        lion_http_header *header = &headers[(*count_out)++];
        header->name.data = lua_tolstring(state, -2, &header->name.size);
        header->value.data = lua_tolstring(state, -1, &header->value.size);
        lua_pop(state, 3);
    }
    return headers;
}

/* ---- streams ---- */

static void on_stream_closed(uv_handle_t *handle)
{
    stream *self = handle->data;
    luaL_unref(self->revision->state, LUA_REGISTRYINDEX, self->next);
    lion_revision_drop(self->revision);
    free(self);
}

static void stream_finish(stream *self)
{
    lion_http_set_user(self->exchange, NULL);
    lion_http_stream_end(self->exchange);
    uv_close((uv_handle_t *)&self->timer, on_stream_closed);
}

static void on_stream_turn(uv_timer_t *timer)
{
    stream *self = timer->data;
    lua_State *state = self->revision->state;
    for (int i = 0; i < LION_STREAM_PIECES_MAX && !self->is_gone; i++) {
        lua_rawgeti(state, LUA_REGISTRYINDEX, self->next);
        bool is_piece = lua_pcall(state, 0, 1, 0) == 0 && lua_isstring(state, -1);
        size_t size = 0, queued = 0;
        const char *data = is_piece ? lua_tolstring(state, -1, &size) : NULL;
        if (is_piece) queued = lion_http_stream_piece(self->exchange, data, size);
        lua_pop(state, 1);
        if (!is_piece) {
            stream_finish(self);
            return;
        }
        if (queued > LION_STREAM_QUEUED_MAX) {
            uv_timer_start(timer, on_stream_turn, LION_STREAM_POLL_MS, 0);
            return;
        }
    }
    if (self->is_gone) stream_finish(self);
    else uv_timer_start(timer, on_stream_turn, 0, 0);
}

static void stream_start(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange, int next)
{
    stream *self = calloc(1, sizeof *self);
    if (self == NULL) {
        luaL_unref(revision->state, LUA_REGISTRYINDEX, next);
        lion_http_stream_end(exchange);
        return;
    }
    self->revision = lion_revision_keep(revision);
    self->exchange = exchange;
    self->next = next;
    lion_http_set_user(exchange, self);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    on_stream_turn(&self->timer);
}

void lion_revision_gone(lion_http_exchange *exchange)
{
    stream *self = lion_http_user(exchange);
    if (self != NULL) self->is_gone = true;
    else lion_http_respond(exchange, 500, NULL, 0, NULL, 0); /* gives the exchange back */
}

static void respond_failure(lion_http_exchange *exchange, const char *message)
{
    static const char body[] = "the application failed\n";
    fprintf(stderr, "lion: %s\n", message == NULL ? "an error without a message" : message);
    lion_http_header header = { .name = { "content-type", 12 }, .value = { "text/plain", 10 } };
    lion_http_respond(exchange, 500, &header, 1, body, sizeof body - 1);
}

void lion_revision_handle(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    lua_State *state = revision->state;
    int top = lua_gettop(state);
    lua_pushcfunction(state, traceback);
    lua_rawgeti(state, LUA_REGISTRYINDEX, revision->app);
    lua_getfield(state, -1, "handle");
    lua_insert(state, -2);
    push_request(state, lion_http_request_view(exchange));
    if (lua_pcall(state, 2, 3, top + 1) != 0) {
        respond_failure(exchange, lua_tostring(state, -1));
        lua_settop(state, top);
        return;
    }
    int status = (int)lua_tointeger(state, -3);
    size_t count = 0;
    lion_http_header *headers = read_headers(state, lua_gettop(state) - 1, &count);
    if (lua_isfunction(state, -1)) {
        lion_http_stream_begin(exchange, status, headers, count);
        int next = luaL_ref(state, LUA_REGISTRYINDEX);
        stream_start(revision, loop, exchange, next);
    } else {
        size_t size = 0;
        const char *body = lua_tolstring(state, -1, &size);
        lion_http_respond(exchange, status, headers, count, body, size);
    }
    free(headers);
    lua_settop(state, top);
}
