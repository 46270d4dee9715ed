/* join_cost.c - what it costs to read a node, to probe it for each row of a plan, to hash, to merge, and to make rows distinct. */
#include <math.h>

#include "query/join_search.h"

/* Nanoseconds, of bench/query on the machine it names; what matters is how they compare. */
#define SCAN_NS 30.0           /* a row read in order */
#define ROW_NS 20.0            /* a row made */
#define FACT_NS 60.0           /* a value of an entity, cardinality one */
#define FACT_FIRST_NS 300.0    /* … the first of them, before the attribute's leaves stay open */
#define FACT_FIRST_COUNT 16.0
#define PROBE_NS 450.0         /* a look-up in an index with any number of rows */
#define BUILD_NS 90.0          /* a row into a hash table */
#define HASH_NS 70.0           /* a row looked up there */
#define MERGE_NS 5.0           /* a row of either side, walked past … */
#define MERGE_ROW_NS 5.0       /* … and a row made of two that meet: columns are copied side by side */
#define DISTINCT_NS 100.0      /* a row that is there already, or not */
#define CALL_NS 250.0          /* a row through a function that yields rows, or an or */
#define SEARCH_NS 1500.0       /* a row through a rule */
#define UNBOUND_TIMES 10.0     /* all that a rule holds of may be far more than its branches tell */
#define QUERY_NS 20000.0       /* a row through a nested query */
#define HASH_AFTER_PART 0.25   /* a pattern is hashed once it was probed for this part of its rows (op_pattern.c) */
#define FORBIDDEN_NS 1e15     /* what is not to be */

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* Values of entities that are known. */
static double part_cost(const lion_join_part *part, double rows)
{
    bool is_one = part->stats.attribute != NULL && !part->stats.attribute->is_many;
    double first = fmin(rows, FACT_FIRST_COUNT), total = part->stats.total;
    if (is_one) return first * FACT_FIRST_NS + (rows - first) * FACT_NS;
    double probes = rows * PROBE_NS + rows * part->each * ROW_NS;
    double hashed = total * HASH_AFTER_PART * PROBE_NS + total * (SCAN_NS + BUILD_NS) + rows * HASH_NS;
    return fmin(probes, hashed);
}

static double parts_cost(const lion_join_node *node, uint32_t done, double rows)
{
    double cost = 0;
    for (uint32_t i = 0; i < node->part_count; i++) {
        if (i == done) continue;
        cost += part_cost(&node->parts[i], rows);
        rows *= node->parts[i].each;
    }
    return cost + rows * ROW_NS;
}

/* A star probed for each of the rows; factor: how many times as many datoms they meet there as on average. */
static double star_cost(const lion_join_graph *graph, const lion_join_node *node, double rows, uint64_t bound, double factor)
{
    uint32_t entry = lion_join_entry(graph, node, bound);
    if (entry == node->part_count) return parts_cost(node, entry, rows);
    const lion_join_part *part = &node->parts[entry];
    const lion_pattern_stats *stats = &part->stats;
    bool is_bound = part->value != LION_JOIN_NONE && ((bound | graph->known | graph->feed) & bit(part->value)) != 0;
    bool has_index = stats->attribute != NULL && stats->attribute->is_in_avet;
    double read = stats->has_v && !has_index ? stats->total : stats->count;
    if (!is_bound) return rows * (PROBE_NS + read * SCAN_NS) + parts_cost(node, entry, rows * stats->count);
    double each = stats->has_v ? stats->count : factor * stats->count / stats->distinct_v;
    double probes = rows * (has_index ? PROBE_NS : stats->total * SCAN_NS) + rows * each * ROW_NS;
    double hashed = HASH_AFTER_PART * stats->total * (has_index ? PROBE_NS : stats->total * SCAN_NS) + stats->total * (SCAN_NS + BUILD_NS) +
                    rows * (HASH_NS + each * ROW_NS);
    return fmin(probes, hashed) + parts_cost(node, entry, rows * each);
}

/* A node that stands first. */
static double alone_cost(const lion_join_node *node)
{
    if (node->kind == LION_JOIN_PATTERN) return PROBE_NS + node->parts[0].stats.total * SCAN_NS;
    if (node->kind == LION_JOIN_ROWS) return node->rows * ROW_NS;
    if (node->kind == LION_JOIN_RULE && !node->has_constant) return SEARCH_NS + node->rows * CALL_NS * UNBOUND_TIMES;
    return SEARCH_NS + node->rows * CALL_NS;
}

