/* result.c - a result without aggregates and order streams. Any other is made of rows of forms: those of groups, as they are
 * finished, and those that an order sorts. Groups that the memory has no room for are made in a further round: their rows are put
 * aside, on file. */
#include "query/adapt.h"
#include "query/group_values.h"
#include "query/groups.h"
#include "query/overflow.h"
#include "query/parallel.h"
#include "query/result.h"
#include "query/result_stages.h"
#include "query/sorter.h"

typedef struct element {
    uint32_t slot;             /* of the root */
    bool is_aggregate, is_attribute;
    lion_aggregate aggregate;
    int64_t wanted;
    lion_states states;
    lion_group_values *values; /* instead of states; shared with other elements of the slot, of which the first adds */
    uint32_t number;           /* of values: which aggregate */
    bool adds;
} element;

struct lion_result {
    lion_run *run;
    lion_operator *root;
    const lion_query_ir *ir;
    uint32_t weight;           /* the root's slot that says how many rows each row stands for, or NONE */
    const lion_query_pull *pulls;
    element *elements;
    uint32_t width;
    int64_t offset_left, limit_left; /* limit -1: none */
    bool is_gathered;          /* aggregates or an order */
    bool has_aggregates, is_ended, is_complete;
    lion_reading reading;
    /* gathered: rows of `stride` forms: the elements, then the sort keys */
    uint32_t stride;
    lion_form *row;            /* the one that is made */
    lion_sorter sorter;
    lion_form *rows;           /* instead of the sorter's, where an order and a limit leave few: at most twice as many */
    size_t row_count, row_room, row_at;
    size_t wanted;             /* so few; SIZE_MAX: any number */
    bool is_cut;               /* `wanted` rows are there, in order: what is not before the last is not among them */
    uint32_t *order_slots;     /* per order: of the root (no aggregates) or of the elements */
    bool order_is_element;
    bool is_in_order;          /* rows come by their first sort key */
    /* groups */
    lion_groups group_of;
    uint32_t *key_slots, key_count;
    uint64_t *group_rows;      /* by group */
    size_t group_room, group_count, group_at; /* so many have begun */
    bool has_groups;           /* of the present round */
    bool is_turned;            /* values have been turned to the group at group_at */
    uint32_t element_at;
    bool is_asked;
    lion_overflow overflow;    /* rows of the root whose groups are of a later round */
    lion_value *aside;         /* room for one */
    uint16_t *selection;       /* of a batch: the rows of groups that are there */
    /* output */
    lion_vector *columns;
    const lion_form **forms;
    lion_form **form_rooms;
    int64_t **bits;
    lion_value **values;
    uint32_t *bit_rooms, *value_rooms; /* rows of each column of these */
    uint32_t filled;           /* rows of the batch that is made */
    lion_result_stages stages; /* with statistics, or once they are to be shown */
};

/* ---- opening ---- */

static uint32_t order_element(const lion_query_ir *ir, uint32_t var)
{
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < ir->element_count; i++)
            if (ir->elements[i].var == var && (ir->elements[i].kind != LION_ELEMENT_AGGREGATE) == (pass == 0)) return i;
    return LION_SLOT_NONE;
}

static lion_status open_order(lion_result *self, lion_error *error)
{
    const lion_query_ir *ir = self->ir;
    self->order_slots = lion_arena_array(&self->run->arena, uint32_t, ir->order_count + 1);
    self->order_is_element = self->has_aggregates;
    for (uint32_t i = 0; i < ir->order_count; i++) {
        uint32_t var = ir->order[i].var;
        self->order_slots[i] = self->has_aggregates ? order_element(ir, var) : lion_operator_slot(self->root, var);
        if (self->order_slots[i] == LION_SLOT_NONE)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", ":order-by names %.*s, which is neither found nor in :with",
                             (int)ir->var_names[var].size, (const char *)ir->var_names[var].data);
    }
    return LION_OK;
}

#define ROWS_MIN 16

static void open_columns(lion_result *self)
{
    lion_arena *arena = &self->run->arena;
    self->columns = lion_arena_zalloc(arena, sizeof(lion_vector) * (self->width + 1));
    self->forms = lion_arena_zalloc(arena, sizeof(lion_form *) * (self->width + 1));
    self->form_rooms = lion_arena_zalloc(arena, sizeof(lion_form *) * (self->width + 1));
    self->bits = lion_arena_zalloc(arena, sizeof(int64_t *) * (self->width + 1));
    self->values = lion_arena_zalloc(arena, sizeof(lion_value *) * (self->width + 1));
    self->bit_rooms = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->width + 1));
    self->value_rooms = lion_arena_zalloc(arena, sizeof(uint32_t) * (self->width + 1));
}

