/* database.h - what the handles of one open database share. Private to core/connection.
 *
 * Two states move through time:
 *   applied     the value after the newest transaction that was applied (perhaps not durable yet); belongs to
 *               the holder of `writer`, and must be sealed before anyone else holds it
 *   published   the newest durable value; guarded by `state`
 * A transaction whose report has values makes one of its own (a sealed novelty version), so db_after is exact; the
 * others of a group change novelty in place and are sealed together. A value never shows what is not durable. Lock order: writer, then state. */
#ifndef LION_CONNECTION_DATABASE_H
#define LION_CONNECTION_DATABASE_H

#include <pthread.h>

#include "connection/connection.h"
#include "connection/queue.h"
#include "index/indexer.h"

/* Roots that are kept for values that were made on them. */
#define LION_ROOTS_MAX 8

typedef struct lion_kept_root {
    uint64_t number;        /* of its snapshot: they ascend */
    uint64_t novelty_bytes; /* of the novelty on top of it, since it was replaced */
} lion_kept_root;

typedef struct lion_database {
    struct lion_database *next;  /* registry */
    char *key;                   /* canonical path, memory name, or NULL for a private one */
    char *path;                  /* NULL: memory */
    char *log_path;              /* NULL: memory */
    uint32_t handles;            /* guarded by the registry */
    bool is_memory;
    bool is_read_only;
    lion_connection_options options;
    uint64_t number;             /* identifies the open database in the process */
    lion_store *store;
    lion_log *log;               /* NULL until the first write of a cleanly closed file */

    lion_queue queue;            /* of those who transact: the one whose turn it is takes `writer` */
    pthread_mutex_t writer;      /* held from the opening of a transaction until it is applied */
    pthread_t writing_thread;    /* who transacts, while is_transacting */
    bool is_transacting;         /* atomic */
    lion_db *applied;            /* kept */
    lion_novelty *novelty;       /* kept: the one the next transaction is applied to */
    uint64_t applied_sequence;   /* tail sequence of applied */
    uint64_t transactions;       /* since opening */

    /* of a reader, whose `log` is the owner's tail; `writer` guards them */
    uint64_t seen_edition;       /* of the store, when it was last looked at */
    uint64_t seen_generation;    /* of the owner whose tail is followed */
    int64_t seen_t;              /* the newest that root or tail showed: what `applied` has beyond was fed */

    pthread_mutex_t state;
    pthread_cond_t changed;      /* published moved, an index job ended, the database failed or stops */
    lion_db *published;          /* kept */
    uint64_t published_sequence;
    bool is_failed;              /* writing has stopped for good; why: */
    lion_error failure;

    /* the committer's thread: what it waits on is guarded by `state` */
    pthread_t committer;
    pthread_cond_t commit_work;  /* something was applied that nobody waits for, or it must stop */
    bool has_committer;          /* atomic */
    bool is_committer_stopping;
    bool is_commit_wanted;       /* atomic */

    /* the indexer's thread */
    pthread_t indexer;
    pthread_cond_t index_work;   /* a job is wanted, or it must stop */
    bool has_indexer;
    bool is_stopping;
    bool is_index_wanted;
    bool is_indexing;
    lion_kept_root roots[LION_ROOTS_MAX]; /* the newest first */
    uint32_t root_count;
    uint64_t oldest_root;        /* atomic; number of the last of them: values on older ones are re-based */
    int64_t lossy_t;             /* values from before cannot move to newer roots: rows that no history keeps were dropped, or
                                    a reader showed what its owner then lost */
    uint64_t index_jobs;
    uint64_t index_ns;
    uint64_t index_ended;        /* jobs that ended, well or badly */
    lion_error index_error;      /* of the last job; category 0 if it went well */
} lion_database;

/* Open a file or a memory database (path NULL), recover its tail, start its indexer. */
lion_status lion_database_open(lion_database **database_out, const char *path,
                               const lion_connection_options *options, lion_error *error);
/* Stop the indexer; index what a file's tail holds and empty the tail; free all. */
lion_status lion_database_close(lion_database *database, lion_error *error);

/* The tail exists and the root says so: made at the first write. Holder of `writer`. */
lion_status lion_database_prepare_tail(lion_database *database, lion_error *error);

