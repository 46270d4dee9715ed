/* query.c - prepared queries and their runs. */
#include "step.h"

#include <string.h>

#include "bind/state.h"
#include "query/ir.h"

#define QUERY_TYPE "lion.query"

typedef struct bound_query {
    lion_query *query;
} bound_query;

static int query_gc(lua_State *L)
{
    bound_query *self = lua_touserdata(L, 1);
    lion_query_drop(self->query);
    self->query = NULL;
    return 0;
}

/* query_new(ir) → query */
static int query_new(lua_State *L)
{
    bound_query *self = lua_newuserdata(L, sizeof *self);
    self->query = NULL;
    luaL_getmetatable(L, QUERY_TYPE);
    lua_setmetatable(L, -2);
    lion_bind_step *holder = lion_bind_step_push(L, LION_BIND_PULL); /* an arena that cannot leak */
    lion_form *ir = lion_arena_new(&holder->arena, lion_form);
    lion_bind_read(L, 1, &holder->arena, ir);
    lion_error error;
    lion_status status = lion_query_new(&self->query, ir, &error);
    lion_bind_step_close(holder);
    lua_pop(L, 1);
    if (status < 0) {
        self->query = NULL;
        return lion_bind_raise(L, &error);
    }
    return 1;
}

static const lion_query *check_query(lua_State *L, int index)
{
    return ((bound_query *)luaL_checkudata(L, index, QUERY_TYPE))->query;
}

