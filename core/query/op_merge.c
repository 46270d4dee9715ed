/* op_merge.c - a merge join: two plans whose rows ascend by the one variable that both have, walked side by side, each once. There is
 * no table. What goes out are rows of the left, in their order, with those of the right that have the same value.
 *
 * Rows that meet are paired by their numbers, as long as both batches last, and go out column by column. The right's rows of one
 * value are walked again for each row of the left that has it: within a batch where they lie; those that reach its end are copied,
 * as the next batch may go on with them; those that find no room are on file.
 *
 * Where a batch of one side met nothing, that side is told where the other one is (lion_operator_skip): what is between is not read. */
#include "query/columns.h"
#include "query/kernels.h"
#include "query/operators.h"

enum { LEFT, RIGHT };

typedef struct merge_side {
    uint32_t slot;             /* of the key */
    lion_batch batch;
    uint32_t at, rows;         /* of lion_batch_rows */
    const int64_t *keys;       /* by row, where they are whole numbers; NULL: else */
    bool is_ended;
    bool has_met;              /* a row of the batch */
} merge_side;

/* The right's rows of one key that reached the end of a batch. */
typedef struct merge_group {
    bool is_gathering, is_open;
    lion_value key;
    lion_vector *columns;      /* those that are added */
    uint32_t count, room;
    uint32_t at;               /* the next for the left's row */
    lion_spool rest;           /* those that found no room, a value for each column */
    bool is_reading;           /* the rest, for the left's row */
} merge_group;

typedef struct merge {
    lion_operator operator;
    merge_side sides[2];
    bool is_whole;             /* the keys of both batches are numbers that compare as they are */
    uint32_t run_to;           /* in the right's batch, where the rows of its present key end, if that is behind its row … */
    uint32_t run_at;           /* … and the next of them for the left's row */
    uint16_t *pairs[2];        /* rows of both batches */
    uint32_t pair_count;
    uint32_t added_count;
    uint32_t *from;            /* per added column: the right's slot; none: a left's row goes out once, if it meets any */
    merge_group group;
    lion_columns columns;
} merge;

/* ---- keys ---- */

static lion_value key_at(const merge_side *side, uint32_t at)
{
    return lion_batch_get(&side->batch, side->slot, lion_batch_row(&side->batch, at));
}

static inline int64_t whole_at(const merge_side *side, uint32_t at)
{
    return side->keys[lion_batch_row(&side->batch, at)];
}

/* The left's row with the right's. */
static inline int compare(const merge *self)
{
    const merge_side *left = &self->sides[LEFT], *right = &self->sides[RIGHT];
    if (!self->is_whole) return lion_value_compare(key_at(left, left->at), key_at(right, right->at));
    int64_t a = whole_at(left, left->at), b = whole_at(right, right->at);
    return (a > b) - (a < b);
}

static inline bool is_before(const merge_side *side, bool is_whole, uint32_t at, lion_value key, bool or_same)
{
    if (is_whole) return or_same ? whole_at(side, at) <= key.bits : whole_at(side, at) < key.bits;
    int order = lion_value_compare(key_at(side, at), key);
    return or_same ? order <= 0 : order < 0;
}

/* The first row of the batch from the side's on that is not before the key (or_same: that is behind it); in leaps, as it may be near or
 * far. */
static uint32_t leap(const merge_side *side, bool is_whole, lion_value key, bool or_same)
{
    uint32_t low = side->at, step = 1;
    if (low == side->rows || !is_before(side, is_whole, low, key, or_same)) return low;
    while (step < side->rows - low && is_before(side, is_whole, low + step, key, or_same)) {
        low += step;
        step *= 2;
    }
    uint32_t high = step < side->rows - low ? low + step : side->rows;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (is_before(side, is_whole, middle, key, or_same)) low = middle;
        else high = middle;
    }
    return high;
}

static bool are_whole(const merge_side *left, const merge_side *right)
{
    if (left->keys == NULL || right->keys == NULL) return false;
    uint8_t a = left->batch.columns[left->slot].type, b = right->batch.columns[right->slot].type;
    return a == b || (lion_type_is_number(a) && lion_type_is_number(b));
}

/* ---- reading ---- */

