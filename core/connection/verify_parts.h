/* verify_parts.h - what the files of a verification share. Private to core/connection. */
#ifndef LION_CONNECTION_VERIFY_PARTS_H
#define LION_CONNECTION_VERIFY_PARTS_H

#include "connection/database.h"
#include "connection/verify.h"
#include "index/log_verify.h"

typedef enum verify_stage {
    VERIFY_PAGES, /* of a file at rest */
    VERIFY_OPEN,
    VERIFY_STORE, /* each segment and blob for itself */
    VERIFY_TREES,
    VERIFY_SUMS,
    VERIFY_BLOBS,
    VERIFY_WASTE,
    VERIFY_TAIL,
    VERIFY_DONE
} verify_stage;

struct lion_verify {
    verify_stage stage;
    char *path, *log_path;       /* owned; NULL of a live database */
    lion_connection *connection; /* a handle of its own, NULL: none */
    lion_store_check *check;     /* holds the owner's lock; NULL: none */
    lion_store *own_store;       /* opened here; NULL of a live database */
    lion_store *store;           /* borrowed: the one that is read */
    lion_db *db;                 /* kept; of a live database */
    lion_root *root;             /* kept */
    lion_schema *schema;         /* kept: of the root, or of the bootstrap if that cannot be read */
    bool is_schema_known;

    lion_audit audit;
    lion_log_verifier log;
    lion_store_walk *walk;    /* NULL: not begun */
    lion_tree_verifier *tree; /* NULL: the next tree is not begun */
    uint32_t tree_next;
    uint8_t *is_broken; /* of each tree; owned */
    bool is_any_broken;
    uint64_t blob_next; /* place in the audit */
    lion_log *tail;     /* NULL: not begun */
    uint32_t novelty_next;
    lion_arena arena; /* of one transaction */

    lion_verify_report report;
    lion_verify_fault *faults; /* LION_VERIFY_FAULTS_MAX; owned */
};

/* Note a fault. LION_OK, or LION_FAILED if the error is no fault of the database (no memory, say).
 * `error` may be where the fault lies. */
lion_status lion_verify_note(lion_verify *v, const char *where, const lion_error *fault,
                             lion_error *error);
/* The same of a message. */
lion_status lion_verify_wrong(lion_verify *v, lion_error *error, const char *where,
                              const char *format, ...) __attribute__((format(printf, 4, 5)));
/* "AEVT of :person/name" into text (128 bytes). */
void lion_verify_name(const lion_verify *v, char *text, const char *tree, uint32_t a);

/* Stages: LION_OK there is more of it, LION_END it is through. */
lion_status lion_verify_store_step(lion_verify *v, lion_error *error);
lion_status lion_verify_blobs_step(lion_verify *v, lion_error *error);
lion_status lion_verify_waste(lion_verify *v, lion_error *error);
lion_status lion_verify_trees_step(lion_verify *v, lion_error *error);
lion_status lion_verify_sums(lion_verify *v, lion_error *error);
lion_status lion_verify_tail_step(lion_verify *v, lion_error *error);

#endif
