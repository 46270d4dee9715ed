/* gather.c - a batch of entities meets the leaves of a tree, or a sorted list of what the view shows.
 *
 * Rows are taken in turn; those of one leaf gather as places, which are read when another leaf follows. Where the
 * places lie close together the stretch from the first to the last is unpacked at once.
 *
 * What lies in novelty is a list of entities, ascending, each with the value that stands, or none: it comes before the
 * tree. As of a time that the trees reach, the list is of what stood then and no longer does, from the history tree,
 * and what is in the current tree counts if it was there already. Other views are a list alone, of the whole attribute.
 * Before a list pays, entities are looked up one by one. */
#include "index/gather.h"

#include "base/assert.h"
#include "index/lane.h"
#include "index/points.h"
#include "index/rows.h"
#include "index/view_parts.h"

#define STRETCH_MAX 4096 /* places of a leaf that are unpacked at once … */
#define STRETCH_PART 4   /* … if so many times fewer are wanted */
#define TABLE_MAX 4096   /* distinct values of a leaf that are laid out */
#define PAYS_PART 16     /* a list pays when so many times fewer entities were asked for */
#define LISTED_MAX 65536 /* entities that a list makes room for at once */
#define DENSE_PART 16    /* a list gets an index when its entities spread so many times wider */

/* Entities ascending, and what stands of each. */
typedef struct list {
    size_t count, room;
    int64_t *e;
    lion_value *values; /* NIL: nothing stands */
    uint32_t *index;    /* per entity from base on: 1 + its place, 0: not in the list; NULL: entities are searched for */
    int64_t base;
    uint64_t range;
} list;

struct lion_gather {
    lion_view view;
    uint32_t a;
    lion_type type;
    lion_arena *arena;
    const lion_tree *tree; /* of a plain view; NULL: nothing is in it */
    bool is_plain, is_past;
    int64_t max_tx;        /* past: what is newer is not seen */
    bool has_list;         /* the list is there */
    uint64_t listed;       /* datoms that a list would be made of; 0: none is needed */
    uint64_t asked;
    list list;

    lion_leaf *leaf; /* the one at hand, of entities [from, to) */
    int64_t from, to;
    bool is_consecutive; /* the leaf's entities are first, first + 1 … */
    int64_t first;
    uint32_t hint; /* the last entity's place */

    uint32_t place_count; /* of the leaf at hand, gathered and not read yet */
    uint32_t *places;     /* LION_BATCH_ROWS */
    uint16_t *place_rows;
    uint32_t lowest, highest;

    int64_t *bits; /* STRETCH_MAX; made when needed */
    lion_value *stretch;
    lion_value *table; /* the distinct values of a leaf */
    const lion_leaf *table_leaf;
};

/* ---- opening ---- */

static uint64_t in_novelty(const lion_view *view, uint32_t a)
{
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    uint64_t sum = 0;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t datoms = 0;
        int64_t net;
        if (versions[i]->novelty == NULL) continue;
        lion_novelty_count(&datoms, &net, versions[i], LION_AEVT, &key);
        sum += datoms;
    }
    return sum;
}

lion_status lion_gather_new(lion_gather **gather_out, const lion_view *view, uint32_t a, lion_type type, lion_arena *arena,
                            lion_error *error)
{
    LION_ASSERT(view->filter_count == 0 && !view->is_history);
    lion_gather *self = lion_arena_new(arena, lion_gather);
    self->places = lion_arena_array(arena, uint32_t, LION_BATCH_ROWS);
    self->place_rows = lion_arena_array(arena, uint16_t, LION_BATCH_ROWS);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    self->view = *view;
    self->a = a;
    self->type = type;
    self->arena = arena;
    self->is_plain = lion_view_is_plain(view);
    self->is_past = !self->is_plain && view->since_t < 0 && view->root != NULL && view->upper_t <= view->root->t;
    self->max_tx = lion_t_to_tx(view->upper_t);
    const lion_tree *tree = lion_view_tree(view, LION_AEVT, a, false), *past = lion_view_tree(view, LION_AEVT, a, true);
    uint64_t in_past = past == NULL ? 0 : past->count;
    if (self->is_plain || self->is_past) {
        self->listed = self->is_past ? in_past : in_novelty(view, a);
        self->tree = tree;
        lion_points_keep_open(view->root, tree);
    } else {
        self->listed = in_novelty(view, a) + (tree == NULL ? 0 : tree->count) + in_past + 1;
    }
    *gather_out = self;
    return LION_OK;
}

