/* pull.c - a pull as a walk over an explicit stack: one frame for each entity being pulled.
 *
 * A frame works through its specifications. For each it reads the attribute's values, makes a form
 * of each (pushing a frame where a value is to be pulled itself), and puts the finished form into
 * its map. A finished frame hands its map to the frame below. Whatever waits for a call of the host
 * stands in the frame, so a step taken again goes on where it was.
 *
 * Frames reached by recursion, and components, belong to the group of the frame they came from: an
 * entity that a frame of the same group is pulling is `seen`. The frames on the stack are chained
 * in a hash table by (group, entity); the stack's discipline makes a popped frame the head of its
 * chain. */
#include "db/db.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "pull/ahead.h"

#define NO_FRAME UINT32_MAX

typedef enum frame_state {
    FRAME_NEXT,   /* the next specification */
    FRAME_ENTITY, /* reading the whole entity, for * */
    FRAME_READ,   /* reading the values of one attribute */
    FRAME_VALUES, /* making forms of the values */
    FRAME_CHILD,  /* a value's frame is on top */
    FRAME_XFORM,  /* waiting for the host */
    FRAME_PROBE,  /* nothing was found: is there any fact at all? */
    FRAME_DONE,
} frame_state;

typedef struct frame {
    int64_t entity;
    const lion_pull_pattern *pattern;
    frame_state state;
    bool has_facts;
    uint32_t group;               /* index of the frame where the recursion began */
    uint32_t chained;             /* next frame with the same hash */
    uint32_t depth;               /* of the map in the result */
    const lion_pull_block *block; /* where the entity was read ahead, and its row there; or NULL */
    uint32_t block_row;
    uint32_t next_spec;
    const int64_t *levels; /* left to go, by recursion_number; LION_PULL_UNLIMITED */
    lion_form *entries;    /* key, value, key, value … */
    uint32_t entry_count, entry_capacity;

    /* the attribute at work */
    const lion_pull_spec *spec;      /* NULL: one of * */
    const lion_attribute *attribute; /* NULL: db/id, or unknown */
    const lion_pull_row *rows;
    uint32_t row_count, next_row;
    lion_form *items; /* the forms of its values */
    uint32_t item_count;

    /* what * found and is still to be put into the map */
    const lion_pull_row *whole;
    uint32_t whole_count, next_whole;
} frame;

struct lion_pull {
    const lion_pull_pattern *pattern;
    const lion_db *db;
    lion_arena *arena;
    const lion_attribute **attributes; /* by number of specification */
    const int64_t *entities;
    uint32_t *order; /* the entities ascending: neighbours share leaves */
    size_t count, done;
    lion_form *results;
    frame *frames;
    uint32_t frame_count, frame_capacity;
    uint32_t *chains; /* heads, a power of two of them */
    uint32_t chain_count;
    lion_pull_reader reader;
    lion_pull_ahead ahead;
    size_t ahead_end; /* the first root, in order, that is not read yet */
    lion_call call;   /* of an xform */
    lion_call *waiting;
    lion_form argument, answer;
};

/* -- Opening ---------------------------------------------------------------------------------- */

typedef struct resolving {
    lion_pull *pull;
    lion_status status;
    lion_error *error;
} resolving;

static void resolve_spec(void *context, const lion_pull_spec *spec)
{
    resolving *work = context;
    if (work->status < 0 || spec->kind != LION_PULL_ATTRIBUTE) return;
    const lion_attribute *attribute =
        lion_schema_attribute_named(work->pull->db->schema, spec->name);
    bool needs_ref = spec->is_reverse || spec->pattern != NULL || spec->recursion != 0;
    if (attribute != NULL && needs_ref && attribute->type != LION_TYPE_REF)
        work->status =
            lion_fail(work->error, LION_INCORRECT, "lion/syntax",
                      "pull: :%.*s is no reference, so it has no %s: name it alone in the pattern",
                      (int)spec->name.size, (const char *)spec->name.data,
                      spec->is_reverse ? "reverse" : "pattern of its own");
    work->pull->attributes[spec->number] = attribute;
}

