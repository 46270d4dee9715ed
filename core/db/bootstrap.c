/* bootstrap.c - the first transaction, from one table: what every database knows before anyone spoke. */
#include "db/bootstrap.h"

#include "base/slice.h"

typedef struct seed {
    uint32_t id;
    const char *ident;
    uint32_t type;        /* of an attribute: a LION_ID_TYPE_…; 0: a plain ident */
    bool is_many;
    uint32_t unique;      /* LION_ID_UNIQUE_… or 0 */
    const char *doc;
} seed;

static const seed seeds[] = {
    { LION_ID_PART_DB, "db.part/db", 0, false, 0, "The partition of schema." },
    { LION_ID_ADD, "db/add", 0, false, 0, "Assert a fact: [:db/add entity attribute value]." },
    { LION_ID_RETRACT, "db/retract", 0, false, 0, "Retract a fact: [:db/retract entity attribute value]." },
    { LION_ID_PART_TX, "db.part/tx", 0, false, 0, "The partition of transactions." },
    { LION_ID_PART_USER, "db.part/user", 0, false, 0, "The partition of entities that name no other." },
    { LION_ID_IDENT, "db/ident", LION_ID_TYPE_KEYWORD, false, LION_ID_UNIQUE_IDENTITY,
      "The keyword that names an entity." },
    { LION_ID_INSTALL_PARTITION, "db.install/partition", LION_ID_TYPE_REF, true, 0,
      "Asserted on :db.part/db: a new partition." },
    { LION_ID_INSTALL_VALUE_TYPE, "db.install/valueType", LION_ID_TYPE_REF, true, 0, "A value type." },
    { LION_ID_INSTALL_ATTRIBUTE, "db.install/attribute", LION_ID_TYPE_REF, true, 0,
      "An attribute; implicit in any entity with :db/valueType." },
    { LION_ID_INSTALL_FUNCTION, "db.install/function", LION_ID_TYPE_REF, true, 0, "A function." },
    { LION_ID_TYPE_KEYWORD, "db.type/keyword", 0, false, 0, NULL },
    { LION_ID_TYPE_LONG, "db.type/long", 0, false, 0, NULL },
    { LION_ID_TYPE_STRING, "db.type/string", 0, false, 0, NULL },
    { LION_ID_TYPE_BOOLEAN, "db.type/boolean", 0, false, 0, NULL },
    { LION_ID_TYPE_INSTANT, "db.type/instant", 0, false, 0, NULL },
    { LION_ID_TYPE_FN, "db.type/fn", 0, false, 0, NULL },
    { LION_ID_TYPE_BYTES, "db.type/bytes", 0, false, 0, NULL },
    { LION_ID_TYPE_REF, "db.type/ref", 0, false, 0, NULL },
    { LION_ID_TYPE_DOUBLE, "db.type/double", 0, false, 0, NULL },
    { LION_ID_TYPE_FLOAT, "db.type/float", 0, false, 0, NULL },
    { LION_ID_TYPE_UUID, "db.type/uuid", 0, false, 0, NULL },
    { LION_ID_TYPE_URI, "db.type/uri", 0, false, 0, NULL },
    { LION_ID_TYPE_BIGDEC, "db.type/bigdec", 0, false, 0, NULL },
    { LION_ID_TYPE_BIGINT, "db.type/bigint", 0, false, 0, NULL },
    { LION_ID_TYPE_SYMBOL, "db.type/symbol", 0, false, 0, NULL },
    { LION_ID_TYPE_TUPLE, "db.type/tuple", 0, false, 0, NULL },
    { LION_ID_CARDINALITY_ONE, "db.cardinality/one", 0, false, 0, NULL },
    { LION_ID_CARDINALITY_MANY, "db.cardinality/many", 0, false, 0, NULL },
    { LION_ID_UNIQUE_VALUE, "db.unique/value", 0, false, 0, NULL },
    { LION_ID_UNIQUE_IDENTITY, "db.unique/identity", 0, false, 0, NULL },
    { LION_ID_VALUE_TYPE, "db/valueType", LION_ID_TYPE_REF, false, 0, "The type of an attribute's values." },
    { LION_ID_CARDINALITY, "db/cardinality", LION_ID_TYPE_REF, false, 0,
      ":db.cardinality/one or :db.cardinality/many." },
    { LION_ID_UNIQUE, "db/unique", LION_ID_TYPE_REF, false, 0,
      ":db.unique/value (no two entities) or :db.unique/identity (an upsert finds the entity)." },
    { LION_ID_IS_COMPONENT, "db/isComponent", LION_ID_TYPE_BOOLEAN, false, 0,
      "The referred entity is a part of this one." },
    { LION_ID_INDEX, "db/index", LION_ID_TYPE_BOOLEAN, false, 0, "false: not in AVET." },
    { LION_ID_NO_HISTORY, "db/noHistory", LION_ID_TYPE_BOOLEAN, false, 0,
      "The past of this attribute need not be kept." },
    { LION_ID_TX_INSTANT, "db/txInstant", LION_ID_TYPE_INSTANT, false, 0, "When the transaction was made." },
    { LION_ID_FULLTEXT, "db/fulltext", LION_ID_TYPE_BOOLEAN, false, 0, "Kept as a fact; no full text index is made." },
    { LION_ID_DOC, "db/doc", LION_ID_TYPE_STRING, false, 0, "What an entity is, for people." },
    { LION_ID_TUPLE_ATTRS, "db/tupleAttrs", LION_ID_TYPE_TUPLE, false, 0, "The members of a composite tuple." },
    { LION_ID_TUPLE_TYPES, "db/tupleTypes", LION_ID_TYPE_TUPLE, false, 0, "The types of a tuple's slots." },
    { LION_ID_TUPLE_TYPE, "db/tupleType", LION_ID_TYPE_KEYWORD, false, 0, "The one type of all slots." },
    { LION_ID_ATTR_PREDS, "db.attr/preds", LION_ID_TYPE_SYMBOL, true, 0,
      "Functions of a value that must return true for it to be asserted." },
    { LION_ID_ENSURE, "db/ensure", LION_ID_TYPE_REF, false, 0, "The spec that this transaction's entity must meet; leaves no datom." },
    { LION_ID_ENTITY_ATTRS, "db.entity/attrs", LION_ID_TYPE_KEYWORD, true, 0, "Attributes that an entity spec requires." },
    { LION_ID_ENTITY_PREDS, "db.entity/preds", LION_ID_TYPE_SYMBOL, true, 0,
      "Functions of (db, entity) that must return true." },
    { LION_ID_EXCISE, "db/excise", LION_ID_TYPE_REF, false, 0, NULL },
    { LION_ID_EXCISE_ATTRS, "db.excise/attrs", LION_ID_TYPE_REF, true, 0, NULL },
    { LION_ID_EXCISE_BEFORE, "db.excise/before", LION_ID_TYPE_INSTANT, false, 0, NULL },
    { LION_ID_EXCISE_BEFORE_T, "db.excise/beforeT", LION_ID_TYPE_LONG, false, 0, NULL },
    { LION_ID_TX_ID, "lion.tx/id", LION_ID_TYPE_UUID, false, LION_ID_UNIQUE_VALUE,
      "The id given to a transaction that may be sent again." },
    { LION_ID_FN_CAS, "db/cas", 0, false, 0, "Compare and set: [:db/cas entity attribute old new]." },
    { LION_ID_FN_RETRACT_ENTITY, "db/retractEntity", 0, false, 0,
      "Retract an entity, what refers to it, and its components." },
};

