/* gather.c - a batch of entities meets the leaves of a tree, and what an overlay says of them.
 *
 * Entities that follow each other without a gap, as those of a scan do, are a run: between the
 * places of its ends a leaf has those of them that it has, whatever its encoding. If that is all of
 * them, the column is unpacked where it goes; else the leaf's own entities say where. Of entities
 * that ascend with gaps, as a predicate leaves them, the same is asked of all from the first to the
 * last.
 *
 * Rows of any others are taken in turn; those of one leaf gather as places, which are read when
 * another leaf follows. Where the places lie close together the stretch from the first to the last
 * is unpacked at once.
 *
 * An overlay (index/overlay.h) comes before the tree: it has what novelty says, or what stood at
 * another time. It cuts runs; of what it has itself it has runs, too. Before one pays, entities are
 * looked up one by one. */
#include "index/gather.h"

#include <string.h>

#include "base/assert.h"
#include "base/kernel.h"
#include "index/dictionary.h"
#include "index/lane.h"
#include "index/overlay.h"
#include "index/points.h"
#include "index/view_parts.h"

#define STRETCH_MAX 4096 /* places of a leaf that are unpacked at once … */
#define STRETCH_PART 4   /* … if so many times fewer are wanted */
#define SPAN_MAX 8192    /* the same of scalars of entities that ascend, whose places … */
#define SPAN_PART 8      /* … need not be listed */
#define RUN_MIN 16       /* entities that follow each other, and are looked for by their ends */

struct lion_gather {
    lion_view view;
    uint32_t a;
    lion_type type;
    lion_arena *arena;
    const lion_tree *tree; /* NULL: nothing of it is shown */
    bool is_whole;         /* the tree is all that is shown */
    uint64_t cost, asked;  /* of making an overlay, and of what was asked without: nanoseconds */
    lion_overlay_note *note;
    const lion_overlay *overlay; /* NULL: entities are looked up one by one */

    lion_leaf *leaf; /* the one at hand, of entities [from, to) */
    int64_t from, to;
    bool is_consecutive; /* the leaf's entities are first, first + 1 … */
    int64_t first;
    uint32_t hint; /* the last entity's place */

    uint32_t place_count; /* of the leaf at hand, gathered and not read yet */
    uint32_t place_room;
    uint32_t *places;
    uint16_t *place_rows;

    lion_value *stretch; /* places of a leaf, unpacked */
    uint32_t stretch_room;

    lion_column_dictionary dictionary; /* of this leaf: */
    const lion_leaf *dictionary_leaf;
    uint64_t coded_by; /* of which dictionary the batch's rows from leaves are: its stamp, or … */
};

#define UNREAD UINT64_MAX /* … there are none yet */
#define UNCODED 0         /* … of several, or some of none */

/* ---- opening ---- */

lion_status lion_gather_new(lion_gather **gather_out, const lion_view *view, uint32_t a,
                            lion_type type, lion_arena *arena, lion_error *error)
{
    LION_ASSERT(view->filter_count == 0 && !view->is_history);
    lion_gather *self = lion_arena_new(arena, lion_gather);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    self->a = a;
    self->type = type;
    self->arena = arena;
    lion_gather_renew(self, view);
    *gather_out = self;
    return LION_OK;
}

void lion_gather_renew(lion_gather *self, const lion_view *view)
{
    self->view = *view;
    self->cost = lion_overlay_cost(view, LION_AEVT, self->a);
    self->asked = 0;
    self->is_whole = self->cost == 0;
    self->note = self->cost > 0 ? lion_overlay_note_of(view, LION_AEVT, self->a) : NULL;
    self->overlay = NULL;
    self->tree = view->since_t < 0 ? lion_view_tree(view, LION_AEVT, self->a, false) : NULL;
    if (self->tree != NULL) lion_points_keep_open(view->root, self->tree);
    self->leaf = NULL;
    self->place_count = 0;
    self->dictionary_leaf = NULL;
}