static lion_status resolve_attributes(lion_pull *pull, lion_error *error)
{
    pull->attributes =
        lion_arena_zalloc(pull->arena, sizeof(*pull->attributes) * (pull->pattern->total + 1));
    if (pull->attributes == NULL) return lion_fail_memory(error);
    resolving work = { .pull = pull, .error = error };
    lion_pull_pattern_visit(pull->pattern, resolve_spec, &work);
    return work.status;
}

typedef struct numbered_id {
    int64_t id;
    uint32_t number;
} numbered_id;

static int compare_numbered(const void *a, const void *b)
{
    const numbered_id *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->number > y->number) - (x->number < y->number);
}

static lion_status sort_entities(lion_pull *pull, lion_error *error)
{
    numbered_id *ids = lion_arena_array(pull->arena, numbered_id, pull->count + 1);
    pull->order = lion_arena_array(pull->arena, uint32_t, pull->count + 1);
    pull->results = lion_arena_zalloc(pull->arena, sizeof(lion_form) * (pull->count + 1));
    if (ids == NULL || pull->order == NULL || pull->results == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < pull->count; i++)
        ids[i] = (numbered_id){ .id = pull->entities[i], .number = (uint32_t)i };
    qsort(ids, pull->count, sizeof *ids, compare_numbered);
    for (size_t i = 0; i < pull->count; i++) pull->order[i] = ids[i].number;
    return LION_OK;
}

lion_status lion_pull_open(lion_pull **pull_out, const lion_pull_pattern *pattern,
                           const lion_db *db, const int64_t *entities, size_t count,
                           lion_arena *arena, lion_error *error)
{
    if (db->is_history)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a history value cannot be pulled from: an entity has no one state in it; "
                         "use as_of, or datoms on the history");
    if (count >= UINT32_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "too many entities for one pull");
    lion_pull *pull = lion_arena_new(arena, lion_pull);
    *pull = (lion_pull){ .pattern = pattern,
                         .db = db,
                         .arena = arena,
                         .entities = entities,
                         .count = count,
                         .reader = { .view = &db->view, .arena = arena } };
    lion_status status = resolve_attributes(pull, error);
    pull->ahead = (lion_pull_ahead){ .db = db,
                                     .reader = &pull->reader,
                                     .attributes = pull->attributes,
                                     .spec_count = pattern->total,
                                     .arena = arena };
    if (status == LION_OK) status = sort_entities(pull, error);
    if (status == LION_OK) status = lion_arena_check(arena, error);
    if (status == LION_OK) *pull_out = pull;
    return status;
}

/* -- The stack and who is on it --------------------------------------------------------------- */

static uint32_t chain_of(const lion_pull *pull, uint32_t group, int64_t entity)
{
    uint64_t mixed = ((uint64_t)entity ^ (uint64_t)group << 53) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32) & (pull->chain_count - 1);
}

static void chain_frame(lion_pull *pull, uint32_t index)
{
    frame *top = &pull->frames[index];
    uint32_t chain = chain_of(pull, top->group, top->entity);
    top->chained = pull->chains[chain];
    pull->chains[chain] = index;
}

static bool is_seen(const lion_pull *pull, uint32_t group, int64_t entity)
{
    uint32_t index = pull->chains[chain_of(pull, group, entity)];
    for (; index != NO_FRAME; index = pull->frames[index].chained)
        if (pull->frames[index].group == group && pull->frames[index].entity == entity) return true;
    return false;
}

/* Twice the frames, twice the chains; bottom to top, so that each chain begins with its newest. */
static lion_status grow_stack(lion_pull *pull, lion_error *error)
{
    uint32_t capacity = pull->frame_capacity == 0 ? 16 : pull->frame_capacity * 2;
    frame *frames = lion_arena_grow(pull->arena, pull->frames, sizeof(frame) * pull->frame_capacity,
                                    sizeof(frame) * capacity);
    uint32_t *chains = lion_arena_array(pull->arena, uint32_t, capacity * 2);
    if (frames == NULL || chains == NULL || pull->arena->is_exhausted)
        return lion_fail_memory(error);
    pull->frames = frames;
    pull->frame_capacity = capacity;
    pull->chains = chains;
    pull->chain_count = capacity * 2;
    memset(chains, 0xff, sizeof(*chains) * pull->chain_count);
    for (uint32_t i = 0; i < pull->frame_count; i++) chain_frame(pull, i);
    return LION_OK;
}

