/* join_graph.c - clauses as nodes, and what hangs on. */
#include <math.h>

#include "db/schema.h"
#include "index/view_parts.h"
#include "query/order.h"

static uint64_t bit(uint32_t var)
{
    return UINT64_C(1) << var;
}

/* ---- variables ---- */

static void mark_vars(const lion_scope *scope, const lion_clause *clause, uint8_t *marks)
{
    memset(marks, 0, scope->capacity + 1);
    if (clause->kind != LION_PLAN_INPUT) {
        lion_clause_mark_vars(clause, marks);
        return;
    }
    const lion_plan_input *input = &scope->inputs[clause->rule];
    for (uint32_t i = 0; i < input->var_count; i++) marks[input->vars[i]] = 1;
}

static bool number_vars(lion_join_graph *graph, const lion_operator *operator, const uint8_t *needed)
{
    lion_scope *scope = graph->scope;
    lion_arena *arena = &scope->run->arena;
    uint8_t marks[scope->capacity + 1];
    graph->numbers = lion_arena_alloc(arena, scope->capacity + 1);
    graph->masks = lion_arena_zalloc(arena, sizeof(uint64_t) * (graph->todo->count + 1));
    graph->uses = lion_arena_zalloc(arena, sizeof(uint32_t) * LION_JOIN_VARS_MAX);
    if (arena->is_exhausted) return false;
    memset(graph->numbers, LION_JOIN_NONE, scope->capacity + 1);
    for (uint32_t i = 0; i < graph->todo->count; i++) {
        if (graph->todo->is_done[i]) continue;
        mark_vars(scope, graph->todo->items[i], marks);
        for (uint32_t var = 0; var < scope->capacity; var++) {
            if (!marks[var]) continue;
            if (graph->numbers[var] == LION_JOIN_NONE) {
                if (graph->var_count == LION_JOIN_VARS_MAX) return false;
                graph->numbers[var] = (uint8_t)graph->var_count++;
            }
            graph->masks[i] |= bit(graph->numbers[var]);
            graph->uses[graph->numbers[var]]++;
        }
    }
    for (uint32_t var = 0; var < scope->capacity; var++)
        if (graph->numbers[var] != LION_JOIN_NONE && needed[var]) graph->wanted |= bit(graph->numbers[var]);
    for (uint32_t i = 0; i < operator->width; i++)
        if (graph->numbers[operator->vars[i]] != LION_JOIN_NONE) graph->feed |= bit(graph->numbers[operator->vars[i]]);
    return true;
}

static uint8_t number_at(const lion_join_graph *graph, const lion_clause *clause, uint32_t place)
{
    bool is_var = place < clause->term_count && clause->terms[place].kind == LION_TERM_VAR;
    return is_var ? graph->numbers[clause->terms[place].index] : LION_JOIN_NONE;
}

static void read_inputs(lion_join_graph *graph)
{
    for (uint32_t i = 0; i < graph->todo->count; i++) {
        const lion_clause *clause = graph->todo->items[i];
        if (graph->todo->is_done[i] || clause->kind != LION_PLAN_INPUT) continue;
        if (graph->scope->inputs[clause->rule].rows->count > 1) {
            graph->pending |= graph->masks[i];
        } else {
            graph->known |= graph->masks[i];
            graph->inputs[graph->input_count++] = i;
        }
    }
}

/* ---- nodes ---- */

static lion_join_node *add_node(lion_join_graph *graph, lion_join_kind kind, uint32_t parts_max)
{
    lion_arena *arena = &graph->scope->run->arena;
    if (graph->node_count == LION_JOIN_NODES_MAX) return NULL;
    lion_join_node *node = &graph->nodes[graph->node_count];
    *node = (lion_join_node){ .kind = (uint8_t)kind, .entity = LION_JOIN_NONE };
    node->parts = lion_arena_zalloc(arena, sizeof(lion_join_part) * parts_max);
    node->ends = lion_arena_array(arena, lion_join_end, LION_JOIN_VARS_MAX);
    if (arena->is_exhausted) return NULL; /* the next check of the run says so */
    graph->node_count++;
    return node;
}

