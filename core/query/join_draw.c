/* join_draw.c - hubs: variables whose value several stars have, and a few of their values, drawn the way a join meets them.
 *
 * AVET holds the datoms of an attribute by their values, and knows the place of each. So one datom is drawn of each of so many stretches of
 * equally many: a value is drawn as often as it is frequent, and one that fills a stretch always. Of each value that was drawn it is asked how many
 * datoms of every member have it, which tells how likely it was to be drawn, and with that how many values it stands for. */
#include <math.h>

#include "index/view_parts.h"
#include "query/order.h"

#define POINTS_MAX 48
/* Fewer of each member tell nothing. */
#define POINTS_MIN 4
/* A place in AVET, or how many datoms have a value, is found in a quarter of the time that other looks take. */
#define LOOKS_OF_ONE 4

static uint64_t bit(uint32_t at)
{
    return UINT64_C(1) << at;
}

/* ---- which ---- */

/* The star's part that has the variable for its value, and an index by it; NULL: none. */
static const lion_join_part *link_of(const lion_join_node *node, uint8_t var)
{
    if (!lion_join_can_sample(node) || node->entity == var) return NULL;
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_join_part *part = &node->parts[i];
        if (part->value == var && !part->stats.has_v && part->stats.attribute->is_in_avet) return part;
    }
    return NULL;
}

/* The stars that have it for a value, of one type; the hub's node is none of them. How many. */
static uint32_t find_members(lion_join_member members[LION_JOIN_MEMBERS_MAX], const lion_join_graph *graph, uint8_t var)
{
    uint32_t count = 0;
    for (uint32_t n = 0; n < graph->node_count && count < LION_JOIN_MEMBERS_MAX; n++) {
        const lion_join_part *link = link_of(&graph->nodes[n], var);
        if (link == NULL || link->stats.total < 1) continue;
        if (count > 0 && members[0].link->stats.attribute->type != link->stats.attribute->type) continue;
        members[count++] = (lion_join_member){ .node = (uint8_t)n, .link = link };
    }
    return count;
}

static bool is_entity(const lion_join_graph *graph, uint8_t var)
{
    for (uint32_t n = 0; n < graph->node_count; n++)
        if (graph->nodes[n].kind == LION_JOIN_STAR && graph->nodes[n].entity == var) return true;
    return false;
}

bool lion_join_by_value(const lion_join_graph *graph)
{
    lion_join_member members[LION_JOIN_MEMBERS_MAX];
    for (uint32_t var = 0; var < graph->var_count; var++)
        if (!is_entity(graph, (uint8_t)var) && find_members(members, graph, (uint8_t)var) > 1) return true;
    return false;
}

/* ---- drawing ---- */

typedef struct drawing {
    lion_join_graph *graph;
    int64_t looks;             /* taken */
    double drawn[LION_JOIN_MEMBERS_MAX]; /* how many datoms of each member */
} drawing;

static bool count_members(drawing *self, const lion_join_hub *hub, lion_join_point *point)
{
    for (uint32_t i = 0; i < hub->member_count; i++) {
        const lion_pattern_stats *stats = &hub->members[i].link->stats;
        lion_key key = { .datom = { .a = stats->attribute->id, .v = point->value }, .parts = 2 };
        uint64_t count = 0;
        self->looks++;
        if (lion_view_estimate(&count, &stats->db->view, LION_AVET, &key, NULL) != LION_OK) return false;
        point->counts[i] = (double)count;
    }
    return true;
}

static bool is_in_range(const lion_join_graph *graph, const lion_join_part *link, lion_value value)
{
    lion_index_range range;
    double count;
    uint32_t var = graph->todo->items[link->clause]->terms[2].index;
    if (!link->stats.has_range || !lion_ranges_count(&range, &count, graph->scope, link->stats.db, link->stats.attribute, var)) return true;
    return (!range.has_low || lion_value_compare(value, range.low) >= 0) && (!range.has_end || lion_value_compare(value, range.end) < 0);
}

