/* log_leaf.h - a log leaf: a compressed run of transaction records.
 *
 *   offset  size  what
 *        0     1  3: a log leaf
 *        1     3  zero
 *        4     4  transactions
 *        8     8  t of the first
 *       16     8  t of the last
 *       24     8  size of the records, uncompressed
 *       32     …  one zstd frame: for each transaction varint size, record (index/log_tree.h) */
#ifndef LION_INDEX_LOG_LEAF_H
#define LION_INDEX_LOG_LEAF_H

#include "base/buffer.h"

typedef struct lion_log_leaf {
    uint32_t count;
    int64_t first_t, last_t;
    uint64_t raw_size;
    lion_slice frame;
} lion_log_leaf;

lion_status lion_log_leaf_open(lion_log_leaf *leaf_out, lion_slice bytes, lion_error *error);
/* The records into `raw`, which is cleared first. */
lion_status lion_log_leaf_unpack(lion_buffer *raw, const lion_log_leaf *leaf, lion_error *error);
/* Append the segment of `raw`. */
lion_status lion_log_leaf_write(lion_buffer *buffer, lion_slice raw, uint32_t count,
                                int64_t first_t, int64_t last_t, lion_error *error);

#endif
