/* rules.c - rules by tables of demand and answers, evaluated to their fixpoint, difference by difference.
 *
 * A table stands for a rule called with certain arguments bound (its adornment), some of them to what was given, which may be
 * a name (a keyword for the entity of that ident). It holds
 *   frontier   (seed, current): the bound arguments that were asked for (seed), and those that a call in tail position has
 *              reached from there. A tail call is one that passes the free arguments on as they are:
 *              reach(x, y) :- next(x, z), reach(z, y), asked with x. Its answers are the caller's answers, so instead of asking
 *              for all pairs of the rest of the chain (quadratic) the seed is carried along (linear).
 *   answers    (seed, free)
 * Each branch is planned once and cut at its rule calls into segments. What arrives at a call is kept (the prefix); a
 * segment behind a call is fed new prefixes with all answers and old prefixes with new answers, so no pair is met twice.
 * The engine runs segments until none has anything new: it ends, because sets only grow and values come from the data.
 *
 * Rules that are paths through a graph do not come here: path.h answers their calls, in place.
 *
 * p(x, y) :- p(x, z), p(z, y), beside branches without recursion, is their transitive closure: its first call is replaced
 * by those branches (the exit rule), which makes it a linear recursion. */
#include "query/path.h"
#include "query/rule_calls.h"

#define BRANCHES_MAX 1024
#define ARITY_MAX 64

typedef struct rule_table rule_table;
typedef struct rule_call rule_call;

typedef enum sink_kind { SINK_ANSWER, SINK_TAIL, SINK_CALL } sink_kind;

/* An argument of a call: a slot of the plan before it, or a constant. */
typedef struct argument {
    uint32_t slot;
    lion_value constant;
} argument;

typedef struct segment {
    rule_table *table;
    lion_operator *feed, *root;
    rule_call *before;         /* NULL: fed by the table's frontier */
    size_t done;               /* rows of the frontier that were fed */
    uint8_t sink;
    rule_call *after;          /* SINK_CALL */
    argument *row;             /* of the sink's row: ANSWER seed+free, TAIL seed+bound, CALL all slots */
    uint32_t width;
    lion_value *values;
} segment;

struct rule_call {
    rule_table *callee;
    lion_relation prefix;      /* what has arrived */
    size_t prefix_done, answers_done;
    argument *bound;           /* per bound argument: a column of prefix, or a constant */
    lion_row_index answers_by_seed, prefix_by_bound;
    uint32_t *prefix_key_of;   /* per key of prefix_by_bound: which bound argument */
    lion_relation joined;      /* what the segment behind is fed */
    uint32_t kept;             /* columns of joined taken from … */
    uint32_t *from;            /* … these columns of prefix; the others from answers */
    uint32_t *out;             /* per free argument: column of joined, or NONE */
    uint32_t *same;            /* per free argument: an earlier one that it must equal, or NONE */
    lion_value *row, *key;
};

struct rule_table {
    uint32_t rule;
    uint64_t adornment, given; /* argument i is bit i */
    uint32_t bound_count, free_count;
    lion_relation frontier;    /* 2 * bound_count: seed, current */
    lion_relation answers;     /* seed, free */
};

/* What a rule is as a search through a graph (path.h). */
typedef struct path_rule {
    bool is_read;
    lion_paths *searches[2];   /* forward, backward; NULL: the rule is none */
} path_rule;

struct lion_rules {
    lion_run *run;
    const lion_query_ir *ir;
    lion_rule *rules;          /* ir->rules, then their exit rules */
    path_rule *paths;          /* per rule */
    uint64_t *gives;           /* per rule */
    lion_rules *parent;        /* of an engine for what stands inside a not … */
    uint32_t owner;            /* … of this rule's branches */
    rule_table **tables;
    uint32_t table_count, table_room;
    segment **segments;
    uint32_t segment_count, segment_room;
    segment *active;           /* in the middle of its run */
    uint32_t turn;
};

/* ---- closures ---- */

static bool is_call(const lion_clause *clause, uint32_t rule, uint32_t first, uint32_t second)
{
    return clause->kind == LION_CLAUSE_RULE && clause->rule == rule && clause->terms[0].kind == LION_TERM_VAR &&
           clause->terms[1].kind == LION_TERM_VAR && clause->terms[0].index == first && clause->terms[1].index == second;
}

