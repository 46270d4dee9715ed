/* column.h - a column of values of one type, read in place with random access.
 *
 * Scalars are integer columns (index/ints.h) of their bits; doubles that are decimal fractions are
 * kept as integers with a power of ten. Values with bytes lie end to end in a heap behind an
 * integer column of their places, and are handed out as pointers into it; where few are distinct,
 * each is kept once and the rows have codes. Values over LION_BLOB_SIZE_MIN are stubs
 * (index/stub.h).
 *
 *   offset  size  what
 *        0     1  type
 *        1     1  doubles: number of decimal digits, 255: raw bits;
 *                 with bytes: 1 has codes, 2 has stubs, 4 has heads
 *        2     2  zero
 *        4     4  count
 *   scalars:   …  integers(count)
 *   bytes:     4  distinct (= count without codes)
 *              4  size of the heap
 *              …  integers(count) codes, if it has them
 *              …  integers(distinct + 1) places in the heap
 *              …  (distinct + 7) / 8 bytes, bit i: value i is a stub, if it has them
 *              …  heads, if it has them: 4 bytes prefix, 8 bytes for each sixteenth value
 *              …  the heap
 *
 * Heads make a sorted column quick to search: all values but the first share their first `prefix`
 * bytes, and the head of value 16 k is the number its next 8 bytes make, big-endian, padded with
 * zeros (the first is 0). */
#ifndef LION_INDEX_COLUMN_H
#define LION_INDEX_COLUMN_H

#include "data/datom.h"
#include "index/ints.h"
#include "index/stub.h"

#define LION_COLUMN_CODES 1
#define LION_COLUMN_STUBS 2
#define LION_COLUMN_HEADS 4
#define LION_COLUMN_HEAD_STEP 16
#define LION_COLUMN_RAW 255

typedef struct lion_column {
    uint8_t type;
    uint8_t mode; /* doubles: digits or RAW; bytes: CODES | STUBS | HEADS */
    uint32_t count;
    lion_ints ints; /* scalars: the bits; bytes: the codes */
    lion_ints places;
    uint32_t distinct, heap_size;
    uint32_t prefix; /* of HEADS */
    const uint8_t *stubs;
    const uint8_t *heads;
    const uint8_t *heap;
} lion_column;

typedef struct lion_column_writer {
    lion_ints_writer ints;
    int64_t *room;    /* bits, codes */
    int64_t *places;  /* capacity + 1 */
    uint32_t *firsts; /* of each distinct value the first row */
    uint32_t *slots;
    uint64_t *hashes;
    size_t capacity;
} lion_column_writer;

void lion_column_writer_init(lion_column_writer *writer);
void lion_column_writer_deinit(lion_column_writer *writer);
/* How the values lie: any way; no two equal, so that codes are not tried; ascending, which gets
 * heads too. */
typedef enum lion_column_sort {
    LION_COLUMN_ANY = 0,
    LION_COLUMN_DISTINCT = 1,
    LION_COLUMN_SORTED = 2,
} lion_column_sort;

/* Append the column; large values are stubs already. Failed memory latches in `buffer`. */
void lion_column_write(lion_buffer *buffer, lion_column_writer *writer, lion_type type,
                       const lion_value *values, size_t count, lion_column_sort sort);

/* View the column at the reader's place. false: the bytes make no sense. */
bool lion_column_open(lion_column *column_out, lion_reader *reader);

/* Bytes are borrowed from the segment, large values are stubs. false: the bytes make no sense. */
bool lion_column_get_bytes(const lion_column *column, size_t index, lion_value *value_out);
/* The value that a code stands for; index < distinct. */
bool lion_column_get_distinct(const lion_column *column, size_t index, lion_value *value_out);
int64_t lion_column_double_bits(const lion_column *column, size_t index);

/* A value, stored as two words: put together field by field and copied, it would stall on its own
 * stores. content: its bits, or where its bytes are. */
static inline void lion_column_put(lion_value *out, uint8_t type, uint64_t size, uint64_t content)
{
    _Static_assert(offsetof(lion_value, size) == 4 && offsetof(lion_value, bits) == 8, "two words");
    uint64_t words[2] = { type | size << 32, content };
    memcpy(out, words, sizeof words);
}

static inline bool lion_column_get(const lion_column *column, size_t index, lion_value *value_out)
{
    if (!lion_type_is_scalar(column->type)) return lion_column_get_bytes(column, index, value_out);
    int64_t bits = column->type == LION_TYPE_DOUBLE ? lion_column_double_bits(column, index)
                                                    : lion_ints_get(&column->ints, index);
    lion_column_put(value_out, column->type, 0, (uint64_t)bits);
    return true;
}

/* Turn integers of a double column into the bits of the doubles. */
void lion_column_widen(const lion_column *column, size_t count, int64_t *bits);
/* values[from .. from + count) to bits (scalars) or values (with bytes; stubs remain). */
void lion_column_read_bits(const lion_column *column, size_t from, size_t count, int64_t *bits);
bool lion_column_read_values(const lion_column *column, size_t from, size_t count,
                             lion_value *values);

static inline bool lion_column_has_stubs(const lion_column *column)
{
    return !lion_type_is_scalar(column->type) && (column->mode & LION_COLUMN_STUBS) != 0;
}

/* First index whose value is >= key (upper: > key); ascending columns only. */
lion_status lion_column_lower_bound(size_t *index_out, const lion_column *column, size_t from,
                                    size_t to, const lion_value *key, bool upper,
                                    lion_snapshot *snapshot, lion_error *error);

#endif
