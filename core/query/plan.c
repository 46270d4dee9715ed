/* plan.c - operators in the order of the join graph, or clause by clause. */
#include "query/plan.h"

#include <math.h>

#include "query/adapt.h"
#include "query/order.h"
#include "query/rewrite.h"

/* ---- the order ---- */

static void mark_bound(const lion_operator *operator, uint8_t *bound)
{
    for (uint32_t i = 0; i < operator->width; i++) bound[operator->vars[i]] = 1;
}

/* A variable of an input that is still to come would be found by a pattern without its value's help; unless it was found so before. */
static bool waits_for_input(const lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    uint8_t marks[scope->capacity + 1];
    if (clause->kind == LION_PLAN_INPUT) return false;
    memset(marks, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, marks);
    for (uint32_t i = 0; i < scope->capacity; i++)
        if (marks[i] && scope->is_pending[i] && lion_operator_slot(operator, i) == LION_SLOT_NONE) return true;
    return false;
}

/* The clause to do next; todo->count: none can be done. */
static uint32_t choose(lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *bound, double *fanout_out)
{
    uint32_t best = todo->count, ready = 0, only = 0;
    double best_fanout = 0;
    for (uint32_t i = 0; i < todo->count; i++) {
        if (todo->is_done[i] || waits_for_input(scope, todo->items[i], operator) || !lion_plan_is_ready(scope, todo->items[i], bound)) continue;
        ready++;
        only = i;
    }
    *fanout_out = 1;
    if (scope->run->dice != 0 && ready > 1) {
        uint32_t wanted = lion_plan_dice(scope->run, ready);
        for (uint32_t i = 0; i < todo->count; i++) {
            if (todo->is_done[i] || waits_for_input(scope, todo->items[i], operator) || !lion_plan_is_ready(scope, todo->items[i], bound)) continue;
            if (wanted-- == 0) return i;
        }
    }
    if (ready == 1) {
        *fanout_out = lion_stats_fanout(scope, todo->items[only], operator);
        return only;
    }
    for (uint32_t i = 0; i < todo->count && ready > 0; i++) {
        if (todo->is_done[i] || waits_for_input(scope, todo->items[i], operator) || !lion_plan_is_ready(scope, todo->items[i], bound)) continue;
        double fanout = lion_stats_fanout(scope, todo->items[i], operator);
        if (best != todo->count && fanout >= best_fanout) continue;
        best = i;
        best_fanout = fanout;
    }
    *fanout_out = best_fanout;
    return best;
}

static lion_status fail_stuck(const lion_scope *scope, const lion_todo *todo, const uint8_t *bound, lion_error *error)
{
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i] && !lion_plan_is_ready(scope, todo->items[i], bound)) return lion_plan_fail_binding(scope, todo->items[i], bound, error);
    return lion_fail(error, LION_FAULT, "lion/fault", "no clause can be planned");
}

#define DISTINCT_ROWS_MIN 32

/* Rows that differed only in a variable that was dropped are one row; worth the hash only when more joins follow. */
static bool wants_distinct(const lion_todo *todo, const lion_operator *operator)
{
    bool is_forced = lion_run_forces(operator->run, LION_PLAN_DISTINCT), drops = false, follows = is_forced;
    if (!lion_run_allows(operator->run, LION_PLAN_DISTINCT) || operator->is_distinct || operator->inputs[0] == NULL) return false;
    if (operator->rows_estimated < DISTINCT_ROWS_MIN && !is_forced) return false;
    for (uint32_t i = 0; i < operator->inputs[0]->width; i++)
        if (lion_operator_slot(operator, operator->inputs[0]->vars[i]) == LION_SLOT_NONE) drops = true;
    for (uint32_t i = 0; i < todo->count; i++) {
        uint8_t kind = todo->items[i]->kind;
        if (todo->is_done[i]) continue;
        follows = follows || kind == LION_CLAUSE_PATTERN || kind == LION_CLAUSE_RULE || kind == LION_CLAUSE_OR || kind == LION_CLAUSE_QUERY;
    }
    return drops && follows;
}

