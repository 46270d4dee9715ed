/* result_groups.c - rows added to their groups, and groups as rows, as they are finished. Groups that the memory has no room for are made in
 * a further round: their rows are put aside, on file. */
#include "query/adapt.h"
#include "query/parallel.h"
#include "query/result_parts.h"

static bool has_states(const lion_result_element *from)
{
    return from->is_aggregate && from->values == NULL;
}

static size_t room_for_groups(const lion_result *self, size_t count)
{
    size_t room = self->group_room == 0 ? 64 : self->group_room;
    while (room < count) room *= 2;
    return room;
}

static lion_status grow_groups(lion_result *self, lion_error *error)
{
    size_t count = self->group_of.keys.count, begun = self->group_count, room = room_for_groups(self, count), size = sizeof(uint64_t);
    if (count == begun) return LION_OK;
    if (room > self->group_room) {
        self->group_rows = lion_arena_grow(&self->run->arena, self->group_rows, self->group_room * size, room * size);
        if (self->group_rows == NULL || self->run->arena.is_exhausted) return lion_fail_memory(error);
        self->group_room = room;
    }
    memset(self->group_rows + begun, 0, (count - begun) * size);
    self->group_count = count;
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < self->width; i++)
        if (has_states(&self->elements[i])) status = lion_states_resize(&self->elements[i].states, count, error);
    return status;
}

static lion_status count_weighed(lion_result *self, const lion_batch *batch, lion_error *error)
{
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        uint64_t *rows = &self->group_rows[self->group_of.numbers[i]], weight = (uint64_t)lion_batch_get(batch, self->weight, lion_batch_row(batch, i)).bits;
        if (__builtin_add_overflow(*rows, weight, rows) || *rows > INT64_MAX)
            return lion_fail(error, LION_INCORRECT, "lion/overflow", "the count does not fit into 64 bits");
    }
    return LION_OK;
}

static lion_status count_rows(lion_result *self, const lion_batch *batch, lion_error *error)
{
    if (self->weight != LION_SLOT_NONE) return count_weighed(self, batch, error);
    lion_groups_count(&self->group_of, self->group_rows, lion_batch_rows(batch));
    return LION_OK;
}

static lion_status gather_row(lion_result *self, uint32_t at, const lion_batch *batch, uint32_t i, lion_error *error)
{
    lion_result_element *from = &self->elements[at];
    uint32_t row = lion_batch_row(batch, i), group = self->group_of.numbers[i];
    lion_value value = lion_result_value(self, at, lion_batch_get(batch, from->slot, row));
    if (from->values != NULL) return lion_group_values_add(from->values, group, value, error);
    if (self->weight == LION_SLOT_NONE) return lion_states_add(&from->states, group, value, error);
    return lion_states_add_weighed(&from->states, group, value, (uint64_t)lion_batch_get(batch, self->weight, row).bits, error);
}

/* COUNT may be of a variable that is there no longer. */
static bool is_counted_already(const lion_result_element *from)
{
    return from->values == NULL ? from->aggregate == LION_AGGREGATE_COUNT : !from->adds;
}

static lion_status gather_element(lion_result *self, uint32_t at, const lion_batch *batch, lion_error *error)
{
    lion_result_element *from = &self->elements[at];
    lion_status status = LION_ABSENT;
    if (is_counted_already(from)) return LION_OK;
    lion_grouping grouping = { .numbers = self->group_of.numbers, .count = self->group_count, .is_one = self->key_count == 0 };
    bool is_seen = from->is_attribute || batch->columns[from->slot].type == LION_TYPE_ATTRIBUTE; /* as its ident */
    bool is_mixed = batch->columns[from->slot].type == LION_TYPE_MIXED;
    if (from->values != NULL && !is_seen && !is_mixed) status = lion_group_values_add_column(from->values, &grouping, batch, from->slot, error);
    if (from->values == NULL && !is_seen && self->weight == LION_SLOT_NONE)
        status = lion_states_add_column(&from->states, &grouping, batch, from->slot, error);
    if (status != LION_ABSENT) return status;
    status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < lion_batch_rows(batch); i++) status = gather_row(self, at, batch, i, error);
    return status;
}

/* Whether the groups that this round has are all that there is room for. */
static bool is_tight(const lion_result *self, uint32_t more)
{
    size_t count = self->group_of.keys.count + more, bytes = lion_groups_growth(&self->group_of, more);
    if (self->key_count == 0) return false;
    bytes += (room_for_groups(self, count) - self->group_room) * sizeof(uint64_t);
    for (uint32_t i = 0; i < self->width; i++)
        if (has_states(&self->elements[i])) bytes += lion_states_growth(&self->elements[i].states, count);
    return lion_run_is_tight(self->run, self->group_of.keys.count, bytes);
}

/* Groups go on while the memory that their values took is enough. */
static lion_status spill_values(lion_result *self, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < self->width; i++)
        if (self->elements[i].values != NULL) status = lion_group_values_spill(self->elements[i].values, error);
    return status;
}

