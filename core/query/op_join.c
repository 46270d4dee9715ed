/* op_join.c - the operators over relations: feed yields one, join meets each input row with one by hash. */
#include "query/operators.h"
#include "query/threads.h"

#define SHARED_ROWS 65536 /* of a relation whose index is worth several threads */

/* ---- feed ---- */

typedef struct feed {
    lion_operator operator;
    const lion_relation *relation;
    size_t from, to, next;
    lion_vector *vectors;      /* of a relation's rows … */
    uint32_t room;             /* … with room for so many */
    lion_batch batch;          /* fed instead of a relation, if it has rows */
    bool is_fed;
} feed;

static lion_status feed_batch(feed *self, lion_batch *batch_out)
{
    if (self->is_fed) return LION_END;
    self->is_fed = true;
    *batch_out = self->batch;
    return LION_OK;
}

/* Columns with room for so many rows. */
static lion_status make_vectors(feed *self, uint32_t rows, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    uint32_t width = self->operator.width;
    if (rows <= self->room) return LION_OK;
    self->vectors = lion_arena_zalloc(arena, sizeof(lion_vector) * (width + 1));
    for (uint32_t i = 0; i < width; i++) {
        self->vectors[i].type = LION_TYPE_MIXED;
        self->vectors[i].values = lion_arena_array(arena, lion_value, rows);
    }
    self->room = rows;
    return lion_arena_check(arena, error);
}

static lion_status feed_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    feed *self = (feed *)operator;
    if (self->relation == NULL) return feed_batch(self, batch_out);
    if (self->next >= self->to) return LION_END;
    size_t left = self->to - self->next;
    uint32_t count = left < LION_BATCH_ROWS ? (uint32_t)left : LION_BATCH_ROWS;
    lion_status status = make_vectors(self, count, error);
    if (status != LION_OK) return status;
    for (uint32_t i = 0; i < count; i++) {
        const lion_value *row = lion_relation_row(self->relation, self->next + i);
        for (uint32_t k = 0; k < operator->width; k++) self->vectors[k].values[i] = row[k];
    }
    self->next += count;
    *batch_out = (lion_batch){ .count = count, .width = operator->width, .columns = self->vectors };
    return LION_OK;
}

static lion_status feed_rewind(lion_operator *operator, lion_error *error)
{
    feed *self = (feed *)operator;
    (void)error;
    self->next = self->from;
    self->is_fed = self->batch.count == 0;
    return LION_OK;
}

static void feed_renew(lion_operator *operator)
{
    ((feed *)operator)->batch = (lion_batch){ 0 }; /* of a sub-plan's: nothing is fed yet */
}

static lion_operator *feed_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const feed *self = (const feed *)operator;
    (void)input;
    if (lion_feed_is_start(operator)) return lion_unit_new(run);
    run->is_once = run->is_once || (run->is_kept && self->relation != NULL);
    lion_operator *made = lion_feed_new(run, self->relation, operator->vars, operator->width);
    lion_feed_set(made, self->from, self->to);
    return made;
}

lion_operator *lion_feed_new(lion_run *run, const lion_relation *relation, const uint32_t *vars, uint32_t width)
{
    feed *self = LION_OPERATOR(run, feed, feed_next, "feed");
    self->operator.rewind = feed_rewind;
    self->operator.copy = feed_copy;
    self->operator.renew = feed_renew;
    self->relation = relation;
    self->operator.width = width;
    self->operator.vars = lion_arena_array(&run->arena, uint32_t, width + 1);
    for (uint32_t i = 0; i < width; i++) self->operator.vars[i] = vars[i];
    self->is_fed = true;
    return &self->operator;
}

void lion_feed_set(lion_operator *operator, size_t from, size_t to)
{
    feed *self = (feed *)operator;
    self->from = self->next = from;
    self->to = to;
}

lion_operator *lion_unit_new(lion_run *run)
{
    lion_relation *one = lion_arena_new(&run->arena, lion_relation);
    lion_relation_init(one, &run->arena, 0);
    lion_relation_append(one, NULL);
    lion_operator *unit = lion_feed_new(run, one, NULL, 0);
    lion_feed_set(unit, 0, 1);
    unit->rows_estimated = 1;
    unit->is_distinct = true;
    return unit;
}

