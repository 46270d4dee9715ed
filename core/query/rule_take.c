/* rule_take.c - what rules make goes into their tables: what is asked, what arrives at a call, what is answered. */
#include "query/rule_tables.h"

lion_vector lion_rule_column(const lion_rule_argument *argument, const lion_vector *columns)
{
    if (argument->slot != LION_SLOT_NONE) return columns[argument->slot];
    lion_vector constant = { .type = argument->constant.type, .is_constant = true };
    if (lion_type_is_scalar(constant.type)) constant.bits = (int64_t *)(uintptr_t)&argument->constant.bits;
    else constant.values = (lion_value *)(uintptr_t)&argument->constant;
    return constant;
}

static lion_status add_rows(lion_rule_engine *self, lion_rule_rows *rows, const lion_vector *columns, const lion_batch *batch, lion_error *error)
{
    size_t before = rows->count;
    lion_status status = lion_rule_rows_add(rows, columns, batch, error);
    if (rows->spilled != NULL) return status == LION_OK ? lion_rule_sets_relieve(self, rows, error) : status;
    self->row_count += rows->count - before;
    return status;
}

lion_status lion_rule_ask(lion_rule_engine *self, lion_rule_table *table, const lion_vector *bound, const lion_batch *batch, lion_error *error)
{
    for (uint32_t i = 0; i < table->bound_count; i++) table->asking[i] = table->asking[table->bound_count + i] = bound[i];
    return add_rows(self, &table->frontier, table->asking, batch, error);
}

/* What is new at the call is asked for: on file at the end of the round. */
static lion_status add_prefix(lion_rule_engine *self, lion_rule_call *call, const lion_vector *columns, const lion_batch *batch, lion_error *error)
{
    size_t from = call->prefix.count;
    lion_status status = add_rows(self, &call->prefix, columns, batch, error);
    while (status == LION_OK && call->prefix.spilled == NULL && from < call->prefix.count) {
        lion_batch piece = { .count = lion_rule_rows_piece(call->columns, &call->prefix, from, call->prefix.count) };
        for (uint32_t i = 0; i < call->callee->bound_count; i++) call->keys[i] = lion_rule_column(&call->bound[i], call->columns);
        status = lion_rule_ask(self, call->callee, call->keys, &piece, error);
        from += piece.count;
    }
    return status;
}

lion_status lion_rule_take_in(lion_rule_engine *self, lion_rule_segment *part, const lion_batch *batch, lion_error *error)
{
    for (uint32_t i = 0; i < part->width; i++) part->columns[i] = lion_rule_column(&part->row[i], batch->columns);
    if (part->sink == LION_RULE_CALL) return add_prefix(self, part->after, part->columns, batch, error);
    return add_rows(self, part->sink == LION_RULE_TAIL ? &part->table->frontier : &part->table->answers, part->columns, batch, error);
}
