/* xform.c - the functions of :xform that need no host: str keyword symbol name namespace.
 * A list (a cardinality-many attribute) is transformed member by member. */
#include "pull/pattern.h"

#include "base/assert.h"

typedef lion_status (*transform)(lion_value *result, lion_value value, lion_arena *arena);

static bool is_named(lion_value value)
{
    return value.type == LION_TYPE_KEYWORD || value.type == LION_TYPE_SYMBOL;
}

/* -- The functions, as Clojure has them; LION_ABSENT: the value does not suit ------------------ */

static lion_status to_text(lion_value *result, lion_value value, lion_arena *arena)
{
    const char *text = value.type == LION_TYPE_NIL ? "" : lion_value_text(arena, value);
    *result = lion_value_bytes(LION_TYPE_STRING, lion_slice_text(text));
    return LION_OK;
}

static lion_status to_name_of(lion_value *result, lion_value value, lion_type type)
{
    if (value.type == LION_TYPE_NIL) {
        *result = value;
        return LION_OK;
    }
    if (value.type != LION_TYPE_STRING && !is_named(value)) return LION_ABSENT;
    lion_slice text = lion_value_slice(value);
    if (type == LION_TYPE_KEYWORD && text.size > 1 && text.data[0] == ':')
        text = lion_slice_of(text.data + 1, text.size - 1);
    if (text.size == 0) return LION_ABSENT;
    *result = lion_value_bytes(type, text);
    return LION_OK;
}

static lion_status to_keyword(lion_value *result, lion_value value, lion_arena *arena)
{
    (void)arena;
    return to_name_of(result, value, LION_TYPE_KEYWORD);
}

static lion_status to_symbol(lion_value *result, lion_value value, lion_arena *arena)
{
    (void)arena;
    return to_name_of(result, value, LION_TYPE_SYMBOL);
}

/* The offset of the slash between namespace and name; the size where there is none ("/" alone is a
 * name). */
static size_t slash_of(lion_slice text)
{
    for (size_t i = 1; i + 1 < text.size; i++)
        if (text.data[i] == '/') return i;
    return text.size;
}

static lion_status to_local_name(lion_value *result, lion_value value, lion_arena *arena)
{
    (void)arena;
    *result = value;
    if (value.type == LION_TYPE_STRING || value.type == LION_TYPE_NIL) return LION_OK;
    if (!is_named(value)) return LION_ABSENT;
    lion_slice text = lion_value_slice(value);
    size_t slash = slash_of(text);
    if (slash < text.size) text = lion_slice_of(text.data + slash + 1, text.size - slash - 1);
    *result = lion_value_bytes(LION_TYPE_STRING, text);
    return LION_OK;
}

static lion_status to_namespace(lion_value *result, lion_value value, lion_arena *arena)
{
    (void)arena;
    *result = lion_value_nil();
    if (value.type == LION_TYPE_NIL) return LION_OK;
    if (!is_named(value)) return LION_ABSENT;
    lion_slice text = lion_value_slice(value);
    size_t slash = slash_of(text);
    if (slash < text.size)
        *result = lion_value_bytes(LION_TYPE_STRING, lion_slice_of(text.data, slash));
    return LION_OK;
}

/* -- By name ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    transform apply;
} transforms[] = {
    { "str", to_text },        { "keyword", to_keyword },     { "symbol", to_symbol },
    { "name", to_local_name }, { "namespace", to_namespace },
};

static transform find_transform(lion_slice name)
{
    lion_slice prefix = lion_slice_text("clojure.core/");
    if (name.size > prefix.size && memcmp(name.data, prefix.data, prefix.size) == 0)
        name = lion_slice_of(name.data + prefix.size, name.size - prefix.size);
    for (size_t i = 0; i < sizeof transforms / sizeof *transforms; i++)
        if (lion_slice_equal(name, lion_slice_text(transforms[i].name))) return transforms[i].apply;
    return NULL;
}

bool lion_pull_xform_is_known(lion_slice name)
{
    return find_transform(name) != NULL;
}

static lion_status apply_one(lion_form *result, lion_slice name, const lion_form *form,
                             lion_arena *arena, lion_error *error)
{
    lion_value value;
    lion_status status = LION_ABSENT;
    if (form->kind == LION_FORM_VALUE) status = find_transform(name)(&value, form->value, arena);
    if (status == LION_ABSENT)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "pull: :xform %.*s cannot take %.200s", (int)name.size,
                         (const char *)name.data, lion_form_text(arena, form));
    *result = lion_form_value(value);
    return LION_OK;
}

lion_status lion_pull_xform(lion_form *result, lion_slice name, const lion_form *value,
                            lion_arena *arena, lion_error *error)
{
    LION_ASSERT(lion_pull_xform_is_known(name));
    if (value->kind != LION_FORM_VECTOR) return apply_one(result, name, value, arena, error);
    lion_form list = lion_form_vector(arena, value->count);
    for (uint32_t i = 0; i < list.count; i++) {
        lion_status status = apply_one(&list.items[i], name, &value->items[i], arena, error);
        if (status < 0) return status;
    }
    *result = list;
    return LION_OK;
}
