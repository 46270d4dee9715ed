/* functions.h - the built-in functions of queries, one table by name. They work on values; collections are tuples.
 * A predicate is a function whose answer is true unless it is NIL or false. */
#ifndef LION_QUERY_FUNCTIONS_H
#define LION_QUERY_FUNCTIONS_H

#include "query/binding.h"

/* What a call of a built-in is given beside its values. */
typedef struct lion_function_call {
    lion_run *run;
    lion_arena *arena;
    const lion_db *db;         /* of the source argument, where there is one */
    lion_slice name;           /* as written, for messages */
    lion_cursor *cursor;       /* of a database function on a filtered value, between a LION_CALL and its answer */
    uint32_t step;             /* how far such a function has come */
    void *memory;              /* the function's own between two rows (a compiled pattern, a place in the log) … */
    void (*free_memory)(void *memory); /* … and how it is freed */
    lion_items *items;         /* where a function that yields items puts them */
} lion_function_call;

typedef struct lion_function {
    const char *name;
    int8_t arity_min, arity_max; /* -1: any number; values only, the source does not count */
    bool takes_source;           /* the first argument is a database */
    lion_status (*apply)(lion_function_call *call, const lion_value *arguments, uint32_t count, lion_value *out,
                         lion_error *error);
} lion_function;

/* NULL if there is none of that name. */
const lion_function *lion_function_named(lion_slice name);
/* Whether it yields items, many at once, into call->items (the functions of the log do), and no value. */
bool lion_function_yields(const lion_function *function);
/* incorrect, naming the nearest built-in. */
lion_status lion_function_fail_unknown(lion_error *error, lion_slice name);

static inline bool lion_value_is_truthy(lion_value value)
{
    return value.type != LION_TYPE_NIL && !(value.type == LION_TYPE_BOOLEAN && value.bits == 0);
}

/* The groups of functions, each ended by a NULL name. */
extern const lion_function lion_functions_number[];
extern const lion_function lion_functions_text[];
extern const lion_function lion_functions_data[];
extern const lion_function lion_functions_db[];
extern const lion_function lion_functions_log[];

void lion_function_forget(lion_function_call *call); /* frees `memory`, if there is any */
/* incorrect: what the function wanted of its argument, and what it got. */
lion_status lion_function_fail(lion_function_call *call, const char *wanted, lion_value found, lion_error *error);

#endif
