/* facts.c - single facts of one view, over and over: what a look-up finds out anew each time (the
 * kind of the view, the trees of its attributes) is found out once, and the trees are kept open
 * from the first look-up on (points.c). */
#include "index/facts.h"

#include "index/lane.h"
#include "index/points.h"
#include "index/view_parts.h"

struct lion_facts {
    lion_view view;
    lion_arena *arena;
    bool is_plain;
    uint32_t key;
    uint8_t key_type;
    uint32_t count;
    const uint32_t *attributes;
    const lion_tree **trees; /* of the attributes, for plain views; NULL: none */
};

lion_status lion_facts_new(lion_facts **facts_out, const lion_view *view, uint32_t key,
                           lion_type key_type, const uint32_t *attributes, uint32_t count,
                           lion_arena *arena, lion_error *error)
{
    lion_facts *facts = lion_arena_new(arena, lion_facts);
    uint32_t *copy = lion_arena_array(arena, uint32_t, count + 1u);
    const lion_tree **trees = lion_arena_array(arena, const lion_tree *, count + 1u);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    *facts = (lion_facts){ .view = *view,
                           .arena = arena,
                           .is_plain = lion_view_is_plain(view),
                           .key = key,
                           .key_type = (uint8_t)key_type,
                           .count = count,
                           .attributes = copy,
                           .trees = trees };
    for (uint32_t i = 0; i < count; i++) {
        copy[i] = attributes[i];
        trees[i] = lion_view_tree(view, LION_AEVT, attributes[i], false);
        if (facts->is_plain) lion_points_keep_open(view->root, trees[i]);
    }
    if (facts->is_plain && key != 0)
        lion_points_keep_open(view->root, lion_view_tree(view, LION_AVET, key, false));
    *facts_out = facts;
    return LION_OK;
}

lion_status lion_facts_get(lion_value *values_out, lion_facts *facts, int64_t entity,
                           lion_error *error)
{
    const lion_view *view = &facts->view;
    if (!facts->is_plain)
        return lion_view_row(values_out, view, entity, facts->attributes, facts->count,
                             facts->arena, error);
    lion_status status = LION_OK;
    for (uint32_t done = 0; done < facts->count && status == LION_OK;) {
        uint32_t left = facts->count - done;
        uint32_t take = left < LION_POINTS_ROW ? left : LION_POINTS_ROW;
        status = lion_view_row_of(values_out + done, view, entity, facts->attributes + done,
                                  facts->trees + done, take, facts->arena, error);
        done += take;
    }
    return status;
}

lion_status lion_facts_find(int64_t *id_out, lion_facts *facts, lion_value value, lion_error *error)
{
    if (facts->key == 0 || value.type != facts->key_type) return LION_ABSENT;
    return lion_view_find(id_out, NULL, &facts->view, facts->key, value, facts->arena, error);
}
