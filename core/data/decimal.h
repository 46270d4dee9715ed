/* decimal.h - exact decimal numbers as bytes whose memcmp order is that of the numbers.
 *
 *   offset  size  content
 *   0       1     sign: 1 negative, 2 zero, 3 positive
 *   1       2     not for zero: e + 32768, big-endian, where the number is 0.d1d2… * 10^e, d1 > 0
 *   3       n     not for zero: the digits without zeros at the end, two a byte (their number + 1),
 *                 ended by a byte 0
 *   last    2     scale: digits behind the point, zeros at the end among them, big-endian
 *
 * In a negative number the bytes between sign and scale are complemented. Numbers that differ in
 * scale alone (1.5 and 1.50) lie side by side and are not equal, as with Datomic. */
#ifndef LION_DATA_DECIMAL_H
#define LION_DATA_DECIMAL_H

#include "base/buffer.h"
#include "data/value.h"

#define LION_DECIMAL_DIGITS_MAX 1024 /* of the number; and behind the point */

/* [+-]digits[.digits][e[+-]digits] as a value of type DECIMAL, in the arena. LION_ABSENT: it is
 * none, or longer. */
lion_status lion_decimal_parse(lion_value *value_out, lion_slice text, lion_arena *arena);

/* a + b, a - b and a * b, exact, as values in the arena; the scale is the larger of the two, and
 * their sum in a product. LION_ABSENT: the result has more digits than a decimal. */
lion_status lion_decimal_add(lion_value *value_out, lion_slice a, lion_slice b, lion_arena *arena);
lion_status lion_decimal_subtract(lion_value *value_out, lion_slice a, lion_slice b,
                                  lion_arena *arena);
lion_status lion_decimal_multiply(lion_value *value_out, lion_slice a, lion_slice b,
                                  lion_arena *arena);

/* a / b, exact, b not zero. is_whole: cut to a whole number, of scale 0; else the scale is a's less
 * b's, or as many digits as it takes. LION_ABSENT: the quotient has no end (1 / 3), or more digits
 * than a decimal. */
lion_status lion_decimal_divide(lion_value *value_out, lion_slice a, lion_slice b, bool is_whole,
                                lion_arena *arena);

/* By the numbers alone: 1.5 and 1.50 are one. */
int lion_decimal_compare(lion_slice a, lion_slice b);

/* -1, 0 or 1. */
int lion_decimal_sign(lion_slice a);

/* The number's text, without exponent; "malformed" for bytes that are none. */
void lion_decimal_print(lion_buffer *buffer, lion_slice bytes);

#endif
