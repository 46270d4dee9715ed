/* overlay.c - making an overlay.
 *
 * Of each fact that novelty or (for times that the trees reach beyond) history knows, the newest
 * datom within the view's time says whether it is shown, and the oldest one of novelty whether the
 * tree has it: assertions and retractions of a fact alternate, so a fact that begins with a
 * retraction was there before. Of a past time, what the tree has asserted since is gone. */
#include "index/overlay.h"

#include "base/assert.h"
#include "index/lane.h"
#include "index/view_parts.h"

#define ROWS_FIRST 64
#define DENSE_PART                                                                                 \
    16 /* codes are an array by entity when entities spread at most so many times wider */
#define ROW_COST 1    /* about a nanosecond, of the current tree */
#define DATOM_COST 40 /* of novelty and history */

typedef struct making {
    const lion_view *view;
    const lion_tree *tree; /* the current one; NULL: empty */
    lion_index order;
    uint32_t a;
    bool is_past; /* the trees hold what is newer than the view's time */
    bool is_single;
    lion_rows added, gone, patches; /* in scratch */
    lion_arena *scratch, *arena;
    lion_rows *fact; /* where the present fact's newest row was put; NULL: there is none */
    bool is_oldest_added;
} making;

/* ---- what there is ---- */

static bool is_past(const lion_view *view)
{
    return view->root != NULL && view->upper_t < view->root->t;
}

uint64_t lion_overlay_datoms(const lion_view *view, lion_index order, uint32_t a)
{
    const lion_novelty_version *versions[2] = { &view->novelty, &view->speculative };
    lion_key key = { .datom = { .a = a }, .parts = 1 };
    uint64_t sum = 0;
    for (unsigned i = 0; i < 2; i++) {
        uint64_t datoms = 0;
        int64_t net;
        if (versions[i]->novelty == NULL) continue;
        lion_novelty_count(&datoms, &net, versions[i], order, &key);
        sum += datoms;
    }
    return sum;
}

uint64_t lion_overlay_cost(const lion_view *view, lion_index order, uint32_t a)
{
    const lion_tree *tree = lion_view_tree(view, order, a, false),
                    *past = lion_view_tree(view, order, a, true);
    uint64_t rows = tree == NULL ? 0 : tree->count, datoms = past == NULL ? 0 : past->count;
    int64_t root_t = view->root == NULL ? 0 : view->root->t;
    if (!is_past(view)) datoms = view->upper_t > root_t ? lion_overlay_datoms(view, order, a) : 0;
    if (is_past(view) || view->since_t >= 0) return DATOM_COST * (datoms + 1) + ROW_COST * rows;
    return DATOM_COST * datoms;
}

/* ---- rows that grow ---- */

static void grow_column(void *place, lion_arena *arena, size_t width, uint32_t old, uint32_t new)
{
    void **column = place;
    *column = lion_arena_grow(arena, *column, width * old, width * new);
}

static lion_status reserve(lion_rows *rows, uint32_t more, lion_arena *arena, lion_error *error)
{
    uint32_t old = rows->capacity, new = old == 0 ? ROWS_FIRST : old;
    if (more <= old - rows->count) return LION_OK;
    while (new - rows->count < more) new *= 2;
    grow_column(&rows->e, arena, sizeof(*rows->e), old, new);
    grow_column(&rows->a, arena, sizeof(*rows->a), old, new);
    grow_column(&rows->tx, arena, sizeof(*rows->tx), old, new);
    grow_column(&rows->added, arena, sizeof(*rows->added), old, new);
    grow_column(&rows->v.values, arena,
                lion_type_is_scalar(rows->v.type) ? sizeof(int64_t) : sizeof(lion_value), old, new);
    bool is_there = rows->e != NULL && rows->a != NULL && rows->tx != NULL && rows->added != NULL &&
                    rows->v.values != NULL;
    if (!is_there || arena->is_exhausted) return lion_fail_memory(error);
    rows->capacity = new;
    return LION_OK;
}

static lion_status add(making *self, lion_rows *rows, const lion_datom *datom, lion_error *error)
{
    if (reserve(rows, 1, self->scratch, error) != LION_OK) return LION_FAILED;
    lion_rows_put(rows, datom);
    return LION_OK;
}