/* Rows that a column is to have room for, where it has some for `room`. */
static uint32_t more_rows(uint32_t room, uint32_t count)
{
    if (room == 0) room = ROWS_MIN;
    while (room < count) room *= 2;
    return room;
}

/* Room for so many of a column's bits or values, where those that are there stay; NULL: out of memory. */
static int64_t *bits_room(lion_result *self, uint32_t column, uint32_t count)
{
    uint32_t room = self->bit_rooms[column], more = more_rows(room, count);
    if (more == room) return self->bits[column];
    self->bits[column] = lion_arena_grow(&self->run->arena, self->bits[column], room * sizeof(int64_t), more * sizeof(int64_t));
    self->bit_rooms[column] = more;
    return self->bits[column];
}

static lion_value *value_room(lion_result *self, uint32_t column, uint32_t count)
{
    uint32_t room = self->value_rooms[column], more = more_rows(room, count);
    if (more == room) return self->values[column];
    self->values[column] = lion_arena_grow(&self->run->arena, self->values[column], room * sizeof(lion_value), more * sizeof(lion_value));
    self->value_rooms[column] = more;
    return self->values[column];
}

/* So few of a scan's rows are worth reading it by value. */
#define ORDERED_WANTED_MAX 1000
/* So few are kept by themselves. */
#define CUT_WANTED_MAX 4096

/* As the query or its caller says. */
static lion_bounds bounds_of(const lion_result *self)
{
    const lion_query_options *options = &self->run->options;
    return (lion_bounds){ .limit = options->limit >= 0 ? options->limit : self->ir->limit,
                          .offset = options->offset > 0 ? options->offset : self->ir->offset };
}

static void begin_bounds(lion_result *self)
{
    lion_bounds bounds = bounds_of(self);
    self->limit_left = bounds.limit;
    self->offset_left = bounds.offset;
    bool is_one = self->ir->find_kind == LION_FIND_SCALAR || self->ir->find_kind == LION_FIND_TUPLE;
    if (is_one && (self->limit_left < 0 || self->limit_left > 1)) self->limit_left = 1;
}

static void open_bounds(lion_result *self)
{
    begin_bounds(self);
    self->wanted = SIZE_MAX;
    bool is_bounded = self->limit_left > 0 && self->ir->order_count > 0 && !self->has_aggregates;
    if (is_bounded && self->limit_left <= CUT_WANTED_MAX && self->offset_left <= CUT_WANTED_MAX)
        self->wanted = (size_t)self->limit_left + (size_t)self->offset_left;
    if (self->wanted < ORDERED_WANTED_MAX) self->is_in_order = lion_scan_by_value(self->root, self->ir->order[0].var, self->ir->order[0].is_descending);
}

/* Values of one variable are kept once; those of aggregates of the application apart, in the order in which they come. */
static void open_aggregate(lion_result *self, element *to)
{
    bool keeps_order = to->aggregate == LION_AGGREGATE_CUSTOM;
    if (!lion_aggregate_needs_values(to->aggregate, to->wanted)) {
        lion_states_init(&to->states, to->aggregate, &self->run->arena);
        return;
    }
    for (element *other = self->elements; other < to && to->values == NULL; other++)
        if (other->values != NULL && other->slot == to->slot && (other->aggregate == LION_AGGREGATE_CUSTOM) == keeps_order) to->values = other->values;
    to->adds = to->values == NULL;
    if (to->adds) to->values = lion_group_values_new(self->run, keeps_order);
    to->number = lion_group_values_want(to->values, to->aggregate, to->wanted);
}

/* Variables that only told rows apart (:with, or of a count) are nothing to be read: the root's rows are those wanted. */
static void forget_unread(lion_result *self)
{
    uint8_t wanted[self->run->var_room + 1];
    memset(wanted, 0, sizeof(wanted));
    for (uint32_t i = 0; i < self->width; i++)
        if (!self->elements[i].is_aggregate || self->elements[i].aggregate != LION_AGGREGATE_COUNT) wanted[self->ir->elements[i].var] = 1;
    for (uint32_t i = 0; i < self->ir->order_count; i++) wanted[self->ir->order[i].var] = 1;
    lion_scan_forget(self->root, wanted);
}

