/* revision.c - the border between requests and a revision's Lua state. */
#include "revision.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bind/state.h"
#include "curl_lua.h"
#include "module.h"
#include "next.h"
#include "request_lua.h"

/* A stream waits while this much is queued for its socket. */
#define LION_STREAM_QUEUED_MAX (1u << 20)
#define LION_STREAM_POLL_MS 10
#define LION_STREAM_PIECES_MAX 64 /* pieces a turn of the loop, so that others get theirs */
#define LION_STEPS_MAX 64         /* the same for steps of the application */

typedef struct watched {
    char *path;
    struct timespec changed; /* zero: not there */
    off_t size;
} watched;

/* A request that is not answered at once: a step will answer it, or its answer is streamed. */
typedef struct call {
    uv_timer_t timer;        /* its next turn */
    lion_revision *revision; /* kept */
    lion_http_exchange *exchange;
    struct call *after; /* of the revision's waiting calls, or of its stalled ones */
    lua_Number id;      /* the request's */
    int next;           /* registry reference of the function of pieces; LUA_NOREF while it waits */
    bool is_gone;
    bool is_stalled; /* a stream without a piece for now */
} call;

struct lion_revision {
    uint32_t references;
    lua_State *state;
    int app; /* registry reference of the application */
    watched *files;
    size_t file_count;
    call *waiting;    /* for a step to answer them; newest first */
    call *stalled;    /* streams that a step may have a piece for */
    uv_timer_t *pump; /* when the application's next step is due; NULL before the first request */
    lion_curl *curl;  /* its own requests to others; NULL before the first request to it */
};

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
    if (options->with != NULL) {
        lua_pushstring(state, options->with);
        lua_setfield(state, -2, "with");
    }
    lua_pushstring(state, options->params);
    lua_setfield(state, -2, "params");
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
    lion_next_replace(state);
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

static void on_pump_closed(uv_handle_t *handle)
{
    free(handle);
}