bool lion_feed_is_start(const lion_operator *operator)
{
    return operator->next == feed_next && operator->width == 0 && operator->inputs[0] == NULL;
}

void lion_feed_set_batch(lion_operator *operator, const lion_batch *batch)
{
    feed *self = (feed *)operator;
    self->batch = *batch;
    self->is_fed = batch->count == 0;
}

/* ---- join ---- */

typedef struct join {
    lion_operator operator;
    const lion_relation *relation;
    uint32_t input;            /* 1 + the number of the run's input that it is of, or 0 */
    lion_join_column *columns;
    uint32_t column_count;
    lion_row_index index;
    lion_value *key;           /* values for the index, constants in place */
    uint32_t *key_slots;       /* per key: the input's slot, or NONE for a constant */
    uint32_t *out_slots;       /* per column: output slot, or NONE */
    lion_reading reading;
    lion_output output;
    bool is_row_open;          /* `found` goes on for the current row */
    size_t found;              /* row + 1 */
} join;

static void join_start_row(join *self, uint32_t row)
{
    for (uint32_t i = 0; i < self->index.key_count; i++)
        if (self->key_slots[i] != LION_SLOT_NONE) self->key[i] = lion_batch_get(&self->reading.batch, self->key_slots[i], row);
    if (self->index.key_count > 0) lion_row_index_follow(&self->index); /* the relation may grow between rows */
    if (self->index.key_count == 0) self->found = self->relation->count > 0;
    else self->found = lion_row_index_find(&self->index, self->key);
    self->is_row_open = true;
}

static bool is_same(const join *self, const lion_value *values)
{
    for (uint32_t i = 0; i < self->column_count; i++)
        if (self->columns[i].kind == LION_JOIN_SAME && !lion_value_equal(values[i], values[self->columns[i].index])) return false;
    return true;
}

static void join_emit(join *self, uint32_t row)
{
    const lion_value *values = lion_relation_row(self->relation, self->found - 1);
    if (!is_same(self, values)) return;
    lion_output_keep(&self->output, &self->reading.batch, row);
    for (uint32_t i = 0; i < self->column_count; i++)
        if (self->out_slots[i] != LION_SLOT_NONE) *lion_output_at(&self->output, self->out_slots[i]) = values[i];
    self->output.count++;
}

static lion_status join_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    join *self = (join *)operator;
    while (!lion_output_is_full(&self->output)) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        if (!self->is_row_open) join_start_row(self, row);
        while (self->found != 0 && !lion_output_is_full(&self->output)) {
            join_emit(self, row);
            if (self->index.key_count > 0) self->found = lion_row_index_next(&self->index, self->found, self->key);
            else self->found = self->found < self->relation->count ? self->found + 1 : 0;
        }
        if (self->found != 0) break;
        self->is_row_open = false;
        lion_reading_advance(&self->reading);
    }
    return lion_output_yield(&self->output, batch_out);
}

