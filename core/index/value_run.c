/* value_run.c - the entities of values, out of open leaves and overlays' columns. */
#include "index/value_run.h"

#include <string.h>

#include "base/assert.h"
#include "index/novelty_tree.h"
#include "index/points.h"
#include "index/view_parts.h"

/* ---- opening ---- */

static bool has_novelty(const lion_novelty_version *version, uint32_t a)
{
    lion_novelty_iterator iterator;
    if (version->novelty == NULL) return false;
    lion_novelty_iterator_init(&iterator, version, LION_AVET, a, false);
    return iterator.root != 0;
}

void lion_value_run_init(lion_value_run *run, const lion_view *view, uint32_t a, lion_arena *arena)
{
    bool has_tree = view->since_t < 0;
    *run = (lion_value_run){ .view = view, .a = a, .arena = arena };
    run->tree = has_tree ? lion_view_tree(view, LION_AVET, a, false) : NULL;
    run->is_plain = lion_view_is_plain(view);
    run->is_tree_alone =
        run->is_plain && !has_novelty(&view->novelty, a) && !has_novelty(&view->speculative, a);
}

/* ---- what is beside the tree ---- */

/* What the value keeps; NULL: it does not pay yet, or what there is cannot be told so. */
static const lion_overlay *find_overlay(const lion_value_run *run)
{
    const lion_view *view = run->view;
    const lion_root_attribute *attribute =
        view->root == NULL ? NULL : lion_root_attribute_lookup(view->root, run->a);
    bool lacks_avet = attribute != NULL && lion_root_attribute_lacks_avet(attribute);
    lion_overlay_note *note = lacks_avet ? NULL : lion_overlay_note_of(view, LION_AVET, run->a);
    return note == NULL ? NULL : lion_overlay_ask(note, view, false, run->arena);
}

/* Whether the tree tells all of the value, though there is novelty. */
static bool is_in_tree_alone(const lion_value_run *run, const lion_key *key)
{
    lion_datom datom;
    return run->is_plain && !lion_novelty_first(&run->view->novelty, LION_AVET, key, &datom) &&
           !lion_novelty_first(&run->view->speculative, LION_AVET, key, &datom);
}

/* The first row from `low` on whose value is not before v (upper: is behind it). */
static uint32_t bound(const lion_rows *rows, uint32_t low, lion_value v, bool upper)
{
    uint32_t high = rows->count;
    for (uint32_t step = 1; upper && low < high; step *= 2) { /* gallop: a value has few rows */
        uint32_t probe = low + step - 1 < high ? low + step - 1 : high - 1;
        if (lion_value_compare(lion_vector_get(&rows->v, probe), v) > 0) {
            high = probe;
            break;
        }
        low = probe + 1;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = lion_value_compare(lion_vector_get(&rows->v, middle), v);
        if (order < 0 || (upper && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void find_rows(const lion_rows *rows, lion_value v, uint32_t *from_out, uint32_t *to_out)
{
    *from_out = *to_out = rows->count;
    if (rows->count == 0) return;
    *from_out = bound(rows, 0, v, false);
    *to_out = bound(rows, *from_out, v, true);
}

/* ---- seeking ---- */

static lion_status seek_tree(lion_value_run *run, lion_value v, lion_error *error)
{
    run->row = run->row_end = 0;
    if (run->tree == NULL) return LION_ABSENT;
    return lion_points_run(&run->leaf, &run->row, &run->row_end, run->view->root, run->tree, v,
                           error);
}

lion_status lion_value_run_seek(lion_value_run *run, lion_value v, lion_error *error)
{
    lion_key key = { .datom = { .a = run->a, .v = v }, .parts = 2 };
    if (run->is_tree_alone) return seek_tree(run, v, error);
    run->gone = run->gone_end = run->added = run->added_end = 0;
    if (run->overlay == NULL && is_in_tree_alone(run, &key)) return seek_tree(run, v, error);
    if (run->overlay == NULL) run->overlay = find_overlay(run);
    if (run->overlay == NULL) return LION_END;
    find_rows(&run->overlay->added, v, &run->added, &run->added_end);
    find_rows(&run->overlay->gone, v, &run->gone, &run->gone_end);
    lion_status status = seek_tree(run, v, error);
    if (status == LION_FAILED || status == LION_END) return status;
    if (run->gone_end - run->gone > run->row_end - run->row)
        return lion_leaf_corrupt(error, "a run");
    return lion_value_run_left(run) > 0 ? LION_OK : LION_ABSENT;
}

/* ---- reading ---- */

/* Up to the next entity that is gone, which is left out. */
static uint32_t read_leaf(lion_value_run *run, uint32_t count, int64_t *e_out)
{
    const lion_ints *entities = &run->leaf->e;
    bool is_gone = run->gone < run->gone_end;
    uint32_t end = run->row_end;
    if (is_gone) {
        int64_t e = run->overlay->gone.e[run->gone];
        end = (uint32_t)lion_ints_lower_bound(entities, run->row, run->row_end, e);
    }
    uint32_t take = end - run->row < count ? end - run->row : count;
    lion_ints_read(entities, run->row, take, e_out);
    run->row += take;
    if (is_gone && run->row == end) {
        run->row += end < run->row_end;
        run->gone++;
    }
    return take;
}

void lion_value_run_read(lion_value_run *run, uint32_t count, int64_t *e_out)
{
    LION_ASSERT(count <= lion_value_run_left(run));
    while (count > 0 && run->row < run->row_end) {
        uint32_t taken = read_leaf(run, count, e_out);
        e_out += taken;
        count -= taken;
    }
    if (count == 0) return;
    memcpy(e_out, run->overlay->added.e + run->added, count * sizeof(*e_out));
    run->added += count;
}

bool lion_value_run_ascends(const lion_value_run *run)
{
    if (run->row == run->row_end || run->added == run->added_end) return true;
    return lion_ints_get(&run->leaf->e, run->row_end - 1) < run->overlay->added.e[run->added];
}

void lion_value_run_skip(lion_value_run *run, int64_t e)
{
    if (run->row < run->row_end)
        run->row = (uint32_t)lion_ints_lower_bound(&run->leaf->e, run->row, run->row_end, e);
    if (run->overlay == NULL) return;
    run->gone = lion_rows_from(&run->overlay->gone, run->gone, run->gone_end, e);
    run->added = lion_rows_from(&run->overlay->added, run->added, run->added_end, e);
}
