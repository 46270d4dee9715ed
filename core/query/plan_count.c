/* plan_count.c - which clauses can be counted without their rows, and whether that is worth it.
 *
 * The edges are the patterns of ref attributes between two variables, on one database. Of the other
 * clauses those that have one variable with the edges in common are a plan by themselves, which
 * gives each entity a number. What is left (what is found, and what leads there) may have one
 * variable in common with the edges, too: the wanted one, for whose values there are counts. */
#include <math.h>

#include "db/schema.h"
#include "query/aggregate.h"
#include "query/count.h"
#include "query/cycle.h"
#include "query/order.h"

/* A row that is made costs as much as so many references read into arrays. */
#define ROW_COST 8
/* Without a cycle there must be so many rows for each reference. */
#define ROWS_PER_REFERENCE 2
/* One pattern by itself is counted for what comes behind it: so many rows for each value that is
 * wanted, and so many at all. */
#define ROWS_PER_VALUE 3
#define ONE_PATTERN_ROWS_MIN 2048

typedef enum place { ELSEWHERE, EDGE, UNLIKE, KNOWN } place;

typedef struct finding {
    lion_scope *scope;
    lion_todo *todo;
    lion_count *spec;
    uint8_t *needed;
    uint8_t *is_key;  /* per variable: found itself, or aggregated by its value */
    uint8_t *is_told; /* per variable: needed, or determined by such ones */
    uint8_t *numbers; /* per variable: of the spec, or NONE */
    uint8_t *places;  /* per clause */
    uint32_t *parts;  /* per clause elsewhere: the clauses that hang together have one number */
    uint32_t part_count;
    const char *text;
} finding;

/* ---- what is asked ---- */

static bool is_long(const finding *self, uint32_t var)
{
    for (uint32_t i = 0; i < self->todo->count; i++) {
        const lion_clause *clause = self->todo->items[i];
        if (clause->kind != LION_CLAUSE_PATTERN || clause->term_count < 3) continue;
        const lion_db *db = self->scope->run->sources[clause->source].db;
        const lion_attribute *attribute =
            db == NULL ? NULL : lion_clause_attribute(db->schema, clause);
        if (attribute != NULL && attribute->type == LION_TYPE_LONG &&
            clause->terms[2].kind == LION_TERM_VAR && clause->terms[2].index == var)
            return true;
    }
    return false;
}

/* Aggregates that tell how many rows there are, or take no notice of it. Sums of doubles depend on
 * their order, and those of decimals are not made by multiplying. */
static bool read_elements(finding *self)
{
    const lion_query_ir *ir = self->scope->run->ir;
    bool counts = false;
    for (uint32_t i = 0; i < ir->element_count; i++) {
        const lion_element *element = &ir->elements[i];
        lion_aggregate aggregate = LION_AGGREGATE_CUSTOM;
        int64_t wanted = -1;
        lion_error error;
        if (element->kind == LION_ELEMENT_AGGREGATE &&
            lion_aggregate_read(&aggregate, &wanted, element, &error) != LION_OK)
            return false;
        if (element->kind == LION_ELEMENT_AGGREGATE && !lion_aggregate_weighs(aggregate, wanted))
            return false;
        bool is_sum = aggregate == LION_AGGREGATE_SUM || aggregate == LION_AGGREGATE_AVG;
        if (is_sum && !is_long(self, element->var)) return false;
        counts = counts || is_sum || aggregate == LION_AGGREGATE_COUNT;
        if (aggregate != LION_AGGREGATE_COUNT) self->is_key[element->var] = 1;
    }
    return counts;
}

/* ---- what is determined: one value per entity, or one entity per value ---- */

