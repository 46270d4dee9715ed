/* pattern.c - normalised pattern forms to structs. Patterns nest no deeper than input forms do
 * (LION_FORM_INPUT_DEPTH_MAX), so reading recurses. */
#include "pull/pattern.h"

#include <string.h>

#include "base/assert.h"

static const lion_pull_spec whole_spec = { .kind = LION_PULL_WILDCARD, .limit = LION_PULL_LIMIT };
const lion_pull_pattern lion_pull_whole = { .specs = &whole_spec, .count = 1, .total = 1 };

typedef struct pattern_reader {
    lion_arena *arena;
    uint32_t next_number;
    uint32_t depth;
    lion_error *error;
} pattern_reader;

static lion_status fail_syntax(pattern_reader *reader, const lion_form *form, const char *expected)
{
    return lion_fail(reader->error, LION_INCORRECT, "lion/syntax", "a pull pattern: %s, not %.200s",
                     expected, lion_form_text(reader->arena, form));
}

/* -- Options ---------------------------------------------------------------------------------- */

/* "person/friend" reversed is "person/_friend". */
static lion_slice reversed_name(lion_arena *arena, lion_slice name)
{
    size_t start = 0;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '/') start = i + 1;
    return lion_slice_text(lion_arena_printf(arena, "%.*s_%.*s", (int)start,
                                             (const char *)name.data, (int)(name.size - start),
                                             (const char *)name.data + start));
}

static lion_form text_form(lion_slice text)
{
    return lion_form_value(lion_value_bytes(LION_TYPE_STRING, text));
}

/* What `as` says; a keyword becomes a key without its colon. */
static lion_form key_of(pattern_reader *reader, const lion_pull_spec *spec, const lion_form *as)
{
    if (as != NULL) {
        bool is_keyword = as->kind == LION_FORM_VALUE && as->value.type == LION_TYPE_KEYWORD;
        return is_keyword ? text_form(lion_value_slice(as->value)) : *as;
    }
    return text_form(spec->is_reverse ? reversed_name(reader->arena, spec->name) : spec->name);
}

/* A form's absence and nil are one. */
static const lion_form *option(const lion_form *map, const char *key)
{
    const lion_form *form = lion_form_get(map, key);
    bool is_nil =
        form != NULL && form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL;
    return is_nil ? NULL : form;
}

/* A flag as hosts write it: a boolean, or 0 and 1. */
static bool is_set(const lion_form *form)
{
    if (form == NULL || form->kind != LION_FORM_VALUE) return false;
    uint8_t type = form->value.type;
    return (type == LION_TYPE_BOOLEAN || type == LION_TYPE_LONG) && form->value.bits != 0;
}

/* A positive number or -1; `fallback` where the option is not given. */
static lion_status read_bound(pattern_reader *reader, int64_t *bound_out, const lion_form *form,
                              int64_t fallback, const char *expected)
{
    *bound_out = fallback;
    if (form == NULL) return LION_OK;
    if (!lion_form_as_long(form, bound_out) || *bound_out == 0 || *bound_out < -1)
        return fail_syntax(reader, form, expected);
    return LION_OK;
}

static lion_status read_name(pattern_reader *reader, lion_pull_spec *spec, const lion_form *form)
{
    const lion_form *attr = option(form, "attr");
    if (attr == NULL || !lion_form_as_slice(attr, &spec->name) || spec->name.size == 0)
        return fail_syntax(reader, form, "a specification names an attribute");
    if (spec->name.data[0] == ':') /* both spellings are accepted everywhere */
        spec->name = lion_slice_of(spec->name.data + 1, spec->name.size - 1);
    if (lion_slice_equal(spec->name, lion_slice_text("*"))) spec->kind = LION_PULL_WILDCARD;
    if (lion_slice_equal(spec->name, lion_slice_text("db/id"))) spec->kind = LION_PULL_ID;
    spec->is_reverse = is_set(option(form, "reverse"));
    return LION_OK;
}

