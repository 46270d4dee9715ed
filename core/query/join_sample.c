/* join_sample.c - what the numbers of single attributes cannot tell: whether a star's filters go together, and how many
 * of a link's ends are what the star at its other end wants.
 *
 * Entities of a star are drawn through the index of its most selective part, and its other parts are looked up for each. Those
 * that pass are followed along the star's links: forward, to the entity that the value names, whose filters are looked up in
 * turn; or, where the other star is the smaller one, back to how many datoms name it; and tried in the branches of not and or. What
 * is found, over what was expected, corrects the rows of the star or of the pair. Nothing here decides what is right. */
#include <math.h>

#include "base/clock.h"
#include "index/view_parts.h"
#include "query/order.h"

#define DRAWN_MAX 48
/* The time given is spent as so many look-ups, so that the plan does not depend on how busy the machine is; the clock ends it only where
 * pages come from a slow disk. */
#define LOOK_NS 1000
#define LATE_NS 50000000
/* A correction is no more than this, either way. */
#define CORRECTION_MAX 1e4

typedef struct drawn {
    uint32_t node;
    int64_t ids[DRAWN_MAX];
    uint32_t count;            /* drawn */
    uint32_t passed;           /* the first so many of ids pass all parts */
} drawn;

typedef struct sample {
    lion_join_graph *graph;
    lion_arena *arena;
    int64_t deadline_ns;
    int64_t looks;             /* left */
    drawn *stars[LION_JOIN_NODES_MAX]; /* NULL: nothing was drawn */
} sample;

static bool is_late(const sample *self)
{
    return self->looks <= 0 || lion_clock_monotonic_ns() > self->deadline_ns;
}

static const lion_clause *clause_of(const sample *self, const lion_join_part *part)
{
    return self->graph->todo->items[part->clause];
}

/* ---- one entity ---- */

/* The value that the part demands; false: it demands none. */
static bool demanded_value(lion_value *value_out, const sample *self, const lion_pattern_stats *stats, const lion_clause *clause)
{
    const lion_term *term = &clause->terms[2];
    lion_form form;
    if (!stats->has_v) return false;
    if (term->kind == LION_TERM_CONST) form = *term->constant;
    else form = lion_form_value(*self->graph->scope->known[term->index]);
    return lion_db_value(value_out, stats->db, stats->attribute, &form, self->arena, NULL) == LION_OK;
}

static bool is_in_range(const sample *self, const lion_join_part *part, lion_value value)
{
    lion_index_range range;
    double count;
    if (!lion_ranges_count(&range, &count, self->graph->scope, part->stats.db, part->stats.attribute, clause_of(self, part)->terms[2].index))
        return true;
    return (!range.has_low || lion_value_compare(value, range.low) >= 0) && (!range.has_end || lion_value_compare(value, range.end) < 0);
}

static bool passes(sample *self, const lion_join_part *part, int64_t e)
{
    const lion_view *view = &part->stats.db->view;
    uint32_t a = part->stats.attribute->id;
    lion_value value;
    int64_t tx;
    self->looks--;
    if (part->stats.has_v) return demanded_value(&value, self, &part->stats, clause_of(self, part)) && lion_view_has(&tx, view, e, a, value, self->arena, NULL) == LION_OK;
    if (lion_view_get(&value, &tx, view, e, a, self->arena, NULL) != LION_OK) return false;
    return !part->stats.has_range || is_in_range(self, part, value);
}

static bool is_filter(const lion_join_part *part)
{
    return part->stats.has_v || part->stats.has_range || part->each < 0.9;
}

static bool passes_all(sample *self, const lion_join_node *node, uint32_t but, int64_t e)
{
    for (uint32_t i = 0; i < node->part_count; i++)
        if (i != but && is_filter(&node->parts[i]) && !passes(self, &node->parts[i], e)) return false;
    return true;
}

/* ---- drawing ---- */

static bool read_ids(sample *self, drawn *star, const lion_pattern_stats *stats, const lion_key *key, lion_index index,
                     const lion_cursor_options *options)
{
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    if (lion_cursor_open(&cursor, &stats->db->view, index, key, options, self->arena, NULL) != LION_OK) return false;
    if (lion_cursor_next(cursor, &batch, NULL) != LION_OK) return false;
    uint32_t wanted = batch.count < DRAWN_MAX ? batch.count : DRAWN_MAX;
    for (uint32_t i = 0; i < wanted; i++) star->ids[i] = batch.e[(uint64_t)i * batch.count / wanted];
    star->count = wanted;
    return true;
}

