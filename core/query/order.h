/* order.h - in which order clauses are joined, and how: the join graph, and the search through it.
 *
 * Patterns that share an entity variable fold into a star, which is one node of the graph; other clauses that bind variables
 * (inputs, relations, or, rules, functions that yield rows, nested queries) are nodes of their own. Predicates, scalar functions
 * and negations hang on: they are done as soon as what they need is bound. A pattern of a star that only fetches a value (no other
 * clause has its variable) is fetched where the fewest rows are.
 *
 * A pattern that goes round in a cycle with others is a node by itself, and all patterns of the cycle are a core, too: one step
 * that joins them at once. The search knows both ways (join_core.c).
 *
 * How many rows a set of nodes leaves does not depend on their order: the product of the nodes' rows, over what their
 * shared variables select (1 / the larger number of distinct values), times what samples found (join_sample.c). So the search
 * (join_search.c) keeps the cheapest plan of each connected set, of up to LION_JOIN_SEARCH_MAX nodes; beyond, it is greedy. */
#ifndef LION_QUERY_ORDER_H
#define LION_QUERY_ORDER_H

#include "query/cycle.h"
#include "query/plan.h"

#define LION_JOIN_SEARCH_MAX 12
#define LION_JOIN_NODES_MAX 40
#define LION_JOIN_VARS_MAX 64
#define LION_JOIN_NONE 0xff
#define LION_JOIN_HUBS_MAX 4
#define LION_JOIN_MEMBERS_MAX 5
#define LION_JOIN_WAYS_MAX 486 /* 3 for each member, twice */

/* Nanoseconds of semi-joins and anti-joins, beside those of join_cost.c. */
#define LION_SET_NS 8.0        /* a key into a bitmap … */
#define LION_SET_ROW_NS 70.0   /* … or into a set of rows */
#define LION_TEST_NS 4.0       /* a row that is compared with a bitmap … */
#define LION_TEST_ROW_NS 50.0  /* … or with a set of rows */

/* ---- the order ---- */

typedef struct lion_order_step {
    uint32_t clause;           /* of todo */
    uint32_t *cycle;           /* not NULL: these clauses at once (cycle.h), `clause` among them */
    uint32_t cycle_count;
    struct lion_order_set *sets; /* … and what their variables may be */
    uint32_t set_count;
    struct lion_order *group;  /* not NULL: these steps by themselves, then joined by hash … */
    bool is_merged;            /* … or in the order of the variable that both have … */
    bool is_semi;              /* … or as a set of keys */
    bool is_by_value;          /* of a scan: its rows ascend by the value */
    bool is_join;              /* a node begins here */
    double rows;               /* estimated after it … */
    double kept;               /* … and how many different ones, which a distinct leaves */
    uint64_t bound;            /* variables, as the graph numbers them */
} lion_order_step;

/* The values of a variable are those that these steps by themselves find. */
typedef struct lion_order_set {
    uint32_t var;              /* the scope's */
    struct lion_order *order;
} lion_order_set;

typedef struct lion_order {
    lion_order_step *steps;
    uint32_t count, room;
    uint64_t start;            /* variables bound before the first step */
    double start_rows;
    double rows, cost_ns;
} lion_order;

/* needed: per variable, what the reader of the plan wants. is_flat: without groups. false: the clauses are of a kind that goes clause by clause (plan.c). */
bool lion_order_make(lion_order *order_out, lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *needed, bool is_flat);

/* A copy, in the arena; what could not be copied is missing where the arena is exhausted. */
void lion_order_copy(lion_order *to, const lion_order *from, lion_arena *arena);

/* ---- the graph (join_graph.c) ---- */

typedef enum lion_join_kind {
    LION_JOIN_STAR, LION_JOIN_PATTERN, LION_JOIN_ROWS, LION_JOIN_FUNCTION, LION_JOIN_OR, LION_JOIN_RULE, LION_JOIN_QUERY
} lion_join_kind;

/* A pattern of a star. */
typedef struct lion_join_part {
    uint32_t clause;
    lion_pattern_stats stats;
    uint8_t value;             /* its value's variable, or NONE */
    double each;               /* rows per entity of the star */
} lion_join_part;

/* A variable that other clauses have too, with the number of its distinct values here. */
typedef struct lion_join_end {
    uint8_t var;
    uint8_t type;              /* a lion_type; NIL: any */
    double distinct;
} lion_join_end;

typedef struct lion_join_node {
    uint8_t kind;
    uint8_t entity;            /* of a star, or NONE */
    bool uses_feed;            /* it is correlated: nothing by itself */
    bool has_constant;         /* a rule's call: an argument is known */
    uint64_t vars, needs;
    uint64_t tells;            /* of a star: values that its entity determines */
    double rows;               /* by itself */
    double domain;             /* entities of a star, whatever its parts select */
    lion_join_part *parts;     /* of a star; of others one, whose clause alone counts */
    uint32_t part_count;
    lion_join_end *ends;
    uint32_t end_count;
} lion_join_node;

