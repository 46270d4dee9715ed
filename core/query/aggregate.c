/* aggregate.c - counts, sums, extremes and variances as they stream.
 *
 * A sum of longs is exact. An average of longs is the sum of doubles that adding them one by one comes to, and as long as no such
 * sum is beyond 2^53 that is the sum of longs, which need not wait for each other. */
#include "query/aggregate.h"

#include <math.h>
#include <stdlib.h>

#include "data/decimal.h"
#include "query/kernels.h"

static const char *const NAMES[] = { "",    "avg",    "count",    "count-distinct", "distinct", "max",  "median",
                                     "min", "stddev", "variance", "sum",            "rand",     "sample" };

const char *lion_aggregate_name(lion_aggregate aggregate)
{
    return NAMES[aggregate];
}

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

bool lion_aggregate_needs_values(lion_aggregate aggregate, int64_t wanted)
{
    switch (aggregate) {
    case LION_AGGREGATE_AVG:
    case LION_AGGREGATE_COUNT:
    case LION_AGGREGATE_STDDEV:
    case LION_AGGREGATE_SUM:
    case LION_AGGREGATE_VARIANCE: return false;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: return wanted >= 0;
    default: return true;
    }
}

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

/* ---- states ---- */

__extension__ typedef __int128 lion_wide;

/* SUM: of longs, and of doubles beside them. AVG: of longs while that is what their doubles come to, from then on of doubles. */
typedef struct sum_state {
    int64_t longs;
    double doubles;
    bool is_inexact;           /* there are doubles */
} sum_state;

/* VARIANCE, STDDEV: integers that are not large exactly, all else by its distance from the first such. */
typedef struct spread_state {
    lion_wide sum, squares;
    uint64_t exact_count, count;
    double first, distances, squared_distances;
} spread_state;

static size_t state_size(lion_aggregate aggregate)
{
    switch (aggregate) {
    case LION_AGGREGATE_SUM:
    case LION_AGGREGATE_AVG: return sizeof(sum_state);
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: return sizeof(lion_value); /* NIL: none yet */
    case LION_AGGREGATE_VARIANCE:
    case LION_AGGREGATE_STDDEV: return sizeof(spread_state);
    default: return 0; /* COUNT: the group's rows are counted once for all */
    }
}

void lion_states_init(lion_states *states, lion_aggregate aggregate, lion_arena *arena)
{
    *states = (lion_states){ .aggregate = aggregate, .arena = arena };
}

static size_t room_for(const lion_states *states, size_t count)
{
    size_t room = states->room == 0 ? 16 : states->room;
    while (room < count) room *= 2;
    return room;
}

size_t lion_states_growth(const lion_states *states, size_t count)
{
    size_t size = state_size(states->aggregate);
    return count <= states->room ? 0 : (room_for(states, count) - states->room) * size;
}

lion_status lion_states_resize(lion_states *states, size_t count, lion_error *error)
{
    size_t size = state_size(states->aggregate), room = room_for(states, count);
    if (size == 0) return LION_OK;
    if (count > states->room) {
        void *items = lion_arena_grow(states->arena, states->items, states->room * size, room * size);
        if (items == NULL || states->arena->is_exhausted) return lion_fail_memory(error);
        states->items = items;
        states->room = room;
    }
    if (count > states->count) memset((uint8_t *)states->items + states->count * size, 0, (count - states->count) * size);
    if (count == 0 && states->decimals != NULL) memset(states->decimals, 0, states->decimal_room * sizeof(lion_value));
    states->count = count;
    return LION_OK;
}

/* ---- sums ---- */

static lion_status fail_sum(lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the sum does not fit into 64 bits");
}

static lion_status fail_number(lion_aggregate aggregate, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes numbers only", NAMES[aggregate]);
}

static lion_status plus_decimal(lion_value *sum, lion_value value, lion_arena *arena, lion_error *error)
{
    if (sum->type != LION_TYPE_DECIMAL) {
        *sum = value;
        return LION_OK;
    }
    lion_status status = lion_decimal_add(sum, lion_value_slice(*sum), lion_value_slice(value), arena);
    if (status != LION_ABSENT) return status;
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the sum has more than %d digits", LION_DECIMAL_DIGITS_MAX);
}

