/* novelty_tree.h - how novelty lies in its arena. Private to novelty_*.c.
 *
 * An offset counts units of 16 bytes from the start of the arena; 0 is nothing. The arena begins
 * with a header (lion_novelty_header), then records, nodes and transaction records follow as they
 * come.
 *
 *   record    e · tx · head (a, flags, type) · size · bits, or the value's bytes in their place
 *   leaf      header · keys[capacity] · minor keys[capacity] · references to records[capacity]
 *   branch    header · keys[capacity] · edges[capacity]   keys and edges of each child's first
 * record directory three levels of 128, 128 and 64: a → AEVT and AVET tops
 *
 * A key (64 bits) tells of the first component that varies in a tree (EAVT, AEVT: e; AVET: v), a
 * minor key (32 bits) of what follows (EAVT: a; AEVT: v; AVET: e, of long values more of v). Their
 * order never contradicts the tree's; ties are told by the records, which mostly lie where no cache
 * has them. A node belongs to the epoch that made it: in its own epoch it is changed in place,
 * afterwards it is copied. */
#ifndef LION_INDEX_NOVELTY_TREE_H
#define LION_INDEX_NOVELTY_TREE_H

#include <pthread.h>

#include "base/assert.h"
#include "index/novelty.h"
#include "index/rows.h"

#define LION_NOVELTY_UNIT 16
#define LION_NODE_ENTRIES_MAX 64
#define LION_NODE_CLASSES 5 /* capacities 4, 8, 16, 32, 64 */
#define LION_NODE_HEIGHT_MAX LION_NOVELTY_HEIGHT_MAX
#define LION_TRANSACTION_CHUNKS 26
#define LION_TRANSACTION_CHUNK_FIRST 64

/* ---- what lies in the arena ---- */

/* A leaf refers to a record by its offset and whether it is a retraction, so that counting reads no
 * record. */
#define LION_REFERENCE_RETRACTION (1u << 31)
#define LION_NOVELTY_SIZE_MAX ((uint64_t)LION_REFERENCE_RETRACTION * LION_NOVELTY_UNIT)

#define LION_RECORD_A_MASK 0xfffffu
#define LION_RECORD_IN_AVET (1u << 20)
#define LION_RECORD_ADDED (1u << 21)
#define LION_RECORD_TYPE_SHIFT 24

typedef struct lion_record {
    int64_t e;
    int64_t tx;
    uint32_t head; /* a | flags | type << 24 */
    uint32_t size; /* of the value's bytes, 0 for scalars */
    union {
        int64_t bits;
        uint8_t bytes[8]; /* size of them, in truth */
    };
} lion_record;

typedef struct lion_node {
    uint64_t epoch;
    uint16_t count;
    uint8_t level;       /* 0: leaf */
    uint8_t class_index; /* capacity is 4 << class_index */
    union {
        uint32_t appended; /* entries that came in at the end, one after the other: this place grows
                              upward */
        uint32_t next;     /* while on a list of the writer's; readers look at neither */
    };
    uint64_t keys[];
} lion_node;

typedef struct lion_edge {
    uint32_t child;
    uint32_t first;  /* reference to the first record below the child */
    uint32_t minor;  /* of the first record */
    uint32_t datoms; /* below the child */
    int32_t net;     /* assertions minus retractions below the child */
} lion_edge;

typedef struct lion_directory_node {
    uint64_t epoch;
    uint32_t next, zero;
    uint32_t children[128];
} lion_directory_node;

typedef struct lion_directory_leaf {
    uint64_t epoch;
    uint32_t next, zero;
    struct {
        uint32_t aevt, avet;
    } tops[64];
} lion_directory_leaf;

_Static_assert(sizeof(lion_directory_leaf) == sizeof(lion_directory_node), "one class of memory");

typedef struct lion_transaction_entry {
    int64_t t;
    uint32_t record; /* offset */
    uint32_t record_size;
    uint32_t datoms; /* offset of the first datom's record; the others follow it */
    uint32_t count;
    uint64_t zero;
} lion_transaction_entry;

typedef struct lion_novelty_header {
    uint32_t chunks[LION_TRANSACTION_CHUNKS]; /* of transaction entries, each twice as long as the
                                                 one before */
} lion_novelty_header;

/* ---- the writer's side ---- */