/* ---- lists ---- */

static lion_status list_reserve(lion_gather *self, list *all, size_t more, lion_error *error)
{
    size_t expected = self->listed < LISTED_MAX ? self->listed : LISTED_MAX, room = all->room == 0 ? expected + 1 : all->room;
    if (all->count + more <= all->room) return LION_OK;
    while (room < all->count + more) room *= 2;
    all->e = lion_arena_grow(self->arena, all->e, all->room * sizeof(*all->e), room * sizeof(*all->e));
    all->values = lion_arena_grow(self->arena, all->values, all->room * sizeof(*all->values), room * sizeof(*all->values));
    if (all->e == NULL || all->values == NULL || self->arena->is_exhausted) return lion_fail_memory(error);
    all->room = room;
    return LION_OK;
}

static lion_status list_add(lion_gather *self, list *all, int64_t e, lion_value value, lion_error *error)
{
    if (list_reserve(self, all, 1, error) != LION_OK) return LION_FAILED;
    all->e[all->count] = e;
    all->values[all->count++] = value;
    return LION_OK;
}

/* In place: a value that is put together and copied waits for its own parts. */
static inline void set_value(lion_value *out, const lion_vector *v, uint32_t row)
{
    if (lion_type_is_scalar((lion_type)v->type)) lion_column_put(out, v->type, 0, (uint64_t)v->bits[row]);
    else *out = v->values[row];
}

