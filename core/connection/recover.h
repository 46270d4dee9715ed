/* recover.h - rebuilding a database's newest value at open. Private to core/connection. */
#ifndef LION_CONNECTION_RECOVER_H
#define LION_CONNECTION_RECOVER_H

#include "connection/database.h"

/* The schema that the trees of a root hold; owned by the caller. */
lion_status lion_recover_schema(lion_schema **schema_out, const lion_root *root, lion_error *error);
/* db/txInstant of the root's newest transaction. */
lion_status lion_recover_instant(int64_t *instant_ms_out, const lion_root *root, lion_error *error);
/* The first transaction of a new database: applied, appended to the tail, synced. */
lion_status lion_recover_bootstrap(lion_database *database, lion_error *error);
/* Apply what the tail holds beyond the root. */
lion_status lion_recover_replay(lion_database *database, lion_error *error);
/* What a recorded transaction does to a value with this schema; schema_after is to be dropped. */
lion_status lion_recover_result(lion_tx_result *result_out, lion_schema *before,
                                const lion_transaction *transaction, lion_arena *arena, lion_error *error);
/* Apply one recorded transaction (its schema effects too). */
lion_status lion_recover_transaction(lion_database *database, const lion_transaction *transaction,
                                     lion_slice record, lion_arena *arena, lion_error *error);

#endif
