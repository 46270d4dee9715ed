/* op_cycle.c - the multiway join of cycle.h over arrays.
 *
 * Variables are in an order, a level each: first those that the input has, then those that the reader wants, each linked to
 * one before it where that can be. A level's values are one list, or the intersection of several, of ascending numbers. A list
 * that several values of a level between use again is a bitmap, too. A level that has a set takes no other values. Levels behind
 * the last wanted one are only looked at for whether there is anything. */
#include <math.h>

#include "query/cycle.h"
#include "query/lists.h"

/* Numbers that are walked between two looks at the deadline. */
#define CHECK_WORK (1 << 16)
/* Walking a list against a bitmap, against galloping through it. */
#define GALLOP_FACTOR 8

/* The level's values are neighbours of what level `other` has. */
typedef struct link {
    uint32_t edges;            /* of the graph */
    uint32_t other;
    bool is_backward;
    lion_adjacency adjacency;
    uint64_t *bits;            /* NULL: the list changes with every value of the level before */
    uint32_t bits_of;          /* the number whose list it is, or LION_ID_NONE */
} link;

typedef struct level {
    uint32_t var;
    uint32_t in;               /* the input's slot, or NONE */
    uint32_t out;              /* the output's slot, or NONE */
    link *links;
    uint32_t link_count;
    uint32_t value;
    const uint32_t *values;    /* NULL: all numbers */
    uint32_t count, at;
    uint32_t *own;             /* room for an intersection */
    lion_operator *set;        /* whose rows it may have, or NULL … */
    uint32_t slot;
    uint64_t *allowed;         /* … as a bitmap, and as a list */
    uint32_t *allowed_list;
    uint32_t allowed_count;
} level;

typedef struct cycle {
    lion_operator operator;
    lion_graph graph;
    level *levels;
    uint32_t level_count, bound_count;
    uint32_t wanted_count;     /* levels up to the last wanted one */
    lion_reading reading;
    lion_output output;
    bool is_open, is_row_open; /* arrays are there; the row's search goes on */
    uint32_t set_at;           /* of the levels: the next whose set is read */
    uint32_t depth;
    uint64_t work, checked;    /* numbers looked at; at the last check */
    const char *text;
} cycle;

/* ---- lists ---- */

static const uint32_t *list_of(const cycle *self, const link *from, uint32_t *count_out)
{
    uint32_t number = self->levels[from->other].value;
    *count_out = from->adjacency.start[number + 1] - from->adjacency.start[number];
    return from->adjacency.to + from->adjacency.start[number];
}

static uint32_t meet_bits(uint32_t *out, const uint32_t *list, uint32_t list_count, const uint64_t *bits)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < list_count; i++) {
        out[count] = list[i];
        count += (uint32_t)(bits[list[i] / 64] >> (list[i] & 63) & 1);
    }
    return count;
}

/* The link's list as a bitmap; the one before is wiped out. */
static const uint64_t *bits_of(const cycle *self, link *from)
{
    uint32_t number = self->levels[from->other].value;
    const lion_adjacency *lists = &from->adjacency;
    if (from->bits_of == number) return from->bits;
    if (from->bits_of != LION_ID_NONE)
        for (uint32_t i = lists->start[from->bits_of]; i < lists->start[from->bits_of + 1]; i++) from->bits[lists->to[i] / 64] = 0;
    for (uint32_t i = lists->start[number]; i < lists->start[number + 1]; i++) from->bits[lists->to[i] / 64] |= UINT64_C(1) << (lists->to[i] & 63);
    from->bits_of = number;
    return from->bits;
}

/* One more list: out (which may be `list`) has the numbers that are in both. */
static uint32_t meet(cycle *self, uint32_t *out, const uint32_t *list, uint32_t count, link *with)
{
    uint32_t other_count = 0;
    const uint32_t *other = list_of(self, with, &other_count);
    bool is_few = count < other_count / GALLOP_FACTOR, is_many = other_count < count / GALLOP_FACTOR;
    self->work += count < other_count ? count : other_count;
    if (with->bits != NULL && !is_few && !is_many) return meet_bits(out, list, count, bits_of(self, with));
    /* In place the list that is written may only be the one that is walked. */
    if (is_many && out != list) return lion_list_meet(out, other, other_count, list, count);
    return lion_list_meet(out, list, count, other, other_count);
}

