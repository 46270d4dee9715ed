/* arithmetic.c - one loop for each operation and type, over all rows or over those that are selected; wider registers take the
 * former where they can. What they have of small whole numbers alone (products, quotients, doubles) is tried first.
 *
 * A row that fails does not stop its loop. It leaves a mark, and the column is worth nothing. */
#include "query/arithmetic.h"

#include <math.h>

#include "base/kernel.h"

/* ---- loops: out = a operation b, in the rows' places; negative: some row fails ---- */

typedef int64_t (*loop)(int64_t *restrict out, const int64_t *a, const int64_t *b, const uint16_t *rows, uint32_t count);

static inline double number_of(int64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}
static inline int64_t bits_of(double number)
{
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static inline int64_t as_it_is(int64_t bits)
{
    return bits;
}

#define LOOP(name, type, of_bits, to_bits, expression)                                                                  \
    LION_KERNEL static int64_t name(int64_t *restrict out, const int64_t *a, const int64_t *b, const uint16_t *rows, uint32_t count) \
    {                                                                                                                   \
        int64_t lost = 0;                                                                                               \
        for (uint32_t k = 0; k < count; k++) {                                                                          \
            uint32_t i = rows == NULL ? k : rows[k];                                                                    \
            type x = of_bits(a[i]), y = of_bits(b[i]);                                                                  \
            out[i] = to_bits(expression);                                                                               \
        }                                                                                                               \
        return lost;                                                                                                    \
    }
#define WHOLES(name, expression) LOOP(name, int64_t, as_it_is, as_it_is, expression)
#define NUMBERS(name, expression) LOOP(name, double, number_of, bits_of, expression)

static inline int64_t add(int64_t x, int64_t y, int64_t *lost)
{
    int64_t sum = (int64_t)((uint64_t)x + (uint64_t)y);
    *lost |= (x ^ sum) & (y ^ sum);
    return sum;
}
static inline int64_t subtract(int64_t x, int64_t y, int64_t *lost)
{
    int64_t rest = (int64_t)((uint64_t)x - (uint64_t)y);
    *lost |= (x ^ y) & (x ^ rest);
    return rest;
}
static inline int64_t multiply(int64_t x, int64_t y, int64_t *lost)
{
    int64_t product;
    *lost |= -(int64_t)__builtin_mul_overflow(x, y, &product);
    return product;
}
static inline int64_t magnitude(int64_t x, int64_t *lost)
{
    *lost |= -(int64_t)(x == INT64_MIN);
    return x < 0 ? (int64_t)-(uint64_t)x : x;
}

/* The processor takes neither zero, nor -1 for the smallest number. What -1 leaves is nothing, as of 1. */
static inline int64_t quotient(int64_t x, int64_t y, int64_t *lost)
{
    bool is_lost = y == 0 || (y == -1 && x == INT64_MIN);
    *lost |= -(int64_t)is_lost;
    return x / (is_lost ? 1 : y);
}
static inline int64_t left_over(int64_t x, int64_t y, int64_t *lost)
{
    *lost |= -(int64_t)(y == 0);
    return x % (y == 0 || y == -1 ? 1 : y);
}
static inline int64_t modulo(int64_t x, int64_t y, int64_t *lost)
{
    int64_t left = left_over(x, y, lost);
    return left != 0 && (left < 0) != (y < 0) ? left + y : left;
}

/* Of numbers from -SMALL to below SMALL doubles have the quotient exactly, as far as it is whole. */
#define SMALL (UINT64_C(1) << 30)

static inline int64_t small_quotient(int64_t x, int64_t y, int64_t *lost)
{
    uint64_t large = (((uint64_t)x + SMALL) | ((uint64_t)y + SMALL)) / (2 * SMALL);
    int64_t is_zero = y == 0;
    *lost |= -(int64_t)large | -is_zero;
    int32_t divisor = (int32_t)(y + is_zero);
    return (int32_t)((double)(int32_t)x / (double)divisor);
}
static inline int64_t small_left_over(int64_t x, int64_t y, int64_t *lost)
{
    return (int64_t)((uint64_t)x - (uint64_t)small_quotient(x, y, lost) * (uint64_t)y);
}
static inline int64_t small_modulo(int64_t x, int64_t y, int64_t *lost)
{
    int64_t left = small_left_over(x, y, lost), is_other_side = (left ^ y) >> 63, is_some = -(int64_t)(left != 0);
    return left + (y & is_other_side & is_some);
}

/* From -2^51 to below 2^51: 1.5 * 2^52 and such a number are a double whose last bits are the number's. */
static inline double small_as_double(int64_t x, int64_t *lost)
{
    *lost |= -(int64_t)(((uint64_t)x + (UINT64_C(1) << 51)) >> 52);
    return number_of((int64_t)((uint64_t)x + UINT64_C(0x4338000000000000))) - 0x1.8p52;
}

static inline double number_left(double x, double y, int64_t *lost)
{
    *lost |= -(int64_t)(y == 0);
    return fmod(x, y);
}
static inline double number_modulo(double x, double y, int64_t *lost)
{
    double left = number_left(x, y, lost);
    return left != 0 && (left < 0) != (y < 0) ? left + y : left;
}
static inline double number_quotient(double x, double y, int64_t *lost)
{
    *lost |= -(int64_t)(y == 0);
    return trunc(x / y);
}

WHOLES(whole_add, add(x, y, &lost))
WHOLES(whole_subtract, subtract(x, y, &lost))
WHOLES(quotient_of_small, small_quotient(x, y, &lost))
WHOLES(left_over_of_small, small_left_over(x, y, &lost))
WHOLES(modulo_of_small, small_modulo(x, y, &lost))
WHOLES(product_of_any, multiply(x, y, &lost))
WHOLES(quotient_of_any, quotient(x, y, &lost))
WHOLES(left_over_of_any, left_over(x, y, &lost))
WHOLES(modulo_of_any, modulo(x, y, &lost))
WHOLES(whole_least, y < x ? y : x)
WHOLES(whole_greatest, y > x ? y : x)
WHOLES(whole_magnitude, ((void)y, magnitude(x, &lost)))
/* A sum begins with 0, and is never -0. */
NUMBERS(double_add, x + y + 0.0)
NUMBERS(double_subtract, x - y)
NUMBERS(double_multiply, x * y)
NUMBERS(double_divide, x / y)
NUMBERS(double_quotient, number_quotient(x, y, &lost))
NUMBERS(double_left_over, number_left(x, y, &lost))
NUMBERS(double_modulo, number_modulo(x, y, &lost))
/* In the order of values NaN is above all others. */
NUMBERS(double_least, y < x || (isnan(x) && !isnan(y)) ? y : x)
NUMBERS(double_greatest, y > x || (isnan(y) && !isnan(x)) ? y : x)
NUMBERS(double_magnitude, ((void)y, fabs(x)))
WHOLES(double_of_small, ((void)y, bits_of(small_as_double(x, &lost))))
WHOLES(double_of_any, ((void)y, bits_of((double)x)))

/* ---- loops of small whole numbers, before those of any ---- */

/* The bits of a magnitude. */
static int width_of(uint64_t magnitude)
{
    return magnitude == 0 ? 0 : 64 - __builtin_clzll(magnitude);
}

/* What both sides need at most, of all rows together, says that each product fits. false: it may not. */
LION_KERNEL static bool multiply_narrow(int64_t *restrict out, const int64_t *a, const int64_t *b, const uint16_t *rows, uint32_t count)
{
    uint64_t all_a = 0, all_b = 0;
    for (uint32_t k = 0; k < count; k++) {
        uint32_t i = rows == NULL ? k : rows[k];
        out[i] = (int64_t)((uint64_t)a[i] * (uint64_t)b[i]);
        all_a |= (uint64_t)(a[i] ^ (a[i] >> 63)); /* of -8 as of 7 */
        all_b |= (uint64_t)(b[i] ^ (b[i] >> 63));
    }
    return width_of(all_a) + width_of(all_b) <= 62;
}

static int64_t whole_multiply(int64_t *restrict out, const int64_t *a, const int64_t *b, const uint16_t *rows, uint32_t count)
{
    return multiply_narrow(out, a, b, rows, count) ? 0 : product_of_any(out, a, b, rows, count);
}

#define OF_SMALL_FIRST(name, of_small, of_any)                                                                          \
    static int64_t name(int64_t *restrict out, const int64_t *a, const int64_t *b, const uint16_t *rows, uint32_t count) \
    {                                                                                                                   \
        return of_small(out, a, b, rows, count) >= 0 ? 0 : of_any(out, a, b, rows, count);                              \
    }
OF_SMALL_FIRST(whole_quotient, quotient_of_small, quotient_of_any)
OF_SMALL_FIRST(whole_left_over, left_over_of_small, left_over_of_any)
OF_SMALL_FIRST(whole_modulo, modulo_of_small, modulo_of_any)
OF_SMALL_FIRST(to_double, double_of_small, double_of_any)

/* ---- which function is what ---- */

#define NONE (-1)

struct lion_operation {
    const char *name;
    loop of_whole, of_doubles;
    int lead;                  /* what stands before a lone argument, or NONE … */
    int tail;                  /* … and behind it */
    bool keeps_type;           /* it answers one of its arguments */
};

static const struct lion_operation OPERATIONS[] = {
    { "+", whole_add, double_add, NONE, NONE, false },
    { "-", whole_subtract, double_subtract, 0, NONE, false },
    { "*", whole_multiply, double_multiply, NONE, NONE, false },
    { "/", whole_quotient, double_divide, 1, NONE, false },
    { "quot", whole_quotient, double_quotient, NONE, NONE, false },
    { "rem", whole_left_over, double_left_over, NONE, NONE, false },
    { "mod", whole_modulo, double_modulo, NONE, NONE, false },
    { "inc", whole_add, double_add, NONE, 1, false },
    { "dec", whole_subtract, double_subtract, NONE, 1, false },
    { "abs", whole_magnitude, double_magnitude, NONE, 0, false },
    { "min", whole_least, double_least, NONE, NONE, true },
    { "max", whole_greatest, double_greatest, NONE, NONE, true },
};

static void add_operand(lion_arithmetic *self, uint32_t slot, lion_value constant)
{
    self->operands[self->count++] = (lion_operand){ .slot = slot, .constant = constant };
}

void lion_arithmetic_init(lion_arithmetic *self, lion_arena *arena, lion_slice name, const uint32_t *slots, const lion_value *constants,
                          uint32_t count)
{
    const struct lion_operation *operation = NULL;
    *self = (lion_arithmetic){ .arena = arena };
    for (size_t i = 0; i < sizeof(OPERATIONS) / sizeof(OPERATIONS[0]); i++)
        if (lion_slice_equal(name, lion_slice_text(OPERATIONS[i].name))) operation = &OPERATIONS[i];
    if (operation == NULL) return;
    self->operands = lion_arena_array(arena, lion_operand, count + 2);
    if (self->operands == NULL) return;
    if (count == 1 && operation->lead != NONE) add_operand(self, LION_SLOT_NONE, lion_value_long(operation->lead));
    for (uint32_t i = 0; i < count; i++) add_operand(self, slots[i], constants[i]);
    if (operation->tail != NONE) add_operand(self, LION_SLOT_NONE, lion_value_long(operation->tail));
    if (self->count >= 2) self->operation = operation;
}

/* ---- a batch ---- */

static int64_t *room_for(lion_arithmetic *self, lion_bits_room *room, uint32_t count)
{
    uint32_t wanted = LION_ROOM_ROWS_MIN;
    if (room->count >= count) return room->bits;
    while (wanted < count) wanted = lion_room_after(wanted);
    room->bits = lion_arena_array(self->arena, int64_t, wanted);
    room->count = room->bits == NULL ? 0 : wanted;
    return room->bits;
}

/* The one value that the operand has in all rows of the batch; NULL: it has others. */
static const lion_value *single_value(const lion_operand *operand, const lion_batch *batch, lion_value *room)
{
    if (operand->slot == LION_SLOT_NONE) return &operand->constant;
    if (!batch->columns[operand->slot].is_constant) return NULL;
    *room = lion_batch_get(batch, operand->slot, 0);
    return room;
}

static uint8_t type_of(const lion_operand *operand, const lion_batch *batch)
{
    lion_value room;
    const lion_value *value = single_value(operand, batch, &room);
    return value != NULL ? value->type : batch->columns[operand->slot].type;
}

static bool is_whole(uint8_t type)
{
    return type == LION_TYPE_LONG || type == LION_TYPE_INSTANT || type == LION_TYPE_REF;
}

static const int64_t *filled(lion_arithmetic *self, lion_operand *operand, int64_t bits, uint32_t count)
{
    const int64_t *before = operand->room.bits;
    int64_t *room = room_for(self, &operand->room, count);
    bool is_filled = room == before && operand->filled == bits && operand->filled_count >= count;
    for (uint32_t i = 0; room != NULL && !is_filled && i < count; i++) room[i] = bits;
    operand->filled = bits;
    if (!is_filled) operand->filled_count = count;
    return room;
}

static const int64_t *widened(lion_arithmetic *self, lion_bits_room *room, const int64_t *bits, const lion_batch *batch)
{
    int64_t *out = room_for(self, room, batch->count);
    if (out != NULL) to_double(out, bits, bits, batch->selection, lion_batch_rows(batch));
    return out;
}

/* The operand's column; NULL: there is no memory. */
static const int64_t *column_of(lion_arithmetic *self, lion_operand *operand, const lion_batch *batch, bool as_double)
{
    lion_value room;
    const lion_value *value = single_value(operand, batch, &room);
    bool widens = as_double && type_of(operand, batch) != LION_TYPE_DOUBLE;
    if (value != NULL) return filled(self, operand, widens ? bits_of((double)value->bits) : value->bits, batch->count);
    const int64_t *bits = batch->columns[operand->slot].bits;
    operand->filled_count = 0;
    return widens ? widened(self, &operand->room, bits, batch) : bits;
}

bool lion_arithmetic_compute(lion_arithmetic *self, lion_vector *out, const lion_batch *batch)
{
    const struct lion_operation *operation = self->operation;
    if (operation == NULL) return false;
    uint8_t type = type_of(&self->operands[0], batch);
    const int64_t *folded = NULL;
    if (type != LION_TYPE_DOUBLE && !is_whole(type)) return false;
    for (uint32_t i = 1; i < self->count; i++) {
        uint8_t next_type = type_of(&self->operands[i], batch);
        if (next_type != LION_TYPE_DOUBLE && !is_whole(next_type)) return false;
        if (operation->keeps_type && next_type != type) return false;
        bool is_double = type == LION_TYPE_DOUBLE || next_type == LION_TYPE_DOUBLE;
        if (i == 1) folded = column_of(self, &self->operands[0], batch, is_double);
        else if (is_double && type != LION_TYPE_DOUBLE) folded = widened(self, &self->widened, folded, batch);
        const int64_t *next = column_of(self, &self->operands[i], batch, is_double);
        int64_t *room = room_for(self, &self->folded[i % 2], batch->count);
        if (folded == NULL || next == NULL || room == NULL) return false;
        loop step = is_double ? operation->of_doubles : operation->of_whole;
        if (step(room, folded, next, batch->selection, lion_batch_rows(batch)) < 0) return false;
        folded = room;
        if (!operation->keeps_type) type = is_double ? LION_TYPE_DOUBLE : LION_TYPE_LONG;
    }
    *out = (lion_vector){ .type = type, .bits = self->folded[(self->count - 1) % 2].bits };
    return true;
}
