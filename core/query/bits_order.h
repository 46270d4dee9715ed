/* bits_order.h - the order of many scalars of one type, which lie as their bits. NaN comes last. */
#ifndef LION_QUERY_BITS_ORDER_H
#define LION_QUERY_BITS_ORDER_H

#include "base/arena.h"
#include "data/value.h"

/* In place. LION_ABSENT: there is a negative zero among doubles, which the order here does not tell from the other: nothing was
 * done. lion/out-of-memory. */
lion_status lion_bits_sort(int64_t *bits, size_t count, uint8_t type, lion_arena *arena, lion_error *error);
/* The two that would stand in the middle if they were sorted, or the one, twice. count is not 0. */
lion_status lion_bits_middle(lion_value *low_out, lion_value *high_out, const int64_t *bits, size_t count, uint8_t type, lion_arena *arena,
                             lion_error *error);

#endif