/* Values of a variable that something else binds, too. */
static void add_end(const lion_join_graph *graph, lion_join_node *node, uint8_t var, lion_type type, double distinct)
{
    if (var == LION_JOIN_NONE || node->end_count == LION_JOIN_VARS_MAX || (graph->known & bit(var)) != 0) return;
    node->ends[node->end_count++] = (lion_join_end){ .var = var, .type = (uint8_t)type, .distinct = fmax(1, distinct) };
}

/* A clause that is a node by itself. */
static bool add_single(lion_join_graph *graph, uint32_t at, lion_join_kind kind, double rows, double distinct, uint64_t needs)
{
    lion_join_node *node = add_node(graph, kind, 1);
    if (node == NULL) return false;
    node->parts[0].clause = at;
    node->part_count = 1;
    node->vars = graph->masks[at];
    node->needs = needs;
    node->rows = rows;
    for (uint32_t var = 0; var < graph->var_count; var++)
        if ((node->vars & ~needs & bit(var)) != 0) add_end(graph, node, (uint8_t)var, LION_TYPE_NIL, distinct);
    return true;
}

static bool is_star_part(const lion_join_graph *graph, const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->term_count < 2 || clause->term_count > 3) return false;
    const lion_db *db = graph->scope->run->sources[clause->source].db;
    if (db == NULL || clause->terms[0].kind != LION_TERM_VAR || lion_clause_attribute(db->schema, clause) == NULL) return false;
    return number_at(graph, clause, 0) != number_at(graph, clause, 2);
}

/* What has this much or more of the star's entities is no filter. */
#define WHOLE_PART 0.9

/* Does the pattern only fetch a value that nobody else asks for? */
static bool is_fetch(const lion_join_graph *graph, const lion_join_part *part)
{
    if (part->stats.has_e || part->stats.has_v || part->stats.has_range || part->each < WHOLE_PART) return false;
    return part->value == LION_JOIN_NONE || (graph->uses[part->value] == 1 && (graph->feed & bit(part->value)) == 0);
}

static void add_extra(lion_join_graph *graph, uint32_t at, uint64_t needs, uint64_t adds, double selects, bool is_late)
{
    graph->extras[graph->extra_count++] = (lion_join_extra){ .clause = at, .needs = needs, .adds = adds, .selects = selects, .is_late = is_late };
}

/* Is the entity found by something else than the star's own mere fetches? */
static bool is_bound_elsewhere(const lion_join_graph *graph, uint8_t entity, const uint8_t *is_fetched)
{
    if (((graph->known | graph->feed | graph->pending) & bit(entity)) != 0) return true;
    for (uint32_t i = 0; i < graph->todo->count; i++) {
        const lion_clause *clause = graph->todo->items[i];
        if (graph->todo->is_done[i] || is_fetched[i] || (graph->masks[i] & bit(entity)) == 0) continue;
        bool is_other = number_at(graph, clause, 0) != entity || graph->cycle_of[i] != LION_JOIN_NONE;
        if (clause->kind == LION_CLAUSE_PATTERN && is_other) return true;
        if (clause->kind == LION_CLAUSE_OR || clause->kind == LION_CLAUSE_RULE) return true;
    }
    return false;
}

