/* branch.h - branches: directories of the children of a tree's upper levels.
 *
 * An entry says where a child lies, how many rows are below it, how many distinct leads, the range
 * of its e and t, whether it retracts, and where it begins: a separator, the shortest key that is
 * above all rows before the child and not above its first. Entries are columns (index/ints.h), so a
 * thousand and more children fit in a branch, and a search reads only the columns it needs.
 *
 * continues: the child's first lead equals the last lead of the child before it, so that the
 * distinct leads of children add up exactly: sum(distinct) - sum(continues). A branch's own first
 * separator and continues are those its parent has for it: what the parent says stands. */
#ifndef LION_INDEX_BRANCH_H
#define LION_INDEX_BRANCH_H

#include "index/column.h"
#include "index/tree.h"

#define LION_BRANCH_ENTRIES_MAX 65535

typedef struct lion_branch_entry {
    uint64_t segment;
    uint64_t rows;
    uint64_t distinct;
    int64_t min_e, max_e;
    int64_t min_t, max_t;
    lion_key separator; /* parts 0: below everything; a large value is a stub, all others are whole
                           or cut */
    bool continues;
    bool has_retractions;
} lion_branch_entry;

/* A branch seen in place; its columns are opened by those who read them. */
typedef struct lion_branch {
    const uint8_t *bytes;
    size_t size;
    uint32_t count;
    uint32_t a; /* of the tree */
    uint8_t order, level;
    uint64_t rows, distinct; /* of all below */
} lion_branch;

/* View a branch of `level` (2: its children are leaves). */
lion_status lion_branch_open(lion_branch *branch, lion_slice bytes, const lion_tree *tree,
                             unsigned level, lion_error *error);
/* The child where the first row not before the key's prefix lies (upper: behind it), or the one
 * before that, at whose end it then would be. */
lion_status lion_branch_find(uint32_t *child_out, const lion_branch *branch, const lion_key *key,
                             bool upper, lion_snapshot *snapshot, lion_error *error);
lion_status lion_branch_child(uint64_t *segment_out, const lion_branch *branch, uint32_t child,
                              lion_error *error);
/* Rows of the children before `child` (<= count). */
lion_status lion_branch_rows_before(uint64_t *rows_out, const lion_branch *branch, uint32_t child,
                                    lion_error *error);
/* The range of t of a child, for skipping. */
lion_status lion_branch_times(int64_t *min_out, int64_t *max_out, const lion_branch *branch,
                              uint32_t child, lion_error *error);
/* All entries, into the arena; values of separators are borrowed from the segment. */
lion_status lion_branch_read(lion_branch_entry **entries_out, const lion_branch *branch,
                             lion_arena *arena, lion_error *error);

/* Append the segment of `count` entries. */
void lion_branch_write(lion_buffer *buffer, lion_column_writer *writer, const lion_tree *tree,
                       unsigned level, const lion_branch_entry *entries, size_t count);
/* The entry of a branch for its parent: sums and ranges of its children (segment is left 0). */
lion_branch_entry lion_branch_sum(const lion_branch_entry *entries, size_t count);

/* ---- keys ---- */

/* Order of two keys' first min(parts) components in the tree's order, tx descending. */
lion_status lion_key_compare(int *order_out, uint8_t order, const lion_key *a, const lion_key *b,
                             lion_snapshot *snapshot, lion_error *error);
/* The shortest key above `last` and not above `first` (two neighbours in the order); cut values are
 * borrowed from `first`. */
lion_key lion_key_separate(uint8_t order, const lion_datom *last, const lion_datom *first);

#endif