/* The variable in the middle of p(0, z), p(z, 1), in either order; UINT32_MAX: not of this shape. */
static uint32_t closure_middle(const lion_clauses *branch, uint32_t rule, uint32_t *first_out)
{
    if (branch->count != 2) return UINT32_MAX;
    for (uint32_t first = 0; first < 2; first++) {
        const lion_clause *clause = &branch->items[first];
        if (clause->kind != LION_CLAUSE_RULE || clause->rule != rule || clause->terms[1].kind != LION_TERM_VAR) continue;
        uint32_t middle = clause->terms[1].index;
        if (middle < 2 || !is_call(clause, rule, 0, middle) || !is_call(&branch->items[1 - first], rule, middle, 1)) continue;
        *first_out = first;
        return middle;
    }
    return UINT32_MAX;
}

static void linearise(lion_rules *self, uint32_t r)
{
    const lion_query_ir *ir = self->ir;
    lion_arena *arena = &self->run->arena;
    lion_rule *rule = &self->rules[r], *exit = &self->rules[ir->rule_count + r];
    uint32_t double_at = UINT32_MAX, first = 0, exits = 0;
    *exit = *rule;
    if (rule->arity != 2) return;
    exit->branches = lion_arena_array(arena, lion_clauses, rule->branch_count);
    exit->branch_count = 0;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        uint32_t at = 0;
        if (closure_middle(&rule->branches[b], r, &at) != UINT32_MAX) {
            double_at = b;
            first = at;
        } else {
            if (lion_clauses_call(ir, &rule->branches[b], r, arena)) return;
            exit->branches[exits++] = rule->branches[b];
        }
    }
    exit->branch_count = exits;
    if (double_at == UINT32_MAX) return;
    lion_clauses *branches = lion_arena_array(arena, lion_clauses, rule->branch_count);
    memcpy(branches, rule->branches, sizeof(*branches) * rule->branch_count);
    lion_clause *items = lion_arena_array(arena, lion_clause, 2);
    memcpy(items, branches[double_at].items, sizeof(*items) * 2);
    items[first].rule = ir->rule_count + r;
    branches[double_at].items = items;
    rule->branches = branches;
}

/* Until no rule gives more: what is given by one that is called, is given. */
static void find_given(lion_rules *self)
{
    uint32_t count = 2 * self->ir->rule_count;
    lion_arena *arena = &self->run->arena;
    self->gives = lion_arena_zalloc(arena, sizeof(uint64_t) * (count + 1));
    for (bool grows = count > 0; grows && !arena->is_exhausted;) {
        grows = false;
        for (uint32_t r = 0; r < count; r++) {
            const lion_rule *rule = &self->rules[r];
            uint64_t before = self->gives[r];
            uint8_t *marks = lion_arena_zalloc(arena, rule->var_count + 1);
            for (uint32_t b = 0; b < rule->branch_count; b++) lion_clauses_mark_given(self->run, self->gives, &rule->branches[b], marks);
            for (uint32_t i = 0; i < rule->arity && i < ARITY_MAX; i++) self->gives[r] |= (uint64_t)(marks[i] != 0) << i;
            grows = grows || self->gives[r] != before;
        }
    }
}

const uint64_t *lion_rules_gives(const lion_rules *rules)
{
    return rules->gives;
}

lion_rules *lion_rules_new(lion_run *run, const lion_query_ir *ir, lion_rules *parent, uint32_t owner_rule)
{
    lion_rules *self = lion_arena_new(&run->arena, lion_rules);
    self->run = run;
    self->ir = ir;
    self->parent = parent;
    self->owner = owner_rule;
    if (parent != NULL) {
        self->rules = parent->rules;
        self->paths = parent->paths;
        self->gives = parent->gives;
        return self;
    }
    self->rules = lion_arena_zalloc(&run->arena, sizeof(lion_rule) * (2 * (size_t)ir->rule_count + 1));
    if (ir->rule_count > 0) memcpy(self->rules, ir->rules, sizeof(lion_rule) * ir->rule_count);
    for (uint32_t r = 0; r < ir->rule_count; r++) linearise(self, r);
    self->paths = lion_arena_zalloc(&run->arena, sizeof(path_rule) * (2 * (size_t)ir->rule_count + 1));
    find_given(self);
    return self;
}

/* The rule's searches, or NULL: it goes the ordinary way. */
static lion_paths *const *paths_of(lion_rules *self, uint32_t rule)
{
    lion_arena *arena = &self->run->arena;
    path_rule *path = &self->paths[rule];
    if (path->is_read) return path->searches[0] == NULL ? NULL : path->searches;
    path->is_read = true;
    lion_path_shape *shapes = lion_arena_zalloc(arena, sizeof(lion_path_shape) * 2);
    lion_graph *graph = lion_arena_new(arena, lion_graph);
    for (int i = 0; i < 2; i++)
        if (arena->is_exhausted || !lion_path_shape_of(&shapes[i], self->run, self->rules, rule, i == 1)) return NULL;
    lion_graph_init(graph, self->run, self->run->sources[shapes[0].source].db, shapes[0].hop_count);
    lion_paths *forward = lion_paths_new(self->run, graph, &shapes[0], false), *backward = lion_paths_new(self->run, graph, &shapes[1], true);
    if (arena->is_exhausted) return NULL; /* the next check of the run says so */
    path->searches[0] = forward;
    path->searches[1] = backward;
    return path->searches;
}