static void open_stages(lion_result *self)
{
    lion_bounds bounds = bounds_of(self);
    lion_result_stages_make(&self->stages, self->root, &bounds);
}

static void open_gathering(lion_result *self)
{
    lion_run *run = self->run;
    lion_groups_init(&self->group_of, &run->arena, self->key_count);
    self->stride = self->width + run->ir->order_count;
    self->row = lion_arena_array(&run->arena, lion_form, self->stride + 1);
    lion_sorter_init(&self->sorter, run, self->stride, run->ir->order, run->ir->order_count);
    lion_overflow_init(&self->overflow, run, self->root->width);
    self->aside = lion_arena_array(&run->arena, lion_value, self->root->width + 1);
}

lion_status lion_result_new(lion_result **result_out, lion_run *run, lion_operator *root, uint32_t weight, const uint8_t *is_attribute,
                            const lion_query_pull *pulls, lion_error *error)
{
    lion_arena *arena = &run->arena;
    lion_result *self = lion_arena_new(arena, lion_result);
    self->run = run;
    self->root = root;
    self->weight = lion_operator_slot(root, weight);
    self->ir = run->ir;
    self->pulls = pulls;
    self->width = run->ir->element_count;
    self->elements = lion_arena_zalloc(arena, sizeof(element) * (self->width + 1));
    self->key_slots = lion_arena_array(arena, uint32_t, self->width + 1);
    for (uint32_t i = 0; i < self->width; i++) {
        const lion_element *from = &run->ir->elements[i];
        element *to = &self->elements[i];
        *to = (element){ .slot = lion_operator_slot(root, from->var), .is_aggregate = from->kind == LION_ELEMENT_AGGREGATE,
                         .is_attribute = is_attribute[from->var] && from->kind != LION_ELEMENT_PULL };
        if (!to->is_aggregate) {
            self->key_slots[self->key_count++] = to->slot;
            continue;
        }
        self->has_aggregates = true;
        lion_status status = lion_aggregate_read(&to->aggregate, &to->wanted, from, error);
        if (status != LION_OK) return status;
        open_aggregate(self, to);
    }
    self->is_gathered = self->has_aggregates || run->ir->order_count > 0;
    if (self->is_gathered) open_gathering(self);
    lion_status status = open_order(self, error);
    if (status != LION_OK) return status;
    open_columns(self);
    forget_unread(self);
    open_bounds(self);
    if (run->options.statistics) open_stages(self);
    *result_out = self;
    return LION_OK;
}

bool lion_result_can_renew(const lion_query_ir *ir)
{
    for (uint32_t i = 0; i < ir->element_count; i++)
        if (ir->elements[i].kind == LION_ELEMENT_AGGREGATE) return false;
    return ir->order_count == 0;
}

void lion_result_renew(lion_result *self)
{
    begin_bounds(self);
    self->is_ended = false;
    if (self->stages.rows != NULL) self->stages.rows->rows = 0;
}

/* ---- values as users see them ---- */

static lion_value shown(const lion_result *self, uint32_t column, lion_value value)
{
    lion_value seen = lion_run_shown(self->run, value, self->elements[column].is_attribute);
    return seen.type == LION_TYPE_ATTRIBUTE ? lion_value_ref(seen.bits) : seen; /* one without an ident */
}

/* ---- gathering ---- */

static lion_form *add_row(lion_result *self)
{
    if (self->row_count == self->row_room) {
        size_t room = self->row_room == 0 ? 64 : self->row_room * 2, size = sizeof(lion_form) * self->stride;
        lion_form *rows = lion_arena_grow(&self->run->arena, self->rows, self->row_room * size, room * size);
        if (rows == NULL) return NULL;
        self->rows = rows;
        self->row_room = room;
    }
    return self->rows + self->row_count++ * self->stride;
}

#define CUT_ROWS_MIN 64

/* Of an order with a limit only the first rows are wanted: of every twice as many the latter half goes. */
static void cut_rows(lion_result *self)
{
    size_t room = self->wanted < CUT_ROWS_MIN ? CUT_ROWS_MIN : self->wanted;
    if (self->row_count < 2 * room) return;
    lion_sorter_sort(&self->sorter, self->rows, self->row_count);
    self->row_count = self->wanted;
    self->is_cut = true;
}