/* Instead, one from the middle of each of so many parts between the first and the last entity. Not the first itself: what came first
 * is often what most refer to. */
static void spread(sample *self, drawn *star, const lion_pattern_stats *stats, lion_key key, lion_index index, lion_cursor_options options)
{
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_cursor_options back = options;
    back.is_reverse = true;
    back.batch_rows = options.batch_rows = 1;
    if (lion_cursor_open(&cursor, &stats->db->view, index, &key, &back, self->arena, NULL) != LION_OK) return;
    if (lion_cursor_next(cursor, &batch, NULL) != LION_OK) return;
    int64_t first = star->ids[0], last = batch.e[0];
    options.is_seek = options.is_in_attribute = true;
    key.parts++;
    for (uint32_t i = 0; i < DRAWN_MAX; i++) {
        key.datom.e = first + (int64_t)((double)(last - first) * (i + 0.5) / DRAWN_MAX);
        bool is_there = i == 0 ? lion_cursor_open(&cursor, &stats->db->view, index, &key, &options, self->arena, NULL) == LION_OK
                               : lion_cursor_seek(cursor, &key, NULL) == LION_OK;
        if (!is_there) return;
        if (lion_cursor_next(cursor, &batch, NULL) != LION_OK) return;
        self->looks--;
        star->ids[i] = batch.e[0];
        star->count = i + 1;
    }
}

/* … of a range: one of each of so many stretches of equally many datoms, as far as the tree has them. Its first values alone may be those
 * of entities that came first. */
static void spread_range(sample *self, drawn *star, const lion_pattern_stats *stats, const lion_index_range *range)
{
    const lion_view *view = &stats->db->view;
    const lion_tree *tree = lion_view_tree(view, LION_AVET, stats->attribute->id, false);
    lion_key low = { .datom = { .a = stats->attribute->id, .v = range->low }, .parts = 2 };
    lion_key end = { .datom = { .a = stats->attribute->id, .v = range->end }, .parts = 2 };
    uint64_t from = 0, to = tree == NULL ? 0 : tree->count;
    if (tree == NULL || (double)tree->count < stats->total / 2) return;
    if (range->has_low && lion_tree_rank(&from, tree, view->root->snapshot, &low, false, NULL) != LION_OK) return;
    if (range->has_end && lion_tree_rank(&to, tree, view->root->snapshot, &end, false, NULL) != LION_OK) return;
    for (uint32_t i = 0; i < DRAWN_MAX && to > from; i++) {
        lion_datom datom;
        if (lion_tree_select(&datom, tree, view->root->snapshot, from + (2 * i + 1) * (to - from) / (2 * DRAWN_MAX), NULL) != LION_OK) return;
        self->looks--;
        star->ids[i] = datom.e;
        star->count = i + 1;
    }
}

/* A range that holds less of an attribute is drawn from by itself. */
#define RANGE_PART 0.25

/* Entities that the pattern has, or, of a range that holds much of the attribute, those that the attribute has. Of how many they stand
 * for the whole. */
static double draw(sample *self, drawn *star, const lion_pattern_stats *stats, const lion_clause *clause)
{
    bool is_small = stats->has_range && stats->count < stats->total * RANGE_PART;
    lion_cursor_options options = { .columns = LION_COLUMN_E, .batch_rows = DRAWN_MAX * 2 };
    lion_key key = { .datom = { .a = stats->attribute->id }, .parts = 1 };
    lion_index index = LION_AEVT;
    lion_index_range range;
    double count;
    if (stats->has_v && stats->attribute->is_in_avet) {
        if (!demanded_value(&key.datom.v, self, stats, clause)) return stats->count;
        key.parts = 2;
        index = LION_AVET;
    } else if (is_small &&
               lion_ranges_count(&range, &count, self->graph->scope, stats->db, stats->attribute, clause->terms[2].index)) {
        options.is_seek = options.is_in_attribute = true;
        options.end_v = range.has_end ? &range.end : NULL;
        key.datom.v = range.low;
        key.parts = range.has_low ? 2 : 1;
        if (read_ids(self, star, stats, &key, LION_AVET, &options) && stats->count > DRAWN_MAX * 2) spread_range(self, star, stats, &range);
        return stats->count;
    }
    if (read_ids(self, star, stats, &key, index, &options) && stats->count > DRAWN_MAX * 2) spread(self, star, stats, key, index, options);
    return stats->has_range ? stats->total : stats->count;
}