/* group NO_FRAME: it begins one. */
static lion_status push_frame(lion_pull *pull, int64_t entity, const lion_pull_pattern *pattern,
                              uint32_t group, const int64_t *levels, uint32_t depth,
                              lion_error *error)
{
    lion_status status = lion_arena_check(pull->arena, error);
    if (status == LION_OK && pull->frame_count == pull->frame_capacity)
        status = grow_stack(pull, error);
    if (status < 0) return status;
    if (depth + 2 > LION_FORM_DEPTH_MAX) /* a list and a map more */
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "a pull result deeper than %d levels: give the recursion a limit",
                         LION_FORM_DEPTH_MAX);
    uint32_t index = pull->frame_count++;
    pull->frames[index] = (frame){ .entity = entity,
                                   .pattern = pattern,
                                   .group = group == NO_FRAME ? index : group,
                                   .levels = levels,
                                   .depth = depth };
    frame *top = &pull->frames[index];
    top->block = lion_pull_ahead_find(&top->block_row, &pull->ahead, pattern, entity);
    chain_frame(pull, index);
    if (top->block != NULL || pull->db->view.filter_count > 0) return LION_OK;
    top->block_row = 0;
    return lion_pull_ahead_one(&top->block, &pull->ahead, pattern, entity, error);
}

static void pop_frame(lion_pull *pull)
{
    frame *top = &pull->frames[--pull->frame_count];
    uint32_t chain = chain_of(pull, top->group, top->entity);
    LION_ASSERT(pull->chains[chain] == pull->frame_count);
    pull->chains[chain] = top->chained;
}

/* The levels of a pattern at its beginning; NULL where nothing recurs. */
static const int64_t *first_levels(lion_pull *pull, const lion_pull_pattern *pattern)
{
    if (pattern->recursion_count == 0) return NULL;
    int64_t *levels = lion_arena_array(pull->arena, int64_t, pattern->recursion_count);
    for (uint32_t i = 0; i < pattern->count; i++)
        if (pattern->specs[i].recursion != 0)
            levels[pattern->specs[i].recursion_number] = pattern->specs[i].recursion;
    return levels;
}

/* One level less for this specification; the same array where there is no limit. */
static const int64_t *next_levels(lion_pull *pull, const frame *top)
{
    uint32_t number = top->spec->recursion_number;
    if (top->levels[number] == LION_PULL_UNLIMITED) return top->levels;
    uint32_t count = top->pattern->recursion_count;
    int64_t *levels = lion_arena_array(pull->arena, int64_t, count);
    memcpy(levels, top->levels, sizeof(*levels) * count);
    levels[number]--;
    return levels;
}

/* -- Maps ------------------------------------------------------------------------------------- */

static lion_form text_form(lion_slice text)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_STRING, text));
}

static lion_status add_entry(lion_pull *pull, frame *top, lion_form key, lion_form value,
                             lion_error *error)
{
    if (top->entry_count == top->entry_capacity) {
        uint32_t first = top->pattern->count + top->whole_count + 1; /* mostly enough */
        uint32_t capacity = top->entry_capacity == 0 ? first : top->entry_capacity * 2;
        lion_form *entries =
            lion_arena_grow(pull->arena, top->entries, sizeof(lion_form) * 2 * top->entry_capacity,
                            sizeof(lion_form) * 2 * capacity);
        if (entries == NULL || pull->arena->is_exhausted) return lion_fail_memory(error);
        top->entries = entries;
        top->entry_capacity = capacity;
    }
    top->entries[2 * top->entry_count] = key;
    top->entries[2 * top->entry_count + 1] = value;
    top->entry_count++;
    return LION_OK;
}

static lion_form frame_map(const frame *top)
{
    return (lion_form){ .kind = LION_FORM_MAP, .count = top->entry_count, .items = top->entries };
}

