/* transaction_at.c - a single transaction out of the log. */
#include "connection/database.h"

/* A copy of a transaction whose bytes outlive the iteration. */
static void copy_transaction(lion_transaction *copy_out, const lion_transaction *transaction,
                             lion_arena *arena)
{
    *copy_out = *transaction;
    copy_out->datoms = lion_arena_array(arena, lion_datom, transaction->datom_count + 1);
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        copy_out->datoms[i] = transaction->datoms[i];
        copy_out->datoms[i].v = lion_value_copy(arena, transaction->datoms[i].v);
    }
    copy_out->tempids = lion_arena_array(arena, lion_tempid, transaction->tempid_count + 1);
    for (uint32_t i = 0; i < transaction->tempid_count; i++) {
        copy_out->tempids[i].name = lion_arena_copy(arena, transaction->tempids[i].name);
        copy_out->tempids[i].id = transaction->tempids[i].id;
    }
}

lion_status lion_transaction_at(lion_transaction *transaction_out, lion_db *db, int64_t t,
                                lion_arena *arena, lion_error *error)
{
    lion_tx_range *range = NULL;
    lion_status status = lion_db_tx_range(&range, db, t, t + 1, error);
    if (status < 0) return status;
    lion_transaction transaction;
    status = lion_tx_range_next(range, &transaction, error);
    if (status == LION_OK) copy_transaction(transaction_out, &transaction, arena);
    lion_tx_range_close(range);
    if (status == LION_END)
        return lion_fail_corrupt(error, "the log has no transaction %lld", (long long)t);
    return status < 0 ? status : lion_arena_check(arena, error);
}
