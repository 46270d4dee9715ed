/* pattern.h - Lua's patterns with a bound on the work, as the Lua module `ions.pattern`. */
#ifndef LION_IONS_PATTERN_H
#define LION_IONS_PATTERN_H

#include <lua.h>

/* { find =, match =, step =, plain = }:
 *   find(text, pattern, start, limit)        → units, first, last, captures…
 *   match(text, pattern, start, limit)       → units, captures… (the whole if the pattern has none)
 *   step(text, pattern, start, limit, anchored) → units, first, last, captures… (the whole if it has none)
 *   plain(text, piece, start)                → first or nil; linear in the text
 * start counts from 1. Without a match they give the units and nil; past the limit, nil alone; for a
 * malformed pattern, false and the message. A unit is a character tried. `step` takes ^ for itself. */
int luaopen_ions_pattern(lua_State *state);

#endif
