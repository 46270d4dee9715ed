/* request_lua.h - requests and answers' headers between the HTTP server and Lua. */
#ifndef LION_IONS_REQUEST_LUA_H
#define LION_IONS_REQUEST_LUA_H

#include <lua.h>

#include "http.h"

/* Push { method, path, query, body, remote, id, is_control }. Raises when memory runs out, as those
 * below. */
void lion_push_request(lua_State *state, const lion_http_request *request);
/* Push two tables: headers, where those of one name are joined by ", ", as HTTP allows (cookies by
 * "; "); and the single values of what was repeated, name → array. */
void lion_push_headers(lua_State *state, const lion_http_request *request);
#define LION_HEADERS_ROOM 16 /* most answers have fewer headers */

/* The pairs at index as headers, in the caller's room or, if there are more, to be freed; texts are
 * borrowed from the state's strings, which the table keeps alive. NULL: out of memory. */
lion_http_header *lion_read_headers(lua_State *state, int index, lion_http_header *room,
                                    size_t room_count, size_t *count_out);

#endif
