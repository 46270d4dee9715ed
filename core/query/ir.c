/* ir.c - from the form that the front ends build to the structs of ir.h. Every number is checked here, so that planner
 * and operators index without looking. The forms come from our own Lua, but also from whoever calls the C API. */
#include "query/ir.h"

#include "query/binding.h"

#define IR_DEPTH_MAX 200
#define IR_COUNT_MAX 65535
#define IR_VARS_MAX 4096 /* of one scope: the planner keeps a byte per variable on the stack */

/* What one scope (a query, or one rule in it) allows. */
typedef struct ir_reader {
    lion_arena *arena;
    lion_error *error;
    uint32_t var_count, source_count, rule_count;
    uint32_t depth;
} ir_reader;

static lion_status fail(ir_reader *reader, const char *what, const lion_form *form)
{
    const char *text = form == NULL ? "nothing" : lion_form_text(reader->arena, form);
    return lion_fail(reader->error, LION_INCORRECT, "lion/syntax",
                     "the query's form is malformed: %s expected, found %.300s", what, text);
}

static bool is_list(const lion_form *form)
{
    return form != NULL && (form->kind == LION_FORM_VECTOR || form->kind == LION_FORM_SET);
}

static lion_status read_index(ir_reader *reader, const lion_form *form, uint32_t bound, const char *what, uint32_t *out)
{
    int64_t number = 0;
    if (form == NULL || !lion_form_as_long(form, &number) || number < 0 || number >= (int64_t)bound)
        return fail(reader, what, form);
    *out = (uint32_t)number;
    return LION_OK;
}

static lion_status read_slice(ir_reader *reader, const lion_form *form, const char *what, lion_slice *out)
{
    if (form == NULL || !lion_form_as_slice(form, out)) return fail(reader, what, form);
    return LION_OK;
}

/* A list of numbers below bound; an absent form is an empty list. */
static lion_status read_indexes(ir_reader *reader, const lion_form *form, uint32_t bound, uint32_t **out, uint32_t *count_out)
{
    *out = NULL;
    *count_out = 0;
    if (form == NULL) return LION_OK;
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of variables", form);
    uint32_t *indexes = lion_arena_array(reader->arena, uint32_t, form->count + 1);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_index(reader, &form->items[i], bound, "a variable's number", &indexes[i]);
        if (status != LION_OK) return status;
    }
    *out = indexes;
    *count_out = form->count;
    return LION_OK;
}

static lion_status read_names(ir_reader *reader, const lion_form *form, lion_slice **out, uint32_t *count_out)
{
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of names", form);
    lion_slice *names = lion_arena_array(reader->arena, lion_slice, form->count + 1);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_slice(reader, &form->items[i], "a name", &names[i]);
        if (status != LION_OK) return status;
    }
    *out = names;
    *count_out = form->count;
    return LION_OK;
}

static lion_status read_vars(ir_reader *reader, const lion_form *form, lion_slice **out, uint32_t *count_out)
{
    lion_status status = read_names(reader, form, out, count_out);
    if (status == LION_OK && *count_out > IR_VARS_MAX)
        return lion_fail(reader->error, LION_INTERRUPTED, "lion/limit", "a query or rule has at most %d variables", IR_VARS_MAX);
    return status;
}

static lion_status read_term(ir_reader *reader, const lion_form *form, lion_term *out)
{
    *out = (lion_term){ .kind = LION_TERM_BLANK };
    const lion_form *head = lion_form_at(form, 0), *second = lion_form_at(form, 1);
    if (lion_form_is_text(head, "blank")) return LION_OK;
    if (lion_form_is_text(head, "var")) {
        out->kind = LION_TERM_VAR;
        return read_index(reader, second, reader->var_count, "a variable's number", &out->index);
    }
    if (lion_form_is_text(head, "source")) {
        out->kind = LION_TERM_SOURCE;
        return read_index(reader, second, reader->source_count, "a source's number", &out->index);
    }
    if (lion_form_is_text(head, "const")) {
        if (second == NULL) return fail(reader, "a constant", form);
        out->kind = LION_TERM_CONST;
        out->constant = second;
        return LION_OK;
    }
    return fail(reader, "a term [\"var\" n], [\"const\" x], [\"blank\"] or [\"source\" n]", form);
}

