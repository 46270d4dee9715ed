/* alter.c - changes of schema: what may change does so if the data allow it, what may not never
 * does. */
#include "transact/tx.h"

#define INVALID_ALTER "db.error/invalid-alter-attribute"

static lion_status fail(lion_error *error, const lion_attribute *attribute, const char *inner,
                        const char *why)
{
    return lion_fail(error, LION_INCORRECT, INVALID_ALTER, "%s: :%.*s %s", inner,
                     (int)attribute->ident.size, (const char *)attribute->ident.data, why);
}

/* -- Does the data allow it? ------------------------------------------------------------------ */

/* Two neighbours of an index that would contradict the new schema: equal e in AEVT (cardinality
 * one), equal v in AVET (unique). */
typedef struct neighbours {
    lion_datom first, second;
    bool is_found;
} neighbours;

static lion_status find_neighbours(neighbours *found, lion_tx *tx, lion_index index, uint32_t a,
                                   lion_error *error)
{
    lion_db *after = NULL;
    lion_status status = lion_tx_db_after(&after, tx, error);
    if (status != LION_OK) return status;
    lion_view view;
    lion_db_plain_view(&view, after);
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    status = lion_cursor_open(&cursor, &view, index, &key, &options, tx->arena, error);
    bool has_last = false;
    while (status == LION_OK && !found->is_found) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        for (uint32_t row = 0; status == LION_OK && row < batch.count; row++) {
            found->second = lion_datom_batch_get(&batch, row);
            found->is_found =
                has_last &&
                (index == LION_AEVT ? found->first.e == found->second.e
                                    : lion_value_compare(found->first.v, found->second.v) == 0);
            if (found->is_found) break;
            found->first = found->second;
            has_last = true;
        }
    }
    return status < 0 ? status : LION_OK;
}

static lion_status check_data(lion_tx *tx, lion_index index, const lion_attribute *attribute,
                              const char *inner, lion_error *error)
{
    neighbours found = { .is_found = false };
    lion_status status = find_neighbours(&found, tx, index, attribute->id, error);
    if (status != LION_OK || !found.is_found) return status;
    lion_slice ident = attribute->ident;
    return lion_fail(
        error, LION_INCORRECT, INVALID_ALTER,
        "%s: the data of :%.*s do not allow it: [%lld :%.*s %s] and [%lld :%.*s %s]", inner,
        (int)ident.size, (const char *)ident.data, (long long)found.first.e, (int)ident.size,
        (const char *)ident.data, lion_tx_value_text(tx, found.first.v), (long long)found.second.e,
        (int)ident.size, (const char *)ident.data, lion_tx_value_text(tx, found.second.v));
}

/* -- An attribute that was there -------------------------------------------------------------- */

static lion_status check_fixed(lion_tx *tx, const lion_attribute *attribute, lion_error *error)
{
    static const uint32_t fixed[] = { LION_ID_VALUE_TYPE, LION_ID_FULLTEXT, LION_ID_TUPLE_ATTRS,
                                      LION_ID_TUPLE_TYPES, LION_ID_TUPLE_TYPE };
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (lion_tx_said(tx, attribute->id, fixed[i], true) == NULL &&
            lion_tx_said(tx, attribute->id, fixed[i], false) == NULL)
            continue;
        return lion_fail(
            error, LION_INCORRECT, INVALID_ALTER,
            "unsupported-alter-schema: %s of :%.*s never changes; make a new attribute",
            lion_tx_entity_text(tx, fixed[i]), (int)attribute->ident.size,
            (const char *)attribute->ident.data);
    }
    return LION_OK;
}

static lion_status check_cardinality(lion_tx *tx, const lion_attribute *before,
                                     const lion_attribute *after, lion_error *error)
{
    bool is_dropped = lion_tx_said(tx, after->id, LION_ID_CARDINALITY, false) != NULL &&
                      lion_tx_said(tx, after->id, LION_ID_CARDINALITY, true) == NULL;
    if (is_dropped) return fail(error, after, "unsupported-alter-schema", "needs a cardinality");
    if (after->is_many && !before->is_many &&
        (after->composite_count > 0 || after->tuple_kind == 1))
        return fail(error, after, "unsupported-alter-schema",
                    "belongs to a composite tuple and stays of cardinality one");
    if (after->is_many || !before->is_many) return LION_OK;
    return check_data(tx, LION_AEVT, after, "cardinality-violation", error);
}

static lion_status check_unique(lion_tx *tx, const lion_attribute *before,
                                const lion_attribute *after, lion_error *error)
{
    if (after->unique == LION_UNIQUE_NONE) return LION_OK;
    if (after->type == LION_TYPE_BYTES)
        return fail(error, after, "unsupported-alter-schema",
                    "holds bytes, which cannot be unique");
    if (!after->is_indexed)
        return fail(error, after, "unique-without-index",
                    "must be in AVET to be unique: set db/index true (or leave it so)");
    if (before->unique != LION_UNIQUE_NONE) return LION_OK;
    return check_data(tx, LION_AVET, after, "unique-violation", error);
}

