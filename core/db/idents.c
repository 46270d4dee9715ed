/* idents.c - levels of names. A level is one block: entries, two open-addressing tables of entry
 * numbers (by name, by id), and the names' bytes. An entry may be live in either table only: a name
 * that was moved away from its entity, an entity that was renamed. */
#include "db/idents.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/memory.h"

#define NONE UINT32_MAX

typedef struct ident_entry {
    const uint8_t *name;
    uint32_t size;
    bool is_removed; /* hides older levels */
    bool in_names, in_ids;
    uint64_t hash;
    int64_t id;
} ident_entry;

struct lion_ident_level {
    uint32_t references; /* atomic */
    uint32_t count;
    uint32_t mask;
    uint32_t *by_name, *by_id; /* mask + 1 entry numbers each, NONE: free */
    ident_entry *entries;
};

/* -- One level -------------------------------------------------------------------------------- */

static lion_ident_level *level_new(size_t entries_max, size_t name_bytes)
{
    size_t slots = 8;
    while (slots < entries_max * 2) slots *= 2;
    size_t size = sizeof(lion_ident_level) + entries_max * sizeof(ident_entry) +
                  slots * 2 * sizeof(uint32_t) + name_bytes;
    lion_ident_level *level = lion_alloc(size);
    if (level == NULL) return NULL;
    ident_entry *entries = (ident_entry *)(level + 1);
    uint32_t *tables = (uint32_t *)(entries + entries_max);
    *level = (lion_ident_level){ .references = 1,
                                 .mask = (uint32_t)(slots - 1),
                                 .by_name = tables,
                                 .by_id = tables + slots,
                                 .entries = entries };
    memset(tables, 0xff, slots * 2 * sizeof(uint32_t));
    return level;
}

static uint8_t *level_bytes(lion_ident_level *level)
{
    return (uint8_t *)(level->by_id + level->mask + 1);
}

static uint32_t *place_of_name(const lion_ident_level *level, lion_slice name, uint64_t hash)
{
    for (uint32_t at = (uint32_t)hash & level->mask;; at = (at + 1) & level->mask) {
        uint32_t number = level->by_name[at];
        if (number == NONE) return &level->by_name[at];
        const ident_entry *entry = &level->entries[number];
        if (entry->hash == hash && entry->size == name.size &&
            memcmp(entry->name, name.data, name.size) == 0)
            return &level->by_name[at];
    }
}

static uint32_t *place_of_id(const lion_ident_level *level, int64_t id)
{
    for (uint32_t at = (uint32_t)lion_hash_u64((uint64_t)id) & level->mask;;
         at = (at + 1) & level->mask) {
        uint32_t number = level->by_id[at];
        if (number == NONE || level->entries[number].id == id) return &level->by_id[at];
    }
}

static void level_drop(lion_ident_level *level)
{
    if (__atomic_sub_fetch(&level->references, 1, __ATOMIC_ACQ_REL) == 0) lion_free(level);
}

/* -- Merging ---------------------------------------------------------------------------------- */

/* Entries are added newest first: what is there already wins. */
typedef struct level_builder {
    lion_ident_level *level;
    uint8_t *bytes; /* where the next name goes */
} level_builder;

static void builder_add(level_builder *builder, lion_slice name, uint64_t hash, int64_t id,
                        bool is_removed, bool in_names, bool in_ids)
{
    lion_ident_level *level = builder->level;
    uint32_t *by_name = place_of_name(level, name, hash);
    uint32_t *by_id = place_of_id(level, id);
    in_names = in_names && *by_name == NONE;
    in_ids = in_ids && *by_id == NONE;
    if (!in_names && !in_ids) return;
    memcpy(builder->bytes, name.data, name.size);
    level->entries[level->count] = (ident_entry){ .name = builder->bytes,
                                                  .size = (uint32_t)name.size,
                                                  .is_removed = is_removed,
                                                  .in_names = in_names,
                                                  .in_ids = in_ids,
                                                  .hash = hash,
                                                  .id = id };
    builder->bytes += name.size;
    if (in_names) *by_name = level->count;
    if (in_ids) *by_id = level->count;
    level->count++;
}