static lion_value decimal_as_double(lion_value value, lion_arena *arena)
{
    return lion_value_double(strtod(lion_value_text(arena, value), NULL));
}

/* Decimals are summed apart, exactly; what else is among them joins at the end. */
static lion_status add_decimal(lion_states *states, size_t group, lion_value value, lion_error *error)
{
    if (group >= states->decimal_room) {
        size_t room = states->room, size = sizeof(lion_value);
        lion_value *decimals = lion_arena_grow(states->arena, states->decimals, states->decimal_room * size, room * size);
        if (decimals == NULL || states->arena->is_exhausted) return lion_fail_memory(error);
        memset(decimals + states->decimal_room, 0, (room - states->decimal_room) * size);
        states->decimals = decimals;
        states->decimal_room = room;
    }
    return plus_decimal(&states->decimals[group], value, states->arena, error);
}

#define EXACT_MAX (INT64_C(1) << 53) /* all integers up to it are doubles */

static inline void average_double(sum_state *sum, double value)
{
    if (!sum->is_inexact) sum->doubles = (double)sum->longs;
    sum->is_inexact = true;
    sum->doubles += value;
}

static inline void average_long(sum_state *sum, int64_t value)
{
    int64_t longs = 0;
    bool is_exact = !sum->is_inexact && !__builtin_add_overflow(sum->longs, value, &longs) && longs <= EXACT_MAX && longs >= -EXACT_MAX;
    if (is_exact) sum->longs = longs;
    else average_double(sum, (double)value);
}

static inline bool sum_long(sum_state *sum, int64_t value)
{
    return !__builtin_add_overflow(sum->longs, value, &sum->longs);
}

static inline void sum_double(sum_state *sum, double value)
{
    sum->is_inexact = true;
    sum->doubles += value;
}

static lion_status add_number(lion_states *states, size_t group, lion_value value, lion_error *error)
{
    sum_state *sum = (sum_state *)states->items + group;
    bool is_sum = states->aggregate == LION_AGGREGATE_SUM;
    if (is_sum && value.type == LION_TYPE_DECIMAL) return add_decimal(states, group, value, error);
    if (value.type == LION_TYPE_DECIMAL) value = decimal_as_double(value, states->arena);
    if (!lion_type_is_number(value.type)) return fail_number(states->aggregate, error);
    bool is_double = value.type == LION_TYPE_DOUBLE;
    if (is_sum && is_double) sum_double(sum, value.number);
    else if (is_double) average_double(sum, value.number);
    else if (!is_sum) average_long(sum, value.bits);
    else if (!sum_long(sum, value.bits)) return fail_sum(error);
    return LION_OK;
}

/* ---- spreads ---- */

#define SPREAD_LONG_MAX (INT64_C(1) << 40) /* 2^32 squares of these are far below 2^127 */

static inline void spread_long(spread_state *spread, int64_t value)
{
    spread->exact_count++;
    spread->sum += value;
    spread->squares += (lion_wide)value * value;
}

static inline void spread_double(spread_state *spread, double value)
{
    if (spread->count++ == 0) spread->first = value;
    double distance = value - spread->first;
    spread->distances += distance;
    spread->squared_distances += isfinite(value) ? distance * distance : NAN;
}

static inline void spread_bits(spread_state *spread, int64_t value)
{
    if (value <= SPREAD_LONG_MAX && value >= -SPREAD_LONG_MAX) spread_long(spread, value);
    else spread_double(spread, (double)value);
}

static lion_status add_spread(lion_states *states, size_t group, lion_value value, lion_error *error)
{
    spread_state *spread = (spread_state *)states->items + group;
    if (value.type == LION_TYPE_DECIMAL) value = decimal_as_double(value, states->arena);
    if (!lion_type_is_number(value.type)) return fail_number(states->aggregate, error);
    if (value.type == LION_TYPE_DOUBLE) spread_double(spread, value.number);
    else spread_bits(spread, value.bits);
    return LION_OK;
}

/* The squared distances from the mean, summed, and the mean, of integers. With the mean's whole part q and n values all is whole:
 * the distances from q, squared and summed, are I; that from the mean is I - r * r / n, where r = sum - n * q. */
