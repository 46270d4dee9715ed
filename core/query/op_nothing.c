/* op_nothing.c - no rows: where the clauses alone tell that there is no answer. */
#include "query/operators.h"

static lion_status nothing_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    (void)operator;
    (void)batch_out;
    (void)error;
    return LION_END;
}

static lion_status nothing_rewind(lion_operator *operator, lion_error *error)
{
    (void)operator;
    (void)error;
    return LION_OK;
}

lion_operator *lion_nothing_new(lion_run *run, lion_operator *input, const char *reason)
{
    lion_operator *self = LION_OPERATOR(run, lion_operator, nothing_next, "nothing");
    self->rewind = nothing_rewind;
    self->detail = reason;
    self->inputs[0] = input;
    self->vars = input->vars;
    self->width = input->width;
    self->is_distinct = true;
    return self;
}

bool lion_operator_is_nothing(const lion_operator *operator)
{
    for (; operator != NULL; operator = operator->inputs[0])
        if (operator->next == nothing_next) return true;
    return false;
}
