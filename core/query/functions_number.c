/* functions_number.c - comparison and arithmetic. Longs are 64 bit and fail loudly; one double makes a double. */
#include <math.h>

#include "base/clock.h"
#include "data/decimal.h"
#include "query/functions.h"

#define FUNCTION(name) \
    static lion_status name(lion_function_call *call, const lion_value *arguments, uint32_t count, lion_value *out, lion_error *error)

static lion_status yes(lion_value *out, bool is_true)
{
    *out = lion_value_boolean(is_true);
    return LION_OK;
}

/* ---- comparison: chains, over the total order of values ---- */

static bool is_written_as_text(uint8_t type)
{
    return type == LION_TYPE_INSTANT || type == LION_TYPE_UUID || type == LION_TYPE_URI || type == LION_TYPE_SYMBOL ||
           type == LION_TYPE_BYTES || type == LION_TYPE_DECIMAL;
}

static bool is_plain_number(uint8_t type)
{
    return type == LION_TYPE_LONG || type == LION_TYPE_DOUBLE;
}

static lion_value as_text(lion_function_call *call, lion_value value)
{
    return lion_value_bytes(LION_TYPE_STRING, lion_slice_text(lion_value_text(call->arena, value)));
}

/* The total order, but that decimals are compared as the numbers they are. */
static int compare_values(lion_value a, lion_value b)
{
    bool is_decimal = a.type == LION_TYPE_DECIMAL && b.type == LION_TYPE_DECIMAL;
    return is_decimal ? lion_decimal_compare(lion_value_slice(a), lion_value_slice(b)) : lion_value_compare(a, b);
}

/* A text beside an instant, a uuid … is the one that it reads as, as it is where an attribute takes it; so is a number
 * beside a decimal. */
static lion_value as_beside(lion_function_call *call, lion_value value, lion_value other)
{
    lion_value read = value;
    bool is_other = (value.type == LION_TYPE_STRING && is_written_as_text(other.type)) ||
                    (is_plain_number(value.type) && other.type == LION_TYPE_DECIMAL);
    if (is_other && is_plain_number(value.type)) value = as_text(call, value);
    bool is_read = is_other &&
                   lion_value_coerce(&read, value, (lion_type)other.type, call->arena) == LION_OK;
    return is_read ? read : value;
}

/* NaN equals nothing, as everywhere outside of indexes. */
static bool is_same(lion_function_call *call, lion_value a, lion_value b)
{
    if (lion_value_is_nan(a) || lion_value_is_nan(b)) return false;
    if (a.type == b.type && a.type != LION_TYPE_DECIMAL) return lion_value_equal(a, b);
    return compare_values(as_beside(call, a, b), as_beside(call, b, a)) == 0;
}

FUNCTION(is_equal)
{
    (void)error;
    for (uint32_t i = 1; i < count; i++)
        if (!is_same(call, arguments[i - 1], arguments[i])) return yes(out, false);
    return yes(out, true);
}

FUNCTION(is_unequal)
{
    lion_status status = is_equal(call, arguments, count, out, error);
    return status == LION_OK ? yes(out, out->bits == 0) : status;
}

static bool is_one_kind(lion_value a, lion_value b)
{
    return a.type == b.type || (lion_type_is_number(a.type) && lion_type_is_number(b.type));
}

static const char *shown(lion_function_call *call, lion_value value)
{
    lion_form form = lion_form_value(value);
    return lion_form_text(call->arena, &form);
}

/* The order of two values of one kind: numbers, strings, keywords … have none between them. */
static lion_status order_of(lion_function_call *call, lion_value a, lion_value b, int *order_out, lion_error *error)
{
    lion_value x = a, y = b;
    if (a.type != b.type) {
        x = as_beside(call, a, b);
        y = as_beside(call, b, a);
    }
    if (!is_one_kind(x, y))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "%.*s cannot order %.200s and %.200s: they are values of different kinds",
                         (int)call->name.size, (const char *)call->name.data, shown(call, a), shown(call, b));
    *order_out = compare_values(x, y);
    return LION_OK;
}

#define CHAIN(name, operator)                                                                        \
    FUNCTION(name)                                                                                   \
    {                                                                                                \
        bool holds = true;                                                                           \
        for (uint32_t i = 1; holds && i < count; i++) {                                              \
            int order = 0;                                                                           \
            lion_status status = order_of(call, arguments[i - 1], arguments[i], &order, error);      \
            if (status != LION_OK) return status;                                                    \
            holds = order operator 0 && !lion_value_is_nan(arguments[i - 1]) &&                      \
                    !lion_value_is_nan(arguments[i]);                                                \
        }                                                                                            \
        return yes(out, holds);                                                                      \
    }
