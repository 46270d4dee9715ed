/* lane.c - reading a lane: by the overlay that is kept, or by merging. */
#include "index/lane.h"

lion_status lion_lane_open(lion_lane *lane, const lion_view *view, lion_index order, uint32_t a,
                           uint32_t columns, bool is_reverse, lion_arena *arena, lion_error *error)
{
    if (lion_lane_merge_open(lane, view, order, a, columns, is_reverse, arena, error) != LION_OK)
        return LION_FAILED;
    bool is_tree_alone =
        lane->source_count == 0 ||
        (lane->source_count == 1 && lane->sources[0]->is_current && !lane->has_bounds);
    if (!is_tree_alone && !lane->has_all_in_novelty)
        lane->note = lion_overlay_note_of(view, order, a);
    return LION_OK;
}

/* Facts of AEVT are not looked for in an overlay: of entities that have one row it does not tell
 * the tree's values. */
static const lion_overlay *overlay_for(lion_lane *lane, const lion_key *start, uint32_t rows)
{
    const lion_key *stop = &lane->stop;
    bool is_of_facts = lane->order == LION_AEVT && (start->parts > 2 || stop->parts > 2);
    if (lane->note == NULL || is_of_facts) return NULL;
    /* Will all that it would hold be read? */
    bool is_whole = start->parts < 2 && stop->parts < 2 && rows == LION_BATCH_ROWS;
    if (lane->held == NULL)
        lane->held = lion_overlay_ask(lane->note, lane->view, is_whole, lane->arena);
    return lane->held;
}

/* The value learns what its readers pay for want of an overlay. */
static void tell_spared(lion_lane *lane)
{
    if (lane->note != NULL && lane->spared > 0) lion_overlay_expect(lane->note, lane->spared);
    lane->spared = 0;
}

lion_status lion_lane_seek(lion_lane *lane, const lion_key *start, bool start_upper,
                           const lion_key *stop, bool stop_upper, uint32_t rows, lion_error *error)
{
    lane->stop = *stop;
    lane->stop_upper = stop_upper;
    lane->has_last = false;
    lane->overlay = overlay_for(lane, start, rows);
    if (lane->overlay != NULL) return lion_lane_overlay_seek(lane, start, start_upper, rows, error);
    lion_status status =
        lion_lane_merge_seek(lane, start, start_upper, stop, stop_upper, rows, error);
    tell_spared(lane);
    return status;
}

lion_status lion_lane_next(lion_lane *lane, lion_datom_batch *batch_out, uint32_t limit,
                           lion_error *error)
{
    if (lane->overlay != NULL) return lion_lane_overlay_next(lane, batch_out, limit, error);
    lion_status status = lion_lane_merge_next(lane, batch_out, limit, error);
    tell_spared(lane);
    return status;
}
