/* facts.c - single facts, over and over. A look-up spends most of its time on the way down:
 * resolving segments, opening branches, leaves and their columns. Here a tree's separators are laid
 * out once, and leaves stay open, so that a look-up is a search among separators and an index into
 * columns. Whatever is not that simple (times, filters, facts in novelty, rows at a leaf's end,
 * tall trees) is answered by lion_view_get and lion_view_find. */
#include "index/facts.h"

#include "base/assert.h"
#include "index/descent.h"
#include "index/lane.h"
#include "index/view_parts.h"

#define LEAVES_MAX 4096 /* of a tree that is kept open: 200 MB of segments */

typedef struct open_tree {
    const lion_tree *tree;    /* NULL: none, or not kept open */
    uint32_t count;           /* leaves */
    const int64_t *from_e;    /* AEVT: per leaf, entities from it on … */
    const lion_value *from_v; /* AVET: … values from it on; the first leaf's says nothing */
    lion_leaf **leaves;       /* NULL: not open yet */
} open_tree;

struct lion_facts {
    lion_view view;
    lion_arena *arena;
    bool is_plain;
    uint32_t key;
    uint8_t key_type;
    uint32_t count;
    const uint32_t *attributes;
    open_tree key_tree;
    open_tree *trees; /* per attribute */
};

/* ---- opening ---- */

/* Whether the separators of a branch tell leads apart by themselves. Fills from. */
static bool read_separators(open_tree *open, const lion_branch_entry *entries, lion_arena *arena)
{
    bool is_avet = open->tree->order == LION_AVET;
    int64_t *from_e = is_avet ? NULL : lion_arena_array(arena, int64_t, open->count);
    lion_value *from_v = is_avet ? lion_arena_array(arena, lion_value, open->count) : NULL;
    if (from_e == NULL && from_v == NULL) return false;
    for (uint32_t i = 0; i < open->count; i++) {
        const lion_key *separator = &entries[i].separator;
        bool is_first = i == 0;
        if (!is_first && separator->parts != 2) return false; /* a lead goes on from leaf to leaf */
        if (is_avet) from_v[i] = is_first ? lion_value_nil() : separator->datom.v;
        if (is_avet && lion_value_is_stub(&from_v[i])) return false;
        if (!is_avet) from_e[i] = is_first ? INT64_MIN : separator->datom.e;
    }
    open->from_e = from_e;
    open->from_v = from_v;
    return true;
}

static lion_status open_tree_of(open_tree *open, const lion_view *view, lion_index order,
                                uint32_t a, lion_arena *arena, lion_error *error)
{
    const lion_tree *tree = lion_view_tree(view, order, a, false);
    *open = (open_tree){ .tree = tree, .count = 1 };
    if (tree == NULL) return LION_OK;
    if (tree->height == 0 || tree->height > 2) {
        open->tree = NULL;
        return LION_OK;
    }
    if (tree->height == 2) {
        lion_slice bytes;
        lion_branch branch;
        lion_branch_entry *entries = NULL;
        lion_status status =
            lion_snapshot_segment(&bytes, view->root->snapshot, tree->segment, error);
        if (status == LION_OK) status = lion_branch_open(&branch, bytes, tree, 2, error);
        if (status == LION_OK) status = lion_branch_read(&entries, &branch, arena, error);
        if (status != LION_OK) return status;
        open->count = branch.count;
        if (open->count > LEAVES_MAX || !read_separators(open, entries, arena)) open->tree = NULL;
    }
    open->leaves = lion_arena_zalloc(arena, sizeof(lion_leaf *) * open->count);
    return LION_OK;
}

lion_status lion_facts_new(lion_facts **facts_out, const lion_view *view, uint32_t key,
                           lion_type key_type, const uint32_t *attributes, uint32_t count,
                           lion_arena *arena, lion_error *error)
{
    lion_facts *facts = lion_arena_new(arena, lion_facts);
    uint32_t *copy = lion_arena_array(arena, uint32_t, count + 1u);
    for (uint32_t i = 0; i < count; i++) copy[i] = attributes[i];
    facts->view = *view;
    facts->arena = arena;
    facts->is_plain = lion_view_is_plain(view) && view->root != NULL;
    facts->key = key;
    facts->key_type = (uint8_t)key_type;
    facts->count = count;
    facts->attributes = copy;
    facts->trees = lion_arena_zalloc(arena, sizeof(open_tree) * (count + 1u));
    lion_status status = lion_arena_check(arena, error);
    for (uint32_t i = 0; i < count && status == LION_OK && facts->is_plain; i++)
        status = open_tree_of(&facts->trees[i], view, LION_AEVT, copy[i], arena, error);
    if (status == LION_OK && facts->is_plain && key != 0)
        status = open_tree_of(&facts->key_tree, view, LION_AVET, key, arena, error);
    if (status == LION_OK) status = lion_arena_check(arena, error);
    if (status == LION_OK) *facts_out = facts;
    return status;
}

/* ---- leaves ---- */

