/* column_code.c - one loop for each operation, compiled for AVX2 too, over so few rows at once that
 * all of them stay in the processor's nearest cache. Numbers are doubles, as they are in Lua;
 * nothing here is fused or reordered, so that the last bit is the same. */
#include "column_code.h"

#include <math.h>
#include <string.h>

#include "base/kernel.h"
#include "bind.h"

#define BLOCK_ROWS 256

typedef struct registers {
    double numbers[LION_BIND_REGISTERS][BLOCK_ROWS];
    uint8_t masks[LION_BIND_REGISTERS][BLOCK_ROWS];
    const double *number_at[LION_BIND_REGISTERS]; /* in the register, or where a column has them */
    uint8_t *mask_at[LION_BIND_REGISTERS];        /* in the register, or where the verdict is */
} registers;

/* ---- operations ---- */

#define NUMBERS(name, expression)                                                                  \
    LION_KERNEL_NUMBERS static void name(double *restrict out, const double *a, const double *b,   \
                                         uint32_t rows)                                            \
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
NUMBERS(negate, ((void)b, -a[i]))
MASKS(less, double, a[i] < b[i])
MASKS(at_most, double, a[i] <= b[i])
MASKS(equal, double, a[i] == b[i])
MASKS(and_mask, uint8_t, a[i] & b[i])
MASKS(and_not, uint8_t, a[i] & (b[i] ^ 1))
MASKS(or_mask, uint8_t, a[i] | b[i])
MASKS(invert, uint8_t, ((void)b, a[i] ^ 1))

LION_KERNEL static void take(double *restrict out, const uint8_t *mask, const double *a,
                             uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) out[i] = mask[i] != 0 ? a[i] : out[i];
}

static void run_one(const uint8_t *at, registers *of, uint32_t rows)
{
    double *number = of->numbers[at[1]];
    uint8_t *mask = of->mask_at[at[1]];
    const double *a = of->number_at[at[2]], *b = of->number_at[at[3]];
    const uint8_t *mask_a = of->mask_at[at[2]], *mask_b = of->mask_at[at[3]];
    switch ((lion_bind_operation)at[0]) {
    case LION_BIND_ADD: add(number, a, b, rows); break;
    case LION_BIND_SUBTRACT: subtract(number, a, b, rows); break;
    case LION_BIND_MULTIPLY: multiply(number, a, b, rows); break;
    case LION_BIND_DIVIDE: divide(number, a, b, rows); break;
    case LION_BIND_MODULO: modulo(number, a, b, rows); break;
    case LION_BIND_NEGATE: negate(number, a, b, rows); break;
    case LION_BIND_TAKE: take(number, mask_a, b, rows); break;
    case LION_BIND_LESS: less(mask, a, b, rows); break;
    case LION_BIND_AT_MOST: at_most(mask, a, b, rows); break;
    case LION_BIND_EQUAL: equal(mask, a, b, rows); break;
    case LION_BIND_AND: and_mask(mask, mask_a, mask_b, rows); break;
    case LION_BIND_AND_NOT: and_not(mask, mask_a, mask_b, rows); break;
    case LION_BIND_NOT: invert(mask, mask_a, mask_b, rows); break;
    case LION_BIND_OR: or_mask(mask, mask_a, mask_b, rows); break;
    }
}

bool lion_bind_code_check(const lion_bind_code *code)
{
    bool is_well = code->size % 4 == 0 && code->result < LION_BIND_REGISTERS &&
                   code->argument_count + code->constant_count <= LION_BIND_REGISTERS;
    for (uint32_t i = 0; is_well && i < code->size; i += 4) {
        const uint8_t *at = code->instructions + i;
        is_well = at[0] >= LION_BIND_ADD && at[0] <= LION_BIND_OR && at[1] < LION_BIND_REGISTERS &&
                  at[2] < LION_BIND_REGISTERS && at[3] < LION_BIND_REGISTERS;
    }
    return is_well;
}

/* ---- columns ---- */

static inline double number_of(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Whole numbers as doubles. AVX2 has no instruction for that: either half of the bits becomes the
 * lower bits of a double, 2^52 + the one and 2^84 + 2^63 + 2^32 * the other; only the last addition
 * rounds. */
LION_KERNEL static void widen(double *restrict out, const int64_t *bits, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t whole = (uint64_t)bits[i];
        uint64_t low = (whole & UINT32_MAX) | UINT64_C(0x4330000000000000);
        uint64_t high = (whole >> 32 ^ UINT64_C(0x80000000)) | UINT64_C(0x4530000000000000);
        out[i] = (number_of(high) - (0x1p84 + 0x1p63 + 0x1p52)) + number_of(low);
    }
}

