/* probe_table.c - runs that are filled in the order of their keys, and how keys are found. */
#include "query/probe_table.h"

#define ROOM_MIN 256
#define PLACES_PART 32  /* keys are places when they spread at most so many times wider than there are keys: half a byte each place's */
#define KEY_BYTES 36    /* of a datom that has a key of its own: the key and where its run starts, by half more; what finds it */
#define WORD 64

static inline size_t size_of(uint8_t type)
{
    return lion_type_is_scalar((lion_type)type) ? sizeof(int64_t) : sizeof(lion_value);
}

static bool is_whole(uint8_t type)
{
    return lion_type_is_scalar((lion_type)type) && type != LION_TYPE_DOUBLE;
}

size_t lion_probe_table_each(uint8_t key_type, uint8_t target_type, bool has_targets)
{
    size_t key = KEY_BYTES + size_of(key_type) - sizeof(int64_t);
    return has_targets ? key + size_of(target_type) : key;
}

void lion_probe_table_init(lion_probe_table *table, lion_arena *arena, uint8_t key_type, uint8_t target_type, bool has_targets)
{
    *table = (lion_probe_table){ .arena = arena, .key_type = key_type, .target_type = target_type, .has_targets = has_targets };
    table->keys.type = key_type;
    table->targets.type = target_type;
}

void lion_probe_table_forget(lion_probe_table *table)
{
    lion_arena *arena = table->arena;
    if (arena == NULL) return;
    if (table->keys.bits != NULL) lion_arena_release(arena, table->keys.bits, table->room * size_of(table->key_type));
    if (table->starts != NULL) lion_arena_release(arena, table->starts, (table->room + 1) * sizeof(*table->starts));
    if (table->near != NULL) lion_arena_release(arena, table->near, table->target_room * sizeof(*table->near));
    if (table->targets.bits != NULL) lion_arena_release(arena, table->targets.bits, table->target_room * size_of(table->target_type));
    if (table->places != NULL) lion_arena_release(arena, table->places, (table->range / WORD + 1) * sizeof(*table->places));
    if (table->slots != NULL) lion_arena_release(arena, table->slots, (table->slot_mask + 1) * sizeof(*table->slots));
    lion_probe_table_init(table, arena, table->key_type, table->target_type, table->has_targets);
}

/* ---- room ---- */

/* By half, so that little of them lies idle. */
static uint64_t larger(uint64_t room, uint64_t least, uint64_t wanted)
{
    if (room < least) room = least;
    if (room < ROOM_MIN) room = ROOM_MIN;
    while (room < wanted) room += room / 2;
    return room;
}

static bool grow_runs(lion_probe_table *all, uint64_t more)
{
    if (all->count + more <= all->room) return true;
    uint64_t room = larger(all->room, 0, all->count + more);
    size_t size = size_of(all->key_type);
    all->keys.bits = lion_arena_grow(all->arena, all->keys.bits, all->room * size, room * size);
    all->starts = lion_arena_grow(all->arena, all->starts, all->room == 0 ? 0 : (all->room + 1) * sizeof(*all->starts), (room + 1) * sizeof(*all->starts));
    all->room = room;
    return all->keys.bits != NULL && all->starts != NULL && !all->arena->is_exhausted;
}

/* Near ones, or wide. */
static bool grow_targets(lion_probe_table *all, bool is_near, uint64_t more, uint64_t all_of_them)
{
    if (all->target_count + more <= all->target_room) return true;
    uint64_t room = larger(all->target_room, all_of_them, all->target_count + more);
    size_t size = is_near ? sizeof(*all->near) : size_of(all->target_type);
    void *old = is_near ? (void *)all->near : (void *)all->targets.bits;
    void *grown = lion_arena_grow(all->arena, old, all->target_room * size, room * size);
    if (is_near) all->near = grown;
    else all->targets.bits = grown;
    all->target_room = room;
    return grown != NULL && !all->arena->is_exhausted;
}

/* One lies too far away: from now on each has eight bytes. */
static bool widen_targets(lion_probe_table *all)
{
    uint32_t *near = all->near;
    int64_t *bits = lion_arena_array(all->arena, int64_t, all->target_room);
    if (bits == NULL || all->arena->is_exhausted) return false;
    for (uint64_t i = 0; i < all->target_count; i++) bits[i] = (int64_t)((uint64_t)all->target_base + near[i]);
    lion_arena_release(all->arena, near, all->target_room * sizeof(*near));
    all->near = NULL;
    all->targets.bits = bits;
    return true;
}

bool lion_probe_table_reserve(lion_probe_table *table, uint64_t datoms)
{
    return grow_runs(table, datoms) && (!table->has_targets || grow_targets(table, false, datoms, datoms));
}

