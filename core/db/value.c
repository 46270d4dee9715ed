/* value.c - coercion of what hosts give, with errors that name attribute, type and value. */
#include "db/value.h"

#include "base/assert.h"
#include "base/text.h"
#include "data/tuple.h"

static const char *short_name(lion_type type)
{
    const char *name = lion_type_name(type); /* "db.type/string" */
    const char *slash = strchr(name, '/');
    return slash == NULL ? name : slash + 1;
}

lion_status lion_fail_wrong_type(lion_error *error, const lion_attribute *attribute,
                                 const char *expected, const lion_form *form, lion_arena *arena)
{
    if (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL) {
        return lion_fail(error, LION_INCORRECT, "db.error/nil-value",
                         "nil is no value for :%.*s: retract a value instead, or leave it out",
                         (int)attribute->ident.size, (const char *)attribute->ident.data);
    }
    return lion_fail(error, LION_INCORRECT, "db.error/wrong-type-for-attribute",
                     ":%.*s takes %s, not %.200s", (int)attribute->ident.size,
                     (const char *)attribute->ident.data, expected, lion_form_text(arena, form));
}

static const char *expectation(lion_type type)
{
    switch (type) {
    case LION_TYPE_INSTANT: return "an instant (ms since 1970, or RFC 3339 text)";
    case LION_TYPE_UUID: return "a uuid (text as \"5b0d8c0e-1111-4c2b-9f00-00000000000a\")";
    case LION_TYPE_KEYWORD: return "a keyword (\":ns/name\")";
    case LION_TYPE_LONG: return "a long (a whole number of 64 bits)";
    case LION_TYPE_BYTES: return "bytes (a string of any bytes)";
    case LION_TYPE_DECIMAL: return "a decimal number of at most 1024 digits (\"12.50\")";
    default: return NULL;
    }
}

lion_status lion_value_of_form(lion_value *value_out, const lion_attribute *attribute,
                               lion_type type, const lion_form *form, lion_arena *arena,
                               lion_error *error)
{
    LION_ASSERT(type != LION_TYPE_REF && type != LION_TYPE_TUPLE);
    if (form->kind == LION_FORM_VALUE) {
        if (form->value.type == type && type != LION_TYPE_NIL) {
            *value_out = form->value;
            return LION_OK;
        }
        if (form->value.type != LION_TYPE_NIL &&
            lion_value_coerce(value_out, form->value, type, arena) == LION_OK)
            return LION_OK;
    }
    const char *expected = expectation(type);
    if (expected == NULL) expected = lion_arena_printf(arena, "a %s", short_name(type));
    return lion_fail_wrong_type(error, attribute, expected, form, arena);
}

/* -- Tuples ----------------------------------------------------------------------------------- */

static lion_status fail_tuple(lion_error *error, const lion_attribute *attribute,
                              const lion_form *form, lion_arena *arena, const char *expected)
{
    if (form->kind == LION_FORM_VALUE && form->value.type == LION_TYPE_NIL)
        return lion_fail_wrong_type(error, attribute, "", form, arena);
    return lion_fail(error, LION_INCORRECT, "db.error/invalid-tuple-value",
                     ":%.*s takes a tuple of %s, not %.200s", (int)attribute->ident.size,
                     (const char *)attribute->ident.data, expected, lion_form_text(arena, form));
}

static char *tuple_expectation(const lion_attribute *attribute, lion_arena *arena)
{
    if (attribute->tuple_kind == 3)
        return lion_arena_printf(arena, "2 to 8 values of type %s",
                                 short_name((lion_type)attribute->tuple_types[0]));
    char *types = lion_arena_printf(arena, "%d slots:", attribute->tuple_count);
    for (int i = 0; i < attribute->tuple_count; i++)
        types = lion_arena_printf(arena, "%s %s", types,
                                  short_name((lion_type)attribute->tuple_types[i]));
    return types;
}

