/* install.c - a new attribute: is all said that must be, and does it go together? */
#include "base/assert.h"
#include "data/tuple.h"
#include "transact/tx.h"

#define INVALID_ATTRIBUTE "db.error/invalid-install-attribute"
#define INVALID_TUPLE "db.error/invalid-tuple-attrs"

static lion_status fail(lion_error *error, const char *code, const lion_attribute *attribute,
                        const char *why)
{
    return lion_fail(error, LION_INCORRECT, code, "the attribute :%.*s %s",
                     (int)attribute->ident.size, (const char *)attribute->ident.data, why);
}

lion_status lion_tx_check_ident(lion_tx *tx, lion_slice name, bool is_own, lion_error *error)
{
    const uint8_t *slash = memchr(name.data, '/', name.size);
    size_t namespace_size = slash == NULL ? 0 : (size_t)(slash - name.data);
    bool is_reserved = slash != NULL && namespace_size >= 2 && memcmp(name.data, "db", 2) == 0 &&
                       (namespace_size == 2 || name.data[2] == '.');
    const char *why = NULL;
    if (is_reserved && !is_own) why = "the namespaces db and db.* are reserved";
    if (slash != NULL && namespace_size + 1 < name.size && slash[1] == '_')
        why = "a name that begins with _ would mean the reverse of an attribute";
    if (slash != NULL && (namespace_size == 0 || namespace_size + 1 == name.size))
        why = "both namespace and name must be there";
    (void)tx;
    if (why == NULL) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "db.error/invalid-ident",
                     ":%.*s cannot be a db/ident: %s", (int)(name.size > 200 ? 200 : name.size),
                     (const char *)name.data, why);
}

/* -- Types ------------------------------------------------------------------------------------ */

static lion_status check_supported(lion_tx *tx, const lion_attribute *attribute, int64_t type,
                                   lion_error *error)
{
    if (lion_schema_type_of_id(type) != LION_TYPE_NIL) return LION_OK;
    return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported",
                     "the attribute :%.*s is of the type %s, which is not supported yet",
                     (int)attribute->ident.size, (const char *)attribute->ident.data,
                     lion_tx_entity_text(tx, type));
}

/* -- Tuples ----------------------------------------------------------------------------------- */

#define TUPLE_TYPES "tuples hold values of all types but float, bytes and tuple"

/* `type` is the id of a value type. */
static bool may_be_in_tuple(int64_t type)
{
    return type != LION_ID_TYPE_FLOAT && type != LION_ID_TYPE_BYTES && type != LION_ID_TYPE_TUPLE;
}

/* The id of the value type that a member was declared with, in this transaction or before. */
static lion_status type_of_member(int64_t *type_out, lion_tx *tx, const lion_attribute *member,
                                  lion_error *error)
{
    const lion_datom *said = lion_tx_said(tx, member->id, LION_ID_VALUE_TYPE, true);
    lion_value value = { 0 };
    lion_status status = LION_OK;
    if (said != NULL)
        value = said->v;
    else
        status = lion_view_get(&value, NULL, &tx->view, member->id, LION_ID_VALUE_TYPE, tx->arena,
                               error);
    *type_out = value.bits;
    return status < 0 ? status : LION_OK;
}

static lion_status check_members(lion_tx *tx, const lion_attribute *attribute,
                                 const lion_datom *said, lion_error *error)
{
    lion_value *names = NULL;
    size_t count = 0;
    lion_status status = lion_tuple_read(&names, &count, said->v, tx->arena, error);
    if (attribute->is_many)
        return fail(error, INVALID_TUPLE, attribute,
                    "is a composite tuple and must be of cardinality one");
    for (size_t i = 0; status == LION_OK && i < count; i++) {
        const lion_attribute *member = NULL;
        if (names[i].type == LION_TYPE_KEYWORD)
            member =
                lion_schema_attribute_named(tx->result.schema_after, lion_value_slice(names[i]));
        int64_t type = 0;
        const char *why = NULL;
        if (member != NULL) status = type_of_member(&type, tx, member, error);
        if (status < 0) return status;
        if (member == NULL)
            why = "there is no such attribute";
        else if (member->is_many)
            why = "it is of cardinality many";
        else if (!may_be_in_tuple(type))
            why = TUPLE_TYPES;
        else if (member->id == attribute->id || member->id == LION_ID_TX_INSTANT)
            why = "it cannot be part of a tuple";
        if (why != NULL)
            return lion_fail(error, LION_INCORRECT, INVALID_TUPLE,
                             "%s cannot be in the tuple :%.*s: %s",
                             lion_tx_value_text(tx, names[i]), (int)attribute->ident.size,
                             (const char *)attribute->ident.data, why);
    }
    return status;
}

