/* op_probe.c - a pattern that meets bound values with many entities, or bound entities with many values: each row of
 * the input becomes as many rows as its key has datoms.
 *
 * Few keys are looked up in the index one by one. Once there are enough, the attribute is read in the order of the keys into a
 * table (probe_table.h). Rows of the input wait before, as long as they take no more memory than its targets may: if the input ends so,
 * nothing else is kept than what they ask for. Rows go out column by column. Where nobody wants what lies in the run of a key, a row goes
 * out once. */
#include "index/value_run.h"
#include "query/columns.h"
#include "query/key_set.h"
#include "query/pattern.h"
#include "query/probe_table.h"
#include "query/row_queue.h"
#include "query/threads.h"

enum { E, A, V, TX, OP };

#define TABLE_COUNT_MAX (UINT64_C(16) << 20)
#define TABLE_PROBES 64 /* a table pays when so many times more datoms than keys are read for it */
#define SHARED_ROWS 16384 /* of a part that is worth being another thread's */
#define WAITING_BYTES 8 /* of rows that wait, for each datom that a table may have */

typedef struct probe {
    lion_operator operator;
    lion_pattern_spec spec;
    bool is_by_value;          /* the key is V: of AVET; else E, of AEVT */
    uint8_t key_type;
    uint32_t key_slot, out;    /* out: NONE when the target is not wanted */
    lion_columns columns;
    lion_batch batch;
    bool has_batch;
    uint32_t at;               /* of the batch's rows */
    uint64_t probes;
    lion_cursor *cursor;
    bool is_open;              /* the row's datoms are being read … */
    lion_datom_batch datoms;
    uint32_t datom_at;         /* … as far as this, by the cursor, or in the table … */
    uint32_t run_to;           /* … to here */
    bool is_unique;            /* a value has one entity, which is found without a cursor */
    bool may_run;              /* a value's entities may be there without a cursor … */
    bool is_run;               /* … as the row's are, as far as they are not read */
    lion_value_run run;
    int64_t found;
    bool is_building, has_table;
    lion_probe_table table;
    bool is_gathering, is_ended; /* rows of the input wait; there are no more */
    bool is_partial;           /* the table has what these ask for, and no more */
    bool is_again;             /* it was rewound: another input may ask for more */
    bool asks_others;          /* keys of another type wait */
    lion_row_queue waiting;
    lion_key_set wanted;       /* the keys of what waits */
    uint16_t *rows;            /* LION_BATCH_ROWS */
} probe;

/* ---- keys ---- */

/* The row's key as the index has it. LION_ABSENT: it can match nothing. */
static lion_status key_of(probe *self, uint32_t row, lion_value *key_out, lion_error *error)
{
    lion_value value = lion_batch_get(&self->batch, self->key_slot, row);
    lion_arena *arena = &self->operator.run->arena;
    if (value.type == self->key_type && value.type != LION_TYPE_TUPLE) {
        *key_out = value;
        return LION_OK;
    }
    if (self->is_by_value) return lion_pattern_value(key_out, &self->spec, self->spec.attribute, value, arena, error);
    return lion_pattern_entity(key_out, &self->spec, value, arena, error);
}

/* ---- the index ---- */

/* Of a key's first datoms so many are read at once, where few are estimated for each, or more. */
#define FEW_EACH 8
#define FEW_ROWS 16
#define MANY_ROWS 64

static double input_rows(const probe *self)
{
    double rows = self->operator.inputs[0]->rows_estimated;
    return rows < 1 ? 1 : rows;
}

static lion_status open_cursor(probe *self, const lion_key *key, lion_error *error)
{
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    if (key->parts > 1) {
        options.columns = self->is_by_value ? LION_COLUMN_E : LION_COLUMN_V;
        options.batch_rows = self->operator.rows_estimated < input_rows(self) * FEW_EACH ? FEW_ROWS : MANY_ROWS;
    }
    return lion_cursor_open(&self->cursor, &self->spec.db->view, self->is_by_value ? LION_AVET : LION_AEVT, key, &options,
                            &self->operator.run->arena, error);
}

