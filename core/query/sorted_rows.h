/* sorted_rows.h - rows of values, each once, in the order of their columns: to be read from any row on, to be searched by the
 * values of columns, and to be merged.
 *
 * They are written once. Few rest in memory, more lie in pages of the run's temporary file, of which the first rows are kept
 * in memory: a search reads one page. What values point to stays where it is, as long as the run. */
#ifndef LION_QUERY_SORTED_ROWS_H
#define LION_QUERY_SORTED_ROWS_H

#include "query/run.h"

typedef struct lion_sorted_rows {
    lion_run *run;
    uint32_t width;
    uint32_t page_rows;        /* rows of a page */
    uint32_t memory_rows;      /* so many may rest in memory */
    uint64_t count;
    lion_value *rows;          /* all, or those of the page that is being written */
    uint32_t room;             /* of rows */
    uint32_t *pages;           /* blocks of the file */
    lion_value *fences;        /* the first row of each */
    uint32_t page_count, page_room;
} lion_sorted_rows;

/* No memory before the first row. */
void lion_sorted_rows_init(lion_sorted_rows *rows, lion_run *run, uint32_t width);
/* The row comes after all that are there. */
lion_status lion_sorted_rows_add(lion_sorted_rows *rows, const lion_value *row, lion_error *error);
/* All rows are there. */
lion_status lion_sorted_rows_end(lion_sorted_rows *rows, lion_error *error);
/* Memory and pages go back; it is empty. */
void lion_sorted_rows_free(lion_sorted_rows *rows);
/* < 0, 0, > 0 */
int lion_sorted_rows_compare(const lion_value *a, const lion_value *b, uint32_t width);

/* Which values of a row are compared with those of a key: in the order of the columns, so that rows ascend by key. */
typedef struct lion_sorted_key {
    uint32_t count;
    const uint32_t *columns;   /* LION_SLOT_NONE: a constant, every row has it; NULL: the first ones */
    const lion_value *constants;
} lion_sorted_key;

static inline lion_value lion_sorted_key_get(const lion_sorted_key *key, const lion_value *row, uint32_t at)
{
    if (key->columns == NULL) return row[at];
    return key->columns[at] == LION_SLOT_NONE ? key->constants[at] : row[key->columns[at]];
}
/* < 0, 0, > 0: the row's key against the values. */
int lion_sorted_key_compare(const lion_sorted_key *key, const lion_value *row, const lion_value *values);

/* A place in sorted rows that have ended, which it borrows. */
typedef struct lion_sorted_cursor {
    const lion_sorted_rows *rows;
    uint64_t at;
    const lion_value *row;     /* of that number, until the cursor moves; NULL: there is none, or it has not been looked at */
    lion_value *page;          /* what was read last … */
    uint32_t page_number;      /* … or LION_SLOT_NONE */
} lion_sorted_cursor;

/* Before the first row. To be closed, unless the run ends. */
void lion_sorted_cursor_open(lion_sorted_cursor *cursor, const lion_sorted_rows *rows);
/* On the row of that number. */
lion_status lion_sorted_cursor_to(lion_sorted_cursor *cursor, uint64_t number, lion_error *error);
/* On the first row, from number `from` on, whose key is not less than the values. */
lion_status lion_sorted_cursor_seek(lion_sorted_cursor *cursor, uint64_t from, const lion_sorted_key *key, const lion_value *values,
                                    lion_error *error);
void lion_sorted_cursor_close(lion_sorted_cursor *cursor);

/* Several of them, which share no rows or will be merged. */
#define LION_SORTED_PARTS_MAX 12
typedef struct lion_sorted_parts {
    lion_sorted_rows items[LION_SORTED_PARTS_MAX + 1];
    uint32_t count;
} lion_sorted_parts;

/* The rows of all parts, each once, without those that `minus` has; the parts are empty then. NULL: without nothing. */
lion_status lion_sorted_parts_merge(lion_sorted_rows *out, lion_sorted_parts *parts, const lion_sorted_parts *minus, lion_error *error);
/* One more part. Of more than count_max, the last ones are merged, so that few rows are written often. */
lion_status lion_sorted_parts_add_take(lion_sorted_parts *parts, lion_sorted_rows *rows, uint32_t count_max, lion_error *error);
uint64_t lion_sorted_parts_rows(const lion_sorted_parts *parts);
void lion_sorted_parts_free(lion_sorted_parts *parts);

#endif
