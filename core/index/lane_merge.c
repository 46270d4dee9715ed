/* lane_merge.c - the sources of a lane, and their merge. */
#include "base/assert.h"
#include "index/lane.h"

/* -- Opening ------------------------------------------------------------------------------------
 */

/* Of one that was there before, the iterators' room is kept. */
static lion_lane_source *add_source(lion_lane *lane)
{
    lion_lane_source **room = &lane->rooms[lane->source_count], *source = *room;
    if (source == NULL)
        source = *room = lion_arena_new(lane->arena, lion_lane_source);
    else
        *source = (lion_lane_source){ .iterators = { source->iterators[0], source->iterators[1] } };
    lane->sources[lane->source_count++] = source;
    return source;
}

static void add_tree(lion_lane *lane, bool is_history)
{
    const lion_tree *tree = lion_view_tree(lane->view, lane->order, lane->a, is_history);
    if (tree == NULL) return;
    lion_lane_source *source = add_source(lane);
    source->is_tree = true;
    source->is_current = !is_history;
    source->tree = tree;
    for (unsigned i = 0; i < 2; i++)
        if (source->iterators[i] != NULL) source->iterators[i]->tree = NULL; /* of before */
    if (lane->order != LION_EAVT) lane->type = (lion_type)tree->type;
}

static void add_novelty(lion_lane *lane, const lion_novelty_version *version, lion_rows *rows)
{
    if (version->novelty == NULL || version->datoms == 0) return;
    lion_novelty_iterator iterator;
    lion_novelty_iterator_init(&iterator, version, lane->order, lane->a, lane->is_reverse);
    if (iterator.root == 0) return;
    if (lane->order != LION_EAVT && lane->source_count == 0) {
        lion_novelty_iterator first = iterator;
        lion_datom datom;
        if (lion_novelty_iterator_next(&first, &datom)) lane->type = (lion_type)datom.v.type;
    }
    lion_lane_source *source = add_source(lane);
    source->novelty = iterator;
    source->rows = rows;
}

static bool lacks_avet(const lion_view *view, uint32_t a)
{
    if (view->root == NULL) return false;
    const lion_root_attribute *attribute = lion_root_attribute_lookup(view->root, a);
    return attribute != NULL && lion_root_attribute_lacks_avet(attribute);
}

lion_status lion_lane_merge_open(lion_lane *lane, const lion_view *view, lion_index order,
                                 uint32_t a, uint32_t columns, bool is_reverse, lion_arena *arena,
                                 lion_error *error)
{
    LION_ASSERT(order <= LION_AVET);
    *lane =
        (lion_lane){ .view = view,
                     .order = order,
                     .a = a,
                     .type = LION_TYPE_MIXED,
                     .columns = columns,
                     .is_reverse = is_reverse,
                     .arena = arena,
                     .rooms = { lane->rooms[0], lane->rooms[1], lane->rooms[2], lane->rooms[3] },
                     .rows = lane->rows,
                     .novelty_rows = { lane->novelty_rows[0], lane->novelty_rows[1] } };
    int64_t root_t = view->root != NULL ? view->root->t : 0;
    bool has_upper = view->upper_t < lion_view_newest_t(view);
    lane->has_bounds = has_upper || view->since_t >= 0;
    lane->min_tx = view->since_t >= 0 ? lion_t_to_tx(view->since_t + 1) : INT64_MIN;
    lane->max_tx = has_upper ? lion_t_to_tx(view->upper_t) : INT64_MAX;

    add_tree(lane, false);
    if (view->is_history || view->upper_t < root_t) add_tree(lane, true);
    lane->has_all_in_novelty = order == LION_AVET && lacks_avet(view, a);
    if (view->upper_t > root_t || lane->has_all_in_novelty) {
        add_novelty(lane, &view->novelty, &lane->novelty_rows[0]);
        add_novelty(lane, &view->speculative, &lane->novelty_rows[1]);
    }
    return lion_arena_check(arena, error);
}

void lion_lane_leave_trees(lion_lane *lane, bool with_history)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < lane->source_count; i++) {
        const lion_lane_source *source = lane->sources[i];
        bool is_kept = !source->is_tree || (with_history && !source->is_current);
        if (is_kept) lane->sources[kept++] = lane->sources[i];
    }
    lane->source_count = kept;
}

