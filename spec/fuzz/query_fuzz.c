/* query_fuzz.c - queries out of untrusted bytes, in the layout of the IR: mostly whole ones, some with a part that is none. Each is an
 * error of the caller's, or runs to its end or a bound, by any legal plan, with tables of few rows. */
#include <lion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- choices ---- */

typedef struct maker {
    const uint8_t *at, *end;
    lion_arena *arena;
    uint32_t vars, sources, rules; /* of the scope */
    uint32_t depth;
} maker;

/* A number below count; 0 when the bytes are used up. */
static uint32_t pick(maker *m, uint32_t count)
{
    return m->at < m->end ? *m->at++ % count : 0;
}

static lion_form text(const char *name)
{
    return lion_form_string(name);
}

static lion_form list(maker *m, const lion_form *items, size_t count)
{
    return lion_form_list(m->arena, items, count);
}

static lion_form pair(maker *m, const char *head, lion_form second)
{
    lion_form items[2] = { text(head), second };
    return list(m, items, 2);
}

static lion_form map(maker *m, const char *const *keys, const lion_form *values, uint32_t count)
{
    lion_form made = lion_form_map(m->arena, count);
    for (uint32_t i = 0; i < count; i++) {
        made.items[2 * i] = text(keys[i]);
        made.items[2 * i + 1] = values[i];
    }
    return made;
}

/* Anything, now and then. */
static lion_form strange(maker *m)
{
    switch (pick(m, 8)) {
    case 0: return lion_form_long(-1);
    case 1: return lion_form_long(INT64_MAX);
    case 2: return text("");
    case 3: return lion_form_vector(m->arena, 0);
    case 4: return lion_form_map(m->arena, 0);
    case 5: return pair(m, "var", lion_form_long(pick(m, 40)));
    case 6: return lion_form_value(lion_value_nil());
    default: return pair(m, "const", pair(m, "tuple", text("x")));
    }
}

static bool is_strange(maker *m)
{
    return pick(m, 250) == 249;
}

static lion_form constant(maker *m)
{
    switch (pick(m, 9)) {
    case 0: return lion_form_long(pick(m, 8));
    case 1: return lion_form_value(lion_value_double(pick(m, 8) / 2.0));
    case 2: return text("ab");
    case 3: return lion_form_keyword("f/red");
    case 4: return lion_form_value(lion_value_boolean(true));
    case 5: return lion_form_long((int64_t)1 << 44);
    case 6: return lion_form_value(lion_value_nil());
    case 7: {
        lion_form slots[2] = { lion_form_keyword("f/key"), lion_form_long(pick(m, 40)) };
        return list(m, slots, 2);
    }
    default: return lion_form_long(pick(m, 40));
    }
}

static lion_form attribute(maker *m)
{
    static const char *const NAMES[] = { "f/key", "f/n", "f/many", "f/text", "f/to", "f/up", "db/ident", "f/none" };
    return lion_form_keyword(NAMES[pick(m, 40) == 0 ? 7 : pick(m, 7)]);
}

static lion_form var_number(maker *m)
{
    return lion_form_long(pick(m, m->vars));
}

static lion_form term(maker *m)
{
    if (is_strange(m)) return strange(m);
    switch (pick(m, 8)) {
    case 0: {
        lion_form blank = text("blank");
        return list(m, &blank, 1);
    }
    case 1:
    case 2: return pair(m, "const", constant(m));
    default: return pair(m, "var", var_number(m));
    }
}

static lion_form terms(maker *m, uint32_t count)
{
    lion_form made[8];
    for (uint32_t i = 0; i < count; i++) made[i] = term(m);
    return list(m, made, count);
}

static lion_form numbers(maker *m, uint32_t most)
{
    lion_form made[8];
    uint32_t count = pick(m, most + 1);
    for (uint32_t i = 0; i < count; i++) made[i] = var_number(m);
    return list(m, made, count);
}

static lion_form binding(maker *m, uint32_t depth)
{
    lion_form parts[3] = { { 0 } };
    uint32_t kind = depth > 2 ? 0 : pick(m, 6), count = 1 + pick(m, 2);
    if (is_strange(m)) return strange(m);
    if (kind < 3) return pair(m, "scalar", var_number(m));
    if (kind == 3) return pair(m, "collection", binding(m, depth + 1));
    for (uint32_t i = 0; i < count; i++) parts[i] = binding(m, depth + 1);
    return pair(m, kind == 4 ? "tuple" : "relation", list(m, parts, count));
}

/* ---- clauses ---- */

static lion_form clauses(maker *m, uint32_t most);
static lion_form query(maker *m);

