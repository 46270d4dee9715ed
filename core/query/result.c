/* result.c - a result without aggregates and order streams. Any other is made of rows of forms: those of groups, as they are finished,
 * and those that an order sorts (result_parts.h). */
#include "query/result_parts.h"

static uint32_t order_element(const lion_query_ir *ir, uint32_t var)
{
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < ir->element_count; i++)
            if (ir->elements[i].var == var && (ir->elements[i].kind != LION_ELEMENT_AGGREGATE) == (pass == 0)) return i;
    return LION_SLOT_NONE;
}

static lion_status open_order(lion_result *self, lion_error *error)
{
    const lion_query_ir *ir = self->ir;
    self->order_slots = lion_arena_array(&self->run->arena, uint32_t, ir->order_count + 1);
    for (uint32_t i = 0; i < ir->order_count; i++) {
        uint32_t var = ir->order[i].var;
        self->order_slots[i] = self->has_aggregates ? order_element(ir, var) : lion_operator_slot(self->root, var);
        if (self->order_slots[i] == LION_SLOT_NONE)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", ":order-by names %.*s, which is neither found nor in :with",
                             (int)ir->var_names[var].size, (const char *)ir->var_names[var].data);
    }
    return LION_OK;
}

/* So few of a scan's rows are worth reading it by value. */
#define ORDERED_WANTED_MAX 1000
/* So few are kept by themselves. */
#define CUT_WANTED_MAX 4096

/* As the query or its caller says. */
static lion_bounds bounds_of(const lion_result *self)
{
    const lion_query_options *options = &self->run->options;
    return (lion_bounds){ .limit = options->limit >= 0 ? options->limit : self->ir->limit,
                          .offset = options->offset > 0 ? options->offset : self->ir->offset };
}

static void begin_bounds(lion_result *self)
{
    lion_bounds bounds = bounds_of(self);
    self->limit_left = bounds.limit;
    self->offset_left = bounds.offset;
    bool is_one = self->ir->find_kind == LION_FIND_SCALAR || self->ir->find_kind == LION_FIND_TUPLE;
    if (is_one && (self->limit_left < 0 || self->limit_left > 1)) self->limit_left = 1;
}

static void open_bounds(lion_result *self)
{
    begin_bounds(self);
    self->wanted = SIZE_MAX;
    bool is_bounded = self->limit_left > 0 && self->ir->order_count > 0 && !self->has_aggregates;
    if (is_bounded && self->limit_left <= CUT_WANTED_MAX && self->offset_left <= CUT_WANTED_MAX)
        self->wanted = (size_t)self->limit_left + (size_t)self->offset_left;
    if (self->wanted < ORDERED_WANTED_MAX) self->is_in_order = lion_scan_by_value(self->root, self->ir->order[0].var, self->ir->order[0].is_descending);
}

/* Values of one variable are kept once; those of aggregates of the application apart, in the order in which they come. */
static void open_aggregate(lion_result *self, lion_result_element *to)
{
    bool keeps_order = to->aggregate == LION_AGGREGATE_CUSTOM;
    if (!lion_aggregate_needs_values(to->aggregate, to->wanted)) {
        lion_states_init(&to->states, to->aggregate, &self->run->arena);
        return;
    }
    for (lion_result_element *other = self->elements; other < to && to->values == NULL; other++)
        if (other->values != NULL && other->slot == to->slot && (other->aggregate == LION_AGGREGATE_CUSTOM) == keeps_order) to->values = other->values;
    to->adds = to->values == NULL;
    if (to->adds) to->values = lion_group_values_new(self->run, keeps_order);
    to->number = lion_group_values_want(to->values, to->aggregate, to->wanted);
}

/* Variables that only told rows apart (:with, or of a count) are nothing to be read: the root's rows are those wanted. */
static void forget_unread(lion_result *self)
{
    uint8_t wanted[self->run->var_room + 1];
    memset(wanted, 0, sizeof(wanted));
    for (uint32_t i = 0; i < self->width; i++)
        if (!self->elements[i].is_aggregate || self->elements[i].aggregate != LION_AGGREGATE_COUNT) wanted[self->ir->elements[i].var] = 1;
    for (uint32_t i = 0; i < self->ir->order_count; i++) wanted[self->ir->order[i].var] = 1;
    lion_scan_forget(self->root, wanted);
}