/* The side stands on a row; LION_END: it has none left. Rows of its batch that are paired have gone out. */
static lion_status need_row(merge *self, int number, lion_error *error)
{
    merge_side *side = &self->sides[number];
    const merge_side *other = &self->sides[1 - number];
    lion_operator *input = self->operator.inputs[number];
    while (side->at == side->rows) {
        bool can_skip = side->rows > 0 && !side->has_met && other->at < other->rows;
        if (side->is_ended) return LION_END;
        if (can_skip) {
            lion_value key = key_at(other, other->at);
            side->has_met = true; /* it is told once: before its next rows there may be a call */
            lion_operator_skip(input, &key);
        }
        lion_status status = lion_operator_next(input, &side->batch, error);
        side->is_ended = status == LION_END;
        if (status != LION_OK) {
            if (side->is_ended) side->rows = side->at = 0;
            return status;
        }
        const lion_vector *column = &side->batch.columns[side->slot];
        bool is_whole = lion_type_is_scalar(column->type) && column->type != LION_TYPE_DOUBLE && !column->is_constant;
        side->keys = is_whole ? column->bits : NULL;
        side->rows = lion_batch_rows(&side->batch);
        side->at = 0;
        side->has_met = false;
        self->is_whole = are_whole(&self->sides[LEFT], &self->sides[RIGHT]);
        if (number == RIGHT) self->run_to = 0;
    }
    return LION_OK;
}

/* ---- putting rows out ---- */

/* `count` values of the column for the next rows: those of `rows`, or from `first` on. false: what is there has to go out first. */
static bool put_column(merge *self, uint32_t slot, const lion_vector *from, const uint16_t *rows, uint32_t first, uint32_t count)
{
    void *room = lion_columns_room(&self->columns, slot, from->type);
    if (room == NULL) return false;
    bool is_bits = lion_type_is_scalar(from->type), is_plain = !from->is_constant;
    int64_t *bits = room;
    lion_value *values = room;
    if (is_bits && is_plain && rows != NULL) {
        lion_kernel_gather(bits, from->bits, rows, count);
    } else if (is_plain && rows == NULL) {
        if (is_bits) memcpy(bits, from->bits + first, count * sizeof(*bits));
        else memcpy(values, from->values + first, count * sizeof(*values));
    } else {
        for (uint32_t k = 0; k < count; k++) {
            uint32_t row = is_plain ? rows[k] : 0;
            if (is_bits) bits[k] = from->bits[row];
            else values[k] = from->values[row];
        }
    }
    return true;
}

/* false: what is there has to go out first. */
static bool put_pairs(merge *self)
{
    const lion_batch *left = &self->sides[LEFT].batch, *right = &self->sides[RIGHT].batch;
    if (!lion_columns_fit(&self->columns, left)) return false;
    for (uint32_t i = 0; i < self->added_count; i++)
        if (!put_column(self, self->columns.kept + i, &right->columns[self->from[i]], self->pairs[RIGHT], 0, self->pair_count)) return false;
    lion_columns_take(&self->columns, left, self->pairs[LEFT], self->pair_count);
    self->pair_count = 0;
    return true;
}

/* ---- rows of both batches ---- */

static inline void add_pairs(merge *self, uint32_t from, uint32_t count)
{
    const merge_side *left = &self->sides[LEFT], *right = &self->sides[RIGHT];
    uint16_t row = (uint16_t)lion_batch_row(&left->batch, left->at);
    for (uint32_t k = 0; k < count; k++) {
        self->pairs[LEFT][self->pair_count + k] = row;
        self->pairs[RIGHT][self->pair_count + k] = (uint16_t)lion_batch_row(&right->batch, from + k);
    }
    self->pair_count += count;
}

/* The left's row with those of the right that have its key, as many as there is room for. false: they may go on in the next batch. */
static bool pair_run(merge *self, uint32_t most)
{
    merge_side *left = &self->sides[LEFT], *right = &self->sides[RIGHT];
    if (self->run_to <= right->at) {
        self->run_to = leap(right, self->is_whole, key_at(left, left->at), true);
        self->run_at = right->at;
    }
    if (self->run_to == right->rows) return false;
    uint32_t count = self->run_to - self->run_at, free = most - self->pair_count;
    if (count > free) count = free;
    add_pairs(self, self->run_at, count);
    self->run_at += count;
    if (self->run_at < self->run_to) return true;
    self->run_at = right->at;
    left->at++;
    return true;
}

