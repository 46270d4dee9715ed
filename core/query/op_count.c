/* op_count.c - the operator of count.h: weights from the plans of single variables, then each term,
 * folds first.
 *
 * A term is the patterns with some of the unlike edges; its rows are put on or taken off.
 * Everything is counted before the first row goes out. */
#include "query/count.h"
#include "query/lists.h"

/* References that are looked at between two looks at the deadline. */
#define CHECK_EDGES (1 << 15)
/* Shapes are tried on so many values of the first variable, where there are that many … */
#define TRY_VALUES 32
#define TRY_NODES_MIN 256
/* … and vectors are not too large to have one for each shape. */
#define TRY_NODES_MAX 1000000

typedef struct counting {
    lion_operator operator;
    lion_count *spec;
    lion_graph graph;
    uint64_t *weights[LION_COUNT_VARS_MAX]; /* by number; NULL: 1 each */
    uint32_t rows_at;                       /* of spec->rows: read next */
    bool is_reading;                        /* rows of it went into fresh */
    uint64_t *fresh;
    uint64_t *totals; /* by number of the wanted variable, two's complement; NULL: none is wanted */
    uint64_t total;
    bool is_counted;
    uint32_t at; /* the next number to go out */
    lion_vector columns[2];
    int64_t *ids, *counts; /* LION_BATCH_ROWS */
    const char *text;
} counting;

/* ---- weights ---- */

static uint64_t *new_numbers(const counting *self, lion_arena *arena)
{
    return lion_arena_zalloc(arena, sizeof(uint64_t) * ((size_t)self->graph.node_count + 1));
}

static void free_numbers(const counting *self, lion_arena *arena, uint64_t *numbers)
{
    lion_arena_release(arena, numbers, sizeof(uint64_t) * ((size_t)self->graph.node_count + 1));
}

static void add_rows(counting *self, const lion_batch *batch, uint32_t slot)
{
    const lion_vector *column = &batch->columns[slot];
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        lion_value value = lion_vector_get(column, lion_batch_row(batch, i));
        uint32_t number = lion_query_is_id(value.type) ? lion_graph_number(&self->graph, value.bits)
                                                       : LION_ID_NONE;
        if (number != LION_ID_NONE) self->fresh[number]++;
    }
}

/* `with` goes into the weights. false: beyond 64 bits. */
static bool multiply_take(const counting *self, uint64_t **weights, uint64_t *with,
                          lion_arena *arena)
{
    bool is_over = false;
    if (*weights == NULL) {
        *weights = with;
        return true;
    }
    for (uint32_t i = 0; i < self->graph.node_count; i++)
        is_over |= __builtin_mul_overflow((*weights)[i], with[i], &(*weights)[i]);
    free_numbers(self, arena, with);
    return !is_over;
}

static lion_status fail_count(lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/overflow", "the count does not fit into 64 bits");
}

static lion_status read_rows(counting *self, lion_error *error)
{
    for (; self->rows_at < self->spec->row_count; self->rows_at++, self->is_reading = false) {
        const lion_count_rows *rows = &self->spec->rows[self->rows_at];
        lion_batch batch;
        lion_status status;
        lion_arena *arena = &self->operator.run->arena;
        if (!self->is_reading && (self->fresh = new_numbers(self, arena)) == NULL)
            return lion_fail_memory(error);
        self->is_reading = true;
        while ((status = lion_operator_next(rows->root, &batch, error)) == LION_OK)
            add_rows(self, &batch, rows->slot);
        if (status != LION_END) return status;
        if (!multiply_take(self, &self->weights[rows->var], self->fresh, arena))
            return fail_count(error);
    }
    return LION_OK;
}

/* ---- folds ---- */

