/* op_build.c - a hash join of two plans: what is on the right runs to its end, once, into a relation; the left's rows are then
 * joined with it. */
#include "query/operators.h"
#include "query/overflow.h"
#include "query/runtime_filter.h"

/* What does not fit into memory: both sides in partitions by the hash of what they share, on file. One partition of the right
 * after the other is in memory, as much of it as fits at once, while the left's rows of it go on. */
typedef struct parts {
    lion_spool right[LION_PARTITIONS];
    lion_spool left[LION_PARTITIONS];
    bool has_left;             /* the left's rows are all there */
    uint32_t at;               /* the partition in memory, if one is open */
    bool is_open;
    lion_spool rest[2];        /* of the right's partition: what did not fit, by turns */
    uint32_t rest_at;
    lion_output output;        /* rows of the left */
} parts;

typedef struct build {
    lion_operator operator;
    lion_relation *rows;       /* of the right */
    bool is_built;
    size_t index_size;         /* of its index, so far */
    lion_batch batch;          /* of the left */
    bool has_batch;
    uint32_t shared;           /* variables that both have … */
    uint32_t *slots[2];        /* … and where the left and the right have them */
    lion_value *key;           /* room for one */
    lion_runtime_filter *filter; /* of the left's rows, by a column of the right; NULL: none */
    uint32_t filter_column;
    parts *parts;              /* NULL: all is in memory */
} build;

/* ---- in memory ---- */

static void add_right(build *self, const lion_value *row)
{
    if (self->operator.inputs[1]->is_distinct) lion_relation_append(self->rows, row);
    else lion_relation_add(self->rows, row);
}

static uint32_t partition_of(build *self, const lion_value *row, uint32_t side)
{
    for (uint32_t i = 0; i < self->shared; i++) self->key[i] = row[self->slots[side][i]];
    return lion_partition(lion_values_hash(self->key, self->shared), 0);
}

/* The table with its index, which is made when the table is done. */
static bool is_tight(const build *self, uint32_t more)
{
    size_t growth = lion_relation_growth(self->rows, more, !self->operator.inputs[1]->is_distinct);
    size_t index = lion_row_index_size(self->rows->count + more);
    if (index > self->index_size) growth += index - self->index_size;
    return self->rows->width > 0 && self->operator.width > 0 && lion_run_is_tight(self->operator.run, self->rows->count, growth);
}

/* ---- on file ---- */

static lion_status start_parts(build *self, lion_error *error)
{
    lion_run *run = self->operator.run;
    parts *all = lion_arena_new(&run->arena, parts);
    uint32_t sizes[2] = { (uint32_t)sizeof(lion_value) * self->operator.width, (uint32_t)sizeof(lion_value) * self->rows->width };
    for (uint32_t i = 0; i < LION_PARTITIONS; i++) {
        lion_spool_init(&all->left[i], &run->spill, sizes[0]);
        lion_spool_init(&all->right[i], &run->spill, sizes[1]);
    }
    for (uint32_t i = 0; i < 2; i++) lion_spool_init(&all->rest[i], &run->spill, sizes[1]);
    lion_output_make(&all->output, &run->arena, self->operator.width);
    self->parts = all;
    for (size_t i = 0; i < self->rows->count; i++) {
        const lion_value *row = lion_relation_row(self->rows, i);
        lion_status status = lion_spool_add(&all->right[partition_of(self, row, 1)], row, error);
        if (status == LION_OK && i % LION_BATCH_ROWS == 0) status = lion_run_check(run, error);
        if (status != LION_OK) return status;
    }
    lion_relation_clear(self->rows);
    return LION_OK;
}

static lion_status close_all(lion_spool *spools, lion_error *error)
{
    lion_status status = LION_OK;
    for (uint32_t i = 0; status == LION_OK && i < LION_PARTITIONS; i++) status = lion_spool_close(&spools[i], error);
    return status;
}

