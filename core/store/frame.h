/* frame.h - what the store wraps around the bytes it keeps: a checksum and a size.
 *
 *   offset  size  what
 *        0     8  XXH3 (64 bit) of offsets 8 … 16 + size, seeded with what names the bytes (below)
 *        8     4  size of the bytes
 *       12     4  kind: "LSEG", "LBLB" or "LROT"
 *       16     …  the bytes, then zeros up to the end of the value (not covered by the checksum)
 *
 * The seed is a segment's id, the low half of a blob's hash, a root's commit number: bytes that are
 * whole but lie under another name are found out too.
 *
 * Room. A value that LMDB keeps within a tree page (up to half a page, less some) is stored as it
 * is. A larger one takes a run of whole pages, the first of which LMDB begins with 16 bytes of its own;
 * the value is padded so that the run has 1 … 8, 10, 12 … 32, 36, 40 … 64, 72 … pages: runs that one
 * job frees then fit what the next one writes, and the file does not grow by fragments.
 *
 * Private to store/. */
#ifndef LION_STORE_FRAME_H
#define LION_STORE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define LION_FRAME_SEGMENT UINT32_C(0x4745534c)
#define LION_FRAME_BLOB UINT32_C(0x424c424c)
#define LION_FRAME_ROOT UINT32_C(0x544f524c)
#define LION_FRAME_BYTES_MAX ((size_t)UINT32_MAX - 65536)

typedef struct lion_frame {
    uint64_t checksum;
    uint32_t size;
    uint32_t kind;
    uint8_t bytes[];
} lion_frame;

_Static_assert(sizeof(lion_frame) == 16, "a frame is 16 bytes on disk");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files are little-endian");

static inline lion_slice lion_frame_bytes(const lion_frame *frame)
{
    return lion_slice_of(frame->bytes, frame->size);
}

/* Bytes of the value that holds `size` framed bytes under a key of `key_size` bytes. */
size_t lion_frame_room(size_t size, size_t key_size, size_t page_size);

/* Fill `room` bytes at `frame` (8-byte aligned or not): header, bytes, zeros. */
void lion_frame_write(void *frame, size_t room, uint32_t kind, uint64_t seed, lion_slice bytes);

/* Does the value make sense (kind, size within the value)? Reads the header only. */
bool lion_frame_fits(const void *frame, size_t value_size, uint32_t kind);
/* Does the checksum agree? `frame` fits. */
bool lion_frame_is_sound(const void *frame, uint64_t seed);

#endif
