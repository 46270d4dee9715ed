/* rewrite_equal.c - two variables that must be equal are one, where that is the same: a join finds what a filter would have to look for.
 *
 * Equality is of values, across types; so is a join by hash. A look-up takes a value as its attribute has it. So both variables
 * must have values of one type, of one in which equal ones are the same (no doubles: NaN equals nothing, -0.0 equals 0.0), and
 * that is certain where patterns bind them. */
#include "query/rewrite.h"

static bool is_equality(const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PREDICATE || clause->term_count != 2) return false;
    if (!lion_slice_equal(clause->name, lion_slice_text("=")) && !lion_slice_equal(clause->name, lion_slice_text("=="))) return false;
    const lion_term *terms = clause->terms;
    return terms[0].kind == LION_TERM_VAR && terms[1].kind == LION_TERM_VAR && terms[0].index != terms[1].index;
}

static bool is_var(const lion_clause *clause, uint32_t place, uint32_t var)
{
    return place < clause->term_count && clause->terms[place].kind == LION_TERM_VAR && clause->terms[place].index == var;
}

static bool is_same_of_type(uint8_t type)
{
    return type == LION_TYPE_REF || type == LION_TYPE_LONG || type == LION_TYPE_INSTANT || type == LION_TYPE_STRING ||
           type == LION_TYPE_KEYWORD || type == LION_TYPE_SYMBOL || type == LION_TYPE_UUID || type == LION_TYPE_BOOLEAN;
}

/* The type of what patterns bind the variable to; NIL: it is none, or there are several. */
static lion_type type_of(const lion_scope *scope, const lion_todo *todo, uint32_t var)
{
    lion_type found = LION_TYPE_NIL;
    for (uint32_t i = 0; i < todo->count; i++) {
        const lion_clause *clause = todo->items[i];
        if (todo->is_done[i] || clause->kind != LION_CLAUSE_PATTERN) continue;
        const lion_db *db = scope->run->sources[clause->source].db;
        const lion_attribute *attribute = db == NULL ? NULL : lion_clause_attribute(db->schema, clause);
        for (uint32_t place = 0; place < clause->term_count; place++) {
            if (!is_var(clause, place, var)) continue;
            if (attribute == NULL || (place != 0 && place != 2)) return LION_TYPE_NIL;
            lion_type type = place == 0 ? LION_TYPE_REF : (lion_type)attribute->type;
            if (found != LION_TYPE_NIL && found != type) return LION_TYPE_NIL;
            found = type;
        }
    }
    return is_same_of_type(found) ? found : LION_TYPE_NIL;
}

static bool mentions(const lion_scope *scope, const lion_clause *clause, uint32_t var)
{
    uint8_t marks[scope->capacity + 1];
    if (clause->kind == LION_PLAN_INPUT) return false; /* its variables are given */
    memset(marks, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, marks);
    return marks[var] != 0;
}

/* What asks for the variable, and is not written anew. */
static bool is_kept(const lion_clause *clause)
{
    return clause->kind != LION_CLAUSE_PATTERN && clause->kind != LION_CLAUSE_PREDICATE;
}

/* May the variable go? Clauses that could bind it to something else must not mention it. */
static bool can_go(const lion_scope *scope, const lion_todo *todo, uint32_t var)
{
    for (uint32_t i = 0; i < todo->count; i++) {
        const lion_clause *clause = todo->items[i];
        if (todo->is_done[i] || !is_kept(clause) || clause->kind == LION_CLAUSE_NOT) continue;
        if (mentions(scope, clause, var)) return false;
    }
    return true;
}

static bool is_wanted(const lion_scope *scope, const lion_todo *todo, uint32_t var, const uint8_t *needed)
{
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && is_kept(todo->items[i]) && mentions(scope, todo->items[i], var)) return true;
    return needed[var] != 0;
}

