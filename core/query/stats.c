/* stats.c - how many rows a pattern leaves: exact counts of prefixes with constants, and sampled run lengths where a
 * variable is bound. Nothing here decides what is right, only what comes first. */
#include <math.h>

#include "query/plan.h"

typedef enum state { FREE, CONSTANT, BOUND } state;

static state term_state(const lion_clause *clause, uint32_t at, const lion_operator *operator)
{
    if (at >= clause->term_count) return FREE;
    const lion_term *term = &clause->terms[at];
    if (term->kind == LION_TERM_CONST) return CONSTANT;
    if (term->kind != LION_TERM_VAR || operator == NULL) return FREE;
    return lion_operator_slot(operator, term->index) == LION_SLOT_NONE ? FREE : BOUND;
}

static uint64_t count_prefix(const lion_db *db, lion_index index, const lion_key *key)
{
    uint64_t count = 0;
    return lion_view_estimate(&count, &db->view, index, key, NULL) == LION_OK ? count : 1000000;
}

/* Values looked at of an attribute that AVET does not have. */
#define SAMPLE_ROWS 256

/* How much of an attribute must be in the trees for their numbers to tell of all of it. */
#define INDEXED_PART_MIN 0.5

/* What the indexer drew of an attribute that AVET does not have; NULL: it does not tell of most of it. */
static const lion_value_sample *sample_of(const lion_db *db, const lion_attribute *attribute, double total)
{
    const lion_root *root = db->view.root;
    const lion_value_sample *sample = root == NULL ? NULL : lion_root_sample_lookup(root, attribute->id);
    const lion_root_attribute *trees = sample == NULL ? NULL : lion_root_attribute_lookup(root, attribute->id);
    bool tells = trees != NULL && sample->count > 0 && (double)trees->aevt.count >= total * INDEXED_PART_MIN;
    return tells && sample->type == attribute->type ? sample : NULL;
}

/* The part of an attribute's datoms that have the value: by the indexer's sample, or by its first ones. */
static double sampled_part(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, lion_value value, double total)
{
    const lion_value_sample *sample = sample_of(db, attribute, total);
    if (sample != NULL) return lion_value_sample_equal(sample, value);
    lion_view view = db->view;
    lion_cursor *cursor = NULL;
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = LION_COLUMN_V, .batch_rows = SAMPLE_ROWS };
    lion_datom_batch batch;
    uint32_t same = 0;
    view.filter_count = 0;
    if (lion_cursor_open(&cursor, &view, LION_AEVT, &key, &options, &scope->run->arena, NULL) != LION_OK) return 0.1;
    if (lion_cursor_next(cursor, &batch, NULL) != LION_OK || batch.count == 0) return 0;
    for (uint32_t i = 0; i < batch.count; i++) same += lion_value_equal(lion_vector_get(&batch.v, i), value);
    return same == 0 ? 0.5 / batch.count : (double)same / batch.count;
}

static double count_known_value(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, const lion_form *form, double total)
{
    lion_value value;
    if (lion_db_value(&value, db, attribute, form, &scope->run->arena, NULL) != LION_OK) return 0;
    if (!attribute->is_in_avet) return total * sampled_part(scope, db, attribute, value, total);
    lion_key key = { .datom = { .a = attribute->id, .v = value }, .parts = 2 };
    return (double)count_prefix(db, LION_AVET, &key);
}

/* How many datoms share their leading part (e in AEVT, v in AVET), on average, at the attribute's start. */
static double run_length(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, lion_index index)
{
    lion_view view = db->view;
    lion_arena *arena = &scope->run->arena;
    lion_cursor *cursor = NULL;
    lion_key key = { .datom = { .a = attribute->id }, .parts = 1 };
    lion_cursor_options options = { .columns = index == LION_AVET ? LION_COLUMN_V : LION_COLUMN_E, .batch_rows = 256 };
    lion_datom_batch batch;
    view.filter_count = 0; /* a sample asks no host */
    if (lion_cursor_open(&cursor, &view, index, &key, &options, arena, NULL) != LION_OK) return 10;
    if (lion_cursor_next(cursor, &batch, NULL) != LION_OK || batch.count == 0) return 1;
    uint32_t runs = 1;
    for (uint32_t i = 1; i < batch.count; i++)
        runs += index == LION_AVET ? !lion_value_equal(lion_vector_get(&batch.v, i - 1), lion_vector_get(&batch.v, i))
                                   : batch.e[i - 1] != batch.e[i];
    double length = (double)batch.count / runs;
    /* One run fills the whole sample: a handful of values at most. */
    return runs == 1 && batch.count >= 256 ? (double)lion_ranges_all(db, attribute) / 4 : length;
}

