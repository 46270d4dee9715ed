/* publish.c - how an open database moves from one value to the next. */
#include "connection/database.h"

#include "base/assert.h"
#include "base/memory.h"

/* An attribute that gains AVET has datoms that are in AEVT alone. Until the indexer builds its tree they are
 * added to novelty's AVET, those of the trees too: then AVET reads find all of them there. */
static lion_status fill_avet(lion_database *database, uint32_t a, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_view view = database->applied->view;
    view.is_history = true;
    view.filter_count = 0;
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_status status = lion_cursor_open(&cursor, &view, LION_AEVT, &key, &options, &arena, error);
    lion_datom *datoms = NULL;
    if (status == LION_OK) datoms = lion_alloc(sizeof *datoms * LION_BATCH_ROWS);
    if (status == LION_OK && datoms == NULL) status = lion_fail_memory(error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        if (status != LION_OK) break;
        for (uint32_t row = 0; row < batch.count; row++)
            datoms[row] = lion_datom_batch_get(&batch, row);
        status = lion_novelty_add_avet(database->novelty, datoms, batch.count, error);
    }
    lion_free(datoms);
    lion_arena_deinit(&arena);
    return status < 0 ? status : LION_OK;
}

lion_status lion_database_apply(lion_database *database, const lion_transaction *transaction,
                                const uint8_t *is_in_avet, lion_schema *schema_after,
                                const uint32_t *newly_indexed, uint32_t newly_indexed_count,
                                lion_slice record, lion_error *error)
{
    LION_ASSERT(newly_indexed_count == 0 || newly_indexed != NULL);
    for (uint32_t i = 0; i < newly_indexed_count; i++) {
        lion_status filled = fill_avet(database, newly_indexed[i], error);
        if (filled < 0) return filled;
    }
    lion_status status =
        lion_novelty_apply(database->novelty, transaction->t, transaction->datoms, is_in_avet,
                           transaction->datom_count, record, error);
    if (status < 0) return status;

    lion_db *before = database->applied;
    lion_novelty_version version = lion_novelty_seal(database->novelty);
    lion_db *after = NULL;
    status = lion_db_new(&after, (lion_root *)before->view.root, &version, schema_after,
                         transaction->t, transaction->next_counter, transaction->instant_ms,
                         database->number, error);
    lion_novelty_version_release(&version);
    if (status < 0) return status;
    database->applied = after;
    database->transactions++;
    lion_db_drop(before);
    return LION_OK;
}

void lion_database_publish(lion_database *database, lion_db *db, uint64_t sequence)
{
    lion_db *old = NULL;
    pthread_mutex_lock(&database->state);
    if (database->published == NULL || db->basis_t > database->published->basis_t) {
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
