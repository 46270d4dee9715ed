/* group_values.c - values in the order in which they came, then group by group; what is made of a group's.
 *
 * In memory the numbers of rows by group tell where each group's values begin. On file a row is its group and its value (or its
 * group and its place, and its value), by which the sorter has them in order. */
#include "query/group_values.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/clock.h"
#include "data/decimal.h"
#include "query/sorter.h"

/* Values as they came: all of one scalar type, or tagged. */
typedef struct part {
    struct part *next;
    size_t count, room;
    uint8_t type;              /* MIXED: tagged */
    union {
        int64_t *bits;
        lion_value *values;
    };
    uint32_t *groups;          /* NULL: all are of group 0 */
} part;

/* One aggregate, and what it has found of the group at hand. */
typedef struct want {
    lion_aggregate aggregate;
    int64_t wanted;
    lion_value *found;
    size_t found_count, found_room;
    size_t *places;            /* RAND: of the values that are drawn, ascending … */
    uint32_t *draws;           /* … and which draw each is */
    size_t count;              /* COUNT_DISTINCT; RAND: drawn so far; SAMPLE: distinct ones so far */
    lion_value last;           /* the last distinct one */
    lion_form result;
} want;

struct lion_group_values {
    lion_run *run;
    bool keeps_order;          /* values come as they came */
    bool needs_order;          /* some aggregate beside medians wants them sorted */
    want *wants;
    uint32_t want_count, want_room;
    part *first, *last;
    size_t count;
    uint64_t *counts;          /* by group; only 0 while all are of group 0 */
    size_t group_count, group_room;
    bool has_types;            /* parts have several */
    /* laid out */
    bool is_laid_out;
    uint8_t type;              /* MIXED: values */
    int64_t *bits;
    lion_value *values;
    size_t *ends;              /* by group; NULL: there is one */
    bool has_medians;          /* of the group at hand: they have been found, apart */
    /* on file */
    bool is_on_file;
    lion_sorter sorter;
};

lion_group_values *lion_group_values_new(lion_run *run, bool keeps_order)
{
    lion_group_values *self = lion_arena_new(&run->arena, lion_group_values);
    self->run = run;
    self->keeps_order = keeps_order;
    return self;
}

uint32_t lion_group_values_want(lion_group_values *self, lion_aggregate aggregate, int64_t wanted)
{
    lion_arena *arena = &self->run->arena;
    if (self->want_count == self->want_room) {
        uint32_t room = self->want_room == 0 ? 4 : self->want_room * 2;
        self->wants = lion_arena_grow(arena, self->wants, self->want_room * sizeof(want), room * sizeof(want));
        self->want_room = room;
    }
    self->wants[self->want_count] = (want){ .aggregate = aggregate, .wanted = wanted };
    bool is_direct = aggregate == LION_AGGREGATE_MEDIAN || aggregate == LION_AGGREGATE_RAND || aggregate == LION_AGGREGATE_CUSTOM;
    self->needs_order = self->needs_order || !is_direct;
    return self->want_count++;
}

static void free_part(lion_group_values *self, part *old)
{
    lion_arena_give(&self->run->arena, old->values);
    lion_arena_give(&self->run->arena, old->groups);
    old->values = NULL;
    old->groups = NULL;
}

static void free_parts(lion_group_values *self)
{
    for (part *at = self->first; at != NULL; at = at->next) free_part(self, at);
    self->first = self->last = NULL;
}

lion_status lion_group_values_reset(lion_group_values *self, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    free_parts(self);
    lion_arena_give(arena, self->bits);
    lion_arena_give(arena, self->values);
    lion_arena_give(arena, self->ends);
    self->bits = NULL;
    self->values = NULL;
    self->ends = NULL;
    self->count = self->group_count = 0;
    self->is_laid_out = self->has_types = self->is_on_file = false;
    return lion_arena_check(arena, error);
}

/* ---- on file ---- */

static const lion_sort_key ORDERS[2];

static void sorter_init(lion_group_values *self)
{
    lion_sorter_init(&self->sorter, self->run, self->keeps_order ? 3 : 2, ORDERS, 2);
}

