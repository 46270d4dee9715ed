/* join_rows.c - how many rows a set of nodes leaves, and how many different ones, once variables that nothing asks for any more are gone. */
#include <math.h>

#include "query/order.h"

static uint64_t bit(uint32_t var)
{
    return UINT64_C(1) << var;
}

uint64_t lion_join_closure(const lion_join_graph *graph, uint64_t bound)
{
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t i = 0; i < graph->extra_count; i++) {
            const lion_join_extra *extra = &graph->extras[i];
            if (extra->is_late || (extra->needs & ~bound) != 0 || (extra->adds & ~bound) == 0) continue;
            bound |= extra->adds;
            grows = true;
        }
    }
    return bound;
}

/* ---- different rows ---- */

/* Fewer rows are not worth looking whether some are the same (plan.c). */
#define MADE_MIN 32

uint64_t lion_join_live(const lion_join_graph *graph, uint64_t set, uint64_t bound)
{
    uint64_t live = graph->wanted;
    for (uint32_t n = 0; n < graph->node_count; n++)
        if ((set & bit(n)) == 0) live |= graph->nodes[n].vars | graph->nodes[n].needs;
    for (uint32_t i = 0; i < graph->extra_count; i++) {
        const lion_join_extra *extra = &graph->extras[i];
        if (extra->is_late || (extra->needs & ~bound) != 0) live |= extra->needs;
    }
    return live & bound & ~graph->known;
}

/* Everything that these variables determine: values of an entity, where an attribute has one, and a function's. */
static uint64_t told_by(const lion_join_graph *graph, uint64_t set, uint64_t vars)
{
    for (bool grows = true; grows;) {
        grows = false;
        for (uint64_t left = set; left != 0; left &= left - 1) {
            const lion_join_node *node = &graph->nodes[__builtin_ctzll(left)];
            if (node->entity == LION_JOIN_NONE || (vars & bit(node->entity)) == 0 || (node->tells & ~vars) == 0) continue;
            vars |= node->tells;
            grows = true;
        }
    }
    return lion_join_closure(graph, vars | graph->known);
}

/* At most so many different rows of the live variables there can be: the product of the distinct values of those that no other
 * one determines, entities first. fewest: how many values a variable has in the node that leaves it the fewest. */
static double different(const lion_join_graph *graph, uint64_t set, uint64_t live, const double *fewest, bool uses_feed)
{
    uint64_t entities = 0, told = uses_feed ? told_by(graph, set, graph->feed) : 0;
    double rows = uses_feed ? graph->feed_rows : 1;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        const lion_join_node *node = &graph->nodes[__builtin_ctzll(left)];
        if (node->entity != LION_JOIN_NONE) entities |= bit(node->entity);
    }
    for (uint32_t pass = 0; pass < 2; pass++)
        for (uint64_t left = live & (pass == 0 ? entities : ~entities); left != 0; left &= left - 1) {
            uint32_t var = (uint32_t)__builtin_ctzll(left);
            if ((told & bit(var)) != 0) continue;
            rows *= fewest[var]; /* of a variable that no node binds: infinitely many */
            told = told_by(graph, set, told | bit(var));
        }
    return rows;
}

static double corrections_of(const lion_join_graph *graph, uint64_t set)
{
    double factor = 1;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        uint32_t one = (uint32_t)__builtin_ctzll(left);
        for (uint64_t others = left & (left - 1); others != 0; others &= others - 1)
            factor *= graph->corrections[one][__builtin_ctzll(others)];
    }
    return factor;
}

void lion_join_count(lion_join_plan *plan, const lion_join_graph *graph)
{
    uint64_t set = plan->set, bound = plan->bound;
    double rows = 1, product[LION_JOIN_VARS_MAX], least[LION_JOIN_VARS_MAX], fewest[LION_JOIN_VARS_MAX];
    uint64_t seen = graph->feed;
    bool uses_feed = false;
    for (uint32_t i = 0; i < graph->extra_count; i++) { /* a function's value is one per row */
        const lion_join_extra *extra = &graph->extras[i];
        if (!extra->is_late && (extra->needs & ~bound) == 0) seen |= extra->adds;
        if (!extra->is_late && (extra->needs & ~bound) == 0) rows *= extra->selects;
    }
    for (uint32_t var = 0; var < graph->var_count; var++) product[var] = least[var] = 1, fewest[var] = INFINITY;
    for (uint64_t left = set; left != 0; left &= left - 1) {
        const lion_join_node *node = &graph->nodes[__builtin_ctzll(left)];
        rows *= node->rows;
        uses_feed = uses_feed || node->uses_feed;
        for (uint32_t i = 0; i < node->end_count; i++) {
            uint8_t var = node->ends[i].var;
            double distinct = node->ends[i].distinct;
            product[var] *= distinct;
            fewest[var] = fmin(fewest[var], fmax(1, fmin(distinct, node->rows)));
            least[var] = (seen & bit(var)) != 0 ? fmin(least[var], distinct) : distinct;
            seen |= bit(var);
        }
    }
    for (uint32_t var = 0; var < graph->var_count; var++) rows *= least[var] / product[var];
    if (uses_feed) rows *= graph->feed_rows;
    if (graph->corrections != NULL) rows *= corrections_of(graph, set);
    plan->even = rows;
    plan->ways = lion_join_ways_all(graph, set);
    plan->all = plan->rows = rows * lion_join_met(graph, &plan->ways);
    plan->drops = false;
    plan->live = lion_join_live(graph, set, bound);
    if (plan->all < MADE_MIN) return;
    uint64_t live = plan->live;
    plan->drops = (bound & ~live & ~graph->known & ~graph->feed) != 0;
    if (plan->drops) plan->ways = lion_join_ways_of(graph, set, live);
    plan->rows = fmin(plan->even * lion_join_met(graph, &plan->ways), different(graph, set, live, fewest, uses_feed));
}