/* Room for so many rows; there are none. */
static lion_status make_places(lion_gather *self, uint32_t count, lion_error *error)
{
    uint32_t room = self->place_room == 0 ? 16 : self->place_room;
    while (room < count) room *= 2;
    self->places = lion_arena_array(self->arena, uint32_t, room);
    self->place_rows = lion_arena_array(self->arena, uint16_t, room);
    self->place_room = room;
    return lion_arena_check(self->arena, error);
}

/* An array with room for so many values, whose content nobody asks for any longer; NULL: out of
 * memory. */
static lion_value *make_values(lion_gather *self, lion_value *values, uint32_t *room,
                               uint32_t count)
{
    if (count <= *room) return values;
    *room = *room * 2 < count ? count : *room * 2;
    return lion_arena_array(self->arena, lion_value, *room);
}

/* ---- the overlay ---- */

/* The value's, or one of its own where the value keeps none. */
static lion_status find_overlay(lion_gather *self, uint32_t count, lion_error *error)
{
    lion_overlay *own = NULL;
    self->asked += (uint64_t)LION_OVERLAY_ENTITY * count;
    bool pays = self->asked >= self->cost;
    if (self->note != NULL) {
        self->overlay = lion_overlay_ask(self->note, &self->view, pays, self->arena);
        if (self->overlay == NULL)
            lion_overlay_expect(self->note, (uint64_t)LION_OVERLAY_ENTITY * count);
    }
    if (self->overlay == NULL && pays &&
        lion_overlay_make(&own, &self->view, LION_AEVT, self->a, self->arena, error) != LION_OK)
        return LION_FAILED;
    if (own != NULL) self->overlay = own;
    self->is_whole = self->overlay != NULL && lion_overlay_is_empty(self->overlay);
    return LION_OK;
}

static void put_shown(const lion_overlay *overlay, uint32_t code, lion_vector *v, uint32_t row)
{
    const lion_rows *from = &overlay->added;
    uint32_t place = code - 1;
    if (v == NULL) return;
    if (place >= from->count) {
        place -= from->count;
        from = &overlay->patches;
    }
    if (lion_type_is_scalar((lion_type)v->type))
        v->bits[row] = from->v.bits[place];
    else
        v->values[row] = from->v.values[place];
}

/* ---- values ---- */

static inline void put(lion_vector *v, uint32_t row, const lion_value *value)
{
    if (v == NULL) return;
    if (lion_type_is_scalar((lion_type)v->type))
        v->bits[row] = value->bits;
    else
        v->values[row] = lion_value_uncoded(*value);
}

/* ---- a leaf ---- */

static void take_leaf(lion_gather *self)
{
    const lion_ints *leads = &self->leaf->e;
    self->hint = 0;
    self->first = lion_ints_get(leads, 0);
    self->is_consecutive =
        lion_ints_get(leads, self->leaf->leads - 1) - self->first == (int64_t)self->leaf->leads - 1;
}

/* The entity's place among the leaf's, or count of them. Ascending entities are found a few steps
 * on. */