/* Those that the level's set has. */
static uint32_t allow(cycle *self, level *at, const uint32_t *values, uint32_t count)
{
    self->work += count < at->allowed_count ? count : at->allowed_count;
    if (at->allowed_count < count / GALLOP_FACTOR) return lion_list_meet(at->own, at->allowed_list, at->allowed_count, values, count);
    return meet_bits(at->own, values, count, at->allowed);
}

/* The level's values. Lists without a bitmap are walked first. */
static void find_values(cycle *self, level *at)
{
    uint32_t first = 0, count = 0;
    at->at = 0;
    self->work++;
    if (at->link_count == 0) {
        at->values = at->allowed_list;
        at->count = at->set == NULL ? self->graph.node_count : at->allowed_count;
        return;
    }
    while (first + 1 < at->link_count && at->links[first].bits != NULL) first++;
    const uint32_t *values = list_of(self, &at->links[first], &count);
    if (at->set != NULL) {
        count = allow(self, at, values, count);
        values = at->own;
    }
    for (uint32_t i = 0; i < at->link_count && count > 0; i++) {
        if (i == first) continue;
        count = meet(self, at->own, values, count, &at->links[i]);
        values = at->own;
    }
    at->values = values;
    at->count = count;
}

/* ---- one row ---- */

static lion_status bind_level(cycle *self, level *at, uint32_t row, lion_error *error)
{
    lion_value ref, value = lion_batch_get(&self->reading.batch, at->in, row);
    lion_status status = lion_query_ref(&ref, self->graph.db, value, &self->operator.run->arena, error);
    if (status != LION_OK) return status;
    at->value = lion_graph_number(&self->graph, ref.bits);
    if (at->value == LION_ID_NONE) return LION_ABSENT;
    if (at->set != NULL && (at->allowed[at->value / 64] >> (at->value & 63) & 1) == 0) return LION_ABSENT;
    for (uint32_t i = 0; i < at->link_count; i++) {
        uint32_t count = 0;
        const uint32_t *list = list_of(self, &at->links[i], &count);
        if (!lion_list_has(list, count, at->value)) return LION_ABSENT;
    }
    return LION_OK;
}

static lion_status start_row(cycle *self, uint32_t row, lion_error *error)
{
    for (uint32_t i = 0; i < self->bound_count; i++) {
        lion_status status = bind_level(self, &self->levels[i], row, error);
        if (status != LION_OK) return status;
    }
    self->depth = self->bound_count;
    if (self->depth < self->level_count) find_values(self, &self->levels[self->depth]);
    self->is_row_open = true;
    return LION_OK;
}

/* So many rows that differ in the last wanted level alone. */
static void emit(cycle *self, uint32_t row, const level *last, uint32_t count)
{
    lion_output *output = &self->output;
    for (uint32_t i = 0; i < output->kept; i++) {
        lion_value value = lion_batch_get(&self->reading.batch, output->from[i], row);
        for (uint32_t k = 0; k < count; k++) output->vectors[i].values[output->count + k] = value;
    }
    for (uint32_t i = self->bound_count; i < self->wanted_count; i++) {
        const level *at = &self->levels[i];
        if (at->out == LION_SLOT_NONE) continue;
        lion_value *column = output->vectors[at->out].values + output->count;
        if (at == last)
            for (uint32_t k = 0; k < count; k++)
                column[k] = lion_value_ref(lion_graph_id(&self->graph, at->values == NULL ? at->at + k : at->values[at->at + k]));
        else
            for (uint32_t k = 0; k < count; k++) column[k] = lion_value_ref(lion_graph_id(&self->graph, at->value));
    }
    output->count += count;
}

/* Back to the level before; the row is done where there is none. */
static void go_up(cycle *self)
{
    if (self->depth == self->bound_count) self->is_row_open = false;
    else self->depth--;
}