static lion_status gather_plain(lion_result *self, const lion_batch *batch, uint32_t row, lion_error *error)
{
    bool is_few = self->wanted != SIZE_MAX;
    lion_form *out = is_few ? add_row(self) : self->row;
    if (out == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < self->ir->order_count; i++) out[self->width + i] = lion_form_value(lion_batch_get(batch, self->order_slots[i], row));
    if (self->is_cut && lion_sorter_compare(&self->sorter, out, self->rows + (self->wanted - 1) * self->stride) >= 0) {
        self->row_count--;
        return LION_OK;
    }
    for (uint32_t i = 0; i < self->width; i++) out[i] = lion_form_value(shown(self, i, lion_batch_get(batch, self->elements[i].slot, row)));
    if (!is_few) return lion_sorter_add(&self->sorter, out, error);
    cut_rows(self);
    return LION_OK;
}

/* ---- groups ---- */

static bool has_states(const element *from)
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
    element *from = &self->elements[at];
    uint32_t row = lion_batch_row(batch, i), group = self->group_of.numbers[i];
    lion_value value = shown(self, at, lion_batch_get(batch, from->slot, row));
    if (from->values != NULL) return lion_group_values_add(from->values, group, value, error);
    if (self->weight == LION_SLOT_NONE) return lion_states_add(&from->states, group, value, error);
    return lion_states_add_weighed(&from->states, group, value, (uint64_t)lion_batch_get(batch, self->weight, row).bits, error);
}

/* COUNT may be of a variable that is there no longer. */
static bool is_counted_already(const element *from)
{
    return from->values == NULL ? from->aggregate == LION_AGGREGATE_COUNT : !from->adds;
}