/* Its text, and which rule's it is. */
static const char *detail_of(lion_run *run, const lion_clause *clause)
{
    const char *text = lion_plan_detail(run, clause->text);
    return clause->call == NULL ? text : lion_arena_printf(&run->arena, "%s of %s", text, lion_plan_detail(run, clause->call->text));
}

/* Each row once from here on, where that is worth it; kept: how many are estimated to be different. */
static void add_distinct(lion_scope *scope, const lion_todo *todo, double kept, lion_operator **operator, const uint8_t *keep)
{
    if (!wants_distinct(todo, *operator)) return;
    *operator = lion_distinct_new(scope->run, *operator, keep);
    (*operator)->is_distinct = true;
    (*operator)->rows_estimated = kept;
}

/* Could another clause, which the plan has later, have bound one of the clause's variables? */
static bool is_bound_later(const lion_scope *scope, const lion_todo *todo, const lion_clause *clause)
{
    uint8_t own[scope->capacity + 1], others[scope->capacity + 1];
    memset(own, 0, scope->capacity + 1);
    memset(others, 0, scope->capacity + 1);
    lion_clause_mark_vars(clause, own);
    for (uint32_t i = 0; i < todo->count; i++) {
        uint8_t kind = todo->items[i]->kind;
        bool binds = kind == LION_CLAUSE_PATTERN || kind == LION_CLAUSE_RULE || kind == LION_CLAUSE_OR;
        if (!todo->is_done[i] && binds) lion_clause_mark_vars(todo->items[i], others);
    }
    for (uint32_t i = 0; i < scope->capacity; i++)
        if (own[i] && others[i]) return true;
    return false;
}

/* One clause onto *operator; rows are what is estimated to be there then, kept the different ones; is_by_value: a scan's are to ascend
 * by the value. */
static lion_status add_clause(lion_scope *scope, lion_todo *todo, uint32_t next, double rows, double kept, bool is_by_value,
                              lion_operator **operator, const uint8_t *needed, lion_error *error)
{
    const lion_operator *input = *operator;
    const lion_clause *clause = todo->items[next];
    todo->is_done[next] = 1;
    const uint8_t *keep = lion_plan_keep(scope, todo, needed);
    lion_status status = lion_plan_operator(scope, clause, operator, keep, error);
    if (status != LION_OK) return status;
    if (is_by_value) lion_scan_sort(*operator, clause->terms[2].index);
    if (clause->kind == LION_CLAUSE_RULE && (*operator)->advice != NULL && is_bound_later(scope, todo, clause)) (*operator)->advice = NULL;
    (*operator)->is_distinct = lion_plan_is_distinct(scope, clause, input, *operator);
    (*operator)->rows_estimated = rows;
    if ((*operator)->detail == NULL) (*operator)->detail = detail_of(scope->run, clause);
    add_distinct(scope, todo, kept, operator, keep);
    return LION_OK;
}

/* ---- in the order that the join graph gives (order.h) ---- */

typedef struct following {
    const lion_order *order;
    uint32_t at;               /* the next step */
    uint32_t joins;            /* behind */
    bool adapts;               /* checkpoints may stand between its steps */
} following;

static lion_status follow(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed, following part,
                          const lion_clause **cut_out, lion_error *error);

static const char *names_of_key(lion_scope *scope, const lion_operator *left, const lion_operator *right)
{
    const char *text = "";
    for (uint32_t i = 0; i < right->width; i++) {
        uint32_t var = right->vars[i];
        bool is_known = scope->known != NULL && scope->known[var] != NULL;
        if (lion_operator_slot(left, var) == LION_SLOT_NONE || var >= scope->name_count || is_known) continue;
        text = lion_arena_printf(&scope->run->arena, "%s%s%.*s", text, *text == 0 ? "" : " ", (int)scope->names[var].size,
                                 (const char *)scope->names[var].data);
    }
    return text;
}

