/* op_scan.c - a pattern that nothing before it binds: the datoms of one attribute, of one value or of a range of them,
 * handed on as the cursor's own columns. Each row of the input meets all of them. The entities of one value are read
 * without a cursor where they are there so (index/value_run.h). */
#include "index/value_run.h"
#include "query/operators.h"
#include "query/pattern.h"

enum { E, A, V, TX, OP };

#define ORDERED_ROWS 64             /* of the first batch, where only the first rows are wanted */
#define RUN_ROWS LION_ROOM_ROWS_MIN /* of the first batch of a value's run */

typedef struct scan {
    lion_operator operator;
    lion_pattern_spec spec;
    lion_key key;
    lion_index index;
    lion_cursor_options options;
    uint32_t out[5];           /* the output's slot, or NONE */
    lion_cursor *cursor;       /* NULL before the first row */
    lion_reading reading;
    bool is_open;              /* the cursor goes on for the current row … */
    bool may_run, is_run;      /* … or the value's run */
    lion_value_run run;        /* view NULL: not opened yet */
    uint32_t run_rows;         /* of its next batch */
    int64_t *entities;         /* LION_BATCH_ROWS, of the run; NULL: none were read */
    lion_passing passing;
    lion_value *constants;     /* of the kept columns: the current row's */
    int64_t *added;            /* of OP; NULL: not wanted */
    uint16_t *selection;       /* of those asserted, or of those retracted; NULL: both */
    const lion_key_range *part; /* to be read alone; NULL: all */
    lion_datom_batch datoms;   /* that went out last */
    bool skips;                /* before it is read on, rows below this key are left out */
    lion_key_range rest;
} scan;

/* The row of the input stands for all rows of the batches. */
static void keep_row(scan *self, uint32_t row)
{
    for (uint32_t i = 0; i < self->passing.kept; i++) {
        lion_value *value = &self->constants[i];
        *value = lion_batch_get(&self->reading.batch, self->passing.from[i], row);
        self->passing.columns[i] = (lion_vector){ .type = value->type, .is_constant = true, .values = value };
        if (lion_type_is_scalar(value->type)) self->passing.columns[i].bits = &value->bits;
    }
}

static lion_status open_cursor(scan *self, lion_error *error)
{
    return lion_cursor_open(&self->cursor, &self->spec.db->view, self->index, &self->key, &self->options, &self->operator.run->arena, error);
}

/* LION_END: it takes the cursor, which also has the order where the run has not. */
static lion_status seek_run(scan *self, lion_error *error)
{
    if (self->run.view == NULL) lion_value_run_init(&self->run, &self->spec.db->view, self->spec.attribute->id, &self->operator.run->arena);
    lion_status status = lion_value_run_seek(&self->run, self->key.datom.v, error);
    if (status == LION_ABSENT) return LION_OK;
    if (status == LION_OK && !lion_value_run_ascends(&self->run)) return LION_END;
    return status;
}

static lion_status open_row(scan *self, uint32_t row, lion_error *error)
{
    lion_status status = LION_OK;
    keep_row(self, row);
    self->is_run = false;
    if (self->may_run && self->part == NULL) {
        status = seek_run(self, error);
        self->is_run = self->is_open = status == LION_OK;
        self->run_rows = RUN_ROWS;
        if (status != LION_END) return status;
        status = LION_OK;
    }
    if (self->cursor == NULL) status = open_cursor(self, error);
    else if (self->part == NULL) status = lion_cursor_seek(self->cursor, &self->key, error);
    if (status == LION_OK && self->part != NULL) status = lion_cursor_seek_range(self->cursor, self->part, error);
    self->is_open = status == LION_OK;
    return status;
}

static lion_status next_of_run(scan *self, lion_error *error)
{
    uint32_t left = lion_value_run_left(&self->run), count = left < self->run_rows ? left : self->run_rows;
    if (count == 0) return LION_END;
    if (self->entities == NULL) self->entities = lion_arena_array(&self->operator.run->arena, int64_t, LION_BATCH_ROWS);
    if (self->entities == NULL) return lion_fail_memory(error);
    lion_value_run_read(&self->run, count, self->entities);
    self->run_rows = self->run_rows < LION_BATCH_ROWS / 4 ? self->run_rows * 4 : LION_BATCH_ROWS;
    self->datoms = (lion_datom_batch){ .count = count, .columns = LION_COLUMN_E, .e = self->entities };
    return LION_OK;
}

