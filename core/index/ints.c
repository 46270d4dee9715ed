/* ints.c - reading integer columns in place. The layouts, all little-endian and unaligned:
 *
 *   offset  size  what
 *        0     1  encoding, then by encoding:
 *   CONSTANT      8  value
 *   PACKED        …  base/bits.h
 *   SLOPED        8  slope in units of 2^-16, then residuals as in base/bits.h:
 *                    value[i] = residual[i] + (slope * i >> 16)
 *   BLOCKS        4  size of the data in bytes (n)
 *               12b  for each of b = ceil(count / 128) blocks:
 *                    8 bytes base, 4 bytes place << 7 | width;
 *                    place in units of 8 bytes from the start of the data
 *                 n  the packed values minus base; a block takes 16 * width bytes
 *                 8  zeros (so that any value can be read by one load)
 *   BITMAP        8  base
 *                 4  number of words (w)
 *                8w  bits: bit i is set when base + i is in the column
 *                2w  for each word the number of bits set before it
 *   DICTIONARY    4  number of values, then the values, then the codes, both as in base/bits.h */
#include "index/ints.h"

#include <string.h>

#include "base/assert.h"
#include "base/kernel.h"

static int64_t load_i64(const uint8_t *at)
{
    int64_t x;
    memcpy(&x, at, 8);
    return x;
}

static uint64_t bitmap_word(const lion_ints *ints, size_t word)
{
    return (uint64_t)load_i64(ints->bitmap.words + 8 * word);
}

static unsigned bitmap_rank(const lion_ints *ints, size_t word)
{
    uint16_t rank;
    memcpy(&rank, ints->bitmap.ranks + 2 * word, 2);
    return rank;
}

/* ---- opening: on the path of every look-up, so bytes are taken from the reader in strides ---- */

/* The next `size` bytes, NULL if there are not so many. */
static inline const uint8_t *take(lion_reader *reader, size_t size)
{
    if ((size_t)(reader->end - reader->next) < size) return NULL;
    const uint8_t *bytes = reader->next;
    reader->next += size;
    return bytes;
}

static inline bool take_u32(lion_reader *reader, uint32_t *out)
{
    const uint8_t *bytes = take(reader, 4);
    if (bytes != NULL) memcpy(out, bytes, 4);
    return bytes != NULL;
}

/* base/bits.h says what the bytes are. */
static inline bool open_packed(lion_packed *packed, lion_reader *reader, size_t count)
{
    const uint8_t *header = take(reader, 16);
    if (header == NULL) return false;
    uint64_t width = (uint64_t)load_i64(header + 8);
    if (width > 64 || count > UINT32_MAX) return false;
    packed->minimum = load_i64(header);
    packed->width = (uint8_t)width;
    packed->count = (uint32_t)count;
    packed->bits = take(reader, (count * width + 63) / 64 * 8 + 8);
    return packed->bits != NULL;
}

static bool open_blocks(lion_ints *ints, lion_reader *reader, size_t count)
{
    uint32_t size;
    size_t blocks = (count + LION_INTS_BLOCK - 1) / LION_INTS_BLOCK;
    if (!take_u32(reader, &size)) return false;
    ints->blocks.directory = take(reader, blocks * 12);
    ints->blocks.data = take(reader, (size_t)size + 8);
    ints->blocks.size = size;
    return ints->blocks.directory != NULL && ints->blocks.data != NULL;
}

static bool open_bitmap(lion_ints *ints, lion_reader *reader, size_t count)
{
    const uint8_t *base = take(reader, 8);
    uint32_t words;
    if (base == NULL || !take_u32(reader, &words)) return false;
    ints->bitmap.base = load_i64(base);
    ints->bitmap.word_count = words;
    ints->bitmap.words = take(reader, (size_t)words * 8);
    ints->bitmap.ranks = take(reader, (size_t)words * 2);
    return words > 0 && count <= LION_INTS_COUNT_MAX && ints->bitmap.words != NULL &&
           ints->bitmap.ranks != NULL;
}

static bool open_dictionary(lion_ints *ints, lion_reader *reader, size_t count)
{
    uint32_t distinct;
    return take_u32(reader, &distinct) && open_packed(&ints->dictionary, reader, distinct) &&
           open_packed(&ints->packed, reader, count);
}

bool lion_ints_open(lion_ints *ints_out, lion_reader *reader, size_t count)
{
    const uint8_t *bytes = take(reader, 1);
    if (bytes == NULL || count > UINT32_MAX) return false;
    ints_out->encoding = *bytes;
    ints_out->count = (uint32_t)count;
    switch (ints_out->encoding) {
    case LION_INTS_CONSTANT:
        if ((bytes = take(reader, 8)) == NULL) return false;
        ints_out->packed.minimum = load_i64(bytes);
        ints_out->packed.width = 0;
        return true;
    case LION_INTS_PACKED: return open_packed(&ints_out->packed, reader, count);
    case LION_INTS_SLOPED:
        if ((bytes = take(reader, 8)) == NULL) return false;
        ints_out->slope = load_i64(bytes);
        return open_packed(&ints_out->packed, reader, count);
    case LION_INTS_BLOCKS: return open_blocks(ints_out, reader, count);
    case LION_INTS_BITMAP: return open_bitmap(ints_out, reader, count);
    case LION_INTS_DICTIONARY: return open_dictionary(ints_out, reader, count);
    default: return false;
    }
}

