/* lane.c - the merge. Each source yields datoms in the lane's order; equal facts meet, newest first (oldest first
 * in reverse), and of each fact the newest visible datom decides whether it is there. */
#include "index/lane.h"

#include "base/assert.h"

int lion_key_place(lion_index order, const lion_datom *datom, const lion_key *key)
{
    static const uint8_t parts[3][3] = { { 'e', 'a', 'v' }, { 'a', 'e', 'v' }, { 'a', 'v', 'e' } };
    LION_ASSERT(order <= LION_AVET);
    const lion_datom *k = &key->datom;
    for (uint8_t i = 0; i < key->parts && i < 3; i++) {
        int place = 0;
        switch (parts[order][i]) {
        case 'e': place = (datom->e > k->e) - (datom->e < k->e); break;
        case 'a': place = (datom->a > k->a) - (datom->a < k->a); break;
        default: place = lion_value_compare(datom->v, k->v); break;
        }
        if (place != 0) return place;
    }
    if (key->parts < 4) return 0;
    return (datom->tx < k->tx) - (datom->tx > k->tx);
}

/* ---- sources ---- */

static const lion_tree *tree_of(const lion_root *root, lion_index order, uint32_t a, bool is_history)
{
    if (order == LION_EAVT) return is_history ? &root->history_eavt : &root->eavt;
    const lion_root_attribute *attribute = lion_root_attribute_lookup(root, a);
    if (attribute == NULL) return NULL;
    if (order == LION_AEVT) return is_history ? &attribute->history_aevt : &attribute->aevt;
    return is_history ? &attribute->history_avet : &attribute->avet;
}

static lion_status add_tree(lion_lane *lane, const lion_tree *tree, const lion_cursor_options *options,
                            lion_arena *arena, lion_error *error)
{
    if (tree == NULL || tree->count == 0) return LION_OK;
    lion_lane_source *source = &lane->sources[lane->source_count];
    *source = (lion_lane_source){ .is_tree = true };
    uint32_t columns = options->columns == 0 ? LION_COLUMN_ALL : options->columns;
    lion_status status =
        lion_tree_iterator_init(&source->tree, tree, lane->view->root->snapshot, columns,
                                lane->is_reverse, arena, error);
    if (status < 0) return status;
    source->tree.min_t = lane->is_pass || !lane->view->is_history ? INT64_MIN : lane->since_t + 1;
    source->tree.max_t = lane->upper_t;
    lane->source_count++;
    return LION_OK;
}

static bool has_novelty(const lion_lane *lane, const lion_novelty_version *version, const lion_key *key)
{
    if (version->novelty == NULL || version->datoms == 0) return false;
    if (!lane->is_bounded) return true;
    uint64_t datoms = 0;
    int64_t net = 0;
    lion_novelty_count(&datoms, &net, version, lane->order, key);
    return datoms > 0;
}

static void add_novelty(lion_lane *lane, const lion_novelty_version *version, uint32_t a,
                        const lion_key *key)
{
    if (!has_novelty(lane, version, key)) return;
    lion_lane_source *source = &lane->sources[lane->source_count++];
    *source = (lion_lane_source){ .is_tree = false };
    lion_novelty_iterator_init(&source->novelty, version, lane->order, a, lane->is_reverse);
}

/* Place a source at the lane's key. */
static lion_status seek_source(lion_lane *lane, lion_lane_source *source, lion_error *error)
{
    bool upper = lane->is_reverse;
    source->has_head = false;
    source->is_done = false;
    source->row = 0;
    source->batch.count = 0;
    if (source->is_tree) return lion_tree_iterator_seek(&source->tree, &lane->key, upper, error);
    lion_novelty_iterator_seek(&source->novelty, &lane->key, upper);
    return LION_OK;
}

static lion_status fill_head(lion_lane *lane, lion_lane_source *source, lion_error *error)
{
    if (source->has_head || source->is_done) return LION_OK;
    if (!source->is_tree) {
        source->has_head = lion_novelty_iterator_next(&source->novelty, &source->head);
    } else {
        if (source->row == source->batch.count) {
            uint32_t limit = lane->first_rows;
            lane->first_rows = LION_BATCH_ROWS;
            lion_status status = lion_tree_iterator_next(&source->tree, &source->batch, limit, error);
            if (status < 0) return status;
            source->row = 0;
            if (status == LION_END) source->batch.count = 0;
        }
        source->has_head = source->row < source->batch.count;
        if (source->has_head) source->head = lion_datom_batch_get(&source->batch, source->row++);
    }
    if (source->has_head && lane->is_bounded && lion_key_place(lane->order, &source->head, &lane->key) != 0)
        source->has_head = false;
    if (source->has_head && lane->end_v != NULL &&
        lion_value_compare(source->head.v, *lane->end_v) >= 0)
        source->has_head = false;
    if (!source->has_head) source->is_done = true;
    return LION_OK;
}

/* ---- opening ---- */

static lion_status count_pass(lion_lane *lane, lion_error *error)
{
    const lion_tree *tree = lane->sources[0].tree.tree;
    lion_snapshot *snapshot = lane->view->root->snapshot;
    uint64_t from = 0, to = tree->count;
    lion_status status = lion_tree_rank(&from, tree, snapshot, &lane->key, false, error);
    if (status < 0) return status;
    if (lane->is_bounded) status = lion_tree_rank(&to, tree, snapshot, &lane->key, true, error);
    if (status == LION_OK && lane->end_v != NULL) {
        lion_key end = { .datom = { .a = lane->key.datom.a, .v = *lane->end_v }, .parts = 2 };
        uint64_t before_end = 0;
        status = lion_tree_rank(&before_end, tree, snapshot, &end, false, error);
        if (before_end < to) to = before_end;
    }
    if (lane->is_reverse && !lane->is_bounded) {
        status = lion_tree_rank(&to, tree, snapshot, &lane->key, true, error);
        from = 0;
    }
    lane->pass_left = to > from ? to - from : 0;
    return status;
}

