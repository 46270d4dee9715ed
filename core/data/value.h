/* value.h - what the core itself asks of values; what a value is, and their order: lion.h. */
#ifndef LION_DATA_VALUE_H
#define LION_DATA_VALUE_H

#include <math.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

_Static_assert(sizeof(lion_value) == 16, "lion_value is two words");

static inline bool lion_type_is_scalar(uint8_t type) /* fits in bits */
{
    return type <= LION_TYPE_ATTRIBUTE;
}
static inline bool lion_type_is_number(uint8_t type)
{
    return type >= LION_TYPE_LONG && type <= LION_TYPE_ATTRIBUTE;
}

/* For a vector whose dictionary has it not. */
static inline lion_value lion_value_uncoded(lion_value value)
{
    value.code = 0;
    return value;
}

static inline bool lion_value_is_nan(lion_value value)
{
    return value.type == LION_TYPE_DOUBLE && isnan(value.number);
}

/* `value` as a value of `type`, or incorrect: string to uuid, uri, keyword (leading colon
 * optional), symbol, instant (RFC 3339), bytes, decimal; long to double, instant, ref, decimal;
 * -0.0 and whole doubles beyond 2^53 to long, instant; keyword to string, uri, bytes (the colon
 * comes back), symbol to string; identity otherwise. New bytes live in `arena`. Tuples are not
 * coerced here. LION_ABSENT if the value cannot be of that type (the caller words the error). */
lion_status lion_value_coerce(lion_value *value_out, lion_value value, lion_type type,
                              lion_arena *arena);

/* "db.type/string" → LION_TYPE_STRING. The name has no colon. 0 if there is no such type; decimal
 * (name "db.type/bigdec"), float (read as double), bigint, fn are told apart by the caller
 * (db/schema). */
lion_type lion_type_of_name(lion_slice name);

#endif