static inline uint32_t find_place(lion_gather *self, int64_t e)
{
    const lion_ints *leads = &self->leaf->e;
    uint32_t count = self->leaf->leads;
    if (self->is_consecutive)
        return (uint64_t)(e - self->first) < count ? (uint32_t)(e - self->first) : count;
    size_t place = 0;
    if (leads->encoding == LION_INTS_BITMAP)
        return lion_ints_bitmap_find(leads, e, &place) ? (uint32_t)place : count;
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

/* From the lowest place to the highest; 0 as their number: they do not lie close together. */
typedef struct stretch {
    uint32_t from, count;
} stretch;

LION_KERNEL static stretch stretch_of(const uint32_t *places, uint32_t count)
{
    uint32_t lowest = UINT32_MAX, highest = 0;
    for (uint32_t i = 0; i < count; i++) {
        lowest = places[i] < lowest ? places[i] : lowest;
        highest = places[i] > highest ? places[i] : highest;
    }
    uint32_t span = highest - lowest + 1;
    bool is_close = span <= STRETCH_MAX && span / STRETCH_PART <= count;
    return (stretch){ lowest, is_close ? span : 0 };
}

static void read_near_scalars(lion_gather *self, stretch at, lion_vector *v)
{
    int64_t bits[STRETCH_MAX];
    lion_column_read_bits(&self->leaf->v, at.from, at.count, bits);
    for (uint32_t i = 0; i < self->place_count; i++)
        v->bits[self->place_rows[i]] = bits[self->places[i] - at.from];
}

static lion_status read_scalars(lion_gather *self, stretch at, lion_vector *v)
{
    const lion_column *column = &self->leaf->v;
    if (at.count == 0) {
        bool is_double = column->type == LION_TYPE_DOUBLE;
        for (uint32_t i = 0; i < self->place_count; i++)
            v->bits[self->place_rows[i]] = is_double
                                               ? lion_column_double_bits(column, self->places[i])
                                               : lion_ints_get(&column->ints, self->places[i]);
        return LION_OK;
    }
    read_near_scalars(self, at, v);
    return LION_OK;
}

/* The leaf's dictionary, where it is worth it for so many rows; else LION_ABSENT. */
static lion_status find_dictionary(lion_gather *self, uint32_t rows, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->dictionary_leaf != self->leaf) {
        self->dictionary_leaf = NULL;
        status = lion_column_dictionary_make(&self->dictionary, &self->leaf->v, rows,
                                             self->view.root->snapshot, self->arena, error);
    }
    if (status == LION_OK) self->dictionary_leaf = self->leaf;
    uint64_t stamp = status == LION_OK ? self->dictionary.values.stamp : UNCODED;
    bool is_same = self->coded_by == UNREAD || self->coded_by == stamp;
    self->coded_by = is_same ? stamp : UNCODED;
    return status;
}

static lion_status read_coded(lion_gather *self, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    for (uint32_t i = 0; i < self->place_count; i++) {
        uint64_t number = (uint64_t)lion_ints_get(&column->ints, self->places[i]);
        if (number >= column->distinct) return lion_leaf_corrupt(error, "column v");
        v->values[self->place_rows[i]] = self->dictionary.room[number];
    }
    return LION_OK;
}

static lion_status read_near_coded(lion_gather *self, stretch at, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    int64_t numbers[STRETCH_MAX];
    lion_ints_read(&column->ints, at.from, at.count, numbers);
    for (uint32_t i = 0; i < self->place_count; i++) {
        uint64_t number = (uint64_t)numbers[self->places[i] - at.from];
        if (number >= column->distinct) return lion_leaf_corrupt(error, "column v");
        v->values[self->place_rows[i]] = self->dictionary.room[number];
    }
    return LION_OK;
}