static double corrected(double found, double expected)
{
    double factor = found / fmax(expected, 1e-9);
    return fmin(fmax(factor, 1 / CORRECTION_MAX), CORRECTION_MAX);
}

static void sample_star(sample *self, uint32_t n)
{
    lion_join_node *node = &self->graph->nodes[n];
    drawn *star = self->stars[n] = lion_arena_new(self->arena, drawn);
    uint32_t by = 0, filters = 0;
    if (self->arena->is_exhausted) return;
    for (uint32_t i = 0; i < node->part_count; i++) {
        if (node->parts[i].stats.count < node->parts[by].stats.count) by = i;
        filters += is_filter(&node->parts[i]);
    }
    double drawn_from = draw(self, star, &node->parts[by].stats, clause_of(self, &node->parts[by]));
    uint32_t passed = drawn_from > node->parts[by].stats.count ? UINT32_MAX : by;
    for (uint32_t i = 0; i < star->count && !is_late(self); i++) {
        int64_t e = star->ids[i];
        if (!passes_all(self, node, passed, e)) continue;
        star->ids[i] = star->ids[star->passed];
        star->ids[star->passed++] = e;
    }
    if (star->count == 0 || filters < 2 || is_late(self)) return;
    double expected = node->rows / fmax(1, drawn_from);
    double found = (star->passed + (star->passed == 0 ? 0.5 : 0)) / star->count;
    node->rows *= corrected(found, fmin(expected, 1));
}

/* ---- links ---- */

static const lion_join_node *star_of(const lion_join_graph *graph, uint8_t var, uint32_t *n_out)
{
    for (uint32_t n = 0; n < graph->node_count; n++)
        if (graph->nodes[n].kind == LION_JOIN_STAR && graph->nodes[n].entity == var) {
            *n_out = n;
            return &graph->nodes[n];
        }
    return NULL;
}

static bool has_filter(const lion_join_node *node)
{
    for (uint32_t i = 0; i < node->part_count; i++)
        if (is_filter(&node->parts[i])) return true;
    return false;
}

static double passing_part(const lion_join_part *link, const lion_join_node *to)
{
    return fmin(1, to->rows / fmax(1, fmax(to->domain, link->stats.distinct_v)));
}

/* So many of those that are drawn are to pass. */
#define PASSING_MIN 4

/* From all of a link's datoms, one of each of so many stretches of its values, to what they name: do they pass? So those that are named
 * often count as often. */
static double forward_by_rank(sample *self, const lion_join_part *link, const lion_join_node *to)
{
    const lion_view *view = &link->stats.db->view;
    const lion_tree *tree = lion_view_tree(view, LION_AVET, link->stats.attribute->id, false);
    if (tree == NULL || tree->count < DRAWN_MAX || (double)tree->count < link->stats.total / 2) return 1;
    int64_t before = 0;
    uint32_t met = 0, passed = 0;
    bool passes_again = false;
    for (; met < DRAWN_MAX && !is_late(self); met++) {
        lion_datom datom;
        if (lion_tree_select(&datom, tree, view->root->snapshot, (2 * met + 1) * tree->count / (2 * DRAWN_MAX), NULL) != LION_OK) return 1;
        if (met == 0 || datom.v.bits != before) passes_again = passes_all(self, to, UINT32_MAX, datom.v.bits);
        before = datom.v.bits;
        passed += passes_again;
    }
    return met < DRAWN_MAX ? 1 : corrected(fmax(passed, 0.5) / met, passing_part(link, to));
}

/* From the star's entities to those that its values name: do they pass? */
static double forward(sample *self, const drawn *from, const lion_join_part *link, const lion_join_node *to)
{
    uint32_t met = 0, passed = 0;
    for (uint32_t i = 0; i < from->passed && !is_late(self); i++) {
        lion_value value;
        int64_t tx;
        self->looks--;
        if (lion_view_get(&value, &tx, &link->stats.db->view, from->ids[i], link->stats.attribute->id, self->arena, NULL) != LION_OK) continue;
        met++;
        passed += passes_all(self, to, UINT32_MAX, value.bits);
    }
    return met < 4 ? 1 : corrected(fmax(passed, 0.5) / met, passing_part(link, to));
}

