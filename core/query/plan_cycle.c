/* plan_cycle.c - which patterns are in a cycle. Of the patterns with two variables those are left over when what hangs on by
 * one end is taken away again and again (the 2-core of the graph that has the variables as nodes, the patterns as edges). */
#include "query/cycle.h"

/* A row that is looked up costs as much as so many references read into arrays. */
#define ROW_COST 8

bool lion_cycle_edge_of(lion_cycle_edge *edge_out, const lion_scope *scope, const lion_clause *clause, uint32_t source)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->source != source || clause->term_count != 3) return false;
    const lion_term *e = &clause->terms[0], *v = &clause->terms[2];
    if (e->kind != LION_TERM_VAR || v->kind != LION_TERM_VAR || e->index == v->index) return false;
    if (scope->is_pending[e->index] || scope->is_pending[v->index]) return false;
    const lion_attribute *attribute = lion_clause_attribute(scope->run->sources[source].db->schema, clause);
    if (attribute == NULL || attribute->type != LION_TYPE_REF) return false;
    *edge_out = (lion_cycle_edge){ .clause = clause, .attribute = attribute, .e = e->index, .v = v->index };
    return true;
}

static uint32_t degree(const lion_cycle *cycle, uint32_t var)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < cycle->edge_count; i++) count += cycle->edges[i].e == var || cycle->edges[i].v == var;
    return count;
}

static void drop_loose_ends(lion_cycle *cycle)
{
    for (uint32_t i = 0; i < cycle->edge_count;) {
        if (degree(cycle, cycle->edges[i].e) > 1 && degree(cycle, cycle->edges[i].v) > 1) {
            i++;
            continue;
        }
        memmove(&cycle->edges[i], &cycle->edges[i + 1], sizeof(cycle->edges[0]) * (--cycle->edge_count - i));
        i = 0;
    }
}

/* What hangs together with the pattern at `next` of todo. */
static bool keep_connected(lion_cycle *cycle, uint32_t next, uint32_t capacity)
{
    uint8_t is_near[capacity + 1];
    bool is_there = false;
    memset(is_near, 0, capacity + 1);
    for (uint32_t i = 0; i < cycle->edge_count; i++)
        if (cycle->edges[i].at == next) {
            is_near[cycle->edges[i].e] = 1;
            is_there = true;
        }
    for (bool grows = is_there; grows;) {
        grows = false;
        for (uint32_t i = 0; i < cycle->edge_count; i++) {
            uint8_t *e = &is_near[cycle->edges[i].e], *v = &is_near[cycle->edges[i].v];
            if (*e == *v) continue;
            *e = *v = 1;
            grows = true;
        }
    }
    uint32_t count = 0, vars = 0;
    for (uint32_t i = 0; i < cycle->edge_count; i++)
        if (is_near[cycle->edges[i].e]) cycle->edges[count++] = cycle->edges[i];
    for (uint32_t i = 0; i < capacity; i++) vars += is_near[i];
    cycle->edge_count = count;
    return is_there && vars <= LION_CYCLE_VARS_MAX;
}

static double references(const lion_cycle *cycle)
{
    double sum = 0;
    for (uint32_t i = 0; i < cycle->edge_count; i++) {
        lion_key key = { .datom = { .a = cycle->edges[i].attribute->id }, .parts = 1 };
        uint64_t count = 0;
        bool is_new = true;
        for (uint32_t k = 0; k < i; k++) is_new = is_new && cycle->edges[k].attribute != cycle->edges[i].attribute;
        if (is_new && lion_view_estimate(&count, &cycle->db->view, LION_AEVT, &key, NULL) == LION_OK) sum += (double)count;
    }
    return sum;
}

bool lion_cycle_of(lion_cycle *cycle, lion_scope *scope, const lion_todo *todo, uint32_t next, const lion_operator *operator, double fanout)
{
    const lion_clause *clause = todo->items[next];
    if (clause->kind != LION_CLAUSE_PATTERN || !lion_run_allows(scope->run, LION_PLAN_MULTIWAY_JOIN)) return false;
    *cycle = (lion_cycle){ .db = scope->run->sources[clause->source].db };
    if (cycle->db == NULL || cycle->db->view.filter_count > 0) return false;
    for (uint32_t i = 0; i < todo->count; i++) {
        lion_cycle_edge *edge = &cycle->edges[cycle->edge_count];
        if ((todo->is_done[i] && i != next) || !lion_cycle_edge_of(edge, scope, todo->items[i], clause->source)) continue;
        edge->at = i;
        if (++cycle->edge_count == LION_CYCLE_EDGES_MAX) return false;
    }
    drop_loose_ends(cycle);
    if (!keep_connected(cycle, next, scope->capacity)) return false;
    double rows = operator->rows_estimated < 1 ? 1 : operator->rows_estimated;
    return lion_run_forces(scope->run, LION_PLAN_MULTIWAY_JOIN) || rows * fanout * ROW_COST >= references(cycle);
}

bool lion_cycle_any(const lion_scope *scope, const lion_todo *todo)
{
    lion_cycle cycle = { 0 };
    if (!lion_run_allows(scope->run, LION_PLAN_MULTIWAY_JOIN)) return false;
    for (uint32_t i = 0; i < todo->count && cycle.edge_count + 1 < LION_CYCLE_EDGES_MAX; i++) {
        const lion_clause *clause = todo->items[i];
        if (todo->is_done[i] || clause->kind != LION_CLAUSE_PATTERN) continue;
        const lion_db *db = scope->run->sources[clause->source].db;
        if (db == NULL || db->view.filter_count > 0) continue;
        cycle.edge_count += lion_cycle_edge_of(&cycle.edges[cycle.edge_count], scope, clause, clause->source);
    }
    drop_loose_ends(&cycle);
    return cycle.edge_count > 0;
}
