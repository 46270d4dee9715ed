/* decimal.c - decimals between their text and their bytes. */
#include "data/decimal.h"

#include <string.h>

#include "base/assert.h"

#define NEGATIVE 1
#define ZERO 2
#define POSITIVE 3
#define EXPONENT_BIAS 32768
#define BYTES_MAX (1 + 2 + LION_DECIMAL_DIGITS_MAX / 2 + 1 + 2)

/* A number on its way: digits[0..count) stand for 0.d1d2… * 10^exponent; no zero at either end. */
typedef struct decimal {
    bool is_negative;
    uint8_t digits[LION_DECIMAL_DIGITS_MAX];
    int count;
    int exponent;
    int scale;
} decimal;

/* -- From text -------------------------------------------------------------------------------- */

static bool is_digit(lion_slice text, size_t at)
{
    return at < text.size && text.data[at] >= '0' && text.data[at] <= '9';
}

/* e[+-]digits at the end of the text. */
static bool read_exponent(int *exponent_out, lion_slice text, size_t at)
{
    *exponent_out = 0;
    if (at == text.size) return true;
    if (text.data[at] != 'e' && text.data[at] != 'E') return false;
    at++;
    bool is_negative = at < text.size && text.data[at] == '-';
    if (is_negative || (at < text.size && text.data[at] == '+')) at++;
    if (!is_digit(text, at)) return false;
    int exponent = 0;
    for (; is_digit(text, at) && exponent <= LION_DECIMAL_DIGITS_MAX; at++)
        exponent = exponent * 10 + (text.data[at] - '0');
    *exponent_out = is_negative ? -exponent : exponent;
    return at == text.size && exponent <= LION_DECIMAL_DIGITS_MAX;
}

/* The digits before and behind the point, zeros in front left out; returns where they end. */
static size_t read_digits(decimal *number, lion_slice text, size_t at, int *seen_out)
{
    bool is_behind = false;
    for (; is_digit(text, at) || (!is_behind && at < text.size && text.data[at] == '.'); at++) {
        if (text.data[at] == '.') {
            is_behind = true;
            continue;
        }
        (*seen_out)++;
        number->scale += is_behind;
        if (number->count == 0 && text.data[at] == '0') continue;
        if (number->count < LION_DECIMAL_DIGITS_MAX)
            number->digits[number->count] = (uint8_t)(text.data[at] - '0');
        number->count++;
    }
    return at;
}

static bool read_decimal(decimal *number, lion_slice text)
{
    *number = (decimal){ .is_negative = text.size > 0 && text.data[0] == '-' };
    size_t at = text.size > 0 && (text.data[0] == '-' || text.data[0] == '+') ? 1 : 0;
    int seen = 0, exponent = 0;
    at = read_digits(number, text, at, &seen);
    if (seen == 0 || !read_exponent(&exponent, text, at)) return false;
    number->exponent = number->count - number->scale + exponent;
    number->scale -= exponent;
    int zeros = number->scale < 0 ? -number->scale : 0; /* 1e3 is written 1000 */
    if (number->scale < 0) number->scale = 0;
    if (number->count + zeros > LION_DECIMAL_DIGITS_MAX) return false;
    if (number->scale > LION_DECIMAL_DIGITS_MAX) return false;
    while (number->count > 0 && number->digits[number->count - 1] == 0) number->count--;
    return true;
}

static size_t put_u16(uint8_t *out, unsigned x)
{
    out[0] = (uint8_t)(x >> 8);
    out[1] = (uint8_t)x;
    return 2;
}