/* From the other star's entities back: how many datoms name each? */
static double backward(sample *self, const drawn *from, const lion_join_part *link, const lion_join_node *named)
{
    double sum = 0;
    uint32_t met = 0;
    for (uint32_t i = 0; i < from->passed && !is_late(self); i++) {
        lion_key key = { .datom = { .a = link->stats.attribute->id, .v = lion_value_ref(from->ids[i]) }, .parts = 2 };
        uint64_t count = 0;
        self->looks--;
        if (lion_view_estimate(&count, &link->stats.db->view, LION_AVET, &key, NULL) != LION_OK) return 1;
        sum += (double)count;
        met++;
    }
    double expected = link->stats.total / fmax(1, fmax(named->domain, link->stats.distinct_v));
    bool is_whole = met > 0 && met == from->passed; /* the first of them tell of the first */
    return is_whole ? corrected(fmax(sum, 0.5) / met, expected) : 1;
}

/* From the star's entities to as many datoms of another attribute as have the same value. */
static double by_value(sample *self, const drawn *from, const lion_join_part *part, const lion_join_part *other, double expected)
{
    double sum = 0;
    uint32_t met = 0;
    for (uint32_t i = 0; i < from->passed && !is_late(self); i++) {
        lion_value value;
        int64_t tx;
        uint64_t count = 0;
        self->looks -= 2;
        if (lion_view_get(&value, &tx, &part->stats.db->view, from->ids[i], part->stats.attribute->id, self->arena, NULL) != LION_OK) continue;
        lion_key key = { .datom = { .a = other->stats.attribute->id, .v = value }, .parts = 2 };
        if (lion_view_estimate(&count, &other->stats.db->view, LION_AVET, &key, NULL) != LION_OK) return 1;
        sum += (double)count;
        met++;
    }
    return met == 0 ? 1 : corrected(fmax(sum, 0.5) / met, expected);
}

static bool has_drawn(const sample *self, uint32_t n)
{
    return self->stars[n] != NULL && self->stars[n]->passed > 0;
}

/* The node that the part's values name, if that is a star that can be asked. */
static const lion_join_node *named_by(const lion_join_graph *graph, uint32_t n, const lion_join_part *link, uint32_t *other_out)
{
    const lion_join_node *to = link->value == LION_JOIN_NONE ? NULL : star_of(graph, link->value, other_out);
    if (to == NULL || *other_out == n || link->stats.attribute->type != LION_TYPE_REF || !link->stats.attribute->is_in_avet) return NULL;
    return to->part_count > 0 && to->parts[0].stats.db == link->stats.db ? to : NULL;
}

static void correct(lion_join_graph *graph, uint32_t n, uint32_t other, double factor)
{
    graph->corrections[n][other] *= factor;
    graph->corrections[other][n] *= factor;
}

static void sample_link(sample *self, uint32_t n, const lion_join_part *link)
{
    uint32_t other = 0;
    const lion_join_node *node = &self->graph->nodes[n], *to = named_by(self->graph, n, link, &other);
    if (to == NULL || self->graph->corrections[n][other] != 1) return;
    bool passes_often = !has_filter(node) && has_filter(to) && passing_part(link, to) * DRAWN_MAX >= PASSING_MIN;
    if (passes_often) correct(self->graph, n, other, forward_by_rank(self, link, to));
    else if (to->rows < node->rows && has_drawn(self, other)) correct(self->graph, n, other, backward(self, self->stars[other], link, to));
    else if (has_filter(to) && has_drawn(self, n)) correct(self->graph, n, other, forward(self, self->stars[n], link, to));
}

static bool begin(sample *self, lion_join_graph *graph, int64_t time_ns)
{
    lion_arena *arena = &graph->scope->run->arena;
    *self = (sample){ .graph = graph, .arena = arena, .looks = time_ns / LOOK_NS,
                      .deadline_ns = lion_clock_monotonic_ns() + time_ns + LATE_NS };
    if (graph->corrections != NULL) return true; /* what was looked at stands */
    graph->corrections = lion_arena_alloc(arena, sizeof(*graph->corrections) * (graph->node_count + 1));
    if (graph->corrections == NULL || arena->is_exhausted) {
        graph->corrections = NULL;
        return false;
    }
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = 0; i < graph->node_count; i++) graph->corrections[n][i] = 1;
    return true;
}

/* The smallest star that was not drawn from yet; node_count: none. */
static uint32_t smallest(const sample *self)
{
    const lion_join_graph *graph = self->graph;
    uint32_t best = graph->node_count;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if (self->stars[n] != NULL || !lion_join_can_sample(&graph->nodes[n]) || graph->nodes[n].rows < 0.5) continue;
        if (best == graph->node_count || graph->nodes[n].rows < graph->nodes[best].rows) best = n;
    }
    return best;
}

