/* ints_write.c - choosing and writing the smallest encoding of an integer column. One pass gathers
 * what the choice needs; further passes try a line, and a dictionary, only where they can win. */
#include "index/ints.h"

#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define PACKED_OVERHEAD 24 /* header and trailer, base/bits.h */
#define SLOPED_SIZE_MIN                                                                            \
    (1 + 8 + PACKED_OVERHEAD) /* a line that misses no value: nothing beats it */
#define DICTIONARY_COUNT_MAX 4096
#define DICTIONARY_SAMPLE 2048

void lion_ints_writer_init(lion_ints_writer *writer)
{
    *writer = (lion_ints_writer){ 0 };
    lion_buffer_init(&writer->block);
}

void lion_ints_writer_deinit(lion_ints_writer *writer)
{
    lion_free(writer->room);
    lion_free(writer->slots);
    lion_buffer_deinit(&writer->block);
}

static bool reserve(lion_ints_writer *writer, size_t count)
{
    if (count <= writer->capacity) return true;
    size_t capacity = writer->capacity == 0 ? 1024 : writer->capacity;
    while (capacity < count) capacity *= 2;
    int64_t *room = lion_realloc(writer->room, capacity * 2 * sizeof(int64_t));
    if (room == NULL) return false;
    writer->room = room;
    writer->capacity = capacity;
    return true;
}

static unsigned width_of(uint64_t range)
{
    return range == 0 ? 0 : 64 - (unsigned)__builtin_clzll(range);
}

/* What one pass over the values tells. */
typedef struct survey {
    int64_t minimum, maximum;
    bool is_ascending;  /* no value is less than the one before */
    bool is_strict;     /* … nor equal */
    size_t blocks_size; /* bytes as BLOCKS */
} survey;

static survey survey_values(const int64_t *values, size_t count)
{
    survey s = { .minimum = values[0],
                 .maximum = values[0],
                 .is_ascending = true,
                 .is_strict = true,
                 .blocks_size = 1 + 4 + 8 };
    for (size_t start = 0; start < count; start += LION_INTS_BLOCK) {
        size_t end = start + LION_INTS_BLOCK < count ? start + LION_INTS_BLOCK : count;
        int64_t minimum = values[start], maximum = minimum;
        bool falls = start > 0 && values[start] < values[start - 1];
        bool repeats = start > 0 && values[start] == values[start - 1];
        for (size_t i = start + 1; i < end; i++) {
            int64_t x = values[i];
            minimum = x < minimum ? x : minimum;
            maximum = x > maximum ? x : maximum;
            falls |= x < values[i - 1];
            repeats |= x == values[i - 1];
        }
        s.minimum = minimum < s.minimum ? minimum : s.minimum;
        s.maximum = maximum > s.maximum ? maximum : s.maximum;
        s.is_ascending &= !falls;
        s.is_strict &= !repeats;
        s.blocks_size += 12 + 16 * width_of((uint64_t)maximum - (uint64_t)minimum);
    }
    s.is_strict &= s.is_ascending;
    return s;
}

/* ---- the encodings ---- */

static void write_constant(lion_buffer *buffer, int64_t value)
{
    lion_buffer_put_u8(buffer, LION_INTS_CONSTANT);
    lion_buffer_put_u64(buffer, (uint64_t)value);
}

