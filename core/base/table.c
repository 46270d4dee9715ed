/* table.c - linear probing at a load of at most 3/4; removal shifts the run back, so there are no
 * tombstones and a table that lives long stays as fast as a new one. */
#include "base/table.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/memory.h"

#define CAPACITY_FIRST 16

static bool is_full(size_t count, size_t capacity)
{
    return (count + 1) * 4 > capacity * 3;
}

/* -- Keys of 64 bits -------------------------------------------------------------------------- */

void lion_table_init(lion_table *table)
{
    *table = (lion_table){ 0 };
}

void lion_table_deinit(lion_table *table)
{
    lion_free(table->slots);
    lion_free(table->used);
    *table = (lion_table){ 0 };
}

/* Where `key` is, or the free place where it would go. */
static size_t table_place(const lion_table *table, uint64_t key)
{
    size_t mask = table->capacity - 1;
    size_t place = (size_t)lion_hash_u64(key) & mask;
    while (table->used[place] && table->slots[2 * place] != key) place = (place + 1) & mask;
    return place;
}

bool lion_table_get(const lion_table *table, uint64_t key, uint64_t *value_out)
{
    if (table->count == 0) return false;
    size_t place = table_place(table, key);
    if (!table->used[place]) return false;
    if (value_out != NULL) *value_out = table->slots[2 * place + 1];
    return true;
}

static void table_set(lion_table *table, size_t place, uint64_t key, uint64_t value)
{
    table->slots[2 * place] = key;
    table->slots[2 * place + 1] = value;
    table->used[place] = 1;
}

static bool table_grow(lion_table *table)
{
    size_t capacity = table->capacity != 0 ? table->capacity * 2 : CAPACITY_FIRST;
    size_t size;
    if (!lion_size_mul(&size, capacity, 2 * sizeof(uint64_t))) return false;
    lion_table grown = { .slots = lion_alloc(size),
                         .used = lion_zalloc(capacity),
                         .count = table->count,
                         .capacity = capacity };
    if (grown.slots == NULL || grown.used == NULL) {
        lion_table_deinit(&grown);
        return false;
    }
    for (size_t i = 0; i < table->capacity; i++) {
        if (!table->used[i]) continue;
        uint64_t key = table->slots[2 * i];
        table_set(&grown, table_place(&grown, key), key, table->slots[2 * i + 1]);
    }
    lion_table_deinit(table);
    *table = grown;
    return true;
}

bool lion_table_put(lion_table *table, uint64_t key, uint64_t value)
{
    if (is_full(table->count, table->capacity)) {
        uint64_t ignored;
        bool is_update = lion_table_get(table, key, &ignored); /* needs no room */
        if (!is_update && !table_grow(table)) return false;
    }
    size_t place = table_place(table, key);
    table->count += !table->used[place];
    table_set(table, place, key, value);
    return true;
}

bool lion_table_remove(lion_table *table, uint64_t key)
{
    if (table->count == 0) return false;
    size_t hole = table_place(table, key);
    if (!table->used[hole]) return false;

    /* Move back each later member of the run that may stand in the hole: one whose home is not
     * between the hole and itself. */
    size_t mask = table->capacity - 1;
    for (size_t at = (hole + 1) & mask; table->used[at]; at = (at + 1) & mask) {
        size_t home = (size_t)lion_hash_u64(table->slots[2 * at]) & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        table_set(table, hole, table->slots[2 * at], table->slots[2 * at + 1]);
        hole = at;
    }
    table->used[hole] = 0;
    table->count--;
    return true;
}

bool lion_table_next(const lion_table *table, size_t *cursor, uint64_t *key_out,
                     uint64_t *value_out)
{
    for (size_t i = *cursor; i < table->capacity; i++) {
        if (!table->used[i]) continue;
        if (key_out != NULL) *key_out = table->slots[2 * i];
        if (value_out != NULL) *value_out = table->slots[2 * i + 1];
        *cursor = i + 1;
        return true;
    }
    *cursor = table->capacity;
    return false;
}

/* -- Names ------------------------------------------------------------------------------------ */

