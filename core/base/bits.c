/* bits.c - packing, and unpacking with one small loop for each width.
 *
 * Eight values of any width end on a byte, so a group of eight has constant byte offsets and shifts
 * once the width is a constant: the compiler turns each into load, shift, mask, add, store. With
 * AVX2 four are shifted at once, each by its own. */
#include "base/bits.h"

#include <string.h>

#include "base/assert.h"
#include "base/kernel.h"

#define HEADER_SIZE 16
#define TRAILER_SIZE 8
#define GROUP 8

static size_t bits_size(size_t count, unsigned width)
{
    return (count * width + 63) / 64 * 8;
}

size_t lion_packed_size(size_t count, unsigned width)
{
    return HEADER_SIZE + bits_size(count, width) + TRAILER_SIZE;
}

static unsigned width_of(uint64_t range)
{
    return range == 0 ? 0 : 64 - (unsigned)__builtin_clzll(range);
}

static void pack(uint8_t *at, const int64_t *values, size_t count, uint64_t minimum, unsigned width)
{
    uint64_t word = 0; /* bits not yet written, `filled` of them */
    unsigned filled = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t value = (uint64_t)values[i] - minimum;
        word |= value << filled;
        filled += width;
        if (filled < 64) continue;
        memcpy(at, &word, 8);
        at += 8;
        filled -= 64;
        /* width - filled bits of the value went out; the rest starts the next word. */
        word = filled == 0 ? 0 : value >> (width - filled);
    }
    if (filled > 0) memcpy(at, &word, 8);
}

void lion_packed_write(lion_buffer *buffer, const int64_t *values, size_t count)
{
    LION_ASSERT(count <= UINT32_MAX);
    int64_t minimum = count > 0 ? values[0] : 0, maximum = minimum;
    for (size_t i = 1; i < count; i++) {
        minimum = values[i] < minimum ? values[i] : minimum;
        maximum = values[i] > maximum ? values[i] : maximum;
    }
    unsigned width = width_of((uint64_t)maximum - (uint64_t)minimum);
    size_t size = lion_packed_size(count, width);
    if (!lion_buffer_reserve(buffer, size)) return;

    uint8_t *at = buffer->data + buffer->size;
    memset(at, 0, size);
    memcpy(at, &minimum, 8);
    at[8] = (uint8_t)width;
    if (width > 0) pack(at + HEADER_SIZE, values, count, (uint64_t)minimum, width);
    buffer->size += size;
}

bool lion_packed_open(lion_packed *packed_out, lion_reader *reader, size_t count)
{
    uint64_t minimum = lion_reader_u64(reader);
    uint8_t width = lion_reader_u8(reader);
    lion_slice zeros = lion_reader_bytes(reader, 7);
    if (reader->is_failed || width > 64 || count > UINT32_MAX) return false;
    for (size_t i = 0; i < zeros.size; i++)
        if (zeros.data[i] != 0) return false;

    lion_slice bits = lion_reader_bytes(reader, bits_size(count, width) + TRAILER_SIZE);
    if (reader->is_failed) return false;
    *packed_out = (lion_packed){
        .bits = bits.data, .minimum = (int64_t)minimum, .count = (uint32_t)count, .width = width
    };
    return true;
}

/* Unpack `groups` groups of eight from a byte boundary. Inlined with a constant width. */
static inline __attribute__((always_inline)) void
unpack_groups(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out, unsigned width)
{
    uint64_t mask = width < 64 ? (UINT64_C(1) << width) - 1 : ~UINT64_C(0);
    for (; groups > 0; groups--, at += width, out += GROUP) {
#pragma GCC unroll 8
        for (unsigned i = 0; i < GROUP; i++) {
            unsigned bit = i * width, shift = bit & 7;
            uint64_t word;
            memcpy(&word, at + (bit >> 3), 8);
            word >>= shift;
            if (shift + width > 64) word |= (uint64_t)at[(bit >> 3) + 8] << (64 - shift);
            out[i] = (int64_t)(minimum + (word & mask));
        }
    }
}