/* {db/id}, and its name where it has one and the name is wanted. */
static lion_form reference_map(lion_pull *pull, int64_t id, bool has_ident)
{
    lion_slice ident;
    if (has_ident) has_ident = lion_schema_ident(&ident, pull->db->schema, id) == LION_OK;
    lion_form map = lion_form_map(pull->arena, has_ident ? 2 : 1);
    if (map.count == 0) return map; /* out of memory: the next check says so */
    map.items[0] = text_form(lion_slice_text("db/id"));
    map.items[1] = lion_form_value(lion_value_ref(id));
    if (has_ident) {
        map.items[2] = text_form(lion_slice_text("db/ident"));
        map.items[3] = lion_form_value(lion_value_bytes(LION_TYPE_KEYWORD, ident));
    }
    return map;
}

/* -- One attribute ---------------------------------------------------------------------------- */

static bool is_reverse(const frame *top)
{
    return top->spec != NULL && top->spec->is_reverse;
}

/* A list in the result; else the one value. */
static bool is_list(const frame *top)
{
    if (top->attribute == NULL) return false;
    return is_reverse(top) ? !top->attribute->is_component : top->attribute->is_many;
}

static lion_status begin_values(lion_pull *pull, frame *top, const lion_pull_row *rows,
                                uint32_t count, lion_error *error)
{
    if (count > 0) top->has_facts = true;
    top->rows = rows;
    top->row_count = count;
    top->next_row = top->item_count = 0;
    top->items = lion_arena_array(pull->arena, lion_form, count + 1);
    top->state = FRAME_VALUES;
    return top->items == NULL ? lion_fail_memory(error) : LION_OK;
}

/* Before the first of many values is pulled, all of them are read. */
static lion_status read_values_ahead(lion_pull *pull, const frame *top,
                                     const lion_pull_pattern *pattern, uint32_t depth,
                                     lion_error *error)
{
    uint32_t row;
    bool is_first = top->next_row == 1 && top->row_count >= LION_PULL_AHEAD_MIN;
    if (!is_first || pull->db->view.filter_count > 0) return LION_OK;
    if (lion_pull_ahead_find(&row, &pull->ahead, pattern, top->rows[0].v.bits) != NULL)
        return LION_OK;
    int64_t *ids = lion_arena_array(pull->arena, int64_t, top->row_count);
    if (ids == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < top->row_count; i++) ids[i] = top->rows[i].v.bits;
    return lion_pull_ahead_read(&pull->ahead, pattern, ids, top->row_count, depth, error);
}

/* Pull the entity that a value refers to; top is not valid afterwards. */
static lion_status push_value(lion_pull *pull, frame *top, int64_t entity,
                              const lion_pull_pattern *pattern, uint32_t group,
                              const int64_t *levels, lion_error *error)
{
    const lion_pull_spec *spec = top->spec;
    bool is_limited = spec != NULL && spec->recursion > 0;
    uint32_t gone = is_limited ? (uint32_t)(spec->recursion - levels[spec->recursion_number]) : 0;
    lion_status status = read_values_ahead(pull, top, pattern, gone, error);
    if (status != LION_OK) return status;
    top->state = FRAME_CHILD;
    return push_frame(pull, entity, pattern, group, levels, top->depth + (is_list(top) ? 2 : 1),
                      error);
}

/* A reference by what is asked of it: its own pattern, the pattern around it, all of a component,
 * or its id. */
static lion_status take_reference(lion_pull *pull, frame *top, int64_t entity, lion_error *error)
{
    const lion_pull_spec *spec = top->spec;
    if (spec != NULL && spec->pattern != NULL)
        return push_value(pull, top, entity, spec->pattern, NO_FRAME,
                          first_levels(pull, spec->pattern), error);
    bool is_recursive = spec != NULL && spec->recursion != 0;
    bool is_whole = !is_recursive && !is_reverse(top) && top->attribute->is_component;
    bool is_again = (is_recursive || is_whole) && is_seen(pull, top->group, entity);
    if (is_recursive && !is_again)
        return push_value(pull, top, entity, top->pattern, top->group, next_levels(pull, top),
                          error);
    if (is_whole && !is_again)
        return push_value(pull, top, entity, &lion_pull_whole, top->group, NULL, error);
    top->items[top->item_count++] = reference_map(pull, entity, !is_again);
    return LION_OK;
}

