/* frame.c - see frame.h for the bytes. */
#include "store/frame.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

#define CHECKSUM_SIZE 8
#define PAGE_HEADER_SIZE 16 /* LMDB's, at the start of a run */

size_t lion_frame_room(size_t size, size_t key_size, size_t page_size)
{
    LION_ASSERT(size <= LION_FRAME_BYTES_MAX);
    size_t framed = sizeof(lion_frame) + size;
    if (framed + key_size <= page_size / 2 - 64) return framed;

    size_t pages = (framed + PAGE_HEADER_SIZE + page_size - 1) / page_size;
    size_t step = pages <= 8 ? 1 : 2;
    while (pages > step * 16) step *= 2;
    pages = (pages + step - 1) / step * step;
    return pages * page_size - PAGE_HEADER_SIZE;
}

void lion_frame_write(void *frame, size_t room, uint32_t kind, uint64_t seed, lion_slice bytes)
{
    LION_ASSERT(bytes.size <= room - sizeof(lion_frame));

    lion_frame header = { .size = (uint32_t)bytes.size, .kind = kind };
    uint8_t *at = frame;
    memcpy(at, &header, sizeof header);
    if (bytes.size > 0) memcpy(at + sizeof header, bytes.data, bytes.size);
    size_t end = sizeof header + bytes.size;
    memset(at + end, 0, room - end);

    uint64_t checksum = lion_hash_seed(at + CHECKSUM_SIZE, end - CHECKSUM_SIZE, seed);
    memcpy(at, &checksum, sizeof checksum);
}

bool lion_frame_fits(const void *frame, size_t value_size, uint32_t kind)
{
    lion_frame header;
    if (value_size < sizeof header) return false;
    memcpy(&header, frame, sizeof header);
    return header.kind == kind && header.size <= value_size - sizeof header;
}

bool lion_frame_is_sound(const void *frame, uint64_t seed)
{
    lion_frame header;
    memcpy(&header, frame, sizeof header);
    size_t end = sizeof header + header.size;
    const uint8_t *at = frame;
    return header.checksum == lion_hash_seed(at + CHECKSUM_SIZE, end - CHECKSUM_SIZE, seed);
}
