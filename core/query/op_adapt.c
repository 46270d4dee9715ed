/* op_adapt.c - a plan that is changed while it runs. At a checkpoint rows are kept until there are no more, or more than a
 * mistaken estimate explains; then the rest of the plan stays as it is, or is made again for as many rows as there are. The rows so
 * far are its input, and those that still come. */
#include "query/adapt.h"
#include "query/parallel.h"
#include "query/row_queue.h"

#define MISTAKEN_TIMES 10
/* Rows that are kept before a decision. */
#define KEPT_MIN 1024
#define KEPT_MAX 16384

/* ---- the checkpoint: the rows kept, then the input's as they come ---- */

typedef struct checkpoint {
    lion_operator operator;
    lion_row_queue kept;
    size_t kept_max;
    bool is_full, is_ended;    /* more rows come; all are kept */
} checkpoint;

static lion_status keep_rows(checkpoint *self, lion_error *error)
{
    while (!self->is_full && !self->is_ended) {
        lion_batch batch;
        lion_status status = lion_operator_next(self->operator.inputs[0], &batch, error);
        if (status == LION_END) self->is_ended = true;
        else if (status == LION_OK) status = lion_row_queue_add(&self->kept, &batch, error);
        if (status != LION_OK && status != LION_END) return status;
        self->is_full = self->kept.count > self->kept_max;
    }
    return lion_run_check(self->operator.run, error);
}

static lion_status checkpoint_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    checkpoint *self = (checkpoint *)operator;
    lion_status status = lion_row_queue_next(&self->kept, batch_out);
    return status == LION_END && !self->is_ended ? lion_operator_next(operator->inputs[0], batch_out, error) : status;
}

static lion_status checkpoint_rewind(lion_operator *operator, lion_error *error)
{
    checkpoint *self = (checkpoint *)operator;
    (void)error;
    lion_row_queue_clear(&self->kept);
    self->is_full = self->is_ended = false;
    return LION_OK;
}

static checkpoint *checkpoint_new(lion_run *run, lion_operator *input)
{
    checkpoint *self = LION_OPERATOR(run, checkpoint, checkpoint_next, "checkpoint");
    double kept = input->rows_estimated * MISTAKEN_TIMES;
    self->operator.rewind = checkpoint_rewind;
    self->operator.inputs[0] = input;
    self->operator.vars = input->vars;
    self->operator.width = input->width;
    self->operator.rows_estimated = input->rows_estimated;
    self->operator.is_distinct = input->is_distinct;
    self->operator.is_silent = true;
    self->kept_max = kept < KEPT_MIN ? KEPT_MIN : kept > KEPT_MAX ? KEPT_MAX : (size_t)kept;
    lion_row_queue_init(&self->kept, &run->arena, input->width);
    return self;
}

/* ---- the plan from there on ---- */

struct lion_adaptation {
    lion_operator operator;
    checkpoint *from;
    lion_scope *scope;
    lion_todo todo;            /* as it was at the checkpoint */
    uint8_t *is_pending;       /* the same of the scope … */
    uint32_t next_var;
    const uint8_t *needed;
    const lion_partial_plan *groups; /* what becomes of its rows, where threads can begin it; NULL */
    bool is_decided;
    lion_operator *retired;    /* the rest of the plan that was never run */
    uint32_t *slots;           /* of the new plan, per slot; NULL: as they are */
    lion_vector *vectors;
};

static bool is_mistaken(lion_adaptation *self)
{
    double estimated = self->from->operator.rows_estimated, rows = (double)self->from->kept.count;
    if (lion_run_forces(self->operator.run, LION_PLAN_CHECKPOINT)) return true;
    if (self->operator.run->dice != 0) return lion_plan_dice(self->operator.run, 2) == 1;
    if (self->from->is_ended) return estimated > KEPT_MIN && estimated > rows * MISTAKEN_TIMES;
    return rows > estimated * MISTAKEN_TIMES;
}

static bool map_slots(lion_adaptation *self, const lion_operator *root)
{
    lion_arena *arena = &self->operator.run->arena;
    uint32_t width = self->operator.width;
    uint32_t *slots = lion_arena_array(arena, uint32_t, width + 1);
    self->vectors = lion_arena_zalloc(arena, sizeof(lion_vector) * (width + 1));
    for (uint32_t i = 0; i < width; i++) {
        slots[i] = lion_operator_slot(root, self->operator.vars[i]);
        if (slots[i] == LION_SLOT_NONE) return false;
    }
    self->slots = slots;
    return true;
}