/* ---- the bitmap ---- */

/* The number of set bits: a handful of instructions, where the compiler's builtin may be a call. */
static inline unsigned ones(uint64_t x)
{
    x -= x >> 1 & UINT64_C(0x5555555555555555);
    x = (x & UINT64_C(0x3333333333333333)) + (x >> 2 & UINT64_C(0x3333333333333333));
    x = (x + (x >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (unsigned)(x * UINT64_C(0x0101010101010101) >> 56);
}

/* The place of the n-th set bit (from 0) of a word; 63 if it has fewer. */
static unsigned select_in_word(uint64_t word, unsigned n)
{
    unsigned place = 0;
    for (unsigned half = 32; half >= 8; half /= 2) {
        uint64_t low = word & ((UINT64_C(1) << half) - 1);
        unsigned below = ones(low);
        if (n >= below) {
            n -= below;
            word >>= half;
            place += half;
        } else {
            word = low;
        }
    }
    for (; n > 0 && word != 0; n--) word &= word - 1;
    return word == 0 ? 63 : place + (unsigned)__builtin_ctzll(word);
}

/* The word in which the index-th set bit lies: the last with rank <= index. */
static size_t select_word(const lion_ints *ints, size_t index)
{
    size_t from = 0, count = ints->bitmap.word_count;
    while (count > 1) {
        size_t half = count / 2;
        bool is_behind = bitmap_rank(ints, from + half) <= index;
        from = is_behind ? from + half : from;
        count = is_behind ? count - half : half;
    }
    return from;
}

int64_t lion_ints_bitmap_select(const lion_ints *ints, size_t index)
{
    size_t word = select_word(ints, index);
    unsigned n = (unsigned)index - bitmap_rank(ints, word);
    uint64_t place = 64 * word + select_in_word(bitmap_word(ints, word), n);
    return (int64_t)((uint64_t)ints->bitmap.base + place);
}

LION_KERNEL static void fill_consecutive(int64_t *out, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = (int64_t)(first + i);
}

static void read_bitmap(const lion_ints *ints, size_t from, size_t count, int64_t *out)
{
    size_t place = select_word(ints, from), filled = 0;
    uint64_t word = bitmap_word(ints, place);
    for (size_t skip = from - bitmap_rank(ints, place); skip > 0 && word != 0; skip--)
        word &= word - 1;
    for (;;) {
        uint64_t base = (uint64_t)ints->bitmap.base + 64 * place;
        if (word == UINT64_MAX && count - filled >= 64) { /* ids that follow each other */
            fill_consecutive(out + filled, base, 64);
            filled += 64;
            word = 0;
        }
        for (; word != 0 && filled < count; word &= word - 1)
            out[filled++] = (int64_t)(base + (unsigned)__builtin_ctzll(word));
        if (filled == count || ++place == ints->bitmap.word_count) break;
        word = bitmap_word(ints, place);
    }
    for (; filled < count; filled++) /* fewer bits than promised */
        out[filled] = ints->bitmap.base;
}

static size_t bitmap_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key)
{
    if (key <= ints->bitmap.base) return from;
    uint64_t place = (uint64_t)key - (uint64_t)ints->bitmap.base;
    if (place >= (uint64_t)ints->bitmap.word_count * 64) return to;
    uint64_t below = bitmap_word(ints, place / 64) & ((UINT64_C(1) << (place % 64)) - 1);
    size_t index = bitmap_rank(ints, place / 64) + ones(below);
    return index < from ? from : index > to ? to : index;
}

bool lion_ints_bitmap_find(const lion_ints *ints, int64_t key, size_t *index_out)
{
    uint64_t place = (uint64_t)key - (uint64_t)ints->bitmap.base;
    bool is_inside = key >= ints->bitmap.base && place / 64 < ints->bitmap.word_count;
    if (!is_inside) {
        *index_out = key < ints->bitmap.base ? 0 : ints->count;
        return false;
    }
    uint64_t word = bitmap_word(ints, place / 64);
    size_t index = bitmap_rank(ints, place / 64) + ones(word & ((UINT64_C(1) << (place % 64)) - 1));
    *index_out = index < ints->count ? index : ints->count;
    return (word >> (place % 64) & 1) != 0 && index < ints->count;
}

/* ---- ranges ---- */

/* Ids that follow each other: nothing lies off a line that rises by one. */
static bool is_consecutive(const lion_ints *ints)
{
    return ints->packed.width == 0 && ints->slope == INT64_C(1) << LION_INTS_SLOPE_SHIFT;
}

static void read_sloped(const lion_ints *ints, size_t from, size_t count, int64_t *out)
{
    if (is_consecutive(ints)) {
        fill_consecutive(out, (uint64_t)ints->packed.minimum + from, count);
        return;
    }
    lion_packed_read(&ints->packed, from, count, out);
    uint64_t slope = (uint64_t)ints->slope, along = slope * from;
    for (size_t i = 0; i < count; i++, along += slope)
        out[i] = (int64_t)((uint64_t)out[i] + (uint64_t)((int64_t)along >> LION_INTS_SLOPE_SHIFT));
}

static void read_blocks(const lion_ints *ints, size_t from, size_t count, int64_t *out)
{
    while (count > 0) {
        lion_packed block = lion_ints_block(ints, from / LION_INTS_BLOCK);
        size_t start = from % LION_INTS_BLOCK, left = LION_INTS_BLOCK - start;
        size_t take = count < left ? count : left;
        lion_packed_read(&block, start, take, out);
        from += take;
        out += take;
        count -= take;
    }
}

static void read_dictionary(const lion_ints *ints, size_t from, size_t count, int64_t *out)
{
    lion_packed_read(&ints->packed, from, count, out);
    const lion_packed *dictionary = &ints->dictionary;
    for (size_t i = 0; i < count; i++) {
        uint64_t code = (uint64_t)out[i];
        out[i] = code < dictionary->count ? lion_packed_get(dictionary, code) : 0;
    }
}

void lion_ints_read(const lion_ints *ints, size_t from, size_t count, int64_t *out)
{
    LION_ASSERT(from <= ints->count && count <= ints->count - from);
    if (count == 0) return;
    switch (ints->encoding) {
    case LION_INTS_CONSTANT:
        for (size_t i = 0; i < count; i++) out[i] = ints->packed.minimum;
        return;
    case LION_INTS_PACKED: lion_packed_read(&ints->packed, from, count, out); return;
    case LION_INTS_SLOPED: read_sloped(ints, from, count, out); return;
    case LION_INTS_BLOCKS: read_blocks(ints, from, count, out); return;
    case LION_INTS_BITMAP: read_bitmap(ints, from, count, out); return;
    default: read_dictionary(ints, from, count, out); return;
    }
}

/* ---- search ---- */

static size_t plain_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key)
{
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (lion_ints_get(ints, middle) < key)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Each value is line(i) + residual with 0 <= residual - minimum < 2^width, so only the i whose band
 * holds the key can be at the border. Computed in doubles with a margin (line(i) is rounded down);
 * two looks make sure. */
static size_t sloped_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key)
{
    if (ints->slope <= 0 || ints->packed.width > 48) return plain_lower_bound(ints, from, to, key);
    if (key <= ints->packed.minimum) return from;
    uint64_t above = (uint64_t)key - (uint64_t)ints->packed.minimum;
    if (above >> 50 != 0) return plain_lower_bound(ints, from, to, key);

    double a_step = (double)(1 << LION_INTS_SLOPE_SHIFT) / (double)ints->slope; /* indexes a unit */
    double last = (double)above * a_step;
    double low = last - (double)(UINT64_C(1) << ints->packed.width) * a_step - 2;
    double high = last + a_step + 3;
    size_t first = low <= (double)from ? from : low >= (double)to ? to : (size_t)low;
    size_t end = high >= (double)to ? to : high <= (double)from ? from : (size_t)high;
    if (first > from && lion_ints_get(ints, first - 1) >= key) first = from;
    if (end < to && lion_ints_get(ints, end) < key) end = to;
    if (end < first) return plain_lower_bound(ints, from, to, key);
    return plain_lower_bound(ints, first, end, key);
}