/* How many rows there are behind each value of `into`, through the direction that is there. */
static lion_status sum_leaf(uint64_t *sums, counting *self, const lion_count_edge *edge,
                            uint8_t into, const uint64_t *weights, lion_error *error)
{
    uint32_t at = edge->via, nodes = self->graph.node_count;
    bool is_backward = edge->v == into,
         is_there = self->graph.edges[at].ways[is_backward].start != NULL, is_over = false;
    lion_adjacency lists;
    if (lion_graph_adjacency(&lists, &self->graph, at, is_there ? is_backward : !is_backward,
                             error) != LION_OK)
        return LION_FAILED;
    for (uint32_t i = 0, checked = 0; i < nodes; i++) {
        uint32_t begin = lists.start[i], end = lists.start[i + 1];
        if (begin - checked >= CHECK_EDGES || i % CHECK_EDGES == 0) {
            checked = begin;
            if (lion_run_check(self->operator.run, error) != LION_OK) return LION_FAILED;
        }
        if (is_there && weights == NULL)
            sums[i] = end - begin;
        else if (is_there)
            for (uint32_t k = begin; k < end; k++)
                is_over |= __builtin_add_overflow(sums[i], weights[lists.to[k]], &sums[i]);
        else
            for (uint32_t k = begin; k < end; k++)
                is_over |= __builtin_add_overflow(
                    sums[lists.to[k]], weights == NULL ? 1 : weights[i], &sums[lists.to[k]]);
    }
    return is_over ? fail_count(error) : lion_run_check(self->operator.run, error);
}

/* What is held for one term only: numbers, and what goes through the values. */
typedef struct term {
    lion_count_shape shape;
    uint32_t with;                          /* the set of unlike edges */
    uint64_t *weights[LION_COUNT_VARS_MAX];
    lion_arena arena;
} term;

static lion_status fold(counting *self, term *of, const lion_count_fold *fold, lion_error *error)
{
    uint64_t *sums = new_numbers(self, &of->arena), **weights = of->weights;
    if (sums == NULL) return lion_fail_memory(error);
    lion_status status = sum_leaf(sums, self, &of->shape.edges[fold->edge], fold->into,
                                  weights[fold->leaf], error);
    for (uint32_t i = 0; !self->spec->is_told[fold->leaf] && i < self->graph.node_count; i++)
        sums[i] = sums[i] > 0;
    if (weights[fold->leaf] != NULL) free_numbers(self, &of->arena, weights[fold->leaf]);
    weights[fold->leaf] = NULL;
    if (status == LION_OK && !multiply_take(self, &weights[fold->into], sums, &of->arena))
        return fail_count(error);
    return status == LION_OK ? lion_run_check_with(self->operator.run, &of->arena, error) : status;
}

/* An edge from a variable to itself leaves the entities that have themselves. */
static lion_status close_loop(counting *self, term *of, const lion_count_edge *edge,
                              lion_error *error)
{
    lion_adjacency lists;
    uint64_t *has = new_numbers(self, &of->arena);
    if (has == NULL) return lion_fail_memory(error);
    if (lion_graph_adjacency(&lists, &self->graph, edge->via, false, error) != LION_OK)
        return LION_FAILED;
    for (uint32_t i = 0; i < self->graph.node_count; i++)
        has[i] = lion_list_has(lists.to + lists.start[i], lists.start[i + 1] - lists.start[i], i);
    if (!multiply_take(self, &of->weights[edge->e], has, &of->arena)) return fail_count(error);
    return lion_run_check_with(self->operator.run, &of->arena, error);
}

static lion_status copy_weights(counting *self, term *of, lion_error *error)
{
    for (uint32_t i = 0; i < self->spec->var_count; i++) {
        if (self->weights[i] == NULL) continue;
        uint64_t *copy = new_numbers(self, &of->arena);
        if (copy == NULL) return lion_fail_memory(error);
        memcpy(copy, self->weights[i], sizeof(uint64_t) * self->graph.node_count);
        if (!multiply_take(self, &of->weights[of->shape.stands_for[i]], copy, &of->arena))
            return fail_count(error);
    }
    return LION_OK;
}

/* ---- terms ---- */

/* How the values are gone through: the best that was tried, in an arena of its own. */
typedef struct trials {
    lion_counter *best;
    uint64_t work;
    lion_arena arena;
} trials;

/* Run the shape for some values: it is the best if it looks at fewer numbers than the others did.
 */
