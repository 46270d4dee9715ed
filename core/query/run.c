/* run.c - bounds, the stepping of operators, outputs, and forms as values. */
#include "query/run.h"

#include "base/assert.h"
#include "base/clock.h"
#include "data/tuple.h"

/* How late a cancellation may come. */
static void note_check(lion_run *run)
{
    int64_t now = lion_clock_thread_ns();
    if (run->checked_ns != 0 && now - run->checked_ns > run->unchecked_ns) run->unchecked_ns = now - run->checked_ns;
    run->checked_ns = now;
}

lion_status lion_run_check(lion_run *run, lion_error *error)
{
    run->checks++;
    if (run->options.statistics) note_check(run);
    if (run->is_stopped != NULL && __atomic_load_n(run->is_stopped, __ATOMIC_RELAXED))
        return lion_fail(error, LION_INTERRUPTED, "lion/cancelled", "the rest of the query was not wanted");
    if (run->options.is_cancelled != NULL && __atomic_load_n(run->options.is_cancelled, __ATOMIC_RELAXED) != 0)
        return lion_fail(error, LION_INTERRUPTED, "lion/cancelled", "the query was cancelled");
    if (run->deadline_ns != 0 && lion_clock_monotonic_ns() > run->deadline_ns)
        return lion_fail(error, LION_INTERRUPTED, "lion/timeout",
                         "the query ran past its timeout of %lld ms; give it more time or ask for less",
                         (long long)run->options.timeout_ms);
    return lion_arena_check(&run->arena, error);
}

lion_status lion_run_check_with(lion_run *run, const lion_arena *scratch, lion_error *error)
{
    lion_arena both = run->arena;
    lion_status status = lion_run_check(run, error);
    if (status != LION_OK) return status;
    size_t filled = lion_arena_filled(&run->arena) + lion_arena_filled(scratch);
    both.used += scratch->used;
    if (filled > run->arena.peak) run->arena.peak = filled;
    both.is_exhausted = scratch->is_exhausted;
    return lion_arena_check(&both, error);
}

#define TABLES_PART 2
#define TABLES_PART_FRUGAL 4

bool lion_run_is_tight(const lion_run *run, size_t rows, size_t bytes)
{
    const lion_query_options *options = &run->options;
    if (options->temp_max == 0 || rows == 0) return false;
    if (options->table_rows_max != 0 && rows >= options->table_rows_max) return true;
    return bytes != 0 && run->arena.budget != 0 && run->arena.used + bytes > run->arena.budget / (run->is_frugal ? TABLES_PART_FRUGAL : TABLES_PART);
}

/* Batches are yet to grow when a table is made, and rows may have gone out when they are large: what a few operators' take must be left. */
#define BATCHES_BYTES (64u << 10)
#define BATCHES_VAR_BYTES (32u << 10)

bool lion_run_has_room(const lion_run *run, uint64_t bytes)
{
    uint64_t budget = run->arena.budget, with = run->arena.used + bytes;
    if (budget == 0) return true;
    return !run->is_frugal && with <= budget / TABLES_PART && with + BATCHES_BYTES + (uint64_t)BATCHES_VAR_BYTES * run->var_room <= budget;
}

/* The databases that a run reads: those of its sources, then those of its logs; NULL: no database is there. */
static const lion_db *database_at(const lion_run *run, uint32_t at)
{
    return at < run->ir->source_count ? run->sources[at].db : run->logs[at - run->ir->source_count];
}

lion_value lion_run_shown(const lion_run *run, lion_value value, bool may_be_attribute)
{
    bool is_name = may_be_attribute && value.type == LION_TYPE_STRING;
    bool is_id = value.type == LION_TYPE_ATTRIBUTE || (may_be_attribute && lion_type_is_number(value.type));
    for (uint32_t i = 0; (is_name || is_id) && i < run->ir->source_count + run->log_count; i++) {
        const lion_db *db = database_at(run, i);
        if (db == NULL) continue;
        lion_slice ident = lion_value_slice(value);
        bool is_found = is_name ? lion_schema_attribute_named(db->schema, ident) != NULL
                                : lion_schema_ident(&ident, db->schema, value.bits) == LION_OK;
        if (is_found) return lion_value_bytes(LION_TYPE_KEYWORD, ident);
    }
    return value;
}