/* What a tail beside this root is opened with. */
lion_log_options lion_database_log_options(const lion_database *database, const lion_root *root, bool create);
/* Whether something lies under the tail's name; an empty file is what a clean close leaves. */
lion_status lion_tail_look(bool *is_there_out, const lion_database *database, lion_error *error);
/* Beside a root without a tail lies what a death between two steps leaves: a tail that no root names yet, or one
 * that is in the trees and not yet removed. Whatever else lies there holds what this file does not, so it is not
 * ours to overwrite. */
lion_status lion_tail_check_stray(const lion_database *database, const lion_root *root, lion_error *error);
/* applied = what the root holds, with empty novelty; what was applied before goes. Holder of `writer`. */
lion_status lion_database_take_root(lion_database *database, lion_root *root, lion_error *error);

/* `applied` on a newer root, with rest as its novelty (taken): what applied holds above the root. Holder of `writer`. */
lion_status lion_database_move_to_root(lion_database *database, lion_root *root, lion_novelty *rest,
                                       lion_error *error);

/* Of a reader: read what its owner wrote since, and publish it. */
lion_status lion_reader_refresh(lion_database *database, lion_error *error);
/* The same, for the holder of `writer`. */
lion_status lion_reader_look(lion_database *database, lion_error *error);
/* `applied` becomes the published value. Holder of `writer`. */
void lion_reader_publish(lion_database *database);
/* The same until transaction t is there. timeout_ms 0: none. */
lion_status lion_reader_wait(lion_database *database, int64_t t, int64_t timeout_ms, lion_error *error);

/* Add a decoded transaction to novelty and make `applied` the value after it. leaves_open: novelty is not sealed, so
 * that the next transaction changes it in place; `applied` is then the writer's own until lion_database_seal. Holder of
 * `writer`. */
lion_status lion_database_apply(lion_database *database, const lion_transaction *transaction,
                                const uint8_t *is_in_avet, lion_schema *schema_after,
                                const uint32_t *newly_indexed, uint32_t newly_indexed_count,
                                lion_slice record, bool leaves_open, lion_error *error);
/* `applied` as a value that anyone may hold: before `writer` is released. */
lion_status lion_database_seal(lion_database *database, lion_error *error);
/* db is durable: make it the published value if it is newer. */
void lion_database_publish(lion_database *database, lion_db *db, uint64_t sequence);
/* Writing stops for good. Returns LION_FAILED. */
lion_status lion_database_fail(lion_database *database, const lion_error *why);
/* LION_OK, or the error that stopped writing. */
lion_status lion_database_check(lion_database *database, lion_error *error);

/* Transactions may come that nobody waits for: the thread that makes them durable runs. */
lion_status lion_committer_start(lion_database *database, lion_error *error);
/* One was applied. */
void lion_committer_want(lion_database *database);
void lion_committer_stop(lion_database *database);

/* One index job over what is published, if there is anything to do. is_last: the tail will not be needed
 * any more. Only the indexer's thread, or the closer after it, runs jobs. */
lion_status lion_database_index_once(lion_database *database, bool is_last, lion_error *error);
void *lion_database_indexer_main(void *database);
/* A job has ended: this is the newest root. replaced_bytes: of the novelty that went with the one before. */
void lion_database_note_root(lion_database *database, const lion_root *root, const lion_schema *schema,
                             uint64_t replaced_bytes);
/* Ask for a job and wait for its end. */
lion_status lion_database_index_wait(lion_database *database, lion_error *error);
/* Is the calling thread in the middle of a transaction (in a function that this calls)? To wait for the writer then
 * would be to wait for itself. forbidden, lion/not-allowed; `what` may not be done there. */
lion_status lion_database_check_reentry(const lion_database *database, const char *what, lion_error *error);
/* Is there room in novelty, so that nobody has to wait? Holder of `writer`. */
bool lion_database_has_room(const lion_database *database);
/* Slow a writer down while novelty is too large; busy when it stays so, at the latest at the deadline (0: none). */
lion_status lion_database_admit(lion_database *database, int64_t deadline_ns, lion_error *error);

/* One transaction out of the log, copied into the arena. lion/corrupt if it is not there. */
lion_status lion_transaction_at(lion_transaction *transaction_out, lion_db *db, int64_t t,
                                lion_arena *arena, lion_error *error);

struct lion_connection {
    lion_database *database;
    char *uri;
    bool is_read_only;           /* this handle, though another may write */
};

#endif