static size_t write_decimal(uint8_t out[BYTES_MAX], const decimal *number)
{
    size_t size = 1;
    out[0] = number->count == 0 ? ZERO : number->is_negative ? NEGATIVE : POSITIVE;
    if (number->count > 0) {
        size += put_u16(out + size, (unsigned)(number->exponent + EXPONENT_BIAS));
        for (int i = 0; i < number->count; i += 2) {
            int low = i + 1 < number->count ? number->digits[i + 1] : 0;
            out[size++] = (uint8_t)(number->digits[i] * 10 + low + 1);
        }
        out[size++] = 0;
    }
    for (size_t i = 1; out[0] == NEGATIVE && i < size; i++) out[i] = (uint8_t)~out[i];
    size += put_u16(out + size, (unsigned)number->scale);
    LION_ASSERT(size <= BYTES_MAX);
    return size;
}

lion_status lion_decimal_parse(lion_value *value_out, lion_slice text, lion_arena *arena)
{
    decimal number;
    uint8_t bytes[BYTES_MAX];
    if (!read_decimal(&number, text)) return LION_ABSENT;
    lion_slice written = lion_slice_of(bytes, write_decimal(bytes, &number));
    *value_out = lion_value_bytes(LION_TYPE_DECIMAL, lion_arena_copy(arena, written));
    return LION_OK;
}

int lion_decimal_compare(lion_slice a, lion_slice b)
{
    lion_slice x = lion_slice_of(a.data, a.size < 2 ? 0 : a.size - 2);
    lion_slice y = lion_slice_of(b.data, b.size < 2 ? 0 : b.size - 2);
    return lion_slice_compare(x, y);
}

int lion_decimal_sign(lion_slice a)
{
    uint8_t sign = a.size == 0 ? ZERO : a.data[0];
    return (sign == POSITIVE) - (sign == NEGATIVE);
}

/* -- To text ---------------------------------------------------------------------------------- */

static int get_u16(const uint8_t *data)
{
    return data[0] << 8 | data[1];
}

/* Digits between the exponent and the scale; false: not as write_decimal writes them. */
static bool unpack_digits(decimal *number, lion_slice bytes, uint8_t mask)
{
    if (bytes.size < 4 || bytes.size > BYTES_MAX) return false;
    size_t end = bytes.size - 3; /* the zero byte, and the scale behind it */
    if (end > LION_DECIMAL_DIGITS_MAX / 2 || (bytes.data[end] ^ mask) != 0) return false;
    for (size_t i = 0; i < end; i++) {
        int pair = (bytes.data[i] ^ mask) - 1;
        if (pair < 0 || pair > 99) return false;
        number->digits[number->count++] = (uint8_t)(pair / 10);
        number->digits[number->count++] = (uint8_t)(pair % 10);
    }
    if (number->count > 0 && number->digits[number->count - 1] == 0) number->count--;
    return true;
}

static bool unpack(decimal *number, lion_slice bytes)
{
    *number = (decimal){ 0 };
    if (bytes.size < 3) return false;
    uint8_t sign = bytes.data[0];
    number->scale = get_u16(bytes.data + bytes.size - 2);
    if (number->scale > LION_DECIMAL_DIGITS_MAX) return false;
    if (sign == ZERO) return bytes.size == 3;
    if ((sign != NEGATIVE && sign != POSITIVE) || bytes.size < 6) return false;
    uint8_t mask = sign == NEGATIVE ? 0xff : 0;
    number->is_negative = sign == NEGATIVE;
    number->exponent = ((bytes.data[1] ^ mask) << 8 | (bytes.data[2] ^ mask)) - EXPONENT_BIAS;
    bool is_near =
        number->exponent >= -LION_DECIMAL_DIGITS_MAX && number->exponent <= LION_DECIMAL_DIGITS_MAX;
    return is_near && unpack_digits(number, lion_slice_of(bytes.data + 3, bytes.size - 3), mask);
}

/* The digit at a place: 0 the first before which 0. stands, negative those that lie left of it. */
static uint8_t digit_at(const decimal *number, int place)
{
    int i = place + number->exponent;
    return (uint8_t)('0' + (i >= 0 && i < number->count ? number->digits[i] : 0));
}