bool lion_run_is_named(const lion_run *run, lion_value attribute, lion_slice name)
{
    for (uint32_t i = 0; i < run->ir->source_count + run->log_count; i++) {
        const lion_db *db = database_at(run, i);
        const lion_attribute *named = db == NULL ? NULL : lion_schema_attribute_named(db->schema, name);
        if (named != NULL && named->id == attribute.bits) return true;
    }
    return false;
}

lion_status lion_run_db(const lion_db **db_out, lion_run *run, uint32_t source, lion_slice text, lion_error *error)
{
    *db_out = run->sources[source].db;
    if (*db_out != NULL) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "%.*s needs a database as its source, not a plain relation",
                     (int)text.size, (const char *)text.data);
}

void *lion_operator_init(void *operator, lion_run *run,
                         lion_status (*next)(lion_operator *, lion_batch *, lion_error *), const char *name)
{
    lion_operator *self = operator;
    self->run = run;
    self->next = next;
    self->name = name;
    return operator;
}

const uint8_t *lion_operator_keep(const lion_operator *self, lion_run *run)
{
    uint8_t *keep = lion_arena_zalloc(&run->arena, (size_t)run->var_room + 1);
    for (uint32_t i = 0; keep != NULL && i < self->width; i++) keep[self->vars[i]] = 1;
    return keep;
}

static lion_status count_rows(lion_operator *self, const lion_batch *batch, lion_error *error)
{
    self->rows += lion_batch_rows(batch);
    int64_t rows_max = self->run->options.rows_max;
    if (rows_max > 0 && self->rows > (uint64_t)rows_max)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "an intermediate result of the query grew past %lld rows (%s %s)", (long long)rows_max,
                         self->name, self->detail == NULL ? "" : self->detail);
    return LION_OK;
}

/* What the arena has grown or shrunk by is the operator's that was at work; then `next` is. */
static void credit_memory(lion_run *run, lion_operator *next)
{
    size_t used = lion_arena_filled(&run->arena);
    lion_operator *before = run->at_work;
    if (before != NULL) {
        before->held += (int64_t)used - (int64_t)run->credited;
        if (before->held > before->held_most) {
            before->memory += (uint64_t)(before->held - before->held_most); /* what threads counted is handed over, and begins at 0 again */
            before->held_most = before->held;
        }
    }
    run->credited = used;
    run->at_work = next;
}

lion_shift lion_shift_begin(lion_operator *of)
{
    lion_shift shift = { .start_ns = lion_clock_monotonic_ns(), .of = of, .outer = of->run->at_work };
    credit_memory(of->run, of);
    return shift;
}

void lion_shift_end(const lion_shift *shift)
{
    credit_memory(shift->of->run, shift->outer);
    shift->of->time_ns += (uint64_t)(lion_clock_monotonic_ns() - shift->start_ns);
}

static lion_status next_with_statistics(lion_operator *self, lion_batch *batch_out, lion_error *error)
{
    lion_shift shift = lion_shift_begin(self);
    lion_status status = self->next(self, batch_out, error);
    lion_shift_end(&shift);
    return status;
}

lion_status lion_operator_next(lion_operator *self, lion_batch *batch_out, lion_error *error)
{
    lion_status status = lion_run_check(self->run, error);
    if (status != LION_OK) return status;
    status = self->run->options.statistics ? next_with_statistics(self, batch_out, error) : self->next(self, batch_out, error);
    LION_AUDIT(status != LION_OK || batch_out->count <= LION_BATCH_ROWS);
    self->is_ended = status == LION_END;
    if (self->is_ended && self->run->arena.is_exhausted) return lion_fail_memory(error); /* it may have ended of that */
    return status == LION_OK ? count_rows(self, batch_out, error) : status;
}

