/* novelty_insert.c - a sorted run of datoms into a persistent B+tree, in one descent.
 *
 * Each call replaces one node by one or more, which it leaves on the stack of children; the caller
 * puts them in the place of the old one. Nodes of the present epoch with room are changed in place.
 *
 * A node that overflows is split evenly, unless its entries came in at its end one after the other
 * (ids and transactions ascend): then the left part stays full, and the tree fills up densely. */
#include <string.h>

#include "index/novelty_tree.h"

typedef struct inserter {
    lion_novelty *novelty;
    lion_index order;
} inserter;

/* -- Searching ----------------------------------------------------------------------------------
 */

uint32_t lion_node_lower(const lion_node *node, uint32_t from, uint32_t to, uint64_t key)
{
    const uint64_t *keys = node->keys + from;
    uint32_t length = to - from;
    while (length > 0) {
        uint32_t half = length / 2;
        bool is_right = keys[half] < key;
        keys = is_right ? keys + half + 1 : keys;
        length = is_right ? length - half - 1 : half;
    }
    return (uint32_t)(keys - node->keys);
}

uint32_t lion_node_upper(const lion_node *node, uint32_t from, uint32_t to, uint64_t key)
{
    return key == UINT64_MAX ? to : lion_node_lower(node, from, to, key + 1);
}

static uint32_t minor_at(const lion_node *node, uint32_t place)
{
    return node->level == 0 ? lion_leaf_minors(node)[place] : lion_node_edges(node)[place].minor;
}

