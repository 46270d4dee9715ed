/* pattern.h - the operators of a data pattern on a database, of which lion_pattern_new takes the one that is fit:
 *
 *   scan    nothing is bound: columns as the cursor has them (op_scan.c)
 *   star    the entity is bound, of an attribute of cardinality one: values are gathered a batch at a time (op_star.c)
 *   lookup  a value or an entity is bound, each with any number of datoms: by the index, or by a table of it all (op_probe.c);
 *           anything else, row by row (op_pattern.c)
 *
 * Constants in a spec are coerced to what the attribute holds. */
#ifndef LION_QUERY_PATTERN_H
#define LION_QUERY_PATTERN_H

#include "query/operators.h"

bool lion_scan_can(const lion_pattern_spec *spec);
lion_operator *lion_scan_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep);

/* Whether threads may read parts of what the scan reads: it stands at the beginning of a plan, and reads onward. */
bool lion_scan_can_split(const lion_operator *operator);
/* As lion_view_split, of what it reads. */
lion_status lion_scan_split(lion_key_range **parts_out, uint32_t *count_out, lion_operator *operator, uint64_t rows_each, uint32_t most,
                            lion_error *error);
/* Have a scan that can be split read this part alone, from the next rewind on; NULL: all. Borrowed. */
void lion_scan_set_part(lion_operator *operator, const lion_key_range *part);

bool lion_star_can(const lion_pattern_spec *spec);
lion_operator *lion_star_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep);

bool lion_probe_can(const lion_pattern_spec *spec);
lion_operator *lion_probe_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep);

/* A value where the attribute's value stands. LION_ABSENT: it can be none of the attribute's. */
lion_status lion_pattern_value(lion_value *out, const lion_pattern_spec *spec, const lion_attribute *attribute, lion_value value,
                               lion_arena *arena, lion_error *error);

/* The same where the entity stands. */
lion_status lion_pattern_entity(lion_value *out, const lion_pattern_spec *spec, lion_value value, lion_arena *arena, lion_error *error);

/* The same on the database that the run has; what it says of it is the same, as the schema is. */
lion_pattern_spec lion_pattern_spec_in(const lion_pattern_spec *spec, lion_run *run);

/* When look-ups become a table: where it pays; with options.plan_seed, by a third each, also at once, or never; as plan_with and
 * plan_without say. */
typedef enum lion_tables { LION_TABLES_WHERE_IT_PAYS, LION_TABLES_AT_ONCE, LION_TABLES_NEVER } lion_tables;
static inline lion_tables lion_pattern_tables(const lion_run *run)
{
    if (!lion_run_allows(run, LION_PLAN_HASH_JOIN)) return LION_TABLES_NEVER;
    if (lion_run_forces(run, LION_PLAN_HASH_JOIN)) return LION_TABLES_AT_ONCE;
    return (lion_tables)(run->options.plan_seed % 3);
}

/* The advice where it would pay. */
#define LION_NO_TABLE "a table instead of look-ups has no room, so that they take longer: raise memory_mb"

#endif