/* ---- filling ---- */

static inline lion_value key_at(const lion_probe_table *all, uint64_t at)
{
    return lion_vector_get(&all->keys, at);
}

static inline uint32_t row_at(const uint16_t *selection, uint32_t i)
{
    return selection != NULL ? selection[i] : i;
}

/* Keys that are whole numbers, of which those that are new begin runs: no branch tells. */
static inline void add_whole_keys(lion_probe_table *all, const int64_t *bits, const uint16_t *selection, uint32_t count)
{
    uint64_t at = all->count;
    int64_t last = at > 0 ? all->keys.bits[at - 1] : ~bits[row_at(selection, 0)];
    for (uint32_t i = 0; i < count; i++) {
        int64_t key = bits[row_at(selection, i)];
        all->keys.bits[at] = key;
        all->starts[at] = (uint32_t)(all->target_count + i);
        at += key != last;
        last = key;
    }
    all->count = at;
}

static void add_keys(lion_probe_table *all, const lion_vector *keys, const uint16_t *selection, uint32_t count)
{
    bool is_bits = lion_type_is_scalar((lion_type)all->key_type);
    for (uint32_t i = 0; i < count; i++) {
        lion_value key = lion_vector_get(keys, row_at(selection, i));
        if (all->count > 0 && lion_value_equal(key_at(all, all->count - 1), key)) continue;
        if (is_bits) all->keys.bits[all->count] = key.bits;
        else all->keys.values[all->count] = key;
        all->starts[all->count++] = (uint32_t)(all->target_count + i);
    }
}

/* false: one lies too far away. */
static inline bool put_near(lion_probe_table *all, const int64_t *bits, const uint16_t *selection, uint32_t count)
{
    uint32_t *to = all->near + all->target_count;
    uint64_t base = (uint64_t)all->target_base, far = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t beyond = (uint64_t)bits[row_at(selection, i)] - base;
        to[i] = (uint32_t)beyond;
        far |= beyond >> 32;
    }
    return far == 0;
}

static void put_wide(lion_probe_table *all, const lion_vector *targets, const uint16_t *selection, uint32_t count)
{
    size_t size = size_of(all->target_type);
    if (selection == NULL) {
        memcpy((uint8_t *)all->targets.bits + all->target_count * size, targets->bits, count * size);
        return;
    }
    if (size == sizeof(int64_t))
        for (uint32_t i = 0; i < count; i++) all->targets.bits[all->target_count + i] = targets->bits[selection[i]];
    else
        for (uint32_t i = 0; i < count; i++) all->targets.values[all->target_count + i] = targets->values[selection[i]];
}

/* Behind those that are there. The first one lies in the middle of what is near; a part of a whole is wide from its beginning. */
static bool add_targets(lion_probe_table *all, const lion_vector *targets, const uint16_t *selection, uint32_t count, uint64_t all_of_them)
{
    bool is_first = all->target_count == 0 && all->targets.bits == NULL;
    bool is_near = all->near != NULL || (is_first && is_whole(all->target_type));
    if (!grow_targets(all, is_near, count, all_of_them)) return false;
    if (is_first && is_near) all->target_base = (int64_t)((uint64_t)targets->bits[row_at(selection, 0)] - (UINT64_C(1) << 31));
    if (is_near && selection == NULL && put_near(all, targets->bits, NULL, count)) return true;
    if (is_near && selection != NULL && put_near(all, targets->bits, selection, count)) return true;
    if (is_near && !widen_targets(all)) return false;
    put_wide(all, targets, selection, count);
    return true;
}

lion_status lion_probe_table_add(lion_probe_table *table, const lion_vector *keys, const lion_vector *targets, const uint16_t *selection,
                                 uint32_t count, uint64_t all_of_them, lion_error *error)
{
    if (count == 0) return LION_OK;
    if (!grow_runs(table, count)) return lion_fail_memory(error);
    if (!is_whole(keys->type)) add_keys(table, keys, selection, count);
    else if (selection == NULL) add_whole_keys(table, keys->bits, NULL, count);
    else add_whole_keys(table, keys->bits, selection, count);
    if (table->has_targets && !add_targets(table, targets, selection, count, all_of_them)) return lion_fail_memory(error);
    table->target_count += count;
    return LION_OK;
}

/* ---- parts ---- */

static inline void *column_at(const lion_vector *column, uint64_t at)
{
    return (uint8_t *)column->bits + at * size_of(column->type);
}

lion_probe_table lion_probe_table_part(const lion_probe_table *whole, uint64_t before)
{
    lion_probe_table part;
    lion_probe_table_init(&part, whole->arena, whole->key_type, whole->target_type, whole->has_targets);
    part.keys.bits = column_at(&whole->keys, before);
    part.starts = whole->starts + before;
    part.room = whole->room - before;
    part.target_room = whole->target_room - before;
    if (whole->has_targets) part.targets.bits = column_at(&whole->targets, before);
    return part;
}