static lion_status next_of_cursor(scan *self, lion_error *error)
{
    lion_status status = lion_cursor_next(self->cursor, &self->datoms, error);
    if (status == LION_CALL) self->operator.run->call = lion_cursor_call(self->cursor);
    return status;
}

/* What is read ends where it did. */
static lion_status skip_rows(scan *self, lion_error *error)
{
    self->skips = false;
    if (self->is_run) {
        lion_value_run_skip(&self->run, self->rest.from.datom.e);
        return LION_OK;
    }
    self->rest.to = self->key;
    self->rest.to_upper = true;
    if (self->part != NULL) {
        self->rest.to = self->part->to;
        self->rest.to_upper = self->part->to_upper;
    } else if (self->options.end_v != NULL) {
        self->rest.to.datom.v = *self->options.end_v;
        self->rest.to.parts = 2;
        self->rest.to_upper = false;
    } else if (self->options.is_seek) {
        self->rest.to.parts = 0;
    }
    return lion_cursor_seek_range(self->cursor, &self->rest, error);
}

/* Who asks may be behind what was read here. */
static void scan_skip(lion_operator *operator, const lion_value *to)
{
    scan *self = (scan *)operator;
    bool is_by_value = self->spec.is_by_value;
    bool is_key = is_by_value ? to->type == self->spec.attribute->type : lion_query_is_id(to->type);
    if (!is_key || !self->is_open || self->datoms.count == 0 || self->options.is_reverse) return;
    uint32_t last = self->datoms.count - 1;
    if (lion_value_compare(is_by_value ? lion_vector_get(&self->datoms.v, last) : lion_value_ref(self->datoms.e[last]), *to) >= 0) return;
    self->rest.from = (lion_key){ .datom = self->key.datom, .parts = is_by_value || self->index == LION_AEVT ? 2 : 3 };
    if (is_by_value) self->rest.from.datom.v = *to;
    else self->rest.from.datom.e = to->bits;
    self->skips = true;
}

static void put_column(scan *self, int position, uint8_t type, const int64_t *bits)
{
    if (self->out[position] != LION_SLOT_NONE)
        self->passing.columns[self->out[position]] = (lion_vector){ .type = type, .bits = (int64_t *)(uintptr_t)bits };
}

static void put_datoms(scan *self, const lion_datom_batch *datoms)
{
    put_column(self, E, LION_TYPE_REF, datoms->e);
    put_column(self, TX, LION_TYPE_REF, datoms->tx);
    if (self->out[V] != LION_SLOT_NONE) self->passing.columns[self->out[V]] = datoms->v;
    if (self->out[OP] == LION_SLOT_NONE) return;
    for (uint32_t i = 0; i < datoms->count; i++) self->added[i] = datoms->added[i] != 0;
    put_column(self, OP, LION_TYPE_BOOLEAN, self->added);
}

static void select_datoms(scan *self, const lion_datom_batch *datoms, lion_batch *batch)
{
    bool wanted = self->spec.positions[OP].constant.bits != 0;
    batch->selection = self->selection;
    for (uint32_t i = 0; i < datoms->count; i++) {
        self->selection[batch->selected] = (uint16_t)i;
        batch->selected += (datoms->added[i] != 0) == wanted;
    }
}

static lion_status scan_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    scan *self = (scan *)operator;
    for (;;) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_OK && !self->is_open) status = open_row(self, row, error);
        if (status == LION_OK && self->skips) status = skip_rows(self, error);
        if (status != LION_OK) return status;
        status = self->is_run ? next_of_run(self, error) : next_of_cursor(self, error);
        if (status == LION_END) {
            self->is_open = false;
            self->datoms.count = 0;
            lion_reading_advance(&self->reading);
            continue;
        }
        if (status != LION_OK) return status;
        put_datoms(self, &self->datoms);
        *batch_out = (lion_batch){ .count = self->datoms.count, .width = operator->width, .columns = self->passing.columns };
        if (self->selection != NULL) select_datoms(self, &self->datoms, batch_out);
        if (lion_batch_rows(batch_out) > 0) return LION_OK;
    }
}