/* The part of another star whose values are asked to be the same, and are of the same type. */
static const lion_join_part *same_valued(const lion_join_graph *graph, uint32_t n, const lion_join_part *part, uint32_t other)
{
    const lion_join_node *node = &graph->nodes[other];
    for (uint32_t i = 0; other != n && lion_join_can_sample(node) && i < node->part_count; i++) {
        const lion_join_part *found = &node->parts[i];
        bool is_same = found->value == part->value && found->stats.attribute->type == part->stats.attribute->type;
        if (is_same && !found->stats.has_v && found->stats.attribute->is_in_avet) return found;
    }
    return NULL;
}

/* Frequent values are met as often as they are frequent: which a hub tells (join_hub.c), of all that its members have. A star's filters may
 * leave values that are more frequent, or less. */
static void sample_values(sample *self, uint32_t n, const lion_join_part *part)
{
    lion_join_graph *graph = self->graph;
    uint32_t named = 0;
    bool is_shared = part->value != LION_JOIN_NONE && !part->stats.has_v && has_drawn(self, n) && star_of(graph, part->value, &named) == NULL;
    for (uint32_t other = 0; is_shared && other < graph->node_count && !is_late(self); other++) {
        const lion_join_part *found = same_valued(graph, n, part, other);
        if (found == NULL || graph->corrections[n][other] != 1) continue;
        double met = lion_join_met_by(graph, n, other), even = found->stats.total / fmax(1, fmax(part->stats.distinct_v, found->stats.distinct_v));
        if (met < 0 || has_filter(&graph->nodes[n])) correct(graph, n, other, by_value(self, self->stars[n], part, found, met < 0 ? even : met));
    }
}

/* ---- paths ---- */

/* Searches from so many sources tell. */
#define SOURCES_MAX 8

/* Entities that the variable has: those of a star that were drawn, or that its values name. How many; *star_out: which star. */
static uint32_t sources_of(sample *self, uint8_t var, int64_t ids[SOURCES_MAX], uint32_t *star_out)
{
    const lion_join_graph *graph = self->graph;
    uint32_t count = 0;
    if (star_of(graph, var, star_out) != NULL && has_drawn(self, *star_out)) {
        const drawn *star = self->stars[*star_out];
        uint32_t wanted = star->passed < SOURCES_MAX ? star->passed : SOURCES_MAX;
        for (; count < wanted; count++) ids[count] = star->ids[(uint64_t)count * star->passed / wanted];
        return count;
    }
    for (uint32_t n = 0; n < graph->node_count; n++)
        for (uint32_t i = 0; has_drawn(self, n) && i < graph->nodes[n].part_count; i++) {
            const lion_join_part *part = &graph->nodes[n].parts[i];
            if (part->value != var || part->stats.attribute->type != LION_TYPE_REF) continue;
            for (uint32_t k = 0; k < self->stars[n]->passed && count < SOURCES_MAX; k++) {
                lion_value value;
                int64_t tx;
                self->looks--;
                if (lion_view_get(&value, &tx, &part->stats.db->view, self->stars[n]->ids[k], part->stats.attribute->id, self->arena, NULL) == LION_OK)
                    ids[count++] = value.bits;
            }
            *star_out = n;
            return count;
        }
    return 0;
}

/* From as many as another node gives, a path leads to more or fewer than on average: the pair's rows. */
static void sample_path(sample *self, uint32_t n, uint32_t argument)
{
    lion_join_graph *graph = self->graph;
    const lion_join_node *node = &graph->nodes[n];
    const lion_clause *clause = graph->todo->items[node->parts[0].clause];
    int64_t ids[SOURCES_MAX];
    uint32_t star = 0;
    const lion_term *term = &clause->terms[argument];
    uint8_t var = term->kind == LION_TERM_VAR ? graph->numbers[term->index] : LION_JOIN_NONE;
    for (uint32_t i = 0; i < node->end_count; i++) {
        if (node->ends[i].var != var) continue;
        uint32_t count = sources_of(self, var, ids, &star);
        if (count == 0 || graph->corrections[n][star] != 1) return;
        double each = lion_rules_sample(graph->scope->engine, clause->rule, argument == 1, ids, count, &self->looks);
        if (each >= 0) correct(graph, n, star, corrected(fmax(each, 0.5), node->rows / node->ends[i].distinct));
        return;
    }
}

