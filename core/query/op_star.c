/* op_star.c - a pattern whose entity is bound, of an attribute of cardinality one: each row has one value or none, so
 * the rows of the input go on as they are, without those that have none, with the value's column beside. */
#include "index/gather.h"
#include "index/view_parts.h"
#include "query/pattern.h"

enum { E, A, V, TX, OP };

/* A row, where entities ascend, and where they do not. */
#define SCALAR_NS 1.0
#define BYTES_NS 3.0
#define LOOK_NS 60.0

typedef struct star {
    lion_operator operator;
    lion_pattern_spec spec;
    lion_gather *gather;
    lion_batch batch;
    uint32_t e_slot;
    uint32_t v_slot;           /* BOUND: the input's slot */
    uint32_t out;              /* OUT: the output's slot, or NONE */
    bool wants_value;
    lion_vector values;
    lion_vector found;         /* what compares with the values: a constant's */
    lion_value constant;
    int64_t *entities;         /* of columns that are not plain ids */
    uint32_t room;             /* rows that there is room for, of the input's batches: */
    uint16_t *selection;
    uint32_t selected;
    lion_passing passing;
} star;

/* The batch's entities by row, and which rows have one: those of `rows`, or all. */
static lion_status find_entities(star *self, const int64_t **e_out, const uint16_t **rows_out, uint32_t *count_out, lion_error *error)
{
    const lion_vector *column = &self->batch.columns[self->e_slot];
    *rows_out = self->batch.selection;
    *count_out = lion_batch_rows(&self->batch);
    if (lion_query_is_id(column->type) && !column->is_constant) {
        *e_out = column->bits;
        return LION_OK;
    }
    if (self->entities == NULL) self->entities = lion_arena_array(&self->operator.run->arena, int64_t, self->room);
    if (self->entities == NULL) return lion_fail_memory(error);
    uint32_t count = 0;
    for (uint32_t i = 0; i < *count_out; i++) {
        uint32_t row = lion_batch_row(&self->batch, i);
        lion_value value = lion_vector_get(column, row);
        if (!lion_query_is_id(value.type)) {
            lion_status status = lion_pattern_entity(&value, &self->spec, value, &self->operator.run->arena, error);
            if (status == LION_FAILED) return status;
            if (status != LION_OK) continue;
        }
        self->entities[row] = value.bits;
        self->selection[count++] = (uint16_t)row;
    }
    *e_out = self->entities;
    *rows_out = self->selection;
    *count_out = count;
    return LION_OK;
}

/* Rows whose value is the one that the input has, as the attribute would hold it. */
static lion_status meet_bound(star *self, lion_error *error)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < self->selected; i++) {
        uint16_t row = self->selection[i];
        lion_value value = lion_batch_get(&self->batch, self->v_slot, row);
        lion_status status = lion_pattern_value(&value, &self->spec, self->spec.attribute, value, &self->operator.run->arena, error);
        if (status == LION_FAILED) return status;
        if (status == LION_OK && lion_value_equal(value, lion_vector_get(&self->values, row))) self->selection[kept++] = row;
    }
    self->selected = kept;
    return LION_OK;
}

/* Each of the dictionary's values is compared once. They are fewer than rows. */
static void meet_coded(star *self)
{
    const lion_dictionary *dictionary = self->values.dictionary;
    uint8_t is_met[LION_BATCH_ROWS];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < dictionary->count; i++) is_met[i + 1] = lion_value_equal(dictionary->values[i], self->constant);
    for (uint32_t i = 0; i < self->selected; i++) {
        uint16_t row = self->selection[i];
        const lion_value *value = &self->values.values[row];
        self->selection[kept] = row;
        kept += value->code != 0 ? is_met[value->code] : lion_value_equal(*value, self->constant);
    }
    self->selected = kept;
}

static void meet_constant(star *self)
{
    uint32_t kept = 0;
    if (self->values.dictionary != NULL && self->values.dictionary->count < self->selected) {
        meet_coded(self);
        return;
    }
    const lion_value *constant = &self->constant;
    bool is_bits = lion_type_is_scalar(self->values.type) && self->values.type != LION_TYPE_DOUBLE;
    for (uint32_t i = 0; i < self->selected && is_bits; i++) {
        uint16_t row = self->selection[i];
        self->selection[kept] = row;
        kept += self->values.bits[row] == constant->bits;
    }
    for (uint32_t i = 0; i < self->selected && !is_bits; i++) {
        uint16_t row = self->selection[i];
        if (lion_value_equal(lion_vector_get(&self->values, row), *constant)) self->selection[kept++] = row;
    }
    self->selected = kept;
}

