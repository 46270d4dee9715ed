/* packer.h - rows into leaves, from left to right: the lowest level of writing a tree.
 *
 * Rows pend until there are enough for a leaf; a rest that is too small waits for what comes next,
 * or, at the right edge, takes back the leaf before it. Above it works the builder (builder.h).
 *
 * A new leaf needs a separator and the continues flag, which depend on the last row before it: of a
 * new leaf it is remembered, of a subtree by reference it is looked up in the snapshot. */
#ifndef LION_INDEX_PACKER_H
#define LION_INDEX_PACKER_H

#include "index/builder.h"
#include "index/leaf.h"

/* Rows that wait to be closed into leaves; large values are stubs. */
typedef struct lion_pending {
    lion_datom *rows;
    size_t head, count, capacity; /* rows[head .. head + count) */
    double estimate;              /* bytes of a leaf with them */
} lion_pending;

typedef enum lion_before { LION_BEFORE_NONE, LION_BEFORE_ROW, LION_BEFORE_NODE } lion_before;

typedef struct lion_packer {
    lion_builder builder;
    lion_leaf_writer leaves;
    lion_buffer bytes;
    lion_pending pending;
    lion_datom *old; /* a decoded leaf */
    size_t old_count, old_capacity;
    double scale; /* bytes in a leaf for each byte guessed, learnt on the way */

    lion_before before;     /* the last thing appended: */
    lion_datom row;         /* a new leaf's last row */
    lion_branch_entry node; /* or a node by reference, */
    unsigned node_level;
    bool is_gap;    /* old rows between it and what comes next were taken out or rewritten */
    bool has_given; /* the first pending row's leaf was taken back: its separator stands */
    lion_branch_entry given;

    const lion_change *changes;
    lion_error *error;
} lion_packer;

typedef enum lion_flush_mode {
    LION_FLUSH_BULK,   /* only keep what pends bounded */
    LION_FLUSH_SETTLE, /* all, but a rest that is too small */
    LION_FLUSH_ALL
} lion_flush_mode;

lion_status lion_packer_push(lion_packer *packer, const lion_datom *rows, size_t count);
lion_status lion_packer_flush(lion_packer *packer, lion_flush_mode mode);
/* The untouched node comes next. */
lion_status lion_packer_refer(lion_packer *packer, unsigned level, const lion_branch_entry *old);
/* Close the last leaf: a rest too small for one takes back the leaf before it. */
lion_status lion_packer_close(lion_packer *packer);

/* All rows of a leaf into old[]. */
lion_status lion_packer_decode(lion_packer *packer, lion_slice bytes);
/* The rows of a leaf (or of none: empty bytes) and the changes[from .. to) in its range, merged,
 * now pend. */
lion_status lion_packer_merge(lion_packer *packer, lion_slice bytes, size_t from, size_t to);

lion_status lion_packer_reserve(lion_datom **rows, size_t *capacity, size_t count,
                                lion_error *error);

#endif
