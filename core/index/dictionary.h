/* dictionary.h - the distinct values of a leaf's column, laid out once for all of its batches: rows
 * are copied from there, with their codes, and vectors name it (lion_vector).
 *
 * It belongs to who reads the leaf, in whose arena it is, and has one column at a time. */
#ifndef LION_INDEX_DICTIONARY_H
#define LION_INDEX_DICTIONARY_H

#include "index/column.h"

typedef struct lion_column_dictionary {
    lion_dictionary values; /* count 0: none */
    lion_value *room;       /* those values */
    uint32_t capacity;
} lion_column_dictionary;

/* Of a column, so many rows of which are about to be read. Large values are resolved. LION_ABSENT:
 * it has no codes, or too many values to be worth it; then there is none. */
lion_status lion_column_dictionary_make(lion_column_dictionary *dictionary,
                                        const lion_column *column, uint32_t rows,
                                        lion_snapshot *snapshot, lion_arena *arena,
                                        lion_error *error);

/* The column's rows from `from` on, up to LION_BATCH_ROWS. false: the bytes make no sense. */
bool lion_column_dictionary_read(const lion_column_dictionary *dictionary,
                                 const lion_column *column, size_t from, uint32_t count,
                                 lion_value *values);

#endif