static lion_status read_bytes(lion_gather *self, stretch at, lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    bool is_stretch = at.count > 0;
    lion_status status = find_dictionary(self, self->place_count, error);
    if (status == LION_FAILED) return status;
    if (status == LION_OK)
        return is_stretch ? read_near_coded(self, at, v, error) : read_coded(self, v, error);
    if (is_stretch) self->stretch = make_values(self, self->stretch, &self->stretch_room, at.count);
    if (is_stretch && self->stretch == NULL) return lion_fail_memory(error);
    if (is_stretch && !lion_column_read_values(column, at.from, at.count, self->stretch))
        return lion_leaf_corrupt(error, "column v");
    for (uint32_t i = 0; i < self->place_count; i++) {
        lion_value *value = &v->values[self->place_rows[i]];
        if (is_stretch)
            *value = self->stretch[self->places[i] - at.from];
        else if (!lion_column_get_bytes(column, self->places[i], value))
            return lion_leaf_corrupt(error, "column v");
        if (lion_value_is_stub(value) &&
            lion_stub_resolve(value, self->view.root->snapshot, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

static lion_status read_places(lion_gather *self, lion_vector *v, lion_error *error)
{
    lion_status status = LION_OK;
    if (self->place_count == 0) return LION_OK;
    if (v != NULL) {
        stretch at = stretch_of(self->places, self->place_count);
        status = lion_type_is_scalar(v->type) ? read_scalars(self, at, v)
                                              : read_bytes(self, at, v, error);
    }
    self->place_count = 0;
    return status;
}

static inline lion_status add_place(lion_gather *self, uint32_t run, uint16_t row,
                                    lion_error *error)
{
    uint32_t place = run, to;
    if (self->leaf->leads != self->leaf->rows &&
        lion_leaf_run_rows(&place, &to, self->leaf, run, error) != LION_OK)
        return LION_FAILED;
    self->places[self->place_count] = place;
    self->place_rows[self->place_count++] = row;
    return LION_OK;
}

/* ---- one entity ---- */

/* Whatever the view: from the top. */
static lion_status read_one(lion_gather *self, int64_t e, lion_vector *v, uint32_t row,
                            lion_error *error)
{
    lion_value value;
    lion_status status = lion_view_get(&value, NULL, &self->view, e, self->a, self->arena, error);
    if (status == LION_OK) put(v, row, &value);
    return status;
}

/* The leaf that has the entity, if any has. What is gathered of another is read before. */
static inline lion_status reach_leaf(lion_gather *self, int64_t e, lion_vector *v,
                                     lion_error *error)
{
    if (self->leaf != NULL && e >= self->from && e < self->to) return LION_OK;
    lion_status status = read_places(self, v, error);
    self->leaf = NULL;
    if (status == LION_OK)
        status = lion_points_leaf(&self->leaf, &self->from, &self->to, self->view.root, self->tree,
                                  e, error);
    if (status == LION_OK) take_leaf(self);
    return status;
}

/* LION_OK: it is in the tree, and gathered or read. */
static inline lion_status from_tree(lion_gather *self, int64_t e, lion_vector *v, uint16_t row,
                                    lion_error *error)
{
    if (self->tree == NULL) return LION_ABSENT;
    lion_status status = reach_leaf(self, e, v, error);
    if (status == LION_END) return read_one(self, e, v, row, error);
    if (status != LION_OK) return status;
    uint32_t place = find_place(self, e);
    return place < self->leaf->leads ? add_place(self, place, row, error) : LION_ABSENT;
}

/* Whether the leaf at hand has every entity between its first and its last, with one row each:
 * their places are told by their ids. */
static inline bool is_dense(const lion_gather *self)
{
    return self->leaf != NULL && self->is_consecutive && self->leaf->leads == self->leaf->rows;
}

/* Rows from the i-th on while theirs lie in the dense leaf at hand. → The first that is not done.
 */
static inline uint32_t add_dense(lion_gather *self, const int64_t *e, const uint16_t *rows,
                                 uint32_t i, uint32_t count, uint16_t *rows_out, uint32_t *found)
{
    uint32_t room = self->leaf->rows, places = self->place_count, out = *found;
    for (; i < count; i++) {
        uint16_t row = rows == NULL ? (uint16_t)i : rows[i];
        uint64_t place = (uint64_t)e[row] - (uint64_t)self->first;
        if (place >= room) break;
        rows_out[out++] = row;
        self->places[places] = (uint32_t)place;
        self->place_rows[places++] = row;
    }
    self->place_count = places;
    *found = out;
    return i;
}

/* The same beside an overlay: rows that it tells of are listed, too, and get their values at the
 * end. What it tells may be of any row, so there is no branch on it, which would be guessed
 * wrongly. */
static uint32_t add_beside(lion_gather *self, const int64_t *e, const uint16_t *rows, uint32_t i,
                           uint32_t count, lion_vector *v, uint16_t *rows_out, uint32_t *found)
{
    const lion_overlay *overlay = self->overlay;
    uint16_t told[LION_BATCH_ROWS];
    uint32_t told_count = 0, room = self->leaf->rows, places = self->place_count, out = *found;
    for (; i < count; i++) {
        uint16_t row = rows == NULL ? (uint16_t)i : rows[i];
        uint32_t code = lion_overlay_code(overlay, e[row]);
        uint64_t place = (uint64_t)e[row] - (uint64_t)self->first;
        if (code == 0 && place >= room) break;
        rows_out[out] = row;
        out += code != LION_OVERLAY_GONE;
        told[told_count] = row;
        told_count += (code != 0) & (code != LION_OVERLAY_GONE);
        self->places[places] = (uint32_t)place;
        self->place_rows[places] = row;
        places += code == 0;
    }
    for (uint32_t k = 0; k < told_count && v != NULL; k++)
        put_shown(overlay, lion_overlay_code(overlay, e[told[k]]), v, told[k]);
    self->place_count = places;
    *found = out;
    return i;
}

/* ---- runs ---- */

LION_KERNEL static bool is_run(const int64_t *e, uint32_t count)
{
    uint64_t gaps = 0;
    for (uint32_t i = 1; i < count; i++) gaps |= (uint64_t)e[i] - (uint64_t)e[i - 1] - 1;
    return gaps == 0;
}

/* Whether the rows' entities are among the span from `low` on. */
LION_KERNEL static bool is_among(const int64_t *e, const uint16_t *rows, uint32_t count,
                                 int64_t low, uint64_t span)
{
    uint64_t outside = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step = (uint64_t)e[rows == NULL ? i : rows[i]] - (uint64_t)low;
        outside |= span - 1 - step; /* below 0 as is its highest bit: both are small */
        outside |= step;
    }
    return outside >> 63 == 0;
}

/* Each row's value among those of the span. */
LION_KERNEL static void take_bits(int64_t *out, const int64_t *bits, const int64_t *e,
                                  const uint16_t *rows, uint32_t count, int64_t low)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        out[row] = bits[e[row] - low];
    }
}

LION_KERNEL static void list_rows(uint16_t *rows_out, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) rows_out[i] = (uint16_t)(first + i);
}

