/* schema.h - what a database knows of its attributes and names, as one immutable value.
 * Built from datoms; shared by reference count by all database values between two schema changes.
 * Names and types known then or since: as-of does not rewind it (SEMANTICS). Any thread. */
#ifndef LION_DB_SCHEMA_H
#define LION_DB_SCHEMA_H

#include "data/datom.h"
#include "data/form.h"

typedef enum lion_unique { LION_UNIQUE_NONE = 0, LION_UNIQUE_VALUE = 1, LION_UNIQUE_IDENTITY = 2 } lion_unique;

typedef struct lion_attribute {
    uint32_t id;
    uint8_t type;          /* lion_type */
    uint8_t unique;        /* lion_unique */
    bool is_many;
    bool is_component;
    bool is_indexed;       /* in AVET for users: not bytes, not db/index false */
    bool is_in_avet;       /* has an AVET tree: is_indexed or ref */
    bool no_history;
    uint8_t tuple_kind;    /* 0 none, 1 composite (tupleAttrs), 2 heterogeneous (tupleTypes), 3 homogeneous (tupleType) */
    uint8_t tuple_count;   /* slots of 1 and 2 */
    uint8_t tuple_types[8];     /* per slot; [0] for homogeneous */
    uint32_t tuple_attributes[8];
    lion_slice ident;      /* "person/name", owned by the schema */
    lion_slice *predicates;  /* names of attribute predicates */
    uint32_t predicate_count;
    uint32_t composite_count;    /* composite tuples this attribute is a member of … */
    const uint32_t *composites;  /* … by id */
} lion_attribute;

typedef struct lion_schema lion_schema;

lion_schema *lion_schema_keep(lion_schema *schema);
void lion_schema_drop(lion_schema *schema); /* NULL is allowed */

/* NULL if there is no such attribute. Borrowed from the schema. */
const lion_attribute *lion_schema_attribute(const lion_schema *schema, int64_t id);
/* By name, "person/name" or ":person/name" (old names of renamed idents too). */
const lion_attribute *lion_schema_attribute_named(const lion_schema *schema, lion_slice name);
/* Ident of any entity → id: LION_OK or LION_ABSENT. A leading colon is accepted. */
lion_status lion_schema_entid(int64_t *id_out, const lion_schema *schema, lion_slice name);
/* The newest ident of an entity, without colon: LION_OK or LION_ABSENT. */
lion_status lion_schema_ident(lion_slice *name_out, const lion_schema *schema, int64_t id);
/* All attributes, ascending by id. */
const lion_attribute *const *lion_schema_attributes(const lion_schema *schema, uint32_t *count_out);
/* Ref attributes ascending (for LION_VAET), borrowed. */
const uint32_t *lion_schema_refs(const lion_schema *schema, uint32_t *count_out);
/* Changes with every schema change; prepared plans key on it. Unique in the process. */
uint64_t lion_schema_epoch(const lion_schema *schema);

/* lion/unknown-attribute (incorrect), naming the nearest known one. */
lion_status lion_schema_fail_unknown(lion_error *error, const lion_schema *schema, lion_slice name);

/* ---- ids of what comes next ---- */

/* Attributes and other schema entities get ids of the db partition from LION_ATTRIBUTE_ID_FIRST up, partitions
 * their own number as id, from LION_PARTITION_ID_FIRST up. */
#define LION_PARTITION_ID_FIRST 80
#define LION_ATTRIBUTE_ID_FIRST (LION_PARTITION_MAX + 1)
int64_t lion_schema_next_attribute(const lion_schema *schema);
int64_t lion_schema_next_partition(const lion_schema *schema);
/* Whether ids may lie in this partition: db, tx, user, or an installed one. */
bool lion_schema_has_partition(const lion_schema *schema, int64_t partition);
/* Type id (LION_ID_TYPE_…) → the type of values, LION_TYPE_NIL for what is no value type or not supported. */
lion_type lion_schema_type_of_id(int64_t id);

/* ---- building ---- */

/* The schema with these datoms of one transaction applied (all of the transaction's datoms, in order); the same schema, kept, when they
 * touch neither schema nor idents. Does no validation (transact/ has done it). */
lion_status lion_schema_apply(lion_schema **schema_out, lion_schema *schema, const lion_datom *datoms,
                              size_t count, lion_error *error);
lion_status lion_schema_new(lion_schema **schema_out, lion_error *error); /* of the bootstrap transaction */

#endif
