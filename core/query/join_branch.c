/* join_branch.c - clauses of a branch tried for one row, by look-ups: how many rows they make of what is bound.
 *
 * It serves estimates: looks are counted, nothing is followed further than it is asked for, and of what cannot be looked up
 * it says so: rules, nested queries, functions of the application, values of other times, patterns with neither end bound. */
#include "index/view_parts.h"
#include "query/order.h"

#define CLAUSES_MAX 64
#define ARGUMENTS_MAX 16
#define BATCH_ROWS 16

bool lion_trial_init(lion_trial *self, lion_scope *scope, int64_t *looks)
{
    lion_arena *arena = &scope->run->arena;
    *self = (lion_trial){ .scope = scope, .looks = looks };
    self->values = lion_arena_array(arena, lion_value, scope->capacity + 1);
    self->is_bound = lion_arena_zalloc(arena, scope->capacity + 1);
    return !arena->is_exhausted;
}

void lion_trial_bind(lion_trial *self, uint32_t var, lion_value value)
{
    self->values[var] = value;
    self->is_bound[var] = 1;
}

void lion_trial_forget(lion_trial *self)
{
    memset(self->is_bound, 0, self->scope->capacity);
}

static bool are_bound(const lion_trial *self, const uint32_t *vars, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (!self->is_bound[vars[i]]) return false;
    return true;
}

static double count_rest(lion_trial *self, const lion_clauses *clauses, uint64_t done, double most);

/* ---- patterns ---- */

#define FREE UINT32_MAX

typedef struct reading {
    const lion_view *view;
    const lion_attribute *attribute;
    bool has_e, has_v;
    int64_t e;
    lion_value v;
    uint32_t free_e, free_v;   /* variables that it would bind, or FREE */
} reading;

static bool read_entity(reading *out, const lion_trial *self, const lion_term *term, const lion_db *db)
{
    lion_arena *arena = &self->scope->run->arena;
    lion_value value, ref;
    if (term->kind == LION_TERM_CONST) {
        if (lion_query_value(&value, term->constant, arena, NULL) != LION_OK) return false;
    } else if (term->kind == LION_TERM_VAR && self->is_bound[term->index]) {
        value = self->values[term->index];
    } else {
        if (term->kind == LION_TERM_VAR) out->free_e = term->index;
        return true;
    }
    out->has_e = lion_query_ref(&ref, db, value, arena, NULL) == LION_OK;
    if (out->has_e) out->e = ref.bits;
    return out->has_e;
}

static bool read_value(reading *out, const lion_trial *self, const lion_term *term, const lion_db *db)
{
    if (term->kind == LION_TERM_CONST) {
        out->has_v = lion_db_value(&out->v, db, out->attribute, term->constant, &self->scope->run->arena, NULL) == LION_OK;
        return out->has_v;
    }
    if (term->kind != LION_TERM_VAR) return true;
    out->has_v = self->is_bound[term->index];
    if (out->has_v) out->v = self->values[term->index];
    else out->free_v = term->index;
    return !out->has_v || out->v.type == out->attribute->type;
}

/* false: it cannot be looked up. */
static bool read_pattern(reading *out, const lion_trial *self, const lion_clause *clause)
{
    const lion_db *db = self->scope->run->sources[clause->source].db;
    *out = (reading){ .free_e = FREE, .free_v = FREE };
    if (db == NULL || clause->term_count < 2 || clause->term_count > 3) return false;
    if (!lion_view_is_plain(&db->view) || db->view.filter_count > 0) return false;
    out->view = &db->view;
    out->attribute = lion_clause_attribute(db->schema, clause);
    if (out->attribute == NULL || !read_entity(out, self, &clause->terms[0], db)) return false;
    if (clause->term_count == 3 && !read_value(out, self, &clause->terms[2], db)) return false;
    if (out->free_e != FREE && out->free_e == out->free_v) return false;
    return out->has_e || (out->has_v && out->attribute->is_in_avet);
}

static lion_key key_of(const reading *pattern, lion_index *index_out)
{
    *index_out = pattern->has_e ? LION_AEVT : LION_AVET;
    return (lion_key){ .datom = { .e = pattern->e, .a = pattern->attribute->id, .v = pattern->v },
                       .parts = pattern->has_e && pattern->has_v ? 3 : 2 };
}

/* Nothing else asks for what it binds: its datoms need no look each. */
static double count_datoms(lion_trial *self, const reading *pattern, double most)
{
    lion_index index;
    lion_key key = key_of(pattern, &index);
    uint64_t count = 0;
    (*self->looks)--;
    if (lion_view_estimate(&count, pattern->view, index, &key, NULL) != LION_OK) return LION_TRIAL_UNKNOWN;
    return (double)count < most ? (double)count : most;
}

/* Each of its datoms, with the rest. */
static double follow(lion_trial *self, const reading *pattern, const lion_clauses *clauses, uint64_t done, double most)
{
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    lion_index index;
    lion_key key = key_of(pattern, &index);
    lion_cursor_options options = { .columns = pattern->has_e ? LION_COLUMN_V : LION_COLUMN_E, .batch_rows = BATCH_ROWS };
    uint32_t var = pattern->has_e ? pattern->free_v : pattern->free_e;
    double sum = 0;
    (*self->looks)--;
    if (lion_cursor_open(&cursor, pattern->view, index, &key, &options, &self->scope->run->arena, NULL) != LION_OK) return LION_TRIAL_UNKNOWN;
    while (sum < most && lion_cursor_next(cursor, &batch, NULL) == LION_OK)
        for (uint32_t i = 0; i < batch.count && sum < most; i++) {
            if (var != FREE) lion_trial_bind(self, var, pattern->has_e ? lion_vector_get(&batch.v, i) : lion_value_ref(batch.e[i]));
            double found = count_rest(self, clauses, done, most - sum);
            if (var != FREE) self->is_bound[var] = 0;
            if (found < 0) return found;
            sum += found;
        }
    return sum;
}