/* Rows of which a semi-join leaves more than this part are made distinct before it. */
#define SEMI_PART_MAX 0.75

/* A semi-join by one key asks less of a row than a distinct does: it had better come before. NULL: it is another join, or leaves too many. */
static lion_operator *semi_before_distinct(lion_scope *scope, lion_operator *left, lion_operator *right, double rows, const uint8_t *keep)
{
    lion_run *run = scope->run;
    uint32_t keys = 0;
    for (uint32_t i = 0; i < right->width; i++) {
        if (lion_operator_slot(left, right->vars[i]) == LION_SLOT_NONE) return NULL;
        keys += scope->known == NULL || scope->known[right->vars[i]] == NULL;
    }
    bool is_few = rows < left->rows_estimated * SEMI_PART_MAX || lion_run_forces(run, LION_PLAN_SEMI_JOIN);
    if (!lion_operator_is_distinct(left) || keys != 1 || !is_few || !lion_run_allows(run, LION_PLAN_SEMI_JOIN)) return NULL;
    lion_operator *input = left->inputs[0];
    lion_operator *semi = lion_hash_join_new(run, input, right, scope->known, lion_operator_keep(left, run));
    semi->detail = names_of_key(scope, left, right);
    semi->rows_estimated = input->rows_estimated * rows / fmax(left->rows_estimated, 1);
    lion_operator *made = lion_distinct_new(run, semi, keep);
    made->is_distinct = true;
    return made;
}

/* Two plans in the order of what they share. The right's rows are met again and again: each once, which costs little where they have an
 * order. NULL: they have not. */
static lion_operator *merge_of(lion_scope *scope, lion_operator *left, lion_operator *right, const uint8_t *keep)
{
    lion_run *run = scope->run;
    if (!lion_run_allows(run, LION_PLAN_MERGE_JOIN) || !lion_merge_can(left, right, scope->known)) return NULL;
    bool adds = false;
    for (uint32_t i = 0; i < right->width; i++) adds = adds || lion_operator_slot(left, right->vars[i]) == LION_SLOT_NONE;
    if (adds && !right->is_distinct) {
        double rows = right->rows_estimated;
        right = lion_distinct_new(run, right, lion_operator_keep(right, run));
        right->is_distinct = true;
        right->rows_estimated = rows;
    }
    return lion_merge_new(run, left, right, keep);
}

/* A set of keys finds out by itself what is there already: no distinct comes before it. */
static lion_operator *keys_of(const lion_operator *left, lion_operator *right)
{
    const lion_run *run = left->run;
    bool is_set = lion_run_allows(run, LION_PLAN_SEMI_JOIN) && !lion_run_forces(run, LION_PLAN_DISTINCT);
    for (uint32_t i = 0; i < right->width; i++) is_set = is_set && lion_operator_slot(left, right->vars[i]) != LION_SLOT_NONE;
    return is_set && lion_operator_is_distinct(right) && right->inputs[0]->width == right->width ? right->inputs[0] : right;
}

/* A part of the plan by itself, joined by hash, or in the order of what both have. */
static lion_status add_group(lion_scope *scope, lion_todo *todo, const lion_order_step *step, lion_operator **operator, const uint8_t *needed,
                             lion_error *error)
{
    lion_run *run = scope->run;
    lion_operator *left = *operator, *right = lion_unit_new(run);
    uint8_t *wanted = lion_arena_alloc(&run->arena, scope->capacity + 1);
    memcpy(wanted, needed, scope->capacity);
    for (uint32_t i = 0; i < left->width; i++) wanted[left->vars[i]] = 1;
    lion_status status = follow(scope, todo, &right, wanted, (following){ .order = step->group }, NULL, error);
    if (status != LION_OK) return status;
    right->rows_estimated = step->group->rows;
    if (!step->is_merged) right = keys_of(left, right);
    lion_operator *made = step->is_merged ? NULL : semi_before_distinct(scope, left, right, step->rows, lion_plan_keep(scope, todo, needed));
    if (made != NULL) {
        made->rows_estimated = step->kept;
        *operator = made;
        return LION_OK;
    }
    const uint8_t *keep = lion_plan_keep(scope, todo, needed);
    lion_operator *merged = step->is_merged ? merge_of(scope, left, right, keep) : NULL;
    *operator = merged != NULL ? merged : lion_hash_join_new(run, left, right, scope->known, keep);
    (*operator)->detail = names_of_key(scope, left, right);
    (*operator)->rows_estimated = step->rows;
    if (merged == NULL) lion_hash_join_filter(*operator, scope->known, step->rows);
    (*operator)->is_distinct = (*operator)->is_set && lion_plan_is_distinct(scope, todo->items[0], left, *operator);
    if (*(*operator)->detail == 0) (*operator)->advice = lion_plan_product(scope, left, right);
    add_distinct(scope, todo, step->kept, operator, keep);
    return LION_OK;
}

