/* rule_rounds.c - a component whose tables go on in the temporary file, evaluated by rounds.
 *
 * In a round each segment is fed what the round before found new; what it makes is not looked at before the round is over: then it
 * is sorted, and what was known before is left out. So nothing is ever looked for but in its order, and a round costs at most
 * as much as reading what it joins. What is known is never forgotten. */
#include "query/rule_tables.h"

/* Rows of a table in memory: fewer go to the file for want of memory, so many to be sorted in one step. */
#define ROWS_LEAST 1024
#define ROWS_MOST 65536
/* What a merge reads through, and writes. */
#define BLOCKS_WANTED 20

/* The sets of the engine: of each table what was asked and what was answered, of each call what has arrived. */
static uint32_t set_count(const lion_rule_engine *self)
{
    return 2 * self->table_count + self->segment_count;
}

static lion_rule_rows *set_at(const lion_rule_engine *self, uint32_t at)
{
    if (at < 2 * self->table_count) return at % 2 == 0 ? &self->tables[at / 2]->frontier : &self->tables[at / 2]->answers;
    lion_rule_call *call = self->segments[at - 2 * self->table_count]->before;
    return call == NULL ? NULL : &call->prefix;
}

/* Prefixes are joined by what they ask for; all others as their columns are. */
static lion_status spill_set(const lion_rule_engine *self, uint32_t at, lion_error *error)
{
    lion_rule_rows *rows = set_at(self, at);
    lion_run *run = self->rules->run;
    if (rows == NULL || rows->spilled != NULL) return LION_OK;
    if (at < 2 * self->table_count) return lion_rule_spilled_new(rows, run, NULL, 0, error);
    const lion_rule_index *index = &self->segments[at - 2 * self->table_count]->before->prefix_by_bound;
    return lion_rule_spilled_new(rows, run, index->key, index->key_count, error);
}

/* Those that are not on file yet: tables may come while a query runs. */
static lion_status spill_sets(const lion_rule_engine *self, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < set_count(self); i++) status = spill_set(self, i, error);
    return status;
}

static void release_memory(lion_rule_engine *self)
{
    for (uint32_t i = 0; i < set_count(self); i++)
        if (set_at(self, i) != NULL) lion_rule_rows_release(set_at(self, i));
    for (uint32_t i = 0; i < self->table_count; i++) lion_rule_index_release(&self->tables[i]->answers_by_seed);
    for (uint32_t i = 0; i < self->segment_count; i++)
        if (self->segments[i]->before != NULL) lion_rule_index_release(&self->segments[i]->before->prefix_by_bound);
}

/* Who is reading answers takes what is left of them before they move. */
static lion_status set_readers_aside(lion_rule_engine *self, lion_error *error)
{
    while (self->readers != NULL) {
        lion_status status = self->readers->set_aside(self->readers, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

lion_status lion_rule_engine_spill(lion_rule_engine *self, lion_error *error)
{
    lion_status status = set_readers_aside(self, error);
    if (status != LION_OK) return status;
    lion_rule_engine_forget(self);
    release_memory(self);
    self->is_spilled = true;
    self->turn = 0;
    return spill_sets(self, error);
}

/* ---- room ---- */

static bool has_room(const lion_run *run)
{
    return lion_run_has_room(run, (uint64_t)run->spill.block_size * BLOCKS_WANTED);
}

lion_status lion_rule_spilled_relieve(lion_rule_engine *self, lion_rule_rows *rows, lion_error *error)
{
    const lion_run *run = self->rules->run;
    uint64_t rows_max = run->options.table_rows_max;
    bool is_many = rows->count >= ROWS_MOST || (rows_max != 0 && rows->count >= rows_max);
    bool is_tight = rows->count >= ROWS_LEAST && !has_room(run);
    if (is_many || is_tight) {
        lion_status status = lion_rule_spilled_flush(rows, error);
        if (status != LION_OK || !is_tight) return status;
    }
    for (uint32_t i = 0; is_tight && i < set_count(self) && !has_room(run); i++) {
        lion_rule_rows *others = set_at(self, i);
        lion_status status = others == NULL || others->count < ROWS_LEAST ? LION_OK : lion_rule_spilled_flush(others, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

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
    lion_status status = spill_sets(self, error);
    for (uint32_t i = 0; status == LION_OK && i < set_count(self); i++)
        has_come = has_come || (set_at(self, i) != NULL && lion_rule_spilled_has_come(set_at(self, i)));
    if (status == LION_OK && has_come) status = set_readers_aside(self, error);
    for (uint32_t i = 0; status == LION_OK && i < self->segment_count; i++) {
        lion_rule_call *call = self->segments[i]->before;
        if (call == NULL) continue;
        status = lion_rule_spilled_settle(&call->prefix, error);
        if (status == LION_OK) status = ask_for_new(self, call, error);
        is_new = is_new || call->prefix.spilled->delta.count > 0;
    }
    for (uint32_t i = 0; status == LION_OK && i < 2 * self->table_count; i++) {
        status = lion_rule_spilled_settle(set_at(self, i), error);
        is_new = is_new || set_at(self, i)->spilled->delta.count > 0;
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
    if (spill_sets(self, error) != LION_OK) return LION_FAILED; /* those of tables that came since */
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
