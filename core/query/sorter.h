/* sorter.h - rows of forms in an order. They are sorted a run at a time as they come, and the runs are merged as rows are asked
 * for, so no step is long. Runs that the memory has no room for are merged into the run's temporary file. */
#ifndef LION_QUERY_SORTER_H
#define LION_QUERY_SORTER_H

#include "query/run.h"

#define LION_SORTER_RUN 4096 /* rows of a run in memory */

typedef struct lion_sorted_run lion_sorted_run;

typedef struct lion_sorter {
    lion_run *run;
    uint32_t stride;           /* forms of a row: first any, then one for each order */
    uint32_t key;              /* the first that is sorted by */
    const lion_sort_key *orders;
    uint32_t order_count;
    lion_form *rows;           /* of the run that is filled */
    uint32_t count, room;
    uint32_t run_rows;         /* at most of a run */
    lion_sorted_run *runs;     /* all others … */
    uint32_t run_count, memory_count, run_room; /* … those on file first, then those in memory */
    uint32_t *heap;            /* runs by their next row, while they are merged */
    uint32_t heap_count;
    bool is_merging;
} lion_sorter;

/* orders: of the last order_count forms of a row. No memory before the first row. */
void lion_sorter_init(lion_sorter *sorter, lion_run *run, uint32_t stride, const lion_sort_key *orders, uint32_t order_count);
/* < 0, 0, > 0 */
int lion_sorter_compare(const lion_sorter *sorter, const lion_form *a, const lion_form *b);
/* Rows side by side, in order. */
void lion_sorter_sort(const lion_sorter *sorter, lion_form *rows, size_t count);
lion_status lion_sorter_add(lion_sorter *sorter, const lion_form *row, lion_error *error);
/* LION_OK: the next row, valid until the next step; LION_END. Nothing is added after the first. */
lion_status lion_sorter_next(const lion_form **row_out, lion_sorter *sorter, lion_error *error);

#endif
