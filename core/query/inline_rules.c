/* inline_rules.c - rules are rewritten first, those that are called before those that call them, so a call is replaced by
 * clauses that are final. */
#include "query/inline_rules.h"

#include <string.h>

#include "query/plan.h"
#include "query/rule_calls.h"

/* What one query, or one rule, may grow by: more clauses than this take longer to plan than the engine to answer the call. */
#define INLINED_CLAUSES_MAX 96
/* How deep or-joins may stand in each other. */
#define INLINED_DEPTH_MAX 3
/* How far calls are followed, and among how many rules. */
#define CALLS_DEPTH_MAX 64
#define RULES_MAX 256

typedef enum rewriting { REWRITE_NOT_YET, REWRITE_STARTED, REWRITE_DONE } rewriting;

/* What is known of a rule once it is rewritten. */
typedef struct rule_info {
    uint8_t state;             /* rewriting */
    bool is_recursive;
    bool has_calls;            /* that stayed, at any depth */
    uint32_t clause_count;     /* at any depth */
    uint32_t depth;            /* of not and or */
    uint8_t *is_attribute;     /* per head variable: it stands where an attribute does … */
    uint8_t *is_yielded;       /* … or a function binds it … */
    uint8_t *is_unsaid;        /* … or a branch says nothing of it */
} rule_info;

typedef struct inlining {
    lion_query_ir *ir;
    lion_arena *arena;
    rule_info *infos;          /* per rule */
    uint32_t calls_depth;
} inlining;

/* One numbering of variables, of the query or of a rule. */
typedef struct numbering {
    lion_slice *names;
    uint32_t count, room;
    uint32_t clauses_left;     /* of INLINED_CLAUSES_MAX */
    bool is_rule;
} numbering;

/* What stands for each variable of a rule in one place where it is called. */
typedef struct renaming {
    inlining *self;
    lion_term *terms;
    const lion_clause *call;
} renaming;

typedef struct clause_list {
    lion_clause *items;
    uint32_t count, room;
} clause_list;

static void *grow(lion_arena *arena, void *old, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room) return old;
    uint32_t wanted = *room == 0 ? 8 : *room * 2;
    void *grown = lion_arena_grow(arena, old, size * *room, size * wanted);
    *room = wanted;
    return grown;
}

static void add_clause(clause_list *list, lion_clause clause, lion_arena *arena)
{
    list->items = grow(arena, list->items, list->count, &list->room, sizeof(lion_clause));
    list->items[list->count++] = clause;
}

static uint32_t add_var(numbering *frame, lion_slice name, lion_arena *arena)
{
    frame->names = grow(arena, frame->names, frame->count, &frame->room, sizeof(lion_slice));
    frame->names[frame->count] = name;
    return frame->count++;
}

/* ---- copies with other variables ---- */

static lion_term rename_term(const renaming *names, lion_term term)
{
    return term.kind == LION_TERM_VAR ? names->terms[term.index] : term;
}

static lion_term *rename_terms(const renaming *names, const lion_term *terms, uint32_t count)
{
    lion_term *copy = lion_arena_array(names->self->arena, lion_term, count + 1);
    for (uint32_t i = 0; i < count; i++) copy[i] = rename_term(names, terms[i]);
    return copy;
}

/* Each once; what a constant stands for is known, and goes. */
static uint32_t *rename_vars(const renaming *names, const uint32_t *vars, uint32_t count, uint32_t *count_out)
{
    uint32_t *copy = lion_arena_array(names->self->arena, uint32_t, count + 1), kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        const lion_term *term = &names->terms[vars[i]];
        bool is_new = term->kind == LION_TERM_VAR;
        for (uint32_t k = 0; k < kept; k++) is_new = is_new && copy[k] != term->index;
        if (is_new) copy[kept++] = term->index;
    }
    *count_out = kept;
    return copy;
}

static lion_binding rename_binding(const renaming *names, const lion_binding *binding)
{
    lion_binding copy = *binding;
    if (binding->kind == LION_BIND_SCALAR) copy.var = names->terms[binding->var].index;
    if (binding->count == 0) return copy;
    copy.parts = lion_arena_array(names->self->arena, lion_binding, binding->count);
    for (uint32_t i = 0; i < binding->count; i++) copy.parts[i] = rename_binding(names, &binding->parts[i]);
    return copy;
}

static lion_clause rename_clause(const renaming *names, const lion_clause *clause);

static lion_clauses rename_clauses(const renaming *names, const lion_clauses *clauses)
{
    lion_clauses copy = { .count = clauses->count };
    copy.items = lion_arena_array(names->self->arena, lion_clause, clauses->count + 1);
    for (uint32_t i = 0; i < clauses->count; i++) copy.items[i] = rename_clause(names, &clauses->items[i]);
    return copy;
}

