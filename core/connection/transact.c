/* transact.c - a transaction in one call, for programs whose transactions call none of their
 * functions. */
#include "connection/connection.h"

static lion_status fail_call(const lion_call *call, lion_error *error)
{
    return lion_fail(
        error, LION_NOT_FOUND, "lion/not-found",
        "the transaction calls %.*s, a function of the host: lion_transact knows none, "
        "step it with lion_transacting_open and answer",
        (int)call->name.size, (const char *)call->name.data);
}

lion_status lion_transact(lion_transacting **transacting_out, lion_connection *connection,
                          const lion_form *ops, const lion_tx_options *options, lion_error *error)
{
    lion_tx_options chosen = { 0 };
    if (options != NULL) chosen = *options;
    if (transacting_out == NULL) chosen.without_values = true;
    lion_transacting *transacting = NULL;
    lion_status status = lion_transacting_open(&transacting, connection, ops, &chosen, error);
    if (status < 0) return status;
    status = lion_transacting_step(transacting, error);
    if (status == LION_CALL) status = fail_call(lion_transacting_call(transacting), error);
    if (status == LION_OK && transacting_out != NULL) {
        *transacting_out = transacting;
        return LION_OK;
    }
    lion_transacting_close(transacting);
    return status;
}

int64_t lion_transaction_tempid(const lion_transaction *transaction, const char *name)
{
    lion_slice wanted = lion_slice_text(name);
    for (uint32_t i = 0; i < transaction->tempid_count; i++)
        if (lion_slice_equal(transaction->tempids[i].name, wanted))
            return transaction->tempids[i].id;
    return -1;
}
