/* rule_tables.c - a table's branches as segments, cut at their calls. */
#include "query/rule_tables.h"

#define BRANCHES_MAX 1024

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

static lion_rule_segment *add_segment(lion_rules *self, lion_rule_table *table)
{
    lion_arena *arena = &self->run->arena;
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
static lion_status make_call(lion_rule_call **out, lion_rules *self, lion_scope *scope, const lion_clause *clause, const lion_operator *root,
                             const uint8_t *keep, uint32_t **feed_vars_out, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    lion_rule_call *call = lion_arena_new(arena, lion_rule_call);
    uint64_t adornment = lion_rule_adornment(clause, root);
    lion_status status = lion_rule_table_get(&call->callee, self, clause->rule, adornment, lion_rule_given(scope, clause, adornment), error);
    if (status != LION_OK) return status;
    uint32_t arity = clause->term_count, bound = 0, frees = 0, keys = 0, width = 0;
    uint32_t *seed_key = lion_arena_array(arena, uint32_t, arity + 1), *prefix_key = lion_arena_array(arena, uint32_t, arity + 1);
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
static uint32_t find_tail(const lion_scope *scope, const lion_rule_table *table, const lion_clauses *branch, uint32_t arity, uint32_t var_count)
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
            if (lion_rule_binds(table->adornment, k)) {
                /* Bound by the other clauses, or by the head's bound arguments. */
                bool is_known = term->kind == LION_TERM_CONST || (is_var && (marks[term->index] || (term->index < arity && lion_rule_binds(table->adornment, term->index))));
                bool is_same = is_given(scope, term) == lion_rule_binds(table->given, k) || is_entity(scope, branch, term);
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
    last->values = lion_arena_array(&run->arena, lion_value, last->width + 1);
    return LION_OK;
}

static void end_at_call(lion_rule_segment *part, lion_rule_call *call, lion_arena *arena)
{
    part->sink = LION_RULE_CALL;
    part->after = call;
    part->width = part->root->width;
    part->row = lion_arena_array(arena, lion_rule_argument, part->width + 1);
    for (uint32_t i = 0; i < part->width; i++) part->row[i] = (lion_rule_argument){ .slot = i };
    part->values = lion_arena_array(arena, lion_value, part->width + 1);
}

static lion_status plan_branch(lion_rules *self, lion_scope *scope, lion_rule_table *table, const lion_clauses *branch, const uint32_t *seed_vars,
                               const uint32_t *feed_vars, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    const lion_rule *rule = &self->rules[table->rule];
    uint8_t *needed = lion_arena_zalloc(arena, scope->capacity + 1);
    uint32_t tail_at = find_tail(scope, table, branch, rule->arity, rule->var_count);
    const lion_clause *tail = tail_at == UINT32_MAX ? NULL : &branch->items[tail_at];
    for (uint32_t i = 0; i < table->bound_count; i++) needed[seed_vars[i]] = 1;
    for (uint32_t i = 0; i < rule->arity; i++) {
        if (tail == NULL && !lion_rule_binds(table->adornment, i)) needed[i] = 1;
        if (tail != NULL && lion_rule_binds(table->adornment, i) && tail->terms[i].kind == LION_TERM_VAR) needed[tail->terms[i].index] = 1;
    }
    lion_todo todo;
    lion_todo_init(&todo, branch, 0, arena);
    memset(scope->leaders, 0, sizeof(*scope->leaders) * (scope->capacity + 1)); /* another branch's */
    if (tail != NULL) todo.is_done[tail_at] = 1;
    lion_rule_segment *part = add_segment(self, table);
    part->feed = part->root = lion_feed_new(self->run, &table->frontier, feed_vars, 2 * table->bound_count);
    part->feed->rows_estimated = 1;
    for (;;) {
        const lion_clause *cut = NULL;
        lion_status status = lion_plan(scope, &todo, &part->root, needed, &cut, error);
        if (status != LION_OK) return status;
        if (cut == NULL) return make_sink(part, scope, rule, seed_vars, tail, error);
        lion_rule_call *call = NULL;
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

static lion_status plan_table(lion_rules *self, lion_rule_table *table, lion_error *error)
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

lion_status lion_rule_table_get(lion_rule_table **out, lion_rules *self, uint32_t rule, uint64_t adornment, uint64_t given, lion_error *error)
{
    lion_arena *arena = &self->run->arena;
    const lion_rule *called = &self->rules[rule];
    for (uint32_t i = 0; i < self->table_count; i++)
        if (self->tables[i]->rule == rule && self->tables[i]->adornment == adornment && self->tables[i]->given == given) {
            *out = self->tables[i];
            return LION_OK;
        }
    if (called->arity > LION_RULE_ARITY_MAX) return lion_fail(error, LION_UNSUPPORTED, "lion/unsupported", "a rule has at most %d arguments", LION_RULE_ARITY_MAX);
    for (const lion_rules *engine = self; engine->parent != NULL; engine = engine->parent)
        if (engine->owner == rule)
            return lion_fail(error, LION_INCORRECT, "lion/syntax", "rule %.*s calls itself inside a not: that has no answer", (int)called->name.size,
                             (const char *)called->name.data);
    if (self->table_count == self->table_room) {
        uint32_t room = self->table_room == 0 ? 8 : self->table_room * 2;
        self->tables = lion_arena_grow(arena, self->tables, sizeof(lion_rule_table *) * self->table_room, sizeof(lion_rule_table *) * room);
        self->table_room = room;
    }
    lion_rule_table *table = lion_arena_new(arena, lion_rule_table);
    table->rule = rule;
    table->adornment = adornment;
    table->given = given;
    for (uint32_t i = 0; i < called->arity; i++) {
        if (lion_rule_binds(adornment, i)) table->bound_count++;
        else table->free_count++;
    }
    lion_relation_init(&table->frontier, arena, 2 * table->bound_count);
    lion_relation_init(&table->answers, arena, table->bound_count + table->free_count);
    self->tables[self->table_count++] = table;
    *out = table;
    return plan_table(self, table, error);
}
