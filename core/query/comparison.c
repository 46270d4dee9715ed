/* comparison.c - one loop for each comparison and type: the compiler makes straight code of them.
 *
 * Numbers of whole batches are marked, a byte a row, which wider registers do many at a time; those that all comparisons leave marked are
 * listed at the end, four by four. Of selected rows, and of texts, a row goes into the selection whatever it is, and counts only if the
 * comparison holds, so that nothing depends on a branch. So the selection may be the batch's own: no row is written before it was
 * read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "query/comparison.h"

#include "base/kernel.h"
#include "query/kernels.h"

static const struct {
    const char *name;
    uint8_t kind;
    bool is_of_zero;           /* the other side is 0 */
    uint8_t arity_max;         /* 0: any */
} KINDS[] = {
    { "<", LION_COMPARE_LESS, false, 0 },
    { "<=", LION_COMPARE_AT_MOST, false, 0 },
    { "=", LION_COMPARE_EQUAL, false, 0 },
    { "==", LION_COMPARE_EQUAL, false, 0 },
    { ">=", LION_COMPARE_AT_LEAST, false, 0 },
    { ">", LION_COMPARE_MORE, false, 0 },
    { "not=", LION_COMPARE_UNEQUAL, false, 2 }, /* of more it asks whether any two differ */
    { "!=", LION_COMPARE_UNEQUAL, false, 2 },
    { "zero?", LION_COMPARE_EQUAL, true, 1 },
    { "pos?", LION_COMPARE_MORE, true, 1 },
    { "neg?", LION_COMPARE_LESS, true, 1 },
    { "even?", LION_COMPARE_EVEN, true, 1 },
    { "odd?", LION_COMPARE_ODD, true, 1 },
    { "starts-with?", LION_COMPARE_STARTS, false, 2 },
    { "ends-with?", LION_COMPARE_ENDS, false, 2 },
    { "includes?", LION_COMPARE_INCLUDES, false, 2 },
};

lion_comparison lion_comparison_of(lion_slice name, uint32_t *slots, lion_value *constants, uint32_t count)
{
    lion_comparison comparison = { .count = count, .slots = slots, .constants = constants };
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (!lion_slice_equal(name, lion_slice_text(KINDS[i].name))) continue;
        if (KINDS[i].arity_max != 0 && count > KINDS[i].arity_max) continue;
        comparison.kind = KINDS[i].kind;
        if (!KINDS[i].is_of_zero) continue;
        slots[count] = LION_SLOT_NONE;
        constants[count] = lion_value_long(0);
        comparison.count = count + 1;
    }
    if (comparison.count < 2) comparison.kind = LION_COMPARE_NONE;
    return comparison;
}

/* One side: a column or one value for all. */
typedef struct side {
    uint8_t type;
    size_t step; /* 0: one value */
    const int64_t *bits;
    const lion_value *values;
    const lion_dictionary *dictionary; /* of a column's values; NULL: there is none */
} side;

static side side_of_value(const lion_value *value)
{
    return (side){ .type = value->type, .bits = &value->bits, .values = value };
}

static side side_of(const lion_comparison *comparison, uint32_t i, const lion_batch *batch)
{
    if (comparison->slots[i] == LION_SLOT_NONE) return side_of_value(&comparison->constants[i]);
    const lion_vector *vector = &batch->columns[comparison->slots[i]];
    if (vector->type == LION_TYPE_MIXED && vector->is_constant) return side_of_value(&vector->values[0]);
    return (side){ .type = vector->type, .step = !vector->is_constant, .bits = vector->bits, .values = vector->values,
                   .dictionary = vector->dictionary };
}

/* ---- numbers ---- */

#define SELECT(name, type, load_a, load_b, condition)                                                             \
    static uint32_t name(const side *a, const side *b, const lion_batch *batch, uint16_t *out)                    \
    {                                                                                                             \
        uint32_t count = lion_batch_rows(batch), kept = 0;                                                        \
        for (uint32_t i = 0; i < count; i++) {                                                                    \
            uint32_t row = lion_batch_row(batch, i);                                                              \
            type x = load_a(a, row);                                                                              \
            type y = load_b(b, row);                                                                              \
            out[kept] = (uint16_t)row;                                                                            \
            kept += condition;                                                                                    \
        }                                                                                                         \
        return kept;                                                                                              \
    }