/* -- Seeking ------------------------------------------------------------------------------------
 */

/* The columns that tell whether a row is before the stop. */
uint32_t lion_lane_stop_columns(const lion_lane *lane)
{
    static const uint32_t COLUMNS[3][4] = {
        [LION_EAVT] = { LION_COLUMN_E, LION_COLUMN_A, LION_COLUMN_V, LION_COLUMN_TX },
        [LION_AEVT] = { 0, LION_COLUMN_E, LION_COLUMN_V, LION_COLUMN_TX },
        [LION_AVET] = { 0, LION_COLUMN_V, LION_COLUMN_E, LION_COLUMN_TX },
    };
    uint32_t columns = 0;
    for (unsigned i = 0; i < lane->stop.parts; i++) columns |= COLUMNS[lane->order][i];
    return columns;
}

/* Is the only source in the range a current tree, all of whose rows are visible? */
static bool is_plain(const lion_lane *lane)
{
    if (lane->has_bounds) return false;
    for (unsigned i = 0; i < lane->source_count; i++)
        if (!lane->sources[i]->is_current && !lane->sources[i]->is_idle) return false;
    return true;
}

lion_status lion_lane_seek_tree(lion_lane *lane, lion_lane_source *source, const lion_key *start,
                                bool upper, uint32_t columns, lion_error *error)
{
    lion_tree_iterator **place = &source->iterators[columns == LION_COLUMN_ALL];
    lion_tree_iterator *iterator = *place;
    if (iterator != NULL && (iterator->columns & columns) != columns) iterator = NULL;
    bool is_of_before = iterator != NULL && iterator->tree == NULL;
    if (is_of_before && lion_tree_iterator_again(iterator, source->tree, lane->view->root->snapshot,
                                                 lane->is_reverse, error) != LION_OK)
        return LION_FAILED;
    if (iterator == NULL) {
        iterator = lion_arena_alloc(lane->arena, sizeof *iterator);
        if (lion_tree_iterator_init(iterator, source->tree, lane->view->root->snapshot, columns,
                                    lane->is_reverse, lane->arena, error) != LION_OK)
            return LION_FAILED;
        *place = iterator;
    }
    bool is_bounded =
        lane->overlay == NULL; /* else rows that are changed in place lie in any leaf */
    iterator->min_t = is_bounded && lane->min_tx > 0 ? lion_tx_to_t(lane->min_tx) : INT64_MIN;
    iterator->max_t =
        is_bounded && lane->max_tx < INT64_MAX ? lion_tx_to_t(lane->max_tx) : INT64_MAX;
    source->iterator = iterator;
    lion_key all = { .parts = 0 };
    return lion_tree_iterator_seek(iterator, start->parts > 0 ? start : &all,
                                   start->parts > 0 ? upper : lane->is_reverse, error);
}

/* Novelty that has nothing before the stop stays out of the merge. */
static lion_status seek_novelty(lion_lane *lane, lion_lane_source *source, const lion_key *start,
                                bool upper, lion_error *error)
{
    if (start->parts > 0)
        lion_novelty_iterator_seek(&source->novelty, start, upper);
    else
        source->novelty.is_placed = false; /* from the end */
    lion_status status = lion_lane_load(lane, source, error);
    source->is_idle = source->chunk.count == 0;
    return status;
}