/* Of entities that begin a run of RUN_MIN or more, its length; else (*is_run_out) how far on one is
 * looked for next: a run of twice that is not missed. */
static uint32_t run_length(const int64_t *e, uint32_t count, bool *is_run_out)
{
    uint32_t length = RUN_MIN;
    *is_run_out = count >= RUN_MIN && (uint64_t)e[RUN_MIN - 1] - (uint64_t)e[0] == RUN_MIN - 1 &&
                  is_run(e, RUN_MIN);
    if (!*is_run_out) return count < RUN_MIN ? count : RUN_MIN;
    if ((uint64_t)e[count - 1] - (uint64_t)e[0] == count - 1 && is_run(e, count)) return count;
    while (length < count && (uint64_t)e[length] - (uint64_t)e[length - 1] == 1) length++;
    return length;
}

/* The leaf's values from the place on are those of the rows from the first on. */
static lion_status read_stretch(lion_gather *self, size_t from, uint32_t row, uint32_t count,
                                lion_vector *v, lion_error *error)
{
    const lion_column *column = &self->leaf->v;
    if (v == NULL) return LION_OK;
    if (lion_type_is_scalar((lion_type)v->type)) {
        lion_column_read_bits(column, from, count, v->bits + row);
        return LION_OK;
    }
    lion_value *values = v->values + row;
    if (read_places(self, v, error) != LION_OK) return LION_FAILED;
    lion_status status = find_dictionary(self, count, error);
    if (status == LION_FAILED) return status;
    if (status == LION_OK)
        return lion_column_dictionary_read(&self->dictionary, column, from, count, values)
                   ? LION_OK
                   : lion_leaf_corrupt(error, "column v");
    if (!lion_column_read_values(column, from, count, values))
        return lion_leaf_corrupt(error, "column v");
    for (uint32_t i = 0; i < count && lion_column_has_stubs(column); i++)
        if (lion_stub_resolve(&values[i], self->view.root->snapshot, error) != LION_OK)
            return LION_FAILED;
    return LION_OK;
}

/* A row that the tree has, at the place among the leaf's entities, unless it is patched. */
static inline lion_status add_or_patch(lion_gather *self, int64_t e, uint32_t place, uint16_t row,
                                       lion_vector *v, lion_error *error)
{
    uint32_t code = self->is_whole ? 0 : lion_overlay_code(self->overlay, e);
    if (code == 0) return add_place(self, place, row, error);
    put_shown(self->overlay, code, v, row);
    return LION_OK;
}

/* Some entities of a run have no value here: the leaf's from the place on say which rows' theirs
 * are. */
