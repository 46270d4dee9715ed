/* tree.h - immutable order-statistic trees of columnar segments, in a store.
 *
 * A lion_tree is a small value: where the top segment is, how many rows below it. Leaves and
 * branches are segments of 32 to 64 KiB (smaller when the tree is), read in place from the
 * snapshot's bytes. A branch entry is a directory of its child: row count, first key, distinct lead
 * values, min/max e and tx, whether it holds retractions. So the rank of any key, and with it the
 * exact number of rows in any range, costs one descent.
 *
 * Three orders of rows: LION_EAVT (e a v tx), LION_AEVT (one attribute: e v tx), LION_AVET (one
 * attribute: v e tx). A tree of one attribute does not store a. tx descends inside equal facts.
 * History trees hold assertions and retractions, current trees only assertions.
 *
 * Values over LION_BLOB_SIZE_MIN bytes rest as blobs: the leaf keeps size, hash and a prefix of 64
 * bytes, ties read the blob. Values handed out live as long as the snapshot (plus the iterator's
 * arena for those that must be rebuilt). */
#ifndef LION_INDEX_TREE_H
#define LION_INDEX_TREE_H

#include "data/datom.h"
#include "store/store.h"

#define LION_BLOB_SIZE_MIN 1024
#define LION_SEGMENT_SIZE_TARGET 49152
#define LION_TREE_HEIGHT_MAX 12

typedef struct lion_tree {
    uint64_t segment; /* id of the top segment, 0: the tree is empty */
    uint64_t count;   /* rows */
    uint8_t height;   /* 0: empty, 1: the top is a leaf */
    uint8_t order;    /* LION_EAVT, LION_AEVT or LION_AVET */
    uint8_t type;     /* of the values: a lion_type, LION_TYPE_MIXED in EAVT */
    uint8_t is_history;
    uint32_t a; /* the attribute of AEVT and AVET trees, 0 in EAVT */
} lion_tree;

/* A place in an order: the first `parts` components (in the order of the tree, with a counted: EAVT
 * e a v tx; AEVT a e v tx; AVET a v e tx) of key are given. With all four given, tx takes part
 * (descending). */
typedef struct lion_key {
    lion_datom datom;
    uint8_t parts; /* 0..4 */
} lion_key;

/* Rows strictly before all rows that match the key's prefix (upper: before all rows behind them).
 * rank(upper) - rank(lower) is the exact count of the prefix. */
lion_status lion_tree_rank(uint64_t *rank_out, const lion_tree *tree, lion_snapshot *snapshot,
                           const lion_key *key, bool upper, lion_error *error);

/* The row before which there are `rank` rows (rank < count). Its value lives as long as the
 * snapshot. */
lion_status lion_tree_select(lion_datom *datom_out, const lion_tree *tree, lion_snapshot *snapshot,
                             uint64_t rank, lion_error *error);

/* ---- iterating, forward or backward ---- */

/* One iterator walks one tree. Everything it hands out stays valid until its next call. Lives in
 * the caller's memory; holds no resource but the arena's memory. */
typedef struct lion_tree_iterator {
    const lion_tree *tree;
    lion_snapshot *snapshot;
    uint32_t columns; /* lion_datom_columns wanted */
    bool is_reverse;
    bool is_placed; /* there is an open leaf; else the start (reverse: the end) is next */
    bool is_done;
    uint32_t row;         /* forward: next row to yield; reverse: rows left below */
    int64_t min_t, max_t; /* set these after init: leaves without a row inside [min_t, max_t] are
                           * skipped unread; exact filtering is the caller's */
    lion_arena *arena;
    struct lion_descent *descent;      /* the path and the open leaf, in the arena */
    struct lion_tree_buffers *buffers; /* decoded columns, reused from batch to batch */
} lion_tree_iterator;

lion_status lion_tree_iterator_init(lion_tree_iterator *iterator, const lion_tree *tree,
                                    lion_snapshot *snapshot, uint32_t columns, bool is_reverse,
                                    lion_arena *arena, lion_error *error);
