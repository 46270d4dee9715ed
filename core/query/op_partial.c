/* op_partial.c - what a thread has seen before, kept from the run's own thread (partial.h).
 *
 * A thread takes its morsels in ascending order. So a row that it passed on comes, in the order of one thread, before all that
 * it sees later: what it keeps back never was the first of its group, nor of its like.
 *
 * Its table is small, so that looking rows up is cheap; when it is full it takes no more groups in, and rows of others are passed
 * on. Where nearly all rows are new it gives way, and all are. */
#include "query/operators.h"
#include "query/parallel.h"
#include "query/partial.h"

#define TABLE_BYTES (UINT64_C(8) << 20)
#define TABLE_SHARE 8        /* of the query's memory, for the tables of all threads */
#define TABLE_ROWS_MAX 65536
#define TABLE_ROWS_BY_CHANCE 64
#define GROUP_BYTES 64       /* of a table without keys and states, about … */
#define KEY_BYTES 48         /* … and more for each of these */
#define STATE_BYTES 64
#define WINDOW_ROWS 16384    /* after so many rows it is asked whether they were worth it … */
#define WINDOWS_MIN 4        /* … at the beginning with patience: groups have to be met first */
#define ESTIMATED_TIMES 4    /* there may be more rows than estimated */

typedef struct partial {
    lion_operator operator;
    const lion_partial_plan *plan;
    uint32_t *slots;           /* of the keys … */
    uint32_t *element_slots;   /* … and of the elements */
    lion_partial own;
    size_t group_count, group_room;
    size_t rows_max;           /* of the table */
    bool is_passing;           /* all rows go on */
    uint64_t window_rows, window_passed;
    uint32_t windows;
    uint16_t *passed, *added;  /* rows of the batch at hand */
} partial;

/* ---- which rows may be added ---- */

static bool is_off(const partial *self)
{
    return __atomic_load_n(self->own.is_off, __ATOMIC_RELAXED);
}

/* Whether all of the batch's rows may be, together with all that were and, as estimated, will be. */
static bool can_add(partial *self, const lion_batch *batch)
{
    double most = self->operator.rows_estimated * ESTIMATED_TIMES;
    uint64_t rows = self->own.seen > most ? self->own.seen : (uint64_t)most;
    for (uint32_t i = 0; i < self->plan->element_count; i++) {
        if (!self->plan->elements[i].has_states) continue;
        uint8_t type = batch->columns[self->element_slots[i]].type, *types = self->own.types;
        if (types[i] != LION_TYPE_NIL && types[i] != type) return false;
        types[i] = type;
        uint64_t *largest = &self->own.largest[i];
        if (!lion_states_read_largest(&self->own.states[i], batch, self->element_slots[i], largest)) return false;
        if (!lion_states_is_exact(&self->own.states[i], rows, *largest)) return false;
    }
    return true;
}

/* ---- adding ---- */

static lion_status grow_groups(partial *self, lion_error *error)
{
    size_t count = self->own.groups.keys.count, room = self->group_room == 0 ? 64 : self->group_room;
    if (count == self->group_count) return LION_OK;
    while (room < count) room *= 2;
    if (room > self->group_room) {
        lion_arena *arena = &self->operator.run->arena;
        self->own.rows = lion_arena_grow(arena, self->own.rows, self->group_room * sizeof(uint64_t), room * sizeof(uint64_t));
        if (self->own.rows == NULL || arena->is_exhausted) return lion_fail_memory(error);
        self->group_room = room;
    }
    memset(self->own.rows + self->group_count, 0, (count - self->group_count) * sizeof(uint64_t));
    self->group_count = count;
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < self->plan->element_count; i++)
        if (self->plan->elements[i].has_states) status = lion_states_resize(&self->own.states[i], count, error);
    return status;
}

static lion_status add_element(partial *self, uint32_t at, const lion_grouping *grouping, const lion_batch *batch, lion_error *error)
{
    lion_states *states = &self->own.states[at];
    uint32_t slot = self->element_slots[at];
    lion_status status = lion_states_add_column(states, grouping, batch, slot, error);
    if (status != LION_ABSENT) return status;
    status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < lion_batch_rows(batch); i++)
        status = lion_states_add(states, grouping->is_one ? 0 : grouping->numbers[i], lion_batch_get(batch, slot, lion_batch_row(batch, i)), error);
    return status;
}

