/* group_values.c - values in the order in which they came, then group by group.
 *
 * In memory the numbers of rows by group tell where each group's values begin. On file a row is its group and its value (or its
 * group and its place, and its value), by which the sorter has them in order. */
#include "query/group_values.h"

#include <stdlib.h>

#include "base/assert.h"
#include "query/bits_order.h"
#include "query/group_want.h"
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

struct lion_group_values {
    lion_run *run;
    bool keeps_order;          /* values come as they came */
    bool needs_order;          /* some aggregate beside medians wants them sorted */
    lion_group_want *wants;
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
        self->wants = lion_arena_grow(arena, self->wants, self->want_room * sizeof(lion_group_want), room * sizeof(lion_group_want));
        self->want_room = room;
    }
    self->wants[self->want_count] = (lion_group_want){ .aggregate = aggregate, .wanted = wanted };
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

/* ---- turning to a group ---- */

static int by_value(const void *a, const void *b)
{
    return lion_value_compare(*(const lion_value *)a, *(const lion_value *)b);
}

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
            status = lion_group_want_add(&self->wants[i], place, count, row[value].value, &self->run->arena, error);
    }
    return status;
}

static lion_status turn_values(lion_group_values *self, const lion_value *values, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t place = 0; status == LION_OK && place < count; place++) {
        if (place % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
            status = lion_group_want_add(&self->wants[i], place, count, values[place], &self->run->arena, error);
    }
    return status;
}

static lion_status turn_bits(lion_group_values *self, const int64_t *bits, size_t count, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t place = 0; status == LION_OK && place < count; place++) {
        lion_value value = lion_value_scalar((lion_type)self->type, bits[place]);
        if (place % CHECK_EVERY == 0) status = lion_run_check(self->run, error);
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
            status = lion_group_want_add(&self->wants[i], place, count, value, &self->run->arena, error);
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
        lion_group_want *to = &self->wants[i];
        if (to->aggregate != LION_AGGREGATE_MEDIAN) continue;
        for (size_t k = 0; k < count; k++)
            if (!lion_type_is_number(numbers[k].type)) status = lion_group_want_fail_number(to, error);
        if (status == LION_OK) status = lion_group_want_keep(to, numbers[(count - 1) / 2], arena, error);
        if (status == LION_OK && count % 2 == 0) status = lion_group_want_keep(to, numbers[count / 2], arena, error);
        to->is_found = true;
    }
    lion_arena_give(arena, numbers);
    return status;
}

static lion_status find_median(lion_group_values *self, lion_group_want *to, const int64_t *bits, size_t count, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    lion_value low, high;
    if (!lion_type_is_number(self->type)) return lion_group_want_fail_number(to, error);
    lion_status status = lion_bits_middle(&low, &high, bits, count, self->type, arena, error);
    if (status == LION_OK) to->result = lion_form_value(count % 2 == 1 ? high : lion_median_between(low, high, arena));
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
        for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
            status = find_median(self, &self->wants[i], bits, count, error);
        return status;
    }
    if (needs_sort(self)) status = lion_bits_sort(bits, count, self->type, &self->run->arena, error);
    if (status == LION_ABSENT) return turn_doubles(self, bits, count, error);
    return status == LION_OK ? turn_bits(self, bits, count, error) : status;
}

lion_status lion_group_values_turn(lion_group_values *self, size_t group, lion_error *error)
{
    bool is_whole = false; /* results are there */
    lion_status status = self->is_on_file || self->is_laid_out ? LION_OK : lay_out(self, error);
    for (uint32_t i = 0; status == LION_OK && i < self->want_count; i++)
        status = lion_group_want_begin(&self->wants[i], self->counts[group], &self->run->arena, error);
    if (status == LION_OK) status = self->is_on_file ? turn_on_file(self, group, error) : turn_in_memory(self, group, &is_whole, error);
    for (uint32_t i = 0; status == LION_OK && !is_whole && i < self->want_count; i++)
        status = lion_group_want_end(&self->wants[i], &self->run->arena, error);
    return status;
}

void lion_group_values_drop(lion_group_values *self, uint32_t number)
{
    lion_group_want *of = &self->wants[number];
    LION_ASSERT(of->aggregate == LION_AGGREGATE_CUSTOM);
    lion_arena_give(&self->run->arena, of->result.items);
    of->result = lion_form_value(lion_value_nil());
}

lion_form lion_group_values_result(const lion_group_values *self, uint32_t number)
{
    return self->wants[number].result;
}
