/* op_rule.c - the call of a rule in a plan: each batch's bound arguments are asked for, the engine runs until it knows all
 * answers, and they are joined. What was asked for before is there already.
 *
 * Where memory is short, what is known is forgotten and fewer rows are asked for at once; where that does not help, or nothing may
 * be forgotten, as others are reading it, the engine goes on in the temporary file. */
#include <stddef.h>

#include "query/rule_tables.h"

/* How often fewer rows are asked for, if there may be a file: half of them each time. */
#define HALVINGS_MAX 3

typedef struct demand {
    lion_operator operator;
    lion_rule_reader reader;   /* while there are answers to be read */
    lion_rule_engine *engine;
    lion_rule_table *table;
    const char *text;
    lion_rule_argument *bound;
    lion_vector *keys;         /* columns of the bound arguments */
    lion_value *key;           /* of the present row */
    uint32_t *out;             /* per free argument: the output's slot, or NONE */
    uint32_t *same;            /* per free argument: an earlier one that it must equal, or NONE */
    lion_batch batch;
    bool has_batch;
    uint32_t at, end;          /* of the batch's rows: those up to `end` were asked for … */
    uint32_t step;             /* … at most so many at once */
    uint16_t *asked;           /* as a selection */
    bool is_answered;
    bool is_fresh;             /* nothing else was asked since all was forgotten */
    uint32_t halvings;
    size_t found;              /* answer + 1 of the present row, 0: it is to be looked for */
    bool is_row_open;
    lion_sorted_cursor answers[LION_SORTED_PARTS_MAX]; /* where they are on file: a place in each part … */
    uint32_t part, part_count; /* … and the one that is being read */
    lion_sorted_key seed;
    lion_spool aside;          /* rows that are there, as the tables had to move */
    bool has_aside;
    bool is_once;              /* that there is an answer is all that is wanted of them */
    bool is_whole;             /* every answer is one of each row: nothing is bound, nothing has to be the same */
    size_t passed;             /* answers that went out for the present row, where is_whole */
    lion_vector *pieces, *columns; /* of answers as they lie, and of the batch that they become */
    lion_output output;
} demand;

static lion_status next_batch(demand *self, lion_error *error)
{
    if (self->has_batch) return LION_OK;
    lion_status status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
    if (status != LION_OK) return status;
    self->at = self->end = 0;
    self->has_batch = true;
    return LION_OK;
}

/* The next rows of the batch. */
static lion_status ask(demand *self, lion_error *error)
{
    lion_rule_table *table = self->table;
    uint32_t left = lion_batch_rows(&self->batch) - self->at, count = left < self->step ? left : self->step;
    for (uint32_t k = 0; k < count; k++) self->asked[k] = (uint16_t)lion_batch_row(&self->batch, self->at + k);
    lion_batch part = { .count = self->batch.count, .selection = self->asked, .selected = count };
    for (uint32_t i = 0; i < table->bound_count; i++) self->keys[i] = lion_rule_column(&self->bound[i], self->batch.columns);
    size_t before = table->frontier.count;
    lion_status status = lion_rule_ask(self->engine, table, self->keys, &part, error);
    if (status != LION_OK) return status;
    table->asked += count;
    if (!self->engine->is_spilled) table->reused += count - (table->frontier.count - before);
    self->end = self->at + count;
    self->is_answered = false;
    return LION_OK;
}

/* ---- who is reading ---- */

static void begin_reading(demand *self)
{
    const lion_rule_spilled *spilled = self->table->answers.spilled;
    self->reader.next = self->engine->readers;
    self->engine->readers = &self->reader;
    self->is_answered = true;
    self->is_row_open = false;
    self->passed = 0;
    self->part_count = spilled == NULL ? 0 : spilled->total.count;
    for (uint32_t i = 0; i < self->part_count; i++) lion_sorted_cursor_open(&self->answers[i], &spilled->total.items[i]);
}

static void end_reading(demand *self)
{
    lion_rule_reader **at = &self->engine->readers;
    if (!self->is_answered) return;
    while (*at != &self->reader) at = &(*at)->next;
    *at = self->reader.next;
    for (uint32_t i = 0; i < self->part_count; i++) lion_sorted_cursor_close(&self->answers[i]);
    self->is_answered = false;
}