/* As many different values as a clause that is no part of the star gives its entity, at most. */
static double given_elsewhere(const lion_join_graph *graph, uint8_t entity)
{
    double most = 0;
    for (uint32_t i = 0; i < graph->todo->count; i++) {
        const lion_clause *clause = graph->todo->items[i];
        if (graph->todo->is_done[i] || (graph->masks[i] & bit(entity)) == 0) continue;
        if (clause->kind == LION_CLAUSE_RULE) {
            const lion_rule_stats *stats = lion_rules_stats(graph->scope->engine, clause->rule);
            for (uint32_t k = 0; stats != NULL && k < clause->term_count; k++)
                if (number_at(graph, clause, k) == entity) most = fmax(most, stats->distinct[k]);
        } else if (is_star_part(graph, clause) && number_at(graph, clause, 2) == entity) {
            lion_pattern_stats stats;
            lion_stats_pattern(&stats, graph->scope, clause);
            most = fmax(most, fmin(stats.distinct_v, stats.count));
        }
    }
    return most;
}

static void measure_star(lion_join_node *node)
{
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_pattern_stats *stats = &node->parts[i].stats;
        node->domain = fmax(node->domain, stats->has_e ? 1 : stats->distinct_e);
    }
    node->rows = node->domain;
    for (uint32_t i = 0; i < node->part_count; i++) {
        node->parts[i].each = node->parts[i].stats.count / fmax(1, node->domain);
        node->rows *= node->parts[i].each;
    }
}

/* Mere fetches leave the star, if anything else finds its entities, or at least one part stays. */
static void split_fetches(lion_join_graph *graph, lion_join_node *node, uint8_t *is_fetched)
{
    uint32_t count = 0, fetches = 0, best = 0;
    for (uint32_t i = 0; i < node->part_count; i++) {
        is_fetched[node->parts[i].clause] = is_fetch(graph, &node->parts[i]);
        fetches += is_fetched[node->parts[i].clause];
        if (node->parts[i].stats.count < node->parts[best].stats.count) best = i;
    }
    /* Few entities have the value, of those that others give: it selects. */
    bool selects = fetches == node->part_count && node->parts[best].stats.distinct_e < WHOLE_PART * given_elsewhere(graph, node->entity);
    bool keeps_one = fetches == node->part_count && (selects || !is_bound_elsewhere(graph, node->entity, is_fetched));
    for (uint32_t i = 0; i < node->part_count; i++) {
        lion_join_part part = node->parts[i];
        if (!is_fetched[part.clause] || (keeps_one && i == best)) {
            node->parts[count++] = part;
            continue;
        }
        uint64_t adds = part.value == LION_JOIN_NONE ? 0 : bit(part.value);
        add_extra(graph, part.clause, (bit(node->entity) | graph->masks[part.clause]) & ~adds, adds, part.each, true);
    }
    node->part_count = count;
}

static void finish_star(lion_join_graph *graph, lion_join_node *node)
{
    node->vars = bit(node->entity);
    node->rows = node->domain;
    add_end(graph, node, node->entity, LION_TYPE_REF, node->domain);
    for (uint32_t i = 0; i < node->part_count; i++) {
        node->rows *= node->parts[i].each;
        if (node->parts[i].value == LION_JOIN_NONE) continue;
        node->vars |= bit(node->parts[i].value);
        const lion_pattern_stats *stats = &node->parts[i].stats;
        if (!stats->has_v) add_end(graph, node, node->parts[i].value, (lion_type)stats->attribute->type, stats->distinct_v);
    }
    node->needs = node->vars & graph->pending;
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_pattern_stats *stats = &node->parts[i].stats;
        const lion_view *view = &stats->db->view;
        bool is_one = !view->is_history && lion_attribute_was_one(stats->attribute, view->upper_t);
        if (is_one && node->parts[i].value != LION_JOIN_NONE) node->tells |= bit(node->parts[i].value);
    }
}