static lion_status next_datoms(probe *self, lion_error *error)
{
    lion_status status = lion_cursor_next(self->cursor, &self->datoms, error);
    if (status == LION_CALL) self->operator.run->call = lion_cursor_call(self->cursor);
    if (status != LION_OK) self->datoms.count = 0; /* the batch before has gone out */
    self->datom_at = 0;
    return status;
}

/* ---- the table: reading ---- */

/* The datoms read last, as far as they are wanted. */
static lion_status add_datoms(probe *self, lion_error *error)
{
    lion_vector entities = { .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)self->datoms.e };
    lion_vector *keys = self->is_by_value ? &self->datoms.v : &entities, *targets = self->is_by_value ? &entities : &self->datoms.v;
    if (!self->is_partial) return lion_probe_table_add(&self->table, keys, targets, NULL, self->datoms.count, self->spec.count, error);
    lion_batch batch = { .count = self->datoms.count, .width = 1, .columns = keys };
    uint32_t slot = 0, count = lion_key_set_select(&self->wanted, &batch, &slot, true, self->rows);
    return lion_probe_table_add(&self->table, keys, targets, count < self->datoms.count ? self->rows : NULL, count, 0, error);
}

/* By the run's own thread. Taken again after a LION_CALL. */
static lion_status read_all(probe *self, lion_error *error)
{
    lion_status status = LION_OK;
    if (!self->is_building) {
        lion_key key = { .datom = { .a = self->spec.attribute->id }, .parts = 1 };
        status = open_cursor(self, &key, error);
        if (status != LION_OK) return status;
        self->is_building = true;
    }
    while ((status = next_datoms(self, error)) == LION_OK) {
        status = add_datoms(self, error);
        if (status == LION_OK) status = lion_run_check(self->operator.run, error);
        if (status != LION_OK) return status;
    }
    return status == LION_END ? LION_OK : status;
}

/* By several: parts of the tree, each of which goes where its rows would be if each had a key of its own. */
typedef struct reading_parts {
    const probe *probe;
    lion_key_range *parts;
    uint32_t count;
    uint64_t rows;             /* of all */
    lion_probe_table *tables;  /* of each part */
} reading_parts;

static uint64_t part_end(const reading_parts *all, uint32_t number)
{
    return number + 1 < all->count ? all->parts[number + 1].rows_before : all->rows;
}

static lion_status read_part(void *context, uint32_t number, lion_run *run, lion_error *error)
{
    const reading_parts *all = context;
    const probe *self = all->probe;
    const lion_key_range *part = &all->parts[number];
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    lion_index index = self->is_by_value ? LION_AVET : LION_AEVT;
    lion_key key = { .datom = { .a = self->spec.attribute->id }, .parts = 1 };
    lion_cursor *cursor = NULL;
    lion_datom_batch datoms;
    lion_status status = lion_cursor_open(&cursor, &self->spec.db->view, index, &key, &options, &run->arena, error);
    if (status == LION_OK) status = lion_cursor_seek_range(cursor, part, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &datoms, error)) == LION_OK) {
        lion_vector entities = { .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)datoms.e };
        if (part->rows_before + all->tables[number].target_count + datoms.count > part_end(all, number))
            return lion_fail_corrupt(error, "a tree of attribute %u has more rows than it counts", self->spec.attribute->id);
        status = lion_probe_table_add(&all->tables[number], self->is_by_value ? &datoms.v : &entities, self->is_by_value ? &entities : &datoms.v,
                                      NULL, datoms.count, 0, error);
        if (status == LION_OK) status = lion_run_check(run, error);
    }
    return status == LION_END ? LION_OK : status;
}

static lion_status read_parts(probe *self, reading_parts *parts, lion_error *error)
{
    lion_run *run = self->operator.run;
    bool has_room = lion_probe_table_reserve(&self->table, parts->rows);
    parts->tables = lion_arena_alloc(&run->arena, sizeof(lion_probe_table) * parts->count);
    if (!has_room || parts->tables == NULL || run->arena.is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < parts->count; i++) parts->tables[i] = lion_probe_table_part(&self->table, parts->parts[i].rows_before);
    lion_status status = lion_threads_share(run, parts->count, read_part, parts, error);
    for (uint32_t i = 0; status == LION_OK && i < parts->count; i++) {
        if (parts->parts[i].rows_before + parts->tables[i].target_count != part_end(parts, i))
            return lion_fail_corrupt(error, "a tree of attribute %u has fewer rows than it counts", self->spec.attribute->id);
        lion_probe_table_join(&self->table, &parts->tables[i]);
    }
    return status;
}

