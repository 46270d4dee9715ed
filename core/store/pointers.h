/* pointers.h - a hash table from ids to addresses that any thread reads without a lock.
 * Insertions are serialised by the caller, each key once. Nothing is ever removed; the table goes
 * with its snapshot.
 *
 * A slot is published address first, key last (release), so whoever sees a key sees its address. A
 * table that has grown leaves the old slots in place for those who still read them: a reader of old slots
 * may miss a fresh entry, never see a wrong one, and then asks again under the lock.
 *
 * Private to store/. Key 0 marks a free slot and is not allowed. */
#ifndef LION_STORE_POINTERS_H
#define LION_STORE_POINTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

typedef struct lion_pointer_slot {
    uint64_t key; /* atomic */
    const void *address;
} lion_pointer_slot;

typedef struct lion_pointer_slots {
    struct lion_pointer_slots *older; /* outgrown, kept for readers */
    size_t mask;                      /* capacity - 1 */
    lion_pointer_slot slots[];
} lion_pointer_slots;

typedef struct lion_pointers {
    lion_pointer_slots *current; /* atomic; NULL: empty */
    size_t count;                /* the inserter's */
} lion_pointers;

void lion_pointers_deinit(lion_pointers *pointers);
/* false: out of memory. */
bool lion_pointers_insert(lion_pointers *pointers, uint64_t key, const void *address);

/* The address under `key`, NULL if there is none (yet). */
static inline const void *lion_pointers_find(const lion_pointers *pointers, uint64_t key)
{
    const lion_pointer_slots *table = __atomic_load_n(&pointers->current, __ATOMIC_ACQUIRE);
    if (table == NULL) return NULL;
    for (size_t at = (size_t)lion_hash_u64(key) & table->mask;; at = (at + 1) & table->mask) {
        uint64_t found = __atomic_load_n(&table->slots[at].key, __ATOMIC_ACQUIRE);
        if (found == key) return table->slots[at].address;
        if (found == 0) return NULL;
    }
}

#endif
