/* tx.h - what a transaction in the making consists of. Shared by the files of transact/ only.
 *
 * Entities are numbers throughout: an id, or a tempid as -1 - its place in tx->tempids. Values that
 * refer to tempids are REF values with such negative bits; tuples with tempids inside wait in
 * tx->tuples and stand in facts as NIL values whose bits are their place there. resolve.c turns all
 * of them into ids. */
#ifndef LION_TRANSACT_TX_H
#define LION_TRANSACT_TX_H

#include "db/bootstrap.h"
#include "db/value.h"
#include "transact/transact.h"

typedef enum lion_fact_op {
    LION_FACT_RETRACT = 0,
    LION_FACT_ADD = 1,
    LION_FACT_DROPPED = 2,
} lion_fact_op;

/* What is known of a fact before it is looked for. */
#define LION_FACT_IS_THERE 1 /* it stands in the database before */
#define LION_FACT_IS_FREE 2  /* its unique value belongs to nobody in the database before */

typedef struct lion_fact {
    int64_t e;
    lion_value v;
    const lion_attribute *attribute;
    uint8_t op; /* lion_fact_op */
    uint8_t flags;
} lion_fact;

typedef struct lion_tx_tempid {
    lion_slice name;          /* empty: a map without db/id */
    uint32_t parent;          /* union-find; itself: a root */
    uint32_t first_attribute; /* smallest id of the attributes it is given, UINT32_MAX: none */
    int64_t id;               /* of a root, -1: not known yet */
    int64_t partition;        /* asked for, -1: none */
    int64_t partition_of;     /* the entity whose partition it takes; LION_NOBODY: none */
    bool is_entity;           /* something is asserted of it */
    bool is_schema;           /* it becomes an attribute, or lies in the db partition */
    bool is_named;            /* it gets a db/ident */
    bool is_partition;
} lion_tx_tempid;

#define LION_NOBODY INT64_MIN

/* A tuple some of whose slots are tempids. */
typedef struct lion_tx_tuple {
    lion_value slots[LION_TUPLE_SLOTS_MAX];
    size_t count;
} lion_tx_tuple;

/* What must be expanded against the database before once its entity is known. */
typedef enum lion_deferred_kind {
    LION_DEFERRED_ENTITY, /* retractEntity e */
    LION_DEFERRED_VALUES, /* retract e a */
    LION_DEFERRED_CAS,    /* cas e a old v */
} lion_deferred_kind;

typedef struct lion_tx_deferred {
    lion_deferred_kind kind;
    int64_t e;
    const lion_attribute *attribute;
    lion_value old, v;
    bool is_absent; /* cas: no value must be there, instead of old */
} lion_tx_deferred;

typedef struct lion_tx_ensure {
    int64_t e;
    int64_t spec;
} lion_tx_ensure;

/* Tx data waiting for expansion: the transaction's own, and what functions answered. */
typedef struct lion_tx_batch {
    const lion_form *ops;
    uint32_t count, next;
    struct lion_tx_batch *later;
} lion_tx_batch;

/* What a key of a map means; remembered by name. */
typedef enum lion_key_kind {
    LION_KEY_ATTRIBUTE,
    LION_KEY_REVERSE,
    LION_KEY_ID,
    LION_KEY_ENSURE,
} lion_key_kind;

typedef struct lion_tx_key {
    lion_slice name;
    lion_key_kind kind;
    const lion_attribute *attribute;
} lion_tx_key;

#define LION_TX_KEYS 256

typedef enum lion_tx_state {
    LION_TX_EXPANDING,
    LION_TX_PREDICATES,
    LION_TX_SPECS,
    LION_TX_DONE,
} lion_tx_state;

/* An asserted datom that must be checked for uniqueness, or that predicates must pass. */
typedef struct lion_tx_check {
    uint32_t datom;
    bool is_free;
    const lion_attribute *attribute;
} lion_tx_check;

