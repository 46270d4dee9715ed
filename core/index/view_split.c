/* view_split.c - equal parts of a range, by the ranks of the current tree: what novelty and history
 * add lies between the same keys. */
#include "index/lane.h"
#include "index/view_parts.h"

/* Nothing but the current tree tells of the attribute, so rows have one order. */
static bool is_tree_alone(const lion_view *view, lion_index index, uint32_t a)
{
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    if (!lion_view_is_plain(view)) return false;
    for (unsigned i = 0; i < 2; i++) {
        lion_novelty_iterator iterator;
        lion_novelty_iterator_init(&iterator, versions[i], index, a, false);
        if (iterator.root != 0) return false;
    }
    return true;
}

/* Rows of one lead but of different entities are parted too; those of one entity are not. */
static lion_key key_of(lion_index index, const lion_datom *row)
{
    return (lion_key){ .datom = *row, .parts = index == LION_AEVT ? 2 : 3 };
}

static bool is_same_place(lion_index index, const lion_key *a, const lion_key *b)
{
    bool is_same_value = index == LION_AEVT || lion_value_compare(a->datom.v, b->datom.v) == 0;
    return a->parts == b->parts && a->datom.e == b->datom.e && is_same_value;
}

lion_status lion_view_split(lion_key_range **parts_out, uint32_t *count_out, const lion_view *view,
                            lion_index index, const lion_key_range *range, uint64_t rows_each,
                            uint32_t most, bool is_any_order, lion_arena *arena, lion_error *error)
{
    uint32_t a = range->from.datom.a, count = 0;
    const lion_tree *tree = lion_view_tree(view, index, a, false);
    uint64_t from = 0, to = 0;
    *count_out = 0;
    if (tree == NULL || (is_any_order && !is_tree_alone(view, index, a))) return LION_OK;
    lion_snapshot *snapshot = view->root->snapshot;
    to = tree->count;
    lion_status status = lion_tree_rank(&from, tree, snapshot, &range->from, false, error);
    if (status == LION_OK && range->to.parts > 0)
        status = lion_tree_rank(&to, tree, snapshot, &range->to, range->to_upper, error);
    if (status != LION_OK) return status;
    uint64_t rows = to > from ? to - from : 0, wanted = rows / (rows_each > 0 ? rows_each : 1);
    if (wanted > most) wanted = most;
    if (wanted < 2) return LION_OK;
    lion_key_range *parts = lion_arena_array(arena, lion_key_range, wanted);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    parts[count++] = *range;
    for (uint64_t i = 1; i < wanted; i++) {
        lion_datom row;
        status = lion_tree_select(&row, tree, snapshot, from + i * rows / wanted, error);
        if (status != LION_OK) return status;
        lion_key cut = key_of(index, &row);
        if (is_same_place(index, &cut, &parts[count - 1].from)) continue;
        uint64_t before = 0;
        status = lion_tree_rank(&before, tree, snapshot, &cut, false, error);
        if (status != LION_OK) return status;
        parts[count] = (lion_key_range){ cut, range->to, range->to_upper, before - from };
        parts[count - 1].to = cut;
        parts[count - 1].to_upper = false;
        count++;
    }
    *parts_out = parts;
    *count_out = count;
    return LION_OK;
}
