/* log.h - the log tail: transactions that are durable but not yet in segments.
 *
 * NAME.lion-log: a header, then records, appended in groups; the file is pre-filled with zeros and
 * recycled in place, so a commit costs one fdatasync of already allocated blocks and no metadata write.
 * docs/format.md describes every byte. A record carries database id, branch, file generation, sequence and an XXH3
 * checksum over header and payload; each group's first record also carries the highest sequence known
 * durable when it was written. Recovery: a bad record at or below that mark is lion/corrupt (never
 * skipped); above it, the tail ends there (a torn write of an unacknowledged group).
 *
 * Writing has two halves so that one group syncs while the next is gathered:
 *   append   copies a payload into the open group, under the caller's writer lock; gives a sequence
 *   sync     waits until that sequence is durable; the first waiter becomes the leader, takes all that
 *            has been appended, writes and fdatasyncs it with the lock released, and wakes the others
 * A failed write or fsync stops the log for good: every later append and sync answers the same error.
 *
 * Threads: append by the holder of the writer's lock; sync from any number of threads. */
#ifndef LION_STORE_LOG_H
#define LION_STORE_LOG_H

#include "base/error.h"
#include "base/slice.h"

typedef struct lion_log lion_log;

typedef struct lion_log_options {
    lion_durability durability;
    uint32_t interval_ms;
    bool create;
    bool read_only; /* for replay alone: nothing is written, and the file must not change meanwhile */
    bool is_followed; /* read only, of a tail that its owner goes on writing: see lion_log_replay */
    uint8_t database_id[16];
    uint64_t generation;      /* of this opening */
    int64_t first_t;          /* records with t at or below this are already in the trees */
    uint64_t root_sequence;   /* the log sequence up to which the root covers */
    uint64_t root_generation; /* of the opening that wrote the root: an older tail is refused; 0: any */
} lion_log_options;

/* Open (or create) the tail beside the store file, ready for replay. A missing tail where the root says
 * one must exist, or a tail of another database, is lion/corrupt (fault) and names both files. */
lion_status lion_log_open(lion_log **log_out, const char *path, const lion_log_options *options,
                          lion_error *error);
/* A log without a file (memory databases, durability of the process): append and sync succeed at once. */
lion_status lion_log_open_memory(lion_log **log_out, lion_error *error);

/* Replay in order, before the first append: LION_OK with the next payload (borrowed until the next call)
 * whose t is above first_t, LION_END at the tail's end. Where the tail is followed the end is one for now: the next
 * call looks whether whole groups have come since, and reads them alone. LION_ABSENT then: another opening than the
 * `generation` of the options writes there now, so the tail must be opened anew. What the owner has recycled meanwhile
 * does not come any more: whoever follows looks at the root, too. */
lion_status lion_log_replay(lion_log *log, int64_t *t_out, lion_slice *payload_out,
                            uint64_t *sequence_out, lion_error *error);

/* Where, behind the tail, lies what looks like its next group and is not whole (0: nowhere): either a
 * write that never ended and was never acknowledged, or damage to the last group; it cannot be told. */
uint64_t lion_log_torn(const lion_log *log);

/* t ascends. *sequence_out is to be given to lion_log_sync. */
lion_status lion_log_append(lion_log *log, int64_t t, lion_slice payload, uint64_t *sequence_out,
                            lion_error *error);
lion_status lion_log_sync(lion_log *log, uint64_t sequence, lion_error *error);
/* Highest sequence that is durable (or as good as, by the chosen durability). */
uint64_t lion_log_durable(const lion_log *log);

/* Everything up to `sequence` is in the trees: its room may be used again. */
lion_status lion_log_trim(lion_log *log, uint64_t sequence, lion_error *error);

/* Bytes of the tail that are still needed. */
uint64_t lion_log_size(const lion_log *log);
/* Groups that were synced since opening, and what that took. */
void lion_log_syncs(lion_log *log, uint64_t *count_out, uint64_t *ns_out);

/* Sync and close. With remove, the file goes (a clean close that indexed everything). */
lion_status lion_log_close(lion_log *log, bool remove, lion_error *error);

#endif
