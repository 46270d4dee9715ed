/* path_shape.c - from a rule to its automaton, or to the answer that it has none. */
#include "index/view_parts.h"
#include "query/path.h"

#define NESTING_MAX 8

/* A part of the automaton with states of its own: 0 is where it is entered, 1 where it is left. */
typedef struct fragment {
    lion_path_hop hops[LION_PATH_HOPS_MAX];
    uint32_t hop_count, state_count;
} fragment;

typedef struct reading {
    lion_run *run;
    const lion_rule *rules;
    uint32_t rule;             /* the recursive one: called nowhere inside a chain */
    uint32_t source;           /* of the patterns so far; UINT32_MAX: none yet */
} reading;

static bool add_chain(reading *self, fragment *part, const lion_clauses *clauses, const lion_clause *without, uint32_t first, uint32_t last,
                      uint32_t from, uint32_t to, uint32_t depth);

/* Does the clause tie two different variables, one of them `var`? The other one; UINT32_MAX: no. */
static uint32_t other_var(const lion_clause *clause, uint32_t var)
{
    uint32_t a = UINT32_MAX, b = UINT32_MAX;
    if (clause->kind == LION_CLAUSE_OR) {
        if (clause->var_count != 2 || clause->required_count > 0) return UINT32_MAX;
        a = clause->vars[0];
        b = clause->vars[1];
    } else {
        bool is_pattern = clause->kind == LION_CLAUSE_PATTERN && clause->term_count == 3;
        uint32_t second = is_pattern ? 2 : 1;
        if (!is_pattern && (clause->kind != LION_CLAUSE_RULE || clause->term_count != 2)) return UINT32_MAX;
        if (clause->terms[0].kind != LION_TERM_VAR || clause->terms[second].kind != LION_TERM_VAR) return UINT32_MAX;
        a = clause->terms[0].index;
        b = clause->terms[second].index;
    }
    if (a == b) return UINT32_MAX;
    return a == var ? b : b == var ? a : UINT32_MAX;
}

static bool add_pattern(reading *self, fragment *part, const lion_clause *clause, uint32_t var, uint32_t from, uint32_t to)
{
    const lion_db *db = self->run->sources[clause->source].db;
    if (db == NULL || db->view.filter_count > 0) return false;
    if (self->source != UINT32_MAX && self->source != clause->source) return false;
    const lion_attribute *attribute = lion_clause_attribute(db->schema, clause);
    if (attribute == NULL || attribute->type != LION_TYPE_REF || part->hop_count == LION_PATH_HOPS_MAX) return false;
    self->source = clause->source;
    part->hops[part->hop_count++] =
        (lion_path_hop){ .from = from, .to = to, .attribute = attribute, .is_backward = clause->terms[0].index != var };
    return true;
}

/* A rule that does not call itself is what its branches are. */
static bool add_rule(reading *self, fragment *part, const lion_clause *clause, uint32_t var, uint32_t from, uint32_t to, uint32_t depth)
{
    const lion_rule *rule = &self->rules[clause->rule];
    if (clause->rule == self->rule || depth == NESTING_MAX || rule->arity != 2) return false;
    uint32_t first = clause->terms[0].index == var ? 0 : 1;
    for (uint32_t b = 0; b < rule->branch_count; b++)
        if (rule->required[0] || rule->required[1] || !add_chain(self, part, &rule->branches[b], NULL, first, 1 - first, from, to, depth + 1))
            return false;
    return rule->branch_count > 0;
}

static bool add_link(reading *self, fragment *part, const lion_clause *clause, uint32_t var, uint32_t from, uint32_t to, uint32_t depth)
{
    if (clause->kind == LION_CLAUSE_PATTERN) return add_pattern(self, part, clause, var, from, to);
    if (clause->kind == LION_CLAUSE_RULE) return add_rule(self, part, clause, var, from, to, depth);
    for (uint32_t b = 0; b < clause->branch_count; b++)
        if (depth == NESTING_MAX || !add_chain(self, part, &clause->branches[b], NULL, var, other_var(clause, var), from, to, depth + 1))
            return false;
    return clause->branch_count > 0;
}

/* All clauses but `without` are one chain from the variable `first` to `last`, through variables that nothing else names. */
static bool add_chain(reading *self, fragment *part, const lion_clauses *clauses, const lion_clause *without, uint32_t first, uint32_t last,
                      uint32_t from, uint32_t to, uint32_t depth)
{
    uint32_t left = clauses->count - (without != NULL), var = first, state = from;
    uint8_t is_done[clauses->count + 1];
    memset(is_done, 0, clauses->count + 1);
    while (left > 0) {
        uint32_t at = UINT32_MAX, next = UINT32_MAX;
        for (uint32_t i = 0; i < clauses->count; i++) {
            if (&clauses->items[i] == without || is_done[i]) continue;
            uint32_t other = other_var(&clauses->items[i], var);
            if (other == UINT32_MAX) continue;
            if (at != UINT32_MAX) return false; /* it branches here */
            at = i;
            next = other;
        }
        /* A variable that comes again would be a cycle; the last one must be the end, and only the end. */
        if (at == UINT32_MAX || next == first || (next == last) != (left == 1)) return false;
        is_done[at] = 1;
        left--;
        uint32_t next_state = left == 0 ? to : part->state_count;
        if (left > 0 && part->state_count++ == LION_PATH_STATES_MAX) return false;
        if (!add_link(self, part, &clauses->items[at], var, state, next_state, depth)) return false;
        var = next;
        state = next_state;
    }
    return var == last && clauses->count > (without != NULL);
}

