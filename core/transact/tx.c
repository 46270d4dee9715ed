/* tx.c - the steps of a transaction, in their order. */
#include "transact/transact.h"

#include "base/assert.h"
#include "base/clock.h"
#include "transact/tx.h"

/* -- Open and close --------------------------------------------------------------------------- */

lion_status lion_tx_open(lion_tx **tx_out, const lion_db *db, const lion_form *ops,
                         const lion_tx_options *options, lion_arena *arena, lion_error *error)
{
    lion_status status = lion_db_check_base(db, error);
    if (status < 0) return status;
    lion_tx *tx = lion_arena_new(arena, lion_tx);
    tx->keys = lion_arena_zalloc(arena, sizeof *tx->keys * LION_TX_KEYS);
    if (lion_arena_check(arena, error) < 0) return LION_FAILED;
    tx->db = db;
    tx->schema = db->schema;
    tx->arena = arena;
    if (options != NULL) tx->options = *options;
    if (tx->options.now_ms == 0) tx->options.now_ms = lion_clock_instant_ms();
    if (tx->options.datoms_max == 0) tx->options.datoms_max = LION_TX_DATOMS_MAX;
    if (tx->options.expansions_max == 0) tx->options.expansions_max = LION_TX_EXPANSIONS_MAX;
    lion_db_plain_view(&tx->view, db);
    tx->t = db->next_counter > db->basis_t ? db->next_counter : db->basis_t + 1;
    tx->tx = lion_t_to_tx(tx->t);
    tx->next_counter = tx->t + 1;
    tx->next_attribute = lion_schema_next_attribute(db->schema);
    tx->next_partition = lion_schema_next_partition(db->schema);
    status = lion_tx_enqueue(tx, ops, error);
    if (status < 0) return status;
    *tx_out = tx;
    return LION_OK;
}

void lion_tx_close(lion_tx *tx)
{
    if (tx == NULL) return;
    lion_db_drop(tx->db_after);
    tx->db_after = NULL;
    lion_schema_drop(tx->result.schema_after);
    tx->result.schema_after = NULL;
}

lion_call *lion_tx_call(lion_tx *tx)
{
    return &tx->call;
}

const lion_tx_result *lion_tx_result_view(const lion_tx *tx)
{
    LION_ASSERT(tx->state == LION_TX_DONE);
    return &tx->result;
}

const lion_transaction *lion_tx_pending(const lion_tx *tx)
{
    LION_ASSERT(tx->state != LION_TX_EXPANDING);
    return &tx->result.transaction;
}

/* -- The transaction's own facts -------------------------------------------------------------- */

static lion_status choose_instant(lion_tx *tx, lion_error *error)
{
    int64_t last = tx->db->last_instant_ms, now = tx->options.now_ms;
    if (!tx->has_instant) {
        tx->instant_ms = now > last ? now : last; /* a clock set back repeats the last instant */
        return LION_OK;
    }
    char given[32], limit[32];
    lion_instant_format(given, tx->instant_ms);
    if (tx->instant_ms < last) {
        lion_instant_format(limit, last);
        return lion_fail(error, LION_INCORRECT, "db.error/past-tx-instant",
                         "db/txInstant %s is before the last transaction's, %s", given, limit);
    }
    if (tx->instant_ms > now) {
        lion_instant_format(limit, now);
        return lion_fail(error, LION_INCORRECT, "lion/future-tx-instant",
                         "db/txInstant %s is later than this machine's clock, %s", given, limit);
    }
    return LION_OK;
}

static lion_status add_own_facts(lion_tx *tx, lion_error *error)
{
    const lion_attribute *instant = lion_schema_attribute(tx->schema, LION_ID_TX_INSTANT);
    const lion_attribute *id = lion_schema_attribute(tx->schema, LION_ID_TX_ID);
    LION_ASSERT(instant != NULL && id != NULL);
    lion_status status = choose_instant(tx, error);
    if (status == LION_OK)
        status =
            lion_tx_add(tx, tx->tx, instant, lion_value_scalar(LION_TYPE_INSTANT, tx->instant_ms),
                        LION_FACT_ADD, error);
    if (status == LION_OK && tx->options.has_id) {
        lion_slice bytes = lion_arena_copy(tx->arena, lion_slice_of(tx->options.id, 16));
        status = lion_tx_add(tx, tx->tx, id, lion_value_bytes(LION_TYPE_UUID, bytes), LION_FACT_ADD,
                             error);
    }
    return status;
}

/* -- The result ------------------------------------------------------------------------------- */

static lion_status list_tempids(lion_tx *tx, lion_error *error)
{
    lion_transaction *transaction = &tx->result.transaction;
    transaction->tempids = lion_arena_array(tx->arena, lion_tempid, tx->tempids.count + 1);
    if (transaction->tempids == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < tx->tempids.count && !tx->arena->is_exhausted; i++) {
        const lion_tx_tempid *tempid = &tx->tempids.items[i];
        int64_t id = tx->tempids.items[lion_tx_root(tx, i)].id;
        if (tempid->name.size == 0 || id < 0) continue;
        transaction->tempids[transaction->tempid_count++] =
            (lion_tempid){ .name = tempid->name, .id = id };
    }
    return LION_OK;
}

