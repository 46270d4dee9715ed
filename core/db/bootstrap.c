/* bootstrap.c - the first transaction, from two tables: names by id, and attributes. */
#include "db/bootstrap.h"

typedef struct bootstrap_name {
    int32_t id;
    const char *name;
} bootstrap_name;

static const bootstrap_name NAMES[] = {
    { LION_ID_PART_DB, "db.part/db" },
    { LION_ID_ADD, "db/add" },
    { LION_ID_RETRACT, "db/retract" },
    { LION_ID_PART_TX, "db.part/tx" },
    { LION_ID_PART_USER, "db.part/user" },
    { LION_ID_IDENT, "db/ident" },
    { LION_ID_INSTALL_PARTITION, "db.install/partition" },
    { LION_ID_INSTALL_VALUE_TYPE, "db.install/valueType" },
    { LION_ID_INSTALL_ATTRIBUTE, "db.install/attribute" },
    { LION_ID_INSTALL_FUNCTION, "db.install/function" },
    { LION_ID_TYPE_KEYWORD, "db.type/keyword" },
    { LION_ID_TYPE_LONG, "db.type/long" },
    { LION_ID_TYPE_STRING, "db.type/string" },
    { LION_ID_TYPE_BOOLEAN, "db.type/boolean" },
    { LION_ID_TYPE_INSTANT, "db.type/instant" },
    { LION_ID_TYPE_FN, "db.type/fn" },
    { LION_ID_TYPE_BYTES, "db.type/bytes" },
    { LION_ID_TYPE_REF, "db.type/ref" },
    { LION_ID_TYPE_DOUBLE, "db.type/double" },
    { LION_ID_TYPE_FLOAT, "db.type/float" },
    { LION_ID_TYPE_UUID, "db.type/uuid" },
    { LION_ID_TYPE_URI, "db.type/uri" },
    { LION_ID_TYPE_BIGDEC, "db.type/bigdec" },
    { LION_ID_TYPE_BIGINT, "db.type/bigint" },
    { LION_ID_TYPE_SYMBOL, "db.type/symbol" },
    { LION_ID_TYPE_TUPLE, "db.type/tuple" },
    { LION_ID_CARDINALITY_ONE, "db.cardinality/one" },
    { LION_ID_CARDINALITY_MANY, "db.cardinality/many" },
    { LION_ID_UNIQUE_VALUE, "db.unique/value" },
    { LION_ID_UNIQUE_IDENTITY, "db.unique/identity" },
    { LION_ID_VALUE_TYPE, "db/valueType" },
    { LION_ID_CARDINALITY, "db/cardinality" },
    { LION_ID_UNIQUE, "db/unique" },
    { LION_ID_IS_COMPONENT, "db/isComponent" },
    { LION_ID_INDEX, "db/index" },
    { LION_ID_NO_HISTORY, "db/noHistory" },
    { LION_ID_TX_INSTANT, "db/txInstant" },
    { LION_ID_FULLTEXT, "db/fulltext" },
    { LION_ID_DOC, "db/doc" },
    { LION_ID_TUPLE_ATTRS, "db/tupleAttrs" },
    { LION_ID_TUPLE_TYPES, "db/tupleTypes" },
    { LION_ID_TUPLE_TYPE, "db/tupleType" },
    { LION_ID_ATTR_PREDS, "db.attr/preds" },
    { LION_ID_ENSURE, "db/ensure" },
    { LION_ID_ENTITY_ATTRS, "db.entity/attrs" },
    { LION_ID_ENTITY_PREDS, "db.entity/preds" },
    { LION_ID_EXCISE, "db/excise" },
    { LION_ID_EXCISE_ATTRS, "db.excise/attrs" },
    { LION_ID_EXCISE_BEFORE, "db.excise/before" },
    { LION_ID_EXCISE_BEFORE_T, "db.excise/beforeT" },
    { LION_ID_TX_ID, "lion.tx/id" },
    { LION_ID_FN_CAS, "db.fn/cas" },
    { LION_ID_FN_RETRACT_ENTITY, "db.fn/retractEntity" },
};

typedef struct bootstrap_attribute {
    int32_t id, type;
    bool is_many;
    int32_t unique; /* 0: none */
    bool is_tuple_of_keywords;
    const char *doc;
} bootstrap_attribute;