typedef struct lion_join_plan lion_join_plan;

/* Nodes that hang on a core by one variable, and say no more than which values it may have. */
typedef struct lion_join_restriction {
    uint8_t var;
    const lion_join_plan *plan;
} lion_join_restriction;

/* Nodes that may be joined at once, variable by variable. */
typedef struct lion_join_core {
    const lion_cycle *cycle;
    uint64_t set;              /* its nodes, a pattern each */
    uint64_t all;              /* … with those of its restrictions */
    lion_join_restriction restrictions[LION_CYCLE_VARS_MAX];
    uint32_t restriction_count;
    uint64_t vars, needs;
    bool uses_feed;
    double references;         /* that are read before the first row */
} lion_join_core;

/* What is done when it can be: it selects, or adds a variable. */
typedef struct lion_join_extra {
    uint32_t clause;
    uint64_t needs, adds;
    double selects;
    bool is_late;              /* dear, or a mere fetch: where the fewest rows are */
    bool is_done;
} lion_join_extra;

/* A star that has the hub's variable for a value. */
typedef struct lion_join_member {
    uint8_t node;
    const lion_join_part *link;
    bool is_apart;             /* what hangs on it leads to no other member … */
    uint64_t own;              /* … and these are the variables that it and that bring along */
    double part;               /* of the link's datoms, that these leave */
    double distinct;           /* values, as the node's end has it */
} lion_join_member;

/* A value of the hub, that was drawn. */
typedef struct lion_join_point {
    lion_value value;
    double counts[LION_JOIN_MEMBERS_MAX]; /* datoms of each member that have it */
    double stands_for;         /* so many values … */
    bool is_rare;              /* … of which the hub's filter leaves none, most likely */
} lion_join_point;

/* A variable for whose value several stars meet. */
typedef struct lion_join_hub {
    uint8_t var;
    lion_join_member members[LION_JOIN_MEMBERS_MAX];
    uint32_t member_count;
    uint8_t filter;            /* the node, no member, that leaves the fewest of its values; NONE: there is none */
    lion_join_point *points;
    uint32_t point_count;
    double known[LION_JOIN_WAYS_MAX]; /* by how its members come: what was measured; 0: nothing yet */
} lion_join_hub;

typedef struct lion_join_graph {
    lion_scope *scope;
    const lion_todo *todo;
    uint8_t *numbers;          /* per variable of the scope */
    uint32_t var_count;
    uint64_t *masks;           /* per clause of todo */
    uint32_t *uses;            /* per variable as numbered: clauses that have it */
    uint64_t wanted;           /* by the reader of the plan */
    uint64_t feed;             /* bound before */
    double feed_rows;          /* how many rows it has */
    uint64_t known;            /* of inputs of one row */
    uint64_t pending;          /* of other inputs */
    uint64_t whole;            /* of those, ids and whole numbers */
    uint64_t typed;            /* all clauses that bind it have values of one type, so that equal ones are the same */
    uint32_t *inputs;          /* clauses: those of one row */
    uint32_t input_count;
    lion_join_node *nodes;
    uint32_t node_count;
    bool ignores_room;         /* cores whose arrays have no room are among these, too … */
    bool lacks_room;           /* … or there are such beside them */
    lion_join_core *cores;
    uint32_t core_count;
    uint8_t *cycle_of;         /* per clause: the core that it is in, or NONE */
    lion_join_extra *extras;
    uint32_t extra_count;
    double (*corrections)[LION_JOIN_NODES_MAX]; /* per pair of nodes; NULL: no samples */
    lion_join_hub *hubs[LION_JOIN_HUBS_MAX];
    uint32_t hub_count;
} lion_join_graph;

/* false: not of this kind. */
bool lion_join_graph_make(lion_join_graph *graph, lion_scope *scope, const lion_todo *todo, const lion_operator *operator,
                          const uint8_t *needed);

/* Whether its patterns show what is there now, so that entities can be drawn. */
bool lion_join_can_sample(const lion_join_node *node);

/* ---- hubs (join_hub.c) ---- */

/* Per hub, how its members are in a set of nodes: all their rows, or each value once; and whether its filter is. Digits of a number. */
typedef struct lion_join_ways {
    uint16_t of[LION_JOIN_HUBS_MAX];
} lion_join_ways;

lion_join_ways lion_join_ways_all(const lion_join_graph *graph, uint64_t set);
/* … once, where none of the member's own variables is live. */
lion_join_ways lion_join_ways_of(const lion_join_graph *graph, uint64_t set, uint64_t live);
/* Of two sets that have no node in common. */
lion_join_ways lion_join_ways_joined(const lion_join_ways *left, const lion_join_ways *right);
/* How many times as many rows come of it as if each value were met as often as any other. */
double lion_join_met(const lion_join_graph *graph, const lion_join_ways *ways);
/* Datoms of another member that one of the node's meets on average; negative: they have no hub. */
double lion_join_met_by(const lion_join_graph *graph, uint32_t node, uint32_t other);

/* ---- rows (join_rows.c) ---- */