static bool add_star(lion_join_graph *graph, uint32_t first, uint8_t *is_taken)
{
    const lion_todo *todo = graph->todo;
    const lion_clause *from = todo->items[first];
    lion_join_node *node = add_node(graph, LION_JOIN_STAR, todo->count - first);
    if (node == NULL) return false;
    node->entity = number_at(graph, from, 0);
    bool is_in_cycle = graph->cycle_of[first] != LION_JOIN_NONE; /* then it is one pattern */
    for (uint32_t i = first; i < (is_in_cycle ? first + 1 : todo->count); i++) {
        const lion_clause *clause = todo->items[i];
        if (!is_in_cycle && graph->cycle_of[i] != LION_JOIN_NONE) continue;
        if (todo->is_done[i] || is_taken[i] || !is_star_part(graph, clause) || clause->source != from->source) continue;
        if (number_at(graph, clause, 0) != node->entity) continue;
        lion_join_part *part = &node->parts[node->part_count++];
        part->clause = i;
        part->value = number_at(graph, clause, 2);
        lion_stats_pattern(&part->stats, graph->scope, clause);
        is_taken[i] = 1;
    }
    measure_star(node);
    uint8_t is_fetched[todo->count + 1];
    memset(is_fetched, 0, todo->count + 1);
    if (!is_in_cycle) split_fetches(graph, node, is_fetched);
    if (node->part_count == 0) graph->node_count--;
    else finish_star(graph, node);
    return true;
}

/* All of a star's patterns are of one database (is_star_part). */
bool lion_join_can_sample(const lion_join_node *node)
{
    if (node->kind != LION_JOIN_STAR || node->uses_feed || node->part_count == 0) return false;
    const lion_view *view = &node->parts[0].stats.db->view;
    for (uint32_t i = 0; i < node->part_count; i++)
        if (node->parts[i].stats.has_e) return false;
    return lion_view_is_plain(view) && view->filter_count == 0;
}

/* ---- clauses of other kinds ---- */

#define OR_ROWS_MAX 100000

/* What a predicate leaves, of which nothing is known. */
#define PREDICATE_SELECTS 0.33

/* One more pattern has the variable: fewer rows agree of it, the more values it has. values: per variable, so far. */
static double agree(const lion_term *term, double *values, double distinct)
{
    if (term->kind != LION_TERM_VAR) return 1;
    double before = values[term->index];
    values[term->index] = fmax(before, fmax(1, distinct));
    return before == 0 ? 1 : 1 / values[term->index];
}

/* Rows that a branch of patterns and predicates makes by itself; negative: it has other clauses. */
static double branch_rows(const lion_join_graph *graph, const lion_clauses *branch)
{
    double rows = 1, values[graph->scope->capacity + 1];
    memset(values, 0, sizeof(values));
    for (uint32_t i = 0; i < branch->count; i++) {
        const lion_clause *clause = &branch->items[i];
        const lion_db *db = clause->kind == LION_CLAUSE_PATTERN ? graph->scope->run->sources[clause->source].db : NULL;
        if (clause->kind == LION_CLAUSE_PREDICATE) rows *= PREDICATE_SELECTS;
        if (clause->kind == LION_CLAUSE_PREDICATE) continue;
        if (db == NULL || clause->term_count < 2 || clause->term_count > 3 || lion_clause_attribute(db->schema, clause) == NULL) return -1;
        lion_pattern_stats stats;
        lion_stats_pattern(&stats, graph->scope, clause);
        rows *= stats.count;
        if (!stats.has_e) rows *= agree(&clause->terms[0], values, stats.distinct_e);
        if (clause->term_count == 3 && !stats.has_v) rows *= agree(&clause->terms[2], values, stats.distinct_v);
    }
    return rows;
}

static double or_rows(const lion_join_graph *graph, const lion_clause *clause)
{
    static const lion_operator nothing = { 0 };
    double sum = 0;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        double rows = branch_rows(graph, &clause->branches[b]);
        if (rows < 0) return fmin(lion_stats_fanout(graph->scope, clause, &nothing), OR_ROWS_MAX * (double)clause->branch_count);
        sum += rows;
    }
    return fmax(sum, 1.01);
}

