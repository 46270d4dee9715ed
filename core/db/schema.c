/* schema.c - built by applying schema datoms to a copy of the one before.
 *
 * A schema owns one arena. A change clones it: attributes and names are few and change seldom. What a database's
 * names are is the story of db/ident: the newest assertion of a name wins it; a rename keeps the old name. */
#include "db/schema.h"

#include <stdlib.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/table.h"
#include "base/text.h"
#include "data/tuple.h"
#include "db/bootstrap.h"

struct lion_schema {
    uint32_t references;               /* atomic */
    uint64_t epoch;
    lion_arena arena;                  /* attributes, their texts and lists */
    lion_attribute **attributes;       /* ascending by id; those with a type */
    uint32_t attribute_count;
    uint32_t *refs;                    /* ref attributes, ascending */
    uint32_t ref_count;
    lion_names *ids;                   /* name → id, old names too */
    lion_table names;                  /* id → index into ident texts */
    lion_slice *idents;                /* in the arena */
    uint32_t ident_count, ident_capacity;
    lion_table by_id;                  /* attribute id → lion_attribute * */
};

static uint64_t next_epoch(void)
{
    static uint64_t last;
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

lion_schema *lion_schema_keep(lion_schema *schema)
{
    __atomic_add_fetch(&schema->references, 1, __ATOMIC_RELAXED);
    return schema;
}

void lion_schema_drop(lion_schema *schema)
{
    if (schema == NULL || __atomic_sub_fetch(&schema->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    lion_names_free(schema->ids);
    lion_table_deinit(&schema->names);
    lion_table_deinit(&schema->by_id);
    lion_arena_deinit(&schema->arena);
    lion_free(schema);
}

/* ---- looking ---- */

static lion_slice bare(lion_slice name)
{
    if (name.size > 1 && name.data[0] == ':') return lion_slice_of(name.data + 1, name.size - 1);
    return name;
}

const lion_attribute *lion_schema_attribute(const lion_schema *schema, int64_t id)
{
    uint64_t found;
    if (!lion_table_get(&schema->by_id, (uint64_t)id, &found)) return NULL;
    return (const lion_attribute *)(uintptr_t)found;
}

lion_status lion_schema_entid(int64_t *id_out, const lion_schema *schema, lion_slice name)
{
    uint64_t id;
    if (!lion_names_get(schema->ids, bare(name), &id)) return LION_ABSENT;
    *id_out = (int64_t)id;
    return LION_OK;
}

const lion_attribute *lion_schema_attribute_named(const lion_schema *schema, lion_slice name)
{
    int64_t id;
    if (lion_schema_entid(&id, schema, name) != LION_OK) return NULL;
    return lion_schema_attribute(schema, id);
}

lion_status lion_schema_ident(lion_slice *name_out, const lion_schema *schema, int64_t id)
{
    uint64_t index;
    if (!lion_table_get(&schema->names, (uint64_t)id, &index)) return LION_ABSENT;
    if (schema->idents[index].size == 0) return LION_ABSENT;
    *name_out = schema->idents[index];
    return LION_OK;
}

const lion_attribute *const *lion_schema_attributes(const lion_schema *schema, uint32_t *count_out)
{
    *count_out = schema->attribute_count;
    return (const lion_attribute *const *)schema->attributes;
}

const uint32_t *lion_schema_refs(const lion_schema *schema, uint32_t *count_out)
{
    *count_out = schema->ref_count;
    return schema->refs;
}

uint64_t lion_schema_epoch(const lion_schema *schema) { return schema->epoch; }

lion_status lion_schema_fail_unknown(lion_error *error, const lion_schema *schema, lion_slice name)
{
    lion_slice given = bare(name), nearest = { 0 };
    size_t limit = given.size / 3 + 1, best = limit + 1;
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        size_t distance = lion_edit_distance(given, schema->attributes[i]->ident, limit);
        if (distance >= best) continue;
        best = distance;
        nearest = schema->attributes[i]->ident;
    }
    int size = given.size > 200 ? 200 : (int)given.size;
    if (nearest.size == 0)
        return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                         "there is no attribute :%.*s: transact its schema first", size,
                         (const char *)given.data);
    return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                     "there is no attribute :%.*s (did you mean :%.*s?)", size,
                     (const char *)given.data, (int)nearest.size, (const char *)nearest.data);
}

/* ---- building ---- */