lion_status lion_lane_open(lion_lane *lane, const lion_view *view, lion_index order, uint32_t a,
                           const lion_key *key, const lion_cursor_options *options, lion_arena *arena,
                           lion_error *error)
{
    *lane = (lion_lane){ .view = view, .order = order, .is_reverse = options->is_reverse, .key = *key,
                         .is_bounded = !options->is_seek, .end_v = options->end_v,
                         .since_t = view->since_t, .upper_t = view->upper_t,
                         .first_rows = options->batch_rows == 0 || options->batch_rows > LION_BATCH_ROWS
                                           ? LION_BATCH_ROWS
                                           : options->batch_rows };
    lion_key place = *key;
    if (order != LION_EAVT) {
        place.datom.a = a;
        if (place.parts == 0) place.parts = 1;
        lane->key = place;
    }
    const lion_root *root = view->root;
    int64_t root_t = root == NULL ? 0 : root->t;
    lion_cursor_options all = *options;
    add_novelty(lane, &view->speculative, a, &lane->key);
    if (view->upper_t > root_t || view->is_history) add_novelty(lane, &view->novelty, a, &lane->key);
    lane->is_pass = lane->source_count == 0 && !view->is_history && view->since_t < 0 &&
                    view->upper_t >= root_t;
    /* The merge looks at whole datoms. */
    if (!lane->is_pass) all.columns = LION_COLUMN_ALL;
    lion_status status = LION_OK;
    if (root != NULL) status = add_tree(lane, tree_of(root, order, a, false), &all, arena, error);
    if (status == LION_OK && root != NULL && (view->is_history || view->upper_t < root_t))
        status = add_tree(lane, tree_of(root, order, a, true), &all, arena, error);
    for (uint32_t i = 0; status == LION_OK && i < lane->source_count; i++)
        status = seek_source(lane, &lane->sources[i], error);
    if (status < 0) return status;
    if (lane->is_pass && lane->source_count == 1) return count_pass(lane, error);
    return LION_OK;
}

/* ---- walking ---- */

static bool is_visible(const lion_lane *lane, const lion_datom *datom)
{
    int64_t t = lion_tx_to_t(datom->tx);
    return t <= lane->upper_t && t > lane->since_t;
}

/* The source whose head comes next; NULL at the end. */
static lion_status first_source(lion_lane *lane, lion_lane_source **source_out, lion_error *error)
{
    lion_lane_source *first = NULL;
    for (uint32_t i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = &lane->sources[i];
        lion_status status = fill_head(lane, source, error);
        if (status < 0) return status;
        if (!source->has_head) continue;
        if (first != NULL) {
            int order = lion_datom_compare(lane->order, &source->head, &first->head);
            if (lane->is_reverse ? order <= 0 : order >= 0) continue;
        }
        first = source;
    }
    *source_out = first;
    return LION_OK;
}

static lion_status next_of_history(lion_lane *lane, lion_datom *datom_out, lion_error *error)
{
    for (;;) {
        lion_lane_source *source = NULL;
        lion_status status = first_source(lane, &source, error);
        if (status < 0) return status;
        if (source == NULL) return LION_END;
        source->has_head = false;
        if (!is_visible(lane, &source->head)) continue;
        *datom_out = source->head;
        return LION_OK;
    }
}

/* All datoms of the next fact are taken; the newest visible one decides. */
static lion_status next_of_facts(lion_lane *lane, lion_datom *datom_out, lion_error *error)
{
    for (;;) {
        lion_lane_source *source = NULL;
        lion_status status = first_source(lane, &source, error);
        if (status < 0) return status;
        if (source == NULL) return LION_END;
        lion_datom fact = source->head, newest = { 0 };
        bool has_newest = false;
        for (;;) {
            if (is_visible(lane, &source->head) && (!has_newest || source->head.tx > newest.tx)) {
                newest = source->head;
                has_newest = true;
            }
            source->has_head = false;
            status = first_source(lane, &source, error);
            if (status < 0) return status;
            if (source == NULL || lion_datom_compare_fact(lane->order, &source->head, &fact) != 0) break;
        }
        if (!has_newest || !newest.added) continue;
        *datom_out = newest;
        return LION_OK;
    }
}

lion_status lion_lane_next(lion_lane *lane, lion_datom *datom_out, lion_error *error)
{
    return lane->view->is_history ? next_of_history(lane, datom_out, error)
                                  : next_of_facts(lane, datom_out, error);
}

lion_status lion_lane_pass(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                           lion_error *error)
{
    LION_ASSERT(lane->is_pass);
    if (lane->source_count == 0 || lane->pass_left == 0) return LION_END;
    uint32_t rows = lane->pass_left < limit ? (uint32_t)lane->pass_left : limit;
    lion_status status = lion_tree_iterator_next(&lane->sources[0].tree, batch_out, rows, error);
    if (status != LION_OK) return status;
    lane->pass_left -= batch_out->count;
    return LION_OK;
}