/* The same iterator, with the same columns, for another tree: its room is used again. */
lion_status lion_tree_iterator_again(lion_tree_iterator *iterator, const lion_tree *tree,
                                     lion_snapshot *snapshot, bool is_reverse, lion_error *error);
/* Forward: to the first row >= key's prefix (upper: > it). Reverse: to the last row <= key's prefix
 * (i.e. the last one not behind it; upper false: the last one strictly before it). May be called
 * again, in any direction of travel; a seek near the present place is cheaper than a fresh one. */
lion_status lion_tree_iterator_seek(lion_tree_iterator *iterator, const lion_key *key, bool upper,
                                    lion_error *error);
/* Up to `limit` rows (<= LION_BATCH_ROWS) of the present leaf; LION_END when the tree is exhausted.
 */
lion_status lion_tree_iterator_next(lion_tree_iterator *iterator, lion_datom_batch *batch_out,
                                    uint32_t limit, lion_error *error);

/* ---- point lookups (no iterator, no allocation) ---- */

/* AEVT, cardinality one: the first value of e. LION_ABSENT if there is none. This is the hot path
 * of pull and lookups in queries: dense leaves answer by index. */
lion_status lion_tree_get(lion_value *value_out, int64_t *tx_out, const lion_tree *tree,
                          lion_snapshot *snapshot, int64_t e, lion_error *error);
/* AVET: the first e that has this value. */
lion_status lion_tree_find(int64_t *e_out, int64_t *tx_out, const lion_tree *tree,
                           lion_snapshot *snapshot, lion_value v, lion_error *error);
/* A sorted batch of entities through an AEVT tree: for each e[i] (ascending) the first value;
 * found[i] = 0/1. */
lion_status lion_tree_gather(lion_vector *values_out, uint8_t *found, const lion_tree *tree,
                             lion_snapshot *snapshot, const int64_t *e, uint32_t count,
                             lion_arena *arena, lion_error *error);

/* ---- writing ---- */

typedef struct lion_change {
    lion_datom datom;
    bool is_removal; /* take away the row equal in all components */
} lion_change;

typedef struct lion_tree_statistics {
    uint64_t distinct_lead; /* distinct e (AEVT, EAVT) or v (AVET) */
} lion_tree_statistics;

/* Options for specs: tiny segments walk every split and merge path. 0 means
 * LION_SEGMENT_SIZE_TARGET. */
typedef struct lion_tree_options {
    uint32_t segment_size;
} lion_tree_options;

/* Apply changes (sorted in the tree's order, removals of rows that are there, insertions of rows
 * that are not) and yield the new tree. Rewrites only the leaves that the changes touch and the
 * branches above; puts new segments, deletes replaced ones, counts blob references, all in
 * `commit`. Empty input is fine; an empty tree is built in bulk by the same call. Small neighbours
 * of rewritten leaves are merged, so leaves stay between half and full size. */
lion_status lion_tree_update(lion_tree *tree_out, lion_tree_statistics *statistics_out,
                             const lion_tree *tree, lion_snapshot *snapshot, lion_commit *commit,
                             const lion_change *changes, size_t count,
                             const lion_tree_options *options, lion_error *error);

/* Check everything below a tree: checksums (by the store), order, counts, directories. One leaf a
 * step: LION_FAILED is a fault, and the next step goes on behind it. LION_END when all has been
 * read. */
typedef struct lion_tree_verifier lion_tree_verifier;
lion_status lion_tree_verify_open(lion_tree_verifier **verifier_out, const lion_tree *tree,
                                  lion_snapshot *snapshot, lion_error *error);
lion_status lion_tree_verify_step(lion_tree_verifier *verifier, uint64_t *rows_out,
                                  lion_error *error);
void lion_tree_verify_close(lion_tree_verifier *verifier);

#endif
