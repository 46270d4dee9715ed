/* rule_tables.c - a table's branches as segments, cut at their calls. */
#include "query/rewrite.h"
#include "query/rule_tables.h"

#define BRANCHES_MAX 1024

/* ---- branches: an or with calls within the component becomes several branches ---- */

static bool has_cut(const lion_scope *scope, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        if (lion_rules_is_cut(scope, &clauses->items[i])) return true;
        for (uint32_t b = 0; clauses->items[i].kind == LION_CLAUSE_OR && b < clauses->items[i].branch_count; b++)
            if (has_cut(scope, &clauses->items[i].branches[b])) return true;
    }
    return false;
}

typedef struct branch_list {
    lion_clauses items[BRANCHES_MAX];
    uint32_t count;
} branch_list;

static lion_status expand(const lion_scope *scope, const lion_clauses *clauses, branch_list *list, lion_error *error)
{
    uint32_t at = 0;
    for (; at < clauses->count; at++) {
        const lion_clause *clause = &clauses->items[at];
        bool calls = false;
        for (uint32_t b = 0; clause->kind == LION_CLAUSE_OR && b < clause->branch_count; b++) calls = calls || has_cut(scope, &clause->branches[b]);
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
        whole.items = lion_arena_array(&scope->run->arena, lion_clause, whole.count + 1);
        memcpy(whole.items, clauses->items, sizeof(lion_clause) * at);
        memcpy(whole.items + at, clauses->items + at + 1, sizeof(lion_clause) * (clauses->count - at - 1));
        if (branch->count > 0) memcpy(whole.items + clauses->count - 1, branch->items, sizeof(lion_clause) * branch->count);
        lion_status status = expand(scope, &whole, list, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* ---- calls ---- */

uint64_t lion_rule_adornment(const lion_clause *clause, const lion_operator *operator)
{
    uint64_t adornment = 0;
    for (uint32_t i = 0; i < clause->term_count && i < LION_RULE_ARITY_MAX; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_bound = term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && lion_operator_slot(operator, term->index) != LION_SLOT_NONE);
        if (is_bound) adornment |= UINT64_C(1) << i;
    }
    return adornment;
}

/* Is the argument given, not found in facts? */
static bool is_given(const lion_scope *scope, const lion_term *term)
{
    return term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && scope->is_given[term->index]);
}

uint64_t lion_rule_given(const lion_scope *scope, const lion_clause *clause, uint64_t adornment)
{
    uint64_t given = 0;
    for (uint32_t i = 0; i < clause->term_count && i < LION_RULE_ARITY_MAX; i++)
        if (lion_rule_binds(adornment, i) && is_given(scope, &clause->terms[i])) given |= UINT64_C(1) << i;
    return given;
}

lion_status lion_rule_argument_of(lion_rule_argument *out, const lion_term *term, const lion_operator *operator, lion_arena *arena, lion_error *error)
{
    *out = (lion_rule_argument){ .slot = LION_SLOT_NONE };
    if (term->kind == LION_TERM_CONST) return lion_query_value(&out->constant, term->constant, arena, error);
    out->slot = lion_operator_slot(operator, term->index);
    return LION_OK;
}

static lion_rule_segment *add_segment(lion_rule_engine *self, lion_rule_table *table)
{
    lion_arena *arena = &self->rules->run->arena;
    if (self->segment_count == self->segment_room) {
        uint32_t room = self->segment_room == 0 ? 16 : self->segment_room * 2;
        self->segments = lion_arena_grow(arena, self->segments, sizeof(lion_rule_segment *) * self->segment_room, sizeof(lion_rule_segment *) * room);
        self->segment_room = room;
    }
    lion_rule_segment *added = lion_arena_new(arena, lion_rule_segment);
    added->table = table;
    self->segments[self->segment_count++] = added;
    return added;
}

/* The call's keys and the layout of what the next segment is fed. */
static lion_status make_call(lion_rule_call **out, lion_rule_engine *self, lion_scope *scope, const lion_clause *clause, const lion_operator *root,
                             const uint8_t *keep, lion_operator **feed_out, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    lion_rule_call *call = lion_arena_new(arena, lion_rule_call);
    uint64_t adornment = lion_rule_adornment(clause, root);
    lion_status status = lion_rule_table_get(&call->callee, self, clause->rule, adornment, lion_rule_given(scope, clause, adornment), error);
    if (status != LION_OK) return status;
    uint32_t arity = clause->term_count, bound = 0, frees = 0, keys = 0, width = 0;
    uint32_t *prefix_key = lion_arena_array(arena, uint32_t, arity + 1);
    uint32_t *feed_vars = lion_arena_array(arena, uint32_t, root->width + arity + 1);
    call->bound = lion_arena_array(arena, lion_rule_argument, arity + 1);
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
        if (lion_rule_binds(adornment, i)) {
            status = lion_rule_argument_of(&call->bound[bound], &clause->terms[i], root, arena, error);
            if (status != LION_OK) return status;
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
    lion_rule_rows_init(&call->prefix, arena, root->width);
    lion_rule_index_init(&call->prefix_by_bound, &call->prefix, prefix_key, keys);
    call->key = lion_arena_array(arena, lion_value, arity + 1);
    call->columns = lion_arena_array(arena, lion_vector, root->width + 1);
    call->keys = lion_arena_array(arena, lion_vector, arity + 1);
    *feed_out = lion_rule_difference_new(scope->run, call, feed_vars, width);
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

/* Per variable, whether the branch without one clause binds it, given the table's bound arguments; false: without that clause it cannot
 * be done. */
static bool binds_without(const lion_scope *scope, const lion_rule_table *table, const lion_clauses *branch, uint32_t without, uint32_t arity, uint8_t *bound)
{
    lion_clauses others = { .items = lion_arena_array(&scope->run->arena, lion_clause, branch->count + 1) };
    memset(bound, 0, scope->capacity + 1);
    if (others.items == NULL) return false;
    for (uint32_t i = 0; i < arity; i++) bound[i] = lion_rule_binds(table->adornment, i);
    for (uint32_t i = 0; i < branch->count; i++)
        if (i != without) others.items[others.count++] = branch->items[i];
    return lion_plan_binds(scope, &others, bound, NULL, 0);
}

/* Is a free argument handed on as it is, and nothing else asked of it? */
static bool is_passed_on(const lion_clause *call, uint32_t at, uint32_t arity, const uint8_t *marks)
{
    if (call->terms[at].kind != LION_TERM_VAR || call->terms[at].index != at || marks[at]) return false;
    for (uint32_t i = 0; i < arity; i++)
        if (i != at && call->terms[i].kind == LION_TERM_VAR && call->terms[i].index == at) return false;
    return true;
}

static bool is_tail(const lion_scope *scope, const lion_rule_table *table, const lion_clauses *branch, uint32_t at, uint32_t arity)
{
    const lion_clause *call = &branch->items[at];
    uint8_t marks[scope->capacity + 1], bound[scope->capacity + 1];
    if (call->kind != LION_CLAUSE_RULE || call->rule != table->rule) return false;
    memset(marks, 0, scope->capacity + 1);
    for (uint32_t i = 0; i < branch->count; i++)
        if (i != at) lion_clause_mark_vars(&branch->items[i], marks);
    if (!binds_without(scope, table, branch, at, arity, bound)) return false;
    for (uint32_t i = 0; i < arity; i++) {
        const lion_term *term = &call->terms[i];
        if (!lion_rule_binds(table->adornment, i)) {
            if (!is_passed_on(call, i, arity, marks)) return false;
            continue;
        }
        bool is_known = term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && bound[term->index]);
        bool is_same = is_given(scope, term) == lion_rule_binds(table->given, i) || is_entity(scope, branch, term);
        if (!is_known || !is_same) return false;
    }
    return true;
}

/* A call of the table itself that passes on every free argument, used nowhere else in the branch. */
static uint32_t find_tail(const lion_scope *scope, const lion_rule_table *table, const lion_clauses *branch, uint32_t arity)
{
    for (uint32_t i = branch->count; i-- > 0;)
        if (is_tail(scope, table, branch, i, arity)) return i;
    return UINT32_MAX;
}

/* The sink's row: seed, then the free head variables or the tail call's bound arguments. */
static lion_status make_sink(lion_rule_segment *last, lion_scope *scope, const lion_rule *rule, const uint32_t *seed_vars, const lion_clause *tail,
                             lion_error *error)
{
    lion_run *run = scope->run;
    lion_rule_table *table = last->table;
    last->sink = tail == NULL ? LION_RULE_ANSWER : LION_RULE_TAIL;
    last->row = lion_arena_array(&run->arena, lion_rule_argument, table->bound_count + rule->arity + 1);
    for (uint32_t i = 0; i < table->bound_count; i++)
        last->row[last->width++] = (lion_rule_argument){ .slot = lion_operator_slot(last->root, seed_vars[i]) };
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (lion_rule_binds(table->adornment, i) != (tail != NULL)) continue;
        lion_term head = { .kind = LION_TERM_VAR, .index = i };
        const lion_term *term = tail == NULL ? &head : &tail->terms[i];
        lion_status status = lion_rule_argument_of(&last->row[last->width], term, last->root, &run->arena, error);
        if (status != LION_OK) return status;
        if (last->row[last->width].slot == LION_SLOT_NONE && term->kind == LION_TERM_VAR) {
            lion_slice name = scope->names[term->index];
            return lion_fail(error, LION_INCORRECT, "db.error/insufficient-binding", "[%.*s] is not bound by a branch of rule %.*s", (int)name.size,
                             (const char *)name.data, (int)rule->name.size, (const char *)rule->name.data);
        }
        last->width++;
    }
    last->columns = lion_arena_array(&run->arena, lion_vector, last->width + 1);
    return LION_OK;
}

static void end_at_call(lion_rule_segment *part, lion_rule_call *call, lion_arena *arena)
{
    part->sink = LION_RULE_CALL;
    part->after = call;
    part->width = part->root->width;
    part->row = lion_arena_array(arena, lion_rule_argument, part->width + 1);
    for (uint32_t i = 0; i < part->width; i++) part->row[i] = (lion_rule_argument){ .slot = i };
    part->columns = lion_arena_array(arena, lion_vector, part->width + 1);
}

/* What is left of the branch, from the segment on. */
static lion_status plan_segments(lion_rule_engine *self, lion_scope *scope, lion_rule_segment *part, lion_todo *todo, const uint8_t *needed,
                                 const uint32_t *seed_vars, const lion_clause *tail, lion_error *error)
{
    for (;;) {
        const lion_clause *cut = NULL;
        lion_status status = lion_plan(scope, todo, &part->root, needed, &cut, error);
        if (status != LION_OK) return status;
        if (cut == NULL) return make_sink(part, scope, &scope->rules[part->table->rule], seed_vars, tail, error);
        lion_rule_call *call = NULL;
        lion_operator *next = NULL;
        status = make_call(&call, self, scope, cut, part->root, lion_plan_keep(scope, todo, needed), &next, error);
        if (status != LION_OK) return status;
        end_at_call(part, call, &scope->run->arena);
        part = add_segment(self, part->table);
        part->before = call;
        part->feed = part->root = next;
        part->feed->rows_estimated = 1;
    }
}

static lion_status plan_branch(lion_rule_engine *self, lion_scope *scope, lion_rule_table *table, const lion_clauses *branch, const uint32_t *seed_vars,
                               const uint32_t *feed_vars, lion_error *error)
{
    lion_arena *arena = &scope->run->arena;
    const lion_rule *rule = &scope->rules[table->rule];
    uint8_t *needed = lion_arena_zalloc(arena, scope->capacity + 1);
    uint32_t tail_at = find_tail(scope, table, branch, rule->arity);
    const lion_clause *tail = tail_at == UINT32_MAX ? NULL : &branch->items[tail_at];
    const lion_value *const *outer = NULL;
    for (uint32_t i = 0; i < table->bound_count; i++) needed[seed_vars[i]] = 1;
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (tail == NULL && !lion_rule_binds(table->adornment, i)) needed[i] = 1;
        if (tail != NULL && lion_rule_binds(table->adornment, i) && tail->terms[i].kind == LION_TERM_VAR) needed[tail->terms[i].index] = 1;
    }
    lion_todo todo;
    lion_todo_init(&todo, branch, branch->count, arena);
    memset(scope->leaders, 0, sizeof(*scope->leaders) * (scope->capacity + 1)); /* another branch's */
    if (tail != NULL) todo.is_done[tail_at] = 1;
    lion_rule_segment *part = add_segment(self, table);
    part->feed = part->root = lion_rule_feed_new(scope->run, &table->frontier, feed_vars);
    part->feed->rows_estimated = 1;
    const char *untrue = lion_rewrite_branch(scope, &todo, &outer);
    if (untrue != NULL) part->root = lion_nothing_new(scope->run, part->root, lion_arena_printf(arena, "%s holds of nothing", untrue));
    lion_status status = plan_segments(self, scope, part, &todo, needed, seed_vars, tail, error);
    scope->known = outer;
    return status;
}