static lion_status scan_rewind(lion_operator *operator, lion_error *error)
{
    scan *self = (scan *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->is_open = self->skips = false;
    self->datoms.count = 0;
    return LION_OK;
}

static void scan_renew(lion_operator *operator)
{
    scan *self = (scan *)operator;
    self->spec.db = operator->run->sources[self->spec.source].db;
    if (self->cursor != NULL) lion_cursor_renew(self->cursor, &self->spec.db->view);
    self->run.view = NULL;
    self->part = NULL;
}

bool lion_scan_can(const lion_pattern_spec *spec)
{
    const lion_position *positions = spec->positions;
    if (spec->attribute == NULL) return false;
    for (int i = 0; i < 5; i++) {
        bool is_open = positions[i].kind == LION_POSITION_OUT || positions[i].kind == LION_POSITION_BLANK;
        if (i == OP && positions[OP].kind == LION_POSITION_CONST) is_open = positions[OP].constant.type == LION_TYPE_BOOLEAN;
        if (!is_open && i != A && !(i == V && positions[V].kind == LION_POSITION_CONST && spec->attribute->is_in_avet)) return false;
    }
    return true;
}

static lion_operator *scan_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    lion_pattern_spec spec = lion_pattern_spec_in(&((const scan *)operator)->spec, run);
    return lion_scan_new(run, input, &spec, lion_operator_keep(operator, run));
}

static void choose_key(scan *self)
{
    const lion_pattern_spec *spec = &self->spec;
    const lion_index_range *range = spec->range;
    self->key = (lion_key){ .datom = { .a = spec->attribute->id }, .parts = 1 };
    self->index = LION_AEVT;
    if (spec->positions[V].kind == LION_POSITION_CONST) {
        self->index = LION_AVET;
        self->key.datom.v = spec->positions[V].constant;
        self->key.parts = 2;
    } else if (range != NULL) {
        self->index = LION_AVET;
        self->options.is_seek = self->options.is_in_attribute = true;
        self->options.end_v = range->has_end ? &range->end : NULL;
        self->key.datom.v = range->low;
        self->key.parts = range->has_low ? 2 : 1;
    } else if (spec->is_by_value) {
        self->index = LION_AVET;
    }
}

/* Of AEVT, or of one value, rows ascend by the entity. */
static void choose_order(scan *self)
{
    const lion_pattern_spec *spec = &self->spec;
    int column = spec->is_by_value ? V : E;
    bool is_whole_past = spec->db->view.is_history && self->out[TX] != LION_SLOT_NONE; /* putting it in order is most of the work */
    self->options.is_any_order = (spec->range != NULL || is_whole_past) && !spec->is_by_value; /* nobody is told of an order of these */
    bool has_order = lion_operator_is_one_row(self->operator.inputs[0]) && !self->options.is_any_order;
    self->operator.ascending = has_order && self->out[column] != LION_SLOT_NONE ? 1 + spec->positions[column].index : 0;
}

lion_operator *lion_scan_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    static const uint32_t COLUMN[5] = { LION_COLUMN_E, 0, LION_COLUMN_V, LION_COLUMN_TX, LION_COLUMN_TX };
    scan *self = LION_OPERATOR(run, scan, scan_next, spec->range != NULL ? "range" : "scan");
    uint32_t added[5], added_count = 0;
    self->operator.rewind = scan_rewind;
    self->operator.skip = scan_skip;
    self->operator.inputs[0] = input;
    if (spec->db->view.filter_count == 0) {
        self->operator.copy = scan_copy;
        self->operator.renew = scan_renew;
    }
    self->spec = *spec;
    choose_key(self);
    for (int i = 0; i < 5; i++) {
        const lion_position *position = &spec->positions[i];
        self->out[i] = LION_SLOT_NONE;
        if (i == A || position->kind != LION_POSITION_OUT || !keep[position->index]) continue;
        self->options.columns |= COLUMN[i];
        self->out[i] = added_count;
        added[added_count++] = position->index;
    }
    if (spec->positions[OP].kind == LION_POSITION_CONST) {
        self->options.columns |= LION_COLUMN_TX;
        self->options.is_retractions = spec->positions[OP].constant.bits == 0 && spec->db->view.is_history;
        self->selection = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    }
    if (self->options.columns == 0) self->options.columns = LION_COLUMN_E;
    const lion_view *view = &spec->db->view;
    self->may_run = spec->positions[V].kind == LION_POSITION_CONST && self->options.columns == LION_COLUMN_E && view->filter_count == 0 &&
                    !view->is_history;
    lion_passing_init(&self->passing, &self->operator, input, keep, added, added_count);
    for (int i = 0; i < 5; i++)
        if (self->out[i] != LION_SLOT_NONE) self->out[i] += self->passing.kept;
    self->constants = lion_arena_array(&run->arena, lion_value, self->passing.kept + 1);
    choose_order(self);
    if (self->out[OP] != LION_SLOT_NONE) self->added = lion_arena_array(&run->arena, int64_t, LION_BATCH_ROWS);
    return &self->operator;
}