static lion_schema *schema_alloc(void)
{
    lion_schema *schema = lion_zalloc(sizeof *schema);
    if (schema == NULL) return NULL;
    schema->references = 1;
    schema->epoch = next_epoch();
    lion_arena_init(&schema->arena, 0);
    lion_table_init(&schema->names);
    lion_table_init(&schema->by_id);
    schema->ids = lion_names_new();
    if (schema->ids == NULL) {
        lion_schema_drop(schema);
        return NULL;
    }
    return schema;
}

static bool set_ident(lion_schema *schema, int64_t id, lion_slice name)
{
    if (schema->ident_count == schema->ident_capacity) {
        uint32_t grown = schema->ident_capacity == 0 ? 128 : schema->ident_capacity * 2;
        schema->idents = lion_arena_grow(&schema->arena, schema->idents,
                                         schema->ident_capacity * sizeof(lion_slice),
                                         grown * sizeof(lion_slice));
        if (schema->idents == NULL) return false;
        schema->ident_capacity = grown;
    }
    schema->idents[schema->ident_count] = lion_arena_copy(&schema->arena, name);
    return lion_table_put(&schema->names, (uint64_t)id, schema->ident_count++);
}

/* Find an attribute being built, or begin one. */
static lion_attribute *attribute_of(lion_schema *schema, int64_t id)
{
    uint64_t found;
    if (lion_table_get(&schema->by_id, (uint64_t)id, &found))
        return (lion_attribute *)(uintptr_t)found;
    lion_attribute *attribute = lion_arena_new(&schema->arena, lion_attribute);
    attribute->id = (uint32_t)id;
    attribute->is_indexed = true;
    if (!lion_table_put(&schema->by_id, (uint64_t)id, (uintptr_t)attribute)) return NULL;
    return attribute;
}

static bool clone_names(lion_schema *to, const lion_schema *from)
{
    size_t cursor = 0;
    lion_slice name;
    uint64_t id;
    while (lion_names_next(from->ids, &cursor, &name, &id))
        if (!lion_names_put(to->ids, name, id)) return false;
    cursor = 0;
    uint64_t index;
    while (lion_table_next(&from->names, &cursor, &id, &index))
        if (from->idents[index].size > 0 && !set_ident(to, (int64_t)id, from->idents[index]))
            return false;
    return true;
}

static bool clone_attributes(lion_schema *to, const lion_schema *from)
{
    for (uint32_t i = 0; i < from->attribute_count; i++) {
        const lion_attribute *old = from->attributes[i];
        lion_attribute *attribute = attribute_of(to, old->id);
        if (attribute == NULL) return false;
        *attribute = *old;
        attribute->composites = NULL;
        attribute->composite_count = 0;
        attribute->predicates = lion_arena_array(&to->arena, lion_slice, old->predicate_count + 1);
        for (uint32_t k = 0; k < old->predicate_count; k++)
            attribute->predicates[k] = lion_arena_copy(&to->arena, old->predicates[k]);
    }
    return true;
}

static lion_type type_of_id(int64_t id)
{
    switch (id) {
    case LION_ID_TYPE_KEYWORD: return LION_TYPE_KEYWORD;
    case LION_ID_TYPE_LONG: return LION_TYPE_LONG;
    case LION_ID_TYPE_STRING: return LION_TYPE_STRING;
    case LION_ID_TYPE_BOOLEAN: return LION_TYPE_BOOLEAN;
    case LION_ID_TYPE_INSTANT: return LION_TYPE_INSTANT;
    case LION_ID_TYPE_BYTES: return LION_TYPE_BYTES;
    case LION_ID_TYPE_REF: return LION_TYPE_REF;
    case LION_ID_TYPE_DOUBLE:
    case LION_ID_TYPE_FLOAT: return LION_TYPE_DOUBLE;
    case LION_ID_TYPE_UUID: return LION_TYPE_UUID;
    case LION_ID_TYPE_URI: return LION_TYPE_URI;
    case LION_ID_TYPE_SYMBOL: return LION_TYPE_SYMBOL;
    case LION_ID_TYPE_TUPLE: return LION_TYPE_TUPLE;
    default: return LION_TYPE_NIL;
    }
}