static lion_status read_terms(ir_reader *reader, const lion_form *form, lion_term **out, uint32_t *count_out)
{
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of terms", form);
    lion_term *terms = lion_arena_array(reader->arena, lion_term, form->count + 1);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_term(reader, &form->items[i], &terms[i]);
        if (status != LION_OK) return status;
    }
    *out = terms;
    *count_out = form->count;
    return LION_OK;
}

static lion_status read_binding(ir_reader *reader, const lion_form *form, lion_binding *out, uint32_t depth);

static lion_status read_binding_parts(ir_reader *reader, const lion_form *form, lion_binding *out, uint32_t depth)
{
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of bindings", form);
    out->parts = lion_arena_array(reader->arena, lion_binding, form->count + 1);
    out->count = form->count;
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_binding(reader, &form->items[i], &out->parts[i], depth + 1);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static lion_status read_binding(ir_reader *reader, const lion_form *form, lion_binding *out, uint32_t depth)
{
    const lion_form *head = lion_form_at(form, 0), *second = lion_form_at(form, 1);
    if (depth > IR_DEPTH_MAX) return fail(reader, "a binding less deep", form);
    *out = (lion_binding){ .kind = LION_BIND_BLANK };
    if (lion_form_is_text(head, "blank")) return LION_OK;
    if (lion_form_is_text(head, "scalar")) {
        out->kind = LION_BIND_SCALAR;
        return read_index(reader, second, reader->var_count, "a variable's number", &out->var);
    }
    if (lion_form_is_text(head, "collection")) {
        out->kind = LION_BIND_COLLECTION;
        out->count = 1;
        out->parts = lion_arena_new(reader->arena, lion_binding);
        return read_binding(reader, second, out->parts, depth + 1);
    }
    if (lion_form_is_text(head, "tuple")) out->kind = LION_BIND_TUPLE;
    else if (lion_form_is_text(head, "relation")) out->kind = LION_BIND_RELATION;
    else return fail(reader, "a binding", form);
    return read_binding_parts(reader, second, out, depth);
}

static lion_status read_clauses(ir_reader *reader, const lion_form *form, lion_clauses *out);
static lion_status read_query(ir_reader *outer, const lion_form *form, lion_query_ir **out);

static lion_status read_branches(ir_reader *reader, const lion_form *form, lion_clauses **out, uint32_t *count_out)
{
    if (!is_list(form) || form->count == 0 || form->count > IR_COUNT_MAX) return fail(reader, "a list of branches", form);
    lion_clauses *branches = lion_arena_array(reader->arena, lion_clauses, form->count);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_clauses(reader, &form->items[i], &branches[i]);
        if (status != LION_OK) return status;
    }
    *out = branches;
    *count_out = form->count;
    return LION_OK;
}

static lion_status read_pattern(ir_reader *reader, const lion_form *form, lion_clause *out)
{
    out->kind = LION_CLAUSE_PATTERN;
    lion_status status = read_index(reader, lion_form_at(form, 1), reader->source_count, "a source's number", &out->source);
    if (status == LION_OK) status = read_terms(reader, lion_form_at(form, 2), &out->terms, &out->term_count);
    if (status == LION_OK && out->term_count == 0) status = fail(reader, "a pattern of at least one term", form);
    return status;
}

static lion_status read_expression(ir_reader *reader, const lion_form *form, lion_clause *out, bool is_function)
{
    out->kind = is_function ? LION_CLAUSE_FUNCTION : LION_CLAUSE_PREDICATE;
    lion_status status = read_slice(reader, lion_form_at(form, 1), "a function's name", &out->name);
    if (status == LION_OK) status = read_terms(reader, lion_form_at(form, 2), &out->terms, &out->term_count);
    if (status == LION_OK && is_function) status = read_binding(reader, lion_form_at(form, 3), &out->binding, 0);
    return status;
}

