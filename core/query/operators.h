/* operators.h - the operators and how the planner makes them. `keep` (one byte per variable) says which of the input's
 * variables the output still carries. All live in the run's arena. */
#ifndef LION_QUERY_OPERATORS_H
#define LION_QUERY_OPERATORS_H

#include "query/functions.h"
#include "query/run.h"

/* ---- feed: the rows of a relation, or of a range of it (the root of every plan) ---- */

/* No rows are fed before lion_feed_set, or, of no relation (NULL), lion_feed_set_batch. */
lion_operator *lion_feed_new(lion_run *run, const lion_relation *relation, const uint32_t *vars, uint32_t width);
/* Feed rows [from, to) at the next rewind and afterwards. */
void lion_feed_set(lion_operator *feed, size_t from, size_t to);
/* Feed one batch instead, at the next rewind and afterwards; its columns are the feed's variables. Borrowed. */
void lion_feed_set_batch(lion_operator *feed, const lion_batch *batch);
/* Whether the operator is a feed without columns, whose one row says nothing: what a plan begins with. */
bool lion_feed_is_start(const lion_operator *operator);

/* Whether it yields one row: such a feed, or inputs of one row each. */
bool lion_operator_is_one_row(const lion_operator *operator);

/* One row without columns: where a plan begins. */
lion_operator *lion_unit_new(lion_run *run);

/* No rows at all: what no fact can answer. The input is not read. */
lion_operator *lion_nothing_new(lion_run *run, lion_operator *input, const char *reason);
/* Whether the operator, or one that all of its rows come through, is such a one. */
bool lion_operator_is_nothing(const lion_operator *operator);

/* ---- join: input rows with the rows of a relation ---- */

typedef enum lion_column_kind {
    LION_JOIN_IGNORE,
    LION_JOIN_OUT,      /* a new variable */
    LION_JOIN_BOUND,    /* equals the input's variable */
    LION_JOIN_CONST,    /* equals the constant */
    LION_JOIN_SAME,     /* equals column `index` of the relation */
} lion_column_kind;

typedef struct lion_join_column {
    uint8_t kind;
    uint32_t index;     /* OUT, BOUND: variable; SAME: column */
    lion_value constant;
} lion_join_column;

/* columns: one per column of the relation (fewer: the others are ignored). */
lion_operator *lion_join_new(lion_run *run, lion_operator *input, const lion_relation *relation,
                             const lion_join_column *columns, uint32_t column_count, const uint8_t *keep, const char *name);

/* The relation is whole when the first row is asked for, and stays as it is: threads may share it. */
void lion_join_is_fixed(lion_operator *join);
/* The relation is what the run's input of that number was given: a copy's is its own run's. It is fixed. */
void lion_join_is_of_input(lion_operator *join, uint32_t number);

/* The input's rows with those of a plan that stands by itself (op_build.c): it runs once, into a hash table by the variables
 * that both have, and not before the input has a row. Where the right has nothing else, it is a semi-join. known: per
 * variable, the one value that it has everywhere, or NULL; NULL: no variable has. */
lion_operator *lion_hash_join_new(lion_run *run, lion_operator *left, lion_operator *right, const lion_value *const *known,
                                  const uint8_t *keep);
/* The same, never as a semi-join. */
lion_operator *lion_hash_join_plain(lion_run *run, lion_operator *left, lion_operator *right, const uint8_t *keep);
/* Whether the rows of both plans ascend by one variable, the only one that both have, beside those of one value. */
bool lion_merge_can(const lion_operator *left, const lion_operator *right, const lion_value *const *known);
/* The left's rows, in their order, with the right's that have the same value; such two alone (op_merge.c). */
lion_operator *lion_merge_new(lion_run *run, lion_operator *left, lion_operator *right, const uint8_t *keep);
/* Where it pays that rows of a hash join's left which find nothing go where they come from (runtime_filter.h), have them do so.
 * known: as above; rows: estimated ones that the join makes. A semi-join is left as it is. */
void lion_hash_join_filter(lion_operator *join, const lion_value *const *known, double rows);

/* Rows of the left whose keys (variables that both have) the right has, or, is_anti, has not (op_semi.c). The right stands by itself,
 * and runs once. instead: an operator over the left (and the right) with the same output, which is taken where the keys find no
 * room, in the left's order; NULL: a hash join, which may have none. */
lion_operator *lion_semi_new(lion_run *run, lion_operator *left, lion_operator *right, const uint32_t *keys, uint32_t key_count,
                             const uint8_t *keep, bool is_anti, lion_operator *instead);

/* ---- unions: plans that stand by themselves ---- */

