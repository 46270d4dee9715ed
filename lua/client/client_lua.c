/* client_lua.c - `lion.client` for Lua: an HTTP client that waits. */
#include <lauxlib.h>
#include <string.h>

#include "base/clock.h"
#include "client.h"
#include "client_lua.h"

#define LION_CLIENT "lion.client"
#define HEADERS_MAX 64
#define TIMEOUT_MS_DEFAULT 30000
/* What is kept of an answer that nobody takes piece by piece. */
#define BODY_SIZE_MAX ((size_t)256 << 20)

/* As lion.anomaly has it. Does not return. */
static int raise(lua_State *L, const char *category, const char *code, const char *message)
{
    lua_getglobal(L, "require");
    lua_pushliteral(L, "lion.anomaly");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "new");
    lua_pushstring(L, category);
    lua_pushstring(L, code);
    lua_pushstring(L, message);
    lua_call(L, 3, 1);
    return lua_error(L);
}

static int raise_error(lua_State *L, const lion_error *error)
{
    return raise(L, lion_category_name(error->category), error->code, error->message);
}

static lion_client *check_client(lua_State *L)
{
    lion_client **handle = luaL_checkudata(L, 1, LION_CLIENT);
    if (*handle == NULL) raise(L, "incorrect", "lion/closed", "the client is closed");
    return *handle;
}

/* new(address) → client */
static int client_new(lua_State *L)
{
    lion_error error;
    size_t size = 0;
    const char *address = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, strlen(address) == size, 1, "an address has no NUL");
    lion_client **handle = lua_newuserdata(L, sizeof(lion_client *));
    *handle = NULL;
    luaL_getmetatable(L, LION_CLIENT);
    lua_setmetatable(L, -2);
    if (lion_client_new(handle, address, &error) != LION_OK) return raise_error(L, &error);
    return 1;
}

static int client_close(lua_State *L)
{
    lion_client **handle = luaL_checkudata(L, 1, LION_CLIENT);
    lion_client_free(*handle);
    *handle = NULL;
    return 0;
}

/* client:address() → "unix:PATH" or "HOST:PORT" */
static int client_address(lua_State *L)
{
    lua_pushstring(L, lion_client_address(check_client(L)));
    return 1;
}

/* A text of the request; its bytes live as the table at 2 does. */
static const char *text_field(lua_State *L, const char *name, const char *otherwise, size_t *size)
{
    lua_getfield(L, 2, name);
    if (!lua_isnil(L, -1) && lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "%s is a text", name);
    if (lua_isnil(L, -1) && otherwise == NULL) luaL_error(L, "%s is needed", name);
    const char *text = luaL_optlstring(L, -1, otherwise, size);
    lua_pop(L, 1);
    return text;
}

/* name → value, the values texts. */
static size_t take_headers(lua_State *L, lion_client_header *headers)
{
    size_t count = 0;
    lua_getfield(L, 2, "headers");
    if (!lua_isnil(L, -1)) {
        luaL_checktype(L, -1, LUA_TTABLE);
        for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
            if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING ||
                count == HEADERS_MAX)
                luaL_error(L, "headers are at most %d texts by name", HEADERS_MAX);
            headers[count++] = (lion_client_header){ lua_tostring(L, -2), lua_tostring(L, -1) };
        }
    }
    lua_pop(L, 1);
    return count;
}

/* name → value; a name that comes again is joined to the first, as RFC 9110 has it. */
static void push_headers(lua_State *L, const lion_client *client)
{
    size_t count = lion_client_header_count(client);
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        lion_client_header header = lion_client_header_at(client, i);
        lua_getfield(L, -1, header.name);
        if (lua_isnil(L, -1))
            lua_pushstring(L, header.value);
        else
            lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), header.value);
        lua_setfield(L, -3, header.name);
        lua_pop(L, 1);
    }
}

/* Each piece to the function at 3; each has as much time as the head had. The function may close
 * the client. */
static void hand_out(lua_State *L, int64_t timeout_ms)
{
    lion_error error;
    lion_slice piece;
    for (;;) {
        int64_t deadline_ns = lion_clock_deadline_ns(timeout_ms);
        lion_status status = lion_client_read(&piece, check_client(L), deadline_ns, &error);
        if (status == LION_END) return;
        if (status != LION_OK) raise_error(L, &error);
        lua_pushvalue(L, 3);
        lua_pushlstring(L, (const char *)piece.data, piece.size);
        lua_call(L, 1, 0);
    }
}

/* Leaves the whole body on the stack. */
static void collect(lua_State *L, lion_client *client, int64_t deadline_ns)
{
    lion_error error;
    lion_slice piece;
    lion_status status;
    size_t size = 0;
    luaL_Buffer body;
    luaL_buffinit(L, &body);
    while ((status = lion_client_read(&piece, client, deadline_ns, &error)) == LION_OK) {
        size += piece.size;
        if (size > BODY_SIZE_MAX) raise(L, "incorrect", "lion/limit", "the answer is over 256 MiB");
        luaL_addlstring(&body, (const char *)piece.data, piece.size);
    }
    if (status != LION_END) raise_error(L, &error);
    luaL_pushresult(&body);
}

/* client:request { method = ("GET"), path =, headers = {}, body =, timeout_ms = (30000), on_piece =
 * } → status, headers, body. With on_piece(bytes) there is no body, and the time is one of each
 * piece. */
static int client_request(lua_State *L)
{
    lion_error error;
    lion_client_header headers[HEADERS_MAX];
    lion_client *client = check_client(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    lua_getfield(L, 2, "on_piece");
    lua_getfield(L, 2, "timeout_ms");
    int64_t timeout_ms = (int64_t)luaL_optnumber(L, 4, TIMEOUT_MS_DEFAULT);
    size_t size = 0;
    lion_client_request request = { .deadline_ns = lion_clock_deadline_ns(timeout_ms) };
    request.method = text_field(L, "method", "GET", NULL);
    request.path = text_field(L, "path", NULL, NULL);
    request.body.data = (const uint8_t *)text_field(L, "body", "", &size);
    request.body.size = size;
    request.headers = headers;
    request.header_count = take_headers(L, headers);
    if (lion_client_send(client, &request, &error) != LION_OK) return raise_error(L, &error);
    lua_pushinteger(L, lion_client_status(client));
    push_headers(L, client);
    if (lua_isnil(L, 3)) {
        collect(L, client, request.deadline_ns);
        return 3;
    }
    hand_out(L, timeout_ms);
    return 2;
}

int luaopen_lion_client(lua_State *L)
{
    static const luaL_Reg methods[] = { { "request", client_request },
                                        { "address", client_address },
                                        { "close", client_close },
                                        { "__gc", client_close },
                                        { NULL, NULL } };
    luaL_newmetatable(L, LION_CLIENT);
    luaL_register(L, NULL, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_newtable(L);
    lua_pushcfunction(L, client_new);
    lua_setfield(L, -2, "new");
    return 1;
}
