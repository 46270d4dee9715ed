/* log_verify.h - is the log whole? Each transaction's t is the id counter after the one before, so
 * a transaction that is lost is missed, in the log tree as in the tail. */
#ifndef LION_INDEX_LOG_VERIFY_H
#define LION_INDEX_LOG_VERIFY_H

#include "index/audit.h"
#include "index/branch.h"
#include "index/log_tree.h"

typedef struct lion_log_verifier {
    lion_audit *audit;     /* borrowed; NULL: none */
    int64_t t;             /* of the newest transaction seen, 0: not known */
    int64_t next_counter;  /* after it */
    uint64_t transactions; /* seen */
    lion_buffer raw;
    lion_arena arena;
} lion_log_verifier;

void lion_log_verifier_init(lion_log_verifier *verifier, lion_audit *audit);
void lion_log_verifier_deinit(lion_log_verifier *verifier);

/* The next transaction: does it follow the one before? It becomes the newest, whatever the answer.
 */
lion_status lion_log_verify_transaction(lion_log_verifier *verifier,
                                        const lion_transaction *transaction, lion_error *error);
/* The transactions of a log leaf; *found_out is what a parent should say of it. After an error the
 * newest transaction is not known. */
lion_status lion_log_verify_leaf(lion_branch_entry *found_out, lion_log_verifier *verifier,
                                 lion_slice bytes, lion_error *error);

/* ---- what a tree's verifier (tree.h) takes and tells besides ---- */

typedef struct lion_tree_found {
    uint64_t segments, rows; /* read so far */
    uint64_t distinct;       /* leads, as the top says */
    int64_t max_t;
} lion_tree_found;

/* Before the first step: count segments, rows and blobs in an audit, which must outlive the
 * verifier. Blobs are then counted and not read. */
void lion_tree_verify_watch(lion_tree_verifier *verifier, lion_audit *audit, lion_audit_kind kind);
/* Before the first step: the tree is the log tree. */
void lion_tree_verify_log(lion_tree_verifier *verifier, lion_log_verifier *log);
lion_tree_found lion_tree_verify_found(const lion_tree_verifier *verifier);

#endif
