/* op_subplan.c - not and or. Each batch of the input is fed to the sub-plan as it is, the shared variables' columns beside the number
 * of the row; what comes out names the rows it belongs to. */
#include "query/columns.h"
#include "query/operators.h"
#include "query/row_set.h"

typedef struct subplans {
    lion_operator operator;
    const lion_subplan *branches;
    uint32_t row_var;
    uint32_t **feed_slots;     /* per branch, per column but the last: the input's slot */
    lion_vector **feed_columns;
    int64_t *numbers;          /* 0, 1, 2 … */
    uint32_t *row_slots;       /* per branch: the slot of the row's number in its output */
    uint32_t **seen_slots;     /* per branch: of the row's number, then of each added variable, in its output */
    lion_batch batch;          /* of the input */
    bool has_batch, is_fed;
    uint32_t branch;
    lion_batch found;          /* of the branch */
    bool has_found;
    uint32_t *numbers_seen;    /* of the found rows */
    uint16_t *fresh;           /* the found rows that are new … */
    uint32_t fresh_count, fresh_at; /* … and how many of them are out */
    uint8_t *is_matched;       /* per row of the batch: some branch found it */
    bool wants_matched;        /* not: those go that were found */
    uint16_t *selection;       /* LION_BATCH_ROWS */
    lion_passing passing;      /* of rows as they are */
    lion_columns columns;      /* of rows with added variables */
    uint32_t added_count;
    lion_row_set seen;         /* rows of the batch that are out: branches may repeat them */
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
    lion_row_set_clear(&self->seen);
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

/* Which of the found rows are new. */
static lion_status take_found(subplans *self, lion_error *error)
{
    size_t known = self->seen.count;
    self->fresh_count = self->fresh_at = 0;
    if (lion_row_set_add(&self->seen, &self->found, self->seen_slots[self->branch], self->numbers_seen, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < lion_batch_rows(&self->found); i++) {
        if (self->numbers_seen[i] < known) continue;
        known = self->numbers_seen[i] + (size_t)1;
        self->fresh[self->fresh_count++] = (uint16_t)lion_batch_row(&self->found, i);
    }
    self->has_found = true;
    return LION_OK;
}

static bool put_added(subplans *self, uint32_t added, uint32_t count)
{
    const lion_vector *from = &self->found.columns[self->seen_slots[self->branch][1 + added]];
    const uint16_t *rows = self->fresh + self->fresh_at;
    void *room = lion_columns_room(&self->columns, self->columns.kept + added, from->type);
    size_t step = from->is_constant ? 0 : 1;
    bool is_bits = lion_type_is_scalar((lion_type)from->type);
    if (room == NULL) return false;
    for (uint32_t k = 0; is_bits && k < count; k++) ((int64_t *)room)[k] = from->bits[rows[k] * step];
    for (uint32_t k = 0; !is_bits && k < count; k++) ((lion_value *)room)[k] = from->values[rows[k] * step];
    return true;
}

/* As many new rows as there is room for. LION_END: what is there has to go out first. */
static lion_status emit_fresh(subplans *self)
{
    const lion_vector *numbers = &self->found.columns[self->row_slots[self->branch]];
    uint32_t left = self->fresh_count - self->fresh_at, free = lion_columns_free(&self->columns), count = left < free ? left : free;
    uint16_t rows[LION_BATCH_ROWS];
    if (count > 0 && !lion_columns_fit(&self->columns, &self->batch)) return LION_END;
    for (uint32_t i = 0; count > 0 && i < self->added_count; i++)
        if (!put_added(self, i, count)) return LION_END;
    for (uint32_t k = 0; k < count; k++) rows[k] = (uint16_t)lion_vector_get(numbers, self->fresh[self->fresh_at + k]).bits;
    lion_columns_take(&self->columns, &self->batch, rows, count);
    self->fresh_at += count;
    self->has_found = self->fresh_at < self->fresh_count;
    return self->has_found ? LION_END : LION_OK;
}

static lion_status next_found(subplans *self, lion_error *error)
{
    lion_status status = self->is_fed ? LION_OK : feed_branch(self, error);
    if (status == LION_OK) status = lion_operator_next(self->branches[self->branch].root, &self->found, error);
    if (status == LION_OK) return take_found(self, error);
    if (status != LION_END) return status;
    self->is_fed = false;
    if (++self->branch == self->operator.subplan_count) self->has_batch = false;
    return LION_OK;
}

static lion_status or_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    subplans *self = (subplans *)operator;
    (void)operator;
    while (lion_columns_free(&self->columns) > 0) {
        lion_status status = next_batch(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && !self->has_found) status = next_found(self, error);
        if (status != LION_OK) return status;
        if (self->has_found && emit_fresh(self) == LION_END) break;
    }
    return lion_columns_yield(&self->columns, batch_out);
}

/* ---- both ---- */

static lion_status subplans_rewind(lion_operator *operator, lion_error *error)
{
    subplans *self = (subplans *)operator;
    (void)error;
    self->has_batch = self->is_fed = self->has_found = false;
    self->columns.count = 0;
    return LION_OK;
}

static void subplans_renew(lion_operator *operator)
{
    lion_row_set_reset(&((subplans *)operator)->seen);
}

static subplans *subplans_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t count, uint32_t row_var,
                              const uint32_t *added, uint32_t added_count, const uint8_t *keep, bool is_or);

