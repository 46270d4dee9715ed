/* column_write.c - writing typed columns: decimal fractions as integers, repeated bytes once. */
#include "index/column.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

#define DECIMAL_DIGITS_MAX 9
#define DECIMAL_RANGE 0x1p50
#define CODES_SAMPLE 2048
#define HEAP_OVERHEAD 25 /* of one more integer column */

void lion_column_writer_init(lion_column_writer *writer)
{
    *writer = (lion_column_writer){ 0 };
    lion_ints_writer_init(&writer->ints);
}

void lion_column_writer_deinit(lion_column_writer *writer)
{
    lion_ints_writer_deinit(&writer->ints);
    lion_free(writer->room);
    lion_free(writer->places);
    lion_free(writer->firsts);
    lion_free(writer->slots);
    lion_free(writer->hashes);
}

static bool reserve(lion_column_writer *writer, size_t count)
{
    if (count <= writer->capacity) return true;
    size_t capacity = 1024;
    while (capacity < count) capacity *= 2;
    int64_t *room = lion_realloc(writer->room, capacity * sizeof(int64_t));
    if (room != NULL) writer->room = room;
    int64_t *places = lion_realloc(writer->places, (capacity + 1) * sizeof(int64_t));
    if (places != NULL) writer->places = places;
    uint32_t *firsts = lion_realloc(writer->firsts, capacity * sizeof(uint32_t));
    if (firsts != NULL) writer->firsts = firsts;
    uint32_t *slots = lion_realloc(writer->slots, capacity * 2 * sizeof(uint32_t));
    if (slots != NULL) writer->slots = slots;
    uint64_t *hashes = lion_realloc(writer->hashes, capacity * sizeof(uint64_t));
    if (hashes != NULL) writer->hashes = hashes;
    bool is_done = room && places && firsts && slots && hashes;
    if (is_done) writer->capacity = capacity;
    return is_done;
}

static void write_header(lion_buffer *buffer, lion_type type, unsigned mode, size_t count)
{
    lion_buffer_put_u8(buffer, (uint8_t)type);
    lion_buffer_put_u8(buffer, (uint8_t)mode);
    lion_buffer_put_u16(buffer, 0);
    lion_buffer_put_u32(buffer, (uint32_t)count);
}

/* ---- scalars ---- */

static const double POWERS[DECIMAL_DIGITS_MAX + 1] = { 1,   1e1, 1e2, 1e3, 1e4,
                                                       1e5, 1e6, 1e7, 1e8, 1e9 };

/* Whether x is exactly *out / 10^digits (negative zero, NaN and infinities are not). */
static bool as_decimal(int64_t bits, unsigned digits, int64_t *out)
{
    double x, back;
    memcpy(&x, &bits, 8);
    double scaled = x * POWERS[digits];
    if (!(scaled > -DECIMAL_RANGE && scaled < DECIMAL_RANGE)) return false;
    int64_t whole = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    back = (double)whole / POWERS[digits];
    *out = whole;
    return memcmp(&back, &bits, 8) == 0;
}

/* The least number of digits that all values can do with, or LION_COLUMN_RAW. Turns room into the
 * integers. */
static unsigned choose_digits(int64_t *room, size_t count)
{
    unsigned digits = 0;
    int64_t whole;
    for (size_t i = 0; i < count; i++)
        while (!as_decimal(room[i], digits, &whole))
            if (++digits > DECIMAL_DIGITS_MAX) return LION_COLUMN_RAW;
    for (size_t i = 0; i < count; i++) /* a value that fits fewer digits need not fit more: check */
        if (!as_decimal(room[i], digits, &whole)) return LION_COLUMN_RAW;
    for (size_t i = 0; i < count; i++) {
        (void)as_decimal(room[i], digits, &whole);
        room[i] = whole;
    }
    return digits;
}

static void write_scalars(lion_buffer *buffer, lion_column_writer *writer, lion_type type,
                          const lion_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) writer->room[i] = values[i].bits;
    unsigned mode = type == LION_TYPE_DOUBLE ? choose_digits(writer->room, count) : 0;
    write_header(buffer, type, mode, count);
    lion_ints_write(buffer, &writer->ints, writer->room, count, LION_INTS_INDEXED);
}

/* ---- bytes ---- */

static size_t stored_size(const lion_value *value)
{
    return lion_value_is_stub(value) ? LION_STUB_SIZE : value->size;
}

/* Give each value the code of the first equal one. Gives up (0) where codes cannot pay. */
static size_t find_distinct(lion_column_writer *writer, const lion_value *values, size_t count)
{
    size_t slot_count = 64;
    while (slot_count < count * 2) slot_count *= 2; /* <= 2 * capacity, a power of two */
    memset(writer->slots, 0, slot_count * sizeof(uint32_t));
    size_t distinct = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == CODES_SAMPLE && distinct > CODES_SAMPLE * 3 / 4) return 0;
        size_t size = lion_value_is_stub(&values[i]) ? 16 : values[i].size;
        uint64_t hash = lion_hash(values[i].data, size);
        size_t slot = hash & (slot_count - 1);
        uint32_t code;
        while ((code = writer->slots[slot]) != 0 &&
               !(writer->hashes[code - 1] == hash &&
                 lion_stub_equal(&values[writer->firsts[code - 1]], &values[i])))
            slot = (slot + 1) & (slot_count - 1);
        if (code == 0) {
            writer->hashes[distinct] = hash;
            writer->firsts[distinct++] = (uint32_t)i;
            code = writer->slots[slot] = (uint32_t)distinct;
        }
        writer->room[i] = code - 1;
    }
    return distinct;
}

