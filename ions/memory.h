/* memory.h - Lua states that may hold only so much. One thread uses a state; any may ask how much
 * it holds. */
#ifndef LION_IONS_MEMORY_H
#define LION_IONS_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct lion_memory lion_memory;

/* A state as lion_lua_new makes it, whose Lua objects have at most max bytes. What reaches that
 * raises "not enough memory"; 16 MiB more are free from then on, for cleaning up. NULL: out of
 * memory. */
lua_State *lion_bounded_state(size_t max, lion_memory **out);
void lion_bounded_close(lion_memory *memory); /* closes its state; NULL is allowed */

bool lion_memory_is_exhausted(const lion_memory *memory); /* the bound was reached once */
/* Between calls: collect more eagerly while more than a third is in use, for LuaJIT does not
 * collect when it is refused. */
void lion_memory_balance(lion_memory *memory);
size_t lion_memory_used(const lion_memory *memory); /* bytes */

#endif