static lion_status take_value(lion_pull *pull, frame *top, lion_error *error)
{
    lion_value value = top->rows[top->next_row++].v;
    if (top->attribute != NULL && value.type == LION_TYPE_REF)
        return take_reference(pull, top, value.bits, error);
    top->items[top->item_count++] = lion_form_value(value);
    return LION_OK;
}

static bool is_nil(const lion_form *form)
{
    return form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL;
}

/* Into the map: the value, or what stands for a missing one. */
static lion_status put_attribute(lion_pull *pull, frame *top, lion_form value, lion_error *error)
{
    top->state = FRAME_NEXT;
    lion_form key = top->spec != NULL ? top->spec->key : text_form(top->attribute->ident);
    if (is_nil(&value)) {
        if (top->spec == NULL || top->spec->missing == NULL) return LION_OK;
        value = *top->spec->missing;
    }
    return add_entry(pull, top, key, value, error);
}

static void ask_xform(lion_pull *pull, frame *top, lion_form value)
{
    pull->argument = value;
    pull->answer = lion_form_value(lion_value_nil());
    pull->call = (lion_call){ .kind = LION_CALL_XFORM,
                              .count = 1,
                              .name = top->spec->xform,
                              .form_count = 1,
                              .forms = &pull->argument,
                              .results = &pull->answer,
                              .arena = pull->arena };
    pull->waiting = &pull->call;
    top->state = FRAME_XFORM;
}

static lion_status finish_values(lion_pull *pull, frame *top, lion_error *error)
{
    lion_form value = lion_form_value(lion_value_nil());
    if (top->item_count > 0)
        value = is_list(top) ? (lion_form){ .kind = LION_FORM_VECTOR,
                                            .count = top->item_count,
                                            .items = top->items }
                             : top->items[0];
    if (top->spec == NULL || top->spec->xform.size == 0)
        return put_attribute(pull, top, value, error);
    if (!lion_pull_xform_is_known(top->spec->xform)) {
        ask_xform(pull, top, value);
        return LION_CALL;
    }
    lion_form result;
    lion_status status = lion_pull_xform(&result, top->spec->xform, &value, pull->arena, error);
    return status < 0 ? status : put_attribute(pull, top, result, error);
}

/* -- Specifications --------------------------------------------------------------------------- */

/* Whether the pattern names the attribute itself: then * leaves it alone. */
static bool is_overridden(const lion_pull *pull, const frame *top, uint32_t a)
{
    for (uint32_t i = 0; i < top->pattern->count; i++) {
        const lion_pull_spec *spec = &top->pattern->specs[i];
        if (spec->kind != LION_PULL_ATTRIBUTE || spec->is_reverse) continue;
        const lion_attribute *attribute = pull->attributes[spec->number];
        if (attribute != NULL && attribute->id == a) return true;
    }
    return false;
}

/* db/id, unless the pattern names it itself. */
static lion_status add_id(lion_pull *pull, frame *top, lion_error *error)
{
    for (uint32_t i = 0; i < top->pattern->count; i++)
        if (top->pattern->specs[i].kind == LION_PULL_ID) return LION_OK;
    return add_entry(pull, top, text_form(lion_slice_text("db/id")),
                     lion_form_value(lion_value_ref(top->entity)), error);
}

/* The rows of the attribute at work. A single value that is no reference goes into the map as it
 * is. */
static lion_status take_rows(lion_pull *pull, frame *top, const lion_pull_row *rows, uint32_t count,
                             lion_error *error)
{
    const lion_pull_spec *spec = top->spec;
    bool is_plain = count <= 1 && !is_list(top) && (spec == NULL || spec->xform.size == 0) &&
                    (count == 0 || top->attribute->type != LION_TYPE_REF);
    if (!is_plain) return begin_values(pull, top, rows, count, error);
    if (count > 0) top->has_facts = true;
    return put_attribute(pull, top, lion_form_value(count > 0 ? rows->v : lion_value_nil()), error);
}