bool lion_rules_is_path(lion_rules *rules, uint32_t rule)
{
    return paths_of(rules, rule) != NULL;
}

const lion_rule *lion_rules_list(const lion_rules *rules)
{
    return rules->rules;
}

/* ---- branches: an or that calls rules becomes several branches ---- */

static bool has_call(const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        if (clauses->items[i].kind == LION_CLAUSE_RULE) return true;
        for (uint32_t b = 0; clauses->items[i].kind == LION_CLAUSE_OR && b < clauses->items[i].branch_count; b++)
            if (has_call(&clauses->items[i].branches[b])) return true;
    }
    return false;
}

typedef struct branch_list {
    lion_clauses items[BRANCHES_MAX];
    uint32_t count;
} branch_list;

static lion_status expand(lion_rules *self, const lion_clauses *clauses, branch_list *list, lion_error *error)
{
    uint32_t at = 0;
    for (; at < clauses->count; at++) {
        const lion_clause *clause = &clauses->items[at];
        bool calls = false;
        for (uint32_t b = 0; clause->kind == LION_CLAUSE_OR && b < clause->branch_count; b++) calls = calls || has_call(&clause->branches[b]);
        if (calls) break;
    }
    if (list->count == BRANCHES_MAX) return lion_fail(error, LION_INTERRUPTED, "lion/limit", "a rule has more than %d branches", BRANCHES_MAX);
    if (at == clauses->count) {
        list->items[list->count++] = *clauses;
        return LION_OK;
    }
    const lion_clause *clause = &clauses->items[at];
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        const lion_clauses *branch = &clause->branches[b];
        lion_clauses whole = { .count = clauses->count - 1 + branch->count };
        whole.items = lion_arena_array(&self->run->arena, lion_clause, whole.count + 1);
        memcpy(whole.items, clauses->items, sizeof(lion_clause) * at);
        memcpy(whole.items + at, clauses->items + at + 1, sizeof(lion_clause) * (clauses->count - at - 1));
        if (branch->count > 0) memcpy(whole.items + clauses->count - 1, branch->items, sizeof(lion_clause) * branch->count);
        lion_status status = expand(self, &whole, list, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* ---- planning a table ---- */

static lion_status get_table(rule_table **out, lion_rules *self, uint32_t rule, uint64_t adornment, uint64_t given, lion_error *error);

/* Which arguments of the call the operator binds. */
static uint64_t adornment_of(const lion_clause *clause, const lion_operator *operator)
{
    uint64_t adornment = 0;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_bound = term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && lion_operator_slot(operator, term->index) != LION_SLOT_NONE);
        if (is_bound) adornment |= UINT64_C(1) << i;
    }
    return adornment;
}

static bool is_bound_at(uint64_t adornment, uint32_t position)
{
    return (adornment >> position & 1) != 0;
}

/* Is the argument given, not found in facts? */
static bool is_given(const lion_scope *scope, const lion_term *term)
{
    return term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && scope->is_given[term->index]);
}

/* Which of the bound arguments are given. */
static uint64_t given_of(const lion_scope *scope, const lion_clause *clause, uint64_t adornment)
{
    uint64_t given = 0;
    for (uint32_t i = 0; i < clause->term_count; i++)
        if (is_bound_at(adornment, i) && is_given(scope, &clause->terms[i])) given |= UINT64_C(1) << i;
    return given;
}

static lion_status make_argument(argument *out, const lion_term *term, const lion_operator *operator, lion_arena *arena, lion_error *error)
{
    *out = (argument){ .slot = LION_SLOT_NONE };
    if (term->kind == LION_TERM_CONST) return lion_query_value(&out->constant, term->constant, arena, error);
    out->slot = lion_operator_slot(operator, term->index);
    return LION_OK;
}

static segment *add_segment(lion_rules *self, rule_table *table)
{
    lion_arena *arena = &self->run->arena;
    if (self->segment_count == self->segment_room) {
        uint32_t room = self->segment_room == 0 ? 16 : self->segment_room * 2;
        self->segments = lion_arena_grow(arena, self->segments, sizeof(segment *) * self->segment_room, sizeof(segment *) * room);
        self->segment_room = room;
    }
    segment *added = lion_arena_new(arena, segment);
    added->table = table;
    self->segments[self->segment_count++] = added;
    return added;
}

