/* log_tree.h - the log as a tree keyed by t: transactions whose tail records were recycled.
 * A log leaf is a zstd-compressed run of transactions; branches are directories of first t and
 * counts. The tree is append-only: the indexer adds leaves at the right edge.
 *
 * A transaction record (also the payload of a tail record, see store/log.h) is:
 *   varint t · zigzag instant_ms · varint next_counter · varint datom count · datoms
 *   each datom: zigzag e (delta to the one before) · varint a · type byte (bit 7: retraction) ·
 *               value
 *   value: zigzag for scalars, 8 raw bytes for doubles, 16 for uuids, varint size + bytes for
 *          the rest
 *   then: 1 byte has_id, 16 bytes transaction id if so;
 *         varint tempid count, each varint size + name + varint entity id. */
#ifndef LION_INDEX_LOG_TREE_H
#define LION_INDEX_LOG_TREE_H

#include "base/buffer.h"
#include "index/tree.h"

void lion_transaction_encode(lion_buffer *buffer, const lion_transaction *transaction);
/* Into the arena; value bytes are borrowed from `bytes`. lion/corrupt on bad bytes. */
lion_status lion_transaction_decode(lion_transaction *transaction_out, lion_slice bytes,
                                    lion_arena *arena, lion_error *error);

/* Append transactions (records already encoded, t ascending, above all in the tree). */
typedef struct lion_log_entry {
    int64_t t;
    lion_slice record;
} lion_log_entry;
lion_status lion_log_tree_append(lion_tree *tree_out, const lion_tree *tree,
                                 lion_snapshot *snapshot, lion_commit *commit,
                                 const lion_log_entry *entries, size_t count,
                                 const lion_tree_options *options, lion_error *error);

/* Walk from the first t >= from. Heap-owned; transactions are valid until the next step. */
typedef struct lion_log_iterator lion_log_iterator;
lion_status lion_log_iterator_open(lion_log_iterator **iterator_out, const lion_tree *tree,
                                   lion_snapshot *snapshot, int64_t from_t, lion_error *error);
/* Walk on from the first t >= from_t, wherever that is: cheap inside the leaf that was read last. */
void lion_log_iterator_seek(lion_log_iterator *iterator, int64_t from_t);
lion_status lion_log_iterator_next(lion_log_iterator *iterator, lion_transaction *transaction_out,
                                   lion_error *error);
void lion_log_iterator_close(lion_log_iterator *iterator);

#endif