/* From a constant, or the value of an input. */
static void sample_known(sample *self, uint32_t n, uint32_t argument)
{
    const lion_scope *scope = self->graph->scope;
    lion_join_node *node = &self->graph->nodes[n];
    const lion_clause *clause = self->graph->todo->items[node->parts[0].clause];
    const lion_term *term = &clause->terms[argument], *other = &clause->terms[1 - argument];
    lion_value value;
    const lion_value *known = term->kind == LION_TERM_VAR && scope->known != NULL ? scope->known[term->index] : NULL;
    if (term->kind == LION_TERM_CONST && lion_query_value(&value, term->constant, self->arena, NULL) == LION_OK) known = &value;
    if (known == NULL || !lion_query_is_id(known->type) || other->kind == LION_TERM_CONST) return;
    double each = lion_rules_sample(scope->engine, clause->rule, argument == 1, &known->bits, 1, &self->looks);
    if (each >= 0) node->rows = fmax(each, 0.5);
}

static void sample_paths(sample *self)
{
    const lion_join_graph *graph = self->graph;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if (graph->nodes[n].kind != LION_JOIN_RULE || graph->todo->items[graph->nodes[n].parts[0].clause]->term_count != 2) continue;
        for (uint32_t argument = 0; argument < 2 && !is_late(self); argument++) {
            sample_known(self, n, argument);
            sample_path(self, n, argument);
        }
    }
}

/* ---- branches of not and or ---- */

/* So few rows tell nothing. */
#define TRIED_MIN 8
/* A negation that leaves less than this is done where its rows first are, and not where the fewest are. */
#define LEAVES_FEW 0.25
static bool is_known(const sample *self, uint32_t var)
{
    return self->graph->scope->known != NULL && self->graph->scope->known[var] != NULL;
}

/* The value that the variable has where the star's entity is e; false: it has none, or is not the star's. */
static bool value_in_star(lion_value *value_out, sample *self, const lion_join_node *star, int64_t e, uint32_t var)
{
    uint8_t number = self->graph->numbers[var];
    *value_out = lion_value_ref(e);
    if (star->entity == number) return true;
    for (uint32_t i = 0; i < star->part_count; i++) {
        const lion_pattern_stats *stats = &star->parts[i].stats;
        int64_t tx;
        if (star->parts[i].value != number) continue;
        self->looks--;
        return lion_view_get(value_out, &tx, &stats->db->view, e, stats->attribute->id, self->arena, NULL) == LION_OK;
    }
    return false;
}

/* What the clause shares with the star, where its entity is e, and what is known. */
static bool bind_shared(sample *self, lion_trial *trial, const lion_clause *clause, const lion_join_node *star, int64_t e)
{
    lion_trial_forget(trial);
    for (uint32_t i = 0; i < clause->var_count; i++) {
        uint32_t var = clause->vars[i];
        lion_value value;
        bool is_shared = (star->vars >> self->graph->numbers[var] & 1) != 0;
        if (is_known(self, var)) value = *self->graph->scope->known[var];
        else if (!is_shared) continue;
        else if (!value_in_star(&value, self, star, e, var)) return false;
        lion_trial_bind(trial, var, value);
    }
    return true;
}

/* The smallest star that was drawn from and has some of the variables, or all; NULL: there is none. */
static const lion_join_node *drawn_star(const sample *self, uint64_t vars, bool has_all, uint32_t *n_out)
{
    const lion_join_graph *graph = self->graph;
    const lion_join_node *best = NULL;
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const lion_join_node *node = &graph->nodes[n];
        bool has_some = (node->vars & vars) != 0, lacks = (vars & ~node->vars) != 0;
        if (!has_drawn(self, n) || !has_some || (has_all && lacks) || (best != NULL && best->rows <= node->rows)) continue;
        best = node;
        *n_out = n;
    }
    return best;
}

/* What the branches find for a row; existence is enough where they add nothing to it. */
static double found_in(lion_trial *trial, const lion_clause *clause, bool adds)
{
    double sum = 0;
    for (uint32_t b = 0; b < clause->branch_count && (adds || sum == 0); b++) {
        double found = lion_trial_count(trial, &clause->branches[b], 0, adds ? INFINITY : 1);
        if (found < 0) return found;
        sum += found;
    }
    return sum;
}

/* How much the clause finds for a row of the star, on average; negative: too few rows could be tried. nothing_out: for which part of
 * them it finds nothing. */
