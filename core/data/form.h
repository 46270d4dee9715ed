/* form.h - nested data as the hosts hand it down: transaction data, query inputs, the query IR,
 * pull patterns; and as the core hands it back where a result has no fixed columns (pull, calls).
 *
 * A form is a tree in one arena: scalars are lion_values; vectors, maps and sets hold children in
 * arrays. Depth is bounded by LION_FORM_DEPTH_MAX where forms are built (the hosts check), so
 * readers may recurse. Immutable once built. */
#ifndef LION_DATA_FORM_H
#define LION_DATA_FORM_H

#include "base/arena.h"
#include "data/value.h"

/* Results may be this deep: pull results are built and read with explicit stacks. */
#define LION_FORM_DEPTH_MAX 10000
#define LION_FORM_INPUT_DEPTH_MAX 200

typedef enum lion_form_kind {
    LION_FORM_VALUE = 0, /* value */
    LION_FORM_VECTOR,    /* items[0..count) ; EDN vectors and lists, Lua arrays */
    LION_FORM_MAP,       /* items[0..2*count): key, value, key, value … */
    LION_FORM_SET,       /* items[0..count) ; lion.set, EDN sets: never a lookup ref */
    LION_FORM_HOST,      /* a host function: value.bits is the host's handle */
    LION_FORM_DB,        /* a database argument of a call: value.bits is a lion_db * (borrowed) */
} lion_form_kind;

typedef struct lion_form lion_form;
struct lion_form {
    uint8_t kind; /* lion_form_kind */
    uint8_t flags;
    uint8_t zero[2];
    uint32_t count;
    union {
        lion_value value;
        lion_form *items;
    };
};

/* Flags: a string that is a string, a vector that is a lookup ref, whatever it looks like (lion.str,
 * lion.lookup). */
#define LION_FORM_LITERAL 1
#define LION_FORM_LOOKUP 2

static inline lion_form lion_form_value(lion_value value)
{
    return (lion_form){ .kind = LION_FORM_VALUE, .value = value };
}
/* Vector with room for count items, to be filled by the caller. */
lion_form lion_form_vector(lion_arena *arena, size_t count);
lion_form lion_form_map(lion_arena *arena, size_t count); /* 2*count items */

/* Readers for fixed shapes. NULL where the form is not a map or has no such key (string or
 * keyword). */
const lion_form *lion_form_get(const lion_form *map, const char *key);
/* NULL where the form is no vector (or set) or the index is out of range. */
const lion_form *lion_form_at(const lion_form *vector, size_t index);
/* A string or keyword equal to `text`. */
bool lion_form_is_text(const lion_form *form, const char *text);
bool lion_form_as_long(const lion_form *form, int64_t *out);
bool lion_form_as_slice(const lion_form *form, lion_slice *out); /* string, keyword or symbol */

lion_form lion_form_copy(lion_arena *arena, const lion_form *form); /* deep, with explicit stack */
/* EDN-like, for messages; cut at ~400 bytes. */
char *lion_form_text(lion_arena *arena, const lion_form *form);

#endif