static lion_form pattern(maker *m)
{
    lion_form parts[5], made[4];
    uint32_t count = pick(m, 6) == 0 ? 1 + pick(m, 5) : 3;
    for (uint32_t i = 0; i < count; i++) parts[i] = term(m);
    if (count > 1 && pick(m, 8) > 0) parts[1] = pair(m, "const", attribute(m));
    made[0] = text("pattern");
    made[1] = lion_form_long(pick(m, m->sources));
    made[2] = list(m, parts, count);
    made[3] = text("p");
    return list(m, made, 4);
}

static lion_form expression(maker *m, bool is_function)
{
    static const char *const PREDICATES[] = { "<", ">", "=", "!=", "<=", ">=", "even?", "missing?", "re-find", "u/any", "not=", "none" };
    static const char *const FUNCTIONS[] = { "+", "-", "*", "/", "str", "count", "ground", "get-else", "tuple", "untuple", "u/any", "upper-case", "rem", "none" };
    const char *name = is_function ? FUNCTIONS[pick(m, 14)] : PREDICATES[pick(m, 12)];
    lion_form made[5] = { text(is_function ? "function" : "predicate"), text(name), terms(m, pick(m, 4)), text("e"), text("e") };
    if (pick(m, 4) == 0 && made[2].count > 0) made[2].items[0] = pair(m, "source", lion_form_long(pick(m, m->sources)));
    if (is_function) made[3] = binding(m, 0);
    return list(m, made, is_function ? 5 : 4);
}

static lion_form branches(maker *m, uint32_t count)
{
    lion_form made[3] = { { 0 } };
    for (uint32_t i = 0; i < count; i++) made[i] = clauses(m, 3);
    return list(m, made, count);
}

static lion_form clause(maker *m)
{
    lion_form made[5] = { { 0 } };
    uint32_t kind = pick(m, m->depth > 3 ? 6 : 16);
    if (is_strange(m)) return strange(m);
    if (kind < 4) return pattern(m);
    if (kind < 6) return expression(m, kind == 5);
    m->depth++;
    made[3] = made[4] = text("c");
    if (kind < 9) {
        made[0] = text("not");
        made[1] = clauses(m, 2);
        made[2] = numbers(m, 3);
    } else if (kind < 12) {
        made[0] = text("or");
        made[1] = branches(m, 1 + pick(m, 3));
        made[2] = numbers(m, 3);
        made[3] = numbers(m, 1);
    } else if (kind < 15 && m->rules > 0) {
        made[0] = text("rule");
        made[1] = lion_form_long(pick(m, m->rules));
        made[2] = terms(m, 2);
    } else {
        maker inner = *m;
        lion_form source = pair(m, "source", lion_form_long(0));
        made[0] = text("query");
        made[1] = query(&inner);
        m->at = inner.at;
        made[2] = list(m, &source, 1);
        made[3] = binding(m, 0);
    }
    m->depth--;
    return list(m, made, 5);
}

/* Up to `most` clauses, behind so many patterns that bind two variables each (mostly). */
static lion_form clauses_behind(maker *m, uint32_t pairs, uint32_t most)
{
    lion_form made[8];
    uint32_t count = 0, end = 0;
    for (; count < pairs && pick(m, 16) > 0; count++) {
        lion_form parts[3] = { pair(m, "var", lion_form_long(2 * count)), { 0 }, pair(m, "var", lion_form_long(2 * count + 1)) };
        parts[1] = pair(m, "const", attribute(m));
        lion_form whole[4] = { text("pattern"), lion_form_long(0), list(m, parts, 3), text("p") };
        made[count] = list(m, whole, 4);
    }
    end = count + pick(m, most) + (count == 0);
    for (; count < end; count++) made[count] = clause(m);
    return list(m, made, count);
}

static lion_form clauses(maker *m, uint32_t most)
{
    return clauses_behind(m, pick(m, 2), most);
}

/* ---- queries ---- */

static lion_form names(maker *m, uint32_t count)
{
    static const char *const NAMES[] = { "?a", "?b", "?c", "?d", "?e", "?f" };
    lion_form made[6];
    for (uint32_t i = 0; i < count; i++) made[i] = text(NAMES[i]);
    return list(m, made, count);
}

static lion_form element(maker *m)
{
    static const char *const NAMES[] = { "count", "sum", "min", "max", "avg", "median", "distinct", "count-distinct", "u/any", "variance" };
    lion_form made[3] = { text("aggregate"), { 0 }, { 0 } };
    if (pick(m, 3) > 0) return pair(m, "var", var_number(m));
    lion_form var = pair(m, "var", var_number(m));
    made[1] = text(NAMES[pick(m, 10)]);
    made[2] = list(m, &var, 1);
    return list(m, made, 3);
}

