/* cursor_vaet.c - VAET over many values: the AVET lanes of all ref attributes merged by (v, a) with
 * a heap. Stretches of one lane before the next head of the others are taken whole. */
#include "index/cursor_parts.h"

#define LEG_ROWS 64

/* -- The heap -----------------------------------------------------------------------------------
 */

static int64_t value_of(const lion_vaet_leg *leg, uint32_t row)
{
    return leg->batch.v.bits[leg->batch.v.is_constant ? 0 : row];
}

/* Does row of x come before row of y's head? No two legs are of one attribute. */
static bool is_before(const lion_cursor *cursor, const lion_vaet_leg *x, uint32_t row,
                      const lion_vaet_leg *y)
{
    int64_t vx = value_of(x, row), vy = value_of(y, y->row);
    bool is_less = vx != vy ? vx < vy : x->a < y->a;
    return cursor->options.is_reverse ? !is_less : is_less;
}

static void sift_down(lion_cursor *cursor, uint32_t place)
{
    lion_vaet_leg **heap = cursor->heap, *leg = heap[place];
    for (uint32_t child; (child = 2 * place + 1) < cursor->heap_count; place = child) {
        if (child + 1 < cursor->heap_count &&
            is_before(cursor, heap[child + 1], heap[child + 1]->row, heap[child]))
            child++;
        if (is_before(cursor, leg, leg->row, heap[child])) break;
        heap[place] = heap[child];
    }
    heap[place] = leg;
}

/* -- Placing ------------------------------------------------------------------------------------
 */

static lion_status make_legs(lion_cursor *cursor, lion_error *error)
{
    const lion_view *view = cursor->view;
    cursor->leg_count = view->vaet_count;
    cursor->legs = lion_arena_zalloc(cursor->arena, cursor->leg_count * sizeof *cursor->legs);
    cursor->heap = lion_arena_array(cursor->arena, lion_vaet_leg *, cursor->leg_count);
    if (cursor->legs == NULL || cursor->heap == NULL) return lion_fail_memory(error);
    if (lion_arena_check(cursor->arena, error) != LION_OK) return LION_FAILED;
    for (uint32_t i = 0; i < cursor->leg_count; i++) {
        lion_vaet_leg *leg = &cursor->legs[i];
        leg->a = view->vaet_attributes[i];
        if (lion_lane_open(&leg->lane, view, LION_AVET, leg->a, LION_COLUMN_ALL,
                           cursor->options.is_reverse, cursor->arena, error) != LION_OK)
            return LION_FAILED;
    }
    return LION_OK;
}

/* The boundary in one attribute's AVET that the cursor's key (v a e tx) means. */
static lion_status place_leg(lion_cursor *cursor, lion_vaet_leg *leg, lion_error *error)
{
    bool is_reverse = cursor->options.is_reverse, upper = is_reverse;
    const lion_key *key = &cursor->key;
    lion_key start = { .parts = 0 }, none = { .parts = 0 };
    if (key->parts >= 1) {
        start = (lion_key){ .datom = key->datom, .parts = 2 };
        start.datom.a = leg->a;
        if (key->parts >= 2 && leg->a != key->datom.a)
            upper = leg->a < key->datom.a; /* behind all of this v, or before it */
        else if (key->parts >= 3)
            start.parts = key->parts == 4 && cursor->view->is_history ? 4 : 3;
    }
    return lion_lane_seek(&leg->lane, &start, upper, &none, false, LEG_ROWS, error);
}

static lion_status fill(lion_vaet_leg *leg, lion_error *error)
{
    leg->row = 0;
    leg->batch.count = 0;
    return lion_lane_next(&leg->lane, &leg->batch, LION_BATCH_ROWS, error);
}

lion_status lion_cursor_place_vaet(lion_cursor *cursor, lion_error *error)
{
    cursor->mode = LION_CURSOR_VAET;
    if (cursor->legs == NULL && make_legs(cursor, error) != LION_OK) return LION_FAILED;
    cursor->heap_count = 0;
    for (uint32_t i = 0; i < cursor->leg_count; i++) {
        lion_vaet_leg *leg = &cursor->legs[i];
        if (place_leg(cursor, leg, error) != LION_OK) return LION_FAILED;
        lion_status status = fill(leg, error);
        if (status == LION_FAILED) return status;
        if (status == LION_OK) cursor->heap[cursor->heap_count++] = leg;
    }
    for (uint32_t i = cursor->heap_count / 2; i-- > 0;) sift_down(cursor, i);
    return LION_OK;
}

/* -- Stepping -----------------------------------------------------------------------------------
 */

/* The end of the rows of the first leg that come before the heads of all others. */
static uint32_t stretch_end(const lion_cursor *cursor, const lion_vaet_leg *leg)
{
    const lion_vaet_leg *second = NULL;
    for (uint32_t i = 1; i <= 2 && i < cursor->heap_count; i++)
        if (second == NULL || is_before(cursor, cursor->heap[i], cursor->heap[i]->row, second))
            second = cursor->heap[i];
    uint32_t end = leg->row + 1;
    if (second == NULL) return leg->batch.count;
    while (end < leg->batch.count && is_before(cursor, leg, end, second)) end++;
    return end;
}

lion_status lion_cursor_next_vaet(lion_cursor *cursor, lion_datom_batch *batch_out, uint32_t limit,
                                  lion_error *error)
{
    lion_rows *rows = &cursor->merged;
    if (rows->capacity < limit && !lion_rows_init(rows, LION_TYPE_REF, limit, cursor->arena))
        return lion_fail_memory(error);
    rows->count = 0;
    while (rows->count < limit && cursor->heap_count > 0) {
        lion_vaet_leg *leg = cursor->heap[0];
        uint32_t end = stretch_end(cursor, leg), room = limit - rows->count;
        if (end - leg->row > room) end = leg->row + room;
        lion_rows_append(rows, &leg->batch, leg->row, end);
        leg->row = end;
        if (leg->row == leg->batch.count) {
            lion_status status = fill(leg, error);
            if (status == LION_FAILED) return status;
            if (status == LION_END) cursor->heap[0] = cursor->heap[--cursor->heap_count];
        }
        if (cursor->heap_count > 0) sift_down(cursor, 0);
    }
    if (rows->count == 0) return LION_END;
    *batch_out = lion_rows_batch(rows, LION_COLUMN_ALL);
    return LION_OK;
}
