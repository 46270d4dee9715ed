/* path.h - linear recursion as a search through a graph.
 *
 * A rule of two arguments whose branches are chains of ref attributes, and which calls itself at one end of a chain, says
 * which paths lead from its first argument to its second:
 *
 *   (p ?x ?y) :- chain(?x, ?y)                 base
 *   (p ?x ?y) :- chain(?x, ?z), (p ?z ?y)      before it, any number of times
 *   (p ?x ?y) :- (p ?x ?z), chain(?z, ?y)      behind it, any number of times
 *
 * That is a finite automaton (path_shape.c), whose arrows are attributes, forward or backward. What is reached from an
 * entity is what a search finds that goes through the product of the graph and the automaton (path_search.c): from the
 * trees where little is reached, else through arrays (graph.h). Where many sources are asked for, strongly connected
 * components are one node, and each has the set of what it reaches as a bitmap (path_sets.c). */
#ifndef LION_QUERY_PATH_H
#define LION_QUERY_PATH_H

#include "index/facts.h"
#include "query/graph.h"
#include "query/plan.h"

#define LION_PATH_STATES_MAX 64
#define LION_PATH_HOPS_MAX 64

enum { LION_PATH_START, LION_PATH_END };

typedef struct lion_path_hop {
    uint32_t from, to;         /* states */
    const lion_attribute *attribute;
    bool is_backward;          /* from a value to its entities */
} lion_path_hop;

/* Nothing leads into START that does not come from START, nothing out of END that does not go to END. */
typedef struct lion_path_shape {
    uint32_t source;           /* of all its patterns */
    uint32_t state_count, hop_count;
    lion_path_hop hops[LION_PATH_HOPS_MAX];
} lion_path_shape;

/* The automaton of a rule, for searches in a direction; false: it is not of that shape, or on no plain source, and goes the
 * ordinary way. */
bool lion_path_shape_of(lion_path_shape *shape_out, lion_run *run, const lion_rule *rules, uint32_t rule, bool is_backward);

/* ---- path_search.c ---- */

/* A hop as a search takes it, in the search's direction. */
typedef struct lion_path_step {
    uint32_t to;
    bool is_backward;
    uint32_t edges;            /* of the graph */
    const lion_attribute *attribute;
    lion_adjacency adjacency;
    lion_cursor *cursor;
    lion_facts *facts;
} lion_path_step;

/* What is reached from one entity: ids, each once. Borrowed until the list is used again, or the run ends. */
typedef struct lion_path_list {
    const int64_t *ids;
    uint32_t count;
    int64_t *own;              /* room for what is not remembered */
    uint32_t room;
} lion_path_list;

typedef struct lion_path_sets lion_path_sets;
typedef struct lion_path_found lion_path_found;

/* A rule's searches in one direction. All calls of the rule in a run share them: what was found is found once. */
typedef struct lion_paths {
    lion_run *run;
    lion_graph *graph;         /* both directions' */
    uint32_t state_count, start, end;
    lion_path_step *steps;     /* by the state they lead out of */
    uint32_t *steps_of;        /* state_count + 1 */
    bool has_arrays;
    /* Searching in the trees. */
    lion_ids *visited;         /* per state */
    uint64_t spent, spend_max; /* in steps of an array; beyond, arrays are made, if there is room */
    /* Searching in arrays: a node is state * node_count + number. */
    uint64_t *seen;
    uint32_t *queue;
    uint64_t walked;           /* edges */
    lion_path_sets *sets;      /* NULL: not made */
    bool has_no_sets;
    /* What was found before. */
    lion_ids sources;
    lion_path_found *found;    /* by number of sources */
    uint32_t found_room;
    uint64_t found_ids;
    lion_path_list everywhere; /* what is reached from anywhere … */
    bool has_everywhere;       /* … if that was asked */
    lion_ids everyone;         /* all sources, where there are no arrays … */
    bool has_everyone;         /* … if that was asked */
    uint64_t searches, reused;
} lion_paths;

lion_paths *lion_paths_new(lion_run *run, lion_graph *graph, const lion_path_shape *shape, bool is_backward);
/* What is reached from the entity. It is remembered … */
lion_status lion_paths_from(lion_path_list *list_out, lion_paths *paths, int64_t id, lion_error *error);
/* … or, of an entity that nobody will ask for again, not. */
lion_status lion_paths_from_once(lion_path_list *list_out, lion_paths *paths, int64_t id, lion_error *error);
/* What is reached from any of them, each once: one search, whose starts they are. */
lion_status lion_paths_from_any(lion_path_list *list_out, lion_paths *paths, const int64_t *ids, uint32_t count, lion_error *error);
/* What is reached from any entity that there is. */
lion_status lion_paths_from_everywhere(lion_path_list *list_out, lion_paths *paths, lion_error *error);
/* LION_OK: target is reached from the entity; LION_ABSENT: it is not. */
lion_status lion_paths_lead(lion_paths *paths, lion_path_list *list, int64_t id, int64_t target, lion_error *error);
/* How many entities there are that something may be reached from … */
lion_status lion_paths_all(uint32_t *count_out, lion_paths *paths, lion_error *error);
/* … and which they are, by number. */
int64_t lion_paths_source(const lion_paths *paths, uint32_t number);
/* About how many are reached from the entity, at most `most`: by visiting at most *steps entities in the trees, which becomes how many
 * were; negative: it cannot be told. */
double lion_paths_look(lion_paths *paths, int64_t id, uint32_t *steps, double most);

/* Do searches stay in the trees only because arrays have no room? */
bool lion_paths_lack_room(const lion_paths *paths);

/* ---- path_sets.c ---- */

/* LION_ABSENT: the sets would take too much memory. */
lion_status lion_path_sets_new(lion_path_sets **sets_out, lion_paths *paths, lion_error *error);
/* The bitmap of the numbers that are reached from a number, borrowed until the next call. */
const uint64_t *lion_path_sets_of(lion_path_sets *sets, uint32_t number);
uint32_t lion_path_sets_count(const lion_path_sets *sets);

/* ---- op_path.c ---- */

/* The operator that answers a call of the rule; searches: forward, backward. */
lion_status lion_path_new(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                          lion_paths *const searches[2], const uint8_t *keep, lion_error *error);

#endif
