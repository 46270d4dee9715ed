/* step.c - transactions, `with`, pulls and cursors as steps, and the calls that steps ask for. */
#include "step.h"

#include <string.h>

#include "base/clock.h"
#include "bind/state.h"

#define STEP_TYPE "lion.step"

/* ---- life ---- */

static void close_work(lion_bind_step *step)
{
    switch (step->kind) {
    case LION_BIND_TRANSACT:
        if (step->transacting != NULL) lion_transacting_close(step->transacting);
        break;
    case LION_BIND_WITH:
        if (step->tx != NULL) lion_tx_close(step->tx);
        break;
    case LION_BIND_RUN: lion_query_close(step->run); break;
    default: /* pulls and cursors live in the arena */ break;
    }
    step->transacting = NULL;
}

void lion_bind_step_close(lion_bind_step *step)
{
    if (!step->is_open) return;
    step->is_open = false;
    close_work(step);
    for (uint32_t i = 0; i < step->link_count; i++) lion_bind_link_remove(&step->links[i]);
    step->link_count = 0;
    lion_db_drop(step->db);
    step->db = NULL;
    lion_arena_deinit(&step->arena);
}

static void release_step(void *owner)
{
    lion_bind_step_close(owner);
}

static int step_gc(lua_State *L)
{
    lion_bind_step_close(lua_touserdata(L, 1));
    return 0;
}

lion_bind_step *lion_bind_step_push(lua_State *L, lion_bind_step_kind kind)
{
    lion_bind_step *step = lua_newuserdata(L, sizeof *step);
    memset(step, 0, sizeof *step);
    step->kind = (uint8_t)kind;
    step->is_open = true;
    step->push = lion_bind_push_value;
    lion_arena_init(&step->arena, 0);
    luaL_getmetatable(L, STEP_TYPE);
    lua_setmetatable(L, -2);
    return step;
}

void lion_bind_step_link(lua_State *L, lion_bind_step *step, lion_bind_conn *const *conns,
                         size_t count)
{
    if (count == 0) return;
    step->links = lion_arena_zalloc(&step->arena, sizeof(lion_bind_link) * count);
    lion_error error;
    if (step->links == NULL || lion_arena_check(&step->arena, &error) < 0) {
        lion_fail_memory(&error);
        lion_bind_raise(L, &error);
    }
    for (size_t i = 0; i < count; i++) {
        bool is_known = conns[i] == NULL;
        for (size_t k = 0; k < i; k++) is_known = is_known || conns[k] == conns[i];
        if (!is_known)
            lion_bind_link_add(&step->links[step->link_count++], conns[i], release_step, step);
    }
}

lion_bind_step *lion_bind_step_check(lua_State *L, int index, int kind)
{
    lion_bind_step *step = luaL_checkudata(L, index, STEP_TYPE);
    if (!step->is_open)
        lion_bind_fail(L, LION_INCORRECT, "lion/closed",
                       "the connection was closed in the middle of this");
    if (kind != 0 && step->kind != kind)
        lion_bind_fail(L, LION_FAULT, "lion/fault", "a step of another kind");
    const volatile int *of_thread = lion_lua_thread_is_cancelled;
    if (lion_lua_is_cancelled != 0 || (of_thread != NULL && *of_thread != 0))
        lion_lua_raise_cancelled(L);
    return step;
}

int lion_bind_step_fail(lua_State *L, lion_bind_step *step, const lion_error *error)
{
    lion_bind_step_close(step);
    return lion_bind_raise(L, error);
}

static int step_close(lua_State *L)
{
    lion_bind_step_close(luaL_checkudata(L, 1, STEP_TYPE));
    return 0;
}

/* ---- transactions ---- */

static void read_tx_options(lua_State *L, int index, lion_tx_options *options)
{
    options->now_ms = lion_clock_instant_ms();
    size_t size;
    const char *id = lua_tolstring(L, index, &size);
    if (id == NULL) return;
    if (lion_uuid_parse(options->id, lion_slice_of(id, size)) != LION_OK)
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax",
                       "a transaction's id is a uuid, as lion.uuid() makes them; %.80s is none",
                       id);
    options->has_id = true;
}