static lion_status read_subquery(ir_reader *reader, const lion_form *form, lion_clause *out)
{
    out->kind = LION_CLAUSE_QUERY;
    lion_status status = read_query(reader, lion_form_at(form, 1), &out->query);
    if (status == LION_OK) status = read_terms(reader, lion_form_at(form, 2), &out->terms, &out->term_count);
    if (status == LION_OK) status = read_binding(reader, lion_form_at(form, 3), &out->binding, 0);
    if (status == LION_OK && out->term_count != out->query->input_count)
        return lion_fail(reader->error, LION_INCORRECT, "lion/syntax", "a nested query has %u inputs, but is given %u",
                         (unsigned)out->query->input_count, (unsigned)out->term_count);
    return status;
}

static lion_status read_not(ir_reader *reader, const lion_form *form, lion_clause *out)
{
    out->kind = LION_CLAUSE_NOT;
    out->branch_count = 1;
    out->branches = lion_arena_new(reader->arena, lion_clauses);
    lion_status status = read_clauses(reader, lion_form_at(form, 1), out->branches);
    if (status != LION_OK) return status;
    return read_indexes(reader, lion_form_at(form, 2), reader->var_count, &out->vars, &out->var_count);
}

static lion_status read_or(ir_reader *reader, const lion_form *form, lion_clause *out)
{
    out->kind = LION_CLAUSE_OR;
    lion_status status = read_branches(reader, lion_form_at(form, 1), &out->branches, &out->branch_count);
    if (status == LION_OK)
        status = read_indexes(reader, lion_form_at(form, 2), reader->var_count, &out->vars, &out->var_count);
    if (status == LION_OK)
        status = read_indexes(reader, lion_form_at(form, 3), reader->var_count, &out->required, &out->required_count);
    return status;
}

static lion_status read_clause(ir_reader *reader, const lion_form *form, lion_clause *out)
{
    static const struct { const char *name; uint8_t text_at; } KINDS[] = {
        { "pattern", 3 }, { "predicate", 3 }, { "function", 4 }, { "query", 4 }, { "not", 3 }, { "or", 4 }, { "rule", 3 },
    };
    *out = (lion_clause){ 0 };
    const lion_form *head = lion_form_at(form, 0);
    size_t kind = 0;
    while (kind < sizeof(KINDS) / sizeof(KINDS[0]) && !lion_form_is_text(head, KINDS[kind].name)) kind++;
    if (kind == sizeof(KINDS) / sizeof(KINDS[0])) return fail(reader, "a clause", form);
    const lion_form *text = lion_form_at(form, KINDS[kind].text_at);
    if (text == NULL || !lion_form_as_slice(text, &out->text)) out->text = lion_slice_text(KINDS[kind].name);
    switch (kind) {
    case 0: return read_pattern(reader, form, out);
    case 1: return read_expression(reader, form, out, false);
    case 2: return read_expression(reader, form, out, true);
    case 3: return read_subquery(reader, form, out);
    case 4: return read_not(reader, form, out);
    case 5: return read_or(reader, form, out);
    default: break;
    }
    out->kind = LION_CLAUSE_RULE;
    lion_status status = read_index(reader, lion_form_at(form, 1), reader->rule_count, "a rule's number", &out->rule);
    if (status != LION_OK) return status;
    return read_terms(reader, lion_form_at(form, 2), &out->terms, &out->term_count);
}

static lion_status read_clauses(ir_reader *reader, const lion_form *form, lion_clauses *out)
{
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of clauses", form);
    if (++reader->depth > IR_DEPTH_MAX) return fail(reader, "clauses less deep", NULL);
    out->items = lion_arena_array(reader->arena, lion_clause, form->count + 1);
    out->count = form->count;
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_clause(reader, &form->items[i], &out->items[i]);
        if (status != LION_OK) return status;
    }
    reader->depth--;
    return LION_OK;
}