/* The parts, where there are threads and the trees have it all; else none. */
static lion_status find_parts(probe *self, reading_parts *parts, lion_error *error)
{
    lion_run *run = self->operator.run;
    const lion_view *view = &self->spec.db->view;
    uint32_t tasks = lion_threads_tasks(run);
    lion_key_range all = { .from = { .datom = { .a = self->spec.attribute->id }, .parts = 1 } };
    uint64_t each = run->options.plan_seed != 0 ? 1 : SHARED_ROWS;
    *parts = (reading_parts){ .probe = self };
    if (tasks == 0 || self->is_building || self->is_partial || view->filter_count > 0) return LION_OK;
    lion_status status = lion_view_split(&parts->parts, &parts->count, view, self->is_by_value ? LION_AVET : LION_AEVT, &all, each, tasks, true,
                                         &run->arena, error);
    if (status != LION_OK || parts->count == 0) return status;
    return lion_view_count(&parts->rows, view, self->is_by_value ? LION_AVET : LION_AEVT, &all.from, &run->arena, error);
}

static uint8_t target_type(const probe *self)
{
    return (uint8_t)(self->is_by_value ? LION_TYPE_REF : self->spec.attribute->type);
}

/* Taken again after a LION_CALL. */
static lion_status build_table(probe *self, lion_error *error)
{
    reading_parts parts;
    if (!self->is_building)
        lion_probe_table_init(&self->table, &self->operator.run->arena, self->key_type, target_type(self), self->out != LION_SLOT_NONE);
    lion_status status = find_parts(self, &parts, error);
    if (status == LION_OK) status = parts.count > 0 ? read_parts(self, &parts, error) : read_all(self, error);
    if (status == LION_OK) status = lion_probe_table_index(&self->table, error);
    if (status != LION_OK) return status;
    self->is_building = false;
    self->has_table = true;
    self->operator.name = "hash-join";
    return LION_OK;
}

/* ---- the table: what waits for it ---- */

/* What is left of the batch, with its keys. */
static lion_status let_wait(probe *self, lion_error *error)
{
    lion_batch rest = self->batch;
    uint32_t count = lion_batch_rows(&self->batch) - self->at;
    for (uint32_t k = 0; k < count; k++) self->rows[k] = (uint16_t)lion_batch_row(&self->batch, self->at + k);
    rest.selection = self->rows;
    rest.selected = count;
    self->has_batch = false;
    self->asks_others = self->asks_others || rest.columns[self->key_slot].type != self->key_type;
    if (!self->asks_others && lion_key_set_add(&self->wanted, &rest, &self->key_slot, error) != LION_OK) return LION_FAILED;
    return lion_row_queue_add(&self->waiting, &rest, error);
}

/* Rows of the input, as many as may wait, from the one at hand on. Taken again after a LION_CALL. */
static lion_status gather(probe *self, lion_error *error)
{
    lion_operator *input = self->operator.inputs[0];
    lion_status status = self->has_batch ? let_wait(self, error) : LION_OK;
    self->is_gathering = true;
    while (status == LION_OK && self->waiting.count < self->spec.count * WAITING_BYTES / (sizeof(lion_value) * (input->width + 1))) {
        status = lion_operator_next(input, &self->batch, error);
        self->at = 0;
        if (status == LION_OK) status = let_wait(self, error);
    }
    self->is_ended = status == LION_END;
    if (status != LION_OK && status != LION_END) return status;
    self->is_gathering = false;
    self->is_partial = self->is_ended && !self->asks_others && self->wanted.words != NULL;
    return LION_OK;
}