static void apply_ident(lion_schema *schema, const lion_datom *datom)
{
    lion_slice name = lion_value_slice(datom->v);
    if (datom->added) {
        lion_names_put(schema->ids, name, (uint64_t)datom->e);
        set_ident(schema, datom->e, name);
        return;
    }
    /* A rename retracts the old name and asserts a new one in the same transaction: both go on resolving. */
    lion_slice newest;
    if (lion_schema_ident(&newest, schema, datom->e) == LION_OK && lion_slice_equal(newest, name)) {
        uint64_t index;
        if (lion_table_get(&schema->names, (uint64_t)datom->e, &index))
            schema->idents[index] = (lion_slice){ 0 };
    }
}

static void apply_predicate(lion_schema *schema, lion_attribute *attribute, const lion_datom *datom)
{
    lion_slice name = lion_value_slice(datom->v);
    if (!datom->added) {
        for (uint32_t i = 0; i < attribute->predicate_count; i++) {
            if (!lion_slice_equal(attribute->predicates[i], name)) continue;
            attribute->predicates[i] = attribute->predicates[--attribute->predicate_count];
            return;
        }
        return;
    }
    size_t size = attribute->predicate_count * sizeof(lion_slice);
    attribute->predicates = lion_arena_grow(&schema->arena, attribute->predicates, size,
                                            size + sizeof(lion_slice));
    attribute->predicates[attribute->predicate_count++] = lion_arena_copy(&schema->arena, name);
}

/* tupleAttrs and tupleTypes: a tuple of keywords. */
static void apply_slots(lion_schema *schema, lion_attribute *attribute, const lion_datom *datom)
{
    lion_value *slots = NULL;
    size_t count = 0;
    if (!datom->added ||
        lion_tuple_read(&slots, &count, datom->v, &schema->arena, NULL) < 0 || count > 8)
        return;
    attribute->tuple_kind = datom->a == LION_ID_TUPLE_ATTRS ? 1 : 2;
    attribute->tuple_count = (uint8_t)count;
    for (size_t i = 0; i < count; i++) {
        lion_slice name = lion_value_slice(slots[i]);
        int64_t id = 0;
        if (datom->a == LION_ID_TUPLE_TYPES)
            attribute->tuple_types[i] = (uint8_t)lion_type_of_name(name);
        else if (lion_schema_entid(&id, schema, name) == LION_OK)
            attribute->tuple_attributes[i] = (uint32_t)id;
    }
}

static void apply_attribute(lion_schema *schema, const lion_datom *datom)
{
    lion_attribute *attribute = attribute_of(schema, datom->e);
    if (attribute == NULL) return;
    bool on = datom->added && datom->v.bits != 0;
    switch (datom->a) {
    case LION_ID_VALUE_TYPE:
        if (datom->added) attribute->type = (uint8_t)type_of_id(datom->v.bits);
        break;
    case LION_ID_CARDINALITY:
        if (datom->added) attribute->is_many = datom->v.bits == LION_ID_CARDINALITY_MANY;
        break;
    case LION_ID_UNIQUE:
        if (datom->added)
            attribute->unique = datom->v.bits == LION_ID_UNIQUE_IDENTITY ? LION_UNIQUE_IDENTITY
                                                                         : LION_UNIQUE_VALUE;
        else
            attribute->unique = LION_UNIQUE_NONE;
        break;
    case LION_ID_IS_COMPONENT: attribute->is_component = on; break;
    case LION_ID_INDEX: attribute->is_indexed = on || !datom->added; break;
    case LION_ID_NO_HISTORY: attribute->no_history = on; break;
    case LION_ID_TUPLE_ATTRS:
    case LION_ID_TUPLE_TYPES: apply_slots(schema, attribute, datom); break;
    case LION_ID_TUPLE_TYPE:
        attribute->tuple_kind = 3;
        attribute->tuple_types[0] = (uint8_t)lion_type_of_name(lion_value_slice(datom->v));
        break;
    case LION_ID_ATTR_PREDS: apply_predicate(schema, attribute, datom); break;
    default: break;
    }
}

static bool is_about_attributes(uint32_t a)
{
    switch (a) {
    case LION_ID_VALUE_TYPE: case LION_ID_CARDINALITY: case LION_ID_UNIQUE: case LION_ID_IS_COMPONENT:
    case LION_ID_INDEX: case LION_ID_NO_HISTORY: case LION_ID_TUPLE_ATTRS: case LION_ID_TUPLE_TYPES:
    case LION_ID_TUPLE_TYPE: case LION_ID_ATTR_PREDS: return true;
    default: return false;
    }
}