/* Exactly as long as they are, in the arena that stays. */
static lion_status keep_rows(lion_rows *to, const lion_rows *from, lion_arena *arena,
                             lion_error *error)
{
    *to = (lion_rows){ .v.type = from->v.type };
    if (from->count == 0) return LION_OK;
    *to = (lion_rows){ .capacity = from->count,
                       .v.type = from->v.type,
                       .e = lion_arena_array(arena, int64_t, from->count),
                       .a = lion_arena_array(arena, uint32_t, from->count),
                       .tx = lion_arena_array(arena, int64_t, from->count),
                       .added = lion_arena_array(arena, uint8_t, from->count) };
    size_t width = lion_type_is_scalar(from->v.type) ? sizeof(int64_t) : sizeof(lion_value);
    to->v.values = lion_arena_alloc(arena, width * from->count);
    bool is_there = to->e != NULL && to->a != NULL && to->tx != NULL && to->added != NULL &&
                    to->v.values != NULL;
    if (!is_there || arena->is_exhausted) return lion_fail_memory(error);
    lion_datom_batch batch = lion_rows_batch(from, LION_COLUMN_ALL);
    lion_rows_append(to, &batch, 0, from->count);
    return LION_OK;
}

/* ---- reading ---- */

/* The row goes behind the others. */
static lion_status put(making *self, lion_rows *rows, const lion_datom_batch *batch, uint32_t row,
                       lion_error *error)
{
    if (reserve(rows, 1, self->scratch, error) != LION_OK) return LION_FAILED;
    lion_rows_append(rows, batch, row, row + 1);
    return LION_OK;
}

/* The fact's newest row is the last one of `added` if it is asserted, of `gone` if not. */
static lion_status end_fact(making *self, lion_error *error)
{
    lion_rows *fact = self->fact;
    bool is_in_tree = !self->is_past && !self->is_oldest_added;
    self->fact = NULL;
    if (fact == &self->gone && !is_in_tree) fact->count--;
    if (fact != &self->added || !is_in_tree) return LION_OK;
    lion_datom_batch added = lion_rows_batch(fact, LION_COLUMN_ALL);
    return put(self, &self->gone, &added, fact->count - 1, error);
}

static bool goes_on(const making *self, const lion_datom_batch *batch, uint32_t row)
{
    const lion_rows *fact = self->fact;
    if (fact == NULL || fact->e[fact->count - 1] != batch->e[row]) return false;
    lion_value v = lion_vector_get(&fact->v, fact->count - 1);
    return lion_value_compare(v, lion_vector_get(&batch->v, row)) == 0;
}

static lion_status take_row(making *self, const lion_datom_batch *batch, uint32_t row,
                            lion_error *error)
{
    if (!goes_on(self, batch, row)) {
        if (end_fact(self, error) != LION_OK) return LION_FAILED;
        self->fact = batch->added[row] != 0 ? &self->added : &self->gone;
        if (put(self, self->fact, batch, row, error) != LION_OK) return LION_FAILED;
    }
    self->is_oldest_added = batch->added[row] != 0;
    return LION_OK;
}

/* Rows [from, end) are asserted, and no neighbour of theirs is of the same entity: each is all that
 * is known of its fact. */
static uint32_t simple_end(const lion_datom_batch *batch, uint32_t from)
{
    uint32_t end = from;
    if (from == 0) return 0; /* the fact of the batch before may go on */
    while (end + 1 < batch->count && batch->added[end] != 0 && batch->e[end] != batch->e[end - 1] &&
           batch->e[end] != batch->e[end + 1])
        end++;
    return end;
}

static lion_status take_changes(making *self, const lion_datom_batch *batch, lion_error *error)
{
    for (uint32_t i = 0; i < batch->count;) {
        uint32_t end = simple_end(batch, i);
        if (end == i) {
            if (take_row(self, batch, i++, error) != LION_OK) return LION_FAILED;
            continue;
        }
        if (end_fact(self, error) != LION_OK) return LION_FAILED;
        if (reserve(&self->added, end - i, self->scratch, error) != LION_OK) return LION_FAILED;
        lion_rows_append(&self->added, batch, i, end);
        i = end;
    }
    return LION_OK;
}

static lion_status take_shown(making *self, const lion_datom_batch *batch, lion_error *error)
{
    if (reserve(&self->added, batch->count, self->scratch, error) != LION_OK) return LION_FAILED;
    lion_rows_append(&self->added, batch, 0, batch->count);
    return LION_OK;
}

