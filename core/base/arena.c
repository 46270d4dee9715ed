/* arena.c - chunks linked from the newest back; allocation bumps a pointer in the newest.
 *
 * Large blocks are the heap's own, each by itself: they grow where they are or move as a whole, and
 * can be given back, so that a table that doubles leaves nothing behind.
 *
 * Smaller blocks that are given back, or left behind by one that grew, wait in lists by their size for
 * whoever wants one as large: what doubles from little to much leaves its first steps to the next.
 *
 * Chunks double from 4 KiB to 256 KiB, then are a quarter of what is there, up to 1 MiB: a small
 * query costs one small malloc, a large one few, and little of the last one lies idle. Where there is a
 * budget, none but the first is more than a part of it. When malloc
 * refuses, small requests are served from one process-wide scratch block that nobody reads for
 * results: its contents are garbage shared by all, and lion_arena_check tells the work to stop. */
#include "base/arena.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/fault.h"
#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define IS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_ASAN 1
#endif
#endif

#ifdef IS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(at, size) __asan_poison_memory_region((at), (size))
#define UNPOISON(at, size) __asan_unpoison_memory_region((at), (size))
#else
#define POISON(at, size) ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
#endif

#define ALIGNMENT 16
#define CHUNK_SIZE_FIRST 4096
#define CHUNK_SIZE_DOUBLED (256u * 1024u)
#define CHUNK_SIZE_MAX (1u << 20)
#define CHUNK_PART 4
#ifdef IS_ASAN
#define LARGE_MIN 4096u /* so that whoever reads a block that has moved is found */
#define PAGES_MIN SIZE_MAX
#define IS_REUSED 0
#else
#define LARGE_MIN (24u * 1024u) /* more than a batch of values: what doubles leaves little behind */
#define PAGES_MIN ((size_t)8 << 20) /* what is larger grows without being copied */
#define IS_REUSED 1
#endif

struct lion_arena_chunk {
    lion_arena_chunk *older;
    size_t size; /* room behind this header */
};

typedef struct lion_arena_large large;
struct lion_arena_large {
    large *older, *newer; /* of the arena's */
    size_t size;          /* room behind this header */
    uint64_t number;      /* they are counted, for marks */
};

_Static_assert(sizeof(lion_arena_chunk) % ALIGNMENT == 0, "room starts aligned");
_Static_assert(sizeof(large) % ALIGNMENT == 0, "room starts aligned");

/* Written by any thread whose memory ran out, read by none for its answer: not marked const, never
 * initialised, costs no page until it is needed. */
static _Alignas(ALIGNMENT) uint8_t scratch[LION_ARENA_SCRATCH];

static uint8_t *chunk_room(lion_arena_chunk *chunk)
{
    return (uint8_t *)(chunk + 1);
}

static void chunk_free(lion_arena_chunk *chunk)
{
    UNPOISON(chunk_room(chunk), chunk->size); /* malloc's own bookkeeping may look there */
    lion_free(chunk);
}

void lion_arena_init(lion_arena *arena, size_t budget)
{
    *arena = (lion_arena){ .budget = budget };
}

/* ---- chunks that are used again ----
 *
 * A few chunks of one size wait here for the next piece of work, of any thread: taken and given
 * back by exchange. Not under ASan, where each piece of work has memory of its own. */
#define SPARE_SIZE (CHUNK_SIZE_DOUBLED - (unsigned)sizeof(lion_arena_chunk))
#define SPARE_COUNT 8
#define SPARE_PART 16 /* of the budget, at most */

#ifdef IS_ASAN
static const bool has_spares = false;
#else
static const bool has_spares = true;
#endif

static lion_arena_chunk *spares[SPARE_COUNT]; /* atomic */

static lion_arena_chunk *take_spare(void)
{
    for (unsigned i = 0; i < SPARE_COUNT; i++) {
        if (__atomic_load_n(&spares[i], __ATOMIC_RELAXED) == NULL) continue;
        lion_arena_chunk *chunk = __atomic_exchange_n(&spares[i], NULL, __ATOMIC_ACQUIRE);
        if (chunk != NULL) return chunk;
    }
    return NULL;
}

