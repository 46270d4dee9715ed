/* op_subplan.c - not and or. Each batch of the input is fed to the sub-plan as it is, the shared variables' columns beside the number
 * of the row; what comes out names the rows it belongs to. */
#include "query/operators.h"

typedef struct subplans {
    lion_operator operator;
    const lion_subplan *branches;
    uint32_t row_var;
    uint32_t **feed_slots;     /* per branch, per column but the last: the input's slot */
    lion_vector **feed_columns;
    int64_t *numbers;          /* 0, 1, 2 … */
    uint32_t *row_slots;       /* per branch: the slot of the row's number in its output */
    uint32_t **added_slots;    /* per branch, per added variable: its slot in the branch's output */
    lion_batch batch;          /* of the input */
    bool has_batch, is_fed;
    uint32_t branch;
    lion_batch found;          /* of the branch */
    uint32_t found_at;
    bool has_found;
    uint8_t *is_matched;       /* per row of the batch: some branch found it */
    bool wants_matched;        /* not: those go that were found */
    uint16_t selection[LION_BATCH_ROWS];
    lion_passing passing;      /* of rows as they are */
    lion_output output;        /* of rows with added variables */
    uint32_t added_count;
    lion_relation seen;        /* or: rows of the batch that are out, when branches may repeat them */
    lion_value *seen_row;
} subplans;

/* The input's batch as the branch's feed. */
static lion_status feed_branch(subplans *self, lion_error *error)
{
    const lion_subplan *plan = &self->branches[self->branch];
    lion_vector *columns = self->feed_columns[self->branch];
    uint32_t width = plan->feed->width;
    for (uint32_t i = 0; i + 1 < width; i++) columns[i] = self->batch.columns[self->feed_slots[self->branch][i]];
    columns[width - 1] = (lion_vector){ .type = LION_TYPE_LONG, .bits = self->numbers };
    lion_batch fed = { .count = self->batch.count, .width = width, .columns = columns,
                       .selection = self->batch.selection, .selected = self->batch.selected };
    lion_feed_set_batch(plan->feed, &fed);
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
    memset(self->is_matched, 0, LION_BATCH_ROWS);
    lion_relation_clear(&self->seen);
    return LION_OK;
}

/* ---- rows as they are: not, and or that adds no variable ---- */

static void mark_found(subplans *self)
{
    const lion_vector *numbers = &self->found.columns[self->row_slots[self->branch]];
    uint32_t count = lion_batch_rows(&self->found);
    if (numbers->type == LION_TYPE_LONG && !numbers->is_constant)
        for (uint32_t k = 0; k < count; k++) self->is_matched[numbers->bits[lion_batch_row(&self->found, k)]] = 1;
    else
        for (uint32_t k = 0; k < count; k++) self->is_matched[lion_vector_get(numbers, lion_batch_row(&self->found, k)).bits] = 1;
}

/* All branches to their ends. */
static lion_status mark_all(subplans *self, lion_error *error)
{
    for (;;) {
        lion_status status = self->is_fed ? LION_OK : feed_branch(self, error);
        if (status == LION_OK) status = lion_operator_next(self->branches[self->branch].root, &self->found, error);
        if (status == LION_OK) mark_found(self);
        if (status == LION_OK) continue;
        if (status != LION_END) return status;
        self->is_fed = false;
        if (++self->branch == self->operator.subplan_count) return LION_OK;
    }
}

static lion_status select_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    subplans *self = (subplans *)operator;
    uint32_t count = 0;
    do {
        lion_status status = next_batch(self, error);
        if (status == LION_OK) status = mark_all(self, error);
        if (status != LION_OK) return status;
        for (uint32_t k = 0; k < lion_batch_rows(&self->batch); k++) {
            uint32_t row = lion_batch_row(&self->batch, k);
            self->selection[count] = (uint16_t)row;
            count += (self->is_matched[row] != 0) == self->wants_matched;
        }
        self->has_batch = false;
    } while (count == 0);
    lion_passing_take(&self->passing, &self->batch);
    *batch_out = (lion_batch){ .count = self->batch.count, .width = operator->width, .columns = self->passing.columns,
                               .selection = self->selection, .selected = count };
    return LION_OK;
}

/* ---- rows with what or adds ---- */

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
        if (status == LION_OK && !self->is_fed) status = feed_branch(self, error);
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
    subplans *self = LION_OPERATOR(run, subplans, added_count > 0 ? or_next : select_next, is_or ? "or" : "not");
    lion_subplan *copies = lion_arena_array(arena, lion_subplan, count);
    self->operator.rewind = subplans_rewind;
    self->operator.inputs[0] = input;
    self->operator.subplans = lion_arena_array(arena, lion_operator *, count);
    self->operator.subplan_count = count;
    self->branches = copies;
    self->row_var = row_var;
    self->feed_slots = lion_arena_array(arena, uint32_t *, count);
    self->feed_columns = lion_arena_array(arena, lion_vector *, count);
    self->row_slots = lion_arena_array(arena, uint32_t, count);
    self->wants_matched = is_or;
    self->is_matched = lion_arena_alloc(arena, LION_BATCH_ROWS);
    self->numbers = lion_arena_array(arena, int64_t, LION_BATCH_ROWS);
    for (uint32_t i = 0; i < LION_BATCH_ROWS; i++) self->numbers[i] = i;
    self->added_slots = lion_arena_array(arena, uint32_t *, count);
    for (uint32_t b = 0; b < count; b++) {
        copies[b] = branches[b];
        self->operator.subplans[b] = branches[b].root;
        self->feed_slots[b] = lion_arena_array(arena, uint32_t, branches[b].feed->width + 1);
        self->feed_columns[b] = lion_arena_zalloc(arena, sizeof(lion_vector) * (branches[b].feed->width + 1));
        for (uint32_t i = 0; i + 1 < branches[b].feed->width; i++) self->feed_slots[b][i] = lion_operator_slot(input, branches[b].feed->vars[i]);
        self->row_slots[b] = lion_operator_slot(branches[b].root, row_var);
        self->added_slots[b] = lion_arena_array(arena, uint32_t, added_count + 1);
        for (uint32_t i = 0; i < added_count; i++) self->added_slots[b][i] = lion_operator_slot(branches[b].root, added[i]);
    }
    self->added_count = added_count;
    if (added_count > 0) lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    else lion_passing_init(&self->passing, &self->operator, input, keep, NULL, 0);
    lion_relation_init(&self->seen, arena, added_count + 1);
    self->seen_row = lion_arena_array(arena, lion_value, added_count + 1);
    return self;
}

lion_operator *lion_not_new(lion_run *run, lion_operator *input, const lion_subplan *subplan, uint32_t row_var, const uint8_t *keep)
{
    return &subplans_new(run, input, subplan, 1, row_var, NULL, 0, keep, false)->operator;
}

lion_operator *lion_or_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t branch_count, uint32_t row_var,
                           const uint32_t *added, uint32_t added_count, const uint8_t *keep)
{
    return &subplans_new(run, input, branches, branch_count, row_var, added, added_count, keep, true)->operator;
}