static lion_status spool_batch(build *self, lion_spool *spools, const lion_batch *batch, uint32_t side, lion_error *error)
{
    uint32_t width = self->operator.inputs[side]->width;
    lion_value row[width + 1];
    lion_status status = LION_OK;
    for (uint32_t k = 0; status == LION_OK && k < lion_batch_rows(batch); k++) {
        for (uint32_t i = 0; i < width; i++) row[i] = lion_batch_get(batch, i, lion_batch_row(batch, k));
        status = lion_spool_add(&spools[partition_of(self, row, side)], row, error);
    }
    return status;
}

/* The left's rows, the first batch of which is at hand. */
static lion_status spool_left(build *self, lion_error *error)
{
    lion_status status = LION_OK;
    while (status == LION_OK) {
        if (self->has_batch) status = spool_batch(self, self->parts->left, &self->batch, 0, error);
        if (status != LION_OK) return status;
        self->has_batch = false;
        status = lion_operator_next(self->operator.inputs[0], &self->batch, error);
        self->has_batch = status == LION_OK;
    }
    return status == LION_END ? close_all(self->parts->left, error) : status;
}

/* As many of the partition's rows as fit into the table; the others are the rest. */
static lion_status load(build *self, lion_spool *from, lion_spool *rest, lion_error *error)
{
    const void *row = NULL;
    lion_status status = LION_OK;
    bool is_full = false;
    lion_relation_clear(self->rows);
    for (uint64_t i = 0; status == LION_OK && (status = lion_spool_next(&row, from, error)) == LION_OK; i++) {
        if (!is_full) is_full = is_tight(self, 1);
        bool is_there = is_full && !self->operator.inputs[1]->is_distinct && lion_relation_has(self->rows, row, NULL);
        if (!is_full) add_right(self, row);
        else if (!is_there) status = lion_spool_add(rest, row, error);
        if (status == LION_OK && i % LION_BATCH_ROWS == 0) status = lion_run_check(self->operator.run, error);
    }
    if (status != LION_END) return status;
    size_t index = lion_row_index_size(self->rows->count);
    if (index > self->index_size) self->index_size = index;
    status = lion_spool_close(rest, error);
    return status == LION_OK ? lion_spool_read(&self->parts->left[self->parts->at], false, error) : status;
}

/* The next partition that both have rows in, or what is left of the present one. */
static lion_status open_part(build *self, lion_error *error)
{
    parts *all = self->parts;
    lion_spool *rest = &all->rest[all->rest_at], *other = &all->rest[1 - all->rest_at];
    lion_spool_free(other);
    if (all->is_open && rest->count > 0) {
        all->rest_at = 1 - all->rest_at;
        lion_status status = lion_spool_read(rest, true, error);
        return status == LION_OK ? load(self, rest, other, error) : status;
    }
    lion_spool_free(rest);
    if (all->is_open) lion_spool_free(&all->left[all->at++]);
    all->is_open = false;
    while (all->at < LION_PARTITIONS && (all->left[all->at].count == 0 || all->right[all->at].count == 0)) lion_spool_free(&all->left[all->at++]);
    if (all->at == LION_PARTITIONS) return LION_END;
    all->is_open = true;
    lion_status status = lion_spool_read(&all->right[all->at], false, error);
    return status == LION_OK ? load(self, &all->right[all->at], rest, error) : status;
}

static lion_status next_of_parts(build *self, lion_batch *batch_out, lion_error *error)
{
    parts *all = self->parts;
    lion_status status = all->has_left ? LION_OK : spool_left(self, error);
    if (status != LION_OK) return status;
    all->has_left = true;
    for (;;) {
        status = all->is_open ? lion_output_unspool(&all->output, &all->left[all->at], batch_out, error) : LION_END;
        if (status != LION_END) return status;
        status = open_part(self, error);
        if (status != LION_OK) return status;
    }
}

/* ---- stepping ---- */

