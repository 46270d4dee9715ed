/* publish.c - how an open database moves from one value to the next. */
#include "connection/database.h"

#include "base/assert.h"

/* The value after a transaction (or of what stands), on novelty as it is now. */
static lion_status make_value(lion_db **db_out, lion_database *database, lion_schema *schema, int64_t t,
                              int64_t next_counter, int64_t instant_ms, bool is_open, lion_error *error)
{
    lion_root *root = (lion_root *)(uintptr_t)database->applied->view.root;
    lion_novelty_version version =
        is_open ? lion_novelty_peek(database->novelty) : lion_novelty_seal(database->novelty);
    lion_status status = lion_db_new(db_out, root, is_open ? NULL : &version, schema, t, next_counter,
                                     instant_ms, database->number, error);
    if (!is_open) lion_novelty_version_release(&version);
    if (status < 0) return status;
    (*db_out)->view.novelty = version;
    (*db_out)->is_open = is_open;
    if (is_open) (*db_out)->view.overlays = NULL; /* novelty still changes */
    return LION_OK;
}

/* Attributes that come into AVET bring what AEVT has of them. */
static lion_status fill_avet(lion_database *database, const uint32_t *newly_indexed, uint32_t count,
                             lion_error *error)
{
    lion_status status = count > 0 ? lion_database_seal(database, error) : LION_OK;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    for (uint32_t i = 0; status == LION_OK && i < count; i++)
        status = lion_db_fill_avet(database->novelty, database->applied, newly_indexed[i], &arena, error);
    lion_arena_deinit(&arena);
    return status;
}

static void set_applied(lion_database *database, lion_db *after)
{
    lion_db *before = database->applied;
    database->applied = after;
    lion_db_drop(before);
}

lion_status lion_database_apply(lion_database *database, const lion_transaction *transaction,
                                const uint8_t *is_in_avet, lion_schema *schema_after,
                                const uint32_t *newly_indexed, uint32_t newly_indexed_count,
                                lion_slice record, bool leaves_open, lion_error *error)
{
    LION_ASSERT(newly_indexed_count == 0 || newly_indexed != NULL);
    lion_error why = { 0 };
    lion_status status = fill_avet(database, newly_indexed, newly_indexed_count, &why);
    if (status == LION_OK)
        status = lion_novelty_apply(database->novelty, transaction->t, transaction->datoms, is_in_avet,
                                    transaction->datom_count, record, &why);
    if (status == LION_OK) { /* a failure before added nothing, or what AEVT has anyway */
        lion_db *after = NULL;
        status = make_value(&after, database, schema_after, transaction->t, transaction->next_counter,
                            transaction->instant_ms, leaves_open, &why);
        /* Novelty holds a transaction now that no value shows and the tail will never have. */
        if (status < 0) lion_database_fail(database, &why);
        if (status == LION_OK) set_applied(database, after);
    }
    if (status < 0) {
        if (error != NULL) *error = why;
        return status;
    }
    database->transactions++;
    return LION_OK;
}

lion_status lion_database_seal(lion_database *database, lion_error *error)
{
    const lion_db *open = database->applied;
    if (!open->is_open) return LION_OK;
    lion_error why = { 0 };
    lion_db *sealed = NULL;
    lion_status status = make_value(&sealed, database, open->schema, open->basis_t, open->next_counter,
                                    open->last_instant_ms, false, &why);
    if (status < 0) {
        if (error != NULL) *error = why;
        return lion_database_fail(database, &why);
    }
    set_applied(database, sealed);
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

/* Only the thread itself can find its own name here, so a race with others is none. */
lion_status lion_database_check_reentry(const lion_database *database, const char *what, lion_error *error)
{
    if (!__atomic_load_n(&database->is_transacting, __ATOMIC_ACQUIRE)) return LION_OK;
    pthread_t writing = __atomic_load_n(&database->writing_thread, __ATOMIC_RELAXED);
    if (!pthread_equal(writing, pthread_self())) return LION_OK;
    return lion_fail(error, LION_FORBIDDEN, "lion/not-allowed",
                     "a transaction of this database is under way here: a function that it calls cannot %s; "
                     "let it return tx data", what);
}