/* Distinct leads of the attribute in the trees, for as many datoms as there are now; 0: the trees do not tell. */
static double indexed_distinct(const lion_db *db, const lion_attribute *attribute, lion_index index, double total)
{
    const lion_root_attribute *trees = db->view.root == NULL ? NULL : lion_root_attribute_lookup(db->view.root, attribute->id);
    const lion_tree *tree = trees == NULL ? NULL : index == LION_AVET ? &trees->avet : &trees->aevt;
    double distinct = trees == NULL ? 0 : (double)(index == LION_AVET ? trees->distinct_v : trees->distinct_e);
    if (tree == NULL || tree->count == 0 || distinct == 0 || (double)tree->count < total * INDEXED_PART_MIN) return 0;
    return fmin(distinct * fmax(1, total / (double)tree->count), total);
}

/* Datoms per entity (AEVT), or per value (AVET). */
static double datoms_per_lead(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, lion_index index, double total)
{
    if (index == LION_AEVT && !attribute->is_many) return 1;
    if (index == LION_AVET && attribute->unique != LION_UNIQUE_NONE) return 1;
    double distinct = indexed_distinct(db, attribute, index, total);
    return distinct > 0 ? total / distinct : run_length(scope, db, attribute, index);
}

/* Different values of the attribute. */
static double distinct_values(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, double total)
{
    const lion_value_sample *sample = attribute->is_in_avet ? NULL : sample_of(db, attribute, total);
    if (attribute->is_in_avet) return fmax(1, total / datoms_per_lead(scope, db, attribute, LION_AVET, total));
    return fmax(1, sample != NULL ? lion_value_sample_distinct(sample, total) : total / 10);
}

double lion_stats_range_part(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, uint32_t var)
{
    lion_index_range range;
    const lion_value_sample *sample = sample_of(db, attribute, (double)lion_ranges_all(db, attribute));
    if (sample == NULL || !lion_ranges_bounds(&range, scope, attribute, var)) return -1;
    return lion_value_sample_range(sample, range.has_low ? &range.low : NULL, range.has_end ? &range.end : NULL);
}

static double value_fanout(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, const lion_clause *clause)
{
    const lion_value *known = scope->known == NULL ? NULL : scope->known[clause->terms[2].index];
    double total = (double)lion_ranges_all(db, attribute);
    if (attribute->unique != LION_UNIQUE_NONE) return 1;
    if (known == NULL) return total / distinct_values(scope, db, attribute, total);
    lion_form form = lion_form_value(*known);
    return count_known_value(scope, db, attribute, &form, total);
}

static double attribute_fanout(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, const lion_clause *clause,
                               state e, state v)
{
    double total = (double)lion_ranges_all(db, attribute);
    if (e != FREE && v == BOUND) return 0.2;
    if (e != FREE && v == CONSTANT)
        return fmin(1, count_known_value(scope, db, attribute, clause->terms[2].constant, total) / fmax(total, 1)) * 0.9 + 0.001;
    if (e != FREE) return datoms_per_lead(scope, db, attribute, LION_AEVT, total);
    if (v == CONSTANT) return count_known_value(scope, db, attribute, clause->terms[2].constant, total);
    bool is_var = v == FREE && clause->term_count > 2 && clause->terms[2].kind == LION_TERM_VAR;
    lion_index_range range;
    double count = 0;
    if (is_var && lion_ranges_of(&range, &count, scope, db, attribute, clause->terms[2].index)) return count;
    return v == BOUND ? value_fanout(scope, db, attribute, clause) : total;
}

static double database_fanout(lion_scope *scope, const lion_db *db, const lion_clause *clause, const lion_operator *operator)
{
    state e = term_state(clause, 0, operator), v = term_state(clause, 2, operator);
    const lion_attribute *attribute = lion_clause_attribute(db->schema, clause);
    double fanout;
    if (attribute != NULL) {
        fanout = attribute_fanout(scope, db, attribute, clause, e, v);
    } else if (e != FREE) {
        fanout = v == FREE ? 10 : 1;
    } else {
        lion_key key = { 0 };
        bool is_bound = v != FREE || term_state(clause, 1, operator) != FREE;
        fanout = (double)count_prefix(db, LION_EAVT, &key) * (is_bound ? 0.3 : 1);
    }
    for (uint32_t i = 3; i < 5; i++)
        if (term_state(clause, i, operator) != FREE) fanout *= 0.5;
    return fanout;
}

