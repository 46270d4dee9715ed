/* operand.c - the parts of an operation: keys, attributes, entities, values. */
#include "base/hash.h"
#include "base/text.h"
#include "data/tuple.h"
#include "transact/tx.h"

/* -- Keys and attributes ---------------------------------------------------------------------- */

static lion_slice without_colon(lion_slice name)
{
    if (name.size > 0 && name.data[0] == ':') return lion_slice_of(name.data + 1, name.size - 1);
    return name;
}

static bool is_text(lion_slice name, const char *text)
{
    return lion_slice_equal(name, lion_slice_text(text));
}

/* ns/_name → ns/name in the arena; false: no reverse name. */
static bool forward_name(lion_slice *forward_out, lion_slice name, lion_arena *arena)
{
    const uint8_t *slash = memchr(name.data, '/', name.size);
    size_t at = slash == NULL ? 0 : (size_t)(slash - name.data) + 1;
    if (at >= name.size || name.data[at] != '_' || name.size == at + 1) return false;
    uint8_t *forward = lion_arena_alloc(arena, name.size);
    if (forward == NULL) return false;
    memcpy(forward, name.data, at);
    memcpy(forward + at, name.data + at + 1, name.size - at - 1);
    *forward_out = lion_slice_of(forward, name.size - 1);
    return true;
}

static lion_status find_key(lion_tx_key *key, lion_tx *tx, lion_slice name, lion_error *error)
{
    lion_slice bare = without_colon(name), forward;
    *key = (lion_tx_key){ .name = name, .kind = LION_KEY_ATTRIBUTE };
    if (is_text(bare, "db/id")) {
        key->kind = LION_KEY_ID;
        return LION_OK;
    }
    if (forward_name(&forward, bare, tx->arena)) {
        key->kind = LION_KEY_REVERSE;
        bare = forward;
    }
    key->attribute = lion_schema_attribute_named(tx->schema, bare);
    if (key->attribute == NULL) return lion_schema_fail_unknown(error, tx->schema, bare);
    if (key->attribute->id == LION_ID_ENSURE) key->kind = LION_KEY_ENSURE;
    if (key->kind == LION_KEY_REVERSE && key->attribute->type != LION_TYPE_REF)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         ":%.*s asks for :%.*s backwards, but that is no ref attribute",
                         (int)name.size, (const char *)name.data, (int)bare.size,
                         (const char *)bare.data);
    return LION_OK;
}

lion_status lion_tx_key_of(lion_tx_key *key_out, lion_tx *tx, const lion_form *form,
                           lion_error *error)
{
    lion_slice name;
    if (!lion_form_as_slice(form, &name)) {
        const lion_attribute *attribute =
            NULL; /* an id; or an error that says what would be right */
        lion_status status = lion_db_attribute(&attribute, tx->db, form, error);
        if (status == LION_OK)
            *key_out = (lion_tx_key){ .kind = attribute->id == LION_ID_ENSURE ? LION_KEY_ENSURE
                                                                              : LION_KEY_ATTRIBUTE,
                                      .attribute = attribute };
        return status;
    }
    uint64_t hash = lion_hash(name.data, name.size);
    lion_tx_key *remembered = &tx->keys[hash % LION_TX_KEYS];
    if (remembered->name.size == 0 || !lion_slice_equal(remembered->name, name)) {
        lion_tx_key key;
        lion_status status = find_key(&key, tx, name, error);
        if (status < 0) return status;
        *remembered = key;
    }
    *key_out = *remembered;
    return LION_OK;
}

lion_status lion_tx_attribute_of(const lion_attribute **attribute_out, lion_tx *tx,
                                 const lion_form *form, lion_error *error)
{
    lion_tx_key key;
    lion_status status = lion_tx_key_of(&key, tx, form, error);
    if (status < 0) return status;
    if (key.kind == LION_KEY_ID || key.kind == LION_KEY_REVERSE)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "%.200s is a key for maps: a list takes an attribute there",
                         lion_form_text(tx->arena, form));
    *attribute_out = key.attribute;
    return LION_OK;
}