/* place: of the value among all. */
static lion_status add_to_file(lion_group_values *self, size_t group, lion_value value, size_t place, lion_error *error)
{
    lion_form sorted[2] = { lion_form_value(lion_value_long((int64_t)group)), lion_form_value(value) };
    lion_form kept[3] = { sorted[1], sorted[0], lion_form_value(lion_value_long((int64_t)place)) };
    return lion_sorter_add(&self->sorter, self->keeps_order ? kept : sorted, error);
}

static lion_value value_at(const part *from, size_t i)
{
    return from->type == LION_TYPE_MIXED ? from->values[i] : lion_value_scalar((lion_type)from->type, from->bits[i]);
}

#define CHECK_EVERY 4096

/* Everything so far goes to the sorter. */
static lion_status go_on_file(lion_group_values *self, lion_error *error)
{
    lion_status status = LION_OK;
    size_t place = 0;
    sorter_init(self);
    for (part *from = self->first; from != NULL; from = self->first) {
        for (size_t i = 0; status == LION_OK && i < from->count; i++, place++) {
            status = add_to_file(self, from->groups == NULL ? 0 : from->groups[i], value_at(from, i), place, error);
            if (status == LION_OK && i % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        }
        if (status != LION_OK) return status;
        self->first = from->next;
        free_part(self, from);
    }
    self->last = NULL;
    self->is_on_file = true;
    return LION_OK;
}

lion_status lion_group_values_spill(lion_group_values *self, lion_error *error)
{
    return self->is_on_file || self->count == 0 ? LION_OK : go_on_file(self, error);
}

/* ---- adding ---- */

#define PART_MIN 256
#define PART_MAX 65536
#define PART_SHARE 3 /* a part is at least such a share of what is there already */

static size_t part_size(uint8_t type, bool has_groups, size_t room)
{
    return room * ((type == LION_TYPE_MIXED ? sizeof(lion_value) : sizeof(int64_t)) + (has_groups ? sizeof(uint32_t) : 0));
}

/* A part for `count` more of the type. LION_ABSENT: the memory has no room, they go on file. */
static lion_status make_part(lion_group_values *self, uint8_t type, bool has_groups, size_t count, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    size_t room = self->count / PART_SHARE < PART_MIN ? PART_MIN : self->count / PART_SHARE;
    if (room > PART_MAX) room = PART_MAX;
    if (room < count) room = count;
    if (lion_run_is_tight(self->run, self->count, part_size(type, has_groups, room))) {
        lion_status status = go_on_file(self, error);
        return status == LION_OK ? LION_ABSENT : status;
    }
    part *made = lion_arena_new(arena, part);
    *made = (part){ .room = room, .type = type };
    made->values = lion_arena_take(arena, part_size(type, false, room));
    if (has_groups) made->groups = lion_arena_take(arena, room * sizeof(uint32_t));
    if (made->values == NULL || (has_groups && made->groups == NULL) || arena->is_exhausted) return lion_fail_memory(error);
    if (self->last == NULL) self->first = made;
    else self->last->next = made;
    self->last = made;
    return LION_OK;
}

/* Room for `count` more of the type in one part. */
static lion_status need_room(lion_group_values *self, uint8_t *type, bool has_groups, size_t count, lion_error *error)
{
    const part *last = self->last;
    if (self->is_on_file) return LION_ABSENT;
    self->has_types = self->has_types || (last != NULL && last->type != *type);
    if (self->has_types) *type = LION_TYPE_MIXED; /* from now on */
    bool is_full = lion_run_is_tight(self->run, self->count, 0);
    bool has_room = last != NULL && last->type == *type && (last->groups != NULL) == has_groups && last->count + count <= last->room;
    return has_room && !is_full ? LION_OK : make_part(self, *type, has_groups, count, error);
}

static lion_status count_groups(lion_group_values *self, size_t count, lion_error *error)
{
    if (count <= self->group_count) return LION_OK;
    if (count > self->group_room) {
        size_t room = self->group_room == 0 ? 16 : self->group_room;
        while (room < count) room *= 2;
        self->counts = lion_arena_grow(&self->run->arena, self->counts, self->group_room * sizeof(uint64_t), room * sizeof(uint64_t));
        if (self->counts == NULL || self->run->arena.is_exhausted) return lion_fail_memory(error);
        self->group_room = room;
    }
    memset(self->counts + self->group_count, 0, (count - self->group_count) * sizeof(uint64_t));
    self->group_count = count;
    return LION_OK;
}

lion_status lion_group_values_add(lion_group_values *self, size_t group, lion_value value, lion_error *error)
{
    uint8_t type = LION_TYPE_MIXED;
    if (count_groups(self, group + 1, error) != LION_OK) return LION_FAILED;
    bool has_groups = self->group_count > 1 || (self->last != NULL && self->last->groups != NULL);
    lion_status status = need_room(self, &type, has_groups, 1, error);
    if (status == LION_ABSENT) status = add_to_file(self, group, value, self->count, error);
    else if (status == LION_OK) {
        part *to = self->last;
        if (to->groups != NULL) to->groups[to->count] = (uint32_t)group;
        to->values[to->count++] = value;
    }
    self->count += status == LION_OK;
    self->counts[group] += status == LION_OK;
    return status;
}

static inline uint32_t row_at(const lion_batch *batch, uint32_t i)
{
    return batch->selection != NULL ? batch->selection[i] : i;
}

static void put_rows(part *to, const lion_grouping *grouping, const lion_batch *batch, const lion_vector *column, uint32_t rows)
{
    int64_t *bits = to->bits + to->count;
    lion_value *values = to->values + to->count;
    uint32_t *groups = to->groups == NULL ? NULL : to->groups + to->count;
    for (uint32_t i = 0; to->type != LION_TYPE_MIXED && i < rows; i++) bits[i] = column->bits[row_at(batch, i)];
    for (uint32_t i = 0; to->type == LION_TYPE_MIXED && i < rows; i++) values[i] = lion_vector_get(column, row_at(batch, i));
    for (uint32_t i = 0; groups != NULL && i < rows; i++) groups[i] = grouping->is_one ? 0 : grouping->numbers[i];
    to->count += rows;
}

lion_status lion_group_values_add_column(lion_group_values *self, const lion_grouping *grouping, const lion_batch *batch, uint32_t slot,
                                         lion_error *error)
{
    const lion_vector *column = &batch->columns[slot];
    uint32_t rows = lion_batch_rows(batch);
    uint8_t type = !column->is_constant && lion_type_is_scalar(column->type) ? column->type : LION_TYPE_MIXED;
    if (rows == 0) return LION_OK;
    if (self->is_on_file) return LION_ABSENT;
    if (count_groups(self, grouping->count, error) != LION_OK) return LION_FAILED;
    lion_status status = need_room(self, &type, !grouping->is_one, rows, error);
    if (status != LION_OK) return status;
    put_rows(self->last, grouping, batch, column, rows);
    if (grouping->is_one) self->counts[0] += rows;
    for (uint32_t i = 0; !grouping->is_one && i < rows; i++) self->counts[grouping->numbers[i]]++;
    self->count += rows;
    return LION_OK;
}

/* ---- group by group, in memory ---- */

static uint8_t type_of_all(const lion_group_values *self)
{
    uint8_t type = self->first == NULL ? LION_TYPE_MIXED : self->first->type;
    for (const part *at = self->first; at != NULL; at = at->next)
        if (at->type != type) return LION_TYPE_MIXED;
    return type;
}

/* Where each group begins; as its values are laid down, that becomes where it ends. */
static void find_ends(lion_group_values *self)
{
    size_t at = 0;
    for (size_t group = 0; group < self->group_count; group++) {
        self->ends[group] = at;
        at += self->counts[group];
    }
}

static void lay_down(lion_group_values *self, const part *from, size_t *one)
{
    for (size_t i = 0; i < from->count; i++) {
        size_t *end = self->ends == NULL ? one : &self->ends[from->groups == NULL ? 0 : from->groups[i]];
        if (self->type != LION_TYPE_MIXED) self->bits[*end] = from->bits[i];
        else self->values[*end] = value_at(from, i);
        (*end)++;
    }
}

static lion_status lay_out(lion_group_values *self, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    size_t one = 0;
    lion_status status = LION_OK;
    self->type = type_of_all(self);
    self->is_laid_out = true;
    if (self->group_count > 1) self->ends = lion_arena_take(arena, self->group_count * sizeof(size_t));
    if (self->type != LION_TYPE_MIXED) self->bits = lion_arena_take(arena, self->count * sizeof(int64_t));
    else self->values = lion_arena_take(arena, self->count * sizeof(lion_value));
    bool is_there = (self->bits != NULL || self->values != NULL) && (self->group_count <= 1 || self->ends != NULL);
    if (!is_there || arena->is_exhausted) return lion_fail_memory(error);
    if (self->ends != NULL) find_ends(self);
    for (part *from = self->first; status == LION_OK && from != NULL; from = self->first) {
        lay_down(self, from, &one);
        self->first = from->next;
        free_part(self, from);
        status = lion_run_check(self->run, error);
    }
    self->last = NULL;
    return status;
}

/* ---- sorting ---- */

#define RADIX_VALUES_MIN 256
#define RADIX_BYTES 8
#define SIGN (UINT64_C(1) << 63)

/* In the order of the values of a type. */
static uint64_t key_of_bits(int64_t bits, uint8_t type)
{
    double number;
    if (type != LION_TYPE_DOUBLE) return (uint64_t)bits ^ SIGN;
    memcpy(&number, &bits, sizeof(number));
    if (isnan(number)) return UINT64_MAX;
    uint64_t plain = number == 0 ? 0 : (uint64_t)bits; /* one zero */
    return plain & SIGN ? ~plain : plain | SIGN;
}

static int64_t bits_of_key(uint64_t key, uint8_t type)
{
    if (type != LION_TYPE_DOUBLE) return (int64_t)(key ^ SIGN);
    return (int64_t)(key & SIGN ? key ^ SIGN : ~key);
}

static int by_key(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static int by_value(const void *a, const void *b)
{
    return lion_value_compare(*(const lion_value *)a, *(const lion_value *)b);
}

/* Byte by byte, from the last, bytes that are the same for all left out. */
static void sort_keys(uint64_t *keys, uint64_t *room, size_t count)
{
    size_t counts[RADIX_BYTES][256] = { { 0 } };
    uint64_t *from = keys, *to = room;
    for (size_t i = 0; i < count; i++)
        for (int byte = 0; byte < RADIX_BYTES; byte++) counts[byte][keys[i] >> (8 * byte) & 255]++;
    for (int byte = 0; byte < RADIX_BYTES; byte++) {
        size_t *places = counts[byte], place = 0;
        if (places[from[0] >> (8 * byte) & 255] == count) continue;
        for (int digit = 0; digit < 256; digit++) {
            size_t here = places[digit];
            places[digit] = place;
            place += here;
        }
        for (size_t i = 0; i < count; i++) to[places[from[i] >> (8 * byte) & 255]++] = from[i];
        uint64_t *read = from;
        from = to;
        to = read;
    }
    if (from != keys) memcpy(keys, from, count * sizeof(*keys));
}

/* Which no key tells from the other zero. */
static bool has_negative_zero(const int64_t *bits, size_t count)
{
    bool has = false;
    for (size_t i = 0; i < count; i++) has = has || (uint64_t)bits[i] == SIGN;
    return has;
}

/* Bits of one type, in place. LION_ABSENT: they have to be values. */
static lion_status sort_bits(lion_group_values *self, int64_t *bits, size_t count, lion_error *error)
{
    uint64_t *keys = (uint64_t *)bits;
    if (self->type == LION_TYPE_DOUBLE && has_negative_zero(bits, count)) return LION_ABSENT;
    for (size_t i = 0; i < count; i++) keys[i] = key_of_bits(bits[i], self->type);
    if (count >= RADIX_VALUES_MIN) {
        uint64_t *room = lion_arena_take(&self->run->arena, count * sizeof(*room));
        if (room == NULL) return lion_fail_memory(error);
        sort_keys(keys, room, count);
        lion_arena_give(&self->run->arena, room);
    } else {
        qsort(keys, count, sizeof(*keys), by_key);
    }
    for (size_t i = 0; i < count; i++) bits[i] = bits_of_key(keys[i], self->type);
    return LION_OK;
}

/* ---- the median without sorting ---- */

/* The key that would stand at `nth` if they were sorted: a byte at a time from the first bit that differs on, those that share all bits
 * so far stay. */
static uint64_t select_key(uint64_t *keys, size_t count, size_t nth)
{
    uint64_t differs = 0;
    for (size_t i = 1; i < count; i++) differs |= keys[i] ^ keys[0];
    for (int top = differs == 0 ? 0 : 64 - __builtin_clzll(differs); top > 0 && count > 1; top -= 8) {
        int shift = top > 8 ? top - 8 : 0;
        size_t counts[256] = { 0 }, left = 0;
        uint32_t digit = 0;
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

/* The one that would stand before the first `key`. There are so many that are less. */
static uint64_t key_before(const int64_t *bits, size_t count, uint8_t type, uint64_t key, size_t *less_out)
{
    uint64_t most = 0;
    size_t less = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t other = key_of_bits(bits[i], type);
        bool is_less = other < key;
        less += is_less;
        most = is_less && other > most ? other : most;
    }
    *less_out = less;
    return most;
}

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

static lion_value between(lion_value low, lion_value high, lion_arena *arena)
{
    int64_t sum = 0;
    if (low.type == LION_TYPE_DECIMAL) return between_decimals(low, high, arena);
    if (low.type != LION_TYPE_DOUBLE && high.type != LION_TYPE_DOUBLE && !__builtin_add_overflow(low.bits, high.bits, &sum) && sum % 2 == 0)
        return lion_value_scalar((lion_type)low.type, sum / 2);
    return lion_value_double((as_double(low) + as_double(high)) / 2);
}

static lion_status fail_number(const want *to, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "the aggregate %s takes numbers only", lion_aggregate_name(to->aggregate));
}

static lion_status select_median(lion_group_values *self, want *to, const int64_t *bits, size_t count, lion_error *error)
{
    size_t less = 0;
    if (!lion_type_is_number(self->type)) return fail_number(to, error);
    uint64_t *keys = lion_arena_take(&self->run->arena, count * sizeof(*keys));
    if (keys == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < count; i++) keys[i] = key_of_bits(bits[i], self->type);
    uint64_t high = select_key(keys, count, count / 2), low = high;
    lion_arena_give(&self->run->arena, keys);
    if (count % 2 == 0) {
        uint64_t before = key_before(bits, count, self->type, high, &less);
        if (less == count / 2) low = before;
    }
    lion_value upper = lion_value_scalar((lion_type)self->type, bits_of_key(high, self->type));
    if (count % 2 == 1) to->result = lion_form_value(upper);
    else to->result = lion_form_value(between(lion_value_scalar((lion_type)self->type, bits_of_key(low, self->type)), upper, &self->run->arena));
    return LION_OK;
}

/* ---- what is found while the values go by, sorted or as they came ---- */

static lion_status keep(lion_group_values *self, want *to, lion_value value, lion_error *error)
{
    if (to->found_count == to->found_room) {
        size_t room = to->found_room == 0 ? 8 : to->found_room * 2;
        lion_value *found = lion_arena_take(&self->run->arena, room * sizeof(*found));
        if (found == NULL) return lion_fail_memory(error);
        if (to->found_count > 0) memcpy(found, to->found, to->found_count * sizeof(*found));
        lion_arena_give(&self->run->arena, to->found);
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
static lion_status begin_rand(lion_group_values *self, want *to, size_t count, lion_error *error)
{
    size_t draws = to->wanted < 0 ? 1 : (size_t)to->wanted;
    if (to->wanted > DRAW_MAX) return lion_fail(error, LION_INTERRUPTED, "lion/limit", "rand draws at most %d values", DRAW_MAX);
    lion_arena *arena = &self->run->arena;
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
        if (status == LION_OK) status = keep(self, to, lion_value_nil(), error);
    }
    lion_arena_give(arena, drawn);
    return status;
}

static lion_status begin(lion_group_values *self, want *to, size_t count, lion_error *error)
{
    to->found_count = to->count = 0;
    return to->aggregate == LION_AGGREGATE_RAND ? begin_rand(self, to, count, error) : LION_OK;
}

/* Each of all distinct values is among the wanted ones as likely as any other. */
static lion_status add_sample(lion_group_values *self, want *to, lion_value value, lion_error *error)
{
    size_t before = to->count++, wanted = (size_t)to->wanted;
    if (before < wanted) return keep(self, to, value, error);
    size_t at = random_below(before + 1);
    if (at < wanted) to->found[at] = value;
    return LION_OK;
}

static lion_status add_distinct(lion_group_values *self, want *to, size_t place, lion_value value, lion_error *error)
{
    if (place > 0 && lion_value_equal(to->last, value)) return LION_OK;
    to->last = value;
    if (to->aggregate == LION_AGGREGATE_DISTINCT) return keep(self, to, value, error);
    if (to->aggregate == LION_AGGREGATE_SAMPLE) return add_sample(self, to, value, error);
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

/* The value at `place` of `count`. */
static lion_status add_sorted(lion_group_values *self, want *to, size_t place, size_t count, lion_value value, lion_error *error)
{
    size_t wanted = (size_t)to->wanted;
    switch (to->aggregate) {
    case LION_AGGREGATE_MEDIAN:
        if (self->has_medians) return LION_OK;
        if (!is_numeric(value)) return fail_number(to, error);
        if (place > 0 && (value.type == LION_TYPE_DECIMAL) != (to->last.type == LION_TYPE_DECIMAL)) return fail_kinds(error);
        to->last = value;
        return place == (count - 1) / 2 || place == count / 2 ? keep(self, to, value, error) : LION_OK;
    case LION_AGGREGATE_MIN: return place < wanted ? keep(self, to, value, error) : LION_OK;
    case LION_AGGREGATE_MAX: return count - place <= wanted ? keep(self, to, value, error) : LION_OK;
    case LION_AGGREGATE_RAND:
        for (; to->count < to->found_count && to->places[to->count] == place; to->count++) to->found[to->draws[to->count]] = value;
        return LION_OK;
    case LION_AGGREGATE_CUSTOM: return keep(self, to, value, error);
    default: return add_distinct(self, to, place, value, error);
    }
}

/* In no order; drawn one by one. */
static void shuffle(want *to)
{
    for (size_t i = 0; i + 1 < to->found_count; i++) {
        size_t other = i + random_below(to->found_count - i);
        lion_value drawn = to->found[other];
        to->found[other] = to->found[i];
        to->found[i] = drawn;
    }
}

static lion_status collect(want *to, lion_arena *arena, lion_error *error)
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

static lion_status end(lion_group_values *self, want *to, lion_error *error)
{
    lion_value value = lion_value_long((int64_t)to->count);
    bool is_one = to->aggregate == LION_AGGREGATE_COUNT_DISTINCT;
    if (to->aggregate == LION_AGGREGATE_SAMPLE) shuffle(to);
    if (to->aggregate == LION_AGGREGATE_MEDIAN) {
        is_one = true;
        value = to->found_count == 1 ? to->found[0] : between(to->found[0], to->found[1], &self->run->arena);
    }
    if (to->aggregate == LION_AGGREGATE_RAND && to->wanted < 0) {
        is_one = true;
        value = to->found[0];
    }
    if (!is_one) return collect(to, &self->run->arena, error);
    to->result = lion_form_value(value);
    return LION_OK;
}

/* ---- turning to a group ---- */

static lion_status turn_on_file(lion_group_values *self, size_t group, lion_error *error)
{
    lion_status status = LION_OK;
    const lion_form *row = NULL;
    size_t count = self->counts[group], key = self->keeps_order ? 1 : 0, value = self->keeps_order ? 0 : 1;
    for (size_t place = 0; status == LION_OK && place < count; place++) {
        if (place % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        if (status == LION_OK) status = lion_sorter_next(&row, &self->sorter, error);
        if (status == LION_END || (status == LION_OK && row[key].value.bits != (int64_t)group))
            return lion_fail(error, LION_FAULT, "lion/fault", "the values of a group are not as they were");
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
            status = add_sorted(self, &self->wants[i], place, count, row[value].value, error);
    }
    return status;
}

static lion_status turn_values(lion_group_values *self, const lion_value *values, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t place = 0; status == LION_OK && place < count; place++) {
        if (place % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
            status = add_sorted(self, &self->wants[i], place, count, values[place], error);
    }
    return status;
}

static lion_status turn_bits(lion_group_values *self, const int64_t *bits, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t place = 0; status == LION_OK && place < count; place++) {
        lion_value value = lion_value_scalar((lion_type)self->type, bits[place]);
        if (place % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++) status = add_sorted(self, &self->wants[i], place, count, value, error);
    }
    return status;
}

/* Doubles among which are both zeros: as values, which are sorted as they are compared. */
static lion_status turn_doubles(lion_group_values *self, const int64_t *bits, size_t count, lion_error *error)
{
    lion_value *values = lion_arena_take(&self->run->arena, count * sizeof(*values));
    if (values == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < count; i++) values[i] = lion_value_scalar(LION_TYPE_DOUBLE, bits[i]);
    qsort(values, count, sizeof(*values), by_value);
    lion_status status = turn_values(self, values, count, error);
    lion_arena_give(&self->run->arena, values);
    return status;
}

static bool has_median(const lion_group_values *self)
{
    for (uint32_t i = 0; i < self->want_count; i++)
        if (self->wants[i].aggregate == LION_AGGREGATE_MEDIAN) return true;
    return false;
}

/* Numbers among which are decimals, which then count as doubles. */
static bool has_kinds(const lion_value *values, size_t count)
{
    size_t decimals = 0;
    for (size_t i = 0; i < count; i++) decimals += values[i].type == LION_TYPE_DECIMAL;
    return decimals > 0 && decimals < count;
}

static lion_status find_medians(lion_group_values *self, const lion_value *values, size_t count, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    lion_status status = LION_OK;
    lion_value *numbers = lion_arena_take(arena, count * sizeof(*numbers));
    if (numbers == NULL) return lion_fail_memory(error);
    for (size_t i = 0; i < count; i++) {
        bool is_decimal = values[i].type == LION_TYPE_DECIMAL;
        numbers[i] = is_decimal ? lion_value_double(strtod(lion_value_text(arena, values[i]), NULL)) : values[i];
    }
    qsort(numbers, count, sizeof(*numbers), by_value);
    for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++) {
        want *to = &self->wants[i];
        if (to->aggregate != LION_AGGREGATE_MEDIAN) continue;
        for (size_t k = 0; k < count; k++)
            if (!lion_type_is_number(numbers[k].type)) status = fail_number(to, error);
        if (status == LION_OK) status = keep(self, to, numbers[(count - 1) / 2], error);
        if (status == LION_OK && count % 2 == 0) status = keep(self, to, numbers[count / 2], error);
    }
    lion_arena_give(arena, numbers);
    self->has_medians = true;
    return status;
}

/* Nothing but medians. */
static bool is_median_only(const lion_group_values *self)
{
    for (uint32_t i = 0; i < self->want_count; i++)
        if (self->wants[i].aggregate != LION_AGGREGATE_MEDIAN) return false;
    return true;
}

static bool needs_sort(const lion_group_values *self)
{
    return self->needs_order || has_median(self);
}

static lion_status turn_mixed(lion_group_values *self, lion_value *values, size_t count, lion_error *error)
{
    lion_status status = has_median(self) && has_kinds(values, count) ? find_medians(self, values, count, error) : LION_OK;
    if (needs_sort(self) && count > 1) qsort(values, count, sizeof(*values), by_value);
    return status == LION_OK ? turn_values(self, values, count, error) : status;
}

static lion_status turn_in_memory(lion_group_values *self, size_t group, bool *is_whole_out, lion_error *error)
{
    size_t count = self->counts[group], from = self->ends == NULL ? 0 : self->ends[group] - count;
    lion_status status = LION_OK;
    if (self->type == LION_TYPE_MIXED) return turn_mixed(self, self->values + from, count, error);
    int64_t *bits = self->bits + from;
    if (is_median_only(self)) {
        *is_whole_out = true;
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++) status = select_median(self, &self->wants[i], bits, count, error);
        return status;
    }
    if (needs_sort(self)) status = sort_bits(self, bits, count, error);
    if (status == LION_ABSENT) return turn_doubles(self, bits, count, error);
    return status == LION_OK ? turn_bits(self, bits, count, error) : status;
}

lion_status lion_group_values_turn(lion_group_values *self, size_t group, lion_error *error)
{
    bool is_whole = false; /* results are there */
    lion_status status = self->is_on_file || self->is_laid_out ? LION_OK : lay_out(self, error);
    self->has_medians = false;
    for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++) status = begin(self, &self->wants[i], self->counts[group], error);
    if (status == LION_OK) status = self->is_on_file ? turn_on_file(self, group, error) : turn_in_memory(self, group, &is_whole, error);
    for (uint32_t i = 0; status == LION_OK && !is_whole && i < self->want_count; i++) status = end(self, &self->wants[i], error);
    return status;
}

void lion_group_values_drop(lion_group_values *self, uint32_t number)
{
    want *of = &self->wants[number];
    LION_ASSERT(of->aggregate == LION_AGGREGATE_CUSTOM);
    lion_arena_give(&self->run->arena, of->result.items);
    of->result = lion_form_value(lion_value_nil());
}

lion_form lion_group_values_result(const lion_group_values *self, uint32_t number)
{
    return self->wants[number].result;
}