static lion_status add_places(lion_gather *self, int64_t e, uint32_t row, uint32_t count,
                              size_t place, uint32_t places, lion_vector *v, uint16_t *rows_out,
                              uint32_t *found, lion_error *error)
{
    int64_t ids[LION_BATCH_ROWS];
    lion_ints_read(&self->leaf->e, place, places, ids);
    for (uint32_t i = 0; i < places; i++) {
        uint64_t step = (uint64_t)ids[i] - (uint64_t)e;
        if (step >= count) return lion_leaf_corrupt(error, "column e");
        uint16_t at = (uint16_t)(row + step);
        if (add_or_patch(self, ids[i], (uint32_t)place + i, at, v, error) != LION_OK)
            return LION_FAILED;
        rows_out[(*found)++] = at;
    }
    return LION_OK;
}

/* Of a run of entities from e on, those before *count_out are in one leaf, where those that it has
 * are at places [*place_out, *end_out). LION_END: the leaf does not tell. */
static lion_status find_run(lion_gather *self, int64_t e, uint32_t *count_out, size_t *place_out,
                            size_t *end_out, lion_vector *v, lion_error *error)
{
    lion_status status = reach_leaf(self, e, v, error);
    if (status != LION_OK) return status;
    const lion_leaf *leaf = self->leaf;
    if (leaf->leads != leaf->rows) return LION_END;
    uint64_t left = (uint64_t)self->to - (uint64_t)e;
    if (*count_out > left) *count_out = (uint32_t)left;
    *place_out = lion_ints_lower_bound(&leaf->e, 0, leaf->leads, e);
    *end_out = lion_ints_lower_bound(&leaf->e, *place_out, leaf->leads, e + *count_out);
    if (*end_out - *place_out > *count_out) return lion_leaf_corrupt(error, "column e");
    return LION_OK;
}

/* The run of entities from e on has rows of the overlay that follow each other, too. */
static void read_added(const lion_gather *self, int64_t e, uint32_t row, uint32_t count,
                       lion_vector *v)
{
    const lion_vector *from = &self->overlay->added.v;
    uint32_t place = lion_overlay_code(self->overlay, e) - 1;
    if (v == NULL) return;
    if (lion_type_is_scalar((lion_type)v->type))
        memcpy(v->bits + row, from->bits + place, count * sizeof *v->bits);
    else
        memcpy(v->values + row, from->values + place, count * sizeof *v->values);
}

/* Of a run of entities from e on: how many follow whose values are all in the overlay (*is_added),
 * or all in the tree, patches aside. 0: the first is told by itself. */
static uint32_t cut_run(const lion_gather *self, int64_t e, uint32_t count, bool *is_added)
{
    *is_added = false;
    if (self->is_whole) return count;
    uint32_t added = lion_overlay_stretch(self->overlay, e, count);
    *is_added = added > 0;
    return added > 0 ? added : lion_overlay_silence(self->overlay, e, count);
}

/* Rows whose entities are a run, as far as one leaf has them, or the overlay: *count_out of them
 * are done. LION_END: they are to be read one by one. */
static lion_status read_run(lion_gather *self, int64_t e, uint32_t row, uint32_t *count_out,
                            lion_vector *v, uint16_t *rows_out, uint32_t *found, lion_error *error)
{
    size_t place = 0, end = 0;
    bool is_added;
    uint32_t cut = cut_run(self, e, *count_out, &is_added);
    *count_out = cut > 0 ? cut : 1;
    if (cut < RUN_MIN || (self->tree == NULL && !is_added)) return LION_END;
    if (is_added) {
        list_rows(rows_out + *found, row, *count_out);
        *found += *count_out;
        read_added(self, e, row, *count_out, v);
        return LION_OK;
    }
    lion_status status = find_run(self, e, count_out, &place, &end, v, error);
    if (status != LION_OK) return status;
    uint32_t count = *count_out, places = (uint32_t)(end - place);
    if (places < count)
        return add_places(self, e, row, count, place, places, v, rows_out, found, error);
    list_rows(rows_out + *found, row, count);
    *found += count;
    if (read_stretch(self, place, row, count, v, error) != LION_OK) return LION_FAILED;
    if (!self->is_whole) lion_overlay_patch(self->overlay, e, count, v, row, NULL);
    return LION_OK;
}

