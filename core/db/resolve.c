/* resolve.c - from what a host calls an entity, an attribute or a value to the thing itself. */
#include "base/assert.h"
#include "data/tuple.h"
#include "db/bootstrap.h"
#include "db/value.h"

#define LOOKUP_DEPTH_MAX                                                                           \
    8 /* a lookup ref's value may be one, where the unique attribute is a ref */

static lion_status entid_at_depth(int64_t *id_out, const lion_db *db, const lion_form *entity,
                                  int depth, lion_arena *arena, lion_error *error);

/* -- Attributes ------------------------------------------------------------------------------- */

lion_status lion_db_attribute(const lion_attribute **attribute_out, const lion_db *db,
                              const lion_form *attribute, lion_error *error)
{
    lion_slice name;
    bool is_value = attribute->kind == LION_FORM_VALUE;
    if (is_value && attribute->value.type != LION_TYPE_SYMBOL &&
        lion_form_as_slice(attribute, &name)) {
        *attribute_out = lion_schema_attribute_named(db->schema, name);
        if (*attribute_out != NULL) return LION_OK;
        return lion_schema_fail_unknown(error, db->schema, name);
    }
    uint8_t type = is_value ? attribute->value.type : LION_TYPE_NIL;
    if (type == LION_TYPE_LONG || type == LION_TYPE_REF || type == LION_TYPE_ATTRIBUTE) {
        *attribute_out = lion_schema_attribute(db->schema, attribute->value.bits);
        if (*attribute_out != NULL) return LION_OK;
        return lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
                         "entity %lld is no attribute", (long long)attribute->value.bits);
    }
    lion_arena scratch;
    lion_arena_init(&scratch, 0);
    lion_fail(error, LION_INCORRECT, "lion/unknown-attribute",
              "%.200s is no attribute: give its name (\"person/name\") or its id",
              lion_form_text(&scratch, attribute));
    lion_arena_deinit(&scratch);
    return LION_FAILED;
}

/* -- Entities --------------------------------------------------------------------------------- */

static lion_status fail_not_unique(lion_error *error, const lion_attribute *attribute)
{
    return lion_fail(error, LION_INCORRECT, "db.error/lookup-ref-attr-not-unique",
                     ":%.*s cannot be looked up by: it is not unique (db/unique)",
                     (int)attribute->ident.size, (const char *)attribute->ident.data);
}

bool lion_form_is_lookup(const lion_db *db, const lion_form *form)
{
    lion_slice name;
    if (form->kind != LION_FORM_VECTOR || form->count != 2) return false;
    if (form->flags & LION_FORM_LOOKUP) return true;
    if (!lion_form_as_slice(&form->items[0], &name)) return false;
    if (form->items[0].flags & LION_FORM_LITERAL) return false;
    const lion_attribute *attribute = lion_schema_attribute_named(db->schema, name);
    return attribute != NULL && attribute->unique != LION_UNIQUE_NONE;
}

static lion_status value_at_depth(lion_value *value_out, const lion_db *db,
                                  const lion_attribute *attribute, const lion_form *form, int depth,
                                  lion_arena *arena, lion_error *error);

static lion_status entid_of_lookup(int64_t *id_out, const lion_db *db, const lion_form *attribute,
                                   const lion_form *value, int depth, lion_arena *arena,
                                   lion_error *error)
{
    const lion_attribute *unique = NULL;
    lion_status status = lion_db_attribute(&unique, db, attribute, error);
    if (status < 0) return status;
    if (unique->unique == LION_UNIQUE_NONE) return fail_not_unique(error, unique);
    lion_value wanted;
    status = value_at_depth(&wanted, db, unique, value, depth + 1, arena, error);
    if (status != LION_OK) return status;
    lion_view view;
    lion_db_plain_view(&view, db);
    return lion_view_find(id_out, NULL, &view, unique->id, wanted, arena, error);
}

static lion_status fail_no_entity(lion_error *error, const lion_form *entity, lion_arena *arena)
{
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.200s is no entity: give an id, an ident (\":ns/name\"), or a lookup ref (a "
                     "unique attribute and its value)",
                     lion_form_text(arena, entity));
}

