/* recover.c - from store and tail to the newest value: what an opening does before anyone may look. */
#include "connection/recover.h"

#include <stdlib.h>

#include "db/bootstrap.h"

/* Attributes that are in AVET after and were not before: two ascending lists. */
static uint32_t *gained_avet(const lion_schema *before, const lion_schema *after, uint32_t *count_out,
                             lion_arena *arena)
{
    uint32_t count = 0;
    const lion_attribute *const *attributes = lion_schema_attributes(after, &count);
    uint32_t *gained = lion_arena_array(arena, uint32_t, count + 1);
    *count_out = 0;
    for (uint32_t i = 0; i < count; i++) {
        const lion_attribute *old = lion_schema_attribute(before, attributes[i]->id);
        if (attributes[i]->is_in_avet && old != NULL && !old->is_in_avet)
            gained[(*count_out)++] = attributes[i]->id;
    }
    return gained;
}

lion_status lion_recover_result(lion_tx_result *result_out, lion_schema *before,
                                const lion_transaction *transaction, lion_arena *arena, lion_error *error)
{
    lion_schema *after = NULL;
    lion_status status =
        lion_schema_apply(&after, before, transaction->datoms, transaction->datom_count, error);
    if (status < 0) return status;
    uint32_t gained_count = 0;
    uint32_t *gained = after == before ? NULL : gained_avet(before, after, &gained_count, arena);
    uint8_t *is_in_avet = lion_arena_array(arena, uint8_t, transaction->datom_count + 1);
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        const lion_attribute *attribute = lion_schema_attribute(after, transaction->datoms[i].a);
        if (attribute == NULL) {
            lion_schema_drop(after);
            return lion_fail_corrupt(error, "transaction %lld of the log names attribute %u, which the "
                                     "schema does not know", (long long)transaction->t,
                                     transaction->datoms[i].a);
        }
        is_in_avet[i] = attribute->is_in_avet;
    }
    *result_out = (lion_tx_result){ .transaction = *transaction,
                                    .is_in_avet = is_in_avet,
                                    .schema_after = after,
                                    .is_schema_changed = after != before,
                                    .newly_indexed_count = gained_count,
                                    .newly_indexed = gained };
    return LION_OK;
}

lion_status lion_recover_transaction(lion_database *database, const lion_transaction *transaction,
                                     lion_slice record, lion_arena *arena, lion_error *error)
{
    lion_tx_result result;
    lion_status status = lion_recover_result(&result, database->applied->schema, transaction, arena, error);
    if (status < 0) return status;
    status = lion_database_apply(database, transaction, result.is_in_avet, result.schema_after,
                                 result.newly_indexed, result.newly_indexed_count, record, false, error);
    lion_schema_drop(result.schema_after);
    return status;
}

/* The names and attributes that the trees hold: schema datoms of every transaction, in order of time. Idents may
 * belong to any entity, the rest to the db partition. */
static lion_status collect_schema(lion_datom **datoms_out, size_t *count_out, const lion_root *root,
                                  const uint32_t *attributes, size_t attribute_count,
                                  lion_arena *arena, lion_error *error)
{
    lion_view view = { .root = root, .upper_t = root->t, .since_t = -1, .is_history = true };
    size_t count = 0, capacity = 1024;
    lion_datom *datoms = lion_arena_array(arena, lion_datom, capacity);
    for (size_t i = 0; i < attribute_count; i++) {
        lion_key key = { .datom = { .a = attributes[i] }, .parts = 1 };
        lion_cursor_options options = { .columns = LION_COLUMN_ALL };
        lion_cursor *cursor = NULL;
        lion_status status = lion_cursor_open(&cursor, &view, LION_AEVT, &key, &options, arena, error);
        while (status == LION_OK) {
            lion_datom_batch batch;
            status = lion_cursor_next(cursor, &batch, error);
            if (status != LION_OK) break;
            if (count + batch.count > capacity) {
                size_t grown = capacity * 2 + batch.count;
                datoms = lion_arena_grow(arena, datoms, capacity * sizeof *datoms, grown * sizeof *datoms);
                if (datoms == NULL) return lion_fail_memory(error);
                capacity = grown;
            }
            for (uint32_t row = 0; row < batch.count; row++) {
                datoms[count] = lion_datom_batch_get(&batch, row);
                datoms[count].v = lion_value_copy(arena, datoms[count].v);
                count++;
            }
        }
        if (status < 0) return status;
    }
    *datoms_out = datoms;
    *count_out = count;
    return lion_arena_check(arena, error);
}

static int by_time(const void *left, const void *right)
{
    const lion_datom *a = left, *b = right;
    if (a->tx != b->tx) return a->tx < b->tx ? -1 : 1;
    if (a->added != b->added) return a->added ? 1 : -1; /* retractions first */
    return lion_datom_compare(LION_EAVT, a, b);
}

