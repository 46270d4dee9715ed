/* op_semi.c - semi-join and anti-join: rows of the left that have, or have not, their like in a plan that stands by itself. That
 * runs once, into a set of keys; the left's rows go on as they are. */
#include "query/key_set.h"
#include "query/operators.h"

typedef struct semi {
    lion_operator operator;
    lion_key_set own;
    lion_key_set *keys;        /* own, or in copies the original's */
    uint32_t *slots[2];        /* of the keys, in the left and in the right */
    bool is_anti;
    bool is_built;
    lion_operator *left;       /* as it was planned */
    const uint8_t *keep;
    lion_operator *instead;    /* over the same inputs: what does the same where the set finds no room; NULL: a hash join, not made yet */
    bool is_instead;
    uint16_t *selection;       /* LION_BATCH_ROWS */
    lion_batch batch;          /* of the left */
    bool has_batch;
    lion_passing passing;
} semi;

static bool is_tight(const semi *self, uint32_t more)
{
    size_t growth = lion_key_set_growth(self->keys, more);
    const lion_run *run = self->operator.run;
    return lion_run_is_tight(run, self->keys->count, growth) || !lion_run_has_room(run, growth);
}

/* The operator of `instead` that reads the left. */
static lion_operator *bottom_of(lion_operator *instead, const lion_operator *left)
{
    while (instead != NULL && instead->inputs[0] != left) instead = instead->inputs[0];
    return instead;
}

/* Nothing has gone out: both sides begin again, for the other operator. */
static lion_status give_up(semi *self, lion_error *error)
{
    lion_operator **inputs = self->operator.inputs;
    if (self->operator.may_lose_order) self->operator.ascending = 0; /* partition by partition, the left's rows go on in another order */
    if (self->instead == NULL) self->instead = lion_hash_join_plain(self->operator.run, self->left, inputs[1], self->keep);
    if (self->operator.run->arena.is_exhausted) return lion_fail_memory(error);
    bottom_of(self->instead, self->left)->inputs[0] = inputs[0]; /* threads may work on the left now */
    lion_key_set_forget(self->keys);
    self->has_batch = false;
    self->is_instead = true;
    self->operator.name = self->instead->name;
    self->operator.advice = "a set of its keys has no room, so that it takes longer: raise memory_mb";
    self->operator.copy = NULL;
    return lion_operator_rewind(self->instead, error);
}

/* Taken again after a LION_CALL. */
static lion_status build_keys(semi *self, lion_error *error)
{
    lion_batch batch;
    lion_status status;
    while ((status = lion_operator_next(self->operator.inputs[1], &batch, error)) == LION_OK) {
        if (is_tight(self, lion_batch_rows(&batch))) return give_up(self, error);
        status = lion_key_set_add(self->keys, &batch, self->slots[1], error);
        if (status != LION_OK) return status;
    }
    if (status != LION_END) return status;
    self->is_built = true;
    return lion_run_check(self->operator.run, error);
}

static lion_status next_left(semi *self, lion_error *error)
{
    if (self->has_batch) return LION_OK;
    lion_status status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
    self->has_batch = status == LION_OK;
    return status;
}

static lion_status semi_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    semi *self = (semi *)operator;
    uint32_t count = 0;
    while (!self->is_instead && count == 0) {
        if (self->is_built && self->keys->count == 0 && !self->is_anti) return LION_END;
        lion_status status = next_left(self, error);
        if (status == LION_OK && !self->is_built) status = build_keys(self, error);
        if (status != LION_OK) return status;
        if (self->is_instead) break;
        count = lion_key_set_select(self->keys, &self->batch, self->slots[0], !self->is_anti, self->selection);
        self->has_batch = false;
    }
    if (self->is_instead) return lion_operator_next(self->instead, batch_out, error);
    lion_passing_take(&self->passing, &self->batch);
    bool is_all = self->batch.selection == NULL && count == self->batch.count;
    *batch_out = (lion_batch){ .count = self->batch.count, .width = operator->width, .columns = self->passing.columns,
                               .selection = is_all ? NULL : self->selection, .selected = count };
    return LION_OK;
}

/* The left begins again; the keys, once they are there, stay. */
static lion_status semi_rewind(lion_operator *operator, lion_error *error)
{
    semi *self = (semi *)operator;
    self->has_batch = false;
    if (self->is_instead) return lion_operator_rewind(self->instead, error);
    if (!self->is_built) lion_key_set_clear(self->keys);
    return LION_OK;
}

static lion_status semi_prepare(lion_operator *operator, lion_error *error)
{
    semi *self = (semi *)operator;
    return self->is_built || self->is_instead ? LION_OK : build_keys(self, error);
}

/* Its inputs are the semi-join's. */
static void semi_close(lion_operator *operator)
{
    semi *self = (semi *)operator;
    lion_operator *bottom = bottom_of(self->instead, self->is_instead ? operator->inputs[0] : self->left);
    if (bottom != NULL) bottom->inputs[0] = bottom->inputs[1] = NULL;
    lion_operator_close(self->instead);
}

static lion_operator *semi_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    const semi *from = (const semi *)operator;
    semi *self = LION_OPERATOR(run, semi, semi_next, operator->name);
    self->operator.rewind = semi_rewind;
    self->operator.inputs[0] = input;
    self->operator.keeps_order = true;
    self->keys = from->keys;
    self->slots[0] = from->slots[0];
    self->is_anti = from->is_anti;
    self->is_built = true;
    self->selection = lion_arena_array(&run->arena, uint16_t, LION_BATCH_ROWS);
    lion_passing_init(&self->passing, &self->operator, input, lion_operator_keep(operator, run), NULL, 0);
    return &self->operator;
}

lion_operator *lion_semi_new(lion_run *run, lion_operator *left, lion_operator *right, const uint32_t *keys, uint32_t key_count,
                             const uint8_t *keep, bool is_anti, lion_operator *instead)
{
    lion_arena *arena = &run->arena;
    semi *self = LION_OPERATOR(run, semi, semi_next, is_anti ? "anti-join" : "semi-join");
    self->operator.rewind = semi_rewind;
    self->operator.prepare = semi_prepare;
    self->operator.copy = semi_copy;
    self->operator.close = semi_close;
    self->operator.keeps_order = instead != NULL;
    self->operator.may_lose_order = instead == NULL;
    self->operator.inputs[0] = left;
    self->operator.inputs[1] = right;
    self->is_anti = is_anti;
    self->left = left;
    self->keep = keep;
    self->instead = instead;
    self->keys = &self->own;
    self->selection = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    for (uint32_t side = 0; side < 2; side++) self->slots[side] = lion_arena_array(arena, uint32_t, key_count + 1);
    for (uint32_t i = 0; i < key_count; i++) {
        self->slots[0][i] = lion_operator_slot(left, keys[i]);
        self->slots[1][i] = lion_operator_slot(right, keys[i]);
    }
    lion_key_set_init(&self->own, arena, key_count);
    lion_passing_init(&self->passing, &self->operator, left, keep, NULL, 0);
    self->operator.is_set = true;
    return &self->operator;
}
