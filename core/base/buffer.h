/* buffer.h - bytes that grow: for building records, segments and encodings.
 * Heap-owned; a failed growth latches is_failed and drops writes, so a writer checks once, at the
 * end, with lion_buffer_check. Integers are little-endian; varints are LEB128. */
#ifndef LION_BASE_BUFFER_H
#define LION_BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

typedef struct lion_buffer {
    uint8_t *data;
    size_t size;
    size_t capacity;
    bool is_failed;
} lion_buffer;

void lion_buffer_init(lion_buffer *buffer);
void lion_buffer_deinit(lion_buffer *buffer);
void lion_buffer_clear(lion_buffer *buffer); /* keeps the memory */
bool lion_buffer_reserve(lion_buffer *buffer, size_t extra);
void lion_buffer_put(lion_buffer *buffer, const void *data, size_t size);
void lion_buffer_put_u8(lion_buffer *buffer, uint8_t x);
void lion_buffer_put_u16(lion_buffer *buffer, uint16_t x);
void lion_buffer_put_u32(lion_buffer *buffer, uint32_t x);
void lion_buffer_put_u64(lion_buffer *buffer, uint64_t x);
void lion_buffer_put_varint(lion_buffer *buffer, uint64_t x);
void lion_buffer_put_zigzag(lion_buffer *buffer, int64_t x);
void lion_buffer_align(lion_buffer *buffer, size_t alignment); /* pads with zeros */
lion_slice lion_buffer_view(const lion_buffer *buffer);
lion_status lion_buffer_check(const lion_buffer *buffer, lion_error *error);

/* A reader over untrusted bytes: every get checks bounds; past the end it latches is_failed and
 * yields zeros. */
typedef struct lion_reader {
    const uint8_t *next, *end;
    bool is_failed;
} lion_reader;

void lion_reader_init(lion_reader *reader, lion_slice bytes);
uint8_t lion_reader_u8(lion_reader *reader);
uint16_t lion_reader_u16(lion_reader *reader);
uint32_t lion_reader_u32(lion_reader *reader);
uint64_t lion_reader_u64(lion_reader *reader);
uint64_t lion_reader_varint(lion_reader *reader);
int64_t lion_reader_zigzag(lion_reader *reader);
lion_slice lion_reader_bytes(lion_reader *reader, size_t size); /* borrowed */
size_t lion_reader_left(const lion_reader *reader);

#endif
