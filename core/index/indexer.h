/* indexer.h - one index job: root + novelty up to a sealed version → new root.
 *
 * For each tree it splits novelty's datoms, fact by fact (they alternate), into what the current
 * tree gains and loses and what history gains: the newest assertion stays current, all else
 * (superseded assertions, those of the current tree that a novelty datom retracts, and the
 * retractions) goes to history, except for noHistory attributes, whose superseded datoms above
 * `keep_t` only are kept. Runs in the caller's thread (the connection has a thread for it), touches
 * only the store; readers never wait for it. */
#ifndef LION_INDEX_INDEXER_H
#define LION_INDEX_INDEXER_H

#include "index/novelty.h"
#include "index/root.h"

/* What the indexer must know of an attribute; ascending by a. */
typedef struct lion_indexed_attribute {
    uint32_t a;
    uint8_t type;
    bool is_in_avet; /* it has an AVET tree (avet or ref) */
    bool no_history;
} lion_indexed_attribute;

typedef struct lion_index_job {
    lion_store *store;
    const lion_root *root;
    lion_novelty_version version; /* sealed; kept by the caller */
    const lion_indexed_attribute *attributes;
    uint32_t attribute_count;
    int64_t next_counter;
    uint64_t log_sequence; /* of the newest transaction in version */
    int64_t keep_t;        /* oldest basis any live value has */
    bool has_tail;         /* a tail stays beside the file afterwards */
    lion_tree_options options;
    const volatile bool *is_cancelled; /* NULL, or polled once a tree */
} lion_index_job;

/* Commit the new root to the store. On an error the old root stands, nothing is lost. An attribute
 * that became indexed since the root was written gets its AVET tree built from its AEVT tree; one
 * that lost it drops it. */
lion_status lion_index_run(const lion_index_job *job, lion_error *error);

#endif