static lion_status meet_batch(star *self, lion_error *error)
{
    const int64_t *e = NULL;
    const uint16_t *rows = NULL;
    uint32_t count = 0;
    lion_status status = find_entities(self, &e, &rows, &count, error);
    if (status != LION_OK) return status;
    status = lion_gather_read(self->gather, e, rows, count, self->wants_value ? &self->values : NULL, self->selection, &self->selected, error);
    if (status != LION_OK) return status;
    if (self->spec.positions[V].kind == LION_POSITION_CONST) meet_constant(self);
    if (self->spec.positions[V].kind == LION_POSITION_BOUND) return meet_bound(self, error);
    return LION_OK;
}

/* For a batch of so many rows. */
static lion_status make_room(star *self, uint32_t rows, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    uint32_t room = self->room == 0 ? 1 : self->room;
    while (room < rows) room *= 2;
    self->room = room;
    self->entities = NULL;
    self->selection = lion_arena_array(arena, uint16_t, room);
    if (self->wants_value && lion_type_is_scalar((lion_type)self->spec.attribute->type)) self->values.bits = lion_arena_array(arena, int64_t, room);
    else if (self->wants_value) self->values.values = lion_arena_array(arena, lion_value, room);
    return lion_arena_check(arena, error);
}

static lion_status open_gather(star *self, lion_error *error)
{
    const lion_attribute *attribute = self->spec.attribute;
    lion_arena *arena = &self->operator.run->arena;
    return lion_gather_new(&self->gather, &self->spec.db->view, attribute->id, (lion_type)attribute->type, arena, error);
}

static lion_status star_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    star *self = (star *)operator;
    do {
        lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
        if (status == LION_OK && self->gather == NULL) status = open_gather(self, error);
        if (status == LION_OK && self->batch.count > self->room) status = make_room(self, self->batch.count, error);
        if (status == LION_OK) status = meet_batch(self, error);
        if (status != LION_OK) return status;
    } while (self->selected == 0);
    lion_passing_take(&self->passing, &self->batch);
    if (self->out != LION_SLOT_NONE) self->passing.columns[self->out] = self->values;
    bool is_all = self->batch.selection == NULL && self->selected == self->batch.count;
    *batch_out = (lion_batch){ .count = self->batch.count, .width = operator->width, .columns = self->passing.columns,
                               .selection = is_all ? NULL : self->selection, .selected = self->selected };
    return LION_OK;
}

bool lion_star_can(const lion_pattern_spec *spec)
{
    const lion_position *positions = spec->positions;
    const lion_view *view = &spec->db->view;
    bool is_open = positions[TX].kind == LION_POSITION_BLANK && positions[OP].kind == LION_POSITION_BLANK;
    bool is_one = spec->attribute != NULL && lion_attribute_was_one(spec->attribute, view->upper_t) && spec->attribute->type != LION_TYPE_MIXED;
    return is_open && is_one && positions[E].kind == LION_POSITION_BOUND && positions[V].kind != LION_POSITION_SAME && view->filter_count == 0 &&
           !view->is_history;
}

static void star_renew(lion_operator *operator)
{
    star *self = (star *)operator;
    self->spec.db = operator->run->sources[self->spec.source].db;
    if (self->gather != NULL) lion_gather_renew(self->gather, &self->spec.db->view);
}

static lion_operator *star_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_pattern_spec spec = lion_pattern_spec_in(&((const star *)operator)->spec, run);
    return lion_star_new(run, input, &spec, lion_operator_keep(operator, run));
}

lion_operator *lion_star_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    star *self = LION_OPERATOR(run, star, star_next, "star");
    const lion_position *v = &spec->positions[V];
    self->operator.inputs[0] = input;
    self->operator.copy = star_copy;
    self->operator.renew = star_renew;
    self->operator.keeps_order = true;
    self->spec = *spec;
    self->e_slot = lion_operator_slot(input, spec->positions[E].index);
    self->v_slot = v->kind == LION_POSITION_BOUND ? lion_operator_slot(input, v->index) : LION_SLOT_NONE;
    self->constant = v->constant;
    bool is_out = v->kind == LION_POSITION_OUT && keep[v->index];
    self->wants_value = is_out || v->kind == LION_POSITION_CONST || v->kind == LION_POSITION_BOUND;
    lion_passing_init(&self->passing, &self->operator, input, keep, &v->index, is_out);
    self->out = is_out ? self->passing.kept : LION_SLOT_NONE;
    bool ascends = input->ascending == 1 + spec->positions[E].index;
    self->operator.row_ns = !ascends ? LOOK_NS : lion_type_is_scalar((lion_type)spec->attribute->type) ? SCALAR_NS : BYTES_NS;
    return &self->operator;
}
