/* ahead.h - reading ahead: what many entities have of a pattern, attribute by attribute, and then what they refer
 * to, a level at a time. It is reading alone: what a result is made of, and in which order, is pull.c's affair, which
 * reads itself what is not here. Private to pull/. */
#ifndef LION_PULL_AHEAD_H
#define LION_PULL_AHEAD_H

#include "pull/pattern.h"
#include "pull/read.h"

/* The values of one attribute of one entity. */
typedef struct lion_pull_slice {
    const lion_pull_row *rows;
    uint32_t count;
} lion_pull_slice;

/* Entities of one level that are pulled by one pattern. */
typedef struct lion_pull_block {
    const lion_pull_pattern *pattern;
    const int64_t *entities; /* ascending, each once */
    uint32_t count;
    uint32_t depth;           /* levels of recursion above it */
    lion_pull_slice **slices; /* by specification: of each entity; NULL: not read */
} lion_pull_block;

typedef struct lion_pull_ahead {
    const lion_db *db;
    lion_pull_reader *reader;
    const lion_attribute **attributes; /* by number of specification, as in lion_pull */
    struct lion_gather **gathers;      /* the same; opened when many entities are asked for */
    uint32_t spec_count;
    lion_value *singles; /* scratch of a reading of one entity: by specification of its pattern … */
    uint32_t *single_attributes, *single_specs;
    lion_arena *arena;
    struct lion_pull_place *places; /* a hash table: by pattern and entity, where it was read */
    uint32_t place_count, place_room;
    lion_pull_block **blocks; /* in the order they are to be read */
    uint32_t block_count, block_room;
} lion_pull_ahead;

/* Fewer than these are read one by one. */
#define LION_PULL_AHEAD_MIN 8

/* Read what these entities (in any order) have of the pattern, and those that they lead to by it, up to a bound.
 * depth: levels of recursion above. Views with filters cannot be read ahead. */
lion_status lion_pull_ahead_read(lion_pull_ahead *ahead, const lion_pull_pattern *pattern, const int64_t *entities, size_t count,
                                 uint32_t depth, lion_error *error);
/* NULL: it was not read. */
const lion_pull_block *lion_pull_ahead_find(uint32_t *row_out, const lion_pull_ahead *ahead, const lion_pull_pattern *pattern,
                                            int64_t entity);
/* One entity's single values, where the pattern names several of them: NULL in *block_out if it does not. Nobody
 * finds it again. */
lion_status lion_pull_ahead_one(const lion_pull_block **block_out, lion_pull_ahead *ahead, const lion_pull_pattern *pattern,
                                int64_t entity, lion_error *error);
/* Forget all that was read. */
void lion_pull_ahead_clear(lion_pull_ahead *ahead);

#endif