static lion_form find(maker *m)
{
    static const char *const KEYS[] = { "kind", "elements" };
    static const char *const KINDS[] = { "relation", "relation", "collection", "tuple", "scalar" };
    lion_form elements[4], values[2];
    uint32_t count = 1 + pick(m, 3);
    for (uint32_t i = 0; i < count; i++) elements[i] = element(m);
    values[0] = text(KINDS[pick(m, 5)]);
    values[1] = list(m, elements, count);
    return map(m, KEYS, values, 2);
}

static lion_form order(maker *m)
{
    lion_form made[2];
    uint32_t count = pick(m, 4) == 0 ? 1 + pick(m, 2) : 0;
    for (uint32_t i = 0; i < count; i++) {
        lion_form parts[2] = { var_number(m), text(pick(m, 2) == 0 ? "asc" : "desc") };
        made[i] = list(m, parts, 2);
    }
    return list(m, made, count);
}

static lion_form rule(maker *m)
{
    static const char *const KEYS[] = { "name", "source", "head", "required", "vars", "branches" };
    lion_form head[2] = { lion_form_long(0), lion_form_long(1) }, required[2] = { lion_form_long(pick(m, 4) == 0), lion_form_long(0) };
    maker inner = *m;
    inner.vars = 4;
    lion_form values[6] = { text("r"), lion_form_long(0), list(&inner, head, 2), list(&inner, required, 2), names(&inner, 4), branches(&inner, 1 + pick(m, 2)) };
    m->at = inner.at > m->at ? inner.at : m->at;
    return map(m, KEYS, values, 6);
}

/* A nested query has one source and its own variables. */
static lion_form query(maker *m)
{
    static const char *const KEYS[] = { "vars", "sources", "find", "inputs", "where", "with", "order", "rules", "limit", "offset" };
    bool is_outer = m->depth == 0;
    lion_form inputs[3], rules[2], values[10];
    m->vars = 5;
    m->sources = is_outer ? 2 : 1;
    m->rules = is_outer ? pick(m, 3) : 0;
    inputs[0] = pair(m, "source", lion_form_long(0));
    inputs[1] = pair(m, "source", lion_form_long(1));
    inputs[2] = is_outer ? pair(m, "collection", pair(m, "scalar", lion_form_long(pick(m, 4) == 0 ? pick(m, 5) : 4))) : inputs[0];
    for (uint32_t i = 0; i < m->rules; i++) rules[i] = rule(m);
    values[0] = names(m, 5);
    values[1] = lion_form_long(m->sources);
    values[2] = find(m);
    values[3] = list(m, inputs, is_outer ? 3 : 1);
    values[4] = clauses_behind(m, 2, 4);
    values[5] = numbers(m, pick(m, 4) == 0 ? 2 : 0);
    values[6] = order(m);
    values[7] = list(m, rules, m->rules);
    values[8] = lion_form_long(pick(m, 4) == 0 ? (int64_t)pick(m, 20) : -1);
    values[9] = lion_form_long(pick(m, 8) == 0 ? 3 : 0);
    return map(m, KEYS, values, 10);
}

/* ---- the database: forty entities ---- */

enum { ENTITIES = 40 };
static lion_connection *connection; /* open as long as its values */
static lion_db *database, *history;

static lion_form attribute_of(lion_arena *arena, const char *name, const char *type, bool is_many, bool is_identity)
{
    lion_entry entries[] = { { "db/ident", lion_form_keyword(name) },
                             { "db/valueType", lion_form_keyword(type) },
                             { "db/cardinality", lion_form_keyword(is_many ? "db.cardinality/many" : "db.cardinality/one") },
                             { "db/unique", lion_form_keyword("db.unique/identity") } };
    return lion_form_entries(arena, entries, is_identity ? 4 : 3);
}

