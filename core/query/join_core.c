/* join_core.c - cores of the join graph: the patterns of a cycle as one step of a plan, and what that costs.
 *
 * The values of a variable are found by walking the shortest of the lists that lead to it, and looking for each value in the others. So a
 * variable costs as many steps as there would be rows with one of its patterns, and leaves as many as there are with all. */
#include <math.h>

#include "query/order.h"

/* Nanoseconds, as in join_search.c. */
#define REFERENCE_NS 25.0      /* a reference read into arrays */
#define BEGIN_NS 20000.0       /* what is set up, once */
#define WALK_NS 2.0            /* a number of a list */
#define VALUE_NS 12.0          /* a variable that gets a value, and goes on to the next */
#define ROW_NS 20.0            /* a row made */

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- which ---- */

static uint32_t find_cycles(lion_cycle *cycles_out, lion_join_graph *graph)
{
    uint32_t count = lion_cycles_find(cycles_out, graph->scope, graph->todo), kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!cycles_out[i].lacks_room || graph->ignores_room) cycles_out[kept++] = cycles_out[i];
        else graph->lacks_room = true;
    }
    return kept;
}

bool lion_join_cores_find(lion_join_graph *graph)
{
    lion_arena *arena = &graph->scope->run->arena;
    const lion_todo *todo = graph->todo;
    lion_cycle found[LION_CYCLES_MAX];
    graph->cycle_of = lion_arena_alloc(arena, todo->count + 1);
    if (arena->is_exhausted) return false;
    memset(graph->cycle_of, LION_JOIN_NONE, todo->count + 1);
    graph->core_count = find_cycles(found, graph);
    if (graph->core_count == 0) return true;
    graph->cores = lion_arena_zalloc(arena, sizeof(lion_join_core) * graph->core_count);
    lion_cycle *cycles = lion_arena_array(arena, lion_cycle, graph->core_count);
    if (arena->is_exhausted) return false;
    memcpy(cycles, found, sizeof(lion_cycle) * graph->core_count);
    for (uint32_t i = 0; i < graph->core_count; i++) {
        graph->cores[i].cycle = &cycles[i];
        graph->cores[i].references = lion_cycle_references(&cycles[i], graph->scope->run);
        for (uint32_t k = 0; k < cycles[i].edge_count; k++) graph->cycle_of[cycles[i].edges[k].at] = (uint8_t)i;
    }
    return !arena->is_exhausted;
}

void lion_join_cores_finish(lion_join_graph *graph)
{
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const lion_join_node *node = &graph->nodes[n];
        uint8_t at = node->part_count == 0 ? LION_JOIN_NONE : graph->cycle_of[node->parts[0].clause];
        if (at == LION_JOIN_NONE) continue;
        lion_join_core *core = &graph->cores[at];
        core->set = core->all |= bit(n);
        core->vars |= node->vars;
        core->needs |= node->needs;
        core->uses_feed = core->uses_feed || node->uses_feed;
    }
}

/* ---- what it costs ---- */

/* A number of a set, found by its entity. */
#define NUMBER_NS 40.0

typedef struct costing {
    const lion_join_graph *graph;
    const lion_join_core *core;
    uint64_t left;             /* nodes */
    uint64_t set;              /* … and those of the core so far */
    uint64_t placed;           /* variables that have a value */
    double factor;             /* how many of the rows of a set there are, as some of left's went */
} costing;

/* All rows of a set of nodes. */
static double rows_of(const costing *self, uint64_t set)
{
    const lion_join_graph *graph = self->graph;
    lion_join_plan plan = { .set = set, .bound = graph->known | graph->feed };
    if (set == 0) return 1;
    for (uint64_t left = set; left != 0; left &= left - 1) plan.bound |= graph->nodes[__builtin_ctzll(left)].vars;
    plan.bound = lion_join_closure(graph, plan.bound);
    lion_join_count(&plan, graph);
    return plan.all * self->factor;
}

static const lion_join_restriction *restriction_of(const lion_join_core *core, uint64_t var)
{
    for (uint32_t i = 0; i < core->restriction_count; i++)
        if (bit(core->restrictions[i].var) == var) return &core->restrictions[i];
    return NULL;
}