/* The last leaf that begins at or before e. */
static uint32_t leaf_of_e(const open_tree *open, int64_t e)
{
    uint32_t low = 0, high = open->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (open->from_e[middle] <= e)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t leaf_of_v(const open_tree *open, const lion_value *v)
{
    uint32_t low = 0, high = open->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lion_value_compare(open->from_v[middle], *v) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The leaf, opened with `parts` if it is not open yet. LION_ABSENT: the way down leads elsewhere.
 */
static lion_status leaf_at(lion_leaf **leaf_out, lion_facts *facts, open_tree *open, uint32_t index,
                           const lion_key *key, unsigned parts, lion_error *error)
{
    *leaf_out = open->leaves[index];
    if (*leaf_out != NULL) return LION_OK;
    lion_descent descent;
    lion_snapshot *snapshot = facts->view.root->snapshot;
    lion_status status = lion_descent_seek(&descent, open->tree, snapshot, key, false, error);
    if (status == LION_OK) status = lion_leaf_need(&descent.leaf, parts, error);
    if (status != LION_OK) return status;
    if (descent.depth > 0 && descent.path[0].child != index) return LION_ABSENT;
    lion_leaf *leaf = lion_arena_new(facts->arena, lion_leaf);
    if (lion_arena_check(facts->arena, error) != LION_OK) return LION_FAILED;
    *leaf = descent.leaf;
    open->leaves[index] = leaf;
    *leaf_out = leaf;
    return LION_OK;
}

static bool is_in_novelty(const lion_facts *facts, lion_index order, const lion_key *key)
{
    lion_datom datom;
    return lion_novelty_first(&facts->view.novelty, order, key, &datom) ||
           lion_novelty_first(&facts->view.speculative, order, key, &datom);
}

/* ---- values of an entity ---- */

/* LION_OK: the value, or LION_ABSENT: none; LION_END: this is for lion_view_get. */
static lion_status get_in_leaf(lion_value *value_out, lion_facts *facts, open_tree *open, int64_t e,
                               const lion_key *key, lion_error *error)
{
    lion_leaf *leaf = NULL;
    uint32_t index = leaf_of_e(open, e), from = 0, to;
    unsigned parts = LION_LEAF_E | LION_LEAF_RUNS | LION_LEAF_V;
    lion_status status = leaf_at(&leaf, facts, open, index, key, parts, error);
    if (status != LION_OK) return status == LION_ABSENT ? LION_END : status;
    size_t run;
    if (!lion_ints_find(&leaf->e, e, &run))
        return run == leaf->leads && index + 1 < open->count ? LION_END : LION_ABSENT;
    if (lion_leaf_run_rows(&from, &to, leaf, (uint32_t)run, error) != LION_OK) return LION_FAILED;
    if (!lion_column_get(&leaf->v, from, value_out)) return lion_leaf_corrupt(error, "column v");
    if (!lion_value_is_stub(value_out)) return LION_OK;
    return lion_stub_resolve(value_out, facts->view.root->snapshot, error);
}

lion_status lion_facts_get(lion_value *values_out, lion_facts *facts, int64_t entity,
                           lion_error *error)
{
    lion_key key = { .datom = { .e = entity }, .parts = 2 };
    for (uint32_t i = 0; i < facts->count; i++) {
        open_tree *open = &facts->trees[i];
        lion_status status = LION_END;
        key.datom.a = facts->attributes[i];
        if (open->tree != NULL && !is_in_novelty(facts, LION_AEVT, &key))
            status = get_in_leaf(&values_out[i], facts, open, entity, &key, error);
        if (status == LION_END)
            status = lion_view_get(&values_out[i], NULL, &facts->view, entity, key.datom.a,
                                   facts->arena, error);
        if (status == LION_FAILED) return status;
        if (status == LION_ABSENT) values_out[i] = lion_value_nil();
    }
    return LION_OK;
}

/* ---- the entity of a value ---- */

static lion_status find_in_leaf(int64_t *id_out, lion_facts *facts, const lion_key *key,
                                lion_error *error)
{
    open_tree *open = &facts->key_tree;
    lion_snapshot *snapshot = facts->view.root->snapshot;
    lion_leaf *leaf = NULL;
    uint32_t index = open->count > 1 ? leaf_of_v(open, &key->datom.v) : 0, row, run;
    unsigned parts = LION_LEAF_E | LION_LEAF_RUNS | LION_LEAF_V;
    lion_status status = leaf_at(&leaf, facts, open, index, key, parts, error);
    if (status != LION_OK) return status == LION_ABSENT ? LION_END : status;
    if (lion_leaf_lower_bound(&row, leaf, key, false, snapshot, error) != LION_OK)
        return LION_FAILED;
    if (row >= leaf->rows) return LION_END;
    if (lion_leaf_run_of(&run, leaf, row, error) != LION_OK) return LION_FAILED;
    lion_value found;
    int order;
    if (!lion_column_get(&leaf->v, run, &found)) return lion_leaf_corrupt(error, "column v");
    if (lion_stub_compare(&order, &found, &key->datom.v, snapshot, error) != LION_OK)
        return LION_FAILED;
    if (order != 0) return LION_ABSENT;
    *id_out = lion_ints_get(&leaf->e, row);
    return LION_OK;
}

lion_status lion_facts_find(int64_t *id_out, lion_facts *facts, lion_value value, lion_error *error)
{
    if (facts->key == 0 || value.type != facts->key_type) return LION_ABSENT;
    lion_key key = { .datom = { .a = facts->key, .v = value }, .parts = 2 };
    lion_status status = LION_END;
    if (facts->key_tree.tree != NULL && !is_in_novelty(facts, LION_AVET, &key))
        status = find_in_leaf(id_out, facts, &key, error);
    return status != LION_END
               ? status
               : lion_view_find(id_out, NULL, &facts->view, facts->key, value, facts->arena, error);
}