static bool keep_spare(lion_arena_chunk *chunk)
{
    if (!has_spares || chunk->size != SPARE_SIZE) return false;
    for (unsigned i = 0; i < SPARE_COUNT; i++) {
        lion_arena_chunk *empty = NULL;
        if (__atomic_compare_exchange_n(&spares[i], &empty, chunk, false, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

void lion_arena_init_again(lion_arena *arena, size_t budget)
{
    lion_arena_init(arena, budget);
    if (!has_spares || (budget != 0 && budget / SPARE_PART < SPARE_SIZE)) return;
    lion_arena_chunk *chunk = take_spare();
    if (chunk == NULL) chunk = lion_alloc(sizeof(*chunk) + SPARE_SIZE);
    if (chunk == NULL) return; /* it begins small */
    *chunk = (lion_arena_chunk){ .size = SPARE_SIZE };
    arena->chunk = chunk;
    arena->next = chunk_room(chunk);
    arena->end = arena->next + SPARE_SIZE;
    arena->used = SPARE_SIZE;
}

static void free_chunks_after(lion_arena_chunk *newest, const lion_arena_chunk *kept)
{
    while (newest != kept) {
        lion_arena_chunk *older = newest->older;
        if (!keep_spare(newest)) chunk_free(newest);
        newest = older;
    }
}

/* ---- large blocks ---- */

size_t lion_arena_peak(lion_arena *arena)
{
    size_t filled = lion_arena_filled(arena);
    if (filled > arena->peak) arena->peak = filled;
    return arena->peak;
}

static void count_in(lion_arena *arena, size_t size)
{
    arena->used += size;
    (void)lion_arena_peak(arena);
}

static void link_large(lion_arena *arena, large *block)
{
    block->newer = NULL;
    block->older = arena->large;
    if (block->older != NULL) block->older->newer = block;
    arena->large = block;
}

static void unlink_large(lion_arena *arena, large *block)
{
    if (block->newer != NULL)
        block->newer->older = block->older;
    else
        arena->large = block->older;
    if (block->older != NULL) block->older->newer = block->newer;
}

static void *large_alloc(size_t size, bool is_zeroed)
{
    if (size >= PAGES_MIN) return lion_pages_alloc(size);
    return is_zeroed ? lion_zalloc(size) : lion_alloc(size);
}

static large *large_grow(large *block, size_t size)
{
    size_t old_size = block->size + sizeof(large);
    if (old_size >= PAGES_MIN) return lion_pages_grow(block, old_size, size);
    if (size < PAGES_MIN) return lion_realloc(block, size);
    large *moved = lion_pages_alloc(size);
    if (moved == NULL) return NULL;
    memcpy(moved, block, old_size);
    lion_free(block);
    return moved;
}

static void large_free(large *block)
{
    size_t size = block->size + sizeof(large);
    if (size >= PAGES_MIN)
        lion_pages_free(block, size);
    else
        lion_free(block);
}

static void *add_large(lion_arena *arena, size_t size, bool is_zeroed)
{
    size_t total;
    if (!lion_size_add(&total, size, sizeof(large))) return NULL;
    if (LION_FAULT_POINT("arena.grow") != LION_FAULT_NONE) return NULL;
    large *block = large_alloc(total, is_zeroed);
    if (block == NULL) return NULL;
    block->size = size;
    block->number = ++arena->large_count;
    link_large(arena, block);
    count_in(arena, size);
    return block + 1;
}

static void *grow_large(lion_arena *arena, void *old, size_t size)
{
    large *block = (large *)old - 1;
    size_t old_size = block->size, total;
    if (size <= old_size) return old;
    if (!lion_size_add(&total, size, sizeof(large))) return NULL;
    if (LION_FAULT_POINT("arena.grow") != LION_FAULT_NONE) return NULL;
    large *moved = large_grow(block, total);
    if (moved == NULL) return NULL;
    if (moved->newer != NULL)
        moved->newer->older = moved;
    else
        arena->large = moved;
    if (moved->older != NULL) moved->older->newer = moved;
    moved->size = size;
    count_in(arena, size - old_size);
    return moved + 1;
}

static void free_large(lion_arena *arena, large *block)
{
    (void)lion_arena_peak(arena);
    unlink_large(arena, block);
    arena->used -= block->size;
    large_free(block);
}

/* Those that are newer than the number. */
static void free_large_after(lion_arena *arena, uint64_t number)
{
    while (arena->large != NULL && arena->large->number > number) free_large(arena, arena->large);
}

void *lion_arena_take(lion_arena *arena, size_t size)
{
    void *block = add_large(arena, size, false);
    if (block == NULL) arena->is_exhausted = true;
    return block;
}

void lion_arena_give(lion_arena *arena, void *block)
{
    if (block != NULL) free_large(arena, (large *)block - 1);
}

/* ---- blocks that are used again ---- */

#define RELEASED_BITS 9 /* the first list's blocks have at least two to the power of it bytes */
_Static_assert(LARGE_MIN <= UINT64_C(1) << (RELEASED_BITS + LION_ARENA_RELEASED),
               "each block that is not large has a list");

typedef struct lion_arena_released released;
struct lion_arena_released {
    released *next;
};

static unsigned bits_of(size_t size)
{
    return 63 - (unsigned)__builtin_clzll(size);
}

static void keep_released(lion_arena *arena, void *block, size_t size)
{
    POISON(block, size);
    if (!IS_REUSED || size < (size_t)1 << RELEASED_BITS || arena->is_exhausted) return;
    released **list = &arena->released[bits_of(size) - RELEASED_BITS], *first = block;
    first->next = *list;
    *list = first;
}

/* One of at least so many bytes; NULL: there is none. */
static void *take_released(lion_arena *arena, size_t size)
{
    unsigned at = size <= (size_t)1 << RELEASED_BITS ? 0 : bits_of(size - 1) + 1 - RELEASED_BITS;
    released *block = at < LION_ARENA_RELEASED ? arena->released[at] : NULL;
    if (block != NULL) arena->released[at] = block->next;
    return block;
}

static void forget_released(lion_arena *arena)
{
    memset(arena->released, 0, sizeof arena->released);
}

bool lion_arena_is_large(size_t size)
{
    return size >= LARGE_MIN;
}

void lion_arena_release(lion_arena *arena, void *block, size_t size)
{
    if (block == NULL || block == scratch) return;
    if (size >= LARGE_MIN)
        lion_arena_give(arena, block);
    else
        keep_released(arena, block, size);
}

/* ---- endings ---- */

struct lion_arena_ending {
    struct lion_arena_ending *older;
    void (*end)(void *argument);
    void *argument;
};

bool lion_arena_at_end(lion_arena *arena, void (*end)(void *argument), void *argument)
{
    struct lion_arena_ending *ending = lion_arena_alloc(arena, sizeof *ending);
    if (ending == NULL || arena->is_exhausted) return false;
    *ending =
        (struct lion_arena_ending){ .older = arena->endings, .end = end, .argument = argument };
    arena->endings = ending;
    return true;
}

static void end_until(lion_arena *arena, const struct lion_arena_ending *kept)
{
    while (arena->endings != kept) {
        struct lion_arena_ending *ending = arena->endings;
        arena->endings = ending->older;
        ending->end(ending->argument);
    }
}

void lion_arena_end(lion_arena *arena)
{
    end_until(arena, NULL);
}

/* ---- the whole ---- */

void lion_arena_deinit(lion_arena *arena)
{
    end_until(arena, NULL);
    free_large_after(arena, 0);
    free_chunks_after(arena->chunk, NULL);
    *arena = (lion_arena){ .budget = arena->budget };
}

/* All chunks but one. */
static void reset_chunks(lion_arena *arena)
{
    lion_arena_chunk *kept = arena->chunk;
    if (kept == NULL) return;

    free_chunks_after(kept->older, NULL);
    kept->older = NULL;
    arena->next = chunk_room(kept);
    arena->end = arena->next + kept->size;
    POISON(arena->next, kept->size);
}

void lion_arena_reset(lion_arena *arena)
{
    end_until(arena, NULL);
    free_large_after(arena, 0);
    forget_released(arena);
    reset_chunks(arena);
    arena->used = arena->chunk == NULL ? 0 : arena->chunk->size;
    arena->peak = 0;
    arena->is_exhausted = false;
}

/* A new newest chunk with room for `size` bytes. */
static bool add_chunk(lion_arena *arena, size_t size)
{
    size_t room = arena->chunk != NULL ? arena->chunk->size * 2 : CHUNK_SIZE_FIRST;
    size_t most = arena->used / CHUNK_PART < CHUNK_SIZE_DOUBLED ? CHUNK_SIZE_DOUBLED
                                                                : arena->used / CHUNK_PART;
    if (most > CHUNK_SIZE_MAX) most = CHUNK_SIZE_MAX;
    if (room > most) room = most;
    if (arena->budget != 0 && room > arena->budget / SPARE_PART)
        room = arena->budget / SPARE_PART;
    if (room < CHUNK_SIZE_FIRST) room = CHUNK_SIZE_FIRST;
    room -= sizeof(lion_arena_chunk);
    room &= ~(size_t)(ALIGNMENT - 1);
    if (room < size) room = size;

    size_t total;
    if (!lion_size_add(&total, room, sizeof(lion_arena_chunk))) return false;
    if (LION_FAULT_POINT("arena.grow") != LION_FAULT_NONE) return false;
    lion_arena_chunk *chunk = has_spares && room == SPARE_SIZE ? take_spare() : NULL;
    if (chunk == NULL) chunk = lion_alloc(total);
    if (chunk == NULL) return false;

    *chunk = (lion_arena_chunk){ .older = arena->chunk, .size = room };
    arena->chunk = chunk;
    arena->next = chunk_room(chunk);
    arena->end = arena->next + room;
    count_in(arena, room);
    POISON(arena->next, room);
    return true;
}

static void *refuse(lion_arena *arena, size_t size)
{
    arena->is_exhausted = true;
    return size <= LION_ARENA_SCRATCH ? scratch : NULL;
}

void *lion_arena_alloc(lion_arena *arena, size_t size)
{
    if (size >= LARGE_MIN) {
        void *large_block = add_large(arena, size, false);
        return large_block != NULL ? large_block : refuse(arena, size);
    }

    if (size >= (size_t)1 << (RELEASED_BITS - 1)) {
        void *again = take_released(arena, size);
        if (again != NULL) return again;
    }
    size_t rounded = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (rounded == 0) rounded = ALIGNMENT; /* distinct blocks for empty arrays, too */
    if (rounded > (size_t)(arena->end - arena->next) && !add_chunk(arena, rounded))
        return refuse(arena, size);

    void *block = arena->next;
    arena->next += rounded;
    UNPOISON(block, size);
    return block;
}

void *lion_arena_zalloc(lion_arena *arena, size_t size)
{
    bool is_large = size >= LARGE_MIN;
    void *block = is_large ? add_large(arena, size, true) : lion_arena_alloc(arena, size);
    if (block == NULL && is_large)
        block = refuse(arena, size);
    else if (is_large)
        return block;
    if (block != NULL) memset(block, 0, size);
    return block;
}

void *lion_arena_grow(lion_arena *arena, void *old, size_t old_size, size_t new_size)
{
    LION_ASSERT(new_size >= old_size);
    if (old == NULL) return lion_arena_alloc(arena, new_size);
    if (old_size >= LARGE_MIN && old != scratch) {
        void *moved = grow_large(arena, old, new_size);
        return moved != NULL ? moved : refuse(arena, new_size);
    }

    size_t old_rounded = (old_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (old_rounded == 0) old_rounded = ALIGNMENT;
    uint8_t *block = old;
    bool is_newest = arena->chunk != NULL && block + old_rounded == arena->next;
    if (is_newest && new_size < LARGE_MIN && new_size <= (size_t)(arena->end - block)) {
        size_t new_rounded = (new_size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
        if (new_rounded == 0) new_rounded = ALIGNMENT;
        arena->next = block + new_rounded;
        UNPOISON(block, new_size);
        return block;
    }
    void *grown = lion_arena_alloc(arena, new_size);
    if (grown == NULL || grown == old || old_size == 0) return grown;
    memcpy(grown, old, old_size);
    if (old != scratch) keep_released(arena, old, old_size);
    return grown;
}

lion_slice lion_arena_copy(lion_arena *arena, lion_slice bytes)
{
    uint8_t *copy = lion_arena_alloc(arena, bytes.size);
    if (copy == NULL) return (lion_slice){ 0 };
    if (bytes.size > 0) memmove(copy, bytes.data, bytes.size); /* both may be the scratch block */
    return lion_slice_of(copy, bytes.size);
}

char *lion_arena_text(lion_arena *arena, lion_slice bytes)
{
    char *copy = lion_arena_alloc(arena, bytes.size + 1);
    if (copy == NULL) return NULL;
    if (bytes.size > 0) memmove(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return copy;
}

char *lion_arena_printf(lion_arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);

    size_t size = length < 0 ? 1 : (size_t)length + 1;
    char *text = lion_arena_alloc(arena, size);
    if (text != NULL) {
        text[0] = '\0';
        if (length >= 0) vsnprintf(text, size, format, again);
    }
    va_end(again);
    return text;
}

lion_arena_mark lion_arena_set_mark(const lion_arena *arena)
{
    return (lion_arena_mark){ .chunk = arena->chunk,
                              .next = arena->next,
                              .large_count = arena->large_count,
                              .endings = arena->endings };
}

void lion_arena_rewind(lion_arena *arena, lion_arena_mark mark)
{
    (void)lion_arena_peak(arena);
    end_until(arena, mark.endings);
    free_large_after(arena, mark.large_count);
    forget_released(arena);
    for (const lion_arena_chunk *chunk = arena->chunk; chunk != mark.chunk; chunk = chunk->older)
        arena->used -= chunk->size;
    if (mark.chunk == NULL) { /* marked when it had none: keep one, as reset does */
        reset_chunks(arena);
        if (arena->chunk != NULL) arena->used += arena->chunk->size;
        return;
    }
    free_chunks_after(arena->chunk, mark.chunk);
    arena->chunk = mark.chunk;
    arena->next = mark.next;
    arena->end = chunk_room(mark.chunk) + mark.chunk->size;
    POISON(arena->next, (size_t)(arena->end - arena->next));
}

lion_status lion_arena_check(const lion_arena *arena, lion_error *error)
{
    if (arena->is_exhausted) return lion_fail_memory(error);
    if (arena->budget == 0 || arena->used <= arena->budget) return LION_OK;
    (void)lion_fail(error, LION_INTERRUPTED, "lion/limit",
                    "this work needs more than its %zu bytes of memory; narrow it or raise "
                    "memory_mb",
                    arena->budget);
    if (error != NULL) error->system_code = ENOMEM; /* other limits have none */
    return LION_FAILED;
}
