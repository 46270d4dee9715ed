/* lookup.c - from what hosts give (names, lookup refs, plain values) to ids and typed values. */
#include "db/db.h"

#include "base/text.h"
#include "data/tuple.h"
#include "db/bootstrap.h"

/* ---- entities ---- */

static lion_status not_an_entity(lion_error *error, lion_arena *arena, const lion_form *form)
{
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%s is no entity of this database", lion_form_text(arena, form));
}

bool lion_form_is_lookup(const lion_db *db, const lion_form *form)
{
    if (form->kind != LION_FORM_VECTOR || form->count != 2) return false;
    if (form->flags & LION_FORM_LOOKUP) return true;
    lion_slice name;
    if (!lion_form_as_slice(&form->items[0], &name)) return false;
    if (form->items[0].flags & LION_FORM_LITERAL) return false;
    const lion_attribute *attribute = lion_schema_attribute_named(db->schema, name);
    return attribute != NULL && attribute->unique != LION_UNIQUE_NONE;
}

static lion_status lookup_ref(int64_t *id_out, const lion_db *db, const lion_form *form,
                              lion_arena *arena, lion_error *error)
{
    const lion_attribute *attribute = NULL;
    lion_status status = lion_db_attribute(&attribute, db, &form->items[0], error);
    if (status < 0) return status;
    if (attribute->unique == LION_UNIQUE_NONE)
        return lion_fail(error, LION_INCORRECT, "db.error/lookup-ref-attr-not-unique",
                         "%s cannot look up an entity: :%.*s is not unique",
                         lion_form_text(arena, form), (int)attribute->ident.size,
                         (const char *)attribute->ident.data);
    lion_value value;
    lion_error ignored = { 0 };
    status = lion_db_value(&value, db, attribute, &form->items[1], arena, &ignored);
    if (status < 0) {
        /* A reference that leads nowhere finds nothing; a value of the wrong type is a mistake. */
        if (attribute->type == LION_TYPE_REF || attribute->type == LION_TYPE_TUPLE) return LION_ABSENT;
        if (error != NULL) *error = ignored;
        return status;
    }
    lion_view view = db->view;
    view.filter_count = 0;
    return lion_view_find(id_out, NULL, &view, attribute->id, value, arena, error);
}

lion_status lion_db_entid(int64_t *id_out, const lion_db *db, const lion_form *entity,
                          lion_arena *arena, lion_error *error)
{
    if (entity->kind == LION_FORM_VECTOR && entity->count == 2)
        return lookup_ref(id_out, db, entity, arena, error);
    if (entity->kind != LION_FORM_VALUE) return not_an_entity(error, arena, entity);
    lion_value value = entity->value;
    switch (value.type) {
    case LION_TYPE_LONG: case LION_TYPE_REF: case LION_TYPE_ATTRIBUTE:
        if (value.bits < 0 || value.bits > LION_ID_MAX)
            return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                             "%lld is no entity id: ids are whole numbers from 0 below 2^53",
                             (long long)value.bits);
        *id_out = value.bits;
        return LION_OK;
    case LION_TYPE_STRING: case LION_TYPE_KEYWORD:
        return lion_schema_entid(id_out, db->schema, lion_value_slice(value));
    case LION_TYPE_DOUBLE:
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id", "%s is no entity id",
                         lion_value_text(arena, value));
    default: return not_an_entity(error, arena, entity);
    }
}

lion_status lion_db_attribute(const lion_attribute **attribute_out, const lion_db *db,
                              const lion_form *form, lion_error *error)
{
    const lion_attribute *attribute = NULL;
    lion_slice name = { 0 };
    int64_t id = 0;
    if (lion_form_as_slice(form, &name)) {
        attribute = lion_schema_attribute_named(db->schema, name);
        if (attribute == NULL) return lion_schema_fail_unknown(error, db->schema, name);
    } else if (form->kind == LION_FORM_VALUE &&
               (lion_form_as_long(form, &id) || form->value.type == LION_TYPE_REF ||
                form->value.type == LION_TYPE_ATTRIBUTE)) {
        attribute = lion_schema_attribute(db->schema, form->value.bits);
        if (attribute == NULL)
            return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                             "the entity %lld is no attribute", (long long)form->value.bits);
    } else {
        return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                         "an attribute is given by its name, such as \"person/name\"");
    }
    *attribute_out = attribute;
    return LION_OK;
}

