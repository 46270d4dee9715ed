/* pattern_spec.c - what a pattern asks for, as its attribute holds it, and for another run. */
#include "data/tuple.h"
#include "query/pattern.h"

/* Facts join by value, in whatever order: a keyword is no entity, a text no uuid. */
static bool can_join(lion_type a, lion_type b)
{
    return a == b || (lion_query_is_id(a) && lion_query_is_id(b)) || (lion_type_is_number(a) && lion_type_is_number(b));
}

lion_status lion_pattern_entity(lion_value *out, const lion_pattern_spec *spec, lion_value value, lion_arena *arena, lion_error *error)
{
    if (spec->positions[0].is_strict && !lion_query_is_id(value.type)) return LION_ABSENT;
    return lion_query_ref(out, spec->db, value, arena, error);
}

/* The slots of a tuple as the attribute's types; what cannot be such a tuple matches nothing. */
static lion_status to_tuple(const lion_db *db, const lion_attribute *attribute, lion_value value, lion_value *out, lion_arena *arena)
{
    lion_value *slots = NULL;
    size_t count = 0;
    if (lion_tuple_read(&slots, &count, value, arena, NULL) != LION_OK) return LION_ABSENT;
    lion_form form = lion_form_vector(arena, count);
    for (size_t i = 0; i < count; i++) form.items[i] = lion_form_value(slots[i]);
    return lion_db_value(out, db, attribute, &form, arena, NULL) == LION_OK ? LION_OK : LION_ABSENT;
}

lion_status lion_pattern_value(lion_value *out, const lion_pattern_spec *spec, const lion_attribute *attribute, lion_value value,
                               lion_arena *arena, lion_error *error)
{
    if (value.type == LION_TYPE_NIL) return LION_ABSENT;
    if (attribute->type == LION_TYPE_TUPLE) return value.type == LION_TYPE_TUPLE ? to_tuple(spec->db, attribute, value, out, arena) : LION_ABSENT;
    if (attribute->type == value.type) {
        *out = value;
        return LION_OK;
    }
    if (spec->positions[2].is_strict && !can_join((lion_type)attribute->type, value.type)) return LION_ABSENT;
    if (attribute->type == LION_TYPE_REF) return lion_query_ref(out, spec->db, value, arena, error);
    if (value.type == LION_TYPE_DOUBLE && (attribute->type == LION_TYPE_LONG || attribute->type == LION_TYPE_INSTANT)) {
        if (!(value.number >= -9.2e18 && value.number <= 9.2e18) || (double)(int64_t)value.number != value.number) return LION_ABSENT;
        *out = lion_value_scalar((lion_type)attribute->type, (int64_t)value.number);
        return LION_OK;
    }
    if (lion_type_is_number(value.type) && attribute->type == LION_TYPE_LONG) {
        *out = lion_value_long(value.bits);
        return LION_OK;
    }
    lion_status status = lion_value_coerce(out, value, (lion_type)attribute->type, arena);
    return status == LION_OK ? LION_OK : LION_ABSENT;
}

lion_pattern_spec lion_pattern_spec_in(const lion_pattern_spec *spec, lion_run *run)
{
    lion_pattern_spec own = *spec;
    own.db = run->sources[spec->source].db;
    if (!run->is_kept) return own;
    run->is_once = run->is_once || spec->range != NULL;
    for (uint32_t i = 0; i < 5; i++) {
        lion_value *constant = &own.positions[i].constant;
        if (own.positions[i].kind == LION_POSITION_CONST) *constant = lion_value_copy(&run->arena, *constant);
    }
    return own;
}