static uint64_t var_terms(const lion_join_graph *graph, const lion_clause *clause)
{
    uint64_t vars = 0;
    for (uint32_t i = 0; i < clause->term_count; i++)
        if (number_at(graph, clause, i) != LION_JOIN_NONE) vars |= bit(number_at(graph, clause, i));
    return vars;
}

static bool is_ready_alone(const lion_join_graph *graph, const lion_clause *clause)
{
    uint8_t bound[graph->scope->capacity + 1];
    lion_clauses alone = { .items = (lion_clause *)clause, .count = 1 };
    memset(bound, 0, graph->scope->capacity + 1);
    return lion_plan_binds(graph->scope, &alone, bound, NULL, 0);
}

static bool is_range_read(const lion_join_graph *graph, const lion_clause *clause)
{
    uint64_t vars = var_terms(graph, clause) & ~graph->known;
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = 0; graph->nodes[n].kind == LION_JOIN_STAR && i < graph->nodes[n].part_count; i++) {
            const lion_join_part *part = &graph->nodes[n].parts[i];
            if (part->stats.has_range && part->value != LION_JOIN_NONE && vars == bit(part->value)) return true;
        }
    return false;
}

/* One that ranges.c reads. */
static bool is_comparison(lion_slice name)
{
    static const char *const NAMES[] = { "<", "<=", ">", ">=", "=", "==", "starts-with?" };
    for (uint32_t i = 0; i < 7; i++)
        if (lion_slice_equal(name, lion_slice_text(NAMES[i]))) return true;
    return false;
}

/* How many comparisons with known values say something of the variable. */
static uint32_t comparisons_of(const lion_join_graph *graph, uint64_t var)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < graph->todo->count; i++) {
        const lion_clause *clause = graph->todo->items[i];
        bool is_one = !graph->todo->is_done[i] && clause->kind == LION_CLAUSE_PREDICATE && is_comparison(clause->name);
        count += is_one && (var_terms(graph, clause) & ~graph->known) == var;
    }
    return count;
}

/* The part that a comparison leaves of an attribute without an index, by its sample; negative: nothing is known. */
static double sampled_selects(const lion_join_graph *graph, const lion_clause *clause)
{
    uint64_t var = var_terms(graph, clause) & ~graph->known;
    for (uint32_t n = 0; n < graph->node_count && var != 0; n++)
        for (uint32_t i = 0; graph->nodes[n].kind == LION_JOIN_STAR && i < graph->nodes[n].part_count; i++) {
            const lion_join_part *part = &graph->nodes[n].parts[i];
            if (part->value == LION_JOIN_NONE || bit(part->value) != var || part->stats.attribute->is_in_avet) continue;
            uint32_t index = graph->todo->items[part->clause]->terms[2].index;
            double all = lion_stats_range_part(graph->scope, part->stats.db, part->stats.attribute, index);
            return all < 0 ? all : pow(all, 1.0 / fmax(1, comparisons_of(graph, var)));
        }
    return -1;
}

static double predicate_selects(const lion_join_graph *graph, const lion_clause *clause)
{
    bool is_equal = lion_slice_equal(clause->name, lion_slice_text("=")) || lion_slice_equal(clause->name, lion_slice_text("=="));
    if (is_comparison(clause->name) && is_range_read(graph, clause)) return 1;
    double sampled = is_comparison(clause->name) ? sampled_selects(graph, clause) : -1;
    if (sampled >= 0) return sampled;
    if (lion_slice_equal(clause->name, lion_slice_text("!=")) || lion_slice_equal(clause->name, lion_slice_text("not="))) return 0.95;
    return is_equal ? 0.05 : PREDICATE_SELECTS;
}

/* A function whose values no other clause asks for is done where the fewest rows are, as a mere fetch is. */
static bool is_asked_for(const lion_join_graph *graph, uint64_t vars)
{
    for (uint64_t left = vars; left != 0; left &= left - 1)
        if (graph->uses[__builtin_ctzll(left)] > 1 || (graph->feed & left & -left) != 0) return true;
    return false;
}

