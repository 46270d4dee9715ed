/* view_parts.h - shared by view.c and view_point.c. */
#ifndef LION_INDEX_VIEW_PARTS_H
#define LION_INDEX_VIEW_PARTS_H

#include "index/cursor.h"

/* Today's facts and all of them, filters aside: current trees and novelty tell everything. */
bool lion_view_is_plain(const lion_view *view);

#endif