static void tell_by(finding *self, const lion_clause *clause, uint8_t *is_told, bool *grows)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->term_count < 3) return;
    const lion_db *db = self->scope->run->sources[clause->source].db;
    const lion_attribute *attribute = db == NULL ? NULL : lion_clause_attribute(db->schema, clause);
    const lion_term *e = &clause->terms[0], *v = &clause->terms[2];
    if (attribute == NULL || db->view.is_history) return;
    bool e_told = e->kind == LION_TERM_CONST || (e->kind == LION_TERM_VAR && is_told[e->index]);
    bool v_told = v->kind == LION_TERM_CONST || (v->kind == LION_TERM_VAR && is_told[v->index]);
    bool is_one = lion_attribute_was_one(attribute, db->view.upper_t);
    bool is_unique = lion_attribute_was_unique(attribute, db->view.upper_t);
    if (is_one && e_told && v->kind == LION_TERM_VAR && !v_told)
        is_told[v->index] = *grows = true;
    if (is_unique && v_told && e->kind == LION_TERM_VAR && !e_told)
        is_told[e->index] = *grows = true;
}

static void tell_all(finding *self, uint8_t *is_told)
{
    for (uint32_t i = 0; i < self->scope->capacity; i++)
        if (self->scope->known[i] != NULL) is_told[i] = 1;
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t i = 0; i < self->todo->count; i++)
            if (!self->todo->is_done[i]) tell_by(self, self->todo->items[i], is_told, &grows);
    }
}

/* ---- edges ---- */

/* Values of facts only, which join as they are; and no attributes, which are shown as their names.
 */
static bool is_edge(lion_cycle_edge *edge, const finding *self, const lion_clause *clause,
                    uint32_t source)
{
    const lion_scope *scope = self->scope;
    if (clause->kind != LION_CLAUSE_PATTERN || scope->run->sources[clause->source].db == NULL)
        return false;
    if (!lion_cycle_edge_of(edge, scope, clause, source)) return false;
    if (scope->is_pending[edge->e] || scope->is_pending[edge->v]) return false;
    return !scope->is_given[edge->e] && !scope->is_given[edge->v] &&
           !scope->is_attribute[edge->e] && !scope->is_attribute[edge->v];
}

static bool number_var(finding *self, uint32_t var)
{
    lion_count *spec = self->spec;
    if (self->numbers[var] != LION_COUNT_NONE) return true;
    if (spec->var_count == LION_COUNT_VARS_MAX) return false;
    spec->vars[spec->var_count] = var;
    spec->is_told[spec->var_count] = self->is_told[var];
    spec->same_as[spec->var_count] = (uint8_t)spec->var_count;
    self->numbers[var] = (uint8_t)spec->var_count++;
    return true;
}

/* Its place among the attributes. */
static uint8_t number_attribute(lion_count *spec, const lion_attribute *attribute)
{
    for (uint8_t i = 0; i < spec->attribute_count; i++)
        if (spec->attributes[i] == attribute) return i;
    spec->attributes[spec->attribute_count] = attribute;
    return (uint8_t)spec->attribute_count++;
}

static bool read_edges(finding *self)
{
    lion_count *spec = self->spec;
    uint32_t source = UINT32_MAX;
    for (uint32_t i = 0; i < self->todo->count; i++) {
        const lion_clause *clause = self->todo->items[i];
        lion_cycle_edge edge;
        if (self->todo->is_done[i] ||
            !is_edge(&edge, self, clause, source == UINT32_MAX ? clause->source : source))
            continue;
        if (spec->edge_count == LION_COUNT_EDGES_MAX || !number_var(self, edge.e) ||
            !number_var(self, edge.v))
            return false;
        source = clause->source;
        spec->edges[spec->edge_count++] =
            (lion_count_edge){ .via = number_attribute(spec, edge.attribute),
                               .e = self->numbers[edge.e],
                               .v = self->numbers[edge.v] };
        self->places[i] = EDGE;
        self->text = lion_arena_printf(&self->scope->run->arena, "%s%s%s", self->text,
                                       *self->text == 0 ? "" : " ",
                                       lion_plan_detail(self->scope->run, clause->text));
    }
    if (spec->edge_count == 0) return false;
    spec->db = self->scope->run->sources[source].db;
    return spec->db->view.filter_count == 0;
}