/* Is the node a pattern that has to be joined with others at once? */
static bool is_forced(const lion_join_graph *graph, const lion_join_node *node)
{
    bool is_in_core = node->part_count > 0 && graph->cycle_of[node->parts[0].clause] != LION_JOIN_NONE;
    return is_in_core && lion_run_forces(graph->scope->run, LION_PLAN_MULTIWAY_JOIN);
}

double lion_join_probe_cost(const lion_join_graph *graph, const lion_join_node *node, double rows, uint64_t bound, double rows_out,
                            double factor)
{
    bool is_bound = (node->vars & (bound | graph->known | graph->feed)) != 0 || node->has_constant;
    if (is_forced(graph, node)) return FORBIDDEN_NS;
    if (node->kind == LION_JOIN_STAR) return star_cost(graph, node, rows, bound, factor);
    if (node->kind == LION_JOIN_ROWS && is_bound) return node->rows * BUILD_NS + rows * HASH_NS + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_QUERY) return rows * QUERY_NS + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_FUNCTION) return rows * CALL_NS + rows_out * ROW_NS;
    if (!is_bound) return rows * alone_cost(node) + rows_out * ROW_NS;
    if (node->kind == LION_JOIN_PATTERN) return rows * PROBE_NS + rows_out * ROW_NS;
    return rows * (node->kind == LION_JOIN_RULE ? SEARCH_NS : 2 * CALL_NS) + rows_out * ROW_NS;
}

uint32_t lion_join_entry(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound)
{
    uint32_t best = node->part_count;
    double least = INFINITY;
    uint64_t given = graph->known | graph->feed | bound;
    if ((given & bit(node->entity)) != 0) return node->part_count;
    if (graph->scope->run->dice != 0) return lion_plan_dice(graph->scope->run, node->part_count);
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_pattern_stats *stats = &node->parts[i].stats;
        bool is_bound = !stats->has_v && node->parts[i].value != LION_JOIN_NONE && (given & bit(node->parts[i].value)) != 0;
        double rows = is_bound ? stats->count / stats->distinct_v : stats->count;
        if (is_bound && stats->attribute != NULL && !stats->attribute->is_in_avet) rows = stats->total;
        if (rows >= least && best != node->part_count) continue;
        least = rows;
        best = i;
    }
    return best;
}

/* A star that stands first and begins with this part. */
double lion_join_scan_cost(const lion_join_node *node, uint32_t entry)
{
    double read = node->parts[entry].stats.count;
    return PROBE_NS + read * SCAN_NS + parts_cost(node, entry, read);
}

double lion_join_merge_cost(const lion_join_plan *left, const lion_join_plan *right, double made)
{
    return (left->rows + right->rows) * MERGE_NS + made * MERGE_ROW_NS;
}

/* Rows that are there already are found by a hash. */
double lion_join_distinct_cost(double made, bool drops)
{
    return drops ? made * DISTINCT_NS : 0;
}

bool lion_join_is_free(const lion_join_graph *graph, uint64_t set)
{
    for (uint64_t left = set; left != 0; left &= left - 1)
        if (graph->nodes[__builtin_ctzll(left)].uses_feed) return false;
    return true;
}

/* May the right be hashed? It stands by itself, and what both have is of one type. */
bool lion_join_can_hash(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    return lion_join_is_free(graph, right->set) && (left->bound & right->bound & ~(graph->known | graph->feed | graph->typed)) == 0;
}

bool lion_join_is_semi(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    return shared != 0 && (right->live & ~left->bound) == 0 && lion_run_allows(graph->scope->run, LION_PLAN_SEMI_JOIN);
}

/* The right is hashed for the left, or is a set of keys. */
double lion_join_hash_cost(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right, double made)
{
    uint64_t shared = left->bound & right->bound & ~graph->known;
    bool is_semi = lion_join_is_semi(graph, left, right);
    bool is_bits = (shared & ~graph->whole) == 0 && (shared & (shared - 1)) == 0;
    if (!is_semi) return right->rows * BUILD_NS + left->rows * HASH_NS + made * ROW_NS;
    if (is_bits) return right->rows * LION_SET_NS + left->rows * LION_TEST_NS;
    return right->rows * LION_SET_ROW_NS + left->rows * LION_TEST_ROW_NS;
}
