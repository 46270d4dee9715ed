/* value.h - from what a host gave to a value of an attribute's type. Shared by lookups (which
 * resolve refs against a database) and transactions (where a ref may also be a tempid). */
#ifndef LION_DB_VALUE_H
#define LION_DB_VALUE_H

#include "db/db.h"

#define LION_TUPLE_SLOTS_MIN 2
#define LION_TUPLE_SLOTS_MAX 8
#define LION_TUPLE_TEXT_MAX 256 /* characters of a string in a tuple */

/* The form as a scalar of `type` (not REF, not TUPLE): coercion, db.error/nil-value,
 * db.error/wrong-type-for-attribute. Bytes are borrowed from the form or lie in the arena. */
lion_status lion_value_of_form(lion_value *value_out, const lion_attribute *attribute,
                               lion_type type, const lion_form *form, lion_arena *arena,
                               lion_error *error);

/* The form of a tuple, slot by slot: db.error/invalid-tuple-value. Ref slots that are not nil are
 * left to the caller: refs[i] is their form, else NULL. */
lion_status lion_tuple_of_form(lion_value slots[LION_TUPLE_SLOTS_MAX],
                               const lion_form *refs[LION_TUPLE_SLOTS_MAX], size_t *count_out,
                               const lion_attribute *attribute, const lion_form *form,
                               lion_arena *arena, lion_error *error);

/* db.error/invalid-tuple-value where a string is longer than one in a tuple may be. */
lion_status lion_tuple_check_texts(const lion_value *slots, size_t count,
                                   const lion_attribute *attribute, lion_error *error);

/* db.error/wrong-type-for-attribute (or nil-value), naming attribute, expected type and value. */
lion_status lion_fail_wrong_type(lion_error *error, const lion_attribute *attribute,
                                 const char *expected, const lion_form *form, lion_arena *arena);

/* An entity id given as a number: incorrect (db.error/invalid-entity-id) when it cannot be one. */
lion_status lion_entity_id_check(int64_t id, lion_error *error);

/* A lookup ref's parts: attribute and value forms. LION_ABSENT: the form is no vector of two. */
lion_status lion_lookup_parts(const lion_form **attribute_out, const lion_form **value_out,
                              const lion_form *form);

#endif
