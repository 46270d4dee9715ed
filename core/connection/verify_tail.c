/* verify_tail.c - transactions that are not in the trees yet: of a file at rest its log tail, of a
 * live database what novelty keeps of them. Each must follow the one before and fit the schema. */
#include "connection/verify_parts.h"

#include <string.h>

#define RECORDS_A_STEP 64

static lion_status check_transaction(lion_verify *v, int64_t t, lion_slice record,
                                     lion_error *error)
{
    lion_transaction transaction;
    lion_arena_reset(&v->arena);
    if (lion_transaction_decode(&transaction, record, &v->arena, error) != LION_OK)
        return LION_FAILED;
    if (transaction.t != t)
        return lion_fail_corrupt(error, "the record of transaction %lld holds %lld", (long long)t,
                                 (long long)transaction.t);
    if (lion_log_verify_transaction(&v->log, &transaction, error) != LION_OK) return LION_FAILED;
    if (!v->is_schema_known) return LION_OK;

    lion_schema *after = NULL;
    if (lion_schema_apply(&after, v->schema, transaction.datoms, transaction.datom_count, error) <
        0)
        return LION_FAILED;
    lion_schema_drop(v->schema);
    v->schema = after;
    for (uint32_t i = 0; i < transaction.datom_count; i++) {
        const lion_attribute *attribute = lion_schema_attribute(after, transaction.datoms[i].a);
        if (attribute == NULL || attribute->type != transaction.datoms[i].v.type)
            return lion_fail_corrupt(error,
                                     "transaction %lld has a datom of attribute %u that the schema "
                                     "does not allow",
                                     (long long)t, transaction.datoms[i].a);
    }
    return LION_OK;
}

/* ---- of a live database ---- */

static lion_status next_of_novelty(lion_verify *v, lion_error *error)
{
    const lion_novelty_version *version = &v->db->view.novelty;
    int64_t t = v->root->t;
    lion_slice record = { 0 };
    while (version->novelty != NULL && v->novelty_next < version->transactions && t <= v->root->t)
        lion_novelty_transaction(version, v->novelty_next++, &t, &record);
    if (t > v->root->t) {
        v->report.transactions++;
        return check_transaction(v, t, record, error);
    }
    return LION_END;
}

/* ---- of a file at rest ---- */

static lion_status open_tail(lion_verify *v, lion_error *error)
{
    const lion_root *root = v->root;
    lion_log_options options = { .read_only = true,
                                 .generation = lion_store_generation(v->store),
                                 .first_t = root->t,
                                 .root_sequence = root->log_sequence,
                                 .root_generation = root->generation };
    memcpy(options.database_id, lion_store_database_id(v->store), sizeof options.database_id);
    lion_status status = lion_log_open(&v->tail, v->log_path, &options, error);
    if (status != LION_OK) return status;
    v->report.torn = lion_log_torn(v->tail);
    v->report.bytes += lion_log_size(v->tail);
    return LION_OK;
}

/* LION_FAILED with the log closed: it cannot be read any further. */
static lion_status next_of_tail(lion_verify *v, lion_error *error)
{
    int64_t t = 0;
    lion_slice record = { 0 };
    uint64_t sequence = 0;
    lion_status status = v->tail == NULL ? open_tail(v, error) : LION_OK;
    if (status == LION_OK) status = lion_log_replay(v->tail, &t, &record, &sequence, error);
    if (status == LION_OK) {
        v->report.transactions++;
        return check_transaction(v, t, record, error);
    }
    if (v->tail != NULL) lion_log_close(v->tail, false, NULL);
    v->tail = NULL;
    return status;
}

/* ---- a step ---- */

static void begin(lion_verify *v)
{
    v->report.transactions = v->log.transactions;
    v->log.audit = NULL; /* its sums are compared already */
    v->log.t = v->root->t;
    v->log.next_counter = v->root->next_counter;
}

lion_status lion_verify_tail_step(lion_verify *v, lion_error *error)
{
    if (v->log.audit != NULL) begin(v);
    bool is_file = v->db == NULL;
    if (is_file && (v->report.is_beside_owner || !v->root->has_tail)) return LION_END;
    for (unsigned i = 0; i < RECORDS_A_STEP; i++) {
        lion_error fault = { 0 };
        lion_status status = is_file ? next_of_tail(v, &fault) : next_of_novelty(v, &fault);
        if (status == LION_END) return LION_END;
        if (status == LION_OK) continue;
        status = lion_verify_note(v, "tail", &fault, error);
        if (status != LION_OK) return status;
        if (is_file && v->tail == NULL) return LION_END;
    }
    return LION_OK;
}