/* transact_open(conn, ops, id or nil, without_waiting, timeout_ms or nil) → step */
static int transact_open(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_tx_options options = { 0 };
    read_tx_options(L, 3, &options);
    options.without_waiting = lua_toboolean(L, 4) != 0;
    if (!lua_isnoneornil(L, 5)) options.timeout_ms = lion_bind_check_integer(L, 5, "a timeout");
    lion_bind_step *step = lion_bind_step_push(L, LION_BIND_TRANSACT);
    lion_form *ops = lion_arena_new(&step->arena, lion_form);
    lion_bind_read(L, 2, &step->arena, ops);
    lion_bind_step_link(L, step, &conn, 1);
    lion_error error;
    if (lion_bind_dbs_rebase(conn, &error) < 0 ||
        lion_transacting_open(&step->transacting, conn->connection, ops, &options, &error) < 0) {
        step->transacting = NULL;
        return lion_bind_step_fail(L, step, &error);
    }
    return 1;
}

/* with_open(db, ops) → step */
static int with_open(lua_State *L)
{
    lion_bind_db *db = lion_bind_db_check(L, 1);
    lion_tx_options options = { 0 };
    read_tx_options(L, 3, &options);
    lion_bind_step *step = lion_bind_step_push(L, LION_BIND_WITH);
    lion_bind_step_link(L, step, &db->link.conn, 1); /* first: what follows may raise */
    step->db = lion_db_keep(db->db);
    lion_form *ops = lion_arena_new(&step->arena, lion_form);
    lion_bind_read(L, 2, &step->arena, ops);
    lion_error error;
    if (lion_tx_open(&step->tx, step->db, ops, &options, &step->arena, &error) < 0) {
        step->tx = NULL;
        return lion_bind_step_fail(L, step, &error);
    }
    return 1;
}

void lion_bind_report_db(lua_State *L, const char *name, lion_db *db_take, lion_bind_conn *conn)
{
    lion_bind_db *self = lion_bind_db_push(L);
    lion_bind_db_take(L, self, db_take, conn);
    lua_setfield(L, -2, name);
}

static void set_number(lua_State *L, const char *name, int64_t value)
{
    lua_pushnumber(L, (lua_Number)value);
    lua_setfield(L, -2, name);
}

static void set_tx_data(lua_State *L, const lion_transaction *transaction,
                        const lion_schema *schema, lion_arena *arena)
{
    lua_createtable(L, (int)transaction->datom_count, 0);
    lion_bind_push_slot(L, LION_BIND_DATOM);
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        lion_bind_push_datom(L, &transaction->datoms[i], schema, lion_bind_push_value, arena);
        lua_pushvalue(L, -2);
        lua_setmetatable(L, -2);
        lua_rawseti(L, -3, (int)i + 1);
    }
    lua_pop(L, 1);
    lua_setfield(L, -2, "tx_data");
}

void lion_bind_report_fill(lua_State *L, const lion_transaction *transaction,
                           const lion_schema *schema, lion_arena *arena)
{
    set_number(L, "t", transaction->t);
    set_number(L, "tx", lion_t_to_tx(transaction->t));
    set_number(L, "tx_instant", transaction->instant_ms);
    if (schema != NULL) set_tx_data(L, transaction, schema, arena);
    lua_createtable(L, 0, (int)transaction->tempid_count);
    for (uint32_t i = 0; i < transaction->tempid_count; i++) {
        lion_bind_push_text(L, transaction->tempids[i].name);
        lua_pushnumber(L, (lua_Number)transaction->tempids[i].id);
        lua_rawset(L, -3);
    }
    lua_setfield(L, -2, "tempids");
}

/* report(step) → table; the step is closed. */
static int report(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    lua_createtable(L, 0, 7);
    if (step->kind == LION_BIND_TRANSACT) {
        const lion_report *made = lion_transacting_report(step->transacting);
        bool has_values = made->db_after != NULL;
        if (has_values) {
            lion_bind_report_db(L, "db_before", lion_db_keep(made->db_before), NULL);
            lion_bind_report_db(L, "db_after", lion_db_keep(made->db_after), NULL);
        }
        lion_bind_report_fill(L, &made->transaction, has_values ? made->db_after->schema : NULL,
                              &step->arena);
    } else {
        const lion_tx_result *made = lion_tx_result_view(step->tx);
        lion_db *after = NULL;
        lion_error error;
        if (lion_db_with(&after, step->db, made, &error) < 0)
            return lion_bind_step_fail(L, step, &error);
        lion_bind_report_db(L, "db_before", lion_db_keep(step->db), NULL);
        lion_bind_report_db(L, "db_after", after, NULL);
        lion_bind_report_fill(L, &made->transaction, made->schema_after, &step->arena);
    }
    lion_bind_step_close(step);
    return 1;
}

