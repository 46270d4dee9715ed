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

#include "db/db.h"
#include "index/log_tree.h"

/* An attribute that gains AVET has datoms that are in AEVT alone: add all that db holds of it, past ones too, to novelty's
 * AVET, where reads find them until the indexer has built its tree. What is there already is not added again. */
lion_status lion_db_fill_avet(lion_novelty *novelty, const lion_db *db, uint32_t a,
                              lion_arena *arena, lion_error *error);

/* While it asks for a predicate: what it will record if all agree. Its bytes live as long as the transaction. */
const lion_transaction *lion_tx_pending(const lion_tx *tx);

#endif