/* All levels have a value: one row, and on from the last level that is wanted. */
static void found_all(cycle *self, uint32_t row)
{
    emit(self, row, NULL, 1);
    if (self->wanted_count == self->bound_count) self->is_row_open = false;
    else self->depth = self->wanted_count - 1;
}

static void step_last(cycle *self, uint32_t row, level *at)
{
    uint32_t free = lion_output_free(&self->output), left = at->count - at->at, count = left < free ? left : free;
    emit(self, row, at, count);
    at->at += count;
    if (at->at == at->count) go_up(self);
}

static lion_status check(cycle *self, lion_error *error)
{
    if (++self->work - self->checked < CHECK_WORK) return LION_OK;
    self->checked = self->work;
    return lion_run_check(self->operator.run, error);
}

static lion_status run_row(cycle *self, uint32_t row, lion_error *error)
{
    if (self->level_count == self->bound_count) {
        found_all(self, row);
        return LION_OK;
    }
    while (self->is_row_open && !lion_output_is_full(&self->output)) {
        level *at = &self->levels[self->depth];
        if (check(self, error) != LION_OK) return LION_FAILED;
        if (at->at == at->count) {
            go_up(self);
        } else if (self->depth + 1 == self->wanted_count && self->wanted_count == self->level_count) {
            step_last(self, row, at);
        } else {
            at->value = at->values == NULL ? at->at : at->values[at->at];
            at->at++;
            if (self->depth + 1 == self->level_count) found_all(self, row);
            else find_values(self, &self->levels[++self->depth]);
        }
    }
    return LION_OK;
}

/* ---- sets ---- */

static lion_status add_allowed(cycle *self, level *at, const lion_batch *batch, lion_error *error)
{
    for (uint32_t i = 0; i < lion_batch_rows(batch); i++) {
        lion_value ref, value = lion_batch_get(batch, at->slot, lion_batch_row(batch, i));
        lion_status status = lion_query_ref(&ref, self->graph.db, value, &self->operator.run->arena, error);
        if (status == LION_FAILED) return status;
        uint32_t number = status == LION_OK ? lion_graph_number(&self->graph, ref.bits) : LION_ID_NONE;
        if (number != LION_ID_NONE) at->allowed[number / 64] |= UINT64_C(1) << (number & 63);
    }
    return LION_OK;
}

static lion_status list_allowed(cycle *self, level *at, lion_error *error)
{
    uint32_t words = self->graph.node_count / 64 + 1, count = 0;
    for (uint32_t i = 0; i < words; i++) count += (uint32_t)__builtin_popcountll(at->allowed[i]);
    at->allowed_list = lion_arena_array(&self->operator.run->arena, uint32_t, (size_t)count + 1);
    if (at->allowed_list == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < words; i++)
        for (uint64_t bits = at->allowed[i]; bits != 0; bits &= bits - 1)
            at->allowed_list[at->allowed_count++] = i * 64 + (uint32_t)__builtin_ctzll(bits);
    return lion_run_check(self->operator.run, error);
}

/* All of them, once; goes on where it was when a function had to be asked for. */
static lion_status read_sets(cycle *self, lion_error *error)
{
    for (; self->set_at < self->level_count; self->set_at++) {
        level *at = &self->levels[self->set_at];
        lion_batch batch;
        lion_status status;
        if (at->set == NULL) continue;
        if (at->allowed == NULL) at->allowed = lion_arena_zalloc(&self->operator.run->arena, (self->graph.node_count / 64 + 1) * sizeof(uint64_t));
        if (at->allowed == NULL) return lion_fail_memory(error);
        while ((status = lion_operator_next(at->set, &batch, error)) == LION_OK)
            if ((status = add_allowed(self, at, &batch, error)) != LION_OK) return status;
        if (status != LION_END) return status;
        if ((status = list_allowed(self, at, error)) != LION_OK) return status;
    }
    return LION_OK;
}

/* ---- stepping ---- */

