/* log_leaf.c - packing and unpacking a run of transaction records. */
#include "index/log_leaf.h"

#include <string.h>
#include <zstd.h>

#include "index/leaf.h"

#define HEADER_SIZE 32
#define LEVEL 3
#define RATIO_MAX                                                                                  \
    40000 /* zstd's frames cannot promise more than this many bytes for one of theirs */

lion_status lion_log_leaf_open(lion_log_leaf *leaf_out, lion_slice bytes, lion_error *error)
{
    lion_reader reader;
    lion_reader_init(&reader, bytes);
    uint8_t kind = lion_reader_u8(&reader);
    lion_slice zeros = lion_reader_bytes(&reader, 3);
    lion_log_leaf leaf = { .count = lion_reader_u32(&reader) };
    leaf.first_t = (int64_t)lion_reader_u64(&reader);
    leaf.last_t = (int64_t)lion_reader_u64(&reader);
    leaf.raw_size = lion_reader_u64(&reader);
    leaf.frame = lion_reader_bytes(&reader, lion_reader_left(&reader));
    bool is_sound = !reader.is_failed && kind == LION_SEGMENT_LOG && zeros.data[0] == 0 &&
                    zeros.data[1] == 0 && zeros.data[2] == 0 && leaf.count > 0 &&
                    leaf.first_t <= leaf.last_t && leaf.raw_size / RATIO_MAX <= leaf.frame.size;
    if (!is_sound) return lion_fail_corrupt(error, "a log segment is malformed: its header");
    *leaf_out = leaf;
    return LION_OK;
}

lion_status lion_log_leaf_unpack(lion_buffer *raw, const lion_log_leaf *leaf, lion_error *error)
{
    lion_buffer_clear(raw);
    if (!lion_buffer_reserve(raw, (size_t)leaf->raw_size + 1)) return lion_fail_memory(error);
    size_t size =
        ZSTD_decompress(raw->data, (size_t)leaf->raw_size, leaf->frame.data, leaf->frame.size);
    if (ZSTD_isError(size) || size != leaf->raw_size)
        return lion_fail_corrupt(error, "a log segment does not decompress: %s",
                                 ZSTD_isError(size) ? ZSTD_getErrorName(size) : "wrong size");
    raw->size = size;
    return LION_OK;
}

lion_status lion_log_leaf_write(lion_buffer *buffer, lion_slice raw, uint32_t count,
                                int64_t first_t, int64_t last_t, lion_error *error)
{
    lion_buffer_put_u32(buffer, LION_SEGMENT_LOG);
    lion_buffer_put_u32(buffer, count);
    lion_buffer_put_u64(buffer, (uint64_t)first_t);
    lion_buffer_put_u64(buffer, (uint64_t)last_t);
    lion_buffer_put_u64(buffer, raw.size);
    size_t bound = ZSTD_compressBound(raw.size);
    if (!lion_buffer_reserve(buffer, bound)) return lion_fail_memory(error);
    size_t size = ZSTD_compress(buffer->data + buffer->size, bound, raw.data, raw.size, LEVEL);
    if (ZSTD_isError(size))
        return lion_fail(error, LION_FAULT, "lion/compress", "a log segment does not compress: %s",
                         ZSTD_getErrorName(size));
    buffer->size += size;
    return LION_OK;
}
