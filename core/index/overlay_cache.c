/* overlay_cache.c - overlays that are kept.
 *
 * A value's notes say what its readers have paid for want of an overlay. The overlays themselves
 * are kept by the root, where values find what others have made for the same sight. A sight of an
 * attribute is told by the tops of its trees in novelty, which are never the same for two contents
 * while the root lives, and by the view's bounds. So an attribute that a transaction does not touch
 * keeps its overlay, and all values as of one t share theirs.
 *
 * Readers hold what they use by count, so the one that was used longest ago can always be let go.
 */
#include <pthread.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/lane.h"
#include "index/novelty_tree.h"
#include "index/overlay.h"

#define HEADS (sizeof(((lion_overlays *)0)->heads) / sizeof(lion_overlay_note *))
#define PART_MAX 4     /* one overlay takes at most such a part of what a root keeps */
#define COUNT_MAX 1024 /* overlays of a root */

/* The content of an attribute's tree in one novelty. */
typedef struct content {
    uint64_t serial, epoch;
    uint32_t top, zero;
} content;

typedef struct sight {
    content novelty, speculative;
    int64_t upper_t, since_t; /* INT64_MAX: all there is */
    uint32_t a, order;
} sight;

typedef struct kept {
    struct kept *newer, *older; /* by when they were used */
    sight sight;
    lion_overlay *overlay;
    lion_arena arena;
    uint64_t size, datoms; /* in novelty, of the attribute */
    uint32_t transactions; /* in novelty */
    uint32_t references;   /* atomic: the cache's and the readers' */
} kept;

struct lion_overlay_cache {
    pthread_mutex_t lock; /* guards what follows */
    kept *newest, *oldest;
    uint64_t size, count;
};

struct lion_overlay_note {
    lion_overlay_note *next;
    sight sight;
    uint64_t cost;     /* of making it; 0: the view shows the tree as it is */
    uint64_t expected; /* atomic: what readers have paid without it */
    bool is_known;     /* atomic: one was there */
    bool is_refused;   /* atomic: it is too large, or failed */
};

/* ---- sights ---- */

static content content_of(const lion_novelty_version *version, lion_index order, uint32_t a)
{
    uint32_t aevt, avet;
    content seen = { 0 };
    if (version->novelty == NULL) return seen;
    const uint8_t *base = version->novelty->base;
    lion_directory_get(base, version->attributes, a, &aevt, &avet);
    seen.top = order == LION_AEVT ? aevt : avet;
    if (seen.top == 0) return seen;
    seen.serial = version->novelty->serial;
    seen.epoch = ((const lion_node *)lion_novelty_at(base, seen.top))->epoch;
    return seen;
}

static sight sight_of(const lion_view *view, lion_index order, uint32_t a)
{
    sight seen = { .upper_t = view->upper_t, .since_t = view->since_t, .a = a, .order = order };
    if (view->upper_t >= lion_view_newest_t(view)) seen.upper_t = INT64_MAX;
    if (view->upper_t <= view->root->t) return seen; /* novelty is not read */
    seen.novelty = content_of(&view->novelty, order, a);
    seen.speculative = content_of(&view->speculative, order, a);
    return seen;
}

/* ---- what the root keeps ---- */