static lion_status open_arrays(cycle *self, lion_error *error)
{
    lion_arena *arena = &self->operator.run->arena;
    lion_status status = lion_graph_read(&self->graph, error);
    if (status == LION_OK) status = read_sets(self, error);
    for (uint32_t i = 0; status == LION_OK && i < self->level_count; i++) {
        level *at = &self->levels[i];
        if (at->link_count > 1 || at->set != NULL) at->own = lion_arena_array(arena, uint32_t, self->graph.node_count + 1);
        for (uint32_t k = 0; status == LION_OK && k < at->link_count; k++) {
            link *from = &at->links[k];
            status = lion_graph_adjacency(&from->adjacency, &self->graph, from->edges, from->is_backward, error);
            from->bits_of = LION_ID_NONE;
            bool is_used_again = at->link_count > 1 && from->other + 1 < i;
            if (is_used_again) from->bits = lion_arena_zalloc(arena, (self->graph.node_count / 64 + 1) * sizeof(uint64_t));
        }
    }
    if (status == LION_OK) status = lion_run_check(self->operator.run, error);
    self->is_open = status == LION_OK;
    if (self->is_open)
        self->operator.detail = lion_arena_printf(arena, "%s in arrays of %llu references", self->text,
                                                  (unsigned long long)lion_graph_edge_count(&self->graph));
    return status;
}

static lion_status cycle_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    cycle *self = (cycle *)operator;
    while (!lion_output_is_full(&self->output)) {
        uint32_t row = 0;
        lion_status status = lion_reading_row(&self->reading, operator->inputs[0], &row, error);
        if (status == LION_END) break;
        if (status == LION_OK && !self->is_open) status = open_arrays(self, error);
        if (status == LION_OK && !self->is_row_open) status = start_row(self, row, error);
        if (status == LION_OK) status = run_row(self, row, error);
        if (status != LION_OK && status != LION_ABSENT) return status;
        if (self->is_row_open) break;
        lion_reading_advance(&self->reading);
        if (check(self, error) != LION_OK) return LION_FAILED;
    }
    return lion_output_yield(&self->output, batch_out);
}

static lion_status cycle_rewind(lion_operator *operator, lion_error *error)
{
    cycle *self = (cycle *)operator;
    (void)error;
    self->reading = (lion_reading){ 0 };
    self->output.count = 0;
    self->is_row_open = false;
    return LION_OK;
}

/* ---- making: the order of the variables ---- */

static bool has_level(const cycle *self, uint32_t var)
{
    for (uint32_t i = 0; i < self->level_count; i++)
        if (self->levels[i].var == var) return true;
    return false;
}

static void add_level(cycle *self, const lion_cycle *spec, uint32_t var, const lion_operator *input, const lion_cycle_set *set)
{
    level *at = &self->levels[self->level_count];
    lion_arena *arena = &self->operator.run->arena;
    *at = (level){ .var = var, .in = lion_operator_slot(input, var), .out = LION_SLOT_NONE };
    if (set != NULL) {
        at->set = set->root;
        at->slot = lion_operator_slot(set->root, var);
    }
    at->links = lion_arena_zalloc(arena, sizeof(link) * (spec->edge_count + 1));
    for (uint32_t i = 0; i < spec->edge_count; i++) {
        const lion_cycle_edge *edge = &spec->edges[i];
        uint32_t other = edge->e == var ? edge->v : edge->e;
        if (edge->e != var && edge->v != var) continue;
        for (uint32_t k = 0; k < self->level_count; k++)
            if (self->levels[k].var == other)
                at->links[at->link_count++] =
                    (link){ .edges = lion_graph_add(&self->graph, edge->attribute), .other = k, .is_backward = edge->e == var };
    }
    self->level_count++;
}

static const lion_cycle_set *set_of(const lion_cycle_set *sets, uint32_t count, uint32_t var)
{
    for (uint32_t i = 0; i < count; i++)
        if (sets[i].var == var) return &sets[i];
    return NULL;
}