static lion_status join_rewind(lion_operator *operator, lion_error *error)
{
    join *self = (join *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->output.count = 0;
    self->is_row_open = false;
    return LION_OK;
}

bool lion_operator_is_one_row(const lion_operator *operator)
{
    if (operator->next != join_next) return lion_feed_is_start(operator);
    const join *self = (const join *)operator;
    return self->input != 0 && self->relation->count == 1 && lion_operator_is_one_row(operator->inputs[0]);
}

typedef struct index_tasks {
    lion_row_index *index;
    uint32_t count;
} index_tasks;

static size_t share_of(const index_tasks *tasks, size_t all, uint32_t number)
{
    return (size_t)((uint64_t)all * number / tasks->count);
}

static lion_status hash_task(void *context, uint32_t number, lion_run *run, lion_error *error)
{
    const index_tasks *tasks = context;
    size_t first = tasks->index->covered, rows = tasks->index->relation->count - first;
    lion_row_index_hash(tasks->index, first + share_of(tasks, rows, number), first + share_of(tasks, rows, number + 1));
    return lion_run_check(run, error);
}

static lion_status link_task(void *context, uint32_t number, lion_run *run, lion_error *error)
{
    const index_tasks *tasks = context;
    size_t places = tasks->index->head_count;
    lion_row_index_link(tasks->index, share_of(tasks, places, number), share_of(tasks, places, number + 1));
    return lion_run_check(run, error);
}

/* The index is made once, and shared; a large one by several threads, which changes nothing in it. */
static lion_status join_prepare(lion_operator *operator, lion_error *error)
{
    join *self = (join *)operator;
    lion_run *run = operator->run;
    lion_row_index *index = &self->index;
    bool is_large = run->options.plan_seed != 0 || index->relation->count >= SHARED_ROWS;
    if (index->key_count == 0) return lion_run_check(run, error);
    if (!is_large || lion_threads_tasks(run) == 0) {
        lion_row_index_follow(index);
        return lion_run_check(run, error);
    }
    index_tasks hashing = { .index = index, .count = lion_threads_tasks(run) }, linking = { .index = index, .count = run->options.threads };
    if (!lion_row_index_reserve(index)) return lion_fail_memory(error);
    if (index->covered == index->relation->count) return lion_run_check(run, error);
    lion_status status = lion_threads_share(run, hashing.count, hash_task, &hashing, error);
    if (status == LION_OK) status = lion_threads_share(run, linking.count, link_task, &linking, error);
    if (status == LION_OK) index->covered = index->relation->count;
    return status;
}

static lion_operator *join_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const join *from = (const join *)operator;
    const lion_relation *relation = from->relation;
    bool is_own = from->input != 0 && run->input_rows != NULL; /* a kept plan's has none */
    if (is_own) relation = run->input_rows[from->input - 1];
    lion_operator *made = lion_join_new(run, input, relation, from->columns, from->column_count, lion_operator_keep(operator, run), operator->name);
    join *self = (join *)made;
    if (relation == from->relation) self->index = from->index; /* made once, for all threads */
    if (from->input != 0) lion_join_is_of_input(made, from->input - 1);
    run->is_once = run->is_once || (run->is_kept && from->input == 0);
    return made;
}

void lion_join_is_fixed(lion_operator *operator)
{
    operator->prepare = join_prepare;
    operator->copy = join_copy;
}

void lion_join_is_of_input(lion_operator *operator, uint32_t number)
{
    lion_join_is_fixed(operator);
    operator->renew = lion_operator_as_it_is; /* the run's rows of the input stay where they are, and the index follows them */
    ((join *)operator)->input = 1 + number;
}

lion_operator *lion_join_new(lion_run *run, lion_operator *input, const lion_relation *relation,
                             const lion_join_column *columns, uint32_t column_count, const uint8_t *keep, const char *name)
{
    join *self = LION_OPERATOR(run, join, join_next, name);
    lion_arena *arena = &run->arena;
    self->operator.rewind = join_rewind;
    self->operator.inputs[0] = input;
    self->relation = relation;
    self->column_count = column_count < relation->width ? column_count : relation->width;
    self->columns = lion_arena_array(arena, lion_join_column, column_count + 1);
    uint32_t *key = lion_arena_array(arena, uint32_t, column_count + 1), key_count = 0;
    uint32_t *added = lion_arena_array(arena, uint32_t, column_count + 1), added_count = 0;
    self->key = lion_arena_array(arena, lion_value, column_count + 1);
    self->key_slots = lion_arena_array(arena, uint32_t, column_count + 1);
    self->out_slots = lion_arena_array(arena, uint32_t, column_count + 1);
    for (uint32_t i = 0; i < self->column_count; i++) {
        self->columns[i] = columns[i];
        self->out_slots[i] = LION_SLOT_NONE;
        if (columns[i].kind == LION_JOIN_OUT && keep[columns[i].index]) {
            self->out_slots[i] = added_count;
            added[added_count++] = columns[i].index;
        }
        if (columns[i].kind != LION_JOIN_BOUND && columns[i].kind != LION_JOIN_CONST) continue;
        self->key[key_count] = columns[i].constant;
        self->key_slots[key_count] = columns[i].kind == LION_JOIN_CONST ? LION_SLOT_NONE : lion_operator_slot(input, columns[i].index);
        key[key_count++] = i;
    }
    lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    for (uint32_t i = 0; i < self->column_count; i++)
        if (self->out_slots[i] != LION_SLOT_NONE) self->out_slots[i] += self->output.kept;
    lion_row_index_init(&self->index, relation, key, key_count);
    return &self->operator;
}
