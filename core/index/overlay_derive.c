/* overlay_derive.c - an overlay of novelty out of an older one and what few transactions did since:
 * columns are copied in stretches, and only what was touched is found out anew.
 *
 * What is touched is a unit: a fact, or, where the tree has no entity twice, all of an entity. Of a
 * unit the old overlay tells what is shown beside the tree and whether the tree has something that
 * is hidden; a fact that is retracted first and was not shown beside was the tree's, and is hidden
 * now. */
#include "base/assert.h"
#include "index/lane.h"
#include "index/novelty_tree.h"
#include "index/overlay.h"

#define CHANGES_MAX 128
#define RECORDS_MAX 4096 /* looked at for them */

typedef struct deriving {
    const lion_overlay *old;
    lion_overlay *new;
    lion_index order;
    uint32_t added, gone, patches;   /* rows of the old one that are taken over or left out */
    lion_datom changes[CHANGES_MAX]; /* in the order, the newest of a fact first */
    uint32_t change_count;
    lion_datom *shown; /* of the unit, in the order */
    uint32_t shown_count;
    bool is_hidden;
} deriving;

/* ---- changes ---- */

static void insert_change(deriving *self, const lion_datom *change)
{
    uint32_t place = self->change_count++;
    for (; place > 0; place--) {
        if (lion_datom_compare(self->order, &self->changes[place - 1], change) <= 0) break;
        self->changes[place] = self->changes[place - 1];
    }
    self->changes[place] = *change;
}

/* false: too many to be worth it. */
static bool read_changes(deriving *self, const lion_novelty_version *version, uint32_t a,
                         uint32_t from)
{
    const uint8_t *base = version->novelty->base;
    uint32_t looked_at = 0;
    for (uint32_t i = from; i < version->transactions; i++) {
        const lion_transaction_entry *entry = lion_novelty_transaction_entry(base, i);
        uint32_t offset = entry->datoms;
        looked_at += entry->count;
        if (looked_at > RECORDS_MAX) return false;
        for (uint32_t k = 0; k < entry->count; k++) {
            const lion_record *record = lion_novelty_at(base, offset);
            offset += (uint32_t)(lion_record_size(record->size) / LION_NOVELTY_UNIT);
            if ((record->head & LION_RECORD_A_MASK) != a) continue;
            if (self->change_count == CHANGES_MAX) return false;
            lion_datom change = lion_record_datom(record);
            insert_change(self, &change);
        }
    }
    return true;
}

/* ---- units ---- */

static int compare_unit(const deriving *self, const lion_datom *x, const lion_datom *y)
{
    if (self->old->is_single) return (x->e > y->e) - (x->e < y->e);
    return lion_datom_compare_fact(self->order, x, y);
}

static lion_datom row_of(const lion_rows *rows, uint32_t row)
{
    return (lion_datom){ .e = rows->e[row],
                         .a = rows->a[row],
                         .v = lion_vector_get(&rows->v, row),
                         .tx = rows->tx[row],
                         .added = true };
}

