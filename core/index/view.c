/* view.c - exact counts and points of a view. */
#include "index/cursor.h"
#include "index/lane.h"

static bool is_plain(const lion_view *view)
{
    int64_t root_t = view->root == NULL ? 0 : view->root->t;
    return !view->is_history && view->since_t < 0 && view->filter_count == 0 &&
           view->upper_t >= root_t &&
           (view->novelty.novelty == NULL || view->novelty.t <= view->upper_t) &&
           (view->speculative.novelty == NULL || view->speculative.t <= view->upper_t);
}

/* ---- counts ---- */

static const lion_tree *current_tree(const lion_view *view, lion_index order, uint32_t a)
{
    if (view->root == NULL) return NULL;
    if (order == LION_EAVT) return &view->root->eavt;
    const lion_root_attribute *attribute = lion_root_attribute_lookup(view->root, a);
    if (attribute == NULL) return NULL;
    return order == LION_AEVT ? &attribute->aevt : &attribute->avet;
}

/* Of one tree family: base count and novelty's net (all of its datoms with `gross`). */
static lion_status count_lane(int64_t *count_out, const lion_view *view, lion_index order,
                              const lion_key *key, bool gross, lion_error *error)
{
    const lion_tree *tree = current_tree(view, order, key->datom.a);
    int64_t count = 0;
    if (tree != NULL && tree->count > 0) {
        uint64_t from = 0, to = tree->count;
        bool is_whole = key->parts == 0 || (key->parts == 1 && order != LION_EAVT);
        if (!is_whole) {
            lion_status status = lion_tree_rank(&from, tree, view->root->snapshot, key, false, error);
            if (status == LION_OK)
                status = lion_tree_rank(&to, tree, view->root->snapshot, key, true, error);
            if (status < 0) return status;
        }
        count = (int64_t)(to - from);
    }
    const lion_novelty_version *versions[] = { &view->novelty, &view->speculative };
    for (int i = 0; i < 2; i++) {
        uint64_t datoms = 0;
        int64_t net = 0;
        if (versions[i]->novelty == NULL) continue;
        lion_novelty_count(&datoms, &net, versions[i], order, key);
        count += gross ? (int64_t)datoms : net;
    }
    *count_out += count;
    return LION_OK;
}

static lion_status count_attributes(int64_t *count_out, const lion_view *view, lion_index index,
                                    const lion_key *key, bool gross, lion_error *error)
{
    if (index == LION_EAVT || (index != LION_VAET && key->parts > 0))
        return count_lane(count_out, view, index, key, gross, error);
    if (index == LION_AEVT) {
        lion_key all = { .parts = 0 };
        return count_lane(count_out, view, LION_EAVT, &all, gross, error);
    }
    if (index == LION_VAET) {
        for (uint32_t i = 0; i < view->vaet_count; i++) {
            lion_key lane = *key;
            if (key->parts >= 2 && key->datom.a != view->vaet_attributes[i]) continue;
            lane.datom.a = view->vaet_attributes[i];
            lane.parts = key->parts == 0 ? 1 : key->parts == 1 ? 2 : key->parts;
            lion_status status = count_lane(count_out, view, LION_AVET, &lane, gross, error);
            if (status < 0) return status;
        }
        return LION_OK;
    }
    return LION_ABSENT; /* all of AVET: scan */
}

static lion_status count_by_scan(uint64_t *count_out, const lion_view *view, lion_index index,
                                 const lion_key *key, lion_arena *arena, lion_error *error)
{
    lion_arena_mark mark = lion_arena_set_mark(arena);
    lion_cursor_options options = { .columns = LION_COLUMN_E };
    lion_cursor *cursor = NULL;
    uint64_t count = 0;
    lion_status status = lion_cursor_open(&cursor, view, index, key, &options, arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        if (status == LION_OK) count += batch.count;
    }
    lion_arena_rewind(arena, mark);
    if (status < 0) return status;
    *count_out = count;
    return LION_OK;
}

