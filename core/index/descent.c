/* descent.c - down from the top to a leaf, and along the leaves. */
#include "index/descent.h"

#include "base/assert.h"

lion_status lion_tree_check(const lion_tree *tree, lion_error *error)
{
    bool is_sound = tree->height <= LION_TREE_HEIGHT_MAX && tree->order <= LION_AVET &&
                    (tree->height == 0) == (tree->segment == 0);
    return is_sound ? LION_OK
                    : lion_fail_corrupt(error, "a tree of height %u and order %u makes no sense",
                                        tree->height, tree->order);
}

lion_status lion_tree_open_leaf(lion_leaf *leaf, const lion_tree *tree, lion_snapshot *snapshot,
                                uint64_t segment, lion_error *error)
{
    lion_slice bytes;
    lion_status status = lion_snapshot_segment(&bytes, snapshot, segment, error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(error, "segment %llu is not in the store",
                                 (unsigned long long)segment);
    if (status != LION_OK) return status;
    status = lion_leaf_open(leaf, bytes, tree->a, error);
    if (status != LION_OK) return status;
    bool is_ours = leaf->order == tree->order && leaf->is_history == (tree->is_history != 0) &&
                   (tree->order == LION_EAVT || leaf->type == tree->type);
    return is_ours ? LION_OK : lion_leaf_corrupt(error, "it is of another tree");
}

static lion_status open_leaf(lion_descent *descent, uint64_t segment, lion_error *error)
{
    return lion_tree_open_leaf(&descent->leaf, descent->tree, descent->snapshot, segment, error);
}

/* Put the branch `segment` at path[depth], which grows. */
static lion_status open_branch(lion_descent *descent, uint64_t segment, lion_error *error)
{
    lion_slice bytes;
    lion_status status = lion_snapshot_segment(&bytes, descent->snapshot, segment, error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(error, "segment %llu is not in the store",
                                 (unsigned long long)segment);
    if (status != LION_OK) return status;
    unsigned level = descent->tree->height - descent->depth;
    status =
        lion_branch_open(&descent->path[descent->depth].branch, bytes, descent->tree, level, error);
    if (status == LION_OK) descent->depth++;
    return status;
}

static lion_status begin(lion_descent *descent, const lion_tree *tree, lion_snapshot *snapshot,
                         lion_error *error)
{
    LION_ASSERT(tree->height > 0);
    if (lion_tree_check(tree, error) != LION_OK) return LION_FAILED;
    descent->tree = tree;
    descent->snapshot = snapshot;
    descent->depth = 0;
    return LION_OK;
}

lion_status lion_descent_seek_leaf(lion_descent *descent, uint64_t *leaf_out, const lion_tree *tree,
                                   lion_snapshot *snapshot, const lion_key *key, bool upper,
                                   lion_error *error)
{
    if (begin(descent, tree, snapshot, error) != LION_OK) return LION_FAILED;
    uint64_t segment = tree->segment;
    while (descent->depth + 1u < tree->height) {
        unsigned at = descent->depth;
        if (open_branch(descent, segment, error) != LION_OK) return LION_FAILED;
        const lion_branch *branch = &descent->path[at].branch;
        uint32_t *child = &descent->path[at].child;
        if (lion_branch_find(child, branch, key, upper, snapshot, error) != LION_OK)
            return LION_FAILED;
        if (lion_branch_child(&segment, branch, *child, error) != LION_OK) return LION_FAILED;
    }
    *leaf_out = segment;
    return LION_OK;
}

lion_status lion_descent_seek(lion_descent *descent, const lion_tree *tree, lion_snapshot *snapshot,
                              const lion_key *key, bool upper, lion_error *error)
{
    uint64_t leaf;
    lion_status status = lion_descent_seek_leaf(descent, &leaf, tree, snapshot, key, upper, error);
    return status == LION_OK ? open_leaf(descent, leaf, error) : status;
}

/* The next child of path[at] from `child` on (inclusive) in the direction of travel that may have a
 * wanted t. */
static lion_status find_child(lion_descent *descent, unsigned at, int64_t child, bool backward,
                              int64_t min_t, int64_t max_t, lion_error *error)
{
    const lion_branch *branch = &descent->path[at].branch;
    bool skips = min_t != INT64_MIN || max_t != INT64_MAX;
    for (; child >= 0 && child < branch->count; child += backward ? -1 : 1) {
        int64_t low = min_t, high = max_t;
        if (skips && lion_branch_times(&low, &high, branch, (uint32_t)child, error) != LION_OK)
            return LION_FAILED;
        if (skips && (high < min_t || low > max_t)) continue;
        descent->path[at].child = (uint32_t)child;
        return LION_OK;
    }
    return LION_END;
}

/* From branch path[depth - 1], standing before `child`: to the next leaf, climbing where a branch
 * has no more. */
static lion_status travel(lion_descent *descent, uint64_t *leaf_out, int64_t child, bool backward,
                          int64_t min_t, int64_t max_t, lion_error *error)
{
    while (descent->depth > 0) {
        unsigned at = descent->depth - 1;
        lion_status status = find_child(descent, at, child, backward, min_t, max_t, error);
        if (status == LION_FAILED) return status;
        if (status == LION_END) {
            descent->depth = at;
            if (at > 0) child = (int64_t)descent->path[at - 1].child + (backward ? -1 : 1);
            continue;
        }
        const lion_branch *branch = &descent->path[at].branch;
        if (lion_branch_child(leaf_out, branch, descent->path[at].child, error) != LION_OK)
            return LION_FAILED;
        if (descent->depth + 1u == descent->tree->height) return LION_OK;
        if (open_branch(descent, *leaf_out, error) != LION_OK) return LION_FAILED;
        child = backward ? (int64_t)descent->path[at + 1].branch.count - 1 : 0;
    }
    return LION_END;
}

lion_status lion_descent_start(lion_descent *descent, const lion_tree *tree,
                               lion_snapshot *snapshot, bool at_end, int64_t min_t, int64_t max_t,
                               lion_error *error)
{
    if (begin(descent, tree, snapshot, error) != LION_OK) return LION_FAILED;
    if (tree->height == 1) return open_leaf(descent, tree->segment, error);
    if (open_branch(descent, tree->segment, error) != LION_OK) return LION_FAILED;
    int64_t child = at_end ? (int64_t)descent->path[0].branch.count - 1 : 0;
    uint64_t leaf;
    lion_status status = travel(descent, &leaf, child, at_end, min_t, max_t, error);
    return status == LION_OK ? open_leaf(descent, leaf, error) : status;
}

lion_status lion_descent_step_leaf(lion_descent *descent, uint64_t *leaf_out, bool backward,
                                   int64_t min_t, int64_t max_t, lion_error *error)
{
    unsigned depth = descent->depth;
    if (depth == 0) return LION_END;
    int64_t child = (int64_t)descent->path[depth - 1].child + (backward ? -1 : 1);
    lion_status status = travel(descent, leaf_out, child, backward, min_t, max_t, error);
    if (status != LION_OK) descent->depth = 0; /* there is nothing more in this direction */
    return status;
}

lion_status lion_descent_step(lion_descent *descent, bool backward, int64_t min_t, int64_t max_t,
                              lion_error *error)
{
    uint64_t leaf;
    lion_status status = lion_descent_step_leaf(descent, &leaf, backward, min_t, max_t, error);
    return status == LION_OK ? open_leaf(descent, leaf, error) : status;
}

lion_status lion_descent_find(lion_descent *descent, uint32_t *row_out, const lion_tree *tree,
                              lion_snapshot *snapshot, const lion_key *key, lion_error *error)
{
    lion_status status = lion_descent_seek(descent, tree, snapshot, key, false, error);
    if (status == LION_OK)
        status = lion_leaf_lower_bound(row_out, &descent->leaf, key, false, snapshot, error);
    if (status != LION_OK || *row_out < descent->leaf.rows) return status;
    *row_out = 0;
    return lion_descent_step(descent, false, INT64_MIN, INT64_MAX, error);
}

/* The child that holds the rank-th row below the branch; *rank becomes its place in there. */
static lion_status find_rank(uint32_t *child_out, const lion_branch *branch, uint64_t *rank,
                             lion_error *error)
{
    uint32_t low = 0, high = branch->count;
    uint64_t before = 0;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lion_branch_rows_before(&before, branch, middle, error) != LION_OK) return LION_FAILED;
        if (before <= *rank)
            low = middle;
        else
            high = middle;
    }
    if (lion_branch_rows_before(&before, branch, low, error) != LION_OK) return LION_FAILED;
    if (before > *rank) return lion_fail_corrupt(error, "a branch counts its rows wrong");
    *rank -= before;
    *child_out = low;
    return LION_OK;
}

lion_status lion_descent_select(lion_descent *descent, uint32_t *row_out, const lion_tree *tree,
                                lion_snapshot *snapshot, uint64_t rank, lion_error *error)
{
    LION_ASSERT(rank < tree->count);
    if (begin(descent, tree, snapshot, error) != LION_OK) return LION_FAILED;
    uint64_t segment = tree->segment;
    while (descent->depth + 1u < tree->height) {
        unsigned at = descent->depth;
        if (open_branch(descent, segment, error) != LION_OK) return LION_FAILED;
        const lion_branch *branch = &descent->path[at].branch;
        uint32_t *child = &descent->path[at].child;
        if (find_rank(child, branch, &rank, error) != LION_OK) return LION_FAILED;
        if (lion_branch_child(&segment, branch, *child, error) != LION_OK) return LION_FAILED;
    }
    if (open_leaf(descent, segment, error) != LION_OK) return LION_FAILED;
    if (rank >= descent->leaf.rows)
        return lion_fail_corrupt(error, "a branch counts more rows than its leaf has");
    *row_out = (uint32_t)rank;
    return LION_OK;
}
