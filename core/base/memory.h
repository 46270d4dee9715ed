/* memory.h - the heap, in one place, so that faults can be injected and sizes checked.
 * lion_alloc returns NULL when the system (or an injected fault) refuses, and for any size over
 * LION_ALLOC_SIZE_MAX, which only a miscalculation asks for. */
#ifndef LION_BASE_MEMORY_H
#define LION_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#define LION_ALLOC_SIZE_MAX ((size_t)1 << 39)

void *lion_alloc(size_t size);
void *lion_zalloc(size_t size);
void *lion_realloc(void *block, size_t size);
void lion_free(void *block); /* NULL is allowed */

/* The same in pages of its own, zeroed, which grow without being copied; the size is told again where the block is grown or
 * freed. */
void *lion_pages_alloc(size_t size);
void *lion_pages_grow(void *block, size_t old_size, size_t size);
void lion_pages_free(void *block, size_t size);

/* Checked arithmetic of sizes: false on overflow. */
static inline bool lion_size_mul(size_t *out, size_t a, size_t b)
{
    return !__builtin_mul_overflow(a, b, out);
}
static inline bool lion_size_add(size_t *out, size_t a, size_t b)
{
    return !__builtin_add_overflow(a, b, out);
}

#endif