static double exact_spread(const spread_state *spread, double *mean_out)
{
    lion_wide n = (lion_wide)spread->exact_count, q = spread->sum / n, r = spread->sum - q * n;
    lion_wide around = spread->squares - q * q * n - 2 * q * r;
    *mean_out = (double)q + (double)r / (double)n;
    bool fits = around < ((lion_wide)1 << 126) / n; /* what is larger loses nothing by being rounded before */
    return fits ? (double)(around * n - r * r) / (double)n : (double)around - (double)r * ((double)r / (double)n);
}

static double inexact_spread(const spread_state *spread, double *mean_out)
{
    double n = (double)spread->count, off = spread->distances / n;
    *mean_out = spread->first + off;
    if (!isfinite(spread->squared_distances)) return spread->squared_distances;
    return fmax(0, spread->squared_distances - spread->distances * off);
}

/* Of the population. */
static double variance(const spread_state *spread)
{
    double exact_mean = 0, mean = 0, exact_count = (double)spread->exact_count, count = (double)spread->count;
    double exact = spread->exact_count == 0 ? 0 : exact_spread(spread, &exact_mean);
    if (spread->count == 0) return exact / exact_count;
    double inexact = inexact_spread(spread, &mean), apart = mean - exact_mean, all = exact_count + count;
    if (spread->exact_count == 0) return inexact / count;
    return (exact + inexact + apart * apart * (exact_count * count / all)) / all;
}

/* ---- one by one ---- */

lion_status lion_states_add(lion_states *states, size_t group, lion_value value, lion_error *error)
{
    switch (states->aggregate) {
    case LION_AGGREGATE_AVG:
    case LION_AGGREGATE_SUM: return add_number(states, group, value, error);
    case LION_AGGREGATE_VARIANCE:
    case LION_AGGREGATE_STDDEV: return add_spread(states, group, value, error);
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: break;
    default: return LION_OK;
    }
    lion_value *best = (lion_value *)states->items + group;
    int order = best->type == LION_TYPE_NIL ? 0 : lion_value_compare(value, *best);
    bool is_best = states->aggregate == LION_AGGREGATE_MIN ? order < 0 : order > 0;
    if (is_best || best->type == LION_TYPE_NIL) *best = value;
    return LION_OK;
}

lion_status lion_states_add_weighed(lion_states *states, size_t group, lion_value value, uint64_t rows, lion_error *error)
{
    int64_t product = 0;
    bool is_sum = states->aggregate == LION_AGGREGATE_SUM, is_average = states->aggregate == LION_AGGREGATE_AVG;
    if ((!is_sum && !is_average) || !lion_type_is_number(value.type)) return lion_states_add(states, group, value, error);
    sum_state *sum = (sum_state *)states->items + group;
    bool is_double = value.type == LION_TYPE_DOUBLE, is_whole = !is_double && rows <= INT64_MAX;
    bool fits = is_whole && !__builtin_mul_overflow(value.bits, (int64_t)rows, &product);
    if (is_double && is_sum) sum_double(sum, value.number * (double)rows);
    else if (is_sum && (!fits || !sum_long(sum, product))) return fail_sum(error);
    else if (is_average && fits) average_long(sum, product);
    else if (is_average) average_double(sum, (is_double ? value.number : (double)value.bits) * (double)rows);
    return LION_OK;
}

/* ---- a column at a time ---- */

static inline uint32_t row_at(const uint16_t *selection, uint32_t i)
{
    return selection != NULL ? selection[i] : i;
}

static inline double double_of(int64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}

/* Of an average: no sum on the way is beyond EXACT_MAX, whatever the batch's small values are. */
static bool has_slack(const sum_state *sum)
{
    return !sum->is_inexact && sum->longs <= EXACT_MAX / 2 && sum->longs >= -EXACT_MAX / 2;
}

/* As lion_kernel_sum, of selected rows too. */
static bool sum_small(int64_t *sum_out, const int64_t *bits, const uint16_t *selection, uint32_t rows)
{
    uint64_t sum = 0, large = 0;
    if (rows > LION_KERNEL_SUM_MAX) return false;
    if (selection == NULL) return lion_kernel_sum(sum_out, bits, rows);
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t value = (uint64_t)bits[selection[i]];
        sum += value;
        large |= value + LION_KERNEL_SMALL;
    }
    *sum_out = (int64_t)sum;
    return large < 2 * LION_KERNEL_SMALL;
}