/* The batch's rows, of groups that are there: their numbers are groups.numbers, in order. */
static lion_status add_rows(partial *self, const lion_batch *batch, lion_error *error)
{
    lion_grouping grouping = { .numbers = self->own.groups.numbers, .count = self->group_count, .is_one = self->plan->key_count == 0 };
    lion_groups_count(&self->own.groups, self->own.rows, lion_batch_rows(batch));
    self->own.added += lion_batch_rows(batch);
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < self->plan->element_count; i++)
        if (self->plan->elements[i].has_states) status = add_element(self, i, &grouping, batch, error);
    return status;
}

/* ---- which rows are passed on ---- */

static lion_status find_rows(partial *self, const lion_batch *batch, lion_error *error)
{
    lion_groups *groups = &self->own.groups;
    if (groups->set.count > 0 && groups->set.count + lion_batch_rows(batch) > self->rows_max) groups->set.is_frozen = true;
    if (!self->plan->is_distinct) return lion_groups_find(groups, batch, self->slots, error);
    return lion_row_set_add(&groups->set, batch, self->slots, groups->numbers, error);
}

/* The first of each group, and those of groups that are not there, are passed on; the others are `added`, with their numbers. */
static void part_rows(partial *self, const lion_batch *batch, size_t known, uint32_t *passed_out, uint32_t *added_out)
{
    uint32_t passed = 0, added = 0, *numbers = self->own.groups.numbers;
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        uint32_t row = lion_batch_row(batch, i), number = numbers[i];
        if (number == LION_ROW_NONE || number >= known) {
            if (number != LION_ROW_NONE) known = number + (size_t)1;
            self->passed[passed++] = (uint16_t)row;
            continue;
        }
        self->added[added] = (uint16_t)row;
        numbers[added++] = number;
    }
    *passed_out = passed;
    *added_out = added;
}

/* Most rows should be done with; at the beginning, where most groups are met for the first time, fewer will do. */
static void judge(partial *self, uint32_t rows, uint32_t passed)
{
    self->window_rows += rows;
    self->window_passed += passed;
    if (self->window_rows < WINDOW_ROWS || self->operator.run->options.plan_seed != 0) return;
    bool is_patient = ++self->windows < WINDOWS_MIN;
    self->is_passing = self->window_passed > self->window_rows / 16 * (is_patient ? 15 : 12);
    self->window_rows = self->window_passed = 0;
}

/* The batch without the rows that are done with. */
static lion_status take_batch(partial *self, lion_batch *batch, lion_error *error)
{
    size_t known = self->plan->is_distinct ? self->own.groups.set.count : self->own.groups.keys.count;
    uint32_t rows = lion_batch_rows(batch), passed = 0, added = 0;
    if (find_rows(self, batch, error) != LION_OK) return LION_FAILED;
    part_rows(self, batch, known, &passed, &added);
    judge(self, rows, passed);
    lion_status status = self->plan->is_distinct ? LION_OK : grow_groups(self, error);
    if (status == LION_OK && !self->plan->is_distinct && added > 0) {
        lion_batch part = *batch;
        if (added < rows) {
            part.selection = self->added;
            part.selected = added;
        }
        status = add_rows(self, &part, error);
    }
    if (passed == rows) return status;
    batch->selection = self->passed;
    batch->selected = passed;
    return status;
}

static lion_status partial_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    partial *self = (partial *)operator;
    lion_batch batch;
    lion_status status;
    do {
        status = lion_operator_next(operator->inputs[0], &batch, error);
        if (status != LION_OK) return status;
        self->own.seen += lion_batch_rows(&batch);
        if (!self->plan->is_distinct && !is_off(self) && !can_add(self, &batch)) __atomic_store_n(self->own.is_off, true, __ATOMIC_RELAXED);
        if (!self->is_passing && !is_off(self)) status = take_batch(self, &batch, error);
    } while (status == LION_OK && lion_batch_rows(&batch) == 0);
    if (status == LION_OK) *batch_out = batch;
    return status;
}

/* ---- making ---- */

static lion_operator *partial_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const partial *self = (const partial *)operator;
    lion_operator *copy = lion_partial_new(run, input, self->plan);
    ((partial *)copy)->own.is_off = self->own.is_off;
    return copy;
}