enum {
    LION_CLASS_LEAF = 0,
    LION_CLASS_BRANCH = LION_NODE_CLASSES,
    LION_CLASS_DIRECTORY = 2 * LION_NODE_CLASSES,
    LION_CLASS_COUNT
};

/* A sealed version that someone holds, and the nodes that wait for its end. */
typedef struct lion_live_version {
    uint64_t epoch;
    uint64_t references;
    struct lion_retired *retired;
} lion_live_version;

/* Nodes that the writer replaced, in blocks. A node is reachable from versions [birth, retired)
 * only. */
#define LION_RETIRED_BLOCK 126
typedef struct lion_retired_node {
    uint64_t birth, retired;
    uint32_t offset, class_index;
} lion_retired_node;
typedef struct lion_retired {
    struct lion_retired *next;
    uint32_t count;
    lion_retired_node nodes[LION_RETIRED_BLOCK];
} lion_retired;

/* One datom on its way into a tree. */
typedef struct lion_novelty_entry {
    uint64_t key;
    uint32_t minor;
    uint32_t record; /* reference */
    uint32_t a;
    uint32_t zero;
} lion_novelty_entry;

/* A child on its way into a branch. */
typedef struct lion_novelty_child {
    uint64_t key;
    lion_edge edge;
} lion_novelty_child;

struct lion_novelty {
    uint64_t serial; /* of the process: no two are the same, whenever they live */
    uint8_t *base;
    uint64_t reserved;   /* bytes */
    uint64_t next;       /* bytes in use */
    uint64_t large_end;  /* no byte from here on lies in a large page */
    uint64_t ready_end;  /* what comes up to here has its pages */
    uint32_t references; /* atomic */
    uint32_t node_entries;
    uint32_t height; /* of the highest tree so far */

    /* What stands now, unsealed. */
    uint64_t epoch;
    uint32_t eavt, attributes, transactions;
    bool is_changed; /* since the last seal */
    int64_t t;
    uint64_t datoms;

    uint32_t free[LION_CLASS_COUNT];
    uint64_t node_count;            /* nodes in use and waiting, for bounds */
    lion_retired *retiring, *spare; /* of the present apply; empty blocks */
    uint64_t spare_count;

    /* Room for one apply. */
    lion_novelty_entry *entries;
    size_t entry_capacity;
    lion_novelty_child *children;
    size_t child_count, child_capacity;

    pthread_mutex_t lock;    /* guards what follows */
    lion_live_version *live; /* ascending by epoch */
    size_t live_count, live_capacity;
    lion_retired *released; /* of versions that went: to be looked at again */
};

static inline void *lion_novelty_at(const uint8_t *base, uint32_t offset)
{
    return (void *)(uintptr_t)(base + (uint64_t)offset * LION_NOVELTY_UNIT);
}

static inline uint32_t lion_node_capacity(const lion_node *node)
{
    return 4u << node->class_index;
}

static inline uint32_t *lion_leaf_minors(const lion_node *leaf)
{
    return (uint32_t *)(uintptr_t)(leaf->keys + lion_node_capacity(leaf));
}

static inline uint32_t *lion_node_records(const lion_node *leaf)
{
    return lion_leaf_minors(leaf) + lion_node_capacity(leaf);
}

static inline lion_edge *lion_node_edges(const lion_node *node)
{
    return (lion_edge *)(uintptr_t)(node->keys + lion_node_capacity(node));
}

static inline lion_datom lion_record_datom(const lion_record *record)
{
    lion_datom datom = { .e = record->e,
                         .tx = record->tx,
                         .a = record->head & LION_RECORD_A_MASK,
                         .added = (record->head & LION_RECORD_ADDED) != 0 };
    datom.v.type = (uint8_t)(record->head >> LION_RECORD_TYPE_SHIFT);
    datom.v.size = record->size;
    if (lion_type_is_scalar(datom.v.type))
        datom.v.bits = record->bits;
    else
        datom.v.data = record->bytes;
    return datom;
}

static inline lion_datom lion_novelty_datom(const uint8_t *base, uint32_t reference)
{
    return lion_record_datom(lion_novelty_at(base, reference & ~LION_REFERENCE_RETRACTION));
}

/* Bytes that a record with such a value takes in the arena. */
static inline uint64_t lion_record_size(uint32_t value_size)
{
    uint64_t size = offsetof(lion_record, bytes) + (value_size < 8 ? 8u : (uint64_t)value_size);
    return (size + LION_NOVELTY_UNIT - 1) / LION_NOVELTY_UNIT * LION_NOVELTY_UNIT;
}

