/* json.c - the text of plain values as JSON: what most answers are. What is not plain, or large, is
 * left to lua/lion/json.lua, which has all of the rules; a text is the same from both. */
#include "bind.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define TEXT_MAX 4096
#define DEPTH_MAX 16
#define KEYS_MAX 32    /* of one table */
#define DECIMALS_MAX 6 /* of a number that is written without printf */

typedef struct text {
    size_t size;
    char bytes[TEXT_MAX];
} text;

typedef struct field {
    const char *name; /* a key of the table, which keeps it */
    size_t size;
    int value; /* on the Lua stack */
} field;

static bool put(text *out, const char *bytes, size_t size)
{
    if (size > TEXT_MAX - out->size) return false;
    memcpy(out->bytes + out->size, bytes, size);
    out->size += size;
    return true;
}

/* false, too, if a byte of it has to be escaped. */
static bool put_string(text *out, const char *bytes, size_t size)
{
    if (size > TEXT_MAX - 2 || size + 2 > TEXT_MAX - out->size) return false;
    char *at = out->bytes + out->size;
    *at++ = '"';
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < 32 || c == '"' || c == '\\' || c == 127) return false;
        *at++ = (char)c;
    }
    *at = '"';
    out->size += size + 2;
    return true;
}

static bool put_whole(text *out, int64_t x)
{
    char room[LION_WHOLE_SIZE];
    lion_slice digits = lion_text_whole(room, x);
    return put(out, (const char *)digits.data, digits.size);
}

/* A number that is a decimal of few digits, as most are. whole and scale are exact, so their
 * quotient is the double nearest to that decimal: where it is x, the decimal, of at most 15 digits,
 * reads back, and is what %.15g prints. */
static bool put_decimal(text *out, double x)
{
    double magnitude = fabs(x), scale = 1;
    if (magnitude < 1e-4 || magnitude >= 1e9) return false;
    for (int digits = 1; digits <= DECIMALS_MAX; digits++) {
        scale *= 10;
        double whole = rint(magnitude * scale);
        if (whole / scale != magnitude) continue;
        char fraction[DECIMALS_MAX + 1] = ".";
        uint64_t rest = (uint64_t)whole;
        for (int i = digits; i > 0; i--, rest /= 10) fraction[i] = (char)('0' + rest % 10);
        return (x > 0 || put(out, "-", 1)) && put_whole(out, (int64_t)rest) &&
               put(out, fraction, (size_t)digits + 1);
    }
    return false;
}

/* Whole numbers are written whole, others in the shortest of two forms that reads back. */
static bool put_number(text *out, double x)
{
    char digits[40];
    if (!isfinite(x)) return false;
    bool is_whole = floor(x) == x && x > -1e17 && x < 1e17;
    if (is_whole && (x != 0 || !signbit(x))) return put_whole(out, (int64_t)x);
    if (!is_whole && put_decimal(out, x)) return true;
    int size = snprintf(digits, sizeof digits, is_whole ? "%.0f" : "%.15g", x);
    if (!is_whole && strtod(digits, NULL) != x) size = snprintf(digits, sizeof digits, "%.17g", x);
    return put(out, digits, (size_t)size);
}

static bool put_value(lua_State *L, text *out, int index, int depth);

static bool put_array(lua_State *L, text *out, int index, size_t count, int depth)
{
    bool is_put = put(out, "[", 1);
    for (size_t i = 1; is_put && i <= count; i++) {
        lua_rawgeti(L, index, (int)i);
        is_put = (i == 1 || put(out, ",", 1)) && put_value(L, out, lua_gettop(L), depth);
        lua_pop(L, 1);
    }
    return is_put && put(out, "]", 1);
}

/* As Lua compares texts. */
static bool is_before(const field *a, const field *b)
{
    int order = memcmp(a->name, b->name, a->size < b->size ? a->size : b->size);
    return order != 0 ? order < 0 : a->size < b->size;
}

static void insert(field *fields, size_t count, field new)
{
    size_t at = count;
    for (; at > 0 && is_before(&new, &fields[at - 1]); at--) fields[at] = fields[at - 1];
    fields[at] = new;
}

/* Leaves the values on the stack. */
static bool read_fields(lua_State *L, int index, field *fields, size_t *count)
{
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        if (lua_type(L, -2) != LUA_TSTRING || *count == KEYS_MAX) return false;
        lua_insert(L, -2);
        field new = { .value = lua_gettop(L) - 1 };
        new.name = lua_tolstring(L, -1, &new.size);
        insert(fields, (*count)++, new);
    }
    return true;
}

static bool put_object(lua_State *L, text *out, int index, int depth)
{
    field fields[KEYS_MAX];
    size_t count = 0;
    bool is_put = read_fields(L, index, fields, &count) && put(out, "{", 1);
    for (size_t i = 0; is_put && i < count; i++)
        is_put = (i == 0 || put(out, ",", 1)) && put_string(out, fields[i].name, fields[i].size) &&
                 put(out, ":", 1) && put_value(L, out, fields[i].value, depth);
    return is_put && put(out, "}", 1);
}

static bool is_array_of(lua_State *L, int index, size_t size)
{
    size_t count = 0;
    if (size > TEXT_MAX / 2) return false; /* each takes a comma at least */
    lua_pushnil(L);
    for (; lua_next(L, index) != 0; count++) lua_pop(L, 1);
    return count == size;
}

static bool put_table(lua_State *L, text *out, int index, int depth)
{
    if (depth > DEPTH_MAX || lua_getmetatable(L, index) != 0) return false;
    if (lua_checkstack(L, KEYS_MAX + 8) == 0) return false;
    int top = lua_gettop(L);
    size_t count = lua_objlen(L, index);
    bool is_put = count == 0
                      ? put_object(L, out, index, depth)
                      : is_array_of(L, index, count) && put_array(L, out, index, count, depth);
    lua_settop(L, top);
    return is_put;
}

static bool put_value(lua_State *L, text *out, int index, int depth)
{
    size_t size;
    const char *bytes;
    switch (lua_type(L, index)) {
    case LUA_TNIL: return put(out, "null", 4);
    case LUA_TBOOLEAN: return lua_toboolean(L, index) ? put(out, "true", 4) : put(out, "false", 5);
    case LUA_TNUMBER: return put_number(out, lua_tonumber(L, index));
    case LUA_TSTRING: bytes = lua_tolstring(L, index, &size); return put_string(out, bytes, size);
    case LUA_TLIGHTUSERDATA: /* cjson's null */
        return lua_touserdata(L, index) == NULL && put(out, "null", 4);
    case LUA_TTABLE: return put_table(L, out, index, depth + 1);
    default: return false;
    }
}

/* json_text(value) → its text; nothing: it is not for here */
static int json_text(lua_State *L)
{
    text out;
    out.size = 0;
    lua_settop(L, 1);
    if (!put_value(L, &out, 1, 0)) return 0;
    lua_pushlstring(L, out.bytes, out.size);
    return 1;
}

const luaL_Reg lion_bind_json_functions[] = {
    { "json_text", json_text },
    { NULL, NULL },
};
