/* ahead.c - reading ahead, a level of entities at a time. */
#include "pull/ahead.h"

#include <stdlib.h>
#include <string.h>

#include "index/gather.h"

#define ENTITIES_MAX                                                                               \
    65536             /* read ahead at once: beyond, entities are read when their turn comes       \
                       */
#define GATHER_MIN 16 /* entities for which columns are opened */

/* -- Where entities were read ----------------------------------------------------------------- */

typedef struct lion_pull_place {
    const lion_pull_pattern *pattern; /* NULL: free */
    int64_t entity;
    const lion_pull_block *block;
    uint32_t row;
} lion_pull_place;

static lion_pull_place *place_of(const lion_pull_ahead *self, const lion_pull_pattern *pattern,
                                 int64_t entity)
{
    uint64_t mixed =
        ((uint64_t)entity ^ (uint64_t)(uintptr_t)pattern << 20) * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t at = (uint32_t)(mixed >> 32) & (self->place_room - 1);
    while (self->places[at].pattern != NULL &&
           (self->places[at].pattern != pattern || self->places[at].entity != entity))
        at = (at + 1) & (self->place_room - 1);
    return &self->places[at];
}

/* Room for `count` more, the table half full at most. */
static lion_status reserve_places(lion_pull_ahead *self, uint32_t count, lion_error *error)
{
    uint32_t room = self->place_room == 0 ? 64 : self->place_room;
    while (room / 2 < self->place_count + count) room *= 2;
    if (room == self->place_room) return LION_OK;
    lion_pull_place *old = self->places;
    uint32_t old_room = self->place_room;
    self->places = lion_arena_zalloc(self->arena, sizeof *old * room);
    if (self->places == NULL) return lion_fail_memory(error);
    self->place_room = room;
    for (uint32_t i = 0; i < old_room; i++)
        if (old[i].pattern != NULL) *place_of(self, old[i].pattern, old[i].entity) = old[i];
    return LION_OK;
}

const lion_pull_block *lion_pull_ahead_find(uint32_t *row_out, const lion_pull_ahead *self,
                                            const lion_pull_pattern *pattern, int64_t entity)
{
    if (self->place_count == 0) return NULL;
    const lion_pull_place *place = place_of(self, pattern, entity);
    *row_out = place->row;
    return place->pattern != NULL ? place->block : NULL;
}

void lion_pull_ahead_clear(lion_pull_ahead *self)
{
    if (self->place_count > 0) memset(self->places, 0, sizeof *self->places * self->place_room);
    self->place_count = self->block_count = 0;
}

/* -- Blocks ----------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Ascending, each once, without those that were read; ids is changed. */
static uint32_t sort_new(const lion_pull_ahead *self, const lion_pull_pattern *pattern,
                         int64_t *ids, uint32_t count)
{
    uint32_t kept = 0, row;
    bool is_sorted = true;
    for (uint32_t i = 1; i < count && is_sorted; i++) is_sorted = ids[i - 1] <= ids[i];
    if (!is_sorted) qsort(ids, count, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < count; i++) {
        if (kept > 0 && ids[kept - 1] == ids[i]) continue;
        if (lion_pull_ahead_find(&row, self, pattern, ids[i]) == NULL) ids[kept++] = ids[i];
    }
    return kept;
}

/* A block to be read; none where they are few, or there are too many already. ids becomes the
 * block's. */
static lion_status add_block(lion_pull_ahead *self, const lion_pull_pattern *pattern, int64_t *ids,
                             uint32_t count, uint32_t depth, lion_error *error)
{
    count = sort_new(self, pattern, ids, count);
    if (count < LION_PULL_AHEAD_MIN || self->place_count + count > ENTITIES_MAX) return LION_OK;
    lion_status status = reserve_places(self, count, error);
    if (status != LION_OK) return status;
    if (self->block_count == self->block_room) {
        uint32_t room = self->block_room == 0 ? 8 : self->block_room * 2;
        self->blocks =
            lion_arena_grow(self->arena, self->blocks, sizeof *self->blocks * self->block_room,
                            sizeof *self->blocks * room);
        self->block_room = room;
    }
    lion_pull_block *block = lion_arena_new(self->arena, lion_pull_block);
    lion_pull_slice **slices = lion_arena_zalloc(self->arena, sizeof *slices * pattern->count);
    if (self->arena->is_exhausted) return lion_fail_memory(error);
    *block = (lion_pull_block){
        .pattern = pattern, .entities = ids, .count = count, .depth = depth, .slices = slices
    };
    self->blocks[self->block_count++] = block;
    for (uint32_t i = 0; i < count; i++)
        *place_of(self, pattern, ids[i]) =
            (lion_pull_place){ .pattern = pattern, .entity = ids[i], .block = block, .row = i };
    self->place_count += count;
    return LION_OK;
}

/* -- Reading a block -------------------------------------------------------------------------- */

/* A forward attribute of one value. */
static bool is_single(const lion_pull_spec *spec, const lion_attribute *attribute)
{
    return attribute != NULL && !spec->is_reverse && !attribute->is_many &&
           attribute->type != LION_TYPE_MIXED;
}