/* ---- asking for all answers ---- */

/* They are to be asked for again, of tables that know nothing else, or else fewer of them. */
static lion_status forget(demand *self)
{
    lion_rule_engine_forget(self->engine);
    if (self->is_fresh) {
        self->step = (self->end - self->at + 1) / 2;
        self->halvings++;
    }
    self->is_fresh = true;
    self->end = self->at;
    return LION_ABSENT;
}

/* They are to be asked for again, of tables that are on file. */
static lion_status spill(demand *self, lion_error *error)
{
    lion_status status = lion_rule_engine_spill(self->engine, error);
    self->step = LION_BATCH_ROWS;
    self->end = self->at;
    return status == LION_OK ? LION_ABSENT : status;
}

/* LION_ABSENT: for want of memory, ask again. */
static lion_status answer(demand *self, lion_error *error)
{
    lion_rule_engine *engine = self->engine;
    bool may_spill = engine->rules->run->options.temp_max > 0 && !engine->is_spilled;
    bool helps_to_forget = !self->is_fresh || (self->end - self->at > 1 && (self->halvings < HALVINGS_MAX || !may_spill));
    bool may_forget = engine->readers == NULL && helps_to_forget;
    lion_status status = lion_rule_engine_run(engine, may_forget || may_spill, error);
    if (status == LION_ABSENT) return may_forget ? forget(self) : spill(self, error);
    self->is_fresh = self->is_fresh && status != LION_OK;
    if (status == LION_OK && !engine->is_spilled) status = lion_rule_index_follow(&self->table->answers_by_seed, error);
    if (status == LION_OK) begin_reading(self);
    return status;
}

/* ---- reading answers ---- */

static bool is_same(const demand *self, size_t row)
{
    const lion_rule_rows *answers = &self->table->answers;
    uint32_t bound = self->table->bound_count;
    for (uint32_t i = 0; i < self->table->free_count; i++)
        if (self->same[i] != LION_SLOT_NONE &&
            !lion_value_equal(lion_rule_rows_get(answers, row, bound + i), lion_rule_rows_get(answers, row, bound + self->same[i])))
            return false;
    return true;
}

static void emit(demand *self, uint32_t row, size_t answer)
{
    if (!is_same(self, answer)) return;
    lion_output_keep(&self->output, &self->batch, row);
    for (uint32_t i = 0; i < self->table->free_count; i++)
        if (self->out[i] != LION_SLOT_NONE)
            *lion_output_at(&self->output, self->out[i]) = lion_rule_rows_get(&self->table->answers, answer, self->table->bound_count + i);
    self->output.count++;
}

/* The present row's answers, as many as there is room for. */
static void join_row(demand *self)
{
    const lion_rule_index *index = &self->table->answers_by_seed;
    uint32_t row = lion_batch_row(&self->batch, self->at);
    if (!self->is_row_open) {
        for (uint32_t i = 0; i < self->table->bound_count; i++) self->key[i] = lion_vector_get(&self->keys[i], row);
        self->found = lion_rule_index_find(index, self->key);
    }
    for (; self->found != 0 && !lion_output_is_full(&self->output); self->found = lion_rule_index_next(index, self->found, self->key)) {
        emit(self, row, self->found - 1);
        if (!self->is_once) continue;
        self->found = 0;
        break;
    }
    self->is_row_open = self->found != 0;
    if (!self->is_row_open) self->at++;
}

/* Answers as they lie, beside the present row's columns. */
static bool pass_answers(demand *self, lion_batch *batch_out)
{
    const lion_output *output = &self->output;
    const lion_rule_rows *answers = &self->table->answers;
    if (self->passed == answers->count) {
        self->passed = 0;
        self->at++;
        return false;
    }
    uint32_t count = lion_rule_rows_piece(self->pieces, answers, self->passed, answers->count);
    for (uint32_t i = 0; i < output->kept; i++) {
        output->vectors[i].values[0] = lion_batch_get(&self->batch, output->from[i], lion_batch_row(&self->batch, self->at));
        self->columns[i] = (lion_vector){ .type = LION_TYPE_MIXED, .is_constant = true, .values = output->vectors[i].values };
    }
    for (uint32_t i = 0; i < self->table->free_count; i++)
        if (self->out[i] != LION_SLOT_NONE) self->columns[self->out[i]] = self->pieces[i];
    self->passed += count;
    *batch_out = (lion_batch){ .count = count, .width = output->width, .columns = self->columns };
    return true;
}