static lion_status try_shape(trials *tried, counting *self, const term *of, uint8_t first,
                             uint8_t root, lion_error *error)
{
    lion_count_shape shape;
    lion_counter *counter = NULL;
    lion_arena arena;
    uint64_t total = 0;
    uint32_t nodes = self->graph.node_count;
    if (!lion_count_shape_of(&shape, self->spec, of->with, first, root)) return LION_OK;
    if ((first != LION_COUNT_NONE && shape.prefix[0] != first) ||
        (root != LION_COUNT_NONE && (shape.tree_count == 0 || shape.tree[0] != root)))
        return LION_OK;
    lion_arena_init(&arena, 0); /* counted with the run's */
    lion_status status =
        lion_counter_new(&counter, &shape, &self->graph, of->weights, &arena, error);
    if (status == LION_OK)
        status = lion_counter_run(counter, nodes / TRY_VALUES / 2, nodes, nodes / TRY_VALUES, NULL,
                                  &total, error);
    if (status == LION_OK && (tried->best == NULL || lion_counter_work(counter) < tried->work)) {
        lion_arena_deinit(&tried->arena);
        tried->best = counter;
        tried->work = lion_counter_work(counter);
        tried->arena = arena;
    } else {
        lion_arena_deinit(&arena);
    }
    return status;
}

static lion_status find_counter(trials *tried, counting *self, const term *of, lion_error *error)
{
    uint32_t nodes = self->graph.node_count;
    lion_status status = LION_OK;
    bool is_worth_it =
        of->shape.tree_count > 0 && nodes >= TRY_NODES_MIN && nodes <= TRY_NODES_MAX;
    for (uint8_t first = 0; is_worth_it && status == LION_OK && first < self->spec->var_count;
         first++) {
        if (self->spec->wanted != LION_COUNT_NONE && first != self->spec->wanted) continue;
        for (uint8_t root = 0; status == LION_OK && root < self->spec->var_count; root++)
            status = try_shape(tried, self, of, first, root, error);
    }
    if (status == LION_OK && tried->best == NULL)
        return lion_counter_new(&tried->best, &of->shape, &self->graph, of->weights,
                                &tried->arena, error);
    return status;
}

static lion_status run_term(counting *self, term *of, uint64_t *totals, uint64_t *total,
                            lion_error *error)
{
    trials tried = { 0 };
    const lion_count_shape *shape = &of->shape;
    if (!lion_count_shape_of(&of->shape, self->spec, of->with, LION_COUNT_NONE, LION_COUNT_NONE))
        return lion_fail(error, LION_FAULT, "lion/fault", "a count has no shape");
    lion_status status = copy_weights(self, of, error);
    for (uint32_t i = 0; status == LION_OK && i < shape->edge_count; i++)
        if (shape->edges[i].e == shape->edges[i].v)
            status = close_loop(self, of, &shape->edges[i], error);
    for (uint32_t i = 0; status == LION_OK && i < shape->fold_count; i++)
        status = fold(self, of, &shape->folds[i], error);
    if (status != LION_OK) return status;
    lion_arena_init(&tried.arena, 0); /* counted with the run's */
    status = find_counter(&tried, self, of, error);
    if (status == LION_OK)
        status = lion_counter_run(tried.best, 0, self->graph.node_count, 1, totals, total, error);
    lion_arena_deinit(&tried.arena);
    return status;
}

/* Terms with an odd number of unlike edges are taken off. What there is of each is below 2^64, and
 * so is the sum in the end. */
static lion_status add_term(counting *self, uint32_t with, lion_error *error)
{
    bool is_off = __builtin_popcount(with) % 2 == 1;
    uint64_t total = 0, *totals = NULL;
    term of = { .with = with };
    lion_arena_init(&of.arena, 0); /* counted with the run's */
    if (self->totals != NULL) totals = new_numbers(self, &of.arena);
    lion_status status = self->totals != NULL && totals == NULL
                             ? lion_fail_memory(error)
                             : run_term(self, &of, totals, &total, error);
    if (status == LION_OK) self->total += is_off ? -total : total;
    for (uint32_t i = 0; status == LION_OK && totals != NULL && i < self->graph.node_count; i++)
        self->totals[i] += is_off ? -totals[i] : totals[i];
    lion_arena_deinit(&of.arena);
    return status;
}

