/* verify_trees.c - every tree of the root, a leaf a step; then what the trees should agree in.
 *
 * Trees are numbered: 0 EAVT, 1 its history, then four for each attribute in the root's order
 * (AEVT, its history, AVET, its history), the log last. What is compared needs both sides: sums of
 * a tree in which something could not be read say nothing. */
#include <stdio.h>

#include "connection/verify_parts.h"

#define TREES_AN_ATTRIBUTE 4

static const char *const NAMES[LION_AUDIT_KINDS] = {
    [LION_AUDIT_EAVT] = "EAVT", [LION_AUDIT_HISTORY_EAVT] = "EAVT history",
    [LION_AUDIT_AEVT] = "AEVT", [LION_AUDIT_HISTORY_AEVT] = "AEVT history",
    [LION_AUDIT_AVET] = "AVET", [LION_AUDIT_HISTORY_AVET] = "AVET history",
    [LION_AUDIT_LOG] = "log",
};

typedef struct place {
    const lion_tree *tree;
    const lion_root_attribute *attribute; /* NULL: of all */
    lion_audit_kind kind;
    char name[128];
} place;

static uint32_t tree_count(const lion_verify *v)
{
    return v->root->attribute_count * TREES_AN_ATTRIBUTE + 3;
}

static uint32_t log_number(const lion_verify *v)
{
    return tree_count(v) - 1;
}

static place place_of(const lion_verify *v, uint32_t number)
{
    const lion_root *root = v->root;
    place at = { 0 };
    if (number < 2 || number == log_number(v)) {
        at.kind = number == 0   ? LION_AUDIT_EAVT
                  : number == 1 ? LION_AUDIT_HISTORY_EAVT
                                : LION_AUDIT_LOG;
        at.tree = number == 0 ? &root->eavt : number == 1 ? &root->history_eavt : &root->log;
        snprintf(at.name, sizeof at.name, "%s", NAMES[at.kind]);
        return at;
    }
    uint32_t which = (number - 2) % TREES_AN_ATTRIBUTE;
    at.attribute = &root->attributes[(number - 2) / TREES_AN_ATTRIBUTE];
    const lion_tree *trees[] = { &at.attribute->aevt, &at.attribute->history_aevt,
                                 &at.attribute->avet, &at.attribute->history_avet };
    at.tree = trees[which];
    at.kind = (lion_audit_kind)(LION_AUDIT_AEVT + which);
    lion_verify_name(v, at.name, NAMES[at.kind], at.attribute->a);
    return at;
}

/* ---- one tree ---- */

static lion_status break_tree(lion_verify *v, uint32_t number, const place *at,
                              const lion_error *fault, lion_error *error)
{
    v->is_broken[number] = 1;
    v->is_any_broken = true;
    return lion_verify_note(v, at->name, fault, error);
}

static lion_status begin_tree(lion_verify *v, const place *at, lion_error *error)
{
    lion_status status = lion_tree_verify_open(&v->tree, at->tree, v->root->snapshot, error);
    if (status != LION_OK) return status;
    lion_tree_verify_watch(v->tree, &v->audit, at->kind);
    if (at->kind == LION_AUDIT_LOG) lion_tree_verify_log(v->tree, &v->log);
    return LION_OK;
}

static lion_status check_number(lion_verify *v, const place *at, const char *what, uint64_t said,
                                uint64_t found, lion_error *error)
{
    if (said == found) return LION_OK;
    return lion_verify_wrong(v, error, at->name, "the root says %llu %s, and there are %llu",
                             (unsigned long long)said, what, (unsigned long long)found);
}

/* What the root says of a tree that was read from end to end. */
static lion_status compare_root(lion_verify *v, const place *at, const lion_tree_found *found,
                                lion_error *error)
{
    const lion_root *root = v->root;
    bool has_rows = found->rows > 0;
    if (at->kind == LION_AUDIT_EAVT) {
        if (check_number(v, at, "datoms", root->datoms, found->rows, error) != LION_OK)
            return LION_FAILED;
        return check_number(v, at, "as its newest t", (uint64_t)root->t, (uint64_t)found->max_t,
                            error);
    }
    if (at->kind == LION_AUDIT_AEVT)
        return check_number(v, at, "entities", at->attribute->distinct_e, found->distinct, error);
    if (at->kind == LION_AUDIT_AVET && has_rows)
        return check_number(v, at, "distinct values", at->attribute->distinct_v, found->distinct,
                            error);
    if (at->kind == LION_AUDIT_LOG && has_rows) {
        if (check_number(v, at, "as its newest t", (uint64_t)root->t, (uint64_t)v->log.t, error) !=
            LION_OK)
            return LION_FAILED;
        return check_number(v, at, "as its counter", (uint64_t)root->next_counter,
                            (uint64_t)v->log.next_counter, error);
    }
    return LION_OK;
}

static lion_status end_tree(lion_verify *v, uint32_t number, const place *at, lion_error *error)
{
    lion_tree_found found = lion_tree_verify_found(v->tree);
    lion_tree_verify_close(v->tree);
    v->tree = NULL;
    v->tree_next++;
    v->report.done += found.segments;
    if (at->kind == LION_AUDIT_EAVT || at->kind == LION_AUDIT_HISTORY_EAVT)
        v->report.datoms += found.rows;
    return v->is_broken[number] ? LION_OK : compare_root(v, at, &found, error);
}

