/* explain.c - a line for each operator, a second one for advice, its inputs and sub-plans indented below it. */
#include "query/explain.h"

#include "base/buffer.h"

#define DEPTH_MAX 150

static lion_form text_form(lion_arena *arena, const char *text)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_STRING, lion_arena_copy(arena, lion_slice_text(text))));
}

static void put(lion_form *map, uint32_t at, lion_arena *arena, const char *key, lion_form value)
{
    map->items[2 * at] = text_form(arena, key);
    map->items[2 * at + 1] = value;
}

static uint32_t child_count(const lion_operator *operator)
{
    return (operator->inputs[0] != NULL ? 1u : 0u) + (operator->inputs[1] != NULL ? 1u : 0u) + operator->subplan_count;
}

/* An operator, or what stands for it. */
static const lion_operator *shown(const lion_operator *operator)
{
    while (operator->is_silent && operator->inputs[0] != NULL) operator = operator->inputs[0];
    return operator;
}

static const lion_operator *child(const lion_operator *operator, uint32_t at)
{
    for (int i = 0; i < 2; i++) {
        if (operator->inputs[i] == NULL) continue;
        if (at == 0) return shown(operator->inputs[i]);
        at--;
    }
    return shown(operator->subplans[at]);
}

#define MISSED_TIMES 10
#define MISSED_ROWS_MIN 1000

/* How many times as many rows there were as estimated. */
static double missed_by(const lion_operator *operator)
{
    double estimated = operator->rows_estimated < 1 ? 1 : operator->rows_estimated, rows = operator->rows < 1 ? 1 : (double)operator->rows;
    return rows / estimated;
}

static size_t peak_of(const lion_run *run)
{
    lion_arena arena = run->arena;
    return lion_arena_peak(&arena);
}

/* What concerns the whole run. */
static const char *advice_of_run(const lion_run *run, lion_arena *arena)
{
    if (run->is_frugal) return "begun again without tables, arrays and sets for want of memory, which takes longer: raise memory_mb";
    if (run->references_missed == 0) return NULL;
    return lion_arena_printf(arena, "arrays of %.0f references have no room, so that rows are made pattern by pattern: raise memory_mb",
                             run->references_missed);
}

/* The planner's advice; else, where actual numbers are there, that this operator's estimate was a mistake (not its inputs'). */
static const char *advice_of(const lion_operator *operator, lion_arena *arena)
{
    double missed = missed_by(operator), before = operator->inputs[0] == NULL ? 1 : missed_by(shown(operator->inputs[0]));
    if (operator->advice != NULL) return operator->advice;
    if (!operator->run->options.statistics || !operator->is_ended || operator->is_unplanned) return NULL;
    if (operator->rows < MISSED_ROWS_MIN && operator->rows_estimated < MISSED_ROWS_MIN) return NULL;
    if (missed > MISSED_TIMES && missed > before * MISSED_TIMES) return lion_arena_printf(arena, "%.0f times as many rows as estimated", missed);
    if (missed * MISSED_TIMES < 1 && missed * MISSED_TIMES < before)
        return lion_arena_printf(arena, "%.0f times fewer rows than estimated", 1 / missed);
    return NULL;
}

/* At the root, that of the run comes first. */
static const char *advice_at(const lion_operator *operator, uint32_t depth, lion_arena *arena)
{
    const char *advice = depth == 0 ? advice_of_run(operator->run, arena) : NULL;
    return advice != NULL ? advice : advice_of(operator, arena);
}

