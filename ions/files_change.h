/* files_change.h - methods of folders that list and change what is below them, as files.h tells. */
#ifndef LION_IONS_FILES_CHANGE_H
#define LION_IONS_FILES_CHANGE_H

#include <lua.h>

int lion_files_list(lua_State *state);
int lion_files_make(lua_State *state);
int lion_files_write(lua_State *state);
int lion_files_move(lua_State *state);
int lion_files_remove(lua_State *state);

#endif