CHAIN(is_less, <)
CHAIN(is_at_most, <=)
CHAIN(is_more, >)
CHAIN(is_at_least, >=)

FUNCTION(compare)
{
    (void)count;
    bool has_nil = arguments[0].type == LION_TYPE_NIL || arguments[1].type == LION_TYPE_NIL;
    int order = has_nil ? lion_value_compare(arguments[0], arguments[1]) : 0; /* nil is lowest */
    lion_status status = has_nil ? LION_OK : order_of(call, arguments[0], arguments[1], &order, error);
    *out = lion_value_long((order > 0) - (order < 0));
    return status;
}

/* ---- arithmetic ---- */

static lion_status need_number(lion_function_call *call, lion_value value, lion_error *error)
{
    return lion_type_is_number(value.type) ? LION_OK : lion_function_fail(call, "a number", value, error);
}

static double as_double(lion_value value)
{
    return value.type == LION_TYPE_DOUBLE ? value.number : (double)value.bits;
}

static lion_status by_zero(lion_function_call *call, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/division-by-zero", "(%.*s …) divides by zero", (int)call->name.size,
                     (const char *)call->name.data);
}

/* What is left of a by b: 'r' has the sign of a, 'm' that of b. */
static lion_status decimal_rest(char operation, lion_slice a, lion_slice b, lion_value *out, lion_arena *arena)
{
    lion_status status = lion_decimal_divide(out, a, b, true, arena);
    if (status == LION_OK) status = lion_decimal_multiply(out, lion_value_slice(*out), b, arena);
    if (status == LION_OK) status = lion_decimal_subtract(out, a, lion_value_slice(*out), arena);
    if (status != LION_OK || operation == 'r' || lion_decimal_sign(lion_value_slice(*out)) * lion_decimal_sign(b) >= 0) return status;
    return lion_decimal_add(out, lion_value_slice(*out), b, arena);
}

static lion_status decimal_operation(char operation, lion_slice a, lion_slice b, lion_value *out, lion_arena *arena)
{
    switch (operation) {
    case '+': return lion_decimal_add(out, a, b, arena);
    case '-': return lion_decimal_subtract(out, a, b, arena);
    case '*': return lion_decimal_multiply(out, a, b, arena);
    case '/':
    case 'q': return lion_decimal_divide(out, a, b, operation == 'q', arena);
    default: return decimal_rest(operation, a, b, out, arena);
    }
}

/* With a decimal the result is one, exact; a double counts as the decimal that it is written as. LION_ABSENT: neither is one. */
static lion_status apply_decimals(lion_function_call *call, char operation, lion_value a, lion_value b, lion_value *out, lion_error *error)
{
    if (a.type != LION_TYPE_DECIMAL && b.type != LION_TYPE_DECIMAL) return LION_ABSENT;
    lion_value x = as_beside(call, a, b), y = as_beside(call, b, a);
    if (x.type != LION_TYPE_DECIMAL) return lion_function_fail(call, "a number", a, error);
    if (y.type != LION_TYPE_DECIMAL) return lion_function_fail(call, "a number", b, error);
    bool is_division = operation != '+' && operation != '-' && operation != '*';
    if (is_division && lion_decimal_sign(lion_value_slice(y)) == 0) return by_zero(call, error);
    lion_status status = decimal_operation(operation, lion_value_slice(x), lion_value_slice(y), out, call->arena);
    if (status != LION_ABSENT) return status;
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the result of %.*s has %s%d digits", (int)call->name.size,
                     (const char *)call->name.data, operation == '/' ? "no end, or more than " : "more than ", LION_DECIMAL_DIGITS_MAX);
}

static lion_status overflow(lion_function_call *call, int64_t a, int64_t b, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "(%.*s %lld %lld) does not fit into 64 bits",
                     (int)call->name.size, (const char *)call->name.data, (long long)a, (long long)b);
}

