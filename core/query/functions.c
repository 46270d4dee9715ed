/* functions.c - finding a built-in by name. */
#include "query/functions.h"

#include "base/text.h"

static const lion_function *const GROUPS[] = { lion_functions_number, lion_functions_text, lion_functions_data,
                                               lion_functions_db, lion_functions_log };

#define GROUP_COUNT (sizeof(GROUPS) / sizeof(GROUPS[0]))

const lion_function *lion_function_named(lion_slice name)
{
    for (size_t group = 0; group < GROUP_COUNT; group++)
        for (const lion_function *function = GROUPS[group]; function->name != NULL; function++)
            if (lion_slice_equal(lion_slice_text(function->name), name)) return function;
    return NULL;
}

lion_status lion_function_fail_unknown(lion_error *error, lion_slice name)
{
    if (lion_slice_equal(name, lion_slice_text("fulltext")))
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "the query function %.*s is not built yet",
                         (int)name.size, (const char *)name.data);
    const char *nearest = NULL;
    size_t distance = 4;
    for (size_t group = 0; group < GROUP_COUNT; group++)
        for (const lion_function *function = GROUPS[group]; function->name != NULL; function++) {
            size_t found = lion_edit_distance(lion_slice_text(function->name), name, 3);
            if (found >= distance) continue;
            distance = found;
            nearest = function->name;
        }
    return lion_fail(error, LION_INCORRECT, "lion/syntax",
                     "there is no built-in function %.*s%s%s; a function of yours is called by its full name, module/function",
                     (int)name.size, (const char *)name.data, nearest == NULL ? "" : "; did you mean ",
                     nearest == NULL ? "" : nearest);
}