uint32_t lion_node_minor_lower(const lion_node *node, uint32_t from, uint32_t to, uint32_t minor)
{
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (minor_at(node, middle) < minor)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

uint32_t lion_node_minor_upper(const lion_node *node, uint32_t from, uint32_t to, uint32_t minor)
{
    return minor == UINT32_MAX ? to : lion_node_minor_lower(node, from, to, minor + 1);
}

static uint32_t reference_at(const lion_node *node, uint32_t place)
{
    return node->level == 0 ? lion_node_records(node)[place] : lion_node_edges(node)[place].first;
}

/* In [from, count): the first place whose datom is not before the entry (no two are equal). */
static uint32_t place_of(const inserter *in, const lion_node *node, uint32_t from,
                         const lion_novelty_entry *entry)
{
    uint32_t low = lion_node_lower(node, from, node->count, entry->key);
    if (low == node->count || node->keys[low] != entry->key) return low;
    uint32_t high = lion_node_upper(node, low, node->count, entry->key);
    low = lion_node_minor_lower(node, low, high, entry->minor);
    high = lion_node_minor_upper(node, low, high, entry->minor);
    if (low == high) return low;
    const uint8_t *base = in->novelty->base;
    lion_datom datom = lion_novelty_datom(base, entry->record);
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        lion_datom there = lion_novelty_datom(base, reference_at(node, middle));
        if (lion_datom_compare(in->order, &there, &datom) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Does the entry come before the one at `place` of a node? */
static bool is_before(const inserter *in, const lion_novelty_entry *entry, const lion_node *node,
                      uint32_t place)
{
    if (entry->key != node->keys[place]) return entry->key < node->keys[place];
    uint32_t minor = minor_at(node, place);
    if (entry->minor != minor) return entry->minor < minor;
    lion_datom x = lion_novelty_datom(in->novelty->base, entry->record);
    lion_datom y = lion_novelty_datom(in->novelty->base, reference_at(node, place));
    return lion_datom_compare(in->order, &x, &y) < 0;
}

/* -- Results ------------------------------------------------------------------------------------
 */

static void push_child(lion_novelty *novelty, lion_novelty_child child)
{
    LION_ASSERT(novelty->child_count < novelty->child_capacity);
    novelty->children[novelty->child_count++] = child;
}

static void push_leaf(lion_novelty *novelty, uint32_t offset)
{
    const lion_node *leaf = lion_novelty_at(novelty->base, offset);
    const uint32_t *records = lion_node_records(leaf);
    uint32_t retractions = 0;
    for (uint32_t i = 0; i < leaf->count; i++) retractions += records[i] >> 31;
    push_child(novelty, (lion_novelty_child){
                            .key = leaf->keys[0],
                            .edge = { .child = offset,
                                      .first = records[0],
                                      .minor = lion_leaf_minors(leaf)[0],
                                      .datoms = leaf->count,
                                      .net = (int32_t)leaf->count - 2 * (int32_t)retractions } });
}

static void push_branch(lion_novelty *novelty, uint32_t offset)
{
    const lion_node *node = lion_novelty_at(novelty->base, offset);
    const lion_edge *edges = lion_node_edges(node);
    lion_novelty_child child = {
        .key = node->keys[0],
        .edge = { .child = offset, .first = edges[0].first, .minor = edges[0].minor }
    };
    for (uint32_t i = 0; i < node->count; i++) {
        child.edge.datoms += edges[i].datoms;
        child.edge.net += edges[i].net;
    }
    push_child(novelty, child);
}

/* -- Leaves -------------------------------------------------------------------------------------
 */

/* How many of the `left` entries the next node takes: all full but the last, or an even share. */
static uint32_t share(size_t left, uint32_t limit, bool is_appending)
{
    if (left <= limit) return (uint32_t)left;
    if (is_appending) return limit;
    size_t nodes = (left + limit - 1) / limit;
    return (uint32_t)((left + nodes - 1) / nodes);
}

/* The leaf has room and is of this epoch: from the back, so that nothing moves twice. */
static void merge_in_place(const inserter *in, lion_node *leaf, const lion_novelty_entry *run,
                           uint32_t count)
{
    uint32_t *minors = lion_leaf_minors(leaf), *records = lion_node_records(leaf);
    uint32_t end = leaf->count, total = end + count;
    for (uint32_t i = count; i-- > 0;) {
        leaf->count = (uint16_t)end; /* bounds the search */
        uint32_t place = place_of(in, leaf, 0, &run[i]);
        memmove(leaf->keys + place + i + 1, leaf->keys + place, (end - place) * sizeof *leaf->keys);
        memmove(minors + place + i + 1, minors + place, (end - place) * sizeof *minors);
        memmove(records + place + i + 1, records + place, (end - place) * sizeof *records);
        leaf->keys[place + i] = run[i].key;
        minors[place + i] = run[i].minor;
        records[place + i] = run[i].record;
        end = place;
    }
    leaf->count = (uint16_t)total;
}

/* Old entries and run, in order, into new leaves. */
typedef struct leaf_stream {
    const inserter *in;
    size_t left; /* entries to come */
    uint32_t limit;
    bool is_appending;
    uint32_t offset; /* the leaf being filled, 0: none */
    uint32_t room;
    lion_node *leaf;
} leaf_stream;

static void stream_open(leaf_stream *stream)
{
    uint32_t size = share(stream->left, stream->limit, stream->is_appending);
    stream->offset = lion_node_new(stream->in->novelty, 0, size);
    stream->leaf = lion_novelty_at(stream->in->novelty->base, stream->offset);
    stream->room = size;
}

static void stream_close(leaf_stream *stream)
{
    /* A leaf left full, should more come at its end, must earn that again: else each would found a
     * leaf. */
    stream->leaf->appended = stream->is_appending && stream->left == 0 ? stream->leaf->count : 0;
    push_leaf(stream->in->novelty, stream->offset);
}

static void stream_put(leaf_stream *stream, uint64_t key, uint32_t minor, uint32_t record)
{
    if (stream->room == 0) {
        if (stream->offset != 0) stream_close(stream);
        stream_open(stream);
    }
    lion_node *leaf = stream->leaf;
    leaf->keys[leaf->count] = key;
    lion_leaf_minors(leaf)[leaf->count] = minor;
    lion_node_records(leaf)[leaf->count++] = record;
    stream->room--;
    stream->left--;
}

static void build_leaves(const inserter *in, const lion_node *old, const lion_novelty_entry *run,
                         size_t count, bool is_appending)
{
    uint32_t old_count = old != NULL ? old->count : 0, next = 0;
    leaf_stream stream = { .in = in,
                           .left = old_count + count,
                           .limit = in->novelty->node_entries,
                           .is_appending = is_appending };
    for (size_t i = 0; i < count; i++) {
        uint32_t place = old != NULL ? place_of(in, old, next, &run[i]) : 0;
        for (; next < place; next++)
            stream_put(&stream, old->keys[next], lion_leaf_minors(old)[next],
                       lion_node_records(old)[next]);
        stream_put(&stream, run[i].key, run[i].minor, run[i].record);
    }
    for (; next < old_count; next++)
        stream_put(&stream, old->keys[next], lion_leaf_minors(old)[next],
                   lion_node_records(old)[next]);
    stream_close(&stream);
}

/* One leaf still holds all: a copy of the old one, then as if it had room. */
static void copy_leaf(const inserter *in, const lion_node *old, const lion_novelty_entry *run,
                      uint32_t count)
{
    uint32_t offset = lion_node_new(in->novelty, 0, old->count + count);
    lion_node *leaf = lion_novelty_at(in->novelty->base, offset);
    memcpy(leaf->keys, old->keys, old->count * sizeof *leaf->keys);
    memcpy(lion_leaf_minors(leaf), lion_leaf_minors(old), old->count * sizeof(uint32_t));
    memcpy(lion_node_records(leaf), lion_node_records(old), old->count * sizeof(uint32_t));
    leaf->count = old->count;
    leaf->appended = old->appended;
    merge_in_place(in, leaf, run, count);
    push_leaf(in->novelty, offset);
}

static void insert_leaf(const inserter *in, uint32_t offset, const lion_novelty_entry *run,
                        size_t count)
{
    lion_novelty *novelty = in->novelty;
    lion_node *leaf = lion_novelty_at(novelty->base, offset);
    bool is_own = leaf->epoch == novelty->epoch;
    uint32_t last = leaf->count - 1u;
    bool is_at_end = !is_before(in, &run[0], leaf, last);
    size_t appended = is_at_end ? leaf->appended + count : 0;
    size_t total = leaf->count + count;
    if (total > novelty->node_entries) {
        bool is_appending = appended >= novelty->node_entries / 2;
        build_leaves(in, leaf, run, count, is_appending);
        lion_node_retire(novelty, offset);
        return;
    }
    if (is_own && total <= lion_node_capacity(leaf)) {
        merge_in_place(in, leaf, run, (uint32_t)count);
        push_leaf(novelty, offset);
    } else {
        copy_leaf(in, leaf, run, (uint32_t)count);
        lion_node_retire(novelty, offset);
        leaf =
            lion_novelty_at(novelty->base, novelty->children[novelty->child_count - 1].edge.child);
    }
    leaf->appended = (uint32_t)appended;
}

/* -- Branches -----------------------------------------------------------------------------------
 */

/* Which child was replaced, by how many. */
typedef struct segment {
    uint32_t child, results;
} segment;

static void set_child(lion_node *node, uint32_t place, const lion_novelty_child *child)
{
    node->keys[place] = child->key;
    lion_node_edges(node)[place] = child->edge;
}

/* Pack children[0..count) into branches; they are left on the stack. */
static void build_branches(lion_novelty *novelty, uint8_t level, const lion_novelty_child *children,
                           size_t count, bool is_appending)
{
    LION_ASSERT(level < LION_NODE_HEIGHT_MAX);
    for (size_t next = 0; next < count;) {
        uint32_t size = share(count - next, novelty->node_entries, is_appending);
        uint32_t offset = lion_node_new(novelty, level, size);
        lion_node *node = lion_novelty_at(novelty->base, offset);
        for (uint32_t i = 0; i < size; i++) set_child(node, i, &children[next + i]);
        node->count = (uint16_t)size;
        next += size;
        node->appended = is_appending && next == count ? size : 0;
        push_branch(novelty, offset);
    }
}

/* A branch of the present epoch with room for `total` children, with the old one's children. */
static uint32_t own_branch(lion_novelty *novelty, uint32_t offset, uint32_t total)
{
    lion_node *old = lion_novelty_at(novelty->base, offset);
    if (old->epoch == novelty->epoch && total <= lion_node_capacity(old)) return offset;
    uint32_t copy = lion_node_new(novelty, old->level, total);
    lion_node *node = lion_novelty_at(novelty->base, copy);
    memcpy(node->keys, old->keys, old->count * sizeof *node->keys);
    memcpy(lion_node_edges(node), lion_node_edges(old), old->count * sizeof(lion_edge));
    node->count = old->count;
    node->appended = old->appended;
    lion_node_retire(novelty, offset);
    return copy;
}

/* results: of all segments, in order. From the back, so that nothing moves twice. */
static void replace_in_place(lion_node *node, const segment *segments, size_t segment_count,
                             const lion_novelty_child *results, uint32_t total)
{
    lion_edge *edges = lion_node_edges(node);
    uint32_t end = node->count, out = total;
    const lion_novelty_child *result = results;
    for (size_t i = 0; i < segment_count; i++) result += segments[i].results;
    for (size_t i = segment_count; i-- > 0;) {
        uint32_t tail = segments[i].child + 1, moved = end - tail;
        out -= moved;
        if (out != tail) {
            memmove(node->keys + out, node->keys + tail, moved * sizeof *node->keys);
            memmove(edges + out, edges + tail, moved * sizeof *edges);
        }
        for (uint32_t j = segments[i].results; j-- > 0;) set_child(node, --out, --result);
        end = segments[i].child;
    }
    node->count = (uint16_t)total;
}

/* Old children and results, in order, on the stack. */
static void gather(lion_novelty *novelty, const lion_node *node, const segment *segments,
                   size_t segment_count, size_t results)
{
    uint32_t next = 0;
    for (size_t i = 0; i <= segment_count; i++) {
        uint32_t end = i < segment_count ? segments[i].child : node->count;
        for (; next < end; next++)
            push_child(novelty, (lion_novelty_child){ .key = node->keys[next],
                                                      .edge = lion_node_edges(node)[next] });
        if (i == segment_count) break;
        for (uint32_t j = 0; j < segments[i].results; j++)
            push_child(novelty, novelty->children[results++]);
        next++;
    }
}

/* The part of run that goes to children[child]. */
static size_t run_of_child(const inserter *in, const lion_node *node, uint32_t child,
                           const lion_novelty_entry *run, size_t count)
{
    if (child + 1u == node->count) return count;
    if (is_before(in, &run[count - 1], node, child + 1)) return count;
    size_t low = 1, high = count - 1; /* run[0] goes there, the last one does not */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_before(in, &run[middle], node, child + 1))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert_node(const inserter *in, uint32_t offset, const lion_novelty_entry *run,
                        size_t count);

static size_t insert_below(const inserter *in, const lion_node *node, segment *segments,
                           const lion_novelty_entry *run, size_t count)
{
    size_t segment_count = 0;
    uint32_t from = 0;
    while (count > 0) {
        uint32_t place = place_of(in, node, from, run);
        uint32_t child = place > 0 ? place - 1 : 0;
        size_t part = run_of_child(in, node, child, run, count);
        size_t mark = in->novelty->child_count;
        insert_node(in, lion_node_edges(node)[child].child, run, part);
        segments[segment_count++] =
            (segment){ .child = child, .results = (uint32_t)(in->novelty->child_count - mark) };
        run += part;
        count -= part;
        from = child + 1;
    }
    return segment_count;
}

static void insert_branch(const inserter *in, uint32_t offset, const lion_novelty_entry *run,
                          size_t count)
{
    lion_novelty *novelty = in->novelty;
    lion_node *node = lion_novelty_at(novelty->base, offset);
    segment segments[LION_NODE_ENTRIES_MAX];
    size_t mark = novelty->child_count;
    size_t segment_count = insert_below(in, node, segments, run, count);
    size_t extra = novelty->child_count - mark - segment_count;
    size_t total = node->count + extra;
    bool is_at_end = segment_count == 1 && segments[0].child + 1u == node->count;
    size_t appended = is_at_end ? node->appended + extra : 0;

    if (total <= novelty->node_entries) {
        offset = own_branch(novelty, offset, (uint32_t)total);
        node = lion_novelty_at(novelty->base, offset);
        replace_in_place(node, segments, segment_count, novelty->children + mark, (uint32_t)total);
        if (extra > 0) node->appended = (uint32_t)appended;
        novelty->child_count = mark;
        push_branch(novelty, offset);
        return;
    }
    size_t gathered = novelty->child_count;
    gather(novelty, node, segments, segment_count, mark);
    size_t built = novelty->child_count;
    build_branches(novelty, node->level, novelty->children + gathered, built - gathered,
                   appended >= novelty->node_entries / 2);
    size_t made = novelty->child_count - built;
    memmove(novelty->children + mark, novelty->children + built, made * sizeof *novelty->children);
    novelty->child_count = mark + made;
    lion_node_retire(novelty, offset);
}

static void insert_node(const inserter *in, uint32_t offset, const lion_novelty_entry *run,
                        size_t count)
{
    const lion_node *node = lion_novelty_at(in->novelty->base, offset);
    if (node->level == 0)
        insert_leaf(in, offset, run, count);
    else
        insert_branch(in, offset, run, count);
}

uint32_t lion_novelty_insert(lion_novelty *novelty, lion_index order, uint32_t top,
                             const lion_novelty_entry *run, size_t count)
{
    LION_ASSERT(count > 0);
    inserter in = { .novelty = novelty, .order = order };
    uint8_t level = 0;
    novelty->child_count = 0;
    if (top == 0) {
        build_leaves(&in, NULL, run, count, true);
    } else {
        level = ((const lion_node *)lion_novelty_at(novelty->base, top))->level;
        insert_node(&in, top, run, count);
    }
    while (novelty->child_count > 1) {
        size_t built = novelty->child_count;
        build_branches(novelty, ++level, novelty->children, built, count > novelty->node_entries);
        size_t made = novelty->child_count - built;
        memmove(novelty->children, novelty->children + built, made * sizeof *novelty->children);
        novelty->child_count = made;
    }
    if (level + 1u > novelty->height) novelty->height = level + 1u;
    return novelty->children[0].edge.child;
}