/* All that the view shows, or (changes) all datoms of its time in novelty or, of a past time, in
 * history. */
static lion_status read_lane(making *self, const lion_view *view, bool is_changes,
                             lion_error *error)
{
    static const lion_key all = { .parts = 0 };
    lion_lane lane = { 0 };
    lion_datom_batch batch;
    lion_status status = lion_lane_merge_open(&lane, view, self->order, self->a, LION_COLUMN_ALL,
                                              false, self->scratch, error);
    if (status == LION_OK && is_changes) lion_lane_leave_trees(&lane, self->is_past);
    self->added.v.type = self->gone.v.type = self->patches.v.type = (uint8_t)lane.type;
    if (status == LION_OK)
        status = lion_lane_merge_seek(&lane, &all, false, &all, false, ROWS_FIRST, error);
    while (status == LION_OK &&
           (status = lion_lane_merge_next(&lane, &batch, LION_BATCH_ROWS, error)) == LION_OK)
        status = is_changes ? take_changes(self, &batch, error) : take_shown(self, &batch, error);
    if (status != LION_END) return status;
    return end_fact(self, error);
}

/* Rows of the current tree that are newer than the view's time. */
static lion_status read_newer(making *self, lion_error *error)
{
    lion_tree_iterator iterator;
    lion_datom_batch batch;
    int64_t max_tx = lion_t_to_tx(self->view->upper_t);
    uint32_t columns = LION_COLUMN_E | LION_COLUMN_TX | (self->is_single ? 0 : LION_COLUMN_V);
    if (self->tree == NULL) return LION_OK;
    lion_status status = lion_tree_iterator_init(&iterator, self->tree, self->view->root->snapshot,
                                                 columns, false, self->scratch, error);
    iterator.min_t = self->view->upper_t + 1;
    while (status == LION_OK &&
           (status = lion_tree_iterator_next(&iterator, &batch, LION_BATCH_ROWS, error)) == LION_OK)
        for (uint32_t i = 0; i < batch.count && status == LION_OK; i++) {
            if (batch.tx[i] <= max_tx) continue;
            lion_datom datom = { .e = batch.e[i], .a = self->a, .tx = batch.tx[i] };
            if (!self->is_single) datom.v = lion_vector_get(&batch.v, i);
            status = add(self, &self->gone, &datom, error);
        }
    return status == LION_END ? LION_OK : status;
}

/* ---- patches ---- */

static bool is_alone(const lion_rows *rows, uint32_t i)
{
    int64_t e = rows->e[i];
    return (i == 0 || rows->e[i - 1] != e) && (i + 1 == rows->count || rows->e[i + 1] != e);
}

/* An entity with one row gone and one added has its row changed in place. */
static lion_status find_patches(making *self, lion_error *error)
{
    lion_rows *added = &self->added, *gone = &self->gone;
    uint32_t kept_added = 0, kept_gone = 0, k = 0;
    for (uint32_t i = 0; i < added->count; i++) {
        bool is_one = is_alone(added, i);
        for (; k < gone->count && gone->e[k] < added->e[i]; k++)
            lion_rows_move(gone, kept_gone++, k);
        bool is_patch = is_one && k < gone->count && gone->e[k] == added->e[i];
        if (!is_patch) {
            lion_rows_move(added, kept_added++, i);
            continue;
        }
        k++;
        if (reserve(&self->patches, 1, self->scratch, error) != LION_OK) return LION_FAILED;
        lion_datom_batch batch = lion_rows_batch(added, LION_COLUMN_ALL);
        lion_rows_append(&self->patches, &batch, i, i + 1);
    }
    for (; k < gone->count; k++) lion_rows_move(gone, kept_gone++, k);
    added->count = kept_added;
    gone->count = kept_gone;
    return LION_OK;
}

/* ---- codes ---- */