lion_status lion_recover_schema(lion_schema **schema_out, const lion_root *root, lion_error *error)
{
    static const uint32_t attributes[] = {
        LION_ID_IDENT, LION_ID_VALUE_TYPE, LION_ID_CARDINALITY, LION_ID_UNIQUE, LION_ID_IS_COMPONENT,
        LION_ID_INDEX, LION_ID_NO_HISTORY, LION_ID_FULLTEXT, LION_ID_TUPLE_ATTRS, LION_ID_TUPLE_TYPES,
        LION_ID_TUPLE_TYPE, LION_ID_ATTR_PREDS, LION_ID_INSTALL_PARTITION };
    lion_schema *schema = NULL;
    lion_status status = lion_schema_new(&schema, error);
    if (status < 0) return status;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_datom *datoms = NULL;
    size_t count = 0;
    status = collect_schema(&datoms, &count, root, attributes, sizeof attributes / sizeof *attributes,
                            &arena, error);
    if (status == LION_OK) qsort(datoms, count, sizeof *datoms, by_time);
    for (size_t from = 0; status == LION_OK && from < count;) {
        size_t to = from + 1;
        while (to < count && datoms[to].tx == datoms[from].tx) to++;
        if (lion_tx_to_t(datoms[from].tx) != LION_T_BOOTSTRAP) { /* lion_schema_new is after it */
            lion_schema *next = NULL;
            status = lion_schema_apply(&next, schema, datoms + from, to - from, error);
            if (status == LION_OK) {
                lion_schema_drop(schema);
                schema = next;
            }
        }
        from = to;
    }
    lion_arena_deinit(&arena);
    if (status < 0) {
        lion_schema_drop(schema);
        return status;
    }
    *schema_out = schema;
    return LION_OK;
}

lion_status lion_recover_instant(int64_t *instant_ms_out, const lion_root *root, lion_error *error)
{
    lion_view view = { .root = root, .upper_t = root->t, .since_t = -1 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value value;
    lion_status status = lion_view_get(&value, NULL, &view, lion_t_to_tx(root->t), LION_ID_TX_INSTANT,
                                       &arena, error);
    if (status == LION_OK) *instant_ms_out = value.bits;
    lion_arena_deinit(&arena);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(error, "the transaction %lld that the root ends with has no instant",
                                 (long long)root->t);
    return status;
}

lion_status lion_recover_bootstrap(lion_database *database, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_transaction transaction = { .t = LION_T_BOOTSTRAP, .next_counter = LION_COUNTER_FIRST };
    size_t count = 0;
    lion_bootstrap_datoms(&transaction.datoms, &count, &arena);
    transaction.datom_count = (uint32_t)count;
    lion_buffer record;
    lion_buffer_init(&record);
    lion_transaction_encode(&record, &transaction);
    lion_status status = lion_buffer_check(&record, error);
    if (status == LION_OK) {
        status = lion_recover_transaction(database, &transaction, lion_buffer_view(&record), &arena,
                                          error);
    }
    uint64_t sequence = 0;
    if (status == LION_OK) {
        status = lion_log_append(database->log, transaction.t, lion_buffer_view(&record), &sequence,
                                 error);
    }
    if (status == LION_OK) status = lion_log_sync(database->log, sequence, error);
    if (status == LION_OK) database->applied_sequence = sequence;
    lion_buffer_deinit(&record);
    lion_arena_deinit(&arena);
    return status;
}

lion_status lion_recover_replay(lion_database *database, lion_error *error)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status;
    for (;;) {
        int64_t t = 0;
        lion_slice payload;
        uint64_t sequence = 0;
        status = lion_log_replay(database->log, &t, &payload, &sequence, error);
        if (status != LION_OK) break;
        lion_arena_reset(&arena);
        lion_transaction transaction;
        status = lion_transaction_decode(&transaction, payload, &arena, error);
        if (status < 0) break;
        status = lion_recover_transaction(database, &transaction, payload, &arena, error);
        if (status < 0) break;
        database->applied_sequence = sequence;
    }
    lion_arena_deinit(&arena);
    return status < 0 ? status : LION_OK;
}

lion_status lion_database_take_root(lion_database *database, lion_root *root, lion_error *error)
{
    lion_novelty_options options = { .node_entries = database->options.node_entries };
    lion_novelty *novelty = NULL;
    lion_status status = lion_novelty_new(&novelty, &options, error);
    if (status < 0) return status;
    lion_schema *schema = NULL;
    status = root->t == 0 ? lion_schema_new(&schema, error) : lion_recover_schema(&schema, root, error);
    int64_t instant_ms = 0;
    if (status == LION_OK && root->t > 0) status = lion_recover_instant(&instant_ms, root, error);
    lion_db *db = NULL;
    if (status == LION_OK) {
        lion_novelty_version version = lion_novelty_seal(novelty);
        status = lion_db_new(&db, root, &version, schema, root->t, root->next_counter, instant_ms,
                             database->number, error);
        lion_novelty_version_release(&version);
    }
    lion_schema_drop(schema);
    if (status < 0) {
        lion_novelty_drop(novelty);
        return status;
    }
    lion_novelty_drop(database->novelty);
    lion_db_drop(database->applied);
    database->novelty = novelty;
    database->applied = db;
    database->applied_sequence = root->log_sequence;
    return LION_OK;
}
