/* rule_pairs.c - the difference of a call whose tables are on file: new prefixes with all answers, old prefixes with new answers.
 *
 * Prefixes are sorted by what they ask for, answers by what was asked, so parts of either are joined by going through both at once,
 * each looked into where the other stands. Of prefixes that ask the same, some are in memory at a time, and the answers go past. */
#include "query/rule_tables.h"

/* Prefixes in memory. */
#define CHUNK_ROWS 256
#define CHECK_EVERY 4096
#define PARTS_MAX (2 * (LION_SORTED_PARTS_MAX + 2))

struct lion_rule_pairs {
    const lion_sorted_rows *prefixes[PARTS_MAX], *answers[PARTS_MAX]; /* to be joined … */
    uint32_t count, next;      /* … from `next` on; before it, where the cursors are */
    lion_sorted_cursor prefix, answer;
    lion_sorted_key asked;     /* the bound arguments of a prefix, … */
    lion_value *values;        /* … the present ones … */
    lion_sorted_key seed;      /* … and those of an answer */
    lion_value *chunk;         /* prefixes that ask for the present values */
    uint32_t chunk_count, chunk_at;
    uint64_t group;            /* the first answer to them */
    lion_output output;
};

static lion_status make(lion_rule_pairs **out, lion_run *run, const lion_rule_call *call, uint32_t width, lion_error *error)
{
    lion_arena *arena = &run->arena;
    uint32_t bound = call->callee->bound_count;
    lion_rule_pairs *self = lion_arena_new(arena, lion_rule_pairs);
    uint32_t *columns = lion_arena_array(arena, uint32_t, bound + 1);
    lion_value *constants = lion_arena_array(arena, lion_value, bound + 1);
    self->values = lion_arena_array(arena, lion_value, bound + 1);
    self->chunk = lion_arena_array(arena, lion_value, (size_t)CHUNK_ROWS * call->prefix.width + 1);
    if (self->chunk == NULL || arena->is_exhausted) return lion_fail_memory(error);
    for (uint32_t i = 0; i < bound; i++) {
        uint32_t slot = call->bound[i].slot;
        columns[i] = slot == LION_SLOT_NONE ? LION_SLOT_NONE : call->prefix.spilled->place[slot];
        constants[i] = call->bound[i].constant;
    }
    self->asked = (lion_sorted_key){ .count = bound, .columns = columns, .constants = constants };
    self->seed = (lion_sorted_key){ .count = bound };
    lion_output_make(&self->output, arena, width);
    *out = self;
    return LION_OK;
}

static void close_cursors(lion_rule_pairs *self)
{
    lion_sorted_cursor_close(&self->prefix);
    lion_sorted_cursor_close(&self->answer);
    self->chunk_count = 0;
}

static void add(lion_rule_pairs *self, const lion_sorted_rows *prefixes, const lion_sorted_rows *answers)
{
    if (prefixes->count == 0 || answers->count == 0) return;
    self->prefixes[self->count] = prefixes;
    self->answers[self->count++] = answers;
}

lion_status lion_rule_pairs_rewind(lion_rule_call *call, lion_run *run, uint32_t width, lion_error *error)
{
    const lion_rule_spilled *prefix = call->prefix.spilled, *answers = call->callee->answers.spilled;
    lion_status status = call->pairs == NULL ? make(&call->pairs, run, call, width, error) : LION_OK;
    if (status != LION_OK) return status;
    lion_rule_pairs *self = call->pairs;
    close_cursors(self);
    self->count = self->next = self->output.count = 0;
    add(self, &prefix->delta, &answers->delta);
    for (uint32_t i = 0; i < answers->total.count; i++) add(self, &prefix->delta, &answers->total.items[i]);
    for (uint32_t i = 0; i < prefix->total.count; i++) add(self, &prefix->total.items[i], &answers->delta);
    return LION_OK;
}

static void take_values(lion_value *values, const lion_sorted_key *key, const lion_value *row)
{
    for (uint32_t i = 0; i < key->count; i++) values[i] = lion_sorted_key_get(key, row, i);
}

