/* with.c - a database value with a transaction on top, unpublished.
 *
 * The speculative datoms lie in a novelty of their own. A chain of `with`s shares one, as long as
 * each value is built upon once; the second branch from one value copies. */
#include "base/assert.h"
#include "transact/tx.h"

#define SPECULATIVE_SIZE (UINT64_C(1) << 30) /* of address space; the large ones take the default  \
                                              */
#define SPECULATIVE_DATOMS 1000000

lion_status lion_db_check_base(const lion_db *db, lion_error *error)
{
    if (db->is_history)
        return lion_fail(
            error, LION_UNSUPPORTED, "lion/unsupported",
            "a history value cannot be transacted upon: use the value it was made from");
    if (db->as_of_t >= 0 || db->since_t >= 0)
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported",
                         "a value of the past (as-of, since) cannot be transacted upon: use the "
                         "value it was made from");
    return LION_OK;
}

static uint64_t next_branch(void)
{
    static uint64_t last; /* of the process, atomic */
    return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

lion_status lion_db_fill_avet(lion_novelty *novelty, const lion_db *db, uint32_t a,
                              lion_arena *arena, lion_error *error)
{
    lion_view view;
    lion_db_plain_view(&view, db);
    view.is_history = true;
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_ALL };
    lion_cursor *cursor = NULL;
    lion_datom *datoms = lion_arena_array(arena, lion_datom, LION_BATCH_ROWS);
    lion_status status = lion_arena_check(arena, error);
    if (status == LION_OK)
        status = lion_cursor_open(&cursor, &view, LION_AEVT, &key, &options, arena, error);
    while (status == LION_OK) {
        lion_datom_batch batch;
        status = lion_cursor_next(cursor, &batch, error);
        if (status != LION_OK) break;
        for (uint32_t row = 0; row < batch.count; row++)
            datoms[row] = lion_datom_batch_get(&batch, row);
        status = lion_novelty_add_avet(novelty, datoms, batch.count, error);
    }
    return status < 0 ? status : LION_OK;
}

/* All datoms of an attribute in one order, past ones too. */
static lion_status count_all(uint64_t *count_out, const lion_view *view, lion_index order, uint32_t a,
                             lion_arena *arena, lion_error *error)
{
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    return lion_view_count(count_out, view, order, &key, arena, error);
}

/* A copy is made of transactions, which do not tell what was filled into AVET beside them. */
static lion_status refill_avet(lion_novelty *copy, const lion_db *db, lion_arena *arena, lion_error *error)
{
    lion_view view;
    lion_db_plain_view(&view, db);
    view.is_history = true;
    view.speculative = lion_novelty_peek(copy);
    uint32_t count = 0;
    const lion_attribute *const *attributes = lion_schema_attributes(db->schema, &count);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < count; i++) {
        if (!attributes[i]->is_in_avet) continue;
        uint64_t all = 0, indexed = 0;
        status = count_all(&all, &view, LION_AEVT, attributes[i]->id, arena, error);
        if (status == LION_OK)
            status = count_all(&indexed, &view, LION_AVET, attributes[i]->id, arena, error);
        if (status == LION_OK && indexed < all)
            status = lion_db_fill_avet(copy, db, attributes[i]->id, arena, error);
        view.speculative = lion_novelty_peek(copy);
    }
    return status;
}

static lion_status copy_speculative(lion_novelty **novelty_out, const lion_db *db, lion_error *error)
{
    lion_novelty *copy = NULL;
    lion_status status = lion_novelty_rest(&copy, &db->view.speculative, 0, error);
    if (status < 0) return status;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    status = refill_avet(copy, db, &arena, error);
    lion_arena_deinit(&arena);
    if (status < 0)
        lion_novelty_drop(copy);
    else
        *novelty_out = copy;
    return status;
}

/* The novelty to add to: the value's own if nobody extended it yet, else a copy, else a new one. */
static lion_status take_novelty(lion_novelty **novelty_out, bool *is_shared_out, lion_db *db,
                                const lion_tx_result *result, lion_error *error)
{
    *is_shared_out = false;
    const lion_novelty_version *speculative = &db->view.speculative;
    if (speculative->novelty == NULL) {
        lion_novelty_options options = { 0 };
        if (result->transaction.datom_count < SPECULATIVE_DATOMS)
            options.reserve_size = SPECULATIVE_SIZE;
        return lion_novelty_new(novelty_out, &options, error);
    }
    if (__atomic_exchange_n(&db->is_extended, 1, __ATOMIC_ACQ_REL) == 0) {
        *novelty_out = lion_novelty_keep(speculative->novelty);
        *is_shared_out = true;
        return LION_OK;
    }
    return copy_speculative(novelty_out, db, error);
}

static lion_status apply(lion_novelty *novelty, const lion_db *db, const lion_tx_result *result,
                         lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < result->newly_indexed_count; i++)
        status = lion_db_fill_avet(novelty, db, result->newly_indexed[i], &arena, error);
    lion_arena_deinit(&arena);
    if (status < 0) return status;
    const lion_transaction *transaction = &result->transaction;
    return lion_novelty_apply(novelty, transaction->t, transaction->datoms, result->is_in_avet,
                              transaction->datom_count, (lion_slice){ 0 }, error);
}

/* The value with this speculative version; takes over the version. */
static lion_status make_value(lion_db **db_out, const lion_db *db, lion_novelty_version version,
                              const lion_tx_result *result, lion_error *error)
{
    lion_db *after = NULL;
    lion_status status = lion_db_derive(&after, db, error);
    if (status < 0) {
        lion_novelty_version_release(&version);
        return status;
    }
    lion_novelty_version_release(&after->view.speculative);
    after->view.speculative = version;
    lion_schema_drop(after->schema);
    after->schema = lion_schema_keep(result->schema_after);
    after->view.vaet_attributes = lion_schema_refs(after->schema, &after->view.vaet_count);
    after->basis_t = result->transaction.t;
    after->view.upper_t = after->basis_t;
    after->next_counter = result->transaction.next_counter;
    after->last_instant_ms = result->transaction.instant_ms;
    after->branch = next_branch();
    after->is_extended = 0;
    *db_out = after;
    return LION_OK;
}

static lion_status with_unfiltered(lion_db **db_out, lion_db *db, const lion_tx_result *result,
                                   lion_error *error)
{
    lion_novelty *novelty = NULL;
    bool is_shared = false;
    lion_status status = take_novelty(&novelty, &is_shared, db, result, error);
    if (status < 0) return status;
    status = apply(novelty, db, result, error);
    if (status == LION_OK)
        status = make_value(db_out, db, lion_novelty_seal(novelty), result, error);
    else if (is_shared)
        __atomic_store_n(&db->is_extended, 0, __ATOMIC_RELEASE); /* nothing was added */
    lion_novelty_drop(novelty);
    return status;
}

lion_status lion_db_with(lion_db **db_out, lion_db *db, const lion_tx_result *result,
                         lion_error *error)
{
    lion_status status = lion_db_check_base(db, error);
    if (status < 0) return status;
    if (db->unfiltered == NULL) return with_unfiltered(db_out, db, result, error);
    lion_db *after = NULL; /* filters go on top again: their functions are given the new value */
    status = with_unfiltered(&after, db->unfiltered, result, error);
    for (uint32_t i = 0; status == LION_OK && i < db->view.filter_count; i++) {
        lion_db *filtered = NULL;
        status = lion_db_filter(&filtered, after, db->view.filters[i], error);
        lion_db_drop(after);
        after = filtered;
    }
    if (status == LION_OK) *db_out = after;
    return status;
}