static lion_status put_aside(lion_result *self, const lion_batch *batch, uint32_t row, lion_error *error)
{
    for (uint32_t i = 0; i < self->key_count; i++) self->aside[i] = lion_batch_get(batch, self->key_slots[i], row);
    uint64_t hash = lion_values_hash(self->aside, self->key_count);
    for (uint32_t i = 0; i < self->root->width; i++) self->aside[i] = lion_batch_get(batch, i, row);
    return lion_overflow_add(&self->overflow, self->aside, hash, error);
}

/* The batch's rows whose groups are there stay in it, with their numbers. */
static lion_status find_groups(lion_result *self, lion_batch *batch, lion_error *error)
{
    lion_groups *groups = &self->group_of;
    uint32_t rows = lion_batch_rows(batch), count = 0;
    lion_status status = LION_OK;
    if (!groups->set.is_frozen && is_tight(self, rows)) {
        status = spill_values(self, error);
        groups->set.is_frozen = is_tight(self, rows);
    }
    if (status == LION_OK) status = lion_groups_find(groups, batch, self->key_slots, error);
    if (status != LION_OK || !groups->set.is_frozen) return status;
    if (self->selection == NULL) self->selection = lion_arena_array(&self->run->arena, uint16_t, LION_BATCH_ROWS);
    for (uint32_t i = 0; status == LION_OK && i < rows; i++) {
        uint32_t row = lion_batch_row(batch, i), number = groups->numbers[i];
        if (number == LION_ROW_NONE) {
            status = put_aside(self, batch, row, error);
            continue;
        }
        self->selection[count] = (uint16_t)row;
        groups->numbers[count++] = number;
    }
    batch->selection = self->selection;
    batch->selected = count;
    return status;
}

/* The root's rows; in later rounds those that were put aside. */
static lion_status next_rows(lion_result *self, lion_batch *batch_out, lion_error *error)
{
    if (lion_overflow_is_reading(&self->overflow)) return lion_overflow_next(&self->overflow, batch_out, error);
    return lion_operator_next(self->root, batch_out, error);
}

/* ---- groups that threads have begun ---- */

/* The exchange that the rows come from, if threads add rows to groups of their own there; else NULL. */
static lion_operator *find_partials(const lion_result *self)
{
    lion_operator *at = self->root, *top;
    while (lion_adapt_is(at)) at = at->inputs[0];
    top = lion_exchange_top(at, 0);
    return top != NULL && lion_partial_of(top) != NULL ? at : NULL;
}

/* One thread's states of the groups that this round has. They are taken once. */
static lion_status merge_partial(lion_result *self, lion_partial *from, lion_error *error)
{
    lion_status status = LION_OK;
    for (size_t at = 0, count; status == LION_OK && at < from->groups.keys.count; at += count) {
        uint32_t found = 0;
        status = lion_partial_find(&found, from, at, &self->group_of, error);
        count = found;
        for (size_t i = 0; status == LION_OK && i < count; i++) {
            uint32_t group = self->group_of.numbers[i];
            if (group == LION_ROW_NONE || from->rows[at + i] == 0) continue;
            self->group_rows[group] += from->rows[at + i];
            from->rows[at + i] = 0;
            for (uint32_t k = 0; status == LION_OK && k < self->width; k++)
                if (has_states(&self->elements[k])) status = lion_states_merge(&self->elements[k].states, group, &from->states[k], at + i, error);
        }
        if (status == LION_OK) status = lion_run_check(self->run, error);
    }
    return status;
}

static lion_status merge_partials(lion_result *self, lion_operator *exchange, lion_error *error)
{
    lion_status status = LION_OK;
    lion_operator *top;
    for (uint32_t i = 0; status == LION_OK && (top = lion_exchange_top(exchange, i)) != NULL; i++)
        status = merge_partial(self, lion_partial_of(top), error);
    return status;
}

static lion_status gather_rows_of_groups(lion_result *self, lion_error *error)
{
    lion_batch batch;
    lion_status status;
    while ((status = next_rows(self, &batch, error)) == LION_OK) {
        status = lion_run_check(self->run, error);
        if (status == LION_OK) status = find_groups(self, &batch, error);
        if (status == LION_OK) status = grow_groups(self, error);
        if (status == LION_OK && lion_batch_rows(&batch) > 0) status = count_rows(self, &batch, error);
        for (uint32_t i = 0; status == LION_OK && lion_batch_rows(&batch) > 0 && i < self->width; i++)
            if (self->elements[i].is_aggregate) status = gather_element(self, i, &batch, error);
        if (status != LION_OK) return status;
    }
    return status == LION_END ? LION_OK : status;
}

/* No groups. */
static lion_status reset_groups(lion_result *self, lion_error *error)
{
    lion_status status = LION_OK;
    lion_groups_reset(&self->group_of);
    self->has_groups = false;
    self->group_at = self->group_count = 0;
    for (uint32_t i = 0; status == LION_OK && i < self->width; i++) {
        lion_result_element *at = &self->elements[i];
        if (has_states(at)) status = lion_states_resize(&at->states, 0, error);
        if (at->adds) status = lion_group_values_reset(at->values, error);
    }
    return status;
}

