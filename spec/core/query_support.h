/* query_support.h - queries of the tests as short texts: the IR's layout in brackets, with
 *   ?x      ["var", n], numbered as met        #3      ["var", 3] (inside rules)      _   ["blank"]
 *   =form   ["const", form]                    $1      ["source", 1]
 *   :a/b    a keyword     'text' and bare words  strings     numbers, true, false, nil
 * { k v … } is a map. Variables' names are added to the query by ask(). */
#ifndef LION_SPEC_QUERY_SUPPORT_H
#define LION_SPEC_QUERY_SUPPORT_H

#include <ctype.h>

#include "data/tuple.h"
#include "support.h"

#define VARS_MAX 64

typedef struct query_reader {
    const char *at;
    lion_arena *arena;
    const char *names[VARS_MAX];
    size_t sizes[VARS_MAX];
    uint32_t var_count;
} query_reader;

static inline lion_form text_form(const char *text, size_t size)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_STRING, lion_slice_of(text, size)));
}

static inline lion_form long_form(int64_t x)
{
    return lion_form_value(lion_value_long(x));
}

static inline lion_form pair_form(query_reader *r, const char *head, lion_form item)
{
    lion_form form = lion_form_vector(r->arena, 2);
    form.items[0] = text_form(head, strlen(head));
    form.items[1] = item;
    return form;
}

static inline lion_form read_form(query_reader *r);

static inline lion_form read_items(query_reader *r, char end, bool is_map)
{
    lion_form items[400];
    size_t count = 0;
    for (;;) {
        while (*r->at == ' ' || *r->at == ',' || *r->at == '\n') r->at++;
        if (*r->at == end) break;
        assert_true(*r->at != 0 && count < CASES(items));
        items[count++] = read_form(r);
    }
    r->at++;
    lion_form form = is_map ? lion_form_map(r->arena, count / 2) : lion_form_vector(r->arena, count);
    if (count > 0) memcpy(form.items, items, sizeof(lion_form) * count);
    return form;
}

static inline uint32_t var_number(query_reader *r, const char *name, size_t size)
{
    for (uint32_t i = 0; i < r->var_count; i++)
        if (r->sizes[i] == size && memcmp(r->names[i], name, size) == 0) return i;
    assert_true(r->var_count < VARS_MAX);
    r->names[r->var_count] = name;
    r->sizes[r->var_count] = size;
    return r->var_count++;
}

static inline lion_form read_form(query_reader *r)
{
    while (*r->at == ' ' || *r->at == ',' || *r->at == '\n') r->at++;
    const char *start = r->at;
    if (*start == '[' || *start == '{') {
        r->at++;
        return read_items(r, *start == '[' ? ']' : '}', *start == '{');
    }
    if (*start == '=' && start[1] != ' ') {
        r->at++;
        return pair_form(r, "const", read_form(r));
    }
    if (*start == '\'') {
        r->at = strchr(start + 1, '\'') + 1;
        return text_form(start + 1, (size_t)(r->at - start - 2));
    }
    size_t size = strcspn(start, " ,[]{}\n");
    r->at = start + size;
    if (*start == '_' && size == 1) {
        lion_form form = lion_form_vector(r->arena, 1);
        form.items[0] = text_form("blank", 5);
        return form;
    }
    if (*start == '?') return pair_form(r, "var", long_form(var_number(r, start, size)));
    if (*start == '#') return pair_form(r, "var", long_form(atoll(start + 1)));
    if (*start == '$') return pair_form(r, "source", long_form(atoll(start + 1)));
    if (*start == ':') return lion_form_value(lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_of(start + 1, size - 1)));
    if (size == 3 && memcmp(start, "nil", 3) == 0) return lion_form_value(lion_value_nil());
    if (size == 4 && memcmp(start, "true", 4) == 0) return lion_form_value(lion_value_boolean(true));
    if (size == 5 && memcmp(start, "false", 5) == 0) return lion_form_value(lion_value_boolean(false));
    if (isdigit((unsigned char)*start) || (*start == '-' && isdigit((unsigned char)start[1]))) {
        if (memchr(start, '.', size) != NULL) return lion_form_value(lion_value_double(atof(start)));
        return long_form(atoll(start));
    }
    return text_form(start, size);
}

/* A form of the data (an input). */
static inline lion_form form_of(lion_arena *arena, const char *text)
{
    query_reader r = { .at = text, .arena = arena };
    return read_form(&r);
}

/* What a binding or a list of variables needs is the bare number: ["var", n] → n. */
static inline void strip_vars(lion_form *form)
{
    if (form->kind == LION_FORM_VECTOR && form->count == 2 && lion_form_is_text(&form->items[0], "var")) *form = form->items[1];
    else if (form->kind == LION_FORM_VECTOR)
        for (uint32_t i = 0; i < form->count; i++) strip_vars(&form->items[i]);
}

