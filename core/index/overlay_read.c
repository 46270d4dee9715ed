/* overlay_read.c - what an overlay says of entities that follow each other: its lists are searched
 * for the first and the last of them, and what lies between is done without a look at the others.
 */
#include "index/overlay.h"

uint32_t lion_overlay_silence(const lion_overlay *overlay, int64_t e, uint32_t count)
{
    const lion_rows *lists[2] = { &overlay->added, &overlay->gone };
    for (int i = 0; i < 2; i++) {
        uint32_t next = lion_rows_from(lists[i], 0, lists[i]->count, e);
        if (next == lists[i]->count) continue;
        uint64_t before = (uint64_t)lists[i]->e[next] - (uint64_t)e;
        if (before < count) count = (uint32_t)before;
    }
    return count;
}

void lion_overlay_patch(const lion_overlay *overlay, int64_t e, uint32_t count, lion_vector *v,
                        uint32_t row, int64_t *tx)
{
    const lion_rows *patches = &overlay->patches;
    if (patches->count == 0) return;
    uint32_t from = lion_rows_from(patches, 0, patches->count, e);
    uint32_t to = lion_rows_from(patches, from, patches->count, e + count);
    for (uint32_t i = from; i < to && tx != NULL; i++) tx[patches->e[i] - e] = patches->tx[i];
    if (v == NULL || v->bits == NULL) return;
    if (lion_type_is_scalar((lion_type)v->type)) {
        int64_t *bits = v->bits + row;
        for (uint32_t i = from; i < to; i++) bits[patches->e[i] - e] = patches->v.bits[i];
        return;
    }
    lion_value *values = v->values + row;
    for (uint32_t i = from; i < to; i++) values[patches->e[i] - e] = patches->v.values[i];
}
