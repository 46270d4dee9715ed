/* relation.c - growing arrays of rows, open addressing for sets, chains for indexes. */
#include "query/relation.h"

#include "base/hash.h"

static uint32_t hash_values(const lion_value *values, uint32_t count)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < count; i++) hash = lion_hash_u64(hash ^ lion_value_hash(values[i]));
    return (uint32_t)(hash ^ hash >> 32);
}

static inline bool same_value(lion_value a, lion_value b)
{
    if (a.type == b.type && lion_type_is_scalar(a.type) && a.type != LION_TYPE_DOUBLE) return a.bits == b.bits;
    return lion_value_equal(a, b);
}

static bool same_row(const lion_value *a, const lion_value *b, uint32_t width)
{
    for (uint32_t i = 0; i < width; i++)
        if (!same_value(a[i], b[i])) return false;
    return true;
}

void lion_relation_init(lion_relation *relation, lion_arena *arena, uint32_t width)
{
    *relation = (lion_relation){ .arena = arena, .width = width };
}

void lion_relation_clear(lion_relation *relation)
{
    relation->count = 0;
    relation->clearings++;
    if (relation->slot_count > 0) memset(relation->slots, 0, relation->slot_count * sizeof(*relation->slots));
}

static void release_set(lion_relation *relation)
{
    lion_arena_release(relation->arena, relation->hashes, relation->slot_count / 2 * sizeof(*relation->hashes));
    lion_arena_release(relation->arena, relation->slots, relation->slot_count * sizeof(*relation->slots));
    relation->hashes = relation->slots = NULL;
    relation->slot_count = 0;
}

static void release_rows(lion_relation *relation)
{
    lion_arena_release(relation->arena, relation->rows, relation->capacity * sizeof(lion_value) * relation->width);
    relation->rows = NULL;
    relation->capacity = 0;
}

void lion_relation_forget(lion_relation *relation)
{
    if (lion_arena_is_large(relation->slot_count / 2 * sizeof(*relation->hashes))) release_set(relation);
    if (lion_arena_is_large(relation->capacity * sizeof(lion_value) * relation->width)) release_rows(relation);
    lion_relation_clear(relation);
}

void lion_relation_release(lion_relation *relation)
{
    release_set(relation);
    release_rows(relation);
    lion_relation_clear(relation);
}

/* Rows grow by half where they are many, so that less of them lies idle. */
#define ROWS_DOUBLED 1024

static size_t more_rows(size_t room)
{
    return room == 0 ? 64 : room < ROWS_DOUBLED ? room * 2 : room + room / 2;
}

static size_t rows_for(size_t room, size_t wanted)
{
    while (room < wanted) room = more_rows(room);
    return room;
}

/* What an array of so much room doubles to for `wanted`. */
static size_t doubled(size_t room, size_t least, size_t wanted)
{
    if (room == 0) room = least;
    while (room < wanted) room *= 2;
    return room;
}

size_t lion_relation_growth(const lion_relation *relation, size_t more, bool is_set)
{
    size_t wanted = relation->count + more, hashed = relation->slot_count / 2;
    size_t bytes = (rows_for(relation->capacity, wanted) - relation->capacity) * sizeof(lion_value) * relation->width;
    if (is_set && wanted > hashed) bytes += doubled(hashed, 64, wanted) * 2 * sizeof(uint32_t) + (doubled(hashed, 64, wanted) - hashed) * sizeof(uint32_t);
    return bytes;
}

void lion_relation_reserve(lion_relation *relation, size_t rows)
{
    if (rows <= relation->capacity) return;
    size_t size = sizeof(lion_value) * relation->width;
    lion_value *larger = lion_arena_grow(relation->arena, relation->rows, relation->capacity * size, rows * size);
    if (larger == NULL) return; /* the arena has latched it: the run's next check answers */
    relation->rows = larger;
    relation->capacity = rows;
}

void lion_relation_append(lion_relation *relation, const lion_value *row)
{
    if (relation->count == relation->capacity) lion_relation_reserve(relation, more_rows(relation->capacity));
    if (relation->count == relation->capacity) return;
    if (relation->width > 0)
        memcpy(relation->rows + relation->count * relation->width, row, sizeof(lion_value) * relation->width);
    relation->count++;
}

/* Twice the slots, the hashes of all rows beside them. The slots are made anew of these: old and new are never there at once. */
static bool grow_set(lion_relation *relation)
{
    size_t slot_count = relation->slot_count == 0 ? 128 : relation->slot_count * 2;
    uint32_t *hashes = lion_arena_grow(relation->arena, relation->hashes, relation->slot_count / 2 * sizeof(*hashes),
                                       slot_count / 2 * sizeof(*hashes));
    if (hashes == NULL || relation->arena->is_exhausted) return false;
    relation->hashes = hashes;
    lion_arena_release(relation->arena, relation->slots, relation->slot_count * sizeof(*relation->slots));
    relation->slot_count = 0;
    uint32_t *slots = lion_arena_zalloc(relation->arena, slot_count * sizeof(*slots));
    relation->slots = slots;
    if (slots == NULL || relation->arena->is_exhausted) return false;
    for (size_t row = 0; row < relation->count; row++) {
        size_t at = hashes[row] & (slot_count - 1);
        while (slots[at] != 0) at = (at + 1) & (slot_count - 1);
        slots[at] = (uint32_t)row + 1;
    }
    relation->slot_count = slot_count;
    return true;
}

static size_t probe(const lion_relation *relation, const lion_value *row, uint32_t hash)
{
    size_t at = hash & (relation->slot_count - 1);
    for (; relation->slots[at] != 0; at = (at + 1) & (relation->slot_count - 1)) {
        size_t found = relation->slots[at] - 1;
        if (relation->hashes[found] == hash && same_row(lion_relation_row(relation, found), row, relation->width)) break;
    }
    return at;
}

