/* rule_difference.c - what is new for the segment behind a call: new prefixes with all answers, then old prefixes with new answers. */
#include "query/rule_tables.h"

typedef struct difference {
    lion_operator operator;
    lion_rule_call *call;
    uint32_t *prefixes, *answers;  /* the pairs that were found: rows of either … */
    uint32_t count;                /* … which become a batch of … */
    lion_vector *columns;          /* … these, … */
    lion_value **rooms;            /* … which lie here */
    size_t prefix_row, answer_row; /* the next of the first part, and of the second */
    size_t found;                  /* row + 1 on the other side of the present one, 0: it is to be looked for */
    bool is_open;
} difference;

static void emit(difference *self, size_t prefix_row, size_t answer_row)
{
    const lion_rule_call *call = self->call;
    const lion_rule_rows *answers = &call->callee->answers;
    uint32_t bound = call->callee->bound_count;
    for (uint32_t i = 0; i < call->callee->free_count; i++)
        if (call->same[i] != LION_SLOT_NONE && !lion_value_equal(lion_rule_rows_get(answers, answer_row, bound + i),
                                                                 lion_rule_rows_get(answers, answer_row, bound + call->same[i])))
            return;
    self->prefixes[self->count] = (uint32_t)prefix_row;
    self->answers[self->count++] = (uint32_t)answer_row;
}

/* The pairs as columns. */
static lion_status yield(difference *self, lion_batch *batch_out)
{
    const lion_rule_call *call = self->call;
    const lion_rule_table *callee = call->callee;
    uint32_t count = self->count;
    if (count == 0) return LION_END;
    for (uint32_t i = 0; i < call->kept; i++)
        self->columns[i] = lion_rule_rows_gather(&call->prefix, call->from[i], self->prefixes, count, self->rooms[i]);
    for (uint32_t i = 0; i < callee->free_count; i++)
        if (call->out[i] != LION_SLOT_NONE)
            self->columns[call->out[i]] = lion_rule_rows_gather(&callee->answers, callee->bound_count + i, self->answers, count, self->rooms[call->out[i]]);
    *batch_out = (lion_batch){ .count = count, .width = self->operator.width, .columns = self->columns };
    self->count = 0;
    return LION_OK;
}

/* The key of an answer's seed for the prefixes; false: no prefix asks for it. */
static bool seed_key(lion_rule_call *call, size_t answer_row)
{
    for (uint32_t i = 0; i < call->callee->bound_count; i++)
        if (call->bound[i].slot == LION_SLOT_NONE && !lion_value_equal(call->bound[i].constant, lion_rule_rows_get(&call->callee->answers, answer_row, i)))
            return false;
    for (uint32_t i = 0; i < call->prefix_by_bound.key_count; i++)
        call->key[i] = lion_rule_rows_get(&call->callee->answers, answer_row, call->prefix_key_of[i]);
    return true;
}

static void prefix_key(lion_rule_call *call, size_t prefix_row)
{
    for (uint32_t i = 0; i < call->callee->bound_count; i++)
        call->key[i] = call->bound[i].slot == LION_SLOT_NONE ? call->bound[i].constant
                                                             : lion_rule_rows_get(&call->prefix, prefix_row, call->bound[i].slot);
}

/* Rows that came after the difference began are for the next one; they are found first. */
static size_t skip(const lion_rule_index *index, size_t found, size_t end, const lion_value *key)
{
    while (found > end) found = lion_rule_index_next(index, found, key);
    return found;
}

static bool next_of_prefix(difference *self)
{
    lion_rule_call *call = self->call;
    const lion_rule_index *index = &call->callee->answers_by_seed;
    if (self->prefix_row >= call->prefix_done) return false;
    if (!self->is_open) prefix_key(call, self->prefix_row);
    self->found = self->is_open ? lion_rule_index_next(index, self->found, call->key) : lion_rule_index_find(index, call->key);
    self->found = skip(index, self->found, call->answers_done, call->key);
    self->is_open = self->found != 0;
    if (self->is_open) emit(self, self->prefix_row, self->found - 1);
    else self->prefix_row++;
    return true;
}

static bool next_of_answers(difference *self)
{
    lion_rule_call *call = self->call;
    const lion_rule_index *index = &call->prefix_by_bound;
    if (self->answer_row >= call->answers_done || call->prefix_from == 0) return false;
    if (!self->is_open && !seed_key(call, self->answer_row)) {
        self->answer_row++;
        return true;
    }
    self->found = self->is_open ? lion_rule_index_next(index, self->found, call->key) : lion_rule_index_find(index, call->key);
    self->found = skip(index, self->found, call->prefix_from, call->key);
    self->is_open = self->found != 0;
    if (self->is_open) emit(self, self->found - 1, self->answer_row);
    else self->answer_row++;
    return true;
}

#define CHECK_EVERY 4096

static lion_status difference_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    difference *self = (difference *)operator;
    uint32_t steps = 0;
    if (self->call->prefix.spilled != NULL) return lion_rule_pairs_next(self->call, operator->run, batch_out, error);
    while (self->count < LION_BATCH_ROWS && (next_of_prefix(self) || next_of_answers(self)))
        if (++steps % CHECK_EVERY == 0 && lion_run_check(operator->run, error) != LION_OK) return LION_FAILED;
    return yield(self, batch_out);
}

static lion_status difference_rewind(lion_operator *operator, lion_error *error)
{
    difference *self = (difference *)operator;
    lion_rule_call *call = self->call;
    if (call->prefix.spilled != NULL) return lion_rule_pairs_rewind(call, operator->run, operator->width, error);
    self->prefix_row = call->prefix_from;
    self->answer_row = call->answers_from;
    self->is_open = false;
    self->count = 0;
    lion_status status = lion_rule_index_follow(&call->callee->answers_by_seed, error);
    return status == LION_OK ? lion_rule_index_follow(&call->prefix_by_bound, error) : status;
}

lion_operator *lion_rule_difference_new(lion_run *run, lion_rule_call *call, const uint32_t *vars, uint32_t width)
{
    difference *self = LION_OPERATOR(run, difference, difference_next, "feed");
    self->operator.rewind = difference_rewind;
    self->operator.width = width;
    self->operator.vars = lion_arena_array(&run->arena, uint32_t, width + 1);
    for (uint32_t i = 0; i < width; i++) self->operator.vars[i] = vars[i];
    self->call = call;
    self->prefixes = lion_arena_array(&run->arena, uint32_t, LION_BATCH_ROWS);
    self->answers = lion_arena_array(&run->arena, uint32_t, LION_BATCH_ROWS);
    self->columns = lion_arena_zalloc(&run->arena, sizeof(lion_vector) * (width + 1));
    self->rooms = lion_arena_array(&run->arena, lion_value *, width + 1);
    for (uint32_t i = 0; i < width; i++) self->rooms[i] = lion_arena_array(&run->arena, lion_value, LION_BATCH_ROWS);
    return &self->operator;
}
