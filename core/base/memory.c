/* memory.c - the heap behind one door, with the fault point "memory.alloc". */
#include "base/memory.h"

#include <stdlib.h>

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
