/* query_memo.c - answers one after the other, found by a set of what was given. */
#include "query/query_memo.h"

#include "query/aggregate.h"
#include "query/functions.h"

/* Rows of all answers, and answers, that are kept. */
#define ROWS_MAX (1 << 20)

/* ---- what may be kept ---- */

static bool are_repeatable(const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool is_call = clause->kind == LION_CLAUSE_PREDICATE || clause->kind == LION_CLAUSE_FUNCTION;
        if (is_call && (lion_function_named(clause->name) == NULL || lion_slice_equal(clause->name, lion_slice_text("rand")))) return false;
        if (clause->query != NULL && !lion_query_is_repeatable(clause->query)) return false;
        for (uint32_t b = 0; b < clause->branch_count; b++)
            if (!are_repeatable(&clause->branches[b])) return false;
    }
    return true;
}

bool lion_query_is_repeatable(const lion_query_ir *ir)
{
    for (uint32_t i = 0; i < ir->element_count; i++) {
        lion_aggregate aggregate;
        int64_t wanted = 0;
        if (ir->elements[i].kind != LION_ELEMENT_AGGREGATE) continue;
        if (lion_aggregate_read(&aggregate, &wanted, &ir->elements[i], NULL) != LION_OK) return false;
        if (aggregate == LION_AGGREGATE_CUSTOM || aggregate == LION_AGGREGATE_RAND || aggregate == LION_AGGREGATE_SAMPLE) return false;
    }
    for (uint32_t r = 0; r < ir->rule_count; r++)
        for (uint32_t b = 0; b < ir->rules[r].branch_count; b++)
            if (!are_repeatable(&ir->rules[r].branches[b])) return false;
    return are_repeatable(&ir->where);
}

/* ---- keeping ---- */

void lion_query_memo_init(lion_query_memo *memo, lion_run *run, uint32_t given_count, uint32_t width)
{
    *memo = (lion_query_memo){ .run = run, .given_count = given_count };
    lion_relation_init(&memo->asked, &run->arena, 2 * given_count);
    lion_relation_init(&memo->answers, &run->arena, width);
    memo->key = lion_arena_array(&run->arena, lion_value, 2 * given_count + 1);
}

/* Numbers of two types are equal, but a function may tell them apart, as it may 0.0 and -0.0. */
static void make_key(lion_query_memo *memo, const lion_value *given)
{
    for (uint32_t i = 0; i < memo->given_count; i++) {
        memo->key[2 * i] = lion_value_long(given[i].type);
        memo->key[2 * i + 1] = given[i].type == LION_TYPE_DOUBLE ? lion_value_long(given[i].bits) : given[i];
    }
}

bool lion_query_memo_find(lion_query_memo *memo, const lion_value *given, size_t *from_out, size_t *to_out)
{
    size_t at = 0;
    make_key(memo, given);
    if (!lion_relation_has(&memo->asked, memo->key, &at)) return false;
    *from_out = at == 0 ? 0 : memo->ends[at - 1];
    *to_out = memo->ends[at];
    memo->reused++;
    return true;
}

static bool has_room(const lion_query_memo *memo, const lion_relation *rows)
{
    size_t bytes = lion_relation_growth(&memo->asked, 1, true) + lion_relation_growth(&memo->answers, rows->count, false);
    return memo->answers.count + rows->count <= ROWS_MAX && memo->asked.count < ROWS_MAX && lion_run_has_room(memo->run, bytes);
}

void lion_query_memo_put(lion_query_memo *memo, const lion_value *given, const lion_relation *rows)
{
    lion_arena *arena = &memo->run->arena;
    if (!has_room(memo, rows)) return;
    if (memo->asked.count == memo->room) {
        size_t room = memo->room == 0 ? 16 : 2 * memo->room;
        size_t *ends = lion_arena_grow(arena, memo->ends, sizeof(*ends) * memo->room, sizeof(*ends) * room);
        if (ends == NULL || arena->is_exhausted) return;
        memo->ends = ends;
        memo->room = room;
    }
    lion_relation_reserve(&memo->answers, memo->answers.count + rows->count);
    if (memo->answers.capacity < memo->answers.count + rows->count) return;
    make_key(memo, given);
    if (!lion_relation_add(&memo->asked, memo->key)) return;
    for (size_t row = 0; row < rows->count; row++) lion_relation_append(&memo->answers, lion_relation_row(rows, row));
    memo->ends[memo->asked.count - 1] = memo->answers.count;
}