void lion_scan_sort(lion_operator *operator, uint32_t var)
{
    scan *self = (scan *)operator;
    if (operator->next != scan_next) return;
    const lion_position *v = &self->spec.positions[V];
    if (v->kind != LION_POSITION_OUT || v->index != var || !self->spec.attribute->is_in_avet) return;
    self->spec.is_by_value = true;
    choose_key(self);
    choose_order(self);
    operator->index = "avet";
}

void lion_scan_forget(lion_operator *root, const uint8_t *wanted)
{
    static const int64_t NOTHING = 0;
    scan *self = (scan *)root;
    if (root->next != scan_next) return;
    for (int i = E; i <= V; i++) {
        uint32_t slot = self->out[i];
        if (slot == LION_SLOT_NONE || wanted[root->vars[slot]]) continue;
        self->options.columns &= ~(i == E ? (uint32_t)LION_COLUMN_E : (uint32_t)LION_COLUMN_V);
        self->out[i] = LION_SLOT_NONE;
        if (root->ascending == 1 + root->vars[slot]) root->ascending = 0;
        self->passing.columns[slot] = (lion_vector){ .type = LION_TYPE_LONG, .is_constant = true, .bits = (int64_t *)(uintptr_t)&NOTHING };
    }
    if (self->options.columns == 0) self->options.columns = LION_COLUMN_E;
}

bool lion_scan_by_value(lion_operator *root, uint32_t var, bool is_descending)
{
    lion_operator *at = root;
    while (at->keeps_order && at->inputs[0] != NULL) at = at->inputs[0];
    scan *self = (scan *)at;
    if (at->next != scan_next || !lion_feed_is_start(at->inputs[0]) || self->index != LION_AEVT) return false;
    const lion_pattern_spec *spec = &self->spec;
    bool is_value = spec->positions[V].kind == LION_POSITION_OUT && spec->positions[V].index == var;
    if (!is_value || !spec->attribute->is_in_avet) return false;
    self->index = LION_AVET;
    self->options.is_reverse = is_descending;
    self->options.is_any_order = false;
    self->options.batch_rows = ORDERED_ROWS;
    at->index = "avet";
    for (lion_operator *above = root; above != at; above = above->inputs[0]) above->ascending = 0;
    at->ascending = 0;
    return true;
}

/* ---- parts of it ---- */

bool lion_scan_can_split(const lion_operator *operator)
{
    const scan *self = (const scan *)operator;
    if (operator->next != scan_next || operator->copy == NULL || !lion_feed_is_start(operator->inputs[0])) return false;
    return !self->options.is_reverse && self->options.batch_rows == 0;
}

/* Opened first, by one: what cursors of the view share is made with regard to all that will be read. */
lion_status lion_scan_split(lion_key_range **parts_out, uint32_t *count_out, lion_operator *operator, uint64_t rows_each, uint32_t most,
                            lion_error *error)
{
    scan *self = (scan *)operator;
    lion_status status = self->cursor == NULL ? open_cursor(self, error) : LION_OK;
    if (status != LION_OK) return status;
    lion_key_range all = { .from = self->key };
    if (self->key.parts > 1 && !self->options.is_seek) {
        all.to = self->key;
        all.to_upper = true;
    } else if (self->options.end_v != NULL) {
        all.to = (lion_key){ .datom = { .a = self->spec.attribute->id, .v = *self->options.end_v }, .parts = 2 };
    }
    return lion_view_split(parts_out, count_out, &self->spec.db->view, self->index, &all, rows_each, most, self->options.is_any_order,
                           &operator->run->arena, error);
}

void lion_scan_set_part(lion_operator *operator, const lion_key_range *part)
{
    ((scan *)operator)->part = part;
}