/* -- Entities --------------------------------------------------------------------------------- */

static lion_status fail_nobody(lion_error *error, lion_tx *tx, const lion_form *form)
{
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.200s is no entity of the database before this transaction",
                     lion_form_text(tx->arena, form));
}

/* Ids are given by the database: one that it did not give yet would collide with what it will. */
static lion_status check_given(const lion_tx *tx, int64_t id, lion_error *error)
{
    lion_status status = lion_entity_id_check(id, error);
    if (status < 0) return status;
    int64_t partition = lion_id_partition(id), counter = lion_id_counter(id);
    bool was_given;
    if (partition != LION_PARTITION_DB)
        was_given = counter < tx->t && lion_schema_has_partition(tx->schema, partition);
    else if (counter < LION_ATTRIBUTE_ID_FIRST)
        was_given = counter < lion_schema_next_partition(tx->schema);
    else
        was_given = counter < lion_schema_next_attribute(tx->schema);
    if (was_given) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                     "%lld is no id that this database gave: name a new entity by a string, its "
                     "tempid",
                     (long long)id);
}

static lion_status entity_of_value(int64_t *e_out, lion_tx *tx, const lion_form *form,
                                   lion_error *error)
{
    lion_slice name = { 0 };
    switch (form->value.type) {
    case LION_TYPE_LONG:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE:
        *e_out = form->value.bits;
        return form->value.bits == tx->tx ? LION_OK : check_given(tx, form->value.bits, error);
    case LION_TYPE_STRING:
        name = lion_value_slice(form->value);
        if (name.size == 0 || name.data[0] != ':' || (form->flags & LION_FORM_LITERAL))
            return lion_tx_tempid_named(e_out, tx, name, error);
        break;
    case LION_TYPE_KEYWORD: name = lion_value_slice(form->value); break;
    case LION_TYPE_NIL:
        return lion_fail(error, LION_INCORRECT, "db.error/nil-value",
                         "nil is no entity: give an id, an ident, a lookup ref or a tempid");
    default: return fail_nobody(error, tx, form);
    }
    if (lion_schema_entid(e_out, tx->schema, name) == LION_OK) return LION_OK;
    return fail_nobody(error, tx, form);
}

lion_status lion_tx_entity_of(int64_t *e_out, lion_tx *tx, const lion_form *form, lion_error *error)
{
    if (form->kind == LION_FORM_VALUE) return entity_of_value(e_out, tx, form, error);
    lion_status status = lion_db_entid(e_out, tx->db, form, tx->arena, error);
    return status == LION_ABSENT ? fail_nobody(error, tx, form) : status;
}

/* -- Values ----------------------------------------------------------------------------------- */

/* Refs to the built-in vocabulary: a slip of the pen there deserves the list of what there is. */
static lion_status fail_vocabulary(lion_error *error, lion_tx *tx, const lion_attribute *attribute,
                                   const lion_form *form)
{
    const char *known = NULL;
    switch (attribute->id) {
    case LION_ID_VALUE_TYPE:
        known = "value types are :db.type/string keyword symbol boolean long double instant uuid "
                "uri bytes bigdec ref tuple";
        break;
    case LION_ID_CARDINALITY:
        known = "cardinalities are :db.cardinality/one and :db.cardinality/many";
        break;
    case LION_ID_UNIQUE: known = "it takes :db.unique/identity or :db.unique/value"; break;
    default: return fail_nobody(error, tx, form);
    }
    return lion_fail(error, LION_INCORRECT, "db.error/not-an-entity",
                     "%.200s is nothing that :%.*s can be; %s", lion_form_text(tx->arena, form),
                     (int)attribute->ident.size, (const char *)attribute->ident.data, known);
}

