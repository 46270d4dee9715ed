/* op_rule.c - the call of a rule in a plan: each batch's bound arguments are asked for, the rules run, and the answers are joined. */
#include "query/rule_tables.h"

typedef struct demand {
    lion_operator operator;
    lion_rules *rules;
    lion_rule_table *table;
    lion_rule_argument *bound;
    lion_batch batch;
    bool has_batch;
} demand;

static lion_status demand_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    demand *self = (demand *)operator;
    if (!self->has_batch) {
        lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
        if (status != LION_OK) return status;
        self->has_batch = true;
        lion_value key[LION_RULE_ARITY_MAX];
        for (uint32_t k = 0; k < lion_batch_rows(&self->batch); k++) {
            for (uint32_t i = 0; i < self->table->bound_count; i++)
                key[i] = self->bound[i].slot == LION_SLOT_NONE ? self->bound[i].constant
                                                               : lion_batch_get(&self->batch, self->bound[i].slot, lion_batch_row(&self->batch, k));
            lion_rule_ask(self->table, key);
        }
    }
    lion_status status = lion_rules_run(self->rules, error);
    if (status != LION_OK) return status;
    self->has_batch = false;
    *batch_out = self->batch;
    return LION_OK;
}

static lion_status demand_rewind(lion_operator *operator, lion_error *error)
{
    (void)error;
    ((demand *)operator)->has_batch = false;
    return LION_OK;
}

static void demand_close(lion_operator *operator)
{
    lion_rules *rules = ((demand *)operator)->rules;
    for (uint32_t i = 0; i < rules->segment_count; i++) lion_operator_close(rules->segments[i]->root);
    rules->segment_count = 0; /* an engine may serve several calls: close once */
}

lion_status lion_rule_demand_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                                 const uint8_t *keep, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    demand *self = LION_OPERATOR(scope->run, demand, demand_next, "demand");
    uint64_t adornment = 0;
    lion_join_column *columns = lion_arena_zalloc(arena, sizeof(*columns) * (clause->term_count + 1));
    if (clause->term_count <= LION_RULE_ARITY_MAX) adornment = lion_rule_adornment(clause, input);
    lion_status status = lion_rule_table_get(&self->table, scope->engine, clause->rule, adornment, lion_rule_given(scope, clause, adornment), error);
    if (status != LION_OK) return status;
    self->rules = scope->engine;
    self->operator.rewind = demand_rewind;
    self->operator.close = demand_close;
    self->operator.inputs[0] = input;
    self->operator.vars = input->vars;
    self->operator.width = input->width;
    self->operator.rows_estimated = input->rows_estimated;
    self->bound = lion_arena_array(arena, lion_rule_argument, clause->term_count + 1);
    uint32_t bound = 0, frees = self->table->bound_count;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_bound = lion_rule_binds(adornment, i);
        lion_join_column *column = &columns[is_bound ? bound : frees];
        if (is_bound) {
            status = lion_rule_argument_of(&self->bound[bound], term, input, arena, error);
            if (status != LION_OK) return status;
            *column = (lion_join_column){ .kind = term->kind == LION_TERM_CONST ? LION_JOIN_CONST : LION_JOIN_BOUND, .index = term->index,
                                          .constant = self->bound[bound].constant };
            bound++;
            continue;
        }
        if (term->kind == LION_TERM_VAR) {
            *column = (lion_join_column){ .kind = LION_JOIN_OUT, .index = term->index };
            for (uint32_t k = self->table->bound_count; k < frees; k++)
                if (columns[k].kind == LION_JOIN_OUT && columns[k].index == term->index)
                    *column = (lion_join_column){ .kind = LION_JOIN_SAME, .index = k };
        }
        frees++;
    }
    *operator_out = lion_join_new(scope->run, &self->operator, &self->table->answers, columns, clause->term_count, keep, "rule");
    return LION_OK;
}