static void put_code(lion_overlay *overlay, int64_t e, uint32_t code)
{
    if (overlay->slots == NULL) {
        uint32_t *place = &overlay->codes[e - overlay->base];
        if (*place == 0) *place = code; /* of several the first */
        return;
    }
    uint64_t mask = overlay->range - 1,
             at = ((uint64_t)e * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & mask;
    while (overlay->codes[at] != 0 && overlay->slots[at] != e) at = (at + 1) & mask;
    if (overlay->codes[at] == 0) overlay->codes[at] = code;
    overlay->slots[at] = e;
}

static void widen(const lion_rows *rows, int64_t *least, int64_t *most)
{
    if (rows->count == 0) return;
    if (rows->e[0] < *least) *least = rows->e[0];
    if (rows->e[rows->count - 1] > *most) *most = rows->e[rows->count - 1];
}

lion_status lion_overlay_make_codes(lion_overlay *overlay, lion_arena *arena, lion_error *error)
{
    const lion_rows *added = &overlay->added, *patches = &overlay->patches, *gone = &overlay->gone;
    uint64_t count = (uint64_t)added->count + patches->count + gone->count;
    int64_t least = INT64_MAX, most = INT64_MIN;
    if (count == 0) return LION_OK;
    widen(added, &least, &most);
    widen(patches, &least, &most);
    widen(gone, &least, &most);
    overlay->base = least;
    overlay->range = (uint64_t)most - (uint64_t)least + 1;
    bool is_dense = overlay->range / DENSE_PART <= count;
    if (!is_dense) {
        for (overlay->range = 64; overlay->range < count * 2;) overlay->range *= 2;
        overlay->slots = lion_arena_array(arena, int64_t, overlay->range);
    }
    overlay->codes = lion_arena_zalloc(arena, overlay->range * sizeof(*overlay->codes));
    if (overlay->codes == NULL || (!is_dense && overlay->slots == NULL) || arena->is_exhausted)
        return lion_fail_memory(error);
    for (uint32_t i = 0; i < added->count; i++) put_code(overlay, added->e[i], 1 + i);
    for (uint32_t i = 0; i < patches->count; i++)
        put_code(overlay, patches->e[i], 1 + added->count + i);
    for (uint32_t i = 0; i < gone->count; i++) put_code(overlay, gone->e[i], LION_OVERLAY_GONE);
    return LION_OK;
}

/* ---- making ---- */

static bool has_single_rows(const lion_view *view, lion_index order, uint32_t a)
{
    const lion_root_attribute *attribute =
        view->root == NULL ? NULL : lion_root_attribute_lookup(view->root, a);
    return order == LION_AEVT && attribute != NULL &&
           attribute->aevt.count == attribute->distinct_e;
}

static lion_status read_all(making *self, lion_error *error)
{
    lion_view view = *self->view;
    view.filter_count = 0;
    bool is_since = view.since_t >= 0;
    view.is_history = !is_since;
    if (read_lane(self, &view, !is_since, error) != LION_OK) return LION_FAILED;
    if (self->is_past && !is_since && read_newer(self, error) != LION_OK) return LION_FAILED;
    return self->is_single ? find_patches(self, error) : LION_OK;
}

static lion_status finish(lion_overlay *overlay, const making *self, lion_error *error)
{
    lion_arena *arena = self->arena;
    overlay->has_tree = self->view->since_t < 0;
    overlay->is_single = self->is_single;
    if (keep_rows(&overlay->added, &self->added, arena, error) != LION_OK) return LION_FAILED;
    if (keep_rows(&overlay->gone, &self->gone, arena, error) != LION_OK) return LION_FAILED;
    if (keep_rows(&overlay->patches, &self->patches, arena, error) != LION_OK) return LION_FAILED;
    return self->order == LION_AEVT ? lion_overlay_make_codes(overlay, arena, error) : LION_OK;
}

lion_status lion_overlay_make(lion_overlay **overlay_out, const lion_view *view, lion_index order,
                              uint32_t a, lion_arena *arena, lion_error *error)
{
    LION_ASSERT(!view->is_history && order != LION_EAVT);
    lion_arena scratch;
    lion_arena_init_again(&scratch, 0);
    making self = { .view = view,
                    .tree = lion_view_tree(view, order, a, false),
                    .order = order,
                    .a = a,
                    .is_past = is_past(view),
                    .is_single = has_single_rows(view, order, a),
                    .scratch = &scratch,
                    .arena = arena };
    lion_overlay *overlay = lion_arena_new(arena, lion_overlay);
    lion_status status = read_all(&self, error);
    if (status == LION_OK) status = finish(overlay, &self, error);
    lion_arena_deinit(&scratch);
    if (status == LION_OK) status = lion_arena_check(arena, error);
    if (status == LION_OK) *overlay_out = overlay;
    return status;
}