static lion_status build_rows(build *self, lion_error *error)
{
    lion_operator *right = self->operator.inputs[1];
    lion_value row[right->width + 1];
    lion_batch batch;
    lion_status status;
    while ((status = lion_operator_next(right, &batch, error)) == LION_OK) {
        if (self->parts == NULL && is_tight(self, lion_batch_rows(&batch))) status = start_parts(self, error);
        if (status == LION_OK && self->parts != NULL) status = spool_batch(self, self->parts->right, &batch, 1, error);
        if (status != LION_OK) return status;
        for (uint32_t k = 0; self->parts == NULL && k < lion_batch_rows(&batch); k++) {
            for (uint32_t i = 0; i < right->width; i++) row[i] = lion_batch_get(&batch, i, lion_batch_row(&batch, k));
            add_right(self, row);
        }
    }
    if (status != LION_END) return status;
    if (self->parts != NULL && close_all(self->parts->right, error) != LION_OK) return LION_FAILED;
    bool is_to_filter = self->filter != NULL && self->parts == NULL;
    if (is_to_filter && lion_runtime_filter_fill(self->filter, self->rows, self->filter_column, error) != LION_OK) return LION_FAILED;
    self->is_built = true;
    return lion_run_check(self->operator.run, error);
}

/* Rows of the left go on as they are. The right waits for the first of them, unless it filters them. */
static lion_status build_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    build *self = (build *)operator;
    if (self->filter != NULL && !self->is_built) {
        lion_status status = build_rows(self, error);
        if (status != LION_OK) return status;
    }
    if (self->is_built && self->parts != NULL) return next_of_parts(self, batch_out, error);
    if (self->is_built && self->rows->count == 0) return LION_END;
    if (!self->has_batch) {
        lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
        if (status != LION_OK) return status;
        self->has_batch = true;
    }
    if (!self->is_built) {
        lion_status status = build_rows(self, error);
        if (status != LION_OK) return status;
        if (self->parts != NULL) return next_of_parts(self, batch_out, error);
        if (self->rows->count == 0) return LION_END;
    }
    self->has_batch = false;
    *batch_out = self->batch;
    return LION_OK;
}

/* The left begins again; the right, once it is there, stays. */
static void rewind_parts(build *self)
{
    parts *all = self->parts;
    for (uint32_t i = 0; i < LION_PARTITIONS; i++) {
        lion_spool_free(&all->left[i]);
        if (!self->is_built) lion_spool_free(&all->right[i]);
    }
    for (uint32_t i = 0; i < 2; i++) lion_spool_free(&all->rest[i]);
    all->has_left = all->is_open = false;
    all->at = 0;
    all->output.count = 0;
    if (!self->is_built) self->parts = NULL;
}

static lion_status build_rewind(lion_operator *operator, lion_error *error)
{
    build *self = (build *)operator;
    (void)error;
    self->has_batch = false;
    if (self->parts != NULL) rewind_parts(self);
    if (!self->is_built) lion_relation_clear(self->rows);
    return LION_OK;
}

static lion_status build_prepare(lion_operator *operator, lion_error *error)
{
    build *self = (build *)operator;
    lion_status status = self->is_built ? LION_OK : build_rows(self, error);
    if (self->parts != NULL) operator->copy = NULL; /* partition by partition, the left's rows go on in another order */
    return status;
}

/* The rows are shared, and there already. */
static lion_operator *build_copy(const lion_operator *operator, lion_run *run, lion_operator *input)
{
    build *self = LION_OPERATOR(run, build, build_next, operator->name);
    self->operator.rewind = build_rewind;
    self->operator.inputs[0] = input;
    self->operator.vars = operator->vars;
    self->operator.width = operator->width;
    self->rows = ((const build *)operator)->rows;
    self->is_built = true;
    return &self->operator;
}

