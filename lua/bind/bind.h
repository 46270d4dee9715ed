/* bind.h - what the files of the Lua binding share. Private to lua/bind.
 *
 * The binding is the module "lion.core": userdata and plain functions, wrapped by lua/lion/. User
 * functions never run inside a C function: whatever may need one is a step (step.c) that Lua
 * drives, so loops over rows are compiled by LuaJIT together with the user's function, and a
 * coroutine may yield in it.
 *
 * Lua errors jump: whatever a function holds while it may raise lies in a userdata or on the Lua
 * stack.
 *
 * Ownership: a database closes only when nothing reads from it any more. Every userdata that holds
 * a value of a connection hangs in the connection's list of links; closing the connection releases
 * them first, and what is released answers lion/closed. */
#ifndef LION_LUA_BIND_BIND_H
#define LION_LUA_BIND_BIND_H

#include <lauxlib.h>
#include <lua.h>

#include "connection/connection.h"
#include "db/db.h"

/* ---- errors ---- */

/* Raise the error as a table (lion.anomaly). Does not return; typed so that callers can return it.
 */
int lion_bind_raise(lua_State *L, const lion_error *error);
int lion_bind_fail(lua_State *L, lion_category category, const char *code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- what Lua lends to C, and the functions that users register ---- */

typedef enum lion_bind_slot {
    LION_BIND_INT64 = 1, /* (high, low) → int64_t cdata */
    LION_BIND_SPLIT, /* cdata → 1 (int64) or 2 (uint64 beyond it), high, low; nil for any other */
    LION_BIND_SYMBOL,    /* name → symbol */
    LION_BIND_ANOMALY,   /* category, code, message, data → error table */
    LION_BIND_DB,        /* userdata of a db, is it the log's? → database value, or log */
    LION_BIND_DATOM,     /* the metatable of datoms */
    LION_BIND_FUNCTIONS, /* handle → function, weak: whoever hands a function down keeps it */
    LION_BIND_HANDLES,   /* function → handle, weak */
    LION_BIND_CONNS,     /* userdata of a connection → true, weak */
    LION_BIND_TYPED,     /* "instant" …, plain value → a value that knows its type */
    LION_BIND_DECIMAL,   /* text → decimal */
    LION_BIND_PAY,       /* steps of a program → whether they were paid in one */
} lion_bind_slot;

/* The table at index is that of the slots from now on. */
void lion_bind_set_slots(lua_State *L, int index);
void lion_bind_push_slot(lua_State *L, lion_bind_slot slot);
/* The handle of the function at index; the same function has the same handle. */
int64_t lion_bind_handle(lua_State *L, int index);
/* Push the function of a handle, or nil when it is gone. */
void lion_bind_push_function(lua_State *L, int64_t handle);

/* ---- connections and what hangs on them ---- */

typedef struct lion_bind_conn lion_bind_conn;
typedef struct lion_bind_link {
    lion_bind_conn *conn; /* NULL: not linked */
    struct lion_bind_link *previous, *next;
    void (*release)(void *owner);
    void *owner;
} lion_bind_link;

struct lion_bind_conn {
    lion_connection *connection; /* NULL: closed */
    uint64_t database;           /* as lion_db.database */
    lion_bind_link *links;
    uint64_t oldest_root; /* as of when the values were last looked through */
    uint32_t references; /* the userdata and the links */
};

/* The userdata of a connection. */
typedef struct lion_bind_bound_conn {
    lion_bind_conn *conn; /* NULL: not open yet, or let go */
} lion_bind_bound_conn;

/* An empty one, pushed. */
lion_bind_bound_conn *lion_bind_conn_push(lua_State *L);
lion_bind_bound_conn *lion_bind_conn_bound(lua_State *L, int index); /* closed or not */
/* What hangs on it is released first. Closed already: nothing happens. */
lion_status lion_bind_conn_close(lion_bind_conn *conn, lion_error *error);

/* release must remove the link. */
void lion_bind_link_add(lion_bind_link *link, lion_bind_conn *conn, void (*release)(void *owner),
                        void *owner);
void lion_bind_link_remove(lion_bind_link *link);

typedef struct lion_bind_db {
    lion_db *db; /* kept; NULL: its connection was closed */
    lion_bind_link link;
} lion_bind_db;

/* An empty one, pushed; filled by lion_bind_db_take. */
lion_bind_db *lion_bind_db_push(lua_State *L);
/* db's reference is taken over. conn may be NULL: an open connection of the same database is looked
 * for. */
void lion_bind_db_take(lua_State *L, lion_bind_db *self, lion_db *db, lion_bind_conn *conn);
void lion_bind_db_release(void *owner); /* a lion_bind_db; once or more often */
lion_bind_db *lion_bind_db_check(lua_State *L, int index); /* raises lion/closed */
/* The values of conn that this state holds leave retired roots. Only where no value of conn is at work. */
lion_status lion_bind_dbs_rebase(lion_bind_conn *conn, lion_error *error);
lion_bind_db *lion_bind_db_test(lua_State *L,
                                int index); /* NULL if it is none; a db or its wrapper */
/* The value of the database whose log a wrapper (lua/lion/log.lua) stands for; NULL if it is none.
 * Raises lion/closed. */
lion_bind_db *lion_bind_log_test(lua_State *L, int index);
lion_bind_conn *lion_bind_conn_check(lua_State *L, int index); /* raises lion/closed */
/* An open connection of this state to the database, or NULL. */
lion_bind_conn *lion_bind_conn_find(lua_State *L, uint64_t database);
/* Push the database value of a lion_db, or its log (a reference of its own is kept). */
void lion_bind_push_db(lua_State *L, lion_db *db);
void lion_bind_push_log(lua_State *L, lion_db *db);

/* ---- values and forms ---- */

/* The Lua value at index as a form in the arena. Raises: too deep, no form, integers out of range.
 */
void lion_bind_read(lua_State *L, int index, lion_arena *arena, lion_form *form_out);

/* Whole numbers up to here are numbers in Lua, others int64_t. */
#define LION_BIND_NUMBER_MAX (INT64_C(1) << 53)

void lion_bind_push_value(lua_State *L, lion_value value, lion_arena *scratch);
/* The same, but what Lua has no type for (instants, uuids, bytes, strings that look like a keyword)
 * says what it is. */
void lion_bind_push_typed(lua_State *L, lion_value value, lion_arena *scratch);
/* One of these two. */
typedef void (*lion_bind_push)(lua_State *L, lion_value value, lion_arena *scratch);
void lion_bind_push_form(lua_State *L, const lion_form *form, lion_bind_push push,
                         lion_arena *scratch);
/* An array of them. */
void lion_bind_push_forms(lua_State *L, const lion_form *forms, size_t count, lion_bind_push push,
                          lion_arena *scratch);
void lion_bind_push_text(lua_State *L, lion_slice text); /* NULL data allowed */
void lion_bind_push_datom(lua_State *L, const lion_datom *datom, const lion_schema *schema,
                          lion_bind_push push, lion_arena *scratch);
/* A whole number as a number, or as int64_t beyond 2^53. */
void lion_bind_push_integer(lua_State *L, int64_t value);
int64_t lion_bind_check_integer(lua_State *L, int index, const char *what);

/* ---- functions of the module, by file ---- */

extern const luaL_Reg lion_bind_code_functions[];
extern const luaL_Reg lion_bind_connection_functions[];
extern const luaL_Reg lion_bind_db_functions[];
extern const luaL_Reg lion_bind_json_functions[];
extern const luaL_Reg lion_bind_point_functions[];
extern const luaL_Reg lion_bind_step_functions[];
extern const luaL_Reg lion_bind_answers_functions[];
extern const luaL_Reg lion_bind_query_functions[];
extern const luaL_Reg lion_bind_verify_functions[];
void lion_bind_code_types(lua_State *L);
void lion_bind_connection_types(lua_State *L);
void lion_bind_db_types(lua_State *L);
void lion_bind_held_types(lua_State *L);
void lion_bind_step_types(lua_State *L);
void lion_bind_query_types(lua_State *L);
void lion_bind_verify_types(lua_State *L);

int luaopen_lion_core(lua_State *L);

/* A type of userdata with this collector. */
void lion_bind_make_type(lua_State *L, const char *name, lua_CFunction gc);

#endif