/* Everything that is bound once these variables are: functions add theirs. */
uint64_t lion_join_closure(const lion_join_graph *graph, uint64_t bound);
/* What the result, or a clause that is still to come behind this set of nodes, asks for. */
uint64_t lion_join_live(const lion_join_graph *graph, uint64_t set, uint64_t bound);

/* The rows of a plan's set of nodes, joined: all, and different ones as far as their variables are asked for; and whether some are
 * not. Its set, and what it binds, are there. */
void lion_join_count(lion_join_plan *plan, const lion_join_graph *graph);

/* ---- join_core.c ---- */

/* The cores among the clauses that are still to do, before the graph has nodes … */
bool lion_join_cores_find(lion_join_graph *graph);
/* … and what their nodes say of them, when it has. */
void lion_join_cores_finish(lion_join_graph *graph);
/* What it costs to join the core onto the rows of a plan of the nodes `left`, which has none of its own; `all` are the rows that come of
 * it. NULL: by itself. */
double lion_join_core_cost(const lion_join_graph *graph, const lion_join_core *core, const lion_join_plan *left, double rows, double all);

/* ---- join_sample.c: what statistics of single attributes cannot tell, asked of the data, in at most so many nanoseconds ----
 * has_hubs: values of hubs are drawn, too. */
void lion_join_sample(lion_join_graph *graph, int64_t time_ns, bool has_hubs);
/* Whether there are branches, of not or or, that a look at a few rows tells of. */
bool lion_join_has_branches(const lion_join_graph *graph);
/* The part of it that is cheap: stars of a handful of entities, and how many datoms name these. */
void lion_join_look(lion_join_graph *graph);

/* ---- join_draw.c: values of hubs, for no more than half of the looks ---- */
void lion_join_draw(lion_join_graph *graph, int64_t *looks);
/* When all that was sampled is known. */
void lion_join_draw_finish(lion_join_graph *graph);
/* Whether two stars have a value in common that is no entity of a third: how often they meet depends on frequent values. */
bool lion_join_by_value(const lion_join_graph *graph);

/* ---- join_branch.c: the clauses of a branch, tried for one row by look-ups ---- */

typedef struct lion_trial {
    lion_scope *scope;
    int64_t *looks;            /* left; counted down */
    lion_value *values;        /* per variable of the scope … */
    uint8_t *is_bound;         /* … that is bound */
} lion_trial;

#define LION_TRIAL_UNKNOWN (-1.0)

/* false: there is no memory. */
bool lion_trial_init(lion_trial *self, lion_scope *scope, int64_t *looks);
void lion_trial_bind(lion_trial *self, uint32_t var, lion_value value);
void lion_trial_forget(lion_trial *self); /* what is bound */
/* The clauses as a set of bits, of which `done` are some. */
static inline uint64_t lion_trial_all(const lion_clauses *clauses)
{
    return clauses->count >= 64 ? UINT64_MAX : (UINT64_C(1) << clauses->count) - 1;
}
/* How many rows the clauses that are not done make of what is bound, no more than `most`; UNKNOWN: no look-up tells, or no look is
 * left. */
double lion_trial_count(lion_trial *self, const lion_clauses *clauses, uint64_t done, double most);

/* ---- the search (join_search.h) ---- */

struct lion_join_plan {
    uint64_t set, bound;
    uint64_t live;             /* of bound: asked for by what is not in the set */
    double rows, cost_ns;
    double all;                /* rows if none of them ever went as it was there already */
    double even;               /* … and if each value of a hub was met as often as any other */
    double made;               /* rows that its last join makes */
    lion_join_ways ways;       /* how members of hubs are among its rows */
    const lion_join_plan *left, *right; /* NULL, NULL: one node, or a core, by itself */
    const lion_join_core *core; /* instead of a node; NULL: none */
    lion_join_plan *others;    /* of the same nodes, in other orders: the cheapest of each; NULL: no more */
    uint32_t node;             /* by itself, or what is probed for each row of left; NODES_MAX: right is hashed … */
    bool is_merged;            /* … or merged, as both are ordered by the variable that they have in common */
    bool drops;                /* rows are looked at whether they are there already, as variables go */
    uint8_t ascending;         /* 1 + the variable that its rows ascend by, where a join that is to come may be glad of it; or 0 */
    uint8_t entry;             /* of a star by itself: 1 + the part that it begins with; 0: as lion_join_entry says */
};

/* The cheapest plan of all nodes (with options.plan_seed any); NULL: there is none without a product that depends. */
const lion_join_plan *lion_join_search(const lion_join_graph *graph);

/* Whether nobody asks for more of the right, joined by hash, than the left has: then it is a set of keys. */
bool lion_join_is_semi(const lion_join_graph *graph, const lion_join_plan *left, const lion_join_plan *right);
/* In which order a star's parts are done where `bound` is bound: the first one finds the entities, if they are not. */
uint32_t lion_join_entry(const lion_join_graph *graph, const lion_join_node *node, uint64_t bound);

#endif