#define SELECT_ALL(name, type, load_a, load_b)                                                                    \
    SELECT(name##_less, type, load_a, load_b, x < y)                                                              \
    SELECT(name##_at_most, type, load_a, load_b, x <= y)                                                          \
    SELECT(name##_equal, type, load_a, load_b, x == y)                                                            \
    SELECT(name##_at_least, type, load_a, load_b, x >= y)                                                         \
    SELECT(name##_more, type, load_a, load_b, x > y)                                                              \
    SELECT(name##_unequal, type, load_a, load_b, x != y)                                                          \
    static const selector name[] = { NULL, name##_less, name##_at_most, name##_equal, name##_at_least, name##_more, name##_unequal };

typedef uint32_t (*selector)(const side *, const side *, const lion_batch *, uint16_t *);

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
static inline double whole_at(const side *a, uint32_t row)
{
    return (double)a->bits[row * a->step];
}

SELECT_ALL(of_bits, int64_t, bits_at, bits_at)
SELECT_ALL(of_doubles, double, number_at, number_at)
SELECT_ALL(of_wholes_and_doubles, double, whole_at, number_at)
SELECT_ALL(of_doubles_and_wholes, double, number_at, whole_at)
SELECT(bits_even, int64_t, bits_at, bits_at, ((void)y, (x & 1) == 0))
SELECT(bits_odd, int64_t, bits_at, bits_at, ((void)y, (x & 1) != 0))

static bool is_whole(uint8_t type)
{
    return type == LION_TYPE_LONG || type == LION_TYPE_INSTANT || type == LION_TYPE_REF;
}

#define EXACT_MAX (INT64_C(1) << 53)

/* Whether the live rows are whole numbers that doubles have, too. */
static bool is_exact(const side *a, const lion_batch *batch)
{
    uint32_t count = a->step == 0 ? 1 : lion_batch_rows(batch);
    uint64_t outside = 0;
    for (uint32_t i = 0; i < count; i++) {
        int64_t bits = bits_at(a, lion_batch_row(batch, i));
        outside |= bits < -EXACT_MAX || bits > EXACT_MAX;
    }
    return outside == 0;
}

/* NULL: they are not numbers, or not such that one loop can tell. */
static selector of_numbers(uint8_t kind, const side *a, const side *b, const lion_batch *batch)
{
    bool is_double_a = a->type == LION_TYPE_DOUBLE, is_double_b = b->type == LION_TYPE_DOUBLE;
    if ((!is_whole(a->type) && !is_double_a) || (!is_whole(b->type) && !is_double_b)) return NULL;
    if (kind == LION_COMPARE_EVEN || kind == LION_COMPARE_ODD) return is_double_a ? NULL : kind == LION_COMPARE_EVEN ? bits_even : bits_odd;
    if (kind > LION_COMPARE_UNEQUAL) return NULL;
    if (is_double_a && is_double_b) return of_doubles[kind];
    if (!is_double_a && !is_double_b) return of_bits[kind];
    if (!is_exact(is_double_a ? b : a, batch)) return NULL;
    return is_double_a ? of_doubles_and_wholes[kind] : of_wholes_and_doubles[kind];
}

/* ---- numbers of all rows ---- */

typedef void (*marker)(uint8_t *restrict marks, const int64_t *a, const int64_t *b, uint32_t count);

static inline int64_t as_bits(int64_t bits)
{
    return bits;
}
static inline double as_number(int64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Marks stay where the condition holds of a column and of a value of the other, or its one value. */
#define MARK(name, type, load, load_other, condition)                                                                     \
    LION_KERNEL static void name(uint8_t *restrict marks, const int64_t *a, const int64_t *b, uint32_t count)              \
    {                                                                                                                      \
        for (uint32_t i = 0; i < count; i++) {                                                                             \
            type x = load(a[i]), y = load(b[load_other]);                                                                  \
            marks[i] = (uint8_t)(marks[i] & (condition));                                                                  \
        }                                                                                                                  \
    }
#define MARK_BOTH(name, type, load, condition)                                                                             \
    MARK(name, type, load, i, condition)                                                                                   \
    MARK(name##_one, type, load, 0, condition)
#define MARK_ALL(name, type, load)                                                                                         \
    MARK_BOTH(name##_less, type, load, x < y)                                                                                   \
    MARK_BOTH(name##_at_most, type, load, x <= y)                                                                               \
    MARK_BOTH(name##_equal, type, load, x == y)                                                                                 \
    MARK_BOTH(name##_at_least, type, load, x >= y)                                                                              \
    MARK_BOTH(name##_more, type, load, x > y)                                                                                   \
    MARK_BOTH(name##_unequal, type, load, x != y)                                                                               \
    static const marker name[][2] = { { NULL, NULL },                                                                      \
                                      { name##_less, name##_less_one },                                                    \
                                      { name##_at_most, name##_at_most_one },                                              \
                                      { name##_equal, name##_equal_one },                                                  \
                                      { name##_at_least, name##_at_least_one },                                            \
                                      { name##_more, name##_more_one },                                                    \
                                      { name##_unequal, name##_unequal_one } };

MARK_ALL(mark_bits, int64_t, as_bits)
MARK_ALL(mark_doubles, double, as_number)
MARK(mark_even, int64_t, as_bits, 0, ((void)y, (x & 1) == 0))
MARK(mark_odd, int64_t, as_bits, 0, ((void)y, (x & 1) != 0))

/* What x is to y when y is this to x. */
static const uint8_t TURNED[] = { LION_COMPARE_NONE, LION_COMPARE_MORE, LION_COMPARE_AT_LEAST, LION_COMPARE_EQUAL,
                                  LION_COMPARE_AT_MOST, LION_COMPARE_LESS, LION_COMPARE_UNEQUAL };

/* A whole number beside doubles is one, if they have it. */
static void widen_one(side *one, uint8_t type, int64_t *room)
{
    bool is_exact = one->step == 0 && is_whole(one->type) && *one->bits >= -EXACT_MAX && *one->bits <= EXACT_MAX;
    if (type != LION_TYPE_DOUBLE || !is_exact) return;
    double number = (double)*one->bits;
    memcpy(room, &number, sizeof number);
    one->bits = room;
    one->type = LION_TYPE_DOUBLE;
}

/* false: no loop marks these. */
static bool mark_pair(uint8_t *marks, uint8_t kind, side a, side b, uint32_t count)
{
    int64_t room;
    if (a.step == 0 && kind <= LION_COMPARE_UNEQUAL) {
        side first = a;
        a = b;
        b = first;
        kind = TURNED[kind];
    }
    if (a.step == 0) return false;
    widen_one(&b, a.type, &room);
    bool are_whole = is_whole(a.type) && is_whole(b.type), are_doubles = a.type == LION_TYPE_DOUBLE && b.type == LION_TYPE_DOUBLE;
    marker mark = NULL;
    if (kind == LION_COMPARE_EVEN || kind == LION_COMPARE_ODD) mark = are_whole ? (kind == LION_COMPARE_EVEN ? mark_even : mark_odd) : NULL;
    else if (kind <= LION_COMPARE_UNEQUAL && are_whole) mark = mark_bits[kind][b.step == 0];
    else if (kind <= LION_COMPARE_UNEQUAL && are_doubles) mark = mark_doubles[kind][b.step == 0];
    if (mark != NULL) mark(marks, a.bits, b.bits, count);
    return mark != NULL;
}

/* false: some of its pairs have no such loop. */
static bool select_marked(const lion_comparison *comparison, const lion_batch *batch, uint16_t *selection_out, uint32_t *selected_out)
{
    uint8_t marks[LION_BATCH_ROWS];
    memset(marks, 1, batch->count);
    for (uint32_t i = 1; i < comparison->count; i++)
        if (!mark_pair(marks, comparison->kind, side_of(comparison, i - 1, batch), side_of(comparison, i, batch), batch->count)) return false;
    *selected_out = lion_kernel_list(selection_out, marks, batch->count);
    return true;
}

/* ---- texts, and what else is bytes ---- */

static inline const lion_value *value_at(const side *a, uint32_t row)
{
    return &a->values[row * a->step];
}

static inline bool has_at(const lion_value *x, const lion_value *y, uint32_t offset)
{
    return y->size == 0 || memcmp(x->data + offset, y->data, y->size) == 0;
}
static inline bool is_same(const lion_value *x, const lion_value *y)
{
    return x->size == y->size && (x->data == y->data || has_at(x, y, 0));
}
static inline int order_of(const lion_value *x, const lion_value *y)
{
    return lion_slice_compare(lion_value_slice(*x), lion_value_slice(*y));
}
static inline bool starts(const lion_value *x, const lion_value *y)
{
    return x->size >= y->size && has_at(x, y, 0);
}
static inline bool ends(const lion_value *x, const lion_value *y)
{
    return x->size >= y->size && has_at(x, y, x->size - y->size);
}
static inline bool includes(const lion_value *x, const lion_value *y)
{
    return y->size == 0 || (x->size >= y->size && memmem(x->data, x->size, y->data, y->size) != NULL);
}

SELECT(text_less, const lion_value *, value_at, value_at, order_of(x, y) < 0)
SELECT(text_at_most, const lion_value *, value_at, value_at, order_of(x, y) <= 0)
SELECT(text_equal, const lion_value *, value_at, value_at, is_same(x, y))
SELECT(text_at_least, const lion_value *, value_at, value_at, order_of(x, y) >= 0)
SELECT(text_more, const lion_value *, value_at, value_at, order_of(x, y) > 0)
SELECT(text_unequal, const lion_value *, value_at, value_at, !is_same(x, y))
SELECT(text_starts, const lion_value *, value_at, value_at, starts(x, y))
SELECT(text_ends, const lion_value *, value_at, value_at, ends(x, y))
SELECT(text_includes, const lion_value *, value_at, value_at, includes(x, y))

static const selector OF_TEXTS[] = { NULL, text_less, text_at_most, text_equal, text_at_least, text_more, text_unequal };

/* Decimals of the same value may be of other bytes. */
static selector of_texts(uint8_t kind, const side *a, const side *b)
{
    bool is_text = (a->type == LION_TYPE_STRING || a->type == LION_TYPE_URI) && (b->type == LION_TYPE_STRING || b->type == LION_TYPE_URI);
    switch (kind) {
    case LION_COMPARE_STARTS: return is_text ? text_starts : NULL;
    case LION_COMPARE_ENDS: return is_text ? text_ends : NULL;
    case LION_COMPARE_INCLUDES: return is_text ? text_includes : NULL;
    default: break;
    }
    bool is_bytes = a->type >= LION_TYPE_STRING && a->type <= LION_TYPE_TUPLE;
    return is_bytes && a->type == b->type && kind <= LION_COMPARE_UNEQUAL ? OF_TEXTS[kind] : NULL;
}

/* ---- a batch ---- */

static selector selector_of(uint8_t kind, const side *a, const side *b, const lion_batch *batch)
{
    selector found = of_numbers(kind, a, b, batch);
    if (found == NULL) found = of_texts(kind, a, b);
    if (found == NULL && a->type == LION_TYPE_BOOLEAN && b->type == LION_TYPE_BOOLEAN && kind <= LION_COMPARE_UNEQUAL) found = of_bits[kind];
    return found;
}

/* A column of few values with one for all: those of the dictionary are compared instead of the rows'. */
static bool is_by_codes(const side *coded, const side *other, const lion_batch *batch)
{
    return coded->dictionary != NULL && other->step == 0 && coded->dictionary->count < lion_batch_rows(batch) / 2;
}

static uint32_t select_by_codes(selector select, const side *a, const side *b, const lion_batch *batch, uint16_t *out)
{
    const side *coded = a->dictionary != NULL ? a : b;
    side distinct = { .type = coded->type, .step = 1, .values = coded->dictionary->values };
    lion_batch all = { .count = coded->dictionary->count };
    uint16_t held[LION_BATCH_ROWS];
    uint8_t holds[LION_BATCH_ROWS] = { 0 };
    uint32_t rows = lion_batch_rows(batch), kept = 0, count = select(a == coded ? &distinct : a, b == coded ? &distinct : b, &all, held);
    for (uint32_t i = 0; i < count; i++) holds[held[i] + 1] = 1;
    for (uint32_t i = 0; i < rows; i++) {
        uint16_t row = (uint16_t)lion_batch_row(batch, i), code = coded->values[row].code, unused;
        lion_batch alone = { .count = 1, .selection = &row, .selected = 1 };
        out[kept] = row;
        kept += code != 0 ? holds[code] : select(a, b, &alone, &unused);
    }
    return kept;
}

bool lion_comparison_select(const lion_comparison *comparison, const lion_batch *batch, uint16_t *selection_out, uint32_t *selected_out)
{
    lion_batch left = *batch;
    if (comparison->kind == LION_COMPARE_NONE) return false;
    if (batch->selection == NULL && select_marked(comparison, batch, selection_out, selected_out)) return true;
    for (uint32_t i = 1; i < comparison->count; i++) {
        side a = side_of(comparison, i - 1, batch), b = side_of(comparison, i, batch);
        selector select = selector_of(comparison->kind, &a, &b, &left);
        if (select == NULL && lion_batch_rows(&left) > 0) return false;
        bool by_codes = is_by_codes(&a, &b, &left) || is_by_codes(&b, &a, &left);
        if (select != NULL && by_codes) left.selected = select_by_codes(select, &a, &b, &left, selection_out);
        else if (select != NULL) left.selected = select(&a, &b, &left, selection_out);
        left.selection = selection_out;
    }
    *selected_out = left.selected;
    return true;
}