/* One of each stretch of the member's datoms, as far as the trees have them. */
static void draw(drawing *self, lion_join_hub *hub, uint32_t at, uint32_t wanted)
{
    const lion_join_part *link = hub->members[at].link;
    const lion_view *view = &link->stats.db->view;
    const lion_tree *tree = lion_view_tree(view, LION_AVET, link->stats.attribute->id, false);
    uint64_t all = tree == NULL ? 0 : tree->count;
    if (all < wanted || (double)all < link->stats.total / 2) return;
    for (uint32_t i = 0; i < wanted; i++) {
        lion_datom datom;
        lion_join_point *point = &hub->points[hub->point_count], *before = hub->point_count == 0 ? NULL : point - 1;
        self->looks++;
        if (lion_tree_select(&datom, tree, view->root->snapshot, (2 * i + 1) * all / (2 * wanted), NULL) != LION_OK) return;
        self->drawn[at]++;
        if (!is_in_range(self->graph, link, datom.v)) continue;
        *point = before != NULL && lion_value_equal(before->value, datom.v) ? *before : (lion_join_point){ .value = datom.v, .counts = { -1 } };
        if (point->counts[0] < 0 && !count_members(self, hub, point)) return;
        hub->point_count++;
    }
}

/* A value is drawn so often on average: of each member as often as it has it. */
static void weigh(const drawing *self, lion_join_hub *hub)
{
    for (uint32_t k = 0; k < hub->point_count; k++) {
        lion_join_point *point = &hub->points[k];
        double times = 0;
        for (uint32_t i = 0; i < hub->member_count; i++) times += self->drawn[i] * point->counts[i] / hub->members[i].link->stats.total;
        point->stands_for = times > 0 ? 1 / times : 0;
    }
}

/* Up to so many; *asked_out: looks that it takes to draw one datom of each of their members. false: there is none, or no memory. */
static bool find_hubs(lion_join_graph *graph, int64_t *asked_out)
{
    lion_arena *arena = &graph->scope->run->arena;
    lion_join_member members[LION_JOIN_MEMBERS_MAX];
    *asked_out = 0;
    for (uint32_t var = 0; var < graph->var_count && graph->hub_count < LION_JOIN_HUBS_MAX; var++) {
        uint32_t count = find_members(members, graph, (uint8_t)var);
        if (count < 2) continue;
        lion_join_hub *hub = lion_arena_new(arena, lion_join_hub);
        lion_join_point *points = lion_arena_array(arena, lion_join_point, POINTS_MAX + 1);
        if (arena->is_exhausted) return false;
        hub->var = (uint8_t)var;
        hub->member_count = count;
        memcpy(hub->members, members, sizeof(members[0]) * count);
        hub->points = points;
        graph->hubs[graph->hub_count++] = hub;
        *asked_out += hub->member_count * (1 + hub->member_count);
    }
    return graph->hub_count > 0;
}

/* The same of each, or of none: a join that goes by what is known is to be compared with others that do. */
void lion_join_draw(lion_join_graph *graph, int64_t *looks)
{
    int64_t asked = 0, left = *looks / 2 * LOOKS_OF_ONE;
    uint32_t found = find_hubs(graph, &asked) && left / asked >= POINTS_MIN ? graph->hub_count : 0;
    graph->hub_count = 0;
    for (uint32_t h = 0; h < found; h++) {
        lion_join_hub *hub = graph->hubs[h];
        drawing self = { .graph = graph };
        uint32_t most = POINTS_MAX / hub->member_count, wanted = left / asked < most ? (uint32_t)(left / asked) : most;
        for (uint32_t i = 0; i < hub->member_count; i++) draw(&self, hub, i, wanted);
        *looks -= self.looks / LOOKS_OF_ONE;
        weigh(&self, hub);
        if (hub->point_count > 0) graph->hubs[graph->hub_count++] = hub;
    }
}