void lion_revision_drop(lion_revision *revision)
{
    if (revision == NULL || --revision->references > 0) return;
    lua_State *state = revision->state;
    if (revision->pump != NULL) uv_close((uv_handle_t *)revision->pump, on_pump_closed);
    lua_rawgeti(state, LUA_REGISTRYINDEX, revision->app);
    lua_getfield(state, -1, "close");
    lua_insert(state, -2);
    if (lua_pcall(state, 1, 0, 0) != 0) lua_pop(state, 1);
    lua_close(state);
    lion_curl_close(revision->curl);
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

/* ---- calling the application ---- */

/* Call app:METHOD(the value on the top, which is taken), leaving so many results. false: it raised,
 * and the message is there instead. */
static bool call_app(lua_State *state, const lion_revision *revision, const char *method,
                     int results)
{
    lua_pushcfunction(state, traceback);
    lua_insert(state, -2);
    lua_rawgeti(state, LUA_REGISTRYINDEX, revision->app);
    lua_getfield(state, -1, method);
    lua_insert(state, -3);
    lua_insert(state, -2);
    int handler = lua_gettop(state) - 3;
    bool is_done = lua_pcall(state, 2, results, handler) == 0;
    lua_remove(state, handler);
    return is_done;
}

static void push_request(lua_State *state, const lion_http_request *request)
{
    lion_push_request(state, request);
    lion_push_headers(state, request);
    lua_setfield(state, -3, "repeated");
    lua_setfield(state, -2, "headers");
}

static void respond_failure(lion_http_exchange *exchange, const char *message)
{
    static const char body[] = "the application failed\n";
    fprintf(stderr, "lion: %s\n", message == NULL ? "an error without a message" : message);
    lion_http_header header = { .name = { "content-type", 12 }, .value = { "text/plain", 10 } };
    lion_http_respond(exchange, 500, &header, 1, body, sizeof body - 1);
}

static call *call_new(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    call *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->revision = lion_revision_keep(revision);
    self->exchange = exchange;
    self->id = (lua_Number)lion_http_request_view(exchange)->id;
    self->next = LUA_NOREF;
    lion_http_set_user(exchange, self);
    uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    return self;
}

static void on_call_closed(uv_handle_t *handle)
{
    call *self = handle->data;
    luaL_unref(self->revision->state, LUA_REGISTRYINDEX, self->next);
    lion_revision_drop(self->revision);
    free(self);
}

static void call_close(call *self)
{
    uv_close((uv_handle_t *)&self->timer, on_call_closed);
}

static void link_call(call **list, call *self)
{
    self->after = *list;
    *list = self;
}

static void unlink_call(call **list, call *self)
{
    while (*list != NULL && *list != self) list = &(*list)->after;
    if (*list != NULL) *list = self->after;
}

static void tell(lua_State *state)
{
    fprintf(stderr, "lion: %s\n", lua_tostring(state, -1));
    lua_pop(state, 1);
}

static void on_pump(uv_timer_t *timer);

/* Have the application's next step taken when it is due. */
static void arm(lion_revision *revision)
{
    lua_State *state = revision->state;
    lua_pushnil(state);
    if (!call_app(state, revision, "due", 1)) {
        tell(state);
        return;
    }
    double ms = lua_isnumber(state, -1) ? lua_tonumber(state, -1) : -1;
    lua_pop(state, 1);
    if (ms < 0)
        uv_timer_stop(revision->pump);
    else
        uv_timer_start(revision->pump, on_pump, (uint64_t)ms + (ms > 0), 0);
}

/* Call app:METHOD(id): "finish", or "gone". */
static void end_call(lion_revision *revision, const char *method, lua_Number id)
{
    lua_State *state = revision->state;
    lua_pushnumber(state, id);
    if (!call_app(state, revision, method, 0)) tell(state);
    arm(revision);
}

/* ---- streams ---- */

static void stream_finish(call *self, bool is_whole)
{
    lion_http_set_user(self->exchange, NULL);
    if (self->is_stalled) unlink_call(&self->revision->stalled, self);
    if (is_whole)
        lion_http_stream_end(self->exchange);
    else
        lion_http_abort(self->exchange);
    end_call(self->revision, "finish", self->id);
    call_close(self);
}

/* There is no piece yet. */
static void stream_stall(call *self)
{
    self->is_stalled = true;
    link_call(&self->revision->stalled, self);
    arm(self->revision);
}

static void on_stream_turn(uv_timer_t *timer)
{
    call *self = timer->data;
    lua_State *state = self->revision->state;
    for (int i = 0; i < LION_STREAM_PIECES_MAX && !self->is_gone; i++) {
        lua_rawgeti(state, LUA_REGISTRYINDEX, self->next);
        bool is_sound = lua_pcall(state, 0, 1, 0) == 0;
        bool is_piece = is_sound && lua_isstring(state, -1);
        bool is_pending = is_sound && lua_isboolean(state, -1);
        size_t size = 0, queued = 0;
        const char *data = is_piece ? lua_tolstring(state, -1, &size) : NULL;
        if (is_piece) queued = lion_http_stream_piece(self->exchange, data, size);
        lua_pop(state, 1);
        if (is_pending) {
            stream_stall(self);
            return;
        }
        if (!is_piece) {
            stream_finish(self, is_sound);
            return;
        }
        if (queued > LION_STREAM_QUEUED_MAX) {
            uv_timer_start(timer, on_stream_turn, LION_STREAM_POLL_MS, 0);
            return;
        }
    }
    if (self->is_gone)
        stream_finish(self, false);
    else
        uv_timer_start(timer, on_stream_turn, 0, 0);
}

/* Takes the function of pieces from the top. To HEAD nothing is streamed. */
static void stream_start(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    const lion_http_request *request = lion_http_request_view(exchange);
    lua_Number id = (lua_Number)request->id;
    call *self = strcmp(request->method, "HEAD") == 0 ? NULL : call_new(revision, loop, exchange);
    if (self == NULL) {
        lua_pop(revision->state, 1);
        lion_http_stream_end(exchange);
        end_call(revision, "finish", id);
        return;
    }
    self->next = luaL_ref(revision->state, LUA_REGISTRYINDEX);
    on_stream_turn(&self->timer);
}

/* ---- answers ---- */

/* A step will answer it. */
static void wait_start(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    lua_Number id = (lua_Number)lion_http_request_view(exchange)->id;
    call *self = call_new(revision, loop, exchange);
    if (self == NULL) {
        respond_failure(exchange, "out of memory");
        end_call(revision, "gone", id);
        return;
    }
    link_call(&revision->waiting, self);
}

/* Answer with what the application returned: status, headers, body, size, on the top of the stack.
 */
static void answer(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    lua_State *state = revision->state;
    int body_at = lua_gettop(state) - 1;
    if (!lua_isnumber(state, body_at - 2)) {
        wait_start(revision, loop, exchange);
        return;
    }
    int status = (int)lua_tointeger(state, body_at - 2);
    size_t count = 0;
    lion_http_header room[LION_HEADERS_ROOM];
    lion_http_header *headers =
        lion_read_headers(state, body_at - 1, room, LION_HEADERS_ROOM, &count);
    if (lua_isfunction(state, body_at)) {
        bool is_sized = lua_isnumber(state, body_at + 1);
        size_t size = is_sized ? (size_t)lua_tonumber(state, body_at + 1) : LION_HTTP_SIZE_UNKNOWN;
        lion_http_stream_begin(exchange, status, headers, count, size);
        lua_pushvalue(state, body_at);
        stream_start(revision, loop, exchange);
    } else {
        size_t size = 0;
        const char *body = lua_tolstring(state, body_at, &size);
        lion_http_respond(exchange, status, headers, count, body, size);
    }
    if (headers != room) free(headers);
}

/* Call app:handle(the request on the top, which is taken) and answer with what it returns. */
static void call_and_answer(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    lua_State *state = revision->state;
    int top = lua_gettop(state) - 1;
    if (call_app(state, revision, "handle", 4))
        answer(revision, loop, exchange);
    else
        respond_failure(exchange, lua_tostring(state, -1));
    lua_settop(state, top);
    if (revision->waiting != NULL) arm(revision);
}

/* ---- steps ---- */

/* Answer the waiting request of this id with what stands above it on the stack. */
static void answer_waiting(lion_revision *revision, lua_Number id)
{
    call *self = revision->waiting;
    while (self != NULL && self->id != id) self = self->after;
    if (self == NULL) return;
    unlink_call(&revision->waiting, self);
    lion_http_set_user(self->exchange, NULL);
    answer(revision, self->timer.loop, self->exchange);
    call_close(self);
}

static void step(lion_revision *revision)
{
    lua_State *state = revision->state;
    int top = lua_gettop(state);
    lua_pushnil(state);
    if (!call_app(state, revision, "step", 5)) {
        tell(state);
        return;
    }
    if (lua_isnumber(state, top + 1)) answer_waiting(revision, lua_tonumber(state, top + 1));
    lua_settop(state, top);
}

static bool is_step_due(lion_revision *revision)
{
    arm(revision);
    bool is_due = uv_is_active((uv_handle_t *)revision->pump);
    return is_due && uv_timer_get_due_in(revision->pump) == 0;
}

static void on_pump(uv_timer_t *timer)
{
    lion_revision *revision = lion_revision_keep(timer->data);
    int steps = 0;
    do step(revision);
    while (++steps < LION_STEPS_MAX && is_step_due(revision));
    while (revision->stalled != NULL) {
        call *each = revision->stalled;
        revision->stalled = each->after;
        each->is_stalled = false;
        uv_timer_start(&each->timer, on_stream_turn, 0, 0);
    }
    arm(revision);
    lion_revision_drop(revision);
}

/* ---- requests to others ---- */

enum { FETCH_DONE = 17, FETCH_FAILED = 18 }; /* as a node's writer answers */

typedef struct delivery {
    const lion_revision *revision;
    lua_Number token;
    bool is_sound;
    lion_slice head, body;
} delivery;

/* app:deliver(token, kind, the answer) */
static int deliver(lua_State *state)
{
    const delivery *self = lua_touserdata(state, 1);
    lua_rawgeti(state, LUA_REGISTRYINDEX, self->revision->app);
    lua_getfield(state, -1, "deliver");
    lua_insert(state, -2);
    lua_pushnumber(state, self->token);
    lua_pushinteger(state, self->is_sound ? FETCH_DONE : FETCH_FAILED);
    lua_pushlstring(state, (const char *)self->head.data, self->head.size);
    lua_pushliteral(state, "\n");
    lua_pushlstring(state, (const char *)self->body.data, self->body.size);
    lua_concat(state, 3);
    lua_call(state, 4, 0);
    return 0;
}

static void on_fetched(void *context, uint64_t id, bool is_sound, lion_slice head, lion_slice body)
{
    lion_revision *revision = context;
    delivery made = { .revision = revision,
                      .token = (lua_Number)id,
                      .is_sound = is_sound,
                      .head = head,
                      .body = body };
    if (lua_cpcall(revision->state, deliver, &made) != 0) tell(revision->state);
    arm(revision);
}

/* ---- requests ---- */

/* The timer is of the loop that its requests come from. */
static bool have_pump(lion_revision *revision, uv_loop_t *loop)
{
    if (revision->pump != NULL) return true;
    revision->pump = malloc(sizeof *revision->pump);
    if (revision->pump == NULL) return false;
    uv_timer_init(loop, revision->pump);
    uv_unref((uv_handle_t *)
                 revision->pump); /* requests keep the loop going, not what their tasks left */
    revision->pump->data = revision;
    revision->curl = lion_curl_new(loop, on_fetched, revision);
    lion_curl_attach(revision->state, revision->curl);
    return true;
}

void lion_revision_start(lion_revision *revision, uv_loop_t *loop)
{
    if (!have_pump(revision, loop)) return;
    lua_pushnil(revision->state);
    if (!call_app(revision->state, revision, "start", 0)) tell(revision->state);
    arm(revision);
}

/* Nobody waits for the answer any more. */
static void on_waiter_gone(uv_timer_t *timer)
{
    call *self = timer->data;
    unlink_call(&self->revision->waiting, self);
    lion_http_abort(self->exchange); /* gives the exchange back */
    end_call(self->revision, "gone", self->id);
    call_close(self);
}

void lion_revision_gone(lion_http_exchange *exchange)
{
    call *self = lion_http_user(exchange);
    if (self == NULL) {
        lion_http_abort(exchange); /* gives the exchange back */
        return;
    }
    self->is_gone = true;
    if (self->next == LUA_NOREF)
        uv_timer_start(&self->timer, on_waiter_gone, 0, 0);
    else if (self->is_stalled)
        uv_timer_start(&self->timer, on_stream_turn, 0, 0);
}

void lion_revision_handle(lion_revision *revision, uv_loop_t *loop, lion_http_exchange *exchange)
{
    if (!have_pump(revision, loop)) {
        respond_failure(exchange, "out of memory");
        return;
    }
    push_request(revision->state, lion_http_request_view(exchange));
    call_and_answer(revision, loop, exchange);
}