static bool is_vocabulary(const lion_attribute *attribute, int64_t id)
{
    switch (attribute->id) {
    case LION_ID_VALUE_TYPE: return id >= LION_ID_TYPE_KEYWORD && id <= LION_ID_TYPE_TUPLE;
    case LION_ID_CARDINALITY:
        return id == LION_ID_CARDINALITY_ONE || id == LION_ID_CARDINALITY_MANY;
    case LION_ID_UNIQUE: return id == LION_ID_UNIQUE_VALUE || id == LION_ID_UNIQUE_IDENTITY;
    default: return true;
    }
}

static lion_status ref_of(lion_value *value_out, lion_tx *tx, const lion_attribute *attribute,
                          const lion_form *form, lion_error *error)
{
    bool is_entity = form->kind == LION_FORM_VECTOR;
    if (form->kind == LION_FORM_VALUE) {
        uint8_t type = form->value.type;
        is_entity = type == LION_TYPE_LONG || type == LION_TYPE_REF ||
                    type == LION_TYPE_ATTRIBUTE || type == LION_TYPE_STRING ||
                    type == LION_TYPE_KEYWORD;
    }
    if (!is_entity)
        return lion_fail_wrong_type(error, attribute, "an entity (id, ident, lookup ref or tempid)",
                                    form, tx->arena);
    int64_t id = 0;
    lion_error why;
    lion_status status = lion_tx_entity_of(&id, tx, form, &why);
    if (attribute->id == LION_ID_VALUE_TYPE || attribute->id == LION_ID_CARDINALITY ||
        attribute->id == LION_ID_UNIQUE) {
        if (status < 0 || !is_vocabulary(attribute, id))
            return fail_vocabulary(error, tx, attribute, form);
    }
    if (status < 0 && error != NULL) *error = why;
    *value_out = lion_value_ref(id);
    return status;
}

static lion_status tuple_of(lion_value *value_out, lion_tx *tx, const lion_attribute *attribute,
                            const lion_form *form, lion_error *error)
{
    lion_tx_tuple tuple = { .count = 0 };
    const lion_form *refs[LION_TUPLE_SLOTS_MAX];
    lion_status status =
        lion_tuple_of_form(tuple.slots, refs, &tuple.count, attribute, form, tx->arena, error);
    bool has_tempid = false;
    for (size_t i = 0; status == LION_OK && i < tuple.count; i++) {
        if (refs[i] == NULL) continue;
        int64_t id = 0;
        status = lion_tx_entity_of(&id, tx, refs[i], error);
        tuple.slots[i] = lion_value_ref(id);
        has_tempid = has_tempid || id < 0;
    }
    if (status < 0) return status;
    if (!has_tempid) {
        *value_out = lion_tuple_make(tx->arena, tuple.slots, tuple.count);
        return LION_OK;
    }
    if (!lion_tx_room(&tx->tuples, tx->arena)) return lion_fail_memory(error);
    *value_out = (lion_value){ .type = LION_TYPE_NIL, .bits = tx->tuples.count };
    tx->tuples.items[tx->tuples.count++] = tuple;
    return LION_OK;
}

static lion_status check_bytes(lion_value v, const lion_attribute *attribute, lion_error *error)
{
    if (v.size > LION_VALUE_SIZE_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "a value of :%.*s has %u bytes; the limit is %u",
                         (int)attribute->ident.size, (const char *)attribute->ident.data, v.size,
                         LION_VALUE_SIZE_MAX);
    bool is_text = v.type == LION_TYPE_STRING || v.type == LION_TYPE_KEYWORD ||
                   v.type == LION_TYPE_SYMBOL || v.type == LION_TYPE_URI;
    if (!is_text || lion_utf8_is_valid(lion_value_slice(v))) return LION_OK;
    return lion_fail(
        error, LION_INCORRECT, "db.error/wrong-type-for-attribute",
        ":%.*s takes UTF-8 text: what else there is goes into attributes of type bytes",
        (int)attribute->ident.size, (const char *)attribute->ident.data);
}