/* Once more from the first row, by this thread alone: sums turned out to be such that it matters in which order they are made. */
static lion_status gather_again(lion_result *self, lion_operator *exchange, lion_error *error)
{
    lion_status status = lion_operator_rewind(self->root, error);
    for (lion_operator *at = self->root; at != NULL; at = at->inputs[0]) at->rows = 0;
    lion_exchange_add_no_more(exchange);
    lion_overflow_clear(&self->overflow);
    if (status == LION_OK) status = reset_groups(self, error);
    return status == LION_OK ? gather_rows_of_groups(self, error) : status;
}

static lion_status gather_groups(lion_result *self, lion_error *error)
{
    bool is_first = !lion_overflow_is_reading(&self->overflow);
    lion_status status = gather_rows_of_groups(self, error);
    lion_operator *exchange = status == LION_OK ? find_partials(self) : NULL;
    if (exchange == NULL) return status;
    if (is_first && !lion_partials_are_exact(exchange)) return gather_again(self, exchange, error);
    return merge_partials(self, exchange, error);
}

/* The groups' time and memory, where rows are taken of them. */
static lion_status gather_groups_noted(lion_result *self, lion_error *error)
{
    if (!self->run->options.statistics || self->stages.groups == self->stages.top) return gather_groups(self, error);
    lion_shift shift = lion_shift_begin(self->stages.groups);
    lion_status status = gather_groups(self, error);
    lion_shift_end(&shift);
    return status;
}

/* ---- groups to rows; a custom aggregate asks the host, one group at a time ---- */

static lion_status ask(lion_result *self, const lion_form *values, const lion_element *from)
{
    lion_arena *arena = &self->run->arena;
    lion_form *argument = lion_arena_new(arena, lion_form);
    *argument = *values;
    self->run->own_call = (lion_call){ .kind = LION_CALL_AGGREGATE, .count = 1, .name = from->name, .form_count = 1, .forms = argument,
                                       .results = lion_arena_new(arena, lion_form), .arena = arena };
    self->run->call = &self->run->own_call;
    self->is_asked = true;
    return LION_CALL;
}

static lion_status finish_element(lion_result *self, uint32_t at, lion_form *out, lion_error *error)
{
    const lion_result_element *from = &self->elements[at];
    if (from->values == NULL) return lion_states_finish(out, &from->states, self->group_at, self->group_rows[self->group_at], error);
    lion_form found = lion_group_values_result(from->values, from->number);
    if (from->aggregate != LION_AGGREGATE_CUSTOM) {
        *out = found;
        return LION_OK;
    }
    if (!self->is_asked) return ask(self, &found, &self->ir->elements[at]);
    if (!self->run->own_call.is_answered) return LION_CALL;
    self->is_asked = false;
    lion_group_values_drop(from->values, from->number);
    *out = self->run->own_call.results[0];
    return LION_OK;
}

static lion_status turn_values(lion_result *self, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && !self->is_turned && i < self->width; i++)
        if (self->elements[i].adds) status = lion_group_values_turn(self->elements[i].values, self->group_at, error);
    self->is_turned = status == LION_OK;
    return status;
}

/* The present group as a row. */
static lion_status finish_group(lion_result *self, lion_error *error)
{
    const lion_value *keys = lion_relation_row(&self->group_of.keys, self->group_at);
    if (turn_values(self, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0, key = 0; i < self->width; i++)
        if (!self->elements[i].is_aggregate) self->row[i] = lion_form_value(lion_result_value(self, i, keys[key++]));
    for (; self->element_at < self->width; self->element_at++) {
        if (!self->elements[self->element_at].is_aggregate) continue;
        lion_status status = finish_element(self, self->element_at, &self->row[self->element_at], error);
        if (status != LION_OK) return status;
    }
    for (uint32_t i = 0; i < self->ir->order_count; i++) self->row[self->width + i] = self->row[self->order_slots[i]];
    self->element_at = 0;
    self->is_turned = false;
    return LION_OK;
}

/* The groups of rows that were put aside; LION_END: there are none. */
static lion_status next_round(lion_result *self, lion_error *error)
{
    lion_status status = lion_overflow_turn(&self->overflow, error);
    if (status != LION_OK) return status;
    return reset_groups(self, error);
}

lion_status lion_result_next_group(const lion_form **row_out, lion_result *self, lion_error *error)
{
    for (;;) {
        lion_status status = self->has_groups ? LION_OK : gather_groups_noted(self, error);
        if (status != LION_OK) return status;
        self->has_groups = true;
        if (self->group_at < self->group_of.keys.count) {
            status = finish_group(self, error);
            if (status != LION_OK) return status;
            self->group_at++;
            if (self->stages.groups != NULL) self->stages.groups->rows++;
            *row_out = self->row;
            return LION_OK;
        }
        status = next_round(self, error);
        if (status != LION_OK) return status;
    }
}