static lion_status gather_element(lion_result *self, uint32_t at, const lion_batch *batch, lion_error *error)
{
    element *from = &self->elements[at];
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
        element *at = &self->elements[i];
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

/* Where only the first rows are wanted and enough are there: the first sort key of the last of them; NULL: they are not. Rows that
 * come in order need no sort to tell which it is. */
static const lion_form *threshold(const lion_result *self)
{
    bool is_there = self->is_cut || (self->is_in_order && self->row_count >= self->wanted);
    return is_there ? &self->rows[(self->wanted - 1) * self->stride + self->width] : NULL;
}

static bool is_behind(const lion_result *self, const lion_form *last, const lion_vector *keys, uint32_t row)
{
    bool is_bits = !keys->is_constant && keys->type != LION_TYPE_DOUBLE && lion_type_is_scalar((lion_type)keys->type);
    bool is_descending = self->ir->order[0].is_descending;
    if (is_bits && keys->type == last->value.type) return is_descending ? keys->bits[row] < last->value.bits : keys->bits[row] > last->value.bits;
    if (!self->is_in_order) return false; /* it is compared whole */
    int order = lion_value_compare(lion_vector_get(keys, row), last->value);
    return is_descending ? order < 0 : order > 0;
}

/* LION_END: the rows come in order, and no more are wanted. */
static lion_status gather_batch(lion_result *self, const lion_batch *batch, lion_error *error)
{
    const lion_vector *keys = &batch->columns[self->order_slots[0]];
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        uint32_t row = lion_batch_row(batch, i);
        const lion_form *last = threshold(self);
        bool is_late = last != NULL && is_behind(self, last, keys, row);
        if (is_late && self->is_in_order) return LION_END;
        if (is_late) continue;
        lion_status status = gather_plain(self, batch, row, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_status gather_rows(lion_result *self, lion_error *error)
{
    lion_batch batch;
    lion_status status;
    while ((status = lion_operator_next(self->root, &batch, error)) == LION_OK) {
        status = gather_batch(self, &batch, error);
        if (status != LION_OK) break;
    }
    return status == LION_END ? LION_OK : status;
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
    const element *from = &self->elements[at];
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
        if (!self->elements[i].is_aggregate) self->row[i] = lion_form_value(shown(self, i, keys[key++]));
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

static lion_status next_group(const lion_form **row_out, lion_result *self, lion_error *error)
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

/* ---- all of it, in order ---- */

static lion_status sort_groups(lion_result *self, lion_error *error)
{
    const lion_form *row;
    lion_status status;
    while ((status = next_group(&row, self, error)) == LION_OK) {
        status = lion_sorter_add(&self->sorter, row, error);
        if (status == LION_OK && self->group_at % LION_BATCH_ROWS == 0) status = lion_run_check(self->run, error);
        if (status != LION_OK) return status;
    }
    return status == LION_END ? LION_OK : status;
}

static lion_status complete(lion_result *self, lion_error *error)
{
    if (self->is_complete) return LION_OK;
    lion_status status = self->has_aggregates ? sort_groups(self, error) : gather_rows(self, error);
    if (status != LION_OK) return status;
    if (self->wanted != SIZE_MAX) lion_sorter_sort(&self->sorter, self->rows, self->row_count);
    self->is_complete = true;
    return LION_OK;
}

static lion_status next_row(const lion_form **row_out, lion_result *self, lion_error *error)
{
    if (self->ir->order_count == 0) return next_group(row_out, self, error);
    lion_status status = complete(self, error);
    if (status != LION_OK) return status;
    if (self->wanted == SIZE_MAX) return lion_sorter_next(row_out, &self->sorter, error);
    if (self->row_at == self->row_count) return LION_END;
    *row_out = &self->rows[self->row_at++ * self->stride];
    return LION_OK;
}

/* ---- output ---- */

/* One type for the whole column, if it has one. */
static lion_status type_column(lion_result *self, uint32_t column, uint32_t count, lion_error *error)
{
    const lion_value *values = self->values[column];
    uint8_t type = values[0].type;
    for (uint32_t i = 1; i < count; i++)
        if (values[i].type != type) type = LION_TYPE_MIXED;
    lion_vector *vector = &self->columns[column];
    *vector = (lion_vector){ .type = type, .values = self->values[column] };
    if (!lion_type_is_scalar(type)) return LION_OK;
    if (bits_room(self, column, count) == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) self->bits[column][i] = values[i].bits;
    vector->bits = self->bits[column];
    return LION_OK;
}

/* A column to be pulled holds ids: what else names an entity (an input may) is resolved. Nobody is an id without facts. */
static lion_status resolve_pulled(lion_result *self, uint32_t column, uint32_t count, lion_error *error)
{
    lion_value *values = self->values[column];
    for (uint32_t i = 0; i < count; i++) {
        int64_t id = LION_ID_MAX;
        if (values[i].type == LION_TYPE_REF) continue;
        lion_status status = lion_query_entity(&id, self->pulls[column].db, values[i], &self->run->arena, error);
        if (status < 0) return status;
        values[i] = lion_value_ref(id);
    }
    return LION_OK;
}

static bool is_pulled(const lion_result *self, uint32_t column)
{
    return self->pulls != NULL && self->pulls[column].is_pull;
}

static lion_status yield(lion_result *self, uint32_t count, lion_query_batch *batch_out)
{
    if (count == 0) return LION_END;
    *batch_out = (lion_query_batch){ .count = count, .width = self->width, .columns = self->columns, .forms = self->forms, .pulls = self->pulls };
    return LION_OK;
}

/* ---- streaming: columns go out as they come, or as much of them as is selected ---- */

static lion_status take_bits(lion_result *self, uint32_t column, const lion_batch *batch, const lion_vector *from, uint32_t first,
                             uint32_t count, lion_error *error)
{
    int64_t *bits = bits_room(self, column, count);
    if (bits == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) bits[i] = from->bits[from->is_constant ? 0 : lion_batch_row(batch, first + i)];
    self->columns[column] = (lion_vector){ .type = from->type, .bits = bits };
    return LION_OK;
}

static lion_status take_values(lion_result *self, uint32_t column, const lion_batch *batch, const lion_vector *from, uint32_t first,
                               uint32_t count, lion_error *error)
{
    lion_value *values = value_room(self, column, count);
    if (values == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++) values[i] = from->values[from->is_constant ? 0 : lion_batch_row(batch, first + i)];
    self->columns[column] = (lion_vector){ .type = from->type, .values = values };
    return LION_OK;
}

/* As users see the values, each looked at. */
static lion_status take_shown(lion_result *self, uint32_t column, const lion_batch *batch, uint32_t first, uint32_t count, lion_error *error)
{
    lion_value *values = value_room(self, column, count);
    if (values == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < count; i++)
        values[i] = shown(self, column, lion_batch_get(batch, self->elements[column].slot, lion_batch_row(batch, first + i)));
    lion_status status = is_pulled(self, column) ? resolve_pulled(self, column, count, error) : LION_OK;
    return status < 0 ? status : type_column(self, column, count, error);
}

static lion_status take_column(lion_result *self, uint32_t column, const lion_batch *batch, uint32_t first, uint32_t count, lion_error *error)
{
    const lion_vector *from = &batch->columns[self->elements[column].slot];
    bool is_plain = from->type != LION_TYPE_MIXED && from->type != LION_TYPE_ATTRIBUTE && !self->elements[column].is_attribute &&
                    (!is_pulled(self, column) || from->type == LION_TYPE_REF);
    if (!is_plain) return take_shown(self, column, batch, first, count, error);
    if (batch->selection == NULL && first == 0 && !from->is_constant) {
        self->columns[column] = *from;
        return LION_OK;
    }
    return lion_type_is_scalar(from->type) ? take_bits(self, column, batch, from, first, count, error)
                                           : take_values(self, column, batch, from, first, count, error);
}

static lion_status next_streamed(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_batch batch;
    uint32_t first = 0, count = 0;
    while (count == 0) {
        if (self->limit_left == 0) return LION_END;
        lion_status status = lion_operator_next(self->root, &batch, error);
        if (status != LION_OK) return status;
        uint32_t rows = lion_batch_rows(&batch);
        first = self->offset_left < rows ? (uint32_t)self->offset_left : rows;
        self->offset_left -= first;
        count = rows - first;
        if (self->limit_left > 0 && count > self->limit_left) count = (uint32_t)self->limit_left;
    }
    if (self->limit_left > 0) self->limit_left -= count;
    for (uint32_t i = 0; i < self->width; i++) {
        lion_status status = take_column(self, i, &batch, first, count, error);
        if (status != LION_OK) return status;
    }
    return yield(self, count, batch_out);
}

/* ---- what was gathered ---- */

static bool take_row(lion_result *self)
{
    if (self->offset_left > 0) {
        self->offset_left--;
        return false;
    }
    if (self->limit_left > 0) self->limit_left--;
    return true;
}

/* Only where one is no value they are all forms, those before it, too. */
static bool make_forms(lion_result *self, uint32_t column, uint32_t row)
{
    lion_form **room = &self->form_rooms[column];
    if (*room == NULL) *room = lion_arena_array(&self->run->arena, lion_form, LION_BATCH_ROWS);
    if (*room == NULL) return false;
    for (uint32_t i = 0; i < row; i++) (*room)[i] = lion_form_value(self->values[column][i]);
    self->forms[column] = *room;
    return true;
}

static bool put_form(lion_result *self, uint32_t column, uint32_t row, const lion_form *form)
{
    bool is_value = form->kind == LION_FORM_VALUE;
    lion_value *values = value_room(self, column, row + 1);
    if (values == NULL) return false;
    if (!is_value && self->forms[column] == NULL && !make_forms(self, column, row)) return false;
    if (self->forms[column] != NULL) self->form_rooms[column][row] = *form;
    values[row] = is_value ? form->value : lion_value_nil();
    return true;
}

static lion_status next_gathered(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->filled == 0) memset(self->forms, 0, sizeof(*self->forms) * self->width);
    while (self->filled < LION_BATCH_ROWS && self->limit_left != 0) {
        const lion_form *row;
        status = next_row(&row, self, error);
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (!take_row(self)) continue;
        for (uint32_t i = 0; i < self->width; i++)
            if (!put_form(self, i, self->filled, &row[i])) return lion_fail_memory(error);
        self->filled++;
    }
    uint32_t count = self->filled;
    self->filled = 0;
    for (uint32_t i = 0; count > 0 && i < self->width; i++) {
        status = is_pulled(self, i) ? resolve_pulled(self, i, count, error) : LION_OK;
        if (status >= 0) status = type_column(self, i, count, error);
        if (status < 0) return status;
    }
    return yield(self, count, batch_out);
}

static lion_status next(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    return self->is_gathered ? next_gathered(self, batch_out, error) : next_streamed(self, batch_out, error);
}

static lion_status next_noted(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_shift shift = lion_shift_begin(self->stages.top);
    lion_status status = next(self, batch_out, error);
    lion_shift_end(&shift);
    if (status == LION_OK && self->stages.rows != NULL) self->stages.rows->rows += batch_out->count;
    return status;
}

lion_status lion_result_next(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    if (self->is_ended) return LION_END;
    lion_status status = lion_run_check(self->run, error);
    bool is_noted = self->run->options.statistics && self->stages.top != self->root;
    if (status == LION_OK) status = is_noted ? next_noted(self, batch_out, error) : next(self, batch_out, error);
    if (status == LION_END) self->is_ended = true;
    return status;
}

lion_operator *lion_result_shown(lion_result *self)
{
    if (self->stages.top == NULL) open_stages(self);
    return self->stages.top;
}