/* (not= ?a ?c), or (not [?a :knows ?c]), of two variables of the edges. */
static bool read_unlike(lion_count_edge *edge_out, const finding *self, const lion_clause *clause)
{
    const lion_attribute *attribute = NULL;
    uint32_t e, v;
    *edge_out = (lion_count_edge){ .via = LION_COUNT_NONE };
    if (clause->kind == LION_CLAUSE_PREDICATE) {
        bool is_unequal = lion_slice_equal(clause->name, lion_slice_text("not=")) ||
                          lion_slice_equal(clause->name, lion_slice_text("!="));
        if (!is_unequal || clause->term_count != 2 || clause->terms[0].kind != LION_TERM_VAR ||
            clause->terms[1].kind != LION_TERM_VAR)
            return false;
        e = clause->terms[0].index;
        v = clause->terms[1].index;
    } else {
        lion_cycle_edge edge;
        if (clause->kind != LION_CLAUSE_NOT || clause->branch_count != 1 ||
            clause->branches[0].count != 1)
            return false;
        const lion_clause *inner = &clause->branches[0].items[0];
        if (!is_edge(&edge, self, inner, inner->kind == LION_CLAUSE_PATTERN ? inner->source : 0) ||
            self->scope->run->sources[inner->source].db != self->spec->db)
            return false;
        e = edge.e;
        v = edge.v;
        attribute = edge.attribute;
    }
    edge_out->e = self->numbers[e];
    edge_out->v = self->numbers[v];
    bool is_one = e != v && edge_out->e != LION_COUNT_NONE && edge_out->v != LION_COUNT_NONE &&
                  self->is_told[e] && self->is_told[v];
    if (is_one && attribute != NULL) edge_out->via = number_attribute(self->spec, attribute);
    return is_one;
}

static void read_unlikes(finding *self)
{
    lion_count *spec = self->spec;
    for (uint32_t i = 0; i < self->todo->count && spec->unlike_count < LION_COUNT_UNLIKE_MAX; i++) {
        const lion_clause *clause = self->todo->items[i];
        if (self->todo->is_done[i] || self->places[i] != ELSEWHERE ||
            !read_unlike(&spec->unlike[spec->unlike_count], self, clause))
            continue;
        spec->unlike_count++;
        self->places[i] = UNLIKE;
        self->text = lion_arena_printf(&self->scope->run->arena, "%s %s", self->text,
                                       lion_plan_detail(self->scope->run, clause->text));
    }
}

/* ---- the other clauses ---- */

static void mark_vars(const finding *self, const lion_clause *clause, uint8_t *marks)
{
    if (clause->kind != LION_PLAN_INPUT) {
        lion_clause_mark_vars(clause, marks);
        return;
    }
    const lion_plan_input *input = &self->scope->inputs[clause->rule];
    for (uint32_t i = 0; i < input->var_count; i++) marks[input->vars[i]] = 1;
}

static void mark_part(const finding *self, uint32_t part, uint8_t *marks)
{
    memset(marks, 0, self->scope->capacity + 1);
    for (uint32_t i = 0; i < self->todo->count; i++)
        if (self->parts[i] == part) mark_vars(self, self->todo->items[i], marks);
}

static bool shares(const finding *self, const uint8_t *a, const uint8_t *b)
{
    for (uint32_t i = 0; i < self->scope->capacity; i++)
        if (a[i] && b[i] && self->numbers[i] == LION_COUNT_NONE && self->scope->known[i] == NULL)
            return true;
    return false;
}

/* Clauses hang together by variables that are neither known nor of the edges. */
static void find_parts(finding *self)
{
    uint32_t capacity = self->scope->capacity;
    uint8_t marks[capacity + 1], others[capacity + 1];
    for (uint32_t i = 0; i < self->todo->count; i++) {
        const lion_clause *clause = self->todo->items[i];
        self->parts[i] = UINT32_MAX;
        if (self->todo->is_done[i]) continue;
        if (clause->kind == LION_PLAN_INPUT && self->scope->inputs[clause->rule].rows->count == 1)
            self->places[i] = KNOWN;
        if (self->places[i] != ELSEWHERE) continue;
        self->parts[i] = self->part_count++;
        memset(marks, 0, capacity + 1);
        mark_vars(self, clause, marks);
        for (uint32_t part = 0; part + 1 < self->part_count; part++) {
            mark_part(self, part, others);
            if (!shares(self, marks, others)) continue;
            for (uint32_t k = 0; k < i; k++)
                if (self->parts[k] == part) self->parts[k] = self->part_count - 1;
        }
    }
}