#define FEW 16

/* The same for each of a few groups; every second row into a part of its own, so that few wait for the row before. */
static bool sum_few(int64_t *sums_out, const lion_grouping *grouping, const int64_t *bits, const uint16_t *selection, uint32_t rows)
{
    uint64_t parts[2][FEW] = { { 0 } }, large = 0;
    bool is_plain = selection == NULL && grouping->count <= LION_KERNEL_SUMMED_MAX;
    if (rows > LION_KERNEL_SUM_MAX) return false;
    if (is_plain) return lion_kernel_sum_groups(sums_out, bits, grouping->numbers, rows, (uint32_t)grouping->count);
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t value = (uint64_t)bits[row_at(selection, i)];
        parts[i & 1][grouping->numbers[i]] += value;
        large |= value + LION_KERNEL_SMALL;
    }
    for (size_t group = 0; group < grouping->count; group++) sums_out[group] = (int64_t)(parts[0][group] + parts[1][group]);
    return large < 2 * LION_KERNEL_SMALL;
}

/* Longs of one group or a few. false: each has to be looked at, nothing was done. */
static bool sum_quickly(lion_states *states, const lion_grouping *grouping, const int64_t *bits, const uint16_t *selection, uint32_t rows)
{
    int64_t sums[FEW] = { 0 }, all = 0;
    sum_state *items = states->items;
    if (grouping->count > FEW) return false;
    for (size_t group = 0; group < grouping->count; group++) {
        if (states->aggregate == LION_AGGREGATE_AVG && !has_slack(&items[group])) return false;
    }
    bool is_small = grouping->is_one ? sum_small(sums, bits, selection, rows) : sum_few(sums, grouping, bits, selection, rows);
    if (!is_small) return false;
    for (size_t group = 0; group < grouping->count; group++)
        if (__builtin_add_overflow(items[group].longs, sums[group], &all)) return false;
    for (size_t group = 0; group < grouping->count; group++) items[group].longs += sums[group];
    return true;
}

static lion_status sum_rows(lion_states *states, const lion_grouping *grouping, const lion_batch *batch, const lion_vector *column, lion_error *error)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    bool is_double = column->type == LION_TYPE_DOUBLE, is_sum = states->aggregate == LION_AGGREGATE_SUM;
    sum_state *items = states->items;
    if (!is_double && sum_quickly(states, grouping, column->bits, batch->selection, rows)) return LION_OK;
    for (uint32_t i = 0; i < rows; i++) {
        sum_state *sum = &items[grouping->is_one ? 0 : grouping->numbers[i]];
        int64_t bits = column->bits[row_at(batch->selection, i)];
        if (is_double && is_sum) sum_double(sum, double_of(bits));
        else if (is_double) average_double(sum, double_of(bits));
        else if (!is_sum) average_long(sum, bits);
        else if (!sum_long(sum, bits)) return fail_sum(error);
    }
    return LION_OK;
}

#define SQUARED_MAX (INT64_C(1) << 26) /* LION_BATCH_ROWS squares of these fit */

/* Integers of one group, if none is large. */
static bool spread_quickly(spread_state *spread, const int64_t *bits, const uint16_t *selection, uint32_t rows)
{
    uint64_t sum = 0, squares = 0, large = 0;
    if (rows > LION_KERNEL_SUM_MAX) return false;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t value = (uint64_t)bits[row_at(selection, i)];
        sum += value;
        squares += value * value;
        large |= value + SQUARED_MAX;
    }
    if (large >= 2 * SQUARED_MAX) return false;
    spread->exact_count += rows;
    spread->sum += (int64_t)sum;
    spread->squares += squares;
    return true;
}

