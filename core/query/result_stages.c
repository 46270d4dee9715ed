/* result_stages.c - groups, orders and first rows in words. */
#include "query/result_stages.h"

static bool is_aggregate(const lion_element *element)
{
    return element->kind == LION_ELEMENT_AGGREGATE;
}

static uint32_t count_aggregates(const lion_query_ir *ir)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < ir->element_count; i++) count += is_aggregate(&ir->elements[i]);
    return count;
}

static const char *var_text(const lion_query_ir *ir, uint32_t var, lion_arena *arena)
{
    return lion_arena_printf(arena, "%.*s", (int)ir->var_names[var].size, (const char *)ir->var_names[var].data);
}

static const char *element_text(const lion_query_ir *ir, const lion_element *element, lion_arena *arena)
{
    const char *var = var_text(ir, element->var, arena);
    if (!is_aggregate(element)) return var;
    return lion_arena_printf(arena, "(%.*s %s)", (int)element->name.size, (const char *)element->name.data, var);
}

/* Those that are aggregates, or those that are not. */
static const char *elements_text(const lion_query_ir *ir, bool aggregates, lion_arena *arena)
{
    const char *text = "";
    for (uint32_t i = 0; i < ir->element_count; i++) {
        if (is_aggregate(&ir->elements[i]) != aggregates) continue;
        text = lion_arena_printf(arena, "%s%s%s", text, *text == '\0' ? "" : ", ", element_text(ir, &ir->elements[i], arena));
    }
    return text;
}

/* (count ?e), (avg ?a) by ?n */
static const char *groups_text(const lion_query_ir *ir, lion_arena *arena)
{
    const char *aggregates = elements_text(ir, true, arena), *keys = elements_text(ir, false, arena);
    return *keys == '\0' ? aggregates : lion_arena_printf(arena, "%s by %s", aggregates, keys);
}

/* by ?s desc, ?e */
static const char *order_text(const lion_query_ir *ir, lion_arena *arena)
{
    const char *text = "by";
    for (uint32_t i = 0; i < ir->order_count; i++)
        text = lion_arena_printf(arena, "%s%s %s%s", text, i == 0 ? "" : ",", var_text(ir, ir->order[i].var, arena),
                                 ir->order[i].is_descending ? " desc" : "");
    return text;
}

/* 10 after 20 */
static const char *bounds_text(const lion_bounds *bounds, lion_arena *arena)
{
    const char *limit = bounds->limit < 0 ? "" : lion_arena_printf(arena, "%lld", (long long)bounds->limit);
    const char *between = bounds->limit < 0 ? "all" : "";
    if (bounds->offset == 0) return limit;
    return lion_arena_printf(arena, "%s%s after %lld", limit, between, (long long)bounds->offset);
}

static lion_operator *add_stage(lion_operator *input, const char *name, const char *detail, double rows)
{
    lion_operator *stage = lion_arena_new(&input->run->arena, lion_operator);
    *stage = (lion_operator){ .name = name, .detail = detail, .run = input->run, .inputs = { input }, .width = input->run->ir->element_count,
                              .rows_estimated = rows, .is_unplanned = true };
    return stage;
}

static lion_operator *add_rows(lion_operator *input, const lion_bounds *bounds)
{
    const lion_query_ir *ir = input->run->ir;
    lion_arena *arena = &input->run->arena;
    double rows = input->rows_estimated;
    bool is_bounded = bounds->limit >= 0 || bounds->offset > 0;
    if (bounds->limit >= 0 && rows > (double)bounds->limit) rows = (double)bounds->limit;
    const char *part = is_bounded ? bounds_text(bounds, arena) : "";
    if (ir->order_count == 0) return add_stage(input, "first", part, rows);
    const char *order = order_text(ir, arena);
    return add_stage(input, is_bounded ? "first" : "sort", is_bounded ? lion_arena_printf(arena, "%s %s", part, order) : order, rows);
}

void lion_result_stages_make(lion_result_stages *self, lion_operator *root, const lion_bounds *bounds)
{
    const lion_query_ir *ir = root->run->ir;
    uint32_t aggregates = count_aggregates(ir);
    self->top = root;
    if (aggregates > 0) {
        double rows = aggregates == ir->element_count ? 1 : root->rows_estimated;
        self->top = self->groups = add_stage(root, "group", groups_text(ir, &root->run->arena), rows);
    }
    if (ir->order_count > 0 || bounds->limit >= 0 || bounds->offset > 0) self->top = self->rows = add_rows(self->top, bounds);
}
