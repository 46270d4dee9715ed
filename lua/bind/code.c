/* code.c - values as bytes for other processes, and the report of a transaction that another
 * process made. */
#include "step.h"

#include <string.h>

#include "data/form_code.h"
#include "index/log_tree.h"

#define SCRATCH_TYPE "lion.scratch"
#define SYNC_MS_DEFAULT 10000

/* Memory that a Lua error may leave behind. */
typedef struct scratch {
    lion_arena arena;
    lion_buffer buffer;
} scratch;

static scratch *scratch_push(lua_State *L)
{
    scratch *self = lua_newuserdata(L, sizeof *self);
    lion_arena_init(&self->arena, 0);
    lion_buffer_init(&self->buffer);
    luaL_getmetatable(L, SCRATCH_TYPE);
    lua_setmetatable(L, -2);
    return self;
}

static void scratch_free(scratch *self)
{
    lion_arena_deinit(&self->arena);
    lion_buffer_deinit(&self->buffer);
    lion_arena_init(&self->arena, 0); /* the collector comes by again */
    lion_buffer_init(&self->buffer);
}

static int scratch_gc(lua_State *L)
{
    scratch_free(lua_touserdata(L, 1));
    return 0;
}

static lion_slice check_bytes(lua_State *L, int index)
{
    size_t size;
    const char *data = luaL_checklstring(L, index, &size);
    return lion_slice_of(data, size);
}

/* ---- forms ---- */

/* form_write(value) → bytes, for form_read and lion_form_decode */
static int form_write(lua_State *L)
{
    luaL_checkany(L, 1);
    scratch *self = scratch_push(L);
    lion_form form;
    lion_bind_read(L, 1, &self->arena, &form);
    lion_error error;
    if (lion_form_encode(&self->buffer, &form, &error) < 0) return lion_bind_raise(L, &error);
    lion_bind_push_text(L, lion_buffer_view(&self->buffer));
    scratch_free(self);
    return 1;
}

/* form_read(bytes) → value */
static int form_read(lua_State *L)
{
    lion_slice bytes = check_bytes(L, 1);
    scratch *self = scratch_push(L);
    lion_form form;
    lion_error error;
    if (lion_form_decode(&form, bytes, &self->arena, &error) < 0) return lion_bind_raise(L, &error);
    lion_bind_push_form(L, &form, lion_bind_push_value, &self->arena);
    scratch_free(self);
    return 1;
}

/* ---- reports ---- */

/* How far back the transaction before another is looked for first. t counts new entities, too. */
#define BACK_FIRST 8

/* The last transaction in from … to - 1; LION_ABSENT: there is none. Without its bytes. */
static lion_status last_transaction(lion_transaction *last_out, lion_db *db, int64_t from,
                                    int64_t to, lion_error *error)
{
    lion_tx_range *range = NULL;
    lion_status status = lion_db_tx_range(&range, db, from, to, error);
    if (status < 0) return status;
    lion_transaction transaction;
    bool is_there = false;
    while ((status = lion_tx_range_next(range, &transaction, error)) == LION_OK) {
        *last_out = transaction;
        is_there = true;
    }
    lion_tx_range_close(range);
    if (status < 0) return status;
    return is_there ? LION_OK : LION_ABSENT;
}

/* The value before transaction t, as its writer had it. */
static lion_status value_before(lion_db **db_out, lion_db *newest, int64_t t, lion_error *error)
{
    lion_transaction before;
    lion_status status = LION_ABSENT;
    for (int64_t back = BACK_FIRST; status == LION_ABSENT; back *= 8) {
        int64_t from = t > back ? t - back : 0;
        status = last_transaction(&before, newest, from, t, error);
        if (status == LION_ABSENT && from == 0)
            return lion_fail_corrupt(error, "no transaction is before %lld in the log",
                                     (long long)t);
    }
    if (status < 0) return status;
    return lion_db_at_basis(db_out, newest, before.t, before.next_counter, before.instant_ms,
                            error);
}

