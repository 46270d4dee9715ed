/* explain.h - a plan as a form and as text. */
#ifndef LION_QUERY_EXPLAIN_H
#define LION_QUERY_EXPLAIN_H

#include "query/run.h"

/* { op, detail, rows_estimated, rows, time_ns, children } with string keys; either output may be NULL. */
lion_status lion_explain(lion_form *tree_out, char **text_out, const lion_operator *root, lion_arena *arena, lion_error *error);

#endif
