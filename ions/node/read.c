/* read.c - the door's readers: Lua states that answer long questions, so that its own thread goes
 * on meanwhile.
 *
 * A reader is made when it is first asked something, and has one question at a time; others wait in
 * its queue. It runs on a thread of the loop's pool, and nobody else looks at its state. What goes
 * in and comes out are bytes (ions/lua/door/reader.lua). */
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "bind/state.h"
#include "module.h"
#include "node/worker.h"

#define MEMORY_MAX ((uint64_t)512 << 20)

struct lion_node_reader {
    lion_worker *worker;
    lua_State *lua; /* NULL: not made yet */
    lion_memory *memory;
    int object;              /* registry reference of ions.door.reader */
    lion_item *first, *last; /* that wait; the first one is being answered while is_busy */
    bool is_busy;
    volatile int is_cancelled; /* nobody waits for what is being answered */
    uv_work_t work;
    lion_item *answer; /* NULL: out of memory */
};

/* ---- on the pool's thread ---- */

static int make_object(lua_State *lua)
{
    const lion_worker *worker = lua_touserdata(lua, 1);
    lua_getglobal(lua, "require");
    lua_pushliteral(lua, "ions.door.reader");
    lua_call(lua, 1, 1);
    lua_getfield(lua, -1, "new");
    lua_pushstring(lua, worker->options->primary);
    lua_call(lua, 1, 1);
    return 1;
}

static bool open_state(lion_node_reader *self)
{
    uint64_t max = self->worker->options->memory_max;
    if (self->lua != NULL) return true;
    self->lua = lion_bounded_state((size_t)(max == 0 ? MEMORY_MAX : max), &self->memory);
    if (self->lua == NULL) return false;
    lion_ions_preload(self->lua);
    lua_pushcfunction(self->lua, make_object);
    lua_pushlightuserdata(self->lua, self->worker);
    if (lua_pcall(self->lua, 1, 1, 0) != 0) return false;
    self->object = luaL_ref(self->lua, LUA_REGISTRYINDEX);
    return true;
}

/* One that ran out of memory, or whose answer failed, is made anew. */
static void close_state(lion_node_reader *self)
{
    if (self->memory != NULL) lion_bounded_close(self->memory);
    self->lua = NULL;
    self->memory = NULL;
}

/* reader:answer(bytes) → bytes */
static int call_answer(lua_State *lua)
{
    lion_node_reader *self = lua_touserdata(lua, 1);
    size_t size = 0;
    lua_rawgeti(lua, LUA_REGISTRYINDEX, self->object);
    lua_getfield(lua, -1, "answer");
    lua_insert(lua, -2);
    lua_pushlstring(lua, (const char *)self->first->bytes, self->first->size);
    lua_call(lua, 2, 1);
    const char *bytes = luaL_checklstring(lua, -1, &size);
    self->answer = lion_item_new(LION_ITEM_FRAME, bytes, size);
    return 0;
}

static void on_work(uv_work_t *work)
{
    lion_node_reader *self = work->data;
    lion_lua_thread_is_cancelled = &self->is_cancelled;
    bool is_sound = open_state(self);
    if (is_sound) {
        lua_pushcfunction(self->lua, call_answer);
        lua_pushlightuserdata(self->lua, self);
        is_sound = lua_pcall(self->lua, 1, 0, 0) == 0;
    }
    lion_lua_thread_is_cancelled = NULL;
    if (is_sound && !lion_memory_is_exhausted(self->memory)) {
        lion_memory_balance(self->memory);
        return;
    }
    close_state(self);
}

/* ---- on the loop's ---- */

static void start_next(lion_node_reader *self);

/* Without an answer the door is told that the reader was lost, as it is of the writer. */
static void on_done(uv_work_t *work, int status)
{
    lion_node_reader *self = work->data;
    lion_item *asked = self->first, *answer = self->answer;
    (void)status;
    self->answer = NULL;
    self->first = (lion_item *)(void *)asked->link.next;
    if (self->first == NULL) self->last = NULL;
    self->is_busy = false;
    int code = answer == NULL ? LION_FRAME_LOST : LION_FRAME_DONE;
    if (answer == NULL) answer = lion_item_new(LION_ITEM_FRAME, NULL, 0);
    if (answer != NULL) {
        answer->code = code;
        answer->id = asked->id;
        lion_inbox_put(&self->worker->inbox, &answer->link);
    }
    free(asked);
    start_next(self);
}

static void start_next(lion_node_reader *self)
{
    if (self->is_busy || self->first == NULL) return;
    self->is_busy = true;
    self->is_cancelled = 0;
    self->work.data = self;
    (void)uv_queue_work(&self->worker->loop, &self->work, on_work, on_done);
}

void lion_worker_read(lion_worker *worker, lion_item *item)
{
    lion_node_reader **place = &worker->readers[item->to % LION_READERS];
    if (*place == NULL) {
        *place = calloc(1, sizeof **place);
        if (*place == NULL) { /* the request's own deadline answers */
            free(item);
            return;
        }
        (*place)->worker = worker;
    }
    lion_node_reader *self = *place;
    item->link.next = NULL;
    if (self->last == NULL)
        self->first = item;
    else
        self->last->link.next = &item->link;
    self->last = item;
    start_next(self);
}

/* Of a question that still waits nothing is left to answer. */
static void cancel_in(lion_node_reader *self, uint64_t id)
{
    for (lion_item *each = self->first; each != NULL; each = (lion_item *)(void *)each->link.next) {
        if (each->id != id) continue;
        if (each == self->first)
            self->is_cancelled = 1;
        else
            each->size = 0;
        return;
    }
}

void lion_worker_stop_reading(lion_worker *worker, uint64_t id)
{
    for (size_t i = 0; i < LION_READERS; i++)
        if (worker->readers[i] != NULL) cancel_in(worker->readers[i], id);
}