static bool can_gather(const lion_pull_block *block, const lion_pull_spec *spec,
                       const lion_attribute *attribute)
{
    return block->count >= GATHER_MIN && is_single(spec, attribute);
}

static lion_status open_gather(lion_pull_ahead *self, const lion_pull_spec *spec,
                               const lion_attribute *attribute, lion_error *error)
{
    if (self->gathers == NULL)
        self->gathers =
            lion_arena_zalloc(self->arena, sizeof *self->gathers * (self->spec_count + 1));
    if (self->gathers == NULL) return lion_fail_memory(error);
    if (self->gathers[spec->number] != NULL) return LION_OK;
    return lion_gather_new(&self->gathers[spec->number], &self->db->view, attribute->id,
                           (lion_type)attribute->type, self->arena, error);
}

/* Single values, column-wise. */
static lion_status gather_values(lion_pull_ahead *self, const lion_pull_block *block,
                                 const lion_pull_spec *spec, const lion_attribute *attribute,
                                 lion_pull_slice *slices, lion_error *error)
{
    lion_status status = open_gather(self, spec, attribute, error);
    if (status != LION_OK) return status;
    lion_pull_row *rows = lion_arena_array(self->arena, lion_pull_row, block->count);
    lion_value *values =
        lion_arena_array(self->arena, lion_value, LION_BATCH_ROWS); /* bits fit, too */
    uint16_t *found = lion_arena_array(self->arena, uint16_t, LION_BATCH_ROWS);
    if (rows == NULL || values == NULL || found == NULL) return lion_fail_memory(error);
    for (uint32_t from = 0; from < block->count; from += LION_BATCH_ROWS) {
        uint32_t count =
                     block->count - from < LION_BATCH_ROWS ? block->count - from : LION_BATCH_ROWS,
                 found_count = 0;
        lion_vector v = { .values = values };
        status = lion_gather_read(self->gathers[spec->number], block->entities + from, NULL, count,
                                  &v, found, &found_count, error);
        if (status != LION_OK) return status;
        for (uint32_t i = 0; i < found_count; i++) {
            lion_pull_row *row = &rows[from + found[i]];
            *row = (lion_pull_row){ .a = attribute->id, .v = lion_vector_get(&v, found[i]) };
            slices[from + found[i]] = (lion_pull_slice){ .rows = row, .count = 1 };
        }
    }
    return LION_OK;
}

/* One entity after the other: they ascend, so neighbours share leaves. */
static lion_status read_each(lion_pull_ahead *self, const lion_pull_block *block,
                             const lion_pull_spec *spec, const lion_attribute *attribute,
                             lion_pull_slice *slices, lion_error *error)
{
    for (uint32_t i = 0; i < block->count; i++) {
        int64_t e = block->entities[i];
        lion_status status = attribute == NULL
                                 ? lion_pull_read_entity(self->reader, e, LION_PULL_LIMIT, error)
                                 : lion_pull_read(self->reader, e, spec, attribute, error);
        if (status != LION_OK) return status;
        slices[i] = (lion_pull_slice){ .rows = self->reader->rows, .count = self->reader->count };
    }
    return LION_OK;
}

/* Nothing is read below the last level of a recursion, nor of what the schema does not know. */
static bool is_wanted(const lion_pull_block *block, const lion_pull_spec *spec,
                      const lion_attribute *attribute)
{
    if (spec->kind == LION_PULL_WILDCARD) return true;
    if (spec->kind != LION_PULL_ATTRIBUTE || attribute == NULL) return false;
    return spec->recursion <= 0 || block->depth < spec->recursion;
}

static const lion_attribute *attribute_of(const lion_pull_ahead *self, const lion_pull_spec *spec)
{
    return spec->kind == LION_PULL_ATTRIBUTE ? self->attributes[spec->number] : NULL;
}

/* -- What it leads to ------------------------------------------------------------------------- */

/* The pattern by which a value of the specification is pulled; NULL: it is not. a: the attribute of
 * *. */
static const lion_pull_pattern *pattern_below(const lion_pull_ahead *self,
                                              const lion_pull_block *block,
                                              const lion_pull_spec *spec, uint32_t a,
                                              uint32_t *depth_out)
{
    *depth_out = 0;
    if (spec->pattern != NULL) return spec->pattern;
    if (spec->recursion != 0) {
        *depth_out = block->depth + 1;
        return block->pattern;
    }
    const lion_attribute *attribute = lion_schema_attribute(self->db->schema, a);
    bool is_component = attribute != NULL && attribute->is_component && !spec->is_reverse;
    return is_component ? &lion_pull_whole : NULL;
}