/* ---- pulls ---- */

static lion_bind_step *pull_start(lua_State *L, lion_db *db, lion_bind_conn *conn)
{
    lion_bind_step *step = lion_bind_step_push(L, LION_BIND_PULL);
    lion_bind_step_link(L, step, &conn, 1);
    step->db = lion_db_keep(db);
    return step;
}

static int pull_begin(lua_State *L, lion_bind_step *step, const lion_form *pattern,
                      const int64_t *ids, size_t count)
{
    lion_pull_pattern *read = NULL;
    lion_error error;
    lion_status status = lion_pull_pattern_read(&read, pattern, &step->arena, &error);
    if (status >= 0)
        status = lion_pull_open(&step->pull, read, step->db, ids, count, &step->arena, &error);
    if (status < 0) return lion_bind_step_fail(L, step, &error);
    step->pull_count = count;
    return 1;
}

static int64_t *ids_array(lua_State *L, lion_bind_step *step, size_t count)
{
    int64_t *ids = lion_arena_array(&step->arena, int64_t, count + 1);
    lion_error error;
    if (ids == NULL || lion_arena_check(&step->arena, &error) < 0) {
        lion_fail_memory(&error);
        lion_bind_step_fail(L, step, &error);
    }
    return ids;
}

/* pull_open(db, pattern, ids) → step */
static int pull_open(lua_State *L)
{
    lion_bind_db *db = lion_bind_db_check(L, 1);
    luaL_checktype(L, 3, LUA_TTABLE);
    lion_bind_step *step = pull_start(L, db->db, db->link.conn);
    size_t count = lua_objlen(L, 3);
    int64_t *ids = ids_array(L, step, count);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 3, (int)i + 1);
        ids[i] = lion_bind_check_integer(L, -1, "an entity id");
        lua_pop(L, 1);
    }
    lion_form *pattern = lion_arena_new(&step->arena, lion_form);
    lion_bind_read(L, 2, &step->arena, pattern);
    return pull_begin(L, step, pattern, ids, count);
}

/* query_pull(run, column from 1) → step: pulls that column of the run's present batch */
static int query_pull(lua_State *L)
{
    lion_bind_step *run = lion_bind_step_check(L, 1, LION_BIND_RUN);
    size_t column = (size_t)luaL_checkinteger(L, 2) - 1;
    if (run->rows.pulls == NULL || column >= run->rows.width || !run->rows.pulls[column].is_pull)
        return lion_bind_fail(L, LION_FAULT, "lion/fault", "a column that is no pull");
    const lion_query_pull *pull = &run->rows.pulls[column];
    lion_db *db = lion_db_keep((lion_db *)(uintptr_t)pull->db);
    lion_bind_conn *conn = lion_bind_conn_find(L, db->database);
    lion_bind_step *step = pull_start(L, db, conn);
    lion_db_drop(db);
    step->push = run->push;
    int64_t *ids = ids_array(L, step, run->rows.count);
    for (uint32_t i = 0; i < run->rows.count; i++)
        ids[i] = lion_vector_get(&run->rows.columns[column], i).bits;
    return pull_begin(L, step, pull->pattern, ids, run->rows.count);
}

/* pull_results(step) → array; lion.null where an entity has nothing. The step is closed. */
static int pull_results(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_PULL);
    lion_bind_push_forms(L, lion_pull_results(step->pull), step->pull_count, step->push,
                         &step->arena);
    lion_bind_step_close(step);
    return 1;
}

/* ---- one step ---- */

/* step(step) → true: a call is wanted; false: the result stands */
static int step_step(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    lion_status status = LION_OK;
    lion_error error;
    if (step->kind == LION_BIND_TRANSACT)
        status = lion_transacting_step(step->transacting, &error);
    else if (step->kind == LION_BIND_WITH)
        status = lion_tx_step(step->tx, &error);
    else if (step->kind == LION_BIND_PULL)
        status = lion_pull_step(step->pull, &error);
    if (status < 0) return lion_bind_step_fail(L, step, &error);
    lua_pushboolean(L, status == LION_CALL);
    return 1;
}

/* ---- cursors ---- */

static bool flag(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return value;
}