/* Pairs, at most so many, until a batch has no more. */
static void pair_rows(merge *self, uint32_t most)
{
    merge_side *left = &self->sides[LEFT], *right = &self->sides[RIGHT];
    while (left->at < left->rows && right->at < right->rows && self->pair_count < most) {
        int order = compare(self);
        if (order < 0) {
            left->at = leap(left, self->is_whole, key_at(right, right->at), false);
        } else if (order > 0) {
            right->at = leap(right, self->is_whole, key_at(left, left->at), false);
        } else {
            left->has_met = right->has_met = true;
            if (self->added_count == 0) {
                add_pairs(self, right->at, 1);
                left->at++;
            } else if (!pair_run(self, most)) {
                self->group.is_gathering = true;
                self->group.key = key_at(right, right->at);
                return;
            }
        }
    }
}

/* ---- a group that reached the end of a batch ---- */

static inline size_t value_size(uint8_t type)
{
    return lion_type_is_scalar(type) ? sizeof(int64_t) : sizeof(lion_value);
}

static size_t group_growth(const merge *self, uint32_t more)
{
    const merge_group *group = &self->group;
    return group->count + more <= group->room ? 0 : ((size_t)group->count + more) * 2 * sizeof(lion_value) * self->added_count;
}

static bool grow_group(merge *self, uint32_t more)
{
    lion_arena *arena = &self->operator.run->arena;
    merge_group *group = &self->group;
    if (group->count + more <= group->room) return true;
    uint32_t room = group->room == 0 ? 64 : group->room;
    while (room < group->count + more) room *= 2;
    for (uint32_t i = 0; i < self->added_count; i++) { /* as wide as any value is: the type may change */
        lion_vector *column = &group->columns[i];
        column->values = lion_arena_grow(arena, column->values, group->room * sizeof(lion_value), room * sizeof(lion_value));
    }
    group->room = arena->is_exhausted ? 0 : room;
    return !arena->is_exhausted;
}

/* Values of one type become values of any. */
static void mix_column(lion_vector *column, uint32_t count)
{
    lion_vector from = *column;
    if (from.type == LION_TYPE_MIXED) return;
    for (uint32_t k = count; k-- > 0 && lion_type_is_scalar(from.type);) column->values[k] = lion_value_scalar(from.type, from.bits[k]);
    column->type = LION_TYPE_MIXED;
}

/* The right's rows up to `to` behind the group's. There is room. */
static void copy_rows(merge *self, uint32_t to)
{
    merge_side *right = &self->sides[RIGHT];
    merge_group *group = &self->group;
    for (uint32_t i = 0; i < self->added_count; i++) {
        const lion_vector *from = &right->batch.columns[self->from[i]];
        lion_vector *column = &group->columns[i];
        if (group->count == 0) column->type = from->type;
        else if (column->type != from->type) mix_column(column, group->count);
        bool is_bits = lion_type_is_scalar(column->type);
        for (uint32_t k = right->at; k < to; k++) {
            uint32_t row = lion_batch_row(&right->batch, k), place = group->count + k - right->at;
            if (is_bits) column->bits[place] = lion_vector_get(from, row).bits;
            else column->values[place] = lion_vector_get(from, row);
        }
    }
    group->count += to - right->at;
    right->at = to;
}

static lion_status spool_rows(merge *self, uint32_t to, lion_error *error)
{
    merge_side *right = &self->sides[RIGHT];
    lion_value row[self->added_count + 1];
    lion_status status = LION_OK;
    for (; status == LION_OK && right->at < to; right->at++) {
        for (uint32_t i = 0; i < self->added_count; i++)
            row[i] = lion_batch_get(&right->batch, self->from[i], lion_batch_row(&right->batch, right->at));
        status = lion_spool_add(&self->group.rest, row, error);
    }
    return status;
}