static void make_levels(cycle *self, const lion_cycle *spec, const lion_operator *input, const lion_cycle_set *sets, uint32_t set_count,
                        const uint8_t *keep)
{
    uint32_t capacity = self->operator.run->var_room, vars[LION_CYCLE_VARS_MAX];
    uint8_t is_bound[capacity + 1];
    double values[capacity + 1];
    for (uint32_t i = 0; i < capacity; i++) {
        const lion_cycle_set *set = set_of(sets, set_count, i);
        values[i] = set == NULL ? INFINITY : set->root->rows_estimated;
    }
    memset(is_bound, 0, capacity + 1);
    self->levels = lion_arena_zalloc(&self->operator.run->arena, sizeof(level) * LION_CYCLE_VARS_MAX);
    if (self->operator.run->arena.is_exhausted) return;
    for (uint32_t i = 0; i < input->width; i++) is_bound[input->vars[i]] = 1;
    for (uint32_t i = 0; i < 2 * spec->edge_count; i++) {
        uint32_t var = i % 2 == 0 ? spec->edges[i / 2].e : spec->edges[i / 2].v;
        if (!has_level(self, var) && is_bound[var]) add_level(self, spec, var, input, set_of(sets, set_count, var));
    }
    self->bound_count = self->level_count;
    uint32_t count = lion_cycle_order(vars, spec, is_bound, keep, values);
    for (uint32_t i = 0; i < count; i++) add_level(self, spec, vars[i], input, set_of(sets, set_count, vars[i]));
}

static const char *text_of(lion_run *run, const lion_cycle *spec)
{
    const char *text = "";
    for (uint32_t i = 0; i < spec->edge_count; i++) {
        lion_slice clause = spec->edges[i].clause->text;
        int size = (int)(clause.size < 100 ? clause.size : 100);
        text = lion_arena_printf(&run->arena, "%s%s%.*s", text, i == 0 ? "" : " ", size, (const char *)clause.data);
    }
    return text;
}

/* Closed with the operator, or at once where there is none. */
static bool take_sets(cycle *self, const lion_cycle_set *sets, uint32_t count)
{
    lion_arena *arena = &self->operator.run->arena;
    if (count > 0) self->operator.subplans = lion_arena_array(arena, lion_operator *, count);
    for (uint32_t i = 0; i < count; i++) {
        if (arena->is_exhausted) lion_operator_close(sets[i].root);
        else self->operator.subplans[self->operator.subplan_count++] = sets[i].root;
    }
    return !arena->is_exhausted;
}

lion_operator *lion_cycle_new(lion_scope *scope, lion_operator *input, const lion_cycle *spec, const lion_cycle_set *sets, uint32_t set_count,
                              const uint8_t *keep)
{
    lion_run *run = scope->run;
    cycle *self = LION_OPERATOR(run, cycle, cycle_next, "multiway-join");
    uint32_t added[LION_CYCLE_VARS_MAX], added_count = 0;
    self->operator.rewind = cycle_rewind;
    self->operator.inputs[0] = input;
    self->operator.is_set = true;
    if (!take_sets(self, sets, set_count)) return input;
    lion_graph_init(&self->graph, run, spec->db, spec->edge_count);
    if (run->arena.is_exhausted) return &self->operator; /* the run's next check says so */
    lion_cycle_add_attributes(&self->graph, spec);
    make_levels(self, spec, input, sets, set_count, keep);
    if (run->arena.is_exhausted) return &self->operator;
    self->wanted_count = self->bound_count;
    for (uint32_t i = self->bound_count; i < self->level_count; i++) {
        if (!keep[self->levels[i].var]) continue;
        /* An unwanted level before this one: its values repeat what is wanted. */
        if (self->wanted_count < i) self->operator.is_set = false;
        self->wanted_count = i + 1;
        self->levels[i].out = added_count;
        added[added_count++] = self->levels[i].var;
    }
    lion_output_init(&self->output, &self->operator, input, keep, added, added_count);
    for (uint32_t i = self->bound_count; i < self->level_count; i++)
        if (self->levels[i].out != LION_SLOT_NONE) self->levels[i].out += self->output.kept;
    self->operator.detail = self->text = text_of(run, spec);
    return &self->operator;
}
