/* plan.h - from clauses to operators.
 *
 * A scope is one numbering of variables (a query, or one rule) being planned. The order comes from the join graph (order.h).
 * What that does not know (branches that need what others bind) goes clause by clause: of those whose requirements are
 * met, the one that leaves the fewest rows. Estimates only order. */
#ifndef LION_QUERY_PLAN_H
#define LION_QUERY_PLAN_H

#include "query/operators.h"

/* A clause kind of the planner's own: rows of an input; `rule` numbers it in scope->inputs. */
#define LION_PLAN_INPUT 200

typedef struct lion_plan_input {
    lion_relation *rows;
    uint32_t *vars;
    uint32_t var_count;
} lion_plan_input;

typedef struct lion_rules lion_rules;
typedef struct lion_range lion_range;
typedef struct lion_plan_cache lion_plan_cache;

typedef struct lion_scope {
    lion_run *run;
    const lion_rule *rules;        /* the query's, then the synthetic ones (rules.c) */
    lion_rules *engine;            /* where rule calls are answered */
    struct lion_rule_engine *tables; /* that which the scope's rule is planned for, and the rule's … */
    uint32_t component;            /* … component of rules that call each other; NULL: of the query's own clauses */
    const lion_slice *names;
    uint32_t name_count;
    uint32_t capacity;             /* of arrays by variable */
    uint32_t next_var;             /* the next hidden one */
    uint8_t *is_attribute;
    uint8_t *is_given;             /* bound by an input, a function or a relation: a keyword may be an entity's name */
    uint8_t *is_pending;           /* bound by an input that is not in the plan yet */
    lion_range **ranges;           /* per variable: what comparisons say of it, or NULL (ranges.c) */
    uint32_t (*leaders)[2];        /* per variable: 1 + the variables, of up to two clauses, whose value determines its own, or 0 */
    const lion_value *const *known;/* per variable: its one value, or NULL (for counting) */
    lion_plan_input *inputs;       /* of the query, and what was computed before anything is read (rewrite_known.c) */
    uint32_t input_count, input_room;
    bool adapts;                   /* its plan runs once, and may be changed while it does (adapt.h) */
    lion_plan_cache *cache;        /* of the query, for its own clauses; NULL: none (plan_cache.h) */
} lion_scope;

/* Room for the clauses' variables and hidden ones. */
void lion_scope_init(lion_scope *scope, lion_run *run, const lion_slice *names, uint32_t name_count, uint32_t hidden);
uint32_t lion_scope_hidden(lion_scope *scope);

typedef struct lion_todo {
    const lion_clause **items;
    uint8_t *is_done;
    uint32_t count;
} lion_todo;

void lion_todo_init(lion_todo *todo, const lion_clauses *clauses, uint32_t extra, lion_arena *arena);

/* With options.plan_seed, a number below count, by chance; 0 without. */
uint32_t lion_plan_dice(lion_run *run, uint32_t count);

/* Plans are made of plans: an operator's own (plan_operators.c, plan_semi.c), a rule's (rule_tables.c) and what is planned again (op_adapt.c) come
 * back here, and an operator may begin a nested query (op_expression.c, query.c). So these files call in a circle, and with them what stands
 * between query.c and the plan: parallel.c, plan_count.c, the result.
 *
 * Plan clauses onto *operator until all are done, or (cut_out not NULL) the next one is a rule call that is a cut (below), which
 * is marked done and handed out. needed: per variable, what the reader of the plan wants. */
lion_status lion_plan(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed,
                      const lion_clause **cut_out, lion_error *error);