static const bootstrap_attribute ATTRIBUTES[] = {
    { LION_ID_IDENT, LION_ID_TYPE_KEYWORD, false, LION_ID_UNIQUE_IDENTITY, false,
      "The name of an entity; its older names go on resolving." },
    { LION_ID_INSTALL_PARTITION, LION_ID_TYPE_REF, true, LION_ID_UNIQUE_IDENTITY, false,
      "On db.part/db: the partitions of this database." },
    { LION_ID_INSTALL_VALUE_TYPE, LION_ID_TYPE_REF, true, LION_ID_UNIQUE_IDENTITY, false,
      "On db.part/db: the value types." },
    { LION_ID_INSTALL_ATTRIBUTE, LION_ID_TYPE_REF, true, LION_ID_UNIQUE_IDENTITY, false,
      "On db.part/db: attributes, as old schemas install them." },
    { LION_ID_INSTALL_FUNCTION, LION_ID_TYPE_REF, true, LION_ID_UNIQUE_IDENTITY, false,
      "On db.part/db: functions; not supported." },
    { LION_ID_VALUE_TYPE, LION_ID_TYPE_REF, false, 0, false,
      "Type of an attribute's values; never changes." },
    { LION_ID_CARDINALITY, LION_ID_TYPE_REF, false, 0, false,
      "How many values of an attribute an entity may have: one or many." },
    { LION_ID_UNIQUE, LION_ID_TYPE_REF, false, 0, false,
      "value: two entities with one value are refused; identity: they are one entity." },
    { LION_ID_IS_COMPONENT, LION_ID_TYPE_BOOLEAN, false, 0, false,
      "The entity referred to is part of this one: retracted and pulled with it." },
    { LION_ID_INDEX, LION_ID_TYPE_BOOLEAN, false, 0, false,
      "false keeps an attribute out of AVET." },
    { LION_ID_NO_HISTORY, LION_ID_TYPE_BOOLEAN, false, 0, false,
      "Superseded values are forgotten by the indexer." },
    { LION_ID_TX_INSTANT, LION_ID_TYPE_INSTANT, false, 0, false, "When the transaction was made." },
    { LION_ID_FULLTEXT, LION_ID_TYPE_BOOLEAN, false, 0, false,
      "Recorded for other databases' schemas; there is no full text index." },
    { LION_ID_DOC, LION_ID_TYPE_STRING, false, 0, false, "What the entity is for." },
    { LION_ID_TUPLE_ATTRS, LION_ID_TYPE_TUPLE, false, 0, true,
      "The attributes that a composite tuple is made of." },
    { LION_ID_TUPLE_TYPES, LION_ID_TYPE_TUPLE, false, 0, true, "The types of a tuple's slots." },
    { LION_ID_TUPLE_TYPE, LION_ID_TYPE_KEYWORD, false, 0, false,
      "The one type of a tuple's 2 to 8 slots." },
    { LION_ID_ATTR_PREDS, LION_ID_TYPE_SYMBOL, true, 0, false,
      "Functions of a value that must all return true." },
    { LION_ID_ENSURE, LION_ID_TYPE_REF, true, 0, false,
      "Checks an entity spec in this transaction; leaves no datom." },
    { LION_ID_ENTITY_ATTRS, LION_ID_TYPE_KEYWORD, true, 0, false,
      "Attributes that an entity of this spec must have." },
    { LION_ID_ENTITY_PREDS, LION_ID_TYPE_SYMBOL, true, 0, false,
      "Functions of the database after and the entity that must all return true." },
    { LION_ID_EXCISE, LION_ID_TYPE_REF, false, 0, false, "The entity or attribute to forget." },
    { LION_ID_EXCISE_ATTRS, LION_ID_TYPE_REF, true, 0, false, "Attributes to forget; else all." },
    { LION_ID_EXCISE_BEFORE, LION_ID_TYPE_INSTANT, false, 0, false, "Forget what is older." },
    { LION_ID_EXCISE_BEFORE_T, LION_ID_TYPE_LONG, false, 0, false, "Forget what is older." },
    { LION_ID_TX_ID, LION_ID_TYPE_UUID, false, LION_ID_UNIQUE_VALUE, false,
      "The id that makes a transaction safe to send again." },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define DATOMS_MAX (COUNT(NAMES) + 5 * COUNT(ATTRIBUTES) + 3 + 1)

static lion_datom *put(lion_datom *at, int64_t e, uint32_t a, lion_value v)
{
    *at =
        (lion_datom){ .e = e, .a = a, .v = v, .tx = lion_t_to_tx(LION_T_BOOTSTRAP), .added = true };
    return at + 1;
}

static lion_value text(lion_type type, const char *name)
{
    return lion_value_bytes(type, lion_slice_text(name));
}

static lion_datom *put_attribute(lion_datom *at, const bootstrap_attribute *attribute)
{
    int64_t e = attribute->id;
    at = put(at, e, LION_ID_VALUE_TYPE, lion_value_ref(attribute->type));
    at = put(
        at, e, LION_ID_CARDINALITY,
        lion_value_ref(attribute->is_many ? LION_ID_CARDINALITY_MANY : LION_ID_CARDINALITY_ONE));
    if (attribute->unique != 0) at = put(at, e, LION_ID_UNIQUE, lion_value_ref(attribute->unique));
    if (attribute->is_tuple_of_keywords)
        at = put(at, e, LION_ID_TUPLE_TYPE, text(LION_TYPE_KEYWORD, "db.type/keyword"));
    return put(at, e, LION_ID_DOC, text(LION_TYPE_STRING, attribute->doc));
}

void lion_bootstrap_datoms(lion_datom **datoms_out, size_t *count_out, lion_arena *arena)
{
    lion_datom *datoms = lion_arena_array(arena, lion_datom, DATOMS_MAX);
    lion_datom *at = datoms;
    for (size_t i = 0; i < COUNT(NAMES); i++)
        at = put(at, NAMES[i].id, LION_ID_IDENT, text(LION_TYPE_KEYWORD, NAMES[i].name));
    for (size_t i = 0; i < COUNT(ATTRIBUTES); i++) at = put_attribute(at, &ATTRIBUTES[i]);
    static const int64_t partitions[] = { LION_PARTITION_DB, LION_PARTITION_TX,
                                          LION_PARTITION_USER };
    for (size_t i = 0; i < COUNT(partitions); i++)
        at = put(at, LION_ID_PART_DB, LION_ID_INSTALL_PARTITION, lion_value_ref(partitions[i]));
    at = put(at, lion_t_to_tx(LION_T_BOOTSTRAP), LION_ID_TX_INSTANT,
             lion_value_scalar(LION_TYPE_INSTANT, 0));
    *count_out = (size_t)(at - datoms);
    *datoms_out = datoms;
    lion_datoms_sort(LION_EAVT, datoms, *count_out);
}