/* Of what the rows ask for that wait, or of all. Taken again after a LION_CALL. */
static lion_status make_table(probe *self, lion_error *error)
{
    bool is_whole = self->key_type == LION_TYPE_REF || self->key_type == LION_TYPE_LONG;
    bool is_to_gather = self->is_gathering || (!self->is_building && !self->is_again && is_whole);
    lion_status status = is_to_gather ? gather(self, error) : LION_OK;
    if (status == LION_OK) status = build_table(self, error);
    if (status == LION_OK) lion_key_set_forget(&self->wanted);
    return status;
}

/* Rows that wait, then the input's. */
static lion_status next_batch(probe *self, lion_error *error)
{
    lion_status status = lion_row_queue_next(&self->waiting, &self->batch);
    if (status == LION_END && !self->is_ended) status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
    self->has_batch = status == LION_OK;
    self->at = 0;
    return status;
}

/* ---- emitting ---- */

/* Rows of the batch are gathered in self->rows, their targets already in place; then the kept columns follow. from NULL: those
 * of the table, or entities of the value's run. */
static inline bool put_targets(probe *self, uint32_t pending, const lion_vector *from, uint32_t first, uint32_t count)
{
    if (self->out == LION_SLOT_NONE) return true;
    uint8_t type = from == NULL ? target_type(self) : from->type;
    if (pending > 0 && self->columns.vectors[self->out].type != type) return false;
    bool is_bits = lion_type_is_scalar((lion_type)type);
    uint8_t *room = lion_columns_room(&self->columns, self->out, type);
    if (room == NULL) return false;
    if (from == NULL) {
        void *to = room + pending * (is_bits ? sizeof(int64_t) : sizeof(lion_value));
        if (self->has_table) lion_probe_table_read(&self->table, first, count, to);
        else lion_value_run_read(&self->run, count, to);
        return true;
    }
    for (uint32_t k = 0; is_bits && k < count; k++) ((int64_t *)(void *)room)[pending + k] = from->bits[first + k];
    for (uint32_t k = 0; !is_bits && k < count; k++) ((lion_value *)(void *)room)[pending + k] = from->values[first + k];
    return true;
}

static lion_vector datom_targets(const probe *self)
{
    if (!self->is_by_value) return self->datoms.v;
    return (lion_vector){ .type = LION_TYPE_REF, .bits = (int64_t *)(uintptr_t)self->datoms.e };
}

/* As many of the row's datoms as there is room for; the row stays open if there are more. LION_END: what is in the columns has to
 * go out first. */
static lion_status emit(probe *self, uint32_t row, const lion_vector *from, uint32_t to, uint32_t *pending)
{
    uint32_t left = to - self->datom_at, free = lion_columns_free(&self->columns) - *pending;
    if (self->out == LION_SLOT_NONE && left > 1) left = 1;
    uint32_t count = left < free ? left : free;
    if (count > 0 && !put_targets(self, *pending, from, self->datom_at, count)) return LION_END;
    for (uint32_t k = 0; k < count; k++) self->rows[*pending + k] = (uint16_t)row;
    *pending += count;
    self->datom_at += count;
    return count < left ? LION_END : LION_OK;
}

/* ---- stepping ---- */

static lion_status find_point(probe *self, lion_value key, lion_error *error)
{
    lion_status status = lion_view_find(&self->found, NULL, &self->spec.db->view, self->spec.attribute->id, key, &self->operator.run->arena, error);
    self->datoms = (lion_datom_batch){ .count = 1, .e = &self->found };
    self->datom_at = 0;
    return status;
}

static lion_status open_row(probe *self, uint32_t row, lion_error *error)
{
    lion_value key;
    lion_status status = key_of(self, row, &key, error);
    if (status != LION_OK) return status;
    self->probes++;
    if (self->has_table) {
        uint32_t run = lion_probe_table_find(&self->table, key);
        if (run == 0) return LION_ABSENT;
        self->datom_at = self->table.starts[run - 1];
        self->run_to = self->table.starts[run];
        return LION_OK;
    }
    if (self->is_unique) return find_point(self, key, error);
    if (self->may_run) {
        status = lion_value_run_seek(&self->run, key, error);
        self->is_run = status == LION_OK;
        self->datom_at = 0;
        self->run_to = self->is_run ? lion_value_run_left(&self->run) : 0;
        if (status != LION_END) return status;
    }
    lion_key at = { .datom = { .a = self->spec.attribute->id }, .parts = 2 };
    if (self->is_by_value) at.datom.v = key;
    else at.datom.e = key.bits;
    self->datoms.count = self->datom_at = 0;
    return self->cursor == NULL ? open_cursor(self, &at, error) : lion_cursor_seek(self->cursor, &at, error);
}

