/* held.c - the userdata of connections and of database values, and how the one hang on the other: closing a
 * connection releases whatever of this state reads from it. */
#include "bind.h"

#include <string.h>

#include "base/memory.h"

#define CONNECTION_TYPE "lion.connection"
#define DB_TYPE "lion.db"

/* ---- links ---- */

void lion_bind_link_add(lion_bind_link *link, lion_bind_conn *conn, void (*release)(void *owner),
                        void *owner)
{
    *link =
        (lion_bind_link){ .conn = conn, .next = conn->links, .release = release, .owner = owner };
    if (conn->links != NULL) conn->links->previous = link;
    conn->links = link;
    conn->references++;
}

void lion_bind_link_remove(lion_bind_link *link)
{
    lion_bind_conn *conn = link->conn;
    if (conn == NULL) return;
    if (link->previous != NULL) link->previous->next = link->next;
    if (link->next != NULL) link->next->previous = link->previous;
    if (conn->links == link) conn->links = link->next;
    link->conn = NULL;
    if (--conn->references == 0) lion_free(conn);
}

/* ---- connections ---- */

/* What hangs on the connection goes first: nothing may read a database that is closed. */
lion_status lion_bind_conn_close(lion_bind_conn *conn, lion_error *error)
{
    if (conn->connection == NULL) return LION_OK;
    while (conn->links != NULL) conn->links->release(conn->links->owner);
    lion_connection *connection = conn->connection;
    conn->connection = NULL;
    return lion_connection_close(connection, error);
}

lion_bind_bound_conn *lion_bind_conn_push(lua_State *L)
{
    lion_bind_bound_conn *self = lua_newuserdata(L, sizeof *self);
    self->conn = NULL;
    luaL_getmetatable(L, CONNECTION_TYPE);
    lua_setmetatable(L, -2);
    return self;
}

static int conn_gc(lua_State *L)
{
    lion_bind_bound_conn *self = lua_touserdata(L, 1);
    if (self->conn == NULL) return 0;
    lion_bind_conn_close(self->conn, NULL);
    if (--self->conn->references == 0) lion_free(self->conn);
    self->conn = NULL;
    return 0;
}

lion_bind_bound_conn *lion_bind_conn_bound(lua_State *L, int index)
{
    return luaL_checkudata(L, index, CONNECTION_TYPE);
}

lion_bind_conn *lion_bind_conn_check(lua_State *L, int index)
{
    lion_bind_bound_conn *self = lion_bind_conn_bound(L, index);
    if (self->conn == NULL || self->conn->connection == NULL)
        lion_bind_fail(L, LION_INCORRECT, "lion/closed", "the connection is closed");
    return self->conn;
}

lion_bind_conn *lion_bind_conn_find(lua_State *L, uint64_t database)
{
    lion_bind_conn *found = NULL;
    lion_bind_push_slot(L, LION_BIND_CONNS);
    lua_pushnil(L);
    while (found == NULL && lua_next(L, -2) != 0) {
        lion_bind_bound_conn *self = lua_touserdata(L, -2);
        if (self->conn != NULL && self->conn->connection != NULL &&
            self->conn->database == database)
            found = self->conn;
        lua_pop(L, found == NULL ? 1 : 2);
    }
    lua_pop(L, 1);
    return found;
}

/* ---- values ---- */

void lion_bind_db_release(void *owner)
{
    lion_bind_db *self = owner;
    lion_bind_link_remove(&self->link);
    lion_db_drop(self->db);
    self->db = NULL;
}

static int db_gc(lua_State *L)
{
    lion_bind_db_release(lua_touserdata(L, 1));
    return 0;
}

lion_bind_db *lion_bind_db_push(lua_State *L)
{
    lion_bind_db *self = lua_newuserdata(L, sizeof *self);
    memset(self, 0, sizeof *self);
    luaL_getmetatable(L, DB_TYPE);
    lua_setmetatable(L, -2);
    return self;
}

void lion_bind_db_take(lua_State *L, lion_bind_db *self, lion_db *db, lion_bind_conn *conn)
{
    self->db = db;
    if (conn == NULL) conn = lion_bind_conn_find(L, db->database);
    if (conn != NULL) lion_bind_link_add(&self->link, conn, lion_bind_db_release, self);
}

static void push_wrapped(lua_State *L, lion_db *db, bool is_log)
{
    lion_bind_push_slot(L, LION_BIND_DB);
    lion_bind_db *self = lion_bind_db_push(L);
    lion_bind_db_take(L, self, lion_db_keep(db), NULL);
    lua_pushboolean(L, is_log);
    lua_call(L, 2, 1);
}

void lion_bind_push_db(lua_State *L, lion_db *db)
{
    push_wrapped(L, db, false);
}

void lion_bind_push_log(lua_State *L, lion_db *db)
{
    push_wrapped(L, db, true);
}

lion_status lion_bind_dbs_rebase(lion_bind_conn *conn, lion_error *error)
{
    uint64_t oldest_root = lion_connection_oldest_root(conn->connection);
    if (oldest_root == conn->oldest_root) return LION_OK;
    lion_status status = LION_OK;
    for (lion_bind_link *link = conn->links; link != NULL && status == LION_OK; link = link->next) {
        if (link->release != lion_bind_db_release) continue;
        lion_bind_db *self = link->owner;
        status = lion_connection_rebase(&self->db, conn->connection, error);
    }
    if (status == LION_OK) conn->oldest_root = oldest_root;
    return status;
}

static lion_bind_db *test_userdata(lua_State *L, int index)
{
    void *self = lua_touserdata(L, index);
    if (self == NULL || lua_getmetatable(L, index) == 0) return NULL;
    luaL_getmetatable(L, DB_TYPE);
    bool is_db = lua_rawequal(L, -1, -2) != 0;
    lua_pop(L, 2);
    return is_db ? self : NULL;
}

lion_bind_db *lion_bind_db_test(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE) return test_userdata(L, index);
    lua_pushliteral(L, "handle");
    lua_rawget(L, index < 0 ? index - 1 : index);
    lion_bind_db *self = test_userdata(L, -1);
    lua_pop(L, 1); /* the wrapper keeps it */
    return self;
}

lion_bind_db *lion_bind_log_test(lua_State *L, int index)
{
    if (lua_type(L, index) != LUA_TTABLE) return NULL;
    lua_pushliteral(L, "log");
    lua_rawget(L, index < 0 ? index - 1 : index);
    lion_bind_db *self = test_userdata(L, -1);
    lua_pop(L, 1); /* the wrapper keeps it */
    if (self != NULL && self->db == NULL)
        lion_bind_fail(L, LION_INCORRECT, "lion/closed", "the connection of this log is closed");
    return self;
}

lion_bind_db *lion_bind_db_check(lua_State *L, int index)
{
    lion_bind_db *self = lion_bind_db_test(L, index);
    if (self == NULL)
        lion_bind_fail(L, LION_INCORRECT, "lion/syntax", "a database value is expected here");
    if (self->db == NULL)
        lion_bind_fail(L, LION_INCORRECT, "lion/closed",
                       "the connection of this database value is closed");
    return self;
}

void lion_bind_held_types(lua_State *L)
{
    lion_bind_make_type(L, CONNECTION_TYPE, conn_gc);
    lion_bind_make_type(L, DB_TYPE, db_gc);
}
