/* points.h - single facts of a root's trees, over and over: what a root keeps open for them.
 * From any thread. The trees are those of the root's attributes (lion_root_attribute). */
#ifndef LION_INDEX_POINTS_H
#define LION_INDEX_POINTS_H

#include "index/leaf.h"
#include "index/root.h"

#define LION_POINTS_ROW 16 /* attributes that are read at once */

/* As lion_tree_get and lion_tree_find. Values and their bytes are borrowed from the snapshot. */
lion_status lion_points_get(lion_value *value_out, int64_t *tx_out, const lion_root *root,
                            const lion_tree *tree, int64_t e, lion_error *error);
lion_status lion_points_find(int64_t *e_out, int64_t *tx_out, const lion_root *root,
                             const lion_tree *tree, lion_value v, lion_error *error);
/* The first values of one entity in up to LION_POINTS_ROW AEVT trees; NIL where there is none, or
 * where the tree is NULL. */
lion_status lion_points_row(lion_value *values_out, const lion_root *root,
                            const lion_tree *const *trees, uint32_t count, int64_t e,
                            lion_error *error);
/* The open leaf that has the entity, if any has: all of its rows, with e and v, and nobody changes
 * it. It is that of the entities [*from_out, *to_out). LION_END: the tree is not kept open. */
lion_status lion_points_leaf(lion_leaf **leaf_out, int64_t *from_out, int64_t *to_out,
                             const lion_root *root, const lion_tree *tree, int64_t e,
                             lion_error *error);
/* All rows that an AVET tree has of the value: [*from_out, *to_out) of an open leaf, with e, which
 * nobody changes. LION_ABSENT: it has none. LION_END: the tree is not kept open, or does not tell
 * so. */
lion_status lion_points_run(lion_leaf **leaf_out, uint32_t *from_out, uint32_t *to_out,
                            const lion_root *root, const lion_tree *tree, lion_value v,
                            lion_error *error);
/* Keep the tree open from now on, not first when it was asked often. NULL is allowed. */
void lion_points_keep_open(const lion_root *root, const lion_tree *tree);

/* All that the root keeps open; for lion_root_drop. */
void lion_points_free(lion_points *points, uint32_t attribute_count);

#endif
