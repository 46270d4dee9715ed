/* schema_parts.h - what a schema is made of. For schema.c and schema_apply.c only. */
#ifndef LION_DB_SCHEMA_PARTS_H
#define LION_DB_SCHEMA_PARTS_H

#include "db/idents.h"
#include "db/schema.h"

/* What the datoms said of one attribute; the public part is derived from it. */
typedef struct lion_attribute_record {
    lion_attribute attribute; /* first: a pointer to it is a pointer to the record */
    int64_t created_tx;       /* that asserted its db/valueType; 0: it is no attribute (yet) */
    int64_t index_tx;         /* that asserted db/index */
    int64_t cardinality_tx, unique_tx; /* that asserted what they are */
    uint8_t index_said;       /* 0: nothing, 1: false, 2: true */
} lion_attribute_record;

/* All attributes, rebuilt as a whole when one changes; shared by the schemas between two changes.
 */
typedef struct lion_attribute_set {
    uint32_t references; /* atomic */
    lion_arena arena;    /* everything below, and their strings */
    uint32_t count;
    const lion_attribute **list; /* ascending by id */
    uint32_t limit;              /* size of by_id */
    lion_attribute_record **by_id;
    uint32_t ref_count;
    uint32_t *refs;
    int64_t next_attribute; /* ids for what comes next */
    int64_t next_partition;
    uint64_t partitions[(LION_PARTITION_MAX + 1) / 64]; /* bitmap of those installed */
} lion_attribute_set;

struct lion_schema {
    uint32_t references; /* atomic */
    uint64_t epoch;
    lion_attribute_set *set; /* kept */
    lion_idents idents;
};

#endif