static lion_form tree_of(const lion_operator *operator, lion_arena *arena, uint32_t depth)
{
    const char *advice = advice_at(operator, depth, arena);
    const char *texts[][2] = { { "index", operator->index }, { "range", operator->range }, { "advice", advice } };
    const lion_run *run = operator->run;
    bool is_root = depth == 0;
    uint32_t count = depth >= DEPTH_MAX ? 0 : child_count(operator), at = 8;
    lion_form map = lion_form_map(arena, 8u + (is_root ? 4u : 0u) + (texts[0][1] != NULL) + (texts[1][1] != NULL) + (texts[2][1] != NULL));
    lion_form children = lion_form_vector(arena, count);
    for (uint32_t i = 0; i < count; i++) children.items[i] = tree_of(child(operator, i), arena, depth + 1);
    put(&map, 0, arena, "op", text_form(arena, operator->name));
    put(&map, 1, arena, "detail", text_form(arena, operator->detail == NULL ? "" : operator->detail));
    put(&map, 2, arena, "rows_estimated", lion_form_value(lion_value_double(operator->rows_estimated)));
    put(&map, 3, arena, "rows", lion_form_value(lion_value_long((int64_t)operator->rows)));
    put(&map, 4, arena, "time_ns", lion_form_value(lion_value_long((int64_t)operator->time_ns)));
    put(&map, 5, arena, "memory", lion_form_value(lion_value_long((int64_t)operator->memory)));
    put(&map, 6, arena, "children", children);
    put(&map, 7, arena, "width", lion_form_value(lion_value_long(operator->width)));
    for (uint32_t i = 0; i < 3; i++)
        if (texts[i][1] != NULL) put(&map, at++, arena, texts[i][0], text_form(arena, texts[i][1]));
    if (!is_root) return map;
    put(&map, at++, arena, "memory_peak", lion_form_value(lion_value_long((int64_t)peak_of(run))));
    put(&map, at++, arena, "temp_peak", lion_form_value(lion_value_long((int64_t)lion_spill_peak(&run->spill))));
    put(&map, at++, arena, "checks", lion_form_value(lion_value_long((int64_t)run->checks)));
    put(&map, at, arena, "unchecked_ns", lion_form_value(lion_value_long(run->unchecked_ns)));
    return map;
}

static void put_line(lion_buffer *buffer, const char *text)
{
    lion_buffer_put(buffer, text, strlen(text));
}

static void text_of(lion_buffer *buffer, const lion_operator *operator, lion_arena *arena, uint32_t depth)
{
    const char *advice = advice_at(operator, depth, arena);
    put_line(buffer, lion_arena_printf(arena, "%*s%s %s", (int)(2 * depth), "", operator->name, operator->detail == NULL ? "" : operator->detail));
    if (operator->index != NULL) put_line(buffer, lion_arena_printf(arena, "  %s", operator->index));
    if (operator->range != NULL) put_line(buffer, lion_arena_printf(arena, " %s", operator->range));
    put_line(buffer, lion_arena_printf(arena, "  ~%.0f rows", operator->rows_estimated));
    if (operator->run->options.statistics)
        put_line(buffer, lion_arena_printf(arena, ", %llu actual, %.3f ms, %llu KiB", (unsigned long long)operator->rows,
                                           (double)operator->time_ns / 1e6, (unsigned long long)(operator->memory + 1023) / 1024));
    lion_buffer_put_u8(buffer, '\n');
    if (advice != NULL) put_line(buffer, lion_arena_printf(arena, "%*s! %s\n", (int)(2 * depth + 2), "", advice));
    for (uint32_t i = 0; depth < DEPTH_MAX && i < child_count(operator); i++) text_of(buffer, child(operator, i), arena, depth + 1);
}

lion_status lion_explain(lion_form *tree_out, char **text_out, const lion_operator *root, lion_arena *arena, lion_error *error)
{
    root = shown(root);
    if (tree_out != NULL) *tree_out = tree_of(root, arena, 0);
    if (text_out == NULL) return LION_OK;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    text_of(&buffer, root, arena, 0);
    uint64_t temp = lion_spill_peak(&root->run->spill);
    if (temp > 0)
        put_line(&buffer, lion_arena_printf(arena, "at most %llu KiB in memory, %llu KiB in a temporary file\n",
                                            (unsigned long long)(peak_of(root->run) + 1023) / 1024, (unsigned long long)(temp + 1023) / 1024));
    lion_status status = lion_buffer_check(&buffer, error);
    if (status == LION_OK) *text_out = lion_arena_text(arena, lion_buffer_view(&buffer));
    lion_buffer_deinit(&buffer);
    return status;
}
