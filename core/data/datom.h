/* datom.h - the orders of facts, and the ids of schema. What a datom is, ids and orders: lion.h. */
#ifndef LION_DATA_DATOM_H
#define LION_DATA_DATOM_H

#include "data/value.h"

#define LION_ATTRIBUTE_ID_MAX ((1 << 20) - 1) /* schema entities: partition db, below 2^20 */

_Static_assert(sizeof(lion_datom) == 40, "a datom is five words");

/* Full order of one index, tx descending last. */
int lion_datom_compare(lion_index index, const lion_datom *a, const lion_datom *b);
/* The same without tx: 0 means the same fact. */
int lion_datom_compare_fact(lion_index index, const lion_datom *a, const lion_datom *b);
/* In place; not stable (the order is total up to duplicates). */
void lion_datoms_sort(lion_index index, lion_datom *datoms, size_t count);

#endif
