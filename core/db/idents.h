/* idents.h - names of entities as an immutable value: name → entity, entity → newest name.
 *
 * A stack of immutable levels, newest last; a change adds a level and merges the newest levels of
 * about its size, so that n names cost O(log n) copies each, whether they come at once or one a
 * transaction. Levels are shared by all values that hold them. Inside schema.c and its kin only. */
#ifndef LION_DB_IDENTS_H
#define LION_DB_IDENTS_H

#include "base/error.h"
#include "base/slice.h"

#define LION_IDENT_LEVELS_MAX 40

typedef struct lion_ident_level lion_ident_level;

typedef struct lion_idents {
    lion_ident_level *levels[LION_IDENT_LEVELS_MAX]; /* kept */
    uint32_t count;
} lion_idents;

/* One change: the entity gets the name (an older name goes on resolving), or loses it. */
typedef struct lion_ident_change {
    lion_slice name; /* without colon */
    int64_t id;
    bool is_removed;
} lion_ident_change;

/* *idents_out gets its own references. Changes apply in order. */
lion_status lion_idents_apply(lion_idents *idents_out, const lion_idents *idents,
                              const lion_ident_change *changes, size_t count, lion_error *error);
void lion_idents_copy(lion_idents *idents_out, const lion_idents *idents);
void lion_idents_drop(lion_idents *idents);

/* LION_OK or LION_ABSENT. */
lion_status lion_idents_id(int64_t *id_out, const lion_idents *idents, lion_slice name);
lion_status lion_idents_name(lion_slice *name_out, const lion_idents *idents, int64_t id);

#endif
