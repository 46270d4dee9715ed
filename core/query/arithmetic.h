/* arithmetic.h - arithmetic on columns, a batch at a time: +, -, *, /, quot, rem, mod, inc, dec, abs, min, max.
 * It answers what the built-ins of these names answer (functions_number.c) where all arguments are whole numbers or doubles and no
 * row fails. Where one does, nothing is said here: row by row it is found out which, and of what. */
#ifndef LION_QUERY_ARITHMETIC_H
#define LION_QUERY_ARITHMETIC_H

#include "query/run.h"

/* Room for a column, which grows with the batches. */
typedef struct lion_bits_room {
    int64_t *bits;
    uint32_t count;
} lion_bits_room;

typedef struct lion_operand {
    uint32_t slot;             /* of the batch; LION_SLOT_NONE: the constant */
    lion_value constant;
    lion_bits_room room;       /* for one value in all rows, or for whole numbers as doubles */
    int64_t filled;            /* what the room is filled with … */
    uint32_t filled_count;     /* … in so many rows */
} lion_operand;

typedef struct lion_arithmetic {
    const struct lion_operation *operation; /* NULL: it is none */
    lion_operand *operands;    /* folded from the left */
    uint32_t count;
    lion_bits_room folded[2];  /* by turns */
    lion_bits_room widened;    /* folded whole numbers as doubles */
    lion_arena *arena;
} lion_arithmetic;

/* The built-in's, if it is one. It lives in the arena. */
void lion_arithmetic_init(lion_arithmetic *self, lion_arena *arena, lion_slice name, const uint32_t *slots, const lion_value *constants,
                          uint32_t count);
/* The answers, in the places of the batch's live rows, until the next call; false: not of columns of these types, or a row fails. */
bool lion_arithmetic_compute(lion_arithmetic *self, lion_vector *out, const lion_batch *batch);

#endif