/* ---- answers on file, and those that are set aside ---- */

/* The values of the present row that answers are found by. */
static void read_key(demand *self)
{
    uint32_t row = lion_batch_row(&self->batch, self->at);
    for (uint32_t i = 0; i < self->table->bound_count; i++) self->key[i] = lion_vector_get(&self->keys[i], row);
}

/* On an answer of the present row, in this part or another. LION_END: there are no more. */
static lion_status find_on_file(demand *self, lion_error *error)
{
    for (; self->part < self->part_count; self->part++) {
        lion_sorted_cursor *cursor = &self->answers[self->part];
        lion_status status = self->is_row_open ? lion_sorted_cursor_to(cursor, cursor->at + 1, error)
                                               : lion_sorted_cursor_seek(cursor, 0, &self->seed, self->key, error);
        if (status != LION_OK) return status;
        self->is_row_open = cursor->row != NULL && lion_sorted_key_compare(&self->seed, cursor->row, self->key) == 0;
        if (self->is_row_open) return LION_OK;
    }
    return LION_END;
}

/* In memory; where answers go out as they lie, those that went out are the first ones. */
static lion_status find_in_memory(demand *self)
{
    const lion_rule_index *index = &self->table->answers_by_seed;
    self->found = self->is_row_open ? lion_rule_index_next(index, self->found, self->key) : lion_rule_index_find(index, self->key);
    self->is_row_open = self->found > self->passed;
    return self->is_row_open ? LION_OK : LION_END;
}

/* The next answer of the present row, wherever it is. LION_END: the row is done. */
static lion_status next_answer(demand *self, lion_error *error)
{
    if (!self->is_row_open) {
        read_key(self);
        self->part = 0;
    }
    return self->table->answers.spilled != NULL ? find_on_file(self, error) : find_in_memory(self);
}

static lion_value answer_value(const demand *self, uint32_t column)
{
    const lion_rule_rows *answers = &self->table->answers;
    return answers->spilled != NULL ? self->answers[self->part].row[column] : lion_rule_rows_get(answers, self->found - 1, column);
}

/* The present row with its present answer, value by value; false: the answer is none to it. */
static bool join_answer(const demand *self, lion_value **values)
{
    uint32_t bound = self->table->bound_count, row = lion_batch_row(&self->batch, self->at);
    for (uint32_t i = 0; i < self->table->free_count; i++) {
        uint32_t same = self->same[i];
        if (same != LION_SLOT_NONE && !lion_value_equal(answer_value(self, bound + i), answer_value(self, bound + same))) return false;
    }
    for (uint32_t i = 0; i < self->output.kept; i++) *values[i] = lion_batch_get(&self->batch, self->output.from[i], row);
    for (uint32_t i = 0; i < self->table->free_count; i++)
        if (self->out[i] != LION_SLOT_NONE) *values[self->out[i]] = answer_value(self, bound + i);
    return true;
}

static void next_row(demand *self)
{
    self->is_row_open = false;
    self->passed = 0;
    self->at++;
}

/* The present row's answers on file, as many as there is room for. */
static lion_status join_spilled_row(demand *self, lion_error *error)
{
    lion_value *values[self->output.width + 1];
    lion_status status = LION_OK;
    while (!lion_output_is_full(&self->output) && (status = next_answer(self, error)) == LION_OK) {
        for (uint32_t i = 0; i < self->output.width; i++) values[i] = lion_output_at(&self->output, i);
        if (join_answer(self, values)) self->output.count++;
        if (self->is_once) status = LION_END;
        if (status == LION_END) break;
    }
    if (status == LION_END) next_row(self);
    return status == LION_END ? LION_OK : status;
}

#define CHECK_EVERY 4096