static lion_status read_rule(ir_reader *outer, const lion_form *form, lion_rule *out)
{
    ir_reader reader = *outer; /* a rule numbers its own variables */
    *out = (lion_rule){ 0 };
    lion_status status = read_slice(&reader, lion_form_get(form, "name"), "a rule's name", &out->name);
    if (status == LION_OK) status = read_vars(&reader, lion_form_get(form, "vars"), &out->var_names, &out->var_count);
    if (status != LION_OK) return status;
    const lion_form *source = lion_form_get(form, "source");
    if (source != NULL && reader.source_count > 0)
        status = read_index(&reader, source, reader.source_count, "a source's number", &out->source);
    if (status != LION_OK) return status;
    reader.var_count = out->var_count;
    const lion_form *head = lion_form_get(form, "head"), *required = lion_form_get(form, "required");
    if (!is_list(head) || head->count > out->var_count) return fail(&reader, "a rule's head", head);
    out->arity = head->count;
    out->required = lion_arena_zalloc(reader.arena, head->count + 1);
    for (uint32_t i = 0; i < head->count; i++) {
        uint32_t var = 0, flag = 0;
        status = read_index(&reader, &head->items[i], reader.var_count, "a variable's number", &var);
        if (status == LION_OK && var != i) status = fail(&reader, "head variables 0, 1, 2 …", head);
        const lion_form *is_required = lion_form_at(required, i);
        if (status == LION_OK && is_required != NULL)
            status = read_index(&reader, is_required, 2, "0 or 1", &flag);
        if (status != LION_OK) return status;
        out->required[i] = (uint8_t)flag;
    }
    return read_branches(&reader, lion_form_get(form, "branches"), &out->branches, &out->branch_count);
}

static lion_status read_element(ir_reader *reader, const lion_form *form, lion_element *out)
{
    *out = (lion_element){ 0 };
    const lion_form *head = lion_form_at(form, 0);
    if (lion_form_is_text(head, "var")) {
        out->kind = LION_ELEMENT_VAR;
        return read_index(reader, lion_form_at(form, 1), reader->var_count, "a variable's number", &out->var);
    }
    if (lion_form_is_text(head, "aggregate")) {
        out->kind = LION_ELEMENT_AGGREGATE;
        lion_status status = read_slice(reader, lion_form_at(form, 1), "an aggregate's name", &out->name);
        if (status == LION_OK) status = read_terms(reader, lion_form_at(form, 2), &out->terms, &out->term_count);
        if (status != LION_OK) return status;
        if (out->term_count == 0 || out->terms[out->term_count - 1].kind != LION_TERM_VAR)
            return fail(reader, "an aggregate of a variable", form);
        out->var = out->terms[out->term_count - 1].index;
        return LION_OK;
    }
    if (!lion_form_is_text(head, "pull")) return fail(reader, "a find element", form);
    out->kind = LION_ELEMENT_PULL;
    lion_status status = read_index(reader, lion_form_at(form, 1), reader->source_count, "a source's number", &out->source);
    if (status == LION_OK)
        status = read_index(reader, lion_form_at(form, 2), reader->var_count, "a variable's number", &out->var);
    if (status != LION_OK) return status;
    const lion_form *pattern = lion_form_at(form, 3);
    if (pattern == NULL) return fail(reader, "a pull pattern", form);
    if (pattern->kind == LION_FORM_VECTOR && pattern->count == 2 && lion_form_is_text(lion_form_at(pattern, 0), "input"))
        return read_index(reader, lion_form_at(pattern, 1), IR_COUNT_MAX, "an input's number", &out->pattern_input);
    out->pattern = pattern;
    return LION_OK;
}