/* The call's keys and the layout of what the next segment is fed. */
static lion_status make_call(rule_call **out, lion_rules *self, lion_scope *scope, const lion_clause *clause, const lion_operator *root,
                             const uint8_t *keep, uint32_t **feed_vars_out, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    rule_call *call = lion_arena_new(arena, rule_call);
    uint64_t adornment = adornment_of(clause, root);
    lion_status status = get_table(&call->callee, self, clause->rule, adornment, given_of(scope, clause, adornment), error);
    if (status != LION_OK) return status;
    uint32_t arity = clause->term_count, bound = 0, frees = 0, keys = 0, width = 0;
    uint32_t *seed_key = lion_arena_array(arena, uint32_t, arity + 1), *prefix_key = lion_arena_array(arena, uint32_t, arity + 1);
    uint32_t *feed_vars = lion_arena_array(arena, uint32_t, root->width + arity + 1);
    call->bound = lion_arena_array(arena, argument, arity + 1);
    call->prefix_key_of = lion_arena_array(arena, uint32_t, arity + 1);
    call->from = lion_arena_array(arena, uint32_t, root->width + 1);
    call->out = lion_arena_array(arena, uint32_t, arity + 1);
    call->same = lion_arena_array(arena, uint32_t, arity + 1);
    for (uint32_t i = 0; i < root->width; i++) {
        if (!keep[root->vars[i]]) continue;
        call->from[width] = i;
        feed_vars[width++] = root->vars[i];
    }
    call->kept = width;
    uint32_t *free_var = lion_arena_array(arena, uint32_t, arity + 1);
    for (uint32_t i = 0; i < arity; i++) {
        if (is_bound_at(adornment, i)) {
            status = make_argument(&call->bound[bound], &clause->terms[i], root, arena, error);
            if (status != LION_OK) return status;
            seed_key[bound] = bound;
            if (call->bound[bound].slot != LION_SLOT_NONE) {
                call->prefix_key_of[keys] = bound;
                prefix_key[keys++] = call->bound[bound].slot;
            }
            bound++;
            continue;
        }
        bool is_var = clause->terms[i].kind == LION_TERM_VAR;
        free_var[frees] = is_var ? clause->terms[i].index : UINT32_MAX;
        call->out[frees] = call->same[frees] = LION_SLOT_NONE;
        for (uint32_t k = 0; is_var && k < frees; k++)
            if (free_var[k] == free_var[frees]) call->same[frees] = k;
        if (is_var && call->same[frees] == LION_SLOT_NONE && keep[free_var[frees]]) {
            call->out[frees] = width;
            feed_vars[width++] = free_var[frees];
        }
        frees++;
    }
    lion_relation_init(&call->prefix, arena, root->width);
    lion_relation_init(&call->joined, arena, width);
    lion_row_index_init(&call->answers_by_seed, &call->callee->answers, seed_key, bound);
    lion_row_index_init(&call->prefix_by_bound, &call->prefix, prefix_key, keys);
    call->row = lion_arena_array(arena, lion_value, width + 1);
    call->key = lion_arena_array(arena, lion_value, arity + 1);
    *feed_vars_out = feed_vars;
    *out = call;
    return LION_OK;
}

/* Is it a value of facts that is an entity, so that no name is in question? */
static bool is_entity(const lion_scope *scope, const lion_clauses *branch, const lion_term *term)
{
    for (uint32_t i = 0; term->kind == LION_TERM_VAR && !scope->is_given[term->index] && i < branch->count; i++) {
        const lion_clause *clause = &branch->items[i];
        const lion_db *db = clause->kind == LION_CLAUSE_PATTERN ? scope->run->sources[clause->source].db : NULL;
        if (db == NULL || clause->term_count < 2) continue;
        if (clause->terms[0].kind == LION_TERM_VAR && clause->terms[0].index == term->index) return true;
        const lion_attribute *attribute = lion_clause_attribute(db->schema, clause);
        bool is_ref = attribute != NULL && attribute->type == LION_TYPE_REF && clause->term_count > 2;
        if (is_ref && clause->terms[2].kind == LION_TERM_VAR && clause->terms[2].index == term->index) return true;
    }
    return false;
}

