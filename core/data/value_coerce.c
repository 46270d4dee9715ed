/* value_coerce.c - a value as another type's, where a host has no value of that type itself. */
#include <math.h>
#include <string.h>

#include "data/decimal.h"
#include "data/value.h"

static lion_status coerce_string(lion_value *value_out, lion_slice text, lion_type type,
                                 lion_arena *arena)
{
    switch (type) {
    case LION_TYPE_URI:
    case LION_TYPE_SYMBOL:
    case LION_TYPE_BYTES: *value_out = lion_value_bytes(type, text); return LION_OK;
    case LION_TYPE_KEYWORD:
        if (text.size > 0 && text.data[0] == ':')
            text = lion_slice_of(text.data + 1, text.size - 1);
        if (text.size == 0) return LION_ABSENT;
        *value_out = lion_value_bytes(type, text);
        return LION_OK;
    case LION_TYPE_INSTANT: {
        int64_t instant_ms;
        if (lion_instant_parse(&instant_ms, text) != LION_OK) return LION_ABSENT;
        *value_out = lion_value_scalar(type, instant_ms);
        return LION_OK;
    }
    case LION_TYPE_UUID: {
        uint8_t uuid[16];
        if (lion_uuid_parse(uuid, text) != LION_OK) return LION_ABSENT;
        *value_out = lion_value_bytes(type, lion_arena_copy(arena, lion_slice_of(uuid, 16)));
        return LION_OK;
    }
    case LION_TYPE_DECIMAL: return lion_decimal_parse(value_out, text, arena);
    default: return LION_ABSENT;
    }
}

/* Hosts with one kind of number take whole ones for longs, but for -0 and those beyond 2^53: these
 * come as doubles and may have been meant as longs. */
static lion_status coerce_double(lion_value *value_out, double x, lion_type type)
{
    bool is_long = x == 0 || (fabs(x) >= 0x1p53 && x >= -0x1p63 && x < 0x1p63);
    if (!is_long || (type != LION_TYPE_LONG && type != LION_TYPE_INSTANT)) return LION_ABSENT;
    *value_out = lion_value_scalar(type, (int64_t)x);
    return LION_OK;
}

/* What hosts took for a keyword, since it begins with a colon, is what was written. */
static lion_value keyword_as_written(lion_arena *arena, lion_slice name, lion_type type)
{
    uint8_t *text = lion_arena_alloc(arena, name.size + 1);
    if (text == NULL) return lion_value_bytes(type, (lion_slice){ 0 });
    text[0] = ':';
    if (name.size > 0) memcpy(text + 1, name.data, name.size);
    return lion_value_bytes(type, lion_slice_of(text, name.size + 1));
}

lion_status lion_value_coerce(lion_value *value_out, lion_value value, lion_type type,
                              lion_arena *arena)
{
    if (value.type == type) {
        *value_out = value;
        return LION_OK;
    }
    switch (value.type) {
    case LION_TYPE_STRING: return coerce_string(value_out, lion_value_slice(value), type, arena);
    case LION_TYPE_LONG:
        if (type == LION_TYPE_DOUBLE) {
            *value_out = lion_value_double((double)value.bits);
            return LION_OK;
        }
        if (type == LION_TYPE_DECIMAL)
            return lion_decimal_parse(value_out, lion_slice_text(lion_value_text(arena, value)),
                                      arena);
        if (type != LION_TYPE_INSTANT && type != LION_TYPE_REF) return LION_ABSENT;
        *value_out = lion_value_scalar(type, value.bits);
        return LION_OK;
    case LION_TYPE_DOUBLE: return coerce_double(value_out, value.number, type);
    case LION_TYPE_ATTRIBUTE: /* an attribute is an entity */
        if (type != LION_TYPE_REF) return LION_ABSENT;
        *value_out = lion_value_ref(value.bits);
        return LION_OK;
    case LION_TYPE_KEYWORD:
        if (type != LION_TYPE_STRING && type != LION_TYPE_URI && type != LION_TYPE_BYTES)
            return LION_ABSENT;
        *value_out = keyword_as_written(arena, lion_value_slice(value), type);
        return LION_OK;
    case LION_TYPE_SYMBOL:
        if (type != LION_TYPE_STRING) return LION_ABSENT;
        *value_out = lion_value_bytes(LION_TYPE_STRING, lion_value_slice(value));
        return LION_OK;
    default: return LION_ABSENT;
    }
}