/* The clauses of the part, and inputs of one row whose variables they have, are to be done; all
 * others are not. */
static void part_todo(lion_todo *todo_out, const finding *self, uint32_t part, const uint8_t *marks)
{
    uint8_t inputs[self->scope->capacity + 1];
    lion_arena *arena = &self->scope->run->arena;
    *todo_out = *self->todo; /* a copy: planning may rewrite it */
    todo_out->items = lion_arena_array(arena, const lion_clause *, self->todo->count + 1);
    todo_out->is_done = lion_arena_alloc(arena, self->todo->count + 1);
    memcpy(todo_out->items, self->todo->items, sizeof(*todo_out->items) * self->todo->count);
    for (uint32_t i = 0; i < self->todo->count; i++) {
        todo_out->is_done[i] = self->parts[i] != part;
        if (self->places[i] != KNOWN) continue;
        memset(inputs, 0, self->scope->capacity + 1);
        mark_vars(self, self->todo->items[i], inputs);
        for (uint32_t k = 0; k < self->scope->capacity; k++)
            if (marks[k] && inputs[k]) todo_out->is_done[i] = 0;
    }
}

/* Do the part's clauses bind by themselves what they need, and the variable? */
static bool stands_alone(const finding *self, const lion_todo *todo, uint32_t var)
{
    uint8_t bound[self->scope->capacity + 1];
    lion_clause *copies = lion_arena_array(&self->scope->run->arena, lion_clause, todo->count + 1);
    lion_clauses clauses = { .items = copies };
    memset(bound, 0, self->scope->capacity + 1);
    for (uint32_t i = 0; i < todo->count; i++) {
        if (todo->is_done[i]) continue;
        if (todo->items[i]->kind == LION_PLAN_INPUT)
            mark_vars(self, todo->items[i], bound);
        else
            copies[clauses.count++] = *todo->items[i];
    }
    return lion_plan_binds(self->scope, &clauses, bound, NULL, 0) && bound[var];
}

/* Whether the part is but a number for each entity of one variable of the edges: that variable;
 * NONE: it is not. */
static uint8_t attached_to(const finding *self, uint32_t part, const uint8_t *marks,
                           lion_todo *todo_out)
{
    uint8_t found = LION_COUNT_NONE;
    bool counts = false;
    for (uint32_t i = 0; i < self->scope->capacity; i++) {
        if (!marks[i] || self->scope->known[i] != NULL) continue;
        if (self->numbers[i] == LION_COUNT_NONE) {
            if (self->is_key[i]) return LION_COUNT_NONE;
            counts = counts || self->needed[i];
            continue;
        }
        if (found != LION_COUNT_NONE) return LION_COUNT_NONE;
        found = self->numbers[i];
    }
    if (found == LION_COUNT_NONE || (counts && !self->spec->is_told[found])) return LION_COUNT_NONE;
    part_todo(todo_out, self, part, marks);
    return stands_alone(self, todo_out, self->spec->vars[found]) ? found : LION_COUNT_NONE;
}

/* The variable for whose values counts are wanted: found itself, or in what is left. false: there
 * are several. */
static bool want(lion_count *spec, uint8_t var)
{
    if (spec->wanted != LION_COUNT_NONE && spec->wanted != var) return false;
    spec->wanted = var;
    return true;
}