static lion_status apply_pair(lion_function_call *call, char operation, lion_value a, lion_value b, lion_value *out,
                              lion_error *error)
{
    lion_status status = apply_decimals(call, operation, a, b, out, error);
    if (status != LION_ABSENT) return status;
    status = need_number(call, a, error);
    if (status == LION_OK) status = need_number(call, b, error);
    if (status != LION_OK) return status;
    if (a.type == LION_TYPE_DOUBLE || b.type == LION_TYPE_DOUBLE) {
        double x = as_double(a), y = as_double(b);
        *out = lion_value_double(operation == '+' ? x + y : operation == '-' ? x - y : x * y);
        return LION_OK;
    }
    int64_t result = 0;
    bool is_lost = operation == '+'   ? __builtin_add_overflow(a.bits, b.bits, &result)
                   : operation == '-' ? __builtin_sub_overflow(a.bits, b.bits, &result)
                                      : __builtin_mul_overflow(a.bits, b.bits, &result);
    if (is_lost) return overflow(call, a.bits, b.bits, error);
    *out = lion_value_long(result);
    return LION_OK;
}

static lion_status fold(lion_function_call *call, char operation, lion_value start, const lion_value *arguments, uint32_t count,
                        lion_value *out, lion_error *error)
{
    lion_value sum = start;
    for (uint32_t i = 0; i < count; i++) {
        lion_status status = apply_pair(call, operation, sum, arguments[i], &sum, error);
        if (status != LION_OK) return status;
    }
    *out = sum;
    return LION_OK;
}

FUNCTION(add)
{
    return fold(call, '+', lion_value_long(0), arguments, count, out, error);
}
FUNCTION(multiply)
{
    return fold(call, '*', lion_value_long(1), arguments, count, out, error);
}
FUNCTION(subtract)
{
    if (count == 1) return apply_pair(call, '-', lion_value_long(0), arguments[0], out, error);
    return fold(call, '-', arguments[0], arguments + 1, count - 1, out, error);
}
FUNCTION(increment)
{
    (void)count;
    return apply_pair(call, '+', arguments[0], lion_value_long(1), out, error);
}
FUNCTION(decrement)
{
    (void)count;
    return apply_pair(call, '-', arguments[0], lion_value_long(1), out, error);
}

/* '/' and quot truncate on longs; 'r' is rem (sign of the dividend), 'm' mod (sign of the divisor). */
static lion_status divide_pair(lion_function_call *call, char operation, lion_value a, lion_value b, lion_value *out,
                               lion_error *error)
{
    lion_status status = apply_decimals(call, operation, a, b, out, error);
    if (status != LION_ABSENT) return status;
    status = need_number(call, a, error);
    if (status == LION_OK) status = need_number(call, b, error);
    if (status != LION_OK) return status;
    if (a.type == LION_TYPE_DOUBLE || b.type == LION_TYPE_DOUBLE) {
        double x = as_double(a), y = as_double(b);
        if (y == 0 && operation != '/') return by_zero(call, error);
        double result = operation == '/' ? x / y : operation == 'q' ? trunc(x / y) : fmod(x, y);
        if (operation == 'm' && result != 0 && (result < 0) != (y < 0)) result += y;
        *out = lion_value_double(result);
        return LION_OK;
    }
    if (b.bits == 0) return by_zero(call, error);
    if (b.bits == -1) {
        if (operation == 'r' || operation == 'm') {
            *out = lion_value_long(0);
            return LION_OK;
        }
        if (a.bits == INT64_MIN) return overflow(call, a.bits, b.bits, error);
    }
    int64_t result = operation == '/' || operation == 'q' ? a.bits / b.bits : a.bits % b.bits;
    if (operation == 'm' && result != 0 && (result < 0) != (b.bits < 0)) result += b.bits;
    *out = lion_value_long(result);
    return LION_OK;
}

FUNCTION(divide)
{
    if (count == 1) return divide_pair(call, '/', lion_value_long(1), arguments[0], out, error);
    lion_value result = arguments[0];
    for (uint32_t i = 1; i < count; i++) {
        lion_status status = divide_pair(call, '/', result, arguments[i], &result, error);
        if (status != LION_OK) return status;
    }
    *out = result;
    return LION_OK;
}
FUNCTION(quotient)
{
    (void)count;
    return divide_pair(call, 'q', arguments[0], arguments[1], out, error);
}
FUNCTION(remainder_of)
{
    (void)count;
    return divide_pair(call, 'r', arguments[0], arguments[1], out, error);
}
FUNCTION(modulo)
{
    (void)count;
    return divide_pair(call, 'm', arguments[0], arguments[1], out, error);
}