static lion_status entid_at_depth(int64_t *id_out, const lion_db *db, const lion_form *entity,
                                  int depth, lion_arena *arena, lion_error *error)
{
    const lion_form *attribute = NULL, *value = NULL;
    if (depth > LOOKUP_DEPTH_MAX) return fail_no_entity(error, entity, arena);
    if (lion_lookup_parts(&attribute, &value, entity) == LION_OK)
        return entid_of_lookup(id_out, db, attribute, value, depth, arena, error);
    if (entity->kind != LION_FORM_VALUE) return fail_no_entity(error, entity, arena);
    switch (entity->value.type) {
    case LION_TYPE_LONG:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE: {
        lion_status status = lion_entity_id_check(entity->value.bits, error);
        if (status == LION_OK) *id_out = entity->value.bits;
        return status;
    }
    case LION_TYPE_KEYWORD:
    case LION_TYPE_STRING:
        return lion_schema_entid(id_out, db->schema, lion_value_slice(entity->value));
    default: return fail_no_entity(error, entity, arena);
    }
}

lion_status lion_db_entid(int64_t *id_out, const lion_db *db, const lion_form *entity,
                          lion_arena *arena, lion_error *error)
{
    return entid_at_depth(id_out, db, entity, 0, arena, error);
}

/* -- Values ----------------------------------------------------------------------------------- */

static lion_status tuple_value(lion_value *value_out, const lion_db *db,
                               const lion_attribute *attribute, const lion_form *form,
                               lion_arena *arena, lion_error *error)
{
    lion_value slots[LION_TUPLE_SLOTS_MAX];
    const lion_form *refs[LION_TUPLE_SLOTS_MAX];
    size_t count = 0;
    lion_status status = lion_tuple_of_form(slots, refs, &count, attribute, form, arena, error);
    for (size_t i = 0; status == LION_OK && i < count; i++) {
        if (refs[i] == NULL) continue;
        if (refs[i]->kind != LION_FORM_VALUE) return LION_ABSENT; /* no lookup refs in tuples */
        int64_t id = 0;
        status = lion_db_entid(&id, db, refs[i], arena, error);
        slots[i] = lion_value_ref(id);
    }
    if (status == LION_OK) *value_out = lion_tuple_make(arena, slots, count);
    return status;
}

/* LION_ABSENT: a ref to nobody. */
static lion_status value_at_depth(lion_value *value_out, const lion_db *db,
                                  const lion_attribute *attribute, const lion_form *form, int depth,
                                  lion_arena *arena, lion_error *error)
{
    lion_type type = (lion_type)attribute->type;
    if (type == LION_TYPE_TUPLE) return tuple_value(value_out, db, attribute, form, arena, error);
    if (type != LION_TYPE_REF)
        return lion_value_of_form(value_out, attribute, type, form, arena, error);
    bool is_text = form->kind == LION_FORM_VALUE &&
                   (form->value.type == LION_TYPE_STRING || form->value.type == LION_TYPE_KEYWORD);
    bool is_number = form->kind == LION_FORM_VALUE && lion_type_is_number(form->value.type) &&
                     form->value.type != LION_TYPE_DOUBLE && form->value.type != LION_TYPE_INSTANT;
    if (!is_text && !is_number && form->kind != LION_FORM_VECTOR)
        return lion_fail_wrong_type(error, attribute, "an entity (id, ident or lookup ref)", form,
                                    arena);
    int64_t id = 0;
    lion_status status = entid_at_depth(&id, db, form, depth, arena, error);
    if (status == LION_OK) *value_out = lion_value_ref(id);
    return status;
}

lion_status lion_db_value(lion_value *value_out, const lion_db *db, const lion_attribute *attribute,
                          const lion_form *form, lion_arena *arena, lion_error *error)
{
    lion_status status = value_at_depth(value_out, db, attribute, form, 0, arena, error);
    if (status != LION_ABSENT) return status;
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.200s is nobody: :%.*s refers to an entity that is there",
                     lion_form_text(arena, form), (int)attribute->ident.size,
                     (const char *)attribute->ident.data);
}
