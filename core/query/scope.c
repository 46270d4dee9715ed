/* scope.c - a numbering of variables, clauses that are still to do, and what a clause says of variables by itself. */
#include "base/assert.h"
#include "query/plan.h"

void lion_scope_init(lion_scope *scope, lion_run *run, const lion_slice *names, uint32_t name_count, uint32_t hidden)
{
    *scope = (lion_scope){ .run = run, .names = names, .name_count = name_count, .next_var = name_count };
    scope->capacity = name_count + hidden;
    if (run->var_room < scope->capacity) run->var_room = scope->capacity;
    scope->is_attribute = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    scope->is_given = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    scope->is_pending = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    scope->leaders = lion_arena_zalloc(&run->arena, sizeof(*scope->leaders) * (scope->capacity + 1));
}

uint32_t lion_scope_hidden(lion_scope *scope)
{
    LION_ASSERT(scope->next_var < scope->capacity);
    return scope->next_var++;
}

lion_plan_input *lion_scope_add_input(lion_scope *scope)
{
    lion_arena *arena = &scope->run->arena;
    if (scope->input_count == scope->input_room) {
        uint32_t room = 2 * scope->input_room + 4;
        lion_plan_input *inputs = lion_arena_zalloc(arena, sizeof(*inputs) * room);
        if (inputs == NULL || arena->is_exhausted) return NULL;
        if (scope->input_count > 0) memcpy(inputs, scope->inputs, sizeof(*inputs) * scope->input_count);
        scope->inputs = inputs;
        scope->input_room = room;
    }
    return &scope->inputs[scope->input_count++];
}

void lion_scope_mark_attributes(lion_scope *scope, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool is_var = clause->kind == LION_CLAUSE_PATTERN && clause->term_count > 1 && clause->terms[1].kind == LION_TERM_VAR;
        if (is_var && scope->run->sources[clause->source].db != NULL) scope->is_attribute[clause->terms[1].index] = 1;
        for (uint32_t b = 0; b < clause->branch_count; b++) lion_scope_mark_attributes(scope, &clause->branches[b]);
    }
}

uint32_t lion_clauses_hidden(const lion_clauses *clauses)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < clauses->count; i++) {
        count += clauses->items[i].kind == LION_CLAUSE_NOT || clauses->items[i].kind == LION_CLAUSE_OR;
        for (uint32_t b = 0; b < clauses->items[i].branch_count; b++) count += lion_clauses_hidden(&clauses->items[i].branches[b]);
    }
    return count;
}

void lion_todo_init(lion_todo *todo, const lion_clauses *clauses, uint32_t extra, lion_arena *arena)
{
    todo->count = clauses->count;
    todo->items = lion_arena_array(arena, const lion_clause *, clauses->count + extra + 1);
    todo->is_done = lion_arena_zalloc(arena, clauses->count + extra + 1);
    for (uint32_t i = 0; i < clauses->count; i++) todo->items[i] = &clauses->items[i];
}

static void mark_binding(const lion_binding *binding, uint8_t *marks)
{
    if (binding->kind == LION_BIND_SCALAR) marks[binding->var] = 1;
    for (uint32_t i = 0; i < binding->count; i++) mark_binding(&binding->parts[i], marks);
}

void lion_clause_mark_vars(const lion_clause *clause, uint8_t *marks)
{
    for (uint32_t i = 0; i < clause->term_count; i++)
        if (clause->terms[i].kind == LION_TERM_VAR) marks[clause->terms[i].index] = 1;
    for (uint32_t i = 0; i < clause->var_count; i++) marks[clause->vars[i]] = 1;
    for (uint32_t i = 0; i < clause->required_count; i++) marks[clause->required[i]] = 1;
    mark_binding(&clause->binding, marks);
}

