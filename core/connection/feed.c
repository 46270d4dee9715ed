/* feed.c - transactions that reach a reader before they reach the tail: its process is told of them by the one that
 * writes, since what runs here for the writer must see what was applied there. */
#include "connection/connection.h"

#include "connection/database.h"
#include "connection/recover.h"

/* The t that the transaction after db has. */
static int64_t next_t(const lion_db *db)
{
    return db->next_counter > db->basis_t ? db->next_counter : db->basis_t + 1;
}

static lion_status check_reader(const lion_connection *connection, lion_error *error)
{
    if (connection->database->is_read_only) return LION_OK;
    return lion_fail(error, LION_FORBIDDEN, "lion/not-allowed",
                     "%s is open for writing here: records are for readers beside its owner", connection->uri);
}

/* The reader has what comes before t. LION_END: it has t, too. Looks at the tail first: what is missing may be there by now,
 * and who is only fed moves to newer roots so. Holder of `writer`. */
static lion_status prepare(lion_database *database, int64_t t, lion_error *error)
{
    lion_status status = lion_reader_look(database, error);
    const lion_db *newest = database->applied;
    if (t <= newest->basis_t) return LION_END;
    if (t == next_t(newest)) return LION_OK;
    if (status < 0) return status;
    return lion_fail(error, LION_UNAVAILABLE, "lion/unavailable",
                     "the transaction %lld does not follow %lld, which is the newest here: those between are missing",
                     (long long)t, (long long)newest->basis_t);
}

/* Recorded as in the tail, which keeps no temporary ids where nobody asks for them again. */
static lion_status apply(lion_database *database, lion_transaction *transaction, lion_arena *arena,
                         lion_error *error)
{
    if (!transaction->has_id) transaction->tempid_count = 0;
    lion_buffer record;
    lion_buffer_init(&record);
    lion_transaction_encode(&record, transaction);
    lion_status status = lion_buffer_check(&record, error);
    if (status == LION_OK)
        status = lion_recover_transaction(database, transaction, lion_buffer_view(&record), arena, error);
    lion_buffer_deinit(&record);
    if (status == LION_OK) lion_reader_publish(database);
    return status;
}

lion_status lion_connection_feed(lion_connection *connection, lion_slice record, lion_error *error)
{
    lion_database *database = connection->database;
    lion_transaction transaction;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = check_reader(connection, error);
    if (status == LION_OK) status = lion_transaction_decode(&transaction, record, &arena, error);
    if (status == LION_OK) {
        pthread_mutex_lock(&database->writer);
        status = prepare(database, transaction.t, error);
        if (status == LION_OK) status = apply(database, &transaction, &arena, error);
        pthread_mutex_unlock(&database->writer);
    }
    lion_arena_deinit(&arena);
    return status < 0 ? status : LION_OK;
}

static lion_status fail_late(const lion_transaction *transaction, lion_error *error)
{
    return lion_fail(error, LION_UNAVAILABLE, "lion/unavailable",
                     "the transaction %lld is no longer under way: it, or one after it, was applied",
                     (long long)transaction->t);
}

static lion_status put_on_top(lion_db **db_out, lion_db *db, const lion_transaction *transaction,
                              lion_arena *arena, lion_error *error)
{
    lion_tx_result result;
    lion_status status = lion_recover_result(&result, db->schema, transaction, arena, error);
    if (status < 0) return status;
    status = lion_db_with(db_out, db, &result, error);
    lion_schema_drop(result.schema_after);
    return status;
}

lion_status lion_connection_preview(lion_db **db_out, lion_connection *connection, lion_slice record,
                                    lion_error *error)
{
    lion_database *database = connection->database;
    lion_transaction transaction;
    lion_db *newest = NULL;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = check_reader(connection, error);
    if (status == LION_OK) status = lion_transaction_decode(&transaction, record, &arena, error);
    if (status == LION_OK) {
        pthread_mutex_lock(&database->writer);
        status = prepare(database, transaction.t, error);
        if (status == LION_OK) newest = lion_db_keep(database->applied);
        pthread_mutex_unlock(&database->writer);
        if (status == LION_END) status = fail_late(&transaction, error);
    }
    if (status == LION_OK) status = put_on_top(db_out, newest, &transaction, &arena, error);
    lion_db_drop(newest);
    lion_arena_deinit(&arena);
    return status;
}
