/* connection.h - a database that is open: its store, tail, novelty, writer, indexer and listeners.
 *
 * Writing: a transaction is opened on the newest applied state under the writer's lock, stepped by its
 * caller's thread (host functions run there), applied to novelty and appended to the tail; the lock is then released and the caller waits for
 * the tail's group sync. Published database values only ever show durable transactions. Listeners are the host's affair: it
 * remembers the t it has told and reads what came after (lion_tx_range).
 * Opening the same database again in one process gives another handle on the same open database (registry by
 * canonical path or memory name). Any thread; one lion_connection handle may be used from several. */
#ifndef LION_CONNECTION_CONNECTION_H
#define LION_CONNECTION_CONNECTION_H

#include "db/db.h"
#include "index/log_tree.h"
#include "store/log.h"
#include "transact/transact.h"

/* Another handle on a database that this process has open; LION_ABSENT if it has not. */
lion_status lion_connection_join(lion_connection **connection_out, const char *uri, lion_error *error);

/* ---- a reader beside the process that writes ---- */

/* What the owner has applied, but perhaps not written yet: the record as lion_transaction_encode gives it. It becomes
 * the newest value; when the tail shows it, it is known. A record that the reader has already is ignored. unavailable,
 * lion/unavailable: one before it is missing. When the owner dies before it was written, and another opens the file, the
 * reader goes back to what that one has; values that were taken meanwhile stay as they are. forbidden, lion/not-allowed:
 * the connection is no reader. */
lion_status lion_connection_feed(lion_connection *connection, lion_slice record, lion_error *error);
/* The newest value with that record on top, which nobody else sees; to be dropped. lion/unavailable: it does not follow
 * the newest value. */
lion_status lion_connection_preview(lion_db **db_out, lion_connection *connection, lion_slice record,
                                    lion_error *error);

/* While a transaction asks for a predicate (LION_CALL_ATTRIBUTE, LION_CALL_ENTITY): what it will record if all agree. */
const lion_transaction *lion_transacting_pending(const lion_transacting *transacting);

/* Values on roots with a smaller number are retired: lion_connection_rebase moves them. It only grows. */
uint64_t lion_connection_oldest_root(const lion_connection *connection);

#endif