#define LION_TX_ARRAY(type, name)                                                                  \
    struct {                                                                                       \
        type *items;                                                                               \
        uint32_t count, capacity;                                                                  \
    } name

struct lion_tx {
    const lion_db *db;
    lion_view view;      /* of the database before, without filters */
    lion_schema *schema; /* of the database before, borrowed */
    lion_arena *arena;
    lion_tx_options options;
    int64_t t, tx; /* of this transaction */
    int64_t instant_ms;
    bool has_instant; /* given by the user */
    lion_tx_state state;

    lion_tx_batch *batch; /* the first with operations left */
    lion_tx_batch *last_batch;
    uint32_t expansions;
    lion_tx_key *keys; /* LION_TX_KEYS of them */

    LION_TX_ARRAY(lion_fact, facts);
    LION_TX_ARRAY(lion_tx_tempid, tempids);
    LION_TX_ARRAY(lion_tx_tuple, tuples);
    LION_TX_ARRAY(lion_tx_deferred, deferred);
    LION_TX_ARRAY(lion_tx_ensure, ensures);
    LION_TX_ARRAY(uint32_t, identities); /* facts that assert an identity */
    uint32_t *tempid_slots;              /* by name: places in tempids + 1, 0: free */
    uint32_t tempid_mask;
    bool has_identity_on_tempid;
    bool is_partition_asked; /* some tempid wants a partition */
    int64_t next_counter, next_attribute, next_partition;

    LION_TX_ARRAY(lion_datom, datoms); /* the result, ascending by e */
    LION_TX_ARRAY(lion_tx_check, unique_checks);
    LION_TX_ARRAY(lion_tx_check, predicate_checks);
    bool is_schema_touched;

    uint32_t check_at, predicate_at; /* where PREDICATES stands */
    uint32_t ensure_at, spec_predicate_at;
    bool is_spec_open; /* the spec at ensure_at was read: its predicates follow */
    lion_slice *spec_predicates;
    uint32_t spec_predicate_count;
    lion_db *db_after; /* owned; made when a check needs it */

    bool is_calling;
    lion_call call;
    lion_form call_form, call_result;
    lion_tx_result result;
};

/* ---- datoms.c: what the transaction comes to ---- */
/* Room for one more in an array of the transaction; false: out of memory (the arena knows). */
bool lion_tx_reserve(void **items, uint32_t count, uint32_t *capacity, size_t size,
                     lion_arena *arena);
#define lion_tx_room(array, arena)                                                                 \
    ((array)->count < (array)->capacity ||                                                         \
     lion_tx_reserve((void **)&(array)->items, (array)->count, &(array)->capacity,                 \
                     sizeof *(array)->items, (arena)))

lion_status lion_tx_emit(lion_tx *tx, int64_t e, const lion_attribute *attribute, lion_value v,
                         bool added, bool is_free, lion_error *error);
/* The first datom of an entity (or of the next one), once they ascend by e. */
uint32_t lion_tx_first_of(const lion_tx *tx, int64_t e);
/* What it says of the entity's attribute, or NULL. */
const lion_datom *lion_tx_said(const lion_tx *tx, int64_t e, uint32_t a, bool added);

/* ---- expand.c: operations to facts ---- */
/* LION_OK: all is expanded. LION_CALL: a function must be called first. */
lion_status lion_tx_expand(lion_tx *tx, lion_error *error);
/* Tx data to be expanded later (a function's answer). */
lion_status lion_tx_enqueue(lion_tx *tx, const lion_form *ops, lion_error *error);

/* ---- map.c: maps to facts ---- */
lion_status lion_tx_expand_map(lion_tx *tx, const lion_form *map, lion_error *error);

/* ---- operand.c: what operations speak of ---- */
lion_status lion_tx_key_of(lion_tx_key *key_out, lion_tx *tx, const lion_form *name,
                           lion_error *error);
/* An attribute in a list form: name or id, not reversed. */
lion_status lion_tx_attribute_of(const lion_attribute **attribute_out, lion_tx *tx,
                                 const lion_form *form, lion_error *error);
