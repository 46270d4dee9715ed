/* connection.c - connections, their log and their upkeep. Transacting is a step (step.c). */
#include "bind.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/memory.h"

#define RANGE_TYPE "lion.tx_range"
#define DIR_TYPE "lion.dir"

/* ---- opening ---- */

static int64_t option_integer(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    int64_t value = lua_isnil(L, -1) ? 0 : lion_bind_check_integer(L, -1, name);
    lua_pop(L, 1);
    return value;
}

static bool option_boolean(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    bool value = lua_toboolean(L, -1) != 0;
    lua_pop(L, 1);
    return value;
}

static void read_options(lua_State *L, lion_connection_options *options)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    options->durability = (uint8_t)option_integer(L, "durability");
    options->interval_ms = (uint32_t)option_integer(L, "interval_ms");
    options->read_only = option_boolean(L, "read_only");
    options->no_create = option_boolean(L, "no_create");
    options->novelty_max = (uint64_t)option_integer(L, "novelty_max");
    options->map_size = (uint64_t)option_integer(L, "map_size");
    options->segment_size = (uint32_t)option_integer(L, "segment_size");
    options->node_entries = (uint32_t)option_integer(L, "node_entries");
    options->datoms_max = (uint32_t)option_integer(L, "datoms_max");
    options->roots_max = (uint32_t)option_integer(L, "roots_max");
}

