/* request_lua.c - what Lua sees of a request, and the headers that it answers with. */
#include "request_lua.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* Note one more value of a header that is in the headers (at -3, name and first value above it)
 * already. */
static void push_repeated(lua_State *state, const lion_http_header *header, int repeated)
{
    lua_pushvalue(state, -2);
    lua_rawget(state, repeated);
    if (lua_isnil(state, -1)) {
        lua_pop(state, 1);
        lua_newtable(state);
        lua_pushvalue(state, -2);
        lua_rawseti(state, -2, 1);
        lua_pushvalue(state, -3);
        lua_pushvalue(state, -2);
        lua_rawset(state, repeated);
    }
    lua_pushlstring(state, header->value.data, header->value.size);
    lua_rawseti(state, -2, (int)lua_objlen(state, -2) + 1);
    lua_pop(state, 1);
}

void lion_push_headers(lua_State *state, const lion_http_request *request)
{
    lua_newtable(state);
    int repeated = lua_gettop(state);
    lua_createtable(state, 0, (int)request->header_count);
    for (size_t i = 0; i < request->header_count; i++) {
        const lion_http_header *header = &request->headers[i];
        lua_pushlstring(state, header->name.data, header->name.size);
        lua_pushvalue(state, -1);
        lua_rawget(state, -3);
        if (lua_isnil(state, -1)) {
            lua_pop(state, 1);
            lua_pushlstring(state, header->value.data, header->value.size);
        } else {
            push_repeated(state, header, repeated);
            bool is_cookie = header->name.size == 6 && memcmp(header->name.data, "cookie", 6) == 0;
            lua_pushstring(state, is_cookie ? "; " : ", ");
            lua_pushlstring(state, header->value.data, header->value.size);
            lua_concat(state, 3);
        }
        lua_rawset(state, -3);
    }
    lua_insert(state, repeated);
}

/* A table with many fields is made quicker by Lua than through its C API. */
static const char MAKE[] =
    "local method, path, query, body, remote, id, is_control = ...\n"
    "return { method = method, path = path, query = query, body = body, remote = remote, id = id,\n"
    "  is_control = is_control }";

static void push_maker(lua_State *state)
{
    lua_pushlightuserdata(state, (void *)(uintptr_t)MAKE);
    lua_rawget(state, LUA_REGISTRYINDEX);
    if (lua_isfunction(state, -1)) return;
    lua_pop(state, 1);
    if (luaL_loadbuffer(state, MAKE, sizeof MAKE - 1, "=ions.request") != 0) (void)lua_error(state);
    lua_pushlightuserdata(state, (void *)(uintptr_t)MAKE);
    lua_pushvalue(state, -2);
    lua_rawset(state, LUA_REGISTRYINDEX);
}

void lion_push_request(lua_State *state, const lion_http_request *request)
{
    push_maker(state);
    lua_pushstring(state, request->method);
    lua_pushlstring(state, request->path.data, request->path.size);
    lua_pushlstring(state, request->query.data, request->query.size);
    lua_pushlstring(state, request->body.data, request->body.size);
    lua_pushstring(state, request->remote);
    lua_pushnumber(state, (lua_Number)request->id);
    if (request->is_control)
        lua_pushboolean(state, 1);
    else
        lua_pushnil(state);
    lua_call(state, 7, 1);
}

lion_http_header *lion_read_headers(lua_State *state, int index, lion_http_header *room,
                                    size_t room_count, size_t *count_out)
{
    size_t count = lua_objlen(state, index);
    lion_http_header *headers = count <= room_count ? room : calloc(count, sizeof *headers);
    *count_out = 0;
    for (size_t i = 0; headers != NULL && i < count; i++) {
        lua_rawgeti(state, index, (int)i + 1);
        lua_rawgeti(state, -1, 1);
        lua_rawgeti(state, -2, 2);
        lion_http_header *header = &headers[(*count_out)++];
        header->name.data = lua_tolstring(state, -2, &header->name.size);
        header->value.data = lua_tolstring(state, -1, &header->value.size);
        lua_pop(state, 3);
    }
    return headers;
}