static lion_status add_to_group(merge *self, uint32_t to, lion_error *error)
{
    lion_run *run = self->operator.run;
    uint32_t more = to - self->sides[RIGHT].at;
    bool is_tight = self->group.rest.count > 0 || lion_run_is_tight(run, self->group.count, group_growth(self, more));
    if (is_tight) return spool_rows(self, to, error);
    if (!grow_group(self, more)) return lion_fail_memory(error);
    copy_rows(self, to);
    return LION_OK;
}

/* All rows of the key, from the right's row on. Taken again after a LION_CALL. */
static lion_status gather_group(merge *self, lion_error *error)
{
    merge_side *right = &self->sides[RIGHT];
    merge_group *group = &self->group;
    lion_status status;
    while ((status = need_row(self, RIGHT, error)) == LION_OK) {
        bool is_whole = right->keys != NULL && right->batch.columns[right->slot].type == group->key.type;
        uint32_t to = leap(right, is_whole, group->key, true);
        bool goes_on = to == right->rows;
        status = add_to_group(self, to, error);
        if (status != LION_OK) return status;
        right->has_met = true; /* where it goes on, nothing is to be left out */
        if (!goes_on) break;
    }
    if (status != LION_OK && status != LION_END) return status;
    if (lion_spool_close(&group->rest, error) != LION_OK) return LION_FAILED;
    group->is_gathering = group->is_reading = false;
    group->is_open = true;
    group->at = 0;
    return LION_OK;
}

static void close_group(merge *self)
{
    self->group.is_open = self->group.is_gathering = false;
    self->group.count = 0;
    lion_spool_free(&self->group.rest);
}

/* The left's row stands in `count` rows, whose other columns are in place. */
static void take_left(merge *self, uint32_t count)
{
    const merge_side *left = &self->sides[LEFT];
    uint16_t row = (uint16_t)lion_batch_row(&left->batch, left->at);
    for (uint32_t k = 0; k < count; k++) self->pairs[LEFT][k] = row;
    lion_columns_take(&self->columns, &left->batch, self->pairs[LEFT], count);
}

/* Rows of the group that are on file, with the left's row. LION_OK: all of them; LION_END: what is there has to go out first. */
static lion_status put_rest(merge *self, lion_error *error)
{
    merge_group *group = &self->group;
    lion_value *rooms[self->added_count + 1];
    const void *row = NULL;
    lion_status status = LION_OK;
    if (!group->is_reading) status = lion_spool_read(&group->rest, false, error);
    if (status != LION_OK) return status;
    group->is_reading = true;
    for (uint32_t i = 0; i < self->added_count; i++) {
        rooms[i] = lion_columns_room(&self->columns, self->columns.kept + i, LION_TYPE_MIXED);
        if (rooms[i] == NULL) return LION_END;
    }
    uint32_t count = 0, free = lion_columns_free(&self->columns);
    for (; count < free && (status = lion_spool_next(&row, &group->rest, error)) == LION_OK; count++)
        for (uint32_t i = 0; i < self->added_count; i++) rooms[i][count] = ((const lion_value *)row)[i];
    if (status != LION_OK && status != LION_END) return status;
    take_left(self, count);
    group->is_reading = status == LION_OK;
    return status == LION_OK ? LION_END : LION_OK;
}

/* The left's row with the group. LION_OK: all of it; LION_END: what is there has to go out first. */
static lion_status put_group_row(merge *self, lion_error *error)
{
    merge_group *group = &self->group;
    if (!lion_columns_fit(&self->columns, &self->sides[LEFT].batch)) return LION_END;
    uint32_t left = group->count - group->at, free = lion_columns_free(&self->columns), count = left < free ? left : free;
    for (uint32_t i = 0; count > 0 && i < self->added_count; i++)
        if (!put_column(self, self->columns.kept + i, &group->columns[i], NULL, group->at, count)) return LION_END;
    take_left(self, count);
    group->at += count;
    if (count < left) return LION_END;
    return group->rest.count == 0 ? LION_OK : put_rest(self, error);
}

/* The left's rows, as far as its batch goes, with the group; it is closed where they are behind it. LION_END: what is there has to go out
 * first. */