/* connect(uri, options) → connection */
static int connect(lua_State *L)
{
    const char *uri = luaL_checkstring(L, 1);
    lion_connection_options options = { 0 };
    read_options(L, &options);
    lion_bind_bound_conn *self = lion_bind_conn_push(L);
    self->conn = lion_zalloc(sizeof *self->conn);
    lion_error error;
    if (self->conn == NULL) {
        lion_fail_memory(&error);
        return lion_bind_raise(L, &error);
    }
    self->conn->references = 1;
    if (lion_connection_open(&self->conn->connection, uri, &options, &error) < 0) {
        self->conn->connection = NULL;
        return lion_bind_raise(L, &error);
    }
    lion_db *db = NULL;
    if (lion_connection_db(&db, self->conn->connection, &error) < 0)
        return lion_bind_raise(L, &error);
    self->conn->database = db->database;
    lion_db_drop(db);
    lion_bind_push_slot(L, LION_BIND_CONNS);
    lua_pushvalue(L, -2);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

static int conn_close(lua_State *L)
{
    lion_bind_bound_conn *self = lion_bind_conn_bound(L, 1);
    lion_error error;
    if (self->conn != NULL && lion_bind_conn_close(self->conn, &error) < 0) return lion_bind_raise(L, &error);
    return 0;
}

static int conn_is_open(lua_State *L)
{
    lion_bind_bound_conn *self = lion_bind_conn_bound(L, 1);
    lua_pushboolean(L, self->conn != NULL && self->conn->connection != NULL);
    return 1;
}

/* The newest value: the userdata at index `last`, if it still is. */
static int push_newest(lua_State *L, lion_bind_conn *conn, int last)
{
    const lion_bind_db *known = lion_bind_db_test(L, last);
    lion_db *db = NULL;
    lion_error error;
    if (lion_bind_dbs_rebase(conn, &error) < 0) return lion_bind_raise(L, &error);
    if (known != NULL) {
        if (lion_connection_db(&db, conn->connection, &error) < 0)
            return lion_bind_raise(L, &error);
        bool is_newest = db == known->db;
        lion_db_drop(db);
        if (is_newest) {
            lua_pushvalue(L, last);
            return 1;
        }
    }
    lion_bind_db *out = lion_bind_db_push(L);
    if (lion_connection_db(&db, conn->connection, &error) < 0) return lion_bind_raise(L, &error);
    lion_bind_db_take(L, out, db, conn);
    return 1;
}

/* conn_db(conn, an earlier one or nil) → db; the earlier one itself, while nothing newer is there
 */
static int conn_db(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lua_settop(L, 2);
    return push_newest(L, conn, 2);
}

/* conn_sync(conn, t or 0, timeout_ms or 0, an earlier one or nil) → db, as of conn_db */
static int conn_sync(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    int64_t t = lion_bind_check_integer(L, 2, "a t");
    int64_t timeout = lion_bind_check_integer(L, 3, "a timeout");
    lua_settop(L, 4);
    lion_db *db = NULL;
    lion_error error;
    if (lion_connection_sync(&db, conn->connection, t, timeout, &error) < 0)
        return lion_bind_raise(L, &error);
    lion_db_drop(db); /* what is published later has all that this has */
    return push_newest(L, conn, 4);
}

/* ---- upkeep ---- */

static int conn_index(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    int64_t t = 0;
    lion_error error;
    if (lion_connection_index(&t, conn->connection, &error) < 0) return lion_bind_raise(L, &error);
    lua_pushnumber(L, (lua_Number)t);
    return 1;
}

static int conn_backup(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_error error;
    if (lion_connection_backup(conn->connection, luaL_checkstring(L, 2), &error) < 0)
        return lion_bind_raise(L, &error);
    return 0;
}

static int restore(lua_State *L)
{
    lion_error error;
    if (lion_connection_restore(luaL_checkstring(L, 1), luaL_checkstring(L, 2), &error) < 0)
        return lion_bind_raise(L, &error);
    return 0;
}

static int delete (lua_State *L)
{
    lion_error error;
    if (lion_connection_delete(luaL_checkstring(L, 1), &error) < 0)
        return lion_bind_raise(L, &error);
    return 0;
}

static void set_number(lua_State *L, const char *name, uint64_t value)
{
    lua_pushnumber(L, (lua_Number)value);
    lua_setfield(L, -2, name);
}

static int conn_stats(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    lion_connection_stats stats;
    lion_error error;
    if (lion_connection_stats_read(&stats, conn->connection, &error) < 0)
        return lion_bind_raise(L, &error);
    lua_createtable(L, 0, 16);
    set_number(L, "basis_t", (uint64_t)stats.basis_t);
    set_number(L, "indexed_t", (uint64_t)stats.indexed_t);
    set_number(L, "datoms", stats.datoms);
    set_number(L, "novelty_datoms", stats.novelty_datoms);
    set_number(L, "novelty_bytes", stats.novelty_bytes);
    set_number(L, "tail_bytes", stats.tail_bytes);
    set_number(L, "file_bytes", stats.file_bytes);
    set_number(L, "segments", stats.segments);
    set_number(L, "kept_leaves", stats.kept_leaves);
    set_number(L, "kept_bytes", stats.kept_bytes);
    set_number(L, "transactions", stats.transactions);
    set_number(L, "index_jobs", stats.index_jobs);
    set_number(L, "index_ms", stats.index_ms);
    lua_pushboolean(L, stats.is_indexing);
    lua_setfield(L, -2, "is_indexing");
    set_number(L, "syncs", stats.syncs);
    set_number(L, "sync_ms", stats.sync_ns / 1000000);
    return 1;
}

/* ---- the log ---- */

typedef struct bound_range {
    lion_tx_range *range; /* NULL: at its end, or closed */
    bool is_ended;
    lion_db *db;         /* kept: its schema names attributes */
    lion_bind_push push; /* how values are handed out */
    lion_bind_link link;
    lion_arena scratch;
} bound_range;

static void release_range(void *owner)
{
    bound_range *self = owner;
    lion_bind_link_remove(&self->link);
    lion_tx_range_close(self->range);
    self->range = NULL;
    lion_db_drop(self->db);
    self->db = NULL;
    lion_arena_deinit(&self->scratch);
    lion_arena_init(&self->scratch, 0);
}

static int range_gc(lua_State *L)
{
    release_range(lua_touserdata(L, 1));
    return 0;
}

/* tx_range(conn, from, to or 0, whether values say their types) → range */
static int tx_range(lua_State *L)
{
    lion_bind_conn *conn = lion_bind_conn_check(L, 1);
    int64_t from = lion_bind_check_integer(L, 2, "a t");
    int64_t to = lion_bind_check_integer(L, 3, "a t");
    bool is_typed = lua_toboolean(L, 4) != 0;
    bound_range *self = lua_newuserdata(L, sizeof *self);
    memset(self, 0, sizeof *self);
    self->push = is_typed ? lion_bind_push_typed : lion_bind_push_value;
    lion_arena_init(&self->scratch, 0);
    luaL_getmetatable(L, RANGE_TYPE);
    lua_setmetatable(L, -2);
    lion_bind_link_add(&self->link, conn, release_range, self);
    lion_error error;
    if (lion_connection_db(&self->db, conn->connection, &error) < 0)
        return lion_bind_raise(L, &error);
    if (lion_tx_range_open(&self->range, conn->connection, from, to, &error) < 0) {
        self->range = NULL;
        return lion_bind_raise(L, &error);
    }
    return 1;
}

/* tx_range_next(range) → t, instant, datoms, next_counter; nothing at the end */
static int tx_range_next(lua_State *L)
{
    bound_range *self = luaL_checkudata(L, 1, RANGE_TYPE);
    if (self->is_ended) return 0;
    if (self->range == NULL)
        return lion_bind_fail(L, LION_INCORRECT, "lion/closed",
                              "the connection of this log is closed");
    lion_transaction transaction;
    lion_error error;
    lion_status status = lion_tx_range_next(self->range, &transaction, &error);
    if (status < 0) return lion_bind_raise(L, &error);
    if (status == LION_END) {
        release_range(self);
        self->is_ended = true;
        return 0;
    }
    lua_pushnumber(L, (lua_Number)transaction.t);
    lua_pushnumber(L, (lua_Number)transaction.instant_ms);
    lua_createtable(L, (int)transaction.datom_count, 0);
    lion_bind_push_slot(L, LION_BIND_DATOM);
    for (uint32_t i = 0; i < transaction.datom_count; i++) {
        lion_bind_push_datom(L, &transaction.datoms[i], self->db->schema, self->push,
                             &self->scratch);
        lua_pushvalue(L, -2);
        lua_setmetatable(L, -2);
        lua_rawseti(L, -3, (int)i + 1);
    }
    lua_pop(L, 1);
    lua_pushnumber(L, (lua_Number)transaction.next_counter);
    return 4;
}

/* ---- small things that need no connection ---- */

static int uuid(lua_State *L)
{
    uint8_t bytes[16];
    char text[37];
    lion_uuid7(bytes);
    lion_uuid_format(text, bytes);
    lua_pushlstring(L, text, 36);
    return 1;
}

static int dir_gc(lua_State *L)
{
    DIR **dir = lua_touserdata(L, 1);
    if (*dir != NULL) closedir(*dir);
    *dir = NULL;
    return 0;
}

static bool is_file(DIR *dir, const char *name)
{
    struct stat status;
    return fstatat(dirfd(dir), name, &status, 0) == 0 && S_ISREG(status.st_mode);
}

/* list(dir) → array of the names of its files */
static int list(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    DIR **dir = lua_newuserdata(L, sizeof *dir);
    *dir = NULL;
    luaL_getmetatable(L, DIR_TYPE);
    lua_setmetatable(L, -2);
    *dir = opendir(path);
    if (*dir == NULL) {
        if (errno == ENOENT || errno == ENOTDIR)
            return lion_bind_fail(L, LION_NOT_FOUND, "lion/not-found", "there is no folder %s",
                                  path);
        lion_error error;
        lion_fail_errno(&error, errno, path);
        return lion_bind_raise(L, &error);
    }
    lua_newtable(L);
    int count = 0;
    for (struct dirent *entry = readdir(*dir); entry != NULL; entry = readdir(*dir)) {
        if (!is_file(*dir, entry->d_name)) continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++count);
    }
    closedir(*dir);
    *dir = NULL;
    return 1;
}

const luaL_Reg lion_bind_connection_functions[] = {
    { "connect", connect },
    { "conn_close", conn_close },
    { "conn_is_open", conn_is_open },
    { "conn_db", conn_db },
    { "conn_sync", conn_sync },
    { "conn_index", conn_index },
    { "conn_backup", conn_backup },
    { "conn_stats", conn_stats },
    { "restore", restore },
    { "delete", delete },
    { "tx_range", tx_range },
    { "tx_range_next", tx_range_next },
    { "uuid", uuid },
    { "list", list },
    { NULL, NULL },
};

void lion_bind_connection_types(lua_State *L)
{
    lion_bind_make_type(L, RANGE_TYPE, range_gc);
    lion_bind_make_type(L, DIR_TYPE, dir_gc);
}