#define SEED_COUNT (sizeof seeds / sizeof *seeds)
#define SEED_DATOMS_MAX 8

static size_t put_seed(lion_datom *out, const seed *of, lion_arena *arena)
{
    size_t count = 0;
    int64_t tx = lion_t_to_tx(LION_T_BOOTSTRAP);
    lion_slice ident = lion_arena_copy(arena, lion_slice_text(of->ident));
#define PUT(attribute, value) \
    out[count++] = (lion_datom){ .e = of->id, .a = (attribute), .v = (value), .tx = tx, .added = true }
    PUT(LION_ID_IDENT, lion_value_bytes(LION_TYPE_KEYWORD, ident));
    if (of->type != 0) {
        PUT(LION_ID_VALUE_TYPE, lion_value_ref(of->type));
        PUT(LION_ID_CARDINALITY,
            lion_value_ref(of->is_many ? LION_ID_CARDINALITY_MANY : LION_ID_CARDINALITY_ONE));
    }
    if (of->unique != 0) PUT(LION_ID_UNIQUE, lion_value_ref(of->unique));
    if (of->doc != NULL)
        PUT(LION_ID_DOC,
            lion_value_bytes(LION_TYPE_STRING, lion_arena_copy(arena, lion_slice_text(of->doc))));
#undef PUT
    return count;
}

void lion_bootstrap_datoms(lion_datom **datoms_out, size_t *count_out, lion_arena *arena)
{
    lion_datom *datoms = lion_arena_array(arena, lion_datom, SEED_COUNT * SEED_DATOMS_MAX + 1);
    size_t count = 0;
    for (size_t i = 0; i < SEED_COUNT; i++) count += put_seed(datoms + count, &seeds[i], arena);
    int64_t tx = lion_t_to_tx(LION_T_BOOTSTRAP);
    datoms[count++] = (lion_datom){ .e = tx, .a = LION_ID_TX_INSTANT, .tx = tx, .added = true,
                                    .v = lion_value_scalar(LION_TYPE_INSTANT, 0) };
    lion_datoms_sort(LION_EAVT, datoms, count);
    *datoms_out = datoms;
    *count_out = count;
}