void lion_probe_table_join(lion_probe_table *whole, const lion_probe_table *part)
{
    bool goes_on = whole->count > 0 && part->count > 0 && lion_value_equal(key_at(whole, whole->count - 1), key_at(part, 0));
    uint64_t first = goes_on ? 1 : 0, count = part->count - first;
    memmove(column_at(&whole->keys, whole->count), column_at(&part->keys, first), count * size_of(whole->key_type));
    for (uint64_t i = 0; i < count; i++) whole->starts[whole->count + i] = part->starts[first + i] + (uint32_t)whole->target_count;
    whole->count += count;
    whole->target_count += part->target_count;
}

/* ---- finding keys ---- */

static bool index_by_place(lion_probe_table *all)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (uint64_t i = 0; i < all->count; i++) {
        least = all->keys.bits[i] < least ? all->keys.bits[i] : least;
        most = all->keys.bits[i] > most ? all->keys.bits[i] : most;
    }
    uint64_t range = (uint64_t)most - (uint64_t)least;
    if (range / PLACES_PART > all->count + WORD) return false;
    lion_probe_places *places = lion_arena_zalloc(all->arena, (range / WORD + 1) * sizeof(*places));
    if (places == NULL || all->arena->is_exhausted) return false;
    for (uint64_t i = 0; i < all->count; i++) {
        uint64_t place = (uint64_t)all->keys.bits[i] - (uint64_t)least;
        places[place / WORD].bits |= UINT64_C(1) << (place % WORD);
    }
    for (uint64_t i = 1; i <= range / WORD; i++) places[i].before = places[i - 1].before + (uint64_t)__builtin_popcountll(places[i - 1].bits);
    lion_arena_release(all->arena, all->keys.bits, all->room * sizeof(*all->keys.bits));
    all->keys.bits = NULL;
    all->base = least;
    all->range = range + 1;
    all->places = places;
    return true;
}

/* Equal keys have equal bits: one zero, one NaN. */
static inline int64_t key_bits(lion_value key)
{
    if (key.type != LION_TYPE_DOUBLE) return key.bits;
    if (key.number != key.number) return INT64_MIN + 1;
    return key.number == 0 ? 0 : key.bits;
}

static inline uint64_t hash_key(uint8_t type, lion_value key)
{
    return lion_type_is_scalar((lion_type)type) ? lion_hash_u64((uint64_t)key_bits(key)) : lion_value_hash(key);
}

static inline bool is_equal_key(uint8_t type, lion_value a, lion_value b)
{
    if (lion_type_is_scalar((lion_type)type)) return key_bits(a) == key_bits(b);
    return lion_value_equal(a, b);
}

static bool index_by_hash(lion_probe_table *all)
{
    uint64_t slots = 64;
    while (slots < all->count * 2) slots *= 2;
    all->slots = lion_arena_zalloc(all->arena, sizeof(*all->slots) * slots);
    if (all->slots == NULL || all->arena->is_exhausted) return false;
    all->slot_mask = slots - 1;
    for (uint64_t i = 0; i < all->count; i++) {
        uint64_t at = hash_key(all->key_type, key_at(all, i)) & all->slot_mask;
        while (all->slots[at] != 0) at = (at + 1) & all->slot_mask;
        all->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

lion_status lion_probe_table_index(lion_probe_table *table, lion_error *error)
{
    if (!grow_runs(table, 1)) return lion_fail_memory(error);
    table->starts[table->count] = (uint32_t)table->target_count;
    if (table->count == 0 || (is_whole(table->key_type) && index_by_place(table))) return LION_OK;
    return index_by_hash(table) ? LION_OK : lion_fail_memory(error);
}

uint32_t lion_probe_table_hashed(const lion_probe_table *table, lion_value key)
{
    if (table->slots == NULL) return 0;
    uint64_t at = hash_key(table->key_type, key) & table->slot_mask;
    while (table->slots[at] != 0 && !is_equal_key(table->key_type, key_at(table, table->slots[at] - 1), key)) at = (at + 1) & table->slot_mask;
    return table->slots[at];
}

void lion_probe_table_read(const lion_probe_table *table, uint32_t from, uint32_t count, void *out)
{
    if (table->near != NULL) {
        for (uint32_t k = 0; k < count; k++) ((int64_t *)out)[k] = (int64_t)((uint64_t)table->target_base + table->near[from + k]);
        return;
    }
    size_t size = size_of(table->target_type);
    memcpy(out, (const uint8_t *)table->targets.bits + from * size, count * size);
}