static lion_status run_cursor_row(probe *self, uint32_t row, uint32_t *pending, lion_error *error)
{
    for (;;) {
        lion_vector targets = datom_targets(self);
        if (self->datom_at < self->datoms.count) {
            if (emit(self, row, &targets, self->datoms.count, pending) == LION_END) return LION_END;
            if (self->out == LION_SLOT_NONE) return LION_OK;
        }
        if (self->is_unique) return LION_OK;
        lion_status status = next_datoms(self, error);
        if (status == LION_END) return LION_OK;
        if (status != LION_OK) return status;
    }
}

/* Rows of the batch until it is done (LION_OK), the columns are full (LION_END), or the host is asked. */
static lion_status run_batch(probe *self, lion_error *error)
{
    uint32_t pending = 0, count = lion_batch_rows(&self->batch);
    lion_status status = LION_OK;
    for (; self->at < count && status == LION_OK; self->at += status == LION_OK) {
        uint32_t row = lion_batch_row(&self->batch, self->at);
        if (!self->is_open) {
            status = open_row(self, row, error);
            if (status == LION_ABSENT) {
                status = LION_OK;
                continue;
            }
            if (status != LION_OK) break;
            self->is_open = true;
        }
        bool is_whole = self->has_table || self->is_run;
        status = is_whole ? emit(self, row, NULL, self->run_to, &pending) : run_cursor_row(self, row, &pending, error);
        if (status == LION_OK) self->is_open = false;
    }
    lion_columns_take(&self->columns, &self->batch, self->rows, pending);
    return status;
}

/* What a table takes at most, with keys that are all different, and rows that wait for it. */
static bool has_table_room(probe *self)
{
    size_t each = WAITING_BYTES + lion_probe_table_each(self->key_type, target_type(self), self->out != LION_SLOT_NONE);
    bool has_room = lion_run_has_room(self->operator.run, self->spec.count * each);
    if (!has_room && self->operator.advice == NULL) self->operator.advice = LION_NO_TABLE;
    return has_room;
}

static bool wants_table(probe *self)
{
    uint64_t probes = self->probes + lion_batch_rows(&self->batch) - self->at;
    lion_tables tables = lion_pattern_tables(self->operator.run);
    if (tables == LION_TABLES_NEVER) return false;
    bool is_worth_it = self->spec.count <= TABLE_COUNT_MAX && self->spec.count / TABLE_PROBES <= probes && probes > 4;
    is_worth_it = is_worth_it || tables == LION_TABLES_AT_ONCE;
    return is_worth_it && !self->has_table && !self->is_open && has_table_room(self);
}

static lion_status probe_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    probe *self = (probe *)operator;
    for (;;) {
        lion_status status = LION_OK;
        bool is_making = self->is_gathering || self->is_building;
        if (!self->has_batch && !is_making) status = next_batch(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && (is_making || wants_table(self))) status = make_table(self, error);
        if (status != LION_OK) return status;
        if (!self->has_batch) continue; /* it waits */
        if (!lion_columns_fit(&self->columns, &self->batch)) break;
        status = run_batch(self, error);
        if (status == LION_OK) self->has_batch = false;
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (lion_columns_free(&self->columns) == 0) break;
    }
    return lion_columns_yield(&self->columns, batch_out);
}

/* What was asked for before is forgotten with those who asked. */
static void drop_partial(probe *self)
{
    lion_row_queue_clear(&self->waiting);
    lion_key_set_clear(&self->wanted);
    if (self->is_partial) lion_probe_table_forget(&self->table);
    if (self->is_partial) self->has_table = self->is_building = false;
    self->is_partial = self->is_gathering = self->is_ended = self->asks_others = false;
}