/* Of each entity in the version the newest transaction decides: it asserts the value that stands, or only retracts. */
static lion_status list_rows(lion_gather *self, list *all, const lion_rows *rows, int64_t *newest, lion_error *error)
{
    int64_t covered = self->view.root != NULL ? lion_t_to_tx(self->view.root->t) : 0;
    if (list_reserve(self, all, rows->count, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < rows->count; i++) {
        if (rows->tx[i] <= covered) continue;
        bool is_next = all->count == 0 || all->e[all->count - 1] != rows->e[i];
        if (is_next) all->e[all->count++] = rows->e[i];
        lion_value *value = &all->values[all->count - 1];
        bool is_newer = is_next || rows->tx[i] > *newest;
        if (is_newer) *newest = rows->tx[i];
        if (rows->added[i] != 0 && rows->tx[i] == *newest) set_value(value, &rows->v, i);
        else if (is_newer) lion_column_put(value, LION_TYPE_NIL, 0, 0);
    }
    return LION_OK;
}

static lion_status list_version(lion_gather *self, list *all, const lion_novelty_version *version, lion_error *error)
{
    static const lion_key end = { .parts = 0 };
    lion_novelty_iterator iterator;
    lion_rows rows;
    int64_t newest = 0;
    bool has_more = true;
    lion_status status = LION_OK;
    if (version->novelty == NULL || version->datoms == 0) return LION_OK;
    lion_novelty_iterator_init(&iterator, version, LION_AEVT, self->a, false);
    if (iterator.root == 0) return LION_OK;
    if (!lion_rows_init(&rows, self->type, LION_BATCH_ROWS, self->arena)) return lion_fail_memory(error);
    while (has_more && status == LION_OK) {
        rows.count = 0;
        has_more = lion_novelty_iterator_read(&iterator, &rows, LION_BATCH_ROWS, &end, false);
        status = list_rows(self, all, &rows, &newest, error);
    }
    return status;
}

/* Both novelties, where the speculative one is the newer. */
static lion_status list_novelty(lion_gather *self, lion_error *error)
{
    list old = { 0 }, new = { 0 };
    if (list_version(self, &old, &self->view.novelty, error) != LION_OK) return LION_FAILED;
    if (list_version(self, &new, &self->view.speculative, error) != LION_OK) return LION_FAILED;
    if (new.count == 0) {
        self->list = old;
        return LION_OK;
    }
    for (size_t i = 0, k = 0; i < old.count || k < new.count;) {
        bool is_old = k == new.count || (i < old.count && old.e[i] < new.e[k]);
        bool is_both = !is_old && i < old.count && old.e[i] == new.e[k];
        const list *from = is_old ? &old : &new;
        size_t at = is_old ? i : k;
        if (list_add(self, &self->list, from->e[at], from->values[at], error) != LION_OK) return LION_FAILED;
        i += is_old || is_both;
        k += !is_old;
    }
    return LION_OK;
}

/* What stood at the time and does not stand now: of each fact in history the newest row that was there decides. */
static lion_status list_past(lion_gather *self, lion_error *error)
{
    lion_tree_iterator iterator;
    lion_datom_batch batch;
    lion_datom fact = { 0 };
    bool is_decided = false;
    const lion_tree *tree = lion_view_tree(&self->view, LION_AEVT, self->a, true);
    if (tree == NULL) return LION_OK;
    lion_status status = lion_tree_iterator_init(&iterator, tree, self->view.root->snapshot, LION_COLUMN_ALL, false, self->arena, error);
    while (status == LION_OK && (status = lion_tree_iterator_next(&iterator, &batch, LION_BATCH_ROWS, error)) == LION_OK)
        for (uint32_t i = 0; i < batch.count && status == LION_OK; i++) {
            if (batch.tx[i] > self->max_tx) continue;
            lion_value v = lion_vector_get(&batch.v, i);
            if (is_decided && fact.e == batch.e[i] && lion_value_equal(fact.v, v)) continue;
            fact.e = batch.e[i];
            fact.v = v;
            is_decided = true;
            bool is_first = self->list.count == 0 || self->list.e[self->list.count - 1] != fact.e;
            if (batch.added[i] != 0 && is_first) status = list_add(self, &self->list, fact.e, v, error);
        }
    return status == LION_END ? LION_OK : status;
}

/* All that the view shows of the attribute. */
static lion_status list_view(lion_gather *self, lion_error *error)
{
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_key key = { .datom = { .a = self->a }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_E | LION_COLUMN_V };
    lion_status status = lion_cursor_open(&cursor, &self->view, LION_AEVT, &key, &options, self->arena, error);
    while (status == LION_OK && (status = lion_cursor_next(cursor, &batch, error)) == LION_OK)
        for (uint32_t i = 0; i < batch.count && status == LION_OK; i++) {
            bool is_first = self->list.count == 0 || self->list.e[self->list.count - 1] != batch.e[i];
            if (is_first) status = list_add(self, &self->list, batch.e[i], lion_vector_get(&batch.v, i), error);
        }
    return status == LION_END ? LION_OK : status;
}

static void index_list(lion_gather *self)
{
    list *all = &self->list;
    if (all->count == 0) return;
    all->base = all->e[0];
    all->range = (uint64_t)(all->e[all->count - 1] - all->base) + 1;
    if (all->range / DENSE_PART > all->count || all->count > UINT32_MAX / 2) return;
    all->index = lion_arena_zalloc(self->arena, all->range * sizeof(*all->index));
    for (size_t i = 0; all->index != NULL && i < all->count; i++) all->index[all->e[i] - all->base] = (uint32_t)i + 1;
}

static lion_status make_list(lion_gather *self, lion_error *error)
{
    lion_status status = self->is_plain ? list_novelty(self, error) : self->is_past ? list_past(self, error) : list_view(self, error);
    if (status != LION_OK) return status;
    index_list(self);
    self->has_list = true;
    return lion_arena_check(self->arena, error);
}

/* NULL: the list does not have the entity. */
static inline const lion_value *list_find(const list *all, int64_t e)
{
    uint64_t offset = (uint64_t)e - (uint64_t)all->base;
    if (offset >= all->range) return NULL;
    if (all->index != NULL) return all->index[offset] == 0 ? NULL : &all->values[all->index[offset] - 1];
    size_t low = 0, high = all->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (all->e[middle] < e) low = middle + 1;
        else high = middle;
    }
    return low < all->count && all->e[low] == e ? &all->values[low] : NULL;
}