/* Whether all are from -2^53 up to but not 2^53. */
LION_KERNEL static bool are_exact(const int64_t *bits, uint32_t rows)
{
    uint64_t all = 0;
    for (uint32_t i = 0; i < rows; i++) all |= (uint64_t)bits[i] + LION_BIND_NUMBER_MAX;
    return all < 2 * (uint64_t)LION_BIND_NUMBER_MAX;
}

/* Instants and references are numbers in Lua wherever they are. */
static bool is_numbers(const lion_vector *column, uint32_t rows)
{
    lion_value one = column->is_constant ? lion_vector_get(column, 0) : lion_value_nil();
    switch (column->is_constant ? one.type : column->type) {
    case LION_TYPE_LONG:
        return column->is_constant ? are_exact(&one.bits, 1) : are_exact(column->bits, rows);
    case LION_TYPE_DOUBLE:
    case LION_TYPE_INSTANT:
    case LION_TYPE_REF: return true;
    default: return false;
    }
}

bool lion_bind_code_can(const lion_bind_code *code, const lion_call *wanted)
{
    bool can = wanted->argument_count == code->argument_count &&
               (code->kind == 'v' ? wanted->verdict != NULL : wanted->results != NULL);
    for (uint32_t i = 0; can && i < wanted->argument_count; i++)
        can = is_numbers(&wanted->arguments[i], wanted->count);
    return can;
}

static void fill(double *out, double number)
{
    for (uint32_t i = 0; i < BLOCK_ROWS; i++) out[i] = number;
}

/* What is the same in all blocks. */
static void prepare(registers *of, const lion_bind_code *code, const lion_call *wanted)
{
    for (uint32_t i = 0; i < LION_BIND_REGISTERS; i++) {
        of->number_at[i] = of->numbers[i];
        of->mask_at[i] = of->masks[i];
    }
    if (code->kind == 'n') fill(of->numbers[code->result], 0); /* what is taken row by row */
    for (uint32_t i = 0; i < code->argument_count; i++) {
        if (!wanted->arguments[i].is_constant) continue;
        lion_value one = lion_vector_get(&wanted->arguments[i], 0);
        fill(of->numbers[i], one.type == LION_TYPE_DOUBLE ? one.number : (double)one.bits);
    }
    for (uint32_t i = 0; i < code->constant_count; i++)
        fill(of->numbers[code->argument_count + i], code->constants[i]);
}

/* Doubles are read where they lie. */
static void load(registers *of, const lion_call *wanted, uint32_t from, uint32_t rows)
{
    for (uint32_t i = 0; i < wanted->argument_count; i++) {
        const lion_vector *column = &wanted->arguments[i];
        if (column->is_constant) continue;
        if (column->type == LION_TYPE_DOUBLE)
            of->number_at[i] = (const double *)column->bits + from;
        else
            widen(of->numbers[i], column->bits + from, rows);
    }
}

/* ---- results ---- */

static bool is_long(double number)
{
    bool is_whole = number >= -(double)LION_BIND_NUMBER_MAX &&
                    number <= (double)LION_BIND_NUMBER_MAX && (double)(int64_t)number == number;
    return is_whole && (number != 0 || !signbit(number));
}

/* Numbers as the binding reads them: whole ones are longs, but for -0. */
static void write_numbers(lion_form *results, const double *numbers, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++)
        results[i].value = is_long(numbers[i]) ? lion_value_long((int64_t)numbers[i])
                                               : lion_value_double(numbers[i]);
}

static void write_booleans(lion_form *results, const uint8_t *mask, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) results[i].value = lion_value_boolean(mask[i] != 0);
}

void lion_bind_code_run(const lion_bind_code *code, const lion_call *wanted)
{
    registers of;
    prepare(&of, code, wanted);
    for (uint32_t from = 0; from < wanted->count; from += BLOCK_ROWS) {
        uint32_t rows = wanted->count - from < BLOCK_ROWS ? wanted->count - from : BLOCK_ROWS;
        if (code->kind == 'v') of.mask_at[code->result] = wanted->verdict + from;
        load(&of, wanted, from, rows);
        for (uint32_t i = 0; i < code->size; i += 4) run_one(code->instructions + i, &of, rows);
        if (code->kind == 'n')
            write_numbers(wanted->results + from, of.number_at[code->result], rows);
        if (code->kind == 'b')
            write_booleans(wanted->results + from, of.mask_at[code->result], rows);
    }
}