/* A call of the table itself that passes on every free argument, used nowhere else in the branch. */
static uint32_t find_tail(const lion_scope *scope, const rule_table *table, const lion_clauses *branch, uint32_t arity, uint32_t var_count)
{
    for (uint32_t i = branch->count; i-- > 0;) {
        const lion_clause *clause = &branch->items[i];
        if (clause->kind != LION_CLAUSE_RULE || clause->rule != table->rule) continue;
        uint8_t marks[var_count + 1];
        memset(marks, 0, var_count + 1);
        for (uint32_t k = 0; k < branch->count; k++)
            if (k != i) lion_clause_mark_vars(&branch->items[k], marks);
        bool is_tail = true;
        for (uint32_t k = 0; k < arity; k++) {
            const lion_term *term = &clause->terms[k];
            bool is_var = term->kind == LION_TERM_VAR;
            if (is_bound_at(table->adornment, k)) {
                /* Bound by the other clauses, or by the head's bound arguments. */
                bool is_known = term->kind == LION_TERM_CONST || (is_var && (marks[term->index] || (term->index < arity && is_bound_at(table->adornment, term->index))));
                bool is_same = is_given(scope, term) == is_bound_at(table->given, k) || is_entity(scope, branch, term);
                is_tail = is_tail && is_known && is_same;
            } else {
                is_tail = is_tail && is_var && term->index == k && !marks[k];
                for (uint32_t m = 0; m < arity; m++)
                    if (m != k && clause->terms[m].kind == LION_TERM_VAR && clause->terms[m].index == k) is_tail = false;
            }
        }
        if (is_tail) return i;
    }
    return UINT32_MAX;
}

/* The sink's row: seed, then the free head variables or the tail call's bound arguments. */
static lion_status make_sink(segment *last, lion_scope *scope, const lion_rule *rule, const uint32_t *seed_vars, const lion_clause *tail,
                             lion_error *error)
{
    lion_run *run = scope->run;
    rule_table *table = last->table;
    last->sink = tail == NULL ? SINK_ANSWER : SINK_TAIL;
    last->row = lion_arena_array(&run->arena, argument, table->bound_count + rule->arity + 1);
    for (uint32_t i = 0; i < table->bound_count; i++)
        last->row[last->width++] = (argument){ .slot = lion_operator_slot(last->root, seed_vars[i]) };
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (is_bound_at(table->adornment, i) != (tail != NULL)) continue;
        lion_term head = { .kind = LION_TERM_VAR, .index = i };
        const lion_term *term = tail == NULL ? &head : &tail->terms[i];
        lion_status status = make_argument(&last->row[last->width], term, last->root, &run->arena, error);
        if (status != LION_OK) return status;
        if (last->row[last->width].slot == LION_SLOT_NONE && term->kind == LION_TERM_VAR) {
            lion_slice name = scope->names[term->index];
            return lion_fail(error, LION_INCORRECT, "db.error/insufficient-binding", "[%.*s] is not bound by a branch of rule %.*s", (int)name.size,
                             (const char *)name.data, (int)rule->name.size, (const char *)rule->name.data);
        }
        last->width++;
    }
    last->values = lion_arena_array(&run->arena, lion_value, last->width + 1);
    return LION_OK;
}

static void end_at_call(segment *part, rule_call *call, lion_arena *arena)
{
    part->sink = SINK_CALL;
    part->after = call;
    part->width = part->root->width;
    part->row = lion_arena_array(arena, argument, part->width + 1);
    for (uint32_t i = 0; i < part->width; i++) part->row[i] = (argument){ .slot = i };
    part->values = lion_arena_array(arena, lion_value, part->width + 1);
}

static lion_status plan_branch(lion_rules *self, lion_scope *scope, rule_table *table, const lion_clauses *branch, const uint32_t *seed_vars,
                               const uint32_t *feed_vars, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    const lion_rule *rule = &self->rules[table->rule];
    uint8_t *needed = lion_arena_zalloc(arena, scope->capacity + 1);
    uint32_t tail_at = find_tail(scope, table, branch, rule->arity, rule->var_count);
    const lion_clause *tail = tail_at == UINT32_MAX ? NULL : &branch->items[tail_at];
    for (uint32_t i = 0; i < table->bound_count; i++) needed[seed_vars[i]] = 1;
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (tail == NULL && !is_bound_at(table->adornment, i)) needed[i] = 1;
        if (tail != NULL && is_bound_at(table->adornment, i) && tail->terms[i].kind == LION_TERM_VAR) needed[tail->terms[i].index] = 1;
    }
    lion_todo todo;
    lion_todo_init(&todo, branch, 0, arena);
    memset(scope->leaders, 0, sizeof(*scope->leaders) * (scope->capacity + 1)); /* another branch's */
    if (tail != NULL) todo.is_done[tail_at] = 1;
    segment *part = add_segment(self, table);
    part->feed = part->root = lion_feed_new(self->run, &table->frontier, feed_vars, 2 * table->bound_count);
    part->feed->rows_estimated = 1;
    for (;;) {
        const lion_clause *cut = NULL;
        lion_status status = lion_plan(scope, &todo, &part->root, needed, &cut, error);
        if (status != LION_OK) return status;
        if (cut == NULL) return make_sink(part, scope, rule, seed_vars, tail, error);
        rule_call *call = NULL;
        uint32_t *next_vars = NULL;
        status = make_call(&call, self, scope, cut, part->root, lion_plan_keep(scope, &todo, needed), &next_vars, error);
        if (status != LION_OK) return status;
        end_at_call(part, call, arena);
        part = add_segment(self, table);
        part->before = call;
        part->feed = part->root = lion_feed_new(self->run, &call->joined, next_vars, call->joined.width);
        part->feed->rows_estimated = 1;
    }
}

