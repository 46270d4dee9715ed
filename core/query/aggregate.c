/* aggregate.c - counts, sums and extremes as they stream; the others over the group's values. */
#include "query/aggregate.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "data/decimal.h"
#include "query/kernels.h"

static const char *const NAMES[] = { "",    "avg",    "count",    "count-distinct", "distinct", "max",  "median",
                                     "min", "stddev", "variance", "sum",            "rand",     "sample" };

lion_status lion_aggregate_read(lion_aggregate *aggregate_out, int64_t *wanted_out, const lion_element *element, lion_error *error)
{
    size_t at = 1, count = sizeof(NAMES) / sizeof(NAMES[0]);
    while (at < count && !lion_slice_equal(lion_slice_text(NAMES[at]), element->name)) at++;
    *wanted_out = -1;
    if (at == count) {
        *aggregate_out = LION_AGGREGATE_CUSTOM; /* the host knows it, or says that nobody does */
        return LION_OK;
    }
    *aggregate_out = (lion_aggregate)at;
    bool takes_count = at == LION_AGGREGATE_MIN || at == LION_AGGREGATE_MAX || at == LION_AGGREGATE_RAND || at == LION_AGGREGATE_SAMPLE;
    bool is_wrong = element->term_count > (takes_count ? 2u : 1u) || (at == LION_AGGREGATE_SAMPLE && element->term_count != 2);
    if (!is_wrong && element->term_count == 2)
        is_wrong = element->terms[0].kind != LION_TERM_CONST || !lion_form_as_long(element->terms[0].constant, wanted_out) || *wanted_out < 0;
    if (is_wrong) return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes %s", NAMES[at],
                                   takes_count ? "a number and a variable" : "one variable");
    return LION_OK;
}

static bool needs_values(lion_aggregate aggregate, int64_t wanted)
{
    switch (aggregate) {
    case LION_AGGREGATE_AVG:
    case LION_AGGREGATE_COUNT:
    case LION_AGGREGATE_SUM: return false;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: return wanted >= 0;
    default: return true;
    }
}

/* Decimals are summed apart, exactly; what else is among them joins at the end. */
static lion_status add_decimal(lion_accumulator *self, lion_value value, lion_arena *arena, lion_error *error)
{
    if (self->best.type != LION_TYPE_DECIMAL) {
        self->best = value;
        return LION_OK;
    }
    lion_status status = lion_decimal_add(&self->best, lion_value_slice(self->best), lion_value_slice(value), arena);
    if (status != LION_ABSENT) return status;
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the sum has more than %d digits", LION_DECIMAL_DIGITS_MAX);
}

static lion_value decimal_as_double(lion_value value, lion_arena *arena)
{
    return lion_value_double(strtod(lion_value_text(arena, value), NULL));
}

static lion_status add_number(lion_accumulator *self, lion_aggregate aggregate, lion_value value, lion_arena *arena, lion_error *error)
{
    if (aggregate == LION_AGGREGATE_SUM && value.type == LION_TYPE_DECIMAL) return add_decimal(self, value, arena, error);
    if (value.type == LION_TYPE_DECIMAL) value = decimal_as_double(value, arena);
    if (!lion_type_is_number(value.type))
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes numbers only", NAMES[aggregate]);
    if (value.type == LION_TYPE_DOUBLE) {
        self->is_double = true;
        self->double_sum += value.number;
        return LION_OK;
    }
    if (aggregate == LION_AGGREGATE_AVG) self->double_sum += (double)value.bits;
    else if (__builtin_add_overflow(self->sum, value.bits, &self->sum))
        return lion_fail(error, LION_INCORRECT, "lion/overflow", "the sum does not fit into 64 bits");
    return LION_OK;
}

/* Room for so many values more. */
static lion_status make_room(lion_accumulator *self, size_t count, lion_arena *arena, lion_error *error)
{
    size_t room = self->value_room == 0 ? 8 : self->value_room;
    if (self->value_count + count <= self->value_room) return LION_OK;
    while (room < self->value_count + count) room *= 2;
    lion_value *values = lion_arena_grow(arena, self->values, self->value_room * sizeof(*values), room * sizeof(*values));
    if (values == NULL) return lion_fail_memory(error);
    self->values = values;
    self->value_room = room;
    return LION_OK;
}

static lion_status keep_value(lion_accumulator *self, lion_value value, lion_arena *arena, lion_error *error)
{
    if (make_room(self, 1, arena, error) != LION_OK) return LION_FAILED;
    self->values[self->value_count++] = value;
    return LION_OK;
}

