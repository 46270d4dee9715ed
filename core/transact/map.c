/* map.c - {db/id e, attribute value …}: collections, lookup refs, nested maps, reverse keys. */
#include "transact/tx.h"

static lion_status expand_entity(lion_tx *tx, int64_t e, const lion_form *map, int depth,
                                 lion_error *error);

static bool is_id_key(const lion_form *key)
{
    return lion_form_is_text(key, "db/id") || lion_form_is_text(key, ":db/id");
}

/* LION_ABSENT: the map does not say. */
static lion_status stated_entity(int64_t *e_out, lion_tx *tx, const lion_form *map,
                                 lion_error *error)
{
    for (uint32_t i = 0; i < map->count; i++)
        if (is_id_key(&map->items[2 * i]))
            return lion_tx_entity_of(e_out, tx, &map->items[2 * i + 1], error);
    return LION_ABSENT;
}

/* -- Nested maps ------------------------------------------------------------------------------ */

static bool has_unique_key(lion_tx *tx, const lion_form *map)
{
    for (uint32_t i = 0; i < map->count; i++) {
        lion_tx_key key;
        if (lion_tx_key_of(&key, tx, &map->items[2 * i], NULL) < 0) continue;
        if (key.kind == LION_KEY_ATTRIBUTE && key.attribute->unique != LION_UNIQUE_NONE)
            return true;
    }
    return false;
}

/* The entity that a nested map describes. Somebody must hold it: a component's owner, a unique
 * value of its own, an id it states, or (in a reverse key) its own ref to the parent. */
static lion_status expand_nested(int64_t *e_out, lion_tx *tx, int64_t parent,
                                 const lion_attribute *attribute, bool is_reverse,
                                 const lion_form *map, int depth, lion_error *error)
{
    lion_status status = stated_entity(e_out, tx, map, error);
    if (status == LION_ABSENT) {
        if (!attribute->is_component && !is_reverse && !has_unique_key(tx, map))
            return lion_fail(error, LION_INCORRECT, "db.error/invalid-nested-entity",
                             "nothing holds the map nested under :%.*s: make the attribute a "
                             "component, or give the map a unique attribute or a db/id",
                             (int)attribute->ident.size, (const char *)attribute->ident.data);
        *e_out = lion_tx_tempid_new(tx, parent);
        status = LION_OK;
    }
    if (status < 0) return status;
    return expand_entity(tx, *e_out, map, depth + 1, error);
}

/* -- Values of one key ------------------------------------------------------------------------ */

/* Are the items values of their own, or is the vector one value (a tuple, a lookup ref)? */
static bool is_collection(const lion_tx *tx, const lion_attribute *attribute, bool is_reverse,
                          const lion_form *form)
{
    if (form->kind == LION_FORM_SET) return attribute->is_many || is_reverse;
    if (form->kind == LION_FORM_MAP) /* an empty table says nothing of many */
        return form->count == 0 && (attribute->is_many || is_reverse);
    if (form->kind != LION_FORM_VECTOR) return false;
    if (attribute->type == LION_TYPE_TUPLE) {
        if (!attribute->is_many) return false;
        return form->count == 0 || form->items[0].kind == LION_FORM_VECTOR ||
               (form->items[0].kind == LION_FORM_VALUE &&
                form->items[0].value.type == LION_TYPE_TUPLE);
    }
    if (!attribute->is_many && !is_reverse) return false;
    return attribute->type != LION_TYPE_REF || !lion_form_is_lookup(tx->db, form);
}

static lion_status add_one(lion_tx *tx, int64_t e, const lion_tx_key *key, const lion_form *form,
                           int depth, lion_error *error)
{
    const lion_attribute *attribute = key->attribute;
    bool is_reverse = key->kind == LION_KEY_REVERSE;
    lion_value v;
    lion_status status;
    if (form->kind == LION_FORM_MAP && attribute->type == LION_TYPE_REF) {
        int64_t nested = 0;
        status = expand_nested(&nested, tx, e, attribute, is_reverse, form, depth, error);
        v = lion_value_ref(nested);
    } else {
        status = lion_tx_value_of(&v, tx, attribute, form, error);
    }
    if (status < 0) return status;
    if (is_reverse)
        return lion_tx_add(tx, v.bits, attribute, lion_value_ref(e), LION_FACT_ADD, error);
    return lion_tx_add(tx, e, attribute, v, LION_FACT_ADD, error);
}

static lion_status add_values(lion_tx *tx, int64_t e, const lion_tx_key *key, const lion_form *form,
                              int depth, lion_error *error)
{
    bool is_reverse = key->kind == LION_KEY_REVERSE;
    if (form->kind == LION_FORM_VALUE || !is_collection(tx, key->attribute, is_reverse, form))
        return add_one(tx, e, key, form, depth, error);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < form->count; i++)
        status = add_one(tx, e, key, &form->items[i], depth, error);
    return status;
}

static lion_status expand_entity(lion_tx *tx, int64_t e, const lion_form *map, int depth,
                                 lion_error *error)
{
    if (depth > LION_FORM_INPUT_DEPTH_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "maps nest more than %d deep: name the entities by tempids instead",
                         LION_FORM_INPUT_DEPTH_MAX);
    for (uint32_t i = 0; i < map->count; i++) {
        lion_tx_key key;
        const lion_form *value = &map->items[2 * i + 1];
        lion_status status = lion_tx_key_of(&key, tx, &map->items[2 * i], error);
        if (status < 0) return status;
        if (key.kind == LION_KEY_ID) continue;
        status = key.kind == LION_KEY_ENSURE ? lion_tx_ensure_spec(tx, e, value, error)
                                             : add_values(tx, e, &key, value, depth, error);
        if (status < 0) return status;
    }
    return LION_OK;
}

lion_status lion_tx_expand_map(lion_tx *tx, const lion_form *map, lion_error *error)
{
    int64_t e = 0;
    lion_status status = stated_entity(&e, tx, map, error);
    if (status < 0) return status;
    if (status == LION_ABSENT) e = lion_tx_tempid_new(tx, LION_NOBODY);
    return expand_entity(tx, e, map, 0, error);
}
