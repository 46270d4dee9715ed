/* schema_apply.c - the schema after a transaction.
 *
 * Names first (an attribute of a tuple may be named in the same transaction), then, if any datom
 * touches an attribute, the whole attribute set is copied, changed and derived anew: schema changes
 * are rare, and a set is a few hundred bytes an attribute. */
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "data/tuple.h"
#include "db/bootstrap.h"
#include "db/schema_parts.h"

#define ATTRIBUTE_LIMIT (LION_ATTRIBUTE_ID_MAX + 1)

static uint64_t next_epoch(void)
{
    static uint64_t last_epoch; /* of the process, atomic: plans of two databases must not mix */
    return __atomic_add_fetch(&last_epoch, 1, __ATOMIC_RELAXED);
}

/* Does the datom change what attributes are? */
static bool is_of_attributes(const lion_datom *datom)
{
    switch (datom->a) {
    case LION_ID_VALUE_TYPE:
    case LION_ID_CARDINALITY:
    case LION_ID_UNIQUE:
    case LION_ID_IS_COMPONENT:
    case LION_ID_INDEX:
    case LION_ID_NO_HISTORY:
    case LION_ID_TUPLE_ATTRS:
    case LION_ID_TUPLE_TYPES:
    case LION_ID_TUPLE_TYPE:
    case LION_ID_ATTR_PREDS: return datom->e >= 0 && datom->e < ATTRIBUTE_LIMIT;
    case LION_ID_INSTALL_PARTITION: return true;
    default: return false;
    }
}

/* An entity of the db partition got a name: it takes an id that no other may get, and if it is an
 * attribute the set holds its name. */
static bool touches_set(const lion_datom *datom)
{
    if (is_of_attributes(datom)) return true;
    return datom->a == LION_ID_IDENT && datom->e >= 0 && datom->e < ATTRIBUTE_LIMIT;
}

/* -- Names ------------------------------------------------------------------------------------ */

static bool gets_a_name(const lion_datom *datoms, size_t count, int64_t e)
{
    for (size_t i = 0; i < count; i++)
        if (datoms[i].e == e && datoms[i].a == LION_ID_IDENT && datoms[i].added) return true;
    return false;
}

/* A retraction beside an assertion on the same entity is a rename: the old name stays. Removals go
 * first, so that a name may move from one entity to another in one transaction. */
static lion_status apply_names(lion_idents *idents_out, const lion_idents *before,
                               const lion_datom *datoms, size_t count, lion_arena *arena,
                               lion_error *error)
{
    lion_ident_change *changes = lion_arena_array(arena, lion_ident_change, count);
    if (changes == NULL) return lion_fail_memory(error);
    size_t changed = 0;
    for (int added = 0; added <= 1; added++) {
        for (size_t i = 0; i < count; i++) {
            const lion_datom *datom = &datoms[i];
            if (datom->a != LION_ID_IDENT || datom->added != (added != 0)) continue;
            if (!datom->added && gets_a_name(datoms, count, datom->e)) continue;
            changes[changed++] = (lion_ident_change){ .name = lion_value_slice(datom->v),
                                                      .id = datom->e,
                                                      .is_removed = !datom->added };
        }
    }
    lion_status status = lion_arena_check(arena, error);
    if (status < 0) return status;
    if (changed == 0) {
        lion_idents_copy(idents_out, before);
        return LION_OK;
    }
    return lion_idents_apply(idents_out, before, changes, changed, error);
}

/* -- Copying a set ---------------------------------------------------------------------------- */

static void copy_predicates(lion_attribute *attribute, lion_arena *arena)
{
    lion_slice *copies = lion_arena_array(arena, lion_slice, attribute->predicate_count + 1);
    for (uint32_t i = 0; i < attribute->predicate_count; i++)
        copies[i] = lion_arena_copy(arena, attribute->predicates[i]);
    attribute->predicates = copies;
}

