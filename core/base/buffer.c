/* buffer.c - a growing byte array, and a bounds-checked reader over one. */
#include "base/buffer.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

#define CAPACITY_FIRST 64

void lion_buffer_init(lion_buffer *buffer)
{
    *buffer = (lion_buffer){ 0 };
}

void lion_buffer_deinit(lion_buffer *buffer)
{
    lion_free(buffer->data);
    *buffer = (lion_buffer){ 0 };
}

void lion_buffer_clear(lion_buffer *buffer)
{
    buffer->size = 0;
    buffer->is_failed = false;
}

bool lion_buffer_reserve(lion_buffer *buffer, size_t extra)
{
    if (buffer->is_failed) return false;
    if (extra <= buffer->capacity - buffer->size) return true;

    size_t needed;
    if (!lion_size_add(&needed, buffer->size, extra)) goto fail;
    size_t capacity = buffer->capacity != 0 ? buffer->capacity : CAPACITY_FIRST;
    while (capacity < needed)
        if (!lion_size_mul(&capacity, capacity, 2)) goto fail;
    uint8_t *data = lion_realloc(buffer->data, capacity);
    if (data == NULL) goto fail;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;

fail:
    buffer->is_failed = true;
    return false;
}

void lion_buffer_put(lion_buffer *buffer, const void *data, size_t size)
{
    if (size == 0 || !lion_buffer_reserve(buffer, size)) return;
    memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

void lion_buffer_put_u8(lion_buffer *buffer, uint8_t x)
{
    if (!lion_buffer_reserve(buffer, 1)) return;
    buffer->data[buffer->size++] = x;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file format is little-endian");

void lion_buffer_put_u16(lion_buffer *buffer, uint16_t x)
{
    lion_buffer_put(buffer, &x, sizeof x);
}

void lion_buffer_put_u32(lion_buffer *buffer, uint32_t x)
{
    lion_buffer_put(buffer, &x, sizeof x);
}

void lion_buffer_put_u64(lion_buffer *buffer, uint64_t x)
{
    lion_buffer_put(buffer, &x, sizeof x);
}

void lion_buffer_put_varint(lion_buffer *buffer, uint64_t x)
{
    if (!lion_buffer_reserve(buffer, 10)) return;
    uint8_t *at = buffer->data + buffer->size;
    while (x >= 0x80) {
        *at++ = (uint8_t)(x | 0x80);
        x >>= 7;
    }
    *at++ = (uint8_t)x;
    buffer->size = (size_t)(at - buffer->data);
}

void lion_buffer_put_zigzag(lion_buffer *buffer, int64_t x)
{
    lion_buffer_put_varint(buffer, (uint64_t)x << 1 ^ (uint64_t)(x >> 63));
}

void lion_buffer_align(lion_buffer *buffer, size_t alignment)
{
    LION_ASSERT(alignment != 0);
    size_t rest = buffer->size % alignment;
    if (rest == 0) return;
    size_t padding = alignment - rest;
    if (!lion_buffer_reserve(buffer, padding)) return;
    memset(buffer->data + buffer->size, 0, padding);
    buffer->size += padding;
}

lion_slice lion_buffer_view(const lion_buffer *buffer)
{
    return lion_slice_of(buffer->data, buffer->size);
}

lion_status lion_buffer_check(const lion_buffer *buffer, lion_error *error)
{
    return buffer->is_failed ? lion_fail_memory(error) : LION_OK;
}

void lion_reader_init(lion_reader *reader, lion_slice bytes)
{
    *reader = (lion_reader){ .next = bytes.data };
    reader->end = bytes.size != 0 ? bytes.data + bytes.size : bytes.data;
}

size_t lion_reader_left(const lion_reader *reader)
{
    return reader->next == NULL ? 0 : (size_t)(reader->end - reader->next);
}

/* Copy the next `size` bytes out, or zeros and a latched failure. */
static void take(lion_reader *reader, void *out, size_t size)
{
    if (reader->is_failed || lion_reader_left(reader) < size) {
        reader->is_failed = true;
        memset(out, 0, size);
        return;
    }
    memcpy(out, reader->next, size);
    reader->next += size;
}

uint8_t lion_reader_u8(lion_reader *reader)
{
    uint8_t x;
    take(reader, &x, sizeof x);
    return x;
}

uint16_t lion_reader_u16(lion_reader *reader)
{
    uint16_t x;
    take(reader, &x, sizeof x);
    return x;
}

uint32_t lion_reader_u32(lion_reader *reader)
{
    uint32_t x;
    take(reader, &x, sizeof x);
    return x;
}

uint64_t lion_reader_u64(lion_reader *reader)
{
    uint64_t x;
    take(reader, &x, sizeof x);
    return x;
}

uint64_t lion_reader_varint(lion_reader *reader)
{
    uint64_t x = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = lion_reader_u8(reader);
        if (reader->is_failed) return 0;
        if (shift == 63 && byte > 1) break; /* more than 64 bits */
        x |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return x;
    }
    reader->is_failed = true;
    return 0;
}

int64_t lion_reader_zigzag(lion_reader *reader)
{
    uint64_t x = lion_reader_varint(reader);
    return (int64_t)(x >> 1 ^ (0 - (x & 1)));
}

lion_slice lion_reader_bytes(lion_reader *reader, size_t size)
{
    if (reader->is_failed || lion_reader_left(reader) < size) {
        reader->is_failed = true;
        return (lion_slice){ 0 };
    }
    lion_slice bytes = lion_slice_of(reader->next, size);
    if (size != 0) reader->next += size;
    return bytes;
}
