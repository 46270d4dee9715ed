/* transacting.c - one transaction from its data to its report.
 *
 * The writer's lock is held from open until the transaction is applied and appended to the tail; the wait for
 * the disk happens after it is released, so the next transaction is applied while this one's group syncs. */
#include "connection/database.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "db/bootstrap.h"

struct lion_transacting {
    lion_database *database;
    lion_arena arena;           /* of the whole transaction; the report's bytes too */
    lion_tx *tx;                /* NULL when answered by an earlier transaction of the same id */
    bool holds_writer;
    bool is_done;
    lion_report report;         /* db values owned */
};

static void release_writer(lion_transacting *transacting)
{
    if (!transacting->holds_writer) return;
    transacting->holds_writer = false;
    pthread_mutex_unlock(&transacting->database->writer);
}

/* ---- an id that was seen before ---- */

static lion_status report_of_earlier(lion_transacting *transacting, lion_db *db, int64_t t,
                                     lion_error *error)
{
    lion_transaction *transaction = &transacting->report.transaction;
    lion_status status = lion_transaction_at(transaction, db, t, &transacting->arena, error);
    if (status < 0) return status;
    transaction->datoms = NULL;
    transaction->datom_count = 0;
    transacting->report.tx = lion_t_to_tx(t);
    transacting->report.db_before = lion_db_keep(db);
    transacting->report.db_after = lion_db_keep(db);
    return LION_OK;
}

/* LION_OK: a transaction with this id is there, and the report stands. LION_ABSENT: go on. */
static lion_status find_earlier(lion_transacting *transacting, const lion_tx_options *options,
                                lion_error *error)
{
    lion_db *db = transacting->database->applied;
    lion_value id = lion_value_bytes(LION_TYPE_UUID, lion_slice_of(options->id, 16));
    int64_t tx = 0;
    lion_status status =
        lion_view_find(&tx, NULL, &db->view, LION_ID_TX_ID, id, &transacting->arena, error);
    if (status != LION_OK) return status;
    db = lion_db_keep(db);
    uint64_t sequence = transacting->database->applied_sequence;
    release_writer(transacting);
    /* The first one may not be durable yet: its report is promised only when it is. */
    status = transacting->database->log == NULL
                 ? LION_OK
                 : lion_log_sync(transacting->database->log, sequence, error);
    if (status == LION_OK) status = report_of_earlier(transacting, db, lion_tx_to_t(tx), error);
    lion_db_drop(db);
    if (status == LION_OK) transacting->is_done = true;
    return status;
}

/* ---- open ---- */

static lion_status begin(lion_transacting *transacting, const lion_form *ops,
                         const lion_tx_options *options, lion_error *error)
{
    lion_database *database = transacting->database;
    lion_tx_options chosen = *options;
    if (chosen.now_ms == 0) chosen.now_ms = lion_clock_instant_ms();
    if (chosen.datoms_max == 0) chosen.datoms_max = database->options.datoms_max;
    lion_status status = lion_database_check(database, error);
    if (status == LION_OK) status = lion_database_admit(database, error);
    if (status == LION_OK && chosen.has_id) {
        status = find_earlier(transacting, &chosen, error);
        if (status == LION_OK || status < 0) return status;
        status = LION_OK;
    }
    if (status == LION_OK)
        status = lion_tx_open(&transacting->tx, database->applied, ops, &chosen, &transacting->arena,
                              error);
    return status;
}

lion_status lion_transacting_open(lion_transacting **transacting_out, lion_connection *connection,
                                  const lion_form *ops, const lion_tx_options *options,
                                  lion_error *error)
{
    lion_database *database = connection->database;
    if (database->is_read_only)
        return lion_fail(error, LION_FORBIDDEN, "lion/read-only",
                         "%s was opened with read_only: connect without it to transact",
                         connection->uri);
    lion_transacting *transacting = lion_zalloc(sizeof *transacting);
    if (transacting == NULL) return lion_fail_memory(error);
    transacting->database = database;
    lion_arena_init(&transacting->arena, 0);
    pthread_mutex_lock(&database->writer);
    transacting->holds_writer = true;
    lion_tx_options none = { 0 };
    lion_status status = begin(transacting, ops, options == NULL ? &none : options, error);
    if (status < 0) {
        lion_transacting_close(transacting);
        return status;
    }
    *transacting_out = transacting;
    return LION_OK;
}

/* ---- commit ---- */

/* Apply and append, holding the writer's lock. After an apply whose append failed novelty holds what the tail
 * does not: writing stops for good. */
static lion_status commit(lion_transacting *transacting, uint64_t *sequence_out, lion_error *error)
{
    lion_database *database = transacting->database;
    const lion_tx_result *result = lion_tx_result_view(transacting->tx);
    lion_status status = lion_database_prepare_tail(database, error);
    if (status < 0) return status;

    lion_buffer record;
    lion_buffer_init(&record);
    lion_transaction recorded = result->transaction;
    if (!recorded.has_id) recorded.tempid_count = 0;
    lion_transaction_encode(&record, &recorded);
    status = lion_buffer_check(&record, error);
    lion_db *before = lion_db_keep(database->applied);
    if (status == LION_OK) {
        status = lion_database_apply(database, &result->transaction, result->is_in_avet,
                                     result->schema_after, result->newly_indexed,
                                     result->newly_indexed_count, lion_buffer_view(&record), error);
    }
    if (status == LION_OK) {
        lion_error why = { 0 };
        status = lion_log_append(database->log, result->transaction.t, lion_buffer_view(&record),
                                 sequence_out, &why);
        if (status < 0) {
            if (error != NULL) *error = why;
            status = lion_database_fail(database, &why);
        }
    }
    lion_buffer_deinit(&record);
    if (status < 0) {
        lion_db_drop(before);
        return status;
    }
    database->applied_sequence = *sequence_out;
    transacting->report.db_before = before;
    transacting->report.db_after = lion_db_keep(database->applied);
    transacting->report.transaction = result->transaction;
    transacting->report.tx = lion_t_to_tx(result->transaction.t);
    return LION_OK;
}

lion_status lion_transacting_step(lion_transacting *transacting, lion_error *error)
{
    if (transacting->is_done) return LION_OK;
    LION_ASSERT(transacting->holds_writer);
    lion_status status = lion_tx_step(transacting->tx, error);
    if (status != LION_OK) return status;

    uint64_t sequence = 0;
    status = commit(transacting, &sequence, error);
    release_writer(transacting);
    if (status < 0) return status;

    lion_error why = { 0 };
    status = lion_log_sync(transacting->database->log, sequence, &why);
    if (status < 0) {
        if (error != NULL) *error = why;
        return lion_database_fail(transacting->database, &why);
    }
    lion_database_publish(transacting->database, transacting->report.db_after, sequence);
    transacting->is_done = true;
    return LION_OK;
}

lion_call *lion_transacting_call(lion_transacting *transacting)
{
    return lion_tx_call(transacting->tx);
}

const lion_report *lion_transacting_report(const lion_transacting *transacting)
{
    LION_ASSERT(transacting->is_done);
    return &transacting->report;
}

void lion_transacting_close(lion_transacting *transacting)
{
    if (transacting == NULL) return;
    if (transacting->tx != NULL) lion_tx_close(transacting->tx);
    release_writer(transacting);
    lion_db_drop(transacting->report.db_before);
    lion_db_drop(transacting->report.db_after);
    lion_arena_deinit(&transacting->arena);
    lion_free(transacting);
}