/* The branch's call of its own rule; NULL: none. *count_out: how many there are. */
static const lion_clause *find_call(const lion_clauses *branch, uint32_t rule, uint32_t *count_out)
{
    const lion_clause *found = NULL;
    *count_out = 0;
    for (uint32_t i = 0; i < branch->count; i++) {
        if (branch->items[i].kind != LION_CLAUSE_RULE || branch->items[i].rule != rule) continue;
        found = &branch->items[i];
        ++*count_out;
    }
    return found;
}

/* The variable in the middle of chain(0, z), p(z, 1), where is_before, or of p(0, z), chain(z, 1). */
static uint32_t middle_of(const lion_clause *call, bool is_before)
{
    uint32_t fixed = is_before ? 1 : 0;
    if (call->terms[0].kind != LION_TERM_VAR || call->terms[1].kind != LION_TERM_VAR) return UINT32_MAX;
    if (call->terms[fixed].index != fixed || call->terms[1 - fixed].index < 2) return UINT32_MAX;
    return call->terms[1 - fixed].index;
}

static bool names_var(const lion_clauses *clauses, const lion_clause *without, uint32_t var)
{
    for (uint32_t i = 0; i < clauses->count; i++)
        if (&clauses->items[i] != without && other_var(&clauses->items[i], var) != UINT32_MAX) return true;
    return false;
}

static bool add_branch(reading *self, fragment *base, fragment *before, fragment *behind, const lion_clauses *branch)
{
    uint32_t calls = 0;
    const lion_clause *call = find_call(branch, self->rule, &calls);
    if (calls == 0) return add_chain(self, base, branch, NULL, 0, 1, 0, 1, 0);
    if (calls > 1) return false;
    uint32_t middle = middle_of(call, true);
    if (middle != UINT32_MAX) return !names_var(branch, call, 1) && add_chain(self, before, branch, call, 0, middle, 0, 1, 0);
    middle = middle_of(call, false);
    return middle != UINT32_MAX && !names_var(branch, call, 0) && add_chain(self, behind, branch, call, middle, 1, 0, 1, 0);
}

static bool same_fragment(const fragment *a, const fragment *b)
{
    if (a->hop_count != b->hop_count) return false;
    for (uint32_t i = 0; i < a->hop_count; i++) {
        const lion_path_hop *x = &a->hops[i], *y = &b->hops[i];
        if (x->from != y->from || x->to != y->to || x->attribute != y->attribute || x->is_backward != y->is_backward) return false;
    }
    return true;
}

/* The fragment entered at one state of the whole and left at another. */
static bool join(lion_path_shape *shape, const fragment *part, uint32_t entry, uint32_t exit)
{
    uint32_t offset = shape->state_count - 2;
    if (part->hop_count == 0) return true;
    if (shape->hop_count + part->hop_count > LION_PATH_HOPS_MAX || offset + part->state_count > LION_PATH_STATES_MAX) return false;
    for (uint32_t i = 0; i < part->hop_count; i++) {
        lion_path_hop hop = part->hops[i];
        hop.from = hop.from == 0 ? entry : hop.from == 1 ? exit : hop.from + offset;
        hop.to = hop.to == 0 ? entry : hop.to == 1 ? exit : hop.to + offset;
        shape->hops[shape->hop_count++] = hop;
    }
    shape->state_count = offset + part->state_count;
    return true;
}

bool lion_path_shape_of(lion_path_shape *shape, lion_run *run, const lion_rule *rules, uint32_t rule, bool is_backward)
{
    const lion_rule *head = &rules[rule];
    reading self = { .run = run, .rules = rules, .rule = rule, .source = UINT32_MAX };
    if (head->arity != 2 || head->required[0] || head->required[1]) return false;
    fragment *parts = lion_arena_zalloc(&run->arena, sizeof(fragment) * 3);
    if (parts == NULL) return false;
    fragment *base = &parts[0], *before = &parts[1], *behind = &parts[2];
    for (int i = 0; i < 3; i++) parts[i].state_count = 2;
    for (uint32_t b = 0; b < head->branch_count; b++)
        if (!add_branch(&self, base, before, behind, &head->branches[b])) return false;
    if (base->hop_count == 0 || before->hop_count + behind->hop_count == 0) return false;
    /* Steps before a base that is the same step are steps behind it, and the other way round. A search that meets the base first
     * walks each node once, not twice. */
    fragment **near = is_backward ? &behind : &before, **far = is_backward ? &before : &behind;
    if ((*far)->hop_count == 0 && same_fragment(base, *near)) {
        fragment *none = *far;
        *far = *near;
        *near = none;
    }
    *shape = (lion_path_shape){ .source = self.source, .state_count = 2 };
    return join(shape, base, LION_PATH_START, LION_PATH_END) && join(shape, before, LION_PATH_START, LION_PATH_START) &&
           join(shape, behind, LION_PATH_END, LION_PATH_END);
}