lion_status lion_aggregate_add(lion_accumulator *self, lion_aggregate aggregate, int64_t wanted, lion_value value, lion_arena *arena,
                               lion_error *error)
{
    self->count++;
    if (needs_values(aggregate, wanted)) return keep_value(self, value, arena, error);
    if (aggregate == LION_AGGREGATE_AVG || aggregate == LION_AGGREGATE_SUM) return add_number(self, aggregate, value, arena, error);
    if (aggregate != LION_AGGREGATE_MIN && aggregate != LION_AGGREGATE_MAX) return LION_OK;
    int order = self->count == 1 ? 0 : lion_value_compare(value, self->best);
    if (self->count == 1 || (aggregate == LION_AGGREGATE_MIN ? order < 0 : order > 0)) self->best = value;
    return LION_OK;
}

/* ---- a column at a time ---- */

static lion_status fail_sum(lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the sum does not fit into 64 bits");
}

static inline uint32_t row_at(const lion_batch *batch, uint32_t i)
{
    return batch->selection != NULL ? batch->selection[i] : i;
}

/* Longs of one group: their sum fits, or each is added with a look. */
static lion_status sum_longs(lion_accumulator *self, const int64_t *bits, const lion_batch *batch, uint32_t rows, lion_error *error)
{
    int64_t sum = self->sum, small = 0;
    bool is_over = false;
    if (batch->selection == NULL && rows <= LION_KERNEL_SUM_MAX && lion_kernel_sum(&small, bits, rows)) {
        if (__builtin_add_overflow(sum, small, &sum)) return fail_sum(error);
        self->sum = sum;
        return LION_OK;
    }
    for (uint32_t i = 0; i < rows; i++) is_over |= __builtin_add_overflow(sum, bits[row_at(batch, i)], &sum);
    if (is_over) return fail_sum(error);
    self->sum = sum;
    return LION_OK;
}

static inline double double_of(int64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

static void sum_doubles(lion_accumulator *self, const int64_t *bits, const lion_batch *batch, uint32_t rows, bool is_double)
{
    double sum = self->double_sum;
    if (is_double)
        for (uint32_t i = 0; i < rows; i++) sum += double_of(bits[row_at(batch, i)]);
    else
        for (uint32_t i = 0; i < rows; i++) sum += (double)bits[row_at(batch, i)];
    self->double_sum = sum;
    self->is_double = self->is_double || is_double;
}

static lion_status sum_one_group(lion_accumulator *self, lion_aggregate aggregate, const lion_batch *batch, const lion_vector *column,
                                 lion_error *error)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    self->count += rows;
    bool is_double = column->type == LION_TYPE_DOUBLE;
    if (aggregate == LION_AGGREGATE_SUM && !is_double) return sum_longs(self, column->bits, batch, rows, error);
    sum_doubles(self, column->bits, batch, rows, is_double);
    return LION_OK;
}

static lion_status sum_groups(lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, lion_aggregate aggregate,
                              const lion_batch *batch, const lion_vector *column, lion_error *error)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    bool is_double = column->type == LION_TYPE_DOUBLE, is_average = aggregate == LION_AGGREGATE_AVG;
    for (uint32_t i = 0; i < rows; i++) {
        lion_accumulator *self = &accumulators[(size_t)groups[i] * stride];
        int64_t bits = column->bits[row_at(batch, i)];
        self->count++;
        if (is_double) self->is_double = true;
        if (is_double || is_average) self->double_sum += is_double ? double_of(bits) : (double)bits;
        else if (__builtin_add_overflow(self->sum, bits, &self->sum)) return fail_sum(error);
    }
    return LION_OK;
}

/* Scalars but doubles compare as their bits. */
static void extremes_of_bits(lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, bool is_least, const lion_batch *batch,
                             const lion_vector *column)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    for (uint32_t i = 0; i < rows; i++) {
        lion_accumulator *self = &accumulators[(size_t)groups[i] * stride];
        int64_t bits = column->bits[row_at(batch, i)];
        bool is_best = self->count == 0 || (is_least ? bits < self->best.bits : bits > self->best.bits);
        self->count++;
        if (is_best) self->best = lion_value_scalar((lion_type)column->type, bits);
    }
}

