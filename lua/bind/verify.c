/* verify.c - a verification, stepped by Lua: between two steps it may show progress, or stop. */
#include "bind.h"

#include <string.h>

#include "connection/verify.h"

#define VERIFY_TYPE "lion.verify"
#define STEPS_MAX 64 /* of one call */

typedef struct bound_verify {
    lion_verify *verify; /* NULL: closed */
    lion_bind_link link; /* of a live database that was given by its connection */
} bound_verify;

static void release_verify(void *owner)
{
    bound_verify *self = owner;
    lion_verify_close(self->verify);
    self->verify = NULL;
    lion_bind_link_remove(&self->link);
}

static int verify_gc(lua_State *L)
{
    release_verify(lua_touserdata(L, 1));
    return 0;
}

static bound_verify *check_verify(lua_State *L)
{
    bound_verify *self = luaL_checkudata(L, 1, VERIFY_TYPE);
    if (self->verify == NULL)
        lion_bind_fail(L, LION_INCORRECT, "lion/closed", "the verification is closed");
    return self;
}

/* verify_open(uri or connection) → verification */
static int verify_open(lua_State *L)
{
    bool is_uri = lua_type(L, 1) == LUA_TSTRING;
    lion_bind_conn *conn = is_uri ? NULL : lion_bind_conn_check(L, 1);
    bound_verify *self = lua_newuserdata(L, sizeof *self);
    memset(self, 0, sizeof *self);
    luaL_getmetatable(L, VERIFY_TYPE);
    lua_setmetatable(L, -2);
    lion_error error;
    lion_status status = is_uri ? lion_verify_open(&self->verify, lua_tostring(L, 1), &error)
                                : lion_verify_open_live(&self->verify, conn->connection, &error);
    if (status < 0) {
        self->verify = NULL;
        return lion_bind_raise(L, &error);
    }
    if (conn != NULL) lion_bind_link_add(&self->link, conn, release_verify, self);
    return 1;
}

/* verify_step(verification) → stage, done, total (segments); nothing when all is read */
static int verify_step(lua_State *L)
{
    bound_verify *self = check_verify(L);
    lion_error error;
    lion_status status = LION_OK;
    for (int i = 0; i < STEPS_MAX && status == LION_OK; i++)
        status = lion_verify_step(self->verify, &error);
    if (status < 0) {
        release_verify(self);
        return lion_bind_raise(L, &error);
    }
    if (status == LION_END) return 0;
    lion_verify_report report = lion_verify_report_of(self->verify);
    lua_pushstring(L, report.stage);
    lua_pushnumber(L, (lua_Number)report.done);
    lua_pushnumber(L, (lua_Number)report.total);
    return 3;
}

static void set_number(lua_State *L, const char *name, uint64_t value)
{
    lua_pushnumber(L, (lua_Number)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

static void push_faults(lua_State *L, const lion_verify_report *report)
{
    lua_createtable(L, (int)report->fault_count, 0);
    for (uint32_t i = 0; i < report->fault_count; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "where", report->faults[i].where);
        set_text(L, "message", report->faults[i].error.message);
        set_text(L, "code", report->faults[i].error.code);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* verify_report(verification) → table; closes it */
static int verify_report(lua_State *L)
{
    bound_verify *self = check_verify(L);
    lion_verify_report report = lion_verify_report_of(self->verify);
    lua_createtable(L, 0, 12);
    lua_pushboolean(L, report.is_sound);
    lua_setfield(L, -2, "ok");
    lua_pushboolean(L, report.is_beside_owner);
    lua_setfield(L, -2, "beside_owner");
    push_faults(L, &report);
    lua_setfield(L, -2, "faults");
    set_number(L, "segments", report.segments);
    set_number(L, "blobs", report.blobs);
    set_number(L, "datoms", report.datoms);
    set_number(L, "transactions", report.transactions);
    set_number(L, "bytes", report.bytes);
    set_number(L, "waste_segments", report.waste_segments);
    set_number(L, "waste_blobs", report.waste_blobs);
    set_number(L, "waste_bytes", report.waste_bytes);
    if (report.torn != 0) set_number(L, "torn", report.torn);
    release_verify(self);
    return 1;
}

static int verify_close(lua_State *L)
{
    release_verify(luaL_checkudata(L, 1, VERIFY_TYPE));
    return 0;
}

const luaL_Reg lion_bind_verify_functions[] = {
    { "verify_open", verify_open },
    { "verify_step", verify_step },
    { "verify_report", verify_report },
    { "verify_close", verify_close },
    { NULL, NULL },
};

void lion_bind_verify_types(lua_State *L)
{
    lion_bind_make_type(L, VERIFY_TYPE, verify_gc);
}