/* ---- what hangs on each member ---- */

/* The node, and what joins with it by other variables than the hub's; 0, if that leads to another member: it has nothing of its own. */
static uint64_t branch_of(const lion_join_graph *graph, const lion_join_hub *hub, uint32_t from)
{
    uint64_t set = bit(from), vars = graph->nodes[from].vars, others = 0;
    for (uint32_t i = 0; i < hub->member_count; i++) others |= bit(hub->members[i].node);
    others &= ~set;
    for (bool grows = true; grows;) {
        grows = false;
        for (uint32_t n = 0; n < graph->node_count; n++) {
            const lion_join_node *node = &graph->nodes[n];
            uint64_t common = (node->vars | node->needs) & vars & ~graph->known & ~bit(hub->var);
            if ((set & bit(n)) != 0 || node->entity == hub->var || common == 0) continue;
            if ((others & bit(n)) != 0 || node->uses_feed) return 0;
            set |= bit(n);
            vars |= node->vars;
            grows = true;
        }
    }
    return set;
}

/* Rows of these nodes, joined; *vars_out: what they bind. */
static double rows_of(const lion_join_graph *graph, uint64_t set, uint64_t *vars_out)
{
    lion_join_plan plan = { .set = set };
    for (uint64_t left = set; left != 0; left &= left - 1) plan.bound |= graph->nodes[__builtin_ctzll(left)].vars;
    *vars_out = plan.bound;
    plan.bound = lion_join_closure(graph, plan.bound | graph->known | graph->feed);
    lion_join_count(&plan, graph);
    return plan.all;
}

static void measure_member(const lion_join_graph *graph, const lion_join_hub *hub, lion_join_member *member)
{
    uint64_t branch = branch_of(graph, hub, member->node), vars = 0;
    member->is_apart = branch != 0;
    member->part = rows_of(graph, branch | bit(member->node), &vars) / member->link->stats.total;
    member->own = vars & ~bit(hub->var) & ~graph->known;
    const lion_join_node *node = &graph->nodes[member->node];
    for (uint32_t i = 0; i < node->end_count; i++)
        if (node->ends[i].var == hub->var) member->distinct = node->ends[i].distinct;
}

/* Fewer values of a kind than this are expected among those that a filter leaves: then there is none of them. */
#define RARE_MAX 0.5

/* A node that is no member may leave few of the hub's values: of those that are frequent, which are rare themselves, most likely none. */
static void find_filter(const lion_join_graph *graph, lion_join_hub *hub)
{
    uint64_t members = 0, vars = 0;
    double all = 1, least = 1;
    hub->filter = LION_JOIN_NONE;
    for (uint32_t i = 0; i < hub->member_count; i++) {
        members |= bit(hub->members[i].node);
        all = fmax(all, hub->members[i].distinct);
    }
    for (uint32_t n = 0; n < graph->node_count; n++) {
        if ((members & bit(n)) != 0 || (graph->nodes[n].vars & bit(hub->var)) == 0) continue;
        double part = rows_of(graph, branch_of(graph, hub, n) | bit(n), &vars) / fmax(all, graph->nodes[n].domain);
        if (part >= least) continue;
        least = part;
        hub->filter = (uint8_t)n;
    }
    for (uint32_t k = 0; k < hub->point_count; k++) hub->points[k].is_rare = hub->points[k].stands_for * least < RARE_MAX;
}

void lion_join_draw_finish(lion_join_graph *graph)
{
    uint32_t count = graph->hub_count;
    for (graph->hub_count = 0; graph->hub_count < count; graph->hub_count++) { /* each with those before it */
        lion_join_hub *hub = graph->hubs[graph->hub_count];
        for (uint32_t i = 0; i < hub->member_count; i++) measure_member(graph, hub, &hub->members[i]);
        find_filter(graph, hub);
    }
}
