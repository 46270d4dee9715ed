/* root.h - the root record of a database: what a commit of the indexer installs in the store.
 * docs/format-trees.md gives its bytes. A decoded root is shared by reference count and owns its
 * snapshot.
 *
 * Physical trees (current and history each, so that today's queries never wade through the past):
 *   one EAVT tree of all datoms;
 *   for each attribute one AEVT tree (rows e v tx) and one AVET tree (rows v e tx).
 * VAET has no tree of its own: it is the AVET trees of the ref attributes, merged (a ref attribute
 * has an AVET tree even with db/index false; a bytes attribute, or another with db/index false,
 * has none). The log tree is keyed by t. */
#ifndef LION_INDEX_ROOT_H
#define LION_INDEX_ROOT_H

#include "base/buffer.h"
#include "data/datom.h"
#include "index/tree.h"
#include "index/value_sample.h"
#include "store/store.h"

typedef struct lion_root_attribute {
    uint32_t a;
    uint8_t type; /* lion_type of its values */
    uint8_t zero[3];
    lion_tree aevt, avet;                 /* current */
    lion_tree history_aevt, history_avet; /* the past */
    uint64_t distinct_e,
        distinct_v; /* of the current trees, exact when the indexer last wrote them */
} lion_root_attribute;

typedef struct lion_points lion_points; /* index/points.h */
typedef struct lion_overlay_cache lion_overlay_cache; /* index/overlay.h */

/* What a layer above makes of a root's trees and keeps as long as the root is there, in a list. */
typedef struct lion_attachment lion_attachment;
struct lion_attachment {
    lion_attachment *next;
    void (*free)(lion_attachment *attachment); /* tells whose it is, too */
};

typedef struct lion_root {
    int64_t t;             /* everything up to and including this t is in the trees */
    int64_t next_counter;  /* the id counter after t */
    uint64_t log_sequence; /* tail records up to here are covered */
    uint64_t generation;   /* of the opening that wrote it */
    bool has_tail;         /* a tail must exist beside the file */
    lion_tree eavt, history_eavt;
    lion_tree log;                   /* rows are log segments, see index/log_tree.h */
    uint64_t datoms;                 /* current */
    lion_root_attribute *attributes; /* ascending by a */
    uint32_t attribute_count;
    lion_value_sample *samples;      /* ascending by a, of attributes without AVET */
    uint32_t sample_count;

    lion_snapshot *snapshot; /* owned */
    lion_points *points;     /* owned, atomic; NULL: no look-up came yet */
    lion_overlay_cache *overlays; /* owned, atomic; NULL: none was asked for yet */
    uint64_t leaves_open;    /* atomic: by points */
    lion_attachment *attached; /* owned, atomic */
    uint32_t references;     /* atomic */
} lion_root;

/* Pin and decode the newest root of the store (an empty root for a new database). */
lion_status lion_root_open(lion_root **root_out, lion_store *store, lion_error *error);
lion_root *lion_root_keep(lion_root *root);
void lion_root_drop(lion_root *root); /* NULL is allowed */
/* The newest first. Borrowed as long as the root is there; from any thread. */
lion_attachment *lion_root_attached(const lion_root *root);
/* From then on it is the root's. From any thread. */
void lion_root_attach_take(const lion_root *root, lion_attachment *attachment);
/* Whether AVET is missing where AEVT has rows: the attribute was out of the index when the root was made. If it is
 * in the index now, novelty's AVET holds all of its datoms, those of the trees too (lion_db_fill_avet). */
bool lion_root_attribute_lacks_avet(const lion_root_attribute *attribute);
/* What a root keeps in memory to be read again, besides the file's pages, which are the system's: leaves that are open,
 * and overlays. */
void lion_root_kept(const lion_root *root, uint64_t *leaves_out, uint64_t *bytes_out);
/* NULL if the attribute has no trees. */
const lion_root_attribute *lion_root_attribute_lookup(const lion_root *root, uint32_t a);
/* NULL: there is none. */
const lion_value_sample *lion_root_sample_lookup(const lion_root *root, uint32_t a);
/* Free the attributes and samples of a root that was decoded or is being made. */
void lion_root_clear(lion_root *root);
/* Append the record's bytes. (The attribute directory lies in the record; it is compressed with
 * zstd when large.) */
void lion_root_encode(lion_buffer *buffer, const lion_root *root);
lion_status lion_root_decode(lion_root *root, lion_slice bytes,
                             lion_error *error); /* clear it */

#endif