/* ---- values ---- */

static inline void put(lion_vector *v, uint32_t row, const lion_value *value)
{
    if (v == NULL) return;
    if (lion_type_is_scalar((lion_type)v->type)) v->bits[row] = value->bits;
    else v->values[row] = *value;
}

/* ---- a leaf ---- */

static void take_leaf(lion_gather *self)
{
    const lion_ints *leads = &self->leaf->e;
    self->hint = 0;
    self->first = lion_ints_get(leads, 0);
    self->is_consecutive = lion_ints_get(leads, self->leaf->leads - 1) - self->first == (int64_t)self->leaf->leads - 1;
}

/* The entity's place among the leaf's, or count of them. Ascending entities are found a few steps on. */
static inline uint32_t find_place(lion_gather *self, int64_t e)
{
    const lion_ints *leads = &self->leaf->e;
    uint32_t count = self->leaf->leads;
    if (self->is_consecutive) return (uint64_t)(e - self->first) < count ? (uint32_t)(e - self->first) : count;
    size_t place = 0;
    if (leads->encoding == LION_INTS_BITMAP) return lion_ints_bitmap_find(leads, e, &place) ? (uint32_t)place : count;
    size_t low = self->hint, high = low;
    if (low >= count || lion_ints_get(leads, low) > e) {
        low = 0;
        high = count;
    }
    for (size_t step = 1; high < count && lion_ints_get(leads, high) < e; step *= 2) {
        low = high;
        high = high + step < count ? high + step : count;
    }
    place = lion_ints_lower_bound(leads, low, high, e);
    self->hint = (uint32_t)place;
    return place < count && lion_ints_get(leads, place) == e ? (uint32_t)place : count;
}

/* ---- reading the places ---- */

static bool is_close(const lion_gather *self)
{
    uint32_t span = self->highest - self->lowest + 1;
    return span <= STRETCH_MAX && span / STRETCH_PART <= self->place_count;
}

static lion_status read_scalars(lion_gather *self, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    if (!is_close(self)) {
        bool is_double = column->type == LION_TYPE_DOUBLE;
        for (uint32_t i = 0; i < self->place_count; i++)
            v->bits[self->place_rows[i]] = is_double ? lion_column_double_bits(column, self->places[i])
                                                     : lion_ints_get(&column->ints, self->places[i]);
        return LION_OK;
    }
    if (self->bits == NULL) self->bits = lion_arena_array(self->arena, int64_t, STRETCH_MAX);
    if (self->bits == NULL) return lion_fail_memory(error);
    lion_column_read_bits(column, self->lowest, self->highest - self->lowest + 1, self->bits);
    for (uint32_t i = 0; i < self->place_count; i++) v->bits[self->place_rows[i]] = self->bits[self->places[i] - self->lowest];
    return LION_OK;
}

