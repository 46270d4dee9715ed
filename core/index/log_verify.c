/* log_verify.c - see log_verify.h. */
#include "index/log_verify.h"

#include "index/log_leaf.h"

void lion_log_verifier_init(lion_log_verifier *verifier, lion_audit *audit)
{
    *verifier = (lion_log_verifier){ .audit = audit };
    lion_buffer_init(&verifier->raw);
    lion_arena_init(&verifier->arena, 0);
}

void lion_log_verifier_deinit(lion_log_verifier *verifier)
{
    lion_buffer_deinit(&verifier->raw);
    lion_arena_deinit(&verifier->arena);
}

lion_status lion_log_verify_transaction(lion_log_verifier *verifier,
                                        const lion_transaction *transaction, lion_error *error)
{
    int64_t before = verifier->t, wanted = verifier->next_counter;
    if (wanted <= before) wanted = before + 1;
    verifier->t = transaction->t;
    verifier->next_counter = transaction->next_counter;
    verifier->transactions++;
    for (uint32_t i = 0; verifier->audit != NULL && i < transaction->datom_count; i++) {
        if (lion_audit_row(verifier->audit, LION_AUDIT_LOG, &transaction->datoms[i], error) !=
            LION_OK)
            return LION_FAILED;
    }
    if (before == 0 || transaction->t == wanted) return LION_OK;
    return lion_fail_corrupt(error, "transaction %lld follows %lld, where %lld should",
                             (long long)transaction->t, (long long)before, (long long)wanted);
}

static lion_status verify_records(lion_branch_entry *found, lion_log_verifier *verifier,
                                  const lion_log_leaf *leaf, lion_error *error)
{
    lion_reader reader;
    lion_reader_init(&reader, lion_buffer_view(&verifier->raw));
    for (uint32_t i = 0; i < leaf->count; i++) {
        uint64_t size = lion_reader_varint(&reader);
        if (reader.is_failed || size > lion_reader_left(&reader))
            return lion_fail_corrupt(error, "its records are malformed");
        lion_slice record = lion_reader_bytes(&reader, (size_t)size);
        lion_transaction transaction;
        lion_arena_reset(&verifier->arena);
        if (lion_transaction_decode(&transaction, record, &verifier->arena, error) != LION_OK)
            return LION_FAILED;
        if (found->rows == 0) found->min_e = found->min_t = transaction.t;
        found->max_e = found->max_t = transaction.t;
        found->rows++;
        found->distinct++;
        if (lion_log_verify_transaction(verifier, &transaction, error) != LION_OK)
            return LION_FAILED;
    }
    if (lion_reader_left(&reader) != 0)
        return lion_fail_corrupt(error, "it has more bytes than its records");
    if (found->min_t != leaf->first_t || found->max_t != leaf->last_t)
        return lion_fail_corrupt(error, "its header says other transactions than it has");
    return LION_OK;
}

lion_status lion_log_verify_leaf(lion_branch_entry *found_out, lion_log_verifier *verifier,
                                 lion_slice bytes, lion_error *error)
{
    lion_log_leaf leaf;
    lion_branch_entry found = { 0 };
    lion_status status = lion_log_leaf_open(&leaf, bytes, error);
    if (status == LION_OK) status = lion_log_leaf_unpack(&verifier->raw, &leaf, error);
    if (status == LION_OK) status = verify_records(&found, verifier, &leaf, error);
    if (status == LION_OK)
        *found_out = found;
    else
        verifier->t = verifier->next_counter = 0;
    return status;
}