/* The value before which an index_range ends. */
static const lion_value *read_end(lua_State *L, lion_bind_step *step, const lion_key *key)
{
    lua_getfield(L, 4, "end");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    lion_form form;
    lion_bind_read(L, -1, &step->arena, &form);
    lua_pop(L, 1);
    lion_value *end = lion_arena_new(&step->arena, lion_value);
    const lion_attribute *attribute = lion_schema_attribute(step->db->schema, key->datom.a);
    lion_error error = { .category = LION_FAULT };
    if (attribute == NULL ||
        lion_db_value(end, step->db, attribute, &form, &step->arena, &error) < 0)
        lion_bind_step_fail(L, step, &error);
    return end;
}

/* cursor_open(db, index number, components, { reverse, seek, in_attribute, end }) → step, or nil:
 * nothing can match */
static int cursor_open(lua_State *L)
{
    lion_bind_db *db = lion_bind_db_check(L, 1);
    lion_index index = (lion_index)luaL_checkinteger(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    lion_bind_step *step = lion_bind_step_push(L, LION_BIND_CURSOR);
    lion_bind_step_link(L, step, &db->link.conn, 1);
    step->db = lion_db_keep(db->db);
    lion_form forms;
    lion_bind_read(L, 3, &step->arena, &forms);
    lion_key *key = lion_arena_new(&step->arena, lion_key);
    lion_error error;
    lion_status status =
        lion_db_key(key, step->db, index, forms.items, forms.count, &step->arena, &error);
    if (status < 0) return lion_bind_step_fail(L, step, &error);
    if (status == LION_ABSENT) {
        lion_bind_step_close(step);
        return 0;
    }
    lion_cursor_options options = { .columns = LION_COLUMN_ALL,
                                    .is_reverse = flag(L, 4, "reverse"),
                                    .is_seek = flag(L, 4, "seek"),
                                    .is_in_attribute = flag(L, 4, "in_attribute") };
    options.end_v = read_end(L, step, key);
    if (lion_cursor_open(&step->cursor, &step->db->view, index, key, &options, &step->arena,
                         &error) < 0)
        return lion_bind_step_fail(L, step, &error);
    return 1;
}

/* Datoms handed to Lua at once: a loop that ends early has paid for few. */
#define CURSOR_ROWS 128

/* cursor_next(step, out) → number of datoms put into out[1…]; 0: a call is wanted; nil: the end,
 * the step is closed */
static int cursor_next(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, LION_BIND_CURSOR);
    luaL_checktype(L, 2, LUA_TTABLE);
    if (step->row >= step->datoms.count) {
        lion_error error;
        lion_status status = lion_cursor_next(step->cursor, &step->datoms, &error);
        step->row = 0;
        if (status < 0) return lion_bind_step_fail(L, step, &error);
        if (status != LION_OK) step->datoms.count = 0;
        if (status == LION_CALL) {
            lua_pushnumber(L, 0);
            return 1;
        }
        if (status == LION_END) {
            lion_bind_step_close(step);
            return 0;
        }
    }
    uint32_t left = step->datoms.count - step->row;
    uint32_t count = left < CURSOR_ROWS ? left : CURSOR_ROWS;
    lion_bind_push_slot(L, LION_BIND_DATOM);
    for (uint32_t i = 0; i < count; i++) {
        lion_datom datom = lion_datom_batch_get(&step->datoms, step->row + i);
        lion_bind_push_datom(L, &datom, step->db->schema, lion_bind_push_value, &step->arena);
        lua_pushvalue(L, -2);
        lua_setmetatable(L, -2);
        lua_rawseti(L, 2, (int)i + 1);
    }
    step->row += count;
    lua_pushnumber(L, count);
    return 1;
}

/* ---- calls ---- */

lion_call *lion_bind_step_call(lion_bind_step *step)
{
    switch (step->kind) {
    case LION_BIND_TRANSACT: return lion_transacting_call(step->transacting);
    case LION_BIND_WITH: return lion_tx_call(step->tx);
    case LION_BIND_PULL: return lion_pull_call(step->pull);
    case LION_BIND_CURSOR: return lion_cursor_call(step->cursor);
    default: return lion_query_call(step->run);
    }
}

/* One column as an array, or its value where it stands for every row. */
static void push_column(lua_State *L, const lion_vector *column, uint32_t rows, lion_arena *scratch)
{
    if (column->is_constant) {
        lion_bind_push_value(L, lion_vector_get(column, 0), scratch);
        return;
    }
    lua_createtable(L, (int)rows, 0);
    for (uint32_t row = 0; row < rows; row++) {
        lion_bind_push_value(L, lion_vector_get(column, row), scratch);
        lua_rawseti(L, -2, (int)row + 1);
    }
}