static lion_status read_find(ir_reader *reader, const lion_form *form, lion_query_ir *out)
{
    static const char *const KINDS[] = { "relation", "collection", "tuple", "scalar" };
    const lion_form *kind = lion_form_get(form, "kind"), *elements = lion_form_get(form, "elements");
    uint8_t at = 0;
    while (at < 4 && !lion_form_is_text(kind, KINDS[at])) at++;
    if (at == 4) return fail(reader, "find: relation, collection, tuple or scalar", kind);
    out->find_kind = at;
    if (!is_list(elements) || elements->count == 0 || elements->count > IR_COUNT_MAX)
        return fail(reader, "find elements", elements);
    out->elements = lion_arena_array(reader->arena, lion_element, elements->count);
    out->element_count = elements->count;
    for (uint32_t i = 0; i < elements->count; i++) {
        lion_status status = read_element(reader, &elements->items[i], &out->elements[i]);
        if (status != LION_OK) return status;
    }
    const lion_form *keys = lion_form_get(form, "keys");
    if (keys == NULL || (keys->kind == LION_FORM_VALUE && keys->value.type == LION_TYPE_NIL)) return LION_OK;
    uint32_t count = 0;
    lion_status status = read_names(reader, keys, &out->keys, &count);
    if (status == LION_OK && count != out->element_count)
        return lion_fail(reader->error, LION_INCORRECT, "lion/syntax", "the query has %u keys for %u find elements",
                         (unsigned)count, (unsigned)out->element_count);
    return status;
}

static lion_status read_input(ir_reader *reader, const lion_form *form, lion_input *out)
{
    *out = (lion_input){ 0 };
    const lion_form *head = lion_form_at(form, 0);
    if (lion_form_is_text(head, "pattern")) {
        out->kind = LION_INPUT_PATTERN;
        return LION_OK;
    }
    if (lion_form_is_text(head, "rules")) {
        out->kind = LION_INPUT_RULES;
        return LION_OK;
    }
    if (lion_form_is_text(head, "source")) {
        out->kind = LION_INPUT_SOURCE;
        return read_index(reader, lion_form_at(form, 1), reader->source_count, "a source's number", &out->source);
    }
    out->kind = LION_INPUT_BINDING;
    lion_status status = read_binding(reader, form, &out->binding, 0);
    if (status == LION_OK) out->var_count = lion_binding_vars(&out->binding, &out->vars, reader->arena);
    return status;
}

