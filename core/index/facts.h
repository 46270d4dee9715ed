/* facts.h - single facts of one view, asked over and over: what lion_facts of lion.h is. */
#ifndef LION_INDEX_FACTS_H
#define LION_INDEX_FACTS_H

#include "index/cursor.h"

/* key: an attribute with an AVET tree and its type, or 0. The view is copied, what it borrows must outlive the
 * facts, which live in the arena. */
lion_status lion_facts_new(lion_facts **facts_out, const lion_view *view, uint32_t key,
                           lion_type key_type, const uint32_t *attributes, uint32_t count,
                           lion_arena *arena, lion_error *error);

#endif
