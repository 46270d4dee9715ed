/* ir.h - a query as the front ends hand it down: names resolved to numbers, nothing left to parse.
 *
 * The front (lua/lion/query) parses text or tables, renames variables apart (each scope's private variables get
 * numbers of their own), attaches rules, checks arities and safety that need no schema, and builds one form of the
 * layout at lion_query_new in lion.h; lion_ir_read turns it into the structs below and validates every number. */
#ifndef LION_QUERY_IR_H
#define LION_QUERY_IR_H

#include "data/value.h"

typedef enum lion_term_kind { LION_TERM_BLANK, LION_TERM_VAR, LION_TERM_CONST, LION_TERM_SOURCE } lion_term_kind;

typedef struct lion_term {
    uint8_t kind;         /* lion_term_kind */
    uint32_t index;       /* variable or source number */
    const lion_form *constant;
} lion_term;

typedef enum lion_binding_kind {
    LION_BIND_BLANK, LION_BIND_SCALAR, LION_BIND_TUPLE, LION_BIND_COLLECTION, LION_BIND_RELATION
} lion_binding_kind;

typedef struct lion_binding lion_binding;
struct lion_binding {
    uint8_t kind;
    uint32_t var;             /* SCALAR */
    uint32_t count;           /* TUPLE, RELATION: parts; COLLECTION: 1 */
    lion_binding *parts;
};

typedef enum lion_clause_kind {
    LION_CLAUSE_PATTERN, LION_CLAUSE_PREDICATE, LION_CLAUSE_FUNCTION, LION_CLAUSE_QUERY, LION_CLAUSE_NOT,
    LION_CLAUSE_OR, LION_CLAUSE_RULE
} lion_clause_kind;

typedef struct lion_query_ir lion_query_ir;
typedef struct lion_clause lion_clause;

typedef struct lion_clauses {
    lion_clause *items;
    uint32_t count;
} lion_clauses;

struct lion_clause {
    uint8_t kind;
    uint32_t source;              /* PATTERN */
    uint32_t rule;                /* RULE */
    lion_slice name;              /* PREDICATE, FUNCTION */
    lion_term *terms;             /* PATTERN, PREDICATE, FUNCTION, QUERY, RULE */
    uint32_t term_count;
    lion_binding binding;         /* FUNCTION, QUERY */
    lion_query_ir *query;         /* QUERY */
    lion_clauses *branches;       /* NOT: one; OR: several */
    uint32_t branch_count;
    uint32_t *vars;               /* NOT, OR: shared with the outside */
    uint32_t var_count;
    uint32_t *required;           /* OR: must be bound before */
    uint32_t required_count;
    lion_slice text;
    const lion_clause *call;      /* of the rule that said this clause, where it was called (inline_rules.h); NULL: none */
};

typedef struct lion_rule {
    lion_slice name;
    uint32_t source;
    uint32_t arity;
    uint8_t *required;            /* per head variable */
    uint32_t var_count;
    lion_slice *var_names;
    lion_clauses *branches;
    uint32_t branch_count;
} lion_rule;

typedef enum lion_element_kind { LION_ELEMENT_VAR, LION_ELEMENT_AGGREGATE, LION_ELEMENT_PULL } lion_element_kind;

typedef struct lion_element {
    uint8_t kind;
    uint32_t var;                 /* VAR, PULL; AGGREGATE: the aggregated variable */
    uint32_t source;              /* PULL */
    lion_slice name;              /* AGGREGATE */
    lion_term *terms;             /* AGGREGATE: all arguments */
    uint32_t term_count;
    const lion_form *pattern;     /* PULL: NULL when it comes as an input */
    uint32_t pattern_input;
} lion_element;

typedef enum lion_input_kind { LION_INPUT_SOURCE, LION_INPUT_PATTERN, LION_INPUT_RULES, LION_INPUT_BINDING } lion_input_kind;

typedef struct lion_input {
    uint8_t kind;
    uint32_t source;
    lion_binding binding;
    uint32_t *vars;               /* of the binding, each once */
    uint32_t var_count;
} lion_input;

typedef struct lion_sort_key {
    uint32_t var;
    bool is_descending;
} lion_sort_key;

struct lion_query_ir {
    lion_slice *var_names;
    uint32_t var_count;
    uint32_t source_count;
    uint8_t find_kind;
    lion_element *elements;
    uint32_t element_count;
    lion_slice *keys;             /* NULL or element_count names */
    uint32_t *with;
    uint32_t with_count;
    lion_input *inputs;
    uint32_t input_count;
    lion_clauses where;
    lion_rule *rules;
    uint32_t rule_count;
    lion_sort_key *order;
    uint32_t order_count;
    int64_t limit;                /* -1: none */
    int64_t offset;               /* 0: none */
};

/* Into the arena; the form must live as long. incorrect, lion/syntax, for a form that is not of the layout. */
lion_status lion_ir_read(lion_query_ir **ir_out, const lion_form *form, lion_arena *arena, lion_error *error);

#endif
