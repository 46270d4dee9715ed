/* transact.h - a transaction as a pure function: (db before, tx data) → datoms. Writes nothing.
 *
 * Order inside (SEMANTICS §2): expand (maps, nested maps, functions) → resolve ids and upserts → composite tuples → uniqueness →
 * cardinality and redundancy → attribute predicates → schema checks → entity specs on the db after.
 * Transaction functions, attribute and entity predicates run in the host: lion_tx_step answers LION_CALL
 * (data/call.h) and never see each other's output; if one fails, the host closes the transaction and reports that
 * error. Everything lives in the arena given; the db and the ops' bytes (which the result borrows) must outlive
 * it. One thread at a time.
 *
 * Tempids are strings without a leading colon. One of the form #db/id[:a.partition -1], brackets optional (as EDN
 * readers hand on the tagged literal), puts its entity into that partition; [db/force-partition {tempid partition}] and
 * [db/match-partition {tempid entity}] do so too. */
#ifndef LION_TRANSACT_TRANSACT_H
#define LION_TRANSACT_TRANSACT_H

#include "data/call.h"
#include "db/db.h"
#include "index/log_tree.h"

typedef struct lion_tx lion_tx;

typedef struct lion_tx_options {
    int64_t now_ms;          /* the transactor's clock */
    bool has_id;             /* a retry-safe transaction */
    uint8_t id[16];
    uint32_t datoms_max;     /* 0: LION_TX_DATOMS_MAX; lion/transaction-too-large */
    uint32_t expansions_max; /* calls of functions; 0: LION_TX_EXPANSIONS_MAX (lion/limit) */
} lion_tx_options;

#define LION_TX_DATOMS_MAX (16u << 20)
#define LION_TX_EXPANSIONS_MAX 10000

/* ops: a vector of operations as API.md describes them ("tx is an array of operations"): maps and lists; attribute and
 * operation names as strings or keywords. */
lion_status lion_tx_open(lion_tx **tx_out, const lion_db *db, const lion_form *ops,
                         const lion_tx_options *options, lion_arena *arena, lion_error *error);
/* LION_OK: done, the result stands. LION_CALL: answer lion_tx_call, step again. */
lion_status lion_tx_step(lion_tx *tx, lion_error *error);
lion_call *lion_tx_call(lion_tx *tx);

typedef struct lion_tx_result {
    lion_transaction transaction;   /* t, instant, datoms (arena), tempids (all of them), next_counter */
    const uint8_t *is_in_avet;      /* per datom, for lion_novelty_apply */
    lion_schema *schema_after;      /* owned by the lion_tx: keep it to have it beyond close */
    bool is_schema_changed;
    uint32_t newly_indexed_count;   /* attributes that gained AVET by db/index or db/unique */
    const uint32_t *newly_indexed;
} lion_tx_result;

/* After LION_OK of step. */
const lion_tx_result *lion_tx_result_view(const lion_tx *tx);
void lion_tx_close(lion_tx *tx); /* drops what is kept; the arena frees the rest */

/* An attribute that gains AVET has datoms that are in AEVT alone: add all that db holds of it, past ones too, to novelty's
 * AVET, where reads find them until the indexer has built its tree. What is there already is not added again. */
lion_status lion_db_fill_avet(lion_novelty *novelty, const lion_db *db, uint32_t a,
                              lion_arena *arena, lion_error *error);

/* db with the result on top, unpublished (`with`). */
lion_status lion_db_with(lion_db **db_out, lion_db *db, const lion_tx_result *result, lion_error *error);

#endif
