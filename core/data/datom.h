/* datom.h - facts, ids, and the orders of the indexes.
 *
 *   id = partition << 42 | counter      partitions: db 0, tx 3, user 4, named ones from 8 to 2047
 *   tx = 3 << 42 | t                    so ids stay below 2^53
 *
 * Orders (tx descending inside equal e,a,v: the newest first; an assertion and a retraction of the
 * same fact never share a tx):
 *
 *   EAVT e a v tx     AEVT a e v tx     AVET a v e tx     VAET v a e tx */
#ifndef LION_DATA_DATOM_H
#define LION_DATA_DATOM_H

#include "data/value.h"

#define LION_COUNTER_BITS 42
#define LION_PARTITION_DB 0
#define LION_PARTITION_TX 3
#define LION_PARTITION_USER 4
#define LION_PARTITION_NAMED 8
#define LION_PARTITION_MAX 2047
#define LION_ID_MAX ((INT64_C(2048) << LION_COUNTER_BITS) - 1)
#define LION_ATTRIBUTE_ID_MAX ((1 << 20) - 1) /* schema entities: partition db, below 2^20 */

static inline int64_t lion_id_make(int64_t partition, int64_t counter)
{
    return partition << LION_COUNTER_BITS | counter;
}
static inline int64_t lion_id_partition(int64_t id) { return id >> LION_COUNTER_BITS; }
static inline int64_t lion_id_counter(int64_t id)
{
    return id & ((INT64_C(1) << LION_COUNTER_BITS) - 1);
}
static inline int64_t lion_t_to_tx(int64_t t) { return lion_id_make(LION_PARTITION_TX, t); }
static inline int64_t lion_tx_to_t(int64_t tx) { return lion_id_counter(tx); }

typedef struct lion_datom {
    int64_t e;
    lion_value v;
    int64_t tx;
    uint32_t a; /* the attribute's entity id */
    bool added;
    uint8_t zero[3];
} lion_datom;

_Static_assert(sizeof(lion_datom) == 40, "a datom is five words");

typedef enum lion_index { LION_EAVT = 0, LION_AEVT = 1, LION_AVET = 2, LION_VAET = 3 } lion_index;

/* Full order of one index, tx descending last. */
int lion_datom_compare(lion_index index, const lion_datom *a, const lion_datom *b);
/* The same without tx: 0 means the same fact. */
int lion_datom_compare_fact(lion_index index, const lion_datom *a, const lion_datom *b);
/* In place; not stable (the order is total up to duplicates). */
void lion_datoms_sort(lion_index index, lion_datom *datoms, size_t count);

#endif