/* Per variable: wanted by `needed` or by a clause that is still to be done. */
uint8_t *lion_plan_keep(lion_scope *scope, const lion_todo *todo, const uint8_t *needed);
/* The clause's operator onto *operator (plan_operators.c). */
lion_status lion_plan_operator(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_error *error);
/* What explain says of two parts that nothing joins. */
const char *lion_plan_product(const lion_scope *scope, const lion_operator *left, const lion_operator *right);
/* A clause's text for explain and messages, in the arena, not longer than is read. */
const char *lion_plan_detail(lion_run *run, lion_slice text);
/* Room for one more input, whose number is input_count - 1. NULL: there is no memory. */
lion_plan_input *lion_scope_add_input(lion_scope *scope);
/* A sub-plan over a feed of the shared variables and the row's number. */
lion_status lion_plan_sub(lion_scope *scope, const lion_clauses *clauses, const uint32_t *vars, uint32_t var_count, uint32_t row_var,
                          const uint8_t *needed, lion_subplan *subplan_out, lion_error *error);
/* The same over any operator, onto *root. */
lion_status lion_plan_inside(lion_scope *scope, const lion_clauses *clauses, lion_operator **root, const uint8_t *needed, lion_error *error);
/* A plan of the clauses by itself, and of inputs of one row that give these variables: nothing else that holds outside holds of its
 * rows. */
lion_status lion_plan_alone(lion_scope *scope, const lion_clauses *clauses, const uint32_t *given, uint32_t given_count,
                            const uint8_t *needed, lion_operator **root_out, lion_error *error);
/* What such a plan has to do; the inputs' variables are pending. */
void lion_todo_init_alone(lion_todo *todo, lion_scope *scope, const lion_clauses *clauses, const uint32_t *given, uint32_t given_count);
/* ---- plan_semi.c ---- */

/* not, or or that adds no variable, as an anti-join or a semi-join onto *operator. instead: the operator that does the same row by row.
 * LION_ABSENT: it cannot be, or does not pay. */
lion_status lion_semi_plan(lion_scope *scope, const lion_clause *clause, lion_operator **operator, const uint8_t *keep, lion_operator *instead,
                           lion_error *error);
/* or whose branches need nothing of the rows and add this variable, as the union of what they find. LION_ABSENT: it is none. */
lion_status lion_union_plan(lion_scope *scope, const lion_clause *clause, lion_operator **operator, uint32_t var, const uint8_t *keep,
                            lion_error *error);

/* Whether some order binds everything that expressions of the clauses need, given what is bound; bound grows. The first
 * clause that nothing helps is in *stuck_out. */
bool lion_plan_binds(const lion_scope *scope, const lion_clauses *clauses, uint8_t *bound, const lion_clause **stuck_out, uint32_t depth);
/* Has the clause what it needs, where these are bound? */
bool lion_plan_is_ready(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound);
lion_status lion_plan_fail_binding(const lion_scope *scope, const lion_clause *clause, const uint8_t *bound, lion_error *error);

/* Are the rows distinct that the clause's operator makes of the input's? (plan_distinct.c) */
bool lion_plan_is_distinct(lion_scope *scope, const lion_clause *clause, const lion_operator *input, const lion_operator *output);

/* Has the operator nothing but what is needed, and nothing twice? */
bool lion_plan_is_result(const lion_operator *root, const uint8_t *needed);

/* Mark the variables that stand in attribute position of some pattern in the clauses, at any depth. */
void lion_scope_mark_attributes(lion_scope *scope, const lion_clauses *clauses);
/* Mark those that functions and relations bind, also in rules that are called: gives as of lion_rules_gives, or NULL. */
void lion_clauses_mark_given(const lion_run *run, const uint64_t *gives, const lion_clauses *clauses, uint8_t *marks);
/* The same, of the scope's variables, whose engine is there. */
void lion_scope_mark_given(lion_scope *scope, const lion_clauses *clauses);
/* How many hidden variables the clauses' sub-plans take. */
uint32_t lion_clauses_hidden(const lion_clauses *clauses);

/* Variables that a clause mentions: marks[v] = 1. */
void lion_clause_mark_vars(const lion_clause *clause, uint8_t *marks);

/* ---- ranges.c ---- */

/* Read the comparisons of a conjunction into scope->ranges; what was there before is given back, to be put back. */
lion_range **lion_ranges_read(lion_scope *scope, const lion_todo *todo);
/* The variable's range in the attribute's index, and how many datoms lie in it; false: none, or too many. */
bool lion_ranges_of(lion_index_range *range_out, double *count_out, lion_scope *scope, const lion_db *db, const lion_attribute *attribute,
                    uint32_t var);

