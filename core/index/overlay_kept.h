/* overlay_kept.h - the overlays that a root keeps, those that were used last. Private to index/.
 *
 * Readers hold what they use by count, so the one that was used longest ago can always be let go.
 * Threads: any. */
#ifndef LION_INDEX_OVERLAY_KEPT_H
#define LION_INDEX_OVERLAY_KEPT_H

#include "index/overlay.h"

/* The content of an attribute's tree in one novelty. */
typedef struct lion_overlay_content {
    uint64_t serial, epoch;
    uint32_t top, zero;
} lion_overlay_content;

/* What decides an overlay; no padding, so that sights are compared as bytes. */
typedef struct lion_overlay_sight {
    lion_overlay_content novelty, speculative;
    int64_t upper_t, since_t; /* INT64_MAX: all there is */
    uint32_t a, order;
} lion_overlay_sight;

typedef struct lion_overlay_kept {
    struct lion_overlay_kept *newer, *older; /* by when they were used */
    struct lion_overlay_kept *next;          /* of its list: used before it */
    lion_overlay_sight sight;
    lion_overlay *overlay;
    lion_arena arena;
    uint64_t size, datoms; /* in novelty, of the attribute */
    uint32_t transactions; /* in novelty */
    uint32_t references;   /* atomic: the cache's and the readers' */
} lion_overlay_kept;

/* NULL: no memory. */
lion_overlay_cache *lion_overlay_cache_new(void);
/* NULL: it keeps none. One reader holds it from now on. */
lion_overlay_kept *lion_overlay_cache_find(lion_overlay_cache *cache,
                                           const lion_overlay_sight *sight);
/* The same attribute's as it was in the same novelty before; held like it. */
lion_overlay_kept *lion_overlay_cache_find_older(lion_overlay_cache *cache,
                                                 const lion_overlay_kept *wanted);
/* Keep what was made, which the caller holds by 1. Another thread may have been faster: then that
 * one's is handed out. One reader holds it from now on. */
lion_overlay_kept *lion_overlay_cache_put(lion_overlay_cache *cache, lion_overlay_kept *made);
/* A lion_overlay_kept is not used any more; of the shape that an arena's end calls. */
void lion_overlay_kept_drop(void *kept);

#endif