static bool find_wanted(finding *self, uint8_t *attached)
{
    uint8_t marks[self->scope->capacity + 1];
    self->spec->wanted = LION_COUNT_NONE;
    for (uint32_t i = 0; i < self->spec->var_count; i++)
        if (self->is_key[self->spec->vars[i]] && !want(self->spec, (uint8_t)i)) return false;
    for (uint32_t part = 0; part < self->part_count; part++) {
        lion_todo todo;
        mark_part(self, part, marks);
        attached[part] = attached_to(self, part, marks, &todo);
        if (attached[part] != LION_COUNT_NONE) continue;
        for (uint32_t i = 0; i < self->scope->capacity; i++)
            if (marks[i] && self->numbers[i] != LION_COUNT_NONE &&
                !want(self->spec, self->numbers[i]))
                return false;
    }
    return self->spec->wanted == LION_COUNT_NONE || self->spec->is_told[self->spec->wanted];
}

/* ---- is it worth it? ---- */

static uint8_t root_of(const uint8_t *roots, uint8_t var)
{
    while (roots[var] != var) var = roots[var];
    return var;
}

static double references(const lion_count *spec)
{
    double sum = 0;
    for (uint32_t i = 0; i < spec->attribute_count; i++) {
        bool is_read = false; /* not only by what must not be */
        for (uint32_t k = 0; k < spec->edge_count; k++)
            is_read = is_read || spec->edges[k].via == i;
        if (is_read) sum += (double)lion_ranges_all(spec->db, spec->attributes[i]);
    }
    return sum;
}

/* Rows of the patterns without those that close cycles: what would be made on the way. */
static double rows_on_the_way(finding *self, bool *has_cycle_out)
{
    lion_todo open = *self->todo;
    lion_join_graph graph = { 0 };
    uint8_t roots[LION_COUNT_VARS_MAX];
    uint32_t edge = 0;
    open.is_done = lion_arena_alloc(&self->scope->run->arena, open.count + 1);
    memcpy(open.is_done, self->todo->is_done, open.count);
    for (uint8_t i = 0; i < LION_COUNT_VARS_MAX; i++) roots[i] = i;
    *has_cycle_out = false;
    for (uint32_t i = 0; i < open.count; i++) {
        if (open.is_done[i] || self->places[i] != EDGE) continue;
        uint8_t e = root_of(roots, self->spec->edges[edge].e),
                v = root_of(roots, self->spec->edges[edge].v);
        edge++;
        if (e == v) open.is_done[i] = *has_cycle_out = true;
        roots[e] = v;
    }
    lion_operator *unit = lion_unit_new(self->scope->run);
    lion_range **outer = lion_ranges_read(self->scope, &open);
    double rows = 0;
    if (lion_join_graph_make(&graph, self->scope, &open, unit, self->needed)) {
        lion_join_plan all = { .set = (UINT64_C(1) << graph.node_count) - 1 };
        all.bound = lion_join_closure(&graph, ~UINT64_C(0));
        lion_join_count(&all, &graph);
        rows = all.rows;
        for (uint32_t i = 0; i < graph.extra_count; i++) /* values that are fetched at the end */
            if (graph.extras[i].is_late && graph.extras[i].adds != 0)
                rows *= graph.extras[i].selects;
    }
    self->scope->ranges = outer;
    return rows;
}

/* Of one pattern: whether what is left is done for each of the wanted values, instead of for each
 * row, and these are far fewer. */
static bool has_few_wanted(finding *self, const uint8_t *attached, double rows)
{
    lion_pattern_stats stats;
    const lion_count *spec = self->spec;
    bool is_left = false;
    for (uint32_t part = 0; part < self->part_count; part++)
        is_left = is_left || attached[part] == LION_COUNT_NONE;
    if (!is_left || spec->wanted == LION_COUNT_NONE || rows < ONE_PATTERN_ROWS_MIN) return false;
    for (uint32_t i = 0; i < self->todo->count; i++) {
        if (self->todo->is_done[i] || self->places[i] != EDGE) continue;
        lion_stats_pattern(&stats, self->scope, self->todo->items[i]);
        double values = spec->edges[0].e == spec->wanted ? stats.distinct_e : stats.distinct_v;
        return stats.total <= rows && values * ROWS_PER_VALUE <= rows;
    }
    return false;
}

