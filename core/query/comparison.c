/* comparison.c - one loop for each comparison and type: the compiler makes straight code of them. A row goes into the selection
 * whatever it is, and counts only if the comparison holds, so that nothing depends on a branch. */
#include "query/comparison.h"

lion_comparison lion_comparison_of(lion_slice name, const uint32_t slots[2], const lion_value constants[2])
{
    static const char *const NAMES[] = { "", "<", "<=", "=", ">=", ">", "not=" };
    lion_comparison comparison = { .slots = { slots[0], slots[1] }, .constants = { constants[0], constants[1] } };
    for (uint8_t kind = LION_COMPARE_LESS; kind <= LION_COMPARE_UNEQUAL; kind++)
        if (lion_slice_equal(name, lion_slice_text(NAMES[kind]))) comparison.kind = kind;
    if (lion_slice_equal(name, lion_slice_text("=="))) comparison.kind = LION_COMPARE_EQUAL;
    if (lion_slice_equal(name, lion_slice_text("!="))) comparison.kind = LION_COMPARE_UNEQUAL;
    if (slots[0] == LION_SLOT_NONE && slots[1] == LION_SLOT_NONE) comparison.kind = LION_COMPARE_NONE;
    return comparison;
}

/* One side: a column or one value for all. */
typedef struct side {
    uint8_t type;
    size_t step; /* 0: one value */
    const int64_t *bits;
    const lion_value *values;
} side;

static side side_of(const lion_comparison *comparison, int i, const lion_batch *batch)
{
    if (comparison->slots[i] == LION_SLOT_NONE) {
        const lion_value *value = &comparison->constants[i];
        return (side){ .type = value->type, .bits = &value->bits, .values = value };
    }
    const lion_vector *vector = &batch->columns[comparison->slots[i]];
    return (side){ .type = vector->type, .step = !vector->is_constant, .bits = vector->bits, .values = vector->values };
}

#define SELECT(name, type, load, operator)                                                                        \
    static uint32_t name(const side *a, const side *b, const lion_batch *batch, uint16_t *out)                    \
    {                                                                                                             \
        uint32_t count = lion_batch_rows(batch), kept = 0;                                                        \
        for (uint32_t i = 0; i < count; i++) {                                                                    \
            uint32_t row = lion_batch_row(batch, i);                                                              \
            type x = load(a, row), y = load(b, row);                                                              \
            out[kept] = (uint16_t)row;                                                                            \
            kept += x operator y;                                                                                 \
        }                                                                                                         \
        return kept;                                                                                              \
    }

static inline int64_t bits_at(const side *a, uint32_t row)
{
    return a->bits[row * a->step];
}
static inline double number_at(const side *a, uint32_t row)
{
    double number;
    memcpy(&number, &a->bits[row * a->step], sizeof number);
    return number;
}

SELECT(bits_less, int64_t, bits_at, <)
SELECT(bits_at_most, int64_t, bits_at, <=)
SELECT(bits_equal, int64_t, bits_at, ==)
SELECT(bits_at_least, int64_t, bits_at, >=)
SELECT(bits_more, int64_t, bits_at, >)
SELECT(bits_unequal, int64_t, bits_at, !=)
SELECT(number_less, double, number_at, <)
SELECT(number_at_most, double, number_at, <=)
SELECT(number_equal, double, number_at, ==)
SELECT(number_at_least, double, number_at, >=)
SELECT(number_more, double, number_at, >)
SELECT(number_unequal, double, number_at, !=)

typedef uint32_t (*selector)(const side *, const side *, const lion_batch *, uint16_t *);

static const selector OF_BITS[] = { NULL, bits_less, bits_at_most, bits_equal, bits_at_least, bits_more, bits_unequal };
static const selector OF_NUMBERS[] = { NULL, number_less, number_at_most, number_equal, number_at_least, number_more, number_unequal };

static uint32_t select_texts(const side *a, const side *b, const lion_batch *batch, bool wants_equal, uint16_t *out)
{
    uint32_t count = lion_batch_rows(batch), kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = lion_batch_row(batch, i);
        const lion_value *x = &a->values[row * a->step], *y = &b->values[row * b->step];
        bool is_equal = x->size == y->size && (x->data == y->data || memcmp(x->data, y->data, x->size) == 0);
        out[kept] = (uint16_t)row;
        kept += is_equal == wants_equal;
    }
    return kept;
}

bool lion_comparison_select(const lion_comparison *comparison, const lion_batch *batch, uint16_t *selection_out, uint32_t *selected_out)
{
    if (comparison->kind == LION_COMPARE_NONE) return false;
    side a = side_of(comparison, 0, batch), b = side_of(comparison, 1, batch);
    bool is_equality = comparison->kind == LION_COMPARE_EQUAL || comparison->kind == LION_COMPARE_UNEQUAL;
    bool is_text = a.type == LION_TYPE_STRING || a.type == LION_TYPE_KEYWORD;
    if (a.type != b.type || a.type == LION_TYPE_NIL) return false;
    if (is_text && is_equality) {
        *selected_out = select_texts(&a, &b, batch, comparison->kind == LION_COMPARE_EQUAL, selection_out);
        return true;
    }
    if (!lion_type_is_scalar(a.type)) return false;
    const selector *selectors = a.type == LION_TYPE_DOUBLE ? OF_NUMBERS : OF_BITS;
    *selected_out = selectors[comparison->kind](&a, &b, batch, selection_out);
    return true;
}
