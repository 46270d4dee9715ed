/* overlay_note.c - when an overlay is made.
 *
 * A value's notes say what its readers have paid for want of an overlay. The overlays themselves
 * are kept by the root, where values find what others have made for the same sight. A sight of an
 * attribute is told by the tops of its trees in novelty, which are never the same for two contents
 * while the root lives, and by the view's bounds. So an attribute that a transaction does not touch
 * keeps its overlay, and all values as of one t share theirs.
 *
 * The notes of a value are a tree that only grows: two bits of a hash after the other lead down
 * from note to note. So they are found without a lock, in a few steps however many there are. */
#include "base/hash.h"
#include "base/memory.h"
#include "index/novelty_tree.h"
#include "index/overlay_kept.h"

#define PART_MAX 4 /* one overlay takes at most such a part of what a root keeps */

struct lion_overlay_note {
    lion_overlay_note *below[4]; /* atomic */
    lion_overlay_sight sight;
    uint64_t cost;     /* of making it; 0: the view shows the tree as it is */
    uint64_t expected; /* atomic: what readers have paid without it */
    bool is_known;     /* atomic: one was there */
    bool is_refused;   /* atomic: it is too large, or failed */
};

/* ---- sights ---- */

static lion_overlay_content content_of(const lion_novelty_version *version, lion_index order,
                                       uint32_t a)
{
    uint32_t aevt, avet;
    lion_overlay_content seen = { 0 };
    if (version->novelty == NULL) return seen;
    const uint8_t *base = version->novelty->base;
    lion_directory_get(base, version->attributes, a, &aevt, &avet);
    seen.top = order == LION_AEVT ? aevt : avet;
    if (seen.top == 0) return seen;
    seen.serial = version->novelty->serial;
    seen.epoch = ((const lion_node *)lion_novelty_at(base, seen.top))->epoch;
    return seen;
}

static lion_overlay_sight sight_of(const lion_view *view, lion_index order, uint32_t a)
{
    lion_overlay_sight seen = {
        .upper_t = view->upper_t, .since_t = view->since_t, .a = a, .order = order
    };
    if (view->upper_t >= lion_view_newest_t(view)) seen.upper_t = INT64_MAX;
    if (view->upper_t <= view->root->t) return seen; /* novelty is not read */
    seen.novelty = content_of(&view->novelty, order, a);
    seen.speculative = content_of(&view->speculative, order, a);
    return seen;
}

/* ---- making ---- */