/* Of an entity beside what its variables take: weights, of which there are copies, totals and sums while they are
 * made; vectors of trees come and go. */
#define NUMBER_BYTES 8
#define SUMS 2

static bool has_room(const finding *self)
{
    const lion_count *spec = self->spec;
    lion_graph graph;
    lion_graph_init(&graph, self->scope->run, spec->db, spec->attribute_count);
    if (self->scope->run->arena.is_exhausted) return false;
    for (uint32_t i = 0; i < spec->attribute_count; i++)
        lion_graph_add(&graph, spec->attributes[i]);
    return lion_graph_has_room_for(&graph, spec->var_count,
                                   NUMBER_BYTES * (2 * self->part_count + SUMS));
}

static bool pays(finding *self, const uint8_t *attached)
{
    bool has_cycle = false;
    if (lion_run_forces(self->scope->run, LION_PLAN_COUNT)) return true;
    if (self->scope->run->dice != 0) return lion_plan_dice(self->scope->run, 2) == 1;
    double rows = rows_on_the_way(self, &has_cycle), read = references(self->spec);
    if (self->spec->edge_count == 1) return has_few_wanted(self, attached, rows);
    return has_cycle ? rows * ROW_COST >= read : rows >= read * ROWS_PER_REFERENCE;
}

static bool is_worth_it(finding *self, const uint8_t *attached)
{
    lion_run *run = self->scope->run;
    if (!pays(self, attached)) return false;
    if (has_room(self)) return true;
    run->references_missed = fmax(run->references_missed, references(self->spec));
    return false;
}

/* ---- doing it ---- */

static lion_status plan_part(finding *self, uint32_t part, uint8_t var, lion_error *error)
{
    lion_scope *scope = self->scope;
    lion_run *run = scope->run;
    uint8_t *marks = lion_arena_alloc(&run->arena, scope->capacity + 1),
            *wanted = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    uint8_t pending[scope->capacity + 1];
    lion_todo todo;
    lion_count_rows *rows = &self->spec->rows[self->spec->row_count];
    mark_part(self, part, marks);
    part_todo(&todo, self, part, marks);
    memcpy(pending, scope->is_pending, scope->capacity);
    for (uint32_t i = 0; i < scope->capacity; i++) wanted[i] = marks[i] && self->needed[i];
    wanted[self->spec->vars[var]] = 1;
    rows->var = var;
    rows->root = lion_unit_new(run);
    lion_status status = lion_plan(scope, &todo, &rows->root, wanted, NULL, error);
    self->spec->row_count++; /* closed with the others, whole or not */
    if (status != LION_OK) return status;
    double estimated = rows->root->rows_estimated;
    if (!lion_plan_is_result(rows->root, wanted))
        rows->root = lion_distinct_new(run, rows->root, wanted);
    rows->root->rows_estimated = estimated;
    rows->slot = lion_operator_slot(rows->root, self->spec->vars[var]);
    for (uint32_t i = 0; i < self->todo->count; i++)
        if (self->parts[i] == part) self->todo->is_done[i] = 1;
    memcpy(scope->is_pending, pending, scope->capacity);
    for (uint32_t i = 0; i < self->todo->count;
         i++) { /* inputs of several rows are done for good */
        bool is_input = self->parts[i] == part && self->todo->items[i]->kind == LION_PLAN_INPUT;
        const lion_plan_input *input = is_input ? &scope->inputs[self->todo->items[i]->rule] : NULL;
        for (uint32_t k = 0; is_input && k < input->var_count; k++)
            scope->is_pending[input->vars[k]] = 0;
    }
    return LION_OK;
}

