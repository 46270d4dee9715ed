/* op_rule.c - the call of a rule in a plan: each batch's bound arguments are asked for, the engine runs until it knows all
 * answers, and they are joined. What was asked for before is there already.
 *
 * Where memory is short, what is known is forgotten and fewer rows are asked for at once, down to one. */
#include "query/rule_tables.h"

typedef struct demand {
    lion_operator operator;
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
    size_t found;              /* answer + 1 of the present row, 0: it is to be looked for */
    bool is_row_open;
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
    table->reused += count - (table->frontier.count - before);
    self->end = self->at + count;
    self->is_answered = false;
    return LION_OK;
}

/* LION_ABSENT: for want of memory they are to be asked for again, of tables that know nothing else, or else fewer of them. */
static lion_status answer(demand *self, lion_error *error)
{
    uint32_t count = self->end - self->at;
    bool may_forget = self->engine->readers == 0 && (count > 1 || !self->is_fresh);
    lion_status status = lion_rule_engine_run(self->engine, may_forget, error);
    if (status == LION_ABSENT) {
        lion_rule_engine_forget(self->engine);
        if (self->is_fresh) self->step = (count + 1) / 2;
        self->is_fresh = true;
        self->end = self->at;
        return LION_ABSENT;
    }
    self->is_fresh = self->is_fresh && status != LION_OK;
    if (status == LION_OK) status = lion_rule_index_follow(&self->table->answers_by_seed, error);
    if (status != LION_OK) return status;
    self->engine->readers++;
    self->is_answered = true;
    self->is_row_open = false;
    self->passed = 0;
    return LION_OK;
}

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

static void describe(demand *self)
{
    if (self->table->reused == 0) return;
    self->operator.detail = lion_arena_printf(&self->operator.run->arena, "%s reused %llu times", self->text, (unsigned long long)self->table->reused);
}

static lion_status demand_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    demand *self = (demand *)operator;
    while (!lion_output_is_full(&self->output)) {
        lion_status status = next_batch(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && self->at == self->end) status = ask(self, error);
        if (status == LION_OK && !self->is_answered) status = answer(self, error);
        if (status == LION_ABSENT) continue;
        if (status != LION_OK) return status;
        if (self->is_whole && self->at < self->end && pass_answers(self, batch_out)) return LION_OK;
        while (!self->is_whole && self->at < self->end && !lion_output_is_full(&self->output)) join_row(self);
        if (self->at < self->end && self->is_whole) continue;
        if (self->at < self->end) break;
        self->engine->readers--;
        self->is_answered = false;
        self->has_batch = self->at < lion_batch_rows(&self->batch);
    }
    if (operator->inputs[0]->is_ended) describe(self);
    return lion_output_yield(&self->output, batch_out);
}

static lion_status demand_rewind(lion_operator *operator, lion_error *error)
{
    demand *self = (demand *)operator;
    (void)error;
    if (self->is_answered) self->engine->readers--;
    self->has_batch = self->is_answered = false;
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
