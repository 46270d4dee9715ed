/* audit.h - what the trees of a root hold, counted while verifiers read them (tree.h): which
 * segments they reach, how often they refer to each blob, and for each attribute how many datoms
 * each order holds and the sum of their hashes. Orders that hold the same datoms have equal sums,
 * in whatever order they keep them. One thread. */
#ifndef LION_INDEX_AUDIT_H
#define LION_INDEX_AUDIT_H

#include "base/table.h"
#include "data/datom.h"
#include "store/store.h"

typedef enum lion_audit_kind {
    LION_AUDIT_EAVT = 0,
    LION_AUDIT_HISTORY_EAVT,
    LION_AUDIT_AEVT,
    LION_AUDIT_HISTORY_AEVT,
    LION_AUDIT_AVET,
    LION_AUDIT_HISTORY_AVET,
    LION_AUDIT_LOG,
    LION_AUDIT_KINDS
} lion_audit_kind;

/* What is known of a segment, as bits. */
#define LION_AUDIT_STORED 1  /* the store has it */
#define LION_AUDIT_DAMAGED 2 /* and its checksum is wrong */
#define LION_AUDIT_REACHED 4 /* a tree has it */

typedef struct lion_audit_sum {
    uint64_t count, hash;
} lion_audit_sum;

typedef struct lion_audit_attribute {
    uint32_t a;
    lion_audit_sum sums[LION_AUDIT_KINDS];
} lion_audit_attribute;

/* A blob, as leaves and store know it. */
typedef struct lion_audit_blob {
    lion_hash128 hash;
    uint64_t references; /* of rows of leaves */
    uint64_t stored;     /* bytes in the store */
    uint32_t size;       /* as its first row says */
    uint32_t a;          /* of that row */
    int64_t e;
    bool is_stored, is_damaged;
} lion_audit_blob;

typedef struct lion_audit {
    lion_table segments; /* id → bits */
    lion_table places;   /* a → place in attributes */
    lion_audit_attribute *attributes;
    size_t attribute_count, attribute_capacity;
    lion_names *blob_places; /* hash → place in blobs */
    lion_audit_blob *blobs;
    size_t blob_count, blob_capacity;
    lion_table forgetful; /* attributes that had db/noHistory at some time: their past has gaps */
} lion_audit;

lion_status lion_audit_init(lion_audit *audit, lion_error *error);
void lion_audit_deinit(lion_audit *audit);

/* Set bits of a segment; *before_out: the bits it had. */
lion_status lion_audit_mark(lion_audit *audit, uint64_t id, unsigned bits, unsigned *before_out,
                            lion_error *error);
/* A tree comes to a segment: an error if it is damaged, or some tree came to it before. */
lion_status lion_audit_reach(lion_audit *audit, uint64_t id, lion_error *error);
/* A row of a tree, or a datom of the log. Large values may be stubs or whole. */
lion_status lion_audit_row(lion_audit *audit, lion_audit_kind kind, const lion_datom *row,
                           lion_error *error);
/* The blob's entry, made if it is not there; valid until the next one is made. */
lion_status lion_audit_blob_of(lion_audit_blob **blob_out, lion_audit *audit, lion_hash128 hash,
                               lion_error *error);

#endif
