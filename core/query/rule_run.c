/* rule_run.c - segments by turns, until none has anything new. */
#include "query/rule_tables.h"

/* LION_OK: the segment has something new, and its feed stands on it; LION_END: nothing. */
static lion_status start_segment(lion_rule_segment *part, lion_error *error)
{
    if (part->before == NULL) {
        size_t from = part->done;
        part->done = part->table->frontier.count;
        if (from == part->done) return LION_END;
        lion_rule_feed_set(part->feed, from, part->done);
        return lion_operator_rewind(part->root, error);
    }
    lion_rule_call *call = part->before;
    if (call->prefix_done == call->prefix.count && call->answers_done == call->callee->answers.count) return LION_END;
    call->prefix_from = call->prefix_done;
    call->answers_from = call->answers_done;
    call->prefix_done = call->prefix.count;
    call->answers_done = call->callee->answers.count;
    return lion_operator_rewind(part->root, error);
}

/* Fewer rows are never too many. */
#define ROWS_LEAST 256

/* Tables are emptied, not given back: what they held when memory ran short is what they have room for. */
static bool is_full(lion_rule_engine *self)
{
    const lion_run *run = self->rules->run;
    const lion_query_options *options = &run->options;
    bool is_tight = options->table_rows_max != 0 && self->row_count >= options->table_rows_max;
    if (options->memory_max != 0 && self->row_max == 0 && self->row_count >= ROWS_LEAST && !lion_run_has_room(run, 0)) self->row_max = self->row_count;
    return is_tight || (self->row_max != 0 && self->row_count > self->row_max);
}

/* The active segment's rows. LION_END: that was all; LION_ABSENT: see lion_rule_engine_run. */
static lion_status run_segment(lion_rule_engine *self, bool may_stop, lion_error *error)
{
    for (;;) {
        lion_batch batch;
        lion_status status = lion_operator_next(self->active->root, &batch, error);
        if (status == LION_OK) status = lion_rule_take_in(self, self->active, &batch, error);
        if (status != LION_OK) return status;
        if (may_stop && is_full(self)) return LION_ABSENT;
    }
}

lion_status lion_rule_engine_run(lion_rule_engine *self, bool may_stop, lion_error *error)
{
    uint32_t idle = 0;
    if (self->is_spilled) return lion_rule_spilled_run(self, error);
    while (self->active != NULL || idle < self->segment_count) {
        if (self->active == NULL) {
            lion_rule_segment *part = self->segments[self->turn++ % self->segment_count];
            lion_status status = start_segment(part, error);
            if (status == LION_END) {
                idle++;
                continue;
            }
            if (status != LION_OK) return status;
            self->active = part;
            idle = 0;
        }
        lion_status status = run_segment(self, may_stop, error);
        if (status != LION_END) return status;
        self->active = NULL;
    }
    return LION_OK;
}
