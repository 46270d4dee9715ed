/* entities.c - an entity's run in a leaf of EAVT. */
#include "index/entities.h"

#include "index/stub.h"
#include "index/view_parts.h"

#define RUN_ROWS 128 /* an entity with more facts is no small one */

static bool is_in_novelty(const lion_view *view, const lion_key *key)
{
    lion_datom datom;
    return lion_novelty_first(&view->novelty, LION_EAVT, key, &datom) ||
           lion_novelty_first(&view->speculative, LION_EAVT, key, &datom);
}

/* Columns of a leaf are opened once for all of its entities. */
static lion_status keep_columns(lion_entities *self, lion_error *error)
{
    lion_leaf *leaf = &self->descent->leaf;
    if (leaf->attributes > self->column_room) {
        self->column_room = leaf->attributes * 2;
        self->columns = lion_arena_array(self->arena, lion_column, self->column_room);
        if (self->columns == NULL) return lion_fail_memory(error);
    }
    for (uint32_t i = 0; i < leaf->attributes; i++) self->columns[i].type = LION_TYPE_NIL;
    leaf->columns = self->columns;
    return LION_OK;
}

static bool is_open(const lion_entities *self, int64_t e)
{
    const lion_leaf *leaf = &self->descent->leaf;
    return self->is_placed && lion_ints_get(&leaf->e, 0) <= e &&
           e <= lion_ints_get(&leaf->e, leaf->leads - 1);
}

static lion_status open_leaf(lion_entities *self, const lion_key *key, lion_error *error)
{
    const lion_root *root = self->view->root;
    if (self->descent == NULL) self->descent = lion_arena_alloc(self->arena, sizeof *self->descent);
    if (self->descent == NULL) return lion_fail_memory(error);
    if (is_open(self, key->datom.e)) return LION_OK;
    self->is_placed = false;
    lion_status status =
        lion_descent_seek(self->descent, &root->eavt, root->snapshot, key, false, error);
    if (status == LION_OK)
        status = lion_leaf_need(&self->descent->leaf, LION_LEAF_E | LION_LEAF_RUNS, error);
    if (status == LION_OK) status = keep_columns(self, error);
    self->is_placed = status == LION_OK;
    return status;
}

/* The entity's run in the open leaf, and its rows; LION_ABSENT: it has no facts. LION_END as in the
 * header. */
static lion_status find_run(lion_entities *self, int64_t e, uint32_t *run_out, uint32_t *rows_out,
                            lion_error *error)
{
    const lion_view *view = self->view;
    lion_key key = { .datom = { .e = e }, .parts = 1 };
    if (!lion_view_is_plain(view) || view->filter_count > 0 || is_in_novelty(view, &key))
        return LION_END;
    if (view->root == NULL || view->root->eavt.height == 0) return LION_ABSENT;
    if (open_leaf(self, &key, error) != LION_OK) return LION_FAILED;
    lion_leaf *leaf = &self->descent->leaf;
    size_t run = lion_ints_lower_bound(&leaf->e, 0, leaf->leads, e);
    if (run == 0 || run + 1 >= leaf->leads) return LION_END; /* neighbours may have some of it */
    if (lion_ints_get(&leaf->e, run) != e) return LION_ABSENT;
    uint32_t from, to;
    if (lion_leaf_run_rows(&from, &to, leaf, (uint32_t)run, error) != LION_OK) return LION_FAILED;
    *run_out = (uint32_t)run;
    *rows_out = to - from;
    return LION_OK;
}

static lion_status resolve(const lion_entities *self, lion_value *values, uint32_t count,
                           lion_error *error)
{
    lion_snapshot *snapshot = self->view->root->snapshot;
    for (uint32_t i = 0; i < count; i++)
        if (lion_stub_resolve(&values[i], snapshot, error) != LION_OK) return LION_FAILED;
    return LION_OK;
}

lion_status lion_entities_read(lion_entities *self, int64_t e, uint32_t *a_out,
                               lion_value *values_out, uint32_t room, uint32_t *count_out,
                               lion_error *error)
{
    uint32_t run, rows;
    *count_out = 0;
    lion_status status = find_run(self, e, &run, &rows, error);
    if (status != LION_OK) return status == LION_ABSENT ? LION_OK : status;
    if (rows > room) return LION_END;
    lion_leaf *leaf = &self->descent->leaf;
    if (lion_leaf_read_run(leaf, run, 0, rows, a_out, values_out, error) != LION_OK)
        return LION_FAILED;
    *count_out = rows;
    return resolve(self, values_out, rows, error);
}

lion_status lion_entities_values(lion_entities *self, int64_t e, uint32_t a, lion_value *values_out,
                                 uint32_t room, uint32_t *count_out, lion_error *error)
{
    uint32_t run, rows, attributes[RUN_ROWS];
    *count_out = 0;
    lion_status status = find_run(self, e, &run, &rows, error);
    if (status != LION_OK) return status == LION_ABSENT ? LION_OK : status;
    if (rows > RUN_ROWS) return LION_END;
    lion_leaf *leaf = &self->descent->leaf;
    if (lion_leaf_read_run(leaf, run, 0, rows, attributes, NULL, error) != LION_OK)
        return LION_FAILED;
    uint32_t from = 0, to;
    while (from < rows && attributes[from] < a) from++;
    for (to = from; to < rows && attributes[to] == a;) to++;
    if (to - from > room) return LION_END;
    if (to == from) return LION_OK;
    if (lion_leaf_read_run(leaf, run, from, to - from, NULL, values_out, error) != LION_OK)
        return LION_FAILED;
    *count_out = to - from;
    return resolve(self, values_out, to - from, error);
}
