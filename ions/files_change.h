/* files_change.h - what files.c and files_change.c have of each other. */
#ifndef LION_IONS_FILES_CHANGE_H
#define LION_IONS_FILES_CHANGE_H

#include <lua.h>

/* A descriptor, or -1 and errno: of a path below the folder `root`, however it is written. */
int lion_files_open_below(int root, const char *path, int flags);
/* The descriptor of the folder that is the first argument. */
int lion_files_check_folder(lua_State *state);
const char *lion_files_check_path(lua_State *state, int index);

/* Methods of folders, as files.h tells. */
int lion_files_list(lua_State *state);
int lion_files_make(lua_State *state);
int lion_files_write(lua_State *state);
int lion_files_move(lua_State *state);
int lion_files_remove(lua_State *state);

#endif