/* Room for ids below limit; records of `before` (may be NULL) copied. */
static lion_attribute_set *set_copy(const lion_attribute_set *before, uint32_t limit)
{
    lion_attribute_set *set = lion_zalloc(sizeof *set);
    if (set == NULL) return NULL;
    set->references = 1;
    set->next_attribute = LION_ATTRIBUTE_ID_FIRST;
    set->next_partition = LION_PARTITION_ID_FIRST;
    lion_arena_init(&set->arena, 0);
    set->limit = limit;
    set->by_id = lion_arena_zalloc(&set->arena, sizeof(*set->by_id) * limit);
    if (set->by_id == NULL) return set; /* the arena's check answers */
    if (before == NULL) return set;
    set->next_attribute = before->next_attribute;
    set->next_partition = before->next_partition;
    memcpy(set->partitions, before->partitions, sizeof set->partitions);
    for (uint32_t i = 0; i < before->limit && !set->arena.is_exhausted; i++) {
        if (before->by_id[i] == NULL) continue;
        lion_attribute_record *record = lion_arena_new(&set->arena, lion_attribute_record);
        *record = *before->by_id[i];
        record->attribute.ident = lion_arena_copy(&set->arena, record->attribute.ident);
        copy_predicates(&record->attribute, &set->arena);
        set->by_id[i] = record;
    }
    return set;
}

static void set_free(lion_attribute_set *set)
{
    lion_arena arena = set->arena;
    lion_arena_deinit(&arena);
    lion_free(set);
}

/* -- Applying datoms -------------------------------------------------------------------------- */

static lion_attribute_record *record_of(lion_attribute_set *set, int64_t e)
{
    LION_ASSERT(e >= 0 && e < (int64_t)set->limit);
    if (set->by_id[e] == NULL) {
        set->by_id[e] = lion_arena_new(&set->arena, lion_attribute_record);
        set->by_id[e]->attribute.id = (uint32_t)e;
    }
    return set->by_id[e];
}

static lion_type type_named(lion_slice name, const lion_idents *idents)
{
    if (name.size > 0 && name.data[0] == ':') name = lion_slice_of(name.data + 1, name.size - 1);
    int64_t id = 0;
    return lion_idents_id(&id, idents, name) == LION_OK ? lion_schema_type_of_id(id)
                                                        : LION_TYPE_NIL;
}

/* The keywords of a tupleAttrs or tupleTypes value. */
static void apply_tuple(lion_attribute *attribute, const lion_datom *datom,
                        const lion_idents *idents, lion_arena *scratch)
{
    lion_value *slots = NULL;
    size_t count = 0;
    attribute->tuple_kind = 0;
    attribute->tuple_count = 0;
    if (!datom->added) return;
    if (lion_tuple_read(&slots, &count, datom->v, scratch, NULL) < 0) return;
    bool is_composite = datom->a == LION_ID_TUPLE_ATTRS;
    attribute->tuple_kind = is_composite ? 1 : 2;
    attribute->tuple_count = (uint8_t)(count > 8 ? 8 : count);
    for (size_t i = 0; i < attribute->tuple_count; i++) {
        int64_t id = 0;
        lion_slice name = lion_value_slice(slots[i]);
        if (!is_composite) {
            attribute->tuple_types[i] = (uint8_t)type_named(name, idents);
        } else if (lion_idents_id(&id, idents, name) == LION_OK) {
            attribute->tuple_attributes[i] = (uint32_t)id; /* its type comes with derive */
        }
    }
}

static void apply_predicate(lion_attribute *attribute, const lion_datom *datom, lion_arena *arena)
{
    lion_slice name = lion_value_slice(datom->v);
    uint32_t kept = 0;
    lion_slice *predicates = lion_arena_array(arena, lion_slice, attribute->predicate_count + 1);
    for (uint32_t i = 0; i < attribute->predicate_count; i++)
        if (!lion_slice_equal(attribute->predicates[i], name))
            predicates[kept++] = attribute->predicates[i];
    if (datom->added) predicates[kept++] = lion_arena_copy(arena, name);
    attribute->predicates = predicates;
    attribute->predicate_count = kept;
}

static void apply_ident(lion_attribute_set *set, const lion_datom *datom)
{
    if (!datom->added) return; /* alone it takes the name away, which transact refuses */
    record_of(set, datom->e)->attribute.ident =
        lion_arena_copy(&set->arena, lion_value_slice(datom->v));
    if (datom->e >= set->next_attribute) set->next_attribute = datom->e + 1;
}

static void apply_partition(lion_attribute_set *set, const lion_datom *datom)
{
    int64_t number = datom->v.bits;
    if (number < 0 || number > LION_PARTITION_MAX) return;
    if (datom->added) set->partitions[number / 64] |= UINT64_C(1) << (number % 64);
    if (number >= set->next_partition) set->next_partition = number + 1;
}