/* The clauses of the steps, and of those within them. */
static void mark_steps(lion_todo *todo, const lion_order *order, uint8_t is_done)
{
    for (uint32_t i = 0; i < order->count; i++) {
        const lion_order_step *step = &order->steps[i];
        if (step->group != NULL) mark_steps(todo, step->group, is_done);
        else todo->is_done[step->clause] = is_done;
        for (uint32_t k = 0; k < step->cycle_count; k++) todo->is_done[step->cycle[k]] = is_done;
        for (uint32_t k = 0; k < step->set_count; k++) mark_steps(todo, step->sets[k].order, is_done);
    }
}

/* Steps by themselves whose rows are what a variable of a cycle may be. */
static lion_status make_set(lion_cycle_set *set_out, lion_scope *scope, lion_todo *todo, const lion_order_set *set, lion_error *error)
{
    lion_run *run = scope->run;
    lion_todo alone = *todo;
    uint8_t *wanted = lion_arena_zalloc(&run->arena, scope->capacity + 1);
    alone.is_done = lion_arena_alloc(&run->arena, todo->count + 1);
    if (run->arena.is_exhausted) return lion_arena_check(&run->arena, error);
    memset(alone.is_done, 1, todo->count + 1);
    wanted[set->var] = 1;
    mark_steps(&alone, set->order, 0);
    *set_out = (lion_cycle_set){ .var = set->var, .root = lion_unit_new(run) };
    lion_status status = follow(scope, &alone, &set_out->root, wanted, (following){ .order = set->order }, NULL, error);
    set_out->root->rows_estimated = set->order->rows;
    mark_steps(todo, set->order, 1);
    return status;
}

/* The clauses of a cycle onto *operator. */
static lion_status add_cycle(lion_scope *scope, lion_todo *todo, const lion_order_step *step, lion_operator **operator, const uint8_t *needed,
                             lion_error *error)
{
    lion_cycle cycle;
    lion_cycle_set sets[LION_CYCLE_VARS_MAX];
    const lion_operator *input = *operator;
    lion_status status = LION_OK;
    uint32_t set_count = 0;
    for (; status == LION_OK && set_count < step->set_count; set_count++)
        status = make_set(&sets[set_count], scope, todo, &step->sets[set_count], error);
    lion_cycle_at(&cycle, scope, todo, step->cycle, step->cycle_count);
    for (uint32_t i = 0; i < step->cycle_count; i++) todo->is_done[step->cycle[i]] = 1;
    const uint8_t *keep = lion_plan_keep(scope, todo, needed);
    *operator = lion_cycle_new(scope, *operator, &cycle, sets, set_count, keep); /* and closes the sets, whole or not */
    if (status != LION_OK) return status;
    /* One clause tells nothing of the others. */
    (*operator)->is_distinct = (*operator)->is_set && lion_plan_is_distinct(scope, todo->items[step->clause], input, *operator);
    (*operator)->rows_estimated = step->rows;
    add_distinct(scope, todo, step->kept, operator, keep);
    return LION_OK;
}

