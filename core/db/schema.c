/* schema.c - asking a schema; schema_apply.c makes the next one. */
#include "db/schema.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "base/text.h"
#include "db/bootstrap.h"
#include "db/schema_parts.h"

static lion_slice without_colon(lion_slice name)
{
    if (name.size > 0 && name.data[0] == ':') return lion_slice_of(name.data + 1, name.size - 1);
    return name;
}

static void set_drop(lion_attribute_set *set)
{
    if (__atomic_sub_fetch(&set->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    lion_arena arena = set->arena; /* the set itself does not lie in it, its parts do */
    lion_arena_deinit(&arena);
    lion_free(set);
}

lion_schema *lion_schema_keep(lion_schema *schema)
{
    __atomic_add_fetch(&schema->references, 1, __ATOMIC_RELAXED);
    return schema;
}

void lion_schema_drop(lion_schema *schema)
{
    if (schema == NULL) return;
    if (__atomic_sub_fetch(&schema->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    lion_idents_drop(&schema->idents);
    set_drop(schema->set);
    lion_free(schema);
}

const lion_attribute *lion_schema_attribute(const lion_schema *schema, int64_t id)
{
    const lion_attribute_set *set = schema->set;
    if (id < 0 || id >= (int64_t)set->limit || set->by_id[id] == NULL) return NULL;
    return set->by_id[id]->created_tx == 0 ? NULL : &set->by_id[id]->attribute;
}

static bool was_so(const lion_attribute *attribute, int64_t since_tx, int64_t t)
{
    const lion_attribute_record *record = (const lion_attribute_record *)attribute;
    return since_tx <= record->created_tx || lion_tx_to_t(since_tx) <= t;
}

bool lion_attribute_was_one(const lion_attribute *attribute, int64_t t)
{
    const lion_attribute_record *record = (const lion_attribute_record *)attribute;
    return !attribute->is_many && was_so(attribute, record->cardinality_tx, t);
}

bool lion_attribute_was_unique(const lion_attribute *attribute, int64_t t)
{
    const lion_attribute_record *record = (const lion_attribute_record *)attribute;
    return attribute->unique != LION_UNIQUE_NONE && was_so(attribute, record->unique_tx, t);
}

const lion_attribute *lion_schema_attribute_named(const lion_schema *schema, lion_slice name)
{
    int64_t id = 0;
    if (lion_idents_id(&id, &schema->idents, without_colon(name)) != LION_OK) return NULL;
    return lion_schema_attribute(schema, id);
}

lion_status lion_schema_entid(int64_t *id_out, const lion_schema *schema, lion_slice name)
{
    return lion_idents_id(id_out, &schema->idents, without_colon(name));
}

lion_status lion_schema_ident(lion_slice *name_out, const lion_schema *schema, int64_t id)
{
    return lion_idents_name(name_out, &schema->idents, id);
}

const lion_attribute *const *lion_schema_attributes(const lion_schema *schema, uint32_t *count_out)
{
    *count_out = schema->set->count;
    return schema->set->list;
}

const uint32_t *lion_schema_refs(const lion_schema *schema, uint32_t *count_out)
{
    *count_out = schema->set->ref_count;
    return schema->set->refs;
}

uint64_t lion_schema_epoch(const lion_schema *schema)
{
    return schema->epoch;
}

int64_t lion_schema_next_attribute(const lion_schema *schema)
{
    return schema->set->next_attribute;
}

int64_t lion_schema_next_partition(const lion_schema *schema)
{
    return schema->set->next_partition;
}

bool lion_schema_has_partition(const lion_schema *schema, int64_t partition)
{
    if (partition < 0 || partition > LION_PARTITION_MAX) return false;
    return (schema->set->partitions[partition / 64] >> (partition % 64) & 1) != 0;
}

lion_type lion_schema_type_of_id(int64_t id)
{
    switch (id) {
    case LION_ID_TYPE_KEYWORD: return LION_TYPE_KEYWORD;
    case LION_ID_TYPE_LONG: return LION_TYPE_LONG;
    case LION_ID_TYPE_STRING: return LION_TYPE_STRING;
    case LION_ID_TYPE_BOOLEAN: return LION_TYPE_BOOLEAN;
    case LION_ID_TYPE_INSTANT: return LION_TYPE_INSTANT;
    case LION_ID_TYPE_BYTES: return LION_TYPE_BYTES;
    case LION_ID_TYPE_REF: return LION_TYPE_REF;
    case LION_ID_TYPE_DOUBLE: /* float is kept as double */
    case LION_ID_TYPE_FLOAT: return LION_TYPE_DOUBLE;
    case LION_ID_TYPE_UUID: return LION_TYPE_UUID;
    case LION_ID_TYPE_URI: return LION_TYPE_URI;
    case LION_ID_TYPE_SYMBOL: return LION_TYPE_SYMBOL;
    case LION_ID_TYPE_TUPLE: return LION_TYPE_TUPLE;
    case LION_ID_TYPE_BIGDEC: return LION_TYPE_DECIMAL;
    default: return LION_TYPE_NIL; /* bigint, fn, and what is no type */
    }
}

/* The nearest attribute, if it is near enough to be what was meant: a third of the name may differ.
 */
static const lion_attribute *nearest(const lion_schema *schema, lion_slice name)
{
    const lion_attribute_set *set = schema->set;
    size_t limit = name.size / 3 < 2 ? 2 : name.size / 3;
    if (limit > 6) limit = 6;
    const lion_attribute *best = NULL;
    for (uint32_t i = 0; i < set->count && name.size <= 200; i++) {
        size_t distance = lion_edit_distance(name, set->list[i]->ident, limit);
        if (distance > limit) continue;
        best = set->list[i];
        if (distance == 0) break;
        limit = distance - 1;
        if (limit == 0) break;
    }
    return best;
}

lion_status lion_schema_fail_unknown(lion_error *error, const lion_schema *schema, lion_slice name)
{
    name = without_colon(name);
    int shown = name.size > 200 ? 200 : (int)name.size;
    int64_t id = 0;
    if (lion_schema_entid(&id, schema, name) == LION_OK) {
        return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                         ":%.*s is an entity (%lld) but no attribute: it has no db/valueType",
                         shown, (const char *)name.data, (long long)id);
    }
    const lion_attribute *meant = nearest(schema, name);
    if (meant == NULL) {
        return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                         "there is no attribute :%.*s: transact its schema first", shown,
                         (const char *)name.data);
    }
    return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                     "there is no attribute :%.*s; did you mean :%.*s?", shown,
                     (const char *)name.data, (int)meant->ident.size,
                     (const char *)meant->ident.data);
}