static void apply_datom(lion_attribute_set *set, const lion_datom *datom, const lion_idents *idents,
                        lion_arena *scratch)
{
    if (datom->a == LION_ID_INSTALL_PARTITION) {
        apply_partition(set, datom);
        return;
    }
    if (datom->a == LION_ID_IDENT) {
        apply_ident(set, datom);
        return;
    }
    lion_attribute_record *record = record_of(set, datom->e);
    lion_attribute *attribute = &record->attribute;
    bool is_on = datom->added && datom->v.bits != 0; /* of booleans */
    switch (datom->a) {
    case LION_ID_VALUE_TYPE:
        record->created_tx = datom->added ? datom->tx : 0;
        attribute->type = (uint8_t)lion_schema_type_of_id(datom->v.bits);
        if (datom->e >= set->next_attribute) set->next_attribute = datom->e + 1;
        break;
    case LION_ID_CARDINALITY:
        if (!datom->added) break;
        attribute->is_many = datom->v.bits == LION_ID_CARDINALITY_MANY;
        record->cardinality_tx = datom->tx;
        break;
    case LION_ID_UNIQUE:
        attribute->unique = !datom->added                              ? LION_UNIQUE_NONE
                            : datom->v.bits == LION_ID_UNIQUE_IDENTITY ? LION_UNIQUE_IDENTITY
                                                                       : LION_UNIQUE_VALUE;
        record->unique_tx = datom->tx;
        break;
    case LION_ID_IS_COMPONENT: attribute->is_component = is_on; break;
    case LION_ID_NO_HISTORY: attribute->no_history = is_on; break;
    case LION_ID_INDEX:
        record->index_said = !datom->added ? 0 : is_on ? 2 : 1;
        record->index_tx = datom->tx;
        break;
    case LION_ID_TUPLE_ATTRS:
    case LION_ID_TUPLE_TYPES: apply_tuple(attribute, datom, idents, scratch); break;
    case LION_ID_TUPLE_TYPE:
        attribute->tuple_kind = datom->added ? 3 : 0;
        attribute->tuple_types[0] = (uint8_t)type_named(lion_value_slice(datom->v), idents);
        break;
    case LION_ID_ATTR_PREDS: apply_predicate(attribute, datom, &set->arena); break;
    default: break;
    }
}

/* -- Deriving what the datoms do not say ------------------------------------------------------ */

/* An attribute made with db/index false has no AVET tree. One that lost its index later keeps the
 * tree up to date, though nobody reads it: regaining it costs nothing, and no tree goes stale. */
static void derive_index(lion_attribute_record *record)
{
    lion_attribute *attribute = &record->attribute;
    bool may_be = attribute->type != LION_TYPE_BYTES;
    attribute->is_indexed = may_be && record->index_said != 1;
    bool never_was = record->index_said == 1 && record->index_tx == record->created_tx;
    attribute->is_in_avet = may_be && (attribute->type == LION_TYPE_REF || !never_was);
}

static void derive_composites(lion_attribute_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        lion_attribute *attribute = &set->by_id[set->list[i]->id]->attribute;
        attribute->composite_count = 0;
        attribute->composites = NULL;
    }
    for (uint32_t i = 0; i < set->count; i++) {
        lion_attribute *composite = &set->by_id[set->list[i]->id]->attribute;
        if (composite->tuple_kind != 1) continue;
        for (uint32_t slot = 0; slot < composite->tuple_count; slot++) {
            uint32_t member_id = composite->tuple_attributes[slot];
            if (member_id >= set->limit || set->by_id[member_id] == NULL) continue;
            lion_attribute *member = &set->by_id[member_id]->attribute;
            composite->tuple_types[slot] = member->type;
            uint32_t count = member->composite_count;
            uint32_t *grown = lion_arena_array(&set->arena, uint32_t, count + 1);
            if (count > 0) memcpy(grown, member->composites, count * sizeof *grown);
            grown[count] = composite->id;
            member->composites = grown;
            member->composite_count = count + 1;
        }
    }
}

static void derive(lion_attribute_set *set)
{
    set->list = lion_arena_zalloc(&set->arena, sizeof(*set->list) * (set->limit + 1));
    set->refs = lion_arena_zalloc(&set->arena, sizeof(*set->refs) * (set->limit + 1));
    if (set->list == NULL || set->refs == NULL || set->arena.is_exhausted) return;
    for (uint32_t id = 0; id < set->limit; id++) {
        lion_attribute_record *record = set->by_id[id];
        if (record == NULL || record->created_tx == 0) continue;
        derive_index(record);
        set->list[set->count++] = &record->attribute;
        if (record->attribute.type == LION_TYPE_REF) set->refs[set->ref_count++] = id;
    }
    derive_composites(set);
}