/* The base of a block that lies in the range is its first value, so bases ascend as the values do,
 * and the last block with base < key holds the border or ends at it. The last block may reach
 * beyond the range, where lower values may follow (e of the next run): there the first value itself
 * is asked. */
static size_t blocks_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key)
{
    if (from >= to) return to;
    size_t first = from / LION_INTS_BLOCK, last = (to - 1) / LION_INTS_BLOCK;
    size_t low = first + 1, high = last; /* first block in [low, high) with base >= key */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (load_i64(ints->blocks.directory + middle * 12) < key)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == last && lion_ints_get(ints, last * LION_INTS_BLOCK) < key) low = last + 1;
    size_t block_start = (low - 1) * LION_INTS_BLOCK;
    lion_packed block = lion_ints_block(ints, low - 1);
    size_t start = from > block_start ? from - block_start : 0;
    size_t stop = to - block_start < LION_INTS_BLOCK ? to - block_start : LION_INTS_BLOCK;
    return block_start + lion_packed_lower_bound(&block, start, stop, key);
}

size_t lion_ints_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key)
{
    LION_ASSERT(from <= to && to <= ints->count);
    switch (ints->encoding) {
    case LION_INTS_CONSTANT: return key <= ints->packed.minimum ? from : to;
    case LION_INTS_PACKED: return lion_packed_lower_bound(&ints->packed, from, to, key);
    case LION_INTS_SLOPED: return sloped_lower_bound(ints, from, to, key);
    case LION_INTS_BLOCKS: return blocks_lower_bound(ints, from, to, key);
    case LION_INTS_BITMAP: return bitmap_lower_bound(ints, from, to, key);
    default: return plain_lower_bound(ints, from, to, key);
    }
}
