/* tuple.c - order-preserving bytes: each slot's encoding is prefix-free, so slots simply follow. */
#include "data/tuple.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"

#define ESCAPED_ZERO 0xff
#define ESCAPE_END 0x01
#define SIGN_BIT (UINT64_C(1) << 63)

typedef enum slot_tag {
    TAG_NIL = 0x05,
    TAG_BOOLEAN = 0x10,
    TAG_LONG = 0x20,
    TAG_INSTANT = 0x21,
    TAG_REF = 0x22,
    TAG_DOUBLE = 0x28,
    TAG_STRING = 0x30,
    TAG_KEYWORD = 0x31,
    TAG_SYMBOL = 0x32,
    TAG_URI = 0x33,
    TAG_BYTES = 0x34,
    TAG_UUID = 0x38,
    TAG_TUPLE = 0x40,
    TAG_DECIMAL = 0x48,
} slot_tag;

static const uint8_t TAG_OF[16] = {
    [LION_TYPE_NIL] = TAG_NIL,         [LION_TYPE_BOOLEAN] = TAG_BOOLEAN,
    [LION_TYPE_LONG] = TAG_LONG,       [LION_TYPE_DOUBLE] = TAG_DOUBLE,
    [LION_TYPE_INSTANT] = TAG_INSTANT, [LION_TYPE_REF] = TAG_REF,
    [LION_TYPE_ATTRIBUTE] = TAG_REF, /* equal by id; a tuple does not know idents */
    [LION_TYPE_STRING] = TAG_STRING,   [LION_TYPE_KEYWORD] = TAG_KEYWORD,
    [LION_TYPE_SYMBOL] = TAG_SYMBOL,   [LION_TYPE_URI] = TAG_URI,
    [LION_TYPE_UUID] = TAG_UUID,       [LION_TYPE_BYTES] = TAG_BYTES,
    [LION_TYPE_TUPLE] = TAG_TUPLE,     [LION_TYPE_DECIMAL] = TAG_DECIMAL,
};

/* -- Writing ---------------------------------------------------------------------------------- */

static void put_big_endian(lion_buffer *buffer, uint64_t x)
{
    lion_buffer_put_u64(buffer, __builtin_bswap64(x));
}

/* -0.0 becomes 0.0 and every NaN one NaN, so that equal values have equal bytes. */
static void put_double(lion_buffer *buffer, double x)
{
    if (x == 0) x = 0.0;
    if (isnan(x)) x = (double)NAN;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (isnan(x)) bits &= ~SIGN_BIT;
    put_big_endian(buffer, bits & SIGN_BIT ? ~bits : bits | SIGN_BIT);
}

static void put_escaped(lion_buffer *buffer, lion_slice bytes)
{
    const uint8_t *at = bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        const uint8_t *zero = memchr(at, 0, left);
        size_t plain = zero != NULL ? (size_t)(zero - at) : left;
        lion_buffer_put(buffer, at, plain);
        if (zero == NULL) break;
        lion_buffer_put_u8(buffer, 0);
        lion_buffer_put_u8(buffer, ESCAPED_ZERO);
        at += plain + 1;
        left -= plain + 1;
    }
    lion_buffer_put_u8(buffer, 0);
    lion_buffer_put_u8(buffer, ESCAPE_END);
}

void lion_tuple_put(lion_buffer *buffer, lion_value slot)
{
    LION_ASSERT(slot.type < 16 && TAG_OF[slot.type] != 0);
    lion_buffer_put_u8(buffer, TAG_OF[slot.type]);
    switch (slot.type) {
    case LION_TYPE_NIL: break;
    case LION_TYPE_BOOLEAN: lion_buffer_put_u8(buffer, slot.bits != 0); break;
    case LION_TYPE_DOUBLE: put_double(buffer, slot.number); break;
    case LION_TYPE_LONG:
    case LION_TYPE_INSTANT:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE: put_big_endian(buffer, (uint64_t)slot.bits ^ SIGN_BIT); break;
    case LION_TYPE_UUID:
        LION_ASSERT(slot.size == 16);
        lion_buffer_put(buffer, slot.data, slot.size);
        break;
    default: put_escaped(buffer, lion_value_slice(slot)); break;
    }
}

lion_value lion_tuple_make(lion_arena *arena, const lion_value *slots, size_t count)
{
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (size_t i = 0; i < count; i++) lion_tuple_put(&buffer, slots[i]);
    if (buffer.is_failed) arena->is_exhausted = true;
    lion_slice bytes = lion_arena_copy(arena, lion_buffer_view(&buffer));
    lion_buffer_deinit(&buffer);
    return lion_value_bytes(LION_TYPE_TUPLE, bytes);
}

/* -- Reading ---------------------------------------------------------------------------------- */

static lion_type type_of_tag(uint8_t tag)
{
    for (int type = LION_TYPE_BOOLEAN; type <= LION_TYPE_DECIMAL; type++)
        if (TAG_OF[type] == tag) return (lion_type)type; /* REF before ATTRIBUTE */
    return LION_TYPE_NIL;
}

