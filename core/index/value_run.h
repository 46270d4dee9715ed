/* value_run.h - the entities of one value after the other's, without a cursor: rows of an AVET leaf
 * that the root keeps open, without those that are gone, and then those that novelty or the past
 * has added. Private to index/ and query/.
 *
 * Entities of the tree ascend, and so do those that are added; both together may not. */
#ifndef LION_INDEX_VALUE_RUN_H
#define LION_INDEX_VALUE_RUN_H

#include "index/leaf.h"
#include "index/overlay.h"

typedef struct lion_value_run {
    const lion_view *view;
    uint32_t a;
    const lion_tree *tree; /* NULL: nothing of it is shown */
    lion_arena *arena;
    bool is_plain;
    bool is_tree_alone;          /* nothing else has the attribute */
    const lion_overlay *overlay; /* held until the arena's end; NULL: none is there yet */

    lion_leaf *leaf;
    uint32_t row, row_end;     /* of the leaf, those that are gone among them */
    uint32_t gone, gone_end;   /* of overlay->gone */
    uint32_t added, added_end; /* of overlay->added */
} lion_value_run;

/* Of an attribute with values in AVET; filters aside. The run borrows view and arena. */
void lion_value_run_init(lion_value_run *run, const lion_view *view, uint32_t a, lion_arena *arena);
/* Stand before the value's first entity. LION_ABSENT: it has none. LION_END: a cursor tells. */
lion_status lion_value_run_seek(lion_value_run *run, lion_value v, lion_error *error);
/* The next entities, `count` of those that are left. */
void lion_value_run_read(lion_value_run *run, uint32_t count, int64_t *e_out);
/* Whether those that are left ascend. Then: on to the first that is not below e. */
bool lion_value_run_ascends(const lion_value_run *run);
void lion_value_run_skip(lion_value_run *run, int64_t e);

static inline uint32_t lion_value_run_left(const lion_value_run *run)
{
    return run->row_end - run->row - (run->gone_end - run->gone) + (run->added_end - run->added);
}

#endif