/* Rows of a span that the overlay has, all of it side by side. */
static void take_added(const lion_gather *self, const int64_t *e, const uint16_t *rows,
                       uint32_t count, int64_t low, lion_vector *v)
{
    const lion_vector *from = &self->overlay->added.v;
    uint32_t place = lion_overlay_code(self->overlay, low) - 1;
    if (lion_type_is_scalar((lion_type)v->type)) {
        take_bits(v->bits, from->bits + place, e, rows, count, low);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows == NULL ? i : rows[i];
        v->values[row] = from->values[place + (uint64_t)(e[row] - low)];
    }
}

/* Rows of a span that the leaf has, all of it from the place on. */
static lion_status take_leaf_span(lion_gather *self, size_t place, uint32_t span, const int64_t *e,
                                  const uint16_t *rows, uint32_t count, int64_t low, lion_vector *v,
                                  lion_error *error)
{
    if (lion_type_is_scalar((lion_type)v->type)) {
        int64_t bits[SPAN_MAX];
        lion_vector part = { .type = v->type, .bits = bits };
        lion_column_read_bits(&self->leaf->v, place, span, bits);
        if (!self->is_whole) lion_overlay_patch(self->overlay, low, span, &part, 0, NULL);
        take_bits(v->bits, bits, e, rows, count, low);
        return LION_OK;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = rows == NULL ? (uint16_t)i : rows[i];
        uint32_t at = (uint32_t)(place + (size_t)(e[row] - low));
        if (add_or_patch(self, e[row], at, row, v, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

static bool is_near(uint64_t span, uint32_t count, const lion_vector *v)
{
    bool is_scalar = v == NULL || lion_type_is_scalar((lion_type)v->type);
    if (is_scalar) return span <= SPAN_MAX && span / SPAN_PART <= count;
    return span <= STRETCH_MAX && span / STRETCH_PART <= count;
}

/* Rows whose entities ascend and lie close together, where a leaf or the overlay has all from the
 * first to the last: so each has a value. LION_END: it is not so. */
static lion_status read_span(lion_gather *self, const int64_t *e, const uint16_t *rows,
                             uint32_t count, lion_vector *v, uint16_t *rows_out, lion_error *error)
{
    int64_t low = e[rows == NULL ? 0 : rows[0]],
            high = e[rows == NULL ? count - 1 : rows[count - 1]];
    uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    bool is_added;
    if (high < low || !is_near(span, count, v) || !is_among(e, rows, count, low, span))
        return LION_END;
    uint32_t taken = (uint32_t)span;
    if (cut_run(self, low, taken, &is_added) < span) return LION_END;
    if (self->tree == NULL && !is_added) return LION_END;
    size_t place = 0, end = 0;
    lion_status status = is_added ? LION_OK : find_run(self, low, &taken, &place, &end, v, error);
    if (status != LION_OK) return status;
    if (!is_added && (taken < span || end - place < span)) return LION_END;
    if (rows == NULL)
        list_rows(rows_out, 0, count);
    else
        memmove(rows_out, rows, count * sizeof *rows);
    if (v == NULL) return LION_OK;
    if (!is_added) return take_leaf_span(self, place, taken, e, rows_out, count, low, v, error);
    take_added(self, e, rows_out, count, low, v);
    return LION_OK;
}

static inline lion_status read_row(lion_gather *self, int64_t e, lion_vector *v, uint16_t row,
                                   lion_error *error)
{
    if (!self->is_whole && self->overlay == NULL) return read_one(self, e, v, row, error);
    uint32_t code = self->is_whole ? 0 : lion_overlay_code(self->overlay, e);
    if (code == LION_OVERLAY_GONE) return LION_ABSENT;
    if (code > 0) {
        put_shown(self->overlay, code, v, row);
        return LION_OK;
    }
    return from_tree(self, e, v, row, error);
}

/* Rows [from, to) of those listed, or of all. */
static lion_status read_rows(lion_gather *self, const int64_t *e, const uint16_t *rows,
                             uint32_t from, uint32_t to, lion_vector *v, uint16_t *rows_out,
                             uint32_t *found, lion_error *error)
{
    for (uint32_t i = from; i < to; i++) {
        if (is_dense(self) && self->is_whole)
            i = add_dense(self, e, rows, i, to, rows_out, found);
        else if (is_dense(self) && self->overlay != NULL)
            i = add_beside(self, e, rows, i, to, v, rows_out, found);
        if (i == to) break;
        uint16_t row = rows == NULL ? (uint16_t)i : rows[i];
        lion_status status = read_row(self, e[row], v, row, error);
        if (status == LION_OK) rows_out[(*found)++] = row;
        if (status == LION_FAILED) return status;
    }
    return LION_OK;
}

/* Runs each at once, what is between them row by row. */
static lion_status read_runs(lion_gather *self, const int64_t *e, uint32_t count, lion_vector *v,
                             uint16_t *rows_out, uint32_t *found, lion_error *error)
{
    lion_status status = LION_OK;
    uint32_t between = 0, end = 0; /* the first row that is not done; where the present run ends */
    bool is_in_run = false;
    for (uint32_t i = 0, length; status == LION_OK && i < count; i += length) {
        if (i == end) end = i + run_length(e + i, count - i, &is_in_run);
        length = end - i;
        if (!is_in_run || length < RUN_MIN) continue;
        status = read_rows(self, e, NULL, between, i, v, rows_out, found, error);
        between = i;
        if (status == LION_OK) status = read_run(self, e[i], i, &length, v, rows_out, found, error);
        if (status == LION_OK) between = i + length;
        if (status == LION_END) status = LION_OK;
    }
    if (status != LION_OK) return status;
    return read_rows(self, e, NULL, between, count, v, rows_out, found, error);
}

/* Whether the tree, or the overlay, can tell of many entities at once. */
static bool tells_many(const lion_gather *self)
{
    if (self->is_whole) return self->tree != NULL;
    return self->overlay != NULL && self->overlay->slots == NULL;
}

/* LION_END: rows are to be read one by one. */
static lion_status read_many(lion_gather *self, const int64_t *e, const uint16_t *rows,
                             uint32_t count, lion_vector *v, uint16_t *rows_out, uint32_t *found,
                             lion_error *error)
{
    bool is_run = false;
    if (count < RUN_MIN || !tells_many(self)) return LION_END;
    if (rows == NULL) run_length(e, count, &is_run);
    lion_status status = is_run ? LION_END : read_span(self, e, rows, count, v, rows_out, error);
    if (status == LION_OK) *found = count;
    if (status != LION_END || rows != NULL) return status;
    return read_runs(self, e, count, v, rows_out, found, error);
}

static void tell_dictionary(const lion_gather *self, lion_vector *v)
{
    bool is_coded = self->coded_by != UNREAD && self->coded_by != UNCODED;
    v->dictionary = is_coded ? &self->dictionary.values : NULL;
}

lion_status lion_gather_read(lion_gather *self, const int64_t *e, const uint16_t *rows,
                             uint32_t count, lion_vector *v, uint16_t *rows_out,
                             uint32_t *count_out, lion_error *error)
{
    LION_ASSERT(count <= LION_BATCH_ROWS);
    uint32_t found = 0;
    self->coded_by = UNREAD;
    if (v != NULL) v->type = (uint8_t)self->type;
    if (count > self->place_room && make_places(self, count, error) != LION_OK) return LION_FAILED;
    if (!self->is_whole && self->overlay == NULL && find_overlay(self, count, error) != LION_OK)
        return LION_FAILED;
    lion_status status = read_many(self, e, rows, count, v, rows_out, &found, error);
    if (status == LION_END) status = read_rows(self, e, rows, 0, count, v, rows_out, &found, error);
    if (status != LION_OK) return status;
    *count_out = found;
    status = read_places(self, v, error);
    if (status == LION_OK && v != NULL) tell_dictionary(self, v);
    return status;
}
