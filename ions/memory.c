/* memory.c - LuaJIT's own allocator with a counter before it. */
#include "memory.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "bind/state.h"

#define HEADROOM ((size_t)16 << 20)

struct lion_memory {
    lua_State *state;
    lua_Alloc allocate; /* the state's own */
    void *context;
    size_t max;
    atomic_size_t used;
    atomic_bool is_exhausted;
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

bool lion_memory_is_exhausted(const lion_memory *self)
{
    return atomic_load(&self->is_exhausted);
}

size_t lion_memory_used(const lion_memory *self)
{
    return atomic_load_explicit(&self->used, memory_order_relaxed);
}