static lion_overlay_cache *cache_of(const lion_root *root)
{
    lion_overlay_cache **place = (lion_overlay_cache **)(uintptr_t)&root->overlays;
    lion_overlay_cache *cache = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (cache != NULL) return cache;
    lion_overlay_cache *made = lion_overlay_cache_new();
    if (made == NULL) return NULL;
    if (__atomic_compare_exchange_n(place, &cache, made, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return made;
    lion_overlay_cache_free(made);
    return cache;
}

/* LION_ABSENT: it has to be made from the start. */
static lion_status derive(lion_overlay_kept *made, const lion_view *view)
{
    const lion_overlay_sight *seen = &made->sight;
    bool can = seen->upper_t == INT64_MAX && seen->since_t < 0 && seen->novelty.serial != 0 &&
               view->speculative.novelty == NULL;
    lion_overlay_cache *cache = can ? cache_of(view->root) : NULL;
    if (cache == NULL) return LION_ABSENT;
    lion_overlay_kept *old = lion_overlay_cache_find_older(cache, made);
    if (old == NULL) return LION_ABSENT;
    lion_status status =
        lion_overlay_derive(&made->overlay, old->overlay, old->transactions, old->datoms, view,
                            (lion_index)seen->order, seen->a, &made->arena, NULL);
    lion_overlay_kept_drop(old);
    return status;
}

/* NULL: it failed, or is too large. A datom takes about as many bytes as nanoseconds. */
static lion_overlay_kept *make(const lion_view *view, const lion_overlay_note *note)
{
    if (note->cost > LION_OVERLAYS_SIZE_MAX / PART_MAX) return NULL;
    lion_overlay_kept *made = lion_zalloc(sizeof *made);
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
    lion_overlay_kept_drop(made);
    return NULL;
}

static lion_overlay_kept *find_kept(const lion_view *view, const lion_overlay_note *note)
{
    lion_overlay_cache *cache = cache_of(view->root);
    return cache == NULL ? NULL : lion_overlay_cache_find(cache, &note->sight);
}

static lion_overlay_kept *find_or_make(lion_overlay_note *note, const lion_view *view, bool pays)
{
    lion_overlay_kept *one = NULL, *made = NULL;
    if (pays || __atomic_load_n(&note->is_known, __ATOMIC_RELAXED)) one = find_kept(view, note);
    if (one == NULL && pays) {
        made = make(view, note);
        if (made == NULL)
            __atomic_store_n(&note->is_refused, true, __ATOMIC_RELAXED);
        else
            one = lion_overlay_cache_put(cache_of(view->root), made);
    }
    __atomic_store_n(&note->is_known, one != NULL, __ATOMIC_RELAXED);
    return one;
}

/* ---- notes ---- */

/* Where in the tree a search stands; no two notes have the same hash. */
typedef struct note_place {
    lion_overlay_note **at;
    uint64_t hash; /* bits that were not used yet, from the highest on */
} note_place;

static note_place first_place(lion_overlays *overlays, lion_index order, uint32_t a)
{
    return (note_place){ &overlays->top, lion_hash_u64((uint64_t)a << 2 | order) };
}

/* NULL: there is none, and the place is where it would be. */
static lion_overlay_note *find_note(note_place *place, lion_index order, uint32_t a)
{
    for (;;) {
        lion_overlay_note *note = __atomic_load_n(place->at, __ATOMIC_ACQUIRE);
        if (note == NULL || (note->sight.a == a && note->sight.order == order)) return note;
        place->at = &note->below[place->hash >> 62];
        place->hash <<= 2;
    }
}

static lion_overlay_note *new_note(const lion_view *view, lion_index order, uint32_t a)
{
    lion_overlay_note *made = lion_zalloc(sizeof *made);
    if (made == NULL) return NULL;
    made->sight = sight_of(view, order, a);
    made->cost = lion_overlay_cost(view, order, a);
    lion_overlay_kept *one = find_kept(view, made);
    made->is_known = one != NULL;
    if (one != NULL) lion_overlay_kept_drop(one);
    return made;
}

static bool take_place(note_place *place, lion_overlay_note *made)
{
    lion_overlay_note *none = NULL;
    return __atomic_compare_exchange_n(place->at, &none, made, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

lion_overlay_note *lion_overlay_note_of(const lion_view *view, lion_index order, uint32_t a)
{
    bool is_noted = view->overlays != NULL && view->root != NULL && !view->is_history;
    if (!is_noted || order == LION_EAVT) return NULL;
    note_place place = first_place(view->overlays, order, a);
    lion_overlay_note *note = find_note(&place, order, a);
    if (note != NULL) return note;
    lion_overlay_note *made = new_note(view, order, a);
    if (made == NULL) return NULL;
    while (!take_place(&place, made)) { /* another thread did */
        note = find_note(&place, order, a);
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
    lion_overlay_kept *one = find_or_make(note, view, pays);
    if (one == NULL) return NULL;
    if (lion_arena_at_end(arena, lion_overlay_kept_drop, one)) return one->overlay;
    lion_overlay_kept_drop(one);
    return NULL;
}

/* As deep as a hash has bits to lead down by, at most. */
static void free_notes(lion_overlay_note *note)
{
    if (note == NULL) return;
    for (int i = 0; i < 4; i++) free_notes(note->below[i]);
    lion_free(note);
}

void lion_overlays_deinit(lion_overlays *overlays)
{
    free_notes(overlays->top);
    overlays->top = NULL;
}