static unsigned width_of(size_t range)
{
    return range == 0 ? 0 : 64 - (unsigned)__builtin_clzll(range);
}

/* Codes cost their bits; they save the bytes of repeated values and the bits of their places. */
static bool codes_pay(lion_column_writer *writer, const lion_value *values, size_t count,
                      size_t distinct)
{
    if (distinct == 0 || distinct == count) return false;
    size_t all = 0, once = 0;
    for (size_t i = 0; i < count; i++) all += stored_size(&values[i]);
    for (size_t i = 0; i < distinct; i++) once += stored_size(&values[writer->firsts[i]]);
    size_t code_bits = width_of(distinct - 1);
    return once + distinct + count * code_bits / 8 + HEAP_OVERHEAD < all + count;
}

static void write_stub_bits(lion_buffer *buffer, const lion_value *values, const uint32_t *firsts,
                            size_t distinct)
{
    for (size_t start = 0; start < distinct; start += 8) {
        unsigned bits = 0;
        for (size_t i = start; i < distinct && i < start + 8; i++)
            if (lion_value_is_stub(&values[firsts != NULL ? firsts[i] : i]))
                bits |= 1u << (i - start);
        lion_buffer_put_u8(buffer, (uint8_t)bits);
    }
}

static void write_heap(lion_buffer *buffer, const lion_value *values, const uint32_t *firsts,
                       size_t distinct)
{
    for (size_t i = 0; i < distinct; i++) {
        const lion_value *value = &values[firsts != NULL ? firsts[i] : i];
        if (lion_value_is_stub(value))
            lion_stub_put(buffer, value);
        else
            lion_buffer_put(buffer, value->data, value->size);
    }
}

/* ---- heads ---- */

static uint64_t head_of(const lion_value *value, size_t prefix)
{
    uint8_t bytes[8] = { 0 };
    uint64_t head;
    if (value->size > prefix) {
        size_t size = value->size - prefix;
        memcpy(bytes, value->data + prefix, size < 8 ? size : 8);
    }
    memcpy(&head, bytes, 8);
    return __builtin_bswap64(head);
}

/* The first value does not count: a branch's may be empty whatever the others are. */
static void write_heads(lion_buffer *buffer, const lion_value *values, size_t count)
{
    const lion_value *low = &values[1], *high = &values[count - 1];
    size_t common = low->size < high->size ? low->size : high->size, prefix = 0;
    while (prefix < common && low->data[prefix] == high->data[prefix]) prefix++;
    lion_buffer_put_u32(buffer, (uint32_t)prefix);
    lion_buffer_put_u64(buffer, 0);
    for (size_t i = LION_COLUMN_HEAD_STEP; i < count; i += LION_COLUMN_HEAD_STEP)
        lion_buffer_put_u64(buffer, head_of(&values[i], prefix));
}

static void write_bytes(lion_buffer *buffer, lion_column_writer *writer, lion_type type,
                        const lion_value *values, size_t count, lion_column_sort sort)
{
    size_t distinct = sort == LION_COLUMN_ANY ? find_distinct(writer, values, count) : 0;
    bool has_codes = codes_pay(writer, values, count, distinct);
    if (!has_codes) distinct = count;
    const uint32_t *firsts = has_codes ? writer->firsts : NULL;

    bool has_stubs = false;
    int64_t place = 0;
    for (size_t i = 0; i < distinct; i++) {
        const lion_value *value = &values[has_codes ? firsts[i] : i];
        has_stubs |= lion_value_is_stub(value);
        writer->places[i] = place;
        place += (int64_t)stored_size(value);
    }
    writer->places[distinct] = place;
    LION_ASSERT(place <= UINT32_MAX);

    bool has_heads = sort == LION_COLUMN_SORTED && !has_stubs && count >= 2 * LION_COLUMN_HEAD_STEP;
    unsigned mode = (has_codes ? LION_COLUMN_CODES : 0u) | (has_stubs ? LION_COLUMN_STUBS : 0u) |
                    (has_heads ? LION_COLUMN_HEADS : 0u);
    write_header(buffer, type, mode, count);
    lion_buffer_put_u32(buffer, (uint32_t)distinct);
    lion_buffer_put_u32(buffer, (uint32_t)place);
    if (has_codes) lion_ints_write(buffer, &writer->ints, writer->room, count, LION_INTS_RANDOM);
    lion_ints_write(buffer, &writer->ints, writer->places, distinct + 1, LION_INTS_RANDOM);
    if (has_stubs) write_stub_bits(buffer, values, firsts, distinct);
    if (has_heads) write_heads(buffer, values, count);
    write_heap(buffer, values, firsts, distinct);
}

void lion_column_write(lion_buffer *buffer, lion_column_writer *writer, lion_type type,
                       const lion_value *values, size_t count, lion_column_sort sort)
{
    if (!reserve(writer, count + 1)) {
        buffer->is_failed = true;
        return;
    }
    if (lion_type_is_scalar((uint8_t)type))
        write_scalars(buffer, writer, type, values, count);
    else
        write_bytes(buffer, writer, type, values, count, sort);
}
