/* stub.h - a value that rests as a blob, as the leaf knows it: size, hash and the first 64 bytes.
 *
 * Values over LION_BLOB_SIZE_MIN bytes live once in the store, by content hash; a leaf keeps 84
 * bytes for each:
 *
 *   offset  size  what
 *        0     4  size of the value
 *        4    16  hash (XXH3, low word first)
 *       20    64  its first bytes
 *
 * Inside index/ such a value travels as a lion_value with its true type and size, whose data points
 * to the hash (so the prefix is at data + 16), marked in zero[0]. Orders compare prefixes and read
 * blobs only for ties. lion_stub_resolve turns it into the value itself before it leaves index/. */
#ifndef LION_INDEX_STUB_H
#define LION_INDEX_STUB_H

#include "base/buffer.h"
#include "data/value.h"
#include "store/store.h"

#define LION_STUB_MARK 0xb5
#define LION_STUB_PREFIX 64
#define LION_STUB_SIZE 84

static inline bool lion_value_is_stub(const lion_value *value)
{
    return value->zero[0] == LION_STUB_MARK;
}

/* The stub of a value, its bytes in the arena; the hash is that of the blob. NULL data: out of
 * memory. */
lion_value lion_stub_make(lion_arena *arena, lion_value value);
lion_hash128 lion_stub_hash(const lion_value *stub);
/* View a leaf's 84 bytes; false if they make no sense. */
bool lion_stub_view(lion_value *stub_out, lion_type type, const uint8_t *entry);
void lion_stub_put(lion_buffer *buffer, const lion_value *stub);

/* The value itself, its bytes borrowed from the snapshot. Other values stay as they are. */
lion_status lion_stub_resolve(lion_value *value, lion_snapshot *snapshot, lion_error *error);

/* lion_value_compare for values of which either may be a stub. */
lion_status lion_stub_compare(int *order_out, const lion_value *a, const lion_value *b,
                              lion_snapshot *snapshot, lion_error *error);
/* Equality of two values of one type, both stubs if they are large. */
bool lion_stub_equal(const lion_value *a, const lion_value *b);

#endif