lion_status lion_tx_entity_of(int64_t *e_out, lion_tx *tx, const lion_form *form,
                              lion_error *error);
/* The form as a value of the attribute; refs may be tempids. */
lion_status lion_tx_value_of(lion_value *value_out, lion_tx *tx, const lion_attribute *attribute,
                             const lion_form *form, lion_error *error);
lion_status lion_tx_add(lion_tx *tx, int64_t e, const lion_attribute *attribute, lion_value v,
                        lion_fact_op op, lion_error *error);
lion_status lion_tx_ensure_spec(lion_tx *tx, int64_t e, const lion_form *specs, lion_error *error);

/* ---- tempid.c ---- */
lion_status lion_tx_tempid_named(int64_t *e_out, lion_tx *tx, lion_slice name, lion_error *error);
int64_t lion_tx_tempid_new(lion_tx *tx, int64_t partition_of);
uint32_t lion_tx_root(lion_tx *tx, uint32_t tempid);
static inline uint32_t lion_tx_place(int64_t e)
{
    return (uint32_t)(-1 - e);
}
/* How a message calls an entity: its tempid, its ident, its id. */
const char *lion_tx_entity_text(lion_tx *tx, int64_t e);
const char *lion_tx_value_text(lion_tx *tx, lion_value v); /* cut at a bearable length */

/* ---- resolve.c: tempids to ids; numbers.c: ids of new entities ---- */
lion_status lion_tx_resolve(lion_tx *tx, lion_error *error);
lion_status lion_tx_number(lion_tx *tx, lion_error *error);
/* Is the entity made by this transaction? (e is an id.) */
bool lion_tx_is_new(const lion_tx *tx, int64_t e);

/* ---- retract.c: retractEntity, retract e a, cas ---- */
lion_status lion_tx_expand_deferred(lion_tx *tx, lion_error *error);

/* ---- reduce.c: facts to datoms; composite.c: tuples of members ---- */
lion_status lion_tx_reduce(lion_tx *tx, lion_error *error);
void lion_facts_sort(lion_fact *facts, size_t count, lion_fact *spare);
/* The facts of one entity, sorted by attribute. Appends datoms. */
lion_status lion_tx_composites(lion_tx *tx, const lion_fact *facts, size_t count,
                               lion_error *error);
/* ---- unique.c ---- */
lion_status lion_tx_check_unique(lion_tx *tx, lion_error *error);

/* ---- alter.c: schema changes make sense; install.c: of new attributes ---- */
lion_status lion_tx_check_schema(lion_tx *tx, lion_error *error);
lion_status lion_tx_check_new_attribute(lion_tx *tx, const lion_attribute *attribute,
                                        lion_error *error);
lion_status lion_tx_check_ident(lion_tx *tx, lion_slice name, bool is_own, lion_error *error);

/* ---- specs.c: predicates and entity specs; LION_CALL ---- */
lion_status lion_tx_check_predicates(lion_tx *tx, lion_error *error);
lion_status lion_tx_check_specs(lion_tx *tx, lion_error *error);
/* LION_CALL without a call: the transaction is on a value that is not sealed, and is to begin again
 * on one that is. */
lion_status lion_tx_db_after(lion_db **db_out, lion_tx *tx, lion_error *error);

/* ---- with.c ---- */
/* Only a value of now can be built upon: not history, as-of, since. */
lion_status lion_db_check_base(const lion_db *db, lion_error *error);

/* ---- value_table.c: (attribute, value) → a number ---- */
typedef struct lion_value_table {
    struct lion_value_entry *entries;
    uint32_t mask;
} lion_value_table;
void lion_value_table_init(lion_value_table *table, size_t count_max, lion_arena *arena);
void lion_value_table_clear(lion_value_table *table);
/* true: was there, *old_out is its number; false: put. */
bool lion_value_table_put(lion_value_table *table, uint32_t a, lion_value v, int64_t number,
                          int64_t *old_out);

#endif
