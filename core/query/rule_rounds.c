/* rule_rounds.c - a component whose tables go on in the temporary file, evaluated by rounds.
 *
 * In a round each segment is fed what the round before found new; what it makes is not looked at before the round is over: then it
 * is sorted, and what was known before is left out. So nothing is ever looked for but in its order, and a round costs at most
 * as much as reading what it joins. What is known is never forgotten. */
#include "query/rule_tables.h"

/* ---- between rounds ---- */

/* What the new prefixes want to know, each once: they come in that order. */
static lion_status ask_for_new(lion_rule_engine *self, lion_rule_call *call, lion_error *error)
{
    lion_batch batch;
    lion_status status = LION_OK;
    lion_rule_spilled_rewind(&call->prefix);
    while (status == LION_OK && (status = lion_rule_spilled_next(&call->prefix, &batch, error)) == LION_OK) {
        for (uint32_t i = 0; i < call->callee->bound_count; i++) call->keys[i] = lion_rule_column(&call->bound[i], batch.columns);
        status = lion_rule_ask(self, call->callee, call->keys, &batch, error);
        if (status == LION_OK) status = lion_run_check(self->rules->run, error);
    }
    return status == LION_END ? LION_OK : status;
}

/* LION_END: nothing is new. */
static lion_status next_round(lion_rule_engine *self, lion_error *error)
{
    bool has_come = false, is_new = false;
    lion_status status = lion_rule_sets_spill(self, error);
    for (uint32_t i = 0; status == LION_OK && i < lion_rule_set_count(self); i++)
        has_come = has_come || (lion_rule_set_at(self, i) != NULL && lion_rule_spilled_has_come(lion_rule_set_at(self, i)));
    if (status == LION_OK && has_come) status = lion_rule_readers_set_aside(self, error);
    for (uint32_t i = 0; status == LION_OK && i < self->segment_count; i++) {
        lion_rule_call *call = self->segments[i]->before;
        if (call == NULL) continue;
        status = lion_rule_spilled_settle(&call->prefix, error);
        if (status == LION_OK) status = ask_for_new(self, call, error);
        is_new = is_new || call->prefix.spilled->delta.count > 0;
    }
    for (uint32_t i = 0; status == LION_OK && i < 2 * self->table_count; i++) {
        status = lion_rule_spilled_settle(lion_rule_set_at(self, i), error);
        is_new = is_new || lion_rule_set_at(self, i)->spilled->delta.count > 0;
    }
    self->turn = 0;
    self->rounds += is_new;
    if (status != LION_OK) return status;
    return is_new ? LION_OK : LION_END;
}

/* ---- rounds ---- */

static bool is_fed(const lion_rule_segment *part)
{
    if (part->before == NULL) return part->table->frontier.spilled->delta.count > 0;
    return part->before->prefix.spilled->delta.count > 0 || part->before->callee->answers.spilled->delta.count > 0;
}

/* LION_END: all had their turn. */
static lion_status next_segment(lion_rule_engine *self, lion_error *error)
{
    while (self->turn < self->segment_count) {
        lion_rule_segment *part = self->segments[self->turn++];
        if (!is_fed(part)) continue;
        lion_status status = lion_operator_rewind(part->root, error);
        if (status == LION_OK) self->active = part;
        return status;
    }
    return LION_END;
}

static lion_status run_segment(lion_rule_engine *self, lion_error *error)
{
    for (;;) {
        lion_batch batch;
        lion_status status = lion_operator_next(self->active->root, &batch, error);
        if (status == LION_OK) status = lion_rule_take_in(self, self->active, &batch, error);
        if (status != LION_OK) return status;
    }
}

lion_status lion_rule_spilled_run(lion_rule_engine *self, lion_error *error)
{
    if (lion_rule_sets_spill(self, error) != LION_OK) return LION_FAILED; /* those of tables that came since */
    for (;;) {
        lion_status status = self->active != NULL ? LION_OK : next_segment(self, error);
        if (status == LION_END) {
            status = next_round(self, error);
            if (status == LION_END) return LION_OK;
            if (status == LION_OK) continue;
        }
        if (status == LION_OK) status = run_segment(self, error);
        if (status != LION_END) return status;
        self->active = NULL;
    }
}