/* Nodes before and behind a checkpoint: an estimate of one is seldom far off, and one more has but one way to go. */
#define CHECKPOINT_AFTER 2
#define CHECKPOINT_BEFORE 2

/* A set of keys that takes no longer to make: whatever rows there are, nothing better can come next, so the checkpoint comes
 * behind it, where rows are fewer, and a distinct that is there already stays next to it (semi_before_distinct). */
#define SET_COST_MAX_NS 50000.0

static bool wants_checkpoint(lion_scope *scope, const following *part)
{
    const lion_order *order = part->order;
    uint32_t left = 0;
    bool is_allowed = part->adapts && lion_run_allows(scope->run, LION_PLAN_CHECKPOINT);
    if (!is_allowed || !order->steps[part->at].is_join) return false;
    if (lion_run_forces(scope->run, LION_PLAN_CHECKPOINT)) return part->joins > 0;
    for (uint32_t i = part->at; i < order->count; i++) left += order->steps[i].is_join;
    if (scope->run->dice != 0) return part->joins > 0 && lion_plan_dice(scope->run, 3) == 1;
    if (order->steps[part->at].is_semi && order->steps[part->at].group->cost_ns < SET_COST_MAX_NS) return false;
    return part->joins >= CHECKPOINT_AFTER && left >= CHECKPOINT_BEFORE;
}

static lion_status follow_step(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed, const lion_order_step *step,
                               const lion_clause **cut_out, bool *is_stuck_out, lion_error *error)
{
    uint8_t bound[scope->capacity + 1];
    const lion_clause *clause = todo->items[step->clause];
    if (step->group != NULL) return add_group(scope, todo, step, operator, needed, error);
    if (todo->is_done[step->clause] && clause->kind != LION_PLAN_INPUT) return LION_OK;
    memset(bound, 0, scope->capacity + 1);
    mark_bound(*operator, bound);
    *is_stuck_out = !lion_plan_is_ready(scope, clause, bound);
    lion_status status = lion_run_check(scope->run, error);
    if (status != LION_OK || *is_stuck_out) return status;
    if (step->cycle != NULL) return add_cycle(scope, todo, step, operator, needed, error);
    if (cut_out != NULL && lion_rules_is_cut(scope, clause)) {
        todo->is_done[step->clause] = 1;
        *cut_out = clause;
        return LION_OK;
    }
    return add_clause(scope, todo, step->clause, step->rows, step->kept, step->is_by_value, operator, needed, error);
}

