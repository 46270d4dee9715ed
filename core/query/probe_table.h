/* probe_table.h - what an attribute has by key, read in the order of its keys: for look-ups so many that the index is not asked for
 * each. Keys lie in runs, each with its targets; where nobody wants these, only the keys are there.
 *
 * Whole numbers close together are places in a bitmap, which counts the runs before; other keys are found by their hash. Targets that
 * lie within 2^32 of each other take four bytes each. */
#ifndef LION_QUERY_PROBE_TABLE_H
#define LION_QUERY_PROBE_TABLE_H

#include "base/hash.h"
#include "query/run.h"

/* 64 places, and the runs before them. */
typedef struct lion_probe_places {
    uint64_t bits;
    uint64_t before;
} lion_probe_places;

typedef struct lion_probe_table {
    lion_arena *arena;
    uint8_t key_type, target_type;
    bool has_targets;
    uint64_t count, room;      /* runs */
    lion_vector keys;          /* bits or values; none where places tell */
    uint32_t *starts;          /* count + 1 */
    uint64_t target_count, target_room;
    lion_vector targets;       /* bits or values; or */
    uint32_t *near;            /* … what they are beyond target_base */
    int64_t target_base;
    lion_probe_places *places; /* by (key - base) / 64; NULL: by hash */
    int64_t base;
    uint64_t range;            /* of keys */
    uint32_t *slots;           /* open addressing: the run + 1, or 0 */
    uint64_t slot_mask;
} lion_probe_table;

/* The bytes of a datom at most, with a key of its own: while it is read, and then. */
size_t lion_probe_table_each(uint8_t key_type, uint8_t target_type, bool has_targets);

void lion_probe_table_init(lion_probe_table *table, lion_arena *arena, uint8_t key_type, uint8_t target_type, bool has_targets);
/* Datoms behind those that are there: of the rows `selection` (NULL: the first `count`). all_of_them: how many there are to be; 0: nobody
 * knows. lion/out-of-memory. */
lion_status lion_probe_table_add(lion_probe_table *table, const lion_vector *keys, const lion_vector *targets, const uint16_t *selection,
                                 uint32_t count, uint64_t all_of_them, lion_error *error);
/* All are there: keys can be found. lion/out-of-memory. */
lion_status lion_probe_table_index(lion_probe_table *table, lion_error *error);
/* No table any longer. */
void lion_probe_table_forget(lion_probe_table *table);

/* ---- made in parts, by several threads ---- */

/* Room for so many datoms, before any is there; false: out of memory. */
bool lion_probe_table_reserve(lion_probe_table *table, uint64_t datoms);
/* The table of a part that begins after so many datoms: it has its place in the whole, which has room. */
lion_probe_table lion_probe_table_part(const lion_probe_table *whole, uint64_t before);
/* The next part's runs behind those of the parts before: a key that both have goes on. */
void lion_probe_table_join(lion_probe_table *whole, const lion_probe_table *part);

/* ---- finding ---- */

/* The run + 1 of the key; 0: it has none. */
uint32_t lion_probe_table_hashed(const lion_probe_table *table, lion_value key);
static inline uint32_t lion_probe_table_find(const lion_probe_table *table, lion_value key)
{
    if (table->places == NULL) return lion_probe_table_hashed(table, key);
    uint64_t place = (uint64_t)key.bits - (uint64_t)table->base;
    if (place >= table->range) return 0;
    const lion_probe_places *at = &table->places[place / 64];
    uint64_t bits = at->bits << (63 - place % 64); /* the key's is the highest */
    return bits >> 63 == 0 ? 0 : (uint32_t)at->before + (uint32_t)__builtin_popcountll(bits);
}

/* `count` targets from there on, as bits or as values. */
void lion_probe_table_read(const lion_probe_table *table, uint32_t from, uint32_t count, void *out);

#endif
