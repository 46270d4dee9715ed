/* bits.h - integers packed into as few bits as their range needs, in blocks of 128.
 *
 * A packed column of n integers (frame of reference):
 *
 *   offset  size  what
 *        0     8  minimum of the column (int64, two's complement; order of the column is signed)
 *        8     1  width: bits a value, 0..64
 *        9     7  zero
 *       16     …  values minus minimum, width bits each, little-endian bit order, padded with zeros
 *                 to a multiple of 8 bytes and followed by 8 zero bytes (so any value can be read
 *                 by one unaligned 64-bit load plus one byte)
 *
 * Read in place: lion_packed_get is one load and a shift; lion_packed_read unpacks a range. */
#ifndef LION_BASE_BITS_H
#define LION_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

typedef struct lion_packed {
    const uint8_t *bits; /* first packed value */
    int64_t minimum;
    uint32_t count;
    uint8_t width;
} lion_packed;

/* Append the packed form of values[0..count) to `buffer`. */
void lion_packed_write(lion_buffer *buffer, const int64_t *values, size_t count);
size_t lion_packed_size(size_t count, unsigned width); /* bytes that write appends */

/* View `count` values at the reader's place, which advances; false if the bytes are too few or the
 * header makes no sense. */
bool lion_packed_open(lion_packed *packed_out, lion_reader *reader, size_t count);

static inline int64_t lion_packed_get(const lion_packed *packed, size_t index)
{
    if (packed->width == 0) return packed->minimum;
    size_t bit = index * packed->width;
    const uint8_t *at = packed->bits + (bit >> 3);
    unsigned shift = bit & 7;
    uint64_t word;
    __builtin_memcpy(&word, at, 8);
    word >>= shift;
    if (shift + packed->width > 64) word |= (uint64_t)at[8] << (64 - shift);
    if (packed->width < 64) word &= (1ull << packed->width) - 1;
    return (int64_t)((uint64_t)packed->minimum + word);
}

void lion_packed_read(const lion_packed *packed, size_t from, size_t count, int64_t *out);
/* First index in [from, to) whose value is >= key (column ascending there); `to` if none. */
size_t lion_packed_lower_bound(const lion_packed *packed, size_t from, size_t to, int64_t key);

#endif