static void spread_rows(lion_states *states, const lion_grouping *grouping, const lion_batch *batch, const lion_vector *column)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    spread_state *items = states->items;
    bool is_double = column->type == LION_TYPE_DOUBLE;
    if (grouping->is_one && !is_double && spread_quickly(items, column->bits, batch->selection, rows)) return;
    for (uint32_t i = 0; i < rows; i++) {
        spread_state *spread = &items[grouping->is_one ? 0 : grouping->numbers[i]];
        int64_t bits = column->bits[row_at(batch->selection, i)];
        if (is_double) spread_double(spread, double_of(bits));
        else spread_bits(spread, bits);
    }
}

/* All values so far have the column's type (or there are none). */
static bool is_of_type(const lion_value *best, const lion_grouping *grouping, uint32_t rows, uint8_t type)
{
    bool is_other = false;
    if (grouping->is_one) return best->type == LION_TYPE_NIL || best->type == type;
    for (uint32_t i = 0; i < rows; i++) {
        uint8_t found = best[grouping->numbers[i]].type;
        is_other = is_other || (found != LION_TYPE_NIL && found != type);
    }
    return !is_other;
}

static int64_t extreme(const int64_t *bits, const uint16_t *selection, uint32_t rows, bool is_least)
{
    int64_t best = bits[row_at(selection, 0)];
    for (uint32_t i = 1; i < rows; i++) {
        int64_t value = bits[row_at(selection, i)];
        best = (is_least ? value < best : value > best) ? value : best;
    }
    return best;
}

/* Scalars but doubles compare as their bits. */
static void best_rows(lion_states *states, const lion_grouping *grouping, const lion_batch *batch, const lion_vector *column)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    bool is_least = states->aggregate == LION_AGGREGATE_MIN;
    lion_value *items = states->items;
    int64_t one = grouping->is_one ? extreme(column->bits, batch->selection, rows, is_least) : 0;
    for (uint32_t i = 0; i < (grouping->is_one ? 1 : rows); i++) {
        lion_value *best = &items[grouping->is_one ? 0 : grouping->numbers[i]];
        int64_t bits = grouping->is_one ? one : column->bits[row_at(batch->selection, i)];
        bool is_best = best->type == LION_TYPE_NIL || (is_least ? bits < best->bits : bits > best->bits);
        if (is_best) *best = lion_value_scalar((lion_type)column->type, bits);
    }
}

lion_status lion_states_add_column(lion_states *states, const lion_grouping *grouping, const lion_batch *batch, uint32_t slot, lion_error *error)
{
    const lion_vector *column = &batch->columns[slot];
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    bool is_extreme = states->aggregate == LION_AGGREGATE_MIN || states->aggregate == LION_AGGREGATE_MAX;
    if (states->aggregate == LION_AGGREGATE_COUNT || rows == 0) return LION_OK;
    if (column->is_constant || !lion_type_is_scalar(column->type) || column->type == LION_TYPE_NIL) return LION_ABSENT;
    if (is_extreme) {
        if (column->type == LION_TYPE_DOUBLE || !is_of_type(states->items, grouping, rows, column->type)) return LION_ABSENT;
        best_rows(states, grouping, batch, column);
        return LION_OK;
    }
    if (!lion_type_is_number(column->type)) return LION_ABSENT;
    if (states->aggregate == LION_AGGREGATE_SUM || states->aggregate == LION_AGGREGATE_AVG) return sum_rows(states, grouping, batch, column, error);
    spread_rows(states, grouping, batch, column);
    return LION_OK;
}

/* ---- in parts ---- */

/* Of whole numbers. */
static uint64_t largest_of(const lion_batch *batch, const lion_vector *column)
{
    uint32_t rows = batch->selection != NULL ? batch->selected : batch->count;
    uint64_t bits = 0;
    if (column->is_constant) rows = rows > 0;
    for (uint32_t i = 0; i < rows; i++) {
        int64_t value = column->bits[column->is_constant ? 0 : row_at(batch->selection, i)];
        bits |= (uint64_t)(value ^ (value >> 63)); /* of -8 as of 7 */
    }
    return bits == 0 ? 1 : bits + 1;
}

