/* parallel.c - which parts of a plan are worth threads. */
#include "query/parallel.h"

#include "query/adapt.h"

/* What threads take before they are of use, and what is to be saved beside it. */
#define BEGIN_NS 5e5
#define SAVED_MIN_NS 5e5
/* So few rows are no work to be shared. */
#define ROWS_MIN 4096
/* What a thread may need for the morsels that are on their way. */
#define MEMORY_EACH (UINT64_C(16) << 20)
/* Of an operator that does not say, as bench/ finds them. */
#define INPUT_NS 40.0
#define OUTPUT_NS 20.0
#define SUBPLAN_NS 250.0
/* Of what threads begin of the last step: a row that is only counted or summed, and one that is looked up. */
#define GROUPED_NS 1.0
#define KEYED_NS 20.0
/* A value that crosses to the run's own thread: it is copied, and read out of the other's cache. */
#define CROSSING_NS 2.0

static bool can_copy(const lion_operator *operator)
{
    if (operator->copy == NULL) return false;
    for (uint32_t i = 0; i < operator->subplan_count; i++)
        for (const lion_operator *at = operator->subplans[i]; at != NULL; at = at->inputs[0])
            if (!can_copy(at)) return false;
    return true;
}

typedef struct part {
    lion_operator **top;       /* where it hangs; NULL: there is none */
    lion_operator *above;      /* that; NULL: the result */
    lion_operator *bottom;
    double cost_ns;
} part;

static double cost_of(const lion_operator *operator)
{
    double in = operator->inputs[0]->rows_estimated, each = INPUT_NS + SUBPLAN_NS * operator->subplan_count;
    if (operator->row_ns > 0) return in * operator->row_ns;
    return in * each + operator->rows_estimated * OUTPUT_NS;
}

/* Wherever it can be, whether it pays or not. */
static bool is_forced(const lion_run *run)
{
    return run->options.plan_seed != 0 || lion_run_forces(run, LION_PLAN_PARALLEL);
}

/* One row to begin with cannot be shared out, and few are no work. */
static bool may_begin(const lion_run *run, const lion_operator *operator)
{
    bool is_many = is_forced(run) || operator->inputs[0]->rows_estimated >= ROWS_MIN;
    return is_many && !lion_feed_is_start(operator->inputs[0]);
}

static bool is_member(const lion_operator *operator)
{
    return operator->inputs[0] != NULL && !operator->spans_rows && can_copy(operator);
}

/* The dearest part from here down the first inputs. */
static part find_part(const lion_run *run, lion_operator **root, const lion_operator *below)
{
    part best = { 0 };
    lion_operator *above = NULL;
    for (lion_operator **at = root; *at != below;) {
        part found = { .top = at, .above = above };
        double cost = 0;
        for (; *at != below && is_member(*at); at = &(*at)->inputs[0]) {
            cost += cost_of(*at);
            above = *at;
            if (!may_begin(run, *at)) continue;
            found.bottom = *at;
            found.cost_ns = cost;
        }
        if (found.bottom != NULL && (best.top == NULL || found.cost_ns > best.cost_ns)) best = found;
        if (*at == below) break;
        if (!lion_adapt_is(*at)) above = *at; /* it hands rows on as they are */
        at = &(*at)->inputs[0];
    }
    return best;
}

/* What threads do of the step above the part before its rows cross; NULL: they cross as they are. */
static const lion_partial_plan *last_step(lion_run *run, const part *found, const lion_partial_plan *groups)
{
    const lion_operator *above = found->above;
    bool is_set = above != NULL && lion_operator_is_distinct(above) && above->ascending == 0; /* where rows ascend it is quick */
    if (is_set) return lion_partial_distinct(run, above->vars, above->width);
    return above == NULL ? groups : NULL;
}

/* What all threads do each for a part less what it costs to have them. */
static bool pays(const lion_run *run, const part *found, const lion_partial_plan *last)
{
    double rows = (*found->top)->rows_estimated, cost = found->cost_ns, crossing = rows * (*found->top)->width * CROSSING_NS;
    if (last != NULL) cost += rows * (last->key_count > 0 ? KEYED_NS : GROUPED_NS);
    if (last != NULL) crossing = 0;
    return cost - cost / run->options.threads - crossing >= BEGIN_NS + SAVED_MIN_NS;
}

void lion_parallel_make(lion_run *run, lion_operator **root, const lion_operator *below, const lion_partial_plan *groups)
{
    uint64_t memory = run->options.memory_max;
    bool is_short = memory != 0 && memory < (uint64_t)run->options.threads * MEMORY_EACH && !is_forced(run);
    if (!lion_run_allows(run, LION_PLAN_PARALLEL) || run->options.threads < 2 || is_short || run->arena.is_exhausted) return;
    for (lion_operator *at = *root; at != below && lion_adapt_is(at); at = at->inputs[0]) lion_adapt_set_groups(at, groups);
    part best = find_part(run, root, below);
    for (lion_operator *at = *root; at != below; at = at->inputs[0])
        if (at->inputs[1] != NULL) lion_parallel_make(run, &at->inputs[1], NULL, NULL); /* by itself: a hash join's table */
    const lion_partial_plan *last = best.top == NULL ? NULL : last_step(run, &best, groups);
    if (best.top == NULL || (!pays(run, &best, last) && !is_forced(run))) return;
    lion_operator *top = last == NULL ? *best.top : lion_partial_new(run, *best.top, last);
    *best.top = lion_exchange_new(run, top, best.bottom);
}