/* -- Specifications --------------------------------------------------------------------------- */

static lion_status read_pattern(pattern_reader *reader, lion_pull_pattern *pattern,
                                const lion_form *form);

static lion_status read_nested(pattern_reader *reader, lion_pull_spec *spec, const lion_form *form)
{
    const lion_form *nested = option(form, "pattern");
    lion_status status =
        read_bound(reader, &spec->recursion, option(form, "recursion"), 0,
                   "a recursion is a positive number of levels, or ... without a limit");
    if (status < 0 || nested == NULL) return status;
    if (spec->recursion != 0 || spec->kind != LION_PULL_ATTRIBUTE)
        return fail_syntax(reader, form,
                           "a map specification has an attribute, and a pattern or a recursion");
    lion_pull_pattern *pattern = lion_arena_new(reader->arena, lion_pull_pattern);
    spec->pattern = pattern;
    return read_pattern(reader, pattern, nested);
}

static lion_status read_spec(pattern_reader *reader, lion_pull_spec *spec, const lion_form *form)
{
    *spec = (lion_pull_spec){ .number = reader->next_number++ };
    if (form->kind != LION_FORM_MAP)
        return fail_syntax(reader, form, "a specification is an attribute, * or a map");
    lion_status status = read_name(reader, spec, form);
    if (status < 0) return status;
    status = read_bound(reader, &spec->limit, option(form, "limit"), LION_PULL_LIMIT,
                        "a limit is a positive number, or nil for none");
    if (status < 0) return status;

    const lion_form *xform = option(form, "xform");
    if (xform != NULL && (!lion_form_as_slice(xform, &spec->xform) || spec->xform.size == 0))
        return fail_syntax(reader, xform, "an xform is the name of a function");
    spec->missing = option(form, "default");
    spec->key = key_of(reader, spec, option(form, "as"));
    return read_nested(reader, spec, form);
}

static lion_status read_pattern(pattern_reader *reader, lion_pull_pattern *pattern,
                                const lion_form *form)
{
    if (form->kind != LION_FORM_VECTOR || form->count == 0)
        return fail_syntax(reader, form, "a pattern is a vector with a specification at least");
    if (++reader->depth > LION_FORM_INPUT_DEPTH_MAX)
        return lion_fail(reader->error, LION_INTERRUPTED, "lion/limit",
                         "a pull pattern nests deeper than %d levels: use a recursion",
                         LION_FORM_INPUT_DEPTH_MAX);
    lion_pull_spec *specs = lion_arena_zalloc(reader->arena, sizeof(lion_pull_spec) * form->count);
    if (specs == NULL) return lion_fail_memory(reader->error);
    for (uint32_t i = 0; i < form->count; i++) {
        lion_status status = read_spec(reader, &specs[i], &form->items[i]);
        if (status < 0) return status;
        if (specs[i].recursion != 0) specs[i].recursion_number = pattern->recursion_count++;
    }
    pattern->specs = specs;
    pattern->count = form->count;
    reader->depth--;
    return LION_OK;
}

lion_status lion_pull_pattern_read(lion_pull_pattern **pattern_out, const lion_form *form,
                                   lion_arena *arena, lion_error *error)
{
    pattern_reader reader = { .arena = arena, .error = error };
    lion_pull_pattern *pattern = lion_arena_new(arena, lion_pull_pattern);
    lion_status status = read_pattern(&reader, pattern, form);
    if (status < 0) return status;
    status = lion_arena_check(arena, error);
    if (status < 0) return status;
    pattern->total = reader.next_number;
    *pattern_out = pattern;
    return LION_OK;
}

void lion_pull_pattern_visit(const lion_pull_pattern *pattern, lion_pull_visit visit, void *context)
{
    for (uint32_t i = 0; i < pattern->count; i++) {
        visit(context, &pattern->specs[i]);
        if (pattern->specs[i].pattern != NULL)
            lion_pull_pattern_visit(pattern->specs[i].pattern, visit, context);
    }
}