bool lion_states_read_largest(const lion_states *states, const lion_batch *batch, uint32_t slot, uint64_t *largest)
{
    const lion_vector *column = &batch->columns[slot];
    if (states->aggregate == LION_AGGREGATE_MIN || states->aggregate == LION_AGGREGATE_MAX) /* values that are equal are the same */
        return column->type == LION_TYPE_LONG || column->type == LION_TYPE_INSTANT || column->type == LION_TYPE_REF;
    if (column->type != LION_TYPE_LONG) return false;
    uint64_t found = largest_of(batch, column);
    if (found > *largest) *largest = found;
    return true;
}

bool lion_states_is_exact(const lion_states *states, uint64_t rows, uint64_t largest)
{
    uint64_t most = 0;
    bool fits = !__builtin_mul_overflow(rows, largest, &most);
    switch (states->aggregate) {
    case LION_AGGREGATE_SUM: return fits && most <= INT64_MAX;
    case LION_AGGREGATE_AVG: return fits && most <= EXACT_MAX;
    case LION_AGGREGATE_VARIANCE:
    case LION_AGGREGATE_STDDEV: return largest <= SPREAD_LONG_MAX;
    default: return true;
    }
}

static void merge_spread(spread_state *spread, const spread_state *part)
{
    spread->exact_count += part->exact_count;
    spread->sum += part->sum;
    spread->squares += part->squares;
}

lion_status lion_states_merge(lion_states *states, size_t group, const lion_states *from, size_t from_group, lion_error *error)
{
    switch (states->aggregate) {
    case LION_AGGREGATE_AVG:
    case LION_AGGREGATE_SUM:
        return sum_long((sum_state *)states->items + group, ((const sum_state *)from->items + from_group)->longs) ? LION_OK : fail_sum(error);
    case LION_AGGREGATE_VARIANCE:
    case LION_AGGREGATE_STDDEV: merge_spread((spread_state *)states->items + group, (const spread_state *)from->items + from_group); return LION_OK;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: return lion_states_add(states, group, ((const lion_value *)from->items)[from_group], error);
    default: return LION_OK;
    }
}

/* ---- what they come to ---- */

/* The sum of decimals and of the longs and doubles that were among them. */
static lion_status finish_decimals(lion_form *form_out, const lion_states *states, size_t group, lion_error *error)
{
    const sum_state *sum = (const sum_state *)states->items + group;
    lion_value others[2] = { lion_value_long(sum->longs), lion_value_double(sum->doubles) }, all = states->decimals[group];
    for (int i = 0; i < (sum->is_inexact ? 2 : 1); i++) {
        lion_value decimal;
        lion_slice text = lion_slice_text(lion_value_text(states->arena, others[i]));
        if (lion_decimal_parse(&decimal, text, states->arena) != LION_OK)
            return lion_fail(error, LION_INCORRECT, "lion/overflow", "%.*s is in no sum of decimals", (int)text.size, (const char *)text.data);
        lion_status status = plus_decimal(&all, decimal, states->arena, error);
        if (status != LION_OK) return status;
    }
    *form_out = lion_form_value(all);
    return LION_OK;
}

lion_status lion_states_finish(lion_form *form_out, const lion_states *states, size_t group, uint64_t rows, lion_error *error)
{
    const sum_state *sum = (const sum_state *)states->items + group;
    const spread_state *spread = (const spread_state *)states->items + group;
    lion_value value = lion_value_long((int64_t)rows); /* COUNT */
    switch (states->aggregate) {
    case LION_AGGREGATE_SUM:
        if (group < states->decimal_room && states->decimals[group].type == LION_TYPE_DECIMAL) return finish_decimals(form_out, states, group, error);
        value = sum->is_inexact ? lion_value_double(sum->doubles + (double)sum->longs) : lion_value_long(sum->longs);
        break;
    case LION_AGGREGATE_AVG: value = lion_value_double((sum->is_inexact ? sum->doubles : (double)sum->longs) / (double)rows); break;
    case LION_AGGREGATE_VARIANCE: value = lion_value_double(variance(spread)); break;
    case LION_AGGREGATE_STDDEV: value = lion_value_double(sqrt(variance(spread))); break;
    case LION_AGGREGATE_MIN:
    case LION_AGGREGATE_MAX: value = ((const lion_value *)states->items)[group]; break;
    default: break;
    }
    *form_out = lion_form_value(value);
    return LION_OK;
}