static lion_status plan_table(lion_rules *self, rule_table *table, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    const lion_rule *rule = &self->rules[table->rule];
    branch_list *list = lion_arena_new(arena, branch_list);
    uint32_t hidden = table->bound_count + 4;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        hidden += lion_clauses_hidden(&rule->branches[b]);
        lion_status status = expand(self, &rule->branches[b], list, error);
        if (status != LION_OK) return status;
    }
    lion_scope scope;
    lion_scope_init(&scope, self->run, rule->var_names, rule->var_count, hidden * (list->count + 1));
    scope.rules = self->rules;
    scope.engine = lion_rules_new(self->run, self->ir, self, table->rule);
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        lion_scope_mark_attributes(&scope, &rule->branches[b]);
        lion_scope_mark_given(&scope, &rule->branches[b]);
    }
    for (uint32_t i = 0; i < rule->arity; i++)
        if (is_bound_at(table->given, i)) scope.is_given[i] = 1;
    uint32_t *seed_vars = lion_arena_array(arena, uint32_t, table->bound_count + 1);
    uint32_t *feed_vars = lion_arena_array(arena, uint32_t, 2 * table->bound_count + 1), at = 0;
    for (uint32_t i = 0; i < table->bound_count; i++) seed_vars[i] = feed_vars[i] = lion_scope_hidden(&scope);
    for (uint32_t i = 0; i < rule->arity; i++)
        if (is_bound_at(table->adornment, i)) feed_vars[table->bound_count + at++] = i;
    for (uint32_t b = 0; b < list->count; b++) {
        lion_status status = plan_branch(self, &scope, table, &list->items[b], seed_vars, feed_vars, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_status get_table(rule_table **out, lion_rules *self, uint32_t rule, uint64_t adornment, uint64_t given, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    const lion_rule *called = &self->rules[rule];
    for (uint32_t i = 0; i < self->table_count; i++)
        if (self->tables[i]->rule == rule && self->tables[i]->adornment == adornment && self->tables[i]->given == given) {
            *out = self->tables[i];
            return LION_OK;
        }
    if (called->arity > ARITY_MAX) return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "a rule has at most %d arguments", ARITY_MAX);
    for (const lion_rules *engine = self; engine->parent != NULL; engine = engine->parent)
        if (engine->owner == rule)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", "rule %.*s calls itself inside a not: that has no answer", (int)called->name.size,
                             (const char *)called->name.data);
    if (self->table_count == self->table_room) {
        uint32_t room = self->table_room == 0 ? 8 : self->table_room * 2;
        self->tables = lion_arena_grow(arena, self->tables, sizeof(rule_table *) * self->table_room, sizeof(rule_table *) * room);
        self->table_room = room;
    }
    rule_table *table = lion_arena_new(arena, rule_table);
    table->rule = rule;
    table->adornment = adornment;
    table->given = given;
    for (uint32_t i = 0; i < called->arity; i++) {
        if (is_bound_at(adornment, i)) table->bound_count++;
        else table->free_count++;
    }
    lion_relation_init(&table->frontier, arena, 2 * table->bound_count);
    lion_relation_init(&table->answers, arena, table->bound_count + table->free_count);
    self->tables[self->table_count++] = table;
    *out = table;
    return plan_table(self, table, error);
}

/* ---- running ---- */

static void add_seed(rule_table *table, const lion_value *bound)
{
    lion_value row[2 * ARITY_MAX];
    for (uint32_t i = 0; i < table->bound_count; i++) row[i] = row[table->bound_count + i] = bound[i];
    lion_relation_add(&table->frontier, row);
}

