/* op_subplan.c - not and or. For each batch of the input the sub-plan is fed the shared variables and the number of the
 * row, and runs to its end; what comes out names the rows it belongs to. */
#include "query/operators.h"

typedef struct subplans {
    lion_operator operator;
    const lion_subplan *branches;
    uint32_t row_var;
    uint32_t **feed_slots;     /* per branch, per column but the last: the input's slot */
    uint32_t *row_slots;       /* per branch: the slot of the row's number in its output */
    uint32_t **added_slots;    /* per branch, per added variable: its slot in the branch's output */
    lion_batch batch;          /* of the input */
    bool has_batch, is_fed;
    uint32_t branch;
    lion_batch found;          /* of the branch */
    uint32_t found_at;
    bool has_found;
    uint8_t *is_matched;       /* not: per row of the batch */
    uint16_t selection[LION_BATCH_ROWS];
    lion_output output;
    uint32_t added_count;
    lion_relation seen;        /* or: rows of the batch that are out, when branches may repeat them */
    lion_value *seen_row;
} subplans;

/* The input's batch as the branch's feed. */
static lion_status feed_branch(subplans *self, uint32_t branch, lion_error *error)
{
    const lion_subplan *plan = &self->branches[branch];
    uint32_t width = plan->feed_rows->width;
    lion_value row[width];
    lion_relation_clear(plan->feed_rows);
    for (uint32_t k = 0; k < lion_batch_rows(&self->batch); k++) {
        uint32_t at = lion_batch_row(&self->batch, k);
        for (uint32_t i = 0; i + 1 < width; i++) row[i] = lion_batch_get(&self->batch, self->feed_slots[branch][i], at);
        row[width - 1] = lion_value_long(at);
        lion_relation_append(plan->feed_rows, row);
    }
    lion_feed_set(plan->feed, 0, plan->feed_rows->count);
    self->is_fed = true;
    self->has_found = false;
    return lion_operator_rewind(plan->root, error);
}

static lion_status next_batch(subplans *self, lion_error *error)
{
    if (self->has_batch) return LION_OK;
    lion_status status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
    if (status != LION_OK) return status;
    self->has_batch = true;
    self->is_fed = false;
    self->branch = 0;
    if (self->is_matched != NULL) memset(self->is_matched, 0, LION_BATCH_ROWS);
    lion_relation_clear(&self->seen);
    return LION_OK;
}

/* ---- not ---- */

static lion_status run_not(subplans *self, lion_error *error)
{
    lion_status status = self->is_fed ? LION_OK : feed_branch(self, 0, error);
    while (status == LION_OK) {
        status = lion_operator_next(self->branches[0].root, &self->found, error);
        if (status != LION_OK) break;
        for (uint32_t k = 0; k < lion_batch_rows(&self->found); k++)
            self->is_matched[lion_batch_get(&self->found, self->row_slots[0], lion_batch_row(&self->found, k)).bits] = 1;
    }
    return status == LION_END ? LION_OK : status;
}

static lion_status not_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    subplans *self = (subplans *)operator;
    uint32_t count = 0;
    do {
        lion_status status = next_batch(self, error);
        if (status == LION_OK) status = run_not(self, error);
        if (status != LION_OK) return status;
        for (uint32_t k = 0; k < lion_batch_rows(&self->batch); k++) {
            uint32_t row = lion_batch_row(&self->batch, k);
            if (!self->is_matched[row]) self->selection[count++] = (uint16_t)row;
        }
        self->has_batch = false;
    } while (count == 0);
    for (uint32_t i = 0; i < operator->width; i++) self->output.vectors[i] = self->batch.columns[self->output.from[i]];
    *batch_out = (lion_batch){ .count = self->batch.count, .width = operator->width, .columns = self->output.vectors,
                               .selection = self->selection, .selected = count };
    return LION_OK;
}

/* ---- or ---- */