static lion_status plan_table(lion_rule_engine *self, lion_rule_table *table, lion_error *error)
{
    lion_rules *rules = self->rules;
    lion_arena *arena = &rules->run->arena;
    const lion_rule *rule = &rules->rules[table->rule];
    branch_list *list = lion_arena_new(arena, branch_list);
    lion_scope scope = { .run = rules->run, .engine = rules, .tables = self, .component = lion_rules_component(rules, table->rule) };
    uint32_t hidden = table->bound_count + 4;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        hidden += lion_clauses_hidden(&rule->branches[b]);
        lion_status status = expand(&scope, &rule->branches[b], list, error);
        if (status != LION_OK) return status;
    }
    uint32_t component = scope.component;
    lion_scope_init(&scope, rules->run, rule->var_names, rule->var_count, hidden * (list->count + 1));
    scope.rules = rules->rules;
    scope.engine = rules;
    scope.tables = self;
    scope.component = component;
    for (uint32_t b = 0; b < rule->branch_count; b++) {
        lion_scope_mark_attributes(&scope, &rule->branches[b]);
        lion_scope_mark_given(&scope, &rule->branches[b]);
    }
    for (uint32_t i = 0; i < rule->arity; i++)
        if (lion_rule_binds(table->given, i)) scope.is_given[i] = 1;
    uint32_t *seed_vars = lion_arena_array(arena, uint32_t, table->bound_count + 1);
    uint32_t *feed_vars = lion_arena_array(arena, uint32_t, 2 * table->bound_count + 1), at = 0;
    for (uint32_t i = 0; i < table->bound_count; i++) seed_vars[i] = feed_vars[i] = lion_scope_hidden(&scope);
    for (uint32_t i = 0; i < rule->arity; i++)
        if (lion_rule_binds(table->adornment, i)) feed_vars[table->bound_count + at++] = i;
    for (uint32_t b = 0; b < list->count; b++) {
        lion_status status = plan_branch(self, &scope, table, &list->items[b], seed_vars, feed_vars, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_rule_table *add_table(lion_rule_engine *self, uint32_t rule, uint64_t adornment, uint64_t given)
{
    lion_arena *arena = &self->rules->run->arena;
    if (self->table_count == self->table_room) {
        uint32_t room = self->table_room == 0 ? 8 : self->table_room * 2;
        self->tables = lion_arena_grow(arena, self->tables, sizeof(lion_rule_table *) * self->table_room, sizeof(lion_rule_table *) * room);
        self->table_room = room;
    }
    lion_rule_table *table = lion_arena_new(arena, lion_rule_table);
    *table = (lion_rule_table){ .rule = rule, .adornment = adornment, .given = given };
    for (uint32_t i = 0; i < self->rules->rules[rule].arity; i++) {
        if (lion_rule_binds(adornment, i)) table->bound_count++;
        else table->free_count++;
    }
    uint32_t *seed = lion_arena_array(arena, uint32_t, table->bound_count + 1);
    for (uint32_t i = 0; i < table->bound_count; i++) seed[i] = i;
    table->asking = lion_arena_array(arena, lion_vector, 2 * table->bound_count + 1);
    lion_rule_rows_init(&table->frontier, arena, 2 * table->bound_count);
    lion_rule_rows_init(&table->answers, arena, table->bound_count + table->free_count);
    lion_rule_index_init(&table->answers_by_seed, &table->answers, seed, table->bound_count);
    self->tables[self->table_count++] = table;
    return table;
}

lion_status lion_rule_table_get(lion_rule_table **out, lion_rule_engine *self, uint32_t rule, uint64_t adornment, uint64_t given,
                                lion_error *error)
{
    if (self == NULL) return lion_fail_memory(error);
    for (uint32_t i = 0; i < self->table_count; i++)
        if (self->tables[i]->rule == rule && self->tables[i]->adornment == adornment && self->tables[i]->given == given) {
            *out = self->tables[i];
            return LION_OK;
        }
    if (self->rules->rules[rule].arity > LION_RULE_ARITY_MAX)
        return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "a rule has at most %d arguments", LION_RULE_ARITY_MAX);
    *out = add_table(self, rule, adornment, given);
    return plan_table(self, *out, error);
}