static lion_status put_group(merge *self, lion_error *error)
{
    merge_side *left = &self->sides[LEFT];
    merge_group *group = &self->group;
    lion_status status = LION_OK;
    while (status == LION_OK && left->at < left->rows) {
        int order = lion_value_compare(key_at(left, left->at), group->key);
        if (order > 0) {
            close_group(self);
            return LION_OK;
        }
        left->has_met = true;
        status = put_group_row(self, error);
        if (status != LION_OK) return status;
        group->at = 0;
        left->at++;
    }
    return status;
}

/* ---- stepping ---- */

/* LION_OK: go on; LION_END: rows are to go out, or there are no more. */
static lion_status merge_step(merge *self, lion_error *error)
{
    if (self->pair_count > 0 && !put_pairs(self)) return LION_END;
    if (lion_columns_free(&self->columns) == 0) return LION_END;
    lion_status status = self->group.is_gathering ? gather_group(self, error) : LION_OK;
    if (status == LION_OK) status = need_row(self, LEFT, error);
    if (status == LION_OK && self->group.is_open) return put_group(self, error);
    if (status == LION_OK) status = need_row(self, RIGHT, error);
    if (status == LION_OK) pair_rows(self, lion_columns_free(&self->columns));
    return status;
}

static lion_status merge_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    merge *self = (merge *)operator;
    lion_status status;
    while ((status = merge_step(self, error)) == LION_OK)
        ;
    return status == LION_END ? lion_columns_yield(&self->columns, batch_out) : status;
}

static lion_status merge_rewind(lion_operator *operator, lion_error *error)
{
    merge *self = (merge *)operator;
    (void)error;
    for (int i = 0; i < 2; i++) self->sides[i] = (merge_side){ .slot = self->sides[i].slot };
    self->pair_count = self->run_to = self->run_at = 0;
    self->columns.count = 0;
    close_group(self);
    return LION_OK;
}

/* ---- making ---- */

static bool is_known(const lion_value *const *known, uint32_t var)
{
    return known != NULL && known[var] != NULL;
}

/* Whatever happens when it runs. */
static bool stays_ascending(const lion_operator *operator)
{
    for (const lion_operator *at = operator; at != NULL && at->ascending != 0; at = at->inputs[0])
        if (at->may_lose_order) return false;
    return operator->ascending != 0;
}

bool lion_merge_can(const lion_operator *left, const lion_operator *right, const lion_value *const *known)
{
    uint32_t shared = 0;
    for (uint32_t i = 0; i < right->width; i++) shared += !is_known(known, right->vars[i]) && lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE;
    bool ascends = stays_ascending(left) && stays_ascending(right) && left->ascending == right->ascending;
    return ascends && shared == 1 && !is_known(known, left->ascending - 1);
}

lion_operator *lion_merge_new(lion_run *run, lion_operator *left, lion_operator *right, const uint8_t *keep)
{
    lion_arena *arena = &run->arena;
    merge *self = LION_OPERATOR(run, merge, merge_next, "merge-join");
    uint32_t *added = lion_arena_array(arena, uint32_t, right->width + 1);
    self->operator.rewind = merge_rewind;
    self->operator.spans_rows = true;
    self->operator.inputs[LEFT] = left;
    self->operator.inputs[RIGHT] = right;
    self->sides[LEFT].slot = lion_operator_slot(left, left->ascending - 1);
    self->sides[RIGHT].slot = lion_operator_slot(right, left->ascending - 1);
    self->from = lion_arena_array(arena, uint32_t, right->width + 1);
    bool is_whole = right->is_distinct;
    for (uint32_t i = 0; i < right->width; i++) {
        if (lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE) continue;
        is_whole = is_whole && keep[right->vars[i]];
        if (!keep[right->vars[i]]) continue;
        added[self->added_count] = right->vars[i];
        self->from[self->added_count++] = i;
    }
    lion_columns_init(&self->columns, &self->operator, left, keep, added, self->added_count);
    for (int i = 0; i < 2; i++) self->pairs[i] = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->group.columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (self->added_count + 1));
    lion_spool_init(&self->group.rest, &run->spill, (uint32_t)sizeof(lion_value) * self->added_count);
    self->operator.is_set = is_whole || self->added_count == 0; /* the right's rows are different, and all of their columns are here */
    return &self->operator;
}