static lion_clause rename_clause(const renaming *names, const lion_clause *clause)
{
    lion_clause copy = *clause;
    copy.call = names->call;
    copy.terms = rename_terms(names, clause->terms, clause->term_count);
    copy.binding = rename_binding(names, &clause->binding);
    copy.vars = rename_vars(names, clause->vars, clause->var_count, &copy.var_count);
    copy.required = rename_vars(names, clause->required, clause->required_count, &copy.required_count);
    if (clause->branch_count == 0) return copy;
    copy.branches = lion_arena_array(names->self->arena, lion_clauses, clause->branch_count);
    for (uint32_t b = 0; b < clause->branch_count; b++) copy.branches[b] = rename_clauses(names, &clause->branches[b]);
    return copy;
}

/* ---- may a call go? ---- */

static void mark_yielded(const lion_binding *binding, rule_info *info, uint32_t arity)
{
    if (binding->kind == LION_BIND_SCALAR && binding->var < arity) info->is_yielded[binding->var] = 1;
    for (uint32_t i = 0; i < binding->count; i++) mark_yielded(&binding->parts[i], info, arity);
}

static void measure(const lion_clauses *clauses, rule_info *info, uint32_t arity, uint32_t depth)
{
    info->clause_count += clauses->count;
    if (depth > info->depth) info->depth = depth;
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        bool has_var = clause->kind == LION_CLAUSE_PATTERN && clause->term_count > 1 && clause->terms[1].kind == LION_TERM_VAR;
        if (has_var && clause->terms[1].index < arity) info->is_attribute[clause->terms[1].index] = 1;
        info->has_calls = info->has_calls || clause->kind == LION_CLAUSE_RULE;
        mark_yielded(&clause->binding, info, arity);
        for (uint32_t b = 0; b < clause->branch_count; b++) measure(&clause->branches[b], info, arity, depth + 1);
    }
}

static void mark_unsaid(const lion_clauses *branch, rule_info *info, const lion_rule *rule, lion_arena *arena)
{
    uint8_t *marks = lion_arena_zalloc(arena, rule->var_count + 1);
    for (uint32_t i = 0; i < branch->count; i++)
        if (branch->items[i].kind != LION_CLAUSE_NOT) lion_clause_mark_vars(&branch->items[i], marks);
    for (uint32_t i = 0; i < rule->arity; i++) info->is_unsaid[i] |= !marks[i];
}

/* What a function yields goes into variables, and each into one of its own. What stands for an attribute is shown by its name,
 * which a caller's variable is not. What a branch leaves unbound is an error, which the engine tells. */
static bool fits(const lion_clause *call, const rule_info *info, uint32_t at)
{
    const lion_term *term = &call->terms[at];
    bool is_value = term->kind == LION_TERM_CONST && term->constant->kind == LION_FORM_VALUE && term->constant->value.type != LION_TYPE_NIL;
    if (info->is_attribute[at] || info->is_unsaid[at] || term->kind == LION_TERM_SOURCE) return false;
    if (term->kind == LION_TERM_CONST) return is_value && !info->is_yielded[at];
    for (uint32_t i = 0; term->kind == LION_TERM_VAR && i < call->term_count; i++) {
        bool is_same = i != at && call->terms[i].kind == LION_TERM_VAR && call->terms[i].index == term->index;
        if (is_same && info->is_yielded[at]) return false;
    }
    return true;
}

static bool is_disjunction(const lion_rule *rule)
{
    bool is_or = rule->branch_count != 1;
    for (uint32_t i = 0; i < rule->arity; i++) is_or = is_or || rule->required[i];
    return is_or;
}

static bool may_inline(const inlining *self, const numbering *frame, const lion_clause *call, uint32_t depth)
{
    const rule_info *info = &self->infos[call->rule];
    if (info->is_recursive || info->state != REWRITE_DONE) return false;
    /* The engine multiplies a rule's branches by those of an or with calls inside. */
    if (frame->is_rule && info->has_calls && is_disjunction(&self->ir->rules[call->rule])) return false;
    if (info->clause_count > frame->clauses_left || depth + info->depth > INLINED_DEPTH_MAX) return false;
    for (uint32_t i = 0; i < call->term_count; i++)
        if (!fits(call, info, i)) return false;
    return true;
}

/* ---- rewriting ---- */

static renaming rename_for(inlining *self, numbering *frame, const lion_clause *call)
{
    const lion_rule *rule = &self->ir->rules[call->rule];
    lion_clause *kept = lion_arena_new(self->arena, lion_clause);
    *kept = *call;
    renaming names = { .self = self, .call = kept };
    names.terms = lion_arena_array(self->arena, lion_term, rule->var_count + 1);
    for (uint32_t i = 0; i < rule->var_count; i++) {
        bool is_own = i >= rule->arity || call->terms[i].kind == LION_TERM_BLANK;
        if (!is_own) names.terms[i] = call->terms[i];
        else names.terms[i] = (lion_term){ .kind = LION_TERM_VAR, .index = add_var(frame, rule->var_names[i], self->arena) };
    }
    return names;
}

