/* rule_run.c - segments by turns, until none has anything new. */
#include "query/rule_tables.h"

void lion_rule_ask(lion_rule_table *table, const lion_value *bound)
{
    lion_value row[2 * LION_RULE_ARITY_MAX];
    for (uint32_t i = 0; i < table->bound_count; i++) row[i] = row[table->bound_count + i] = bound[i];
    lion_relation_add(&table->frontier, row);
}

static void sink_row(lion_rule_segment *part, const lion_batch *batch, uint32_t row)
{
    for (uint32_t i = 0; i < part->width; i++)
        part->values[i] = part->row[i].slot == LION_SLOT_NONE ? part->row[i].constant : lion_batch_get(batch, part->row[i].slot, row);
    if (part->sink == LION_RULE_ANSWER) {
        lion_relation_add(&part->table->answers, part->values);
    } else if (part->sink == LION_RULE_TAIL) {
        lion_relation_add(&part->table->frontier, part->values);
    } else if (lion_relation_add(&part->after->prefix, part->values)) {
        lion_rule_call *call = part->after;
        for (uint32_t i = 0; i < call->callee->bound_count; i++)
            call->key[i] = call->bound[i].slot == LION_SLOT_NONE ? call->bound[i].constant : part->values[call->bound[i].slot];
        lion_rule_ask(call->callee, call->key);
    }
}

static void join_row(lion_rule_call *call, size_t prefix_row, size_t answer_row)
{
    const lion_value *prefix = lion_relation_row(&call->prefix, prefix_row);
    const lion_value *frees = lion_relation_row(&call->callee->answers, answer_row) + call->callee->bound_count;
    for (uint32_t i = 0; i < call->kept; i++) call->row[i] = prefix[call->from[i]];
    for (uint32_t i = 0; i < call->callee->free_count; i++) {
        if (call->same[i] != LION_SLOT_NONE && !lion_value_equal(frees[i], frees[call->same[i]])) return;
        if (call->out[i] != LION_SLOT_NONE) call->row[call->out[i]] = frees[i];
    }
    lion_relation_append(&call->joined, call->row);
}

/* New prefixes with all answers, old prefixes with new answers: into joined. */
static lion_status join_difference(lion_rule_call *call, lion_run *run, lion_error *error)
{
    lion_rule_table *callee = call->callee;
    size_t prefix_count = call->prefix.count, answer_count = callee->answers.count;
    lion_relation_clear(&call->joined);
    lion_row_index_follow(&call->answers_by_seed);
    lion_row_index_follow(&call->prefix_by_bound);
    for (size_t row = call->prefix_done; row < prefix_count; row++) {
        const lion_value *values = lion_relation_row(&call->prefix, row);
        for (uint32_t i = 0; i < callee->bound_count; i++)
            call->key[i] = call->bound[i].slot == LION_SLOT_NONE ? call->bound[i].constant : values[call->bound[i].slot];
        for (size_t found = lion_row_index_find(&call->answers_by_seed, call->key); found != 0;
             found = lion_row_index_next(&call->answers_by_seed, found, call->key))
            join_row(call, row, found - 1);
        if (row % LION_BATCH_ROWS == 0 && lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    for (size_t row = call->answers_done; call->prefix_done > 0 && row < answer_count; row++) {
        const lion_value *seed = lion_relation_row(&callee->answers, row);
        bool is_asked = true;
        for (uint32_t i = 0; i < callee->bound_count; i++)
            if (call->bound[i].slot == LION_SLOT_NONE && !lion_value_equal(call->bound[i].constant, seed[i])) is_asked = false;
        for (uint32_t i = 0; i < call->prefix_by_bound.key_count; i++) call->key[i] = seed[call->prefix_key_of[i]];
        for (size_t found = is_asked ? lion_row_index_find(&call->prefix_by_bound, call->key) : 0; found != 0;
             found = lion_row_index_next(&call->prefix_by_bound, found, call->key))
            if (found - 1 < call->prefix_done) join_row(call, found - 1, row);
        if (row % LION_BATCH_ROWS == 0 && lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    call->prefix_done = prefix_count;
    call->answers_done = answer_count;
    return LION_OK;
}

/* LION_OK: the segment has something new, and its feed stands on it; LION_END: nothing. */
static lion_status start_segment(lion_rules *self, lion_rule_segment *part, lion_error *error)
{
    size_t from = 0, to = 0;
    if (part->before == NULL) {
        from = part->done;
        to = part->done = part->table->frontier.count;
    } else {
        lion_rule_call *call = part->before;
        if (call->prefix_done == call->prefix.count && call->answers_done == call->callee->answers.count) return LION_END;
        lion_status status = join_difference(call, self->run, error);
        if (status != LION_OK) return status;
        to = call->joined.count;
    }
    if (from == to) return LION_END;
    lion_feed_set(part->feed, from, to);
    return lion_operator_rewind(part->root, error);
}

lion_status lion_rules_run(lion_rules *self, lion_error *error)
{
    uint32_t idle = 0;
    while (self->active != NULL || idle < self->segment_count) {
        if (self->active == NULL) {
            lion_rule_segment *part = self->segments[self->turn++ % self->segment_count];
            lion_status status = start_segment(self, part, error);
            if (status == LION_END) {
                idle++;
                continue;
            }
            if (status != LION_OK) return status;
            self->active = part;
            idle = 0;
        }
        lion_batch batch;
        lion_status status = lion_operator_next(self->active->root, &batch, error);
        if (status == LION_END) {
            self->active = NULL;
            continue;
        }
        if (status != LION_OK) return status;
        for (uint32_t k = 0; k < lion_batch_rows(&batch); k++) sink_row(self->active, &batch, lion_batch_row(&batch, k));
    }
    return LION_OK;
}