/* All values so far have the column's type (or there are none). */
static bool is_of_type(const lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, const lion_batch *batch, uint8_t type)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    for (uint32_t i = 0; i < rows; i++) {
        const lion_accumulator *self = &accumulators[(size_t)groups[i] * stride];
        if (self->count > 0 && self->best.type != type) return false;
    }
    return true;
}

/* Scalars that are all needed at the end. */
static lion_status keep_column(lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, bool is_one_group, const lion_batch *batch,
                               const lion_vector *column, lion_arena *arena, lion_error *error)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    lion_type type = (lion_type)column->type;
    if (is_one_group && make_room(accumulators, rows, arena, error) != LION_OK) return LION_FAILED;
    if (is_one_group) {
        lion_value *values = accumulators->values + accumulators->value_count;
        for (uint32_t i = 0; i < rows; i++) values[i] = lion_value_scalar(type, column->bits[row_at(batch, i)]);
        accumulators->value_count += rows;
        accumulators->count += rows;
        return LION_OK;
    }
    for (uint32_t i = 0; i < rows; i++) {
        lion_accumulator *self = &accumulators[(size_t)groups[i] * stride];
        self->count++;
        if (keep_value(self, lion_value_scalar(type, column->bits[row_at(batch, i)]), arena, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

lion_status lion_aggregate_add_column(lion_accumulator *accumulators, uint32_t stride, const uint32_t *groups, bool is_one_group,
                                      lion_aggregate aggregate, int64_t wanted, const lion_batch *batch, uint32_t slot, lion_arena *arena,
                                      lion_error *error)
{
    const lion_vector *column = &batch->columns[slot];
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    if (aggregate == LION_AGGREGATE_COUNT) {
        if (is_one_group) accumulators[0].count += rows;
        else
            for (uint32_t i = 0; i < rows; i++) accumulators[(size_t)groups[i] * stride].count++;
        return LION_OK;
    }
    if (column->is_constant || !lion_type_is_scalar(column->type)) return LION_ABSENT;
    if (needs_values(aggregate, wanted)) return keep_column(accumulators, stride, groups, is_one_group, batch, column, arena, error);
    if (aggregate == LION_AGGREGATE_SUM || aggregate == LION_AGGREGATE_AVG) {
        if (!lion_type_is_number(column->type)) return LION_ABSENT;
        return is_one_group ? sum_one_group(accumulators, aggregate, batch, column, error)
                            : sum_groups(accumulators, stride, groups, aggregate, batch, column, error);
    }
    bool is_extreme = aggregate == LION_AGGREGATE_MIN || aggregate == LION_AGGREGATE_MAX;
    if (!is_extreme || column->type == LION_TYPE_DOUBLE || !is_of_type(accumulators, stride, groups, batch, column->type)) return LION_ABSENT;
    extremes_of_bits(accumulators, stride, groups, aggregate == LION_AGGREGATE_MIN, batch, column);
    return LION_OK;
}

/* ---- values of several rows ---- */

bool lion_aggregate_weighs(lion_aggregate aggregate, int64_t wanted)
{
    switch (aggregate) {
    case LION_AGGREGATE_COUNT:
    case LION_AGGREGATE_SUM:
    case LION_AGGREGATE_AVG:
    case LION_AGGREGATE_COUNT_DISTINCT:
    case LION_AGGREGATE_DISTINCT: return true;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: return wanted < 0;
    default: return false;
    }
}

lion_status lion_aggregate_add_weighed(lion_accumulator *self, lion_aggregate aggregate, int64_t wanted, lion_value value, uint64_t rows,
                                       lion_arena *arena, lion_error *error)
{
    int64_t product = 0;
    bool is_sum = aggregate == LION_AGGREGATE_SUM || aggregate == LION_AGGREGATE_AVG, is_average = aggregate == LION_AGGREGATE_AVG;
    if (is_sum && !lion_type_is_number(value.type)) return lion_aggregate_add(self, aggregate, wanted, value, arena, error);
    if (!is_sum && aggregate != LION_AGGREGATE_COUNT) return lion_aggregate_add(self, aggregate, wanted, value, arena, error);
    if (__builtin_add_overflow(self->count, rows, &self->count) || self->count > INT64_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/overflow", "the count does not fit into 64 bits");
    if (!is_sum) return LION_OK;
    if (value.type == LION_TYPE_DOUBLE) self->is_double = true;
    if (value.type == LION_TYPE_DOUBLE || is_average) self->double_sum += (value.type == LION_TYPE_DOUBLE ? value.number : (double)value.bits) * (double)rows;
    else if (__builtin_mul_overflow(value.bits, rows, &product) || __builtin_add_overflow(self->sum, product, &self->sum)) return fail_sum(error);
    return LION_OK;
}

/* ---- over all values ---- */

static int ascending(const void *a, const void *b)
{
    return lion_value_compare(*(const lion_value *)a, *(const lion_value *)b);
}

#define RADIX_VALUES_MIN 256
#define RADIX_BYTES 8

/* In the order of the values. */
static uint64_t radix_key(lion_value value)
{
    const uint64_t sign = UINT64_C(1) << 63;
    if (value.type != LION_TYPE_DOUBLE) return (uint64_t)value.bits ^ sign;
    if (isnan(value.number)) return UINT64_MAX;
    uint64_t bits = value.number == 0 ? 0 : (uint64_t)value.bits; /* one zero */
    return bits & sign ? ~bits : bits | sign;
}

/* Scalars of one type go byte by byte, from the last, bytes that are the same for all left out. false: they are not. */
static bool radix_sort(lion_accumulator *self, lion_arena *arena)
{
    size_t counts[RADIX_BYTES][256] = { { 0 } }, count = self->value_count;
    if (count < RADIX_VALUES_MIN || !lion_type_is_scalar((lion_type)self->values[0].type)) return false;
    for (size_t i = 0; i < count; i++) {
        if (self->values[i].type != self->values[0].type) return false;
        uint64_t key = radix_key(self->values[i]);
        for (int byte = 0; byte < RADIX_BYTES; byte++) counts[byte][key >> (8 * byte) & 255]++;
    }
    lion_value *from = self->values, *to = lion_arena_array(arena, lion_value, count);
    if (to == NULL) return false;
    for (int byte = 0; byte < RADIX_BYTES; byte++) {
        size_t *places = counts[byte], place = 0;
        if (places[radix_key(from[0]) >> (8 * byte) & 255] == count) continue;
        for (int digit = 0; digit < 256; digit++) {
            size_t here = places[digit];
            places[digit] = place;
            place += here;
        }
        for (size_t i = 0; i < count; i++) to[places[radix_key(from[i]) >> (8 * byte) & 255]++] = from[i];
        lion_value *read = from;
        from = to;
        to = read;
    }
    self->values = from;
    self->value_room = count;
    return true;
}

static void sort(lion_accumulator *self, lion_arena *arena)
{
    if (self->value_count > 1 && !radix_sort(self, arena)) qsort(self->values, self->value_count, sizeof(lion_value), ascending);
}

static void make_distinct(lion_accumulator *self, lion_arena *arena)
{
    size_t left = 0;
    sort(self, arena);
    for (size_t i = 0; i < self->value_count; i++)
        if (left == 0 || !lion_value_equal(self->values[left - 1], self->values[i])) self->values[left++] = self->values[i];
    self->value_count = left;
}

static lion_form collection(lion_arena *arena, const lion_value *values, size_t count)
{
    lion_form form = lion_form_vector(arena, count);
    for (size_t i = 0; i < count; i++) form.items[i] = lion_form_value(values[i]);
    return form;
}

static double as_double(lion_value value)
{
    return value.type == LION_TYPE_DOUBLE ? value.number : (double)value.bits;
}

/* Decimals count as doubles, but that a median is one of them, or between two. */
static lion_status need_numbers(lion_accumulator *self, lion_aggregate aggregate, lion_arena *arena, lion_error *error)
{
    size_t decimals = 0;
    for (size_t i = 0; i < self->value_count; i++) {
        bool is_decimal = self->values[i].type == LION_TYPE_DECIMAL;
        if (!is_decimal && !lion_type_is_number(self->values[i].type))
            return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes numbers only", NAMES[aggregate]);
        decimals += is_decimal;
    }
    if (decimals == 0 || (aggregate == LION_AGGREGATE_MEDIAN && decimals == self->value_count)) return LION_OK;
    for (size_t i = 0; i < self->value_count; i++)
        if (self->values[i].type == LION_TYPE_DECIMAL) self->values[i] = decimal_as_double(self->values[i], arena);
    return LION_OK;
}

static bool is_one_type(const lion_accumulator *self)
{
    uint8_t other = 0;
    for (size_t i = 0; i < self->value_count; i++) other |= self->values[i].type ^ self->values[0].type;
    return other == 0 && lion_type_is_scalar((lion_type)self->values[0].type);
}

/* What radix_key was made of. */
static lion_value value_of_key(uint64_t key, uint8_t type)
{
    const uint64_t sign = UINT64_C(1) << 63;
    if (type != LION_TYPE_DOUBLE) return lion_value_scalar((lion_type)type, (int64_t)(key ^ sign));
    return lion_value_scalar(LION_TYPE_DOUBLE, (int64_t)(key & sign ? key ^ sign : ~key));
}

/* The key that would stand at `nth` if they were sorted: byte by byte, from the first, those that share its bytes so far stay. */
static uint64_t select_key(uint64_t *keys, size_t count, size_t nth)
{
    uint64_t differs = 0;
    for (size_t i = 1; i < count; i++) differs |= keys[i] ^ keys[0];
    for (int shift = 8 * (RADIX_BYTES - 1); shift >= 0 && count > 1; shift -= 8) {
        size_t counts[256] = { 0 }, left = 0;
        uint32_t digit = 0;
        if ((differs >> shift & 255) == 0) continue;
        for (size_t i = 0; i < count; i++) counts[keys[i] >> shift & 255]++;
        while (nth >= counts[digit]) nth -= counts[digit++];
        for (size_t i = 0; i < count; i++) {
            uint64_t key = keys[i];
            keys[left] = key;
            left += (key >> shift & 255) == digit;
        }
        count = left;
    }
    return keys[0];
}

/* The value at `nth` of the sorted ones, without sorting, where they are of one type. */
static lion_value nth_value(lion_accumulator *self, size_t nth, lion_arena *arena)
{
    uint64_t *keys = is_one_type(self) ? lion_arena_array(arena, uint64_t, self->value_count) : NULL;
    if (keys == NULL) {
        sort(self, arena);
        return self->values[nth];
    }
    for (size_t i = 0; i < self->value_count; i++) keys[i] = radix_key(self->values[i]);
    return value_of_key(select_key(keys, self->value_count, nth), self->values[0].type);
}

static lion_value between_decimals(lion_value low, lion_value high, lion_arena *arena)
{
    lion_value sum, half;
    bool is_exact = lion_decimal_add(&sum, lion_value_slice(low), lion_value_slice(high), arena) == LION_OK &&
                    lion_decimal_parse(&half, lion_slice_text("0.5"), arena) == LION_OK &&
                    lion_decimal_multiply(&sum, lion_value_slice(sum), lion_value_slice(half), arena) == LION_OK;
    return is_exact ? sum : low;
}

static lion_value median(lion_accumulator *self, lion_arena *arena)
{
    lion_value high = nth_value(self, self->value_count / 2, arena);
    lion_value low = self->value_count % 2 == 1 ? high : nth_value(self, (self->value_count - 1) / 2, arena);
    if (self->value_count % 2 == 1) return low;
    if (low.type == LION_TYPE_DECIMAL) return between_decimals(low, high, arena);
    int64_t sum = 0;
    if (low.type != LION_TYPE_DOUBLE && high.type != LION_TYPE_DOUBLE && !__builtin_add_overflow(low.bits, high.bits, &sum) && sum % 2 == 0)
        return lion_value_scalar((lion_type)low.type, sum / 2);
    return lion_value_double((as_double(low) + as_double(high)) / 2);
}

/* Sums in as many parts, which need not wait for each other, and lose less. */
#define LANES 4

static double mean_of(const lion_accumulator *self)
{
    double parts[LANES] = { 0 }, mean = 0, count = (double)self->value_count;
    for (size_t i = 0; i < self->value_count; i++) parts[i % LANES] += as_double(self->values[i]);
    double sum = parts[0] + parts[1] + (parts[2] + parts[3]);
    if (isfinite(sum)) return sum / count;
    for (size_t i = 0; i < self->value_count; i++) mean += as_double(self->values[i]) / count;
    return mean;
}

/* Of the population; two passes, so that large means lose nothing. */
static double variance(const lion_accumulator *self)
{
    double parts[LANES] = { 0 }, mean = mean_of(self);
    for (size_t i = 0; i < self->value_count; i++) {
        double distance = as_double(self->values[i]) - mean;
        parts[i % LANES] += distance * distance;
    }
    return (parts[0] + parts[1] + (parts[2] + parts[3])) / (double)self->value_count;
}

static size_t random_below(size_t bound)
{
    uint64_t bits = 0;
    lion_random_bytes(&bits, sizeof(bits));
    return (size_t)(bits % bound);
}

static lion_form draw(lion_accumulator *self, int64_t wanted, lion_arena *arena)
{
    if (wanted < 0) return lion_form_value(self->values[random_below(self->value_count)]);
    lion_form form = lion_form_vector(arena, (size_t)wanted);
    for (int64_t i = 0; i < wanted; i++) form.items[i] = lion_form_value(self->values[random_below(self->value_count)]);
    return form;
}

static lion_form sample(lion_accumulator *self, int64_t wanted, lion_arena *arena)
{
    make_distinct(self, arena);
    size_t count = (uint64_t)wanted < self->value_count ? (size_t)wanted : self->value_count;
    for (size_t i = 0; i < count; i++) {
        size_t other = i + random_below(self->value_count - i);
        lion_value drawn = self->values[other];
        self->values[other] = self->values[i];
        self->values[i] = drawn;
    }
    return collection(arena, self->values, count);
}

static lion_form extremes(lion_accumulator *self, lion_aggregate aggregate, int64_t wanted, lion_arena *arena)
{
    sort(self, arena);
    size_t count = (uint64_t)wanted < self->value_count ? (size_t)wanted : self->value_count;
    lion_form form = lion_form_vector(arena, count);
    for (size_t i = 0; i < count; i++)
        form.items[i] = lion_form_value(self->values[aggregate == LION_AGGREGATE_MIN ? i : self->value_count - 1 - i]);
    return form;
}

/* The sum of decimals and of the longs and doubles that were among them. */
static lion_status finish_decimals(lion_form *form_out, lion_accumulator *self, lion_arena *arena, lion_error *error)
{
    lion_value others[2] = { lion_value_long(self->sum), lion_value_double(self->double_sum) };
    for (int i = 0; i < (self->is_double ? 2 : 1); i++) {
        lion_value decimal;
        lion_slice text = lion_slice_text(lion_value_text(arena, others[i]));
        if (lion_decimal_parse(&decimal, text, arena) != LION_OK)
            return lion_fail(error, LION_INCORRECT, "lion/overflow", "%.*s is in no sum of decimals", (int)text.size, (const char *)text.data);
        lion_status status = add_decimal(self, decimal, arena, error);
        if (status != LION_OK) return status;
    }
    *form_out = lion_form_value(self->best);
    return LION_OK;
}

#define DRAW_MAX 1000000

lion_status lion_aggregate_finish(lion_form *form_out, lion_accumulator *self, lion_aggregate aggregate, int64_t wanted,
                                  lion_arena *arena, lion_error *error)
{
    lion_value value = lion_value_nil();
    if (wanted > DRAW_MAX && aggregate == LION_AGGREGATE_RAND)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "rand draws at most %d values", DRAW_MAX);
    switch (aggregate) {
    case LION_AGGREGATE_COUNT: value = lion_value_long((int64_t)self->count); break;
    case LION_AGGREGATE_SUM:
        if (self->best.type == LION_TYPE_DECIMAL) return finish_decimals(form_out, self, arena, error);
        value = self->is_double ? lion_value_double(self->double_sum + (double)self->sum) : lion_value_long(self->sum);
        break;
    case LION_AGGREGATE_AVG: value = lion_value_double(self->double_sum / (double)self->count); break;
    case LION_AGGREGATE_MEDIAN:
    case LION_AGGREGATE_VARIANCE:
    case LION_AGGREGATE_STDDEV:
        if (need_numbers(self, aggregate, arena, error) != LION_OK) return LION_FAILED;
        if (aggregate == LION_AGGREGATE_MEDIAN) value = median(self, arena);
        else value = lion_value_double(aggregate == LION_AGGREGATE_VARIANCE ? variance(self) : sqrt(variance(self)));
        break;
    case LION_AGGREGATE_COUNT_DISTINCT:
        make_distinct(self, arena);
        value = lion_value_long((int64_t)self->value_count);
        break;
    case LION_AGGREGATE_DISTINCT:
        make_distinct(self, arena);
        *form_out = collection(arena, self->values, self->value_count);
        return LION_OK;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX:
        *form_out = wanted < 0 ? lion_form_value(self->best) : extremes(self, aggregate, wanted, arena);
        return LION_OK;
    case LION_AGGREGATE_RAND: *form_out = draw(self, wanted, arena); return LION_OK;
    case LION_AGGREGATE_SAMPLE: *form_out = sample(self, wanted, arena); return LION_OK;
    default: break;
    }
    *form_out = lion_form_value(value);
    return LION_OK;
}
