/* rewrite_empty.c - conjunctions that no row can answer. Only what is certain counts: what stands, or stood, attributes of
 * cardinality one, bounds of the type that a pattern gives the variable. */
#include "db/schema.h"
#include "query/rewrite.h"

static bool is_constant(const lion_clause *clause, uint32_t place)
{
    return place < clause->term_count && clause->terms[place].kind == LION_TERM_CONST;
}

/* A pattern that says the value of an attribute of cardinality one. */
static const lion_attribute *said_attribute(const lion_scope *scope, const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PATTERN || !is_constant(clause, 2) || clause->terms[0].kind != LION_TERM_VAR) return NULL;
    const lion_db *db = scope->run->sources[clause->source].db;
    const lion_attribute *attribute = db == NULL || db->view.is_history ? NULL : lion_clause_attribute(db->schema, clause);
    return attribute != NULL && lion_attribute_was_one(attribute, db->view.upper_t) ? attribute : NULL;
}

static const char *two_values(const lion_scope *scope, const lion_clause *one, const lion_clause *other, const lion_attribute *attribute)
{
    lion_arena *arena = &scope->run->arena;
    const lion_db *db = scope->run->sources[one->source].db;
    lion_value a, b;
    if (lion_db_value(&a, db, attribute, one->terms[2].constant, arena, NULL) != LION_OK) return NULL;
    if (lion_db_value(&b, db, attribute, other->terms[2].constant, arena, NULL) != LION_OK || lion_value_equal(a, b)) return NULL;
    return lion_arena_printf(arena, "%s and %s: an entity has one %.*s", lion_plan_detail(scope->run, one->text),
                             lion_plan_detail(scope->run, other->text), (int)attribute->ident.size, (const char *)attribute->ident.data);
}

static bool is_number(uint8_t type)
{
    return type == LION_TYPE_LONG || type == LION_TYPE_DOUBLE || type == LION_TYPE_INSTANT;
}

/* Bounds of another type than the variable's make the comparison fail, which is not for here to hide. */
static const char *no_range(const lion_scope *scope, const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->term_count < 3 || clause->terms[2].kind != LION_TERM_VAR) return NULL;
    uint32_t var = clause->terms[2].index;
    lion_type type = LION_TYPE_NIL;
    const lion_db *db = scope->run->sources[clause->source].db;
    if (db == NULL || !lion_ranges_exclude(&type, scope, var) || var >= scope->name_count) return NULL;
    const lion_attribute *attribute = lion_clause_attribute(db->schema, clause);
    if (attribute == NULL || attribute->type != type || !(is_number(type) || type == LION_TYPE_STRING)) return NULL;
    return lion_arena_printf(&scope->run->arena, "no value of %.*s is within %s", (int)scope->names[var].size,
                             (const char *)scope->names[var].data, lion_ranges_text(scope, var));
}

const char *lion_rewrite_empty(lion_scope *scope, const lion_todo *todo)
{
    for (uint32_t i = 0; i < todo->count; i++) {
        const lion_clause *clause = todo->items[i];
        if (todo->is_done[i]) continue;
        const char *reason = no_range(scope, clause);
        const lion_attribute *attribute = said_attribute(scope, clause);
        for (uint32_t k = i + 1; reason == NULL && attribute != NULL && k < todo->count; k++) {
            const lion_clause *other = todo->items[k];
            bool is_same = !todo->is_done[k] && other->kind == clause->kind && other->source == clause->source &&
                           other->terms[0].kind == LION_TERM_VAR && other->terms[0].index == clause->terms[0].index;
            if (is_same && said_attribute(scope, other) == attribute) reason = two_values(scope, clause, other, attribute);
        }
        if (reason != NULL) return reason;
    }
    return NULL;
}
