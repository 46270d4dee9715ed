/* view_point.c - single facts of a view: the hot paths of transact, pull and lookups.
 *
 * A plain view first asks novelty; mostly it has nothing there and the tree answers alone. Where
 * both have something, the tree's first row stands unless novelty knows its fact. */
#include "index/lane.h"
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
    lion_snapshot *snapshot = view->root->snapshot;
    if (tree->order == LION_AEVT)
        return lion_tree_get(&datom_out->v, tx, tree, snapshot, key->datom.e, error);
    return lion_tree_find(&datom_out->e, tx, tree, snapshot, key->datom.v, error);
}

/* Novelty's first fact with the prefix that stands. */
static bool first_standing(lion_datom *datom_out, const lion_novelty_version *version,
                           lion_index order, const lion_key *key)
{
    lion_novelty_iterator iterator;
    lion_novelty_iterator_init(&iterator, version, order, key->datom.a, false);
    lion_novelty_iterator_seek(&iterator, key, false);
    lion_datom datom, fact;
    bool has_fact = false;
    while (lion_novelty_iterator_next(&iterator, &datom)) {
        if (lion_datom_compare_prefix(order, &datom, key) != 0) return false;
        if (has_fact && lion_datom_same_fact(&datom, &fact)) continue;
        if (datom.added) {
            *datom_out = datom;
            return true;
        }
        fact = datom;
        has_fact = true;
    }
    return false;
}

/* Only `version` has something to say beside the tree. LION_END: it takes a merge to tell. */
static lion_status first_of_both(lion_datom *datom_out, const lion_view *view, lion_index order,
                                 const lion_novelty_version *version, const lion_key *key,
                                 bool with_tx, lion_error *error)
{
    lion_datom standing;
    bool has_standing = first_standing(&standing, version, order, key);
    const lion_tree *tree = lion_view_tree(view, order, key->datom.a, false);
    lion_status status = first_of_tree(datom_out, view, tree, key, with_tx, error);
    if (status == LION_FAILED) return status;
    if (status == LION_ABSENT) {
        if (!has_standing) return LION_ABSENT;
        *datom_out = standing;
        return LION_OK;
    }
    lion_key fact = { .datom = *datom_out, .parts = 3 };
    lion_datom newer;
    bool is_superseded = lion_novelty_first(version, order, &fact, &newer);
    bool is_standing_first =
        has_standing && lion_datom_compare_fact(order, &standing, datom_out) <= 0;
    if (!is_superseded && !is_standing_first) return LION_OK;
    if (!is_standing_first) { /* another row of the tree might come first */
        uint64_t from, to;
        lion_snapshot *snapshot = view->root->snapshot;
        if (lion_tree_rank(&from, tree, snapshot, key, false, error) != LION_OK ||
            lion_tree_rank(&to, tree, snapshot, key, true, error) != LION_OK)
            return LION_FAILED;
        if (to - from > 1) return LION_END;
    }
    if (!has_standing) return LION_ABSENT;
    *datom_out = standing;
    return LION_OK;
}

/* key: (a e) in AEVT or (a v) in AVET. */
static lion_status first_datom(lion_datom *datom_out, const lion_view *view, lion_index order,
                               const lion_key *key, bool with_tx, lion_arena *arena,
                               lion_error *error)
{
    if (!lion_view_is_plain(view)) return first_by_lane(datom_out, view, order, key, arena, error);
    lion_datom datom;
    bool in_novelty = lion_novelty_first(&view->novelty, order, key, &datom);
    bool in_speculative = lion_novelty_first(&view->speculative, order, key, &datom);
    if (!in_novelty && !in_speculative) {
        const lion_tree *tree = lion_view_tree(view, order, key->datom.a, false);
        return first_of_tree(datom_out, view, tree, key, with_tx, error);
    }
    lion_status status = LION_END;
    if (!in_novelty || !in_speculative)
        status =
            first_of_both(datom_out, view, order, in_novelty ? &view->novelty : &view->speculative,
                          key, with_tx, error);
    return status == LION_END ? first_by_lane(datom_out, view, order, key, arena, error) : status;
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
