/* memory.c - the heap behind one door, with the fault point "memory.alloc". */
#define _GNU_SOURCE /* mremap */
#include "base/memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "base/fault.h"

static bool is_refused(size_t size)
{
    return size > LION_ALLOC_SIZE_MAX || LION_FAULT_POINT("memory.alloc") != LION_FAULT_NONE;
}

void *lion_alloc(size_t size)
{
    if (is_refused(size)) return NULL;
    return malloc(size != 0 ? size : 1); /* NULL means refused, and nothing else */
}

void *lion_zalloc(size_t size)
{
    if (is_refused(size)) return NULL;
    return calloc(1, size != 0 ? size : 1);
}

void *lion_realloc(void *block, size_t size)
{
    if (is_refused(size)) return NULL;
    return realloc(block, size != 0 ? size : 1);
}

void lion_free(void *block)
{
    free(block);
}

void *lion_pages_alloc(size_t size)
{
    if (is_refused(size)) return NULL;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

void *lion_pages_grow(void *block, size_t old_size, size_t size)
{
    if (is_refused(size)) return NULL;
    void *grown = mremap(block, old_size, size, MREMAP_MAYMOVE);
    return grown == MAP_FAILED ? NULL : grown;
}

void lion_pages_free(void *block, size_t size)
{
    (void)munmap(block, size);
}