static double relation_fanout(const lion_relation *relation, const lion_clause *clause, const lion_operator *operator)
{
    double rows = relation == NULL ? 0 : (double)relation->count;
    uint32_t keys = 0, free = 0;
    for (uint32_t i = 0; i < clause->term_count; i++) {
        if (term_state(clause, i, operator) != FREE) keys++;
        else if (clause->terms[i].kind == LION_TERM_VAR) free++;
    }
    if (keys > 0 && free == 0) return 0.3;
    return keys == 0 ? rows : pow(rows, 1.0 / (1 + keys));
}

double lion_stats_pattern_fanout(lion_scope *scope, const lion_clause *clause, const lion_operator *operator)
{
    const lion_source *source = &scope->run->sources[clause->source];
    return source->db != NULL ? database_fanout(scope, source->db, clause, operator) : relation_fanout(source->relation, clause, operator);
}

/* ---- a pattern's numbers, whatever is bound ---- */

static const lion_form *constant_at(const lion_clause *clause, uint32_t place)
{
    bool is_constant = place < clause->term_count && clause->terms[place].kind == LION_TERM_CONST;
    return is_constant ? clause->terms[place].constant : NULL;
}

/* The value of a place that is known when the plan is made: a constant, or an input of one row. */
static bool known_form(lion_form *form_out, const lion_scope *scope, const lion_clause *clause, uint32_t place)
{
    const lion_form *constant = constant_at(clause, place);
    if (constant != NULL) {
        *form_out = *constant;
        return true;
    }
    if (place >= clause->term_count || clause->terms[place].kind != LION_TERM_VAR || scope->known == NULL) return false;
    const lion_value *known = scope->known[clause->terms[place].index];
    if (known != NULL) *form_out = lion_form_value(*known);
    return known != NULL;
}

static double count_known_entity(lion_scope *scope, const lion_db *db, const lion_attribute *attribute, const lion_form *form)
{
    lion_value value, ref;
    if (lion_query_value(&value, form, &scope->run->arena, NULL) != LION_OK) return 1;
    if (lion_query_ref(&ref, db, value, &scope->run->arena, NULL) != LION_OK) return 0;
    lion_key key = { .datom = { .e = ref.bits, .a = attribute->id }, .parts = 2 };
    return (double)count_prefix(db, LION_AEVT, &key);
}

void lion_stats_pattern(lion_pattern_stats *stats_out, lion_scope *scope, const lion_clause *clause)
{
    const lion_db *db = scope->run->sources[clause->source].db;
    lion_pattern_stats stats = { .db = db, .attribute = lion_clause_attribute(db->schema, clause) };
    const lion_attribute *attribute = stats.attribute;
    lion_form e, v;
    stats.has_e = known_form(&e, scope, clause, 0);
    stats.has_v = known_form(&v, scope, clause, 2);
    if (attribute == NULL) {
        lion_key key = { 0 };
        stats.count = stats.total = (double)count_prefix(db, LION_EAVT, &key);
        stats.distinct_e = stats.distinct_v = fmax(1, stats.total / 8);
        if (stats.has_e) stats.count = 10;
        if (stats.has_v) stats.count = fmax(1, stats.count / stats.distinct_v);
        *stats_out = stats;
        return;
    }
    double total = stats.total = stats.count = (double)lion_ranges_all(db, attribute);
    stats.distinct_e = fmax(1, total / datoms_per_lead(scope, db, attribute, LION_AEVT, total));
    stats.distinct_v = distinct_values(scope, db, attribute, total);
    lion_index_range range;
    bool is_var = !stats.has_v && clause->term_count > 2 && clause->terms[2].kind == LION_TERM_VAR;
    if (stats.has_v) stats.count = count_known_value(scope, db, attribute, &v, total);
    else if (is_var && lion_ranges_count(&range, &stats.count, scope, db, attribute, clause->terms[2].index)) stats.has_range = true;
    if (stats.has_e) {
        double of_entity = total == 0 ? 0 : count_known_entity(scope, db, attribute, &e);
        stats.count = stats.has_v || stats.has_range ? fmin(of_entity, of_entity * stats.count / fmax(total, 1)) : of_entity;
    }
    for (uint32_t i = 3; i < clause->term_count; i++)
        if (clause->terms[i].kind == LION_TERM_CONST) stats.count *= 0.5;
    *stats_out = stats;
}

uint64_t lion_stats_count(lion_scope *scope, const lion_clause *clause)
{
    return (uint64_t)database_fanout(scope, scope->run->sources[clause->source].db, clause, NULL);
}
