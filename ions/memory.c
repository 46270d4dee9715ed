/* memory.c - LuaJIT's own allocator with a counter before it. */
#include "memory.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bind/state.h"
#include "next.h"

#define HEADROOM ((size_t)16 << 20)
/* A cycle of the collector begins when so many percent of what the last one left are in use, and
 * takes steps so large in relation to what is allocated meanwhile. */
#define PAUSE 200 /* as LuaJIT has it */
#define STEP 200
#define PAUSE_EAGER 110
#define STEP_EAGER 800

struct lion_memory {
    lua_State *state;
    lua_Alloc allocate; /* the state's own */
    void *context;
    size_t max;
    atomic_size_t used;
    atomic_bool is_exhausted;
    bool is_eager;
};

static void *allocate(void *context, void *block, size_t size, size_t wanted)
{
    lion_memory *self = context;
    size_t used = atomic_load_explicit(&self->used, memory_order_relaxed);
    if (wanted > size && used + (wanted - size) > self->max) {
        bool was_exhausted = atomic_exchange(&self->is_exhausted, true);
        if (!was_exhausted) self->max += HEADROOM;
        return NULL;
    }
    void *made = self->allocate(self->context, block, size, wanted);
    if (made != NULL || wanted == 0)
        atomic_store_explicit(&self->used, used + wanted - size, memory_order_relaxed);
    return made;
}

lua_State *lion_bounded_state(size_t max, lion_memory **out)
{
    lion_memory *self = calloc(1, sizeof *self);
    lua_State *state = self == NULL ? NULL : lion_lua_new();
    *out = self;
    if (state == NULL) {
        free(self);
        *out = NULL;
        return NULL;
    }
    lion_next_replace(state);
    self->state = state;
    self->max = max;
    self->used =
        ((size_t)lua_gc(state, LUA_GCCOUNT, 0) << 10) + (size_t)lua_gc(state, LUA_GCCOUNTB, 0);
    self->allocate = lua_getallocf(state, &self->context);
    lua_setallocf(state, allocate, self);
    return state;
}

void lion_bounded_close(lion_memory *self)
{
    if (self == NULL) return;
    lua_setallocf(self->state, self->allocate,
                  self->context); /* that is how it knows its arena, which goes as a whole */
    lua_close(self->state);
    free(self);
}

void lion_memory_balance(lion_memory *self)
{
    size_t used = lion_memory_used(self);
    bool is_eager = used > (self->is_eager ? self->max / 4 : self->max / 3);
    if (is_eager == self->is_eager) return;
    self->is_eager = is_eager;
    (void)lua_gc(self->state, LUA_GCSETPAUSE, is_eager ? PAUSE_EAGER : PAUSE);
    (void)lua_gc(self->state, LUA_GCSETSTEPMUL, is_eager ? STEP_EAGER : STEP);
}

bool lion_memory_is_exhausted(const lion_memory *self)
{
    return atomic_load(&self->is_exhausted);
}

size_t lion_memory_used(const lion_memory *self)
{
    return atomic_load_explicit(&self->used, memory_order_relaxed);
}