static size_t table_rows(const lion_run *run, const lion_partial_plan *plan)
{
    const lion_query_options *options = &run->options;
    uint64_t bytes = TABLE_BYTES, group = GROUP_BYTES + (uint64_t)KEY_BYTES * plan->key_count;
    uint64_t most = options->memory_max / (TABLE_SHARE * (uint64_t)options->threads);
    if (options->plan_seed != 0) return 1 + options->plan_seed % TABLE_ROWS_BY_CHANCE;
    if (options->memory_max != 0 && most < bytes) bytes = most;
    for (uint32_t i = 0; i < plan->element_count; i++)
        if (plan->elements[i].has_states) group += STATE_BYTES;
    return bytes / group < TABLE_ROWS_MAX ? (size_t)(bytes / group) : TABLE_ROWS_MAX;
}

static void make_states(partial *self, lion_arena *arena)
{
    uint32_t count = self->plan->element_count;
    self->element_slots = lion_arena_array(arena, uint32_t, count + 1);
    self->own.states = lion_arena_zalloc(arena, sizeof(lion_states) * (count + 1));
    self->own.largest = lion_arena_zalloc(arena, sizeof(uint64_t) * (count + 1));
    self->own.types = lion_arena_zalloc(arena, count + 1);
    if (arena->is_exhausted) return;
    for (uint32_t i = 0; i < count; i++) {
        self->element_slots[i] = lion_operator_slot(&self->operator, self->plan->elements[i].var);
        lion_states_init(&self->own.states[i], self->plan->elements[i].aggregate, arena);
    }
}

lion_operator *lion_partial_new(lion_run *run, lion_operator *input, const lion_partial_plan *plan)
{
    partial *self = LION_OPERATOR(run, partial, partial_next, plan->is_distinct ? "partial-distinct" : "partial-groups");
    lion_arena *arena = &run->arena;
    self->plan = plan;
    self->operator.copy = partial_copy;
    self->operator.spans_rows = true;
    self->operator.keeps_order = true;
    self->operator.inputs[0] = input;
    self->operator.vars = input->vars;
    self->operator.width = input->width;
    self->operator.rows_estimated = input->rows_estimated;
    self->operator.is_unplanned = true;
    self->operator.is_distinct = input->is_distinct;
    self->operator.ascending = input->ascending;
    self->rows_max = table_rows(run, plan);
    self->slots = lion_arena_array(arena, uint32_t, plan->key_count + 1);
    for (uint32_t i = 0; i < plan->key_count; i++) self->slots[i] = lion_operator_slot(input, plan->keys[i]);
    self->passed = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->added = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->own.is_off = lion_arena_zalloc(arena, sizeof(bool));
    lion_groups_init(&self->own.groups, arena, plan->key_count);
    make_states(self, arena);
    return &self->operator;
}

/* ---- what a result is made of ---- */

const lion_partial_plan *lion_partial_distinct(lion_run *run, const uint32_t *vars, uint32_t width)
{
    lion_partial_plan *plan = lion_arena_new(&run->arena, lion_partial_plan);
    *plan = (lion_partial_plan){ .keys = vars, .key_count = width, .is_distinct = true };
    return plan;
}

const lion_partial_plan *lion_partial_groups(lion_run *run, const uint8_t *is_attribute)
{
    const lion_query_ir *ir = run->ir;
    uint32_t count = ir->element_count, key_count = 0, *keys = lion_arena_array(&run->arena, uint32_t, count + 1);
    lion_partial_element *elements = lion_arena_zalloc(&run->arena, sizeof(*elements) * (count + 1));
    lion_partial_plan *plan = lion_arena_new(&run->arena, lion_partial_plan);
    for (uint32_t i = 0; i < count; i++) {
        int64_t wanted = 0;
        lion_partial_element *to = &elements[i];
        to->var = ir->elements[i].var;
        if (ir->elements[i].kind != LION_ELEMENT_AGGREGATE) {
            keys[key_count++] = to->var;
            continue;
        }
        if (lion_aggregate_read(&to->aggregate, &wanted, &ir->elements[i], NULL) != LION_OK) return NULL;
        if (lion_aggregate_needs_values(to->aggregate, wanted)) return NULL;
        to->has_states = to->aggregate != LION_AGGREGATE_COUNT;
        if (to->has_states && is_attribute[to->var]) return NULL; /* it is shown as another value */
    }
    *plan = (lion_partial_plan){ .keys = keys, .key_count = key_count, .elements = elements, .element_count = count };
    return key_count == count ? NULL : plan;
}