/* Rows of which a negation leaves this part, where its branch tells nothing. */
#define NOT_SELECTS 0.8
#define NOT_SELECTS_MIN 0.01

/* What a negation leaves of the rows, where its branch is one pattern on an entity that is bound: those that have no such datom. */
static double not_selects(const lion_join_graph *graph, const lion_clause *clause)
{
    const lion_clauses *branch = &clause->branches[0];
    const lion_clause *pattern = branch->count == 1 ? &branch->items[0] : NULL;
    if (pattern == NULL || pattern->kind != LION_CLAUSE_PATTERN || pattern->term_count < 2 || pattern->terms[0].kind != LION_TERM_VAR)
        return NOT_SELECTS;
    const lion_db *db = graph->scope->run->sources[pattern->source].db;
    bool is_bound = graph->numbers[pattern->terms[0].index] != LION_JOIN_NONE;
    if (db == NULL || !is_bound || lion_clause_attribute(db->schema, pattern) == NULL) return NOT_SELECTS;
    bool is_value_bound = pattern->term_count > 2 && pattern->terms[2].kind == LION_TERM_VAR && graph->numbers[pattern->terms[2].index] != LION_JOIN_NONE;
    lion_pattern_stats stats;
    lion_stats_pattern(&stats, graph->scope, pattern);
    if (is_value_bound || stats.has_e) return NOT_SELECTS;
    double entities = fmax(1, stats.distinct_e);
    for (uint32_t n = 0; n < graph->node_count; n++)
        if (graph->nodes[n].entity == graph->numbers[pattern->terms[0].index]) entities = fmax(entities, graph->nodes[n].domain);
    return fmax(NOT_SELECTS_MIN, 1 - fmin(1, stats.count / entities));
}

static bool add_rule(lion_join_graph *graph, uint32_t at, uint64_t needs)
{
    const lion_clause *clause = graph->todo->items[at];
    const lion_rule_stats *stats = lion_rules_stats(graph->scope->engine, clause->rule);
    if (stats == NULL || !add_single(graph, at, LION_JOIN_RULE, stats->rows, stats->rows, needs)) return false;
    lion_join_node *node = &graph->nodes[graph->node_count - 1];
    for (uint32_t i = 0; i < clause->term_count; i++) {
        uint8_t var = number_at(graph, clause, i);
        bool is_known = clause->terms[i].kind == LION_TERM_CONST || (var != LION_JOIN_NONE && (graph->known & bit(var)) != 0);
        node->has_constant = node->has_constant || is_known;
        if (is_known) node->rows /= stats->distinct[i];
        for (uint32_t k = 0; k < node->end_count; k++)
            if (node->ends[k].var == var) node->ends[k].distinct = fmin(node->ends[k].distinct, stats->distinct[i]);
    }
    for (uint32_t k = 0; k < node->end_count; k++) node->ends[k].distinct = fmax(1, fmin(node->ends[k].distinct, node->rows));
    return true;
}