lion_status lion_view_count(uint64_t *count_out, const lion_view *view, lion_index index,
                            const lion_key *key, lion_arena *arena, lion_error *error)
{
    if (view->filter_count > 0) return LION_ABSENT;
    if (is_plain(view) && key->parts < 4) {
        int64_t count = 0;
        lion_status status = count_attributes(&count, view, index, key, false, error);
        if (status < 0) return status;
        if (status == LION_OK) {
            *count_out = count < 0 ? 0 : (uint64_t)count;
            return LION_OK;
        }
    }
    return count_by_scan(count_out, view, index, key, arena, error);
}

lion_status lion_view_estimate(uint64_t *count_out, const lion_view *view, lion_index index,
                               const lion_key *key, lion_error *error)
{
    int64_t count = 0;
    lion_key shorter = *key;
    if (shorter.parts > 3) shorter.parts = 3;
    lion_status status = count_attributes(&count, view, index, &shorter, !is_plain(view), error);
    if (status == LION_ABSENT) {
        lion_key all = { .parts = 0 };
        status = count_lane(&count, view, LION_EAVT, &all, true, error);
    }
    if (status < 0) return status;
    *count_out = count < 0 ? 0 : (uint64_t)count;
    return LION_OK;
}

/* ---- points ---- */

static lion_status first_datom(lion_datom *datom_out, const lion_view *view, lion_index order,
                               const lion_key *key, lion_arena *arena, lion_error *error)
{
    lion_lane lane;
    lion_cursor_options options = { .columns = LION_COLUMN_ALL, .batch_rows = 4 };
    lion_status status =
        lion_lane_open(&lane, view, order, key->datom.a, key, &options, arena, error);
    if (status < 0) return status;
    status = lion_lane_next(&lane, datom_out, error);
    return status == LION_END ? LION_ABSENT : status;
}

static bool has_novelty(const lion_view *view, lion_index order, const lion_key *key)
{
    lion_datom datom;
    return (view->novelty.novelty != NULL && lion_novelty_first(&view->novelty, order, key, &datom)) ||
           (view->speculative.novelty != NULL &&
            lion_novelty_first(&view->speculative, order, key, &datom));
}

lion_status lion_view_get(lion_value *value_out, int64_t *tx_out, const lion_view *view, int64_t e,
                          uint32_t a, lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .e = e, .a = a }, .parts = 2 };
    if (is_plain(view) && !has_novelty(view, LION_AEVT, &key)) {
        const lion_tree *tree = current_tree(view, LION_AEVT, a);
        if (tree == NULL || tree->count == 0) return LION_ABSENT;
        int64_t tx = 0;
        lion_status status = lion_tree_get(value_out, &tx, tree, view->root->snapshot, e, error);
        if (status == LION_OK && tx_out != NULL) *tx_out = tx;
        return status;
    }
    lion_datom datom;
    lion_status status = first_datom(&datom, view, LION_AEVT, &key, arena, error);
    if (status != LION_OK) return status;
    *value_out = datom.v;
    if (tx_out != NULL) *tx_out = datom.tx;
    return LION_OK;
}

lion_status lion_view_find(int64_t *e_out, int64_t *tx_out, const lion_view *view, uint32_t a,
                           lion_value v, lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .a = a, .v = v }, .parts = 2 };
    if (is_plain(view) && !has_novelty(view, LION_AVET, &key)) {
        const lion_tree *tree = current_tree(view, LION_AVET, a);
        if (tree == NULL || tree->count == 0) return LION_ABSENT;
        int64_t tx = 0;
        lion_status status = lion_tree_find(e_out, &tx, tree, view->root->snapshot, v, error);
        if (status == LION_OK && tx_out != NULL) *tx_out = tx;
        return status;
    }
    lion_datom datom;
    lion_status status = first_datom(&datom, view, LION_AVET, &key, arena, error);
    if (status != LION_OK) return status;
    *e_out = datom.e;
    if (tx_out != NULL) *tx_out = datom.tx;
    return LION_OK;
}

lion_status lion_view_has(int64_t *tx_out, const lion_view *view, int64_t e, uint32_t a, lion_value v,
                          lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .e = e, .a = a, .v = v }, .parts = 3 };
    lion_datom datom;
    lion_status status = first_datom(&datom, view, LION_AEVT, &key, arena, error);
    if (status == LION_OK && tx_out != NULL) *tx_out = datom.tx;
    return status;
}
