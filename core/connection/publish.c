/* publish.c - how an open database moves from one value to the next. */
#include "connection/database.h"

#include "base/assert.h"

/* Novelty with the transaction in it, and the value after it. */
static lion_status apply_to_novelty(lion_db **after_out, lion_database *database,
                                    const lion_transaction *transaction, const uint8_t *is_in_avet,
                                    lion_schema *schema_after, const uint32_t *newly_indexed,
                                    uint32_t newly_indexed_count, lion_slice record, lion_error *error)
{
    lion_db *before = database->applied;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < newly_indexed_count; i++)
        status = lion_db_fill_avet(database->novelty, before, newly_indexed[i], &arena, error);
    lion_arena_deinit(&arena);
    if (status == LION_OK)
        status = lion_novelty_apply(database->novelty, transaction->t, transaction->datoms, is_in_avet,
                                    transaction->datom_count, record, error);
    if (status < 0) return status; /* added nothing, or what AEVT has anyway */

    lion_novelty_version version = lion_novelty_seal(database->novelty);
    status = lion_db_new(after_out, (lion_root *)before->view.root, &version, schema_after,
                         transaction->t, transaction->next_counter, transaction->instant_ms,
                         database->number, error);
    lion_novelty_version_release(&version);
    /* Novelty holds a transaction now that no value shows and the tail will never have. */
    if (status < 0) lion_database_fail(database, error);
    return status;
}

lion_status lion_database_apply(lion_database *database, const lion_transaction *transaction,
                                const uint8_t *is_in_avet, lion_schema *schema_after,
                                const uint32_t *newly_indexed, uint32_t newly_indexed_count,
                                lion_slice record, lion_error *error)
{
    LION_ASSERT(newly_indexed_count == 0 || newly_indexed != NULL);
    lion_error why = { 0 };
    lion_db *before = database->applied, *after = NULL;
    lion_status status = apply_to_novelty(&after, database, transaction, is_in_avet, schema_after,
                                          newly_indexed, newly_indexed_count, record, &why);
    if (status < 0) {
        if (error != NULL) *error = why;
        return status;
    }
    database->applied = after;
    database->transactions++;
    lion_db_drop(before);
    return LION_OK;
}

/* The same transaction on a newer root counts: what the trees have need not be kept in novelty. */
static bool is_newer(const lion_db *db, const lion_db *published)
{
    if (db->basis_t != published->basis_t) return db->basis_t > published->basis_t;
    return db->view.root->t > published->view.root->t;
}

void lion_database_publish(lion_database *database, lion_db *db, uint64_t sequence)
{
    lion_db *old = NULL;
    pthread_mutex_lock(&database->state);
    if (database->published == NULL || is_newer(db, database->published)) {
        old = database->published;
        database->published = lion_db_keep(db);
        database->published_sequence = sequence;
        pthread_cond_broadcast(&database->changed);
    }
    pthread_mutex_unlock(&database->state);
    lion_db_drop(old);
}

lion_status lion_database_fail(lion_database *database, const lion_error *why)
{
    pthread_mutex_lock(&database->state);
    if (!database->is_failed) {
        database->is_failed = true;
        database->failure = *why;
    }
    pthread_cond_broadcast(&database->changed);
    pthread_mutex_unlock(&database->state);
    return LION_FAILED;
}

lion_status lion_database_check(lion_database *database, lion_error *error)
{
    pthread_mutex_lock(&database->state);
    bool is_failed = database->is_failed;
    if (is_failed && error != NULL) *error = database->failure;
    pthread_mutex_unlock(&database->state);
    return is_failed ? LION_FAILED : LION_OK;
}
