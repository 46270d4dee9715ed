/* novelty_read.c - searching, counting and walking the trees of a version. */
#include <string.h>

#include "index/novelty_tree.h"
#include "index/rows.h"

/* -- Boundaries ---------------------------------------------------------------------------------
 */

/* A place between datoms: before all that match the prefix, or (upper) behind them. */
typedef struct boundary {
    const uint8_t *base;
    const lion_key *key;
    lion_index order;
    bool upper;
    bool has_key;  /* the keys tell something … */
    bool is_whole; /* … and everything */
    uint64_t bits;
    uint32_t low, high; /* minor keys that datoms with the prefix can have */
} boundary;

static int compare_ids(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int lion_datom_compare_prefix(lion_index order, const lion_datom *datom, const lion_key *key)
{
    const lion_datom *to = &key->datom;
    int by[4] = { 0 };
    switch (order) {
    case LION_EAVT:
        if (key->parts >= 1) by[0] = compare_ids(datom->e, to->e);
        if (key->parts >= 2) by[1] = compare_ids(datom->a, to->a);
        if (key->parts >= 3 && (by[0] | by[1]) == 0) by[2] = lion_value_compare(datom->v, to->v);
        break;
    case LION_AEVT:
        if (key->parts >= 1) by[0] = compare_ids(datom->a, to->a);
        if (key->parts >= 2) by[1] = compare_ids(datom->e, to->e);
        if (key->parts >= 3 && (by[0] | by[1]) == 0) by[2] = lion_value_compare(datom->v, to->v);
        break;
    case LION_AVET:
        if (key->parts >= 1) by[0] = compare_ids(datom->a, to->a);
        if (key->parts >= 2 && by[0] == 0) by[1] = lion_value_compare(datom->v, to->v);
        if (key->parts >= 3) by[2] = compare_ids(datom->e, to->e);
        break;
    case LION_VAET:
        if (key->parts >= 1) by[0] = lion_value_compare(datom->v, to->v);
        if (key->parts >= 2) by[1] = compare_ids(datom->a, to->a);
        if (key->parts >= 3) by[2] = compare_ids(datom->e, to->e);
        break;
    }
    if (key->parts >= 4) by[3] = compare_ids(to->tx, datom->tx);
    for (unsigned i = 0; i < 3; i++)
        if (by[i] != 0) return by[i];
    return by[3];
}

/* An attribute's values are of one type; a key of another (a long for a double) needs whole
 * comparisons. */
static bool is_type_of_tree(const uint8_t *base, uint32_t top, const lion_key *key)
{
    const lion_node *node = lion_novelty_at(base, top);
    uint32_t first = node->level == 0 ? lion_node_records(node)[0] : lion_node_edges(node)[0].first;
    const lion_record *record = lion_novelty_at(base, first & ~LION_REFERENCE_RETRACTION);
    return record->head >> LION_RECORD_TYPE_SHIFT == key->datom.v.type;
}

static boundary boundary_of(const uint8_t *base, uint32_t top, lion_index order,
                            const lion_key *key, bool upper)
{
    boundary place = {
        .base = base, .key = key, .order = order, .upper = upper, .high = UINT32_MAX
    };
    unsigned lead = order == LION_EAVT ? 1 : 2; /* parts that reach into the keys */
    if (key->parts < lead) return place;
    bool has_value = order == LION_AVET || (order == LION_AEVT && key->parts > lead);
    bool is_of_tree = !has_value || is_type_of_tree(base, top, key);
    place.has_key = order != LION_AVET || is_of_tree;
    if (!place.has_key) return place;
    place.bits = lion_novelty_key(order, &key->datom);
    place.is_whole = key->parts == lead;
    if (key->parts > lead && is_of_tree)
        place.low = place.high = lion_novelty_minor(order, &key->datom);
    else if (order == LION_AVET)
        place.is_whole = lion_novelty_minors_of_value(&key->datom, &place.low, &place.high);
    if (order == LION_EAVT) place.is_whole = key->parts <= 2; /* a is all of the minor key */
    return place;
}

static bool is_before(const boundary *at, uint32_t reference)
{
    lion_datom datom = lion_novelty_datom(at->base, reference);
    int order = lion_datom_compare_prefix(at->order, &datom, at->key);
    return order < 0 || (at->upper && order == 0);
}

/* How many of the node's entries (children: by their first datom) are before the boundary. */
static uint32_t place_in(const boundary *at, const lion_node *node)
{
    uint32_t low = 0, high = node->count;
    if (at->has_key) {
        low = lion_node_lower(node, 0, node->count, at->bits);
        if (low == node->count || node->keys[low] != at->bits) return low;
        high = lion_node_upper(node, low, node->count, at->bits);
        if (at->low > 0) low = lion_node_minor_lower(node, low, high, at->low);
        if (at->high < UINT32_MAX) high = lion_node_minor_upper(node, low, high, at->high);
        if (at->is_whole) return at->upper ? high : low;
    }
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        uint32_t reference = node->level == 0 ? lion_node_records(node)[middle]
                                              : lion_node_edges(node)[middle].first;
        if (is_before(at, reference))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* -- Counting -----------------------------------------------------------------------------------
 */

static uint32_t top_of(const lion_novelty_version *version, lion_index order, uint32_t a)
{
    LION_ASSERT(order <= LION_AVET);
    if (version->novelty == NULL) return 0;
    if (order == LION_EAVT) return version->eavt;
    uint32_t aevt, avet;
    lion_directory_get(version->novelty->base, version->attributes, a, &aevt, &avet);
    return order == LION_AEVT ? aevt : avet;
}

typedef struct tally {
    uint64_t datoms;
    int64_t net;
} tally;

/* What lies before `place` in a node. */
static void add_before(tally *sum, const lion_node *node, uint32_t place)
{
    if (node->level > 0) {
        const lion_edge *edges = lion_node_edges(node);
        for (uint32_t i = 0; i < place; i++) {
            sum->datoms += edges[i].datoms;
            sum->net += edges[i].net;
        }
        return;
    }
    const uint32_t *records = lion_node_records(node);
    uint32_t retractions = 0;
    for (uint32_t i = 0; i < place; i++) retractions += records[i] >> 31;
    sum->datoms += place;
    sum->net += (int64_t)place - 2 * (int64_t)retractions;
}

static tally rank(uint32_t top, const boundary *at)
{
    tally sum = { 0 };
    for (;;) {
        const lion_node *node = lion_novelty_at(at->base, top);
        uint32_t place = place_in(at, node);
        if (node->level > 0 && place > 0) place--; /* the child that the boundary lies in */
        add_before(&sum, node, place);
        if (node->level == 0) return sum;
        top = lion_node_edges(node)[place].child;
    }
}

void lion_novelty_count(uint64_t *datoms_out, int64_t *net_out, const lion_novelty_version *version,
                        lion_index order, const lion_key *key)
{
    LION_ASSERT(order == LION_EAVT || key->parts >= 1);
    tally sum = { 0 };
    uint32_t top = top_of(version, order, key->datom.a);
    if (top != 0) {
        const uint8_t *base = version->novelty->base;
        bool is_all = key->parts < (order == LION_EAVT ? 1 : 2);
        if (is_all) {
            const lion_node *node = lion_novelty_at(base, top);
            add_before(&sum, node, node->count);
        } else {
            boundary low = boundary_of(base, top, order, key, false), high = low;
            high.upper = true;
            tally from = rank(top, &low);
            sum = rank(top, &high);
            sum.datoms -= from.datoms;
            sum.net -= from.net;
        }
    }
    *datoms_out = sum.datoms;
    *net_out = sum.net;
}

void lion_novelty_count_range(uint64_t *datoms_out, int64_t *net_out,
                              const lion_novelty_version *version, uint32_t a,
                              const lion_value *low, const lion_value *end)
{
    tally from = { 0 }, to;
    uint32_t top = top_of(version, LION_AVET, a);
    *datoms_out = 0;
    *net_out = 0;
    if (top == 0) return;
    const uint8_t *base = version->novelty->base;
    const lion_node *node = lion_novelty_at(base, top);
    lion_key key = { .datom = { .a = a }, .parts = 2 };
    to = (tally){ 0 };
    if (end == NULL) {
        add_before(&to, node, node->count);
    } else {
        key.datom.v = *end;
        boundary at = boundary_of(base, top, LION_AVET, &key, false);
        to = rank(top, &at);
    }
    if (low != NULL) {
        key.datom.v = *low;
        boundary at = boundary_of(base, top, LION_AVET, &key, false);
        from = rank(top, &at);
    }
    if (to.datoms <= from.datoms) return; /* end is before low */
    *datoms_out = to.datoms - from.datoms;
    *net_out = to.net - from.net;
}

/* -- Walking ------------------------------------------------------------------------------------
 */

void lion_novelty_iterator_init(lion_novelty_iterator *iterator,
                                const lion_novelty_version *version, lion_index order, uint32_t a,
                                bool is_reverse)
{
    iterator->version = *version;
    iterator->root = top_of(version, order, a);
    iterator->order = (uint8_t)order;
    iterator->depth = 0;
    iterator->is_reverse = is_reverse;
    iterator->is_placed = false;
    iterator->base = version->novelty != NULL ? version->novelty->base : NULL;
}

static const lion_node *child_at(const lion_novelty_iterator *iterator, unsigned depth)
{
    const lion_node *node = iterator->path[depth];
    return lion_novelty_at(iterator->base, lion_node_edges(node)[iterator->place[depth]].child);
}

/* Down from the node at depth `depth - 1` to the first or last leaf below its child. */
static void descend(lion_novelty_iterator *iterator, unsigned depth, const lion_node *node)
{
    for (;; depth++) {
        LION_ASSERT(depth < LION_NOVELTY_HEIGHT_MAX);
        uint32_t end = node->level == 0 ? node->count : node->count - 1u;
        iterator->path[depth] = node;
        iterator->place[depth] = (uint16_t)(iterator->is_reverse ? end : 0);
        if (node->level == 0) break;
        node = child_at(iterator, depth);
    }
    iterator->depth = (uint8_t)(depth + 1);
}

static void start(lion_novelty_iterator *iterator)
{
    iterator->is_placed = true;
    iterator->depth = 0;
    if (iterator->root != 0) descend(iterator, 0, lion_novelty_at(iterator->base, iterator->root));
}

/* Is the boundary between two datoms of the present leaf? Then the place, else 0. */
static uint32_t place_nearby(const lion_novelty_iterator *iterator, const boundary *at)
{
    if (!iterator->is_placed || iterator->depth == 0 || !at->has_key) return 0;
    const lion_node *leaf = iterator->path[iterator->depth - 1];
    if (at->bits <= leaf->keys[0] || at->bits >= leaf->keys[leaf->count - 1]) return 0;
    return place_in(at, leaf);
}

void lion_novelty_iterator_seek(lion_novelty_iterator *iterator, const lion_key *key, bool upper)
{
    if (iterator->root == 0) return;
    boundary at =
        boundary_of(iterator->base, iterator->root, (lion_index)iterator->order, key, upper);
    uint32_t nearby = place_nearby(iterator, &at);
    if (nearby > 0) {
        iterator->place[iterator->depth - 1] = (uint16_t)nearby;
        return;
    }
    iterator->is_placed = true;
    const lion_node *node = lion_novelty_at(iterator->base, iterator->root);
    for (unsigned depth = 0;; depth++) {
        LION_ASSERT(depth < LION_NOVELTY_HEIGHT_MAX);
        uint32_t place = place_in(&at, node);
        if (node->level > 0 && place > 0) place--;
        iterator->path[depth] = node;
        iterator->place[depth] = (uint16_t)place;
        iterator->depth = (uint8_t)(depth + 1);
        if (node->level == 0) return;
        node = child_at(iterator, depth);
    }
}

/* To the neighbouring leaf; depth 0 when there is none. */
static bool step(lion_novelty_iterator *iterator)
{
    unsigned depth = iterator->depth - 1u;
    while (depth-- > 0) {
        uint16_t *place = &iterator->place[depth];
        if (iterator->is_reverse ? *place == 0 : *place + 1u == iterator->path[depth]->count)
            continue;
        *place = (uint16_t)(iterator->is_reverse ? *place - 1 : *place + 1);
        descend(iterator, depth + 1, child_at(iterator, depth));
        return true;
    }
    iterator->depth = 0;
    return false;
}

/* Entries that can be read in the present leaf, after stepping if it has none. 0: the end. */
static uint32_t available(lion_novelty_iterator *iterator)
{
    if (!iterator->is_placed) start(iterator);
    while (iterator->depth > 0) {
        unsigned leaf = iterator->depth - 1u;
        uint32_t place = iterator->place[leaf];
        uint32_t left = iterator->is_reverse ? place : iterator->path[leaf]->count - place;
        if (left > 0) return left;
        step(iterator);
    }
    return 0;
}

bool lion_novelty_iterator_next(lion_novelty_iterator *iterator, lion_datom *datom_out)
{
    if (available(iterator) == 0) return false;
    unsigned leaf = iterator->depth - 1u;
    uint32_t place = iterator->is_reverse ? --iterator->place[leaf] : iterator->place[leaf]++;
    *datom_out = lion_novelty_datom(iterator->base, lion_node_records(iterator->path[leaf])[place]);
    return true;
}

/* Of the `left` entries that can be read in the leaf, those before the stop. */
static uint32_t before_stop(const lion_novelty_iterator *iterator, const boundary *stop,
                            uint32_t left)
{
    unsigned depth = iterator->depth - 1u;
    uint32_t at = iterator->place[depth], end = place_in(stop, iterator->path[depth]);
    uint32_t allowed = iterator->is_reverse ? (at > end ? at - end : 0) : (end > at ? end - at : 0);
    return allowed < left ? allowed : left;
}

static lion_value value_of(const lion_record *record)
{
    uint8_t type = (uint8_t)(record->head >> LION_RECORD_TYPE_SHIFT);
    lion_value value = { .type = type, .size = record->size };
    if (lion_type_is_scalar(type))
        value.bits = record->bits;
    else
        value.data = record->bytes;
    return value;
}

#define PREFETCH 8 /* records ahead: they lie where no cache has them */

static void read_leaf(lion_novelty_iterator *iterator, lion_rows *rows, uint32_t count)
{
    unsigned depth = iterator->depth - 1u;
    const uint8_t *base = iterator->base;
    const uint32_t *records = lion_node_records(iterator->path[depth]);
    uint32_t place = iterator->place[depth];
    bool has_bits = lion_type_is_scalar(rows->v.type);
    bool is_reverse = iterator->is_reverse;
    for (uint32_t i = 0, row = rows->count; i < count; i++, row++) {
        uint32_t here = is_reverse ? place - 1 - i : place + i;
        if (i + PREFETCH < count) {
            uint32_t ahead = records[is_reverse ? here - PREFETCH : here + PREFETCH];
            __builtin_prefetch(lion_novelty_at(base, ahead & ~LION_REFERENCE_RETRACTION));
        }
        const lion_record *record =
            lion_novelty_at(base, records[here] & ~LION_REFERENCE_RETRACTION);
        rows->e[row] = record->e;
        rows->a[row] = record->head & LION_RECORD_A_MASK;
        rows->tx[row] = record->tx;
        rows->added[row] = (record->head & LION_RECORD_ADDED) != 0;
        if (has_bits)
            rows->v.bits[row] = record->bits;
        else
            rows->v.values[row] = value_of(record);
    }
    rows->count += count;
    iterator->place[depth] = (uint16_t)(is_reverse ? place - count : place + count);
}

bool lion_novelty_iterator_read(lion_novelty_iterator *iterator, lion_rows *rows, uint32_t limit,
                                const lion_key *stop, bool stop_upper)
{
    bool has_stop = stop->parts > 0 && iterator->root != 0;
    boundary at = { 0 };
    if (has_stop)
        at = boundary_of(iterator->base, iterator->root, (lion_index)iterator->order, stop,
                         stop_upper);
    while (limit > 0) {
        uint32_t left = available(iterator);
        if (left == 0) return false;
        uint32_t allowed = has_stop ? before_stop(iterator, &at, left) : left;
        uint32_t count = allowed < limit ? allowed : limit;
        read_leaf(iterator, rows, count);
        if (allowed < left && count == allowed) return false;
        limit -= count;
    }
    return true;
}

bool lion_novelty_first(const lion_novelty_version *version, lion_index order, const lion_key *key,
                        lion_datom *datom_out)
{
    lion_novelty_iterator iterator;
    lion_novelty_iterator_init(&iterator, version, order, key->datom.a, false);
    if (iterator.root == 0) return false;
    lion_novelty_iterator_seek(&iterator, key, false);
    return lion_novelty_iterator_next(&iterator, datom_out) &&
           lion_datom_compare_prefix(order, datom_out, key) == 0;
}

bool lion_novelty_attribute_next(const lion_novelty_version *version, uint32_t *cursor,
                                 uint32_t *a_out)
{
    if (version->novelty == NULL) return false;
    if (!lion_directory_next(version->novelty->base, version->attributes, *cursor, a_out))
        return false;
    *cursor = *a_out + 1;
    return true;
}