static lion_status check_type(lion_tx *tx, const lion_attribute *attribute, lion_value name,
                              lion_error *error)
{
    int64_t type = 0;
    bool is_type = name.type == LION_TYPE_KEYWORD &&
                   lion_schema_entid(&type, tx->schema, lion_value_slice(name)) == LION_OK &&
                   type >= LION_ID_TYPE_KEYWORD && type <= LION_ID_TYPE_TUPLE;
    if (is_type && may_be_in_tuple(type)) return check_supported(tx, attribute, type, error);
    return lion_fail(error, LION_INCORRECT, INVALID_TUPLE,
                     "the tuple :%.*s cannot hold %s: " TUPLE_TYPES, (int)attribute->ident.size,
                     (const char *)attribute->ident.data, lion_tx_value_text(tx, name));
}

static lion_status check_types(lion_tx *tx, const lion_attribute *attribute, const lion_datom *said,
                               lion_error *error)
{
    lion_value *names = NULL;
    size_t count = 0;
    lion_status status = lion_tuple_read(&names, &count, said->v, tx->arena, error);
    for (size_t i = 0; status == LION_OK && i < count; i++)
        status = check_type(tx, attribute, names[i], error);
    return status;
}

static lion_status check_tuple(lion_tx *tx, const lion_attribute *attribute, lion_error *error)
{
    const lion_datom *attrs = lion_tx_said(tx, attribute->id, LION_ID_TUPLE_ATTRS, true);
    const lion_datom *types = lion_tx_said(tx, attribute->id, LION_ID_TUPLE_TYPES, true);
    const lion_datom *type = lion_tx_said(tx, attribute->id, LION_ID_TUPLE_TYPE, true);
    int kinds = (attrs != NULL) + (types != NULL) + (type != NULL);
    if (attribute->type != LION_TYPE_TUPLE) {
        if (kinds == 0) return LION_OK;
        return fail(error, INVALID_TUPLE, attribute,
                    "says what its tuples hold, but its db/valueType is not :db.type/tuple");
    }
    if (kinds != 1)
        return fail(error, INVALID_TUPLE, attribute,
                    "is a tuple and must have one of db/tupleAttrs, db/tupleTypes, db/tupleType");
    if (attrs != NULL) return check_members(tx, attribute, attrs, error);
    return types != NULL ? check_types(tx, attribute, types, error)
                         : check_type(tx, attribute, type->v, error);
}

/* -- All -------------------------------------------------------------------------------------- */

lion_status lion_tx_check_new_attribute(lion_tx *tx, const lion_attribute *attribute,
                                        lion_error *error)
{
    const lion_datom *type = lion_tx_said(tx, attribute->id, LION_ID_VALUE_TYPE, true);
    LION_ASSERT(type != NULL);
    if (attribute->ident.size == 0)
        return lion_fail(error, LION_INCORRECT, INVALID_ATTRIBUTE,
                         "an attribute needs a name: give it a db/ident");
    lion_status status = check_supported(tx, attribute, type->v.bits, error);
    if (status < 0) return status;
    if (lion_tx_said(tx, attribute->id, LION_ID_CARDINALITY, true) == NULL)
        return fail(error, INVALID_ATTRIBUTE, attribute,
                    "needs a db/cardinality: :db.cardinality/one or :db.cardinality/many");
    if (attribute->type == LION_TYPE_BYTES && attribute->unique != LION_UNIQUE_NONE)
        return fail(error, INVALID_ATTRIBUTE, attribute, "holds bytes, which cannot be unique");
    if (attribute->unique != LION_UNIQUE_NONE && !attribute->is_indexed)
        return fail(error, INVALID_ATTRIBUTE, attribute,
                    "is unique and so needs its index: leave db/index false out");
    if (attribute->is_component && attribute->type != LION_TYPE_REF)
        return fail(error, INVALID_ATTRIBUTE, attribute,
                    "is a component but no ref: only refs have db/isComponent");
    return check_tuple(tx, attribute, error);
}