/* The branches as an or-join; those variables of the call that the rule requires are required. */
static lion_clause disjunction(renaming *names, const lion_rule *rule)
{
    lion_arena *arena = names->self->arena;
    const lion_clause *call = names->call;
    lion_clause made = { .kind = LION_CLAUSE_OR, .text = call->text, .branch_count = rule->branch_count };
    uint32_t *head = lion_arena_array(arena, uint32_t, rule->arity + 1), *required = lion_arena_array(arena, uint32_t, rule->arity + 1), count = 0;
    uint32_t shared = 0;
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (call->terms[i].kind != LION_TERM_BLANK) head[shared++] = i;
        if (rule->required[i]) required[count++] = i;
    }
    names->call = NULL;
    made.vars = rename_vars(names, head, shared, &made.var_count);
    made.required = rename_vars(names, required, count, &made.required_count);
    made.branches = lion_arena_array(arena, lion_clauses, rule->branch_count);
    for (uint32_t b = 0; b < rule->branch_count; b++) made.branches[b] = rename_clauses(names, &rule->branches[b]);
    return made;
}

static void replace(inlining *self, numbering *frame, const lion_clause *call, clause_list *list)
{
    const lion_rule *rule = &self->ir->rules[call->rule];
    renaming names = rename_for(self, frame, call);
    frame->clauses_left -= self->infos[call->rule].clause_count;
    if (is_disjunction(rule)) {
        add_clause(list, disjunction(&names, rule), self->arena);
        return;
    }
    for (uint32_t i = 0; i < rule->branches[0].count; i++)
        add_clause(list, rename_clause(&names, &rule->branches[0].items[i]), self->arena);
}

static void rewrite_rule(inlining *self, uint32_t rule);

static void rewrite(inlining *self, numbering *frame, lion_clauses *clauses, uint32_t depth)
{
    clause_list list = { 0 };
    for (uint32_t i = 0; i < clauses->count; i++) {
        lion_clause *clause = &clauses->items[i];
        if (clause->kind == LION_CLAUSE_RULE) rewrite_rule(self, clause->rule);
        for (uint32_t b = 0; b < clause->branch_count; b++) rewrite(self, frame, &clause->branches[b], depth + 1);
        if (clause->query != NULL) lion_rules_inline(clause->query, self->arena);
        if (clause->kind == LION_CLAUSE_RULE && may_inline(self, frame, clause, depth)) replace(self, frame, clause, &list);
        else add_clause(&list, *clause, self->arena);
    }
    *clauses = (lion_clauses){ .items = list.items, .count = list.count };
}

/* Nothing, if that was done, or calls lead too far. */
static void rewrite_rule(inlining *self, uint32_t at)
{
    rule_info *info = &self->infos[at];
    lion_rule *rule = &self->ir->rules[at];
    if (info->state != REWRITE_NOT_YET || self->calls_depth == CALLS_DEPTH_MAX) return;
    info->state = REWRITE_STARTED;
    self->calls_depth++;
    numbering frame = { .names = rule->var_names, .count = rule->var_count, .room = rule->var_count, .clauses_left = INLINED_CLAUSES_MAX, .is_rule = true };
    for (uint32_t b = 0; b < rule->branch_count; b++) rewrite(self, &frame, &rule->branches[b], 0);
    rule->var_names = frame.names;
    rule->var_count = frame.count;
    info->is_attribute = lion_arena_zalloc(self->arena, rule->arity + 1);
    info->is_yielded = lion_arena_zalloc(self->arena, rule->arity + 1);
    info->is_unsaid = lion_arena_zalloc(self->arena, rule->arity + 1);
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        measure(&rule->branches[b], info, rule->arity, is_disjunction(rule));
        mark_unsaid(&rule->branches[b], info, rule, self->arena);
    }
    info->state = REWRITE_DONE;
    self->calls_depth--;
}

static bool has_nested(const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        if (clauses->items[i].query != NULL) return true;
        for (uint32_t b = 0; b < clauses->items[i].branch_count; b++)
            if (has_nested(&clauses->items[i].branches[b])) return true;
    }
    return false;
}

void lion_rules_inline(lion_query_ir *ir, lion_arena *arena)
{
    if ((ir->rule_count == 0 && !has_nested(&ir->where)) || ir->rule_count > RULES_MAX) return;
    inlining self = { .ir = ir, .arena = arena };
    self.infos = lion_arena_zalloc(arena, sizeof(rule_info) * (ir->rule_count + 1));
    for (uint32_t r = 0; r < ir->rule_count; r++) self.infos[r].is_recursive = lion_rule_is_recursive(ir, r, arena);
    for (uint32_t r = 0; r < ir->rule_count; r++) rewrite_rule(&self, r);
    numbering frame = { .names = ir->var_names, .count = ir->var_count, .room = ir->var_count, .clauses_left = INLINED_CLAUSES_MAX };
    rewrite(&self, &frame, &ir->where, 0);
    ir->var_names = frame.names;
    ir->var_count = frame.count;
}
