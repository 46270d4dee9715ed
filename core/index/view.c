/* view.c - exact numbers of a view, without scanning where the trees can tell. */
#include "index/lane.h"
#include "index/points.h"
#include "index/view_parts.h"

/* Novelty's transactions are all above the root's t, so that no datom is counted twice. */
static bool is_above(const lion_novelty_version *version, int64_t root_t)
{
    if (version->novelty == NULL || version->transactions == 0) return true;
    int64_t t;
    lion_slice record;
    lion_novelty_transaction(version, 0, &t, &record);
    return t > root_t;
}

static bool is_whole(const lion_view *view)
{
    int64_t root_t = view->root != NULL ? view->root->t : 0;
    return view->since_t < 0 && view->upper_t >= lion_view_newest_t(view) &&
           is_above(&view->novelty, root_t);
}

bool lion_view_is_plain(const lion_view *view)
{
    return !view->is_history && is_whole(view);
}

bool lion_view_is_without_past(const lion_view *view, uint32_t a)
{
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    if (lion_view_tree(view, LION_AEVT, a, true) != NULL) return false;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t datoms = 0;
        int64_t net = 0;
        if (versions[i]->novelty != NULL)
            lion_novelty_count(&datoms, &net, versions[i], LION_AEVT, &key);
        if (net != (int64_t)datoms) return false;
    }
    return true;
}

/* -- Counting in trees --------------------------------------------------------------------------
 */

/* What is added up: the datoms that stand, or all of them. */
typedef struct tally {
    int64_t current; /* rows of current trees plus the net of novelty */
    int64_t all;     /* rows of current and history trees plus novelty's datoms */
} tally;

/* All rows of a value in a leaf that is kept open: without two ways down. LION_END: else. */
static lion_status count_run(uint64_t *count_out, const lion_view *view, const lion_tree *tree,
                             const lion_key *key, lion_error *error)
{
    lion_leaf *leaf;
    uint32_t from = 0, to = 0;
    lion_status status =
        lion_points_run(&leaf, &from, &to, view->root, tree, key->datom.v, error);
    if (status == LION_FAILED || status == LION_END) return status;
    *count_out = to - from;
    return LION_OK;
}

static lion_status count_tree(uint64_t *count_out, const lion_view *view, lion_index order,
                              const lion_key *key, bool is_history, lion_error *error)
{
    *count_out = 0;
    const lion_tree *tree = lion_view_tree(view, order, key->datom.a, is_history);
    if (tree == NULL) return LION_OK;
    *count_out = tree->count;
    if (key->parts < (order == LION_EAVT ? 1 : 2)) return LION_OK;
    if (order == LION_AVET && key->parts == 2 && !is_history) {
        lion_status status = count_run(count_out, view, tree, key, error);
        if (status != LION_END) return status;
    }
    uint64_t from, to;
    lion_snapshot *snapshot = view->root->snapshot;
    if (lion_tree_rank(&from, tree, snapshot, key, false, error) != LION_OK) return LION_FAILED;
    if (lion_tree_rank(&to, tree, snapshot, key, true, error) != LION_OK) return LION_FAILED;
    *count_out = to - from;
    return LION_OK;
}

/* One family of trees; key is in its order. */
static lion_status add_family(tally *sum, const lion_view *view, lion_index order,
                              const lion_key *key, bool with_history, lion_error *error)
{
    uint64_t current, history = 0;
    if (count_tree(&current, view, order, key, false, error) != LION_OK) return LION_FAILED;
    if (with_history && count_tree(&history, view, order, key, true, error) != LION_OK)
        return LION_FAILED;
    sum->current += (int64_t)current;
    sum->all += (int64_t)(current + history);
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    for (unsigned i = 0; i < 2; i++) {
        if (versions[i]->novelty == NULL) continue;
        uint64_t datoms;
        int64_t net;
        lion_novelty_count(&datoms, &net, versions[i], order, key);
        sum->current += net;
        sum->all += (int64_t)datoms;
    }
    return LION_OK;
}

/* All of AVET: attribute by attribute, those of the root and those that only novelty has. */
static lion_status add_avet(tally *sum, const lion_view *view, bool with_history, lion_error *error)
{
    const lion_root *root = view->root;
    uint32_t root_count = root != NULL ? root->attribute_count : 0;
    for (uint32_t i = 0; i < root_count; i++) {
        lion_key key = { .datom = { .a = root->attributes[i].a }, .parts = 1 };
        if (add_family(sum, view, LION_AVET, &key, with_history, error) != LION_OK)
            return LION_FAILED;
    }
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    for (unsigned i = 0; i < 2; i++) {
        uint32_t place = 0, a;
        while (lion_novelty_attribute_next(versions[i], &place, &a)) {
            if (root != NULL && lion_root_attribute_lookup(root, a) != NULL) continue;
            lion_key key = { .datom = { .a = a }, .parts = 1 };
            lion_novelty_iterator before;
            lion_novelty_iterator_init(&before, &view->novelty, LION_AEVT, a, false);
            if (i == 1 && before.root != 0) continue; /* counted with the first */
            if (add_family(sum, view, LION_AVET, &key, with_history, error) != LION_OK)
                return LION_FAILED;
        }
    }
    return LION_OK;
}

