/* arena.h - memory of one piece of work (a query, a transaction, a batch), freed in one stroke.
 * Allocation never returns NULL to its caller: when the system refuses memory, the arena latches
 * `is_exhausted`, hands out a shared scratch block of at most LION_ARENA_SCRATCH bytes for small
 * requests and longjmps nowhere; callers check lion_arena_check() once a step and answer
 * lion/out-of-memory. Requests larger than the scratch that fail return NULL (documented per call).
 * A byte budget is soft: checked by lion_arena_check, so an overshoot is bounded by one step. Beyond it the error is
 * lion/limit, with ENOMEM as its system_code.
 * One thread at a time. Under ASan rewound memory is poisoned. */
#ifndef LION_BASE_ARENA_H
#define LION_BASE_ARENA_H

#include "base/error.h"
#include "base/slice.h"

typedef struct lion_arena_chunk lion_arena_chunk;

typedef struct lion_arena_mark {
    lion_arena_chunk *chunk;
    uint8_t *next;
    uint64_t large_count;
    struct lion_arena_ending *endings;
} lion_arena_mark;

/* As lion_arena_init, for work that is short and comes again and again: begins with a chunk that such work gave back, if
 * one is there. A small budget gets none. */
void lion_arena_init_again(lion_arena *arena, size_t budget);

void *lion_arena_zalloc(lion_arena *arena, size_t size);
/* Grow the block at `old` (old_size bytes); in place when it is the newest one. Nobody may look at the old place. */
void *lion_arena_grow(lion_arena *arena, void *old, size_t old_size, size_t new_size);
/* A block that comes from alloc, zalloc or grow (size bytes) is no longer wanted. Large ones go back to the system at once, others
 * may be what is allocated next. NULL is allowed. */
void lion_arena_release(lion_arena *arena, void *block, size_t size);
bool lion_arena_is_large(size_t size);
/* A block of any size that goes back by lion_arena_give, or with the arena. NULL: there is no memory (and the arena has latched
 * it). */
void *lion_arena_take(lion_arena *arena, size_t size);
void lion_arena_give(lion_arena *arena, void *block); /* NULL is allowed */

/* Call end(argument) when the memory that is allocated now goes: at deinit, reset, or a rewind to a mark before. The newest
 * comes first. false: out of memory, and it will not be called. */
bool lion_arena_at_end(lion_arena *arena, void (*end)(void *argument), void *argument);

/* Call them now; the memory stays. No mark that was set since the first of them may be returned to. */
void lion_arena_end(lion_arena *arena);

#define lion_arena_new(arena, type) ((type *)lion_arena_zalloc((arena), sizeof(type)))
#define lion_arena_array(arena, type, count)                                                       \
    ((type *)lion_arena_alloc((arena), sizeof(type) * (size_t)(count)))

/* The bytes that were handed out, and what lies idle between them. */
static inline size_t lion_arena_filled(const lion_arena *arena)
{
    return arena->used - (size_t)(arena->end - arena->next);
}

/* The most of them that there were at once since init, or the last reset: what `peak` says, which is
 * looked at where blocks come and go, and now. */
size_t lion_arena_peak(lion_arena *arena);

/* A zero-terminated copy. */
char *lion_arena_text(lion_arena *arena, lion_slice bytes);
char *lion_arena_printf(lion_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

lion_arena_mark lion_arena_set_mark(const lion_arena *arena);
void lion_arena_rewind(lion_arena *arena, lion_arena_mark mark);

#endif
