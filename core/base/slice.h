/* slice.h - borrowed bytes: a pointer and a size. Whoever hands one out says how long it lives. */
#ifndef LION_BASE_SLICE_H
#define LION_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct lion_slice {
    const uint8_t *data;
    size_t size;
} lion_slice;

static inline lion_slice lion_slice_of(const void *data, size_t size)
{
    return (lion_slice){ .data = data, .size = size };
}

/* Of a C string, without its final zero. */
static inline lion_slice lion_slice_text(const char *text)
{
    return lion_slice_of(text, strlen(text));
}

/* Order by bytes, a prefix first: <0, 0, >0. */
static inline int lion_slice_compare(lion_slice a, lion_slice b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.data, b.data, size);
    if (order != 0) return order;
    return (a.size > b.size) - (a.size < b.size);
}

static inline bool lion_slice_equal(lion_slice a, lion_slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