lion_status lion_operator_rewind(lion_operator *self, lion_error *error)
{
    for (int i = 0; i < 2; i++) {
        if (self->inputs[i] == NULL) continue;
        lion_status status = lion_operator_rewind(self->inputs[i], error);
        if (status != LION_OK) return status;
    }
    return self->rewind == NULL ? LION_OK : self->rewind(self, error);
}

bool lion_operator_can_renew(const lion_operator *self)
{
    if (self->renew == NULL || self->inputs[1] != NULL) return false;
    for (uint32_t i = 0; i < self->subplan_count; i++)
        if (!lion_operator_can_renew(self->subplans[i])) return false;
    return self->inputs[0] == NULL || lion_operator_can_renew(self->inputs[0]);
}

lion_status lion_operator_renew(lion_operator *self, lion_error *error)
{
    lion_status status = self->inputs[0] == NULL ? LION_OK : lion_operator_renew(self->inputs[0], error);
    for (uint32_t i = 0; status == LION_OK && i < self->subplan_count; i++) status = lion_operator_renew(self->subplans[i], error);
    if (status != LION_OK) return status;
    self->rows = 0;
    self->is_ended = false;
    self->renew(self);
    return self->rewind == NULL ? LION_OK : self->rewind(self, error);
}

void lion_operator_as_it_is(lion_operator *self)
{
    (void)self;
}

/* Down to what can leave rows out; what is at work by itself is not disturbed. */
void lion_operator_skip(lion_operator *self, const lion_value *to)
{
    uint32_t ascending = self->ascending;
    for (lion_operator *at = self; at != NULL && at->ascending == ascending && at->stop == NULL; at = at->inputs[0]) {
        if (at->skip == NULL) continue;
        at->skip(at, to);
        return;
    }
}

void lion_operator_close(lion_operator *self)
{
    if (self == NULL) return;
    if (self->stop != NULL) self->stop(self);
    for (int i = 0; i < 2; i++) lion_operator_close(self->inputs[i]);
    for (uint32_t i = 0; i < self->subplan_count; i++) lion_operator_close(self->subplans[i]);
    if (self->close != NULL) self->close(self);
}

uint32_t lion_operator_slot(const lion_operator *self, uint32_t var)
{
    for (uint32_t i = 0; i < self->width; i++)
        if (self->vars[i] == var) return i;
    return LION_SLOT_NONE;
}

lion_status lion_reading_row(lion_reading *reading, lion_operator *input, uint32_t *row_out, lion_error *error)
{
    while (!reading->is_open) {
        if (reading->is_ended) return LION_END;
        lion_status status = lion_operator_next(input, &reading->batch, error);
        if (status == LION_END) reading->is_ended = true;
        if (status != LION_OK) return status;
        reading->at = 0;
        reading->is_open = lion_batch_rows(&reading->batch) > 0;
    }
    *row_out = lion_batch_row(&reading->batch, reading->at);
    return LION_OK;
}

/* The variables of an operator: those of its input that are kept, whose places go into from, then what it adds. How many
 * are kept. */
static uint32_t take_vars(lion_operator *self, uint32_t **from_out, const lion_operator *input, const uint8_t *keep,
                          const uint32_t *added, uint32_t added_count)
{
    lion_arena *arena = &self->run->arena;
    uint32_t width = input->width + added_count, kept = 0;
    *from_out = lion_arena_array(arena, uint32_t, width + 1);
    self->vars = lion_arena_array(arena, uint32_t, width + 1);
    for (uint32_t i = 0; i < input->width; i++) {
        if (!keep[input->vars[i]]) continue;
        self->vars[kept] = input->vars[i];
        (*from_out)[kept++] = i;
    }
    for (uint32_t i = 0; i < added_count; i++) self->vars[kept + i] = added[i];
    self->width = kept + added_count;
    return kept;
}