static lion_overlay_cache *cache_of(const lion_root *root)
{
    lion_overlay_cache **place = (lion_overlay_cache **)(uintptr_t)&root->overlays;
    lion_overlay_cache *cache = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (cache != NULL) return cache;
    lion_overlay_cache *made = lion_zalloc(sizeof *made);
    if (made == NULL) return NULL;
    pthread_mutex_init(&made->lock, NULL);
    if (__atomic_compare_exchange_n(place, &cache, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    lion_overlay_cache_free(made);
    return cache;
}

static void drop(void *argument)
{
    kept *one = argument;
    if (__atomic_sub_fetch(&one->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    lion_arena_deinit(&one->arena);
    lion_free(one);
}

/* Under the lock, as all up to publish. */
static void take_out(lion_overlay_cache *cache, kept *one)
{
    if (one->newer != NULL)
        one->newer->older = one->older;
    else
        cache->newest = one->older;
    if (one->older != NULL)
        one->older->newer = one->newer;
    else
        cache->oldest = one->newer;
}

static void put_first(lion_overlay_cache *cache, kept *one)
{
    one->newer = NULL;
    one->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = one;
    else
        cache->oldest = one;
    cache->newest = one;
}

/* Held by one reader more. */
static kept *find(lion_overlay_cache *cache, const sight *wanted)
{
    for (kept *one = cache->newest; one != NULL; one = one->older) {
        if (one->sight.a != wanted->a || memcmp(&one->sight, wanted, sizeof *wanted) != 0) continue;
        __atomic_add_fetch(&one->references, 1, __ATOMIC_RELAXED);
        take_out(cache, one);
        put_first(cache, one);
        return one;
    }
    return NULL;
}

static void let_oldest_go(lion_overlay_cache *cache)
{
    kept *one = cache->oldest;
    take_out(cache, one);
    cache->size -= one->size;
    cache->count--;
    drop(one);
}

uint64_t lion_overlay_cache_size(lion_overlay_cache *cache)
{
    if (cache == NULL) return 0;
    pthread_mutex_lock(&cache->lock);
    uint64_t size = cache->size;
    pthread_mutex_unlock(&cache->lock);
    return size;
}

void lion_overlay_cache_free(lion_overlay_cache *cache)
{
    if (cache == NULL) return;
    while (cache->oldest != NULL) let_oldest_go(cache);
    pthread_mutex_destroy(&cache->lock);
    lion_free(cache);
}

/* One reader holds it from now on. Another thread may have been faster: then that one's. */
static kept *publish(lion_overlay_cache *cache, kept *made)
{
    pthread_mutex_lock(&cache->lock);
    kept *one = find(cache, &made->sight);
    if (one == NULL) {
        while (cache->count == COUNT_MAX || cache->size + made->size > LION_OVERLAYS_SIZE_MAX)
            let_oldest_go(cache);
        made->references = 2;
        put_first(cache, made);
        cache->size += made->size;
        cache->count++;
    }
    pthread_mutex_unlock(&cache->lock);
    if (one == NULL) return made;
    drop(made);
    return one;
}

/* ---- making ---- */

/* Under the lock. The same attribute's as it was in the same novelty before, held by one more. */
static kept *find_older(lion_overlay_cache *cache, const kept *wanted)
{
    for (kept *one = cache->newest; one != NULL; one = one->older) {
        bool is_same = one->sight.a == wanted->sight.a && one->sight.order == wanted->sight.order &&
                       one->sight.upper_t == INT64_MAX && one->sight.since_t < 0 &&
                       one->sight.novelty.serial == wanted->sight.novelty.serial &&
                       one->sight.speculative.serial == 0 &&
                       one->transactions <= wanted->transactions;
        if (!is_same) continue;
        __atomic_add_fetch(&one->references, 1, __ATOMIC_RELAXED);
        return one;
    }
    return NULL;
}

/* LION_ABSENT: it has to be made from the start. */
static lion_status derive(kept *made, const lion_view *view)
{
    const sight *seen = &made->sight;
    bool can = seen->upper_t == INT64_MAX && seen->since_t < 0 && seen->novelty.serial != 0 &&
               view->speculative.novelty == NULL;
    lion_overlay_cache *cache = can ? cache_of(view->root) : NULL;
    if (cache == NULL) return LION_ABSENT;
    pthread_mutex_lock(&cache->lock);
    kept *old = find_older(cache, made);
    pthread_mutex_unlock(&cache->lock);
    if (old == NULL) return LION_ABSENT;
    lion_status status =
        lion_overlay_derive(&made->overlay, old->overlay, old->transactions, old->datoms, view,
                            (lion_index)seen->order, seen->a, &made->arena, NULL);
    drop(old);
    return status;
}

/* NULL: it failed, or is too large. A datom takes about as many bytes as nanoseconds. */
static kept *make(const lion_view *view, const lion_overlay_note *note)
{
    if (note->cost > LION_OVERLAYS_SIZE_MAX / PART_MAX) return NULL;
    kept *made = lion_zalloc(sizeof *made);
    if (made == NULL) return NULL;
    made->sight = note->sight;
    made->references = 1;
    made->datoms = lion_overlay_datoms(view, (lion_index)note->sight.order, note->sight.a);
    made->transactions = view->novelty.transactions;
    lion_arena_init(&made->arena, 0);
    lion_status status = derive(made, view);
    if (status == LION_ABSENT)
        status = lion_overlay_make(&made->overlay, view, (lion_index)note->sight.order,
                                   note->sight.a, &made->arena, NULL);
    made->size = sizeof *made + made->arena.used;
    if (status == LION_OK && made->size <= LION_OVERLAYS_SIZE_MAX / PART_MAX) return made;
    drop(made);
    return NULL;
}

static kept *find_kept(const lion_view *view, const lion_overlay_note *note)
{
    lion_overlay_cache *cache = cache_of(view->root);
    if (cache == NULL) return NULL;
    pthread_mutex_lock(&cache->lock);
    kept *one = find(cache, &note->sight);
    pthread_mutex_unlock(&cache->lock);
    return one;
}

static kept *find_or_make(lion_overlay_note *note, const lion_view *view, bool pays)
{
    kept *one = NULL, *made = NULL;
    if (pays || __atomic_load_n(&note->is_known, __ATOMIC_RELAXED)) one = find_kept(view, note);
    if (one == NULL && pays) {
        made = make(view, note);
        if (made == NULL)
            __atomic_store_n(&note->is_refused, true, __ATOMIC_RELAXED);
        else
            one = publish(cache_of(view->root), made);
    }
    __atomic_store_n(&note->is_known, one != NULL, __ATOMIC_RELAXED);
    return one;
}

/* ---- notes ---- */

static lion_overlay_note *find_note(lion_overlay_note *first, lion_index order, uint32_t a)
{
    lion_overlay_note *note = first;
    while (note != NULL && (note->sight.a != a || note->sight.order != order)) note = note->next;
    return note;
}

static lion_overlay_note *new_note(const lion_view *view, lion_index order, uint32_t a)
{
    lion_overlay_note *made = lion_zalloc(sizeof *made);
    if (made == NULL) return NULL;
    made->sight = sight_of(view, order, a);
    made->cost = lion_overlay_cost(view, order, a);
    kept *one = find_kept(view, made);
    made->is_known = one != NULL;
    if (one != NULL) drop(one);
    return made;
}

/* Notes never leave their lists while the value lives, so that they are found without a lock. */
lion_overlay_note *lion_overlay_note_of(const lion_view *view, lion_index order, uint32_t a)
{
    bool is_noted = view->overlays != NULL && view->root != NULL && !view->is_history;
    if (!is_noted || order == LION_EAVT) return NULL;
    lion_overlay_note **head = &view->overlays->heads[a % HEADS];
    lion_overlay_note *first = __atomic_load_n(head, __ATOMIC_ACQUIRE);
    lion_overlay_note *note = find_note(first, order, a);
    if (note != NULL) return note;
    lion_overlay_note *made = new_note(view, order, a);
    if (made == NULL) return NULL;
    made->next = first;
    while (!__atomic_compare_exchange_n(head, &made->next, made, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE)) {
        note = find_note(made->next, order, a); /* another thread's */
        if (note == NULL) continue;
        lion_free(made);
        return note;
    }
    return made;
}

void lion_overlay_expect(lion_overlay_note *note, uint64_t expected)
{
    __atomic_add_fetch(&note->expected, expected, __ATOMIC_RELAXED);
}

const lion_overlay *lion_overlay_ask(lion_overlay_note *note, const lion_view *view, bool is_whole,
                                     lion_arena *arena)
{
    if (__atomic_load_n(&note->is_refused, __ATOMIC_RELAXED)) return NULL;
    bool pays = is_whole || view->overlays->is_eager ||
                __atomic_load_n(&note->expected, __ATOMIC_RELAXED) >= note->cost;
    kept *one = find_or_make(note, view, pays);
    if (one == NULL) return NULL;
    if (lion_arena_at_end(arena, drop, one)) return one->overlay;
    drop(one);
    return NULL;
}

void lion_overlays_deinit(lion_overlays *overlays)
{
    for (size_t i = 0; i < HEADS; i++) {
        lion_overlay_note *note = overlays->heads[i];
        while (note != NULL) {
            lion_overlay_note *next = note->next;
            lion_free(note);
            note = next;
        }
        overlays->heads[i] = NULL;
    }
}
