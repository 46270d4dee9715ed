/* column_code.c - one loop for each operation, compiled for AVX2 too. Numbers are doubles, as they
 * are in Lua; nothing here is fused or reordered, so that the last bit is the same. */
#include "column_code.h"

#include <math.h>

#include "base/kernel.h"

typedef double number_column[LION_BIND_CODE_ROWS];
typedef uint8_t mask_column[LION_BIND_CODE_ROWS];

#define NUMBERS(name, expression)                                                                  \
    LION_KERNEL static void name(double *restrict out, const double *a, const double *b,           \
                                 uint32_t rows)                                                    \
    {                                                                                              \
        for (uint32_t i = 0; i < rows; i++) out[i] = expression;                                   \
    }
#define MASKS(name, type, expression)                                                              \
    LION_KERNEL static void name(uint8_t *restrict out, const type *a, const type *b,              \
                                 uint32_t rows)                                                    \
    {                                                                                              \
        for (uint32_t i = 0; i < rows; i++) out[i] = expression;                                   \
    }

NUMBERS(add, a[i] + b[i])
NUMBERS(subtract, a[i] - b[i])
NUMBERS(multiply, a[i] * b[i])
NUMBERS(divide, a[i] / b[i])
NUMBERS(modulo, a[i] - floor(a[i] / b[i]) * b[i])
MASKS(less, double, a[i] < b[i])
MASKS(at_most, double, a[i] <= b[i])
MASKS(equal, double, a[i] == b[i])
MASKS(and_mask, uint8_t, a[i] & b[i])
MASKS(and_not, uint8_t, a[i] & (b[i] ^ 1))
MASKS(or_mask, uint8_t, a[i] | b[i])

static void negate(double *out, const double *a, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) out[i] = -a[i];
}

static void take(double *out, const uint8_t *mask, const double *a, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) out[i] = mask[i] != 0 ? a[i] : out[i];
}

static void invert(uint8_t *out, const uint8_t *a, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) out[i] = a[i] ^ 1;
}

bool lion_bind_code_check(const uint8_t *code, uint32_t size)
{
    if (size % 4 != 0) return false;
    for (uint32_t i = 0; i < size; i += 4) {
        if (code[i] < LION_BIND_ADD || code[i] > LION_BIND_OR) return false;
        for (uint32_t k = 1; k < 4; k++)
            if (code[i + k] >= LION_BIND_REGISTERS) return false;
    }
    return true;
}

static void run_one(const uint8_t *at, lion_bind_registers *registers, uint32_t rows)
{
    number_column *numbers = registers->numbers;
    mask_column *masks = registers->masks;
    uint8_t out = at[1], a = at[2], b = at[3];
    switch ((lion_bind_operation)at[0]) {
    case LION_BIND_ADD: add(numbers[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_SUBTRACT: subtract(numbers[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_MULTIPLY: multiply(numbers[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_DIVIDE: divide(numbers[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_MODULO: modulo(numbers[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_NEGATE: negate(numbers[out], numbers[a], rows); break;
    case LION_BIND_TAKE: take(numbers[out], masks[a], numbers[b], rows); break;
    case LION_BIND_LESS: less(masks[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_AT_MOST: at_most(masks[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_EQUAL: equal(masks[out], numbers[a], numbers[b], rows); break;
    case LION_BIND_AND: and_mask(masks[out], masks[a], masks[b], rows); break;
    case LION_BIND_AND_NOT: and_not(masks[out], masks[a], masks[b], rows); break;
    case LION_BIND_NOT: invert(masks[out], masks[a], rows); break;
    case LION_BIND_OR: or_mask(masks[out], masks[a], masks[b], rows); break;
    }
}

void lion_bind_code_run(const uint8_t *code, uint32_t size, lion_bind_registers *registers,
                        uint32_t rows)
{
    for (uint32_t i = 0; i < size; i += 4) run_one(code + i, registers, rows);
}
