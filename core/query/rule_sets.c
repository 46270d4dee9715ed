/* rule_sets.c - the sets of rows that a component's evaluation holds, all together: how they are forgotten, and how they go to the
 * temporary file for want of memory. */
#include "query/rule_tables.h"

/* Rows of a table in memory: fewer go to the file for want of memory, so many to be sorted in one step. */
#define ROWS_LEAST 1024
#define ROWS_MOST 65536
/* What a merge reads through, and writes. */
#define BLOCKS_WANTED 20

uint32_t lion_rule_set_count(const lion_rule_engine *self)
{
    return 2 * self->table_count + self->segment_count;
}

lion_rule_rows *lion_rule_set_at(const lion_rule_engine *self, uint32_t at)
{
    if (at < 2 * self->table_count) return at % 2 == 0 ? &self->tables[at / 2]->frontier : &self->tables[at / 2]->answers;
    lion_rule_call *call = self->segments[at - 2 * self->table_count]->before;
    return call == NULL ? NULL : &call->prefix;
}

/* Prefixes are joined by what they ask for; all others as their columns are. */
static lion_status spill_set(const lion_rule_engine *self, uint32_t at, lion_error *error)
{
    lion_rule_rows *rows = lion_rule_set_at(self, at);
    lion_run *run = self->rules->run;
    if (rows == NULL || rows->spilled != NULL) return LION_OK;
    if (at < 2 * self->table_count) return lion_rule_spilled_new(rows, run, NULL, 0, error);
    const lion_rule_index *index = &self->segments[at - 2 * self->table_count]->before->prefix_by_bound;
    return lion_rule_spilled_new(rows, run, index->key, index->key_count, error);
}

lion_status lion_rule_sets_spill(const lion_rule_engine *self, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < lion_rule_set_count(self); i++) status = spill_set(self, i, error);
    return status;
}

static void release_memory(lion_rule_engine *self)
{
    for (uint32_t i = 0; i < lion_rule_set_count(self); i++)
        if (lion_rule_set_at(self, i) != NULL) lion_rule_rows_release(lion_rule_set_at(self, i));
    for (uint32_t i = 0; i < self->table_count; i++) lion_rule_index_release(&self->tables[i]->answers_by_seed);
    for (uint32_t i = 0; i < self->segment_count; i++)
        if (self->segments[i]->before != NULL) lion_rule_index_release(&self->segments[i]->before->prefix_by_bound);
}

lion_status lion_rule_readers_set_aside(lion_rule_engine *self, lion_error *error)
{
    while (self->readers != NULL) {
        lion_status status = self->readers->set_aside(self->readers, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

lion_status lion_rule_engine_spill(lion_rule_engine *self, lion_error *error)
{
    lion_status status = lion_rule_readers_set_aside(self, error);
    if (status != LION_OK) return status;
    lion_rule_engine_forget(self);
    release_memory(self);
    self->is_spilled = true;
    self->turn = 0;
    return lion_rule_sets_spill(self, error);
}

static bool has_room(const lion_run *run)
{
    return lion_run_has_room(run, (uint64_t)run->spill.block_size * BLOCKS_WANTED);
}

lion_status lion_rule_sets_relieve(lion_rule_engine *self, lion_rule_rows *rows, lion_error *error)
{
    const lion_run *run = self->rules->run;
    uint64_t rows_max = run->options.table_rows_max;
    bool is_many = rows->count >= ROWS_MOST || (rows_max != 0 && rows->count >= rows_max);
    bool is_tight = rows->count >= ROWS_LEAST && !has_room(run);
    if (is_many || is_tight) {
        lion_status status = lion_rule_spilled_flush(rows, error);
        if (status != LION_OK || !is_tight) return status;
    }
    for (uint32_t i = 0; is_tight && i < lion_rule_set_count(self) && !has_room(run); i++) {
        lion_rule_rows *others = lion_rule_set_at(self, i);
        lion_status status = others == NULL || others->count < ROWS_LEAST ? LION_OK : lion_rule_spilled_flush(others, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

void lion_rule_engine_forget(lion_rule_engine *self)
{
    self->active = NULL;
    self->row_count = 0;
    for (uint32_t i = 0; i < self->table_count; i++) {
        lion_rule_rows_clear(&self->tables[i]->frontier);
        lion_rule_rows_clear(&self->tables[i]->answers);
    }
    for (uint32_t i = 0; i < self->segment_count; i++) {
        lion_rule_segment *part = self->segments[i];
        part->done = 0;
        if (part->before == NULL) continue;
        lion_rule_rows_clear(&part->before->prefix);
        part->before->prefix_done = part->before->answers_done = part->before->prefix_from = part->before->answers_from = 0;
    }
}
