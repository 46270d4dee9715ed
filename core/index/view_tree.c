/* view_tree.c - what a view reads of the trees, and up to which t it could. */
#include "index/cursor.h"

const lion_tree *lion_view_tree(const lion_view *view, lion_index order, uint32_t a,
                                bool is_history)
{
    const lion_root *root = view->root;
    if (root == NULL) return NULL;
    const lion_tree *tree = is_history ? &root->history_eavt : &root->eavt;
    if (order != LION_EAVT) {
        const lion_root_attribute *attribute = lion_root_attribute_lookup(root, a);
        if (attribute == NULL) return NULL;
        if (order == LION_AEVT)
            tree = is_history ? &attribute->history_aevt : &attribute->aevt;
        else
            tree = is_history ? &attribute->history_avet : &attribute->avet;
    }
    return tree->height > 0 ? tree : NULL;
}

int64_t lion_view_newest_t(const lion_view *view)
{
    int64_t t = view->root != NULL ? view->root->t : 0;
    if (view->novelty.novelty != NULL && view->novelty.t > t) t = view->novelty.t;
    if (view->speculative.novelty != NULL && view->speculative.t > t) t = view->speculative.t;
    return t;
}