void lion_passing_init(lion_passing *passing, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                       const uint32_t *added, uint32_t added_count)
{
    *passing = (lion_passing){ 0 };
    passing->kept = take_vars(self, &passing->from, input, keep, added, added_count);
    passing->columns = lion_arena_zalloc(&self->run->arena, sizeof(lion_vector) * (self->width + 1));
    bool is_kept = input->ascending != 0 && lion_operator_slot(self, input->ascending - 1) != LION_SLOT_NONE;
    self->ascending = is_kept ? input->ascending : 0;
}

static void make_room(lion_output *output)
{
    for (uint32_t i = 0; i < output->width; i++) {
        output->vectors[i].type = LION_TYPE_MIXED;
        output->vectors[i].values = lion_arena_array(output->arena, lion_value, output->room);
        output->bits[i] = NULL;
    }
}

void lion_output_make(lion_output *output, lion_arena *arena, uint32_t width)
{
    *output = (lion_output){ .arena = arena, .width = width, .room = LION_ROOM_ROWS_MIN };
    output->vectors = lion_arena_zalloc(arena, sizeof(lion_vector) * (width + 1));
    output->typed = lion_arena_zalloc(arena, sizeof(lion_vector) * (width + 1));
    output->bits = lion_arena_zalloc(arena, sizeof(int64_t *) * (width + 1));
    make_room(output);
}

void lion_output_init(lion_output *output, lion_operator *self, const lion_operator *input, const uint8_t *keep,
                      const uint32_t *added, uint32_t added_count)
{
    lion_arena *arena = &self->run->arena;
    uint32_t *from;
    uint32_t kept = take_vars(self, &from, input, keep, added, added_count);
    lion_output_make(output, arena, self->width);
    output->kept = kept;
    output->from = from;
}

/* Tagged values cost whoever reads them: where all have one type the column says so. */
static lion_vector typed_column(lion_output *output, uint32_t column)
{
    const lion_value *values = output->vectors[column].values;
    lion_vector typed = { .type = values[0].type, .values = output->vectors[column].values };
    for (uint32_t i = 1; i < output->count; i++)
        if (values[i].type != typed.type) return output->vectors[column];
    if (!lion_type_is_scalar((lion_type)typed.type)) return typed;
    if (output->bits[column] == NULL) output->bits[column] = lion_arena_array(output->arena, int64_t, output->room);
    if (output->bits[column] == NULL) return output->vectors[column];
    for (uint32_t i = 0; i < output->count; i++) output->bits[column][i] = values[i].bits;
    typed.bits = output->bits[column];
    return typed;
}

lion_status lion_output_yield(lion_output *output, lion_batch *batch_out)
{
    if (output->count == 0) return LION_END;
    for (uint32_t i = 0; i < output->width; i++) output->typed[i] = typed_column(output, i);
    *batch_out = (lion_batch){ .count = output->count, .width = output->width, .columns = output->typed };
    if (lion_output_is_full(output) && output->room < LION_BATCH_ROWS) { /* what goes out keeps its place */
        output->room = lion_room_after(output->room);
        make_room(output);
    }
    output->count = 0;
    return LION_OK;
}

lion_status lion_output_unspool(lion_output *output, lion_spool *spool, lion_batch *batch_out, lion_error *error)
{
    const void *row = NULL;
    while (!lion_output_is_full(output)) {
        lion_status status = lion_spool_next(&row, spool, error);
        if (status == LION_END) break;
        if (status != LION_OK) return status;
        const lion_value *values = row;
        for (uint32_t i = 0; i < output->width; i++) *lion_output_at(output, i) = values[i];
        output->count++;
    }
    return lion_output_yield(output, batch_out);
}

/* ---- forms ---- */