static lion_status count_all(counting *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    lion_status status = lion_graph_read(&self->graph, error);
    if (status == LION_OK) status = read_rows(self, error);
    if (status != LION_OK) return status;
    if (self->graph.node_count > 0 &&
        lion_count_reduce(self->spec, &self->graph, self->weights, error) != LION_OK)
        return LION_FAILED;
    if (self->spec->wanted != LION_COUNT_NONE && (self->totals = new_numbers(self, arena)) == NULL)
        return lion_fail_memory(error);
    for (uint32_t with = 0; self->graph.node_count > 0 && with < 1u << self->spec->unlike_count;
         with++)
        if ((status = add_term(self, with, error)) != LION_OK) return status;
    self->ids = lion_arena_array(arena, int64_t, LION_BATCH_ROWS);
    self->counts = lion_arena_array(arena, int64_t, LION_BATCH_ROWS);
    self->operator.detail =
        lion_arena_printf(arena, "%s in arrays of %llu references", self->text,
                          (unsigned long long)lion_graph_edge_count(&self->graph));
    self->is_counted = true;
    return lion_run_check(self->operator.run, error);
}

/* ---- stepping ---- */

static bool put_count(counting *self, uint32_t row, uint64_t count)
{
    self->counts[row] = (int64_t)count;
    return count <= INT64_MAX;
}

static lion_status count_next(lion_operator *operator, lion_batch * batch_out, lion_error *error)
{
    counting *self = (counting *)operator;
    uint32_t rows = 0, end = self->totals == NULL ? 1 : self->graph.node_count;
    lion_status status = self->is_counted ? LION_OK : count_all(self, error);
    if (status != LION_OK) return status;
    end = self->totals == NULL ? 1 : self->graph.node_count;
    for (; self->at < end && rows < LION_BATCH_ROWS; self->at++) {
        uint64_t count = self->totals == NULL ? self->total : self->totals[self->at];
        if (count == 0) continue;
        if (!put_count(self, rows, count)) return fail_count(error);
        if (self->totals != NULL) self->ids[rows] = lion_graph_id(&self->graph, self->at);
        rows++;
    }
    if (rows == 0) return LION_END;
    self->columns[operator->width - 1] = (lion_vector){ .type = LION_TYPE_LONG, .bits = self->counts };
    if (self->totals != NULL)
        self->columns[0] = (lion_vector){ .type = LION_TYPE_REF, .bits = self->ids };
    *batch_out = (lion_batch){ .count = rows, .width = operator->width, .columns = self->columns };
    return LION_OK;
}

static lion_status count_rewind(lion_operator *operator, lion_error * error)
{
    (void)error;
    ((counting *)operator)->at = 0;
    return LION_OK;
}

lion_operator *lion_count_new(lion_scope *scope, lion_count *spec, uint32_t weight,
                              const char *text)
{
    lion_run *run = scope->run;
    counting *self = LION_OPERATOR(run, counting, count_next, "count");
    lion_operator *operator= & self->operator;
    operator->rewind = count_rewind;
    operator->vars = lion_arena_array(&run->arena, uint32_t, 2);
    operator->subplans = lion_arena_array(&run->arena, lion_operator *, spec->row_count + 1);
    operator->is_distinct = operator->is_set = true;
    operator->detail = self->text = text;
    self->spec = spec;
    lion_graph_init(&self->graph, run, spec->db, spec->attribute_count + LION_COUNT_EDGES_MAX);
    if (run->arena.is_exhausted) return operator; /* the run's next check says so */
    for (uint32_t i = 0; i < spec->attribute_count; i++)
        lion_graph_add(&self->graph, spec->attributes[i]);
    for (uint32_t i = 0; i < spec->row_count; i++)
        operator->subplans[operator->subplan_count++] = spec->rows[i].root;
    if (spec->wanted != LION_COUNT_NONE)
        operator->vars[operator->width++] = spec->vars[spec->wanted];
    operator->vars[operator->width++] = weight;
    return operator;
}
