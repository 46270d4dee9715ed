/* pointers.c - insertion and growth; reading is inline in the header. */
#include "store/pointers.h"

#include "base/assert.h"
#include "base/memory.h"

#define CAPACITY_FIRST 64

void lion_pointers_deinit(lion_pointers *pointers)
{
    lion_pointer_slots *table = pointers->current;
    while (table != NULL) {
        lion_pointer_slots *older = table->older;
        lion_free(table);
        table = older;
    }
    *pointers = (lion_pointers){ 0 };
}

static void place(lion_pointer_slots *table, uint64_t key, const void *address)
{
    size_t at = (size_t)lion_hash_u64(key) & table->mask;
    while (table->slots[at].key != 0) at = (at + 1) & table->mask;
    table->slots[at].address = address;
    __atomic_store_n(&table->slots[at].key, key, __ATOMIC_RELEASE);
}

static bool grow(lion_pointers *pointers)
{
    lion_pointer_slots *old = pointers->current;
    size_t capacity = old == NULL ? CAPACITY_FIRST : (old->mask + 1) * 2, size;
    if (!lion_size_mul(&size, capacity, sizeof(lion_pointer_slot))) return false;
    lion_pointer_slots *table = lion_zalloc(sizeof *table + size);
    if (table == NULL) return false;

    table->older = old;
    table->mask = capacity - 1;
    for (size_t i = 0; old != NULL && i <= old->mask; i++) {
        if (old->slots[i].key != 0) place(table, old->slots[i].key, old->slots[i].address);
    }
    __atomic_store_n(&pointers->current, table, __ATOMIC_RELEASE);
    return true;
}

bool lion_pointers_insert(lion_pointers *pointers, uint64_t key, const void *address)
{
    LION_ASSERT(key != 0);
    size_t capacity = pointers->current == NULL ? 0 : pointers->current->mask + 1;
    if ((pointers->count + 1) * 3 > capacity * 2 && !grow(pointers)) return false;
    place(pointers->current, key, address);
    pointers->count++;
    return true;
}