/* The body of an escaped slot at the reader's place, terminator taken off but escapes still in. */
static bool read_escaped(lion_reader *reader, lion_slice *raw_out, size_t *escapes_out)
{
    const uint8_t *first = reader->next;
    size_t escapes = 0;
    for (;;) {
        size_t left = lion_reader_left(reader);
        const uint8_t *zero = left > 0 ? memchr(reader->next, 0, left) : NULL;
        if (zero == NULL || zero + 1 == reader->end) return false;
        reader->next = zero + 2;
        if (zero[1] == ESCAPE_END) {
            *raw_out = lion_slice_of(first, (size_t)(zero - first));
            *escapes_out = escapes;
            return true;
        }
        if (zero[1] != ESCAPED_ZERO) return false;
        escapes++;
    }
}

static lion_slice unescape(lion_arena *arena, lion_slice raw, size_t escapes)
{
    if (escapes == 0) return raw;
    uint8_t *out = lion_arena_alloc(arena, raw.size - escapes);
    if (out == NULL) return (lion_slice){ 0 };
    size_t size = 0;
    for (size_t i = 0; i < raw.size; i++) {
        out[size++] = raw.data[i];
        i += raw.data[i] == 0; /* its 0xff */
    }
    return lion_slice_of(out, size);
}

static double double_of(uint64_t bits)
{
    bits = bits & SIGN_BIT ? bits & ~SIGN_BIT : ~bits;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* One slot; a NULL arena only checks (escaped bytes are then left as they are). */
static bool read_slot(lion_value *slot_out, lion_reader *reader, lion_arena *arena)
{
    uint8_t tag = lion_reader_u8(reader);
    lion_type type = type_of_tag(tag);
    if (type == LION_TYPE_NIL) {
        *slot_out = lion_value_nil();
        return !reader->is_failed && tag == TAG_NIL;
    }
    if (type == LION_TYPE_BOOLEAN) {
        uint8_t flag = lion_reader_u8(reader);
        *slot_out = lion_value_boolean(flag == 1);
        return !reader->is_failed && flag <= 1;
    }
    if (lion_type_is_number((uint8_t)type)) {
        uint64_t bits = __builtin_bswap64(lion_reader_u64(reader));
        *slot_out = type == LION_TYPE_DOUBLE ? lion_value_double(double_of(bits))
                                             : lion_value_scalar(type, (int64_t)(bits ^ SIGN_BIT));
        return !reader->is_failed;
    }
    if (type == LION_TYPE_UUID) {
        *slot_out = lion_value_bytes(type, lion_reader_bytes(reader, 16));
        return !reader->is_failed;
    }
    lion_slice raw;
    size_t escapes;
    if (!read_escaped(reader, &raw, &escapes)) return false;
    *slot_out = lion_value_bytes(type, arena != NULL ? unescape(arena, raw, escapes) : raw);
    return true;
}

/* Count the slots of `bytes`, or -1 if they are no tuple. Inner tuples are not entered. */
static int64_t count_slots(lion_slice bytes)
{
    lion_reader reader;
    lion_reader_init(&reader, bytes);
    int64_t count = 0;
    lion_value ignored;
    for (; lion_reader_left(&reader) > 0; count++)
        if (!read_slot(&ignored, &reader, NULL)) return -1;
    return count;
}

lion_status lion_tuple_read(lion_value **slots_out, size_t *count_out, lion_value tuple,
                            lion_arena *arena, lion_error *error)
{
    LION_ASSERT(tuple.type == LION_TYPE_TUPLE);
    lion_slice bytes = lion_value_slice(tuple);
    int64_t count = count_slots(bytes);
    if (count < 0)
        return lion_fail_corrupt(error, "a tuple's %u bytes are no tuple encoding", tuple.size);

    lion_value *slots = lion_arena_array(arena, lion_value, count);
    if (slots == NULL) return lion_fail_memory(error);
    lion_reader reader;
    lion_reader_init(&reader, bytes);
    for (int64_t i = 0; i < count; i++) {
        bool is_read = read_slot(&slots[i], &reader, arena);
        LION_ASSERT(is_read); /* count_slots has been through the same bytes */
    }
    if (arena->is_exhausted) return lion_fail_memory(error);
    *slots_out = slots;
    *count_out = (size_t)count;
    return LION_OK;
}

/* Inner tuples are unescaped level by level; the depth bounds the recursion. */
static bool is_valid_to(lion_slice bytes, unsigned depth)
{
    lion_reader reader;
    lion_reader_init(&reader, bytes);
    bool is_valid = true;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    while (is_valid && lion_reader_left(&reader) > 0) {
        lion_value slot;
        is_valid = read_slot(&slot, &reader, &arena) && !arena.is_exhausted;
        if (is_valid && slot.type == LION_TYPE_TUPLE)
            is_valid = depth > 0 && is_valid_to(lion_value_slice(slot), depth - 1);
    }
    lion_arena_deinit(&arena);
    return is_valid;
}

bool lion_tuple_is_valid(lion_slice bytes)
{
    return is_valid_to(bytes, LION_TUPLE_DEPTH_MAX - 1);
}