/* Steps one after the other; those behind a checkpoint are an operator of their own. */
static lion_status follow(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed, following part,
                          const lion_clause **cut_out, lion_error *error)
{
    bool is_stuck = false; /* what is left goes clause by clause */
    for (; part.at < part.order->count && !is_stuck && (cut_out == NULL || *cut_out == NULL); part.at++) {
        const lion_order_step *step = &part.order->steps[part.at];
        if (wants_checkpoint(scope, &part)) {
            lion_adaptation *adaptation = lion_adapt_begin(scope, todo, operator, needed);
            part.joins = lion_run_is_told(scope->run) ? 0 : 1;
            lion_status status = follow(scope, todo, operator, needed, part, cut_out, error);
            *operator = lion_adapt_end(adaptation, *operator);
            return status;
        }
        part.joins += step->is_join;
        lion_status status = follow_step(scope, todo, operator, needed, step, cut_out, &is_stuck, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* Fewer clauses than this have one order worth a thought. */
#define ORDER_CLAUSES_MIN 2

static bool make_order(lion_order *order, lion_scope *scope, const lion_todo *todo, const lion_operator *operator, const uint8_t *needed,
                       bool is_flat)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < todo->count; i++) left += !todo->is_done[i];
    if (lion_plan_dice(scope->run, 4) == 3) return false; /* a random plan may go clause by clause */
    return left >= ORDER_CLAUSES_MIN && lion_order_make(order, scope, todo, operator, needed, is_flat);
}

/* ---- clause by clause ---- */

/* A row that is looked up costs as much as so many references read into arrays. */
#define CYCLE_ROW_COST 8

/* The cycle that the clause is in onto *operator, if the clause alone would leave too many rows. */
static bool add_cycle_of(lion_scope *scope, lion_todo *todo, uint32_t next, double rows, lion_operator **operator, const uint8_t *needed,
                         lion_error *error)
{
    lion_cycle cycles[LION_CYCLES_MAX];
    uint32_t count = lion_cycles_find(cycles, scope, todo);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t clauses[LION_CYCLE_EDGES_MAX];
        lion_order_step step = { .clause = next, .cycle = clauses, .cycle_count = cycles[i].edge_count, .rows = rows, .kept = rows };
        bool is_in = false, waits = false;
        for (uint32_t k = 0; k < cycles[i].edge_count; k++) {
            clauses[k] = cycles[i].edges[k].at;
            is_in = is_in || clauses[k] == next;
            waits = waits || waits_for_input(scope, todo->items[clauses[k]], *operator);
        }
        bool is_dear = lion_run_forces(scope->run, LION_PLAN_MULTIWAY_JOIN) ? true : scope->run->dice != 0 ? lion_plan_dice(scope->run, 2) == 0
                                             : rows * CYCLE_ROW_COST >= lion_cycle_references(&cycles[i], scope->run);
        if (!is_in || waits || !is_dear) continue;
        if (cycles[i].lacks_room) {
            scope->run->references_missed = fmax(scope->run->references_missed, lion_cycle_references(&cycles[i], scope->run));
            continue;
        }
        return add_cycle(scope, todo, &step, operator, needed, error) == LION_OK;
    }
    return false;
}

static lion_status plan_all(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed,
                            const lion_clause **cut_out, lion_error *error)
{
    uint8_t *bound = lion_arena_zalloc(&scope->run->arena, scope->capacity + 1);
    lion_order order;
    if (cut_out != NULL) *cut_out = NULL;
    if (make_order(&order, scope, todo, *operator, needed, cut_out != NULL)) {
        following all = { .order = &order, .adapts = scope->adapts };
        lion_status status = follow(scope, todo, operator, needed, all, cut_out, error);
        if (status != LION_OK || (cut_out != NULL && *cut_out != NULL)) return status;
    }
    for (;;) {
        double fanout = 1, rows = (*operator)->rows_estimated;
        uint32_t left = 0;
        for (uint32_t i = 0; i < todo->count; i++) left += !todo->is_done[i];
        if (left == 0) return LION_OK;
        lion_status status = lion_run_check(scope->run, error);
        if (status != LION_OK) return status;
        mark_bound(*operator, bound);
        uint32_t next = choose(scope, todo, *operator, bound, &fanout);
        if (next == todo->count) return fail_stuck(scope, todo, bound, error);
        const lion_clause *clause = todo->items[next];
        if (cut_out != NULL && lion_rules_is_cut(scope, clause)) {
            todo->is_done[next] = 1;
            *cut_out = clause;
            return LION_OK;
        }
        if (add_cycle_of(scope, todo, next, fmax(rows, 1) * fanout, operator, needed, error)) continue;
        status = add_clause(scope, todo, next, fmax(rows, 1) * fanout, fmax(rows, 1) * fanout, false, operator, needed, error);
        if (status != LION_OK) return status;
    }
}

lion_status lion_plan(lion_scope *scope, lion_todo *todo, lion_operator **operator, const uint8_t *needed,
                      const lion_clause **cut_out, lion_error *error)
{
    lion_rewrite_equal(scope, todo, *operator, needed);
    lion_range **outer = lion_ranges_read(scope, todo);
    const char *reason = lion_rewrite_empty(scope, todo);
    if (reason != NULL) *operator = lion_nothing_new(scope->run, *operator, reason);
    lion_status status = plan_all(scope, todo, operator, needed, cut_out, error);
    scope->ranges = outer;
    return status;
}
