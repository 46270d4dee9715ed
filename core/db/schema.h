/* schema.h - what a database knows of its attributes and names, as one immutable value.
 * Built from datoms; shared by reference count by all database values between two schema changes.
 * Names and types known then or since: as-of does not rewind it (SEMANTICS). Any thread. */
#ifndef LION_DB_SCHEMA_H
#define LION_DB_SCHEMA_H

#include "data/datom.h"

lion_schema *lion_schema_keep(lion_schema *schema);
void lion_schema_drop(lion_schema *schema); /* NULL is allowed */

/* Ref attributes ascending (for LION_VAET), borrowed. */
const uint32_t *lion_schema_refs(const lion_schema *schema, uint32_t *count_out);
/* Changes with every schema change; prepared plans key on it. Unique in the process. */
uint64_t lion_schema_epoch(const lion_schema *schema);

/* lion/unknown-attribute (incorrect), naming the nearest known one. */
lion_status lion_schema_fail_unknown(lion_error *error, const lion_schema *schema, lion_slice name);

/* Whether an entity has one value at most, and a value one entity at most, in what stood at t: the attribute is of
 * cardinality one (unique), and was so by then, or has been since it was made. */
bool lion_attribute_was_one(const lion_attribute *attribute, int64_t t);
bool lion_attribute_was_unique(const lion_attribute *attribute, int64_t t);

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
