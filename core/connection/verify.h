/* verify.h - is a database sound? Everything that its file, or a live database, holds is read:
 * pages, checksums, trees, the log, blobs, the tail; and what should agree is compared: the orders
 * of the indexes with each other and with the log, counts and statistics with what was counted.
 *
 * A file that nobody has open is verified whole, under the owner's lock and without a byte written.
 * A database that this process has open is verified as it stands, novelty for its tail. Beside an
 * owner in another process only what is indexed is seen.
 *
 * A verification is stepped by its caller, from one thread at a time, and may be closed at any
 * step. */
#ifndef LION_CONNECTION_VERIFY_H
#define LION_CONNECTION_VERIFY_H

#include "connection/connection.h"

#define LION_VERIFY_FAULTS_MAX 100 /* it ends when that many are found */

typedef struct lion_verify lion_verify;

typedef struct lion_verify_fault {
    char where[128];  /* "AEVT of :person/name", "tail", … */
    lion_error error; /* code and message, which names the segment, the blob, the record */
} lion_verify_fault;

typedef struct lion_verify_report {
    const char *stage;    /* what is being read, as a word for people; static */
    uint64_t done, total; /* segments, each of them read twice: alone, and as part of its tree */
    uint64_t segments, blobs, datoms, transactions, bytes;
    uint64_t waste_segments, waste_blobs, waste_bytes; /* in the store, and no tree leads there */
    uint64_t torn; /* byte of the tail where a group begins that is not whole, 0: none. After a
                    * crash this is usual: a write that never ended and was never acknowledged. */
    bool is_beside_owner; /* the tail was not read: another process is writing it, or may */
    bool is_done, is_sound;
    uint32_t fault_count;
    const lion_verify_fault *faults; /* valid until the next step */
} lion_verify_report;

/* uri as of lion_connection_open. What is wrong with a file is a fault, not an error: errors are
 * what keeps from looking at it (lion/not-found, lion/version, no memory). */
lion_status lion_verify_open(lion_verify **verify_out, const char *uri, lion_error *error);
/* The newest value of an open connection, which must outlive the verification. */
lion_status lion_verify_open_live(lion_verify **verify_out, lion_connection *connection,
                                  lion_error *error);
/* A bounded piece of work, about a segment. LION_OK: there is more. LION_END: the report is whole.
 */
lion_status lion_verify_step(lion_verify *verify, lion_error *error);
lion_verify_report lion_verify_report_of(const lion_verify *verify);
void lion_verify_close(lion_verify *verify); /* NULL is allowed */

#endif
