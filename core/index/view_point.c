/* view_point.c - single facts of a view: the hot paths of transact, pull and lookups.
 *
 * A plain view first asks novelty; mostly it has nothing there and the tree answers alone. Where
 * both have something, the tree's first row stands unless novelty knows its fact. */
#include "index/lane.h"
#include "index/points.h"
#include "index/view_parts.h"

/* The first datom with the prefix, whatever the view. The lane's room is given back: what a datom
 * points to lies in segments, blobs or novelty. */
static lion_status first_by_lane(lion_datom *datom_out, const lion_view *view, lion_index order,
                                 const lion_key *key, lion_arena *arena, lion_error *error)
{
    lion_arena_mark mark = lion_arena_set_mark(arena);
    lion_lane lane = { 0 };
    lion_datom_batch batch;
    lion_status status =
        lion_lane_open(&lane, view, order, key->datom.a, LION_COLUMN_ALL, false, arena, error);
    if (status == LION_OK) status = lion_lane_seek(&lane, key, false, key, true, 4, error);
    if (status == LION_OK) status = lion_lane_next(&lane, &batch, 4, error);
    if (status == LION_OK) *datom_out = lion_datom_batch_get(&batch, 0);
    lion_arena_rewind(arena, mark);
    return status == LION_END ? LION_ABSENT : status;
}

/* The first row of the tree with the prefix (a e) or (a v). */
static lion_status first_of_tree(lion_datom *datom_out, const lion_view *view,
                                 const lion_tree *tree, const lion_key *key, bool with_tx,
                                 lion_error *error)
{
    if (tree == NULL) return LION_ABSENT;
    *datom_out = key->datom;
    datom_out->added = true;
    int64_t *tx = with_tx ? &datom_out->tx : NULL;
    if (tree->order == LION_AEVT)
        return lion_points_get(&datom_out->v, tx, view->root, tree, key->datom.e, error);
    return lion_points_find(&datom_out->e, tx, view->root, tree, key->datom.v, error);
}

/* ---- what novelty knows ---- */

typedef enum look {
    NOTHING, /* not of the prefix */
    GONE,    /* facts with it, none of which stands */
    STANDS,
} look;

/* Both novelties' answers, each with its first fact that stands. */
typedef struct looks {
    look novelty, speculative;
    lion_datom of_novelty, of_speculative;
} looks;

/* From where the iterator stands: the beginning of the prefix. */
static look first_standing(lion_datom *standing_out, lion_novelty_iterator *iterator,
                           lion_index order, const lion_key *key)
{
    lion_datom datom, fact;
    look found = NOTHING;
    while (lion_novelty_iterator_next(iterator, &datom)) {
        if (lion_datom_compare_prefix(order, &datom, key) != 0) break;
        if (found == GONE && lion_datom_same_fact(&datom, &fact)) continue;
        if (datom.added) {
            *standing_out = datom;
            return STANDS;
        }
        fact = datom;
        found = GONE;
    }
    return found;
}

static look look_in(lion_datom *standing_out, const lion_novelty_version *version, lion_index order,
                    const lion_key *key)
{
    lion_novelty_iterator iterator;
    lion_novelty_iterator_init(&iterator, version, order, key->datom.a, false);
    if (iterator.root == 0) return NOTHING;
    lion_novelty_iterator_seek(&iterator, key, false);
    return first_standing(standing_out, &iterator, order, key);
}

/* ---- novelty and trees ---- */

/* The tree and one novelty, which has something with the prefix (standing: its first fact that
 * stands, NULL: none). LION_END: it takes a merge to tell. */
static lion_status first_of_both(lion_datom *datom_out, const lion_view *view, lion_index order,
                                 const lion_novelty_version *version, const lion_datom *standing,
                                 const lion_key *key, bool with_tx, lion_error *error)
{
    const lion_tree *tree = lion_view_tree(view, order, key->datom.a, false);
    lion_status status = first_of_tree(datom_out, view, tree, key, with_tx, error);
    if (status == LION_FAILED) return status;
    if (status == LION_ABSENT) {
        if (standing == NULL) return LION_ABSENT;
        *datom_out = *standing;
        return LION_OK;
    }
    lion_key fact = { .datom = *datom_out, .parts = 3 };
    lion_datom newer;
    bool is_superseded = lion_novelty_first(version, order, &fact, &newer);
    bool is_standing_first =
        standing != NULL && lion_datom_compare_fact(order, standing, datom_out) <= 0;
    if (!is_superseded && !is_standing_first) return LION_OK;
    if (!is_standing_first) { /* another row of the tree might come first */
        uint64_t from, to;
        lion_snapshot *snapshot = view->root->snapshot;
        if (lion_tree_rank(&from, tree, snapshot, key, false, error) != LION_OK ||
            lion_tree_rank(&to, tree, snapshot, key, true, error) != LION_OK)
            return LION_FAILED;
        if (to - from > 1) return LION_END;
    }
    if (standing == NULL) return LION_ABSENT;
    *datom_out = *standing;
    return LION_OK;
}