static void write_blocks(lion_buffer *buffer, lion_ints_writer *writer, const int64_t *values,
                         size_t count)
{
    size_t blocks = (count + LION_INTS_BLOCK - 1) / LION_INTS_BLOCK;
    size_t start = buffer->size;
    lion_buffer_put_u8(buffer, LION_INTS_BLOCKS);
    if (!lion_buffer_reserve(buffer, 4 + blocks * 12)) return;
    memset(buffer->data + buffer->size, 0, 4 + blocks * 12);
    buffer->size += 4 + blocks * 12;

    size_t data_start = buffer->size;
    for (size_t block = 0; block < blocks; block++) {
        int64_t padded[LION_INTS_BLOCK];
        const int64_t *from = values + block * LION_INTS_BLOCK;
        size_t left = count - block * LION_INTS_BLOCK;
        for (size_t i = 0; i < LION_INTS_BLOCK; i++)
            padded[i] = from[i < left ? i : 0]; /* within the frame whatever it is */
        lion_buffer_clear(&writer->block);
        lion_packed_write(&writer->block, padded, LION_INTS_BLOCK);
        if (writer->block.is_failed) {
            buffer->is_failed = true;
            return;
        }
        uint8_t width = writer->block.data[8];
        uint32_t place = (uint32_t)((buffer->size - data_start) / 8) << 7 | width;
        uint8_t *entry = buffer->data + start + 5 + block * 12;
        memcpy(entry, writer->block.data, 8);
        memcpy(entry + 8, &place, 4);
        lion_buffer_put(buffer, writer->block.data + 16, 16u * width);
        if (buffer->is_failed) return;
    }
    uint32_t size = (uint32_t)(buffer->size - data_start);
    memcpy(buffer->data + start + 1, &size, 4);
    lion_buffer_put_u64(buffer, 0);
}

static void write_bitmap(lion_buffer *buffer, const int64_t *values, size_t count)
{
    uint64_t base = (uint64_t)values[0];
    size_t words = (size_t)(((uint64_t)values[count - 1] - base) / 64 + 1);
    lion_buffer_put_u8(buffer, LION_INTS_BITMAP);
    lion_buffer_put_u64(buffer, base);
    lion_buffer_put_u32(buffer, (uint32_t)words);
    if (!lion_buffer_reserve(buffer, words * 10)) return;
    uint8_t *bits = buffer->data + buffer->size, *ranks = bits + words * 8;
    memset(bits, 0, words * 8);
    for (size_t i = 0; i < count; i++) {
        uint64_t place = (uint64_t)values[i] - base;
        bits[place / 8] = (uint8_t)(bits[place / 8] | 1u << (place % 8));
    }
    size_t rank = 0;
    for (size_t word = 0; word < words; word++) {
        uint16_t before = (uint16_t)rank;
        uint64_t set;
        memcpy(ranks + 2 * word, &before, 2);
        memcpy(&set, bits + 8 * word, 8);
        rank += (size_t)__builtin_popcountll(set);
    }
    buffer->size += words * 10;
}

/* Residuals off the line from the first to the last value, in room; the size as SLOPED, SIZE_MAX if
 * no line can be drawn. */
static size_t try_slope(lion_ints_writer *writer, const int64_t *values, size_t count,
                        const survey *s, int64_t *slope_out)
{
    uint64_t range = (uint64_t)s->maximum - (uint64_t)s->minimum;
    if (count < 2 || !s->is_ascending || range >> 44 != 0) return SIZE_MAX;
    int64_t slope = (int64_t)((range << LION_INTS_SLOPE_SHIFT) / (count - 1));
    int64_t minimum = INT64_MAX, maximum = INT64_MIN;
    int64_t along = 0;
    for (size_t i = 0; i < count; i++, along += slope) {
        int64_t residual =
            (int64_t)((uint64_t)values[i] - (uint64_t)(along >> LION_INTS_SLOPE_SHIFT));
        writer->room[i] = residual;
        minimum = residual < minimum ? residual : minimum;
        maximum = residual > maximum ? residual : maximum;
    }
    *slope_out = slope;
    uint64_t spread = (uint64_t)maximum - (uint64_t)minimum;
    if (spread > range + 1)
        return SIZE_MAX; /* values near the ends of int64: the residuals wrapped */
    return 1 + 8 + lion_packed_size(count, width_of(spread));
}