void lion_clauses_mark_given(const lion_run *run, const uint64_t *gives, const lion_clauses *clauses, uint8_t *marks)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool is_relation = clause->kind == LION_CLAUSE_PATTERN && run->sources[clause->source].db == NULL;
        bool is_call = clause->kind == LION_CLAUSE_RULE && gives != NULL;
        for (uint32_t k = 0; k < clause->term_count; k++) {
            bool is_given = is_relation || (is_call && k < 64 && (gives[clause->rule] >> k & 1) != 0);
            if (is_given && clause->terms[k].kind == LION_TERM_VAR) marks[clause->terms[k].index] = 1;
        }
        mark_binding(&clause->binding, marks);
        for (uint32_t b = 0; b < clause->branch_count; b++) lion_clauses_mark_given(run, gives, &clause->branches[b], marks);
    }
}

/* The scope's input that gives the variable its one value; UINT32_MAX: none does. */
static uint32_t input_of(const lion_scope *scope, uint32_t var)
{
    for (uint32_t i = 0; i < scope->input_count; i++)
        for (uint32_t k = 0; k < scope->inputs[i].var_count; k++)
            if (scope->inputs[i].vars[k] == var && scope->known[var] == &scope->inputs[i].rows->rows[k]) return i;
    return UINT32_MAX;
}

void lion_todo_init_alone(lion_todo *todo, lion_scope *scope, const lion_clauses *clauses, const uint32_t *given, uint32_t given_count)
{
    lion_todo_init(todo, clauses, given_count + clauses->count, &scope->run->arena);
    for (uint32_t i = 0; i < given_count; i++) {
        uint32_t at = input_of(scope, given[i]);
        if (at == UINT32_MAX || scope->is_pending[given[i]]) continue; /* an input gives several, and comes once */
        lion_clause *clause = lion_arena_new(&scope->run->arena, lion_clause);
        *clause = (lion_clause){ .kind = LION_PLAN_INPUT, .rule = at, .text = lion_slice_text("an input") };
        todo->items[todo->count++] = clause;
        for (uint32_t k = 0; k < scope->inputs[at].var_count; k++) scope->is_pending[scope->inputs[at].vars[k]] = 1;
    }
}

uint8_t *lion_plan_keep(lion_scope *scope, const lion_todo *todo, const uint8_t *needed)
{
    uint8_t *keep = lion_arena_alloc(&scope->run->arena, scope->capacity + 1);
    memcpy(keep, needed, scope->capacity);
    for (uint32_t i = 0; i < todo->count; i++) {
        if (todo->is_done[i]) continue;
        if (todo->items[i]->kind == LION_PLAN_INPUT) {
            const lion_plan_input *input = &scope->inputs[todo->items[i]->rule];
            for (uint32_t k = 0; k < input->var_count; k++) keep[input->vars[k]] = 1;
        } else {
            lion_clause_mark_vars(todo->items[i], keep);
        }
    }
    return keep;
}

/* ---- single clauses ---- */

const lion_attribute *lion_clause_attribute(const lion_schema *schema, const lion_clause *clause)
{
    if (clause->term_count < 2 || clause->terms[1].kind != LION_TERM_CONST) return NULL;
    const lion_form *form = clause->terms[1].constant;
    lion_slice name;
    int64_t id = 0;
    if (lion_form_as_slice(form, &name)) return lion_schema_attribute_named(schema, name);
    return lion_form_as_long(form, &id) ? lion_schema_attribute(schema, id) : NULL;
}

const char *lion_plan_detail(lion_run *run, lion_slice text)
{
    return lion_arena_text(&run->arena, lion_slice_of(text.data, text.size < 300 ? text.size : 300));
}

uint32_t lion_plan_dice(lion_run *run, uint32_t count)
{
    if (run->dice == 0 || count == 0) return 0;
    run->dice = run->dice * UINT32_C(1664525) + UINT32_C(1013904223);
    if (run->dice == 0) run->dice = 1;
    return (run->dice >> 8) % count;
}