lion_status lion_verify_trees_step(lion_verify *v, lion_error *error)
{
    uint32_t number = v->tree_next;
    if (number == tree_count(v)) return LION_END;
    place at = place_of(v, number);
    lion_error fault = { 0 };
    lion_status status = LION_OK;
    if (v->tree == NULL) status = begin_tree(v, &at, &fault);
    if (status < 0) {
        v->tree_next++;
        return break_tree(v, number, &at, &fault, error);
    }
    uint64_t rows = 0;
    status = lion_tree_verify_step(v->tree, &rows, &fault);
    if (status < 0) return break_tree(v, number, &at, &fault, error);
    return status == LION_END ? end_tree(v, number, &at, error) : LION_OK;
}

/* ---- what trees should agree in ---- */

static lion_status compare(lion_verify *v, const lion_audit_attribute *sums, lion_audit_kind kind,
                           lion_audit_kind with, lion_error *error)
{
    const lion_audit_sum *a = &sums->sums[kind], *b = &sums->sums[with];
    char where[128];
    if (a->count == b->count && a->hash == b->hash) return LION_OK;
    lion_verify_name(v, where, NAMES[kind], sums->a);
    if (a->count != b->count)
        return lion_verify_wrong(v, error, where, "it has %llu datoms, and %s has %llu of them",
                                 (unsigned long long)a->count, NAMES[with],
                                 (unsigned long long)b->count);
    return lion_verify_wrong(v, error, where, "it has as many datoms as %s, but not the same",
                             NAMES[with]);
}

/* An attribute's own trees, each with EAVT. */
static lion_status compare_trees(lion_verify *v, const lion_audit_attribute *sums,
                                 const lion_root_attribute *attribute, lion_error *error)
{
    bool lacks_avet = attribute != NULL && lion_root_attribute_lacks_avet(attribute);
    bool has_avet = attribute != NULL && !lacks_avet &&
                    (attribute->avet.height > 0 || attribute->history_avet.height > 0);
    uint32_t first = attribute == NULL
                         ? 0
                         : 2 + (uint32_t)(attribute - v->root->attributes) * TREES_AN_ATTRIBUTE;
    for (uint32_t which = 0; which < (has_avet ? TREES_AN_ATTRIBUTE : 2); which++) {
        uint32_t with = which % 2; /* of the present, or of the past */
        bool is_broken = v->is_broken[with] || (attribute != NULL && v->is_broken[first + which]);
        if (is_broken) continue;
        lion_status status = compare(v, sums, (lion_audit_kind)(LION_AUDIT_AEVT + which),
                                     (lion_audit_kind)with, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* All that was ever said of an attribute, present and past, is what the log says, unless it forgets
 * its past. */
static lion_status compare_log(lion_verify *v, const lion_audit_attribute *sums, lion_error *error)
{
    uint64_t is_forgetful;
    if (v->is_broken[0] || v->is_broken[1] || v->is_broken[log_number(v)]) return LION_OK;
    if (lion_table_get(&v->audit.forgetful, sums->a, &is_forgetful)) return LION_OK;
    lion_audit_sum now = sums->sums[LION_AUDIT_EAVT], past = sums->sums[LION_AUDIT_HISTORY_EAVT];
    lion_audit_sum log = sums->sums[LION_AUDIT_LOG];
    unsigned long long has = log.count, wanted = now.count + past.count;
    char where[128];
    lion_verify_name(v, where, "log", sums->a);
    if (has != wanted)
        return lion_verify_wrong(v, error, where,
                                 "it has %llu datoms, EAVT and its history have %llu of them", has,
                                 wanted);
    if (log.hash == now.hash + past.hash) return LION_OK;
    return lion_verify_wrong(v, error, where,
                             "it has as many datoms as EAVT and its history, but "
                             "not the same");
}

static lion_status compare_type(lion_verify *v, const lion_root_attribute *attribute,
                                lion_error *error)
{
    char where[128];
    const lion_attribute *known = lion_schema_attribute(v->schema, attribute->a);
    if (known != NULL && known->type == attribute->type) return LION_OK;
    lion_verify_name(v, where, "trees", attribute->a);
    return lion_verify_wrong(v, error, where,
                             known == NULL ? "the schema does not know the attribute"
                                           : "its values are not of the attribute's type");
}

lion_status lion_verify_sums(lion_verify *v, lion_error *error)
{
    lion_status status = LION_OK;
    if (!v->is_schema_known && !v->is_any_broken)
        status = lion_verify_wrong(v, error, "schema", "the trees hold no schema that can be read");
    for (uint32_t i = 0; status == LION_OK && v->is_schema_known && i < v->root->attribute_count;
         i++)
        status = compare_type(v, &v->root->attributes[i], error);
    for (size_t i = 0; status == LION_OK && i < v->audit.attribute_count; i++) {
        const lion_audit_attribute *sums = &v->audit.attributes[i];
        status = compare_trees(v, sums, lion_root_attribute_lookup(v->root, sums->a), error);
        if (status == LION_OK) status = compare_log(v, sums, error);
    }
    return status == LION_OK ? LION_END : status;
}
