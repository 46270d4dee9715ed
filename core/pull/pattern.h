/* pattern.h - a pull pattern as structs: what pattern.c reads and pull.c walks. Private to pull/.
 * All of it lies in the arena given to lion_pull_pattern_read and borrows the bytes of the form. */
#ifndef LION_PULL_PATTERN_H
#define LION_PULL_PATTERN_H

#include "db/db.h"

#define LION_PULL_LIMIT 1000 /* values of a cardinality-many attribute, unless the pattern says */
#define LION_PULL_UNLIMITED (-1)

typedef enum lion_pull_kind {
    LION_PULL_ATTRIBUTE,
    LION_PULL_WILDCARD,
    LION_PULL_ID, /* db/id */
} lion_pull_kind;

typedef struct lion_pull_spec {
    lion_pull_kind kind;
    bool is_reverse;
    lion_slice name;          /* "person/name" */
    lion_form key;            /* of the result: the name, "person/_friend", or what `as` says */
    int64_t limit;            /* > 0, or LION_PULL_UNLIMITED */
    const lion_form *missing; /* `default`; NULL: the key is left out */
    lion_slice xform;         /* empty: none */
    const lion_pull_pattern *pattern; /* NULL: none */
    int64_t recursion;                /* 0: none; > 0: levels; LION_PULL_UNLIMITED */
    uint32_t recursion_number;        /* among the recursive ones of its pattern */
    uint32_t number; /* among all of the whole pattern: where the pull keeps its attribute */
} lion_pull_spec;

struct lion_pull_pattern {
    const lion_pull_spec *specs;
    uint32_t count;
    uint32_t recursion_count; /* specs with a recursion */
    uint32_t total;           /* of the outermost pattern: specs of all levels */
};

/* [*]: what a component is pulled with where no pattern is given. */
extern const lion_pull_pattern lion_pull_whole;

/* The specs of all levels in order of number: visit(context, spec) for each. */
typedef void (*lion_pull_visit)(void *context, const lion_pull_spec *spec);
void lion_pull_pattern_visit(const lion_pull_pattern *pattern, lion_pull_visit visit,
                             void *context);

/* Whether the name is one of the built-in functions of :xform (str keyword symbol name namespace,
 * with or without clojure.core/). */
bool lion_pull_xform_is_known(lion_slice name);
/* Apply it; to each member where the value is a list. Incorrect where the value does not suit. */
lion_status lion_pull_xform(lion_form *result, lion_slice name, const lion_form *value,
                            lion_arena *arena, lion_error *error);

#endif
