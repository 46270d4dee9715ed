/* read.c - Lua values as forms. Tables with a metatable field `__lion` are what it says
 * (lua/lion/values.lua); other tables are vectors if they are arrays, else maps. */
#include "bind.h"

#include <math.h>
#include <string.h>

#include "data/decimal.h"

#define LUA_TYPE_CDATA 10 /* LuaJIT's, in no public header */
/* Arrays up to this size are looked at whole for keys that are no positions; larger ones behind
 * their end only. */
#define SMALL_ARRAY 32
#define NUMBER_EXACT_MAX 9007199254740992.0

typedef struct reader {
    lua_State *L;
    lion_arena *arena;
} reader;

static void read_at(reader *self, int index, lion_form *out, int depth);

static lion_slice copy(reader *self, const char *data, size_t size)
{
    if (size > LION_VALUE_SIZE_MAX)
        lion_bind_fail(self->L, LION_INTERRUPTED, "lion/limit",
                       "a value of %zu bytes is larger than the %u that are allowed", size,
                       LION_VALUE_SIZE_MAX);
    uint8_t *bytes = lion_arena_alloc(self->arena, size + 1);
    if (bytes == NULL || self->arena->is_exhausted) {
        lion_error error;
        lion_fail_memory(&error);
        lion_bind_raise(self->L, &error);
    }
    memcpy(bytes, data, size);
    return lion_slice_of(bytes, size);
}

static lion_form *items_of(reader *self, lion_form *out, lion_form_kind kind, size_t count)
{
    size_t room = kind == LION_FORM_MAP ? count * 2 : count;
    lion_form *items = room == 0 ? NULL : lion_arena_array(self->arena, lion_form, room);
    if ((room > 0 && items == NULL) || self->arena->is_exhausted || room > UINT32_MAX) {
        lion_error error;
        lion_fail_memory(&error);
        lion_bind_raise(self->L, &error);
    }
    *out = (lion_form){ .kind = (uint8_t)kind, .count = (uint32_t)count, .items = items };
    return items;
}

/* ---- scalars ---- */

static lion_value read_number(lua_Number number)
{
    if (number >= -NUMBER_EXACT_MAX && number <= NUMBER_EXACT_MAX && number == floor(number)) {
        if (number == 0 && signbit(number)) return lion_value_double(number);
        return lion_value_long((int64_t)number);
    }
    return lion_value_double(number);
}

static int64_t read_cdata(lua_State *L, int index)
{
    lion_bind_push_slot(L, LION_BIND_SPLIT);
    lua_pushvalue(L, index);
    lua_call(L, 1, 3);
    int kind = (int)lua_tointeger(L, -3);
    int64_t high = (int64_t)lua_tonumber(L, -2);
    int64_t low = (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 3);
    if (kind == 2)
        lion_bind_fail(L, LION_INCORRECT, "lion/overflow",
                       "an unsigned integer beyond 9223372036854775807 is no long");
    if (kind != 1)
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax",
                       "cdata other than int64_t and uint64_t is no value");
    return (int64_t)((uint64_t)high << 32 | (uint64_t)low);
}

static lion_value read_string(reader *self, int index)
{
    size_t size;
    const char *data = lua_tolstring(self->L, index, &size);
    if (size > 1 && data[0] == ':')
        return lion_value_bytes(LION_TYPE_KEYWORD, copy(self, data + 1, size - 1));
    return lion_value_bytes(LION_TYPE_STRING, copy(self, data, size));
}

/* ---- what __lion says ---- */

static lion_slice string_field(reader *self, int index, const char *name)
{
    lua_getfield(self->L, index, name);
    size_t size;
    const char *data = lua_tolstring(self->L, -1, &size);
    if (data == NULL)
        lion_bind_fail(self->L, LION_INCORRECT, "lion/syntax", "a wrapped value without its %s",
                       name);
    lion_slice result = copy(self, data, size);
    lua_pop(self->L, 1);
    return result;
}

