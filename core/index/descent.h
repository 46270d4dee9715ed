/* descent.h - a path from the top of a tree to an open leaf: what look-ups and iterators share.
 * A plain struct of about 2 KiB; nothing in it is owned, the snapshot's bytes are borrowed. */
#ifndef LION_INDEX_DESCENT_H
#define LION_INDEX_DESCENT_H

#include "index/branch.h"
#include "index/leaf.h"

typedef struct lion_descent {
    const lion_tree *tree; /* not empty */
    lion_snapshot *snapshot;
    unsigned depth; /* branches on the path: height - 1 once descended */
    struct {
        lion_branch branch;
        uint32_t child;
    } path[LION_TREE_HEIGHT_MAX];
    lion_leaf leaf;
} lion_descent;

/* Descend to the leaf where the first row not before key's prefix lies (upper: behind it), or at
 * whose end it would be. */
lion_status lion_descent_seek(lion_descent *descent, const lion_tree *tree, lion_snapshot *snapshot,
                              const lion_key *key, bool upper, lion_error *error);
/* To the first (last) leaf of the tree that may have a t in [min_t, max_t]; LION_END if none
 * has. */
lion_status lion_descent_start(lion_descent *descent, const lion_tree *tree,
                               lion_snapshot *snapshot, bool at_end, int64_t min_t, int64_t max_t,
                               lion_error *error);
/* From a leaf to its neighbour that may have such a t; after LION_END only seek and start may
 * follow. */
lion_status lion_descent_step(lion_descent *descent, bool backward, int64_t min_t, int64_t max_t,
                              lion_error *error);
/* The exact place of a key: descend, and step over the end of a leaf. LION_END behind the last
 * row. */
lion_status lion_descent_find(lion_descent *descent, uint32_t *row_out, const lion_tree *tree,
                              lion_snapshot *snapshot, const lion_key *key, lion_error *error);

/* To the row before which there are `rank` rows (rank < tree->count), in the leaf. */
lion_status lion_descent_select(lion_descent *descent, uint32_t *row_out, const lion_tree *tree,
                                lion_snapshot *snapshot, uint64_t rank, lion_error *error);

/* The same without opening the leaf, whose id is given: for trees whose leaves are of another kind
 * (the log). */
lion_status lion_descent_seek_leaf(lion_descent *descent, uint64_t *leaf_out, const lion_tree *tree,
                                   lion_snapshot *snapshot, const lion_key *key, bool upper,
                                   lion_error *error);
lion_status lion_descent_step_leaf(lion_descent *descent, uint64_t *leaf_out, bool backward,
                                   int64_t min_t, int64_t max_t, lion_error *error);

/* View the leaf that rests in the segment. */
lion_status lion_tree_open_leaf(lion_leaf *leaf, const lion_tree *tree, lion_snapshot *snapshot,
                                uint64_t segment, lion_error *error);

/* A tree's shape is data too. */
lion_status lion_tree_check(const lion_tree *tree, lion_error *error);

#endif
