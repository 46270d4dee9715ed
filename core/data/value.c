/* value.c - the total order of values, equality and hash that agree with it, and the types' names. */
#include "data/value.h"

#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "data/decimal.h"

/* -- Order ------------------------------------------------------------------------------------ */

/* Types of one class compare with each other; classes compare by number. */
static const uint8_t CLASS_OF[LION_TYPE_LOG + 1] = {
    [LION_TYPE_NIL] = 0,       [LION_TYPE_BOOLEAN] = 1, [LION_TYPE_LONG] = 2,
    [LION_TYPE_DOUBLE] = 2,    [LION_TYPE_INSTANT] = 2, [LION_TYPE_REF] = 2,
    [LION_TYPE_ATTRIBUTE] = 2, [LION_TYPE_STRING] = 3,  [LION_TYPE_KEYWORD] = 4,
    [LION_TYPE_SYMBOL] = 5,    [LION_TYPE_URI] = 6,     [LION_TYPE_UUID] = 7,
    [LION_TYPE_BYTES] = 8,     [LION_TYPE_TUPLE] = 9,   [LION_TYPE_DECIMAL] = 10,
    [LION_TYPE_MIXED] = 11,    [LION_TYPE_LOG] = 12,
};
#define CLASS_NUMBER 2
#define CLASS_STRING 3
#define CLASS_LOG 12

static int class_of(lion_value value)
{
    LION_ASSERT(value.type < LION_TYPE_MIXED || value.type == LION_TYPE_LOG);
    return CLASS_OF[value.type];
}

/* Is a value of the class no more than its bits? */
static bool is_of_bits(int class)
{
    return class < CLASS_STRING || class == CLASS_LOG;
}

static int compare_longs(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

/* NaN is equal to itself and above all others. */
static int compare_doubles(double a, double b)
{
    if (a < b) return -1;
    if (a > b) return 1;
    return isnan(a) - isnan(b);
}

/* Exact: a double of 2^63 and more, or less than -2^63, is past every long; any other has an
 * integral part that is a long, and what is left decides a tie. */
static int compare_long_to_double(int64_t a, double b)
{
    if (isnan(b) || b >= 0x1p63) return -1;
    if (b < -0x1p63) return 1;
    int64_t integral = (int64_t)b;
    if (a != integral) return a < integral ? -1 : 1;
    double rest = b - (double)integral;
    return rest > 0 ? -1 : rest < 0;
}

static int compare_numbers(lion_value a, lion_value b)
{
    bool is_double_a = a.type == LION_TYPE_DOUBLE, is_double_b = b.type == LION_TYPE_DOUBLE;
    if (!is_double_a && !is_double_b) return compare_longs(a.bits, b.bits);
    if (is_double_a && is_double_b) return compare_doubles(a.number, b.number);
    return is_double_b ? compare_long_to_double(a.bits, b.number)
                       : -compare_long_to_double(b.bits, a.number);
}

int lion_value_compare(lion_value a, lion_value b)
{
    int class_a = class_of(a), class_b = class_of(b);
    if (class_a != class_b) return class_a < class_b ? -1 : 1;
    if (class_a == CLASS_NUMBER) return compare_numbers(a, b);
    if (is_of_bits(class_a)) return compare_longs(a.bits, b.bits);
    return lion_slice_compare(lion_value_slice(a), lion_value_slice(b));
}

bool lion_value_equal(lion_value a, lion_value b)
{
    int class_a = class_of(a);
    if (class_a != class_of(b)) return false;
    if (class_a == CLASS_NUMBER) return compare_numbers(a, b) == 0;
    if (is_of_bits(class_a)) return a.bits == b.bits;
    return lion_slice_equal(lion_value_slice(a), lion_value_slice(b));
}

/* -- Hash ------------------------------------------------------------------------------------- */

#define HASH_SALT UINT64_C(0x9e3779b97f4a7c15) /* so that 0 does not hash to 0 */

static uint64_t hash_double(double x)
{
    bool is_long = x >= -0x1p63 && x < 0x1p63 && x == (double)(int64_t)x; /* -0.0 too */
    if (is_long) return lion_hash_u64((uint64_t)(int64_t)x + HASH_SALT);
    if (isnan(x)) return lion_hash_u64(~HASH_SALT);
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return lion_hash_u64(bits ^ HASH_SALT);
}

uint64_t lion_value_hash(lion_value value)
{
    int rank = class_of(value);
    if (value.type == LION_TYPE_DOUBLE) return hash_double(value.number);
    if (rank == CLASS_NUMBER) return lion_hash_u64((uint64_t)value.bits + HASH_SALT);
    if (is_of_bits(rank)) return lion_hash_u64(((uint64_t)rank << 32) + (uint64_t)value.bits + 1);
    return lion_hash_seed(value.data, value.size, (uint64_t)rank);
}

lion_value lion_value_copy(lion_arena *arena, lion_value value)
{
    if (lion_type_is_scalar(value.type) || value.type == LION_TYPE_LOG) return value;
    return lion_value_bytes((lion_type)value.type, lion_arena_copy(arena, lion_value_slice(value)));
}

/* -- Types by name ---------------------------------------------------------------------------- */

static const char *const TYPE_NAMES[LION_TYPE_LOG + 1] = {
    [LION_TYPE_NIL] = "nil",
    [LION_TYPE_BOOLEAN] = "db.type/boolean",
    [LION_TYPE_LONG] = "db.type/long",
    [LION_TYPE_DOUBLE] = "db.type/double",
    [LION_TYPE_INSTANT] = "db.type/instant",
    [LION_TYPE_REF] = "db.type/ref",
    [LION_TYPE_ATTRIBUTE] = "attribute",
    [LION_TYPE_STRING] = "db.type/string",
    [LION_TYPE_KEYWORD] = "db.type/keyword",
    [LION_TYPE_SYMBOL] = "db.type/symbol",
    [LION_TYPE_URI] = "db.type/uri",
    [LION_TYPE_UUID] = "db.type/uuid",
    [LION_TYPE_BYTES] = "db.type/bytes",
    [LION_TYPE_TUPLE] = "db.type/tuple",
    [LION_TYPE_DECIMAL] = "db.type/bigdec",
    [LION_TYPE_MIXED] = "mixed",
    [LION_TYPE_LOG] = "log",
};

const char *lion_type_name(lion_type type)
{
    LION_ASSERT((unsigned)type <= LION_TYPE_LOG);
    return TYPE_NAMES[type];
}

lion_type lion_type_of_name(lion_slice name)
{
    for (int type = LION_TYPE_BOOLEAN; type <= LION_TYPE_DECIMAL; type++) {
        if (type == LION_TYPE_ATTRIBUTE) continue;
        if (lion_slice_equal(name, lion_slice_text(TYPE_NAMES[type]))) return (lion_type)type;
    }
    return LION_TYPE_NIL;
}