/* The rest of the rows that are answered, to a file. The batch that went out last may still be read: nothing of it is touched. */
static lion_status set_aside(lion_rule_reader *reader, lion_error *error)
{
    demand *self = (demand *)((uint8_t *)reader - offsetof(demand, reader));
    lion_run *run = self->operator.run;
    uint32_t width = self->output.width;
    lion_value row[width + 1], *values[width + 1];
    lion_status status = LION_OK;
    uint64_t steps = 0;
    bool is_found = self->is_row_open && self->part_count == 0; /* join_row stands on what is to go out next */
    row[0] = lion_value_nil();
    for (uint32_t i = 0; i < width; i++) values[i] = &row[i];
    if (self->is_whole && self->passed > 0 && self->table->answers.spilled == NULL) lion_rule_rows_leave(&self->table->answers, self->passed - 1);
    lion_spool_init(&self->aside, &run->spill, (uint32_t)sizeof(lion_value) * (width == 0 ? 1 : width));
    while (status == LION_OK && self->at < self->end) {
        if (!is_found) status = next_answer(self, error);
        is_found = false;
        if (status == LION_OK && join_answer(self, values)) status = lion_spool_add(&self->aside, row, error);
        if (status == LION_OK && ++steps % CHECK_EVERY == 0) status = lion_run_check(run, error);
        if (status != LION_END && !(status == LION_OK && self->is_once)) continue;
        next_row(self);
        status = LION_OK;
    }
    if (status == LION_OK) status = lion_spool_close(&self->aside, error);
    if (status == LION_OK) status = lion_spool_read(&self->aside, true, error);
    self->has_aside = true;
    end_reading(self);
    self->has_batch = self->at < lion_batch_rows(&self->batch);
    return status;
}

static lion_status next_aside(demand *self, lion_batch *batch_out, lion_error *error)
{
    lion_status status = lion_output_unspool(&self->output, &self->aside, batch_out, error);
    if (status != LION_END) return status;
    lion_spool_free(&self->aside);
    self->has_aside = false;
    return LION_END;
}

/* ---- stepping ---- */

static void describe(demand *self)
{
    lion_arena *arena = &self->operator.run->arena;
    const char *text = self->text;
    if (self->table->reused > 0) text = lion_arena_printf(arena, "%s reused %llu times", text, (unsigned long long)self->table->reused);
    if (self->table->answers.spilled != NULL)
        text = lion_arena_printf(arena, "%s %llu answers in a temporary file, %llu rounds", text,
                                 (unsigned long long)lion_rule_spilled_count(&self->table->answers), (unsigned long long)self->engine->rounds);
    self->operator.detail = text;
}

/* Rows for the output; LION_ABSENT: there is a batch of answers as they lie instead. */
static lion_status join_rows(demand *self, lion_batch *batch_out, lion_error *error)
{
    bool is_spilled = self->engine->is_spilled;
    while (self->at < self->end && !lion_output_is_full(&self->output)) {
        if (is_spilled) {
            lion_status status = join_spilled_row(self, error);
            if (status != LION_OK) return status;
        } else if (!self->is_whole) {
            join_row(self);
        } else if (pass_answers(self, batch_out)) {
            return LION_ABSENT;
        }
    }
    return LION_OK;
}

static lion_status demand_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    demand *self = (demand *)operator;
    lion_status aside = self->has_aside ? next_aside(self, batch_out, error) : LION_END;
    if (aside != LION_END) return aside;
    while (!lion_output_is_full(&self->output)) {
        lion_status status = next_batch(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && self->at == self->end) status = ask(self, error);
        if (status == LION_OK && !self->is_answered) status = answer(self, error);
        if (status == LION_ABSENT) continue;
        if (status != LION_OK) return status;
        status = join_rows(self, batch_out, error);
        if (status != LION_OK) return status == LION_ABSENT ? LION_OK : status;
        if (self->at < self->end) break;
        end_reading(self);
        self->has_batch = self->at < lion_batch_rows(&self->batch);
    }
    if (operator->inputs[0]->is_ended) describe(self);
    return lion_output_yield(&self->output, batch_out);
}

static lion_status demand_rewind(lion_operator *operator, lion_error *error)
{
    demand *self = (demand *)operator;
    (void)error;
    end_reading(self);
    if (self->has_aside) lion_spool_free(&self->aside);
    self->has_batch = self->has_aside = false;
    self->output.count = 0;
    return LION_OK;
}