/* What is counted is needed no longer. */
static void forget(finding *self)
{
    uint8_t left[self->scope->capacity + 1], done[self->scope->capacity + 1];
    memset(left, 0, self->scope->capacity + 1);
    memset(done, 0, self->scope->capacity + 1);
    for (uint32_t i = 0; i < self->todo->count; i++)
        mark_vars(self, self->todo->items[i], self->todo->is_done[i] ? done : left);
    for (uint32_t i = 0; i < self->scope->capacity; i++) {
        bool is_wanted =
            self->numbers[i] != LION_COUNT_NONE && self->numbers[i] == self->spec->wanted;
        if (is_wanted)
            self->needed[i] = 1; /* rows with the same count are not the same rows */
        else if (done[i] && !left[i])
            self->needed[i] = 0;
    }
}

static lion_status make_operator(uint32_t *weight_out, finding *self, lion_operator **operator,
                                 const uint8_t * attached, lion_error *error)
{
    lion_status status = LION_OK;
    self->spec->rows = lion_arena_zalloc(&self->scope->run->arena,
                                         sizeof(lion_count_rows) * (self->part_count + 1));
    for (uint32_t part = 0; status == LION_OK && part < self->part_count; part++)
        if (attached[part] != LION_COUNT_NONE)
            status = plan_part(self, part, attached[part], error);
    *weight_out = lion_scope_hidden(self->scope);
    *operator= lion_count_new(self->scope, self->spec, *weight_out, self->text);
    if (status != LION_OK) return status;
    for (uint32_t i = 0; i < self->todo->count; i++)
        if (self->places[i] == EDGE || self->places[i] == UNLIKE) self->todo->is_done[i] = 1;
    forget(self);
    self->needed[*weight_out] = 1;
    double values = 1;
    for (uint32_t i = 0; self->spec->wanted != LION_COUNT_NONE && i < self->spec->edge_count; i++)
        if (self->spec->edges[i].e == self->spec->wanted ||
            self->spec->edges[i].v == self->spec->wanted)
            values = (double)lion_ranges_all(self->spec->db,
                                                  self->spec->attributes[self->spec->edges[i].via]);
    (*operator)->rows_estimated = values;
    return LION_OK;
}

static bool has_counted(const finding *self)
{
    for (uint32_t i = 0; i < self->spec->var_count; i++)
        if (i != self->spec->wanted && self->needed[self->spec->vars[i]]) return true;
    return false;
}

lion_status lion_count_plan(uint32_t *weight_out, lion_scope *scope, lion_todo *todo,
                            lion_operator **operator, uint8_t * needed, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    finding self = { .scope = scope, .todo = todo, .needed = needed, .text = "" };
    lion_count_shape shape;
    if (!lion_run_allows(scope->run, LION_PLAN_COUNT)) return LION_ABSENT;
    self.is_key = lion_arena_zalloc(arena, scope->capacity + 1);
    if (!read_elements(&self)) return LION_ABSENT;
    self.spec = lion_arena_new(arena, lion_count);
    self.is_told = lion_arena_zalloc(arena, scope->capacity + 1);
    self.numbers = lion_arena_alloc(arena, scope->capacity + 1);
    self.places = lion_arena_zalloc(arena, todo->count + 1);
    self.parts = lion_arena_array(arena, uint32_t, todo->count + 1);
    lion_status status = lion_arena_check(arena, error);
    if (status != LION_OK) return status;
    memcpy(self.is_told, needed, scope->capacity);
    memset(self.numbers, LION_COUNT_NONE, scope->capacity + 1);
    tell_all(&self, self.is_told);
    if (!read_edges(&self)) return LION_ABSENT;
    read_unlikes(&self);
    find_parts(&self);
    uint8_t *attached = lion_arena_alloc(arena, self.part_count + 1);
    if (!find_wanted(&self, attached) || !has_counted(&self)) return LION_ABSENT;
    for (uint32_t with = 0; with < 1u << self.spec->unlike_count; with++)
        if (!lion_count_shape_of(&shape, self.spec, with, LION_COUNT_NONE, LION_COUNT_NONE))
            return LION_ABSENT;
    if (!is_worth_it(&self, attached)) return LION_ABSENT;
    return make_operator(weight_out, &self, operator, attached, error);
}
