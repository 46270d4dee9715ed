/* cursor.h - the one way to read: merges current tree, history tree, novelty and speculative
 * novelty into batches of datoms, as one view of the database shows them.
 *
 * A view is a database value's shape for reading: which root and novelty, and which part of time.
 *   upper_t   no datom above it is seen: min(basis t, as-of t)
 *   since_t   no datom at or below it is seen (-1: none)
 *   is_history  all assertions and retractions; else, of each fact, only the newest visible datom,
 * if it is an assertion filter    a host's predicate asked batch by batch (LION_CALL); several are
 * and-ed A range where novelty has nothing costs nothing for novelty; the past is read only when
 * upper_t is below the newest t or is_history. Reading bounded below what root+novelty hold is how
 * values outlive both. */
#ifndef LION_INDEX_CURSOR_H
#define LION_INDEX_CURSOR_H

#include "index/novelty.h"
#include "index/root.h"

struct lion_overlays;

typedef struct lion_view {
    const lion_root *root; /* borrowed */
    lion_novelty_version novelty;
    lion_novelty_version speculative; /* on top, of `with`; all its t are above novelty's */
    int64_t upper_t;
    int64_t since_t; /* -1: none */
    bool is_history;
    uint8_t filter_count;
    int64_t filters[LION_VIEW_FILTERS_MAX]; /* the host's handles */
    void *db;                        /* the lion_db a FILTER call is given (the unfiltered one) */
    const uint32_t *vaet_attributes; /* ref attributes ascending, for LION_VAET (from the schema) */
    uint32_t vaet_count;
    struct lion_overlays *overlays; /* index/overlay.h: the value's own; NULL: it keeps none */
} lion_view;

/* What the view's trees hold in an order, NULL if nothing. */
const lion_tree *lion_view_tree(const lion_view *view, lion_index order, uint32_t a,
                                bool is_history);
/* The newest t that root, novelty and speculative novelty hold. */
int64_t lion_view_newest_t(const lion_view *view);

/* Position before the first datom with key's prefix. The view, its root and versions must outlive
 * the cursor, which lives in the arena (closing is a courtesy: it returns nothing but LION_END
 * afterwards). key->parts == 0: the whole index. */
lion_status lion_cursor_open(lion_cursor **cursor_out, const lion_view *view, lion_index index,
                             const lion_key *key, const lion_cursor_options *options,
                             lion_arena *arena, lion_error *error);
/* Have the cursor read another view from the next seek on: of what it was, its memory alone is
 * left. */
void lion_cursor_renew(lion_cursor *cursor, const lion_view *view);
/* Move to another key, forward or backward, reusing the cursor (sorted probes are cheap). Same
 * prefix length rules. */
lion_status lion_cursor_seek(lion_cursor *cursor, const lion_key *key, lion_error *error);
/* ---- parts: what several threads read, each with cursors of its own ---- */

/* The rows of one attribute from before the first that matches `from` to before the first that
 * matches `to` (to_upper: behind the last; parts 0: to the attribute's end), in AEVT or AVET. */
typedef struct lion_key_range {
    lion_key from, to;
    bool to_upper;
    uint64_t rows_before; /* of a part: rows of the current tree in the parts before it */
} lion_key_range;

/* Have a cursor that was opened on AEVT or AVET, not in reverse, read the range instead. What the
 * keys borrow must live as long as it is read. */
lion_status lion_cursor_seek_range(lion_cursor *cursor, const lion_key_range *range,
                                   lion_error *error);
/* The range in parts, which together have its rows in its order: up to `most`, of `rows_each` or
 * more rows of the current tree each, about equally many. No parts (*count_out 0) where there are
 * not so many rows, or, with is_any_order, where such a cursor could yield them in another order.
 * Parts lie in the arena, their values in the view's snapshot. */
lion_status lion_view_split(lion_key_range **parts_out, uint32_t *count_out, const lion_view *view,
                            lion_index index, const lion_key_range *range, uint64_t rows_each,
                            uint32_t most, bool is_any_order, lion_arena *arena, lion_error *error);

/* ---- counts and points (never LION_CALL) ----
 * Filtered views are not counted (LION_ABSENT: scan instead); points look through filters. */

/* Exact number of datoms with the prefix. Plain views: two descents and a novelty lookup. Others
 * scan. */
lion_status lion_view_count(uint64_t *count_out, const lion_view *view, lion_index index,
                            const lion_key *key, lion_arena *arena, lion_error *error);
/* An upper estimate of the same that never scans (for planning any view). */
lion_status lion_view_estimate(uint64_t *count_out, const lion_view *view, lion_index index,
                               const lion_key *key, lion_error *error);
/* The same of an attribute's values from low (NULL: the first) to end, which is not among them
 * (NULL: the last), in AVET. */
lion_status lion_view_estimate_range(uint64_t *count_out, const lion_view *view, uint32_t a,
                                     const lion_value *low, const lion_value *end,
                                     lion_error *error);
/* The first value of (e, a) / the first e of (a, v): LION_OK or LION_ABSENT. Hot paths of transact,
 * pull and lookups. Plain unfiltered views use tree get/find with a novelty check; others a cursor.
 */
lion_status lion_view_get(lion_value *value_out, int64_t *tx_out, const lion_view *view, int64_t e,
                          uint32_t a, lion_arena *arena, lion_error *error);
lion_status lion_view_find(int64_t *e_out, int64_t *tx_out, const lion_view *view, uint32_t a,
                           lion_value v, lion_arena *arena, lion_error *error);
/* The first values of several attributes of e, NIL where it has none: what lion_view_get says of
 * each, with one look at novelty for all. */
lion_status lion_view_row(lion_value *values_out, const lion_view *view, int64_t e,
                          const uint32_t *attributes, uint32_t count, lion_arena *arena,
                          lion_error *error);
/* Whether the fact is there, and the tx that asserted it. */
lion_status lion_view_has(int64_t *tx_out, const lion_view *view, int64_t e, uint32_t a,
                          lion_value v, lion_arena *arena, lion_error *error);

#endif