/* Datoms of the attribute. */
uint64_t lion_ranges_all(const lion_db *db, const lion_attribute *attribute);
/* The range's bounds as values of the attribute; false: there are none. */
bool lion_ranges_bounds(lion_index_range *range_out, lion_scope *scope, const lion_attribute *attribute, uint32_t var);
/* The same, however many they are. */
bool lion_ranges_count(lion_index_range *range_out, double *count_out, lion_scope *scope, const lion_db *db, const lion_attribute *attribute,
                       uint32_t var);
/* Whether what comparisons say of the variable excludes itself: of numbers, or of values of one type. */
bool lion_ranges_exclude(lion_type *type_out, const lion_scope *scope, uint32_t var);
/* What the comparisons leave of the variable's values, as text; NULL: all. */
const char *lion_ranges_text(const lion_scope *scope, uint32_t var);

/* ---- rules.c ---- */

lion_rules *lion_rules_new(lion_run *run, const lion_query_ir *ir);
const lion_rule *lion_rules_list(const lion_rules *rules);
/* Per rule: bit i is set if functions or relations may bind argument i, to what may be a name. */
const uint64_t *lion_rules_gives(const lion_rules *rules);
/* Whether calls of the rule are searches through a graph: answered row by row, without tables. */
bool lion_rules_is_path(lion_rules *rules, uint32_t rule);
/* Whether the clause calls a rule that calls the scope's rule: it is answered by differences (rule_tables.h), not in place. */
bool lion_rules_is_cut(const lion_scope *scope, const lion_clause *clause);
/* The rule's searches, forward and backward, or NULL: it goes the ordinary way. */
struct lion_paths *const *lion_rules_paths(lion_rules *rules, uint32_t rule);

/* ---- rule_stats.c: rows of rules that call themselves ---- */

typedef struct lion_rule_stats {
    double rows;               /* all that it holds of */
    double *distinct;          /* per argument: its different values */
} lion_rule_stats;

/* What is kept of the rules that the clause calls, or clauses in it, is made: before the planner takes memory that it gives back. */
void lion_rules_get_ready(lion_rules *rules, const lion_clause *clause);
/* By the numbers of its patterns; NULL: there is no memory. */
const lion_rule_stats *lion_rules_stats(lion_rules *rules, uint32_t rule);
/* How many a path leads to from each of the entities, on average (or, backward, from how many it leads to one), by searching from
 * as many of them as *looks allow, which are counted down; negative: the rule is no path. */
double lion_rules_sample(lion_rules *rules, uint32_t rule, bool is_backward, const int64_t *ids, uint32_t count, int64_t *looks);

/* ---- fanout.c: rows that the clause leaves per row of the operator ---- */
double lion_stats_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator);

/* ---- stats.c ---- */

/* The same of a pattern. */
double lion_stats_pattern_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator);

/* What is known of a pattern on a database, whatever is bound when it comes. */
typedef struct lion_pattern_stats {
    const lion_db *db;
    const lion_attribute *attribute; /* NULL: it is a variable */
    double total;                    /* datoms of the attribute */
    double count;                    /* those that match constants, inputs of one row, and ranges */
    double distinct_e, distinct_v;   /* of the attribute */
    bool has_e, has_v;               /* a constant, or an input of one row */
    bool has_range;                  /* count is of a range of the value */
} lion_pattern_stats;

void lion_stats_pattern(lion_pattern_stats *stats_out, lion_scope *scope, const lion_clause *clause);
/* Datoms that match the pattern's constants. */
uint64_t lion_stats_count(lion_scope *scope, const lion_clause *clause);
/* The part of the attribute's datoms that comparisons of the variable leave, where no index tells; negative: nothing is known. */
double lion_stats_range_part(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, uint32_t var);
/* The constant attribute of a pattern, or NULL; unknown ones are the planner's error. */
const lion_attribute *lion_clause_attribute(const lion_schema *schema, const lion_clause *clause);

#endif