static void sink_row(segment *part, const lion_batch *batch, uint32_t row)
{
    for (uint32_t i = 0; i < part->width; i++)
        part->values[i] = part->row[i].slot == LION_SLOT_NONE ? part->row[i].constant : lion_batch_get(batch, part->row[i].slot, row);
    if (part->sink == SINK_ANSWER) {
        lion_relation_add(&part->table->answers, part->values);
    } else if (part->sink == SINK_TAIL) {
        lion_relation_add(&part->table->frontier, part->values);
    } else if (lion_relation_add(&part->after->prefix, part->values)) {
        rule_call *call = part->after;
        for (uint32_t i = 0; i < call->callee->bound_count; i++)
            call->key[i] = call->bound[i].slot == LION_SLOT_NONE ? call->bound[i].constant : part->values[call->bound[i].slot];
        add_seed(call->callee, call->key);
    }
}

static void join_row(rule_call *call, size_t prefix_row, size_t answer_row)
{
    const lion_value *prefix = lion_relation_row(&call->prefix, prefix_row);
    const lion_value *frees = lion_relation_row(&call->callee->answers, answer_row) + call->callee->bound_count;
    for (uint32_t i = 0; i < call->kept; i++) call->row[i] = prefix[call->from[i]];
    for (uint32_t i = 0; i < call->callee->free_count; i++) {
        if (call->same[i] != LION_SLOT_NONE && !lion_value_equal(frees[i], frees[call->same[i]])) return;
        if (call->out[i] != LION_SLOT_NONE) call->row[call->out[i]] = frees[i];
    }
    lion_relation_append(&call->joined, call->row);
}