typedef struct named {
    uint8_t *bytes; /* owned; NULL: the place is free */
    size_t size;
    uint64_t hash;
    uint64_t value;
} named;

struct lion_names {
    named *places;
    size_t count, capacity;
};

lion_names *lion_names_new(void)
{
    return lion_zalloc(sizeof(lion_names));
}

void lion_names_free(lion_names *names)
{
    if (names == NULL) return;
    for (size_t i = 0; i < names->capacity; i++) lion_free(names->places[i].bytes);
    lion_free(names->places);
    lion_free(names);
}

static size_t names_place(const lion_names *names, lion_slice name, uint64_t hash)
{
    size_t mask = names->capacity - 1;
    size_t place = (size_t)hash & mask;
    for (;; place = (place + 1) & mask) {
        const named *found = &names->places[place];
        if (found->bytes == NULL) return place;
        if (found->hash == hash && lion_slice_equal(name, lion_slice_of(found->bytes, found->size)))
            return place;
    }
}

static named *names_find(const lion_names *names, lion_slice name)
{
    if (names->count == 0) return NULL;
    named *found = &names->places[names_place(names, name, lion_hash(name.data, name.size))];
    return found->bytes != NULL ? found : NULL;
}

bool lion_names_get(const lion_names *names, lion_slice name, uint64_t *value_out)
{
    const named *found = names_find(names, name);
    if (found == NULL) return false;
    if (value_out != NULL) *value_out = found->value;
    return true;
}

static bool names_grow(lion_names *names)
{
    lion_names grown = { .count = names->count };
    grown.capacity = names->capacity != 0 ? names->capacity * 2 : CAPACITY_FIRST;
    size_t size;
    if (!lion_size_mul(&size, grown.capacity, sizeof(named))) return false;
    grown.places = lion_zalloc(size);
    if (grown.places == NULL) return false;
    for (size_t i = 0; i < names->capacity; i++) {
        const named *old = &names->places[i];
        if (old->bytes == NULL) continue;
        grown.places[names_place(&grown, lion_slice_of(old->bytes, old->size), old->hash)] = *old;
    }
    lion_free(names->places);
    *names = grown;
    return true;
}

bool lion_names_put(lion_names *names, lion_slice name, uint64_t value)
{
    named *found = names_find(names, name);
    if (found != NULL) {
        found->value = value;
        return true;
    }
    if (is_full(names->count, names->capacity) && !names_grow(names)) return false;
    uint8_t *bytes = lion_alloc(name.size);
    if (bytes == NULL) return false;
    if (name.size != 0) memcpy(bytes, name.data, name.size);

    uint64_t hash = lion_hash(name.data, name.size);
    named *place = &names->places[names_place(names, name, hash)];
    *place = (named){ .bytes = bytes, .size = name.size, .hash = hash, .value = value };
    names->count++;
    return true;
}

bool lion_names_remove(lion_names *names, lion_slice name)
{
    named *found = names_find(names, name);
    if (found == NULL) return false;

    lion_free(found->bytes);
    size_t mask = names->capacity - 1;
    size_t hole = (size_t)(found - names->places);
    for (size_t at = (hole + 1) & mask; names->places[at].bytes != NULL; at = (at + 1) & mask) {
        size_t home = (size_t)names->places[at].hash & mask;
        if (((at - home) & mask) < ((at - hole) & mask)) continue;
        names->places[hole] = names->places[at];
        hole = at;
    }
    names->places[hole] = (named){ 0 };
    names->count--;
    return true;
}

size_t lion_names_count(const lion_names *names)
{
    return names->count;
}

bool lion_names_next(const lion_names *names, size_t *cursor, lion_slice *name_out,
                     uint64_t *value_out)
{
    for (size_t i = *cursor; i < names->capacity; i++) {
        const named *found = &names->places[i];
        if (found->bytes == NULL) continue;
        if (name_out != NULL) *name_out = lion_slice_of(found->bytes, found->size);
        if (value_out != NULL) *value_out = found->value;
        *cursor = i + 1;
        return true;
    }
    *cursor = names->capacity;
    return false;
}