static lion_status extreme(lion_function_call *call, const lion_value *arguments, uint32_t count, int sign, lion_value *out)
{
    lion_value best = arguments[0];
    for (uint32_t i = 1; i < count; i++) {
        int order = compare_values(as_beside(call, arguments[i], best), as_beside(call, best, arguments[i]));
        if (order * sign > 0) best = arguments[i];
    }
    *out = best;
    return LION_OK;
}
FUNCTION(least)
{
    (void)error;
    return extreme(call, arguments, count, -1, out);
}
FUNCTION(greatest)
{
    (void)error;
    return extreme(call, arguments, count, 1, out);
}

FUNCTION(absolute)
{
    (void)count;
    if (arguments[0].type == LION_TYPE_DECIMAL) {
        bool is_negative = lion_decimal_sign(lion_value_slice(arguments[0])) < 0;
        *out = arguments[0];
        return is_negative ? apply_decimals(call, '-', lion_value_long(0), arguments[0], out, error) : LION_OK;
    }
    lion_status status = need_number(call, arguments[0], error);
    if (status != LION_OK) return status;
    if (arguments[0].type == LION_TYPE_DOUBLE) {
        *out = lion_value_double(fabs(arguments[0].number));
        return LION_OK;
    }
    if (arguments[0].bits == INT64_MIN) return overflow(call, arguments[0].bits, 0, error);
    *out = lion_value_long(arguments[0].bits < 0 ? -arguments[0].bits : arguments[0].bits);
    return LION_OK;
}

#define SIGN(name, operator)                                                                          \
    FUNCTION(name)                                                                                    \
    {                                                                                                 \
        (void)count;                                                                                  \
        bool is_decimal = arguments[0].type == LION_TYPE_DECIMAL;                                     \
        if (is_decimal) return yes(out, lion_decimal_sign(lion_value_slice(arguments[0])) operator 0);          \
        lion_status status = need_number(call, arguments[0], error);                                  \
        if (status != LION_OK) return status;                                                         \
        bool is_double = arguments[0].type == LION_TYPE_DOUBLE;                                       \
        return yes(out, is_double ? arguments[0].number operator 0 : arguments[0].bits operator 0);   \
    }
SIGN(is_zero, ==)
SIGN(is_positive, >)
SIGN(is_negative, <)

static lion_status parity(lion_function_call *call, lion_value value, int64_t wanted, lion_value *out, lion_error *error)
{
    if (!lion_type_is_number(value.type) || value.type == LION_TYPE_DOUBLE) return lion_function_fail(call, "a long", value, error);
    return yes(out, (value.bits & 1) == wanted);
}
FUNCTION(is_even)
{
    (void)count;
    return parity(call, arguments[0], 0, out, error);
}
FUNCTION(is_odd)
{
    (void)count;
    return parity(call, arguments[0], 1, out, error);
}

FUNCTION(random_number)
{
    uint64_t bits = 0;
    lion_random_bytes(&bits, sizeof(bits));
    double scale = 1;
    if (count == 1) {
        lion_status status = need_number(call, arguments[0], error);
        if (status != LION_OK) return status;
        scale = as_double(arguments[0]);
    }
    *out = lion_value_double((double)(bits >> 11) * 0x1p-53 * scale);
    return LION_OK;
}

const lion_function lion_functions_number[] = {
    { "=", 1, -1, false, is_equal },       { "==", 1, -1, false, is_equal },    { "not=", 1, -1, false, is_unequal },
    { "!=", 1, -1, false, is_unequal },    { "<", 1, -1, false, is_less },      { "<=", 1, -1, false, is_at_most },
    { ">", 1, -1, false, is_more },        { ">=", 1, -1, false, is_at_least }, { "compare", 2, 2, false, compare },
    { "+", 0, -1, false, add },            { "-", 1, -1, false, subtract },     { "*", 0, -1, false, multiply },
    { "/", 1, -1, false, divide },         { "quot", 2, 2, false, quotient },   { "rem", 2, 2, false, remainder_of },
    { "mod", 2, 2, false, modulo },        { "inc", 1, 1, false, increment },   { "dec", 1, 1, false, decrement },
    { "min", 1, -1, false, least },        { "max", 1, -1, false, greatest },   { "abs", 1, 1, false, absolute },
    { "zero?", 1, 1, false, is_zero },     { "pos?", 1, 1, false, is_positive }, { "neg?", 1, 1, false, is_negative },
    { "even?", 1, 1, false, is_even },     { "odd?", 1, 1, false, is_odd },     { "rand", 0, 1, false, random_number },
    { 0 },
};
