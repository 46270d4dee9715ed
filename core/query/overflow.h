/* overflow.h - rows that a table in memory had no room for, to be looked at again when the table is done and empty: in partitions by
 * the hash of their keys, which are divided again, by another hash, where one of them is too many still. Equal keys are
 * in one partition. */
#ifndef LION_QUERY_OVERFLOW_H
#define LION_QUERY_OVERFLOW_H

#include "query/run.h"
#include "query/spill.h"

#define LION_PARTITIONS 16

typedef struct lion_overflow_part lion_overflow_part;

typedef struct lion_overflow {
    lion_run *run;
    uint32_t width;            /* values of a row */
    lion_spool *parts;         /* LION_PARTITIONS, while there are rows in them */
    uint32_t level;            /* of parts: which hash */
    lion_overflow_part *waiting; /* to be read, the latest first … */
    lion_overflow_part *present; /* … and what is being read */
    lion_output output;        /* the rows that were read */
} lion_overflow;

/* No memory before the first row. */
void lion_overflow_init(lion_overflow *overflow, lion_run *run, uint32_t width);
/* The row, whose key the hash is of. */
lion_status lion_overflow_add(lion_overflow *overflow, const lion_value *row, uint64_t hash, lion_error *error);
/* What was being read is at its end: go on with the next partition. LION_END: there is none. */
lion_status lion_overflow_turn(lion_overflow *overflow, lion_error *error);
/* The next rows of the partition, columns in the order of the row; LION_END. */
lion_status lion_overflow_next(lion_overflow *overflow, lion_batch *batch_out, lion_error *error);
static inline bool lion_overflow_is_reading(const lion_overflow *overflow)
{
    return overflow->present != NULL;
}
/* Everything goes. */
void lion_overflow_clear(lion_overflow *overflow);

/* Which partition, at a level. */
uint32_t lion_partition(uint64_t hash, uint32_t level);
/* The hash of some values: equal values have the same. */
uint64_t lion_values_hash(const lion_value *values, uint32_t count);

#endif