/* ---- what one thread has ---- */

lion_partial *lion_partial_of(lion_operator *operator)
{
    return operator->next == partial_next ? &((partial *)operator)->own : NULL;
}

void lion_partial_reset(lion_operator *operator, bool is_off)
{
    partial *self = (partial *)operator;
    lion_error error;
    lion_groups_reset(&self->own.groups);
    for (uint32_t i = 0; i < self->plan->element_count; i++)
        if (self->plan->elements[i].has_states) lion_states_resize(&self->own.states[i], 0, &error);
    memset(self->own.largest, 0, sizeof(uint64_t) * self->plan->element_count);
    memset(self->own.types, LION_TYPE_NIL, self->plan->element_count);
    self->group_count = 0;
    self->own.seen = self->own.added = self->window_rows = self->window_passed = 0;
    self->windows = 0;
    self->is_passing = false;
    __atomic_store_n(self->own.is_off, is_off, __ATOMIC_RELAXED);
}

/* All threads' values of an element. */
static bool is_exact_element(lion_operator *exchange, uint32_t at, uint64_t rows)
{
    uint64_t largest = 0;
    uint8_t type = LION_TYPE_NIL;
    lion_operator *top;
    for (uint32_t i = 0; (top = lion_exchange_top(exchange, i)) != NULL; i++) {
        const lion_partial *own = lion_partial_of(top);
        if (own->types[at] != LION_TYPE_NIL && type != LION_TYPE_NIL && own->types[at] != type) return false;
        if (own->types[at] != LION_TYPE_NIL) type = own->types[at];
        if (own->largest[at] > largest) largest = own->largest[at];
    }
    return lion_states_is_exact(&lion_partial_of(lion_exchange_top(exchange, 0))->states[at], rows, largest);
}

bool lion_partials_are_exact(lion_operator *exchange)
{
    uint64_t seen = 0, added = 0;
    lion_operator *top;
    for (uint32_t i = 0; (top = lion_exchange_top(exchange, i)) != NULL; i++) {
        seen += lion_partial_of(top)->seen;
        added += lion_partial_of(top)->added;
    }
    if (added == 0) return true;
    const partial *first = (const partial *)lion_exchange_top(exchange, 0);
    if (is_off(first)) return false;
    for (uint32_t i = 0; i < first->plan->element_count; i++)
        if (first->plan->elements[i].has_states && !is_exact_element(exchange, i, seen)) return false;
    return true;
}

/* ---- their groups among others ---- */

#define FIND_ROWS (64 < LION_BATCH_ROWS ? 64 : LION_BATCH_ROWS)

typedef struct key_room {
    lion_value values[FIND_ROWS];
    int64_t bits[FIND_ROWS];
} key_room;

/* A column of keys: typed where it can be, as that is how a set of typed rows stays one. */
static void read_key(lion_vector *vector, key_room *room, const lion_relation *keys, size_t at, uint32_t count, uint32_t column)
{
    uint8_t type = lion_relation_row(keys, at)[column].type;
    bool is_typed = lion_type_is_scalar((lion_type)type);
    for (uint32_t i = 0; i < count; i++) {
        room->values[i] = lion_relation_row(keys, at + i)[column];
        room->bits[i] = room->values[i].bits;
        is_typed = is_typed && room->values[i].type == type;
    }
    if (is_typed) *vector = (lion_vector){ .type = type, .bits = room->bits };
    else *vector = (lion_vector){ .type = LION_TYPE_MIXED, .values = room->values };
}

lion_status lion_partial_find(uint32_t *count_out, const lion_partial *own, size_t at, lion_groups *others, lion_error *error)
{
    const lion_relation *keys = &own->groups.keys;
    uint32_t width = keys->width, slots[width + 1];
    lion_vector columns[width + 1];
    key_room rooms[width + 1];
    lion_batch batch = { .count = (uint32_t)(keys->count - at < FIND_ROWS ? keys->count - at : FIND_ROWS), .width = width, .columns = columns };
    bool was_frozen = others->set.is_frozen;
    for (uint32_t i = 0; i < width; i++) {
        slots[i] = i;
        read_key(&columns[i], &rooms[i], keys, at, batch.count, i);
    }
    others->set.is_frozen = true;
    lion_status status = lion_groups_find(others, &batch, slots, error);
    others->set.is_frozen = was_frozen;
    *count_out = batch.count;
    return status;
}