/* The rows of all branches, one after the other, of these variables, which each of them has. */
lion_operator *lion_union_all_new(lion_run *run, lion_operator **branches, uint32_t branch_count, const uint32_t *vars, uint32_t count);
/* Rows of the input, each with all the ids or whole numbers (of the type) that any branch finds of the variable: ascending, each once. */
lion_operator *lion_union_ids_new(lion_run *run, lion_operator *input, lion_operator **branches, uint32_t branch_count, uint32_t var,
                                  lion_type type, const uint8_t *keep);

/* ---- pattern: input rows with the datoms of a database ---- */

typedef enum lion_position_kind {
    LION_POSITION_BLANK,
    LION_POSITION_OUT,   /* binds a new variable */
    LION_POSITION_BOUND, /* the input has the variable */
    LION_POSITION_CONST,
    LION_POSITION_SAME,  /* the variable of an earlier position of this clause */
} lion_position_kind;

typedef struct lion_position {
    uint8_t kind;
    bool is_strict;      /* BOUND: to a value of a fact, which joins as it is; else it may be a name that somebody gave */
    uint32_t index;      /* OUT, BOUND: variable; SAME: position */
    lion_value constant;
} lion_position;

/* Values from low (if it has one) up to, and without, end. */
typedef struct lion_index_range {
    bool has_low, has_end;
    lion_value low, end;
} lion_index_range;

typedef struct lion_pattern_spec {
    const lion_db *db;
    uint32_t source;                 /* whose database it is */
    const lion_attribute *attribute; /* NULL: not a constant */
    lion_position positions[5];      /* e a v tx op */
    uint64_t count;                  /* datoms that match the constants (an upper estimate) */
    const lion_index_range *range;   /* of the value, which is not bound; NULL: none worth it */
    bool is_by_value;                /* of a scan: its rows are to ascend by the value */
} lion_pattern_spec;

/* Have the rows come in the order of the variable's values, if a scan below yields them and nothing between changes their
 * order; before the first step. */
bool lion_scan_by_value(lion_operator *root, uint32_t var, bool is_descending);
/* Have the rows of a scan, of a whole attribute or a range of it, ascend by the variable, which is its value; where its index can tell.
 * Before anything stands on it. */
void lion_scan_sort(lion_operator *scan, uint32_t var);
/* If the root is a scan: variables that are not wanted (by variable, 0 or 1) told its rows apart, which nobody asks now; their
 * columns are not read, and hold 0. Before the first step. */
void lion_scan_forget(lion_operator *root, const uint8_t *wanted);
lion_operator *lion_pattern_new(lion_run *run, lion_operator *input, const lion_pattern_spec *spec, const uint8_t *keep);

/* ---- expressions ---- */

typedef struct lion_expression {
    const lion_clause *clause;
    const lion_function *function; /* NULL: a user's function, by clause->name */
    const uint8_t *is_attribute;   /* per variable: stands in attribute position somewhere, so functions see its ident */
} lion_expression;

lion_operator *lion_filter_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep);
lion_operator *lion_function_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep);
/* The same for one that gives a row one value, which is bound to one variable (op_value.c); lion_function_new knows. */
lion_operator *lion_value_function_new(lion_run *run, lion_operator *input, const lion_expression *expression, const uint8_t *keep);
lion_operator *lion_subquery_new(lion_run *run, lion_operator *input, const lion_clause *clause, const uint8_t *keep);

/* ---- sub-plans: run for each batch of the input; their feed has the shared variables and, last, the row's number ---- */

typedef struct lion_subplan {
    lion_operator *feed;
    lion_operator *root;
} lion_subplan;

/* The same for another run, if all of its operators have copies (parallel.c). */
lion_subplan lion_subplan_copy(const lion_subplan *subplan, lion_run *run);

/* Rows of the input for which the sub-plan finds nothing. */
lion_operator *lion_not_new(lion_run *run, lion_operator *input, const lion_subplan *subplan, uint32_t row_var,
                            const uint8_t *keep);
/* Rows of the input with the new variables (added) of each branch's rows. */
lion_operator *lion_or_new(lion_run *run, lion_operator *input, const lion_subplan *branches, uint32_t branch_count,
                           uint32_t row_var, const uint32_t *added, uint32_t added_count, const uint8_t *keep);

/* ---- distinct rows of the kept variables ---- */
lion_operator *lion_distinct_new(lion_run *run, lion_operator *input, const uint8_t *keep);
bool lion_operator_is_distinct(const lion_operator *operator);
/* Its rows need not be a set: one is made of what comes of them. Where it is not expected to be of use, and its first rows are as good as
 * all new, it lets the others pass. */
void lion_distinct_is_optional(lion_operator *distinct);

#endif