static lion_status list_newly_indexed(lion_tx *tx, const lion_schema *after, lion_error *error)
{
    uint32_t count = 0;
    const lion_attribute *const *attributes = lion_schema_attributes(after, &count);
    uint32_t *list = lion_arena_array(tx->arena, uint32_t, count + 1);
    if (list == NULL || tx->arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) {
        const lion_attribute *before = lion_schema_attribute(tx->schema, attributes[i]->id);
        if (before != NULL && !before->is_in_avet && attributes[i]->is_in_avet)
            list[tx->result.newly_indexed_count++] = attributes[i]->id;
    }
    tx->result.newly_indexed = list;
    return LION_OK;
}

static lion_status list_avet(lion_tx *tx, const lion_schema *after, lion_error *error)
{
    uint8_t *is_in_avet = lion_arena_array(tx->arena, uint8_t, tx->datoms.count + 1);
    if (is_in_avet == NULL || tx->arena->is_exhausted) return lion_fail_memory(error);
    uint32_t last_a = UINT32_MAX;
    uint8_t last = 0;
    for (uint32_t i = 0; i < tx->datoms.count; i++) {
        if (tx->datoms.items[i].a != last_a) {
            last_a = tx->datoms.items[i].a;
            last = lion_schema_attribute(after, last_a)->is_in_avet;
        }
        is_in_avet[i] = last;
    }
    tx->result.is_in_avet = is_in_avet;
    return LION_OK;
}

static lion_status assemble(lion_tx *tx, lion_error *error)
{
    lion_schema *after = NULL;
    lion_status status = lion_schema_apply(&after, tx->schema, tx->datoms.items,
                                           tx->is_schema_touched ? tx->datoms.count : 0, error);
    if (status < 0) return status;
    lion_tx_result *result = &tx->result;
    result->schema_after = after; /* dropped by close */
    result->is_schema_changed = after != tx->schema;
    lion_transaction *transaction = &result->transaction;
    transaction->t = tx->t;
    transaction->instant_ms = tx->instant_ms;
    transaction->next_counter = tx->next_counter;
    transaction->datoms = tx->datoms.items;
    transaction->datom_count = tx->datoms.count;
    transaction->has_id = tx->options.has_id;
    memcpy(transaction->id, tx->options.id, sizeof transaction->id);
    status = list_tempids(tx, error);
    if (status == LION_OK && result->is_schema_changed)
        status = list_newly_indexed(tx, after, error);
    if (status == LION_OK) status = list_avet(tx, after, error);
    return status;
}

/* -- Stepping --------------------------------------------------------------------------------- */

static lion_status take_answer(lion_tx *tx, lion_error *error)
{
    if (tx->state != LION_TX_EXPANDING) return LION_OK; /* specs.c reads its own answers */
    LION_ASSERT(tx->call.is_answered);
    tx->is_calling = false;
    return lion_tx_enqueue(tx, &tx->call_result, error);
}

static lion_status make_datoms(lion_tx *tx, lion_error *error)
{
    lion_status status = lion_tx_resolve(tx, error);
    if (status == LION_OK) status = add_own_facts(tx, error);
    if (status == LION_OK) status = lion_tx_expand_deferred(tx, error);
    if (status == LION_OK) status = lion_tx_reduce(tx, error);
    if (status == LION_OK && tx->datoms.count > tx->options.datoms_max)
        status = lion_fail(error, LION_INCORRECT, "lion/transaction-too-large",
                           "the transaction has %u datoms; at most %u are allowed: split it",
                           tx->datoms.count, tx->options.datoms_max);
    if (status == LION_OK) status = lion_tx_check_unique(tx, error);
    if (status == LION_OK) status = assemble(tx, error);
    if (status == LION_OK && tx->is_schema_touched) status = lion_tx_check_schema(tx, error);
    return status;
}

static lion_status step(lion_tx *tx, lion_error *error)
{
    lion_status status = LION_OK;
    if (tx->is_calling) status = take_answer(tx, error);
    if (status == LION_OK && tx->state == LION_TX_EXPANDING) {
        status = lion_tx_expand(tx, error);
        if (status == LION_OK) status = make_datoms(tx, error);
        if (status == LION_OK) tx->state = LION_TX_PREDICATES;
    }
    if (status == LION_OK && tx->state == LION_TX_PREDICATES) {
        status = lion_tx_check_predicates(tx, error);
        if (status == LION_OK) tx->state = LION_TX_SPECS;
    }
    if (status == LION_OK && tx->state == LION_TX_SPECS) {
        status = lion_tx_check_specs(tx, error);
        if (status == LION_OK) tx->state = LION_TX_DONE;
    }
    return status;
}

lion_status lion_tx_step(lion_tx *tx, lion_error *error)
{
    if (tx->state == LION_TX_DONE) return LION_OK;
    return step(tx, error);
}
