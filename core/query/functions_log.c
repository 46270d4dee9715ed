/* functions_log.c - functions of the log: tx-ids, its transactions from one point to another; tx-data, the datoms of one.
 * A query goes from one transaction to the next, so the place in the log is kept between two rows. */
#include "base/memory.h"
#include "query/functions.h"

#define FUNCTION(name) \
    static lion_status name(lion_function_call *call, const lion_value *arguments, uint32_t count, lion_value *out, lion_error *error)

enum { E, A, V, TX, OP, DATOM_WIDTH };

typedef struct place {
    lion_tx_range *range;
    const lion_db *db;         /* whose log it is; kept by the range */
} place;

static void free_place(void *memory)
{
    place *self = memory;
    lion_tx_range_close(self->range);
    lion_free(self);
}

/* The log must be one of the run's own: it keeps those. */
static lion_status log_of(lion_function_call *call, lion_value value, lion_db **db_out, lion_error *error)
{
    const lion_run *run = call->run;
    for (uint32_t i = 0; value.type == LION_TYPE_LOG && i < run->log_count; i++) {
        if ((int64_t)(intptr_t)run->logs[i] != value.bits) continue;
        *db_out = run->logs[i];
        return LION_OK;
    }
    return lion_function_fail(call, "the log of a connection, an input such as ?log", value, error);
}

/* The range [from, to) of the log, at its beginning. */
static lion_status open_range(lion_function_call *call, lion_db *db, int64_t from, int64_t to, lion_tx_range **range_out,
                              lion_error *error)
{
    place *self = call->memory;
    if (self != NULL && self->db == db) {
        *range_out = self->range;
        return lion_tx_range_seek(self->range, from, to, error);
    }
    lion_function_forget(call);
    self = lion_zalloc(sizeof(*self));
    if (self == NULL) return lion_fail_memory(error);
    self->db = db;
    lion_status status = lion_db_tx_range(&self->range, db, from, to, error);
    if (status != LION_OK) {
        lion_free(self);
        return status;
    }
    call->memory = self;
    call->free_memory = free_place;
    *range_out = self->range;
    return LION_OK;
}

/* A point in time, or nil for `otherwise`. */
static lion_status point_of(lion_function_call *call, const lion_db *db, lion_value value, int64_t otherwise, int64_t *t_out,
                            lion_error *error)
{
    *t_out = otherwise;
    return value.type == LION_TYPE_NIL ? LION_OK : lion_db_log_point(t_out, db, value, call->arena, error);
}

FUNCTION(tx_ids)
{
    lion_db *db = NULL;
    lion_tx_range *range = NULL;
    lion_transaction transaction;
    int64_t from = 0, to = 0;
    (void)count, (void)out;
    lion_items_begin(call->items, 1);
    lion_status status = log_of(call, arguments[0], &db, error);
    if (status == LION_OK) status = point_of(call, db, arguments[1], 0, &from, error);
    if (status == LION_OK) status = point_of(call, db, arguments[2], INT64_MAX, &to, error);
    if (status != LION_OK || to <= from) return status;
    status = open_range(call, db, from, to, &range, error);
    while (status == LION_OK && (status = lion_tx_range_next(range, &transaction, error)) == LION_OK) {
        lion_value tx = lion_value_ref(lion_t_to_tx(transaction.t));
        status = lion_items_add(call->items, &tx, error);
        if (status == LION_OK) status = lion_run_check(call->run, error);
    }
    return status == LION_END ? LION_OK : status;
}

/* A t or a transaction's id: instants name no transaction. */
static lion_status t_of_tx(lion_function_call *call, lion_value value, int64_t *t_out, lion_error *error)
{
    bool is_whole = value.type == LION_TYPE_LONG || value.type == LION_TYPE_REF;
    bool is_t = is_whole && value.bits >= 0 && value.bits < LION_POINT_T_MAX;
    bool is_tx = is_whole && lion_id_partition(value.bits) == LION_PARTITION_TX;
    *t_out = is_tx ? lion_tx_to_t(value.bits) : value.bits;
    return is_t || is_tx ? LION_OK : lion_function_fail(call, "a transaction, its id or its t", value, error);
}

static lion_status add_datom(lion_function_call *call, const lion_datom *datom, lion_error *error)
{
    lion_value values[DATOM_WIDTH] = {
        [E] = lion_value_ref(datom->e), [A] = lion_value_scalar(LION_TYPE_ATTRIBUTE, datom->a), [V] = lion_value_nil(),
        [TX] = lion_value_ref(datom->tx), [OP] = lion_value_boolean(datom->added),
    };
    if (lion_items_takes(call->items, V)) values[V] = lion_value_copy(call->arena, datom->v); /* the log's bytes go with its next leaf */
    return lion_items_add(call->items, values, error);
}

FUNCTION(tx_data)
{
    lion_db *db = NULL;
    lion_tx_range *range = NULL;
    lion_transaction transaction;
    int64_t t = 0;
    (void)count, (void)out;
    lion_items_begin(call->items, DATOM_WIDTH);
    lion_status status = log_of(call, arguments[0], &db, error);
    if (status == LION_OK) status = t_of_tx(call, arguments[1], &t, error);
    if (status == LION_OK) status = open_range(call, db, t, t + 1, &range, error);
    if (status == LION_OK) status = lion_tx_range_next(range, &transaction, error);
    for (uint32_t i = 0; status == LION_OK && i < transaction.datom_count; i++)
        status = add_datom(call, &transaction.datoms[i], error);
    return status == LION_END ? LION_OK : status;
}

const lion_function lion_functions_log[] = {
    { "tx-ids", 3, 3, false, tx_ids },
    { "tx-data", 2, 2, false, tx_data },
    { 0 },
};

bool lion_function_yields(const lion_function *function)
{
    return function->apply == tx_ids || function->apply == tx_data;
}