lion_operator *lion_hash_join_new(lion_run *run, lion_operator *left, lion_operator *right, const lion_value *const *known,
                                  const uint8_t *keep)
{
    bool is_semi = lion_run_allows(run, LION_PLAN_SEMI_JOIN);
    uint32_t keys[right->width + 1], count = 0;
    for (uint32_t i = 0; i < right->width; i++) {
        is_semi = is_semi && lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE;
        if (known == NULL || known[right->vars[i]] == NULL) keys[count++] = right->vars[i];
    }
    if (is_semi && count > 0) return lion_semi_new(run, left, right, keys, count, keep, false, NULL);
    return lion_hash_join_plain(run, left, right, keep);
}

lion_operator *lion_hash_join_plain(lion_run *run, lion_operator *left, lion_operator *right, const uint8_t *keep)
{
    lion_arena *arena = &run->arena;
    build *self = LION_OPERATOR(run, build, build_next, "build");
    self->operator.rewind = build_rewind;
    self->operator.prepare = build_prepare;
    self->operator.copy = build_copy;
    self->operator.inputs[0] = left;
    self->operator.inputs[1] = right;
    self->operator.vars = left->vars;
    self->operator.width = left->width;
    self->operator.rows_estimated = left->rows_estimated;
    self->operator.is_distinct = left->is_distinct;
    self->rows = lion_arena_new(arena, lion_relation);
    lion_relation_init(self->rows, arena, right->width);
    lion_join_column *columns = lion_arena_zalloc(arena, sizeof(*columns) * (right->width + 1));
    for (uint32_t i = 0; i < 2; i++) self->slots[i] = lion_arena_array(arena, uint32_t, right->width + 1);
    self->key = lion_arena_array(arena, lion_value, right->width + 1);
    bool is_whole = true;
    for (uint32_t i = 0; i < right->width; i++) {
        bool is_shared = lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE;
        if (is_shared) {
            self->slots[0][self->shared] = lion_operator_slot(left, right->vars[i]);
            self->slots[1][self->shared++] = i;
        }
        columns[i] = (lion_join_column){ .kind = is_shared ? LION_JOIN_BOUND : LION_JOIN_OUT, .index = right->vars[i] };
        is_whole = is_whole && (is_shared || keep[right->vars[i]]);
    }
    lion_operator *join = lion_join_new(run, &self->operator, self->rows, columns, right->width, keep, "hash-join");
    lion_join_is_fixed(join);
    join->is_set = is_whole; /* the right's rows are different, and all of their columns are here */
    return join;
}

/* Fewer rows are read whole sooner than a filter of them is made. */
#define FILTER_ROWS_MIN 2048
#define FILTER_PART_MAX 0.5

/* Of the variables that both have, the one with the most rows to filter where it is bound; NULL: none. */
static lion_operator **filter_place(build *self, const lion_value *const *known, uint32_t *shared_out)
{
    lion_operator **best = NULL;
    for (uint32_t i = 0; i < self->shared; i++) {
        uint32_t var = self->operator.vars[self->slots[0][i]];
        if (known != NULL && known[var] != NULL) continue;
        lion_operator **place = lion_runtime_filter_place(&self->operator.inputs[0], var);
        if (best != NULL && (*place)->rows_estimated <= (*best)->rows_estimated) continue;
        best = place;
        *shared_out = i;
    }
    return best;
}

void lion_hash_join_filter(lion_operator *join, const lion_value *const *known, double rows)
{
    build *self = (build *)join->inputs[0];
    lion_run *run = join->run;
    if (self->operator.next != build_next || !lion_run_allows(run, LION_PLAN_RUNTIME_FILTER)) return;
    uint32_t shared = 0;
    lion_operator **place = filter_place(self, known, &shared);
    if (place == NULL) return;
    bool pays = (*place)->rows_estimated >= FILTER_ROWS_MIN && rows <= self->operator.rows_estimated * FILTER_PART_MAX;
    if (!pays && !lion_run_forces(run, LION_PLAN_RUNTIME_FILTER) && run->dice == 0) return;
    self->filter_column = self->slots[1][shared];
    self->filter = lion_runtime_filter_new(run, place, self->operator.vars[self->slots[0][shared]]);
}
