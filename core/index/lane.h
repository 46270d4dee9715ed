/* lane.h - one order of one tree family (EAVT, or AEVT/AVET of an attribute) as a view shows it: the merge of
 * current tree, history tree, novelty and speculative novelty, fact by fact. What cursors are made of. */
#ifndef LION_INDEX_LANE_H
#define LION_INDEX_LANE_H

#include "index/cursor.h"

#define LION_LANE_SOURCES_MAX 4

typedef struct lion_lane_source {
    bool is_tree;
    bool has_head;               /* head holds the next datom of this source */
    bool is_done;
    lion_datom head;
    lion_tree_iterator tree;
    lion_datom_batch batch;      /* of the tree: the rows not consumed begin at row */
    uint32_t row;
    lion_novelty_iterator novelty;
} lion_lane_source;

typedef struct lion_lane {
    const lion_view *view;
    lion_index order;            /* EAVT, AEVT or AVET */
    bool is_reverse;
    lion_key key;                /* prefix to stay in; parts 0: everything */
    bool is_bounded;             /* stop where the prefix ends */
    const lion_value *end_v;     /* stop before (AVET) */
    int64_t since_t, upper_t;
    lion_lane_source sources[LION_LANE_SOURCES_MAX];
    uint32_t source_count;
    uint32_t first_rows;         /* of a tree's first batch: small for point reads */
    /* one current tree and nothing else: its batches pass through as they are */
    bool is_pass;
    uint64_t pass_left;          /* rows until the prefix ends */
} lion_lane;

/* Set up for attribute a (ignored in EAVT) and place before the first datom of the key (behind the last, in
 * reverse). The lane borrows view and arena. */
lion_status lion_lane_open(lion_lane *lane, const lion_view *view, lion_index order, uint32_t a,
                           const lion_key *key, const lion_cursor_options *options, lion_arena *arena,
                           lion_error *error);
/* The next visible datom; LION_END. Its bytes live as long as the view (and the arena). */
lion_status lion_lane_next(lion_lane *lane, lion_datom *datom_out, lion_error *error);
/* Only if is_pass: a batch straight from the tree, valid until the next one. */
lion_status lion_lane_pass(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                           lion_error *error);

/* Compare a datom with a key's prefix in an order (tx descending as the fourth part): <0, 0 inside, >0. */
int lion_key_place(lion_index order, const lion_datom *datom, const lion_key *key);

#endif