/* The leaf's distinct values side by side, once so many rows of it are wanted. */
static bool has_table(lion_gather *self, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    if (self->table_leaf == self->leaf) return true;
    bool pays = (column->mode & LION_COLUMN_CODES) != 0 && column->distinct <= TABLE_MAX &&
                column->distinct / STRETCH_PART <= self->place_count;
    if (!pays) return false;
    if (self->table == NULL) self->table = lion_arena_array(self->arena, lion_value, TABLE_MAX);
    if (self->table == NULL) return false;
    for (uint32_t i = 0; i < column->distinct; i++) {
        if (!lion_column_get_distinct(column, i, &self->table[i])) return false;
        if (lion_stub_resolve(&self->table[i], self->view.root->snapshot, error) != LION_OK) return false;
    }
    self->table_leaf = self->leaf;
    return true;
}

static lion_status read_coded(lion_gather *self, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    bool is_stretch = is_close(self);
    if (is_stretch && self->bits == NULL) self->bits = lion_arena_array(self->arena, int64_t, STRETCH_MAX);
    if (is_stretch && self->bits == NULL) return lion_fail_memory(error);
    if (is_stretch) lion_ints_read(&column->ints, self->lowest, self->highest - self->lowest + 1, self->bits);
    for (uint32_t i = 0; i < self->place_count; i++) {
        uint64_t code = (uint64_t)(is_stretch ? self->bits[self->places[i] - self->lowest] : lion_ints_get(&column->ints, self->places[i]));
        if (code >= column->distinct) return lion_leaf_corrupt(error, "column v");
        v->values[self->place_rows[i]] = self->table[code];
    }
    return LION_OK;
}

