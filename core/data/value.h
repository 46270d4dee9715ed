/* value.h - one value of the data model, 16 bytes, and the total order of values.
 *
 * Scalars sit in `bits`; everything with bytes is borrowed by pointer: whoever hands a value out
 * says how long its bytes live.
 *
 *   type       bits                                  data/size
 *   NIL        0                                     (empty tuple slot, absent)
 *   BOOLEAN    0 | 1
 *   LONG       int64
 *   DOUBLE     IEEE bits
 *   INSTANT    int64 ms since 1970
 *   REF        entity id
 *   ATTRIBUTE  attribute's entity id (query only: prints as its ident; equal to REF and LONG by id)
 *   STRING KEYWORD SYMBOL URI BYTES                  UTF-8 (BYTES: any); keywords without colon
 *   UUID                                             16 bytes, big-endian
 *   DECIMAL                                          reserved; answers unsupported
 *   TUPLE                                            as data/tuple.h says: memcmp is its order
 *
 * Order inside one attribute (one type) is lion_value_compare: integers by value, doubles by IEEE
 * total order with NaN last and -0 equal to 0, bytes by memcmp then length, false before true.
 * Across types: NIL < BOOLEAN < numbers (LONG DOUBLE INSTANT REF ATTRIBUTE, by value) < STRING <
 * KEYWORD < SYMBOL < URI < UUID < BYTES < TUPLE. Long and double compare exactly (no rounding to
 * double). */
#ifndef LION_DATA_VALUE_H
#define LION_DATA_VALUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

typedef enum lion_type {
    LION_TYPE_NIL = 0,
    LION_TYPE_BOOLEAN = 1,
    LION_TYPE_LONG = 2,
    LION_TYPE_DOUBLE = 3,
    LION_TYPE_INSTANT = 4,
    LION_TYPE_REF = 5,
    LION_TYPE_ATTRIBUTE = 6,
    LION_TYPE_STRING = 7,
    LION_TYPE_KEYWORD = 8,
    LION_TYPE_SYMBOL = 9,
    LION_TYPE_URI = 10,
    LION_TYPE_UUID = 11,
    LION_TYPE_BYTES = 12,
    LION_TYPE_TUPLE = 13,
    LION_TYPE_DECIMAL = 14,
    LION_TYPE_MIXED = 15, /* of a vector only: its values are tagged one by one */
} lion_type;

typedef struct lion_value {
    uint8_t type; /* lion_type */
    uint8_t zero[3];
    uint32_t size; /* of data; 0 for scalars */
    union {
        int64_t bits;
        double number;
        const uint8_t *data;
    };
} lion_value;

_Static_assert(sizeof(lion_value) == 16, "lion_value is two words");

/* Largest value: one LMDB value, one HTTP body, one sane limit. */
#define LION_VALUE_SIZE_MAX (256u << 20)

static inline bool lion_type_is_scalar(uint8_t type) /* fits in bits */
{
    return type <= LION_TYPE_ATTRIBUTE;
}
static inline bool lion_type_is_number(uint8_t type)
{
    return type >= LION_TYPE_LONG && type <= LION_TYPE_ATTRIBUTE;
}

static inline lion_value lion_value_nil(void) { return (lion_value){ .type = LION_TYPE_NIL }; }
static inline lion_value lion_value_scalar(lion_type type, int64_t bits)
{
    return (lion_value){ .type = (uint8_t)type, .bits = bits };
}
static inline lion_value lion_value_long(int64_t x) { return lion_value_scalar(LION_TYPE_LONG, x); }
static inline lion_value lion_value_ref(int64_t id) { return lion_value_scalar(LION_TYPE_REF, id); }
static inline lion_value lion_value_boolean(bool x)
{
    return lion_value_scalar(LION_TYPE_BOOLEAN, x);
}
static inline lion_value lion_value_double(double x)
{
    return (lion_value){ .type = LION_TYPE_DOUBLE, .number = x };
}
static inline lion_value lion_value_bytes(lion_type type, lion_slice bytes)
{
    return (lion_value){ .type = (uint8_t)type, .size = (uint32_t)bytes.size, .data = bytes.data };
}
static inline lion_slice lion_value_slice(lion_value value)
{
    return (lion_slice){ .data = value.data, .size = value.size };
}

/* The total order above. */
int lion_value_compare(lion_value a, lion_value b);
/* Equality as queries mean it: numbers by value across types, the rest by type and bytes. NaN
 * equals NaN. */
bool lion_value_equal(lion_value a, lion_value b);
/* Equal values hash alike (2 and 2.0 too). */
uint64_t lion_value_hash(lion_value value);

/* A copy whose bytes live in `arena`. */
lion_value lion_value_copy(lion_arena *arena, lion_value value);

/* `value` as a value of `type`, or incorrect: string to uuid, uri, keyword (leading colon
 * optional), symbol, instant (RFC 3339), bytes; long to double, instant, ref; keyword to string
 * (the colon comes back), symbol to string; identity otherwise. New bytes live in `arena`. Tuples
 * are not coerced here. LION_ABSENT if the value cannot be of that type (the caller words the
 * error). */
lion_status lion_value_coerce(lion_value *value_out, lion_value value, lion_type type,
                              lion_arena *arena);

/* "db.type/string" ↔ LION_TYPE_STRING. The name has no colon. 0 if there is no such type; decimal
 * (name "db.type/bigdec"), float (read as double), bigint, fn are told apart by the caller
 * (db/schema). */
const char *lion_type_name(lion_type type);
lion_type lion_type_of_name(lion_slice name);

/* Text for messages and for `str`: EDN-like, keywords with colon, strings bare, uuids canonical,
 * instants RFC 3339, doubles shortest round trip ("2.0"). Appends to the arena, zero-terminated. */
char *lion_value_text(lion_arena *arena, lion_value value);

/* RFC 3339 (date alone, or date-time with optional fraction and offset) ↔ ms. LION_ABSENT if
 * malformed. */
lion_status lion_instant_parse(int64_t *instant_ms_out, lion_slice text);
void lion_instant_format(char out[32], int64_t instant_ms); /* "2026-01-01T00:00:00.000Z" */
/* Canonical uuid text, any case. LION_ABSENT if malformed. */
lion_status lion_uuid_parse(uint8_t out[16], lion_slice text);
void lion_uuid_format(char out[37], const uint8_t uuid[16]);

#endif
