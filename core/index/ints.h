/* ints.h - a column of integers, each stored by its own nature, read in place with random access.
 *
 *   CONSTANT    one value for all
 *   PACKED      frame of reference over the whole column (base/bits.h)
 *   SLOPED      a line through the column, and what each value lies off it, packed: offsets and
 *               dense ids cost next to nothing, and a search knows where to look
 *   BLOCKS      a frame of reference for each 128 values: ids that grow, clustered transactions
 *   BITMAP      strictly ascending and dense: one bit for each integer of the range, with ranks,
 *               so that finding a value is a look at one word
 *   DICTIONARY  few distinct wide values: packed codes into a packed list
 *
 * The writer takes the smallest. Bytes are untrusted: opening checks the extents (O(1), so a column
 * can be opened for one look-up), reading never leaves them; bytes that are wrong inside yield
 * wrong numbers, never a wild read. docs/format-trees.md has the layouts. */
#ifndef LION_INDEX_INTS_H
#define LION_INDEX_INTS_H

#include "base/bits.h"

typedef enum lion_ints_encoding {
    LION_INTS_CONSTANT = 0,
    LION_INTS_PACKED = 1,
    LION_INTS_SLOPED = 2,
    LION_INTS_BLOCKS = 3,
    LION_INTS_BITMAP = 4,
    LION_INTS_DICTIONARY = 5,
} lion_ints_encoding;

#define LION_INTS_BLOCK 128
#define LION_INTS_SLOPE_SHIFT 16
#define LION_INTS_COUNT_MAX 0xffff /* of columns that may be a BITMAP or a DICTIONARY */

typedef struct lion_ints {
    uint8_t encoding; /* lion_ints_encoding */
    uint32_t count;
    lion_packed
        packed; /* CONSTANT: minimum; PACKED: values; SLOPED: residuals; DICTIONARY: codes */
    union {
        int64_t slope;                /* SLOPED: in units of 2^-16 */
        struct {                      /* BLOCKS */
            const uint8_t *directory; /* 12 bytes a block: base, place << 7 | width */
            const uint8_t *data;
            uint32_t size; /* of data, without its trailer */
        } blocks;
        struct { /* BITMAP */
            const uint8_t *words;
            const uint8_t *ranks; /* 16 bits a word: set bits before it */
            int64_t base;
            uint32_t word_count;
        } bitmap;
        lion_packed dictionary;
    };
} lion_ints;

/* Room for a writer's trials, reused from column to column. */
typedef struct lion_ints_writer {
    int64_t *room; /* two arrays of capacity values */
    uint32_t *slots;
    size_t capacity, slot_count;
    lion_buffer block;
} lion_ints_writer;

void lion_ints_writer_init(lion_ints_writer *writer);
void lion_ints_writer_deinit(lion_ints_writer *writer);
/* What a column is read for: finding a value is quickest in a BITMAP, the value at an index
 * slowest. */
typedef enum lion_ints_use {
    LION_INTS_INDEXED = 0, /* a BITMAP if it takes less than half of what else is best */
    LION_INTS_SEARCHED,    /* a BITMAP if it takes less than three halves of that */
    LION_INTS_RANDOM,      /* no BITMAP: places, read two by two at any index */
} lion_ints_use;

/* Append the column; failed memory latches in `buffer`. */
void lion_ints_write(lion_buffer *buffer, lion_ints_writer *writer, const int64_t *values,
                     size_t count, lion_ints_use use);

/* View the column at the reader's place, which advances behind it. false: the bytes make no
 * sense. */
bool lion_ints_open(lion_ints *ints_out, lion_reader *reader, size_t count);

/* ---- reading; index < count is the caller's duty ---- */

void lion_ints_read(const lion_ints *ints, size_t from, size_t count, int64_t *out);
/* First index in [from, to) whose value is >= key (ascending there); `to` if none. */
size_t lion_ints_lower_bound(const lion_ints *ints, size_t from, size_t to, int64_t key);
int64_t lion_ints_bitmap_select(const lion_ints *ints, size_t index);
bool lion_ints_bitmap_find(const lion_ints *ints, int64_t key, size_t *index_out);

/* The frame of one block, safe whatever the directory says. */
static inline lion_packed lion_ints_block(const lion_ints *ints, size_t block)
{
    const uint8_t *entry = ints->blocks.directory + block * 12;
    int64_t base;
    uint32_t place;
    memcpy(&base, entry, 8);
    memcpy(&place, entry + 8, 4);
    unsigned width = place & 127;
    size_t offset = (size_t)(place >> 7) * 8;
    bool is_sound =
        width <= 64 && offset + (size_t)LION_INTS_BLOCK / 8 * width <= ints->blocks.size;
    return (lion_packed){ .bits = ints->blocks.data + (is_sound ? offset : 0),
                          .minimum = base,
                          .count = LION_INTS_BLOCK,
                          .width = (uint8_t)(is_sound ? width : 0) };
}

static inline int64_t lion_ints_get(const lion_ints *ints, size_t index)
{
    switch (ints->encoding) {
    case LION_INTS_CONSTANT: return ints->packed.minimum;
    case LION_INTS_PACKED: return lion_packed_get(&ints->packed, index);
    case LION_INTS_SLOPED: {
        int64_t along = (int64_t)((uint64_t)ints->slope * index) >> LION_INTS_SLOPE_SHIFT;
        return (int64_t)((uint64_t)lion_packed_get(&ints->packed, index) + (uint64_t)along);
    }
    case LION_INTS_BLOCKS: {
        lion_packed block = lion_ints_block(ints, index / LION_INTS_BLOCK);
        return lion_packed_get(&block, index % LION_INTS_BLOCK);
    }
    case LION_INTS_BITMAP: return lion_ints_bitmap_select(ints, index);
    default: {
        uint64_t code = (uint64_t)lion_packed_get(&ints->packed, index);
        return code < ints->dictionary.count ? lion_packed_get(&ints->dictionary, code) : 0;
    }
    }
}

/* Whether the column has `key`, and where (the first of equals, or where it would be). Ascending
 * columns only. */
static inline bool lion_ints_find(const lion_ints *ints, int64_t key, size_t *index_out)
{
    if (ints->encoding == LION_INTS_BITMAP) return lion_ints_bitmap_find(ints, key, index_out);
    size_t index = lion_ints_lower_bound(ints, 0, ints->count, key);
    *index_out = index;
    return index < ints->count && lion_ints_get(ints, index) == key;
}

#endif
