/* join_hub.c - how often the stars meet that refer to one hub: by the entities (or values) that were drawn of it (join_draw.c).
 *
 * What many refer to, others refer to often, too: a popular film has more parts and more tags. So the rows of a join are not those of its
 * sides times what the average value selects, and a distinct that comes before it leaves each popular film once, of which there are few.
 * Both follow from a few of the hub's values, if it is known of each how many datoms of each star name it: the joined rows are the sum, over
 * all values, of the product of these numbers; and a star whose own variables are gone counts once for a value that it still has. Of
 * `count` datoms, of each of which `part` is left, at least one is left with the chance 1 - (1 - part) ^ count. */
#include <math.h>

#include "query/order.h"

/* What a member contributes to a value. */
enum { ABSENT, ROWS, ONCE, WAYS };

static double share(const lion_join_member *member, double count, uint32_t way)
{
    if (way == ABSENT) return 1;
    return way == ROWS ? count * member->part : 1 - pow(1 - fmin(member->part, 1), count);
}

/* What the points stand for: rows of a member, or with NONE values. */
static double sum_of(const lion_join_hub *hub, uint32_t member, bool is_filtered)
{
    double sum = 0;
    for (uint32_t k = 0; k < hub->point_count; k++) {
        const lion_join_point *point = &hub->points[k];
        if (is_filtered && point->is_rare) continue;
        sum += point->stands_for * (member == LION_JOIN_NONE ? 1 : share(&hub->members[member], point->counts[member], ROWS));
    }
    return sum;
}

static double rows_met(const lion_join_hub *hub, const uint8_t *ways, bool is_filtered)
{
    double sum = 0;
    for (uint32_t k = 0; k < hub->point_count; k++) {
        const lion_join_point *point = &hub->points[k];
        double rows = is_filtered && point->is_rare ? 0 : point->stands_for;
        for (uint32_t i = 0; i < hub->member_count; i++) rows *= share(&hub->members[i], point->counts[i], ways[i]);
        sum += rows;
    }
    return sum;
}

/* Rows of the members in these ways, over those that there would be if each value was met as often as any other. How many a filter leaves on
 * average is known elsewhere: of those that are not rare. */
static double measure(const lion_join_hub *hub, uint32_t number)
{
    uint8_t ways[LION_JOIN_MEMBERS_MAX];
    for (uint32_t i = 0; i < hub->member_count; i++, number /= WAYS) ways[i] = (uint8_t)(number % WAYS);
    bool is_filtered = number > 0;
    double values = sum_of(hub, LION_JOIN_NONE, is_filtered), even = 1, least = INFINITY;
    for (uint32_t i = 0; i < hub->member_count; i++) {
        if (ways[i] == ABSENT) continue;
        double distinct = is_filtered ? values : hub->members[i].distinct;
        even *= sum_of(hub, i, is_filtered) / fmax(distinct, 1e-9);
        least = fmin(least, distinct);
    }
    double met = rows_met(hub, ways, is_filtered);
    return even > 0 && met > 0 && least < INFINITY ? met / (even * least) : 1;
}

/* The hub of these two; NULL: there is none. */
static const lion_join_hub *hub_of(const lion_join_graph *graph, uint32_t node, uint32_t other, uint32_t *at_out, uint32_t *other_out)
{
    for (uint32_t h = 0; h < graph->hub_count; h++) {
        const lion_join_hub *hub = graph->hubs[h];
        *at_out = *other_out = LION_JOIN_NONE;
        for (uint32_t i = 0; i < hub->member_count; i++) {
            if (hub->members[i].node == node) *at_out = i;
            if (hub->members[i].node == other) *other_out = i;
        }
        if (*at_out != LION_JOIN_NONE && *other_out != LION_JOIN_NONE) return hub;
    }
    return NULL;
}

double lion_join_met_by(const lion_join_graph *graph, uint32_t node, uint32_t other)
{
    uint32_t from = 0, to = 0;
    double all = 0, met = 0;
    const lion_join_hub *hub = hub_of(graph, node, other, &from, &to);
    if (hub == NULL) return -1;
    for (uint32_t k = 0; k < hub->point_count; k++) {
        const lion_join_point *point = &hub->points[k];
        all += point->stands_for * point->counts[from];
        met += point->stands_for * point->counts[from] * point->counts[to];
    }
    return met / fmax(all, 1e-9);
}

double lion_join_met(const lion_join_graph *graph, const lion_join_ways *ways)
{
    double factor = 1;
    for (uint32_t h = 0; h < graph->hub_count; h++) {
        lion_join_hub *hub = graph->hubs[h];
        uint32_t number = ways->of[h];
        if (number == 0) continue;
        if (hub->known[number] == 0) hub->known[number] = measure(hub, number);
        factor *= hub->known[number];
    }
    return factor;
}

lion_join_ways lion_join_ways_of(const lion_join_graph *graph, uint64_t set, uint64_t live)
{
    lion_join_ways ways = { { 0 } };
    for (uint32_t h = 0; h < graph->hub_count; h++) {
        const lion_join_hub *hub = graph->hubs[h];
        uint32_t number = 0, place = 1;
        for (uint32_t i = 0; i < hub->member_count; i++, place *= WAYS) {
            const lion_join_member *member = &hub->members[i];
            bool is_once = member->is_apart && (member->own & live) == 0;
            number += place * ((set >> member->node & 1) == 0 ? ABSENT : is_once ? ONCE : ROWS);
        }
        if (hub->filter != LION_JOIN_NONE) number += place * (uint32_t)(set >> hub->filter & 1);
        ways.of[h] = (uint16_t)number;
    }
    return ways;
}

lion_join_ways lion_join_ways_all(const lion_join_graph *graph, uint64_t set)
{
    return lion_join_ways_of(graph, set, UINT64_MAX);
}

lion_join_ways lion_join_ways_joined(const lion_join_ways *left, const lion_join_ways *right)
{
    lion_join_ways ways = *left;
    for (uint32_t h = 0; h < LION_JOIN_HUBS_MAX; h++) ways.of[h] = (uint16_t)(ways.of[h] + right->of[h]);
    return ways;
}
