/* novelty.h - the datoms that are not in the trees yet: persistent B+trees in memory.
 *
 * Datoms are appended to a position-independent arena (a reserved range of addresses, 32-bit
 * offsets in units of 16 bytes) and indexed by path-copying trees of offsets: one EAVT tree, and
 * for each attribute one in AEVT and one in AVET order (VAET is the AVET trees of ref attributes,
 * merged). Each node keeps, for its subtree, the number of datoms and the net count (assertions
 * minus retractions): since the assertions and retractions of one fact alternate, base count + net
 * is the exact number of current datoms in any range.
 *
 * Persistent: a version (lion_novelty_version) is a few words and never changes. Transient within
 * one batch: nodes made since the last seal are changed in place, so a group of transactions copies
 * a path once. Nodes that only old versions reach are reused when those versions are dropped (FIFO
 * by epoch).
 *
 * Threads: one writer (apply, seal); versions may be read from any thread while they are kept. The
 * base is shared by reference count, versions keep it alive. A new base is started when the indexer
 * has installed a root: lion_novelty_rest copies what is newer than the root.
 *
 * `with` is the same thing, unpublished: a small novelty of its own on top of a database value's.
 */
#ifndef LION_INDEX_NOVELTY_H
#define LION_INDEX_NOVELTY_H

#include "data/datom.h"
#include "index/tree.h"

typedef struct lion_novelty lion_novelty;

/* What a reader holds: a consistent version. Copyable; the reference is the holder's duty. */
typedef struct lion_novelty_version {
    lion_novelty *novelty; /* NULL: no datoms */
    uint32_t eavt;         /* offset of the EAVT top node, 0: empty */
    uint32_t attributes;   /* offset of the attribute directory (persistent), 0: empty */
    uint32_t transactions; /* number of transactions */
    uint64_t epoch;
    int64_t t;       /* the newest t in it, 0 if none */
    uint64_t datoms; /* all, assertions and retractions */
} lion_novelty_version;

typedef struct lion_novelty_options {
    uint32_t node_entries; /* fan-out; 0: chosen. Specs use 4. */
    uint64_t reserve_size; /* bytes of address space, 0: 8 GiB (256 MiB for a speculative one) */
} lion_novelty_options;

lion_status lion_novelty_new(lion_novelty **novelty_out, const lion_novelty_options *options,
                             lion_error *error);
lion_novelty *lion_novelty_keep(lion_novelty *novelty);
void lion_novelty_drop(lion_novelty *novelty); /* NULL is allowed */

/* ---- the writer ---- */

/* Add one transaction's datoms (their bytes are copied; tx of all is lion_t_to_tx(t)).
 * `is_in_avet`[i]: whether datom i goes into its attribute's AVET tree (avet or ref). record: the
 * encoded transaction (index/log_tree.h), kept for tx_range and for the indexer's log tree; may be
 * empty for speculative ones. On an error nothing is added. */
lion_status lion_novelty_apply(lion_novelty *novelty, int64_t t, const lion_datom *datoms,
                               const uint8_t *is_in_avet, size_t count, lion_slice record,
                               lion_error *error);
/* An attribute that gains its AVET tree later (db/index switched on): the writer adds its novelty
 * datoms. */
lion_status lion_novelty_add_avet(lion_novelty *novelty, const lion_datom *datoms, size_t count,
                                  lion_error *error);
/* What stands now, unsealed: valid for the writer's own reading until its next apply. */
lion_novelty_version lion_novelty_peek(const lion_novelty *novelty);
/* Freeze what stands now; the version is registered (keeps its nodes) until released. */
lion_novelty_version lion_novelty_seal(lion_novelty *novelty);
void lion_novelty_version_keep(const lion_novelty_version *version);
void lion_novelty_version_release(const lion_novelty_version *version);

/* Bytes used (live and garbage), for bounds and statistics. */
uint64_t lion_novelty_size(const lion_novelty *novelty);

/* A new novelty with the transactions of `version` above t. */
lion_status lion_novelty_rest(lion_novelty **novelty_out, const lion_novelty_version *version,
                              int64_t above_t, lion_error *error);
/* Apply the transactions of `version` above t to `rest`, which has none of them yet. */
lion_status lion_novelty_follow(lion_novelty *rest, const lion_novelty_version *version,
                                int64_t above_t, lion_error *error);

/* ---- reading ---- */

/* Exact numbers for a prefix in an order (LION_EAVT, LION_AEVT, LION_AVET): datoms and net. parts
 * as in lion_key; AEVT and AVET need parts >= 1 (a). */
void lion_novelty_count(uint64_t *datoms_out, int64_t *net_out, const lion_novelty_version *version,
                        lion_index order, const lion_key *key);

/* The same of an attribute's values from low (NULL: the first) to end, which is not among them
 * (NULL: the last), in AVET. */
void lion_novelty_count_range(uint64_t *datoms_out, int64_t *net_out,
                              const lion_novelty_version *version, uint32_t a,
                              const lion_value *low, const lion_value *end);

#define LION_NOVELTY_HEIGHT_MAX 24

/* Iterating one tree, either direction; a plain struct, no resources. Datoms by pointer into the
 * arena. */
typedef struct lion_novelty_iterator {
    lion_novelty_version version;
    uint32_t root;
    uint8_t order;
    uint8_t depth; /* nodes in path; 0: the tree is empty, or the walk is over */
    bool is_reverse;
    bool is_placed;
    const uint8_t *base;
    const struct lion_node *path[LION_NOVELTY_HEIGHT_MAX];
    uint16_t place[LION_NOVELTY_HEIGHT_MAX]; /* leaf: the boundary to read from; above: the child in
                                                path */
} lion_novelty_iterator;

void lion_novelty_iterator_init(lion_novelty_iterator *iterator,
                                const lion_novelty_version *version, lion_index order, uint32_t a,
                                bool is_reverse);
/* As lion_tree_iterator_seek. */
void lion_novelty_iterator_seek(lion_novelty_iterator *iterator, const lion_key *key, bool upper);
/* false at the end. The datom's bytes live as long as the version. */
bool lion_novelty_iterator_next(lion_novelty_iterator *iterator, lion_datom *datom_out);

/* The first datom with key's prefix (parts >= 1): of one fact, the newest. false: there is none. */
bool lion_novelty_first(const lion_novelty_version *version, lion_index order, const lion_key *key,
                        lion_datom *datom_out);

/* Attributes that have datoms here, ascending: *cursor starts at 0. */
bool lion_novelty_attribute_next(const lion_novelty_version *version, uint32_t *cursor,
                                 uint32_t *a_out);
/* The transactions in order: index 0..version.transactions-1. */
void lion_novelty_transaction(const lion_novelty_version *version, uint32_t index, int64_t *t_out,
                              lion_slice *record_out);

#endif
