/* op_build.c - a hash join of two plans: what is on the right runs to its end, once, into a relation; the left's rows are then
 * joined with it. */
#include "query/operators.h"

typedef struct build {
    lion_operator operator;
    lion_relation *rows;       /* of the right */
    bool is_built;
    lion_batch batch;          /* of the left */
    bool has_batch;
} build;

static lion_status build_rows(build *self, lion_error *error)
{
    lion_operator *right = self->operator.inputs[1];
    lion_value row[right->width + 1];
    lion_batch batch;
    lion_status status;
    while ((status = lion_operator_next(right, &batch, error)) == LION_OK)
        for (uint32_t k = 0; k < lion_batch_rows(&batch); k++) {
            for (uint32_t i = 0; i < right->width; i++) row[i] = lion_batch_get(&batch, i, lion_batch_row(&batch, k));
            if (right->is_distinct) lion_relation_append(self->rows, row);
            else lion_relation_add(self->rows, row);
        }
    if (status != LION_END) return status;
    self->is_built = true;
    return lion_run_check(self->operator.run, error);
}

/* Rows of the left go on as they are. */
static lion_status build_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    build *self = (build *)operator;
    if (self->is_built && self->rows->count == 0) return LION_END;
    if (!self->has_batch) {
        lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
        if (status != LION_OK) return status;
        self->has_batch = true;
    }
    if (!self->is_built) {
        lion_status status = build_rows(self, error);
        if (status != LION_OK) return status;
        if (self->rows->count == 0) return LION_END;
    }
    self->has_batch = false;
    *batch_out = self->batch;
    return LION_OK;
}

static lion_status build_rewind(lion_operator *operator, lion_error *error)
{
    build *self = (build *)operator;
    (void)error;
    self->has_batch = false;
    if (!self->is_built) lion_relation_clear(self->rows);
    return LION_OK;
}

lion_operator *lion_hash_join_new(lion_run *run, lion_operator *left, lion_operator *right, const uint8_t *keep)
{
    lion_arena *arena = &run->arena;
    build *self = LION_OPERATOR(run, build, build_next, "build");
    self->operator.rewind = build_rewind;
    self->operator.inputs[0] = left;
    self->operator.inputs[1] = right;
    self->operator.vars = left->vars;
    self->operator.width = left->width;
    self->operator.rows_estimated = left->rows_estimated;
    self->operator.is_distinct = left->is_distinct;
    self->rows = lion_arena_new(arena, lion_relation);
    lion_relation_init(self->rows, arena, right->width);
    lion_join_column *columns = lion_arena_zalloc(arena, sizeof(*columns) * (right->width + 1));
    bool is_whole = true;
    for (uint32_t i = 0; i < right->width; i++) {
        bool is_shared = lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE;
        columns[i] = (lion_join_column){ .kind = is_shared ? LION_JOIN_BOUND : LION_JOIN_OUT, .index = right->vars[i] };
        is_whole = is_whole && (is_shared || keep[right->vars[i]]);
    }
    lion_operator *join = lion_join_new(run, &self->operator, self->rows, columns, right->width, keep, "hash-join");
    join->is_set = is_whole; /* the right's rows are different, and all of their columns are here */
    return join;
}