static double try_rows(sample *self, const lion_clause *clause, const lion_join_node *star, uint32_t n, double *nothing_out)
{
    const drawn *from = self->stars[n];
    lion_trial trial;
    double sum = 0, without = 0;
    uint32_t met = 0;
    if (!lion_trial_init(&trial, self->graph->scope, &self->looks)) return LION_TRIAL_UNKNOWN;
    for (uint32_t i = 0; i < from->passed && !is_late(self); i++) {
        bool adds = false;
        if (!bind_shared(self, &trial, clause, star, from->ids[i])) continue;
        for (uint32_t k = 0; k < clause->var_count; k++) adds = adds || !trial.is_bound[clause->vars[k]];
        double found = found_in(&trial, clause, adds);
        if (found < 0) break;
        sum += found;
        without += found == 0;
        met++;
    }
    if (met < TRIED_MIN) return LION_TRIAL_UNKNOWN;
    *nothing_out = without / met;
    return (sum + (sum == 0 ? 0.5 : 0)) / met;
}

static void sample_not(sample *self, lion_join_extra *extra)
{
    const lion_join_graph *graph = self->graph;
    const lion_clause *clause = graph->todo->items[extra->clause];
    uint32_t n = 0;
    double leaves = 1;
    const lion_join_node *star = drawn_star(self, extra->needs & ~graph->known, true, &n);
    if (star == NULL || try_rows(self, clause, star, n, &leaves) < 0) return;
    extra->selects = fmax(leaves, 0.5 / DRAWN_MAX);
    extra->is_late = extra->selects >= LEAVES_FEW;
}

/* A pattern of a branch that one can draw from. */
static bool is_star_pattern(const sample *self, const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PATTERN || clause->term_count < 2 || clause->term_count > 3) return false;
    const lion_db *db = self->graph->scope->run->sources[clause->source].db;
    bool is_plain = db != NULL && lion_view_is_plain(&db->view) && db->view.filter_count == 0;
    return is_plain && clause->terms[0].kind == LION_TERM_VAR && lion_clause_attribute(db->schema, clause) != NULL;
}

static bool bind_pattern(sample *self, lion_trial *trial, const lion_pattern_stats *stats, const lion_clause *clause, int64_t e)
{
    lion_value value;
    int64_t tx;
    lion_trial_forget(trial);
    lion_trial_bind(trial, clause->terms[0].index, lion_value_ref(e));
    if (clause->term_count < 3 || clause->terms[2].kind != LION_TERM_VAR) return true;
    self->looks--;
    if (lion_view_get(&value, &tx, &stats->db->view, e, stats->attribute->id, self->arena, NULL) != LION_OK) return false;
    lion_trial_bind(trial, clause->terms[2].index, value);
    return true;
}

/* Rows that a branch makes by itself: those of its smallest pattern, with the rest of it tried for some of them. Negative: nobody
 * knows. */
static double branch_rows(sample *self, lion_trial *trial, const lion_clauses *branch)
{
    lion_pattern_stats least = { .count = INFINITY };
    uint32_t at = branch->count;
    for (uint32_t i = 0; i < branch->count && i < 64; i++) {
        const lion_clause *clause = &branch->items[i];
        lion_pattern_stats stats;
        if (!is_star_pattern(self, clause)) continue;
        lion_stats_pattern(&stats, self->graph->scope, clause);
        if (stats.has_e || stats.count >= least.count) continue;
        least = stats;
        at = i;
    }
    if (at == branch->count) return LION_TRIAL_UNKNOWN;
    if (branch->count == 1) return least.count;
    drawn from = { 0 };
    double sum = 0;
    uint32_t met = 0;
    double drawn_from = draw(self, &from, &least, &branch->items[at]);
    for (uint32_t i = 0; i < from.count && !is_late(self); i++) {
        if (!bind_pattern(self, trial, &least, &branch->items[at], from.ids[i])) continue;
        double found = lion_trial_count(trial, branch, UINT64_C(1) << at, INFINITY);
        if (found < 0) break;
        sum += found;
        met++;
    }
    if (met < TRIED_MIN && met < from.count) return LION_TRIAL_UNKNOWN;
    return drawn_from * (sum + (sum == 0 ? 0.5 : 0)) / fmax(1, met);
}

static void sample_or_alone(sample *self, lion_join_node *node, const lion_clause *clause)
{
    lion_trial trial;
    double rows = 0;
    if (!lion_trial_init(&trial, self->graph->scope, &self->looks)) return;
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        double found = branch_rows(self, &trial, &clause->branches[b]);
        if (found < 0) return;
        rows += found;
    }
    for (uint32_t i = 0; i < node->end_count; i++) node->ends[i].distinct = fmax(1, fmin(node->ends[i].distinct, rows));
    node->rows = fmax(rows, 0.5);
}

