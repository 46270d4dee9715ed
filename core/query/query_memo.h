/* query_memo.h - what a nested query has answered in a run, by the values that it was given: asked for the same again, it does not
 * run again. */
#ifndef LION_QUERY_QUERY_MEMO_H
#define LION_QUERY_QUERY_MEMO_H

#include "query/run.h"

typedef struct lion_query_memo {
    lion_run *run;
    uint32_t given_count;
    lion_relation asked;       /* types and values */
    lion_value *key;
    lion_relation answers;     /* rows of the binding's variables, one answer after the other … */
    size_t *ends;              /* … per row of asked: where its own end */
    size_t room;
    uint64_t reused;
} lion_query_memo;

/* Whether the query answers the same whenever it is given the same: it has no function of the host's, and no chance. */
bool lion_query_is_repeatable(const lion_query_ir *ir);

/* No memory before the first answer. */
void lion_query_memo_init(lion_query_memo *memo, lion_run *run, uint32_t given_count, uint32_t width);
/* Whether it answered this before: rows [*from_out, *to_out) of memo->answers. */
bool lion_query_memo_find(lion_query_memo *memo, const lion_value *given, size_t *from_out, size_t *to_out);
/* It answered these rows; forgotten again where memory is short. */
void lion_query_memo_put(lion_query_memo *memo, const lion_value *given, const lion_relation *rows);

#endif
