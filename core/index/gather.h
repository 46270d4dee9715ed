/* gather.h - the values of one attribute for many entities at once: what a query asks of a star, column by column.
 *
 * Entities that ascend and lie close together are cheapest: a leaf is found once for all of its entities, and stretches
 * of its columns are unpacked at once. What novelty says of the attribute is laid out beside, once it pays. */
#ifndef LION_INDEX_GATHER_H
#define LION_INDEX_GATHER_H

#include "index/cursor.h"

typedef struct lion_gather lion_gather;

/* Of an attribute of cardinality one. The view is plain or of another time (as of, since), without filters; it is copied,
 * what it borrows must outlive the gather, which lives in the arena. */
lion_status lion_gather_new(lion_gather **gather_out, const lion_view *view, uint32_t a, lion_type type, lion_arena *arena,
                            lion_error *error);

/* The same of another view: of what it was, its memory alone is left. */
void lion_gather_renew(lion_gather *gather, const lion_view *view);

/* Of entities e[row] for the `count` rows that `rows` lists (NULL: 0 … count - 1): rows_out lists those that have a
 * value, and v has it at the same row (v NULL: nobody wants it). v->type is set, its room is LION_BATCH_ROWS of what the type
 * needs. rows_out may be rows. v->dictionary is the gather's, until the next call. */
lion_status lion_gather_read(lion_gather *gather, const int64_t *e, const uint16_t *rows, uint32_t count, lion_vector *v,
                             uint16_t *rows_out, uint32_t *count_out, lion_error *error);

#endif