/* Removing a name must not hide the entity's other, newer name, nor the name's other, newer owner:
 * whether it does is asked of what stood before. */
static void builder_add_change(level_builder *builder, const lion_ident_change *change,
                               const lion_idents *before)
{
    bool in_names = true, in_ids = true;
    if (change->is_removed) {
        int64_t id = 0;
        lion_slice name;
        in_names = lion_idents_id(&id, before, change->name) != LION_OK || id == change->id;
        in_ids = lion_idents_name(&name, before, change->id) != LION_OK ||
                 lion_slice_equal(name, change->name);
    }
    builder_add(builder, change->name, lion_hash(change->name.data, change->name.size), change->id,
                change->is_removed, in_names, in_ids);
}

static void builder_add_level(level_builder *builder, const lion_ident_level *older)
{
    for (uint32_t i = 0; i < older->count; i++) {
        const ident_entry *entry = &older->entries[i];
        builder_add(builder, lion_slice_of(entry->name, entry->size), entry->hash, entry->id,
                    entry->is_removed, entry->in_names, entry->in_ids);
    }
}

static size_t level_name_bytes(const lion_ident_level *level)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < level->count; i++) bytes += level->entries[i].size;
    return bytes;
}

lion_status lion_idents_apply(lion_idents *idents_out, const lion_idents *idents,
                              const lion_ident_change *changes, size_t count, lion_error *error)
{
    size_t entries = count, bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += changes[i].name.size;
    uint32_t kept = idents->count;
    while (kept > 0 &&
           (idents->levels[kept - 1]->count <= entries || kept == LION_IDENT_LEVELS_MAX)) {
        kept--;
        entries += idents->levels[kept]->count;
        bytes += level_name_bytes(idents->levels[kept]);
    }
    lion_ident_level *level = level_new(entries, bytes);
    if (level == NULL) return lion_fail_memory(error);

    level_builder builder = { .level = level, .bytes = level_bytes(level) };
    for (size_t i = count; i-- > 0;) builder_add_change(&builder, &changes[i], idents);
    for (uint32_t i = idents->count; i-- > kept;) builder_add_level(&builder, idents->levels[i]);
    LION_ASSERT(level->count <= entries);

    lion_idents result = { .count = kept };
    for (uint32_t i = 0; i < kept; i++) {
        result.levels[i] = idents->levels[i];
        __atomic_add_fetch(&result.levels[i]->references, 1, __ATOMIC_RELAXED);
    }
    result.levels[result.count++] = level;
    *idents_out = result;
    return LION_OK;
}

void lion_idents_copy(lion_idents *idents_out, const lion_idents *idents)
{
    *idents_out = *idents;
    for (uint32_t i = 0; i < idents->count; i++)
        __atomic_add_fetch(&idents->levels[i]->references, 1, __ATOMIC_RELAXED);
}

void lion_idents_drop(lion_idents *idents)
{
    for (uint32_t i = 0; i < idents->count; i++) level_drop(idents->levels[i]);
    idents->count = 0;
}

/* -- Looking up ------------------------------------------------------------------------------- */

lion_status lion_idents_id(int64_t *id_out, const lion_idents *idents, lion_slice name)
{
    uint64_t hash = lion_hash(name.data, name.size);
    for (uint32_t i = idents->count; i-- > 0;) {
        const lion_ident_level *level = idents->levels[i];
        uint32_t number = *place_of_name(level, name, hash);
        if (number == NONE) continue;
        if (level->entries[number].is_removed) return LION_ABSENT;
        *id_out = level->entries[number].id;
        return LION_OK;
    }
    return LION_ABSENT;
}

lion_status lion_idents_name(lion_slice *name_out, const lion_idents *idents, int64_t id)
{
    for (uint32_t i = idents->count; i-- > 0;) {
        const lion_ident_level *level = idents->levels[i];
        uint32_t number = *place_of_id(level, id);
        if (number == NONE) continue;
        const ident_entry *entry = &level->entries[number];
        if (entry->is_removed) return LION_ABSENT;
        *name_out = lion_slice_of(entry->name, entry->size);
        return LION_OK;
    }
    return LION_ABSENT;
}