static lion_status first_of_all(lion_datom *datom_out, const lion_view *view, lion_index order,
                                const lion_key *key, const looks *found, bool with_tx,
                                lion_arena *arena, lion_error *error)
{
    bool in_novelty = found->novelty != NOTHING, in_speculative = found->speculative != NOTHING;
    if (!in_novelty && !in_speculative) {
        const lion_tree *tree = lion_view_tree(view, order, key->datom.a, false);
        return first_of_tree(datom_out, view, tree, key, with_tx, error);
    }
    lion_status status = LION_END;
    if (!in_speculative)
        status = first_of_both(datom_out, view, order, &view->novelty,
                               found->novelty == STANDS ? &found->of_novelty : NULL, key, with_tx,
                               error);
    else if (!in_novelty)
        status = first_of_both(datom_out, view, order, &view->speculative,
                               found->speculative == STANDS ? &found->of_speculative : NULL, key,
                               with_tx, error);
    return status == LION_END ? first_by_lane(datom_out, view, order, key, arena, error) : status;
}

/* key: (a e) in AEVT or (a v) in AVET. */
static lion_status first_datom(lion_datom *datom_out, const lion_view *view, lion_index order,
                               const lion_key *key, bool with_tx, lion_arena *arena,
                               lion_error *error)
{
    if (!lion_view_is_plain(view)) return first_by_lane(datom_out, view, order, key, arena, error);
    looks found;
    found.novelty = look_in(&found.of_novelty, &view->novelty, order, key);
    found.speculative = look_in(&found.of_speculative, &view->speculative, order, key);
    return first_of_all(datom_out, view, order, key, &found, with_tx, arena, error);
}

lion_status lion_view_get(lion_value *value_out, int64_t *tx_out, const lion_view *view, int64_t e,
                          uint32_t a, lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .e = e, .a = a }, .parts = 2 };
    lion_datom datom;
    lion_status status = first_datom(&datom, view, LION_AEVT, &key, tx_out != NULL, arena, error);
    if (status != LION_OK) return status;
    *value_out = datom.v;
    if (tx_out != NULL) *tx_out = datom.tx;
    return LION_OK;
}

lion_status lion_view_find(int64_t *e_out, int64_t *tx_out, const lion_view *view, uint32_t a,
                           lion_value v, lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .a = a, .v = v }, .parts = 2 };
    lion_datom datom;
    lion_status status = first_datom(&datom, view, LION_AVET, &key, tx_out != NULL, arena, error);
    if (status != LION_OK) return status;
    *e_out = datom.e;
    if (tx_out != NULL) *tx_out = datom.tx;
    return LION_OK;
}

/* ---- one entity, several attributes ---- */

/* Where novelty has facts of the entity and any of the attributes; the facts of one entity lie side
 * by side in EAVT, so that one descent leads to all of them. */
static bool walk_entity(lion_novelty_iterator *walk, const lion_novelty_version *version, int64_t e,
                        const uint32_t *attributes, uint32_t count)
{
    if (version->novelty == NULL || version->eavt == 0) return false;
    uint32_t top = 0, avet;
    for (uint32_t i = 0; i < count && top == 0; i++)
        lion_directory_get(version->novelty->base, version->attributes, attributes[i], &top, &avet);
    if (top == 0) return false;
    lion_key key = { .datom = { .e = e }, .parts = 1 };
    lion_datom datom;
    lion_novelty_iterator_init(walk, version, LION_EAVT, 0, false);
    lion_novelty_iterator_seek(walk, &key, false);
    return lion_novelty_iterator_next(walk, &datom) && datom.e == e;
}