/* Bindings and variable lists are written with ?x too: found by where they stand. */
static inline void fix_clauses(lion_form *clauses);
static inline void fix_clause(lion_form *clause)
{
    const lion_form *head = lion_form_at(clause, 0);
    if (lion_form_is_text(head, "function") || lion_form_is_text(head, "query")) strip_vars(&clause->items[3]);
    if (lion_form_is_text(head, "not")) {
        fix_clauses(&clause->items[1]);
        strip_vars(&clause->items[2]);
    }
    if (lion_form_is_text(head, "or")) {
        for (uint32_t i = 0; i < clause->items[1].count; i++) fix_clauses(&clause->items[1].items[i]);
        strip_vars(&clause->items[2]);
        strip_vars(&clause->items[3]);
    }
}
static inline void fix_clauses(lion_form *clauses)
{
    for (uint32_t i = 0; i < clauses->count; i++) fix_clause(&clauses->items[i]);
}

static inline lion_form *entry(lion_form *map, const char *key)
{
    return (lion_form *)(uintptr_t)lion_form_get(map, key);
}

static inline lion_form query_form(lion_arena *arena, const char *text)
{
    query_reader r = { .at = text, .arena = arena };
    lion_form map = read_form(&r);
    lion_form *part;
    if ((part = entry(&map, "where")) != NULL) fix_clauses(part);
    if ((part = entry(&map, "inputs")) != NULL) strip_vars(part);
    if ((part = entry(&map, "with")) != NULL) strip_vars(part);
    if ((part = entry(&map, "order")) != NULL)
        for (uint32_t i = 0; i < part->count; i++) strip_vars(&part->items[i].items[0]);
    if ((part = entry(&map, "rules")) != NULL)
        for (uint32_t i = 0; i < part->count; i++) {
            lion_form *branches = entry(&part->items[i], "branches");
            for (uint32_t b = 0; b < branches->count; b++) fix_clauses(&branches->items[b]);
        }
    lion_form whole = lion_form_map(arena, map.count + 1);
    memcpy(whole.items, map.items, sizeof(lion_form) * 2 * map.count);
    lion_form names = lion_form_vector(arena, r.var_count);
    for (uint32_t i = 0; i < r.var_count; i++) names.items[i] = text_form(r.names[i], r.sizes[i]);
    whole.items[2 * map.count] = text_form("vars", 4);
    whole.items[2 * map.count + 1] = names;
    return whole;
}

/* ---- results as text: rows sorted, "a 1|b 2" ---- */

static inline int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static inline char *row_text(lion_arena *arena, const lion_query_batch *batch, uint32_t row)
{
    char *text = lion_arena_printf(arena, "%s", "");
    for (uint32_t i = 0; i < batch->width; i++) {
        lion_form form = lion_form_value(lion_vector_get(&batch->columns[i], row));
        if (batch->forms != NULL && batch->forms[i] != NULL) form = batch->forms[i][row];
        const char *item = form.kind == LION_FORM_VALUE && form.value.type != LION_TYPE_TUPLE ? lion_value_text(arena, form.value)
                                                                                                : lion_form_text(arena, &form);
        text = lion_arena_printf(arena, "%s%s%s", text, i > 0 ? " " : "", item);
    }
    return text;
}

/* How a test answers calls. NULL: there must be none. */
typedef void (*answerer)(lion_call *call);

static inline lion_status ask_all(lion_arena *arena, lion_query_run *run, answerer answer, bool is_ordered, char **out, lion_error *error)
{
    static char *rows[200000];
    size_t count = 0;
    lion_query_batch batch;
    lion_status status;
    while ((status = lion_query_next(run, &batch, error)) == LION_OK || status == LION_CALL) {
        if (status == LION_CALL) {
            assert_non_null(answer);
            answer(lion_query_call(run));
            lion_query_call(run)->is_answered = true;
            continue;
        }
        for (uint32_t i = 0; i < batch.count && count < CASES(rows); i++) rows[count++] = row_text(arena, &batch, i);
    }
    if (status != LION_END) return status;
    if (!is_ordered) qsort(rows, count, sizeof(rows[0]), by_text);
    size_t size = 1;
    for (size_t i = 0; i < count; i++) size += strlen(rows[i]) + 1;
    *out = lion_arena_alloc(arena, size);
    char *end = *out;
    *end = 0;
    for (size_t i = 0; i < count; i++) end += sprintf(end, "%s%s", i > 0 ? "|" : "", rows[i]);
    return LION_OK;
}

#endif