void lion_decimal_print(lion_buffer *buffer, lion_slice bytes)
{
    decimal number;
    if (!unpack(&number, bytes)) {
        lion_buffer_put(buffer, "malformed", 9);
        return;
    }
    if (number.is_negative) lion_buffer_put_u8(buffer, '-');
    int whole = number.count > 0 && number.exponent > 0 ? number.exponent : 1;
    for (int place = -whole; place < 0; place++)
        lion_buffer_put_u8(buffer, digit_at(&number, place));
    if (number.scale > 0) lion_buffer_put_u8(buffer, '.');
    for (int place = 0; place < number.scale; place++)
        lion_buffer_put_u8(buffer, digit_at(&number, place));
}

/* -- Arithmetic ------------------------------------------------------------------------------- */

#define WHOLE_DIGITS_MAX (2 * LION_DECIMAL_DIGITS_MAX + 2)

/* The whole number whose digits those of a decimal are, lowest first, and where its point stood. */
typedef struct whole {
    bool is_negative;
    int scale;
    int count;
    uint8_t digits[WHOLE_DIGITS_MAX];
} whole;

static bool whole_of(whole *out, lion_slice bytes)
{
    decimal number;
    if (!unpack(&number, bytes)) return false;
    *out = (whole){ .is_negative = number.is_negative, .scale = number.scale };
    int count = number.exponent + number.scale;
    if (count < number.count || count > LION_DECIMAL_DIGITS_MAX * 2) return false;
    for (int i = 0; i < number.count; i++) out->digits[count - 1 - i] = number.digits[i];
    out->count = count;
    return true;
}

/* The same number with more zeros at its end. */
static void rescale(whole *x, int scale)
{
    int more = scale - x->scale;
    LION_ASSERT(more >= 0);
    LION_ASSERT(x->count + more <= WHOLE_DIGITS_MAX); /* neither side of the point has more */
    memmove(x->digits + more, x->digits, (size_t)x->count);
    memset(x->digits, 0, (size_t)more);
    x->count += more;
    x->scale = scale;
}

static int compare_magnitudes(const whole *a, const whole *b)
{
    for (int i = WHOLE_DIGITS_MAX - 1; i >= 0; i--)
        if (a->digits[i] != b->digits[i]) return a->digits[i] < b->digits[i] ? -1 : 1;
    return 0;
}

/* a + b, or a - b where a is not the smaller; both of one scale. */
static void combine(whole *out, const whole *a, const whole *b, int sign)
{
    int carry = 0;
    for (int i = 0; i < WHOLE_DIGITS_MAX; i++) {
        int digit = a->digits[i] + sign * b->digits[i] + carry;
        carry = digit < 0 ? -1 : digit > 9 ? 1 : 0;
        out->digits[i] = (uint8_t)(digit - 10 * carry);
    }
    out->count = WHOLE_DIGITS_MAX;
}

static lion_status value_of_whole(lion_value *value_out, const whole *x, lion_arena *arena)
{
    uint8_t text[WHOLE_DIGITS_MAX + 4];
    size_t size = 0;
    int count = x->count;
    while (count > 0 && x->digits[count - 1] == 0) count--;
    if (x->is_negative) text[size++] = '-';
    if (count <= x->scale) text[size++] = '0';
    for (int i = (count > x->scale ? count : x->scale) - 1; i >= 0; i--) {
        if (i == x->scale - 1) text[size++] = '.';
        if (size >= sizeof text) return LION_ABSENT;
        text[size++] = (uint8_t)('0' + (i < count ? x->digits[i] : 0));
    }
    return lion_decimal_parse(value_out, lion_slice_of(text, size), arena);
}