static void demand_close(lion_operator *operator)
{
    lion_rule_engine *engine = ((demand *)operator)->engine;
    uint32_t count = engine->segment_count;
    engine->segment_count = 0; /* an engine may serve several calls: close once */
    for (uint32_t i = 0; i < count; i++) lion_operator_close(engine->segments[i]->root);
}

/* Which engine answers, and by which table. */
static lion_status find_table(demand *self, lion_scope *scope, const lion_clause *clause, const lion_operator *input, lion_error *error)
{
    lion_rules *rules = scope->engine;
    const lion_rule *rule = &scope->rules[clause->rule];
    uint32_t component = lion_rules_component(rules, clause->rule);
    uint64_t adornment = clause->term_count <= LION_RULE_ARITY_MAX ? lion_rule_adornment(clause, input) : 0;
    if (scope->tables != NULL && component == scope->component)
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "rule %.*s calls itself inside a not: that has no answer", (int)rule->name.size,
                         (const char *)rule->name.data);
    self->engine = lion_rules_engine(rules, component);
    return lion_rule_table_get(&self->table, self->engine, clause->rule, adornment, lion_rule_given(scope, clause, adornment), error);
}

/* Where the free arguments go; which are new goes into added. How many. */
static uint32_t place_free(demand *self, const lion_clause *clause, const uint8_t *keep, uint32_t *added)
{
    lion_arena *arena = &self->operator.run->arena;
    uint32_t frees = 0, count = 0, dropped = 0, same = 0;
    uint32_t *var = lion_arena_array(arena, uint32_t, clause->term_count + 1);
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_var = term->kind == LION_TERM_VAR;
        if (lion_rule_binds(self->table->adornment, i)) continue;
        var[frees] = is_var ? term->index : UINT32_MAX;
        self->out[frees] = self->same[frees] = LION_SLOT_NONE;
        for (uint32_t k = 0; is_var && k < frees; k++)
            if (var[k] == var[frees]) self->same[frees] = k;
        if (self->same[frees] != LION_SLOT_NONE) {
            same++;
        } else if (is_var && keep[term->index]) {
            self->out[frees] = count;
            added[count++] = term->index;
        } else {
            dropped++;
        }
        frees++;
    }
    self->is_once = count == 0 && same == 0;
    self->is_whole = self->table->bound_count == 0 && same == 0 && count > 0;
    self->operator.is_set = self->is_once || dropped == 0;
    return count;
}

lion_status lion_rule_demand_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                                 const uint8_t *keep, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    demand *self = LION_OPERATOR(scope->run, demand, demand_next, "rule");
    lion_status status = find_table(self, scope, clause, input, error);
    if (status != LION_OK) return status;
    uint32_t arity = clause->term_count, bound = 0;
    uint32_t *added = lion_arena_array(arena, uint32_t, arity + 1);
    self->operator.rewind = demand_rewind;
    self->operator.close = demand_close;
    self->operator.inputs[0] = input;
    self->bound = lion_arena_array(arena, lion_rule_argument, arity + 1);
    self->keys = lion_arena_array(arena, lion_vector, arity + 1);
    self->key = lion_arena_array(arena, lion_value, arity + 1);
    self->out = lion_arena_array(arena, uint32_t, arity + 1);
    self->same = lion_arena_array(arena, uint32_t, arity + 1);
    self->asked = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->step = LION_BATCH_ROWS;
    self->reader.set_aside = set_aside;
    self->seed = (lion_sorted_key){ .count = self->table->bound_count };
    for (uint32_t i = 0; i < arity; i++) {
        if (!lion_rule_binds(self->table->adornment, i)) continue;
        status = lion_rule_argument_of(&self->bound[bound++], &clause->terms[i], input, arena, error);
        if (status != LION_OK) return status;
    }
    uint32_t added_count = place_free(self, clause, keep, added);
    lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    for (uint32_t i = 0; i < self->table->free_count; i++)
        if (self->out[i] != LION_SLOT_NONE) self->out[i] += self->output.kept;
    self->pieces = lion_arena_array(arena, lion_vector, arity + 1);
    self->columns = lion_arena_array(arena, lion_vector, self->output.width + 1);
    self->text = lion_plan_detail(scope->run, clause->text);
    *operator_out = &self->operator;
    return LION_OK;
}