static look look_along(lion_datom *standing_out, lion_novelty_iterator *walk, const lion_key *key)
{
    lion_novelty_iterator_seek(walk, key, false);
    return first_standing(standing_out, walk, LION_EAVT, key);
}

lion_status lion_view_row_of(lion_value *values_out, const lion_view *view, int64_t e,
                             const uint32_t *attributes, const lion_tree *const *trees,
                             uint32_t count, lion_arena *arena, lion_error *error)
{
    lion_novelty_iterator novelty, speculative;
    bool in_novelty = walk_entity(&novelty, &view->novelty, e, attributes, count);
    bool in_speculative = walk_entity(&speculative, &view->speculative, e, attributes, count);
    if (!in_novelty && !in_speculative)
        return lion_points_row(values_out, view->root, trees, count, e, error);

    for (uint32_t i = 0; i < count; i++) {
        lion_key key = { .datom = { .e = e, .a = attributes[i] }, .parts = 2 };
        lion_datom datom;
        looks found = { 0 };
        if (in_novelty) found.novelty = look_along(&found.of_novelty, &novelty, &key);
        if (in_speculative)
            found.speculative = look_along(&found.of_speculative, &speculative, &key);
        lion_status status =
            first_of_all(&datom, view, LION_AEVT, &key, &found, false, arena, error);
        if (status == LION_FAILED) return status;
        values_out[i] = status == LION_OK ? datom.v : lion_value_nil();
    }
    return LION_OK;
}

static lion_status row_by_lanes(lion_value *values_out, const lion_view *view, int64_t e,
                                const uint32_t *attributes, uint32_t count, lion_arena *arena,
                                lion_error *error)
{
    for (uint32_t i = 0; i < count; i++) {
        lion_status status =
            lion_view_get(&values_out[i], NULL, view, e, attributes[i], arena, error);
        if (status == LION_FAILED) return status;
        if (status == LION_ABSENT) values_out[i] = lion_value_nil();
    }
    return LION_OK;
}

lion_status lion_view_row(lion_value *values_out, const lion_view *view, int64_t e,
                          const uint32_t *attributes, uint32_t count, lion_arena *arena,
                          lion_error *error)
{
    if (!lion_view_is_plain(view))
        return row_by_lanes(values_out, view, e, attributes, count, arena, error);
    const lion_tree *trees[LION_POINTS_ROW];
    lion_status status = LION_OK;
    for (uint32_t done = 0; done < count && status == LION_OK;) {
        uint32_t take = count - done < LION_POINTS_ROW ? count - done : LION_POINTS_ROW;
        for (uint32_t i = 0; i < take; i++)
            trees[i] = lion_view_tree(view, LION_AEVT, attributes[done + i], false);
        status = lion_view_row_of(values_out + done, view, e, attributes + done, trees, take, arena,
                                  error);
        done += take;
    }
    return status;
}

/* ---- whole facts ---- */

/* A plain view's fact in the current tree, novelty knowing nothing of it. */
static lion_status has_in_tree(lion_datom *datom_out, const lion_view *view, const lion_key *key,
                               lion_arena *arena, lion_error *error)
{
    const lion_tree *tree = lion_view_tree(view, LION_AEVT, key->datom.a, false);
    lion_key entity = { .datom = key->datom, .parts = 2 };
    lion_status status = first_of_tree(datom_out, view, tree, &entity, true, error);
    if (status != LION_OK) return status;
    int order = lion_value_compare(datom_out->v, key->datom.v);
    if (order == 0) return LION_OK;
    if (order > 0) return LION_ABSENT; /* it would be the first */
    return first_by_lane(datom_out, view, LION_AEVT, key, arena, error);
}

lion_status lion_view_has(int64_t *tx_out, const lion_view *view, int64_t e, uint32_t a,
                          lion_value v, lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .e = e, .a = a, .v = v }, .parts = 3 };
    lion_datom datom;
    lion_status status = LION_OK;
    if (!lion_view_is_plain(view))
        status = first_by_lane(&datom, view, LION_AEVT, &key, arena, error);
    else if (!lion_novelty_first(&view->speculative, LION_AEVT, &key, &datom) &&
             !lion_novelty_first(&view->novelty, LION_AEVT, &key, &datom))
        status = has_in_tree(&datom, view, &key, arena, error);
    else if (!datom.added)
        status = LION_ABSENT;
    if (status == LION_OK && tx_out != NULL) *tx_out = datom.tx;
    return status;
}
