/* overlay.h - how a view of one order of an attribute differs from the current tree: columns of
 * what is shown and not in the tree, and of what is in the tree and not shown. Novelty and the past
 * are read so, as of any time: the tree as it is, beside a few columns, instead of datoms one by
 * one.
 *
 * Making one reads all that novelty and history hold of the attribute, so it is made when readers
 * of a value have paid for that much (lion_overlays counts), and then the root keeps it, for this
 * value and for others that see the same. What a root keeps is bounded; where there is none, one
 * reads by merging (index/lane.h), which shows the same.
 *
 * Threads: any. An overlay never changes once it is seen. */
#ifndef LION_INDEX_OVERLAY_H
#define LION_INDEX_OVERLAY_H

#include "index/cursor.h"
#include "index/rows.h"

#define LION_OVERLAYS_SIZE_MAX (UINT64_C(32) << 20) /* bytes that a root keeps */

/* What a reader expects to pay without an overlay, in about a nanosecond. */
#define LION_OVERLAY_DATOM 50   /* a datom of novelty or history, merged */
#define LION_OVERLAY_BOUNDED 4  /* a row of the current tree whose tx is looked at */
#define LION_OVERLAY_ENTITY 500 /* an entity looked up on its own */

typedef struct lion_overlay {
    bool has_tree;  /* the tree's rows are shown, but for those of gone and patches; else none is */
    bool is_single; /* the tree has no entity twice (AEVT) */
    lion_rows
        added; /* in the order of the tree, no fact twice; what is shown beside the tree's rows */
    lion_rows gone; /* facts of the tree that are not shown (AEVT and is_single: v is not told) */
    lion_rows patches; /* AEVT and is_single: what is shown in the place of the tree's row of e */
    /* AEVT: by entity the code of what is shown: 1 + place in added, then in patches;
     * LION_OVERLAY_GONE. */
    uint32_t *codes; /* by e - base; or of the slots of a hash table */
    int64_t *slots;
    int64_t base;
    uint64_t range; /* of codes; slots: their number, a power of two */
} lion_overlay;

#define LION_OVERLAY_GONE UINT32_MAX

/* Everything in the arena; values are borrowed from root and novelties. The view has no history. */
lion_status lion_overlay_make(lion_overlay **overlay_out, const lion_view *view, lion_index order,
                              uint32_t a, lion_arena *arena, lion_error *error);
/* About how many nanoseconds that takes; 0: the view shows the current tree as it is. */
uint64_t lion_overlay_cost(const lion_view *view, lion_index order, uint32_t a);

/* Datoms of the attribute in the view's novelties. */
uint64_t lion_overlay_datoms(const lion_view *view, lion_index order, uint32_t a);

/* The same as lion_overlay_make, of a view of all that root and novelty hold, without a speculative
 * one; `old` is of the same root and novelty when that had so many transactions, and so many datoms
 * of the attribute in this order. LION_ABSENT: too much has happened since. (overlay_derive.c) */
lion_status lion_overlay_derive(lion_overlay **overlay_out, const lion_overlay *old,
                                uint32_t transactions, uint64_t datoms, const lion_view *view,
                                lion_index order, uint32_t a, lion_arena *arena, lion_error *error);
/* The codes of an overlay of AEVT whose rows are there. */
lion_status lion_overlay_make_codes(lion_overlay *overlay, lion_arena *arena, lion_error *error);

/* 0: the overlay says nothing of the entity. */
static inline uint32_t lion_overlay_code(const lion_overlay *overlay, int64_t e)
{
    if (overlay->slots == NULL) {
        uint64_t place = (uint64_t)e - (uint64_t)overlay->base;
        return place < overlay->range ? overlay->codes[place] : 0;
    }
    uint64_t mask = overlay->range - 1,
             at = ((uint64_t)e * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & mask;
    while (overlay->codes[at] != 0 && overlay->slots[at] != e) at = (at + 1) & mask;
    return overlay->codes[at];
}

/* ---- entities that follow each other (overlay_read.c) ---- */

/* Of `count` entities from e on: how many follow that the tree tells of, patches aside. */
uint32_t lion_overlay_silence(const lion_overlay *overlay, int64_t e, uint32_t count);
/* The tree's values of `count` entities from e on lie in v from row on (and their txs at tx, unless
 * that is NULL): those that are patched get what is shown. */
void lion_overlay_patch(const lion_overlay *overlay, int64_t e, uint32_t count, lion_vector *v,
                        uint32_t row, int64_t *tx);

/* Of `count` entities from e on: how many follow whose rows of `added` do so, too. */
static inline uint32_t lion_overlay_stretch(const lion_overlay *overlay, int64_t e, uint32_t count)
{
    uint64_t place = (uint64_t)e - (uint64_t)overlay->base;
    if (overlay->slots != NULL || place >= overlay->range) return 0;
    uint32_t first = overlay->codes[place], rows = 0;
    if (first == 0 || first > overlay->added.count) return 0;
    if (count > overlay->range - place) count = (uint32_t)(overlay->range - place);
    if (count > overlay->added.count - (first - 1)) count = overlay->added.count - (first - 1);
    while (rows < count && overlay->codes[place + rows] == first + rows) rows++;
    return rows;
}

static inline bool lion_overlay_is_empty(const lion_overlay *overlay)
{
    return overlay->has_tree &&
           overlay->added.count + overlay->gone.count + overlay->patches.count == 0;
}

/* ---- when overlays are made (overlay_note.c) ---- */

typedef struct lion_overlay_note lion_overlay_note;

/* What the readers of one database value have paid; zero at first. A view without it makes no
 * overlay. */
typedef struct lion_overlays {
    lion_overlay_note *top; /* atomic */
    bool is_eager;          /* for specs: made when first asked for */
} lion_overlays;

void lion_overlays_deinit(lion_overlays *overlays);

/* The value's note on an order of an attribute. NULL: it has none. */
lion_overlay_note *lion_overlay_note_of(const lion_view *view, lion_index order, uint32_t a);
/* Readers have paid so many nanoseconds for want of the overlay. */
void lion_overlay_expect(lion_overlay_note *note, uint64_t expected);
/* The overlay, held until the arena's end; made once readers have paid as much as that takes, or
 * (is_whole) one is about to. NULL: read without. */
const lion_overlay *lion_overlay_ask(lion_overlay_note *note, const lion_view *view, bool is_whole,
                                     lion_arena *arena);

/* ---- overlays that a root keeps (overlay_kept.c) ---- */

/* What it takes now; 0 for NULL. */
uint64_t lion_overlay_cache_size(lion_overlay_cache *cache);
/* For lion_root_drop. */
void lion_overlay_cache_free(lion_overlay_cache *cache);

#endif