static lion_status add_level(lion_pull_ahead *self, const lion_pull_block *block, uint32_t number,
                             lion_error *error)
{
    const lion_pull_spec *spec = &block->pattern->specs[number];
    const lion_pull_slice *slices = block->slices[number];
    const lion_pull_pattern *pattern = NULL;
    uint32_t count = 0, total = 0, depth = 0;
    for (uint32_t i = 0; i < block->count; i++) total += slices[i].count;
    int64_t *ids = NULL;
    for (uint32_t i = 0; i < block->count; i++)
        for (uint32_t k = 0; k < slices[i].count; k++) {
            const lion_pull_row *row = &slices[i].rows[k];
            uint32_t depth_below;
            const lion_pull_pattern *below =
                row->v.type == LION_TYPE_REF
                    ? pattern_below(self, block, spec, row->a, &depth_below)
                    : NULL;
            if (below == NULL) continue;
            if (ids == NULL) ids = lion_arena_array(self->arena, int64_t, total);
            if (ids == NULL) return lion_fail_memory(error);
            pattern = below; /* of one specification all are alike */
            depth = depth_below;
            ids[count++] = row->v.bits;
        }
    return count > 0 ? add_block(self, pattern, ids, count, depth, error) : LION_OK;
}

static bool may_lead_on(const lion_pull_spec *spec, const lion_attribute *attribute)
{
    if (attribute == NULL) return true; /* * */
    return attribute->type == LION_TYPE_REF &&
           (spec->pattern != NULL || spec->recursion != 0 || attribute->is_component);
}

static lion_status read_block(lion_pull_ahead *self, lion_pull_block *block, lion_error *error)
{
    for (uint32_t i = 0; i < block->pattern->count; i++) {
        const lion_pull_spec *spec = &block->pattern->specs[i];
        const lion_attribute *attribute = attribute_of(self, spec);
        if (!is_wanted(block, spec, attribute)) continue;
        lion_pull_slice *slices = lion_arena_zalloc(self->arena, sizeof *slices * block->count);
        if (slices == NULL) return lion_fail_memory(error);
        bool is_gathered = can_gather(block, spec, attribute);
        lion_status status = is_gathered
                                 ? gather_values(self, block, spec, attribute, slices, error)
                                 : read_each(self, block, spec, attribute, slices, error);
        if (status == LION_OK) block->slices[i] = slices;
        if (status == LION_OK && may_lead_on(spec, attribute))
            status = add_level(self, block, i, error);
        if (status == LION_OK) status = lion_arena_check(self->arena, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

lion_status lion_pull_ahead_read(lion_pull_ahead *self, const lion_pull_pattern *pattern,
                                 const int64_t *entities, size_t count, uint32_t depth,
                                 lion_error *error)
{
    if (count > ENTITIES_MAX) return LION_OK;
    int64_t *ids = lion_arena_array(self->arena, int64_t, count + 1);
    if (ids == NULL) return lion_fail_memory(error);
    memcpy(ids, entities, sizeof *ids * count);
    uint32_t next = self->block_count;
    lion_status status = add_block(self, pattern, ids, (uint32_t)count, depth, error);
    while (status == LION_OK && next < self->block_count)
        status = read_block(self, self->blocks[next++], error);
    return status;
}

/* -- One entity ------------------------------------------------------------------------------- */

static lion_status reserve_singles(lion_pull_ahead *self, lion_error *error)
{
    if (self->singles != NULL) return LION_OK;
    self->singles = lion_arena_array(self->arena, lion_value, self->spec_count + 1);
    self->single_attributes = lion_arena_array(self->arena, uint32_t, self->spec_count + 1);
    self->single_specs = lion_arena_array(self->arena, uint32_t, self->spec_count + 1);
    return lion_arena_check(self->arena, error);
}

lion_status lion_pull_ahead_one(const lion_pull_block **block_out, lion_pull_ahead *self,
                                const lion_pull_pattern *pattern, int64_t entity, lion_error *error)
{
    *block_out = NULL;
    if (pattern == &lion_pull_whole || reserve_singles(self, error) != LION_OK)
        return lion_arena_check(self->arena, error);
    uint32_t count = 0;
    for (uint32_t i = 0; i < pattern->count; i++) {
        const lion_attribute *attribute = attribute_of(self, &pattern->specs[i]);
        if (!is_single(&pattern->specs[i], attribute)) continue;
        self->single_specs[count] = i;
        self->single_attributes[count++] = attribute->id;
    }
    if (count < 2) return LION_OK;
    lion_status status = lion_view_row(self->singles, &self->db->view, entity,
                                       self->single_attributes, count, self->arena, error);
    if (status != LION_OK) return status;

    lion_pull_block *block = lion_arena_new(self->arena, lion_pull_block);
    lion_pull_slice **slices = lion_arena_zalloc(self->arena, sizeof *slices * pattern->count);
    lion_pull_slice *made = lion_arena_array(self->arena, lion_pull_slice, count);
    lion_pull_row *rows = lion_arena_array(self->arena, lion_pull_row, count);
    if (self->arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) {
        bool has_value = self->singles[i].type != LION_TYPE_NIL;
        rows[i] = (lion_pull_row){ .a = self->single_attributes[i], .v = self->singles[i] };
        made[i] = (lion_pull_slice){ .rows = &rows[i], .count = has_value ? 1 : 0 };
        slices[self->single_specs[i]] = &made[i];
    }
    *block = (lion_pull_block){ .pattern = pattern, .slices = slices };
    *block_out = block;
    return LION_OK;
}