/* New prefixes with all answers, old prefixes with new answers: into joined. */
static lion_status join_difference(rule_call *call, lion_run *run, lion_error *error)
{
    rule_table *callee = call->callee;
    size_t prefix_count = call->prefix.count, answer_count = callee->answers.count;
    lion_relation_clear(&call->joined);
    lion_row_index_follow(&call->answers_by_seed);
    lion_row_index_follow(&call->prefix_by_bound);
    for (size_t row = call->prefix_done; row < prefix_count; row++) {
        const lion_value *values = lion_relation_row(&call->prefix, row);
        for (uint32_t i = 0; i < callee->bound_count; i++)
            call->key[i] = call->bound[i].slot == LION_SLOT_NONE ? call->bound[i].constant : values[call->bound[i].slot];
        for (size_t found = lion_row_index_find(&call->answers_by_seed, call->key); found != 0;
             found = lion_row_index_next(&call->answers_by_seed, found, call->key))
            join_row(call, row, found - 1);
        if (row % LION_BATCH_ROWS == 0 && lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    for (size_t row = call->answers_done; call->prefix_done > 0 && row < answer_count; row++) {
        const lion_value *seed = lion_relation_row(&callee->answers, row);
        bool is_asked = true;
        for (uint32_t i = 0; i < callee->bound_count; i++)
            if (call->bound[i].slot == LION_SLOT_NONE && !lion_value_equal(call->bound[i].constant, seed[i])) is_asked = false;
        for (uint32_t i = 0; i < call->prefix_by_bound.key_count; i++) call->key[i] = seed[call->prefix_key_of[i]];
        for (size_t found = is_asked ? lion_row_index_find(&call->prefix_by_bound, call->key) : 0; found != 0;
             found = lion_row_index_next(&call->prefix_by_bound, found, call->key))
            if (found - 1 < call->prefix_done) join_row(call, found - 1, row);
        if (row % LION_BATCH_ROWS == 0 && lion_run_check(run, error) != LION_OK) return LION_FAILED;
    }
    call->prefix_done = prefix_count;
    call->answers_done = answer_count;
    return LION_OK;
}

/* LION_OK: the segment has something new, and its feed stands on it; LION_END: nothing. */
static lion_status start_segment(lion_rules *self, segment *part, lion_error *error)
{
    size_t from = 0, to = 0;
    if (part->before == NULL) {
        from = part->done;
        to = part->done = part->table->frontier.count;
    } else {
        rule_call *call = part->before;
        if (call->prefix_done == call->prefix.count && call->answers_done == call->callee->answers.count) return LION_END;
        lion_status status = join_difference(call, self->run, error);
        if (status != LION_OK) return status;
        to = call->joined.count;
    }
    if (from == to) return LION_END;
    lion_feed_set(part->feed, from, to);
    return lion_operator_rewind(part->root, error);
}

/* Run until nothing is new. LION_CALL: answer, then step again. */
static lion_status run_rules(lion_rules *self, lion_error *error)
{
    uint32_t idle = 0;
    while (self->active != NULL || idle < self->segment_count) {
        if (self->active == NULL) {
            segment *part = self->segments[self->turn++ % self->segment_count];
            lion_status status = start_segment(self, part, error);
            if (status == LION_END) {
                idle++;
                continue;
            }
            if (status != LION_OK) return status;
            self->active = part;
            idle = 0;
        }
        lion_batch batch;
        lion_status status = lion_operator_next(self->active->root, &batch, error);
        if (status == LION_END) {
            self->active = NULL;
            continue;
        }
        if (status != LION_OK) return status;
        for (uint32_t k = 0; k < lion_batch_rows(&batch); k++) sink_row(self->active, &batch, lion_batch_row(&batch, k));
    }
    return LION_OK;
}

/* ---- the call of a rule in a plan: ask for each batch's bound arguments, run, then join with the answers ---- */

typedef struct demand {
    lion_operator operator;
    lion_rules *rules;
    rule_table *table;
    argument *bound;
    lion_batch batch;
    bool has_batch;
} demand;

static lion_status demand_next(lion_operator *operator, lion_batch *batch_out, lion_error *error)
{
    demand *self = (demand *)operator;
    if (!self->has_batch) {
        lion_status status = lion_operator_next(operator->inputs[0], &self->batch, error);
        if (status != LION_OK) return status;
        self->has_batch = true;
        lion_value key[ARITY_MAX];
        for (uint32_t k = 0; k < lion_batch_rows(&self->batch); k++) {
            for (uint32_t i = 0; i < self->table->bound_count; i++)
                key[i] = self->bound[i].slot == LION_SLOT_NONE ? self->bound[i].constant
                                                               : lion_batch_get(&self->batch, self->bound[i].slot, lion_batch_row(&self->batch, k));
            add_seed(self->table, key);
        }
    }
    lion_status status = run_rules(self->rules, error);
    if (status != LION_OK) return status;
    self->has_batch = false;
    *batch_out = self->batch;
    return LION_OK;
}

static lion_status demand_rewind(lion_operator *operator, lion_error *error)
{
    (void)error;
    ((demand *)operator)->has_batch = false;
    return LION_OK;
}

static void demand_close(lion_operator *operator)
{
    lion_rules *rules = ((demand *)operator)->rules;
    for (uint32_t i = 0; i < rules->segment_count; i++) lion_operator_close(rules->segments[i]->root);
    rules->segment_count = 0; /* an engine may serve several calls: close once */
}

lion_status lion_rules_call(lion_operator **operator_out, lion_scope *scope, lion_operator *input, const lion_clause *clause,
                            const uint8_t *keep, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    lion_paths *const *searches = paths_of(scope->engine, clause->rule);
    if (searches != NULL) return lion_path_new(operator_out, scope, input, clause, searches, keep, error);
    demand *self = LION_OPERATOR(scope->run, demand, demand_next, "demand");
    uint64_t adornment = 0;
    lion_join_column *columns = lion_arena_zalloc(arena, sizeof(*columns) * (clause->term_count + 1));
    if (clause->term_count <= ARITY_MAX) adornment = adornment_of(clause, input);
    lion_status status = get_table(&self->table, scope->engine, clause->rule, adornment, given_of(scope, clause, adornment), error);
    if (status != LION_OK) return status;
    self->rules = scope->engine;
    self->operator.rewind = demand_rewind;
    self->operator.close = demand_close;
    self->operator.inputs[0] = input;
    self->operator.vars = input->vars;
    self->operator.width = input->width;
    self->operator.rows_estimated = input->rows_estimated;
    self->bound = lion_arena_array(arena, argument, clause->term_count + 1);
    uint32_t bound = 0, frees = self->table->bound_count;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_bound = is_bound_at(adornment, i);
        lion_join_column *column = &columns[is_bound ? bound : frees];
        if (is_bound) {
            status = make_argument(&self->bound[bound], term, input, arena, error);
            if (status != LION_OK) return status;
            *column = (lion_join_column){ .kind = term->kind == LION_TERM_CONST ? LION_JOIN_CONST : LION_JOIN_BOUND, .index = term->index,
                                          .constant = self->bound[bound].constant };
            bound++;
            continue;
        }
        if (term->kind == LION_TERM_VAR) {
            *column = (lion_join_column){ .kind = LION_JOIN_OUT, .index = term->index };
            for (uint32_t k = self->table->bound_count; k < frees; k++)
                if (columns[k].kind == LION_JOIN_OUT && columns[k].index == term->index)
                    *column = (lion_join_column){ .kind = LION_JOIN_SAME, .index = k };
        }
        frees++;
    }
    *operator_out = lion_join_new(scope->run, &self->operator, &self->table->answers, columns, clause->term_count, keep, "rule");
    return LION_OK;
}
