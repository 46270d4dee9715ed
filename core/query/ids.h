/* ids.h - a set of entity ids in an arena, numbered as they come. */
#ifndef LION_QUERY_IDS_H
#define LION_QUERY_IDS_H

#include "base/arena.h"

#define LION_ID_NONE UINT32_MAX

typedef struct lion_ids {
    lion_arena *arena;
    int64_t *items;        /* by number; moves when the set grows */
    uint32_t count, room;
    uint32_t *slots;       /* number + 1, or 0 */
    size_t slot_count;     /* a power of two, or 0 */
} lion_ids;

void lion_ids_init(lion_ids *ids, lion_arena *arena);
/* No ids; the memory is kept. */
void lion_ids_clear(lion_ids *ids);
/* Room for so many, so that none moves; false: out of memory. */
bool lion_ids_reserve(lion_ids *ids, uint32_t count);
/* True if the id is new. False, too, when memory ran out: the arena has latched it. */
bool lion_ids_add(lion_ids *ids, int64_t id);
/* Its number, or LION_ID_NONE. */
uint32_t lion_ids_find(const lion_ids *ids, int64_t id);

#endif