static void or_emit(subplans *self, uint32_t at)
{
    uint32_t row = (uint32_t)lion_batch_get(&self->found, self->row_slots[self->branch], at).bits;
    self->seen_row[0] = lion_value_long(row);
    for (uint32_t i = 0; i < self->added_count; i++)
        self->seen_row[1 + i] = lion_batch_get(&self->found, self->added_slots[self->branch][i], at);
    if (!lion_relation_add(&self->seen, self->seen_row)) return;
    lion_output_keep(&self->output, &self->batch, row);
    for (uint32_t i = 0; i < self->added_count; i++) *lion_output_at(&self->output, self->output.kept + i) = self->seen_row[1 + i];
    self->output.count++;
}

static lion_status or_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    subplans *self = (subplans *)operator;
    while (!lion_output_is_full(&self->output)) {
        lion_status status = next_batch(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && !self->is_fed) status = feed_branch(self, self->branch, error);
        if (status == LION_OK && !self->has_found) {
            status = lion_operator_next(self->branches[self->branch].root, &self->found, error);
            self->found_at = 0;
            self->has_found = status == LION_OK;
        }
        if (status == LION_END) {
            self->is_fed = false;
            if (++self->branch == operator->subplan_count) self->has_batch = false;
            continue;
        }
        if (status != LION_OK) return status;
        for (; self->found_at < lion_batch_rows(&self->found) && !lion_output_is_full(&self->output); self->found_at++)
            or_emit(self, lion_batch_row(&self->found, self->found_at));
        if (self->found_at >= lion_batch_rows(&self->found)) self->has_found = false;
    }
    return lion_output_yield(&self->output, batch_out);
}

/* ---- both ---- */

static lion_status subplans_rewind(lion_operator *operator, lion_error *error)
{
    subplans *self = (subplans *)operator;
    (void)error;
    self->has_batch = self->is_fed = self->has_found = false;
    self->output.count = 0;
    return LION_OK;
}

static subplans *subplans_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t count, uint32_t row_var,
                              const uint32_t *added, uint32_t added_count, const uint8_t *keep, bool is_or)
{
    lion_arena *arena = &run->arena;
    subplans *self = LION_OPERATOR(run, subplans, is_or ? or_next : not_next, is_or ? "or" : "not");
    lion_subplan *copies = lion_arena_array(arena, lion_subplan, count);
    self->operator.rewind = subplans_rewind;
    self->operator.inputs[0] = input;
    self->operator.subplans = lion_arena_array(arena, lion_operator *, count);
    self->operator.subplan_count = count;
    self->branches = copies;
    self->row_var = row_var;
    self->feed_slots = lion_arena_array(arena, uint32_t *, count);
    self->row_slots = lion_arena_array(arena, uint32_t, count);
    self->added_slots = lion_arena_array(arena, uint32_t *, count);
    for (uint32_t b = 0; b < count; b++) {
        copies[b] = branches[b];
        self->operator.subplans[b] = branches[b].root;
        self->feed_slots[b] = lion_arena_array(arena, uint32_t, branches[b].feed->width + 1);
        for (uint32_t i = 0; i + 1 < branches[b].feed->width; i++) self->feed_slots[b][i] = lion_operator_slot(input, branches[b].feed->vars[i]);
        self->row_slots[b] = lion_operator_slot(branches[b].root, row_var);
        self->added_slots[b] = lion_arena_array(arena, uint32_t, added_count + 1);
        for (uint32_t i = 0; i < added_count; i++) self->added_slots[b][i] = lion_operator_slot(branches[b].root, added[i]);
    }
    self->added_count = added_count;
    lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    lion_relation_init(&self->seen, arena, added_count + 1);
    self->seen_row = lion_arena_array(arena, lion_value, added_count + 1);
    return self;
}

lion_operator *lion_not_new(lion_run *run, lion_operator *input, const lion_subplan *subplan, uint32_t row_var, const uint8_t *keep)
{
    subplans *self = subplans_new(run, input, subplan, 1, row_var, NULL, 0, keep, false);
    self->is_matched = lion_arena_alloc(&run->arena, LION_BATCH_ROWS);
    return &self->operator;
}

lion_operator *lion_or_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t branch_count, uint32_t row_var,
                           const uint32_t *added, uint32_t added_count, const uint8_t *keep)
{
    return &subplans_new(run, input, branches, branch_count, row_var, added, added_count, keep, true)->operator;
}