/* ---- predicates and functions ---- */

static const lion_function *plain_function(const lion_clause *clause)
{
    const lion_function *function = lion_function_named(clause->name);
    int32_t count = (int32_t)clause->term_count;
    if (function == NULL || function->takes_source || lion_function_yields(function)) return NULL;
    if (lion_slice_equal(clause->name, lion_slice_text("rand"))) return NULL;
    bool fits = count >= function->arity_min && (function->arity_max < 0 || count <= function->arity_max);
    bool is_scalar = clause->kind == LION_CLAUSE_PREDICATE || clause->binding.kind == LION_BIND_SCALAR;
    return fits && is_scalar && count <= ARGUMENTS_MAX ? function : NULL;
}

static bool has_arguments(const lion_trial *self, const lion_clause *clause)
{
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        bool is_there = term->kind == LION_TERM_CONST || (term->kind == LION_TERM_VAR && self->is_bound[term->index]);
        if (!is_there || (term->kind == LION_TERM_VAR && self->scope->is_attribute[term->index])) return false;
    }
    return plain_function(clause) != NULL;
}

static double compute(lion_trial *self, const lion_clause *clause, const lion_clauses *clauses, uint64_t done, double most)
{
    lion_arena *arena = &self->scope->run->arena;
    lion_value values[ARGUMENTS_MAX], answer = { 0 };
    (*self->looks)--;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        const lion_term *term = &clause->terms[i];
        if (term->kind == LION_TERM_VAR) values[i] = self->values[term->index];
        else if (lion_query_value(&values[i], term->constant, arena, NULL) != LION_OK) return LION_TRIAL_UNKNOWN;
    }
    lion_function_call call = { .run = self->scope->run, .arena = arena, .name = clause->name };
    lion_status status = plain_function(clause)->apply(&call, values, clause->term_count, &answer, NULL);
    lion_function_forget(&call);
    if (status != LION_OK) return LION_TRIAL_UNKNOWN;
    if (clause->kind == LION_CLAUSE_PREDICATE) return lion_value_is_truthy(answer) ? count_rest(self, clauses, done, most) : 0;
    uint32_t var = clause->binding.var;
    if (answer.type == LION_TYPE_NIL) return 0;
    if (self->is_bound[var]) return lion_value_equal(answer, self->values[var]) ? count_rest(self, clauses, done, most) : 0;
    lion_trial_bind(self, var, answer);
    double found = count_rest(self, clauses, done, most);
    self->is_bound[var] = 0;
    return found;
}

/* ---- clauses ---- */

/* Whether any branch finds something. */
static double holds(lion_trial *self, const lion_clause *clause)
{
    for (uint32_t b = 0; b < clause->branch_count; b++) {
        double found = count_rest(self, &clause->branches[b], 0, 1);
        if (found != 0) return found;
    }
    return 0;
}

/* In which order clauses that can be done now are done; LAST: it cannot. */
enum { FIRST, LOOK, FOLLOW, BRANCH, LAST };

static int place_of(const lion_trial *self, const lion_clause *clause)
{
    reading pattern;
    switch (clause->kind) {
    case LION_CLAUSE_PREDICATE:
    case LION_CLAUSE_FUNCTION: return has_arguments(self, clause) ? FIRST : LAST;
    case LION_CLAUSE_PATTERN: return !read_pattern(&pattern, self, clause) ? LAST : pattern.has_e && pattern.has_v ? LOOK : FOLLOW;
    case LION_CLAUSE_NOT:
    case LION_CLAUSE_OR:
        return are_bound(self, clause->vars, clause->var_count) && are_bound(self, clause->required, clause->required_count) ? BRANCH : LAST;
    default: return LAST;
    }
}

static double step(lion_trial *self, const lion_clause *clause, const lion_clauses *clauses, uint64_t done, double most)
{
    reading pattern;
    bool is_last = done == lion_trial_all(clauses);
    if (clause->kind == LION_CLAUSE_PREDICATE || clause->kind == LION_CLAUSE_FUNCTION) return compute(self, clause, clauses, done, most);
    if (clause->kind == LION_CLAUSE_PATTERN) {
        if (!read_pattern(&pattern, self, clause)) return LION_TRIAL_UNKNOWN;
        return is_last ? count_datoms(self, &pattern, most) : follow(self, &pattern, clauses, done, most);
    }
    double found = holds(self, clause);
    if (found < 0) return found;
    return (found > 0) == (clause->kind == LION_CLAUSE_OR) ? count_rest(self, clauses, done, most) : 0;
}

static double count_rest(lion_trial *self, const lion_clauses *clauses, uint64_t done, double most)
{
    uint32_t best = clauses->count;
    int place = LAST;
    if (*self->looks <= 0 || self->scope->run->arena.is_exhausted) return LION_TRIAL_UNKNOWN;
    if (done == lion_trial_all(clauses)) return 1;
    for (uint32_t i = 0; i < clauses->count && place > FIRST; i++) {
        if ((done >> i & 1) != 0) continue;
        int found = place_of(self, &clauses->items[i]);
        if (found >= place) continue;
        place = found;
        best = i;
    }
    return best == clauses->count ? LION_TRIAL_UNKNOWN : step(self, &clauses->items[best], clauses, done | UINT64_C(1) << best, most);
}

double lion_trial_count(lion_trial *self, const lion_clauses *clauses, uint64_t done, double most)
{
    return clauses->count > CLAUSES_MAX ? LION_TRIAL_UNKNOWN : count_rest(self, clauses, done, most);
}