static void open_stages(lion_result *self)
{
    lion_bounds bounds = bounds_of(self);
    lion_result_stages_make(&self->stages, self->root, &bounds);
}

static void open_gathering(lion_result *self)
{
    lion_run *run = self->run;
    lion_groups_init(&self->group_of, &run->arena, self->key_count);
    self->stride = self->width + run->ir->order_count;
    self->row = lion_arena_array(&run->arena, lion_form, self->stride + 1);
    lion_sorter_init(&self->sorter, run, self->stride, run->ir->order, run->ir->order_count);
    lion_overflow_init(&self->overflow, run, self->root->width);
    self->aside = lion_arena_array(&run->arena, lion_value, self->root->width + 1);
}

lion_status lion_result_new(lion_result **result_out, lion_run *run, lion_operator *root, uint32_t weight, const uint8_t *is_attribute,
                            const lion_query_pull *pulls, lion_error *error)
{
    lion_arena *arena = &run->arena;
    lion_result *self = lion_arena_new(arena, lion_result);
    self->run = run;
    self->root = root;
    self->weight = lion_operator_slot(root, weight);
    self->ir = run->ir;
    self->pulls = pulls;
    self->width = run->ir->element_count;
    self->elements = lion_arena_zalloc(arena, sizeof(lion_result_element) * (self->width + 1));
    self->key_slots = lion_arena_array(arena, uint32_t, self->width + 1);
    for (uint32_t i = 0; i < self->width; i++) {
        const lion_element *from = &run->ir->elements[i];
        lion_result_element *to = &self->elements[i];
        *to = (lion_result_element){ .slot = lion_operator_slot(root, from->var), .is_aggregate = from->kind == LION_ELEMENT_AGGREGATE,
                         .is_attribute = is_attribute[from->var] && from->kind != LION_ELEMENT_PULL };
        if (!to->is_aggregate) {
            self->key_slots[self->key_count++] = to->slot;
            continue;
        }
        self->has_aggregates = true;
        lion_status status = lion_aggregate_read(&to->aggregate, &to->wanted, from, error);
        if (status != LION_OK) return status;
        open_aggregate(self, to);
    }
    self->is_gathered = self->has_aggregates || run->ir->order_count > 0;
    if (self->is_gathered) open_gathering(self);
    lion_status status = open_order(self, error);
    if (status != LION_OK) return status;
    lion_result_open_columns(self);
    forget_unread(self);
    open_bounds(self);
    if (run->options.statistics) open_stages(self);
    *result_out = self;
    return LION_OK;
}

bool lion_result_can_renew(const lion_query_ir *ir)
{
    for (uint32_t i = 0; i < ir->element_count; i++)
        if (ir->elements[i].kind == LION_ELEMENT_AGGREGATE) return false;
    return ir->order_count == 0;
}

void lion_result_renew(lion_result *self)
{
    begin_bounds(self);
    self->is_ended = false;
    if (self->stages.rows != NULL) self->stages.rows->rows = 0;
}

static lion_status next(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    return self->is_gathered ? lion_result_next_gathered(self, batch_out, error) : lion_result_next_streamed(self, batch_out, error);
}

static lion_status next_noted(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    lion_shift shift = lion_shift_begin(self->stages.top);
    lion_status status = next(self, batch_out, error);
    lion_shift_end(&shift);
    if (status == LION_OK && self->stages.rows != NULL) self->stages.rows->rows += batch_out->count;
    return status;
}

lion_status lion_result_next(lion_result *self, lion_query_batch *batch_out, lion_error *error)
{
    if (self->is_ended) return LION_END;
    lion_status status = lion_run_check(self->run, error);
    bool is_noted = self->run->options.statistics && self->stages.top != self->root;
    if (status == LION_OK) status = is_noted ? next_noted(self, batch_out, error) : next(self, batch_out, error);
    if (status == LION_END) self->is_ended = true;
    return status;
}

lion_operator *lion_result_shown(lion_result *self)
{
    if (self->stages.top == NULL) open_stages(self);
    return self->stages.top;
}