static void read_vector(reader *self, int index, lion_form *out, lion_form_kind kind, size_t count,
                        int depth)
{
    lion_form *items = items_of(self, out, kind, count);
    int top = lua_gettop(self->L);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(self->L, index, (int)i + 1);
        read_at(self, top + 1, &items[i], depth + 1);
        lua_settop(self->L, top);
    }
}

static void read_uuid(reader *self, int index, lion_form *out)
{
    uint8_t *bytes = lion_arena_alloc(self->arena, 16);
    lion_slice text = string_field(self, index, "text");
    if (lion_uuid_parse(bytes, text) != LION_OK)
        lion_bind_fail(self->L, LION_INCORRECT, "lion/syntax", "%.*s is no uuid", (int)text.size,
                       (const char *)text.data);
    *out = lion_form_value(lion_value_bytes(LION_TYPE_UUID, lion_slice_of(bytes, 16)));
}

static lion_value read_decimal(reader *self, int index)
{
    lua_State *L = self->L;
    lion_value value = lion_value_nil();
    size_t size = 0;
    luaL_callmeta(L, index, "__tostring");
    const char *text = lua_tolstring(L, -1, &size);
    if (text == NULL || lion_decimal_parse(&value, copy(self, text, size), self->arena) != LION_OK)
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax",
                       "a decimal number of more than %d digits is no value",
                       LION_DECIMAL_DIGITS_MAX);
    lua_pop(L, 1);
    return value;
}

static void read_db(reader *self, int index, lion_form *out)
{
    lion_bind_db *db = lion_bind_db_test(self->L, index);
    if (db == NULL || db->db == NULL)
        lion_bind_fail(self->L, LION_INCORRECT, "lion/closed",
                       "the connection of this database value is closed");
    *out = (lion_form){ .kind = LION_FORM_DB,
                        .value = lion_value_scalar(LION_TYPE_NIL, (int64_t)(intptr_t)db->db) };
}

static void read_wrapped(reader *self, int index, const char *what, lion_form *out, int depth)
{
    lua_State *L = self->L;
    if (strcmp(what, "symbol") == 0) {
        *out =
            lion_form_value(lion_value_bytes(LION_TYPE_SYMBOL, string_field(self, index, "name")));
    } else if (strcmp(what, "str") == 0) {
        *out =
            lion_form_value(lion_value_bytes(LION_TYPE_STRING, string_field(self, index, "text")));
        out->flags = LION_FORM_LITERAL;
    } else if (strcmp(what, "set") == 0) {
        read_vector(self, index, out, LION_FORM_SET, lua_objlen(L, index), depth);
    } else if (strcmp(what, "lookup") == 0) {
        read_vector(self, index, out, LION_FORM_VECTOR, 2, depth);
        out->flags = LION_FORM_LOOKUP;
    } else if (strcmp(what, "inst") == 0) {
        lua_getfield(L, index, "ms");
        *out = lion_form_value(lion_value_scalar(LION_TYPE_INSTANT, (int64_t)lua_tonumber(L, -1)));
        lua_pop(L, 1);
    } else if (strcmp(what, "double") == 0) {
        lua_getfield(L, index, "number");
        *out = lion_form_value(lion_value_double(lua_tonumber(L, -1)));
        lua_pop(L, 1);
    } else if (strcmp(what, "uuid") == 0) {
        read_uuid(self, index, out);
    } else if (strcmp(what, "db") == 0) {
        read_db(self, index, out);
    } else if (strcmp(what, "entity") == 0) {
        lua_getfield(L, index, "id");
        *out = lion_form_value(lion_value_long((int64_t)lua_tonumber(L, -1)));
        lua_pop(L, 1);
    } else if (strcmp(what, "log") == 0) {
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax",
                       "a log is no value: it is an input of its own of a query, such as ?log");
    } else if (strcmp(what, "decimal") == 0) {
        *out = lion_form_value(read_decimal(self, index));
    } else {
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "a %s is no value here", what);
    }
}

/* ---- tables ---- */

