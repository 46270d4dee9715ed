/* view_parts.h - shared by view.c, view_point.c and facts.c. */
#ifndef LION_INDEX_VIEW_PARTS_H
#define LION_INDEX_VIEW_PARTS_H

#include "index/cursor.h"

/* Today's facts and all of them, filters aside: current trees and novelty tell everything. */
bool lion_view_is_plain(const lion_view *view);

/* Nothing of the attribute was ever retracted: history is what stands. */
bool lion_view_is_without_past(const lion_view *view, uint32_t a);

/* lion_view_row of a plain view: up to LION_POINTS_ROW attributes, whose current AEVT trees (NULL:
 * none) are known. */
lion_status lion_view_row_of(lion_value *values_out, const lion_view *view, int64_t e,
                             const uint32_t *attributes, const lion_tree *const *trees,
                             uint32_t count, lion_arena *arena, lion_error *error);

#endif