/* Entities that a variable which nothing leads to has. */
static double domain_of(const costing *self, uint64_t var)
{
    double most = 1;
    const lion_join_restriction *restriction = restriction_of(self->core, var);
    if (restriction != NULL) return fmax(1, restriction->plan->rows);
    for (uint64_t left = self->core->set; left != 0; left &= left - 1) {
        const lion_join_node *node = &self->graph->nodes[__builtin_ctzll(left)];
        for (uint32_t i = 0; i < node->end_count; i++)
            if (bit(node->ends[i].var) == var) most = fmax(most, node->ends[i].distinct);
    }
    return most;
}

/* The variable gets its values. */
static double place(costing *self, uint64_t var, double *rows)
{
    const lion_join_restriction *restriction = restriction_of(self->core, var);
    uint64_t closed = 0;
    double walked = restriction == NULL ? INFINITY : fmax(*rows, 1) * fmax(1, restriction->plan->rows);
    for (uint64_t left = self->core->set & ~self->set; left != 0; left &= left - 1) {
        uint64_t one = left & -left, vars = self->graph->nodes[__builtin_ctzll(left)].vars & self->core->vars;
        if ((vars & var) == 0 || (vars & ~(self->placed | var)) != 0) continue;
        closed |= one;
        walked = fmin(walked, rows_of(self, self->set | one));
    }
    self->placed |= var;
    if (restriction != NULL) self->set |= restriction->plan->set;
    if (closed == 0) {
        double values = domain_of(self, var);
        *rows = fmax(*rows, 1) * values;
        return *rows * WALK_NS;
    }
    double cost = fmax(*rows, 1) * VALUE_NS + walked * WALK_NS;
    self->set |= closed;
    *rows = rows_of(self, self->set);
    return cost;
}

/* Patterns all of whose variables have values before. */
static void close_bound(costing *self)
{
    for (uint64_t left = self->core->set; left != 0; left &= left - 1) {
        uint64_t vars = self->graph->nodes[__builtin_ctzll(left)].vars & self->core->vars;
        if ((vars & ~self->placed) == 0) self->set |= left & -left;
    }
}

double lion_join_core_cost(const lion_join_graph *graph, const lion_join_core *core, const lion_join_plan *left, double rows, double all)
{
    const lion_scope *scope = graph->scope;
    uint64_t bound = graph->known | graph->feed | (left == NULL ? 0 : left->bound);
    costing self = { .graph = graph, .core = core, .factor = 1, .placed = bound };
    if (left != NULL) self.left = self.set = left->set;
    if (left != NULL && left->all > 0) self.factor = left->rows / left->all;
    uint8_t is_bound[scope->capacity + 1], keep[scope->capacity + 1];
    double values[scope->capacity + 1], cost = BEGIN_NS + core->references * REFERENCE_NS + all * ROW_NS, reached = rows;
    uint64_t live = lion_join_live(graph, self.left | core->all, bound | core->vars);
    for (uint32_t i = 0; i < core->restriction_count; i++)
        cost += core->restrictions[i].plan->cost_ns + core->restrictions[i].plan->rows * NUMBER_NS;
    for (uint32_t i = 0; i < scope->capacity; i++) {
        uint8_t number = graph->numbers[i];
        const lion_join_restriction *restriction = number == LION_JOIN_NONE ? NULL : restriction_of(core, bit(number));
        values[i] = restriction == NULL ? INFINITY : restriction->plan->rows;
        is_bound[i] = number != LION_JOIN_NONE && (bound & bit(number)) != 0;
        keep[i] = number != LION_JOIN_NONE && (live & bit(number)) != 0;
    }
    uint32_t vars[LION_CYCLE_VARS_MAX], count = lion_cycle_order(vars, core->cycle, is_bound, keep, values);
    close_bound(&self);
    for (uint32_t i = 0; i < count; i++) cost += place(&self, bit(graph->numbers[vars[i]]), &reached);
    return cost;
}