lion_status lion_lane_merge_seek(lion_lane *lane, const lion_key *start, bool start_upper,
                                 const lion_key *stop, bool stop_upper, uint32_t rows,
                                 lion_error *error)
{
    lane->stop = *stop;
    lane->stop_upper = stop_upper;
    lane->has_last = false;
    for (unsigned i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = lane->sources[i];
        source->row = source->chunk.count = 0;
        source->is_done = source->is_idle = false;
        source->wanted = rows;
        if (!source->is_tree && seek_novelty(lane, source, start, start_upper, error) != LION_OK)
            return LION_FAILED;
    }
    uint32_t columns =
        is_plain(lane) ? lane->columns | lion_lane_stop_columns(lane) : LION_COLUMN_ALL;
    for (unsigned i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = lane->sources[i];
        if (source->is_tree &&
            lion_lane_seek_tree(lane, source, start, start_upper, columns, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

/* -- Loading chunks -----------------------------------------------------------------------------
 */

static bool reserve_rows(lion_rows *rows, lion_type type, uint32_t capacity, lion_arena *arena)
{
    if (rows->capacity < capacity) return lion_rows_init(rows, type, capacity, arena);
    rows->v.type = (uint8_t)type; /* there is room for values of any type */
    return true;
}

/* Transactions that the trees cover already are not novelty, whatever version it is. */
static void drop_covered(const lion_lane *lane, lion_rows *rows)
{
    int64_t covered = lane->view->root != NULL ? lion_t_to_tx(lane->view->root->t) : 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < rows->count; i++)
        if (rows->tx[i] > covered) lion_rows_move(rows, kept++, i);
    rows->count = kept;
}

static lion_status load_novelty(lion_lane *lane, lion_lane_source *source, lion_error *error)
{
    lion_rows *rows = source->rows;
    if (!reserve_rows(rows, lane->type, source->wanted, lane->arena))
        return lion_fail_memory(error);
    do {
        rows->count = 0;
        source->is_done = !lion_novelty_iterator_read(&source->novelty, rows, source->wanted,
                                                      &lane->stop, lane->stop_upper);
        if (!lane->has_all_in_novelty) drop_covered(lane, rows);
        source->chunk = lion_rows_batch(rows, LION_COLUMN_ALL);
    } while (source->chunk.count == 0 && !source->is_done);
    return LION_OK;
}

static lion_status load_tree(lion_lane *lane, lion_lane_source *source, lion_error *error)
{
    lion_status status =
        lion_tree_iterator_next(source->iterator, &source->chunk, source->wanted, error);
    if (status == LION_FAILED) return status;
    source->is_done = status == LION_END;
    if (source->is_done) {
        source->chunk.count = 0;
        return LION_OK;
    }
    uint32_t count = lion_lane_rows_before_stop(lane, &source->chunk);
    source->is_done = count < source->chunk.count;
    source->chunk.count = count;
    return LION_OK;
}

/* What an overlay would spare the reader. */
static void count_rows(lion_lane *lane, const lion_lane_source *source)
{
    if (source->is_current && !lane->has_bounds) return;
    uint64_t each = source->is_current ? LION_OVERLAY_BOUNDED : LION_OVERLAY_DATOM;
    lane->spared += each * source->chunk.count;
}

lion_status lion_lane_load(lion_lane *lane, lion_lane_source *source, lion_error *error)
{
    source->row = 0;
    lion_status status =
        source->is_tree ? load_tree(lane, source, error) : load_novelty(lane, source, error);
    count_rows(lane, source);
    source->wanted = source->wanted < LION_BATCH_ROWS / 4 ? source->wanted * 4 : LION_BATCH_ROWS;
    return status;
}

static bool has_row(const lion_lane_source *source)
{
    return source->row < source->chunk.count;
}

static lion_status load_all(lion_lane *lane, lion_error *error)
{
    for (unsigned i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = lane->sources[i];
        if (!has_row(source) && !source->is_done && lion_lane_load(lane, source, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

/* -- Merging ------------------------------------------------------------------------------------
 */

static lion_datom head_of(const lion_lane_source *source)
{
    return lion_datom_batch_get(&source->chunk, source->row);
}

static bool comes_before(const lion_lane *lane, const lion_datom *x, const lion_datom *y)
{
    int order = lion_datom_compare(lane->order, x, y);
    return lane->is_reverse ? order > 0 : order < 0;
}

/* Does the head of x come before that of y? Mostly their entities tell. */
static bool is_ahead(const lion_lane *lane, const lion_lane_source *x, const lion_lane_source *y)
{
    int64_t x_e = x->chunk.e[x->row], y_e = y->chunk.e[y->row];
    if (lane->order != LION_AVET && x_e != y_e) return lane->is_reverse ? x_e > y_e : x_e < y_e;
    lion_datom head = head_of(x), other = head_of(y);
    return comes_before(lane, &head, &other);
}

/* The source whose head comes next, and the head that comes after it in another source. */
static lion_lane_source *first_of(const lion_lane *lane, lion_datom *other_out, bool *has_other_out)
{
    lion_lane_source *first = NULL, *second = NULL;
    for (unsigned i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = lane->sources[i];
        if (!has_row(source)) continue;
        if (first == NULL) {
            first = source;
        } else if (is_ahead(lane, source, first)) {
            second = first;
            first = source;
        } else if (second == NULL || is_ahead(lane, source, second)) {
            second = source;
        }
    }
    *has_other_out = second != NULL;
    if (second != NULL) *other_out = head_of(second);
    return first;
}

/* The first row before `end` that is outside of the view's time. */
static uint32_t visible_end(const lion_lane *lane, const lion_lane_source *source, uint32_t end)
{
    uint32_t row = source->row;
    while (row < end && lion_lane_is_visible(lane, source->chunk.tx[row])) row++;
    return row;
}

/* Rows of the current tree that are shown as they are: how many from its place on; 0: too few to be
 * worth it. */
static uint32_t whole_rows(const lion_lane *lane, const lion_lane_source *source,
                           const lion_datom *other, bool has_other)
{
    if (!source->is_current) return 0;
    uint32_t left = source->chunk.count - source->row;
    if (!has_other && !lane->has_bounds) return left;
    if (left < LION_LANE_STRETCH) return 0;
    uint32_t end = has_other ? lion_lane_stretch(lane, &source->chunk, source->row, other, true)
                             : source->chunk.count;
    if (lane->has_bounds) end = visible_end(lane, source, end);
    return end - source->row >= LION_LANE_STRETCH ? end - source->row : 0;
}

/* Rows of the current tree, none of whose facts another source knows (has_other: from its place up
 * to `other`). */
static uint32_t clean_end(const lion_lane *lane, const lion_lane_source *source,
                          const lion_datom *other, bool has_other)
{
    if (!source->is_current) return source->row;
    if (lane->has_last) {
        lion_datom head = head_of(source);
        if (lion_datom_same_fact(&head, &lane->last)) return source->row;
    }
    return has_other ? lion_lane_stretch(lane, &source->chunk, source->row, other, true)
                     : source->chunk.count;
}

/* Before rows of other facts: the row that waited is the newest of its fact. */
static void settle_last(lion_lane *lane)
{
    if (lane->has_last && lane->is_reverse && !lane->view->is_history && lane->last.added)
        lion_rows_put(&lane->rows, &lane->last);
    lane->has_last = false;
}

/* Take merged rows; false: a stretch that is worth a batch of its own is next, or the end. */
static bool take_stretch(lion_lane *lane, uint32_t limit)
{
    lion_datom other;
    bool has_other;
    lion_lane_source *source = first_of(lane, &other, &has_other);
    if (source == NULL) return false;
    uint32_t end = clean_end(lane, source, &other, has_other);
    bool is_clean = end > source->row;
    bool is_long = is_clean && !lane->has_bounds && end - source->row >= LION_LANE_STRETCH;
    if (is_long && lane->rows.count > 0) return false;
    if (is_clean)
        settle_last(lane);
    else if (source->is_current)
        end = source->row + 1; /* its fact is known elsewhere */
    else
        end = has_other ? lion_lane_stretch(lane, &source->chunk, source->row, &other, false)
                        : source->chunk.count;
    if (end == source->row) end++; /* equal to the other's head: either may go first */
    uint32_t from = lane->rows.count, room = limit - from;
    if (end - source->row > room) end = source->row + room;
    lion_rows_append(&lane->rows, &source->chunk, source->row, end);
    source->row = end;
    if (!is_clean)
        lion_lane_reduce(lane, &lane->rows, from);
    else if (lane->has_bounds)
        lion_lane_keep_visible(lane, &lane->rows, from);
    return true;
}

/* Merge into the lane's rows what is shown. */
static lion_status gather(lion_lane *lane, uint32_t limit, lion_error *error)
{
    if (!reserve_rows(&lane->rows, lane->type, limit, lane->arena)) return lion_fail_memory(error);
    lane->rows.count = 0;
    while (lane->rows.count < limit) {
        if (load_all(lane, error) != LION_OK) return LION_FAILED;
        if (!take_stretch(lane, limit)) break;
    }
    return LION_OK;
}

/* In reverse a row may still wait, to see whether it is the newest of its fact: give it out. */
static bool flush(lion_lane *lane, lion_datom_batch *batch_out)
{
    bool is_shown =
        lane->has_last && lane->is_reverse && !lane->view->is_history && lane->last.added;
    lane->has_last = false;
    if (!is_shown || !reserve_rows(&lane->rows, lane->type, 1, lane->arena)) return false;
    lane->rows.count = 0;
    lion_rows_put(&lane->rows, &lane->last);
    *batch_out = lion_rows_batch(&lane->rows, LION_COLUMN_ALL);
    return true;
}

/* The only source with rows is novelty: its chunk is reduced where it lies. */
static void take_novelty(lion_lane *lane, lion_lane_source *source, lion_datom_batch *batch_out)
{
    lion_datom_batch part =
        lion_batch_part(&source->chunk, source->row, source->chunk.count - source->row);
    lion_rows rows = { .count = part.count,
                       .capacity = part.count,
                       .v = part.v,
                       .e = source->rows->e + source->row,
                       .a = source->rows->a + source->row,
                       .tx = source->rows->tx + source->row,
                       .added = source->rows->added + source->row };
    source->row = source->chunk.count;
    lion_lane_reduce(lane, &rows, 0);
    *batch_out = lion_rows_batch(&rows, LION_COLUMN_ALL);
}

/* The next rows of the current tree, if they may be handed out as they are. */
static bool take_whole(lion_lane *lane, lion_lane_source *source, uint32_t rows, uint32_t limit,
                       lion_datom_batch *batch_out)
{
    if (lane->has_last) { /* merged before: does its fact go on here? */
        lion_datom head = head_of(source);
        if (lion_datom_same_fact(&head, &lane->last)) return false;
        if (lane->is_reverse && flush(lane, batch_out)) return true;
        lane->has_last = false;
    }
    *batch_out = lion_batch_part(&source->chunk, source->row, rows < limit ? rows : limit);
    source->row += batch_out->count;
    return true;
}

/* All rows of all sources are shown, and in any order: of one source after the other, as they lie.
 */
static lion_status take_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                             lion_error *error)
{
    for (unsigned i = 0; i < lane->source_count; i++) {
        lion_lane_source *source = lane->sources[i];
        while (!has_row(source) && !source->is_done)
            if (lion_lane_load(lane, source, error) != LION_OK) return LION_FAILED;
        uint32_t left = source->chunk.count - source->row;
        if (left == 0) continue;
        *batch_out = lion_batch_part(&source->chunk, source->row, left < limit ? left : limit);
        source->row += batch_out->count;
        return LION_OK;
    }
    return LION_END;
}

lion_status lion_lane_merge_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                                 lion_error *error)
{
    if (lane->is_any_order && lane->view->is_history && !lane->has_bounds)
        return take_next(lane, batch_out, limit, error);
    for (;;) {
        if (load_all(lane, error) != LION_OK) return LION_FAILED;
        lion_datom other;
        bool has_other;
        lion_lane_source *source = first_of(lane, &other, &has_other);
        if (source == NULL) return flush(lane, batch_out) ? LION_OK : LION_END;
        uint32_t whole = whole_rows(lane, source, &other, has_other);
        if (whole > 0 && take_whole(lane, source, whole, limit, batch_out)) return LION_OK;
        bool is_small = source->chunk.count - source->row <= limit;
        if (!source->is_tree && !has_other && is_small) {
            take_novelty(lane, source, batch_out);
            if (batch_out->count > 0) return LION_OK;
            continue;
        }
        if (gather(lane, limit, error) != LION_OK) return LION_FAILED;
        if (lane->rows.count == 0) continue;
        *batch_out = lion_rows_batch(&lane->rows, LION_COLUMN_ALL);
        return LION_OK;
    }
}