static lion_status add_signed(lion_value *value_out, lion_slice a, lion_slice b, bool is_minus,
                              lion_arena *arena)
{
    whole x, y, sum;
    if (!whole_of(&x, a) || !whole_of(&y, b)) return LION_ABSENT;
    y.is_negative = y.is_negative != is_minus;
    int scale = x.scale > y.scale ? x.scale : y.scale;
    rescale(&x, scale);
    rescale(&y, scale);
    bool is_sum = x.is_negative == y.is_negative;
    bool is_swapped = !is_sum && compare_magnitudes(&x, &y) < 0;
    sum = (whole){ .scale = scale, .is_negative = is_swapped ? y.is_negative : x.is_negative };
    combine(&sum, is_swapped ? &y : &x, is_swapped ? &x : &y, is_sum ? 1 : -1);
    return value_of_whole(value_out, &sum, arena);
}

lion_status lion_decimal_add(lion_value *value_out, lion_slice a, lion_slice b, lion_arena *arena)
{
    return add_signed(value_out, a, b, false, arena);
}

lion_status lion_decimal_subtract(lion_value *value_out, lion_slice a, lion_slice b,
                                  lion_arena *arena)
{
    return add_signed(value_out, a, b, true, arena);
}

lion_status lion_decimal_multiply(lion_value *value_out, lion_slice a, lion_slice b,
                                  lion_arena *arena)
{
    whole x, y;
    if (!whole_of(&x, a) || !whole_of(&y, b)) return LION_ABSENT;
    if (x.count + y.count > WHOLE_DIGITS_MAX || x.scale + y.scale > LION_DECIMAL_DIGITS_MAX)
        return LION_ABSENT;
    whole product = { .scale = x.scale + y.scale, .is_negative = x.is_negative != y.is_negative };
    product.count = x.count + y.count;
    for (int i = 0; i < x.count; i++) {
        int carry = 0;
        for (int k = 0; k < y.count; k++) {
            int digit = product.digits[i + k] + x.digits[i] * y.digits[k] + carry;
            product.digits[i + k] = (uint8_t)(digit % 10);
            carry = digit / 10;
        }
        product.digits[i + y.count] = (uint8_t)carry; /* no row before reached this digit */
    }
    return value_of_whole(value_out, &product, arena);
}

/* One more digit behind the remainder; the digit of the quotient that it makes. */
static uint8_t next_digit(whole *remainder, const whole *divisor, uint8_t digit)
{
    memmove(remainder->digits + 1, remainder->digits, WHOLE_DIGITS_MAX - 1);
    remainder->digits[0] = digit;
    uint8_t times = 0;
    for (; compare_magnitudes(remainder, divisor) >= 0; times++)
        combine(remainder, remainder, divisor, -1);
    return times;
}

static bool is_nothing(const whole *x)
{
    for (int i = 0; i < WHOLE_DIGITS_MAX; i++)
        if (x->digits[i] != 0) return false;
    return true;
}

lion_status lion_decimal_divide(lion_value *value_out, lion_slice a, lion_slice b, bool is_whole,
                                lion_arena *arena)
{
    whole x, y, remainder = { 0 };
    if (!whole_of(&x, a) || !whole_of(&y, b) || is_nothing(&y)) return LION_ABSENT;
    bool is_negative = x.is_negative != y.is_negative;
    int scale = is_whole || x.scale < y.scale ? 0 : x.scale - y.scale; /* at least */
    if (is_whole && x.scale > y.scale) rescale(&y, x.scale);
    if (x.scale < y.scale + scale) rescale(&x, y.scale + scale);
    whole quotient = { .scale = scale, .count = x.count, .is_negative = is_negative };
    for (int i = x.count - 1; i >= 0; i--)
        quotient.digits[i] = next_digit(&remainder, &y, x.digits[i]);
    while (!is_whole && !is_nothing(&remainder)) {
        if (quotient.count == WHOLE_DIGITS_MAX || quotient.scale == LION_DECIMAL_DIGITS_MAX)
            return LION_ABSENT;
        rescale(&quotient, quotient.scale + 1);
        quotient.digits[0] = next_digit(&remainder, &y, 0);
    }
    return value_of_whole(value_out, &quotient, arena);
}