/* The values of a report, put into the table at the top. newest is taken. */
static lion_status set_values(lua_State *L, lion_bind_conn *conn, lion_db *newest,
                              const lion_transaction *transaction, lion_error *error)
{
    if (transaction->datom_count == 0) {
        lion_bind_report_db(L, "db_before", lion_db_keep(newest), conn);
        lion_bind_report_db(L, "db_after", newest, conn);
        return LION_OK;
    }
    lion_db *before = NULL, *after = NULL;
    lion_status status = value_before(&before, newest, transaction->t, error);
    if (status == LION_OK)
        status = lion_db_at_basis(&after, newest, transaction->t, transaction->next_counter,
                                  transaction->instant_ms, error);
    lion_db_drop(newest);
    if (status < 0) {
        lion_db_drop(before);
        return status;
    }
    lion_bind_report_db(L, "db_before", before, conn);
    lion_bind_report_db(L, "db_after", after, conn);
    return LION_OK;
}

/* record_report(connection, record, timeout_ms or nil) → the table that report gives its writer:
 * waits until the connection has the transaction. A record without datoms is of an id that was seen
 * before. */
static int record_report(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_slice record = check_bytes(L, 2);
    int64_t timeout_ms =
        lua_isnoneornil(L, 3) ? SYNC_MS_DEFAULT : lion_bind_check_integer(L, 3, "a timeout");
    scratch *self = scratch_push(L);
    lion_transaction transaction;
    lion_error error;
    lion_db *newest = NULL;
    if (lion_transaction_decode(&transaction, record, &self->arena, &error) < 0 ||
        lion_bind_dbs_rebase(conn, &error) < 0 ||
        lion_connection_sync(&newest, conn->connection, transaction.t, timeout_ms, &error) < 0)
        return lion_bind_raise(L, &error);
    lion_bind_db *held = lion_bind_db_push(L); /* holds it, whatever raises */
    lion_bind_db_take(L, held, newest, conn);
    lua_createtable(L, 0, 7);
    if (set_values(L, conn, lion_db_keep(newest), &transaction, &error) < 0)
        return lion_bind_raise(L, &error);
    lion_bind_report_fill(L, &transaction, newest->schema, &self->arena);
    scratch_free(self);
    return 1;
}

/* record_summary(record) → { t =, tx =, tx_instant =, tempids =, datoms = (how many) }: for who needs
 * neither values nor data, and no connection that has it. */
static int record_summary(lua_State *L)
{
    lion_slice record = check_bytes(L, 1);
    scratch *self = scratch_push(L);
    lion_transaction transaction;
    lion_error error;
    if (lion_transaction_decode(&transaction, record, &self->arena, &error) < 0)
        return lion_bind_raise(L, &error);
    lua_createtable(L, 0, 5);
    lion_bind_report_fill(L, &transaction, NULL, &self->arena);
    lua_pushnumber(L, (lua_Number)transaction.datom_count);
    lua_setfield(L, -2, "datoms");
    scratch_free(self);
    return 1;
}

/* conn_feed(connection, record): lion_connection_feed */
static int conn_feed(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_slice record = check_bytes(L, 2);
    lion_error error;
    if (lion_bind_dbs_rebase(conn, &error) < 0 ||
        lion_connection_feed(conn->connection, record, &error) < 0)
        return lion_bind_raise(L, &error);
    return 0;
}

/* conn_preview(connection, record) → db: lion_connection_preview */
static int conn_preview(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_slice record = check_bytes(L, 2);
    lion_bind_db *out = lion_bind_db_push(L);
    lion_db *db = NULL;
    lion_error error;
    if (lion_connection_preview(&db, conn->connection, record, &error) < 0)
        return lion_bind_raise(L, &error);
    lion_bind_db_take(L, out, db, conn);
    return 1;
}

const luaL_Reg lion_bind_code_functions[] = {
    { "form_write", form_write },       { "form_read", form_read },
    { "tx_write", form_write }, /* transaction data is read as any data is */
    { "record_report", record_report }, { "record_summary", record_summary },
    { "conn_feed", conn_feed },
    { "conn_preview", conn_preview },   { NULL, NULL },
};

void lion_bind_code_types(lua_State *L)
{
    lion_bind_make_type(L, SCRATCH_TYPE, scratch_gc);
}