bool lion_relation_number(lion_relation *relation, const lion_value *row, size_t *row_out)
{
    if (relation->count >= LION_RELATION_ROWS_MAX) return false;
    if ((relation->slot_count == 0 || relation->count >= relation->slot_count / 2) && !grow_set(relation)) return false;
    uint32_t hash = hash_values(row, relation->width);
    size_t at = probe(relation, row, hash), count = relation->count;
    if (relation->slots[at] != 0) {
        *row_out = relation->slots[at] - 1;
        return true;
    }
    lion_relation_append(relation, row);
    if (relation->count == count) return false;
    relation->hashes[count] = hash;
    relation->slots[at] = (uint32_t)count + 1;
    *row_out = count;
    return true;
}

bool lion_relation_add(lion_relation *relation, const lion_value *row)
{
    size_t count = relation->count, number = 0;
    return lion_relation_number(relation, row, &number) && number == count;
}

bool lion_relation_has(const lion_relation *relation, const lion_value *row, size_t *row_out)
{
    if (relation->slot_count == 0) return false;
    uint32_t found = relation->slots[probe(relation, row, hash_values(row, relation->width))];
    if (found != 0 && row_out != NULL) *row_out = found - 1;
    return found != 0;
}

/* ---- indexes ---- */

#define INDEX_ROOM_MIN 64

void lion_row_index_init(lion_row_index *index, const lion_relation *relation, const uint32_t *key, uint32_t key_count)
{
    *index = (lion_row_index){ .relation = relation, .key_count = key_count, .clearings = relation->clearings };
    index->key = lion_arena_array(relation->arena, uint32_t, key_count + 1);
    if (key_count > 0) memcpy(index->key, key, key_count * sizeof(*key));
}

static uint32_t hash_row(const lion_row_index *index, size_t row)
{
    const lion_value *values = lion_relation_row(index->relation, row);
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < index->key_count; i++) hash = lion_hash_u64(hash ^ lion_value_hash(values[index->key[i]]));
    return (uint32_t)(hash ^ hash >> 32);
}

/* Two numbers and two places for each row that there is room for. */
size_t lion_row_index_size(size_t rows)
{
    return doubled(0, INDEX_ROOM_MIN, rows) * 4 * sizeof(uint32_t);
}

/* The places are made anew of the hashes: old and new are never there at once. */
static bool grow_index(lion_row_index *index, size_t count)
{
    lion_arena *arena = index->relation->arena;
    size_t room = doubled(index->room, INDEX_ROOM_MIN, count);
    if (room != index->room) {
        uint32_t *next = lion_arena_grow(arena, index->next, index->room * sizeof(*next), room * sizeof(*next));
        uint32_t *hashes = lion_arena_grow(arena, index->hashes, index->room * sizeof(*hashes), room * sizeof(*hashes));
        if (next == NULL || hashes == NULL) return false;
        lion_arena_release(arena, index->heads, index->head_count * sizeof(*index->heads));
        index->head_count = 0;
        uint32_t *heads = lion_arena_zalloc(arena, room * 2 * sizeof(*heads));
        if (heads == NULL) return false;
        index->next = next;
        index->hashes = hashes;
        index->heads = heads;
        index->room = room;
        index->head_count = room * 2;
        for (size_t row = 0; row < index->covered; row++) {
            uint32_t *head = &heads[hashes[row] & (index->head_count - 1)];
            next[row] = *head;
            *head = (uint32_t)row + 1;
        }
    }
    return true;
}

bool lion_row_index_reserve(lion_row_index *index)
{
    if (index->clearings != index->relation->clearings) {
        index->clearings = index->relation->clearings;
        index->covered = 0;
        if (index->head_count > 0) memset(index->heads, 0, index->head_count * sizeof(*index->heads));
    }
    return index->relation->count == index->covered || grow_index(index, index->relation->count);
}

void lion_row_index_hash(lion_row_index *index, size_t from, size_t to)
{
    for (size_t row = from; row < to; row++) index->hashes[row] = hash_row(index, row);
}

void lion_row_index_link(lion_row_index *index, size_t from, size_t to)
{
    for (size_t row = index->covered; row < index->relation->count; row++) {
        size_t place = index->hashes[row] & (index->head_count - 1);
        if (place < from || place >= to) continue;
        index->next[row] = index->heads[place];
        index->heads[place] = (uint32_t)row + 1;
    }
}

void lion_row_index_follow(lion_row_index *index)
{
    if (!lion_row_index_reserve(index)) return;
    lion_row_index_hash(index, index->covered, index->relation->count);
    lion_row_index_link(index, 0, index->head_count);
    index->covered = index->relation->count;
}

static size_t first_match(const lion_row_index *index, size_t found, uint32_t hash, const lion_value *key)
{
    for (; found != 0; found = index->next[found - 1]) {
        if (index->hashes[found - 1] != hash) continue;
        const lion_value *values = lion_relation_row(index->relation, found - 1);
        uint32_t i = 0;
        while (i < index->key_count && same_value(values[index->key[i]], key[i])) i++;
        if (i == index->key_count) return found;
    }
    return 0;
}

size_t lion_row_index_find(const lion_row_index *index, const lion_value *key)
{
    if (index->head_count == 0 || index->covered == 0) return 0;
    uint32_t hash = hash_values(key, index->key_count);
    return first_match(index, index->heads[hash & (index->head_count - 1)], hash, key);
}

size_t lion_row_index_next(const lion_row_index *index, size_t found, const lion_value *key)
{
    return first_match(index, index->next[found - 1], index->hashes[found - 1], key);
}
