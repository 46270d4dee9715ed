/* function_call.c - what a call of a built-in keeps, and what it says of a wrong argument. */
#include "query/functions.h"

void lion_function_forget(lion_function_call *call)
{
    if (call->memory != NULL) call->free_memory(call->memory);
    call->memory = NULL;
}

lion_status lion_function_fail(lion_function_call *call, const char *wanted, lion_value found, lion_error *error)
{
    return lion_fail(error, LION_INCORRECT, "lion/syntax", "%.*s wants %s, not %.200s", (int)call->name.size,
                     (const char *)call->name.data, wanted,
                     found.type == LION_TYPE_NIL ? "nil" : lion_value_text(call->arena, found));
}