static lion_status read_inputs(ir_reader *reader, const lion_form *form, lion_query_ir *out)
{
    if (form == NULL) return LION_OK;
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of inputs", form);
    out->inputs = lion_arena_array(reader->arena, lion_input, form->count + 1);
    out->input_count = form->count;
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_input(reader, &form->items[i], &out->inputs[i]);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

static bool is_nothing(const lion_form *form)
{
    return form == NULL || (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL);
}

static lion_status read_order(ir_reader *reader, const lion_form *form, lion_query_ir *out)
{
    const lion_form *order = lion_form_get(form, "order"), *limit = lion_form_get(form, "limit");
    const lion_form *offset = lion_form_get(form, "offset");
    out->limit = -1;
    out->offset = 0;
    if (!is_nothing(limit) && (!lion_form_as_long(limit, &out->limit) || out->limit < -1))
        return fail(reader, "a limit", limit);
    if (!is_nothing(offset) && (!lion_form_as_long(offset, &out->offset) || out->offset < 0))
        return fail(reader, "an offset", offset);
    if (is_nothing(order)) return LION_OK;
    if (!is_list(order) || order->count > IR_COUNT_MAX) return fail(reader, "an order", order);
    out->order = lion_arena_zalloc(reader->arena, sizeof(*out->order) * (order->count + 1));
    out->order_count = order->count;
    for (uint32_t i = 0; i < order->count; i++) {
        const lion_form *item = &order->items[i];
        lion_status status = read_index(reader, lion_form_at(item, 0), reader->var_count, "a variable's number", &out->order[i].var);
        if (status != LION_OK) return status;
        out->order[i].is_descending = lion_form_is_text(lion_form_at(item, 1), "desc");
    }
    return LION_OK;
}

static lion_status read_rules(ir_reader *reader, const lion_form *form, lion_query_ir *out)
{
    if (is_nothing(form)) return LION_OK;
    if (!is_list(form) || form->count > IR_COUNT_MAX) return fail(reader, "a list of rules", form);
    reader->rule_count = form->count;
    out->rules = lion_arena_array(reader->arena, lion_rule, form->count + 1);
    out->rule_count = form->count;
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_rule(reader, &form->items[i], &out->rules[i]);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* Calls name rules by number; their arities are known only when all rules were read. */
static lion_status check_calls(ir_reader *reader, const lion_query_ir *ir, const lion_clauses *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) {
        const lion_clause *clause = &clauses->items[i];
        if (clause->kind == LION_CLAUSE_RULE && ir->rules[clause->rule].arity != clause->term_count)
            return lion_fail(reader->error, LION_INCORRECT, "lion/syntax", "rule %.*s takes %u arguments, %.*s gives it %u",
                             (int)ir->rules[clause->rule].name.size, (const char *)ir->rules[clause->rule].name.data,
                             (unsigned)ir->rules[clause->rule].arity, (int)clause->text.size,
                             (const char *)clause->text.data, (unsigned)clause->term_count);
        for (uint32_t b = 0; b < clause->branch_count; b++) {
            lion_status status = check_calls(reader, ir, &clause->branches[b]);
            if (status != LION_OK) return status;
        }
    }
    return LION_OK;
}

static lion_status check_pattern_inputs(ir_reader *reader, const lion_query_ir *ir)
{
    for (uint32_t i = 0; i < ir->element_count; i++) {
        const lion_element *element = &ir->elements[i];
        if (element->kind != LION_ELEMENT_PULL || element->pattern != NULL) continue;
        if (element->pattern_input >= ir->input_count)
            return lion_fail(reader->error, LION_INCORRECT, "lion/syntax", "a pull pattern names input %u of %u",
                             (unsigned)element->pattern_input, (unsigned)ir->input_count);
    }
    return LION_OK;
}

static lion_status read_query(ir_reader *outer, const lion_form *form, lion_query_ir **out)
{
    if (form == NULL || form->kind != LION_FORM_MAP) return fail(outer, "a query", form);
    ir_reader reader = { .arena = outer->arena, .error = outer->error, .depth = outer->depth + 1 };
    if (reader.depth > IR_DEPTH_MAX) return fail(outer, "queries less deep", NULL);
    lion_query_ir *ir = lion_arena_new(reader.arena, lion_query_ir);
    lion_status status = read_vars(&reader, lion_form_get(form, "vars"), &ir->var_names, &ir->var_count);
    if (status == LION_OK)
        status = read_index(&reader, lion_form_get(form, "sources"), IR_COUNT_MAX, "the number of sources", &ir->source_count);
    if (status != LION_OK) return status;
    reader.var_count = ir->var_count;
    reader.source_count = ir->source_count;
    status = read_find(&reader, lion_form_get(form, "find"), ir);
    if (status == LION_OK) status = read_indexes(&reader, lion_form_get(form, "with"), reader.var_count, &ir->with, &ir->with_count);
    if (status == LION_OK) status = read_inputs(&reader, lion_form_get(form, "inputs"), ir);
    if (status == LION_OK) status = read_order(&reader, form, ir);
    if (status == LION_OK) status = read_rules(&reader, lion_form_get(form, "rules"), ir);
    if (status == LION_OK) status = read_clauses(&reader, lion_form_get(form, "where"), &ir->where);
    if (status == LION_OK) status = check_pattern_inputs(&reader, ir);
    if (status == LION_OK) status = check_calls(&reader, ir, &ir->where);
    for (uint32_t r = 0; status == LION_OK && r < ir->rule_count; r++)
        for (uint32_t b = 0; status == LION_OK && b < ir->rules[r].branch_count; b++)
            status = check_calls(&reader, ir, &ir->rules[r].branches[b]);
    if (status == LION_OK) *out = ir;
    return status;
}

lion_status lion_ir_read(lion_query_ir **ir_out, const lion_form *form, lion_arena *arena, lion_error *error)
{
    ir_reader reader = { .arena = arena, .error = error };
    return read_query(&reader, form, ir_out);
}