/* Values of one entity are compared as they are fetched: nothing is joined. */
static bool is_of_one_entity(const lion_todo *todo, uint32_t one, uint32_t other)
{
    for (uint32_t i = 0; i < todo->count; i++) {
        const lion_clause *first = todo->items[i];
        if (todo->is_done[i] || first->kind != LION_CLAUSE_PATTERN || !is_var(first, 2, one) || first->terms[0].kind != LION_TERM_VAR) continue;
        for (uint32_t k = 0; k < todo->count; k++) {
            const lion_clause *second = todo->items[k];
            if (todo->is_done[k] || second->kind != LION_CLAUSE_PATTERN) continue;
            if (is_var(second, 2, other) && is_var(second, 0, first->terms[0].index)) return true;
            if (is_var(second, 2, one) && is_var(second, 0, other)) return true;
            if (is_var(second, 2, other) && is_var(second, 0, one)) return true;
        }
    }
    return false;
}

static const lion_clause *written_anew(const lion_clause *clause, uint32_t from, uint32_t to, lion_arena *arena)
{
    lion_clause *copy = lion_arena_new(arena, lion_clause);
    lion_term *terms = lion_arena_array(arena, lion_term, clause->term_count + 1);
    if (arena->is_exhausted) return clause;
    *copy = *clause;
    copy->terms = terms;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        terms[i] = clause->terms[i];
        if (terms[i].kind == LION_TERM_VAR && terms[i].index == from) terms[i].index = to;
    }
    return copy;
}

/* [(identity ?to) ?from], in place of the equality. */
static const lion_clause *alias(const lion_clause *equality, uint32_t from, uint32_t to, lion_arena *arena)
{
    lion_clause *clause = lion_arena_new(arena, lion_clause);
    lion_term *term = lion_arena_new(arena, lion_term);
    if (arena->is_exhausted) return equality;
    *term = (lion_term){ .kind = LION_TERM_VAR, .index = to };
    *clause = (lion_clause){ .kind = LION_CLAUSE_FUNCTION, .name = lion_slice_text("identity"), .terms = term, .term_count = 1,
                             .binding = { .kind = LION_BIND_SCALAR, .var = from }, .text = equality->text };
    return clause;
}

static void make_one(lion_scope *scope, lion_todo *todo, const lion_operator *operator, uint32_t at, uint32_t from, uint32_t to,
                     const uint8_t *needed)
{
    lion_arena *arena = &scope->run->arena;
    const lion_clause *equality = todo->items[at];
    scope->run->is_once = true;
    bool needs_alias = is_wanted(scope, todo, from, needed) || lion_operator_slot(operator, from) != LION_SLOT_NONE;
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && i != at && !is_kept(todo->items[i]) && mentions(scope, todo->items[i], from))
            todo->items[i] = written_anew(todo->items[i], from, to, arena);
    if (needs_alias) todo->items[at] = alias(equality, from, to, arena);
    else todo->is_done[at] = 1;
}

void lion_rewrite_equal(lion_scope *scope, lion_todo *todo, const lion_operator *operator, const uint8_t *needed)
{
    for (uint32_t i = 0; i < todo->count; i++) {
        const lion_clause *clause = todo->items[i];
        if (todo->is_done[i] || !is_equality(clause)) continue;
        uint32_t to = clause->terms[0].index, from = clause->terms[1].index;
        if (scope->is_given[to] || scope->is_given[from] || scope->is_attribute[to] || scope->is_attribute[from]) continue;
        lion_type type = type_of(scope, todo, to);
        if (type == LION_TYPE_NIL || type != type_of(scope, todo, from) || is_of_one_entity(todo, to, from) || is_of_one_entity(todo, from, to)) continue;
        if (!can_go(scope, todo, from)) {
            if (!can_go(scope, todo, to)) continue;
            uint32_t swapped = from;
            from = to;
            to = swapped;
        }
        make_one(scope, todo, operator, i, from, to, needed);
    }
}