/* Plan the rest again. What it was before is kept, to be closed, and is the plan still if the new one is none. */
static lion_status plan_again(lion_adaptation *self, lion_error *error)
{
    lion_run *run = self->operator.run;
    lion_scope *scope = self->scope;
    lion_operator *root = &self->from->operator;
    double estimated = root->rows_estimated, rows = (double)self->from->kept.count;
    memcpy(scope->is_pending, self->is_pending, scope->capacity);
    scope->next_var = self->next_var;
    scope->cache = NULL;
    root->rows_estimated = self->from->is_ended ? rows : rows * 4;
    lion_status status = lion_plan(scope, &self->todo, &root, self->needed, NULL, error);
    self->retired = root; /* closed at the end, whole or not */
    if (status != LION_OK) return status;
    if (!map_slots(self, root)) return lion_run_check(run, error);
    if (self->operator.is_distinct && !root->is_distinct) {
        double made = root->rows_estimated;
        root = lion_distinct_new(run, root, self->needed);
        root->rows_estimated = made;
        if (!map_slots(self, root)) return lion_fail(error, LION_FAULT, "lion/fault", "a plan made again lacks a column");
    }
    lion_parallel_make(run, &root, &self->from->operator, self->groups);
    self->retired = self->operator.inputs[0];
    self->operator.inputs[0] = root;
    self->operator.is_silent = self->from->operator.is_silent = false;
    self->operator.rows_estimated = root->rows_estimated;
    self->operator.detail = lion_arena_printf(&run->arena, "at %.0f rows where ~%.0f were estimated", rows, estimated);
    return LION_OK;
}

static lion_status adaptive_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    lion_adaptation *self = (lion_adaptation *)operator;
    if (!self->is_decided) {
        lion_status status = keep_rows(self->from, error);
        if (status == LION_OK && self->retired == NULL && is_mistaken(self)) status = plan_again(self, error);
        if (status != LION_OK) return status;
        self->is_decided = true;
    }
    lion_status status = lion_operator_next(operator->inputs[0], batch_out, error);
    if (status != LION_OK || self->slots == NULL || operator->is_silent) return status;
    for (uint32_t i = 0; i < operator->width; i++) self->vectors[i] = batch_out->columns[self->slots[i]];
    batch_out->columns = self->vectors;
    batch_out->width = operator->width;
    return LION_OK;
}

static lion_status adaptive_rewind(lion_operator *operator, lion_error *error)
{
    (void)error;
    ((lion_adaptation *)operator)->is_decided = false;
    return LION_OK;
}

/* The plan that was not run stands on the same checkpoint, which is closed with the other. */
static void adaptive_close(lion_operator *operator)
{
    lion_adaptation *self = (lion_adaptation *)operator;
    self->from->operator.inputs[0] = NULL;
    lion_operator_close(self->retired);
}

bool lion_adapt_is(const lion_operator *operator)
{
    return operator->next == adaptive_next;
}

void lion_adapt_set_groups(lion_operator *operator, const lion_partial_plan *groups)
{
    ((lion_adaptation *)operator)->groups = groups;
}

lion_adaptation *lion_adapt_begin(lion_scope *scope, const lion_todo *todo, lion_operator **operator, const uint8_t *needed)
{
    lion_run *run = scope->run;
    lion_arena *arena = &run->arena;
    lion_adaptation *self = LION_OPERATOR(run, lion_adaptation, adaptive_next, "planned-again");
    self->operator.rewind = adaptive_rewind;
    self->operator.close = adaptive_close;
    self->operator.is_silent = true;
    self->scope = scope;
    self->needed = needed;
    self->from = checkpoint_new(run, *operator);
    self->todo = *todo;
    self->todo.is_done = lion_arena_alloc(arena, todo->count + 1);
    memcpy(self->todo.is_done, todo->is_done, todo->count);
    self->is_pending = lion_arena_alloc(arena, scope->capacity + 1);
    memcpy(self->is_pending, scope->is_pending, scope->capacity);
    self->next_var = scope->next_var;
    *operator = &self->from->operator;
    return self;
}

lion_operator *lion_adapt_end(lion_adaptation *self, lion_operator *rest)
{
    self->operator.inputs[0] = rest;
    self->operator.vars = rest->vars;
    self->operator.width = rest->width;
    self->operator.rows_estimated = rest->rows_estimated;
    self->operator.is_distinct = rest->is_distinct;
    return &self->operator;
}
