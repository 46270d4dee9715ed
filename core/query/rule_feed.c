/* rule_feed.c - rows of a rule's table as an operator, wherever they are: in memory or in the temporary file. */
#include "query/rule_spill.h"

typedef struct feed {
    lion_operator operator;
    const lion_rule_rows *rows;
    size_t from, to, next;
    lion_vector *columns;
} feed;

static lion_status feed_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    feed *self = (feed *)operator;
    if (self->rows->spilled != NULL) return lion_rule_spilled_next(self->rows, batch_out, error);
    if (self->next >= self->to) return LION_END;
    uint32_t count = lion_rule_rows_piece(self->columns, self->rows, self->next, self->to);
    self->next += count;
    *batch_out = (lion_batch){ .count = count, .width = operator->width, .columns = self->columns };
    return LION_OK;
}

static lion_status feed_rewind(lion_operator *operator, lion_error *error)
{
    feed *self = (feed *)operator;
    (void)error;
    self->next = self->from;
    if (self->rows->spilled != NULL) lion_rule_spilled_rewind(self->rows);
    return LION_OK;
}

lion_operator *lion_rule_feed_new(lion_run *run, const lion_rule_rows *rows, const uint32_t *vars)
{
    feed *self = LION_OPERATOR(run, feed, feed_next, "feed");
    self->operator.rewind = feed_rewind;
    self->operator.width = rows->width;
    self->operator.vars = lion_arena_array(&run->arena, uint32_t, rows->width + 1);
    for (uint32_t i = 0; i < rows->width; i++) self->operator.vars[i] = vars[i];
    self->rows = rows;
    self->columns = lion_arena_zalloc(&run->arena, sizeof(lion_vector) * (rows->width + 1));
    return &self->operator;
}

void lion_rule_feed_set(lion_operator *operator, size_t from, size_t to)
{
    feed *self = (feed *)operator;
    self->from = self->next = from;
    self->to = to;
}
