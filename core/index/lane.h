/* lane.h - one order of one family of trees (EAVT; AEVT or AVET of one attribute) as a view shows
 * it: current tree, history tree, novelty and speculative novelty, merged. What cursors are made
 * of. Private to index/.
 *
 * A lane has up to four sources, each yielding chunks of rows in order. Stretches of a chunk
 * between the other sources' heads are taken whole; a long one of the current tree is handed out as
 * it is, without a copy. Taken rows are then reduced in place: those outside the view's time go,
 * and of each fact the newest that is left decides.
 *
 * Where the value keeps an overlay (index/overlay.h) the sources are two: the current tree and the overlay's columns. */
#ifndef LION_INDEX_LANE_H
#define LION_INDEX_LANE_H

#include "index/cursor.h"
#include "index/novelty_tree.h"
#include "index/overlay.h"

#define LION_LANE_SOURCES_MAX 4
#define LION_LANE_STRETCH 128 /* rows that are worth a batch of their own */

typedef struct lion_lane_source {
    bool is_tree;
    bool is_current; /* the current tree: assertions only, no fact twice */
    bool is_done;    /* nothing behind the chunk */
    bool is_idle;    /* nothing in the range that the lane stands at */
    uint32_t row;    /* next row of the chunk */
    uint32_t wanted; /* rows of the next chunk: they grow as one reads on */
    lion_datom_batch chunk;
    const lion_tree *tree;
    lion_tree_iterator *iterators[2]; /* of the columns asked for, and of all; made when needed */
    lion_tree_iterator *iterator;     /* the one in use */
    lion_novelty_iterator novelty;
    lion_rows *rows; /* novelty's chunk */
} lion_lane_source;

typedef struct lion_lane {
    const lion_view *view;
    lion_index order; /* EAVT, AEVT or AVET */
    uint32_t a;
    lion_type type;   /* of v in batches */
    uint32_t columns; /* asked for, and those that tell where to stop */
    bool is_reverse;
    bool has_bounds; /* some rows of the sources are outside the view's time */
    bool has_all_in_novelty; /* AVET without a tree of its own: see lion_root_attribute_lacks_avet */
    int64_t min_tx, max_tx;
    lion_arena *arena;
    lion_lane_source *sources[LION_LANE_SOURCES_MAX];
    lion_lane_source *rooms[LION_LANE_SOURCES_MAX]; /* those that were made, for when it is opened again */
    unsigned source_count;

    lion_key stop;   /* parts 0: none. Forward: rows before the boundary; reverse: rows behind it */
    bool stop_upper; /* the boundary lies behind the rows with the prefix */

    lion_rows rows;            /* merged */
    lion_rows novelty_rows[2]; /* chunks */
    lion_datom last; /* forward: the fact that is decided; reverse: the newest row so far of the
                        present fact */
    bool has_last;

    lion_overlay_note *note;     /* the value's; NULL: there is none, or the tree is all */
    uint64_t spared;             /* ns that an overlay would have; the note is not told yet */
    const lion_overlay *held;    /* until the arena's end */
    const lion_overlay *overlay; /* the one in use; NULL: the sources are merged */
    lion_lane_source *current;   /* overlay: the tree, NULL: it is not shown */
    uint32_t added_from, added_to; /* overlay: rows of `added` in the range that are not handed out yet */
    bool is_masked;      /* overlay: rows of the tree may be gone, or changed */
    bool is_lead_fixed;  /* the range is one lead's */
    bool is_any_order;   /* set behind lion_lane_open: the reader wants rows in any order; of a whole history
                            sources are read one after the other; with an overlay
                            it is another one than without */
} lion_lane;

/* Set up for attribute a (0 in EAVT). The lane borrows view and arena; it is zero before it is
 * opened first, and keeps its room when it is opened again. */
lion_status lion_lane_open(lion_lane *lane, const lion_view *view, lion_index order, uint32_t a,
                           uint32_t columns, bool is_reverse, lion_arena *arena, lion_error *error);
/* Before seeking: without the trees' rows (with_history: without the current tree's). */
void lion_lane_leave_trees(lion_lane *lane, bool with_history);
/* Stand at the boundary before (start_upper: behind) the rows with start's prefix, and stop at
 * another. parts 0: at the end of the lane. Values in the keys are borrowed until the next seek.
 * rows: of the first chunks. */
lion_status lion_lane_seek(lion_lane *lane, const lion_key *start, bool start_upper,
                           const lion_key *stop, bool stop_upper, uint32_t rows, lion_error *error);
/* Up to limit (<= LION_BATCH_ROWS) visible rows, at least one; LION_END. Valid until the next call.
 */
lion_status lion_lane_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                           lion_error *error);

/* ---- lane_merge.c: the same by merging the sources, whatever overlay there is ---- */

lion_status lion_lane_merge_open(lion_lane *lane, const lion_view *view, lion_index order,
                                 uint32_t a, uint32_t columns, bool is_reverse, lion_arena *arena,
                                 lion_error *error);
lion_status lion_lane_merge_seek(lion_lane *lane, const lion_key *start, bool start_upper,
                                 const lion_key *stop, bool stop_upper, uint32_t rows,
                                 lion_error *error);
lion_status lion_lane_merge_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                                 lion_error *error);

/* Of one source: place a tree's iterator; read the next chunk. */

lion_status lion_lane_seek_tree(lion_lane *lane, lion_lane_source *source, const lion_key *start,
                                bool upper, uint32_t columns, lion_error *error);
lion_status lion_lane_load(lion_lane *lane, lion_lane_source *source, lion_error *error);
uint32_t lion_lane_stop_columns(const lion_lane *lane);

/* ---- lane_overlay.c: seeking and stepping where there is an overlay ---- */

lion_status lion_lane_overlay_seek(lion_lane *lane, const lion_key *start, bool start_upper, uint32_t rows,
                                   lion_error *error);
lion_status lion_lane_overlay_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit, lion_error *error);

/* ---- lane_rows.c ---- */

/* The first row of [from, count) that is behind the other datom (by fact: not before its fact), in
 * the direction. */
uint32_t lion_lane_stretch(const lion_lane *lane, const lion_datom_batch *batch, uint32_t from,
                           const lion_datom *other, bool by_fact);
/* The rows that the stop leaves of a chunk. */
uint32_t lion_lane_rows_before_stop(const lion_lane *lane, const lion_datom_batch *batch);
/* Compact rows from `from` on to those that the view shows; the lane remembers the last fact. */
void lion_lane_reduce(lion_lane *lane, lion_rows *rows, uint32_t from);
/* Compact rows from `from` on, no two of one fact, to those within the view's time. */
void lion_lane_keep_visible(const lion_lane *lane, lion_rows *rows, uint32_t from);
bool lion_lane_is_visible(const lion_lane *lane, int64_t tx);
bool lion_datom_same_fact(const lion_datom *x, const lion_datom *y);

#endif
