/* points.c - single facts of a root's trees, over and over. A look-up from the top spends most of
 * its time on the way down: resolving segments, opening branches, leaves and their columns. A tree
 * that is asked often gets the borders of its leaves laid out side by side, and its leaves stay
 * open, so that a look-up is a search among numbers and an index into columns.
 *
 * Threads read without a lock: what is made is published whole, and of two that made the same, one
 * gives its own up. Nothing goes before the root goes.
 *
 * Asked from the top instead: an AEVT tree where an entity goes on from leaf to leaf, and values
 * that do in AVET; a tree whose borders are stubs, or that has very many leaves; and what is not in
 * the leaf that it should be in. */
#include "index/points.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/descent.h"

#define LEAVES_MAX 16384 /* of a tree that is kept open: 800 MB of segments */
#define ASKED_MIN 16     /* look-ups before laying out a tree pays */
#define SIGN (UINT64_C(1) << 63)

typedef struct open_tree {
    uint32_t count; /* leaves; 0: not kept open */
    bool has_bytes; /* the leads are values with bytes */
    uint32_t prefix_size;
    const uint8_t *prefix; /* what all borders share, borrowed from one */
    uint64_t *borders;     /* where each leaf begins, as number_of says; the first's says nothing */
    lion_value *values;    /* has_bytes: the borders whole */
    uint64_t *segments;
    lion_leaf **leaves; /* atomic; NULL: not opened yet */
    bool *goes_on;      /* the leaf begins amid the rows of its first lead */
} open_tree;

typedef struct slot {
    open_tree *open; /* atomic; NULL: not laid out yet */
    uint32_t asked;  /* atomic */
} slot;

struct lion_points {
    slot aevt, avet;
}; /* one for each attribute of the root, in its order */

/* ---- leads as numbers ---- */

static uint64_t leading_bytes(const uint8_t *data, size_t size)
{
    uint64_t bits = 0;
    memcpy(&bits, data, size < 8 ? size : 8);
    return __builtin_bswap64(bits);
}

/* In the order of the leads, except that values which share their first bytes tie. */
static uint64_t number_of(const lion_value *lead, uint32_t prefix_size)
{
    if (!lion_type_is_scalar(lead->type)) {
        if (lead->size <= prefix_size) return 0;
        return leading_bytes(lead->data + prefix_size, lead->size - prefix_size);
    }
    if (lead->type != LION_TYPE_DOUBLE) return (uint64_t)lead->bits ^ SIGN;
    if (lead->number != lead->number) return UINT64_MAX;
    uint64_t bits;
    double number = lead->number == 0 ? 0.0 : lead->number; /* one zero */
    memcpy(&bits, &number, sizeof bits);
    return bits & SIGN ? ~bits : bits | SIGN;
}

/* ---- laying out a tree ---- */

/* The borders of a tree's leaves, gathered from its branches. */
typedef struct border {
    lion_value lead;
    uint64_t segment; /* of the leaf that begins here */
    bool goes_on;
} border;

typedef struct gathering {
    const lion_tree *tree;
    lion_snapshot *snapshot;
    lion_arena *arena;
    border *borders;
    uint32_t count, capacity;
} gathering;

/* LION_END: the tree is not for this. */
static lion_status add_leaf(gathering *all, uint64_t segment, const lion_key *from,
                            lion_error *error)
{
    bool is_first = all->count == 0, is_avet = all->tree->order == LION_AVET;
    bool goes_on = !is_first && from->parts != 2;
    if (goes_on && !is_avet) return LION_END;
    if (all->count == LEAVES_MAX || lion_value_is_stub(&from->datom.v)) return LION_END;
    if (all->count == all->capacity) {
        uint32_t capacity = all->capacity == 0 ? 64 : all->capacity * 2;
        all->borders = lion_arena_grow(all->arena, all->borders, sizeof(border) * all->capacity,
                                       sizeof(border) * capacity);
        if (all->borders == NULL) return lion_fail_memory(error);
        all->capacity = capacity;
    }
    if (!is_first && is_avet && from->datom.v.type != all->tree->type) return LION_END;
    lion_value lead = is_avet ? from->datom.v : lion_value_ref(from->datom.e);
    all->borders[all->count++] = (border){ .lead = lead, .segment = segment, .goes_on = goes_on };
    return LION_OK;
}