static lion_status add_vaet(tally *sum, const lion_view *view, const lion_key *key,
                            bool with_history, lion_error *error)
{
    for (uint32_t i = 0; i < view->vaet_count; i++) {
        uint32_t a = view->vaet_attributes[i];
        if (key->parts >= 2 && key->datom.a != a) continue;
        lion_key family = *key;
        family.datom.a = a;
        if (family.parts < 2) family.parts++; /* v a e becomes a v e */
        if (add_family(sum, view, LION_AVET, &family, with_history, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

static lion_status add_all(tally *sum, const lion_view *view, lion_index index, const lion_key *key,
                           bool with_history, lion_error *error)
{
    lion_key none = { .parts = 0 };
    if (index == LION_VAET) return add_vaet(sum, view, key, with_history, error);
    if (index == LION_AVET && key->parts == 0) return add_avet(sum, view, with_history, error);
    if (index == LION_AEVT && key->parts == 0) /* as many as in EAVT */
        return add_family(sum, view, LION_EAVT, &none, with_history, error);
    return add_family(sum, view, index, key, with_history, error);
}

/* -- Counting -----------------------------------------------------------------------------------
 */

static lion_status scan(uint64_t *count_out, const lion_view *view, lion_index index,
                        const lion_key *key, lion_arena *arena, lion_error *error)
{
    lion_arena_mark mark = lion_arena_set_mark(arena);
    lion_cursor_options options = { .columns = LION_COLUMN_E };
    lion_cursor *cursor;
    lion_datom_batch batch;
    uint64_t count = 0;
    lion_status status = lion_cursor_open(&cursor, view, index, key, &options, arena, error);
    while (status == LION_OK) {
        status = lion_cursor_next(cursor, &batch, error);
        if (status == LION_OK) count += batch.count;
    }
    lion_arena_rewind(arena, mark);
    if (status == LION_FAILED) return status;
    *count_out = count;
    return LION_OK;
}

lion_status lion_view_count(uint64_t *count_out, const lion_view *view, lion_index index,
                            const lion_key *key, lion_arena *arena, lion_error *error)
{
    if (view->filter_count > 0) return LION_ABSENT;
    /* With tx in the key, whether the datom stands depends on others of its fact. */
    if (!is_whole(view) || (key->parts == 4 && !view->is_history))
        return scan(count_out, view, index, key, arena, error);
    tally sum = { 0 };
    if (add_all(&sum, view, index, key, view->is_history, error) != LION_OK) return LION_FAILED;
    *count_out = (uint64_t)(view->is_history ? sum.all : sum.current);
    return LION_OK;
}

lion_status lion_view_estimate(uint64_t *count_out, const lion_view *view, lion_index index,
                               const lion_key *key, lion_error *error)
{
    bool is_exact = is_whole(view) && key->parts < 4;
    int64_t root_t = view->root != NULL ? view->root->t : 0;
    bool with_history = view->is_history || view->upper_t < root_t;
    tally sum = { 0 };
    if (add_all(&sum, view, index, key, with_history, error) != LION_OK) return LION_FAILED;
    *count_out = (uint64_t)(is_exact && !view->is_history ? sum.current : sum.all);
    return LION_OK;
}

static lion_status rank_of(uint64_t *rank_out, const lion_view *view, const lion_tree *tree,
                           const lion_value *v, uint64_t otherwise, lion_error *error)
{
    *rank_out = otherwise;
    if (v == NULL) return LION_OK;
    lion_key key = { .datom = { .a = tree->a, .v = *v }, .parts = 2 };
    return lion_tree_rank(rank_out, tree, view->root->snapshot, &key, false, error);
}

lion_status lion_view_estimate_range(uint64_t *count_out, const lion_view *view, uint32_t a,
                                     const lion_value *low, const lion_value *end,
                                     lion_error *error)
{
    uint64_t from = 0, to = 0;
    int64_t count = 0;
    bool is_net = lion_view_is_plain(view);
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    for (unsigned i = 0; i < 2; i++) {
        uint64_t datoms;
        int64_t net;
        if (versions[i]->novelty == NULL) continue;
        lion_novelty_count_range(&datoms, &net, versions[i], a, low, end);
        count += is_net ? net : (int64_t)datoms;
    }
    const lion_tree *tree = lion_view_tree(view, LION_AVET, a, false);
    if (tree != NULL && tree->count > 0) {
        if (rank_of(&from, view, tree, low, 0, error) != LION_OK) return LION_FAILED;
        if (rank_of(&to, view, tree, end, tree->count, error) != LION_OK) return LION_FAILED;
        if (to > from) count += (int64_t)(to - from);
    }
    *count_out = count > 0 ? (uint64_t)count : 0;
    return LION_OK;
}