static uint32_t limit_after(const lion_attribute_set *before, const lion_datom *datoms,
                            size_t count)
{
    int64_t limit = before == NULL ? 0 : before->limit;
    for (size_t i = 0; i < count; i++) {
        if (!touches_set(&datoms[i]) || datoms[i].e < limit) continue;
        if (datoms[i].e >= ATTRIBUTE_LIMIT) continue; /* a partition's, on whatever entity: no record */
        limit = datoms[i].e + 1;
    }
    return (uint32_t)(limit + 63) / 64 * 64;
}

static lion_status apply_set(lion_attribute_set **set_out, const lion_attribute_set *before,
                             const lion_idents *idents, const lion_datom *datoms, size_t count,
                             lion_arena *scratch, lion_error *error)
{
    lion_attribute_set *set = set_copy(before, limit_after(before, datoms, count));
    if (set == NULL) return lion_fail_memory(error);
    for (int added = 0; added <= 1; added++) { /* a new value's datom may stand before the old's */
        for (size_t i = 0; i < count && !set->arena.is_exhausted; i++)
            if (datoms[i].added == (added != 0) && touches_set(&datoms[i]))
                apply_datom(set, &datoms[i], idents, scratch);
    }
    if (!set->arena.is_exhausted) derive(set);
    lion_status status = lion_arena_check(&set->arena, error);
    if (status < 0) {
        set_free(set);
        return status;
    }
    *set_out = set;
    return LION_OK;
}

/* -- The next schema -------------------------------------------------------------------------- */

static lion_status make(lion_schema **schema_out, const lion_idents *idents_before,
                        lion_attribute_set *set_before, bool is_set_touched,
                        const lion_datom *datoms, size_t count, lion_arena *scratch,
                        lion_error *error)
{
    lion_schema *schema = lion_zalloc(sizeof *schema);
    if (schema == NULL) return lion_fail_memory(error);
    schema->references = 1;
    schema->epoch = next_epoch();
    lion_status status = apply_names(&schema->idents, idents_before, datoms, count, scratch, error);
    if (status == LION_OK && is_set_touched) {
        status =
            apply_set(&schema->set, set_before, &schema->idents, datoms, count, scratch, error);
        if (status < 0) lion_idents_drop(&schema->idents);
    } else if (status == LION_OK) {
        schema->set = set_before;
        __atomic_add_fetch(&set_before->references, 1, __ATOMIC_RELAXED);
    }
    if (status < 0) {
        lion_free(schema);
        return status;
    }
    *schema_out = schema;
    return LION_OK;
}

lion_status lion_schema_apply(lion_schema **schema_out, lion_schema *schema,
                              const lion_datom *datoms, size_t count, lion_error *error)
{
    lion_arena scratch;
    lion_arena_init(&scratch, 0);
    lion_datom *touching = NULL; /* those that concern a schema: a few, of what may be a million */
    size_t touching_count = 0, capacity = 0;
    bool is_set_touched = false;
    for (size_t i = 0; i < count; i++) {
        if (datoms[i].a > LION_ID_ATTR_PREDS) continue;
        bool is_of_set = touches_set(&datoms[i]);
        if (!is_of_set && datoms[i].a != LION_ID_IDENT) continue;
        is_set_touched = is_set_touched || is_of_set;
        if (touching_count == capacity) {
            size_t grown = capacity * 2 + 16;
            touching = lion_arena_grow(&scratch, touching, capacity * sizeof *touching,
                                       grown * sizeof *touching);
            if (touching == NULL) break;
            capacity = grown;
        }
        touching[touching_count++] = datoms[i];
    }
    lion_status status = lion_arena_check(&scratch, error);
    if (status == LION_OK && touching_count == 0) *schema_out = lion_schema_keep(schema);
    if (status == LION_OK && touching_count > 0)
        status = make(schema_out, &schema->idents, schema->set, is_set_touched, touching,
                      touching_count, &scratch, error);
    lion_arena_deinit(&scratch);
    return status;
}

lion_status lion_schema_new(lion_schema **schema_out, lion_error *error)
{
    lion_arena scratch;
    lion_arena_init(&scratch, 0);
    lion_datom *datoms = NULL;
    size_t count = 0;
    lion_bootstrap_datoms(&datoms, &count, &scratch);
    lion_status status = lion_arena_check(&scratch, error);
    lion_idents none = { .count = 0 };
    if (status == LION_OK)
        status = make(schema_out, &none, NULL, true, datoms, count, &scratch, error);
    lion_arena_deinit(&scratch);
    return status;
}
