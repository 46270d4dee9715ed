/* group_want.c - what an aggregate finds while the values of a group go by, sorted or as they came. */
#include "query/group_want.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/decimal.h"

static double as_double(lion_value value)
{
    return value.type == LION_TYPE_DOUBLE ? value.number : (double)value.bits;
}

static lion_value between_decimals(lion_value low, lion_value high, lion_arena *arena)
{
    lion_value sum, half;
    bool is_exact = lion_decimal_add(&sum, lion_value_slice(low), lion_value_slice(high), arena) == LION_OK &&
                    lion_decimal_parse(&half, lion_slice_text("0.5"), arena) == LION_OK &&
                    lion_decimal_multiply(&sum, lion_value_slice(sum), lion_value_slice(half), arena) == LION_OK;
    return is_exact ? sum : low;
}

lion_value lion_median_between(lion_value low, lion_value high, lion_arena *arena)
{
    int64_t sum = 0;
    if (low.type == LION_TYPE_DECIMAL) return between_decimals(low, high, arena);
    if (low.type != LION_TYPE_DOUBLE && high.type != LION_TYPE_DOUBLE && !__builtin_add_overflow(low.bits, high.bits, &sum) && sum % 2 == 0)
        return lion_value_scalar((lion_type)low.type, sum / 2);
    return lion_value_double((as_double(low) + as_double(high)) / 2);
}

lion_status lion_group_want_fail_number(const lion_group_want *to, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes numbers only", lion_aggregate_name(to->aggregate));
}

lion_status lion_group_want_keep(lion_group_want *to, lion_value value, lion_arena *arena, lion_error *error)
{
    if (to->found_count == to->found_room) {
        size_t room = to->found_room == 0 ? 8 : to->found_room * 2;
        lion_value *found = lion_arena_take(arena, room * sizeof(*found));
        if (found == NULL) return lion_fail_memory(error);
        if (to->found_count > 0) memcpy(found, to->found, to->found_count * sizeof(*found));
        lion_arena_give(arena, to->found);
        to->found = found;
        to->found_room = room;
    }
    to->found[to->found_count++] = value;
    return LION_OK;
}

static size_t random_below(size_t bound)
{
    uint64_t bits = 0;
    lion_random_bytes(&bits, sizeof(bits));
    return (size_t)(bits % bound);
}

typedef struct drawing {
    size_t place;
    uint32_t draw;
} drawing;

static int by_place(const void *a, const void *b)
{
    const drawing *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

#define DRAW_MAX 1000000

/* Which values will be drawn is known before they go by. */
static lion_status begin_rand(lion_group_want *to, size_t count, lion_arena *arena, lion_error *error)
{
    size_t draws = to->wanted < 0 ? 1 : (size_t)to->wanted;
    if (to->wanted > DRAW_MAX) return lion_fail(error, LION_INTERRUPTED, "lion/limit", "rand draws at most %d values", DRAW_MAX);
    drawing *drawn = lion_arena_take(arena, (draws + 1) * sizeof(*drawn));
    if (to->places == NULL) {
        to->places = lion_arena_array(arena, size_t, draws + 1);
        to->draws = lion_arena_array(arena, uint32_t, draws + 1);
    }
    if (drawn == NULL || to->places == NULL || to->draws == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < draws; i++) drawn[i] = (drawing){ .place = random_below(count), .draw = (uint32_t)i };
    qsort(drawn, draws, sizeof(*drawn), by_place);
    lion_status status = LION_OK;
    for (size_t i = 0; i < draws; i++) {
        to->places[i] = drawn[i].place;
        to->draws[i] = drawn[i].draw;
        if (status == LION_OK) status = lion_group_want_keep(to, lion_value_nil(), arena, error);
    }
    lion_arena_give(arena, drawn);
    return status;
}

lion_status lion_group_want_begin(lion_group_want *to, size_t count, lion_arena *arena, lion_error *error)
{
    to->found_count = to->count = 0;
    to->is_found = false;
    return to->aggregate == LION_AGGREGATE_RAND ? begin_rand(to, count, arena, error) : LION_OK;
}

/* Each of all distinct values is among the wanted ones as likely as any other. */
static lion_status add_sample(lion_group_want *to, lion_value value, lion_arena *arena, lion_error *error)
{
    size_t before = to->count++, wanted = (size_t)to->wanted;
    if (before < wanted) return lion_group_want_keep(to, value, arena, error);
    size_t at = random_below(before + 1);
    if (at < wanted) to->found[at] = value;
    return LION_OK;
}

static lion_status add_distinct(lion_group_want *to, size_t place, lion_value value, lion_arena *arena, lion_error *error)
{
    if (place > 0 && lion_value_equal(to->last, value)) return LION_OK;
    to->last = value;
    if (to->aggregate == LION_AGGREGATE_DISTINCT) return lion_group_want_keep(to, value, arena, error);
    if (to->aggregate == LION_AGGREGATE_SAMPLE) return add_sample(to, value, arena, error);
    to->count++;
    return LION_OK;
}

static bool is_numeric(lion_value value)
{
    return lion_type_is_number(value.type) || value.type == LION_TYPE_DECIMAL;
}

/* On file values lie in the order of their kinds. */
static lion_status fail_kinds(lion_error *error)
{
    return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                     "a median of decimals and other numbers together has to be found in memory; raise memory_mb");
}

