/* comparison.h - comparisons of two columns, or of a column with a constant, a batch at a time: <, <=, =, >=, >, not=.
 * They say what the built-ins of these names say (functions_number.c), where both sides have one scalar type. */
#ifndef LION_QUERY_COMPARISON_H
#define LION_QUERY_COMPARISON_H

#include "query/run.h"

typedef enum lion_comparison_kind {
    LION_COMPARE_NONE, /* not such a comparison */
    LION_COMPARE_LESS,
    LION_COMPARE_AT_MOST,
    LION_COMPARE_EQUAL,
    LION_COMPARE_AT_LEAST,
    LION_COMPARE_MORE,
    LION_COMPARE_UNEQUAL,
} lion_comparison_kind;

typedef struct lion_comparison {
    uint8_t kind;
    uint32_t slots[2];     /* LION_SLOT_NONE: the constant */
    lion_value constants[2];
} lion_comparison;

/* The built-in's, if it is one. */
lion_comparison lion_comparison_of(lion_slice name, const uint32_t slots[2], const lion_value constants[2]);
/* Rows of the batch for which it holds; false: not for columns of these types, nothing was done. */
bool lion_comparison_select(const lion_comparison *comparison, const lion_batch *batch, uint16_t *selection_out, uint32_t *selected_out);

#endif
