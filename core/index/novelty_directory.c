/* novelty_directory.c - from an attribute to its trees: three levels of direct look-ups,
 * path-copied.
 *
 *   a (20 bits) = 7 bits: place in the top · 7 bits: in the middle · 6 bits: in the leaf */
#include <string.h>

#include "index/novelty_tree.h"

#define LEAF_BITS 6
#define NODE_BITS 7
#define LEAF_MASK ((1u << LEAF_BITS) - 1)
#define NODE_MASK ((1u << NODE_BITS) - 1)

_Static_assert(LEAF_BITS + 2 * NODE_BITS == 20, "three levels hold every attribute id");

static uint32_t top_place(uint32_t a)
{
    return a >> (LEAF_BITS + NODE_BITS);
}

static uint32_t middle_place(uint32_t a)
{
    return a >> LEAF_BITS & NODE_MASK;
}

void lion_directory_get(const uint8_t *base, uint32_t directory, uint32_t a, uint32_t *aevt_out,
                        uint32_t *avet_out)
{
    *aevt_out = *avet_out = 0;
    if (directory == 0 || a > LION_ATTRIBUTE_ID_MAX) return;
    const lion_directory_node *top = lion_novelty_at(base, directory);
    uint32_t offset = top->children[top_place(a)];
    if (offset == 0) return;
    const lion_directory_node *middle = lion_novelty_at(base, offset);
    offset = middle->children[middle_place(a)];
    if (offset == 0) return;
    const lion_directory_leaf *leaf = lion_novelty_at(base, offset);
    *aevt_out = leaf->tops[a & LEAF_MASK].aevt;
    *avet_out = leaf->tops[a & LEAF_MASK].avet;
}

/* A node of the present epoch in the place of the one at *offset. */
static void *own(lion_novelty *novelty, uint32_t *offset)
{
    if (*offset == 0) {
        *offset = lion_directory_new(novelty);
        return lion_novelty_at(novelty->base, *offset);
    }
    lion_directory_node *old = lion_novelty_at(novelty->base, *offset);
    if (old->epoch == novelty->epoch) return old;
    uint32_t copy = lion_directory_new(novelty);
    lion_directory_node *node = lion_novelty_at(novelty->base, copy);
    memcpy(node->children, old->children, sizeof node->children);
    lion_directory_retire(novelty, *offset);
    *offset = copy;
    return node;
}

void lion_directory_set(lion_novelty *novelty, uint32_t a, uint32_t aevt, uint32_t avet)
{
    LION_ASSERT(a <= LION_ATTRIBUTE_ID_MAX);
    lion_directory_node *top = own(novelty, &novelty->attributes);
    lion_directory_node *middle = own(novelty, &top->children[top_place(a)]);
    lion_directory_leaf *leaf = own(novelty, &middle->children[middle_place(a)]);
    leaf->tops[a & LEAF_MASK].aevt = aevt;
    leaf->tops[a & LEAF_MASK].avet = avet;
}

static bool next_in_leaf(const lion_directory_leaf *leaf, uint32_t place, uint32_t *place_out)
{
    for (; place <= LEAF_MASK; place++) {
        if (leaf->tops[place].aevt == 0) continue;
        *place_out = place;
        return true;
    }
    return false;
}

bool lion_directory_next(const uint8_t *base, uint32_t directory, uint32_t from, uint32_t *a_out)
{
    if (directory == 0 || from > LION_ATTRIBUTE_ID_MAX) return false;
    const lion_directory_node *top = lion_novelty_at(base, directory);
    uint32_t i = top_place(from), j = middle_place(from), k = from & LEAF_MASK;
    for (; i <= NODE_MASK; i++, j = k = 0) {
        if (top->children[i] == 0) continue;
        const lion_directory_node *middle = lion_novelty_at(base, top->children[i]);
        for (; j <= NODE_MASK; j++, k = 0) {
            uint32_t place;
            if (middle->children[j] == 0) continue;
            if (!next_in_leaf(lion_novelty_at(base, middle->children[j]), k, &place)) continue;
            *a_out = (i << NODE_BITS | j) << LEAF_BITS | place;
            return true;
        }
    }
    return false;
}
