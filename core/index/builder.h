/* builder.h - putting a tree together from left to right: new nodes and old ones, level by level.
 *
 * Each level holds the entries of its nodes that no branch has yet. Whoever builds appends nodes in
 * order (lowest level first: before a node of level k is appended, levels below must be settled);
 * the builder packs entries into branches of between two thirds and four thirds of the segment
 * size, and at the end closes the tree. A node that comes out too small at the right edge takes
 * back its left neighbour: therefore the last new node of each level is held, and put into the
 * commit only when the next one comes.
 *
 * Level 0 are leaves; a tree whose top is at level k has height k + 1. */
#ifndef LION_INDEX_BUILDER_H
#define LION_INDEX_BUILDER_H

#include "index/branch.h"

typedef struct lion_builder_level {
    lion_branch_entry *entries;
    size_t count, capacity;
    size_t estimate;  /* bytes of a branch with these entries */
    lion_buffer held; /* the last new node */
    uint64_t held_id; /* 0: none */
} lion_builder_level;

typedef struct lion_builder {
    const lion_tree *tree; /* the old one: order, type, a */
    lion_snapshot *snapshot;
    lion_commit *commit;
    size_t size_target, size_min, size_max; /* of a segment */
    lion_builder_level levels[LION_TREE_HEIGHT_MAX + 1];
    lion_column_writer columns;
    lion_buffer scratch;
    lion_arena arena;  /* stubs and opened branches; lives as long as the builder */
    lion_buffer *kept; /* nodes taken back: their bytes are still read */
    size_t kept_count;
} lion_builder;

void lion_builder_init(lion_builder *builder, const lion_tree *tree, lion_snapshot *snapshot,
                       lion_commit *commit, const lion_tree_options *options);
void lion_builder_deinit(lion_builder *builder);

/* Append an old node by reference. */
lion_status lion_builder_refer(lion_builder *builder, unsigned level,
                               const lion_branch_entry *entry, lion_error *error);
/* Append a new node: its bytes are swapped out of `bytes`, entry gets a fresh segment id. */
lion_status lion_builder_put(lion_builder *builder, unsigned level, lion_buffer *bytes,
                             lion_branch_entry entry, lion_error *error);
/* Close the entries of a level into branches; a rest too small for a branch stays, is_settled says
 * whether there is none. */
lion_status lion_builder_settle(lion_builder *builder, unsigned level, bool *is_settled_out,
                                lion_error *error);
/* Take back the last node of a level (deleted if it was old): LION_ABSENT if there is none at or
 * above it. The bytes live as long as the builder and the snapshot. */
lion_status lion_builder_pop(lion_builder *builder, unsigned level, lion_branch_entry *entry_out,
                             lion_slice *bytes_out, lion_error *error);
/* The entries of a branch that is given up; the first gets what the branch's own entry says.
 * Deleting it is the caller's affair. */
lion_status lion_builder_unpack(lion_builder *builder, unsigned level,
                                const lion_branch_entry *entry, lion_slice bytes,
                                lion_branch_entry **entries_out, size_t *count_out,
                                lion_error *error);
/* Close all levels; the new tree's segment, height and count, and its distinct leads. */
lion_status lion_builder_finish(lion_builder *builder, lion_tree *tree_out, uint64_t *distinct_out,
                                lion_error *error);

#endif