/* The next attribute that * found. */
static lion_status next_of_whole(lion_pull *pull, frame *top, lion_error *error)
{
    uint32_t first = top->next_whole, a = top->whole[first].a;
    while (top->next_whole < top->whole_count && top->whole[top->next_whole].a == a)
        top->next_whole++;
    top->spec = NULL;
    top->attribute = lion_schema_attribute(pull->db->schema, a);
    if (top->attribute == NULL || is_overridden(pull, top, a)) return LION_OK;
    return take_rows(pull, top, top->whole + first, top->next_whole - first, error);
}

static lion_status begin_id(lion_pull *pull, frame *top, lion_error *error)
{
    lion_pull_row *row = lion_arena_new(pull->arena, lion_pull_row);
    row->v = lion_value_ref(top->entity);
    bool has_facts = top->has_facts; /* an id is no fact */
    lion_status status = begin_values(pull, top, row, 1, error);
    top->has_facts = has_facts;
    return status;
}

/* Nothing is read below the last level of a recursion, nor of what the schema does not know. */
static bool is_readable(const frame *top)
{
    if (top->attribute == NULL) return false;
    return top->spec->recursion == 0 || top->levels[top->spec->recursion_number] != 0;
}

/* What was read ahead of a specification; NULL: nothing was. */
static const lion_pull_slice *slice_of(const frame *top, const lion_pull_spec *spec)
{
    if (top->block == NULL) return NULL;
    const lion_pull_slice *slices = top->block->slices[spec - top->pattern->specs];
    return slices != NULL ? &slices[top->block_row] : NULL;
}

/* What * found. */
static void begin_whole(frame *top, const lion_pull_row *rows, uint32_t count)
{
    top->whole = rows;
    top->whole_count = count;
    top->next_whole = 0;
    if (count > 0) top->has_facts = true;
    top->state = FRAME_NEXT;
}

static lion_status next_spec(lion_pull *pull, frame *top, lion_error *error)
{
    if (top->next_whole < top->whole_count) return next_of_whole(pull, top, error);
    if (top->next_spec == top->pattern->count) {
        bool is_root = pull->frame_count == 1;
        top->state = is_root && !top->has_facts && top->entry_count > 0 ? FRAME_PROBE : FRAME_DONE;
        return LION_OK;
    }
    const lion_pull_spec *spec = &top->pattern->specs[top->next_spec++];
    top->spec = spec;
    top->attribute = NULL;
    if (spec->kind == LION_PULL_ID) return begin_id(pull, top, error);
    const lion_pull_slice *ahead = slice_of(top, spec);
    if (spec->kind == LION_PULL_WILDCARD) {
        top->state = FRAME_ENTITY;
        if (ahead != NULL) begin_whole(top, ahead->rows, ahead->count);
        return add_id(pull, top, error);
    }
    top->attribute = pull->attributes[spec->number];
    if (!is_readable(top)) return begin_values(pull, top, NULL, 0, error);
    if (ahead != NULL) return take_rows(pull, top, ahead->rows, ahead->count, error);
    top->state = FRAME_READ;
    return LION_OK;
}

/* -- Reading ---------------------------------------------------------------------------------- */

/* What the reader says, with its call to be answered. */
static lion_status after_read(lion_pull *pull, lion_status status)
{
    if (status == LION_CALL) pull->waiting = lion_cursor_call(pull->reader.waiting);
    return status;
}

static lion_status read_attribute(lion_pull *pull, frame *top, lion_error *error)
{
    lion_pull_reader *reader = &pull->reader;
    lion_status status = lion_pull_read(reader, top->entity, top->spec, top->attribute, error);
    if (status != LION_OK) return after_read(pull, status);
    return take_rows(pull, top, reader->rows, reader->count, error);
}

static lion_status read_whole(lion_pull *pull, frame *top, lion_error *error)
{
    lion_pull_reader *reader = &pull->reader;
    lion_status status = lion_pull_read_entity(reader, top->entity, LION_PULL_LIMIT, error);
    if (status != LION_OK) return after_read(pull, status);
    begin_whole(top, reader->rows, reader->count);
    return LION_OK;
}

