/* explain.c - one line per operator, its inputs and sub-plans indented below it. */
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

static const lion_operator *child(const lion_operator *operator, uint32_t at)
{
    for (int i = 0; i < 2; i++) {
        if (operator->inputs[i] == NULL) continue;
        if (at == 0) return operator->inputs[i];
        at--;
    }
    return operator->subplans[at];
}

static lion_form tree_of(const lion_operator *operator, lion_arena *arena, uint32_t depth)
{
    lion_form map = lion_form_map(arena, 6);
    uint32_t count = depth >= DEPTH_MAX ? 0 : child_count(operator);
    lion_form children = lion_form_vector(arena, count);
    for (uint32_t i = 0; i < count; i++) children.items[i] = tree_of(child(operator, i), arena, depth + 1);
    put(&map, 0, arena, "op", text_form(arena, operator->name));
    put(&map, 1, arena, "detail", text_form(arena, operator->detail == NULL ? "" : operator->detail));
    put(&map, 2, arena, "rows_estimated", lion_form_value(lion_value_double(operator->rows_estimated)));
    put(&map, 3, arena, "rows", lion_form_value(lion_value_long((int64_t)operator->rows)));
    put(&map, 4, arena, "time_ns", lion_form_value(lion_value_long((int64_t)operator->time_ns)));
    put(&map, 5, arena, "children", children);
    return map;
}

static void text_of(lion_buffer *buffer, const lion_operator *operator, lion_arena *arena, uint32_t depth)
{
    const char *line = lion_arena_printf(arena, "%*s%s %s  ~%.0f rows", (int)(2 * depth), "", operator->name,
                                         operator->detail == NULL ? "" : operator->detail, operator->rows_estimated);
    lion_buffer_put(buffer, line, strlen(line));
    if (operator->run->options.statistics) {
        line = lion_arena_printf(arena, ", %llu actual, %.3f ms", (unsigned long long)operator->rows, (double)operator->time_ns / 1e6);
        lion_buffer_put(buffer, line, strlen(line));
    }
    lion_buffer_put_u8(buffer, '\n');
    for (uint32_t i = 0; depth < DEPTH_MAX && i < child_count(operator); i++) text_of(buffer, child(operator, i), arena, depth + 1);
}

lion_status lion_explain(lion_form *tree_out, char **text_out, const lion_operator *root, lion_arena *arena, lion_error *error)
{
    if (tree_out != NULL) *tree_out = tree_of(root, arena, 0);
    if (text_out == NULL) return LION_OK;
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    text_of(&buffer, root, arena, 0);
    lion_status status = lion_buffer_check(&buffer, error);
    if (status == LION_OK) *text_out = lion_arena_text(arena, lion_buffer_view(&buffer));
    lion_buffer_deinit(&buffer);
    return status;
}