static lion_status tuple_of_form(lion_value *value_out, const lion_form *form, lion_arena *arena, uint32_t depth,
                                 lion_error *error)
{
    bool is_value = form->kind == LION_FORM_VALUE && (depth == 0 || form->value.type != LION_TYPE_LOG);
    if (is_value) {
        *value_out = form->value;
        return LION_OK;
    }
    if ((form->kind != LION_FORM_VECTOR && form->kind != LION_FORM_SET) || depth >= LION_TUPLE_DEPTH_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "a query cannot work on %.200s as a value",
                         lion_form_text(arena, form));
    lion_value *slots = lion_arena_array(arena, lion_value, form->count + 1);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = tuple_of_form(&slots[i], &form->items[i], arena, depth + 1, error);
        if (status != LION_OK) return status;
    }
    *value_out = lion_tuple_make(arena, slots, form->count);
    return LION_OK;
}

lion_status lion_query_value(lion_value *value_out, const lion_form *form, lion_arena *arena, lion_error *error)
{
    return tuple_of_form(value_out, form, arena, 0, error);
}

/* A tuple of two is a lookup ref. */
static lion_status lookup_of_tuple(int64_t *id_out, const lion_db *db, lion_value value, lion_arena *arena, lion_error *error)
{
    lion_value *slots = NULL;
    size_t count = 0;
    lion_status status = lion_tuple_read(&slots, &count, value, arena, error);
    if (status != LION_OK) return status;
    if (count != 2) return LION_ABSENT;
    lion_form form = lion_form_vector(arena, 2);
    for (size_t i = 0; i < 2; i++) form.items[i] = lion_form_value(slots[i]);
    form.flags = LION_FORM_LOOKUP;
    return lion_db_entid(id_out, db, &form, arena, error);
}

lion_status lion_query_entity(int64_t *id_out, const lion_db *db, lion_value value, lion_arena *arena, lion_error *error)
{
    if (value.type == LION_TYPE_TUPLE) return lookup_of_tuple(id_out, db, value, arena, error);
    if (lion_type_is_number(value.type) && value.type != LION_TYPE_DOUBLE) {
        *id_out = value.bits;
        return LION_OK;
    }
    lion_form form = lion_form_value(value);
    return lion_db_entid(id_out, db, &form, arena, error);
}

lion_status lion_query_ref(lion_value *ref_out, const lion_db *db, lion_value value, lion_arena *arena, lion_error *error)
{
    int64_t id = 0;
    lion_status status = LION_ABSENT;
    if (lion_query_is_id(value.type)) {
        *ref_out = lion_value_ref(value.bits);
        return LION_OK;
    }
    bool is_name = value.type == LION_TYPE_KEYWORD || (value.type == LION_TYPE_STRING && value.size > 0 && value.data[0] == ':');
    if (is_name || value.type == LION_TYPE_TUPLE) status = lion_query_entity(&id, db, value, arena, error);
    if (status == LION_OK) *ref_out = lion_value_ref(id);
    return status;
}

lion_status lion_relation_of_form(lion_relation **relation_out, const lion_form *form, lion_arena *arena, lion_error *error)
{
    if (form->kind != LION_FORM_VECTOR && form->kind != LION_FORM_SET)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a source must be a database or an array of arrays, not %.200s", lion_form_text(arena, form));
    uint32_t width = 0;
    for (uint32_t i = 0; i < form->count; i++) {
        const lion_form *item = &form->items[i];
        uint32_t count = item->kind == LION_FORM_VECTOR || item->kind == LION_FORM_SET ? item->count : 1;
        if (count > width) width = count;
    }
    lion_relation *relation = lion_arena_new(arena, lion_relation);
    lion_relation_init(relation, arena, width);
    lion_value *row = lion_arena_array(arena, lion_value, width + 1);
    for (uint32_t i = 0; i < form->count; i++) {
        const lion_form *item = &form->items[i];
        bool is_row = item->kind == LION_FORM_VECTOR || item->kind == LION_FORM_SET;
        uint32_t count = is_row ? item->count : 1;
        for (uint32_t k = 0; k < width; k++) {
            row[k] = lion_value_nil();
            if (k >= count) continue;
            lion_status status = lion_query_value(&row[k], is_row ? &item->items[k] : item, arena, error);
            if (status != LION_OK) return status;
        }
        lion_relation_append(relation, row);
    }
    *relation_out = relation;
    return LION_OK;
}
