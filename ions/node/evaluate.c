/* evaluate.c - runs one chunk of Lua that the door was sent, says on the bus what came of it, ends.
 * The supervisor ends one that takes too long, so nothing here has to come back. */
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory.h"
#include "module.h"
#include "node/execute.h"

#define MEMORY_MAX ((uint64_t)512 << 20)

typedef struct evaluator {
    const lion_node_options *options;
    char socket_path[4096];
    uv_loop_t loop;
    uv_work_t work;
    lion_bus *bus;
    uint8_t *asked; /* as it came; NULL: nothing yet */
    size_t asked_size;
    uint8_t *told; /* NULL: there is no memory even to say so */
    size_t told_size;
    bool is_over;
} evaluator;

/* ions.evaluate.run({ folder = }, asked) → told */
static int run_chunk(lua_State *lua)
{
    evaluator *self = lua_touserdata(lua, 1);
    size_t size = 0;
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "ions.evaluate");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "run");
    lua_newtable(lua);
    lua_pushstring(lua, self->options->primary);
    lua_setfield(lua, -2, "folder");
    lua_pushlstring(lua, (const char *)self->asked, self->asked_size);
    lua_call(lua, 2, 1);
    const char *bytes = luaL_checklstring(lua, -1, &size);
    self->told = malloc(size + 1);
    if (self->told == NULL) return 0;
    memcpy(self->told, bytes, size);
    self->told_size = size;
    return 0;
}

static void on_work(uv_work_t *work)
{
    evaluator *self = work->data;
    lion_memory *memory = NULL;
    uint64_t max = self->options->memory_max;
    lua_State *lua = lion_bounded_state((size_t)(max == 0 ? MEMORY_MAX : max), &memory);
    if (lua == NULL) return;
    lion_ions_preload(lua);
    execute_port_preload(lua, self->socket_path);
    lua_pushcfunction(lua, run_chunk);
    lua_pushlightuserdata(lua, self);
    if (lua_pcall(lua, 1, 0, 0) != 0) {
        const char *text = lua_tostring(lua, -1);
        fprintf(stderr, "lion: a chunk failed: %s\n", text == NULL ? "without a message" : text);
    }
}

static void on_done(uv_work_t *work, int status)
{
    evaluator *self = work->data;
    lion_bus_message told = {
        .to = LION_BUS_DOOR, .kind = LION_BUS_TRIED, .payload = self->told, .size = self->told_size
    };
    (void)status;
    if (self->told != NULL) (void)lion_bus_send(self->bus, &told);
    self->is_over = true;
}

static void on_message(void *context, lion_bus_message *message)
{
    evaluator *self = context;
    if (message->kind == LION_BUS_STOP) _exit(0);
    if (message->kind != LION_BUS_TRY || self->asked != NULL) return;
    self->asked = malloc(message->size + 1);
    if (self->asked == NULL) _exit(1);
    memcpy(self->asked, message->payload, message->size);
    self->asked_size = message->size;
    (void)uv_queue_work(&self->loop, &self->work, on_work, on_done);
}

static void on_closed(void *context)
{
    (void)context;
    _exit(0); /* the supervisor is gone */
}

int lion_node_evaluate(const lion_node_options *options)
{
    static evaluator self;
    lion_bus_events events = { .message = on_message, .closed = on_closed, .context = &self };
    self.options = options;
    self.work.data = &self;
    snprintf(self.socket_path, sizeof self.socket_path, "%s/writer.sock", options->primary);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)fcntl(options->bus_fd, F_SETFD, FD_CLOEXEC);
    if (uv_loop_init(&self.loop) != 0) return 1;
    self.bus = lion_bus_open(&self.loop, options->bus_fd, &events);
    if (self.bus == NULL) return 1;
    while (!self.is_over || lion_bus_waiting(self.bus) > 0) (void)uv_run(&self.loop, UV_RUN_ONCE);
    (void)fflush(stderr);
    _exit(0);
}