/* Codes in room, distinct values behind them; the size as DICTIONARY, SIZE_MAX if it cannot pay. */
static size_t try_dictionary(lion_ints_writer *writer, const int64_t *values, size_t count,
                             unsigned width, size_t best, size_t *distinct_out)
{
    if (width < 4 || count < 16 || count > LION_INTS_COUNT_MAX) return SIZE_MAX;
    size_t slot_count = 4 * DICTIONARY_COUNT_MAX;
    if (writer->slots == NULL) {
        writer->slots = lion_alloc(slot_count * sizeof(uint32_t));
        if (writer->slots == NULL) return SIZE_MAX;
        writer->slot_count = slot_count;
    }
    memset(writer->slots, 0, slot_count * sizeof(uint32_t));
    int64_t *codes = writer->room, *distinct = writer->room + writer->capacity;
    size_t distinct_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == DICTIONARY_SAMPLE && distinct_count > DICTIONARY_SAMPLE / 2) return SIZE_MAX;
        size_t slot = lion_hash_u64((uint64_t)values[i]) & (slot_count - 1);
        uint32_t code;
        while ((code = writer->slots[slot]) != 0 && distinct[code - 1] != values[i])
            slot = (slot + 1) & (slot_count - 1);
        if (code == 0) {
            if (distinct_count == DICTIONARY_COUNT_MAX) return SIZE_MAX;
            distinct[distinct_count++] = values[i];
            code = writer->slots[slot] = (uint32_t)distinct_count;
        }
        codes[i] = code - 1;
    }
    *distinct_out = distinct_count;
    size_t size = 1 + 4 + lion_packed_size(distinct_count, width) +
                  lion_packed_size(count, width_of(distinct_count - 1));
    return size < best ? size : SIZE_MAX;
}

static void write_sloped(lion_buffer *buffer, const int64_t *residuals, size_t count, int64_t slope)
{
    lion_buffer_put_u8(buffer, LION_INTS_SLOPED);
    lion_buffer_put_u64(buffer, (uint64_t)slope);
    lion_packed_write(buffer, residuals, count);
}

static void write_dictionary(lion_buffer *buffer, const int64_t *codes, size_t count,
                             const int64_t *distinct, size_t distinct_count)
{
    lion_buffer_put_u8(buffer, LION_INTS_DICTIONARY);
    lion_buffer_put_u32(buffer, (uint32_t)distinct_count);
    lion_packed_write(buffer, distinct, distinct_count);
    lion_packed_write(buffer, codes, count);
}

/* The size as BITMAP weighed by what the column is for; SIZE_MAX if it cannot or should not be
 * one. */
static size_t weigh_bitmap(const survey *s, size_t count, lion_ints_use use)
{
    uint64_t range = (uint64_t)s->maximum - (uint64_t)s->minimum;
    bool may_be = s->is_strict && count <= LION_INTS_COUNT_MAX && range >> 24 == 0;
    if (!may_be || use == LION_INTS_RANDOM) return SIZE_MAX;
    size_t size = 1 + 8 + 4 + (size_t)(range / 64 + 1) * 10;
    return use == LION_INTS_SEARCHED ? size * 2 / 3 : size * 2;
}

void lion_ints_write(lion_buffer *buffer, lion_ints_writer *writer, const int64_t *values,
                     size_t count, lion_ints_use use)
{
    if (count == 0) {
        write_constant(buffer, 0);
        return;
    }
    survey s = survey_values(values, count);
    uint64_t range = (uint64_t)s.maximum - (uint64_t)s.minimum;
    if (range == 0) {
        write_constant(buffer, s.minimum);
        return;
    }
    if (!reserve(writer, count)) {
        buffer->is_failed = true;
        return;
    }
    size_t packed = 1 + lion_packed_size(count, width_of(range));
    size_t bitmap = weigh_bitmap(&s, count, use);
    size_t best = packed < s.blocks_size ? packed : s.blocks_size;
    int64_t slope = 0;
    size_t sloped = try_slope(writer, values, count, &s, &slope);
    best = sloped < best ? sloped : best;
    if (sloped == best && (bitmap >= best || sloped <= SLOPED_SIZE_MIN)) {
        write_sloped(buffer, writer->room, count, slope);
        return;
    }
    size_t distinct = 0, dictionary = SIZE_MAX;
    if (!s.is_strict)
        dictionary = try_dictionary(writer, values, count, width_of(range), best, &distinct);
    if (dictionary < best) {
        write_dictionary(buffer, writer->room, count, writer->room + writer->capacity, distinct);
    } else if (bitmap < best) {
        write_bitmap(buffer, values, count);
    } else if (packed <= best) {
        lion_buffer_put_u8(buffer, LION_INTS_PACKED);
        lion_packed_write(buffer, values, count);
    } else {
        write_blocks(buffer, writer, values, count);
    }
}