/* ---- values ---- */

static lion_status wrong_type(lion_error *error, lion_arena *arena, const lion_attribute *attribute,
                              const lion_form *form)
{
    return lion_fail(error, LION_INCORRECT, "db.error/wrong-type-for-attribute",
                     ":%.*s takes a value of :%s, not %s", (int)attribute->ident.size,
                     (const char *)attribute->ident.data, lion_type_name((lion_type)attribute->type),
                     lion_form_text(arena, form));
}

static lion_status ref_value(lion_value *value_out, const lion_db *db, const lion_attribute *attribute,
                             const lion_form *form, lion_arena *arena, lion_error *error)
{
    if (form->kind == LION_FORM_VALUE && (form->value.type == LION_TYPE_DOUBLE ||
                                          form->value.type == LION_TYPE_BOOLEAN))
        return wrong_type(error, arena, attribute, form);
    if (form->kind != LION_FORM_VALUE && !(form->kind == LION_FORM_VECTOR && form->count == 2))
        return wrong_type(error, arena, attribute, form);
    int64_t id = 0;
    lion_status status = lion_db_entid(&id, db, form, arena, error);
    if (status == LION_ABSENT) return not_an_entity(error, arena, form);
    if (status < 0) return status;
    *value_out = lion_value_ref(id);
    return LION_OK;
}

static lion_status tuple_value(lion_value *value_out, const lion_db *db, const lion_attribute *attribute,
                               const lion_form *form, lion_arena *arena, lion_error *error)
{
    if (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_TUPLE) {
        *value_out = form->value;
        return LION_OK;
    }
    if (form->kind != LION_FORM_VECTOR) return wrong_type(error, arena, attribute, form);
    uint32_t expected = attribute->tuple_kind == 3 || attribute->tuple_kind == 0 ? form->count : attribute->tuple_count;
    if (form->count < 2 || form->count > 8 || form->count != expected)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-tuple-value",
                         ":%.*s takes a tuple of %s, not %s", (int)attribute->ident.size,
                         (const char *)attribute->ident.data,
                         expected == form->count ? "2 to 8 slots"
                                                 : lion_arena_printf(arena, "%u slots", expected),
                         lion_form_text(arena, form));
    lion_value slots[8];
    for (uint32_t i = 0; i < form->count; i++) {
        const lion_form *item = &form->items[i];
        if (item->kind == LION_FORM_VALUE && item->value.type == LION_TYPE_NIL) {
            slots[i] = lion_value_nil();
            continue;
        }
        lion_attribute slot = { .ident = attribute->ident, .type = LION_TYPE_KEYWORD };
        if (attribute->tuple_kind == 1) {
            const lion_attribute *member =
                lion_schema_attribute(db->schema, attribute->tuple_attributes[i]);
            if (member != NULL) slot.type = member->type;
        } else if (attribute->tuple_kind != 0) {
            slot.type = attribute->tuple_types[attribute->tuple_kind == 3 ? 0 : i];
        }
        lion_status status = LION_OK;
        if (slot.type == LION_TYPE_REF && item->kind != LION_FORM_VALUE)
            status = LION_ABSENT; /* no lookup refs inside tuples */
        else
            status = lion_db_value(&slots[i], db, &slot, item, arena, error);
        if (status == LION_ABSENT ||
            (status < 0 && error != NULL && slot.type != LION_TYPE_REF))
            return lion_fail(error, LION_INCORRECT, "db.error/invalid-tuple-value",
                             "slot %u of :%.*s takes a value of :%s, not %s", i + 1,
                             (int)attribute->ident.size, (const char *)attribute->ident.data,
                             lion_type_name((lion_type)slot.type), lion_form_text(arena, item));
        if (status < 0) return status;
    }
    *value_out = lion_tuple_make(arena, slots, form->count);
    return LION_OK;
}