/* An id and defaults alone are no match where the entity has no facts. */
static lion_status probe(lion_pull *pull, frame *top, lion_error *error)
{
    lion_status status = lion_pull_read_entity(&pull->reader, top->entity, 1, error);
    if (status != LION_OK) return after_read(pull, status);
    if (pull->reader.count == 0) top->entry_count = 0;
    top->state = FRAME_DONE;
    return LION_OK;
}

/* -- Steps ------------------------------------------------------------------------------------ */

/* Hand the finished map down: to the frame that asked, or to the results. An empty one is left out.
 */
static void finish_frame(lion_pull *pull)
{
    frame *top = &pull->frames[pull->frame_count - 1];
    lion_form map = frame_map(top);
    pop_frame(pull);
    if (pull->frame_count == 0) {
        lion_form *result = &pull->results[pull->order[pull->done++]];
        *result = map.count > 0 ? map : lion_form_value(lion_value_nil());
        return;
    }
    frame *below = &pull->frames[pull->frame_count - 1];
    if (map.count > 0) below->items[below->item_count++] = map;
    below->state = FRAME_VALUES;
}

static lion_status take_answer(lion_pull *pull, frame *top, lion_error *error)
{
    if (!pull->call.is_answered) return LION_CALL;
    pull->waiting = NULL;
    return put_attribute(pull, top, pull->answer, error);
}

static lion_status step_frame(lion_pull *pull, lion_error *error)
{
    frame *top = &pull->frames[pull->frame_count - 1];
    switch (top->state) {
    case FRAME_NEXT: return next_spec(pull, top, error);
    case FRAME_ENTITY: return read_whole(pull, top, error);
    case FRAME_READ: return read_attribute(pull, top, error);
    case FRAME_VALUES:
        return top->next_row < top->row_count ? take_value(pull, top, error)
                                              : finish_values(pull, top, error);
    case FRAME_XFORM: return take_answer(pull, top, error);
    case FRAME_PROBE: return probe(pull, top, error);
    case FRAME_CHILD: /* its frame is on top, so this one is not */
    case FRAME_DONE: break;
    }
    LION_ASSERT(top->state == FRAME_DONE);
    finish_frame(pull);
    return LION_OK;
}

#define ROOTS_AHEAD 1024

/* The next entities, all at once. */
static lion_status read_roots_ahead(lion_pull *pull, lion_error *error)
{
    size_t left = pull->count - pull->done;
    bool is_due = pull->done >= pull->ahead_end && left >= LION_PULL_AHEAD_MIN;
    if (!is_due || pull->db->view.filter_count > 0) return LION_OK;
    if (left > ROOTS_AHEAD) left = ROOTS_AHEAD;
    pull->ahead_end = pull->done + left;
    int64_t ids[ROOTS_AHEAD];
    for (size_t i = 0; i < left; i++) ids[i] = pull->entities[pull->order[pull->done + i]];
    lion_pull_ahead_clear(&pull->ahead);
    return lion_pull_ahead_read(&pull->ahead, pull->pattern, ids, left, 0, error);
}

/* The next entity; one that was just pulled has the same result, which nobody changes. */
static lion_status begin_entity(lion_pull *pull, lion_error *error)
{
    uint32_t number = pull->order[pull->done];
    int64_t entity = pull->entities[number];
    if (pull->done > 0) {
        uint32_t previous = pull->order[pull->done - 1];
        if (pull->entities[previous] == entity) {
            pull->results[number] = pull->results[previous];
            pull->done++;
            return LION_OK;
        }
    }
    lion_status status = read_roots_ahead(pull, error);
    if (status != LION_OK) return status;
    return push_frame(pull, entity, pull->pattern, NO_FRAME, first_levels(pull, pull->pattern), 1,
                      error);
}

lion_status lion_pull_step(lion_pull *pull, lion_error *error)
{
    while (pull->done < pull->count) {
        lion_status status =
            pull->frame_count == 0 ? begin_entity(pull, error) : step_frame(pull, error);
        if (status != LION_OK) return status;
    }
    return lion_arena_check(pull->arena, error);
}

lion_call *lion_pull_call(lion_pull *pull)
{
    return pull->waiting;
}

const lion_form *lion_pull_results(const lion_pull *pull)
{
    LION_ASSERT(pull->done == pull->count);
    return pull->results;
}