/* ---- novelty_key.c ---- */

/* What a tree of this order is searched by first, and then. */
uint64_t lion_novelty_key(lion_index order, const lion_datom *datom);
uint32_t lion_novelty_minor(lion_index order, const lion_datom *datom);
/* The minor keys that datoms of AVET with the value of `datom` can have; true: only those can have
 * them. */
bool lion_novelty_minors_of_value(const lion_datom *datom, uint32_t *low_out, uint32_t *high_out);

/* ---- novelty_arena.c: memory ---- */

/* size bytes at the end of what is in use; the room was checked by lion_novelty_reserve. */
uint32_t lion_novelty_append(lion_novelty *novelty, uint64_t size);
/* Is there room for `bytes` more, and `nodes` of the largest kind? lion/novelty-full (busy). */
lion_status lion_novelty_reserve(const lion_novelty *novelty, uint64_t bytes, uint64_t nodes,
                                 lion_error *error);
/* So many bytes of records, and their nodes, come next. */
void lion_novelty_expect(lion_novelty *novelty, uint64_t bytes);
uint32_t lion_node_class(uint32_t entries); /* of the smallest capacity that holds them */
/* A node of the present epoch. */
uint32_t lion_node_new(lion_novelty *novelty, uint8_t level, uint32_t entries);
uint32_t lion_directory_new(lion_novelty *novelty);
/* The node is no longer reached by what stands now. */
void lion_node_retire(lion_novelty *novelty, uint32_t offset);
void lion_directory_retire(lion_novelty *novelty, uint32_t offset);
/* Blocks for `nodes` retirements, and one more live version: so that neither retiring nor sealing
 * can fail. */
lion_status lion_novelty_prepare(lion_novelty *novelty, uint64_t nodes, lion_error *error);
/* Nodes retired by this apply, and those of versions that went, become free or wait for a version.
 */
void lion_novelty_reclaim(lion_novelty *novelty);

/* ---- novelty_read.c ---- */

/* A datom against a prefix: <0 before all that match it, 0 matches, >0 behind them. Any order. */
int lion_datom_compare_prefix(lion_index order, const lion_datom *datom, const lion_key *key);
/* Up to `limit` more datoms behind the rows, none past the stop (parts 0: there is none; see
 * lion_lane_seek). false: nothing is left. */
bool lion_novelty_iterator_read(lion_novelty_iterator *iterator, lion_rows *rows, uint32_t limit,
                                const lion_key *stop, bool stop_upper);

/* ---- novelty_sort.c ---- */

/* Into the tree order of EAVT, by records. `spare` has room for count entries. The result is in
 * `entries`. */
void lion_novelty_sort(const uint8_t *base, lion_index order, lion_novelty_entry *entries,
                       size_t count, lion_novelty_entry *spare);

/* ---- novelty_insert.c ---- */

/* In [from, to) of a node, the first key that is >= key; > key. */
uint32_t lion_node_lower(const lion_node *node, uint32_t from, uint32_t to, uint64_t key);
uint32_t lion_node_upper(const lion_node *node, uint32_t from, uint32_t to, uint64_t key);
/* The same by minor keys, where all keys are equal. */
uint32_t lion_node_minor_lower(const lion_node *node, uint32_t from, uint32_t to, uint32_t minor);
uint32_t lion_node_minor_upper(const lion_node *node, uint32_t from, uint32_t to, uint32_t minor);

/* Insert a run of entries, sorted, none of them in the tree; the new top. */
uint32_t lion_novelty_insert(lion_novelty *novelty, lion_index order, uint32_t top,
                             const lion_novelty_entry *run, size_t count);

/* ---- novelty.c ---- */

lion_transaction_entry *lion_novelty_transaction_entry(const uint8_t *base, uint32_t index);

/* ---- novelty_directory.c ---- */

void lion_directory_get(const uint8_t *base, uint32_t directory, uint32_t a, uint32_t *aevt_out,
                        uint32_t *avet_out);
void lion_directory_set(lion_novelty *novelty, uint32_t a, uint32_t aevt, uint32_t avet);
/* The first attribute >= from that has datoms. */
bool lion_directory_next(const uint8_t *base, uint32_t directory, uint32_t from, uint32_t *a_out);

#endif