/* Take over the rows before the unit; the end of those of the unit. */
static uint32_t pass(const deriving *self, lion_rows *to, const lion_rows *from, uint32_t *at,
                     const lion_datom *unit)
{
    uint32_t low = *at, high = from->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        lion_datom row = row_of(from, middle);
        if (compare_unit(self, &row, unit) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    lion_datom_batch batch = lion_rows_batch(from, LION_COLUMN_ALL);
    lion_rows_append(to, &batch, *at, low);
    for (*at = low; low < from->count; low++) {
        lion_datom row = row_of(from, low);
        if (compare_unit(self, &row, unit) != 0) break;
    }
    return low;
}

static void read_unit(deriving *self, const lion_datom *unit)
{
    const lion_overlay *old = self->old;
    uint32_t added = pass(self, &self->new->added, &old->added, &self->added, unit);
    uint32_t gone = pass(self, &self->new->gone, &old->gone, &self->gone, unit);
    uint32_t patches = pass(self, &self->new->patches, &old->patches, &self->patches, unit);
    self->shown_count = 0;
    self->is_hidden = gone > self->gone || patches > self->patches;
    for (; self->added < added; self->added++)
        self->shown[self->shown_count++] = row_of(&old->added, self->added);
    for (; self->patches < patches; self->patches++)
        self->shown[self->shown_count++] = row_of(&old->patches, self->patches);
    self->gone = gone;
}

static void take_away(deriving *self, uint32_t place)
{
    self->shown_count--;
    for (; place < self->shown_count; place++) self->shown[place] = self->shown[place + 1];
}

/* The fact's changes, the newest first. */
static void change_fact(deriving *self, const lion_datom *newest, const lion_datom *oldest)
{
    uint32_t place = 0;
    while (place < self->shown_count &&
           lion_datom_compare_fact(self->order, &self->shown[place], newest) < 0)
        place++;
    bool was_shown = place < self->shown_count &&
                     lion_datom_compare_fact(self->order, &self->shown[place], newest) == 0;
    if (!oldest->added && !was_shown) self->is_hidden = true;
    if (was_shown) take_away(self, place);
    if (!newest->added) return;
    for (uint32_t i = self->shown_count++; i > place; i--) self->shown[i] = self->shown[i - 1];
    self->shown[place] = *newest;
}

static void write_unit(deriving *self, const lion_datom *unit)
{
    lion_overlay *new = self->new;
    bool is_patch = self->old->is_single && self->is_hidden && self->shown_count == 1;
    if (is_patch) {
        lion_rows_put(&new->patches, &self->shown[0]);
        return;
    }
    for (uint32_t i = 0; i < self->shown_count; i++) lion_rows_put(&new->added, &self->shown[i]);
    if (self->is_hidden) lion_rows_put(&new->gone, unit);
}

static void derive_units(deriving *self)
{
    const lion_datom *changes = self->changes;
    for (uint32_t i = 0; i < self->change_count;) {
        const lion_datom *unit = &changes[i];
        read_unit(self, unit);
        while (i < self->change_count && compare_unit(self, &changes[i], unit) == 0) {
            uint32_t oldest = i;
            while (oldest + 1 < self->change_count &&
                   lion_datom_same_fact(&changes[oldest + 1], &changes[i]))
                oldest++;
            change_fact(self, &changes[i], &changes[oldest]);
            i = oldest + 1;
        }
        write_unit(self, unit);
    }
}

/* ---- the whole ---- */

static lion_status make_room(lion_rows *to, const lion_rows *from, lion_type type, uint32_t more,
                             lion_arena *arena, lion_error *error)
{
    uint32_t capacity = from->count + more;
    size_t width = lion_type_is_scalar((uint8_t)type) ? sizeof(int64_t) : sizeof(lion_value);
    *to = (lion_rows){ .capacity = capacity,
                       .e = lion_arena_array(arena, int64_t, capacity),
                       .a = lion_arena_array(arena, uint32_t, capacity),
                       .v = { .type = (uint8_t)type },
                       .tx = lion_arena_array(arena, int64_t, capacity),
                       .added = lion_arena_array(arena, uint8_t, capacity) };
    to->v.values = lion_arena_alloc(arena, width * capacity);
    bool is_there = to->e != NULL && to->a != NULL && to->tx != NULL && to->added != NULL &&
                    to->v.values != NULL;
    return is_there && !arena->is_exhausted ? LION_OK : lion_fail_memory(error);
}

static lion_type type_of(const deriving *self, const lion_view *view, uint32_t a)
{
    const lion_overlay *old = self->old;
    const lion_tree *tree = lion_view_tree(view, self->order, a, false);
    if (tree != NULL) return (lion_type)tree->type;
    if (old->added.count > 0 || self->change_count == 0) return (lion_type)old->added.v.type;
    return (lion_type)self->changes[0].v.type;
}

static void take_rest(lion_rows *to, const lion_rows *from, uint32_t at)
{
    lion_datom_batch batch = lion_rows_batch(from, LION_COLUMN_ALL);
    if (at < from->count) lion_rows_append(to, &batch, at, from->count);
}

static lion_status derive(deriving *self, const lion_view *view, uint32_t a, lion_arena *arena,
                          lion_error *error)
{
    const lion_overlay *old = self->old;
    lion_overlay *new = self->new;
    lion_type type = type_of(self, view, a);
    uint32_t more = self->change_count;
    new->has_tree = old->has_tree;
    new->is_single = old->is_single;
    self->shown = lion_arena_array(arena, lion_datom, old->added.count + more + 1);
    if (self->shown == NULL ||
        make_room(&new->added, &old->added, type, more + 1, arena, error) != LION_OK ||
        make_room(&new->gone, &old->gone, type, more, arena, error) != LION_OK ||
        make_room(&new->patches, &old->patches, type, more, arena, error) != LION_OK)
        return LION_FAILED;
    derive_units(self);
    take_rest(&new->added, &old->added, self->added);
    take_rest(&new->gone, &old->gone, self->gone);
    take_rest(&new->patches, &old->patches, self->patches);
    return self->order == LION_AEVT ? lion_overlay_make_codes(new, arena, error) : LION_OK;
}

lion_status lion_overlay_derive(lion_overlay **overlay_out, const lion_overlay *old,
                                uint32_t transactions, uint64_t datoms, const lion_view *view,
                                lion_index order, uint32_t a, lion_arena *arena, lion_error *error)
{
    const lion_novelty_version *version = &view->novelty;
    LION_ASSERT(version->novelty != NULL && view->speculative.novelty == NULL);
    deriving self = { .old = old, .order = order };
    if (transactions > version->transactions) return LION_ABSENT;
    if (!read_changes(&self, version, a, transactions)) return LION_ABSENT;
    if (datoms + self.change_count != lion_overlay_datoms(view, order, a)) return LION_ABSENT;
    self.new = lion_arena_new(arena, lion_overlay);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    lion_status status = derive(&self, view, a, arena, error);
    if (status == LION_OK) *overlay_out = self.new;
    return status;
}
