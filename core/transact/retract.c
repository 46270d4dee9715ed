/* retract.c - operations that mean whatever the database before holds: retractEntity, retract e a,
 * cas. */
#include "base/assert.h"
#include "base/hash.h"
#include "transact/tx.h"

/* -- Reading facts to retract ----------------------------------------------------------------- */

static lion_status retract_there(lion_tx *tx, const lion_datom *datom, lion_error *error)
{
    const lion_attribute *attribute = lion_schema_attribute(tx->schema, datom->a);
    LION_ASSERT(attribute != NULL);
    if (attribute->id == LION_ID_TX_INSTANT)
        return lion_fail(error, LION_INCORRECT, "db.error/reset-tx-instant",
                         "the instant of transaction %lld cannot be retracted",
                         (long long)datom->e);
    lion_status status = lion_tx_add(tx, datom->e, attribute, datom->v, LION_FACT_RETRACT, error);
    if (status == LION_OK) tx->facts.items[tx->facts.count - 1].flags |= LION_FACT_IS_THERE;
    return status;
}

typedef struct retraction {
    int64_t *stack; /* entities to retract */
    uint32_t count, capacity;
    uint64_t *seen; /* open addressing, id + 1 */
    uint32_t seen_count, seen_mask;
} retraction;

static bool mark_seen(retraction *visit, int64_t e)
{
    uint32_t at = (uint32_t)lion_hash_u64((uint64_t)e) & visit->seen_mask;
    for (; visit->seen[at] != 0; at = (at + 1) & visit->seen_mask)
        if (visit->seen[at] == (uint64_t)e + 1) return false;
    visit->seen[at] = (uint64_t)e + 1;
    visit->seen_count++;
    return true;
}

static bool grow_seen(retraction *visit, lion_arena *arena)
{
    uint64_t *old = visit->seen;
    uint32_t slots = visit->seen_mask + 1;
    uint64_t *grown = lion_arena_zalloc(arena, sizeof *grown * slots * 2);
    if (grown == NULL) return false;
    visit->seen = grown;
    visit->seen_mask = slots * 2 - 1;
    visit->seen_count = 0;
    for (uint32_t i = 0; i < slots; i++)
        if (old[i] != 0) mark_seen(visit, (int64_t)(old[i] - 1));
    return true;
}

static lion_status push(retraction *visit, lion_tx *tx, int64_t e, lion_error *error)
{
    if (visit->seen_count * 2 > visit->seen_mask && !grow_seen(visit, tx->arena))
        return lion_fail_memory(error);
    if (!mark_seen(visit, e)) return LION_OK;
    if (visit->count == visit->capacity &&
        !lion_tx_reserve((void **)&visit->stack, visit->count, &visit->capacity,
                         sizeof *visit->stack, tx->arena))
        return lion_fail_memory(error);
    visit->stack[visit->count++] = e;
    return LION_OK;
}

/* All datoms with the key's prefix; owned components go on the visit (NULL: retract these alone).
 */
static lion_status retract_prefix(lion_tx *tx, lion_index index, const lion_key *key,
                                  retraction *visit, lion_error *error)
{
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_status status =
        lion_cursor_open(&cursor, &tx->view, index, key, &options, tx->arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        for (uint32_t row = 0; status == LION_OK && row < batch.count; row++) {
            lion_datom datom = lion_datom_batch_get(&batch, row);
            status = retract_there(tx, &datom, error);
            if (status < 0 || visit == NULL || datom.v.type != LION_TYPE_REF) continue;
            if (lion_schema_attribute(tx->schema, datom.a)->is_component)
                status = push(visit, tx, datom.v.bits, error);
        }
    }
    return status < 0 ? status : LION_OK;
}

static lion_status retract_entity(lion_tx *tx, int64_t e, lion_error *error)
{
    retraction visit = { .seen_mask = 63 };
    visit.seen = lion_arena_zalloc(tx->arena, sizeof *visit.seen * 64);
    lion_status status = push(&visit, tx, e, error);
    while (status == LION_OK && visit.count > 0) {
        int64_t entity = visit.stack[--visit.count];
        if (lion_id_partition(entity) == LION_PARTITION_DB &&
            (entity < LION_ATTRIBUTE_ID_FIRST || lion_schema_attribute(tx->schema, entity) != NULL))
            return lion_fail(error, LION_INCORRECT, "db.error/invalid-alter-attribute",
                             "%s is schema and cannot be retracted: rename it instead",
                             lion_tx_entity_text(tx, entity));
        lion_key own = { .datom = { .e = entity }, .parts = 1 };
        lion_key inbound = { .datom = { .v = lion_value_ref(entity) }, .parts = 1 };
        status = retract_prefix(tx, LION_EAVT, &own, &visit, error);
        if (status == LION_OK) status = retract_prefix(tx, LION_VAET, &inbound, NULL, error);
    }
    return status;
}

/* -- Compare and set -------------------------------------------------------------------------- */

/* An assertion alone does not replace NaN. */
static lion_status retract_nan(lion_tx *tx, const lion_tx_deferred *cas, lion_error *error)
{
    if (!lion_value_is_nan(cas->old) || lion_value_is_nan(cas->v)) return LION_OK;
    return lion_tx_add(tx, cas->e, cas->attribute, cas->old, LION_FACT_RETRACT, error);
}

static lion_status check_cas(lion_tx *tx, const lion_tx_deferred *cas, lion_error *error)
{
    lion_value now = lion_value_nil();
    lion_status status = LION_ABSENT;
    if (!lion_tx_is_new(tx, cas->e))
        status = lion_view_get(&now, NULL, &tx->view, cas->e, cas->attribute->id, tx->arena, error);
    if (status < 0) return status;
    bool is_absent = status == LION_ABSENT;
    if (is_absent && cas->is_absent) return LION_OK;
    if (!is_absent && !cas->is_absent && lion_value_compare(now, cas->old) == 0)
        return retract_nan(tx, cas, error);
    return lion_fail(error, LION_CONFLICT, "db.error/cas-failed",
                     "Compare failed: %s %s: :%.*s of %s is %s, not %s",
                     cas->is_absent ? "" : lion_tx_value_text(tx, cas->old),
                     lion_tx_value_text(tx, cas->v), (int)cas->attribute->ident.size,
                     (const char *)cas->attribute->ident.data, lion_tx_entity_text(tx, cas->e),
                     is_absent ? "absent" : lion_tx_value_text(tx, now),
                     cas->is_absent ? "absent" : lion_tx_value_text(tx, cas->old));
}

lion_status lion_tx_expand_deferred(lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < tx->deferred.count; i++) {
        const lion_tx_deferred *deferred = &tx->deferred.items[i];
        if (deferred->kind == LION_DEFERRED_CAS) {
            status = check_cas(tx, deferred, error);
            continue;
        }
        if (lion_tx_is_new(tx, deferred->e)) continue; /* nothing is there yet */
        if (deferred->kind == LION_DEFERRED_ENTITY) {
            status = retract_entity(tx, deferred->e, error);
            continue;
        }
        if (deferred->attribute->tuple_kind == 1) continue; /* follows its members */
        lion_key key = { .datom = { .e = deferred->e, .a = deferred->attribute->id }, .parts = 2 };
        status = retract_prefix(tx, LION_EAVT, &key, NULL, error);
    }
    return status;
}