/* from: where the branch begins, which its parent says. */
static lion_status add_branch(gathering *all, uint64_t segment, unsigned level,
                              const lion_key *from, lion_error *error)
{
    lion_slice bytes;
    lion_branch branch;
    lion_branch_entry *entries = NULL;
    lion_status status = lion_snapshot_segment(&bytes, all->snapshot, segment, error);
    if (status == LION_OK) status = lion_branch_open(&branch, bytes, all->tree, level, error);
    if (status == LION_OK) status = lion_branch_read(&entries, &branch, all->arena, error);
    for (uint32_t i = 0; status == LION_OK && i < branch.count; i++) {
        const lion_key *separator = i == 0 ? from : &entries[i].separator;
        if (level > 2)
            status = add_branch(all, entries[i].segment, level - 1, separator, error);
        else
            status = add_leaf(all, entries[i].segment, separator, error);
    }
    return status;
}

static lion_status gather(gathering *all, lion_error *error)
{
    static const lion_key start = { .parts = 0 };
    if (lion_tree_check(all->tree, error) != LION_OK) return LION_FAILED;
    if (all->tree->height == 1) return add_leaf(all, all->tree->segment, &start, error);
    return add_branch(all, all->tree->segment, all->tree->height, &start, error);
}

/* How many bytes all borders share: as many as the first of them and the last, for they ascend. */
static uint32_t shared_size(const border *borders, uint32_t count)
{
    if (count < 2) return 0;
    const lion_value *first = &borders[1].lead, *last = &borders[count - 1].lead;
    uint32_t size = first->size < last->size ? first->size : last->size, same = 0;
    while (same < size && first->data[same] == last->data[same]) same++;
    return same;
}

/* NULL: out of memory. */
static open_tree *make_open(const gathering *all)
{
    uint32_t count = all->count;
    bool has_bytes =
        !lion_type_is_scalar(all->tree->order == LION_AVET ? all->tree->type : LION_TYPE_REF);
    size_t each = sizeof(lion_leaf *) + 2 * sizeof(uint64_t) + sizeof(bool);
    if (has_bytes) each += sizeof(lion_value);
    open_tree *open = lion_zalloc(sizeof *open + each * count);
    if (open == NULL) return NULL;
    open->count = count;
    open->has_bytes = has_bytes;
    open->leaves = (lion_leaf **)(void *)(open + 1);
    open->borders = (uint64_t *)(void *)(open->leaves + count);
    open->segments = open->borders + count;
    open->goes_on = (bool *)(open->segments + count);
    if (has_bytes) {
        open->values = (lion_value *)(void *)(open->segments + count);
        open->goes_on = (bool *)(open->values + count);
        open->prefix_size = shared_size(all->borders, count);
        if (count > 1) open->prefix = all->borders[1].lead.data;
    }
    for (uint32_t i = 0; i < count; i++) {
        open->segments[i] = all->borders[i].segment;
        open->goes_on[i] = all->borders[i].goes_on;
        if (i == 0) continue;
        open->borders[i] = number_of(&all->borders[i].lead, open->prefix_size);
        if (has_bytes) open->values[i] = all->borders[i].lead;
    }
    return open;
}

/* What fails here fails on the way from the top too, where it is told. */
static open_tree *lay_out(const lion_tree *tree, lion_snapshot *snapshot)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    gathering all = { .tree = tree, .snapshot = snapshot, .arena = &arena };
    if (gather(&all, NULL) != LION_OK) all.count = 0;
    if (lion_arena_check(&arena, NULL) != LION_OK) all.count = 0;
    open_tree *open = make_open(&all);
    lion_arena_deinit(&arena);
    return open;
}