lion_status lion_group_want_add(lion_group_want *to, size_t place, size_t count, lion_value value, lion_arena *arena, lion_error *error)
{
    size_t wanted = (size_t)to->wanted;
    switch (to->aggregate) {
    case LION_AGGREGATE_MEDIAN:
        if (to->is_found) return LION_OK;
        if (!is_numeric(value)) return lion_group_want_fail_number(to, error);
        if (place > 0 && (value.type == LION_TYPE_DECIMAL) != (to->last.type == LION_TYPE_DECIMAL)) return fail_kinds(error);
        to->last = value;
        return place == (count - 1) / 2 || place == count / 2 ? lion_group_want_keep(to, value, arena, error) : LION_OK;
    case LION_AGGREGATE_MIN: return place < wanted ? lion_group_want_keep(to, value, arena, error) : LION_OK;
    case LION_AGGREGATE_MAX: return count - place <= wanted ? lion_group_want_keep(to, value, arena, error) : LION_OK;
    case LION_AGGREGATE_RAND:
        for (; to->count < to->found_count && to->places[to->count] == place; to->count++) to->found[to->draws[to->count]] = value;
        return LION_OK;
    case LION_AGGREGATE_CUSTOM: return lion_group_want_keep(to, value, arena, error);
    default: return add_distinct(to, place, value, arena, error);
    }
}

/* In no order; drawn one by one. */
static void shuffle(lion_group_want *to)
{
    for (size_t i = 0; i + 1 < to->found_count; i++) {
        size_t other = i + random_below(to->found_count - i);
        lion_value drawn = to->found[other];
        to->found[other] = to->found[i];
        to->found[i] = drawn;
    }
}

static lion_status collect(lion_group_want *to, lion_arena *arena, lion_error *error)
{
    bool is_backward = to->aggregate == LION_AGGREGATE_MAX, is_argument = to->aggregate == LION_AGGREGATE_CUSTOM;
    size_t count = to->found_count;
    lion_form form = lion_form_vector(arena, is_argument ? 0 : count);
    if (is_argument) {
        form.count = (uint32_t)count;
        form.items = lion_arena_take(arena, count * sizeof(lion_form));
    }
    if (count > 0 && form.items == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < count; i++) form.items[i] = lion_form_value(to->found[is_backward ? count - 1 - i : i]);
    to->result = form;
    return LION_OK;
}

lion_status lion_group_want_end(lion_group_want *to, lion_arena *arena, lion_error *error)
{
    lion_value value = lion_value_long((int64_t)to->count);
    bool is_one = to->aggregate == LION_AGGREGATE_COUNT_DISTINCT;
    if (to->aggregate == LION_AGGREGATE_SAMPLE) shuffle(to);
    if (to->aggregate == LION_AGGREGATE_MEDIAN) {
        is_one = true;
        value = to->found_count == 1 ? to->found[0] : lion_median_between(to->found[0], to->found[1], arena);
    }
    if (to->aggregate == LION_AGGREGATE_RAND && to->wanted < 0) {
        is_one = true;
        value = to->found[0];
    }
    if (!is_one) return collect(to, arena, error);
    to->result = lion_form_value(value);
    return LION_OK;
}