/* A vector as it is; an encoded tuple (a value that came out of a database) as a vector again. */
static const lion_form *tuple_items(size_t *count_out, const lion_form *form, lion_arena *arena)
{
    if (form->kind == LION_FORM_VECTOR) {
        *count_out = form->count;
        return form->items;
    }
    if (form->kind != LION_FORM_VALUE || form->value.type != LION_TYPE_TUPLE) return NULL;
    lion_value *slots = NULL;
    if (lion_tuple_read(&slots, count_out, form->value, arena, NULL) < 0) return NULL;
    lion_form *items = lion_arena_array(arena, lion_form, *count_out);
    for (size_t i = 0; items != NULL && i < *count_out; i++) items[i] = lion_form_value(slots[i]);
    return items;
}

lion_status lion_tuple_check_texts(const lion_value *slots, size_t count,
                                   const lion_attribute *attribute, lion_error *error)
{
    for (size_t i = 0; i < count; i++) {
        bool is_short = slots[i].type != LION_TYPE_STRING || slots[i].size <= LION_TUPLE_TEXT_MAX;
        if (is_short || lion_utf8_length(lion_value_slice(slots[i])) <= LION_TUPLE_TEXT_MAX)
            continue;
        return lion_fail(error, LION_INCORRECT, "db.error/invalid-tuple-value",
                         "a string in the tuple :%.*s has at most %d characters, and slot %zu "
                         "begins with \"%.40s\" and has more",
                         (int)attribute->ident.size, (const char *)attribute->ident.data,
                         LION_TUPLE_TEXT_MAX, i + 1, (const char *)slots[i].data);
    }
    return LION_OK;
}

lion_status lion_tuple_of_form(lion_value slots[LION_TUPLE_SLOTS_MAX],
                               const lion_form *refs[LION_TUPLE_SLOTS_MAX], size_t *count_out,
                               const lion_attribute *attribute, const lion_form *form,
                               lion_arena *arena, lion_error *error)
{
    size_t count = 0;
    const lion_form *items = tuple_items(&count, form, arena);
    bool fits = attribute->tuple_kind == 3
                    ? count >= LION_TUPLE_SLOTS_MIN && count <= LION_TUPLE_SLOTS_MAX
                    : count == attribute->tuple_count;
    if (items == NULL || !fits)
        return fail_tuple(error, attribute, form, arena, tuple_expectation(attribute, arena));
    for (size_t i = 0; i < count; i++) {
        lion_type type = (lion_type)attribute->tuple_types[attribute->tuple_kind == 3 ? 0 : i];
        bool is_nil = items[i].kind == LION_FORM_VALUE && items[i].value.type == LION_TYPE_NIL;
        slots[i] = lion_value_nil();
        refs[i] = type == LION_TYPE_REF && !is_nil ? &items[i] : NULL;
        if (is_nil || type == LION_TYPE_REF) continue;
        if (items[i].kind != LION_FORM_VALUE ||
            lion_value_coerce(&slots[i], items[i].value, type, arena) != LION_OK)
            return fail_tuple(error, attribute, form, arena, tuple_expectation(attribute, arena));
    }
    *count_out = count;
    return lion_tuple_check_texts(slots, count, attribute, error);
}

/* -- Entities --------------------------------------------------------------------------------- */

lion_status lion_entity_id_check(int64_t id, lion_error *error)
{
    if (id >= 0 && id <= LION_ID_MAX) return LION_OK;
    return lion_fail(error, LION_INCORRECT, "db.error/invalid-entity-id",
                     "%lld is no entity id: ids are what tempids and queries give; name a new "
                     "entity by a string, its tempid",
                     (long long)id);
}

lion_status lion_lookup_parts(const lion_form **attribute_out, const lion_form **value_out,
                              const lion_form *form)
{
    if (form->kind != LION_FORM_VECTOR || form->count != 2) return LION_ABSENT;
    *attribute_out = &form->items[0];
    *value_out = &form->items[1];
    return LION_OK;
}
