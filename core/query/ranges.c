/* ranges.c - comparisons of a variable with a value that is known become a range of AVET, and so does what it starts with.
 *
 * A range only narrows what is read; the comparisons stay in the plan and decide. So a bound may be a little wide, as
 * one of a double is on longs. A branch has those of the conjunction that it stands in, too: rows outside of them go in any
 * case. Its own hold in the branch alone. */
#include <math.h>

#include "query/plan.h"

struct lion_range {
    bool has_low, has_high;
    lion_value low, high; /* both within the range */
};

static const lion_value *known_value(lion_scope *scope, const lion_term *term)
{
    if (term->kind == LION_TERM_VAR) return scope->known == NULL ? NULL : scope->known[term->index];
    if (term->kind != LION_TERM_CONST || term->constant->kind != LION_FORM_VALUE) return NULL;
    return &term->constant->value;
}

static void narrow(lion_range *range, bool is_low, const lion_value *value)
{
    bool *has = is_low ? &range->has_low : &range->has_high;
    lion_value *bound = is_low ? &range->low : &range->high;
    if (*has && lion_value_compare(*value, *bound) * (is_low ? 1 : -1) <= 0) return;
    *has = true;
    *bound = *value;
}

/* The variable's range, to be narrowed; the outer conjunction's stays as it is. NULL: the arena is exhausted, which the next check of
 * the run says. */
static lion_range *own_range(lion_scope *scope, uint32_t var)
{
    lion_range **range = &scope->ranges[var];
    lion_range *narrower = lion_arena_new(&scope->run->arena, lion_range);
    if (scope->run->arena.is_exhausted) return NULL;
    *narrower = *range == NULL ? (lion_range){ 0 } : **range;
    *range = narrower;
    return narrower;
}

/* The least text behind all that start with this one; false: there is none. Bytes decide: it need not be UTF-8. */
static bool behind_prefix(lion_value *out, lion_arena *arena, const lion_value *prefix)
{
    lion_slice text = lion_value_slice(*prefix);
    while (text.size > 0 && text.data[text.size - 1] == UINT8_MAX) text.size--;
    if (text.size == 0) return false;
    uint8_t *copy = lion_arena_alloc(arena, text.size);
    if (copy == NULL) return false;
    memcpy(copy, text.data, text.size);
    copy[text.size - 1]++;
    *out = lion_value_bytes(LION_TYPE_STRING, lion_slice_of(copy, text.size));
    return true;
}

/* [(starts-with? ?v "ab")]: "ab" .. "ac", of which the last is one too many. */
static void read_prefix(lion_scope *scope, const lion_clause *clause)
{
    const lion_value *prefix = known_value(scope, &clause->terms[1]);
    if (clause->terms[0].kind != LION_TERM_VAR || prefix == NULL || prefix->type != LION_TYPE_STRING || prefix->size == 0) return;
    lion_range *range = own_range(scope, clause->terms[0].index);
    lion_value behind;
    if (range == NULL) return;
    narrow(range, true, prefix);
    if (behind_prefix(&behind, &scope->run->arena, prefix)) narrow(range, false, &behind);
}

/* [(< ?v 10)], [(<= 10 ?v)], [(= ?v 10)] … */
static void read_comparison(lion_scope *scope, const lion_clause *clause)
{
    if (clause->kind != LION_CLAUSE_PREDICATE || clause->term_count != 2) return;
    if (lion_slice_equal(clause->name, lion_slice_text("starts-with?"))) read_prefix(scope, clause);
    bool is_less = lion_slice_equal(clause->name, lion_slice_text("<")) || lion_slice_equal(clause->name, lion_slice_text("<="));
    bool is_more = lion_slice_equal(clause->name, lion_slice_text(">")) || lion_slice_equal(clause->name, lion_slice_text(">="));
    bool is_same = lion_slice_equal(clause->name, lion_slice_text("=")) || lion_slice_equal(clause->name, lion_slice_text("=="));
    if (!is_less && !is_more && !is_same) return;
    for (uint32_t i = 0; i < 2; i++) {
        const lion_term *var = &clause->terms[i];
        const lion_value *value = known_value(scope, &clause->terms[1 - i]);
        if (var->kind != LION_TERM_VAR || value == NULL) continue;
        lion_range *range = own_range(scope, var->index);
        if (range == NULL) return;
        if (is_same || is_more == (i == 0)) narrow(range, true, value);
        if (is_same || is_more != (i == 0)) narrow(range, false, value);
    }
}

lion_range **lion_ranges_read(lion_scope *scope, const lion_todo *todo)
{
    lion_range **outer = scope->ranges;
    scope->ranges = lion_arena_zalloc(&scope->run->arena, sizeof(lion_range *) * (scope->capacity + 1));
    if (outer != NULL && scope->ranges != NULL) memcpy(scope->ranges, outer, sizeof(lion_range *) * scope->capacity);
    for (uint32_t i = 0; i < todo->count; i++)
        if (!todo->is_done[i]) read_comparison(scope, todo->items[i]);
    return outer;
}

/* ---- bounds in the attribute's type ---- */

#define LONG_MAX_AS_DOUBLE 9.2e18

