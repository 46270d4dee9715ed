/* comparison.h - predicates of columns and constants, a batch at a time: <, <=, =, >=, >, not=, and chains of them; zero?, pos?, neg?,
 * even?, odd?; starts-with?, ends-with?, includes?. They say what the built-ins of these names say (functions_number.c,
 * functions_text.c) where all values of a side have one type, and the two types can be compared. */
#ifndef LION_QUERY_COMPARISON_H
#define LION_QUERY_COMPARISON_H

#include "query/run.h"

typedef enum lion_comparison_kind {
    LION_COMPARE_NONE, /* not such a predicate */
    LION_COMPARE_LESS,
    LION_COMPARE_AT_MOST,
    LION_COMPARE_EQUAL,
    LION_COMPARE_AT_LEAST,
    LION_COMPARE_MORE,
    LION_COMPARE_UNEQUAL,
    LION_COMPARE_EVEN, /* of the first side alone */
    LION_COMPARE_ODD,
    LION_COMPARE_STARTS,
    LION_COMPARE_ENDS,
    LION_COMPARE_INCLUDES,
} lion_comparison_kind;

/* Each argument with the next one, as long as the rows last. */
typedef struct lion_comparison {
    uint8_t kind;
    uint32_t count;              /* of arguments */
    const uint32_t *slots;       /* LION_SLOT_NONE: the constant */
    const lion_value *constants;
} lion_comparison;

/* The built-in's, if it is one. slots and constants must live as long, with room for one more, which is taken. */
lion_comparison lion_comparison_of(lion_slice name, uint32_t *slots, lion_value *constants, uint32_t count);
/* Rows of the batch for which it holds; false: not for columns of these types, and what is in the selection says nothing. */
bool lion_comparison_select(const lion_comparison *comparison, const lion_batch *batch, uint16_t *selection_out, uint32_t *selected_out);

#endif