lion_status lion_db_value(lion_value *value_out, const lion_db *db, const lion_attribute *attribute,
                          const lion_form *form, lion_arena *arena, lion_error *error)
{
    if (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL)
        return lion_fail(error, LION_INCORRECT, "db.error/nil-value",
                         ":%.*s was given null: leave the attribute out, or retract it",
                         (int)attribute->ident.size, (const char *)attribute->ident.data);
    if (attribute->type == LION_TYPE_REF) return ref_value(value_out, db, attribute, form, arena, error);
    if (attribute->type == LION_TYPE_TUPLE)
        return tuple_value(value_out, db, attribute, form, arena, error);
    if (form->kind != LION_FORM_VALUE) return wrong_type(error, arena, attribute, form);
    lion_value value;
    if (lion_value_coerce(&value, form->value, (lion_type)attribute->type, arena) != LION_OK)
        return wrong_type(error, arena, attribute, form);
    if (value.size > LION_VALUE_SIZE_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/limit", "a value of %u bytes is over the limit of %u",
                         value.size, LION_VALUE_SIZE_MAX);
    *value_out = value;
    return LION_OK;
}

/* ---- components of index calls ---- */

typedef enum component { COMPONENT_E, COMPONENT_A, COMPONENT_V, COMPONENT_TX } component;

static const component orders[4][4] = {
    [LION_EAVT] = { COMPONENT_E, COMPONENT_A, COMPONENT_V, COMPONENT_TX },
    [LION_AEVT] = { COMPONENT_A, COMPONENT_E, COMPONENT_V, COMPONENT_TX },
    [LION_AVET] = { COMPONENT_A, COMPONENT_V, COMPONENT_E, COMPONENT_TX },
    [LION_VAET] = { COMPONENT_V, COMPONENT_A, COMPONENT_E, COMPONENT_TX },
};

static lion_status key_tx(lion_key *key, const lion_form *form, lion_arena *arena, lion_error *error)
{
    int64_t number = 0;
    if (!lion_form_as_long(form, &number))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%s is no transaction id or t",
                         lion_form_text(arena, form));
    key->datom.tx = lion_id_partition(number) == LION_PARTITION_TX ? number : lion_t_to_tx(number);
    key->datom.added = true;
    return LION_OK;
}

static lion_status key_part(lion_key *key, component part, const lion_db *db, lion_index index,
                            const lion_form *form, lion_arena *arena, lion_error *error)
{
    const lion_attribute *attribute = NULL;
    lion_status status = LION_OK;
    switch (part) {
    case COMPONENT_E: return lion_db_entid(&key->datom.e, db, form, arena, error);
    case COMPONENT_TX: return key_tx(key, form, arena, error);
    case COMPONENT_A:
        status = lion_db_attribute(&attribute, db, form, error);
        if (status < 0) return status;
        key->datom.a = attribute->id;
        if (index == LION_AVET && !attribute->is_indexed)
            return lion_fail(error, LION_INCORRECT, "db.error/attribute-not-indexed",
                             ":%.*s is not in AVET (db/index is false, or it holds bytes)",
                             (int)attribute->ident.size, (const char *)attribute->ident.data);
        return LION_OK;
    case COMPONENT_V:
        if (index == LION_VAET) {
            int64_t id = 0;
            status = lion_db_entid(&id, db, form, arena, error);
            key->datom.v = lion_value_ref(id);
            return status;
        }
        attribute = lion_schema_attribute(db->schema, key->datom.a);
        if (attribute == NULL) return LION_ABSENT;
        if (attribute->type == LION_TYPE_REF) {
            int64_t id = 0;
            status = lion_db_entid(&id, db, form, arena, error);
            key->datom.v = lion_value_ref(id);
            return status;
        }
        return lion_db_value(&key->datom.v, db, attribute, form, arena, error);
    }
    return LION_ABSENT;
}

lion_status lion_db_key(lion_key *key_out, const lion_db *db, lion_index index, const lion_form *forms,
                        size_t count, lion_arena *arena, lion_error *error)
{
    if (count > 4)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "an index has four components, and %zu were given", count);
    lion_key key = { .parts = (uint8_t)count };
    bool is_absent = false;
    for (size_t i = 0; i < count; i++) {
        lion_status status = key_part(&key, orders[index][i], db, index, &forms[i], arena, error);
        if (status < 0) return status;
        if (status == LION_ABSENT) is_absent = true;
    }
    *key_out = key;
    return is_absent ? LION_ABSENT : LION_OK;
}