/* false: values of this type are not ordered with the attribute's in a way that the index has. */
static bool to_type(lion_value *out, lion_type type, lion_value value, bool is_low)
{
    if (value.type == type) {
        *out = value;
        return type != LION_TYPE_DOUBLE || !isnan(value.number);
    }
    if (type == LION_TYPE_DOUBLE && value.type == LION_TYPE_LONG) {
        *out = lion_value_double((double)value.bits);
        return value.bits > -(INT64_C(1) << 53) && value.bits < INT64_C(1) << 53;
    }
    if (type != LION_TYPE_LONG && type != LION_TYPE_INSTANT) return false;
    if (value.type == LION_TYPE_LONG || value.type == LION_TYPE_INSTANT) {
        *out = lion_value_scalar(type, value.bits);
        return true;
    }
    if (value.type != LION_TYPE_DOUBLE || !(fabs(value.number) < LONG_MAX_AS_DOUBLE)) return false;
    *out = lion_value_scalar(type, (int64_t)(is_low ? floor(value.number) : ceil(value.number)));
    return true;
}

/* The first value that is larger than all of the range; false: there is none. */
static bool after(lion_value *value, lion_arena *arena)
{
    if (value->type == LION_TYPE_DOUBLE) {
        value->number = nextafter(value->number, INFINITY);
        return !isinf(value->number);
    }
    if (value->type == LION_TYPE_LONG || value->type == LION_TYPE_INSTANT) return value->bits++ != INT64_MAX;
    uint8_t *longer = lion_arena_zalloc(arena, (size_t)value->size + 1);
    if (longer == NULL) return false;
    memcpy(longer, value->data, value->size);
    *value = lion_value_bytes((lion_type)value->type, lion_slice_of(longer, (size_t)value->size + 1));
    return true;
}

bool lion_ranges_bounds(lion_index_range *range_out, lion_scope *scope, const lion_attribute *attribute, uint32_t var)
{
    const lion_range *range = scope->ranges == NULL ? NULL : scope->ranges[var];
    if (range == NULL || attribute == NULL) return false;
    lion_type type = (lion_type)attribute->type;
    bool is_ordered = type == LION_TYPE_LONG || type == LION_TYPE_DOUBLE || type == LION_TYPE_INSTANT || type == LION_TYPE_STRING ||
                      type == LION_TYPE_KEYWORD;
    *range_out = (lion_index_range){ 0 };
    if (!is_ordered) return false;
    if (range->has_low) range_out->has_low = to_type(&range_out->low, type, range->low, true);
    if (range->has_high && to_type(&range_out->end, type, range->high, false))
        range_out->has_end = after(&range_out->end, &scope->run->arena);
    return range_out->has_low || range_out->has_end;
}

bool lion_ranges_count(lion_index_range *range_out, double *count_out, lion_scope *scope, const lion_db *db, const lion_attribute *attribute,
                       uint32_t var)
{
    uint64_t count = 0;
    if (attribute == NULL || !attribute->is_in_avet || !lion_ranges_bounds(range_out, scope, attribute, var)) return false;
    const lion_value *low = range_out->has_low ? &range_out->low : NULL, *end = range_out->has_end ? &range_out->end : NULL;
    if (lion_view_estimate_range(&count, &db->view, attribute->id, low, end, NULL) != LION_OK) return false;
    *count_out = (double)count;
    return true;
}

/* As a part of all: an index range that holds much is no better than a scan, whose entities ascend. */
#define PART_MAX 0.25

uint64_t lion_ranges_all(const lion_db *db, const lion_attribute *attribute)
{
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    uint64_t count = 0;
    return lion_view_estimate(&count, &db->view, LION_AEVT, &key, NULL) == LION_OK ? count : 1000000;
}

bool lion_ranges_of(lion_index_range *range_out, double *count_out, lion_scope *scope, const lion_db *db, const lion_attribute *attribute,
                    uint32_t var)
{
    const lion_run *run = scope->run;
    if (!lion_run_allows(run, LION_PLAN_RANGE) || !lion_ranges_count(range_out, count_out, scope, db, attribute, var)) return false;
    return lion_run_forces(run, LION_PLAN_RANGE) || *count_out < (double)lion_ranges_all(db, attribute) * PART_MAX;
}

bool lion_ranges_exclude(lion_type *type_out, const lion_scope *scope, uint32_t var)
{
    const lion_range *range = scope->ranges == NULL ? NULL : scope->ranges[var];
    if (range == NULL || !range->has_low || !range->has_high || lion_value_compare(range->low, range->high) <= 0) return false;
    *type_out = (lion_type)range->low.type;
    return range->low.type == range->high.type;
}

const char *lion_ranges_text(const lion_scope *scope, uint32_t var)
{
    const lion_range *range = scope->ranges == NULL ? NULL : scope->ranges[var];
    lion_arena *arena = &scope->run->arena;
    if (range == NULL) return NULL;
    const char *low = "", *high = "";
    if (range->has_low) low = lion_form_text(arena, &(lion_form){ .kind = LION_FORM_VALUE, .value = range->low });
    if (range->has_high) high = lion_form_text(arena, &(lion_form){ .kind = LION_FORM_VALUE, .value = range->high });
    return lion_arena_printf(arena, "%.100s%s..%s%.100s", low, *low == 0 ? "" : " ", *high == 0 ? "" : " ", high);
}