static void open_database(void)
{
    lion_arena arena;
    lion_form ops[ENTITIES];
    int64_t t = 0;
    lion_arena_init(&arena, 0);
    LION_ASSERT(lion_connection_open(&connection, "mem:", NULL, NULL) == LION_OK);
    lion_form schema[] = { attribute_of(&arena, "f/key", "db.type/long", false, true),   attribute_of(&arena, "f/n", "db.type/long", false, false),
                           attribute_of(&arena, "f/many", "db.type/long", true, false),  attribute_of(&arena, "f/text", "db.type/string", false, false),
                           attribute_of(&arena, "f/to", "db.type/ref", true, false),     attribute_of(&arena, "f/up", "db.type/ref", false, false) };
    lion_form tx = lion_form_list(&arena, schema, 6);
    LION_ASSERT(lion_transact(NULL, connection, &tx, NULL, NULL) == LION_OK);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < ENTITIES; i++) {
            const char *self = lion_arena_printf(&arena, "e%d", i), *other = lion_arena_printf(&arena, "e%d", (i * 7 + 3) % ENTITIES);
            lion_entry entries[] = { { "db/id", lion_form_string(self) },        { "f/key", lion_form_long(i) },
                                     { "f/n", lion_form_long(i % (5 + round)) }, { "f/many", lion_form_long(i % 3) },
                                     { "f/text", lion_form_string(i % 4 == 0 ? "ab" : "cd") }, { "f/to", lion_form_string(other) },
                                     { "f/up", lion_form_string(self) } };
            ops[i] = lion_form_entries(&arena, entries, 7);
        }
        tx = lion_form_list(&arena, ops, ENTITIES);
        LION_ASSERT(lion_transact(NULL, connection, &tx, NULL, NULL) == LION_OK);
        if (round == 0) LION_ASSERT(lion_connection_index(&t, connection, NULL) == LION_OK);
    }
    LION_ASSERT(lion_connection_db(&database, connection, NULL) == LION_OK);
    LION_ASSERT(lion_db_history(&history, database, NULL) == LION_OK);
    lion_arena_deinit(&arena);
}

/* ---- running ---- */

static void answer(lion_call *call)
{
    for (uint32_t i = 0; i < call->count; i++) {
        if (call->verdict != NULL) call->verdict[i] = i % 2 == 0;
        else call->results[i] = lion_form_long(i % 3);
    }
    call->is_answered = true;
}

static lion_status drain(lion_query_run *run, lion_error *error)
{
    lion_query_batch batch;
    lion_status status;
    while ((status = lion_query_next(run, &batch, error)) == LION_OK || status == LION_CALL) {
        if (status == LION_CALL) answer(lion_query_call(run));
        else LION_ASSERT(batch.count > 0 && batch.count <= LION_BATCH_ROWS);
    }
    return status;
}

static lion_form relation(lion_arena *arena)
{
    lion_form rows = lion_form_vector(arena, 12);
    for (int i = 0; i < 12; i++) {
        lion_form row[3] = { lion_form_long(i % 4), i % 3 == 0 ? lion_form_string("ab") : lion_form_long(i % 5), lion_form_long(i) };
        rows.items[i] = lion_form_list(arena, row, 3);
    }
    return rows;
}

static void run(maker *m, const lion_form *form)
{
    lion_query *query_made = NULL;
    lion_query_run *running = NULL;
    lion_error error = { 0 };
    lion_form each = lion_form_list(m->arena, (lion_form[]){ lion_form_long(1), lion_form_long(2), lion_form_string("ab") }, 3);
    lion_query_input inputs[3] = { lion_query_input_db(pick(m, 4) == 0 ? history : database), lion_query_input_form(relation(m->arena)),
                                   lion_query_input_form(each) };
    lion_query_options options = { .limit = -1, .rows_max = 20000, .timeout_ms = 2000, .memory_max = 16 << 20 };
    options.plan_seed = pick(m, 3) == 0 ? 0 : 1 + pick(m, 255);
    if (pick(m, 4) == 0) options.plan_with = UINT32_C(1) << pick(m, 13);
    if (pick(m, 4) == 0) options.plan_without = UINT32_C(1) << pick(m, 13);
    options.table_rows_max = pick(m, 4);
    options.temp_max = 1 << 22;
    options.statistics = pick(m, 8) == 0;
    lion_status status = lion_query_new(&query_made, form, &error);
    if (status == LION_OK) status = lion_query_open(&running, query_made, inputs, 3, &options, &error);
    if (status == LION_OK) status = drain(running, &error);
    if (status < 0) {
        bool is_told = error.category == LION_INCORRECT || error.category == LION_INTERRUPTED || error.category == LION_UNSUPPORTED ||
                       error.category == LION_NOT_FOUND || strcmp(error.code, "lion/fault") == 0; /* scopes that share what they must not */
        if (!is_told) fprintf(stderr, "%s: %s\n%s\n", error.code, error.message, lion_form_text(m->arena, form));
        LION_ASSERT(is_told);
    }
    lion_form tree;
    char *shown = NULL;
    if (running != NULL) LION_ASSERT(lion_query_explain(&tree, &shown, running, m->arena, NULL) == LION_OK);
    lion_query_close(running);
    lion_query_drop(query_made);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (database == NULL) open_database();
    lion_arena arena;
    lion_arena_init(&arena, 0);
    maker m = { .at = data, .end = data + size, .arena = &arena };
    lion_form form = query(&m);
    run(&m, &form);
    lion_arena_deinit(&arena);
    return 0;
}