lion_status lion_tx_value_of(lion_value *value_out, lion_tx *tx, const lion_attribute *attribute,
                             const lion_form *form, lion_error *error)
{
    lion_type type = (lion_type)attribute->type;
    if (type == LION_TYPE_REF) return ref_of(value_out, tx, attribute, form, error);
    if (type == LION_TYPE_TUPLE) return tuple_of(value_out, tx, attribute, form, error);
    lion_status status = lion_value_of_form(value_out, attribute, type, form, tx->arena, error);
    if (status == LION_OK && !lion_type_is_scalar(value_out->type))
        status = check_bytes(*value_out, attribute, error);
    return status;
}

/* -- Facts ------------------------------------------------------------------------------------ */

static lion_status fail_too_large(const lion_tx *tx, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/transaction-too-large",
                     "a transaction has at most %u datoms: split it", tx->options.datoms_max);
}

/* What an assertion says of a tempid beyond itself. */
static void note_tempid(lion_tx *tx, int64_t e, const lion_attribute *attribute)
{
    lion_tx_tempid *tempid = &tx->tempids.items[lion_tx_place(e)];
    tempid->is_entity = true;
    if (attribute->id < tempid->first_attribute) tempid->first_attribute = attribute->id;
    if (attribute->id == LION_ID_VALUE_TYPE) tempid->is_schema = true;
    if (attribute->id == LION_ID_IDENT) tempid->is_named = true;
}

static void note_install(lion_tx *tx, const lion_attribute *attribute, lion_value v)
{
    if (attribute->type != LION_TYPE_REF || v.bits >= 0) return;
    lion_tx_tempid *tempid = &tx->tempids.items[lion_tx_place(v.bits)];
    if (attribute->id == LION_ID_INSTALL_PARTITION) tempid->is_partition = true;
    if (attribute->id == LION_ID_INSTALL_ATTRIBUTE) tempid->is_schema = true;
}

lion_status lion_tx_add(lion_tx *tx, int64_t e, const lion_attribute *attribute, lion_value v,
                        lion_fact_op op, lion_error *error)
{
    if (tx->facts.count >= tx->options.datoms_max) return fail_too_large(tx, error);
    if (!lion_tx_room(&tx->facts, tx->arena)) return lion_fail_memory(error);
    uint32_t place = tx->facts.count++;
    tx->facts.items[place] =
        (lion_fact){ .e = e, .v = v, .attribute = attribute, .op = (uint8_t)op };
    if (op != LION_FACT_ADD) return LION_OK;
    if (e < 0) note_tempid(tx, e, attribute);
    if (attribute->id <= LION_ID_INSTALL_FUNCTION) note_install(tx, attribute, v);
    if (attribute->unique == LION_UNIQUE_IDENTITY) {
        if (!lion_tx_room(&tx->identities, tx->arena)) return lion_fail_memory(error);
        tx->identities.items[tx->identities.count++] = place;
        if (e < 0) tx->has_identity_on_tempid = true;
    }
    return LION_OK;
}

static lion_status ensure_one(lion_tx *tx, int64_t e, const lion_form *form, lion_error *error)
{
    int64_t spec = 0;
    lion_status status = lion_tx_entity_of(&spec, tx, form, error);
    if (status < 0) return status;
    if (spec < 0)
        return lion_fail(
            error, LION_INCORRECT, "db.error/not-an-entity",
            "%.200s is no entity spec: db/ensure takes the ident of one (\":ns/name\")",
            lion_form_text(tx->arena, form));
    if (!lion_tx_room(&tx->ensures, tx->arena)) return lion_fail_memory(error);
    tx->ensures.items[tx->ensures.count++] = (lion_tx_ensure){ .e = e, .spec = spec };
    if (e < 0) tx->tempids.items[lion_tx_place(e)].is_entity = true;
    return LION_OK;
}

lion_status lion_tx_ensure_spec(lion_tx *tx, int64_t e, const lion_form *specs, lion_error *error)
{
    bool is_list = specs->kind == LION_FORM_SET ||
                   (specs->kind == LION_FORM_VECTOR && !lion_form_is_lookup(tx->db, specs));
    if (!is_list) return ensure_one(tx, e, specs, error);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < specs->count; i++)
        status = ensure_one(tx, e, &specs->items[i], error);
    return status;
}