/* Whether all keys of the table are 1..count, as far as is looked at. */
static bool is_array(lua_State *L, int index, size_t count)
{
    if (count > SMALL_ARRAY)
        lua_pushnumber(L, (lua_Number)count);
    else
        lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        bool is_position = lua_type(L, -1) == LUA_TNUMBER;
        if (is_position) {
            lua_Number key = lua_tonumber(L, -1);
            is_position = key >= 1 && key <= (lua_Number)count && key == floor(key);
        }
        if (!is_position) {
            lua_pop(L, 1);
            return false;
        }
    }
    return true;
}

static void read_map(reader *self, int index, lion_form *out, int depth)
{
    lua_State *L = self->L;
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        count++;
    }
    lion_form *items = items_of(self, out, LION_FORM_MAP, count);
    lua_pushnil(L);
    for (size_t i = 0; lua_next(L, index) != 0; i++) {
        int top = lua_gettop(L);
        read_at(self, top - 1, &items[2 * i], depth + 1);
        read_at(self, top, &items[2 * i + 1], depth + 1);
        lua_settop(L, top - 1); /* the key stays, for lua_next */
    }
}

static void read_table(reader *self, int index, lion_form *out, int depth)
{
    lua_State *L = self->L;
    if (depth >= LION_FORM_INPUT_DEPTH_MAX)
        lion_bind_fail(L, LION_INTERRUPTED, "lion/limit", "data nested deeper than %d",
                       LION_FORM_INPUT_DEPTH_MAX);
    luaL_checkstack(L, 8, "data nested too deep");
    if (luaL_getmetafield(L, index, "__lion") != 0) {
        const char *what = lua_tostring(L, -1);
        if (what != NULL) {
            read_wrapped(self, index, what, out, depth);
            lua_pop(L, 1);
            return;
        }
        lua_pop(L, 1);
    }
    size_t count = lua_objlen(L, index);
    if (count == 0) {
        lua_pushnil(L);
        if (lua_next(L, index) == 0) {
            items_of(self, out, LION_FORM_VECTOR, 0);
            return;
        }
        lua_pop(L, 2);
        read_map(self, index, out, depth);
    } else if (is_array(L, index, count)) {
        read_vector(self, index, out, LION_FORM_VECTOR, count, depth);
    } else {
        read_map(self, index, out, depth);
    }
}

static void read_at(reader *self, int index, lion_form *out, int depth)
{
    lua_State *L = self->L;
    *out = lion_form_value(lion_value_nil());
    switch (lua_type(L, index)) {
    case LUA_TNIL: break;
    case LUA_TBOOLEAN: out->value = lion_value_boolean(lua_toboolean(L, index) != 0); break;
    case LUA_TNUMBER: out->value = read_number(lua_tonumber(L, index)); break;
    case LUA_TSTRING: out->value = read_string(self, index); break;
    case LUA_TTABLE: read_table(self, index, out, depth); break;
    case LUA_TFUNCTION:
        *out = (lion_form){ .kind = LION_FORM_HOST,
                            .value = lion_value_scalar(LION_TYPE_NIL, lion_bind_handle(L, index)) };
        break;
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, index) == NULL) break; /* lion.null */
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "a light userdata is no value");
        break;
    case LUA_TUSERDATA:
        if (lion_bind_db_test(L, index) == NULL)
            lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "a userdata is no value");
        read_db(self, index, out);
        break;
    case LUA_TYPE_CDATA: out->value = lion_value_long(read_cdata(L, index)); break;
    default:
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "a %s is no value",
                       luaL_typename(L, index));
    }
}

void lion_bind_read(lua_State *L, int index, lion_arena *arena, lion_form *form_out)
{
    reader self = { .L = L, .arena = arena };
    int top = lua_gettop(L);
    if (index < 0) index = top + 1 + index;
    read_at(&self, index, form_out, 0);
    lua_settop(L, top);
}

int64_t lion_bind_check_integer(lua_State *L, int index, const char *what)
{
    int type = lua_type(L, index);
    if (type == LUA_TYPE_CDATA) return read_cdata(L, index);
    lua_Number number = type == LUA_TNUMBER ? lua_tonumber(L, index) : 0.5;
    if (number != floor(number) || number < -NUMBER_EXACT_MAX || number > NUMBER_EXACT_MAX)
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "%s is a whole number", what);
    return (int64_t)number;
}