static lion_operator *subplans_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const subplans *from = (const subplans *)operator;
    lion_subplan *branches = lion_arena_array(&run->arena, lion_subplan, operator->subplan_count);
    for (uint32_t b = 0; b < operator->subplan_count; b++) branches[b] = lion_subplan_copy(&from->branches[b], run);
    uint32_t kept = operator->width - from->added_count;
    return &subplans_new(run, input, branches, operator->subplan_count, from->row_var, operator->vars + kept, from->added_count,
                         lion_operator_keep(operator, run), from->wants_matched)->operator;
}

static subplans *subplans_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t count, uint32_t row_var,
                              const uint32_t *added, uint32_t added_count, const uint8_t *keep, bool is_or)
{
    lion_arena *arena = &run->arena;
    subplans *self = LION_OPERATOR(run, subplans, added_count > 0 ? or_next : select_next, is_or ? "or" : "not");
    lion_subplan *copies = lion_arena_array(arena, lion_subplan, count);
    self->operator.rewind = subplans_rewind;
    self->operator.copy = subplans_copy;
    self->operator.renew = subplans_renew;
    self->operator.inputs[0] = input;
    self->operator.subplans = lion_arena_array(arena, lion_operator *, count);
    self->operator.subplan_count = count;
    self->branches = copies;
    self->row_var = row_var;
    self->feed_slots = lion_arena_array(arena, uint32_t *, count);
    self->feed_columns = lion_arena_array(arena, lion_vector *, count);
    self->row_slots = lion_arena_array(arena, uint32_t, count);
    self->wants_matched = is_or;
    self->selection = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->fresh = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    self->is_matched = lion_arena_alloc(arena, LION_BATCH_ROWS);
    self->numbers = lion_arena_array(arena, int64_t, LION_BATCH_ROWS);
    for (uint32_t i = 0; i < LION_BATCH_ROWS; i++) self->numbers[i] = i;
    self->seen_slots = lion_arena_array(arena, uint32_t *, count);
    self->numbers_seen = lion_arena_array(arena, uint32_t, added_count > 0 ? LION_BATCH_ROWS : 1);
    for (uint32_t b = 0; b < count; b++) {
        copies[b] = branches[b];
        self->operator.subplans[b] = branches[b].root;
        self->feed_slots[b] = lion_arena_array(arena, uint32_t, branches[b].feed->width + 1);
        self->feed_columns[b] = lion_arena_zalloc(arena, sizeof(lion_vector) * (branches[b].feed->width + 1));
        for (uint32_t i = 0; i + 1 < branches[b].feed->width; i++) self->feed_slots[b][i] = lion_operator_slot(input, branches[b].feed->vars[i]);
        self->row_slots[b] = lion_operator_slot(branches[b].root, row_var);
        self->seen_slots[b] = lion_arena_array(arena, uint32_t, added_count + 1);
        self->seen_slots[b][0] = self->row_slots[b];
        for (uint32_t i = 0; i < added_count; i++) self->seen_slots[b][1 + i] = lion_operator_slot(branches[b].root, added[i]);
    }
    self->added_count = added_count;
    if (added_count > 0) lion_columns_init(&self->columns, &self->operator, input, keep, added, added_count);
    else lion_passing_init(&self->passing, &self->operator, input, keep, NULL, 0);
    self->operator.keeps_order = added_count == 0;
    if (added_count > 0) self->operator.ascending = 0; /* rows come branch by branch */
    lion_row_set_init(&self->seen, arena, added_count + 1);
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
