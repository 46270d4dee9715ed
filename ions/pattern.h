/* pattern.h - Lua's patterns with a bound on the work, as the Lua module `ions.pattern`. */
#ifndef LION_IONS_PATTERN_H
#define LION_IONS_PATTERN_H

#include <lua.h>

/* The functions, each with a limit of the characters that it may try:
 *   find(text, pattern, start, limit)   → units, first, last, captures…
 *   match(text, pattern, start, limit)  → units, captures… (the whole if the pattern has none)
 *   step(text, pattern, start, limit)   → units, first, last, captures… (the whole); ^ is a character
 *   replace(text, pattern, replacement, most, limit, size_max) → units, result, count
 *   plain(text, piece, start)           → first or nil; linear in the text, without a limit
 * start counts from 1; a unit is a character tried. Without a match they give the units and nil; past
 * the limit, nil; past size_max, nil and true; for what is malformed, false and the message. */
int luaopen_ions_pattern(lua_State *state);

#endif