static lion_status probe_rewind(lion_operator *operator, lion_error *error)
{
    probe *self = (probe *)operator;
    (void)error;
    self->has_batch = self->is_open = false;
    self->columns.count = 0;
    self->is_again = self->is_again || self->probes > 0;
    drop_partial(self);
    return LION_OK;
}

static void open_run(probe *self)
{
    lion_value_run_init(&self->run, &self->spec.db->view, self->spec.attribute->id, &self->operator.run->arena);
}

/* A table is let go; the cursor's memory stays. */
static void probe_renew(lion_operator *operator)
{
    probe *self = (probe *)operator;
    self->spec.db = operator->run->sources[self->spec.source].db;
    if (self->cursor != NULL) lion_cursor_renew(self->cursor, &self->spec.db->view);
    if (self->may_run) open_run(self);
    if (self->has_table) lion_probe_table_forget(&self->table);
    self->has_table = self->is_building = self->is_again = false;
    self->probes = 0;
    operator->name = "lookup";
}

bool lion_probe_can(const lion_pattern_spec *spec)
{
    const lion_position *positions = spec->positions;
    const lion_attribute *attribute = spec->attribute;
    bool is_open = positions[TX].kind == LION_POSITION_BLANK && positions[OP].kind == LION_POSITION_BLANK;
    if (attribute == NULL || !is_open || attribute->type == LION_TYPE_MIXED) return false;
    bool has_open_e = positions[E].kind == LION_POSITION_OUT || positions[E].kind == LION_POSITION_BLANK;
    bool has_open_v = positions[V].kind == LION_POSITION_OUT || positions[V].kind == LION_POSITION_BLANK;
    bool is_by_value = positions[V].kind == LION_POSITION_BOUND && has_open_e && attribute->is_in_avet;
    return is_by_value || (positions[E].kind == LION_POSITION_BOUND && has_open_v);
}

/* One table serves all threads. */
static lion_status probe_prepare(lion_operator *operator, lion_error *error)
{
    probe *self = (probe *)operator;
    double probes = operator->inputs[0]->rows_estimated;
    bool pays = self->spec.count <= TABLE_COUNT_MAX && (double)(self->spec.count / TABLE_PROBES) <= probes && probes > 4;
    return self->has_table || !pays || !has_table_room(self) ? LION_OK : build_table(self, error);
}

static lion_operator *probe_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const probe *from = (const probe *)operator;
    lion_pattern_spec spec = lion_pattern_spec_in(&from->spec, run);
    lion_operator *made = lion_probe_new(run, input, &spec, lion_operator_keep(operator, run));
    probe *self = (probe *)made;
    self->has_table = from->has_table;
    if (from->has_table) self->table = from->table;
    made->name = operator->name;
    return made;
}

lion_operator *lion_probe_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep)
{
    probe *self = LION_OPERATOR(run, probe, probe_next, "lookup");
    self->operator.rewind = probe_rewind;
    self->operator.inputs[0] = input;
    if (spec->db->view.filter_count == 0) {
        self->operator.prepare = probe_prepare;
        self->operator.copy = probe_copy;
        self->operator.renew = probe_renew;
    }
    self->spec = *spec;
    self->rows = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    lion_row_queue_init(&self->waiting, &run->arena, input->width);
    lion_key_set_init(&self->wanted, &run->arena, 1);
    self->is_by_value = spec->positions[V].kind == LION_POSITION_BOUND;
    self->key_type = (uint8_t)(self->is_by_value ? spec->attribute->type : LION_TYPE_REF);
    self->key_slot = lion_operator_slot(input, spec->positions[self->is_by_value ? V : E].index);
    const lion_view *view = &spec->db->view;
    self->may_run = self->is_by_value && view->filter_count == 0;
    if (self->may_run) open_run(self);
    self->is_unique = self->is_by_value && lion_attribute_was_unique(spec->attribute, view->upper_t) && view->filter_count == 0 && !view->is_history;
    const lion_position *target = &spec->positions[self->is_by_value ? E : V];
    bool is_out = target->kind == LION_POSITION_OUT && keep[target->index];
    lion_columns_init(&self->columns, &self->operator, input, keep, &target->index, is_out);
    self->out = is_out ? self->columns.kept : LION_SLOT_NONE;
    return &self->operator;
}
