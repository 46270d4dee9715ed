/* slice.h - borrowed bytes compared. What a slice is: lion.h. */
#ifndef LION_BASE_SLICE_H
#define LION_BASE_SLICE_H

#include "lion.h"

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
