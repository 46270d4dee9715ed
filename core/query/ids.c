/* ids.c - open addressing over numbers; the ids themselves lie in the order they came. */
#include "query/ids.h"

#include <string.h>

#include "base/hash.h"

#define ROOM_FIRST 64

void lion_ids_init(lion_ids *ids, lion_arena *arena)
{
    *ids = (lion_ids){ .arena = arena };
}

void lion_ids_clear(lion_ids *ids)
{
    ids->count = 0;
    if (ids->slot_count > 0) memset(ids->slots, 0, ids->slot_count * sizeof(*ids->slots));
}

static size_t slot_of(const lion_ids *ids, int64_t id)
{
    size_t at = lion_hash_u64((uint64_t)id) & (ids->slot_count - 1);
    while (ids->slots[at] != 0 && ids->items[ids->slots[at] - 1] != id) at = (at + 1) & (ids->slot_count - 1);
    return at;
}

static bool make_room(lion_ids *ids, uint32_t room)
{
    size_t slot_count = 2;
    while (slot_count < 2 * (size_t)room) slot_count *= 2;
    int64_t *items = lion_arena_grow(ids->arena, ids->items, ids->room * sizeof(*items), room * sizeof(*items));
    uint32_t *slots = lion_arena_zalloc(ids->arena, slot_count * sizeof(*slots));
    if (items == NULL || slots == NULL || ids->arena->is_exhausted) return false;
    lion_arena_release(ids->arena, ids->slots, ids->slot_count * sizeof(*ids->slots));
    ids->items = items;
    ids->slots = slots;
    ids->slot_count = slot_count;
    ids->room = room;
    for (uint32_t i = 0; i < ids->count; i++) ids->slots[slot_of(ids, ids->items[i])] = i + 1;
    return true;
}

bool lion_ids_reserve(lion_ids *ids, uint32_t count)
{
    return count <= ids->room || make_room(ids, count);
}

static bool grow(lion_ids *ids)
{
    return make_room(ids, ids->room == 0 ? ROOM_FIRST : ids->room * 2);
}

bool lion_ids_add(lion_ids *ids, int64_t id)
{
    if (ids->count == ids->room && (ids->room > UINT32_MAX / 4 || !grow(ids))) return false;
    size_t at = slot_of(ids, id);
    if (ids->slots[at] != 0) return false;
    ids->items[ids->count++] = id;
    ids->slots[at] = ids->count;
    return true;
}

uint32_t lion_ids_find(const lion_ids *ids, int64_t id)
{
    if (ids->slot_count == 0) return LION_ID_NONE;
    return ids->slots[slot_of(ids, id)] - 1; /* 0 - 1: none */
}
