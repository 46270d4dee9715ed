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

#include "data/call.h"
#include "db/db.h"
#include "index/log_tree.h"
#include "store/log.h"
#include "transact/transact.h"

typedef struct lion_connection lion_connection;

typedef struct lion_connection_options {
    uint8_t durability;        /* lion_durability */
    uint32_t interval_ms;      /* 0: 100 */
    bool read_only;
    bool no_create;            /* not-found instead of a new database */
    uint64_t novelty_max;      /* bytes; 0: 256 MiB. An index job starts at half of it */
    uint64_t map_size;         /* 0: chosen by the store */
    uint32_t segment_size;     /* 0: default; specs use tiny ones */
    uint32_t node_entries;     /* of novelty; 0: default */
    uint32_t datoms_max;       /* of a transaction; 0: default */
} lion_connection_options;

/* uri: "mem:" (private), "mem:name" (shared in the process) or a path to NAME.lion. */
lion_status lion_connection_open(lion_connection **connection_out, const char *uri,
                                 const lion_connection_options *options, lion_error *error);
/* The last handle of a database closes it: waits for the index job, and of a file that was written
 * indexes the tail and empties it. */
lion_status lion_connection_close(lion_connection *connection, lion_error *error);
const char *lion_connection_uri(const lion_connection *connection);

/* The newest durable value; owned by the caller. */
lion_status lion_connection_db(lion_db **db_out, lion_connection *connection, lion_error *error);
/* Wait until t is durable and visible here (t <= 0: everything acknowledged so far). A reader
 * beside a live owner goes on seeing what was indexed when it opened. timeout_ms 0: none. */
lion_status lion_connection_sync(lion_db **db_out, lion_connection *connection, int64_t t,
                                 int64_t timeout_ms, lion_error *error);

/* ---- transacting ---- */

typedef struct lion_transacting lion_transacting;

typedef struct lion_report {
    lion_db *db_before, *db_after;   /* owned by the holder of the report */
    lion_transaction transaction;    /* bytes live as long as the report */
    int64_t tx;
} lion_report;

/* Takes the writer's lock (queues: busy when novelty is full and cannot be indexed in time) and begins. ops must outlive it. */
lion_status lion_transacting_open(lion_transacting **transacting_out, lion_connection *connection,
                                  const lion_form *ops, const lion_tx_options *options, lion_error *error);
/* LION_CALL as lion_tx_step. LION_OK: applied and durable (by the chosen durability); take the report. A repeated transaction id
 * answers LION_OK with the first report's t, tx and tempids, and no datoms. */
lion_status lion_transacting_step(lion_transacting *transacting, lion_error *error);
lion_call *lion_transacting_call(lion_transacting *transacting);
/* After LION_OK: the report, owned by the transacting handle until close. */
const lion_report *lion_transacting_report(const lion_transacting *transacting);
/* Releases the lock if it still holds it (an abort). */
void lion_transacting_close(lion_transacting *transacting);

/* ---- the log ---- */

/* Transactions with from <= t < to (to <= 0: none), oldest first, of the durable ones at opening. */
typedef struct lion_tx_range lion_tx_range;
lion_status lion_tx_range_open(lion_tx_range **range_out, lion_connection *connection, int64_t from,
                               int64_t to, lion_error *error);
/* Valid until the next step. LION_END. */
lion_status lion_tx_range_next(lion_tx_range *range, lion_transaction *transaction_out, lion_error *error);
void lion_tx_range_close(lion_tx_range *range);

/* ---- upkeep ---- */

/* Run an index job now; *t_out: the trees cover everything up to it. Waits for a running one first. */
lion_status lion_connection_index(int64_t *t_out, lion_connection *connection, lion_error *error);
/* A live copy with everything durable now, as one clean file. */
lion_status lion_connection_backup(lion_connection *connection, const char *path, lion_error *error);
/* Put a backup in place as a new database file (refuses an existing one). */
lion_status lion_connection_restore(const char *backup, const char *path, lion_error *error);
/* Remove a database's files (refuses an open one). */
lion_status lion_connection_delete(const char *path, lion_error *error);

typedef struct lion_connection_stats {
    int64_t basis_t, indexed_t;
    uint64_t datoms;           /* current */
    uint64_t novelty_datoms, novelty_bytes, tail_bytes, file_bytes, segments;
    uint64_t transactions;     /* since opening */
    uint64_t index_jobs, index_ms;
} lion_connection_stats;
lion_status lion_connection_stats_read(lion_connection_stats *stats_out, lion_connection *connection,
                                       lion_error *error);

#endif