#define UNPACK(width)                                                                              \
    static void unpack_##width(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out)   \
    {                                                                                              \
        unpack_groups(at, groups, minimum, out, width);                                            \
    }

/* clang-format off */
#define WIDTHS(X) \
    X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) \
    X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) \
    X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32) X(33) X(34) X(35) X(36) \
    X(37) X(38) X(39) X(40) X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(48) \
    X(49) X(50) X(51) X(52) X(53) X(54) X(55) X(56) X(57) X(58) X(59) X(60) \
    X(61) X(62) X(63) X(64)
/* clang-format on */
WIDTHS(UNPACK)

typedef void unpack_fn(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out);

#define ENTRY(width) [width] = unpack_##width,
static unpack_fn *const UNPACKERS[65] = { WIDTHS(ENTRY) };

#ifdef LION_KERNEL_WIDE

#define WIDE_MAX 57 /* of a value that lies in the eight bytes from its first on */

typedef uint64_t four __attribute__((vector_size(32)));

static inline __attribute__((always_inline)) void
unpack_fours(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out, unsigned width)
{
    uint64_t mask = (UINT64_C(1) << width) - 1;
    for (; groups > 0; groups--, at += width, out += GROUP) {
#pragma GCC unroll 2
        for (unsigned first = 0; first < GROUP; first += 4) {
            four words, shifts;
#pragma GCC unroll 4
            for (unsigned i = 0; i < 4; i++) {
                unsigned bit = (first + i) * width;
                uint64_t word;
                memcpy(&word, at + (bit >> 3), 8);
                words[i] = word;
                shifts[i] = bit & 7;
            }
            words = ((words >> shifts) & mask) + minimum;
            memcpy(out + first, &words, sizeof words);
        }
    }
}

#define CASE(width)                                                                                \
    case width:                                                                                    \
        if (width <= WIDE_MAX) unpack_fours(at, groups, minimum, out, width & 63);                 \
        return;

LION_KERNEL_WIDE static void unpack_wide(const uint8_t *at, size_t groups, uint64_t minimum,
                                         int64_t *out, unsigned width)
{
    switch (width) {
        WIDTHS(CASE)
    default: return;
    }
}

static void unpack(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out, unsigned width)
{
    if (width <= WIDE_MAX && lion_kernel_is_wide())
        unpack_wide(at, groups, minimum, out, width);
    else
        UNPACKERS[width](at, groups, minimum, out);
}

#else

static void unpack(const uint8_t *at, size_t groups, uint64_t minimum, int64_t *out, unsigned width)
{
    UNPACKERS[width](at, groups, minimum, out);
}

#endif

void lion_packed_read(const lion_packed *packed, size_t from, size_t count, int64_t *out)
{
    LION_ASSERT(from <= packed->count && count <= packed->count - from);
    if (packed->width == 0) {
        int64_t minimum = packed->minimum;
        for (size_t i = 0; i < count; i++) out[i] = minimum;
        return;
    }
    size_t to = from + count;
    while (from < to && from % GROUP != 0) *out++ = lion_packed_get(packed, from++);

    size_t groups = (to - from) / GROUP;
    if (groups > 0) {
        const uint8_t *at = packed->bits + from / GROUP * packed->width;
        unpack(at, groups, (uint64_t)packed->minimum, out, packed->width);
        from += groups * GROUP;
        out += groups * GROUP;
    }
    while (from < to) *out++ = lion_packed_get(packed, from++);
}

size_t lion_packed_lower_bound(const lion_packed *packed, size_t from, size_t to, int64_t key)
{
    LION_ASSERT(from <= to && to <= packed->count);
    if (key <= packed->minimum) return from;
    uint64_t offset = (uint64_t)key - (uint64_t)packed->minimum;
    if (packed->width < 64 && offset >> packed->width != 0) return to; /* past what fits */

    size_t count = to - from;
    while (count > 0) { /* values before `from` are < key, values from from + count on are >= key */
        size_t half = count / 2;
        bool is_less = lion_packed_get(packed, from + half) < key;
        from = is_less ? from + half + 1 : from;
        count = is_less ? count - half - 1 : half;
    }
    return from;
}