static lion_status read_bytes(lion_gather *self, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    bool is_stretch = is_close(self);
    if (has_table(self, error)) return read_coded(self, v, error);
    if (is_stretch && self->stretch == NULL) self->stretch = lion_arena_array(self->arena, lion_value, STRETCH_MAX);
    if (is_stretch && self->stretch == NULL) return lion_fail_memory(error);
    if (is_stretch && !lion_column_read_values(column, self->lowest, self->highest - self->lowest + 1, self->stretch))
        return lion_leaf_corrupt(error, "column v");
    for (uint32_t i = 0; i < self->place_count; i++) {
        lion_value *value = &v->values[self->place_rows[i]];
        if (is_stretch) *value = self->stretch[self->places[i] - self->lowest];
        else if (!lion_column_get_bytes(column, self->places[i], value)) return lion_leaf_corrupt(error, "column v");
        if (lion_value_is_stub(value) && lion_stub_resolve(value, self->view.root->snapshot, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

static lion_status read_places(lion_gather *self, lion_vector *v, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->place_count == 0) return LION_OK;
    if (v != NULL) status = lion_type_is_scalar(v->type) ? read_scalars(self, v, error) : read_bytes(self, v, error);
    self->place_count = 0;
    return status;
}

static inline lion_status add_place(lion_gather *self, uint32_t run, uint16_t row, lion_error *error)
{
    uint32_t place = run, to;
    if (self->leaf->leads != self->leaf->rows && lion_leaf_run_rows(&place, &to, self->leaf, run, error) != LION_OK) return LION_FAILED;
    if (self->is_past && lion_ints_get(&self->leaf->tx, place) > self->max_tx) return LION_ABSENT;
    if (self->place_count == 0) self->lowest = self->highest = place;
    if (place < self->lowest) self->lowest = place;
    if (place > self->highest) self->highest = place;
    self->places[self->place_count] = place;
    self->place_rows[self->place_count++] = row;
    return LION_OK;
}

/* ---- one entity ---- */

/* Whatever the view: from the top. */
static lion_status read_one(lion_gather *self, int64_t e, lion_vector *v, uint32_t row, lion_error *error)
{
    lion_value value;
    lion_status status = lion_view_get(&value, NULL, &self->view, e, self->a, self->arena, error);
    if (status == LION_OK) put(v, row, &value);
    return status;
}

/* LION_OK: it is in the tree, and gathered or read. */
static inline lion_status from_tree(lion_gather *self, int64_t e, lion_vector *v, uint16_t row, lion_error *error)
{
    if (self->tree == NULL) return LION_ABSENT;
    if (self->leaf == NULL || e < self->from || e >= self->to) {
        lion_status status = read_places(self, v, error);
        self->leaf = NULL;
        if (status == LION_OK) status = lion_points_leaf(&self->leaf, &self->from, &self->to, self->view.root, self->tree, e, error);
        if (status == LION_END) return read_one(self, e, v, row, error);
        if (status != LION_OK) return status;
        take_leaf(self);
    }
    uint32_t place = find_place(self, e);
    return place < self->leaf->leads ? add_place(self, place, row, error) : LION_ABSENT;
}

/* The batch's entities follow each other without a gap, as those of the leaf do: columns are read where they go. */
static bool is_stretch(const lion_gather *self, const int64_t *e, uint32_t count)
{
    const lion_leaf *leaf = self->leaf;
    bool is_fit = leaf != NULL && self->is_consecutive && self->listed == 0 && !self->is_past && leaf->leads == leaf->rows;
    if (!is_fit || e[0] < self->first || e[count - 1] - self->first >= (int64_t)leaf->rows) return false;
    int64_t gaps = 0;
    for (uint32_t i = 1; i < count; i++) gaps |= e[i] - e[i - 1] - 1;
    return gaps == 0;
}

static lion_status read_stretch(lion_gather *self, int64_t e, uint32_t count, lion_vector *v, uint16_t *rows_out, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    size_t from = (size_t)(e - self->first);
    for (uint32_t i = 0; i < count; i++) rows_out[i] = (uint16_t)i;
    if (v == NULL) return LION_OK;
    if (lion_type_is_scalar((lion_type)v->type)) {
        lion_column_read_bits(column, from, count, v->bits);
        return LION_OK;
    }
    self->place_count = count;
    if (has_table(self, error)) {
        int64_t codes[LION_BATCH_ROWS];
        lion_ints_read(&column->ints, from, count, codes);
        self->place_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            if ((uint64_t)codes[i] >= column->distinct) return lion_leaf_corrupt(error, "column v");
            v->values[i] = self->table[codes[i]];
        }
        return LION_OK;
    }
    self->place_count = 0;
    if (!lion_column_read_values(column, from, count, v->values)) return lion_leaf_corrupt(error, "column v");
    for (uint32_t i = 0; i < count && lion_column_has_stubs(column); i++)
        if (lion_stub_resolve(&v->values[i], self->view.root->snapshot, error) != LION_OK) return LION_FAILED;
    return LION_OK;
}

static inline lion_status read_row(lion_gather *self, int64_t e, lion_vector *v, uint16_t row, lion_error *error)
{
    if (self->has_list) {
        const lion_value *listed = list_find(&self->list, e);
        if (listed != NULL && listed->type == LION_TYPE_NIL) return LION_ABSENT;
        if (listed != NULL) put(v, row, listed);
        if (listed != NULL) return LION_OK;
    } else if (self->listed > 0) {
        return read_one(self, e, v, row, error);
    }
    return from_tree(self, e, v, row, error);
}

lion_status lion_gather_read(lion_gather *self, const int64_t *e, const uint16_t *rows, uint32_t count, lion_vector *v,
                             uint16_t *rows_out, uint32_t *count_out, lion_error *error)
{
    uint32_t found = 0;
    if (v != NULL) v->type = (uint8_t)self->type;
    self->asked += count;
    bool pays = self->listed > 0 && self->asked >= self->listed / PAYS_PART;
    if (pays && !self->has_list && make_list(self, error) != LION_OK) return LION_FAILED;
    if (rows == NULL && count > 1 && is_stretch(self, e, count)) {
        *count_out = count;
        return read_stretch(self, e[0], count, v, rows_out, error);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows == NULL ? (uint16_t)i : rows[i];
        lion_status status = read_row(self, e[row], v, row, error);
        if (status == LION_OK) rows_out[found++] = row;
        if (status == LION_FAILED) return status;
    }
    *count_out = found;
    return read_places(self, v, error);
}
