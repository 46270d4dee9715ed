/* db.h - a value of the database: immutable, shared by reference count, readable from any thread. What can be
 * done with one from outside: lion.h.
 *
 * It holds a view (index/cursor.h) with its root and novelty versions kept alive, the schema, and its place
 * in time. A value whose basis is below what its root and novelty hold is read bounded by its basis. */
#ifndef LION_DB_DB_H
#define LION_DB_DB_H

#include "db/schema.h"
#include "index/cursor.h"
#include "index/overlay.h"

struct lion_db {
    uint32_t references;      /* atomic */
    lion_view view;           /* root and versions are kept (owned) by this struct */
    lion_schema *schema;      /* kept */
    int64_t basis_t;
    int64_t as_of_t;          /* -1: none */
    int64_t since_t;          /* -1: none */
    bool is_history;
    int64_t next_counter;     /* of ids, at basis; for `with` */
    int64_t last_instant_ms;  /* db/txInstant of basis */
    uint64_t database;        /* identifies the database in the process: equality, caches */
    uint64_t branch;          /* unique for each speculative line; 0 for values of a connection */
    struct lion_db *unfiltered; /* kept; what filters are given; NULL: itself */
    struct lion_db_owner *owner; /* of the connection: told when the value goes (see db_owner) */
    bool is_open;             /* novelty's version is not sealed: the writer's own, until its next apply */
    uint32_t is_extended;     /* atomic: a `with` took over the end of its speculative novelty */
    lion_overlays overlays;   /* of the view; one whose novelty is open has none */
};

/* The connection's hook to know which bases are alive. drop is called once, when the last reference goes. */
typedef struct lion_db_owner {
    void (*released)(struct lion_db_owner *owner, const lion_db *db);
} lion_db_owner;

/* Parts are kept by the new value (the caller keeps its own references). root and novelty may be NULL. */
lion_status lion_db_new(lion_db **db_out, lion_root *root, const lion_novelty_version *novelty,
                        lion_schema *schema, int64_t basis_t, int64_t next_counter,
                        int64_t last_instant_ms, uint64_t database, lion_error *error);
/* A copy of the value that shares its parts, to be changed before anyone sees it (transact's `with`). */
lion_status lion_db_derive(lion_db **db_out, const lion_db *db, lion_error *error);

/* The same value on what `newest` stands on, whose basis is not older. LION_ABSENT: a speculative value has none. */
lion_status lion_db_on(lion_db **db_out, const lion_db *db, lion_db *newest, lion_error *error);

/* A number below is a t where a point in time is given. */
#define LION_POINT_T_MAX INT64_C(100000000000)

/* Begin again in the same log, with other bounds. */
lion_status lion_tx_range_seek(lion_tx_range *range, int64_t from, int64_t to, lion_error *error);

/* What lookups read: the view without history and filters, in *view (a copy, nothing is kept). */
void lion_db_plain_view(lion_view *view, const lion_db *db);

/* Whether a form in a place for a reference is a lookup ref: flagged so, or a vector of two headed by a unique attribute. */
bool lion_form_is_lookup(const lion_db *db, const lion_form *form);
/* Components of datoms/seek/count calls: forms in the order of the index → key. LION_ABSENT: some name resolves
 * to nothing, so nothing can match. db.error/attribute-not-indexed for AVET of an unindexed attribute. */
lion_status lion_db_key(lion_key *key_out, const lion_db *db, lion_index index, const lion_form *forms,
                        size_t count, lion_arena *arena, lion_error *error);

#endif