/* Prefixes that ask for the present values, from where the cursor is. */
static lion_status fill_chunk(lion_rule_pairs *self, lion_error *error)
{
    lion_sorted_cursor *prefix = &self->prefix;
    uint32_t width = prefix->rows->width;
    self->chunk_count = self->chunk_at = 0;
    while (self->chunk_count < CHUNK_ROWS && prefix->row != NULL && lion_sorted_key_compare(&self->asked, prefix->row, self->values) == 0) {
        if (width > 0) memcpy(self->chunk + (size_t)self->chunk_count * width, prefix->row, sizeof(lion_value) * width);
        self->chunk_count++;
        lion_status status = lion_sorted_cursor_to(prefix, prefix->at + 1, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* Both cursors go on until prefixes have answers: a chunk is there. LION_END: one of them is at its end. */
static lion_status meet(lion_rule_pairs *self, lion_run *run, lion_error *error)
{
    lion_sorted_cursor *prefix = &self->prefix, *answer = &self->answer;
    lion_status status = LION_OK;
    for (uint32_t steps = 1; status == LION_OK && prefix->row != NULL && answer->row != NULL; steps++) {
        take_values(self->values, &self->asked, prefix->row);
        int order = lion_sorted_key_compare(&self->seed, answer->row, self->values);
        if (order == 0) {
            self->group = answer->at;
            return fill_chunk(self, error);
        }
        if (order < 0) {
            status = lion_sorted_cursor_seek(answer, answer->at, &self->seed, self->values, error);
        } else {
            take_values(self->values, &self->seed, answer->row);
            status = lion_sorted_cursor_seek(prefix, prefix->at, &self->asked, self->values, error);
        }
        if (status == LION_OK && steps % CHECK_EVERY == 0) status = lion_run_check(run, error);
    }
    return status == LION_OK ? LION_END : status;
}

/* The chunk has met all its answers: so have others that ask the same, or what comes is another group. */
static lion_status end_chunk(lion_rule_pairs *self, lion_error *error)
{
    self->chunk_count = 0;
    if (self->prefix.row == NULL || lion_sorted_key_compare(&self->asked, self->prefix.row, self->values) != 0) return LION_OK;
    lion_status status = lion_sorted_cursor_to(&self->answer, self->group, error);
    return status == LION_OK ? fill_chunk(self, error) : status;
}

static void emit(lion_rule_pairs *self, const lion_rule_call *call, const lion_value *prefix, const lion_value *answer)
{
    uint32_t bound = call->callee->bound_count;
    const lion_value *frees = answer + bound;
    for (uint32_t i = 0; i < call->callee->free_count; i++)
        if (call->same[i] != LION_SLOT_NONE && !lion_value_equal(frees[i], frees[call->same[i]])) return;
    for (uint32_t i = 0; i < call->kept; i++) *lion_output_at(&self->output, i) = prefix[call->prefix.spilled->place[call->from[i]]];
    for (uint32_t i = 0; i < call->callee->free_count; i++)
        if (call->out[i] != LION_SLOT_NONE) *lion_output_at(&self->output, call->out[i]) = frees[i];
    self->output.count++;
}

/* The present answer with the rest of the chunk, as far as there is room. */
static lion_status join_answer(lion_rule_pairs *self, const lion_rule_call *call, lion_error *error)
{
    lion_sorted_cursor *answer = &self->answer;
    if (answer->row == NULL || lion_sorted_key_compare(&self->seed, answer->row, self->values) != 0) return end_chunk(self, error);
    for (; self->chunk_at < self->chunk_count && !lion_output_is_full(&self->output); self->chunk_at++)
        emit(self, call, self->chunk + (size_t)self->chunk_at * call->prefix.width, answer->row);
    if (self->chunk_at < self->chunk_count) return LION_OK;
    self->chunk_at = 0;
    return lion_sorted_cursor_to(answer, answer->at + 1, error);
}

/* LION_END: there are no more to join. */
static lion_status next_parts(lion_rule_pairs *self, lion_error *error)
{
    close_cursors(self);
    if (self->next == self->count) return LION_END;
    lion_sorted_cursor_open(&self->prefix, self->prefixes[self->next]);
    lion_sorted_cursor_open(&self->answer, self->answers[self->next++]);
    lion_status status = lion_sorted_cursor_to(&self->prefix, 0, error);
    return status == LION_OK ? lion_sorted_cursor_to(&self->answer, 0, error) : status;
}

lion_status lion_rule_pairs_next(lion_rule_call *call, lion_run *run, lion_batch *batch_out, lion_error *error)
{
    lion_rule_pairs *self = call->pairs;
    for (uint32_t steps = 1; !lion_output_is_full(&self->output); steps++) {
        lion_status status = self->chunk_count > 0 ? join_answer(self, call, error) : meet(self, run, error);
        if (status == LION_END) status = next_parts(self, error);
        if (status == LION_END) break;
        if (status == LION_OK && steps % CHECK_EVERY == 0) status = lion_run_check(run, error);
        if (status != LION_OK) return status;
    }
    return lion_output_yield(&self->output, batch_out);
}
