/* rule_spill.h - rows of a rule's table (rule_rows.h) that memory has no room for: sorted, in the run's temporary file.
 *
 * What comes is taken in by the rows in memory, and from time to time written to a part of `incoming`. At the end of a round these
 * are merged, and what `total` has is left out: so a row may come any number of times, and is new once. What is new is the
 * difference, which the next round is fed; it is part of the total then. */
#ifndef LION_QUERY_RULE_SPILL_H
#define LION_QUERY_RULE_SPILL_H

#include "query/rule_rows.h"
#include "query/sorted_rows.h"

typedef struct lion_rule_spilled {
    lion_run *run;
    uint32_t *order;           /* per column on file: which one of the rows it is; those that are joined by come first */
    uint32_t *place;           /* and the other way round */
    lion_sorted_parts total, incoming;
    lion_sorted_rows delta;    /* the difference */
    lion_sorted_cursor cursor; /* in the difference, while it is fed … */
    lion_output output;        /* … as batches */
} lion_rule_spilled;

/* The rows go on in the file from now on, joined by the columns `key`. */
lion_status lion_rule_spilled_new(lion_rule_rows *rows, lion_run *run, const uint32_t *key, uint32_t key_count, lion_error *error);
/* The rows in memory go to the file; their memory goes back. */
lion_status lion_rule_spilled_flush(lion_rule_rows *rows, lion_error *error);
/* The difference joins the total; what came becomes the difference. */
lion_status lion_rule_spilled_settle(lion_rule_rows *rows, lion_error *error);
/* Has anything come since? */
static inline bool lion_rule_spilled_has_come(const lion_rule_rows *rows)
{
    return rows->count > 0 || rows->spilled->incoming.count > 0;
}
/* Rows that are known. */
static inline uint64_t lion_rule_spilled_count(const lion_rule_rows *rows)
{
    return lion_sorted_parts_rows(&rows->spilled->total) + rows->spilled->delta.count;
}

/* The difference from its beginning … */
void lion_rule_spilled_rewind(const lion_rule_rows *rows);
/* … batch by batch, columns as the rows have them; LION_END. */
lion_status lion_rule_spilled_next(const lion_rule_rows *rows, lion_batch *batch_out, lion_error *error);

#endif