static lion_status check_altered(lion_tx *tx, const lion_attribute *before,
                                 const lion_attribute *after, lion_error *error)
{
    lion_status status = check_fixed(tx, before, error);
    if (status < 0) return status;
    if (lion_tx_said(tx, after->id, LION_ID_IDENT, false) != NULL &&
        lion_tx_said(tx, after->id, LION_ID_IDENT, true) == NULL)
        return fail(error, before, "unsupported-alter-schema",
                    "needs a name: rename it by asserting another db/ident");
    if (after->is_component && after->type != LION_TYPE_REF)
        return fail(error, after, "unsupported-alter-schema",
                    "is no ref: only refs have db/isComponent");
    status = check_cardinality(tx, before, after, error);
    return status != LION_OK ? status : check_unique(tx, before, after, error);
}

/* -- One entity ------------------------------------------------------------------------------- */

/* Attributes that make sense on attributes alone. */
static bool is_of_attributes(uint32_t a)
{
    switch (a) {
    case LION_ID_VALUE_TYPE:
    case LION_ID_CARDINALITY:
    case LION_ID_UNIQUE:
    case LION_ID_IS_COMPONENT:
    case LION_ID_INDEX:
    case LION_ID_NO_HISTORY:
    case LION_ID_FULLTEXT:
    case LION_ID_TUPLE_ATTRS:
    case LION_ID_TUPLE_TYPES:
    case LION_ID_TUPLE_TYPE:
    case LION_ID_ATTR_PREDS: return true;
    default: return false;
    }
}

static lion_status check_install(lion_tx *tx, const lion_datom *datom, lion_error *error)
{
    if (datom->a == LION_ID_INSTALL_ATTRIBUTE) return LION_OK; /* implied, and harmless */
    if (datom->a != LION_ID_INSTALL_PARTITION)
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported",
                         "%s is not supported: attributes install themselves, functions are called "
                         "by name",
                         lion_tx_entity_text(tx, datom->a));
    if (datom->e != LION_ID_PART_DB || !datom->added)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-install-partition",
                         "a partition is installed on :db.part/db, and stays");
    int64_t id = datom->v.bits;
    if (id > LION_PARTITION_MAX || !lion_tx_is_new(tx, id) ||
        lion_tx_said(tx, id, LION_ID_IDENT, true) == NULL)
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-install-partition",
                         "%s is no new entity with a db/ident: a partition is named in the "
                         "transaction that installs it",
                         lion_tx_entity_text(tx, id));
    return LION_OK;
}

static lion_status check_datom(lion_tx *tx, const lion_datom *datom, lion_error *error)
{
    if (datom->a >= LION_ID_INSTALL_PARTITION && datom->a <= LION_ID_INSTALL_FUNCTION)
        return check_install(tx, datom, error);
    bool is_built_in = datom->e < LION_PARTITION_ID_FIRST;
    if (is_built_in && (datom->a == LION_ID_IDENT || is_of_attributes(datom->a)))
        return lion_fail(error, LION_INCORRECT, INVALID_ALTER,
                         "unsupported-alter-schema: %s is built in and stays as it is",
                         lion_tx_entity_text(tx, datom->e));
    if (datom->a == LION_ID_IDENT && datom->added) {
        bool is_partition = datom->e <= LION_PARTITION_MAX;
        return lion_tx_check_ident(tx, lion_value_slice(datom->v), is_partition, error);
    }
    return LION_OK;
}

/* What the datoms of one entity make of it. `names_attribute`: some make sense on attributes alone.
 */
static lion_status check_entity(lion_tx *tx, int64_t e, bool names_attribute, lion_error *error)
{
    const lion_attribute *before = lion_schema_attribute(tx->schema, e);
    const lion_attribute *after = lion_schema_attribute(tx->result.schema_after, e);
    if (before != NULL && after == NULL) return check_fixed(tx, before, error);
    if (before != NULL) return check_altered(tx, before, after, error);
    if (after != NULL) return lion_tx_check_new_attribute(tx, after, error);
    if (!names_attribute) return LION_OK;
    bool has_type = lion_tx_said(tx, e, LION_ID_VALUE_TYPE, true) != NULL;
    return lion_fail(error, LION_INCORRECT, "db.error/invalid-install-attribute",
                     has_type ? "%s is there already as another entity and cannot become an "
                                "attribute: give the attribute a name of its own"
                              : "%s is no attribute, and becomes none without a db/valueType",
                     lion_tx_entity_text(tx, e));
}

lion_status lion_tx_check_schema(lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t from = 0; status == LION_OK && from < tx->datoms.count;) {
        int64_t e = tx->datoms.items[from].e;
        bool is_touched = false, names_attribute = false;
        uint32_t to = from;
        for (; status == LION_OK && to < tx->datoms.count && tx->datoms.items[to].e == e; to++) {
            const lion_datom *datom = &tx->datoms.items[to];
            status = check_datom(tx, datom, error);
            names_attribute |= datom->added && is_of_attributes(datom->a);
            is_touched |= is_of_attributes(datom->a) || datom->a == LION_ID_IDENT;
        }
        if (status == LION_OK && is_touched) status = check_entity(tx, e, names_attribute, error);
        from = to;
    }
    return status;
}