static void push_call_forms(lua_State *L, const lion_call *wanted, lion_arena *scratch)
{
    lua_createtable(L, (int)wanted->form_count, 0);
    for (uint32_t i = 0; i < wanted->form_count; i++) {
        lion_bind_push_form(L, &wanted->forms[i], lion_bind_push_value, scratch);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

static bool is_by_row(const lion_call *wanted)
{
    return wanted->kind == LION_CALL_PREDICATE || wanted->kind == LION_CALL_FUNCTION ||
           wanted->kind == LION_CALL_FILTER;
}

/* How a loop in Lua reads a column: lua/lion/call.lua has the letters. */
static char letter_of(const lion_vector *column)
{
    switch (column->type) {
    case LION_TYPE_LONG: return 'l';
    case LION_TYPE_DOUBLE:
    case LION_TYPE_INSTANT:
    case LION_TYPE_REF: return 'd';
    case LION_TYPE_BOOLEAN: return 'b';
    case LION_TYPE_STRING:
    case LION_TYPE_URI:
    case LION_TYPE_BYTES: return 's';
    case LION_TYPE_KEYWORD: return 'k';
    default: return 'a';
    }
}

static double *numbers_room(lion_bind_step *step, uint32_t argument)
{
    if (argument >= step->number_count) {
        uint32_t count = argument + 4;
        step->numbers =
            lion_arena_grow(&step->arena, step->numbers, sizeof(double *) * step->number_count,
                            sizeof(double *) * count);
        memset(step->numbers + step->number_count, 0,
               sizeof(double *) * (count - step->number_count));
        step->number_count = count;
    }
    if (step->numbers[argument] == NULL)
        step->numbers[argument] = lion_arena_array(&step->arena, double, LION_BATCH_ROWS);
    return step->numbers[argument];
}

/* Whole numbers as doubles; false where one of them is none. */
static bool to_numbers(double *out, const int64_t *bits, uint32_t rows)
{
    bool is_inexact = false;
    for (uint32_t i = 0; i < rows; i++) {
        out[i] = (double)bits[i];
        is_inexact |= bits[i] > LION_BIND_NUMBER_MAX || bits[i] < -LION_BIND_NUMBER_MAX;
    }
    return !is_inexact;
}

#define LETTERS_ROOM 64

/* The letters of the columns, then each: a pointer to its values, an array of them, or the one that
 * stands for all. Whole numbers are handed over as doubles: a compiled loop that converts them runs
 * half as fast. Returns how many it is. */
static int push_columns(lua_State *L, lion_bind_step *step, const lion_call *wanted,
                        bool is_compiled)
{
    bool is_filter = wanted->kind == LION_CALL_FILTER;
    if (is_filter && !is_compiled) return 0; /* call_datoms hands these out */
    const lion_vector *columns = is_filter ? &wanted->datoms->v : wanted->arguments;
    uint32_t count = is_filter ? 1 : wanted->argument_count;
    luaL_checkstack(L, (int)count + 4, "too many arguments");
    char small[LETTERS_ROOM],
        *letters = count > LETTERS_ROOM ? lion_arena_alloc(&step->arena, count) : small;
    lua_pushnil(L); /* the letters' place */
    for (uint32_t i = 0; i < count; i++) {
        const lion_vector *column = &columns[i];
        letters[i] = column->is_constant ? 'c' : is_compiled ? letter_of(column) : 'a';
        void *at = column->bits;
        if (letters[i] == 'l' || (letters[i] == 'd' && column->type != LION_TYPE_DOUBLE)) {
            double *numbers = numbers_room(step, i);
            if (to_numbers(numbers, column->bits, wanted->count)) letters[i] = 'd';
            if (letters[i] == 'd') at = numbers;
        }
        if (letters[i] == 'c' || letters[i] == 'a')
            push_column(L, column, wanted->count, &step->arena);
        else
            lua_pushlightuserdata(L, at);
    }
    lua_pushlstring(L, letters, count);
    lua_replace(L, -(int)count - 2);
    return (int)count + 1;
}

/* call(step) → kind, rows, name or nil, function or nil, db or nil, arguments or nil, their number.
 * Arguments: the values of the one-shot kinds; those of rows are call_columns'. */
static int call(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    lion_call *wanted = lion_bind_step_call(step);
    lua_pushnumber(L, wanted->kind);
    lua_pushnumber(L, wanted->count);
    if (wanted->name.size > 0) {
        lion_bind_push_text(L, wanted->name);
        lua_pushnil(L);
    } else {
        lua_pushnil(L);
        lion_bind_push_function(L, wanted->host);
    }
    if (wanted->db != NULL)
        lion_bind_push_db(L, wanted->db);
    else
        lua_pushnil(L);
    if (is_by_row(wanted))
        lua_pushnil(L);
    else
        push_call_forms(L, wanted, &step->arena);
    lua_pushnumber(L, is_by_row(wanted) ? wanted->argument_count : wanted->form_count);
    return 7;
}

/* call_columns(step, is_compiled) → the lion_call, the flag that is 0 once the step was closed,
 * then the columns of a call by rows, as push_columns says: to be read in place where the loop over
 * them is compiled. */
static int call_columns(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    bool is_compiled = lua_toboolean(L, 2) != 0;
    lion_call *wanted = lion_bind_step_call(step);
    lua_pushlightuserdata(L, wanted);
    lua_pushlightuserdata(L, &step->is_open);
    return 2 + push_columns(L, step, wanted, is_compiled);
}

/* call_datoms(step) → the datoms that a filter is asked about */
static int call_datoms(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    const lion_call *wanted = lion_bind_step_call(step);
    if (wanted->kind != LION_CALL_FILTER)
        lion_bind_fail(L, LION_FAULT, "lion/fault", "a call without datoms");
    const lion_db *db = wanted->db;
    lua_createtable(L, (int)wanted->count, 0);
    lion_bind_push_slot(L, LION_BIND_DATOM);
    for (uint32_t row = 0; row < wanted->count; row++) {
        lion_datom datom = lion_datom_batch_get(wanted->datoms, row);
        lion_bind_push_datom(L, &datom, db->schema, lion_bind_push_value, &step->arena);
        lua_pushvalue(L, -2);
        lua_setmetatable(L, -2);
        lua_rawseti(L, -3, (int)row + 1);
    }
    lua_pop(L, 1);
    return 1;
}

/* answer(step, results, is_sparse): one result a row. is_sparse: rows without one stand as they
 * were written in place. */
static int answer(lua_State *L)
{
    lion_bind_step *step = lion_bind_step_check(L, 1, 0);
    lion_call *wanted = lion_bind_step_call(step);
    bool is_sparse = lua_toboolean(L, 3) != 0;
    bool is_verdict = wanted->kind == LION_CALL_PREDICATE || wanted->kind == LION_CALL_FILTER;
    bool is_written = is_sparse && lua_isnil(L, 2);
    if (is_written && wanted->is_answered) return 0; /* by code */
    step->answers_known = 0;
    if (!is_written) luaL_checktype(L, 2, LUA_TTABLE);
    for (uint32_t row = 0; row < wanted->count && !is_written; row++) {
        lua_rawgeti(L, 2, (int)row + 1);
        if (is_verdict) {
            bool is_null = lua_islightuserdata(L, -1) != 0;
            wanted->verdict[row] = lua_toboolean(L, -1) != 0 && !is_null;
        } else if (!is_sparse || !lua_isnil(L, -1)) {
            lion_bind_read(L, lua_gettop(L), wanted->arena, &wanted->results[row]);
        }
        lua_pop(L, 1);
    }
    wanted->is_answered = true;
    return 0;
}

/* datom_type() → the metatable of datoms */
static int datom_type(lua_State *L)
{
    lion_bind_push_slot(L, LION_BIND_DATOM);
    return 1;
}

const luaL_Reg lion_bind_step_functions[] = {
    { "step_close", step_close },
    { "transact_open", transact_open },
    { "with_open", with_open },
    { "report", report },
    { "pull_open", pull_open },
    { "query_pull", query_pull },
    { "pull_results", pull_results },
    { "step", step_step },
    { "cursor_open", cursor_open },
    { "cursor_next", cursor_next },
    { "call", call },
    { "call_columns", call_columns },
    { "call_datoms", call_datoms },
    { "datom_type", datom_type },
    { "answer", answer },
    { NULL, NULL },
};

void lion_bind_step_types(lua_State *L)
{
    lion_bind_make_type(L, STEP_TYPE, step_gc);
}