static int by_id(const void *left, const void *right)
{
    const lion_attribute *a = *(lion_attribute *const *)left, *b = *(lion_attribute *const *)right;
    return (a->id > b->id) - (a->id < b->id);
}

static void link_composites(lion_schema *schema)
{
    for (uint32_t i = 0; i < schema->attribute_count; i++) {
        const lion_attribute *composite = schema->attributes[i];
        if (composite->tuple_kind != 1) continue;
        for (uint8_t k = 0; k < composite->tuple_count; k++) {
            uint64_t found;
            if (!lion_table_get(&schema->by_id, composite->tuple_attributes[k], &found)) continue;
            lion_attribute *member = (lion_attribute *)(uintptr_t)found;
            uint32_t *list = lion_arena_array(&schema->arena, uint32_t, member->composite_count + 1);
            for (uint32_t j = 0; j < member->composite_count; j++) list[j] = member->composites[j];
            list[member->composite_count] = composite->id;
            member->composites = list;
            member->composite_count++;
        }
    }
}

/* Lists and what follows from the parts. Entities with attribute facts but no value type are no attributes. */
static void finish(lion_schema *schema)
{
    schema->attributes = lion_arena_array(&schema->arena, lion_attribute *, schema->by_id.count + 1);
    schema->refs = lion_arena_array(&schema->arena, uint32_t, schema->by_id.count + 1);
    size_t cursor = 0;
    uint64_t id, found;
    while (lion_table_next(&schema->by_id, &cursor, &id, &found)) {
        lion_attribute *attribute = (lion_attribute *)(uintptr_t)found;
        if (attribute->type == LION_TYPE_NIL) continue;
        lion_schema_ident(&attribute->ident, schema, attribute->id);
        if (attribute->type == LION_TYPE_BYTES) attribute->is_indexed = false;
        if (attribute->unique != LION_UNIQUE_NONE) attribute->is_indexed = true;
        attribute->is_in_avet = attribute->is_indexed || attribute->type == LION_TYPE_REF;
        schema->attributes[schema->attribute_count++] = attribute;
    }
    qsort(schema->attributes, schema->attribute_count, sizeof(lion_attribute *), by_id);
    for (uint32_t i = 0; i < schema->attribute_count; i++)
        if (schema->attributes[i]->type == LION_TYPE_REF)
            schema->refs[schema->ref_count++] = schema->attributes[i]->id;
    link_composites(schema);
}

/* Names first (retractions before assertions): tuples name their members. */
static void apply_all(lion_schema *schema, const lion_datom *datoms, size_t count)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            if (datoms[i].a == LION_ID_IDENT && datoms[i].added == (pass == 1))
                apply_ident(schema, &datoms[i]);
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < count; i++)
            if (is_about_attributes(datoms[i].a) && datoms[i].added == (pass == 1))
                apply_attribute(schema, &datoms[i]);
}

static lion_status finish_or_fail(lion_schema **schema_out, lion_schema *schema, lion_error *error)
{
    finish(schema);
    if (lion_arena_check(&schema->arena, error) < 0) {
        lion_schema_drop(schema);
        return LION_FAILED;
    }
    *schema_out = schema;
    return LION_OK;
}

lion_status lion_schema_apply(lion_schema **schema_out, lion_schema *schema, const lion_datom *datoms,
                              size_t count, lion_error *error)
{
    bool is_touched = false;
    for (size_t i = 0; i < count && !is_touched; i++)
        is_touched = datoms[i].a == LION_ID_IDENT || is_about_attributes(datoms[i].a);
    if (!is_touched) {
        *schema_out = lion_schema_keep(schema);
        return LION_OK;
    }
    lion_schema *next = schema_alloc();
    if (next == NULL) return lion_fail_memory(error);
    if (!clone_names(next, schema) || !clone_attributes(next, schema)) {
        lion_schema_drop(next);
        return lion_fail_memory(error);
    }
    apply_all(next, datoms, count);
    return finish_or_fail(schema_out, next, error);
}

lion_status lion_schema_new(lion_schema **schema_out, lion_error *error)
{
    lion_schema *schema = schema_alloc();
    if (schema == NULL) return lion_fail_memory(error);
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_datom *datoms = NULL;
    size_t count = 0;
    lion_bootstrap_datoms(&datoms, &count, &arena);
    apply_all(schema, datoms, count);
    lion_arena_deinit(&arena);
    return finish_or_fail(schema_out, schema, error);
}