/* query_info(query) → kind ("relation" …), width, keys or nil */
static int query_info(lua_State *L)
{
    const lion_query *query = check_query(L, 1);
    static const char *const kinds[] = { [LION_FIND_RELATION] = "relation",
                                         [LION_FIND_COLLECTION] = "collection",
                                         [LION_FIND_TUPLE] = "tuple",
                                         [LION_FIND_SCALAR] = "scalar" };
    lua_pushstring(L, kinds[lion_query_find_kind(query)]);
    lua_pushnumber(L, lion_query_width(query));
    uint32_t count = 0;
    const lion_slice *keys = lion_query_keys(query, &count);
    if (keys == NULL) return 2;
    lua_createtable(L, (int)count, 0);
    for (uint32_t i = 0; i < count; i++) {
        lion_bind_push_text(L, keys[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 3;
}

/* ---- runs ---- */

static int64_t option(lua_State *L, const char *name, int64_t otherwise)
{
    lua_getfield(L, 4, name);
    int64_t value = lua_isnil(L, -1) ? otherwise : lion_bind_check_integer(L, -1, name);
    lua_pop(L, 1);
    return value;
}

static void read_inputs(lua_State *L, lion_bind_step *step, lion_query_input *inputs,
                        lion_bind_conn **conns, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        int at = lua_gettop(L);
        bool may_be_db = lua_type(L, at) == LUA_TTABLE || lua_type(L, at) == LUA_TUSERDATA;
        const lion_bind_db *log = may_be_db ? lion_bind_log_test(L, at) : NULL;
        if (log != NULL) {
            inputs[i] = lion_query_input_log(log->db);
            conns[i] = log->link.conn;
        } else if (may_be_db && lion_bind_db_test(L, at) != NULL) {
            lion_bind_db *db = lion_bind_db_check(L, at);
            inputs[i].db = db->db;
            conns[i] = db->link.conn;
        } else {
            lion_bind_read(L, at, &step->arena, &inputs[i].form);
        }
        lua_pop(L, 1);
    }
}

/* Bytes of a query that says nothing of them. */
#define MEMORY_MAX (INT64_C(1) << 30)
#define TEMP_MAX (INT64_C(8) << 30)

/* Bits of the operators that the array of names at the key holds. */
static uint32_t operators_of(lua_State *L, const char *key)
{
    static const char *const NAMES[] = { "scan",          "range", "star",        "lookup",   "hash-join",     "build",
                                         "multiway-join", "count", "path-search", "distinct", "planned-again", "parallel",
                                         "semi-join",     "runtime-filter", "merge-join", NULL };
    uint32_t bits = 0;
    lua_getfield(L, 4, key);
    for (int i = 1; lua_istable(L, -1) && i <= (int)lua_objlen(L, -1); i++) {
        lua_rawgeti(L, -1, i);
        bits |= UINT32_C(1) << luaL_checkoption(L, -1, NULL, NAMES);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return bits;
}

/* query_open(query, inputs, number of inputs, { timeout, limit, offset, rows_max, memory_max,
 * temp_max, statistics, typed, plan_seed, table_rows_max, threads, plan_without, plan_with }) → run
 * The last two are arrays of operators' names. */
static int query_open(lua_State *L)
{
    bound_query *query = luaL_checkudata(L, 1, QUERY_TYPE);
    luaL_checktype(L, 2, LUA_TTABLE);
    size_t count = (size_t)luaL_checkinteger(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    lion_query_options options = {
        .timeout_ms = option(L, "timeout", 0),
        .rows_max = option(L, "rows_max", 0),
        .memory_max = (uint64_t)option(L, "memory_max", MEMORY_MAX),
        .temp_max = (uint64_t)option(L, "temp_max", TEMP_MAX),
        .table_rows_max = (uint64_t)option(L, "table_rows_max", 0),
        .limit = option(L, "limit", -1),
        .offset = option(L, "offset", 0),
        .statistics = option(L, "statistics", 0) != 0,
        .plan_seed = (uint32_t)option(L, "plan_seed", 0),
        .threads = (uint32_t)option(L, "threads", 1),
        .plan_without = operators_of(L, "plan_without"),
        .plan_with = operators_of(L, "plan_with"),
        .is_cancelled = lion_lua_thread_is_cancelled != NULL ? lion_lua_thread_is_cancelled
                                                             : &lion_lua_is_cancelled,
    };
    lion_bind_step *step = lion_bind_step_push(L, LION_BIND_RUN);
    if (option(L, "typed", 0) != 0) step->push = lion_bind_push_typed;
    lion_query_input *inputs =
        lion_arena_zalloc(&step->arena, sizeof(lion_query_input) * (count + 1));
    lion_bind_conn **conns =
        lion_arena_zalloc(&step->arena, sizeof(lion_bind_conn *) * (count + 1));
    read_inputs(L, step, inputs, conns, count);
    lion_bind_step_link(L, step, conns, count);
    lion_error error;
    if (lion_query_open(&step->run, query->query, inputs, count, &options, &error) < 0) {
        step->run = NULL;
        return lion_bind_step_fail(L, step, &error);
    }
    return 1;
}

/* query_next(run) → rows of the next batch; 0: a call is wanted; nil: the end. Second: whether a
 * column is to be pulled. */
static int query_next(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_RUN);
    lion_error error;
    lion_status status;
    do status = lion_query_next(step->run, &step->rows, &error);
    while (status == LION_CALL && lion_bind_answers_again(L, step));
    if (status < 0) return lion_bind_step_fail(L, step, &error);
    if (status == LION_OK) step->answers_known = 0;
    if (status == LION_END) return 0;
    if (status == LION_CALL) step->rows.count = 0;
    lua_pushnumber(L, step->rows.count);
    lua_pushboolean(L, status == LION_OK && step->rows.pulls != NULL);
    return 2;
}

/* query_pulls(run) → the numbers of the columns to be pulled */
static int query_pulls(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_RUN);
    lua_newtable(L);
    int count = 0;
    for (uint32_t i = 0; step->rows.pulls != NULL && i < step->rows.width; i++) {
        if (!step->rows.pulls[i].is_pull) continue;
        lua_pushnumber(L, i + 1);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static void push_cell(lua_State *L, lion_bind_step *step, uint32_t row, uint32_t column, int pulled)
{
    const lion_query_batch *rows = &step->rows;
    if (rows->pulls != NULL && rows->pulls[column].is_pull) {
        lua_rawgeti(L, pulled, (int)column + 1);
        lua_rawgeti(L, -1, (int)row + 1);
        lua_remove(L, -2);
    } else if (rows->forms != NULL && rows->forms[column] != NULL) {
        lion_bind_push_form(L, &rows->forms[column][row], step->push, &step->arena);
    } else {
        step->push(L, lion_vector_get(&rows->columns[column], row), &step->arena);
    }
}

/* query_rows(run, out, at, is_single, keys or nil, pulled or nil): append the present batch behind
 * out[at]: rows as arrays, or tables by keys; or the first column's values. */
static int query_rows(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_RUN);
    luaL_checktype(L, 2, LUA_TTABLE);
    int at = (int)luaL_checkinteger(L, 3);
    bool is_single = lua_toboolean(L, 4) != 0;
    bool is_keyed = lua_istable(L, 5) != 0;
    lua_settop(L, 6);
    uint32_t width = step->rows.width;
    for (uint32_t row = 0; row < step->rows.count; row++) {
        if (is_single) {
            push_cell(L, step, row, 0, 6);
        } else {
            lua_createtable(L, is_keyed ? 0 : (int)width, is_keyed ? (int)width : 0);
            for (uint32_t column = 0; column < width; column++) {
                if (is_keyed) lua_rawgeti(L, 5, (int)column + 1);
                push_cell(L, step, row, column, 6);
                if (is_keyed)
                    lua_rawset(L, -3);
                else
                    lua_rawseti(L, -2, (int)column + 1);
            }
        }
        lua_rawseti(L, 2, at + (int)row + 1);
    }
    return 0;
}

/* explain(run) → tree, text */
static int explain(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_RUN);
    lion_form tree;
    char *text = NULL;
    lion_error error;
    if (lion_query_explain(&tree, &text, step->run, &step->arena, &error) < 0)
        return lion_bind_step_fail(L, step, &error);
    lion_bind_push_form(L, &tree, lion_bind_push_value, &step->arena);
    lua_pushstring(L, text);
    return 2;
}

const luaL_Reg lion_bind_query_functions[] = {
    { "query_new", query_new },     { "query_info", query_info },
    { "query_open", query_open },   { "query_next", query_next },
    { "query_pulls", query_pulls }, { "query_rows", query_rows },
    { "explain", explain },         { NULL, NULL },
};

void lion_bind_query_types(lua_State *L)
{
    lion_bind_make_type(L, QUERY_TYPE, query_gc);
}