static bool add_other(lion_join_graph *graph, uint32_t at)
{
    const lion_clause *clause = graph->todo->items[at];
    lion_scope *scope = graph->scope;
    uint64_t vars = graph->masks[at], needs = vars & graph->pending, args = var_terms(graph, clause);
    bool is_own = lion_function_named(clause->name) != NULL, is_scalar = clause->binding.kind == LION_BIND_SCALAR || clause->binding.kind == LION_BIND_TUPLE;
    switch (clause->kind) {
    case LION_CLAUSE_PATTERN: {
        const lion_source *source = &scope->run->sources[clause->source];
        if (source->db == NULL) {
            double rows = source->relation == NULL ? 0 : (double)source->relation->count;
            return add_single(graph, at, LION_JOIN_ROWS, rows, rows, needs);
        }
        lion_pattern_stats stats;
        lion_stats_pattern(&stats, scope, clause);
        return add_single(graph, at, LION_JOIN_PATTERN, stats.count, stats.distinct_e, needs);
    }
    case LION_PLAN_INPUT: {
        double rows = (double)scope->inputs[clause->rule].rows->count;
        return rows <= 1 || add_single(graph, at, LION_JOIN_ROWS, rows, rows, 0);
    }
    case LION_CLAUSE_PREDICATE: add_extra(graph, at, vars, 0, predicate_selects(graph, clause), !is_own); return true;
    case LION_CLAUSE_NOT: add_extra(graph, at, vars, 0, not_selects(graph, clause), true); return true;
    case LION_CLAUSE_FUNCTION:
        if (!is_scalar) return add_single(graph, at, LION_JOIN_FUNCTION, 5, 5, needs | args);
        add_extra(graph, at, args | needs, vars & ~args, 1, !is_asked_for(graph, vars & ~args));
        return true;
    case LION_CLAUSE_QUERY: {
        double rows = is_scalar ? 1 : 50;
        return add_single(graph, at, LION_JOIN_QUERY, rows, rows, needs | args);
    }
    case LION_CLAUSE_OR: {
        double rows = or_rows(graph, clause);
        return is_ready_alone(graph, clause) && add_single(graph, at, LION_JOIN_OR, rows, rows, needs);
    }
    default: return is_ready_alone(graph, clause) && add_rule(graph, at, needs);
    }
}

/* A look-up takes values as the attribute's type has them, a hash join takes them as they are. */
static void find_typed(lion_join_graph *graph)
{
    uint8_t types[LION_JOIN_VARS_MAX] = { 0 };
    uint64_t seen = 0, mixed = graph->feed;
    for (uint32_t i = 0; i < graph->extra_count; i++)
        if (!graph->extras[i].is_late) mixed |= graph->extras[i].adds;
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = 0; i < graph->nodes[n].end_count; i++) {
            const lion_join_end *end = &graph->nodes[n].ends[i];
            bool is_other = (seen & bit(end->var)) != 0 && types[end->var] != end->type;
            if (is_other || end->type == LION_TYPE_NIL || end->type == LION_TYPE_TUPLE) mixed |= bit(end->var);
            types[end->var] = end->type;
            seen |= bit(end->var);
        }
    graph->typed = seen & ~mixed;
    for (uint32_t var = 0; var < graph->var_count; var++)
        if (types[var] == LION_TYPE_REF || types[var] == LION_TYPE_LONG) graph->whole |= graph->typed & bit(var);
}

bool lion_join_graph_make(lion_join_graph *graph, lion_scope *scope, const lion_todo *todo, const lion_operator *operator,
                          const uint8_t *needed)
{
    lion_arena *arena = &scope->run->arena;
    *graph = (lion_join_graph){ .scope = scope, .todo = todo, .feed_rows = fmax(1, operator->rows_estimated), .ignores_room = graph->ignores_room };
    if (!number_vars(graph, operator, needed)) return false;
    graph->nodes = lion_arena_array(arena, lion_join_node, LION_JOIN_NODES_MAX);
    graph->extras = lion_arena_array(arena, lion_join_extra, todo->count + 1);
    uint8_t *is_taken = lion_arena_zalloc(arena, todo->count + 1);
    graph->inputs = lion_arena_array(arena, uint32_t, todo->count + 1);
    if (arena->is_exhausted || !lion_join_cores_find(graph)) return false;
    read_inputs(graph);
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && !is_taken[i] && is_star_part(graph, todo->items[i]) && !add_star(graph, i, is_taken)) return false;
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && !is_taken[i] && !add_other(graph, i)) return false;
    for (uint32_t n = 0; n < graph->node_count; n++) graph->nodes[n].uses_feed = (graph->nodes[n].vars & graph->feed) != 0;
    find_typed(graph);
    lion_join_cores_finish(graph);
    return !arena->is_exhausted;
}
