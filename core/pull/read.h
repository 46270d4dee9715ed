/* read.h - what a pull reads of one entity: the values of an attribute, who refers to it, or all.
 * Private to pull/. A read that answers LION_CALL (a filter) is taken again with the same arguments
 * and goes on; its rows then belong to whoever asked: every read begins a list of its own. */
#ifndef LION_PULL_READ_H
#define LION_PULL_READ_H

#include "index/entities.h"
#include "pull/pattern.h"

typedef struct lion_pull_row {
    uint32_t a;
    lion_value v; /* reverse: a ref, the entity that refers */
} lion_pull_row;

typedef struct lion_pull_reader {
    const lion_view *view;
    lion_arena *arena;
    lion_cursor *values;  /* EAVT by e and a; opened at first use, like the others */
    lion_cursor *entity;  /* EAVT by e */
    lion_cursor *inbound; /* VAET by v and a */
    lion_entities entities;
    lion_cursor *waiting; /* the one whose call is to be answered; NULL: none */
    lion_pull_row *rows;  /* of the last read */
    uint32_t count, capacity;
} lion_pull_reader;

/* limit < 0: none. */
lion_status lion_pull_read_values(lion_pull_reader *reader, int64_t e,
                                  const lion_attribute *attribute, int64_t limit,
                                  lion_error *error);
lion_status lion_pull_read_inbound(lion_pull_reader *reader, int64_t e,
                                   const lion_attribute *attribute, int64_t limit,
                                   lion_error *error);
/* By what a specification says: whose attribute it is, which way, how many. */
lion_status lion_pull_read(lion_pull_reader *reader, int64_t e, const lion_pull_spec *spec,
                           const lion_attribute *attribute, lion_error *error);
/* All attributes, ascending, at most limit values of each. */
lion_status lion_pull_read_entity(lion_pull_reader *reader, int64_t e, int64_t limit,
                                  lion_error *error);

#endif