static void free_open(open_tree *open, bool with_leaves)
{
    for (uint32_t i = 0; open != NULL && with_leaves && i < open->count; i++)
        lion_free(open->leaves[i]);
    lion_free(open);
}

/* ---- what the root keeps ---- */

static lion_points *points_of(const lion_root *root)
{
    lion_points **place = (lion_points **)(uintptr_t)&root->points;
    lion_points *points = __atomic_load_n(place, __ATOMIC_ACQUIRE);
    if (points != NULL) return points;
    lion_points *made = lion_zalloc(sizeof *made * root->attribute_count);
    if (made == NULL) return NULL;
    if (__atomic_compare_exchange_n(place, &points, made, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    lion_free(made);
    return points;
}

static slot *slot_of(const lion_root *root, const lion_tree *tree)
{
    size_t offset = (size_t)((uintptr_t)tree - (uintptr_t)root->attributes);
    size_t place = offset / sizeof(lion_root_attribute);
    LION_ASSERT(place < root->attribute_count);
    lion_points *points = points_of(root);
    if (points == NULL) return NULL;
    return tree->order == LION_AEVT ? &points[place].aevt : &points[place].avet;
}

static open_tree *publish(slot *at, open_tree *made)
{
    open_tree *open = NULL;
    if (made == NULL || __atomic_compare_exchange_n(&at->open, &open, made, false, __ATOMIC_ACQ_REL,
                                                    __ATOMIC_ACQUIRE))
        return made;
    free_open(made, false);
    return open;
}

/* NULL: to be asked from the top. */
static open_tree *open_of(const lion_root *root, const lion_tree *tree)
{
    slot *at = slot_of(root, tree);
    if (at == NULL) return NULL;
    open_tree *open = __atomic_load_n(&at->open, __ATOMIC_ACQUIRE);
    if (open == NULL) {
        uint32_t asked = __atomic_load_n(&at->asked, __ATOMIC_RELAXED);
        __atomic_store_n(&at->asked, asked + 1, __ATOMIC_RELAXED);
        if (asked + 1 < ASKED_MIN) return NULL;
        open = publish(at, lay_out(tree, root->snapshot));
    }
    return open != NULL && open->count > 0 ? open : NULL;
}

void lion_points_keep_open(const lion_root *root, const lion_tree *tree)
{
    slot *at = tree == NULL ? NULL : slot_of(root, tree);
    if (at != NULL && __atomic_load_n(&at->open, __ATOMIC_ACQUIRE) == NULL)
        publish(at, lay_out(tree, root->snapshot));
}

void lion_points_free(lion_points *points, uint32_t attribute_count)
{
    for (uint32_t i = 0; points != NULL && i < attribute_count; i++) {
        free_open(points[i].aevt.open, true);
        free_open(points[i].avet.open, true);
    }
    lion_free(points);
}

/* ---- leaves ---- */

static lion_leaf *keep_leaf(open_tree *open, uint32_t index, const lion_root *root,
                            const lion_leaf *opened)
{
    lion_leaf *leaf = lion_alloc(sizeof *leaf), *known = NULL;
    if (leaf == NULL) return NULL;
    *leaf = *opened;
    if (__atomic_compare_exchange_n(&open->leaves[index], &known, leaf, false, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE)) {
        __atomic_add_fetch((uint64_t *)(uintptr_t)&root->leaves_open, 1, __ATOMIC_RELAXED);
        return leaf;
    }
    lion_free(leaf);
    return known;
}

/* The leaf, opened if it is not open yet, with all that is read here: nothing in it changes
 * afterwards. */
static inline lion_status leaf_at(lion_leaf **leaf_out, open_tree *open, uint32_t index,
                                  const lion_root *root, const lion_tree *tree, lion_error *error)
{
    *leaf_out = __atomic_load_n(&open->leaves[index], __ATOMIC_ACQUIRE);
    if (*leaf_out != NULL) return LION_OK;
    lion_leaf leaf;
    unsigned parts = LION_LEAF_E | LION_LEAF_V | LION_LEAF_TX | LION_LEAF_RUNS;
    if (lion_tree_open_leaf(&leaf, tree, root->snapshot, open->segments[index], error) != LION_OK ||
        lion_leaf_need(&leaf, parts, error) != LION_OK)
        return LION_FAILED;
    *leaf_out = keep_leaf(open, index, root, &leaf);
    return *leaf_out != NULL ? LION_OK : LION_END;
}

/* The last leaf that begins at or before the number. */
static inline uint32_t leaf_of_number(const open_tree *open, uint64_t number)
{
    uint32_t low = 0, left = open->count;
    while (left > 1) {
        uint32_t half = left / 2;
        low = open->borders[low + half] <= number ? low + half : low;
        left -= half;
    }
    return low;
}

/* Where numbers tie: the last leaf that begins at or before the value. */
static uint32_t leaf_of_bytes(const open_tree *open, const lion_value *v)
{
    uint32_t low = 0, high = open->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (lion_value_compare(open->values[middle], *v) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static uint32_t leaf_of_value(const open_tree *open, const lion_value *v)
{
    if (open->count == 1) return 0;
    if (!open->has_bytes) return leaf_of_number(open, number_of(v, 0));
    uint32_t shared = v->size < open->prefix_size ? v->size : open->prefix_size;
    int order = shared == 0 ? 0 : memcmp(v->data, open->prefix, shared);
    if (order < 0 || (order == 0 && v->size < open->prefix_size)) return 0;
    if (order > 0) return open->count - 1;
    uint64_t number = number_of(v, open->prefix_size);
    uint32_t index = leaf_of_number(open, number);
    bool is_tie = index > 0 && open->borders[index] == number;
    return is_tie ? leaf_of_bytes(open, v) : index;
}

/* ---- values of an entity ---- */

/* The place of one value, on the way to it. */
typedef struct spot {
    open_tree *open; /* NULL: to be asked from the top */
    lion_leaf *leaf;
    uint32_t index, row;
    bool is_there;
} spot;

static inline void prefetch_ints(const lion_ints *ints, size_t index)
{
    bool is_packed = ints->encoding == LION_INTS_PACKED || ints->encoding == LION_INTS_SLOPED ||
                     ints->encoding == LION_INTS_DICTIONARY;
    if (is_packed) __builtin_prefetch(ints->packed.bits + (index * ints->packed.width >> 3));
    if (ints->encoding == LION_INTS_BLOCKS)
        __builtin_prefetch(ints->blocks.directory + index / LION_INTS_BLOCK * 12);
}

static void prefetch_lead(const lion_ints *leads, int64_t e)
{
    if (leads->encoding != LION_INTS_BITMAP) return;
    uint64_t word = ((uint64_t)e - (uint64_t)leads->bitmap.base) / 64;
    if (word >= leads->bitmap.word_count) return;
    __builtin_prefetch(leads->bitmap.words + 8 * word);
    __builtin_prefetch(leads->bitmap.ranks + 2 * word);
}

static void prefetch_value(const lion_column *column, size_t row)
{
    bool is_plain = lion_type_is_scalar(column->type) || (column->mode & LION_COLUMN_CODES) != 0;
    prefetch_ints(is_plain ? &column->ints : &column->places, row);
}

static lion_status find_leaf(spot *at, const lion_root *root, const lion_tree *tree, int64_t e,
                             lion_error *error)
{
    at->open = open_of(root, tree);
    if (at->open == NULL) return LION_END;
    at->index = leaf_of_number(at->open, (uint64_t)e ^ SIGN);
    return leaf_at(&at->leaf, at->open, at->index, root, tree, error);
}

/* LION_END: it may be in the next leaf. */
static lion_status find_row(spot *at, int64_t e, lion_error *error)
{
    size_t run;
    lion_leaf *leaf = at->leaf;
    at->is_there = lion_ints_find(&leaf->e, e, &run);
    if (!at->is_there)
        return run == leaf->leads && at->index + 1 < at->open->count ? LION_END : LION_OK;
    uint32_t to;
    at->row = (uint32_t)run;
    if (leaf->leads == leaf->rows) return LION_OK;
    return lion_leaf_run_rows(&at->row, &to, leaf, (uint32_t)run, error);
}

static lion_status read_spot(lion_value *value_out, int64_t *tx_out, const spot *at,
                             const lion_root *root, lion_error *error)
{
    lion_leaf *leaf = at->leaf;
    if (!at->is_there) return LION_ABSENT;
    if (!lion_column_get(&leaf->v, at->row, value_out)) return lion_leaf_corrupt(error, "column v");
    if (tx_out != NULL) *tx_out = lion_ints_get(&leaf->tx, at->row);
    if (lion_value_is_stub(value_out)) return lion_stub_resolve(value_out, root->snapshot, error);
    if (!lion_type_is_scalar(value_out->type)) __builtin_prefetch(value_out->data);
    return LION_OK;
}

lion_status lion_points_get(lion_value *value_out, int64_t *tx_out, const lion_root *root,
                            const lion_tree *tree, int64_t e, lion_error *error)
{
    spot at = { 0 };
    if (tree->height == 0) return LION_ABSENT;
    lion_status status = find_leaf(&at, root, tree, e, error);
    if (status == LION_OK) status = find_row(&at, e, error);
    if (status == LION_OK) status = read_spot(value_out, tx_out, &at, root, error);
    return status == LION_END ? lion_tree_get(value_out, tx_out, tree, root->snapshot, e, error)
                              : status;
}

lion_status lion_points_leaf(lion_leaf **leaf_out, int64_t *from_out, int64_t *to_out,
                             const lion_root *root, const lion_tree *tree, int64_t e,
                             lion_error *error)
{
    spot at = { 0 };
    lion_status status = find_leaf(&at, root, tree, e, error);
    if (status != LION_OK) return status;
    bool is_last = at.index + 1 == at.open->count;
    *leaf_out = at.leaf;
    *from_out = at.index == 0 ? INT64_MIN : (int64_t)(at.open->borders[at.index] ^ SIGN);
    *to_out = is_last ? INT64_MAX : (int64_t)(at.open->borders[at.index + 1] ^ SIGN);
    return LION_OK;
}

/* Step by step for all of them, so that the waits for memory overlap. */
lion_status lion_points_row(lion_value *values_out, const lion_root *root,
                            const lion_tree *const *trees, uint32_t count, int64_t e,
                            lion_error *error)
{
    LION_ASSERT(count <= LION_POINTS_ROW);
    spot spots[LION_POINTS_ROW];
    lion_status states[LION_POINTS_ROW];
    for (uint32_t i = 0; i < count; i++) {
        states[i] = LION_ABSENT;
        if (trees[i] == NULL || trees[i]->height == 0) continue;
        states[i] = find_leaf(&spots[i], root, trees[i], e, error);
        if (states[i] == LION_OK) prefetch_lead(&spots[i].leaf->e, e);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (states[i] != LION_OK) continue;
        states[i] = find_row(&spots[i], e, error);
        if (spots[i].is_there) prefetch_value(&spots[i].leaf->v, spots[i].row);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (states[i] == LION_OK)
            states[i] = read_spot(&values_out[i], NULL, &spots[i], root, error);
        if (states[i] == LION_END)
            states[i] = lion_tree_get(&values_out[i], NULL, trees[i], root->snapshot, e, error);
        if (states[i] == LION_FAILED) return LION_FAILED;
        if (states[i] == LION_ABSENT) values_out[i] = lion_value_nil();
    }
    return LION_OK;
}

/* ---- the entity of a value ---- */

static lion_status is_lead(bool *is_out, const lion_value *lead, const lion_value *v,
                           lion_snapshot *snapshot, lion_error *error)
{
    int order;
    if (!lion_type_is_scalar(v->type) && !lion_value_is_stub(lead)) {
        *is_out =
            lead->size == v->size && (v->size == 0 || memcmp(lead->data, v->data, v->size) == 0);
        return LION_OK;
    }
    lion_status status = lion_stub_compare(&order, lead, v, snapshot, error);
    *is_out = order == 0;
    return status;
}

/* The leaf's run of the value. LION_END: it may be in the next leaf. */
static lion_status find_lead(uint32_t *run_out, lion_leaf *leaf, bool is_last, const lion_value *v,
                             lion_snapshot *snapshot, lion_error *error)
{
    size_t run;
    lion_value lead;
    bool is_found = false;
    if (lion_column_lower_bound(&run, &leaf->v, 0, leaf->leads, v, false, snapshot, error) !=
        LION_OK)
        return LION_FAILED;
    if (run == leaf->leads) return is_last ? LION_ABSENT : LION_END;
    if (leaf->leads == leaf->rows) prefetch_ints(&leaf->e, run);
    if (!lion_column_get(&leaf->v, run, &lead)) return lion_leaf_corrupt(error, "column v");
    if (is_lead(&is_found, &lead, v, snapshot, error) != LION_OK) return LION_FAILED;
    *run_out = (uint32_t)run;
    return is_found ? LION_OK : LION_ABSENT;
}

/* Whether rows of the value lie in the leaf before, too. */
static bool began_before(const open_tree *open, uint32_t index, const lion_value *v)
{
    if (!open->goes_on[index]) return false;
    if (open->has_bytes) return lion_value_compare(open->values[index], *v) == 0;
    return open->borders[index] == number_of(v, 0);
}

/* LION_END: from the top. */
static lion_status find_value(lion_leaf **leaf_out, uint32_t *run_out, const lion_root *root,
                              const lion_tree *tree, const lion_value *v, lion_error *error)
{
    open_tree *open = v->type == tree->type ? open_of(root, tree) : NULL;
    if (open == NULL) return LION_END;
    uint32_t index = leaf_of_value(open, v);
    if (began_before(open, index, v)) return LION_END;
    lion_status status = leaf_at(leaf_out, open, index, root, tree, error);
    if (status != LION_OK) return status;
    bool is_last = index + 1 == open->count;
    return find_lead(run_out, *leaf_out, is_last, v, root->snapshot, error);
}

lion_status lion_points_run(lion_leaf **leaf_out, uint32_t *from_out, uint32_t *to_out,
                            const lion_root *root, const lion_tree *tree, lion_value v,
                            lion_error *error)
{
    uint32_t run = 0;
    if (tree->height == 0) return LION_ABSENT;
    lion_status status = find_value(leaf_out, &run, root, tree, &v, error);
    return status == LION_OK ? lion_leaf_run_rows(from_out, to_out, *leaf_out, run, error) : status;
}

lion_status lion_points_find(int64_t *e_out, int64_t *tx_out, const lion_root *root,
                             const lion_tree *tree, lion_value v, lion_error *error)
{
    uint32_t row, to;
    lion_leaf *leaf = NULL;
    lion_status status = lion_points_run(&leaf, &row, &to, root, tree, v, error);
    if (status == LION_END) return lion_tree_find(e_out, tx_out, tree, root->snapshot, v, error);
    if (status != LION_OK) return status;
    *e_out = lion_ints_get(&leaf->e, row);
    if (tx_out != NULL) *tx_out = lion_ints_get(&leaf->tx, row);
    return LION_OK;
}
