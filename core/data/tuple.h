/* tuple.h - tuples as bytes whose memcmp order is the order of their slots, nil lowest.
 *
 * Slots one after the other, each a tag byte and a body:
 *
 *   tag   type                body
 *   0x05  NIL                 none
 *   0x10  BOOLEAN             1 byte, 0 or 1
 *   0x20  LONG                8 bytes big-endian, sign bit flipped
 *   0x21  INSTANT             the same
 *   0x22  REF                 the same
 *   0x28  DOUBLE              8 bytes big-endian; negative: all bits flipped, else sign bit flipped
 *   0x30  STRING 0x31 KEYWORD 0x32 SYMBOL 0x33 URI 0x34 BYTES
 *                             bytes with 00 written as 00 FF, ended by 00 01
 *   0x38  UUID                16 bytes
 *   0x40  TUPLE               the inner encoding, escaped and ended the same way
 *   0x48  DECIMAL             its bytes (decimal.h), escaped and ended the same way
 *
 * A tuple that is a prefix of another sorts first. Tuples in attributes have 2..8 slots; in queries
 * any number (vectors, collections made by functions) and any nesting up to LION_TUPLE_DEPTH_MAX. */
#ifndef LION_DATA_TUPLE_H
#define LION_DATA_TUPLE_H

#include "base/buffer.h"
#include "data/value.h"

void lion_tuple_put(lion_buffer *buffer, lion_value slot);
bool lion_tuple_is_valid(lion_slice bytes);

#endif