/* Rows of the or for each of the star's, as long as nobody has looked. */
static double expected_each(const lion_join_node *node, const lion_join_node *star)
{
    double each = node->rows;
    for (uint32_t i = 0; i < node->end_count; i++)
        for (uint32_t k = 0; k < star->end_count; k++)
            if (node->ends[i].var == star->ends[k].var) each /= fmax(node->ends[i].distinct, star->ends[k].distinct);
    return each;
}

static void sample_or(sample *self, uint32_t at)
{
    lion_join_graph *graph = self->graph;
    lion_join_node *node = &graph->nodes[at];
    const lion_clause *clause = graph->todo->items[node->parts[0].clause];
    uint32_t n = 0;
    double nothing;
    sample_or_alone(self, node, clause);
    const lion_join_node *star = drawn_star(self, node->vars & ~graph->known, false, &n);
    if (star == NULL || graph->corrections[n][at] != 1) return;
    double each = try_rows(self, clause, star, n, &nothing);
    if (each >= 0) correct(graph, n, at, corrected(each, expected_each(node, star)));
}

static bool is_negation(const lion_join_graph *graph, const lion_join_extra *extra)
{
    return graph->todo->items[extra->clause]->kind == LION_CLAUSE_NOT;
}

static void sample_branches(sample *self)
{
    lion_join_graph *graph = self->graph;
    for (uint32_t n = 0; n < graph->node_count && !is_late(self); n++)
        if (graph->nodes[n].kind == LION_JOIN_OR && !graph->nodes[n].uses_feed) sample_or(self, n);
    for (uint32_t i = 0; i < graph->extra_count && !is_late(self); i++)
        if (is_negation(graph, &graph->extras[i])) sample_not(self, &graph->extras[i]);
}

bool lion_join_has_branches(const lion_join_graph *graph)
{
    for (uint32_t n = 0; n < graph->node_count; n++)
        if (graph->nodes[n].kind == LION_JOIN_OR) return true;
    for (uint32_t i = 0; i < graph->extra_count; i++)
        if (is_negation(graph, &graph->extras[i])) return true;
    return false;
}

void lion_join_sample(lion_join_graph *graph, int64_t time_ns, bool has_hubs)
{
    sample self;
    if (!begin(&self, graph, time_ns)) return;
    int64_t kept = lion_join_has_branches(graph) ? self.looks / 2 : 0; /* stars do not take all */
    self.looks -= kept;
    if (has_hubs) lion_join_draw(graph, &self.looks);
    for (uint32_t star; (star = smallest(&self)) < graph->node_count && !is_late(&self);) {
        sample_star(&self, star);
        if (graph->scope->run->arena.is_exhausted) return;
        for (uint32_t n = 0; n < graph->node_count; n++)
            for (uint32_t i = 0; lion_join_can_sample(&graph->nodes[n]) && i < graph->nodes[n].part_count && !is_late(&self); i++) {
                sample_link(&self, n, &graph->nodes[n].parts[i]);
                sample_values(&self, n, &graph->nodes[n].parts[i]);
            }
    }
    if (!graph->scope->run->arena.is_exhausted) sample_paths(&self);
    self.looks = (self.looks > 0 ? self.looks : 0) + kept;
    if (!graph->scope->run->arena.is_exhausted) sample_branches(&self);
    if (!graph->scope->run->arena.is_exhausted) lion_join_draw_finish(graph);
}

/* ---- a few entities, exactly ---- */

#define FEW_ROWS 4
#define FEW_TIME_NS 1000000 /* of which little is ever spent */

static bool is_few(const lion_join_node *node)
{
    return node->rows <= FEW_ROWS && node->rows >= 0.5 && lion_join_can_sample(node);
}

void lion_join_look(lion_join_graph *graph)
{
    sample self = { 0 };
    for (uint32_t n = 0; n < graph->node_count; n++) {
        const lion_join_node *node = &graph->nodes[n];
        for (uint32_t i = 0; node->kind == LION_JOIN_STAR && i < node->part_count; i++) {
            uint32_t other = 0;
            const lion_join_node *to = named_by(graph, n, &node->parts[i], &other);
            if (to == NULL || !is_few(to) || node->rows <= FEW_ROWS) continue;
            if (self.graph == NULL && !begin(&self, graph, FEW_TIME_NS)) return;
            if (self.stars[other] == NULL) sample_star(&self, other);
            if (has_drawn(&self, other)) correct(graph, n, other, backward(&self, self.stars[other], &node->parts[i], to));
        }
    }
}
